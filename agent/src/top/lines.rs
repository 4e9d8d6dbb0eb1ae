//! `--batch` and `--json`: intervals one after the other, for scripts.

use std::io::{ErrorKind, Write};

use anyhow::{Result, bail};

use super::TopArgs;
use super::asker::{AskError, Asker};
use super::panes::{self, Pane, Sorting};
use super::screen;
use super::sight::Sight;

/// Rows of a table, and columns of a line.
const MAX_ROWS: usize = 20;
const WIDTH: usize = 160;

/// Prints each interval, until there were enough, the reader goes or the agent does.
///
/// # Errors
/// There is no agent, it ends before there were enough, or stdout fails.
pub(super) fn run(mut asker: Asker, args: &TopArgs, out: &mut dyn Write) -> Result<()> {
    let local_offset = outputs::local_offset();
    let mut n_left = args.n;
    look(&mut asker)?;
    while n_left != Some(0) {
        std::thread::sleep(asker.interval());
        let Some(sight) = look(&mut asker)? else { continue };
        let text = if args.json {
            serde_json::to_string(&sight)? + "\n"
        } else {
            text(&sight, &args.filter, &*local_offset)
        };
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(e) => return Err(e.into()),
        }
        n_left = n_left.map(|n| n - 1);
    }
    Ok(())
}

fn look(asker: &mut Asker) -> Result<Option<Sight>> {
    match asker.look() {
        Ok(sight) => Ok(sight),
        Err(AskError::Refused(e) | AskError::Gone(e)) => bail!(e),
    }
}

/// All panes below each other; ends with an empty line.
pub(super) fn text(sight: &Sight, filter: &str, local_offset: &dyn Fn(i64) -> i32) -> String {
    let mut text = screen::numbers(sight).join("  ") + "\n";
    let mut told = screen::sample_told(sight);
    if !filter.is_empty() {
        told = format!("{told}; filter: {filter}");
    }
    text.extend([&*told, "\n"]);
    for pane in Pane::ALL {
        let mut tables = panes::tables(pane, sight, Sorting::default(), local_offset);
        for table in &mut tables {
            table.rows.truncate(MAX_ROWS);
        }
        text.extend(["\n", pane.name(), ":\n"]);
        if pane == Pane::Alerts {
            text.extend(screen::alerts_told(sight).map(|told| told + "\n"));
        }
        for line in screen::lines(&tables, WIDTH) {
            text.extend([&*line.text, "\n"]);
        }
    }
    text.push('\n');
    text
}

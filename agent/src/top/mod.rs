//! `peregrine top`: the pipeline of the running agent, as it goes.
//!
//! `agent: shards ─sample─▶ Onlookers ◀─alerts─ outputs` and here `Asker ─every interval─▶ Sight ─▶ screen | lines`

mod app;
mod asker;
mod lines;
mod onlookers;
mod panes;
mod screen;
mod sight;
mod terminal;

use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use rules::Filter;

use crate::cli::{ConfigSource, parse_duration_within};
use crate::visible::Visible;
use asker::Asker;

pub(crate) use onlookers::{Onlookers, Seen};

/// Options of `peregrine top`.
#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// Time between two looks (1s, 500ms), at most a minute
    #[arg(
        short = 'd',
        long,
        value_name = "DURATION",
        default_value = "1s",
        hide_default_value = true,
        value_parser = parse_interval
    )]
    pub(crate) interval: Duration,

    /// End after N intervals
    #[arg(short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) n: Option<u64>,

    /// Sample only the events that CONDITION picks, in the language of rules
    #[arg(
        short = 'f',
        long,
        value_name = "CONDITION",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) filter: String,

    /// Print text in place of a screen, one table below the other
    #[arg(short = 'b', long)]
    pub(crate) batch: bool,

    /// Print one JSON object for each interval
    #[arg(long, conflicts_with = "batch")]
    pub(crate) json: bool,

    /// Options that say where the configuration comes from; only the socket's path is taken from it.
    #[command(flatten)]
    pub(crate) source: ConfigSource,
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    parse_duration_within(text, ["100ms", "1m"])
}

/// What is wrong with a filter, in one line.
fn check_filter(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    Filter::compile(text).map(drop).map_err(|e| match &e.hint {
        Some(hint) => format!("{e}, {hint}"),
        None => e.to_string(),
    })
}

/// Shows the agent that listens on `socket`.
///
/// # Errors
/// There is none, it ends, or there is no terminal to show it on.
pub(crate) fn run(args: &TopArgs, socket: &Path) -> Result<()> {
    let filter = args.filter.trim();
    if let Err(e) = check_filter(filter) {
        bail!("--filter: {e}");
    }
    let asker = Asker::new(socket, filter, args.interval);
    if args.json || args.batch {
        return lines::run(asker, args, &mut Visible(std::io::stdout().lock()));
    }
    if !(std::io::stdout().is_terminal() && std::io::stdin().is_terminal()) {
        bail!("no terminal to show it on (--batch and --json print lines)");
    }
    terminal::run(asker, args)
}

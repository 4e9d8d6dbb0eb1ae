//! The terminal while the screen is on it: raw, its alternate screen shown, and as it was before on every way out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel, sync_channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{Event, KeyEventKind, poll, read};
use rustix::event::{PollFd, PollFlags, Timespec, poll as poll_fds};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::TopArgs;
use super::app::{App, Wish};
use super::asker::{AskError, Asker, Told};
use super::screen::{Look, draw};

/// How long a key, a signal or an answer may wait for the screen.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The terminal, which is as it was before once this is dropped; a panic restores it first, so that its message can be read.
struct Raw(DefaultTerminal);

impl Raw {
    fn enter() -> Result<Self> {
        let terminal = ratatui::try_init().inspect_err(|_| ratatui::restore());
        Ok(Self(terminal.context("cannot use the terminal")?))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Where the terminal has gone there is nobody to tell.
        drop(self.0.show_cursor());
        drop(ratatui::try_restore());
    }
}

/// How a screen ended.
enum End {
    Quit,
    Signal(i32),
    Trouble(String),
}

/// Shows the screen until it is left.
///
/// # Errors
/// There is no agent, it ends, or the terminal fails.
pub(super) fn run(mut asker: Asker, args: &TopArgs) -> Result<()> {
    let signalled = Arc::new(AtomicUsize::new(0));
    for signal in [SIGTERM, SIGHUP, SIGINT, SIGQUIT] {
        let number = usize::try_from(signal).context("signals have small numbers")?;
        signal_hook::flag::register_usize(signal, Arc::clone(&signalled), number)
            .context("cannot wait for signals")?;
    }
    // What is wrong at the start is told on a terminal that nobody has touched.
    if let Err(AskError::Refused(e) | AskError::Gone(e)) = asker.look() {
        bail!(e);
    }
    let (filter_tx, filters) = channel();
    // Where the terminal takes nothing, the next interval is as much longer.
    let (told_tx, told) = sync_channel(1);
    let ask = move || asker.ask_on(&filters, &told_tx);
    start("hang-up", end_with_the_terminal)?;
    let app = App::new(args.filter.trim().to_owned());
    let mut raw = Raw::enter()?;
    let end = start("asker", ask)
        .and_then(|()| show(&mut raw.0, app, args.n, &told, &filter_tx, &signalled));
    drop(raw);
    match end? {
        End::Quit => Ok(()),
        End::Trouble(e) => bail!(e),
        End::Signal(signal) => {
            // Whoever sent it sees the end that it asked for.
            Ok(signal_hook::low_level::emulate_default_handler(signal)?)
        }
    }
}

/// Starts a thread that ends with the process: an answer may take seconds, and a terminal stay for days.
fn start(name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map(drop)
        .context("cannot start a thread")
}

/// Ends the process once its terminal has gone: the library would read the end of what was typed again and again, and look at no signal.
fn end_with_the_terminal() {
    let stdin = std::io::stdin();
    let every = Timespec { tv_sec: 1, tv_nsec: 0 };
    loop {
        let mut terminal = [PollFd::new(&stdin, PollFlags::empty())];
        let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        if poll_fds(&mut terminal, Some(&every)).is_ok() && terminal[0].revents().intersects(gone) {
            // There is nothing left to put back, and nobody to tell.
            drop(signal_hook::low_level::emulate_default_handler(SIGHUP));
        }
    }
}

fn show(
    terminal: &mut DefaultTerminal,
    mut app: App,
    mut n_left: Option<u64>,
    told: &Receiver<Told>,
    filters: &Sender<String>,
    signalled: &AtomicUsize,
) -> Result<End> {
    let (look, local_offset) = (Look::of_environment(), outputs::local_offset());
    let mut is_stale = true;
    loop {
        // Relaxed: nothing else is communicated by it.
        match signalled.load(Ordering::Relaxed) {
            0 => {}
            signal if signal == SIGINT as usize => return Ok(End::Quit),
            signal => return Ok(End::Signal(signal as i32)),
        }
        loop {
            match told.try_recv() {
                Ok(Told::Sight(sight)) => {
                    app.see(*sight);
                    n_left = n_left.map(|n| n.saturating_sub(1));
                }
                Ok(Told::Error(AskError::Refused(e))) => app.trouble = Some(e),
                Ok(Told::Error(AskError::Gone(e))) => return Ok(End::Trouble(e)),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    return Ok(End::Trouble("nobody asks the agent any more".to_owned()));
                }
            }
            is_stale = true;
        }
        if is_stale {
            terminal.draw(|frame| draw(frame, &mut app, look, &*local_offset))?;
            is_stale = false;
        }
        if n_left == Some(0) {
            return Ok(End::Quit);
        }
        if !poll(LOOK_EVERY)? {
            continue;
        }
        is_stale = true;
        if let Event::Key(key) = read()?
            && key.kind != KeyEventKind::Release
        {
            match app.press(key) {
                Wish::Nothing => {}
                Wish::Quit => return Ok(End::Quit),
                // Where the asker has gone the next round says why.
                Wish::Filter(filter) => drop(filters.send(filter)),
            }
        }
    }
}

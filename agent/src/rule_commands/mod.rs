//! `peregrine rules ...`: commands about rules that need no kernel.

mod check;
mod explain;
mod falco;
mod list;
mod loaded;
pub(crate) mod missing;
mod profile;
mod push_down;
pub(crate) mod reload;
mod test;

pub(crate) use self::profile::table as profile_table;
pub(crate) use self::push_down::text as pushed_down;
use std::io::{ErrorKind, Write};

use anyhow::Result;
use clap::Subcommand;

use crate::config::Config;

pub(crate) use falco::{FalcoFlags, Invalid};

/// Subcommands of `peregrine rules`.
#[derive(Debug, Subcommand)]
pub(crate) enum RuleCommand {
    /// Read rule files together, in order, and draw what is wrong with them
    Check(check::CheckArgs),

    /// List the rules with priority, source, tags and whether they are enabled
    List(list::ListArgs),

    /// Tell what a rule comes to: resolved condition, events, fields, and what it shares with other rules
    Explain(explain::ExplainArgs),

    /// Measure what each rule of the running agent costs, and how often it matches
    Profile(profile::ProfileArgs),

    /// Replace the rules of the running agent, or select others of them, without losing an event
    Reload(reload::ReloadArgs),

    /// Run test files: events that are made up, and the alerts that they have to raise
    Test(test::TestArgs),
}

/// Runs one of the commands.
///
/// # Errors
/// One line that says what went wrong; what the command is about went to `out` before.
pub(crate) fn run(command: &RuleCommand, out: &mut dyn Write) -> Result<()> {
    let ended = match command {
        RuleCommand::Check(args) => check::run(args, out),
        RuleCommand::List(args) => list::run(args, out),
        RuleCommand::Explain(args) => explain::run(args, out),
        RuleCommand::Profile(args) => profile::run(args, out),
        RuleCommand::Reload(args) => reload::run(args, out),
        RuleCommand::Test(args) => test::run(args, out),
    };
    unless_reader_gone(ended)
}

/// Does what Falco's flags say.
///
/// # Errors
/// As [`run`]; [`Invalid`] where the text of the error is more than a line.
pub(crate) fn run_falco(flags: &FalcoFlags, config: &Config, out: &mut dyn Write) -> Result<()> {
    unless_reader_gone(falco::run(flags, config, out))
}

/// A reader that has seen enough is no mistake.
pub(crate) fn unless_reader_gone(ended: Result<()>) -> Result<()> {
    let is_gone = |e: &anyhow::Error| {
        e.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe)
    };
    ended.or_else(|e| if is_gone(&e) { Ok(()) } else { Err(e) })
}

//! `peregrine rules ...`: commands about rules that need no kernel.

mod check;

use std::io::Write;

use anyhow::Result;
use clap::Subcommand;

/// Subcommands of `peregrine rules`.
#[derive(Debug, Subcommand)]
pub(crate) enum RuleCommand {
    /// Read rule files together, in order, and draw what is wrong with them
    Check(check::CheckArgs),
}

/// Runs one of the commands.
///
/// # Errors
/// One line that says what went wrong; what the command is about went to `out` before.
pub(crate) fn run(command: &RuleCommand, out: &mut dyn Write) -> Result<()> {
    match command {
        RuleCommand::Check(args) => check::run(args, out),
    }
}

//! `peregrine config ...`: what is wrong with a configuration, which values hold, and which keys there are.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use crate::cli::{ConfigSource, Settings};
use crate::config::{self, Reading};
use crate::start::count;

/// Subcommands of `peregrine config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Tell everything that is wrong with the configuration, with file, line and column; exit code 1 where there is something
    Check(ConfigArgs),

    /// Print every key with the value that holds, and where it comes from, as YAML
    Show(ConfigArgs),

    /// Print a file with every key, what it is for and its default
    Sample,
}

/// Which configuration a command is about.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// Configuration file; without it /etc/peregrine/peregrine.yaml where that exists, else the built-in configuration
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Set a key of the configuration
    #[arg(short = 'o', long = "option", value_name = "KEY=VALUE")]
    options: Vec<String>,
}

/// Runs one of the commands.
///
/// # Errors
/// The configuration is wrong, or stdout is gone.
pub(crate) fn run(command: &ConfigCommand, out: &mut dyn Write) -> Result<()> {
    match command {
        ConfigCommand::Check(args) => check(&args.source(), out),
        ConfigCommand::Show(args) => show(&args.source(), out),
        ConfigCommand::Sample => Ok(out.write_all(config::sample().as_bytes())?),
    }
}

impl ConfigArgs {
    fn source(&self) -> ConfigSource {
        let Self { config, options } = self;
        ConfigSource { config: config.clone(), options: options.clone(), socket: None }
    }
}

fn check(source: &ConfigSource, out: &mut dyn Write) -> Result<()> {
    let reading = Reading::of(source)?;
    let (lines, [n_errors, n_warnings]) = reading.report(source);
    for line in &lines {
        writeln!(out, "{line}")?;
    }
    if n_errors + n_warnings > 0 {
        bail!(
            "{} and {} in the configuration",
            count(n_errors, "error"),
            count(n_warnings, "warning")
        );
    }
    Ok(())
}

fn show(source: &ConfigSource, out: &mut dyn Write) -> Result<()> {
    let reading = Reading::of(source)?;
    // What cannot be resolved has no values.
    reading.resolve(source, &Settings::default())?;
    Ok(out.write_all(reading.show().as_bytes())?)
}

//! `peregrine rules check`: what is wrong with rule files.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use rules::{Options, Ruleset};

use crate::config::RuleInputs;
use crate::rule_files;

/// Options of `peregrine rules check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Rule files, or directories of them, in order: a file sees what it and earlier ones define
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Draws errors and warnings.
///
/// # Errors
/// A file cannot be read, a rule file is wrong, or stdout is gone.
pub(crate) fn run(args: &CheckArgs, out: &mut dyn Write) -> Result<()> {
    let sources = rule_files::read(&RuleInputs::Given(args.files.clone()))?;
    let loaded = Ruleset::load(sources, Options::default());
    let findings = match &loaded {
        Ok(ruleset) => ruleset.warnings(),
        Err(errors) => errors,
    };
    for finding in findings {
        writeln!(out, "{finding}")?;
    }
    match loaded {
        Ok(_) => Ok(()),
        Err(errors) => bail!("{}", crate::start::count(errors.len(), "error")),
    }
}

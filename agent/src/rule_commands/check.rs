//! `peregrine rules check`: what is wrong with rule files, drawn; and the same in Falco's form.

use std::collections::HashSet;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use rules::{Catalog, FieldRef, FileResult, Finding, Options, Source, validate};
use serde_json::json;

use super::missing;
use crate::cli::{ConfigSource, Settings};
use crate::config;
use crate::rule_files;
use crate::rule_load;
use crate::start::count;

/// Options of `peregrine rules check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Rule files, or directories of them, in order: a file sees what it and earlier ones define
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Print Falco's validation result, one JSON object
    #[arg(long)]
    json: bool,

    /// Check the rules of SOURCE too, beside those of syscall; repeatable
    #[arg(long = "source", value_name = "SOURCE")]
    sources: Vec<String>,

    #[command(flatten)]
    config: ConfigSource,
}

/// Judges the files and says of each what is wrong, and whether it can be used.
///
/// # Errors
/// The configuration is wrong, a directory cannot be read, a file is invalid, or stdout is gone.
pub(crate) fn run(args: &CheckArgs, out: &mut dyn Write) -> Result<()> {
    let config = config::load_and_say(&args.config, &Settings::default())?;
    let files = rule_files::read_each(&args.files)?;
    let sources: Vec<Source> = files.iter().filter_map(|f| f.as_ref().ok()).cloned().collect();
    let options = Options { sources: args.sources.clone(), ..rule_load::options(&config) };
    let results = validate(files, &options);
    if args.json {
        writeln!(out, "{}", json!({ "falco_load_results": results }))?;
    } else {
        draw(&results, out)?;
        // What is wrong says enough.
        if let Ok(catalog) = Catalog::load(sources, &options) {
            for note in missing::notes(named_fields(&catalog), true) {
                writeln!(out, "note: {note}")?;
            }
        }
    }
    let n_invalid = results.iter().filter(|r| !r.successful).count();
    if n_invalid > 0 {
        bail!("{n_invalid} of {} invalid", count(results.len(), "rule file"));
    }
    Ok(())
}

fn named_fields(
    catalog: &Catalog,
) -> impl Iterator<Item = (&str, impl Iterator<Item = &FieldRef>)> {
    // Nothing here makes events of other sources, whichever fields they have.
    let rules = catalog.rules.iter().filter(|r| &*r.info.source == "syscall");
    rules.map(|r| (&*r.info.name, r.fields()))
}

/// Draws each finding once, under the first file that answers for it, and a line for each file.
fn draw(results: &[FileResult], out: &mut dyn Write) -> Result<()> {
    // What is unused until a later file uses it is nobody's mistake.
    let last: HashSet<&str> = match results.last() {
        Some(last) if last.successful => last.warnings.iter().map(|w| &*w.message).collect(),
        _ => HashSet::new(),
    };
    let all_hold = last.is_empty() && results.last().is_some_and(|r| !r.successful);
    let is_passing = |w: &Finding| {
        matches!(w.code, "LOAD_UNUSED_MACRO" | "LOAD_UNUSED_LIST")
            && !all_hold
            && !last.contains(&*w.message)
    };
    let mut drawn: HashSet<String> = HashSet::new();
    for result in results {
        let mut shown = |findings: &mut dyn Iterator<Item = &Finding>| -> Vec<String> {
            findings.map(|f| f.drawn.to_string()).filter(|f| drawn.insert(f.clone())).collect()
        };
        let errors = shown(&mut result.errors.iter());
        let warnings = shown(&mut result.warnings.iter().filter(|w| !is_passing(w)));
        let verdict = match (result.successful, errors.is_empty(), warnings.is_empty()) {
            (true, _, true) => "Ok",
            (true, _, false) => "Ok, with warnings",
            (false, false, _) => "Invalid",
            (false, true, _) => "Invalid, by the errors above",
        };
        for finding in errors.iter().chain(&warnings) {
            writeln!(out, "{finding}")?;
        }
        writeln!(out, "{}: {verdict}", result.name)?;
    }
    Ok(())
}

//! Falco's own flags about rules: `-V`, `-L` and `-l`, in its words.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use rules::{Catalog, Description, FileResult, validate};
use serde_json::{Map, Value};

use super::explain::find;
use super::loaded::catalog;
use crate::config::{Config, RuleInputs};
use crate::rule_files;
use crate::rule_load;
use crate::run::say;

/// Flags that end the run when rules have been judged or described.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Judge or describe rules and end")]
pub(crate) struct FalcoFlags {
    /// Read rule files together, in order, say whether each can be used, and exit; JSON with -o `json_output=true`
    #[arg(short = 'V', long = "validate", value_name = "RULES", num_args = 1..)]
    validate: Vec<PathBuf>,

    /// Describe all rules and exit; JSON with -o `json_output=true`
    #[arg(short = 'L')]
    describe_all: bool,

    /// Describe one rule and exit
    #[arg(short = 'l', value_name = "RULE", conflicts_with = "describe_all")]
    describe: Option<String>,
}

/// Files were invalid; the text is what stdout has already got.
#[derive(Debug)]
pub(crate) struct Invalid(String);

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

impl FalcoFlags {
    /// Whether one of them was given.
    pub(crate) fn is_any(&self) -> bool {
        !self.validate.is_empty() || self.describes()
    }

    fn describes(&self) -> bool {
        self.describe_all || self.describe.is_some()
    }
}

/// Does what the flags say.
///
/// # Errors
/// [`Invalid`] files, rules that cannot be loaded, a rule that is not there, or stdout is gone.
pub(crate) fn run(flags: &FalcoFlags, config: &Config, out: &mut dyn Write) -> Result<()> {
    if flags.validate.is_empty() {
        let described = describe(flags, &catalog(config)?)?;
        return if config.format.json {
            Ok(writeln!(out, "{}", serde_json::to_string(&described)?)?)
        } else {
            Ok(out.write_all(described.text().as_bytes())?)
        };
    }
    if let Some(directory) = flags.validate.iter().find(|p| p.is_dir()) {
        bail!("-V takes files, {} is a directory", directory.display());
    }
    let results = validate(rule_files::read_each(&flags.validate)?, &rule_load::options(config));
    let all_good = results.iter().all(|r| r.successful);
    let described = if all_good && flags.describes() {
        let inputs = RuleInputs::Given(flags.validate.clone());
        let of_these = Catalog::load(rule_files::read(&inputs)?, &rule_load::options(config));
        // They have just been loaded without an error.
        of_these.ok().map(|c| describe(flags, &c)).transpose()?
    } else {
        None
    };
    let summary = summary(&results);
    if config.format.json {
        let mut object = Map::new();
        if let Some(described) = &described {
            object.insert("falco_describe_results".to_owned(), serde_json::to_value(described)?);
        }
        object.insert("falco_load_results".to_owned(), serde_json::to_value(&results)?);
        writeln!(out, "{}", Value::Object(object))?;
    } else {
        for result in results.iter().filter(|r| r.successful && !r.warnings.is_empty()) {
            say(&findings(result));
        }
        writeln!(out, "{summary}")?;
        if let Some(described) = &described {
            out.write_all(described.text().as_bytes())?;
        }
    }
    if all_good { Ok(()) } else { Err(Invalid(summary).into()) }
}

fn describe(flags: &FalcoFlags, catalog: &Catalog) -> Result<Description> {
    match &flags.describe {
        Some(name) => Ok(Catalog::describe_rule(find(catalog, name)?)),
        None => Ok(catalog.describe()),
    }
}

/// A line for each file, with everything about files that are invalid.
fn summary(results: &[FileResult]) -> String {
    let line = |result: &FileResult| {
        if result.successful { result.summary() } else { findings(result).trim_end().to_owned() }
    };
    let lines = results.iter().map(line);
    lines.collect::<Vec<_>>().join("\n")
}

/// A file's line with its errors and warnings.
fn findings(result: &FileResult) -> String {
    let mut text = result.summary() + "\n";
    for (what, of) in [("Errors", &result.errors), ("Warnings", &result.warnings)] {
        if !of.is_empty() {
            // Writing to a string cannot fail.
            writeln!(text, "{} {what}:", of.len()).expect("a String takes all text");
        }
        for finding in of {
            writeln!(text, "{finding}").expect("a String takes all text");
        }
    }
    text
}

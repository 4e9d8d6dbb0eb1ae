//! Configuration: as written (files, then `-o`), checked against the schema, and resolved (defaults filled in, every value checked).
//!
//! `main file -> -o config_files -> config_files -> -o` -> [`tree`] -> [`check`] -> [`written`] -> flags -> [`resolved`].

mod capture;
mod check;
mod containers;
mod custom_set;
mod drops;
mod environment;
mod given;
mod http;
mod include;
mod limits;
mod option;
mod outline;
mod resolved;
mod sample;
mod schema;
mod show;
mod sinks;
mod syslog;
mod tree;
mod trouble;
mod verdict;
mod web;
mod written;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::cli::{ConfigSource, Settings};
use crate::run::say;
use crate::start::count;

pub(crate) use capture::CaptureOnAlert;
pub(crate) use drops::{DropActions, EventDrops};
pub(crate) use given::Given;
pub(crate) use limits::Limits;
pub(crate) use resolved::{AsAgent, CaptureSource, Config, Matching, Pinning, RuleInputs};
pub(crate) use sinks::{FileOutput, Outputs, ProgramOutput};
pub(crate) use web::{Detail, Metrics, Snapshots, WebServer};

use self::check::Checked;
use self::environment::Environment;
use self::include::Included;
use self::tree::{Node, Origin};
use self::trouble::{Trouble, Weight, Wrong};
use self::verdict::{ReadFile, Verdict};

/// Read where no `-c` is given and this file exists.
pub(crate) const DEFAULT_FILE: &str = "/etc/peregrine/peregrine.yaml";

/// Reads the configuration: the file of `-c`, else [`DEFAULT_FILE`] where it exists, else built in; what it includes; then `-o`, then the flags.
///
/// # Errors
/// One line that names the file and the place, or the option, and the key.
pub(crate) fn load(source: &ConfigSource, set: &Settings) -> Result<Config> {
    load_from(source, set, Path::new(DEFAULT_FILE))
}

/// The same, and what its keys are set to.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_given(source: &ConfigSource, set: &Settings) -> Result<(Config, Given)> {
    let reading = Reading::of(source)?;
    Ok((reading.resolve(source, set)?, Given::of(&reading.tree, source)))
}

/// The same as [`load`] for a command that ends by itself: it says at once which keys there are not, where a start has a block for that.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_and_say(source: &ConfigSource, set: &Settings) -> Result<Config> {
    let config = load(source, set)?;
    for doubt in &config.doubts {
        say(&format!("{doubt}\n"));
    }
    Ok(config)
}

fn load_from(source: &ConfigSource, set: &Settings, default_file: &Path) -> Result<Config> {
    read(source, default_file, &|name| std::env::var_os(name))?.resolve(source, set)
}

/// Files and options as they are written, held against the schema.
pub(crate) struct Reading {
    /// The main file, if there is one, then those that it includes.
    files: Vec<ReadFile>,
    /// Those that it was to include, and that are not there.
    missing: Vec<PathBuf>,
    has_options: bool,
    tree: Node,
    checked: Checked,
}

fn read(
    source: &ConfigSource,
    default_file: &Path,
    lookup: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Reading> {
    let environment = &mut Environment::new(lookup);
    let file = match &source.config {
        Some(path) => Some(path.clone()),
        None if default_file.exists() => Some(default_file.to_path_buf()),
        None => None,
    };
    let mut tree = match &file {
        Some(path) => tree::read_file(path, environment)?,
        None => Node::empty_map(Origin::Default),
    };
    let mut files: Vec<ReadFile> =
        file.iter().map(|path| ReadFile::new(path.clone(), &tree)).collect();
    let mut troubles = Vec::new();
    let (first, others): (Vec<_>, Vec<_>) =
        source.options.iter().partition(|text| option::is_of(text, "config_files"));
    let apply = |tree: &mut Node, options: &[&String], environment: &mut Environment<'_>| {
        options.iter().try_for_each(|text| {
            option::apply(tree, text, environment)
                .with_context(|| Origin::Option(text.as_str().into()).to_string())
        })
    };
    apply(&mut tree, &first, environment)?;
    let Included { files: included, missing } =
        include::include(&mut tree, file.as_deref(), environment, &mut troubles)?;
    files.extend(included);
    apply(&mut tree, &others, environment)?;
    let mut checked = check::check(&tree);
    checked.troubles = verdict::told(&mut files, troubles, &checked, &tree.origin);
    Ok(Reading { files, missing, has_options: !source.options.is_empty(), tree, checked })
}

impl Reading {
    /// Reads the configuration for a command about it.
    ///
    /// # Errors
    /// A file cannot be read at all.
    pub(crate) fn of(source: &ConfigSource) -> Result<Self> {
        read(source, Path::new(DEFAULT_FILE), &|name| std::env::var_os(name))
    }

    /// What the agent runs with.
    ///
    /// # Errors
    /// The first error; how many others there are is said.
    pub(crate) fn resolve(&self, source: &ConfigSource, set: &Settings) -> Result<Config> {
        let is_error = |t: &&Trouble| t.weight == Weight::Error;
        let mut errors = self.checked.troubles.iter().filter(is_error);
        if let Some(first) = errors.next() {
            match errors.count() {
                0 => bail!("{first}"),
                n => bail!("{first} (and {}: peregrine config check)", count(n, "other error")),
            }
        }
        let written: written::Written =
            serde_path_to_error::deserialize(self.checked.values.clone())
                .map_err(|e| anyhow!("configuration: {e}"))?;
        let doubts = self.checked.troubles.iter().map(ToString::to_string).collect();
        let origin = resolved::Origin {
            files: self.files.iter().map(|file| file.path.clone()).collect(),
            warnings: self.checked.remarks.clone(),
            doubts,
        };
        resolved::resolve(written, source, set, origin).map_err(|e| self.placed(e))
    }

    /// Puts the place of the key before an error that names one.
    fn placed(&self, error: anyhow::Error) -> anyhow::Error {
        let origin =
            error.downcast_ref::<Wrong>().map(|wrong| &self.tree.nearest(&wrong.key).origin);
        match origin {
            Some(origin) if *origin != Origin::Default => {
                Trouble::error(origin, error.to_string()).into()
            }
            _ => error,
        }
    }

    /// What is to be told of it, a line each, what each file comes to, and how many errors and warnings there are.
    pub(crate) fn report(&self, source: &ConfigSource) -> (Vec<String>, [usize; 2]) {
        let mut lines = Vec::new();
        let Checked { troubles, remarks, .. } = &self.checked;
        let mut of = |weight, word: &str| {
            let these = troubles.iter().filter(|t| t.weight == weight);
            lines.extend(these.map(|t| format!("{word}: {t}")));
        };
        of(Weight::Error, "error");
        of(Weight::Doubt, "warning");
        let mut notes = remarks.clone();
        let mut across = None;
        if !troubles.iter().any(|t| t.weight == Weight::Error) {
            match self.resolve(source, &Settings::default()) {
                Ok(config) => notes = config.warnings,
                Err(e) => {
                    lines.push(format!("error: {e:#}"));
                    across = e.downcast::<Trouble>().ok();
                }
            }
        }
        let n_of = |word: &str| lines.iter().filter(|line| line.starts_with(word)).count();
        let n_wrong = [n_of("error: "), n_of("warning: ")];
        lines.extend(notes.iter().map(|note| format!("note: {note}")));
        lines.extend(self.missing.iter().map(|path| {
            format!(
                "note: config_files: {} is not there",
                tree::printable(&path.display().to_string())
            )
        }));
        let verdicts = self.verdicts(across.as_ref()).into_iter();
        lines.extend(verdicts.map(|(name, verdict)| format!("{name}: {verdict}")));
        (lines, n_wrong)
    }

    /// What each file comes to, and the options; `across` is what is wrong between keys.
    fn verdicts(&self, across: Option<&Trouble>) -> Vec<(String, Verdict)> {
        let told: Vec<&Trouble> = self.checked.troubles.iter().chain(across).collect();
        let of_file = |file: &ReadFile| (tree::printable(&file.shown()), file.verdict(&told));
        let mut verdicts: Vec<_> = self.files.iter().map(of_file).collect();
        if verdicts.is_empty() {
            verdicts.push(("built in".to_owned(), Verdict::Ok));
        }
        if self.has_options {
            let of_options = told.iter().filter(|t| matches!(t.origin, Origin::Option(_)));
            verdicts.push(("-o".to_owned(), Verdict::of(of_options.map(|t| t.weight).min())));
        }
        verdicts
    }

    /// How each file was read, for `-v`, in Falco's words.
    pub(crate) fn validations(&self) -> Vec<String> {
        let told = |(name, verdict): (String, Verdict)| {
            let verdict =
                if verdict == Verdict::Ok { "ok".to_owned() } else { verdict.to_string() };
            format!("configuration {name} | schema validation: {verdict}")
        };
        self.verdicts(None).into_iter().map(told).collect()
    }

    /// Every key with its value and where that comes from, as YAML.
    pub(crate) fn show(&self) -> String {
        show::show(&self.tree)
    }
}

/// A file with every key, what it is for and its default.
pub(crate) use self::sample::sample;

/// The schema of a file, as JSON.
pub(crate) fn json_schema() -> String {
    format!("{:#}\n", schema::json_schema())
}

/// What a configuration comes to.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What `peregrine config check` prints, a line each.
    pub told: Vec<String>,
    /// What `peregrine config show` prints.
    pub shown: String,
    /// What the agent would run with, where nothing is wrong.
    pub resolved: Option<String>,
}

/// Judges the text of a configuration and options as `-o` has them. What it includes is not read, and variables are those of `lookup`. For tests
/// with texts that somebody made up.
///
/// # Errors
/// The line that says why it cannot be read at all.
pub fn judge(
    text: &str,
    options: &[String],
    lookup: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Judged, String> {
    let environment = &mut Environment::new(lookup);
    let source = ConfigSource { options: options.to_vec(), ..ConfigSource::default() };
    let reading = read_text(text, options, environment).map_err(|e| format!("{e:#}"))?;
    let (told, _) = reading.report(&source);
    let resolved = reading.resolve(&source, &Settings::default()).ok();
    let resolved =
        resolved.map(|config| format!("{:?}", Config { files: Vec::new(), ..config.silent() }));
    Ok(Judged { told, shown: reading.show(), resolved })
}

fn read_text(text: &str, options: &[String], environment: &mut Environment<'_>) -> Result<Reading> {
    let place = |line, column| Origin::File { file: "text".into(), line, column };
    let mut tree = Node::read("text", text.to_owned(), &place, environment)?;
    let mut files = vec![ReadFile::new("text".into(), &tree)];
    for option in options {
        option::apply(&mut tree, option, environment)?;
    }
    let checked = check::check(&tree);
    let troubles = verdict::told(&mut files, Vec::new(), &checked, &tree.origin);
    let checked = Checked { troubles, ..checked };
    Ok(Reading { files, missing: Vec::new(), has_options: !options.is_empty(), tree, checked })
}

/// What a trace is bounded by: of the configuration it has the keys of bounds, given on its command line.
///
/// # Errors
/// One line that names the option, and the key.
pub(crate) fn limits_of(options: &[String]) -> Result<Limits> {
    let environment = &mut Environment::new(&|name| std::env::var_os(name));
    let mut tree = Node::empty_map(Origin::Default);
    for text in options {
        let key = text.split('=').next().unwrap_or_default().trim();
        if !key.starts_with("peregrine.limits.") && key != "falco_libs.thread_table_size" {
            bail!(
                "--option {text}: a trace has the bounds alone: peregrine.limits.* and falco_libs.thread_table_size"
            );
        }
        option::apply(&mut tree, text, environment).with_context(|| format!("--option {text}"))?;
    }
    let checked = check::check(&tree);
    if let Some(trouble) = checked.troubles.first() {
        // There `-o` is something else.
        bail!("{}", trouble.to_string().replacen("-o ", "--option ", 1));
    }
    let written: written::Written =
        serde_path_to_error::deserialize(checked.values).map_err(|e| anyhow!("--option: {e}"))?;
    limits::resolve(&written.peregrine.limits, &written.falco_libs)
}

#[cfg(test)]
mod tests;

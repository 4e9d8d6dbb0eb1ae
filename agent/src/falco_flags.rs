//! Falco's flags that are about a run as a whole: what is told instead of watching, and what a run does beside it.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use capture::savefile::Replay;
use clap::Args;
use serde_json::json;

use crate::config::{CaptureSource, Config, Reading};
use crate::events_command::SCHEMA_VERSION;
use crate::rule_files;
use crate::run::{load_rules, say};
use crate::savefile_errors::{self, NamedBy};
use crate::start::count;

/// The one source of events that there is.
const SOURCE: &str = "syscall";

/// Flags that tell something and end.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Tell and end")]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each a flag")]
pub(crate) struct Questions {
    /// Print the versions; JSON with -o `json_output=true`
    #[arg(long)]
    pub(crate) version: bool,

    /// Print the events that are not captured by themselves
    #[arg(short = 'i')]
    pub(crate) ignored: bool,

    /// Print versions, machine, command line, configuration and rule files, as JSON
    #[arg(long)]
    pub(crate) support: bool,

    /// Print the size of a page of memory
    #[arg(long)]
    pub(crate) page_size: bool,
}

impl Questions {
    /// Whether one of them was given.
    pub(crate) fn is_any(&self) -> bool {
        let Self { version, ignored, support, page_size } = self;
        *version || *ignored || *support || *page_size
    }
}

/// Flags of a run.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "How to watch")]
pub(crate) struct RunFlags {
    /// Load configuration and rules, open what is replayed, and end
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Write the process's id to FILE once everything is loaded
    #[arg(short = 'P', long = "pidfile", value_name = "FILE")]
    pub(crate) pidfile: Option<PathBuf>,

    /// Watch events of this source alone; the one source is syscall
    #[arg(long, value_name = "SOURCE", conflicts_with = "disable_source")]
    pub(crate) enable_source: Vec<String>,

    /// Watch no events of this source; with syscall nothing is left
    #[arg(long, value_name = "SOURCE")]
    pub(crate) disable_source: Vec<String>,

    /// As in Falco; alerts are written as they come anyway
    #[arg(short = 'U', long)]
    pub(crate) unbuffered: bool,

    /// As in Falco; what there is to say is said anyway
    #[arg(short = 'v')]
    pub(crate) verbose: bool,
}

/// The file for the process's id cannot be written, which has an exit code of its own.
#[derive(Debug)]
pub(crate) struct NoPidfile(String);

impl std::fmt::Display for NoPidfile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoPidfile {}

impl NoPidfile {
    /// Falco's -1.
    pub(crate) const CODE: u8 = 255;
}

impl RunFlags {
    /// Holds the sources that were asked for against those that there are. A replay has all of its file.
    ///
    /// # Errors
    /// A source is not known, or none is left.
    pub(crate) fn check_sources(&self, config: &Config) -> Result<()> {
        if config.source != CaptureSource::Live {
            return Ok(());
        }
        let all = || self.enable_source.iter().chain(&self.disable_source);
        if let Some(unknown) = all().find(|source| *source != SOURCE) {
            bail!("unknown source of events {unknown:?}; the one source is {SOURCE}");
        }
        if !self.disable_source.is_empty() {
            bail!("--disable-source {SOURCE} leaves nothing to watch");
        }
        Ok(())
    }

    /// Writes the process's id to the file, where one was asked for.
    ///
    /// # Errors
    /// [`NoPidfile`].
    pub(crate) fn write_pidfile(&self) -> Result<()> {
        let Some(path) = &self.pidfile else { return Ok(()) };
        std::fs::write(path, format!("{}\n", std::process::id())).map_err(|e| {
            NoPidfile(format!("cannot write the pidfile {}: {e}", path.display())).into()
        })
    }
}

/// Loads what a run would load.
///
/// # Errors
/// What a start would say.
pub(crate) fn dry_run(config: &Config) -> Result<()> {
    for line in config.doubts.iter().chain(&config.warnings) {
        say(&format!("{line}\n"));
    }
    let rules = load_rules(config)?;
    if let CaptureSource::Replay(path) = &config.source {
        let opened = Replay::open_within(path, config.limits.rooms);
        opened.map_err(|e| anyhow::anyhow!(savefile_errors::of_replay(path, NamedBy::Key, &e)))?;
    }
    let n_rules = count(rules.ruleset.rules().len(), "rule");
    say(&format!(
        "dry run: {n_rules} loaded, configuration {}; nothing was started\n",
        config.files()
    ));
    Ok(())
}

/// Prints the versions.
pub(crate) fn version(config: Option<&Config>, out: &mut dyn Write) -> Result<()> {
    let (ours, engine) = (env!("CARGO_PKG_VERSION"), rules::ENGINE_VERSION);
    if config.is_some_and(|c| c.format.json) {
        let object = json!({
            "driver_schema_version": SCHEMA_VERSION,
            "engine_version": engine_number(),
            "engine_version_semver": engine,
            "peregrine_version": ours,
            "plugin_versions": {},
        });
        return Ok(writeln!(out, "{object}")?);
    }
    Ok(write!(out, "peregrine {ours}\nrule engine {engine}\nevent schema {SCHEMA_VERSION}\n")?)
}

/// As Falco counts its engines: the middle number.
fn engine_number() -> &'static str {
    rules::ENGINE_VERSION.split('.').nth(1).unwrap_or_default()
}

/// Prints what is left out by itself.
pub(crate) fn ignored(out: &mut dyn Write) -> Result<()> {
    let text = "Captured only where a rule or base_syscalls.custom_set names them:\n  switch\n  page_fault\n\
                Captured with --all-syscalls only:\n  mmap and mmap2 that do not ask for PROT_EXEC\n\
                Every other system call is captured where a rule can match it, those that read and write too.\n";
    Ok(out.write_all(text.as_bytes())?)
}

/// Prints what who is asked for help wants to know.
///
/// # Errors
/// Rule files cannot be read, or stdout is gone.
pub(crate) fn support(
    config: &Config,
    reading: &Reading,
    arguments: &[OsString],
    out: &mut dyn Write,
) -> Result<()> {
    let machine = rustix::system::uname();
    let text = |s: &std::ffi::CStr| s.to_string_lossy().into_owned();
    let arguments: Vec<_> = arguments.iter().map(|a| a.to_string_lossy()).collect();
    let files: Vec<_> = rule_files::read(&config.rules)?
        .into_iter()
        .map(|file| json!({"name": file.name, "variants": [{"content": file.text}]}))
        .collect();
    let object = json!({
        "cmdline": arguments.join(" "),
        "config": reading.show(),
        "engine_info": {"engine_version": engine_number()},
        "rules_files": files,
        "system_info": {
            "machine": text(machine.machine()),
            "nodename": text(machine.nodename()),
            "release": text(machine.release()),
            "sysname": text(machine.sysname()),
            "version": text(machine.version()),
        },
        "version": env!("CARGO_PKG_VERSION"),
    });
    Ok(writeln!(out, "{object:#}")?)
}

/// Writes the manual's pages.
///
/// # Errors
/// The directory cannot be made or written to.
pub(crate) fn man(command: clap::Command, directory: &Path) -> Result<()> {
    let context = || format!("cannot write manual pages to {}", directory.display());
    std::fs::create_dir_all(directory).with_context(context)?;
    clap_mangen::generate_to(command, directory).with_context(context)
}

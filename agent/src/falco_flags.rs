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

    /// Print the JSON schema of configuration files
    #[arg(long)]
    pub(crate) config_schema: bool,

    /// Print the JSON schema of rule files
    #[arg(long)]
    pub(crate) rule_schema: bool,

    /// Print the size of a page of memory
    #[arg(long)]
    pub(crate) page_size: bool,

    /// Print the plugins that are loaded: none, since none can be
    #[arg(long)]
    pub(crate) list_plugins: bool,

    /// Print what a plugin is; refused, since none can be loaded
    #[arg(long, value_name = "NAME")]
    pub(crate) plugin_info: Option<String>,
}

impl Questions {
    /// Whether one of them was given.
    pub(crate) fn is_any(&self) -> bool {
        let Self {
            version,
            ignored,
            support,
            config_schema,
            rule_schema,
            page_size,
            list_plugins,
            plugin_info,
        } = self;
        let is_given =
            [version, ignored, support, config_schema, rule_schema, page_size, list_plugins];
        is_given.into_iter().any(|given| *given) || plugin_info.is_some()
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

    /// Nothing is left to do: alerts are written as soon as no further one waits, whatever buffered_outputs says
    #[arg(short = 'U', long)]
    pub(crate) unbuffered: bool,

    /// Say also how each configuration and rule file was read, and which events the kernel rejects
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

    /// Writes the process's id to the file, where one was asked for; it goes when the run ends.
    ///
    /// # Errors
    /// [`NoPidfile`].
    pub(crate) fn write_pidfile(&self) -> Result<Option<Pidfile>> {
        let Some(path) = &self.pidfile else { return Ok(None) };
        match std::fs::write(path, own_id()) {
            Ok(()) => Ok(Some(Pidfile(path.clone()))),
            Err(e) => {
                let why = format!("cannot write the pidfile {}: {e}", path.display());
                Err(NoPidfile(why).into())
            }
        }
    }
}

/// The file with the process's id, removed with this unless somebody else has written to it.
#[derive(Debug)]
pub(crate) struct Pidfile(PathBuf);

fn own_id() -> String {
    format!("{}\n", std::process::id())
}

impl Drop for Pidfile {
    fn drop(&mut self) {
        let Self(path) = self;
        // What is no file, a pipe, is nobody's to remove.
        let is_file = path.symlink_metadata().is_ok_and(|found| found.is_file());
        if is_file && std::fs::read_to_string(&*path).is_ok_and(|text| text == own_id()) {
            // Whoever took the folder away has the file, too.
            drop(std::fs::remove_file(path));
        }
    }
}

/// Loads what a run would load.
///
/// # Errors
/// What a start would say.
pub(crate) fn dry_run(config: &Config, flags: &RunFlags) -> Result<()> {
    for line in config.doubts.iter().chain(&config.warnings) {
        say(&format!("{line}\n"));
    }
    let rules = load_rules(config)?;
    if flags.verbose {
        say(&rules.files());
    }
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

/// Prints the schema of rule files.
pub(crate) fn rule_schema(out: &mut dyn Write) -> Result<()> {
    Ok(writeln!(out, "{:#}", serde_json::to_value(rules::RuleFileSchema)?)?)
}

/// Says what there is to say of a plugin: of those that the configuration names, what becomes of their rules.
///
/// # Errors
/// Always: there is none.
pub(crate) fn plugin_info(name: &str) -> Result<()> {
    let built_in = if name == "container" {
        "; what this one does is built in: `peregrine fields` lists container.* and k8s.*"
    } else {
        ""
    };
    bail!(
        "cannot tell of the plugin {name:?}: plugins, those that give events too, cannot be loaded here{built_in}; `peregrine \
         rules check --source SOURCE` checks rules of other sources, which see no events"
    )
}

/// As Falco counts its engines: the middle number.
pub(crate) fn engine_number() -> &'static str {
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

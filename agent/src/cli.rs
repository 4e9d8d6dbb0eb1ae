//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config_command::ConfigCommand;
use crate::doctor::DoctorArgs;
use crate::events_command::EventsArgs;
use crate::falco_flags::{Questions, RunFlags};
use crate::fields_command::{FieldsArgs, ListFormat};
use crate::launch::{LAUNCH, LaunchArgs};
use crate::replay::ReplayArgs;
use crate::rule_commands::{FalcoFlags, RuleCommand};
use crate::top::TopArgs;
use crate::trace::{RecordArgs, TraceArgs};

const EXAMPLES: &str = "\
Examples (watching needs root):
  peregrine                                      watch with the built-in rules, alerts on stdout
  peregrine -c /etc/falco/falco.yaml             as Falco is configured
  peregrine -r rules.yaml -o json_output=true    these rules, alerts as JSON
  peregrine config check -c falco.yaml           what is wrong with it, or is something else here
  peregrine replay run.scap -r rules.yaml        hold a recording against rules
  peregrine trace -- ls                          what a command asks of the kernel

Exit codes: 0 where all went well, 1 where not, 255 where the pidfile cannot be written.";

/// Watches what processes ask of the kernel, evaluates Falco-compatible rules over it, and raises alerts.
#[derive(Debug, Parser)]
#[command(
    name = "peregrine",
    version,
    about,
    args_conflicts_with_subcommands = true,
    disable_version_flag = true,
    after_help = EXAMPLES
)]
pub(crate) struct Cli {
    /// What to do other than watching.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Options that say where the configuration comes from.
    #[command(flatten)]
    pub(crate) source: ConfigSource,

    /// Options that set one key of the configuration.
    #[command(flatten)]
    pub(crate) set: Settings,

    /// Flags of Falco about a run.
    #[command(flatten)]
    pub(crate) run: RunFlags,

    /// Falco's options that list something and end.
    #[command(flatten)]
    pub(crate) lists: Lists,

    /// Flags of Falco that say what to do other than watching.
    #[command(flatten)]
    pub(crate) falco: FalcoFlags,

    /// Flags of Falco that tell something and end.
    #[command(flatten)]
    pub(crate) questions: Questions,
}

/// Where the configuration comes from.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Configuration")]
pub(crate) struct ConfigSource {
    /// Configuration file; without it /etc/peregrine/peregrine.yaml where that exists, else the built-in configuration
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Set a key of the configuration: dotted, `[n]` for an element of a list, `[]` to append to one
    #[arg(short = 'o', long = "option", value_name = "KEY=VALUE")]
    pub(crate) options: Vec<String>,

    /// Unix socket that `peregrine stats` asks
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
}

/// Flags that are short for a key; they win over the file and over `-o`.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "What to watch")]
pub(crate) struct Settings {
    /// Rule file, or directory of rule files; repeatable, read in order; replaces `rules_files`
    #[arg(short = 'r', value_name = "RULES")]
    pub(crate) rules: Vec<PathBuf>,

    /// Print each alert as one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,

    /// Number of shards; without it chosen from the number of CPUs
    #[arg(long, value_name = "N")]
    pub(crate) shards: Option<u64>,

    /// Number of capture threads; without it chosen from the number of CPUs
    #[arg(long, value_name = "N")]
    pub(crate) capture_threads: Option<u64>,

    /// Run capture, shards and outputs on one thread
    #[arg(long)]
    pub(crate) single_thread: bool,

    /// Watch only the process PID and what it starts
    #[arg(long, value_name = "PID")]
    pub(crate) scope_pid: Option<u32>,

    /// Capture every system call, not only those that the rules need
    #[arg(long)]
    pub(crate) all_syscalls: bool,

    /// Whether the kernel rejects events that no rule can match: on (unless told otherwise) or off
    #[arg(long, value_enum, value_name = "ON|OFF", hide_possible_values = true)]
    pub(crate) push_down: Option<Switch>,

    /// Bytes kept of each buffer that is read or written (80 unless told otherwise)
    #[arg(long, value_name = "N")]
    pub(crate) snaplen: Option<u64>,

    /// Add FORMAT to the output of every rule (deprecated in Falco); c, container, k and kubernetes add nothing
    #[arg(short = 'p', long = "print", value_name = "FORMAT")]
    pub(crate) print: Option<String>,

    /// Write what is captured to FILE (.scap) while alerting
    #[arg(short = 'w', long = "write", value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,

    /// End after SECONDS; a replay once its events are so much later than the first
    #[arg(short = 'M', value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: Option<u64>,

    /// A capture to replay, whatever the configuration says.
    #[arg(skip)]
    pub(crate) capture_file: Option<PathBuf>,
}

/// Something that is on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// It is on.
    On,
    /// It is off.
    Off,
}

/// Falco's options for what `peregrine fields` and `peregrine events` print.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "List and end")]
pub(crate) struct Lists {
    /// List the fields that rules may name, all or those of a source, and end (as `peregrine fields`)
    #[arg(
        long,
        value_name = "SOURCE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        conflicts_with = "list_events"
    )]
    pub(crate) list: Option<String>,

    /// List the events that rules may name, and end (as `peregrine events`)
    #[arg(long)]
    pub(crate) list_events: bool,

    /// Format of a list: text, markdown or json
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true
    )]
    pub(crate) format: ListFormat,

    /// Print a list as markdown (deprecated: --format markdown)
    #[arg(long, conflicts_with = "format")]
    pub(crate) markdown: bool,

    /// Print only the names of a list
    #[arg(short = 'N')]
    pub(crate) names_only: bool,
}

impl Lists {
    /// The command that the options stand for.
    pub(crate) fn command(self) -> Option<Command> {
        let Self { list, list_events, format, markdown, names_only } = self;
        let format = if markdown { ListFormat::Markdown } else { format };
        if let Some(source) = list {
            let source = (!source.is_empty()).then_some(source);
            return Some(Command::Fields(FieldsArgs { source, format, json: false, names_only }));
        }
        list_events
            .then(|| Command::Events(EventsArgs { format, names_only, ..EventsArgs::default() }))
    }
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ask the running agent what it has seen, lost and delivered, and how long it took
    Stats(StatsArgs),

    /// Show the pipeline of the running agent as it goes: rates, losses, latencies, the busiest processes, events, containers and rules, the last alerts
    Top(TopArgs),

    /// Check, list, explain and test rules; reload and profile those of the running agent
    #[command(subcommand, arg_required_else_help = false)]
    Rules(RuleCommand),

    /// Check the configuration, show the values that hold, or print a file with every key
    #[command(subcommand, arg_required_else_help = false)]
    Config(ConfigCommand),

    /// Hold the events of a capture (.scap) against the rules
    Replay(ReplayArgs),

    /// List the fields that conditions and outputs may name
    Fields(FieldsArgs),

    /// List the events that rules may name, and which of them are seen live
    Events(EventsArgs),

    /// Print the events of the running kernel, of a command, or of recordings, all or those that a filter picks
    Trace(Box<TraceArgs>),

    /// Record what the running kernel does, all or what a filter picks (as `trace -q -w FILE`)
    Record(Box<RecordArgs>),

    /// Tell what this kernel, these privileges and this configuration allow, and what to change; exit code 1 where no agent can start
    Doctor(DoctorArgs),

    /// Print completions for a shell
    Completions(CompletionsArgs),

    /// Write the manual's pages, one for each command, to a directory
    Man(ManArgs),

    /// Become the command that `trace -- COMMAND` runs
    #[command(name = LAUNCH, hide = true)]
    Launch(LaunchArgs),
}

/// Options of `peregrine completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Whose completions
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// Options of `peregrine man`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Where the pages go; made where it is not there
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
}

/// Options of `peregrine stats`.
#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    /// Print the answer as JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,

    /// Ask again every DURATION (1s, 500ms, 2m) and show rates, until Ctrl-C
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) interval: Option<Duration>,

    /// Options that say where the configuration comes from; only the socket's path is taken from it.
    #[command(flatten)]
    pub(crate) source: ConfigSource,
}

/// Why parsing ended without a command line.
#[derive(Debug)]
pub(crate) enum CliEnd {
    /// Help or version: text for stdout.
    Print(String),
    /// A mistake: one line for stderr.
    Refuse(String),
}

/// Parses the arguments, the program's name first.
///
/// # Errors
/// [`CliEnd`]: help was asked for, or the arguments are wrong.
pub(crate) fn parse<I, T>(args: I) -> Result<Cli, CliEnd>
where
    I: IntoIterator<Item = T>,
    T: Into<std::ffi::OsString> + Clone,
{
    let args: Vec<std::ffi::OsString> = args.into_iter().map(Into::into).collect();
    Cli::try_parse_from(&args).map_err(|e| {
        if e.kind() == ErrorKind::InvalidUtf8 {
            return CliEnd::Refuse(not_text(&args));
        }
        let text = e.render().to_string();
        if e.use_stderr() { CliEnd::Refuse(one_line(&text)) } else { CliEnd::Print(text) }
    })
}

/// Which arguments are no text: paths need be none, clap does not say which one has to be.
fn not_text(args: &[std::ffi::OsString]) -> String {
    let shown = args.iter().filter(|arg| arg.to_str().is_none()).take(3);
    let shown: Vec<_> = shown.map(|arg| format!("{:.200}", format!("{arg:?}"))).collect();
    format!("not UTF-8, which all but paths have to be: {}", shown.join(", "))
}

/// The message and the tip of clap's error, without its usage block.
fn one_line(text: &str) -> String {
    let head = text.split("\n\nUsage:").next().unwrap_or(text);
    let head = head.split("\n\nFor more information").next().unwrap_or(head);
    let parts: Vec<&str> = head.split('\n').map(str::trim).filter(|l| !l.is_empty()).collect();
    let line = parts.join("; ").replace(":; ", ": ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    format!("{line} (peregrine --help lists the options)")
}

/// `500ms`, `2s`, `1.5s`, `1m`; a bare number is seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    parse_duration_within(text, ["10ms", "24h"])
}

/// A duration that lies between these two, both included.
pub(crate) fn parse_duration_within(text: &str, bounds: [&str; 2]) -> Result<Duration, String> {
    let duration = parse_any_duration(text)?;
    let [least, most] = bounds.map(parse_any_duration);
    if (least?..=most?).contains(&duration) {
        Ok(duration)
    } else {
        Err(format!("must lie between {} and {}", bounds[0], bounds[1]))
    }
}

fn parse_any_duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("unknown unit {unit:?}; use ms, s, m or h")),
    };
    let secs = number.parse::<f64>().map_err(|_| format!("{number:?} is not a number"))? * scale;
    Duration::try_from_secs_f64(secs).map_err(|_| format!("{text:?} is no duration"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definition_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_carry_a_unit() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("2"), Ok(Duration::from_secs(2)));
        assert!(parse_duration("1y").is_err());
        assert!(parse_duration("0s").is_err());
        assert!(parse_duration("-1s").is_err());
    }

    #[test]
    fn a_wrong_flag_is_one_line_with_the_tip() {
        let Err(CliEnd::Refuse(line)) = parse(["peregrine", "--shard", "2"]) else {
            panic!("--shard is not a flag")
        };
        assert!(!line.contains('\n'), "{line}");
        assert!(line.contains("--shard") && line.contains("--shards"), "{line}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let refused = |args: &[&str]| match parse(args) {
            Err(CliEnd::Refuse(line)) => line,
            _ => panic!("{args:?} lack something"),
        };
        let line = refused(&["peregrine", "rules"]);
        assert!(line.contains("requires a subcommand") && line.contains("explain"), "{line}");
        let line = refused(&["peregrine", "rules", "check"]);
        assert!(line.contains("not provided: <FILE>..."), "{line}");
    }

    #[test]
    fn repeated_options_keep_their_order() {
        let cli = parse(["peregrine", "-o", "a=1", "-r", "x", "-o", "b=2", "-r", "y"]).unwrap();
        assert_eq!(cli.source.options, ["a=1", "b=2"]);
        assert_eq!(cli.set.rules, [PathBuf::from("x"), PathBuf::from("y")]);
    }
}

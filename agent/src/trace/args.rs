//! The command line of `peregrine trace`, which is Sysdig's.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

/// Print the events of the running kernel, or of recordings, all or those that a filter picks.
///
/// The filter is a condition as rules have it, given as one or more words behind the options: `peregrine trace -r file.scap evt.type=open and
/// fd.name contains /etc`. `peregrine fields` lists what it may name.
#[derive(Debug, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "a switch for each switch of Sysdig's")]
pub(crate) struct TraceArgs {
    /// Read events from FILE (.scap, plain or gzip); repeatable: one file after the other, each numbered from 1
    #[arg(short = 'r', long = "read", alias = "readfile", value_name = "FILE")]
    pub(crate) read: Vec<PathBuf>,

    /// Print each event in this format: `%field`, `%10field` (padded or cut), `%field[arg]`, `%toupper(field)`, and \n \t \e \\. A `*` in front
    /// prints `<NA>` for what is missing, without it such lines are left out. `-pc` adds the container, `-pk` the pod, `-pp` shows the format
    #[arg(short = 'p', long = "print", value_name = "FORMAT")]
    pub(crate) print: Option<String>,

    /// Show time as h (time of day), a (seconds since the epoch), r (since the first event), d (taken by the call), D (since the line before)
    #[arg(short = 't', long = "timetype", value_name = "h|a|r|d|D")]
    pub(crate) time: Option<String>,

    /// End after N events that passed the filter
    #[arg(short = 'n', long = "numevents", value_name = "N", allow_hyphen_values = true)]
    pub(crate) count: Option<String>,

    /// End SEC seconds after the first event
    #[arg(short = 'M', value_name = "SEC", allow_hyphen_values = true)]
    pub(crate) seconds: Option<String>,

    /// Print one JSON object a line, with the fields of the format
    #[arg(short = 'j', long)]
    pub(crate) json: bool,

    /// Show buffers as text, their ends of lines kept
    #[arg(short = 'A', long = "print-ascii")]
    pub(crate) ascii: bool,

    /// Show buffers in hexadecimal
    #[arg(short = 'x', long = "print-hex")]
    pub(crate) hex: bool,

    /// Show buffers in hexadecimal and as text
    #[arg(short = 'X', long = "print-hex-ascii")]
    pub(crate) hex_ascii: bool,

    /// Show buffers in base64
    #[arg(short = 'b', long = "print-base64")]
    pub(crate) base64: bool,

    /// Show up to N bytes of each buffer (80 unless told otherwise)
    #[arg(short = 's', long = "snaplen", value_name = "N")]
    pub(crate) snaplen: Option<usize>,

    /// Show port numbers as names of services
    #[arg(short = 'R', long)]
    pub(crate) resolve_ports: bool,

    /// Show all of each buffer, and counts at the end
    #[arg(short = 'v', long)]
    pub(crate) verbose: bool,

    /// Print no events
    #[arg(short = 'q', long)]
    pub(crate) quiet: bool,

    /// Print at the end how often which event came
    #[arg(short = 'S', long)]
    pub(crate) summary: bool,

    /// Show on stderr how far a file is read
    #[arg(short = 'P', long)]
    pub(crate) progress: bool,

    /// Write what passes the filter to FILE (.scap; `-` is stdout), and print no events
    #[arg(short = 'w', long = "write", alias = "writefile", value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,

    /// Print to FILE, so that lines do not mix with the output of a command that is traced
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Print events while they are written, too
    #[arg(long, requires = "write")]
    pub(crate) tee: bool,

    /// Compress the file that is written with gzip
    #[arg(short = 'z', long, requires = "write")]
    pub(crate) compress: bool,

    /// Go on in another file after MB million bytes (before they are compressed); the files are numbered
    #[arg(short = 'C', long, value_name = "MB", requires = "write", allow_hyphen_values = true)]
    pub(crate) file_size: Option<String>,

    /// Go on in another file after SEC seconds of events; a `%` in the name is filled in with its time, as strftime does
    #[arg(
        short = 'G',
        long = "seconds",
        value_name = "SEC",
        requires = "write",
        allow_hyphen_values = true
    )]
    pub(crate) file_seconds: Option<String>,

    /// Go on in another file after N events
    #[arg(
        short = 'e',
        long = "event-limit",
        value_name = "N",
        requires = "write",
        allow_hyphen_values = true
    )]
    pub(crate) file_events: Option<String>,

    /// Keep N files of -C, -G or -e: a further one takes the place of the oldest
    #[arg(
        short = 'W',
        long = "limit",
        value_name = "N",
        requires = "write",
        allow_hyphen_values = true
    )]
    pub(crate) file_limit: Option<String>,

    /// Write events that do not pass but change state as well, hidden, so that the file is understood as the whole would be
    #[arg(short = 'F', long, requires = "write")]
    pub(crate) fatfile: bool,

    /// Print events about the recording itself, too
    #[arg(short = 'D', long)]
    pub(crate) debug: bool,

    /// Filter what is shown, not what is followed; always so here, accepted for Sysdig's sake
    #[arg(short = 'd', long)]
    pub(crate) displayflt: bool,

    /// Leave out the events of processes with this name; repeatable
    #[arg(short = 'U', long, value_name = "NAME")]
    pub(crate) suppress_comm: Vec<String>,

    /// Do without names of users and groups
    #[arg(short = 'E', long)]
    pub(crate) exclude_users: bool,

    /// Write each line out at once
    #[arg(long)]
    pub(crate) unbuffered: bool,

    /// List the fields that filters and formats may name, and end (as `peregrine fields`)
    #[arg(short = 'l', long)]
    pub(crate) list: bool,

    /// List the events, and end (as `peregrine events`)
    #[arg(short = 'L', long)]
    pub(crate) list_events: bool,

    /// Capture every event live, whatever the filter asks for: `evt.num` then counts what it rejects, too
    #[arg(long, conflicts_with = "read")]
    pub(crate) all_syscalls: bool,

    /// Ask the container runtimes of the host whose root directory is DIR (`/` unless told otherwise), where the filter or the format need them
    #[arg(long, value_name = "DIR", conflicts_with = "read")]
    pub(crate) host_root: Option<PathBuf>,

    /// Set a bound, as `peregrine.limits.process_table_bytes=N`; repeatable. docs/bounds.md lists them
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) option: Vec<String>,

    /// Filter
    #[arg(value_name = "FILTER")]
    pub(crate) filter: Vec<String>,

    /// Command to run; only it and what it starts is traced, live, until it ends
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

//! `peregrine events` and Falco's `--list-events`: the events that rules may name, and which of them are seen live.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use event::{
    Call, Direction, EF_CREATES_FD, EF_DESTROYS_FD, EF_MODIFIES_STATE, EF_OLD_VERSION, EF_UNUSED,
    EF_USES_FD, EventInfo, EventType, N_EVENT_TYPES, Param,
};
use rules::FieldType;
use serde::Serialize;

use crate::cli::{ConfigSource, Settings};
use crate::config::{self, Config};
use crate::fields_command::{ListFormat, lines, push};
use crate::needed_command::needed;

/// Options of `peregrine events`.
#[derive(Debug, Default, Args)]
pub(crate) struct EventsArgs {
    /// Print in this format
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ListFormat,

    /// Print JSON, short for --format json
    #[arg(long)]
    pub(crate) json: bool,

    /// Print names only
    #[arg(short = 'N')]
    pub(crate) names_only: bool,

    /// Print what the agent captures for these rules, a file or a directory, and who asks for it; repeatable
    #[arg(long, value_name = "RULES")]
    pub(crate) needed_by: Vec<PathBuf>,

    /// Configuration file that says what is captured beside
    #[arg(short = 'c', long = "config", value_name = "FILE", requires = "needed_by")]
    pub(crate) config: Option<PathBuf>,

    /// Set a key of the configuration
    #[arg(short = 'o', long = "option", value_name = "KEY=VALUE", requires = "needed_by")]
    pub(crate) options: Vec<String>,

    /// As if the agent was to capture every system call
    #[arg(long, requires = "needed_by")]
    pub(crate) all_syscalls: bool,
}

impl EventsArgs {
    /// The configuration with which the agent would run.
    fn load(&self) -> Result<Config> {
        let Self { config, options, needed_by, all_syscalls, .. } = self;
        let source =
            ConfigSource { config: config.clone(), options: options.clone(), socket: None };
        let set = Settings {
            rules: needed_by.clone(),
            all_syscalls: *all_syscalls,
            ..Settings::default()
        };
        config::load_and_say(&source, &set)
    }
}

/// Version of the event table (`.scap` schema).
pub(crate) const SCHEMA_VERSION: &str = "4.5.1";

/// Kind of event, as listings group them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Syscall,
    Tracepoint,
    Plugin,
    Meta,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Syscall, Self::Tracepoint, Self::Plugin, Self::Meta];

    fn of(info: &EventInfo) -> Option<Self> {
        match info.category {
            c if c & 0x200 != 0 => Some(Self::Syscall),
            c if c & 0x400 != 0 => Some(Self::Tracepoint),
            c if c & 0x800 != 0 => Some(Self::Plugin),
            c if c & 0x1000 != 0 => Some(Self::Meta),
            _ => None,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Syscall => "Syscall events",
            Self::Tracepoint => "Tracepoint events",
            Self::Plugin => "Plugin events",
            Self::Meta => "Metaevents",
        }
    }
}

/// One event type as it is listed.
#[derive(Serialize)]
struct Listed {
    id: u16,
    name: &'static str,
    direction: char,
    kind: Kind,
    category: &'static str,
    /// Captured by the live kernel source.
    live: bool,
    flags: Vec<&'static str>,
    params: Vec<ListedParam>,
}

#[derive(Serialize)]
struct ListedParam {
    name: &'static str,
    #[serde(rename = "type")]
    ty: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<&'static str>,
}

/// A system call that travels as a generic event, by its own name.
#[derive(Serialize)]
struct Generic {
    name: &'static str,
    live: bool,
}

/// Prints the events.
///
/// # Errors
/// `out` cannot be written to; rules that are asked about are wrong.
pub(crate) fn run(args: &EventsArgs, out: &mut dyn Write) -> Result<()> {
    let format = if args.json { ListFormat::Json } else { args.format };
    if !args.needed_by.is_empty() {
        let needed = needed(&args.load()?)?;
        let text = match format {
            ListFormat::Json => needed.json()?,
            ListFormat::Text | ListFormat::Markdown if args.names_only => {
                lines(needed.names().into_iter())
            }
            ListFormat::Text | ListFormat::Markdown => needed.text(),
        };
        return Ok(out.write_all(text.as_bytes())?);
    }
    let (events, generic) = (events(), generic());
    let text = match format {
        ListFormat::Json => json(&events, &generic, args.names_only),
        ListFormat::Text | ListFormat::Markdown if args.names_only => {
            lines(names(&events, &generic).into_iter())
        }
        ListFormat::Text => text(&events, &generic),
        ListFormat::Markdown => markdown(&events, &generic),
    };
    Ok(out.write_all(text.as_bytes())?)
}

/// The current version of every event with a type of its own, by number.
fn events() -> Vec<Listed> {
    let live = capture::capturable();
    let listed = |ty: EventType| {
        let info = ty.info()?;
        let is_old = info.flags & (EF_UNUSED | EF_OLD_VERSION) != 0;
        if is_old || ty <= EventType::GENERIC_X {
            return None;
        }
        Some(Listed {
            id: ty.0,
            name: info.name,
            direction: if info.direction == Direction::Enter { '>' } else { '<' },
            kind: Kind::of(info)?,
            category: stages::category_name(info.category),
            live: live.contains(ty),
            flags: flags(info.flags),
            params: info.params.iter().map(param).collect(),
        })
    };
    (0..N_EVENT_TYPES as u16).map(EventType).filter_map(listed).collect()
}

fn flags(word: u16) -> Vec<&'static str> {
    [
        (EF_CREATES_FD, "creates_fd"),
        (EF_USES_FD, "uses_fd"),
        (EF_DESTROYS_FD, "destroys_fd"),
        (EF_MODIFIES_STATE, "modifies_state"),
    ]
    .into_iter()
    .filter_map(|(bit, name)| (word & bit != 0).then_some(name))
    .collect()
}

fn param(param: &Param) -> ListedParam {
    // What rules cannot compare has a name of its own here.
    let ty = match FieldType::from(param.ty) {
        FieldType::Opaque => format!("{:?}", param.ty).to_uppercase(),
        ty => ty.name().to_owned(),
    };
    let values = param
        .flags
        .map_or_else(Vec::new, |set| set.names().iter().map(|&(name, _)| name).collect());
    ListedParam { name: param.name, ty, values }
}

/// Every system call that has no event type of its own, by name.
fn generic() -> Vec<Generic> {
    let live = capture::generic_calls();
    let calls = Call::every().filter(|call| call.is_generic() && call.name() != "unknown");
    let mut calls: Vec<Generic> =
        calls.map(|call| Generic { name: call.name(), live: live.contains(call) }).collect();
    calls.sort_unstable_by_key(|call| call.name);
    calls
}

fn names(events: &[Listed], generic: &[Generic]) -> Vec<&'static str> {
    let mut all: Vec<&str> =
        events.iter().map(|e| e.name).chain(generic.iter().map(|g| g.name)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn source(live: bool) -> &'static str {
    if live { "live" } else { "files only" }
}

fn params_text(params: &[ListedParam], emphasis: &str) -> String {
    let one = |p: &ListedParam| {
        let values =
            if p.values.is_empty() { String::new() } else { format!(": {}", p.values.join("|")) };
        format!("{} {emphasis}{}{emphasis}{values}", p.ty, p.name)
    };
    params.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn text(events: &[Listed], generic: &[Generic]) -> String {
    let mut out = format!("Schema version: {SCHEMA_VERSION}\n");
    out.push_str("An event: > or < (start or return), name(parameters) [number; category; what it does; where it comes from]\n");
    for kind in Kind::ALL {
        push(&mut out, format_args!("\n## {}\n\n", kind.title()));
        for e in events.iter().filter(|e| e.kind == kind) {
            let params = params_text(&e.params, "");
            push(
                &mut out,
                format_args!("{} {}({params}) [{}; {}", e.direction, e.name, e.id, e.category),
            );
            for flag in &e.flags {
                push(&mut out, format_args!("; {flag}"));
            }
            push(&mut out, format_args!("; {}]\n", source(e.live)));
        }
    }
    out.push_str("\n## Calls without an event of their own\n\n");
    for g in generic {
        push(&mut out, format_args!("< {}() [{}]\n", g.name, source(g.live)));
    }
    out
}

fn markdown(events: &[Listed], generic: &[Generic]) -> String {
    let mut out = format!("Schema version: {SCHEMA_VERSION}\n");
    for kind in Kind::ALL {
        push(&mut out, format_args!("\n## {}\n\n", kind.title()));
        out.push_str("Live | Dir | Name | Category | Params\n:----|:----|:-----|:-----|:-----\n");
        for e in events.iter().filter(|e| e.kind == kind) {
            let live = if e.live { "Yes" } else { "No" };
            let params = params_text(&e.params, "**").replace('|', "\\|");
            push(
                &mut out,
                format_args!(
                    "{live} | `{}` | `{}` | {} | {params}\n",
                    e.direction, e.name, e.category
                ),
            );
        }
    }
    out.push_str("\n## Calls without an event of their own\n\nLive | Name\n:----|:-----\n");
    for g in generic {
        let live = if g.live { "Yes" } else { "No" };
        push(&mut out, format_args!("{live} | `{}`\n", g.name));
    }
    out
}

fn json(events: &[Listed], generic: &[Generic], names_only: bool) -> String {
    let value = if names_only {
        serde_json::json!(names(events, generic))
    } else {
        serde_json::json!({
            "schema_version": SCHEMA_VERSION,
            "events": events,
            "generic": generic,
        })
    };
    format!("{value:#}\n")
}

//! `peregrine fields` and Falco's `--list`: what conditions and outputs may name.

use std::fmt::Write as _;
use std::io::Write;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use rules::{Class, Field, FieldInfo};
use serde::Serialize;

/// How a list is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// For people
    #[default]
    Text,
    /// For documents
    Markdown,
    /// For programs
    Json,
}

/// Options of `peregrine fields`.
#[derive(Debug, Default, Args)]
pub(crate) struct FieldsArgs {
    /// Only the fields that rules of this source may name: syscall, k8s_audit
    #[arg(long, value_name = "SOURCE")]
    pub(crate) source: Option<String>,

    /// Print in this format
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ListFormat,

    /// Print JSON, short for --format json
    #[arg(long)]
    pub(crate) json: bool,

    /// Print names only
    #[arg(short = 'N')]
    pub(crate) names_only: bool,
}

/// Sources whose fields are known.
const SOURCES: [&str; 2] = ["syscall", "k8s_audit"];

/// Prints the fields.
///
/// # Errors
/// The source is unknown, or `out` cannot be written to.
pub(crate) fn run(args: &FieldsArgs, out: &mut dyn Write) -> Result<()> {
    if let Some(source) = args.source.as_deref().filter(|s| !SOURCES.contains(s)) {
        bail!("no fields of a source `{source}` are known; sources are {}", SOURCES.join(" and "));
    }
    let classes = listed(args.source.as_deref());
    let format = if args.json { ListFormat::Json } else { args.format };
    let text = match format {
        ListFormat::Json => json(&classes, args.names_only),
        ListFormat::Text | ListFormat::Markdown if args.names_only => {
            lines(classes.iter().flat_map(|(_, fields)| fields).map(|f| f.name()))
        }
        ListFormat::Text => text(&classes),
        ListFormat::Markdown => markdown(&classes),
    };
    Ok(out.write_all(text.as_bytes())?)
}

/// The fields of each class that has some to show.
fn listed(source: Option<&str>) -> Vec<(Class, Vec<Field>)> {
    let classes = Class::ALL.into_iter().filter(|class| source.is_none_or(|s| class.is_of(s)));
    let shown = |class: Class| {
        let of_class = Field::all().filter(move |f| f.info().class == class);
        of_class.filter(|f| !f.info().is_hidden()).collect::<Vec<_>>()
    };
    classes.map(|class| (class, shown(class))).filter(|(_, fields)| !fields.is_empty()).collect()
}

/// What is worth knowing of a field beside its type and argument.
fn marks(field: Field) -> impl Iterator<Item = &'static str> {
    let info = field.info();
    let never = info.is_never_known();
    [
        (info.is_filter_only(), "conditions only"),
        (info.no_rhs(), "not on the right side"),
        (info.no_transformer(), "no transformers"),
        (info.is_suggested(), "suggested for outputs"),
        (info.is_deprecated(), "deprecated"),
        (info.is_ours(), "not in Falco"),
        (never, "never has a value"),
        (!never && !field.is_extracted(), "not extracted by this version"),
        (field.is_of_recordings(), "recordings only"),
    ]
    .into_iter()
    .filter_map(|(set, name)| set.then_some(name))
}

fn type_name(info: &FieldInfo) -> String {
    if info.is_list() { format!("LIST({})", info.ty.name()) } else { info.ty.name().to_owned() }
}

/// `.name or [N], required`; nothing for a field without an argument.
fn arg_text(info: &FieldInfo) -> Option<String> {
    let need = if info.arg.is_required() { "required" } else { "optional" };
    let syntax = info.arg.syntax();
    (!syntax.is_empty()).then(|| format!("{syntax}, {need}"))
}

/// One name a line.
pub(crate) fn lines<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.fold(String::new(), |mut out, name| {
        out.push_str(name);
        out.push('\n');
        out
    })
}

/// Where the right column starts, and where lines end.
const COLUMN: usize = 32;
const WIDTH: usize = 100;

fn text(classes: &[(Class, Vec<Field>)]) -> String {
    let mut out = String::new();
    for (class, fields) in classes {
        out.push_str("-------------------------------\n");
        entry(&mut out, "Field Class:", class.name());
        entry(&mut out, "Description:", class.about());
        entry(&mut out, "Event Sources:", class.sources());
        out.push('\n');
        for field in fields {
            let info = field.info();
            entry(&mut out, info.name, info.about);
            let mut details = format!("(Type: {}", type_name(info));
            if let Some(arg) = arg_text(info) {
                push(&mut details, format_args!("; argument: {arg}"));
            }
            for mark in marks(*field) {
                push(&mut details, format_args!("; {mark}"));
            }
            details.push(')');
            entry(&mut out, "", &details);
        }
        out.push('\n');
    }
    out
}

/// Appends a name and, from the right column on, its text over as many lines as it needs.
fn entry(out: &mut String, name: &str, text: &str) {
    out.push_str(name);
    let mut column = name.len();
    if column >= COLUMN {
        out.push('\n');
        column = 0;
    }
    out.push_str(&" ".repeat(COLUMN - column));
    column = COLUMN;
    for (n, word) in text.split(' ').enumerate() {
        if n > 0 && column + 1 + word.len() > WIDTH {
            out.push('\n');
            out.push_str(&" ".repeat(COLUMN));
            column = COLUMN;
        } else if n > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.len();
    }
    out.push('\n');
}

fn markdown(classes: &[(Class, Vec<Field>)]) -> String {
    let mut out = String::new();
    for (class, fields) in classes {
        let (name, about, sources) = (class.name(), class.about(), class.sources());
        push(
            &mut out,
            format_args!("## Field Class: {name}\n\n{about}\n\nEvent Sources: {sources}\n\n"),
        );
        out.push_str("Name | Type | Description\n:----|:-----|:-----------\n");
        for field in fields {
            let info = field.info();
            push(&mut out, format_args!("`{}` | {} | ", info.name, type_name(info)));
            // What looks like a tag or a cell's end is none.
            out.push_str(&info.about.replace('<', "&lt;").replace('|', "\\|"));
            let arg = arg_text(info).map(|arg| format!("argument: {arg}"));
            let notes: Vec<String> =
                arg.into_iter().chain(marks(*field).map(str::to_owned)).collect();
            if !notes.is_empty() {
                push(&mut out, format_args!(" ({})", notes.join("; ")));
            }
            out.push('\n');
        }
        out.push('\n');
    }
    out
}

#[derive(Serialize)]
struct JsonClass {
    name: &'static str,
    description: &'static str,
    event_sources: &'static str,
    fields: Vec<JsonField>,
}

#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent flags of a field")]
struct JsonField {
    name: &'static str,
    #[serde(rename = "type")]
    ty: &'static str,
    description: &'static str,
    list: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    argument: Option<JsonArg>,
    extracted: bool,
    deprecated: bool,
    conditions_only: bool,
    right_side: bool,
    transformers: bool,
    suggested: bool,
}

#[derive(Serialize)]
struct JsonArg {
    syntax: &'static str,
    required: bool,
}

fn json(classes: &[(Class, Vec<Field>)], names_only: bool) -> String {
    let object = |(class, fields): &(Class, Vec<Field>)| JsonClass {
        name: class.name(),
        description: class.about(),
        event_sources: class.sources(),
        fields: fields.iter().map(|&f| json_field(f)).collect(),
    };
    let value = if names_only {
        let fields = classes.iter().flat_map(|(_, fields)| fields);
        serde_json::json!(fields.map(|f| f.name()).collect::<Vec<_>>())
    } else {
        serde_json::json!({ "classes": classes.iter().map(object).collect::<Vec<_>>() })
    };
    format!("{value:#}\n")
}

fn json_field(field: Field) -> JsonField {
    let info = field.info();
    let syntax = info.arg.syntax();
    JsonField {
        name: info.name,
        ty: info.ty.name(),
        description: info.about,
        list: info.is_list(),
        argument: (!syntax.is_empty())
            .then_some(JsonArg { syntax, required: info.arg.is_required() }),
        extracted: field.is_extracted(),
        deprecated: info.is_deprecated(),
        conditions_only: info.is_filter_only(),
        right_side: !info.no_rhs(),
        transformers: !info.no_transformer(),
        suggested: info.is_suggested(),
    }
}

/// Writing to a string cannot fail.
pub(crate) fn push(out: &mut String, args: std::fmt::Arguments<'_>) {
    let _infallible = out.write_fmt(args);
}

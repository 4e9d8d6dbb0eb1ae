//! Exceptions of rules: read, checked, and appended to.

use std::sync::Arc;

use super::too_many;
use crate::error::{Code, Diag, Problem};
use crate::items::{Map, unknown_keys};
use crate::operand::expr;
use crate::parse::transformer_at;
use crate::schema::{SYSCALL, Scope};
use crate::source::{Span, Traced};
use crate::yaml::{Kind, Node};

/// Exceptions of one rule.
const MAX_EXCEPTIONS: usize = 1000;
/// Values of one exception, appended ones included.
const MAX_VALUES: usize = 100_000;

const KEYS: &[&str] = &["name", "fields", "comps", "values"];
/// The operators that take a list.
const LIST_OPERATORS: &[&str] = &["in", "intersects", "pmatch"];
/// The others, those that take a modifier first.
const STRING_OPERATORS: &[&str] = &[
    "=",
    "==",
    "!=",
    "glob",
    "iglob",
    "contains",
    "icontains",
    "bcontains",
    "startswith",
    "bstartswith",
    "endswith",
    "regex",
];
const OTHER_OPERATORS: &[&str] = &["exists", "<", "<=", ">", ">="];
const MODIFIERS: &[&str] = &["oneof", "anyof", "allof"];

/// A checked exception.
#[derive(Debug)]
pub(crate) struct ExceptionDef {
    pub(crate) name: Arc<str>,
    pub(super) span: Span,
    /// Whether `fields` is a list, so that a value is a list too.
    pub(super) is_tuple: bool,
    pub(super) comparisons: Vec<Comparison>,
    pub(super) values: Vec<Entry>,
}

impl ExceptionDef {
    /// Each field as written, and the operator behind it.
    pub(crate) fn compared(&self) -> impl Iterator<Item = (&str, &str)> {
        self.comparisons.iter().map(|c| (c.field.as_str(), c.operator.as_str()))
    }

    pub(crate) fn n_values(&self) -> usize {
        self.values.len()
    }
}

/// A field and how it is compared.
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) field: Traced,
    pub(super) operator: Traced,
}

impl Comparison {
    /// Whether the operator wants a list.
    pub(super) fn takes_list(&self) -> bool {
        takes_list(self.operator.as_str())
    }
}

/// Text or a list of entries, the way `fields`, `comps` and `values` are written.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) span: Span,
    pub(super) kind: EntryKind,
}

#[derive(Debug)]
pub(super) enum EntryKind {
    Text(Traced),
    List(Vec<Entry>),
}

/// An exception as read.
struct Written {
    name: Arc<str>,
    span: Span,
    fields: Option<Entry>,
    comps: Option<Entry>,
    values: Vec<Entry>,
}

/// The exceptions of a definition.
pub(super) fn define(
    map: &Map<'_>,
    source: &str,
    warnings: &mut Vec<Diag>,
) -> Result<Vec<ExceptionDef>, Diag> {
    let mut out: Vec<ExceptionDef> = Vec::new();
    for entry in entries(map)? {
        let (ex, _) = read(map, entry, &["name", "fields"], warnings)?;
        if out.iter().any(|e| e.name == ex.name) {
            warnings.push(twice(&ex));
        }
        push(&mut out, ex, source)?;
    }
    Ok(out)
}

/// Appends to the exceptions of a rule: values to those that are there, new ones behind them.
pub(super) fn append(
    old: &mut Vec<ExceptionDef>,
    map: &Map<'_>,
    source: &str,
    warnings: &mut Vec<Diag>,
) -> Result<(), Diag> {
    let mut names: Vec<Arc<str>> = Vec::new();
    for entry in entries(map)? {
        let (mut ex, has_values) = read(map, entry, &["name"], warnings)?;
        if names.contains(&ex.name) {
            warnings.push(twice(&ex));
        } else {
            names.push(ex.name.clone());
        }
        if !has_values {
            let problem = Problem::ExceptionWithoutValues(ex.name.to_string());
            warnings.push(Diag::new(Code::AppendNoValues, problem, ex.span));
        }
        let Some(there) = old.iter_mut().find(|e| e.name == ex.name) else {
            if ex.values.is_empty() {
                return Err(Diag::new(
                    Code::Validate,
                    Problem::MissingKeys(vec!["values"]),
                    ex.span,
                ));
            }
            push(old, ex, source)?;
            continue;
        };
        for (key, entry) in [("fields", &ex.fields), ("comps", &ex.comps)] {
            if let Some(entry) = entry.as_ref().filter(|e| !e.is_empty()) {
                let problem = Problem::FixedInException { name: ex.name.to_string(), key };
                return Err(Diag::new(Code::Validate, problem, entry.span));
            }
        }
        if there.values.len() + ex.values.len() > MAX_VALUES {
            return Err(too_many("values of an exception", MAX_VALUES, ex.span));
        }
        there.values.append(&mut ex.values);
    }
    Ok(())
}

fn twice(ex: &Written) -> Diag {
    let problem = Problem::ExceptionTwice(ex.name.to_string());
    Diag::new(Code::ExceptionNameNotUnique, problem, ex.span)
}

fn push(out: &mut Vec<ExceptionDef>, ex: Written, source: &str) -> Result<(), Diag> {
    if out.len() >= MAX_EXCEPTIONS {
        return Err(too_many("exceptions of a rule", MAX_EXCEPTIONS, ex.span));
    }
    if ex.values.len() > MAX_VALUES {
        return Err(too_many("values of an exception", MAX_VALUES, ex.span));
    }
    out.push(check(ex, source)?);
    Ok(())
}

fn entries<'a>(map: &Map<'a>) -> Result<&'a [Node], Diag> {
    const KEY: &str = "exceptions";
    match map.get(KEY) {
        None => Ok(&[]),
        Some(node) if node.is_null() => Ok(&[]),
        Some(Node { kind: Kind::Seq(entries), .. }) => Ok(entries),
        Some(node) => Err(Map::wrong(node, KEY, "a sequence of maps")),
    }
}

/// Reads one exception, and whether it has the key `values`.
fn read(
    rule: &Map<'_>,
    node: &Node,
    required: &[&'static str],
    warnings: &mut Vec<Diag>,
) -> Result<(Written, bool), Diag> {
    let map = Map::new(rule.files, node)
        .ok_or_else(|| Map::wrong(node, "exceptions", "a sequence of maps"))?;
    map.require(required)?;
    let name = map.require_text("name")?;
    warnings.extend(unknown_keys(&map, KEYS));
    let entry = |key| map.get(key).map(|node| Entry::read(&map, node, key)).transpose();
    let (values, has_values) = match map.get("values") {
        None => (Vec::new(), false),
        Some(Node { kind: Kind::Seq(nodes), .. }) => {
            let values = nodes.iter().map(|node| Entry::read(&map, node, "values"));
            (values.collect::<Result<_, _>>()?, true)
        }
        Some(node) => return Err(Map::wrong(node, "values", "a sequence")),
    };
    let written = Written {
        span: name.span(0..name.len()),
        name: name.as_str().into(),
        fields: entry("fields")?,
        comps: entry("comps")?,
        values,
    };
    Ok((written, has_values))
}

impl Entry {
    /// Reads text or a list of entries. Nesting is bounded by that of the file.
    fn read(map: &Map<'_>, node: &Node, key: &'static str) -> Result<Self, Diag> {
        let kind = match &node.kind {
            Kind::Seq(nodes) => {
                let entries = nodes.iter().map(|n| Self::read(map, n, key));
                EntryKind::List(entries.collect::<Result<_, _>>()?)
            }
            Kind::Scalar { .. } | Kind::Map(_) => match node.traced(map.files) {
                Some(text) if text.len() > 0 && !node.is_null() => EntryKind::Text(text),
                Some(_) => return Err(Map::wrong(node, key, "text that is not empty")),
                None => return Err(Map::wrong(node, key, "text or a sequence")),
            },
        };
        Ok(Self { span: node.span, kind })
    }

    fn is_empty(&self) -> bool {
        matches!(&self.kind, EntryKind::List(entries) if entries.is_empty())
    }

    pub(super) fn text(&self) -> Option<&Traced> {
        match &self.kind {
            EntryKind::Text(text) => Some(text),
            EntryKind::List(_) => None,
        }
    }

    /// The texts of a list, or the one text.
    fn texts(&self, key: &'static str) -> Result<Vec<&Traced>, Diag> {
        let wrong = |at: &Self| {
            let problem = Problem::WrongType { key, expected: "text or a sequence of texts" };
            Diag::new(Code::YamlValidate, problem, at.span)
        };
        match &self.kind {
            EntryKind::Text(text) => Ok(vec![text]),
            EntryKind::List(entries) => {
                entries.iter().map(|e| e.text().ok_or_else(|| wrong(e))).collect()
            }
        }
    }
}

/// Checks what can be said without the values.
fn check(ex: Written, source: &str) -> Result<ExceptionDef, Diag> {
    let missing = || Diag::new(Code::YamlValidate, Problem::MissingKeys(vec!["fields"]), ex.span);
    let fields = ex.fields.as_ref().filter(|f| !f.is_empty()).ok_or_else(missing)?;
    let is_tuple = fields.text().is_none();
    let names = fields.texts("fields")?;
    let comps = ex.comps.as_ref().filter(|c| !c.is_empty());
    let operators: Vec<Traced> = match comps {
        None => {
            let default = if is_tuple { "=" } else { "in" };
            names.iter().map(|field| put_at(default, field)).collect()
        }
        Some(comps) if comps.text().is_none() != is_tuple => {
            let expected =
                if is_tuple { "a sequence, as `fields` is" } else { "one text, as `fields` is" };
            let problem = Problem::WrongType { key: "comps", expected };
            return Err(Diag::new(Code::Validate, problem, comps.span));
        }
        Some(comps) => {
            let texts = comps.texts("comps")?;
            if texts.len() != names.len() {
                let problem = Problem::UnequalLengths {
                    what: "comps",
                    fields: names.len(),
                    found: texts.len(),
                };
                return Err(Diag::new(Code::Validate, problem, comps.span));
            }
            texts.into_iter().map(|text| operator(text, is_tuple)).collect::<Result<_, _>>()?
        }
    };
    if source == SYSCALL {
        names.iter().try_for_each(|name| known_field(name))?;
    }
    let comparisons = names
        .into_iter()
        .zip(operators)
        .map(|(field, operator)| Comparison { field: field.clone(), operator })
        .collect();
    Ok(ExceptionDef { name: ex.name, span: ex.span, is_tuple, comparisons, values: ex.values })
}

/// An operator, or one with a modifier; blanks do not count.
fn operator(text: &Traced, is_tuple: bool) -> Result<Traced, Diag> {
    let words: Vec<&str> = text.as_str().split_whitespace().collect();
    let is_known = match words[..] {
        [op] => [LIST_OPERATORS, STRING_OPERATORS, OTHER_OPERATORS].concat().contains(&op),
        [op, modifier] => STRING_OPERATORS.contains(&op) && MODIFIERS.contains(&modifier),
        _ => false,
    };
    let operator = words.join(" ");
    let error = |problem| Err(Diag::new(Code::Validate, problem, text.span(0..text.len())));
    if !is_known {
        return error(Problem::UnknownComparison(text.as_str().to_owned()));
    }
    if !is_tuple && !takes_list(&operator) {
        return error(Problem::ComparisonOfOneField(operator));
    }
    Ok(put_at(&operator, text))
}

/// Words that stand for a place in a file.
fn put_at(words: &str, place: &Traced) -> Traced {
    let mut out = Traced::empty(place.pos(0));
    out.push_at(words, place.pos(0));
    out
}

fn takes_list(operator: &str) -> bool {
    LIST_OPERATORS.contains(&operator) || operator.contains(' ')
}

/// Checks that the text is the left side of a comparison: a field, or a transformer of one.
fn known_field(text: &Traced) -> Result<(), Diag> {
    let operand =
        transformer_at(text, 0).map_err(as_validate)?.filter(|&(_, end)| end == text.len());
    let known = if let Some((operand, _)) = operand {
        expr(text, &Scope::syscall(), &operand).map(drop)
    } else {
        let problem = Problem::UnknownField(text.as_str().to_owned());
        Err(Diag::new(Code::Validate, problem, text.span(0..text.len())))
    };
    known.map_err(as_validate)
}

fn as_validate(diag: Diag) -> Diag {
    Diag { code: Code::Validate, ..diag }
}

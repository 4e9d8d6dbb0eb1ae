//! The shape that a rule file has by Falco's JSON schema. What departs from it is told, and never stops a load.

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::yaml::{Kind, Node};

const PRIORITIES: [&str; 9] = [
    "EMERGENCY",
    "ALERT",
    "CRITICAL",
    "ERROR",
    "WARNING",
    "NOTICE",
    "INFO",
    "INFORMATIONAL",
    "DEBUG",
];

/// What the schema wants of a value.
#[derive(Clone, Copy)]
enum Shape {
    Any,
    Text,
    /// Digits with an optional sign.
    Integer,
    /// `true` or `false`, no other word.
    Bool,
    OneOf(&'static [&'static str]),
    SeqOf(&'static Shape),
    /// Known keys with what they are for, those that must be there, and how many keys there must be.
    Map {
        keys: &'static [(&'static str, Shape, &'static str)],
        required: &'static [&'static str],
        at_least: usize,
    },
}

const MODE: Shape = Shape::OneOf(&["append", "replace"]);

/// What each key of an override says.
const HOW: &str = "Whether it adds to what is there or takes its place.";

/// What a rule file is.
const FILE: Shape = Shape::SeqOf(&ITEM);

/// The shape of rule files as a JSON schema (draft 7), to be serialized. What fits it is what validation calls ok: a key of another type
/// may still be read.
#[derive(Clone, Copy, Debug)]
pub struct RuleFileSchema;

impl Serialize for RuleFileSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("$schema", "http://json-schema.org/draft-07/schema#")?;
        map.serialize_entry("title", "Rules, macros and lists of Peregrine and Falco")?;
        // A file without a document is as good as an empty list.
        map.serialize_entry("type", &["array", "null"])?;
        map.serialize_entry("items", &ITEM)?;
        map.end()
    }
}

impl Serialize for Shape {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Any => {}
            // Every scalar is a text, one that YAML takes for something else, too.
            Self::Text => map.serialize_entry("type", &["string", "number", "boolean", "null"])?,
            Self::Integer => {
                map.serialize_entry("type", &["integer", "string"])?;
                map.serialize_entry("pattern", "^[+-]?[0-9]+$")?;
            }
            Self::Bool => map.serialize_entry("enum", &(true, false, "true", "false"))?,
            Self::OneOf(words) => map.serialize_entry("enum", words)?,
            Self::SeqOf(inner) => {
                map.serialize_entry("type", "array")?;
                map.serialize_entry("items", inner)?;
            }
            Self::Map { keys, required, at_least } => {
                map.serialize_entry("type", "object")?;
                map.serialize_entry("additionalProperties", &false)?;
                map.serialize_entry("properties", &Properties(keys))?;
                map.serialize_entry("required", required)?;
                map.serialize_entry("minProperties", at_least)?;
            }
        }
        map.end()
    }
}

struct Properties(&'static [(&'static str, Shape, &'static str)]);

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            self.0
                .iter()
                .map(|(name, shape, about)| (name, Property { description: about, shape: *shape })),
        )
    }
}

#[derive(serde::Serialize)]
struct Property {
    description: &'static str,
    #[serde(flatten)]
    shape: Shape,
}

const ITEM: Shape = Shape::Map {
    keys: &[
        (
            "required_engine_version",
            Shape::Text,
            "The oldest rule engine that can read what follows.",
        ),
        (
            "required_plugin_versions",
            Shape::SeqOf(&PLUGIN),
            "Plugins that the rules need, in these versions or newer ones.",
        ),
        ("macro", Shape::Text, "Name of a macro: a condition that other conditions name."),
        ("condition", Shape::Text, "What an event has to be for the rule or the macro to hold."),
        ("list", Shape::Text, "Name of a list, which conditions name where they take values."),
        ("items", Shape::SeqOf(&Shape::Text), "Its values, or names of other lists."),
        ("rule", Shape::Text, "Name of a rule."),
        ("desc", Shape::Text, "What it detects."),
        ("enabled", Shape::Bool, "Whether it raises alerts."),
        ("output", Shape::Text, "Text of its alerts; %FIELD is that field of the event."),
        (
            "append",
            Shape::Bool,
            "Old form of override: adds to the condition, the items or the exceptions of what has this name.",
        ),
        ("priority", Shape::OneOf(&PRIORITIES), "How severe its alerts are."),
        ("capture", Shape::Bool, "Whether an alert begins a recording."),
        ("capture_duration", Shape::Integer, "Milliseconds that the recording goes on for."),
        ("source", Shape::Text, "Source of its events."),
        ("exceptions", Shape::SeqOf(&EXCEPTION), "What it does not apply to."),
        ("override", OVERRIDE, "What of the definition with this name is appended to or replaced."),
        ("tags", Shape::SeqOf(&Shape::Text), "Words that rules are selected by."),
        (
            "warn_evttypes",
            Shape::Bool,
            "Whether a condition that names no event types is worth a warning.",
        ),
        (
            "skip-if-unknown-filter",
            Shape::Bool,
            "Whether a rule with an unknown field is left out instead of being an error.",
        ),
    ],
    required: &[],
    at_least: 0,
};

const EXCEPTION: Shape = Shape::Map {
    keys: &[
        ("name", Shape::Text, "Its name."),
        ("fields", Shape::Any, "Fields that are compared."),
        ("comps", Shape::Any, "Operators that they are compared with."),
        ("values", Shape::Any, "What they are compared with: a list of values for each way out."),
    ],
    required: &["name"],
    at_least: 0,
};

const OVERRIDE: Shape = Shape::Map {
    keys: &[
        ("items", MODE, HOW),
        ("desc", MODE, HOW),
        ("condition", MODE, HOW),
        ("output", MODE, HOW),
        ("priority", MODE, HOW),
        ("enabled", MODE, HOW),
        ("exceptions", MODE, HOW),
        ("capture", MODE, HOW),
        ("capture_duration", MODE, HOW),
        ("tags", MODE, HOW),
        ("warn_evttypes", MODE, HOW),
        ("skip-if-unknown-filter", MODE, HOW),
    ],
    required: &[],
    at_least: 1,
};

const PLUGIN: Shape = Shape::Map {
    keys: &[
        ("name", Shape::Text, "Its name."),
        ("version", Shape::Text, "The oldest version that will do."),
        ("alternatives", Shape::SeqOf(&ALTERNATIVE), "Plugins that do as well."),
    ],
    required: &["name", "version"],
    at_least: 0,
};

const ALTERNATIVE: Shape = Shape::Map {
    keys: &[
        ("name", Shape::Text, "Its name."),
        ("version", Shape::Text, "The oldest version that will do."),
    ],
    required: &["name", "version"],
    at_least: 0,
};

/// One line for all that fits, `none` where there is no document, else a line for the first departure and for each node around it, from the inside
/// out.
pub(crate) fn verdict(docs: &[Node]) -> Vec<String> {
    let mut docs = docs.iter().filter(|doc| !doc.is_null()).peekable();
    if docs.peek().is_none() {
        return vec!["none".to_owned()];
    }
    let mut failures = Vec::new();
    for doc in docs {
        fits(doc, FILE, "<root>", &mut failures);
        if !failures.is_empty() {
            return failures;
        }
    }
    vec!["ok".to_owned()]
}

/// Whether a node has a shape; where not, why, behind the reasons of what is inside it. Depth is that of the shapes.
fn fits(node: &Node, shape: Shape, path: &str, failures: &mut Vec<String>) -> bool {
    let why = misfit(node, shape, path, failures);
    failures.extend(why.as_ref().map(|why| format!("failed for {path}: {why}")));
    why.is_none()
}

fn misfit(node: &Node, shape: Shape, path: &str, failures: &mut Vec<String>) -> Option<String> {
    let text = node.scalar();
    let (fits_so, else_why) = match shape {
        Shape::Any => (true, ""),
        Shape::Text => (text.is_some(), "the value must be text"),
        Shape::Integer => {
            (text.is_some_and(|t| t.parse::<i64>().is_ok()), "the value must be a whole number")
        }
        Shape::Bool => (matches!(text, Some("true" | "false")), "the value must be true or false"),
        Shape::OneOf(words) => {
            let is_one = text.is_some_and(|t| words.contains(&t));
            return (!is_one).then(|| format!("the value must be one of {}", words.join(", ")));
        }
        Shape::SeqOf(inner) => {
            let Kind::Seq(nodes) = &node.kind else {
                return Some("the value must be a sequence".to_owned());
            };
            let mut wrong = nodes.iter().enumerate();
            let wrong = wrong.find(|(i, n)| !fits(n, *inner, &format!("{path}[{i}]"), failures));
            return wrong.map(|(i, _)| format!("item #{i} does not fit"));
        }
        Shape::Map { keys, required, at_least } => {
            let Kind::Map(pairs) = &node.kind else {
                return Some("the value must be a map".to_owned());
            };
            for (key, value) in pairs.iter() {
                let name = key.scalar().unwrap_or_default();
                let Some((_, inner, _)) = keys.iter().find(|(k, ..)| *k == name) else {
                    return Some(format!("unknown property '{name}'"));
                };
                if !fits(value, *inner, &format!("{path}[{name}]"), failures) {
                    return Some(format!("property '{name}' does not fit"));
                }
            }
            let has = |name: &str| pairs.iter().any(|(k, _)| k.scalar() == Some(name));
            if let Some(missing) = required.iter().find(|name| !has(name)) {
                return Some(format!("property '{missing}' is missing"));
            }
            (pairs.len() >= at_least, "there must be at least one property")
        }
    };
    (!fits_so).then(|| else_why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Files, Source};

    fn check(text: &str, expected: &[&str]) {
        let mut files = Files::default();
        files.add(Source { name: "f".into(), text: text.into() });
        let docs = crate::yaml::read(&files, 0).unwrap();
        assert_eq!(verdict(&docs), expected, "{text}");
    }

    #[test]
    fn files_fit_or_tell_where_not_from_the_inside_out() {
        check("# nothing\n", &["none"]);
        check("- list: l\n  items: [a, 5]\n- rule: r\n  priority: WARNING\n", &["ok"]);
        check(
            "- list: l\n- rule: r\n  priority: warning\n",
            &[
                "failed for <root>[1][priority]: the value must be one of EMERGENCY, ALERT, CRITICAL, ERROR, WARNING, NOTICE, INFO, \
                 INFORMATIONAL, DEBUG",
                "failed for <root>[1]: property 'priority' does not fit",
                "failed for <root>: item #1 does not fit",
            ],
        );
        check(
            "- rule: r\n  exceptions:\n  - fields: a\n",
            &[
                "failed for <root>[0][exceptions][0]: property 'name' is missing",
                "failed for <root>[0][exceptions]: item #0 does not fit",
                "failed for <root>[0]: property 'exceptions' does not fit",
                "failed for <root>: item #0 does not fit",
            ],
        );
        check("a: b\n", &["failed for <root>: the value must be a sequence"]);
    }
}

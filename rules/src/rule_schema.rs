//! The shape that a rule file has by Falco's JSON schema. What departs from it is told, and never stops a load.

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
    /// Known keys, those that must be there, and how many keys there must be.
    Map {
        keys: &'static [(&'static str, Shape)],
        required: &'static [&'static str],
        at_least: usize,
    },
}

const MODE: Shape = Shape::OneOf(&["append", "replace"]);

const ITEM: Shape = Shape::Map {
    keys: &[
        ("required_engine_version", Shape::Text),
        ("required_plugin_versions", Shape::SeqOf(&PLUGIN)),
        ("macro", Shape::Text),
        ("condition", Shape::Text),
        ("list", Shape::Text),
        ("items", Shape::SeqOf(&Shape::Text)),
        ("rule", Shape::Text),
        ("desc", Shape::Text),
        ("enabled", Shape::Bool),
        ("output", Shape::Text),
        ("append", Shape::Bool),
        ("priority", Shape::OneOf(&PRIORITIES)),
        ("capture", Shape::Bool),
        ("capture_duration", Shape::Integer),
        ("source", Shape::Text),
        ("exceptions", Shape::SeqOf(&EXCEPTION)),
        ("override", OVERRIDE),
        ("tags", Shape::SeqOf(&Shape::Text)),
        ("warn_evttypes", Shape::Bool),
        ("skip-if-unknown-filter", Shape::Bool),
    ],
    required: &[],
    at_least: 0,
};

const EXCEPTION: Shape = Shape::Map {
    keys: &[
        ("name", Shape::Text),
        ("fields", Shape::Any),
        ("comps", Shape::Any),
        ("values", Shape::Any),
    ],
    required: &["name"],
    at_least: 0,
};

const OVERRIDE: Shape = Shape::Map {
    keys: &[
        ("items", MODE),
        ("desc", MODE),
        ("condition", MODE),
        ("output", MODE),
        ("priority", MODE),
        ("enabled", MODE),
        ("exceptions", MODE),
        ("capture", MODE),
        ("capture_duration", MODE),
        ("tags", MODE),
        ("warn_evttypes", MODE),
        ("skip-if-unknown-filter", MODE),
    ],
    required: &[],
    at_least: 1,
};

const PLUGIN: Shape = Shape::Map {
    keys: &[
        ("name", Shape::Text),
        ("version", Shape::Text),
        ("alternatives", Shape::SeqOf(&ALTERNATIVE)),
    ],
    required: &["name", "version"],
    at_least: 0,
};

const ALTERNATIVE: Shape = Shape::Map {
    keys: &[("name", Shape::Text), ("version", Shape::Text)],
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
        fits(doc, Shape::SeqOf(&ITEM), "<root>", &mut failures);
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
                let Some((_, inner)) = keys.iter().find(|(k, _)| *k == name) else {
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

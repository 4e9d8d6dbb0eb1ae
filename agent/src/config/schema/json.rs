//! The table as a JSON schema (draft 7), for editors and for whoever checks files before they are shipped. It lets through what the checks let
//! through: words for truth, numbers in quotes, and values that are made of variables, which are not known before the start.

use serde_json::{Map, Value, json};

use super::{Does, Key, Kind, keys};

/// A value that is made of variables.
const VARIABLE: &str = r"\$\{[^}]*\}";

/// The schema of a configuration file.
pub(in crate::config) fn schema() -> Value {
    let keys: Vec<&Key> = keys().collect();
    let mut schema = object(&keys, "");
    for (name, value) in [
        ("$schema", json!("http://json-schema.org/draft-07/schema#")),
        ("title", json!("Configuration of Peregrine: Falco's keys, and its own below `peregrine`")),
        ("definitions", definitions()),
    ] {
        schema.insert(name.to_owned(), value);
    }
    Value::Object(schema)
}

fn definitions() -> Value {
    let truth: Vec<String> =
        ["true", "yes", "on", "y", "false", "no", "off", "n"].map(in_any_case).into();
    let units = ["y", "w", "d", "h", "m", "s", "ms"].map(|unit| format!("([0-9]+{unit})?"));
    let text = |pattern: String| json!({"type": "string", "pattern": pattern});
    json!({
        "interval": text(format!(r"^\s*(?=[0-9]){}\s*$|{VARIABLE}", units.concat())),
        "real": text(format!(r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$|{VARIABLE}")),
        "scalar": {"type": ["string", "number", "boolean"]},
        "truth": text(format!(r"^\s*({})\s*$|{VARIABLE}", truth.join("|"))),
        "variable": text(VARIABLE.to_owned()),
        "whole": text(format!(r"^\s*(\+?[0-9]+|0x[0-9a-fA-F]+)\s*$|{VARIABLE}")),
    })
}

/// JSON schema has no flag for that.
fn in_any_case(word: &str) -> String {
    let either = |c: char| format!("[{}{c}]", c.to_ascii_uppercase());
    word.chars().map(either).collect()
}

/// A map of the keys below a prefix.
fn object(keys: &[&Key], prefix: &str) -> Map<String, Value> {
    let mut properties = Map::new();
    for key in keys {
        let Some(rest) = key.path.strip_prefix(prefix) else { continue };
        let name = rest.split('.').next().unwrap_or(rest);
        if properties.contains_key(name) {
            continue;
        }
        let value = if name == rest {
            property(key)
        } else {
            let mut section = object(keys, &format!("{prefix}{name}."));
            section.insert("type".to_owned(), json!(["object", "null"]));
            section
        };
        properties.insert(name.to_owned(), Value::Object(value));
    }
    let mut object = Map::new();
    object.insert("type".to_owned(), json!("object"));
    object.insert("additionalProperties".to_owned(), json!(false));
    object.insert("properties".to_owned(), Value::Object(properties));
    object
}

fn property(key: &Key) -> Map<String, Value> {
    let mut property = takes(&key.kind);
    let mut about = key.about.to_owned();
    if let Some(remark) = key.remark() {
        about.push_str(" Here: ");
        about.push_str(remark.why);
        about.push('.');
    }
    property.insert("description".to_owned(), about.into());
    if let Ok(default @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_))) =
        serde_yaml::from_str(key.default)
    {
        property.insert("default".to_owned(), default);
    }
    if let Does::Removed(_) = key.does {
        property.insert("deprecated".to_owned(), true.into());
    }
    property
}

/// What a key takes. Null is as good as no key.
fn takes(kind: &Kind) -> Map<String, Value> {
    let definition = |name: &str| json!({"$ref": format!("#/definitions/{name}")});
    let null = json!({"type": "null"});
    let any_of = |these: Vec<Value>| json!({"anyOf": these});
    let schema = match kind {
        Kind::Bool => any_of(vec![json!({"type": ["boolean", "null"]}), definition("truth")]),
        Kind::Whole(least, most) => {
            let number = json!({"type": ["integer", "null"], "minimum": least, "maximum": most});
            any_of(vec![number, definition("whole")])
        }
        Kind::Real(least, most) => {
            let mut number = json!({"type": ["number", "null"], "minimum": least});
            if most.is_finite() {
                number["maximum"] = json!(most);
            }
            any_of(vec![number, definition("real")])
        }
        Kind::Text => json!({"type": ["string", "number", "boolean", "null"]}),
        Kind::Word(words) => any_of(vec![json!({"enum": words}), definition("variable"), null]),
        Kind::Priority => {
            let names = rules::Priority::ALL.iter().map(|p| p.as_str()).chain(["Info"]);
            let names: Vec<&str> = names.collect();
            let words: Vec<String> = names.iter().map(|n| in_any_case(&n.to_lowercase())).collect();
            let in_any_case =
                json!({"type": "string", "pattern": format!("^({})$", words.join("|"))});
            any_of(vec![json!({"enum": names}), in_any_case, definition("variable"), null])
        }
        Kind::Interval => any_of(vec![definition("interval"), null]),
        Kind::Texts => {
            let list = json!({"type": "array", "items": definition("scalar")});
            any_of(vec![list, definition("scalar"), null])
        }
        Kind::TextMap => {
            json!({"type": ["object", "null"], "additionalProperties": definition("scalar")})
        }
        Kind::TextsAndMaps => {
            let map = json!({"type": "object", "additionalProperties": definition("scalar")});
            json!({"type": ["array", "null"], "items": any_of(vec![definition("scalar"), map])})
        }
        Kind::Map(keys) => {
            let mut map = entry(keys);
            map.insert("type".to_owned(), json!(["object", "null"]));
            Value::Object(map)
        }
        Kind::Entries(keys) => json!({"type": ["array", "null"], "items": entry(keys)}),
        Kind::Inclusions => {
            let map = json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["path"],
                "properties": {
                    "path": definition("scalar"),
                    "strategy": {"enum": ["append", "override", "add-only"]},
                },
            });
            let one = any_of(vec![definition("scalar"), map]);
            any_of(vec![json!({"type": "array", "items": one}), one, null])
        }
        Kind::Anything => json!({}),
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

fn entry(keys: &'static [Key]) -> Map<String, Value> {
    object(&keys.iter().collect::<Vec<_>>(), "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check::check;
    use crate::config::environment::Environment;
    use crate::config::include::include;
    use crate::config::tree::{Node, Origin};

    fn troubles_of(text: &str) -> Vec<String> {
        let environment = &mut Environment::new(&|_| None);
        let mut tree =
            Node::read("t", text.to_owned(), &|_, _| Origin::Default, environment).expect("YAML");
        let mut troubles = Vec::new();
        if let Err(e) = include(&mut tree, None, environment, &mut troubles) {
            return vec![e.to_string()];
        }
        troubles.extend(check(&tree).troubles);
        troubles.iter().map(ToString::to_string).collect()
    }

    /// A file with one key.
    fn file(path: &str, value: &str) -> String {
        let mut text = value.to_owned();
        for name in path.rsplit('.') {
            text = format!("{{{name}: {text}}}");
        }
        text
    }

    /// Values of every type, good and bad for one key or another.
    fn values() -> Vec<String> {
        let mut values: Vec<String> = [
            "null",
            "true",
            "'Yes'",
            "maybe",
            "-1",
            "0",
            "1",
            "'7'",
            "'0x10'",
            "80",
            "4096",
            "70000",
            "0.5",
            "'.5e1'",
            "1h30m",
            "30m1h",
            "text",
            "''",
            "[]",
            "[a, 1]",
            "[[a]]",
            "[a, null]",
            "{}",
            "{a: b}",
            "{a: [b]}",
            "{a: null}",
            "{rule: a}",
            "{path: a, strategy: override}",
            "{strategy: override}",
            "[{path: a}, b]",
            "[{enable: {rule: a}}]",
            "[{enable: {rle: a}}]",
            "[{enable: null}]",
            "[{name: a, init_config: [1]}]",
            "[{suggested_output: true}]",
            "[{match: {tags: [a], rule: b}}]",
            "[{match: {tags: {}}}]",
            "wArNiNg",
            "Informational",
            "info",
        ]
        .map(ToOwned::to_owned)
        .into();
        for key in keys() {
            if let Kind::Word(words) = key.kind {
                values.extend(words.iter().map(|w| (*w).to_owned()));
            }
            if let Kind::Whole(least, most) = key.kind {
                let beyond = [least.checked_sub(1), most.checked_add(1)];
                values.extend(
                    [Some(least), Some(most)].iter().chain(&beyond).flatten().map(u64::to_string),
                );
            }
        }
        values.sort();
        values.dedup();
        values
    }

    #[test]
    fn it_lets_through_what_the_checks_let_through() {
        let validator = jsonschema::draft7::new(&schema()).expect("a schema");
        let values = values();
        for path in keys().map(|key| key.path).chain(["no_such.key"]) {
            for value in &values {
                let text = file(path, value);
                let troubles = troubles_of(&text);
                let json: Value = serde_yaml::from_str(&text).expect("YAML");
                let is_valid = validator.is_valid(&json);
                // Only the checks look into numbers in quotes.
                let is_bound =
                    value.starts_with('\'') && troubles.iter().all(|t| t.contains("out of range"));
                assert!(
                    is_valid == troubles.is_empty() || is_bound,
                    "{text}: {is_valid}, {troubles:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_made_of_variables_may_be_anything_that_a_text_can_be() {
        let validator = jsonschema::draft7::new(&schema()).expect("a schema");
        for key in keys() {
            let json = serde_yaml::from_str(&file(key.path, "'${NAME}'")).expect("YAML");
            let is_made_of_keys = matches!(key.kind, Kind::TextMap | Kind::Entries(_));
            assert_eq!(validator.is_valid(&json), !is_made_of_keys, "{}", key.path);
        }
    }

    #[test]
    fn it_tells_of_every_key_what_it_is_for() {
        let schema = schema();
        for key in keys() {
            let pointer = format!("/properties/{}", key.path.replace('.', "/properties/"));
            let about = schema.pointer(&pointer).and_then(|p| p["description"].as_str());
            assert!(about.is_some_and(|text| text.starts_with(key.about)), "{}", key.path);
        }
    }
}

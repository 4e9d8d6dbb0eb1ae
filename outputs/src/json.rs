//! An alert as Falco's JSON object, written key by key: the keys are always the same, and stand in the order in which Falco prints them, which
//! is sorted.

use std::fmt::Write as _;

use rules::{Alert, AlertValue};

use crate::format::{Format, Notes, iso_time, marks, telling_view};

/// A value among the fields.
enum Value<'a> {
    Field(&'a AlertValue),
    Number(u64),
    Text(&'a str),
    Texts(Vec<&'static str>),
}

/// Appends the object. Characters that JSON does not escape stand as they are, control characters among them.
pub(crate) fn put_object(
    to: &mut String,
    alert: &Alert,
    notes: Notes,
    format: Format,
    hostname: &str,
    text: &str,
) {
    let Alert { rule, evt_num: _, ts_ns, output, fields: _, marks: _ } = alert;
    to.push_str("{\"hostname\":");
    put_text(to, hostname);
    if format.with_message {
        to.push_str(",\"message\":");
        put_text(to, output);
    }
    if format.with_output {
        to.push_str(",\"output\":");
        put_text(to, text);
    }
    if format.with_output_fields {
        to.push_str(",\"output_fields\":");
        put_fields(to, alert, notes, format);
    } else if let Some(id) = notes.id {
        // Duplicates are told by it, in a post of many by nothing else.
        let _infallible = write!(to, ",\"peregrine.id\":\"{id}\"");
    }
    to.push_str(",\"priority\":");
    put_text(to, rule.priority.as_str());
    to.push_str(",\"rule\":");
    put_text(to, &rule.name);
    to.push_str(",\"source\":");
    put_text(to, &rule.source);
    if format.with_tags {
        to.push_str(",\"tags\":");
        put_list(to, rule.tags.iter(), |to, tag| put_text(to, tag));
    }
    to.push_str(",\"time\":\"");
    iso_time(to, *ts_ns, "Z");
    to.push_str("\"}");
}

fn put_fields(to: &mut String, alert: &Alert, notes: Notes, format: Format) {
    let Notes { id, n_repeated } = notes;
    let id = id.map(|id| id.to_string());
    let mut all: Vec<(&str, Value<'_>)> = Vec::with_capacity(alert.fields.len() + 5);
    all.extend(alert.fields.iter().map(|(name, value)| (&**name, Value::Field(value))));
    let time = if format.iso_time { "evt.time.iso8601" } else { "evt.time" };
    all.push((time, Value::Number(alert.ts_ns)));
    let names: Vec<_> = marks(alert.marks).collect();
    if !names.is_empty() {
        all.push(("peregrine.marks", Value::Texts(names)));
    }
    if let Some(view) = telling_view(alert.marks) {
        all.push(("fd.name_view", Value::Text(view.as_str())));
    }
    if n_repeated > 0 {
        all.push(("peregrine.repeated", Value::Number(n_repeated)));
    }
    if let Some(id) = &id {
        all.push(("peregrine.id", Value::Text(id)));
    }
    all.sort_by_key(|(name, _)| *name);
    to.push('{');
    let start = to.len();
    for (n, (name, value)) in all.iter().enumerate() {
        // Of one name what came last counts: ours, where a rule's output has it too.
        if all.get(n + 1).is_some_and(|(next, _)| next == name) {
            continue;
        }
        if to.len() > start {
            to.push(',');
        }
        put_text(to, name);
        to.push(':');
        match value {
            Value::Field(value) => put_value(to, value),
            Value::Number(n) => put_number(to, n),
            Value::Text(text) => put_text(to, text),
            Value::Texts(texts) => put_list(to, texts.iter(), |to, text| put_text(to, text)),
        }
    }
    to.push('}');
}

fn put_value(to: &mut String, value: &AlertValue) {
    match value {
        AlertValue::Missing => to.push_str("null"),
        AlertValue::Text(text) => put_text(to, text),
        AlertValue::I64(n) => put_number(to, n),
        AlertValue::U64(n) => put_number(to, n),
        // The shortest digits that are read as the same number; null for what is no number.
        AlertValue::F64(n) => to.push_str(&serde_json::json!(n).to_string()),
        AlertValue::Bool(is_true) => to.push_str(if *is_true { "true" } else { "false" }),
        AlertValue::List(values) => put_list(to, values.iter(), put_value),
    }
}

fn put_list<T>(to: &mut String, values: impl Iterator<Item = T>, put: impl Fn(&mut String, T)) {
    to.push('[');
    for (n, value) in values.enumerate() {
        if n > 0 {
            to.push(',');
        }
        put(to, value);
    }
    to.push(']');
}

fn put_number(to: &mut String, n: impl std::fmt::Display) {
    let _infallible = write!(to, "{n}");
}

fn put_text(to: &mut String, text: &str) {
    to.push('"');
    rules::escape_line(to, text);
    to.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::alert;

    #[test]
    fn every_value_is_as_a_json_library_writes_it() {
        let text = "\u{0}\u{1f}\"\\/\u{7f}\u{9b}\u{2028}\u{e4}\u{1f980}\n\r\t\u{8}\u{c}";
        let list = AlertValue::List(vec![AlertValue::Text(text.into()), AlertValue::U64(1)]);
        for value in [
            AlertValue::Missing,
            AlertValue::Text(text.into()),
            AlertValue::I64(i64::MIN),
            AlertValue::U64(u64::MAX),
            AlertValue::F64(0.1),
            AlertValue::F64(3.0),
            AlertValue::F64(-1e300),
            AlertValue::F64(f64::NAN),
            AlertValue::Bool(true),
            AlertValue::Bool(false),
            AlertValue::List(Vec::new()),
            list,
        ] {
            let mut out = String::new();
            put_value(&mut out, &value);
            assert_eq!(out, serde_json::to_string(&value).unwrap());
        }
    }

    #[test]
    fn a_field_that_is_there_already_is_told_once() {
        let mut alert = alert("x");
        alert.fields.insert(0, ("evt.time".into(), AlertValue::U64(1)));
        let mut out = String::new();
        put_object(
            &mut out,
            &alert,
            Notes::default(),
            Format { json: true, ..Format::default() },
            "h",
            "x",
        );
        assert_eq!(out.matches("\"evt.time\"").count(), 1, "{out}");
        assert!(out.contains("\"evt.time\":1795357671000000042"), "{out}");
    }
}

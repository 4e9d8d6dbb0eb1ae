//! What was expected against what happened.

use rules::{Alert, AlertValue, Ruleset, closest};
use serde::Serialize;

use super::shapes::{OneOrMany, Text, Written};
use super::written::AlertKeys;

/// An alert, and the number of the event that raised it.
#[derive(Debug)]
pub(super) struct Raised {
    pub(super) event: usize,
    pub(super) alert: Alert,
}

/// One way in which a test failed.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Difference {
    /// Expected, and did not come.
    Missing {
        rule: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        event: Option<usize>,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// Came, and was not expected.
    Unexpected { rule: String, event: usize, output: String },
    /// Came, but says something else.
    Different { rule: String, event: usize, what: String, expected: String, got: String },
    /// Came, but not at its place.
    OutOfOrder { rule: String, event: usize },
}

/// Holds the alerts against those expected; nothing where all is as it should be.
pub(super) fn judge(
    expected: &[&AlertKeys],
    raised: &[Raised],
    any_order: bool,
    ruleset: &Ruleset,
) -> Vec<Difference> {
    let pairs = pair(expected, raised, any_order);
    let mut differences = Vec::new();
    let mut out_of_order: Vec<usize> = Vec::new();
    for (i, keys) in expected.iter().enumerate() {
        if let Some(&(_, j)) = pairs.iter().find(|(e, _)| *e == i) {
            differences.extend(compare(keys, &raised[j]));
            continue;
        }
        let is_free = |j: &usize| {
            !out_of_order.contains(j)
                && !pairs.iter().any(|(_, paired)| paired == j)
                && is_about(keys, &raised[*j])
        };
        if let Some(j) = (0..raised.len()).find(is_free) {
            out_of_order.push(j);
            let rule = keys.rule.0.clone();
            differences.push(Difference::OutOfOrder { rule, event: raised[j].event });
        } else {
            differences.push(missing(keys, raised, ruleset));
        }
    }
    for (j, r) in raised.iter().enumerate() {
        if !out_of_order.contains(&j) && !pairs.iter().any(|(_, paired)| *paired == j) {
            let rule = r.alert.rule.name.to_string();
            let output = r.alert.output.clone();
            differences.push(Difference::Unexpected { rule, event: r.event, output });
        }
    }
    differences
}

fn missing(keys: &AlertKeys, raised: &[Raised], ruleset: &Ruleset) -> Difference {
    let rule = &keys.rule.0;
    let is_known = ruleset.rules().any(|r| *r.name == **rule);
    let names: Vec<&str> = ruleset.rules().map(|r| &*r.name).collect();
    let elsewhere = raised.iter().find(|r| *r.alert.rule.name == **rule).map(|r| r.event);
    let hint = match (is_known, closest(rule, names.into_iter()), elsewhere) {
        (false, Some(near), _) => Some(format!("no rule is called so, did you mean `{near}`?")),
        (false, None, _) => Some("no rule is called so, or it is disabled".to_owned()),
        (true, _, Some(event)) if keys.event.is_some() => Some(format!("event {event} raised it")),
        (true, ..) => None,
    };
    Difference::Missing { rule: rule.clone(), event: keys.event, hint }
}

fn is_about(keys: &AlertKeys, raised: &Raised) -> bool {
    *raised.alert.rule.name == *keys.rule.0 && keys.event.is_none_or(|n| n == raised.event)
}

/// Which expected alert is which that came: as many as can be, rather those that agree in everything.
fn pair(expected: &[&AlertKeys], raised: &[Raised], any_order: bool) -> Vec<(usize, usize)> {
    let worth = |i: usize, j: usize| match (is_about(expected[i], &raised[j]), any_order) {
        (false, _) => 0,
        (true, _) if compare(expected[i], &raised[j]).is_empty() => 3,
        (true, _) => 2,
    };
    if any_order {
        let mut pairs: Vec<(usize, usize)> = Vec::new();
        for wanted in [3, 2] {
            for i in 0..expected.len() {
                let is_free =
                    |j: &usize| worth(i, *j) == wanted && !pairs.iter().any(|(_, p)| p == j);
                if !pairs.iter().any(|(e, _)| *e == i)
                    && let Some(j) = (0..raised.len()).find(is_free)
                {
                    pairs.push((i, j));
                }
            }
        }
        return pairs;
    }
    // The longest common subsequence, by worth.
    let width = raised.len() + 1;
    let mut best = vec![0; (expected.len() + 1) * width];
    for i in (0..expected.len()).rev() {
        for j in (0..raised.len()).rev() {
            let skip = best[(i + 1) * width + j].max(best[i * width + j + 1]);
            let take = match worth(i, j) {
                0 => 0,
                worth => worth + best[(i + 1) * width + j + 1],
            };
            best[i * width + j] = skip.max(take);
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < expected.len() && j < raised.len() {
        let here = best[i * width + j];
        let worth = worth(i, j);
        if worth > 0 && here == worth + best[(i + 1) * width + j + 1] {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if here == best[(i + 1) * width + j] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

/// Every detail in which an alert is not what was expected.
fn compare(keys: &AlertKeys, raised: &Raised) -> Vec<Difference> {
    let AlertKeys { rule, event: _, priority, output, output_contains, output_fields, tags } = keys;
    let alert = &raised.alert;
    let mut all = Vec::new();
    let mut differ = |what: String, expected: String, got: String| {
        let rule = rule.0.clone();
        all.push(Difference::Different { rule, event: raised.event, what, expected, got });
    };
    if let Some(Text(priority)) = priority
        && priority.parse() != Ok(alert.rule.priority)
    {
        differ("priority".into(), priority.clone(), alert.rule.priority.to_string());
    }
    if let Some(Text(output)) = output
        && *output != alert.output
    {
        differ("output".into(), output.clone(), alert.output.clone());
    }
    let OneOrMany(parts) = output_contains;
    for Text(part) in parts.iter().filter(|part| !alert.output.contains(&part.0)) {
        differ("output, a part".into(), part.clone(), alert.output.clone());
    }
    for (name, expected) in output_fields {
        let got = alert.fields.iter().find(|(field, _)| **field == **name).map(|(_, v)| v);
        let expected = match expected {
            Written::Null => "null".to_owned(),
            Written::Text(text) => text.clone(),
            Written::List(all) => format!("({})", all.join(",")),
            Written::Map(_) => "a map".to_owned(),
        };
        let got = got.map_or_else(|| "not in the output".to_owned(), shown);
        if got != expected {
            differ(format!("output_fields.{name}"), expected, got);
        }
    }
    if let Some(tags) = tags {
        let mut expected: Vec<&str> = tags.iter().map(|t| t.0.as_str()).collect();
        expected.sort_unstable();
        let got: Vec<&str> = alert.rule.tags.iter().map(|t| &**t).collect();
        if expected != got {
            differ("tags".into(), expected.join(", "), got.join(", "));
        }
    }
    all
}

/// A value of `output_fields` as text; a missing one is `null`.
pub(super) fn shown(value: &AlertValue) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(other) => other.to_string(),
        Err(e) => e.to_string(),
    }
}

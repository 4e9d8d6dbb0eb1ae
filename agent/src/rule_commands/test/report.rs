//! What became of a test, for people and as JSON.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::judge::{Difference, Raised};

/// A test that ran.
pub(super) struct Outcome {
    pub(super) file: String,
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) differences: Vec<Difference>,
    /// `openat by cat (101)`, one for each event.
    pub(super) events: Vec<String>,
    pub(super) raised: Vec<Raised>,
}

impl Outcome {
    pub(super) fn has_passed(&self) -> bool {
        self.differences.is_empty()
    }

    /// One object on a line.
    pub(super) fn print_json(&self, out: &mut dyn Write) -> Result<()> {
        #[derive(Serialize)]
        struct Told<'a> {
            file: &'a str,
            line: usize,
            test: &'a str,
            passed: bool,
            differences: &'a [Difference],
            alerts: Vec<Value>,
        }
        let told = Told {
            file: &self.file,
            line: self.line,
            test: &self.name,
            passed: self.has_passed(),
            differences: &self.differences,
            alerts: self.raised.iter().map(alert_json).collect(),
        };
        writeln!(out, "{}", serde_json::to_string(&told)?)?;
        Ok(())
    }

    /// The differences, then event by event what happened.
    pub(super) fn print_text(&self, out: &mut dyn Write) -> Result<()> {
        writeln!(out, "FAILED  {}:{}  {}", self.file, self.line, self.name)?;
        for difference in &self.differences {
            print_difference(out, difference)?;
        }
        writeln!(out, "  what happened:")?;
        for (n, what) in (1..).zip(&self.events) {
            writeln!(out, "    event {n}: {what}")?;
            let mut is_silent = true;
            for raised in self.raised.iter().filter(|r| r.event == n) {
                is_silent = false;
                let rule = &raised.alert.rule;
                writeln!(out, "      {} {}: {}", rule.priority, rule.name, raised.alert.output)?;
            }
            if is_silent {
                writeln!(out, "      no alert")?;
            }
        }
        Ok(())
    }
}

fn print_difference(out: &mut dyn Write, difference: &Difference) -> Result<()> {
    match difference {
        Difference::Missing { rule, event, hint } => {
            let event = event.map(|n| format!(" at event {n}")).unwrap_or_default();
            let hint = hint.as_ref().map(|h| format!(" ({h})")).unwrap_or_default();
            writeln!(out, "  - missing     {rule}{event}{hint}")?;
        }
        Difference::Unexpected { rule, event, .. } => {
            writeln!(out, "  + unexpected  {rule} at event {event}")?;
        }
        Difference::OutOfOrder { rule, event } => {
            writeln!(out, "  ~ out of order  {rule} at event {event}")?;
        }
        Difference::Different { rule, event, what, expected, got } => {
            writeln!(out, "  ~ different   {rule} at event {event}: {what}")?;
            writeln!(out, "      expected  {expected}")?;
            writeln!(out, "      got       {got}")?;
        }
    }
    Ok(())
}

fn alert_json(raised: &Raised) -> Value {
    let alert = &raised.alert;
    let mut fields = Map::new();
    for (name, value) in &alert.fields {
        fields.insert(name.to_string(), json!(value));
    }
    json!({
        "event": raised.event,
        "rule": &*alert.rule.name,
        "priority": alert.rule.priority.as_str(),
        "output": alert.output,
        "output_fields": fields,
        "tags": alert.rule.tags.iter().map(|t| &**t).collect::<Vec<_>>(),
    })
}

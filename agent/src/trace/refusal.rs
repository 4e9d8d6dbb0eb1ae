//! What a trace refuses, in Sysdig's words where it has some, so that scripts made for it understand; what helps stands on lines of its own.

use std::fmt;
use std::path::Path;

use capture::savefile::SavefileError;
use rules::{Problem, TextError};

/// A reason to end with exit code 1; printed as it is.
#[derive(Debug)]
pub(crate) struct Refusal {
    text: String,
}

impl Refusal {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// Adds a line.
    pub(crate) fn with(mut self, line: &str) -> Self {
        self.text.push('\n');
        self.text.push_str("  ");
        self.text.push_str(line);
        self
    }

    /// Draws the place of an error in a text, and the hint.
    fn drawn(self, text: &str, error: &TextError) -> Self {
        let Some(before) = text.get(..error.start) else { return self };
        let width = text.get(error.start..error.end).map_or(1, |t| t.chars().count().max(1));
        let blanks = " ".repeat(before.chars().count());
        let hint = error.hint.as_ref().map_or_else(String::new, |hint| format!(" {hint}"));
        self.with(text).with(&format!("{blanks}{}{hint}", "^".repeat(width)))
    }

    pub(crate) fn of_filter(filter: &str, error: &TextError) -> Self {
        let TextError { start, end, problem, hint: _ } = error;
        let text = match problem {
            Problem::UnknownField(name) => {
                format!(
                    "filter error at position {end}: filter error: unrecognized field {name} at pos {start}"
                )
            }
            Problem::UnknownEventType(name) => {
                format!("filter error at position {end}: unknown event type {name}")
            }
            other => format!("filter error at position {start}: {other}"),
        };
        Self::new(text).drawn(filter, error)
    }

    pub(crate) fn of_format(format: &str, error: &TextError) -> Self {
        let text = match &error.problem {
            Problem::UnknownField(name) => format!("invalid formatting token {name}"),
            _ if format.ends_with('%') => {
                "invalid formatting syntax: formatting cannot end with a %".to_owned()
            }
            _ if format.trim_end_matches(|c: char| c.is_ascii_digit()).ends_with('%') => {
                "invalid formatting syntax: formatting cannot end with a number".to_owned()
            }
            other => format!("invalid formatting syntax: {other}"),
        };
        Self::new(text).drawn(format, error)
    }

    pub(crate) fn of_file(path: &Path, error: &SavefileError) -> Self {
        let path = path.display();
        match error {
            SavefileError::Io { source, .. } => {
                Self::new(format!("can't open file {path}")).with(&source.to_string())
            }
            other => {
                let why = match other {
                    SavefileError::Damaged { .. } => "the file is damaged",
                    _ => "invalid block type",
                };
                Self::new(format!("Could not initialize reader: {why}"))
                    .with(&format!("{path}: {other}"))
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Refusal {}

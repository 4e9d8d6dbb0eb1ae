//! Alerts: what a match becomes when it leaves its shard. Rendering a line of text or JSON is the outputs' part.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::error::shown;

/// Severity of a rule, most severe first.
#[expect(missing_docs, reason = "the syslog severities")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    Emergency,
    Alert,
    Critical,
    Error,
    Warning,
    Notice,
    Informational,
    Debug,
}

impl Priority {
    /// Every priority, most severe first.
    pub const ALL: [Self; 8] = [
        Self::Emergency,
        Self::Alert,
        Self::Critical,
        Self::Error,
        Self::Warning,
        Self::Notice,
        Self::Informational,
        Self::Debug,
    ];

    /// Name as alerts print it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Emergency => "Emergency",
            Self::Alert => "Alert",
            Self::Critical => "Critical",
            Self::Error => "Error",
            Self::Warning => "Warning",
            Self::Notice => "Notice",
            Self::Informational => "Informational",
            Self::Debug => "Debug",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Text that names no priority.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown priority {}", shown(.0))]
pub struct UnknownPriority(pub String);

/// Any case; `info` is an alias.
impl FromStr for Priority {
    type Err = UnknownPriority;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if s.eq_ignore_ascii_case("info") {
            return Ok(Self::Informational);
        }
        Self::ALL
            .into_iter()
            .find(|p| p.as_str().eq_ignore_ascii_case(s))
            .ok_or_else(|| UnknownPriority(s.to_owned()))
    }
}

impl Serialize for Priority {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

/// What alerts say of the rule that raised them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    /// Name, unique in its ruleset.
    pub name: Arc<str>,
    /// Description.
    pub desc: String,
    /// Severity.
    pub priority: Priority,
    /// Event source, `syscall`.
    pub source: Arc<str>,
    /// Tags, sorted and without doubles.
    pub tags: Vec<Arc<str>>,
    /// Condition as written, appended parts included.
    pub condition: String,
    /// Output template as written.
    pub output: String,
    /// Names of its exceptions, in order of definition.
    pub exceptions: Vec<Arc<str>>,
    /// Whether a match asks for a capture.
    pub capture: bool,
    /// How long that capture is to last; 0 leaves it to the configuration.
    pub capture_duration_ms: u64,
}

impl RuleInfo {
    /// Source of the program's own alerts.
    pub const INTERNAL: &str = "internal";

    /// What stands in the place of a rule in an alert of the program's own.
    #[must_use]
    pub fn internal(name: &str, priority: Priority) -> Self {
        Self {
            name: name.into(),
            desc: String::new(),
            priority,
            source: Self::INTERNAL.into(),
            tags: Vec::new(),
            condition: String::new(),
            output: name.to_owned(),
            exceptions: Vec::new(),
            capture: false,
            capture_duration_ms: 0,
        }
    }
}

/// A field's value in an alert's `output_fields`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum AlertValue {
    /// The event has no such value; `null`.
    Missing,
    /// Text; bytes that are not UTF-8 were replaced.
    Text(String),
    /// Signed number.
    I64(i64),
    /// Unsigned number.
    U64(u64),
    /// Number with a fraction.
    F64(f64),
    /// Truth value.
    Bool(bool),
    /// The values of a list.
    List(Vec<AlertValue>),
}

/// Which spelling of a file's name made the rule match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameView {
    /// The process's string, joined and normalised.
    Lexical,
    /// The name of the kernel's object.
    Kernel,
    /// Either: the two are equal, or both match.
    Both,
}

impl NameView {
    /// Text of `fd.name_view`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lexical => "lexical",
            Self::Kernel => "kernel",
            Self::Both => "both",
        }
    }
}

/// What makes an alert less certain than usual, or says how it came about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent marks, each printed by name")]
pub struct AlertMarks {
    /// The event arrived behind the shard's window.
    pub late: bool,
    /// The process, or an ancestor that the rule names, was not known.
    pub lineage_unknown: bool,
    /// An event that changed the process, or an ancestor that the rule names, was lost, and what it said is not known again yet.
    pub lineage_incomplete: bool,
    /// The rule reads what only a container's runtime knows, and that was not known.
    pub container_unknown: bool,
    /// A parameter did not fit.
    pub truncated: bool,
    /// A parameter could not be read from the memory of the process.
    pub faulted: bool,
    /// The descriptor changed while the call ran.
    pub fd_raced: bool,
    /// The name that matched, for events with a file name.
    pub name_view: Option<NameView>,
}

/// A rule matched an event. Owns what sinks need.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// The rule.
    pub rule: Arc<RuleInfo>,
    /// Number of the event.
    pub evt_num: u64,
    /// Time of the event, nanoseconds since the epoch.
    pub ts_ns: u64,
    /// The rule's output text, formatted; without time and priority, not escaped.
    pub output: String,
    /// The fields that the output names, in order of first mention.
    pub fields: Vec<(Arc<str>, AlertValue)>,
    /// Its marks.
    pub marks: AlertMarks,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_read_in_any_case() {
        assert_eq!("info".parse(), Ok(Priority::Informational));
        assert_eq!("WARNING".parse(), Ok(Priority::Warning));
        assert_eq!("warn".parse::<Priority>(), Err(UnknownPriority("warn".into())));
        assert!(Priority::Emergency < Priority::Debug);
    }

    #[test]
    fn the_program_s_own_alerts_have_a_source_of_their_own_and_nothing_to_capture() {
        let info = RuleInfo::internal("name", Priority::Warning);
        assert_eq!(
            (&*info.name, &*info.output, info.priority),
            ("name", "name", Priority::Warning)
        );
        assert_eq!((&*info.source, info.capture), (RuleInfo::INTERNAL, false));
    }
}

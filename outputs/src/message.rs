//! What travels to the sinks: an alert, printed once for all of them.

use std::fmt;
use std::sync::Arc;

use rules::Priority;

/// An alert as it is delivered.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// Names it for whoever may get it twice; only where a sink is durable.
    pub id: Option<AlertId>,
    /// Time of its event, ns since the epoch.
    pub ts_ns: u64,
    /// When the outputs took it, ns of the boot clock.
    pub taken_ns: u64,
    /// Name of its rule; may have any character.
    pub rule: Arc<str>,
    /// Severity of its rule.
    pub priority: Priority,
    /// A JSON object instead of a line of text.
    pub is_json: bool,
    /// The line, newline included, and no other control character.
    pub line: Box<str>,
}

/// One message in the hands of several sinks.
pub(crate) type Shared = Arc<Message>;

impl Message {
    /// The line without its newline.
    #[must_use]
    pub fn text(&self) -> &str {
        self.line.strip_suffix('\n').unwrap_or(&self.line)
    }
}

/// An alert's number, counted from 1 in the order of delivery, within the epoch of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertId {
    /// Tells runs apart; a later run has a larger one. Milliseconds since 1970 at its start, or one more than the last.
    pub epoch: u64,
    /// Without gaps within the epoch.
    pub sequence: u64,
}

impl fmt::Display for AlertId {
    /// `<epoch in hexadecimal>-<sequence>`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.epoch, self.sequence)
    }
}

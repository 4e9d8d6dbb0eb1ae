//! Recordings around alerts: Falco's `capture`, and `peregrine.capture` for what came before.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use rules::Ruleset;

use super::schema::number;
use super::written;

const DEFAULT_PREFIX: &str = "/tmp/falco";

/// What is recorded around alerts, when it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CaptureOnAlert {
    /// Files are `<prefix>_<time>_<number>.scap`.
    pub(crate) path_prefix: PathBuf,
    /// Every alert begins one, not only those of rules with `capture: true`.
    pub(crate) every_rule: bool,
    /// Where the rule has no `capture_duration`.
    pub(crate) default_duration: Duration,
    /// A file that has reached this many MiB ends.
    pub(crate) max_file_mb: Option<u64>,
    /// How much of what came before the alert is kept.
    pub(crate) before: Duration,
    /// The same in bytes.
    pub(crate) before_bytes: usize,
}

impl CaptureOnAlert {
    /// Whether an alert of these rules can begin a recording.
    pub(crate) fn is_asked_by(&self, ruleset: &Ruleset) -> bool {
        self.every_rule || ruleset.rules().any(|r| r.capture)
    }
}

/// `None` where it is off.
pub(super) fn resolve(
    falco: written::Capture,
    own: &written::CaptureWindow,
) -> Result<Option<CaptureOnAlert>> {
    let written::Capture { enabled, path_prefix, mode, default_duration, max_file_size_mb } = falco;
    let duration_ms = number("capture.default_duration", default_duration)?;
    let max_file_mb = number("capture.max_file_size_mb", max_file_size_mb)? as u64;
    let before_ms = number("peregrine.capture.before_ms", own.before_ms)?;
    let before_bytes = number("peregrine.capture.before_bytes", own.before_bytes)?;
    Ok(enabled.unwrap_or(false).then(|| CaptureOnAlert {
        path_prefix: path_prefix
            .filter(|p| !p.is_empty())
            .map_or(DEFAULT_PREFIX.into(), Into::into),
        every_rule: mode.as_deref() == Some("all_rules"),
        default_duration: Duration::from_millis(duration_ms as u64),
        max_file_mb: Some(max_file_mb).filter(|&mb| mb > 0),
        before: Duration::from_millis(before_ms as u64),
        before_bytes,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_yaml(falco: &str, own: &str) -> Result<Option<CaptureOnAlert>> {
        resolve(serde_yaml::from_str(falco).unwrap(), &serde_yaml::from_str(own).unwrap())
    }

    #[test]
    fn it_is_off_unless_it_is_enabled() {
        assert_eq!(of_yaml("{}", "{}").unwrap(), None);
        assert_eq!(of_yaml("{mode: all_rules, path_prefix: /x}", "{}").unwrap(), None);
        let on = of_yaml("{enabled: true}", "{}").unwrap().unwrap();
        let built_in = CaptureOnAlert {
            path_prefix: "/tmp/falco".into(),
            every_rule: false,
            default_duration: Duration::from_secs(5),
            max_file_mb: None,
            before: Duration::from_secs(5),
            before_bytes: 8 << 20,
        };
        assert_eq!(on, built_in);
    }

    #[test]
    fn every_key_counts() {
        let falco = "{enabled: true, path_prefix: /var/p, mode: all_rules, default_duration: 20, max_file_size_mb: 3}";
        let on = of_yaml(falco, "{before_ms: 0, before_bytes: 1048576}").unwrap().unwrap();
        let expected = CaptureOnAlert {
            path_prefix: "/var/p".into(),
            every_rule: true,
            default_duration: Duration::from_millis(20),
            max_file_mb: Some(3),
            before: Duration::ZERO,
            before_bytes: 1 << 20,
        };
        assert_eq!(on, expected);
    }

    #[test]
    fn wrong_values_name_the_key_even_when_it_is_off() {
        for (falco, own, message) in [
            (
                "{default_duration: 0}",
                "{}",
                "capture.default_duration: 0 is out of range; it must lie between 1 and 86400000",
            ),
            (
                "{max_file_size_mb: 1048577}",
                "{}",
                "capture.max_file_size_mb: 1048577 is out of range; it must lie between 0 and 1048576",
            ),
            (
                "{}",
                "{before_bytes: 9}",
                "peregrine.capture.before_bytes: 9 is out of range; it must lie between 1048576 and 1073741824",
            ),
        ] {
            assert_eq!(of_yaml(falco, own).unwrap_err().to_string(), message);
        }
    }
}

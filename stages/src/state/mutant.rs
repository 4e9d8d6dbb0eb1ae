//! Mutants: a process table that is wrong on purpose, so that the schedule tests can show that they would see it. In test builds alone (feature
//! `schedule`), where `PEREGRINE_MUTANT` names one.

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// `latest`: who reads gets the newest version, not that as of its key.
    Latest,
    /// `no-wait`: who reads another shard's process does not wait for what that one has applied.
    NoWait,
}

impl Mutant {
    /// Whether the process table is wrong in this way.
    #[cfg(not(feature = "schedule"))]
    #[inline]
    #[expect(clippy::unused_self, reason = "nothing is wrong in a build without the feature")]
    pub(super) const fn is_at_work(self) -> bool {
        false
    }

    /// Whether the process table is wrong in this way.
    #[cfg(feature = "schedule")]
    #[inline]
    pub(super) fn is_at_work(self) -> bool {
        static NAMED: std::sync::OnceLock<Option<Mutant>> = std::sync::OnceLock::new();
        let named = NAMED.get_or_init(|| match std::env::var("PEREGRINE_MUTANT").ok()?.as_str() {
            "latest" => Some(Self::Latest),
            "no-wait" => Some(Self::NoWait),
            _ => None,
        });
        *named == Some(self)
    }
}

//! What is wrong with a configuration, each with its place.

use std::fmt;

use super::tree::{Origin, printable};

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) origin: Origin,
    pub(super) text: String,
    pub(super) weight: Weight,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// The agent does not start.
    Error,
    /// It starts, as Falco does, and says so.
    Doubt,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.text)
    }
}

impl std::error::Error for Trouble {}

impl Trouble {
    pub(super) fn error(origin: &Origin, text: String) -> Self {
        Self { origin: origin.clone(), text, weight: Weight::Error }
    }

    pub(super) fn doubt(origin: &Origin, text: String) -> Self {
        Self { origin: origin.clone(), text, weight: Weight::Doubt }
    }

    /// A key that there is not, with the nearest that there is.
    pub(super) fn unknown_key(origin: &Origin, path: &str, known: &[&str]) -> Self {
        // `shards` for `peregrine.shards` is the commonest slip.
        let name = last(path);
        let all = || known.iter().copied();
        let near = rules::closest(path, all()).or_else(|| {
            let near = all().map(last).find(|k| *k == name);
            let near = near.or_else(|| rules::closest(name, all().map(last)))?;
            all().find(|k| last(k) == near)
        });
        let hint = near.map_or_else(
            || "it does nothing".to_owned(),
            |near| format!("it does nothing; did you mean {near}?"),
        );
        Self::doubt(origin, format!("unknown key {}: {hint}", printable(path)))
    }
}

/// The last part of a path.
fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// A value that fits its key and not the others; its place is found by the key.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) key: String,
    pub(super) why: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.why)
    }
}

impl std::error::Error for Wrong {}

/// For `bail!`.
pub(super) fn wrong(key: &str, why: impl Into<String>) -> anyhow::Error {
    Wrong { key: key.to_owned(), why: why.into() }.into()
}

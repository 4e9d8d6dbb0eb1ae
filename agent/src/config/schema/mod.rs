//! What keys there are: the one table of their types, bounds, defaults and meaning. The checks, `config show`, the sample and the handbook's
//! table are made of it.

mod falco;
mod json;
mod own;
mod sinks;

pub(super) use self::json::schema as json_schema;
use anyhow::{Result, bail};

/// A key of the configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// Dotted, from the top of the file or of the entry of a list.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    /// What holds where it is not given, in YAML; `null` leaves the choice to the program.
    pub(super) default: &'static str,
    pub(super) does: Does,
    /// What it is for.
    pub(super) about: &'static str,
}

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Bool,
    /// A whole number between two others.
    Whole(u64, u64),
    /// A number between two others.
    Real(f64, f64),
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A priority of rules, in any case.
    Priority,
    /// Numbers with units of time, the largest first: `1h30m`.
    Interval,
    /// A list of texts; one alone may stand without its list.
    Texts,
    /// A map of names to texts.
    TextMap,
    /// A list of texts, and of maps of names to texts.
    TextsAndMaps,
    /// A map with these keys, of an entry of a list.
    Map(&'static [Key]),
    /// A list of maps with these keys.
    Entries(&'static [Key]),
    /// `config_files`, which is read before everything else.
    Inclusions,
    /// It is not looked into.
    Anything,
}

/// Whether a key does what it does in Falco.
#[derive(Clone, Copy, Debug)]
pub(super) enum Does {
    /// What it does in Falco, or it is one of ours.
    Honoured,
    /// Something else than in Falco.
    Other(Remark),
    /// Nothing, and nothing is missing for it.
    Nothing(Remark),
    /// Nothing: Falco has no such key any more either.
    Removed(Remark),
}

/// What is said of a key that was set, once for all keys with the same topic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remark {
    pub(super) topic: &'static str,
    pub(super) why: &'static str,
    pub(super) when: When,
}

/// When it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// The key is set.
    Set,
    /// The key is set to something else than its default.
    Changed,
    /// This switch is on.
    On(&'static str),
}

/// Bounds that a whole number may have without one of its own.
pub(super) const ANY_WHOLE: Kind = Kind::Whole(0, u64::MAX);

impl Key {
    const fn new(
        path: &'static str,
        kind: Kind,
        default: &'static str,
        about: &'static str,
    ) -> Self {
        Self { path, kind, default, does: Does::Honoured, about }
    }

    const fn does(self, does: Does) -> Self {
        Self { does, ..self }
    }

    /// Whether its value is read.
    pub(super) const fn is_read(&self) -> bool {
        matches!(self.does, Does::Honoured | Does::Other(_))
    }

    /// What is to be said of it, if anything.
    pub(super) const fn remark(&self) -> Option<Remark> {
        match self.does {
            Does::Honoured => None,
            Does::Other(r) | Does::Nothing(r) | Does::Removed(r) => Some(r),
        }
    }
}

impl Kind {
    /// What a value has to be, for people.
    pub(super) fn expected(&self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Whole(0, u64::MAX) => "a whole number, 0 or more".to_owned(),
            Self::Whole(least, most) => format!("a whole number between {least} and {most}"),
            Self::Real(least, most) if most.is_infinite() => format!("a number, {least} or more"),
            Self::Real(least, most) => format!("a number between {least} and {most}"),
            Self::Text => "a text".to_owned(),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Priority => {
                let all: Vec<_> = rules::Priority::ALL.iter().map(|p| p.as_str()).collect();
                format!("one of {}", all.join(", "))
            }
            Self::Interval => {
                "a time with units, the largest first: 1h30m, 500ms (units y w d h m s ms)"
                    .to_owned()
            }
            Self::Texts => "a list of texts".to_owned(),
            Self::TextMap => "a map of names to texts".to_owned(),
            Self::TextsAndMaps => "a list of texts, and of maps of names to texts".to_owned(),
            Self::Map(keys) => format!("a map with the keys {}", names(keys)),
            Self::Entries(keys) => format!("a list of maps with the keys {}", names(keys)),
            Self::Inclusions => {
                "a list of paths, or of maps with the keys path, strategy".to_owned()
            }
            Self::Anything => "anything".to_owned(),
        }
    }
}

fn names(keys: &[Key]) -> String {
    keys.iter().map(|k| k.path).collect::<Vec<_>>().join(", ")
}

/// The top-level keys in the order of the sample: Falco's, then ours.
pub(super) fn keys() -> impl Iterator<Item = &'static Key> {
    falco::KEYS.iter().chain(own::KEYS).chain(sinks::KEYS.into_iter().flatten())
}

/// The key with this path.
pub(super) fn key(path: &str) -> Option<&'static Key> {
    keys().find(|k| k.path == path)
}

/// The value of a whole number: as given, else the default, within the bounds.
pub(super) fn number(path: &str, given: Option<u64>) -> Result<usize> {
    let key = key(path).expect("numbers are asked for by keys that there are");
    let Kind::Whole(least, most) = key.kind else { panic!("{path} is a whole number") };
    let n = given.unwrap_or_else(|| key.default.parse().expect("the default is a whole number"));
    if !(least..=most).contains(&n) {
        bail!("{path}: {n} is out of range; it must lie between {least} and {most}");
    }
    Ok(n as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_comes_twice_or_is_the_section_of_another() {
        let paths: Vec<_> = keys().map(|k| k.path).collect();
        for (i, path) in paths.iter().enumerate() {
            assert!(!paths[..i].contains(path), "{path}");
            let below = format!("{path}.");
            assert!(!paths.iter().any(|p| p.starts_with(&below)), "{path}");
        }
    }

    #[test]
    fn switches_of_remarks_are_keys() {
        for key in keys() {
            if let Some(Remark { when: When::On(switch), .. }) = key.remark() {
                let switch = super::key(switch).expect(switch);
                assert!(matches!(switch.kind, Kind::Bool), "{}", switch.path);
            }
        }
    }
}

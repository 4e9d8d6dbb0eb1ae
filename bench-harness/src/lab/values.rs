//! `{name}` in command lines: programs, files and numbers that are known only where and when a benchmark runs.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Display;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::process::which;
use crate::watched::built;

/// All names: programs and files first, then what each run has of its own.
pub(crate) const KNOWN: [&str; 16] = [
    "peregrine",
    "storm",
    "floor",
    "sysdig",
    "falco",
    "corpus",
    "default_rules",
    "definitions",
    "recording",
    "input",
    "rules",
    "file",
    "dir",
    "scope",
    "count",
    "rate",
];

/// Whether a definition may use the name.
pub(crate) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

/// The names in a word of a command line; braces around anything but small letters and `_` stay as they are.
pub(crate) fn placeholders(word: &str) -> impl Iterator<Item = &str> {
    let parts = word.split('{').skip(1);
    let names = parts.filter_map(|part| part.split_once('}')).map(|(name, _)| name);
    names.filter(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
}

/// What the names stand for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values(BTreeMap<String, String>);

impl Values {
    /// Those of a command line, `NAME=VALUE` each.
    ///
    /// # Errors
    /// There is no such name, or no `=`.
    pub(crate) fn given(words: &[String]) -> Result<Self> {
        let mut values = BTreeMap::new();
        for word in words {
            let (name, value) =
                word.split_once('=').with_context(|| format!("{word:?} is not NAME=VALUE"))?;
            if !is_known(name) {
                bail!("no value is called {name:?}: there are {}", KNOWN.join(", "));
            }
            values.insert(name.to_owned(), value.to_owned());
        }
        Ok(Self(values))
    }

    /// The same with one more.
    pub(crate) fn with(&self, name: &str, value: impl Display) -> Self {
        let mut values = self.0.clone();
        values.insert(name.to_owned(), format!("{value}"));
        Self(values)
    }

    /// Puts in every value that the command lines need and that is the same for all runs.
    ///
    /// # Errors
    /// A program or a file is not there; says which and how to get it.
    pub(crate) fn find<'a>(&mut self, words: impl Iterator<Item = &'a String>) -> Result<()> {
        for name in words.flat_map(|w| placeholders(w)) {
            if self.0.contains_key(name) {
                continue;
            }
            if let Some(value) = look_for(name)? {
                self.0.insert(name.to_owned(), value);
            }
        }
        Ok(())
    }

    /// A command line with all its values put in.
    ///
    /// # Errors
    /// One has no value.
    pub(crate) fn fill(&self, command: &[String]) -> Result<Vec<String>> {
        command.iter().map(|word| self.fill_word(word)).collect()
    }

    fn fill_word(&self, word: &str) -> Result<String> {
        let mut filled = word.to_owned();
        for name in placeholders(word) {
            let value =
                self.0.get(name).with_context(|| format!("{{{name}}} has no value here"))?;
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
        Ok(filled)
    }
}

/// `None` for what each run has of its own.
fn look_for(name: &str) -> Result<Option<String>> {
    let text = |path: &Path| {
        let text = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()));
        anyhow::Ok(Some(text?.to_owned()))
    };
    match name {
        "peregrine" => text(&built(None)?),
        "storm" | "floor" => {
            let program = format!("peregrine-{name}");
            let own = env::current_exe().context("the path of this program is not known")?;
            let file = own.with_file_name(&program);
            if !file.is_file() {
                bail!("{program} is not beside {}: build the whole package", own.display());
            }
            text(&file)
        }
        "sysdig" => text(&which("sysdig")?),
        "falco" | "corpus" => {
            let variable = format!("PEREGRINE_{}", name.to_uppercase());
            let value = env::var_os(&variable).with_context(|| format!("{variable} is not set"))?;
            let file = Path::new(&value)
                .canonicalize()
                .with_context(|| format!("{variable}: nothing at {}", value.to_string_lossy()))?;
            text(&file)
        }
        "default_rules" => {
            let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../rules/rulesets/default.yaml");
            text(&Path::new(rules).canonicalize().with_context(|| format!("no file {rules}"))?)
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_in_wherever_they_stand() {
        let values = Values::given(&["storm=/s".to_owned()]).unwrap().with("count", 7);
        let command =
            ["{storm}".to_owned(), "-x{count}{count}".to_owned(), "{\"a\":1}{".to_owned()];
        assert_eq!(values.fill(&command).unwrap(), ["/s", "-x77", "{\"a\":1}{"]);
        let e = values.fill(&["{dir}/x".to_owned()]).unwrap_err();
        assert_eq!(e.to_string(), "{dir} has no value here");
    }

    #[test]
    fn what_is_given_wins_and_must_be_known() {
        let mut values = Values::given(&["sysdig=/nowhere".to_owned()]).unwrap();
        values.find(["{sysdig} {count}".to_owned()].iter()).unwrap();
        assert_eq!(values.fill(&["{sysdig}".to_owned()]).unwrap(), ["/nowhere"]);
        let e = |word: &str| Values::given(&[word.to_owned()]).unwrap_err().to_string();
        assert_eq!(e("x"), "\"x\" is not NAME=VALUE");
        assert!(e("x=1").starts_with("no value is called \"x\": there are peregrine, storm,"));
    }
}

//! Which files are in force: the SHA-256 of each, so that a fleet can be held to what was rolled out.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use rules::Source;

/// A file's name without its directories, as Falco tells it, and the SHA-256 of what it had, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileDigest {
    pub(crate) name: String,
    pub(crate) sha256: String,
}

impl FileDigest {
    fn of(path: &Path, bytes: &[u8]) -> Self {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let mut sha256 = String::new();
        for byte in digest(&SHA256, bytes).as_ref() {
            let _infallible = write!(sha256, "{byte:02x}");
        }
        Self { name, sha256 }
    }
}

/// Digests of what was loaded, each name and content once.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileDigests {
    pub(crate) rules: BTreeSet<FileDigest>,
    pub(crate) config: BTreeSet<FileDigest>,
}

impl FileDigests {
    /// Configuration files are read once more; one that is gone by now is left out, and so is a pipe, which gives its text once.
    pub(crate) fn of(rules: &[Source], config: &[PathBuf]) -> Self {
        let read = |path: &PathBuf| Some(FileDigest::of(path, &fs::read(path).ok()?));
        let rules = rules.iter().map(|s| FileDigest::of(Path::new(&s.name), s.text.as_bytes()));
        Self {
            rules: rules.collect(),
            config: config.iter().filter(|path| path.is_file()).filter_map(read).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_sha256sum_and_names_those_of_files() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("peregrine.yaml");
        fs::write(&config, "").unwrap();
        let source = |name: &str| Source { name: format!("/etc/{name}"), text: "abc".to_owned() };
        let twice = [source("a.yaml"), source("more/a.yaml"), source("b.yaml")];
        let all = FileDigests::of(&twice, &[config, dir.path().join("gone.yaml")]);
        let told = |all: &BTreeSet<FileDigest>| -> Vec<_> {
            all.iter().map(|f| (f.name.clone(), f.sha256.clone())).collect()
        };
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(
            told(&all.rules),
            ["a.yaml", "b.yaml"].map(|name| (name.to_owned(), abc.to_owned()))
        );
        let none = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(told(&all.config), [("peregrine.yaml".to_owned(), none.to_owned())]);
    }
}

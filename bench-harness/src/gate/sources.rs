//! Which function a line of source stands in.

use std::collections::HashMap;
use std::fs;

/// Folders of a crate that hold sources.
const FOLDERS: [&str; 4] = ["src", "benches", "examples", "tests"];
/// Parts of a path that make it a library's.
const LIBRARIES: [&str; 4] = ["/rustc/", "/registry/src/", "/rustlib/", "/git/checkouts/"];

/// Source files that were looked into.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// `None` where the file is a library's, or cannot be read.
    files: HashMap<String, Option<Source>>,
}

#[derive(Debug)]
struct Source {
    /// From the crate's folder on.
    name: String,
    /// Line of each function's head, and its name.
    functions: Vec<(u64, String)>,
}

impl Sources {
    /// `crate/src/file.rs: function`, where the line is in a source of ours.
    pub(crate) fn place(&mut self, path: &str, line: u64) -> Option<String> {
        if !self.files.contains_key(path) {
            let is_ours = path.starts_with('/') && !LIBRARIES.iter().any(|l| path.contains(l));
            let text = is_ours.then(|| fs::read_to_string(path).ok()).flatten();
            self.files.insert(path.to_owned(), text.map(|text| Source::new(path, &text)));
        }
        self.files.get(path)?.as_ref().map(|source| source.place(line))
    }

    /// One file, without looking.
    #[cfg(test)]
    pub(crate) fn of(path: &str, text: &str) -> Self {
        Self { files: [(path.to_owned(), Some(Source::new(path, text)))].into() }
    }
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let parts: Vec<&str> = path.split('/').collect();
        let folder = parts.iter().rposition(|part| FOLDERS.contains(part)).unwrap_or(1);
        let functions = (1..).zip(text.lines());
        let functions = functions.filter_map(|(n, line)| Some((n, function(line)?.to_owned())));
        Self { name: parts[folder.saturating_sub(1)..].join("/"), functions: functions.collect() }
    }

    fn place(&self, line: u64) -> String {
        let Self { name, functions } = self;
        match functions.iter().rev().find(|(head, _)| *head <= line) {
            Some((_, function)) => format!("{name}: {function}"),
            None => name.clone(),
        }
    }
}

/// Name of the function whose head the line begins.
fn function(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let name = loop {
        match words.next()? {
            "fn" => break words.next()?,
            "const" | "async" | "unsafe" | "extern" | "\"C\"" => {}
            word if word.starts_with("pub") => {}
            // `pub(in some::module)`
            word if word.ends_with(')') => {}
            _ => return None,
        }
    };
    let end = name.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(name.len());
    (end > 0).then_some(&name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_functions_are_known() {
        for (line, expected) in [
            ("fn plain() {", Some("plain")),
            ("    pub(crate) const unsafe fn odd<'a>(", Some("odd")),
            ("pub fn generic<const N: usize>() {", Some("generic")),
            ("unsafe extern \"C\" fn foreign() {", Some("foreign")),
            ("/// fn in a comment", None),
            ("// fn in a comment", None),
            ("let f = |fn_name| 3;", None),
            ("const N: usize = 3;", None),
            ("takes(fn(u8) -> u8)", None),
            ("", None),
        ] {
            assert_eq!(function(line), expected, "{line}");
        }
    }

    #[test]
    fn a_line_is_in_the_function_above_it() {
        let path = "/anywhere/rules/src/eval.rs";
        let mut sources = Sources::of(path, "use a;\nfn one() {\n}\n\nfn two() {\n}\n");
        for (line, expected) in [
            (1, "rules/src/eval.rs"),
            (2, "rules/src/eval.rs: one"),
            (4, "rules/src/eval.rs: one"),
            (99, "rules/src/eval.rs: two"),
        ] {
            assert_eq!(sources.place(path, line).as_deref(), Some(expected));
        }
    }

    #[test]
    fn sources_of_libraries_have_no_place() {
        for path in [
            "/rustc/1/library/core/src/x.rs",
            "/h/registry/src/i/memchr-2/src/x.rs",
            "???",
            "/no/such",
        ] {
            assert_eq!(Sources::default().place(path, 1), None, "{path}");
        }
    }
}

//! `${NAME}` in values: the variable's text, nothing where it is not set. `$${NAME}` is `${NAME}` itself. What a variable gives is not looked
//! at again.

use std::ffi::OsString;

use anyhow::{Result, bail};

/// Texts that variables give, in one run: a file may name a long one often.
const MAX_EXPANDED_BYTES: usize = 16 << 20;

/// Values and keys of all files and options of one run, once aliases are replaced: a small file may stand for many. Falco's has 500.
const MAX_NODES: usize = 250_000;

/// Their texts.
const MAX_TEXT_BYTES: usize = 16 << 20;

/// Where variables come from, and what one run may still read.
pub(super) struct Environment<'a> {
    lookup: &'a dyn Fn(&str) -> Option<OsString>,
    room: usize,
    n_nodes: usize,
    n_text_bytes: usize,
}

impl<'a> Environment<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<OsString>) -> Self {
        Self { lookup, room: MAX_EXPANDED_BYTES, n_nodes: 0, n_text_bytes: 0 }
    }

    /// Counts a value or a key with so much text.
    ///
    /// # Errors
    /// There are too many of them, or they are too long.
    pub(super) fn count(&mut self, n_bytes: usize) -> Result<()> {
        self.n_nodes += 1;
        self.n_text_bytes += n_bytes;
        if self.n_nodes > MAX_NODES {
            bail!(
                "the configuration has more than {MAX_NODES} keys and values once aliases are replaced"
            );
        }
        if self.n_text_bytes > MAX_TEXT_BYTES {
            bail!(
                "the configuration has more than {MAX_TEXT_BYTES} bytes once aliases are replaced"
            );
        }
        Ok(())
    }

    /// Whether the configuration as a whole is too large: then no further file of it can be read.
    pub(super) fn is_full(&self) -> bool {
        self.n_nodes > MAX_NODES || self.n_text_bytes > MAX_TEXT_BYTES
    }

    /// The text with its variables put in, and their names.
    ///
    /// # Errors
    /// A variable is not UTF-8, or the texts are too long.
    pub(super) fn expand(&mut self, text: String) -> Result<(String, Vec<String>)> {
        let mut names: Vec<String> = Vec::new();
        if !text.contains("${") {
            return Ok((text, names));
        }
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find("${") {
            let Some(len) = rest[at..].find('}') else { break };
            let (before, behind) = (&rest[..at], &rest[at + len + 1..]);
            if let Some(before) = before.strip_suffix('$') {
                out.push_str(before);
                out.push_str(&rest[at..=at + len]);
            } else {
                let name = &rest[at + 2..at + len];
                out.push_str(before);
                out.push_str(&self.value(name)?);
                if !names.iter().any(|n| n == name) {
                    names.push(name.to_owned());
                }
            }
            rest = behind;
        }
        out.push_str(rest);
        Ok((out, names))
    }

    fn value(&mut self, name: &str) -> Result<String> {
        // The system refuses to look for such a name.
        if name.is_empty() || name.contains(['=', '\0']) {
            return Ok(String::new());
        }
        let Ok(value) = (self.lookup)(name).unwrap_or_default().into_string() else {
            bail!("the environment's {name} is not UTF-8");
        };
        let Some(room) = self.room.checked_sub(value.len()) else {
            bail!("the environment's variables make more than {MAX_EXPANDED_BYTES} bytes");
        };
        self.room = room;
        Ok(value)
    }
}

/// The text that [`Environment::expand`] makes this one of.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // What stands in braces is taken as it is there, too.
    while let Some(at) = rest.find("${") {
        let Some(len) = rest[at..].find('}') else { break };
        let (before, behind) = rest.split_at(at);
        out.extend([before, "$", &behind[..=len]]);
        rest = &behind[len + 1..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    fn lookup(name: &str) -> Option<OsString> {
        match name {
            "A" => Some("one".into()),
            "NESTED" => Some("${A}".into()),
            "BYTES" => Some(OsString::from_vec(vec![0xff])),
            "LONG" => Some("x".repeat(1 << 20).into()),
            _ => None,
        }
    }

    fn check(text: &str, expected: &str) {
        let (out, _) = Environment::new(&lookup).expand(text.to_owned()).unwrap();
        assert_eq!(out, expected, "{text}");
    }

    #[test]
    fn variables_are_put_in_once() {
        check("a ${A} b ${A}${UNSET}c", "a one b onec");
        check("$${A} ${A} $$ $x", "${A} one $$ $x");
        check("${NESTED}", "${A}");
        check("${A", "${A");
        check("${}x", "x");
        check("键${A}值", "键one值");
        let (_, names) = Environment::new(&lookup).expand("${A}${B}${A}".into()).unwrap();
        assert_eq!(names, ["A", "B"]);
    }

    #[test]
    fn what_is_escaped_is_read_as_it_was() {
        for text in
            ["", "${A}", "$${A}", "${A ${A}", "${A ${A} ${A}}", "}${A", "$$", "${A}键${", "a}b"]
        {
            check(&escaped(text), text);
        }
    }

    #[test]
    fn what_is_no_text_or_too_long_is_refused() {
        let e = Environment::new(&lookup).expand("${BYTES}".into()).unwrap_err();
        assert_eq!(e.to_string(), "the environment's BYTES is not UTF-8");
        let e = Environment::new(&lookup).expand("${LONG}".repeat(17)).unwrap_err();
        assert!(e.to_string().ends_with("more than 16777216 bytes"), "{e}");
    }
}

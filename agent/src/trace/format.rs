//! Formats of lines: the usual ones, and what a command line may write in one of its own.

use rules::LineFormat;

use super::refusal::Refusal;

const PLAIN: &str =
    "*%evt.num %evt.outputtime %evt.cpu %proc.name (%thread.tid) %evt.dir %evt.type %evt.info";
const COLOURED: &str = "*%evt.num %evt.outputtime %evt.cpu \\e[01;32m%proc.name\\e[00m (\\e[01;36m%proc.pid\\e[00m.%thread.tid) %evt.dir \\e[01;34m%evt.type\\e[00m %evt.info";
const CONTAINER: &str = "*%evt.num %evt.outputtime %evt.cpu %container.name (%container.id) %proc.name (%thread.tid:%thread.vtid) %evt.dir %evt.type %evt.info";
const POD: &str = "*%evt.num %evt.outputtime %evt.cpu %k8s.pod.name (%container.id) %proc.name (%thread.tid:%thread.vtid) %evt.dir %evt.type %evt.info";

/// Ends all colours.
pub(super) const RESET: &[u8] = b"\x1b[00m";

/// A format as the command line asks for it.
pub(super) struct Wanted<'a> {
    text: &'a str,
    /// Only to be shown.
    pub(super) is_shown: bool,
    pub(super) has_colours: bool,
}

impl<'a> Wanted<'a> {
    /// By the argument of `-p`. Colours are for a terminal.
    pub(super) fn of(print: Option<&'a str>, may_colour: bool) -> Self {
        let usual = if may_colour { COLOURED } else { PLAIN };
        let has_colours = may_colour && matches!(print, None | Some("p"));
        let text = match print {
            None | Some("p") => usual,
            Some("c" | "container") => CONTAINER,
            Some("k" | "kubernetes") => POD,
            Some(text) => text,
        };
        Self { text, is_shown: print == Some("p"), has_colours }
    }

    /// The format as a command line would have it.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// Compiles it.
    pub(super) fn compile(&self) -> Result<LineFormat, Refusal> {
        if matches!(self.text, "m" | "mesos") {
            return Err(Refusal::new("-pm is not there: Mesos is not supported")
                .with("-pc shows containers, -pk pods"));
        }
        let text = unescaped(self.text);
        if text.is_empty() {
            return Err(Refusal::new("empty formatting token")
                .with("-p takes a format such as \"%evt.time %proc.name %evt.type\""));
        }
        LineFormat::compile(&text).map_err(|e| Refusal::of_format(&text, &e))
    }
}

/// Replaces `\n`, `\t`, `\e` and `\\`; other backslashes stand for themselves.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let meant = match chars.as_str().chars().next() {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('e') => '\x1b',
            Some('\\') => '\\',
            _ => {
                out.push('\\');
                continue;
            }
        };
        out.push(meant);
        chars.next();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_the_command_line() {
        for (written, meant) in
            [("a\\nb\\t\\e[0m\\\\n", "a\nb\t\x1b[0m\\n"), ("\\x\\", "\\x\\"), ("é\\né", "é\né")]
        {
            assert_eq!(unescaped(written), meant);
        }
    }

    #[test]
    fn every_usual_format_compiles() {
        for print in [None, Some("p"), Some("c"), Some("container"), Some("k"), Some("kubernetes")]
        {
            for may_colour in [false, true] {
                assert!(Wanted::of(print, may_colour).compile().is_ok(), "{print:?}");
            }
        }
    }
}

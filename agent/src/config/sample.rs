//! A file with every key: what it is for, what it takes, what it does where that is not what it does in Falco, and its default.

use std::fmt::Write as _;

use super::outline::outline;
use super::schema::{Does, Key, Kind};

const HEAD: &str = "\
# Every key of Peregrine's configuration with its default: Falco's first, ours below `peregrine`. A file needs only what it changes.
# A value may have ${NAME}, which is that variable of the environment, and $${NAME}, which is ${NAME} itself. null is as good as no key.
# `peregrine config check` tells what is wrong with a file, `peregrine config show` which values hold, and where each comes from.
";

/// Columns of a comment.
const WIDTH: usize = 130;

/// The file's text.
pub(crate) fn sample() -> String {
    let mut out = HEAD.to_owned();
    // What is said of a topic is said at its first key.
    let mut told = Vec::new();
    for line in outline() {
        let indent = "  ".repeat(line.depth);
        if line.depth == 0 {
            out.push('\n');
        }
        let written = match line.key {
            None => writeln!(out, "{indent}{}:", line.name),
            Some(key) => {
                comment(&mut out, &indent, &about(key, &mut told));
                writeln!(out, "{indent}{}: {}", line.name, key.default)
            }
        };
        written.expect("a String takes all text");
    }
    out
}

/// What a key is for, in a sentence or two.
fn about(key: &Key, told: &mut Vec<&'static str>) -> String {
    let mut text = key.about.to_owned();
    let takes = match key.kind {
        // The default shows what they take.
        Kind::Bool
        | Kind::Text
        | Kind::Texts
        | Kind::Inclusions
        | Kind::Anything
        | Kind::Whole(0, u64::MAX) => None,
        kind => Some(kind.expected()),
    };
    if let Some(takes) = takes {
        write!(text, " It takes {takes}.").expect("a String takes all text");
    }
    if let Does::Nothing(remark) = key.does
        && !told.contains(&remark.topic)
    {
        told.push(remark.topic);
        let (first, rest) = remark.why.split_at(1);
        write!(text, " {}{rest}.", first.to_uppercase()).expect("a String takes all text");
    }
    text
}

/// A text as lines of a comment.
fn comment(out: &mut String, indent: &str, text: &str) {
    let mut line = format!("{indent}#");
    for word in text.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            out.push_str(&line);
            out.push('\n');
            line = format!("{indent}#");
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&line);
    out.push('\n');
}

//! `-o KEY=VALUE`: the one parser. Dots descend into maps, `[n]` picks an element of a list, `[]` appends to one, a backslash takes the
//! next character literally. The value is text, or a map where it starts with `{` and ends with `}`; in quotes it is what they enclose.

use anyhow::{Result, anyhow, bail};

use super::environment::Environment;
use super::tree::{Entry, MAX_FILE_BYTES, Node, Origin, Scalar, Tree, printable};

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
    Append,
}

/// Lists in configurations are short; an index beyond this is a typing error.
const MAX_INDEX: usize = 1024;
/// Maps of the schema are nested less deep than that.
const MAX_STEPS: usize = 32;

/// Applies one option to the tree.
///
/// # Errors
/// The key is malformed, or meets a value of another shape.
pub(super) fn apply(tree: &mut Node, text: &str, environment: &mut Environment<'_>) -> Result<()> {
    let (key, value) = split(text)?;
    let steps = steps(&key)?;
    if steps.len() > MAX_STEPS {
        bail!("the key has more than {MAX_STEPS} parts");
    }
    let origin = Origin::Option(text.into());
    let value = parse_value(value, &origin, environment)?;
    set(tree, &steps, value, &origin)
}

/// Whether an option sets this top-level key, or a part of it.
pub(super) fn is_of(text: &str, top: &str) -> bool {
    let parsed = split(text).and_then(|(key, _)| steps(&key));
    parsed.is_ok_and(|steps| matches!(steps.first(), Some(Step::Key(name)) if name == top))
}

/// Splits at the first `=` that stands outside brackets and is not escaped.
fn split(text: &str) -> Result<(String, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '=' => {
                let key = text[..at].trim();
                if key.is_empty() {
                    bail!("the key is empty");
                }
                return Ok((key.to_owned(), &text[at + 1..]));
            }
            _ => {}
        }
    }
    bail!("expected KEY=VALUE");
}

fn steps(key: &str) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut name = String::new();
    let mut chars = key.chars().peekable();
    let mut after_bracket = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c) => name.push(c),
                None => bail!("the key ends with a backslash"),
            },
            '.' => {
                if name.is_empty() && !after_bracket {
                    bail!("the key has an empty part");
                }
                if !name.is_empty() {
                    steps.push(Step::Key(std::mem::take(&mut name)));
                }
                if chars.peek().is_none() {
                    bail!("the key ends with a dot");
                }
                after_bracket = false;
            }
            '[' => {
                if !name.is_empty() {
                    steps.push(Step::Key(std::mem::take(&mut name)));
                }
                if steps.is_empty() {
                    bail!("the key starts with a bracket");
                }
                let mut inside = String::new();
                loop {
                    match chars.next() {
                        Some(']') => break,
                        Some(c) => inside.push(c),
                        None => bail!("the key lacks a closing bracket"),
                    }
                }
                steps.push(if inside.is_empty() {
                    Step::Append
                } else {
                    match inside.parse() {
                        Ok(n) if n <= MAX_INDEX => Step::Index(n),
                        _ => bail!("[{}] is not an index up to {MAX_INDEX}", printable(&inside)),
                    }
                });
                after_bracket = true;
            }
            c if after_bracket => bail!("expected a dot or a bracket before {c:?}"),
            c => name.push(c),
        }
    }
    if !name.is_empty() {
        steps.push(Step::Key(name));
    }
    Ok(steps)
}

/// Text, which the schema reads; a map in braces, or text in quotes.
fn parse_value(text: &str, origin: &Origin, environment: &mut Environment<'_>) -> Result<Node> {
    let trimmed = text.trim();
    let is_enclosed = |open: char, close: char| {
        trimmed.len() > 1 && trimmed.starts_with(open) && trimmed.ends_with(close)
    };
    let is_map = is_enclosed('{', '}');
    if is_map || is_enclosed('"', '"') || is_enclosed('\'', '\'') {
        if text.len() as u64 > MAX_FILE_BYTES {
            bail!("a value of more than {MAX_FILE_BYTES} bytes");
        }
        let place = |_, _| origin.clone();
        let read = Node::read("option", trimmed.to_owned(), &place, environment);
        if is_map || read.is_ok() {
            // The caller names the option.
            let text = |e: anyhow::Error| e.to_string().replace(&format!("{origin}: "), "");
            return read.map_err(|e| anyhow!("the value: {}", text(e)));
        }
    }
    // A value with a colon or a bracket is text, as in Falco.
    let (text, variables) = environment.expand(text.to_owned())?;
    // What is given is not nothing.
    let is_plain = !matches!(text.as_str(), "" | "~");
    let value = Tree::Scalar(Scalar { text, is_plain, variables });
    Ok(Node { origin: origin.clone(), value })
}

fn set(at: &mut Node, steps: &[Step], value: Node, origin: &Origin) -> Result<()> {
    let Some((step, rest)) = steps.split_first() else {
        *at = value;
        return Ok(());
    };
    let is_null = at.is_null();
    match step {
        Step::Key(name) => {
            if is_null {
                *at = Node::empty_map(origin.clone());
            }
            let Tree::Map(entries) = &mut at.value else {
                bail!("{} is asked of a value that is not a map", printable(name));
            };
            let at = entries.iter().position(|e| e.name == *name).unwrap_or_else(|| {
                let node = Node::null(origin.clone());
                entries.push(Entry { name: name.clone(), origin: origin.clone(), node });
                entries.len() - 1
            });
            set(&mut entries[at].node, rest, value, origin)
        }
        Step::Index(_) | Step::Append => {
            if is_null {
                at.origin = origin.clone();
                at.value = Tree::List(Vec::new());
            }
            let Tree::List(list) = &mut at.value else {
                bail!("an index is asked of a value that is not a list");
            };
            let n = if let Step::Index(n) = step { *n } else { list.len() };
            if n > list.len() {
                bail!("index {n} is beyond the end of a list of {}", list.len());
            }
            if n == list.len() {
                list.push(Node::null(origin.clone()));
            }
            set(&mut list[n], rest, value, origin)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<std::ffi::OsString> {
        (name == "HOME").then(|| "/root".into())
    }

    fn read(text: &str) -> Node {
        let mut environment = Environment::new(&lookup);
        Node::read("t", text.into(), &|_, _| Origin::Default, &mut environment).unwrap()
    }

    /// The tree with its texts alone.
    fn plain(node: &Node) -> serde_json::Value {
        match &node.value {
            Tree::Scalar(scalar) => scalar.text.clone().into(),
            Tree::List(nodes) => nodes.iter().map(plain).collect(),
            Tree::Map(entries) => serde_json::Value::Object(
                entries.iter().map(|e| (e.name.clone(), plain(&e.node))).collect(),
            ),
        }
    }

    fn check(start: &str, options: &[&str], expected: &str) {
        let mut tree = read(start);
        let mut environment = Environment::new(&lookup);
        for o in options {
            apply(&mut tree, o, &mut environment).unwrap_or_else(|e| panic!("{o}: {e}"));
        }
        assert_eq!(plain(&tree), plain(&read(expected)), "{options:?}");
    }

    fn refuse(start: &str, option: &str, message: &str) {
        let mut environment = Environment::new(&lookup);
        let text = apply(&mut read(start), option, &mut environment).unwrap_err().to_string();
        assert_eq!(text, message, "{option}");
    }

    #[test]
    fn variables_are_put_into_values() {
        check(
            "{}",
            &["a=${HOME}/x", "b={c: '${HOME}'}", "d=$${HOME}"],
            "{a: /root/x, b: {c: /root}, d: '$${HOME}'}",
        );
    }

    #[test]
    fn an_option_is_of_its_first_key() {
        assert!(
            is_of("config_files[]=x", "config_files") && is_of("config_files=x", "config_files")
        );
        assert!(
            !is_of("config_file=x", "config_files") && !is_of("a.config_files=x", "config_files")
        );
    }

    #[test]
    fn dots_descend_and_make_maps() {
        check("{}", &["engine.kind=replay"], "engine: {kind: replay}");
        check("engine: {kind: x, a: 1}", &["engine.kind=y"], "engine: {kind: y, a: 1}");
        check("{}", &["a.b.c=true", "a.b.d=3"], "a: {b: {c: true, d: 3}}");
    }

    #[test]
    fn brackets_index_and_append() {
        check("r: [a, b]", &["r[0]=x", "r[]=y"], "r: [x, b, y]");
        check("{}", &["r[]=x", "r[]=y"], "r: [x, y]");
        check("{}", &["r[].name=x", "r[0].v=2"], "r: [{name: x, v: 2}]");
    }

    #[test]
    fn values_are_scalars_or_maps_in_braces() {
        check("{}", &["a={x: 1, y: [2]}"], "a: {x: 1, y: [2]}");
        check("{}", &["a=b: c"], "a: 'b: c'");
        check("{}", &["a=[1]"], "a: '[1]'");
        check("{}", &["a='7'"], "a: '7'");
        check("{}", &["a="], "a: ''");
        check("{}", &["a=x=y"], "a: 'x=y'");
    }

    #[test]
    fn a_backslash_takes_the_next_character() {
        check("{}", &[r"a\.b=1", r"c\[0\]=2"], "'a.b': 1\n'c[0]': 2");
    }

    #[test]
    fn malformed_keys_are_refused() {
        refuse("{}", "novalue", "expected KEY=VALUE");
        refuse("{}", "=x", "the key is empty");
        refuse("{}", "a..b=1", "the key has an empty part");
        refuse("{}", "a.=1", "the key ends with a dot");
        refuse("{}", "a[x]=1", "[x] is not an index up to 1024");
        refuse("{}", "a[0=1", "the key lacks a closing bracket");
        refuse("{}", "a[]b=1", "expected a dot or a bracket before 'b'");
        refuse("{}", "[0]=1", "the key starts with a bracket");
        refuse("a: [1]", "a[3]=1", "index 3 is beyond the end of a list of 1");
        refuse("a: 1", "a.b=1", "b is asked of a value that is not a map");
        refuse("a: {b: 1}", "a[]=1", "an index is asked of a value that is not a list");
    }
}

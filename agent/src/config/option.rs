//! `-o KEY=VALUE`: the one parser. Dots descend into maps, `[n]` picks an element of a list, `[]` appends to one, a backslash takes the
//! next character literally. The value is a YAML scalar, or a map where it starts with `{` and ends with `}`.

use anyhow::{Result, bail};
use serde_yaml::{Mapping, Value};

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
    Append,
}

/// Lists in configurations are short; an index beyond this is a typing error.
const MAX_INDEX: usize = 1024;

/// Applies one option to the tree.
///
/// # Errors
/// The key is malformed, or meets a value of another shape.
pub(super) fn apply(tree: &mut Value, text: &str) -> Result<()> {
    let (key, value) = split(text)?;
    let steps = steps(&key)?;
    set(tree, &steps, parse_value(value)?)
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
                        _ => bail!("[{inside}] is not an index up to {MAX_INDEX}"),
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

fn parse_value(text: &str) -> Result<Value> {
    let trimmed = text.trim();
    if trimmed.starts_with('{') && trimmed.ends_with('}') {
        return Ok(serde_yaml::from_str(trimmed)?);
    }
    // Only scalars: a value with a colon or a bracket is text, as in Falco.
    Ok(match serde_yaml::from_str(trimmed) {
        Ok(v @ (Value::Bool(_) | Value::Number(_))) => v,
        Ok(Value::String(s)) if trimmed.starts_with(['"', '\'']) => Value::String(s),
        _ => Value::String(text.to_owned()),
    })
}

fn set(at: &mut Value, steps: &[Step], value: Value) -> Result<()> {
    let Some((step, rest)) = steps.split_first() else {
        *at = value;
        return Ok(());
    };
    match step {
        Step::Key(name) => {
            if at.is_null() {
                *at = Value::Mapping(Mapping::new());
            }
            let Value::Mapping(map) = at else {
                bail!("{name} is asked of a value that is not a map");
            };
            set(map.entry(Value::String(name.clone())).or_insert(Value::Null), rest, value)
        }
        Step::Index(_) | Step::Append => {
            if at.is_null() {
                *at = Value::Sequence(Vec::new());
            }
            let Value::Sequence(list) = at else {
                bail!("an index is asked of a value that is not a list");
            };
            let n = if let Step::Index(n) = step { *n } else { list.len() };
            if n > list.len() {
                bail!("index {n} is beyond the end of a list of {}", list.len());
            }
            if n == list.len() {
                list.push(Value::Null);
            }
            set(&mut list[n], rest, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(start: &str, options: &[&str], expected: &str) {
        let mut tree: Value = serde_yaml::from_str(start).unwrap();
        for o in options {
            apply(&mut tree, o).unwrap_or_else(|e| panic!("{o}: {e}"));
        }
        let expected: Value = serde_yaml::from_str(expected).unwrap();
        assert_eq!(tree, expected, "{options:?}");
    }

    fn refuse(start: &str, option: &str, message: &str) {
        let mut tree: Value = serde_yaml::from_str(start).unwrap();
        let text = apply(&mut tree, option).unwrap_err().to_string();
        assert_eq!(text, message, "{option}");
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

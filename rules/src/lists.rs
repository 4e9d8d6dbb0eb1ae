//! Lists put into conditions. The language does this on the text, before anything is parsed, wherever a list's name
//! stands alone; the text keeps its origins, so that errors still point into the file.

use memchr::memmem::Finder;

use crate::collect::{ListDef, Named};
use crate::error::{Code, Diag, Problem};
use crate::source::{Span, Traced};

/// A condition with its lists put in; far above any real one, it stops lists that double each other.
const MAX_BYTES: usize = 4 << 20;

/// A list ready to be put in.
pub(crate) struct Substitute {
    name: Finder<'static>,
    text: String,
    is_empty: bool,
    file: u32,
}

/// Joins each list's items, those of lists defined before it merged in one level deep.
pub(crate) fn substitutes(lists: &Named<ListDef>, used: &mut [bool]) -> Vec<Substitute> {
    let mut out = Vec::with_capacity(lists.all.len());
    for list in &lists.all {
        let mut text = String::new();
        for item in &list.items {
            let other = lists.index(item).filter(|&i| lists.all[i].first < list.visibility);
            let merged = match other {
                Some(i) => {
                    used[i] = true;
                    lists.all[i].items.as_slice()
                }
                None => std::slice::from_ref(item),
            };
            // An empty item vanishes.
            for item in merged.iter().filter(|item| !item.is_empty()) {
                // Merging lists into lists stays far below this; the check where they are put in says the rest.
                if text.len() > MAX_BYTES {
                    break;
                }
                if !text.is_empty() {
                    text.push_str(", ");
                }
                if item.contains(' ') && !item.starts_with(['"', '\'']) {
                    text.push('"');
                    text.push_str(item);
                    text.push('"');
                } else {
                    text.push_str(item);
                }
            }
        }
        out.push(Substitute {
            name: Finder::new(list.name.as_bytes()).into_owned(),
            is_empty: text.is_empty(),
            text,
            file: list.file,
        });
    }
    out
}

/// Puts the lists of files up to `file` into a condition, in order of definition, and marks those used.
pub(crate) fn substitute(
    condition: &Traced,
    lists: &[Substitute],
    file: u32,
    used: &mut [bool],
) -> Result<Traced, Diag> {
    let mut text = condition.clone();
    for (list, used) in lists.iter().zip(used) {
        if list.file > file || list.name.needle().is_empty() {
            continue;
        }
        if let Some(replaced) = replace(&text, list) {
            *used = true;
            text = replaced;
            if text.len() > MAX_BYTES {
                let at = condition.pos(0);
                let problem = Problem::ConditionTooLarge { limit: MAX_BYTES };
                return Err(Diag::new(
                    Code::CompileCondition,
                    problem,
                    Span { start: at, end: at },
                ));
            }
        }
    }
    Ok(text)
}

/// The text with every lone occurrence replaced, `None` if there is none.
fn replace(text: &Traced, list: &Substitute) -> Option<Traced> {
    let s = text.as_str();
    let bytes = s.as_bytes();
    let is_blank = |b: u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    let stands_alone = |b: Option<&u8>| b.is_none_or(|&b| is_blank(b) || b"(),=".contains(&b));
    let mut out: Option<Traced> = None;
    let mut done = 0;
    let mut from = 0;
    while let Some(found) = list.name.find(&bytes[from..]) {
        let name_start = from + found;
        let name_end = name_start + list.name.needle().len();
        let before = name_start.checked_sub(1).map(|i| &bytes[i]);
        if !stands_alone(before) || !stands_alone(bytes.get(name_end)) {
            // On to the next character, not byte: names may hold any text.
            from = name_start + s[name_start..].chars().next().map_or(1, char::len_utf8);
            continue;
        }
        let mut start = name_start;
        let mut end = name_end;
        while start > done && is_blank(bytes[start - 1]) {
            start -= 1;
        }
        while end < bytes.len() && is_blank(bytes[end]) {
            end += 1;
        }
        let out = out.get_or_insert_with(|| Traced::empty(text.pos(0)));
        if list.is_empty {
            if start > done && bytes[start - 1] == b',' {
                start -= 1;
            } else if end < bytes.len() && bytes[end] == b',' {
                end += 1;
            }
        }
        out.push_part(text, done..start);
        let at = text.pos(name_start);
        if start > 0 {
            out.push_at(" ", at);
        }
        out.push_at(&list.text, at);
        out.push_at(" ", at);
        done = end;
        from = end;
        if out.len() > MAX_BYTES {
            break;
        }
    }
    let mut out = out?;
    out.push_part(text, done..s.len());
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Pos;

    fn check(condition: &str, name: &str, items: &[&str], expected: &str) {
        let list = Substitute {
            name: Finder::new(name).into_owned(),
            text: items.join(", "),
            is_empty: items.is_empty(),
            file: 0,
        };
        let mut text = Traced::empty(Pos { file: 0, offset: 0 });
        text.push_with(condition, |i| Pos { file: 0, offset: i as u32 });
        let out = replace(&text, &list).unwrap_or(text);
        let squeezed = out.as_str().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed, expected, "{condition}");
    }

    #[test]
    fn names_are_replaced_where_they_stand_alone() {
        check("f in (foo, b)", "foo", &["x", "y"], "f in ( x, y , b)");
        check("f in (foo,foo)", "foo", &["x"], "f in ( x , x )");
        check("f in (foobar, xfoo)", "foo", &["x"], "f in (foobar, xfoo)");
        check("f = foo", "foo", &["x"], "f = x");
        check("f contains 'a foo b'", "foo", &["x", "y"], "f contains 'a x, y b'");
    }

    #[test]
    fn an_empty_list_takes_one_comma_with_it() {
        check("f in (foo, b)", "foo", &[], "f in ( b)");
        check("f in (b, foo)", "foo", &[], "f in (b )");
        check("f in (foo)", "foo", &[], "f in ( )");
    }
}

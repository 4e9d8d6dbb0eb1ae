//! Lists put into conditions. The language does this on the text, before anything is parsed, wherever a list's name
//! stands alone; the text keeps its origins, so that errors still point into the file.

use std::cell::Cell;
use std::rc::Rc;

use memchr::memmem::Finder;

use crate::collect::{ListDef, Named};
use crate::error::{Code, Diag, Problem};
use crate::source::{Span, Traced};

/// A condition with its lists put in; far above any real one, it stops lists that double each other.
const MAX_BYTES: usize = 4 << 20;

/// What lists may add to all conditions of a load together, and hold when joined; it bounds time and memory of a load.
const MAX_TOTAL_BYTES: usize = 32 << 20;

/// A list ready to be put in.
pub(crate) struct Substitute {
    name: Finder<'static>,
    text: String,
    /// Whether items are missing because the total was reached.
    is_cut: bool,
    file: u32,
    /// Bytes left for all conditions.
    left: Rc<Cell<usize>>,
}

/// Joins each list's items, those of lists defined before it merged in one level deep.
pub(crate) fn substitutes(lists: &Named<ListDef>, used: &mut [bool]) -> Vec<Substitute> {
    let mut out = Vec::with_capacity(lists.all.len());
    let left = Rc::new(Cell::new(MAX_TOTAL_BYTES));
    let mut room = MAX_TOTAL_BYTES;
    for list in &lists.all {
        let mut text = String::new();
        let mut is_cut = false;
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
                if text.len() > MAX_BYTES || text.len() + item.len() > room {
                    is_cut = true;
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
        room = room.saturating_sub(text.len());
        let name = Finder::new(list.name.as_bytes()).into_owned();
        out.push(Substitute { name, text, is_cut, file: list.file, left: left.clone() });
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
            let at = condition.pos(0);
            let error = |problem| {
                Err(Diag::new(Code::CompileCondition, problem, Span { start: at, end: at }))
            };
            let growth = replaced.len().saturating_sub(text.len());
            text = replaced;
            if text.len() > MAX_BYTES {
                return error(Problem::ConditionTooLarge { limit: MAX_BYTES });
            }
            let left = list.left.get().checked_sub(growth).filter(|_| !list.is_cut);
            let Some(left) = left else {
                let what = "bytes of lists in conditions";
                return error(Problem::TooMany { what, limit: MAX_TOTAL_BYTES });
            };
            list.left.set(left);
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
        if list.text.is_empty() {
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

    fn list(name: &str, items: &[&str]) -> Substitute {
        Substitute {
            name: Finder::new(name).into_owned(),
            text: items.join(", "),
            is_cut: false,
            file: 0,
            left: Rc::new(Cell::new(MAX_TOTAL_BYTES)),
        }
    }

    fn traced(text: &str) -> Traced {
        let mut out = Traced::empty(Pos { file: 0, offset: 0 });
        out.push_with(text, |i| Pos { file: 0, offset: i as u32 });
        out
    }

    fn check(condition: &str, name: &str, items: &[&str], expected: &str) {
        let text = traced(condition);
        let out = replace(&text, &list(name, items)).unwrap_or(text);
        let squeezed = out.as_str().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed, expected, "{condition}");
    }

    #[test]
    fn what_lists_add_to_all_conditions_is_limited() {
        let list = list("foo", &["0123456789"]);
        list.left.set(25);
        let text = traced("f in (foo)");
        let add = || substitute(&text, std::slice::from_ref(&list), 0, &mut [false]);
        assert!(add().is_ok() && add().is_ok());
        let problem = *add().unwrap_err().problem;
        assert!(matches!(problem, Problem::TooMany { .. }), "{problem}");
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

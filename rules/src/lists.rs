//! Lists put into conditions. The language does this on the text, before anything is parsed, wherever a list's name
//! stands alone; the text keeps its origins, so that errors still point into the file.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use memchr::memmem::Finder;

use crate::collect::{ListDef, Named};
use crate::error::{Code, Diag, Problem};
use crate::source::{Span, Traced};

/// A condition with its lists put in; far above any real one, it stops lists that double each other.
const MAX_BYTES: usize = 4 << 20;

/// What lists may add to all conditions of a load together, and hold when joined; it bounds time and memory of a load.
const MAX_TOTAL_BYTES: usize = 32 << 20;

/// The lists of a load, ready to be put in.
pub(crate) struct Lists {
    all: Vec<Substitute>,
    by_name: HashMap<Arc<str>, usize>,
    /// Lists whose names cannot be words: they are searched for, not looked up.
    odd: Vec<usize>,
    /// Bytes left for all conditions.
    left: Cell<usize>,
}

struct Substitute {
    name: Finder<'static>,
    text: String,
    /// Whether items are missing because the total was reached.
    is_cut: bool,
    file: u32,
}

impl Lists {
    /// Joins each list's items, those of lists defined before it merged in one level deep.
    pub(crate) fn new(lists: &Named<ListDef>, used: &mut [bool]) -> Self {
        let mut room = MAX_TOTAL_BYTES;
        let mut out = Self {
            all: Vec::with_capacity(lists.all.len()),
            by_name: HashMap::new(),
            odd: Vec::new(),
            left: Cell::new(MAX_TOTAL_BYTES),
        };
        for (i, list) in lists.all.iter().enumerate() {
            let (text, is_cut) = joined(list, lists, room, used);
            room = room.saturating_sub(text.len());
            let name = Finder::new(list.name.as_bytes()).into_owned();
            out.all.push(Substitute { name, text, is_cut, file: list.file });
            if is_word(&list.name) {
                out.by_name.insert(list.name.clone(), i);
            } else {
                out.odd.push(i);
            }
        }
        out
    }

    /// Puts the lists of files up to `file` into a condition, in order of definition, and marks those used. O(text) for each list that is used.
    pub(crate) fn put_in(
        &self,
        condition: &Traced,
        file: u32,
        used: &mut [bool],
    ) -> Result<Traced, Diag> {
        let mut text = condition.clone();
        let mut todo: BTreeSet<usize> = self.words(text.as_str()).collect();
        todo.extend(&self.odd);
        while let Some(i) = todo.pop_first() {
            let list = &self.all[i];
            if list.file > file {
                continue;
            }
            let Some(replaced) = replace(&text, list) else { continue };
            used[i] = true;
            let at = condition.pos(0);
            let error = |problem| {
                Err(Diag::new(Code::CompileCondition, problem, Span { start: at, end: at }))
            };
            let growth = replaced.len().saturating_sub(text.len());
            text = replaced;
            if text.len() > MAX_BYTES {
                return error(Problem::ConditionTooLarge { limit: MAX_BYTES });
            }
            let Some(left) = self.left.get().checked_sub(growth).filter(|_| !list.is_cut) else {
                let what = "bytes of lists in conditions";
                return error(Problem::TooMany { what, limit: MAX_TOTAL_BYTES });
            };
            self.left.set(left);
            // One pass: what comes in is replaced by lists that are still to come.
            todo.extend(self.words(&list.text).filter(|&other| other > i));
        }
        Ok(text)
    }

    /// The lists of files up to `file` whose names stand in a text, in order of definition.
    pub(crate) fn named_in(&self, text: &Traced, file: u32) -> BTreeSet<usize> {
        let odd = self.odd.iter().filter(|&&i| replace(text, &self.all[i]).is_some());
        let named = self.words(text.as_str()).chain(odd.copied());
        named.filter(|&i| self.all[i].file <= file).collect()
    }

    /// The lists that the words of a text name.
    fn words(&self, text: &str) -> impl Iterator<Item = usize> {
        let words = text.split(|c: char| c.is_ascii() && ends_word(c as u8));
        words.filter_map(|word| self.by_name.get(word).copied())
    }
}

/// A list's text, as far as there is room, and whether something is missing.
fn joined(
    list: &ListDef,
    lists: &Named<ListDef>,
    room: usize,
    used: &mut [bool],
) -> (String, bool) {
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
            if text.len() > MAX_BYTES || text.len() + item.len() > room {
                return (text, true);
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
    (text, false)
}

/// Whether a name can be a word of a condition. Lists with other names are searched for in every condition.
pub(crate) fn is_word(name: &str) -> bool {
    !name.bytes().any(ends_word)
}

fn is_blank(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r' | b'\n')
}

/// What may stand beside a list's name.
fn ends_word(b: u8) -> bool {
    is_blank(b) || b"(),=".contains(&b)
}

/// The text with every lone occurrence replaced, `None` if there is none.
fn replace(text: &Traced, list: &Substitute) -> Option<Traced> {
    let s = text.as_str();
    let bytes = s.as_bytes();
    let stands_alone = |b: Option<&u8>| b.is_none_or(|&b| ends_word(b));
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

    fn lists(all: Vec<(&str, Substitute)>) -> Lists {
        let by_name = all.iter().enumerate().map(|(i, (name, _))| ((*name).into(), i)).collect();
        let all = all.into_iter().map(|(_, list)| list).collect();
        Lists { all, by_name, odd: Vec::new(), left: Cell::new(25) }
    }

    #[test]
    fn what_lists_add_to_all_conditions_is_limited() {
        let lists = lists(vec![("foo", list("foo", &["0123456789"]))]);
        let text = traced("f in (foo)");
        let add = || lists.put_in(&text, 0, &mut [false]);
        assert!(add().is_ok() && add().is_ok());
        let problem = *add().unwrap_err().problem;
        assert!(matches!(problem, Problem::TooMany { .. }), "{problem}");
    }

    #[test]
    fn lists_are_put_in_once_in_their_order() {
        let all = vec![
            ("a", list("a", &["c", "b", "a"])),
            ("b", list("b", &["a", "x"])),
            ("c", list("c", &["b"])),
        ];
        let lists = lists(all);
        let mut used = [false; 3];
        let text = lists.put_in(&traced("f in (b, a)"), 0, &mut used).unwrap();
        let squeezed = text.as_str().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!((squeezed.as_str(), used), ("f in ( a, x , b , a, x , a )", [true; 3]));
        assert_eq!(lists.named_in(&traced("f in (b, ba) or c"), 0), [1, 2].into());
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

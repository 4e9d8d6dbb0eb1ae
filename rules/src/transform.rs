//! What transformers compute.

use std::io::Write as _;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::buffers::{Computed, Item, Place, Scalar};
use crate::expr::{Expr, Function};
use crate::getopt;
use crate::value::{Fields, Value};

/// Computes expressions over one event. What has no value, or does not fit into the buffers, is `None`.
///
/// Recursion is as deep as the expression: [`crate::expr::MAX_EXPR_DEPTH`].
pub(crate) struct Evaluator<'f, 'b, F> {
    pub(crate) fields: &'f F,
    pub(crate) computed: &'b mut Computed,
}

impl<'f, F: Fields> Evaluator<'f, '_, F> {
    /// The value of an expression that is no list.
    pub(crate) fn scalar(&mut self, expr: &'f Expr) -> Option<Scalar<'f>> {
        match expr {
            Expr::Field(field) => self.fields.get(field).map(Scalar::Given),
            Expr::Text(text) => Some(Scalar::Given(Value::Bytes(text))),
            Expr::List(_) => None,
            Expr::Call { function, args, selector } => {
                let n_items = self.computed.n_items();
                let value = self.call(*function, args, *selector);
                // The lists that it was made from.
                self.computed.drop_items(n_items);
                value
            }
        }
    }

    fn call(
        &mut self,
        function: Function,
        args: &'f [Expr],
        selector: Option<u8>,
    ) -> Option<Scalar<'f>> {
        let first = args.first()?;
        match function {
            Function::ToLower | Function::ToUpper => {
                let text = self.scalar(first)?;
                let place = self.own(text)?;
                fold(self.computed.text_mut(place), function);
                Some(Scalar::Made(place))
            }
            Function::Basename => Some(match self.scalar(first)? {
                Scalar::Given(Value::Bytes(path)) => {
                    Scalar::Given(Value::Bytes(&path[basename_start(path)..]))
                }
                Scalar::Given(_) => return None,
                Scalar::Made(place) => Scalar::Made(self.basename(place)),
            }),
            Function::B64 => {
                let text = self.scalar(first)?;
                let place = self.own(text)?;
                self.decode(place).map(Scalar::Made)
            }
            Function::Len => {
                let len = if first.is_list() {
                    self.count(first)?
                } else {
                    let text = self.scalar(first)?;
                    let Value::Bytes(text) = self.computed.value(text) else { return None };
                    text.len()
                };
                Some(Scalar::Given(Value::U64(len as u64)))
            }
            Function::Join => {
                let separator = self.scalar(first)?;
                let list = self.list(args.get(1)?)?;
                let mark = self.computed.mark();
                for (i, index) in list.enumerate() {
                    if i > 0 {
                        self.append(separator)?;
                    }
                    self.append_item(index)?;
                }
                Some(Scalar::Made(self.computed.since(mark)))
            }
            Function::Concat => {
                // All parts first, because each may compute at the end of the buffer.
                let first_part = self.computed.n_items();
                for arg in args {
                    self.push(arg)?;
                }
                let mark = self.computed.mark();
                for index in first_part..self.computed.n_items() {
                    self.append_item(index)?;
                }
                Some(Scalar::Made(self.computed.since(mark)))
            }
            Function::GetOpt => self.selected(first, args.get(1)?, selector?).map(Scalar::Made),
        }
    }

    /// The elements of an expression that is a list: where they are in the buffers.
    pub(crate) fn list(&mut self, expr: &'f Expr) -> Option<Range<usize>> {
        let start = self.computed.n_items();
        match expr {
            Expr::Field(field) => {
                let mut fits = Some(());
                let Self { fields, computed } = self;
                let is_there =
                    fields.elements(field, |v| fits = fits.and_then(|()| computed.push_value(v)));
                fits.filter(|()| is_there)?;
            }
            Expr::Text(_) => return None,
            Expr::List(of) => of.iter().try_for_each(|element| self.push(element))?,
            Expr::Call { function: Function::GetOpt, args, .. } => {
                let words = self.list(args.first()?)?;
                let letters = self.letters(args.get(1)?)?;
                let start = self.computed.n_items();
                getopt::list(self.computed, words, &letters)?;
                return Some(start..self.computed.n_items());
            }
            Expr::Call { function, args, .. } => {
                let of = self.list(args.first()?)?;
                for index in of.clone() {
                    let Some(Item::Text(place)) = self.computed.item(index) else { return None };
                    let place = match function {
                        Function::ToLower | Function::ToUpper => {
                            fold(self.computed.text_mut(place), *function);
                            place
                        }
                        Function::Basename => self.basename(place),
                        Function::B64 => {
                            let copy = self.computed.push_copy(place)?;
                            self.decode(copy)?
                        }
                        Function::Len | Function::Join | Function::Concat | Function::GetOpt => {
                            return None;
                        }
                    };
                    self.computed.set_item(index, Item::Text(place));
                }
                return Some(of);
            }
        }
        Some(start..self.computed.n_items())
    }

    /// The elements of a list, or the one value as a list.
    pub(crate) fn list_or_one(&mut self, expr: &'f Expr) -> Option<Range<usize>> {
        if expr.is_list() {
            return self.list(expr);
        }
        let start = self.computed.n_items();
        match self.scalar(expr)? {
            Scalar::Given(value) => self.computed.push_value(value)?,
            Scalar::Made(place) => self.computed.push_item(Item::Text(place))?,
        }
        Some(start..start + 1)
    }

    /// Whether the expression has a value.
    pub(crate) fn exists(&mut self, expr: &'f Expr) -> bool {
        match expr {
            Expr::Field(field) if expr.is_list() => self.fields.elements(field, |_| ()),
            expr if expr.is_list() => self.list(expr).is_some(),
            expr => self.scalar(expr).is_some(),
        }
    }

    /// Number of elements of a list.
    fn count(&mut self, list: &'f Expr) -> Option<usize> {
        match list {
            Expr::Field(field) => {
                let mut n = 0;
                self.fields.elements(field, |_| n += 1).then_some(n)
            }
            list => self.list(list).map(|items| items.len()),
        }
    }

    /// Adds the value of a scalar to the list at the end. Numbers become their digits.
    fn push(&mut self, expr: &'f Expr) -> Option<()> {
        let place = match self.scalar(expr)? {
            Scalar::Given(Value::Bytes(text)) => self.computed.push_text(text)?,
            Scalar::Given(Value::I64(n)) => self.digits(n)?,
            Scalar::Given(Value::U64(n)) => self.digits(n)?,
            Scalar::Given(Value::Bool(_) | Value::Ip(_)) => return None,
            Scalar::Made(place) => place,
        };
        self.computed.push_item(Item::Text(place))
    }

    fn digits(&mut self, number: impl std::fmt::Display) -> Option<Place> {
        let mut digits = [0; 20];
        let mut rest = &mut digits[..];
        write!(rest, "{number}").ok()?;
        let n = 20 - rest.len();
        self.computed.push_text(&digits[..n])
    }

    /// Writes a text to the end of the buffer.
    fn append(&mut self, text: Scalar<'f>) -> Option<()> {
        match text {
            Scalar::Given(Value::Bytes(text)) => self.computed.push_text(text)?,
            Scalar::Given(_) => return None,
            Scalar::Made(place) => self.computed.push_copy(place)?,
        };
        Some(())
    }

    fn append_item(&mut self, index: usize) -> Option<()> {
        match self.computed.item(index)? {
            Item::Text(place) => self.computed.push_copy(place)?,
            Item::I64(n) => self.digits(n)?,
            Item::U64(n) => self.digits(n)?,
            Item::Bool(_) | Item::Ip(_) => return None,
        };
        Some(())
    }

    /// The text in the buffers, where it may be changed: each place is some value's alone.
    fn own(&mut self, text: Scalar<'f>) -> Option<Place> {
        match text {
            Scalar::Given(Value::Bytes(text)) => self.computed.push_text(text),
            Scalar::Given(_) => None,
            Scalar::Made(place) => Some(place),
        }
    }

    fn basename(&self, place: Place) -> Place {
        let start = basename_start(self.computed.text(place));
        place.part(start..usize::MAX)
    }

    /// The bytes that a text in base 64 stands for. Padding may be there or not, the bits that fill the last character up are zero.
    fn decode(&mut self, place: Place) -> Option<Place> {
        let text = self.computed.text(place);
        let n_padding = text.iter().rev().take(2).take_while(|&&b| b == b'=').count();
        let len = text.len() - n_padding;
        if len == 0 && n_padding > 0 {
            return None;
        }
        let to = self.computed.push_zeros(base64::decoded_len_estimate(len))?;
        let (from, out) = self.computed.pair(place.part(0..len), to);
        let n = STANDARD_NO_PAD.decode_slice(from, out).ok()?;
        let made = to.part(0..n);
        self.computed.shorten(made);
        Some(made)
    }

    fn letters(&mut self, expr: &'f Expr) -> Option<getopt::Letters> {
        let text = self.scalar(expr)?;
        let Value::Bytes(text) = self.computed.value(text) else { return None };
        Some(getopt::Letters::new(text))
    }

    fn selected(&mut self, words: &'f Expr, letters: &'f Expr, letter: u8) -> Option<Place> {
        let words = self.list(words)?;
        let letters = self.letters(letters)?;
        getopt::last(self.computed, words, &letters, letter)
    }
}

fn fold(text: &mut [u8], function: Function) {
    if function == Function::ToUpper {
        text.make_ascii_uppercase();
    } else {
        text.make_ascii_lowercase();
    }
}

fn basename_start(path: &[u8]) -> usize {
    memchr::memrchr(b'/', path).map_or(0, |slash| slash + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffers::{Buffers, MAX_BYTES, Needs};
    use crate::schema::{Field, FieldRef};

    /// `proc.name` is `/Bin/Ls`, `proc.pid` -7; `fd.types` are `File` and `Ipv4`; `proc.cmdline` is as long as the buffers.
    struct Event(Vec<u8>);

    impl Fields for Event {
        fn get(&self, field: &FieldRef) -> Option<Value<'_>> {
            Some(match field.field {
                Field::ProcName => Value::Bytes(b"/Bin/Ls"),
                Field::ProcPid => Value::I64(-7),
                Field::ProcCmdline => Value::Bytes(&self.0),
                _ => return None,
            })
        }

        fn elements<P: FnMut(Value<'_>)>(&self, field: &FieldRef, each: P) -> bool {
            let texts = [&b"File"[..], b"Ipv4"];
            let is_there = field.field == Field::FdTypes;
            texts.into_iter().filter(|_| is_there).map(Value::Bytes).for_each(each);
            is_there
        }
    }

    fn field(field: Field) -> Expr {
        Expr::Field(field.into())
    }

    fn text(text: &str) -> Expr {
        Expr::Text(text.as_bytes().into())
    }

    fn texts(of: &[&str]) -> Expr {
        Expr::List(of.iter().map(|t| text(t)).collect())
    }

    fn call(function: Function, args: impl Into<Box<[Expr]>>) -> Expr {
        Expr::Call { function, args: args.into(), selector: None }
    }

    fn getopt(words: &[&str], letters: &str, selector: Option<u8>) -> Expr {
        let args = Box::new([texts(words), text(letters)]);
        Expr::Call { function: Function::GetOpt, args, selector }
    }

    /// The elements of the value, lists in brackets.
    fn compute(expr: &Expr) -> Option<String> {
        let event = Event(vec![b'x'; MAX_BYTES]);
        let mut buffers = Buffers::default();
        buffers.fit(Needs { computes: true, n_states: 0, n_of_bits: 0 });
        let mut evaluator = Evaluator { fields: &event, computed: &mut buffers.computed };
        let show = |value: Value<'_>| match value {
            Value::Bytes(b) => String::from_utf8_lossy(b).into_owned(),
            value => format!("{value:?}"),
        };
        if expr.is_list() {
            let items = evaluator.list(expr)?;
            let items: Vec<String> = evaluator.computed.values(items).map(show).collect();
            return Some(format!("[{}]", items.join(" ")));
        }
        let value = evaluator.scalar(expr)?;
        Some(show(evaluator.computed.value(value)))
    }

    fn check(expr: &Expr, expected: Option<&str>) {
        assert_eq!(compute(expr).as_deref(), expected, "{expr:?}");
    }

    #[test]
    fn case_and_basename_nest_and_take_lists() {
        let name = || field(Field::ProcName);
        check(&call(Function::ToLower, [name()]), Some("/bin/ls"));
        check(&call(Function::ToUpper, [name()]), Some("/BIN/LS"));
        check(&call(Function::Basename, [name()]), Some("Ls"));
        check(&call(Function::Basename, [call(Function::ToUpper, [name()])]), Some("LS"));
        check(&call(Function::ToLower, [call(Function::Basename, [name()])]), Some("ls"));
        check(&call(Function::Basename, [text("a/")]), Some(""));
        check(&call(Function::Basename, [text("a")]), Some("a"));
        check(&call(Function::ToLower, [field(Field::ProcExe)]), None);
        check(&call(Function::ToUpper, [field(Field::FdTypes)]), Some("[FILE IPV4]"));
        check(&call(Function::Basename, [texts(&["/a/b", "c"])]), Some("[b c]"));
        check(&call(Function::ToLower, [field(Field::ProcPid)]), None);
    }

    #[test]
    fn base_64_needs_no_padding_and_nothing_wrong() {
        for (coded, expected) in [
            ("aGVsbG8=", Some("hello")),
            ("aGVsbG8", Some("hello")),
            ("YQ==", Some("a")),
            ("YQ=", Some("a")),
            ("YWI==", Some("ab")),
            ("", Some("")),
            ("=", None),
            ("YQ===", None),
            ("Y", None),
            ("YR", None),
            ("Y Q", None),
            ("Y-_Q", None),
        ] {
            check(&call(Function::B64, [text(coded)]), expected);
        }
        let twice = call(Function::B64, [call(Function::B64, [text("WVE9PQ==")])]);
        check(&twice, Some("a"));
        check(&call(Function::B64, [texts(&["YQ", "YWI"])]), Some("[a ab]"));
        check(&call(Function::B64, [texts(&["YQ", "?"])]), None);
    }

    #[test]
    fn len_counts_bytes_and_elements() {
        check(&call(Function::Len, [field(Field::ProcName)]), Some("U64(7)"));
        check(&call(Function::Len, [text("")]), Some("U64(0)"));
        check(&call(Function::Len, [field(Field::ProcExe)]), None);
        check(&call(Function::Len, [field(Field::FdTypes)]), Some("U64(2)"));
        check(&call(Function::Len, [getopt(&["-ab"], "ab", None)]), Some("U64(2)"));
        check(&call(Function::Len, [field(Field::ProcCmdline)]), Some("U64(65536)"));
    }

    #[test]
    fn join_and_concat_want_every_part() {
        let name = || field(Field::ProcName);
        let list = Expr::List(Box::new([text("a"), name(), field(Field::ProcPid)]));
        check(&call(Function::Join, [text(", "), list]), Some("a, /Bin/Ls, -7"));
        check(&call(Function::Join, [text(","), field(Field::FdTypes)]), Some("File,Ipv4"));
        check(&call(Function::Join, [text(","), texts(&[])]), Some(""));
        let missing = Expr::List(Box::new([text("a"), field(Field::ProcExe)]));
        check(&call(Function::Join, [text(","), missing]), None);
        let lower = call(Function::ToLower, [name()]);
        let upper = call(Function::ToUpper, [name()]);
        check(&call(Function::Concat, [lower, text("|"), upper]), Some("/bin/ls|/BIN/LS"));
        check(&call(Function::Concat, [name(), field(Field::ProcExe)]), None);
        let inner = call(Function::Concat, [text("a"), name()]);
        check(&call(Function::Concat, [inner, text("z")]), Some("a/Bin/Lsz"));
    }

    #[test]
    fn getopt_lists_letters_and_values() {
        for (words, expected) in [
            (&["-n", "-t", "v", "rest", "-n"][..], "[n t v]"),
            (&["-ntv"], "[n t v]"),
            (&["-x", "-n"], "[? n]"),
            (&["--long", "-n"], "[n]"),
            (&["-n", "--", "-t", "v"], "[n]"),
            (&["-n", "-", "-n"], "[n]"),
            (&["-n", "", "-n"], "[n]"),
            (&["-t"], "[]"),
            (&["-t", "--"], "[t --]"),
            (&["-:"], "[?]"),
            (&[], "[]"),
        ] {
            check(&getopt(words, ":nt:", None), Some(expected));
        }
        for (words, expected) in
            [(&["-t", "a", "-tb"][..], Some("b")), (&["-n"], None), (&["-t"], Some(""))]
        {
            check(&getopt(words, "nt:", Some(b't')), expected);
        }
        check(&getopt(&["-n"], "nt:", Some(b'n')), Some(""));
        check(&getopt(&["-x"], "nt:", Some(b'x')), None);
        let upper = call(Function::ToUpper, [getopt(&["-x", "-y", "-tb"], "t:", None)]);
        check(&upper, Some("[? ? T B]"));
    }

    #[test]
    fn what_does_not_fit_has_no_value() {
        let long = || field(Field::ProcCmdline);
        assert!(compute(&call(Function::ToLower, [long()])).is_some());
        check(&call(Function::Concat, [long(), text("a")]), None);
        check(&call(Function::Basename, [long()]).clone(), compute(&long()).as_deref());
        let many = texts(&vec!["a"; crate::buffers::MAX_ELEMENTS + 1]);
        check(&call(Function::Join, [text(","), many]), None);
    }
}

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
        let (function, args, selector) = match expr {
            Expr::Field(field) => return self.fields.get(field).map(Scalar::Given),
            Expr::Text(text) => return Some(Scalar::Given(Value::Bytes(text))),
            Expr::List(_) => return None,
            Expr::Call { function, args, selector } => (*function, args, *selector),
        };
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
        // Its parts may be items too.
        let end = self.computed.n_items();
        Some(end.max(start + 1) - 1..end)
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

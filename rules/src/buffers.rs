//! Room for values that a comparison computes, made beforehand so that evaluation does not allocate.
//!
//! What does not fit has no value: all texts that one comparison computes take at most [`MAX_BYTES`], and its lists together have at most
//! [`MAX_ELEMENTS`] elements.

use std::net::IpAddr;
use std::ops::Range;

use event::EventType;

use crate::regex::StateSets;
use crate::value::Value;

/// Bytes of all texts that one comparison computes.
pub(crate) const MAX_BYTES: usize = 64 << 10;
/// Elements of all lists that one comparison computes.
pub(crate) const MAX_ELEMENTS: usize = 1024;

/// Working memory of comparisons, one for each evaluating thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffers {
    pub(crate) computed: Computed,
    pub(crate) sets: StateSets,
    /// By predicate that may be asked of flags.
    pub(crate) of_bits: Vec<OfBits>,
}

/// What a predicate answered last of a text that bits make.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OfBits {
    /// Type of the event, and its bits; `None` where it was not asked yet.
    pub(crate) asked: Option<(EventType, u64)>,
    pub(crate) answer: bool,
}

/// What of [`Buffers`] a predicate needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    pub(crate) computes: bool,
    pub(crate) n_states: usize,
    /// Predicates that may be asked of flags.
    pub(crate) n_of_bits: usize,
}

impl Needs {
    /// What serves both.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            computes: self.computes || other.computes,
            n_states: self.n_states.max(other.n_states),
            n_of_bits: self.n_of_bits + other.n_of_bits,
        }
    }
}

impl Buffers {
    /// Makes room. Allocates.
    pub(crate) fn fit(&mut self, needs: Needs) {
        if needs.computes {
            self.computed.clear();
            self.computed.bytes.reserve_exact(MAX_BYTES);
            self.computed.items.reserve_exact(MAX_ELEMENTS);
        }
        self.sets.fit(needs.n_states);
        self.of_bits.clear();
        self.of_bits.resize(needs.n_of_bits, OfBits::default());
    }
}

/// The values that the comparison at hand has computed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Computed {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

/// Where a computed text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    start: usize,
    end: usize,
}

impl Place {
    pub(crate) const EMPTY: Self = Self { start: 0, end: 0 };

    pub(crate) fn len(self) -> usize {
        self.end - self.start
    }

    /// A part of it, counted from its start; clipped to it.
    pub(crate) fn part(self, range: Range<usize>) -> Self {
        let at = |n: usize| self.start + n.min(self.len());
        Self { start: at(range.start), end: at(range.end.max(range.start)) }
    }
}

/// An element of a list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Item {
    Text(Place),
    I64(i64),
    U64(u64),
    Bool(bool),
    Ip(IpAddr),
}

/// A value: the event's own or a constant, or a computed text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scalar<'f> {
    Given(Value<'f>),
    Made(Place),
}

impl Computed {
    /// Forgets the values of the comparison before.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.items.clear();
    }

    pub(crate) fn text(&self, place: Place) -> &[u8] {
        &self.bytes[place.start..place.end]
    }

    pub(crate) fn text_mut(&mut self, place: Place) -> &mut [u8] {
        &mut self.bytes[place.start..place.end]
    }

    pub(crate) fn item(&self, index: usize) -> Option<Item> {
        self.items.get(index).copied()
    }

    pub(crate) fn set_item(&mut self, index: usize, item: Item) {
        if let Some(old) = self.items.get_mut(index) {
            *old = item;
        }
    }

    pub(crate) fn n_items(&self) -> usize {
        self.items.len()
    }

    /// Drops all items but the first `n`.
    pub(crate) fn drop_items(&mut self, n: usize) {
        self.items.truncate(n);
    }

    pub(crate) fn value<'a>(&'a self, scalar: Scalar<'a>) -> Value<'a> {
        match scalar {
            Scalar::Given(value) => value,
            Scalar::Made(place) => Value::Bytes(self.text(place)),
        }
    }

    pub(crate) fn values(&self, items: Range<usize>) -> impl Iterator<Item = Value<'_>> {
        let items = self.items.get(items).unwrap_or(&[]);
        items.iter().map(|item| match *item {
            Item::Text(place) => Value::Bytes(self.text(place)),
            Item::I64(v) => Value::I64(v),
            Item::U64(v) => Value::U64(v),
            Item::Bool(v) => Value::Bool(v),
            Item::Ip(v) => Value::Ip(v),
        })
    }

    /// `None` where it does not fit.
    pub(crate) fn push_item(&mut self, item: Item) -> Option<()> {
        (self.items.len() < MAX_ELEMENTS).then(|| self.items.push(item))
    }

    /// Adds the value to the list at the end; a text is copied.
    pub(crate) fn push_value(&mut self, value: Value<'_>) -> Option<()> {
        let item = match value {
            Value::Bytes(text) => Item::Text(self.push_text(text)?),
            Value::I64(v) => Item::I64(v),
            Value::U64(v) => Item::U64(v),
            Value::Bool(v) => Item::Bool(v),
            Value::Ip(v) => Item::Ip(v),
        };
        self.push_item(item)
    }

    /// Room for `len` bytes more, with the place they have. `None` where they do not fit.
    pub(crate) fn push_zeros(&mut self, len: usize) -> Option<Place> {
        let start = self.bytes.len();
        let end = start.checked_add(len).filter(|&end| end <= MAX_BYTES)?;
        self.bytes.resize(end, 0);
        Some(Place { start, end })
    }

    pub(crate) fn push_text(&mut self, text: &[u8]) -> Option<Place> {
        let place = self.push_zeros(text.len())?;
        self.text_mut(place).copy_from_slice(text);
        Some(place)
    }

    /// Begins a text at the end, to be ended by [`Computed::since`].
    pub(crate) fn mark(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn since(&self, mark: usize) -> Place {
        Place { start: mark, end: self.bytes.len() }
    }

    /// Copies a text to the end.
    pub(crate) fn push_copy(&mut self, place: Place) -> Option<Place> {
        let to = self.push_zeros(place.len())?;
        self.bytes.copy_within(place.start..place.end, to.start);
        Some(to)
    }

    /// A text to read, and a later one to write.
    pub(crate) fn pair(&mut self, from: Place, to: Place) -> (&[u8], &mut [u8]) {
        let (before, after) = self.bytes.split_at_mut(to.start);
        (&before[from.start..from.end], &mut after[..to.len()])
    }

    /// Drops what stands behind the place, which is the last.
    pub(crate) fn shorten(&mut self, place: Place) {
        self.bytes.truncate(place.end);
    }
}

//! Options of a command line, as `getopt` reads them: one letter each, some with a value.

use std::ops::Range;

use crate::buffers::{Computed, Item, Place};
use crate::byte_bits::ByteBits;

/// The letters that are options, and those of them that take a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Letters {
    known: ByteBits,
    with_value: ByteBits,
}

impl Letters {
    /// Reads a text such as `nt:v`: a colon behind a letter says that it takes a value.
    pub(crate) fn new(text: &[u8]) -> Self {
        let mut letters = Self { known: ByteBits::EMPTY, with_value: ByteBits::EMPTY };
        for (i, &letter) in text.iter().enumerate().filter(|&(_, &letter)| letter != b':') {
            letters.known.add(letter);
            if text.get(i + 1) == Some(&b':') {
                letters.with_value.add(letter);
            }
        }
        letters
    }
}

/// An option on a command line.
enum Found {
    Unknown,
    /// A letter that takes no value.
    Flag(Place),
    Value {
        letter: Place,
        value: Place,
    },
    /// A letter whose value the command line ends without.
    MissingValue,
}

/// Adds letters and values to the list at the end. An unknown letter is `?`, a missing value an empty text in place of its letter.
pub(crate) fn list(computed: &mut Computed, words: Range<usize>, letters: &Letters) -> Option<()> {
    let unknown = computed.push_text(b"?")?;
    scan(computed, words, letters, |computed, _, found| match found {
        Found::Unknown => computed.push_item(Item::Text(unknown)),
        Found::Flag(letter) => computed.push_item(Item::Text(letter)),
        Found::Value { letter, value } => {
            computed.push_item(Item::Text(letter))?;
            computed.push_item(Item::Text(value))
        }
        Found::MissingValue => computed.push_item(Item::Text(Place::EMPTY)),
    })
}

/// The value of the option where it stands last; empty where it takes none or lacks it.
pub(crate) fn last(
    computed: &mut Computed,
    words: Range<usize>,
    letters: &Letters,
    wanted: u8,
) -> Option<Place> {
    let mut last = None;
    scan(computed, words, letters, |_, letter, found| {
        if letter == wanted {
            match found {
                Found::Unknown => {}
                Found::Flag(_) | Found::MissingValue => last = Some(Place::EMPTY),
                Found::Value { value, .. } => last = Some(value),
            }
        }
        Some(())
    })?;
    last
}

/// Goes through the words up to `--` or the first that is no option. Long options are passed over.
fn scan(
    computed: &mut Computed,
    words: Range<usize>,
    letters: &Letters,
    mut found: impl FnMut(&mut Computed, u8, Found) -> Option<()>,
) -> Option<()> {
    let text = |computed: &Computed, index| match computed.item(index) {
        Some(Item::Text(place)) => Some(place),
        _ => None,
    };
    let mut index = words.start;
    while index < words.end {
        let place = text(computed, index)?;
        index += 1;
        match computed.text(place) {
            b"--" => break,
            [b'-', b'-', ..] => continue,
            [b'-', _, ..] => {}
            _ => break,
        }
        for at in 1..place.len() {
            let letter = computed.text(place)[at];
            let letter_place = place.part(at..at + 1);
            if !letters.known.has(letter) {
                found(computed, letter, Found::Unknown)?;
                continue;
            }
            if !letters.with_value.has(letter) {
                found(computed, letter, Found::Flag(letter_place))?;
                continue;
            }
            // The rest of the word, or else the word behind.
            let value = if at + 1 < place.len() {
                Some(place.part(at + 1..usize::MAX))
            } else if index < words.end {
                index += 1;
                Some(text(computed, index - 1)?)
            } else {
                None
            };
            let option = match value {
                Some(value) => Found::Value { letter: letter_place, value },
                None => Found::MissingValue,
            };
            found(computed, letter, option)?;
            break;
        }
    }
    Some(())
}

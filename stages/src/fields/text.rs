//! Text that grows piece by piece, in an event's arena or in the line that shows it.

use std::io::Write;
use std::ops::Deref;

use bumpalo::collections::Vec as BumpVec;

/// Where values put what they show.
pub(crate) trait Text: Write + Deref<Target = [u8]> {
    /// Appends a piece.
    fn put(&mut self, piece: &[u8]);
    /// Appends a word that is known before.
    fn put_word(&mut self, word: &Word);
    /// Appends one byte.
    fn put_byte(&mut self, byte: u8);
    /// Appends bytes that are made one by one.
    fn put_all(&mut self, bytes: impl Iterator<Item = u8>);
    /// Forgets all but the first `len` bytes.
    fn shorten(&mut self, len: usize);
}

/// A short text in a room of fixed size, which is copied without a look at how long it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

impl Word {
    /// The longest.
    pub(crate) const MAX_LEN: usize = 23;

    /// The text, as far as there is room for it.
    pub(crate) fn new(parts: &[&[u8]]) -> Self {
        let mut word = Self { bytes: [0; Self::MAX_LEN], len: 0 };
        for byte in parts.iter().copied().flatten().take(Self::MAX_LEN) {
            word.bytes[usize::from(word.len)] = *byte;
            word.len += 1;
        }
        word
    }
}

impl Text for Vec<u8> {
    #[inline]
    fn put_word(&mut self, word: &Word) {
        let len = self.len() + usize::from(word.len);
        self.extend_from_slice(&word.bytes);
        self.truncate(len);
    }

    #[inline]
    fn put(&mut self, piece: &[u8]) {
        self.extend_from_slice(piece);
    }

    #[inline]
    fn put_byte(&mut self, byte: u8) {
        self.push(byte);
    }

    #[inline]
    fn put_all(&mut self, bytes: impl Iterator<Item = u8>) {
        self.extend(bytes);
    }

    #[inline]
    fn shorten(&mut self, len: usize) {
        self.truncate(len);
    }
}

impl Text for BumpVec<'_, u8> {
    #[inline]
    fn put_word(&mut self, word: &Word) {
        let len = self.len() + usize::from(word.len);
        self.extend_from_slice_copy(&word.bytes);
        self.truncate(len);
    }

    #[inline]
    fn put(&mut self, piece: &[u8]) {
        self.extend_from_slice_copy(piece);
    }

    #[inline]
    fn put_byte(&mut self, byte: u8) {
        self.push(byte);
    }

    #[inline]
    fn put_all(&mut self, bytes: impl Iterator<Item = u8>) {
        self.extend(bytes);
    }

    #[inline]
    fn shorten(&mut self, len: usize) {
        self.truncate(len);
    }
}

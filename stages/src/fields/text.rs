//! Text that grows piece by piece, in an event's arena or in the line that shows it.

use std::io::Write;
use std::ops::Deref;

use bumpalo::collections::Vec as BumpVec;

/// Where values put what they show.
pub(crate) trait Text: Write + Deref<Target = [u8]> {
    /// Appends a piece.
    fn put(&mut self, piece: &[u8]);
    /// Appends one byte.
    fn put_byte(&mut self, byte: u8);
    /// Appends bytes that are made one by one.
    fn put_all(&mut self, bytes: impl Iterator<Item = u8>);
    /// Forgets all but the first `len` bytes.
    fn shorten(&mut self, len: usize);
}

impl Text for Vec<u8> {
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

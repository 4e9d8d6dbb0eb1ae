//! Taking values off the front of a slice, and putting them on the end of a vector.

use super::{Place, SavefileError};

/// The bytes ended before the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut;

/// Turns a [`Cut`] into the error that says which block is damaged.
pub(super) fn cut(at: Place, what: &'static str) -> impl Fn(Cut) -> SavefileError + Copy {
    move |Cut| SavefileError::Damaged { at, what: format!("the {what} is cut") }
}

/// A slice that is read from its front.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn len(self) -> usize {
        self.0.len()
    }

    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], Cut> {
        let (head, rest) = self.0.split_at_checked(n).ok_or(Cut)?;
        self.0 = rest;
        Ok(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Cut> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Cut)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Cut> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, Cut> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Cut> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Cut> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(super) fn i64(&mut self) -> Result<i64, Cut> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// `u16 length, bytes`.
    pub(super) fn text(&mut self) -> Result<Vec<u8>, Cut> {
        let n = self.u16()?;
        Ok(self.take(usize::from(n))?.to_vec())
    }
}

/// Puts values on the end of a block's body.
#[derive(Debug, Default)]
pub(super) struct Body(pub(super) Vec<u8>);

impl Body {
    pub(super) fn u8(&mut self, v: u8) -> &mut Self {
        self.bytes(&[v])
    }

    pub(super) fn u16(&mut self, v: u16) -> &mut Self {
        self.bytes(&v.to_le_bytes())
    }

    pub(super) fn u32(&mut self, v: u32) -> &mut Self {
        self.bytes(&v.to_le_bytes())
    }

    pub(super) fn u64(&mut self, v: u64) -> &mut Self {
        self.bytes(&v.to_le_bytes())
    }

    pub(super) fn i64(&mut self, v: i64) -> &mut Self {
        self.bytes(&v.to_le_bytes())
    }

    pub(super) fn bytes(&mut self, v: &[u8]) -> &mut Self {
        self.0.extend_from_slice(v);
        self
    }

    /// `u16 length, bytes`, cut to `max` bytes.
    pub(super) fn text(&mut self, v: &[u8], max: usize) -> &mut Self {
        let v = &v[..v.len().min(max)];
        self.u16(v.len() as u16).bytes(v)
    }

    /// Writes a sub-record preceded by its length in bytes, which counts itself.
    pub(super) fn record(&mut self, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let at = self.0.len();
        self.u32(0);
        fill(self);
        let len = (self.0.len() - at) as u32;
        self.0[at..at + 4].copy_from_slice(&len.to_le_bytes());
        self
    }
}

//! Writes a frame into a caller's buffer: header, parameters, then trailer sections.

use crate::frame::{FrameHeader, HEADER_LEN, MAX_FRAME_LEN};
use crate::trailer::SectionKind;
use crate::{EventType, SockAddr, SockTuple};

/// The frame does not fit into the buffer, or a parameter into 16 bits of length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameTooLarge;

impl core::fmt::Display for FrameTooLarge {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("frame does not fit")
    }
}

impl core::error::Error for FrameTooLarge {}

/// Builds one frame. Parameters come first, in the order of the event table; the lengths array is sized by the table's count.
#[derive(Debug)]
pub struct FrameWriter<'a> {
    buf: &'a mut [u8],
    header: FrameHeader,
    at: usize,
    n_params: usize,
    max_params: usize,
    trailer_at: Option<usize>,
    overflow: bool,
}

impl<'a> FrameWriter<'a> {
    /// Starts a frame of the header's type; `len`, `n_params` and `trailer_len` of the header are filled in by [`FrameWriter::finish`].
    pub fn new(buf: &'a mut [u8], header: FrameHeader) -> Self {
        let max_params = EventType(header.event_type).info().map_or(0, |i| i.params.len());
        Self::with_params(buf, header, max_params)
    }

    /// Starts a frame with a lengths array for exactly `n_params` parameters (old files carry fewer than the table says).
    #[inline]
    pub fn with_params(buf: &'a mut [u8], header: FrameHeader, n_params: usize) -> Self {
        let at = HEADER_LEN + 2 * n_params;
        let overflow = at > buf.len() || n_params > usize::from(u16::MAX);
        Self { buf, header, at, n_params: 0, max_params: n_params, trailer_at: None, overflow }
    }

    /// Starts a frame with parameters that are encoded already, in parts: lengths (little-endian), and the data that they divide.
    #[inline]
    pub fn with_encoded(
        buf: &'a mut [u8],
        header: FrameHeader,
        parts: &[(&[[u8; 2]], &[u8])],
    ) -> Self {
        let n_params = parts.iter().map(|(lens, _)| lens.len()).sum();
        let mut w = Self::with_params(buf, header, n_params);
        w.n_params = n_params;
        let mut at = HEADER_LEN;
        for lens in parts.iter().map(|(lens, _)| lens.as_flattened()) {
            if let Some(room) = w.buf.get_mut(at..at + lens.len()) {
                room.copy_from_slice(lens);
            }
            at += lens.len();
        }
        for (_, data) in parts {
            w.raw(data);
        }
        w
    }

    #[inline]
    fn raw(&mut self, bytes: &[u8]) {
        match self.buf.get_mut(self.at..self.at + bytes.len()) {
            Some(room) if !self.overflow => {
                room.copy_from_slice(bytes);
                self.at += bytes.len();
            }
            _ => self.overflow = true,
        }
    }

    fn pad8(&mut self) {
        let n = self.at.next_multiple_of(8) - self.at;
        self.raw(&[0; 8][..n]);
    }

    fn param_of(&mut self, parts: &[&[u8]]) -> &mut Self {
        let len: usize = parts.iter().map(|p| p.len()).sum();
        let Ok(len16) = u16::try_from(len) else {
            self.overflow = true;
            return self;
        };
        if self.n_params == self.max_params || self.trailer_at.is_some() {
            self.overflow = true;
            return self;
        }
        for part in parts {
            self.raw(part);
        }
        if !self.overflow {
            let slot = HEADER_LEN + 2 * self.n_params;
            self.buf[slot..slot + 2].copy_from_slice(&len16.to_le_bytes());
            self.n_params += 1;
        }
        self
    }

    /// A parameter of raw bytes.
    pub fn bytes(&mut self, v: &[u8]) -> &mut Self {
        self.param_of(&[v])
    }

    /// A parameter that is not available.
    pub fn empty(&mut self) -> &mut Self {
        self.param_of(&[])
    }

    /// Text or a path; the final NUL is added.
    pub fn str(&mut self, v: &[u8]) -> &mut Self {
        self.param_of(&[v, &[0]])
    }

    /// 8 bytes signed: descriptors, results, process ids.
    pub fn i64(&mut self, v: i64) -> &mut Self {
        self.param_of(&[&v.to_le_bytes()])
    }

    /// 8 bytes unsigned.
    pub fn u64(&mut self, v: u64) -> &mut Self {
        self.param_of(&[&v.to_le_bytes()])
    }

    /// 4 bytes signed.
    pub fn i32(&mut self, v: i32) -> &mut Self {
        self.param_of(&[&v.to_le_bytes()])
    }

    /// 4 bytes unsigned.
    pub fn u32(&mut self, v: u32) -> &mut Self {
        self.param_of(&[&v.to_le_bytes()])
    }

    /// 2 bytes unsigned.
    pub fn u16(&mut self, v: u16) -> &mut Self {
        self.param_of(&[&v.to_le_bytes()])
    }

    /// 1 byte.
    pub fn u8(&mut self, v: u8) -> &mut Self {
        self.param_of(&[&[v]])
    }

    /// A socket address.
    pub fn sock_addr(&mut self, v: &SockAddr<'_>) -> &mut Self {
        let (head, n, path) = v.encode();
        let nul: &[u8] = if matches!(v, SockAddr::Unix(_)) { &[0] } else { &[] };
        self.param_of(&[&head[..n], path, nul])
    }

    /// A socket tuple.
    pub fn sock_tuple(&mut self, v: &SockTuple<'_>) -> &mut Self {
        let (head, n, path) = v.encode();
        let nul: &[u8] = if matches!(v, SockTuple::Unix { .. }) { &[0] } else { &[] };
        self.param_of(&[&head[..n], path, nul])
    }

    /// Bytes that a section, its 8 bytes of head and its padding to 8 included, may have yet.
    #[must_use]
    pub fn room(&self) -> usize {
        let at = self.at.next_multiple_of(8);
        let trailer_at = self.trailer_at.unwrap_or(at);
        let end = self.buf.len().min(MAX_FRAME_LEN).min(trailer_at + usize::from(u16::MAX));
        if self.overflow { 0 } else { end.saturating_sub(at) }
    }

    /// A trailer section made of parts; no parameter may follow.
    pub fn section(&mut self, kind: SectionKind, parts: &[&[u8]]) -> &mut Self {
        if self.trailer_at.is_none() {
            self.pad8();
            self.trailer_at = Some(self.at);
        }
        let len: usize = parts.iter().map(|p| p.len()).sum();
        let Ok(len16) = u16::try_from(len) else {
            self.overflow = true;
            return self;
        };
        self.raw(&(kind as u16).to_le_bytes());
        self.raw(&len16.to_le_bytes());
        self.raw(&[0; 4]);
        for part in parts {
            self.raw(part);
        }
        self.pad8();
        self
    }

    /// Writes the header and gives the finished bytes.
    ///
    /// # Errors
    /// [`FrameTooLarge`] where anything did not fit, or more parameters came than the lengths array has room for.
    #[inline]
    pub fn finish(mut self) -> Result<&'a [u8], FrameTooLarge> {
        for slot in self.n_params..self.max_params {
            let at = HEADER_LEN + 2 * slot;
            if let Some(len) = self.buf.get_mut(at..at + 2) {
                len.fill(0);
            }
        }
        self.pad8();
        let trailer_len = self.trailer_at.map_or(0, |at| self.at - at);
        if self.overflow || self.at > MAX_FRAME_LEN {
            return Err(FrameTooLarge);
        }
        let fits = |n: usize| u16::try_from(n).map_err(|_| FrameTooLarge);
        self.header.len = u32::try_from(self.at).map_err(|_| FrameTooLarge)?;
        self.header.n_params = fits(self.max_params)?;
        self.header.trailer_len = fits(trailer_len)?;
        self.buf[..HEADER_LEN].copy_from_slice(&self.header.to_bytes());
        Ok(&self.buf[..self.at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Frame, Section, trailer::ExitFacts};

    #[test]
    fn absent_parameters_read_as_empty() {
        let mut buf = [0xaa; 512];
        let header = FrameHeader { event_type: EventType::OPENAT_2_X.0, ..Default::default() };
        let mut w = FrameWriter::new(&mut buf, header);
        w.i64(-2).i64(-100).str(b"/x");
        let frame = Frame::parse(w.finish().unwrap()).unwrap();
        assert_eq!(frame.n_params(), 7);
        assert_eq!(frame.param_str(2), Some(&b"/x"[..]));
        assert_eq!(frame.param(6), Some(&[][..]));
    }

    #[test]
    fn sections_are_aligned_and_found() {
        let mut buf = [0; 512];
        let header = FrameHeader { event_type: EventType::PROCEXIT_1_E.0, ..Default::default() };
        let mut w = FrameWriter::new(&mut buf, header);
        w.i64(0).i64(0).u8(9).u8(0).i64(1);
        let facts = ExitFacts { reaper_tgid: 1, reaper_start_ns: 5 };
        w.section(SectionKind::Exit, &[&facts.to_bytes()]);
        let bytes = w.finish().unwrap();
        assert_eq!(bytes.len() % 8, 0);
        let frame = Frame::parse(bytes).unwrap();
        assert_eq!(frame.trailer().exit(), Some(facts));
        assert!(matches!(frame.trailer().sections().next(), Some(Section { kind: 5, .. })));
    }

    #[test]

    fn what_has_room_fits() {
        let header = FrameHeader { event_type: EventType::LISTEN_X.0, ..Default::default() };
        for n in [96, 100, 200, MAX_FRAME_LEN, MAX_FRAME_LEN + 4000] {
            let mut buf = std::vec![0; n];
            let mut w = FrameWriter::new(&mut buf, header);
            w.i64(0).i64(3).i32(128);
            let body = std::vec![0; w.room() / 8 * 8 - 8];
            w.section(SectionKind::Descriptor, &[&body]);
            assert!(w.room() < 8, "{n}: {}", w.room());
            assert!(w.finish().is_ok(), "{n}");
        }
    }

    #[test]
    fn encoded_parameters_are_those_written_one_by_one() {
        let header = FrameHeader { event_type: EventType::LISTEN_X.0, ..Default::default() };
        let lens = [[8, 0], [8, 0], [4, 0]];
        let data = [&[0; 8][..], &3i64.to_le_bytes(), &128i32.to_le_bytes()].concat();
        let (mut one, mut other) = ([0; 128], [0xaa; 128]);
        let mut w = FrameWriter::new(&mut one, header);
        w.i64(0).i64(3).i32(128);
        let expected = w.finish().unwrap();
        let parts = [(&lens[..2], &data[..16]), (&lens[2..], &data[16..])];
        assert_eq!(FrameWriter::with_encoded(&mut other, header, &parts).finish(), Ok(expected));
        for n in 0..expected.len() {
            let mut small = std::vec![0; n];
            let w = FrameWriter::with_encoded(&mut small, header, &parts);
            assert_eq!(w.finish(), Err(FrameTooLarge), "{n} bytes");
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let header = FrameHeader { event_type: EventType::LISTEN_X.0, ..Default::default() };
        for n in 0..96 {
            let mut buf = std::vec![0; n];
            let mut w = FrameWriter::new(&mut buf, header);
            w.i64(0).i64(3).i32(128);
            assert_eq!(w.finish().is_ok(), n >= 88, "{n} bytes");
        }
        let mut buf = [0; 512];
        let mut w = FrameWriter::new(&mut buf, header);
        w.i64(0).i64(3).i32(128).i32(1);
        assert_eq!(w.finish(), Err(FrameTooLarge));
    }
}

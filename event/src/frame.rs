//! The frame: its header, and the one checked view over its bytes.
//!
//! ```text
//! 0         56                 +2*n_params                 len - trailer_len      len
//! | header | u16 length per parameter | parameter data | pad | trailer sections |
//! ```
//! All integers are little-endian. `len` and `trailer_len` are multiples of 8, so the trailer is aligned. The parameter part is that of a
//! `.scap` event block byte for byte; only live frames carry a trailer (see [`crate::Trailer`]).

use crate::{EventType, Trailer};

/// Size of [`FrameHeader`] in bytes.
pub const HEADER_LEN: usize = 56;

/// Largest frame. A `.scap` event block may not exceed 64 KiB, and neither does what the kernel side writes.
pub const MAX_FRAME_LEN: usize = 64 * 1024;

/// Bits of [`FrameHeader::flags`].
pub mod flags {
    /// A parameter or a path was cut to its limit.
    pub const TRUNCATED: u32 = 1;
    /// User memory could not be read; the parameter it was for is empty.
    pub const FAULTED: u32 = 1 << 1;
    /// The descriptor's identity differed between entry and exit of the call.
    pub const FD_RACED: u32 = 1 << 2;
    /// State from before the capture (`/proc`, a savefile's process list): applied, never evaluated.
    pub const SEED: u32 = 1 << 3;
    /// Read from a savefile: uid, gid, cgroup id and start time of the header are not known.
    pub const FROM_FILE: u32 = 1 << 4;
    /// `procexit`: no thread of the process is left.
    pub const GROUP_DEAD: u32 = 1 << 5;
    /// The call came through the ia32 table (`int 0x80` or a 32-bit program).
    pub const IA32: u32 = 1 << 6;
    /// The call came through the x32 table.
    pub const X32: u32 = 1 << 7;
    /// Updates state, is not evaluated (a savefile's STATE_ONLY event).
    pub const STATE_ONLY: u32 = 1 << 8;
    /// The start time has the resolution of `/proc` (10 ms).
    pub const START_COARSE: u32 = 1 << 9;
    /// Of a savefile: there was no room for the process in the table of processes, so nothing is known of it.
    pub const REFUSED: u32 = 1 << 10;
    /// Of a savefile: there is no room for the program or directory that the event tells, so that it is kept in short.
    pub const SHORTENED: u32 = 1 << 11;
    /// A frame that told of a change of the process, or of who forked it, was lost, and what it said is not known again yet. With [`SEED`] and
    /// without a result: the frame says this and nothing else.
    pub const STATE_LOST: u32 = 1 << 12;
}

/// Fixed header of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FrameHeader {
    /// Time of the record in ns: boot clock from the kernel, since the epoch from a savefile.
    pub ts: u64,
    /// Bytes of the whole frame, a multiple of 8.
    pub len: u32,
    /// [`EventType`] number.
    pub event_type: u16,
    /// Number of parameters.
    pub n_params: u16,
    /// CPU that recorded it.
    pub cpu: u16,
    /// Bytes of the trailer at the end of the frame, a multiple of 8.
    pub trailer_len: u16,
    /// See [`flags`].
    pub flags: u32,
    /// Thread that made the call, in the initial pid namespace. For the child's side of a fork: the child.
    pub tid: u32,
    /// Its process.
    pub tgid: u32,
    /// Boot-clock ns at which the process (its first thread) started; 0 where unknown.
    pub start_ns: u64,
    /// Effective user id, as the initial user namespace sees it.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Id of the process's cgroup in the default (v2) hierarchy, 0 where unknown.
    pub cgroup_id: u64,
}

const _: () = assert!(core::mem::size_of::<FrameHeader>() == HEADER_LEN);

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Fewer bytes than the header, or than the header says.
    Short {
        /// Bytes there are.
        have: usize,
        /// Bytes needed.
        need: usize,
    },
    /// The parameters and the trailer do not fit between header and end.
    Overrun {
        /// Bytes that parameters and trailer claim.
        claimed: usize,
        /// Bytes there are for them.
        room: usize,
    },
    /// The type is not in the event table.
    UnknownType(u16),
    /// A trailer section overruns the trailer.
    BadTrailer,
}

impl core::fmt::Display for FrameError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Short { have, need } => write!(f, "frame of {have} bytes, need {need}"),
            Self::Overrun { claimed, room } => {
                write!(f, "parameters and trailer claim {claimed} bytes, frame has {room}")
            }
            Self::UnknownType(ty) => write!(f, "unknown event type {ty}"),
            Self::BadTrailer => f.write_str("trailer section overruns the trailer"),
        }
    }
}

impl core::error::Error for FrameError {}

/// The bytes at a place that is a constant where this is called: one load, which eight indices are not.
#[inline]
fn bytes_at<const N: usize>(b: &[u8; HEADER_LEN], at: usize) -> [u8; N] {
    b[at..].first_chunk().copied().unwrap_or([0; N])
}

#[inline]
fn u16_at(b: &[u8; HEADER_LEN], at: usize) -> u16 {
    u16::from_le_bytes(bytes_at(b, at))
}

#[inline]
fn u32_at(b: &[u8; HEADER_LEN], at: usize) -> u32 {
    u32::from_le_bytes(bytes_at(b, at))
}

#[inline]
fn u64_at(b: &[u8; HEADER_LEN], at: usize) -> u64 {
    u64::from_le_bytes(bytes_at(b, at))
}

impl FrameHeader {
    /// Decodes the header without looking at what follows.
    #[must_use]
    #[inline]
    pub fn from_bytes(b: &[u8; HEADER_LEN]) -> Self {
        Self {
            ts: u64_at(b, 0),
            len: u32_at(b, 8),
            event_type: u16_at(b, 12),
            n_params: u16_at(b, 14),
            cpu: u16_at(b, 16),
            trailer_len: u16_at(b, 18),
            flags: u32_at(b, 20),
            tid: u32_at(b, 24),
            tgid: u32_at(b, 28),
            start_ns: u64_at(b, 32),
            uid: u32_at(b, 40),
            gid: u32_at(b, 44),
            cgroup_id: u64_at(b, 48),
        }
    }

    /// Encodes the header.
    #[must_use]
    #[inline]
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let Self {
            ts,
            len,
            event_type,
            n_params,
            cpu,
            trailer_len,
            flags,
            tid,
            tgid,
            start_ns,
            uid,
            gid,
            cgroup_id,
        } = self;
        let mut b = [0; HEADER_LEN];
        b[0..8].copy_from_slice(&ts.to_le_bytes());
        b[8..12].copy_from_slice(&len.to_le_bytes());
        b[12..14].copy_from_slice(&event_type.to_le_bytes());
        b[14..16].copy_from_slice(&n_params.to_le_bytes());
        b[16..18].copy_from_slice(&cpu.to_le_bytes());
        b[18..20].copy_from_slice(&trailer_len.to_le_bytes());
        b[20..24].copy_from_slice(&flags.to_le_bytes());
        b[24..28].copy_from_slice(&tid.to_le_bytes());
        b[28..32].copy_from_slice(&tgid.to_le_bytes());
        b[32..40].copy_from_slice(&start_ns.to_le_bytes());
        b[40..44].copy_from_slice(&uid.to_le_bytes());
        b[44..48].copy_from_slice(&gid.to_le_bytes());
        b[48..56].copy_from_slice(&cgroup_id.to_le_bytes());
        b
    }
}

/// A checked frame, borrowed from its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    header: FrameHeader,
    lens: &'a [[u8; 2]],
    data: &'a [u8],
    trailer: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Checks the bytes once: header, every parameter length and every trailer section. O(parameters).
    ///
    /// # Errors
    /// [`FrameError`] says which length does not fit.
    #[expect(
        clippy::inline_always,
        reason = "so that a frame lies where it is wanted: moved, it costs as much again"
    )]
    #[inline(always)]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let short = |need| FrameError::Short { have: bytes.len(), need };
        let head = bytes.first_chunk().ok_or_else(|| short(HEADER_LEN))?;
        let header = FrameHeader::from_bytes(head);
        let len = header.len as usize;
        let body = bytes.get(HEADER_LEN..len).ok_or_else(|| short(len.max(HEADER_LEN)))?;
        if EventType(header.event_type).info().is_none() {
            return Err(FrameError::UnknownType(header.event_type));
        }
        let n_lens = usize::from(header.n_params) * 2;
        let n_trailer = usize::from(header.trailer_len);
        let overrun = |claimed| FrameError::Overrun { claimed, room: body.len() };
        let params_end =
            body.len().checked_sub(n_trailer).ok_or_else(|| overrun(n_lens + n_trailer))?;
        let (params, trailer) = body.split_at(params_end);
        let (lens, data) =
            params.split_at_checked(n_lens).ok_or_else(|| overrun(n_lens + n_trailer))?;
        let (lens, _) = lens.as_chunks::<2>();
        let n_data: usize = lens.iter().map(|l| usize::from(u16::from_le_bytes(*l))).sum();
        if n_data > data.len() {
            return Err(overrun(n_lens + n_data + n_trailer));
        }
        Trailer::check(trailer)?;
        Ok(Self { header, lens, data, trailer })
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &FrameHeader {
        &self.header
    }

    /// The event type, always one of the table.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        EventType(self.header.event_type)
    }

    /// Whether all the given [`flags`] are set.
    #[must_use]
    pub fn has(&self, flags: u32) -> bool {
        self.header.flags & flags == flags
    }

    /// Number of parameters present.
    #[must_use]
    pub fn n_params(&self) -> usize {
        self.lens.len()
    }

    /// Bytes of parameter `n`; empty means "not available", `None` means the frame does not carry it. O(n).
    #[must_use]
    pub fn param(&self, n: usize) -> Option<&'a [u8]> {
        let len = usize::from(u16::from_le_bytes(*self.lens.get(n)?));
        let at: usize = self.lens[..n].iter().map(|l| usize::from(u16::from_le_bytes(*l))).sum();
        self.data.get(at..at + len)
    }

    /// All parameters in order, each the bytes that [`Frame::param`] gives.
    pub fn params(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        let mut rest = self.data;
        self.lens.iter().map_while(move |l| {
            let (param, tail) = rest.split_at_checked(usize::from(u16::from_le_bytes(*l)))?;
            rest = tail;
            Some(param)
        })
    }

    /// An 8-byte signed parameter.
    #[must_use]
    pub fn param_i64(&self, n: usize) -> Option<i64> {
        Some(i64::from_le_bytes(*self.param(n)?.as_array()?))
    }

    /// An 8-byte unsigned parameter.
    #[must_use]
    pub fn param_u64(&self, n: usize) -> Option<u64> {
        Some(u64::from_le_bytes(*self.param(n)?.as_array()?))
    }

    /// A 4-byte unsigned parameter.
    #[must_use]
    pub fn param_u32(&self, n: usize) -> Option<u32> {
        Some(u32::from_le_bytes(*self.param(n)?.as_array()?))
    }

    /// A 1-byte parameter.
    #[must_use]
    pub fn param_u8(&self, n: usize) -> Option<u8> {
        self.param(n)?.first().copied()
    }

    /// A text parameter without its final NUL; `None` where absent or empty.
    #[must_use]
    pub fn param_str(&self, n: usize) -> Option<&'a [u8]> {
        let bytes = self.param(n)?;
        if bytes.is_empty() {
            return None;
        }
        Some(bytes.strip_suffix(&[0]).unwrap_or(bytes))
    }

    /// The trailer's sections.
    #[must_use]
    pub fn trailer(&self) -> Trailer<'a> {
        Trailer::new(self.trailer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FrameWriter;

    fn listen(buf: &mut [u8]) -> &[u8] {
        let header = FrameHeader {
            ts: 5,
            event_type: EventType::LISTEN_X.0,
            tid: 9,
            tgid: 8,
            cgroup_id: u64::MAX - 1,
            ..FrameHeader::default()
        };
        let mut w = FrameWriter::new(buf, header);
        w.i64(0).i64(3).i32(128);
        w.finish().unwrap()
    }

    #[test]
    fn header_round_trips() {
        let h =
            FrameHeader { ts: 1 << 40, len: 56, start_ns: 77 << 33, uid: 3, ..Default::default() };
        assert_eq!(FrameHeader::from_bytes(&h.to_bytes()), h);
    }

    #[test]
    fn every_truncation_is_refused() {
        let mut buf = [0; 256];
        let bytes = listen(&mut buf);
        assert!(Frame::parse(bytes).is_ok());
        for n in 0..bytes.len() {
            assert!(Frame::parse(&bytes[..n]).is_err(), "{n} bytes");
        }
    }

    #[test]
    fn lengths_that_overrun_are_refused() {
        let mut buf = [0; 256];
        let n = listen(&mut buf).len();
        let mut bytes = buf[..n].to_vec();
        bytes[HEADER_LEN] = 0xff;
        assert!(matches!(Frame::parse(&bytes), Err(FrameError::Overrun { .. })));
        let mut bytes = buf[..n].to_vec();
        bytes[18] = 0xf8;
        assert!(matches!(Frame::parse(&bytes), Err(FrameError::Overrun { .. })));
        let mut bytes = buf[..n].to_vec();
        bytes[12..14].copy_from_slice(&9999u16.to_le_bytes());
        assert_eq!(Frame::parse(&bytes).unwrap_err(), FrameError::UnknownType(9999));
    }

    #[test]
    fn params_iterate_as_they_index() {
        let mut buf = [0; 256];
        let frame = Frame::parse(listen(&mut buf)).unwrap();
        for (n, p) in frame.params().enumerate() {
            assert_eq!(frame.param(n), Some(p));
        }
        assert_eq!(frame.params().count(), 3);
        assert_eq!(frame.param(3), None);
    }
}

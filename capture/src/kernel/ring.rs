//! A BPF ring buffer, read in place: the positions that aya hides are what the watermark needs.
//!
//! Layout (kernel/bpf/ringbuf.c): the consumer's page, the producer's page, then the data twice in a row, so that a record never wraps. The
//! second time is mapped as far as a record can reach: all that is mapped counts as resident. A record is a word `length | BUSY | DISCARD`, a word of the kernel's, then the bytes, padded to 8.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
    sync::{
        Arc,
        atomic::{Ordering, fence},
    },
    time::Duration,
};

use event::{HEADER_LEN, MAX_FRAME_LEN, cpu_layout};

use super::sys::{Access, Mapping, page_size};
use crate::{Peek, Ring};

const BUSY: u32 = 1 << 31;
const DISCARD: u32 = 1 << 30;
const RECORD_HEADER: u64 = 8;
/// More than one CPU writes: four million records of 250 bytes a second.
const MAX_BYTES_PER_NS: u64 = 1;
/// Where a frame's header has its length.
const FRAME_LEN_AT: usize = 8;

/// The ring of one CPU.
#[derive(Debug)]
pub struct KernelRing {
    cpu: u16,
    fd: OwnedFd,
    consumer: Mapping,
    /// Producer's page, the data, and its beginning once more.
    producer: Mapping,
    page: usize,
    mask: u64,
    /// Counters and words of all CPUs; the sleeping word of this one is the only one written here.
    cpus: Arc<Mapping>,
    /// Position of the next record.
    at: u64,
    /// Position behind the record that `peek` gave.
    peeked: u64,
    /// Producer position as last seen.
    seen: u64,
}

impl KernelRing {
    pub(crate) fn map(cpu: u16, fd: OwnedFd, size: usize, cpus: Arc<Mapping>) -> io::Result<Self> {
        let page = page_size();
        let consumer = Mapping::new(fd.as_fd(), page, 0, Access::ReadWrite)?;
        let overlap = size.min((MAX_FRAME_LEN + RECORD_HEADER as usize).next_multiple_of(page));
        let producer = Mapping::new(fd.as_fd(), page + size + overlap, page, Access::Read)?;
        let at = consumer.word(0).load(Ordering::Acquire);
        Ok(Self {
            cpu,
            fd,
            consumer,
            producer,
            page,
            mask: size as u64 - 1,
            cpus,
            at,
            peeked: at,
            seen: at,
        })
    }

    /// Bytes that wait to be read, reserved ones included.
    #[must_use]
    pub fn n_waiting_bytes(&self) -> u64 {
        self.producer.word(0).load(Ordering::Relaxed).saturating_sub(self.at)
    }

    fn offset(&self, position: u64) -> usize {
        self.page + (position & self.mask) as usize
    }
}

impl Ring for KernelRing {
    fn cpu(&self) -> u16 {
        self.cpu
    }

    fn peek(&mut self) -> Peek<'_> {
        let len = loop {
            if self.at >= self.seen {
                // Acquire; pairs with the release of the producer position in `__bpf_ringbuf_reserve`.
                self.seen = self.producer.word(0).load(Ordering::Acquire);
                if self.at >= self.seen {
                    return Peek::Empty;
                }
            }
            // Acquire; pairs with the xchg of the header in `bpf_ringbuf_commit`: a record that is not busy has its bytes.
            let head = self.producer.word(self.offset(self.at)).load(Ordering::Acquire) as u32;
            if head & BUSY != 0 {
                return Peek::Busy;
            }
            let len = head & !DISCARD;
            self.peeked = self.at + (u64::from(len) + RECORD_HEADER).next_multiple_of(8);
            if head & DISCARD == 0 {
                break len as usize;
            }
            self.at = self.peeked;
        };
        let start = self.offset(self.at) + RECORD_HEADER as usize;
        // SAFETY: the record is finished, and the kernel does not reuse its room before `release` moves the consumer position past it, which
        // needs `&mut self` while the slice borrows it.
        let record = unsafe { self.producer.bytes(start, len) };
        Peek::Record { frame: cut_to_frame(record), end: self.peeked }
    }

    fn advance(&mut self) {
        self.at = self.peeked;
    }

    fn release(&mut self) {
        // Release; pairs with the acquire load of the consumer position in `__bpf_ringbuf_reserve`.
        self.consumer.word(0).store(self.at, Ordering::Release);
    }

    fn is_drained(&self) -> bool {
        // Pairs with the barrier between reservation and clock, and between reservation and the look at the sleeping word (capture-ebpf,
        // record.rs).
        fence(Ordering::SeqCst);
        self.producer.word(0).load(Ordering::Acquire) == self.at
    }

    fn set_sleeping(&self, sleeping: bool) {
        let entry = usize::from(self.cpu) * cpu_layout::WORDS;
        let word = self.cpus.word(8 * (entry + cpu_layout::SLEEPING));
        word.store(u64::from(sleeping), Ordering::SeqCst);
    }

    fn fd(&self) -> Option<RawFd> {
        Some(self.fd.as_raw_fd())
    }

    /// Until a quarter of it is full.
    fn may_wait(&self) -> Duration {
        Duration::from_nanos((self.mask + 1) / MAX_BYTES_PER_NS / 4)
    }
}

/// Kernels without dynptr round records up to a ladder of sizes; the header has the true length.
fn cut_to_frame(record: &[u8]) -> &[u8] {
    let len = record.get(FRAME_LEN_AT..FRAME_LEN_AT + 4).and_then(|b| b.first_chunk());
    let len = len.map_or(0, |b| u32::from_le_bytes(*b) as usize);
    if len < HEADER_LEN { record } else { record.get(..len).unwrap_or(record) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rounded_record_is_cut_to_its_frame() {
        let mut record = vec![0u8; 256];
        record[8] = 88;
        assert_eq!(cut_to_frame(&record).len(), 88);
        record[8] = 3;
        assert_eq!(cut_to_frame(&record).len(), 256);
        record[9] = 8;
        assert_eq!(cut_to_frame(&record).len(), 256);
        assert!(cut_to_frame(&[]).is_empty());
    }
}

//! A frame under construction in per-CPU scratch, and its way into the ring.
//!
//! Build, reserve, pass a full barrier, read the clock, copy once, submit: the reader's watermark rests on that order.

use aya_ebpf::{
    bindings::{bpf_dynptr, seq_file},
    helpers::generated::{
        bpf_dynptr_write, bpf_ktime_get_boot_ns, bpf_probe_read_kernel, bpf_probe_read_kernel_str,
        bpf_probe_read_user, bpf_probe_read_user_str, bpf_ringbuf_discard_dynptr,
        bpf_ringbuf_query, bpf_ringbuf_reserve, bpf_ringbuf_reserve_dynptr, bpf_ringbuf_submit,
        bpf_ringbuf_submit_dynptr, bpf_seq_write,
    },
};
use event::{EventType, HEADER_LEN, Outcome, SectionKind, cpu_layout, feature, flags};

use crate::{
    loss,
    maps::{Cpu, N_SLOTS, RINGS, SCRATCH},
    mem::{atomic_add64, bound, feature_word, forget, ld64, st8, st16, st32, st64},
    task::{Task, Who},
};

/// Mask of a place in the frame; a frame never grows beyond it.
const AT: u32 = 0x7fff;
/// Longest text parameter with its NUL.
pub const TEXT_MAX: u64 = 4096;
/// Where a note of the call's start lies while its exit is under way: behind the frame and the slack of its last parameter.
pub const NOTE_AT: usize = 37 * 1024;
/// Where the path buffer starts in a scratch slot, behind the frame's room and the slack of its last parameter.
pub const PATH_AT: usize = 40 * 1024;
/// A word between the two through which numbers are forgotten.
pub const FORGET_AT: usize = PATH_AT - 8;
/// Words before that, where a plain call keeps its arguments and its result.
pub const CALL_AT: usize = FORGET_AT - 8 * CALL_WORDS;
/// A word before those: bytes of a buffer that this record keeps, where that is not the same for all.
pub const SNAPLEN_AT: usize = CALL_AT - 8;
/// Arguments, one word of no use, the result.
pub const CALL_WORDS: usize = 8;
/// Bytes of a path that are kept.
pub const PATH_MAX: u64 = 4096;

const RB_NO_WAKEUP: u64 = 1;
const RB_FORCE_WAKEUP: u64 = 2;
const RB_AVAIL_DATA: u64 = 0;
/// `BPF_RINGBUF_HDR_SZ`.
const RB_HEADER: u64 = 8;

/// Copies the words `FROM..TO` between places of the slot.
#[inline(always)]
unsafe fn copy_words<const FROM: usize, const TO: usize>(to: *mut u8, from: *const u8) {
    let mut n = FROM;
    while n < TO {
        // SAFETY: the caller gives room for the words.
        unsafe { st64(to.add(8 * n), ld64(from.add(8 * n))) };
        n += 1;
    }
}

/// The iterators that build records.
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum Iterator {
    Tasks = 0,
    Memory = 1,
}

/// A frame under construction.
pub struct Record {
    cpu: Cpu,
    depth: u64,
    /// Index of the scratch slot.
    pub slot: u32,
    pub base: *mut u8,
    at: u64,
    trailer_at: u64,
    pub flags: u32,
    event_type: u16,
    n_params: u16,
    /// Bytes of a path in a section that are kept; its tail stays.
    pub path_max: u64,
}

impl Record {
    /// Takes a scratch slot for an event of the current process; counts it as dropped where none is free.
    #[inline(always)]
    pub fn begin(cpu: Cpu, ty: EventType, n_params: u16) -> Option<Self> {
        Self::begin_about(cpu, ty, n_params, Task::current())
    }

    /// The same for an event that is about another task.
    #[inline(always)]
    pub fn begin_about(cpu: Cpu, ty: EventType, n_params: u16, task: Task) -> Option<Self> {
        let rec = Self::take_slot(cpu, ty, n_params);
        if rec.is_none() {
            cpu.count(u64::from(ty.0), Outcome::NoScratch);
            loss::note_unmade(ty.0, Outcome::NoScratch, task);
        }
        rec
    }

    /// Keeps so many bytes of a buffer.
    #[inline(always)]
    pub fn keep(&self, snaplen: u64) {
        // SAFETY: a word of the slot.
        unsafe { self.base.add(SNAPLEN_AT).cast::<u64>().write_volatile(snaplen) };
    }

    /// Bytes of a buffer that are kept.
    #[inline(always)]
    pub fn snaplen(&self) -> u64 {
        if feature_word(feature::ANSWERS) == 0 {
            return feature_word(feature::SNAPLEN);
        }
        // SAFETY: a word of the slot.
        unsafe { self.base.add(SNAPLEN_AT).cast::<u64>().read_volatile() }
    }

    /// Takes a scratch slot for something that is not an event.
    #[inline(always)]
    pub fn scribble(cpu: Cpu) -> Option<Self> {
        Self::take_slot(cpu, EventType(0), 0)
    }

    /// Gives the slot back without writing anything.
    #[inline(always)]
    pub fn discard(self) {
        // SAFETY: this CPU's word.
        unsafe { core::ptr::write_volatile(self.cpu.word(cpu_layout::DEPTH), self.depth) };
    }

    #[inline(always)]
    fn take_slot(cpu: Cpu, ty: EventType, n_params: u16) -> Option<Self> {
        let depth_word = cpu.word(cpu_layout::DEPTH);
        // SAFETY: a word of this CPU's entry; interrupted programs nest strictly, see `Cpu::count`.
        let depth = unsafe { core::ptr::read_volatile(depth_word) };
        if depth >= N_SLOTS {
            return None;
        }
        let slot = cpu.n * N_SLOTS as u32 + depth as u32;
        let base = SCRATCH.get_ptr_mut(slot)?.cast();
        // SAFETY: as above.
        unsafe { core::ptr::write_volatile(depth_word, depth + 1) };
        let rec = Self::fresh(cpu, depth, slot, base, ty, n_params);
        if feature_word(feature::ANSWERS) != 0 {
            rec.keep(feature_word(feature::SNAPLEN));
        }
        Some(rec)
    }

    #[inline(always)]
    fn fresh(cpu: Cpu, depth: u64, slot: u32, base: *mut u8, ty: EventType, n_params: u16) -> Self {
        let at = (HEADER_LEN + 2 * n_params as usize) as u64;
        // SAFETY: a word of the slot.
        let ty = forget(unsafe { base.add(FORGET_AT) }, u64::from(ty.0)) as u16;
        Self {
            cpu,
            depth,
            slot,
            base,
            at,
            trailer_at: 0,
            flags: 0,
            event_type: ty,
            n_params,
            path_max: PATH_MAX,
        }
    }

    /// A record of an iterator. Iterators may be preempted, so they stay out of the CPUs' slots: each has one of its own behind those.
    #[inline(always)]
    pub fn iterated(iterator: Iterator, ty: EventType, n_params: u16) -> Option<Self> {
        let slot = feature_word(feature::ITERATOR_SLOTS) as u32 + iterator as u32;
        let base = SCRATCH.get_ptr_mut(slot)?.cast();
        Some(Self::fresh(Cpu::current()?, 0, slot, base, ty, n_params))
    }

    /// Hands the frame of an iterator to who reads it. One that found no room is built again by the kernel's next run.
    #[inline(always)]
    pub fn show(mut self, seq: *mut seq_file, who: &Who) {
        let len = self.finish_header(who);
        // SAFETY: the header's first field; `len` bytes of the slot, and the reader that the kernel passed.
        unsafe {
            self.base.cast::<u64>().write_volatile(who.start_ns);
            bpf_seq_write(seq, self.base.cast(), len as u32);
        }
    }

    /// A view of the record in a slot for a global function, which can be handed numbers only: `state` is [`Record::state`] of the caller's.
    #[inline(always)]
    pub fn resume(slot: u32, state: u64) -> Option<Self> {
        Some(Self {
            cpu: Cpu::current()?,
            depth: 0,
            slot,
            base: SCRATCH.get_ptr_mut(slot)?.cast(),
            at: state & u64::from(AT),
            trailer_at: 0,
            flags: 0,
            event_type: 0,
            n_params: 0,
            path_max: PATH_MAX,
        })
    }

    /// Where the next byte goes, and flags to add; for [`Record::resume`] and [`Record::take_over`].
    #[inline(always)]
    pub fn state(&self) -> u64 {
        self.at & u64::from(AT) | u64::from(self.flags) << 32
    }

    /// Goes on where a global function stopped.
    #[inline(always)]
    pub fn take_over(&mut self, state: u64) {
        self.at = state & u64::from(AT);
        self.flags |= (state >> 32) as u32;
        self.advance(0);
    }

    /// The place for the next bytes. At least `TEXT_MAX` bytes behind it are in the slot.
    #[inline(always)]
    pub fn here(&self) -> *mut u8 {
        // SAFETY: masked below the frame's room.
        unsafe { self.base.add(bound::<AT>(self.at) as usize) }
    }

    #[inline(always)]
    fn set_len(&mut self, n: usize, len: u64) {
        // SAFETY: the lengths array precedes the data; `n` is a constant below the number of parameters.
        unsafe { self.base.add(HEADER_LEN + 2 * n).cast::<u16>().write_volatile(len as u16) };
    }

    /// Ends parameter `n`, whose `len` bytes lie at `here`.
    #[inline(always)]
    pub fn end(&mut self, n: usize, len: u64) {
        self.set_len(n, len);
        self.at += len;
    }

    /// Has the verifier forget what it knows of a number.
    #[inline(always)]
    pub fn forget(&self, x: u64) -> u64 {
        // SAFETY: a word of the slot.
        forget(unsafe { self.base.add(FORGET_AT) }, x)
    }

    /// Steps over bytes of a length that is not known beforehand.
    #[inline(always)]
    pub fn advance(&mut self, len: u64) {
        self.at = self.forget(self.at + len);
    }

    #[inline(always)]
    pub fn empty(&mut self, n: usize) {
        self.set_len(n, 0);
    }

    #[inline(always)]
    pub fn u64(&mut self, n: usize, v: u64) {
        // SAFETY: room as `here` says; same for the others.
        unsafe { st64(self.here(), v) };
        self.end(n, 8);
    }

    #[inline(always)]
    pub fn i64(&mut self, n: usize, v: i64) {
        self.u64(n, v as u64);
    }

    #[inline(always)]
    pub fn u32(&mut self, n: usize, v: u32) {
        unsafe { st32(self.here(), v) };
        self.end(n, 4);
    }

    #[inline(always)]
    pub fn u16(&mut self, n: usize, v: u16) {
        unsafe { st16(self.here(), v) };
        self.end(n, 2);
    }

    #[inline(always)]
    pub fn u8(&mut self, n: usize, v: u8) {
        unsafe { st8(self.here(), v) };
        self.end(n, 1);
    }

    /// Text of the process, with its NUL.
    #[inline(always)]
    pub fn user_str(&mut self, n: usize, addr: u64) -> u64 {
        let len = self.user_text(addr);
        self.set_len(n, len);
        self.advance(len);
        len
    }

    /// Copies text of the process without ending a parameter; gives its length with the NUL, 0 where it faults.
    #[inline(always)]
    pub fn user_text(&mut self, addr: u64) -> u64 {
        // SAFETY: room as `here` says.
        let r = unsafe {
            bpf_probe_read_user_str(self.here().cast(), TEXT_MAX as u32, addr as *const _)
        };
        if r <= 0 {
            self.flags |= flags::FAULTED;
            return 0;
        }
        let len = bound::<0x1fff>(r as u64);
        if len >= TEXT_MAX {
            self.flags |= flags::TRUNCATED;
        }
        len
    }

    /// Copies text of the kernel of at most `max` bytes with the NUL, without ending a parameter or stepping over it; gives its length.
    #[inline(always)]
    pub fn short_kernel_text(&mut self, addr: u64, max: u64) -> u64 {
        // SAFETY: `max` is at most `TEXT_MAX`; room as `here` says.
        let r =
            unsafe { bpf_probe_read_kernel_str(self.here().cast(), max as u32, addr as *const _) };
        if r <= 0 { 0 } else { bound::<0xff>(r as u64) }
    }

    /// Text of the kernel, with its NUL.
    #[inline(always)]
    pub fn kernel_str(&mut self, n: usize, addr: u64) {
        // SAFETY: room as `here` says.
        let r = unsafe {
            bpf_probe_read_kernel_str(self.here().cast(), TEXT_MAX as u32, addr as *const _)
        };
        let len = if r <= 0 { 0 } else { bound::<0x1fff>(r as u64) };
        self.set_len(n, len);
        self.advance(len);
    }

    /// Bytes `start..end` of the process, at most `TEXT_MAX`; what is cut ends in a NUL all the same.
    #[inline(always)]
    pub fn user_strings(&mut self, n: usize, start: u64, end: u64) {
        let mut len = end.wrapping_sub(start);
        if end <= start {
            return self.empty(n);
        }
        if len > TEXT_MAX {
            len = TEXT_MAX;
            self.flags |= flags::TRUNCATED;
        }
        let len = bound::<0x1fff>(len);
        if len > TEXT_MAX {
            return self.empty(n);
        }
        // SAFETY: at most `TEXT_MAX` bytes.
        let r = unsafe { bpf_probe_read_user(self.here().cast(), len as u32, start as *const _) };
        if r < 0 {
            self.flags |= flags::FAULTED;
            return self.empty(n);
        }
        self.advance(len);
        // SAFETY: the last byte just written.
        unsafe { st8(self.base.add(bound::<AT>(self.at - 1) as usize), 0) };
        self.set_len(n, len);
    }

    /// Appends `len` bytes of the slot's path buffer from `pos`, without ending a parameter.
    #[inline(always)]
    pub fn append_path(&mut self, pos: u64, len: u64) {
        let len = bound::<0x1fff>(len);
        if len > PATH_MAX {
            return;
        }
        // SAFETY: `pos` is masked into the path buffer, which has `PATH_MAX` bytes of slack behind it; so has the frame.
        unsafe {
            let src = self.base.add(PATH_AT + bound::<0xfff>(pos) as usize);
            if len <= 64 {
                let to = self.here();
                copy_words::<0, 4>(to, src);
                if len > 32 {
                    copy_words::<4, 8>(to, src);
                }
                return self.advance(len);
            }
            bpf_probe_read_kernel(self.here().cast(), len as u32, src.cast());
        }
        self.advance(len);
    }

    /// Appends the first `len` bytes of a short text.
    #[inline(always)]
    pub fn push_text(&mut self, text: &[u8; 8], len: u64) {
        // SAFETY: eight bytes of room, of which `len` stay.
        unsafe { st64(self.here(), u64::from_le_bytes(*text)) };
        self.at += len;
    }

    /// Cuts what was appended since `mark` to `TEXT_MAX` bytes, the last of them a NUL.
    #[inline(always)]
    pub fn cut(&mut self, mark: u64) {
        if self.at - mark > TEXT_MAX {
            self.at = mark + TEXT_MAX;
            self.advance(0);
            self.flags |= flags::TRUNCATED;
            // SAFETY: the last byte that stays.
            unsafe { st8(self.base.add(bound::<AT>(self.at - 1) as usize), 0) };
        }
    }

    #[inline(always)]
    pub fn push8(&mut self, v: u8) {
        unsafe { st8(self.here(), v) };
        self.at += 1;
    }

    #[inline(always)]
    pub fn push16(&mut self, v: u16) {
        unsafe { st16(self.here(), v) };
        self.at += 2;
    }

    #[inline(always)]
    pub fn push32(&mut self, v: u32) {
        unsafe { st32(self.here(), v) };
        self.at += 4;
    }

    #[inline(always)]
    pub fn push64(&mut self, v: u64) {
        unsafe { st64(self.here(), v) };
        self.at += 8;
    }

    /// Takes back one byte that was appended, so that a parameter that begins with it can be ended as a whole.
    #[inline(always)]
    pub fn unpush8(&mut self) {
        self.at -= 1;
    }

    /// Ends the parameter at a position that is not known beforehand, whose `len` bytes lie at `here`.
    #[inline(always)]
    pub fn end_at(&mut self, n: u64, len: u64) {
        let place = HEADER_LEN as u64 + 2 * bound::<0x1f>(n);
        // SAFETY: the lengths array has room for 32 parameters before the data of a frame begins to matter.
        unsafe { self.base.add(place as usize).cast::<u16>().write_volatile(len as u16) };
        self.advance(len);
    }

    /// Overwrites two bytes at a place that was appended before.
    #[inline(always)]
    pub fn patch16(&mut self, at: u64, v: u16) {
        // SAFETY: masked into the frame.
        unsafe { st16(self.base.add(bound::<AT>(at) as usize), v) };
    }

    /// Where the next byte goes, for [`Record::end_from`].
    #[inline(always)]
    pub fn mark(&self) -> u64 {
        self.at
    }

    /// Goes back to a mark; what was appended since stays where it is, for [`Record::end_at`].
    #[inline(always)]
    pub fn rewind(&mut self, mark: u64) {
        self.at = mark;
    }

    /// Ends parameter `n`, whose bytes were appended since `mark`.
    #[inline(always)]
    pub fn end_from(&mut self, n: usize, mark: u64) {
        self.set_len(n, self.at - mark);
    }

    /// The same for a parameter whose number is not known beforehand.
    #[inline(always)]
    pub fn end_since(&mut self, n: u64, mark: u64) {
        let len = self.at - mark;
        self.at = mark;
        self.end_at(n, len);
    }

    /// Length of a parameter that was ended.
    #[inline(always)]
    pub fn since(&self, mark: u64) -> u64 {
        self.at - mark
    }

    #[inline(always)]
    fn align8(&mut self) {
        unsafe { st64(self.here(), 0) };
        self.at = (self.at + 7) & !7;
        self.advance(0);
    }

    /// Ends the parameters.
    #[inline(always)]
    pub fn begin_trailer(&mut self) {
        self.align8();
        self.trailer_at = self.at;
    }

    /// Starts a section; its body is appended, then [`Record::end_section`].
    #[inline(always)]
    pub fn section(&mut self) -> u64 {
        let start = self.at;
        self.at += 8;
        start
    }

    #[inline(always)]
    pub fn end_section(&mut self, kind: SectionKind, start: u64) {
        let len = self.at - start - 8;
        // SAFETY: the place of the section's head.
        unsafe {
            st64(self.base.add(bound::<AT>(start) as usize), kind as u64 | (len & 0xffff) << 16);
        }
        self.align8();
    }

    #[inline(always)]
    fn finish_header(&mut self, who: &Who) -> u64 {
        self.align8();
        let len = bound::<AT>(self.at);
        let trailer_len = if self.trailer_at == 0 { 0 } else { self.at - self.trailer_at };
        let b = self.base;
        // SAFETY: the header's bytes, each at its own alignment; offsets as `event::FrameHeader`.
        unsafe {
            b.add(8).cast::<u32>().write_volatile(len as u32);
            b.add(12).cast::<u16>().write_volatile(self.event_type);
            b.add(14).cast::<u16>().write_volatile(self.n_params);
            b.add(16).cast::<u16>().write_volatile(self.cpu.n as u16);
            b.add(18).cast::<u16>().write_volatile(trailer_len as u16);
            b.add(20).cast::<u32>().write_volatile(self.flags);
            b.add(24).cast::<u32>().write_volatile(who.tid);
            b.add(28).cast::<u32>().write_volatile(who.tgid);
            b.add(32).cast::<u64>().write_volatile(who.start_ns);
            b.add(40).cast::<u32>().write_volatile(who.uid);
            b.add(44).cast::<u32>().write_volatile(who.gid);
            b.add(48).cast::<u64>().write_volatile(who.cgroup_id);
        }
        len
    }

    /// Full barrier, then the clock into the header: after the reservation, so that the reader may trust a drained ring's clock.
    #[inline(always)]
    fn stamp(&self) {
        // SAFETY: this CPU's words and the header's first field.
        unsafe {
            atomic_add64(self.cpu.word(cpu_layout::BARRIER), 1);
            self.base.cast::<u64>().write_volatile(bpf_ktime_get_boot_ns());
        }
    }

    /// Flags of the submission: wake the reader once if it sleeps. The reader sets its word, fences, then looks at the producer position,
    /// which the reservation advanced before the barrier in [`Record::stamp`]: one of the two sees the other.
    #[inline(always)]
    fn wakeup(&self) -> u64 {
        let sleeping = self.cpu.word(cpu_layout::SLEEPING);
        // SAFETY: this CPU's word.
        unsafe {
            if core::ptr::read_volatile(sleeping) == 0 {
                return RB_NO_WAKEUP;
            }
            core::ptr::write_volatile(sleeping, 0);
        }
        RB_FORCE_WAKEUP
    }

    /// Writes the frame into this CPU's ring and gives the scratch slot back. `keep_reserve`: leave the room that is kept for process events.
    #[inline(always)]
    pub fn submit<const KEEP_RESERVE: bool>(mut self, who: &Who) {
        self.flags |= loss::flag_of(self.cpu, who.tgid, who.start_ns);
        let len = self.finish_header(who);
        let outcome = if loss::is_simulated(self.event_type, self.flags, who) {
            Outcome::RingFull
        } else {
            self.write::<KEEP_RESERVE>(len)
        };
        self.cpu.count(u64::from(self.event_type), outcome);
        if outcome.is_drop() {
            loss::note(self.event_type, outcome, self.flags, who);
        }
        // SAFETY: this CPU's word.
        unsafe { core::ptr::write_volatile(self.cpu.word(cpu_layout::DEPTH), self.depth) };
    }

    #[inline(always)]
    fn write<const KEEP_RESERVE: bool>(&self, len: u64) -> Outcome {
        let Some(ring) = RINGS.get(self.cpu.n) else { return Outcome::NoRing };
        let ring: *mut core::ffi::c_void = core::ptr::from_ref(ring).cast_mut().cast();
        if KEEP_RESERVE {
            // SAFETY: the ring map that the lookup gave.
            let used = unsafe { bpf_ringbuf_query(ring, RB_AVAIL_DATA) };
            if used + len + RB_HEADER > feature_word(feature::RING_LIMIT) {
                return Outcome::RingFull;
            }
        }
        if feature_word(feature::DYNPTR) != 0 {
            return self.write_dynptr(ring, len);
        }
        match len {
            0..=256 => self.write_step::<256>(ring),
            257..=512 => self.write_step::<512>(ring),
            513..=1024 => self.write_step::<1024>(ring),
            1025..=2048 => self.write_step::<2048>(ring),
            2049..=4096 => self.write_step::<4096>(ring),
            4097..=8192 => self.write_step::<8192>(ring),
            8193..=16384 => self.write_step::<16384>(ring),
            _ => self.write_step::<32768>(ring),
        }
    }

    #[inline(always)]
    fn write_dynptr(&self, ring: *mut core::ffi::c_void, len: u64) -> Outcome {
        let mut room = core::mem::MaybeUninit::<bpf_dynptr>::uninit();
        let d = room.as_mut_ptr();
        // SAFETY: the dynptr is released on every way out.
        unsafe {
            if bpf_ringbuf_reserve_dynptr(ring, len as u32, 0, d) < 0 {
                bpf_ringbuf_discard_dynptr(d, 0);
                return Outcome::RingFull;
            }
            self.stamp();
            bpf_dynptr_write(d, 0, self.base.cast(), len as u32, 0);
            bpf_ringbuf_submit_dynptr(d, self.wakeup());
        }
        Outcome::Written
    }

    #[inline(always)]
    fn write_step<const N: u64>(&self, ring: *mut core::ffi::c_void) -> Outcome {
        // SAFETY: the record is submitted on the only way out; both sides have `N` bytes.
        unsafe {
            let record = bpf_ringbuf_reserve(ring, N, 0);
            if record.is_null() {
                return Outcome::RingFull;
            }
            self.stamp();
            bpf_probe_read_kernel(record, N as u32, self.base.cast());
            bpf_ringbuf_submit(record, self.wakeup());
        }
        Outcome::Written
    }
}

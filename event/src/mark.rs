//! Which processes the engine holds to be on the host, where the kernel side can ask.
//!
//! Each entry of the table has two words. The kernel side writes [`STAMP`] at every fork and exec: a number that no other fork or exec of the same process
//! ever has, which goes with the frame that tells the process's cgroups. Who has made a version of a process of such a frame, outside of
//! containers, writes the frame's stamp into [`ON_HOST`]. While the two words are the same and name the process, its `container.id` is `host`.
//!
//! Each of the two facts is one word, so there is nothing to be torn or out of order: a word that says too little lets an event pass.

#[cfg(not(target_arch = "bpf"))]
use core::sync::atomic::{AtomicU64, Ordering};

/// Entries; a process has the one of its id modulo their number. A power of two.
pub const N: usize = 1 << 16;
/// Words of an entry.
pub const WORDS: usize = 2;
/// Word of the last fork or exec of the last process that made one here; 0 for none since the programs were attached.
pub const STAMP: usize = 0;
/// Word of the stamp whose process is on the host, as of its frame; 0 for none.
pub const ON_HOST: usize = 1;

/// Process ids have 22 bits at most (`PID_MAX_LIMIT`, include/linux/threads.h): those above the entry's are the lowest of a stamp.
const HIGH_BITS: u64 = 0x3f;
/// Numbers of CPUs, above them.
const CPU_BITS: u64 = 0x3ff;

const _: () = assert!(N << HIGH_BITS.count_ones() == 1 << 22);

/// Entry of a process.
#[inline(always)]
#[must_use]
#[expect(clippy::inline_always, reason = "the kernel side has no calls that cost less")]
pub const fn place(tgid: u32) -> usize {
    tgid as usize & (N - 1)
}

/// The stamp of the `n`-th fork or exec of a CPU, counted from 1. O(1).
#[inline(always)]
#[must_use]
#[expect(clippy::inline_always, reason = "the kernel side has no calls that cost less")]
pub const fn stamp(tgid: u32, cpu: u32, n: u64) -> u64 {
    n << 16 | (cpu as u64 & CPU_BITS) << 6 | (tgid as u64 >> 16 & HIGH_BITS)
}

/// Whether a stamp of a process's entry is the process's own.
#[inline(always)]
#[must_use]
#[expect(clippy::inline_always, reason = "the kernel side has no calls that cost less")]
pub const fn is_of(stamp: u64, tgid: u32) -> bool {
    stamp & HIGH_BITS == tgid as u64 >> 16 & HIGH_BITS && stamp != 0
}

/// In place of a CPU, where a number of 0 tells that no fork or exec made the stamp: a process from before the programs were attached.
#[cfg(not(target_arch = "bpf"))]
const FROM_BEFORE: u32 = 1;
/// The same: a process of which nothing is told until its next fork or exec.
const WITHDRAWN: u32 = 2;

/// In place of a stamp: one that nobody tells of.
#[inline(always)]
#[must_use]
#[expect(clippy::inline_always, reason = "the kernel side has no calls that cost less")]
pub const fn withdrawn(tgid: u32) -> u64 {
    stamp(tgid, WITHDRAWN, 0)
}

/// The table in memory that it shares with the kernel side.
#[cfg(not(target_arch = "bpf"))]
#[derive(Clone, Copy, Debug)]
pub struct HostMarks(&'static [AtomicU64]);

#[cfg(not(target_arch = "bpf"))]
impl HostMarks {
    /// The words of all entries; `None` where they are not as many.
    #[must_use]
    pub fn new(words: &'static [AtomicU64]) -> Option<Self> {
        (words.len() == N * WORDS).then_some(Self(words))
    }

    fn entry(self, tgid: u32) -> (&'static AtomicU64, &'static AtomicU64) {
        let at = place(tgid) * WORDS;
        (&self.0[at + STAMP], &self.0[at + ON_HOST])
    }

    /// A process is where the frame with this stamp tells, by the version that was made of the frame.
    pub fn tell(self, stamp: u64, tgid: u32, is_host: bool) {
        // Relaxed, here and below: each word says all that it says by itself, see the module.
        self.entry(tgid).1.store(if is_host { stamp } else { 0 }, Ordering::Relaxed);
    }

    /// A process that was looked at rather than seen to fork or exec is on the host or not. Where nothing has made a stamp in its entry since the
    /// programs were attached, it has done neither, and what was found is so until it does.
    pub fn tell_found(self, tgid: u32, is_host: bool) {
        let (stamp, on_host) = self.entry(tgid);
        let own = self::stamp(tgid, FROM_BEFORE, 0);
        if !is_host {
            on_host.store(0, Ordering::Relaxed);
        } else if stamp.compare_exchange(0, own, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            on_host.store(own, Ordering::Relaxed);
        }
    }

    /// Takes back what was told of a process, now and of every frame that is under way: only a fork or an exec that is still to come has a stamp
    /// that counts. Before somebody looks at the process, since what he finds may be another container than that of its last exec.
    pub fn withdraw(self, tgid: u32) {
        let (stamp, _) = self.entry(tgid);
        let mut found = stamp.load(Ordering::Relaxed);
        let none = withdrawn(tgid);
        while found == 0 || is_of(found, tgid) {
            match stamp.compare_exchange(found, none, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(newer) => found = newer,
            }
        }
    }

    /// Whether events of a process are certainly of the host, as the kernel side finds it.
    #[must_use]
    pub fn is_on_host(self, tgid: u32) -> bool {
        let (stamp, on_host) = self.entry(tgid);
        let stamp = stamp.load(Ordering::Relaxed);
        is_of(stamp, tgid) && on_host.load(Ordering::Relaxed) == stamp
    }

    /// Forgets everything; while no program is attached.
    pub fn clear(self) {
        for word in self.0 {
            word.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::boxed::Box;
    use std::vec::Vec;

    use super::*;

    /// The table, and the kernel side's word of an entry.
    fn table() -> (HostMarks, impl Fn(u32, u64)) {
        let words: Vec<AtomicU64> = (0..N * WORDS).map(|_| AtomicU64::new(0)).collect();
        let marks = HostMarks::new(Box::leak(words.into_boxed_slice())).unwrap();
        let put = move |tgid, stamp| marks.entry(tgid).0.store(stamp, Ordering::Relaxed);
        (marks, put)
    }

    #[test]
    fn a_stamp_names_its_process_its_cpu_and_its_number() {
        let ids = [1, 65_535, 65_536, 65_537, (1 << 22) - 1];
        let mut all: Vec<(usize, u64)> = Vec::new();
        for tgid in ids {
            for cpu in [0, 1, 2, 1023] {
                for n in [1, 2, (1 << 48) - 1] {
                    let stamp = stamp(tgid, cpu, n);
                    assert!(is_of(stamp, tgid));
                    let others = ids.iter().filter(|&&other| place(other) == place(tgid));
                    assert_eq!(others.filter(|&&other| is_of(stamp, other)).count(), 1);
                    all.push((place(tgid), stamp));
                }
            }
            all.push((place(tgid), stamp(tgid, FROM_BEFORE, 0)));
            all.push((place(tgid), withdrawn(tgid)));
        }
        let n = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), n, "no two are the same");
        assert!(!is_of(0, 1), "none is none");
    }

    #[test]
    fn a_process_is_on_the_host_until_its_next_stamp() {
        let (marks, put) = table();
        put(7, stamp(7, 0, 1));
        assert!(!marks.is_on_host(7), "not told yet");
        marks.tell(stamp(7, 0, 1), 7, true);
        assert!(marks.is_on_host(7));
        put(7, stamp(7, 3, 1));
        assert!(!marks.is_on_host(7), "an exec that is not told of");
        // What comes late is of the frame before.
        marks.tell(stamp(7, 0, 1), 7, true);
        assert!(!marks.is_on_host(7));
        marks.tell(stamp(7, 3, 1), 7, false);
        assert!(!marks.is_on_host(7));
        marks.tell(stamp(7, 3, 1), 7, true);
        assert!(marks.is_on_host(7));
        marks.tell(stamp(7, 3, 1), 7, false);
        assert!(!marks.is_on_host(7));
    }

    #[test]
    fn who_shares_an_entry_is_not_taken_for_another() {
        let (marks, put) = table();
        let (one, other) = (7, 7 + N as u32);
        put(one, stamp(one, 0, 1));
        marks.tell(stamp(one, 0, 1), one, true);
        assert!(marks.is_on_host(one) && !marks.is_on_host(other));
        put(other, stamp(other, 0, 2));
        assert!(!marks.is_on_host(one) && !marks.is_on_host(other));
        marks.tell(stamp(other, 0, 2), other, true);
        assert!(!marks.is_on_host(one) && marks.is_on_host(other));
        // Of the one that has no stamp any more nothing can be told, nor taken back from the other.
        marks.withdraw(one);
        marks.tell_found(one, true);
        assert!(!marks.is_on_host(one) && marks.is_on_host(other));
    }

    #[test]
    fn who_was_there_before_is_told_of_until_it_makes_a_stamp_or_is_looked_at_again() {
        let (marks, put) = table();
        marks.tell_found(7, false);
        assert!(!marks.is_on_host(7));
        marks.tell_found(7, true);
        assert!(marks.is_on_host(7));
        marks.tell_found(7 + N as u32, true);
        assert!(marks.is_on_host(7) && !marks.is_on_host(7 + N as u32));
        put(7, stamp(7, 0, 1));
        marks.tell_found(7, true);
        assert!(!marks.is_on_host(7), "it is not known when it was found so");
        // Looked at again before anything was told of it.
        marks.withdraw(8);
        marks.tell_found(8, true);
        assert!(!marks.is_on_host(8));
        marks.tell_found(9, true);
        marks.withdraw(9);
        marks.tell_found(9, true);
        assert!(!marks.is_on_host(9));
        put(9, stamp(9, 1, 1));
        marks.tell(stamp(9, 1, 1), 9, true);
        assert!(marks.is_on_host(9), "an exec tells anew");
    }

    #[test]
    fn a_frame_under_way_does_not_bring_back_what_was_withdrawn() {
        let (marks, put) = table();
        put(7, stamp(7, 0, 1));
        marks.withdraw(7);
        marks.tell(stamp(7, 0, 1), 7, true);
        assert!(!marks.is_on_host(7));
        marks.clear();
        marks.tell_found(7, true);
        assert!(marks.is_on_host(7));
    }
}

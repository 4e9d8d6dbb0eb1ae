//! Which processes lost a frame that told of a change of them, as the kernel side noted it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering, fence},
};

use aya::maps::{HashMap, MapData};
use event::{EventType, Outcome, cpu_layout, lost};

use super::{
    load::{Probe, chain, take},
    report::ProbeError,
    sys::{Mapping, load},
};

/// How many frames were lost that told of a change of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LossCounts {
    /// Those whose process was noted.
    pub noted: u64,
    /// Those for whose process there was no room: it may be any.
    pub unnoted: u64,
}

/// A process that lost a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Process id.
    pub tgid: u32,
    /// Boot-clock ns at which it started.
    pub start_ns: u64,
    /// When the last such frame was lost, on the same clock.
    pub ts: u64,
    /// What that frame was.
    pub event_type: EventType,
    /// Why it was lost.
    pub cause: Option<Outcome>,
}

/// The kernel side's notes of losses.
#[derive(Debug)]
pub struct Losses {
    map: HashMap<MapData, lost::Key, lost::Value>,
    cpus: Arc<Mapping>,
    n_cpus: usize,
}

impl Probe {
    /// The notes of losses; they can be taken once.
    ///
    /// # Errors
    /// [`ProbeError::Object`] where they were taken.
    pub fn losses(&mut self) -> Result<Losses, ProbeError> {
        let map = take(&mut self.object, "LOST")?;
        Ok(Losses { map, cpus: Arc::clone(&self.cpus), n_cpus: self.n_cpus as usize })
    }
}

impl Losses {
    fn sum(&self, word: usize) -> u64 {
        let of_cpu = |n| load(self.cpus.word(8 * (n * cpu_layout::WORDS + word)));
        (0..self.n_cpus).map(of_cpu).sum()
    }

    /// The counts, out of shared memory: no system call.
    #[must_use]
    pub fn counts(&self) -> LossCounts {
        LossCounts {
            noted: self.sum(cpu_layout::LOSSES_NOTED),
            unnoted: self.sum(cpu_layout::LOSSES_UNNOTED),
        }
    }

    /// At most so many of the processes that are noted.
    ///
    /// # Errors
    /// [`ProbeError::Map`] where the kernel refuses to say.
    pub fn read(&self, max: usize) -> Result<Vec<Loss>, ProbeError> {
        let refused = |e| ProbeError::Map { map: "LOST", reason: chain(&e) };
        let mut all = Vec::new();
        for entry in self.map.iter().take(max) {
            let ([tgid, start_ns], [ts, what]) = entry.map_err(refused)?;
            let cause = Outcome::ALL.into_iter().find(|&o| o as u64 == what >> 16);
            let event_type = EventType(what as u16);
            all.push(Loss { tgid: tgid as u32, start_ns, ts, event_type, cause });
        }
        Ok(all)
    }

    /// Takes a process off the notes, unless it has lost something since they were read: what happens to it from now on is noted anew.
    pub fn remove(&mut self, loss: &Loss) {
        let key = [u64::from(loss.tgid), loss.start_ns];
        if self.map.get(&key, 0).is_ok_and(|[ts, _]| ts == loss.ts) {
            // It fails only for one that is gone already.
            let _: Result<(), _> = self.map.remove(&key);
        }
    }

    /// Lowers what makes the kernel side look into its notes, where nothing is noted and nothing was lost since `seen` was read. Gives whether it is
    /// down.
    pub fn lower(&mut self, seen: LossCounts) -> bool {
        for word in self.words() {
            replace_bytes(word, |_, value| (value != 0).then_some(cpu_layout::LOSS_LOWERING));
        }
        // Pairs with the barrier in `note_process` of capture-ebpf, loss.rs: it counts, then looks at the byte; here the other way round. So a loss is
        // in the counts, or puts the byte up behind this.
        fence(Ordering::SeqCst);
        let now = self.counts();
        let is_some_left = now.noted != seen.noted || self.map.keys().next().is_some();
        let is_any_left = now.unnoted != seen.unnoted;
        let mut is_down = true;
        for word in self.words() {
            let left = replace_bytes(word, |byte, value| {
                let is_left = match byte {
                    cpu_layout::LOSS_OF_ANY => is_any_left,
                    _ => is_some_left,
                };
                match (is_left, value) {
                    (true, _) => Some(cpu_layout::LOSS_UP),
                    (false, cpu_layout::LOSS_LOWERING) => Some(0),
                    (false, _) => None,
                }
            });
            is_down &= left == 0;
        }
        is_down
    }

    fn words(&self) -> impl Iterator<Item = &AtomicU64> {
        let at = |n| 8 * (n * cpu_layout::WORDS + cpu_layout::LOSS);
        (0..self.n_cpus).map(move |n| self.cpus.word(at(n)))
    }
}

/// Replaces the bytes of a word by what `change` gives for their place and value, and gives the word: at once, so that what the kernel side writes
/// meanwhile is not written over unseen.
fn replace_bytes(word: &AtomicU64, change: impl Fn(usize, u8) -> Option<u8>) -> u64 {
    let changed = |word: u64| {
        let mut bytes = word.to_le_bytes();
        for byte in [cpu_layout::LOSS_OF_SOME, cpu_layout::LOSS_OF_ANY] {
            bytes[byte] = change(byte, bytes[byte]).unwrap_or(bytes[byte]);
        }
        u64::from_le_bytes(bytes)
    };
    let mut now = word.load(Ordering::Relaxed);
    loop {
        let then = changed(now);
        // Relaxed: what orders this against the counts is the fence in `lower`.
        match word.compare_exchange_weak(now, then, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return then,
            Err(other) => now = other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_replaced_by_place_and_value() {
        let word = AtomicU64::new(0x0201);
        let twice = |byte, value: u8| (byte == cpu_layout::LOSS_OF_ANY).then_some(value * 2);
        assert_eq!(replace_bytes(&word, twice), 0x0401);
        assert_eq!(replace_bytes(&word, |_, _| None), 0x0401);
        assert_eq!(replace_bytes(&word, |_, _| Some(0)), 0);
    }
}

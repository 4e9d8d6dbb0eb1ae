//! Which processes lost a frame that told of a change of them, as the kernel side noted it.

use std::sync::{
    Arc,
    atomic::{Ordering, fence},
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
        let map = take(&mut self.ebpf, "LOST")?;
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

    /// Takes a process off the notes: what happens to it from now on is noted anew.
    pub fn remove(&mut self, loss: &Loss) {
        // It fails only for one that is gone already.
        let _: Result<(), _> = self.map.remove(&[u64::from(loss.tgid), loss.start_ns]);
    }

    /// Lowers what makes the kernel side look into its notes, where nothing is noted and nothing was lost since `seen` was read; else puts every CPU
    /// on the level of the greatest loss. Gives whether it is down.
    pub fn lower(&mut self, seen: LossCounts) -> bool {
        let mut level = self.level_since(seen);
        loop {
            self.set_level(level);
            // Pairs with the barrier in `note_process` of capture-ebpf, loss.rs: it counts, then looks at the level; here the other way round. What
            // it raised may just have been written over, whatever was written.
            fence(Ordering::SeqCst);
            let now = self.level_since(seen);
            if now <= level {
                return level == 0;
            }
            level = now;
        }
    }

    /// The level of the greatest loss that is noted, or that was counted since `seen` was read.
    fn level_since(&self, seen: LossCounts) -> u64 {
        let now = self.counts();
        if now.unnoted != seen.unnoted {
            cpu_layout::LOSS_OF_ANY
        } else if now.noted != seen.noted || self.map.keys().next().is_some() {
            cpu_layout::LOSS_OF_SOME
        } else {
            0
        }
    }

    fn set_level(&self, level: u64) {
        for n in 0..self.n_cpus {
            let at = 8 * (n * cpu_layout::WORDS + cpu_layout::LOSS);
            self.cpus.word(at).store(level, Ordering::Relaxed);
        }
    }
}

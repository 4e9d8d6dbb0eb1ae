//! Asks for processes to be looked at again of which something was lost, or nothing is known.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Processes that are remembered as asked for; an event of an unknown process asks once and not each time.
const N_ASKED: usize = 1024;

/// Takes the id and the start of a process to be looked at, without blocking; `false` where there is no room.
type Ask = Box<dyn Fn(u32, u64) -> bool + Send + Sync>;

/// Who looks again at processes; nobody in a replay.
pub struct Repairs {
    ask: OnceLock<Ask>,
    /// Those asked for, each in the one place that it can be in.
    asked: Box<[AtomicU64]>,
    n_unasked: AtomicU64,
}

impl Default for Repairs {
    fn default() -> Self {
        Self {
            ask: OnceLock::new(),
            asked: (0..N_ASKED).map(|_| AtomicU64::new(0)).collect(),
            n_unasked: AtomicU64::new(0),
        }
    }
}

impl Repairs {
    /// From now on questions go to `ask`; the first caller stays.
    pub fn ask_by(&self, ask: impl Fn(u32, u64) -> bool + Send + Sync + 'static) {
        // A second one would come from a second topology on the same table, which nobody builds.
        let _kept: Result<(), _> = self.ask.set(Box::new(ask));
    }

    /// Questions for which there was no room. What they were about stays unknown, or in doubt, and is asked for at a later event.
    #[must_use]
    pub fn n_unasked(&self) -> u64 {
        self.n_unasked.load(Ordering::Relaxed)
    }

    /// Asks for a process, unless it was asked for before. Start 0 is unknown.
    pub(crate) fn ask(&self, tgid: u32, start_ns: u64) {
        if self.ask.get().is_none() {
            return;
        }
        let (name, place) = self.place(tgid, start_ns);
        // Relaxed, here and below: two shards that ask at the same time cost one question too many.
        if place.load(Ordering::Relaxed) != name {
            place.store(name, Ordering::Relaxed);
            self.ask_again(tgid, start_ns);
        }
    }

    /// Asks for a process whatever was asked before.
    pub(crate) fn ask_again(&self, tgid: u32, start_ns: u64) {
        if let Some(ask) = self.ask.get()
            && !ask(tgid, start_ns)
        {
            self.n_unasked.fetch_add(1, Ordering::Relaxed);
            self.place(tgid, start_ns).1.store(0, Ordering::Relaxed);
        }
    }

    /// What a process is remembered by, which is never 0, and where.
    fn place(&self, tgid: u32, start_ns: u64) -> (u64, &AtomicU64) {
        let name = (start_ns ^ u64::from(tgid) << 42).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        (name, &self.asked[(name >> 54) as usize])
    }
}

const _: () = assert!(N_ASKED == 1 << (64 - 54));

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn each_process_is_asked_for_once() {
        let repairs = Repairs::default();
        repairs.ask(1, 1);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&asked);
        repairs.ask_by(move |tgid, start| {
            to.lock().unwrap().push((tgid, start));
            tgid != 9
        });
        for (tgid, start) in [(7, 5), (7, 5), (7, 6), (8, 5), (8, 5)] {
            repairs.ask(tgid, start);
        }
        repairs.ask_again(8, 5);
        repairs.ask(9, 1);
        assert_eq!(*asked.lock().unwrap(), [(7, 5), (7, 6), (8, 5), (8, 5), (9, 1)]);
        assert_eq!(repairs.n_unasked(), 1);
        // There was no room for it, so it is asked for again.
        repairs.ask(9, 1);
        assert_eq!((asked.lock().unwrap().len(), repairs.n_unasked()), (6, 2));
    }
}

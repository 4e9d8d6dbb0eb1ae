//! One CPU: a fair scheduler over the work of the machine's processes and the engine's threads that are bound to it.

/// Whom a CPU runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The processes of the machine, as one.
    Work,
    /// An engine thread, by number.
    Engine(usize),
}

/// How much longer one may have run than another before it has to give way: the slice that the engine's threads ask for.
const SLICE_NS: u64 = 100_000;

#[derive(Clone, Copy, Debug)]
struct Runnable {
    who: Who,
    /// Time that it had on this CPU, as fairness counts it.
    ran_ns: u64,
    is_awake: bool,
}

/// A CPU. It runs units (one event of a process, one poll of a thread) to their end.
#[derive(Debug)]
pub(crate) struct Cpu {
    all: Vec<Runnable>,
    last: Option<Who>,
    /// Somebody woke who may be ahead of who runs.
    resched: bool,
    /// What runs now; nothing while idle.
    pub(crate) current: Option<Who>,
    /// Counts up with each unit, so that an event of an older one is known.
    pub(crate) turn: u64,
}

impl Cpu {
    pub(crate) fn new() -> Self {
        let work = Runnable { who: Who::Work, ran_ns: 0, is_awake: false };
        Self { all: vec![work], last: None, resched: false, current: None, turn: 0 }
    }

    pub(crate) fn bind(&mut self, engine: usize) {
        self.all.push(Runnable { who: Who::Engine(engine), ran_ns: 0, is_awake: true });
    }

    pub(crate) fn wake(&mut self, who: Who) {
        let least = self.all.iter().filter(|r| r.is_awake).map(|r| r.ran_ns).min();
        let Some(r) = self.all.iter_mut().find(|r| r.who == who && !r.is_awake) else { return };
        r.is_awake = true;
        // Whoever slept gets no more than a slice of what it did not use.
        r.ran_ns = r.ran_ns.max(least.unwrap_or(0).saturating_sub(SLICE_NS));
        self.resched = true;
    }

    pub(crate) fn sleep(&mut self, who: Who) {
        for r in self.all.iter_mut().filter(|r| r.who == who) {
            r.is_awake = false;
        }
    }

    /// It ran for so long.
    pub(crate) fn charge(&mut self, who: Who, ns: u64) {
        for r in self.all.iter_mut().filter(|r| r.who == who) {
            r.ran_ns += ns;
        }
    }

    /// It lets all others go first.
    pub(crate) fn give_way(&mut self, who: Who) {
        let most = self.all.iter().filter(|r| r.is_awake && r.who != who).map(|r| r.ran_ns).max();
        for r in self.all.iter_mut().filter(|r| r.who == who) {
            r.ran_ns = r.ran_ns.max(most.unwrap_or(0));
        }
        self.resched = true;
    }

    /// Whether a thread that woke is ahead of the work that runs; the work then stops, `left_ns` of its unit not done.
    pub(crate) fn gives_way(&mut self, left_ns: u64, to: Who) -> bool {
        let ran = |who| self.all.iter().find(|r| r.who == who).map_or(0, |r| r.ran_ns);
        let is_ahead = ran(to) < ran(Who::Work).saturating_sub(left_ns);
        if is_ahead {
            for r in self.all.iter_mut().filter(|r| r.who == Who::Work) {
                r.ran_ns -= left_ns.min(r.ran_ns);
            }
            self.current = None;
        }
        is_ahead
    }

    /// Who runs next, and whether that is somebody else than before.
    pub(crate) fn pick(&mut self) -> Option<(Who, bool)> {
        let awake = || self.all.iter().filter(|r| r.is_awake);
        let least = awake().min_by_key(|r| r.ran_ns)?;
        let stays = awake().find(|r| Some(r.who) == self.last);
        let patience = if self.resched { 0 } else { SLICE_NS };
        let next = match stays {
            Some(stays) if stays.ran_ns <= least.ran_ns + patience => stays.who,
            _ => least.who,
        };
        self.resched = false;
        let is_new = self.last.replace(next) != Some(next);
        Some((next, is_new))
    }
}

//! What each thread of the pipeline carries: its part of the frames, the time that it was on a CPU, and what waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::thread::gettid;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::clock::boot_now_ns;

/// The CPU time of a thread, asked of the system when somebody wants to know; the thread itself spends nothing on it.
#[derive(Debug, Default)]
pub struct ThreadTime {
    /// Its id; 0 before it runs.
    tid: AtomicU64,
    began_ns: AtomicU64,
    /// Once it has ended: for how long it ran, and on a CPU.
    ran_ns: AtomicU64,
    cpu_ns: AtomicU64,
}

impl ThreadTime {
    /// Runs what the thread is there for, and notes when it began and what it took.
    pub fn during<T>(&self, run: impl FnOnce() -> T) -> T {
        self.began_ns.store(boot_now_ns(), Ordering::Relaxed);
        // Release: pairs with the Acquire in `read`.
        self.tid
            .store(u64::from(gettid().as_raw_nonzero().get().unsigned_abs()), Ordering::Release);
        let end = run();
        let cpu = clock_gettime(ClockId::ThreadCPUTime);
        let seconds = u64::try_from(cpu.tv_sec).unwrap_or(0);
        let ns = seconds * 1_000_000_000 + u64::try_from(cpu.tv_nsec).unwrap_or(0);
        self.cpu_ns.store(ns, Ordering::Relaxed);
        let ran_ns = boot_now_ns().saturating_sub(self.began_ns.load(Ordering::Relaxed));
        // Release: pairs with the Acquire in `read`.
        self.ran_ns.store(ran_ns.max(1), Ordering::Release);
        end
    }

    /// For how long it has run, and how much of that on a CPU, in ns; `None` for a thread that has not begun, or where `/proc` does not say.
    fn read(&self) -> Option<(u64, u64)> {
        let ended = || match self.ran_ns.load(Ordering::Acquire) {
            0 => None,
            ran_ns => Some((ran_ns, self.cpu_ns.load(Ordering::Relaxed))),
        };
        let tid = self.tid.load(Ordering::Acquire);
        ended().or_else(|| {
            let stat = std::fs::read_to_string(format!("/proc/self/task/{tid}/schedstat"));
            let now = boot_now_ns();
            // It may have ended meanwhile.
            ended().or_else(|| {
                let cpu_ns = stat.ok()?.split(' ').next()?.parse().ok()?;
                Some((now.saturating_sub(self.began_ns.load(Ordering::Relaxed)), cpu_ns))
            })
        })
    }
}

/// What a thread carries, for [`crate::Registry::load`].
pub(crate) struct Load {
    pub(crate) name: String,
    pub(crate) frames: Box<dyn Fn() -> u64 + Send + Sync>,
    pub(crate) waiting: Option<Box<dyn Fn() -> u64 + Send + Sync>>,
    pub(crate) time: Arc<ThreadTime>,
}

impl Load {
    pub(crate) fn report(&self) -> LoadReport {
        let Self { name, frames, waiting, time } = self;
        let (ran_ns, cpu_ns) = time.read().unzip();
        LoadReport {
            name: name.clone(),
            n_frames: frames(),
            share: 0.0,
            ran_ns,
            cpu_ns,
            busy: None,
            waiting: waiting.as_ref().map(|waiting| waiting()),
        }
    }
}

/// What a thread has carried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadReport {
    /// The thread's name.
    pub name: String,
    /// Frames that it was given.
    pub n_frames: u64,
    /// Its part of the frames of all threads of its kind (`shard-3` is one of the kind `shard`), 0 to 1.
    pub share: f64,
    /// How long it has run, in ns; `None` where it is no thread of its own.
    pub ran_ns: Option<u64>,
    /// How much of that on a CPU.
    pub cpu_ns: Option<u64>,
    /// The part of the time that it was on a CPU, 0 to 1.
    pub busy: Option<f64>,
    /// Frames that wait for it.
    pub waiting: Option<u64>,
}

/// Finishes the reports of all threads: shares of their kind, and of the time.
pub(crate) fn with_shares(mut all: Vec<LoadReport>) -> Vec<LoadReport> {
    let part =
        |n: u64, of: u64| if of == 0 { 0.0 } else { (n as f64 / of as f64 * 1e4).round() / 1e4 };
    for n in 0..all.len() {
        let kind = kind(&all[n].name);
        let of_kind = all.iter().filter(|load| self::kind(&load.name) == kind);
        let share = part(all[n].n_frames, of_kind.map(|load| load.n_frames).sum());
        let load = &mut all[n];
        load.share = share;
        load.busy = load.cpu_ns.zip(load.ran_ns).map(|(cpu_ns, ran_ns)| part(cpu_ns, ran_ns));
    }
    all
}

fn kind(name: &str) -> &str {
    name.split('-').next().unwrap_or(name)
}

/// What they carried between two snapshots; what waits is that of the end.
pub(crate) fn since(now: &[LoadReport], earlier: &[LoadReport]) -> Vec<LoadReport> {
    let less =
        |now: Option<u64>, before: Option<u64>| now.map(|n| n.saturating_sub(before.unwrap_or(0)));
    let since = |load: &LoadReport| {
        let before = earlier.iter().find(|e| e.name == load.name);
        LoadReport {
            n_frames: load.n_frames.saturating_sub(before.map_or(0, |b| b.n_frames)),
            ran_ns: less(load.ran_ns, before.and_then(|b| b.ran_ns)),
            cpu_ns: less(load.cpu_ns, before.and_then(|b| b.cpu_ns)),
            ..load.clone()
        }
    };
    with_shares(now.iter().map(since).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_thread_that_works_is_busy_while_it_runs_and_known_afterwards() {
        let time = Arc::new(ThreadTime::default());
        assert_eq!(time.read(), None, "it has not begun");
        let (spun, has_spun) = mpsc::channel();
        let (end, ending) = mpsc::channel::<()>();
        let of_thread = Arc::clone(&time);
        let thread = std::thread::spawn(move || {
            of_thread.during(|| {
                let cpu_ms = || clock_gettime(ClockId::ThreadCPUTime).tv_nsec / 1_000_000;
                while cpu_ms() < 20 {}
                spun.send(()).unwrap();
                ending.recv().unwrap_err();
            });
        });
        has_spun.recv().unwrap();
        // The scheduler brings a thread's time up to date when it leaves the CPU, or with the next tick.
        let deadline = boot_now_ns() + 5_000_000_000;
        let (ran_ns, cpu_ns) = loop {
            match time.read() {
                Some((ran_ns, cpu_ns)) if cpu_ns >= 20_000_000 => break (ran_ns, cpu_ns),
                other => assert!(boot_now_ns() < deadline, "{other:?}"),
            }
        };
        // The time of the CPU is read after the other, and has what the thread did before it began.
        assert!(cpu_ns <= ran_ns + 1_000_000, "{cpu_ns} of {ran_ns}");
        drop(end);
        thread.join().unwrap();
        let ended = time.read().unwrap();
        assert!(ended.1 >= 20_000_000 && ended.0 + 1_000_000 >= ended.1, "{ended:?}");
        assert_eq!(time.read(), Some(ended), "it stands still");
    }

    #[test]
    fn shares_are_of_the_kind_and_of_the_interval() {
        let load = |name: &str, n_frames, ran_ns, cpu_ns| LoadReport {
            name: name.into(),
            n_frames,
            share: 0.0,
            ran_ns,
            cpu_ns,
            busy: None,
            waiting: Some(3),
        };
        let first = with_shares(vec![
            load("cap-0", 400, Some(100), Some(10)),
            load("shard-0", 300, Some(100), Some(50)),
            load("shard-1", 100, None, None),
        ]);
        let told = |all: &[LoadReport]| all.iter().map(|l| (l.share, l.busy)).collect::<Vec<_>>();
        assert_eq!(told(&first), [(1.0, Some(0.1)), (0.75, Some(0.5)), (0.25, None)]);
        let second = vec![
            load("cap-0", 400, Some(200), Some(10)),
            load("shard-0", 300, Some(200), Some(150)),
            load("shard-1", 400, None, None),
        ];
        let between = since(&second, &first);
        assert_eq!(told(&between), [(0.0, Some(0.0)), (0.0, Some(1.0)), (1.0, None)]);
        assert_eq!((between[2].n_frames, between[2].waiting), (300, Some(3)));
    }
}

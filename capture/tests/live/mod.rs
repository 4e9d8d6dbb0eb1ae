//! Live tests' ground: the kernel side scoped to this test process and its children, and a reader with a deadline.

#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod call;
pub(crate) mod ia32;
pub(crate) mod raw;

use std::time::{Duration, Instant};

use capture::{KernelRing, Peek, Probe, ProbeOptions, Ring};
use event::{EventSet, EventType, Frame};

/// How long an event may take to arrive.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// A probe that sees this process and what it starts.
pub(crate) struct Live {
    pub(crate) probe: Probe,
    pub(crate) rings: Vec<KernelRing>,
    pub(crate) frames: Vec<Vec<u8>>,
}

/// Whether live tests can run here; says why not.
pub(crate) fn can_run() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let is_root =
        status.lines().any(|l| l.starts_with("Uid:") && l.split_whitespace().nth(2) == Some("0"));
    if !is_root {
        eprintln!("skipped: live tests need root");
        return false;
    }
    if !std::path::Path::new("/sys/kernel/btf/vmlinux").exists() {
        eprintln!("skipped: this kernel has no BTF");
        return false;
    }
    true
}

impl Live {
    pub(crate) fn start(types: &[EventType]) -> Option<Self> {
        let interest: EventSet = types.iter().copied().collect();
        Self::with(ProbeOptions { interest, ..ProbeOptions::default() })
    }

    pub(crate) fn with(options: ProbeOptions) -> Option<Self> {
        if !can_run() {
            return None;
        }
        let options =
            ProbeOptions { scope_pid: Some(std::process::id()), self_tgid: None, ..options };
        let mut probe = Probe::load(options).unwrap();
        let rings = probe.rings().expect("the rings");
        probe.attach().unwrap();
        Some(Self { probe, rings, frames: Vec::new() })
    }

    /// Moves what the rings hold into `frames`.
    pub(crate) fn drain(&mut self) {
        for ring in &mut self.rings {
            loop {
                match ring.peek() {
                    Peek::Record { frame, .. } => {
                        self.frames.push(frame.to_vec());
                        ring.advance();
                        ring.release();
                    }
                    Peek::Busy => std::hint::spin_loop(),
                    Peek::Empty => break,
                }
            }
        }
    }

    /// Detaches, and holds the kernel's books to account: everything seen is explained, nothing was dropped.
    pub(crate) fn finish(mut self) {
        self.probe.detach();
        // A program that was running on another CPU when its hook went ends a moment later.
        let start = Instant::now();
        let mut counters = self.probe.counters();
        while counters.unexplained() != 0 && start.elapsed() < DEADLINE {
            std::thread::yield_now();
            counters = self.probe.counters();
        }
        assert_eq!(counters.unexplained(), 0, "{:?}", counters.cells().collect::<Vec<_>>());
        assert_eq!(counters.n_drops(), 0, "{:?}", counters.cells().collect::<Vec<_>>());
    }

    /// The first frame that `wanted` takes, waiting for it; it is removed.
    pub(crate) fn wait(&mut self, what: &str, wanted: impl Fn(&Frame<'_>) -> bool) -> Vec<u8> {
        let start = Instant::now();
        loop {
            self.drain();
            let found = self.frames.iter().position(|f| Frame::parse(f).is_ok_and(|f| wanted(&f)));
            if let Some(n) = found {
                return self.frames.remove(n);
            }
            assert!(
                start.elapsed() < DEADLINE,
                "no {what} within {DEADLINE:?}; {} frames, skipped {:?}, counters {:?}",
                self.frames.len(),
                self.probe.counters().recursion_misses,
                self.probe.counters().cells().collect::<Vec<_>>()
            );
            std::thread::yield_now();
        }
    }
}

/// Text of a parameter, lossy.
pub(crate) fn text(frame: &Frame<'_>, n: usize) -> String {
    String::from_utf8_lossy(frame.param_str(n).unwrap_or_default()).into_owned()
}

/// This thread's id.
pub(crate) fn tid() -> u32 {
    let stat = std::fs::read_link("/proc/thread-self").unwrap();
    stat.file_name().unwrap().to_str().unwrap().parse().unwrap()
}

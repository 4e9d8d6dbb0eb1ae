//! What happens to a process without a call of its own, on the running kernel: it leaves its CPU, and touches pages that are not there.

mod live;

use std::{collections::BTreeSet, thread, time::Duration};

use capture::{Asked, ForkSides, ProbeOptions, Wanted};
use event::{CallSet, EventType, Frame, Outcome};
use live::{Live, tid};

const SWITCH: EventType = EventType::SWITCH_6_E;
const PAGE_FAULT: EventType = EventType::PAGE_FAULT_E;
const PAGE: usize = 4096;
const N_PAGES: usize = 32;
const N_SLEEPS: usize = 20;

/// Fresh pages, none of them there.
struct Pages(*mut u8);

impl Pages {
    fn new() -> Self {
        // SAFETY: a new anonymous mapping, which `drop` gives back; without huge pages each page faults by itself.
        unsafe {
            let (access, kind) =
                (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            let at = libc::mmap(std::ptr::null_mut(), N_PAGES * PAGE, access, kind, -1, 0);
            assert_ne!(at, libc::MAP_FAILED);
            libc::madvise(at, N_PAGES * PAGE, libc::MADV_NOHUGEPAGE);
            Self(at.cast())
        }
    }

    fn addresses(&self) -> BTreeSet<u64> {
        (0..N_PAGES).map(|n| self.0 as u64 + (n * PAGE) as u64).collect()
    }

    fn touch(&self) {
        for n in 0..N_PAGES {
            // SAFETY: inside the mapping.
            unsafe { self.0.add(n * PAGE).write_volatile(1) };
        }
    }

    /// Has the kernel write to each.
    fn fill(&self) {
        let file = std::fs::File::open("/dev/zero").unwrap();
        let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
        // SAFETY: the buffer is the mapping.
        let n = unsafe { libc::read(fd, self.0.cast(), N_PAGES * PAGE) };
        assert_eq!(n, (N_PAGES * PAGE) as isize);
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and nobody keeps an address.
        unsafe { libc::munmap(self.0.cast(), N_PAGES * PAGE) };
    }
}

fn sleep_often() {
    for _ in 0..N_SLEEPS {
        thread::sleep(Duration::from_millis(1));
    }
}

fn u64_at(frame: &Frame<'_>, n: usize) -> u64 {
    u64::from_le_bytes(frame.param(n).unwrap().try_into().unwrap())
}

fn u32_at(frame: &Frame<'_>, n: usize) -> u32 {
    u32::from_le_bytes(frame.param(n).unwrap().try_into().unwrap())
}

#[test]
fn a_thread_that_sleeps_leaves_its_cpu_each_time() {
    let Some(mut live) = Live::start(&[SWITCH]) else { return };
    let sleeper = thread::spawn(|| {
        sleep_often();
        Pages::new().touch();
        sleep_often();
        tid()
    });
    let sleeper = sleeper.join().unwrap();
    live.drain();
    let frames: Vec<Frame<'_>> = live.frames.iter().map(|f| Frame::parse(f).unwrap()).collect();
    assert!(frames.iter().all(|f| f.header().tgid == std::process::id()), "scope");
    let mut of: Vec<_> = frames.iter().filter(|f| f.header().tid == sleeper).collect();
    // One ring after the other.
    of.sort_by_key(|f| f.header().ts);
    assert!(of.len() >= 2 * N_SLEEPS, "{} switches", of.len());
    assert!(of.iter().all(|f| f.event_type() == SWITCH));
    assert!(of.iter().all(|f| u64_at(f, 0) != u64::from(sleeper)), "next is another thread");
    let minor: Vec<u64> = of.iter().map(|f| u64_at(f, 2)).collect();
    assert!(minor.is_sorted());
    assert!(minor.last().unwrap() - minor[0] >= N_PAGES as u64, "{minor:?}");
    for f in &of {
        let (size_kib, rss_kib, swap_kib) = (u32_at(f, 3), u32_at(f, 4), u32_at(f, 5));
        assert!(0 < rss_kib && rss_kib < size_kib, "{rss_kib} of {size_kib} KiB");
        assert!(swap_kib < size_kib);
    }
    live.finish();
}

#[test]
fn each_page_that_is_touched_first_faults_at_its_address() {
    let Some(mut live) = Live::start(&[PAGE_FAULT]) else { return };
    // Not present, written; by the process itself, then by the kernel for it.
    for (error, touch) in [(0x16, Pages::touch as fn(&Pages)), (0x26, Pages::fill)] {
        live.drain();
        live.frames.clear();
        let pages = Pages::new();
        touch(&pages);
        live.drain();
        let mut missing = pages.addresses();
        for bytes in &live.frames {
            let frame = Frame::parse(bytes).unwrap();
            assert_eq!(frame.event_type(), PAGE_FAULT);
            if missing.remove(&(u64_at(&frame, 0) & !(PAGE as u64 - 1))) {
                assert_eq!(u32_at(&frame, 2), error);
                let is_kernels = u64_at(&frame, 1) >> 63 == 1;
                assert_eq!(is_kernels, error & 0x20 != 0, "where the instruction lies");
            }
        }
        assert!(missing.is_empty(), "{} pages faulted unseen", missing.len());
    }
    live.finish();
}

#[test]
fn nobody_who_asks_for_all_gets_them_and_they_go_when_nobody_asks() {
    let Some(mut live) = Live::with(ProbeOptions::default()) else { return };
    let is_attached =
        |live: &Live, hook: &str| live.probe.report().attached.iter().any(|n| n == hook);
    let hooks = ["sched_switch", "page_fault_user", "page_fault_kernel"];
    assert!(!hooks.iter().any(|hook| is_attached(&live, hook)));
    for types in [vec![SWITCH], vec![PAGE_FAULT], vec![EventType::OPENAT_2_X]] {
        let wanted = Wanted {
            interest: types.iter().copied().collect(),
            generic_calls: CallSet::EMPTY,
            fork_sides: ForkSides::Child,
            asked: Asked::default(),
        };
        while live.probe.load_one(&wanted) {}
        live.probe.change(&wanted).unwrap();
        assert_eq!(live.probe.report().refused, []);
        assert_eq!(is_attached(&live, "sched_switch"), types[0] == SWITCH);
        assert_eq!(is_attached(&live, "page_fault_user"), types[0] == PAGE_FAULT);
        assert_eq!(is_attached(&live, "page_fault_kernel"), types[0] == PAGE_FAULT);
        let seen = |live: &Live| {
            [SWITCH, PAGE_FAULT].map(|ty| live.probe.counters().of_type(ty, Outcome::Seen))
        };
        let before = seen(&live);
        Pages::new().touch();
        sleep_often();
        let after = seen(&live);
        assert_eq!(
            [0, 1].map(|n| after[n] > before[n]),
            [SWITCH, PAGE_FAULT].map(|t| t == types[0])
        );
        live.drain();
    }
    live.finish();
}

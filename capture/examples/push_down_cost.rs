//! What a captured openat costs the caller with filters of push-down, and without.
//!
//! `cargo run --release -p capture --example push_down_cost -- [OBJECT ...]`, as root; the object that is built in where none is given. Nanoseconds of openat and close beyond
//! those without any program: the least of many short rounds, objects and filters taken in turns.

use std::{
    ffi::CStr,
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use capture::{Asked, Filters, Peek, Probe, ProbeOptions, Ring};
use event::{
    EventType, Outcome,
    filter::{FlagTest, N_FILTER_KINDS, N_FLAG_TESTS, TypeFilter},
};

const OPENAT: EventType = EventType::OPENAT_2_X;
const ROUNDS: usize = 400;
const CALLS: u32 = 100;
/// `PPM_O_RDONLY`.
const O_RDONLY: u64 = 1;
/// `PPM_O_WRONLY`.
const O_WRONLY: u64 = 2;
/// As many names as the rules of a stock ruleset have, and many more.
const N_NAMES: [usize; 3] = [1, 200, 4000];

fn open(name: &CStr) -> f64 {
    let start = Instant::now();
    for _ in 0..CALLS {
        // SAFETY: a name that lives until the call returns, and the descriptor that it gave.
        unsafe {
            let fd = libc::openat(libc::AT_FDCWD, name.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
            libc::close(fd);
        }
    }
    start.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

fn names(n: usize, lasts: usize) -> Filters {
    let filter = TypeFilter {
        clauses: 1,
        failed: 1,
        succeeded: 1,
        any_name: 0,
        any_port: 1,
        on_host: 1,
        kinds: [1; N_FILTER_KINDS],
        flags: [FlagTest::default(); N_FLAG_TESTS],
    };
    let dirs = ["/etc/", "/usr/bin/", "/root/", "/var/lib/", "/boot/", "/usr/share/watched/"];
    let name = |i: usize| format!("{}name{}", dirs[i % dirs.len()], i / dirs.len());
    let key = |text: String| text.into_bytes().into_boxed_slice();
    Filters {
        by_type: vec![(OPENAT, filter)],
        prefixes: (0..n).map(|i| (key(name(i) + "\0"), 1)).collect(),
        lasts: (0..lasts).map(|i| (key(format!("last{i}")), 1)).collect(),
        ports: Vec::new(),
    }
}

/// As of the shipped rules: reads of some files, writes with last components of names and in containers.
fn shipped() -> Filters {
    let mut filters = names(24, 20);
    let filter = &mut filters.by_type[0].1;
    (filter.clauses, filter.succeeded, filter.failed) = (0b111, 0b111, 0b010);
    filter.on_host = 0b011;
    filter.flags[0] = FlagTest { mask: O_RDONLY, any_set: 0b111, none_set: 0b110 };
    filter.flags[1] = FlagTest { mask: O_WRONLY, any_set: 0b111, none_set: 0b001 };
    filter.any_name = 0b100;
    for (_, clauses) in &mut filters.lasts {
        *clauses = 0b010;
    }
    filters
}

/// A kind of open, under filters or none.
type Case<'a> = (String, Option<Filters>, &'a CStr);

fn cases() -> Vec<Case<'static>> {
    let mut by_flags = names(1, 0);
    by_flags.by_type[0].1.flags[0] = FlagTest { mask: O_WRONLY, any_set: 1, none_set: 0 };
    let mut by_first_name = names(N_NAMES[1], 0);
    by_first_name.prefixes.push((b"/etc/hostname\0"[..].into(), 1));
    let mut cases: Vec<Case> = Vec::new();
    for (what, name) in [
        ("/etc/hostname", c"/etc/hostname"),
        ("five deep", c"/tmp/push-down-cost/a/b/c/file"),
        ("relative", c"a/b/c/file"),
    ] {
        cases.push((format!("{what}: no filter"), None, name));
        cases.push((format!("{what}: rejected by flags"), Some(by_flags.clone()), name));
        for n in N_NAMES {
            cases.push((format!("{what}: rejected by {n} names"), Some(names(n, 0)), name));
        }
        let filters = Some(names(N_NAMES[1], N_NAMES[1]));
        cases.push((
            format!("{what}: rejected by 200 names and 200 last components"),
            filters,
            name,
        ));
    }
    cases.push(("/etc/hostname: passed by name".into(), Some(by_first_name), c"/etc/hostname"));
    let file = c"/tmp/push-down-cost/file";
    cases.push(("two deep: rejected as by the shipped rules".into(), Some(shipped()), file));
    cases
}

/// A kernel object with the programs of one measurement, not attached.
fn load(object: Option<&PathBuf>) -> Probe {
    let options = ProbeOptions {
        interest: [OPENAT].into_iter().collect(),
        asked: Asked { entry: event::EventSet::EMPTY, ..Asked::default() },
        scope_pid: Some(std::process::id()),
        self_tgid: None,
        ring_bytes: 16 << 20,
        object: object.cloned(),
        ..ProbeOptions::default()
    };
    Probe::load(options).unwrap_or_else(|e| {
        eprintln!("push_down_cost: {e}");
        std::process::exit(1);
    })
}

fn main() {
    let dir = std::env::temp_dir().join("push-down-cost");
    fs::create_dir_all(dir.join("a/b/c"))
        .expect("the directory for temporary files can be written");
    fs::write(dir.join("a/b/c/file"), "").expect("so can its directories");
    fs::write(dir.join("file"), "").expect("so can it");
    let objects: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let mut probes: Vec<Probe> = if objects.is_empty() {
        vec![load(None)]
    } else {
        objects.iter().map(|o| load(Some(o))).collect()
    };
    std::env::set_current_dir(&dir).expect("it was made");
    let mut rings: Vec<_> = probes.iter_mut().flat_map(|p| p.rings().expect("the rings")).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let reader = thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            while !stop.load(Ordering::Relaxed) {
                for ring in &mut rings {
                    while let Peek::Record { .. } = ring.peek() {
                        ring.advance();
                    }
                    ring.release();
                }
                thread::sleep(Duration::from_millis(1));
            }
        }
    });
    let cases = cases();
    let mut least = vec![vec![f64::MAX; probes.len()]; cases.len()];
    let mut without = vec![f64::MAX; cases.len()];
    // Setting filters waits for the kernel: a few rounds for each.
    for _ in 0..ROUNDS / 20 {
        for (n, (_, filters, name)) in cases.iter().enumerate() {
            for probe in &mut probes {
                match filters {
                    Some(filters) => probe.set_filters(filters).expect("there is room"),
                    None => probe.clear_filters().expect("the kernel lets everything pass"),
                }
            }
            for _ in 0..2 {
                for (probe, least) in probes.iter_mut().zip(&mut least[n]) {
                    for _ in 0..5 {
                        without[n] = without[n].min(open(name));
                    }
                    probe.attach().expect("attaches again what was attached before");
                    for _ in 0..10 {
                        *least = least.min(open(name));
                    }
                    probe.detach();
                }
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    reader.join().expect("the reader does not panic");
    for ((what, ..), (least, without)) in cases.iter().zip(least.iter().zip(&without)) {
        for least in least {
            print!("{:5.0} ", least - without);
        }
        println!(" ns  {what} ({without:.0} without programs)");
    }
    for probe in &probes {
        let counters = probe.counters();
        let [written, rejected, full] =
            [Outcome::Written, Outcome::Rejected, Outcome::RingFull].map(|o| counters.total(o));
        println!("written {written}, rejected {rejected}, ring full {full}");
    }
    fs::remove_dir_all(dir).expect("it is this program's own");
}

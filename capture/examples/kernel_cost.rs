//! What the kernel side costs the caller: a call nobody asks for beside programs that return at once, a captured openat, and a close whose
//! descriptor is noted at its start; with and without programs, in turns.
//!
//! `cargo run --release -p capture --example kernel_cost`, as root. Prints the median of the rounds of each kind and, for noisy machines,
//! the least. On a machine that does other work, too: `chrt -f 5 taskset -c 1` before the program.

use std::{
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use aya::{Btf, Ebpf, EbpfLoader, programs::BtfTracePoint};
use capture::{Asked, KernelRing, Peek, Probe, ProbeOptions, Ring};
use event::{EventType, Outcome};

static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/object/peregrine.bpf.o"));

/// The reader leaves the processor alone in between.
const READER_PAUSE: Duration = Duration::from_millis(1);
const ROUNDS: usize = 41;
const UNMATCHED_CALLS: u32 = 20_000;
const OPEN_CALLS: u32 = 1_000;

fn ns_per_call(n: u32, mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..n {
        call();
    }
    start.elapsed().as_nanos() as f64 / f64::from(n)
}

/// The median and the least.
fn summary(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[0])
}

fn show(what: &str, (median, least): (f64, f64)) {
    println!("{median:8.0} ({least:.0})  {what}");
}

fn read_all(rings: &mut [KernelRing]) -> u64 {
    let mut n = 0;
    for ring in rings {
        while let Peek::Record { .. } = ring.peek() {
            ring.advance();
            n += 1;
        }
        ring.release();
    }
    n
}

fn unmatched() -> f64 {
    // A call without work of its own and without a vDSO.
    ns_per_call(UNMATCHED_CALLS, || {
        std::hint::black_box(std::os::unix::process::parent_id());
    })
}

fn openat() -> f64 {
    ns_per_call(OPEN_CALLS, || {
        std::hint::black_box(File::open("/etc/hostname").is_ok());
    })
}

/// Programs that do nothing, at the same tracepoints.
struct Empty {
    ebpf: Ebpf,
}

impl Empty {
    const PROGRAMS: [(&str, &str); 2] = [("empty_exit", "sys_exit"), ("empty_enter", "sys_enter")];

    fn load() -> Self {
        let mut ebpf = EbpfLoader::new()
            .map_max_entries("CPUS", 1)
            .map_max_entries("RINGS", 1)
            .map_max_entries("SCRATCH", 1)
            .load(OBJECT)
            .expect("the object is well-formed");
        let btf = Btf::from_sys_fs().expect("the kernel has BTF");
        for (name, hook) in Self::PROGRAMS {
            Self::program(&mut ebpf, name).load(hook, &btf).expect("an empty program is taken");
        }
        Self { ebpf }
    }

    fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> &'a mut BtfTracePoint {
        let program = ebpf.program_mut(name).expect("the object has it");
        program.try_into().expect("it is one of a tracepoint")
    }

    /// What `measure` gives while the first `n` programs are attached.
    fn during(&mut self, n: usize, measure: impl FnOnce() -> f64) -> f64 {
        let mut links = Vec::new();
        for &(name, _) in &Self::PROGRAMS[..n] {
            let link = Self::program(&mut self.ebpf, name).attach().expect("it can be attached");
            links.push((name, link));
        }
        let out = measure();
        for (name, link) in links {
            Self::program(&mut self.ebpf, name).detach(link).expect("it was attached");
        }
        out
    }
}

fn load(interest: &[EventType], entry: &[EventType]) -> Probe {
    let options = ProbeOptions {
        interest: interest.iter().copied().collect(),
        asked: Asked { entry: entry.iter().copied().collect(), ..Asked::default() },
        scope_pid: Some(std::process::id()),
        self_tgid: None,
        ring_bytes: 16 << 20,
        ..ProbeOptions::default()
    };
    let start = Instant::now();
    match Probe::load(options) {
        Ok(probe) => {
            println!("load {:?}", start.elapsed());
            probe
        }
        Err(e) => {
            eprintln!("kernel_cost: {e}");
            std::process::exit(1);
        }
    }
}

/// What `measure` gives while the probe is attached.
fn during<const N: usize>(probe: &mut Probe, measure: impl FnOnce() -> [f64; N]) -> [f64; N] {
    probe.attach().expect("attaches again what was attached before");
    let out = measure();
    probe.detach();
    out
}

fn main() {
    let mut empty = Empty::load();
    let mut exit = load(&[EventType::OPENAT_2_X], &[]);
    let noted = [EventType::OPENAT_2_X, EventType::CLOSE_X];
    let mut both = load(&noted, &noted);
    let mut rings = exit.rings();
    rings.extend(both.rings());
    let stop = Arc::new(AtomicBool::new(false));
    let reader = thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                n += read_all(&mut rings);
                thread::sleep(READER_PAUSE);
            }
            n + read_all(&mut rings)
        }
    });
    let mut times: [Vec<f64>; 8] = Default::default();
    // What a round's programs take beyond the empty ones of the same round.
    let mut above: [Vec<f64>; 2] = Default::default();
    for _ in 0..ROUNDS {
        let empty_exit = empty.during(1, unmatched);
        let [at_exit, open_at_exit] = during(&mut exit, || [unmatched(), openat()]);
        let empty_both = empty.during(2, unmatched);
        let [at_both, open_at_both] = during(&mut both, || [unmatched(), openat()]);
        above[0].push(at_exit - empty_exit);
        above[1].push(at_both - empty_both);
        let round = [
            unmatched(),
            empty_exit,
            at_exit,
            empty_both,
            at_both,
            openat(),
            open_at_exit,
            open_at_both,
        ];
        for (kind, time) in times.iter_mut().zip(round) {
            kind.push(time);
        }
    }
    stop.store(true, Ordering::Relaxed);
    let n_read = reader.join().expect("the reader does not panic");
    let [none, empty_exit, at_exit, empty_both, at_both, open, open_exit, open_both] =
        times.map(summary);
    println!("ns a call: median of {ROUNDS} rounds (least)");
    show("unmatched call, no program", none);
    show("unmatched call, empty program at the exit", empty_exit);
    show("unmatched call, sys_exit", at_exit);
    show("unmatched call, empty programs at both ends", empty_both);
    show("unmatched call, sys_enter and sys_exit", at_both);
    show("openat + close, no program", open);
    show("openat captured", open_exit);
    show("openat and close captured, close noted at its start", open_both);
    let [above_exit, above_both] = above.map(summary);
    println!(
        "unmatched call above empty programs, median of the rounds' differences: {:.0} ns at the exit, {:.0} ns at both ends",
        above_exit.0, above_both.0
    );
    for counters in [exit.counters(), both.counters()] {
        println!(
            "written {}, ring full {}, unexplained {}, notes lost {}",
            counters.total(Outcome::Written),
            counters.total(Outcome::RingFull),
            counters.unexplained(),
            counters.notes_lost
        );
    }
    println!("frames read {n_read}");
}

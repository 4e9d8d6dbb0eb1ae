//! What the kernel side costs the caller: a call nobody asks for, and a captured openat, with and without programs, in turns.
//!
//! `cargo run --release -p capture --example kernel_cost`, as root. Prints the median of the rounds of each kind and, for noisy
//! machines, the least, in ns a call.

use std::{
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Instant,
};

use capture::{KernelRing, Peek, Probe, ProbeOptions, Ring};
use event::{EventSet, EventType, Outcome};

const ROUNDS: usize = 15;
const UNMATCHED_CALLS: u32 = 200_000;
const OPEN_CALLS: u32 = 20_000;

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

fn show(what: &str, without: (f64, f64), with: (f64, f64)) {
    println!(
        "{what}: {:.0} ns without, {:.0} with; at least {:.0} and {:.0}",
        without.0, with.0, without.1, with.1
    );
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

fn main() {
    let interest: EventSet = [EventType::OPENAT_2_X].into_iter().collect();
    let options = ProbeOptions {
        interest,
        scope_pid: Some(std::process::id()),
        self_tgid: None,
        ring_bytes: 16 << 20,
        ..ProbeOptions::default()
    };
    let start = Instant::now();
    let mut probe = match Probe::load(options) {
        Ok(probe) => probe,
        Err(e) => {
            eprintln!("kernel_cost: {e}");
            std::process::exit(1);
        }
    };
    println!("load {:?}", start.elapsed());
    let mut rings = probe.rings();
    let stop = Arc::new(AtomicBool::new(false));
    let reader = thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                n += read_all(&mut rings);
                thread::yield_now();
            }
            n + read_all(&mut rings)
        }
    });
    let mut times: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        times[0].push(unmatched());
        times[1].push(openat());
        probe.attach().expect("attaches again what was attached before");
        times[2].push(unmatched());
        times[3].push(openat());
        probe.detach();
    }
    stop.store(true, Ordering::Relaxed);
    let n_read = reader.join().expect("the reader does not panic");
    let [getppid, open, getppid_on, open_on] = times.map(summary);
    show("unmatched call", getppid, getppid_on);
    show("openat + close", open, open_on);
    let counters = probe.counters();
    println!(
        "frames read {n_read}, written {}, ring full {}, unexplained {}",
        counters.total(Outcome::Written),
        counters.total(Outcome::RingFull),
        counters.unexplained()
    );
}

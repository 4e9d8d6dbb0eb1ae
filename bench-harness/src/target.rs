//! One gate target: a pass over fixed input, warmed up, then run once where callgrind looks; or timed by criterion, as often as it likes.

use std::cell::RefCell;
use std::env;
use std::hint::black_box;
use std::rc::Rc;
#[cfg(feature = "criterion")]
use std::time::{Duration, Instant};

/// Passes before the measured one: arenas, caches and tables have their size by then.
const N_WARM_UP: usize = 3;

/// Set to a target's name, it makes that target do its work twice and allocate once more, so that the gate can be seen to fail.
const SLOWED: &str = "PEREGRINE_GATE_SLOWED";

/// Name of the measure, the function it stands for, and what makes its input and gives the pass.
pub type TargetFn = (&'static str, &'static str, fn() -> Pass);

/// Work that is the same each time it is run.
pub struct Pass {
    n_events: u64,
    n_warm_up: usize,
    prepare: Box<dyn FnMut()>,
    work: Box<dyn FnMut()>,
}

impl std::fmt::Debug for Pass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pass").field("n_events", &self.n_events).finish_non_exhaustive()
    }
}

impl Pass {
    /// `work` handles `n_events` events and checks its own result.
    ///
    /// # Panics
    /// Where `n_events` is 0.
    pub fn new(n_events: u64, work: impl FnMut() + 'static) -> Self {
        assert!(n_events > 0, "a pass handles at least one event");
        Self { n_events, n_warm_up: N_WARM_UP, prepare: Box::new(|| ()), work: Box::new(work) }
    }

    /// The same with `prepare` before each `work`, which is not measured.
    ///
    /// # Panics
    /// Where `n_events` is 0.
    pub fn prepared<S: 'static>(
        n_events: u64,
        state: S,
        mut prepare: impl FnMut(&mut S) + 'static,
        mut work: impl FnMut(&mut S) + 'static,
    ) -> Self {
        let state = Rc::new(RefCell::new(state));
        let prepared = Rc::clone(&state);
        let prepare = Box::new(move || prepare(&mut prepared.borrow_mut()));
        Self { prepare, ..Self::new(n_events, move || work(&mut state.borrow_mut())) }
    }

    /// The same with so many passes before the measured one: few where each has a state of its own.
    #[must_use]
    pub fn warmed_up(self, n_passes: usize) -> Self {
        Self { n_warm_up: n_passes, ..self }
    }
}

/// Callgrind counts between entry and return of this function: its name is in `gate/measure.rs` too.
#[inline(never)]
fn peregrine_gate_measured(work: &mut dyn FnMut()) {
    work();
    // Keeps the call above from becoming a jump, which would be seen as the end of this function.
    black_box(());
}

/// The whole of a target program: `--list` names the targets, a name runs that one, nothing runs all. `cargo bench` (which says `--bench`) times them
/// where the feature `criterion` is on.
///
/// # Panics
/// Where a pass finds a wrong result.
pub fn run_targets(targets: &[TargetFn], args: impl IntoIterator<Item = String>) {
    let args: Vec<String> = args.into_iter().collect();
    #[cfg(feature = "criterion")]
    if args.iter().any(|a| a == "--bench") {
        return timed(targets);
    }
    if args.iter().any(|a| a == "--list") {
        for (name, function, _) in targets {
            println!("target {name} {function}");
        }
        return;
    }
    let wanted: Vec<&String> = args.iter().filter(|a| !a.starts_with("--")).collect();
    for (name, _, make) in targets {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            run_target(name, make());
        }
    }
}

/// Times the passes of each target, with criterion's command line; `--test` runs each once.
#[cfg(feature = "criterion")]
fn timed(targets: &[TargetFn]) {
    let mut criterion = criterion::Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .configure_from_args();
    for (name, _, make) in targets {
        let Pass { n_events, n_warm_up: _, mut prepare, mut work } = make();
        let mut group = criterion.benchmark_group(*name);
        group.throughput(criterion::Throughput::Elements(n_events));
        group.bench_function("pass", |b| {
            b.iter_custom(|n| {
                let mut took = Duration::ZERO;
                for _ in 0..n {
                    prepare();
                    let start = Instant::now();
                    work();
                    took += start.elapsed();
                }
                took
            });
        });
        group.finish();
    }
    criterion.final_summary();
}

/// Runs one target and prints what it counted itself.
///
/// # Panics
/// Where the pass finds a wrong result.
pub fn run_target(name: &str, pass: Pass) {
    let Pass { n_events, n_warm_up, mut prepare, mut work } = pass;
    let slowed = env::var(SLOWED).is_ok_and(|slowed| slowed == name);
    for _ in 0..n_warm_up {
        prepare();
        work();
    }
    prepare();
    let before = perf::thread_allocs();
    if slowed {
        peregrine_gate_measured(&mut || {
            work();
            black_box(vec![0u8; 64]);
            prepare();
            work();
        });
    } else {
        peregrine_gate_measured(&mut *work);
    }
    let n_allocs = perf::thread_allocs() - before;
    println!("measured {name} events={n_events} allocations={n_allocs}");
}

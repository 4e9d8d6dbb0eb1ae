//! Time per recorded event with 25, 100, 400 and 1,000 rules: frames of real recordings through a real shard, in one thread.
//!
//! `PEREGRINE_CORPUS` adds the captures of another program. `all`: every frame, per frame; `asked`: only frames of types that the
//! thousand rules ask for and those that carry the process table, as the kernel gives them to such rules, per frame that is asked for. 0 rules: what
//! is not evaluation.

#[path = "../../rules/benches/common/official_like.rs"]
mod official_like;
#[path = "../../rules/benches/common/random.rs"]
mod random;

mod alone;
mod recording;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bus::Key;
use criterion::{BatchSize, Criterion, Throughput};
use event::{EventSet, EventType};

use recording::{Ready, Recording, load};
use rules::RuleMatching::All;

const N_RULES: [usize; 5] = [0, 25, 100, 400, 1_000];
const MAX_ALERTS_PER_EVENT: usize = 20;
/// Frames of these types carry the process table; the kernel side gives them whatever the rules ask for.
const STATE: [EventType; 7] = [
    EventType::CLONE_20_X,
    EventType::FORK_20_X,
    EventType::VFORK_20_X,
    EventType::CLONE3_X,
    EventType::EXECVE_19_X,
    EventType::EXECVEAT_X,
    EventType::PROCEXIT_1_E,
];

/// Alerts of the rules one by one, against which those of all together are held.
fn n_alerts_alone(text: &str, recording: &Recording, events: &[&(Key, Vec<u8>)]) -> usize {
    let (shared, rules) = text.split_at(text.find("- rule:").unwrap_or(text.len()));
    rules
        .split_inclusive("priority: WARNING\n")
        .map(|rule| {
            let set = load(format!("{shared}{rule}"));
            Ready::new(recording, events, &set, All, events.len()).run().n_alerts()
        })
        .sum()
}

fn measure(c: &mut Criterion, path: &Path) {
    let recording = &Recording::read(path);
    let name = path.file_name().expect("a file").to_string_lossy();
    let name = name.split('.').next().expect("a name");
    let longest = load(official_like::rules(N_RULES[N_RULES.len() - 1])).interest();
    let all = recording.events(&EventSet::all());
    let n_asked = recording.events(&longest).len();
    let asked = recording.events(&longest.union(&STATE.into_iter().collect()));
    eprintln!(
        "{name}: {} events, {n_asked} of types that are asked for, {} with those of state",
        all.len(),
        asked.len()
    );
    for n in N_RULES {
        let text = official_like::rules(n);
        let set = load(text.clone());
        let pass = |events, alert_capacity| {
            Ready::new(recording, events, &set, All, alert_capacity).run().n_alerts()
        };
        let n_alerts = pass(&all, all.len() * MAX_ALERTS_PER_EVENT);
        eprintln!("{name}: {n_alerts} alerts with {n} rules");
        assert_eq!(pass(&asked, n_alerts), n_alerts, "{name} with {n} rules");
        if n <= 100 {
            let alone = n_alerts_alone(&text, recording, &all);
            assert_eq!(n_alerts, alone, "{name} with {n} rules");
        }
        for (which, events, n_counted) in [("all", &all, all.len()), ("asked", &asked, n_asked)] {
            if n_counted == 0 {
                continue;
            }
            let mut group = c.benchmark_group(format!("{name}/{which}"));
            group.throughput(Throughput::Elements(n_counted as u64));
            group.bench_function(n.to_string(), |b| {
                b.iter_batched(
                    || Ready::new(recording, events, &set, All, n_alerts),
                    Ready::run,
                    BatchSize::PerIteration,
                );
            });
            group.finish();
        }
    }
}

/// Files that a folder holds, by name.
fn recordings(dir: &Path, ends: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    paths.retain(|p| p.to_string_lossy().ends_with(ends));
    paths.sort();
    assert!(!paths.is_empty(), "{} holds no {ends}", dir.display());
    paths
}

fn main() {
    let mut c = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
        .configure_from_args();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings");
    let mut paths = recordings(&own, ".scap.gz");
    match std::env::var_os("PEREGRINE_CORPUS") {
        Some(corpus) => paths.extend(recordings(&Path::new(&corpus).join("scap"), ".scap")),
        None => eprintln!("skipped: captures of another program: PEREGRINE_CORPUS is not set"),
    }
    for path in paths {
        measure(&mut c, &path);
    }
    c.final_summary();
}

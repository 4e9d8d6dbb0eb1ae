//! Configurations that fuzzing found, the seeds it starts from, and what comes of those by cutting and joining: each must be dealt with, and soon.

mod fuzzing;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time that one input may take, in a build that is hardly optimised and on a machine that is others' too.
const BOUND: Duration = Duration::from_secs(10);

/// Words that configurations are made of.
const WORDS: &[&str] = &[
    "\n",
    "  ",
    ": ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    ", ",
    "'",
    "\"",
    "\\",
    "&a ",
    "*a",
    "|\n",
    ">\n",
    "? ",
    "#",
    "---\n",
    "!t ",
    "<<: *a",
    "\t",
    "\0",
    "\r\n",
    "\u{feff}",
    "\u{2028}",
    "键",
    "null",
    "~",
    "true",
    "0x10",
    "-1",
    "18446744073709551616",
    ".inf",
    "1h30m",
    "${A}",
    "${B}",
    "$${A}",
    "${",
    "-o ",
    "=",
    "[0]",
    "[]",
    ".",
    "engine",
    "kind",
    "replay",
    "capture_file",
    "rules",
    "enable",
    "tag",
    "static_fields",
    "peregrine",
    "shards",
    "priority",
    "config_files",
    "path",
    "strategy",
    "syscall_event_drops",
    "actions",
    "metrics.interval",
];

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(&folder).expect("the folder is there");
    let mut files: Vec<_> =
        entries.map(|entry| entry.expect("an entry").path()).filter(|p| p.is_file()).collect();
    files.sort();
    files
}

fn seeds() -> Vec<Vec<u8>> {
    let mut all = files("tests/regressions/configuration");
    all.extend(files("../fuzz/seeds/configuration"));
    all.extend(
        files("tests/golden/config")
            .into_iter()
            .filter(|p| p.extension().is_some_and(|e| e == "yaml")),
    );
    let seeds: Vec<_> = all.iter().map(|path| fs::read(path).expect("a file")).collect();
    assert!(seeds.len() >= 15, "{} seeds", seeds.len());
    seeds
}

fn check(input: &[u8]) {
    let begin = Instant::now();
    fuzzing::configuration(input);
    let took = begin.elapsed();
    assert!(took < BOUND, "{took:?}: {:?}", String::from_utf8_lossy(input));
}

#[test]
fn seeds_and_what_was_found_are_dealt_with() {
    for seed in seeds() {
        check(&seed);
    }
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/peregrine.yaml");
    check(&fs::read(sample).expect("the page is there"));
}

/// The same numbers in every run unless `PEREGRINE_FUZZ_SEED` says otherwise; `PEREGRINE_FUZZ_INPUTS` asks for more of them.
#[test]
fn what_is_cut_and_joined_is_dealt_with() {
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
    };
    let mut state = number("PEREGRINE_FUZZ_SEED", 1) | 1;
    let mut below = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % n.max(1)
    };
    let seeds = seeds();
    for _ in 0..number("PEREGRINE_FUZZ_INPUTS", 1000) {
        let mut input = seeds[below(seeds.len())].clone();
        for _ in 0..=below(6) {
            let (a, b) = (below(input.len() + 1), below(input.len() + 1));
            let (from, to) = (a.min(b), a.max(b));
            match below(5) {
                0 => drop(input.drain(from..to)),
                1 => {
                    let part = input[from..to].to_vec();
                    let at = below(input.len() + 1);
                    drop(input.splice(at..at, part));
                }
                2 => {
                    let other = &seeds[below(seeds.len())];
                    let part = other[below(other.len())..].to_vec();
                    drop(input.splice(from.., part));
                }
                3 if from < input.len() => input[from] = below(256) as u8,
                _ => drop(input.splice(from..from, WORDS[below(WORDS.len())].bytes())),
            }
        }
        input.truncate(16 << 10);
        // A failure names its input.
        let caught = std::panic::catch_unwind(|| check(&input));
        assert!(caught.is_ok(), "{:?}", String::from_utf8_lossy(&input));
    }
}

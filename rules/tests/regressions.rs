//! Inputs that fuzzing found, and the seeds it starts from: each must be dealt with, and soon. A folder for each target of `fuzz/`.

mod cpu_time;
mod fuzzing;

use std::fs;
use std::path::Path;
use std::time::Duration;

/// CPU time that one input may take, in a build that is hardly optimised.
const BOUND: Duration = Duration::from_secs(2);

fn check(target: &str, try_it: fn(&[u8])) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = here.join("tests/regressions").join(target);
    let seeds = here.join("../fuzz/seeds").join(target);
    let mut n_tried = 0;
    for folder in [found, seeds] {
        for entry in fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("an entry").path();
            let input = fs::read(&path).expect("a file");
            let ((), took) = cpu_time::of(|| try_it(&input));
            eprintln!("{}: {took:?}", path.display());
            assert!(took < BOUND, "{}: {took:?}", path.display());
            n_tried += 1;
        }
    }
    assert!(n_tried >= 5, "{target}: {n_tried} inputs");
}

#[test]
fn rule_files_that_were_found_are_dealt_with() {
    check("rule_file", fuzzing::rule_file);
}

#[test]
fn conditions_that_were_found_are_dealt_with() {
    check("condition", fuzzing::condition);
}

#[test]
fn outputs_that_were_found_are_dealt_with() {
    check("output", fuzzing::output);
}

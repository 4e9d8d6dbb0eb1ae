//! Each shipped rule, triggered for real by `peregrine-actions`: each gives exactly its alert.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{PEREGRINE, alone, can_run_live, skip};
use serde_json::Value;

/// Files that actions make where nobody else sees them.
const MADE_UP: [&str; 9] = [
    "/etc/peregrine-file",
    "/etc/peregrine/changed.yaml",
    "/etc/peregrine/edited.yaml",
    "/etc/peregrine-link",
    "/etc/cron.d/peregrine-job",
    "/etc/profile.d/peregrine.sh",
    "/usr/local/bin/peregrine-file",
    "/var/tmp/.peregrine-file",
    "/dev/shm/peregrine-true",
];

/// Builds the program that performs the actions and gives its path. Where the whole workspace is tested it is there already.
fn actions_program() -> PathBuf {
    let out = Command::new(env!("CARGO"))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .args(["build", "-p", "bench-harness", "--bin", "peregrine-actions"])
        .arg("--message-format=json")
        .output()
        .expect("cargo runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let executable = |line: &str| -> Option<PathBuf> {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    };
    let messages = String::from_utf8_lossy(&out.stdout);
    messages.lines().find_map(executable).expect("cargo names what it built")
}

fn shipped_rules() -> Vec<String> {
    let text = rules::DEFAULT_RULES.to_owned();
    let source = rules::Source { name: "default.yaml".into(), text };
    let set = rules::Ruleset::load(vec![source], rules::Options::default()).expect("they load");
    set.rules().map(|r| r.name.to_string()).collect()
}

#[test]
fn every_shipped_rule_gives_exactly_its_alert() {
    let test = "every_shipped_rule_gives_exactly_its_alert";
    if !can_run_live(test) {
        return;
    }
    let _alone = alone();
    let rules = shipped_rules();
    let out = Command::new(actions_program())
        .args(["--agent", PEREGRINE])
        .args(&rules)
        .output()
        .expect("the program starts");
    let table = String::from_utf8_lossy(&out.stdout);
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{table}{said}");
    let lines: Vec<&str> = table.lines().collect();
    let mut n_seen = 0;
    for rule in &rules {
        let row = lines.iter().find(|l| l.contains(&format!("  {rule}  ")));
        let row = row.unwrap_or_else(|| panic!("{rule} is not in the table:\n{table}"));
        assert!(row.ends_with("  ok") || row.ends_with("  not here"), "{table}");
        n_seen += usize::from(row.ends_with("  ok"));
    }
    // In the form that the tally of CI knows.
    for line in lines.iter().filter_map(|l| l.strip_prefix("skipped: ")) {
        let (name, why) = line.split_once(": ").expect("a name and a reason");
        skip(name, why);
    }
    assert_ne!(n_seen, 0, "{table}");
    for made_up in MADE_UP {
        assert!(!Path::new(made_up).exists(), "{made_up} was left on the machine");
    }
}

//! Commands about the configuration, word for word: each case's output is `golden/config/NAME.txt`. `REWRITE_GOLDEN=1` writes the texts anew, and
//! the diff is the review.

#[path = "common/golden.rs"]
mod golden;

use std::path::Path;
use std::process::Command;

/// Name of the case, and arguments.
const CASES: &[(&str, &[&str])] = &[
    ("check", &["config", "check", "-c", "falco.yaml"]),
    ("check_shipped", &["config", "check", "-c", "shipped.yaml"]),
    (
        "check_options",
        &[
            "config",
            "check",
            "-c",
            "none.yaml",
            "-o",
            "peregrine.shards=0",
            "-o",
            "jsn_output=true",
        ],
    ),
    ("check_malformed_option", &["config", "check", "-c", "none.yaml", "-o", "a..b=1"]),
    (
        "check_across_keys",
        &[
            "config",
            "check",
            "-c",
            "main.yaml",
            "-o",
            "file_output.filename=",
            "-o",
            "priority=info",
        ],
    ),
    ("check_chinese", &["config", "check", "-c", "chinese.yaml"]),
    ("check_broken", &["config", "check", "-c", "broken.yaml"]),
    ("check_missing", &["config", "check", "-c", "missing.yaml"]),
    ("show", &["config", "show", "-c", "main.yaml", "-o", "priority=notice"]),
    ("show_wrong", &["config", "show", "-c", "falco.yaml"]),
    ("start_wrong", &["-c", "falco.yaml"]),
    (
        "unknown_key_of_a_command",
        &[
            "rules",
            "list",
            "-c",
            "none.yaml",
            "-r",
            "../rules/zone.yaml",
            "-o",
            "rule_files=x",
            "-o",
            "static_fields.zone=a",
        ],
    ),
];

fn outcome(arguments: &[&str]) -> String {
    let out = golden::run(&golden::folder("config"), arguments.iter().copied());
    golden::told(&arguments.join(" "), &out)
}

#[test]
fn commands_print_what_is_written() {
    let texts = CASES.iter().map(|(name, arguments)| (*name, outcome(arguments)));
    golden::check(&golden::folder("config"), texts);
}

#[test]
fn the_handbook_shows_what_the_commands_print() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let text = std::fs::read_to_string(page).expect("the page is there");
    let blocks: Vec<&str> = text.split("```console\n$ peregrine ").skip(1).collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        let (line, rest) = block.split_once('\n').expect("output below the command");
        let printed = outcome(&line.split(' ').collect::<Vec<_>>());
        for shown in rest.split("```").next().unwrap_or_default().lines() {
            assert!(printed.lines().any(|l| l == shown), "{shown:?} is not in\n{printed}");
        }
    }
}

#[test]
fn the_sample_is_that_of_the_handbook() {
    let out = Command::new(env!("CARGO_BIN_EXE_peregrine")).args(["config", "sample"]).output();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/peregrine.yaml");
    let text = std::fs::read(page).expect("the page is there");
    assert!(out.expect("the program starts").stdout == text);
}

//! Commands about rules, word for word: each case's output is `golden/rules/NAME.txt`. `REWRITE_GOLDEN=1` writes the texts anew, and the diff is
//! the review.

mod common;
#[path = "common/golden.rs"]
mod golden;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::skip;
use serde_json::Value;

/// Name of the case, arguments separated by blanks (`~` stands for a blank inside one).
const CASES: &[(&str, &str)] = &[
    ("check_good", "rules check web.yaml"),
    ("check_together", "rules check web.yaml local.yaml"),
    ("check_sources", "rules check --source k8s_audit web.yaml local.yaml"),
    ("check_broken", "rules check web.yaml broken.yaml after.yaml missing.yaml"),
    ("check_configured", "rules check -c none.yaml -o static_fields.zone=dmz zone.yaml"),
    ("check_json", "rules check --json web.yaml broken.yaml"),
    ("list", "rules list -c none.yaml -r web.yaml -r local.yaml"),
    ("list_selected", "rules list -c none.yaml -r web.yaml -o rules[].disable.tag=web --json"),
    (
        "list_push_down",
        "rules list --push-down -c none.yaml -r ../../../../rules/rulesets/default.yaml",
    ),
    (
        "list_push_down_json",
        "rules list --push-down --json -c none.yaml -r ../../../../rules/rulesets/default.yaml",
    ),
    ("list_misselected", "rules list -c none.yaml -r web.yaml -o rules[].disable.tag=wed"),
    ("explain", "rules explain Shell~of~web~server -c none.yaml -r web.yaml"),
    ("explain_second", "rules explain Web~server~writes -c none.yaml -r web.yaml -r local.yaml"),
    ("explain_json", "rules explain Web~server~writes --json -c none.yaml -r web.yaml"),
    ("explain_misspelt", "rules explain Shell~of~wen~server -c none.yaml -r web.yaml"),
    ("explain_left_out", "rules explain Pod~changed -c none.yaml -r web.yaml -r local.yaml"),
    ("explain_broken", "rules explain Fine -c none.yaml -r after.yaml -r broken.yaml"),
    ("falco_validate", "-c none.yaml -V web.yaml local.yaml"),
    ("falco_validate_broken", "-c none.yaml -V web.yaml -V broken.yaml -V after.yaml"),
    ("falco_validate_json", "-c none.yaml -V after.yaml -o json_output=true -L"),
    ("falco_validate_directory", "-c none.yaml -V ."),
    ("falco_describe_all", "-c none.yaml -r web.yaml -L"),
    ("falco_describe_all_json", "-c none.yaml -r web.yaml -L -o json_output=true"),
    (
        "falco_describe_one_json",
        "-c none.yaml -r web.yaml -l Web~server~writes -o json_output=true",
    ),
    ("falco_describe_unknown", "-c none.yaml -r web.yaml -l Nothing"),
    ("falco_describe_misspelt", "-c none.yaml -r web.yaml -l web~server"),
];

fn folder() -> PathBuf {
    golden::folder("rules")
}

/// A tilde stands for a blank.
fn outcome(arguments: &str) -> String {
    let words: Vec<String> = arguments.split(' ').map(|a| a.replace('~', " ")).collect();
    let out = golden::run(&folder(), words.iter().map(String::as_str));
    golden::told(arguments, &out)
}

#[test]
fn a_directory_without_files_is_no_success() {
    let folder = tempfile::tempdir().expect("a folder");
    for (command, what) in [("check", "rule"), ("test", "test")] {
        let out = Command::new(env!("CARGO_BIN_EXE_peregrine"))
            .args(["rules", command])
            .arg(folder.path())
            .output()
            .expect("the program starts");
        let stderr = String::from_utf8_lossy(&out.stderr);
        let expected = format!("Error: no {what} file in {}\n", folder.path().display());
        assert_eq!((out.status.code(), &*stderr), (Some(1), &*expected), "rules {command}");
    }
}

#[test]
fn commands_print_what_is_written() {
    golden::check(&folder(), CASES.iter().map(|(name, arguments)| (*name, outcome(arguments))));
}

#[test]
fn every_text_has_its_case() {
    for entry in std::fs::read_dir(folder()).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if path.extension().is_some_and(|e| e == "txt") {
            assert!(CASES.iter().any(|(case, _)| *case == name), "{name}");
        }
    }
}

/// Words of a line, those in double quotes one.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (i, part) in line.split('"').enumerate() {
        if i % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn the_handbook_shows_what_the_commands_print() {
    let handbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rules-language.md");
    let text = std::fs::read_to_string(handbook).expect("the page is there");
    let file = std::fs::read_to_string(folder().join("web.yaml")).expect("the file is there");
    assert!(text.contains(&file), "the page shows another web.yaml");
    let blocks: Vec<&str> = text.split("```console\n$ peregrine ").skip(1).collect();
    assert!(blocks.len() >= 4, "{} blocks", blocks.len());
    for block in blocks {
        let (line, rest) = block.split_once('\n').expect("output below the command");
        let shown = rest.split("```").next().unwrap_or_default();
        let out = Command::new(env!("CARGO_BIN_EXE_peregrine"))
            .current_dir(folder())
            .args(words(line))
            .output()
            .expect("the program starts");
        let printed = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
        assert_eq!(shown, printed, "{line}");
    }
}

/// How many types of the official stable rules no clause narrows, beside those that the process table is made of.
#[test]
fn five_types_of_the_official_rules_pass_whole() {
    let test = "five_types_of_the_official_rules_pass_whole";
    let Some(corpus) = std::env::var_os("PEREGRINE_CORPUS") else {
        return skip(test, "PEREGRINE_CORPUS is not set");
    };
    let out = Command::new(env!("CARGO_BIN_EXE_peregrine"))
        .current_dir(folder())
        .args(["rules", "list", "--push-down", "--json", "-c", "none.yaml", "-r"])
        .arg(Path::new(&corpus).join("rules/falco_rules.yaml"))
        .output()
        .expect("the program starts");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).expect("text");
    let told: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    let is_state = |one: &&Value| one["because"][0] == "the process table is made of it";
    assert_eq!(told.iter().filter(is_state).count(), 11, "{text}");
    let whole = told.iter().filter(|one| one["passes_where"].is_null() && !is_state(one));
    let whole: Vec<&str> = whole.filter_map(|one| one["event"].as_str()).collect();
    // What a `ptrace` asks for and what links point to the kernel is not asked.
    assert_eq!(whole, ["link", "linkat", "ptrace", "symlink", "symlinkat"], "{text}");
    assert_eq!(told.len(), 28, "{text}");
}

/// Whoever writes a rule or names a file does not write on the terminal of who reads of it.
#[test]
fn names_of_rules_and_files_cannot_give_orders_to_a_terminal() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("f\u{1b}[31m.yaml");
    let text = "- macro: \"m\\e]0;x\\a\"\n  condition: evt.type = open\n\
                - rule: \"R\\e[31mu\\nle\\u009b\"\n  desc: \"d\\e[1m\"\n  priority: NOTICE\n  \
                condition: evt.type = open\n  output: \"o\\e[5m\"\n  tags: [\"t\\e[7m\"]\n";
    std::fs::write(&file, text).expect("a file");
    let file = file.to_str().expect("UTF-8");
    let name = "R\u{1b}[31mu\nle\u{9b}";
    let missing = "x\u{1b}[31m";
    for arguments in [
        &["rules", "list", "-c", "none.yaml", "-r", file][..],
        &["rules", "list", "--json", "-c", "none.yaml", "-r", file],
        &["rules", "list", "--push-down", "-c", "none.yaml", "-r", file],
        &["rules", "explain", name, "-c", "none.yaml", "-r", file],
        &["rules", "explain", "--json", name, "-c", "none.yaml", "-r", file],
        &["rules", "explain", missing, "-c", "none.yaml", "-r", file],
        &["rules", "check", file],
        &["rules", "check", "--json", file],
        &["rules", "list", "-c", "none.yaml", "-r", missing],
        &["rules", "test", missing],
        &["-c", "none.yaml", "-V", file],
        &["-c", "none.yaml", "-r", file, "-L"],
        &["-c", "none.yaml", "-r", file, "-L", "-o", "json_output=true"],
        &["stats", "--socket", missing],
        &["replay", missing],
        &["trace", missing],
    ] {
        let mut peregrine = Command::new(common::PEREGRINE);
        let out = peregrine.args(arguments).current_dir(folder()).output().expect("it starts");
        for said in [&out.stdout, &out.stderr] {
            let said = String::from_utf8_lossy(said);
            let is_obeyed = |c: char| c.is_control() && c != '\n' && c != '\t';
            assert!(!said.contains(is_obeyed), "{arguments:?}: {said:?}");
        }
        if arguments.contains(&"--json") && out.status.success() {
            for line in String::from_utf8_lossy(&out.stdout).lines() {
                serde_json::from_str::<Value>(line).expect("escapes are those of JSON");
            }
        }
        if arguments[..2] == ["rules", "list"] && arguments.len() == 6 && out.status.success() {
            let said = String::from_utf8_lossy(&out.stdout);
            assert!(said.starts_with("R\\u001b[31mu\\u000ale\\u009b  Notice"), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }
}

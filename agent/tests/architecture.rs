//! Who may import whom: the table of docs/architecture.md against `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Edges that the table allows; dev-dependencies are exempt.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("event", &[]),
    ("perf", &[]),
    ("bus", &["perf"]),
    ("capture", &["event", "bus", "perf"]),
    ("rules", &["event"]),
    ("containers", &["event", "perf"]),
    ("stages", &["event", "bus", "rules", "containers", "perf"]),
    ("outputs", &["event", "rules", "bus", "perf"]),
    ("agent", &["event", "perf", "bus", "capture", "rules", "containers", "stages", "outputs"]),
    ("bench-harness", &["event", "perf"]),
];

fn metadata() -> Value {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("cargo metadata prints JSON")
}

/// Crate -> crates of this workspace that it imports outside of tests.
fn edges(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let packages = metadata["packages"].as_array().expect("packages");
    let name = |p: &Value| p["name"].as_str().expect("name").to_owned();
    let ours: BTreeSet<String> = packages.iter().map(name).collect();
    let imports = |p: &Value| {
        p["dependencies"]
            .as_array()
            .expect("dependencies")
            .iter()
            .filter(|d| d["kind"] != "dev")
            .map(name)
            .filter(|d| ours.contains(d))
            .collect()
    };
    packages.iter().map(|p| (name(p), imports(p))).collect()
}

fn surplus(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let allowed: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let mut wrong = Vec::new();
    for (from, to) in edges {
        let Some(allowed) = allowed.get(from.as_str()) else {
            wrong.push(format!("{from} is not in the table"));
            continue;
        };
        let extra = to.iter().filter(|t| !allowed.contains(&t.as_str()));
        wrong.extend(extra.map(|t| format!("{from} -> {t}")));
    }
    wrong
}

#[test]
fn no_crate_imports_more_than_the_table_says() {
    let edges = edges(&metadata());
    assert_eq!(edges.len(), MAY_IMPORT.len(), "crates: {:?}", edges.keys());
    assert_eq!(surplus(&edges), [""; 0]);
}

#[test]
fn an_edge_against_the_table_is_found() {
    let mut edges = edges(&metadata());
    edges.get_mut("bus").expect("bus").insert("event".to_owned());
    edges.insert("util".to_owned(), BTreeSet::new());
    assert_eq!(surplus(&edges), ["bus -> event", "util is not in the table"]);
}

#[test]
fn the_document_has_the_same_table() {
    let doc =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/architecture.md"))
            .expect("docs/architecture.md");
    for (name, imports) in MAY_IMPORT {
        let row = doc
            .lines()
            .find(|l| l.starts_with(&format!("| `{name}` |")))
            .unwrap_or_else(|| panic!("docs/architecture.md has no row for {name}"));
        let last = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default().trim();
        match last {
            "all" => assert_eq!(*name, "agent"),
            "nothing" => assert!(imports.is_empty(), "{row}"),
            list => {
                let in_doc: BTreeSet<&str> =
                    list.split(", ").map(|s| s.trim_matches('`')).collect();
                assert_eq!(in_doc, imports.iter().copied().collect(), "{row}");
            }
        }
    }
}

/// The features of what a build of the agent is made of, over edges of these kinds.
fn features(edges: &str) -> String {
    let out = Command::new(env!("CARGO"))
        .args(["tree", "-p", "agent", "--offline", "--edges", edges])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("UTF-8")
}

#[test]
fn what_is_shipped_has_no_random_delays_and_no_mutants() {
    let (bus, stages) = ("bus feature \"schedule\"", "stages feature \"schedule\"");
    let shipped = features("normal,build,features");
    assert!(shipped.contains("stages feature \"default\""), "{shipped}");
    assert!(!shipped.contains(bus) && !shipped.contains(stages), "{shipped}");
    let tested = features("normal,build,dev,features");
    assert!(tested.contains(bus) && tested.contains(stages), "{tested}");
}

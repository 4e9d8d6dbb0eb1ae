//! Every field of system calls that an output can show has a value in some event of the corpus, or stands in `without_value.tsv` with the
//! reason why there is none, or with the test that shows one.

use std::collections::{BTreeMap, BTreeSet};

use rules::{Class, Field};
use serde_json::Value;

use crate::replayed::{CAPTURES, corpus, replayed};

/// Fields that need an argument, with one.
const ARGUMENTS: [(&str, &str); 18] = [
    ("evt.arg", ".res"),
    ("evt.rawarg", ".res"),
    ("evt.type.is", ".open"),
    ("evt.around", "[1534527348]"),
    ("thread.cgroup", ".cpu"),
    ("container.mount", "[0]"),
    ("container.mount.source", "[0]"),
    ("container.mount.dest", "[0]"),
    ("container.mount.mode", "[0]"),
    ("container.mount.rdwr", "[0]"),
    ("container.mount.propagation", "[0]"),
    ("container.label", "[maintainer]"),
    ("k8s.pod.label", "[app]"),
    ("k8s.rc.label", "[app]"),
    ("k8s.svc.label", "[app]"),
    ("k8s.ns.label", "[app]"),
    ("k8s.rs.label", "[app]"),
    ("k8s.deployment.label", "[app]"),
];

fn shown(field: Field) -> String {
    let name = field.name();
    let argument = ARGUMENTS.iter().find(|(of, _)| *of == name).map_or("", |(_, arg)| arg);
    format!("{name}{argument}")
}

#[test]
fn every_field_has_a_value_or_a_reason() {
    let Some(corpus) = corpus() else { return };
    let reasons: BTreeMap<&str, &str> = include_str!("without_value.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once('\t').unwrap_or_else(|| panic!("no reason: {line}")))
        .collect();
    let asked: Vec<Field> = Field::all()
        .filter(|f| {
            let info = f.info();
            let is_elsewhere = matches!(info.class, Class::Static | Class::K8sMeta);
            info.class.is_of("syscall") && !is_elsewhere && !info.is_filter_only()
        })
        .collect();
    let mut without: BTreeSet<&str> = asked.iter().map(|f| f.name()).collect();
    let fields: Vec<String> = asked.iter().map(|&f| shown(f)).collect();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let is_value = |value: &Value| !value.is_null() && value != "<NA>" && value != "";
    for capture in CAPTURES {
        for (_, values) in replayed(&corpus.join(format!("scap/{capture}.scap")), &fields) {
            for (field, shown) in asked.iter().zip(&fields) {
                if values.get(*shown).is_some_and(is_value) {
                    without.remove(field.name());
                }
            }
        }
    }
    let unexplained: Vec<_> = without.iter().filter(|n| !reasons.contains_key(*n)).collect();
    assert!(unexplained.is_empty(), "neither value nor reason: {unexplained:?}");
    let refuted: Vec<_> = reasons.keys().filter(|n| !without.contains(*n)).collect();
    assert!(refuted.is_empty(), "they have a value, or are no such fields: {refuted:?}");
}

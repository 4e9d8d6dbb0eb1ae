//! Rules that read what this version cannot give, always or from the live kernel, said once for all of them.

use std::collections::BTreeSet;

use rules::{Field, FieldRef};

use crate::start::count;

/// Lines that name the rules and the fields, where there are any. Takes each rule with the fields of its condition and output.
pub(crate) fn notes<'a, F>(
    rules: impl Iterator<Item = (&'a str, F)>,
    is_live: bool,
) -> impl Iterator<Item = String>
where
    F: Iterator<Item = &'a FieldRef>,
{
    let rules: Vec<(&str, Vec<&FieldRef>)> =
        rules.map(|(name, fields)| (name, fields.collect())).collect();
    let never = note(&rules, "this version cannot give", |f| !f.is_extracted());
    let not_live = note(&rules, "only recordings have", |f| is_live && f.is_of_recordings());
    never.into_iter().chain(not_live)
}

fn note(
    rules: &[(&str, Vec<&FieldRef>)],
    why: &str,
    is_missing: impl Fn(Field) -> bool,
) -> Option<String> {
    let (mut names, mut missing) = (Vec::new(), BTreeSet::new());
    for (name, fields) in rules {
        let n_before = names.len();
        for field in fields.iter().filter(|f| is_missing(f.field)) {
            missing.insert(field.to_string());
            if names.len() == n_before {
                names.push(*name);
            }
        }
    }
    let (n, read) = (count(names.len(), "rule"), if names.len() == 1 { "reads" } else { "read" });
    let missing = missing.into_iter().collect::<Vec<_>>().join(" ");
    (!names.is_empty())
        .then(|| format!("{n} {read} fields that {why} ({missing}): {}", names.join(", ")))
}

//! Rules that read what this version cannot give, said once for all of them.

use std::collections::BTreeSet;

use rules::FieldRef;

use crate::start::count;

/// A line that names the rules and the fields, where there are any. Takes each rule with the fields of its condition and output.
pub(crate) fn note<'a, F>(rules: impl Iterator<Item = (&'a str, F)>) -> Option<String>
where
    F: Iterator<Item = &'a FieldRef>,
{
    let (mut names, mut missing) = (Vec::new(), BTreeSet::new());
    for (name, fields) in rules {
        let n_before = names.len();
        for field in fields.filter(|f| !f.field.is_extracted()) {
            missing.insert(field.to_string());
            if names.len() == n_before {
                names.push(name);
            }
        }
    }
    let (n, read) = (count(names.len(), "rule"), if names.len() == 1 { "reads" } else { "read" });
    let missing = missing.into_iter().collect::<Vec<_>>().join(" ");
    (!names.is_empty()).then(|| {
        format!("{n} {read} fields that this version cannot give ({missing}): {}", names.join(", "))
    })
}

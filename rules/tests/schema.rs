//! The schema against a table of facts: every field of the reference is known, with its type, argument, format and flags.

use rules::{Class, Field, FieldInfo};

const FACTS: &str = include_str!("schema/fields.tsv");

fn facts() -> impl Iterator<Item = &'static str> {
    FACTS.lines().filter(|l| !l.starts_with('#'))
}

fn flags(info: &FieldInfo) -> String {
    let names: Vec<&str> = [
        (info.is_deprecated(), "deprecated"),
        (info.is_filter_only(), "filter_only"),
        (info.is_hidden() && !info.is_print_only(), "hidden"),
        (info.is_list(), "list"),
        (info.is_never_known(), "never"),
        (info.no_rhs(), "no_rhs"),
        (info.no_transformer(), "no_transformer"),
        (info.is_print_only(), "print_only"),
        (info.is_suggested(), "suggested"),
    ]
    .into_iter()
    .filter_map(|(set, name)| set.then_some(name))
    .collect();
    if names.is_empty() { "-".to_owned() } else { names.join(",") }
}

fn line(info: &FieldInfo) -> String {
    let FieldInfo { name, ty, arg, format, class, .. } = info;
    format!("{class:?}\t{name}\t{}\t{arg:?}\t{format:?}\t{}", ty.name(), flags(info))
}

#[test]
fn every_field_is_as_the_facts_say() {
    assert_eq!(facts().count(), 426);
    for fact in facts() {
        let name = fact.split('\t').nth(1).unwrap();
        let field = Field::by_name(name).unwrap_or_else(|| panic!("{name} is not known"));
        assert_eq!(line(field.info()), fact);
    }
}

#[test]
fn fields_beyond_the_facts_are_marked_as_ours() {
    let ours: Vec<&str> = Field::all().filter(|f| f.info().is_ours()).map(Field::name).collect();
    assert_eq!(ours, ["evt.lineage_complete", "fd.name_view"]);
    assert_eq!(Field::all().count(), 426 + ours.len());
}

#[test]
fn classes_have_as_many_fields_as_in_the_reference() {
    let n_of =
        |class| Field::all().filter(|f| f.info().class == class && !f.info().is_ours()).count();
    let expected = [18, 58, 90, 6, 2, 46, 6, 1, 6, 1, 61, 25, 100, 6];
    assert_eq!(Class::ALL.map(n_of), expected);
}

#[test]
fn every_field_is_told_in_one_line() {
    for field in Field::all() {
        let about = field.info().about;
        assert!(about.ends_with('.') && about.len() > 10 && !about.contains('\n'), "{about}");
    }
}

#[test]
fn names_find_their_field_and_misspelt_ones_their_neighbour() {
    for field in Field::all() {
        assert_eq!(Field::by_name(field.name()), Some(field));
    }
    for unknown in ["", "a", "evt", "evt.nu", "evt.num.", "zzz"] {
        assert_eq!(Field::by_name(unknown), None, "{unknown}");
    }
    assert_eq!(Field::closest_name("proc.nam", "syscall"), Some("proc.name"));
    assert_eq!(Field::closest_name("ka.ver", "k8s_audit"), Some("ka.verb"));
    assert_eq!(Field::closest_name("completely.different.thing", "syscall"), None);
}

#[test]
fn what_never_has_a_value_is_not_extracted() {
    for field in Field::all().filter(|f| f.info().is_never_known()) {
        assert!(!field.is_extracted(), "{}", field.name());
    }
}

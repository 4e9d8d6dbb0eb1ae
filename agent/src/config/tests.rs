//! Precedence and refusals, from files and options to the resolved configuration.

use std::path::{Path, PathBuf};

use rules::Priority;

use super::resolved::FileOutput;
use super::*;

fn load_text(yaml: Option<&str>, options: &[&str], set: &Settings) -> Result<Config> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("default.yaml");
    if let Some(yaml) = yaml {
        std::fs::write(&file, yaml).unwrap();
    }
    let options = options.iter().map(|&o| o.to_owned()).collect();
    load_from(&ConfigSource { config: None, options, socket: None }, set, &file)
}

fn refusal(yaml: &str, options: &[&str]) -> String {
    let e = load_text(Some(yaml), options, &Settings::default()).unwrap_err();
    format!("{e:#}").replace(std::env::temp_dir().to_str().unwrap(), "TMP")
}

#[test]
fn without_a_file_everything_is_built_in() {
    let c = load_text(None, &[], &Settings::default()).unwrap();
    assert_eq!(c.file, None);
    assert_eq!(c.source, CaptureSource::Live);
    assert_eq!(c.rules, RuleInputs::BuiltIn);
    assert_eq!(c.socket, Path::new("/run/peregrine/peregrine.sock"));
    assert!(c.stdout && !c.format.json && c.format.with_tags);
    assert_eq!((c.shards, c.min_priority, c.matching), (None, Priority::Debug, Matching::First));
}

#[test]
fn flags_win_over_options_and_options_over_the_file() {
    let yaml =
        "peregrine: {shards: 2, socket: /file.sock}\npriority: error\nrules_files: [/a.yaml]";
    let c = load_text(Some(yaml), &[], &Settings::default()).unwrap();
    assert_eq!((c.shards, c.min_priority), (Some(2), Priority::Error));
    assert_eq!(c.socket, Path::new("/file.sock"));
    let options = ["peregrine.shards=3", "priority=info", "rules_files[]=/b.yaml"];
    let c = load_text(Some(yaml), &options, &Settings::default()).unwrap();
    assert_eq!((c.shards, c.min_priority), (Some(3), Priority::Informational));
    assert_eq!(c.rules, RuleInputs::Configured(vec!["/a.yaml".into(), "/b.yaml".into()]));
    let set = Settings { shards: Some(4), rules: vec!["/c".into()], ..Settings::default() };
    let c = load_text(Some(yaml), &options, &set).unwrap();
    assert_eq!(c.shards, Some(4));
    assert_eq!(c.rules, RuleInputs::Given(vec![PathBuf::from("/c")]));
}

#[test]
fn a_named_file_hides_the_default_one() {
    let dir = tempfile::tempdir().unwrap();
    let (named, default) = (dir.path().join("named"), dir.path().join("default"));
    std::fs::write(&named, "json_output: true").unwrap();
    std::fs::write(&default, "priority: error").unwrap();
    let source = ConfigSource { config: Some(named.clone()), ..ConfigSource::default() };
    let c = load_from(&source, &Settings::default(), &default).unwrap();
    assert!(c.format.json);
    assert_eq!((c.min_priority, c.file), (Priority::Debug, Some(named)));
    let missing = ConfigSource { config: Some(dir.path().join("none")), ..ConfigSource::default() };
    let e = format!("{:#}", load_from(&missing, &Settings::default(), &default).unwrap_err());
    assert!(e.starts_with("cannot read the configuration file "), "{e}");
}

#[test]
fn static_fields_are_texts_by_key() {
    let yaml = "static_fields:\n  region: eu-1\n  rack: 7\n  spare: true\n";
    let options = ["static_fields.rack=8"];
    let c = load_text(Some(yaml), &options, &Settings::default()).unwrap();
    let fields: Vec<(&str, &str)> =
        c.static_fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(fields, [("rack", "8"), ("region", "eu-1"), ("spare", "true")]);
    let e = load_text(Some("static_fields: {a: [b]}"), &[], &Settings::default()).unwrap_err();
    assert!(format!("{e:#}").contains("static_fields"), "{e:#}");
}

#[test]
fn rules_are_selected_in_order() {
    let yaml = "rules:\n- disable: {rule: '*'}\n- enable: {tag: network}\n";
    let options = ["rules[].disable.rule=Shell*", "rules[].enable.rule=7"];
    let c = load_text(Some(yaml), &options, &Settings::default()).unwrap();
    let texts: Vec<String> = c.selections.iter().map(ToString::to_string).collect();
    let expected = [
        "disable rule \"*\"",
        "enable tag \"network\"",
        "disable rule \"Shell*\"",
        "enable rule \"7\"",
    ];
    assert_eq!(texts, expected);
    let c = load_text(Some("rules: [{enable: {rule: a, tag: b}}]"), &[], &Settings::default());
    assert_eq!(c.unwrap().selections.len(), 2);
    for (yaml, message) in [
        ("rules: [{}]", "rules[0]: must be `enable` or `disable`, one of them"),
        (
            "rules: [{enable: {rule: a}, disable: {rule: a}}]",
            "rules[0]: must be `enable` or `disable`, one of them",
        ),
        ("rules: [{enable: {}}]", "rules[0]: names neither a `rule` nor a `tag`"),
    ] {
        assert_eq!(refusal(yaml, &[]), message);
    }
    let e = refusal("rules: [{enable: {rle: a}}]", &[]);
    assert!(e.contains("rules[0].enable") && e.contains("rle"), "{e}");
}

#[test]
fn rule_files_have_an_old_key() {
    let c = load_text(Some("rules_file: /a.yaml"), &[], &Settings::default()).unwrap();
    assert_eq!(c.rules, RuleInputs::Configured(vec!["/a.yaml".into()]));
    assert_eq!(c.warnings, ["rules_file: deprecated; the key is rules_files"]);
    let e = refusal("{rules_file: /a.yaml, rules_files: [/b.yaml]}", &[]);
    assert_eq!(e, "rules_files and rules_file are both set");
}

#[test]
fn replay_is_asked_for_with_falcos_keys() {
    let options = ["engine.kind=replay", "engine.replay.capture_file=/x.scap"];
    let c = load_text(None, &options, &Settings::default()).unwrap();
    assert_eq!(c.source, CaptureSource::Replay("/x.scap".into()));
    let set = Settings { scope_pid: Some(1), ..Settings::default() };
    let e = load_text(None, &options, &set).unwrap_err().to_string();
    assert_eq!(e, "--scope-pid needs the running kernel; it cannot be used with a replay");
}

#[test]
fn wrong_values_are_named() {
    for (option, message) in [
        ("peregrine.shards=0", "shards: 0 is out of range; it must lie between 1 and 1024"),
        ("peregrine.shards=9999", "shards: 9999 is out of range; it must lie between 1 and 1024"),
        (
            "falco_libs.snaplen=5000",
            "snaplen: 5000 is out of range; it must lie between 0 and 4096, and is 80 where it is not given",
        ),
        (
            "priority=loud",
            "priority: \"loud\" is not one of Emergency, Alert, Critical, Error, Warning, Notice, Informational, Debug",
        ),
        ("rule_matching=some", "rule_matching: \"some\" is not one of first, all"),
        ("engine.kind=kmod", "engine.kind: \"kmod\" is not one of modern_ebpf, replay"),
        ("engine.kind=replay", "engine.kind is replay, but engine.replay.capture_file is not set"),
        (
            "file_output.enabled=true",
            "file_output.enabled is true, but file_output.filename is not set",
        ),
        ("peregrine.ring_bytes=100000", "peregrine.ring_bytes: 100000 is not a power of two"),
        (
            "peregrine.batch_bytes=100",
            "peregrine.batch_bytes: 100 is out of range; it must lie between 65536 and 67108864",
        ),
        (
            "peregrine.shrads=2",
            "-o peregrine.shrads=2: unknown key \"peregrine.shrads\"; did you mean \"peregrine.shards\"?",
        ),
        ("json_output", "-o json_output: expected KEY=VALUE"),
    ] {
        assert_eq!(refusal("{}", &[option]), message, "{option}");
    }
}

#[test]
fn wrong_shapes_name_the_key() {
    let e = refusal("json_output: maybe", &[]);
    assert!(e.contains("json_output") && e.contains("maybe"), "{e}");
    let e = refusal("peregrine: {shards: two}", &[]);
    assert!(e.contains("shards") && e.contains("two"), "{e}");
    assert!(refusal("- a", &[]).ends_with("must be a map of keys"));
    let e = refusal("a: [", &[]);
    assert!(e.contains(" line "), "{e}");
}

#[test]
fn text_keys_take_numbers() {
    let options = ["file_output.enabled=true", "file_output.filename=1"];
    let c = load_text(None, &options, &Settings::default()).unwrap();
    assert_eq!(c.file_output, Some(FileOutput { filename: "1".into() }));
}

#[test]
fn the_snap_length_is_falcos_key_or_a_flag() {
    let with = |options: &[&str], snaplen| {
        let set = Settings { snaplen, ..Settings::default() };
        load_text(None, options, &set).unwrap().snaplen
    };
    assert_eq!(with(&[], None), 80);
    assert_eq!(with(&["falco_libs.snaplen=0"], None), 80);
    assert_eq!(with(&["falco_libs.snaplen=200"], None), 200);
    assert_eq!(with(&["falco_libs.snaplen=200"], Some(300)), 300);
    let set = Settings { snaplen: Some(0), ..Settings::default() };
    assert_eq!(
        load_text(None, &[], &set).unwrap_err().to_string(),
        "snaplen: 0 is out of range; it must lie between 1 and 4096, and is 80 where it is not given"
    );
}

#[test]
fn keys_of_falco_that_do_nothing_are_said() {
    let c = load_text(Some("webserver: {enabled: true}"), &[], &Settings::default()).unwrap();
    assert_eq!(c.warnings, ["webserver: a key of Falco that is not acted on"]);
}

#[test]
fn recordings_around_alerts_are_of_the_running_kernel() {
    let with = |options: &[&str]| load_text(None, options, &Settings::default()).unwrap();
    let on =
        with(&["capture.enabled=true", "capture.path_prefix=/x", "peregrine.capture.before_ms=7"]);
    let CaptureOnAlert { path_prefix, before, .. } = on.on_alert.unwrap();
    assert_eq!((path_prefix.as_path(), before.as_millis()), (Path::new("/x"), 7));
    assert!(on.warnings.is_empty() && with(&[]).on_alert.is_none());
    let replay =
        with(&["capture.enabled=true", "engine.kind=replay", "engine.replay.capture_file=/x.scap"]);
    assert_eq!(replay.on_alert, None);
    assert_eq!(replay.warnings, ["capture: nothing is recorded of a replay"]);
    let e = refusal("capture: {mod: rules}", &[]);
    assert!(e.ends_with("unknown key \"capture.mod\"; did you mean \"capture.mode\"?"), "{e}");
}

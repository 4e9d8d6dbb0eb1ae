//! Precedence and refusals, from files and options to the resolved configuration.

use std::path::{Path, PathBuf};

use rules::Priority;
use serde_yaml::Value;

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
    let text = format!("{e:#}");
    // The folder's name is another each time.
    let Some(end) = text.find("/default.yaml") else { return text };
    let begin = text[..end].rfind('/').unwrap_or(0);
    let folder =
        format!("{}/{}/default.yaml", std::env::temp_dir().display(), &text[begin + 1..end]);
    text.replace(&folder, "FILE")
}

#[test]
fn without_a_file_everything_is_built_in() {
    let c = load_text(None, &[], &Settings::default()).unwrap();
    assert!(c.files.is_empty());
    assert_eq!(c.source, CaptureSource::Live);
    assert_eq!(c.rules, RuleInputs::BuiltIn);
    assert_eq!(c.socket, Path::new("/run/peregrine/peregrine.sock"));
    assert!(c.outputs.stdout.is_some() && !c.format.json && c.format.with_tags);
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
    assert_eq!((c.min_priority, c.files), (Priority::Debug, vec![named]));
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
        assert_eq!(refusal(yaml, &[]), format!("FILE:1:9: {message}"));
    }
}

#[test]
fn rule_files_have_an_old_key() {
    let c = load_text(Some("rules_file: /a.yaml"), &[], &Settings::default()).unwrap();
    assert_eq!(c.rules, RuleInputs::Configured(vec!["/a.yaml".into()]));
    assert!(c.warnings[0].ends_with(":1:1: rules_file: deprecated; the key is rules_files"));
    let e = refusal("{rules_file: /a.yaml, rules_files: [/b.yaml]}", &[]);
    assert_eq!(
        e,
        "FILE:1:14: rules_file: rules_files is set, too; move the files there, and remove this key"
    );
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
fn wrong_values_are_named_with_the_option() {
    for (option, message) in [
        (
            "peregrine.shards=0",
            "peregrine.shards: 0 is out of range; it must lie between 1 and 1024",
        ),
        (
            "falco_libs.snaplen=5000",
            "falco_libs.snaplen: 5000 is out of range; it must lie between 0 and 4096",
        ),
        (
            "priority=loud",
            "priority: must be one of Emergency, Alert, Critical, Error, Warning, Notice, Informational, Debug, this is \"loud\"",
        ),
        (
            "peregrine.sandbox.reads=5",
            "peregrine.sandbox.reads: 5 is not an absolute path; it takes directories, as /srv/rules",
        ),
        ("rule_matching=some", "rule_matching: must be one of first, all, this is \"some\""),
        (
            "engine.kind=some",
            "engine.kind: must be one of modern_ebpf, kmod, ebpf, replay, nodriver, this is \"some\"",
        ),
        ("engine.kind=replay", "engine.kind: is replay, but engine.replay.capture_file is not set"),
        (
            "file_output.enabled=true",
            "file_output.enabled: is true, but file_output.filename is not set",
        ),
        (
            "program_output.enabled=true",
            "program_output.enabled: is true, but program_output.program is not set",
        ),
        (
            "http_output.enabled=true",
            "http_output.enabled: is true, but http_output.url is not set",
        ),
        (
            "http_output={enabled: true, url: localhost:80/x}",
            "http_output.url: has no scheme; https://localhost:80/x or http://localhost:80/x?",
        ),
        (
            "http_output={enabled: true, url: 'http://x', user_agent: ü}",
            "http_output.user_agent: has a character that no header may have",
        ),
        (
            "peregrine.ring_bytes=100000",
            "peregrine.ring_bytes: 100000 is not a power of two; the next is 131072",
        ),
        (
            "peregrine.batch_bytes=100",
            "peregrine.batch_bytes: 100 is out of range; it must lie between 65536 and 67108864",
        ),
        ("json_output", "expected KEY=VALUE"),
    ] {
        assert_eq!(refusal("{}", &[option]), format!("-o {option}: {message}"));
    }
    let e = refusal("{}", &["engine.kind=nodriver"]);
    assert!(
        e.starts_with("-o engine.kind=nodriver: engine.kind: nodriver leaves nothing to watch"),
        "{e}"
    );
}

#[test]
fn what_syslog_cannot_be_is_named_with_its_key() {
    for (given, message) in [
        (
            "address=/dev/log",
            "address: must be unix://PATH, udp://HOST:PORT, tcp://HOST:PORT or tls://HOST:PORT",
        ),
        ("address=udp://a", "address: must end with a port between 1 and 65535, as in a:6514"),
        ("app_name=a b", "app_name: must be 1 to 48 printable characters of ASCII, no space"),
        ("tls_ca=/x", "tls_ca: needs an address with tls://, this is unix:///dev/log"),
        ("max_bytes=480", "max_bytes: 480 is out of range; it must lie between 1024 and 65507"),
        (
            "facility=local8",
            "facility: must be one of kern, user, mail, daemon, auth, syslog, lpr, news, uucp, cron, authpriv, ftp, \
             local0, local1, local2, local3, local4, local5, local6, local7, this is \"local8\"",
        ),
    ] {
        let option = format!("peregrine.outputs.syslog.{given}");
        let e = refusal("syslog_output: {enabled: true}", &[&option]);
        assert_eq!(e, format!("-o {option}: peregrine.outputs.syslog.{message}"));
    }
    let address = "peregrine.outputs.syslog.address=tls://a:1";
    let cert = "peregrine.outputs.syslog.tls_cert=/x";
    let e = refusal("syslog_output: {enabled: true}", &[address, cert]);
    assert_eq!(
        e,
        format!("-o {cert}: peregrine.outputs.syslog.tls_cert: is set, but tls_key is not")
    );
    let ca = "peregrine.outputs.syslog.tls_ca=/no/such";
    let c = load_text(Some("syslog_output: {enabled: true}"), &[address, ca], &Settings::default());
    let e = c.unwrap().outputs.syslog.unwrap().sink().unwrap_err().to_string();
    assert_eq!(
        e,
        "peregrine.outputs.syslog.tls_ca: /no/such: No such file or directory (os error 2)"
    );
}

#[test]
fn wrong_values_are_named_with_their_place() {
    for (yaml, message) in [
        (
            "a: 1\njson_output: maybe",
            "FILE:2:14: json_output: must be true or false, this is \"maybe\"",
        ),
        (
            "peregrine:\n  shards: two\n  spread: 7\n  pinning: 8",
            "FILE:2:11: peregrine.shards: must be a whole number between 1 and 1024, this is \"two\" (and 2 other errors: peregrine config check)",
        ),
        ("- a", "FILE:1:1: must be a map of keys, this is a list"),
        (
            "\na: [",
            "FILE:2:5: invalid YAML: while parsing a node, did not find expected node content",
        ),
        (
            "syscall_event_drops:\n  actions: [log, shout]",
            "FILE:2:12: syscall_event_drops.actions: \"shout\" is not one of ignore, log, alert, exit",
        ),
        (
            "engine:\n  kind: replay",
            "FILE:2:9: engine.kind: is replay, but engine.replay.capture_file is not set",
        ),
        (
            "a: 1\nb: 2\na: 3",
            "FILE:3:1: the key \"a\" is there twice, first at FILE:1:1; remove one of them",
        ),
        ("a: 1\n---\nb: 2", "FILE:3:1: a second document (---); a configuration is one"),
        ("? [a]\n: 1", "FILE:1:3: a key must be a text"),
    ] {
        assert_eq!(refusal(yaml, &[]), message);
    }
}

#[test]
fn unknown_keys_are_told_and_no_errors() {
    let c = load_text(Some("jsonoutput: true"), &["peregrine.shrads=2"], &Settings::default());
    let doubts = c.unwrap().doubts;
    assert!(
        doubts[0]
            .ends_with(":1:1: unknown key jsonoutput: it does nothing; did you mean json_output?"),
        "{doubts:?}"
    );
    assert_eq!(
        doubts[1..],
        [
            "-o peregrine.shrads=2: unknown key peregrine.shrads: it does nothing; did you mean peregrine.shards?"
        ]
    );
}

#[test]
fn hostile_files_are_refused_soon() {
    let bomb: String = (0..10)
        .map(|i| match i {
            0 => "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(),
            i => format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(", ")),
        })
        .collect();
    let long = format!("static_fields: {{a: {}}}", "x".repeat(1 << 20));
    for (text, message) in [
        ("[".repeat(40), "FILE:1:33: nested deeper than 32 levels"),
        ("[".repeat(100_000), "invalid YAML: recursion limit exceeded"),
        ("{a: ".repeat(100_000), "invalid YAML: recursion limit exceeded"),
        (bomb, "more than 1000000 YAML nodes once aliases are replaced"),
        (long, "FILE: a configuration file of more than 1048576 bytes"),
        ("a: &x [*x]".to_owned(), "FILE:1:8: an alias inside the node that it names"),
    ] {
        let begin = std::time::Instant::now();
        let e = refusal(&text, &[]);
        assert!(e.contains(message), "{e}");
        assert!(begin.elapsed().as_secs() < 5, "{message}");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bytes");
    std::fs::write(&file, b"a: b\n\xe8\xa7: \xff\n").unwrap();
    let source = ConfigSource { config: Some(file), ..ConfigSource::default() };
    let e = load(&source, &Settings::default()).unwrap_err().to_string();
    assert!(e.ends_with("bytes:2:1: not UTF-8: byte 0xe8"), "{e}");
    // 100 MB that nobody reads.
    let file = dir.path().join("large");
    std::fs::File::create(&file).unwrap().set_len(100 << 20).unwrap();
    let source = ConfigSource { config: Some(file), ..ConfigSource::default() };
    let e = load(&source, &Settings::default()).unwrap_err().to_string();
    assert!(e.ends_with("large: a configuration file of more than 1048576 bytes"), "{e}");
}

/// Writes files into a folder, and reads the first.
fn load_files(files: &[(&str, &str)], options: &[&str]) -> (tempfile::TempDir, Result<Reading>) {
    let dir = tempfile::tempdir().unwrap();
    let put = |text: &str| text.replace("DIR", dir.path().to_str().unwrap());
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, put(text)).unwrap();
    }
    let options = options.iter().map(|o| put(o)).collect();
    let source = ConfigSource { config: Some(dir.path().join(files[0].0)), options, socket: None };
    let lookup = |name: &str| (name == "D").then(|| OsString::from(dir.path()));
    let reading = read(&source, Path::new("/no/default"), &lookup);
    (dir, reading)
}

fn rules_files(reading: &Reading) -> Vec<&str> {
    let Some(Value::Sequence(list)) = reading.checked.values.get("rules_files") else {
        panic!("{:?}", reading.checked.values)
    };
    list.iter().filter_map(Value::as_str).collect()
}

#[test]
fn files_are_included_in_order_each_by_its_strategy() {
    let files = [
        (
            "main.yaml",
            "config_files:\n- DIR/d\n- DIR/none\n- {path: DIR/o.yaml, strategy: override}\n- path: ${D}/k.yaml\n  strategy: add-only\nrules_files: [m]\npriority: error\nengine: {kind: replay, replay: {capture_file: x}}\n",
        ),
        ("d/b.txt", "rules_files: [b]\n"),
        ("d/a", "rules_files: [a]\nengine: {kind: kmod}\n"),
        ("d/sub/c.yaml", "rules_files: [sub]\n"),
        ("o.yaml", "priority: info\n"),
        ("k.yaml", "priority: debug\njson_output: true\n"),
    ];
    let (dir, reading) = load_files(&files, &[]);
    let reading = reading.unwrap();
    assert_eq!(rules_files(&reading), ["m", "a", "b"]);
    let values = &reading.checked.values;
    assert_eq!(
        (values["priority"].as_str(), values["json_output"].as_bool()),
        (Some("info"), Some(true))
    );
    // A map is replaced as a whole.
    assert_eq!(values["engine"].as_mapping().unwrap().len(), 1);
    let names: Vec<_> =
        reading.files.iter().map(|f| f.path.strip_prefix(dir.path()).unwrap()).collect();
    assert_eq!(names, ["main.yaml", "d/a", "d/b.txt", "o.yaml", "k.yaml"].map(Path::new));
    assert_eq!(reading.missing, [dir.path().join("none")]);
}

/// What `config check` tells of files, with their folder's name replaced.
fn report(files: &[(&str, &str)], options: &[&str]) -> Vec<String> {
    let (dir, reading) = load_files(files, options);
    let (lines, _) = reading.unwrap().report(&ConfigSource::default());
    let folder = format!("{}/", dir.path().display());
    lines.iter().map(|line| line.replace(&folder, "")).collect()
}

#[test]
fn each_file_is_judged_by_itself() {
    let files = [
        ("main.yaml", "config_files: [DIR/a, DIR/b]\nrules_files: [m]\n"),
        ("a", "json_output: maybe\npriority: [x]\nrules_files: [[n]]\n"),
        ("b", "json_output: true\nprioriti: info\n"),
    ];
    let expected = [
        "error: a:2:11: priority: must be one of Emergency, Alert, Critical, Error, Warning, Notice, Informational, Debug, this is a list",
        "error: a:3:15: rules_files[0]: must be a text, this is a list",
        "warning: a:1:14: json_output: must be true or false, this is \"maybe\"; another value takes its place",
        "warning: b:2:1: unknown key prioriti: it does nothing; did you mean priority?",
        "main.yaml: Ok",
        "a: Invalid",
        "b: Ok, with warnings",
    ];
    assert_eq!(report(&files, &[]), expected);
    // What an option replaces is no error any more, and one can be wrong itself.
    let told = report(&files, &["priority=info", "rules_files[1]=x", "metrics.enabled=5"]);
    assert!(told[0].starts_with("error: -o metrics.enabled=5: metrics.enabled: "), "{told:?}");
    assert_eq!(
        told.iter().filter(|line| line.ends_with("; another value takes its place")).count(),
        3
    );
    assert_eq!(
        told[5..],
        ["main.yaml: Ok", "a: Ok, with warnings", "b: Ok, with warnings", "-o: Invalid"]
    );
}

#[test]
fn what_is_wrong_between_keys_is_the_file_s_that_has_the_key() {
    let files = [("main.yaml", "config_files: [DIR/a]\n"), ("a", "file_output: {enabled: true}\n")];
    let told = report(&files, &[]);
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[1..], ["main.yaml: Ok", "a: Invalid"]);
}

#[test]
fn troubles_of_many_files_are_told_up_to_a_hundred() {
    use std::fmt::Write as _;
    let mut texts = [String::new(), String::new()];
    for n in 0..60 {
        for (file, text) in texts.iter_mut().enumerate() {
            writeln!(text, "key_{file}_{n}: 1").unwrap();
        }
    }
    texts[1].push_str("json_output: maybe\n");
    let files =
        [("main.yaml", "config_files: [DIR/a, DIR/b]\n"), ("a", &*texts[0]), ("b", &*texts[1])];
    let told = report(&files, &[]);
    assert_eq!(told.len(), 104, "{told:?}");
    assert_eq!(told[0], "error: main.yaml:1:1: 21 more that are not told");
    assert_eq!(told[101..], ["main.yaml: Invalid", "a: Ok, with warnings", "b: Invalid"]);
}

#[test]
fn an_option_steers_what_is_included_and_others_come_after_it() {
    let files = [
        ("main.yaml", "config_files: [DIR/a.yaml]\nrules_files: [m]\n"),
        ("a.yaml", "rules_files: [a]\n"),
        ("b.yaml", "rules_files: [b]\n"),
    ];
    let of = |options: &[&str]| {
        let (_dir, reading) = load_files(&files, options);
        rules_files(&reading.unwrap()).join(" ")
    };
    assert_eq!(of(&[]), "m a");
    assert_eq!(of(&["rules_files[]=o", "config_files=DIR/b.yaml"]), "m b o");
    assert_eq!(of(&["config_files[]=DIR/b.yaml", "rules_files[0]=o"]), "o a b");
    assert_eq!(of(&["config_files[].path=${D}/b.yaml", "config_files[1].strategy=override"]), "b");
}

#[test]
fn what_cannot_be_included_is_said() {
    let e = |files: &[(&str, &str)]| {
        let (dir, reading) = load_files(files, &[]);
        format!("{:#}", reading.err().unwrap()).replace(dir.path().to_str().unwrap(), "DIR")
    };
    for main in ["config_files: [DIR/main.yaml]", "config_files: [DIR]"] {
        assert_eq!(
            e(&[("main.yaml", main)]),
            "DIR/main.yaml:1:16: config_files names the main file, DIR/main.yaml; remove it"
        );
    }
    assert_eq!(
        e(&[("main.yaml", "config_files: [DIR/a]"), ("a", "\nconfig_files: []")]),
        "DIR/a:2:1: config_files stands in a file that config_files includes; name all files in the main one"
    );
    assert_eq!(
        e(&[("main.yaml", "config_files: [{strategy: append}]")]),
        "DIR/main.yaml:1:16: config_files: an entry is a path, or a map with the keys path and strategy; this is a map"
    );
    let files = [("main.yaml", "config_files: [{path: DIR/a, strategy: mix, pth: x}]"), ("a", "")];
    let (_dir, reading) = load_files(&files, &[]);
    let texts: Vec<_> = reading.unwrap().checked.troubles.iter().map(|t| t.text.clone()).collect();
    assert_eq!(texts[0], "unknown key config_files[].pth: it does nothing; did you mean path?");
    assert!(texts[1].contains("\"mix\" is no strategy; it is read as append"), "{texts:?}");
}

#[test]
fn every_file_gets_its_verdict_beside_one_that_cannot_be_read() {
    let files = [
        ("main.yaml", "config_files: [DIR/a, DIR/b, DIR/c]\npriority: info\n"),
        ("a", "\njson_output: [\n"),
        ("b", "no_such: 1"),
        ("c", "json_output: true"),
    ];
    let (dir, reading) = load_files(&files, &[]);
    let reading = reading.unwrap();
    let (lines, n_wrong) = reading.report(&ConfigSource::default());
    let dir = dir.path().to_str().unwrap();
    let lines: Vec<_> = lines.iter().map(|line| line.replace(dir, "DIR")).collect();
    assert_eq!(n_wrong, [1, 1], "{lines:#?}");
    assert!(lines[0].starts_with("error: DIR/main.yaml:1:16: config_files: DIR/a:"), "{lines:#?}");
    assert!(lines[1].starts_with("warning: DIR/b:1:1: unknown key no_such"), "{lines:#?}");
    let verdicts =
        ["DIR/main.yaml: Invalid", "DIR/a: Invalid", "DIR/b: Ok, with warnings", "DIR/c: Ok"];
    assert_eq!(lines[lines.len() - 4..], verdicts, "{lines:#?}");
    let e = reading.resolve(&ConfigSource::default(), &Settings::default()).unwrap_err();
    assert!(e.to_string().contains("config_files: "), "{e}");
}

#[test]
fn variables_of_the_environment_are_values_of_any_type() {
    let lookup = |name: &str| match name {
        "N" => Some("3".into()),
        "YES" => Some("true".into()),
        _ => None,
    };
    let of = |options: &[&str]| {
        let options = options.iter().map(|&o| o.to_owned()).collect();
        let source = ConfigSource { options, ..ConfigSource::default() };
        read(&source, Path::new("/no/default"), &lookup)
            .unwrap()
            .resolve(&source, &Settings::default())
    };
    let c =
        of(&["peregrine.shards=${N}", "json_output=${YES}", "static_fields.a=x${N}$${N}${UNSET}"])
            .unwrap();
    assert_eq!((c.shards, c.format.json), (Some(3), true));
    assert_eq!(c.static_fields["a"], "x3${N}");
    let e = of(&["json_output=${UNSET}"]).unwrap_err().to_string();
    assert_eq!(
        e,
        "-o json_output=${UNSET}: json_output: must be true or false, this is \"\" (made of ${UNSET})"
    );
}

#[test]
fn what_is_shown_can_be_read_again_and_is_the_same() {
    let files = [(
        "main.yaml",
        "peregrine: {shards: 7, containers: {docker_sockets: []}}\nrules:\n- disable: {tag: 'a: b'}\nrules_files: ['x # y', 键, '$${D}', 'null']\n\
         static_fields: {a: \"l\\nm\", 'b c': \"\\e[1m\\\\\"}\nplugins: [{name: p, init_config: {deep: [1, [2]]}}]\ncapture: {enabled: yes}\nfile_output: {enabled: on, filename: '${D}/f'}\n",
    )];
    let (dir, reading) = load_files(&files, &["priority=info"]);
    let reading = reading.unwrap();
    let shown = reading.show();
    let config = |reading: &Reading| {
        let config = reading.resolve(&ConfigSource::default(), &Settings::default()).unwrap();
        Config { files: Vec::new(), ..config.silent() }
    };
    let again = dir.path().join("again.yaml");
    std::fs::write(&again, &shown).unwrap();
    let source = ConfigSource { config: Some(again), ..ConfigSource::default() };
    let read_again = read(&source, Path::new("/no/default"), &|_| None).unwrap();
    assert_eq!(read_again.checked.troubles, [], "{shown}");
    assert_eq!(config(&read_again), config(&reading), "{shown}");
    let name = dir.path().join("main.yaml").display().to_string();
    for line in [
        format!("  shards: 7  # {name}:1\n"),
        "  capture_threads: null  # default\n".to_owned(),
        "priority: info  # -o priority=info\n".to_owned(),
        format!("  filename: {}/f  # {name}:8 ${{D}}\n", dir.path().display()),
        format!("- \"$${{D}}\"  # {name}:4\n"),
        format!("      deep:  # {name}:6\n"),
    ] {
        assert!(shown.contains(&line), "{line}{shown}");
    }
}

#[test]
fn keys_that_are_long_or_look_like_variables_are_shown_as_they_are_read() {
    // From 1,025 characters on a key has to stand behind a question mark.
    for key in
        ["k".repeat(1000), "k".repeat(1025), "键".repeat(1100), "${D}".into(), "a ${D} ${".into()]
    {
        let text = format!("static_fields:\n  ? \"{key}\"\n  : \"$${{D ${{D}}\"\n");
        let (dir, reading) = load_files(&[("main.yaml", &text)], &[]);
        let shown = reading.unwrap().show();
        let again = dir.path().join("again.yaml");
        std::fs::write(&again, &shown).unwrap();
        let source = ConfigSource { config: Some(again), ..ConfigSource::default() };
        let read_again =
            read(&source, Path::new("/no/default"), &|_| Some("other".into())).unwrap();
        let config = read_again.resolve(&ConfigSource::default(), &Settings::default()).unwrap();
        let fields: Vec<_> = config.static_fields.iter().collect();
        assert_eq!(fields, [(&key, &"${D ${D}".to_owned())], "{shown}");
    }
}

fn doc(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

/// Compares with a page, or writes it anew.
fn hold(path: &Path, text: &str) {
    if std::env::var_os("REWRITE_GOLDEN").is_some() {
        std::fs::write(path, text).unwrap();
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(there == text, "{} is another; REWRITE_GOLDEN=1 writes it", path.display());
}

#[test]
fn the_sample_is_what_the_schema_says() {
    hold(&doc("peregrine.yaml"), &sample());
}

#[test]
fn the_sample_has_every_key_with_what_the_code_takes_without_it() {
    let source = ConfigSource { config: Some(doc("peregrine.yaml")), ..ConfigSource::default() };
    let reading = read(&source, Path::new("/no/default"), &|_| None).unwrap();
    assert_eq!(reading.checked.troubles, []);
    for key in schema::keys().filter(|k| !matches!(k.does, schema::Does::Removed(_))) {
        let node = key.path.split('.').try_fold(&reading.tree, |at, name| at.get(name));
        let node = node.unwrap_or_else(|| panic!("{} is not in the sample", key.path));
        assert_eq!(node.is_null(), key.default == "null", "{}", key.path);
    }
    let config = reading.resolve(&source, &Settings::default()).unwrap();
    let built_in = load_text(None, &[], &Settings::default()).unwrap();
    assert_eq!(Config { files: Vec::new(), ..config.silent() }, built_in);
}

/// A value that is not the default.
fn another(key: &schema::Key) -> Vec<String> {
    let path = key.path;
    let set = |value: String| vec![format!("{path}={value}")];
    match (path, key.kind) {
        ("engine.kind" | "engine.replay.capture_file", _) => {
            vec!["engine.kind=replay".into(), "engine.replay.capture_file=/x".into()]
        }
        ("file_output.enabled", _) => {
            vec!["file_output.enabled=true".into(), "file_output.filename=/x".into()]
        }
        ("program_output.enabled", _) => {
            vec!["program_output.enabled=true".into(), "program_output.program=cat".into()]
        }
        ("peregrine.outputs.syslog.address", _) => set("tcp://a:1".into()),
        ("peregrine.outputs.syslog.tls_cert" | "peregrine.outputs.syslog.tls_key", _) => {
            let both = ["tls_cert", "tls_key"];
            both.map(|key| format!("peregrine.outputs.syslog.{key}=/other")).into()
        }
        ("http_output.enabled", _) => {
            vec!["http_output.enabled=true".into(), "http_output.url=http://x".into()]
        }
        ("http_output.url", _) => set("http://other".into()),
        ("priority", _) => set("error".into()),
        ("append_output", _) => vec!["append_output[].suggested_output=true".into()],
        ("rules", _) => vec!["rules[].disable.tag=x".into()],
        ("static_fields", _) => vec!["static_fields.x=y".into()],
        ("syscall_event_drops.actions", _) => vec!["syscall_event_drops.actions[0]=exit".into()],
        ("base_syscalls.custom_set", _) => vec!["base_syscalls.custom_set[]=getpid".into()],
        ("peregrine.ring_bytes", _) => set("65536".into()),
        ("webserver.listen_address", _) => set("'::1'".into()),
        ("metrics.interval", _) => set("7s".into()),
        (_, schema::Kind::Bool) => set((key.default != "true").to_string()),
        (_, schema::Kind::Whole(least, _)) => {
            let default: u64 = key.default.parse().unwrap_or(0);
            // Twice as much is another value of bounds that are rounded, too.
            set((default * 2).max(least).max(1).to_string())
        }
        (_, schema::Kind::Real(least, _)) => set((least + 0.5).to_string()),
        (_, schema::Kind::Word(words)) => {
            set((*words.iter().find(|w| **w != key.default).unwrap()).to_owned())
        }
        (_, schema::Kind::Text) => set("/other".into()),
        (_, schema::Kind::Texts) => vec![format!("{path}[]=/other")],
        (_, kind) => panic!("{path}: {kind:?}"),
    }
}

const HTTP: &[&str] =
    &["http_output.enabled=true", "http_output.url=https://x", "http_output.mtls=true"];
const FILE: &[&str] = &["file_output.enabled=true", "file_output.filename=/y"];
const SYSLOG: &[&str] = &["syslog_output.enabled=true"];
const TLS: &[&str] = &["syslog_output.enabled=true", "peregrine.outputs.syslog.address=tls://a:1"];
const METRICS: &[&str] = &["metrics.enabled=true", "metrics.output_file=/y"];
const WEB: &[&str] =
    &["webserver.enabled=true", "webserver.ssl_enabled=true", "metrics.enabled=true"];
const PROGRAM: &[&str] = &["program_output.enabled=true", "program_output.program=true"];

#[test]
fn every_key_that_is_honoured_changes_what_is_resolved() {
    for key in schema::keys().filter(|k| k.is_read() && k.path != "config_files") {
        // What lies behind a switch needs it.
        let switches: &[&str] = match key.path.split('.').next() {
            _ if key.path.ends_with(".enabled") => &[],
            _ if key.path.starts_with("peregrine.capture.") => &["capture.enabled=true"],
            _ if key.path.starts_with("peregrine.outputs.file.") => FILE,
            _ if key.path == "peregrine.outbox.fsync_interval_ms" => {
                &["peregrine.outbox.fsync=interval"]
            }
            _ if key.path.starts_with("peregrine.rate.") => {
                &["peregrine.rate.rule_per_second=1", "peregrine.rate.per_second=1"]
            }
            _ if key.path.starts_with("peregrine.outputs.syslog.tls_") => TLS,
            _ if key.path.starts_with("peregrine.outputs.syslog.") => SYSLOG,
            _ if key.path.starts_with("peregrine.outputs.program.") => PROGRAM,
            Some("program_output") => PROGRAM,
            Some("metrics") => METRICS,
            _ if key.path == "webserver.ssl_enabled" => &WEB[..1],
            Some("webserver") => WEB,
            _ if key.path.starts_with("peregrine.outputs.http.") => HTTP,
            Some("capture") => &["capture.enabled=true"],
            Some("file_output") => FILE,
            _ if key.path == "http_output.mtls" => &HTTP[..2],
            Some("http_output") => HTTP,
            _ => &[],
        };
        let options = another(key);
        let with: Vec<&str> =
            switches.iter().copied().chain(options.iter().map(String::as_str)).collect();
        let of =
            |options: &[&str]| load_text(None, options, &Settings::default()).unwrap().silent();
        let base = of(switches);
        assert_ne!(of(&with), base, "{} changes nothing", key.path);
    }
}

/// The handbook's table of Falco's keys.
fn table() -> String {
    use std::fmt::Write as _;
    let mut out = String::from("| key | takes | default | here |\n|---|---|---|---|\n");
    for key in schema::keys().filter(|k| !k.path.starts_with("peregrine.")) {
        let here = match key.does {
            schema::Does::Honoured => format!("honoured. {}", key.about),
            schema::Does::Other(r) => format!("something else: {}", r.why),
            schema::Does::Nothing(r) | schema::Does::Removed(r) => r.why.to_owned(),
        };
        let here = here.trim_end_matches('.').replace('|', "\\|");
        writeln!(out, "| `{}` | {} | `{}` | {here} |", key.path, key.kind.expected(), key.default)
            .unwrap();
    }
    out
}

#[test]
fn the_handbook_says_of_every_key_of_falco_what_becomes_of_it() {
    let page = doc("configuration.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (begin, end) = ("<!-- keys -->\n", "<!-- end of keys -->\n");
    let (before, rest) = text.split_once(begin).expect("the table has a beginning");
    let (_, behind) = rest.split_once(end).expect("the table has an end");
    hold(&page, &format!("{before}{begin}{}{end}{behind}", table()));
}

#[test]
fn text_keys_take_numbers() {
    let options = ["file_output.enabled=true", "file_output.filename=1"];
    let c = load_text(None, &options, &Settings::default()).unwrap();
    assert_eq!(c.outputs.file.map(|f| f.filename), Some("1".into()));
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
    let c = load_text(
        Some("webserver: {enabled: true, threadiness: 4}\nengine: {kind: kmod}"),
        &[],
        &Settings::default(),
    );
    let warnings = c.unwrap().warnings;
    assert!(
        warnings[0].contains(":1:28: webserver.threadiness: nothing here: one thread"),
        "{warnings:?}"
    );
    assert_eq!(warnings[1..], ["engine.kind: kmod means modern_ebpf here"]);
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
}

//! Bad input through the command line: a clear error or the right text, within bounds of time and memory that the system holds the program to.

mod common;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use std::process::{Command, Output};

use common::PEREGRINE;
use serde_json::Value;

/// Memory that a run may have mapped, more than half of which the allocator takes in any case. A build for tests is hardly optimised.
const MAX_KIB: &str = "1000000";
/// CPU time, a multiple of what any case takes, since the machine is others' too.
const MAX_SECONDS: &str = "20";

/// Runs the program within the bounds.
fn run<S: AsRef<OsStr>>(arguments: &[S], variables: &[(&str, &OsStr)]) -> Output {
    Command::new("sh")
        .args(["-c", "ulimit -v \"$1\" && ulimit -t \"$2\" && shift 2 && exec \"$@\"", "sh"])
        .args([MAX_KIB, MAX_SECONDS, PEREGRINE])
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .expect("a shell")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Ends by itself with exit code 1 and says this.
fn refused<S: AsRef<OsStr>>(arguments: &[S], expected: &str) {
    let out = run(arguments, &[]);
    let said = text(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{expected}: {}\n{said:.2000}", out.status);
    assert!(said.contains(expected), "{expected} is not in\n{said:.2000}");
    assert!(said.lines().any(|line| line.starts_with("Error: ")), "{said:.2000}");
    assert!(said.len() < 20_000, "{} bytes", said.len());
}

/// `a0` ten times in `a1`, that ten times in `a2`, and so on.
fn alias_bomb(indent: &str) -> String {
    let line = |i: usize| match i {
        0 => format!("{indent}a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"),
        i => format!("{indent}a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(", ")),
    };
    (0..10).map(line).collect()
}

fn utf16(text: &str) -> Vec<u8> {
    [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// YAML that is wrong, and what is said of it, whatever it was to be.
fn bad_yaml() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let long_alias =
        format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), vec!["*a"; 100].join(", "));
    vec![
        (
            "bomb",
            alias_bomb("").into(),
            ":6:45: more than 1000000 YAML nodes once aliases are replaced",
        ),
        ("long_alias", long_alias.into(), "16777216"),
        ("lists", "[".repeat(100_000).into(), ":1:256: invalid YAML: recursion limit exceeded"),
        ("maps", "{a: ".repeat(100_000).into(), ":1:1021: invalid YAML: recursion limit exceeded"),
        ("dashes", "- ".repeat(100_000).into(), ":1:65: nested deeper than 32 levels"),
        ("questions", "? ".repeat(100_000).into(), ":1:65: nested deeper than 32 levels"),
        ("tabs", "a:\n\tb: c\n".into(), ":2:2: invalid YAML: tabs disallowed"),
        ("nul", "a: b\0c\n".into(), ":1:5: invalid YAML: found unprintable character"),
        ("latin_1", b"a: inf\xf6\n".into(), ":1:7: not UTF-8: byte 0xf6"),
        ("gb18030", b"a: \xbb\xa8\n".into(), ":1:4: not UTF-8: byte 0xbb"),
        (
            "utf_16",
            utf16("a: b\n"),
            ":1:1: not UTF-8: byte 0xff; it begins as UTF-16 does; save it as UTF-8",
        ),
        ("unknown_anchor", "*".repeat(900_000).into(), ":1:1: invalid YAML: "),
    ]
}

/// The place as files and drawn errors of rules have it.
fn place_and_problem(expected: &str) -> (&str, &str) {
    expected.rsplit_once(": ").filter(|(place, _)| place.starts_with(':')).unwrap_or(("", expected))
}

#[test]
fn configurations_that_are_no_yaml_are_refused_within_bounds() {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, bytes, expected) in bad_yaml() {
        let file = dir.path().join(name);
        fs::write(&file, bytes).expect("it can be written");
        let main = dir.path().join("main.yaml");
        fs::write(&main, format!("config_files: [{}]\n", file.display()))
            .expect("it can be written");
        for (command, path) in
            [(&["config", "check", "-c"][..], &file), (&["--dry-run", "-c"], &main)]
        {
            let arguments = [command, &[path.to_str().expect("text")]].concat();
            refused(&arguments, expected);
            refused(&arguments, &format!("{}", file.display()));
        }
    }
}

#[test]
fn rule_files_that_are_no_yaml_are_refused_within_bounds() {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, bytes, expected) in bad_yaml() {
        let file = dir.path().join(format!("{name}.yaml"));
        fs::write(&file, bytes).expect("it can be written");
        let file = file.to_str().expect("text");
        let (_, problem) = place_and_problem(expected);
        refused(&["-c", "/dev/null", "--dry-run", "-r", file], problem);
        refused(&["-c", "/dev/null", "-V", file], problem);
        refused(&["rules", "check", file], "1 of 1 rule file invalid");
    }
}

#[test]
fn files_that_are_too_large_or_have_no_end_are_not_read_to_the_end() {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, begin: &[u8], piece: &[u8]| {
        let path = dir.path().join(name);
        let mut file = std::io::BufWriter::new(fs::File::create(&path).expect("a file"));
        file.write_all(begin).expect("there is room");
        for _ in 0..(100 << 20) / piece.len() {
            file.write_all(piece).expect("there is room");
        }
        file.flush().expect("there is room");
        path.into_os_string().into_string().expect("text")
    };
    let scalar = write("scalar.yaml", b"priority: ", &[b'x'; 4096]);
    refused(&["config", "check", "-c", &scalar], "a configuration file of more than 1048576 bytes");
    refused(&["-c", "/dev/zero"], "a configuration file of more than 1048576 bytes");
    let rules = write("rules.yaml", b"", b"- list: a\n  items: [b]\n");
    refused(&["-c", "/dev/null", "--dry-run", "-r", &rules], "it has more than 8388608 bytes");
    refused(&["-c", "/dev/null", "-V", &rules], "it has more than 8388608 bytes");
    let endless = dir.path().join("endless.yaml");
    std::os::unix::fs::symlink("/dev/zero", &endless).expect("a link");
    let endless = endless.to_str().expect("text");
    refused(&["-c", "/dev/null", "--dry-run", "-r", endless], "it has more than 8388608 bytes");
    let folder = dir.path().join("many");
    fs::create_dir(&folder).expect("a folder");
    for n in 0..9 {
        fs::write(folder.join(format!("{n}.yaml")), vec![b'\n'; 8 << 20]).expect("there is room");
    }
    let arguments = ["-c", "/dev/null", "--dry-run", "-r", folder.to_str().expect("text")];
    refused(&arguments, "8.yaml: the rule files together have more than 67108864 bytes");
}

#[test]
fn many_small_files_are_no_bomb_either() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("config.d");
    fs::create_dir(&folder).expect("a folder");
    for n in 0..200 {
        // Each within the bounds of one: 100,000 nodes from half a kilobyte.
        let text: String = alias_bomb("  ").split_inclusive('\n').take(5).collect();
        fs::write(folder.join(format!("{n:03}")), format!("key_{n}:\n{text}"))
            .expect("there is room");
    }
    let main = dir.path().join("main.yaml");
    fs::write(&main, format!("config_files: [{}]\n", folder.display())).expect("there is room");
    let expected =
        "the configuration has more than 250000 keys and values once aliases are replaced";
    refused(&["config", "check", "-c", main.to_str().expect("text")], expected);
}

#[test]
fn a_key_twice_and_a_million_unknown_keys_are_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("falco.yaml");
    let check = |text: String, expected: &str| {
        fs::write(&file, text).expect("it can be written");
        refused(&["config", "check", "-c", file.to_str().expect("text")], expected);
    };
    check(
        "priority: info\npriority: info\n".into(),
        "falco.yaml:2:1: the key \"priority\" is there twice, first at ",
    );
    check("a: 1\n".repeat(200_000), "falco.yaml:2:1: the key \"a\" is there twice, first at ");
    let many: Vec<String> = (0..95_000).map(|n| format!("k{n}: 1\n")).collect();
    check(many.concat(), "Error: 0 errors and 101 warnings in the configuration");
}

#[test]
fn what_is_not_utf_8_is_named_and_paths_need_not_be() {
    let bytes = |text: &[u8]| OsString::from_vec(text.to_vec());
    let dir = tempfile::tempdir().expect("a folder");
    for flag in ["-o", "-l", "-p", "--plugin-info"] {
        let arguments = [bytes(flag.as_bytes()), bytes(b"priority=\xff")];
        refused(&arguments, r#"Error: not UTF-8, which all but paths have to be: "priority=\xFF""#);
    }
    let not_text: &[(&str, &OsStr)] = &[("NOT_TEXT", OsStr::from_bytes(b"\xff"))];
    let out = run(&["-c", "/dev/null", "--dry-run", "-o", "static_fields.a=${NOT_TEXT}"], not_text);
    assert_eq!(out.status.code(), Some(1));
    assert_eq!(
        text(&out.stderr),
        "Error: -o static_fields.a=${NOT_TEXT}: the environment's NOT_TEXT is not UTF-8\n"
    );
    let path = |name: &[u8]| dir.path().join(OsStr::from_bytes(name)).into_os_string();
    fs::write(path(b"\xff.yaml"), "priority: x\n").expect("it can be written");
    refused(&["-c".into(), path(b"\xff.yaml")], "\u{fffd}.yaml:1:11: priority: must be one of ");
    fs::write(path(b"r\xff.yaml"), "- list: a\n  item: [b]\n").expect("it can be written");
    let arguments =
        ["-c".into(), "/dev/null".into(), "--dry-run".into(), "-r".into(), path(b"r\xff.yaml")];
    refused(&arguments, "r\u{fffd}.yaml:1:3 (list `a`)");
}

#[test]
fn options_that_are_endless_are_refused_or_shown_in_part() {
    let refused = |option: String, expected: &str| {
        refused(&["--dry-run", "-c", "/dev/null", "-o", &option], expected);
    };
    refused("a.".repeat(50_000) + "b=1", "...: the key has more than 32 parts");
    refused(
        format!("static_fields={{{}", "a: {".repeat(30_000) + "}"),
        "...: the value: invalid YAML: ",
    );
    refused(format!("rules_files[{}]=x", "9".repeat(100_000)), "is not an index up to 1024");
    refused(format!("priority={}", "x".repeat(100_000)), "xxx...\"");
    let out = run(&["-c", "/dev/null", "--dry-run", "-p", &"x".repeat(100_000)], &[]);
    assert_eq!(text(&out.stderr), "Error: -p: 100000 bytes are more than the limit of 4096\n");
}

/// Replays the recording of a single event with this rule file.
fn replay(dir: &Path, rules: &str, options: &[&str], variables: &[(&str, &OsStr)]) -> Output {
    let file = dir.join("规则.yaml");
    fs::write(&file, rules).expect("it can be written");
    let recording =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/captures/sections.scap");
    let mut arguments: Vec<OsString> = ["-c", "/dev/null", "-r"].map(Into::into).into();
    arguments.push(file.into());
    arguments.extend(["--socket".into(), dir.join("socket").into()]);
    for option in [&["engine.kind=replay"], options].concat() {
        arguments.extend(["-o".into(), option.into()]);
    }
    arguments.extend([
        "-o".into(),
        format!("engine.replay.capture_file={}", recording.display()).into(),
    ]);
    run(&arguments, variables)
}

#[test]
fn chinese_goes_through_from_rules_and_configuration_to_alerts() {
    let dir = tempfile::tempdir().expect("a folder");
    let rules = "\u{feff}- rule: 读取敏感文件\n  desc: 有人读取\n  condition: evt.num = 1 and static.zone = 华东\n  \
                 output: 区域=%static.zone 编号 %evt.num\n  priority: WARNING\n  tags: [网络]\n";
    let zone: &[(&str, &OsStr)] = &[("ZONE", OsStr::new("华东"))];
    let alerts = dir.path().join("警报.txt");
    let to_file = format!("file_output={{enabled: true, filename: {}}}", alerts.display());
    let options =
        ["json_output=true", "static_fields.zone=${ZONE}", &to_file, "time_format_iso_8601=true"];
    let out = replay(dir.path(), rules, &options, zone);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let alert: Value = serde_json::from_slice(&out.stdout).expect("one alert");
    assert_eq!(alert["rule"], "读取敏感文件");
    assert!(
        alert["output"].as_str().expect("text").ends_with("Warning 区域=华东 编号 1"),
        "{alert}"
    );
    assert_eq!(alert["output_fields"]["static.zone"], "华东");
    assert_eq!(alert["tags"], serde_json::json!(["网络"]));
    assert_eq!(fs::read(alerts).expect("a file of alerts"), out.stdout);
    // What the language does not take is told with its place.
    let out = replay(dir.path(), &rules.replace("evt.num = 1", "打开"), &options, zone);
    let said = text(&out.stderr);
    assert!(
        said.contains("规则.yaml:3:14 (rule `读取敏感文件`)") && said.contains("found `打开`"),
        "{said}"
    );
    // A pattern of rules, too.
    let out =
        replay(dir.path(), rules, &[&options[..], &["rules[].disable.rule=*敏感*"]].concat(), zone);
    assert!(out.status.success() && out.stdout.is_empty(), "{}", text(&out.stderr));
}

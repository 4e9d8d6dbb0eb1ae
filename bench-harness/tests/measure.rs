//! `peregrine-bench measure` over fake engines and storms: turns, windows, expectations, bars; and one storm beside the real floor.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const BENCH: &str = env!("CARGO_BIN_EXE_peregrine-bench");

/// Says what a storm of its count would, and notes in whose company it was.
const STORM: &str = r#"#!/bin/sh
# ARGS: COUNT DIR
[ -e "$2/up" ] && ns=300 || ns=200
echo "not yet an answer"
echo "{\"kind\":\"fake\",\"count\":$1,\"ns_per_call\":$ns,\"cpu_ns_per_call\":150.5,\"more\":{}}"
"#;

/// Is there until it is told to go; $2 is the scope.
const ENGINE: &str = r#"#!/bin/sh
# ARGS: DIR --scope PID
trap 'exit 0' INT
echo "starting" >&2
echo "$2 $3" >"$1/up"
echo "fake: up and attached" >&2
while :; do sleep 0.02; done
"#;

/// The first answer is before the storm, the second one after it.
const STATS: &str = r#"#!/bin/sh
# ARGS: DIR EVENTS
[ -e "$1/asked" ] && n=$2 || n=0
touch "$1/asked"
grep -q -- '--scope [0-9]' "$1/up" || exit 1
cat <<END
{"at_ns":1,"interval_ns":null,"moment":"running","loads":[],"latencies":[],"equations":[],"losses":[],"counters":{},"levels":{},"notes":[],
"hops":[{"name":"kernel","in":$n,"out":$n,"aside":[{"reason":"filtered","n":7}],"dropped":[{"reason":"ring_full","n":0}],"depth":null}]}
END
"#;

const DEFINITIONS: &str = r#"
[[engine]]
name = "none"

[[engine]]
name = "fake"
command = ["{peregrine}/engine", "{dir}"]
scoped = ["--scope", "{scope}"]
ready = { stderr = "up and attached" }
stats = ["{peregrine}/stats", "{dir}", "2005"]
version = ["echo", "fake 1"]

[[engine]]
name = "absent"
command = ["{falco}"]
ready = { stderr = "up" }

[[bench]]
name = "storm"
analysis = "nothing real"
engines = ["none", "fake", "absent"]
rounds = 3

[bench.storm]
command = ["{storm}", "{count}", "{dir}"]
count = 2000
scoped = true
beside = 10
expect = { fake = 1 }

[[bench.must]]
what = "slow-down"
engine = "fake"
figure = "ns_per_call"
against = "none"
at_most = 1.5

[[bench]]
name = "idle"
analysis = "nothing real"
engines = ["fake"]
rounds = 1
idle = { window_ms = 30, scoped = true }
"#;

fn script(dir: &Path, name: &str, text: &str) {
    let file = dir.join(name);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

fn measure(dir: &Path, definitions: &str, args: &[&str]) -> Output {
    let out = dir.join("out");
    bench(dir, definitions, &[&["measure", "--out", out.to_str().unwrap()], args].concat())
}

fn bench(dir: &Path, definitions: &str, args: &[&str]) -> Output {
    fs::create_dir_all(dir.join("definitions")).unwrap();
    fs::write(dir.join("definitions/fake.toml"), definitions).unwrap();
    for (name, text) in [("storm", STORM), ("engine", ENGINE), ("stats", STATS)] {
        script(dir, name, text);
    }
    let set = |name: &str, file: &Path| format!("--set={name}={}", file.display());
    Command::new(BENCH)
        .args(args)
        .arg("--definitions")
        .arg(dir.join("definitions"))
        .args([set("storm", &dir.join("storm")), set("peregrine", dir)])
        .env_remove("PEREGRINE_FALCO")
        .output()
        .unwrap()
}

fn text(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

fn samples(dir: &Path) -> Vec<Value> {
    let raw = fs::read_to_string(dir.join("out/raw.jsonl")).unwrap();
    raw.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn engines_are_measured_in_turns_and_held_to_the_bars() {
    let dir = tempfile::tempdir().unwrap();
    let out = measure(dir.path(), DEFINITIONS, &[]);
    assert!(out.status.success(), "{}", text(&out));
    let said = text(&out);
    assert!(said.contains("skipped: absent: PEREGRINE_FALCO is not set"), "{said}");
    let bar = "| fake/storm | fake | slow-down | <= 1.50 | 1.50 | met |";
    assert!(said.contains(bar), "{said}");

    let samples = samples(dir.path());
    let turns: Vec<String> = samples
        .iter()
        .map(|s| format!("{} {} {}", s["bench"], s["engine"], s["round"]).replace('"', ""))
        .collect();
    let want = [
        "fake/storm none 0",
        "fake/storm fake 0",
        "fake/storm fake 1",
        "fake/storm none 1",
        "fake/storm none 2",
        "fake/storm fake 2",
        "fake/idle fake 0",
    ];
    assert_eq!(turns, want);
    for sample in &samples[..6] {
        let is_fake = sample["engine"] == "fake";
        let ns = if is_fake { 300.0 } else { 200.0 };
        assert_eq!(sample["figures"]["ns_per_call"], ns, "{sample}");
        assert_eq!(sample["figures"]["cpu_ns_per_call"], 150.5, "{sample}");
        assert_eq!(sample["figures"]["peak_kb"].is_number(), is_fake, "{sample}");
        assert_eq!(sample["counts"]["storm"], 2000, "{sample}");
        assert_eq!(sample["counts"]["written"] == 2005, is_fake, "{sample}");
        assert_eq!(sample["wrong"].as_array().map(Vec::len), Some(0), "{sample}");
    }
    let idle = &samples[6]["figures"];
    for figure in ["start_ms", "resident_kb", "peak_kb", "idle_cpu_percent", "idle_wakes_per_s"] {
        assert!(idle[figure].is_number(), "{figure}: {idle}");
    }

    let machine = fs::read_to_string(dir.path().join("out/machine.json")).unwrap();
    let machine: Value = serde_json::from_str(&machine).unwrap();
    assert_eq!(machine["engines"]["fake"], "fake 1");
    assert_eq!(machine["missing"]["absent"], "PEREGRINE_FALCO is not set");
    assert!(dir.path().join("out/definitions/fake.toml").is_file());
}

#[test]
fn a_missed_bar_and_a_wrong_run_fail() {
    let dir = tempfile::tempdir().unwrap();
    let strict = DEFINITIONS.replace("at_most = 1.5", "at_most = 1.4");
    let out = measure(dir.path(), &strict, &["fake/storm", "--rounds", "1"]);
    assert!(!out.status.success(), "{}", text(&out));
    assert!(text(&out).contains("| <= 1.40 | 1.50 | MISSED |"), "{}", text(&out));

    // Two events for each are asked for, and a few beside them are not four thousand.
    let more = DEFINITIONS.replace("fake = 1 }", "fake = 2 }");
    let out = measure(dir.path(), &more, &["fake/storm", "--rounds", "1"]);
    assert!(!out.status.success(), "{}", text(&out));
    let wrong = "2005 events of the storm were seen, not 4000";
    assert!(text(&out).contains(wrong), "{}", text(&out));
    let counted = samples(dir.path()).iter().filter(|s| s["wrong"] == Value::Array(vec![])).count();
    assert_eq!(counted, 1, "only the storm alone is right");
    assert!(text(&out).contains("| not measured |"), "a wrong run is no figure: {}", text(&out));
}

#[test]
fn a_record_is_a_folder_by_date_and_machine_with_its_report() {
    let dir = tempfile::tempdir().unwrap();
    let records = dir.path().join("records");
    let args = ["record", "fake/storm", "--rounds", "1", "--machine", "here", "--records"];
    let out = bench(dir.path(), DEFINITIONS, &[&args[..], &[records.to_str().unwrap()]].concat());
    assert!(out.status.success(), "{}", text(&out));
    let made: Vec<_> = fs::read_dir(&records).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(made.len(), 1, "{made:?}");
    let name = made[0].file_name().unwrap().to_str().unwrap();
    // 2026-01-31-here
    assert!(name.ends_with("-here") && name.len() == 15, "{name}");
    let report = fs::read_to_string(made[0].join("report.md")).unwrap();
    assert!(
        report.contains("| fake/storm | fake | slow-down | <= 1.50 | 1.50 | met |"),
        "{report}"
    );
    for file in ["raw.jsonl", "machine.json", "fake-storm.svg", "definitions/fake.toml"] {
        assert!(made[0].join(file).is_file(), "{file}");
    }
}

#[test]
fn a_try_makes_a_hundredth_once() {
    let dir = tempfile::tempdir().unwrap();
    let many = DEFINITIONS.replace("count = 2000", "count = 300000").replace("2005", "3000");
    let out = measure(dir.path(), &many, &["fake/storm", "--engine", "none", "--quick"]);
    assert!(out.status.success(), "{}", text(&out));
    let samples = samples(dir.path());
    assert_eq!((samples.len(), &samples[0]["counts"]["storm"]), (1, &Value::from(3000)));
}

#[test]
fn a_definition_that_is_wrong_starts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let out = measure(dir.path(), &DEFINITIONS.replace("count = 2000", "count = -1"), &[]);
    assert!(!out.status.success() && !dir.path().join("out").exists());
    let said = text(&out);
    assert!(said.contains("definitions/fake.toml") && said.contains("count = -1"), "{said}");
}

/// The descriptors of a floor that is attached, as the kernel tells of them; `Err` where this machine lets nobody attach.
fn attached(args: &[&str]) -> Result<String, String> {
    let mut floor = Command::new(env!("CARGO_BIN_EXE_peregrine-floor"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(floor.stdout.take().unwrap()).read_line(&mut line).unwrap();
    if line != "attached\n" {
        let out = floor.wait_with_output().unwrap();
        return Err(String::from_utf8_lossy(&out.stderr).trim().to_owned());
    }
    let descriptors = fs::read_dir(format!("/proc/{}/fdinfo", floor.id())).unwrap();
    let told = descriptors.map(|d| fs::read_to_string(d.unwrap().path()).unwrap()).collect();
    drop(floor.stdin.take());
    assert!(floor.wait().unwrap().success(), "it ends when stdin closes");
    Ok(told)
}

#[test]
fn the_floor_is_attached_where_it_says() {
    for (args, tracepoint) in [
        (&[][..], "sys_exit"),
        (&["--tp", "sys_enter"], "sys_enter"),
        (&["--tp", "sys_exit"], "sys_exit"),
    ] {
        match attached(args) {
            Ok(told) => assert!(told.contains(&format!("tp_name:\t{tracepoint}\n")), "{told}"),
            Err(why) => {
                println!("skipped: the_floor_is_attached_where_it_says: {why}");
                return;
            }
        }
    }
}

#[test]
fn a_storm_is_measured_beside_the_floor() {
    if let Err(why) = attached(&[]) {
        println!("skipped: a_storm_is_measured_beside_the_floor: {why}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let definitions = r#"
        [[engine]]
        name = "none"
        [[engine]]
        name = "floor"
        command = ["{floor}"]
        ready = { stdout = "attached" }
        version = ["{floor}", "--version"]
        [[bench]]
        name = "getpid"
        analysis = "the hook alone"
        engines = ["none", "floor"]
        rounds = 2
        [bench.storm]
        command = ["SHELL", "-c", "i=0; while [ $i -lt {count} ]; do kill -0 $$; i=$((i+1)); done; echo '{\"count\":{count},\"ns_per_call\":1,\"cpu_ns_per_call\":1}'"]
        count = 2000
        scoped = false
    "#;
    let out = measure(dir.path(), &definitions.replace("SHELL", "/bin/sh"), &[]);
    assert!(out.status.success(), "{}", text(&out));
    let samples = samples(dir.path());
    assert_eq!(samples.len(), 4);
    let floors: Vec<&Value> = samples.iter().filter(|s| s["engine"] == "floor").collect();
    assert!(
        floors.iter().all(|s| s["figures"]["resident_kb"].as_f64() > Some(100.0)),
        "{floors:?}"
    );
}

/// Two event blocks behind a header: what the fake recorder copies.
fn recording() -> Vec<u8> {
    let block = |kind: u32, body: &[u8]| {
        let len = (body.len() as u32 + 12).to_le_bytes();
        [&kind.to_le_bytes()[..], &len, body, &len].concat()
    };
    let event = |ts: u64| block(0x216, &[&[1, 0][..], &ts.to_le_bytes(), &[7; 22]].concat());
    [block(0x0A0D_0D0A, &[0; 16]), event(100), event(200)].concat()
}

const REPLAY: &str = r#"
[[engine]]
name = "reader"
command = ["/bin/sh", "-c", "wc -c <{input} | sed 's/^/read /' >&2"]
said = "read "

[[engine]]
name = "printer"
command = ["/bin/sh", "-c", "seq 5; cat {input} >&2"]
prints = true

[[engine]]
name = "ruler"
command = ["/bin/sh", "-c", "grep -c '^- rule: ' {rules}/7.yaml {rules}/3.yaml | sed 's/.*:/rules /' >&2"]
said = "rules "

[[bench]]
name = "replay"
analysis = "nothing real"
engines = ["reader", "printer"]
rounds = 2

[bench.replay]
record = ["cp", "{peregrine}/recording", "{file}"]
events = 1000
"#;

#[test]
fn a_recording_is_made_once_and_read_by_all() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("recording"), recording()).unwrap();
    let out = measure(dir.path(), REPLAY, &[]);
    assert!(out.status.success(), "{}", text(&out));
    let samples = samples(dir.path());
    assert_eq!(samples.len(), 4);
    for sample in samples {
        let figures = &sample["figures"];
        assert_eq!(sample["counts"]["events"], 1000, "{sample}");
        let per_s = figures["events_per_s"].as_f64().unwrap();
        let ns = figures["ns_per_event"].as_f64().unwrap();
        assert!((per_s * ns / 1e9 - 1.0).abs() < 1e-6, "{sample}");
        let per_cpu_s = figures["events_per_cpu_s"].as_f64().unwrap();
        let cpu_ns = figures["engine_cpu_ns_per_event"].as_f64().unwrap();
        assert!((per_cpu_s * cpu_ns / 1e9 - 1.0).abs() < 1e-6, "{sample}");
        assert!(figures["peak_kb"].as_f64() > Some(100.0), "{sample}");
        if sample["engine"] == "reader" {
            // A header of 28 bytes and a thousand blocks of 44.
            assert_eq!(sample["counts"]["said"], 28 + 44_000, "{sample}");
            assert!(figures.get("lines_per_s").is_none(), "{sample}");
        } else {
            assert_eq!(sample["counts"]["lines"], 5, "{sample}");
            let [lines, events] = ["lines", "events"].map(|what| {
                figures[format!("{what}_per_cpu_s")].as_f64().unwrap()
                    / figures[format!("{what}_per_s")].as_f64().unwrap()
            });
            assert!((lines / events - 1.0).abs() < 1e-6, "{sample}");
        }
    }
}

#[test]
fn rules_are_made_up_as_many_as_are_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("recording"), recording()).unwrap();
    let ruled = REPLAY
        .replace("\"reader\", \"printer\"", "\"ruler\"")
        .replace("events = 1000", "events = 1000\nrules = [3, 7]");
    let out = measure(dir.path(), &ruled, &["--rounds", "1"]);
    assert!(out.status.success(), "{}", text(&out));
    assert_eq!(samples(dir.path())[0]["counts"]["said"], 7);
}

#[test]
fn a_recording_that_is_given_is_read_and_left() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.scap");
    fs::write(&file, recording()).unwrap();
    let given = format!("--set=recording={}", file.display());
    let out = measure(dir.path(), REPLAY, &["--rounds", "1", "--engine", "reader", &given]);
    assert!(out.status.success(), "{}", text(&out));
    assert!(file.is_file());
    let none = REPLAY.replace("\"cp\"", "\"false\"");
    let out = measure(dir.path(), &none, &["--rounds", "1"]);
    let said = text(&out);
    assert!(said.contains("skipped: fake/replay: nothing was recorded: false"), "{said}");
    assert!(!out.status.success(), "nothing was measured");
}

/// Prints an alert for each of three, ten milliseconds after its event.
const ALERTS: &str = r#"
[[engine]]
name = "alerting"
command = ["/bin/sh", "-c", "trap 'exit 0' INT; echo up >&2; until [ -e storm.out ]; do sleep 0.01; done; for i in 1 2 3; do t=$(date +%s%N); sleep 0.01; echo '{\"output_fields\":{\"evt.time\":'$t'}}'; done; while :; do sleep 0.01; done"]
ready = { stderr = "up" }

[[bench]]
name = "latency"
analysis = "nothing real"
engines = ["alerting"]
rounds = 1

[bench.storm]
command = ["/bin/sh", "-c", "sleep 0.5; echo '{\"count\":{count},\"ns_per_call\":{rate},\"cpu_ns_per_call\":1,\"cycles_per_second\":100}'"]
count = 40
rate = 200
share_of_most = 0.15
scoped = false
alerts = 1
"#;

#[test]
fn alerts_are_stamped_and_a_rate_is_a_share_of_the_most() {
    let dir = tempfile::tempdir().unwrap();
    let out = measure(dir.path(), ALERTS, &[]);
    assert!(out.status.success(), "{}", text(&out));
    let sample = &samples(dir.path())[0];
    // 15 of the hundred a second that the storm says it reaches, not the 200 that were asked for; and as many fewer of the 40.
    assert_eq!((&sample["counts"]["rate"], &sample["counts"]["storm"]), (&15.into(), &3.into()));
    assert_eq!(
        (&sample["figures"]["ns_per_call"], &sample["counts"]["alerts"]),
        (&15.0.into(), &3.into())
    );
    for figure in ["alert_p50_us", "alert_p99_us", "alert_p999_us"] {
        let us = sample["figures"][figure].as_f64().unwrap();
        assert!(us >= 10_000.0, "{figure}: {us}");
    }
}

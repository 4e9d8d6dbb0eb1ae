//! The web server of a running agent: it is well, its metrics are those of the handbook and what promtool takes, and TLS.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use common::{Agent, DEADLINE, Shell, alone, can_run_live, run, skip};

const PROMTOOL: &str = "/usr/bin/promtool";

/// Where the agent says that it answers.
fn address(agent: &Agent) -> String {
    let line = agent.start_block().lines().find_map(|l| l.strip_prefix("  web "));
    let url = line.expect("it says where").trim().split("/healthz").next().expect("a path");
    url.split("://").nth(1).expect("a scheme").to_owned()
}

fn ask(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("UTF-8, and an end");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let code = head.split(' ').nth(1).and_then(|c| c.parse().ok()).expect("a status");
    (code, body.to_owned())
}

const METRICS: [&str; 8] = [
    "-o",
    "webserver={enabled: true, listen_port: 0, prometheus_metrics_enabled: true}",
    "-o",
    "metrics.enabled=true",
    "-o",
    "metrics.kernel_event_counters_per_cpu_enabled=true",
    "-o",
    "peregrine.rate={per_second: 1000, same_within_ms: 1}",
];

/// What is there only where something happened.
const SOMETIMES: [&str; 4] = [
    "peregrine_lost_events_total",
    "peregrine_set_aside_events_total",
    "peregrine_outbox_alerts_total",
    "peregrine_metrics_alerts_total",
];

/// Families of a page: kind, and samples with their labels.
fn families(text: &str) -> BTreeMap<&str, (&str, Vec<&str>)> {
    let mut all = BTreeMap::new();
    let mut name = "";
    for line in text.lines() {
        if let Some(ty) = line.strip_prefix("# TYPE ") {
            let kind;
            (name, kind) = ty.split_once(' ').expect("a kind");
            assert!(all.insert(name, (kind, Vec::new())).is_none(), "{name} twice");
        } else if !line.starts_with('#') {
            assert!(line.starts_with(name), "{line}");
            all.get_mut(name).expect("a family").1.push(line);
        }
    }
    all
}

/// By family, the kind that the handbook has.
fn handbook() -> BTreeMap<String, String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let page = fs::read_to_string(page).expect("docs/metrics.md");
    let row = |line: &str| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
        let is_family = name.starts_with("peregrine_") || name.starts_with("falcosecurity_");
        is_family.then(|| (name.to_owned(), cells.next().unwrap_or_default().to_owned()))
    };
    page.lines().filter_map(row).collect()
}

/// An agent with every sink and recording that there is.
fn full_agent(dir: &Path, shell: &Shell) -> Agent {
    let config = dir.join("peregrine.yaml");
    let text = format!(
        "file_output: {{enabled: true, filename: {dir}/alerts}}\n\
         program_output: {{enabled: true, keep_alive: true, program: \"cat >/dev/null\"}}\n\
         syslog_output: {{enabled: true}}\n\
         http_output: {{enabled: true, url: 'http://127.0.0.1:1/'}}\n\
         capture: {{enabled: true, path_prefix: {dir}/capture}}\n\
         peregrine: {{outbox: {{directory: {dir}/outbox}}, outputs: {{http: {{durable: true}}, syslog: {{address: 'udp://127.0.0.1:9'}}}}, write: {dir}/run.scap}}\n",
        dir = dir.display()
    );
    fs::write(&config, text).expect("a file");
    let pid = shell.pid();
    let config = config.to_str().expect("UTF-8");
    Agent::start(&[&["-c", config, "--scope-pid", &pid], &METRICS[..]].concat())
}

#[test]
fn metrics_are_those_of_the_handbook_and_what_promtool_takes() {
    if !can_run_live("metrics_are_those_of_the_handbook_and_what_promtool_takes") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut shell = Shell::start();
    let agent = full_agent(dir.path(), &shell);
    let address = address(&agent);
    assert_eq!(ask(&address, "/healthz"), (200, r#"{"status": "ok"}"#.to_owned()));
    shell.run("cat /etc/shadow >/dev/null");
    agent.wait_for_lines(1);
    let begin = Instant::now();
    let text = loop {
        let (code, text) = ask(&address, "/metrics");
        assert_eq!(code, 200);
        let is_told = text.contains("peregrine_sink_delivered_total{sink=\"stdout\"} 1\n");
        if is_told || begin.elapsed() > DEADLINE {
            break text;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    };
    let config = dir.path().join("peregrine.yaml");
    let sum = Command::new("sha256sum").arg(&config).output().expect("sha256sum runs");
    let sum = String::from_utf8_lossy(&sum.stdout)[..64].to_owned();
    let in_force =
        format!("_config_files_info{{file_name=\"peregrine.yaml\",sha256=\"{sum}\"}} 1\n");
    assert!(text.contains(&in_force), "no {in_force} in {text}");
    let families = families(&text);
    let handbook = handbook();
    for (name, (kind, samples)) in &families {
        assert_eq!(
            handbook.get(*name).map(String::as_str),
            Some(*kind),
            "{name} in docs/metrics.md"
        );
        assert!(!samples.is_empty(), "{name}");
    }
    let missing: BTreeSet<_> =
        handbook.keys().map(String::as_str).filter(|name| !families.contains_key(name)).collect();
    assert!(missing.iter().all(|name| SOMETIMES.contains(name)), "{missing:?}");
    for holds in &families["peregrine_equation_holds"].1 {
        assert!(holds.ends_with(" 1"), "{holds}");
    }
    let end_to_end: Vec<_> = families["peregrine_sink_end_to_end_seconds"].1.clone();
    let of_stdout: Vec<_> = end_to_end.iter().filter(|l| l.contains("sink=\"stdout\"")).collect();
    // 26 bounds, infinity, sum and count.
    assert_eq!(of_stdout.len(), 29, "{of_stdout:?}");
    assert!(of_stdout.iter().any(|l| l.contains("le=\"+Inf\"} 1")), "{of_stdout:?}");
    assert!(text.contains("falcosecurity_falco_rules_matches_total{"), "matches of rules");
    assert!(text.contains("tag_mitre_"), "tags of rules are labels");
    promtool(&text);
    let (code, versions) = ask(&address, "/versions");
    assert!(code == 200 && versions.contains("\"engine_version_semver\""), "{versions}");
    let end = agent.interrupt();
    assert!(TcpStream::connect(&address).is_err(), "nobody listens any more");
    assert!(end.status.success());
}

/// Names of metrics in a text; those of a histogram without their ends.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let heads = ["peregrine_", "falcosecurity_"];
    let names = words.filter(|word| heads.iter().any(|head| word.starts_with(head)));
    names.map(|name| name.strip_suffix("_bucket").unwrap_or(name)).collect()
}

#[test]
fn dashboard_and_alerting_rules_ask_for_metrics_that_there_are() {
    let handbook = handbook();
    for file in ["grafana-dashboard.json", "prometheus-rules.yaml"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(file);
        let text = fs::read_to_string(&path).expect(file);
        let names = names(&text);
        assert!(names.len() > 8, "{file}: {names:?}");
        for name in names {
            assert!(handbook.contains_key(name), "{file}: {name}");
        }
        if file == "grafana-dashboard.json" {
            let dashboard: serde_json::Value = serde_json::from_str(&text).expect(file);
            assert!(dashboard["panels"].as_array().is_some_and(|panels| panels.len() > 10));
        } else if Path::new(PROMTOOL).exists() {
            let said = Command::new(PROMTOOL).args(["check", "rules"]).arg(&path).output();
            let said = said.expect("promtool runs");
            assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        } else {
            skip("promtool check rules", "there is no promtool; apt-get install prometheus");
        }
    }
}

/// promtool's verdict on a page of metrics.
fn promtool(text: &str) {
    if !Path::new(PROMTOOL).exists() {
        skip("promtool check metrics", "there is no promtool; apt-get install prometheus");
        return;
    }
    let mut promtool = Command::new(PROMTOOL)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs");
    promtool.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    let said = promtool.wait_with_output().expect("it ends");
    let text = [said.stdout, said.stderr].concat();
    assert!(said.status.success() && text.is_empty(), "{}", String::from_utf8_lossy(&text));
}

#[test]
fn snapshots_are_alerts_and_lines_of_json() {
    if !can_run_live("snapshots_are_alerts_and_lines_of_json") {
        return;
    }
    let _alone = alone();
    for threads in [&["--single-thread"][..], &[]] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("metrics.jsonl");
        let metrics = format!(
            "metrics={{enabled: true, interval: 200ms, output_rule: true, output_file: {}}}",
            file.display()
        );
        let mut shell = Shell::start();
        let pid = shell.pid();
        let args = [threads, &["--scope-pid", &pid, "--json", "-o", &metrics]].concat();
        let agent = Agent::start(&args);
        shell.run("cat /etc/shadow >/dev/null");
        agent.wait_for_lines(8);
        let end = agent.interrupt();
        end.assert_balanced();
        let text = fs::read_to_string(&file).expect("it is written");
        let samples: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert!(samples.len() >= 7, "{text}");
        for (n, sample) in samples.iter().enumerate() {
            assert_eq!(sample["sample"], n);
        }
        let last = &samples[samples.len() - 1]["output_fields"];
        for key in [
            "evt.time",
            "evt.hostname",
            "falco.num_evts",
            "falco.memory_rss_mb",
            "scap.n_evts",
            "falco.rules.matches_total",
            "falco.sha256_rules_file.built_in_rules",
            "peregrine.kernel.seen",
        ] {
            assert!(last.get(key).is_some(), "{key} in {last}");
        }
        let rule = "Peregrine internal: metrics snapshot";
        let alerts = end.alerts();
        let snapshots: Vec<serde_json::Value> = alerts
            .iter()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .filter(|alert: &serde_json::Value| alert["rule"] == rule)
            .collect();
        assert_eq!(snapshots.len(), samples.len(), "{alerts:?}");
        assert_eq!(
            (&snapshots[0]["priority"], &snapshots[0]["source"]),
            (&"Informational".into(), &"internal".into())
        );
        assert!(
            snapshots[0]["output"].as_str().is_some_and(|o| o.contains(rule)),
            "{}",
            snapshots[0]
        );
    }
}

#[test]
fn over_tls_and_only_with_both_switches() {
    if !can_run_live("over_tls_and_only_with_both_switches") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let openssl = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key", "-out", "cert"])
        .current_dir(dir.path())
        .output()
        .expect("openssl is there");
    assert!(openssl.status.success(), "{}", String::from_utf8_lossy(&openssl.stderr));
    let pem = ["key", "cert"].map(|f| fs::read_to_string(dir.path().join(f)).expect("it is made"));
    let path = dir.path().join("falco.pem");
    fs::write(&path, pem.concat()).expect("a file");
    let pid = std::process::id().to_string();
    let ssl = format!("webserver.ssl_certificate={}", path.display());
    let args = [
        "--scope-pid",
        &pid,
        "-o",
        "webserver={enabled: true, listen_port: 0, ssl_enabled: true}",
        "-o",
        &ssl,
    ];
    let agent = Agent::start(&args);
    assert!(agent.start_block().contains("  web         https://127.0.0.1:"));
    let address = address(&agent);
    let get = |path: &str| {
        let mut curl = Command::new("curl");
        curl.args(["-s", "--max-time", "20", "-w", "%{http_code}", "--cacert"])
            .arg(dir.path().join("cert"));
        curl.arg(format!("https://{address}{path}"))
            .output()
            .map(|out| String::from_utf8_lossy(&out.stdout).into_owned())
    };
    match get("/healthz") {
        Ok(answer) => assert_eq!(answer, "{\"status\": \"ok\"}200"),
        Err(e) => skip("over_tls_and_only_with_both_switches", &format!("curl: {e}")),
    }
    assert!(
        get("/metrics").is_ok_and(|answer| answer.ends_with("404")),
        "metrics.enabled is false"
    );
    // A second one on the same port.
    let taken = format!(
        "webserver={{enabled: true, listen_port: {}}}",
        address.rsplit(':').next().expect("a port")
    );
    let second = run(&["--scope-pid", &pid, "-o", &taken]);
    assert!(!second.status.success());
    assert!(second.stderr.contains("webserver.listen_port"), "{}", second.stderr);
    agent.interrupt();
}

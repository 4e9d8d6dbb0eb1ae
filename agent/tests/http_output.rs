//! The running program posts its alerts over HTTPS: what stands on stdout is what the server got; what cannot work is said before anything is attached.

mod common;
#[path = "../../outputs/tests/nginx/mod.rs"]
mod nginx;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Agent, PEREGRINE, Running, Shell, alone, can_run_live, run};
use nginx::{Certs, Place, can_serve};

const RULES: &str = "
- rule: opened
  desc: d
  condition: evt.type in (open, openat) and fd.name = /etc/hostname
  output: opened %fd.name by %proc.name (%evt.num)
  priority: INFO
";

/// Options that post to this place over mutual TLS.
fn posting(place: &Place, certs: &Certs) -> Vec<String> {
    let file = |name: &str| certs.path(name).display().to_string();
    [
        ("enabled", "true".to_owned()),
        ("url", place.url()),
        ("ca_cert", file("ca.crt")),
        ("mtls", "true".to_owned()),
        ("client_cert", file("client.crt")),
        ("client_key", file("client.key")),
    ]
    .iter()
    .flat_map(|(key, value)| ["-o".to_owned(), format!("http_output.{key}={value}")])
    .collect()
}

fn texts(options: &[String]) -> Vec<&str> {
    options.iter().map(String::as_str).collect()
}

/// The bodies that the server got; it notes them after its answers.
fn bodies(place: &Place, n_expected: usize) -> Vec<String> {
    let begin = Instant::now();
    loop {
        let posts = place.posts();
        if posts.len() >= n_expected || begin.elapsed() > common::DEADLINE {
            assert!(posts.iter().all(|p| p.status == 204 && p.content_type == "application/json"));
            return posts.into_iter().map(|p| p.body).collect();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_replay_posts_what_it_prints() {
    if !can_serve("http_output") {
        return;
    }
    let certs = Certs::new();
    let place = Place::new(&certs);
    let _nginx = place.start();
    let recording =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings/ordinary-work.scap.gz");
    let rules = certs.path("rules.yaml");
    std::fs::write(
        &rules,
        RULES
            .replace("evt.type in (open, openat) and fd.name = /etc/hostname", "evt.type = execve"),
    )
    .expect("a file");
    let options = posting(&place, &certs);
    let args = [recording.to_str(), rules.to_str()].map(|p| p.expect("UTF-8"));
    let ended =
        run(&[&["replay", args[0], "-r", args[1], "--json"], &texts(&options)[..]].concat());
    ended.assert_balanced();
    let printed: Vec<&str> = ended.stdout.lines().collect();
    assert!(printed.len() > 10, "{}", ended.stdout);
    assert!(bodies(&place, printed.len()) == printed, "{}", ended.stderr);
}

#[test]
fn a_replay_that_waits_for_a_dead_server_says_so_and_is_ended_by_a_signal() {
    let recording =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings/ordinary-work.scap.gz");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let rules = dir.path().join("rules.yaml");
    let any = RULES
        .replace("evt.type in (open, openat) and fd.name = /etc/hostname", "evt.type = execve");
    std::fs::write(&rules, any).expect("a file");
    let free = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    for more in [&[][..], &["--single-thread"]] {
        let said = dir.path().join("said");
        let child = Command::new(PEREGRINE)
            .arg("replay")
            .arg(&recording)
            .arg("-r")
            .arg(&rules)
            .args(more)
            .args(["-o", "stdout_output.enabled=false", "-o", "http_output.enabled=true"])
            .args(["-o", &format!("http_output.url=http://{free}/")])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&said).expect("a file"))
            .spawn()
            .expect("the program starts");
        let mut child = Running(child);
        let begin = Instant::now();
        let waits = "output http: the replay waits for it with ";
        while !std::fs::read_to_string(&said).expect("text").contains(waits) {
            assert!(child.0.try_wait().expect("our child").is_none(), "it waits");
            assert!(begin.elapsed() < common::DEADLINE, "{:?}", std::fs::read_to_string(&said));
            std::thread::sleep(Duration::from_millis(20));
        }
        let pid = rustix::process::Pid::from_child(&child.0);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
        assert_eq!(child.0.wait().expect("our child").code(), Some(1));
        let said = std::fs::read_to_string(&said).expect("text");
        assert_eq!(said.matches(waits).count(), 1, "{said}");
    }
}

#[test]
fn what_cannot_work_is_said_at_the_start() {
    if !can_serve("http_output") {
        return;
    }
    let certs = Certs::new();
    let path = |name: &str| certs.path(name).display().to_string();
    std::fs::write(certs.path("empty"), "").expect("a file");
    let base = ["replay", "/no/recording.scap", "-o", "http_output.enabled=true"];
    let said = |options: &[String]| {
        let options: Vec<_> = options.iter().flat_map(|o| ["-o", o]).collect();
        let ended = run(&[&base[..], &options].concat());
        assert!(!ended.status.success() && ended.stdout.is_empty(), "{}", ended.stdout);
        let lines: Vec<&str> = ended.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "{}", ended.stderr);
        lines[0].replace(certs.folder().to_str().expect("UTF-8"), "DIR")
    };
    let https = "http_output.url=https://localhost/x".to_owned();
    let set = |key: &str, file: &str| format!("http_output.{key}={}", path(file));
    let mtls = |cert: &str, key: &str| {
        let mtls = "http_output.mtls=true".to_owned();
        vec![
            https.clone(),
            set("ca_cert", "ca.crt"),
            mtls,
            set("client_cert", cert),
            set("client_key", key),
        ]
    };
    for (options, expected) in [
        (
            vec!["http_output.url=localhost:8080/x".to_owned()],
            "Error: -o http_output.url=localhost:8080/x: http_output.url: has no scheme; https://localhost:8080/x or http://localhost:8080/x?",
        ),
        (
            vec![https.clone(), set("ca_cert", "none")],
            "Error: http_output.ca_cert: DIR/none: No such file or directory (os error 2)",
        ),
        (
            vec![https.clone(), set("ca_bundle", "empty")],
            "Error: http_output.ca_bundle: DIR/empty: no certificate in it (PEM)",
        ),
        (
            vec![https.clone(), set("ca_path", "none")],
            "Error: http_output.ca_path: DIR/none: No such file or directory (os error 2)",
        ),
        (
            mtls("none", "client.key"),
            "Error: http_output.client_cert: DIR/none: No such file or directory (os error 2)",
        ),
        (
            mtls("client.crt", "none"),
            "Error: http_output.client_key: DIR/none: No such file or directory (os error 2)",
        ),
        (
            mtls("client.crt", "server.key"),
            "Error: http_output.client_key: DIR/server.key: the key is not that of the certificate in DIR/client.crt",
        ),
    ] {
        assert_eq!(said(&options), expected);
    }
}

/// Runs a storm of opens under the agent, some 2,000 a second; gives what was printed, and the agent's end.
fn storm(n: usize, options: &[&str]) -> (Vec<String>, common::Ended, Duration) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let rules = dir.path().join("rules.yaml");
    std::fs::write(&rules, RULES).expect("a file");
    let mut shell = Shell::start();
    let base = ["--json", "--scope-pid", &shell.pid(), "-r", rules.to_str().expect("UTF-8")];
    let agent = Agent::start(&[&base, options].concat());
    let begin = Instant::now();
    let some = "i=0; while [ $i -lt 400 ]; do : < /etc/hostname; i=$((i+1)); done";
    for _ in 0..n / 400 {
        shell.run(&format!("{some}; sleep 0.2"));
    }
    let taken = begin.elapsed();
    agent.wait_for_lines(n);
    let is_through = |stats: &perf::Snapshot| stats.levels.get("outputs.http.waiting") == Some(&0);
    let wait = Instant::now();
    while !is_through(&agent.stats()) && wait.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let ended = agent.interrupt();
    (ended.stdout.lines().map(str::to_owned).collect(), ended, taken)
}

#[test]
fn a_storm_of_alerts_is_posted_whole() {
    if !can_serve("http_output") || !can_run_live("http_output") {
        return;
    }
    let _alone = alone();
    let certs = Certs::new();
    let place = Place::new(&certs);
    let _nginx = place.start();
    let n = 10_000;
    let (printed, ended, taken) = storm(n, &texts(&posting(&place, &certs)));
    ended.assert_balanced();
    println!("{n} alerts, raised in {:.1} s, posted one by one", taken.as_secs_f64());
    assert_eq!(printed.len(), n, "{}", ended.stderr);
    let mut bodies = bodies(&place, n);
    let mut printed = printed;
    // Alerts of several shards come in any order, the same one for both.
    assert!(
        bodies == printed || {
            bodies.sort();
            printed.sort();
            bodies == printed
        }
    );
}

#[test]
fn a_server_that_hangs_costs_stdout_nothing() {
    if !can_run_live("http_output") {
        return;
    }
    let _alone = alone();
    // It takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http_output.url=http://{}/", silent.local_addr().expect("an address"));
    let n = 2000;
    let options = [
        "-o",
        "http_output.enabled=true",
        "-o",
        &url,
        "-o",
        "peregrine.outputs.http.queue_alerts=100",
        "-o",
        "peregrine.outputs.http.timeout_ms=500",
        "-o",
        "output_timeout=300",
        "-o",
        "peregrine.end_within_ms=300",
    ];
    let (printed, ended, _) = storm(n, &options);
    assert_eq!(printed.len(), n, "{}", ended.stderr);
    assert!(!ended.status.success());
    for said in [
        "output http: blocked for more than 300 ms; ",
        ": no answer in time; alerts wait and are tried again",
        " alerts could not be delivered before the end",
    ] {
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
}

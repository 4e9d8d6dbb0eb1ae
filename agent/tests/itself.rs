//! Attacks on the agent, made on agents of this test's own: what the shipped rules tell with what a running agent gives them, and what it tells by itself.

mod common;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{Agent, DEADLINE, Shell, alone, can_run_live, without_time};
use rustix::thread::set_thread_res_uid;

/// The smallest outbox that there is.
const MAX_BYTES: u64 = 1 << 20;

/// Rule and object of each alert, in order.
fn told(stdout: &str, object: &str) -> Vec<(String, String)> {
    let of = |alert: &serde_json::Value| {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        (text(&alert["rule"]), text(&alert["output_fields"][object]))
    };
    stdout.lines().map(|line| of(&serde_json::from_str(line).expect("JSON"))).collect()
}

/// Its own paths, and its own end: SIGTERM by somebody who is no service manager is told by the agent that it ends.
#[test]
fn the_shipped_rules_know_this_agent() {
    if !can_run_live("the_shipped_rules_know_this_agent") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (config, alerts, outbox) = (path("c.yaml"), path("alerts.json"), path("outbox"));
    fs::write(&config, "json_output: true\nwatch_config_files: false\n").expect("a file");
    let options = [
        "file_output.enabled=true".to_owned(),
        format!("file_output.filename={alerts}"),
        "peregrine.outputs.file.durable=true".to_owned(),
        format!("peregrine.outbox.directory={outbox}"),
    ];
    let mut shell = Shell::start();
    let pid = shell.pid();
    let mut args = vec!["-c", &config, "--scope-pid", &pid];
    args.extend(options.iter().flat_map(|option| ["-o", option]));
    let agent = Agent::start(&args);
    let (own, socket) = (agent.pid(), agent.socket().display().to_string());
    // By relative names and links, too.
    fs::create_dir(dir.path().join("links")).expect("a directory");
    std::os::unix::fs::symlink(&config, path("links/c")).expect("a link");
    let done = [
        (format!("echo '# more' >> {config}"), "Peregrine configuration changed", &config),
        (format!(": >> {}", path("links/c")), "Peregrine configuration changed", &config),
        (format!(": >> {alerts}"), "Peregrine file changed", &alerts),
        (
            format!("cd {outbox} && echo x > strange; cd /"),
            "Peregrine file changed",
            &format!("{outbox}/strange"),
        ),
        (format!("chmod 0666 {socket}"), "Peregrine file changed", &socket),
        (
            format!("echo 0 > /proc/{own}/oom_score_adj"),
            "Peregrine process tampered with",
            &format!("/proc/{own}/oom_score_adj"),
        ),
    ];
    for (command, ..) in &done {
        assert_eq!(shell.run(command), 0, "{command}");
    }
    // What is quiet: looks, a reload, and files beside.
    let quiet = format!(
        "cat {config} {alerts} /proc/{own}/status; ls {outbox}; kill -0 {own}; kill -HUP {own}; : > {}",
        path("beside")
    );
    assert_eq!(shell.run(&quiet), 0);
    agent.at_rest();
    assert_eq!(shell.run(&format!("kill {own}")), 0);
    let ended = agent.wait();
    ended.assert_balanced();
    let rules: Vec<String> = told(&ended.stdout, "").into_iter().map(|(rule, _)| rule).collect();
    let mut expected: Vec<&str> = done.iter().map(|&(_, rule, _)| rule).collect();
    expected.push("Peregrine killed or stopped");
    assert_eq!(rules, expected, "{}", ended.stdout);
    for ((_, _, object), line) in done.iter().zip(ended.stdout.lines()) {
        assert!(line.contains(object.as_str()), "{object}: {line}");
    }
    assert!(ended.stdout.contains("signal=SIGTERM result=SUCCESS"), "{}", ended.stdout);
}

/// As where an administrator opened the socket, or handed on a descriptor.
#[test]
fn a_client_that_may_not_ask_raises_an_alert() {
    if !can_run_live("a_client_that_may_not_ask_raises_an_alert") {
        return;
    }
    let _alone = alone();
    let shell = Shell::start();
    let agent = Agent::start(&["-c", "/dev/null", "--scope-pid", &shell.pid()]);
    let socket = agent.socket();
    let open = |path: &Path, mode| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    open(socket.parent().expect("a directory"), 0o755);
    open(&socket, 0o666);
    let ask = move || {
        let nobody = rustix::process::Uid::from_raw(65_534);
        // Of this thread alone.
        set_thread_res_uid(nobody, nobody, nobody).expect("root may");
        let client = std::os::unix::net::UnixStream::connect(&socket).expect("it listens");
        common::read_all(client)
    };
    for _ in 0..3 {
        let answer = std::thread::spawn(ask.clone()).join().expect("an answer");
        assert!(answer.contains("user 65534 may not ask this agent"), "{answer}");
    }
    let text = agent.wait_for_lines(1);
    let text = without_time(text.lines().next().expect("a line")).to_owned();
    let own = std::process::id();
    assert_eq!(
        text,
        format!(
            "Critical Peregrine internal: control socket refused: user 65534 asked by process {own} and may not"
        )
    );
    let stats = agent.stats();
    assert_eq!((stats.get("control.refused"), stats.get("self.alerts")), (Some(3), Some(1)));
    agent.interrupt().assert_balanced();
}

/// The receiver is a file whose directory is not there.
#[test]
fn an_outbox_that_fills_is_told_of_once_for_each_level() {
    if !can_run_live("an_outbox_that_fills_is_told_of_once_for_each_level") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let rules = path("rules.yaml");
    let rule = "- rule: Named\n  desc: for tests\n  condition: evt.type in (open, openat) and fd.name startswith /nowhere/\n  output: named %fd.name\n  priority: WARNING\n";
    fs::write(&rules, rule).expect("a file");
    fs::create_dir(path("away")).expect("a directory");
    let options = [
        "file_output.enabled=true".to_owned(),
        format!("file_output.filename={}", path("away/alerts")),
        "peregrine.outputs.file.durable=true".to_owned(),
        format!("peregrine.outbox.directory={}", path("outbox")),
        "peregrine.outbox.segment_bytes=65536".to_owned(),
        format!("peregrine.outbox.max_bytes={MAX_BYTES}"),
        "peregrine.end_within_ms=500".to_owned(),
    ];
    let mut shell = Shell::start();
    let pid = shell.pid();
    let mut args = vec!["-c", "/dev/null", "-r", &rules, "--scope-pid", &pid];
    args.extend(options.iter().flat_map(|option| ["-o", option]));
    let agent = Agent::start(&args);
    // Nobody takes anything until the end.
    fs::remove_dir_all(path("away")).expect("a directory");
    let internal = |stdout: &str| -> Vec<String> {
        let own = stdout.lines().filter_map(|l| l.split_once("Peregrine internal: outbox "));
        own.map(|(_, rest)| rest.split(':').next().unwrap_or_default().to_owned()).collect()
    };
    let deadline = Instant::now() + DEADLINE;
    let long = "x".repeat(150);
    let mut round = 0;
    loop {
        let n_told = internal(&agent.stdout()).len();
        if n_told == 2 {
            break;
        }
        let stats = agent.stats();
        assert!(Instant::now() < deadline, "{}", stats.table());
        let is_told = n_told == 1 || stats.levels["outbox.bytes"] < MAX_BYTES / 5 * 4;
        if is_told {
            shell.run(&format!(
                "i=0; while [ $i -lt 100 ]; do (: < /nowhere/{long}-{round}-$i); i=$((i+1)); done"
            ));
            round += 1;
        } else {
            // It looks once a second.
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    // Full is full, however often something more waits.
    for more in 0..4 {
        shell.run(&format!("(: < /nowhere/more-{more}); sleep 0.5"));
    }
    let stats = agent.stats();
    assert!(stats.get("outbox.full") >= Some(1), "{}", stats.table());
    let ended = agent.interrupt();
    ended.assert_equations();
    assert_eq!(internal(&ended.stdout), ["nearly full", "full"], "{}", ended.stderr);
}

//! Names of addresses: what a name server answered is what rules read of the connections after it.

mod common;

use std::net::UdpSocket;
use std::process::Command;

use common::{Agent, DEADLINE, PEREGRINE, Shell, alone, can_run_live, skip};

/// A reply to a question for `evil.example`: 127.0.0.9, by way of a name that it stands for.
fn answer(question: &[u8]) -> Vec<u8> {
    let mut out = question.to_vec();
    // A response without errors, one question, two answers.
    out[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0]);
    // `evil.example` (a pointer to the question) is `cdn.example`, whose name begins behind the record's head and which has the address.
    let end = out.len();
    out.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 6, 3, b'c', b'd', b'n', 0xc0, 17]);
    let cdn = (end + 12) as u8;
    out.extend([0xc0, cdn, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 9]);
    out
}

const QUESTION: &str =
    r"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04evil\x07example\x00\x00\x01\x00\x01";

const RULES: &str = "
- rule: Talks to evil
  desc: d
  condition: evt.type = connect and fd.sip.name = evil.example
  output: \"%proc.name -> %fd.sip.name %fd.name\"
  priority: WARNING
- rule: Talks to anybody else
  desc: d
  condition: evt.type = connect and fd.sip in (127.0.0.8, 127.0.0.9) and fd.sip.name != evil.example
  output: \"%proc.name -> other %fd.sip.name\"
  priority: WARNING
";

/// A script that asks the name server for a name and then connects to where it points, and to another address.
fn script(call: &str) -> String {
    format!(
        "import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect(('127.77.0.1', 53))
s.send(b'{QUESTION}')
{call}
for address in ('127.0.0.9', '127.0.0.8'):
    t = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    t.connect((address, 4242))
"
    )
}

#[test]
fn connections_have_the_names_that_were_asked_for() {
    let name = "connections_have_the_names_that_were_asked_for";
    if !can_run_live(name) {
        return;
    }
    if Command::new("python3").arg("-V").output().is_err() {
        return skip(name, "there is no python3");
    }
    let Ok(server) = UdpSocket::bind("127.77.0.1:53") else {
        return skip(name, "port 53 of 127.77.0.1 is taken");
    };
    server.set_read_timeout(Some(DEADLINE)).unwrap();
    let serving = std::thread::spawn(move || {
        let mut buf = [0; 512];
        for _ in 0..3 {
            let (n, from) = server.recv_from(&mut buf).expect("a question");
            server.send_to(&answer(&buf[..n]), from).unwrap();
        }
    });
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules.yaml");
    std::fs::write(&rules, RULES).unwrap();
    // Each way to receive an answer.
    let calls = [
        "s.recv(512)",
        "s.recvmsg(512)",
        "s.settimeout(None)\nimport os\nos.read(s.fileno(), 512)",
    ];
    let mut alerts = Vec::new();
    for call in calls {
        let file = dir.path().join("ask.py");
        std::fs::write(&file, script(call)).unwrap();
        let mut shell = Shell::start();
        let pid = shell.pid();
        let agent = Agent::start(&[
            "--scope-pid",
            &pid,
            "-r",
            &rules.display().to_string(),
            "--shards",
            "2",
        ]);
        shell.run(&format!("python3 {}", file.display()));
        let ended = agent.interrupt();
        ended.assert_balanced();
        alerts.push(ended.stdout);
    }
    serving.join().unwrap();
    for (call, alerts) in calls.iter().zip(&alerts) {
        let count = |text: &str| alerts.lines().filter(|line| line.contains(text)).count();
        assert_eq!(count("-> evil.example "), 1, "{call}: {alerts}");
        // The name server's own address is not of 127.0.0.
        assert_eq!(
            count("-> other"),
            0,
            "{call}: an address without a name has none that differs: {alerts}"
        );
    }
}

#[test]
fn names_that_rules_compare_with_are_asked_of_the_resolver() {
    if !can_run_live("names_that_rules_compare_with_are_asked_of_the_resolver") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules.yaml");
    // The machine's own table of hosts has it.
    std::fs::write(&rules, RULES.replace("evil.example", "localhost")).unwrap();
    let connect = "exec 3<>/dev/udp/127.0.0.1/4242";
    for (resolves, expected) in [("true", 1), ("false", 0)] {
        let mut shell = Shell::start();
        let pid = shell.pid();
        let option = format!("peregrine.resolve_names={resolves}");
        let agent =
            Agent::start(&["--scope-pid", &pid, "-r", &rules.display().to_string(), "-o", &option]);
        // The resolver is not waited for.
        std::thread::sleep(std::time::Duration::from_millis(300));
        shell.run(&format!("bash -c '{connect}'"));
        let ended = agent.interrupt();
        ended.assert_balanced();
        let n = ended.stdout.lines().filter(|line| line.contains("-> localhost ")).count();
        assert_eq!(n, expected, "{resolves}: {}", ended.stdout);
    }
}

#[test]
fn what_names_cost_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules.yaml");
    std::fs::write(&rules, RULES).unwrap();
    let told =
        Command::new(PEREGRINE).args(["events", "--needed-by"]).arg(&rules).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    let line = told.lines().find(|l| l.starts_with("recvfrom ")).unwrap_or_default();
    assert!(line.contains("answers of name servers, for fd.sip.name of 2 rules"), "{line}");
}

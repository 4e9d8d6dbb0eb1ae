//! Each shipped rule, triggered for real, harmlessly, in a scoped shell; and each gives exactly its alert.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Agent, Shell, alone, can_run_live, skip};
use serde_json::Value;

/// A container's cgroup, empty, removed when dropped.
struct Cgroup(PathBuf);

/// Id of the container that the cgroup pretends to be.
const CONTAINER: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

impl Cgroup {
    /// In the first hierarchy that takes it; `None` where none does.
    fn new() -> Option<Self> {
        ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/pids", "/sys/fs/cgroup"].iter().find_map(
            |root| {
                let path = Path::new(root).join("docker").join(CONTAINER);
                fs::create_dir_all(&path).ok()?;
                path.join("cgroup.procs").exists().then_some(Self(path))
            },
        )
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        drop(fs::remove_dir(&self.0));
        drop(self.0.parent().map(fs::remove_dir));
    }
}

/// Runs the commands one after the other and gives `(rule, output fields)` of every alert.
fn alerts(commands: &[&str]) -> Vec<(String, Value)> {
    let mut shell = Shell::start();
    let agent = Agent::start(&["--scope-pid", &shell.pid(), "--json"]);
    for command in commands {
        assert_eq!(shell.run(command), 0, "{command}");
    }
    let ended = agent.interrupt();
    ended.assert_balanced();
    let parse = |line: &str| -> (String, Value) {
        let alert: Value = serde_json::from_str(line).expect("JSON");
        (alert["rule"].as_str().expect("a rule").to_owned(), alert["output_fields"].clone())
    };
    ended.stdout.lines().map(parse).collect()
}

/// The one alert of these commands.
#[track_caller]
fn one(rule: &str, commands: &[&str], fields: &[(&str, &str)]) {
    let _alone = alone();
    let alerts = alerts(commands);
    let names: Vec<&str> = alerts.iter().map(|(rule, _)| &**rule).collect();
    assert_eq!(names, [rule], "{alerts:#?}");
    for (field, expected) in fields {
        assert_eq!(alerts[0].1[field], *expected, "{field} in {:#?}", alerts[0].1);
    }
}

#[test]
fn sensitive_file() {
    if can_run_live("sensitive_file") {
        one(
            "Sensitive file read by untrusted program",
            &["cd /etc && cat ./shadow"],
            &[("fd.name", "/etc/shadow"), ("proc.name", "cat"), ("proc.pname", "sh")],
        );
    }
}

#[test]
fn binary_directory() {
    if can_run_live("binary_directory") {
        let file = "/usr/local/bin/peregrine-test-file";
        one(
            "Write below binary directory",
            &[&format!("touch {file}"), &format!("rm {file}")],
            &[("fd.name", file), ("proc.name", "touch")],
        );
    }
}

#[test]
fn below_etc() {
    if can_run_live("below_etc") {
        let file = "/etc/peregrine-test-file";
        one(
            "Write below etc",
            &[&format!("echo x > {file}"), &format!("rm {file}")],
            &[("fd.name", file), ("proc.name", "sh")],
        );
    }
}

#[test]
fn memfd() {
    if !can_run_live("memfd") {
        return;
    }
    // memfd_create is call 319 on x86-64; the copy of `true` runs from memory.
    let program = "$fd = syscall(319, my $name = \"from-memory\", 0); open($o, \">&=\", $fd); binmode $o; \
                   open($i, \"<\", \"/bin/true\"); binmode $i; undef $/; syswrite($o, <$i>); \
                   exec {\"/proc/self/fd/$fd\"} \"from-memory\"";
    one(
        "Fileless execution from memfd",
        &[&format!("perl -e '{program}'")],
        &[("proc.pname", "sh")],
    );
}

#[test]
fn miner() {
    if !can_run_live("miner") {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let miner = dir.path().join("xmrig");
    fs::copy("/bin/true", &miner).expect("a copy");
    one(
        "Crypto miner started",
        &[&format!("{} -o stratum+tcp://pool.invalid:3333", miner.display())],
        &[("proc.name", "xmrig")],
    );
}

#[test]
fn shell_of_a_server() {
    if !can_run_live("shell_of_a_server") {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let server = dir.path().join("nginx");
    fs::copy("/bin/sh", &server).expect("a copy");
    one(
        "Shell spawned by server process",
        &[&format!("{} -c 'sh -c \"true; true\"; true'", server.display())],
        &[("proc.name", "sh"), ("proc.pname", "nginx")],
    );
}

#[test]
fn shell_in_a_container() {
    let test = "shell_in_a_container";
    if !can_run_live(test) {
        return;
    }
    let Some(cgroup) = Cgroup::new() else {
        return skip(test, "no cgroup can be made here");
    };
    let procs = cgroup.0.join("cgroup.procs").display().to_string();
    // `script` gives its shell a terminal, as a runtime's exec does.
    let enter =
        format!("sh -c 'echo $$ > {procs} && SHELL=/bin/sh exec script -q -c true /dev/null'");
    one(
        "Shell in container with terminal",
        &[&enter],
        &[("proc.pname", "script"), ("container.id", &CONTAINER[..12])],
    );
}

#[test]
fn command_and_control() {
    if can_run_live("command_and_control") {
        // A datagram socket: connecting it sends nothing. Without a route it fails, and is told all the same.
        one(
            "Outbound connection to command and control server",
            &["bash -c 'exec 3<>/dev/udp/192.0.2.66/9' || true"],
            &[("proc.name", "bash"), ("fd.l4proto", "udp")],
        );
    }
}

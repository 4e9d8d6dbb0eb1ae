//! The agent as a service: what it needs of root, and what it says where that is lacking.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{DEADLINE, PEREGRINE, Running, can_run_live, skip};
use serde_json::Value;

/// A user who owns nothing.
const NOBODY: &str = "65534";

/// A folder that everybody may enter and write, with the program in it: that of the build may be out of others' reach.
struct ForAll(tempfile::TempDir);

impl ForAll {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o777)).expect("its owner may");
        fs::copy(PEREGRINE, dir.path().join("peregrine")).expect("a copy");
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The program as that user, with these capabilities and no others, behind `setpriv`.
    fn as_nobody(&self, capabilities: &str) -> Command {
        let mut command = Command::new("setpriv");
        let given = if capabilities.is_empty() {
            "-all".to_owned()
        } else {
            format!("-all,{capabilities}")
        };
        command
            .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"])
            .args(["--inh-caps", &given, "--ambient-caps", &given])
            .arg(self.path("peregrine"))
            .current_dir(self.0.path());
        command
    }
}

fn can_change_user(test: &str) -> bool {
    if !Path::new("/usr/bin/setpriv").exists() {
        skip(test, "needs setpriv (util-linux)");
        return false;
    }
    can_run_live(test)
}

fn output(mut command: Command) -> (Output, String) {
    let out = command.output().expect("it starts");
    let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
    (out, stderr)
}

fn verdicts(out: &Output) -> Vec<(String, String)> {
    let object: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    let text = |finding: &Value, key: &str| finding[key].as_str().expect(key).to_owned();
    let findings = object["findings"].as_array().expect("a list");
    findings.iter().map(|f| (text(f, "subject"), text(f, "verdict"))).collect()
}

fn of<'a>(verdicts: &'a [(String, String)], subject: &str) -> &'a str {
    verdicts.iter().find(|(of, _)| of == subject).map_or("nothing", |(_, verdict)| verdict)
}

#[test]
fn the_doctor_tells_root_that_an_agent_can_start() {
    let test = "the_doctor_tells_root_that_an_agent_can_start";
    if !can_run_live(test) {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::write(dir.path().join("none.yaml"), "").expect("a file");
    let mut command = Command::new(PEREGRINE);
    command.args(["doctor", "--json", "-c", "none.yaml", "--socket", "s"]).current_dir(dir.path());
    let (out, stderr) = output(command);
    let told = verdicts(&out);
    assert_eq!(out.status.code(), Some(0), "{told:?} {stderr}");
    for subject in ["kernel types", "CAP_BPF", "programs", "rules", "control socket"] {
        assert_ne!(of(&told, subject), "missing", "{told:?}");
    }
    assert_eq!(of(&told, "CAP_SYS_PTRACE"), "ok");
    let left: Vec<_> = fs::read_dir(dir.path()).expect("it is there").flatten().collect();
    assert_eq!(left.len(), 1, "only the configuration: {left:?}");
}

#[test]
fn without_privileges_each_that_is_lacking_is_named_and_nothing_is_left() {
    let test = "without_privileges_each_that_is_lacking_is_named_and_nothing_is_left";
    if !can_change_user(test) {
        return;
    }
    let place = ForAll::new();
    let mut command = place.as_nobody("");
    command.args(["doctor", "--json", "--socket", "s"]);
    let (out, stderr) = output(command);
    assert_eq!(out.status.code(), Some(1), "{stderr}");
    let told = verdicts(&out);
    for (capability, verdict) in [
        ("CAP_BPF", "missing"),
        ("CAP_PERFMON", "missing"),
        ("CAP_NET_ADMIN", "degraded"),
        ("CAP_SYS_PTRACE", "degraded"),
        ("CAP_DAC_READ_SEARCH", "degraded"),
    ] {
        assert_eq!(of(&told, capability), verdict);
    }
    let mut command = place.as_nobody("");
    command.args(["record", "x.scap"]);
    let (out, stderr) = output(command);
    assert_eq!(out.status.code(), Some(1));
    let lacking = "missing CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH: without CAP_BPF, CAP_PERFMON nothing";
    assert!(stderr.contains(lacking), "{stderr}");
    assert!(!place.path("x.scap").exists(), "an empty recording is left");
    let mut command = place.as_nobody("+bpf,+net_admin");
    command.args(["-M", "1", "--socket", "s"]);
    let (_, stderr) = output(command);
    let lacking =
        "missing CAP_PERFMON, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH: without CAP_PERFMON nothing";
    assert!(stderr.contains(lacking), "{stderr}");
}

#[test]
fn a_user_with_the_five_capabilities_watches() {
    let test = "a_user_with_the_five_capabilities_watches";
    if !can_change_user(test) {
        return;
    }
    let place = ForAll::new();
    let rules = "- rule: seen\n  desc: a test\n  condition: evt.type = execve and proc.name = true\n  output: seen %proc.name\n  priority: NOTICE\n";
    fs::write(place.path("rules.yaml"), rules).expect("a file");
    let scope = std::process::id().to_string();
    let mut command = place.as_nobody("+bpf,+perfmon,+net_admin,+sys_ptrace,+dac_read_search");
    command.args(["-r", "rules.yaml", "-M", "3", "--socket", "s", "--scope-pid", &scope]);
    let running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut running = Running(running.expect("it starts"));
    let deadline = Instant::now() + DEADLINE * 2;
    let mut n_runs = 0;
    while running.0.try_wait().expect("it is ours").is_none() {
        assert!(Instant::now() < deadline, "it does not end");
        assert!(Command::new("true").status().expect("it starts").success());
        n_runs += 1;
        std::thread::sleep(Duration::from_millis(50));
    }
    let [mut stdout, mut stderr] = [String::new(), String::new()];
    let read = |from: &mut dyn std::io::Read, to: &mut String| from.read_to_string(to).map(drop);
    read(&mut running.0.stdout.take().expect("a pipe"), &mut stdout).expect("text");
    read(&mut running.0.stderr.take().expect("a pipe"), &mut stderr).expect("text");
    assert!(stdout.contains("seen true"), "{n_runs} runs\n{stdout}\n{stderr}");
    assert!(!stderr.contains("no CAP_"), "{stderr}");
}

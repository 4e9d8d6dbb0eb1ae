//! The agent as a service: what it needs of root, what it says where that is lacking, and what it tells whoever started it.

mod common;

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{DEADLINE, PEREGRINE, Running, Shell, alone, can_run_live, skip};
use libc::pid_t;
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

fn write_rules(path: &Path, condition: &str) {
    let text = format!(
        "- rule: seen\n  desc: a test\n  condition: {condition}\n  output: seen %proc.name\n  priority: NOTICE\n"
    );
    fs::write(path, text).expect("a file");
}

/// What a service manager hears, behind a socket of its own.
struct Manager(UnixDatagram);

impl Manager {
    fn new(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket");
        socket.set_read_timeout(Some(DEADLINE * 2)).expect("a limit");
        Self(socket)
    }

    /// The next word that holds this; what comes before it is skipped.
    fn wait_for(&self, word: &str) -> String {
        let (mut skipped, mut bytes) = (Vec::new(), [0; 512]);
        loop {
            let n = self.0.recv(&mut bytes).unwrap_or_else(|e| {
                panic!("no {word}: {e}; instead {skipped:?}");
            });
            let text = String::from_utf8_lossy(&bytes[..n]).into_owned();
            if text.lines().any(|line| line.starts_with(word)) {
                return text;
            }
            skipped.push(text);
        }
    }
}

fn thread_statuses(pid: u32) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let of = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("status")).ok();
    threads.flatten().filter_map(of).collect()
}

fn line<'a>(status: &'a str, key: &str) -> &'a str {
    status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap_or("").trim()
}

#[test]
fn the_manager_hears_of_each_step_and_threads_have_only_what_they_need() {
    let test = "the_manager_hears_of_each_step_and_threads_have_only_what_they_need";
    if !can_run_live(test) {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| dir.path().join(name);
    let manager = Manager::new(&path("notify"));
    write_rules(&path("rules.yaml"), "evt.type = execve and proc.name = true");
    let scope = std::process::id().to_string();
    let mut command = Command::new(PEREGRINE);
    command.args(["-r", "rules.yaml", "--socket", "s", "--scope-pid", &scope]);
    command.args(["-o", "watch_config_files=false"]);
    command.current_dir(dir.path()).env("NOTIFY_SOCKET", path("notify"));
    command.env("WATCHDOG_USEC", "4000000").stdout(Stdio::null()).stderr(Stdio::null());
    let mut agent = Running(command.spawn().expect("it starts"));
    let pid = agent.0.id();
    manager.wait_for("READY=1");
    manager.wait_for("WATCHDOG=1");
    manager.wait_for("WATCHDOG=1");

    let statuses = thread_statuses(pid);
    assert!(statuses.len() > 3, "{statuses:?}");
    for status in &statuses {
        // CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_PERFMON, CAP_BPF.
        for set in ["CapPrm", "CapEff", "CapBnd"] {
            assert_eq!(line(status, set), "000000c000081006", "{set} of {}", line(status, "Name"));
        }
        assert_eq!(line(status, "NoNewPrivs"), "1", "{}", line(status, "Name"));
        assert_eq!(line(status, "Seccomp"), "2", "{}", line(status, "Name"));
    }
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("it runs");
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    assert!(core.is_some_and(|line| line.matches(" 0 ").count() == 2), "{core:?}");

    // Programs that the first rules had no use for are loaded and attached.
    write_rules(&path("rules.yaml"), "evt.type in (connect, openat) and fd.name = /etc/hosts");
    let own = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a process");
    rustix::process::kill_process(own, rustix::process::Signal::HUP).expect("it runs");
    let word = manager.wait_for("RELOADING=1");
    assert!(word.contains("MONOTONIC_USEC="), "{word}");
    manager.wait_for("READY=1");
    let mut stats = Command::new(PEREGRINE);
    stats.args(["stats", "--json", "--socket", "s"]).current_dir(dir.path());
    let (out, stderr) = output(stats);
    let stats: Value = serde_json::from_slice(&out.stdout).expect(&stderr);
    assert_eq!(stats["rules"]["generation"], 2, "the kernel refused a reload: {}", stats["rules"]);
    assert_eq!(
        stats["rules"]["not_covered"].as_array().map_or(0, Vec::len),
        0,
        "{}",
        stats["rules"]
    );

    rustix::process::kill_process(own, rustix::process::Signal::TERM).expect("it runs");
    manager.wait_for("STOPPING=1");
    assert!(agent.0.wait().expect("it is ours").success());
}

/// A thread that is stopped while all others of its process run, until this is dropped.
struct Stopped(pid_t);

impl Stopped {
    fn stop(pid: u32, name: &str) -> Self {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
        let is_it = |thread: &fs::DirEntry| {
            fs::read_to_string(thread.path().join("comm")).is_ok_and(|comm| comm.trim() == name)
        };
        let thread = threads.flatten().find(is_it).expect("there is such a thread");
        let tid = thread.file_name().to_str().and_then(|t| t.parse().ok()).expect("a number");
        let stopped = Self(tid);
        stopped.ask(libc::PTRACE_SEIZE);
        stopped.ask(libc::PTRACE_INTERRUPT);
        let mut status = 0;
        // SAFETY: room for one number.
        let waited = unsafe { libc::waitpid(tid, &raw mut status, libc::__WALL) };
        assert_eq!(waited, tid, "{}", std::io::Error::last_os_error());
        assert!(libc::WIFSTOPPED(status), "{status:x}");
        stopped
    }

    fn ask(&self, request: libc::c_uint) {
        let none = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: these requests use no memory of this process.
        let done = unsafe { libc::ptrace(request, self.0, none, none) };
        assert_eq!(done, 0, "ptrace {request:x}: {}", std::io::Error::last_os_error());
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.ask(libc::PTRACE_DETACH);
    }
}

/// Stops one thread of an agent for good: its health and the manager hear of that one, the watchdog gets nothing, and once it goes on everything
/// is as before, with what happened meanwhile.
fn one_thread_stands_still(test: &str, thread: &str) {
    if !can_run_live(test) {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| dir.path().join(name);
    let manager = Manager::new(&path("notify"));
    let mut shell = Shell::start();
    write_rules(&path("rules.yaml"), "evt.type = execve and proc.name = true");
    let mut command = Command::new(PEREGRINE);
    command.args(["-r", "rules.yaml", "--socket", "s", "--scope-pid", &shell.pid()]);
    command.args(["-o", "webserver={enabled: true, listen_port: 0}"]);
    command.current_dir(dir.path()).env("NOTIFY_SOCKET", path("notify"));
    command.env("WATCHDOG_USEC", "4000000").stdout(fs::File::create(path("out")).expect("a file"));
    command.stderr(fs::File::create(path("err")).expect("a file"));
    let mut agent = Running(command.spawn().expect("it starts"));
    manager.wait_for("READY=1");
    manager.wait_for("WATCHDOG=1");
    let text = |name: &str| fs::read_to_string(path(name)).expect("it is there");
    let said = text("err");
    let address = said.split("http://").nth(1).and_then(|rest| rest.split('/').next());
    let address = address.expect("it says where it answers");
    let health = || {
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        write!(stream, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    let healthy = "HTTP/1.1 200 OK";
    assert!(health().starts_with(healthy), "{}", health());

    let stopped = Stopped::stop(agent.0.id(), thread);
    let stalled = manager.wait_for("STATUS=stalled: ");
    assert!(stalled.contains(&format!("{thread} has not moved for 1")), "{stalled}");
    // The web server looks at other moments than the watchdog.
    let deadline = Instant::now() + DEADLINE;
    let answer = loop {
        let answer = health();
        if !answer.starts_with(healthy) || Instant::now() > deadline {
            break answer;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains(&format!("{thread} has not moved for 1")), "{answer}");
    // What has been told since: how long it has been, and nothing that feeds.
    manager.0.set_read_timeout(Some(Duration::from_millis(2500))).expect("a limit");
    let mut bytes = [0; 512];
    while let Ok(n) = manager.0.recv(&mut bytes) {
        let word = String::from_utf8_lossy(&bytes[..n]);
        assert!(word.starts_with("STATUS=stalled: "), "fed while {thread} stands still: {word}");
        if word.contains(" 13 s") {
            break;
        }
    }
    assert_eq!(shell.run("/bin/true"), 0);
    assert_eq!(text("out"), "", "{thread} does not stand still");

    drop(stopped);
    manager.0.set_read_timeout(Some(DEADLINE * 2)).expect("a limit");
    manager.wait_for("WATCHDOG=1");
    manager.wait_for("STATUS=watching");
    let deadline = Instant::now() + DEADLINE;
    while !(health().starts_with(healthy) && text("out").contains("seen true")) {
        assert!(Instant::now() < deadline, "{} {}", health(), text("out"));
        std::thread::sleep(Duration::from_millis(100));
    }
    let own = rustix::process::Pid::from_raw(agent.0.id().cast_signed()).expect("a process");
    rustix::process::kill_process(own, rustix::process::Signal::TERM).expect("it runs");
    assert!(agent.0.wait().expect("it is ours").success());
    let said = text("err");
    assert!(said.contains("  holds  ") && !said.contains("UNEXPLAINED"), "{said}");
}

#[test]
fn a_shard_that_stands_still_is_told_and_goes_on() {
    one_thread_stands_still("a_shard_that_stands_still_is_told_and_goes_on", "shard-0");
}

#[test]
fn a_capture_thread_that_stands_still_is_told_and_goes_on() {
    one_thread_stands_still("a_capture_thread_that_stands_still_is_told_and_goes_on", "cap-0");
}

/// Journals stop, and pipes have readers that stand still.
#[test]
fn a_stderr_that_nobody_reads_does_not_delay_the_end() {
    if !can_run_live("a_stderr_that_nobody_reads_does_not_delay_the_end") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut shell = Shell::start();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let child = Command::new(PEREGRINE)
        .args(["-c", "/dev/null", "--scope-pid", &shell.pid(), "--socket"])
        .arg(dir.path().join("p.sock"))
        .args(["-o", "peregrine.end_within_ms=300"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(writer.try_clone().expect("a descriptor"))
        .spawn()
        .expect("the program starts");
    let mut agent = Running(child);
    let mut lines = BufReader::new(reader).lines();
    while !lines.next().expect("it goes on").expect("text").starts_with("  stats ") {}
    // Opened once more, so that only this end does not wait.
    let path = format!("/proc/self/fd/{}", writer.as_raw_fd());
    let mut filler = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .expect("the pipe once more");
    for chunk in [&[b'x'; 4096][..], b"x"] {
        while filler.write(chunk).is_ok() {}
    }
    shell.run("cat /etc/shadow > /dev/null");
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&agent.0),
        rustix::process::Signal::TERM,
    )
    .expect("the agent runs");
    let begin = Instant::now();
    while agent.0.try_wait().expect("a child").is_none() {
        assert!(begin.elapsed() < DEADLINE, "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

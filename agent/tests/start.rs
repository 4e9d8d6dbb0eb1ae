//! What was there before the agent: processes that come and go while it starts, sockets that are connected already, containers.

mod common;

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{Agent, DEADLINE, Shell, can_run_live, skip, without_time};

fn rules(dir: &Path, condition: &str, output: &str) -> String {
    let path = dir.join("rules.yaml");
    let text = format!(
        "- rule: seen\n  desc: a test\n  condition: {condition}\n  output: seen {output}\n  priority: NOTICE\n"
    );
    fs::write(&path, text).expect("a file");
    path.to_str().expect("UTF-8").to_owned()
}

fn value<'a>(line: &'a str, key: &str) -> &'a str {
    line.split(' ')
        .find_map(|w| w.strip_prefix(key)?.strip_prefix('='))
        .unwrap_or_else(|| panic!("no {key} in {line}"))
}

/// Processes that end with the test, by a file of their ids.
struct Born(String);

impl Born {
    fn pids(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Born {
    fn drop(&mut self) {
        for pid in self.pids().iter().filter_map(|pid| pid.parse().ok()) {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

/// Parent of a process, `None` once it is gone.
fn parent_of(pid: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.to_owned())
}

/// Everybody forks while the agent starts: short-lived processes, ones that stay, and ones whose parent ends, so that another inherits them.
#[test]
fn who_lives_after_a_storm_of_forks_is_known_with_its_parent() {
    if !can_run_live("who_lives_after_a_storm_of_forks_is_known_with_its_parent") {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let marker = path("marker");
    fs::write(&marker, "").expect("a file");
    // Who loses its parent stays a descendant of this process, so in scope.
    let own = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(own)).expect("it inherits");
    let mut shell = Shell::start();
    // A survivor waits for the pipe, then opens the marker under a name of its own.
    fs::write(
        path("survivor"),
        format!(
            "exec 3>>{}; echo $$ >&3; read x <{}; : <{marker}; echo $$ >>{}; read x <{}\n",
            path("born"),
            path("go"),
            path("done"),
            path("end")
        ),
    )
    .expect("a file");
    fs::write(
        path("storm"),
        format!(
            "i=0; while [ ! -e {stop} ]; do i=$((i+1))\n\
             (exec true) &\n\
             [ $((i%4)) -ne 0 ] || sh {survivor} &\n\
             [ $((i%8)) -ne 0 ] || (sh {survivor} & (exec true); exit) &\n\
             [ $((i%40)) -ne 0 ] || wait -n 2>/dev/null || sleep 0.02\n\
             [ -e {stop} ] || [ $i -lt 1200 ] || sleep 0.1\n\
             done\n",
            stop = path("stop"),
            survivor = path("survivor"),
        ),
    )
    .expect("a file");
    let made = std::process::Command::new("mkfifo").args([path("go"), path("end")]).status();
    assert!(made.is_ok_and(|s| s.success()), "mkfifo");
    assert_eq!(shell.run(&format!("sh {} &", path("storm"))), 0);
    let born = Born(path("born"));
    wait_for("the storm", || born.pids().len() > 10);
    let output = "pid=%proc.pid ppid=%proc.ppid name=%proc.name pname=%proc.pname";
    let rules = rules(
        dir.path(),
        &format!("evt.type in (open, openat, openat2) and fd.name = {marker}"),
        output,
    );
    let scope = std::process::id().to_string();
    let agent = Agent::start(&["--scope-pid", &scope, "-r", &rules]);
    fs::write(path("stop"), "").expect("a file");
    wait_for("the end of the storm", || {
        let n = born.pids().len();
        std::thread::sleep(Duration::from_millis(300));
        n == born.pids().len()
    });
    let survivors = born.pids();
    assert!(survivors.len() >= 20, "{}", survivors.len());
    let truth: HashMap<&str, String> =
        survivors.iter().filter_map(|pid| Some((&**pid, parent_of(pid)?))).collect();
    let mut go = fs::OpenOptions::new().write(true).read(true).open(path("go")).expect("a pipe");
    let n_done = || fs::read_to_string(path("done")).unwrap_or_default().lines().count();
    wait_for("the survivors", || {
        go.write_all(&[b'\n'; 64]).expect("a pipe");
        std::thread::sleep(Duration::from_millis(20));
        n_done() >= truth.len()
    });
    let begin = Instant::now();
    while agent.stdout().lines().count() < truth.len() && begin.elapsed() < DEADLINE / 4 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let ended = agent.interrupt();
    ended.assert_balanced();
    let mut told = HashMap::new();
    for line in ended.stdout.lines().map(without_time) {
        assert_eq!(value(line, "name"), "sh", "{line}");
        assert!(!line.contains("lineage"), "{line}");
        let twice = told.insert(value(line, "pid"), value(line, "ppid"));
        assert_eq!(twice, None, "{line}");
    }
    let wrong: Vec<_> = truth
        .iter()
        .filter(|(pid, parent)| told.get(*pid) != Some(&parent.as_str()))
        .map(|(pid, parent)| (pid, parent, told.get(*pid)))
        .collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:?}", wrong.len(), truth.len());
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_there() {
        assert!(begin.elapsed() < DEADLINE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn both_ends_of_a_connection_from_before_are_told_apart() {
    if !can_run_live("both_ends_of_a_connection_from_before_are_told_apart") {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("a connection");
    let (server, from) = listener.accept().expect("a connection");
    let (sport, cport) = (listener.local_addr().expect("bound").port(), from.port());
    let output =
        "is_server=%fd.is_server sport=%fd.sport cport=%fd.cport lport=%fd.lport type=%evt.type";
    let rules = rules(
        dir.path(),
        "evt.type in (read, write) and evt.rawres = 3 and fd.type = ipv4",
        output,
    );
    let agent = Agent::start(&["--scope-pid", &std::process::id().to_string(), "-r", &rules]);
    let mut room = [0u8; 3];
    for (from, to) in [(&client, &server), (&server, &client)] {
        rustix::io::write(from, b"abc").expect("written");
        assert_eq!(rustix::io::read(to, &mut room).expect("read"), 3);
        assert!(from.as_raw_fd() >= 0);
    }
    agent.wait_for_lines(4);
    let ended = agent.interrupt();
    ended.assert_balanced();
    let lines: Vec<&str> = ended.stdout.lines().map(without_time).collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    for (line, (is_server, call)) in lines.iter().zip([
        ("false", "write"),
        ("true", "read"),
        ("true", "write"),
        ("false", "read"),
    ]) {
        assert_eq!(value(line, "type"), call);
        assert_eq!(value(line, "is_server"), is_server, "{line}");
        assert_eq!(value(line, "sport"), sport.to_string(), "{line}");
        assert_eq!(value(line, "cport"), cport.to_string(), "{line}");
    }
}

#[test]
fn a_container_from_before_is_known_at_its_first_event() {
    const TEST: &str = "a_container_from_before_is_known_at_its_first_event";
    if !can_run_live(TEST) {
        return;
    }
    let id = "5ee1d".repeat(13);
    let id = &id[..64];
    let parent = Path::new("/sys/fs/cgroup/pids/docker");
    let is_new = fs::create_dir(parent).is_ok();
    let cgroup = parent.join(id);
    if let Err(e) = fs::create_dir(&cgroup) {
        skip(TEST, &format!("no cgroup of the pids controller can be made: {e}"));
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let marker = dir.path().join("marker").display().to_string();
    fs::write(&marker, "").expect("a file");
    let mut shell = Shell::start();
    let joined = fs::write(cgroup.join("cgroup.procs"), shell.pid());
    let condition = format!("evt.type in (open, openat, openat2) and fd.name = {marker}");
    let rules = rules(dir.path(), &condition, "id=%container.id name=%proc.name");
    let agent = Agent::start(&["--scope-pid", &shell.pid(), "-r", &rules]);
    assert_eq!(shell.run(&format!(": <{marker}")), 0);
    agent.wait_for_lines(1);
    let ended = agent.interrupt();
    drop(shell);
    wait_for("the end of the cgroup", || fs::remove_dir(&cgroup).is_ok());
    if is_new {
        drop(fs::remove_dir(parent));
    }
    joined.expect("the shell joins");
    let line = without_time(ended.stdout.lines().next().expect("an alert"));
    assert_eq!(value(line, "id"), &id[..12]);
}

#[test]
fn an_agent_ends_with_a_test_that_fails_beside_it() {
    if !can_run_live("an_agent_ends_with_a_test_that_fails_beside_it") {
        return;
    }
    let shell = Shell::start();
    let agent = Agent::start(&["--scope-pid", &shell.pid()]);
    let pid = agent.pid().to_string();
    assert_eq!(parent_of(&pid), Some(std::process::id().to_string()));
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _held = agent;
        panic!("as a test does");
    }));
    assert!(failed.is_err());
    assert_eq!(parent_of(&pid), None, "it was ended and waited for");
}

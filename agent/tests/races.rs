//! Races against the program's look at a call: the path is rewritten, the link swapped, the descriptor replaced while the call runs. What really
//! happened is counted by the process that does it; the alerts have to tell the same.

mod common;

use std::collections::HashMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Agent, Shell, alone, can_run_live, skip};
use serde_json::Value;

/// Tells `child_actor` what to do: a word, and the folder to do it in.
const ACT: &str = "PEREGRINE_ACT";

/// Calls per race. Each gives two alerts at most, and the lane of alerts holds them all.
const N_CALLS: usize = 10_000;

/// A race goes on past its calls until it had some of both kinds, but not longer than this: on a busy machine a thread may not run for long.
const LIMIT: Duration = Duration::from_secs(5);

/// How many of both kinds make a race.
const ENOUGH: usize = 100;

/// Names of one length that differ in the last byte, so that every state of the buffer is one of them.
const PLAIN: &str = "file-a";
const SECRET: &str = "file-b";

/// Not a test by itself: what a test's child does.
#[test]
fn child_actor() {
    let Ok(act) = std::env::var(ACT) else { return };
    let (what, dir) = act.split_once(' ').expect("a word and a folder");
    let dir = Path::new(dir);
    let said = match what {
        "path" => rewrite_the_path(dir),
        "link" => swap_the_link(dir),
        "descriptor" => replace_the_descriptor(),
        other => panic!("unknown act {other:?}"),
    };
    fs::write(dir.join("said"), said).expect("a file");
}

/// Puts this thread on a CPU of its own, as far as there are two: on one, a race needs a switch in the middle of a call.
fn on_cpu(nth: usize) {
    let allowed = rustix::thread::sched_getaffinity(None).expect("the CPUs of this thread");
    let cpus: Vec<usize> =
        (0..rustix::thread::CpuSet::MAX_CPU).filter(|&c| allowed.is_set(c)).collect();
    let mut set = rustix::thread::CpuSet::new();
    set.set(cpus[nth % cpus.len()]);
    rustix::thread::sched_setaffinity(None, &set).expect("a CPU that is allowed");
}

/// Alerts come no faster than a debug build delivers them: a pause now and then.
fn pace(i: usize) {
    if i.is_multiple_of(50) {
        let past = i / N_CALLS;
        // Slower the longer it takes, so that the number stays bounded.
        thread::sleep(Duration::from_millis(2 + 20 * past as u64));
    }
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).expect("a file").ino()
}

/// Opens by a buffer whose last letter another thread turns all the time; says how many opens got which file.
fn rewrite_the_path(dir: &Path) -> String {
    let secret = inode(&dir.join(SECRET));
    let path = dir.join(PLAIN);
    let buffer: Vec<AtomicU8> =
        path.as_os_str().as_bytes().iter().chain(&[0]).map(|&b| AtomicU8::new(b)).collect();
    let last = &buffer[buffer.len() - 2];
    let stop = AtomicBool::new(false);
    let (mut n_secret, mut n_plain) = (0, 0);
    thread::scope(|s| {
        s.spawn(|| {
            on_cpu(1);
            let mut pause = 0;
            while !stop.load(Ordering::Relaxed) {
                last.fetch_xor(b'a' ^ b'b', Ordering::Relaxed);
                // From every few nanoseconds to about as long as an open takes.
                pause = (pause + 7) % 400;
                for _ in 0..pause {
                    std::hint::spin_loop();
                }
            }
        });
        on_cpu(0);
        let begin = Instant::now();
        for i in 0.. {
            let enough = n_secret.min(n_plain) >= ENOUGH || begin.elapsed() > LIMIT;
            if i >= N_CALLS && enough {
                break;
            }
            pace(i);
            // SAFETY: the buffer outlives the call and ends with a NUL that nobody writes; its bytes are atomics, so that no reference to plain
            // memory exists while the other thread stores.
            let fd = unsafe {
                let path = buffer.as_ptr().cast::<libc::c_char>();
                libc::openat(libc::AT_FDCWD, path, libc::O_RDONLY | libc::O_CLOEXEC)
            };
            assert!(fd >= 0, "{}", std::io::Error::last_os_error());
            // SAFETY: the kernel just gave it to us.
            let file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
            if file.metadata().expect("an open file").ino() == secret {
                n_secret += 1;
            } else {
                n_plain += 1;
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    format!("{n_secret} {n_plain}")
}

/// Opens through a link that another thread points to one file and the other in turn; says how many opens got which.
fn swap_the_link(dir: &Path) -> String {
    let secret = inode(&dir.join(SECRET));
    let link = dir.join("link");
    symlink(PLAIN, &link).expect("a link");
    let stop = AtomicBool::new(false);
    let (mut n_secret, mut n_plain) = (0, 0);
    thread::scope(|s| {
        s.spawn(|| {
            on_cpu(1);
            let next = dir.join("next");
            for target in [SECRET, PLAIN].iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                symlink(target, &next).expect("a link");
                // In one step: there is always one or the other.
                fs::rename(&next, &link).expect("a link renamed");
            }
        });
        on_cpu(0);
        let begin = Instant::now();
        for i in 0.. {
            let enough = n_secret.min(n_plain) >= ENOUGH || begin.elapsed() > LIMIT;
            if i >= N_CALLS && enough {
                break;
            }
            pace(i);
            let file = File::open(&link).expect("the link leads somewhere");
            if file.metadata().expect("an open file").ino() == secret {
                n_secret += 1;
            } else {
                n_plain += 1;
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    format!("{n_secret} {n_plain}")
}

/// The descriptor that is fought for; far above those that are used otherwise.
const CONTESTED: RawFd = 500;

fn dup_onto_contested(fd: RawFd) {
    // SAFETY: no owned descriptor has this number; it is only used by number, and closed at the end.
    let got = unsafe { libc::dup2(fd, CONTESTED) };
    assert_eq!(got, CONTESTED, "{}", std::io::Error::last_os_error());
}

/// Connects by a number that another thread gives to another, connected socket meanwhile. Says the true port, the other's port, how many
/// connects worked, and of how many the number meant the other socket right afterwards.
fn replace_the_descriptor() -> String {
    let listen = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        thread::spawn(move || {
            // Connections are closed as they come; the thread ends with the process.
            for connection in listener.incoming() {
                drop(connection);
            }
        });
        port
    };
    let [port, other_port] = [listen(), listen()];
    let other = TcpStream::connect((Ipv4Addr::LOCALHOST, other_port)).expect("a connection");
    let (turn, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (mut n_connected, mut n_raced) = (0, 0);
    thread::scope(|s| {
        s.spawn(|| {
            on_cpu(1);
            for i in 1.. {
                while turn.load(Ordering::Acquire) < i {
                    std::hint::spin_loop();
                }
                if turn.load(Ordering::Acquire) == usize::MAX {
                    break;
                }
                // From before the call to after its end.
                for _ in 0..(i * 13) % 3000 {
                    std::hint::spin_loop();
                }
                dup_onto_contested(other.as_raw_fd());
                done.store(i, Ordering::Release);
            }
        });
        on_cpu(0);
        let begin = Instant::now();
        for i in 1..=N_CALLS / 5 {
            pace(i);
            let socket = Socket::new();
            dup_onto_contested(socket.0.as_raw_fd());
            turn.store(i, Ordering::Release);
            let worked = connect(CONTESTED, port);
            let raced = done.load(Ordering::Acquire) == i;
            while done.load(Ordering::Acquire) < i {
                std::hint::spin_loop();
            }
            if worked {
                assert_eq!(socket.peer_port(), Some(port), "the call took our socket");
                n_connected += 1;
                n_raced += usize::from(raced);
            }
            if begin.elapsed() > LIMIT {
                break;
            }
        }
        turn.store(usize::MAX, Ordering::Release);
    });
    // SAFETY: nobody owns this number.
    unsafe { libc::close(CONTESTED) };
    format!("{port} {other_port} {n_connected} {n_raced}")
}

struct Socket(OwnedFd);

impl Socket {
    fn new() -> Self {
        let (family, kind) = (rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM);
        Self(rustix::net::socket(family, kind, None).expect("a socket"))
    }

    fn peer_port(&self) -> Option<u16> {
        let peer = rustix::net::getpeername(&self.0).ok()??;
        rustix::net::SocketAddrV4::try_from(peer).ok().map(|a| a.port())
    }
}

/// Whether the call worked; it fails where the number meant the connected socket already.
fn connect(fd: RawFd, port: u16) -> bool {
    // SAFETY: the number is open in this process until the end, whatever it means; this only borrows it for the call.
    let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
    rustix::net::connect(fd, &rustix::net::SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// An alert's fields that these tests ask for.
struct Alert {
    rule: String,
    fields: Value,
}

impl Alert {
    fn read(line: &str) -> Self {
        let v: Value = serde_json::from_str(line).expect("JSON");
        let rule = v["rule"].as_str().expect("a rule").to_owned();
        Self { rule, fields: v["output_fields"].clone() }
    }

    fn inode(&self) -> u64 {
        self.fields["fd.ino"].as_u64().unwrap_or_default()
    }

    fn name(&self) -> &str {
        self.fields["fd.name"].as_str().unwrap_or_default()
    }

    /// The string that the process gave, as it was when the call ended.
    fn given(&self) -> &str {
        self.fields["fd.nameraw"].as_str().unwrap_or_default()
    }

    /// Whether it says that the call was raced.
    fn is_flagged(&self) -> bool {
        let marks = self.fields["peregrine.marks"].as_array();
        marks.is_some_and(|m| m.iter().any(|m| m == "fd_raced"))
    }

    /// Whether it says that only the string matched, and another file was opened.
    fn tells_the_string_only(&self) -> bool {
        self.fields["fd.name_view"] == "lexical"
    }
}

/// What the actor said, and every alert.
fn race(what: &str, rules: &str, dir: &Path) -> (Vec<u64>, Vec<Alert>) {
    let file = dir.join("rules.yaml");
    fs::write(&file, rules).expect("a file");
    let mut shell = Shell::start();
    let agent = Agent::start(&[
        "--json",
        "--scope-pid",
        &shell.pid(),
        "-o",
        "rule_matching=all",
        "-o",
        "peregrine.ring_bytes=67108864",
        "-o",
        "peregrine.alert_lane_capacity=65536",
        "-r",
        file.to_str().expect("UTF-8"),
    ]);
    let program = std::env::current_exe().expect("a path");
    let command = format!(
        "{ACT}='{what} {}' {} child_actor --exact --nocapture",
        dir.display(),
        program.display()
    );
    assert_eq!(shell.run(&command), 0, "the actor failed; by hand: {command}");
    let ended = agent.interrupt();
    ended.assert_balanced();
    let said = fs::read_to_string(dir.join("said")).expect("the actor's words");
    let said = said.split(' ').map(|n| n.parse().expect("a number")).collect();
    (said, ended.stdout.lines().map(Alert::read).collect())
}

/// Two files and a rule for each.
fn two_files() -> (tempfile::TempDir, String, [u64; 2]) {
    let dir = tempfile::tempdir().expect("a folder");
    let files = [PLAIN, SECRET].map(|name| dir.path().join(name));
    let inodes = files.each_ref().map(|path| {
        fs::write(path, "x").expect("a file");
        inode(path)
    });
    let rule = |(name, path): (&str, &std::path::PathBuf)| {
        format!(
            "- rule: {name}\n  desc: a test\n  condition: evt.type in (open, openat) and fd.num >= 0 and fd.name = {}\n  \
             output: \"%fd.name %fd.ino %fd.nameraw\"\n  priority: NOTICE\n",
            path.display()
        )
    };
    let rules = [PLAIN, SECRET].into_iter().zip(&files).map(rule).collect();
    (dir, rules, inodes)
}

/// Every open that got the secret file raised the alert with its name and inode. An alert that names it where another was opened says so: that the
/// call was raced, or that it tells nothing but the string that the process had given by then (`fd.name_view=lexical`).
fn assert_true_files(what: &str) {
    let (dir, rules, [plain, secret]) = two_files();
    let (said, alerts) = race(what, &rules, dir.path());
    let [n_secret, n_plain] = said[..] else { panic!("{said:?}") };
    if n_secret == 0 || n_plain == 0 {
        return skip(what, "the other thread never ran beside the calls on this machine");
    }
    let path = dir.path().join(SECRET);
    let path = path.to_str().expect("UTF-8");
    let of_secret: Vec<&Alert> = alerts.iter().filter(|a| a.rule == SECRET).collect();
    let (of_it, of_others): (Vec<&Alert>, Vec<&Alert>) =
        of_secret.iter().partition(|a| a.inode() == secret);
    let n_other_string = of_it.iter().filter(|a| a.given() != path).count();
    eprintln!(
        "{what}: {n_secret} opens of the secret file, {n_plain} of the other; {} alerts of the secret one, {n_other_string} of \
         them under another string, {} under its string only",
        of_secret.len(),
        of_others.len()
    );
    assert_eq!(of_it.len() as u64, n_secret, "each open of the secret file is told");
    assert!(of_it.iter().all(|a| a.name() == path), "and by its name");
    for alert in of_others {
        assert_eq!(alert.inode(), plain);
        let is_told = alert.is_flagged() || alert.tells_the_string_only() && alert.given() == path;
        assert!(is_told, "{}", alert.fields);
    }
}

#[test]
fn a_path_rewritten_during_the_call_names_the_file_that_was_opened() {
    if can_run_live("a_path_rewritten_during_the_call_names_the_file_that_was_opened") {
        let _alone = alone();
        assert_true_files("path");
    }
}

#[test]
fn a_link_swapped_during_the_call_names_the_file_that_was_opened() {
    if can_run_live("a_link_swapped_during_the_call_names_the_file_that_was_opened") {
        let _alone = alone();
        assert_true_files("link");
    }
}

#[test]
fn a_descriptor_replaced_during_connect_names_the_true_peer_and_is_flagged() {
    let test = "a_descriptor_replaced_during_connect_names_the_true_peer_and_is_flagged";
    if !can_run_live(test) {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let rules = "- rule: connected\n  desc: a test\n  condition: evt.type = connect and evt.failed = false and fd.num = 500\n  \
                 output: \"%fd.name %fd.sport %evt.res\"\n  priority: NOTICE\n";
    let (said, alerts) = race("descriptor", rules, dir.path());
    let [port, other_port, n_connected, n_raced] = said[..] else { panic!("{said:?}") };
    let mut ports: HashMap<(u64, bool), u64> = HashMap::new();
    for alert in &alerts {
        let port = alert.fields["fd.sport"].as_u64().unwrap_or_default();
        *ports.entry((port, alert.is_flagged())).or_default() += 1;
    }
    eprintln!(
        "descriptor: {n_connected} connects to {port}, {n_raced} raced; (port, flagged): {ports:?}"
    );
    if n_raced == 0 {
        return skip(test, "the descriptor was never replaced in time on this machine");
    }
    assert_eq!(alerts.len() as u64, n_connected, "each connect is told once");
    let wrong: Vec<_> = ports.keys().filter(|(p, _)| *p != port).collect();
    assert!(wrong.is_empty(), "wrong peers: {ports:?}; the other socket's is {other_port}");
    // The number may have changed between the look at the call's end and ours, but not every time.
    let n_flagged = ports.get(&(port, true)).copied().unwrap_or_default();
    assert!(n_raced < 50 || n_flagged > 0, "{n_raced} raced, none is flagged");
}

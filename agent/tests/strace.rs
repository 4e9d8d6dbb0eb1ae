//! What a trace tells of a program and what strace tells of it: the same calls in the same order, with the same results and paths.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{PEREGRINE, alone, can_run_live, skip};

/// A call of one process.
#[derive(Clone, Debug, PartialEq)]
struct Call {
    name: String,
    /// A number, the name of an error, a process's place in the tree, or nothing where one of the two tells none.
    result: String,
    paths: Vec<String>,
}

/// Calls by process as each was told; the first is that of the command.
struct Told {
    root: String,
    processes: BTreeMap<String, Vec<Call>>,
}

const FORKS: [&str; 4] = ["clone", "clone3", "fork", "vfork"];

/// Calls whose result is a process.
const PIDS: [&str; 10] = [
    "clone", "clone3", "fork", "vfork", "getpid", "gettid", "getppid", "getpgrp", "wait4", "setsid",
];

/// Parameters with paths, and which arguments of the call they are.
const PATHS: [(&str, &[usize], &[&str]); 33] = [
    ("open", &[0], &["name"]),
    ("openat", &[1], &["name"]),
    ("openat2", &[1], &["name"]),
    ("creat", &[0], &["name"]),
    ("execve", &[0], &["filename"]),
    ("access", &[0], &["name"]),
    ("stat", &[0], &["path"]),
    ("lstat", &[0], &["path"]),
    ("newfstatat", &[1], &["path"]),
    ("chdir", &[0], &["path"]),
    ("chroot", &[0], &["path"]),
    ("mkdir", &[0], &["path"]),
    ("mkdirat", &[1], &["path"]),
    ("rmdir", &[0], &["path"]),
    ("unlink", &[0], &["path"]),
    ("unlinkat", &[1], &["name"]),
    ("rename", &[0, 1], &["oldpath", "newpath"]),
    ("renameat", &[1, 3], &["oldpath", "newpath"]),
    ("renameat2", &[1, 3], &["oldpath", "newpath"]),
    ("link", &[0, 1], &["oldpath", "newpath"]),
    ("linkat", &[1, 3], &["oldpath", "newpath"]),
    ("symlink", &[0, 1], &["target", "linkpath"]),
    ("symlinkat", &[0, 2], &["target", "linkpath"]),
    ("chmod", &[0], &["filename"]),
    ("fchmodat", &[1], &["filename"]),
    ("chown", &[0], &["path"]),
    ("lchown", &[0], &["path"]),
    ("fchownat", &[1], &["pathname"]),
    ("mount", &[0, 1], &["dev", "dir"]),
    ("umount2", &[0], &["name"]),
    ("mknod", &[0], &["path"]),
    ("mknodat", &[1], &["path"]),
    ("memfd_create", &[0], &["name"]),
];

/// A program with what it needs and what it does, in an empty directory.
struct Program {
    name: &'static str,
    setup: &'static str,
    args: &'static [&'static str],
}

const fn program(
    name: &'static str,
    setup: &'static str,
    args: &'static [&'static str],
) -> Program {
    Program { name, setup, args }
}

const PYTHON: &str = "import array, fcntl, mmap, os, select, socket, subprocess
os.mkdir('d'); os.rename('d', 'e'); os.chmod('e', 0o700); os.symlink('e', 's'); os.chdir('e')
a, b = socket.socketpair(); a.send(b'hello'); b.recv(16); a.shutdown(socket.SHUT_WR); b.recv(16)
s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(1)
c = socket.create_connection(s.getsockname()); p, _ = s.accept(); c.sendall(b'x'); p.recv(1)
r, w = os.pipe(); os.dup2(r, 100); os.close(100); os.setuid(0)
subprocess.run(['/bin/true'], check=True)
try: os.open('../absent', os.O_RDWR)
except OSError: os.link('../s', 'l', follow_symlinks=False); os.unlink('l')
for call in [lambda: os.chroot('/absent'), lambda: os.setpgid(0, 0), lambda: os.rmdir('/proc'),
             lambda: os.execv('/absent', ['x']), lambda: os.removexattr('/', 'user.absent'),
             lambda: socket.create_connection(('127.0.0.1', 1)), lambda: os.close(1000)]:
    try: call()
    except OSError: pass
os.mkfifo('fifo'); os.chown('fifo', 1, 1); os.setgroups([0]); os.setresgid(0, 0, 0); os.umask(2)
os.setresuid(0, 0, 0); os.kill(os.getpid(), 0); m = os.memfd_create('m'); os.write(m, b'abc')
os.pread(m, 2, 1); os.pwrite(m, b'x', 1); os.preadv(m, [bytearray(2)], 0); os.ftruncate(m, 2)
os.sendfile(1, m, 0, 2); mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)
os.eventfd(0); select.epoll(); os.pidfd_open(os.getpid()); fcntl.fcntl(m, fcntl.F_GETFL)
u = socket.socket(type=socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0)); u.sendto(b'u', u.getsockname())
u.recvfrom(9); a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
socket.send_fds(a, [b'f'], [0]); socket.recv_fds(b, 9, 1); os.mkdir('n', dir_fd=os.open('..', 0))";
/// Calls that no ordinary program makes, by number, most of which fail.
const SYSCALLS: &str = "import ctypes
call, here = ctypes.CDLL(None).syscall, -100
for args in [
    (2, b'made', 0o102, 0o600), (85, b'created', 0o600), (437, here, b'absent', b'\\0' * 24, 24),
    (437, here, b'made', b'\\0' * 8, 3), (257, here, None, 0), (257, 99, b'made', 0),
    (257, here, b'', 0), (4, b'made', b'\\0' * 200), (6, b'absent', 0), (21, b'made', 4),
    (439, here, b'made', 4, 0), (86, b'made', b'linked'), (82, b'linked', b'moved'), (87, b'moved'),
    (264, here, b'made', here, b'renamed'), (316, here, b'absent', here, b'x', 1),
    (83, b'd', 0o700), (258, here, b'd/e', 0o700), (84, b'd'), (263, here, b'd/e', 0x200),
    (88, b'to', b'symbolic'), (266, b'', here, b'x'), (265, here, b'absent', here, b'x', 0),
    (133, b'node', 0o010600, 0), (259, here, b'node', 0o010600, 0), (90, b'node', 0o640),
    (268, here, b'absent', 0o640), (91, 99, 0o640),
    (92, b'node', 1, 1), (93, 99, 1, 1), (94, b'symbolic', 1, 1), (260, here, b'node', 0, 0, 0),
    (80, b'absent'), (81, 99), (161, b'absent'), (155, b'absent', b'absent'),
    (165, b'none', b'absent', b'tmpfs', 0, None), (165, None, b'absent', None, 0x1000, None),
    (166, b'absent', 0), (429, 99, b'', 99, b'', 4), (308, 99, 0), (272, 1), (99, None),
    (59, b'absent', None, None), (59, None, None, None), (322, 99, b'absent', None, None, 0),
    (105, 0), (106, 0), (113, 0, 0), (114, 0, 0), (117, 0, 0, 0), (119, 0, 0, 0), (116, 0, None),
    (122, 0), (123, 0), (126, None, None), (125, None, None), (157, 9999, 0, 0, 0, 0),
    (317, 99, 0, None), (250, 99, 0, 0, 0, 0), (101, 999, 0, 0, 0), (321, 999, None, 0),
    (175, None, 0, None), (313, 99, b'', 0), (176, b'absent', 0), (323, 0x77), (425, 0, None),
    (426, 99, 0, 0, 0, None, 0), (427, 99, 0, None, 0), (310, 1, None, 0, None, 0, 1),
    (311, 1, None, 0, None, 0, 1), (434, 1 << 22, 0), (438, 99, 0, 0), (10, 1, 4096, 0), (11, 1, 0),
    (62, 1 << 22, 0), (200, 1 << 22, 0), (234, 1 << 22, 1, 0), (109, 1 << 22, 0), (112,), (112,),
    (160, 99, None), (302, 0, 99, None, None), (32, 99), (33, 99, 98), (292, 99, 98, 0), (22, None),
    (293, None, 0), (53, 99, 0, 0, None), (41, 99, 0, 0), (284, 0), (290, 0, 0), (213, 0),
    (213, 1), (291, 0x77), (253,), (294, 0), (282, -1, None, 8), (289, 99, None, 8, 0), (283, 99, 0),
    (72, 99, 1, 0), (72, 0, 99, 0), (3, 99), (436, 90, 95, 0), (436, 95, 90, 0), (0, 99, None, 1),
    (1, 99, None, 1), (17, 99, None, 1, 0), (18, 99, None, 1, 0), (19, 99, None, 1),
    (20, 99, None, 1), (295, 99, None, 1, 0), (296, 99, None, 1, 0), (40, 99, 98, None, 1),
    (275, 99, None, 98, None, 1, 0), (42, 99, None, 0), (43, 99, None, None), (288, 99, None, None, 0),
    (44, 99, None, 0, 0, None, 0), (45, 99, None, 0, 0, None, None), (46, 99, None, 0),
    (47, 99, None, 0), (307, 99, None, 1, 0), (299, 99, None, 1, 0, None), (48, 99, 0), (49, 99, None, 0),
    (50, 99, 0), (54, 99, 0, 0, None, 0), (55, 99, 0, 0, None, None), (319, b'memory', 0),
    (319, None, 0), (254, 99, b'made', 1), (16, 99, 0, 0), (73, 99, 1), (8, 99, 0, 0), (217, 99, None, 0),
    (306, 99), (173, 0, 0, 0), (77, 99, 0), (304, 99, None, 0), (149, 0, 0), (26, 1, 0, 0),
]: call(*args)";
const SHELL: &str = "echo b >in; sort <in | cat >out 2>err; (cd / && :) ; test -e out && rm out";

const PROGRAMS: [Program; 26] = [
    program("cat", "echo text >file", &["file", "absent"]),
    program("ls", "mkdir d; touch d/a f; ln -s f l", &["-la", ".", "absent"]),
    program("cp", "mkdir d; echo a >d/a; ln -s a d/l", &["-a", "d", "copy"]),
    program("mv", "touch a; mkdir d", &["a", "d/b with blank"]),
    program("ln", "touch a", &["-s", "a", "l"]),
    program("rm", "mkdir -p d/e; touch d/e/f d/g", &["-rf", "d"]),
    program("mkdir", "", &["-p", "a/b/c"]),
    program("rmdir", "mkdir -p a/b full; touch full/f", &["a/b", "full"]),
    program("chmod", "mkdir d; touch d/f", &["-R", "u=rwx,go=", "d"]),
    program("chown", "touch f; ln -s f l", &["-h", "1:1", "l", "absent"]),
    program("touch", "touch old", &["old", "new", "no/dir"]),
    program(
        "find",
        "mkdir -p a/b; touch a/b/c a/d",
        &[".", "-type", "f", "-exec", "stat", "{}", ";"],
    ),
    program("sort", "printf 'b\\na\\n' >f", &["--parallel=1", "-o", "sorted", "f"]),
    program("install", "echo a >f", &["-D", "-m", "755", "f", "to/here/f"]),
    program("tar", "mkdir d; echo a >d/f; ln d/f d/g", &["cf", "d.tar", "d"]),
    program("dd", "echo 0123456789 >f", &["if=f", "of=g", "bs=3", "count=2", "status=none"]),
    program("stat", "ln -s absent l", &["l", "absent"]),
    program("readlink", "mkdir d; ln -s d/../d l", &["-f", "l"]),
    program("curl", "echo content >f", &["-sS", "-o", "got", "file:///proc/self/cmdline"]),
    program("curl", "", &["-sS", "http://127.0.0.1:1/"]),
    program("git", "", &["-c", "init.defaultBranch=main", "init", "-q", "."]),
    program("git", "git init -q .; echo a >f", &["add", "f"]),
    program("git", "git init -q .; echo a >f; git add f", &["commit", "-qm", "first"]),
    program("python3", "", &["-I", "-S", "-B", "-c", PYTHON]),
    program("python3", "", &["-I", "-S", "-B", "-c", SYSCALLS]),
    program("sh", "", &["-c", SHELL]),
];

/// A difference that is right.
struct Rule {
    kind: String,
    call: String,
    /// What the line of strace, or the result, has to have; after `!` what it must not have.
    when: String,
    is_met: bool,
}

struct Rules(Vec<Rule>);

impl Rules {
    fn read() -> Self {
        let text = include_str!("strace_differences.tsv");
        let row = |line: &str| {
            let mut cells = line.split('\t').map(str::to_owned);
            let mut cell = || cells.next().unwrap_or_else(|| panic!("four cells: {line}"));
            let (kind, call, when, why) = (cell(), cell(), cell(), cell());
            assert!(!why.is_empty(), "why? {line}");
            // What hangs on the machine or on timing may be absent.
            Rule { kind, call, when, is_met: why.starts_with("at times: ") }
        };
        Self(text.lines().skip(1).map(row).collect())
    }

    fn apply(&mut self, kind: &str, call: &str, text: &str) -> bool {
        let fits = |when: &str| match when.strip_prefix('!') {
            _ if when == "*" => true,
            Some(part) => !text.contains(part),
            None => text.contains(when),
        };
        let found = self.0.iter_mut().find(|r| r.kind == kind && r.call == call && fits(&r.when));
        found.map(|rule| rule.is_met = true).is_some()
    }

    /// Whether both are a name that a program chooses at random; `?` of a rule is any character.
    fn has_random_name(&mut self, theirs: &str, ours: &str) -> bool {
        let ends_so = |path: &str, end: &str| {
            let (mut path, mut end) = (path.chars().rev(), end.chars().rev());
            end.all(|c| path.next().is_some_and(|p| c == '?' || c == p))
        };
        let is_named = |r: &&mut Rule| {
            r.kind == "random" && ends_so(theirs, &r.when) && ends_so(ours, &r.when)
        };
        self.0.iter_mut().find(is_named).map(|rule| rule.is_met = true).is_some()
    }

    /// Our name of a call that strace calls otherwise.
    fn name(&mut self, call: &str) -> String {
        let found = self.0.iter_mut().find(|r| r.kind == "name" && r.call == call);
        found.map_or_else(
            || call.to_owned(),
            |rule| {
                rule.is_met = true;
                rule.when.clone()
            },
        )
    }

    fn assert_all_met(&self) {
        let stale = self.0.iter().filter(|r| !r.is_met);
        let stale: Vec<_> = stale.map(|r| format!("{} {} {}", r.kind, r.call, r.when)).collect();
        assert!(stale.is_empty(), "no difference any more: {stale:?}");
    }
}

/// Top-level arguments of a call as strace writes them, and what stands behind them.
fn arguments(text: &str) -> (Vec<&str>, &str) {
    let (mut depth, mut is_quoted, mut is_escaped, mut from) = (0_u32, false, false, 0);
    let mut args = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => {
                args.push(text[from..at].trim());
                return (args, &text[at + 1..]);
            }
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                args.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    panic!("no end of the arguments: {text}");
}

/// A line of strace; `None` where it is none of a call, or where a rule takes it out.
fn strace_call(line: &str, rules: &mut Rules) -> Option<Call> {
    if line.starts_with("+++") || line.starts_with("---") {
        return None;
    }
    let (name, rest) = line.split_once('(').unwrap_or_else(|| panic!("no call: {line}"));
    if rules.apply("unseen", name, line) || rules.apply("apart", name, line) {
        return None;
    }
    let (args, result) = arguments(rest);
    let result = result.trim_start().strip_prefix("= ").unwrap_or_else(|| panic!("{line}"));
    let mut words = result.split(' ');
    let first = words.next().unwrap_or_default();
    let result = match first {
        "-1" | "?" => words.next().unwrap_or("?").to_owned(),
        _ => first.to_owned(),
    };
    let result = match result.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).expect("a number").to_string(),
        None => result,
    };
    let indices = PATHS.iter().find(|(call, ..)| *call == name).map_or(&[][..], |row| row.1);
    let paths = indices.iter().map(|&n| args[n].trim_matches('"').to_owned()).collect();
    Some(Call { name: rules.name(name), result, paths })
}

fn run(command: &mut Command, dir: &Path) {
    command.current_dir(dir).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.env("HOME", dir).env("LANG", "C").env("TZ", "UTC").env("GIT_CONFIG_NOSYSTEM", "1");
    let date = "2026-01-02T03:04:05Z";
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "a").env(format!("GIT_{who}_EMAIL"), "a@localhost");
        command.env(format!("GIT_{who}_DATE"), date);
    }
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().expect("the program runs");
}

/// A command that, like what it starts, has the same addresses each time: how much memory is asked for hangs on them.
fn with_fixed_addresses(program: &str) -> Command {
    let mut command = Command::new("setarch");
    command.args(["--addr-no-randomize", program]);
    command
}

/// An empty directory of always the same name, with what a program needs.
fn prepare(dir: &Path, setup: &str) {
    drop(fs::remove_dir_all(dir));
    fs::create_dir(dir).expect("a directory");
    run(Command::new("sh").args(["-c", setup]), dir);
}

fn by_strace(program: &Program, base: &Path, rules: &mut Rules) -> Told {
    let (dir, out) = (base.join("work"), base.join("strace"));
    prepare(&dir, program.setup);
    fs::create_dir_all(&out).expect("a directory");
    let mut strace = with_fixed_addresses("strace");
    strace.args(["-ff", "-s", "4096", "-o"]).arg(out.join("of")).arg(program.name);
    run(strace.args(program.args), &dir);
    let mut processes = BTreeMap::new();
    for entry in fs::read_dir(&out).expect("a directory").map(|e| e.expect("an entry")) {
        let name = entry.file_name().into_string().expect("UTF-8");
        let pid = name.strip_prefix("of.").expect("a file of strace").to_owned();
        let text = fs::read(entry.path()).expect("a file of strace");
        let text = String::from_utf8_lossy(&text).into_owned();
        let calls: Vec<Call> = text.lines().filter_map(|l| strace_call(l, rules)).collect();
        processes.insert(pid, calls);
    }
    fs::remove_dir_all(&out).expect("it is there");
    let forks = processes.values().flatten().filter(|call| FORKS.contains(&&*call.name));
    let children: BTreeSet<&String> = forks.map(|call| &call.result).collect();
    let root = processes.keys().find(|pid| !children.contains(pid));
    Told { root: root.expect("a first process").clone(), processes }
}

fn by_trace(program: &Program, base: &Path, rules: &mut Rules) -> Told {
    let (dir, out) = (base.join("work"), base.join("trace"));
    prepare(&dir, program.setup);
    let params: BTreeSet<&str> = PATHS.iter().flat_map(|row| row.2.iter().copied()).collect();
    let params: Vec<&str> = params.into_iter().collect();
    let mut format = "*%thread.tid|%evt.type|%evt.rawres|%evt.res|%evt.rawarg.ID".to_owned();
    for param in &params {
        write!(format, "|%evt.rawarg.{param}").expect("memory");
    }
    let mut trace = with_fixed_addresses(PEREGRINE);
    trace.args(["trace", "-v", "-p", &format, "-o"]).arg(&out).arg("--").arg(program.name);
    run(trace.args(program.args), &dir);
    let text = fs::read(&out).expect("the lines");
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut told = Told { root: String::new(), processes: BTreeMap::new() };
    for line in text.lines() {
        let cells: Vec<&str> = line.split('|').collect();
        let [tid, name, raw, res, id, values @ ..] = &cells[..] else { panic!("{line}") };
        if told.root.is_empty() {
            (*tid).clone_into(&mut told.root);
        }
        if rules.apply("extra", name, &format!("result {raw}.")) || rules.apply("apart", name, line)
        {
            continue;
        }
        let is_error = raw.parse::<i64>().is_ok_and(|n| (-4095..0).contains(&n));
        let result = match *id {
            "<NA>" if is_error => (*res).to_owned(),
            "<NA>" => (*raw).to_owned(),
            _ => String::new(),
        };
        let names = PATHS.iter().find(|(call, ..)| call == name).map_or(&[][..], |row| row.2);
        let value = |name: &&str| {
            let at = params.iter().position(|p| p == name).expect("a column");
            values[at].to_owned()
        };
        let paths = if result.is_empty() { Vec::new() } else { names.iter().map(value).collect() };
        let call = Call { name: (*name).to_owned(), result, paths };
        told.processes.entry((*tid).to_owned()).or_default().push(call);
    }
    told
}

/// Processes by their place in the tree: the command is `p`, its second child `p.2`.
fn places(told: &Told) -> BTreeMap<String, String> {
    let mut places = BTreeMap::from([(told.root.clone(), "p".to_owned())]);
    let mut open = vec![told.root.clone()];
    while let Some(pid) = open.pop() {
        let calls = told.processes.get(&pid).map_or(&[][..], Vec::as_slice);
        let children = calls.iter().filter(|c| FORKS.contains(&&*c.name));
        let children = children.filter(|c| c.result.parse::<u32>().is_ok());
        for (n, child) in (1..).zip(children) {
            places.insert(child.result.clone(), format!("{}.{n}", places[&pid]));
            open.push(child.result.clone());
        }
    }
    places
}

fn placed(told: &Told) -> BTreeMap<String, Vec<Call>> {
    let places = places(told);
    let place = |pid: &str| places.get(pid).cloned().unwrap_or_else(|| format!("outside {pid}"));
    let of_process = |(pid, calls): (&String, &Vec<Call>)| {
        let mut calls = calls.clone();
        for call in &mut calls {
            if PIDS.contains(&&*call.name) && call.result.parse::<u32>().is_ok_and(|n| n > 0) {
                call.result = place(&call.result);
            }
        }
        (place(pid), calls)
    };
    told.processes.iter().map(of_process).collect()
}

fn is_same(strace: &Call, ours: &Call, rules: &mut Rules) -> bool {
    if strace.name != ours.name {
        return false;
    }
    // An event of a call without a type of its own has no result and no parameters.
    if ours.result.is_empty() {
        return true;
    }
    let is_error = |result: &str| result.starts_with('E');
    let is_result_same = strace.result == ours.result
        || ours.result == "<NA>" && rules.apply("untold", &strace.name, "")
        || !is_error(&strace.result)
            && !is_error(&ours.result)
            && rules.apply("result", &strace.name, &strace.result);
    let mut paths = strace.paths.iter().zip(&ours.paths);
    let path = |(theirs, our): (&String, &String)| {
        theirs == our
            || rules.apply("path", "*", &format!("{theirs} is {our}."))
            || rules.has_random_name(theirs, our)
    };
    is_result_same && strace.paths.len() == ours.paths.len() && paths.all(path)
}

/// Both sequences around their first difference; `None` where there is none.
fn difference(strace: &[Call], ours: &[Call], rules: &mut Rules) -> Option<String> {
    let mut at = 0;
    while let (Some(a), Some(b)) = (strace.get(at), ours.get(at)) {
        if !is_same(a, b, rules) {
            break;
        }
        at += 1;
    }
    if at == strace.len() && at == ours.len() {
        return None;
    }
    let around = |calls: &[Call]| {
        let some = calls.iter().enumerate().skip(at.saturating_sub(3)).take(7);
        let line = |(n, c): (usize, &Call)| {
            let mark = if n == at { '>' } else { ' ' };
            format!("  {mark} {n} {} {} {:?}", c.name, c.result, c.paths)
        };
        some.map(line).collect::<Vec<_>>().join("\n")
    };
    Some(format!("  strace:\n{}\n  trace:\n{}", around(strace), around(ours)))
}

#[test]
fn strace_tells_the_same() {
    if !can_run_live("strace_tells_the_same") {
        return;
    }
    let is_there = |name| Command::new(name).arg("-V").output().is_ok();
    for tool in ["strace", "setarch"] {
        if !is_there(tool) {
            skip("strace_tells_the_same", &format!("no {tool}"));
            return;
        }
    }
    let _alone = alone();
    let base = tempfile::tempdir().expect("a directory");
    let mut rules = Rules::read();
    let (mut found, mut is_all) = (String::new(), true);
    for program in &PROGRAMS {
        if !is_there(program.name) {
            skip("strace_tells_the_same", &format!("no {}", program.name));
            is_all = false;
            continue;
        }
        let strace = placed(&by_strace(program, base.path(), &mut rules));
        let ours = placed(&by_trace(program, base.path(), &mut rules));
        let n_calls = ours.values().map(Vec::len).sum::<usize>();
        let n_bare = ours.values().flatten().filter(|call| call.result.is_empty()).count();
        println!(
            "{}: {} processes, {n_calls} calls, {n_bare} by name alone",
            program.name,
            ours.len()
        );
        let names: BTreeSet<&String> = strace.keys().chain(ours.keys()).collect();
        for name in names {
            let of = |all: &BTreeMap<String, Vec<Call>>| all.get(name).cloned().unwrap_or_default();
            if let Some(text) = difference(&of(&strace), &of(&ours), &mut rules) {
                writeln!(found, "{}, process {name}:\n{text}", program.name).expect("memory");
            }
        }
    }
    assert!(found.is_empty(), "{found}");
    if is_all {
        rules.assert_all_met();
    }
}

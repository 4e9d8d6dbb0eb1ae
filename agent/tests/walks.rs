//! Pages, walked through: every command of theirs is run, in its order, and its output held to what the page shows.
//!
//! A `yaml` block whose first line is `# NAME` is a file. In a `console` block a line that begins with `$ ` is run by one bash for the whole page,
//! and the lines below it are what it prints: `...` on a line of its own stands for any lines, `…` for any text within one. Each line of a `sh`
//! block has to succeed, whatever it prints; builds, which CI does as steps of its own, are left out.

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use common::{PEREGRINE, Running, alone, can_run_live};
use rustix::process::{Pid, Signal, kill_process_group};

/// For one command.
const DEADLINE: Duration = Duration::from_mins(1);

/// Builds, and what CI runs by these lines or as steps of its own.
const BUILDS: [&str; 3] =
    ["cargo build --release", "cargo run --release", "cargo test --workspace"];

/// Pages with commands that nobody walks here, and what runs them.
const ELSEWHERE: [(&str, &str); 10] = [
    ("actions.md", "the step `actions` of CI"),
    ("configuration.md", "agent/tests/config_command.rs, from the page"),
    ("packaging.md", "packaging/check, in roots and containers of its own"),
    ("performance-ci.md", "bench-harness/tests/gate.rs and the step `gate`"),
    ("profiling.md", "a person: perf and bpftool look at the whole machine"),
    ("recordings.md", "agent/tests/capture_on_alert.rs"),
    ("rule-tests.md", "agent/tests/rule_tests.rs, from the page"),
    ("rules-language.md", "agent/tests/rule_commands.rs, from the page"),
    ("security.md", "agent/tests/service.rs"),
    ("top.md", "agent/tests/top.rs, on a terminal of tmux"),
];

/// Comes after what a command prints, on a line of its own.
const END: &str = "=====end-of-command";

struct Page {
    name: &'static str,
    text: &'static str,
}

macro_rules! page {
    ($name:literal) => {
        Page { name: $name, text: include_str!(concat!("../../docs/", $name)) }
    };
}

/// One fenced block of a page.
struct Block<'a> {
    kind: &'a str,
    lines: Vec<&'a str>,
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let body = lines.by_ref().take_while(|l| *l != "```").collect();
            blocks.push(Block { kind, lines: body });
        }
    }
    blocks
}

impl Page {
    /// Runs the page from its first command to its last.
    fn walk(&self) {
        let folder = tempfile::tempdir().expect("a folder");
        self.walk_in(folder.path());
    }

    fn walk_in(&self, folder: &Path) {
        self.walk_with(&mut Shell::start(folder), folder);
    }

    fn walk_with(&self, shell: &mut Shell, folder: &Path) {
        let mut n_run = 0;
        for Block { kind, lines } in blocks(self.text) {
            match kind {
                "yaml" => {
                    let name = lines.first().and_then(|l| l.strip_prefix("# "));
                    let name = name.filter(|n| !n.contains(' ')).expect("a file's name first");
                    fs::write(folder.join(name), lines.join("\n") + "\n").expect("a file");
                }
                "console" => {
                    assert!(lines[0].starts_with("$ "), "{}: {}", self.name, lines[0]);
                    for part in lines.chunk_by(|_, next| !next.starts_with("$ ")) {
                        let command = &part[0][2..];
                        let printed = shell.run(command);
                        let is_alike = matches(&part[1..], &printed);
                        assert!(
                            is_alike,
                            "{}: `{command}` is to print\n{}\nand printed\n{}",
                            self.name,
                            part[1..].join("\n"),
                            printed.join("\n")
                        );
                        n_run += 1;
                    }
                }
                "sh" => {
                    for line in lines {
                        if !BUILDS.iter().any(|b| line.starts_with(b)) {
                            shell.succeed(line);
                        }
                        n_run += 1;
                    }
                }
                "text" | "ini" => {}
                other => panic!("{}: a block of the kind {other:?}", self.name),
            }
        }
        assert!(n_run > 0, "{}: no commands", self.name);
    }
}

/// Whether the lines are those that the page shows.
fn matches(shown: &[&str], printed: &[String]) -> bool {
    match (shown, printed) {
        ([], printed) => printed.is_empty(),
        (["...", rest @ ..], printed) => (0..=printed.len()).any(|n| matches(rest, &printed[n..])),
        (_, []) => false,
        ([shown, rest @ ..], [line, printed @ ..]) => {
            is_line(shown, line) && matches(rest, printed)
        }
    }
}

fn is_line(shown: &str, line: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut left) = parts.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return left.is_empty() };
    for part in middle {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(last)
}

fn write_program(path: &Path, text: &str) {
    fs::write(path, text).expect("a script");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("its mode");
}

/// A bash in a folder of its own, in which `sudo` does nothing and what `peregrine` watches is what that bash starts.
struct Shell {
    bash: Running,
    printed: Receiver<String>,
}

impl Shell {
    fn start(folder: &Path) -> Self {
        let bin = folder.join(".bin");
        fs::create_dir(&bin).expect("a folder");
        write_program(&bin.join("sudo"), "#!/bin/sh\n[ \"$1\" != -E ] || shift\nexec \"$@\"\n");
        write_program(&bin.join("peregrine"), include_str!("walks/peregrine"));
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        let mut bash = Command::new("bash")
            .args(["--noprofile", "--norc"])
            .current_dir(folder)
            .env("PATH", path)
            .env("REAL", PEREGRINE)
            .env("WALK", folder)
            .env("TZ", "UTC")
            .env_remove("PEREGRINE_CORPUS")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("bash starts");
        let stdout = BufReader::new(bash.stdout.take().expect("a pipe"));
        let (tx, printed) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if tx.send(line).is_err() {
                    return;
                }
            }
        });
        let mut shell = Self { bash: Running(bash), printed };
        shell.run("exec 2>&1; export BASH_OF_WALK=$$");
        shell
    }

    fn run(&mut self, command: &str) -> Vec<String> {
        let stdin = self.bash.0.stdin.as_mut().expect("a pipe");
        writeln!(stdin, "{command}\nprintf '\\n{END}\\n'").expect("bash reads");
        let deadline = Instant::now() + DEADLINE;
        let mut lines = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.printed.recv_timeout(left) {
                Ok(line) if line == END => {
                    // The end of the last line, or an empty one.
                    if lines.last().is_some_and(String::is_empty) {
                        lines.pop();
                    }
                    return lines;
                }
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Timeout) => panic!("`{command}` hangs: {lines:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("`{command}` ended bash: {lines:?}"),
            }
        }
    }

    fn succeed(&mut self, command: &str) {
        let mut printed = self.run(&format!("{command}\nprintf '\\n%s' $?"));
        let code = printed.pop();
        assert_eq!(code.as_deref(), Some("0"), "`{command}` failed:\n{}", printed.join("\n"));
    }
}

/// Whatever a page left running ends with it: all that bash started is in its group.
impl Drop for Shell {
    fn drop(&mut self) {
        if let Some(group) = Pid::from_raw(self.bash.0.id() as i32) {
            // Bash is not waited for yet, so the group is no other's.
            let _ = kill_process_group(group, Signal::INT);
            let deadline = Instant::now() + DEADLINE / 3;
            // The pipe ends when the last one has.
            while self.bash.0.try_wait().is_ok_and(|ended| ended.is_none())
                && Instant::now() < deadline
                && self.printed.recv_timeout(Duration::from_secs(1))
                    != Err(RecvTimeoutError::Disconnected)
            {}
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

#[test]
fn what_a_page_shows_stands_for_what_is_printed() {
    let printed = ["a 1 b".to_owned(), "x".to_owned(), "y".to_owned()];
    assert!(matches(&["a … b", "...", "y"], &printed));
    assert!(matches(&["...", "a 1 b", "x", "y", "..."], &printed));
    assert!(!matches(&["a … c", "..."], &printed));
    assert!(!matches(&["a … b", "y"], &printed));
    assert!(!matches(&["a 1 b", "x"], &printed));
    assert!(is_line("…1…", "a 1 b") && !is_line("a…1", "a 1 b") && !is_line("a … b …", "a b"));
}

#[test]
fn getting_started() {
    if can_run_live("getting_started") {
        let _alone = alone();
        page!("getting-started.md").walk();
    }
}

#[test]
fn migrating_from_falco() {
    page!("migrating-from-falco.md").walk();
}

#[test]
fn tuning_rules() {
    if can_run_live("tuning_rules") {
        let _alone = alone();
        page!("tuning-rules.md").walk();
    }
}

#[test]
fn contributing() {
    page!("contributing.md").walk();
}

#[test]
fn events_and_push_down() {
    page!("events.md").walk();
    page!("push-down.md").walk();
}

/// With the harness in place of the release build of the page.
#[test]
fn performance() {
    let built = Path::new(PEREGRINE).parent().expect("a folder");
    let has = |name: &str| built.join(name).exists();
    if !["peregrine-bench", "peregrine-storm", "peregrine-floor"].iter().all(|name| has(name)) {
        common::skip("performance", "needs bench-harness, which `cargo test --workspace` builds");
        return;
    }
    if can_run_live("performance") {
        let _alone = alone();
        let folder = tempfile::tempdir().expect("a folder");
        let release = folder.path().join("target/release");
        fs::create_dir_all(&release).expect("a folder");
        let bench = built.join("peregrine-bench");
        let text =
            format!("#!/bin/sh\nexec {} \"$@\" --set peregrine=\"$REAL\"\n", bench.display());
        write_program(&release.join("peregrine-bench"), &text);
        page!("performance.md").walk_in(folder.path());
    }
}

/// With files of the names that the page uses, and an agent to ask.
#[test]
fn readme() {
    if !can_run_live("readme") {
        return;
    }
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
    let rule = "- rule: Opened\n  desc: d\n  condition: evt.type = openat and fd.name = /srv/x\n  \
                output: \"%fd.name\"\n  priority: INFO\n";
    fs::create_dir(folder.path().join("more")).expect("a folder");
    for name in ["mine.yaml", "my_rules.yaml"] {
        write(name, rule);
    }
    write("more/list.yaml", "- list: more\n  items: [one]\n");
    write("falco.yaml", "priority: notice\n");
    let page = Page { name: "README.md", text: include_str!("../../README.md") };
    let mut shell = Shell::start(folder.path());
    for name in ["make", "curl"] {
        write_program(&folder.path().join(".bin").join(name), "#!/bin/sh\n");
    }
    // It is asked for rules from where its configuration has none.
    let reads = "-o peregrine.sandbox.reads[]=\"$PWD\"";
    shell.run(&format!("peregrine {reads} > alerts.log 2> agent.log & agent=$!"));
    shell.run("until peregrine stats > /dev/null 2>&1; do sleep 0.1; done");
    shell.succeed("peregrine record run.scap -- head -n 1 mine.yaml");
    page.walk_with(&mut shell, folder.path());
    shell.succeed("kill -INT $agent; wait $agent");
}

/// A page that is new, or has its first command, has to say what runs it.
#[test]
fn every_page_with_commands_is_run() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
    let own = include_str!("walks.rs");
    for entry in fs::read_dir(docs).expect("the pages") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|n| n.to_str()).expect("a name").to_owned();
        if path.extension().is_none_or(|e| e != "md") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a page");
        let blocks = blocks(&text);
        assert!(
            !blocks.iter().any(|b| b.kind.is_empty()),
            "{name}: a block that says not what it is"
        );
        let has_commands = blocks.iter().any(|b| ["console", "sh"].contains(&b.kind));
        let is_walked = own.contains(&format!("page!(\"{name}\").walk"));
        let is_elsewhere = ELSEWHERE.iter().any(|(page, _)| *page == name);
        assert!(is_walked || is_elsewhere || !has_commands, "{name}: commands that nothing runs");
        assert!(has_commands || !is_elsewhere, "{name}: no commands, and yet in the list");
    }
}

#[test]
fn operating() {
    if can_run_live("operating") {
        let _alone = alone();
        page!("operating.md").walk();
    }
}

/// Each counter and each reason of the hops of a running agent, with everything on that brings counters of its own.
#[test]
fn operating_has_every_counter() {
    if !can_run_live("operating_has_every_counter") {
        return;
    }
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let outbox = format!("peregrine.outbox.directory={}", folder.path().join("outbox").display());
    let captures = format!("capture.path_prefix={}", folder.path().join("alert").display());
    let pid = std::process::id().to_string();
    let options =
        ["capture.enabled=true", "peregrine.outputs.stdout.durable=true", &outbox, &captures];
    let mut args = vec!["--scope-pid", &*pid];
    args.extend(options.iter().flat_map(|option| ["-o", option]));
    let agent = common::Agent::start(&args);
    let stats = agent.stats();
    let ended = agent.interrupt();
    assert!(ended.status.success(), "{}", ended.stderr);
    let text = page!("operating.md").text;
    let is_told = |name: &str| text.contains(&format!("`{name}`"));
    let general = |name: &str| {
        let mut parts: Vec<&str> = name.split('.').collect();
        match &mut *parts {
            ["outputs" | "outbox", part @ "stdout", _] => *part = "<output>",
            ["containers", part @ ("docker" | "podman" | "containerd" | "cri" | "disk"), _] => {
                *part = "<runtime>";
            }
            ["kernel", "written", "cpu", part] => *part = "<cpu>",
            _ => {}
        }
        parts.join(".")
    };
    let counters = stats.counters.keys().map(|name| general(name));
    let reasons =
        stats.hops.iter().flat_map(|h| h.aside.iter().chain(&h.dropped)).map(|r| r.reason.clone());
    let untold: Vec<_> = counters.chain(reasons).filter(|name| !is_told(name)).collect();
    assert!(untold.is_empty(), "not in operating.md: {untold:?}");
}

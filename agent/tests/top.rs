//! `peregrine top` on the running kernel: as a person has it, on a terminal of 80x24 (tmux) where keys are pressed and the screen is read; that the terminal is
//! as it was on every way out; and as a script has it.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use common::{Agent, DEADLINE, PEREGRINE, Shell, alone, can_run_live, skip};
use serde_json::Value;

const RULES: &str = "- rule: \"Marker opened\"\n  desc: d\n  priority: NOTICE\n  \
                     condition: evt.type in (open, openat, openat2) and fd.name endswith /marker\n  \
                     output: \"%proc.name opened %fd.name\"\n";

/// A shell that opens files until its folder has gone, and the agent that watches it.
struct Stage {
    dir: tempfile::TempDir,
    shell: Shell,
    agent: Agent,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &str| dir.path().join(name);
        for (name, text) in [("rules.yaml", RULES), ("go", ""), ("marker", ""), ("file", "")] {
            std::fs::write(path(name), text).expect("a file");
        }
        let mut shell = Shell::start();
        // Events that no rule can match shall be seen, too.
        let agent = Agent::start(&[
            "--scope-pid",
            &shell.pid(),
            "-r",
            path("rules.yaml").to_str().expect("UTF-8"),
            "--push-down",
            "off",
        ]);
        let dir_text = dir.path().display();
        let storm = format!(
            "cd {dir_text}; while [ -e go ]; do i=0; while [ $i -lt 100 ]; do : <file; i=$((i+1)); done; : <marker; sleep 0.05; done &"
        );
        assert_eq!(shell.run(&storm), 0);
        Self { dir, shell, agent }
    }

    fn top(&self, arguments: &[&str]) -> Output {
        let mut top = Command::new(PEREGRINE);
        top.arg("top").args(arguments).arg("--socket").arg(self.agent.socket());
        top.output().expect("the program starts")
    }

    fn end(self) {
        let Self { dir, mut shell, agent } = self;
        drop(dir);
        assert_eq!(shell.run("wait"), 0);
        agent.interrupt().assert_balanced();
    }
}

/// A terminal, with a shell on it.
struct Terminal {
    dir: tempfile::TempDir,
}

impl Terminal {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let terminal = Self { dir };
        let shell = ["env", "-u", "NO_COLOR", "PS1=ready$ ", "/bin/sh"];
        let size = ["new-session", "-d", "-x", "80", "-y", "24"];
        terminal.tmux(size.into_iter().chain(shell));
        terminal.wait_for("the shell", |screen| screen.contains("ready$"));
        terminal
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("tmux")
    }

    fn tmux<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> String {
        let out = Command::new("tmux")
            .args(["-f", "/dev/null", "-S"])
            .arg(self.socket())
            .args(arguments)
            .output()
            .expect("tmux starts");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    fn screen(&self) -> String {
        self.tmux(["capture-pane", "-p"])
    }

    fn keys(&self, keys: &[&str]) {
        self.tmux(["send-keys"].into_iter().chain(keys.iter().copied()));
    }

    fn typed(&self, text: &str) {
        self.tmux(["send-keys", "-l", text]);
    }

    fn wait_for(&self, what: &str, is_seen: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let screen = self.screen();
            if is_seen(&screen) {
                return screen;
            }
            assert!(Instant::now() < deadline, "{what} is not seen:\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Starts a view, once there is nothing left of what was before.
    fn start_top(&self, agent: &Agent) {
        self.keys(&["clear", "Enter"]);
        self.typed(&format!("{PEREGRINE} top -d 200ms --socket {}", agent.socket().display()));
        self.keys(&["Enter"]);
        self.wait_for("the first interval", |s| {
            s.contains("captured") && s.contains("[1 pipeline]")
        });
    }

    /// The shell is back on its own screen, and the terminal echoes and edits lines.
    fn assert_sane(&self) {
        self.wait_for("the shell", |s| s.trim_end().ends_with("ready$"));
        self.keys(&["clear; stty -a | tr '\\n' ' '; echo code-$?", "Enter"]);
        let screen = self.wait_for("the terminal's settings", |s| s.contains("code-0"));
        let words: Vec<&str> = screen.split([' ', '\n', ';']).collect();
        for word in ["icanon", "echo", "isig", "icrnl", "opost"] {
            assert!(words.contains(&word), "{word} is off:\n{screen}");
        }
        assert_eq!(
            self.tmux(["display-message", "-p", "#{alternate_on} #{cursor_flag}"]).trim(),
            "0 1"
        );
    }

    /// The process of the view.
    fn top_pid(&self) -> rustix::process::Pid {
        let shell = self.tmux(["display-message", "-p", "#{pane_pid}"]);
        let shell = shell.trim();
        let path = format!("/proc/{shell}/task/{shell}/children");
        let children = std::fs::read_to_string(path).expect("the shell runs");
        let pid = children.split_whitespace().last().and_then(|pid| pid.parse().ok());
        pid.and_then(rustix::process::Pid::from_raw).expect("the view runs")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let mut end = Command::new("tmux");
        drop(end.arg("-S").arg(self.socket()).arg("kill-server").output());
    }
}

fn has_tmux(test: &str) -> bool {
    let has = Path::new("/usr/bin/tmux").exists();
    if !has {
        skip(test, "no tmux");
    }
    has
}

/// The row of a table that has these cells.
fn has_row(screen: &str, cells: &[&str]) -> bool {
    screen.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        cells.iter().all(|cell| words.contains(cell))
    })
}

#[test]
fn a_screen_is_used_and_leaves_the_terminal_as_it_was() {
    let test = "a_screen_is_used_and_leaves_the_terminal_as_it_was";
    if !can_run_live(test) || !has_tmux(test) {
        return;
    }
    let _alone = alone();
    let stage = Stage::new();
    let terminal = Terminal::start();
    terminal.start_top(&stage.agent);
    terminal
        .wait_for("the kernel's row", |s| has_row(s, &["kernel"]) && has_row(s, &["p50", "p99"]));
    terminal.keys(&["2"]);
    terminal.wait_for("the shell's row", |s| {
        s.contains("[2 processes]") && s.contains("sample: ") && has_row(s, &["sh", "host", "root"])
    });
    terminal.keys(&["s"]);
    terminal.wait_for("another order", |s| s.contains("q quit  by pid"));
    terminal.keys(&["r"]);
    terminal.wait_for("the other way round", |s| s.contains("by pid, reversed"));
    // A wrong filter is told and can be mended, one that picks nothing shows nothing, another one something.
    terminal.keys(&["/"]);
    terminal.typed("proc.nane = x");
    terminal.keys(&["Enter"]);
    terminal.wait_for("what is wrong", |s| s.contains("unknown field `proc.nane`"));
    terminal.keys(&["C-u"]);
    terminal.typed("proc.name = nobody-has-it");
    terminal.keys(&["Enter"]);
    terminal.wait_for("nothing", |s| {
        s.contains("filter: proc.name = nobody-has-it") && s.contains("no events that the rules")
    });
    terminal.keys(&["/", "C-u"]);
    terminal.typed("evt.type in (open, openat) and proc.name = sh");
    terminal.keys(&["Enter", "3"]);
    terminal.wait_for("opens", |s| s.contains("[3 events]") && has_row(s, &["openat", "100.0"]));
    terminal.keys(&["4"]);
    terminal.wait_for("the host", |s| s.contains("[4 containers]") && has_row(s, &["host"]));
    terminal.keys(&["5"]);
    terminal.wait_for("the rule", |s| has_row(s, &["Marker", "opened"]));
    terminal.keys(&["6"]);
    terminal.wait_for("an alert", |s| s.contains("Notice") && s.contains("sh opened /"));
    terminal.keys(&["7"]);
    terminal.wait_for("no loss", |s| s.contains("nothing was lost"));
    terminal.keys(&["p"]);
    terminal.wait_for("the pause", |s| s.contains("PAUSED"));
    terminal.keys(&["p", "?"]);
    terminal.wait_for("the help", |s| s.contains("turn to a pane") && !s.contains("PAUSED"));
    terminal.keys(&["x", "q"]);
    terminal.assert_sane();

    terminal.start_top(&stage.agent);
    terminal.keys(&["C-c"]);
    terminal.assert_sane();

    terminal.start_top(&stage.agent);
    let pid = terminal.top_pid();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("the view runs");
    terminal.wait_for("how it ended", |s| s.contains("Terminated"));
    terminal.assert_sane();

    terminal.start_top(&stage.agent);
    let socket = stage.agent.socket();
    stage.end();
    let told = terminal.wait_for("why it ended", |s| s.contains("Error: the agent on"));
    assert!(told.replace('\n', "").contains(&format!("{} has ended", socket.display())), "{told}");
    terminal.assert_sane();
}

/// As where a connection breaks.
#[test]
fn a_view_ends_with_its_terminal() {
    let test = "a_view_ends_with_its_terminal";
    if !can_run_live(test) || !has_tmux(test) {
        return;
    }
    let _alone = alone();
    let stage = Stage::new();
    let terminal = Terminal::start();
    terminal.start_top(&stage.agent);
    let view = format!("/proc/{}/exe", terminal.top_pid().as_raw_nonzero());
    let is_there = || std::fs::read_link(&view).is_ok();
    assert!(is_there());
    terminal.tmux(["kill-server"]);
    let deadline = Instant::now() + DEADLINE;
    while is_there() {
        assert!(Instant::now() < deadline, "the view goes on without a terminal");
        std::thread::sleep(Duration::from_millis(50));
    }
    stage.end();
}

#[test]
fn scripts_get_lines() {
    if !can_run_live("scripts_get_lines") {
        return;
    }
    let _alone = alone();
    let stage = Stage::new();
    let shell = stage.shell.pid();
    let out = stage.top(&["--json", "-d", "300ms", "-n", "3", "-f", "proc.name = sh"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let lines: Vec<Value> = String::from_utf8_lossy(&out.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 3);
    let sum = |path: &str| {
        lines.iter().map(|l| l.pointer(path).and_then(Value::as_u64).unwrap_or(0)).sum::<u64>()
    };
    assert!(
        sum("/sampled/n_passed") > 100 && sum("/sampled/n_passed") < sum("/sampled/n_events"),
        "{lines:?}"
    );
    assert!(sum("/rules/matches/Marker opened") > 0, "{lines:?}");
    let processes: Vec<&Value> =
        lines.iter().flat_map(|l| l["sampled"]["processes"].as_array().expect("a list")).collect();
    assert!(processes.iter().all(|p| p["name"] == "sh" && p["pid"] != shell.as_str()), "{lines:?}");
    let alerts = lines.iter().flat_map(|l| l["alerts"].as_array().expect("a list"));
    let numbers: Vec<u64> = alerts.map(|a| a["n"].as_u64().expect("a number")).collect();
    assert!(!numbers.is_empty() && numbers.windows(2).all(|n| n[0] + 1 == n[1]), "{numbers:?}");

    let out = stage.top(&["--batch", "-d", "200ms", "-n", "1"]);
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(text.contains("\nprocesses:\n") && has_row(&text, &["sh", "root"]), "{text}");

    for (arguments, told) in [
        (&["-f", "proc.nane = x", "--json"][..], "Error: --filter: unknown field `proc.nane`"),
        (&["-d", "1ms", "--json"][..], "between"),
        (&[][..], "Error: no terminal to show it on"),
    ] {
        let out = stage.top(arguments);
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(!out.status.success() && said.contains(told), "{arguments:?}: {said}");
    }
    let socket = stage.agent.socket();
    stage.end();
    let mut top = Command::new(PEREGRINE);
    let out = top.args(["top", "--json", "--socket"]).arg(&socket).output().expect("it starts");
    assert!(String::from_utf8_lossy(&out.stderr).contains("no agent is listening on"));
}

//! Alerts to be delivered: a shell that opens files with odd names, and the agent that tells of each.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use perf::Snapshot;

use crate::common::{Agent, DEADLINE, Shell};

/// What is in names, one after the other: nothing in them may end a line, a frame or a field.
const ODD: [&str; 6] =
    ["plain", "naïve ✓", "\"quoted\"", "[b] = ]c[", "back\\slash", "new\nline <13>1"];

/// A rule, and a shell whose opens it tells of.
pub(crate) struct Opens {
    dir: tempfile::TempDir,
    shell: Shell,
    n: usize,
}

impl Opens {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let rule = "- rule: \"Told: a \\\"name\\\" [x]\"\n  desc: d\n  priority: NOTICE\n  \
                    condition: evt.type in (open, openat, openat2) and fd.name contains /marker-\n  \
                    output: \"%proc.name opened %fd.name %evt.arg.name\"\n";
        std::fs::write(dir.path().join("rules.yaml"), rule).expect("a file");
        Self { dir, shell: Shell::start(), n: 0 }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn args(&self, options: &[String]) -> Vec<String> {
        let rules = self.path("rules.yaml").to_str().expect("UTF-8").to_owned();
        let mut args = vec!["--scope-pid".to_owned(), self.shell.pid(), "-r".to_owned(), rules];
        for option in options {
            args.extend(["-o".to_owned(), option.clone()]);
        }
        args
    }

    /// Starts an agent that watches the shell.
    pub(crate) fn agent(&self, options: &[String]) -> Agent {
        let args = self.args(options);
        Agent::start(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The same with another stdout than a file.
    pub(crate) fn agent_into(&self, options: &[String], stdout: std::process::Stdio) -> Agent {
        let args = self.args(options);
        let dir = tempfile::tempdir().expect("a temporary directory");
        Agent::start_into(&args.iter().map(String::as_str).collect::<Vec<_>>(), stdout, dir)
    }

    /// Raises so many alerts.
    pub(crate) fn raise(&mut self, n: usize) {
        for _ in 0..n {
            let (odd, n) = (ODD[self.n % ODD.len()], self.n);
            let name = self.path(&format!("marker-{n} {odd}"));
            let program = self.path(&format!("{} {n}", &odd.replace('/', "")));
            std::fs::write(&name, "").expect("a file");
            // Of each name a process, too.
            if self.n < ODD.len() {
                std::fs::copy("/bin/cat", &program).expect("a copy");
                self.run(&program, &name);
            } else {
                self.run(Path::new("/bin/cat"), &name);
            }
            self.n += 1;
        }
    }

    /// Raises alerts that are so long, quickly.
    pub(crate) fn raise_long(&mut self, n: usize, len: usize) {
        let name = format!("{}/{}marker-long", self.dir().display(), "./".repeat(len / 2));
        std::fs::write(self.path("marker-long"), "").expect("a file");
        let line = format!("i=0; while [ $i -lt {n} ]; do : <{name}; i=$((i+1)); done");
        assert_eq!(self.shell.run(&line), 0);
        self.n += n;
    }

    fn run(&mut self, program: &Path, argument: &Path) {
        let quoted = |p: &Path| format!("'{}'", p.to_str().expect("UTF-8"));
        assert_eq!(self.shell.run(&format!("{} {}", quoted(program), quoted(argument))), 0);
    }

    /// How many alerts were raised.
    pub(crate) fn n(&self) -> usize {
        self.n
    }
}

/// Waits until this is so; says what was there where it never is.
pub(crate) fn wait_until<T: std::fmt::Debug>(mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(there) if Instant::now() >= deadline => panic!("{there}"),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Waits until a file has so many lines.
pub(crate) fn wait_for_lines(path: &Path, n: usize) -> Vec<String> {
    wait_until(|| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines.len() >= n {
            Ok(lines)
        } else {
            Err(format!("{n} lines wanted, there are {lines:#?}"))
        }
    })
}

/// Waits until a counter is as it should be.
pub(crate) fn wait_for_count(agent: &Agent, name: &str, is: impl Fn(u64) -> bool) -> Snapshot {
    wait_until(|| {
        let stats = agent.stats();
        let n = stats.get(name).or_else(|| stats.levels.get(name).copied()).unwrap_or(0);
        if is(n) { Ok(stats) } else { Err(format!("{name} is {n}\n{}", stats.table())) }
    })
}

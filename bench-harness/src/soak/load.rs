//! What happens under the agent: bursts of all kinds in turn, paced storms between them, and moments of quiet.
//!
//! `turn -> files, processes, network, memory, signals of stress-ng; many short processes; connections; alerts; the mixed storm; the marker`

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::process::cargo_executables;
use crate::storm::Group;
use crate::watched::Shell;

/// Stressors by kind, those that end by themselves and leave the machine as it was. Of each kind some run at a time, in turn.
const KINDS: [(&str, &[&str]); 5] = [
    (
        "files",
        &[
            "access",
            "chmod",
            "dentry",
            "dir",
            "dup",
            "fcntl",
            "fstat",
            "getdent",
            "handle",
            "hdd",
            "inotify",
            "io",
            "link",
            "locka",
            "mknod",
            "open",
            "rename",
            "symlink",
            "touch",
            "utime",
            "xattr",
            "sync-file",
        ],
    ),
    (
        "processes",
        &["fork", "exec", "clone", "vfork", "spawn", "wait", "session", "exit-group", "pthread"],
    ),
    (
        "network",
        &[
            "sock",
            "epoll",
            "sockfd",
            "sockpair",
            "sockmany",
            "sockdiag",
            "udp",
            "udp-flood",
            "rawudp",
            "ping-sock",
        ],
    ),
    (
        "memory",
        &[
            "mmap",
            "mremap",
            "mprotect",
            "munmap",
            "memfd",
            "mincore",
            "msync",
            "mlock",
            "stack",
            "vm-splice",
        ],
    ),
    (
        "signals",
        &[
            "kill",
            "sigabrt",
            "sigchld",
            "sigfd",
            "sigio",
            "signal",
            "sigpending",
            "sigq",
            "sigrt",
            "sigsegv",
            "sigsuspend",
            "sigtrap",
            "timer",
            "timerfd",
        ],
    ),
];

/// Stressors at a time.
const AT_A_TIME: usize = 3;

/// So nice is what the agent watches: others have work to do on this machine, and so has the agent.
const NICENESS: u8 = 15;

/// Processes a second of the paced storm of short ones.
const PROCESSES_PER_S: u64 = 1500;

/// The name of the file whose opening triggers the rule of the soak.
pub(super) const MARKER: &str = "soak-marker";

/// The name of the file whose openings are alerts that come all the time, and how often in a second of their part.
pub(super) const STREAM: &str = "soak-stream";
const ALERTS_PER_S: u64 = 400;

/// What there is to be run.
#[derive(Debug)]
pub(super) struct Load<'a> {
    storm: PathBuf,
    /// A folder to write in.
    work: &'a Path,
    log: PathBuf,
    /// How long each part of a turn takes.
    part: Duration,
}

/// What was done, and how often.
#[derive(Debug, Default, Clone, Copy, serde::Serialize)]
pub(super) struct Done {
    pub(super) turns: u64,
    pub(super) markers: u64,
    /// Commands that ended badly, which under a load may be.
    pub(super) failed: u64,
}

impl<'a> Load<'a> {
    /// A load in parts of about this length, some eleven to a turn.
    ///
    /// # Errors
    /// The program for storms is not there and cannot be built.
    pub(super) fn new(work: &'a Path, logs: &Path, part: Duration) -> Result<Self> {
        let log = logs.join("load.log");
        fs::write(&log, "").with_context(|| format!("cannot make {}", log.display()))?;
        for file in [MARKER, STREAM] {
            fs::write(work.join(file), "")?;
        }
        Ok(Self { storm: storm_program()?, work, log, part })
    }

    /// One turn after the other until the time is over.
    ///
    /// # Errors
    /// The shell is gone.
    pub(super) fn run(&self, shell: &mut Shell, until: Instant) -> Result<Done> {
        let mut done = Done::default();
        while Instant::now() < until {
            for command in self.turn(done.turns) {
                if Instant::now() >= until {
                    return Ok(done);
                }
                let code = shell.run(&command)?;
                done.failed += u64::from(code != 0);
                done.markers += u64::from(code == 0 && command.ends_with(MARKER));
            }
            done.turns += 1;
        }
        Ok(done)
    }

    /// The command lines of a turn, each with an end of its own.
    fn turn(&self, n: u64) -> Vec<String> {
        let seconds = self.part.as_secs().max(1);
        let quiet = format!("sleep {}", self.part.as_secs_f32() / 2.0);
        let mut commands = Vec::new();
        for (i, (_, names)) in KINDS.iter().enumerate() {
            let group = Group::new(&chosen(names, n), seconds);
            commands.push(self.nice(&group.command(self.work)));
            match i {
                0 => commands.push(quiet.clone()),
                1 => commands.push(self.storms(&format!(
                    "forkexec --rate {PROCESSES_PER_S} --burst 10 --count {} --path /bin/true",
                    PROCESSES_PER_S * seconds
                ))),
                2 => {
                    commands.push(self.storms(&format!("tcp --count {}", 4000 * seconds)));
                    commands.push(self.storms(&format!("udpconnect --count {}", 10_000 * seconds)));
                }
                3 => commands.push(self.storms(&format!(
                    "openclose --rate {ALERTS_PER_S} --count {} --path {}/{STREAM}",
                    ALERTS_PER_S * seconds,
                    self.work.display()
                ))),
                _ => commands.push(self.storms(&format!(
                    "mixed --events {} --seed {n} --workers 3 --dir {}",
                    8000 * seconds,
                    self.work.display()
                ))),
            }
        }
        // Nothing is lost in the quiet, so the alert of the marker has to come.
        commands.push(quiet);
        commands.push(format!(": <{}/{MARKER}", self.work.display()));
        commands
    }

    fn storms(&self, storm: &str) -> String {
        // What is slow here ends early and says so by its exit code; the time goes to the next part.
        let limit = self.part.as_secs().max(1) * 2;
        self.nice(&format!("{} {storm} --seconds {limit}", self.storm.display()))
    }

    fn nice(&self, command: &str) -> String {
        format!("nice -n {NICENESS} {command} >>{} 2>&1", self.log.display())
    }
}

/// Those that run in a turn: all of them have after some turns.
fn chosen(names: &[&str], turn: u64) -> Vec<String> {
    let from = turn as usize * AT_A_TIME;
    (from..from + AT_A_TIME).map(|i| names[i % names.len()].to_owned()).collect()
}

/// The program that stands beside this one, or the workspace's.
fn storm_program() -> Result<PathBuf> {
    let name = "peregrine-storm";
    let beside = std::env::current_exe()?.with_file_name(name);
    if beside.is_file() {
        return Ok(beside);
    }
    let args = ["build", "--release", "--locked", "-p", "bench-harness", "--bin", name];
    cargo_executables(&args, None)?.pop().context("cargo built no peregrine-storm")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn turns_come_to_every_stressor() {
        for (kind, names) in KINDS {
            let some: BTreeSet<String> = (0..30).flat_map(|turn| chosen(names, turn)).collect();
            assert_eq!(some.len(), names.len(), "{kind}");
        }
    }

    #[test]
    fn a_turn_has_all_kinds_and_ends_with_the_marker() {
        let work = Path::new("/w");
        let part = Duration::from_secs(3);
        let load = Load { storm: "/bin/storm".into(), work, log: "/l".into(), part };
        let turn = load.turn(7);
        let stressed = turn.iter().filter(|c| c.contains("stress-ng")).count();
        assert_eq!(stressed, KINDS.len());
        for storm in ["forkexec", "tcp", "udpconnect", "openclose", "mixed"] {
            assert!(turn.iter().any(|c| c.contains(&format!("/bin/storm {storm} "))), "{storm}");
        }
        assert_eq!(turn.last().unwrap(), ": </w/soak-marker");
        assert!(turn.iter().all(|c| !c.contains("sleep") || c == "sleep 1.5"));
    }
}

//! Ordinary work under the agent with its default rules: none of it may raise an alert above INFO.
//!
//! `pieces of work, one after the other -> one agent scoped to them -> alerts by the piece that ran when they were raised`

mod pieces;
mod report;

use std::env;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use rustix::process::geteuid;

use self::pieces::{PIECES, Piece};
use self::report::{Done, Outcome, Report};
use crate::process::which;
use crate::watched::{Agent, MARK, Shell, built, end_leftovers};

/// Options of `peregrine-bench quiet`.
#[derive(Args, Debug)]
pub(crate) struct Quiet {
    /// Only these pieces; all where none is given
    names: Vec<String>,
    /// List the pieces and what they need, run nothing
    #[arg(long)]
    list: bool,
    /// The agent; built from the workspace where not given
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// Rules in place of the default ones, repeatable
    #[arg(short = 'r', long, value_name = "RULES")]
    rules: Vec<PathBuf>,
    /// Where logs are kept
    #[arg(long, value_name = "DIR", default_value = "target/quiet")]
    logs: PathBuf,
}

/// Rings that hold what a busy second of the suite gives, since what is lost was not looked at.
const RING: &str = "peregrine.ring_bytes=134217728";

/// The agent goes before the work, which on a busy machine would take all the time that there is.
const NICENESS: i32 = -10;

/// Exit code of a piece that cannot run here; its last line says why.
const SKIPPED: i32 = 77;

/// Between two pieces: what one left running in the background is not counted for the next.
const PAUSE: Duration = Duration::from_millis(200);

/// The rule that the last command of a run has to trigger: a suite that the agent did not see proves nothing.
const WITNESS: &str = "Sensitive file read by untrusted program";

impl Quiet {
    /// Runs the pieces, prints, and says whether all were well and quiet.
    ///
    /// # Errors
    /// The agent cannot be run, or does not see what is done.
    pub(crate) fn run(&self) -> Result<bool> {
        if self.list {
            for piece in PIECES {
                println!("{:<16} {} (needs {})", piece.name, piece.about, piece.needs.join(", "));
            }
            return Ok(true);
        }
        let wanted = self.wanted()?;
        ensure!(geteuid().is_root(), "needs root: the agent attaches programs to the kernel");
        let program = built(self.agent.as_deref())?;
        fs::create_dir_all(&self.logs)
            .with_context(|| format!("cannot make {}", self.logs.display()))?;
        let logs = self.logs.canonicalize()?;
        let work = Workplace::new()?;
        let report = self.watch(&program, &logs, &work.0, &wanted)?;
        report.print();
        Ok(report.is_quiet())
    }

    fn wanted(&self) -> Result<Vec<&'static Piece>> {
        if self.names.is_empty() {
            return Ok(PIECES.iter().collect());
        }
        let find = |name: &String| {
            let found = PIECES.iter().find(|p| p.name == name);
            found.with_context(|| format!("no piece is called {name}; --list names them"))
        };
        self.names.iter().map(find).collect()
    }

    fn watch(&self, program: &Path, logs: &Path, work: &Path, wanted: &[&Piece]) -> Result<Report> {
        let run = std::process::id().to_string();
        let path = env::var("PATH").unwrap_or_default();
        // The daemons' folders, which a user's shell may lack.
        let path = format!("{path}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin");
        let mut shell = Shell::start(Path::new("/"), &[(MARK, &run), ("PATH", &path)])?;
        let rules: Vec<String> = self.rules.iter().map(|r| r.display().to_string()).collect();
        let mut args = vec!["-o", RING];
        args.extend(rules.iter().flat_map(|r| ["-r", r]));
        let agent = Agent::start(program, NICENESS, logs, shell.pid(), &args)?;
        let mut done = Vec::new();
        for piece in wanted {
            let one = perform(&mut shell, piece, logs, work)?;
            println!("  {}: {}", piece.name, one.outcome_text());
            done.push(one);
            sleep(PAUSE);
        }
        let witness_at = now_ns();
        shell.run("cat /etc/shadow")?;
        let left = end_leftovers(&run, shell.pid());
        let ended = agent.end()?;
        let (alerts, witness): (Vec<_>, Vec<_>) =
            ended.alerts.iter().cloned().partition(|a| a.time_ns < witness_at);
        if self.rules.is_empty() && !witness.iter().any(|a| a.rule == WITNESS) {
            bail!("the agent does not see what is done: `cat /etc/shadow` raised no alert");
        }
        let (n_equations, broken) = ended.equations();
        ensure!(n_equations > 0, "the agent ended without its equations: {}", ended.table);
        Ok(Report {
            done,
            alerts,
            left,
            broken: broken.into_iter().map(str::to_owned).collect(),
            lost: ended.rows("lost").into_iter().map(str::to_owned).collect(),
        })
    }
}

/// A folder that goes when the run ends.
struct Workplace(PathBuf);

impl Workplace {
    fn new() -> Result<Self> {
        let dir = env::temp_dir().join(format!("peregrine-quiet.{}", std::process::id()));
        fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        fs::write(dir.join("lib.sh"), pieces::LIBRARY)?;
        Ok(Self(dir))
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // A piece that was stopped may have left something mounted below; then nothing is removed.
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let below = format!(" {}/", self.0.display());
        if mounts.contains(&below) {
            eprintln!("peregrine-bench: still mounted below {}: it stays", self.0.display());
        } else {
            drop(fs::remove_dir_all(&self.0));
        }
    }
}

fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}

/// A port of loopback that nobody listens on.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn perform(shell: &mut Shell, piece: &Piece, logs: &Path, work: &Path) -> Result<Done> {
    let from_ns = now_ns();
    let begin = Instant::now();
    let outcome = match piece.needs.iter().find(|n| which_of(n).is_none()) {
        Some(missing) => Outcome::Skipped(format!("no {missing} here")),
        None => play(shell, piece, logs, work)?,
    };
    Ok(Done { name: piece.name, from_ns, took: begin.elapsed(), outcome })
}

/// `a|b` is there if one of them is.
fn which_of(names: &str) -> Option<PathBuf> {
    let daemons = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
    names.split('|').find_map(|name| {
        let daemon = daemons.iter().map(|d| d.join(name)).find(|f| f.is_file());
        daemon.or_else(|| which(name).ok())
    })
}

fn play(shell: &mut Shell, piece: &Piece, logs: &Path, work: &Path) -> Result<Outcome> {
    let Piece { name, script, limit_s, .. } = piece;
    let (dir, log) = (work.join(name), logs.join(format!("{name}.log")));
    fs::create_dir(&dir)?;
    let file = work.join(format!("{name}.sh"));
    fs::write(&file, script)?;
    let [port, port2] = [free_port()?, free_port()?];
    let code = shell.run(&format!(
        "cd {} && PORT={port} PORT2={port2} timeout -k 10 {limit_s} sh -eu {} >{} 2>&1",
        dir.display(),
        file.display(),
        log.display()
    ))?;
    // Not while the suite's shell stands in it.
    shell.run("cd /")?;
    let said = fs::read_to_string(&log).unwrap_or_default();
    let last = |n: usize| {
        let lines: Vec<&str> = said.lines().filter(|l| !l.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(n)..].join("\n")
    };
    Ok(match code {
        0 => Outcome::Ran,
        SKIPPED => Outcome::Skipped(last(1).trim_start_matches("skipped: ").to_owned()),
        124 | 137 => Outcome::Failed(format!("not done within {limit_s} s\n{}", last(10))),
        code => Outcome::Failed(format!("exit code {code}\n{}", last(10))),
    })
}

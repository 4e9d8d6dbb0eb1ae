//! A long load of all kinds under an agent that is set up as on a node: it keeps no more memory, descriptors or threads, every equation holds
//! all the time, and every alert arrives.
//!
//! `load in a shell that the agent is scoped to + reloads, rotations, an outage of the receiver, scrapes -> samples -> verdicts`

mod judge;
mod load;
mod node;
mod receiver;
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use rustix::process::geteuid;

use self::judge::{Point, Verdict, follows_the_load, goes_back, is_emptied};
use self::load::Load;
use self::node::{Node, Recordings, Sample};
use self::report::Report;
use crate::process::which;
use crate::storm::{KernelLog, Workplace};
use crate::watched::{MARK, Shell, built, end_leftovers};

/// Options of `peregrine-bench soak`.
#[derive(Args, Debug)]
pub(crate) struct Soak {
    /// How long the load goes on
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=10_080))]
    minutes: u64,
    /// The same in seconds, for a short look: memory then grows by what an agent that has just started takes, so only much more is found
    #[arg(long, value_name = "N", conflicts_with = "minutes", value_parser = clap::value_parser!(u64).range(20..=86_400))]
    seconds: Option<u64>,
    /// Growth of memory in per cent that has to be found; 5 from ten minutes on, 25 below
    #[arg(long, value_name = "PERCENT")]
    growth: Option<f64>,
    /// No recordings around alerts; the kernel side then rejects what no rule can match
    #[arg(long)]
    without_recordings: bool,
    /// Prints one JSON object in place of the table
    #[arg(long)]
    json: bool,
    /// The agent; built from the workspace where not given
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// Where logs, samples and the agent's configuration are kept
    #[arg(long, value_name = "DIR", default_value = "target/soak")]
    logs: PathBuf,
}

/// From this duration on an agent has to have come to rest.
const LONG: Duration = Duration::from_mins(10);
const GROWTH_LONG: f64 = 5.0;
const GROWTH_SHORT: f64 = 25.0;

/// What is not judged: the agent fills its tables. A sixth of the time, or as much.
const WARM_UP: Duration = Duration::from_mins(5);

/// How much longer than the load the agent may live, whatever becomes of this program.
const GRACE_S: u64 = 180;

impl Soak {
    /// Soaks, prints, and says whether all held.
    ///
    /// # Errors
    /// The agent or the load cannot be run.
    pub(crate) fn run(&self) -> Result<bool> {
        if which("stress-ng").is_err() {
            println!("skipped: soak: stress-ng is not installed");
            println!("soak: 0 passed, 0 failed, 1 skipped");
            return Ok(true);
        }
        ensure!(geteuid().is_root(), "needs root: the agent attaches programs to the kernel");
        let program = built(self.agent.as_deref())?;
        fs::create_dir_all(&self.logs)
            .with_context(|| format!("cannot make {}", self.logs.display()))?;
        let report = self.soak(&program, &self.logs.canonicalize()?)?;
        if self.json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            report.print();
        }
        Ok(report.holds())
    }

    fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(self.minutes * 60))
    }

    fn soak(&self, program: &Path, logs: &Path) -> Result<Report> {
        let duration = self.duration();
        let work = Workplace::new()?;
        let run = std::process::id().to_string();
        let mut shell = Shell::start(work.path(), &[(MARK, &run)])?;
        let shell_pid = shell.pid();
        let part = Duration::from_secs(if duration < LONG { 1 } else { 3 });
        let load = Load::new(work.path(), logs, part)?;
        let mut kernel_log = KernelLog::open();
        let lives_for = duration.as_secs() + GRACE_S;
        let recordings =
            if self.without_recordings { Recordings::None } else { Recordings::AroundAlerts };
        let mut node = Node::start(program, logs, shell_pid, lives_for, duration, recordings)?;
        let until = Instant::now() + duration;
        let done = thread::scope(|s| -> Result<load::Done> {
            let loading = s.spawn(|| load.run(&mut shell, until));
            // Also where something goes wrong the load has its end: nothing is asked for any more.
            while !loading.is_finished() {
                node.step()?;
            }
            loading.join().expect("the thread of the load does not panic")
        })?;
        let n_left = end_leftovers(&run, shell_pid).len();
        let end = node.end(done.markers)?;
        let mut troubles = end.during.troubles.clone();
        troubles.extend(kernel_log.complaints().into_iter().map(|l| format!("kernel log: {l}")));
        if done.turns == 0 {
            troubles.push("the load came to the end of no turn".to_owned());
        }
        let growth = if duration < LONG { GROWTH_SHORT } else { GROWTH_LONG };
        let warm_up = WARM_UP.min(duration / 6);
        let verdicts = judge(&end.during.samples, warm_up, self.growth.unwrap_or(growth));
        Ok(Report { duration, warm_up, done, n_left, end, verdicts, troubles })
    }
}

/// All verdicts on what was sampled after the warm-up.
fn judge(samples: &[Sample], warm_up: Duration, growth_percent: f64) -> Vec<Verdict> {
    let of = |level: fn(&Sample) -> f64| -> Vec<Point> {
        let judged = samples.iter().filter(|s| s.at_s >= warm_up.as_secs_f64());
        judged.map(|s| (s.at_s, level(s))).collect()
    };
    let mut verdicts = vec![follows_the_load(
        "resident memory, kB",
        &of(|s| s.resident_kb as f64),
        growth_percent,
    )];
    // It is half of what is resident, and grows while the agent fills its tables, which in a short look it does.
    if warm_up == WARM_UP {
        let anonymous = of(|s| s.anonymous_kb as f64);
        verdicts.push(follows_the_load("anonymous memory, kB", &anonymous, growth_percent));
    }
    verdicts.extend([
        goes_back("descriptors", &of(|s| s.n_descriptors as f64)),
        goes_back("threads", &of(|s| s.n_threads as f64)),
        is_emptied("alerts that wait in the outbox", &of(|s| s.n_waiting as f64)),
    ]);
    verdicts
}

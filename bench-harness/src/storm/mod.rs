//! Storms under the agent: classes of stress-ng for a while each. Every conservation equation holds during them and at the end, and the
//! kernel log says nothing new.
//!
//! `class -> groups of stressors, one after the other, in a shell that the agent is scoped to -> figures, equations, kernel log`

mod kernel_log;
mod stressors;
mod workplace;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use perf::Snapshot;
use rustix::process::geteuid;

pub(crate) use self::kernel_log::KernelLog;
pub(crate) use self::stressors::Group;
pub(crate) use self::workplace::Workplace;
use crate::process::which;
use crate::watched::{Agent, Ended, MARK, Shell, built, end_leftovers};

/// Options of `peregrine-bench storm`.
#[derive(Args, Debug)]
pub(crate) struct Storm {
    /// Classes of stress-ng; filesystem, network and os where none is given
    classes: Vec<String>,
    /// Seconds for each class
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Ask for every event type that there is, in place of what the default rules ask for
    #[arg(long)]
    all_events: bool,
    /// List what each class does and what is left out, run nothing
    #[arg(long)]
    list: bool,
    /// The agent; built from the workspace where not given
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// Where logs are kept
    #[arg(long, value_name = "DIR", default_value = "target/storm")]
    logs: PathBuf,
}

/// How often the agent is asked for its figures during a storm.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// A rule that nothing matches and that could match any event: no event type, and a name that the kernel side cannot compare.
const ALL_EVENTS: &str = "- rule: any event
  desc: Asks for every event with all that is known of it.
  condition: proc.name = no-program-is-called-this
  output: \"%evt.type %evt.args %fd.name %fd.ino %fd.sip %fd.sport\"
  priority: DEBUG
";

impl Storm {
    /// Storms, prints, and says whether all held.
    ///
    /// # Errors
    /// The agent or stress-ng cannot be run.
    pub(crate) fn run(&self) -> Result<bool> {
        let classes: Vec<&str> = if self.classes.is_empty() {
            vec!["filesystem", "network", "os"]
        } else {
            self.classes.iter().map(String::as_str).collect()
        };
        if which("stress-ng").is_err() {
            println!("skipped: storm {}: stress-ng is not installed", classes.join(", "));
            println!("storm: 0 passed, 0 failed, {} skipped", classes.len());
            return Ok(true);
        }
        let storms = classes
            .iter()
            .map(|class| Ok((*class, stressors::of_class(class)?)))
            .collect::<Result<Vec<_>>>()?;
        if self.list {
            for (class, names) in storms {
                println!("{class}: {}", names.join(" "));
            }
            stressors::print_left_out();
            return Ok(true);
        }
        ensure!(geteuid().is_root(), "needs root: the agent attaches programs to the kernel");
        let program = built(self.agent.as_deref())?;
        fs::create_dir_all(&self.logs)
            .with_context(|| format!("cannot make {}", self.logs.display()))?;
        let logs = self.logs.canonicalize()?;
        let work = Workplace::new()?;
        let mut n_failed = 0;
        for (class, names) in &storms {
            let troubles = self.storm(class, names, &program, &logs, work.path());
            let troubles = troubles.unwrap_or_else(|e| vec![format!("{e:#}")]);
            for trouble in &troubles {
                println!("  FAILED: {trouble}");
            }
            n_failed += usize::from(!troubles.is_empty());
        }
        println!("storm: {} passed, {n_failed} failed, 0 skipped", storms.len() - n_failed);
        Ok(n_failed == 0)
    }

    /// One class; gives what did not hold.
    fn storm(
        &self,
        class: &str,
        names: &[String],
        program: &Path,
        logs: &Path,
        work: &Path,
    ) -> Result<Vec<String>> {
        let run = format!("{}-{class}", std::process::id());
        let mut shell = Shell::start(work, &[(MARK, &run)])?;
        let shell_pid = shell.pid();
        let rules = logs.join("all-events.yaml");
        let mut args = Vec::new();
        if self.all_events {
            fs::write(&rules, ALL_EVENTS)?;
            args = vec!["-r", rules.to_str().context("the folder of logs is not UTF-8")?];
        }
        let mut log = KernelLog::open();
        let agent = Agent::start(program, 0, logs, shell_pid, &args)?;
        let cpu_before = agent.cpu_time()?;
        let begin = Instant::now();
        let plan = stressors::plan(names, self.seconds);
        let mut codes = BTreeMap::new();
        let mut during = Vec::new();
        thread::scope(|s| -> Result<()> {
            let storming = s.spawn(|| blow(&mut shell, &plan, class, logs, work));
            let mut asked = Instant::now();
            while !storming.is_finished() {
                thread::sleep(Duration::from_millis(50));
                if asked.elapsed() >= ASK_EVERY {
                    asked = Instant::now();
                    during.push(agent.stats()?);
                }
            }
            codes = storming.join().expect("the storm's thread does not panic")?;
            Ok(())
        })?;
        let left = end_leftovers(&run, shell_pid);
        let took = begin.elapsed();
        let cpu = agent.cpu_time()?.saturating_sub(cpu_before);
        let ended = agent.end()?;
        let mut troubles = unbalanced(&during);
        let (n_equations, broken) = ended.equations();
        troubles.extend(broken.into_iter().map(|l| format!("at the end: {l}")));
        if n_equations == 0 {
            troubles.push("the agent ended without its equations".to_owned());
        }
        if ended.rows("hop").first().map_or(0, |l| seen(l)) == 0 {
            troubles.push("the agent saw nothing of the storm".to_owned());
        }
        if !codes.contains_key(&0) {
            troubles.push(format!("no group of stressors ended well: exit codes {codes:?}"));
        }
        troubles.extend(log.complaints().into_iter().map(|l| format!("kernel log: {l}")));
        println!(
            "{class}: {} stressors in {} groups, {:.1} s, agent used {:.1} s of CPU, asked {} times in between",
            names.len(),
            plan.len(),
            took.as_secs_f32(),
            cpu.as_secs_f32(),
            during.len()
        );
        tell(&ended, &codes, &log, left.len());
        Ok(troubles)
    }
}

/// Runs the groups one after the other; gives how often each exit code came.
fn blow(
    shell: &mut Shell,
    plan: &[stressors::Group],
    class: &str,
    logs: &Path,
    work: &Path,
) -> Result<BTreeMap<i32, u32>> {
    let mut codes = BTreeMap::new();
    let log = logs.join(format!("{class}.log"));
    fs::write(&log, "")?;
    for group in plan {
        let command = format!("{} >>{} 2>&1", group.command(work), log.display());
        *codes.entry(shell.run(&command)?).or_insert(0) += 1;
    }
    Ok(codes)
}

fn unbalanced(during: &[Snapshot]) -> Vec<String> {
    let broken = during.iter().flat_map(|s| s.equations.iter().filter(|e| !e.holds));
    broken
        .map(|e| format!("during the storm: {}: {} unexplained", e.title, e.unexplained))
        .collect()
}

/// The first number of a row.
fn seen(row: &str) -> u64 {
    row.split_whitespace().find_map(|w| w.parse().ok()).unwrap_or(0)
}

fn tell(ended: &Ended, codes: &BTreeMap<i32, u32>, log: &KernelLog, n_left: usize) {
    for row in ended.rows("hop").iter().take(3) {
        println!("  {row}");
    }
    for row in ended.rows("lost") {
        println!("  lost: {row}");
    }
    for row in ended.rows("latency").iter().filter(|l| l.starts_with("end_to_end")) {
        println!("  {row}");
    }
    let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
    for alert in &ended.alerts {
        *rules.entry(&alert.rule).or_insert(0) += 1;
    }
    for (rule, n) in rules {
        println!("  {n} alerts of {rule}");
    }
    let codes: Vec<String> = codes.iter().map(|(c, n)| format!("{n} x {c}")).collect();
    println!(
        "  exit codes of stress-ng: {}; processes left over and ended: {n_left}",
        codes.join(", ")
    );
    println!("  {} equations; kernel log: {}", ended.equations().0, log.describe());
}

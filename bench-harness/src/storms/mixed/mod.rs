//! The mixed storm: seeded processes, threads, files and sockets, for recordings that are then replayed in many ways.
//!
//! Here is its command line, and the process that all others of it descend from.

mod chance;
mod counts;
mod family;
mod files;
mod identity;
mod role;
mod scene;
mod sockets;
mod sys;
mod threads;
mod worker;

use std::collections::BTreeMap;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::thread::{available_parallelism, sleep};
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper,
    set_parent_process_death_signal, wait,
};

use self::chance::Chance;
use self::counts::{Counts, Kind};
pub(crate) use self::role::play;
use self::scene::{NAMES, Scene, Then};
use self::worker::Goal;
use crate::signals;

/// What happens is decided by the seed; when it happens is up to the kernel.
#[derive(Args, Debug)]
pub(crate) struct Mixed {
    /// Events that a capture of all system calls has of it, about
    #[arg(long, visible_alias = "count", value_name = "N", default_value_t = 100_000)]
    events: u64,
    /// Decides what happens
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Processes that act at the same time; twice the CPUs where not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=16))]
    workers: Option<u64>,
    /// Ends after so many seconds in any case
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=7200))]
    seconds: u64,
    /// At most so many events a second, where a capture could not keep up
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// Where a folder is made for the storm, and removed after it
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Prints one JSON object instead of lines
    ///
    /// kind, count (events, about), ended_early, seed, workers, n_calls (those that are counted), ns_per_call (time of the storm, by call),
    /// cpu_ns_per_call (user and system time of all its processes and of the programs they start, by call), elapsed_ns, and calls by what they were
    /// made for.
    #[arg(long)]
    json: bool,
}

/// How often it is seen whether the time is over.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// After this time beyond the bound nobody is waited for.
const GRACE: Duration = Duration::from_secs(10);

impl Mixed {
    /// Makes the storm and tells of it.
    ///
    /// # Errors
    /// No folder, page or process is to be had.
    pub(crate) fn run(&self) -> Result<()> {
        let began = Instant::now();
        let base = self.dir.clone().unwrap_or_else(env::temp_dir);
        let folder = tempfile::Builder::new()
            .prefix("peregrine-storm.")
            .tempdir_in(&base)
            .with_context(|| format!("cannot make a folder in {}", base.display()))?;
        link_programs(folder.path())?;
        // Without close-on-exec: the programs count, too.
        let page = memfd_create("peregrine-storm", MemfdFlags::empty())?;
        ftruncate(&page, size_of::<Counts>() as u64)?;
        let counts = sys::map_counts(page.as_raw_fd())?;
        let scene = Scene::new(counts, page.as_raw_fd(), folder.path());
        signals::hear_signals()?;
        set_parent_process_death_signal(Some(Signal::TERM))?;
        // Whoever outlives its parent comes to this process in the end, so none is left when there are no children.
        set_child_subreaper(Some(getpid()))?;
        let cpus = available_parallelism().map_or(2, std::num::NonZero::get) as u64;
        let n_workers = self.workers.unwrap_or((2 * cpus).min(16));
        let until = began + Duration::from_secs(self.seconds);
        let max_rate = self.rate.map(|rate| (Instant::now(), rate));
        let goal = Goal { n_events: self.events, until, n_workers, max_rate };
        let mut chance = Chance::new(self.seed);
        let mut workers = Vec::new();
        for n in 0..n_workers {
            let mut own = chance.fork();
            workers.extend(scene.child(Then::EndsWithParent, || {
                signals::hear_no_signals();
                worker::work(&scene, &mut own, goal, n % 2 == 0);
            }));
        }
        if workers.is_empty() {
            bail!("no process can be made");
        }
        let all_ended = wait_for_all(counts, workers, until + GRACE);
        folder.close().context("the folder of the storm cannot be removed")?;
        if self.json {
            println!("{}", self.object(counts, n_workers, began.elapsed()));
        } else {
            self.tell(counts, n_workers, began.elapsed());
        }
        if !all_ended {
            bail!("not all had ended {} seconds beyond the bound, and were ended", GRACE.as_secs());
        }
        if signals::is_asked_to_end() {
            bail!("ended early, as it was asked to");
        }
        Ok(())
    }

    fn object(&self, counts: &Counts, n_workers: u64, took: Duration) -> serde_json::Value {
        let by_call = |of_all: Duration| of_all.as_nanos() as f64 / counts.n_made().max(1) as f64;
        let calls: BTreeMap<&str, u64> =
            Kind::ALL.into_iter().map(|(kind, what)| (what, counts.of(kind))).collect();
        serde_json::json!({
            "kind": "mixed",
            "count": counts.n_events(),
            "ended_early": signals::is_asked_to_end(),
            "seed": self.seed,
            "workers": n_workers,
            "n_calls": counts.n_made(),
            "ns_per_call": by_call(took),
            "cpu_ns_per_call": by_call(sys::cpu_time()),
            "elapsed_ns": took.as_nanos() as u64,
            "calls": calls,
        })
    }

    fn tell(&self, counts: &Counts, n_workers: u64, took: Duration) {
        println!(
            "mixed: {} calls, about {} events, in {:.1} s (seed {}, {n_workers} workers)",
            counts.n_made(),
            counts.n_events(),
            took.as_secs_f64(),
            self.seed
        );
        for (kind, what) in Kind::ALL {
            println!("  {:>9} {what}", counts.of(kind));
        }
        if counts.n_failed() > 0 {
            println!("  {:>9} processes or programs were not to be had", counts.n_failed());
        }
        if !counts.can_choose_ids() {
            println!("skipped: ids used again: this user may not choose the id of a process");
        }
        if !counts.can_make_namespaces() {
            println!("skipped: pid namespaces: this user may not make one");
        }
    }
}

/// This program under all its names: half of them links to the file, so that the kernel has other paths of them.
fn link_programs(folder: &Path) -> Result<()> {
    let own = env::current_exe().context("the path of this program is not known")?;
    let bin = folder.join("bin");
    fs::create_dir(&bin)?;
    for (n, name) in NAMES.iter().enumerate() {
        let path = bin.join(name);
        if n % 2 == 0 || fs::hard_link(&own, &path).is_err() {
            std::os::unix::fs::symlink(&own, &path)
                .with_context(|| format!("cannot make {}", path.display()))?;
        }
    }
    Ok(())
}

/// Waits until there are no children; ends the workers that are left, and with them all others, where that takes too long.
fn wait_for_all(counts: &Counts, mut workers: Vec<i32>, until: Instant) -> bool {
    let mut all_ended = true;
    loop {
        if signals::is_asked_to_end() {
            counts.stop();
        }
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, _))) => workers.retain(|&worker| worker != pid.as_raw_pid()),
            Err(Errno::INTR) => {}
            Ok(None) => sleep(LOOK_EVERY),
            Err(_) => return all_ended,
        }
        if Instant::now() > until {
            for pid in workers.drain(..).filter_map(Pid::from_raw) {
                all_ended &= kill_process(pid, Signal::KILL).is_err();
            }
        }
    }
}

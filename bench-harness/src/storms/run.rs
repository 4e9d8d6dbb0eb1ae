//! Runs a storm: threads that begin together, each with its own share of the cycles, its own CPU and its own clock.

use std::num::NonZeroU64;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use perf::{Latency, Moment, Registry, allowed_cpus, pin_to_cpus};
use rustix::io::Errno;
use rustix::thread::{gettid, set_current_timer_slack};

use crate::cycle::Cycle;
use crate::pace::{self, Pace, now_ns};
use crate::raw::{self, Failed};
use crate::report::{Lateness, Report};
use crate::signals;

/// Time between the threads being ready and the first deadline.
const LEAD_NS: u64 = 2_000_000;
/// How often it is seen whether the storm is to end before all its cycles are made.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a storm is to be.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) kind: &'static str,
    /// Cycles of all threads.
    pub(crate) count: u64,
    pub(crate) n_threads: u64,
    pub(crate) pace: Option<Pace>,
    /// A thread goes to another CPU after so many cycles.
    pub(crate) moves_after: Option<u64>,
    pub(crate) longest: Duration,
}

impl Plan {
    /// The first number of a thread's cycles, and how many they are.
    fn share(&self, thread: u64) -> (u64, u64) {
        let (each, more) = (self.count / self.n_threads, self.count % self.n_threads);
        (each * thread + more.min(thread), each + u64::from(thread < more))
    }
}

/// What a thread did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) tid: i32,
    pub(crate) first: u64,
    pub(crate) n_cycles: u64,
    /// Cycles by place in the list of CPUs.
    pub(crate) by_cpu: Vec<u64>,
    pub(crate) began_ns: u64,
    pub(crate) ended_ns: u64,
    /// Time in cycles: without waiting for deadlines and without going to another CPU.
    pub(crate) busy_ns: u64,
    pub(crate) cpu_ns: u64,
    pub(crate) children_cpu_ns: Option<u64>,
    pub(crate) n_moves: u64,
    pub(crate) n_sleeps: u64,
    failed: Option<Failed>,
}

/// One thread of a storm.
struct Worker<'a> {
    plan: &'a Plan,
    thread: u64,
    cpus: &'a [usize],
    late: &'a Latency,
}

impl Worker<'_> {
    /// Where the thread's cycles with this place among its own are made.
    fn cpu_at(&self, made: u64) -> usize {
        let moved = self.plan.moves_after.map_or(0, |every| made / every);
        ((self.thread + moved) % self.cpus.len() as u64) as usize
    }

    fn pin(&self, at: usize) -> Result<(), Failed> {
        let refused = || Failed::new("sched_setaffinity", Errno::INVAL);
        if pin_to_cpus(&[self.cpus[at]]) { Ok(()) } else { Err(refused()) }
    }

    /// Cycles from here on that are made without looking at the clock or for another CPU.
    fn n_until_next_look(&self, made: u64, count: u64) -> u64 {
        let until = |every: u64| every - made % every;
        let to_move = self.plan.moves_after.map_or(u64::MAX, until);
        let to_deadline = self.plan.pace.map_or(u64::MAX, |pace| until(pace.burst));
        (count - made).min(to_move).min(to_deadline)
    }

    /// Makes the thread's cycles; what it did so far is in `done`.
    fn work(&self, start_ns: u64, cycle: &mut impl Cycle, done: &mut Done) -> Result<(), Failed> {
        let count = self.plan.share(self.thread).1;
        let mut at = self.cpu_at(0);
        while done.n_cycles < count && !signals::is_asked_to_end() {
            let made = done.n_cycles;
            if self.cpu_at(made) != at {
                at = self.cpu_at(made);
                self.pin(at)?;
                done.n_moves += 1;
            }
            let mut began_ns = now_ns();
            if let Some(pace) = self.plan.pace.filter(|pace| made.is_multiple_of(pace.burst)) {
                let due_ns = start_ns.saturating_add(pace.due_ns(self.thread, made / pace.burst));
                let n_sleeps;
                (began_ns, n_sleeps) = pace::wait_until(due_ns);
                done.n_sleeps += n_sleeps;
                match began_ns.checked_sub(due_ns) {
                    Some(late_ns) => self.late.record(late_ns),
                    // It is to end.
                    None => continue,
                }
            }
            let n = self.n_until_next_look(made, count);
            let result = cycles(cycle, done.first + made, n);
            done.busy_ns += now_ns() - began_ns;
            let (n_made, failed) = match result {
                Ok(()) => (n, None),
                Err((n_made, failed)) => (n_made, failed),
            };
            done.n_cycles += n_made;
            done.by_cpu[at] += n_made;
            if let Some(failed) = failed {
                return Err(failed);
            }
        }
        Ok(())
    }
}

/// Makes cycles; where it ends early, how many it made, and what failed if it was not asked to end.
#[inline]
fn cycles(cycle: &mut impl Cycle, first: u64, n: u64) -> Result<(), (u64, Option<Failed>)> {
    for made in 0..n {
        if signals::is_asked_to_end() {
            return Err((made, None));
        }
        if let Err(failed) = cycle.run(first + made) {
            // A signal interrupts calls.
            return Err((made, (!signals::is_asked_to_end()).then_some(failed)));
        }
    }
    Ok(())
}

/// What a thread tells of itself.
enum Told {
    IsReady(i32),
    HasEnded(Done),
}

/// Makes a storm of one cycle for each thread.
///
/// # Errors
/// A thread is not to be had or cannot be pinned, or a call fails.
pub(crate) fn storm<C: Cycle>(plan: &Plan, mut parts: Vec<C>) -> Result<Report> {
    let cpus = allowed_cpus();
    if cpus.is_empty() {
        bail!("the system does not say which CPUs this process may run on");
    }
    let mut registry = Registry::new();
    let mut all = thread::scope(|threads| -> Result<Vec<Done>> {
        let (tell, told) = channel();
        // Where this ends before they are told when to start, the threads end.
        let mut starts = Vec::new();
        // Borrowed: what they hold is closed by this thread, not by those whose calls are counted.
        for (thread, cycle) in (0..).zip(&mut parts) {
            let late = registry.latency("late", 1);
            let (start, when) = channel();
            starts.push(start);
            let (cpus, tell) = (&cpus, tell.clone());
            let act = move || {
                let worker = Worker { plan, thread, cpus, late: &late };
                act(&worker, cycle, &when, &tell);
            };
            thread::Builder::new()
                .name(format!("storm-{thread}"))
                .spawn_scoped(threads, act)
                .with_context(|| format!("cannot make thread {thread} of the storm"))?;
        }
        drop(tell);
        see_through(plan, &told, starts)
    })?;
    all.sort_by_key(|done| done.first);
    if let Some(failed) = all.iter_mut().find_map(|done| done.failed.take()) {
        return Err(failed).with_context(|| format!("the storm of {} failed", plan.kind));
    }
    let lateness = registry.snapshot(Moment::Final).latencies.pop();
    let lateness = lateness.filter(|late| late.n > 0).map(|late| Lateness::of(&late));
    Ok(Report::new(plan, C::CALLS, &cpus, &all, lateness))
}

/// Starts the threads once all are ready, and ends them where they take too long, one of them fails or somebody asks for it.
fn see_through(plan: &Plan, told: &Receiver<Told>, starts: Vec<Sender<u64>>) -> Result<Vec<Done>> {
    let n_threads = starts.len();
    let mut starts = Some(starts);
    let (mut tids, mut all) = (Vec::new(), Vec::new());
    let until = Instant::now() + plan.longest;
    while all.len() < n_threads {
        match told.recv_timeout(LOOK_EVERY) {
            Ok(Told::IsReady(tid)) => tids.push(tid),
            Ok(Told::HasEnded(done)) => all.push(done),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("a thread of the storm panicked"),
        }
        if tids.len() == n_threads {
            let start_ns = now_ns() + LEAD_NS;
            for start in starts.take().into_iter().flatten() {
                start.send(start_ns).context("a thread of the storm ended before it began")?;
            }
        }
        if Instant::now() > until || all.iter().any(|done: &Done| done.failed.is_some()) {
            signals::ask_to_end();
        }
        if signals::is_asked_to_end() {
            for &tid in &tids {
                raw::interrupt(tid);
            }
        }
    }
    Ok(all)
}

fn act(worker: &Worker<'_>, cycle: &mut impl Cycle, when: &Receiver<u64>, tell: &Sender<Told>) {
    let pinned = worker.pin(worker.cpu_at(0));
    let mut done = Done {
        tid: gettid().as_raw_pid(),
        first: worker.plan.share(worker.thread).0,
        n_cycles: 0,
        by_cpu: vec![0; worker.cpus.len()],
        began_ns: 0,
        ended_ns: 0,
        busy_ns: 0,
        cpu_ns: 0,
        children_cpu_ns: None,
        n_moves: 0,
        n_sleeps: 0,
        failed: None,
    };
    if worker.plan.pace.is_some() {
        // Refused, it wakes up somewhat later, which is reported as any lateness.
        set_current_timer_slack(NonZeroU64::new(1)).unwrap_or_default();
    }
    if tell.send(Told::IsReady(done.tid)).is_err() {
        return;
    }
    let Ok(start_ns) = when.recv() else { return };
    let cpu_ns = pace::thread_cpu_ns();
    done.began_ns = now_ns();
    let worked = pinned.and_then(|()| worker.work(start_ns, cycle, &mut done));
    done.ended_ns = now_ns();
    done.cpu_ns = pace::thread_cpu_ns() - cpu_ns;
    done.children_cpu_ns = cycle.children_cpu_ns();
    done.failed = worked.err();
    // Nobody listens only where the storm failed.
    tell.send(Told::HasEnded(done)).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(count: u64, n_threads: u64) -> Plan {
        let longest = Duration::from_secs(1);
        Plan { kind: "getpid", count, n_threads, pace: None, moves_after: None, longest }
    }

    #[test]
    fn shares_follow_one_another_and_leave_nothing() {
        for (count, n_threads) in [(10, 3), (3, 3), (2, 3), (1_000_000, 7)] {
            let plan = plan(count, n_threads);
            let mut next = 0;
            for thread in 0..n_threads {
                let (first, n) = plan.share(thread);
                assert_eq!(first, next, "{count} {n_threads}");
                next += n;
            }
            assert_eq!(next, count);
        }
    }

    #[test]
    fn looks_come_at_deadlines_and_at_moves() {
        let mut plan = plan(100, 1);
        plan.moves_after = Some(8);
        plan.pace = Some(Pace { rate: 1, burst: 5, n_threads: 1 });
        let late = Latency::new();
        let worker = Worker { plan: &plan, thread: 0, cpus: &[4, 6], late: &late };
        let looks: Vec<u64> = [0, 5, 8, 10, 98, 99]
            .into_iter()
            .map(|made| worker.n_until_next_look(made, 100))
            .collect();
        assert_eq!(looks, [5, 3, 2, 5, 2, 1]);
        assert_eq!([0, 7, 8, 16].map(|made| worker.cpu_at(made)), [0, 0, 1, 0]);
    }
}

//! A worker makes process after process, each of which acts once, and keeps the number of those that live within bounds.

use std::collections::HashSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{WaitOptions, getpid, set_child_subreaper, wait};

use super::chance::Chance;
use super::counts::{Counts, Kind};
use super::scene::{Scene, Then};
use super::{family, files, identity, sockets, threads};

/// Processes of all workers that live at once, about.
const MAX_PROCESSES: u64 = 256;
/// Processes of one act that live at once, at most.
const MAX_PER_ACT: u64 = 16;

type Act = fn(&Scene, &mut Chance);

/// What there is to do, and how often.
const ACTS: [(u64, Act); 14] = [
    (10, family::overtaken),
    (4, family::nested),
    (5, family::orphaned),
    (2, family::sibling),
    (3, family::vforked),
    (4, identity::same_id),
    (1, identity::namespace),
    (3, identity::session),
    (4, threads::several),
    (2, threads::executing),
    (2, threads::headless),
    (5, files::work),
    (2, sockets::over_tcp),
    (2, sockets::over_unix),
];

fn drawn(chance: &mut Chance) -> Act {
    let mut n = chance.below(ACTS.iter().map(|(weight, _)| weight).sum());
    for (weight, act) in ACTS {
        match n.checked_sub(weight) {
            Some(rest) => n = rest,
            None => return act,
        }
    }
    sockets::alone
}

/// What a storm is to come to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goal {
    pub(crate) n_events: u64,
    pub(crate) until: Instant,
    pub(crate) n_workers: u64,
    /// Events a second from here on, at most.
    pub(crate) max_rate: Option<(Instant, u64)>,
}

impl Goal {
    /// Waits as long as there is more than there may be by now.
    fn keep_pace(&self, counts: &Counts) {
        let Some((since, rate)) = self.max_rate else { return };
        while since.elapsed().as_micros() * u128::from(rate)
            < u128::from(counts.n_events()) * 1_000_000
            && !counts.must_stop()
        {
            counts.add(Kind::Process);
            sleep(Duration::from_millis(1));
        }
    }
}

/// Acts until the goal is reached.
pub(crate) fn work(scene: &Scene, chance: &mut Chance, goal: Goal, takes_orphans_in: bool) {
    if takes_orphans_in {
        scene.made(Kind::Process, set_child_subreaper(Some(getpid())));
    }
    let max_children = (MAX_PROCESSES / MAX_PER_ACT / goal.n_workers).max(1) as usize;
    // Orphans and siblings are waited for, too, and are not among them.
    let mut children = HashSet::new();
    while scene.counts.n_events() < goal.n_events
        && Instant::now() < goal.until
        && !scene.counts.must_stop()
    {
        if children.len() >= max_children {
            match scene.made(Kind::Process, wait(WaitOptions::empty())) {
                Some(Some((pid, _))) => children.remove(&pid.as_raw_pid()),
                _ => return,
            };
            continue;
        }
        goal.keep_pace(scene.counts);
        let (act, mut own) = (drawn(chance), chance.fork());
        let child = scene.child(Then::EndsWithParent, || {
            act(scene, &mut own);
            if own.once_in(4) {
                sockets::alone(scene, &mut own);
            }
        });
        children.extend(child);
    }
    scene.wait_for_all();
}

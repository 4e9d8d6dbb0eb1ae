//! A made-up machine: processes whose parents other shards own, one of them busier than all others.

use std::sync::Arc;

use bus::Key;
use capture::GUARD_NS;
use event::EventType;
use rules::{RuleMatching, Ruleset};

use crate::support::*;

const RULES: &str = r#"
- rule: open
  desc: d
  condition: evt.type = openat
  output: "%proc.pid %proc.name %proc.ppid %proc.pname %proc.aname %proc.pcmdline %proc.cwd"
  priority: INFO
- rule: state
  desc: d
  condition: evt.type in (clone, execve, procexit, chdir) and proc.aname exists
  output: "%evt.type %proc.name %proc.aname[2] %proc.aname[3] %proc.sname %proc.cwd"
  priority: INFO
"#;

/// Time from one frame to the next.
const STEP_NS: u64 = 1_000;

pub(crate) fn rules() -> Arc<Ruleset> {
    ruleset(RULES, RuleMatching::All)
}

pub(crate) const INIT: Proc = Proc { tgid: 1, start: 10 };
const HOT: usize = 1;

/// A frame that a CPU makes at a time.
pub(crate) struct Made {
    pub(crate) cpu: usize,
    pub(crate) ts: u64,
    pub(crate) frame: Vec<u8>,
    /// Nothing happens for a while after it.
    pub(crate) is_last_of_burst: bool,
}

/// SplitMix64, by Steele, Lea and Flood (2014).
pub(crate) struct Draws(pub(crate) u64);

impl Draws {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

struct Living {
    proc: Proc,
    parent: Proc,
    comm: String,
}

/// So many frames on so many CPUs, from a time on.
pub(crate) fn storm(n_frames: usize, n_cpus: usize, start: u64, seed_of_draws: u64) -> Vec<Made> {
    let mut draws = Draws(seed_of_draws);
    let living = |proc, parent, comm: &str| Living { proc, parent, comm: comm.to_owned() };
    let mut all = vec![living(INIT, proc(0, 0), "init"), living(proc(40, 20), INIT, "hot")];
    let mut frames = vec![seed(INIT, proc(0, 0), "init"), seed(proc(40, 20), INIT, "hot")];
    while frames.len() < n_frames {
        let now = 1000 + frames.len() as u64;
        let who = draws.below(all.len());
        let Living { proc: p, parent, comm } = &all[who];
        let (p, parent) = (*p, *parent);
        match draws.below(20) {
            0..3 if all.len() < 100 => {
                // Ids come again while others of the family live.
                let tgid = 100 + draws.below(150) as u32;
                if all.iter().all(|l| l.proc.tgid != tgid) {
                    let child = proc(tgid, now);
                    frames.push(fork(child, p, p, comm));
                    let child = living(child, p, comm);
                    all.push(child);
                }
            }
            3..5 if who > HOT => {
                let comm = ["a", "b", "c", "d"][draws.below(4)];
                frames.push(exec(p, parent, comm, &format!("x{now}")));
                comm.clone_into(&mut all[who].comm);
            }
            5..7 if who > HOT => {
                frames.push(exit(p, parent));
                all.remove(who);
                all.iter_mut().filter(|l| l.parent == p).for_each(|l| l.parent = parent);
            }
            7 => {
                let name = format!("/d{now}");
                frames.push(call(EventType::CHDIR_X, p, |w| {
                    w.i64(0).str(name.as_bytes());
                }));
            }
            8..14 => frames.push(open(all[HOT].proc, "/f", None, Some("/f"))),
            _ => frames.push(open(p, "/f", None, Some("/f"))),
        }
    }
    let mut ts = start;
    let make = |frame| {
        let is_last_of_burst = draws.below(200) == 0;
        let made = Made { cpu: draws.below(n_cpus), ts, frame, is_last_of_burst };
        ts += if is_last_of_burst { 10 * GUARD_NS } else { STEP_NS };
        made
    };
    frames.into_iter().map(make).collect()
}

/// What one shard says of the frames, given to it in the order of their keys.
pub(crate) fn in_order(rules: &Arc<Ruleset>, frames: &[(Key, &[u8])]) -> Vec<String> {
    let mut p = pipeline(&Setup::new(1, 1, rules));
    let mut feeder = Feeder {
        frames: frames.to_vec(),
        at: 0,
        lanes: p.lanes.remove(0),
        watermark: p.watermarks[0].clone(),
    };
    while feeder.step(100) | (p.shards[0].poll_once() != stages::Progress::Ended) {}
    texts(&mut p.alerts)
}

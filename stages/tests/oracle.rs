//! Any number of shards, under any timing, and whichever of them frames without state go to, raises the alerts of one slow and obvious thread.

mod support;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bus::Key;
use event::EventType;
use proptest::prelude::*;
use rules::{RuleMatching, Ruleset};
use stages::Progress;
use support::*;

const RULES: &str = r#"
- rule: open
  desc: d
  condition: evt.type = openat
  output: "%proc.pid %proc.name %proc.exepath %proc.ppid %proc.pname %proc.aname %proc.pcmdline %fd.name"
  priority: INFO
- rule: below a
  desc: d
  condition: evt.type in (openat, execve, procexit, clone, vfork) and proc.aname = a
  output: "%proc.name %proc.aname[2] %proc.aname[3] %proc.sname"
  priority: INFO
- rule: child
  desc: d
  condition: evt.type in (clone, vfork, execve, procexit) and proc.pname in (b, c)
  output: "%evt.type %proc.cmdline of %proc.pname"
  priority: INFO
- rule: state
  desc: d
  condition: evt.type in (chdir, setsid, capset, truncate) and not evt.type = openat
  output: "%evt.type %proc.name %proc.cwd %proc.sid %proc.sname %thread.cap_effective %proc.pname"
  priority: INFO
- rule: at home
  desc: d
  condition: evt.type = openat and proc.cwd = /home/u/ and fd.name = /f
  output: "%proc.name"
  priority: INFO
- rule: able
  desc: d
  condition: evt.type = openat and (thread.cap_effective = CAP_CHOWN or proc.sid != 1)
  output: "%proc.name"
  priority: INFO
"#;

/// The rules among others that match nothing, so that they are sorted out and what is known of a process is kept.
fn rules() -> Arc<Ruleset> {
    let quiet = |n: usize| {
        let own = ["proc.pname", "proc.aname[2]", "proc.name", "proc.cwd", "proc.aname"][n % 5];
        format!(
            "- rule: quiet {n}\n  desc: d\n  condition: evt.type in (openat, execve, procexit, clone) and {own} = none-{n}\n  output: x\n  priority: INFO\n"
        )
    };
    ruleset(&(RULES.to_owned() + &(0..30).map(quiet).collect::<String>()), RuleMatching::All)
}

const COMMS: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Clone, Copy, Debug)]
enum Op {
    Fork {
        creator: usize,
        id: u32,
        is_sibling: bool,
        by: By,
    },
    Exec {
        who: usize,
        comm: usize,
    },
    FailedExec {
        who: usize,
    },
    Exit {
        who: usize,
        reaper: usize,
    },
    Open {
        who: usize,
        n: usize,
    },
    Stranger,
    Thread {
        who: usize,
    },
    /// A further thread comes, the first one ends, the other one opens a file, and perhaps executes and goes on as the process.
    Headless {
        who: usize,
        comm: Option<usize>,
    },
    Chdir {
        who: usize,
        is_relative: bool,
    },
    Setsid {
        who: usize,
    },
    Capset {
        who: usize,
        bit: u8,
    },
    Generic {
        who: usize,
        is_truncate: bool,
    },
}

/// How a process is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Clone,
    Vfork,
    /// By a thread beside the first.
    Thread,
}

fn by() -> impl Strategy<Value = By> {
    prop_oneof![3 => Just(By::Clone), 1 => Just(By::Vfork), 1 => Just(By::Thread)]
}

fn op() -> impl Strategy<Value = Op> {
    let who = || 0usize..64;
    prop_oneof![
        4 => (who(), 0u32..24, prop::bool::weighted(0.2), by())
            .prop_map(|(creator, id, is_sibling, by)| Op::Fork { creator, id, is_sibling, by }),
        3 => (who(), 0usize..4).prop_map(|(who, comm)| Op::Exec { who, comm }),
        1 => who().prop_map(|who| Op::FailedExec { who }),
        3 => (who(), 0usize..4).prop_map(|(who, reaper)| Op::Exit { who, reaper }),
        5 => (who(), 1usize..4).prop_map(|(who, n)| Op::Open { who, n }),
        1 => Just(Op::Stranger),
        1 => who().prop_map(|who| Op::Thread { who }),
        1 => (who(), prop::option::of(0usize..4))
            .prop_map(|(who, comm)| Op::Headless { who, comm }),
        2 => (who(), any::<bool>())
            .prop_map(|(who, is_relative)| Op::Chdir { who, is_relative }),
        1 => who().prop_map(|who| Op::Setsid { who }),
        1 => (who(), 0u8..2).prop_map(|(who, bit)| Op::Capset { who, bit }),
        1 => (who(), any::<bool>())
            .prop_map(|(who, is_truncate)| Op::Generic { who, is_truncate }),
    ]
}

/// A process as the oracle keeps it: the present, nothing else.
#[derive(Clone, Debug)]
struct Model {
    proc: Proc,
    comm: String,
    args: String,
    parent: Option<usize>,
    cwd: String,
    sid: u32,
    cap: &'static str,
}

/// The slow and obvious way: one table, reparented eagerly, alerts made as events come.
#[derive(Default)]
struct Oracle {
    all: Vec<Model>,
    living: Vec<usize>,
    by_id: HashMap<u32, usize>,
    frames: Vec<Vec<u8>>,
    alerts: Vec<String>,
}

impl Oracle {
    fn key(&self) -> u64 {
        self.frames.len() as u64
    }

    fn ancestors(&self, who: usize) -> Vec<&Model> {
        std::iter::successors(self.all[who].parent, |&p| self.all[p].parent)
            .map(|p| &self.all[p])
            .collect()
    }

    fn pick(&self, n: usize) -> usize {
        self.living[n % self.living.len()]
    }

    fn parent(&self, who: usize) -> Proc {
        self.all[who].parent.map_or(proc(0, 0), |p| self.all[p].proc)
    }

    fn enter(&mut self, proc: Proc, comm: &str, args: &str, parent: Option<usize>) -> usize {
        let (comm, args, cwd) = (comm.into(), args.into(), "/home/u".into());
        self.all.push(Model { proc, comm, args, parent, cwd, sid: 1, cap: "" });
        let who = self.all.len() - 1;
        self.living.push(who);
        self.by_id.insert(proc.tgid, who);
        who
    }

    fn alert(&mut self, rule: &str, is_open: bool, who: Option<usize>, output: &str) {
        let view = if is_open { "Some(Both)" } else { "None" };
        let unknown = who.is_none();
        let key = self.key();
        self.alerts.push(format!(
            "{key} {rule} AlertMarks {{ late: false, lineage_unknown: {unknown}, lineage_incomplete: false, container_unknown: false, truncated: false, faulted: false, fd_raced: false, name_view: {view} }} {output}"
        ));
    }

    /// A session's leader is whoever made it, else the first process, in whatever program it is.
    fn leader(&self, m: &Model) -> String {
        if m.sid == m.proc.tgid { m.comm.clone() } else { self.all[0].comm.clone() }
    }

    /// What the rule about state says of a call that has just been written.
    fn judge_state(&mut self, ty: &str, who: usize) {
        let m = self.all[who].clone();
        let parent = m.parent.map_or("<NA>".to_owned(), |p| self.all[p].comm.clone());
        let leader = self.leader(&m);
        let slash = if m.cwd.ends_with('/') { "" } else { "/" };
        let (name, cwd, sid, cap) = (&m.comm, &m.cwd, m.sid, m.cap);
        let output = format!("{ty} {name} {cwd}{slash} {sid} {leader} {cap} {parent}");
        self.alert("state", false, Some(who), &output);
    }

    /// What the rules say of an event that has just been written.
    fn judge(&mut self, ty: &str, who: usize) {
        let m = self.all[who].clone();
        let line = |m: &Model| {
            if m.args.is_empty() { m.comm.clone() } else { format!("{} {}", m.comm, m.args) }
        };
        let above: Vec<Model> = self.ancestors(who).into_iter().cloned().collect();
        let name = |n: usize| above.get(n - 1).map_or("<NA>".to_owned(), |m| m.comm.clone());
        let is_open = ty == "openat";
        if above.iter().any(|m| m.comm == "a") {
            let leader = self.leader(&m);
            let output = format!("{} {} {} {leader}", m.comm, name(2), name(3));
            self.alert("below a", is_open, Some(who), &output);
        }
        if !is_open && matches!(name(1).as_str(), "b" | "c") {
            self.alert("child", is_open, Some(who), &format!("{ty} {} of {}", line(&m), name(1)));
        }
        if is_open {
            let names: Vec<_> = above.iter().map(|m| m.comm.as_str()).collect();
            let output = format!(
                "{} {} /bin/{} {} {} {} {} /f",
                m.proc.tgid,
                m.comm,
                m.comm,
                above.first().map_or("<NA>".to_owned(), |m| m.proc.tgid.to_string()),
                name(1),
                names.join(" "),
                above.first().map_or("<NA>".to_owned(), line)
            );
            self.alert("open", is_open, Some(who), &output);
            if m.cwd == "/home/u" {
                self.alert("at home", is_open, Some(who), &m.comm);
            }
            if m.cap == "CAP_CHOWN" || m.sid != 1 {
                self.alert("able", is_open, Some(who), &m.comm);
            }
        }
    }

    fn execute(&mut self, who: usize, comm: &str, args: &str) {
        self.frames.push(exec(self.all[who].proc, self.parent(who), comm, args));
        let m = &mut self.all[who];
        (m.comm, m.args, m.cwd) = (comm.into(), args.into(), "/home/u".into());
        (m.sid, m.cap) = (1, "");
        self.judge("execve", who);
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Fork { creator, id, is_sibling, by } => {
                let creator = self.pick(creator);
                let tgid = 100 + id;
                if self.by_id.contains_key(&tgid) {
                    return;
                }
                let parent = self.all[creator].parent.filter(|_| is_sibling).unwrap_or(creator);
                let creator_index = creator;
                // Starts are one apart, so ids are used again within the same clock tick of /proc.
                let child = proc(tgid, 1000 + self.key());
                let Model { comm, args, proc: creator, .. } = self.all[creator].clone();
                let (ty, name) = match by {
                    By::Vfork => (EventType::VFORK_20_X, "vfork"),
                    By::Clone | By::Thread => (EventType::CLONE_20_X, "clone"),
                };
                let tid = creator.tgid + if by == By::Thread { 2000 } else { 0 };
                let parent_proc = self.all[parent].proc;
                self.frames.push(fork_by(ty, tid, child, creator, parent_proc, &comm));
                let cap = self.all[creator_index].cap;
                let who = self.enter(child, &comm, &args, Some(parent));
                self.all[who].cwd = "/tmp".into();
                self.all[who].cap = cap;
                self.judge(name, who);
            }
            Op::Exec { who, comm } => {
                let who = self.pick(who);
                let (comm, args) = (COMMS[comm], format!("x{}", self.key()));
                self.execute(who, comm, &args);
            }
            Op::FailedExec { who } => {
                let who = self.pick(who);
                self.frames.push(no_exec(self.all[who].proc, self.parent(who), "nothing"));
                self.judge("execve", who);
            }
            Op::Exit { who, reaper } => {
                let who = self.pick(who);
                let reapers: Vec<usize> =
                    std::iter::successors(self.all[who].parent, |&p| self.all[p].parent).collect();
                let Some(&reaper) = reapers.get(reaper % reapers.len().max(1)) else { return };
                let dead = self.all[who].proc;
                self.frames.push(exit(dead, self.all[reaper].proc));
                self.judge("procexit", who);
                self.living.retain(|&l| l != who);
                self.by_id.remove(&dead.tgid);
                for m in self.all.iter_mut().filter(|m| m.parent == Some(who)) {
                    m.parent = Some(reaper);
                }
            }
            Op::Open { who, n } => {
                let who = self.pick(who);
                for _ in 0..n {
                    self.frames.push(open(self.all[who].proc, "/f", None, Some("/f")));
                    self.judge("openat", who);
                }
            }
            Op::Stranger => {
                self.frames.push(open(proc(7000, 7), "/f", None, Some("/f")));
                self.alert("open", true, None, "7000 <NA> <NA> <NA> <NA> <NA> <NA> /f");
            }
            Op::Chdir { .. } | Op::Setsid { .. } | Op::Capset { .. } | Op::Generic { .. } => {
                self.apply_call(op);
            }
            Op::Headless { who, comm } => {
                let who = self.pick(who);
                let p = self.all[who].proc;
                let tid = p.tgid + 3000;
                self.frames.push(thread(p, tid));
                self.frames.push(exit_thread(p, p.tgid));
                self.judge("procexit", who);
                self.frames.push(in_thread(tid, open(p, "/f", None, Some("/f"))));
                self.judge("openat", who);
                if let Some(comm) = comm {
                    // It takes over the id of the first.
                    let args = format!("x{}", self.key());
                    self.execute(who, COMMS[comm], &args);
                }
            }
            Op::Thread { who } => {
                let p = self.all[self.pick(who)].proc;
                self.frames.push(thread(p, p.tgid + 1000));
                let who = self.by_id[&p.tgid];
                // No rule asks for clone3.
                self.frames.push(exit_thread(p, p.tgid + 1000));
                self.judge("procexit", who);
            }
        }
    }

    fn apply_call(&mut self, op: Op) {
        match op {
            Op::Chdir { who, is_relative } => {
                let who = self.pick(who);
                let cwd = &self.all[who].cwd;
                let (name, now) = if is_relative {
                    (".././x".to_owned(), format!("{}/x", cwd.rsplit_once('/').unwrap().0))
                } else {
                    let name = format!("/d{}", self.key());
                    (name.clone(), name)
                };
                self.frames.push(call(EventType::CHDIR_X, self.all[who].proc, |w| {
                    w.i64(0).str(name.as_bytes());
                }));
                self.all[who].cwd = now;
                self.judge_state("chdir", who);
            }
            Op::Setsid { who } => {
                let who = self.pick(who);
                let p = self.all[who].proc;
                self.frames.push(call(EventType::SETSID_X, p, |w| {
                    w.i64(i64::from(p.tgid));
                }));
                self.all[who].sid = p.tgid;
                self.judge_state("setsid", who);
            }
            Op::Capset { who, bit } => {
                let who = self.pick(who);
                self.frames.push(call(EventType::CAPSET_X, self.all[who].proc, |w| {
                    w.i64(0).u64(0).u64(0).u64(1 << bit);
                }));
                self.all[who].cap = ["CAP_CHOWN", "CAP_DAC_OVERRIDE"][usize::from(bit)];
                self.judge_state("capset", who);
            }
            Op::Generic { who, is_truncate } => {
                let who = self.pick(who);
                let name = if is_truncate { "truncate" } else { "setgroups" };
                self.frames.push(call(EventType::GENERIC_X, self.all[who].proc, |w| {
                    w.u16(event::syscall_id(name).unwrap()).u16(76);
                }));
                if is_truncate {
                    self.judge_state(name, who);
                }
            }
            other => unreachable!("no plain call: {other:?}"),
        }
    }

    fn run(ops: &[Op]) -> Self {
        let mut o = Self::default();
        let init = proc(1, 10);
        o.frames.push(seed(init, proc(0, 0), "init"));
        o.enter(init, "init", "", None);
        for n in 0..4 {
            let p = proc(50 + n, 20 + u64::from(n));
            o.frames.push(coarse_seed(p, init, "old"));
            o.enter(p, "old", "", Some(0));
        }
        for &op in ops {
            o.apply(op);
        }
        o.alerts.sort_by_key(|a| {
            let (key, rule) = a.split_once(' ').unwrap();
            (key.parse::<u64>().unwrap(), rule.split(" AlertMarks").next().unwrap().to_owned())
        });
        o
    }
}

/// The frames of each source: source `n` has those whose turn `deal` gives it.
fn dealt<'f>(frames: &'f [Vec<u8>], deal: &[u8], n_lanes: usize) -> Vec<Vec<(Key, &'f [u8])>> {
    let mut all = vec![Vec::new(); n_lanes];
    for (n, frame) in frames.iter().enumerate() {
        let lane = usize::from(deal[n % deal.len()]) % n_lanes;
        all[lane].push((Key(n as u64 + 1), &frame[..]));
    }
    all
}

fn feeders<'f>(p: &mut Pipeline, frames: &'f [Vec<u8>], deal: &[u8]) -> Vec<Feeder<'f>> {
    let n_lanes = p.lanes.len();
    dealt(frames, deal, n_lanes)
        .into_iter()
        .zip(p.lanes.drain(..))
        .zip(&p.watermarks)
        .map(|((frames, lanes), w)| Feeder { frames, at: 0, lanes, watermark: Arc::clone(w) })
        .collect()
}

fn assert_sound(p: &perf::Registry, n_frames: usize) {
    let snapshot = p.snapshot(perf::Moment::Final);
    assert!(snapshot.balances(), "{}", snapshot.table());
    assert_eq!(snapshot.get("shard.received"), Some(n_frames as u64));
    assert_eq!(snapshot.get("shard.orphans"), Some(0), "{}", snapshot.table());
    assert_eq!(snapshot.get("shard.reaper_unknown"), Some(0));
    assert_eq!(snapshot.get("shard.late"), Some(0));
}

/// Steps sources and shards in the order that `turns` gives, over and over.
fn stepped(
    rules: &Arc<Ruleset>,
    o: &Oracle,
    n_shards: usize,
    deal: &[u8],
    spread: &[u8],
    turns: &[u8],
) -> Vec<String> {
    let mut p = pipeline(&Setup::new(n_shards, 3, rules));
    let mut feeders = feeders(&mut p, &o.frames, deal);
    let mut ended = vec![false; n_shards];
    let mut n_rounds = 0;
    while ended.contains(&false) {
        n_rounds += 1;
        assert!(
            n_rounds < 100_000,
            "no progress: {}",
            p.registry.snapshot(perf::Moment::Final).table()
        );
        // A round that gives everyone a turn keeps any choice of turns fair.
        for &turn in turns.iter().chain(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) {
            let turn = usize::from(turn) % (3 + n_shards);
            match turn.checked_sub(3) {
                None => {
                    feeders[turn].step_spread(1 + usize::from(turns[0]) % 5, spread);
                }
                Some(shard) => ended[shard] = p.shards[shard].poll_once() == Progress::Ended,
            }
        }
    }
    assert_sound(&p.registry, o.frames.len());
    assert!(p.lineage.n_processes() as usize >= o.living.len());
    texts(&mut p.alerts)
}

fn threaded(
    rules: &Arc<Ruleset>,
    o: &Oracle,
    n_shards: usize,
    deal: &[u8],
    spread: &[u8],
) -> Vec<String> {
    let mut p = pipeline(&Setup::new(n_shards, 3, rules));
    let feeders = feeders(&mut p, &o.frames, deal);
    let stop = AtomicBool::new(false);
    std::thread::scope(|s| {
        for mut f in feeders {
            s.spawn(move || {
                while f.step_spread(7, spread) {
                    std::thread::yield_now();
                }
            });
        }
        for shard in p.shards.drain(..) {
            s.spawn(|| shard.run(&stop));
        }
    });
    assert_sound(&p.registry, o.frames.len());
    texts(&mut p.alerts)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_number_of_shards_in_any_order_raises_the_oracles_alerts(
        ops in prop::collection::vec(op(), 1..160),
        deal in prop::collection::vec(any::<u8>(), 1..64),
        spread in prop::collection::vec(any::<u8>(), 0..64),
        turns in prop::collection::vec(any::<u8>(), 1..64),
    ) {
        let rules = rules();
        let oracle = Oracle::run(&ops);
        for n_shards in [1, 2, 3, 8] {
            let alerts = stepped(&rules, &oracle, n_shards, &deal, &spread, &turns);
            prop_assert_eq!(&alerts, &oracle.alerts, "{} shards", n_shards);
        }
    }

    #[test]
    fn real_threads_raise_the_oracles_alerts(
        ops in prop::collection::vec(op(), 100..600),
        deal in prop::collection::vec(any::<u8>(), 1..64),
        spread in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let rules = rules();
        let oracle = Oracle::run(&ops);
        for n_shards in [1, 2, 3, 8] {
            let alerts = threaded(&rules, &oracle, n_shards, &deal, &spread);
            prop_assert_eq!(&alerts, &oracle.alerts, "{} shards", n_shards);
        }
    }
}

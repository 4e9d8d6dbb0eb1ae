//! No allocation per event once everything has its size: events that carry no state and match no rule.

mod support;

use std::sync::Arc;

use bus::Key;
use perf::CountingAlloc;
use rules::{DEFAULT_RULES, RuleMatching};
use stages::Progress;
use support::*;

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc::system();

const INIT: Proc = Proc { tgid: 1, start: 10 };
const SHELL: Proc = Proc { tgid: 50, start: 20 };
const CAT: Proc = Proc { tgid: 51, start: 30 };

/// Rules that walk ancestors, join names, list arguments, and match nothing.
const NOSY: &str = r"
- rule: nosy
  desc: d
  condition: >
    evt.type in (openat, connect) and proc.aname != x and proc.pcmdline != x and proc.sname != x and proc.aname[2] != x
    and evt.args contains nothing-of-the-kind
  output: x
  priority: INFO
- rule: noisy
  desc: d
  condition: (fd.name = /nowhere or fd.directory = /nowhere or fd.sip = 9.9.9.9 or proc.loginshellid = 77 or proc.env contains nothing)
  output: x
  priority: INFO
";

fn allocations_per_pass(rules: &str) -> u64 {
    let rules = ruleset(rules, RuleMatching::All);
    let mut p = pipeline(&Setup::new(1, 1, &rules));
    let mut state = vec![
        seed(INIT, proc(0, 0), "init"),
        seed(SHELL, INIT, "bash"),
        fork(CAT, SHELL, SHELL, "bash"),
        exec(CAT, SHELL, "cat", "/etc/hosts"),
    ];
    let plain = [
        open(CAT, "hosts", Some("/etc"), Some("/etc/hosts")),
        open(CAT, "link", Some("/home/u"), Some("/etc/hosts")),
        open(SHELL, "/usr/lib/x.so", None, None),
        connect(CAT, "10.0.0.1:4000", "10.0.0.2:443"),
    ];
    let n_state = state.len();
    state.extend(plain.iter().cycle().take(6000).cloned());
    let frames: Vec<_> = (1..).map(Key).zip(state.iter().map(|f| &f[..])).collect();
    let watermark = Arc::clone(&p.watermarks[0]);
    let mut feeder = Feeder { frames, at: 0, lanes: p.lanes.remove(0), watermark };
    // Two thirds to warm up, a third to count.
    let mut counted = 0;
    let mut more = true;
    while more {
        more = feeder.step(5);
        let before = perf::thread_allocs();
        while p.shards[0].poll_once() == Progress::Worked {}
        if feeder.at > n_state + 4000 {
            counted += perf::thread_allocs() - before;
        }
    }
    let snapshot = p.registry.snapshot(perf::Moment::Final);
    assert_eq!(snapshot.get("shard.evaluated"), Some(6002), "{}", snapshot.table());
    assert_eq!(snapshot.get("shard.matched"), Some(0));
    counted
}

#[test]
fn plain_events_allocate_nothing() {
    assert_eq!(allocations_per_pass(NOSY), 0, "rules that look at everything");
    assert_eq!(allocations_per_pass(DEFAULT_RULES), 0, "the shipped rules");
}

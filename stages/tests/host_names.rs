//! Names of addresses are the same on any number of shards, whoever heard the answer.

mod support;

use std::net::Ipv4Addr;
use std::sync::Arc;

use bus::Key;
use proptest::prelude::*;
use rules::RuleMatching;
use stages::{LineageLimits, Progress};
use support::*;

const RULES: &str = r#"
- rule: named
  desc: d
  condition: evt.type = connect and fd.sip.name in (h0.example, h1.example)
  output: "%proc.pid %fd.sip.name %fd.sip"
  priority: INFO
- rule: named otherwise
  desc: d
  condition: evt.type = connect and fd.sip.name != h0.example
  output: "%proc.pid %fd.sip.name %fd.sip"
  priority: INFO
"#;

/// Room for all names.
const PLENTY: usize = 1 << 20;

fn address(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, n)
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Answer { who: u32, host: u8, n: u8 },
    Connect { who: u32, n: u8 },
}

fn op() -> impl Strategy<Value = Op> {
    let who = || 1u32..9;
    prop_oneof![
        (who(), 0u8..3, 0u8..4).prop_map(|(who, host, n)| Op::Answer { who, host, n }),
        (who(), 0u8..4).prop_map(|(who, n)| Op::Connect { who, n }),
    ]
}

/// The alerts, one thing after the other.
fn expected(ops: &[Op]) -> Vec<(u64, &'static str)> {
    let mut names: [Vec<u8>; 4] = Default::default();
    let mut alerts = Vec::new();
    for (key, op) in (1..).zip(ops) {
        match *op {
            Op::Answer { host, n, .. } => names[usize::from(n)].push(host),
            Op::Connect { n, .. } => {
                let names = &names[usize::from(n)];
                if names.contains(&0) || names.contains(&1) {
                    alerts.push((key, "named"));
                }
                if !names.is_empty() && !names.contains(&0) {
                    alerts.push((key, "named otherwise"));
                }
            }
        }
    }
    alerts
}

fn stepped(
    ops: &[Op],
    n_shards: usize,
    max_name_bytes: usize,
    spread: &[u8],
    turns: &[u8],
) -> Vec<String> {
    let rules = ruleset(RULES, RuleMatching::All);
    let frames: Vec<Vec<u8>> = ops
        .iter()
        .map(|op| match *op {
            Op::Answer { who, host, n } => {
                answer(proc(who, 1), &format!("h{host}.example"), &[address(n)])
            }
            Op::Connect { who, n } => {
                connect(proc(who, 1), "10.1.1.1:4000", &format!("{}:443", address(n)))
            }
        })
        .collect();
    let limits = LineageLimits { max_name_bytes, ..LineageLimits::default() };
    let mut p = pipeline(&Setup { limits, ..Setup::new(n_shards, 1, &rules) });
    let mut feeder = Feeder {
        frames: (1..).map(Key).zip(frames.iter().map(Vec::as_slice)).collect(),
        at: 0,
        lanes: p.lanes.remove(0),
        watermark: Arc::clone(&p.watermarks[0]),
    };
    let mut ended = vec![false; n_shards];
    for _ in 0..10_000 {
        for &turn in turns.iter().chain(&[0, 1, 2, 3, 4, 5, 6, 7, 8]) {
            match (usize::from(turn) % (1 + n_shards)).checked_sub(1) {
                None => {
                    feeder.step_spread(1 + usize::from(turn) % 3, spread);
                }
                Some(shard) => ended[shard] = p.shards[shard].poll_once() == Progress::Ended,
            }
        }
        if !ended.contains(&false) {
            return texts(&mut p.alerts);
        }
    }
    panic!("no progress");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_name_counts_from_its_answer_on_whoever_heard_it(
        ops in prop::collection::vec(op(), 1..60),
        spread in prop::collection::vec(any::<u8>(), 0..32),
        turns in prop::collection::vec(any::<u8>(), 1..32),
    ) {
        let one = stepped(&ops, 1, PLENTY, &[], &turns);
        let raised: Vec<(u64, &str)> = one
            .iter()
            .map(|line| {
                let (n, rest) = line.split_once(' ').unwrap();
                let rule = if rest.starts_with("named otherwise") { "named otherwise" } else { "named" };
                (n.parse().unwrap(), rule)
            })
            .collect();
        prop_assert_eq!(raised, expected(&ops));
        for n_shards in [2, 3, 8] {
            let more = stepped(&ops, n_shards, PLENTY, &spread, &turns);
            prop_assert_eq!(&more, &one, "{} shards", n_shards);
        }
        // With room for two names and for four.
        for max_name_bytes in [350, 700] {
            let one = stepped(&ops, 1, max_name_bytes, &[], &[]);
            for n_shards in [1, 2, 3, 8] {
                let more = stepped(&ops, n_shards, max_name_bytes, &spread, &turns);
                prop_assert_eq!(&more, &one, "{} shards, {} bytes", n_shards, max_name_bytes);
            }
        }
    }
}

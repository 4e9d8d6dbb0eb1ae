//! Registry to snapshot: sums, equations at rest and under traffic, differences, JSON and the table.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use perf::{Counter, Equation, Hop, Loss, Moment, Registry, SetAside, Snapshot};

fn hops() -> (Registry, [Arc<Counter>; 4]) {
    let mut r = Registry::new();
    r.external(["kernel.seen", "kernel.filtered", "kernel.ring_full", "kernel.written"], |out| {
        out.count("kernel.seen", 100);
        out.count("kernel.filtered", 5);
        out.loss("kernel.ring_full", Some(0), "openat", 3);
        out.loss("kernel.ring_full", Some(1), "execve", 2);
        out.loss("kernel.ring_full", Some(1), "close", 0);
        out.count("kernel.written", 90);
    });
    let read = [r.counter("capture.read"), r.counter("capture.read")];
    let routed = r.counter("capture.routed");
    let parsed = r.counter("shard.parsed");
    let rejected = r.tally("shard.bad_frame", 4, |i| ["a", "b", "c", "d"][i]);
    rejected.add(2, 1);
    r.level("lane.depth", || 4);
    r.hop(
        Hop::new("kernel")
            .input("kernel.seen")
            .output("kernel.written")
            .aside("filtered", "kernel.filtered")
            .dropped("ring_full", "kernel.ring_full"),
    );
    r.hop(Hop::new("capture").input("capture.read").output("capture.routed"));
    r.hop(
        Hop::new("shard")
            .input("capture.routed")
            .output("shard.parsed")
            .dropped("bad_frame", "shard.bad_frame")
            .depth("lane.depth"),
    );
    r.equation(Equation::new("rings: written = read").left("kernel.written").right("capture.read"));
    let [a, b] = read;
    (r, [a, b, routed, parsed])
}

fn balanced() -> (Registry, [Arc<Counter>; 4]) {
    let (r, counters) = hops();
    for (counter, n) in counters.iter().zip([60, 30, 90, 85]) {
        counter.add(n);
    }
    (r, counters)
}

#[test]
fn equal_names_are_summed_and_losses_are_listed() {
    let s = balanced().0.snapshot(Moment::Final);
    assert_eq!(s.get("capture.read"), Some(90));
    assert_eq!(s.get("kernel.ring_full"), Some(5));
    assert_eq!(s.get("lane.depth"), Some(4));
    assert_eq!(s.get("shard.bad_frame"), Some(1));
    assert_eq!(s.get("nothing"), None);
    let loss = |name: &str, cpu, event_type: &str, n| Loss {
        name: name.into(),
        cpu,
        event_type: event_type.into(),
        n,
    };
    let expected = [
        loss("kernel.ring_full", Some(0), "openat", 3),
        loss("kernel.ring_full", Some(1), "execve", 2),
        loss("shard.bad_frame", None, "c", 1),
    ];
    assert_eq!(s.losses, expected);
    assert_eq!(s.hops[0].n_dropped(), 5);
}

#[test]
fn what_is_set_aside_is_summed_listed_and_subtracted() {
    let calls = Arc::new(AtomicU64::new(0));
    let mut r = Registry::new();
    let seen = Arc::clone(&calls);
    r.external(["kernel.rejected"], move |out| {
        out.set_aside("kernel.rejected", 0, "close", 0);
        out.set_aside("kernel.rejected", 1, "openat", 7 + seen.load(Ordering::Relaxed));
        out.set_aside("kernel.rejected", 0, "connect", 2);
    });
    let aside = |cpu, event_type: &str, n| SetAside {
        name: "kernel.rejected".into(),
        cpu,
        event_type: event_type.into(),
        n,
    };
    let first = r.snapshot(Moment::Running);
    assert_eq!(first.get("kernel.rejected"), Some(9));
    assert_eq!(first.set_aside, [aside(0, "connect", 2), aside(1, "openat", 7)]);
    assert!(first.losses.is_empty());
    calls.store(30, Ordering::Relaxed);
    let between = r.snapshot(Moment::Running).since(&first);
    assert_eq!(between.set_aside, [aside(1, "openat", 30)]);
    assert!(between.table().contains("\nset aside "), "{}", between.table());
}

#[test]
fn what_balances_holds_and_what_leaks_is_named() {
    let (r, counters) = balanced();
    let s = r.snapshot(Moment::Final);
    assert!(s.balances(), "{}", s.table());
    counters[0].add(7);
    let s = r.snapshot(Moment::Final);
    let broken: Vec<_> = s
        .equations
        .iter()
        .filter(|e| !e.holds)
        .map(|e| (e.title.as_str(), e.unexplained))
        .collect();
    assert_eq!(broken, [("capture: in = out", 7), ("rings: written = read", -7)]);
}

#[test]
fn slack_explains_what_is_in_hand_only_while_running() {
    let mut r = Registry::new();
    let (read, routed) = (r.counter("read"), r.counter("routed"));
    r.hop(Hop::new("capture").input("read").output("routed").slack(8));
    read.add(10);
    routed.add(2);
    assert!(r.snapshot(Moment::Running).balances());
    assert_eq!(r.snapshot(Moment::Final).equations[0].unexplained, 8);
    read.add(1);
    let s = r.snapshot(Moment::Running);
    assert_eq!((s.equations[0].holds, s.equations[0].unexplained), (false, 1));
    routed.add(17);
    assert!(r.snapshot(Moment::Running).balances(), "what is counted late on the left");
    routed.add(1);
    assert_eq!(r.snapshot(Moment::Running).equations[0].unexplained, -1);
    assert_eq!(r.snapshot(Moment::Final).equations[0].unexplained, -9);
}

#[test]
fn a_name_that_nothing_counts_is_not_a_balance() {
    let mut r = Registry::new();
    r.counter("read");
    r.equation(Equation::new("read = rooted").left("read").right("rooted"));
    let s = r.snapshot(Moment::Final);
    assert!(!s.balances());
    assert_eq!(s.notes, ["equation \"read = rooted\" names rooted, which nothing counts"]);
    assert!(s.table().contains("UNKNOWN"), "{}", s.table());
}

/// Two threads pass work on at full speed while snapshots are taken: the running check never raises a false alarm, and a leak shows.
#[test]
fn under_traffic_a_balanced_pipeline_holds_and_a_leak_does_not() {
    let mut r = Registry::new();
    let (sent, received, lost) = (r.counter("sent"), r.counter("received"), r.counter("lost"));
    let e = Equation::new("sent = received + lost").left("sent").right("received");
    r.equation(e.right("lost").slack(128));
    let (stop, leak, wire) = (AtomicBool::new(false), AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|s| {
        s.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // At most 48 on the wire and as many in the other's hand, counted before they are sent.
                if wire.load(Ordering::Acquire) < 32 {
                    sent.add(16);
                    wire.fetch_add(16, Ordering::Release);
                }
            }
        });
        s.spawn(|| {
            let mut n_leaked = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                let n = wire.swap(0, Ordering::AcqRel);
                // A million frames vanish in one go.
                if leak.load(Ordering::Relaxed) && n_leaked < 1_000_000 {
                    n_leaked += n;
                } else if n % 3 == 0 {
                    lost.add(n);
                } else {
                    received.add(n);
                }
            }
        });
        for _ in 0..2_000 {
            let s = r.snapshot(Moment::Running);
            if !s.balances() {
                stop.store(true, Ordering::Relaxed);
                panic!("false alarm: {}", s.table());
            }
        }
        leak.store(true, Ordering::Relaxed);
        let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
        let mut caught = false;
        while !caught && std::time::Instant::now() < deadline {
            caught = !r.snapshot(Moment::Running).balances();
        }
        stop.store(true, Ordering::Relaxed);
        assert!(caught, "the leak went unseen");
    });
}

#[test]
fn a_difference_has_the_interval_s_counts_and_percentiles() {
    let (mut r, counters) = balanced();
    let latency = r.latency("parse", 64);
    let second = r.latency("parse", 64);
    (1..=1000).for_each(|n| latency.record(n * 1_000_000));
    let first = r.snapshot(Moment::Running);
    assert_eq!((first.latencies[0].n, first.latencies[0].max_ns), (1000, 1_000_000_000));
    counters[0].add(10);
    counters[2].add(10);
    (1..=100).for_each(|n| second.record(n * 10));
    let d = r.snapshot(Moment::Running).since(&first);
    assert_eq!(d.get("capture.read"), Some(10));
    assert_eq!((d.hops[1].input, d.hops[1].output), (10, 10));
    assert_eq!((d.hops[0].input, d.hops[0].n_dropped()), (0, 0), "the kernel's numbers stand");
    assert!(d.losses.is_empty());
    assert!(d.interval_ns.is_some_and(|ns| ns > 0));
    let l = &d.latencies[0];
    assert_eq!(l.n, 100);
    assert!(l.p50_ns.abs_diff(500) < 10 && l.max_ns.abs_diff(1000) < 20, "{l:?}");
    assert!(d.table().contains("in/s"));
    // Nothing in between: an empty interval, not the whole run again.
    let now = r.snapshot(Moment::Running);
    assert_eq!((now.since(&now).latencies[0].n, now.since(&now).latencies[0].max_ns), (0, 0));
}

#[test]
fn a_snapshot_goes_through_json_and_keeps_its_histograms() {
    let (mut r, _) = balanced();
    let latency = r.latency("end_to_end", 1);
    for ns in [1_000, 2_000, 70_000] {
        latency.record(ns);
    }
    let s = r.snapshot(Moment::Final);
    let back: Snapshot = serde_json::from_str(&serde_json::to_string(&s).unwrap()).unwrap();
    assert_eq!(back, s);
    let h = back.latencies[0].decode().unwrap();
    assert_eq!(h.len(), 3);
    assert!(h.max().abs_diff(70_000) < 1_000);
    let json = serde_json::to_value(&s).unwrap();
    assert_eq!(json["hops"][0]["in"], 100);
    assert_eq!(json["hops"][0]["dropped"][0]["reason"], "ring_full");
    assert_eq!(json["moment"], "final");
    assert_eq!(json["equations"][0]["holds"], true);
}

#[test]
fn a_damaged_histogram_is_none_and_no_panic() {
    let mut r = Registry::new();
    r.latency("parse", 1).record(5);
    let mut s = r.snapshot(Moment::Final);
    let text = s.latencies[0].histogram.clone();
    for bad in ["", "!!", "AAAA", &text[..text.len() / 2]] {
        bad.clone_into(&mut s.latencies[0].histogram);
        assert!(s.latencies[0].decode().is_none(), "{bad}");
        assert_eq!(s.since(&s).latencies[0].n, 1);
    }
}

#[test]
fn the_table_reads_as_it_should() {
    let (mut r, counters) = balanced();
    r.latency("parse", 64).record_n(1_500, 1_000);
    r.latency("delivery", 1);
    r.note("io_uring: not covered");
    counters[3].add(2);
    let expected = "\
hop       in  out  dropped  depth  reasons
kernel   100   90        5      -  filtered 5; lost: ring_full 5
capture   90   90        0      -
shard     90   87        1      4  lost: bad_frame 1

lost              cpu  event type  n
kernel.ring_full    0  openat      3
kernel.ring_full    1  execve      2
shard.bad_frame     -  c           1

latency      n  sampled      p50      p99    p99.9      max
parse     1000  1 in 64  1.50 us  1.50 us  1.50 us  1.50 us
delivery     0      all        -        -        -        -

equation                                 verdict         numbers
kernel: in = out + filtered + ring_full  holds           100 = 90 + 5 + 5
capture: in = out                        holds           90 = 90
shard: in = out + bad_frame + depth      UNEXPLAINED -2  90 = 87 + 1 + 4 in flight
rings: written = read                    holds           90 = 90

note: io_uring: not covered
";
    assert_eq!(r.snapshot(Moment::Final).table(), expected);
}

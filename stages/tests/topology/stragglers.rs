//! Capture threads that stand still, are slow or have nothing to do.
//!
//! Where it depends on moments, one thread steps everybody in turn; a bound of no time then means that who is not stepped is not waited for.

use std::thread;
use std::time::{Duration, Instant};

use bus::WaitLimits;
use capture::{GUARD_NS, TimeSource, owner};
use event::EventType;
use rules::Alert;
use stages::Shard;

use crate::rig::{DEADLINE, HOUR, Rig, Running, Shape, Time, rig, start};
use crate::storm::{INIT, rules};
use crate::support::*;

const EPOCH: u64 = 1_000_000_000;
const START: u64 = EPOCH + 1_000_000;
const N_SHARDS: usize = 2;

/// A process of one shard whose parent is the other one's.
fn child_and_parent() -> (Proc, Proc) {
    let of = |shard| (100..200).find(|&tgid| owner(tgid, N_SHARDS) == shard).unwrap();
    (proc(of(0), 40), proc(of(1), 30))
}

fn look(p: Proc) -> Vec<u8> {
    open(p, "/f", None, Some("/f"))
}

fn shape(n_captures: usize, late_after: Duration, time: TimeSource) -> Shape {
    let batch_frames = 4;
    let (rings_each, n_shards, lane_capacity) = (1, N_SHARDS, 1);
    let naps = true;
    Shape { n_captures, rings_each, n_shards, lane_capacity, batch_frames, late_after, time, naps }
}

/// Everybody, stepped by the test.
struct Stepped {
    rig: Rig,
    time: Time,
    n_made: u64,
    /// Capture threads that are not stepped.
    standing: Vec<usize>,
}

impl Stepped {
    fn new(n_captures: usize, late_after: Duration) -> Self {
        let time = Time::new(START);
        let shape = shape(n_captures, late_after, time.source());
        let rig = rig(&shape, &rules(), WaitLimits::default(), EPOCH);
        let mut stepped = Self { rig, time, n_made: 0, standing: Vec::new() };
        let (child, parent) = child_and_parent();
        stepped.make(0, &seed(INIT, proc(0, 0), "init"));
        stepped.make(0, &seed(parent, INIT, "parent"));
        stepped.make(0, &seed(child, parent, "child"));
        stepped.settle();
        stepped
    }

    /// A frame of now.
    fn make(&mut self, cpu: usize, frame: &[u8]) {
        self.time.set(self.time.now() + 1_000);
        self.rig.feed.push(cpu, self.time.now(), frame);
        self.n_made += 1;
    }

    /// Time passes until every thread that is stepped has told that nothing is missing up to now; then shards look once.
    fn round(&mut self) {
        self.time.set(self.time.now() + 2 * GUARD_NS);
        for (n, capture) in self.rig.captures.iter_mut().enumerate() {
            if !self.standing.contains(&n) {
                capture.poll_once();
            }
        }
        for shard in &mut self.rig.shards {
            shard.poll_once();
        }
    }

    fn settle(&mut self) {
        let n = self.n_made;
        self.run_until_done(n);
    }

    fn run_until_done(&mut self, n: u64) {
        for _ in 0..10_000 {
            if self.rig.read.n_done() >= n {
                return;
            }
            self.round();
        }
        panic!("{} of {n}: {}", self.rig.read.n_done(), self.rig.read.table());
    }

    fn alerts(&mut self) -> Vec<Alert> {
        self.rig.read.alerts()
    }

    fn end(mut self) {
        let n_made = self.n_made;
        for capture in self.rig.captures.drain(..) {
            capture.finish();
        }
        while !self.rig.shards.iter_mut().all(Shard::is_finished) {
            self.rig.shards.iter_mut().for_each(|s| {
                s.poll_once();
            });
        }
        self.rig.read.end(n_made);
    }
}

fn n_late(alerts: &[Alert]) -> usize {
    alerts.iter().filter(|a| a.marks.late).count()
}

fn names(alerts: &[Alert]) -> Vec<&str> {
    alerts.iter().map(|a| &*a.output).collect()
}

/// A thread stands still with frames that `make` makes of a child, the others go on, and it comes back.
fn check_coming_back(make: fn(Proc) -> Vec<u8>) {
    let (child, _) = child_and_parent();
    let mut stepped = Stepped::new(2, Duration::ZERO);
    stepped.alerts();
    // More than its lane holds. Nobody reads them now.
    stepped.standing = vec![1];
    let n_before = stepped.n_made;
    for _ in 0..50 {
        stepped.make(1, &make(child));
    }
    // The other one's go on.
    for _ in 0..100 {
        stepped.make(0, &make(child));
    }
    stepped.run_until_done(n_before + 100);
    let on_time = stepped.alerts();
    assert_eq!((on_time.len(), n_late(&on_time)), (100, 0));
    let told = names(&on_time)[0].to_owned();
    assert!(told.contains("child") && told.contains("init"), "{told}");
    assert_eq!(stepped.rig.read.n_done(), n_before + 100);

    stepped.standing.clear();
    stepped.settle();
    let late = stepped.alerts();
    assert_eq!((late.len(), n_late(&late)), (50, 50));
    assert_eq!(stepped.rig.read.n_late(), 50);
    assert!(
        names(&late).iter().all(|output| *output == told),
        "they are held against what is known"
    );
    let before = |a: &Alert| a.evt_num < on_time[0].evt_num;
    assert!(late.iter().all(before), "an alert has the number that its event came with");

    let mut expected = Vec::new();
    for n in 0..60 {
        let cpu = n % 2;
        stepped.make(cpu, &make(child));
        let clock = stepped.rig.feed.clock;
        expected.push(clock.key(clock.ticks_of(stepped.time.now()), cpu as u16).0);
    }
    stepped.settle();
    let after = stepped.alerts();
    assert_eq!(n_late(&after), 0, "it is waited for again");
    assert_eq!(after.iter().map(|a| a.evt_num).collect::<Vec<_>>(), expected);
    assert_eq!(stepped.rig.read.n_late(), 50);
    stepped.end();
}

#[test]
fn a_thread_that_stood_still_comes_back() {
    check_coming_back(look);
}

/// All frames are for one shard, which waits for the other one, as the parent's; that one has nothing to do, and goes on all the same.
#[test]
fn a_shard_with_nothing_to_do_holds_up_nobody() {
    check_coming_back(|p| {
        call(EventType::CHDIR_X, p, |w| {
            w.i64(0).str(b"/");
        })
    });
}

/// A third thread is a little behind, as all of them are now and then: it is waited for.
#[test]
fn who_is_not_behind_is_not_late_for_another() {
    let (child, _) = child_and_parent();
    let mut stepped = Stepped::new(3, Duration::ZERO);
    stepped.alerts();
    stepped.standing = vec![1];
    for _ in 0..20 {
        stepped.make(0, &look(child));
        stepped.settle();
        // The first is ahead by a frame of the third that has been made and not read.
        stepped.make(2, &look(child));
        stepped.make(0, &look(child));
        stepped.standing = vec![1, 2];
        stepped.rig.captures[0].poll_once();
        stepped.time.set(stepped.time.now() + 2 * GUARD_NS);
        stepped.rig.captures[0].poll_once();
        stepped.rig.captures[2].poll_once();
        stepped.standing = vec![1];
        stepped.settle();
    }
    let alerts = stepped.alerts();
    assert_eq!((alerts.len(), n_late(&alerts)), (60, 0));
    stepped.end();
}

#[test]
fn everybody_waits_for_one_that_is_slow() {
    let (child, _) = child_and_parent();
    let mut stepped = Stepped::new(2, HOUR);
    stepped.alerts();
    let n_before = stepped.n_made;
    stepped.standing = vec![1];
    for n in 0..80 {
        stepped.make(usize::from(n % 4 == 0), &look(child));
    }
    for _ in 0..200 {
        stepped.round();
    }
    assert_eq!(stepped.rig.read.n_done(), n_before, "the first of all is the slow one's");
    stepped.standing.clear();
    stepped.settle();
    let alerts = stepped.alerts();
    assert_eq!((alerts.len(), n_late(&alerts)), (80, 0));
    stepped.end();
}

/// Two threads at work, with a process and its parent that both know.
fn running(n_captures: usize, late_after: Duration) -> Running {
    let running = start(
        &shape(n_captures, late_after, TimeSource::Boot),
        &rules(),
        perf::boot_now_ns() - EPOCH,
    );
    let (child, parent) = child_and_parent();
    for frame in
        [seed(INIT, proc(0, 0), "init"), seed(parent, INIT, "parent"), seed(child, parent, "child")]
    {
        running.feed.push(0, perf::boot_now_ns(), &frame);
    }
    running.read.wait_until_done(3);
    running
}

/// The same with threads. What is asked of them does not depend on how fast they are, but for the bound on the whole.
#[test]
fn threads_go_on_without_one_that_stands_still() {
    const N_OTHERS: u64 = 800;
    let (child, _) = child_and_parent();
    let mut running = running(2, Duration::from_secs(1));
    running.feed.gates[1].close();
    for _ in 0..20 {
        running.feed.push(1, perf::boot_now_ns(), &look(child));
    }
    let since = Instant::now();
    for _ in 0..N_OTHERS {
        running.feed.push(0, perf::boot_now_ns(), &look(child));
    }
    running.read.wait_until_done(3 + N_OTHERS);
    // Two hundred batches, of which a lane holds one: the thread is given up once, not for each of them.
    assert!(since.elapsed() < Duration::from_secs(50), "{:?}", since.elapsed());
    let others = running.read.alerts();
    assert_eq!(others.len() as u64, N_OTHERS);
    running.feed.gates[1].open();
    running.read.wait_until_done(3 + N_OTHERS + 20);
    let late = running.read.alerts();
    assert_eq!((late.len(), n_late(&late)), (20, 20));
    assert!(late.iter().all(|a| a.evt_num < others[0].evt_num));
    // On a machine that stands still itself a thread may be given up anew; it comes back each time.
    let deadline = Instant::now() + DEADLINE;
    let mut n_made = 3 + N_OTHERS + 20;
    loop {
        for cpu in 0..2 {
            running.feed.push(cpu, perf::boot_now_ns(), &look(child));
        }
        n_made += 2;
        running.read.wait_until_done(n_made);
        if n_late(&running.read.alerts()) == 0 {
            break;
        }
        assert!(Instant::now() < deadline, "it stays late: {}", running.read.table());
    }
    let late = running.read.n_late();
    assert!(late >= 20);
    running.end().end(n_made);
}

#[test]
fn threads_wait_for_one_that_is_slow() {
    let (child, _) = child_and_parent();
    let mut running = running(2, HOUR);
    let mut n_made = 3;
    for _ in 0..20 {
        running.feed.gates[1].close();
        running.feed.push(1, perf::boot_now_ns(), &look(child));
        for _ in 0..5 {
            running.feed.push(0, perf::boot_now_ns(), &look(child));
        }
        // Time enough to go wrong, if there is a way.
        thread::sleep(Duration::from_millis(2));
        assert_eq!(running.read.n_done(), n_made, "the first of all is the slow one's");
        running.feed.gates[1].open();
        n_made += 6;
        running.read.wait_until_done(n_made);
    }
    let alerts = running.read.alerts();
    assert_eq!((alerts.len(), n_late(&alerts)), (120, 0));
    running.end().end(n_made);
}

/// All of them sleep for an hour unless they are woken, so a frame that waited for the watermark of one that sleeps would not come out.
#[test]
fn a_frame_does_not_wait_for_threads_that_sleep() {
    let (child, _) = child_and_parent();
    let mut running = running(4, HOUR);
    for n in 0..200 {
        running.feed.push(n % 4, perf::boot_now_ns(), &look(child));
        running.read.wait_until_done(4 + n as u64);
    }
    let alerts = running.read.alerts();
    assert_eq!((alerts.len(), n_late(&alerts)), (200, 0));
    assert!(alerts.is_sorted_by_key(|a| a.evt_num));
    running.end().end(203);
}

//! The bus's protocol over the interleavings of small cases: all of them for two threads, those with a bounded number of preemptions where
//! there are more. `RUSTFLAGS="--cfg loom" cargo test -p bus --test loom --release`; `LOOM_MAX_PREEMPTIONS=2` goes further and takes long.
//!
//! The threads here are the smallest ones that keep the rules of the crate's documentation. Under `cfg(loom)` parking never times out, so a
//! wake that can be lost, or a circle of waits, is a deadlock that loom reports.
#![cfg(loom)]

mod protocol;

use std::sync::Arc;
use std::time::Duration;

use bus::{Batch, Key, Order, Turn, WaitBoard, WaitLimits, Waiter, Watermark, alert_lane, lane};
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use protocol::{ONE, Shard, frame, topology};

/// Straight to raising the flag: spinning and yielding add states and no cases. The times mean nothing to loom.
const AT_ONCE: WaitLimits =
    WaitLimits { n_spins: 0, n_yields: 0, min_sleep: Duration::ZERO, max_sleep: Duration::ZERO };

fn waiter() -> Waiter {
    Waiter::new(AT_ONCE)
}

fn explore(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    if builder.preemption_bound.is_none() {
        builder.preemption_bound = preemptions;
    }
    builder.max_branches = 10_000;
    builder.check(model);
}

/// Both ends of one lane of capacity 1 sleep and wake each other: the receiver for frames, the sender for room.
#[test]
fn no_wake_between_two_ends_is_lost() {
    explore(Some(3), || {
        let (mut tx, mut rx) = lane(1, ONE);
        let (mut full, mut empty) = (waiter(), waiter());
        let (wake_sender, wake_receiver) = (full.unparker(), empty.unparker());
        let sender = thread::spawn(move || {
            for key in 1..=3 {
                let mut batch = loop {
                    match frame(&mut tx, key) {
                        Some(batch) => break batch,
                        None => full.idle(),
                    }
                };
                while let Err(refused) = tx.push(batch) {
                    batch = refused;
                    full.idle();
                }
                full.reset();
                wake_receiver.wake();
            }
        });
        for key in 1..=3 {
            let batch = loop {
                match rx.pop() {
                    Some(batch) => break batch,
                    None => empty.idle(),
                }
            };
            empty.reset();
            assert_eq!(batch.get(0), Some((Key(key), &key.to_le_bytes()[..])));
            rx.recycle(batch);
            wake_sender.wake();
        }
        sender.join().unwrap();
    });
}

/// A reader that takes the watermark first and pops afterwards has every frame up to it.
#[test]
fn what_a_watermark_promises_has_arrived() {
    explore(None, || {
        let (mut tx, mut rx) = lane(2, ONE);
        let watermark = Arc::new(Watermark::new());
        let published = Arc::clone(&watermark);
        let sender = thread::spawn(move || {
            for key in 1..=2 {
                let batch = frame(&mut tx, key).expect("four batches for two frames");
                tx.push(batch).expect("room for two");
                published.publish(Key(key));
            }
        });
        let mut popped = 0;
        for _ in 0..2 {
            let released = watermark.get();
            while let Some(batch) = rx.pop() {
                popped = batch.last_key().expect("one frame").0;
            }
            assert!(popped >= released.0, "{released} released, {popped} arrived");
        }
        sender.join().unwrap();
    });
}

/// A shard that is held up by a thread that sleeps wakes it, and its watermark moves on with the clock.
#[test]
fn an_idle_thread_is_woken_for_its_watermark() {
    explore(Some(3), || {
        let clock = Arc::new(AtomicU64::new(0));
        let marks = [(); 2].map(|()| Arc::new(Watermark::new()));
        let (mut tx, mut rx) = lane(1, ONE);
        let (mut idle, mut shard) = (waiter(), waiter());
        let wake_idle = idle.unparker();

        let (now, mark, wake_shard) = (Arc::clone(&clock), Arc::clone(&marks[0]), shard.unparker());
        let busy = thread::spawn(move || {
            now.store(5, Ordering::Release);
            let batch = frame(&mut tx, 5).expect("three batches for one frame");
            tx.push(batch).expect("an empty lane");
            mark.publish(Key::MAX);
            wake_shard.wake();
        });
        let (mark, wake_shard) = (Arc::clone(&marks[1]), shard.unparker());
        let quiet = thread::spawn(move || {
            while mark.get() < Key(5) {
                if mark.publish(Key(clock.load(Ordering::Acquire))) {
                    idle.reset();
                    wake_shard.wake();
                } else {
                    idle.idle();
                }
            }
        });

        let mut held = None;
        loop {
            let released = marks[0].get().min(marks[1].get());
            held = held.or_else(|| rx.pop());
            if held.as_ref().and_then(Batch::last_key).is_some_and(|key| key <= released) {
                break;
            }
            if held.is_some() {
                wake_idle.wake();
            }
            shard.idle();
        }
        busy.join().unwrap();
        quiet.join().unwrap();
    });
}

/// Who waits for another one's progress is woken by what it waits for, whichever comes first: the post, or the progress. And it is woken by
/// nothing less.
#[test]
fn a_wait_on_the_board_is_always_answered() {
    explore(None, || {
        let board = Arc::new(WaitBoard::new(2));
        let progress = Arc::new(Watermark::new());
        let mut waiter = waiter();
        let wake = waiter.unparker();
        let (theirs, published) = (Arc::clone(&board), Arc::clone(&progress));
        let other = thread::spawn(move || {
            for key in [Key(1), Key(2)] {
                published.publish(key);
                theirs.reached(1, key).for_each(|shard| {
                    assert_eq!((shard, key), (0, Key(2)));
                    wake.wake();
                });
            }
        });
        board.post(0, 1, Key(2));
        while progress.get() < Key(2) {
            waiter.idle();
        }
        other.join().unwrap();
    });
}

/// The board by itself, for a thread whose sleep has no fence of its own (a [`Waiter`] has one): who posts a wait and then looks sees the progress, or
/// who makes it sees the post. Without the fence in `WaitBoard::post`, or that in `reached`, both may miss the other.
#[test]
fn a_posted_wait_is_seen_or_over() {
    explore(None, || {
        let board = Arc::new(WaitBoard::new(2));
        let progress = Arc::new(Watermark::new());
        let (theirs, published) = (Arc::clone(&board), Arc::clone(&progress));
        let other = thread::spawn(move || {
            published.publish(Key(1));
            theirs.reached(1, Key(1)).eq([0])
        });
        board.post(0, 1, Key(1));
        let is_over = progress.get() >= Key(1);
        let is_told = other.join().unwrap();
        assert!(is_over || is_told, "a sleep that nobody ends");
    });
}

/// The rules of shards are replaced while their watermark moves and one of them goes beyond it: what a shard releases without having seen the change
/// lies at or before the key of the change.
#[test]
fn a_change_takes_effect_at_one_key() {
    explore(None, || {
        let watermark = Arc::new(Watermark::new());
        let turn = Arc::new(Turn::new(vec![Arc::clone(&watermark)]));
        let at = Arc::new(AtomicU64::new(0));
        let source = Arc::clone(&watermark);
        let source = thread::spawn(move || {
            source.publish(Key(5));
        });
        let (theirs, key) = (Arc::clone(&turn), Arc::clone(&at));
        let change = thread::spawn(move || {
            key.store(theirs.announce().0, Ordering::Relaxed);
            theirs.decide();
        });
        let mut released = Key::MIN;
        for goes_beyond in [false, true] {
            let mut bound = watermark.get();
            if goes_beyond {
                bound = Key(9);
                turn.goes_beyond(bound);
            }
            match turn.order() {
                Order::Number(0) => released = bound,
                Order::Number(order) => {
                    assert_eq!(order, 2);
                    // It sees the key with the order.
                    assert!(released.0 <= at.load(Ordering::Relaxed), "{released} was released");
                }
                Order::Undecided => break,
            }
        }
        source.join().unwrap();
        change.join().unwrap();
        let at = at.load(Ordering::Relaxed);
        assert!(released.0 <= at, "{released} was released, the change is at {at}");
    });
}

/// Capture threads with their rings, and shards, on lanes of capacity 1: all get through, and each shard sees its frames in order and without loss.
fn through(
    preemptions: usize,
    captures: &'static [&'static [&'static [(u64, usize)]]],
    n_shards: usize,
) {
    explore(Some(preemptions), move || {
        let rings = captures
            .iter()
            .map(|rings| rings.iter().map(|r| r.iter().copied().collect()).collect());
        let (captures, shards) = topology(rings.collect(), n_shards, AT_ONCE);
        let mut threads: Vec<_> =
            captures.into_iter().map(|c| thread::spawn(move || c.run())).collect();
        let run = |(shard, keys): (Shard, Vec<u64>)| move || assert_eq!(shard.run(), keys);
        let mut shards: Vec<_> = shards.into_iter().map(run).collect();
        // One shard runs here: loom has few threads.
        let here = shards.pop().expect("a shard");
        threads.extend(shards.into_iter().map(thread::spawn));
        here();
        for thread in threads {
            thread.join().expect("no thread panics");
        }
    });
}

/// Two capture threads of two rings each and one shard: waits for full lanes and for watermarks.
#[test]
fn the_oldest_full_lane_is_released() {
    through(1, &[&[&[(1, 0), (5, 0)], &[(4, 0)]], &[&[(2, 0)], &[(3, 0)]]], 1);
}

/// One capture thread and two shards whose frames alternate: waits for full lanes and for what the other shard has applied.
#[test]
fn waits_for_applied_point_backwards() {
    through(1, &[&[&[(1, 0), (3, 0)], &[(2, 1), (4, 1)]]], 2);
}

/// Two capture threads, two shards, every kind of wait.
#[test]
fn everybody_gets_through() {
    through(1, &[&[&[(1, 0)], &[(3, 1)]], &[&[(2, 1)], &[(4, 0)]]], 2);
}

/// A full alert lane gives the alert back, whatever the receiver does; nothing that was accepted is lost.
#[test]
fn an_alert_is_delivered_or_given_back() {
    explore(None, || {
        let (mut tx, mut rx) = alert_lane(1);
        let sender = thread::spawn(move || (1..=3).filter(|&n| tx.push(n).is_err()).count());
        let mut delivered = usize::from(rx.pop().is_some());
        let refused = sender.join().unwrap();
        delivered += std::iter::from_fn(|| rx.pop()).count();
        assert_eq!(delivered + refused, 3);
    });
}

//! Any order of takes, pushes, pops and returns on a lane: frames arrive in order and unchanged, none is lost or doubled, no batch appears or
//! disappears, and the counters say so.
#![cfg(not(loom))]

use std::collections::VecDeque;

use bus::{Batch, BatchLimits, Key, lane};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Take,
    /// A frame of this length into the first batch in the sender's hands.
    Frame(usize),
    Push,
    Pop,
    Recycle,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        Just(Op::Take),
        (0usize..80).prop_map(Op::Frame),
        Just(Op::Push),
        Just(Op::Pop),
        Just(Op::Recycle),
    ]
}

proptest! {
    #[test]
    fn order_and_conservation(capacity in 0usize..4, ops in prop::collection::vec(op(), 0..400)) {
        let limits = BatchLimits { max_frames: 3, max_bytes: 160 };
        let (mut tx, mut rx) = lane(capacity, limits);
        let capacity = capacity.max(1);
        let mut key = 0;
        let (mut filling, mut reading) = (VecDeque::<Batch>::new(), VecDeque::<Batch>::new());
        // What is on its way, frame by frame; and the frames of each batch in the sender's hands.
        let mut sent = VecDeque::<Vec<(Key, Vec<u8>)>>::new();
        let mut open = VecDeque::<Vec<(Key, Vec<u8>)>>::new();
        let (mut n_pushed, mut n_popped) = (0, 0);
        for op in ops {
            match op {
                Op::Take => {
                    let home = capacity + 2 - filling.len() - reading.len() - sent.len();
                    if let Some(batch) = tx.take() {
                        prop_assert!(home > 0 && batch.is_empty() && batch.n_bytes() == 0);
                        filling.push_back(batch);
                        open.push_back(Vec::new());
                    } else {
                        prop_assert_eq!(home, 0);
                    }
                }
                Op::Frame(len) => {
                    if let (Some(batch), Some(open)) = (filling.front_mut(), open.front_mut()) {
                        key += 1;
                        let frame = vec![key as u8; len];
                        if batch.push(Key(key), &frame).is_ok() {
                            open.push((Key(key), frame));
                        }
                    }
                }
                Op::Push => {
                    if let (Some(batch), Some(frames)) = (filling.pop_front(), open.pop_front()) {
                        let full = sent.len() == capacity;
                        prop_assert_eq!(tx.is_full(), full);
                        match tx.push(batch) {
                            Ok(()) => {
                                prop_assert!(!full);
                                n_pushed += frames.len() as u64;
                                sent.push_back(frames);
                            }
                            Err(refused) => {
                                prop_assert!(full);
                                filling.push_front(refused);
                                open.push_front(frames);
                            }
                        }
                    }
                }
                Op::Pop => match (rx.pop(), sent.pop_front()) {
                    (Some(batch), Some(frames)) => {
                        let seen: Vec<_> = batch.frames().map(|(k, f)| (k, f.to_vec())).collect();
                        n_popped += frames.len() as u64;
                        prop_assert_eq!(seen, frames);
                        reading.push_back(batch);
                    }
                    (batch, frames) => prop_assert!(batch.is_none() && frames.is_none()),
                },
                Op::Recycle => {
                    if let Some(batch) = reading.pop_front() {
                        rx.recycle(batch);
                    }
                }
            }
            prop_assert_eq!((tx.depth(), rx.depth()), (sent.len(), sent.len()));
            let meters = tx.meters();
            prop_assert_eq!((meters.pushed.get(), meters.popped.get()), (n_pushed, n_popped));
            prop_assert_eq!(meters.depth(), sent.iter().map(Vec::len).sum::<usize>() as u64);
        }
    }
}

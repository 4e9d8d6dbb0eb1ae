//! A file whose frames are made on a thread of their own, while those before them are shown here: where every event is shown, either is
//! half of the work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::Result;
use bus::{Batch, BatchLimits, Key, LaneRx, WaitLimits, Waiter, Watermark};
use capture::CaptureMeters;
use capture::savefile::{Playback, Replay, ReplayEnd, ReplayFeed};

use crate::capture_threads::spawn;

/// Batches between the two.
const LANE_CAPACITY: usize = 8;

/// The frames of a file, in its order.
pub(super) struct FramesAhead {
    lane: LaneRx,
    waiter: Waiter,
    /// Says when there are no more.
    watermark: Arc<Watermark>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<ReplayEnd>,
}

/// What there is of them now.
pub(super) enum Ahead {
    Frames(Batch),
    /// Look again.
    None,
    End,
}

impl FramesAhead {
    pub(super) fn start(playback: Playback) -> Result<Self> {
        let (tx, lane) = bus::lane(LANE_CAPACITY, BatchLimits::default());
        let waiter = Waiter::new(WaitLimits::default());
        let (watermark, stop) = (Arc::new(Watermark::new()), Arc::new(AtomicBool::new(false)));
        let feed = ReplayFeed {
            lanes: vec![(tx, waiter.unparker())],
            recorder: None,
            watermark: Arc::clone(&watermark),
            meters: CaptureMeters::default(),
        };
        let replay = Replay::of(playback).start(vec![feed]);
        let told = Arc::clone(&stop);
        let thread = spawn("cap-0", move || replay.run(&told))?;
        Ok(Self { lane, waiter, watermark, stop, thread })
    }

    /// The next frames, if there are any by now; else it waits a little.
    pub(super) fn next(&mut self) -> Ahead {
        // Before the look at the lane: what is pushed by then is there.
        let has_ended = self.watermark.get() == Key::MAX;
        match self.lane.pop() {
            Some(batch) => {
                self.waiter.reset();
                Ahead::Frames(batch)
            }
            None if has_ended || self.lane.is_abandoned() => Ahead::End,
            None => {
                self.waiter.idle();
                Ahead::None
            }
        }
    }

    /// Gives frames back that were looked at.
    pub(super) fn give_back(&mut self, batch: Batch) {
        self.lane.recycle(batch);
    }

    /// Reads no further; tells how far it came, and what stopped it.
    pub(super) fn finish(self) -> Result<ReplayEnd> {
        let Self { lane, stop, thread, .. } = self;
        // Relaxed: the flag says all there is to say.
        stop.store(true, Ordering::Relaxed);
        // What nobody reads any more finds room always.
        drop(lane);
        thread.join().map_err(|_| anyhow::anyhow!("the thread that reads the file has failed"))
    }
}

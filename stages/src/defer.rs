//! Events that wait for what a container's runtime has to tell: a bounded list of their frames, decided again when there is an answer or the time
//! is over.

use std::sync::Arc;
use std::time::Duration;

use bumpalo::Bump;
use bus::Key;
use perf::boot_now_ns;

use crate::detect::{Detector, Unanswered};
use crate::fields::Scene;
use crate::meters::ShardMeters;
use crate::parse::Event;
use crate::state::{ContainerEntry, Lineage, Wait};

/// How long, and how many, events wait for a container's runtime; of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeferralLimits {
    /// From the moment that a runtime is asked for a container until its events are decided with what is known.
    pub max_wait: Duration,
    /// Events that wait at once. One more is decided with what is known.
    pub max_events: usize,
    /// Bytes of their frames.
    pub max_bytes: usize,
}

impl Default for DeferralLimits {
    /// Half a second, 8,192 events, 8 MiB.
    fn default() -> Self {
        Self { max_wait: Duration::from_millis(500), max_events: 8192, max_bytes: 8 << 20 }
    }
}

/// An event that is not decided.
struct Waiting {
    key: Key,
    own_key: Key,
    frame: Box<[u8]>,
    container: Arc<ContainerEntry>,
    is_decided: bool,
}

/// The events of a shard that wait, by key.
pub(crate) struct Deferral {
    limits: DeferralLimits,
    waiting: Vec<Waiting>,
    n_bytes: usize,
    /// Answers that there were when the list was gone through last.
    n_answers: u64,
    /// When the time of the first of them is over.
    due_ns: u64,
}

impl Deferral {
    pub(crate) fn new(limits: DeferralLimits) -> Self {
        Self { limits, waiting: Vec::new(), n_bytes: 0, n_answers: 0, due_ns: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How long it is until the time of the first of them is over; `None` where there are none.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        let left = || Duration::from_nanos(self.due_ns.saturating_sub(boot_now_ns()));
        (!self.is_empty()).then(left)
    }

    /// Up to where everything is decided, of a bound that disregards the list.
    pub(crate) fn done(&self, bound: Key) -> Key {
        self.waiting.first().map_or(bound, |first| bound.min(first.key.prev()))
    }

    /// Keeps an event until its container's runtime has told of it, or says why it has to be decided at once. Keys have to grow.
    pub(crate) fn keep(
        &mut self,
        event: &Event<'_>,
        frame: &[u8],
        container: Arc<ContainerEntry>,
        meters: &ShardMeters,
    ) -> Result<(), Unanswered> {
        let Self { limits, waiting, n_bytes, due_ns, .. } = self;
        let due = container.due_ns(limits.max_wait);
        if due <= boot_now_ns() {
            container.give_up();
            return Err(Unanswered::TimeOver);
        }
        if waiting.len() >= limits.max_events || *n_bytes + frame.len() > limits.max_bytes {
            return Err(Unanswered::NoRoom);
        }
        *due_ns = if waiting.is_empty() { due } else { due.min(*due_ns) };
        *n_bytes += frame.len();
        let Event { key, own_key, .. } = *event;
        waiting.push(Waiting { key, own_key, frame: frame.into(), container, is_decided: false });
        meters.deferred.add(1);
        meters.deferral_waiting.set(waiting.len() as u64);
        Ok(())
    }

    /// Decides those that can be, in the order of their keys, and gives how many; `by_now` decides all of them. Where one has to wait for another
    /// shard, so have those behind it, and the call is made again.
    pub(crate) fn decide(
        &mut self,
        by_now: Option<Unanswered>,
        lineage: &Lineage,
        scene: &Scene,
        bump: &mut Bump,
        detector: &mut Detector,
        meters: &ShardMeters,
    ) -> Result<usize, Wait> {
        if self.waiting.is_empty() {
            return Ok(0);
        }
        let n_answers = lineage.live_containers().n_answers();
        let now = boot_now_ns();
        if by_now.is_none() && n_answers == self.n_answers && now < self.due_ns {
            return Ok(0);
        }
        let Self { limits, waiting, n_bytes, .. } = self;
        let mut due_ns = u64::MAX;
        let mut n_decided = 0;
        let mut ended = Ok(());
        for Waiting { key, own_key, frame, container, is_decided } in &mut *waiting {
            let due = container.due_ns(limits.max_wait);
            let unanswered = match by_now {
                Some(why) => why,
                None if due <= now => {
                    container.give_up();
                    Unanswered::TimeOver
                }
                None if container.is_outstanding() => {
                    due_ns = due_ns.min(due);
                    continue;
                }
                None => Unanswered::TimeOver,
            };
            bump.reset();
            let at = scene.at(lineage, detector.utc_offset_s(), bump);
            let looked_into = &detector.engine.looked_into;
            // It was a frame when it came.
            if let Ok(event) = Event::parse_some(*key, *own_key, frame, looked_into, at.bump) {
                let decided = if detector.is_profiled() {
                    detector.detect::<true>(at, &event, Some(unanswered), meters)
                } else {
                    detector.detect::<false>(at, &event, Some(unanswered), meters)
                };
                if let Err(wait) = decided {
                    due_ns = 0;
                    ended = Err(wait);
                    break;
                }
            }
            *is_decided = true;
            n_decided += 1;
            *n_bytes -= frame.len();
        }
        waiting.retain(|event| !event.is_decided);
        self.n_answers = n_answers;
        self.due_ns = due_ns;
        detector.let_go();
        meters.deferral_decided.add(n_decided as u64);
        meters.deferral_waiting.set(self.waiting.len() as u64);
        ended.map(|()| n_decided)
    }
}

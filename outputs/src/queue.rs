//! The bounded queue in front of each sink. Bounded by the messages in it and by their bytes; what is under way counts until it is settled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bus::{Rx, Tx, Unparker, WaitLimits, Waiter, alert_lane};

use crate::message::Shared;

/// What waits for a sink at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Messages.
    pub n_alerts: usize,
    /// Bytes of their lines together; a message larger than this alone passes when nothing else waits.
    pub n_bytes: usize,
}

impl Default for QueueLimits {
    /// 16,384 messages, 16 MiB.
    fn default() -> Self {
        Self { n_alerts: 16_384, n_bytes: 16 << 20 }
    }
}

/// The reader is woken for all that it waits for.
const FOR_EVER: Duration = Duration::from_secs(1 << 20);

/// What both ends know.
#[derive(Debug, Default)]
struct State {
    /// Bytes that were pushed and are not settled. Written by both ends.
    n_bytes: AtomicU64,
    /// Messages pushed so far.
    n_pushed: AtomicU64,
    /// Messages of which is known what became of them.
    n_settled: AtomicU64,
    /// No more messages come.
    is_ended: AtomicBool,
}

/// A queue whose reader sleeps until it is woken, and wakes the writer where that one waits for room.
pub(crate) fn queue(limits: QueueLimits, writer: Unparker) -> (QueueTx, QueueRx) {
    let (tx, rx) = alert_lane(limits.n_alerts);
    let state = Arc::new(State::default());
    let waiter =
        Waiter::new(WaitLimits { min_sleep: FOR_EVER, max_sleep: FOR_EVER, ..WaitLimits::WOKEN });
    let reader = waiter.unparker();
    let tx =
        QueueTx { lane: tx, state: Arc::clone(&state), max_bytes: limits.n_bytes as u64, reader };
    (tx, QueueRx { lane: rx, state, waiter, writer })
}

/// The writing end.
pub(crate) struct QueueTx {
    lane: Tx<Shared>,
    state: Arc<State>,
    max_bytes: u64,
    reader: Unparker,
}

impl QueueTx {
    /// Puts a message behind the others, unless there is no room for it. The reader is not woken by this.
    pub(crate) fn push(&mut self, message: &Shared) -> bool {
        let Self { lane, state, max_bytes, .. } = self;
        let len = message.line.len() as u64;
        // Relaxed: a count, which orders nothing.
        let n_bytes = state.n_bytes.load(Ordering::Relaxed);
        if n_bytes > 0 && n_bytes + len > *max_bytes || !lane.has_room(1) {
            return false;
        }
        state.n_bytes.fetch_add(len, Ordering::Relaxed);
        // Before the reader can settle it.
        state.n_pushed.fetch_add(1, Ordering::Release);
        lane.push(Arc::clone(message)).is_ok()
    }

    /// Wakes the reader, if it sleeps.
    pub(crate) fn wake(&self) {
        self.reader.wake();
    }

    /// Says that no more messages come.
    pub(crate) fn end(&self) {
        // Release: pairs with the Acquire in `QueueRx::is_ended`.
        self.state.is_ended.store(true, Ordering::Release);
        self.reader.wake();
    }

    /// What wakes the reader.
    pub(crate) fn reader(&self) -> Unparker {
        self.reader.clone()
    }

    /// Settles all that is left in the place of the reader, which must not do so any more; gives how many that were.
    pub(crate) fn settle_rest(&self) -> u64 {
        let n = self.depth().get();
        self.state.n_settled.fetch_add(n, Ordering::Release);
        n
    }

    /// How many messages wait, or are under way.
    pub(crate) fn depth(&self) -> Depth {
        Depth(Arc::clone(&self.state))
    }
}

impl Drop for QueueTx {
    fn drop(&mut self) {
        self.end();
    }
}

/// How full a queue is, for who looks at it from outside.
#[derive(Clone)]
pub(crate) struct Depth(Arc<State>);

impl Depth {
    /// Messages that were pushed and are not settled.
    pub(crate) fn get(&self) -> u64 {
        let State { n_pushed, n_settled, .. } = &*self.0;
        // Settled first: it never exceeds what was pushed.
        let n_settled = n_settled.load(Ordering::Acquire);
        n_pushed.load(Ordering::Acquire).saturating_sub(n_settled)
    }
}

/// The reading end.
pub(crate) struct QueueRx {
    lane: Rx<Shared>,
    state: Arc<State>,
    waiter: Waiter,
    writer: Unparker,
}

impl QueueRx {
    /// The oldest message. It counts as waiting until it is settled.
    pub(crate) fn pop(&mut self) -> Option<Shared> {
        let message = self.lane.pop();
        if message.is_some() {
            self.waiter.reset();
        }
        message
    }

    /// Says that it is known what became of these messages, and makes room.
    pub(crate) fn settle<'m>(&mut self, messages: impl IntoIterator<Item = &'m Shared>) {
        let Self { state, writer, .. } = self;
        let (mut n, mut n_bytes) = (0, 0);
        for message in messages {
            n += 1;
            n_bytes += message.line.len() as u64;
        }
        state.n_bytes.fetch_sub(n_bytes, Ordering::Relaxed);
        state.n_settled.fetch_add(n, Ordering::Release);
        writer.wake();
    }

    /// Waits a little for messages, or for so long at most.
    pub(crate) fn wait(&mut self, longest: Duration) {
        self.waiter.idle_at_most(longest);
    }

    /// Whether no more messages come than those that wait.
    pub(crate) fn is_ended(&self) -> bool {
        // Acquire: pairs with the Release in `QueueTx::end`; every push came before it.
        self.state.is_ended.load(Ordering::Acquire)
    }

    /// Whether nothing waits and nothing comes.
    pub(crate) fn is_finished(&self) -> bool {
        self.is_ended() && self.lane.depth() == 0
    }
}

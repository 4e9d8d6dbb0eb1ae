//! A sink's thread: takes messages from its queue and has them sent until they are through, or it is known that they never will be.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bus::{Unparker, Waiter};
use perf::{Counter, Hop, Latency, Registry, boot_now_ns, to_epoch_ns};

use super::way::{Outgoing, Source, Way};
use super::{GiveUp, OnClosed, Retry, Sent, Sink, Stop, Transport};
use crate::delivery::{AlertTimes, EMITTED, MAX_ROUND};
use crate::message::Shared;
use crate::outbox::Reader;
use crate::queue::{QueueLimits, queue};

/// Messages that a transport is given at a time.
const MAX_IN_HAND: usize = 512;

/// A wait without an end of its own: what ends it is a wake.
const UNTIL_WOKEN: Duration = Duration::MAX;

/// The longest wait between attempts once no more messages come.
const LAST_WAITS: Duration = Duration::from_millis(100);

/// Of one sink no more than one trouble is told in so long.
const SILENCE: Duration = Duration::from_mins(1);

/// A replay that waits for a sink through which nothing went for so long says so.
const LONG_WAIT: Duration = Duration::from_secs(2);

/// Who is told of trouble, a line each.
pub(crate) type Notices = Arc<dyn Fn(&str) + Send + Sync>;

/// What the sink's thread and the outputs' thread both look at.
pub(crate) struct Control {
    name: &'static str,
    /// Held while messages are settled, so that they are settled once, by the thread or by who gave it up.
    is_abandoned: Mutex<bool>,
    is_done: Mutex<bool>,
    done: Condvar,
    /// Counts the requests to open anew what is kept open.
    n_reopens: AtomicU64,
    /// Since when a send is under way, ns of the boot clock; 0: none is.
    busy_since_ns: AtomicU64,
    is_failing: AtomicBool,
}

/// A sink's thread, as the outputs' thread holds it.
pub(crate) struct Handle {
    way: Way,
    control: Arc<Control>,
    queue_full: Arc<Counter>,
    unfinished: Arc<Counter>,
    stalls: Arc<Counter>,
    /// The send that was said to be slow, by its beginning.
    stalled_ns: u64,
    give_up: Option<GiveUp>,
    /// It was said that a replay waits for it.
    is_wait_told: bool,
    notices: Notices,
}

/// A thread that delivers to one sink; whoever makes threads runs it.
pub struct SinkThread {
    source: Source,
    transport: Box<dyn Transport>,
    retry: Retry,
    on_closed: Option<OnClosed>,
    times: AlertTimes,
    control: Arc<Control>,
    meters: Meters,
    notices: Notices,
    /// Taken from the queue, not settled.
    hand: VecDeque<Shared>,
    is_closed: bool,
    n_reopens: u64,
    trouble: Option<Trouble>,
    /// When something was said last.
    told: Option<Instant>,
}

/// What went wrong since the last success.
struct Trouble {
    since: Instant,
    n_failures: u32,
    /// Those of them at the oldest message.
    n_attempts: u32,
    is_told: bool,
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Delivered,
    Closed,
    Refused,
    GaveUp,
}

/// What becomes of a sink's messages, beside those that its queue had no room for.
struct Meters {
    delivered: Arc<Counter>,
    closed: Arc<Counter>,
    refused: Arc<Counter>,
    gave_up: Arc<Counter>,
    retries: Arc<Counter>,
    delivery: Arc<Latency>,
    end_to_end: Arc<Latency>,
}

/// Joins a sink to its queue, and registers its counters, and that they must balance. `writer` wakes who waits for room.
pub(crate) fn join(
    sink: Sink,
    times: AlertTimes,
    writer: Unparker,
    notices: Notices,
    registry: &mut Registry,
) -> (Handle, SinkThread) {
    let Sink { name, mut transport, limits, on_closed, give_up, outbox } = sink;
    transport.register(registry);
    let is_durable = outbox.is_some();
    let (way, source) = way(outbox, limits.queue, writer);
    let control = Arc::new(Control {
        name,
        is_abandoned: Mutex::new(false),
        is_done: Mutex::new(false),
        done: Condvar::new(),
        n_reopens: AtomicU64::new(0),
        busy_since_ns: AtomicU64::new(0),
        is_failing: AtomicBool::new(false),
    });
    let full_name = |what: &str| format!("outputs.{name}.{what}");
    let mut hop = Hop::new(&format!("sink {name}")).slack(MAX_ROUND);
    hop = if is_durable {
        // What the outbox counts before that is a hop of its own.
        let of_outbox = |what: &str| format!("outbox.{name}.{what}");
        hop.input(&of_outbox("delivered")).input(&of_outbox("lost_refused"))
    } else {
        hop.input(EMITTED)
    };
    let mut lost = |reason: &str| {
        let counter_name = full_name(&format!("lost_{reason}"));
        hop = std::mem::replace(&mut hop, Hop::new("")).dropped(reason, &counter_name);
        registry.counter(&counter_name)
    };
    let queue_full = lost("queue_full");
    let [closed, refused, gave_up, unfinished] =
        ["closed", "refused", "gave_up", "unfinished"].map(lost);
    let meters = Meters {
        delivered: registry.counter(&full_name("delivered")),
        closed,
        refused,
        gave_up,
        retries: registry.counter(&full_name("retries")),
        delivery: registry.latency(&format!("delivery.{name}"), 1),
        end_to_end: registry.latency(&format!("end_to_end.{name}"), 1),
    };
    let stalls = registry.counter(&full_name("stalls"));
    let depth = way.depth();
    registry.level(&full_name("waiting"), depth);
    let watched = Arc::clone(&control);
    // Relaxed: it is looked at, nothing follows from it.
    registry
        .level(&full_name("failing"), move || watched.is_failing.load(Ordering::Relaxed).into());
    hop = hop.output(&full_name("delivered"));
    registry.hop(if is_durable { hop } else { hop.depth(&full_name("waiting")) });
    let thread = SinkThread {
        source,
        transport,
        retry: limits.retry,
        on_closed,
        times,
        control: Arc::clone(&control),
        meters,
        notices: Arc::clone(&notices),
        hand: VecDeque::with_capacity(MAX_IN_HAND),
        is_closed: false,
        n_reopens: 0,
        trouble: None,
        told: None,
    };
    let handle = Handle {
        way,
        control,
        queue_full,
        unfinished,
        stalls,
        stalled_ns: 0,
        give_up,
        is_wait_told: false,
        notices,
    };
    (handle, thread)
}

impl Handle {
    /// Puts a message into the queue; where it is full, waits for room or counts it as lost. The thread is not woken by this.
    pub(crate) fn push(&mut self, message: &Shared, mut when_full: WhenFull<'_>) {
        let mut begin = None;
        loop {
            let Way::Queue(queue) = &mut self.way else { return };
            if queue.push(message) {
                return;
            }
            match &mut when_full {
                WhenFull::Wait(room) if !self.control.is_done() => {
                    queue.wake();
                    room.idle();
                    self.tell_wait(*begin.get_or_insert_with(Instant::now));
                }
                WhenFull::Wait(_) | WhenFull::Lose => {
                    self.queue_full.add(1);
                    return;
                }
            }
        }
    }

    /// Says once that a replay waits for this sink, if it has for long and nothing goes through.
    fn tell_wait(&mut self, since: Instant) {
        if self.is_wait_told || since.elapsed() < LONG_WAIT {
            return;
        }
        let Control { name, is_failing, busy_since_ns, .. } = &*self.control;
        let since_ns = busy_since_ns.load(Ordering::Relaxed);
        let is_stuck =
            since_ns != 0 && boot_now_ns().saturating_sub(since_ns) >= LONG_WAIT.as_nanos() as u64;
        if is_failing.load(Ordering::Relaxed) || is_stuck {
            self.is_wait_told = true;
            let n = self.way.depth()();
            (self.notices)(&format!(
                "output {name}: the replay waits for it with {n} alerts; SIGINT (Ctrl-C) ends the replay without them, a second one where it \
                 still reads; peregrine.outputs.{name}.max_attempts bounds the attempts"
            ));
        }
    }

    /// Wakes the thread for what was pushed.
    pub(crate) fn wake(&self) {
        self.way.wake();
    }

    /// Says that no more messages come.
    pub(crate) fn end(&self) {
        self.way.end();
    }

    /// What asks the thread to open anew what it keeps open.
    pub(crate) fn reopener(&self) -> impl Fn() + Send + Sync + use<> {
        let (control, wake) = (Arc::clone(&self.control), self.way.waker());
        move || {
            // Relaxed: the wake orders it.
            control.n_reopens.fetch_add(1, Ordering::Relaxed);
            wake();
        }
    }

    /// A line about a send that has taken longer than this, once for each.
    pub(crate) fn stall(&mut self, limit: Duration) -> Option<String> {
        let since_ns = self.control.busy_since_ns.load(Ordering::Relaxed);
        let taken = boot_now_ns().saturating_sub(since_ns);
        if since_ns == 0 || since_ns == self.stalled_ns || u128::from(taken) < limit.as_nanos() {
            return None;
        }
        self.stalled_ns = since_ns;
        self.stalls.add(1);
        let (name, n) = (self.control.name, self.way.depth()());
        let limit = limit.as_millis();
        Some(format!("output {name}: blocked for more than {limit} ms; {n} alerts wait"))
    }

    /// Whether the outbox has what it does not deliver.
    pub(crate) fn is_durable(&self) -> bool {
        matches!(self.way, Way::Outbox(_))
    }

    /// Waits until the thread has settled all messages and closed what was open, or until then; what it has not settled is lost, unless the
    /// outbox has it.
    pub(crate) fn finish(&mut self, deadline: Option<Instant>) -> Left {
        let (control, begin) = (Arc::clone(&self.control), Instant::now());
        let mut is_done = control.is_done.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_done {
            let Some(deadline) = deadline else {
                let waited = control.done.wait_timeout(is_done, LONG_WAIT);
                is_done = waited.unwrap_or_else(PoisonError::into_inner).0;
                if !*is_done {
                    self.tell_wait(begin);
                }
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = control.done.wait_timeout(is_done, left);
            is_done = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if let (false, Some(give_up)) = (*is_done, self.give_up.take()) {
            give_up();
        }
        drop(is_done);
        let mut is_abandoned = control.is_abandoned.lock().unwrap_or_else(PoisonError::into_inner);
        *is_abandoned = true;
        let (n_lost, n_kept) = self.way.give_up();
        self.unfinished.add(n_lost);
        let name = control.name;
        let lost =
            || format!("output {name}: {n_lost} alerts could not be delivered before the end");
        let kept = || format!("output {name}: {n_kept} alerts wait in the outbox for the next run");
        Left { lost: (n_lost > 0).then(lost), kept: (n_kept > 0).then(kept) }
    }
}

/// What a sink was not done with at the end, in words.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// Is lost.
    pub(crate) lost: Option<String>,
    /// Is delivered by the next run.
    pub(crate) kept: Option<String>,
}

impl Control {
    fn is_done(&self) -> bool {
        *self.is_done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The two ends between the outputs and a sink. `writer` wakes who waits for room.
fn way(outbox: Option<Reader>, limits: QueueLimits, writer: Unparker) -> (Way, Source) {
    if let Some(reader) = outbox {
        return (Way::Outbox(reader.end()), Source::Outbox(Outgoing::new(reader)));
    }
    let (tx, rx) = queue(limits, writer);
    (Way::Queue(tx), Source::Queue(rx))
}

/// What becomes of a message that finds a queue full.
pub(crate) enum WhenFull<'w> {
    /// It waits for room.
    Wait(&'w mut Waiter),
    /// It is lost.
    Lose,
}

/// Says that a thread is done, also where it panicked.
struct Done(Arc<Control>);

impl Drop for Done {
    fn drop(&mut self) {
        *self.0.is_done.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.done.notify_all();
    }
}

impl SinkThread {
    /// `stdout`, `file` and so on.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.control.name
    }

    /// Delivers until no more messages come and all are settled.
    pub fn run(mut self) {
        let _done = Done(Arc::clone(&self.control));
        while self.step() {}
        self.transport.close();
        // How far it got is written down before anybody is told that it is done.
        drop(self.source);
    }

    /// One attempt, or one wait; gives whether there may be more to do.
    fn step(&mut self) -> bool {
        while self.hand.len() < MAX_IN_HAND {
            let Some(message) = self.source.pop() else { break };
            self.hand.push_back(message);
        }
        if self.hand.is_empty() {
            if self.source.is_finished() {
                return false;
            }
            self.source.wait(UNTIL_WOKEN);
            return true;
        }
        if self.is_closed && self.source.is_durable() {
            return false;
        }
        if self.is_closed {
            self.settle(self.hand.len(), Fate::Closed);
            return true;
        }
        if let Some(left) = self.gathering() {
            self.source.wait(left);
            return true;
        }
        let n_reopens = self.control.n_reopens.load(Ordering::Relaxed);
        if n_reopens != self.n_reopens {
            self.n_reopens = n_reopens;
            self.transport.reopen();
        }
        self.control.busy_since_ns.store(boot_now_ns(), Ordering::Relaxed);
        let Sent { n_delivered, stop } = self.transport.send(self.hand.make_contiguous());
        self.control.busy_since_ns.store(0, Ordering::Relaxed);
        self.settle(n_delivered, Fate::Delivered);
        if n_delivered > 0 {
            self.works_again();
        }
        match stop {
            None => {}
            Some(Stop::Closed) => {
                self.is_closed = true;
                if let Some(f) = self.on_closed.take() {
                    f();
                }
            }
            Some(Stop::Refused { n, why }) => {
                self.works_again();
                self.settle(n.max(1), Fate::Refused);
                self.tell(&format!("an alert was refused: {why}"));
            }
            Some(Stop::GaveUp { n, why }) => {
                self.settle(n.max(1), Fate::GaveUp);
                if let Some(trouble) = &mut self.trouble {
                    trouble.n_attempts = 0;
                }
                self.tell(&format!("an alert was given up: {why}"));
            }
            Some(Stop::Later { why, after }) => self.failed(&why, after),
        }
        true
    }

    /// How long the messages in hand may still wait for others, where the transport wants more of them at a time.
    fn gathering(&self) -> Option<Duration> {
        let (n_wanted, longest) = self.transport.gathers()?;
        let oldest = self.hand.front()?;
        let is_enough = self.hand.len() >= n_wanted.min(MAX_IN_HAND);
        if is_enough || self.trouble.is_some() || self.source.is_ended() {
            return None;
        }
        let age = Duration::from_nanos(boot_now_ns().saturating_sub(oldest.taken_ns));
        longest.checked_sub(age).filter(|left| !left.is_zero())
    }

    fn failed(&mut self, why: &str, after: Option<Duration>) {
        self.meters.retries.add(1);
        self.control.is_failing.store(true, Ordering::Relaxed);
        let mut trouble = self.trouble.take().unwrap_or_else(|| {
            let is_told = self.tell(&format!("{why}; alerts wait and are tried again"));
            Trouble { since: Instant::now(), n_failures: 0, n_attempts: 0, is_told }
        });
        trouble.n_failures += 1;
        trouble.n_attempts += 1;
        if trouble.n_attempts == self.retry.max_attempts {
            trouble.n_attempts = 0;
            self.settle(1, Fate::GaveUp);
            self.transport.skip();
        }
        let wait = after.unwrap_or_else(|| self.retry.wait(trouble.n_failures));
        self.trouble = Some(trouble);
        self.pause(wait);
    }

    /// Waits for so long; a wish to reopen ends it, and where the end has come it is not long.
    fn pause(&mut self, wait: Duration) {
        let begin = Instant::now();
        loop {
            let wait = if self.source.is_ended() { wait.min(LAST_WAITS) } else { wait };
            let left = wait.saturating_sub(begin.elapsed());
            let is_asked = self.control.n_reopens.load(Ordering::Relaxed) != self.n_reopens;
            if left.is_zero() || is_asked {
                return;
            }
            self.source.wait(left);
        }
    }

    fn works_again(&mut self) {
        let Some(Trouble { since, is_told, .. }) = self.trouble.take() else { return };
        self.control.is_failing.store(false, Ordering::Relaxed);
        if is_told {
            let (name, s) = (self.control.name, since.elapsed().as_secs_f64());
            (self.notices)(&format!("output {name}: delivers again after {s:.1} s"));
        }
    }

    /// Says what went wrong, unless something was said a moment ago; gives whether it did.
    fn tell(&mut self, what: &str) -> bool {
        if self.told.is_some_and(|told| told.elapsed() < SILENCE) {
            return false;
        }
        self.told = Some(Instant::now());
        (self.notices)(&format!("output {}: {what}", self.control.name));
        true
    }

    /// Settles the oldest messages, unless the thread was given up and they were.
    fn settle(&mut self, n: usize, fate: Fate) {
        let Self { source, control, meters, hand, times, .. } = self;
        let n = n.min(hand.len());
        let abandoned = control.is_abandoned.lock().unwrap_or_else(PoisonError::into_inner);
        if n == 0 || *abandoned {
            hand.drain(..n);
            return;
        }
        let counter = match fate {
            Fate::Delivered => &meters.delivered,
            Fate::Closed => &meters.closed,
            Fate::Refused => &meters.refused,
            Fate::GaveUp => &meters.gave_up,
        };
        counter.add(n as u64);
        source.settle(hand.iter().take(n), fate == Fate::Delivered);
        let now_ns = boot_now_ns();
        for message in hand.drain(..n) {
            if fate != Fate::Delivered {
                continue;
            }
            meters.delivery.record(now_ns.saturating_sub(message.taken_ns));
            if let Some(offset_ns) = times.realtime_offset_ns() {
                let taken = to_epoch_ns(now_ns, offset_ns).saturating_sub(message.ts_ns);
                meters.end_to_end.record(taken);
            }
        }
    }
}

impl Retry {
    /// The wait after so many failures in a row.
    fn wait(self, n_failures: u32) -> Duration {
        let doubled = self.first.saturating_mul(1 << n_failures.saturating_sub(1).min(20));
        doubled.min(self.longest).mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

impl std::fmt::Debug for SinkThread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SinkThread").field("name", &self.control.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bus::WaitLimits;
    use perf::{Moment, Snapshot};

    use super::*;
    use crate::message::Message;
    use crate::sink::SinkLimits;
    use crate::testing::message;

    /// Answers each send as the script says, then takes everything.
    struct Script {
        answers: VecDeque<Sent>,
        taken: Arc<Mutex<Vec<String>>>,
        skipped: usize,
    }

    impl Transport for Script {
        fn send(&mut self, messages: &[Shared]) -> Sent {
            let all = Sent { n_delivered: messages.len(), stop: None };
            let sent = self.answers.pop_front().unwrap_or(all);
            let delivered = messages[..sent.n_delivered].iter().map(|m| m.text().to_owned());
            self.taken.lock().unwrap().extend(delivered);
            sent
        }

        fn skip(&mut self) {
            self.skipped += 1;
            self.taken.lock().unwrap().push(format!("skipped {}", self.skipped));
        }
    }

    struct Ran {
        taken: Vec<String>,
        notices: Vec<String>,
        counts: Snapshot,
    }

    impl Ran {
        fn n(&self, what: &str) -> u64 {
            self.counts.get(&format!("outputs.http.{what}")).unwrap()
        }
    }

    /// Delivers the messages `0`, `1` and so on, which all wait when the thread begins.
    fn run(n_messages: usize, max_attempts: u32, answers: impl IntoIterator<Item = Sent>) -> Ran {
        let (first, longest) = (Duration::from_micros(10), Duration::from_micros(50));
        let retry = Retry { first, longest, max_attempts };
        let (taken, notices) = (Arc::default(), Arc::<Mutex<Vec<String>>>::default());
        let answers = answers.into_iter().collect();
        let script = Script { answers, taken: Arc::clone(&taken), skipped: 0 };
        let sink = Sink::new("http", script, SinkLimits { retry, ..SinkLimits::default() });
        let to = Arc::clone(&notices);
        let say: Notices = Arc::new(move |line: &str| to.lock().unwrap().push(line.to_owned()));
        let mut registry = Registry::new();
        let emitted = registry.counter(EMITTED);
        let room = Waiter::new(WaitLimits::default());
        let (mut handle, thread) =
            join(sink, AlertTimes::Replayed, room.unparker(), say, &mut registry);
        for n in 0..n_messages {
            emitted.add(1);
            handle.push(&message(&n.to_string()), WhenFull::Lose);
        }
        handle.end();
        thread.run();
        assert_eq!(handle.finish(Some(Instant::now())), Left::default());
        let counts = registry.snapshot(Moment::Final);
        assert!(counts.balances(), "{}", counts.table());
        let of = |list: &Mutex<Vec<String>>| list.lock().unwrap().clone();
        Ran { taken: of(&taken), notices: of(&notices), counts }
    }

    fn later(n_delivered: usize) -> Sent {
        Sent::until_later(n_delivered, "no route")
    }

    #[test]
    fn what_does_not_go_through_is_tried_again_in_order() {
        let ran = run(4, 0, [later(0), later(1), later(0), later(0), later(2)]);
        assert_eq!(ran.taken, ["0", "1", "2", "3"]);
        assert_eq!((ran.n("delivered"), ran.n("retries"), ran.n("lost_gave_up")), (4, 5, 0));
        assert_eq!(ran.n("waiting") + ran.n("failing"), 0);
    }

    #[test]
    fn trouble_is_told_once_and_so_is_its_end() {
        let ran = run(1, 0, [later(0), later(0), later(0)]);
        let [begin, end] = &*ran.notices else { panic!("{:?}", ran.notices) };
        assert_eq!(begin, "output http: no route; alerts wait and are tried again");
        assert!(end.starts_with("output http: delivers again after "), "{end}");
        let ran = run(9, 0, (0..4).flat_map(|_| [later(0), later(1)]));
        assert_eq!(ran.notices.len(), 2, "not a line for each: {:?}", ran.notices);
    }

    #[test]
    fn after_so_many_attempts_an_alert_is_given_up() {
        let ran = run(3, 3, [later(0), later(1), later(0), later(0), later(0)]);
        // Of `1` the third attempt was the last; progress begins the count anew.
        assert_eq!(ran.taken, ["0", "skipped 1", "2"]);
        assert_eq!((ran.n("delivered"), ran.n("lost_gave_up")), (2, 1));
    }

    #[test]
    fn what_is_refused_is_lost_and_the_rest_goes_on() {
        let refuse = |n_delivered, n| {
            let why = "400 Bad Request".to_owned();
            Sent { n_delivered, stop: Some(Stop::Refused { n, why }) }
        };
        let ran = run(6, 0, [refuse(1, 1), refuse(0, 2), later(0), refuse(0, 0)]);
        assert_eq!(ran.taken, ["0", "5"]);
        assert_eq!((ran.n("delivered"), ran.n("lost_refused")), (2, 4));
        assert_eq!(ran.notices[0], "output http: an alert was refused: 400 Bad Request");
    }

    #[test]
    fn a_transport_may_give_up_by_itself() {
        let give_up = |n| {
            let why = "no answer".to_owned();
            Sent { n_delivered: 0, stop: Some(Stop::GaveUp { n, why }) }
        };
        let ran = run(4, 2, [later(0), give_up(2), later(0), give_up(0)]);
        assert_eq!(ran.taken, ["3"]);
        assert_eq!((ran.n("delivered"), ran.n("lost_gave_up")), (1, 3));
    }

    /// Wants three at a time, and says how many it got.
    struct Gatherer(Arc<Mutex<Vec<usize>>>, Duration);

    impl Transport for Gatherer {
        fn send(&mut self, messages: &[Shared]) -> Sent {
            self.0.lock().unwrap().push(messages.len());
            Sent { n_delivered: messages.len(), stop: None }
        }

        fn gathers(&self) -> Option<(usize, Duration)> {
            Some((3, self.1))
        }
    }

    #[test]
    fn messages_wait_for_others_where_that_is_wanted() {
        let lens = Arc::<Mutex<Vec<usize>>>::default();
        let begin = |longest| {
            let gatherer = Gatherer(Arc::clone(&lens), longest);
            let sink = Sink::new("http", gatherer, SinkLimits::default());
            let mut registry = Registry::new();
            let room = Waiter::new(WaitLimits::default());
            let notices: Notices = Arc::new(|_: &str| {});
            let (handle, thread) =
                join(sink, AlertTimes::Replayed, room.unparker(), notices, &mut registry);
            (handle, std::thread::spawn(|| thread.run()))
        };
        let wait_for = |n| {
            while lens.lock().unwrap().len() < n {
                std::thread::yield_now();
            }
        };
        let push = |handle: &mut Handle| {
            let taken_ns = boot_now_ns();
            let message = Message { taken_ns, ..Arc::into_inner(message("x")).unwrap() };
            handle.push(&Arc::new(message), WhenFull::Lose);
            handle.wake();
        };
        let ms = |n| std::thread::sleep(Duration::from_millis(n));
        let (mut handle, thread) = begin(Duration::from_hours(1));
        for _ in 0..3 {
            push(&mut handle);
            ms(2);
        }
        wait_for(1);
        // Before that it would be taken with the three by a thread that was late.
        push(&mut handle);
        ms(20);
        assert_eq!(*lens.lock().unwrap(), [3], "the fourth waits");
        handle.end();
        thread.join().unwrap();
        assert_eq!(*lens.lock().unwrap(), [3, 1], "at the end nothing waits");
        let (mut handle, thread) = begin(Duration::from_millis(5));
        push(&mut handle);
        wait_for(3);
        handle.end();
        thread.join().unwrap();
    }

    #[test]
    fn waits_grow_up_to_the_longest_and_vary() {
        let ms = Duration::from_millis;
        let retry = Retry { first: ms(100), longest: ms(1000), max_attempts: 0 };
        for (n, longest) in [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1000), (u32::MAX, 1000)] {
            for _ in 0..100 {
                let wait = retry.wait(n);
                assert!((ms(longest) / 2..=ms(longest)).contains(&wait), "{n}: {wait:?}");
            }
        }
        assert!((0..100).map(|_| retry.wait(5)).any(|w| w != retry.wait(5)));
    }

    #[test]
    fn a_wish_to_reopen_ends_a_wait() {
        struct Down(Arc<AtomicBool>);
        impl Transport for Down {
            fn send(&mut self, messages: &[Shared]) -> Sent {
                if self.0.load(Ordering::Relaxed) {
                    Sent { n_delivered: messages.len(), stop: None }
                } else {
                    later(0)
                }
            }
            fn reopen(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let hour = Duration::from_hours(1);
        let retry = Retry { first: hour, longest: hour, max_attempts: 0 };
        let limits = SinkLimits { retry, ..SinkLimits::default() };
        let sink = Sink::new("file", Down(Arc::default()), limits);
        let mut registry = Registry::new();
        let room = Waiter::new(WaitLimits::default());
        let notices: Notices = Arc::new(|_: &str| {});
        let (mut handle, thread) =
            join(sink, AlertTimes::Replayed, room.unparker(), notices, &mut registry);
        handle.push(&message("x"), WhenFull::Lose);
        let reopen = handle.reopener();
        let thread = std::thread::spawn(|| thread.run());
        while !handle.control.is_failing.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        reopen();
        handle.end();
        assert_eq!(handle.finish(None), Left::default());
        thread.join().unwrap();
    }

    #[test]
    fn a_thread_that_panics_counts_as_done() {
        struct Broken;
        impl Transport for Broken {
            fn send(&mut self, _: &[Shared]) -> Sent {
                panic!("on purpose")
            }
        }
        let mut registry = Registry::new();
        let mut room = Waiter::new(WaitLimits::default());
        let notices: Notices = Arc::new(|_: &str| {});
        let limits = SinkLimits::default();
        let sink = Sink::new("file", Broken, limits);
        let (mut handle, thread) =
            join(sink, AlertTimes::Replayed, room.unparker(), notices, &mut registry);
        let thread = std::thread::spawn(|| thread.run());
        for _ in 0..=limits.queue.n_alerts {
            handle.push(&message("x"), WhenFull::Wait(&mut room));
        }
        assert!(thread.join().is_err());
        assert!(handle.finish(None).lost.is_some());
    }
}

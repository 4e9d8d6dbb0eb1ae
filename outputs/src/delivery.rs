//! Takes alerts from the lanes of all shards, prints each once, and puts it into the queue of every sink.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus::{Rx, WaitLimits, Waiter};
use perf::{Counter, Equation, Hop, Registry, boot_now_ns, to_epoch_ns};
use rules::Alert;

use crate::format::{Format, Formatter, Notes};
use crate::message::Message;
use crate::outbox::Outbox;
use crate::rate::{DUPLICATES, Gate, OF_ALL, OF_RULE, Passed, REPORTS, RateControl};
use crate::sink::{Handle, Notices, Sink, SinkThread, WhenFull, encode, join};

/// Counter of the alerts that reached the outputs.
const RECEIVED: &str = "outputs.received";

/// Counter of those that were printed for the sinks.
pub(crate) const EMITTED: &str = "outputs.emitted";

/// Alerts that may be under way between two counters, while the program runs.
pub const MAX_ROUND: u64 = 2048;

/// Alerts taken from one lane before the next lane is looked at.
const MAX_PER_LANE: usize = 128;

/// Whether a poll found work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Alerts were taken.
    Worked,
    /// All lanes were empty; everything taken before has been written.
    Idle,
}

/// The times at which alerts can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertTimes {
    /// Events are of now: [`perf::realtime_offset_ns`] at the start of the run, with which the shards computed their times.
    Live {
        /// Epoch minus boot clock, ns.
        realtime_offset_ns: i64,
    },
    /// Events are of the past; nothing can be said of the time since.
    Replayed,
}

impl AlertTimes {
    /// Epoch minus boot clock, ns, for events of now.
    #[must_use]
    pub fn realtime_offset_ns(self) -> Option<i64> {
        match self {
            Self::Live { realtime_offset_ns } => Some(realtime_offset_ns),
            Self::Replayed => None,
        }
    }
}

/// Up to which event a lane's shard has raised all its alerts.
pub type RaisedUpTo = Box<dyn Fn(usize) -> u64 + Send>;

/// Asked once at the end: until when sinks may take for what waits; none: for as long as they need.
pub type EndsBy = Box<dyn Fn() -> Option<Instant> + Send>;

/// Hears of every alert.
type Told = Box<dyn FnMut(&Alert) + Send>;

/// Delivers the alerts of all shards: prints each once and puts it into the queue of every sink. Sinks are woken when a round over the lanes
/// is done.
pub struct Delivery {
    lanes: Vec<Rx<Alert>>,
    sinks: Vec<Handle>,
    /// Where durable sinks take alerts from.
    outbox: Option<Outbox>,
    formatter: Formatter,
    times: AlertTimes,
    waiter: Waiter,
    /// Where it waits for room in a queue.
    room: Waiter,
    meters: DeliveryMeters,
    gate: Option<Gate>,
    /// What the gate lets through, for a moment.
    passed: Vec<Passed>,
    notices: Notices,
    output_timeout: Duration,
    ends_by: EndsBy,
    ordered: Option<Ordered>,
    told: Option<Told>,
}

/// Puts alerts into the order of their events. It takes all that the lanes hold, so that no shard ever waits for another one's alerts; how
/// much that is, the lanes between the source and the shards bound.
struct Ordered {
    raised_up_to: RaisedUpTo,
    /// By lane.
    held: Vec<VecDeque<Alert>>,
}

impl Ordered {
    /// Takes what the lanes hold; gives whether that was anything.
    fn take(&mut self, lanes: &mut [Rx<Alert>]) -> bool {
        let before: usize = self.held.iter().map(VecDeque::len).sum();
        for (lane, held) in lanes.iter_mut().zip(&mut self.held) {
            held.extend(std::iter::from_fn(|| lane.pop()));
        }
        self.held.iter().map(VecDeque::len).sum::<usize>() > before
    }

    /// The first of all alerts, if nothing that is still to come belongs before it. `bounds` was read before the lanes were.
    fn next(&mut self, bounds: &[u64]) -> Option<Alert> {
        let heads = self.held.iter().enumerate();
        let (lane, num) = heads
            .filter_map(|(lane, held)| Some((lane, held.front()?.evt_num)))
            .min_by_key(|&(_, num)| num)?;
        let is_first = self.held.iter().zip(bounds).all(|(h, &b)| !h.is_empty() || b >= num);
        if is_first { self.held[lane].pop_front() } else { None }
    }
}

#[derive(Debug)]
struct DeliveryMeters {
    received: Arc<Counter>,
    emitted: Arc<Counter>,
}

/// How alerts leave.
pub struct Outputs {
    /// Where they go.
    pub sinks: Vec<Sink>,
    /// Where the durable ones of them take alerts from.
    pub outbox: Option<Outbox>,
    /// How they are printed.
    pub formatter: Formatter,
    /// What is held back.
    pub rate_control: RateControl,
    /// A sink that is blocked for longer is told of, and a durable one is not waited for any longer at the end.
    pub output_timeout: Duration,
    /// Until when sinks may take for what waits at the end.
    pub ends_by: EndsBy,
    /// Is told of trouble with sinks, a line each.
    pub notices: Box<dyn Fn(&str) + Send + Sync>,
}

impl Delivery {
    /// Delivers from `lanes` (one per shard), and registers the counters and latencies of that. The waiter's unparker belongs to the
    /// shards, which wake this thread after they push an alert. Each sink has a thread, which has to run.
    pub fn new(
        lanes: Vec<Rx<Alert>>,
        outputs: Outputs,
        times: AlertTimes,
        waiter: Waiter,
        registry: &mut Registry,
    ) -> (Self, Vec<SinkThread>) {
        let Outputs { sinks, outbox, formatter, rate_control, output_timeout, ends_by, notices } =
            outputs;
        let notices: Notices = notices.into();
        let meters = DeliveryMeters {
            received: registry.counter(RECEIVED),
            emitted: registry.counter(EMITTED),
        };
        let gate = rate_control.is_on().then(|| Gate::new(rate_control, registry));
        let mut hop = Hop::new("outputs").input(RECEIVED).output(EMITTED).slack(MAX_ROUND);
        if gate.is_some() {
            hop = hop.input(REPORTS);
            for (reason, counter) in
                [("duplicate", DUPLICATES), ("rule_rate", OF_RULE), ("rate", OF_ALL)]
            {
                hop = hop.aside(reason, counter);
            }
        }
        registry.hop(hop);
        if let Some(outbox) = &outbox {
            outbox.register(registry);
            registry.equation(
                Equation::new("outbox: emitted = received")
                    .left(EMITTED)
                    .right("outbox.received")
                    .slack(MAX_ROUND),
            );
        }
        let room = Waiter::new(WaitLimits::default());
        let join = |sink| join(sink, times, room.unparker(), Arc::clone(&notices), registry);
        let (sinks, threads) = sinks.into_iter().map(join).unzip();
        let delivery = Self {
            lanes,
            sinks,
            outbox,
            formatter,
            times,
            waiter,
            room,
            meters,
            gate,
            passed: Vec::new(),
            notices,
            output_timeout,
            ends_by,
            ordered: None,
            told: None,
        };
        (delivery, threads)
    }

    /// Delivers in the order of the events, whichever shard raised what: for sources whose events all shards get through in the end.
    #[must_use]
    pub fn in_order(mut self, raised_up_to: RaisedUpTo) -> Self {
        let held = self.lanes.iter().map(|_| VecDeque::new()).collect();
        self.ordered = Some(Ordered { raised_up_to, held });
        self
    }

    /// Calls `f` with every alert, before it is written. It must not block.
    #[must_use]
    pub fn telling(mut self, f: impl FnMut(&Alert) + Send + 'static) -> Self {
        self.told = Some(Box::new(f));
        self
    }

    /// What asks all sinks to open anew what they keep open.
    pub fn reopener(&self) -> impl Fn() + Send + Sync + use<> {
        let all: Vec<_> = self.sinks.iter().map(Handle::reopener).collect();
        move || all.iter().for_each(|reopen| reopen())
    }

    /// What has alerts printed in another form from the next one on.
    pub fn reformatter(&self) -> impl Fn(Format) + Send + Sync + use<> {
        self.formatter.reformatter()
    }

    /// Takes what the lanes hold, up to a bound per lane, and writes it.
    pub fn poll_once(&mut self) -> Progress {
        if self.ordered.is_some() {
            return self.poll_ordered();
        }
        let mut n_taken = 0;
        for n in 0..self.lanes.len() {
            for _ in 0..MAX_PER_LANE {
                let Some(alert) = self.lanes[n].pop() else { break };
                self.take(alert);
                n_taken += 1;
            }
        }
        if n_taken == 0 {
            return Progress::Idle;
        }
        self.flush();
        Progress::Worked
    }

    fn poll_ordered(&mut self) -> Progress {
        let Some(mut ordered) = self.ordered.take() else { return Progress::Idle };
        let bounds: Vec<u64> = (0..self.lanes.len())
            .map(|n| {
                // Abandoned first, as in `is_finished`.
                if self.lanes[n].is_abandoned() { u64::MAX } else { (ordered.raised_up_to)(n) }
            })
            .collect();
        let mut has_worked = ordered.take(&mut self.lanes);
        let mut n_written = 0;
        while let Some(alert) = ordered.next(&bounds) {
            self.take(alert);
            has_worked = true;
            n_written += 1;
            if n_written % MAX_PER_LANE == 0 {
                self.flush();
            }
        }
        self.ordered = Some(ordered);
        if n_written > 0 {
            self.flush();
        }
        if has_worked { Progress::Worked } else { Progress::Idle }
    }

    fn take(&mut self, alert: Alert) {
        if let Some(told) = &mut self.told {
            told(&alert);
        }
        // Counted before a sink may count it as delivered.
        self.meters.received.add(1);
        match &mut self.gate {
            None => self.emit(&Passed { alert, n_repeated: 0 }),
            Some(gate) => {
                gate.take(alert, &mut self.passed);
                self.emit_passed();
            }
        }
    }

    /// Emits what the gate let through; gives whether that was anything.
    fn emit_passed(&mut self) -> bool {
        let mut passed = std::mem::take(&mut self.passed);
        let is_any = !passed.is_empty();
        for one in passed.drain(..) {
            self.emit(&one);
        }
        self.passed = passed;
        is_any
    }

    fn emit(&mut self, passed: &Passed) {
        let Self { sinks, outbox, formatter, meters, times, room, .. } = self;
        let Passed { alert, n_repeated } = passed;
        meters.emitted.add(1);
        let id = outbox.as_mut().map(Outbox::next_id);
        let notes = Notes { id, n_repeated: *n_repeated };
        let line = formatter.line(alert, notes).into();
        let message = Arc::new(Message {
            id,
            ts_ns: alert.ts_ns,
            taken_ns: boot_now_ns(),
            rule: Arc::clone(&alert.rule.name),
            priority: alert.rule.priority,
            is_json: formatter.is_json(),
            line,
        });
        if let (Some(outbox), Some(id)) = (outbox, id) {
            let text = encode(&message);
            // What is refused is counted where it is.
            drop(outbox.push(id, text));
        }
        for sink in sinks {
            // Live, nobody waits for a sink.
            let when_full = match times {
                AlertTimes::Live { .. } => WhenFull::Lose,
                AlertTimes::Replayed => WhenFull::Wait(room),
            };
            sink.push(&message, when_full);
        }
    }

    /// Emits what is due by the clock.
    fn pass_time(&mut self) {
        if let (Some(gate), Some(offset_ns)) = (&mut self.gate, self.times.realtime_offset_ns()) {
            gate.pass_time(to_epoch_ns(boot_now_ns(), offset_ns), &mut self.passed);
            if self.emit_passed() {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        self.sinks.iter().for_each(Handle::wake);
    }

    /// Tells of sinks that are blocked.
    fn look_at_sinks(&mut self) {
        for stall in self.sinks.iter_mut().filter_map(|s| s.stall(self.output_timeout)) {
            (self.notices)(&stall);
        }
    }

    /// Whether every shard is gone and all it sent is delivered.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        // Abandoned first: what was pushed before that is then seen by the look at the depth.
        let is_empty = self.ordered.iter().all(|o| o.held.iter().all(VecDeque::is_empty));
        is_empty && self.lanes.iter().all(|l| l.is_abandoned() && l.depth() == 0)
    }

    /// Delivers until every shard is gone; gives what sinks were not done with.
    #[must_use]
    pub fn run(mut self) -> Vec<String> {
        loop {
            match self.poll_once() {
                Progress::Worked => self.waiter.reset(),
                Progress::Idle if self.is_finished() => return self.finish(),
                Progress::Idle => {
                    self.pass_time();
                    self.look_at_sinks();
                    self.waiter.idle();
                }
            }
        }
    }

    /// Waits for the sinks, no longer than they may take; gives what they were not done with.
    #[must_use]
    pub fn finish(mut self) -> Vec<String> {
        if let Some(gate) = &mut self.gate {
            gate.finish(&mut self.passed);
            self.emit_passed();
        }
        let Self { mut sinks, outbox, ends_by, output_timeout, notices, .. } = self;
        sinks.iter().for_each(Handle::end);
        let deadline = ends_by();
        // A disk that does not answer leaves half of the time to sinks that need none.
        let for_disk = deadline.map(|end| {
            let now = Instant::now();
            now + end.saturating_duration_since(now) / 2
        });
        let is_written = outbox.is_none_or(|outbox| outbox.finish(for_disk));
        let stuck = (!is_written).then(|| "outbox: the disk does not answer".to_owned());
        let mut lost = Vec::from_iter(stuck);
        for sink in &mut sinks {
            // What a durable one is not done with, the next run delivers.
            let patience = Instant::now() + output_timeout;
            let until = deadline.map(|end| if sink.is_durable() { end.min(patience) } else { end });
            let left = sink.finish(until);
            lost.extend(left.lost);
            if let Some(kept) = left.kept {
                notices(&kept);
            }
        }
        lost
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("n_lanes", &self.lanes.len())
            .field("n_sinks", &self.sinks.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread::JoinHandle;

    use bus::{Tx, alert_lane};
    use perf::Moment;
    use rules::AlertValue;

    use super::*;
    use crate::queue::QueueLimits;
    use crate::rate::Rate;
    use crate::sink::{Sent, SinkLimits, Stop, Transport};
    use crate::testing::{Page, alert};

    struct Rig {
        tx: Vec<Tx<Alert>>,
        delivery: Delivery,
        threads: Vec<JoinHandle<()>>,
        registry: Registry,
    }

    const LIVE: AlertTimes = AlertTimes::Live { realtime_offset_ns: 0 };

    fn rig(n_lanes: usize, sinks: Vec<Sink>, times: AlertTimes) -> Rig {
        rig_with(RateControl::default(), n_lanes, sinks, times)
    }

    fn rig_with(
        rate_control: RateControl,
        n_lanes: usize,
        sinks: Vec<Sink>,
        times: AlertTimes,
    ) -> Rig {
        let (tx, rx) = (0..n_lanes).map(|_| alert_lane(1024)).unzip();
        let mut registry = Registry::new();
        let outputs = Outputs {
            sinks,
            outbox: None,
            formatter: Formatter::new(Format::default(), "h"),
            rate_control,
            output_timeout: Duration::from_millis(20),
            ends_by: Box::new(move || {
                (times != AlertTimes::Replayed).then(|| Instant::now() + Duration::from_millis(20))
            }),
            notices: Box::new(|_| {}),
        };
        let waiter = Waiter::new(WaitLimits::default());
        let (delivery, threads) = Delivery::new(rx, outputs, times, waiter, &mut registry);
        let threads = threads.into_iter().map(|t| std::thread::spawn(|| t.run())).collect();
        Rig { tx, delivery, threads, registry }
    }

    impl Rig {
        /// Ends it; gives its counters and what was left.
        fn end(self) -> (perf::Snapshot, Vec<String>) {
            let Self { tx, mut delivery, threads, registry } = self;
            drop(tx);
            while !delivery.is_finished() {
                delivery.poll_once();
            }
            let left = delivery.finish();
            if left.is_empty() {
                for thread in threads {
                    thread.join().unwrap();
                }
            }
            let snapshot = registry.snapshot(Moment::Final);
            assert!(snapshot.balances(), "{}", snapshot.table());
            (snapshot, left)
        }
    }

    /// Is stuck in the first send until the door opens.
    struct Stuck(Arc<Mutex<()>>);

    impl Transport for Stuck {
        fn send(&mut self, messages: &[Arc<Message>]) -> Sent {
            drop(self.0.lock());
            Sent { n_delivered: messages.len(), stop: None }
        }
    }

    /// Nobody is there.
    struct Gone;

    impl Transport for Gone {
        fn send(&mut self, _: &[Arc<Message>]) -> Sent {
            Sent { n_delivered: 0, stop: Some(Stop::Closed) }
        }
    }

    fn limits(n_alerts: usize) -> SinkLimits {
        let queue = QueueLimits { n_alerts, ..QueueLimits::default() };
        SinkLimits { queue, ..SinkLimits::default() }
    }

    fn page(name: &'static str) -> (Page, Sink) {
        let page = Page::default();
        (page.clone(), Sink::new(name, page, limits(1024)))
    }

    #[test]
    fn every_alert_reaches_every_sink_and_the_counts_balance() {
        let ((a, to_a), (b, to_b)) = (page("stdout"), page("file"));
        let mut rig = rig(2, vec![to_a, to_b], LIVE);
        assert_eq!(rig.delivery.poll_once(), Progress::Idle);
        for n in 0..200 {
            rig.tx[n % 2].push(alert(&format!("n={n}"))).unwrap();
        }
        assert_eq!(rig.delivery.poll_once(), Progress::Worked);
        assert!(!rig.delivery.is_finished());
        let (s, left) = rig.end();
        assert!(left.is_empty(), "{left:?}");
        assert_eq!(a.text().lines().count(), 200);
        assert_eq!(a.text(), b.text());
        assert_eq!(s.get("outputs.received"), Some(200));
        assert_eq!(s.get("outputs.file.delivered"), Some(200));
        let n_timed = |name: &str| s.latencies.iter().find(|l| l.name == name).unwrap().n;
        assert_eq!((n_timed("delivery.file"), n_timed("end_to_end.stdout")), (200, 200));
    }

    #[test]
    fn a_sink_that_is_stuck_holds_nobody_up_and_what_it_lost_is_counted() {
        let door = Arc::new(Mutex::new(()));
        let (other, to_other) = page("file");
        let sinks = vec![Sink::new("http", Stuck(Arc::clone(&door)), limits(16)), to_other];
        let shut = door.lock().unwrap();
        let mut rig = rig(1, sinks, LIVE);
        for n in 0..1000 {
            rig.tx[0].push(alert(&format!("n={n}"))).unwrap();
            rig.delivery.poll_once();
        }
        let (s, left) = rig.end();
        assert_eq!(other.text().lines().count(), 1000);
        let n = |what: &str| s.get(&format!("outputs.http.{what}")).unwrap();
        assert_eq!(n("delivered"), 0);
        let n_left = n("lost_unfinished");
        assert!((1..=1000).contains(&n_left) && n_left + n("lost_queue_full") == 1000);
        let told = format!("output http: {n_left} alerts could not be delivered before the end");
        assert_eq!(left, [told]);
        drop(shut);
    }

    #[test]
    fn a_sink_that_is_blocked_is_told_of_once() {
        let door = Arc::new(Mutex::new(()));
        let shut = door.lock().unwrap();
        let mut rig = rig(1, vec![Sink::new("http", Stuck(Arc::clone(&door)), limits(16))], LIVE);
        let told = Arc::new(Mutex::new(Vec::<String>::new()));
        let to = Arc::clone(&told);
        rig.delivery.notices = Arc::new(move |line: &str| to.lock().unwrap().push(line.to_owned()));
        rig.tx[0].push(alert("x")).unwrap();
        rig.delivery.poll_once();
        while told.lock().unwrap().is_empty() {
            rig.delivery.look_at_sinks();
        }
        rig.delivery.look_at_sinks();
        let said = ["output http: blocked for more than 20 ms; 1 alerts wait"];
        assert_eq!(*told.lock().unwrap(), said);
        drop(shut);
        let (s, _) = rig.end();
        assert_eq!(s.get("outputs.http.stalls"), Some(1));
    }

    #[test]
    fn a_replay_waits_for_a_slow_sink() {
        struct Slow(Page);
        impl Transport for Slow {
            fn send(&mut self, messages: &[Arc<Message>]) -> Sent {
                std::thread::sleep(Duration::from_millis(1));
                self.0.send(&messages[..1])
            }
        }
        let page = Page::default();
        let sink = Sink::new("stdout", Slow(page.clone()), limits(4));
        let mut rig = rig(1, vec![sink], AlertTimes::Replayed);
        for n in 0..100 {
            rig.tx[0].push(alert(&format!("n={n}"))).unwrap();
        }
        rig.delivery.poll_once();
        let (s, left) = rig.end();
        assert!(left.is_empty(), "{left:?}");
        assert_eq!(s.get("outputs.stdout.delivered"), Some(100));
        assert_eq!(page.text().lines().count(), 100);
    }

    #[test]
    fn what_is_held_back_is_counted_told_and_heard_of() {
        let control = RateControl {
            same_within: Duration::from_millis(10),
            of_all: Some(Rate { per_second: 0.0, burst: 2.0 }),
            ..RateControl::default()
        };
        let (page, sink) = page("stdout");
        let mut rig = rig_with(control, 1, vec![sink], LIVE);
        let n_heard = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&n_heard);
        rig.delivery = rig.delivery.telling(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        for name in ["a", "a", "a", "b", "c", "c"] {
            let fields = vec![("proc.name".into(), AlertValue::Text(name.into()))];
            rig.tx[0].push(Alert { fields, ..alert(name) }).unwrap();
        }
        rig.delivery.poll_once();
        rig.delivery.pass_time();
        let (s, _) = rig.end();
        let n = |what: &str| s.get(&format!("outputs.{what}")).unwrap();
        assert_eq!((n("received"), n("suppressed_duplicate"), n("suppressed_rate")), (6, 3, 1));
        assert_eq!((n("reports"), n("emitted"), n("stdout.delivered")), (3, 5, 5));
        let shown: Vec<_> =
            page.text().lines().map(|l| l.split_once("Warning ").unwrap().1.to_owned()).collect();
        let (report, shown) = shown.split_last().unwrap();
        assert_eq!(shown, ["a", "b", "a [peregrine: repeated=2]", "c [peregrine: repeated=1]"]);
        assert!(report.contains("Above the rate: 1"), "{report}");
        assert_eq!(n_heard.load(Ordering::Relaxed), 6, "recordings begin all the same");
    }

    #[test]
    fn whoever_listens_hears_of_every_alert() {
        let mut rig = rig(2, Vec::new(), LIVE);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&heard);
        rig.delivery = rig.delivery.telling(move |a| to.lock().unwrap().push(a.output.clone()));
        rig.tx[0].push(alert("a")).unwrap();
        rig.tx[1].push(alert("b")).unwrap();
        rig.delivery.poll_once();
        assert_eq!(*heard.lock().unwrap(), ["a", "b"]);
    }

    #[test]
    fn a_stdout_without_reader_is_told_once() {
        let told = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&told);
        let sink = Sink::new("stdout", Gone, limits(16));
        let sink = sink.when_closed(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let mut rig = rig(1, vec![sink], LIVE);
        for _ in 0..2 {
            rig.tx[0].push(alert("x")).unwrap();
            rig.delivery.poll_once();
        }
        let (s, _) = rig.end();
        assert_eq!(s.get("outputs.stdout.lost_closed"), Some(2));
        assert_eq!(told.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn alerts_come_in_the_order_of_their_events() {
        let (page, sink) = page("stdout");
        let mut rig = rig(2, vec![sink], AlertTimes::Replayed);
        let done: Arc<[AtomicU64; 2]> = Arc::default();
        let asked = Arc::clone(&done);
        rig.delivery =
            rig.delivery.in_order(Box::new(move |lane| asked[lane].load(Ordering::Relaxed)));
        let numbered = |evt_num: u64| Alert { evt_num, ..alert(&format!("event {evt_num}")) };
        for n in [3, 5, 9] {
            rig.tx[0].push(numbered(n)).unwrap();
        }
        let emitted = Arc::clone(&rig.delivery.meters.emitted);
        assert_eq!(rig.delivery.poll_once(), Progress::Worked);
        assert_eq!(emitted.get(), 0, "the other shard could still raise one before");
        done[1].store(4, Ordering::Relaxed);
        rig.delivery.poll_once();
        assert_eq!(emitted.get(), 1);
        rig.tx[1].push(numbered(7)).unwrap();
        rig.delivery.poll_once();
        assert_eq!(emitted.get(), 3, "9 waits: the other shard is known to be past 4 only");
        rig.tx.clear();
        assert!(!rig.delivery.is_finished());
        rig.delivery.poll_once();
        assert!(rig.delivery.is_finished());
        rig.end();
        let places: Vec<_> = [3, 5, 7, 9].map(|n| page.text().find(&format!("event {n}"))).into();
        assert!(places.is_sorted() && !places.contains(&None), "{}", page.text());
    }

    #[test]
    fn the_thread_ends_with_its_last_shard() {
        let (page, sink) = page("stdout");
        let Rig { mut tx, delivery, .. } = rig(1, vec![sink], LIVE);
        let unparker = delivery.waiter.unparker();
        let thread = std::thread::spawn(move || delivery.run());
        tx[0].push(alert("last")).unwrap();
        drop(tx);
        unparker.wake();
        assert!(thread.join().unwrap().is_empty());
        assert!(page.text().ends_with("last\n"));
    }
}

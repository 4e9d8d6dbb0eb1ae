//! The last hop: takes alerts from the lanes of all shards, prints each once, and hands the line to every sink.

use std::collections::VecDeque;
use std::sync::Arc;

use bus::{Rx, Waiter};
use perf::{Counter, Latency, Registry, boot_now_ns, to_epoch_ns};
use rules::Alert;

use crate::format::Formatter;
use crate::sink::{RECEIVED, Sink};

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

/// Hears of every alert.
type Told = Box<dyn FnMut(&Alert) + Send>;

/// Delivers the alerts of all shards. Sinks are written when the lanes run empty, so that an alert waits for no other, and when a buffer is
/// full.
pub struct Delivery {
    lanes: Vec<Rx<Alert>>,
    sinks: Vec<Sink>,
    formatter: Formatter,
    times: AlertTimes,
    waiter: Waiter,
    meters: DeliveryMeters,
    /// Event time (epoch ns) and time taken (boot ns) of what is not flushed yet; bounded by what one round over the lanes takes.
    unflushed: Vec<(u64, u64)>,
    reader_gone: Option<Box<dyn FnOnce() + Send>>,
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
    delivery: Arc<Latency>,
    end_to_end: Arc<Latency>,
}

impl Delivery {
    /// Delivers from `lanes` (one per shard) to `sinks`, and registers the counters and latencies of that. The waiter's unparker belongs to
    /// the shards, which wake this thread after they push an alert.
    pub fn new(
        lanes: Vec<Rx<Alert>>,
        mut sinks: Vec<Sink>,
        formatter: Formatter,
        times: AlertTimes,
        waiter: Waiter,
        registry: &mut Registry,
    ) -> Self {
        let meters = DeliveryMeters {
            received: registry.counter(RECEIVED),
            delivery: registry.latency("delivery", 1),
            end_to_end: registry.latency("end_to_end", 1),
        };
        for sink in &mut sinks {
            sink.register(registry);
        }
        let unflushed = Vec::with_capacity(lanes.len() * MAX_PER_LANE);
        Self {
            lanes,
            sinks,
            formatter,
            times,
            waiter,
            meters,
            unflushed,
            reader_gone: None,
            ordered: None,
            told: None,
        }
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

    /// Calls `f` once, when stdout is a sink and its reader has gone.
    #[must_use]
    pub fn when_reader_is_gone(mut self, f: impl FnOnce() + Send + 'static) -> Self {
        self.reader_gone = Some(Box::new(f));
        self
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
                self.write(&alert);
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
            self.write(&alert);
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

    fn write(&mut self, alert: &Alert) {
        let Self { sinks, formatter, meters, unflushed, told, .. } = self;
        if let Some(told) = told {
            told(alert);
        }
        // Counted before a sink may count it as delivered.
        meters.received.add(1);
        unflushed.push((alert.ts_ns, boot_now_ns()));
        let line = formatter.line(alert);
        for sink in sinks {
            sink.push(line);
        }
    }

    fn flush(&mut self) {
        self.sinks.iter_mut().for_each(Sink::flush);
        let now = boot_now_ns();
        for (ts_ns, taken) in self.unflushed.drain(..) {
            self.meters.delivery.record(now.saturating_sub(taken));
            if let AlertTimes::Live { realtime_offset_ns } = self.times {
                let now = to_epoch_ns(now, realtime_offset_ns);
                self.meters.end_to_end.record(now.saturating_sub(ts_ns));
            }
        }
        if self.sinks.iter().any(|s| s.is_closed() && s.name() == "stdout")
            && let Some(f) = self.reader_gone.take()
        {
            f();
        }
    }

    /// Whether every shard is gone and all it sent is delivered.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        // Abandoned first: what was pushed before that is then seen by the look at the depth.
        let is_empty = self.ordered.iter().all(|o| o.held.iter().all(VecDeque::is_empty));
        is_empty && self.lanes.iter().all(|l| l.is_abandoned() && l.depth() == 0)
    }

    /// Delivers until every shard is gone.
    pub fn run(mut self) {
        loop {
            match self.poll_once() {
                Progress::Worked => self.waiter.reset(),
                Progress::Idle if self.is_finished() => return,
                Progress::Idle => self.waiter.idle(),
            }
        }
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("n_lanes", &self.lanes.len())
            .field("sinks", &self.sinks)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind, Write};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use bus::{Tx, WaitLimits, alert_lane};
    use perf::Moment;

    use super::*;
    use crate::format::Format;
    use crate::testing::alert;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn rig(n_lanes: usize, sinks: Vec<Sink>) -> (Vec<Tx<Alert>>, Delivery, Registry) {
        let (tx, rx) = (0..n_lanes).map(|_| alert_lane(1024)).unzip();
        let mut registry = Registry::new();
        let formatter = Formatter::new(Format::default(), "h");
        let times = AlertTimes::Live { realtime_offset_ns: perf::realtime_offset_ns() };
        let waiter = Waiter::new(WaitLimits::default());
        let delivery = Delivery::new(rx, sinks, formatter, times, waiter, &mut registry);
        (tx, delivery, registry)
    }

    #[test]
    fn every_alert_reaches_every_sink_and_the_counts_balance() {
        let (a, b) = (Page::default(), Page::default());
        let sinks =
            vec![Sink::new("stdout", Box::new(a.clone())), Sink::new("file", Box::new(b.clone()))];
        let (mut tx, mut delivery, registry) = rig(2, sinks);
        assert_eq!(delivery.poll_once(), Progress::Idle);
        for n in 0..200 {
            tx[n % 2].push(alert(&format!("n={n}"))).unwrap();
        }
        assert_eq!(delivery.poll_once(), Progress::Worked);
        assert_eq!(a.0.lock().unwrap().split_inclusive(|&c| c == b'\n').count(), 200);
        assert_eq!(*a.0.lock().unwrap(), *b.0.lock().unwrap());
        let s = registry.snapshot(Moment::Final);
        assert!(s.balances(), "{}", s.table());
        assert_eq!(s.get("outputs.received"), Some(200));
        assert_eq!(s.get("outputs.file.delivered"), Some(200));
        let n_timed = |name: &str| s.latencies.iter().find(|l| l.name == name).unwrap().n;
        assert_eq!((n_timed("delivery"), n_timed("end_to_end")), (200, 200));
        assert!(!delivery.is_finished());
        drop(tx);
        assert!(delivery.is_finished());
    }

    #[test]
    fn whoever_listens_hears_of_every_alert() {
        let (mut tx, delivery, _registry) = rig(2, Vec::new());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&heard);
        let mut delivery = delivery.telling(move |a| to.lock().unwrap().push(a.output.clone()));
        tx[0].push(alert("a")).unwrap();
        tx[1].push(alert("b")).unwrap();
        delivery.poll_once();
        assert_eq!(*heard.lock().unwrap(), ["a", "b"]);
    }

    #[test]
    fn a_stdout_without_reader_is_told_once() {
        let (mut tx, delivery, registry) = rig(1, vec![Sink::new("stdout", Box::new(Gone))]);
        let told = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&told);
        let mut delivery =
            delivery.when_reader_is_gone(move || flag.store(true, Ordering::Relaxed));
        for _ in 0..2 {
            tx[0].push(alert("x")).unwrap();
            delivery.poll_once();
            assert!(told.load(Ordering::Relaxed));
        }
        let s = registry.snapshot(Moment::Final);
        assert_eq!(s.get("outputs.stdout.lost_closed"), Some(2));
        assert!(s.balances(), "{}", s.table());
    }

    #[test]
    fn alerts_come_in_the_order_of_their_events() {
        use std::sync::atomic::AtomicU64;

        let page = Page::default();
        let (mut tx, delivery, _registry) =
            rig(2, vec![Sink::new("stdout", Box::new(page.clone()))]);
        let done: Arc<[AtomicU64; 2]> = Arc::default();
        let asked = Arc::clone(&done);
        let mut delivery =
            delivery.in_order(Box::new(move |lane| asked[lane].load(Ordering::Relaxed)));
        let lines = || String::from_utf8(page.0.lock().unwrap().clone()).unwrap().lines().count();
        let numbered = |evt_num: u64| Alert { evt_num, ..alert(&format!("event {evt_num}")) };
        for n in [3, 5, 9] {
            tx[0].push(numbered(n)).unwrap();
        }
        assert_eq!(delivery.poll_once(), Progress::Worked);
        assert_eq!(lines(), 0, "the other shard could still raise one before");
        done[1].store(4, Ordering::Relaxed);
        delivery.poll_once();
        assert_eq!(lines(), 1);
        tx[1].push(numbered(7)).unwrap();
        delivery.poll_once();
        assert_eq!(lines(), 3, "9 waits: the other shard is known to be past 4 only");
        drop(tx);
        assert!(!delivery.is_finished());
        delivery.poll_once();
        assert!(delivery.is_finished());
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        let places: Vec<_> = [3, 5, 7, 9].map(|n| text.find(&format!("event {n}"))).into();
        assert!(places.is_sorted() && !places.contains(&None), "{text}");
    }

    #[test]
    fn the_thread_ends_with_its_last_shard() {
        let page = Page::default();
        let (mut tx, delivery, _registry) =
            rig(1, vec![Sink::new("stdout", Box::new(page.clone()))]);
        let unparker = delivery.waiter.unparker();
        let thread = std::thread::spawn(move || delivery.run());
        tx[0].push(alert("last")).unwrap();
        drop(tx);
        unparker.wake();
        thread.join().unwrap();
        assert!(page.0.lock().unwrap().ends_with(b"last\n"));
    }
}

//! The one place that makes lanes and threads.
//!
//! ```text
//! cap-N     one lane to each shard, one watermark            (a replay: all of them fed by one thread, cap-0)
//! shard-N   one lane from each capture thread, one alert lane
//! rec       one lane from each capture thread                (-w, capture.enabled)
//! out       all alert lanes, and that of the recorder's own; one queue to each sink
//! out-SINK  its queue; with --single-thread, too
//! containers   asks runtimes of the containers that shards meet  (live)
//! repair       looks at processes of which something was lost, by way of cap-0  (live)
//! drops        looks at the counters of dropped events, an alert lane of its own  (live)
//! metrics      takes snapshots of the counters, an alert lane of its own  (live; made in telling.rs, as is web, which answers over HTTP)
//! reload       waits for SIGHUP and changed files, an alert lane of its own  (live; made in run.rs)
//! outside      starts repair, what writes the head of a recording, and the sink of programs: no bounded thread may do what they do  (made in run.rs)
//! ```
//! With `--single-thread` the same objects are stepped in turn by the thread that calls [`Topology::run_single`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::Result;
use bus::{KeyClock, Unparker, WaitLimits, Waiter, Watermark};
use capture::savefile::{
    EVT_NUM_SHIFT, Findings, ReadMeters, ReaderCounts, Replay, ReplayEnd, ReplayFeed, ReplayThread,
};
use capture::{CaptureThread, KernelRing, Losses, MAX_UNCOUNTED, Progress, Seeds, Spread};
use containers::LookupThread;
use event::mark::HostMarks;
use outputs::{AlertTimes, Delivery, Format, Formatter, Outbox, Outputs, Sink};
use perf::{Equation, Registry};
use rules::Ruleset;
use stages::{LeftOutNotes, Lineage, RuleSwap, Shard, Users};

use crate::capture_on_alert::{self, AlertCapture, Means};
use crate::capture_threads::{self, Feed, spawn};
use crate::config::{Config, Metrics};
use crate::drop_alerts::{self, DropAlerts, Looking};
use crate::give_back::GiveBack;
use crate::internal_alerts::InternalAlerts;
use crate::lanes::Lanes;
use crate::lifecycle::Lifecycle;
use crate::metrics::{self, SnapshotAlerts};
use crate::name_lookups::NameLookups;
use crate::nap::Nap;
use crate::plan::Plan;
use crate::progress::{self, Progress as Reached};
use crate::recorder::{self, Recorder, RecorderEnd, RecorderParts, WholeRun};
use crate::reload_alerts::{self, ReloadAlerts};
use crate::repair::Repair;
use crate::run::say;
use crate::sandbox::{Outside, explained};
use crate::self_alerts::{self, SelfAlerts};
use crate::shards;
use crate::signals::{EndSender, EndWaiter, Ending};
use crate::sink_threads::{self, Sinks};
use crate::thread_loads::ThreadTimes;
use crate::top::Onlookers;
use crate::{
    container_lookups, container_notes, name_lookups, repair, savefile_users, unclean_stop,
};

/// The program's own alerts of one thread that wait for the outputs.
const INTERNAL_ALERTS: usize = 64;

/// Where frames come from, not yet joined to lanes.
pub(crate) enum Source {
    /// The kernel.
    Live {
        /// One ring per CPU.
        rings: Vec<KernelRing>,
        /// Processes from before.
        seeds: Seeds,
        /// Makes keys of times.
        clock: KeyClock,
        /// Epoch minus boot clock, ns.
        realtime_offset_ns: i64,
        /// What the kernel side notes of losses.
        losses: Box<Losses>,
        /// Where it is told which processes are on the host.
        host_marks: HostMarks,
    },
    /// A savefile.
    Replay(Box<Replay>),
}

impl Source {
    /// What makes keys of times, where times are keys.
    pub(crate) fn clock(&self) -> Option<KeyClock> {
        match self {
            Self::Live { clock, .. } => Some(*clock),
            Self::Replay(_) => None,
        }
    }

    fn host_marks(&self) -> Option<HostMarks> {
        match self {
            Self::Live { host_marks, .. } => Some(*host_marks),
            Self::Replay(_) => None,
        }
    }

    fn times(&self) -> AlertTimes {
        match self {
            Self::Live { realtime_offset_ns, .. } => {
                AlertTimes::Live { realtime_offset_ns: *realtime_offset_ns }
            }
            Self::Replay(_) => AlertTimes::Replayed,
        }
    }

    /// Low bits of a key that are not part of its event's number.
    fn evt_num_shift(&self) -> u32 {
        match self {
            Self::Live { .. } => 0,
            Self::Replay(_) => EVT_NUM_SHIFT,
        }
    }
}

/// Everything that a topology is made of.
pub(crate) struct Parts<'a> {
    pub(crate) config: &'a Config,
    pub(crate) plan: Plan,
    pub(crate) source: Source,
    pub(crate) ruleset: Arc<Ruleset>,
    pub(crate) users: Arc<Users>,
    pub(crate) hostname: String,
    pub(crate) sinks: Vec<Sink>,
    pub(crate) outbox: Option<Outbox>,
    pub(crate) recorder: Option<RecorderParts>,
    pub(crate) end: EndSender,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) outside: Outside,
    pub(crate) give_back: GiveBack,
}

/// The source, joined to its lanes.
enum Capture {
    Live(Vec<CaptureThread<KernelRing>>),
    Replay(Box<ReplayThread>),
}

/// All parts of the pipeline, joined by lanes, not yet running.
pub(crate) struct Topology {
    plan: Plan,
    capture: Capture,
    shards: Vec<Shard>,
    swap: Arc<RuleSwap>,
    lineage: Arc<Lineage>,
    users: Arc<Users>,
    delivery: Delivery,
    onlookers: Arc<Onlookers>,
    sinks: Sinks,
    recorder: Option<Recorder>,
    lookups: Option<LookupThread>,
    repair: Option<Repair>,
    names: Option<NameLookups>,
    drop_alerts: Option<DropAlerts>,
    reload_alerts: Option<ReloadAlerts>,
    self_alerts: Option<SelfAlerts>,
    snapshot_alerts: Option<SnapshotAlerts>,
    thread_times: ThreadTimes,
    watermarks: Vec<Arc<Watermark>>,
    end: EndSender,
}

/// How a run ended.
#[derive(Debug, Default)]
pub(crate) struct RunEnd {
    /// What went wrong on the way; the run's alerts are complete up to there.
    pub(crate) troubles: Vec<String>,
    /// What was passed over of a capture that was replayed.
    pub(crate) passed_over: ReaderCounts,
    /// What was not as it should be in it.
    pub(crate) findings: Findings,
}

impl Topology {
    /// Makes every lane, joins the parts, and registers every meter in the direction of flow.
    #[expect(clippy::too_many_lines, reason = "one part after the other, each once")]
    pub(crate) fn build(parts: Parts<'_>, registry: &mut Registry) -> Result<Self> {
        let Parts {
            config,
            plan,
            source,
            ruleset,
            users,
            hostname,
            sinks,
            outbox,
            recorder,
            end,
            lifecycle,
            outside,
            give_back,
        } = parts;
        let outside_of_sinks = outside.clone();
        let times = source.times();
        let evt_num_shift = source.evt_num_shift();
        let lanes =
            Lanes::new(config, &plan, recorder.is_some() || config.on_alert.is_some(), registry);
        let Lanes {
            feeds,
            from_capture,
            recorded,
            watermarks,
            shard_waiters,
            recorder_waiter,
            thread_times,
        } = lanes;
        let clock = source.clock();
        let host_marks = source.host_marks();
        let (mut capture, losses) = source.join(feeds)?;
        capture.set_spread(config.spread);
        let users_asked = Arc::clone(&users);

        let (alert_tx, mut alert_rx): (Vec<_>, Vec<_>) =
            (0..plan.n_shards).map(|_| bus::alert_lane(config.alert_lane_capacity)).unzip();
        let formatter = Formatter::new(config.format, &hostname);
        let utc_offset_s = formatter.utc_offset_s();
        let output_waiter = Waiter::new(match times {
            AlertTimes::Live { .. } => WaitLimits::WOKEN,
            AlertTimes::Replayed => WaitLimits::default(),
        });
        let shards::Built { shards, swap, lineage, watches, wakers } = shards::build(
            shards::Parts {
                config,
                lanes: from_capture,
                watermarks: watermarks.clone(),
                sources: capture.unparkers(),
                waiters: shard_waiters,
                alerts: alert_tx,
                outputs: output_waiter.unparker(),
                ruleset,
                users,
                hostname: hostname.into(),
                times,
                utc_offset_s,
                evt_num_shift,
            },
            registry,
        );
        if let Some(marks) = host_marks {
            lineage.tell_host_marks(marks);
        }
        let is_recorded = recorder.is_some() || config.on_alert.is_some();
        let (record, told) = is_recorded.then(container_notes::channel).unzip();
        // A recording tells of its containers itself.
        let lookups = match (&capture, &config.containers.lookups) {
            (Capture::Live(_), Some(lookups)) => {
                let lookups = lookups.clone();
                Some(container_lookups::start(lookups, &lineage, wakers, record, registry)?)
            }
            _ => None,
        };
        let repair = match &mut capture {
            Capture::Live(threads) if config.repair_rate > 0 => threads
                .first_mut()
                .zip(losses.zip(clock))
                .map(|(first, (losses, clock))| {
                    let rate = config.repair_rate;
                    repair::start(losses, clock, first, &lineage, rate, &outside, registry)
                })
                .transpose()?,
            _ => None,
        };
        name_lookups::register(&lineage, registry);
        let names = match &capture {
            Capture::Live(_) if config.resolve_names => {
                Some(NameLookups::start(&lineage, config.limits.host_names, registry)?)
            }
            _ => None,
        };
        if let Capture::Replay(replay) = &mut capture {
            savefile_users::register_left_out(&lineage, &users_asked, registry);
            let (lineage, users) = (Arc::clone(&lineage), Arc::clone(&users_asked));
            let note = move |key, frame: &[u8]| stages::note(&lineage, &users, key, frame);
            replay.tell(Box::new(note));
            replay.count_by(ReadMeters::register(registry));
        }
        let gone = end.try_clone()?;
        let (on_alert, teller) = config
            .on_alert
            .as_ref()
            .zip(times.realtime_offset_ns())
            .map(|(on_alert, offset_ns)| {
                let means = Means {
                    realtime_offset_ns: offset_ns,
                    internal: own_lane(&mut alert_rx, &output_waiter),
                    recorder: recorder_waiter.unparker(),
                    slack: recorder::WINDOW as u64,
                    outside,
                    give_back,
                };
                AlertCapture::new(on_alert, means, registry)
            })
            .unzip();
        let drop_alerts =
            times.realtime_offset_ns().filter(|_| config.event_drops.actions.is_any());
        let drop_alerts = drop_alerts
            .map(|offset_ns| {
                let internal = own_lane(&mut alert_rx, &output_waiter);
                let end = end.try_clone()?;
                anyhow::Ok(DropAlerts::new(&config.event_drops, internal, offset_ns, end, registry))
            })
            .transpose()?;
        let reload_alerts = times.realtime_offset_ns().map(|offset_ns| {
            let internal = own_lane(&mut alert_rx, &output_waiter);
            ReloadAlerts::new(internal, offset_ns, registry)
        });
        let self_alerts = times.realtime_offset_ns().map(|offset_ns| {
            let internal = own_lane(&mut alert_rx, &output_waiter);
            SelfAlerts::new(internal, offset_ns, registry)
        });
        let has_snapshots = config.metrics.as_ref().is_some_and(Metrics::raises_alerts);
        let snapshot_alerts =
            times.realtime_offset_ns().filter(|_| has_snapshots).map(|offset_ns| SnapshotAlerts {
                internal: own_lane(&mut alert_rx, &output_waiter),
                realtime_offset_ns: offset_ns,
                raised: registry.counter(metrics::RAISED),
            });
        let unclean_stop = outbox.as_ref().and_then(|o| o.recovery().unclean_stop.as_ref());
        if let Some(stop) = unclean_stop {
            let in_lanes = plan.n_shards * config.alert_lane_capacity;
            let internal = own_lane(&mut alert_rx, &output_waiter);
            unclean_stop::raise(stop, in_lanes as u64, internal, registry);
        }
        let own = [
            (on_alert.is_some(), capture_on_alert::RAISED),
            (drop_alerts.is_some(), drop_alerts::RAISED),
            (reload_alerts.is_some(), reload_alerts::RAISED),
            (self_alerts.is_some(), self_alerts::RAISED),
            (snapshot_alerts.is_some(), metrics::RAISED),
            (unclean_stop.is_some(), unclean_stop::RAISED),
        ];
        let outputs = Outputs {
            sinks: sink_threads::with_reader(sinks, gone),
            outbox,
            formatter,
            rate_control: config.outputs.rate_control,
            output_timeout: config.outputs.timeout,
            ends_by: Box::new(move || lifecycle.ends_by()),
            notices: Box::new(|line| say(&format!("{}\n", explained(line)))),
        };
        let (mut delivery, sinks) =
            Delivery::new(alert_rx, outputs, times, output_waiter, registry);
        let sinks = Sinks { threads: sinks, outside: outside_of_sinks };
        let onlookers = Onlookers::new(watches);
        delivery = delivery.telling(onlookers.teller(teller));
        if times == AlertTimes::Replayed {
            // Live, an alert waits for no other.
            let lineage = Arc::clone(&lineage);
            delivery =
                delivery.in_order(Box::new(move |shard| lineage.done(shard).0 >> evt_num_shift));
        }
        register_equations(config, &plan, &own, registry);
        let whole_run = recorder.map(|parts| WholeRun::new(parts, registry));
        let recorder = (whole_run.is_some() || on_alert.is_some()).then(|| {
            Recorder::new(whole_run, on_alert, told, recorded, watermarks.clone(), recorder_waiter)
        });
        let users = users_asked;
        Ok(Self {
            plan,
            capture,
            shards,
            swap,
            lineage,
            users,
            delivery,
            onlookers,
            sinks,
            recorder,
            lookups,
            repair,
            names,
            drop_alerts,
            reload_alerts,
            self_alerts,
            snapshot_alerts,
            thread_times,
            watermarks,
            end,
        })
    }

    /// What tells of reloads that were refused, live; its owner must let go of it before the end.
    pub(crate) fn take_reload_alerts(&mut self) -> Option<ReloadAlerts> {
        self.reload_alerts.take()
    }

    /// What tells of what is done to the agent itself, live; its owner must end it before the end, too.
    pub(crate) fn take_self_alerts(&mut self) -> Option<SelfAlerts> {
        self.self_alerts.take()
    }

    /// Where snapshots of metrics go as alerts; its owner must let go of it before the end, too.
    pub(crate) fn take_snapshot_alerts(&mut self) -> Option<SnapshotAlerts> {
        self.snapshot_alerts.take()
    }

    /// Who looks at it while it runs.
    pub(crate) fn onlookers(&self) -> Arc<Onlookers> {
        Arc::clone(&self.onlookers)
    }

    /// What has alerts printed in another form.
    pub(crate) fn reformatter(&self) -> impl Fn(Format) + Send + Sync + use<> {
        self.delivery.reformatter()
    }

    /// What the shards were not told of users and containers until the function is called.
    pub(crate) fn left_out_notes(&self) -> impl Fn() -> LeftOutNotes + use<> {
        let (lineage, users) = (Arc::clone(&self.lineage), Arc::clone(&self.users));
        move || stages::left_out_notes(&lineage, &users)
    }

    /// What asks for names of addresses.
    pub(crate) fn name_lookups(&self) -> Option<NameLookups> {
        self.names.clone()
    }

    /// How far its threads have come.
    pub(crate) fn progress(&self) -> Vec<Reached> {
        progress::of(&self.watermarks, &self.lineage)
    }

    /// What has the sinks open anew what they keep open.
    pub(crate) fn reopener(&self) -> impl Fn() + Send + Sync + use<> {
        self.delivery.reopener()
    }

    /// What replaces the rules of its shards.
    pub(crate) fn rule_swap(&self) -> Arc<RuleSwap> {
        Arc::clone(&self.swap)
    }

    /// Starts a thread for each part. `registry` has all its meters.
    pub(crate) fn start(self, registry: &Arc<Registry>) -> Result<Running> {
        let Self {
            plan,
            capture,
            shards,
            delivery,
            sinks,
            recorder,
            lookups,
            repair,
            drop_alerts,
            thread_times: ThreadTimes { capture: capture_times, shards: shard_times },
            end,
            ..
        } = self;
        let stop = Arc::new(AtomicBool::new(false));
        // From the sink upwards: whoever starts finds its reader running.
        sinks.start()?;
        let out = spawn("out", move || delivery.run())?;
        let recorder = recorder.map(|r| spawn("rec", move || r.run())).transpose()?;
        let drop_alerts = drop_alerts.map(|d| d.start(registry)).transpose()?;
        let mut shard_threads = Vec::new();
        for (n, (shard, time)) in shards.into_iter().zip(shard_times).enumerate() {
            // Shards end by themselves, once the watermarks say that the sources have ended: nothing that was read is shed.
            let run = move || time.during(|| shard.run(&AtomicBool::new(false)));
            shard_threads.push(spawn(&format!("shard-{n}"), run)?);
        }
        let mut capture_threads = Vec::new();
        let mut wakers = Vec::new();
        match capture {
            Capture::Live(threads) => {
                for (n, (thread, time)) in threads.into_iter().zip(capture_times).enumerate() {
                    wakers.push(thread.unparker());
                    let cpus = plan.capture_cpus(n);
                    capture_threads.push(capture_threads::start(
                        n,
                        thread,
                        cpus,
                        &stop,
                        time,
                        || None,
                    )?);
                }
            }
            Capture::Replay(mut thread) => {
                thread.read_ahead();
                let stop = Arc::clone(&stop);
                let time = capture_times.into_iter().next().unwrap_or_default();
                let run = move || {
                    let ended = time.during(|| thread.run(&stop));
                    end.source_ended();
                    Some(ended)
                };
                capture_threads.push(spawn("cap-0", run)?);
            }
        }
        Ok(Running {
            stop,
            wakers,
            capture: capture_threads,
            shards: shard_threads,
            recorder,
            lookups,
            repair,
            drop_alerts,
            out,
        })
    }

    /// Steps every part in turn until there is a reason to end; then calls `detach`, and steps on until everything that was captured is
    /// delivered.
    pub(crate) fn run_single(
        self,
        registry: &Arc<Registry>,
        ending: &EndWaiter,
        detach: impl FnOnce(Ending),
    ) -> Result<(Ending, RunEnd)> {
        let Self {
            mut capture,
            shards,
            delivery,
            sinks,
            recorder,
            lookups,
            repair,
            drop_alerts,
            ..
        } = self;
        sinks.start()?;
        let drop_alerts = drop_alerts.map(|d| d.start(registry)).transpose()?;
        let mut readers = Readers { shards, delivery, recorder };
        let mut nap = Nap::default();
        let why = loop {
            if let Some(why) = ending.poll() {
                break why;
            }
            let captured = capture.poll_once();
            if readers.step() || captured == Progress::Worked {
                nap.reset();
            } else if captured == Progress::Ended {
                break Ending::SourceEnded;
            } else {
                nap.sleep();
            }
        };
        if why == Ending::SourceEnded {
            ending.end_at_once();
        }
        detach(why);
        drop(repair);
        let mut end = RunEnd::default();
        // The end of a source waits for room in its lanes, so for this once it has a thread of its own.
        let replayed = std::thread::scope(|scope| {
            let finishing = scope.spawn(|| capture.finish());
            while !finishing.is_finished() {
                if readers.step() {
                    nap.reset();
                } else {
                    // Whoever spins may keep that thread from its CPU.
                    nap.sleep();
                }
            }
            finishing.join()
        });
        match replayed {
            Ok(replayed) => end.replayed(replayed),
            Err(_) => end.troubles.push("the capture panicked at its end".to_owned()),
        }
        readers.finish(drop_alerts, &mut end);
        drop(lookups);
        Ok((why, end))
    }
}

/// What reads lanes, stepped by one thread.
struct Readers {
    shards: Vec<Shard>,
    delivery: Delivery,
    recorder: Option<Recorder>,
}

impl Readers {
    /// Whether any of them moved anything.
    fn step(&mut self) -> bool {
        let Self { shards, delivery, recorder } = self;
        let mut worked = false;
        for shard in shards {
            worked |= shards::step(shard);
        }
        if let Some(recorder) = recorder {
            worked |= recorder.poll_once();
        }
        worked | (delivery.poll_once() == outputs::Progress::Worked)
    }

    /// Steps until everything is delivered; the source has ended.
    fn finish(mut self, drop_alerts: Option<Looking>, end: &mut RunEnd) {
        while !self.shards.iter_mut().all(Shard::is_finished) {
            self.step();
        }
        let Self { shards, mut delivery, recorder } = self;
        drop(shards);
        if let Some(looking) = drop_alerts {
            join(looking.end(), end);
        }
        let mut recorder = recorder;
        if let Some(recorder) = &mut recorder {
            while !recorder.is_finished() {
                recorder.poll_once();
            }
        }
        while !delivery.is_finished() {
            delivery.poll_once();
        }
        // A recording around alerts waits for the last of them, which ends with this.
        end.troubles.extend(delivery.finish());
        if let Some(recorder) = recorder {
            end.recorded(recorder.finish());
        }
    }
}

impl Capture {
    /// What wakes each thread; a replay never sleeps for long.
    fn unparkers(&self) -> Vec<Unparker> {
        match self {
            Self::Replay(_) => Vec::new(),
            Self::Live(threads) => threads.iter().map(CaptureThread::unparker).collect(),
        }
    }

    fn set_spread(&mut self, spread: Spread) {
        match self {
            Self::Replay(replay) => replay.set_spread(spread),
            Self::Live(threads) => threads.iter_mut().for_each(|t| t.set_spread(spread)),
        }
    }

    fn poll_once(&mut self) -> Progress {
        match self {
            Self::Replay(replay) => replay.poll_once(),
            Self::Live(threads) => {
                let mut all = Progress::Idle;
                for thread in threads {
                    match thread.poll_once() {
                        Progress::Worked => all = Progress::Worked,
                        Progress::Blocked if all == Progress::Idle => all = Progress::Blocked,
                        Progress::Blocked | Progress::Idle | Progress::Ended => {}
                    }
                }
                all
            }
        }
    }

    /// Moves what is left and publishes the end.
    fn finish(self) -> Option<ReplayEnd> {
        match self {
            Self::Replay(replay) => Some(replay.run(&AtomicBool::new(true))),
            Self::Live(threads) => {
                threads.into_iter().for_each(CaptureThread::finish);
                None
            }
        }
    }
}

impl RunEnd {
    fn replayed(&mut self, end: Option<ReplayEnd>) {
        let Some(ReplayEnd { counts, findings, error, .. }) = end else { return };
        (self.passed_over, self.findings) = (counts, findings);
        if let Some(e) = error {
            self.troubles.push(format!("the capture file is damaged, replayed up to there: {e}"));
        }
    }

    fn recorded(&mut self, end: RecorderEnd) {
        self.troubles.extend(end.error);
    }
}

/// The threads of a running topology.
pub(crate) struct Running {
    stop: Arc<AtomicBool>,
    wakers: Vec<Unparker>,
    capture: Vec<JoinHandle<Option<ReplayEnd>>>,
    shards: Vec<JoinHandle<()>>,
    recorder: Option<JoinHandle<RecorderEnd>>,
    lookups: Option<LookupThread>,
    repair: Option<Repair>,
    drop_alerts: Option<Looking>,
    out: JoinHandle<Vec<String>>,
}

impl Running {
    /// Ends the capture threads, then waits until everything that they read is delivered. The programs must be detached before.
    pub(crate) fn finish(self) -> RunEnd {
        let Self { stop, wakers, capture, shards, recorder, lookups, repair, drop_alerts, out } =
            self;
        drop(repair);
        // Release: pairs with the Acquire in the capture threads, which then find every record that was written before.
        stop.store(true, Ordering::Release);
        for waker in wakers {
            waker.wake();
        }
        let mut end = RunEnd::default();
        for thread in capture {
            let replayed = join(thread, &mut end);
            end.replayed(replayed.flatten());
        }
        for thread in shards {
            join(thread, &mut end);
        }
        // Until here events may have waited for its answers.
        drop(lookups);
        // The outputs end after it, and the recorder hears of alerts until then.
        if let Some(looking) = drop_alerts {
            join(looking.end(), &mut end);
        }
        if let Some(recorded) = recorder.and_then(|thread| join(thread, &mut end)) {
            end.recorded(recorded);
        }
        let undelivered = join(out, &mut end);
        end.troubles.extend(undelivered.into_iter().flatten());
        end
    }
}

fn join<T>(thread: JoinHandle<T>, end: &mut RunEnd) -> Option<T> {
    let name = thread.thread().name().unwrap_or("?").to_owned();
    let ended = thread.join();
    if ended.is_err() {
        end.troubles.push(format!("thread {name} panicked"));
    }
    ended.ok()
}

impl Source {
    fn join(self, feeds: Vec<Feed>) -> Result<(Capture, Option<Losses>)> {
        match self {
            Self::Live { rings, seeds, clock, realtime_offset_ns: _, losses, host_marks: _ } => {
                let threads = capture_threads::join(rings, seeds, clock, feeds)?;
                Ok((Capture::Live(threads), Some(*losses)))
            }
            Self::Replay(replay) => {
                let of_replay = |Feed { lanes, recorder, watermark, meters }| ReplayFeed {
                    lanes,
                    recorder,
                    watermark,
                    meters,
                };
                let feeds = feeds.into_iter().map(of_replay).collect();
                Ok((Capture::Replay(Box::new(replay.start(feeds))), None))
            }
        }
    }
}

/// A lane to the outputs for the program's own alerts.
fn own_lane(alert_rx: &mut Vec<bus::Rx<rules::Alert>>, outputs: &Waiter) -> InternalAlerts {
    let (lane, rx) = bus::alert_lane(INTERNAL_ALERTS);
    alert_rx.push(rx);
    InternalAlerts::new(lane, outputs.unparker())
}

/// What must balance between one hop and the next.
/// `own`: counters of the program's own alerts, and whether there are any.
fn register_equations(config: &Config, plan: &Plan, own: &[(bool, &str)], registry: &mut Registry) {
    let in_batches = (plan.n_capture * plan.n_shards * config.batch_frames) as u64;
    // A shard counts a window when it works on it; its end may have opened the next batch of every lane already.
    let in_windows = (plan.n_shards * stages::MAX_WINDOW) as u64;
    let mut in_alert_lanes = (plan.n_shards * config.alert_lane_capacity) as u64;
    registry.equation(
        Equation::new("capture: routed = pushed + abandoned")
            .left("capture.routed")
            .right("lanes.pushed")
            .right("capture.abandoned")
            .slack(in_batches + plan.n_capture as u64 * MAX_UNCOUNTED),
    );
    registry.equation(
        Equation::new("shards: popped = received")
            .left("lanes.popped")
            .right("shard.received")
            .slack(in_batches + in_windows),
    );
    let mut alerts = Equation::new("alerts: raised = received by outputs").left("shard.alerts");
    for (_, raised) in own.iter().filter(|(is_raised, _)| *is_raised) {
        alerts = alerts.left(raised);
        in_alert_lanes += INTERNAL_ALERTS as u64;
    }
    registry.equation(alerts.right("outputs.received").slack(in_alert_lanes + outputs::MAX_ROUND));
}

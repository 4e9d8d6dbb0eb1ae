//! What a live view asks for: a sample of the events that pass through the shards, taken while somebody looks and no longer.
//!
//! Each onlooker has a [`Watch`] with a lease. A shard learns of a new one by a word that it reads once for each window, and looks at no more than
//! [`MAX_LOOKED_AT`] events of a window, each of which stands for its share of the window. So a shard that is not watched pays one load for each
//! window, and one that is a bounded time.

mod sample;
mod table;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use perf::boot_now_ns;
use rules::{Filter, TextError};

use crate::detect::Detector;
use crate::fields::Surroundings;
use crate::parse::Event;
use sample::{Counts, Sample};

/// Onlookers at a time.
pub const MAX_ONLOOKERS: usize = 4;

/// Events of a window that are looked at: a window of so many is looked at whole, of a full one 1 event in 16.
pub const MAX_LOOKED_AT: usize = 16;

/// A lease that ends so soon is not made longer any more: a shard may have seen its end.
const LEASE_MARGIN_NS: u64 = 1_000_000_000;

/// Watches that are over and that a shard may still hold, so that it is not the one who frees them.
const MAX_RETIRED: usize = 16;

/// How long the reader waits for a shard that is counting, which takes microseconds unless it was preempted.
const COUNTING_TAKES: Duration = Duration::from_millis(100);

/// Who looks, on all shards.
#[derive(Debug)]
pub struct Watches {
    n_shards: usize,
    /// Changes with the list.
    generation: AtomicU64,
    /// Boot-clock ns at which the last lease ends.
    last_until_ns: AtomicU64,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    watches: Vec<Arc<Watch>>,
    retired: Vec<Arc<Watch>>,
}

/// What one onlooker asks for.
#[derive(Debug)]
struct Watch {
    id: u64,
    filter_text: String,
    filter: Option<Filter>,
    /// Boot-clock ns.
    until_ns: AtomicU64,
    /// Events that went by uncounted while the counts were being taken.
    n_missed: AtomicU64,
    shards: Vec<Mutex<Sample>>,
    taken: Mutex<Taken>,
}

/// When counts were last taken, and empty ones to put in the place of the next.
#[derive(Debug)]
struct Taken {
    at_ns: u64,
    spare: Counts,
}

/// Why nobody can look.
#[derive(Debug)]
pub enum LookError {
    /// There are as many onlookers as there may be.
    Full,
    /// The filter is none.
    Filter(TextError),
}

/// What passed since the look before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// How long that was.
    pub interval_ns: u64,
    /// Events that passed, as far as the sample tells; what only carries state is left out.
    pub n_events: u64,
    /// Those of them that pass the filter. Everything below is of these alone.
    pub n_passed: u64,
    /// Events that were looked at.
    pub n_looked: u64,
    /// Of these, those that count for nothing: what the filter asks of them another shard had not told yet.
    pub n_undecided: u64,
    /// Events that passed while nobody could look.
    pub n_missed: u64,
    /// The busiest processes, the busiest first.
    pub processes: Vec<SeenProcess>,
    /// The most frequent events.
    pub calls: Vec<SeenCall>,
    /// The busiest containers.
    pub containers: Vec<SeenContainer>,
}

/// A process that made events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenProcess {
    /// Its id.
    pub pid: u32,
    /// When it started, boot-clock ns.
    pub start_ns: u64,
    /// Its name; empty where it is not known.
    pub name: String,
    /// The user of its first event.
    pub user: String,
    /// Id of its container, `host` outside of one; empty where it is not known.
    pub container: String,
    /// Its events, and by how many that may be too many.
    pub n: u64,
    /// See `n`.
    pub over: u64,
}

/// A kind of event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenCall {
    /// `evt.type`.
    pub name: String,
    /// How many, and by how many that may be too many.
    pub n: u64,
    /// See `n`.
    pub over: u64,
    /// Those of them that failed.
    pub n_failed: u64,
}

/// A container whose processes made events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenContainer {
    /// Its id; `host` for what runs in none, empty where it is not known.
    pub id: String,
    /// Its name, once its runtime has told.
    pub name: String,
    /// Its image, once its runtime has told.
    pub image: String,
    /// Its events, and by how many that may be too many.
    pub n: u64,
    /// See `n`.
    pub over: u64,
}

impl Watches {
    /// Nobody looks yet.
    #[must_use]
    pub fn new(n_shards: usize) -> Self {
        Self {
            n_shards,
            generation: AtomicU64::new(0),
            last_until_ns: AtomicU64::new(0),
            list: Mutex::default(),
        }
    }

    /// Whether somebody looks. One load while nobody does, and else the time, too.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        // Relaxed: nothing else is communicated by it.
        let until_ns = self.last_until_ns.load(Ordering::Relaxed);
        until_ns != 0 && boot_now_ns() < until_ns
    }

    /// What has passed since this onlooker looked last, which makes its lease anew; the first look finds nothing. Another filter is another watch.
    ///
    /// # Errors
    /// [`LookError`].
    pub fn look(&self, id: u64, filter: &str, lease: Duration) -> Result<Looked, LookError> {
        let now = boot_now_ns();
        let until_ns = now.saturating_add(u64::try_from(lease.as_nanos()).unwrap_or(u64::MAX));
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let List { watches, retired } = &mut *list;
        let is_current = |w: &Watch| w.until_ns.load(Ordering::Relaxed) > now + LEASE_MARGIN_NS;
        let known = watches.iter().find(|w| w.id == id && w.filter_text == filter);
        let looked = if let Some(watch) = known.filter(|w| is_current(w)) {
            watch.until_ns.store(until_ns, Ordering::Relaxed);
            watch.take(now)
        } else {
            let compiled = match filter.trim() {
                "" => None,
                text => Some(Filter::compile(text).map_err(LookError::Filter)?),
            };
            let is_over = |w: &Watch| w.id == id || w.until_ns.load(Ordering::Relaxed) <= now;
            if watches.iter().filter(|w| !is_over(w)).count() >= MAX_ONLOOKERS {
                return Err(LookError::Full);
            }
            retired.retain(|w| Arc::strong_count(w) > 1);
            retired.extend(watches.extract_if(.., |w| is_over(w)));
            retired.drain(..retired.len().saturating_sub(MAX_RETIRED));
            let watch = Watch::new(id, filter, compiled, until_ns, self.n_shards, now);
            watches.push(Arc::new(watch));
            // Relaxed: who sees it takes the list under its lock.
            self.generation.fetch_add(1, Ordering::Relaxed);
            Looked::default()
        };
        let last = watches.iter().map(|w| w.until_ns.load(Ordering::Relaxed)).max();
        self.last_until_ns.store(last.unwrap_or(0), Ordering::Relaxed);
        Ok(looked)
    }
}

impl Watch {
    fn new(
        id: u64,
        filter_text: &str,
        filter: Option<Filter>,
        until_ns: u64,
        n_shards: usize,
        now: u64,
    ) -> Self {
        Self {
            id,
            filter_text: filter_text.to_owned(),
            until_ns: AtomicU64::new(until_ns),
            n_missed: AtomicU64::new(0),
            shards: (0..n_shards).map(|_| Mutex::new(Sample::new(filter.as_ref()))).collect(),
            filter,
            taken: Mutex::new(Taken { at_ns: now, spare: Counts::new() }),
        }
    }

    /// Takes what the shards have counted. A shard is kept from counting while two tables change places.
    fn take(&self, now: u64) -> Looked {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let Taken { at_ns, spare } = &mut *taken;
        let mut looked = Looked {
            interval_ns: now.saturating_sub(std::mem::replace(at_ns, now)),
            n_missed: self.n_missed.swap(0, Ordering::Relaxed),
            ..Looked::default()
        };
        for sample in &self.shards {
            spare.clear();
            let Some(mut sample) = lock_soon(sample) else { continue };
            std::mem::swap(&mut sample.counts, spare);
            drop(sample);
            looked.add(spare);
        }
        looked.sort();
        looked
    }
}

/// The lock, without ever making the shard wake who waits for it.
fn lock_soon(sample: &Mutex<Sample>) -> Option<MutexGuard<'_, Sample>> {
    let deadline = Instant::now() + COUNTING_TAKES;
    loop {
        match sample.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => return None,
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_micros(50)),
        }
    }
}

impl Looked {
    fn add(&mut self, counts: &Counts) {
        let Counts { n_events, n_passed, n_looked, n_undecided, processes, calls, containers } =
            counts;
        self.n_events += n_events;
        self.n_passed += n_passed;
        self.n_looked += n_looked;
        self.n_undecided += n_undecided;
        for place in processes.places() {
            let (pid, start_ns) = (place.key.pid, place.key.start_ns);
            let known = self.processes.iter_mut().find(|p| (p.pid, p.start_ns) == (pid, start_ns));
            if let Some(known) = known {
                known.n += place.n;
                known.over += place.over;
                continue;
            }
            self.processes.push(SeenProcess {
                pid,
                start_ns,
                name: place.value.name.text(),
                user: place.value.user.text(),
                container: place.value.container.text(),
                n: place.n,
                over: place.over,
            });
        }
        for place in calls.places() {
            let name = place.key.text();
            let (n, over, n_failed) = (place.n, place.over, place.value.0);
            match self.calls.iter_mut().find(|c| c.name == name) {
                Some(known) => {
                    known.n += n;
                    known.over += over;
                    known.n_failed += n_failed;
                }
                None => self.calls.push(SeenCall { name, n, over, n_failed }),
            }
        }
        for place in containers.places() {
            let id = place.key.text();
            match self.containers.iter_mut().find(|c| c.id == id) {
                Some(known) => {
                    known.n += place.n;
                    known.over += place.over;
                }
                None => self.containers.push(SeenContainer {
                    id,
                    name: place.value.name.text(),
                    image: place.value.image.text(),
                    n: place.n,
                    over: place.over,
                }),
            }
        }
    }

    fn sort(&mut self) {
        use std::cmp::Reverse;
        self.processes.sort_by_key(|p| (Reverse(p.n), p.pid));
        self.calls.sort_by(|a, b| b.n.cmp(&a.n).then_with(|| a.name.cmp(&b.name)));
        self.containers.sort_by(|a, b| b.n.cmp(&a.n).then_with(|| a.id.cmp(&b.id)));
    }
}

/// A shard's part.
pub(crate) struct Watcher {
    watches: Arc<Watches>,
    shard: usize,
    generation: u64,
    mine: Vec<Arc<Watch>>,
    /// State of what chooses the first event of a window.
    random: u64,
    /// Of the window at hand: every how many events one is looked at, and which of them is the first.
    stride: usize,
    first: usize,
}

impl Watcher {
    pub(crate) fn new(watches: Arc<Watches>, shard: usize) -> Self {
        let mine = Vec::with_capacity(MAX_ONLOOKERS);
        Self { watches, shard, generation: 0, mine, random: shard as u64, stride: 1, first: 0 }
    }

    /// Begins a window of so many events.
    #[inline]
    pub(crate) fn begin(&mut self, n_events: usize) {
        let generation = self.watches.generation.load(Ordering::Relaxed);
        if generation != self.generation || !self.mine.is_empty() {
            self.begin_watched(n_events, generation);
        }
    }

    #[cold]
    fn begin_watched(&mut self, n_events: usize, generation: u64) {
        let Self { watches, shard: _, generation: known, mine, random, stride, first } = self;
        // Where it is being changed, the next window sees the change.
        if generation != *known
            && let Ok(list) = watches.list.try_lock()
        {
            mine.clear();
            mine.extend(list.watches.iter().take(MAX_ONLOOKERS).cloned());
            *known = generation;
        }
        let now = boot_now_ns();
        mine.retain(|w| w.until_ns.load(Ordering::Relaxed) > now);
        *stride = n_events.div_ceil(MAX_LOOKED_AT).max(1);
        // Knuth's generator: a fixed first event would see nothing, or all, of what comes with a period.
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *first = (*random >> 33) as usize % *stride;
    }

    /// Whether somebody looks at the window at hand.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        !self.mine.is_empty()
    }

    /// Looks at events of the window at hand that were evaluated; `at` is the place in it of the first.
    pub(crate) fn look(
        &mut self,
        surroundings: Surroundings<'_>,
        events: &[Option<Event<'_>>],
        at: usize,
        detector: &mut Detector,
    ) {
        let Self { shard, mine, stride, first, .. } = self;
        // The first place from `at` on that is `first` and a multiple of `stride`.
        let skipped = (*first + *stride - at % *stride) % *stride;
        for watch in mine {
            let Ok(mut sample) = watch.shards[*shard].try_lock() else {
                watch.n_missed.fetch_add(events.len() as u64, Ordering::Relaxed);
                continue;
            };
            for event in events.iter().skip(skipped).step_by(*stride).flatten() {
                if event.is_state_only() {
                    continue;
                }
                let header = event.header();
                let weight = *stride as u64;
                // A frame without state may come to any shard.
                if surroundings.lineage.readable(*shard, header.tgid, event.key).is_err() {
                    sample.pass_over(weight);
                    continue;
                }
                let fields = detector.fields(surroundings, event);
                sample.take(watch.filter.as_ref(), &fields, weight);
            }
        }
    }
}

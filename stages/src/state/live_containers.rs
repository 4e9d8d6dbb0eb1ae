//! The containers that processes live in, shared by all shards, and what their runtimes answered: asked when a shard first meets
//! one, and again, later and a few times, for those that nobody knew.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bus::Unparker;
use containers::{Container, Details, Kind};
use perf::{Registry, boot_now_ns};

/// How long after a question without an answer a container that still starts processes is asked for again; twice as long after each further one.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(4);
/// Questions for one container.
const MAX_QUESTIONS: u8 = 4;

/// Asks a runtime of a container, without blocking; `false` where there will be no answer.
type Ask = Box<dyn Fn(Kind, &str) -> bool + Send + Sync>;

const NOT_ASKED: u8 = 0;
const OUTSTANDING: u8 = 1;
const OVERDUE: u8 = 2;
const KNOWN: u8 = 3;
const UNKNOWN: u8 = 4;

/// What is known of a container that only its runtime knows.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// Nobody asks: a replay, or lookups are off.
    NotAsked,
    /// Asked, not answered.
    Outstanding,
    /// Asked so long ago that nobody waits any more.
    Overdue,
    /// Told.
    Known(Arc<Details>),
    /// There is no answer and will be none.
    Unknown,
}

/// A container, or the host, as versions of processes share it.
#[derive(Debug)]
pub struct ContainerEntry {
    /// What its cgroup says.
    pub id: Container,
    /// Changed under the store's lock.
    asked_at_ns: AtomicU64,
    /// Changed under the store's lock.
    n_questions: AtomicU8,
    state: AtomicU8,
    details: ArcSwapOption<Details>,
}

impl ContainerEntry {
    fn new(id: Container, state: u8, asked_at_ns: u64) -> Self {
        Self {
            id,
            asked_at_ns: AtomicU64::new(asked_at_ns),
            n_questions: AtomicU8::new(1),
            state: AtomicU8::new(state),
            details: ArcSwapOption::empty(),
        }
    }

    /// One that nobody is asked about.
    pub(super) fn not_asked(id: Container) -> Self {
        Self::new(id, NOT_ASKED, 0)
    }

    /// What its runtime told up to now.
    pub(crate) fn told(&self) -> Told {
        // Acquire: pairs with the Release in `settle`.
        match self.state.load(Ordering::Acquire) {
            OUTSTANDING => Told::Outstanding,
            OVERDUE => Told::Overdue,
            KNOWN => self.details.load_full().map_or(Told::Unknown, Told::Known),
            UNKNOWN => Told::Unknown,
            _ => Told::NotAsked,
        }
    }

    /// What its runtime told, where it did.
    #[must_use]
    pub fn known(&self) -> Option<Arc<Details>> {
        match self.told() {
            Told::Known(details) => Some(details),
            Told::NotAsked | Told::Outstanding | Told::Overdue | Told::Unknown => None,
        }
    }

    /// Whether an answer is still waited for.
    pub(crate) fn is_outstanding(&self) -> bool {
        self.state.load(Ordering::Acquire) == OUTSTANDING
    }

    /// Whether nobody knew it.
    pub(super) fn is_unknown(&self) -> bool {
        // Relaxed: who acts on it looks again under the lock.
        self.state.load(Ordering::Relaxed) == UNKNOWN
    }

    /// When its events wait no longer.
    pub(crate) fn due_ns(&self, max_wait: Duration) -> u64 {
        let max_wait = u64::try_from(max_wait.as_nanos()).unwrap_or(u64::MAX);
        // Relaxed: who finds it outstanding again found the time, too, or waits a little less.
        self.asked_at_ns.load(Ordering::Relaxed).saturating_add(max_wait)
    }

    /// From now on nobody waits for the answer.
    pub(crate) fn give_up(&self) {
        // Relaxed: nothing else is communicated by it. Where it fails there is an answer.
        let _answered =
            self.state.compare_exchange(OUTSTANDING, OVERDUE, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether nobody knew it and it is time for another question, which is then outstanding. Under the store's lock.
    fn is_to_be_asked_again(&self, now_ns: u64) -> bool {
        // Relaxed, all of them: the lock orders them; `state` pairs as always.
        let n_before = self.n_questions.load(Ordering::Relaxed);
        let pause = ASK_AGAIN_AFTER * (1 << (n_before - 1));
        if !self.is_unknown() || n_before >= MAX_QUESTIONS || now_ns < self.due_ns(pause) {
            return false;
        }
        self.n_questions.store(n_before + 1, Ordering::Relaxed);
        self.asked_at_ns.store(now_ns, Ordering::Relaxed);
        self.state.store(OUTSTANDING, Ordering::Release);
        true
    }

    /// Gives the bytes of what was known before.
    fn settle(&self, details: Option<Arc<Details>>) -> usize {
        let state = if details.is_some() { KNOWN } else { UNKNOWN };
        let before = self.details.swap(details);
        // Release: pairs with the Acquire in `told`.
        self.state.store(state, Ordering::Release);
        before.as_deref().map_or(0, Details::size_bytes)
    }
}

/// What is counted of the store; under its lock.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    evicted: u64,
    no_room: u64,
    asked_again: u64,
}

#[derive(Debug, Default)]
struct Store {
    /// By full id.
    entries: HashMap<Box<str>, Arc<ContainerEntry>>,
    n_bytes: usize,
    counts: Counts,
}

struct Lookups {
    ask: Ask,
    /// What wakes the shards.
    wakers: Vec<Unparker>,
}

/// Every container that a process lives in, and what is known of it. Lookups are live only: a replay asks nobody.
pub struct LiveContainers {
    /// Kept at most, living or not.
    max_containers: usize,
    /// Of what runtimes told, kept at most.
    max_bytes: usize,
    lookups: OnceLock<Lookups>,
    store: Mutex<Store>,
    /// Notified of every answer.
    answered: Condvar,
    /// Grows with every answer.
    n_answers: AtomicU64,
}

impl std::fmt::Debug for LiveContainers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveContainers").field("n_answers", &self.n_answers).finish_non_exhaustive()
    }
}

impl LiveContainers {
    /// None yet, and so many at most, of which so many bytes may be told.
    pub(super) fn bounded(max_containers: usize, max_bytes: usize) -> Self {
        Self {
            max_containers,
            max_bytes,
            lookups: OnceLock::new(),
            store: Mutex::default(),
            answered: Condvar::new(),
            n_answers: AtomicU64::new(0),
        }
    }

    /// From now on `ask` is called once for every container that a process is found in; it must not block, and answers by
    /// [`LiveContainers::answer`], from any thread. `false` from it is an answer too: there will be none. `wakers` wake the shards. To be called
    /// once, before the shards run.
    pub fn ask_by(
        &self,
        ask: impl Fn(Kind, &str) -> bool + Send + Sync + 'static,
        wakers: Vec<Unparker>,
    ) {
        let _first = self.lookups.set(Lookups { ask: Box::new(ask), wakers });
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        // What it guards is whole between any two statements that can panic.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a runtime told of the container with this full id; `None` where it will not tell. Wakes who waits for it.
    pub fn answer(&self, full_id: &str, details: Option<Arc<Details>>) {
        let mut store = self.lock();
        let Some(entry) = store.entries.get(full_id).map(Arc::clone) else { return };
        let n_bytes = details.as_deref().map_or(0, Details::size_bytes);
        if store.n_bytes + n_bytes > self.max_bytes {
            store.evict();
        }
        let has_room = store.n_bytes + n_bytes <= self.max_bytes;
        let details = details.filter(|_| has_room);
        if details.is_some() {
            store.n_bytes += n_bytes;
        }
        store.counts.no_room += u64::from(!has_room);
        let before = entry.settle(details);
        store.n_bytes -= before.min(store.n_bytes);
        drop(store);
        // Release: pairs with the Acquire in `n_answers`.
        self.n_answers.fetch_add(1, Ordering::Release);
        self.answered.notify_all();
        for waker in self.lookups.get().into_iter().flat_map(|lookups| &lookups.wakers) {
            waker.wake();
        }
    }

    /// Waits until a container's runtime has answered, or the time for that is over, which is from then on so for all its events. For who has
    /// nothing else to do: a shard keeps the event instead.
    pub(crate) fn wait(&self, entry: &ContainerEntry, max_wait: Duration) {
        let mut store = self.lock();
        while entry.is_outstanding() {
            let left = entry.due_ns(max_wait).saturating_sub(boot_now_ns());
            if left == 0 {
                return entry.give_up();
            }
            let left = Duration::from_nanos(left);
            let woken = self.answered.wait_timeout(store, left);
            (store, _) = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Asks for a container that nobody knew once more, where some time has gone by: it may have been made a moment before its runtime told of
    /// it, or its runtime was away.
    pub(super) fn ask_again(&self, entry: &Arc<ContainerEntry>) {
        let Some(lookups) = self.lookups.get() else { return };
        let mut store = self.lock();
        let is_kept =
            store.entries.get(entry.id.full_id()).is_some_and(|kept| Arc::ptr_eq(kept, entry));
        if !is_kept || !entry.is_to_be_asked_again(boot_now_ns()) {
            return;
        }
        store.counts.asked_again += 1;
        drop(store);
        self.ask(lookups, entry);
    }

    fn ask(&self, lookups: &Lookups, entry: &ContainerEntry) {
        if !(lookups.ask)(entry.id.kind(), entry.id.full_id()) {
            self.answer(entry.id.full_id(), None);
        }
    }

    /// How many answers there have been.
    pub(crate) fn n_answers(&self) -> u64 {
        // Acquire: pairs with the Release in `answer`; what was answered is seen.
        self.n_answers.load(Ordering::Acquire)
    }

    /// The container that a process was found in; asks for it where it is new.
    pub(super) fn enter(&self, id: Container) -> Arc<ContainerEntry> {
        let Some(lookups) = self.lookups.get().filter(|_| !id.is_host()) else {
            return Arc::new(ContainerEntry::not_asked(id));
        };
        let mut store = self.lock();
        if let Some(entry) = store.entries.get(id.full_id()) {
            if entry.id.kind() == id.kind() {
                return Arc::clone(entry);
            }
            // A name that two runtimes gave: who answers would not know of which of them.
            return Arc::new(ContainerEntry::new(id, UNKNOWN, 0));
        }
        if store.entries.len() >= self.max_containers {
            store.evict();
        }
        if store.entries.len() >= self.max_containers {
            store.counts.no_room += 1;
            return Arc::new(ContainerEntry::new(id, UNKNOWN, 0));
        }
        let entry = Arc::new(ContainerEntry::new(id, OUTSTANDING, boot_now_ns()));
        store.entries.insert(entry.id.full_id().into(), Arc::clone(&entry));
        drop(store);
        self.ask(lookups, &entry);
        entry
    }

    /// Registers what is counted.
    pub fn register(lineage: &Arc<super::Lineage>, registry: &mut Registry) {
        let read = |of: fn(&Store) -> u64| {
            let lineage = Arc::clone(lineage);
            move || of(&lineage.live_containers().lock())
        };
        registry.level("containers.living", read(|s| s.entries.len() as u64));
        registry.level("containers.bytes", read(|s| s.n_bytes as u64));
        let all = Arc::clone(lineage);
        let names = ["containers.evicted", "containers.no_room", "containers.asked_again"];
        registry.external(names, move |to| {
            let Counts { evicted, no_room, asked_again } = all.live_containers().lock().counts;
            to.count("containers.asked_again", asked_again);
            to.count("containers.evicted", evicted);
            to.count("containers.no_room", no_room);
        });
    }
}

impl Store {
    /// Forgets the containers that no process lives in. O(containers).
    fn evict(&mut self) {
        let Self { entries, n_bytes, counts } = self;
        entries.retain(|_, entry| {
            // Under the lock nobody can get hold of one that only the store has.
            let lives = Arc::strong_count(entry) > 1;
            if !lives {
                counts.evicted += 1;
                *n_bytes -= entry.settle(None).min(*n_bytes);
            }
            lives
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    const MAX_CONTAINERS: usize = 1 << 10;
    const MAX_BYTES: usize = 1 << 20;

    fn container(n: usize) -> Container {
        Container::of_cgroups(format!("=/docker/{n:064x}\0").as_bytes())
    }

    fn asking() -> (Arc<LiveContainers>, Arc<AtomicUsize>) {
        let live = Arc::new(LiveContainers::bounded(MAX_CONTAINERS, MAX_BYTES));
        let n_asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&n_asked);
        let ask = move |_, _: &str| {
            counted.fetch_add(1, Ordering::Relaxed);
            true
        };
        live.ask_by(ask, Vec::new());
        (live, n_asked)
    }

    fn details(image: &str) -> Arc<Details> {
        Arc::new(Details { image: image.to_owned(), ..Details::default() })
    }

    #[test]
    fn a_container_is_asked_for_once_and_its_answer_is_everybodys() {
        let (live, n_asked) = asking();
        let (a, b) = (live.enter(container(1)), live.enter(container(1)));
        assert!(Arc::ptr_eq(&a, &b) && a.is_outstanding());
        live.enter(container(2));
        live.enter(Container::host());
        assert_eq!(n_asked.load(Ordering::Relaxed), 2);
        live.answer(a.id.full_id(), Some(details("nginx")));
        assert!(matches!(b.told(), Told::Known(d) if d.image == "nginx"));
        live.answer(a.id.full_id(), None);
        assert!(matches!(b.told(), Told::Unknown));
        assert_eq!(live.n_answers(), 2);
    }

    #[test]
    fn who_waits_no_longer_still_gets_a_later_answer() {
        let (live, _) = asking();
        let entry = live.enter(container(1));
        entry.give_up();
        assert!(matches!(entry.told(), Told::Overdue));
        live.answer(entry.id.full_id(), Some(details("late")));
        entry.give_up();
        assert!(matches!(entry.told(), Told::Known(_)));
    }

    #[test]
    fn who_nobody_knew_is_asked_for_again_later_and_a_few_times() {
        let (live, n_asked) = asking();
        let entry = live.enter(container(1));
        let some_time_goes_by = || {
            let then = boot_now_ns().saturating_sub(3600 * 1_000_000_000);
            entry.asked_at_ns.store(then, Ordering::Relaxed);
        };
        some_time_goes_by();
        live.ask_again(&entry);
        assert_eq!(n_asked.load(Ordering::Relaxed), 1, "the first answer is still to come");
        entry.asked_at_ns.store(boot_now_ns(), Ordering::Relaxed);
        live.answer(entry.id.full_id(), None);
        live.ask_again(&entry);
        assert_eq!(n_asked.load(Ordering::Relaxed), 1, "that was a moment ago");
        for n in 2..=usize::from(MAX_QUESTIONS) + 1 {
            some_time_goes_by();
            live.ask_again(&entry);
            live.ask_again(&entry);
            assert_eq!(n_asked.load(Ordering::Relaxed), n.min(MAX_QUESTIONS.into()));
            live.answer(entry.id.full_id(), None);
        }
        live.answer(entry.id.full_id(), Some(details("nginx")));
        some_time_goes_by();
        live.ask_again(&entry);
        assert!(matches!(entry.told(), Told::Known(_)));
        assert_eq!(live.lock().counts.asked_again, u64::from(MAX_QUESTIONS) - 1);
    }

    #[test]
    fn who_waits_gets_the_answer_or_the_end_of_the_time() {
        let (live, _) = asking();
        let (known, hangs) = (live.enter(container(1)), live.enter(container(2)));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(20));
                live.answer(known.id.full_id(), Some(details("nginx")));
            });
            live.wait(&known, Duration::from_hours(1));
        });
        assert!(matches!(known.told(), Told::Known(_)));
        live.wait(&hangs, Duration::from_millis(10));
        assert!(matches!(hangs.told(), Told::Overdue));
        // Nobody waits a second time.
        live.wait(&hangs, Duration::from_hours(1));
    }

    #[test]
    fn without_lookups_nobody_is_asked_and_a_refusal_is_an_answer() {
        let live = LiveContainers::bounded(MAX_CONTAINERS, MAX_BYTES);
        assert!(matches!(live.enter(container(1)).told(), Told::NotAsked));
        live.ask_by(|_, _| false, Vec::new());
        assert!(matches!(live.enter(container(1)).told(), Told::Unknown));
    }

    #[test]
    fn containers_that_nobody_lives_in_make_room() {
        let (live, _) = asking();
        let lived_in = live.enter(container(0));
        live.answer(lived_in.id.full_id(), Some(details("kept")));
        for n in 1..=MAX_CONTAINERS {
            live.enter(container(n));
        }
        let store = live.lock();
        assert_eq!((store.entries.len(), store.counts.evicted), (2, MAX_CONTAINERS as u64 - 1));
        drop(store);
        assert!(matches!(lived_in.told(), Told::Known(_)));
        let all: Vec<_> = (0..=MAX_CONTAINERS).map(|n| live.enter(container(n))).collect();
        assert!(matches!(all[MAX_CONTAINERS].told(), Told::Outstanding | Told::Unknown));
        assert_eq!(live.lock().counts.no_room, 1);
    }

    #[test]
    fn answers_beyond_the_bytes_are_not_kept() {
        let (live, _) = asking();
        let text = "x".repeat(MAX_BYTES / 2);
        let entries: Vec<_> = (0..3).map(|n| live.enter(container(n))).collect();
        for entry in &entries {
            live.answer(entry.id.full_id(), Some(details(&text)));
        }
        let known = entries.iter().filter(|e| matches!(e.told(), Told::Known(_))).count();
        assert_eq!((known, live.lock().counts.no_room), (1, 2));
        assert!(live.lock().n_bytes <= MAX_BYTES);
    }
}

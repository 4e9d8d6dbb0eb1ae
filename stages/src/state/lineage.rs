//! The versioned process table that all shards read.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bus::schedule::{self, Place};
use bus::{Key, WaitBoard};
use crossbeam_utils::CachePadded;
use event::{FrameHeader, flags, mark::HostMarks};

use super::address_names::AddressNames;
use super::containers::Containers;
use super::live_containers::LiveContainers;
use super::mutant::Mutant;
use super::node::{Parent, ProcNode, Start, State, Version};
use super::repairs::Repairs;
use super::room::Rooms;
use super::slots::Slots;

/// Which shard owns a process: tgid and number of shards to the shard's index. The same function that deals frames to lanes.
pub type Route = fn(tgid: u32, n_shards: usize) -> usize;

/// A read that has to wait until another shard has applied what came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The shard that is behind.
    pub shard: usize,
    /// What its `applied` must reach.
    pub until: Key,
}

/// Bounds of the process table. Frames of a savefile disregard the first two: who reads the file has decided, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineageLimits {
    /// Processes known at once, until nobody can ask for the dead. A process above it is not entered, and counted.
    pub max_processes: u64,
    /// Memory that processes, what they run and where they are may take. Beyond it a process is not entered, and what a known one executes is
    /// kept in short; both are counted.
    pub max_bytes: u64,
    /// Memory that names of addresses may take.
    pub max_name_bytes: usize,
    /// Containers that are known live. One that no process lives in makes room; else the newcomer is not kept.
    pub max_containers: usize,
    /// Memory that what their runtimes told may take.
    pub max_container_bytes: usize,
    /// Memory that what events of a recording tell of containers may take.
    pub max_note_bytes: usize,
}

impl Default for LineageLimits {
    /// 262,144 processes, as Falco's thread table has it; 256 MiB; 16 MiB; 16,384 containers and 64 MiB; 128 MiB.
    fn default() -> Self {
        Self {
            max_processes: 262_144,
            max_bytes: 256 << 20,
            max_name_bytes: 16 << 20,
            max_containers: 16 << 10,
            max_container_bytes: 64 << 20,
            max_note_bytes: 128 << 20,
        }
    }
}

/// How far a shard is.
#[derive(Default)]
struct Progress {
    /// Every state change up to this key has been applied.
    applied: CachePadded<AtomicU64>,
    /// Every frame up to this key has been evaluated: this shard reads nothing as of a key up to it any more.
    done: CachePadded<AtomicU64>,
}

/// The versioned process table.
///
/// Only the shard that owns a tgid writes it; every shard reads, as of the key of the frame it works on, once the owner has applied
/// everything before that key. Keys have no ties, so waits point only backwards and cannot form a circle.
pub struct Lineage {
    pub(super) slots: Slots<ProcNode>,
    progress: Box<[Progress]>,
    /// Who waits for whose `applied`.
    waits: WaitBoard,
    /// The largest key that a shard released beyond the smallest watermark.
    beyond: CachePadded<AtomicU64>,
    route: Route,
    limits: LineageLimits,
    pub(super) rooms: Rooms,
    n_processes: AtomicU64,
    containers: Containers,
    live_containers: LiveContainers,
    address_names: AddressNames,
    repairs: Repairs,
    host_marks: OnceLock<HostMarks>,
}

impl Lineage {
    /// An empty table for so many shards.
    #[must_use]
    pub fn new(n_shards: usize, route: Route, limits: LineageLimits) -> Self {
        Self {
            slots: Slots::new(),
            progress: (0..n_shards.max(1)).map(|_| Progress::default()).collect(),
            waits: WaitBoard::new(n_shards.max(1)),
            beyond: CachePadded::default(),
            route,
            limits,
            rooms: Rooms::new(n_shards.max(1), limits.max_bytes),
            n_processes: AtomicU64::new(0),
            containers: Containers::bounded(limits.max_note_bytes),
            live_containers: LiveContainers::bounded(
                limits.max_containers,
                limits.max_container_bytes,
            ),
            address_names: AddressNames::bounded(limits.max_name_bytes),
            repairs: Repairs::default(),
            host_marks: OnceLock::new(),
        }
    }

    /// What was told of containers.
    #[must_use]
    pub fn containers(&self) -> &Containers {
        &self.containers
    }

    /// The containers that processes live in, and who asks of them.
    #[must_use]
    pub fn live_containers(&self) -> &LiveContainers {
        &self.live_containers
    }

    /// From now on the kernel side is told here which processes are on the host; to be called once, before the shards run.
    pub fn tell_host_marks(&self, marks: HostMarks) {
        // A second one would come from a second topology on the same table, which nobody builds.
        let _kept: Result<(), _> = self.host_marks.set(marks);
    }

    /// Where the kernel side is told which processes are on the host; nowhere in a replay.
    #[must_use]
    pub fn host_marks(&self) -> Option<HostMarks> {
        self.host_marks.get().copied()
    }

    /// Names of addresses.
    #[must_use]
    pub fn address_names(&self) -> &AddressNames {
        &self.address_names
    }

    /// The processes that live, as far as is known.
    pub fn living_processes(&self) -> impl Iterator<Item = (u32, Start)> {
        let living = self.slots.iter().filter(|node| node.head.load().is_alive());
        living.map(|node| (node.tgid, node.start))
    }

    /// Whether a process lives and is known, whose start is cut to 10 ms.
    #[must_use]
    pub fn is_known(&self, tgid: u32, coarse_start_ns: u64) -> bool {
        let start = Start { ns: coarse_start_ns, coarse: true };
        let newest = self.slots.get(tgid).and_then(arc_swap::ArcSwapAny::load_full);
        newest.is_some_and(|node| node.start.agrees(start) && node.head.load().is_alive())
    }

    /// Who looks again at processes that are not wholly known.
    #[must_use]
    pub fn repairs(&self) -> &Repairs {
        &self.repairs
    }

    /// Goes through the names of an address as of `key`, the newest first, until `each` says `true`; gives whether it did. Any shard may have
    /// seen an answer, so all of them have to have come so far.
    pub(crate) fn names_of(
        &self,
        reader: usize,
        address: IpAddr,
        key: Key,
        each: impl FnMut(&Arc<str>) -> bool,
    ) -> Result<bool, Wait> {
        let until = key.prev();
        let behind = |shard: &usize| *shard != reader && self.applied(*shard) < until;
        match (0..self.n_shards()).find(behind) {
            Some(shard) => Err(Wait { shard, until }),
            None => Ok(self.address_names.any(address, key, each)),
        }
    }

    /// Who waits for whose `applied`.
    pub(crate) fn waits(&self) -> &WaitBoard {
        &self.waits
    }

    /// Up to where some shard has gone without waiting for a straggler. The others go so far, too: it waits for them, and what would let them go by
    /// themselves is the straggler's watermark alone.
    pub(crate) fn beyond(&self) -> Key {
        // Acquire: pairs with the Release in `go_beyond`; whoever follows has every frame that the other shard knew to be pushed.
        Key(self.beyond.load(Ordering::Acquire))
    }

    /// A shard has released frames up to this key, beyond the smallest watermark; before it waits for anybody.
    pub(crate) fn go_beyond(&self, key: Key) {
        // Release: pairs with the Acquire in `beyond`.
        self.beyond.fetch_max(key.0, Ordering::AcqRel);
    }

    /// Number of shards.
    #[must_use]
    pub fn n_shards(&self) -> usize {
        self.progress.len()
    }

    /// The shard that owns a process.
    #[must_use]
    pub fn owner(&self, tgid: u32) -> usize {
        (self.route)(tgid, self.progress.len())
    }

    /// Processes known now, tombstones included.
    #[must_use]
    pub fn n_processes(&self) -> u64 {
        self.n_processes.load(Ordering::Relaxed)
    }

    /// Memory that processes, what they run and where they are take now, in bytes. O(shards).
    #[must_use]
    pub fn n_bytes(&self) -> u64 {
        self.rooms.n_bytes()
    }

    /// Every state change of the shard up to this key has been applied.
    #[must_use]
    pub fn applied(&self, shard: usize) -> Key {
        // Acquire: pairs with the Release in `publish_applied`.
        let applied =
            self.progress.get(shard).map_or(Key::MIN, |p| Key(p.applied.load(Ordering::Acquire)));
        schedule::point(Place::AppliedRead);
        applied
    }

    /// Whether past versions have taken as much memory as they may. O(shards).
    pub(crate) fn is_short(&self) -> bool {
        self.rooms.is_short()
    }

    /// The shards that have not evaluated as much as this one. O(shards).
    pub(crate) fn behind(&self, shard: usize) -> impl Iterator<Item = usize> {
        let own = self.done(shard);
        (0..self.n_shards()).filter(move |&other| self.done(other) < own)
    }

    /// Everything up to this key is evaluated by the shard, and its alerts are on their way.
    #[must_use]
    pub fn done(&self, shard: usize) -> Key {
        // Acquire: pairs with the Release in `publish_done`.
        let done =
            self.progress.get(shard).map_or(Key::MIN, |p| Key(p.done.load(Ordering::Acquire)));
        schedule::point(Place::DoneRead);
        done
    }

    /// Says that the shard has applied everything up to `key`. Monotone; only the shard itself may call it.
    pub(crate) fn publish_applied(&self, shard: usize, key: Key) {
        if let Some(p) = self.progress.get(shard)
            && p.applied.load(Ordering::Relaxed) < key.0
        {
            schedule::point(Place::AppliedPublish);
            // Release: pairs with the Acquire in `applied`; whoever sees the key sees every version up to it.
            p.applied.store(key.0, Ordering::Release);
        }
    }

    /// Says that the shard has evaluated everything up to `key`. Monotone; only the shard itself may call it.
    pub(crate) fn publish_done(&self, shard: usize, key: Key) {
        if let Some(p) = self.progress.get(shard)
            && p.done.load(Ordering::Relaxed) < key.0
        {
            schedule::point(Place::DonePublish);
            // Release: pairs with the Acquire in `min_done`; what is reclaimed after it was read before it.
            p.done.store(key.0, Ordering::Release);
        }
    }

    /// Nobody reads as of a key up to this one any more. O(shards).
    pub(super) fn min_done(&self) -> Key {
        // Acquire: pairs with the Release in `publish_done`.
        let done = self.progress.iter().map(|p| p.done.load(Ordering::Acquire)).min().unwrap_or(0);
        schedule::point(Place::DoneRead);
        Key(done)
    }

    /// Every shard has applied every state change up to this key. O(shards).
    pub(super) fn min_applied(&self) -> Key {
        (0..self.n_shards()).map(|shard| self.applied(shard)).min().unwrap_or(Key::MIN)
    }

    /// Whether shard `reader` may read a process as of `key`.
    #[inline]
    pub(crate) fn readable(&self, reader: usize, tgid: u32, key: Key) -> Result<(), Wait> {
        self.has_applied(reader, self.owner(tgid), key)
    }

    /// Whether shard `owner` has applied what shard `reader` may read of its processes as of `key`.
    #[inline]
    pub(super) fn has_applied(&self, reader: usize, owner: usize, key: Key) -> Result<(), Wait> {
        let until = key.prev();
        if owner == reader || Mutant::NoWait.is_at_work() || self.applied(owner) >= until {
            Ok(())
        } else {
            Err(Wait { shard: owner, until })
        }
    }

    /// Whether there are as many processes as there may be. It may be overshot by one per shard, which is what two steps cost.
    pub(super) fn is_full(&self) -> bool {
        self.n_processes.load(Ordering::Relaxed) >= self.limits.max_processes
    }

    /// Counts a process.
    pub(super) fn admit(&self) {
        self.n_processes.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn discharge(&self) {
        self.n_processes.fetch_sub(1, Ordering::Relaxed);
    }

    /// The newest incarnation of each process id, by id.
    pub(crate) fn newest(&self) -> impl Iterator<Item = Arc<ProcNode>> {
        self.slots.iter()
    }

    /// The incarnation of `tgid` that agrees with `start` and was known as of `key`, newest first.
    pub(crate) fn incarnation(&self, tgid: u32, start: Start, key: Key) -> Option<Arc<ProcNode>> {
        let guard = self.slots.get(tgid)?.load();
        let newest = guard.as_ref()?;
        if newest.born <= key && newest.start.agrees(start) {
            return Some(Arc::clone(newest));
        }
        let mut next = newest.older.get();
        while let Some(node) = next {
            if node.born <= key && node.start.agrees(start) {
                return Some(node);
            }
            next = node.older.get();
        }
        None
    }

    /// The process a frame is about, as of its key, unless there was no room for it; only where it is [`Self::readable`].
    pub(crate) fn process_of(&self, header: &FrameHeader, key: Key) -> Option<Arc<Version>> {
        if header.flags & flags::REFUSED != 0 {
            return None;
        }
        self.process(header.tgid, Start::of(header), key)
    }

    /// A process, as of a key; only where it is [`Self::readable`]. A process that died before `key` is not known.
    pub(super) fn process(&self, tgid: u32, start: Start, key: Key) -> Option<Arc<Version>> {
        let version = match self.slots.get(tgid)?.load().as_ref() {
            // The common case takes no counted reference to the node.
            Some(newest) if newest.born <= key && newest.start.agrees(start) => newest.as_of(key),
            Some(_) => self.incarnation(tgid, start, key)?.as_of(key),
            None => None,
        }?;
        (version.is_alive() || version.key == key).then_some(version)
    }

    /// A process that lives as of `key`. What was reclaimed had died before, so the answer does not depend on when that happened.
    pub(crate) fn living(
        &self,
        reader: usize,
        tgid: u32,
        start: Start,
        key: Key,
    ) -> Result<Option<Living>, Wait> {
        self.readable(reader, tgid, key)?;
        let Some(node) = self.incarnation(tgid, start, key) else { return Ok(None) };
        Ok(node.as_of(key).filter(|v| v.is_alive()).map(|version| (node, version)))
    }

    /// The parent of a process as of `key`: tombstones are followed to who reaped.
    pub(crate) fn parent(
        &self,
        reader: usize,
        child: &Version,
        key: Key,
    ) -> Result<Ancestor, Wait> {
        let mut node = match &child.parent {
            Parent::None => return Ok(Ancestor::None),
            Parent::Unknown(tgid) => return Ok(Ancestor::Unknown(*tgid)),
            Parent::Node(node) => Arc::clone(node),
        };
        let mut descent = Descent::Certain;
        loop {
            self.readable(reader, node.tgid, key)?;
            let Some(version) = node.as_of(key) else { return Ok(Ancestor::Unknown(node.tgid)) };
            match &version.state {
                State::Alive => return Ok(Ancestor::Known(node, version, descent)),
                State::Dead(None) => return Ok(Ancestor::Unknown(0)),
                // No circle: see `leads_to`, which the writer asks.
                State::Dead(Some(reaper)) => {
                    if !version.is_complete {
                        descent = Descent::Doubtful;
                    }
                    node = Arc::clone(reaper);
                }
            }
        }
    }

    /// Whether the ancestors of `from`, itself included, or who reaped them, come to `to`. The writer asks before it makes `from` an ancestor of
    /// `to`, so that ancestors form no circle.
    pub(super) fn leads_to(
        &self,
        reader: usize,
        from: &Arc<ProcNode>,
        to: &ProcNode,
        key: Key,
    ) -> Result<bool, Wait> {
        let mut node = Arc::clone(from);
        loop {
            if std::ptr::eq(&raw const *node, to) {
                return Ok(true);
            }
            self.readable(reader, node.tgid, key)?;
            let Some(version) = node.as_of(key) else { return Ok(false) };
            node = match (&version.state, &version.parent) {
                (State::Dead(Some(reaper)), _) => Arc::clone(reaper),
                (State::Alive, Parent::Node(parent)) => Arc::clone(parent),
                (State::Dead(None), _) | (State::Alive, Parent::None | Parent::Unknown(_)) => {
                    return Ok(false);
                }
            };
        }
    }
}

/// A process that lives, and what it was as of the key asked for.
pub(crate) type Living = (Arc<ProcNode>, Arc<Version>);

/// What is known of a parent.
#[derive(Clone, Debug)]
pub(crate) enum Ancestor {
    /// There is none.
    None,
    /// There is one with this id (0: not even that).
    Unknown(u32),
    /// It lives.
    Known(Arc<ProcNode>, Arc<Version>, Descent),
}

/// How sure it is that an ancestor is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Descent {
    /// Every link is known.
    Certain,
    /// Somebody on the way ended unseen, so who reaped its children is a guess.
    Doubtful,
}

//! One process in the lineage: its incarnation, and its versions.

use std::cell::RefCell;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use bus::Key;
use event::{FrameHeader, flags};

use super::Image;
use super::earlier::Earlier;
use super::image::Dir;
use super::live_containers::ContainerEntry;
use super::mutant::Mutant;
use super::room::Charge;

/// Resolution of start times that `/proc` gives.
const COARSE_NS: u64 = 10_000_000;

/// When a process started, which tells apart processes that had the same id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// Boot-clock ns (or an incarnation number, in a replay); 0 where unknown.
    pub ns: u64,
    /// Cut to 10 ms.
    pub coarse: bool,
}

impl Start {
    /// The start of a frame's process.
    #[must_use]
    pub fn of(header: &FrameHeader) -> Self {
        Self { ns: header.start_ns, coarse: header.flags & flags::START_COARSE != 0 }
    }

    /// An exact start; 0 is unknown.
    #[must_use]
    pub fn exact(ns: u64) -> Self {
        Self { ns, coarse: false }
    }

    /// Whether the two can be the start of one process. Where one is coarse the other is compared at that resolution; an unknown start
    /// agrees with any.
    #[must_use]
    pub fn agrees(self, other: Self) -> bool {
        if self.ns == 0 || other.ns == 0 {
            return true;
        }
        if self.coarse || other.coarse {
            self.ns / COARSE_NS == other.ns / COARSE_NS
        } else {
            self.ns == other.ns
        }
    }
}

/// Who a process's parent is.
#[derive(Clone, Debug)]
pub enum Parent {
    /// It has none: the first process, and kernel threads.
    None,
    /// It has one with this id, of which nothing is known.
    Unknown(u32),
    /// This one, or who reaped it.
    Node(Arc<ProcNode>),
}

/// Ids and capabilities, as the initial namespaces see them where nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of rules are named alike")]
pub struct Ids {
    pub uid: u32,
    pub gid: u32,
    /// `u32::MAX` where there is none.
    pub loginuid: u32,
    pub tty: u32,
    pub sid: u32,
    pub pgid: u32,
    /// In the process's own pid namespace; 0 where unknown.
    pub vpid: u32,
    /// In the process's own pid namespace.
    pub vpgid: u32,
    pub cap_inheritable: u64,
    pub cap_permitted: u64,
    pub cap_effective: u64,
}

impl Ids {
    /// Those of a process of which a savefile does not tell them: -1, as Falco has it.
    pub(super) const UNTOLD: Self = Self {
        uid: u32::MAX,
        gid: u32::MAX,
        loginuid: u32::MAX,
        tty: 0,
        sid: u32::MAX,
        pgid: u32::MAX,
        vpid: 0,
        vpgid: u32::MAX,
        cap_inheritable: 0,
        cap_permitted: 0,
        cap_effective: 0,
    };
}

impl Default for Ids {
    fn default() -> Self {
        Self {
            uid: 0,
            gid: 0,
            loginuid: u32::MAX,
            tty: 0,
            sid: 0,
            pgid: 0,
            vpid: 0,
            vpgid: 0,
            cap_inheritable: 0,
            cap_permitted: 0,
            cap_effective: 0,
        }
    }
}

/// Whether a process lives as of a version.
#[derive(Clone, Debug)]
pub enum State {
    /// It lives.
    Alive,
    /// Its last thread left; its children went to this process, where it is known.
    Dead(Option<Arc<ProcNode>>),
}

/// The key of the version that took a version's place; the largest there is while none has.
#[derive(Debug)]
pub(super) struct Until(AtomicU64);

impl Default for Until {
    fn default() -> Self {
        Self(AtomicU64::new(Key::MAX.0))
    }
}

/// A process as of a key, until the next version. Immutable but for what links it to its neighbours: until when it holds, and its predecessor, which
/// is cut off when nobody can ask for it.
#[derive(Debug)]
pub struct Version {
    pub(super) key: Key,
    /// Which no other version of any process ever has; the pool gives it.
    pub(super) serial: u64,
    pub(super) prev: Earlier<Version>,
    pub(super) until: Until,
    /// Its parent at the fork (follow [`State::Dead`] for the present one).
    pub parent: Parent,
    /// Program and arguments, shared with forks.
    pub image: Arc<Image>,
    /// Working directory as of the last fork, exec or chdir.
    pub cwd: Arc<Dir>,
    /// Where it runs.
    pub container: Arc<ContainerEntry>,
    /// Ids.
    pub ids: Ids,
    /// When it was made, on the clock of its frames; 0 where unknown.
    pub started_at: u64,
    /// Nothing is known of it but that its thread made an event. Only savefiles have such.
    pub is_stand_in: bool,
    /// Every change of it up to here is known. Of one that ended: who reaped is known, too.
    pub is_complete: bool,
    /// When what it says was so, on the clock of its frames.
    pub(super) told_at: u64,
    /// Whether it lives.
    pub state: State,
}

impl Version {
    /// A successor at `key` with the same contents, to be changed before it is published.
    pub(super) fn successor(&self, key: Key) -> Self {
        Self {
            key,
            serial: 0,
            prev: Earlier::default(),
            until: Until::default(),
            parent: self.parent.clone(),
            image: Arc::clone(&self.image),
            cwd: Arc::clone(&self.cwd),
            container: Arc::clone(&self.container),
            ids: self.ids,
            started_at: self.started_at,
            is_stand_in: self.is_stand_in,
            is_complete: self.is_complete,
            told_at: self.told_at,
            state: self.state.clone(),
        }
    }

    /// The frame that made it.
    #[must_use]
    pub fn key(&self) -> Key {
        self.key
    }

    /// Whether this is what the process is as of `key`: for who may read it as of `key`, and held it before. One load.
    #[inline]
    pub(crate) fn is_as_of(&self, key: Key) -> bool {
        // Relaxed: whoever may read the process as of `key` has seen that its owner applied everything before, which that says with Release.
        self.key <= key && key.0 < self.until.0.load(Ordering::Relaxed)
    }

    /// Whether the process lives.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        matches!(self.state, State::Alive)
    }
}

/// One incarnation of a process id.
#[derive(Debug)]
pub struct ProcNode {
    /// Process id in the initial namespace.
    pub tgid: u32,
    /// When it started.
    pub start: Start,
    /// The frame that made it known.
    pub born: Key,
    /// Newest version. Written by the shard that owns the tgid.
    pub(super) head: ArcSwap<Version>,
    /// The incarnation of this id before this one.
    pub(super) older: Earlier<ProcNode>,
    /// What it takes of the table's memory, with one version.
    pub(super) charge: Charge,
}

impl ProcNode {
    pub(super) fn new(tgid: u32, start: Start, first: Arc<Version>, charge: Charge) -> Self {
        Self {
            tgid,
            start,
            born: first.key,
            head: ArcSwap::new(first),
            older: Earlier::default(),
            charge,
        }
    }

    /// The version as of `key`: the newest that is not above it. `None` for a process not yet known then. O(versions above `key`).
    #[must_use]
    pub fn as_of(&self, key: Key) -> Option<Arc<Version>> {
        let head = self.head.load();
        if head.key <= key || Mutant::Latest.is_at_work() {
            return Some(Arc::clone(&head));
        }
        let mut next = head.prev.get();
        while let Some(version) = next {
            if version.key <= key {
                return Some(version);
            }
            next = version.prev.get();
        }
        None
    }

    /// Puts a version on top and gives it as it was made. Only the owner of the tgid may call it, with growing keys.
    pub(super) fn push(
        &self,
        mut version: Version,
        make: impl FnOnce(Version) -> Arc<Version>,
    ) -> Arc<Version> {
        let before = self.head.load_full();
        before.until.0.store(version.key.0, Ordering::Relaxed);
        version.prev = Earlier::of(Some(before));
        let version = make(version);
        self.head.store(Arc::clone(&version));
        version
    }

    /// Replaces all versions by the tombstone alone and gives them back. Only the owner may call it, once nobody can ask for anything
    /// before it.
    pub(super) fn bury(&self, tombstone: Arc<Version>) -> Arc<Version> {
        self.head.swap(tombstone)
    }
}

/// What a node or version held on to.
pub(super) enum Link {
    Node(Arc<ProcNode>),
    Version(Arc<Version>),
}

thread_local! {
    /// Links still to be dropped by the outermost drop on this thread; `None` while there is no such drop.
    static PENDING: RefCell<Option<Vec<Link>>> = const { RefCell::new(None) };
}

/// Drops a link after the node or version that held it, not inside it: a chain of a million ancestors or tombstones must not be dropped
/// by a million nested calls.
fn drop_later(link: Link) {
    let mut link = Some(link);
    let outermost = PENDING.try_with(|pending| {
        let mut pending = pending.borrow_mut();
        if let Some(queue) = pending.as_mut() {
            queue.extend(link.take());
            return false;
        }
        *pending = Some(Vec::new());
        true
    });
    if outermost == Ok(true) {
        while link.take().is_some() {
            link = PENDING.with(|p| p.borrow_mut().as_mut().and_then(Vec::pop));
        }
        PENDING.with(|p| *p.borrow_mut() = None);
    }
}

impl Drop for ProcNode {
    fn drop(&mut self) {
        if let Some(older) = self.older.take() {
            drop_later(Link::Node(older));
        }
    }
}

impl Drop for Version {
    fn drop(&mut self) {
        if let Parent::Node(node) = mem::replace(&mut self.parent, Parent::None) {
            drop_later(Link::Node(node));
        }
        if let State::Dead(Some(node)) = mem::replace(&mut self.state, State::Alive) {
            drop_later(Link::Node(node));
        }
        if let Some(prev) = self.prev.take() {
            drop_later(Link::Version(prev));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(key: u64, parent: Parent, state: State) -> Version {
        Version {
            key: Key(key),
            serial: key,
            prev: Earlier::default(),
            until: Until::default(),
            parent,
            image: Arc::default(),
            cwd: Arc::default(),
            container: Arc::new(ContainerEntry::not_asked(containers::Container::host())),
            ids: Ids::default(),
            started_at: 0,
            is_stand_in: false,
            is_complete: true,
            told_at: 0,
            state,
        }
    }

    fn node(tgid: u32, first: Version) -> Arc<ProcNode> {
        Arc::new(ProcNode::new(tgid, Start::exact(1), Arc::new(first), Charge::default()))
    }

    #[test]
    fn a_read_between_two_versions_gets_the_earlier() {
        let node = node(5, version(10, Parent::None, State::Alive));
        node.push(version(20, Parent::None, State::Alive), Arc::new);
        node.push(version(30, Parent::None, State::Dead(None)), Arc::new);
        let key_as_of = |k| node.as_of(Key(k)).map(|v| v.key.0);
        assert_eq!(key_as_of(9), None);
        assert_eq!(key_as_of(10), Some(10));
        assert_eq!(key_as_of(19), Some(10));
        assert_eq!(key_as_of(29), Some(20));
        assert_eq!(key_as_of(u64::MAX), Some(30));
    }

    #[test]
    fn a_version_that_is_held_says_how_long_it_is_the_one() {
        let node = node(5, version(10, Parent::None, State::Alive));
        let held = node.as_of(Key(12)).unwrap();
        assert!(!held.is_as_of(Key(9)));
        assert!(held.is_as_of(Key(10)) && held.is_as_of(Key(1 << 60)));
        node.push(version(20, Parent::None, State::Alive), Arc::new);
        assert!(held.is_as_of(Key(19)) && !held.is_as_of(Key(20)));
        assert!(node.as_of(Key(20)).unwrap().is_as_of(Key(1 << 60)));
    }

    #[test]
    fn long_chains_drop_without_recursion() {
        let first = |key, parent| version(key, parent, State::Alive);
        let mut parent = node(1, first(1, Parent::None));
        for n in 2..300_000 {
            parent = node(n, first(u64::from(n), Parent::Node(parent)));
        }
        let mut reaper = node(1, first(1, Parent::None));
        for n in 2..300_000 {
            let dead = version(u64::from(n), Parent::None, State::Dead(Some(reaper)));
            reaper = node(n, dead);
        }
        let node = node(1, first(1, Parent::Node(parent)));
        for n in 2..300_000 {
            node.push(first(n, Parent::None), Arc::new);
        }
        std::thread::Builder::new()
            .stack_size(64 << 10)
            .spawn(move || drop((reaper, node)))
            .unwrap()
            .join()
            .unwrap();
    }

    #[test]
    fn coarse_starts_agree_with_exact_ones_of_the_same_tick() {
        let coarse = Start { ns: 1_230_000_000, coarse: true };
        assert!(coarse.agrees(Start::exact(1_239_999_999)));
        assert!(!coarse.agrees(Start::exact(1_240_000_000)));
        assert!(!Start::exact(1).agrees(Start::exact(2)));
        assert!(Start::exact(0).agrees(Start::exact(2)));
    }
}

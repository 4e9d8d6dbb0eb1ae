//! Free lists of a shard's writer: what nobody holds any more is used again, with its buffers.
//!
//! Only what `Arc::get_mut` proves to be held by nobody else goes on a list. A reader on another shard may hold on to anything for a
//! moment; what it holds is let go of here, freed by that reader, and costs an allocation later.

use std::mem;
use std::sync::Arc;

use bus::Key;
use containers::Container;

use super::Image;
use super::earlier::Earlier;
use super::image::{Dir, Program};
use super::live_containers::ContainerEntry;
use super::node::{Ids, Link, Parent, ProcNode, Start, State, Until, Version};
use super::room::{Charge, Room};

/// Versions, and nodes, kept at most: about 1 MiB per shard.
const MAX_FREE: usize = 4096;
/// Images, and working directories, kept at most.
const MAX_FREE_TEXTS: usize = 512;
/// A larger buffer is not kept, so that short-lived giants do not pass their size on to whatever comes next. Bounds the list to 8 MiB.
const MAX_TEXT_BYTES: usize = 16 << 10;

/// What a process takes at least: its node, the version that is in force, and an image of a shortened program, so that whatever it executes later
/// is paid for.
pub(super) const PROCESS_BYTES: usize =
    size_of::<ProcNode>() + size_of::<Version>() + 4 * size_of::<usize>() + Image::MAX_SHORT_BYTES;

// A replay counts so much for each (capture: savefile/ledger.rs).
const _: () = assert!(PROCESS_BYTES <= 1024);

/// Values that nobody else holds.
struct FreeList<T> {
    free: Vec<Arc<T>>,
    max: usize,
}

impl<T> FreeList<T> {
    fn new(max: usize) -> Self {
        Self { free: Vec::with_capacity(max), max }
    }

    /// Keeps a value that nobody else holds, as far as there is room.
    fn give(&mut self, mut value: Arc<T>, charge: impl Fn(&mut T) -> &mut Charge) {
        if self.free.len() < self.max
            && let Some(place) = Arc::get_mut(&mut value)
        {
            charge(place).clear();
            self.free.push(value);
        }
    }

    /// The same of what takes nothing by itself.
    fn give_empty(&mut self, mut value: Arc<T>) {
        if self.free.len() < self.max && Arc::get_mut(&mut value).is_some() {
            self.free.push(value);
        }
    }
}

/// What a shard's writer makes the lineage of.
pub(super) struct Pool {
    versions: FreeList<Version>,
    nodes: FreeList<ProcNode>,
    images: FreeList<Image>,
    cwds: FreeList<Dir>,
    /// Still to be released. A list and not recursion: see the drop of a node.
    pending: Vec<Link>,
    /// Stands in where something was taken out.
    blank: Arc<Version>,
    nowhere: Arc<Dir>,
    next_serial: u64,
    n_shards: u64,
    room: Room,
}

impl Pool {
    /// For one of so many shards: no two of them give a version the same serial. What it makes is counted in `room` as long as it is in use.
    pub(super) fn new(shard: usize, n_shards: usize, room: Room) -> Self {
        let blank = Version {
            key: Key::MIN,
            serial: 0,
            prev: Earlier::default(),
            until: Until::default(),
            parent: Parent::None,
            image: Arc::default(),
            cwd: Arc::new(Dir::of(b"/")),
            container: Arc::new(ContainerEntry::not_asked(Container::host())),
            ids: Ids::default(),
            started_at: 0,
            is_stand_in: false,
            is_complete: true,
            told_at: 0,
            state: State::Alive,
        };
        Self {
            versions: FreeList::new(MAX_FREE),
            nodes: FreeList::new(MAX_FREE),
            images: FreeList::new(MAX_FREE_TEXTS),
            cwds: FreeList::new(MAX_FREE_TEXTS),
            pending: Vec::with_capacity(MAX_FREE),
            blank: Arc::new(blank),
            nowhere: Arc::default(),
            next_serial: 1 + shard as u64,
            n_shards: n_shards as u64,
            room,
        }
    }

    /// The container that is none.
    pub(super) fn host(&self) -> &Arc<ContainerEntry> {
        &self.blank.container
    }

    /// The working directory of who has no other.
    pub(super) fn root(&self) -> &Arc<Dir> {
        &self.blank.cwd
    }

    /// The working directory of who may be anywhere.
    pub(super) fn nowhere(&self) -> &Arc<Dir> {
        &self.nowhere
    }

    pub(super) fn version(&mut self, mut value: Version) -> Arc<Version> {
        value.serial = self.next_serial;
        self.next_serial += self.n_shards;
        if let Some(mut version) = self.versions.free.pop()
            && let Some(place) = Arc::get_mut(&mut version)
        {
            *place = value;
            return version;
        }
        Arc::new(value)
    }

    /// What a version takes that is kept for those who are behind. A program that it alone had in short was paid for by the process, which has
    /// another one now.
    pub(super) fn history(&self, past: &Version, now: &Version) -> Charge {
        let is_left = !past.image.charge.is_counted() && !Arc::ptr_eq(&past.image, &now.image);
        let n_image = if is_left { Image::OWN_BYTES + past.image.capacity() } else { 0 };
        self.room.charge(size_of::<Version>() + 2 * size_of::<usize>() + n_image)
    }

    pub(super) fn node(&mut self, tgid: u32, start: Start, first: Version) -> Arc<ProcNode> {
        let first = self.version(first);
        let charge = self.room.charge(PROCESS_BYTES);
        if let Some(mut node) = self.nodes.free.pop()
            && let Some(place) = Arc::get_mut(&mut node)
        {
            *place = ProcNode::new(tgid, start, first, charge);
            return node;
        }
        Arc::new(ProcNode::new(tgid, start, first, charge))
    }

    pub(super) fn image(&mut self, program: &Program<'_>) -> Arc<Image> {
        let mut image = self.images.free.pop().unwrap_or_default();
        let place = Arc::get_mut(&mut image).expect("what is free is held by nobody else");
        place.fill(program);
        place.charge = self.room.charge(Image::OWN_BYTES + place.capacity());
        image
    }

    /// An image that is no larger than what each process pays for.
    pub(super) fn short_image(program: &Program<'_>) -> Arc<Image> {
        let mut image = Image::default();
        image.fill(&program.shortened());
        Arc::new(image)
    }

    pub(super) fn cwd(&mut self, path: &[u8]) -> Arc<Dir> {
        let mut cwd = self.cwds.free.pop().unwrap_or_default();
        let place = Arc::get_mut(&mut cwd).expect("what is free is held by nobody else");
        place.fill(path);
        place.charge = self.room.charge(Dir::OWN_BYTES + place.capacity());
        cwd
    }

    /// Takes a dead process that was unlinked. Where children or readers still hold it, its tombstone alone is left to them.
    pub(super) fn bury(&mut self, mut node: Arc<ProcNode>) {
        if Arc::get_mut(&mut node).is_none() {
            let head = node.head.load_full();
            let mut tombstone = self.blank.successor(head.key);
            tombstone.state = head.state.clone();
            tombstone.is_complete = head.is_complete;
            drop(head);
            let tombstone = self.version(tombstone);
            let before = node.bury(tombstone);
            self.release(Link::Version(before));
        }
        self.release(Link::Node(node));
    }

    /// Lets go of a node or version. Where nobody else holds it, it is taken apart for the free lists, and so is what it alone held on to.
    pub(super) fn release(&mut self, link: Link) {
        let mut next = Some(link);
        while let Some(link) = next {
            match link {
                Link::Node(node) => self.release_node(node),
                Link::Version(version) => self.release_version(version),
            }
            next = self.pending.pop();
        }
        // As after a chain of a million ancestors.
        self.pending.shrink_to(MAX_FREE);
    }

    fn release_node(&mut self, mut node: Arc<ProcNode>) {
        let Some(ProcNode { tgid: _, start: _, born: _, head, older, charge }) =
            Arc::get_mut(&mut node)
        else {
            return;
        };
        charge.clear();
        self.pending.push(Link::Version(head.swap(Arc::clone(&self.blank))));
        self.pending.extend(older.take().map(Link::Node));
        self.nodes.give_empty(node);
    }

    fn release_version(&mut self, mut version: Arc<Version>) {
        let Some(Version {
            key: _,
            serial: _,
            prev,
            until: _,
            parent,
            image,
            cwd,
            container,
            ids: _,
            started_at: _,
            is_stand_in: _,
            is_complete: _,
            told_at: _,
            state,
        }) = Arc::get_mut(&mut version)
        else {
            return;
        };
        self.pending.extend(prev.take().map(Link::Version));
        if let Parent::Node(node) = mem::replace(parent, Parent::None) {
            self.pending.push(Link::Node(node));
        }
        if let State::Dead(Some(node)) = mem::replace(state, State::Alive) {
            self.pending.push(Link::Node(node));
        }
        *container = Arc::clone(&self.blank.container);
        let image = mem::replace(image, Arc::clone(&self.blank.image));
        if image.capacity() <= MAX_TEXT_BYTES {
            self.images.give(image, |image| &mut image.charge);
        }
        let cwd = mem::replace(cwd, Arc::clone(&self.blank.cwd));
        if cwd.capacity() <= MAX_TEXT_BYTES {
            self.cwds.give(cwd, |cwd| &mut cwd.charge);
        }
        self.versions.give_empty(version);
    }
}

#[cfg(test)]
mod tests {
    use super::super::room::Rooms;
    use super::*;

    fn alive(pool: &Pool, key: u64, parent: Parent) -> Version {
        let mut version = pool.blank.successor(Key(key));
        version.parent = parent;
        version
    }

    fn image(pool: &mut Pool, comm: &[u8]) -> Arc<Image> {
        pool.image(&Program { comm, ..Program::default() })
    }

    #[test]
    fn what_is_used_again_says_nothing_of_before() {
        let mut pool = Pool::new(0, 1, Room::default());
        let mut first = alive(&pool, 1, Parent::Unknown(9));
        first.image = image(&mut pool, b"secret");
        first.cwd = pool.cwd(b"/home");
        let node = pool.node(7, Start::exact(3), first);
        let at = Arc::as_ptr(&node);
        pool.bury(node);
        assert_eq!((pool.nodes.free.len(), pool.versions.free.len()), (1, 1));
        assert_eq!((pool.images.free.len(), pool.cwds.free.len()), (1, 1));
        let next = alive(&pool, 20, Parent::None);
        let node = pool.node(8, Start::exact(4), next);
        assert_eq!(Arc::as_ptr(&node), at, "used again");
        assert_eq!((node.tgid, node.start.ns, node.born), (8, 4, Key(20)));
        let version = node.as_of(Key(20)).unwrap();
        assert!(matches!(version.parent, Parent::None) && version.prev.get().is_none());
        assert!(node.as_of(Key(19)).is_none());
        assert_eq!(image(&mut pool, b"ls").cmdline(), b"ls");
        assert_eq!(**pool.cwd(b"/"), *b"/");
    }

    #[test]
    fn what_a_reader_holds_is_not_used_again() {
        let mut pool = Pool::new(0, 1, Room::default());
        let mut first = alive(&pool, 1, Parent::None);
        first.image = image(&mut pool, b"held");
        let node = pool.node(7, Start::exact(3), first);
        let version = node.as_of(Key(1)).unwrap();
        let held = Arc::clone(&node);
        pool.bury(node);
        assert_eq!(pool.nodes.free.len() + pool.versions.free.len() + pool.images.free.len(), 0);
        assert_eq!(version.image.comm(), b"held");
        // Only the tombstone is left of a node that is held.
        assert_eq!(held.as_of(Key(1)).unwrap().image.comm(), b"");
        pool.release(Link::Version(version));
        pool.release(Link::Node(held));
        assert_eq!((pool.nodes.free.len(), pool.images.free.len()), (1, 1));
        assert_eq!(pool.versions.free.len(), 2);
    }

    #[test]
    fn long_chains_are_released_without_recursion_and_within_bounds() {
        let mut pool = Pool::new(0, 1, Room::default());
        let first = alive(&pool, 1, Parent::None);
        let mut last = pool.node(1, Start::exact(1), first);
        for n in 2..300_000 {
            let mut version = alive(&pool, u64::from(n), Parent::Node(last));
            version.image = image(&mut pool, b"sh");
            version.cwd = pool.cwd(b"/home");
            last = pool.node(n, Start::exact(1), version);
        }
        let thread = std::thread::Builder::new().stack_size(64 << 10).spawn(move || {
            pool.bury(last);
            pool
        });
        let pool = thread.unwrap().join().unwrap();
        assert_eq!((pool.nodes.free.len(), pool.versions.free.len()), (MAX_FREE, MAX_FREE));
        let n_texts = (pool.images.free.len(), pool.cwds.free.len());
        assert_eq!(n_texts, (MAX_FREE_TEXTS, MAX_FREE_TEXTS));
    }

    #[test]
    fn a_giant_buffer_is_not_kept() {
        let mut pool = Pool::new(0, 1, Room::default());
        let mut version = alive(&pool, 1, Parent::None);
        version.image = image(&mut pool, &vec![b'x'; MAX_TEXT_BYTES]);
        let version = pool.version(version);
        pool.release(Link::Version(version));
        assert_eq!((pool.images.free.len(), pool.versions.free.len()), (0, 1));
    }

    #[test]
    fn what_is_in_use_is_counted_until_the_last_who_holds_it_lets_go() {
        let rooms = Rooms::new(1, u64::MAX);
        let mut pool = Pool::new(0, 1, rooms.of(0));
        let mut first = alive(&pool, 1, Parent::None);
        first.image = image(&mut pool, &[b'x'; 1000]);
        first.cwd = pool.cwd(&[b'/'; 4095]);
        let node = pool.node(7, Start::exact(3), first);
        let n_bytes = rooms.n_bytes();
        assert!((PROCESS_BYTES as u64 + 6000..10_000).contains(&n_bytes), "{n_bytes}");
        let (held, version) = (Arc::clone(&node), node.as_of(Key(1)).unwrap());
        pool.bury(node);
        assert_eq!(rooms.n_bytes(), n_bytes, "a reader holds all of it");
        drop(version);
        assert_eq!(rooms.n_bytes(), PROCESS_BYTES as u64, "a tombstone is left");
        pool.release(Link::Node(held));
        assert_eq!(rooms.n_bytes(), 0, "what is free is no longer counted");
    }
}

//! Threads and processes of a savefile, by their ids.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::Rooms;
use super::descriptors::{Enter, TableId};

/// Ids of one page.
const PAGE: usize = 64;
/// Largest number of process ids that Linux has; what has a larger one is damage, and stays unknown.
const MAX_ID: usize = 1 << 22;

/// A thread.
#[derive(Debug)]
pub(super) struct Thread {
    /// The process it belongs to.
    pub(super) tgid: u32,
    /// Its place, as long as the process there is of this generation.
    process: Slot,
    generation: u32,
    /// What the enter of a call under way said; kept for the next one when it is over.
    enter: Option<Box<Enter>>,
    pub(super) comm: Box<[u8]>,
}

/// What the threads of a process share.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) tgid: u32,
    /// 0 for a process that only its events tell of.
    pub(super) incarnation: u64,
    pub(super) n_threads: u32,
    pub(super) table: TableId,
    /// Ends in a slash.
    cwd: Vec<u8>,
    /// The caller's side of its clone made it; its own side comes yet.
    pub(super) is_expected: bool,
    /// Another one for each process and after each exec, which ends all threads but one.
    generation: u32,
}

impl Process {
    /// The working directory, which ends in a slash; empty where it is not known.
    pub(super) fn cwd(&self) -> &[u8] {
        &self.cwd
    }
}

/// What all threads and processes together take of something, and may take.
#[derive(Debug)]
struct Room {
    n_bytes: usize,
    max_bytes: usize,
    /// What found no room.
    n_dropped: u64,
}

impl Room {
    fn of(max_bytes: usize) -> Self {
        Self { n_bytes: 0, max_bytes, n_dropped: 0 }
    }

    fn emptied(&self) -> Self {
        Self { n_bytes: 0, ..*self }
    }

    fn has(&self, n_bytes: usize) -> bool {
        self.n_bytes + n_bytes <= self.max_bytes
    }

    /// Changes what takes room; without room for it nothing is left.
    #[inline]
    fn change<T>(&mut self, held: &mut Vec<u8>, change: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        self.n_bytes -= held.capacity();
        let changed = change(held);
        if !self.has(held.capacity()) {
            self.n_dropped += 1;
            *held = Vec::new();
        }
        self.n_bytes += held.capacity();
        changed
    }
}

/// Place of a process among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(u32);

type Page = Box<[Option<Thread>; PAGE]>;

/// All threads and processes. A page of threads costs memory once one of them is known, 2 KiB then.
#[derive(Debug)]
pub(super) struct Processes {
    pages: Vec<Option<Page>>,
    groups: HashMap<u32, Slot, RandomState>,
    all: Vec<Process>,
    free: Vec<Slot>,
    n_generations: u32,
    dirs: Room,
    enters: Room,
}

/// An id of a thread or process as a file has it, as one that Linux may have. A wider number is not the thread that its low bits name.
pub(super) fn task_id(id: i64) -> u32 {
    u32::try_from(id).unwrap_or(u32::MAX)
}

fn place(tid: u32) -> Option<(usize, usize)> {
    let tid = tid as usize;
    (tid < MAX_ID).then_some((tid / PAGE, tid % PAGE))
}

impl Processes {
    /// Working directories beyond their room are not known; enters of calls under way beyond theirs make all of them forgotten.
    pub(super) fn within(rooms: Rooms) -> Self {
        Self::with_rooms(Room::of(rooms.dirs()), Room::of(rooms.enters()))
    }

    fn with_rooms(dirs: Room, enters: Room) -> Self {
        Self {
            pages: Vec::new(),
            groups: HashMap::default(),
            all: Vec::new(),
            free: Vec::new(),
            n_generations: 0,
            dirs,
            enters,
        }
    }

    /// None of them any more; what found no room is remembered.
    pub(super) fn restarted(&self) -> Self {
        Self::with_rooms(self.dirs.emptied(), self.enters.emptied())
    }

    /// Working directories that found no room.
    pub(super) fn n_dropped_dirs(&self) -> u64 {
        self.dirs.n_dropped
    }

    /// Enters that were forgotten before their exit came.
    pub(super) fn n_forgotten_enters(&self) -> u64 {
        self.enters.n_dropped
    }

    /// Changes a process's working directory, as far as there is room for it.
    pub(super) fn change_cwd<T>(
        &mut self,
        slot: Slot,
        change: impl FnOnce(&mut Vec<u8>) -> T,
    ) -> T {
        let Self { all, dirs, .. } = self;
        dirs.change(&mut all[slot.0 as usize].cwd, change)
    }

    /// Follows a return: with the thread's last enter, which is over then, and the process's working directory, which may be changed as far
    /// as there is room for it.
    pub(super) fn follow_exit<T>(
        &mut self,
        tid: u32,
        slot: Slot,
        follow: impl FnOnce(Option<&Enter>, &mut Vec<u8>) -> T,
    ) -> T {
        let Self { pages, all, dirs, .. } = self;
        let thread = place(tid).and_then(|(page, at)| pages.get_mut(page)?.as_mut()?[at].as_mut());
        let mut enter = thread.and_then(|thread| thread.enter.as_deref_mut());
        let cwd = &mut all[slot.0 as usize].cwd;
        let followed = dirs.change(cwd, |cwd| follow(enter.as_deref(), cwd));
        // Whatever comes next is another call.
        if let Some(enter) = &mut enter {
            enter.clear();
        }
        followed
    }

    /// What is kept of the thread's last enter, to be put back.
    pub(super) fn take_enter(&mut self, tid: u32) -> Option<Box<Enter>> {
        let enter = self.thread_mut(tid)?.enter.take()?;
        self.enters.n_bytes -= enter.size_bytes();
        Some(enter)
    }

    /// Keeps an enter for its exit.
    pub(super) fn put_enter(&mut self, tid: u32, enter: Box<Enter>) {
        if !self.enters.has(enter.size_bytes()) {
            self.forget_enters();
        }
        let n_bytes = enter.size_bytes();
        let Some(thread) = self.thread_mut(tid) else { return };
        let before = thread.enter.replace(enter);
        self.enters.n_bytes += n_bytes;
        self.dropped(before);
    }

    /// The call that the thread's last enter began is over.
    pub(super) fn end_enter(&mut self, tid: u32) {
        if let Some(enter) = self.thread_mut(tid).and_then(|t| t.enter.as_mut()) {
            enter.clear();
        }
    }

    #[cold]
    fn forget_enters(&mut self) {
        let threads = self.pages.iter_mut().flatten().flat_map(|page| page.iter_mut().flatten());
        for enter in threads.filter_map(|thread| thread.enter.take()) {
            self.enters.n_dropped += u64::from(enter.is_under_way());
        }
        self.enters.n_bytes = 0;
    }

    fn dropped(&mut self, enter: Option<Box<Enter>>) {
        self.enters.n_bytes -= enter.map_or(0, |enter| enter.size_bytes());
    }

    pub(super) fn thread(&self, tid: u32) -> Option<&Thread> {
        let (page, at) = place(tid)?;
        self.pages.get(page)?.as_ref()?[at].as_ref()
    }

    pub(super) fn thread_mut(&mut self, tid: u32) -> Option<&mut Thread> {
        let (page, at) = place(tid)?;
        self.pages.get_mut(page)?.as_mut()?[at].as_mut()
    }

    /// Process id of a thread; its own id where nothing is known.
    pub(super) fn tgid_of(&self, tid: u32) -> u32 {
        self.thread(tid).map_or(tid, |t| t.tgid)
    }

    /// The process of a thread. O(1), without a hash unless the thread outlived its process.
    pub(super) fn of_thread(&self, tid: u32) -> Option<Slot> {
        let thread = self.thread(tid)?;
        if self.get(thread.process).generation == thread.generation {
            return Some(thread.process);
        }
        self.of_id(thread.tgid)
    }

    /// Every thread that is known, with its process, by id.
    pub(super) fn threads(&self) -> impl Iterator<Item = (u32, &Process)> {
        let pages = self.pages.iter().enumerate().filter_map(|(n, page)| Some((n, page.as_ref()?)));
        let tids = pages.flat_map(|(n, page)| {
            (0..PAGE).filter(|&at| page[at].is_some()).map(move |at| (n * PAGE + at) as u32)
        });
        tids.filter_map(|tid| Some((tid, self.get(self.of_thread(tid)?))))
    }

    fn next_generation(&mut self) -> u32 {
        self.n_generations = self.n_generations.wrapping_add(1);
        self.n_generations
    }

    pub(super) fn of_id(&self, tgid: u32) -> Option<Slot> {
        self.groups.get(&tgid).copied()
    }

    pub(super) fn get(&self, slot: Slot) -> &Process {
        &self.all[slot.0 as usize]
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> &mut Process {
        &mut self.all[slot.0 as usize]
    }

    /// Puts a process with its first thread in place of what had the id before. Gives its place, or none where the id is none that Linux
    /// has, and the table that nobody has any more.
    pub(super) fn put(
        &mut self,
        tgid: u32,
        incarnation: u64,
        table: TableId,
        cwd: &[u8],
    ) -> (Option<Slot>, Option<TableId>) {
        if place(tgid).is_none() {
            return (None, Some(table));
        }
        let mut new = Process {
            tgid,
            incarnation,
            n_threads: 1,
            table,
            cwd: Vec::new(),
            is_expected: false,
            generation: self.next_generation(),
        };
        let known = self.of_id(tgid);
        let slot = match known.or_else(|| self.free.pop()) {
            Some(slot) => slot,
            None => Slot(self.all.len() as u32),
        };
        let before = self.all.get_mut(slot.0 as usize).map(|p| {
            // The room of the directory stays.
            new.cwd = std::mem::take(&mut p.cwd);
            new.cwd.clear();
            p.table
        });
        match self.all.get_mut(slot.0 as usize) {
            Some(place) => *place = new,
            None => self.all.push(new),
        }
        self.change_cwd(slot, |room| room.extend_from_slice(cwd));
        self.groups.insert(tgid, slot);
        self.bind(tgid, slot);
        (Some(slot), before.filter(|_| known.is_some()))
    }

    /// Ends all threads of a process but one.
    pub(super) fn keep_only(&mut self, tid: u32, process: Slot) {
        let comm = self.thread_mut(tid).map(|t| std::mem::take(&mut t.comm));
        let generation = self.next_generation();
        let place = self.get_mut(process);
        (place.generation, place.n_threads) = (generation, 1);
        self.bind(tid, process);
        if let Some((thread, comm)) = self.thread_mut(tid).zip(comm) {
            thread.comm = comm;
        }
    }

    /// The process that counts a thread among its own.
    pub(super) fn counting(&self, tid: u32) -> Option<Slot> {
        let thread = self.thread(tid)?;
        (self.get(thread.process).generation == thread.generation).then_some(thread.process)
    }

    /// Says to which process a thread belongs. Gives the one that it did before, if that one is still there.
    pub(super) fn bind(&mut self, tid: u32, process: Slot) -> Option<Slot> {
        let (page, at) = place(tid)?;
        let &Process { tgid, generation, .. } = self.get(process);
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        let page = self.pages[page].get_or_insert_with(|| Box::new([const { None }; PAGE]));
        let comm = Box::default();
        let thread = Thread { tgid, process, generation, enter: None, comm };
        let mut before = page[at].replace(thread)?;
        self.dropped(before.enter.take());
        (self.get(before.process).generation == before.generation).then_some(before.process)
    }

    pub(super) fn forget_thread(&mut self, tid: u32) {
        if let Some((page, at)) = place(tid)
            && let Some(Some(page)) = self.pages.get_mut(page)
            && let Some(thread) = page[at].take()
        {
            self.dropped(thread.enter);
        }
    }

    /// Takes a process out, and gives its table.
    pub(super) fn remove(&mut self, slot: Slot) -> TableId {
        // No thread is of that generation, so none is led here any more.
        let generation = self.next_generation();
        let process = self.get_mut(slot);
        process.generation = generation;
        let (tgid, table) = (process.tgid, process.table);
        self.groups.remove(&tgid);
        self.free.push(slot);
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::savefile::descriptors::Descriptors;

    #[test]
    fn a_thread_that_outlived_its_process_is_led_to_no_other() {
        let table = Descriptors::within(Rooms::default()).empty();
        let mut all = Processes::within(Rooms::default());
        let first = all.put(5, 1, table, b"/a/").0.unwrap();
        assert_eq!(all.bind(6, first), None);
        all.remove(first);
        assert_eq!((all.of_thread(6), all.tgid_of(6)), (None, 5));
        let other = all.put(9, 2, table, b"/b/").0.unwrap();
        assert_eq!((other, all.of_thread(9), all.of_thread(6)), (first, Some(other), None));
        // The id is used again, at another place.
        let again = all.put(5, 3, table, b"").0.unwrap();
        assert_eq!((all.of_thread(6), all.get(again).incarnation), (Some(again), 3));
    }

    #[test]
    fn ids_that_linux_does_not_have_stay_unknown() {
        let table = Descriptors::within(Rooms::default()).empty();
        let mut all = Processes::within(Rooms::default());
        for id in [MAX_ID as u32, u32::MAX] {
            assert_eq!(all.put(id, 1, table, b""), (None, Some(table)));
            assert!(all.thread(id).is_none());
        }
        assert!(all.put(MAX_ID as u32 - 1, 1, table, b"").0.is_some());
    }

    #[test]
    fn directories_and_enters_are_bounded_together() {
        const ROOM: usize = 16 << 10;
        const N: u32 = 1000;
        let table = Descriptors::within(Rooms::default()).empty();
        let mut all = Processes::with_rooms(Room::of(ROOM), Room::of(ROOM));
        let held = |all: &Processes| -> (usize, usize) {
            let enters = all.pages.iter().flatten().flat_map(|page| page.iter().flatten());
            let enters = enters.filter_map(|thread| thread.enter.as_ref());
            let dirs = all.all.iter().map(|p| p.cwd.capacity());
            (dirs.sum(), enters.map(|enter| enter.size_bytes()).sum())
        };
        for tid in 1..=N {
            let slot = all.put(tid, 1, table, b"/").0.unwrap();
            all.change_cwd(slot, |cwd| cwd.resize(100, b'x'));
            all.put_enter(tid, Box::new(Enter::under_way(100)));
            let (dirs, enters) = held(&all);
            assert!(dirs <= ROOM && enters <= ROOM, "{dirs} {enters}");
            assert_eq!((dirs, enters), (all.dirs.n_bytes, all.enters.n_bytes));
        }
        let n_known = all.all.iter().filter(|p| !p.cwd.is_empty()).count() as u64;
        assert!(n_known > 50 && all.n_dropped_dirs() >= u64::from(N) - n_known, "{n_known}");
        let n_kept = (1..=N).filter(|&tid| all.take_enter(tid).is_some()).count() as u64;
        assert!(n_kept > 0 && n_kept + all.n_forgotten_enters() == u64::from(N), "{n_kept}");
        assert_eq!(all.enters.n_bytes, 0);
    }

    #[test]
    fn what_goes_with_a_thread_gives_its_room_back() {
        let table = Descriptors::within(Rooms::default()).empty();
        let mut all = Processes::within(Rooms::default());
        for tid in [5, 6, 7] {
            all.put(tid, 1, table, b"/");
            all.put_enter(tid, Box::new(Enter::under_way(100)));
        }
        all.forget_thread(5);
        all.put(6, 2, table, b"/srv/");
        all.put_enter(7, Box::new(Enter::under_way(10)));
        let last = all.take_enter(7).map(|enter| enter.size_bytes());
        assert!(last.is_some_and(|n| n < 100), "{last:?}");
        assert_eq!((all.enters.n_bytes, all.n_forgotten_enters()), (0, 0));
    }
}

//! A process's descriptors by number, shared with a child until one of both changes something.
//!
//! Numbers are dealt to pages of 64. A fork costs one reference; the first change after it copies the list of pages and one page.

use std::sync::Arc;

use super::entry::{Descriptor, Store};

/// Numbers of one page.
const PAGE: usize = 64;
/// Linux gives no process more (`fs.nr_open`, unless it is raised); a larger number is damage.
pub(super) const MAX_FD: usize = 1 << 20;

#[derive(Clone, Debug)]
struct Page {
    slots: [Option<Arc<Descriptor>>; PAGE],
    n_used: usize,
}

impl Page {
    fn new() -> Self {
        Self { slots: [const { None }; PAGE], n_used: 0 }
    }
}

type Pages = Vec<Option<Arc<Page>>>;

/// The table of one process, or of several that share it.
#[derive(Debug, Default)]
pub(super) struct Table {
    pages: Arc<Pages>,
}

/// What tables and what is in them may cost.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) store: Store,
    /// Bytes of all tables, without the descriptors in them.
    n_table_bytes: usize,
    max_bytes: usize,
    /// Descriptors that found no room.
    pub(super) n_dropped: u64,
}

impl Budget {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { store: Store::default(), n_table_bytes: 0, max_bytes, n_dropped: 0 }
    }

    pub(super) fn n_bytes(&self) -> usize {
        self.store.n_bytes() + self.n_table_bytes
    }

    fn has_room(&self) -> bool {
        self.n_bytes() < self.max_bytes
    }
}

fn place(fd: i64) -> Option<(usize, usize)> {
    let fd = usize::try_from(fd).ok().filter(|&fd| fd < MAX_FD)?;
    Some((fd / PAGE, fd % PAGE))
}

/// Whether somebody else holds it too. Unlike [`Arc::get_mut`] it locks nothing, and no thread but the one with the tables makes holders.
#[inline]
pub(super) fn is_shared<T>(held: &Arc<T>) -> bool {
    Arc::strong_count(held) > 1
}

fn list_bytes(pages: &Pages) -> usize {
    pages.capacity() * size_of::<Option<Arc<Page>>>()
}

impl Table {
    pub(super) fn get(&self, fd: i64) -> Option<&Arc<Descriptor>> {
        let (page, at) = place(fd)?;
        self.pages.get(page)?.as_ref()?.slots[at].as_ref()
    }

    /// The same table for a child. O(1).
    pub(super) fn fork(&self) -> Self {
        Self { pages: Arc::clone(&self.pages) }
    }

    /// The list of pages as its only holder.
    fn own_pages<'a>(pages: &'a mut Arc<Pages>, budget: &mut Budget) -> &'a mut Pages {
        if is_shared(pages) {
            let copy = Pages::clone(pages);
            budget.n_table_bytes += list_bytes(&copy);
            *pages = Arc::new(copy);
        }
        Arc::get_mut(pages).expect("a list of one's own is held by nobody else")
    }

    fn own_page<'a>(page: &'a mut Arc<Page>, budget: &mut Budget) -> &'a mut Page {
        if is_shared(page) {
            budget.n_table_bytes += size_of::<Page>();
            *page = Arc::new(Page::clone(page));
        }
        Arc::get_mut(page).expect("a page of one's own is held by nobody else")
    }

    /// Puts a descriptor, in place of what had the number. It is counted as dropped where there is no room.
    pub(super) fn put(&mut self, fd: i64, descriptor: Arc<Descriptor>, budget: &mut Budget) {
        let Some((page, at)) = place(fd).filter(|_| budget.has_room()) else {
            budget.n_dropped += 1;
            budget.store.release(descriptor);
            // What had the number before is not what has it now.
            self.remove(fd, budget);
            return;
        };
        let pages = Self::own_pages(&mut self.pages, budget);
        if pages.len() <= page {
            let before = list_bytes(pages);
            pages.resize(page + 1, None);
            budget.n_table_bytes += list_bytes(pages) - before;
        }
        let page = pages[page].get_or_insert_with(|| {
            budget.n_table_bytes += size_of::<Page>();
            Arc::new(Page::new())
        });
        let page = Self::own_page(page, budget);
        match page.slots[at].replace(descriptor) {
            Some(before) => budget.store.release(before),
            None => page.n_used += 1,
        }
    }

    /// The page of a descriptor that is known, for a change. Where there is no room for a copy of what others share, this table lets go of
    /// that, and its descriptors there are unknown and counted.
    fn page_to_change(&mut self, fd: i64, budget: &mut Budget) -> Option<(&mut Page, usize)> {
        self.get(fd)?;
        let (page, at) = place(fd)?;
        if !budget.has_room() {
            if is_shared(&self.pages) {
                budget.n_dropped += self.n_used();
                self.pages = Arc::default();
            } else if let Some(slot) = Arc::get_mut(&mut self.pages)?.get_mut(page)
                && let Some(shared) = slot.take_if(|page| Arc::get_mut(page).is_none())
            {
                budget.n_dropped += shared.n_used as u64;
            }
        }
        self.get(fd)?;
        let page = Self::own_pages(&mut self.pages, budget)[page].as_mut()?;
        Some((Self::own_page(page, budget), at))
    }

    /// Number of descriptors. O(pages).
    pub(super) fn n_used(&self) -> u64 {
        self.pages.iter().flatten().map(|page| page.n_used as u64).sum()
    }

    /// Takes a descriptor out.
    pub(super) fn take(&mut self, fd: i64, budget: &mut Budget) -> Option<Arc<Descriptor>> {
        let (page, at) = self.page_to_change(fd, budget)?;
        page.n_used -= 1;
        page.slots[at].take()
    }

    pub(super) fn remove(&mut self, fd: i64, budget: &mut Budget) {
        if let Some(descriptor) = self.take(fd, budget) {
            budget.store.release(descriptor);
        }
    }

    /// Changes a descriptor of this table alone.
    pub(super) fn change<R>(
        &mut self,
        fd: i64,
        budget: &mut Budget,
        change: impl FnOnce(&mut Descriptor) -> R,
    ) -> Option<R> {
        let (page, at) = self.page_to_change(fd, budget)?;
        Some(budget.store.change(page.slots[at].as_mut()?, change))
    }

    /// The smallest number from `from` to `to` whose descriptor is such a one. O(pages), and 64 for each that is not empty.
    pub(super) fn next(
        &self,
        from: usize,
        to: usize,
        is_such: impl Fn(&Descriptor) -> bool,
    ) -> Option<usize> {
        let (first, last) = (from / PAGE, to / PAGE);
        for (n, page) in self.pages.iter().enumerate().skip(first) {
            if n > last {
                break;
            }
            let Some(page) = page.as_ref().filter(|p| p.n_used > 0) else { continue };
            for (at, slot) in page.slots.iter().enumerate() {
                let fd = n * PAGE + at;
                if (from..=to).contains(&fd) && slot.as_ref().is_some_and(|d| is_such(d)) {
                    return Some(fd);
                }
            }
        }
        None
    }

    /// Every descriptor with its number, from the smallest on.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Descriptor)> {
        let pages = self.pages.iter().enumerate();
        pages.filter_map(|(n, page)| Some((n, page.as_ref()?))).flat_map(|(n, page)| {
            let slots = page.slots.iter().enumerate();
            slots.filter_map(move |(at, slot)| Some((n * PAGE + at, &**slot.as_ref()?)))
        })
    }

    /// Gives back what nobody else holds.
    pub(super) fn release(self, budget: &mut Budget) {
        let Some(pages) = Arc::into_inner(self.pages) else { return };
        budget.n_table_bytes -= list_bytes(&pages);
        for page in pages.into_iter().flatten() {
            let Some(page) = Arc::into_inner(page) else { continue };
            budget.n_table_bytes -= size_of::<Page>();
            for descriptor in page.slots.into_iter().flatten() {
                budget.store.release(descriptor);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(budget: &mut Budget, name: &str) -> Arc<Descriptor> {
        budget.store.make(|d| d.set_name(name.as_bytes(), b""))
    }

    fn name(table: &Table, fd: i64) -> Option<String> {
        Some(String::from_utf8_lossy(table.get(fd)?.name()).into_owned())
    }

    #[test]
    fn a_fork_is_one_reference_until_one_side_changes() {
        let mut budget = Budget::new(usize::MAX);
        let mut parent = Table::default();
        for fd in 0..15_000 {
            let d = named(&mut budget, "/x");
            parent.put(fd, d, &mut budget);
        }
        let n_bytes = budget.n_bytes();
        let mut child = parent.fork();
        assert!(Arc::ptr_eq(&parent.pages, &child.pages));
        assert_eq!(budget.n_bytes(), n_bytes);

        let d = named(&mut budget, "/child");
        child.put(70, d, &mut budget);
        parent.remove(71, &mut budget);
        assert_eq!(
            (name(&parent, 70), name(&child, 70)),
            (Some("/x".into()), Some("/child".into()))
        );
        assert_eq!((name(&parent, 71), name(&child, 71)), (None, Some("/x".into())));
        // One list of pages and one page are copied on either side, and the other 234 pages are shared.
        let shared = |n: usize| {
            Arc::ptr_eq(parent.pages[n].as_ref().unwrap(), child.pages[n].as_ref().unwrap())
        };
        assert_eq!((0..235).filter(|&n| !shared(n)).collect::<Vec<_>>(), [1]);
        assert!(budget.n_bytes() - n_bytes < 8000, "{}", budget.n_bytes() - n_bytes);

        parent.release(&mut budget);
        child.release(&mut budget);
        assert_eq!(budget.n_bytes(), 0);
    }

    #[test]
    fn numbers_beyond_all_bounds_are_counted() {
        let mut budget = Budget::new(usize::MAX);
        let mut table = Table::default();
        for fd in [-1, i64::MIN, MAX_FD as i64, i64::MAX] {
            let d = named(&mut budget, "/x");
            table.put(fd, d, &mut budget);
            assert!(table.get(fd).is_none());
        }
        assert_eq!((budget.n_dropped, budget.n_bytes()), (4, 0));
    }

    #[test]
    fn without_room_the_number_is_unknown_and_not_what_it_was() {
        let mut budget = Budget::new(1000);
        let mut table = Table::default();
        for fd in 0..64 {
            let d = named(&mut budget, "/x");
            table.put(fd, d, &mut budget);
        }
        assert!(budget.n_dropped > 50 && budget.n_bytes() < 1400, "{budget:?}");
        assert!(table.get(0).is_some() && table.get(63).is_none());
        let d = named(&mut budget, "/y");
        table.put(0, d, &mut budget);
        assert!(table.get(0).is_none());
    }

    #[test]
    fn without_room_a_change_copies_nothing_that_is_shared() {
        let mut budget = Budget::new(100_000);
        let mut parent = Table::default();
        for fd in [0, 1, MAX_FD as i64 - 1] {
            let d = named(&mut budget, "/x");
            parent.put(fd, d, &mut budget);
        }
        let n_bytes = budget.n_bytes();
        assert!(n_bytes > 100_000, "the list of pages alone takes more: {n_bytes}");
        let mut removed = parent.fork();
        removed.remove(0, &mut budget);
        let mut changed = parent.fork();
        assert_eq!(changed.change(0, &mut budget, |d| d.pid = 7), None);
        assert_eq!((budget.n_bytes(), budget.n_dropped), (n_bytes, 6));
        assert!([&removed, &changed].iter().all(|t| t.get(0).is_none() && t.get(1).is_none()));
        // What a table has for itself can be changed still.
        assert_eq!(parent.change(0, &mut budget, |d| d.pid), Some(0));
        parent.remove(1, &mut budget);
        assert!(parent.get(0).is_some() && parent.get(1).is_none());
        for table in [parent, removed, changed] {
            table.release(&mut budget);
        }
        assert_eq!(budget.n_bytes(), 0);
    }

    #[test]
    fn next_walks_a_range() {
        let mut budget = Budget::new(usize::MAX);
        let mut table = Table::default();
        for fd in [0, 63, 64, 500] {
            let d = named(&mut budget, "/x");
            table.put(fd, d, &mut budget);
        }
        let walk = |from, to| {
            let mut found = Vec::new();
            let mut at = from;
            while let Some(fd) = table.next(at, to, |_| true) {
                found.push(fd);
                at = fd + 1;
            }
            found
        };
        assert_eq!(walk(0, MAX_FD), [0, 63, 64, 500]);
        assert_eq!(walk(1, 64), [63, 64]);
        assert_eq!(walk(501, u32::MAX as usize), [0usize; 0]);
        assert_eq!(table.next(0, MAX_FD, |d| d.name() == b"/y"), None);
    }
}

//! The array behind the lineage: one slot per process id, in pages that are made when first written.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;

/// Slots of a page: 8 KiB.
const PAGE_LEN: usize = 1024;
/// `PID_MAX_LIMIT` of the kernel (`include/linux/threads.h`): no process id reaches it.
const N_IDS: usize = 4 << 20;

type Page<T> = Box<[ArcSwapOption<T>]>;

/// Slots indexed by process or thread id.
pub(super) struct Slots<T> {
    pages: Box<[OnceLock<Page<T>>]>,
}

impl<T> Slots<T> {
    pub(super) fn new() -> Self {
        Self { pages: (0..N_IDS / PAGE_LEN).map(|_| OnceLock::new()).collect() }
    }

    /// The slot of an id, `None` where nothing was ever written near it. O(1), two loads.
    pub(super) fn get(&self, id: u32) -> Option<&ArcSwapOption<T>> {
        let id = id as usize;
        self.pages.get(id / PAGE_LEN)?.get()?.get(id % PAGE_LEN)
    }

    /// What the slots hold, by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = Arc<T>> {
        self.pages.iter().filter_map(OnceLock::get).flatten().filter_map(ArcSwapOption::load_full)
    }

    /// The slot of an id, its page made if need be; `None` for a number that is no process id.
    pub(super) fn make(&self, id: u32) -> Option<&ArcSwapOption<T>> {
        let id = id as usize;
        let page = self.pages.get(id / PAGE_LEN)?;
        page.get_or_init(|| (0..PAGE_LEN).map(|_| ArcSwapOption::empty()).collect())
            .get(id % PAGE_LEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_no_process_id_have_no_slot() {
        let slots = Slots::new();
        assert!(slots.get(7).is_none());
        slots.make(7).unwrap().store(Some(Arc::new(3)));
        assert_eq!(slots.get(7).unwrap().load_full().as_deref(), Some(&3));
        assert!(slots.get(8).unwrap().load().is_none());
        assert!(slots.make(N_IDS as u32 - 1).is_some());
        assert!(slots.make(N_IDS as u32).is_none() && slots.get(u32::MAX).is_none());
    }
}

//! The last enter of each thread, until its exit asks for it.

use event::EventType;

use crate::savefile::SavedEvent;

/// Threads of one page.
const PAGE: usize = 64;
/// Largest number of process ids that Linux has.
const MAX_TID: usize = 1 << 22;
/// Bytes of parameters that are kept in all; with more everything is forgotten.
const MAX_BYTES: usize = 64 << 20;
/// No enter that is stored has more.
const MAX_PARAMS: usize = 8;

/// An enter without its header.
#[derive(Debug, Default)]
pub(super) struct StoredEnter {
    event_type: Option<EventType>,
    n_params: u8,
    /// Ends of the parameters in `data`.
    ends: [u16; MAX_PARAMS],
    data: Vec<u8>,
}

impl StoredEnter {
    pub(super) fn param(&self, n: usize) -> Option<&[u8]> {
        let end = *self.ends[..usize::from(self.n_params)].get(n)?;
        let start = n.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.data.get(usize::from(start)..usize::from(end))
    }
}

/// Enters by thread; a page of threads costs memory once one of them made a call.
#[derive(Debug, Default)]
pub(super) struct Enters {
    pages: Vec<Option<Box<[StoredEnter; PAGE]>>>,
    n_bytes: usize,
}

fn place(tid: i64) -> Option<(usize, usize)> {
    let tid = usize::try_from(tid).ok().filter(|&tid| tid < MAX_TID)?;
    Some((tid / PAGE, tid % PAGE))
}

impl Enters {
    /// Keeps an enter in place of the thread's last one.
    pub(super) fn store(&mut self, event: &SavedEvent<'_>) {
        let Some((page, at)) = place(event.tid) else { return };
        if self.n_bytes > MAX_BYTES {
            *self = Self::default();
        }
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        let page = self.pages[page]
            .get_or_insert_with(|| Box::new(std::array::from_fn(|_| StoredEnter::default())));
        let slot = &mut page[at];
        let before = slot.data.capacity();
        slot.data.clear();
        slot.n_params = 0;
        slot.event_type = Some(event.event_type);
        for (param, end) in event.params().zip(&mut slot.ends) {
            slot.data.extend_from_slice(param);
            let Ok(len) = u16::try_from(slot.data.len()) else { break };
            *end = len;
            slot.n_params += 1;
        }
        self.n_bytes += slot.data.capacity() - before;
    }

    /// The enter of a thread, if it is of this type. Whatever was stored is over then: an exit has come.
    pub(super) fn take(&mut self, tid: i64, of: EventType) -> Option<&StoredEnter> {
        let (page, at) = place(tid)?;
        let slot = &mut self.pages.get_mut(page)?.as_mut()?[at];
        let found = slot.event_type.take();
        if found == Some(of) { Some(slot) } else { None }
    }
}

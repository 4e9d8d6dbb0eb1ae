//! The last enter of each thread, until its exit asks for it.

use std::ops::Range;

use event::EventType;

use crate::savefile::SavedEvent;

/// Threads of one page.
const PAGE: usize = 64;
/// Largest number of process ids that Linux has.
const MAX_TID: usize = 1 << 22;
/// No enter that is stored has more.
const MAX_PARAMS: usize = 8;

/// An enter without its header.
#[derive(Debug, Default)]
pub(super) struct StoredEnter {
    event_type: Option<EventType>,
    n_params: u8,
    lens: [[u8; 2]; MAX_PARAMS],
    data: Vec<u8>,
}

impl StoredEnter {
    /// Lengths and bytes of some parameters, if it has all of them.
    pub(super) fn params(&self, range: Range<usize>) -> Option<(&[[u8; 2]], &[u8])> {
        let all = &self.lens[..usize::from(self.n_params)];
        let lens = all.get(range.clone())?;
        let n_bytes = |lens: &[[u8; 2]]| -> usize {
            lens.iter().map(|&len| usize::from(u16::from_le_bytes(len))).sum()
        };
        let start = n_bytes(&all[..range.start]);
        Some((lens, self.data.get(start..start + n_bytes(lens))?))
    }

    fn set(&mut self, event_type: EventType, parts: &[(&[[u8; 2]], &[u8])]) {
        self.event_type = Some(event_type);
        self.data.clear();
        let mut n_params = 0;
        for (lens, bytes) in parts {
            for (slot, len) in self.lens[n_params..].iter_mut().zip(*lens) {
                *slot = *len;
                n_params += 1;
            }
            self.data.extend_from_slice(bytes);
        }
        self.n_params = n_params as u8;
    }
}

/// Enters by thread, their parameters within a bound; with more everything is forgotten. A page of threads costs memory once one of them made a call.
#[derive(Debug)]
pub(super) struct Enters {
    pages: Vec<Option<Box<[StoredEnter; PAGE]>>>,
    n_bytes: usize,
    max_bytes: usize,
    n_forgotten: u64,
}

fn place(tid: i64) -> Option<(usize, usize)> {
    let tid = usize::try_from(tid).ok().filter(|&tid| tid < MAX_TID)?;
    Some((tid / PAGE, tid % PAGE))
}

impl Enters {
    pub(super) fn within(max_bytes: usize) -> Self {
        Self { pages: Vec::new(), n_bytes: 0, max_bytes, n_forgotten: 0 }
    }

    /// Forgets all of them, but not how many were forgotten.
    pub(super) fn restart(&mut self) {
        let Self { max_bytes, n_forgotten, .. } = *self;
        *self = Self { n_forgotten, ..Self::within(max_bytes) };
    }

    /// Enters that were forgotten for their bytes before an exit came.
    pub(super) fn n_forgotten(&self) -> u64 {
        self.n_forgotten
    }

    /// Keeps an enter in place of the thread's last one.
    pub(super) fn store(&mut self, event: &SavedEvent<'_>) {
        let Some((page, at)) = place(event.tid) else { return };
        if self.n_bytes > self.max_bytes {
            let all = self.pages.iter().flatten().flat_map(|page| page.iter());
            let n = all.filter(|enter| enter.event_type.is_some()).count();
            self.n_forgotten += n as u64;
            self.restart();
        }
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        let page = self.pages[page]
            .get_or_insert_with(|| Box::new(std::array::from_fn(|_| StoredEnter::default())));
        let Some(parts) = event.narrow_parts() else { return };
        let slot = &mut page[at];
        let before = slot.data.capacity();
        slot.set(event.event_type, &parts);
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

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use event::{Frame, FrameHeader, FrameWriter};

    use super::*;
    use crate::savefile::{Compression, Machine, Reader, Writer};

    const START: EventType = EventType(EventType::LISTEN_X.0 - 1);

    #[test]
    fn starts_that_wait_are_bounded_and_counted() {
        const N: u32 = 100;
        let none = Machine::default();
        let mut w = Writer::new(Vec::new(), Compression::None, &none, &[], &[], 0).unwrap();
        for tid in 1..=N {
            let mut buf = [0; 256];
            let header = FrameHeader { event_type: START.0, tid, ..FrameHeader::default() };
            let mut frame = FrameWriter::new(&mut buf, header);
            frame.i64(3).u32(5);
            w.frame(&Frame::parse(frame.finish().unwrap()).unwrap()).unwrap();
        }
        let mut reader = Reader::new(Cursor::new(w.finish().unwrap())).unwrap();
        let mut enters = Enters::within(200);
        while let Some(event) = reader.next_event().unwrap() {
            enters.store(&event);
            let all = enters.pages.iter().flatten().flat_map(|page| page.iter());
            let held: usize = all.map(|enter| enter.data.capacity()).sum();
            assert!(held == enters.n_bytes && held <= 200 + 16, "{held}");
        }
        let is_there = |tid: &u32| enters.take(i64::from(*tid), START).is_some();
        let n_kept = (1..=N).filter(is_there).count() as u64;
        assert!(n_kept > 0 && n_kept + enters.n_forgotten() == u64::from(N), "{n_kept}");
    }
}

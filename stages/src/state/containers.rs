//! What events of a recording tell of containers, by container and key.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bus::Key;
use containers::Details;
use event::{EventType, Frame};

/// What a note takes beside the details: its places in two vectors that double, and in the map of a container's notes.
const NOTE_LEN: usize = 3 * (size_of::<HistoryEntry>() + size_of::<(Key, Arc<Details>)>()) + 128;
const CONTAINER_JSON: EventType = EventType(324);
const ASYNCEVENT: EventType = EventType(402);

/// Containers of which events told.
#[derive(Debug)]
pub struct Containers {
    host: Arc<Details>,
    has_notes: AtomicBool,
    notes: RwLock<Notes>,
    n_left_out: AtomicU64,
    /// Memory that notes may take together; those that find no room are left out and counted.
    max_bytes: usize,
}

/// What was told of one container; `None` is that it is gone.
type HistoryEntry = (Key, Option<Arc<Details>>);

#[derive(Debug, Default)]
struct Notes {
    /// By the id that `container.id` shows.
    by_id: HashMap<String, Vec<HistoryEntry>>,
    by_event: Vec<(Key, Arc<Details>)>,
    n_bytes: usize,
}

impl Containers {
    /// None yet, and notes of so many bytes at most.
    pub(super) fn bounded(max_bytes: usize) -> Self {
        Self {
            host: Arc::new(Details::host()),
            has_notes: AtomicBool::new(false),
            notes: RwLock::default(),
            n_left_out: AtomicU64::new(0),
            max_bytes,
        }
    }

    /// Who is in no container.
    pub(crate) fn host(&self) -> &Arc<Details> {
        &self.host
    }

    /// Whether events of this type may tell of containers.
    #[must_use]
    pub fn is_told_by(ty: EventType) -> bool {
        matches!(ty, CONTAINER_JSON | ASYNCEVENT)
    }

    /// Notes what a frame of a recording tells of a container; other frames are passed over. Keys have to grow, and a frame has to be noted
    /// before any shard gets one with the same key or a later one: then all of them read the same.
    pub fn note(&self, key: Key, frame: &Frame<'_>) {
        let (json, is_removal) = match frame.event_type() {
            CONTAINER_JSON => (frame.param(0), false),
            ASYNCEVENT => match frame.param_str(1) {
                Some(b"container") => (frame.param(2), false),
                Some(b"container_removed") => (frame.param(2), true),
                _ => return,
            },
            _ => return,
        };
        let json = json.unwrap_or_default();
        let details = Details::parse(json.strip_suffix(&[0]).unwrap_or(json));
        if !details.is_some_and(|details| self.keep(key, details, is_removal)) {
            // Relaxed: a count.
            self.n_left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes what is known of a container from before the first event, as [`Containers::note`] does; gives whether there was room for it.
    pub fn known(&self, details: Details) -> bool {
        self.keep(Key::MIN, details, false)
    }

    /// Whether there was room for it.
    fn keep(&self, key: Key, details: Details, is_removal: bool) -> bool {
        let mut notes = self.notes.write().unwrap_or_else(PoisonError::into_inner);
        let n_bytes = notes.n_bytes + details.size_bytes() + details.id.len() + NOTE_LEN;
        if n_bytes > self.max_bytes {
            return false;
        }
        notes.n_bytes = n_bytes;
        let details = Arc::new(details);
        notes.by_event.push((key, Arc::clone(&details)));
        let of_id = notes.by_id.entry(details.id.clone()).or_default();
        of_id.push((key, Some(details).filter(|_| !is_removal)));
        // Relaxed: who gets a later frame got it after this, by way of its lane.
        self.has_notes.store(true, Ordering::Relaxed);
        true
    }

    /// Events that told of containers and were not noted: they have no JSON of one, or there is no room for a note. What was
    /// known of the container before them stays.
    #[must_use]
    pub fn n_left_out(&self) -> u64 {
        self.n_left_out.load(Ordering::Relaxed)
    }

    /// Runs over the notes, where there are any.
    fn noted<T>(&self, find: impl FnOnce(&Notes) -> Option<T>) -> Option<T> {
        // Relaxed: see `note`.
        if !self.has_notes.load(Ordering::Relaxed) {
            return None;
        }
        find(&self.notes.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was told of a container up to a key.
    pub(crate) fn told(&self, id: &str, key: Key) -> Option<Arc<Details>> {
        self.noted(|notes| {
            let of_id = notes.by_id.get(id)?;
            let n = of_id.partition_point(|(at, _)| *at <= key);
            of_id[n.checked_sub(1)?].1.clone()
        })
    }

    /// What the event with this key told.
    pub(crate) fn told_by(&self, key: Key) -> Option<Arc<Details>> {
        self.noted(|notes| {
            let at = notes.by_event.binary_search_by_key(&key, |(at, _)| *at).ok()?;
            Some(Arc::clone(&notes.by_event[at].1))
        })
    }
}

#[cfg(test)]
mod tests {
    use event::{FrameHeader, FrameWriter};

    use super::*;

    const MAX_NOTES_BYTES: usize = 16 << 20;

    fn note(containers: &Containers, key: u64, name: &str, kind: Option<&str>) {
        let json = format!(r#"{{"container":{{"id":"697956520d89","name":"{name}"}}}}"#);
        note_json(containers, key, &json, kind);
    }

    fn note_json(containers: &Containers, key: u64, json: &str, kind: Option<&str>) {
        let ty = if kind.is_some() { ASYNCEVENT } else { CONTAINER_JSON };
        let mut buf = vec![0; json.len() + 512];
        let mut w =
            FrameWriter::new(&mut buf, FrameHeader { event_type: ty.0, ..Default::default() });
        match kind {
            Some(kind) => w.u32(0).str(kind.as_bytes()).bytes(json.as_bytes()),
            None => w.str(json.as_bytes()),
        };
        containers.note(Key(key), &Frame::parse(w.finish().unwrap()).unwrap());
    }

    #[test]
    fn a_container_is_known_from_its_event_to_its_end() {
        let containers = Containers::bounded(MAX_NOTES_BYTES);
        note(&containers, 10, "first", None);
        note(&containers, 20, "second", Some("container"));
        note(&containers, 25, "other", Some("something"));
        note(&containers, 30, "second", Some("container_removed"));
        let name = |key| containers.told("697956520d89", Key(key)).map(|d| d.name.clone());
        let names = [None, Some("first"), Some("first"), Some("second"), None];
        assert_eq!([9, 10, 19, 29, 30].map(name), names.map(|n| n.map(str::to_owned)));
        assert_eq!(containers.told_by(Key(20)).unwrap().name, "second");
        assert!(containers.told_by(Key(25)).is_none() && containers.told("x", Key(99)).is_none());
    }

    #[test]
    fn notes_are_bounded_by_the_memory_they_take_and_counted_beyond() {
        let containers = Containers::bounded(MAX_NOTES_BYTES);
        // Three bytes of JSON are a mount of a hundred.
        let mounts = vec!["{}"; 20_000].join(",");
        let json = format!(r#"{{"container":{{"id":"697956520d89","Mounts":[{mounts}]}}}}"#);
        for key in 1..=100 {
            note_json(&containers, key, &json, None);
        }
        let notes = containers.notes.read().unwrap();
        let held: usize = notes
            .by_event
            .iter()
            .map(|(_, d)| d.mounts.capacity() * size_of_val(&d.mounts[0]))
            .sum();
        assert!(held > MAX_NOTES_BYTES / 4 && held <= MAX_NOTES_BYTES, "{held} bytes");
        assert_eq!(containers.n_left_out(), 100 - notes.by_event.len() as u64);
        drop(notes);
        // What was told before stays.
        assert!(containers.told("697956520d89", Key(100)).is_some());
    }

    #[test]
    fn what_is_no_container_is_counted() {
        let containers = Containers::bounded(MAX_NOTES_BYTES);
        note_json(&containers, 1, r#"{"container":{}}"#, None);
        note_json(&containers, 2, "no JSON", Some("container"));
        note(&containers, 3, "of others", Some("dns"));
        assert_eq!(containers.n_left_out(), 2);
        assert!(containers.told("697956520d89", Key(9)).is_none());
    }
}

//! Users and groups: names behind ids, and what events of a recording change of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use bumpalo::Bump;
use bus::Key;
use containers::Container;
use event::{EventType, Frame};

use crate::state::Lineage;

/// Memory that changes may take together unless told otherwise; those that find no room are left out and counted.
const MAX_CHANGES_BYTES: usize = 256 << 20;
/// What a change takes beside its texts: its place in a vector that has room for four at least, the allocations of its texts, and the
/// place of the vector in a map.
const CHANGE_LEN: usize = 4 * size_of::<(Key, Option<User>)>() + 3 * 16 + 96;
/// What a place takes beside its name: two maps with room for a few, and its place in a map.
const PLACE_LEN: usize = 1024;
const USER_ADDED: EventType = EventType(354);
const USER_DELETED: EventType = EventType(356);
const GROUP_ADDED: EventType = EventType(358);
const GROUP_DELETED: EventType = EventType(360);

/// What the user database says of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: Box<[u8]>,
    /// Home directory.
    pub homedir: Box<[u8]>,
    /// Login shell.
    pub shell: Box<[u8]>,
}

/// A user as of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UserRef<'u> {
    pub(crate) name: &'u [u8],
    pub(crate) homedir: &'u [u8],
    pub(crate) shell: &'u [u8],
}

/// Who asks: users and groups differ by container and by time.
#[derive(Clone, Copy)]
pub(crate) struct Place<'u> {
    /// `None` is the host.
    pub(crate) container: Option<&'u Container>,
    pub(crate) key: Key,
    /// What was noted is copied here.
    pub(crate) bump: &'u Bump,
}

/// Users and groups, as of the start (live) or as the savefile lists them (replay), and what is noted of them later.
#[derive(Debug)]
pub struct Users {
    listed: HashMap<u32, User>,
    groups: HashMap<u32, Box<[u8]>>,
    has_changes: AtomicBool,
    changes: RwLock<Changes>,
    max_bytes: usize,
}

/// What events of a recording told and was not noted, because all of it together would take too much memory, or because it made no sense.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOutNotes {
    /// Of users and groups.
    pub n_users: u64,
    /// Of containers.
    pub n_containers: u64,
}

/// What events said, by key; `None` is that it is gone.
type History<T> = Vec<(Key, Option<T>)>;

/// What events said of the users and groups of each place.
#[derive(Clone, Debug, Default)]
struct Changes {
    places: HashMap<Box<str>, PlaceChanges>,
    n_bytes: usize,
    n_left_out: u64,
}

#[derive(Clone, Debug, Default)]
struct PlaceChanges {
    users: HashMap<u32, History<User>>,
    groups: HashMap<u32, History<Box<[u8]>>>,
}

/// What was noted of someone.
enum Noted<T> {
    Nothing,
    Gone,
    Is(T),
}

impl<T> Noted<T> {
    fn or_else(self, listed: impl FnOnce() -> Option<T>) -> Option<T> {
        match self {
            Self::Nothing => listed(),
            Self::Gone => None,
            Self::Is(value) => Some(value),
        }
    }
}

/// The latest up to a key.
fn as_of<'h, T, U>(
    history: Option<&'h History<T>>,
    key: Key,
    copy: impl FnOnce(&'h T) -> U,
) -> Noted<U> {
    let all = history.map_or(&[][..], |h| h);
    let n = all.partition_point(|(at, _)| *at <= key);
    match n.checked_sub(1).map(|last| &all[last].1) {
        None => Noted::Nothing,
        Some(None) => Noted::Gone,
        Some(Some(value)) => Noted::Is(copy(value)),
    }
}

impl Place<'_> {
    fn is_host(&self) -> bool {
        self.container.is_none_or(Container::is_host)
    }

    /// How changes call it: by the id that `container.id` shows, the host by nothing.
    fn name(&self) -> &str {
        self.container.filter(|c| !c.is_host()).map_or("", Container::id)
    }
}

/// Takes in what a frame of a recording tells of users, groups and containers, before any shard gets it (see [`Users::note`]).
pub fn note(lineage: &Lineage, users: &Users, key: Key, bytes: &[u8]) {
    if let Ok(frame) = Frame::parse(bytes) {
        users.note(key, &frame);
        lineage.containers().note(key, &frame);
    }
}

/// What [`note`] left out.
pub fn left_out_notes(lineage: &Lineage, users: &Users) -> LeftOutNotes {
    LeftOutNotes { n_users: users.n_left_out(), n_containers: lineage.containers().n_left_out() }
}

impl Clone for Users {
    fn clone(&self) -> Self {
        let changes = self.changes.read().unwrap_or_else(PoisonError::into_inner).clone();
        Self {
            listed: self.listed.clone(),
            groups: self.groups.clone(),
            has_changes: AtomicBool::new(!changes.places.is_empty()),
            changes: RwLock::new(changes),
            max_bytes: self.max_bytes,
        }
    }
}

impl Default for Users {
    fn default() -> Self {
        Self::with_room(MAX_CHANGES_BYTES)
    }
}

impl Users {
    fn with_room(max_bytes: usize) -> Self {
        Self {
            listed: HashMap::new(),
            groups: HashMap::new(),
            has_changes: AtomicBool::new(false),
            changes: RwLock::default(),
            max_bytes,
        }
    }

    /// The same, whose changes may take so many bytes.
    #[must_use]
    pub fn bounded(self, max_bytes: usize) -> Self {
        Self { max_bytes, ..self }
    }

    /// Nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From the texts of `/etc/passwd` and `/etc/group`. Lines that are none are skipped; of several with one id the first counts.
    ///
    /// ```
    /// let users = stages::Users::from_files(b"root:x:0:0:root:/root:/bin/bash\n", b"root:x:0:\n");
    /// assert_eq!(users.user(0).map(|u| &*u.shell), Some(&b"/bin/bash"[..]));
    /// assert_eq!(users.group(0), Some(&b"root"[..]));
    /// ```
    #[must_use]
    pub fn from_files(passwd: &[u8], group: &[u8]) -> Self {
        let mut all = Self::new();
        for line in passwd.split(|&b| b == b'\n') {
            let mut part = line.split(|&b| b == b':');
            let (name, id) = (part.next(), part.nth(1).and_then(number));
            let (homedir, shell) = (part.nth(2), part.next());
            if let (Some(name), Some(id), Some(homedir)) = (name, id, homedir) {
                let shell = shell.unwrap_or_default();
                all.add_user(
                    id,
                    User { name: name.into(), homedir: homedir.into(), shell: shell.into() },
                );
            }
        }
        for line in group.split(|&b| b == b'\n') {
            let mut part = line.split(|&b| b == b':');
            if let (Some(name), Some(id)) = (part.next(), part.nth(1).and_then(number)) {
                all.add_group(id, name);
            }
        }
        all
    }

    /// Adds a user of the host, unless one with this id is there.
    pub fn add_user(&mut self, uid: u32, user: User) {
        self.listed.entry(uid).or_insert(user);
    }

    /// Adds a group of the host, unless one with this id is there.
    pub fn add_group(&mut self, gid: u32, name: &[u8]) {
        self.groups.entry(gid).or_insert_with(|| name.into());
    }

    /// The host's user with this id.
    #[must_use]
    pub fn user(&self, uid: u32) -> Option<&User> {
        self.listed.get(&uid)
    }

    /// Name of the host's group.
    #[must_use]
    pub fn group(&self, gid: u32) -> Option<&[u8]> {
        self.groups.get(&gid).map(|n| &**n).or((gid == 0).then_some(b"root"))
    }

    /// Notes what a frame of a recording says of users and groups; frames that say nothing of them are passed over. Keys have to grow, and
    /// a frame has to be noted before any shard gets one with the same key or a later one: then all of them read the same.
    pub fn note(&self, key: Key, frame: &Frame<'_>) {
        let (ty, text) = (frame.event_type(), |n| frame.param_str(n).unwrap_or_default());
        let place_at = match ty {
            USER_ADDED | USER_DELETED => 5,
            GROUP_ADDED | GROUP_DELETED => 2,
            _ => return,
        };
        let Some(id) = frame.param_u32(0) else { return };
        let place = String::from_utf8_lossy(text(place_at));
        let mut changes = self.changes.write().unwrap_or_else(PoisonError::into_inner);
        let of_place =
            if changes.places.contains_key(&*place) { 0 } else { PLACE_LEN + place.len() };
        let texts: usize = (1..place_at).map(|n| text(n).len()).sum();
        let n_bytes = changes.n_bytes + CHANGE_LEN + of_place + texts;
        if n_bytes > self.max_bytes {
            changes.n_left_out += 1;
            return;
        }
        changes.n_bytes = n_bytes;
        let place = changes.places.entry(place.as_ref().into()).or_default();
        if place_at == 2 {
            let name = (ty == GROUP_ADDED).then(|| text(1).into());
            place.groups.entry(id).or_default().push((key, name));
        } else {
            let user = (ty == USER_ADDED).then(|| User {
                name: text(2).into(),
                homedir: text(3).into(),
                shell: text(4).into(),
            });
            place.users.entry(id).or_default().push((key, user));
        }
        // Relaxed: who gets a later frame got it after this, by way of its lane.
        self.has_changes.store(true, Ordering::Relaxed);
    }

    /// Changes that were not noted because there is no room for them; what was known before them stays.
    #[must_use]
    pub fn n_left_out(&self) -> u64 {
        self.changes.read().unwrap_or_else(PoisonError::into_inner).n_left_out
    }

    /// Whether names may differ from event to event.
    pub(crate) fn has_changes(&self) -> bool {
        // Relaxed: see `note`.
        self.has_changes.load(Ordering::Relaxed)
    }

    /// What was noted of the place, read under the lock.
    fn noted<T>(&self, place: Place<'_>, find: impl FnOnce(&PlaceChanges) -> Noted<T>) -> Noted<T> {
        if !self.has_changes() {
            return Noted::Nothing;
        }
        let changes = self.changes.read().unwrap_or_else(PoisonError::into_inner);
        changes.places.get(place.name()).map_or(Noted::Nothing, find)
    }

    /// A user of the container or host as of the key. User 0 is `root` even where no list says so.
    pub(crate) fn user_of<'u>(&'u self, place: Place<'u>, uid: u32) -> Option<UserRef<'u>> {
        let copy = |text: &[u8]| -> &'u [u8] { place.bump.alloc_slice_copy(text) };
        let noted = self.noted(place, |changes| {
            as_of(changes.users.get(&uid), place.key, |u| UserRef {
                name: copy(&u.name),
                homedir: copy(&u.homedir),
                shell: copy(&u.shell),
            })
        });
        let listed = || {
            let user = self.listed.get(&uid).filter(|_| place.is_host())?;
            Some(UserRef { name: &user.name, homedir: &user.homedir, shell: &user.shell })
        };
        let root = UserRef { name: b"root", homedir: b"/root", shell: b"" };
        noted.or_else(listed).or((uid == 0).then_some(root))
    }

    /// Name of a group of the container or host as of the key. Group 0 is `root` even where no list says so.
    pub(crate) fn group_of<'u>(&'u self, place: Place<'u>, gid: u32) -> Option<&'u [u8]> {
        let copy = |text: &[u8]| -> &'u [u8] { place.bump.alloc_slice_copy(text) };
        let noted = self
            .noted(place, |changes| as_of(changes.groups.get(&gid), place.key, |name| copy(name)));
        let listed = || {
            let name = self.groups.get(&gid).filter(|_| place.is_host())?;
            Some(&**name)
        };
        noted.or_else(listed).or((gid == 0).then_some(b"root"))
    }
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use event::{FrameHeader, FrameWriter};

    use super::*;

    #[test]
    fn broken_lines_are_skipped() {
        let users = Users::from_files(
            b"x\n:::\na:x:7:7::/h:\nb:x:7:7::/i:/sh\n\xff:x:8:8::/j",
            b"g:x:9\n:x\n",
        );
        let name = |uid| users.user(uid).map(|u| &*u.name);
        assert_eq!(name(7), Some(&b"a"[..]));
        assert_eq!(name(8), Some(&b"\xff"[..]));
        assert_eq!(name(9), None);
        assert_eq!(users.group(9), Some(&b"g"[..]));
    }

    /// Notes an event about user or group 7 called `name`.
    fn note(users: &Users, key: u64, ty: EventType, name: &str, container: &str) {
        let mut buf = vec![0; name.len() + 512];
        let mut w =
            FrameWriter::new(&mut buf, FrameHeader { event_type: ty.0, ..Default::default() });
        w.u32(7);
        if ty.0 < GROUP_ADDED.0 {
            w.u32(7).str(name.as_bytes()).str(b"/h").str(b"/sh");
        } else {
            w.str(name.as_bytes());
        }
        w.str(container.as_bytes());
        users.note(Key(key), &Frame::parse(w.finish().unwrap()).unwrap());
    }

    #[test]
    fn changes_are_read_as_of_a_key_and_place() {
        let id = "3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e";
        let inside = Container::of_cgroups(format!("=/docker/{id}\0").as_bytes());
        let host = Container::host();
        let users = Users::from_files(b"ann:x:7:7::/home/ann:/bin/sh\n", b"staff:x:7:\n");
        let bump = Bump::new();
        note(&users, 10, USER_ADDED, "bob", "");
        note(&users, 20, USER_ADDED, "eve", &id[..12]);
        note(&users, 30, USER_DELETED, "bob", "");
        note(&users, 40, GROUP_ADDED, "crew", &id[..12]);
        note(&users, 50, GROUP_DELETED, "staff", "");
        let at = |container, key| Place { container: Some(container), key: Key(key), bump: &bump };
        let name = |container, key| users.user_of(at(container, key), 7).map(|u| u.name);
        let names: [Option<&[u8]>; 4] = [Some(b"ann"), Some(b"bob"), Some(b"bob"), None];
        assert_eq!([9, 10, 29, 30].map(|key| name(&host, key)), names);
        assert_eq!((name(&inside, 19), name(&inside, 20)), (None, Some(&b"eve"[..])));
        let group = |container, key| users.group_of(at(container, key), 7);
        assert_eq!((group(&host, 49), group(&host, 50)), (Some(&b"staff"[..]), None));
        assert_eq!((group(&inside, 39), group(&inside, 40)), (None, Some(&b"crew"[..])));
        assert_eq!(users.user_of(at(&inside, 1), 0).map(|u| u.homedir), Some(&b"/root"[..]));
    }

    #[test]
    fn changes_are_bounded_by_the_memory_they_take_and_counted_beyond() {
        const ROOM: usize = 1 << 20;
        let long = "x".repeat(60_000);
        for (name, place) in [("bob", ""), (&*long, ""), ("", "every time another")] {
            for ty in [USER_ADDED, USER_DELETED, GROUP_ADDED] {
                let users = Users::with_room(ROOM);
                let name = if ty == USER_DELETED { "" } else { name };
                for key in 1..=5000 {
                    let place = if place.is_empty() { String::new() } else { format!("{key}") };
                    note(&users, key, ty, name, &place);
                }
                let changes = users.changes.read().unwrap();
                let held = changes.places.values().map(held).sum::<usize>();
                let n_noted = changes.places.values().map(n_noted).sum::<usize>();
                assert!(held <= ROOM, "{held} bytes of {} for {}", name.len(), ty.0);
                assert!(n_noted > 10 && changes.n_left_out == 5000 - n_noted as u64, "{n_noted}");
            }
        }
    }

    fn n_noted(place: &PlaceChanges) -> usize {
        let PlaceChanges { users, groups } = place;
        users.values().map(Vec::len).sum::<usize>() + groups.values().map(Vec::len).sum::<usize>()
    }

    /// What the changes of a place take, without what allocators do.
    fn held(place: &PlaceChanges) -> usize {
        let PlaceChanges { users, groups } = place;
        let of_user = |u: &User| u.name.len() + u.homedir.len() + u.shell.len();
        let of_users = |h: &History<User>| {
            h.capacity() * size_of_val(&h[0])
                + h.iter().filter_map(|(_, u)| u.as_ref()).map(of_user).sum::<usize>()
        };
        let of_groups = |h: &History<Box<[u8]>>| {
            h.capacity() * size_of_val(&h[0])
                + h.iter().filter_map(|(_, g)| g.as_ref()).map(|g| g.len()).sum::<usize>()
        };
        size_of_val(place)
            + users.capacity() * size_of::<(u32, History<User>)>()
            + groups.capacity() * size_of::<(u32, History<Box<[u8]>>)>()
            + users.values().map(of_users).sum::<usize>()
            + groups.values().map(of_groups).sum::<usize>()
    }
}

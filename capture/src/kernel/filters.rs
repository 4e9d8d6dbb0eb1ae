//! Push-down: writes what the kernel side may reject, so that at no moment less passes than the old filters or the new ones let pass.
//!
//! `clear -> wait until no program runs that saw the old filters -> names and ports -> filters, the word that switches each on last`.

use std::collections::BTreeMap;
use std::os::fd::AsFd;

use aya::maps::{
    Array, HashMap, MapData, MapError,
    lpm_trie::{Key, LpmTrie},
};
use event::{
    EventSet, EventType, carries_state, cpu_layout,
    filter::{
        MAX_LASTS, MAX_PORTS, MAX_PREFIXES, N_NAME_HEADS, NAME_HEADS, NAME_LAST_MAX,
        NAME_PREFIX_MAX, TYPE_FILTER_WORDS, TypeFilter, name_head,
    },
    mark,
    mark::HostMarks,
};

use super::{
    load::{Probe, borrow, chain, map_fd},
    report::ProbeError,
    sys::{Access, Mapping, load, page_size, store, wait_for_programs},
};

impl Filters {
    /// Prefixes.
    pub const MAX_PREFIXES: usize = MAX_PREFIXES;
    /// Bytes of a prefix, the NUL of a whole name included.
    pub const MAX_PREFIX_LEN: usize = NAME_PREFIX_MAX;
    /// Last components.
    pub const MAX_LASTS: usize = MAX_LASTS;
    /// Bytes of a last component.
    pub const MAX_LAST_LEN: usize = NAME_LAST_MAX;
    /// Ports.
    pub const MAX_PORTS: usize = MAX_PORTS;
}

/// What the kernel side may reject; the bits of all parts are the same clauses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// Filters by event type. A type without one passes.
    pub by_type: Vec<(EventType, TypeFilter)>,
    /// Prefixes of absolute names, each with the clauses it allows; a whole name is a prefix that ends with a NUL. In any order.
    pub prefixes: Vec<(Box<[u8]>, u64)>,
    /// Last components of names, with the clauses they allow.
    pub lasts: Vec<(Box<[u8]>, u64)>,
    /// Ports, with the clauses they allow.
    pub ports: Vec<(u16, u64)>,
}

/// Why filters are not set. None is in force then.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// Frames of the type change the process table: they all have to pass.
    #[error("events of type {0} carry state and cannot be filtered")]
    CarriesState(&'static str),
    /// There is no such type.
    #[error("there is no event type {0}")]
    NoSuchType(u16),
    /// More than there is room for.
    #[error("{n} {what}, {max} at most")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        n: usize,
        /// Room for so many.
        max: usize,
    },
    /// A key that is empty or too long.
    #[error("a {what} of {len} bytes, 1 to {max} are possible")]
    BadLength {
        /// Of what.
        what: &'static str,
        /// Its length.
        len: usize,
        /// The longest.
        max: usize,
    },
    /// The kernel refuses.
    #[error(transparent)]
    Refused(#[from] ProbeError),
}

fn refused(map: &'static str) -> impl Fn(MapError) -> FilterError {
    move |e| FilterError::Refused(ProbeError::Map { map, reason: chain(&e) })
}

/// `BPF_ANY`.
const ANY: u64 = 0;

impl Filters {
    /// Whether nothing is filtered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_type.iter().all(|(_, filter)| !filter.is_active())
    }

    fn check(&self) -> Result<(), FilterError> {
        for &(ty, _) in &self.by_type {
            let Some(info) = ty.info() else { return Err(FilterError::NoSuchType(ty.0)) };
            if carries_state(ty) {
                return Err(FilterError::CarriesState(info.name));
            }
        }
        for (what, n, max) in [
            ("prefixes of names", self.prefixes.len(), MAX_PREFIXES),
            ("last components of names", self.lasts.len(), MAX_LASTS),
            ("ports", self.ports.len(), MAX_PORTS),
        ] {
            if n > max {
                return Err(FilterError::TooMany { what, n, max });
            }
        }
        for (what, keys, max) in [
            ("prefix", &self.prefixes, NAME_PREFIX_MAX),
            ("last component", &self.lasts, NAME_LAST_MAX),
        ] {
            if let Some((key, _)) = keys.iter().find(|(k, _)| k.is_empty() || k.len() > max) {
                return Err(FilterError::BadLength { what, len: key.len(), max });
            }
        }
        Ok(())
    }
}

/// The clauses of each key and of its prefixes, by key.
fn closed(prefixes: &[(Box<[u8]>, u64)]) -> BTreeMap<&[u8], u64> {
    let mut all: BTreeMap<&[u8], u64> = BTreeMap::new();
    for (prefix, clauses) in prefixes {
        *all.entry(prefix).or_default() |= clauses;
    }
    // In order, so that the prefixes of a key are among those right before it.
    let mut above: Vec<(&[u8], u64)> = Vec::new();
    for (key, clauses) in &mut all {
        while above.last().is_some_and(|(prefix, _)| !key.starts_with(prefix)) {
            above.pop();
        }
        *clauses |= above.last().map_or(0, |(_, of_prefix)| *of_prefix);
        above.push((key, *clauses));
    }
    all
}

/// Clauses of all prefixes by how they begin, see [`name_head`].
fn heads(prefixes: &[(Box<[u8]>, u64)]) -> [u64; N_NAME_HEADS] {
    let mut heads = [0; N_NAME_HEADS];
    for (prefix, clauses) in prefixes {
        match NAME_HEADS.iter().find_map(|&len| prefix.get(..len)) {
            Some(beginning) => {
                heads[name_head(u64::from_le_bytes(filled(beginning)))] |= clauses;
            }
            None => heads.iter_mut().for_each(|head| *head |= clauses),
        }
    }
    heads
}

fn words(filter: &TypeFilter) -> [u64; TYPE_FILTER_WORDS] {
    let TypeFilter { clauses, failed, succeeded, any_name, any_port, on_host, kinds, flags } =
        filter;
    let head = [*clauses, *failed, *succeeded, *any_name, *any_port, *on_host];
    let tests = flags.iter().flat_map(|test| [test.mask, test.any_set, test.none_set]);
    let mut all = head.into_iter().chain(*kinds).chain(tests);
    std::array::from_fn(|_| all.next().unwrap_or_default())
}

/// Where the filter of a type begins in the map.
fn place(ty: EventType) -> usize {
    usize::from(ty.0) * 8 * TYPE_FILTER_WORDS
}

/// A key filled up with zeroes.
fn filled<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut key = [0; N];
    key[..bytes.len()].copy_from_slice(bytes);
    key
}

impl Probe {
    /// Puts filters in force in place of those that are. Meanwhile everything passes.
    ///
    /// # Errors
    /// [`FilterError`]; then everything passes.
    pub fn set_filters(&mut self, filters: &Filters) -> Result<(), FilterError> {
        self.clear_filters()?;
        filters.check()?;
        if filters.is_empty() {
            return Ok(());
        }
        self.write_names(filters)?;
        let mapping = self.map_filters()?;
        for (ty, filter) in &filters.by_type {
            let words = words(filter);
            for (n, &word) in words.iter().enumerate().skip(1) {
                store(mapping.word(place(*ty) + 8 * n), word);
            }
            store(mapping.word(place(*ty)), words[0]);
            self.filtered.insert(*ty);
        }
        Ok(())
    }

    /// Lets everything pass. Takes a grace period of the kernel where something was filtered.
    ///
    /// # Errors
    /// [`FilterError::Refused`] where the kernel refuses.
    pub fn clear_filters(&mut self) -> Result<(), FilterError> {
        if self.filtered.is_empty() {
            return Ok(());
        }
        let mapping = self.map_filters()?;
        for ty in self.filtered.iter() {
            store(mapping.word(place(ty)), 0);
        }
        self.filtered = EventSet::EMPTY;
        // A program that has seen a filter goes on with names and ports.
        wait_for_programs();
        Ok(())
    }

    /// Types that have a filter.
    #[must_use]
    pub fn filtered(&self) -> EventSet {
        self.filtered
    }

    /// Where the kernel side is told which processes are on the host. Taken once, by who made the probe: its memory, 1 MiB, stays until the program
    /// ends.
    ///
    /// # Errors
    /// [`ProbeError::Map`] where the kernel refuses to share it.
    pub fn host_marks(&self) -> Result<HostMarks, ProbeError> {
        let words = self.map_words("HOST_MARKS", mark::N * mark::WORDS)?.leak();
        HostMarks::new(words)
            .ok_or_else(|| ProbeError::Object("HOST_MARKS has no such size".into()))
    }

    /// Forgets what was told of processes, before programs are attached: forks that nobody saw may have given their ids to others.
    pub(super) fn clear_host_marks(&self) -> Result<(), ProbeError> {
        let len = mark::N * mark::WORDS;
        let mapping = self.map_words("HOST_MARKS", len)?;
        (0..len)
            .map(|n| mapping.word(8 * n))
            .filter(|word| load(word) != 0)
            .for_each(|word| store(word, 0));
        Ok(())
    }

    /// The filters in memory, for as long as they are written: each word has to change at once.
    fn map_filters(&self) -> Result<Mapping, ProbeError> {
        self.map_words("FILTERS", cpu_layout::N_TYPES * TYPE_FILTER_WORDS)
    }

    fn map_words(&self, name: &'static str, n_words: usize) -> Result<Mapping, ProbeError> {
        let refused = |reason: String| ProbeError::Map { map: name, reason };
        let map = self.object.map(name).and_then(map_fd);
        let map = map.ok_or_else(|| refused("not in the object".to_owned()))?;
        let len = (8 * n_words).next_multiple_of(page_size());
        let mapping = Mapping::new(map.fd().as_fd(), len, 0, Access::ReadWrite);
        mapping.map_err(|e| refused(e.to_string()))
    }

    fn write_names(&mut self, filters: &Filters) -> Result<(), FilterError> {
        let mut map: LpmTrie<&mut MapData, [u8; NAME_PREFIX_MAX], u64> =
            borrow(&mut self.object, "NAME_PREFIXES")?;
        let old: Vec<_> = map.keys().filter_map(Result::ok).collect();
        for key in old {
            map.remove(&key).map_err(refused("NAME_PREFIXES"))?;
        }
        for (prefix, clauses) in closed(&filters.prefixes) {
            let key = Key::new(8 * prefix.len() as u32, filled(prefix));
            map.insert(&key, clauses, ANY).map_err(refused("NAME_PREFIXES"))?;
        }
        let mut map: Array<&mut MapData, [u64; N_NAME_HEADS]> =
            borrow(&mut self.object, "NAME_HEADS")?;
        map.set(0, heads(&filters.prefixes), ANY).map_err(refused("NAME_HEADS"))?;
        let mut lasts: BTreeMap<[u8; NAME_LAST_MAX], u64> = BTreeMap::new();
        for (last, clauses) in &filters.lasts {
            *lasts.entry(filled(last)).or_default() |= clauses;
        }
        self.replace("NAME_LASTS", &lasts)?;
        let mut ports: BTreeMap<u32, u64> = BTreeMap::new();
        for (port, clauses) in &filters.ports {
            *ports.entry(u32::from(*port)).or_default() |= clauses;
        }
        self.replace("FILTER_PORTS", &ports)?;
        self.lasts = lasts.values().fold(0, |all, clauses| all | clauses);
        Ok(self.write_control()?)
    }

    fn replace<K: aya::Pod>(
        &mut self,
        name: &'static str,
        new: &BTreeMap<K, u64>,
    ) -> Result<(), FilterError> {
        let mut map: HashMap<&mut MapData, K, u64> = borrow(&mut self.object, name)?;
        let old: Vec<K> = map.keys().filter_map(Result::ok).collect();
        for key in old {
            map.remove(&key).map_err(refused(name))?;
        }
        for (key, &clauses) in new {
            map.insert(key, clauses, ANY).map_err(refused(name))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use event::filter::FlagTest;

    use super::*;

    #[test]
    fn a_prefix_has_the_clauses_of_those_that_it_begins_with() {
        let given: Vec<(Box<[u8]>, u64)> = [
            (&b"/etc/passwd\0"[..], 1),
            (b"/etc/", 2),
            (b"/e", 4),
            (b"/usr", 8),
            (b"/etc/", 16),
            (b"/etc/pam.d/", 32),
            (b"/etd", 64),
        ]
        .map(|(key, clauses)| (Box::from(key), clauses))
        .into();
        let all: Vec<_> = closed(&given).into_iter().collect();
        let expected = [
            (&b"/e"[..], 4),
            (b"/etc/", 4 + 18),
            (b"/etc/pam.d/", 4 + 18 + 32),
            (b"/etc/passwd\0", 4 + 18 + 1),
            (b"/etd", 4 + 64),
            (b"/usr", 8),
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn words_are_in_the_order_of_the_structure() {
        let test = |n| FlagTest { mask: n, any_set: n + 1, none_set: n + 2 };
        let filter = TypeFilter {
            clauses: 1,
            failed: 2,
            succeeded: 3,
            any_name: 4,
            any_port: 5,
            on_host: 6,
            kinds: [7, 8, 9, 10, 11, 12, 13, 14],
            flags: [test(15), test(18), test(21), test(24)],
        };
        assert_eq!(words(&filter).to_vec(), (1..=26).collect::<Vec<u64>>());
    }

    #[test]
    fn what_has_no_room_is_refused() {
        let check = |filters: Filters| filters.check().unwrap_err().to_string();
        let filter = TypeFilter { clauses: 1, ..TypeFilter::default() };
        let of = |ty| Filters { by_type: vec![(ty, filter)], ..Filters::default() };
        assert_eq!(
            check(of(EventType::EXECVE_19_X)),
            "events of type execve carry state and cannot be filtered"
        );
        assert_eq!(check(of(EventType(u16::MAX))), "there is no event type 65535");
        let ports = vec![(80, 1); MAX_PORTS + 1];
        assert_eq!(check(Filters { ports, ..Filters::default() }), "1025 ports, 1024 at most");
        let lasts = vec![(vec![b'x'; NAME_LAST_MAX + 1].into(), 1)];
        assert_eq!(
            check(Filters { lasts, ..Filters::default() }),
            "a last component of 65 bytes, 1 to 64 are possible"
        );
        let prefixes = vec![(Box::from(&b""[..]), 1)];
        assert_eq!(
            check(Filters { prefixes, ..Filters::default() }),
            "a prefix of 0 bytes, 1 to 256 are possible"
        );
    }

    #[test]
    fn a_name_finds_its_prefixes_by_how_it_begins() {
        let check = |prefixes: &[&str], name: &str, expected: u64| {
            let prefixes: Vec<_> = prefixes
                .iter()
                .enumerate()
                .map(|(n, prefix)| (Box::from(prefix.as_bytes()), 1 << n))
                .collect();
            let heads = heads(&prefixes);
            let beginning = u64::from_le_bytes(filled(&name.as_bytes()[..8.min(name.len())]));
            let found = heads[name_head(beginning)] | heads[name_head(beginning & 0xffff_ffff)];
            assert_eq!(found, expected, "{name}");
        };
        let prefixes = ["/etc/", "/etc/shadow\0", "/home/a/.ssh/", "/usr"];
        check(&prefixes, "/etc/shadow\0", 0b0011);
        check(&prefixes, "/etc/hosts\0", 0b0001);
        check(&prefixes, "/home/a/file\0", 0b0100);
        check(&prefixes, "/usr\0", 0b1000);
        check(&prefixes, "/tmp/file\0", 0);
        check(&["/", "/etc/"], "/tmp/file\0", 0b01);
        check(&["/a\0", "/bin/"], "/b\0", 0b01);
    }
}

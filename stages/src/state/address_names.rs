//! Names of addresses: what answers of name servers said, and what the resolver told of the names that rules compare with.
//!
//! An answer counts from its key on, until so much else was told after it that there is no room for it any more: both are a matter of keys
//! alone. Shards tell of answers in any order, so what they tell waits until somebody reads as of a later key; by then all of it is there
//! (see [`Lineage::names_of`](super::Lineage)), and is taken in by key. What has no room any more stays until nobody reads as of a key at
//! which it still had.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bus::Key;

/// Memory that a name takes beside its text: its places in the table and in the order.
const NAME_COST: u64 = 160;
/// Memory beyond the bound that names may take which somebody may still ask for. Above it they go all the same.
const MAX_LAG_BYTES: u64 = 16 << 20;

/// Names of addresses, by address and key.
#[derive(Debug)]
pub struct AddressNames {
    n_answers: AtomicU64,
    table: RwLock<Table>,
    resolved: RwLock<Resolved>,
}

/// A name that an answer told.
#[derive(Debug)]
struct Told {
    key: Key,
    /// What all before it take together, those that have gone included.
    below: u64,
    name: Arc<str>,
}

impl Told {
    fn end(&self) -> u64 {
        self.below + cost(&self.name)
    }
}

#[derive(Debug)]
struct Table {
    max_bytes: u64,
    /// Not yet taken in.
    waiting: BTreeSet<(Key, IpAddr, Arc<str>)>,
    n_waiting_bytes: u64,
    /// By key.
    order: VecDeque<(Told, IpAddr)>,
    /// By address, then by key.
    by_address: HashMap<IpAddr, VecDeque<Told>>,
    /// What all that was taken in takes together, what has gone included.
    n_bytes: u64,
    /// Everything up to here was taken in.
    taken: Key,
    /// How many of the order had to go for others.
    n_outdated: usize,
    n_evicted: u64,
}

fn cost(name: &str) -> u64 {
    NAME_COST + name.len() as u64
}

impl Table {
    fn bounded(max_bytes: u64) -> Self {
        Self {
            max_bytes,
            waiting: BTreeSet::new(),
            n_waiting_bytes: 0,
            order: VecDeque::new(),
            by_address: HashMap::new(),
            n_bytes: 0,
            taken: Key::MIN,
            n_outdated: 0,
            n_evicted: 0,
        }
    }

    fn tell(&mut self, key: Key, address: IpAddr, name: &str) {
        // Nobody tells of what lies before a key that somebody read as of.
        let key = key.max(self.taken);
        if self.waiting.insert((key, address, name.into())) {
            self.n_waiting_bytes += cost(name);
        }
    }

    /// Whether what was told of up to `key` is taken in.
    fn has_taken(&self, key: Key) -> bool {
        self.waiting.first().is_none_or(|(first, ..)| *first > key)
    }

    /// Takes in what was told of up to `key`, in the order of keys.
    fn take_up_to(&mut self, key: Key) {
        self.taken = self.taken.max(key);
        while let Some((at, address, name)) = self.waiting.pop_first() {
            if at > key {
                self.waiting.insert((at, address, name));
                return;
            }
            self.n_waiting_bytes -= cost(&name);
            let end = self.n_bytes;
            let names = self.by_address.entry(address).or_default();
            let is_known =
                names.iter().rev().any(|n| n.name == name && end - n.below <= self.max_bytes);
            if is_known {
                continue;
            }
            let told = |name| Told { key: at, below: end, name };
            names.push_back(told(Arc::clone(&name)));
            self.order.push_back((told(name), address));
            self.n_bytes = self.order.back().map_or(end, |(last, _)| last.end());
            while let Some((oldest, _)) = self.order.get(self.n_outdated)
                && self.n_bytes - oldest.below > self.max_bytes
            {
                self.n_outdated += 1;
                self.n_evicted += 1;
            }
        }
    }

    /// What was taken in up to a key takes so much together.
    fn n_bytes_as_of(&self, key: Key) -> u64 {
        let n = self.order.partition_point(|(told, _)| told.key <= key);
        n.checked_sub(1).map_or(0, |last| self.order[last].0.end())
    }

    /// Lets go of what nobody asks for who reads as of a key above `done`.
    fn forget(&mut self, done: Key) {
        let end = self.n_bytes_as_of(done);
        while let Some((oldest, _)) = self.order.front() {
            let is_outdated = end.saturating_sub(oldest.below) > self.max_bytes;
            let held = self.n_bytes - oldest.below + self.n_waiting_bytes;
            if !is_outdated && held <= self.max_bytes + MAX_LAG_BYTES {
                return;
            }
            let Some((_, address)) = self.order.pop_front() else { return };
            match self.n_outdated.checked_sub(1) {
                Some(n) => self.n_outdated = n,
                None => self.n_evicted += 1,
            }
            if let Some(names) = self.by_address.get_mut(&address) {
                names.pop_front();
                if names.is_empty() {
                    self.by_address.remove(&address);
                }
            }
        }
    }

    /// Goes through the names of an address as of a key, the newest first, until `each` says `true`; gives whether it did.
    fn any(&self, address: IpAddr, key: Key, mut each: impl FnMut(&Arc<str>) -> bool) -> bool {
        let Some(names) = self.by_address.get(&address) else { return false };
        let end = self.n_bytes_as_of(key);
        let known = names
            .iter()
            .rev()
            .filter(|told| told.key <= key && end.saturating_sub(told.below) <= self.max_bytes);
        known.map(|told| &told.name).any(&mut each)
    }
}

/// What the resolver told. It holds for all events; what came first goes first.
#[derive(Debug, Default)]
struct Resolved {
    order: VecDeque<(IpAddr, Arc<str>)>,
    by_address: HashMap<IpAddr, HashSet<Arc<str>>>,
    n_bytes: u64,
    n_evicted: u64,
}

impl Resolved {
    fn tell(&mut self, address: IpAddr, name: &str, max_bytes: u64) {
        let names = self.by_address.entry(address).or_default();
        if names.contains(name) {
            return;
        }
        let name: Arc<str> = name.into();
        names.insert(Arc::clone(&name));
        self.n_bytes += cost(&name);
        self.order.push_back((address, name));
        while self.n_bytes > max_bytes
            && let Some((address, name)) = self.order.pop_front()
        {
            self.n_bytes -= cost(&name);
            self.n_evicted += 1;
            if let Some(names) = self.by_address.get_mut(&address) {
                names.remove(&name);
                if names.is_empty() {
                    self.by_address.remove(&address);
                }
            }
        }
    }
}

impl AddressNames {
    /// None yet. Those of answers may take so much memory, each its text and 160 bytes, and those of the resolver once more.
    pub(super) fn bounded(max_bytes: usize) -> Self {
        Self {
            n_answers: AtomicU64::new(0),
            table: RwLock::new(Table::bounded(max_bytes as u64)),
            resolved: RwLock::default(),
        }
    }

    /// Notes a name that the resolver told; it counts for all events.
    pub fn resolved(&self, name: &str, addresses: impl IntoIterator<Item = IpAddr>) {
        let max_bytes = self.table.read().unwrap_or_else(PoisonError::into_inner).max_bytes;
        let mut resolved = self.resolved.write().unwrap_or_else(PoisonError::into_inner);
        for address in addresses {
            resolved.tell(address.to_canonical(), name, max_bytes);
        }
    }

    /// Notes that an answer was seen with these names. Up to `applied` nobody tells of another; nobody reads as of a key up to `done`.
    pub(crate) fn answered(&self, key: Key, names: &[(IpAddr, String)], applied: Key, done: Key) {
        self.n_answers.fetch_add(1, Ordering::Relaxed);
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        for (address, name) in names {
            table.tell(key, address.to_canonical(), name);
        }
        table.take_up_to(applied);
        table.forget(done);
    }

    /// Goes through the names of an address as of a key, the newest first, until `each` says `true`; gives whether it did. Everything that was
    /// told of up to that key has to have come.
    pub(crate) fn any(
        &self,
        address: IpAddr,
        key: Key,
        mut each: impl FnMut(&Arc<str>) -> bool,
    ) -> bool {
        let address = address.to_canonical();
        let mut table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        if !table.has_taken(key) {
            drop(table);
            let mut all = self.table.write().unwrap_or_else(PoisonError::into_inner);
            all.take_up_to(key);
            drop(all);
            table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        }
        if table.any(address, key, &mut each) {
            return true;
        }
        drop(table);
        let resolved = self.resolved.read().unwrap_or_else(PoisonError::into_inner);
        resolved.by_address.get(&address).into_iter().flatten().any(&mut each)
    }

    /// Answers of name servers that were looked into.
    #[must_use]
    pub fn n_answers(&self) -> u64 {
        self.n_answers.load(Ordering::Relaxed)
    }

    /// Names that had to go for others.
    #[must_use]
    pub fn n_evicted(&self) -> u64 {
        let told = self.table.read().unwrap_or_else(PoisonError::into_inner).n_evicted;
        told + self.resolved.read().unwrap_or_else(PoisonError::into_inner).n_evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_BYTES: usize = 10 * 400;

    fn note(of: &AddressNames, key: u64, address: &str, name: &str) {
        let names = [(address.parse().unwrap(), name.to_owned())];
        of.answered(Key(key), &names, Key::MIN, Key::MIN);
    }

    fn names(of: &AddressNames, address: &str, key: u64) -> Vec<String> {
        let mut all = Vec::new();
        of.any(address.parse().unwrap(), Key(key), |name| {
            all.push(name.to_string());
            false
        });
        all
    }

    #[test]
    fn a_name_counts_from_its_first_answer_on() {
        let of = AddressNames::bounded(MAX_BYTES);
        note(&of, 20, "10.0.0.1", "b.example");
        note(&of, 10, "10.0.0.1", "a.example");
        note(&of, 30, "10.0.0.1", "b.example");
        assert_eq!(names(&of, "10.0.0.1", 9), [""; 0]);
        assert_eq!(names(&of, "10.0.0.1", 19), ["a.example"]);
        assert_eq!(names(&of, "10.0.0.1", 30), ["b.example", "a.example"]);
        assert_eq!(names(&of, "::ffff:10.0.0.1", 30).len(), 2, "one address in two clothes");
        // As of an earlier key it is what it was.
        assert_eq!(names(&of, "10.0.0.1", 19), ["a.example"]);
        of.resolved("c.example", ["10.0.0.1".parse().unwrap()]);
        assert_eq!(names(&of, "10.0.0.1", 1), ["c.example"]);
        assert_eq!(names(&of, "10.0.0.1", 30), ["b.example", "a.example", "c.example"]);
    }

    fn long(n: u64) -> String {
        format!("{n:0>240}")
    }

    /// What is read as of each key, where answers come in this order and are looked at as soon as all up to a key are there.
    fn read_all(answers: &[u64], is_forgetful: bool) -> (Vec<Vec<String>>, u64) {
        let of = AddressNames::bounded(MAX_BYTES);
        let (mut come, mut done, mut read) = (BTreeSet::new(), 0, Vec::new());
        for &key in answers {
            // Every third repeats a name that may be outdated.
            let name = long(if key % 3 == 0 { key / 2 } else { key });
            let told = [("10.0.0.1".parse().unwrap(), name)];
            let forgotten = if is_forgetful { Key(done) } else { Key::MIN };
            of.answered(Key(key), &told, forgotten, forgotten);
            come.insert(key);
            while come.contains(&(done + 1)) {
                done += 1;
                read.push(names(&of, "10.0.0.1", done));
            }
        }
        (read, of.n_evicted())
    }

    #[test]
    fn what_has_room_is_a_matter_of_keys_alone() {
        let in_order: Vec<u64> = (1..=200).collect();
        let oracle = read_all(&in_order, false);
        assert_eq!(oracle.0.len(), 200);
        assert_eq!(oracle.0[199].len(), 10, "as many as there is room for");
        assert!(oracle.0[199].contains(&long(200)) && !oracle.0[199].contains(&long(170)));
        for stride in [2, 7, 16, 50] {
            // As if so many shards told in turn, each far ahead of the next.
            let shuffled: Vec<u64> = (0..200 / stride)
                .flat_map(|n| (1..=stride).rev().map(move |k| n * stride + k))
                .collect();
            for is_forgetful in [false, true] {
                assert_eq!(read_all(&shuffled, is_forgetful).0, oracle.0[..shuffled.len()]);
            }
        }
        assert_eq!(read_all(&in_order, true), oracle);
    }

    #[test]
    fn memory_is_given_back_once_nobody_asks_for_it() {
        let of = AddressNames::bounded(MAX_BYTES);
        for key in 1..=1000 {
            let told = [(IpAddr::from([10, 0, (key >> 8) as u8, key as u8]), long(key))];
            of.answered(Key(key), &told, Key(key), Key(key - 1));
        }
        of.resolved("c.example", (0..1000u32).map(|n| IpAddr::from(n.to_be_bytes())));
        let table = of.table.read().unwrap();
        assert!(table.order.len() <= 12 && table.by_address.len() <= 12, "{}", table.order.len());
        assert_eq!(table.n_evicted, 990);
        drop(table);
        let resolved = of.resolved.read().unwrap();
        assert!(resolved.n_bytes <= MAX_BYTES as u64 && resolved.by_address.len() < 30);
        let n_resolved = resolved.order.len() as u64;
        drop(resolved);
        assert_eq!(of.n_evicted(), 990 + 1000 - n_resolved);
    }

    #[test]
    fn a_reader_that_never_moves_does_not_keep_everything() {
        let of = AddressNames::bounded(MAX_BYTES);
        let name = "x".repeat(4000);
        for key in 1..=5000u64 {
            let told = [(IpAddr::from((key as u32).to_be_bytes()), name.clone())];
            of.answered(Key(key), &told, Key(key), Key::MIN);
        }
        let table = of.table.read().unwrap();
        let held = table.n_bytes - table.order.front().unwrap().0.below;
        assert!(held <= MAX_BYTES as u64 + MAX_LAG_BYTES + cost(&name), "{held} bytes");
    }
}

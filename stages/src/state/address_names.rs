//! Names of addresses: what answers of name servers said, and what the resolver told of the names that rules compare with.
//!
//! An answer counts from its key on, so every shard reads the same names as of its event: see [`Lineage::names_of`](super::Lineage).

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bus::Key;

/// Memory that names may take together, each its text and [`NAME_COST`].
const MAX_BYTES: usize = 16 << 20;
/// Memory that a name takes beside its text: its places in the table and in the order.
const NAME_COST: usize = 160;

/// Names of addresses, by address and key.
#[derive(Debug, Default)]
pub struct AddressNames {
    n_answers: AtomicU64,
    n_evicted: AtomicU64,
    table: RwLock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    by_address: HashMap<IpAddr, Vec<(Key, Arc<str>)>>,
    /// By key: what came first goes first.
    order: BTreeSet<(Key, IpAddr, Arc<str>)>,
    bytes: usize,
}

fn cost(name: &str) -> usize {
    NAME_COST + name.len()
}

impl Table {
    /// Notes that an address has a name from a key on; gives how many had to go.
    fn note(&mut self, key: Key, address: IpAddr, name: &str) -> u64 {
        let names = self.by_address.entry(address).or_default();
        if let Some((since, known)) = names.iter_mut().find(|(_, known)| **known == *name) {
            // Shards tell in any order; what counts is who was first.
            if key < *since {
                self.order.remove(&(*since, address, Arc::clone(known)));
                self.order.insert((key, address, Arc::clone(known)));
                *since = key;
                names.sort_unstable();
            }
            return 0;
        }
        let name: Arc<str> = name.into();
        self.bytes += cost(&name);
        self.order.insert((key, address, Arc::clone(&name)));
        names.push((key, name));
        names.sort_unstable();
        let mut n_evicted = 0;
        while self.bytes > MAX_BYTES
            && let Some((_, address, name)) = self.order.pop_first()
        {
            self.bytes -= cost(&name);
            n_evicted += 1;
            let names = self.by_address.get_mut(&address);
            let is_empty = names.is_none_or(|names| {
                names.retain(|(_, known)| *known != name);
                names.is_empty()
            });
            if is_empty {
                self.by_address.remove(&address);
            }
        }
        n_evicted
    }
}

impl AddressNames {
    /// Notes a name that the resolver told; it counts for all events.
    pub fn resolved(&self, name: &str, addresses: impl IntoIterator<Item = IpAddr>) {
        for address in addresses {
            self.note(Key::MIN, address, name);
        }
    }

    /// Notes that an answer was seen with these names.
    pub(crate) fn answered(&self, key: Key, names: &[(IpAddr, String)]) {
        self.n_answers.fetch_add(1, Ordering::Relaxed);
        for (address, name) in names {
            self.note(key, *address, name);
        }
    }

    fn note(&self, key: Key, address: IpAddr, name: &str) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let n_evicted = table.note(key, address.to_canonical(), name);
        self.n_evicted.fetch_add(n_evicted, Ordering::Relaxed);
    }

    /// Goes through the names of an address as of a key, the newest first, until `each` says `true`; gives whether it did.
    pub(crate) fn any(
        &self,
        address: IpAddr,
        key: Key,
        mut each: impl FnMut(&Arc<str>) -> bool,
    ) -> bool {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let names = table.by_address.get(&address.to_canonical());
        let known = names.into_iter().flatten().rev().filter(|(since, _)| *since <= key);
        known.map(|(_, name)| name).any(&mut each)
    }

    /// Answers of name servers that were looked into.
    #[must_use]
    pub fn n_answers(&self) -> u64 {
        self.n_answers.load(Ordering::Relaxed)
    }

    /// Names that had to go for others.
    #[must_use]
    pub fn n_evicted(&self) -> u64 {
        self.n_evicted.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let of = AddressNames::default();
        let note = |key, name| of.note(Key(key), "10.0.0.1".parse().unwrap(), name);
        note(20, "b.example");
        note(10, "a.example");
        note(30, "b.example");
        assert_eq!(names(&of, "10.0.0.1", 9), [""; 0]);
        assert_eq!(names(&of, "10.0.0.1", 19), ["a.example"]);
        assert_eq!(names(&of, "10.0.0.1", 30), ["b.example", "a.example"]);
        assert_eq!(names(&of, "::ffff:10.0.0.1", 30).len(), 2, "one address in two clothes");
        // Another shard tells later what it saw earlier.
        note(5, "b.example");
        assert_eq!(names(&of, "10.0.0.1", 9), ["b.example"]);
        of.resolved("c.example", ["10.0.0.1".parse().unwrap()]);
        assert_eq!(names(&of, "10.0.0.1", 1), ["c.example"]);
    }

    #[test]
    fn the_oldest_go_at_the_bound() {
        let of = AddressNames::default();
        let long = "x".repeat(240);
        let n = (MAX_BYTES / cost(&long)) as u64;
        for key in 1..=n + 10 {
            of.note(
                Key(key),
                IpAddr::from([10, (key >> 16) as u8, (key >> 8) as u8, key as u8]),
                &long,
            );
        }
        assert_eq!(of.n_evicted(), 10);
        let table = of.table.read().unwrap();
        assert!(table.bytes <= MAX_BYTES && table.by_address.len() as u64 == n);
        assert_eq!(table.order.first().unwrap().0, Key(11));
    }
}

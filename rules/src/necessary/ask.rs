//! A conjunction of what the kernel can decide, and lists of them of which one has to hold.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::ends::Ends;
use super::names::{self, NamePattern};

/// What a clause needs: all of it. Ordered so that those that differ in little lie next to each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ask {
    pub(super) in_container: bool,
    pub(super) failed: bool,
    pub(super) succeeded: bool,
    /// Masks of flags one of which is set, or none; in order, none twice.
    pub(super) flags: Vec<(u64, bool)>,
    pub(super) ends: Ends,
    pub(super) ports: Option<Rc<BTreeSet<u16>>>,
    pub(super) names: Option<Rc<BTreeSet<NamePattern>>>,
}

impl Ask {
    /// Needs nothing.
    pub(super) fn any() -> Self {
        Self {
            in_container: false,
            failed: true,
            succeeded: true,
            flags: Vec::new(),
            ends: Ends::ALL,
            ports: None,
            names: None,
        }
    }

    pub(super) fn is_any(&self) -> bool {
        let Self { in_container, failed, succeeded, flags, ends, ports, names } = self;
        !in_container
            && *failed
            && *succeeded
            && flags.is_empty()
            && *ends == Ends::ALL
            && ports.is_none()
            && names.is_none()
    }

    /// Whether all that the kernel tells apart meets it. It may still contradict another.
    pub(super) fn asks_nothing(&self) -> bool {
        let ends = if self.ends.kinds() == u8::MAX { Ends::ALL } else { self.ends };
        Self { ends, ..self.clone() }.is_any()
    }

    /// Both; `None` where that cannot be.
    pub(super) fn meet(&self, other: &Self) -> Option<Self> {
        let (failed, succeeded) = (self.failed && other.failed, self.succeeded && other.succeeded);
        let mut flags: Vec<(u64, bool)> = self.flags.iter().chain(&other.flags).copied().collect();
        flags.sort_unstable();
        flags.dedup();
        // Set, and none of more is set.
        let is_contradiction = flags.iter().any(|&(mask, is_set)| {
            is_set && flags.iter().any(|&(none, is_set)| !is_set && mask & !none == 0)
        });
        if !failed && !succeeded || is_contradiction {
            return None;
        }
        let ports = match (&self.ports, &other.ports) {
            // One end may have the one and the other the other.
            (Some(a), Some(b)) => Some(if b.len() < a.len() { b } else { a }),
            (a, b) => a.as_ref().or(b.as_ref()),
        };
        let names = match (&self.names, &other.names) {
            (Some(a), Some(b)) => Some(if names::is_rarer(b, a) { b } else { a }),
            (a, b) => a.as_ref().or(b.as_ref()),
        };
        Some(Self {
            in_container: self.in_container || other.in_container,
            failed,
            succeeded,
            flags,
            ends: self.ends.meet(&other.ends)?,
            ports: ports.cloned(),
            names: names.cloned(),
        })
    }

    /// What holds wherever one of the two does.
    pub(super) fn join(&self, other: &Self) -> Self {
        let ports = match (&self.ports, &other.ports) {
            (Some(a), Some(b)) => Some(union(a, b)),
            _ => None,
        };
        let names = match (&self.names, &other.names) {
            (Some(a), Some(b)) => Some(union(a, b)),
            _ => None,
        };
        Self {
            in_container: self.in_container && other.in_container,
            failed: self.failed || other.failed,
            succeeded: self.succeeded || other.succeeded,
            flags: self.flags.iter().filter(|f| other.flags.contains(f)).copied().collect(),
            ends: self.ends.join(&other.ends),
            ports,
            names,
        }
    }

    /// Whether this one holds wherever the other does.
    fn is_wider(&self, other: &Self) -> bool {
        (!self.in_container || other.in_container)
            && (self.failed || !other.failed)
            && (self.succeeded || !other.succeeded)
            && self.flags.iter().all(|f| other.flags.contains(f))
            && self.ends.join(&other.ends) == self.ends
            && is_wider_set(self.ports.as_deref(), other.ports.as_deref())
            && is_wider_set(self.names.as_deref(), other.names.as_deref())
    }

    /// Whether the two say the same of everything but names, or of everything but the result, so that their join is one or the other.
    fn is_joined_exactly(&self, other: &Self) -> bool {
        let Self { in_container, failed, succeeded, flags, ends, ports, names } = self;
        let same_result = *failed == other.failed && *succeeded == other.succeeded;
        *in_container == other.in_container
            && *flags == other.flags
            && *ends == other.ends
            && *ports == other.ports
            && (same_result || *names == other.names)
    }
}

fn union<T: Ord + Clone>(a: &Rc<BTreeSet<T>>, b: &Rc<BTreeSet<T>>) -> Rc<BTreeSet<T>> {
    if a == b { Rc::clone(a) } else { Rc::new(a.union(b).cloned().collect()) }
}

fn is_wider_set<T: Ord>(a: Option<&BTreeSet<T>>, b: Option<&BTreeSet<T>>) -> bool {
    match (a, b) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(a), Some(b)) => b.is_subset(a),
    }
}

/// At most `max` asks that hold wherever one of these does, each with what is noted of it. Gives how many pairs were looked at.
pub(super) fn reduced<N: Extend<u32> + IntoIterator<Item = u32>>(
    mut asks: Vec<(Ask, N)>,
    max: usize,
) -> (Vec<(Ask, N)>, usize) {
    let mut n_pairs = asks.len();
    asks.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut out: Vec<(Ask, N)> = Vec::with_capacity(asks.len());
    for (ask, note) in asks {
        n_pairs += out.len();
        match out.iter_mut().find(|(other, _)| other.is_joined_exactly(&ask)) {
            Some((other, notes)) => {
                *other = other.join(&ask);
                notes.extend(note);
            }
            None => out.push((ask, note)),
        }
    }
    let mut n = 0;
    while n < out.len() {
        n_pairs += out.len();
        match (0..out.len()).find(|&m| m != n && out[m].0.is_wider(&out[n].0)) {
            Some(wider) => {
                let (_, note) = out.remove(n);
                let wider = if wider > n { wider - 1 } else { wider };
                out[wider].1.extend(note);
            }
            None => n += 1,
        }
    }
    while out.len() > max {
        n_pairs += out.len();
        let mut joined: Vec<(Ask, N)> = Vec::with_capacity(out.len().div_ceil(2));
        for (n, (ask, note)) in out.into_iter().enumerate() {
            match joined.last_mut() {
                Some((last, notes)) if n % 2 == 1 => {
                    *last = last.join(&ask);
                    notes.extend(note);
                }
                _ => joined.push((ask, note)),
            }
        }
        out = joined;
    }
    (out, n_pairs)
}

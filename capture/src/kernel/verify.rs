//! Programs loaded beside each other: the kernel's verifier takes longer than all the rest of the start, and several can be at it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    thread::{self, available_parallelism},
};

use super::{
    bpf::{Place, Refused},
    loaded::LoadedObject,
};

/// Threads at most: more would wait for the one program that takes longest.
const MAX_THREADS: usize = 4;

/// What the kernel said of each program, by name. The longest come first, which are the dearest, nearly, so that none of those is begun last; one that
/// the object lacks is left out.
pub(super) fn load_all(
    object: &mut LoadedObject,
    programs: &[(&'static str, Place)],
) -> HashMap<&'static str, Result<(), Refused>> {
    let mut found: Vec<_> = object
        .programs_mut()
        .filter_map(|(name, program)| {
            let (name, place) = programs.iter().find(|(wanted, _)| *wanted == name)?;
            Some((*name, *place, program))
        })
        .collect();
    // Taken from the end.
    found.sort_unstable_by_key(|(name, _, program)| (program.len(), *name));
    let n_threads =
        available_parallelism().map_or(1, usize::from).min(MAX_THREADS).min(found.len());
    let left = Mutex::new(found);
    let work = || {
        let mut said = Vec::new();
        loop {
            let next = left.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some((name, place, program)) = next else { return said };
            said.push((name, program.load(place)));
        }
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..n_threads).map(|_| scope.spawn(work)).collect();
        let mut all: HashMap<_, _> = work().into_iter().collect();
        for other in others {
            all.extend(other.join().unwrap_or_else(|e| std::panic::resume_unwind(e)));
        }
        all
    })
}

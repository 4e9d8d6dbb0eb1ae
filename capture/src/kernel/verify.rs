//! Programs loaded beside each other: the kernel's verifier takes longer than all the rest of the start, and several can be at it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    thread::{self, available_parallelism},
};

use aya::{
    Btf, Ebpf,
    programs::{BtfTracePoint, Iter, Program, ProgramError},
};

/// Threads at most: more would wait for the one program that takes longest.
const MAX_THREADS: usize = 4;

/// What a program is loaded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// A tracepoint.
    Tracepoint(&'static str),
    /// An iterator.
    Iterator(&'static str),
}

/// Has the kernel look at one program.
pub(super) fn load(program: &mut Program, what: For, btf: &Btf) -> Result<(), ProgramError> {
    match what {
        For::Tracepoint(hook) => <&mut BtfTracePoint>::try_from(program)?.load(hook, btf),
        For::Iterator(of) => <&mut Iter>::try_from(program)?.load(of, btf),
    }
}

/// What the kernel said of each program, by name. The dearest come first in `programs`, so that none of them is begun last; one that the object lacks is left out.
pub(super) fn load_all(
    ebpf: &mut Ebpf,
    programs: &[(&'static str, For)],
    btf: &Btf,
) -> HashMap<&'static str, Result<(), ProgramError>> {
    let mut found: Vec<_> = ebpf
        .programs_mut()
        .filter_map(|(name, program)| {
            let place = programs.iter().position(|(wanted, _)| *wanted == name)?;
            Some((place, program))
        })
        .collect();
    // Taken from the end.
    found.sort_unstable_by_key(|(place, _)| std::cmp::Reverse(*place));
    let n_threads =
        available_parallelism().map_or(1, usize::from).min(MAX_THREADS).min(found.len());
    let left = Mutex::new(found);
    let work = || {
        let mut said = Vec::new();
        loop {
            let next = left.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some((place, program)) = next else { return said };
            let (name, what) = programs[place];
            said.push((name, load(program, what, btf)));
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

//! What a kind of storm is: a cycle of calls that a thread makes over and over.

use crate::raw::Failed;

/// Calls by name, and how often each is made.
pub(crate) type Calls = [(&'static str, u64)];

/// One thread's part of a storm. What it needs is made before its thread begins.
pub(crate) trait Cycle: Send {
    /// The system calls of one cycle.
    const CALLS: &'static Calls;

    /// Makes them. Cycles of a storm are numbered from 0; a thread's numbers follow one another.
    fn run(&mut self, number: u64) -> Result<(), Failed>;

    /// CPU time of the processes that it made and waited for, where it makes any.
    fn children_cpu_ns(&self) -> Option<u64> {
        None
    }
}

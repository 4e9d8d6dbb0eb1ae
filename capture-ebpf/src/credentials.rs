//! Credentials of a task that a call reports as they are when it is over.

use event::KernelField as F;

use crate::{mem::get, task::Task};

/// One set of the task's capabilities. A word of 64 bits since 6.3, two of 32 before: the same bytes.
#[inline(always)]
pub fn capabilities(task: Task, which: u64) -> u64 {
    let cred = task.cred();
    match which {
        0 => get(cred, F::CredCapInheritable),
        1 => get(cred, F::CredCapPermitted),
        _ => get(cred, F::CredCapEffective),
    }
}

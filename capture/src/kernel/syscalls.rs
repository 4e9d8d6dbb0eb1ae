//! Which syscall numbers, in each of the three tables of x86-64, give which event through which program.

use event::{EventSet, EventType, Slot, syscall_entry};

struct Call {
    ty: EventType,
    slot: Slot,
    native: u16,
    ia32: u16,
}

const fn call(ty: EventType, slot: Slot, native: u16, ia32: u16) -> Call {
    Call { ty, slot, native, ia32 }
}

/// arch/x86/entry/syscalls/syscall_64.tbl and syscall_32.tbl; 0 where a table lacks the call.
const CALLS: [Call; 12] = [
    call(EventType::OPEN_X, Slot::Open, 2, 5),
    call(EventType::OPENAT_2_X, Slot::Openat, 257, 295),
    call(EventType::OPENAT2_X, Slot::Openat2, 437, 437),
    call(EventType::CREAT_X, Slot::Creat, 85, 8),
    call(EventType::SOCKET_X, Slot::Socket, 41, 359),
    call(EventType::CONNECT_X, Slot::Connect, 42, 362),
    call(EventType::ACCEPT_5_X, Slot::Accept, 43, 0),
    call(EventType::ACCEPT4_6_X, Slot::Accept4, 288, 364),
    call(EventType::BIND_X, Slot::Bind, 49, 361),
    call(EventType::LISTEN_X, Slot::Listen, 50, 363),
    call(EventType::EXECVE_19_X, Slot::Execve, 59, 11),
    call(EventType::EXECVEAT_X, Slot::Execveat, 322, 358),
];

/// Calls that make tasks; their caller's side is captured when asked for.
const FORKS: [Call; 4] = [
    call(EventType::CLONE_20_X, Slot::Clone, 56, 120),
    call(EventType::CLONE3_X, Slot::Clone, 435, 435),
    call(EventType::FORK_20_X, Slot::Clone, 57, 2),
    call(EventType::VFORK_20_X, Slot::Clone, 58, 190),
];

/// Numbers that only the x32 table has.
const X32: [Call; 2] = [
    call(EventType::EXECVE_19_X, Slot::Execve, 520, 0),
    call(EventType::EXECVEAT_X, Slot::Execveat, 545, 0),
];

/// Calls of ia32 `socketcall` (include/uapi/linux/net.h).
const SOCKETCALLS: [(usize, EventType, Slot); 6] = [
    (1, EventType::SOCKET_X, Slot::Socket),
    (2, EventType::BIND_X, Slot::Bind),
    (3, EventType::CONNECT_X, Slot::Connect),
    (4, EventType::LISTEN_X, Slot::Listen),
    (5, EventType::ACCEPT_5_X, Slot::Accept),
    (18, EventType::ACCEPT4_6_X, Slot::Accept4),
];
const IA32_SOCKETCALL: usize = 102;

/// Whether the caller's side of forks is captured besides the child's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForkSides {
    /// The child's side, which is all that state needs.
    #[default]
    Child,
    /// Both, for rules and recordings that ask for the caller's.
    Both,
}

/// Every event type that the kernel side of this build can capture.
#[must_use]
pub fn capturable() -> EventSet {
    let calls = CALLS.iter().chain(&FORKS).map(|c| c.ty);
    calls.chain([EventType::PROCEXIT_1_E]).collect()
}

/// Programs behind the dispatcher that an interest needs.
pub(crate) fn slots(interest: &EventSet, sides: ForkSides) -> Vec<Slot> {
    let mut out: Vec<Slot> =
        CALLS.iter().filter(|c| interest.contains(c.ty)).map(|c| c.slot).collect();
    if sides == ForkSides::Both && FORKS.iter().any(|c| interest.contains(c.ty)) {
        out.push(Slot::Clone);
    }
    out
}

/// The contents of the kernel side's tables.
pub(crate) struct Tables {
    pub(crate) syscalls: Vec<u64>,
    pub(crate) socketcalls: Vec<u32>,
}

pub(crate) fn tables(interest: &EventSet, sides: ForkSides) -> Tables {
    let mut syscalls = vec![0u64; syscall_entry::N];
    let mut socketcalls = vec![0u32; syscall_entry::N_SOCKETCALLS];
    let forks: &[Call] = match sides {
        ForkSides::Child => &[],
        ForkSides::Both => &FORKS,
    };
    let wanted = |c: &&Call| interest.contains(c.ty);
    for c in CALLS.iter().chain(forks).filter(wanted) {
        let entry = u64::from(syscall_entry::pack(c.slot as u32, c.ty.0));
        syscalls[usize::from(c.native)] |= entry;
        if c.ia32 != 0 {
            syscalls[usize::from(c.ia32)] |= entry << 32;
        }
    }
    for c in X32.iter().filter(wanted) {
        let entry = syscall_entry::pack(c.slot as u32, c.ty.0) | syscall_entry::X32_ONLY;
        syscalls[usize::from(c.native)] |= u64::from(entry);
    }
    for (n, ty, slot) in SOCKETCALLS {
        if interest.contains(ty) {
            socketcalls[n] = syscall_entry::pack(slot as u32, ty.0);
            syscalls[IA32_SOCKETCALL] |= u64::from(syscall_entry::SOCKETCALL) << 32;
        }
    }
    Tables { syscalls, socketcalls }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_asked_for_has_an_entry() {
        let none = tables(&EventSet::EMPTY, ForkSides::Both);
        assert!(none.syscalls.iter().all(|&e| e == 0) && none.socketcalls.iter().all(|&e| e == 0));
        let one: EventSet = [EventType::OPENAT_2_X].into_iter().collect();
        let t = tables(&one, ForkSides::Both);
        let entry = u64::from(syscall_entry::pack(Slot::Openat as u32, 307));
        assert_eq!(t.syscalls[257], entry);
        assert_eq!(t.syscalls[295], entry << 32);
        assert_eq!(t.syscalls.iter().filter(|&&e| e != 0).count(), 2);
    }

    #[test]
    fn the_two_tables_share_a_word_without_mixing() {
        let t = tables(&EventSet::all(), ForkSides::Both);
        // 2: open natively, fork in ia32.
        assert_eq!(t.syscalls[2] & 0xffff, u64::from(EventType::OPEN_X.0));
        assert_eq!(t.syscalls[2] >> 32 & 0xffff, u64::from(EventType::FORK_20_X.0));
        assert_eq!(t.syscalls[102] >> 32, u64::from(syscall_entry::SOCKETCALL));
    }
}

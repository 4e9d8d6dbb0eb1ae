//! Users, groups and capabilities of the caller on the running kernel, changed in children, so that the tests keep theirs.

mod live;

use event::{EventType, Frame};
use live::{
    Live,
    raw::{Made, at, in_child},
};

const EPERM: i64 = -1;
const EINVAL: i64 = -22;
const EFAULT: i64 = -14;
const NONE: u64 = u32::MAX as u64;

/// The ids of a frame: those of the parameters.
fn ids(made: &Made, n: usize) -> Vec<u64> {
    (1..=n).map(|i| made.number(i)).collect()
}

/// Calls that take one id: all ones are invalid, root may become anybody, anybody else may not become root.
fn of_one(ty: EventType, nr: libc::c_long, effective: impl Fn(&Made) -> u32) {
    let Some(mut live) = Live::start(&[ty]) else { return };
    let mut calls = vec![(nr, vec![NONE]), (nr, vec![4321])];
    if nr != libc::SYS_setuid {
        calls.push((libc::SYS_setuid, vec![1234]));
    }
    calls.push((nr, vec![7]));
    let child = in_child(calls);
    let invalid = live.taken_of(ty, child, &[EINVAL]);
    assert_eq!((ids(&invalid, 1), effective(&invalid)), (vec![NONE], 0));
    let made = live.taken_of(ty, child, &[0]);
    assert_eq!((ids(&made, 1), made.header().tgid), (vec![4321], child));
    assert_eq!(effective(&made), 4321, "as it is after the call");
    let refused = live.taken_of(ty, child, &[EPERM]);
    assert_eq!(ids(&refused, 1), [7]);
    assert_eq!(effective(&refused), 4321);
    live.finish();
}

#[test]
fn setuid() {
    of_one(EventType::SETUID_X, libc::SYS_setuid, |made| made.header().uid);
}

#[test]
fn setgid() {
    of_one(EventType::SETGID_X, libc::SYS_setgid, |made| made.header().gid);
}

/// Calls that take several ids, the second of them the effective one. All ones leave one as it is; invalid is only what a user namespace
/// does not map.
fn of_several(ty: EventType, nr: libc::c_long, given: &[u64], effective: impl Fn(&Made) -> u32) {
    let Some(mut live) = Live::start(&[ty]) else { return };
    let n = given.len();
    let drop_root = (libc::SYS_setuid, vec![1234]);
    let calls = vec![(nr, vec![NONE; n]), (nr, given.to_vec()), drop_root, (nr, vec![7; n])];
    let child = in_child(calls);
    let same = live.taken_of(ty, child, &[0]);
    assert_eq!((ids(&same, n), effective(&same)), (vec![NONE; n], 0));
    let made = live.taken_of(ty, child, &[0]);
    assert_eq!((ids(&made, n), made.header().tgid), (given.to_vec(), child));
    assert_eq!(u64::from(effective(&made)), given[1], "as it is after the call");
    let refused = live.taken_of(ty, child, &[EPERM]);
    assert_eq!(ids(&refused, n), vec![7; n]);

    let unshare = (libc::SYS_unshare, vec![libc::CLONE_NEWUSER as u64]);
    let child = in_child(vec![unshare, (nr, vec![5; n])]);
    let unmapped = live.taken_of(ty, child, &[EINVAL, 0]);
    if unmapped.res == 0 {
        eprintln!("skipped: {}: no user namespaces here, EINVAL is not seen", ty.name());
    }
    assert_eq!(ids(&unmapped, n), vec![5; n]);
    live.finish();
}

#[test]
fn setreuid() {
    of_several(EventType::SETREUID_X, libc::SYS_setreuid, &[11, 22], |made| made.header().uid);
}

#[test]
fn setregid() {
    of_several(EventType::SETREGID_X, libc::SYS_setregid, &[11, 22], |made| made.header().gid);
}

#[test]
fn setresuid() {
    let given = &[11, 22, 33];
    of_several(EventType::SETRESUID_X, libc::SYS_setresuid, given, |made| made.header().uid);
}

#[test]
fn setresgid() {
    let given = &[11, 22, 33];
    of_several(EventType::SETRESGID_X, libc::SYS_setresgid, given, |made| made.header().gid);
}

#[test]
fn capset() {
    const TY: EventType = EventType::CAPSET_X;
    const VERSION_3: u32 = 0x2008_0522;
    /// `CAP_NET_BIND_SERVICE`.
    const BIND: u32 = 1 << 10;
    let Some(mut live) = Live::start(&[TY]) else { return };
    // Version and process; then effective, permitted and inheritable, low halves and high halves.
    let (head, no_head) = ([VERSION_3, 0], [1u32, 0]);
    let (less, more) = ([BIND, BIND, 0, 0, 0, 0u32], [BIND, BIND | 1, 0, 0, 0, 0u32]);
    let child = in_child(vec![
        (libc::SYS_capset, vec![at(&no_head), at(&less)]),
        (libc::SYS_capset, vec![at(&head), at(&less)]),
        (libc::SYS_capset, vec![at(&head), at(&more)]),
        (libc::SYS_capset, vec![at(&head), 8]),
    ]);
    let caps = |made: &Made| [made.number(1), made.number(2), made.number(3)];
    let version = live.taken_of(TY, child, &[EINVAL]);
    let [_, permitted, effective] = caps(&version);
    assert!(permitted & effective & u64::from(BIND) != 0, "root's: {permitted:x} {effective:x}");
    assert_ne!(permitted, u64::from(BIND));
    let made = live.taken_of(TY, child, &[0]);
    assert_eq!(caps(&made), [0, u64::from(BIND), u64::from(BIND)]);
    assert_eq!(made.header().tgid, child);
    for errno in [EPERM, EFAULT] {
        let failed = live.taken_of(TY, child, &[errno]);
        assert_eq!(caps(&failed), [0, u64::from(BIND), u64::from(BIND)], "as they were");
    }
    live.finish();
}

/// Calls that give an id of the child's.
#[test]
fn ids_that_are_asked_for() {
    let cases = [
        (EventType::GETUID_X, libc::SYS_getuid, 11),
        (EventType::GETEUID_X, libc::SYS_geteuid, 22),
        (EventType::GETGID_X, libc::SYS_getgid, 44),
        (EventType::GETEGID_X, libc::SYS_getegid, 55),
    ];
    let types = cases.map(|(ty, ..)| ty);
    let several = [EventType::GETRESUID_X, EventType::GETRESGID_X];
    let types: Vec<EventType> = types.into_iter().chain(several).collect();
    let Some(mut live) = Live::start(&types) else { return };
    let room = [0u32; 3];
    let places: Vec<u64> = room.iter().map(at).collect();
    let mut calls = vec![
        (libc::SYS_setresgid, vec![44, 55, 66]),
        (libc::SYS_setresuid, vec![11, 22, 33]),
        (libc::SYS_getresuid, places.clone()),
        (libc::SYS_getresuid, vec![places[0], 8, places[1]]),
        (libc::SYS_getresgid, places),
    ];
    calls.extend(cases.map(|(_, nr, _)| (nr, vec![])));
    let child = in_child(calls);
    for (ty, _, id) in cases {
        let bytes = live.wait(ty.name(), |f| f.event_type() == ty && f.header().tid == child);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!((frame.n_params(), frame.param_u32(0)), (1, Some(id)), "{}", ty.name());
    }
    let made = live.taken_of(several[0], child, &[0]);
    assert_eq!(ids(&made, 3), [11, 22, 33]);
    let bad = live.taken_of(several[0], child, &[EFAULT]);
    assert_eq!(ids(&bad, 3), [NONE; 3]);
    let made = live.taken_of(several[1], child, &[0]);
    assert_eq!(ids(&made, 3), [44, 55, 66]);
    live.finish();
}

/// A generic event says which call it was, and no result.
#[test]
fn setgroups() {
    const TY: EventType = EventType::GENERIC_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let groups = [5u32, 6];
    let child = in_child(vec![(libc::SYS_setgroups, vec![2, at(&groups)])]);
    let id = event::syscall_id("setgroups").unwrap();
    let bytes = live.wait("setgroups", |f| {
        f.header().tid == child && f.param(0) == Some(&id.to_le_bytes()[..])
    });
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(frame.header().tgid, child);
    assert_eq!(frame.param(1), Some(&(libc::SYS_setgroups as u16).to_le_bytes()[..]));
    live.finish();
}

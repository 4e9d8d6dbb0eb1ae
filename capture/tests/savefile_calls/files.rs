//! Files, directories, pipes and descriptors of other kinds.

use capture::savefile::PlaybackDemand;
use event::{EventType as E, descriptor_flags as flag};

use super::recording::{
    AT_FDCWD, Calls, O_CLOEXEC, O_DIRECTORY, OPEN_E, OPENAT_E, POLL_X,
    Param::{I64, List, U8, U16, U32},
    Played, Recording, process, shorts, text,
};

#[test]
fn opens_name_what_they_open() {
    let mut r = Recording::new();
    r.open(3, "a/../b", 0x8001)
        .open(4, "/etc//passwd", O_CLOEXEC | 0x1_0001)
        .open(5, ".", O_DIRECTORY | 1)
        .openat(6, 5, "x")
        .openat(7, AT_FDCWD, "../y")
        .openat(8, 99, "z")
        .openat(9, 99, "/abs")
        .call(E::CREAT_X, &[I64(10), text("new"), U32(0o644), U32(1), I64(2), U16(1)])
        .call(E::OPENAT2_X, &[I64(11), I64(5), text("q"), U32(1), U32(0), U32(0), U32(8), I64(9)])
        .call(E::OPEN_BY_HANDLE_AT_X, &[I64(12), I64(5), U32(2), text("/mnt/h"), U32(3), I64(4)]);
    let played = r.play_all();
    let shorts: Vec<_> = played.iter().map(Played::short).collect();
    assert_eq!(
        shorts,
        [
            "3<f>/home/b",
            "4<f>/etc/passwd",
            "5<d>/home",
            "6<f>/home/x",
            "7<f>/y",
            "8<f><UNKNOWN>z",
            "9<f>/abs",
            "10<f>/home/new",
            "11<f>/home/q",
            "12<f>/mnt/h",
        ]
    );
    let first = played[0].own();
    assert_eq!(
        (&*first.raw_name, first.dev, first.ino, first.open_flags),
        ("a/../b", 0x801, 77, 0x8001)
    );
    assert!(first.has(flag::OWN | flag::UPPER_LAYER | flag::NAME_CHANGED));
    assert!(played[1].own().has(flag::LOWER_LAYER) && played[7].own().has(flag::UPPER_LAYER));
    assert_eq!((played[8].own().dev, played[8].own().ino), (8, 9));
    // The directories that names start from are told too.
    assert_eq!(played[3].others_short(), ["5<d>/home"]);
    assert!(played[4].others.is_empty() && played[5].others.is_empty());
}

#[test]
fn an_open_that_fails_has_the_name_it_asked_for() {
    let mut r = Recording::new();
    r.open(-2, "a/../b", 1).openat(-13, AT_FDCWD, "/etc//shadow").openat(-2, 98, "x");
    assert_eq!(shorts(&r), ["-1<?>/home/b", "-1<?>/etc/shadow", "-1<?><UNKNOWN>x"]);
    assert_eq!(r.play_all()[0].own().raw_name, "a/../b");
}

#[test]
fn a_name_is_the_one_that_the_kernel_took() {
    let mut r = Recording::new();
    r.call(OPEN_E, &[text("/first"), U32(3), U32(0)])
        .open(3, "/second", 0x8001)
        .open(4, "/third", 1)
        .call(OPENAT_E, &[I64(AT_FDCWD), text("fourth"), U32(1), U32(0)])
        .openat(5, 3, "/fifth")
        .call(OPEN_E, &[text("/sixth"), U32(1), U32(0)])
        .fstat(5, 3)
        .open(6, "/seventh", 1);
    let played = r.play_all();
    let shorts: Vec<_> = played.iter().map(Played::short).collect();
    assert_eq!(&shorts[1..3], ["3<f>/first", "4<f>/third"]);
    // Flags that only the kernel knows stay.
    assert_eq!(played[1].own().open_flags, 0x8003);
    assert_eq!(shorts[4], "5<f>/home/fourth");
    assert_eq!(shorts[7], "6<f>/seventh", "another event came between");
}

#[test]
fn a_close_shows_what_it_closes() {
    let mut r = Recording::new();
    r.open(3, "/a", 1).close(5, -9, 3).close(5, 0, 3).fstat(5, 3).close(5, 0, 4);
    let played = r.play_all();
    let shorts: Vec<_> = played.iter().map(Played::short).collect();
    assert_eq!(shorts, ["3<f>/a", "3<f>/a", "3<f>/a", "3<?>", "4<?>"]);
    let closed: Vec<bool> = played.iter().map(|p| p.own().has(flag::CLOSED)).collect();
    assert_eq!(closed, [false, false, true, false, false]);
}

#[test]
fn close_range_closes_or_marks() {
    let mut r = Recording::new();
    for fd in 3..8 {
        r.open(fd, &format!("/{fd}"), 1);
    }
    r.call(E::CLOSE_RANGE_X, &[I64(0), U32(4), U32(5), U32(0)])
        .call(E::CLOSE_RANGE_X, &[I64(0), U32(7), U32(u32::MAX), U32(4)])
        .call(E::CLOSE_RANGE_X, &[I64(-22), U32(0), U32(9), U32(0)]);
    for fd in 3..8 {
        r.fstat(5, fd);
    }
    r.exec(5).fstat(5, 6).fstat(5, 7);
    let shorts = shorts(&r);
    assert_eq!(&shorts[5..8], ["-", "-", "-"]);
    assert_eq!(&shorts[8..13], ["3<f>/3", "4<?>", "5<?>", "6<f>/6", "7<f>/7"]);
    assert_eq!(&shorts[14..], ["6<f>/6", "7<?>"]);
}

#[test]
fn copies_are_what_they_are_copies_of() {
    let mut r = Recording::new();
    r.open(3, "/a", O_CLOEXEC | 1)
        .open(9, "/old", 1)
        .call(E::DUP_1_X, &[I64(4), I64(3)])
        .call(E::DUP2_X, &[I64(9), I64(3), I64(9)])
        .call(E::DUP3_X, &[I64(10), I64(3), I64(10), U32(O_CLOEXEC)])
        .call(E::FCNTL_X, &[I64(11), I64(3), U8(1), I64(0)])
        .call(E::FCNTL_X, &[I64(12), I64(3), U8(0x1a), I64(0)])
        .call(E::FCNTL_X, &[I64(0), I64(3), U8(2), I64(0)])
        .call(E::DUP2_X, &[I64(-9), I64(3), I64(5)])
        .call(E::DUP2_X, &[I64(9), I64(50), I64(9)])
        .fstat(5, 9);
    let played = r.play_all();
    let shorts: Vec<_> = played.iter().map(Played::short).collect();
    assert_eq!(
        &shorts[2..],
        ["4<f>/a", "9<f>/a", "10<f>/a", "11<f>/a", "12<f>/a", "3<f>/a", "3<f>/a", "50<?>", "9<?>"]
    );
    assert_eq!(played[2].others_short(), ["3<f>/a"]);
    assert!(!played[2].own().has(flag::NAME_CHANGED));
    // A copy is open after an exec unless it was made otherwise.
    r.call(E::DUP_1_X, &[I64(9), I64(3)]).exec(5);
    for fd in [3, 4, 9, 10, 11, 12] {
        r.fstat(5, fd);
    }
    let shorts = super::recording::shorts(&r);
    assert_eq!(&shorts[13..], ["3<?>", "4<f>/a", "9<f>/a", "10<?>", "11<f>/a", "12<?>"]);
}

#[test]
fn an_exec_closes_what_is_marked() {
    let mut r = Recording::new();
    r.open(3, "/kept", 1)
        .open(4, "/marked", 1)
        .open(5, "/unmarked", O_CLOEXEC)
        .socket(6, 2, 0x8_0001)
        .socket(7, 2, 1)
        .call(E::PIPE2_X, &[I64(0), I64(8), I64(9), I64(1), U32(O_CLOEXEC)])
        .call(E::PIPE_X, &[I64(0), I64(10), I64(11), I64(1)])
        .call(E::FCNTL_X, &[I64(0), I64(4), U8(3), I64(1)])
        .call(E::FCNTL_X, &[I64(0), I64(5), U8(3), I64(0)])
        .exec(5);
    for fd in 3..12 {
        r.fstat(5, fd);
    }
    let open: Vec<bool> = r.play_all()[10..].iter().map(|p| p.own().kind != '?').collect();
    assert_eq!(open, [true, false, true, false, true, false, false, true, true]);
}

#[test]
fn pipes_and_pairs_have_two_ends() {
    let mut r = Recording::new();
    r.call(E::PIPE2_X, &[I64(0), I64(3), I64(4), I64(900), U32(0)])
        .call(
            E::SOCKETPAIR_X,
            &[I64(0), I64(5), I64(6), I64(0xabc), I64(0xdef), U32(1), U32(1), U32(0)],
        )
        .call(E::PIPE_X, &[I64(-24), I64(0), I64(0), I64(0)]);
    let played = r.play_all();
    assert_eq!((played[0].short(), played[0].own().ino), ("4<p>".into(), 900));
    assert_eq!(played[0].others_short(), ["3<p>"]);
    assert_eq!((played[1].short(), played[1].others_short()), ("6<u>".into(), vec!["5<u>".into()]));
    assert_eq!(played[2].short(), "-1<?>");
}

#[test]
fn descriptors_of_other_kinds() {
    for (ty, params, kind) in [
        (E::EVENTFD_X, vec![I64(3), I64(0), U32(0)], 'e'),
        (E::EVENTFD2_X, vec![I64(3), U16(0), I64(0)], 'e'),
        (E::SIGNALFD_X, vec![I64(3), I64(-1), U32(0), U8(0)], 's'),
        (E::SIGNALFD4_X, vec![I64(3), U16(0), I64(-1), U32(0)], 's'),
        (E::TIMERFD_CREATE_X, vec![I64(3), U8(0), U8(0)], 't'),
        (E::INOTIFY_INIT_X, vec![I64(3), U8(0)], 'i'),
        (E::INOTIFY_INIT1_X, vec![I64(3), U16(0)], 'i'),
        (E::EPOLL_CREATE_X, vec![I64(3), U32(1)], 'l'),
        (E::EPOLL_CREATE1_X, vec![I64(3), U32(0)], 'l'),
        (E::BPF_2_X, vec![I64(3), U32(0)], 'b'),
        (E::USERFAULTFD_X, vec![I64(3), U32(0)], 'U'),
        (E::IO_URING_SETUP_X, vec![I64(3)], 'r'),
    ] {
        let mut r = Recording::new();
        r.call(ty, &params).fstat(5, 3);
        assert_eq!(shorts(&r), [format!("3<{kind}>"), format!("3<{kind}>")], "{}", ty.name());
        let mut failed = params.clone();
        failed[0] = I64(-1);
        let mut r = Recording::new();
        r.call(ty, &failed).fstat(5, 3);
        assert_eq!(shorts(&r), ["-1<?>", "3<?>"], "{}", ty.name());
    }
}

#[test]
fn memory_and_process_descriptors() {
    let mut r = Recording::new();
    r.processes.push(process(7, 7, "/"));
    r.call(E::MEMFD_CREATE_X, &[I64(3), text("cache"), U32(1)])
        .call(E::PIDFD_OPEN_X, &[I64(4), I64(7), U32(0)])
        .call_of(7, E::OPEN_X, &[I64(8), text("/secret"), U32(1)])
        .call(E::PIDFD_GETFD_X, &[I64(5), I64(4), I64(8), U32(0)])
        .call(E::PIDFD_GETFD_X, &[I64(5), I64(3), I64(8), U32(0)]);
    let played = r.play_all();
    let shorts: Vec<_> = played.iter().map(Played::short).collect();
    assert_eq!(shorts, ["3<m>cache", "4<P>/proc/7", "8<f>/secret", "5<f>/secret", "5<?>"]);
    assert_eq!(played[3].others_short(), ["4<P>/proc/7"]);
}

#[test]
fn lists_and_pairs_of_parameters_are_told() {
    let mut r = Recording::new();
    r.open(3, "/a", 1)
        .open(4, "/b", 1)
        .call(POLL_X, &[I64(1), List(vec![(3, 1), (77, 1), (4, 4)]), I64(0)])
        .call(E::SENDFILE_X, &[I64(1), I64(0), I64(4), I64(3), I64(9)])
        .call(E::SPLICE_X, &[I64(1), I64(3), I64(4), I64(9), U32(0)])
        .call(E::COPY_FILE_RANGE_X, &[I64(1), I64(4), I64(0), I64(3), I64(0), I64(9)])
        .call(E::RENAMEAT2_X, &[I64(0), I64(3), text("x"), I64(4), text("y"), U32(0)])
        .call(
            E::MMAP_X,
            &[I64(1), U32(0), U32(0), U32(0), I64(0), I64(0), U32(0), U32(0), I64(3), I64(0)],
        )
        .call(
            E::MMAP_X,
            &[I64(1), U32(0), U32(0), U32(0), I64(0), I64(0), U32(0), U32(0), I64(-1), I64(0)],
        );
    let played = r.play_all();
    let told: Vec<_> = played[2..].iter().map(|p| (p.short(), p.others_short())).collect();
    let some = |own: &str, others: &[&str]| {
        (own.to_owned(), others.iter().map(|&s| s.to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(
        told,
        [
            some("-", &["3<f>/a", "4<f>/b"]),
            some("4<f>/b", &["3<f>/a"]),
            some("4<f>/b", &["3<f>/a"]),
            some("4<f>/b", &["3<f>/a"]),
            some("-", &["3<f>/a", "4<f>/b"]),
            some("3<f>/a", &[]),
            some("-1<?>", &[]),
        ]
    );
}

#[test]
fn only_what_is_asked_for_is_told_and_all_is_followed() {
    let mut r = Recording::new();
    r.open(3, "/a", O_DIRECTORY).openat(4, 3, "x").fstat(5, 4);
    let told = |own, all| {
        let played = r.play(PlaybackDemand { own, all, resources: false, table: false });
        played.iter().map(|p| (p.own.is_some(), p.others.len())).collect::<Vec<_>>()
    };
    assert_eq!(told(false, false), [(false, 0); 3]);
    assert_eq!(told(true, false), [(true, 0); 3]);
    assert_eq!(told(true, true), [(true, 0), (true, 1), (true, 0)]);
}

#[test]
fn a_frame_without_room_for_all_descriptors_is_still_a_frame() {
    let mut r = Recording::new();
    let name = format!("/{}", "x".repeat(900));
    for fd in 3..200 {
        r.open(fd, &format!("{name}{fd}"), 1);
    }
    r.call(POLL_X, &[I64(1), List((3..200).map(|fd| (fd, 1)).collect()), I64(0)]);
    let n_others = r.last().others.len();
    assert!((25..40).contains(&n_others), "{n_others}");
}

//! What each family of calls does to the descriptors of a recording's processes.

mod support;

use capture::savefile::{
    DescriptorEntry, DescriptorList, DescriptorTarget, Interface, PlaybackDemand,
};
use event::{EventType as E, descriptor_flags as flag};
use support::{
    Param::{Empty, I64, List, U8, U16, U32},
    Recording, addr, process, text, tuple,
};

const OPEN_E: E = E(2);
const OPENAT_E: E = E(306);
const CONNECT_E: E = E(22);
const FSTAT_X: E = E(71);
const GETCWD_X: E = E(93);
const POLL_X: E = E(81);
const AT_FDCWD: i64 = -100;
const O_CLOEXEC: u32 = 0x1000;
const O_DIRECTORY: u32 = 0x400;
const CLONE_THREAD: u32 = 1 << 13;

trait Calls {
    fn open(&mut self, fd: i64, name: &str, flags: u32) -> &mut Self;
    fn openat(&mut self, fd: i64, dirfd: i64, name: &str) -> &mut Self;
    fn fstat(&mut self, tid: u32, fd: i64) -> &mut Self;
    fn close(&mut self, tid: u32, res: i64, fd: i64) -> &mut Self;
    fn socket(&mut self, fd: i64, domain: u32, ty: u32) -> &mut Self;
    fn fork(&mut self, child: u32, parent: i64, flags: u32) -> &mut Self;
    fn exec(&mut self, tid: u32) -> &mut Self;
}

impl Calls for Recording {
    fn open(&mut self, fd: i64, name: &str, flags: u32) -> &mut Self {
        self.call(E::OPEN_X, &[I64(fd), text(name), U32(flags), U32(0), U32(0x801), I64(77)])
    }

    fn openat(&mut self, fd: i64, dirfd: i64, name: &str) -> &mut Self {
        self.call(E::OPENAT_2_X, &[I64(fd), I64(dirfd), text(name), U32(1), U32(0), U32(0), I64(0)])
    }

    fn fstat(&mut self, tid: u32, fd: i64) -> &mut Self {
        self.call_of(tid, FSTAT_X, &[I64(0), I64(fd)])
    }

    fn close(&mut self, tid: u32, res: i64, fd: i64) -> &mut Self {
        self.call_of(tid, E::CLOSE_X, &[I64(res), I64(fd)])
    }

    fn socket(&mut self, fd: i64, domain: u32, ty: u32) -> &mut Self {
        self.call(E::SOCKET_X, &[I64(fd), U32(domain), U32(ty), U32(0), U32(0)])
    }

    fn fork(&mut self, child: u32, parent: i64, flags: u32) -> &mut Self {
        let pid = if flags & CLONE_THREAD != 0 { 5 } else { i64::from(child) };
        let mut params = vec![Empty; 21];
        (params[0], params[3], params[4]) = (I64(0), I64(i64::from(child)), I64(pid));
        (params[5], params[15]) = (I64(parent), U32(flags));
        self.call_of(child, E::CLONE_20_X, &params)
    }

    fn exec(&mut self, tid: u32) -> &mut Self {
        let mut params = vec![Empty; 31];
        let id = I64(i64::from(tid));
        (params[0], params[3], params[4], params[5]) = (I64(0), id.clone(), id, I64(1));
        self.call_of(tid, E::EXECVE_19_X, &params)
    }
}

/// The own descriptor of each event, in short.
fn shorts(recording: &Recording) -> Vec<String> {
    recording.play_all().iter().map(support::Played::short).collect()
}

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
    let shorts: Vec<_> = played.iter().map(support::Played::short).collect();
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
    let shorts: Vec<_> = played.iter().map(support::Played::short).collect();
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
    let shorts: Vec<_> = played.iter().map(support::Played::short).collect();
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
    let shorts: Vec<_> = played.iter().map(support::Played::short).collect();
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
    let shorts = crate::shorts(&r);
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
    let shorts: Vec<_> = played.iter().map(support::Played::short).collect();
    assert_eq!(shorts, ["3<m>cache", "4<P>/proc/7", "8<f>/secret", "5<f>/secret", "5<?>"]);
    assert_eq!(played[3].others_short(), ["4<P>/proc/7"]);
}

#[test]
fn a_client_connects() {
    let ends = "10.0.0.5:40000->1.2.3.4:443";
    let mut r = Recording::new();
    r.socket(3, 2, 1)
        .call(E::CONNECT_X, &[I64(-111), tuple(ends), I64(3), Empty])
        .call(E::CONNECT_X, &[I64(-115), tuple(ends), I64(3), Empty])
        .call(E::CONNECT_X, &[I64(0), tuple(ends), I64(3), Empty])
        .call(E::WRITE_X, &[I64(1), Empty, I64(3), U32(1)])
        .call(E::SENDTO_X, &[I64(1), Empty, I64(3), U32(1), tuple("9.9.9.9:1->8.8.8.8:2")])
        .call(E::SHUTDOWN_X, &[I64(0), I64(3), U8(2)])
        .close(5, 0, 3);
    let played = r.play_all();
    let connected = format!("3<4>{ends}");
    let shorts: Vec<_> = played.iter().map(support::Played::short).collect();
    assert_eq!(&shorts[..2], ["3<4>", "3<4>"]);
    assert!(shorts[2..].iter().all(|s| *s == connected), "{shorts:?}");
    // The transport is not told before the role is known.
    let l4: Vec<u8> = played.iter().map(|p| p.own().l4).collect();
    assert_eq!(l4, [1, 1, 2, 2, 2, 2, 2, 2]);
    let own = played[2].own();
    assert!(own.has(flag::CLIENT | flag::CONNECTED | flag::PENDING | flag::NAME_CHANGED));
    assert_eq!(own.ports, (40_000, 443));
    assert!(!played[3].own().has(flag::PENDING) && !played[3].own().has(flag::NAME_CHANGED));
}

#[test]
fn a_connect_leads_where_the_kernel_went() {
    let seen = "10.0.0.5:40000->6.6.6.6:1";
    let mut r = Recording::new();
    r.socket(3, 2, 1)
        .call(CONNECT_E, &[I64(3), addr("1.2.3.4:443")])
        // The tuple repeats what was written there since.
        .call(E::CONNECT_X, &[I64(0), tuple(seen), I64(3), addr("6.6.6.6:1")])
        .socket(4, 2, 1)
        .call(CONNECT_E, &[I64(4), addr("1.2.3.4:443")])
        // The tuple has the kernel's own address.
        .call(E::CONNECT_X, &[I64(0), tuple(seen), I64(4), addr("7.7.7.7:1")])
        .socket(5, 2, 1)
        .call(CONNECT_E, &[I64(5), addr("1.2.3.4:443")])
        .call(E::CONNECT_X, &[I64(0), Empty, I64(5), Empty]);
    let played = r.play_all();
    assert_eq!(played[2].short(), "3<4>10.0.0.5:40000->1.2.3.4:443");
    assert_eq!(played[5].short(), format!("4<4>{seen}"));
    assert_eq!((played[8].short(), played[8].own().ports), ("5<4>".into(), (0, 443)));
}

#[test]
fn a_connect_of_an_unknown_socket_has_the_tuple_as_name() {
    let mut r = Recording::new();
    r.call(E::CONNECT_X, &[I64(0), tuple("[::1]:9->[::1]:80"), I64(3), Empty]);
    assert_eq!(r.last().short(), "3<?>::1:9->::1:80");
}

#[test]
fn a_server_binds_and_accepts() {
    let mut r = Recording::new();
    r.socket(3, 10, 1)
        .call(E::BIND_X, &[I64(0), addr("[::]:0"), I64(3)])
        .call(E::BIND_X, &[I64(0), addr("[2001:db8::3]:1234"), I64(3)])
        .call(E::LISTEN_X, &[I64(0), I64(3), U32(5)])
        .call(
            E::ACCEPT4_6_X,
            &[
                I64(4),
                tuple("[2001:db8::4]:54405->[2001:db8::3]:1234"),
                U8(0),
                U32(0),
                U32(5),
                U32(0),
            ],
        )
        .call(
            E::ACCEPT_5_X,
            &[I64(6), tuple("[::ffff:10.0.0.1]:9->[::ffff:10.0.0.2]:80"), U8(0), U32(0), U32(5)],
        )
        .call(E::ACCEPT_5_X, &[I64(-11), Empty, U8(0), U32(0), U32(5)])
        .call(E::READ_X, &[I64(1), Empty, I64(4), U32(9)]);
    let played = r.play_all();
    let shorts: Vec<_> = played.iter().map(support::Played::short).collect();
    assert_eq!(
        shorts,
        [
            "3<6>",
            "3<6>:::0",
            "3<6>2001:db8::3:1234",
            "3<6>2001:db8::3:1234",
            "4<6>2001:db8::4:54405->2001:db8::3:1234",
            "6<4>10.0.0.1:9->10.0.0.2:80",
            "-1<?>NULL",
            "4<6>2001:db8::4:54405->2001:db8::3:1234",
        ]
    );
    assert_eq!((played[1].own().l4, played[2].own().l4), (1, 2));
    assert!(played[2].own().has(flag::SERVER | flag::SERVER_SOCKET));
    assert_eq!(played[2].own().ports, (0, 1234));
    assert!(played[4].own().has(flag::SERVER | flag::CONNECTED));
}

#[test]
fn datagrams_change_the_peer() {
    let send = |to: &str| [I64(1), Empty, I64(3), U32(1), tuple(&format!("10.0.0.5:5000->{to}"))];
    let receive =
        |from: &str| [I64(1), Empty, tuple(&format!("{from}->10.0.0.5:5000")), I64(3), U32(9)];
    let mut r = Recording::new();
    r.socket(3, 2, 2)
        .call(E::SENDTO_X, &send("8.8.8.8:53"))
        .call(E::RECVFROM_X, &receive("8.8.8.8:53"))
        .call(E::RECVFROM_X, &receive("9.9.9.9:53"));
    let played = r.play_all();
    let shorts: Vec<_> = played.iter().map(support::Played::short).collect();
    assert_eq!(shorts[1], "3<4>10.0.0.5:5000->8.8.8.8:53");
    assert_eq!(shorts[2], shorts[1]);
    let changed: Vec<bool> = played.iter().map(|p| p.own().has(flag::NAME_CHANGED)).collect();
    assert_eq!(changed, [false, true, false, true]);
    assert_eq!(played[1].own().l4, 3);
    assert!(played[1].own().has(flag::CLIENT | flag::CONNECTED));
}

#[test]
fn a_datagram_server_stays_the_server() {
    let mut r = Recording::new();
    r.socket(3, 2, 2)
        .call(E::BIND_X, &[I64(0), addr("10.0.0.5:53"), I64(3)])
        .call(E::RECVFROM_X, &[I64(1), Empty, tuple("1.1.1.1:9->10.0.0.5:53"), I64(3), U32(9)])
        .call(E::SENDTO_X, &[I64(1), Empty, I64(3), U32(1), tuple("10.0.0.5:53->1.1.1.1:9")])
        // Without a role of its own a socket has that of the port it shares.
        .socket(4, 2, 2)
        .call(E::RECVFROM_X, &[I64(1), Empty, tuple("1.1.1.1:8->10.0.0.5:53"), I64(4), U32(9)]);
    let played = r.play_all();
    let shorts: Vec<_> = played.iter().map(support::Played::short).collect();
    assert_eq!(shorts[2], "3<4>1.1.1.1:9->10.0.0.5:53");
    assert_eq!(shorts[3], shorts[2]);
    assert!(played[3].own().has(flag::SERVER) && !played[3].own().has(flag::SERVER_SOCKET));
    assert!(played[5].own().has(flag::CLIENT), "nothing is bound to the port any more");
}

#[test]
fn a_datagram_over_an_unknown_socket_tells_what_it_is() {
    let mut r = Recording::new();
    r.call(E::SENDMSG_X, &[I64(1), Empty, I64(3), U32(1), tuple("10.0.0.5:5->8.8.8.8:53")])
        .call(E::SENDMSG_X, &[I64(-1), Empty, I64(4), U32(1), tuple("10.0.0.5:5->8.8.8.8:53")]);
    assert_eq!(shorts(&r), ["3<4>10.0.0.5:5->8.8.8.8:53", "4<?>"]);
}

#[test]
fn unix_sockets_have_a_path() {
    let mut r = Recording::new();
    r.socket(3, 1, 1)
        .call(E::CONNECT_X, &[I64(-2), tuple("/run/x"), I64(3), Empty])
        .call(E::CONNECT_X, &[I64(0), tuple("/run/x"), I64(3), Empty])
        .socket(4, 1, 1)
        .call(E::BIND_X, &[I64(0), addr("/run/y"), I64(4)])
        .call(E::ACCEPT_5_X, &[I64(5), tuple("/run/y"), U8(0), U32(0), U32(5)]);
    let shorts = shorts(&r);
    assert_eq!(&shorts[..2], ["3<u>", "3<u>"]);
    assert_eq!(shorts[2], "3<u>abc->def /run/x");
    assert_eq!(&shorts[4..], ["4<u>/run/y", "5<u>abc->def /run/y"]);
}

#[test]
fn ends_are_local_by_the_interfaces() {
    let interface = |a: &str, mask: &str| Interface {
        name: b"eth0".to_vec(),
        addr: a.parse().unwrap(),
        mask: mask.parse().unwrap(),
        broadcast: mask.parse().unwrap(),
        link_speed: None,
    };
    let mut r = Recording::new();
    r.interfaces =
        vec![interface("127.0.0.1", "255.0.0.0"), interface("10.0.0.5", "255.255.255.0")];
    r.socket(3, 2, 1)
        .call(E::CONNECT_X, &[I64(0), tuple("10.0.0.5:9->10.0.0.9:80"), I64(3), Empty])
        .socket(4, 2, 2)
        // An end that the kernel has not chosen yet is that of the interface.
        .call(E::SENDTO_X, &[I64(1), Empty, I64(4), U32(1), tuple("0.0.0.0:7->10.0.0.9:53")])
        .call(E::SENDTO_X, &[I64(1), Empty, I64(4), U32(1), tuple("0.0.0.0:7->8.8.8.8:53")]);
    let played = r.play_all();
    assert!(
        played[1].own().has(flag::CLIENT_IS_LOCAL) && !played[1].own().has(flag::SERVER_IS_LOCAL)
    );
    assert_eq!(played[3].short(), "4<4>10.0.0.5:7->10.0.0.9:53");
}

#[test]
fn a_list_tells_what_was_open() {
    let socket = |client: &str, server: &str| DescriptorTarget::Socket {
        client: client.parse().unwrap(),
        server: server.parse().unwrap(),
        l4: 2,
    };
    let targets = [
        DescriptorTarget::File { open_flags: O_CLOEXEC, path: b"/log".to_vec(), dev: Some(5) },
        DescriptorTarget::Named { number: 7, name: b"pipe:[9]".to_vec() },
        DescriptorTarget::Server { at: "0.0.0.0:22".parse().unwrap(), l4: 2 },
        socket("10.0.0.5:22", "10.0.0.2:4000"),
        socket("10.0.0.5:4001", "10.0.0.9:80"),
        DescriptorTarget::Unix { source: 1, destination: 2, path: b"/run/s".to_vec() },
    ];
    let entries = (3..).zip(targets).map(|(fd, target)| DescriptorEntry { fd, ino: 9, target });
    let mut r = Recording::new();
    r.descriptors = vec![DescriptorList { tid: 5, entries: entries.collect() }];
    for fd in 3..9 {
        r.fstat(5, fd);
    }
    r.exec(5).fstat(5, 3);
    let played = r.play_all();
    let shorts: Vec<_> = played.iter().map(support::Played::short).collect();
    assert_eq!(
        shorts,
        [
            "3<f>/log",
            "4<p>pipe:[9]",
            "5<4>0.0.0.0:22",
            // Somebody listens on its port: it is the server's end.
            "6<4>10.0.0.2:4000->10.0.0.5:22",
            "7<4>10.0.0.5:4001->10.0.0.9:80",
            "8<u>/run/s",
            "-",
            "3<?>",
        ]
    );
    assert_eq!((&*played[0].own().raw_name, played[0].own().dev, played[0].own().ino), ("", 5, 9));
    assert!(
        played[3].own().has(flag::SERVER | flag::CONNECTED) && played[4].own().has(flag::CLIENT)
    );
    assert_eq!(played[3].own().ports, (4000, 22));
}

#[test]
fn a_fork_has_what_its_parent_had() {
    let mut r = Recording::new();
    r.open(3, "/a", 1).fork(9, 5, 0).close(5, 0, 3).open(3, "b", 1);
    r.fstat(9, 3).call_of(9, E::OPEN_X, &[I64(4), text("c"), U32(1)]).fstat(5, 4).fstat(5, 3);
    let shorts = shorts(&r);
    assert_eq!(&shorts[4..], ["3<f>/a", "4<f>/home/c", "4<?>", "3<f>/home/b"]);
}

#[test]
fn a_clone_with_shared_files_shares_them_until_an_exec() {
    let mut r = Recording::new();
    r.fork(9, 5, 1).open(3, "/a", 1).fstat(9, 3).exec(9).open(4, "/b", 1).fstat(9, 3).fstat(9, 4);
    let shorts = shorts(&r);
    assert_eq!((&*shorts[2], &shorts[5..]), ("3<f>/a", &["3<f>/a".into(), "4<?>".into()][..]));
    let mut r = Recording::new();
    r.fork(9, 5, 1).call(E::UNSHARE_X, &[I64(0), U32(1)]).open(3, "/a", 1).fstat(9, 3);
    assert_eq!(r.last().short(), "3<?>");
    let mut r = Recording::new();
    r.open(3, "/a", 1)
        .fork(9, 5, 1)
        .call_of(9, E::CLOSE_RANGE_X, &[I64(0), U32(3), U32(3), U32(2)])
        .fstat(5, 3)
        .fstat(9, 3);
    assert_eq!(&crate::shorts(&r)[3..], ["3<f>/a", "3<?>"]);
}

#[test]
fn threads_share_descriptors_and_directory() {
    let mut r = Recording::new();
    r.processes.push(process(6, 5, "/ignored"));
    r.open(3, "/a", 1)
        .fork(7, 5, CLONE_THREAD)
        .call_of(7, E::CHDIR_X, &[I64(0), text("sub")])
        .fstat(6, 3)
        .call_of(6, E::OPEN_X, &[I64(4), text("x"), U32(1)])
        .fstat(7, 4);
    let played = r.play_all();
    let shorts: Vec<_> = played.iter().map(support::Played::short).collect();
    assert_eq!(&shorts[3..], ["3<f>/a", "4<f>/home/sub/x", "4<f>/home/sub/x"]);
    assert!(played.iter().all(|p| (p.tgid, p.start_ns) == (5, 1)));
    assert_eq!(played[2].cwd.as_deref(), Some("/home/sub"));
}

#[test]
fn the_working_directory_is_followed() {
    let mut r = Recording::new();
    r.open(3, "/srv/www", O_DIRECTORY | 1)
        .call(E::FCHDIR_X, &[I64(0), I64(3)])
        .open(4, "index", 1)
        .call(E::CHDIR_X, &[I64(-2), text("/nowhere")])
        .call(E::CHDIR_X, &[I64(0), text("..")])
        .open(4, "x", 1)
        .call(E::FCHDIR_X, &[I64(0), I64(70)])
        .call(GETCWD_X, &[I64(5), text("/real")])
        .open(4, "y", 1)
        .call(E::CHDIR_X, &[I64(0), text("/")])
        .open(4, "z", 1);
    let played = r.play_all();
    let names: Vec<_> = [2, 5, 8, 10].map(|n| played[n].short()).to_vec();
    assert_eq!(names, ["4<f>/srv/www/index", "4<f>/srv/x", "4<f>/real/y", "4<f>/z"]);
    let cwds: Vec<_> = played.iter().map(|p| p.cwd.as_deref()).collect();
    assert_eq!(cwds[1], Some("/srv/www"));
    assert_eq!((cwds[3], cwds[4], cwds[6]), (None, Some("/srv"), None));
    assert_eq!((cwds[7], cwds[9]), (Some("/real"), Some("/")));
}

#[test]
fn what_a_fork_or_exec_says_of_the_directory_counts() {
    let mut r = Recording::new();
    let mut params = vec![Empty; 31];
    (params[0], params[3], params[4]) = (I64(0), I64(60), I64(60));
    params[6] = text("/work");
    r.call_of(60, E::OPEN_X, &[I64(3), text("x"), U32(1)])
        .call_of(60, E::EXECVE_19_X, &params)
        .fstat(60, 3)
        .call_of(60, E::OPEN_X, &[I64(4), text("x"), U32(1)]);
    let shorts = shorts(&r);
    assert_eq!(shorts, ["3<f>./x", "-", "3<f>./x", "4<f>/work/x"]);
}

#[test]
fn the_callers_side_makes_a_child_that_its_own_side_keeps() {
    let mut caller = vec![Empty; 21];
    (caller[0], caller[15], caller[18]) = (I64(9), U32(0), I64(5));
    let mut r = Recording::new();
    r.open(3, "/a", 1)
        .call(E::CLONE_20_X, &caller)
        .close(5, 0, 3)
        .fstat(9, 3)
        .fork(9, 5, 0)
        .fstat(9, 3);
    let played = r.play_all();
    assert_eq!((played[3].short(), played[5].short()), ("3<f>/a".into(), "3<f>/a".into()));
    assert_eq!((played[3].start_ns, played[5].start_ns), (2, 2));
    // In a namespace the number is another one's, and after a vfork the child may be gone.
    for (flags, vtid) in [(0, 1), (1 << 27, 5), (1 << 29, 5), (0x40, 5)] {
        (caller[15], caller[18]) = (U32(flags), I64(vtid));
        let mut r = Recording::new();
        r.open(3, "/a", 1).call(E::CLONE_20_X, &caller).fstat(9, 3);
        let last = r.last();
        assert_eq!((last.short(), last.start_ns), ("3<?>".into(), 0), "{flags:#x} {vtid}");
    }
}

#[test]
fn a_process_that_ended_leaves_nothing() {
    let exit = [I64(0), I64(0), U8(0), U8(0), I64(1)];
    let mut r = Recording::new();
    r.open(3, "/a", 1).call(E::PROCEXIT_1_E, &exit).fstat(5, 3);
    r.fork(5, 1, 0).fstat(5, 3);
    let shorts = shorts(&r);
    assert_eq!((&*shorts[2], &*shorts[4]), ("3<?>", "3<?>"));
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
        let played = r.play(PlaybackDemand { own, all });
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

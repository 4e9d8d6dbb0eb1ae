//! Descriptors whose object is exchanged while a call is under way, and objects that are gone when it ends.

mod live;

use std::{
    fs::File,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    os::unix::fs::MetadataExt,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
    time::Instant,
};

use capture::{Asked, ProbeOptions, SocketLooks};
use event::{
    EventSet, EventType, FileKind, Frame, SockAddr, SockFacts, file_flags, flags, sock_flags,
};
use live::{Live, tid};

/// Captures `types`, their descriptors looked at twice.
fn start(types: &[EventType]) -> Option<Live> {
    start_with(types, SocketLooks::default())
}

fn start_with(types: &[EventType], socket_looks: SocketLooks) -> Option<Live> {
    let interest: EventSet = types.iter().copied().collect();
    let asked = Asked { entry: interest, ..Asked::default() };
    Live::with(ProbeOptions { interest, asked, socket_looks, ..ProbeOptions::default() })
}

/// Does it with a probe that looks at sockets at their hooks, if there are some, and with one that looks when calls start.
fn both_ways(types: &[EventType], test: impl Fn(Live)) {
    for looks in [SocketLooks::AtHooks, SocketLooks::AtStart] {
        let Some(live) = start_with(types, looks) else { return };
        let report = live.probe.report();
        assert_eq!(report.refused, []);
        let is_attached = |hook: &str| report.attached.iter().any(|name| name == hook);
        assert_ne!(is_attached("sys_enter"), is_attached("connect4"), "{report:?}");
        test(live);
    }
}

fn of(ty: EventType, tid: u32) -> impl Fn(&Frame<'_>) -> bool {
    move |f| f.event_type() == ty && f.header().tid == tid
}

fn remote(sock: &SockFacts<'_>) -> SocketAddrV4 {
    let [a, b, c, d] = *sock.remote.first_chunk().unwrap();
    SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), sock.remote_port)
}

fn loopback(listener: &TcpListener) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, listener.local_addr().unwrap().port())
}

/// A stream socket over IPv4 that is not connected.
fn tcp_socket() -> OwnedFd {
    // SAFETY: a descriptor of its own, or -1, which is refused.
    unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        assert!(fd >= 0);
        OwnedFd::from_raw_fd(fd)
    }
}

fn sockaddr(to: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: to.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*to.ip()).to_be() },
        sin_zero: [0; 8],
    }
}

fn connect(fd: RawFd, to: SocketAddrV4) -> i32 {
    let addr = sockaddr(to);
    // SAFETY: an address of the length that is passed.
    unsafe { libc::connect(fd, (&raw const addr).cast(), size_of_val(&addr) as u32) }
}

fn dup_over(from: RawFd, to: RawFd) {
    // SAFETY: both descriptors are open and the test's own.
    assert_eq!(unsafe { libc::dup2(from, to) }, to);
}

/// A listener whose queue is full: a further connect to it waits. The streams fill it.
fn full_listener() -> (TcpListener, Vec<OwnedFd>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // SAFETY: makes the queue of an open socket shorter.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let mut streams = Vec::new();
    // A queue of length 0 takes one; another may be on its way in.
    for _ in 0..4 {
        let fd = tcp_socket();
        // SAFETY: an open descriptor.
        unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        connect(fd.as_raw_fd(), loopback(&listener));
        streams.push(fd);
    }
    (listener, streams)
}

/// Waits until a thread of this process sleeps in the kernel.
fn wait_asleep(tid: u32) {
    let start = Instant::now();
    loop {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{tid}/stat")).unwrap();
        let state = stat.rsplit(") ").next().unwrap().as_bytes()[0];
        if state == b'S' {
            return;
        }
        assert!(start.elapsed() < live::DEADLINE, "thread {tid} does not sleep: {stat}");
        thread::yield_now();
    }
}

/// Runs `call` in a thread; once it sleeps in the kernel runs `meanwhile`. Gives the thread's id.
fn while_asleep(call: impl FnOnce() + Send, meanwhile: impl FnOnce()) -> u32 {
    let caller = AtomicU32::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            caller.store(tid(), Ordering::Release);
            call();
        });
        while caller.load(Ordering::Acquire) == 0 {
            thread::yield_now();
        }
        wait_asleep(caller.load(Ordering::Acquire));
        meanwhile();
    });
    caller.into_inner()
}

#[test]
fn a_socket_exchanged_during_connect_does_not_hide_the_peer() {
    both_ways(&[EventType::CONNECT_X], |mut live| {
        let (listener, streams) = full_listener();
        let innocent = TcpListener::bind("127.0.0.1:0").unwrap();
        let decoy = TcpStream::connect(innocent.local_addr().unwrap()).unwrap();
        let victim = tcp_socket();
        let fd = victim.as_raw_fd();
        let target = loopback(&listener);
        let done = AtomicBool::new(false);
        let caller = while_asleep(
            || {
                connect(fd, target);
                done.store(true, Ordering::Release);
            },
            || {
                dup_over(decoy.as_raw_fd(), fd);
                // Room in the queue: the connect that waits goes on when it asks again, after a second.
                listener.set_nonblocking(true).unwrap();
                let start = Instant::now();
                while !done.load(Ordering::Acquire) {
                    drop(listener.accept());
                    assert!(start.elapsed() < live::DEADLINE, "the connect still waits");
                    thread::yield_now();
                }
                drop(streams);
            },
        );
        let bytes = live.wait("connect", of(EventType::CONNECT_X, caller));
        let frame = Frame::parse(&bytes).unwrap();
        assert!(frame.has(flags::FD_RACED));
        assert_eq!(SockAddr::decode(frame.param(3).unwrap()), Some(SockAddr::Inet(target.into())));
        let sock = frame.trailer().sock().unwrap();
        assert_eq!(remote(&sock), target);
        assert_ne!(sock.local_port, decoy.local_addr().unwrap().port());
        live.finish();
    });
}

#[test]
fn an_undisturbed_connect_has_the_peer_of_the_kernel_and_no_flag() {
    both_ways(&[EventType::CONNECT_X], |mut live| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let bytes = live.wait("connect", of(EventType::CONNECT_X, tid()));
        let frame = Frame::parse(&bytes).unwrap();
        assert!(!frame.has(flags::FD_RACED));
        let sock = frame.trailer().sock().unwrap();
        assert_eq!(remote(&sock), loopback(&listener));
        assert_eq!(sock.local_port, stream.local_addr().unwrap().port());
        assert_ne!(sock.flags & sock_flags::CONNECTED, 0);
        live.finish();
    });
}

/// An address that another thread rewrites while the connect waits: the one of the start counts.
#[test]
fn an_address_rewritten_during_connect_does_not_hide_the_peer() {
    struct Shared(*mut libc::sockaddr_in);
    // SAFETY: the pointee outlives both threads; the race on it is what is tested, the kernel alone reads it.
    unsafe impl Sync for Shared {}

    both_ways(&[EventType::CONNECT_X], |mut live| {
        let (listener, streams) = full_listener();
        let target = loopback(&listener);
        let mut addr = sockaddr(target);
        let shared = Shared(&raw mut addr);
        let shared = &shared;
        let victim = tcp_socket();
        let fd = victim.as_raw_fd();
        let caller = while_asleep(
            || {
                // SAFETY: an address of the length that is passed.
                unsafe {
                    libc::connect(fd, shared.0.cast(), size_of::<libc::sockaddr_in>() as u32)
                };
            },
            || {
                // SAFETY: see `Shared`.
                unsafe { (*shared.0).sin_port = 1u16.to_be() };
                // SAFETY: ends the connect that waits.
                unsafe { libc::shutdown(fd, libc::SHUT_RDWR) };
                drop(streams);
            },
        );
        let bytes = live.wait("connect", of(EventType::CONNECT_X, caller));
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!(SockAddr::decode(frame.param(3).unwrap()), Some(SockAddr::Inet(target.into())));
        assert_eq!(remote(&frame.trailer().sock().unwrap()), target);
        live.finish();
    });
}

#[test]
fn a_socket_exchanged_while_it_receives_does_not_hide_the_peer() {
    let Some(mut live) = start(&[EventType::RECVFROM_X, EventType::RECVMSG_X]) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let decoy = UdpSocket::bind("127.0.0.1:0").unwrap();
    for (ty, nr) in
        [(EventType::RECVFROM_X, libc::SYS_recvfrom), (EventType::RECVMSG_X, libc::SYS_recvmsg)]
    {
        let stream = TcpStream::connect(loopback(&listener)).unwrap();
        let (mut other, _) = listener.accept().unwrap();
        let fd = stream.as_raw_fd();
        let copy = stream.try_clone().unwrap();
        let caller = while_asleep(
            || {
                let mut byte = 0u8;
                let mut part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
                // SAFETY: all zeroes is a message without anything.
                let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
                (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
                // SAFETY: one byte of room, or a message with it.
                let n = unsafe {
                    if nr == libc::SYS_recvfrom {
                        libc::recv(fd, (&raw mut byte).cast(), 1, 0)
                    } else {
                        libc::recvmsg(fd, &raw mut message, 0)
                    }
                };
                assert_eq!(n, 1);
            },
            || {
                dup_over(decoy.as_raw_fd(), fd);
                other.write_all(b"x").unwrap();
            },
        );
        drop(copy);
        let bytes = live.wait("a receiving call", of(ty, caller));
        let frame = Frame::parse(&bytes).unwrap();
        assert!(frame.has(flags::FD_RACED));
        let sock = frame.trailer().sock().unwrap();
        assert_eq!(remote(&sock), loopback(&listener));
        assert_ne!(sock.flags & sock_flags::CONNECTED, 0);
    }
    live.finish();
}

#[test]
fn a_file_exchanged_during_a_read_does_not_hide_it() {
    let Some(mut live) = start(&[EventType::READ_X]) else { return };
    let (mut here, mut there) = std::io::pipe().unwrap();
    let fd = here.as_raw_fd();
    let ino = std::fs::metadata(format!("/proc/self/fd/{fd}")).unwrap().ino();
    let decoy = File::open("/dev/null").unwrap();
    let copy = here.try_clone().unwrap();
    let caller = while_asleep(
        || {
            let mut byte = [0];
            assert_eq!(here.read(&mut byte).unwrap(), 1);
        },
        || {
            dup_over(decoy.as_raw_fd(), fd);
            there.write_all(b"x").unwrap();
        },
    );
    drop(copy);
    let wanted = |f: &Frame<'_>| of(EventType::READ_X, caller)(f) && f.param(1) == Some(b"x");
    let bytes = live.wait("read", wanted);
    let frame = Frame::parse(&bytes).unwrap();
    assert!(frame.has(flags::FD_RACED));
    let file = frame.trailer().file().unwrap();
    assert_eq!((file.kind, file.ino), (FileKind::Fifo, ino));
    live.finish();
}

/// Closes a descriptor; the frame of that.
fn close_of(live: &mut Live, fd: impl Into<OwnedFd>) -> Vec<u8> {
    live.drain();
    live.frames.clear();
    let fd = fd.into();
    let n = fd.as_raw_fd();
    drop(fd);
    live.wait("close", closed(n))
}

/// Calls that nobody disturbs, failing ones among them, carry no flag, and a copy's section is that of the result.
#[test]
fn undisturbed_calls_carry_no_flag() {
    const NO_FD: i64 = 9999;
    let types = [EventType::DUP_1_X, EventType::DUP2_X, EventType::FCNTL_X, EventType::READ_X];
    let Some(mut live) = start(&types) else { return };
    let file = File::open("/etc/hostname").unwrap();
    let place = File::open("/dev/null").unwrap();
    let name = std::fs::canonicalize("/etc/hostname").unwrap();
    let name = name.to_str().unwrap();
    let (fd, to) = (i64::from(file.as_raw_fd()), i64::from(place.as_raw_fd()));
    let mut byte = 0u8;
    let at = (&raw mut byte) as i64;
    for (ty, nr, args, is_open) in [
        (types[0], libc::SYS_dup, [fd, 0, 0], true),
        (types[0], libc::SYS_dup, [NO_FD, 0, 0], false),
        (types[1], libc::SYS_dup2, [fd, to, 0], true),
        (types[1], libc::SYS_dup2, [fd, -1, 0], false),
        (types[2], libc::SYS_fcntl, [fd, i64::from(libc::F_GETFL), 0], true),
        (types[2], libc::SYS_fcntl, [fd, 4242, 0], true),
        (types[2], libc::SYS_fcntl, [NO_FD, 1, 0], false),
        (types[3], libc::SYS_read, [fd, at, 1], true),
        (types[3], libc::SYS_read, [-1, at, 1], false),
    ] {
        live.drain();
        live.frames.clear();
        // SAFETY: descriptors of the test, and a byte to read into.
        unsafe { libc::syscall(nr, args[0], args[1], args[2]) };
        let what = ty.info().unwrap().name;
        let bytes = live.wait(what, of(ty, tid()));
        let frame = Frame::parse(&bytes).unwrap();
        assert!(!frame.has(flags::FD_RACED), "{what} {args:?}");
        let path = frame.trailer().file().map(|f| String::from_utf8_lossy(f.path).into_owned());
        assert_eq!(path.as_deref(), is_open.then_some(name), "{what} {args:?}");
    }
    live.finish();
}

fn closed(fd: RawFd) -> impl Fn(&Frame<'_>) -> bool {
    move |f| of(EventType::CLOSE_X, tid())(f) && f.param_i64(1) == Some(fd.into())
}

fn path_of(frame: &Frame<'_>) -> String {
    String::from_utf8_lossy(frame.trailer().file().unwrap().path).into_owned()
}

#[test]
fn close_names_what_was_closed() {
    let Some(mut live) = start(&[EventType::CLOSE_X, EventType::CLOSE_RANGE_X]) else { return };
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let path = root.join("closed");
    let file = File::create(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let bytes = close_of(&mut live, file);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(path_of(&frame), format!("{} (deleted)", path.display()));
    assert!(!frame.has(flags::FD_RACED));

    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let bytes = close_of(&mut live, socket);
    assert_eq!(Frame::parse(&bytes).unwrap().trailer().sock().unwrap().local_port, port);

    // SAFETY: a number that is no descriptor.
    assert_eq!(unsafe { libc::close(9999) }, -1);
    let bytes = live.wait("failing close", closed(9999));
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!((frame.param_i64(0), frame.trailer().sections().count()), (Some(-9), 0));

    // A path whose tail only fits in the note.
    let mut long = root;
    for _ in 0..4 {
        long.push("d".repeat(200));
    }
    std::fs::create_dir_all(&long).unwrap();
    let long = long.join("end");
    let bytes = close_of(&mut live, File::create(&long).unwrap());
    let frame = Frame::parse(&bytes).unwrap();
    let facts = frame.trailer().file().unwrap();
    assert_eq!(facts.path, &long.as_os_str().as_encoded_bytes()[long.as_os_str().len() - 512..]);
    assert_ne!(facts.flags & file_flags::PATH_CUT, 0);

    let file = File::open("/etc/hostname").unwrap();
    let fd = i64::from(file.as_raw_fd());
    std::mem::forget(file);
    // SAFETY: closes the descriptor that was forgotten.
    let r = unsafe { libc::syscall(libc::SYS_close_range, fd, fd, 0) };
    if r == 0 {
        let bytes = live.wait("close_range", of(EventType::CLOSE_RANGE_X, tid()));
        let name = std::fs::canonicalize("/etc/hostname").unwrap();
        assert_eq!(path_of(&Frame::parse(&bytes).unwrap()), name.to_str().unwrap());
    } else {
        eprintln!("skipped: close_range: this kernel lacks it");
    }
    live.finish();
}

#[test]
fn notes_are_taken_back() {
    let types = [EventType::CLOSE_X, EventType::CONNECT_X, EventType::DUP2_X, EventType::READ_X];
    let Some(mut live) = start(&types) else { return };
    let (mut reader, writer) = std::io::pipe().unwrap();
    let (sender, started) = std::sync::mpsc::channel();
    // Other tests of this file run in this process, and are seen, too: only this one's threads are asked about. One waits in a read.
    let waits = thread::spawn(move || {
        sender.send(tid()).unwrap();
        let mut byte = [0];
        assert_eq!(reader.read(&mut byte).unwrap(), 0);
    });
    wait_asleep(started.recv().unwrap());
    for _ in 0..2000 {
        drop(File::open("/dev/null").unwrap());
        live.drain();
    }
    assert!(live.probe.n_noted().unwrap() >= 1, "a read under way has a note");
    drop(writer);
    waits.join().unwrap();
    // Calls of other tests come and go; none of them stays.
    let start = Instant::now();
    while live.probe.n_noted().unwrap() != 0 {
        assert!(start.elapsed() < live::DEADLINE, "notes stay");
        thread::yield_now();
    }
    assert_eq!(live.probe.counters().notes_lost, 0);
    live.finish();
}

#[test]
fn nothing_is_noted_unless_somebody_asks() {
    let interest: EventSet = [EventType::CLOSE_X, EventType::CONNECT_X].into_iter().collect();
    for asked in [
        Asked::default(),
        Asked { entry: [EventType::READ_X].into_iter().collect(), ..Asked::default() },
        Asked { entry: interest, descriptors: EventSet::EMPTY, ..Asked::default() },
    ] {
        let options = ProbeOptions { interest, asked, ..ProbeOptions::default() };
        let Some(mut live) = Live::with(options) else { return };
        assert!(!live.probe.report().attached.iter().any(|name| name == "sys_enter"));
        let bytes = close_of(&mut live, File::open("/dev/null").unwrap());
        assert_eq!(Frame::parse(&bytes).unwrap().trailer().sections().count(), 0);
        live.finish();
    }
}

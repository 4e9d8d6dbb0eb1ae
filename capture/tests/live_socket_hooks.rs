//! Calls that pass an address, seen by hooks of their sockets: what the kernel used is told, whatever another thread does to the address or the descriptor.

mod live;

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixListener, UnixStream},
    },
    sync::atomic::{AtomicBool, AtomicU16, Ordering},
    thread,
    time::Instant,
};

use capture::{Asked, ProbeOptions, SocketLooks, TableLimits};
use event::{EventSet, EventType, Frame, SockAddr, SockFacts, flags};
use live::{Live, tid};

const SENDS: [EventType; 3] = [EventType::SENDTO_X, EventType::SENDMSG_X, EventType::SENDMMSG_X];

fn options(types: &[EventType]) -> ProbeOptions {
    let interest: EventSet = types.iter().copied().collect();
    let asked = Asked { entry: interest, ..Asked::default() };
    ProbeOptions { interest, asked, ..ProbeOptions::default() }
}

/// Captures `types` with hooks; says so where there are none.
fn start(types: &[EventType]) -> Option<Live> {
    started(Live::with(options(types))?)
}

fn started(live: Live) -> Option<Live> {
    let report = live.probe.report();
    if report.attached.iter().any(|name| name == "connect4") {
        assert!(!report.attached.iter().any(|name| name == "sys_enter"), "{report:?}");
        return Some(live);
    }
    eprintln!("skipped: no hooks of sockets here: {:?}", report.warnings);
    live.finish();
    None
}

fn of(ty: EventType) -> impl Fn(&Frame<'_>) -> bool {
    let me = tid();
    move |f| f.event_type() == ty && f.header().tid == me
}

fn remote(sock: &SockFacts<'_>) -> SocketAddrV4 {
    let [a, b, c, d] = *sock.remote.first_chunk().unwrap();
    SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), sock.remote_port)
}

fn local(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)
}

fn port_of(socket: &UdpSocket) -> u16 {
    socket.local_addr().unwrap().port()
}

fn here() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").unwrap()
}

/// An address of IPv4 on the loopback whose port other threads may write.
#[repr(C)]
struct Shared {
    family: u16,
    port: AtomicU16,
    address: [u8; 4],
    zero: [u8; 8],
}

impl Shared {
    fn new(port: u16) -> Self {
        let port = AtomicU16::new(port.to_be());
        Self { family: libc::AF_INET as u16, port, address: [127, 0, 0, 1], zero: [0; 8] }
    }

    fn set(&self, port: u16) {
        self.port.store(port.to_be(), Ordering::Relaxed);
    }

    fn connect(&self, fd: RawFd) -> i32 {
        // SAFETY: an address of that length.
        unsafe { libc::connect(fd, (&raw const *self).cast(), size_of::<Self>() as u32) }
    }
}

/// Raised where it goes out of scope: also where a test fails, or a thread that waits for it would never end, and nobody would hear of the failure.
struct Raised<'a>(&'a AtomicBool);

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `calls` while another thread does `turn` again and again.
fn against(turn: impl Fn(usize) + Sync, calls: impl FnOnce()) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let _done = Raised(&done);
        scope.spawn(|| {
            for n in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                turn(n);
            }
        });
        calls();
    });
}

/// Whether to go on after `n` rounds: until there were some and what is waited for was met, or for as long as it may take.
fn until(n_least: usize) -> impl Fn(usize, bool) -> bool {
    let start = Instant::now();
    move |n, is_met| (n < n_least || !is_met) && start.elapsed() < 3 * live::DEADLINE
}

fn stream_socket() -> OwnedFd {
    // SAFETY: a descriptor of its own, or -1, which is refused.
    unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        assert!(fd >= 0);
        OwnedFd::from_raw_fd(fd)
    }
}

/// Where the last call of a thread went is told by the kernel, not by memory that is rewritten meanwhile.
#[test]
fn a_rewritten_address_is_told_as_the_kernel_took_it() {
    let Some(mut live) = start(&[EventType::CONNECT_X]) else { return };
    let (a, b, socket) = (here(), here(), here());
    let ports = [port_of(&a), port_of(&b)];
    let shared = Shared::new(ports[0]);
    let mut met = [0usize; 2];
    against(
        |n| shared.set(ports[n % 2]),
        || {
            let goes_on = until(1000);
            while goes_on(met.iter().sum(), met.iter().all(|&n| n > 0)) {
                assert_eq!(shared.connect(socket.as_raw_fd()), 0);
                let SocketAddr::V4(peer) = socket.peer_addr().unwrap() else { panic!("not IPv4") };
                let bytes = live.wait("connect", of(EventType::CONNECT_X));
                let frame = Frame::parse(&bytes).unwrap();
                let passed = SockAddr::decode(frame.param(3).unwrap());
                assert_eq!(passed, Some(SockAddr::Inet(peer.into())));
                assert_eq!(remote(&frame.trailer().sock().unwrap()), peer);
                met[usize::from(peer.port() == ports[1])] += 1;
            }
        },
    );
    assert!(met.iter().all(|&n| n > 0), "nothing was rewritten: {met:?}");
    live.finish();
}

/// Of a call that fails, too: one of the two ports listens.
#[test]
fn a_failing_connect_has_the_address_that_failed() {
    let Some(mut live) = start(&[EventType::CONNECT_X]) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = port_of(&here());
    let ports = [listener.local_addr().unwrap().port(), closed];
    let shared = Shared::new(ports[0]);
    let mut met = [0usize; 2];
    against(
        |n| shared.set(ports[n % 2]),
        || {
            let goes_on = until(500);
            while goes_on(met.iter().sum(), met.iter().all(|&n| n > 0)) {
                let socket = stream_socket();
                let is_refused = shared.connect(socket.as_raw_fd()) != 0;
                let bytes = live.wait("connect", of(EventType::CONNECT_X));
                let frame = Frame::parse(&bytes).unwrap();
                assert_eq!(frame.param_i64(0) == Some(-i64::from(libc::ECONNREFUSED)), is_refused);
                let target = local(ports[usize::from(is_refused)]);
                let passed = SockAddr::decode(frame.param(3).unwrap());
                assert_eq!(passed, Some(SockAddr::Inet(target.into())));
                assert_eq!(remote(&frame.trailer().sock().unwrap()), target);
                met[usize::from(is_refused)] += 1;
                if !is_refused {
                    drop(listener.accept().unwrap());
                }
            }
        },
    );
    assert!(met.iter().all(|&n| n > 0), "nothing was rewritten: {met:?}");
    live.finish();
}

/// `sendto` and `sendmsg` whose address is rewritten and whose descriptor is exchanged all the time: who received a message from whom is what is told.
#[test]
fn a_send_is_told_of_the_socket_that_sent() {
    let Some(mut live) = start(&SENDS) else { return };
    let (to, from) = ([here(), here()], [here(), here()]);
    for socket in &to {
        socket.set_nonblocking(true).unwrap();
    }
    let ports = to.each_ref().map(port_of);
    let shared = Shared::new(ports[0]);
    let place = here();
    let fd = place.as_raw_fd();
    // SAFETY: descriptors of the test's own.
    let exchange = |n: usize| assert_eq!(unsafe { libc::dup2(from[n % 2].as_raw_fd(), fd) }, fd);
    exchange(0);
    let (mut n, mut n_raced) = (0, 0);
    against(
        |n| {
            shared.set(ports[n / 2 % 2]);
            exchange(n);
        },
        || {
            let goes_on = until(2000);
            while goes_on(n, n_raced > 0) {
                n += 1;
                let ty = SENDS[n % 2];
                assert_eq!(send(ty, fd, &shared), 1);
                let mut byte = [0];
                let received =
                    to.iter().find_map(|s| Some((port_of(s), s.recv_from(&mut byte).ok()?.1)));
                let (target, source) = received.unwrap();
                let bytes = live.wait("send", of(ty));
                let frame = Frame::parse(&bytes).unwrap();
                let sock = frame.trailer().sock().unwrap();
                assert_eq!((remote(&sock), sock.local_port), (local(target), source.port()), "{n}");
                n_raced += usize::from(frame.has(flags::FD_RACED));
            }
        },
    );
    assert!(n_raced > 0, "no descriptor was exchanged under way");
    live.finish();
}

/// One byte.
fn send(ty: EventType, fd: RawFd, to: &Shared) -> isize {
    let mut byte = 0u8;
    let (address, len) = ((&raw const *to).cast_mut(), size_of::<Shared>() as u32);
    if ty == EventType::SENDTO_X {
        // SAFETY: a byte, and an address of that length.
        return unsafe { libc::sendto(fd, (&raw const byte).cast(), 1, 0, address.cast(), len) };
    }
    let mut part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // SAFETY: all zeroes is a message without anything.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
    (message.msg_name, message.msg_namelen) = (address.cast(), len);
    // SAFETY: a message of one byte, with an address of that length.
    unsafe { libc::sendmsg(fd, &raw const message, 0) }
}

/// A call that comes to no hook, after one that did: what was noted of the first is not of the second.
#[test]
fn a_note_is_of_one_call() {
    let types = [EventType::CONNECT_X, EventType::SENDTO_X];
    let Some(mut live) = start(&types) else { return };
    let (socket, peer) = (here(), here());
    let to = Shared::new(port_of(&peer));
    assert_eq!(to.connect(socket.as_raw_fd()), 0);
    let bytes = live.wait("connect", of(types[0]));
    let passed = SockAddr::decode(Frame::parse(&bytes).unwrap().param(3).unwrap());
    assert_eq!(passed, Some(SockAddr::Inet(local(port_of(&peer)).into())));
    // Without a family it ends the connection, and the kernel asks no hook.
    let none = Shared { family: libc::AF_UNSPEC as u16, ..Shared::new(1) };
    assert_eq!(none.connect(socket.as_raw_fd()), 0);
    let bytes = live.wait("connect", of(types[0]));
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!((frame.param_i64(0), frame.param(3)), (Some(0), Some(&[][..])));
    assert!(!frame.has(flags::FD_RACED));
    // Nor for a port that nobody can send to, though the same call went well before.
    for (port, res) in [(port_of(&peer), 1), (0, -i64::from(libc::EINVAL))] {
        to.set(port);
        send(types[1], socket.as_raw_fd(), &to);
        let bytes = live.wait("sendto", of(types[1]));
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!(frame.param_i64(0), Some(res));
        // The tuple ends with the port that was passed.
        let passed = frame.param(4).and_then(|tuple| tuple.last_chunk().copied());
        assert_eq!(passed.map(u16::from_le_bytes), Some(port));
        assert!(!frame.has(flags::FD_RACED));
    }
    live.finish();
}

#[test]
fn names_of_unix_sockets_are_told() {
    let types = [EventType::CONNECT_X, EventType::SENDTO_X];
    let Some(mut live) = start(&types) else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let name = |bytes: &[u8]| {
        let sock = Frame::parse(bytes).unwrap();
        String::from_utf8_lossy(sock.trailer().sock().unwrap().path).into_owned()
    };
    let _listener = UnixListener::bind(path("stream")).unwrap();
    let stream = UnixStream::connect(path("stream")).unwrap();
    assert_eq!(name(&live.wait("connect", of(types[0]))), path("stream").to_str().unwrap());
    UnixStream::connect(path("none")).unwrap_err();
    assert_eq!(name(&live.wait("connect", of(types[0]))), path("none").to_str().unwrap());
    // One of the longest that there are, and one without a name in the file system.
    let long = path("").join("n".repeat(107 - path("").as_os_str().len()));
    let receiver = UnixDatagram::bind(&long).unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    assert_eq!(sender.send_to(b"x", &long).unwrap(), 1);
    assert_eq!(name(&live.wait("sendto", of(types[1]))), long.to_str().unwrap());
    let abstract_name = format!("peregrine-{}", std::process::id());
    let address =
        <UnixAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(&abstract_name)
            .unwrap();
    let other = UnixDatagram::bind_addr(&address).unwrap();
    assert_eq!(sender.send_to_addr(b"x", &address).unwrap(), 1);
    assert!(name(&live.wait("sendto", of(types[1]))).contains(&abstract_name));
    drop((stream, receiver, other));
    live.finish();
}

/// A Unix socket whose descriptor is exchanged while it waits for room in the queue of its listener.
#[test]
fn an_exchanged_unix_socket_is_told_by_its_name() {
    let Some(mut live) = start(&[EventType::CONNECT_X]) else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("docker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    // SAFETY: makes the queue of an open socket shorter.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let first = UnixStream::connect(&path).unwrap();
    let decoy = here();
    let victim = {
        // SAFETY: a descriptor of its own, or -1, which is refused.
        let fd = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
        assert!(fd >= 0);
        // SAFETY: as above.
        unsafe { OwnedFd::from_raw_fd(fd) }
    };
    let fd = victim.as_raw_fd();
    let bytes = path.as_os_str().as_encoded_bytes();
    // SAFETY: all zeroes is an address.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as u16;
    for (to, &from) in address.sun_path.iter_mut().zip(bytes) {
        *to = from.cast_signed();
    }
    let caller = std::sync::atomic::AtomicU32::new(0);
    let start = Instant::now();
    let is_waiting = thread::scope(|scope| {
        scope.spawn(|| {
            caller.store(tid(), Ordering::Release);
            // SAFETY: an address of that length.
            let r = unsafe {
                libc::connect(
                    fd,
                    (&raw const address).cast(),
                    size_of::<libc::sockaddr_un>() as u32,
                )
            };
            assert_eq!(r, 0);
        });
        while caller.load(Ordering::Acquire) == 0 {
            thread::yield_now();
        }
        let stat = format!("/proc/self/task/{}/stat", caller.load(Ordering::Acquire));
        let sleeps = || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") S "));
        while !sleeps() && start.elapsed() < live::DEADLINE {
            thread::yield_now();
        }
        let is_waiting = sleeps();
        // SAFETY: both descriptors are the test's own.
        let exchanged = unsafe { libc::dup2(decoy.as_raw_fd(), fd) };
        // Makes room: the thread is to end, whatever went wrong.
        drop(listener.accept());
        assert_eq!(exchanged, fd);
        is_waiting
    });
    assert!(is_waiting, "the connect did not wait for room within {:?}", live::DEADLINE);
    let caller = caller.into_inner();
    let wanted = |f: &Frame<'_>| f.event_type() == EventType::CONNECT_X && f.header().tid == caller;
    let bytes = live.wait("connect", wanted);
    let frame = Frame::parse(&bytes).unwrap();
    assert!(frame.has(flags::FD_RACED));
    let sock = frame.trailer().sock().unwrap();
    assert_eq!((sock.family, sock.path), (1, path.as_os_str().as_encoded_bytes()));
    drop(first);
    live.finish();
}

#[test]
fn a_thread_without_room_is_counted_and_those_that_end_make_room() {
    const N: u32 = 2;
    let tables = TableLimits { noted_calls: N, ..TableLimits::default() };
    let options = ProbeOptions { tables, ..options(&[EventType::CONNECT_X]) };
    let Some(live) = Live::with(options).and_then(started) else { return };
    let (peer, socket) = (here(), here());
    let connect = || socket.connect(("127.0.0.1", port_of(&peer)));
    for _ in 0..50 {
        thread::scope(|scope| scope.spawn(connect).join().unwrap()).unwrap();
    }
    assert_eq!(live.probe.counters().notes_lost, 0);
    let barrier = std::sync::Barrier::new(10);
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                let connected = connect();
                barrier.wait();
                connected.unwrap();
            });
        }
    });
    assert!(live.probe.counters().notes_lost > 0);
    live.finish();
}

/// The look at the start stands in where it is asked for, and hooks go and come with what is asked.
#[test]
fn hooks_are_attached_where_calls_come_to_them() {
    let attached = |live: &Live| {
        let mut names = live.probe.report().attached;
        names.retain(|name| {
            name == "sys_enter"
                || name.contains("connect")
                || name.contains("bind")
                || name.contains("sendmsg")
        });
        names
    };
    let at_start =
        ProbeOptions { socket_looks: SocketLooks::AtStart, ..options(&[EventType::CONNECT_X]) };
    let Some(live) = Live::with(at_start) else { return };
    assert_eq!(attached(&live), ["sys_enter", "connect"]);
    live.finish();
    let Some(mut live) = start(&[EventType::CONNECT_X]) else { return };
    assert_eq!(attached(&live), ["connect4", "connect6", "connect_unix", "connect"]);
    let mut wanted = live.probe.wanted();
    wanted.asked.entry = EventSet::EMPTY;
    live.probe.change(&wanted).unwrap();
    assert_eq!(attached(&live), ["connect"]);
    live.finish();
}

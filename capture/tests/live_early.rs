//! The program before those of calls on sockets: what becomes of a call where one of the two is not in its slot.

mod live;

use std::{
    fs,
    net::{TcpListener, TcpStream, UdpSocket},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    sync::{Mutex, MutexGuard, PoisonError},
};

use capture::{Asked, Filters, ProbeOptions};
use event::{
    EventSet, EventType, Outcome, Slot,
    filter::{FilterKind, N_FILTER_KINDS, TypeFilter},
};
use live::{Live, raw::at};

const TYPES: [EventType; 3] = [EventType::CONNECT_X, EventType::ACCEPT4_6_X, EventType::SENDTO_X];

/// The map of tail calls of the one probe of this process.
struct Programs(i32);

impl Programs {
    const LOOK_UP: i32 = 1;
    const UPDATE: i32 = 2;
    const DELETE: i32 = 3;
    const PROGRAM_BY_ID: i32 = 13;
    /// `BPF_MAP_TYPE_PROG_ARRAY`.
    const TYPE: &str = "map_type:\t3\n";

    fn find() -> Self {
        let is_wanted = |fd: &i32| {
            let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}"));
            info.is_ok_and(|info| info.contains(Self::TYPE))
        };
        let fds = fs::read_dir("/proc/self/fd").unwrap();
        let mut fds = fds.filter_map(|e| e.unwrap().file_name().to_str()?.parse().ok());
        Self(fds.find(is_wanted).expect("the probe holds its map of programs"))
    }

    fn bpf(command: i32, words: [u64; 4]) -> i64 {
        // SAFETY: callers pass addresses of a key and a value that live until the call returns, and the kernel wants no more than these words.
        let r = unsafe { libc::syscall(libc::SYS_bpf, command, words.as_ptr(), 32) };
        assert!(r >= 0, "bpf {command}: {}", std::io::Error::last_os_error());
        r
    }

    /// `value`: its address, 0 for none.
    fn of_slot(&self, command: i32, slot: Slot, value: u64) {
        let key = slot as u32;
        Self::bpf(command, [self.0 as u64, at(&key), value, 0]);
    }

    fn empty(&self, slot: Slot) {
        self.of_slot(Self::DELETE, slot, 0);
    }

    /// Puts the program of one slot into another.
    fn copy(&self, from: Slot, to: Slot) {
        let mut id = 0u32;
        self.of_slot(Self::LOOK_UP, from, &raw mut id as u64);
        let fd = Self::bpf(Self::PROGRAM_BY_ID, [id.into(), 0, 0, 0]) as i32;
        // SAFETY: a descriptor that was made just now.
        let program = unsafe { OwnedFd::from_raw_fd(fd) };
        self.of_slot(Self::UPDATE, to, at(&program.as_raw_fd()));
    }
}

/// A probe, and a socket that has sent under it: its next datagrams tell nothing new of it.
struct Ground {
    live: Live,
    programs: Programs,
    socket: UdpSocket,
    /// One at a time: a process finds the map of its only probe.
    _alone: MutexGuard<'static, ()>,
}

impl Ground {
    fn start() -> Option<Self> {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let interest: EventSet = TYPES.into_iter().collect();
        let asked = Asked { entry: interest, ..Asked::default() };
        let live = Live::with(ProbeOptions { interest, asked, ..ProbeOptions::default() })?;
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let this = Self { live, programs: Programs::find(), socket, _alone: alone };
        this.send();
        Some(this)
    }

    fn send(&self) {
        self.socket.send_to(b"x", self.socket.local_addr().unwrap()).unwrap();
    }

    /// What becomes of a connect, an accept and a datagram with an address, over the loopback.
    fn check(&self, outcome: Outcome) {
        let count = || {
            let counters = self.live.probe.counters();
            TYPES.map(|ty| [Outcome::Seen, outcome].map(|outcome| counters.of_type(ty, outcome)))
        };
        let before = count();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _server = listener.accept().unwrap();
        self.send();
        for ((ty, before), after) in TYPES.into_iter().zip(before).zip(count()) {
            assert_eq!(after, before.map(|n| n + 1), "{} {outcome:?}", ty.name());
        }
    }
}

/// Nothing that both ends of are on this machine.
fn far_only() -> Filters {
    let mut kinds = [0; N_FILTER_KINDS];
    kinds[FilterKind::Ipv4 as usize] = 1;
    let filter = TypeFilter {
        clauses: 1,
        failed: 1,
        succeeded: 1,
        any_name: 1,
        any_port: 1,
        on_host: 1,
        kinds,
        ..TypeFilter::default()
    };
    let by_type = TYPES.map(|ty| (ty, filter)).to_vec();
    Filters { by_type, prefixes: Vec::new(), lasts: Vec::new(), ports: Vec::new() }
}

#[test]
fn a_call_whose_program_is_missing_behind_it_is_counted() {
    let Some(mut ground) = Ground::start() else { return };
    ground.check(Outcome::Written);
    for slot in [Slot::LateConnect, Slot::LateAccept, Slot::LateSend] {
        ground.programs.empty(slot);
    }
    ground.check(Outcome::TailCallMiss);
    // What ends before needs none; it takes the look at sockets by hooks.
    if ground.live.probe.report().attached.iter().any(|hook| hook == "sendmsg4") {
        ground.live.probe.set_filters(&far_only()).unwrap();
        ground.check(Outcome::Rejected);
    }
    for slot in [Slot::Connect, Slot::Accept4, Slot::Send] {
        ground.programs.empty(slot);
    }
    ground.check(Outcome::TailCallMiss);
    ground.live.probe.detach();
    assert_eq!(ground.live.probe.counters().unexplained(), 0);
}

#[test]
fn without_it_calls_are_captured_and_rejected_all_the_same() {
    let Some(mut ground) = Ground::start() else { return };
    for slot in [Slot::Connect, Slot::Accept4, Slot::Send] {
        let late = slot.late().expect("it has a place behind");
        ground.programs.copy(late, slot);
        ground.programs.empty(late);
    }
    ground.check(Outcome::Written);
    ground.live.probe.set_filters(&far_only()).unwrap();
    ground.check(Outcome::Rejected);
    ground.live.finish();
}

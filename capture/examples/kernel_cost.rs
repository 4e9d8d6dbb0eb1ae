//! What the kernel side costs the caller, by kind of call: beside no program and beside one that returns at once, with one or more objects, in turns.
//!
//! `cargo run --release -p capture --example kernel_cost -- [--rounds N] [--kinds a,b] [--rejected] [OBJECT ...]`, as root. With `--rejected` calls on
//! sockets are asked for as Falco's stable rules do, and push-down rejects all of them. A kind is measured in bursts of some
//! tens of microseconds, many to a round; the least of a round's bursts is the round's, since noise only adds. Printed are, in ns a call, the
//! median of the rounds and the least of them. One thread does it all, so that nobody shares its descriptors; rings are read between rounds. On a machine that does other work, too: `chrt -f 5 taskset -c 1` before the program.

use std::{
    fs,
    io::Read,
    net::{TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use aya::{Btf, Ebpf, EbpfLoader, programs::BtfTracePoint};
use capture::{Asked, Filters, KernelRing, Peek, Probe, ProbeOptions, Ring, SocketLooks};
use event::{
    EventSet, EventType, Outcome,
    filter::{FilterKind, FlagTest, N_FILTER_KINDS, N_FLAG_TESTS, TypeFilter},
};

static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/object/peregrine.bpf.o"));

const ROUNDS: usize = 21;
const BURSTS: usize = 30;
/// Length of a burst: long beside the clock, short beside a time slice.
const BURST: Duration = Duration::from_micros(60);

/// What the default rules ask for among the kinds' calls, with the descriptor of each.
const CAPTURED: [EventType; 8] = [
    EventType::OPENAT_2_X,
    EventType::RENAME_X,
    EventType::CONNECT_X,
    EventType::SENDTO_X,
    EventType::RECVFROM_X,
    EventType::ACCEPT_5_X,
    EventType::ACCEPT4_6_X,
    EventType::SOCKET_X,
];
/// Those whose descriptor is looked at before the call ends.
const NOTED: [EventType; 2] = [EventType::CONNECT_X, EventType::SENDTO_X];

/// Calls on sockets that Falco's stable rules ask for, and those that tell the answers of name servers. All of them, and `socket`, are rejected or filtered.
const ON_SOCKETS: [EventType; 3] =
    [EventType::CONNECT_X, EventType::SENDTO_X, EventType::SENDMSG_X];
const ANSWERS: [EventType; 3] = [EventType::RECV_X, EventType::RECVFROM_X, EventType::RECVMSG_X];

/// What makes of loopback none of their clauses: one for ports of far ends, one for IPv6.
fn filters() -> Filters {
    let mut kinds = [0; N_FILTER_KINDS];
    kinds[FilterKind::Ipv4 as usize] = 1;
    kinds[FilterKind::Ipv6 as usize] = 3;
    kinds[FilterKind::Ipv6Local as usize] = 3;
    let filter = TypeFilter {
        clauses: 3,
        failed: 3,
        succeeded: 3,
        any_name: 3,
        any_port: 2,
        on_host: 1,
        kinds,
        flags: [FlagTest::default(); N_FLAG_TESTS],
    };
    let failed = TypeFilter { clauses: 1, failed: 1, any_port: 1, ..TypeFilter::default() };
    let mut by_type: Vec<_> = ON_SOCKETS.into_iter().map(|ty| (ty, filter)).collect();
    by_type.push((EventType::SOCKET_X, failed));
    let ports = [53, 80, 88, 443, 4444, 8080, 8443].into_iter().map(|port| (port, 1)).collect();
    Filters { by_type, prefixes: Vec::new(), lasts: Vec::new(), ports }
}

type Call = Box<dyn FnMut()>;

/// A kind of call and what does it once.
fn kinds(folder: &Path) -> Vec<(&'static str, Call)> {
    let path = |name: &str| folder.join(name);
    let deep = path("some/more/folders/on/the/way");
    fs::create_dir_all(&deep).expect("the folder can be written");
    let (near, far) = (path("file"), deep.join("file"));
    let names = [path("a"), path("b")];
    for file in [&near, &far, &names[0]] {
        fs::write(file, b"x").expect("the folder can be written");
    }
    let mut zero = fs::File::open("/dev/zero").expect("it is there");
    let here = || UdpSocket::bind("127.0.0.1:0").expect("loopback is up");
    let (udp, peer) = (here(), here());
    let to = peer.local_addr().expect("it is bound");
    let (connecting, listener) =
        (here(), TcpListener::bind("127.0.0.1:0").expect("loopback is up"));
    let server = listener.local_addr().expect("it is bound");
    let mut buffer = [0u8; 64];
    let mut byte = [0u8; 1];
    let open = |path: PathBuf| move || drop(fs::File::open(&path).expect("it is there"));
    vec![
        ("getpid", Box::new(|| _ = std::hint::black_box(std::process::id()))),
        ("read", Box::new(move || zero.read_exact(&mut byte).expect("it gives zeroes"))),
        ("openclose", Box::new(open(PathBuf::from("/etc/hostname")))),
        ("open-near", Box::new(open(near))),
        ("open-deep", Box::new(open(far))),
        (
            "rename x2",
            Box::new(move || {
                fs::rename(&names[0], &names[1]).expect("it is there");
                fs::rename(&names[1], &names[0]).expect("it is there");
            }),
        ),
        (
            "udp",
            Box::new(move || {
                udp.send_to(&[b'x'; 64], to).expect("it is sent");
                peer.recv_from(&mut buffer).expect("it arrives");
            }),
        ),
        ("udpconnect", Box::new(move || connecting.connect(to).expect("it connects"))),
        (
            "tcp",
            Box::new(move || {
                let client = TcpStream::connect(server).expect("it listens");
                let accepted = listener.accept().expect("somebody connects");
                drop((client, accepted));
            }),
        ),
    ]
}

/// The least of a round's bursts, in ns a call.
fn round(call: &mut Call, n: u32) -> f64 {
    let burst = |_| {
        let start = Instant::now();
        for _ in 0..n {
            call();
        }
        start.elapsed().as_nanos() as f64 / f64::from(n)
    };
    (0..BURSTS).map(burst).fold(f64::INFINITY, f64::min)
}

/// Calls that fill a burst.
fn calls_of_a_burst(call: &mut Call) -> u32 {
    let ns = round(call, 1);
    (BURST.as_nanos() as f64 / ns).ceil().clamp(1.0, 1000.0) as u32
}

fn read_all(rings: &mut [KernelRing]) -> u64 {
    let mut n = 0;
    for ring in rings {
        while let Peek::Record { .. } = ring.peek() {
            ring.advance();
            n += 1;
        }
        ring.release();
    }
    n
}

/// What is attached while a kind is measured.
enum Beside {
    Nothing,
    Empty(Box<Ebpf>),
    Probe(Box<Probe>),
}

impl Beside {
    /// A program that returns at once, at the exit of calls.
    fn empty() -> Self {
        let mut ebpf = EbpfLoader::new()
            .map_max_entries("CPUS", 1)
            .map_max_entries("RINGS", 1)
            .map_max_entries("SCRATCH", 1)
            .load(OBJECT)
            .expect("the object is well-formed");
        let btf = Btf::from_sys_fs().expect("the kernel has BTF");
        empty_exit(&mut ebpf).load("sys_exit", &btf).expect("an empty program is taken");
        Self::Empty(Box::new(ebpf))
    }

    fn probe(object: Option<&Path>, entry: &[EventType], socket_looks: SocketLooks) -> Self {
        let options = ProbeOptions {
            interest: CAPTURED.into_iter().collect(),
            asked: Asked {
                entry: entry.iter().copied().collect(),
                buffers: EventSet::EMPTY,
                ..Asked::default()
            },
            socket_looks,
            scope_pid: Some(std::process::id()),
            self_tgid: None,
            ring_bytes: 16 << 20,
            object: object.map(Path::to_owned),
            ..ProbeOptions::default()
        };
        match Probe::load(options) {
            Ok(probe) => Self::Probe(Box::new(probe)),
            Err(e) => {
                eprintln!("kernel_cost: {e}");
                std::process::exit(1);
            }
        }
    }

    fn rejecting(object: Option<&Path>) -> Self {
        let on_sockets: EventSet = ON_SOCKETS.into_iter().collect();
        let options = ProbeOptions {
            interest: on_sockets.union(&[EventType::SOCKET_X].into_iter().collect()),
            asked: Asked {
                descriptors: on_sockets,
                entry: on_sockets,
                buffers: EventSet::EMPTY,
                answers: ANSWERS.into_iter().collect(),
                ..Asked::default()
            },
            scope_pid: Some(std::process::id()),
            self_tgid: None,
            object: object.map(Path::to_owned),
            ..ProbeOptions::default()
        };
        let probe = Probe::load(options).map_err(|e| e.to_string());
        let set = probe.and_then(|mut probe| {
            probe.set_filters(&filters()).map_err(|e| e.to_string())?;
            Ok(probe)
        });
        match set {
            Ok(probe) => Self::Probe(Box::new(probe)),
            Err(e) => {
                eprintln!("kernel_cost: {e}");
                std::process::exit(1);
            }
        }
    }

    /// What `measure` gives while it is attached.
    fn during<T>(&mut self, measure: impl FnOnce() -> T) -> T {
        match self {
            Self::Nothing => measure(),
            Self::Empty(ebpf) => {
                let program = empty_exit(ebpf);
                let link = program.attach().expect("it can be attached");
                let out = measure();
                program.detach(link).expect("it was attached");
                out
            }
            Self::Probe(probe) => {
                probe.attach().expect("attaches again what was attached before");
                let out = measure();
                probe.detach();
                out
            }
        }
    }
}

fn empty_exit(ebpf: &mut Ebpf) -> &mut BtfTracePoint {
    let program = ebpf.program_mut("empty_exit").expect("the object has it");
    program.try_into().expect("it is one of a tracepoint")
}

struct Arguments {
    rounds: usize,
    kinds: Option<Vec<String>>,
    is_rejected: bool,
    objects: Vec<PathBuf>,
}

impl Arguments {
    fn parse() -> Self {
        let mut out = Self { rounds: ROUNDS, kinds: None, is_rejected: false, objects: Vec::new() };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().expect("an option has a value");
            match arg.as_str() {
                "--rounds" => out.rounds = value().parse().expect("a number of rounds"),
                "--kinds" => out.kinds = Some(value().split(',').map(str::to_owned).collect()),
                "--rejected" => out.is_rejected = true,
                _ => out.objects.push(PathBuf::from(arg)),
            }
        }
        out
    }
}

/// The median and the least.
fn summary(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[0])
}

fn main() {
    let arguments = Arguments::parse();
    let folder = std::env::temp_dir().join(format!("kernel_cost.{}", std::process::id()));
    let mut kinds = kinds(&folder);
    if let Some(names) = &arguments.kinds {
        kinds.retain(|(name, _)| names.iter().any(|wanted| wanted == name));
    }
    let mut all = vec![
        ("no program".to_owned(), Beside::Nothing),
        ("empty program".to_owned(), Beside::empty()),
    ];
    let objects: Vec<_> = arguments.objects.iter().map(|path| Some(path.as_path())).collect();
    for object in if objects.is_empty() { vec![None] } else { objects } {
        let name = object.map_or("built in".to_owned(), |path| path.display().to_string());
        if arguments.is_rejected {
            all.push((format!("{name}, rejected"), Beside::rejecting(object)));
            continue;
        }
        let at_hooks = SocketLooks::AtHooks;
        all.push((format!("{name}, exit"), Beside::probe(object, &[], at_hooks)));
        all.push((format!("{name}, hooks and exit"), Beside::probe(object, &NOTED, at_hooks)));
        let at_start = Beside::probe(object, &NOTED, SocketLooks::AtStart);
        all.push((format!("{name}, start and exit"), at_start));
    }
    let mut rings = Vec::new();
    for (_, beside) in &mut all {
        if let Beside::Probe(probe) = beside {
            rings.extend(probe.rings().expect("the rings"));
        }
    }
    let mut n_read = 0;
    let counts: Vec<u32> = kinds.iter_mut().map(|(_, call)| calls_of_a_burst(call)).collect();
    let mut times = vec![vec![Vec::new(); all.len()]; kinds.len()];
    for _ in 0..arguments.rounds {
        for (n, (_, beside)) in all.iter_mut().enumerate() {
            beside.during(|| {
                for (kind, (_, call)) in kinds.iter_mut().enumerate() {
                    times[kind][n].push(round(call, counts[kind]));
                }
            });
            n_read += read_all(&mut rings);
        }
    }
    println!(
        "ns a call, median of {} rounds (least); what it adds to no program",
        arguments.rounds
    );
    for ((kind, _), times) in kinds.iter().zip(times) {
        println!("{kind}");
        let times: Vec<_> = times.into_iter().map(summary).collect();
        for ((name, _), (median, least)) in all.iter().zip(&times) {
            let (more, least_more) = (median - times[0].0, least - times[0].1);
            println!("  {median:8.1} ({least:8.1})  {more:+8.1} ({least_more:+8.1})  {name}");
        }
    }
    for (name, beside) in &all {
        if let Beside::Probe(probe) = beside {
            let counters = probe.counters();
            println!(
                "{name}: written {}, rejected {}, ring full {}, unexplained {}, notes lost {}",
                counters.total(Outcome::Written),
                counters.total(Outcome::Rejected),
                counters.total(Outcome::RingFull),
                counters.unexplained(),
                counters.notes_lost
            );
        }
    }
    println!("frames read {n_read}");
    // What is left behind harms nobody.
    let _: Result<(), _> = fs::remove_dir_all(folder);
}

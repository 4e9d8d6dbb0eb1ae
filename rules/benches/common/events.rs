//! Events by the values of their fields; those of three made-up hosts.

use std::net::IpAddr;

use event::EventType;
use rules::{Arg, Field, FieldRef, Fields, Value};

use super::official_like::{DIRECTORIES, PROGRAMS};
use super::random::Random;

/// An event whose fields are constants.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) ty: EventType,
    /// By place in the schema.
    values: Vec<Option<Owned>>,
    /// Names of the ancestors, the parent first.
    pub(crate) ancestors: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Owned {
    Text(String),
    I64(i64),
    U64(u64),
    Bool(bool),
    Ip(IpAddr),
}

impl Event {
    pub(crate) fn new(ty: EventType) -> Self {
        Self { ty, values: Vec::new(), ancestors: Vec::new() }
            .with(Field::EvtType, Owned::Text(ty.name().to_owned()))
    }

    pub(crate) fn with(mut self, field: Field, value: Owned) -> Self {
        let at = field as usize;
        if self.values.len() <= at {
            self.values.resize(at + 1, None);
        }
        self.values[at] = Some(value);
        self
    }

    fn text(self, field: Field, text: impl Into<String>) -> Self {
        self.with(field, Owned::Text(text.into()))
    }
}

impl Fields for Event {
    fn get(&self, f: &FieldRef) -> Option<Value<'_>> {
        if let (Field::ProcAname, Arg::Index(n)) = (f.field, &f.arg) {
            let name = self.ancestors.get((*n as usize).checked_sub(1)?)?;
            return Some(Value::Bytes(name.as_bytes()));
        }
        Some(match self.values.get(f.field as usize)?.as_ref()? {
            Owned::Text(text) => Value::Bytes(text.as_bytes()),
            &Owned::I64(v) => Value::I64(v),
            &Owned::U64(v) => Value::U64(v),
            &Owned::Bool(v) => Value::Bool(v),
            &Owned::Ip(v) => Value::Ip(v),
        })
    }

    fn any<P: FnMut(Value<'_>) -> bool>(&self, f: &FieldRef, mut pred: P) -> bool {
        match (f.field, &f.arg) {
            (Field::ProcAname, Arg::None) => {
                self.ancestors.iter().any(|name| pred(Value::Bytes(name.as_bytes())))
            }
            (Field::FdIp, _) => [Field::FdSip, Field::FdCip]
                .into_iter()
                .filter_map(|end| self.get(&FieldRef::plain(end)))
                .any(pred),
            _ => self.get(f).is_some_and(pred),
        }
    }
}

/// What runs on a host: program, its arguments, and who started it.
type Process = (&'static str, &'static str, &'static [&'static str]);

const BUILD: [Process; 6] = [
    ("make", "-j16 all", &["bash", "sshd", "systemd"]),
    (
        "cc1",
        "-quiet -I include -O2 -Wall kernel/sched/core.c -o /tmp/ccQ8rX1z.s",
        &["gcc", "sh", "make", "make", "bash", "sshd", "systemd"],
    ),
    (
        "as",
        "--64 -o kernel/sched/core.o /tmp/ccQ8rX1z.s",
        &["gcc", "sh", "make", "bash", "sshd", "systemd"],
    ),
    ("sh", "-c gcc -c -O2 -o main.o main.c", &["make", "bash", "sshd", "systemd"]),
    (
        "rustc",
        "--crate-name rules --edition=2024 src/lib.rs -C opt-level=3",
        &["cargo", "bash", "sshd", "systemd"],
    ),
    ("git", "status --porcelain", &["bash", "sshd", "systemd"]),
];

const WEB: [Process; 4] = [
    ("nginx", "worker process", &["nginx", "systemd"]),
    ("php-fpm", "pool www", &["php-fpm", "systemd"]),
    ("mysqld", "--datadir=/var/lib/mysql --port=3306", &["systemd"]),
    ("node", "/srv/app/server.js --port 8080", &["npm", "runc", "containerd-shim", "systemd"]),
];

const SHELL: [Process; 8] = [
    ("bash", "-l", &["sshd", "sshd", "systemd"]),
    ("ls", "--color=auto -la /home/user", &["bash", "sshd", "systemd"]),
    ("cat", "/etc/hosts", &["bash", "sshd", "systemd"]),
    ("grep", "-rn TODO src", &["bash", "sshd", "systemd"]),
    ("curl", "-sS http://192.0.2.10/health", &["bash", "sshd", "systemd"]),
    ("ssh", "build@198.51.100.7", &["bash", "sshd", "systemd"]),
    ("sudo", "systemctl restart nginx", &["bash", "sshd", "systemd"]),
    ("python3", "manage.py migrate", &["bash", "tmux: server", "systemd"]),
];

const READ: [&str; 10] = [
    "/usr/include/linux/sched.h",
    "/usr/lib/x86_64-linux-gnu/libc.so.6",
    "/etc/ld.so.cache",
    "/home/user/project/src/main.c",
    "/proc/self/status",
    "/etc/hosts",
    "/var/www/html/index.html",
    "/usr/share/zoneinfo/UTC",
    "/etc/nginx/mime.types",
    "/dev/null",
];
const WRITTEN: [&str; 6] = [
    "/tmp/ccQ8rX1z.s",
    "/home/user/project/main.o",
    "/var/log/nginx/access.log",
    "/dev/null",
    "/var/lib/mysql/ibdata1",
    "/home/user/.bash_history",
];

/// Events of a build server, a web server and a shell: opens, executions, connections, some of everything else.
pub(crate) fn made_up() -> Vec<Event> {
    let r = &mut Random(3);
    (0..600)
        .map(|i| {
            let (process, container) = match i % 3 {
                0 => (r.of(&BUILD), "host"),
                1 => (r.of(&WEB), r.of(&["host", "4b0ac1b8cfa1"])),
                _ => (r.of(&SHELL), "host"),
            };
            let event = match r.weighted(&[(60, 0), (15, 1), (15, 2), (10, 3)]) {
                0 => open(r),
                1 => Event::new(EventType::EXECVE_19_X).with(Field::EvtRawres, Owned::I64(0)),
                2 => connection(r),
                _ => {
                    let name = r.of(&["socket", "setuid", "chmod", "dup", "ptrace"]);
                    Event::new(newest(name).expect("a known name"))
                        .with(Field::EvtRawres, Owned::I64(0))
                }
            };
            run_by(event, process, container)
        })
        .collect()
}

fn run_by(event: Event, (name, args, ancestors): Process, container: &str) -> Event {
    let exe = format!("/usr/bin/{name}");
    let mut event = event
        .text(Field::ProcName, name)
        .text(Field::ProcExe, &exe)
        .text(Field::ProcExepath, &exe)
        .text(Field::ProcArgs, args)
        .text(Field::ProcCmdline, format!("{name} {args}"))
        .text(Field::ProcPname, ancestors[0])
        .text(Field::ProcPexe, format!("/usr/bin/{}", ancestors[0]))
        .text(Field::ProcPcmdline, ancestors[0])
        .text(Field::ProcEnv, "PATH=/usr/bin:/bin HOME=/home/user LANG=C.UTF-8 TERM=xterm-256color")
        .with(Field::ProcTty, Owned::U64(u64::from(ancestors.contains(&"sshd")) * 34816))
        .with(Field::UserUid, Owned::U64(1000))
        .text(Field::UserName, "user")
        .text(Field::ContainerId, container);
    if container != "host" {
        event = event.text(Field::ContainerImageRepository, "docker.io/library/node");
    }
    event.ancestors = ancestors.iter().map(|&name| name.to_owned()).collect();
    event
}

fn open(r: &mut Random) -> Event {
    let writes = r.percent(20);
    let mut name = if writes { r.of(&WRITTEN) } else { r.of(&READ) }.to_owned();
    if r.percent(30) {
        name = format!("{}/{}-{}", r.of(&DIRECTORIES), r.of(&PROGRAMS), r.below(100));
    }
    let (directory, file) = name.rsplit_once('/').expect("an absolute name");
    let num = if r.percent(15) { -2 } else { 3 };
    Event::new(EventType::OPENAT_2_X)
        .text(Field::FdDirectory, directory)
        .text(Field::FdFilename, file)
        .text(Field::FdName, &name)
        .text(Field::FdTypechar, "f")
        .text(Field::FdType, "file")
        .with(Field::FdNum, Owned::I64(num))
        .with(Field::EvtRawres, Owned::I64(num))
        .with(Field::EvtIsOpenRead, Owned::Bool(!writes))
        .with(Field::EvtIsOpenWrite, Owned::Bool(writes))
}

fn connection(r: &mut Random) -> Event {
    let ip = |r: &mut Random| IpAddr::from([10, 0, r.below(4) as u8, r.below(250) as u8]);
    let (server, client) = (ip(r), ip(r));
    let port = r.of(&[443, 80, 3306, 53, 22, 8080]);
    let ty = newest(r.of(&["connect", "accept4", "sendto"])).expect("a known name");
    Event::new(ty)
        .text(Field::FdName, format!("{client}:40404->{server}:{port}"))
        .text(Field::FdTypechar, "4")
        .text(Field::FdType, "ipv4")
        .text(Field::FdL4proto, "tcp")
        .with(Field::FdSip, Owned::Ip(server))
        .with(Field::FdCip, Owned::Ip(client))
        .with(Field::FdSport, Owned::U64(port))
        .with(Field::FdNum, Owned::I64(5))
        .with(Field::EvtRawres, Owned::I64(0))
}

/// The latest form of an event.
pub(crate) fn newest(name: &str) -> Option<EventType> {
    EventType::all_named(name).max_by_key(|ty| ty.0)
}

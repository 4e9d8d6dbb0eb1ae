//! Push-down on the running kernel: what is rejected is counted and makes no frame, and whatever the filters do not know exactly passes.

mod live;

use std::{
    ffi::CString,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd,
    os::unix::{
        fs::{chroot, symlink},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use capture::{Asked, Filters, ProbeOptions};
use event::{
    EventSet, EventType, Frame, Outcome,
    filter::{FilterKind, FlagTest, N_FILTER_KINDS, N_FLAG_TESTS, TypeFilter},
};
use live::{Live, text};

const OPENAT: EventType = EventType::OPENAT_2_X;
const CONNECT: EventType = EventType::CONNECT_X;
/// Opened where a test is done: it passes by its name.
const MARK: &str = "/tmp/peregrine-push-down-mark";
const ACT: &str = "PEREGRINE_ACT";
/// Clauses of the tests.
const NAMED: u64 = 1;
const WRITES: u64 = 2;
const FAILS: u64 = 4;
const CREATES: u64 = 8;
const O_WRONLY: u64 = 2;
const O_F_CREATED: u64 = 0x4000;

/// One at a time: each counts what this process and its children do.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A filter whose clauses ask nothing.
fn asks_nothing(clauses: u64) -> TypeFilter {
    TypeFilter {
        clauses,
        failed: clauses,
        succeeded: clauses,
        any_name: clauses,
        any_port: clauses,
        on_host: clauses,
        kinds: [clauses; N_FILTER_KINDS],
        flags: [FlagTest::default(); N_FLAG_TESTS],
    }
}

/// Files by name, and nothing else.
fn by_name() -> TypeFilter {
    TypeFilter { any_name: 0, ..asks_nothing(NAMED) }
}

fn key(text: &str) -> Box<[u8]> {
    text.as_bytes().into()
}

/// A name as a whole.
fn whole(name: &Path) -> Box<[u8]> {
    key(&format!("{}\0", name.to_str().unwrap()))
}

/// A filter of opens by names, which the mark passes.
fn names(filter: TypeFilter, prefixes: &[Box<[u8]>], lasts: &[&str]) -> Filters {
    let mark = (whole(Path::new(MARK)), u64::MAX);
    Filters {
        by_type: vec![(OPENAT, filter)],
        prefixes: prefixes.iter().map(|p| (p.clone(), NAMED)).chain([mark]).collect(),
        lasts: lasts.iter().map(|l| (key(l), NAMED)).collect(),
        ports: Vec::new(),
    }
}

struct Ground {
    live: Live,
    dir: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Ground {
    fn start(types: &[EventType]) -> Option<Self> {
        let alone = alone();
        let interest: EventSet = types.iter().copied().collect();
        let asked = Asked { entry: EventSet::EMPTY, ..Asked::default() };
        let options = ProbeOptions { interest, asked, ..ProbeOptions::default() };
        let live = Live::with(options)?;
        fs::write(MARK, "").unwrap();
        // Its name has no dot: names that do pass.
        let dir = tempfile::Builder::new().prefix("push-down-").tempdir().unwrap();
        Some(Self { live, dir, _alone: alone })
    }

    fn path(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap()
    }

    fn set(&mut self, filters: &Filters) {
        self.live.drain();
        self.live.frames.clear();
        self.live.probe.set_filters(filters).unwrap();
    }

    fn n_rejected(&self, ty: EventType) -> u64 {
        self.live.probe.counters().of_type(ty, Outcome::Rejected)
    }

    /// The strings of the opens that passed since the last look, up to the mark.
    fn passed(&mut self) -> Vec<String> {
        fs::read(MARK).unwrap();
        self.live.wait("mark", |f| text(f, 2) == MARK && f.param_i64(0) >= Some(0));
        let frames = std::mem::take(&mut self.live.frames);
        let frames = frames.iter().map(|f| Frame::parse(f).unwrap());
        frames.filter(|f| f.event_type() == OPENAT).map(|f| text(&f, 2)).collect()
    }

    fn check_passes(&mut self, name: &str) {
        let passed = self.passed();
        assert!(passed.iter().any(|p| p == name), "{name} is not among {passed:?}");
    }

    fn check_rejected(&mut self, name: &str) {
        let passed = self.passed();
        assert!(!passed.iter().any(|p| p == name), "{name} passed");
    }
}

fn open(name: impl AsRef<Path>) {
    drop(fs::File::open(name));
}

fn openat(dirfd: i32, name: &str) -> i32 {
    let name = CString::new(name).unwrap();
    // SAFETY: a name that lives until the call returns.
    let fd = unsafe { libc::openat(dirfd, name.as_ptr(), libc::O_RDONLY) };
    if fd >= 0 {
        // SAFETY: a descriptor of this test's own.
        unsafe { libc::close(fd) };
    }
    fd
}

/// Not a test by itself: what a test's child does after it was started anew, in a process of its own.
#[test]
fn child_actor() {
    let Ok(act) = std::env::var(ACT) else { return };
    let mut words = act.split(' ');
    match words.next() {
        Some("chroot") => {
            chroot(words.next().unwrap()).unwrap();
            std::env::set_current_dir("/").unwrap();
            words.for_each(open);
        }
        Some("in") => {
            std::env::set_current_dir(words.next().unwrap()).unwrap();
            words.for_each(open);
        }
        other => panic!("unknown act {other:?}"),
    }
}

fn act(what: &str) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["child_actor", "--exact", "--nocapture"])
        .env(ACT, what)
        // Where the loader would look for libraries: names that pass.
        .env_remove("LD_LIBRARY_PATH")
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
}

/// Runs a script in a mount namespace of its own; false where that is not possible here.
fn in_mount_namespace(script: &str) -> bool {
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-ec", script])
        .output()
        .unwrap();
    if !output.status.success() {
        eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    output.status.success()
}

#[test]
fn whole_names_prefixes_and_last_components_decide() {
    let Some(mut ground) = Ground::start(&[OPENAT]) else { return };
    let dir = ground.path();
    fs::create_dir_all(dir.join("watched/deep")).unwrap();
    let names_of = ["one", "one more", "other", "watched/a", "watched/deep/b", "id_rsa", "id_rsa2"];
    for name in names_of {
        fs::write(dir.join(name), "x").unwrap();
    }
    let prefix = key(&format!("{}/watched/", dir.display()));
    ground.set(&names(by_name(), &[whole(&dir.join("one")), prefix], &["id_rsa"]));
    let before = ground.n_rejected(OPENAT);
    let open_all = || {
        for name in names_of {
            open(dir.join(name));
        }
    };
    open_all();
    let name = |n: &str| dir.join(n).to_str().unwrap().to_owned();
    let expected = ["one", "watched/a", "watched/deep/b", "id_rsa"].map(name).to_vec();
    assert_eq!(ground.passed(), expected);
    assert_eq!(ground.n_rejected(OPENAT) - before, 3);

    // New filters replace the old ones.
    ground.set(&names(by_name(), &[whole(&dir.join("other"))], &[]));
    open_all();
    assert_eq!(ground.passed(), [name("other")]);
    ground.live.probe.clear_filters().unwrap();
    open_all();
    assert_eq!(ground.passed().len(), names_of.len());
    ground.live.finish();
}

#[test]
fn results_and_flags_decide_before_names_do() {
    let Some(mut ground) = Ground::start(&[OPENAT]) else { return };
    let dir = ground.path();
    let name = |n: &str| dir.join(n).to_str().unwrap().to_owned();
    let all = WRITES | FAILS | CREATES;
    let mut flags = [FlagTest::default(); N_FLAG_TESTS];
    flags[0] = FlagTest { mask: O_WRONLY, any_set: all, none_set: all & !WRITES };
    flags[1] = FlagTest { mask: O_F_CREATED, any_set: all, none_set: all & !CREATES };
    let filter = TypeFilter {
        failed: FAILS,
        succeeded: WRITES | CREATES,
        any_name: CREATES,
        flags,
        ..asks_nothing(all)
    };
    let watched = key(&name("watched"));
    let mut filters = names(filter, &[], &[]);
    filters.prefixes.push((watched, all));
    ground.set(&filters);
    let make = |name: &str| drop(fs::File::create(dir.join(name)).unwrap());
    // Made, by whatever name; then written to, by a name; then read.
    make("watched");
    make("other");
    let append = |name: &str| drop(fs::OpenOptions::new().write(true).open(dir.join(name)));
    append("watched");
    append("other");
    open(dir.join("watched"));
    // It is there, though the call would have made it.
    make("other");
    make("watched");
    open(dir.join("watched is not here"));
    open(dir.join("nor this"));
    ground.live.probe.clear_filters().unwrap();
    let passed = ["watched", "other", "watched", "watched", "watched is not here"].map(name);
    assert_eq!(ground.passed(), passed);
    assert_eq!(ground.n_rejected(OPENAT), 4);
    ground.live.finish();
}

#[test]
fn a_link_to_a_watched_file_passes_by_the_kernels_name() {
    let Some(mut ground) = Ground::start(&[OPENAT]) else { return };
    let dir = ground.path();
    fs::write(dir.join("secret"), "x").unwrap();
    fs::write(dir.join("plain"), "x").unwrap();
    symlink(dir.join("secret"), dir.join("innocent")).unwrap();
    symlink(dir.join("plain"), dir.join("harmless")).unwrap();
    ground.set(&names(by_name(), &[whole(&dir.join("secret"))], &[]));
    open(dir.join("innocent"));
    open(dir.join("harmless"));
    let passed = ground.passed();
    assert_eq!(passed, [dir.join("innocent").to_str().unwrap()]);

    // The other way round: the name is watched, whatever is behind it.
    ground.set(&names(by_name(), &[], &["harmless"]));
    open(dir.join("innocent"));
    open(dir.join("harmless"));
    assert_eq!(ground.passed(), [dir.join("harmless").to_str().unwrap()]);

    // A rename makes a watched name out of another one.
    ground.set(&names(by_name(), &[whole(&dir.join("secret"))], &[]));
    open(dir.join("plain"));
    fs::rename(dir.join("plain"), dir.join("secret")).unwrap();
    open(dir.join("secret"));
    assert_eq!(ground.passed(), [dir.join("secret").to_str().unwrap()]);
    ground.live.finish();
}

/// Names are compared by words from their ends on: one byte that differs is seen.
#[test]
fn a_link_that_is_called_nearly_as_its_file_passes_by_the_kernels_name() {
    let Some(mut ground) = Ground::start(&[OPENAT]) else { return };
    let dir = ground.path();
    let (mut watched, mut links) = (Vec::new(), Vec::new());
    for len in 1..=34 {
        for at in [0, len / 2, len - 1] {
            let dir = dir.join(format!("{len}at{at}"));
            fs::create_dir_all(&dir).unwrap();
            let file = dir.join("f".repeat(len));
            let link = dir.join("f".repeat(at) + "l" + &"f".repeat(len - at - 1));
            fs::write(&file, "x").unwrap();
            let _ = symlink(&file, &link);
            watched.push(whole(&file));
            links.push(link);
        }
    }
    ground.set(&names(by_name(), &watched, &[]));
    links.iter().for_each(open);
    assert_eq!(ground.passed().iter().map(PathBuf::from).collect::<Vec<_>>(), links);
    // Nor is its directory.
    symlink(dir.join("9at4"), dir.join("9at5")).unwrap();
    ground.set(&names(by_name(), &[key(dir.join("9at4/").to_str().unwrap())], &[]));
    open(dir.join("9at5/fffffffff"));
    open(dir.join("9at0/fffffffff"));
    assert_eq!(ground.passed(), [dir.join("9at5/fffffffff").to_str().unwrap()]);
    ground.live.finish();
}

#[test]
fn relative_names_are_joined_with_their_directory() {
    let Some(mut ground) = Ground::start(&[OPENAT]) else { return };
    let dir = ground.path();
    fs::create_dir_all(dir.join("sub/deeper")).unwrap();
    for name in ["sub/file", "sub/other", "sub/deeper/file"] {
        fs::write(dir.join(name), "x").unwrap();
    }
    let sub = dir.join("sub");
    ground.set(&names(by_name(), &[whole(&sub.join("file")), whole(&sub.join("gone"))], &[]));
    let sub_fd = fs::File::open(&sub).unwrap();
    for name in ["file", "other", "gone", "not", "deeper/file"] {
        openat(sub_fd.as_raw_fd(), name);
    }
    assert_eq!(ground.passed(), ["file", "gone"]);
    act(&format!("in {} file other gone not deeper/file", sub.display()));
    assert_eq!(ground.passed(), ["file", "gone"]);
    // The root as the directory.
    ground.set(&names(by_name(), &[key("/etc/hostname\0")], &[]));
    act("in / etc/hostname etc/passwd");
    assert_eq!(ground.passed(), ["etc/hostname"]);
    let root = fs::File::open("/etc/..").unwrap();
    ground.check_passes("/etc/..");
    openat(root.as_raw_fd(), "etc/hostname");
    openat(root.as_raw_fd(), "etc/no such file");
    assert_eq!(ground.passed(), ["etc/hostname"]);
    // Of a directory without a name it is not known what it is called.
    let gone = dir.join("gone");
    fs::create_dir(&gone).unwrap();
    let gone_fd = fs::File::open(&gone).unwrap();
    fs::remove_dir(&gone).unwrap();
    openat(gone_fd.as_raw_fd(), "in nowhere");
    openat(-1, "from nothing");
    assert_eq!(ground.passed(), ["in nowhere", "from nothing"]);
    // A link in the way: the kernel's name is another one.
    symlink(&sub, dir.join("way")).unwrap();
    ground.set(&names(by_name(), &[whole(&sub.join("other"))], &[]));
    act(&format!("in {} way/other way/file", dir.display()));
    assert_eq!(ground.passed(), ["way/other"]);
    ground.live.finish();
}

#[test]
fn odd_names_and_long_ones_pass() {
    let Some(mut ground) = Ground::start(&[OPENAT]) else { return };
    let dir = ground.path();
    fs::create_dir_all(dir.join("a/b/.c/d")).unwrap();
    fs::write(dir.join("a/b/file"), "x").unwrap();
    fs::write(dir.join("a/b/.c/d/file"), "x").unwrap();
    symlink(dir.join("a/b/.c/d/file"), dir.join("a/link")).unwrap();
    ground.set(&names(by_name(), &[], &[]));
    let d = dir.to_str().unwrap();
    for plain in ["a/b/file", "a/b/gone", "a/b", "a.b", "a/b..", "x"] {
        let name = format!("{d}/{plain}");
        open(&name);
        ground.check_rejected(&name);
    }
    for odd in [
        "a//b/file",
        "a/./b/file",
        "a/../a/gone",
        "a/b/..",
        "a/b/.",
        "a/b/",
        "a/b//",
        "a/b/.c",
        "a/.gone",
        "gone./b",
        // By the kernel's name.
        "a/link",
    ] {
        let name = format!("{d}/{odd}");
        open(&name);
        ground.check_passes(&name);
    }
    open(format!("/{d}/a"));
    ground.check_passes(&format!("/{d}/a"));
    // By the path of the directory.
    act(&format!("in {d}/a/b/.c/d gone"));
    ground.check_passes("gone");
    act(&format!("in {d}/a/b gone ./file"));
    assert_eq!(ground.passed(), ["./file"]);
    // As long as names are, too long for the kernel, and around the length that is looked at.
    for len in [300, 510, 511, 512, 513, 4000, 4095] {
        let n_parts = (len - d.len()) / 100;
        let mut name = d.to_owned();
        for _ in 0..n_parts {
            name.push('/');
            name.push_str(&"n".repeat(99));
        }
        while name.len() < len {
            name += if name.len() + 1 < len && name.ends_with("nnnn") { "/" } else { "m" };
        }
        assert_eq!(name.len(), len);
        open(&name);
        if len < 511 {
            ground.check_rejected(&name);
        } else {
            ground.check_passes(&name);
        }
    }
    // Every length of the last word of a name.
    for n in 1..=40 {
        let name = format!("{d}/{}", "n".repeat(n));
        open(&name);
        ground.check_rejected(&name);
        let last = "l".repeat(n);
        ground.set(&names(by_name(), &[], &[&last]));
        let name = format!("{d}/{last}");
        open(&name);
        ground.check_passes(&name);
        open(format!("{name}l"));
        ground.check_rejected(&format!("{name}l"));
    }
    ground.live.finish();
}

#[test]
fn bind_mounts_overlays_and_roots_of_their_own_are_seen_through() {
    let Some(mut ground) = Ground::start(&[OPENAT]) else { return };
    let dir = ground.path();
    for name in ["source", "mounted", "watched"] {
        fs::create_dir(dir.join(name)).unwrap();
    }
    fs::write(dir.join("source/secret"), "x").unwrap();
    fs::write(dir.join("source/plain"), "x").unwrap();
    let d = dir.to_str().unwrap();
    // The name below the mount is watched; the process uses a relative one, then one through a link.
    ground.set(&names(by_name(), &[whole(&dir.join("mounted/secret"))], &[]));
    let script = format!(
        "mount --bind {d}/source {d}/mounted; cd {d}/mounted; ln -s {d}/mounted {d}/way
         cat ./secret secret plain {d}/way/secret {d}/way/plain {d}/source/secret >/dev/null"
    );
    if in_mount_namespace(&script) {
        let passed = ground.passed();
        let of_cat: Vec<&str> =
            passed.iter().map(String::as_str).filter(|p| p.contains("secret")).collect();
        assert_eq!(of_cat, ["./secret", "secret", &format!("{d}/way/secret")]);
        assert!(!passed.iter().any(|p| p.contains("plain")), "{passed:?}");
    }

    ground.set(&names(by_name(), &[key(&format!("{d}/watched/merged/"))], &[]));
    let script = format!(
        "mount -t tmpfs none {d}/watched; cd {d}/watched; mkdir lower upper work merged
         echo low > lower/below; echo up > upper/above
         mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged
         ln -s {d}/watched/merged/below {d}/through
         cat merged/below merged/above {d}/through lower/below >/dev/null"
    );
    if in_mount_namespace(&script) {
        let passed = ground.passed();
        for name in ["merged/below", "merged/above", &format!("{d}/through")] {
            assert!(passed.iter().any(|p| p == name), "{name} is not among {passed:?}");
        }
        assert!(!passed.iter().any(|p| p == "lower/below"), "{passed:?}");
    }

    // The name that the processes of another root use.
    fs::create_dir_all(dir.join("root/etc")).unwrap();
    fs::write(dir.join("root/etc/shadow"), "x").unwrap();
    fs::write(dir.join("root/etc/other"), "x").unwrap();
    ground.set(&names(by_name(), &[key("/etc/shadow\0")], &[]));
    act(&format!("chroot {d}/root /etc/shadow etc/shadow /etc/other etc/other"));
    assert_eq!(ground.passed(), ["/etc/shadow", "etc/shadow"]);
    let script = format!(
        "mount --bind {d}/root {d}/root; cd {d}/root; mkdir old bin
         mount --rbind / {d}/mounted
         pivot_root . old; cd /; PATH=/old/bin:/old/usr/bin
         while read line; do :; done < /etc/shadow; while read line; do :; done < /etc/other"
    );
    if in_mount_namespace(&script) {
        let passed = ground.passed();
        assert!(passed.iter().any(|p| p == "/etc/shadow"), "{passed:?}");
        assert!(!passed.iter().any(|p| p == "/etc/other"), "{passed:?}");
    }
    ground.live.finish();
}

/// Clauses of the network tests.
const LOCAL: u64 = 1;
const FAR: u64 = 2;
const UNIX: u64 = 4;
const PORT: u64 = 8;

#[test]
fn sockets_are_told_apart_by_kind_port_and_result() {
    let Some(mut ground) = Ground::start(&[CONNECT]) else { return };
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let local = tcp.local_addr().unwrap();
    let path = ground.path().join("socket");
    let unix = UnixListener::bind(&path).unwrap();
    let set = |ground: &mut Ground, filter: TypeFilter, ports: Vec<(u16, u64)>| {
        let by_type = vec![(CONNECT, filter)];
        ground.set(&Filters { by_type, ports, ..Filters::default() });
    };
    let kinds_of = |kinds: &[(FilterKind, u64)]| {
        let mut all = [0; N_FILTER_KINDS];
        for &(kind, clauses) in kinds {
            all[kind as usize] = clauses;
        }
        all
    };
    let connect = |ground: &mut Ground| {
        let before = ground.n_rejected(CONNECT);
        let written = ground.live.probe.counters().of_type(CONNECT, Outcome::Written);
        drop(TcpStream::connect(local).unwrap());
        drop(TcpStream::connect(other.local_addr().unwrap()).unwrap());
        drop(UnixStream::connect(&path).unwrap());
        UnixStream::connect("/no such socket").unwrap_err();
        let far = UdpSocket::bind("0.0.0.0:0").unwrap();
        // TEST-NET-1: of a datagram socket nothing is sent. A machine without a route refuses.
        let is_far = far.connect("192.0.2.1:53").is_ok();
        let now = ground.n_rejected(CONNECT);
        let passed = ground.live.probe.counters().of_type(CONNECT, Outcome::Written) - written;
        (now - before, passed, is_far)
    };
    set(&mut ground, asks_nothing(LOCAL), Vec::new());
    assert_eq!(connect(&mut ground).0, 0);

    // Those with some end that is not this machine.
    let far = TypeFilter {
        kinds: kinds_of(&[(FilterKind::Ipv4, FAR), (FilterKind::Ipv6, FAR)]),
        ..asks_nothing(FAR)
    };
    set(&mut ground, far, Vec::new());
    let (rejected, passed, _) = connect(&mut ground);
    assert_eq!((rejected, passed), (4, 1));

    let kinds = kinds_of(&[(FilterKind::Unix, UNIX)]);
    set(&mut ground, TypeFilter { kinds, succeeded: 0, ..asks_nothing(UNIX) }, Vec::new());
    let (rejected, passed, is_far) = connect(&mut ground);
    assert_eq!((rejected, passed), (4, 1), "is_far: {is_far}");

    // By port, of either end; sockets without ports are told apart by kind alone.
    let kinds = kinds_of(&[(FilterKind::Ipv4, PORT), (FilterKind::Ipv4Local, PORT)]);
    let filter = TypeFilter { kinds, any_port: 0, ..asks_nothing(PORT) };
    set(&mut ground, filter, vec![(local.port(), PORT), (1, PORT)]);
    let (rejected, passed, _) = connect(&mut ground);
    assert_eq!((rejected, passed), (4, 1));
    set(&mut ground, filter, vec![(53, PORT)]);
    let (rejected, passed, _) = connect(&mut ground);
    assert_eq!((rejected, passed), (4, 1));
    drop((tcp, unix));
    ground.live.finish();
}

#[test]
fn messages_are_told_apart_as_connections_are() {
    let types = [
        EventType::SENDTO_X,
        EventType::RECVFROM_X,
        EventType::SENDMSG_X,
        EventType::BIND_X,
        EventType::ACCEPT4_6_X,
    ];
    let Some(mut ground) = Ground::start(&types) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let filter = TypeFilter { any_port: 0, ..asks_nothing(PORT) };
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = server.local_addr().unwrap();
    ground.set(&Filters {
        by_type: types.map(|ty| (ty, filter)).into(),
        ports: vec![(port, PORT), (to.port(), PORT)],
        ..Filters::default()
    });
    let rejected = |ground: &Ground| types.map(|ty| ground.n_rejected(ty));
    let before = rejected(&ground);
    // Bound to port 0, which is in no set.
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_eq!(client.send_to(b"x", to).unwrap(), 1);
    assert_eq!(client.send_to(b"x", deaf.local_addr().unwrap()).unwrap(), 1);
    let mut buffer = [0; 8];
    server.recv_from(&mut buffer).unwrap();
    deaf.recv_from(&mut buffer).unwrap();
    let there = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (here, _) = listener.accept().unwrap();
    drop((there, here));
    let after = rejected(&ground);
    let n: Vec<u64> = after.iter().zip(&before).map(|(a, b)| a - b).collect();
    assert_eq!(n[..2], [1, 1], "{n:?}");
    assert_eq!(n[4], 0, "accepted on a port of the set");
    // What a rejected bind was for: another port than that of the set.
    assert_eq!(n[3], 2, "{n:?}");
    ground.live.finish();
}

#[test]
fn calls_of_recipes_are_rejected_by_their_result() {
    const UNLINK: EventType = EventType::UNLINK_2_X;
    let Some(mut ground) = Ground::start(&[UNLINK, OPENAT]) else { return };
    let dir = ground.path();
    let mut filters = names(by_name(), &[], &[]);
    filters.by_type.push((UNLINK, TypeFilter { failed: 0, ..asks_nothing(NAMED) }));
    ground.set(&filters);
    fs::write(dir.join("here"), "x").unwrap();
    fs::remove_file(dir.join("here")).unwrap();
    fs::remove_file(dir.join("not here")).unwrap_err();
    let frame = ground.live.wait("unlink", |f| f.event_type() == UNLINK);
    assert_eq!(text(&Frame::parse(&frame).unwrap(), 1), dir.join("here").to_str().unwrap());
    assert_eq!(ground.n_rejected(UNLINK), 1);
    ground.live.finish();
}

#[test]
fn filters_come_and_go_while_opens_are_under_way() {
    let Some(mut ground) = Ground::start(&[OPENAT]) else { return };
    let dir = ground.path();
    let watched = dir.join("watched");
    fs::write(&watched, "x").unwrap();
    // Each of the two lets the name pass, by another part.
    let by_prefix = names(by_name(), &[whole(&watched)], &[]);
    let by_last = names(by_name(), &[], &["watched"]);
    ground.set(&by_prefix);
    let before = ground.n_rejected(OPENAT);
    let stop = AtomicBool::new(false);
    let n_opens = std::thread::scope(|scope| {
        let opens = scope.spawn(|| {
            let mut n = 0;
            while !stop.load(Relaxed) {
                open(&watched);
                n += 1;
                if n % 16 == 0 {
                    std::thread::sleep(Duration::from_micros(50));
                }
            }
            n
        });
        for _ in 0..10 {
            for filters in [&by_prefix, &by_last] {
                ground.live.probe.set_filters(filters).unwrap();
                let start = Instant::now();
                while start.elapsed() < Duration::from_millis(2) {
                    ground.live.drain();
                }
            }
        }
        stop.store(true, Relaxed);
        opens.join().unwrap()
    });
    let name = watched.to_str().unwrap();
    assert_eq!(ground.n_rejected(OPENAT), before, "of {n_opens}");
    let n_passed = ground.passed().iter().filter(|p| *p == name).count();
    assert_eq!(n_passed, n_opens);
    ground.live.finish();
}

/// A shell that opens files by itself, in the one process that it is.
struct Shell {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Shell {
    fn start() -> Self {
        let piped = || Stdio::piped();
        let mut child = Command::new("sh").stdin(piped()).stdout(piped()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdin, stdout }
    }

    fn run(&mut self, command: &str) {
        writeln!(self.stdin, "{command}; echo done").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "done\n");
    }
}

#[test]
fn clauses_for_containers_are_not_met_by_who_is_on_the_host_as_of_its_last_exec() {
    const EXEC: EventType = EventType::EXECVE_19_X;
    const UNLINK: EventType = EventType::UNLINK_2_X;
    let Some(mut ground) = Ground::start(&[OPENAT, EXEC, EventType::DUP2_X, UNLINK]) else {
        return;
    };
    let marks = ground.live.probe.host_marks().unwrap();
    let dir = ground.path();
    let name = |n: &str| dir.join(n).to_str().unwrap().to_owned();
    // Another clause may hold on the host: of one name.
    let filter = TypeFilter { on_host: NAMED, any_name: WRITES, ..asks_nothing(NAMED | WRITES) };
    let mut filters = names(filter, &[whole(&dir.join("named"))], &[]);
    for ty in [EventType::DUP2_X, UNLINK] {
        filters.by_type.push((ty, TypeFilter { on_host: 0, ..asks_nothing(WRITES) }));
    }
    ground.set(&filters);
    for file in ["file", "named"] {
        fs::write(dir.join(file), "x").unwrap();
    }

    // This process was there before: nothing is known, then something of one that shares its entry, then it is known.
    let own = std::process::id();
    let n_unlinked = |ground: &Ground| {
        fs::remove_file(dir.join("not here")).unwrap_err();
        ground.n_rejected(UNLINK)
    };
    assert_eq!(n_unlinked(&ground), 0);
    marks.tell_found(own ^ 1 << 16, true);
    assert_eq!(n_unlinked(&ground), 0, "another process of the same entry");
    marks.clear();
    marks.tell_found(own, true);
    assert_eq!(n_unlinked(&ground), 1);
    marks.withdraw(own);
    assert_eq!(n_unlinked(&ground), 1);

    let mut shell = Shell::start();
    let pid = shell.child.id();
    let stamp_of_exec = |ground: &mut Ground| {
        let is_exec = |f: &Frame<'_>| f.event_type() == EXEC && f.param_i64(0) == Some(0);
        let frame = ground.live.wait("exec", |f| is_exec(f) && f.header().tgid == pid);
        Frame::parse(&frame).unwrap().trailer().mark().unwrap()
    };
    let open_both = |shell: &mut Shell| {
        shell.run(&format!(": < {}; : < {}", name("file"), name("named")));
    };
    let first = stamp_of_exec(&mut ground);
    shell.run(":");
    drop(ground.passed());
    let rejected = |ground: &Ground| [OPENAT, EventType::DUP2_X].map(|ty| ground.n_rejected(ty));
    let before = rejected(&ground);
    open_both(&mut shell);
    assert_eq!(ground.passed(), [name("file"), name("named")]);
    assert_eq!(rejected(&ground), before);

    marks.tell(first, pid, true);
    open_both(&mut shell);
    assert_eq!(ground.passed(), [name("named")]);
    let after = rejected(&ground);
    assert!(after[0] == before[0] + 1 && after[1] > before[1], "{before:?} {after:?}");

    marks.tell(first, pid, false);
    open_both(&mut shell);
    assert_eq!(ground.passed(), [name("file"), name("named")]);

    // A process that it forks has a stamp of its own, and leaves its parent what it is.
    marks.tell(first, pid, true);
    shell.run(&format!("( : < {} )", name("file")));
    assert_eq!(ground.passed(), [name("file")]);
    open_both(&mut shell);
    assert_eq!(ground.passed(), [name("named")]);

    // From an exec on what was told before does not count, and what is told late neither.
    writeln!(shell.stdin, "exec sh").unwrap();
    // What is written before would be read by the shell that goes.
    let second = stamp_of_exec(&mut ground);
    shell.run(":");
    assert_ne!(first, second);
    drop(ground.passed());
    open_both(&mut shell);
    assert_eq!(ground.passed(), [name("file"), name("named")]);
    marks.tell(first, pid, true);
    open_both(&mut shell);
    assert_eq!(ground.passed(), [name("file"), name("named")]);
    marks.tell(second, pid, true);
    open_both(&mut shell);
    assert_eq!(ground.passed(), [name("named")]);
    marks.withdraw(pid);
    marks.tell(second, pid, true);
    open_both(&mut shell);
    assert_eq!(ground.passed(), [name("file"), name("named")]);

    let Shell { mut child, stdin, .. } = shell;
    drop(stdin);
    assert!(child.wait().unwrap().success());
    ground.live.finish();
}

//! What processes have open, out of `/proc`: the descriptor lists of a recording.
//!
//! Five system calls for each descriptor, in parallel over the processes, and bounded in number; what is left out is counted. A process that
//! ends meanwhile has an empty list.

use std::{
    collections::HashMap,
    fs,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use rayon::prelude::*;

use super::{link, number, sockets::Sockets, with_file};
use crate::savefile::{DescriptorEntry, DescriptorList, DescriptorTarget};

/// Descriptors of one process that are listed.
const MAX_OF_PROCESS: usize = 4096;
/// Descriptors that are listed in all.
const MAX_IN_ALL: usize = 1 << 17;
const FIFO: u8 = 7;
const DIRECTORY: u8 = 2;
const UNSUPPORTED: u8 = 10;
const MEMFD: u8 = 20;
/// What stands behind `anon_inode:`, and its type in a list.
const ANONYMOUS: [(&[u8], u8); 9] = [
    (b"[eventfd]", 9),
    (b"[signalfd]", 11),
    (b"[eventpoll]", 12),
    (b"inotify", 13),
    (b"[timerfd]", 14),
    (b"bpf", 17),
    (b"[userfaultfd]", 18),
    (b"[io_uring]", 19),
    (b"[pidfd]", 21),
];
/// Open flags as the kernel has them, and as a list has them. The access mode is apart.
const OPEN_FLAGS: [(u32, u32); 12] = [
    (0o100, 0x4),
    (0o200, 0x20),
    (0o1000, 0x100),
    (0o2000, 0x8),
    (0o4000, 0x40),
    (0o10000, 0x10),
    (0o40000, 0x200),
    (0o100_000, 0x800),
    (0o200_000, 0x400),
    (0o2_000_000, 0x1000),
    (0o4_000_000, 0x80),
    (0o20_000_000, 0x2000),
];

/// What processes have open.
#[derive(Debug, Default)]
pub struct OpenDescriptors {
    /// One list for each process that has something open.
    pub lists: Vec<DescriptorList>,
    /// Descriptors beyond the bounds, which are in no list.
    pub n_left_out: usize,
}

impl OpenDescriptors {
    /// Lists what processes of the running machine have open.
    #[must_use]
    pub fn of(pids: &[u32]) -> Self {
        Self::read(Path::new("/proc"), pids)
    }

    fn read(proc: &Path, pids: &[u32]) -> Self {
        let n_left_out = AtomicUsize::new(0);
        let n_listed = AtomicUsize::new(0);
        let found: Vec<Found> =
            pids.par_iter().map(|pid| read_process(proc, *pid, &n_listed, &n_left_out)).collect();
        // One reading of the tables for each network namespace that has a socket in a list.
        let mut namespaces: HashMap<Vec<u8>, Sockets> = HashMap::new();
        let mut lists = Vec::new();
        for Found { dir, pid, net, entries } in found {
            let has_sockets = entries.iter().any(|e| matches!(e, Entry::Socket { .. }));
            let sockets = has_sockets.then(|| {
                &*namespaces.entry(net).or_insert_with(|| Sockets::read(&dir.join("net")))
            });
            let entries: Vec<DescriptorEntry> = entries
                .into_iter()
                .filter_map(|entry| match entry {
                    Entry::Known(entry) => Some(entry),
                    Entry::Socket { fd, ino } => {
                        let target = sockets?.get(ino)?.clone();
                        Some(DescriptorEntry { fd, ino, target })
                    }
                })
                .collect();
            if !entries.is_empty() {
                lists.push(DescriptorList { tid: i64::from(pid), entries });
            }
        }
        Self { lists, n_left_out: n_left_out.into_inner() }
    }
}

enum Entry {
    Known(DescriptorEntry),
    /// Its ends stand in a table of its namespace.
    Socket {
        fd: i64,
        ino: u64,
    },
}

struct Found {
    dir: PathBuf,
    pid: u32,
    /// Network namespace.
    net: Vec<u8>,
    entries: Vec<Entry>,
}

fn read_process(proc: &Path, pid: u32, n_listed: &AtomicUsize, n_left_out: &AtomicUsize) -> Found {
    let dir = proc.join(pid.to_string());
    let mut fds: Vec<i64> = fs::read_dir(dir.join("fd"))
        .into_iter()
        .flatten()
        .filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    fds.sort_unstable();
    // Relaxed: bounds that need not be exact, and a count that is read when all is done.
    let before = n_listed.fetch_add(fds.len().min(MAX_OF_PROCESS), Ordering::Relaxed);
    let n = fds.len().min(MAX_OF_PROCESS).min(MAX_IN_ALL.saturating_sub(before));
    n_left_out.fetch_add(fds.len() - n, Ordering::Relaxed);
    let entries: Vec<Entry> = fds[..n].iter().filter_map(|&fd| read_descriptor(&dir, fd)).collect();
    let net = link(&dir.join("ns/net"));
    Found { dir, pid, net, entries }
}

/// The number in `pipe:[123]`.
fn inode_of(link: &[u8], kind: &[u8]) -> Option<u64> {
    number(link.strip_prefix(kind)?.strip_prefix(b":[")?.strip_suffix(b"]")?)
}

/// One descriptor; `None` where it was closed meanwhile.
fn read_descriptor(dir: &Path, fd: i64) -> Option<Entry> {
    let path = dir.join("fd").join(fd.to_string());
    let name = fs::read_link(&path).ok()?.as_os_str().as_bytes().to_vec();
    if let Some(ino) = inode_of(&name, b"socket") {
        return Some(Entry::Socket { fd, ino });
    }
    let named = |number: u8, ino: u64, name: Vec<u8>| {
        let target = DescriptorTarget::Named { number, name };
        Some(Entry::Known(DescriptorEntry { fd, ino, target }))
    };
    if let Some(ino) = inode_of(&name, b"pipe") {
        return named(FIFO, ino, name);
    }
    // What a path would tell nothing of has no name.
    if let Some(kind) = name.strip_prefix(b"anon_inode:") {
        let number =
            ANONYMOUS.iter().find(|(k, _)| kind.starts_with(k)).map_or(UNSUPPORTED, |k| k.1);
        return named(number, 0, Vec::new());
    }
    let Ok(meta) = fs::metadata(&path) else { return named(UNSUPPORTED, 0, name) };
    let ino = meta.ino();
    match meta.mode() & libc::S_IFMT {
        libc::S_IFIFO => named(FIFO, ino, name),
        libc::S_IFDIR => named(DIRECTORY, ino, name),
        _ if name.starts_with(b"/memfd:") => named(MEMFD, ino, name),
        _ => {
            let flags = with_file(&dir.join("fdinfo").join(fd.to_string()), 1024, kernel_flags);
            let open_flags = open_flags(flags.flatten().unwrap_or(0));
            let dev = Some(device(meta.dev()));
            let target = DescriptorTarget::File { open_flags, path: name, dev };
            Some(Entry::Known(DescriptorEntry { fd, ino, target }))
        }
    }
}

/// The octal number in the line `flags:` of a descriptor's `fdinfo`.
fn kernel_flags(text: &[u8]) -> Option<u32> {
    let line = text.split(|&c| c == b'\n').find_map(|l| l.strip_prefix(b"flags:"))?;
    u32::from_str_radix(std::str::from_utf8(line.trim_ascii()).ok()?, 8).ok()
}

fn open_flags(kernel: u32) -> u32 {
    let access = match kernel & 3 {
        1 => 2,
        2 => 3,
        _ => 1,
    };
    OPEN_FLAGS.iter().filter(|(k, _)| kernel & k != 0).fold(access, |all, (_, flag)| all | flag)
}

/// A device as the kernel's `new_encode_dev` has it, from the number that `stat` gives.
fn device(dev: u64) -> u32 {
    let major = ((dev >> 8) & 0xfff) as u32 | ((dev >> 32) as u32 & !0xfff);
    let minor = (dev & 0xff) as u32 | ((dev >> 12) as u32 & !0xff);
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        net::{TcpListener, TcpStream, UdpSocket},
        os::{fd::AsRawFd, unix::net::UnixListener},
    };

    use super::*;

    fn own() -> Vec<DescriptorEntry> {
        let found = OpenDescriptors::of(&[std::process::id()]);
        assert_eq!((found.lists.len(), found.n_left_out), (1, 0));
        assert_eq!(found.lists[0].tid, i64::from(std::process::id()));
        found.lists.into_iter().flat_map(|l| l.entries).collect()
    }

    #[test]
    fn own_descriptors_are_what_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let file = File::create(&path).unwrap();
        let folder = File::open(dir.path()).unwrap();
        let (pipe, _writer) = std::io::pipe().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let client = TcpStream::connect(at).unwrap();
        let udp = UdpSocket::bind("[::1]:0").unwrap();
        let unix = UnixListener::bind(dir.path().join("socket")).unwrap();
        let entries = own();
        let entry = |fd: i32| entries.iter().find(|e| e.fd == i64::from(fd)).unwrap().clone();

        let DescriptorTarget::File { open_flags, path: name, dev } = entry(file.as_raw_fd()).target
        else {
            panic!("a file");
        };
        // Opened to write, created, cut, closed at exec; a file keeps only what has a lasting effect.
        assert_eq!(open_flags & 0x1003, 0x1002);
        let canonical = path.canonicalize().unwrap();
        assert_eq!(name, canonical.as_os_str().as_bytes());
        let meta = fs::metadata(&path).unwrap();
        assert_eq!((dev, entry(file.as_raw_fd()).ino), (Some(device(meta.dev())), meta.ino()));

        let kinds = [
            (folder.as_raw_fd(), b'd'),
            (pipe.as_raw_fd(), b'p'),
            (listener.as_raw_fd(), b'4'),
            (client.as_raw_fd(), b'4'),
            (udp.as_raw_fd(), b'6'),
            (unix.as_raw_fd(), b'u'),
        ];
        for (fd, kind) in kinds {
            assert_eq!(entry(fd).kind() as char, kind as char, "{:?}", entry(fd));
        }
        assert_eq!(entry(listener.as_raw_fd()).target, DescriptorTarget::Server { at, l4: 2 });
        let local = client.local_addr().unwrap();
        let target = DescriptorTarget::Socket { client: local, server: at, l4: 2 };
        assert_eq!(entry(client.as_raw_fd()).target, target);
        let at = udp.local_addr().unwrap();
        assert_eq!(entry(udp.as_raw_fd()).target, DescriptorTarget::Server { at, l4: 3 });
        let DescriptorTarget::Unix { path, .. } = entry(unix.as_raw_fd()).target else {
            panic!("a Unix socket");
        };
        assert!(path.ends_with(b"/socket"));
    }

    #[test]
    fn a_process_that_is_gone_has_nothing_open() {
        let dir = tempfile::tempdir().unwrap();
        let found = OpenDescriptors::read(dir.path(), &[77]);
        assert_eq!((found.lists.len(), found.n_left_out), (0, 0));
    }

    #[test]
    fn numbers_are_those_of_the_format() {
        assert_eq!(kernel_flags(b"pos:\t0\nflags:\t02100001\nmnt_id:\t7\n"), Some(0o2_100_001));
        // O_WRONLY, O_LARGEFILE, O_CLOEXEC.
        assert_eq!(open_flags(0o2_100_001), 0x1802);
        assert_eq!(device(0x0801), 0x801);
        assert_eq!(device(libc::makedev(0x103, 0x1_1170)), 0x1111_0370);
    }
}

//! The processes that run before the capture begins, out of `/proc`, as seed frames.
//!
//! Processes are read in parallel. One that ends while it is read is left out and counted. A file that may not be read (another user's
//! environment, without privileges) leaves its fields empty. All ids are those of the pid namespace that `/proc` belongs to.

mod again;
#[expect(unsafe_code, reason = "the system library's list of interfaces")]
mod interfaces;
mod open_descriptors;
mod sockets;

pub use again::{Look, Target, listed as listed_processes};
pub use interfaces::interfaces;
pub use open_descriptors::OpenDescriptors;

use std::{
    cell::RefCell,
    collections::HashSet,
    fs::{self, File},
    io::{ErrorKind, Read},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use event::{FrameTooLarge, MAX_FRAME_LEN, flags};
use rayon::prelude::*;

use crate::{
    process::{MAX_LIST_LEN, MAX_PATH_LEN, ProcessEntry, SeedIds, parents_first},
    seeds::Seeds,
};

/// Clock ticks in a second as `/proc` counts them; the same on every architecture of Linux (`USER_HZ`).
const USER_HZ: u64 = 100;
const TICK_NS: u64 = 1_000_000_000 / USER_HZ;
/// Controllers of the first cgroup version whose paths a frame carries, as the kernel side does; the second version's follows as `=path`.
const CONTROLLERS: [&[u8]; 4] = [b"memory", b"cpu", b"cpuset", b"pids"];
const CAP_DAC_OVERRIDE: u64 = 1 << 1;

impl Seeds {
    /// Takes the snapshot of the running machine out of `/proc`.
    ///
    /// # Errors
    /// Where `/proc` cannot be listed.
    pub fn snapshot() -> std::io::Result<Self> {
        Self::snapshot_of(Path::new("/proc"))
    }

    /// Takes the snapshot of a `/proc` that is mounted elsewhere.
    ///
    /// # Errors
    /// Where the folder cannot be listed.
    pub fn snapshot_of(proc: &Path) -> std::io::Result<Self> {
        let pids = pids(proc)?;
        let mut found: Vec<Found> =
            pids.par_iter().filter_map(|pid| read_process(proc, *pid)).collect();
        found.sort_unstable_by_key(|f| (f.start_ns, f.entry.pid));
        let ids: Vec<(i64, i64)> = found.iter().map(|f| (f.entry.pid, f.entry.ptid)).collect();
        let starts: std::collections::HashMap<i64, u64> =
            found.iter().map(|f| (f.entry.pid, f.start_ns)).collect();
        let mut seeds = Self::default();
        let mut buf = vec![0; MAX_FRAME_LEN];
        for at in parents_first(&ids) {
            let Found { entry, threads, .. } = &found[at];
            match found[at].to_frame(starts.get(&entry.ptid).copied(), &mut buf) {
                Ok(frame) => seeds.push(frame),
                Err(FrameTooLarge) => seeds.n_too_large += 1,
            }
            seeds.threads.extend(threads.iter().map(|&tid| (tid, entry.pid as u32)));
        }
        seeds.n_vanished = (pids.len() - found.len()) as u64;
        Ok(seeds)
    }
}

/// Ids of the processes.
fn pids(proc: &Path) -> std::io::Result<Vec<u32>> {
    let mut pids = Vec::new();
    for entry in fs::read_dir(proc)? {
        pids.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    Ok(pids)
}

/// What `/proc` tells of a process.
pub(crate) struct Found {
    pub(crate) entry: ProcessEntry,
    pub(crate) start_ns: u64,
    pub(crate) threads: Vec<u32>,
}

impl Found {
    /// Processes of the running machine that are not known yet.
    pub(crate) fn beside(known: &HashSet<u32>) -> std::io::Result<Vec<Self>> {
        let proc = Path::new("/proc");
        let mut pids = pids(proc)?;
        pids.retain(|pid| !known.contains(pid));
        Ok(pids.par_iter().filter_map(|pid| read_process(proc, *pid)).collect())
    }

    /// Its seed.
    pub(crate) fn to_frame<'b>(
        &self,
        parent_start_ns: Option<u64>,
        buf: &'b mut [u8],
    ) -> Result<&'b [u8], FrameTooLarge> {
        let ids = SeedIds {
            ts: self.start_ns,
            start_ns: self.start_ns,
            parent_start_ns: parent_start_ns.unwrap_or(0),
            flags: flags::START_COARSE,
        };
        self.entry.to_frame(ids, buf)
    }
}

/// Reads a file up to `max` bytes into a buffer of this thread's, so that a file costs three system calls and no growing.
fn with_file<T>(path: &Path, max: usize, then: impl FnOnce(&[u8]) -> T) -> Option<T> {
    thread_local! {
        static BUF: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    let mut file = File::open(path).ok()?;
    BUF.with_borrow_mut(|buf| {
        if buf.len() < max {
            buf.resize(max, 0);
        }
        let mut n = 0;
        while n < max {
            match file.read(&mut buf[n..max]) {
                Ok(0) => break,
                Ok(more) => n += more,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        Some(then(&buf[..n]))
    })
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()
}

fn link(path: &Path) -> Vec<u8> {
    fs::read_link(path).map(|p| p.as_os_str().as_bytes().to_vec()).unwrap_or_default()
}

/// One process; `None` where it ended meanwhile.
fn read_process(proc: &Path, pid: u32) -> Option<Found> {
    let dir = proc.join(pid.to_string());
    let at = |name: &str| -> PathBuf { dir.join(name) };
    let mut entry =
        ProcessEntry { tid: i64::from(pid), pid: i64::from(pid), ..ProcessEntry::default() };
    let (start_ns, n_threads) = with_file(&at("stat"), 4096, |b| stat(b, &mut entry))??;
    let groups = with_file(&at("status"), 16 << 10, |b| status(b, &mut entry))??;
    let threads = if n_threads > 1 { other_threads(&at("task"), pid) } else { Vec::new() };
    // Where the first thread has ended, all that is left of it is its entry: another one has the memory and the directories.
    let living = |name: &str| match threads.first() {
        Some(tid) if !dir.join("exe").exists() => dir.join("task").join(tid.to_string()).join(name),
        _ => dir.join(name),
    };
    (entry.exe, entry.args) = command_line_of(&living("cmdline"));
    // A kernel thread has neither environment nor program.
    if !entry.exe.is_empty() || !entry.args.is_empty() || entry.vmsize_kb > 0 {
        entry.env = environment_of(&living("environ"));
        entry.exepath = link(&living("exe"));
    }
    entry.cgroups = with_file(&at("cgroup"), 64 << 10, cgroups).unwrap_or_default();
    entry.cwd = link(&living("cwd"));
    entry.exe_from_memfd = entry.exepath.starts_with(b"/memfd:");
    if let Some(uid) = with_file(&at("loginuid"), 16, number).flatten() {
        entry.loginuid = uid;
    }
    if !entry.exepath.is_empty()
        && let Ok(meta) = fs::metadata(living("exe"))
    {
        let ns = |s: i64, n: i64| (s as u64).wrapping_mul(1_000_000_000).wrapping_add(n as u64);
        entry.exe_ino = meta.ino();
        entry.exe_ino_ctime = ns(meta.ctime(), meta.ctime_nsec());
        entry.exe_ino_mtime = ns(meta.mtime(), meta.mtime_nsec());
        entry.exe_writable = may_write(&entry, &groups, &meta);
    }
    Some(Found { entry, start_ns, threads })
}

fn command_line_of(file: &Path) -> (Vec<u8>, Vec<u8>) {
    with_file(file, MAX_PATH_LEN + MAX_LIST_LEN + 2, command_line).unwrap_or_default()
}

fn environment_of(file: &Path) -> Vec<u8> {
    with_file(file, MAX_LIST_LEN + 1, <[u8]>::to_vec).unwrap_or_default()
}

/// What lies in a process's own memory: the program's name, its arguments, its environment.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) exe: Vec<u8>,
    pub(crate) args: Vec<u8>,
    pub(crate) env: Vec<u8>,
}

impl Memory {
    /// Of a process of the running machine; empty where it has ended or may not be read.
    pub(crate) fn of(pid: u32) -> Self {
        let dir = Path::new("/proc").join(pid.to_string());
        let (exe, args) = command_line_of(&dir.join("cmdline"));
        Self { exe, args, env: environment_of(&dir.join("environ")) }
    }
}

fn other_threads(task: &Path, pid: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(task) else { return Vec::new() };
    entries
        .filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&tid| tid != pid)
        .collect()
}

/// `pid (comm) state ppid ...`; gives start time in ns and number of threads, nothing for a process that is dead. The comm may hold anything, `)` included.
fn stat(text: &[u8], entry: &mut ProcessEntry) -> Option<(u64, u64)> {
    let open = text.iter().position(|&c| c == b'(')?;
    let close = text.iter().rposition(|&c| c == b')')?;
    entry.comm = text.get(open + 1..close)?.to_vec();
    // Field 3, the state, is the first behind the comm.
    let fields: Vec<&[u8]> =
        text.get(close + 1..)?.split(u8::is_ascii_whitespace).filter(|f| !f.is_empty()).collect();
    let field = |n: usize| fields.get(n - 3).copied();
    entry.ptid = number(field(4)?)?;
    entry.pgid = number(field(5)?)?;
    entry.sid = number(field(6)?)?;
    entry.tty = number::<i64>(field(7)?)? as u32;
    entry.pfminor = number(field(10)?)?;
    entry.pfmajor = number(field(12)?)?;
    let start_ticks: u64 = number(field(22)?)?;
    let n_threads = number(field(20)?)?;
    // A dead one without further threads: nobody will tell of its end.
    if matches!(field(3)?, b"Z" | b"X") && n_threads <= 1 {
        return None;
    }
    Some((start_ticks.saturating_mul(TICK_NS), n_threads))
}

/// Ids, memory and capabilities; gives the supplementary groups.
fn status(text: &[u8], entry: &mut ProcessEntry) -> Option<Vec<u32>> {
    let mut groups = Vec::new();
    (entry.vpid, entry.vtid, entry.vpgid) = (entry.pid, entry.pid, entry.pgid);
    for line in text.split(|&c| c == b'\n') {
        let Some(colon) = line.iter().position(|&c| c == b':') else { continue };
        let (key, value) = (&line[..colon], &line[colon + 1..]);
        let mut words = value.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty());
        let kb = |w: Option<&[u8]>| w.and_then(number::<u32>).unwrap_or(0);
        let caps =
            || std::str::from_utf8(value).ok().and_then(|v| u64::from_str_radix(v.trim(), 16).ok());
        match key {
            // Real, effective, saved, file system.
            b"Uid" => entry.uid = number(words.nth(1)?)?,
            b"Gid" => entry.gid = number(words.nth(1)?)?,
            b"Groups" => groups = words.filter_map(number).collect(),
            // From the outermost namespace to the process's own.
            b"NSpid" => entry.vpid = words.next_back_number().unwrap_or(entry.pid),
            b"NSpgid" => entry.vpgid = words.next_back_number().unwrap_or(entry.pgid),
            b"VmSize" => entry.vmsize_kb = kb(words.next()),
            b"VmRSS" => entry.vmrss_kb = kb(words.next()),
            b"VmSwap" => entry.vmswap_kb = kb(words.next()),
            b"CapInh" => entry.cap_inheritable = caps()?,
            b"CapPrm" => entry.cap_permitted = caps()?,
            b"CapEff" => entry.cap_effective = caps()?,
            _ => {}
        }
    }
    entry.vtid = entry.vpid;
    Some(groups)
}

trait LastNumber {
    fn next_back_number(self) -> Option<i64>;
}

impl<'a, I: Iterator<Item = &'a [u8]>> LastNumber for I {
    fn next_back_number(self) -> Option<i64> {
        self.last().and_then(number)
    }
}

/// Splits into `argv[0]` without its NUL and the rest with theirs.
pub(crate) fn command_line(text: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let end = text.iter().position(|&c| c == 0).unwrap_or(text.len());
    let mut args = text.get(end + 1..).unwrap_or_default().to_vec();
    if args.last().is_some_and(|&c| c != 0) {
        args.push(0);
    }
    (text[..end].to_vec(), args)
}

/// Lines `id:controllers:path` to `controller=path`, NUL-terminated.
fn cgroups(text: &[u8]) -> Vec<u8> {
    let path_of = |controller: &[u8]| {
        text.split(|&c| c == b'\n').find_map(|line| {
            let mut parts = line.splitn(3, |&c| c == b':');
            let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            controllers.split(|&c| c == b',').any(|c| c == controller).then_some(path)
        })
    };
    let mut out = Vec::new();
    for controller in CONTROLLERS.into_iter().chain([&b""[..]]) {
        if let Some(path) = path_of(controller) {
            out.extend_from_slice(controller);
            out.push(b'=');
            out.extend_from_slice(path);
            out.push(0);
        }
    }
    out
}

fn may_write(entry: &ProcessEntry, groups: &[u32], meta: &fs::Metadata) -> bool {
    let mode = meta.mode();
    if entry.cap_effective & CAP_DAC_OVERRIDE != 0 {
        true
    } else if meta.uid() == entry.uid {
        mode & 0o200 != 0
    } else if meta.gid() == entry.gid || groups.contains(&meta.gid()) {
        mode & 0o020 != 0
    } else {
        mode & 0o002 != 0
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use event::Frame;

    use super::*;

    struct Running(Child);

    impl Drop for Running {
        fn drop(&mut self) {
            self.0.kill().expect("own child");
            self.0.wait().expect("own child");
        }
    }

    fn find(seeds: &Seeds, pid: u32) -> Option<(usize, ProcessEntry)> {
        seeds.iter().enumerate().find_map(|(n, bytes)| {
            let frame = Frame::parse(&bytes).unwrap();
            (frame.header().tgid == pid).then(|| (n, ProcessEntry::from_seed(&frame)))
        })
    }

    #[test]
    fn an_own_child_is_seen_whole_and_after_its_parent() {
        let dir = tempfile::tempdir().unwrap();
        let child = Running(
            Command::new("sleep")
                .args(["100", "0.5"])
                .env_clear()
                .env("PEREGRINE_TEST", "seed")
                .current_dir(dir.path())
                .stdin(Stdio::null())
                .spawn()
                .unwrap(),
        );
        let pid = child.0.id();
        // The child may not have reached its exec yet.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let (place, entry, seeds) = loop {
            let seeds = Seeds::snapshot().unwrap();
            let (place, entry) = find(&seeds, pid).expect("the child runs");
            // An exec gives the name first.
            if entry.comm == b"sleep" && !entry.args.is_empty() {
                break (place, entry, seeds);
            }
            assert!(std::time::Instant::now() < deadline, "no exec within ten seconds");
        };
        assert_eq!((&entry.exe[..], &entry.args[..]), (&b"sleep"[..], &b"100\x000.5\0"[..]));
        assert_eq!(entry.env, b"PEREGRINE_TEST=seed\0");
        let cwd = dir.path().canonicalize().unwrap();
        assert_eq!(entry.cwd, cwd.as_os_str().as_bytes());
        let exe = fs::canonicalize(OsStr(&entry.exepath)).unwrap();
        assert_eq!(fs::metadata(&exe).unwrap().ino(), entry.exe_ino);
        assert_eq!(entry.ptid, i64::from(std::process::id()));
        let (parent, _) = find(&seeds, std::process::id()).unwrap();
        assert!(parent < place);
        let frame = Frame::parse(seeds.whole(place).unwrap()).unwrap();
        assert!(frame.has(flags::SEED | flags::START_COARSE));
        assert!(frame.header().start_ns > 0 && frame.trailer().proc().unwrap().parent_start_ns > 0);
    }

    #[expect(non_snake_case, reason = "stands in for a constructor")]
    fn OsStr(bytes: &[u8]) -> &Path {
        Path::new(std::ffi::OsStr::from_bytes(bytes))
    }

    #[test]
    fn further_threads_are_listed_with_their_process() {
        let (stop, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || wait.recv().is_err());
        let seeds = Seeds::snapshot().unwrap();
        let me = std::process::id();
        assert!(seeds.threads().iter().any(|&(tid, tgid)| tgid == me && tid != me));
        assert_eq!(
            seeds.iter().filter(|b| Frame::parse(b).unwrap().header().tgid == me).count(),
            1
        );
        assert_eq!(seeds.n_too_large(), 0);
        drop(stop);
        assert!(thread.join().unwrap());
    }

    #[test]
    fn a_comm_with_brackets_and_blanks_is_read() {
        let text = b"12 (a) (b c)) S 1 2 3 34816 -1 4194560 7 0 8 0 0 0 0 0 20 0 4 0 500 0 0";
        let mut entry = ProcessEntry::default();
        assert_eq!(stat(text, &mut entry), Some((5_000_000_000, 4)));
        assert_eq!(entry.comm, b"a) (b c)");
        assert_eq!((entry.ptid, entry.pgid, entry.sid, entry.tty), (1, 2, 3, 34816));
        assert_eq!((entry.pfminor, entry.pfmajor), (7, 8));
        assert_eq!(stat(b"12 (cut) S 1", &mut entry), None);
    }

    #[test]
    fn cgroup_lines_become_one_list() {
        let text = b"5:pids:/p\n4:cpu,cpuacct:/c\n1:name=systemd:/s\n0::/u/x\n";
        assert_eq!(cgroups(text), b"cpu=/c\0pids=/p\0=/u/x\0");
        assert_eq!(cgroups(b""), b"");
    }

    #[test]
    fn a_kernel_thread_has_no_arguments() {
        assert_eq!(command_line(b""), (Vec::new(), Vec::new()));
        assert_eq!(command_line(b"title"), (b"title".to_vec(), Vec::new()));
    }

    #[test]
    fn a_process_that_vanished_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("77")).unwrap();
        let seeds = Seeds::snapshot_of(dir.path()).unwrap();
        assert_eq!((seeds.len(), seeds.n_vanished()), (0, 1));
    }
}

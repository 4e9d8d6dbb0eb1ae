//! What the machine says of itself.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use capture::{Capabilities, ProbeError, ProbeReport};
use containers::LookupConfig;
use rustix::fs::{Access, access, statvfs};
use rustix::process::{Resource, getrlimit};

use crate::cli::{ConfigSource, Settings};
use crate::config::{self, CaptureSource, Config};
use crate::identity;
use crate::live::{self, Kernel};
use crate::rule_load::{self, LoadError};
use crate::sandbox;
use crate::start::count;
use crate::web::WebListener;

/// Where the kernel keeps descriptions of its types.
pub(super) const BTF: &str = "/sys/kernel/btf/vmlinux";
/// `PROC_USER_INIT_INO` and `PROC_PID_INIT_INO` (include/linux/proc_ns.h).
const FIRST_USER_NAMESPACE: &str = "user:[4026531837]";

/// What is asked, each thing by itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) release: String,
    pub(super) has_btf: bool,
    /// What loading the programs came to; none where it was not tried.
    pub(super) programs: Option<Result<ProbeReport, String>>,
    /// Why the kernel locks itself down: none, integrity or confidentiality; empty where it does not say.
    pub(super) lockdown: String,
    pub(super) capabilities: Capabilities,
    /// What filters of calls may do in this kernel (/proc/sys/kernel/seccomp/actions_avail).
    pub(super) seccomp_actions: String,
    /// The kernel's Landlock, and what it does not bound.
    pub(super) landlock: Option<(i32, Vec<&'static str>)>,
    /// Bytes of memory that may be locked; none: any number.
    pub(super) memlock: Option<u64>,
    /// `/proc/self/mountinfo`.
    pub(super) mounts: String,
    pub(super) is_first_user_namespace: bool,
    pub(super) is_first_pid_namespace: bool,
    /// Runtimes that are to be asked; none: nobody is.
    pub(super) runtimes: Option<Vec<Runtime>>,
    pub(super) n_possible_cpus: usize,
    pub(super) n_online_cpus: usize,
    pub(super) ring_bytes: usize,
    /// Bytes that processes can still have.
    pub(super) memory: Option<u64>,
    /// Files and warnings of the configuration, or what is wrong with it.
    pub(super) configuration: Option<Result<(String, usize), String>>,
    /// Rules and what there is to say of them, or what is wrong with them; none where the configuration does not tell which.
    pub(super) rules: Option<Result<(usize, usize), String>>,
    pub(super) outbox: Option<Outbox>,
    pub(super) socket: Option<(PathBuf, Socket)>,
    /// Where the web server is to listen, and why it cannot.
    pub(super) web: Option<(SocketAddr, Option<String>)>,
}

/// A container runtime's socket that is there.
#[derive(Clone, Debug)]
pub(super) struct Runtime {
    pub(super) socket: PathBuf,
    /// Why it does not answer.
    pub(super) trouble: Option<String>,
}

/// Where alerts wait on disk.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    pub(super) directory: PathBuf,
    pub(super) max_bytes: u64,
    pub(super) free_bytes: Option<u64>,
    pub(super) is_writable: bool,
}

/// What is where the control socket is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Socket {
    /// It can be made.
    Free,
    /// Another agent answers.
    Taken,
    /// Its directory can be neither made nor written.
    Unwritable,
}

impl Facts {
    /// Asks. Programs are loaded, where that can be, and dropped; nothing is attached, and no file is made.
    pub(super) fn gather(source: &ConfigSource, set: &Settings) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let is_linked = |path: &str, to: &str| {
            // Where it cannot be read it is not held against the process.
            fs::read_link(path).map_or(true, |found| found == Path::new(to))
        };
        let mut facts = Self {
            release: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            has_btf: fs::File::open(BTF).is_ok(),
            lockdown: chosen(&read("/sys/kernel/security/lockdown")),
            capabilities: Capabilities::effective(),
            seccomp_actions: read("/proc/sys/kernel/seccomp/actions_avail"),
            landlock: sandbox::landlock_here(),
            memlock: getrlimit(Resource::Memlock).current,
            mounts: read("/proc/self/mountinfo"),
            is_first_user_namespace: is_linked("/proc/self/ns/user", FIRST_USER_NAMESPACE),
            is_first_pid_namespace: identity::is_in_first_pid_namespace(),
            n_possible_cpus: crate::host::n_possible_cpus(),
            n_online_cpus: n_online(&read("/sys/devices/system/cpu/online")),
            memory: memory(&read("/proc/meminfo"), &memory_limits()),
            ..Self::default()
        };
        match config::load(source, set) {
            Ok(config) => facts.ask_of(&config),
            Err(e) => facts.configuration = Some(Err(format!("{e:#}"))),
        }
        facts
    }

    /// What a start with this configuration would meet.
    fn ask_of(&mut self, config: &Config) {
        let n_remarks = config.doubts.len() + config.warnings.len();
        self.configuration = Some(Ok((config.files(), n_remarks)));
        self.ring_bytes = config.ring_bytes;
        self.runtimes = config.containers.lookups.as_ref().map(runtimes);
        if config.outputs.is_any_durable() {
            self.outbox = Some(outbox(&config.outputs.outbox));
        }
        self.socket = Some((config.socket.clone(), socket(&config.socket)));
        self.web = config
            .web
            .as_ref()
            .map(|web| (web.listen, WebListener::bind(web).err().map(|e| format!("{e:#}"))));
        match rule_load::load(config) {
            Ok(rules) => {
                let ruleset = &rules.ruleset;
                let n_remarks = rule_load::remarks(ruleset, config).len();
                self.rules = Some(Ok((ruleset.rules().len(), n_remarks)));
                if config.source == CaptureSource::Live {
                    self.programs = programs(live::options(config, ruleset));
                }
            }
            Err(LoadError::Rules(errors)) => {
                let first = errors.first().and_then(|e| e.lines().next()).unwrap_or_default();
                let n = count(errors.len(), "error");
                self.rules = Some(Err(format!("{n}, the first of them: {first}")));
            }
            Err(LoadError::Other(e)) => self.rules = Some(Err(format!("{e:#}"))),
        }
    }
}

/// Loads the programs as a start does; not tried without what every attempt takes, of which other lines tell.
fn programs(options: capture::ProbeOptions) -> Option<Result<ProbeReport, String>> {
    match Kernel::load(options) {
        Ok(loaded) => Some(Ok(loaded.kernel.report())),
        Err(
            ProbeError::MissingCapabilities { .. }
            | ProbeError::NoBtf { .. }
            | ProbeError::KernelTooOld { .. },
        ) => None,
        Err(e) => Some(Err(e.to_string())),
    }
}

/// The word in brackets.
fn chosen(text: &str) -> String {
    let word = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    word.map(|(word, _)| word.to_owned()).unwrap_or_default()
}

/// CPUs of a list such as `0-3,8`.
fn n_online(list: &str) -> usize {
    let of = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let n = |text: &str| text.parse::<usize>().ok();
        Some((n(last)? + 1).saturating_sub(n(first)?))
    };
    list.trim().split(',').filter_map(of).sum()
}

/// Limits of the control group that this process is in; empty where there are none.
fn memory_limits() -> Vec<(u64, u64)> {
    let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let path = group.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let number = |path: PathBuf| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let own = Path::new("/sys/fs/cgroup").join(path);
    let of = |group: &Path| {
        Some((number(group.join("memory.max"))?, number(group.join("memory.current"))?))
    };
    own.ancestors().filter_map(of).collect()
}

/// What is available, within each limit, of which so much is used.
fn memory(meminfo: &str, limits: &[(u64, u64)]) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib: u64 = line?.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let left = limits.iter().map(|(max, used)| max.saturating_sub(*used));
    left.chain([kib << 10]).min()
}

fn runtimes(config: &LookupConfig) -> Vec<Runtime> {
    let LookupConfig {
        host_root,
        docker_sockets,
        podman_sockets,
        cri_sockets,
        containerd_sockets,
        ..
    } = config;
    let all = [docker_sockets, podman_sockets, cri_sockets, containerd_sockets];
    let mut found: Vec<Runtime> = Vec::new();
    for path in all.into_iter().flatten() {
        let socket = host_root.join(path.strip_prefix("/").unwrap_or(path));
        if found.iter().any(|runtime| runtime.socket == socket) {
            continue;
        }
        let trouble = match UnixStream::connect(&socket) {
            Ok(_) => None,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => Some(e.to_string()),
        };
        found.push(Runtime { socket, trouble });
    }
    found
}

/// The nearest directory on the way to it that is there.
fn nearest(path: &Path) -> &Path {
    path.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."))
}

fn is_writable(path: &Path) -> bool {
    access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

fn outbox(settings: &outputs::OutboxSettings) -> Outbox {
    let place = nearest(&settings.directory);
    Outbox {
        directory: settings.directory.clone(),
        max_bytes: settings.max_bytes,
        free_bytes: statvfs(place).ok().map(|disk| disk.f_bavail * disk.f_frsize),
        is_writable: is_writable(place),
    }
}

fn socket(path: &Path) -> Socket {
    if UnixStream::connect(path).is_ok() {
        return Socket::Taken;
    }
    let directory = path.parent().unwrap_or(Path::new("."));
    if is_writable(nearest(directory)) { Socket::Free } else { Socket::Unwritable }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read() {
        assert_eq!(chosen("none [integrity] confidentiality\n"), "integrity");
        assert_eq!(chosen(""), "");
        assert_eq!(n_online("0-3,8\n"), 5);
        let meminfo = "MemTotal: 9 kB\nMemAvailable:     2048 kB\n";
        assert_eq!(memory(meminfo, &[]), Some(2 << 20));
        assert_eq!(memory(meminfo, &[(1 << 20, 1 << 19), (1 << 30, 0)]), Some(1 << 19));
        assert_eq!(memory("", &[(1, 0)]), None);
    }
}

//! What the agent may still do once it watches: Landlock bounds the files that its threads open, the TCP ports, and whom they signal; a filter
//! of seccomp refuses calls that it never makes from there on.
//!
//! A Landlock domain keeps a thread from `/proc/PID/{exe,cwd,environ,fd}` of every process outside of it, whatever capabilities it has
//! (security/landlock/task.c, `hook_ptrace_access_check`). So the two threads that look at other processes are started by [`Outside`], which
//! was there before.

mod calls;
mod outside;
mod places;

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus,
    NetPort, PathBeneath, PathFd, RestrictionStatus, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetStatus, Scope,
};

pub(crate) use outside::Outside;
use places::Places;

use crate::config::Config;
use crate::watched_files::Watched;

/// What the kernel says where Landlock forbids it, as the standard library words it.
const FORBIDDEN: &str = "Permission denied (os error 13)";

/// Landlock bounds this process. Relaxed suffices: it only explains errors.
static IS_BOUNDED: AtomicBool = AtomicBool::new(false);

/// Which parts are on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SandboxSettings {
    pub(crate) landlock: bool,
    pub(crate) seccomp: bool,
    /// What may be read besides.
    pub(crate) reads: Vec<PathBuf>,
}

/// What the sandbox has to know besides the configuration.
pub(crate) struct Needs<'a> {
    pub(crate) config: &'a Config,
    /// What a reload reads.
    pub(crate) reads: &'a [Watched],
    pub(crate) pidfile: Option<&'a std::path::Path>,
}

/// Bounds the calling thread and all that it starts from here on, and the calls of all threads that there are, but for the one that starts
/// programs; gives what came of it, for people. What the kernel lacks keeps nobody from watching.
pub(crate) fn enter(needs: &Needs<'_>, outside: &mut Outside) -> String {
    let SandboxSettings { landlock, seccomp, .. } = needs.config.sandbox;
    let files = if landlock {
        bound(needs).unwrap_or_else(|e| format!("no Landlock: the kernel refuses it: {e:#}"))
    } else {
        "no Landlock: peregrine.sandbox.landlock is false".to_owned()
    };
    // Landlock makes calls of its own.
    let calls = if seccomp {
        let refused = if starts_programs(needs.config) {
            outside.filter();
            calls::refuse_in_pool().and_then(|()| calls::refuse_here())
        } else {
            calls::refuse()
        };
        match refused {
            Ok(n) => format!("seccomp refuses {n} calls"),
            Err(e) => format!("no seccomp: the kernel refuses it: {e}"),
        }
    } else {
        "no seccomp: peregrine.sandbox.seccomp is false".to_owned()
    };
    format!("{files}; {calls}")
}

fn starts_programs(config: &Config) -> bool {
    config.outputs.program.is_some()
}

fn bound(needs: &Needs<'_>) -> Result<String> {
    let Places { reads, lists, writes, files, ports } = Places::of(needs);
    let abi = ABI::V6;
    let mut scopes = Scope::from_all(abi);
    // A manager that listens on an abstract socket is outside of every domain, and so is a program that does not end by itself.
    if std::env::var_os("NOTIFY_SOCKET").is_some_and(|s| s.as_encoded_bytes().starts_with(b"@")) {
        scopes.remove(Scope::AbstractUnixSocket);
    }
    if starts_programs(needs.config) {
        scopes.remove(Scope::Signal);
    }
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(scopes)?
        .create()?;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let of_file = AccessFs::from_file(abi);
    let list = AccessFs::ReadDir.into();
    for (paths, rights) in
        [(&reads, read), (&lists, list), (&writes, write_rights()), (&files, file_rights())]
    {
        for path in paths {
            // One that is gone meanwhile needs no right.
            let Ok(fd) = PathFd::new(path) else { continue };
            let rights = if path.is_dir() { rights } else { rights & of_file };
            ruleset = ruleset.add_rule(PathBeneath::new(fd, rights))?;
        }
    }
    for port in ports {
        ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    let Some(had) = had(&ruleset.restrict_self()?) else {
        return Ok(
            "no Landlock: this kernel has none, or it was not enabled at boot (lsm=)".to_owned()
        );
    };
    IS_BOUNDED.store(true, Ordering::Relaxed);
    let lacks = match &lacking(had)[..] {
        [] => String::new(),
        lacks => format!("; this kernel does not bound {}", lacks.join(", ")),
    };
    let (n_reads, n_writes) = (reads.len(), writes.len() + files.len());
    Ok(format!(
        "Landlock {}: reads below {n_reads} paths, writes below {n_writes}{lacks}",
        had as i32
    ))
}

/// The version of what the kernel enforces.
fn had(status: &RestrictionStatus) -> Option<ABI> {
    match status.landlock {
        LandlockStatus::Available { effective_abi, .. }
            if status.ruleset != RulesetStatus::NotEnforced =>
        {
            Some(effective_abi)
        }
        _ => None,
    }
}

/// What is not bounded by it.
fn lacking(had: ABI) -> Vec<&'static str> {
    let since = [
        (ABI::V3, "truncation"),
        (ABI::V4, "TCP ports"),
        (ABI::V5, "ioctls of devices"),
        (ABI::V6, "signals and abstract sockets"),
    ];
    since.into_iter().filter(|(since, _)| had < *since).map(|(_, what)| what).collect()
}

/// Number of the kernel's Landlock, found by a thread that gives something up and ends; and what that version does not bound.
pub(crate) fn landlock_here() -> Option<(i32, Vec<&'static str>)> {
    let give_up = || {
        let ruleset = Ruleset::default().handle_access(AccessFs::Execute)?.create()?;
        ruleset.restrict_self()
    };
    let status = std::thread::spawn(give_up).join().ok()?.ok()?;
    had(&status).map(|had| (had as i32, lacking(had)))
}

/// In directories of outputs and the like: files are made, appended to, cut and removed; renamed within them, too.
fn write_rights() -> BitFlags<AccessFs> {
    AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::RemoveFile
        | AccessFs::MakeDir
}

/// Devices and pipes that are written to.
fn file_rights() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev
}

/// An error with what the sandbox may have to do with it.
pub(crate) fn explained(error: &str) -> Cow<'_, str> {
    if !error.contains(FORBIDDEN) || !IS_BOUNDED.load(Ordering::Relaxed) {
        return error.into();
    }
    format!(
        "{error}; the sandbox of the agent goes by the paths that its configuration had at the start (docs/security.md): restart it, or name the \
         directory in peregrine.sandbox.reads where it is to be read"
    )
    .into()
}

//! Hooks of sockets: one program of the object, loaded once for each of them and attached at the root of the hierarchy of control groups.
//!
//! It is attached by links, which leave the programs of
//! others where they are and end with this process.

use std::{
    fs::{File, OpenOptions},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
};

use event::{EventSet, EventType};

use super::{
    bpf::{self, Place, create_link},
    btf::KernelTypes,
    load::refusal,
    loaded::LoadedObject,
    sys::{is_cgroup2, mount_cgroups},
};

const PROGRAM: &str = "socket_hook";
/// Where the hierarchy is mounted as a rule, for who may not make a mount.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
/// Inode number of the root of a file system of kernfs (fs/kernfs/dir.c).
const ROOT_INO: u64 = 1;

/// Calls that pass an address come to these.
const SENDS: &[EventType] = &[EventType::SENDTO_X, EventType::SENDMSG_X, EventType::SENDMMSG_X];
const BINDS: &[EventType] = &[EventType::BIND_X];
/// A send connects where TCP opens fast.
const CONNECTS: &[EventType] =
    &[EventType::CONNECT_X, EventType::SENDTO_X, EventType::SENDMSG_X, EventType::SENDMMSG_X];

/// Name, the kernel's enumerator, and the calls that come to it. The kernels that have all of them (6.7) also have the cast by which the
/// program reads its context.
const HOOKS: [(&str, &str, &[EventType]); 8] = [
    ("connect4", "BPF_CGROUP_INET4_CONNECT", CONNECTS),
    ("connect6", "BPF_CGROUP_INET6_CONNECT", CONNECTS),
    ("connect_unix", "BPF_CGROUP_UNIX_CONNECT", CONNECTS),
    ("bind4", "BPF_CGROUP_INET4_BIND", BINDS),
    ("bind6", "BPF_CGROUP_INET6_BIND", BINDS),
    ("sendmsg4", "BPF_CGROUP_UDP4_SENDMSG", SENDS),
    ("sendmsg6", "BPF_CGROUP_UDP6_SENDMSG", SENDS),
    ("sendmsg_unix", "BPF_CGROUP_UNIX_SENDMSG", SENDS),
];

/// What [`kinds`] asks the types for.
pub(super) fn enumerators() -> impl Iterator<Item = &'static str> {
    HOOKS.into_iter().map(|(_, enumerator, _)| enumerator)
}

/// The kernel's numbers of [`HOOKS`].
pub(super) type Kinds = [u32; HOOKS.len()];

/// The numbers, where the running kernel has all hooks and what the program needs besides.
pub(super) fn kinds(types: &KernelTypes<'_>) -> Option<Kinds> {
    types.cast()?.context?;
    let mut kinds = Kinds::default();
    for (kind, (_, enumerator, _)) in kinds.iter_mut().zip(HOOKS) {
        *kind = types.enumerator(enumerator)?.cast_unsigned();
    }
    Some(kinds)
}

/// A hook with its program; the link where it is attached.
#[derive(Debug)]
struct Hook {
    name: &'static str,
    calls: &'static [EventType],
    kind: u32,
    program: OwnedFd,
    link: Option<OwnedFd>,
}

/// The program at all of its hooks.
#[derive(Debug)]
pub(super) struct SocketHooks {
    root: OwnedFd,
    hooks: Vec<Hook>,
}

impl SocketHooks {
    /// Has the kernel look at the program, and finds out whether it may be attached; nothing is afterwards.
    ///
    /// # Errors
    /// Why not, for people.
    pub(super) fn load(object: &mut LoadedObject, kinds: &Kinds) -> Result<Self, String> {
        let root = root_of_cgroups()?;
        let code = object.take_code(PROGRAM).ok_or("not in the object")?;
        let mut this = Self { root, hooks: Vec::new() };
        for (&kind, (name, _, calls)) in kinds.iter().zip(HOOKS) {
            let program = bpf::load_program(&code, None, Place::SockAddr(kind));
            let program = program.map_err(|e| {
                format!("the kernel refuses the program of {name}: {}", refusal(&e))
            })?;
            this.hooks.push(Hook { name, calls, kind, program, link: None });
        }
        this.attach(&EventSet::all())?;
        this.detach();
        Ok(this)
    }

    /// Attaches where the calls come to, and nowhere else.
    ///
    /// # Errors
    /// Why one is not attached, for people; those before it are.
    pub(super) fn attach(&mut self, calls: &EventSet) -> Result<(), String> {
        for hook in &mut self.hooks {
            if !hook.calls.iter().any(|&ty| calls.contains(ty)) {
                hook.link = None;
            } else if hook.link.is_none() {
                let link = create_link(hook.program.as_fd(), self.root.as_fd(), hook.kind);
                let link = link.map_err(|e| format!("{} cannot be attached: {e}", hook.name))?;
                hook.link = Some(link);
            }
        }
        Ok(())
    }

    /// Attaches nowhere.
    pub(super) fn detach(&mut self) {
        for hook in &mut self.hooks {
            hook.link = None;
        }
    }

    /// Names of those that are attached.
    pub(super) fn attached(&self) -> impl Iterator<Item = &'static str> {
        self.hooks.iter().filter(|hook| hook.link.is_some()).map(|hook| hook.name)
    }
}

/// The directory of the root. What is mounted in a container is not, where it has a namespace of control groups of its own.
fn root_of_cgroups() -> Result<OwnedFd, String> {
    let mounted = |path: &&str| {
        let mut directory = OpenOptions::new();
        directory.read(true).custom_flags(libc::O_DIRECTORY | libc::O_CLOEXEC).open(path).ok()
    };
    let mut found =
        mount_cgroups().map(File::from).into_iter().chain(MOUNTS.iter().filter_map(mounted));
    // Where the hierarchies of version 1 are mounted too, /sys/fs/cgroup is a tmpfs, whose root has the same number.
    let is_root = |directory: &File| {
        is_cgroup2(directory.as_fd()) && directory.metadata().is_ok_and(|m| m.ino() == ROOT_INO)
    };
    let root = found.find(is_root).map(OwnedFd::from);
    root.ok_or_else(|| "the root of the control groups is out of reach from here".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_that_hooks_note_comes_to_one() {
        for &ty in crate::kernel::syscalls::HOOKED {
            assert!(HOOKS.iter().any(|(_, _, calls)| calls.contains(&ty)), "{}", ty.name());
        }
    }
}

//! Facts of a task: ids, times, credentials, namespaces' ids, cgroups.

use aya_ebpf::helpers::generated::{
    bpf_get_current_cgroup_id, bpf_get_current_pid_tgid, bpf_get_current_task,
};
use event::KernelField as F;

use crate::mem::{field, get, has, ptr, read};

/// The header's part that says who.
pub struct Who {
    pub tid: u32,
    pub tgid: u32,
    pub start_ns: u64,
    pub uid: u32,
    pub gid: u32,
    pub cgroup_id: u64,
}

/// Address of a `task_struct`.
#[derive(Clone, Copy)]
pub struct Task(pub u64);

const PF_KTHREAD: u32 = 0x0020_0000;
const PF_EXITING: u32 = 0x4;

impl Task {
    #[inline(always)]
    pub fn current() -> Self {
        // SAFETY: a helper without arguments.
        Self(unsafe { bpf_get_current_task() })
    }

    #[inline(always)]
    pub fn tid(self) -> u32 {
        get(self.0, F::TaskPid)
    }

    #[inline(always)]
    pub fn tgid(self) -> u32 {
        get(self.0, F::TaskTgid)
    }

    #[inline(always)]
    pub fn is_kernel_thread(self) -> bool {
        get::<u32>(self.0, F::TaskFlags) & PF_KTHREAD != 0
    }

    #[inline(always)]
    pub fn is_ending(self) -> bool {
        get::<u32>(self.0, F::TaskFlags) & PF_EXITING != 0
    }

    #[inline(always)]
    pub fn leader(self) -> Self {
        Self(ptr(self.0, F::TaskGroupLeader))
    }

    #[inline(always)]
    pub fn real_parent(self) -> Self {
        Self(ptr(self.0, F::TaskRealParent))
    }

    /// Start of the task itself, boot clock.
    #[inline(always)]
    pub fn start_ns(self) -> u64 {
        get(self.0, F::TaskStart)
    }

    #[inline(always)]
    pub fn cred(self) -> u64 {
        ptr(self.0, F::TaskCred)
    }

    #[inline(always)]
    pub fn signal(self) -> u64 {
        ptr(self.0, F::TaskSignal)
    }

    /// Id of the cgroup in the default hierarchy.
    #[inline(always)]
    pub fn cgroup_id(self) -> u64 {
        let dfl = ptr(ptr(self.0, F::TaskCgroups), F::CssSetDflCgrp);
        get(ptr(dfl, F::CgroupKn), F::KnId)
    }

    /// `struct pid` of a group: `PIDTYPE_PGID` or `PIDTYPE_SID`.
    #[inline(always)]
    pub fn group_pid(self, pid_type: F) -> u64 {
        if !has(pid_type) {
            return 0;
        }
        read(self.signal() + field(F::SignalPids) + 8 * field(pid_type))
    }

    #[inline(always)]
    pub fn own_pid(self) -> u64 {
        ptr(self.0, F::TaskThreadPid)
    }

    /// Effective user and group. One read where the two lie side by side, as they do on every kernel seen so far.
    #[inline(always)]
    fn effective_ids(self) -> [u32; 2] {
        let cred = self.cred();
        if field(F::CredEgid) == field(F::CredEuid) + 4 {
            return get(cred, F::CredEuid);
        }
        [get(cred, F::CredEuid), get(cred, F::CredEgid)]
    }

    /// The header's part of the current task.
    #[inline(always)]
    pub fn who_is_current(self) -> Who {
        // SAFETY: helpers without arguments.
        let (id, cgroup_id) = unsafe { (bpf_get_current_pid_tgid(), bpf_get_current_cgroup_id()) };
        let [uid, gid] = self.effective_ids();
        Who {
            tid: id as u32,
            tgid: (id >> 32) as u32,
            start_ns: self.leader().start_ns(),
            uid,
            gid,
            cgroup_id,
        }
    }

    /// The header's part of any task.
    #[inline(always)]
    pub fn who(self) -> Who {
        let [uid, gid] = self.effective_ids();
        Who {
            tid: self.tid(),
            tgid: self.tgid(),
            start_ns: self.leader().start_ns(),
            uid,
            gid,
            cgroup_id: self.cgroup_id(),
        }
    }
}

/// The id of a `struct pid` in the initial pid namespace.
#[inline(always)]
pub fn global_nr(pid: u64) -> u32 {
    read(pid + field(F::PidNumbers) + field(F::UpidNr))
}

/// Address of a `struct pid`'s entry for its own namespace.
#[inline(always)]
pub fn own_upid(pid: u64) -> u64 {
    let level = u64::from(get::<u32>(pid, F::PidLevel) & 0x1f);
    pid + field(F::PidNumbers) + level * field(F::UpidSize)
}

/// The id of a `struct pid` in its own namespace.
#[inline(always)]
pub fn own_nr(pid: u64) -> u32 {
    get(own_upid(pid), F::UpidNr)
}

//! Names of kernel objects, written backwards into the slot's path buffer: dentries and mounts up to the task's root, and cgroups.
//!
//! The walks are global functions: the verifier checks each once by itself, where inlined loops would multiply its states with those of
//! every caller.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use event::{KernelField as F, file_flags};

use crate::{
    file::PID_FS_MAGIC,
    maps::SCRATCH,
    mem::{bound, casts, field, forget, get, ptr, read, st8, st16, st32, st64},
    record::{FORGET_AT, PATH_AT, PATH_MAX, Record},
    task::Task,
};

/// Steps of a walk that one function takes, mount crossings included: more than most paths have.
pub const STEPS: u32 = 8;
/// Times that it is called. The verifier follows every step of one call, and of the others only the call.
const MAX_WALKS: u32 = 8;
/// Two words of the slot, before those of [`crate::record`] and [`crate::network`]: where a walk goes on.
const ON_AT: usize = PATH_AT - 512;
/// Steps of a walk up a cgroup hierarchy.
const MAX_CGROUP_STEPS: u32 = 24;

/// Digits of a 64-bit number.
const MAX_DIGITS: u32 = 20;
const NSFS_MAGIC: u64 = 0x6e73_6673;

/// A path under construction: bytes `pos..PATH_MAX` of the buffer.
pub struct Backward {
    slot: u32,
    base: *mut u8,
    pub pos: u64,
}

/// A place in the tree of mounts.
#[derive(Clone, Copy)]
pub struct Place {
    pub mnt: u64,
    pub dentry: u64,
}

impl Place {
    /// Reads a `struct path`; in one go where it is as it is on every kernel seen so far.
    #[inline(always)]
    pub fn at(path: u64) -> Self {
        if field(F::PathDentry) == field(F::PathMnt) + 8 {
            let [mnt, dentry]: [u64; 2] = get(path, F::PathMnt);
            return Self { mnt, dentry };
        }
        Self { mnt: ptr(path, F::PathMnt), dentry: ptr(path, F::PathDentry) }
    }

    #[inline(always)]
    pub fn root_of(task: Task) -> Self {
        Self::at(ptr(task.0, F::TaskFs) + field(F::FsRoot))
    }

    #[inline(always)]
    pub fn cwd_of(task: Task) -> Self {
        Self::at(ptr(task.0, F::TaskFs) + field(F::FsPwd))
    }
}

/// A dentry's parent and name.
pub struct Name {
    pub parent: u64,
    pub len: u64,
    pub at: u64,
}

impl Name {
    /// One read where the three lie side by side (`d_parent`, then `struct qstr { u32 hash, len; char *name }`), as they do on every kernel
    /// seen so far.
    #[inline(always)]
    pub fn of(dentry: u64) -> Self {
        let first = field(F::DentryParent);
        if field(F::DentryNameLen) == first + 12 && field(F::DentryName) == first + 16 {
            let [parent, hash_len, at]: [u64; 3] = read(dentry.wrapping_add(first));
            return Self { parent, len: hash_len >> 32, at };
        }
        let len = u64::from(get::<u32>(dentry, F::DentryNameLen));
        Self { parent: ptr(dentry, F::DentryParent), len, at: ptr(dentry, F::DentryName) }
    }
}

impl Backward {
    #[inline(always)]
    pub fn new(rec: &Record) -> Self {
        Self { slot: rec.slot, base: rec.base, pos: PATH_MAX }
    }

    #[inline(always)]
    pub fn len(&self) -> u64 {
        PATH_MAX - self.pos
    }

    #[inline(always)]
    fn at(&self) -> *mut u8 {
        // SAFETY: masked into the buffer, behind which `PATH_MAX` bytes belong to the slot.
        unsafe { self.base.add(PATH_AT + bound::<0xfff>(self.pos) as usize) }
    }

    #[inline(always)]
    pub fn byte(&mut self, v: u8) {
        self.pos -= 1;
        // SAFETY: see `at`.
        unsafe { st8(self.at(), v) };
    }

    #[inline(always)]
    fn forget(&mut self) {
        // SAFETY: a word of the slot.
        self.pos = forget(unsafe { self.base.add(FORGET_AT) }, self.pos);
    }

    /// ` (deleted)`, as the kernel's `d_path` puts it.
    #[inline(always)]
    pub fn deleted(&mut self) {
        self.pos -= 10;
        // SAFETY: ten bytes in the buffer.
        unsafe {
            st64(self.at(), u64::from_le_bytes(*b" (delete"));
            st16(self.at().add(8), u16::from_le_bytes(*b"d)"));
        }
    }

    /// `[pidfd]`, as the anonymous inode was called that descriptors of processes had before 6.9.
    #[inline(always)]
    fn pidfd(&mut self) {
        self.pos -= 7;
        // SAFETY: seven bytes in the buffer.
        unsafe {
            st32(self.at(), u32::from_le_bytes(*b"[pid"));
            st16(self.at().add(4), u16::from_le_bytes(*b"fd"));
            st8(self.at().add(6), b']');
        }
    }

    /// Puts `len` bytes of a kernel name before the rest; false where they do not fit any more.
    #[inline(always)]
    pub fn name(&mut self, addr: u64, len: u64) -> bool {
        let len = bound::<0xff>(len);
        if self.pos < len + 16 || self.pos > PATH_MAX {
            return false;
        }
        if casts() && len <= 32 {
            self.short_name(addr, len);
            return true;
        }
        self.pos -= len;
        // SAFETY: see `at`; at most 255 bytes.
        unsafe { bpf_probe_read_kernel(self.at().cast(), len as u32, addr as *const _) };
        self.forget();
        true
    }

    /// A name of at most 32 bytes, in words from its end on: what comes along from before it is overwritten by what is put there.
    #[inline(always)]
    fn short_name(&mut self, addr: u64, len: u64) {
        let end = addr.wrapping_add(len);
        let end_of_buffer = self.pos;
        let [first, second]: [u64; 2] = read(end.wrapping_sub(16));
        // SAFETY: see `at`; `name` has seen that the longest fits.
        unsafe {
            self.pos = end_of_buffer - 16;
            st64(self.at(), first);
            st64(self.at().add(8), second);
            if len > 16 {
                let [first, second]: [u64; 2] = read(end.wrapping_sub(32));
                self.pos = end_of_buffer - 32;
                st64(self.at(), first);
                st64(self.at().add(8), second);
            }
        }
        self.pos = end_of_buffer - len;
        self.forget();
    }

    /// Walks from `place` to the task's root; gives bits of [`file_flags`].
    #[inline(always)]
    pub fn walk(&mut self, place: Place, task: Task) -> u16 {
        let (pos, flags) = Self::walk_to(u64::from(self.slot), self.pos, place, task);
        self.pos = pos;
        flags
    }

    /// Walks from `place` to the task's root, the path ending at `end` of a slot's path buffer; gives where it begins, and bits of [`file_flags`].
    #[inline(always)]
    pub fn walk_to(slot: u64, end: u64, place: Place, task: Task) -> (u64, u16) {
        let mut r = peregrine_walk(slot, end, place.mnt, place.dentry, task.0);
        if r & MORE != 0 {
            r = peregrine_walk_on(slot, r & POS, task.0);
        }
        (r & POS, (r >> 32) as u16)
    }

    /// Puts the name of an object without a place in the tree.
    #[inline(always)]
    pub fn pseudo(&mut self, dentry: u64) {
        self.pos = peregrine_pseudo(u64::from(self.slot), self.pos, dentry) & POS;
    }

    /// Memory files, pipes and anonymous inodes have a name; namespaces and processes (since 6.9) are named by their file systems
    /// (`ns_dname`, fs/nsfs.c; `pidfs_dname`, fs/pidfs.c).
    #[inline(always)]
    fn pseudo_here(&mut self, dentry: u64) {
        let inode = ptr(dentry, F::DentryInode);
        match get::<u64>(ptr(inode, F::InodeSb), F::SbMagic) {
            NSFS_MAGIC => {
                self.byte(b']');
                self.decimal(get(inode, F::InodeIno));
                self.byte(b'[');
                self.byte(b':');
                let ops = ptr(ptr(inode, F::InodePrivate), F::NsOps);
                self.kernel_text(ptr(ops, F::NsOpsName));
            }
            PID_FS_MAGIC => self.pidfd(),
            _ => {
                let len = get::<u32>(dentry, F::DentryNameLen);
                self.name(ptr(dentry, F::DentryName), u64::from(len));
            }
        }
        self.forget();
    }

    #[inline(always)]
    fn decimal(&mut self, mut n: u64) {
        for _ in 0..MAX_DIGITS {
            self.byte(b'0' + (n % 10) as u8);
            n /= 10;
            if n == 0 {
                break;
            }
        }
    }

    /// Walks from a cgroup to the root of its hierarchy.
    #[inline(always)]
    pub fn cgroup(&mut self, cgroup: u64) {
        self.pos = peregrine_cgroup(u64::from(self.slot), self.pos, cgroup) & POS;
    }

    /// Puts a NUL-terminated kernel name of at most 255 bytes before the rest. Its length is not known before it is read, so it is read
    /// into the slack behind the buffer first.
    #[inline(always)]
    fn kernel_text(&mut self, addr: u64) -> bool {
        // SAFETY: the slack behind the path buffer, inside the slot.
        let slack = unsafe { self.base.add(PATH_AT + PATH_MAX as usize) };
        // SAFETY: 256 bytes of it.
        let r = unsafe {
            aya_ebpf::helpers::generated::bpf_probe_read_kernel_str(
                slack.cast(),
                256,
                addr as *const _,
            )
        };
        if r <= 1 {
            return false;
        }
        self.name(slack as u64, r as u64 - 1)
    }

    /// Walks from `place` to `root`; gives bits of [`file_flags`], [`MORE`] where that takes more steps. `goes_on`: there is a path already.
    #[inline(always)]
    fn walk_here(&mut self, place: Place, root: Place, goes_on: bool) -> u64 {
        let Place { mut mnt, mut dentry } = place;
        let mut top = ptr(mnt, F::VfsmountRoot);
        self.forget();
        let start = self.pos;
        let mut done = MORE;
        for _ in 0..STEPS {
            if dentry == root.dentry && mnt == root.mnt {
                done = 0;
                break;
            }
            let next;
            if dentry == top {
                let mount = mnt.wrapping_sub(field(F::MountMnt));
                next = ptr(mount, F::MountMountpoint);
                let above = ptr(mount, F::MountParent);
                if above == mount || above == 0 {
                    done = OUTSIDE_ROOT;
                    break;
                }
                mnt = above.wrapping_add(field(F::MountMnt));
                top = ptr(mnt, F::VfsmountRoot);
            } else {
                let name = Name::of(dentry);
                next = name.parent;
                if next == dentry {
                    done = OUTSIDE_ROOT;
                    break;
                }
                if !self.name(name.at, name.len) {
                    done = PATH_CUT;
                    break;
                }
                self.byte(b'/');
            }
            dentry = next;
            self.forget();
        }
        if done == MORE {
            // SAFETY: two words of the slot.
            unsafe {
                let on = self.base.add(ON_AT).cast::<u64>();
                on.write_volatile(mnt);
                on.add(1).write_volatile(dentry);
            }
        } else if self.pos == start && !goes_on {
            self.byte(b'/');
        }
        self.forget();
        done
    }

    /// Walks from a cgroup to the root of its hierarchy.
    #[inline(always)]
    fn cgroup_here(&mut self, cgroup: u64) {
        let mut node = ptr(cgroup, F::CgroupKn);
        self.forget();
        let start = self.pos;
        for _ in 0..MAX_CGROUP_STEPS {
            let parent = ptr(node, F::KnParent);
            if parent == 0 {
                break;
            }
            if !self.kernel_text(ptr(node, F::KnName)) {
                break;
            }
            self.byte(b'/');
            node = parent;
        }
        if self.pos == start {
            self.byte(b'/');
        }
        self.forget();
    }
}

/// Bits of a result that are the position.
const POS: u64 = 0x1fff;

/// Beside a position: the walk is not at its end.
const MORE: u64 = 1 << 16;
/// Beside a slot: a walk goes on.
const GOES_ON: u64 = 1 << 32;
const OUTSIDE_ROOT: u64 = (file_flags::OUTSIDE_ROOT as u64) << 32;
const PATH_CUT: u64 = (file_flags::PATH_CUT as u64) << 32;
const UNRESOLVED: u64 = (file_flags::UNRESOLVED as u64) << 32;

/// Some steps of [`Backward::walk`]; gives the position and, from bit 32, the flags, or [`MORE`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_walk(slot: u64, pos: u64, mnt: u64, dentry: u64, task: u64) -> u64 {
    let Some(base) = SCRATCH.get_ptr_mut(slot as u32) else { return pos };
    let mut path = Backward { slot: slot as u32, base: base.cast(), pos };
    let root = Place::root_of(Task(task));
    let done = path.walk_here(Place { mnt, dentry }, root, slot & GOES_ON != 0);
    path.pos & POS | done
}

/// The rest of a walk that [`peregrine_walk`] began.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_walk_on(slot: u64, pos: u64, task: u64) -> u64 {
    let Some(base) = SCRATCH.get_ptr_mut(slot as u32) else { return pos };
    // SAFETY: two words of the slot.
    let on = unsafe { base.cast::<u8>().add(ON_AT).cast::<u64>() };
    let mut pos = pos;
    for _ in 1..MAX_WALKS {
        // SAFETY: as above.
        let (mnt, dentry) = unsafe { (on.read_volatile(), on.add(1).read_volatile()) };
        let r = peregrine_walk(slot | GOES_ON, pos, mnt, dentry, task);
        if r & MORE == 0 {
            return r;
        }
        pos = r & POS;
    }
    pos | UNRESOLVED
}

/// [`Backward::pseudo`]; gives the position.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_pseudo(slot: u64, pos: u64, dentry: u64) -> u64 {
    let Some(base) = SCRATCH.get_ptr_mut(slot as u32) else { return pos };
    let mut path = Backward { slot: slot as u32, base: base.cast(), pos };
    path.pseudo_here(dentry);
    path.pos
}

/// [`Backward::cgroup`]; gives the position.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_cgroup(slot: u64, pos: u64, cgroup: u64) -> u64 {
    let Some(base) = SCRATCH.get_ptr_mut(slot as u32) else { return pos };
    let mut path = Backward { slot: slot as u32, base: base.cast(), pos };
    path.cgroup_here(cgroup);
    path.pos
}

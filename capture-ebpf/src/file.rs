//! The open family, and the identity of files: device, inode, kind, overlay layer, path.

use event::{EventType, FileKind, KernelField as F, SectionKind, file_flags};

use crate::{
    Ctx,
    call::Call,
    filter::{self, Opening},
    maps::Cpu,
    mem::{field, get, has, ptr, read, read_user},
    path::{Backward, Place},
    record::Record,
    task::Task,
};

const S_IFMT: u16 = 0o170_000;
const S_IFSOCK: u16 = 0o140_000;
const OVERLAYFS_MAGIC: u64 = 0x794c_7630;
const TMPFS_MAGIC: u64 = 0x0102_1994;
const HUGETLBFS_MAGIC: u64 = 0x9584_58f6;
const ANON_INODE_MAGIC: u64 = 0x0904_1934;
/// `PID_FS_MAGIC`: since 6.9 descriptors of processes have a file system of their own, with a root for each.
pub const PID_FS_MAGIC: u64 = 0x5049_4446;
pub const FMODE_CREATED: u32 = 0x10_0000;
const CAP_DAC_OVERRIDE: u64 = 1 << 1;
pub const AT_FDCWD: i64 = -100;
/// Bits of a nanosecond; since 6.13 the one above says whether somebody asked (`I_CTIME_QUERIED`, fs/inode.c).
const NSEC: u32 = 0x3fff_ffff;

/// Bits of exec's `flags` parameter.
const EXE_WRITABLE: u32 = 1;
const EXE_UPPER_LAYER: u32 = 2;
const EXE_FROM_MEMFD: u32 = 4;
const EXE_LOWER_LAYER: u32 = 8;

/// Kernel bit and schema bit of each open flag that is one bit.
const OPEN_FLAGS: [(u32, u32); 9] = [
    (0o100, 0x4),
    (0o2000, 0x8),
    (0o10000, 0x10),
    (0o200, 0x20),
    (0o4000, 0x40),
    (0o1000, 0x100),
    (0o40000, 0x200),
    (0o100_000, 0x800),
    (0o2_000_000, 0x1000),
];
const O_DIRECTORY: u32 = 0o200_000;
const O_SYNC_BIT: u32 = 0o4_000_000;
const O_TMPFILE_BIT: u32 = 0o20_000_000;
const O_CREAT: u32 = 0o100;
const PPM_O_DIRECTORY: u32 = 0x400;
const PPM_O_SYNC: u32 = 0x80;
const PPM_O_TMPFILE: u32 = 0x2000;
pub const PPM_O_F_CREATED: u32 = 0x4000;
const PPM_FD_UPPER_LAYER: u32 = 0x8000;
const PPM_FD_LOWER_LAYER: u32 = 0x1_0000;
pub const PPM_FD_LAYERS: u32 = PPM_FD_UPPER_LAYER | PPM_FD_LOWER_LAYER;
/// The flags of an open that `creat` is: `O_CREAT | O_WRONLY | O_TRUNC`.
const CREAT_FLAGS: u32 = 0o1101;

/// `new_encode_dev` of include/linux/kdev_t.h.
#[inline(always)]
pub fn encode_dev(major: u32, minor: u32) -> u32 {
    minor & 0xff | major << 8 | (minor & !0xff) << 12
}

/// Address of a `struct file`.
#[derive(Clone, Copy)]
pub struct File(pub u64);

/// The file of a descriptor of the task.
#[inline(always)]
pub fn file_of(task: Task, fd: i64) -> File {
    if fd < 0 {
        return File(0);
    }
    let table = ptr(ptr(task.0, F::TaskFiles), F::FilesFdt);
    // One read where the two lie side by side, as they do on every kernel seen so far.
    let (n, files) = if field(F::FdtFd) == field(F::FdtMax) + 8 {
        let [n, files]: [u64; 2] = get(table, F::FdtMax);
        (n & 0xffff_ffff, files)
    } else {
        (u64::from(get::<u32>(table, F::FdtMax)), ptr(table, F::FdtFd))
    };
    if fd as u64 >= n {
        return File(0);
    }
    File(read(files + 8 * fd as u64))
}

/// The task's program.
#[inline(always)]
pub fn exe_of(task: Task) -> File {
    File(ptr(ptr(task.0, F::TaskMm), F::MmExeFile))
}

/// Address of an inode, its mode and its file system's magic.
#[derive(Clone, Copy)]
pub struct Inode {
    at: u64,
    mode: u16,
    magic: u64,
    sb: u64,
}

impl Inode {
    #[inline(always)]
    pub fn at(at: u64) -> Self {
        let sb = ptr(at, F::InodeSb);
        Self { at, mode: get(at, F::InodeMode), magic: get(sb, F::SbMagic), sb }
    }

    #[inline(always)]
    pub fn ino(self) -> u64 {
        get(self.at, F::InodeIno)
    }

    /// Device as `stat` encodes it.
    #[inline(always)]
    pub fn dev(self) -> u32 {
        let dev: u32 = get(self.sb, F::SbDev);
        encode_dev(dev >> 20, dev & 0xf_ffff)
    }

    /// [`file_flags`] of an overlay's layer. The inode of an overlay carries its upper dentry right behind itself
    /// (`struct ovl_inode`, fs/overlayfs/ovl_entry.h); where the type is in a module its place follows from the inode's size.
    #[inline(always)]
    pub fn layer(self) -> u16 {
        if self.magic != OVERLAYFS_MAGIC {
            return 0;
        }
        let behind = if has(F::OvlInodeUpper) {
            field(F::OvlInodeUpper) - field(F::OvlInodeVfs)
        } else {
            field(F::InodeSize)
        };
        let upper: u64 = read(self.at + behind);
        if ptr(upper, F::DentryInode) != 0 {
            file_flags::UPPER_LAYER
        } else {
            file_flags::LOWER_LAYER
        }
    }

    #[inline(always)]
    pub fn is_memory_fs(self) -> bool {
        self.magic == TMPFS_MAGIC || self.magic == HUGETLBFS_MAGIC
    }

    #[inline(always)]
    pub fn kind(self) -> FileKind {
        if self.magic == ANON_INODE_MAGIC || self.magic == PID_FS_MAGIC {
            return FileKind::AnonInode;
        }
        match self.mode & S_IFMT {
            0o100_000 => FileKind::Regular,
            0o040_000 => FileKind::Directory,
            0o120_000 => FileKind::Symlink,
            0o020_000 => FileKind::CharDevice,
            0o060_000 => FileKind::BlockDevice,
            0o010_000 => FileKind::Fifo,
            0o140_000 => FileKind::Socket,
            _ => FileKind::Unknown,
        }
    }
}

/// What the name of an object starts with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// A place in the tree of mounts.
    Tree,
    /// A name without a place: memfd, pipe, anonymous inode.
    Pseudo,
}

/// A dentry that is its own parent and not the root of its mount has no place in the tree (`d_alloc_pseudo`).
#[inline(always)]
fn naming(place: Place) -> Naming {
    let parent = ptr(place.dentry, F::DentryParent);
    if parent == place.dentry && ptr(place.mnt, F::VfsmountRoot) != place.dentry {
        Naming::Pseudo
    } else {
        Naming::Tree
    }
}

impl Place {
    /// Whether it has a name in the tree of mounts.
    #[inline(always)]
    pub fn is_in_tree(self) -> bool {
        naming(self) == Naming::Tree && !is_unhashed(self.dentry)
    }
}

/// Whether a dentry has no name any more (`d_unlinked`).
#[inline(always)]
pub fn is_unhashed(dentry: u64) -> bool {
    has(F::DentryHashPprev)
        && ptr(dentry, F::DentryHashPprev) == 0
        && ptr(dentry, F::DentryParent) != dentry
}

impl File {
    #[inline(always)]
    fn inode(self) -> Inode {
        Inode::at(self.inode_at())
    }

    /// Address of the inode.
    #[inline(always)]
    pub fn inode_at(self) -> u64 {
        ptr(self.0, F::FileInode)
    }

    #[inline(always)]
    pub fn place(self) -> Place {
        Place::at(self.0 + field(F::FilePath))
    }

    #[inline(always)]
    pub fn ino(self) -> u64 {
        self.inode().ino()
    }

    #[inline(always)]
    pub fn ctime_ns(self) -> u64 {
        let inode = ptr(self.0, F::FileInode);
        get::<u64>(inode, F::InodeCtimeSec) * 1_000_000_000
            + u64::from(get::<u32>(inode, F::InodeCtimeNsec) & NSEC)
    }

    #[inline(always)]
    pub fn mtime_ns(self) -> u64 {
        let inode = ptr(self.0, F::FileInode);
        get::<u64>(inode, F::InodeMtimeSec) * 1_000_000_000
            + u64::from(get::<u32>(inode, F::InodeMtimeNsec) & NSEC)
    }

    #[inline(always)]
    fn is_memfd(self, inode: Inode) -> bool {
        if !inode.is_memory_fs() || naming(self.place()) != Naming::Pseudo {
            return false;
        }
        let name: u64 = read(ptr(self.place().dentry, F::DentryName));
        name & 0xffff_ffff_ffff == u64::from_le_bytes(*b"memfd:\0\0")
    }

    /// Exec's `flags` parameter.
    #[inline(always)]
    pub fn exec_flags(self, task: Task) -> u32 {
        if self.0 == 0 {
            return 0;
        }
        let inode = self.inode();
        let mut out = match inode.layer() {
            file_flags::UPPER_LAYER => EXE_UPPER_LAYER,
            file_flags::LOWER_LAYER => EXE_LOWER_LAYER,
            _ => 0,
        };
        if self.is_memfd(inode) {
            out |= EXE_FROM_MEMFD;
        }
        let cred = task.cred();
        let uid: u32 = get(cred, F::CredFsuid);
        let gid: u32 = get(cred, F::CredFsgid);
        let writable = (inode.mode & 0o200 != 0 && get::<u32>(inode.at, F::InodeUid) == uid)
            || (inode.mode & 0o020 != 0 && get::<u32>(inode.at, F::InodeGid) == gid)
            || inode.mode & 0o002 != 0
            || get::<u64>(cred, F::CredCapEffective) & CAP_DAC_OVERRIDE != 0;
        if writable {
            out |= EXE_WRITABLE;
        }
        out
    }

    /// Appends the path, with a NUL where it ends a parameter; gives [`file_flags`] of the path.
    #[inline(always)]
    pub fn append_path(self, rec: &mut Record, task: Task, nul: bool) -> u16 {
        if self.0 == 0 {
            return 0;
        }
        let memfd = self.is_memfd(self.inode());
        append_place(rec, self.place(), task, nul, memfd)
    }

    #[inline(always)]
    pub fn is_socket(self) -> bool {
        get::<u16>(ptr(self.0, F::FileInode), F::InodeMode) & S_IFMT == S_IFSOCK
    }

    /// Appends the `File` section of a descriptor that the call used.
    #[inline(always)]
    pub fn descriptor_section(self, rec: &mut Record, task: Task) {
        let inode = self.inode();
        self.section(rec, task, inode, inode.ino(), inode.dev(), inode.layer());
    }

    /// Appends the `File` section; `more_flags` are the layer and whether the call made the file.
    #[inline(always)]
    fn section(
        self,
        rec: &mut Record,
        task: Task,
        inode: Inode,
        ino: u64,
        dev: u32,
        more_flags: u16,
    ) {
        if self.0 == 0 {
            return;
        }
        let at = rec.section();
        let memfd = self.is_memfd(inode);
        fixed(rec, ino, dev, if memfd { FileKind::Memfd } else { inode.kind() });
        let path_flags = append_place(rec, self.place(), task, false, memfd);
        rec.patch16(at + 8 + 12, path_flags | more_flags);
        rec.end_section(SectionKind::File, at);
    }
}

/// The part of a file section before the path; its flags are patched once the path is known.
#[inline(always)]
fn fixed(rec: &mut Record, ino: u64, dev: u32, kind: FileKind) {
    rec.push64(ino);
    rec.push32(dev);
    rec.push16(0);
    rec.push16(kind as u16);
}

#[inline(always)]
fn append_place(rec: &mut Record, place: Place, task: Task, nul: bool, memfd: bool) -> u16 {
    let mut path = Backward::new(rec);
    if nul {
        path.byte(0);
    }
    let mut out = 0;
    if naming(place) == Naming::Pseudo {
        if memfd {
            out = file_flags::UNHASHED;
            path.deleted();
        }
        path.pseudo(place.dentry);
        if memfd {
            path.byte(b'/');
        }
    } else {
        if is_unhashed(place.dentry) {
            out = file_flags::UNHASHED;
            path.deleted();
        }
        out |= path.walk(place, task);
    }
    let (mut pos, mut len) = (path.pos, path.len());
    if len > rec.path_max {
        pos += len - rec.path_max;
        len = rec.path_max;
        out |= file_flags::PATH_CUT;
    }
    rec.append_path(pos, len);
    out
}

/// The `Dir` or `Dir2` section: where a relative path starts.
#[inline(always)]
pub fn dir_section(rec: &mut Record, task: Task, dirfd: i64, kind: SectionKind) {
    let place = if dirfd == AT_FDCWD {
        Place::cwd_of(task)
    } else {
        let file = file_of(task, dirfd);
        if file.0 == 0 {
            return;
        }
        file.place()
    };
    let inode = Inode::at(ptr(place.dentry, F::DentryInode));
    let at = rec.section();
    fixed(rec, inode.ino(), inode.dev(), inode.kind());
    let path_flags = append_place(rec, place, task, false, false);
    rec.patch16(at + 8 + 12, path_flags | inode.layer());
    rec.end_section(kind, at);
}

/// Open flags as the schema has them.
#[inline(always)]
fn open_flags(kernel: u32) -> u32 {
    let mut out = match kernel & 3 {
        1 => 2,
        2 => 3,
        _ => 1,
    };
    let mut i = 0;
    while i < OPEN_FLAGS.len() {
        let (k, p) = OPEN_FLAGS[i];
        if kernel & k != 0 {
            out |= p;
        }
        i += 1;
    }
    if kernel & O_DIRECTORY != 0 {
        out |= PPM_O_DIRECTORY;
    }
    if kernel & O_SYNC_BIT != 0 {
        out |= PPM_O_SYNC;
    }
    if kernel & O_TMPFILE_BIT != 0 {
        out |= PPM_O_TMPFILE;
    }
    out
}

/// The mode, 0 where the flags make no file.
#[inline(always)]
fn open_mode(kernel: u32, mode: u32) -> u32 {
    if kernel & (O_CREAT | O_TMPFILE_BIT) != 0 { mode & 0o7777 } else { 0 }
}

/// What an open returned: its file and the bits that go into the flags parameter.
struct Opened {
    file: File,
    inode: Inode,
    ino: u64,
    dev: u32,
    file_flags: u16,
    bits: u32,
}

#[inline(always)]
fn opened(task: Task, ret: i64) -> Opened {
    let file = file_of(task, ret);
    let inode = file.inode();
    let mut bits = 0;
    let mut file_flags = inode.layer();
    match file_flags {
        file_flags::UPPER_LAYER => bits |= PPM_FD_UPPER_LAYER,
        file_flags::LOWER_LAYER => bits |= PPM_FD_LOWER_LAYER,
        _ => {}
    }
    if get::<u32>(file.0, F::FileMode) & FMODE_CREATED != 0 {
        bits |= PPM_O_F_CREATED;
        file_flags |= file_flags::CREATED;
    }
    Opened { file, inode, ino: inode.ino(), dev: inode.dev(), file_flags, bits }
}

/// Whether a path of the process is relative; an unreadable one is not.
#[inline(always)]
pub fn is_relative(name: u64) -> bool {
    matches!(read_user::<u8>(name), Some(c) if c != b'/')
}

#[inline(always)]
fn finish(mut rec: Record, call: Call, task: Task, opened: &Opened, name: u64, dirfd: i64) {
    rec.begin_trailer();
    if call.ret >= 0 {
        let Opened { file, inode, ino, dev, file_flags, .. } = *opened;
        file.section(&mut rec, task, inode, ino, dev, file_flags);
    }
    if is_relative(name) {
        dir_section(&mut rec, task, dirfd, SectionKind::Dir);
    }
    rec.submit::<true>(&task.who_is_current());
}

#[inline(always)]
fn begin(
    cpu: Cpu,
    call: Call,
    ty: EventType,
    n_params: u16,
) -> Option<(Record, Call, Task, Opened)> {
    let task = Task::current();
    let mut rec = Record::begin(cpu, ty, n_params)?;
    rec.flags |= call.abi;
    rec.advance(0);
    rec.i64(0, call.ret);
    let opened = opened(task, call.ret);
    Some((rec, call, task, opened))
}

/// Whether no rule can match an open; its flags are the kernel's.
#[inline(always)]
fn rejects(cpu: Cpu, ty: EventType, ret: i64, kernel: u32, name: u64, dirfd: i64) -> bool {
    let may_create = kernel & (O_CREAT | O_TMPFILE_BIT) != 0;
    filter::rejects_open(
        cpu,
        &Opening { ty, ret, flags: open_flags(kernel), may_create, name, dirfd },
    )
}

/// What an open asks for; the flags are the kernel's.
struct Asked {
    dirfd: i64,
    name: u64,
    flags: u32,
    mode: u32,
    resolve: u32,
}

impl Asked {
    /// `openat(dirfd, name, flags, mode)`, `open(name, flags, mode)`, `creat(name, mode)`, and `openat2(dirfd, name, how, size)`, where
    /// `struct open_how` is `u64 flags, u64 mode, u64 resolve`.
    #[inline(always)]
    fn by(call: Call, ty: EventType) -> Self {
        let (dirfd, resolve) = (Call::fd(call.a0()), 0);
        if ty == EventType::OPENAT_2_X {
            let (flags, mode) = (call.a2() as u32, call.a3() as u32);
            return Self { dirfd, name: call.a1(), flags, mode, resolve };
        }
        if ty == EventType::OPENAT2_X {
            let how = call.a2();
            let word = |n: u64| read_user::<u64>(how + 8 * n).unwrap_or(0) as u32;
            return Self {
                dirfd,
                name: call.a1(),
                flags: word(0),
                mode: word(1),
                resolve: word(2),
            };
        }
        let (dirfd, name) = (AT_FDCWD, call.a0());
        if ty == EventType::CREAT_X {
            return Self { dirfd, name, flags: CREAT_FLAGS, mode: call.a1() as u32, resolve };
        }
        Self { dirfd, name, flags: call.a1() as u32, mode: call.a2() as u32, resolve }
    }
}

/// The four opens by name: what they differ in is little beside what the verifier follows for each program.
#[inline(always)]
pub fn open(ctx: Ctx) -> Option<()> {
    let (cpu, call) = (Cpu::current()?, Call::at_exit(ctx));
    let Asked { dirfd, name, flags, mode, resolve } = Asked::by(call, cpu.event_type());
    if rejects(cpu, cpu.event_type(), call.ret, flags, name, dirfd) {
        return None;
    }
    let ty = cpu.event_type();
    let n_params = match ty {
        EventType::OPENAT_2_X => 7,
        EventType::OPENAT2_X => 8,
        _ => 6,
    };
    let (mut rec, call, task, opened) = begin(cpu, call, ty, n_params)?;
    // From here on the verifier need not keep apart what they take their arguments from.
    let (dirfd, flags) = (rec.forget(dirfd as u64) as i64, rec.forget(flags.into()) as u32);
    let schema_flags = open_flags(flags) | opened.bits;
    let schema_mode = open_mode(flags, mode);
    match cpu.event_type() {
        EventType::OPENAT_2_X => {
            rec.i64(1, dirfd);
            rec.user_str(2, name);
            rec.u32(3, schema_flags);
            rec.u32(4, schema_mode);
            rec.u32(5, opened.dev);
            rec.u64(6, opened.ino);
        }
        EventType::OPENAT2_X => {
            rec.i64(1, dirfd);
            rec.user_str(2, name);
            rec.u32(3, schema_flags);
            rec.u32(4, schema_mode);
            rec.u32(5, resolve_flags(resolve));
            rec.u32(6, opened.dev);
            rec.u64(7, opened.ino);
        }
        EventType::CREAT_X => {
            rec.user_str(1, name);
            rec.u32(2, schema_mode);
            rec.u32(3, opened.dev);
            rec.u64(4, opened.ino);
            rec.u16(5, (opened.bits >> 15 & 3) as u16);
        }
        _ => {
            rec.user_str(1, name);
            rec.u32(2, schema_flags);
            rec.u32(3, schema_mode);
            rec.u32(4, opened.dev);
            rec.u64(5, opened.ino);
        }
    }
    rec.advance(0);
    finish(rec, call, task, &opened, name, dirfd);
    None
}

/// Kernel: NO_XDEV 1, NO_MAGICLINKS 2, NO_SYMLINKS 4, BENEATH 8, IN_ROOT 0x10, CACHED 0x20.
#[inline(always)]
fn resolve_flags(kernel: u32) -> u32 {
    (kernel & 1) << 4
        | (kernel >> 1 & 1) << 2
        | (kernel >> 2 & 1) << 3
        | kernel >> 3 & 1
        | (kernel >> 4 & 1) << 1
        | kernel & 0x20
}

/// `open_by_handle_at(mountfd, handle, flags)`: the caller names no path, so the parameter has the kernel's.
#[inline(always)]
pub fn open_by_handle_at(ctx: Ctx) -> Option<()> {
    let (cpu, call) = (Cpu::current()?, Call::at_exit(ctx));
    let (ty, flags) = (EventType::OPEN_BY_HANDLE_AT_X, call.a2() as u32);
    if rejects(cpu, ty, call.ret, flags, 0, AT_FDCWD) {
        return None;
    }
    let (mut rec, call, task, opened) = begin(cpu, call, ty, 6)?;
    rec.i64(1, Call::fd(call.a0()));
    rec.u32(2, open_flags(flags) | opened.bits);
    let mark = rec.mark();
    if call.ret >= 0 {
        opened.file.append_path(&mut rec, task, true);
    }
    rec.end_from(3, mark);
    rec.u32(4, opened.dev);
    rec.u64(5, opened.ino);
    rec.begin_trailer();
    if call.ret >= 0 {
        let Opened { file, inode, ino, dev, file_flags, .. } = opened;
        file.section(&mut rec, task, inode, ino, dev, file_flags);
    }
    rec.submit::<true>(&task.who_is_current());
    None
}

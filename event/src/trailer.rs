//! The trailer of a frame: facts that the parameters of the schema have no room for. A live frame has them from the kernel, one out of a
//! savefile from what the file told before it.
//!
//! A section is `u16 kind, u16 body length, u32 zero, body, padding to 8`. Unknown kinds are skipped, so a newer kernel object and an
//! older agent understand each other.

use crate::{
    DescriptorFacts, FrameError, OpenKinds, ResourceFacts, TaskFacts, ThreadFacts, descriptor_flags,
};

const SECTION_HEAD: usize = 8;

/// Kind numbers of sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum SectionKind {
    /// [`FileFacts`] of the descriptor that the call returned or used, with the kernel's path.
    File = 1,
    /// [`FileFacts`] of the directory that a relative path starts from (working directory or directory descriptor).
    Dir = 2,
    /// [`SockFacts`] of the socket that the call used.
    Sock = 3,
    /// [`CreatorFacts`] of a fork.
    Creator = 4,
    /// [`ExitFacts`] of a process exit.
    Exit = 5,
    /// [`ProcFacts`] of an exec, a fork or a seed.
    Proc = 6,
    /// [`FileFacts`] of the directory that the second relative path of a call starts from.
    Dir2 = 7,
    /// [`DescriptorFacts`], from savefiles only. The first is of the descriptor that the call returned or used (it says so); the others are
    /// of the further descriptors that its parameters name.
    Descriptor = 8,
    /// [`ThreadFacts`], from savefiles only: of the thread that made the event.
    Thread = 9,
    /// [`TaskFacts`], from savefiles only: of a thread or process that a parameter names.
    Task = 10,
    /// [`ResourceFacts`], from savefiles only: what the event's thread and its process use.
    Resources = 11,
    /// [`OpenKinds`], from savefiles only: the kinds of all descriptors of the process.
    OpenKinds = 12,
    /// [`Trailer::mark`] of a fork or an exec.
    Mark = 13,
}

/// One section, not yet decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section<'a> {
    /// A [`SectionKind`] number, or one that this build does not know.
    pub kind: u16,
    /// The body without padding.
    pub body: &'a [u8],
}

/// The sections of one frame.
#[derive(Clone, Copy, Debug)]
pub struct Trailer<'a>(&'a [u8]);

fn split_section(bytes: &[u8]) -> Option<(Section<'_>, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<SECTION_HEAD>()?;
    let kind = u16::from_le_bytes([head[0], head[1]]);
    let len = usize::from(u16::from_le_bytes([head[2], head[3]]));
    let body = rest.get(..len)?;
    let rest = rest.get(len.next_multiple_of(8)..)?;
    Some((Section { kind, body }, rest))
}

impl<'a> Trailer<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    #[inline]
    pub(crate) fn check(mut bytes: &[u8]) -> Result<(), FrameError> {
        while !bytes.is_empty() {
            bytes = split_section(bytes).ok_or(FrameError::BadTrailer)?.1;
        }
        Ok(())
    }

    /// Every section in order.
    pub fn sections(self) -> impl Iterator<Item = Section<'a>> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let (section, tail) = split_section(rest)?;
            rest = tail;
            Some(section)
        })
    }

    fn body(self, kind: SectionKind) -> Option<&'a [u8]> {
        self.sections().find(|s| s.kind == kind as u16).map(|s| s.body)
    }

    /// The descriptor's file.
    #[must_use]
    pub fn file(self) -> Option<FileFacts<'a>> {
        FileFacts::from_bytes(self.body(SectionKind::File)?)
    }

    /// The directory a relative path starts from.
    #[must_use]
    pub fn dir(self) -> Option<FileFacts<'a>> {
        FileFacts::from_bytes(self.body(SectionKind::Dir)?)
    }

    /// The directory the second relative path starts from.
    #[must_use]
    pub fn dir2(self) -> Option<FileFacts<'a>> {
        FileFacts::from_bytes(self.body(SectionKind::Dir2)?)
    }

    /// The socket.
    #[must_use]
    pub fn sock(self) -> Option<SockFacts<'a>> {
        SockFacts::from_bytes(self.body(SectionKind::Sock)?)
    }

    /// What the history of a savefile tells of the descriptor that the call returned or used.
    #[must_use]
    pub fn descriptor(self) -> Option<DescriptorFacts<'a>> {
        DescriptorFacts::from_bytes(self.body(SectionKind::Descriptor)?)
            .filter(|d| d.flags & descriptor_flags::OWN != 0)
    }

    /// The same of every descriptor that the call names.
    pub fn descriptors(self) -> impl Iterator<Item = DescriptorFacts<'a>> {
        self.sections()
            .filter(|s| s.kind == SectionKind::Descriptor as u16)
            .filter_map(|s| DescriptorFacts::from_bytes(s.body))
    }

    /// The name of a thread, where the frame tells it.
    #[must_use]
    pub fn comm_of(self, tid: u32) -> Option<&'a [u8]> {
        self.sections()
            .filter(|s| s.kind == SectionKind::Task as u16)
            .filter_map(|s| TaskFacts::from_bytes(s.body))
            .find(|task| task.tid == tid)
            .map(|task| task.comm)
    }

    /// What a savefile tells of the event's thread.
    #[must_use]
    pub fn thread(self) -> Option<ThreadFacts<'a>> {
        ThreadFacts::from_bytes(self.body(SectionKind::Thread)?)
    }

    /// What a savefile tells of what the event's thread and its process use.
    #[must_use]
    pub fn resources(self) -> Option<ResourceFacts<'a>> {
        ResourceFacts::from_bytes(self.body(SectionKind::Resources)?)
    }

    /// The kinds of all descriptors of the event's process, by a savefile.
    #[must_use]
    pub fn open_kinds(self) -> Option<OpenKinds<'a>> {
        Some(OpenKinds(self.body(SectionKind::OpenKinds)?))
    }

    /// Who forked.
    #[must_use]
    pub fn creator(self) -> Option<CreatorFacts> {
        CreatorFacts::from_bytes(self.body(SectionKind::Creator)?)
    }

    /// Who inherits the children of a dead process.
    #[must_use]
    pub fn exit(self) -> Option<ExitFacts> {
        ExitFacts::from_bytes(self.body(SectionKind::Exit)?)
    }

    /// The stamp ([`crate::mark`]) of a fork that made a process, or of an exec.
    #[must_use]
    pub fn mark(self) -> Option<u64> {
        let bytes = self.body(SectionKind::Mark)?.first_chunk()?;
        Some(u64::from_le_bytes(*bytes)).filter(|&stamp| stamp != 0)
    }

    /// Ids of the process.
    #[must_use]
    pub fn proc(self) -> Option<ProcFacts> {
        ProcFacts::from_bytes(self.body(SectionKind::Proc)?)
    }
}

/// What kind of object a descriptor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FileKind {
    /// Not told apart.
    Unknown = 0,
    /// Regular file.
    Regular = 1,
    /// Directory.
    Directory = 2,
    /// Symbolic link (`O_PATH | O_NOFOLLOW`).
    Symlink = 3,
    /// Character device.
    CharDevice = 4,
    /// Block device.
    BlockDevice = 5,
    /// Pipe or FIFO.
    Fifo = 6,
    /// Socket.
    Socket = 7,
    /// Anonymous memory file.
    Memfd = 8,
    /// Anonymous inode (eventfd, epoll, timerfd, ...); the path is its name.
    AnonInode = 9,
}

impl FileKind {
    fn from_u8(n: u8) -> Self {
        match n {
            1 => Self::Regular,
            2 => Self::Directory,
            3 => Self::Symlink,
            4 => Self::CharDevice,
            5 => Self::BlockDevice,
            6 => Self::Fifo,
            7 => Self::Socket,
            8 => Self::Memfd,
            9 => Self::AnonInode,
            _ => Self::Unknown,
        }
    }
}

/// Bits of [`FileFacts::flags`].
pub mod file_flags {
    /// The object lies outside the task's root; the path is the host's.
    pub const OUTSIDE_ROOT: u16 = 1;
    /// The name was removed; the path ends in ` (deleted)`.
    pub const UNHASHED: u16 = 1 << 1;
    /// The path was cut at the front: its tail is kept.
    pub const PATH_CUT: u16 = 1 << 2;
    /// Lives in the upper (writable) layer of an overlay.
    pub const UPPER_LAYER: u16 = 1 << 3;
    /// Lives in a lower layer of an overlay.
    pub const LOWER_LAYER: u16 = 1 << 4;
    /// The open created the file (`FMODE_CREATED`).
    pub const CREATED: u16 = 1 << 5;
    /// A walk met its bound before it reached a root.
    pub const UNRESOLVED: u16 = 1 << 6;
}

/// Identity of an opened file or a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileFacts<'a> {
    /// Inode number.
    pub ino: u64,
    /// Device, as `stat` encodes it in 32 bits (`new_encode_dev`).
    pub dev: u32,
    /// See [`file_flags`].
    pub flags: u16,
    /// Kind of object.
    pub kind: FileKind,
    /// The kernel's path, without NUL.
    pub path: &'a [u8],
}

impl<'a> FileFacts<'a> {
    /// Bytes before the path.
    pub const FIXED_LEN: usize = 16;

    fn from_bytes(b: &'a [u8]) -> Option<Self> {
        let (fixed, path) = b.split_first_chunk::<{ FileFacts::FIXED_LEN }>()?;
        Some(Self {
            ino: le64(fixed, 0),
            dev: le32(fixed, 8),
            flags: le16(fixed, 12),
            kind: FileKind::from_u8(fixed[14]),
            path,
        })
    }

    /// The part before the path: `u64 ino, u32 dev, u16 flags, u8 kind, u8 zero`.
    #[must_use]
    pub fn fixed_bytes(&self) -> [u8; FileFacts::FIXED_LEN] {
        let mut b = [0; FileFacts::FIXED_LEN];
        b[0..8].copy_from_slice(&self.ino.to_le_bytes());
        b[8..12].copy_from_slice(&self.dev.to_le_bytes());
        b[12..14].copy_from_slice(&self.flags.to_le_bytes());
        b[14] = self.kind as u8;
        b
    }
}

/// Bits of [`SockFacts::flags`].
pub mod sock_flags {
    /// The remote end is the socket's own peer, not only an address that the call passed, and the connection is made.
    pub const CONNECTED: u8 = 1;
    /// The socket listens.
    pub const LISTENING: u8 = 1 << 1;
    /// The socket was accepted: the local end is the server.
    pub const ACCEPTED: u8 = 1 << 2;
    /// The process is the client: it connected, or sent before it received on an unconnected datagram socket.
    pub const CLIENT: u8 = 1 << 3;
    /// The process is the server: it accepted, listens, or received before it sent on an unconnected datagram socket.
    pub const SERVER: u8 = 1 << 4;
    /// The other end is another one than at the last captured call on the socket.
    pub const PEER_CHANGED: u8 = 1 << 5;
}

/// Identity of a socket. Addresses are in network order, IPv4 in the first four bytes; ports in host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SockFacts<'a> {
    /// The kernel's socket cookie, 0 where it was never given.
    pub cookie: u64,
    /// `AF_*`.
    pub family: u16,
    /// `SOCK_*`.
    pub ty: u16,
    /// `IPPROTO_*`.
    pub proto: u16,
    /// Local port.
    pub local_port: u16,
    /// Remote port.
    pub remote_port: u16,
    /// TCP state number.
    pub state: u8,
    /// See [`sock_flags`].
    pub flags: u8,
    /// Local address.
    pub local: [u8; 16],
    /// Remote address.
    pub remote: [u8; 16],
    /// Path of a Unix socket (bound name, else the peer's), without NUL.
    pub path: &'a [u8],
}

impl<'a> SockFacts<'a> {
    /// Bytes before the path.
    pub const FIXED_LEN: usize = 56;

    fn from_bytes(b: &'a [u8]) -> Option<Self> {
        let (fixed, path) = b.split_first_chunk::<{ SockFacts::FIXED_LEN }>()?;
        Some(Self {
            cookie: le64(fixed, 0),
            family: le16(fixed, 8),
            ty: le16(fixed, 10),
            proto: le16(fixed, 12),
            local_port: le16(fixed, 14),
            remote_port: le16(fixed, 16),
            state: fixed[18],
            flags: fixed[19],
            local: *fixed[24..40].as_array()?,
            remote: *fixed[40..56].as_array()?,
            path,
        })
    }

    /// The part before the path: `u64 cookie, u16 family, type, protocol, local port, remote port, u8 state, flags, u32 zero,
    /// local[16], remote[16]`.
    #[must_use]
    pub fn fixed_bytes(&self) -> [u8; SockFacts::FIXED_LEN] {
        let mut b = [0; SockFacts::FIXED_LEN];
        b[0..8].copy_from_slice(&self.cookie.to_le_bytes());
        b[8..10].copy_from_slice(&self.family.to_le_bytes());
        b[10..12].copy_from_slice(&self.ty.to_le_bytes());
        b[12..14].copy_from_slice(&self.proto.to_le_bytes());
        b[14..16].copy_from_slice(&self.local_port.to_le_bytes());
        b[16..18].copy_from_slice(&self.remote_port.to_le_bytes());
        b[18] = self.state;
        b[19] = self.flags;
        b[24..40].copy_from_slice(&self.local);
        b[40..56].copy_from_slice(&self.remote);
        b
    }
}

/// Who made a new process or thread. The child's own ids are those of the frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreatorFacts {
    /// Thread that called fork or clone.
    pub creator_tid: u32,
    /// Its process.
    pub creator_tgid: u32,
    /// Its process's start, boot-clock ns.
    pub creator_start_ns: u64,
    /// Process of the child's real parent (differs from the creator with `CLONE_PARENT`).
    pub parent_tgid: u32,
    /// Its start, boot-clock ns.
    pub parent_start_ns: u64,
}

impl CreatorFacts {
    /// Size in bytes.
    pub const LEN: usize = 32;

    fn from_bytes(b: &[u8]) -> Option<Self> {
        let b = b.first_chunk::<{ Self::LEN }>()?;
        Some(Self {
            creator_tid: le32(b, 0),
            creator_tgid: le32(b, 4),
            creator_start_ns: le64(b, 8),
            parent_tgid: le32(b, 16),
            parent_start_ns: le64(b, 24),
        })
    }

    /// `u32 creator tid, u32 creator tgid, u64 creator start, u32 parent tgid, u32 zero, u64 parent start`.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut b = [0; Self::LEN];
        b[0..4].copy_from_slice(&self.creator_tid.to_le_bytes());
        b[4..8].copy_from_slice(&self.creator_tgid.to_le_bytes());
        b[8..16].copy_from_slice(&self.creator_start_ns.to_le_bytes());
        b[16..20].copy_from_slice(&self.parent_tgid.to_le_bytes());
        b[24..32].copy_from_slice(&self.parent_start_ns.to_le_bytes());
        b
    }
}

/// Who inherits the children of a process whose last thread left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitFacts {
    /// Process of the reaper, 0 where unknown.
    pub reaper_tgid: u32,
    /// Its start, boot-clock ns.
    pub reaper_start_ns: u64,
}

impl ExitFacts {
    /// Size in bytes.
    pub const LEN: usize = 16;

    fn from_bytes(b: &[u8]) -> Option<Self> {
        let b = b.first_chunk::<{ Self::LEN }>()?;
        Some(Self { reaper_tgid: le32(b, 0), reaper_start_ns: le64(b, 8) })
    }

    /// `u32 reaper tgid, u32 zero, u64 reaper start`.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut b = [0; Self::LEN];
        b[0..4].copy_from_slice(&self.reaper_tgid.to_le_bytes());
        b[8..16].copy_from_slice(&self.reaper_start_ns.to_le_bytes());
        b
    }
}

/// Ids of a process that the schema's parameters lack, all as the initial pid namespace sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcFacts {
    /// Session id.
    pub sid: u32,
    /// Process group id.
    pub pgid: u32,
    /// Process of the real parent.
    pub parent_tgid: u32,
    /// Process id in its own pid namespace.
    pub vpid: u32,
    /// Start of the parent, boot-clock ns, 0 where unknown.
    pub parent_start_ns: u64,
}

impl ProcFacts {
    /// Size in bytes.
    pub const LEN: usize = 24;

    fn from_bytes(b: &[u8]) -> Option<Self> {
        let b = b.first_chunk::<{ Self::LEN }>()?;
        Some(Self {
            sid: le32(b, 0),
            pgid: le32(b, 4),
            parent_tgid: le32(b, 8),
            vpid: le32(b, 12),
            parent_start_ns: le64(b, 16),
        })
    }

    /// `u32 sid, u32 pgid, u32 parent tgid, u32 vpid, u64 parent start`.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut b = [0; Self::LEN];
        b[0..4].copy_from_slice(&self.sid.to_le_bytes());
        b[4..8].copy_from_slice(&self.pgid.to_le_bytes());
        b[8..12].copy_from_slice(&self.parent_tgid.to_le_bytes());
        b[12..16].copy_from_slice(&self.vpid.to_le_bytes());
        b[16..24].copy_from_slice(&self.parent_start_ns.to_le_bytes());
        b
    }
}

fn le16(b: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([b[at], b[at + 1]])
}

fn le32(b: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
}

fn le64(b: &[u8], at: usize) -> u64 {
    u64::from(le32(b, at)) | u64::from(le32(b, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_that_overruns_is_refused() {
        let mut bytes = std::vec![0u8; 16];
        bytes[2] = 9;
        assert_eq!(Trailer::check(&bytes), Err(FrameError::BadTrailer));
        bytes[2] = 8;
        assert_eq!(Trailer::check(&bytes), Ok(()));
    }

    #[test]
    fn facts_round_trip() {
        let sock = SockFacts {
            cookie: 1,
            family: 2,
            ty: 1,
            proto: 6,
            local_port: 40000,
            remote_port: 443,
            state: 1,
            flags: sock_flags::CONNECTED,
            local: [1; 16],
            remote: [2; 16],
            path: b"",
        };
        assert_eq!(SockFacts::from_bytes(&sock.fixed_bytes()), Some(sock));
        let proc = ProcFacts { sid: 1, pgid: 2, parent_tgid: 3, vpid: 4, parent_start_ns: 5 << 40 };
        assert_eq!(ProcFacts::from_bytes(&proc.to_bytes()), Some(proc));
        let creator = CreatorFacts {
            creator_tid: 1,
            creator_tgid: 2,
            creator_start_ns: 3 << 40,
            parent_tgid: 4,
            parent_start_ns: 5 << 40,
        };
        assert_eq!(CreatorFacts::from_bytes(&creator.to_bytes()), Some(creator));
        let file = FileFacts {
            ino: 7 << 40,
            dev: 0xfe00_0001,
            flags: file_flags::UPPER_LAYER,
            kind: FileKind::Regular,
            path: b"",
        };
        assert_eq!(FileFacts::from_bytes(&file.fixed_bytes()), Some(file));
    }
}

//! Calls without state of their own: what each parameter means is taken from the event table once, so that no call needs code.

use std::sync::LazyLock;

use event::{
    Direction, EF_CREATES_FD, EF_DESTROYS_FD, EF_USES_FD, EventInfo, EventType, FileFacts, Frame,
    N_EVENT_TYPES, ParamType, SockAddr, SockTuple,
};

use super::network::{Role, Socket};
use super::{i64_of, params, text, u32_of};

/// Parameters that are looked at; the calls parsed here have no more.
const MAX_PARAMS: usize = 10;
/// No such parameter.
const NONE: u8 = u8::MAX;
/// `PPM_AT_FDCWD`: the name starts from the working directory.
const AT_FDCWD: i64 = -100;

/// What kind of object a descriptor is, as `fd.type` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of `fd.type`")]
pub enum FdKind {
    File,
    Directory,
    Pipe,
    Event,
    Signalfd,
    Eventpoll,
    Inotify,
    Timerfd,
    Bpf,
    Userfaultfd,
    IoUring,
    Memfd,
    Pidfd,
    /// One that the schema does not tell.
    Unsupported,
}

/// Which names of a call the `fs.path` fields give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FsPaths {
    /// None.
    None,
    /// One name.
    Name,
    /// The name of the descriptor.
    Descriptor,
    /// Two names: indices of source and target.
    Pair(usize, usize),
}

/// What a call changes of its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named like the calls")]
pub enum Change {
    Chdir,
    Fchdir,
    Setsid,
    Setpgid,
    /// The effective user id is the parameter.
    User(usize),
    /// The effective group id is the parameter.
    Group(usize),
    Capset,
}

/// Where a type of event has what.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The descriptor that the call makes or uses.
    fd: u8,
    /// The descriptor is what the call returns.
    makes_fd: bool,
    /// The descriptor is the directory that the first name starts from.
    is_dirfd: bool,
    /// Names, and the directory descriptor of each.
    paths: [u8; 2],
    dirfds: [u8; 2],
    data: u8,
    tuple: u8,
    addr: u8,
    /// The tuple's source is the peer.
    is_inbound: bool,
    /// Kind of the descriptor that the call makes, where the call alone tells it.
    pub made: Option<FdKind>,
    /// Names that `fs.path` gives.
    pub fs: FsPaths,
    /// What the call changes of its process.
    pub change: Option<Change>,
}

impl Shape {
    const EMPTY: Self = Self {
        fd: NONE,
        makes_fd: false,
        is_dirfd: false,
        paths: [NONE; 2],
        dirfds: [NONE; 2],
        data: NONE,
        tuple: NONE,
        addr: NONE,
        is_inbound: false,
        made: None,
        fs: FsPaths::None,
        change: None,
    };

    fn of(ty: EventType, info: &EventInfo) -> Self {
        let at = |name: &str| index(info.params.iter().position(|p| p.name == name));
        let of_type = |ty| index(info.params.iter().position(|p| p.ty == ty));
        let mut shape = Self {
            data: at("data"),
            tuple: of_type(ParamType::SockTuple),
            addr: of_type(ParamType::SockAddr),
            is_inbound: info.name.starts_with("recv") || info.name.starts_with("accept"),
            made: made_kind(ty),
            change: change(ty),
            ..Self::EMPTY
        };
        let mut n_paths = 0;
        for (n, param) in info.params.iter().enumerate().take(MAX_PARAMS) {
            let is_path = matches!(param.ty, ParamType::FsPath | ParamType::FsRelPath);
            if is_path && n_paths < 2 {
                shape.paths[n_paths] = n as u8;
                if param.ty == ParamType::FsRelPath {
                    // The table puts the directory's descriptor right before the name.
                    shape.dirfds[n_paths] = index(n.checked_sub(1));
                }
                n_paths += 1;
            }
        }
        match ty {
            // What a link points to, a device and a new working directory are no paths for the schema.
            EventType::SYMLINK_X | EventType::SYMLINKAT_X => shape.paths[1] = at("target"),
            EventType::MOUNT_X => shape.paths[1] = at("dev"),
            EventType::CHDIR_X => shape.paths[0] = at("path"),
            _ => {}
        }
        shape.fs = match ty {
            EventType::FCHMOD_X | EventType::FCHOWN_X => FsPaths::Descriptor,
            EventType::CHDIR_X => FsPaths::None,
            // Looking is not touching.
            _ if matches!(
                info.name,
                "stat" | "lstat" | "stat64" | "lstat64" | "newfstatat" | "access"
            ) =>
            {
                FsPaths::None
            }
            // As Falco has it: the source of a link is what is made. A mount has its device as the second name.
            EventType::LINK_2_X | EventType::LINKAT_2_X | EventType::MOUNT_X => FsPaths::Pair(1, 0),
            _ if shape.paths[1] != NONE => FsPaths::Pair(0, 1),
            _ if shape.paths[0] != NONE => FsPaths::Name,
            _ => FsPaths::None,
        };
        if info.flags & EF_CREATES_FD != 0 {
            let pair = at("fd1");
            shape.makes_fd = pair == NONE;
            shape.fd = if shape.makes_fd { 0 } else { pair };
        } else if info.flags & (EF_USES_FD | EF_DESTROYS_FD) != 0 {
            let named = ["fd", "fd_out", "out_fd", "fdin"].into_iter().map(at);
            let first = of_type(ParamType::Fd);
            shape.fd = named.into_iter().find(|&n| n != NONE).unwrap_or(first);
            shape.is_dirfd = shape.fd != NONE && shape.fd == shape.dirfds[0];
        }
        shape
    }

    /// The shape of a type. O(1).
    pub(super) fn get(ty: EventType) -> &'static Self {
        static SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| {
            let shape = |n| {
                let ty = EventType(n);
                ty.info().map_or(Shape::EMPTY, |info| Shape::of(ty, info))
            };
            (0..N_EVENT_TYPES as u16).map(shape).collect()
        });
        SHAPES.get(usize::from(ty.0)).unwrap_or(&Self::EMPTY)
    }

    /// The parameter that is the call's descriptor.
    pub(crate) fn fd_param(&self) -> Option<usize> {
        (self.fd != NONE).then_some(usize::from(self.fd))
    }

    /// Whether a name starts from a directory's descriptor.
    pub(crate) fn name_from_dirfd(&self) -> bool {
        self.dirfds[0] != NONE
    }

    /// Whether both names start from a directory's descriptor each.
    pub(crate) fn is_renaming(&self) -> bool {
        self.dirfds[1] != NONE
    }

    /// Which of the two names starts from the directory whose descriptor is parameter `n`.
    pub(crate) fn name_from(&self, n: usize) -> Option<usize> {
        self.dirfds.iter().position(|&d| usize::from(d) == n)
    }
}

fn index(n: Option<usize>) -> u8 {
    n.and_then(|n| u8::try_from(n).ok()).filter(|&n| usize::from(n) < MAX_PARAMS).unwrap_or(NONE)
}

fn made_kind(ty: EventType) -> Option<FdKind> {
    Some(match ty {
        EventType::PIPE_X | EventType::PIPE2_X => FdKind::Pipe,
        EventType::EVENTFD_X | EventType::EVENTFD2_X => FdKind::Event,
        EventType::SIGNALFD_X | EventType::SIGNALFD4_X => FdKind::Signalfd,
        EventType::EPOLL_CREATE_X | EventType::EPOLL_CREATE1_X => FdKind::Eventpoll,
        EventType::INOTIFY_INIT_X | EventType::INOTIFY_INIT1_X => FdKind::Inotify,
        EventType::TIMERFD_CREATE_X => FdKind::Timerfd,
        EventType::BPF_2_X => FdKind::Bpf,
        EventType::USERFAULTFD_X => FdKind::Userfaultfd,
        EventType::IO_URING_SETUP_X => FdKind::IoUring,
        EventType::MEMFD_CREATE_X => FdKind::Memfd,
        EventType::PIDFD_OPEN_X => FdKind::Pidfd,
        _ => return None,
    })
}

fn change(ty: EventType) -> Option<Change> {
    Some(match ty {
        EventType::CHDIR_X => Change::Chdir,
        // A recording's getcwd says where the process is, and its frame says it as fchdir's does.
        EventType::FCHDIR_X | EventType::GETCWD_X => Change::Fchdir,
        EventType::SETSID_X => Change::Setsid,
        EventType::SETPGID_X => Change::Setpgid,
        EventType::SETUID_X => Change::User(1),
        EventType::SETREUID_X | EventType::SETRESUID_X => Change::User(2),
        EventType::SETGID_X => Change::Group(1),
        EventType::SETREGID_X | EventType::SETRESGID_X => Change::Group(2),
        EventType::CAPSET_X => Change::Capset,
        _ => return None,
    })
}

/// A call.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Where its type has what.
    pub shape: &'static Shape,
    /// Result of the call, where the type has one.
    pub res: Option<i64>,
    /// The descriptor that was made or used; negative where none was made.
    pub fd: Option<i64>,
    /// The names that the process passed, each `None` where there is none or it could not be read.
    pub paths: [Option<&'a [u8]>; 2],
    /// The directory descriptor that each name starts from; `None` is the working directory.
    pub dirfds: [Option<i64>; 2],
    /// The bytes that were read or written, as far as they were copied.
    pub data: Option<&'a [u8]>,
    /// The descriptor's file; live frames only.
    pub file: Option<FileFacts<'a>>,
    /// The directory that each relative name starts from; live frames only.
    pub dirs: [Option<FileFacts<'a>>; 2],
    /// The descriptor is a socket, as far as is known.
    pub socket: Option<Socket<'a>>,
    params: [&'a [u8]; MAX_PARAMS],
}

impl<'a> Call<'a> {
    /// Whether a frame of this type is a call, or something that is told like one.
    pub(super) fn is(ty: EventType) -> bool {
        ty == EventType::SIGNALDELIVER_E
            || ty.info().is_some_and(|i| i.direction == Direction::Exit)
    }

    #[expect(
        clippy::inline_always,
        reason = "so that a call is made in its arena: returned, its kilobyte is copied"
    )]
    #[inline(always)]
    pub(super) fn parse(frame: &Frame<'a>) -> Self {
        let ty = frame.event_type();
        let shape = Shape::get(ty);
        let p: [&[u8]; MAX_PARAMS] = params(frame);
        let at = |n: u8| p.get(usize::from(n)).copied().unwrap_or_default();
        let trailer = frame.trailer();
        let path = |n| Some(at(n)).filter(|b: &&[u8]| !b.is_empty()).map(text);
        let dirfd = |n| i64_of(at(n)).filter(|&fd| fd != AT_FDCWD);
        let fd = match ty {
            // A range of one is a close.
            EventType::CLOSE_RANGE_X => u32_of(p[1]).filter(|_| p[1] == p[2]).map(i64::from),
            _ => i64_of(at(shape.fd)),
        };
        let res = i64_of(p[0]);
        let sock = trailer.sock();
        let tuple = SockTuple::decode(at(shape.tuple));
        let addr = SockAddr::decode(at(shape.addr));
        let is_pair = ty == EventType::SOCKETPAIR_X;
        let is_socket = sock.is_some() || tuple.is_some() || addr.is_some() || is_pair;
        let socket = is_socket.then(|| {
            let made = u32_of(p[5]).zip(u32_of(p[6])).zip(u32_of(p[7])).filter(|_| is_pair);
            Socket {
                res: res.unwrap_or(-1),
                fd: fd.unwrap_or(-1),
                role: Role::Unknown,
                made: made.map(|((domain, ty), proto)| (domain, ty, proto)),
                tuple,
                addr,
                sock,
                is_inbound: shape.is_inbound,
            }
        });
        Self {
            shape,
            res,
            fd,
            paths: shape.paths.map(path),
            dirfds: shape.dirfds.map(dirfd),
            data: (shape.data != NONE).then(|| at(shape.data)),
            file: trailer.file(),
            dirs: [trailer.dir(), trailer.dir2()],
            socket,
            params: p,
        }
    }

    /// The descriptor's file, which for a name from a directory is the directory.
    #[must_use]
    pub fn object(&self) -> Option<&FileFacts<'a>> {
        let dir = || self.dirs[0].as_ref().filter(|_| self.shape.is_dirfd && self.fd >= Some(0));
        self.file.as_ref().or_else(dir)
    }

    /// A parameter of 4 bytes; `None` where it is missing, or the -1 that means "as it is".
    #[must_use]
    pub(crate) fn id(&self, n: usize) -> Option<u32> {
        u32_of(self.params.get(n)?).filter(|&id| id != u32::MAX)
    }

    /// A parameter of 8 bytes.
    #[must_use]
    pub(crate) fn number(&self, n: usize) -> Option<i64> {
        i64_of(self.params.get(n)?)
    }

    /// Whether the call succeeded, for calls that say so.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.res.is_some_and(|res| res >= 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_follow_the_event_table() {
        let fd = |ty| Shape::get(ty).fd_param();
        for (ty, n) in [
            (EventType::READ_X, 2),
            (EventType::CLOSE_X, 1),
            (EventType::SENDFILE_X, 2),
            (EventType::SPLICE_X, 2),
            (EventType::COPY_FILE_RANGE_X, 3),
            (EventType::MMAP_X, 8),
            (EventType::UNLINKAT_2_X, 1),
            (EventType::DUP3_X, 0),
            (EventType::PIPE2_X, 1),
            (EventType::EPOLL_CREATE1_X, 0),
            (EventType::FCHMOD_X, 1),
            (EventType::RECVMSG_X, 5),
        ] {
            assert_eq!(fd(ty), Some(n), "{}", ty.name());
        }
        assert_eq!(fd(EventType::RENAMEAT2_X), None);
        assert_eq!(fd(EventType::GENERIC_X), None);
        let rename = Shape::get(EventType::RENAMEAT2_X);
        assert_eq!((rename.paths, rename.dirfds), ([2, 4], [1, 3]));
        assert_eq!((rename.fs, rename.name_from(3)), (FsPaths::Pair(0, 1), Some(1)));
        let symlink = Shape::get(EventType::SYMLINKAT_X);
        assert_eq!((symlink.paths, symlink.dirfds), ([3, 1], [2, NONE]));
        assert!(Shape::get(EventType::MKDIRAT_X).is_dirfd);
    }

    #[test]
    fn no_call_has_more_parameters_than_are_looked_at() {
        for ty in (0..N_EVENT_TYPES as u16).map(EventType) {
            let shape = Shape::get(ty);
            let used = [shape.fd, shape.data, shape.tuple, shape.addr];
            let all = used.iter().chain(&shape.paths).chain(&shape.dirfds);
            assert!(all.into_iter().all(|&n| n == NONE || usize::from(n) < MAX_PARAMS));
        }
    }
}

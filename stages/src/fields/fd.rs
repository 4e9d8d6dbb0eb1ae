//! `fd.*`: the descriptor that the call returned or used.
//!
//! There are two sources: the kernel's own view, which live frames carry, and what the history of a savefile tells.

use std::net::IpAddr;

use bumpalo::collections::Vec as BumpVec;
use event::{FileFacts, FileKind, file_flags};
use rules::{FdField as Field, NameView, Value};

use super::EventFields;
use super::digits::{put_decimal, put_signed};
use super::recorded;
use super::socket::{SockKind, l4proto};
use super::user::NA;
use crate::parse::{Body, Call, Event, FdKind, Open, Socket, open_flags};
use crate::path::{directory, file_name};

impl FdKind {
    /// Kind of an object that the kernel tells.
    pub(super) fn of(file: &FileFacts<'_>) -> Self {
        match file.kind {
            FileKind::Directory => Self::Directory,
            FileKind::Fifo => Self::Pipe,
            FileKind::Memfd => Self::Memfd,
            FileKind::AnonInode => Self::of_anon_inode(file.path),
            FileKind::Unknown
            | FileKind::Regular
            | FileKind::Symlink
            | FileKind::CharDevice
            | FileKind::BlockDevice
            | FileKind::Socket => Self::File,
        }
    }

    /// Kind of an anonymous inode, by the name that its maker in the kernel gives to it (`anon_inode_getfd` and its relatives).
    fn of_anon_inode(name: &[u8]) -> Self {
        let name = name.strip_prefix(b"anon_inode:").unwrap_or(name);
        let name = name.strip_prefix(b"[").and_then(|n| n.strip_suffix(b"]")).unwrap_or(name);
        match name {
            b"eventfd" => Self::Event,
            b"eventpoll" => Self::Eventpoll,
            b"inotify" => Self::Inotify,
            b"signalfd" => Self::Signalfd,
            b"timerfd" => Self::Timerfd,
            b"userfaultfd" => Self::Userfaultfd,
            b"io_uring" => Self::IoUring,
            b"pidfd" => Self::Pidfd,
            b"btf" => Self::Bpf,
            n if n.starts_with(b"bpf") => Self::Bpf,
            _ => Self::Unsupported,
        }
    }

    fn name(self) -> &'static [u8] {
        match self {
            Self::File => b"file",
            Self::Directory => b"directory",
            Self::Pipe => b"pipe",
            Self::Event => b"event",
            Self::Signalfd => b"signalfd",
            Self::Eventpoll => b"eventpoll",
            Self::Inotify => b"inotify",
            Self::Timerfd => b"timerfd",
            Self::Bpf => b"bpf",
            Self::Userfaultfd => b"userfaultfd",
            Self::IoUring => b"io_uring",
            Self::Memfd => b"memfd",
            Self::Pidfd => b"pidfd",
            Self::Unsupported => b"<NA>",
        }
    }

    pub(super) fn typechar(self) -> &'static [u8] {
        match self {
            Self::File => b"f",
            Self::Directory => b"d",
            Self::Pipe => b"p",
            Self::Event => b"e",
            Self::Signalfd => b"s",
            Self::Eventpoll => b"l",
            Self::Inotify => b"i",
            Self::Timerfd => b"t",
            Self::Bpf => b"b",
            Self::Userfaultfd => b"u",
            Self::IoUring => b"r",
            Self::Memfd => b"m",
            Self::Pidfd => b"P",
            Self::Unsupported => b"X",
        }
    }
}

/// `PPM_AT_FDCWD`.
pub(super) const AT_FDCWD: i64 = -100;

/// Where the fields of an event's descriptor are taken from.
#[derive(Clone, Copy)]
pub(super) enum Source<'e> {
    Opened(&'e Open<'e>),
    Socket(&'e Socket<'e>),
    Used(&'e Call<'e>),
    /// The history of a savefile.
    File,
    /// There is no descriptor.
    None,
}

impl<'e> Source<'e> {
    pub(super) fn of(event: &'e Event<'e>) -> Self {
        match event.body {
            _ if event.is_from_file() => Self::File,
            Body::Open(open) => Self::Opened(open),
            Body::Socket(call) => Self::Socket(call),
            Body::Call(call) => match &call.socket {
                Some(socket) => Self::Socket(socket),
                None => Self::Used(call),
            },
            Body::Fork(_) | Body::Exec(_) | Body::Exit(_) | Body::Other => Self::None,
        }
    }
}

/// A descriptor as parameters show it.
pub(super) struct Shown<'e> {
    pub(super) fd: i64,
    /// Type character, protocol character, name.
    pub(super) parts: [&'e [u8]; 3],
}

fn number(n: u32) -> Value<'static> {
    Value::I64(i64::from(n))
}

pub(super) fn device(field: Field, dev: u32) -> Value<'static> {
    match field {
        Field::FdDevMajor => number((dev & 0xfff00) >> 8),
        Field::FdDevMinor => number(dev & 0xff | dev >> 12 & 0xfff00),
        _ => number(dev),
    }
}

/// The part of a file's name that a field gives.
fn name_part(field: Field, kind: FdKind, name: &[u8]) -> Option<&[u8]> {
    match (field, kind) {
        (Field::FdName, _) | (Field::FdDirectory, FdKind::Directory) => Some(name),
        (Field::FdDirectory, FdKind::File) => Some(directory(name)),
        (Field::FdFilename, FdKind::File) => Some(file_name(name)),
        _ => None,
    }
}

impl<'e> EventFields<'e> {
    /// One field at a time: most rules ask for one or two.
    pub(super) fn fd(&self, field: Field) -> Option<Value<'_>> {
        match field {
            Field::FdNameView => {
                self.has_names().then(|| Value::Bytes(self.view.get().as_str().as_bytes()))
            }
            Field::FdNum => self.fd_number().map(Value::I64),
            Field::FdUid => self.fd_uid().map(Value::Bytes),
            Field::FdContainername => self.in_container(Field::FdName).map(Value::Bytes),
            Field::FdContainerdirectory => self.in_container(Field::FdDirectory).map(Value::Bytes),
            Field::FdCipName | Field::FdSipName | Field::FdLipName | Field::FdRipName => {
                self.host_name(field).map(Value::Bytes)
            }
            // One value for each end: see `any`. A list: see `elements`.
            Field::FdIp | Field::FdNet | Field::FdPort | Field::FdProto | Field::FdTypes => None,
            Field::FdType
            | Field::FdTypechar
            | Field::FdName
            | Field::FdDirectory
            | Field::FdFilename
            | Field::FdCip
            | Field::FdSip
            | Field::FdLip
            | Field::FdRip
            | Field::FdCport
            | Field::FdSport
            | Field::FdLport
            | Field::FdRport
            | Field::FdL4proto
            | Field::FdSockfamily
            | Field::FdIsServer
            | Field::FdCproto
            | Field::FdSproto
            | Field::FdLproto
            | Field::FdRproto
            | Field::FdCnet
            | Field::FdSnet
            | Field::FdLnet
            | Field::FdRnet
            | Field::FdConnected
            | Field::FdNameChanged
            | Field::FdDev
            | Field::FdDevMajor
            | Field::FdDevMinor
            | Field::FdIno
            | Field::FdNameraw
            | Field::FdIsUpperLayer
            | Field::FdIsLowerLayer => match self.source {
                Source::Opened(open) => self.opened(field, open),
                Source::Socket(call) => self.socket(field, call),
                Source::Used(call) => self.used(field, call),
                Source::File => self.saved_field(field),
                Source::None => None,
            },
        }
    }

    /// The descriptor's number; -1 for a call that made none.
    fn fd_number(&self) -> Option<i64> {
        let fd = match self.source {
            Source::Opened(open) => open.fd,
            Source::Socket(call) => call.fd,
            // The working directory is no descriptor.
            Source::Used(call) => call.fd.filter(|&fd| fd != AT_FDCWD)?,
            Source::File => return self.recorded().map(|facts| facts.fd),
            Source::None => return None,
        };
        Some(fd.max(-1))
    }

    /// Thread and descriptor, as Falco chains them: without anything between.
    fn fd_uid(&self) -> Option<&'e [u8]> {
        let (tid, fd) = (self.event.header().tid, self.fd_number()?);
        let mut text = BumpVec::new_in(self.at.bump);
        put_decimal(&mut text, u64::from(tid));
        put_signed(&mut text, fd);
        Some(text.into_bump_slice())
    }

    /// A name behind the id of the container, which is empty on the host.
    fn in_container(&self, field: Field) -> Option<&'e [u8]> {
        let Some(Value::Bytes(name)) = self.fd(field) else { return None };
        let container = &self.version()?.container.id;
        let id = if container.is_host() { "" } else { container.id() };
        let mut text = BumpVec::with_capacity_in(id.len() + 1 + name.len(), self.at.bump);
        for part in [id.as_bytes(), b":", name] {
            text.extend_from_slice_copy(part);
        }
        Some(text.into_bump_slice())
    }

    fn opened(&self, field: Field, open: &'e Open<'e>) -> Option<Value<'e>> {
        let is_open = open.fd >= 0;
        let layer = |bit, param| {
            let is_in = open.file.map_or(open.flags & param != 0, |f| f.flags & bit != 0);
            is_open.then_some(Value::Bool(is_in))
        };
        match field {
            Field::FdName | Field::FdDirectory | Field::FdFilename => {
                let name = self.opened_name(open)?;
                name_part(field, opened_kind(open), name).map(Value::Bytes)
            }
            Field::FdNameraw => open.name.map(Value::Bytes),
            Field::FdType => Some(Value::Bytes(opened_kind(open).name())),
            Field::FdTypechar => Some(Value::Bytes(opened_kind(open).typechar())),
            Field::FdDev | Field::FdDevMajor | Field::FdDevMinor if is_open => {
                open.file.map(|f| f.dev).or(open.dev).map(|dev| device(field, dev))
            }
            Field::FdIno if is_open => {
                open.file.map(|f| f.ino).or(open.ino).map(|n| Value::I64(n as i64))
            }
            Field::FdIsUpperLayer => layer(file_flags::UPPER_LAYER, open_flags::UPPER_LAYER),
            Field::FdIsLowerLayer => layer(file_flags::LOWER_LAYER, open_flags::LOWER_LAYER),
            _ => of_no_socket(field),
        }
    }

    /// The name of an opened file, in the view at hand.
    pub(super) fn opened_name(&self, open: &'e Open<'e>) -> Option<&'e [u8]> {
        if self.view.get() == NameView::Kernel {
            return open.kernel_name();
        }
        self.lexical_name().or_else(|| open.kernel_name())
    }

    fn used(&self, field: Field, call: &'e Call<'e>) -> Option<Value<'e>> {
        let kind = used_kind(call)?;
        let file = call.object();
        let layer = |bit| file.map(|f| Value::Bool(f.flags & bit != 0));
        match field {
            Field::FdName | Field::FdDirectory | Field::FdFilename => {
                name_part(field, kind, self.used_name(kind, call)?).map(Value::Bytes)
            }
            Field::FdNameraw => self.used_name(kind, call).map(Value::Bytes),
            Field::FdType => Some(Value::Bytes(kind.name())),
            Field::FdTypechar => Some(Value::Bytes(kind.typechar())),
            Field::FdDev | Field::FdDevMajor | Field::FdDevMinor => {
                file.map(|f| device(field, f.dev))
            }
            Field::FdIno => file.map(|f| Value::I64(f.ino as i64)),
            Field::FdIsUpperLayer => layer(file_flags::UPPER_LAYER),
            Field::FdIsLowerLayer => layer(file_flags::LOWER_LAYER),
            _ => of_no_socket(field),
        }
    }

    /// The kernel's name; what has no place in a tree may have none.
    fn used_name(&self, kind: FdKind, call: &'e Call<'e>) -> Option<&'e [u8]> {
        match (kind, call.object()) {
            (FdKind::File | FdKind::Directory, Some(file)) => kernel_name(file),
            (FdKind::Pipe, Some(file)) if file.path.is_empty() => {
                let mut name = BumpVec::new_in(self.at.bump);
                // As the kernel would have it (pipefs_dname).
                name.extend_from_slice_copy(b"pipe:[");
                put_decimal(&mut name, file.ino);
                name.push(b']');
                Some(name.into_bump_slice())
            }
            (_, Some(file)) => Some(file.path),
            (FdKind::Memfd, None) => self.event.frame.param_str(1),
            (_, None) => Some(b""),
        }
    }

    /// Whether the descriptor is a regular file or something with a name like one.
    pub(super) fn uses_file(&self) -> bool {
        match self.source {
            Source::Opened(open) => opened_kind(open) == FdKind::File,
            Source::Used(call) => used_kind(call) == Some(FdKind::File),
            Source::File => self.recorded().is_some_and(|facts| facts.kind == b'f'),
            Source::Socket(_) | Source::None => false,
        }
    }

    /// Whether the call's descriptor is known.
    pub(super) fn has_descriptor(&self) -> bool {
        match self.source {
            Source::Opened(open) => open.fd >= 0,
            Source::Used(call) => used_kind(call).is_some(),
            Source::Socket(_) => self.sock_ends().is_some(),
            Source::File => self.recorded().is_some_and(|facts| facts.kind != 0),
            Source::None => false,
        }
    }

    /// Whether the descriptor is an IPv4 or IPv6 socket.
    pub(super) fn uses_inet_socket(&self) -> bool {
        match self.source {
            Source::Socket(_) => self.sock_ends().is_some_and(|ends| ends.kind.is_inet()),
            Source::File => self.recorded().is_some_and(|facts| matches!(facts.kind, b'4' | b'6')),
            _ => false,
        }
    }

    /// Addresses and ports of both ends.
    pub(super) fn ends(&self) -> [Option<(IpAddr, u16)>; 2] {
        match self.source {
            Source::File => self.recorded().map_or([None; 2], recorded::ends),
            Source::Socket(_) => self.sock_ends().map_or([None; 2], |ends| ends.pair()),
            _ => [None; 2],
        }
    }

    /// The descriptor of the event as `evt.arg` shows it: `<f>/etc/passwd`, `<4t>1.2.3.4:5->6.7.8.9:10`.
    pub(super) fn descriptor(&self) -> Option<Shown<'e>> {
        if let Some(call) = self.socket_call() {
            let ends = self.sock_ends()?;
            let l4: &[u8] = match ends.kind {
                SockKind::Ipv4 | SockKind::Ipv6 => {
                    l4proto(call).get(..1).filter(|c| *c != b"<").unwrap_or_default()
                }
                _ => b"",
            };
            let parts = [ends.kind.typechar(), l4, self.socket_name(call)?];
            return Some(Shown { fd: call.fd, parts });
        }
        let (fd, kind, name) = match self.event.body {
            Body::Open(open) if open.fd >= 0 => {
                (open.fd, opened_kind(open), self.opened_name(open)?)
            }
            Body::Call(call) => {
                let kind = used_kind(call)?;
                (call.fd?, kind, self.used_name(kind, call)?)
            }
            _ => return None,
        };
        Some(Shown { fd, parts: [kind.typechar(), b"", name] })
    }
}

fn opened_kind(open: &Open<'_>) -> FdKind {
    let is_dir = open.flags & open_flags::DIRECTORY != 0
        || open.file.is_some_and(|f| f.kind == FileKind::Directory);
    if is_dir { FdKind::Directory } else { FdKind::File }
}

/// Kind of a call's descriptor that is no socket. Without the kernel's word the call itself tells what it made.
fn used_kind(call: &Call<'_>) -> Option<FdKind> {
    call.fd.filter(|&fd| fd >= 0)?;
    match call.object() {
        Some(file) => Some(FdKind::of(file)),
        None if call.res.is_some_and(|res| res < 0) => None,
        None => call.shape.made,
    }
}

/// What only sockets are or have.
fn of_no_socket(field: Field) -> Option<Value<'static>> {
    match field {
        Field::FdNameChanged | Field::FdConnected | Field::FdIsServer => Some(Value::Bool(false)),
        Field::FdL4proto => Some(Value::Bytes(NA)),
        _ => None,
    }
}

/// The name that the kernel walked to, where the walk reached a root.
pub(super) fn kernel_name<'a>(file: &FileFacts<'a>) -> Option<&'a [u8]> {
    let is_whole = file.flags & file_flags::UNRESOLVED == 0;
    (is_whole && !file.path.is_empty()).then_some(file.path)
}

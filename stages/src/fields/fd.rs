//! `fd.*`: the descriptor that the call returned or used.

use std::io::Write;

use bumpalo::collections::Vec as BumpVec;
use event::{FileFacts, FileKind, file_flags};
use rules::{Field, NameView, Value};

use super::EventFields;
use super::socket::{SockKind, l4proto};
use super::user::NA;
use crate::parse::{Body, Call, FdKind, Open, open_flags};
use crate::path::{directory, file_name};

impl FdKind {
    /// Kind of an object that the kernel tells.
    fn of(file: &FileFacts<'_>) -> Self {
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

    fn typechar(self) -> &'static [u8] {
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
const AT_FDCWD: i64 = -100;

/// A descriptor as `evt.arg` shows it.
pub(super) struct Descriptor<'e> {
    pub(super) fd: i64,
    /// Type character, protocol character, name.
    pub(super) parts: [&'e [u8]; 3],
}

/// A descriptor that is no socket.
struct Object<'e> {
    fd: i64,
    kind: FdKind,
    /// In the view at hand.
    name: Option<&'e [u8]>,
    /// As the process passed it.
    raw: Option<&'e [u8]>,
    dev: Option<u32>,
    ino: Option<u64>,
    /// Whether it lives in the upper and in the lower layer of an overlay.
    layers: Option<[bool; 2]>,
}

fn object_field<'e>(field: Field, object: &Object<'e>) -> Option<Value<'e>> {
    let is_file = object.kind == FdKind::File;
    match field {
        Field::FdType => Some(Value::Bytes(object.kind.name())),
        Field::FdTypechar => Some(Value::Bytes(object.kind.typechar())),
        Field::FdName => object.name.map(Value::Bytes),
        Field::FdNameraw => object.raw.or(object.name).map(Value::Bytes),
        Field::FdDirectory if is_file => object.name.map(directory).map(Value::Bytes),
        Field::FdDirectory if object.kind == FdKind::Directory => object.name.map(Value::Bytes),
        Field::FdFilename if is_file => object.name.map(file_name).map(Value::Bytes),
        // What only sockets are or have.
        Field::FdNameChanged | Field::FdConnected | Field::FdIsServer => Some(Value::Bool(false)),
        Field::FdL4proto => Some(Value::Bytes(NA)),
        Field::FdDev => object.dev.map(number),
        Field::FdDevMajor => object.dev.map(|d| number((d & 0xfff00) >> 8)),
        Field::FdDevMinor => object.dev.map(|d| number(d & 0xff | d >> 12 & 0xfff00)),
        Field::FdIno => object.ino.map(|n| Value::I64(n as i64)),
        Field::FdIsUpperLayer => object.layers.map(|[upper, _]| Value::Bool(upper)),
        Field::FdIsLowerLayer => object.layers.map(|[_, lower]| Value::Bool(lower)),
        _ => None,
    }
}

fn number(n: u32) -> Value<'static> {
    Value::I64(i64::from(n))
}

impl<'e> EventFields<'e> {
    pub(super) fn fd(&self, field: Field) -> Option<Value<'_>> {
        if field == Field::FdNameView {
            return self.has_names().then(|| Value::Bytes(self.view.get().as_str().as_bytes()));
        }
        if field == Field::FdNum {
            return self.fd_number().map(Value::I64);
        }
        if field == Field::FdUid {
            // As Falco chains them, without anything between.
            let (tid, fd) = (self.event.header().tid, self.fd_number()?);
            let mut text = BumpVec::new_in(self.at.bump);
            // Writing into memory cannot fail.
            let written = write!(text, "{tid}{fd}");
            debug_assert!(written.is_ok());
            return Some(Value::Bytes(text.into_bump_slice()));
        }
        if field == Field::FdContainername || field == Field::FdContainerdirectory {
            let of =
                if field == Field::FdContainername { Field::FdName } else { Field::FdDirectory };
            let Some(Value::Bytes(name)) = self.fd(of) else { return None };
            let container = &self.version()?.container;
            let id = if container.is_host() { "" } else { container.id() };
            let mut text = BumpVec::with_capacity_in(id.len() + 1 + name.len(), self.at.bump);
            for part in [id.as_bytes(), b":", name] {
                text.extend_from_slice_copy(part);
            }
            return Some(Value::Bytes(text.into_bump_slice()));
        }
        match self.socket_call() {
            Some(call) => self.socket(field, call),
            None => object_field(field, &self.object()?),
        }
    }

    /// The descriptor's number; -1 for a call that made none.
    fn fd_number(&self) -> Option<i64> {
        let fd = match self.event.body {
            Body::Open(open) => open.fd,
            Body::Socket(call) => call.fd,
            // The working directory is no descriptor.
            Body::Call(call) => call.fd.filter(|&fd| fd != AT_FDCWD)?,
            Body::Fork(_) | Body::Exec(_) | Body::Exit(_) | Body::Other => return None,
        };
        Some(fd.max(-1))
    }

    fn object(&self) -> Option<Object<'e>> {
        match self.event.body {
            Body::Open(open) => Some(self.opened(open)),
            Body::Call(call) => self.used(call),
            _ => None,
        }
    }

    fn opened(&self, open: &'e Open<'e>) -> Object<'e> {
        let is_dir = open.flags & open_flags::DIRECTORY != 0
            || open.file.is_some_and(|f| f.kind == FileKind::Directory);
        let is_open = open.fd >= 0;
        let layer = |bit, param| open.file.map_or(open.flags & param != 0, |f| f.flags & bit != 0);
        Object {
            fd: open.fd,
            kind: if is_dir { FdKind::Directory } else { FdKind::File },
            name: self.opened_name(open),
            raw: open.name,
            dev: open.file.map(|f| f.dev).or(open.dev).filter(|_| is_open),
            ino: open.file.map(|f| f.ino).or(open.ino).filter(|_| is_open),
            layers: is_open.then(|| {
                [
                    layer(file_flags::UPPER_LAYER, open_flags::UPPER_LAYER),
                    layer(file_flags::LOWER_LAYER, open_flags::LOWER_LAYER),
                ]
            }),
        }
    }

    /// The name of an opened file, in the view at hand.
    pub(super) fn opened_name(&self, open: &'e Open<'e>) -> Option<&'e [u8]> {
        let kernel = open.kernel_name();
        if self.view.get() == NameView::Kernel {
            return kernel;
        }
        self.lexical_name().or(kernel)
    }

    fn used(&self, call: &'e Call<'e>) -> Option<Object<'e>> {
        let fd = call.fd.filter(|&fd| fd >= 0)?;
        if let Some(file) = call.object() {
            let layers = [file_flags::UPPER_LAYER, file_flags::LOWER_LAYER];
            let kind = FdKind::of(file);
            return Some(Object {
                fd,
                kind,
                name: self.object_name(kind, file),
                raw: None,
                dev: Some(file.dev),
                ino: Some(file.ino),
                layers: Some(layers.map(|bit| file.flags & bit != 0)),
            });
        }
        // Without the kernel's word the call itself tells what it made.
        if call.res.is_some_and(|res| res < 0) {
            return None;
        }
        let kind = call.shape.made?;
        let name =
            if kind == FdKind::Memfd { self.event.frame.param_str(1) } else { Some(&b""[..]) };
        Some(Object { fd, kind, name, raw: None, dev: None, ino: None, layers: None })
    }

    /// The kernel's name; what has no place in a tree may have none.
    fn object_name(&self, kind: FdKind, file: &FileFacts<'e>) -> Option<&'e [u8]> {
        match kind {
            FdKind::File | FdKind::Directory => kernel_name(file),
            FdKind::Pipe if file.path.is_empty() => {
                let mut name = BumpVec::new_in(self.at.bump);
                // As the kernel would have it (pipefs_dname). Writing into memory cannot fail.
                let written = write!(name, "pipe:[{}]", file.ino);
                debug_assert!(written.is_ok());
                Some(name.into_bump_slice())
            }
            _ => Some(file.path),
        }
    }

    /// Whether the descriptor is a regular file or something with a name like one.
    pub(super) fn uses_file(&self) -> bool {
        self.socket_call().is_none() && self.object().is_some_and(|o| o.kind == FdKind::File)
    }

    /// Whether the call's descriptor is known.
    pub(super) fn has_descriptor(&self) -> bool {
        self.sock_ends().is_some() || self.object().is_some_and(|o| o.fd >= 0)
    }

    /// The descriptor of the event as `evt.arg` shows it: `<f>/etc/passwd`, `<4t>1.2.3.4:5->6.7.8.9:10`.
    pub(super) fn descriptor(&self) -> Option<Descriptor<'e>> {
        if let Some(call) = self.socket_call() {
            let ends = self.sock_ends()?;
            let l4: &[u8] = match ends.kind {
                SockKind::Ipv4 | SockKind::Ipv6 => {
                    l4proto(call).get(..1).filter(|c| *c != b"<").unwrap_or_default()
                }
                _ => b"",
            };
            let parts = [ends.kind.typechar(), l4, self.socket_name(call)?];
            return Some(Descriptor { fd: call.fd, parts });
        }
        let object = self.object().filter(|o| o.fd >= 0)?;
        Some(Descriptor { fd: object.fd, parts: [object.kind.typechar(), b"", object.name?] })
    }
}

/// The name that the kernel walked to, where the walk reached a root.
pub(super) fn kernel_name<'a>(file: &FileFacts<'a>) -> Option<&'a [u8]> {
    let is_whole = file.flags & file_flags::UNRESOLVED == 0;
    (is_whole && !file.path.is_empty()).then_some(file.path)
}

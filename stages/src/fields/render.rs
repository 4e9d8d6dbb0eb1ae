//! `evt.arg.*` and `evt.args`: parameters as text.
//!
//! Every parameter has a raw text, and some a resolved one (names of flags, of an errno, of a descriptor's file). `evt.arg` gives the resolved
//! one where there is one, `evt.args` both.

use std::sync::LazyLock;

use bumpalo::collections::Vec as BumpVec;
use event::{
    EF_CREATES_FD, EventType, FileFacts, FileKind, N_EVENT_TYPES, Param, ParamFormat, ParamType,
    SockAddr, SockTuple,
};
use rules::Value;

use super::buffer::put_buffer;
use super::digits::{put_addr, put_hex, put_pair, put_signed};
use super::errno::{errno_name, position};
use super::fd::{AT_FDCWD, Shown};
use super::ports::{PortFormat, has_ports, with_services};
use super::printable::{printable, put_printable};
use super::recorded;
use super::text::{Text, Word};
use super::times::{put_seconds, put_time};
use super::user::NA;
use super::{EventFields, Link};
use crate::parse::{Body, FdKind};
use crate::path::normalised;
use crate::state::Start;

/// Bytes of a list of descriptors: how many there are, then number and flags of each.
const N_LIST_HEAD: usize = 2;
const N_LIST_ENTRY: usize = 10;

macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{
        // Writing into memory cannot fail.
        let written = write!($out, $($arg)*);
        debug_assert!(written.is_ok());
    }};
}

impl EventFields<'_> {
    /// Parameter `n` as `evt.arg` gives it.
    pub(super) fn arg(&self, n: usize) -> Option<&[u8]> {
        let param = self.event.frame.event_type().info()?.params.get(n)?;
        let bytes = self.event.frame.param(n)?;
        if matches!(param.ty, ParamType::CharBuf | ParamType::FsPath | ParamType::FsRelPath) {
            // Text is itself.
            let text = bytes.strip_suffix(&[0]).unwrap_or(bytes);
            let whole = self.whole_path(n, param.ty, text);
            return Some(match param.ty {
                _ if bytes.is_empty() => NA,
                ParamType::CharBuf => text,
                _ => printable(self.at.bump, whole.unwrap_or(text)),
            });
        }
        let mut out = BumpVec::with_capacity_in(64, self.at.bump);
        if !self.put_resolved(&mut out, n, param, bytes) {
            self.put_raw(&mut out, param, bytes);
        }
        Some(out.into_bump_slice())
    }

    /// Parameter `n` as `evt.rawarg` gives it.
    pub(super) fn raw_arg(&self, n: usize) -> Option<Value<'_>> {
        let param = self.event.frame.event_type().info()?.params.get(n)?;
        let bytes = self.event.frame.param(n).filter(|b| !b.is_empty())?;
        Some(match param.ty {
            ParamType::CharBuf | ParamType::FsPath | ParamType::FsRelPath => {
                Value::Bytes(bytes.strip_suffix(&[0]).unwrap_or(bytes))
            }
            ty if ty.size().is_none() => Value::Bytes(bytes),
            ty => match (number(ty, bytes)?, is_signed(ty)) {
                (value, true) => Value::I64(value),
                (value, false) => Value::U64(value as u64),
            },
        })
    }

    /// The bits of a parameter that are flags, of which its text is made alone.
    pub(super) fn flag_bits(&self, name: &str) -> Option<u64> {
        let ty = self.event.frame.event_type();
        let n = ty.param_index(name)?;
        let param = ty.info()?.params.get(n)?;
        let is_flags = matches!(
            param.ty,
            ParamType::Flags8 | ParamType::Flags16 | ParamType::Flags32 | ParamType::Mode
        );
        let bytes = self.event.frame.param(n).filter(|_| is_flags)?;
        number(param.ty, bytes).map(|bits| bits as u64)
    }

    /// Every parameter as `name=raw(resolved)`, with blanks between.
    pub(super) fn all_args(&self) -> &[u8] {
        let mut out = BumpVec::with_capacity_in(256, self.at.bump);
        self.put_all_args(&mut out);
        out.into_bump_slice()
    }

    /// Appends what [`EventFields::all_args`] gives.
    pub(crate) fn put_all_args(&self, out: &mut impl Text) {
        if self.event.frame.event_type() <= EventType::GENERIC_X {
            // Its parameters only say which call it is.
            return;
        }
        let ty = self.event.frame.event_type();
        let params = ty.info().map_or(&[][..], |i| i.params).iter().zip(leads(ty));
        for (n, ((param, lead), bytes)) in params.zip(self.event.frame.params()).enumerate() {
            out.put_word(lead);
            let value = number(param.ty, bytes);
            match value {
                Some(value) => self.put_raw_number(out, param, value),
                None => self.put_raw(out, param, bytes),
            }
            if may_be_resolved(param.ty) {
                let end = out.len();
                out.put_byte(b'(');
                let is_resolved = match value {
                    Some(value) => self.put_resolved_number(out, n, param, value),
                    None => self.put_resolved(out, n, param, bytes),
                };
                if is_resolved {
                    out.put_byte(b')');
                } else {
                    out.shorten(end);
                }
            }
        }
    }

    /// Appends the resolved text, and says whether there is one; where there is none nothing was appended.
    fn put_resolved(&self, out: &mut impl Text, n: usize, param: &Param, bytes: &[u8]) -> bool {
        if matches!(param.ty, ParamType::FsPath | ParamType::FsRelPath) {
            let text = bytes.strip_suffix(&[0]).unwrap_or(bytes);
            return put_some(out, self.whole_path(n, param.ty, text));
        }
        if param.ty == ParamType::Dyn {
            let variant = variant(self.event.frame.event_type(), param, bytes);
            return variant.is_some_and(|(param, bytes)| self.put_resolved(out, n, &param, bytes));
        }
        let value = number(param.ty, bytes);
        value.is_some_and(|value| self.put_resolved_number(out, n, param, value))
    }

    /// The same of a number.
    fn put_resolved_number(
        &self,
        out: &mut impl Text,
        n: usize,
        param: &Param,
        value: i64,
    ) -> bool {
        match param.ty {
            ParamType::SigType => put_some(out, signal_name(value).map(str::as_bytes)),
            ParamType::SyscallId => {
                let name = u16::try_from(value).ok().and_then(event::syscall_name);
                put_some(out, name.map(str::as_bytes))
            }
            ParamType::RelTime if value == -1 => false,
            ParamType::RelTime => {
                put_seconds(out, value as u64);
                true
            }
            ParamType::Errno => put_errno(out, value),
            ParamType::Fd | ParamType::Fd32 => self.put_fd(out, n, value),
            ParamType::Pid | ParamType::Pid32 => self.put_comm(out, value),
            ParamType::Uid => put_some(out, owner_name(value, |id| self.user_name(id))),
            ParamType::Gid => put_some(out, owner_name(value, |id| self.group_name(id))),
            ParamType::Flags8 | ParamType::Flags16 | ParamType::Flags32 | ParamType::Mode => {
                let Some(set) = param.flags else { return false };
                put_names(out, set.walk(value as u32))
            }
            ParamType::EnumFlags8 | ParamType::EnumFlags16 | ParamType::EnumFlags32 => {
                let Some(set) = param.flags else { return false };
                let exact = set.names().iter().filter(|(_, v)| i64::from(*v) == value);
                put_names(out, exact.map(|&(name, _)| name))
            }
            _ => false,
        }
    }

    /// A path that does not begin at the root, joined with the directory that it begins at.
    fn whole_path<'p>(&'p self, n: usize, ty: ParamType, path: &'p [u8]) -> Option<&'p [u8]> {
        let is_partial = !path.is_empty() && !path.starts_with(b"/") && path != NA;
        if !is_partial || ty == ParamType::CharBuf {
            return None;
        }
        let dir = match ty {
            // The table puts the directory's descriptor right before the name.
            ParamType::FsRelPath => {
                let dirfd = n.checked_sub(1).and_then(|n| self.event.frame.param_i64(n))?;
                if dirfd == AT_FDCWD { self.cwd() } else { self.directory_of(n - 1, dirfd) }
            }
            _ => self.cwd(),
        };
        normalised(self.at.bump, Some(dir?), path).map(|whole| printable(self.at.bump, whole))
    }

    /// The directory behind the descriptor that parameter `n` names.
    fn directory_of(&self, n: usize, fd: i64) -> Option<&[u8]> {
        if self.event.is_from_file() {
            return self.recorded_as(fd).map(|facts| facts.name);
        }
        self.directory_facts(n).map(|dir| dir.path)
    }

    /// What a name starts from, live. With an empty name that may be anything.
    fn directory_facts(&self, n: usize) -> Option<&FileFacts<'_>> {
        match self.event.body {
            Body::Open(open) if n == 1 => open.dir.as_ref(),
            Body::Call(call) => call.shape.name_from(n).and_then(|name| call.dirs[name].as_ref()),
            _ => None,
        }
    }

    fn put_fd(&self, out: &mut impl Text, n: usize, fd: i64) -> bool {
        if fd == AT_FDCWD {
            out.put(b"AT_FDCWD");
            return true;
        }
        if fd < 0 {
            return put_errno(out, fd);
        }
        if self.event.is_from_file() {
            let known = self.recorded_as(fd);
            return known.is_some_and(|facts| {
                put_shown(out, &recorded::shown(&facts));
                if matches!(facts.kind, b'4' | b'6') {
                    self.name_ports(out, out.len() - facts.name.len());
                }
                true
            });
        }
        let is_own = matches!(self.event.body, Body::Open(open) if open.fd == fd);
        if let Some(dir) = self.directory_facts(n).filter(|_| !is_own) {
            let kind = match dir.kind {
                FileKind::Unknown => FdKind::Directory,
                _ => FdKind::of(dir),
            };
            put_shown(out, &Shown { fd, parts: [kind.typechar(), b"", dir.path] });
            return true;
        }
        // Else the one descriptor whose identity is known: the one that the call made or used. A copy is what it is a copy of.
        let ty = self.event.frame.event_type();
        let is_known = match self.event.body {
            Body::Call(_) if is_copy(ty) => true,
            Body::Call(call) => call.shape.fd_param() == Some(n),
            _ => n == 0 || ty.info().is_none_or(|i| i.flags & EF_CREATES_FD == 0),
        };
        match self.descriptor() {
            Some(shown) if is_known && (shown.fd == fd || is_copy(ty)) => {
                put_shown(out, &shown);
                true
            }
            _ => false,
        }
    }

    /// Names the ports of an address that was put behind `start`, where that is asked for.
    fn name_ports(&self, out: &mut impl Text, start: usize) {
        if self.at.ports == PortFormat::Service {
            let named = with_services(&out[start..], self.at.bump);
            out.shorten(start);
            out.put(named);
        }
    }

    /// The name of a process: the event's own, its parent, or the one that the call is about.
    fn put_comm(&self, out: &mut impl Text, pid: i64) -> bool {
        if self.event.is_from_file() {
            let tid = u32::try_from(pid).ok();
            return put_some(out, tid.and_then(|tid| self.event.frame.trailer().comm_of(tid)));
        }
        let header = self.event.header();
        let own = i64::from(header.tgid) == pid || i64::from(header.tid) == pid;
        let version = if own {
            self.version()
        } else if matches!(self.event.body, Body::Exec(_) | Body::Fork(_)) {
            match self.link(1) {
                Some(Link::Known(tgid, version, _)) if i64::from(*tgid) == pid => Some(&**version),
                _ => return self.put_other_comm(out, pid),
            }
        } else {
            return self.put_other_comm(out, pid);
        };
        put_some(out, version.map(|v| v.image.comm()))
    }

    /// The name of a process that an event names by its id, as far as the caller's ids are those of the initial namespace.
    fn put_other_comm(&self, out: &mut impl Text, pid: i64) -> bool {
        let Ok(pid) = u32::try_from(pid) else { return false };
        let is_outside = self.version().is_some_and(|v| v.ids.vpid == self.event.header().tgid);
        let names_none = matches!(self.event.body, Body::Open(_) | Body::Socket(_) | Body::Other);
        if pid == 0 || !is_outside || names_none {
            return false;
        }
        match self.at.lineage.living(self.at.shard, pid, Start::default(), self.event.key) {
            Ok(found) => put_some(out, found.as_ref().map(|(_, v)| v.image.comm())),
            Err(wait) => {
                self.wait.set(Some(wait));
                false
            }
        }
    }

    /// Appends the raw text.
    fn put_raw(&self, out: &mut impl Text, param: &Param, bytes: &[u8]) {
        if bytes.is_empty() {
            out.put(nothing(param.ty));
            return;
        }
        match param.ty {
            ParamType::Dyn => match variant(self.event.frame.event_type(), param, bytes) {
                Some((param, bytes)) => self.put_raw(out, &param, bytes),
                None => out.put(NA),
            },
            ParamType::ByteBuf | ParamType::CharBufArray | ParamType::CharBufPairArray => {
                put_buffer(out, self.at.buffers, bytes);
            }
            ParamType::CharBuf => {
                out.put(bytes.strip_suffix(&[0]).unwrap_or(bytes));
            }
            ParamType::SockTuple | ParamType::SockAddr => {
                let start = out.len();
                if param.ty == ParamType::SockTuple {
                    put_tuple(out, bytes);
                } else {
                    put_sock_addr(out, bytes);
                }
                if has_ports(bytes) {
                    self.name_ports(out, start);
                }
            }
            ParamType::FsPath | ParamType::FsRelPath => {
                put_printable(out, bytes.strip_suffix(&[0]).unwrap_or(bytes));
            }
            ParamType::FdList => self.put_fd_list(out, bytes),
            ty => match number(ty, bytes) {
                Some(value) => self.put_raw_number(out, param, value),
                None => out.put(NA),
            },
        }
    }

    /// The same of a number.
    #[inline]
    fn put_raw_number(&self, out: &mut impl Text, param: &Param, value: i64) {
        match (param.ty, value) {
            (ParamType::SigSet, set) => put_signals(out, set),
            (ParamType::RelTime, -1) => out.put(b"none"),
            (ParamType::AbsTime, ns) => put_time(out, ns as u64, self.at.utc_offset_s),
            (_, value) => put_number(out, param, value),
        }
    }

    /// Each descriptor with the letter of its kind, a question mark where it is not known, and flags.
    fn put_fd_list(&self, out: &mut impl Text, bytes: &[u8]) {
        for (n, (fd, flags)) in fd_list(bytes).enumerate() {
            if n > 0 {
                out.put_byte(b' ');
            }
            let facts = self.recorded_as(fd);
            let letter = facts.map_or(&b"?"[..], |facts| recorded::typechar(facts.kind));
            put_signed(out, fd);
            out.put_byte(b':');
            out.put(letter);
            // As C widens a number with a sign.
            put!(out, "{:x}", i32::from(flags));
        }
    }
}

/// What stands before each value of an event of this type: a blank but for the first, the parameter's name, and an equals sign.
fn leads(ty: EventType) -> &'static [Word] {
    static LEADS: LazyLock<Box<[Box<[Word]>]>> = LazyLock::new(|| {
        let of_type = |ty: EventType| {
            let names = ty.info().map_or(&[][..], |i| i.params).iter().map(|p| p.name.as_bytes());
            let lead = |(n, name)| Word::new(&[if n == 0 { b"" } else { b" " }, name, b"="]);
            names.enumerate().map(lead).collect()
        };
        (0..N_EVENT_TYPES as u16).map(|n| of_type(EventType(n))).collect()
    });
    LEADS.get(usize::from(ty.0)).map_or(&[], |leads| leads)
}

/// Whether parameters of the type can have a resolved text beside the raw one.
fn may_be_resolved(ty: ParamType) -> bool {
    use ParamType as P;
    !matches!(
        ty,
        P::I16
            | P::I32
            | P::I64
            | P::U8
            | P::U16
            | P::U32
            | P::U64
            | P::Port
            | P::CharBuf
            | P::ByteBuf
            | P::SockAddr
            | P::SockTuple
    )
}

/// How many have no value at all: what could be empty before other types could be shows so.
fn nothing(ty: ParamType) -> &'static [u8] {
    match ty {
        ParamType::ByteBuf
        | ParamType::CharBufArray
        | ParamType::CharBufPairArray
        | ParamType::SockTuple
        | ParamType::FdList
        | ParamType::Dyn => b"NULL",
        _ => NA,
    }
}

/// Whether the call's descriptors all show alike: copies, and the ends of a pair.
fn is_copy(ty: EventType) -> bool {
    matches!(
        ty,
        EventType::DUP_1_X
            | EventType::DUP2_X
            | EventType::DUP3_X
            | EventType::PIPE_X
            | EventType::PIPE2_X
            | EventType::SOCKETPAIR_X
    )
}

/// A parameter whose first byte says what it is, as that parameter.
fn variant<'b>(ty: EventType, dynamic: &Param, bytes: &'b [u8]) -> Option<(Param, &'b [u8])> {
    const SETSOCKOPT: EventType = EventType(45);
    const GETSOCKOPT: EventType = EventType(47);
    const OLD_BPF: EventType = EventType(297);
    let (&tag, bytes) = bytes.split_first()?;
    let variants: &[ParamType] = match ty {
        EventType::PTRACE_X => &[ParamType::U64, ParamType::SigType],
        EventType::KEYCTL_X => &[ParamType::I64, ParamType::CharBuf],
        OLD_BPF => &[ParamType::Fd, ParamType::Errno],
        SETSOCKOPT | GETSOCKOPT => &[
            ParamType::ByteBuf,
            ParamType::Errno,
            ParamType::U32,
            ParamType::U64,
            ParamType::RelTime,
        ],
        _ => &[],
    };
    let ty = *variants.get(usize::from(tag))?;
    Some((Param { name: "", ty, format: dynamic.format, flags: None }, bytes))
}

/// Signals of x86-64 and arm64 (`include/uapi/asm-generic/signal.h`); those above have no name.
#[rustfmt::skip]
const SIGNALS: [&str; 32] = [
    "", "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1", "SIGSEGV",
    "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU",
    "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS",
];

fn signal_name(signal: i64) -> Option<&'static str> {
    let name = SIGNALS.get(usize::try_from(signal).ok()?)?;
    (!name.is_empty()).then_some(*name)
}

/// The signal with this name.
#[must_use]
pub fn signal_named(name: &str) -> Option<i64> {
    position(&SIGNALS, name)
}

fn put_signals(out: &mut impl Text, set: i64) {
    let start = out.len();
    for (n, name) in SIGNALS.iter().enumerate().skip(1) {
        // Bit 0 is signal 1.
        if set >> (n - 1) & 1 != 0 {
            if out.len() > start {
                out.put_byte(b' ');
            }
            out.put(name.as_bytes());
        }
    }
}

fn put_some(out: &mut impl Text, text: Option<&[u8]>) -> bool {
    out.put(text.unwrap_or_default());
    text.is_some()
}

fn put_names<'n>(out: &mut impl Text, names: impl Iterator<Item = &'n str>) -> bool {
    let start = out.len();
    for name in names {
        if out.len() > start {
            out.put_byte(b'|');
        }
        out.put(name.as_bytes());
    }
    out.len() > start
}

fn put_errno(out: &mut impl Text, value: i64) -> bool {
    let name = value.checked_neg().filter(|&e| e > 0).and_then(errno_name);
    put_some(out, name.map(str::as_bytes))
}

fn owner_name<'u>(value: i64, name: impl Fn(u32) -> Option<&'u [u8]>) -> Option<&'u [u8]> {
    match u32::try_from(value) {
        Ok(u32::MAX) => Some(b"<NONE>"),
        Ok(id) => Some(name(id).unwrap_or(NA)),
        Err(_) => None,
    }
}

fn is_signed(ty: ParamType) -> bool {
    use ParamType::{Errno, Fd, Fd32, I16, I32, I64, Pid, Pid32};
    matches!(ty, I16 | I32 | I64 | Fd | Fd32 | Pid | Pid32 | Errno)
}

/// A parameter of numeric type; 64-bit values as the signed number of the same bits.
fn number(ty: ParamType, bytes: &[u8]) -> Option<i64> {
    if ty.size() != Some(bytes.len()) {
        return None;
    }
    Some(match (bytes, is_signed(ty)) {
        (&[a], _) => i64::from(a),
        (&[a, b], false) => i64::from(u16::from_le_bytes([a, b])),
        (&[a, b], true) => i64::from(i16::from_le_bytes([a, b])),
        (&[a, b, c, d], false) => i64::from(u32::from_le_bytes([a, b, c, d])),
        (&[a, b, c, d], true) => i64::from(i32::from_le_bytes([a, b, c, d])),
        _ => i64::from_le_bytes(*bytes.as_array()?),
    })
}

fn put_number(out: &mut impl Text, param: &Param, value: i64) {
    use ParamType::{Gid, I16, I32, I64, Mode, Port, U8, U16, U32, U64, Uid};
    let is_wide = matches!(param.ty, I64 | U64);
    // As C prints an unsigned number that it takes for a signed one.
    let signed = if is_wide { value } else { i64::from(value as i32) };
    let bits = if is_wide { value as u64 } else { u64::from(value as u32) };
    match (param.ty, param.format) {
        (I16 | I32 | I64 | U8 | U16 | U32 | U64 | Mode | Port, ParamFormat::Hex) => {
            put_hex(out, bits);
        }
        (I16 | I32 | I64 | U8 | U16 | U32 | U64 | Mode | Port, ParamFormat::Oct) if bits != 0 => {
            put!(out, "0{bits:o}");
        }
        (I16 | I32 | I64 | U8 | U16 | U32 | U64 | Mode | Port | Uid | Gid, _) => {
            put_signed(out, signed);
        }
        // The rest is decimal whatever the table says.
        _ => put_signed(out, value),
    }
}

/// Number and flags of each descriptor of a list, as far as there are bytes for them.
pub(super) fn fd_list(bytes: &[u8]) -> impl Iterator<Item = (i64, i16)> + '_ {
    let (head, entries) = bytes.split_at_checked(N_LIST_HEAD).unwrap_or((&[0, 0], &[]));
    let n = usize::from(u16::from_le_bytes([head[0], head[1]]));
    entries.as_chunks::<N_LIST_ENTRY>().0.iter().take(n).map(|entry| {
        let (fd, flags) = entry.split_at(8);
        let fd = i64::from_le_bytes(fd.try_into().unwrap_or_default());
        (fd, i16::from_le_bytes(flags.try_into().unwrap_or_default()))
    })
}

fn put_shown(out: &mut impl Text, shown: &Shown<'_>) {
    let [kind, l4, name] = shown.parts;
    out.put_byte(b'<');
    // A letter each, if any.
    kind.iter().chain(l4).for_each(|&letter| out.put_byte(letter));
    out.put_byte(b'>');
    put_printable(out, name);
}

fn put_sock_addr(out: &mut impl Text, bytes: &[u8]) {
    match SockAddr::decode(bytes) {
        Some(SockAddr::Inet(addr)) => put_addr(out, addr),
        Some(SockAddr::Unix(path)) => put_printable(out, path),
        Some(SockAddr::Other(family)) => put!(out, "family {family}"),
        None => out.put(NA),
    }
}

fn put_tuple(out: &mut impl Text, bytes: &[u8]) {
    match SockTuple::decode(bytes) {
        Some(SockTuple::Inet { mut source, mut dest }) => {
            // Both ends IPv4 in the clothes of IPv6 are shown as IPv4.
            let plain = [source, dest].map(|a| a.ip().to_canonical());
            if plain.iter().all(std::net::IpAddr::is_ipv4) {
                source.set_ip(plain[0]);
                dest.set_ip(plain[1]);
            }
            put_pair(out, source, dest);
        }
        Some(SockTuple::Unix { source, dest, path }) => {
            put!(out, "{source:x}->{dest:x} ");
            put_printable(out, path);
        }
        Some(SockTuple::Other(family)) => put!(out, "family {family}"),
        None => out.put(b"NULL"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_a_parameter_fits_its_word() {
        for ty in (0..N_EVENT_TYPES as u16).map(EventType) {
            let params = ty.info().unwrap().params;
            assert_eq!(params.len(), leads(ty).len());
            for (n, (param, lead)) in params.iter().zip(leads(ty)).enumerate() {
                let mut out = Vec::from(b"x");
                out.put_word(lead);
                let blank = if n == 0 { "" } else { " " };
                assert_eq!(String::from_utf8(out).unwrap(), format!("x{blank}{}=", param.name));
            }
        }
    }
}

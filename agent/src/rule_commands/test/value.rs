//! Values as people write them to the bytes of a parameter.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, anyhow, bail};
use event::{
    FlagSet, FrameHeader, FrameWriter, Param, ParamFormat, ParamType, SockAddr, SockTuple,
};
use rules::closest;

use super::shapes::Written;

/// `PPM_AT_FDCWD`.
pub(super) const AT_FDCWD: i64 = -100;
/// Families of sockets by the names that `socket` has for them.
const FAMILIES: [(&str, u8); 5] =
    [("unspec", 0), ("unix", 1), ("ipv4", 2), ("ipv6", 10), ("netlink", 16)];

/// What names mean in a test.
pub(super) trait Names {
    /// Id of a user.
    fn user(&self, name: &str) -> Option<u32>;
    /// Id of a group.
    fn group(&self, name: &str) -> Option<u32>;
    /// Id of a process.
    fn process(&self, label: &str) -> Option<u32>;
}

/// An unknown word, with the nearest of the known ones.
pub(super) fn unknown<'a>(
    what: &str,
    word: &str,
    known: impl Iterator<Item = &'a str>,
) -> anyhow::Error {
    match closest(word, known) {
        Some(near) => anyhow!("unknown {what} `{word}`, did you mean `{near}`?"),
        None => anyhow!("unknown {what} `{word}`"),
    }
}

/// The bytes of a parameter; none where the value is null.
pub(super) fn encode(param: &Param, value: &Written, names: &impl Names) -> Result<Vec<u8>> {
    use ParamType::{
        ByteBuf, CharBuf, CharBufArray, CharBufPairArray, Dyn, FdList, FsPath, FsRelPath, Pid,
        Pid32,
    };
    let text = match value {
        Written::Null => return Ok(Vec::new()),
        Written::Text(text) => text.as_str(),
        list => return strings(param, list),
    };
    let number = match param.ty {
        CharBuf | FsPath | FsRelPath => return Ok([text.as_bytes(), b"\0"].concat()),
        ByteBuf | CharBufArray | CharBufPairArray => return strings(param, value),
        ParamType::SockAddr => return sock_addr(text),
        ParamType::SockTuple => return sock_tuple(text),
        ParamType::Ipv4 | ParamType::Ipv6 => return ip(text),
        Dyn | FdList => return hex(text),
        _ if is_user(param) => match names.user(text) {
            Some(uid) => i128::from(uid),
            None => integer(text, param)?,
        },
        _ if is_group(param) => match names.group(text) {
            Some(gid) => i128::from(gid),
            None => integer(text, param)?,
        },
        Pid | Pid32 => match names.process(text) {
            Some(pid) => i128::from(pid),
            None => integer(text, param)?,
        },
        _ => integer(text, param)?,
    };
    let size = param.ty.size().unwrap_or(8);
    let bits = 8 * size as u32;
    if !(-(1i128 << (bits - 1))..1i128 << bits).contains(&number) {
        bail!("{number} does not fit into the {size} bytes of the parameter");
    }
    Ok(number.to_le_bytes()[..size].to_vec())
}

/// A number in any of the ways in which a parameter of this type may be written.
fn integer(text: &str, param: &Param) -> Result<i128> {
    let text = text.trim();
    if let Some(set) = param.flags
        && !text.starts_with(|c: char| c.is_ascii_digit())
    {
        return flags(text, set).map(i128::from);
    }
    match param.ty {
        ParamType::Fd | ParamType::Fd32 if text == "AT_FDCWD" => return Ok(AT_FDCWD.into()),
        ParamType::RelTime | ParamType::AbsTime => {
            if let Some(ns) = duration_ns(text) {
                return Ok(ns.into());
            }
        }
        ParamType::SigType if text.starts_with("SIG") => {
            return stages::signal_named(text)
                .map(i128::from)
                .with_context(|| format!("unknown signal `{text}`"));
        }
        ParamType::SyscallId if !text.starts_with(|c: char| c.is_ascii_digit()) => {
            return event::syscall_id(text)
                .map(i128::from)
                .ok_or_else(|| unknown("system call", text, event::syscall_names()));
        }
        _ => {}
    }
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if digits.starts_with('E')
        && let Some(errno) = stages::errno_named(digits)
    {
        // A call fails with the negative number, with or without a sign before the name.
        return Ok(-i128::from(errno));
    }
    let is_octal = param.format == ParamFormat::Oct && digits.len() > 1;
    let parsed = if let Some(hex) = digits.strip_prefix("0x") {
        i128::from_str_radix(hex, 16)
    } else if let Some(octal) = digits.strip_prefix("0o") {
        i128::from_str_radix(octal, 8)
    } else if let Some(octal) = digits.strip_prefix('0').filter(|_| is_octal) {
        i128::from_str_radix(octal, 8)
    } else {
        digits.parse()
    };
    let n = parsed.ok().filter(|_| !digits.starts_with(['+', '-']));
    let n = n.with_context(|| format!("`{text}` is no {}", kind_of(param)))?;
    Ok(if is_negative { -n } else { n })
}

/// The calls that change ids have plain numbers for them.
fn is_user(param: &Param) -> bool {
    param.ty == ParamType::Uid || matches!(param.name, "uid" | "euid" | "ruid" | "suid")
}

fn is_group(param: &Param) -> bool {
    param.ty == ParamType::Gid || matches!(param.name, "gid" | "egid" | "rgid" | "sgid")
}

fn kind_of(param: &Param) -> &'static str {
    match param.ty {
        ParamType::Fd | ParamType::Fd32 => "descriptor and no name of an error",
        ParamType::Errno => "result and no name of an error",
        ParamType::Pid | ParamType::Pid32 => "process of this test and no id of one",
        _ if is_user(param) => "user of this file and no id of one",
        _ if is_group(param) => "group of this file and no id of one",
        ParamType::RelTime | ParamType::AbsTime => "time",
        _ if param.flags.is_some() => "number and no name of a flag",
        _ => "number",
    }
}

/// Names of bits joined by `|`.
fn flags(text: &str, set: FlagSet) -> Result<u32> {
    text.split('|').map(str::trim).try_fold(0, |all, word| {
        match set.names().iter().find(|(name, _)| *name == word) {
            Some((_, bits)) => Ok(all | bits),
            None => Err(unknown("flag", word, set.names().iter().map(|(name, _)| *name))),
        }
    })
}

/// Strings that each end with a NUL, where the parameter is a list of them; else the bytes of a text.
fn strings(param: &Param, value: &Written) -> Result<Vec<u8>> {
    let is_list = matches!(param.name, "args" | "env" | "cgroups")
        || matches!(param.ty, ParamType::CharBufArray | ParamType::CharBufPairArray);
    match value {
        _ if is_list => list(param.name, value),
        Written::Null => Ok(Vec::new()),
        Written::Text(text) => Ok(text.clone().into_bytes()),
        Written::List(_) | Written::Map(_) => bail!("a text or a number belongs here"),
    }
}

/// Strings that each end with a NUL: a text is split at its blanks.
pub(super) fn list(what: &str, value: &Written) -> Result<Vec<u8>> {
    match value {
        Written::Null => Ok(Vec::new()),
        Written::Text(text) => Ok(nul_terminated(text.split_whitespace())),
        Written::List(all) => Ok(nul_terminated(all.iter().map(String::as_str))),
        Written::Map(all) if what == "env" => {
            let all: Vec<String> = all.iter().map(|(k, v)| format!("{k}={v}")).collect();
            Ok(nul_terminated(all.iter().map(String::as_str)))
        }
        Written::Map(_) => bail!("a text or a list belongs here"),
    }
}

/// Each string with a NUL behind it.
pub(super) fn nul_terminated<'a>(all: impl Iterator<Item = &'a str>) -> Vec<u8> {
    all.flat_map(|s| s.bytes().chain([0])).collect()
}

/// An address: `1.2.3.4:443`, `[::1]:443`, a path, or the name of a family.
fn sock_addr(text: &str) -> Result<Vec<u8>> {
    let addr = match text.parse() {
        Ok(inet) => SockAddr::Inet(inet),
        Err(_) if text.starts_with(['/', '@']) => SockAddr::Unix(text.as_bytes()),
        Err(_) => match family(text) {
            Some(family) => SockAddr::Other(family),
            None => bail!("`{text}` is no address such as 1.2.3.4:443, [::1]:443 or /run/x.sock"),
        },
    };
    Ok(addr_bytes(addr))
}

/// A parameter that is an address.
pub(super) fn addr_bytes(addr: SockAddr<'_>) -> Vec<u8> {
    param_bytes(|w| {
        w.sock_addr(&addr);
    })
}

fn family(text: &str) -> Option<u8> {
    FAMILIES.iter().find(|(name, _)| *name == text).map(|(_, family)| *family)
}

/// Both ends of a connection: `10.0.0.1:4000->1.2.3.4:443`, or the path of a Unix socket.
fn sock_tuple(text: &str) -> Result<Vec<u8>> {
    let tuple = match ends(text) {
        Some((source, dest)) if source.is_ipv4() == dest.is_ipv4() => {
            SockTuple::Inet { source, dest }
        }
        Some(_) => bail!("both ends of `{text}` must be of one family"),
        None if text.starts_with(['/', '@']) => {
            SockTuple::Unix { source: 0, dest: 0, path: text.as_bytes() }
        }
        None => match family(text) {
            Some(family) => SockTuple::Other(family),
            None => bail!("`{text}` is no connection such as 10.0.0.1:4000->1.2.3.4:443"),
        },
    };
    Ok(tuple_bytes(tuple))
}

/// A parameter that is both ends of a connection.
pub(super) fn tuple_bytes(tuple: SockTuple<'_>) -> Vec<u8> {
    param_bytes(|w| {
        w.sock_tuple(&tuple);
    })
}

/// The ends of `a->b`.
pub(super) fn ends(text: &str) -> Option<(SocketAddr, SocketAddr)> {
    let (source, dest) = text.split_once("->")?;
    Some((source.trim().parse().ok()?, dest.trim().parse().ok()?))
}

/// What the writer of frames makes of one parameter.
fn param_bytes(write: impl Fn(&mut FrameWriter<'_>)) -> Vec<u8> {
    let mut buf = [0; 512];
    let header = FrameHeader { event_type: 1, ..FrameHeader::default() };
    let mut w = FrameWriter::with_params(&mut buf, header, 1);
    write(&mut w);
    let frame = w.finish().ok().and_then(|bytes| event::Frame::parse(bytes).ok());
    frame.and_then(|f| f.param(0)).unwrap_or_default().to_vec()
}

fn ip(text: &str) -> Result<Vec<u8>> {
    match text.parse() {
        Ok(std::net::IpAddr::V4(ip)) => Ok(ip.octets().to_vec()),
        Ok(std::net::IpAddr::V6(ip)) => Ok(ip.octets().to_vec()),
        Err(_) => bail!("`{text}` is no address"),
    }
}

fn hex(text: &str) -> Result<Vec<u8>> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let byte = |i| digits.get(i..i + 2).and_then(|d| u8::from_str_radix(d, 16).ok());
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    bytes.with_context(|| format!("`{text}` must be the bytes of the parameter in hexadecimal"))
}

/// `5s`, `20ms`, `3m`, `2h`, `10us`, `7ns`; `None` for anything else.
pub(super) fn duration_ns(text: &str) -> Option<u64> {
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(split);
    let scale: u64 = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return None,
    };
    number.trim().parse::<u64>().ok()?.checked_mul(scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::EventType;

    struct Few;

    impl Names for Few {
        fn user(&self, name: &str) -> Option<u32> {
            (name == "ann").then_some(7)
        }

        fn group(&self, name: &str) -> Option<u32> {
            (name == "staff").then_some(50)
        }

        fn process(&self, label: &str) -> Option<u32> {
            (label == "bash").then_some(100)
        }
    }

    fn check(call: EventType, param: &str, text: &str, expected: Result<i64, &str>) {
        let n = call.param_index(param).expect("a parameter");
        let param = &call.info().expect("a type").params[n];
        let bytes = encode(param, &Written::Text(text.into()), &Few);
        let number = bytes.as_ref().map(|b| {
            let mut wide = [if b.last() >= Some(&0x80) { 0xff } else { 0 }; 8];
            wide[..b.len()].copy_from_slice(b);
            i64::from_le_bytes(wide)
        });
        match expected {
            Ok(expected) => assert_eq!(number.ok(), Some(expected), "{text}"),
            Err(expected) => assert_eq!(bytes.unwrap_err().to_string(), expected, "{text}"),
        }
    }

    #[test]
    fn numbers_are_written_in_many_ways() {
        let open = EventType::OPENAT_2_X;
        for (param, text, n) in [
            ("fd", "3", 3),
            ("fd", "EACCES", -13),
            ("fd", "-EACCES", -13),
            ("dirfd", "AT_FDCWD", -100),
            ("flags", "O_RDWR|O_CREAT", 7),
            ("flags", "0x103", 0x103),
            ("mode", "0644", 0o644),
            ("mode", "0o644", 0o644),
            ("mode", "420", 0o644),
        ] {
            check(open, param, text, Ok(n));
        }
        check(EventType::KILL_X, "sig", "SIGKILL", Ok(9));
        check(EventType::KILL_X, "pid", "bash", Ok(100));
        check(EventType::CHOWN_X, "uid", "ann", Ok(7));
        check(EventType::GENERIC_X, "ID", "truncate", Ok(57));
    }

    #[test]
    fn mistakes_say_what_belongs_there() {
        let open = EventType::OPENAT_2_X;
        let near = "unknown flag `O_CRAET`, did you mean `O_CREAT`?";
        check(open, "flags", "O_RDWR|O_CRAET", Err(near));
        check(open, "fd", "EACCESS", Err("`EACCESS` is no descriptor and no name of an error"));
        check(open, "mode", "rw", Err("`rw` is no number"));
        let much = "4294967296 does not fit into the 4 bytes of the parameter";
        check(open, "dev", "4294967296", Err(much));
    }
}

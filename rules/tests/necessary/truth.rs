//! Events as the kernel sees them, and what rules and clauses see of them.

use std::net::{IpAddr, SocketAddr};

use event::EventType;
use event::filter::FilterKind;
use proptest::prelude::*;
use proptest::sample::select;
use rules::{
    Arg, Clause, Field, FieldRef, Fields, NameView, Ruleset, Value, is_plain_path, is_plain_string,
};

/// What is true of an event.
#[derive(Clone, Debug)]
pub(crate) struct Truth {
    pub(crate) ty: EventType,
    ret: i64,
    flags: u32,
    /// The file was made, by the kernel's word.
    created: bool,
    mode: u32,
    /// The string that was passed, where it could be read.
    raw: Option<&'static str>,
    dir: Option<&'static str>,
    kernel_name: Option<&'static str>,
    is_directory: bool,
    object: Object,
    /// `None` where the process is not known.
    container: Option<&'static str>,
    name: &'static str,
}

#[derive(Clone, Debug)]
enum Object {
    /// Not told.
    None,
    Pipe,
    File,
    Unix,
    Socket {
        is_ipv6: bool,
        local: Option<SocketAddr>,
        remote: Option<SocketAddr>,
        is_server: bool,
    },
}

const OPENS: [EventType; 4] =
    [EventType::OPEN_X, EventType::OPENAT_2_X, EventType::OPENAT2_X, EventType::CREAT_X];

pub(crate) fn truth() -> impl Strategy<Value = Truth> {
    let types = OPENS.iter().copied().chain([EventType::CONNECT_X, EventType::SENDTO_X]);
    let call = (
        select(types.collect::<Vec<_>>()),
        select(vec![-2, -1, 0, 1, 3]),
        select(vec![0x1, 0x2, 0x3, 0x6, 0x106, 0x1001, 0x2002, 0x401, 0]),
        any::<bool>(),
        select(vec![0o644, 0o755]),
    );
    let raw = prop::option::weighted(
        0.9,
        select(vec![
            "/a/b/x",
            "/a/x",
            "/x",
            "/a/.x",
            "x",
            "b/x",
            "/a/b/../x",
            "../x",
            "/a//b",
            "/",
            "/a/",
            "",
            "..",
            ".x",
            "x.",
            "x./y",
            "/a/x.",
            "/a/b/.x/y",
            "./x",
            "y",
        ]),
    );
    let dir = prop::option::weighted(0.9, select(vec!["/", "/a", "/a/b", "/a/.x", "/.x"]));
    let kernel = prop::option::weighted(
        0.6,
        select(vec![
            "/a/b/x",
            "/x",
            "/b/y",
            "/a/.x",
            "/a",
            "/",
            "/x (deleted)",
            "pipe:[1]",
            "/a/b/.x/y",
        ]),
    );
    let end = |of: Vec<&'static str>| prop::option::weighted(0.8, select(of));
    let local = vec!["127.0.0.1:443", "127.0.0.2:53", "0.0.0.0:1"];
    let v4 = [local.clone(), vec!["10.0.0.1:53", "1.2.3.4:443"]].concat();
    let v6 = vec!["[::1]:53", "[::]:443", "[fe80::1]:1", "[::1]:1"];
    let socket = |is_ipv6: bool, of: Vec<&'static str>| {
        let addr = |text: Option<&str>| text.map(|t| t.parse::<SocketAddr>().unwrap());
        (end(of.clone()), end(of), any::<bool>()).prop_map(move |(local, remote, is_server)| {
            Object::Socket { is_ipv6, local: addr(local), remote: addr(remote), is_server }
        })
    };
    let object = prop_oneof![
        1 => select(vec![Object::None, Object::Pipe, Object::File, Object::Unix]),
        1 => socket(false, local),
        1 => socket(false, v4),
        1 => socket(true, v6),
    ];
    let rest =
        (any::<bool>(), select(vec![Some("host"), Some("abc"), None]), select(vec!["a", "b"]));
    (call, (raw, dir, kernel), object, rest).prop_map(
        |(
            (ty, ret, flags, created, mode),
            (raw, dir, kernel),
            object,
            (is_directory, container, name),
        )| {
            let is_open = OPENS.contains(&ty);
            // What a call could not make has neither a name nor a kind of its own; files are made where that is asked for.
            let kernel_name = kernel.filter(|_| is_open && ret >= 0);
            let flags = if ty == EventType::CREAT_X { 0x106 } else { flags };
            let asks = flags & 0x2004 != 0 || ty == EventType::OPENAT2_X;
            let object = if is_open { Object::None } else { object };
            Truth {
                ty,
                ret,
                flags,
                created: created && asks && ret >= 0,
                mode,
                raw,
                dir,
                kernel_name,
                is_directory: is_directory && ret >= 0,
                object,
                container,
                name,
            }
        },
    )
}

/// As a process's string and the directory make it.
fn joined(dir: Option<&str>, raw: &str) -> Option<String> {
    let all = if raw.starts_with('/') { raw.to_owned() } else { format!("{}/{raw}", dir?) };
    let mut parts: Vec<&str> = Vec::new();
    for part in all.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

/// Whether a rule matches in some view.
pub(crate) fn matches(ruleset: &Ruleset, truth: &Truth) -> bool {
    let views = [NameView::Lexical, NameView::Kernel];
    let mut scratch = ruleset.scratch();
    views.into_iter().any(|view| {
        let seen = Seen {
            truth,
            name: truth.name_in(view),
            shown: truth.shown_flags(),
            types: truth.ends(),
        };
        !ruleset.evaluate(truth.ty, &seen, &mut scratch).is_empty()
    })
}

type End = Option<SocketAddr>;

impl Truth {
    fn is_open(&self) -> bool {
        OPENS.contains(&self.ty)
    }

    fn lexical(&self) -> Option<String> {
        joined(self.dir, self.raw?).filter(|_| self.is_open())
    }

    /// The name that rules see.
    fn name_in(&self, view: NameView) -> Option<String> {
        let kernel = self.kernel_name.map(str::to_owned);
        if view == NameView::Kernel { kernel } else { self.lexical().or(kernel) }
    }

    /// Names of the flags as the table has them.
    fn shown_flags(&self) -> String {
        let param = self.ty.info().and_then(|info| info.params.iter().find(|p| p.name == "flags"));
        let names = param.and_then(|p| p.flags).map(|set| set.walk(self.flags).collect::<Vec<_>>());
        names.unwrap_or_default().join("|")
    }

    /// Client, server, local, remote.
    fn ends(&self) -> [End; 4] {
        match self.object {
            Object::Socket { local, remote, is_server: true, .. } => [remote, local, local, remote],
            Object::Socket { local, remote, is_server: false, .. } => {
                [local, remote, local, remote]
            }
            _ => [None; 4],
        }
    }

    /// What the kernel can tell of the descriptor.
    fn kind(&self) -> FilterKind {
        let is_local = |end: &SocketAddr| match end.ip() {
            IpAddr::V4(ip) => ip.octets()[0] == 127 || ip.is_unspecified(),
            IpAddr::V6(ip) => ip.is_loopback() || ip.is_unspecified(),
        };
        match &self.object {
            Object::None if self.is_open() => FilterKind::File,
            Object::None => FilterKind::Unknown,
            Object::Pipe => FilterKind::Other,
            Object::File => FilterKind::File,
            Object::Unix => FilterKind::Unix,
            Object::Socket { is_ipv6, local, remote, .. } => {
                match (is_ipv6, local.iter().chain(remote).all(is_local)) {
                    (false, false) => FilterKind::Ipv4,
                    (false, true) => FilterKind::Ipv4Local,
                    (true, false) => FilterKind::Ipv6,
                    (true, true) => FilterKind::Ipv6Local,
                }
            }
        }
    }

    /// Whether the clause may hold for it, as far as the kernel can tell.
    pub(crate) fn may_meet(&self, clause: &Clause) -> bool {
        let by_result = if self.ret < 0 { clause.failed } else { clause.succeeded };
        let by_flags = || {
            let has = |mask: u64| u64::from(self.flags) & mask != 0;
            clause.flags.iter().all(|&(mask, is_set)| has(mask) == is_set)
        };
        let by_container = || !clause.in_container || self.container != Some("host");
        by_result
            && by_flags()
            && by_container()
            && clause.allows(self.kind())
            && self.may_have_port(clause)
            && self.may_have_name(clause)
    }

    fn may_have_port(&self, clause: &Clause) -> bool {
        let Some(ports) = &clause.ports else { return true };
        let own: Vec<u16> = self.ends().iter().flatten().map(SocketAddr::port).collect();
        own.is_empty() || own.iter().any(|port| ports.contains(port))
    }

    fn may_have_name(&self, clause: &Clause) -> bool {
        let Some(patterns) = &clause.names else { return true };
        let Some(raw) = self.raw else { return true };
        if !is_plain_string(raw.as_bytes().strip_prefix(b"/").unwrap_or(raw.as_bytes())) {
            return true;
        }
        let Some(lexical) = self.lexical() else { return true };
        let views = [Some(lexical), self.kernel_name.map(str::to_owned)];
        views.into_iter().flatten().any(|name| {
            !is_plain_path(name.as_bytes())
                || patterns.iter().any(|pattern| pattern.matches(name.as_bytes()))
        })
    }
}

/// An event as rules see it in one view.
struct Seen<'t> {
    truth: &'t Truth,
    name: Option<String>,
    shown: String,
    types: [End; 4],
}

impl Seen<'_> {
    /// Type and letter of the descriptor.
    fn kind(&self) -> Option<(&'static str, &'static str)> {
        Some(match &self.truth.object {
            Object::None if !self.truth.is_open() => return None,
            Object::None if self.truth.is_directory || self.truth.flags & 0x400 != 0 => {
                ("directory", "d")
            }
            Object::None | Object::File => ("file", "f"),
            Object::Pipe => ("pipe", "p"),
            Object::Unix => ("unix", "u"),
            Object::Socket { is_ipv6: false, .. } => ("ipv4", "4"),
            Object::Socket { is_ipv6: true, .. } => ("ipv6", "6"),
        })
    }
}

fn text(text: &str) -> Value<'_> {
    Value::Bytes(text.as_bytes())
}

impl Fields for Seen<'_> {
    fn get(&self, field: &FieldRef) -> Option<Value<'_>> {
        let t = self.truth;
        let is_open = t.is_open();
        let [client, server, local, remote] = self.types;
        let ip = |end: End| end.map(|end| Value::Ip(end.ip()));
        let port = |end: End| end.map(|end| Value::U64(u64::from(end.port())));
        let truth = |holds: bool| Some(Value::Bool(holds && is_open));
        let name = self.name.as_deref().filter(|_| is_open);
        let is_file = self.kind().is_some_and(|(name, _)| name == "file");
        match field.field {
            Field::FsPathName => name.filter(|_| t.ret != -1).map(text),
            Field::FdDirectory if is_file => Some(text(match name?.rsplit_once('/') {
                None | Some(("", _)) => "/",
                Some((dir, _)) => dir,
            })),
            Field::FdName | Field::FdDirectory => name.map(text),
            Field::FdFilename if is_file => {
                let last = name?.rsplit('/').next().unwrap_or_default();
                Some(text(if last.is_empty() { "/" } else { last }))
            }
            Field::FdNameraw => t.raw.filter(|_| is_open).map(text),
            Field::FdType => Some(text(self.kind()?.0)),
            Field::FdTypechar => Some(text(self.kind()?.1)),
            Field::FdCip => ip(client),
            Field::FdSip | Field::FdSnet => ip(server),
            Field::FdLip => ip(local),
            Field::FdRip | Field::FdRnet => ip(remote),
            Field::FdSport => port(server),
            Field::FdRport => port(remote),
            Field::FdNum if is_open => Some(Value::I64(t.ret.max(-1))),
            Field::FdNum => Some(Value::I64(3)),
            Field::EvtRawres => Some(Value::I64(t.ret)),
            Field::EvtRes => match t.ret {
                0.. => Some(text("SUCCESS")),
                -2 => Some(text("ENOENT")),
                _ => Some(text("EPERM")),
            },
            Field::EvtFailed => Some(Value::Bool(t.ret < 0)),
            Field::EvtIsOpenRead => truth(t.flags & 1 != 0),
            Field::EvtIsOpenWrite => truth(t.flags & 2 != 0),
            Field::EvtIsOpenExec => truth(t.flags & 0x2004 != 0 && t.mode & 0o111 != 0),
            Field::EvtIsOpenCreate => truth(t.created),
            Field::EvtArg if field.arg == Arg::Key("flags".into()) && is_open => {
                Some(text(&self.shown))
            }
            Field::EvtType => Some(text(t.ty.name())),
            Field::ContainerId => t.container.map(text),
            Field::ProcName => Some(text(t.name)),
            _ => None,
        }
    }

    fn any<P: FnMut(Value<'_>) -> bool>(&self, field: &FieldRef, mut pred: P) -> bool {
        let ends = || self.types[..2].iter().flatten();
        match field.field {
            Field::FdIp | Field::FdNet => ends().any(|end| pred(Value::Ip(end.ip()))),
            Field::FdPort => ends().any(|end| pred(Value::U64(u64::from(end.port())))),
            _ => self.get(field).is_some_and(pred),
        }
    }
}

//! The parameters of a call: those that are written, and what the others usually are.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow};
use event::{
    EF_CREATES_FD, EF_OLD_VERSION, EF_USES_FD, EventInfo, EventType, FrameHeader, FrameWriter,
    MAX_FRAME_LEN, Param, ParamType, SectionKind,
};

use super::locate::Step;
use super::shapes::Written;
use super::tree::{Place as _, Tree, Wrong};
use super::value::{AT_FDCWD, encode, unknown};
use super::written::{Event, Params};

/// The descriptor of calls that do not say which.
pub(super) const DEFAULT_FD: i64 = 3;

/// What is written of a call, by the position of its parameters.
pub(super) struct Given {
    pub(super) ty: EventType,
    pub(super) info: &'static EventInfo,
    pub(super) bytes: BTreeMap<usize, Vec<u8>>,
    pub(super) texts: BTreeMap<usize, String>,
}

impl Given {
    /// Nothing is written yet.
    pub(super) fn new(ty: EventType) -> Self {
        let info = ty.info().expect("types come from the table");
        Self { ty, info, bytes: BTreeMap::new(), texts: BTreeMap::new() }
    }

    /// The parameters of an event, each checked against the event table.
    pub(super) fn read(event: &Event, tree: &Tree, path: &[Step]) -> Result<Self, Wrong> {
        let call = &*event.call;
        let of_table = current_type(call);
        let ty = of_table.unwrap_or(EventType::GENERIC_X);
        let mut given = Self::new(ty);
        if of_table.is_none() {
            let id = event::syscall_id(call).unwrap_or_default();
            given.put_number("ID", i64::from(id));
        }
        let main: Vec<(String, Written)>;
        let named = match &event.params {
            Params::Named(all) => all,
            Params::Main(text) => {
                main = main_params(&given, text).at(path)?;
                &main
            }
        };
        for (name, value) in named {
            let place = [path, &[Step::Name(call.to_owned()), Step::Name(name.clone())]].concat();
            let n = param_named(&given, name).at(&place)?;
            let param = &given.info.params[n];
            let bytes = encode(param, value, tree);
            let bytes =
                bytes.with_context(|| format!("parameter `{name}` of {call}")).at(&place)?;
            given.bytes.insert(n, bytes);
            if let Written::Text(text) = value {
                given.texts.insert(n, text.clone());
            }
        }
        Ok(given)
    }

    /// The frame: what was written, and for the rest what such a call usually has.
    pub(super) fn frame(
        &self,
        header: FrameHeader,
        sections: &[(SectionKind, Vec<u8>)],
    ) -> Result<Vec<u8>> {
        let mut buf = vec![0; MAX_FRAME_LEN];
        let mut w = FrameWriter::new(&mut buf, header);
        for (n, param) in self.info.params.iter().enumerate() {
            match self.bytes.get(&n) {
                Some(bytes) => w.bytes(bytes),
                None => w.bytes(&usual(self, n, param)),
            };
        }
        for (kind, body) in sections {
            w.section(*kind, &[body]);
        }
        let frame =
            w.finish().map_err(|_| anyhow!("the event does not fit into {MAX_FRAME_LEN} bytes"))?;
        Ok(frame.to_vec())
    }

    pub(super) fn index(&self, name: &str) -> Option<usize> {
        self.info.params.iter().position(|p| p.name == name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.texts.get(&self.index(name)?).map(String::as_str)
    }

    /// A number that was written; `None` where it was not.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        number(self.bytes.get(&self.index(name)?)?)
    }

    pub(super) fn put(&mut self, name: &str, bytes: Vec<u8>) {
        if let Some(n) = self.index(name) {
            self.bytes.entry(n).or_insert(bytes);
        }
    }

    pub(super) fn put_text(&mut self, name: &str, text: &str) {
        self.put(name, [text.as_bytes(), b"\0"].concat());
    }

    pub(super) fn put_number(&mut self, name: &str, value: i64) {
        let size = self.index(name).and_then(|n| self.info.params[n].ty.size()).unwrap_or(8);
        self.put(name, value.to_le_bytes()[..size].to_vec());
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(
            self.ty,
            EventType::OPEN_X
                | EventType::OPENAT_2_X
                | EventType::OPENAT2_X
                | EventType::CREAT_X
                | EventType::OPEN_BY_HANDLE_AT_X
        )
    }

    pub(super) fn is_fork(&self) -> bool {
        matches!(self.info.name, "clone" | "clone3" | "fork" | "vfork")
    }

    pub(super) fn is_exec(&self) -> bool {
        matches!(self.info.name, "execve" | "execveat")
    }

    pub(super) fn is_inbound(&self) -> bool {
        self.info.name.starts_with("recv") || self.info.name.starts_with("accept")
    }

    pub(super) fn is_dup(&self) -> bool {
        self.info.name.starts_with("dup")
    }

    pub(super) fn makes_fd(&self) -> bool {
        self.info.flags & EF_CREATES_FD != 0
    }

    /// The result: what was written, else success.
    pub(super) fn result(&self) -> i64 {
        let default = if self.makes_fd() && self.index("fd1").is_none() { DEFAULT_FD } else { 0 };
        self.bytes.get(&0).and_then(|b| number(b)).unwrap_or(default)
    }

    /// The parameter that is the descriptor which the call uses.
    pub(super) fn used_fd(&self) -> Option<usize> {
        if self.is_dup() {
            return self.index("oldfd").or_else(|| self.index("fd"));
        }
        if self.makes_fd() || self.info.flags & EF_USES_FD == 0 && self.ty != EventType::CLOSE_X {
            return None;
        }
        ["fd", "fd_out", "out_fd", "fdin"].into_iter().find_map(|name| self.index(name))
    }
}

/// The type that is captured today under a name.
fn current_type(call: &str) -> Option<EventType> {
    let current = |ty: &EventType| ty.info().is_some_and(|i| i.flags & EF_OLD_VERSION == 0);
    let of = |parity: u16| {
        EventType::all_named(call).filter(current).filter(move |t| t.0 % 2 == parity).last()
    };
    of(1).or_else(|| of(0))
}

pub(super) fn number(bytes: &[u8]) -> Option<i64> {
    let mut wide = [0; 8];
    wide.get_mut(..bytes.len()).filter(|_| !bytes.is_empty())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(wide))
}

/// A parameter of which nothing is written.
fn usual(given: &Given, n: usize, param: &Param) -> Vec<u8> {
    let zeros = |size| vec![0; size];
    let data = || given.index("data").and_then(|d| given.bytes.get(&d)).map_or(0, Vec::len) as i64;
    match (param.name, param.ty) {
        ("res" | "fd", ParamType::Errno | ParamType::Fd) if n == 0 => match given.result() {
            0 if param.name == "res" => data(),
            result => result,
        }
        .to_le_bytes()
        .to_vec(),
        ("size", ParamType::U32) => (data() as u32).to_le_bytes().to_vec(),
        ("flags", ParamType::Flags32) if given.is_open() => 1u32.to_le_bytes().to_vec(),
        (_, ParamType::Fd) => {
            let next = given.info.params.get(n + 1).map(|p| p.ty);
            let fd = if next == Some(ParamType::FsRelPath) || given.ty == EventType::OPENAT_2_X {
                AT_FDCWD
            } else if matches!(given.info.name, "mmap" | "mmap2") {
                -1
            } else {
                DEFAULT_FD
            };
            fd.to_le_bytes().to_vec()
        }
        // "As it is", for the calls that change owners.
        (_, ParamType::Uid | ParamType::Gid) => u32::MAX.to_le_bytes().to_vec(),
        (_, ParamType::Pid) => Vec::new(),
        (_, ty) => ty.size().map_or_else(Vec::new, zeros),
    }
}

/// The parameter of this name, or of the name that people give to it.
fn param_named(given: &Given, name: &str) -> Result<usize> {
    let other = match name {
        "res" if given.makes_fd() => "fd",
        "fd" if given.makes_fd() => "res",
        "exepath" => "trusted_exepath",
        "path" => "name",
        "name" => "path",
        _ => name,
    };
    let found = given.index(name).or_else(|| given.index(other));
    let known = given.info.params.iter().map(|p| p.name);
    found.ok_or_else(|| {
        let all = given.info.params.iter().map(|p| p.name).collect::<Vec<_>>().join(", ");
        let what = format!("parameter of {}", given.info.name);
        let all = if all.is_empty() { "it has none".to_owned() } else { format!("it has {all}") };
        anyhow!("{:#} ({all})", unknown(&what, name, known))
    })
}

/// The parameter that is meant where only one value is written.
fn main_params(given: &Given, text: &str) -> Result<Vec<(String, Written)>> {
    let params = given.info.params;
    if given.is_exec() {
        let (exe, args) = text.split_once(' ').unwrap_or((text, ""));
        let value = |text: &str| Written::Text(text.to_owned());
        return Ok(vec![("exe".into(), value(exe)), ("args".into(), value(args))]);
    }
    let is_path = |p: &&Param| {
        matches!(p.ty, ParamType::FsPath | ParamType::FsRelPath)
            || matches!(p.name, "name" | "path")
    };
    let is_tuple = |p: &&Param| p.ty == ParamType::SockTuple && text.contains("->");
    let is_addr = |p: &&Param| p.ty == ParamType::SockAddr;
    let is_word = |p: &&Param| p.flags.is_some() || p.ty == ParamType::SigType;
    let found = params.iter().find(is_path);
    let found =
        found.or_else(|| params.iter().find(is_tuple)).or_else(|| params.iter().find(is_addr));
    let found = found.or_else(|| params.iter().find(is_word));
    let found = found.with_context(|| {
        format!("{} has no parameter for a value alone: name it", given.info.name)
    })?;
    Ok(vec![(found.name.to_owned(), Written::Text(text.to_owned()))])
}

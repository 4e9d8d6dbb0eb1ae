//! Facts of the running kernel from its BTF: offsets of members (through anonymous structures and unions), sizes, enumerators.
//!
//! A reader of our own, since aya-obj keeps members private. The format is that of Documentation/bpf/btf.rst in the kernel tree.

use std::{
    collections::{HashMap, HashSet},
    ffi::CStr,
};

use event::{KernelField, MISSING_FIELD};

const MAGIC: u16 = 0xeb9f;
/// Levels of typedefs, qualifiers and anonymous members that are followed.
const MAX_DEPTH: u32 = 32;

const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const FUNC: u32 = 12;
const ENUM64: u32 = 19;
/// What the types of tracepoints and the functions of iterators begin with.
const TRACEPOINT: &[u8] = b"btf_trace_";
const ITERATOR: &[u8] = b"bpf_iter_";
/// What the functions begin with that anybody asks for.
const FUNCTION: &[u8] = b"bpf_";
/// A function of the kernel that programs may call: makes a pointer of an address, to be read through (6.2).
const CAST: &[u8] = b"bpf_rdonly_cast";
/// Another: makes what the kernel has for a context of what a program has for it (6.2).
const CONTEXT: &[u8] = b"bpf_cast_to_kern_ctx";
/// What the first makes pointers to: a structure that begins with words of 64 bits, and more of them than are read at once.
const CAST_TYPE: &[u8] = b"pt_regs";

/// Why the kernel's BTF cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BtfError {
    /// The header is not that of BTF.
    #[error("not BTF: {0}")]
    Header(&'static str),
    /// A type overruns its section.
    #[error("BTF type {id} at byte {at} overruns its section")]
    Type {
        /// Number of the type.
        id: u32,
        /// Where it starts.
        at: usize,
    },
}

/// The types of a kernel, as it shows them. Of the names only those are kept that somebody asks for: there are 100,000 and more.
pub(crate) struct KernelTypes<'a> {
    bytes: &'a [u8],
    strings: usize,
    /// Where each type starts; type 0 is void.
    types: Vec<u32>,
    wanted: HashSet<&'static [u8]>,
    structs: HashMap<&'a [u8], u32>,
    enumerators: HashMap<&'a [u8], i32>,
    tracepoints: HashMap<&'a [u8], u32>,
    functions: HashMap<&'a [u8], u32>,
}

/// A cast of addresses to pointers that may be read through: numbers of the function and of the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cast {
    pub(crate) function: u32,
    pub(crate) ty: u32,
    /// Number of the function for contexts.
    pub(crate) context: Option<u32>,
}

/// A member: where it lies and what it is.
#[derive(Clone, Copy)]
struct Member {
    bits: u32,
    ty: u32,
}

impl<'a> KernelTypes<'a> {
    /// Indexes the types. Answers for every [`KernelField`] and for these enumerators. O(bytes).
    pub(crate) fn parse(
        bytes: &'a [u8],
        enumerators: impl IntoIterator<Item = &'static str>,
    ) -> Result<Self, BtfError> {
        let mut this = Self {
            bytes,
            strings: 0,
            types: vec![0],
            wanted: KernelField::ALL.iter().flat_map(|f| names(f.path())).collect(),
            structs: HashMap::new(),
            enumerators: HashMap::new(),
            tracepoints: HashMap::new(),
            functions: HashMap::new(),
        };
        this.wanted.extend(enumerators.into_iter().map(str::as_bytes));
        this.wanted.insert(CAST_TYPE);
        let magic = bytes.get(..2).ok_or(BtfError::Header("too short"))?;
        if u16::from_le_bytes([magic[0], magic[1]]) != MAGIC {
            return Err(BtfError::Header("wrong magic number"));
        }
        let head = |at| this.u32(at).ok_or(BtfError::Header("too short"));
        let header_len = head(4)? as usize;
        let start = header_len + head(8)? as usize;
        let end = start + head(12)? as usize;
        this.strings = header_len + head(16)? as usize;
        if end > bytes.len() || this.strings > bytes.len() || u32::try_from(end).is_err() {
            return Err(BtfError::Header("sections overrun the file"));
        }
        let mut at = start;
        while at < end {
            at = this.index_type(at)?;
        }
        Ok(this)
    }

    fn u32(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(*self.bytes.get(at..)?.first_chunk()?))
    }

    fn index_type(&mut self, at: usize) -> Result<usize, BtfError> {
        let id = self.types.len() as u32;
        let overrun = BtfError::Type { id, at };
        let (Some(name), Some(info)) = (self.u32(at), self.u32(at + 4)) else {
            return Err(overrun);
        };
        let (kind, n) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
        let body = match kind {
            1 | 14 | 17 => 4,
            ARRAY => 12,
            STRUCT | UNION | 15 | ENUM64 => 12 * n,
            ENUM | 13 => 8 * n,
            _ => 0,
        };
        let end = at + 12 + body;
        if end > self.bytes.len() {
            return Err(overrun);
        }
        self.types.push(at as u32);
        match kind {
            STRUCT | UNION => {
                let name = self.string(name);
                if self.wanted.contains(name) {
                    self.structs.entry(name).or_insert(id);
                }
            }
            TYPEDEF => {
                if let Some(hook) = self.string_after(name, TRACEPOINT) {
                    self.tracepoints.entry(hook).or_insert(id);
                }
            }
            FUNC if self.string_after(name, FUNCTION).is_some() => {
                self.functions.entry(self.string(name)).or_insert(id);
            }
            ENUM => {
                for i in 0..n {
                    let entry = at + 12 + 8 * i;
                    if let (Some(name), Some(value)) = (self.u32(entry), self.u32(entry + 4)) {
                        let name = self.string(name);
                        if self.wanted.contains(name) {
                            self.enumerators.insert(name, value.cast_signed());
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(end)
    }

    fn string(&self, offset: u32) -> &'a [u8] {
        let rest = self.bytes.get(self.strings + offset as usize..).unwrap_or(&[]);
        CStr::from_bytes_until_nul(rest).map_or(rest, CStr::to_bytes)
    }

    /// What follows at the beginning of a string, where it begins so.
    fn string_after(&self, offset: u32, begin: &[u8]) -> Option<&'a [u8]> {
        self.bytes.get(self.strings + offset as usize..)?.starts_with(begin).then(|| {
            let name = self.string(offset);
            name.strip_prefix(begin).unwrap_or(name)
        })
    }

    fn kind(&self, id: u32) -> Option<(u32, usize, u32, u32)> {
        let at = *self.types.get(id as usize)? as usize;
        if id == 0 {
            return None;
        }
        let info = self.u32(at + 4)?;
        Some((info >> 24 & 0x1f, at, info & 0xffff, info >> 31))
    }

    /// Steps over typedefs and qualifiers.
    fn resolve(&self, mut id: u32) -> Option<u32> {
        for _ in 0..MAX_DEPTH {
            let (kind, at, ..) = self.kind(id)?;
            match kind {
                8..=11 | 18 => id = self.u32(at + 8)?,
                _ => return Some(id),
            }
        }
        None
    }

    fn member(&self, container: u32, name: &[u8], depth: u32) -> Option<Member> {
        let (kind, at, n, kind_flag) = self.kind(self.resolve(container)?)?;
        if depth == 0 || (kind != STRUCT && kind != UNION) {
            return None;
        }
        for i in 0..n as usize {
            let entry = at + 12 + 12 * i;
            let (name_off, ty) = (self.u32(entry)?, self.u32(entry + 4)?);
            let raw = self.u32(entry + 8)?;
            let bits = if kind_flag == 1 { raw & 0x00ff_ffff } else { raw };
            let own = self.string(name_off);
            if own == name {
                return Some(Member { bits, ty });
            }
            if own.is_empty()
                && let Some(inner) = self.member(ty, name, depth - 1)
            {
                return Some(Member { bits: bits + inner.bits, ty: inner.ty });
            }
        }
        None
    }

    fn path(&self, path: &str) -> Option<Member> {
        let mut names = path.split('.');
        let ty = *self.structs.get(names.next()?.as_bytes())?;
        let mut at = Member { bits: 0, ty };
        for name in names {
            let next = self.member(at.ty, name.as_bytes(), MAX_DEPTH)?;
            at = Member { bits: at.bits + next.bits, ty: next.ty };
        }
        Some(at)
    }

    fn size(&self, id: u32, depth: u32) -> Option<u32> {
        let id = self.resolve(id)?;
        let (kind, at, ..) = self.kind(id)?;
        match kind {
            PTR => Some(8),
            ARRAY if depth > 0 => {
                let element = self.size(self.u32(at + 12)?, depth - 1)?;
                element.checked_mul(self.u32(at + 20)?)
            }
            1 | STRUCT | UNION | ENUM | ENUM64 | 16 => self.u32(at + 8),
            _ => None,
        }
    }

    fn stride(&self, id: u32) -> Option<u32> {
        let (kind, at, ..) = self.kind(self.resolve(id)?)?;
        if kind != ARRAY {
            return None;
        }
        self.size(self.u32(at + 12)?, MAX_DEPTH)
    }

    fn alternative(&self, what: &str) -> Option<u32> {
        match what.split_once(' ') {
            Some(("sizeof", name)) => self.size(*self.structs.get(name.as_bytes())?, MAX_DEPTH),
            Some(("enum", name)) => self.enumerator(name).map(i32::cast_unsigned),
            Some(("width", path)) => self.size(self.path(path)?.ty, MAX_DEPTH),
            Some(("stride", path)) => self.stride(self.path(path)?.ty),
            Some(("bit", path)) => Some(self.path(path)?.bits % 8),
            _ => Some(self.path(what)?.bits / 8),
        }
    }

    /// The value of a field, [`MISSING_FIELD`] where this kernel lacks it.
    pub(crate) fn value(&self, field: KernelField) -> u32 {
        field.path().split('|').find_map(|a| self.alternative(a)).unwrap_or(MISSING_FIELD)
    }

    /// The value of an enumerator.
    pub(crate) fn enumerator(&self, name: &str) -> Option<i32> {
        self.enumerators.get(name.as_bytes()).copied()
    }

    /// The cast, where the kernel has it.
    pub(crate) fn cast(&self) -> Option<Cast> {
        let ty = *self.structs.get(CAST_TYPE)?;
        let function = |name| self.functions.get(name).copied();
        Some(Cast { function: function(CAST)?, ty, context: function(CONTEXT) })
    }

    /// Number of the type that programs at a tracepoint are loaded for.
    pub(crate) fn tracepoint(&self, name: &str) -> Option<u32> {
        self.tracepoints.get(name.as_bytes()).copied()
    }

    /// Number of the function that programs of an iterator are loaded for.
    pub(crate) fn iterator(&self, of: &str) -> Option<u32> {
        self.functions.get([ITERATOR, of.as_bytes()].concat().as_slice()).copied()
    }

    /// Number of arguments of a tracepoint, without the leading `void *`.
    pub(crate) fn tracepoint_args(&self, name: &str) -> Option<u32> {
        let (kind, at, ..) = self.kind(self.resolve(self.tracepoint(name)?)?)?;
        if kind != PTR {
            return None;
        }
        let (_, _, n, _) = self.kind(self.u32(at + 8)?)?;
        n.checked_sub(1)
    }
}

/// Structures and enumerators that a field's path asks for.
fn names(path: &'static str) -> impl Iterator<Item = &'static [u8]> {
    path.split('|').filter_map(|what| {
        let path = what.split_once(' ').map_or(what, |(_, path)| path);
        path.split('.').next().map(str::as_bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those of the sample.
    const NAMES: [&str; 3] = ["outer", "inner", "E"];

    /// A small BTF: `struct outer { int a; union { int b; struct inner c; }; int d:3 }`, `struct inner { int x[4]; int y }`, `enum { E = 7 }`.
    fn sample() -> Vec<u8> {
        let strings = b"\0int\0outer\0a\0b\0c\0inner\0x\0y\0E\0d\0";
        let at = |s: &str| {
            let needle = format!("\0{s}\0").into_bytes();
            let found = strings.windows(needle.len()).position(|w| w == needle.as_slice());
            found.unwrap() as u32 + 1
        };
        let mut types: Vec<u32> = Vec::new();
        types.extend([at("int"), 1 << 24, 4, 32]); // 1
        types.extend([0, ARRAY << 24, 0, 1, 1, 4]); // 2: int[4]
        types.extend([at("inner"), STRUCT << 24 | 2, 20, at("x"), 2, 0, at("y"), 1, 128]); // 3
        types.extend([0, UNION << 24 | 2, 20, at("b"), 1, 0, at("c"), 3, 0]); // 4
        types.extend([
            at("outer"),
            1 << 31 | STRUCT << 24 | 3,
            28,
            at("a"),
            1,
            0,
            0,
            4,
            32,
            at("d"),
            1,
            3 << 24 | 0xc5,
        ]); // 5
        types.extend([0, ENUM << 24 | 1, 4, at("E"), 7]); // 6
        let body: Vec<u8> = types.iter().flat_map(|w| w.to_le_bytes()).collect();
        let mut out = vec![0x9f, 0xeb, 1, 0];
        for word in [24u32, 0, body.len() as u32, body.len() as u32, strings.len() as u32] {
            out.extend(word.to_le_bytes());
        }
        out.extend(body);
        out.extend(strings);
        out
    }

    #[test]
    fn members_are_found_through_anonymous_ones() {
        let bytes = sample();
        let types = KernelTypes::parse(&bytes, NAMES).unwrap();
        let check = |what: &str, expected| assert_eq!(types.alternative(what), expected, "{what}");
        check("outer.a", Some(0));
        check("outer.b", Some(4));
        check("outer.c.y", Some(20));
        check("stride outer.c.x", Some(4));
        check("width outer.c.x", Some(16));
        check("sizeof outer", Some(28));
        check("outer.d", Some(24));
        check("bit outer.d", Some(5));
        check("enum E", Some(7));
        check("outer.nothing", None);
        check("nothing.a", None);
    }

    #[test]
    fn every_truncation_is_an_error_or_still_answers() {
        let bytes = sample();
        for n in 0..bytes.len() {
            if let Ok(types) = KernelTypes::parse(&bytes[..n], NAMES) {
                let _: Option<u32> = types.alternative("outer.c.y");
            }
        }
        assert_eq!(
            KernelTypes::parse(&[1; 64], NAMES).err(),
            Some(BtfError::Header("wrong magic number"))
        );
    }
}

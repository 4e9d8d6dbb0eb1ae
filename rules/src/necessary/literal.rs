//! What one comparison, or its negation, needs of an event of some type as far as the kernel can tell.

use event::{Direction, EventType, carries_state};

use super::ask::Ask;
use super::{ends, names};
use crate::predicate::{BytesTest, Cmp, PredicateKey, TestKey};
use crate::regex::StateSets;
use crate::schema::{Arg, Field, FieldRef};
use crate::test::Test;
use crate::value::Value;

/// Bits of the flags of opens as the schema has them (`PPM_O_*`).
mod open_flags {
    pub(super) const RDONLY: u64 = 1;
    pub(super) const WRONLY: u64 = 2;
    pub(super) const CREAT: u64 = 4;
    pub(super) const TMPFILE: u64 = 0x2000;
    pub(super) const F_CREATED: u64 = 0x4000;
}

/// `EC_SYSCALL` of the event table.
const EC_SYSCALL: u16 = 0x200;

/// What is the same for all events of a type.
#[derive(Clone, Copy, Debug)]
pub(super) struct TypeFacts {
    pub(super) ty: EventType,
    /// The first parameter is the call's result.
    has_result: bool,
    open: Option<OpenFlags>,
}

/// How an open tells its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OpenFlags {
    /// In a register, which is the same when the call returns.
    Register,
    /// In memory, which another thread may have changed since.
    Memory,
    /// Always the same: for writing, and made.
    Creat,
    /// With a handle instead of a name.
    Handle,
}

impl TypeFacts {
    /// `None` for types whose events are never rejected.
    pub(super) fn of(ty: EventType) -> Option<Self> {
        let info = ty.info()?;
        let is_call = info.direction == Direction::Exit && info.category & EC_SYSCALL != 0;
        if !is_call || ty <= EventType::GENERIC_X || carries_state(ty) {
            return None;
        }
        let open = match ty {
            EventType::OPEN_X | EventType::OPENAT_2_X => Some(OpenFlags::Register),
            EventType::OPENAT2_X => Some(OpenFlags::Memory),
            EventType::CREAT_X => Some(OpenFlags::Creat),
            EventType::OPEN_BY_HANDLE_AT_X => Some(OpenFlags::Handle),
            _ => None,
        };
        let first = info.params.first().map(|p| p.name);
        Some(Self { ty, has_result: matches!(first, Some("res" | "fd")), open })
    }

    /// Whether names of files are asked for.
    pub(super) fn has_name(self) -> bool {
        self.open.is_some_and(|open| open != OpenFlags::Handle)
    }
}

/// A test asked of single values.
pub(super) struct Concrete(Option<Test>);

impl Concrete {
    pub(super) fn new(key: &PredicateKey) -> Self {
        let is_simple = !matches!(
            &key.test,
            TestKey::Bytes(BytesTest::Regex, _)
                | TestKey::Against { .. }
                | TestKey::OneOf(_)
                | TestKey::EachElement(_)
                | TestKey::AnyElement(_)
        );
        Self(is_simple.then(|| Test::new(&key.test, key.left.ty())))
    }

    /// Whether the test, or its negation, may hold for the value; a missing one satisfies no test.
    pub(super) fn may(&self, value: Option<Value<'_>>, negated: bool) -> bool {
        match (&self.0, value) {
            (_, None) => negated,
            (None, Some(_)) => true,
            (Some(test), Some(value)) => test.accepts(value, &mut StateSets::default()) != negated,
        }
    }
}

/// What the literal needs; `None` where no event of the type satisfies it. What is not understood needs nothing.
pub(super) fn ask(facts: TypeFacts, key: &PredicateKey, negated: bool) -> Option<Ask> {
    if key.test.is_never() {
        return negated.then(Ask::any);
    }
    let Some(FieldRef { field, arg }) = key.left.as_field() else { return Some(Ask::any()) };
    let field = *field;
    match field {
        Field::EvtDir => {
            let is_exit = Concrete::new(key).may(Some(Value::Bytes(b"<")), negated);
            is_exit.then(Ask::any)
        }
        Field::EvtFailed | Field::EvtRes | Field::EvtRawres if facts.has_result => {
            of_result(field, key, negated)
        }
        // What an open returned.
        Field::FdNum if facts.open.is_some() => of_result(field, key, negated),
        Field::EvtIsOpenRead
        | Field::EvtIsOpenWrite
        | Field::EvtIsOpenExec
        | Field::EvtIsOpenCreate => of_open(facts, field, key, negated),
        Field::EvtArg => Some(of_flag_names(facts, arg, &key.test, negated)),
        Field::ContainerId | Field::ContainerType => {
            let in_container = !Concrete::new(key).may(Some(Value::Bytes(b"host")), negated)
                && !Concrete::new(key).may(None, negated);
            Some(Ask { in_container, ..Ask::any() })
        }
        _ if names::is_of_name(field) && facts.open.is_some() => {
            let set =
                if negated || !facts.has_name() { None } else { names::of_test(field, &key.test) };
            Some(Ask { names: set.map(Into::into), ..Ask::any() })
        }
        _ => of_descriptor(facts, field, key, negated),
    }
}

/// Whether a number between two satisfies the test.
fn any_between(test: &Concrete, key: &TestKey, (low, high): (i64, i64), negated: bool) -> bool {
    let near = |bits: u64| {
        let n = bits as i64;
        [n.checked_sub(1), Some(n), n.checked_add(1)].into_iter().flatten()
    };
    let asked: Vec<u64> = match key {
        TestKey::Number { bits, .. } => vec![*bits],
        TestKey::NumberIn(of) => of.iter().copied().collect(),
        TestKey::Exists => Vec::new(),
        _ => return true,
    };
    let candidates = asked.into_iter().flat_map(near).chain([low, high]);
    // Between two numbers that are compared with, an order does not change.
    candidates.filter(|n| (low..=high).contains(n)).any(|n| test.may(Some(Value::I64(n)), negated))
}

fn of_result(field: Field, key: &PredicateKey, negated: bool) -> Option<Ask> {
    let test = Concrete::new(key);
    let [failed, succeeded] = match field {
        Field::EvtFailed => [true, false].map(|b| test.may(Some(Value::Bool(b)), negated)),
        Field::EvtRes => {
            let is_success = matches!(&key.test, TestKey::Bytes(BytesTest::Cmp(Cmp::Eq), text) if text == b"SUCCESS");
            [negated || !is_success, test.may(Some(Value::Bytes(b"SUCCESS")), negated)]
        }
        // -1 stands for every error.
        Field::FdNum => {
            [(-1, -1), (0, i64::MAX)].map(|between| any_between(&test, &key.test, between, negated))
        }
        _ => [(i64::MIN, -1), (0, i64::MAX)]
            .map(|between| any_between(&test, &key.test, between, negated)),
    };
    (failed || succeeded).then(|| Ask { failed, succeeded, ..Ask::any() })
}

fn of_open(facts: TypeFacts, field: Field, key: &PredicateKey, negated: bool) -> Option<Ask> {
    let test = Concrete::new(key);
    let [if_false, if_true] = [false, true].map(|b| test.may(Some(Value::Bool(b)), negated));
    let made = open_flags::CREAT | open_flags::TMPFILE;
    let Some(open) = facts.open else { return if_false.then(Ask::any) };
    let (mask, is_exact) = match (open, field) {
        (OpenFlags::Creat, Field::EvtIsOpenRead) => return if_false.then(Ask::any),
        (OpenFlags::Creat, Field::EvtIsOpenWrite) => return if_true.then(Ask::any),
        (OpenFlags::Creat | OpenFlags::Handle, _) => (0, false),
        (_, Field::EvtIsOpenRead) => (open_flags::RDONLY, true),
        (_, Field::EvtIsOpenWrite) => (open_flags::WRONLY, true),
        (_, Field::EvtIsOpenExec) => (made, false),
        // That a file was made is the kernel's word, and memory may say otherwise by then.
        (OpenFlags::Register, Field::EvtIsOpenCreate) => (made | open_flags::F_CREATED, false),
        _ => (0, false),
    };
    let flags = match (if_false, if_true) {
        (false, false) => return None,
        (false, true) if mask != 0 => Some((mask, true)),
        (true, false) if mask != 0 && is_exact => Some((mask, false)),
        _ => None,
    };
    Some(Ask { flags: flags.into_iter().collect(), ..Ask::any() })
}

/// `evt.arg.flags contains O_TRUNC`: every name that has the text has a bit.
fn of_flag_names(facts: TypeFacts, arg: &Arg, test: &TestKey, negated: bool) -> Ask {
    let is_told = matches!(facts.open, Some(OpenFlags::Register | OpenFlags::Memory));
    let (Arg::Key(name), true, false) = (arg, is_told, negated) else { return Ask::any() };
    let TestKey::Bytes(
        BytesTest::Contains | BytesTest::StartsWith | BytesTest::EndsWith | BytesTest::Cmp(Cmp::Eq),
        text,
    ) = test
    else {
        return Ask::any();
    };
    let param = facts.ty.info().and_then(|info| info.params.iter().find(|p| p.name == &**name));
    let Some(set) = param.filter(|p| p.name == "flags").and_then(|p| p.flags) else {
        return Ask::any();
    };
    // A number has none, and stands where there is no name.
    if !text.contains(&b'_') || text.contains(&b'|') {
        return Ask::any();
    }
    let Ok(text) = std::str::from_utf8(text) else { return Ask::any() };
    let found = || set.names().iter().filter(|(name, _)| name.contains(text));
    let mask = found().fold(0, |mask, &(_, bits)| mask | u64::from(bits));
    if mask == 0 || found().any(|&(_, bits)| bits == 0) {
        return Ask::any();
    }
    Ask { flags: vec![(mask, true)], ..Ask::any() }
}

/// Kinds, addresses and ports. An open makes a file or a directory, whatever the file system calls it.
fn of_descriptor(facts: TypeFacts, field: Field, key: &PredicateKey, negated: bool) -> Option<Ask> {
    if facts.open.is_some() {
        let of = |texts: &[&str]| {
            let test = Concrete::new(key);
            let may = |t: &&str| test.may(Some(Value::Bytes(t.as_bytes())), negated);
            texts.iter().any(may).then(Ask::any)
        };
        return match field {
            Field::FdType => of(&["file", "directory"]),
            Field::FdTypechar => of(&["f", "d"]),
            _ if ends::is_of_socket(field) => negated.then(Ask::any),
            _ => Some(Ask::any()),
        };
    }
    let ends = ends::of_literal(field, key, negated);
    let ports = if negated { None } else { ends::ports(field, &key.test) };
    Ask::any().meet(&Ask { ends, ports: ports.map(Into::into), ..Ask::any() })
}

//! Which syscall numbers, in each of the three tables of x86-64, give which event, and how its parameters are read.
//!
//! A call is a row, in the file of its family. Most rows have a recipe and no program of their own; a number that no row has is captured by
//! nobody. Numbers are those of arch/x86/entry/syscalls/syscall_64.tbl and syscall_32.tbl.

mod attributes;
mod credentials;
mod descriptor;
mod directory;
mod file;
mod flag_maps;
mod generic;
mod io;
mod ipc;
mod look;
mod memory;
mod mount;
mod namespace;
mod network;
#[cfg(test)]
mod numbers;
#[cfg(test)]
mod parity;
mod process;
mod quota;
mod signal;
mod system;
mod tree;
mod wait;

use event::{
    Call, CallSet, CallTable, EventSet, EventType, Slot, note,
    recipe::{self, FlagMap, Recipe, Step, head, kind},
    syscall_entry,
};

use super::options::{Asked, SocketLooks, Wanted};

/// A call.
struct Row {
    ty: EventType,
    program: Slot,
    /// Number in the native table, 0 where that lacks the call; [`ZERO`] stands for 0.
    native: u16,
    /// Number in the ia32 table, in the same way.
    ia32: u16,
    /// Second number in the ia32 table, 0 where that has one: old calls with 16-bit ids or 32-bit offsets.
    ia32_old: u16,
    /// Number that only the x32 table has, 0 where it uses the native one.
    x32: u16,
    /// Empty where the program needs none.
    steps: &'static [Step],
    /// Name by which a generic event is known.
    name: Option<&'static str>,
}

/// In place of the number 0, which means that there is none.
const ZERO: u16 = u16::MAX;

const fn number(n: u16) -> Option<u16> {
    match n {
        0 => None,
        ZERO => Some(0),
        n => Some(n),
    }
}

impl Row {
    /// A call with a program of its own.
    const fn own(ty: EventType, program: Slot, native: u16, ia32: u16) -> Self {
        Self { ty, program, native, ia32, ia32_old: 0, x32: 0, steps: &[], name: None }
    }

    /// A call that a recipe describes.
    const fn plain(ty: EventType, native: u16, ia32: u16, steps: &'static [Step]) -> Self {
        Self { ty, program: Slot::Plain, native, ia32, ia32_old: 0, x32: 0, steps, name: None }
    }

    /// The same with parameters that a recipe describes, for a program that follows one.
    const fn with(self, steps: &'static [Step]) -> Self {
        Self { steps, ..self }
    }

    /// The same with a number of its own in the x32 table.
    const fn x32(self, x32: u16) -> Self {
        Self { x32, ..self }
    }

    /// The same with a second number in the ia32 table.
    const fn ia32_too(self, ia32_old: u16) -> Self {
        Self { ia32_old, ..self }
    }

    /// The call, for a generic event.
    fn call(&self) -> Option<Call> {
        self.name.and_then(Call::named)
    }

    const fn native(&self) -> Option<u16> {
        number(self.native)
    }

    /// Numbers in the ia32 table.
    fn ia32(&self) -> impl Iterator<Item = u16> {
        [self.ia32, self.ia32_old].into_iter().filter_map(number)
    }

    /// Whether somebody asks what the descriptor was before the end of the call, and the program at the exit takes a note of it.
    fn takes_a_note(&self, asked: &Asked) -> bool {
        let takes = descriptor::takes_a_note(self.ty)
            || self.steps.iter().any(|step| step.uses_descriptor_of_start());
        takes && asked.entry.contains(self.ty) && asked.descriptors.contains(self.ty)
    }

    fn recipe(&self, asked: &Asked, at_start: &EventSet) -> Recipe {
        let wanted = |step: &&Step| match step.kind() {
            kind::DESCRIPTOR | kind::DESCRIPTOR_UNLESS => asked.descriptors.contains(self.ty),
            kind::CLOSED => at_start.contains(self.ty),
            _ => true,
        };
        let cut = |step: &Step| {
            if step.is_buffer() && !asked.buffers.contains(self.ty) { Step::EMPTY } else { *step }
        };
        let steps: Vec<Step> = self.steps.iter().filter(wanted).map(cut).collect();
        recipe::recipe(&steps)
    }
}

/// Families whose rows are captured as they are asked for.
const FAMILIES: &[&[Row]] = &[
    attributes::ROWS,
    credentials::ROWS,
    descriptor::ROWS,
    directory::ROWS,
    file::ROWS,
    io::ROWS,
    ipc::ROWS,
    look::ROWS,
    memory::ROWS,
    mount::ROWS,
    namespace::ROWS,
    network::ROWS,
    process::ROWS,
    quota::ROWS,
    signal::ROWS,
    system::ROWS,
    tree::ROWS,
    wait::ROWS,
];

/// Calls that make tasks, whose caller's side is captured when asked for.
const FORKS: &[Row] = process::FORKS;

fn rows() -> impl Iterator<Item = &'static Row> {
    FAMILIES.iter().copied().flatten().chain(generic::ROWS.iter())
}

/// Calls of ia32 `socketcall` (include/uapi/linux/net.h): number there, event, program.
const SOCKETCALLS: &[(usize, EventType, Slot)] = network::SOCKETCALLS;
const IA32_SOCKETCALL: usize = 102;

/// Whether the caller's side of forks is captured besides the child's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForkSides {
    /// The child's side, which is all that state needs.
    #[default]
    Child,
    /// Both, for rules and recordings that ask for the caller's.
    Both,
}

/// Whether somebody asks for what only the past of a socket tells.
pub(crate) fn wants_history(interest: &EventSet, asked: &Asked) -> bool {
    let described = interest.intersection(&asked.descriptors);
    network::TELL_PAST.iter().chain(network::READ_PAST).any(|&ty| described.contains(ty))
}

/// What is captured, and the calls that are noted without a frame since they tell the past of a socket that other calls ask for.
fn interest_and_noted(interest: &EventSet, asked: &Asked) -> (EventSet, EventSet) {
    let described = interest.intersection(&asked.descriptors);
    let mut noted = EventSet::EMPTY;
    if network::READ_PAST.iter().any(|&ty| described.contains(ty)) {
        noted = network::TELL_PAST.iter().copied().collect::<EventSet>();
        noted = noted.intersection(&interest.complement());
    }
    (interest.union(&noted), noted)
}

/// Every event type that the kernel side of this build can capture.
#[must_use]
pub fn capturable() -> EventSet {
    let calls = rows().chain(FORKS).map(|row| row.ty);
    let told = [EventType::PROCEXIT_1_E, EventType::SIGNALDELIVER_E];
    calls.chain(told).chain(ON_DEMAND).collect()
}

/// What is told only to whoever asks for it by name: a condition that is open to all events does not see it, live. A busy machine has more
/// of these than of all calls together.
const ON_DEMAND: [EventType; 2] = [EventType::SWITCH_6_E, EventType::PAGE_FAULT_E];

/// Event types that are captured only where somebody asks for them by name: `switch` and `page_fault`.
#[must_use]
pub fn on_demand() -> EventSet {
    ON_DEMAND.into_iter().collect()
}

/// The calls that generic events are made of.
#[must_use]
pub fn generic_calls() -> CallSet {
    rows().filter(|row| row.ty == EventType::GENERIC_X).filter_map(Row::call).collect()
}

/// The rows of what is captured; `all` is that and what is only noted.
fn captured<'a>(all: &'a EventSet, wanted: &'a Wanted) -> impl Iterator<Item = &'static Row> {
    let forks: &[Row] = match wanted.fork_sides {
        ForkSides::Child => &[],
        ForkSides::Both => FORKS,
    };
    let calls = wanted.generic_calls;
    let is_captured = move |row: &&Row| {
        all.contains(row.ty)
            && (row.ty != EventType::GENERIC_X || row.call().is_some_and(|c| calls.contains(c)))
    };
    rows().chain(forks).filter(is_captured)
}

/// Programs behind the dispatcher that an interest needs, each once, with the calls behind it.
/// A call that is only noted has no name here.
pub(crate) fn slots(wanted: &Wanted) -> Vec<(Slot, Vec<&'static str>)> {
    let (all, noted) = interest_and_noted(&wanted.interest, &wanted.asked);
    let all = all.union(&wanted.asked.answers);
    let mut out: Vec<(Slot, Vec<&'static str>)> = Vec::new();
    for row in captured(&all, wanted) {
        if noted.contains(row.ty) {
            if out.iter().all(|(slot, _)| *slot != row.program) {
                out.push((row.program, Vec::new()));
            }
            continue;
        }
        let name = row.name.unwrap_or_else(|| row.ty.name());
        match out.iter_mut().find(|(slot, _)| *slot == row.program) {
            Some((_, names)) if names.contains(&name) => {}
            Some((_, names)) => names.push(name),
            None => out.push((row.program, vec![name])),
        }
    }
    out
}

/// Calls that pass an address, whose sockets are looked at by hooks of theirs where there are some.
pub(crate) const HOOKED: &[EventType] = &[
    EventType::CONNECT_X,
    EventType::BIND_X,
    EventType::SENDTO_X,
    EventType::SENDMSG_X,
    EventType::SENDMMSG_X,
];
/// Calls whose end tells what they made, whatever was before: the look at the start, for which every call of the machine pays, is not for them alone.
const TOLD_BY_THE_END: [EventType; 3] = [EventType::DUP_1_X, EventType::DUP2_X, EventType::DUP3_X];

/// Event types of which a note is made before the call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Noted {
    /// By hooks of sockets.
    pub(crate) by_hooks: EventSet,
    /// When the call starts.
    pub(crate) at_start: EventSet,
}

/// What is noted of what is wanted.
pub(crate) fn noted(wanted: &Wanted, looks: SocketLooks) -> Noted {
    let (all, _) = interest_and_noted(&wanted.interest, &wanted.asked);
    let rows = captured(&all, wanted).filter(|row| row.takes_a_note(&wanted.asked));
    let mut asked: EventSet = rows.map(|row| row.ty).collect();
    let hooked = match looks {
        SocketLooks::AtHooks => HOOKED.iter().copied().collect(),
        SocketLooks::AtStart => EventSet::EMPTY,
    };
    let by_hooks = asked.intersection(&hooked);
    asked = asked.intersection(&hooked.complement());
    let told: EventSet = TOLD_BY_THE_END.into_iter().collect();
    let is_worth_it = !asked.intersection(&told.complement()).is_empty();
    Noted { by_hooks, at_start: if is_worth_it { asked } else { EventSet::EMPTY } }
}

/// The contents of the kernel side's tables.
pub(crate) struct Tables {
    pub(crate) syscalls: Vec<u64>,
    pub(crate) socketcalls: Vec<u32>,
    pub(crate) recipes: Vec<(EventType, Recipe)>,
    pub(crate) call_ids: Vec<u32>,
    /// Of each number, the tables ([`note::NATIVE`], [`note::IA32`]) in which it is noted at its start.
    pub(crate) noted_calls: Vec<u8>,
}

/// Entries of the numbers that are in no table of the kernel's: nobody can ask for them, so they are counted apart.
fn unmapped() -> Vec<u64> {
    let entry = |n: u16| {
        let mut native = 0;
        if CallTable::Native.name(n).is_none() {
            native = syscall_entry::UNMAPPED;
        }
        if CallTable::X32.name(n).is_some() {
            native |= syscall_entry::X32_ONLY;
        }
        let ia32 = if CallTable::Ia32.name(n).is_none() { syscall_entry::UNMAPPED } else { 0 };
        u64::from(native) | u64::from(ia32) << 32
    };
    (0..syscall_entry::N as u16).map(entry).collect()
}

pub(crate) fn tables(wanted: &Wanted, looks: SocketLooks) -> Tables {
    let Wanted { interest, asked, .. } = wanted;
    let Noted { by_hooks, at_start } = noted(wanted, looks);
    let mut syscalls = unmapped();
    let mut socketcalls = vec![0u32; syscall_entry::N_SOCKETCALLS];
    let mut call_ids = vec![0u32; syscall_entry::N];
    let mut recipes: Vec<(EventType, Recipe)> = Vec::new();
    let mut noted_calls = vec![0u8; note::N_CALLS];
    let (all, silent) = interest_and_noted(interest, asked);
    let answers = asked.answers;
    let only_answers = answers.intersection(&all.complement());
    let all = all.union(&answers);
    // Where nobody passes an address, the descriptor tells whose answer it is.
    let asked = &Asked {
        descriptors: asked.descriptors.union(&answers),
        buffers: asked.buffers.union(&answers),
        ..asked.clone()
    };
    let mappings = if asked.all_mappings { EventSet::all() } else { EventSet::EMPTY };
    for row in captured(&all, wanted) {
        if at_start.contains(row.ty) {
            for n in row.native().into_iter().chain(Some(row.x32).filter(|&n| n != 0)) {
                noted_calls[usize::from(n)] |= note::NATIVE;
            }
            for n in row.ia32() {
                noted_calls[usize::from(n)] |= note::IA32;
            }
        }
        let entry = syscall_entry::pack(row.program as u32, row.ty.0);
        let id = u32::from(row.call().map_or(0, Call::schema_id));
        if let Some(native) = row.native() {
            syscalls[usize::from(native)] |= u64::from(entry);
            call_ids[usize::from(native)] |= id;
        }
        for ia32 in row.ia32() {
            syscalls[usize::from(ia32)] |= u64::from(entry) << 32;
            call_ids[usize::from(ia32)] |= id << 16;
        }
        if row.x32 != 0 {
            let entry = entry | syscall_entry::X32_ONLY;
            syscalls[usize::from(row.x32)] |= u64::from(entry);
        }
        if recipes.iter().all(|(ty, _)| *ty != row.ty) {
            let mut recipe = row.recipe(asked, &at_start);
            for (set, bit) in [
                (&asked.descriptors, head::DESCRIPTOR),
                (&asked.buffers, head::BUFFER),
                (&at_start, head::ENTRY),
                (&by_hooks, head::HOOKED),
                (&silent, head::SILENT),
                (&answers, head::ANSWERS),
                (&only_answers, head::ONLY_ANSWERS),
                (&mappings, head::ALL_MAPPINGS),
            ] {
                if set.contains(row.ty) {
                    recipe[0] |= bit;
                }
            }
            recipes.push((row.ty, recipe));
        }
    }
    for &(n, ty, slot) in SOCKETCALLS {
        if all.contains(ty) {
            socketcalls[n] = syscall_entry::pack(slot as u32, ty.0);
            syscalls[IA32_SOCKETCALL] |= u64::from(syscall_entry::SOCKETCALL) << 32;
            if at_start.contains(ty) {
                noted_calls[IA32_SOCKETCALL] |= note::IA32;
            }
        }
    }
    Tables { syscalls, socketcalls, recipes, call_ids, noted_calls }
}

/// How flags become those of the schema, by number of the map.
pub(crate) fn flag_maps() -> impl Iterator<Item = (u32, FlagMap)> {
    (0u32..).zip(flag_maps::MAPS.iter().map(flag_maps::Map::packed))
}

#[cfg(test)]
mod tests {
    use event::ParamType;

    use super::*;

    fn asked() -> Asked {
        Asked {
            descriptors: EventSet::all(),
            buffers: EventSet::all(),
            entry: EventSet::EMPTY,
            snaplen: 80,
            answers: EventSet::EMPTY,
            all_mappings: false,
        }
    }

    fn wanted(interest: &EventSet, asked: &Asked) -> Wanted {
        Wanted {
            interest: *interest,
            generic_calls: CallSet::all(),
            fork_sides: ForkSides::Both,
            asked: asked.clone(),
        }
    }

    fn all_of(interest: &EventSet, asked: &Asked) -> Tables {
        tables(&wanted(interest, asked), SocketLooks::AtStart)
    }

    fn is_asked(entry: u64) -> bool {
        let wanted = u64::from(syscall_entry::WANTED);
        entry & (wanted | wanted << 32) != 0
    }

    #[test]
    fn calls_without_an_event_of_their_own_are_captured_one_by_one() {
        let interest = [EventType::GENERIC_X].into_iter().collect();
        let call = Call::named("setgroups").unwrap();
        let one = CallSet::from_iter([call]);
        let wanted = Wanted { generic_calls: one, ..wanted(&interest, &asked()) };
        let t = tables(&wanted, SocketLooks::AtStart);
        let entry = u64::from(syscall_entry::pack(Slot::Plain as u32, EventType::GENERIC_X.0));
        let numbers: Vec<_> = (0..).zip(&t.syscalls).filter(|(_, e)| is_asked(**e)).collect();
        assert_eq!(numbers, [(81, &(entry << 32)), (116, &entry), (206, &(entry << 32))]);
        assert_eq!(t.call_ids[116], u32::from(call.schema_id()));
        assert_eq!(slots(&wanted), [(Slot::Plain, vec!["setgroups"])]);
        let none = Wanted { generic_calls: CallSet::EMPTY, ..wanted };
        assert!(
            !tables(&none, SocketLooks::AtStart).syscalls.into_iter().any(is_asked)
                && slots(&none).is_empty()
        );
    }

    #[test]
    fn only_what_is_asked_for_has_an_entry() {
        let none = all_of(&EventSet::EMPTY, &asked());
        assert!(!none.syscalls.into_iter().any(is_asked));
        assert!(none.socketcalls.iter().all(|&e| e == 0));
        let one: EventSet = [EventType::OPENAT_2_X].into_iter().collect();
        let t = all_of(&one, &asked());
        let entry = u64::from(syscall_entry::pack(Slot::Openat as u32, 307));
        assert_eq!(t.syscalls[257], entry);
        assert_eq!(t.syscalls[295], entry << 32);
        assert_eq!(t.syscalls.into_iter().filter(|&e| is_asked(e)).count(), 2);
    }

    #[test]
    fn only_calls_whose_program_takes_the_note_are_noted() {
        let all = Asked { entry: EventSet::all(), ..asked() };
        let t = all_of(&EventSet::all(), &all);
        let of = |ty: EventType| t.recipes.iter().find(|(t, _)| *t == ty).unwrap().1;
        // 3: close natively, read in ia32; 257: openat, which has no descriptor yet.
        assert_eq!((t.noted_calls[3], t.noted_calls[257]), (note::NATIVE | note::IA32, 0));
        assert_eq!(t.noted_calls[IA32_SOCKETCALL], note::IA32);
        assert_ne!(of(EventType::CLOSE_X)[0] & head::ENTRY, 0);
        assert_eq!(of(EventType::OPENAT_2_X)[0] & head::ENTRY, 0);
        assert_eq!(of(EventType::EPOLL_CREATE_X)[0] & head::ENTRY, 0);
        let none = all_of(&EventSet::all(), &asked());
        assert!(none.noted_calls.iter().all(|&n| n == 0));
        assert!(none.recipes.iter().all(|(_, r)| r[0] & head::ENTRY == 0));
        let close = none.recipes.iter().find(|(t, _)| *t == EventType::CLOSE_X).unwrap().1;
        assert!(close[1..].iter().all(|&step| step & 0xff != kind::CLOSED));
    }

    #[test]
    fn hooks_take_the_calls_with_an_address_from_the_look_at_the_start() {
        let set = |types: &[EventType]| types.iter().copied().collect::<EventSet>();
        let all_of =
            |types: &[EventType]| wanted(&set(types), &Asked { entry: set(types), ..asked() });
        let noted = |types: &[EventType], looks| noted(&all_of(types), looks);
        let (hooks, start) = (SocketLooks::AtHooks, SocketLooks::AtStart);
        let (connect, dup, close) = (EventType::CONNECT_X, EventType::DUP2_X, EventType::CLOSE_X);
        let none = EventSet::EMPTY;
        let check = |types: &[EventType], looks, by_hooks: EventSet, at_start: EventSet| {
            assert_eq!(noted(types, looks), Noted { by_hooks, at_start }, "{types:?} {looks:?}");
        };
        check(&[connect, dup], hooks, set(&[connect]), none);
        check(&[connect, dup], start, none, set(&[connect, dup]));
        check(&[connect, dup, close], hooks, set(&[connect]), set(&[dup, close]));
        check(&[dup], start, none, none);
        check(&[EventType::RECVFROM_X], hooks, none, set(&[EventType::RECVFROM_X]));
        let t = tables(&all_of(&[connect]), hooks);
        let of = |ty| t.recipes.iter().find(|(t, _)| *t == ty).unwrap().1[0];
        assert_eq!(of(connect) & (head::ENTRY | head::HOOKED), head::HOOKED);
        assert!(t.noted_calls.iter().all(|&n| n == 0));
    }

    #[test]
    fn calls_that_tell_the_past_of_sockets_are_noted_for_those_that_ask() {
        let of = |interest: &EventSet, asked: &Asked| {
            let t = all_of(interest, asked);
            let is_silent = |r: &&(EventType, Recipe)| r.1[0] & head::SILENT != 0;
            (t.syscalls[42] != 0, t.recipes.iter().filter(is_silent).count())
        };
        let read: EventSet = [EventType::READ_X].into_iter().collect();
        assert_eq!(of(&read, &asked()), (true, network::TELL_PAST.len()));
        let none = Asked { descriptors: EventSet::EMPTY, ..asked() };
        assert_eq!(of(&read, &none), (false, 0));
        assert!(!wants_history(&read, &none));
        let both = read.union(&network::TELL_PAST.iter().copied().collect());
        assert_eq!(of(&both, &asked()), (true, 0));
        let open: EventSet = [EventType::OPENAT_2_X].into_iter().collect();
        assert_eq!(of(&open, &asked()), (false, 0));
        let names: Vec<_> =
            slots(&wanted(&read, &asked())).into_iter().flat_map(|(_, names)| names).collect();
        assert_eq!(names, ["read"]);
    }

    #[test]
    fn the_two_tables_share_a_word_without_mixing() {
        let t = all_of(&EventSet::all(), &asked());
        // 2: open natively, fork in ia32.
        assert_eq!(t.syscalls[2] & 0xffff, u64::from(EventType::OPEN_X.0));
        assert_eq!(t.syscalls[2] >> 32 & 0xffff, u64::from(EventType::FORK_20_X.0));
        assert_eq!(t.syscalls[102] >> 32, u64::from(syscall_entry::SOCKETCALL));
    }

    #[test]
    fn no_number_means_two_calls() {
        let mut native = std::collections::HashSet::new();
        let mut ia32 = std::collections::HashSet::new();
        for row in rows().chain(FORKS) {
            assert!(row.native().is_none_or(|n| native.insert(n)), "{} twice", row.native);
            for n in row.ia32() {
                assert!(ia32.insert(n), "ia32 {n} twice");
            }
            assert!(row.x32 == 0 || native.insert(row.x32), "x32 {} twice", row.x32);
        }
    }

    /// A recipe makes the parameters that the event table names, each in its width.
    #[test]
    fn recipes_make_what_the_table_says() {
        for row in rows().filter(|row| row.program == Slot::Plain || !row.steps.is_empty()) {
            let info = row.ty.info().unwrap();
            let params: Vec<&Step> = row.steps.iter().filter(|s| s.is_param()).collect();
            assert_eq!(params.len(), info.params.len(), "{}", info.name);
            assert!(
                row.steps.is_sorted_by_key(|s| !s.is_param()),
                "{}: sections come last",
                info.name
            );
            for (step, param) in params.iter().zip(info.params) {
                let is_text = step.is_text();
                let wants_text = matches!(
                    param.ty,
                    ParamType::CharBuf | ParamType::FsPath | ParamType::FsRelPath
                );
                let what = format!("{}.{}", info.name, param.name);
                if **step == Step::EMPTY {
                    continue;
                }
                assert_eq!(is_text, wants_text, "{what}");
                assert_eq!(step.size(), param.ty.size(), "{what}");
                let map = match step.kind() {
                    kind::FLAGS | kind::FLAGS_ABOVE | kind::FLAGS_LOWEST => Some(step.0 >> 24),
                    kind::MEMORY_FLAGS => Some(step.0 >> 16 & 0xff),
                    _ => None,
                };
                if let Some(map) = map.map(|map| map as usize) {
                    let map = flag_maps::MAPS.get(map).unwrap_or_else(|| panic!("{what}: no map"));
                    let names = param.flags.map(event::FlagSet::names).unwrap_or_default();
                    for &(_, schema) in map.pairs {
                        let is_named = names.iter().any(|&(_, v)| v == schema);
                        assert!(is_named || names.is_empty(), "{what}: {schema:#x} has no name");
                    }
                }
            }
        }
    }
}

//! Loads the object for the running kernel: offsets, maps, rings, programs.

use std::{
    collections::HashMap,
    fs, io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::Arc,
};

use aya::maps::{Array, ArrayOfMaps, Map, MapData};
use event::{
    CAST_CALL, CONTEXT_CALL, EventSet, EventType, KernelField, MISSING_FIELD, Slot, control,
    cpu_layout, feature, note,
};

use super::{
    bpf::{self, Place, Refused},
    btf::KernelTypes,
    capabilities::{Capabilities, Capability},
    hooks::{self, SocketHooks},
    iterate::{self, Iterators},
    loaded::{LoadedObject, Program},
    machine,
    object::{set_call, without_lines},
    options::{MAX_SNAPLEN, ProbeOptions, Room, SocketLooks, Wanted},
    report::{ProbeError, ProbeReport},
    ring::KernelRing,
    sys::{Access, KernelFile, Mapping, page_size, raise_memlock},
    syscalls, verify,
};

pub(super) static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/object/peregrine.bpf.o"));

pub(super) const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";
/// Scratch slots of a CPU; `N_SLOTS` of capture-ebpf, maps.rs.
const SCRATCH_SLOTS: u32 = 2;
/// Iterators that build records, each in a slot of its own behind those; `Iterator` of capture-ebpf, record.rs.
const ITERATOR_SLOTS: u32 = 2;
const BPF_MAP_TYPE_RINGBUF: u32 = 27;
/// Kernel stack of x86-64 without KASAN (arch/x86/include/asm/page_64_types.h).
const KERNEL_STACK: u32 = 16 * 1024;
/// Hooks of the scheduler: program and tracepoint have one name.
pub(super) const PROCESS_HOOKS: [&str; 3] =
    ["sched_process_fork", "sched_process_exec", "sched_process_exit"];
/// Hooks beside those of calls and processes, attached where somebody asks for it. A kernel without one goes without that event.
pub(super) const EVENT_HOOKS: [(&str, EventType); 4] = [
    ("signal_deliver", EventType::SIGNALDELIVER_E),
    ("sched_switch", EventType::SWITCH_6_E),
    ("page_fault_user", EventType::PAGE_FAULT_E),
    ("page_fault_kernel", EventType::PAGE_FAULT_E),
];
/// Share of a ring that is kept for process events: one part in so many.
const PROCESS_SHARE: usize = 8;
/// Largest ring.
const MAX_RING: usize = 1 << 30;
pub(super) const DISPATCHER: &str = "sys_exit";
/// Notes what descriptors are when calls start; loaded and attached only where somebody asks.
pub(super) const ENTER: &str = "sys_enter";
/// The section that holds which calls it notes.
const NOTED: &str = ".data";

/// Helpers that not every kernel has.
const RESERVE_DYNPTR: &str = "BPF_FUNC_ringbuf_reserve_dynptr";
const TASK_PT_REGS: &str = "BPF_FUNC_task_pt_regs";

/// Members that nothing works without.
const REQUIRED: [KernelField; 8] = [
    KernelField::RegsOrigAx,
    KernelField::RegsDi,
    KernelField::TaskStatus,
    KernelField::TaskTgid,
    KernelField::TaskPid,
    KernelField::TaskGroupLeader,
    KernelField::TaskStart,
    KernelField::TaskCred,
];
/// Members whose lack has a stand-in or no effect worth a word.
const OPTIONAL: [KernelField; 6] = [
    // Read where there are hooks of sockets, all of which are younger.
    KernelField::HookAddressLen,
    KernelField::OvlInodeVfs,
    KernelField::OvlInodeUpper,
    KernelField::TaskLoginuid,
    KernelField::CgrpPids,
    KernelField::CgrpCpuset,
];

/// Event of each hook that is not one of calls, and its bit of [`control::PROCESS`].
const PROCESS_EVENTS: [(EventType, u32); 9] = [
    (EventType::CLONE_20_X, control::CLONE),
    (EventType::FORK_20_X, control::FORK),
    (EventType::VFORK_20_X, control::VFORK),
    (EventType::CLONE3_X, control::CLONE3),
    (EventType::EXECVE_19_X, control::EXEC),
    (EventType::PROCEXIT_1_E, control::EXIT),
    (EventType::SIGNALDELIVER_E, control::SIGNAL),
    (EventType::SWITCH_6_E, control::SWITCH),
    (EventType::PAGE_FAULT_E, control::PAGE_FAULT),
];

/// The loaded kernel side. Dropping it detaches.
pub struct Probe {
    pub(super) object: LoadedObject,
    /// What each of the kernel's places for programs is to it; one that it lacks is left out.
    places: HashMap<For, Place>,
    /// What the kernel said of programs that were loaded beside others and that nobody has asked about since.
    tried: HashMap<&'static str, Result<(), Refused>>,
    /// Those of [`EVENT_HOOKS`] and those behind the dispatcher that somebody has asked for, and why the kernel refused one.
    pub(super) event_hooks: Vec<(&'static str, Option<String>)>,
    pub(super) slots: Vec<(Slot, Option<String>)>,
    pub(super) links: Vec<(&'static str, OwnedFd)>,
    pub(super) report: ProbeReport,
    pub(super) options: ProbeOptions,
    pub(super) cpus: Arc<Mapping>,
    pub(super) n_cpus: u32,
    /// The program at `sys_enter`.
    pub(super) enter: Loading,
    /// [`Slot::EARLY`].
    pub(super) early: Loading,
    /// Those of sockets, where they are asked for and can be had.
    pub(super) hooks: Option<SocketHooks>,
    /// Counts what is written to [`control`].
    n_changes: u32,
    pub(super) room: Rooms,
    pub(super) iterators: Iterators,
    /// Processes from before the programs were attached that the scope had no room for.
    pub(super) n_out_of_scope: u64,
    /// Types that have a filter.
    pub(super) filtered: EventSet,
    /// The words [`control::LASTS`].
    pub(super) lasts: u64,
}

/// What became of a program.
#[derive(PartialEq, Eq)]
pub(super) enum Loading {
    /// Nobody has asked for it.
    Unasked,
    Loaded,
    Refused(String),
}

/// What there is room for.
#[derive(Clone, Copy)]
pub(super) struct Rooms {
    /// Notes of descriptors at the start of calls.
    pub(super) notes: bool,
    /// Notes of hooks of sockets.
    hooks: bool,
    /// The past of sockets.
    pub(super) history: bool,
}

impl Rooms {
    fn new(options: &ProbeOptions, looks: SocketLooks) -> Self {
        let for_all = options.room == Room::ForAll;
        let noted = syscalls::noted(&options.wanted(), looks);
        Self {
            notes: for_all || !noted.at_start.is_empty(),
            hooks: looks == SocketLooks::AtHooks && (for_all || !noted.by_hooks.is_empty()),
            history: for_all || syscalls::wants_history(&options.interest, &options.asked),
        }
    }
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probe").field("report", &self.report).finish_non_exhaustive()
    }
}

pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(e) = source {
        text = format!("{text}: {e}");
        source = e.source();
    }
    text
}

pub(super) fn map_error(map: &'static str) -> impl Fn(aya::maps::MapError) -> ProbeError {
    move |e| ProbeError::Map { map, reason: chain(&e) }
}

/// Why a program was refused, in one line: the last lines of the verifier's log say it.
pub(super) fn refusal(refused: &Refused) -> String {
    let Refused { error, log } = refused;
    if std::env::var_os("PEREGRINE_VERIFIER_LOG").is_some() {
        eprintln!("{log}");
    }
    let said = log.lines().rev().map(str::trim).find(|l| {
        !l.is_empty()
            && !l.starts_with("processed ")
            && !l.starts_with("verification time")
            && !l.starts_with("stack depth")
    });
    format!("{error}: {}", said.unwrap_or("no word from the verifier"))
}

fn options_words(options: &ProbeOptions, lasts: u64, n_changes: u32) -> [u32; control::WORDS] {
    let mut words = [0; control::WORDS];
    words[control::SELF_TGID] = options.self_tgid.unwrap_or(0);
    words[control::SCOPED] = u32::from(options.scope_pid.is_some());
    words[control::LASTS] = lasts as u32;
    words[control::LASTS + 1] = (lasts >> 32) as u32;
    words[control::CHANGES] = n_changes;
    for (ty, bit) in PROCESS_EVENTS {
        if options.interest.contains(ty) {
            words[control::PROCESS] |= bit;
        }
    }
    words
}

/// What a program is loaded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum For {
    /// A tracepoint.
    Tracepoint(&'static str),
    /// An iterator.
    Iterator(&'static str),
}

/// The kernel's numbers of what programs are loaded for.
fn places(types: &KernelTypes<'_>) -> HashMap<For, Place> {
    let hooks = EVENT_HOOKS.into_iter().map(|(hook, _)| hook);
    let hooks = hooks.chain(PROCESS_HOOKS).chain([DISPATCHER, ENTER]);
    let at = |hook| Some((For::Tracepoint(hook), Place::Tracepoint(types.tracepoint(hook)?)));
    let of = |kind| Some((For::Iterator(kind), Place::Iterator(types.iterator(kind)?)));
    hooks.filter_map(at).chain(iterate::KINDS.into_iter().filter_map(of)).collect()
}

/// Why one program is not there.
pub(super) enum Refusal {
    Absent,
    NoPlace,
    Kernel(Refused),
    Call(io::Error),
}

impl Refusal {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Absent => "not in the object".to_owned(),
            Self::NoPlace => "this kernel has no such hook".to_owned(),
            Self::Kernel(e) => refusal(e),
            Self::Call(e) => e.to_string(),
        }
    }
}

impl From<Refused> for Refusal {
    fn from(e: Refused) -> Self {
        Self::Kernel(e)
    }
}

impl From<io::Error> for Refusal {
    fn from(e: io::Error) -> Self {
        Self::Call(e)
    }
}

pub(super) fn take<T>(object: &mut LoadedObject, name: &'static str) -> Result<T, ProbeError>
where
    T: TryFrom<Map, Error = aya::maps::MapError>,
{
    let map = object.take_map(name);
    let map = map.ok_or_else(|| ProbeError::Object(format!("no map {name}")))?;
    T::try_from(map).map_err(map_error(name))
}

pub(super) fn map_fd(map: &Map) -> Option<&MapData> {
    match map {
        Map::Array(data) | Map::RingBuf(data) => Some(data),
        _ => None,
    }
}

/// Offsets and features of the running kernel, as the object's constants want them.
fn constants(
    options: &ProbeOptions,
    types: &KernelTypes<'_>,
    n_cpus: u32,
    report: &mut ProbeReport,
) -> Result<(Vec<u32>, [u32; feature::WORDS]), ProbeError> {
    let values: Vec<u32> = KernelField::ALL.iter().map(|&f| types.value(f)).collect();
    for (&field, &value) in KernelField::ALL.iter().zip(&values) {
        if value != MISSING_FIELD || OPTIONAL.contains(&field) {
            continue;
        }
        if REQUIRED.contains(&field) {
            let release = report.kernel.clone();
            return Err(ProbeError::MissingMember { release, member: field.path() });
        }
        report
            .warnings
            .push(format!("this kernel has no {}: facts from it are left out", field.path()));
    }
    let has = |helper: &str| u32::from(types.enumerator(helper).is_some());
    let mut words = [0; feature::WORDS];
    words[feature::DYNPTR] = has(RESERVE_DYNPTR);
    words[feature::TASK_PT_REGS] = has(TASK_PT_REGS);
    let size = options.ring_bytes;
    words[feature::RING_LIMIT] = u32::try_from(size - size / PROCESS_SHARE).unwrap_or(u32::MAX);
    words[feature::STACK_SIZE] = KERNEL_STACK;
    words[feature::SNAPLEN] =
        u32::try_from(options.asked.snaplen.min(MAX_SNAPLEN)).unwrap_or(MAX_SNAPLEN as u32);
    words[feature::ANSWERS] =
        u32::from(!options.asked.answers.is_empty() || options.room == Room::ForAll);
    words[feature::ITERATOR_SLOTS] = n_cpus * SCRATCH_SLOTS;
    words[feature::N_CPUS] = n_cpus;
    words[feature::SIMULATE_DROPS] = options.simulate_drops;
    words[feature::EXIT_HAS_GROUP_DEAD] =
        u32::from(types.tracepoint_args("sched_process_exit").is_some_and(|n| n > 1));
    Ok((values, words))
}

/// The object for the running kernel, without programs.
struct Loadable {
    object: Vec<u8>,
    values: Vec<u32>,
    features: [u32; feature::WORDS],
    n_cpus: u32,
    /// Of the hooks of sockets, where the kernel has them.
    kinds: Option<hooks::Kinds>,
}

impl Loadable {
    fn new(
        options: &ProbeOptions,
        types: &KernelTypes<'_>,
        n_cpus: u32,
        report: &mut ProbeReport,
        casts: bool,
    ) -> Result<Self, ProbeError> {
        let (values, mut features) = constants(options, types, n_cpus, report)?;
        let cast = types.cast().filter(|_| casts);
        features[feature::CAST_TYPE] = cast.map_or(0, |cast| cast.ty);
        let mut object = match &options.object {
            None => without_lines(OBJECT),
            Some(path) => fs::read(path).map_err(|e| ProbeError::Unreadable {
                path: path.display().to_string(),
                reason: e.to_string(),
            })?,
        };
        if let Some(cast) = cast {
            set_call(&mut object, CAST_CALL, cast.function);
            cast.context.map(|context| set_call(&mut object, CONTEXT_CALL, context));
        }
        let kinds = hooks::kinds(types).filter(|_| casts);
        Ok(Self { object, values, features, n_cpus, kinds })
    }

    /// The maps, with this room.
    fn load(&self, options: &ProbeOptions, room: Rooms) -> Result<LoadedObject, ProbeError> {
        let Self { object, values, n_cpus, .. } = self;
        let (n_cpus, tables) = (*n_cpus, options.tables);
        let mut features = self.features;
        features[feature::ENTRY] = u32::from(room.notes);
        features[feature::HOOKS] = u32::from(room.hooks);
        features[feature::SOCKET_HISTORY] = u32::from(room.history);
        let bytes = |words: &[u32]| words.iter().flat_map(|w| w.to_ne_bytes()).collect::<Vec<u8>>();
        let globals = [("KERNEL", bytes(values)), ("FEATURES", bytes(&features))];
        let globals = globals.each_ref().map(|(name, value)| (*name, value.as_slice()));
        let hooked = tables.noted_calls.saturating_mul(2);
        let rooms = [
            ("NOTES", if room.notes { tables.noted_calls } else { 1 }),
            ("ADDRESSED", if room.hooks { hooked } else { 1 }),
            ("LOST", tables.lost_processes),
            ("CPUS", n_cpus),
            ("RINGS", n_cpus),
            ("SOCKETS", if room.history { tables.sockets } else { 1 }),
            ("SCOPE", tables.scope_processes),
            ("SCRATCH", n_cpus * SCRATCH_SLOTS + ITERATOR_SLOTS),
        ];
        LoadedObject::new(object, &globals, &rooms).map_err(ProbeError::Object)
    }

    /// The maps, and the hooks of sockets where somebody asks for them and the kernel lets this process have them; else there is room for the
    /// look at the start.
    fn load_with_hooks(
        &self,
        options: &ProbeOptions,
        report: &mut ProbeReport,
    ) -> Result<(LoadedObject, Rooms, Option<SocketHooks>), ProbeError> {
        if let (SocketLooks::AtHooks, Some(kinds)) = (options.socket_looks, &self.kinds) {
            let room = Rooms::new(options, SocketLooks::AtHooks);
            let mut object = self.load(options, room)?;
            if !room.hooks {
                return Ok((object, room, None));
            }
            match SocketHooks::load(&mut object, kinds) {
                Ok(hooks) => return Ok((object, room, Some(hooks))),
                Err(reason) => report.warnings.push(format!(
                    "no hooks of sockets, so calls with an address are looked at when they start, which costs every call some 20 ns: {reason}"
                )),
            }
        }
        let room = Rooms::new(options, SocketLooks::AtStart);
        Ok((self.load(options, room)?, room, None))
    }
}

fn map_cpus(object: &LoadedObject, n_cpus: u32) -> Result<Arc<Mapping>, ProbeError> {
    let map = object.map("CPUS").and_then(map_fd);
    let map = map.ok_or_else(|| ProbeError::Object("no map CPUS".to_owned()))?;
    let len = (n_cpus as usize * cpu_layout::WORDS * 8).next_multiple_of(page_size());
    let mapping = Mapping::new(map.fd().as_fd(), len, 0, Access::ReadWrite);
    Ok(Arc::new(mapping.map_err(|e| ProbeError::Map { map: "CPUS", reason: e.to_string() })?))
}

fn make_rings(
    object: &mut LoadedObject,
    options: &ProbeOptions,
    cpus: &Arc<Mapping>,
) -> Result<Vec<KernelRing>, ProbeError> {
    let mut outer: ArrayOfMaps<&mut MapData> = borrow(object, "RINGS")?;
    let size = options.ring_bytes;
    let io = |e: std::io::Error| ProbeError::Map { map: "RINGS", reason: e.to_string() };
    let mut rings = Vec::new();
    for cpu in machine::online_cpus()? {
        let params = aya_obj::Map::new_from_params(BPF_MAP_TYPE_RINGBUF, 0, 0, size as u32, 0);
        let data = MapData::create(params, "ring", None).map_err(map_error("RINGS"))?;
        outer.set(u32::from(cpu), &data, 0).map_err(map_error("RINGS"))?;
        let fd: OwnedFd = data.fd().as_fd().try_clone_to_owned().map_err(io)?;
        rings.push(KernelRing::map(cpu, fd, size, Arc::clone(cpus)).map_err(io)?);
    }
    Ok(rings)
}

impl Probe {
    /// Loads maps and programs; nothing runs before [`Probe::attach`].
    ///
    /// # Errors
    /// [`ProbeError`] where nothing can work; a program that only costs its own call's coverage is in the report.
    pub fn load(options: ProbeOptions) -> Result<Self, ProbeError> {
        let first = Self::load_with(options.clone(), true);
        if matches!(&first, Ok(probe) if probe.is_whole()) {
            return first;
        }
        // A kernel that takes the cast and then refuses programs because of it is not known, but would do without.
        match Self::load_with(options, false) {
            Ok(mut plain) if plain.is_whole() || first.is_err() => {
                let what = "this kernel refuses programs that read it by plain loads: they call for each read, which costs more";
                plain.warn(what.to_owned());
                Ok(plain)
            }
            _ => first,
        }
    }

    /// Whether the kernel refused none of the programs.
    fn is_whole(&self) -> bool {
        self.slots.iter().all(|(_, refusal)| refusal.is_none())
            && !matches!(self.enter, Loading::Refused(_))
    }

    fn load_with(options: ProbeOptions, casts: bool) -> Result<Self, ProbeError> {
        let release = machine::release()?;
        if machine::version(&release) < (5, 10) {
            return Err(ProbeError::KernelTooOld { release });
        }
        let lacking = Capabilities::effective().lacking();
        if lacking.iter().any(|capability| capability.is_required) {
            return Err(ProbeError::MissingCapabilities { lacking });
        }
        let mut report = ProbeReport { kernel: release.clone(), ..ProbeReport::default() };
        // Of the hooks of sockets it is said below why they are not there.
        let unseen = lacking.iter().filter(|capability| capability.name != "CAP_NET_ADMIN");
        report.warnings.extend(
            unseen.map(|Capability { name, serves, .. }| format!("no {name}, so unseen: {serves}")),
        );
        if let Err(e) = raise_memlock()
            && machine::version(&release) < (5, 11)
        {
            report
                .warnings
                .push(format!("RLIMIT_MEMLOCK cannot be raised ({e}): maps may not fit"));
        }
        let no_btf =
            |reason: String| ProbeError::NoBtf { release: release.clone(), path: BTF_PATH, reason };
        let ring_bytes = options.ring_bytes.clamp(page_size(), MAX_RING).next_power_of_two();
        let options = ProbeOptions { ring_bytes, ..options };
        let n_cpus = machine::n_possible_cpus()?;
        let file = KernelFile::open(BTF_PATH).map_err(|e| no_btf(e.to_string()))?;
        let enumerators = hooks::enumerators().chain([RESERVE_DYNPTR, TASK_PT_REGS]);
        let types = KernelTypes::parse(file.bytes(), enumerators);
        let types = types.map_err(|e| no_btf(e.to_string()))?;
        let places = places(&types);
        let loadable = Loadable::new(&options, &types, n_cpus, &mut report, casts)?;
        drop(types);
        drop(file);
        let (object, room, hooks) = loadable.load_with_hooks(&options, &mut report)?;
        drop(loadable);
        let cpus = map_cpus(&object, n_cpus)?;
        report
            .not_covered
            .push("io_uring: operations through its rings pass no syscall exit".to_owned());
        let mut this = Self {
            object,
            places,
            tried: HashMap::new(),
            event_hooks: Vec::new(),
            slots: Vec::new(),
            links: Vec::new(),
            report,
            cpus,
            n_cpus,
            enter: Loading::Unasked,
            early: Loading::Unasked,
            hooks,
            n_changes: 0,
            room,
            options,
            iterators: Iterators::default(),
            n_out_of_scope: 0,
            filtered: EventSet::EMPTY,
            lasts: 0,
        };
        if let Some(pid) = this.options.scope_pid {
            this.add_to_scope(pid)?;
        }
        this.write(syscalls::tables(&this.options.wanted(), this.looks()))?;
        this.load_programs()?;
        Ok(this)
    }

    /// Makes the rings, one per CPU that is online; once, and before [`Probe::attach`]. All of a ring is resident once it is mapped, so whoever
    /// minds gives back first what loading took.
    ///
    /// # Errors
    /// [`ProbeError::Map`] where the kernel refuses one.
    pub fn rings(&mut self) -> Result<Vec<KernelRing>, ProbeError> {
        make_rings(&mut self.object, &self.options, &self.cpus)
    }

    /// Possible CPUs: how many entries the kernel side's arrays have.
    #[must_use]
    pub fn n_possible_cpus(&self) -> usize {
        self.n_cpus as usize
    }

    /// What the kernel says of a program, or said when it was loaded beside others.
    pub(super) fn load_program(&mut self, name: &'static str, what: For) -> Result<(), Refusal> {
        if let Some(said) = self.tried.remove(name) {
            return Ok(said?);
        }
        let program = self.object.program_mut(name).ok_or(Refusal::Absent)?;
        Ok(program.load(*self.places.get(&what).ok_or(Refusal::NoPlace)?)?)
    }

    fn load_hook(&mut self, hook: &'static str) -> Result<(), ProbeError> {
        let loaded = self.load_program(hook, For::Tracepoint(hook));
        loaded.map_err(|e| self.refused_hook(hook, &e))
    }

    /// Everything that [`Probe::load_programs`] loads, with its place.
    fn programs_to_load(&self) -> Vec<(&'static str, Place)> {
        let wanted = self.options.wanted();
        let slots = syscalls::slots(&wanted).into_iter();
        let of_slot = |slot: Slot| [Some(slot.program()), slot.late().map(|_| Slot::EARLY)];
        let mut all: Vec<_> = slots
            .flat_map(|(slot, _)| of_slot(slot).into_iter().flatten())
            .map(|name| (name, For::Tracepoint(DISPATCHER)))
            .collect();
        all.extend(self.lacks_enter(&wanted).then_some((ENTER, For::Tracepoint(ENTER))));
        let events = EVENT_HOOKS.into_iter().filter(|(_, ty)| wanted.interest.contains(*ty));
        let hooks =
            PROCESS_HOOKS.into_iter().chain([DISPATCHER]).chain(events.map(|(hook, _)| hook));
        all.extend(hooks.map(|hook| (hook, For::Tracepoint(hook))));
        all.extend(self.iterators_to_load().map(|(name, of)| (name, For::Iterator(of))));
        let place = |(name, what)| Some((name, *self.places.get(&what)?));
        all.into_iter().filter_map(place).collect()
    }

    fn load_programs(&mut self) -> Result<(), ProbeError> {
        let programs = self.programs_to_load();
        self.tried = verify::load_all(&mut self.object, &programs);
        for hook in PROCESS_HOOKS {
            self.load_hook(hook)?;
        }
        self.load_hook(DISPATCHER)?;
        let wanted = self.options.wanted();
        while self.load_next(&wanted) {}
        self.load_iterators();
        Ok(())
    }

    /// Loads the next program that is wanted and was not tried yet; `false` once there is none. What the kernel refuses is in the report.
    pub(super) fn load_next(&mut self, wanted: &Wanted) -> bool {
        let hook = EVENT_HOOKS.into_iter().find(|(hook, ty)| {
            wanted.interest.contains(*ty) && self.event_hooks.iter().all(|(known, _)| known != hook)
        });
        if let Some((hook, _)) = hook {
            let loaded = self.load_program(hook, For::Tracepoint(hook));
            self.event_hooks.push((hook, loaded.err().map(|e| e.text())));
            return true;
        }
        if self.lacks_enter(wanted) {
            let loaded = self.load_program(ENTER, For::Tracepoint(ENTER));
            self.enter = match loaded {
                Ok(()) => Loading::Loaded,
                Err(e) => Loading::Refused(e.text()),
            };
            return true;
        }
        let slots = syscalls::slots(wanted).into_iter().map(|(slot, _)| slot);
        let is_new = |slot: &Slot| self.slots.iter().all(|(known, _)| known != slot);
        let Some(slot) = slots.into_iter().find(is_new) else { return false };
        let loaded = self.load_slot(slot);
        self.slots.push((slot, loaded.err().map(|e| e.text())));
        true
    }

    fn load_slot(&mut self, slot: Slot) -> Result<(), Refusal> {
        let name = slot.program();
        // One program may serve several slots.
        if self.tried.contains_key(name)
            || self.object.program(name).is_some_and(|program| program.fd().is_none())
        {
            self.load_program(name, For::Tracepoint(DISPATCHER))?;
        }
        match slot.late().filter(|_| self.has_early()) {
            Some(late) => {
                self.put(late, name)?;
                self.put(slot, Slot::EARLY)
            }
            None => self.put(slot, name),
        }
    }

    /// Whether there is the program before those of calls on sockets. Without it they see every call, which costs more.
    fn has_early(&mut self) -> bool {
        if self.early == Loading::Unasked {
            let loaded = self.load_program(Slot::EARLY, For::Tracepoint(DISPATCHER));
            self.early = match loaded {
                Ok(()) => Loading::Loaded,
                Err(e) => Loading::Refused(e.text()),
            };
        }
        self.early == Loading::Loaded
    }

    /// Puts a loaded program into a slot.
    fn put(&self, slot: Slot, name: &str) -> Result<(), Refusal> {
        let program = self.object.program(name).and_then(Program::fd);
        let program = program.ok_or(Refusal::Absent)?.as_raw_fd();
        let Some(Map::ProgramArray(programs)) = self.object.map("PROGRAMS") else {
            return Err(Refusal::Absent);
        };
        Ok(bpf::update(programs.fd().as_fd(), slot as u32, &program.to_ne_bytes())?)
    }

    pub(super) fn refused_hook(&self, hook: &str, e: &Refusal) -> ProbeError {
        let release = self.report.kernel.clone();
        ProbeError::HookRefused { release, hook: hook.to_owned(), reason: e.text() }
    }

    pub(super) fn write(&mut self, tables: syscalls::Tables) -> Result<(), ProbeError> {
        let bytes = |words: &[u32]| words.iter().flat_map(|w| w.to_ne_bytes()).collect::<Vec<u8>>();
        let first = |n: usize| (0..).take(n).collect::<Vec<u32>>();
        let (types, recipes): (Vec<_>, Vec<_>) =
            tables.recipes.into_iter().map(|(ty, recipe)| (u32::from(ty.0), recipe)).unzip();
        self.write_array("RECIPES", &types, &bytes(recipes.as_flattened()))?;
        let (places, flags): (Vec<_>, Vec<_>) = syscalls::flag_maps().unzip();
        self.write_array("FLAG_MAPS", &places, &bytes(flags.as_flattened()))?;
        let noted = <[u8; note::N_CALLS]>::try_from(tables.noted_calls);
        let noted = noted.expect("the table has an entry for each number");
        let mut map: Array<&mut MapData, [u8; note::N_CALLS]> = borrow(&mut self.object, NOTED)?;
        map.set(0, noted, 0).map_err(map_error(NOTED))?;
        let call_ids = &tables.call_ids;
        self.write_array("CALL_IDS", &first(call_ids.len()), &bytes(call_ids))?;
        let calls: Vec<u8> = tables.syscalls.iter().flat_map(|w| w.to_ne_bytes()).collect();
        self.write_array("SYSCALLS", &first(tables.syscalls.len()), &calls)?;
        let calls = &tables.socketcalls;
        self.write_array("SOCKETCALLS", &first(calls.len()), &bytes(calls))?;
        self.write_control()
    }

    /// Writes entries of an array all at once.
    fn write_array(
        &self,
        name: &'static str,
        places: &[u32],
        values: &[u8],
    ) -> Result<(), ProbeError> {
        let refused = |reason: String| ProbeError::Map { map: name, reason };
        let map = self.object.map(name).and_then(map_fd);
        let map = map.ok_or_else(|| refused("not in the object".to_owned()))?;
        bpf::update_all(map.fd().as_fd(), places, values).map_err(|e| refused(e.to_string()))
    }

    pub(super) fn write_control(&mut self) -> Result<(), ProbeError> {
        self.n_changes = self.n_changes.wrapping_add(1);
        let words = options_words(&self.options, self.lasts, self.n_changes);
        let mut map: Array<&mut MapData, [u32; control::WORDS]> =
            borrow(&mut self.object, "CONTROL")?;
        map.set(0, words, 0).map_err(map_error("CONTROL"))
    }

    pub(super) fn warn(&mut self, what: String) {
        if !self.report.warnings.contains(&what) {
            self.report.warnings.push(what);
        }
    }
}

pub(super) fn borrow<'a, T>(
    object: &'a mut LoadedObject,
    name: &'static str,
) -> Result<T, ProbeError>
where
    T: TryFrom<&'a mut Map, Error = aya::maps::MapError>,
{
    let map = object.map_mut(name);
    let map = map.ok_or_else(|| ProbeError::Object(format!("no map {name}")))?;
    T::try_from(map).map_err(map_error(name))
}

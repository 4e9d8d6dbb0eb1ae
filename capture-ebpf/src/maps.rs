//! The maps, and one CPU's entry of them.

use aya_ebpf::{
    btf_maps::{Array, ArrayOfMaps, RingBuf},
    macros::{btf_map, map},
    maps::{HashMap, LpmTrie, LruHashMap, ProgramArray},
};
use event::{
    Outcome, Slot, addressed, control, cpu_layout, feature,
    filter::{
        MAX_LASTS, MAX_PORTS, MAX_PREFIXES, N_NAME_HEADS, NAME_LAST_MAX, NAME_PREFIX_MAX,
        TYPE_FILTER_WORDS,
    },
    lost, mark, note,
    recipe::{FlagMap, N_FLAG_MAPS, Recipe},
    syscall_entry,
};

use crate::{
    history::{Key, Past},
    mem::feature_word,
};

/// `BPF_F_MMAPABLE`.
const MMAPABLE: usize = 1 << 10;
/// CPUs for which the object reserves entries; the loader sets the true number.
const MAX_CPUS: usize = 1024;
/// Scratch slots of a CPU, one per nesting level.
pub const N_SLOTS: u64 = 2;
/// Bytes of a scratch slot.
pub const SCRATCH_LEN: usize = 48 * 1024;

/// Counters and words of each CPU, see [`cpu_layout`].
#[btf_map]
pub static CPUS: Array<[u64; cpu_layout::WORDS], MAX_CPUS, MMAPABLE> = Array::new();

/// What to do with each syscall number.
#[btf_map]
pub static SYSCALLS: Array<u64, { syscall_entry::N }> = Array::new();

/// What to do with each call of ia32 `socketcall`.
#[btf_map]
pub static SOCKETCALLS: Array<u32, { syscall_entry::N_SOCKETCALLS }> = Array::new();

/// How the parameters of each event type are read, and what is asked for besides.
#[btf_map]
pub static RECIPES: Array<Recipe, { cpu_layout::N_TYPES }> = Array::new();

/// How flags become those of the schema.
#[btf_map]
pub static FLAG_MAPS: Array<FlagMap, N_FLAG_MAPS> = Array::new();

/// The schema's number of each call: the native table below, the ia32 one above.
#[btf_map]
pub static CALL_IDS: Array<u32, { syscall_entry::N }> = Array::new();

/// What the loader may change while programs run.
#[btf_map]
pub static CONTROL: Array<[u32; control::WORDS], 1> = Array::new();

/// Where records are built.
#[btf_map]
pub static SCRATCH: Array<[u8; SCRATCH_LEN], { MAX_CPUS * N_SLOTS as usize }> = Array::new();

/// One ring per possible CPU.
#[btf_map]
pub static RINGS: ArrayOfMaps<RingBuf<u8, 4096>, MAX_CPUS> = ArrayOfMaps::new();

/// Programs by [`Slot`].
#[map]
pub static PROGRAMS: ProgramArray = ProgramArray::with_max_entries(Slot::ALL.len() as u32, 0);

/// What `sys_enter` noted of calls under way, by thread. The loader gives it its room only where somebody asks. Its memory is taken when it is
/// made: kernels before 6.1 complain of a tracing program that takes memory.
#[map]
pub static NOTES: HashMap<u32, [u8; note::LEN]> = HashMap::with_max_entries(1, 0);

/// What hooks of sockets noted of calls under way, by thread. Room and memory as above.
#[map]
pub static ADDRESSED: HashMap<u32, [u64; addressed::LEN / 8]> = HashMap::with_max_entries(1, 0);

/// Processes in scope.
#[map]
pub static SCOPE: HashMap<u32, u32> = HashMap::with_max_entries(65_536, 0);

/// Processes of which a frame was lost that told of a change of them. Not one that forgets by itself: where there is no room that has to be known.
#[map]
pub static LOST: HashMap<lost::Key, lost::Value> = HashMap::with_max_entries(lost::N, 0);

/// What is known of sockets from earlier calls. The loader gives it its true size where somebody asks.
#[map]
pub static SOCKETS: LruHashMap<Key, Past> = LruHashMap::with_max_entries(1, 0);

/// What events of each type are asked: words of [`event::filter::TypeFilter`]. Mapped, so that the loader can write word by word.
#[btf_map]
pub static FILTERS: Array<[u64; TYPE_FILTER_WORDS], { cpu_layout::N_TYPES }, MMAPABLE> =
    Array::new();

/// Which processes are on the host for certain, see [`event::mark`]. Mapped, so that the agent tells of one without a call.
#[btf_map]
pub static HOST_MARKS: Array<[u64; mark::WORDS], { mark::N }, MMAPABLE> = Array::new();

/// Clauses by prefix of a name. A trie takes its memory as it grows, and only the loader makes it grow.
#[map]
pub static NAME_PREFIXES: LpmTrie<[u8; NAME_PREFIX_MAX], u64> =
    LpmTrie::with_max_entries(MAX_PREFIXES as u32, 0);

/// Clauses by beginnings of prefixes, see [`event::filter::name_head`].
#[btf_map]
pub static NAME_HEADS: Array<[u64; N_NAME_HEADS], 1> = Array::new();

/// Clauses by last component of a name.
#[map]
pub static NAME_LASTS: HashMap<[u8; NAME_LAST_MAX], u64> =
    HashMap::with_max_entries(MAX_LASTS as u32, 0);

/// Clauses by port.
#[map]
pub static FILTER_PORTS: HashMap<u32, u64> = HashMap::with_max_entries(MAX_PORTS as u32, 0);

/// One CPU's entry.
#[derive(Clone, Copy)]
pub struct Cpu {
    words: *mut u64,
    pub n: u32,
}

impl Cpu {
    #[inline(always)]
    pub fn current() -> Option<Self> {
        // SAFETY: a helper without arguments.
        let n = unsafe { aya_ebpf::helpers::generated::bpf_get_smp_processor_id() } as u32;
        let words = CPUS.get_ptr_mut(n)?.cast();
        Some(Self { words, n })
    }

    #[inline(always)]
    pub fn word(self, n: usize) -> *mut u64 {
        // SAFETY: callers pass constants of `cpu_layout`, below its `WORDS`.
        unsafe { self.words.add(n) }
    }

    /// Tells the program behind the dispatcher which event it is for.
    #[inline(always)]
    pub fn set_event_type(self, ty: u64) {
        // SAFETY: this CPU's word; nothing comes between the dispatcher and the program it calls, see `count`.
        unsafe { core::ptr::write_volatile(self.word(cpu_layout::EVENT_TYPE), ty) };
    }

    /// The event that the dispatcher found.
    #[inline(always)]
    pub fn event_type(self) -> event::EventType {
        // SAFETY: as above.
        let ty = unsafe { core::ptr::read_volatile(self.word(cpu_layout::EVENT_TYPE)) };
        event::EventType(ty as u16)
    }

    /// Counts in a word of its own, see `count`.
    #[inline(always)]
    pub fn count_word(self, n: usize) {
        let word = self.word(n);
        // SAFETY: this CPU's word.
        unsafe { *word = (*word).wrapping_add(1) };
    }

    /// Counts. A plain increment: programs run with preemption off on every kernel up to 6.18 (`cant_sleep` in `__bpf_trace_run`,
    /// kernel/trace/bpf_trace.c), and a program that interrupts another returns before that goes on.
    #[inline(always)]
    pub fn count(self, event_type: u64, outcome: Outcome) {
        let row = crate::mem::bound::<{ cpu_layout::N_TYPES as u32 - 1 }>(event_type);
        let n = row * cpu_layout::N_OUTCOMES as u64 + outcome as u64;
        // SAFETY: the row is masked to the table.
        unsafe {
            let p = self.words.add(n as usize);
            *p = (*p).wrapping_add(1);
        }
    }
}

/// A word of `CONTROL`.
#[inline(always)]
pub fn control_words() -> Option<*const u32> {
    Some(CONTROL.get_ptr(0)?.cast())
}

/// Whether the process is captured: not the agent, and in scope.
#[inline(always)]
pub fn passes(control: *const u32, tgid: u32) -> bool {
    // SAFETY: `control` points to `control::WORDS` words.
    let (own, scoped) = unsafe {
        (
            core::ptr::read_volatile(control.add(control::SELF_TGID)),
            core::ptr::read_volatile(control.add(control::SCOPED)),
        )
    };
    if tgid == own {
        return false;
    }
    if scoped == 0 {
        return true;
    }
    SCOPE.get_ptr(tgid).is_some()
}

/// The same, of a process that calls: mostly the one that called before.
#[inline(always)]
pub fn passes_again(cpu: Cpu, control: *const u32, tgid: u32) -> bool {
    let last = cpu.word(cpu_layout::IN_SCOPE);
    // SAFETY: this CPU's word; a word of `control`.
    unsafe {
        if last.read_volatile() == u64::from(tgid) {
            return true;
        }
        let passes = passes(control, tgid);
        if passes && control.add(control::SCOPED).read_volatile() != 0 {
            last.write_volatile(u64::from(tgid));
        }
        passes
    }
}

/// Takes a process out of scope. Its last thread ends: nothing of it calls any more.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_leave_scope(tgid: u64) -> u64 {
    if SCOPE.remove(tgid as u32).is_err() {
        return 0;
    }
    let mut n = 0;
    while n < feature_word(feature::N_CPUS) && n < MAX_CPUS as u64 {
        if let Some(words) = CPUS.get_ptr_mut(n as u32) {
            // SAFETY: a word of the entry. One that its CPU writes meanwhile is of another process, which it looks up once more.
            unsafe {
                let last = words.cast::<u64>().add(cpu_layout::IN_SCOPE);
                if last.read_volatile() == tgid {
                    last.write_volatile(0);
                }
            }
        }
        n += 1;
    }
    0
}

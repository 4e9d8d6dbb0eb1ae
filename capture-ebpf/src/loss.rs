//! Which processes lost a frame that told of a change of them: noted where a frame is dropped and nowhere else, so that what is known of them is not
//! taken for whole until the agent has looked at them.
//!
//! A drop writes the process into `LOST`, counts, then puts a byte up in a word of every CPU, unless its own is up. The agent says in these bytes that
//! it is about to lower them, looks at the counts once more, with a full fence in between on both sides (one of the two sees the other), and
//! lowers those that nobody has put up meanwhile. So there is no moment after a drop at which the byte is down and its process is not told of.

use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use event::{EventType, Outcome, carries_state, cpu_layout, feature, flags};

use crate::{
    maps::{CPUS, Cpu, LOST},
    mem::{atomic_add64, bound, feature_word},
    task::{Task, Who},
};

/// Words of the set of types.
const N_WORDS: usize = cpu_layout::N_TYPES / 64;
/// CPUs that the object has entries for at most.
const MAX_CPUS: u64 = 1024;

/// The types whose frames carry state: a table, since a match of a number may become a jump through one. Under its own name, or the object would
/// have one that depends on where it was built.
#[unsafe(no_mangle)]
static STATE_TYPES: [u64; N_WORDS] = {
    let mut set = [0; N_WORDS];
    let mut ty = 0;
    while ty < cpu_layout::N_TYPES {
        if carries_state(EventType(ty as u16)) {
            set[ty / 64] |= 1 << (ty % 64);
        }
        ty += 1;
    }
    set
};

/// [`flags::STATE_LOST`] for a process of which something was lost; one load where nothing was, of anybody.
#[inline(always)]
pub fn flag_of(cpu: Cpu, tgid: u32, start_ns: u64) -> u32 {
    // SAFETY: this CPU's word.
    let losses = unsafe { core::ptr::read_volatile(cpu.word(cpu_layout::LOSS)) };
    if losses == 0 { 0 } else { peregrine_loss_flag(losses, u64::from(tgid), start_ns) as u32 }
}

#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_loss_flag(losses: u64, tgid: u64, start_ns: u64) -> u64 {
    if losses >> (8 * cpu_layout::LOSS_OF_ANY) != 0 || LOST.get_ptr([tgid, start_ns]).is_some() {
        return u64::from(flags::STATE_LOST);
    }
    0
}

/// What a frame is, in one word: type, outcome, flags.
#[inline(always)]
fn describe(event_type: u16, outcome: Outcome, flags: u32) -> u64 {
    u64::from(event_type) | (outcome as u64) << 16 | u64::from(flags) << 32
}

/// Process and thread in one word.
#[inline(always)]
fn ids(who: &Who) -> u64 {
    u64::from(who.tgid) | u64::from(who.tid) << 32
}

/// Notes that a frame was dropped, if it told of a change of its process.
#[inline(always)]
pub fn note(event_type: u16, outcome: Outcome, flags: u32, who: &Who) {
    peregrine_note_loss(describe(event_type, outcome, flags), ids(who), who.start_ns);
}

/// The same for one that could not even be begun, which was to be about `task`.
#[inline(always)]
pub fn note_unmade(event_type: u16, outcome: Outcome, task: Task) {
    peregrine_note_unmade(describe(event_type, outcome, flags::GROUP_DEAD), task.0);
}

#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_note_unmade(what: u64, task: u64) -> u64 {
    let task = Task(task);
    let ids = u64::from(task.tgid()) | u64::from(task.tid()) << 32;
    note_process(what, ids, task.leader().start_ns())
}

#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_note_loss(what: u64, ids: u64, start_ns: u64) -> u64 {
    note_process(what, ids, start_ns)
}

#[inline(always)]
fn note_process(what: u64, ids: u64, start_ns: u64) -> u64 {
    if !changes_process(what, ids) {
        return 0;
    }
    let Some(cpu) = Cpu::current() else { return 0 };
    // SAFETY: a helper without arguments.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    let noted = LOST.insert([ids & 0xffff_ffff, start_ns], [now, what & 0xffff_ffff], 0);
    let (count, byte) = match noted {
        Ok(()) => (cpu_layout::LOSSES_NOTED, cpu_layout::LOSS_OF_SOME),
        Err(_) => (cpu_layout::LOSSES_UNNOTED, cpu_layout::LOSS_OF_ANY),
    };
    // SAFETY: this CPU's word; a full barrier between the note and the look at the byte.
    unsafe { atomic_add64(cpu.word(count), 1) };
    put_up(cpu, byte);
    1
}

#[inline(always)]
fn put_up(cpu: Cpu, byte: usize) {
    // SAFETY: a byte of this CPU's word. Up here it is up everywhere, and who is about to lower it looks at the counts afterwards.
    if unsafe { core::ptr::read_volatile(cpu.word(cpu_layout::LOSS).cast::<u8>().add(byte)) }
        == cpu_layout::LOSS_UP
    {
        return;
    }
    let mut n = 0;
    while n < feature_word(feature::N_CPUS) && n < MAX_CPUS {
        if let Some(words) = CPUS.get_ptr_mut(n as u32) {
            // SAFETY: a byte of the word, constants below the entry's words.
            unsafe {
                let word = words.cast::<u64>().add(cpu_layout::LOSS);
                word.cast::<u8>().add(byte).write_volatile(cpu_layout::LOSS_UP);
            }
        }
        n += 1;
    }
}

/// Whether the frame told of a change of its process: threads come and go without one.
#[inline(always)]
fn changes_process(what: u64, ids: u64) -> bool {
    let ty = bound::<{ cpu_layout::N_TYPES as u32 - 1 }>(what);
    // SAFETY: below the length, masked; volatile so that it stays a table.
    let word = unsafe {
        let table = (&raw const STATE_TYPES).cast::<u64>();
        core::ptr::read_volatile(table.add(bound::<{ N_WORDS as u32 - 1 }>(ty >> 6) as usize))
    };
    if word >> (ty & 63) & 1 == 0 {
        return false;
    }
    if ty == u64::from(EventType::PROCEXIT_1_E.0) {
        return what >> 32 & u64::from(flags::GROUP_DEAD) != 0;
    }
    let is_fork = ty == u64::from(EventType::CLONE_20_X.0)
        || ty == u64::from(EventType::CLONE3_X.0)
        || ty == u64::from(EventType::FORK_20_X.0)
        || ty == u64::from(EventType::VFORK_20_X.0);
    !is_fork || ids >> 32 == ids & 0xffff_ffff
}

/// Whether a simulated loss takes the frame. Costs nothing where none is asked for: the verifier knows the word.
#[inline(always)]
pub fn is_simulated(event_type: u16, flags: u32, who: &Who) -> bool {
    feature_word(feature::SIMULATE_DROPS) != 0
        && peregrine_simulate_loss(describe(event_type, Outcome::Written, flags), ids(who)) != 0
}

#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_simulate_loss(what: u64, ids: u64) -> u64 {
    let every = feature_word(feature::SIMULATE_DROPS);
    if every == 0 || !changes_process(what, ids) {
        return 0;
    }
    let Some(cpu) = Cpu::current() else { return 0 };
    let word = cpu.word(cpu_layout::SIMULATED);
    // SAFETY: this CPU's word, see `Cpu::count`.
    let n = unsafe {
        *word = (*word).wrapping_add(1);
        *word
    };
    u64::from(n % every == 0)
}

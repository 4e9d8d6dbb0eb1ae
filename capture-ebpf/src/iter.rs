//! What was there before the programs were attached, by the kernel's own iterators: processes and their threads, their arguments and
//! environments, and the roles of open sockets.
//!
//! Iterators read other tasks than the current one, which change under way. What comes out mixed is put right by the event of the change,
//! since the programs at the tracepoints run before an iterator starts.

use aya_ebpf::{
    bindings::{seq_file, task_struct},
    helpers::generated::bpf_copy_from_user_task,
};
use event::{EventType, KernelField as F};

use crate::{
    Ctx,
    file::File,
    history::{Key, assume},
    mem::{bound, get, ptr},
    process,
    record::{Iterator, Record, TEXT_MAX},
    sock::{Sock, past_of},
    task::Task,
};

const SEED: EventType = EventType::EXECVE_19_X;
/// Bytes of a command line that are kept: the program's name and its arguments.
const COMMAND_LINE_MAX: u64 = 2 * TEXT_MAX - 2;
/// Bytes of an environment that are kept; one more than a parameter has, so that a cut one shows.
const ENVIRONMENT_MAX: u64 = TEXT_MAX + 1;

/// Where the iterator's output goes: `ctx->meta->seq`.
#[inline(always)]
fn output(ctx: Ctx) -> *mut seq_file {
    // SAFETY: typed pointers all the way, which the verifier checks.
    unsafe { core::ptr::read_volatile(ctx.arg(0) as *const *mut seq_file) }
}

/// Whether nothing of the process is left but its exit code.
#[inline(always)]
fn is_dead(task: Task) -> bool {
    get::<u32>(task.0, F::TaskExitState) != 0 && get::<u32>(task.signal(), F::SignalLive) == 0
}

/// `bpf_iter__task(meta, task)`: a process as a frame, like an exec without what lies in its own memory; of a further thread the header alone.
#[inline(always)]
pub fn task(ctx: Ctx) -> Option<()> {
    let task = Task(ctx.number(1));
    if task.0 == 0 || is_dead(task) {
        return None;
    }
    let seq = output(ctx);
    let who = task.who();
    if who.tid != who.tgid {
        Record::iterated(Iterator::Tasks, SEED, 0)?.show(seq, &who);
        return None;
    }
    let mut rec = Record::iterated(Iterator::Tasks, SEED, 31)?;
    rec.u64(0, 0);
    rec.empty(1);
    rec.empty(2);
    process::common(&mut rec, task);
    process::cgroups(&mut rec, 14, task);
    rec.empty(15);
    process::exec_rest(&mut rec, task);
    rec.empty(30);
    rec.begin_trailer();
    process::proc_section(&mut rec, task);
    rec.show(seq, &who);
    None
}

/// Parameter `n`: bytes `start..end` of another process, at most `max`; nothing where they cannot be had.
///
/// # Safety
/// `task` is the iterator's.
#[inline(always)]
unsafe fn text_of(rec: &mut Record, n: usize, task: *mut task_struct, range: (u64, u64), max: u64) {
    let (start, end) = range;
    if end <= start {
        return rec.empty(n);
    }
    let len = end - start;
    let len = bound::<0x1fff>(if len > max { max } else { len });
    if len > COMMAND_LINE_MAX {
        return rec.empty(n);
    }
    // SAFETY: the slot has that much room behind a frame; the iterator's task.
    let r = unsafe {
        bpf_copy_from_user_task(rec.here().cast(), len as u32, start as *const _, task, 0)
    };
    if r < 0 {
        return rec.empty(n);
    }
    let mark = rec.mark();
    rec.advance(len);
    rec.end_from(n, mark);
}

/// `bpf_iter__task(meta, task)`, allowed to sleep: command line and environment of a process.
#[inline(always)]
pub fn memory(ctx: Ctx) -> Option<()> {
    let task = Task(ctx.number(1));
    let typed = ctx.arg(1) as *mut task_struct;
    if typed.is_null() || task.0 == 0 {
        return None;
    }
    let mm = ptr(task.0, F::TaskMm);
    if mm == 0 || task.tid() != task.tgid() {
        return None;
    }
    let seq = output(ctx);
    let who = task.who();
    let mut rec = Record::iterated(Iterator::Memory, SEED, 2)?;
    let args = (get(mm, F::MmArgStart), get(mm, F::MmArgEnd));
    let env = (get(mm, F::MmEnvStart), get(mm, F::MmEnvEnd));
    // SAFETY: the task that the kernel passed, checked above.
    unsafe {
        text_of(&mut rec, 0, typed, args, COMMAND_LINE_MAX);
        text_of(&mut rec, 1, typed, env, ENVIRONMENT_MAX);
    }
    rec.show(seq, &who);
    None
}

/// `bpf_iter__task_file(meta, task, fd, file)`: which end of an open socket the process is.
#[inline(always)]
pub fn file(ctx: Ctx) -> Option<()> {
    let sock = Sock::of(File(ctx.number(3)));
    if sock.at == 0 {
        return None;
    }
    let (role, remote) = past_of(sock);
    if role != 0 {
        let rec = Record::iterated(Iterator::Tasks, SEED, 0)?;
        assume(rec.base, Key { sk: sock.at, ino: u64::from(sock.ino) }, role, remote);
    }
    None
}

//! The process family: forks, execs, exits, and the failing and the caller's side of the calls behind them.

use aya_ebpf::helpers::generated::{
    bpf_get_current_pid_tgid, bpf_get_current_task_btf, bpf_task_pt_regs,
};
use event::{
    EventType, KernelField as F, Outcome, SectionKind, control, cpu_layout, feature, flags,
};

use crate::{
    Ctx,
    call::{Call, X32_BIT},
    dispatch::is_ia32,
    enter,
    file::{self, exe_of},
    hook, loss,
    maps::{Cpu, SCOPE, control_words, passes, peregrine_leave_scope},
    mark,
    mem::{bound, feature_word, field, forget, get, has, ptr, read, read_user},
    path::{Backward, Place},
    record::{FORGET_AT, Record, TEXT_MAX},
    task::{Task, global_nr, own_nr, own_upid},
};

const RLIMIT_NOFILE: u64 = 7;
const NO_LOGINUID: u32 = u32::MAX;
/// Strings of a failing exec's vectors that are looked at.
const MAX_STRINGS: u64 = 64;
/// Ancestors that are looked at for a subreaper.
const MAX_ANCESTORS: u32 = 32;

/// Kernel bit and schema bit of each clone flag.
const CLONE_FLAGS: [(u32, u32); 22] = [
    (0x400, 0x1),
    (0x200, 0x2),
    (0x8000_0000, 0x4),
    (0x0800_0000, 0x8),
    (0x4000_0000, 0x10),
    (0x2_0000, 0x20),
    (0x2000_0000, 0x40),
    (0x0400_0000, 0x80),
    (0x8000, 0x100),
    (0x10_0000, 0x200),
    (0x2000, 0x400),
    (0x800, 0x800),
    (0x4_0000, 0x1000),
    (0x1_0000, 0x2000),
    (0x80_0000, 0x4000),
    (0x100, 0x8000),
    (0x1000_0000, 0x10_0000),
    (0x20_0000, 0x80_0000),
    (0x100_0000, 0x100_0000),
    (0x8_0000, 0x200_0000),
    (0x4000, 0x800_0000),
    (0x0200_0000, 0x1000_0000),
];
const CL_CHILD_IN_PIDNS: u32 = 0x2000_0000;
const CLONE_VM: u64 = 0x100;
const CLONE_VFORK: u64 = 0x4000;

/// Syscall numbers that make tasks: native (x32 alike), ia32.
const NR_CLONE: (u64, u64) = (56, 120);
const NR_FORK: (u64, u64) = (57, 2);
const NR_VFORK: (u64, u64) = (58, 190);
const NR_CLONE3: u64 = 435;

/// Without branches: the verifier would follow both ways of each.
#[inline(always)]
fn clone_flags(kernel: u64) -> u32 {
    let kernel = bound::<0xffff_ffff>(kernel);
    let mut out = 0;
    let mut i = 0;
    while i < CLONE_FLAGS.len() {
        let (k, p) = CLONE_FLAGS[i];
        out |= bound::<1>(kernel >> k.trailing_zeros()) << p.trailing_zeros();
        i += 1;
    }
    out as u32
}

/// Which call makes a task, by its number in its own table.
#[inline(always)]
fn fork_kind(nr: u64, ia32: bool) -> Option<(EventType, u32)> {
    let is = |n: (u64, u64)| nr == if ia32 { n.1 } else { n.0 };
    if is(NR_CLONE) {
        Some((EventType::CLONE_20_X, control::CLONE))
    } else if nr == NR_CLONE3 {
        Some((EventType::CLONE3_X, control::CLONE3))
    } else if is(NR_VFORK) {
        Some((EventType::VFORK_20_X, control::VFORK))
    } else if is(NR_FORK) {
        Some((EventType::FORK_20_X, control::FORK))
    } else {
        None
    }
}

/// Kernel clone flags of a call: its first argument says them, or for clone3 points to them.
#[inline(always)]
fn kernel_flags(ty: EventType, a0: u64) -> u64 {
    if ty == EventType::CLONE_20_X {
        a0
    } else if ty == EventType::CLONE3_X {
        read_user::<u64>(a0).unwrap_or(0)
    } else if ty == EventType::VFORK_20_X {
        CLONE_VFORK | CLONE_VM
    } else {
        0
    }
}

#[inline(always)]
fn reg(regs: u64, f: F) -> u64 {
    get(regs, f)
}

/// Saved registers of the current task.
#[inline(always)]
pub fn current_regs() -> u64 {
    if feature_word(feature::TASK_PT_REGS) != 0 {
        // SAFETY: both helpers exist on this kernel.
        return unsafe { bpf_task_pt_regs(bpf_get_current_task_btf()) } as u64;
    }
    // `task_pt_regs` of arch/x86/include/asm/processor.h; no padding before 6.9.
    ptr(Task::current().0, F::TaskStack) + feature_word(feature::STACK_SIZE) - field(F::RegsSize)
}

#[inline(always)]
pub fn rss_pages(mm: u64, n: u64) -> u32 {
    if !has(F::MmRssStride) || mm == 0 {
        return 0;
    }
    let inner = if field(F::MmRssStride) > 8 { field(F::RssCount) } else { 0 };
    let pages: i64 = read(mm + field(F::MmRss) + n * field(F::MmRssStride) + inner);
    if pages < 0 { 0 } else { pages as u32 }
}

/// Page faults of a task and sizes of its memory in KiB, five parameters from the `n`-th on.
#[inline(always)]
pub fn memory(rec: &mut Record, n: usize, task: Task) {
    rec.u64(n, get(task.0, F::TaskMajFlt));
    rec.u64(n + 1, get(task.0, F::TaskMinFlt));
    let mm = ptr(task.0, F::TaskMm);
    rec.u32(n + 2, get::<u64>(mm, F::MmTotalVm) as u32 * 4);
    // MM_FILEPAGES 0, MM_ANONPAGES 1, MM_SWAPENTS 2, MM_SHMEMPAGES 3 of include/linux/mm_types_task.h.
    rec.u32(n + 3, (rss_pages(mm, 0) + rss_pages(mm, 1) + rss_pages(mm, 3)) * 4);
    rec.u32(n + 4, rss_pages(mm, 2) * 4);
}

/// Parameters that clone and exec have in common, up to and without `cgroups`: from `tid` on.
#[inline(always)]
pub fn common(rec: &mut Record, task: Task) {
    rec.u64(3, u64::from(task.tid()));
    rec.u64(4, u64::from(task.tgid()));
    rec.u64(5, u64::from(task.real_parent().tgid()));
    cwd(rec, 6, task);
    let limit: u64 = read(task.signal() + field(F::SignalRlim) + RLIMIT_NOFILE * 16);
    rec.u64(7, limit);
    memory(rec, 8, task);
    rec.kernel_str(13, task.0 + field(F::TaskComm));
}

#[inline(always)]
fn cwd(rec: &mut Record, n: usize, task: Task) {
    let mut path = Backward::new(rec);
    path.byte(0);
    path.walk(Place::cwd_of(task), task);
    let mark = rec.mark();
    rec.append_path(path.pos, path.len());
    rec.end_from(n, mark);
}

/// `subsys=path` of a controller.
#[inline(always)]
fn controller(rec: &mut Record, task: Task, id: F, name: &[u8; 8], name_len: u64) {
    if !has(id) {
        return;
    }
    let set = ptr(task.0, F::TaskCgroups);
    let css: u64 = read(set + field(F::CssSetSubsys) + 8 * field(id));
    named_cgroup(rec, ptr(css, F::CssCgroup), name, name_len);
}

#[inline(always)]
fn named_cgroup(rec: &mut Record, cgroup: u64, name: &[u8; 8], name_len: u64) {
    if cgroup == 0 {
        return;
    }
    let mut path = Backward::new(rec);
    path.byte(0);
    path.cgroup(cgroup);
    path.byte(b'=');
    rec.push_text(name, name_len);
    rec.append_path(path.pos, path.len());
}

/// The controllers by name, then the default hierarchy under the empty name.
#[inline(always)]
pub fn cgroups(rec: &mut Record, n: usize, task: Task) {
    let mark = rec.mark();
    controller(rec, task, F::CgrpCpuset, b"cpuset\0\0", 6);
    controller(rec, task, F::CgrpCpu, b"cpu\0\0\0\0\0", 3);
    controller(rec, task, F::CgrpMemory, b"memory\0\0", 6);
    controller(rec, task, F::CgrpPids, b"pids\0\0\0\0", 4);
    let dfl = ptr(ptr(task.0, F::TaskCgroups), F::CssSetDflCgrp);
    named_cgroup(rec, dfl, &[0; 8], 0);
    rec.end_from(n, mark);
}

#[inline(always)]
pub fn proc_section(rec: &mut Record, task: Task) {
    let parent = task.real_parent();
    let at = rec.section();
    rec.push32(global_nr(task.group_pid(F::PidTypeSid)));
    rec.push32(global_nr(task.group_pid(F::PidTypePgid)));
    rec.push32(parent.tgid());
    rec.push32(own_nr(task.leader().own_pid()));
    rec.push64(parent.leader().start_ns());
    rec.end_section(SectionKind::Proc, at);
}

#[inline(always)]
fn tty_of(task: Task) -> u32 {
    let tty = ptr(task.signal(), F::SignalTty);
    if tty == 0 {
        return 0;
    }
    let driver = ptr(tty, F::TtyDriver);
    let minor = get::<u32>(driver, F::DriverMinorStart) + get::<u32>(tty, F::TtyIndex);
    file::encode_dev(get::<u32>(driver, F::DriverMajor), minor)
}

/// The group's id as the task's own pid namespace has it, 0 for a group of a namespace further out.
#[inline(always)]
fn vpgid_of(task: Task) -> u32 {
    let level = u64::from(get::<u32>(task.own_pid(), F::PidLevel) & 0x1f);
    let pid = task.group_pid(F::PidTypePgid);
    if u64::from(get::<u32>(pid, F::PidLevel)) < level {
        return 0;
    }
    get(pid + field(F::PidNumbers) + level * field(F::UpidSize), F::UpidNr)
}

/// Exec's parameters from `env` on; `n_params` tells execve (31) from execveat (30).
#[inline(always)]
pub fn exec_rest(rec: &mut Record, task: Task) {
    rec.u32(16, tty_of(task));
    rec.u64(17, u64::from(vpgid_of(task)));
    rec.u32(18, if has(F::TaskLoginuid) { get(task.0, F::TaskLoginuid) } else { NO_LOGINUID });
    let exe = exe_of(task);
    rec.u32(19, exe.exec_flags(task));
    let cred = task.cred();
    rec.u64(20, get(cred, F::CredCapInheritable));
    rec.u64(21, get(cred, F::CredCapPermitted));
    rec.u64(22, get(cred, F::CredCapEffective));
    rec.u64(23, exe.ino());
    rec.u64(24, exe.ctime_ns());
    rec.u64(25, exe.mtime_ns());
    rec.u32(26, get(cred, F::CredEuid));
    let mark = rec.mark();
    exe.append_path(rec, task, true);
    rec.end_from(27, mark);
    rec.u64(28, u64::from(global_nr(task.group_pid(F::PidTypePgid))));
    rec.u32(29, get(cred, F::CredEgid));
}

/// `sched_process_exec(task, old_pid, bprm)`.
#[inline(always)]
pub fn exec(ctx: Ctx) -> Option<()> {
    let ty = EventType::EXECVE_19_X;
    // SAFETY: a helper without arguments.
    let stamp = mark::of_process((unsafe { bpf_get_current_pid_tgid() } >> 32) as u32);
    let (cpu, _) = wanted(ty, control::EXEC)?;
    let task = Task::current();
    let bprm = ctx.number(2);
    let mut rec = Record::begin(cpu, ty, 31)?;
    let mm = ptr(task.0, F::TaskMm);
    let start: u64 = get(mm, F::MmArgStart);
    rec.u64(0, 0);
    let exe_len = rec.user_str(1, start);
    rec.user_strings(2, start + exe_len, get(mm, F::MmArgEnd));
    common(&mut rec, task);
    cgroups(&mut rec, 14, task);
    rec.user_strings(15, get(mm, F::MmEnvStart), get(mm, F::MmEnvEnd));
    exec_rest(&mut rec, task);
    rec.kernel_str(30, ptr(bprm, F::BprmFilename));
    rec.begin_trailer();
    proc_section(&mut rec, task);
    mark_section(&mut rec, stamp);
    rec.submit::<false>(&task.who_is_current());
    None
}

#[inline(always)]
fn mark_section(rec: &mut Record, stamp: u64) {
    let at = rec.section();
    rec.push64(stamp);
    rec.end_section(SectionKind::Mark, at);
}

/// Counts a hook of the scheduler and says whether its event is wanted from the current process.
#[inline(always)]
pub fn wanted(ty: EventType, bit: u32) -> Option<(Cpu, u32)> {
    let cpu = Cpu::current()?;
    cpu.count(u64::from(ty.0), Outcome::Seen);
    let words = control_words()?;
    // SAFETY: a helper without arguments; `control_words` has `control::WORDS` words.
    let (tgid, want) = unsafe {
        (
            (bpf_get_current_pid_tgid() >> 32) as u32,
            core::ptr::read_volatile(words.add(control::PROCESS)) & bit != 0,
        )
    };
    if !want || !passes(words, tgid) {
        cpu.count(u64::from(ty.0), Outcome::Filtered);
        return None;
    }
    Some((cpu, tgid))
}

/// Keeps the scope: a child of a process in scope is in scope. `false` where there is no room for it: nothing is told of it then, its start included, since
/// nobody would tell of its end.
#[inline(always)]
fn follow_scope(creator: u32, child: u32) -> bool {
    if creator != child && SCOPE.get_ptr(creator).is_some() && SCOPE.insert(child, 1, 0).is_err() {
        if let Some(cpu) = Cpu::current() {
            cpu.count_word(cpu_layout::SCOPE_FULL);
        }
        return false;
    }
    true
}

/// Flags that the verifier does not know, so that it follows what is the same of all calls once.
#[inline(always)]
fn forgotten(rec: &Record, flags: u32) -> u32 {
    // SAFETY: a word of the slot.
    forget(unsafe { rec.base.add(FORGET_AT) }, u64::from(flags)) as u32
}

/// `sched_process_fork(parent, child)`: the child's side.
#[inline(always)]
pub fn fork(ctx: Ctx) -> Option<()> {
    let child = Task(ctx.number(1));
    // SAFETY: a helper without arguments.
    let id = unsafe { bpf_get_current_pid_tgid() };
    let (creator_tid, creator_tgid) = (id as u32, (id >> 32) as u32);
    let tgid = child.tgid();
    // Whatever becomes of its frame: who had the id before was another process. A thread's process stays what it is.
    let stamp = if child.tid() == tgid { mark::of_process(tgid) } else { 0 };
    if !follow_scope(creator_tgid, tgid) || child.is_kernel_thread() {
        return None;
    }
    let regs = current_regs();
    let nr = reg(regs, F::RegsOrigAx) & !X32_BIT;
    let ia32 = is_ia32();
    let (ty, bit) = fork_kind(nr, ia32)?;
    let (cpu, _) = wanted(ty, bit)?;
    let a0 = if ia32 { reg(regs, F::RegsBx) & 0xffff_ffff } else { reg(regs, F::RegsDi) };
    let kernel = kernel_flags(ty, a0);
    let mut rec = Record::begin_about(cpu, ty, 21, child)?;
    rec.flags = forgotten(&rec, if ia32 { flags::IA32 } else { 0 });
    clone_params(&mut rec, child, 0, kernel);
    rec.begin_trailer();
    let creator = Task::current();
    let parent = child.real_parent();
    let at = rec.section();
    rec.push32(creator_tid);
    rec.push32(creator_tgid);
    let creator_start = creator.leader().start_ns();
    rec.push64(creator_start);
    rec.push64(u64::from(parent.tgid()));
    rec.push64(parent.leader().start_ns());
    rec.end_section(SectionKind::Creator, at);
    proc_section(&mut rec, child);
    mark_section(&mut rec, stamp);
    // It is a copy of who may not be wholly known.
    rec.flags |= loss::flag_of(cpu, creator_tgid, creator_start);
    rec.submit::<false>(&child.who());
    None
}

/// Parameters of the four calls that make tasks, seen from `task`.
#[inline(always)]
fn clone_params(rec: &mut Record, task: Task, res: i64, kernel: u64) {
    rec.i64(0, res);
    let mm = ptr(task.0, F::TaskMm);
    let start: u64 = get(mm, F::MmArgStart);
    let exe_len = rec.user_str(1, start);
    rec.user_strings(2, start + exe_len, get(mm, F::MmArgEnd));
    common(rec, task);
    cgroups(rec, 14, task);
    let pid = task.own_pid();
    let nested = if get::<u32>(pid, F::PidLevel) != 0 { CL_CHILD_IN_PIDNS } else { 0 };
    rec.u32(15, clone_flags(kernel) | nested);
    let cred = task.cred();
    rec.u32(16, get(cred, F::CredEuid));
    rec.u32(17, get(cred, F::CredEgid));
    rec.u64(18, u64::from(own_nr(pid)));
    rec.u64(19, u64::from(own_nr(task.leader().own_pid())));
    let reaper = ptr(ptr(own_upid(pid), F::UpidNs), F::NsChildReaper);
    rec.u64(20, Task(reaper).start_ns());
}

/// The caller's side of the four calls, at their exit.
#[inline(always)]
pub fn clone_exit(ctx: Ctx) -> Option<()> {
    let call = Call::at_exit(ctx);
    let cpu = Cpu::current()?;
    let (ty, _) = fork_kind(call.nr(), call.is_ia32())?;
    if call.ret == 0 {
        // The child's own return: `sched_process_fork` told it.
        cpu.count(u64::from(ty.0), Outcome::Filtered);
        return None;
    }
    let kernel = kernel_flags(ty, call.a0());
    let task = Task::current();
    let mut rec = Record::begin(cpu, ty, 21)?;
    rec.flags = forgotten(&rec, call.abi);
    clone_params(&mut rec, task, call.ret, kernel);
    rec.begin_trailer();
    proc_section(&mut rec, task);
    rec.submit::<false>(&task.who_is_current());
    None
}

/// Whether no thread of the task's process is left.
#[inline(always)]
fn group_dead(ctx: Ctx, task: Task) -> bool {
    if feature_word(feature::EXIT_HAS_GROUP_DEAD) != 0 {
        return ctx.arg(1) & 0xff != 0;
    }
    get::<u32>(task.signal(), F::SignalLive) == 0
}

#[inline(always)]
fn level_of(task: Task) -> u32 {
    get(task.own_pid(), F::PidLevel)
}

/// Who inherits the children: the nearest ancestor that reaps, has not ended and lives in the same pid namespace (the parent of what was put into
/// a container does not), else the init of that namespace (`find_new_reaper`, kernel/exit.c). A dying init has no heir.
#[inline(always)]
fn reaper_of(task: Task) -> Task {
    let leader = task.leader();
    let init = Task(ptr(ptr(own_upid(leader.own_pid()), F::UpidNs), F::NsChildReaper));
    if init.tgid() == task.tgid() {
        return Task(0);
    }
    if !has(F::SignalSubreaperByte) {
        return init;
    }
    let level = level_of(leader);
    let mut at = leader.real_parent();
    for _ in 0..MAX_ANCESTORS {
        let tgid = at.tgid();
        if at.0 == 0 || tgid == 0 || tgid == init.tgid() || level_of(at) != level {
            break;
        }
        let byte: u8 = get(at.signal(), F::SignalSubreaperByte);
        let reaps = byte >> (field(F::SignalSubreaperBit) & 7) & 1 != 0;
        if reaps && get::<u32>(at.signal(), F::SignalLive) != 0 {
            return at.leader();
        }
        at = at.leader().real_parent();
    }
    init
}

/// `sched_process_exit(task[, group_dead])`.
#[inline(always)]
pub fn exit(ctx: Ctx) -> Option<()> {
    let ty = EventType::PROCEXIT_1_E;
    let task = Task::current();
    let dead = group_dead(ctx, task);
    if let Some((cpu, _)) = wanted(ty, control::EXIT) {
        exit_record(cpu, task, dead);
    }
    if dead {
        peregrine_leave_scope(u64::from(task.tgid()));
    }
    enter::forget_thread();
    hook::forget_thread();
    None
}

#[inline(always)]
fn exit_record(cpu: Cpu, task: Task, dead: bool) -> Option<()> {
    let mut rec = Record::begin(cpu, EventType::PROCEXIT_1_E, 5)?;
    let code: u32 = get(task.0, F::TaskExitCode);
    rec.i64(0, i64::from(code as i32));
    rec.u64(1, u64::from(code >> 8 & 0xff));
    rec.u8(2, (code & 0x7f) as u8);
    rec.u8(3, (code >> 7 & 1) as u8);
    let reaper = if dead { reaper_of(task) } else { Task(0) };
    rec.u64(4, u64::from(reaper.tgid()));
    if dead {
        rec.flags |= flags::GROUP_DEAD;
        rec.begin_trailer();
        let at = rec.section();
        rec.push64(u64::from(reaper.tgid()));
        rec.push64(reaper.start_ns());
        rec.end_section(SectionKind::Exit, at);
    }
    rec.submit::<false>(&task.who_is_current());
    None
}

/// Parameter `n`: the strings of a vector of the process, from its `first`-th on, until `TEXT_MAX` bytes are reached.
#[inline(always)]
fn vector_strings(rec: &mut Record, n: usize, vector: u64, first: u64, width: u64) {
    let mark = rec.mark();
    let vector = vector + first * width;
    rec.take_over(peregrine_strings(u64::from(rec.slot), rec.state(), vector, width));
    rec.end_from(n, mark);
}

/// Appends the strings of a vector. Gives the record's state.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_strings(slot: u64, state: u64, vector: u64, width: u64) -> u64 {
    let Some(mut rec) = Record::resume(slot as u32, state) else { return state };
    let mark = rec.mark();
    for i in 0..MAX_STRINGS {
        let at = vector + i * width;
        let p = if width == 4 {
            u64::from(read_user::<u32>(at).unwrap_or(0))
        } else {
            read_user::<u64>(at).unwrap_or(0)
        };
        if p == 0 || rec.since(mark) >= TEXT_MAX {
            break;
        }
        let len = rec.user_text(p);
        if len == 0 {
            break;
        }
        rec.advance(len);
    }
    rec.cut(mark);
    rec.state()
}

/// A failing `execve` or `execveat`; the successful one is told by `sched_process_exec`.
#[inline(always)]
pub fn exec_exit(ctx: Ctx) -> Option<()> {
    let call = Call::at_exit(ctx);
    let cpu = Cpu::current()?;
    let ty = cpu.event_type();
    if call.ret >= 0 {
        cpu.count(u64::from(ty.0), Outcome::Filtered);
        return None;
    }
    let is_at = ty == EventType::EXECVEAT_X;
    let task = Task::current();
    let mut rec = Record::begin(cpu, ty, if is_at { 30 } else { 31 })?;
    rec.flags = forgotten(&rec, call.abi);
    let (name, argv, envp) =
        if is_at { (0, call.a2(), call.a3()) } else { (call.a0(), call.a1(), call.a2()) };
    let width = if call.is_ia32() { 4 } else { 8 };
    rec.advance(0);
    rec.i64(0, call.ret);
    let first = if width == 4 {
        u64::from(read_user::<u32>(argv).unwrap_or(0))
    } else {
        read_user::<u64>(argv).unwrap_or(0)
    };
    if first == 0 {
        rec.empty(1);
        rec.empty(2);
    } else {
        rec.user_str(1, first);
        vector_strings(&mut rec, 2, argv, 1, width);
    }
    common(&mut rec, task);
    cgroups(&mut rec, 14, task);
    vector_strings(&mut rec, 15, envp, 0, width);
    exec_rest(&mut rec, task);
    if cpu.event_type() != EventType::EXECVEAT_X {
        rec.user_str(30, name);
    }
    rec.begin_trailer();
    proc_section(&mut rec, task);
    rec.submit::<false>(&task.who_is_current());
    None
}

//! The look at a descriptor when a call starts, for calls that are asked about it: another thread may put another object in its place while
//! the call is under way, and after a `close` there is nothing left to look at.
//!
//! `sys_enter` notes per thread what the first argument is; the program at the exit takes the note and compares. What the kernel itself used
//! is looked up between the two looks: an object that is there at both is the one, short of a second exchange in between.

use core::ptr::NonNull;

use aya_ebpf::helpers::generated::{
    bpf_get_current_pid_tgid, bpf_map_update_elem, bpf_probe_read_kernel, bpf_probe_read_user,
};
use event::{
    EventType, KernelField as F, cpu_layout, feature, flags, note, recipe::head, syscall_entry,
};

use crate::{
    Ctx,
    call::{Call, X32_BIT, pt_reg},
    dispatch::{entry_of, is_ia32, type_of},
    file::{File, file_of},
    maps::{Cpu, NOTES, RECIPES, control_words, passes},
    mem::{bound, feature_word, read_user, st8},
    network,
    record::{NOTE_AT, Record},
    task::Task,
};

/// Which numbers of which table are asked about: a call that nobody asks about is known before anything else is done. The loader writes it, and
/// may do so while programs run; the section's map is this array and nothing else.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".data")]
pub static mut NOTED_CALLS: [u8; note::N_CALLS] = [0; note::N_CALLS];

#[inline(always)]
fn tables_of(nr: u64) -> u8 {
    // SAFETY: callers pass a number below the length; volatile because the loader writes the value.
    unsafe { core::ptr::read_volatile((&raw const NOTED_CALLS).cast::<u8>().add(nr as usize)) }
}

/// `sys_enter(regs, id)`.
#[inline(always)]
pub fn sys_enter(ctx: Ctx) -> Option<()> {
    let nr = ctx.arg(1) & !X32_BIT;
    if nr >= note::N_CALLS as u64 {
        return None;
    }
    let tables = tables_of(nr);
    if tables == 0 {
        return None;
    }
    let table = if is_ia32() { note::IA32 } else { note::NATIVE };
    if tables & table == 0 {
        return None;
    }
    note_call(ctx)
}

#[inline(always)]
fn note_call(ctx: Ctx) -> Option<()> {
    let entry = entry_of(ctx.arg(0), ctx.arg(1));
    let ty = type_of(entry);
    if entry & u64::from(syscall_entry::WANTED) == 0
        || RECIPES.get(ty as u32)?[0] & head::ENTRY == 0
    {
        return None;
    }
    // SAFETY: a helper without arguments.
    let id = unsafe { bpf_get_current_pid_tgid() };
    if !passes(control_words()?, (id >> 32) as u32) {
        return None;
    }
    let cpu = Cpu::current()?;
    let tid = id as u32;
    let Some(rec) = Record::scribble(cpu) else {
        let _ = NOTES.remove(tid);
        cpu.count_word(cpu_layout::NOTES_LOST);
        return None;
    };
    let call = Call::at_start(ctx);
    let (address, len) = passed_address(call, ty);
    let what = ty | (pt_reg(ctx.arg(0), F::RegsOrigAx) & 0xffff_ffff) << 32;
    peregrine_note(u64::from(rec.slot), call.a0(), address, len, what);
    // SAFETY: the map, a key and a value of its sizes: the slot begins with the note.
    let r = unsafe {
        bpf_map_update_elem(
            (&raw const NOTES).cast_mut().cast(),
            (&raw const tid).cast(),
            rec.base.cast(),
            0,
        )
    };
    if r != 0 {
        cpu.count_word(cpu_layout::NOTES_LOST);
    }
    rec.discard();
    None
}

/// Where the socket address lies that the call passes, and its length.
#[inline(always)]
fn passed_address(call: Call, ty: u64) -> (u64, u64) {
    const CONNECT: u64 = EventType::CONNECT_X.0 as u64;
    const BIND: u64 = EventType::BIND_X.0 as u64;
    const SENDTO: u64 = EventType::SENDTO_X.0 as u64;
    const SENDMSG: u64 = EventType::SENDMSG_X.0 as u64;
    match ty {
        CONNECT | BIND => (call.a1(), call.a2()),
        SENDTO => (call.a4(), call.a5()),
        // `struct msghdr` starts with the address and its length.
        SENDMSG if call.is_narrow() => {
            let [at, len] = read_user::<[u32; 2]>(call.a1()).unwrap_or([0; 2]);
            (u64::from(at), u64::from(len))
        }
        SENDMSG => {
            let at = call.a1();
            (read_user(at).unwrap_or(0), u64::from(read_user::<u32>(at + 8).unwrap_or(0)))
        }
        _ => (0, 0),
    }
}

#[inline(always)]
fn put(base: *mut u8, at: usize, value: u64) {
    // SAFETY: callers pass aligned places of `note` in a slot.
    unsafe { base.add(at).cast::<u64>().write_volatile(value) };
}

/// Writes the note of a descriptor at the start of a slot.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_note(slot: u64, fd: u64, address: u64, len: u64, what: u64) -> u64 {
    let Some(mut rec) = Record::resume(slot as u32, note::SECTION as u64) else { return 0 };
    let task = Task::current();
    let fd = Call::fd(fd);
    let file = file_of(task, fd);
    put(rec.base, note::FILE, file.0);
    put(rec.base, note::INODE, if file.0 == 0 { 0 } else { file.inode_at() });
    put(rec.base, note::CALL, what);
    put(rec.base, note::FD, fd as u64);
    let len = if address == 0 || len as i32 <= 0 { 0 } else { len & 0xffff_ffff };
    let len = if len > note::ADDRESS_MAX as u64 { note::ADDRESS_MAX as u64 } else { len };
    let len = bound::<0xff>(len);
    let mut kept = 0;
    // Bytes that the call did not pass are 0, not those of an earlier note.
    for word in 0..4 {
        put(rec.base, note::ADDRESS + 8 * word, 0);
    }
    if len > 0 && len <= note::ADDRESS_MAX as u64 {
        // SAFETY: at most `ADDRESS_MAX` bytes.
        let r = unsafe {
            bpf_probe_read_user(rec.base.add(note::ADDRESS).cast(), len as u32, address as *const _)
        };
        if r >= 0 {
            kept = len;
            // SAFETY: the byte behind, inside the note.
            unsafe { st8(rec.base.add(note::ADDRESS + bound::<0xff>(len) as usize), 0) };
        }
    }
    put(rec.base, note::ADDRESS_LEN, kept);
    if file.0 != 0 {
        if file.is_socket() {
            network::section_at_start(&mut rec, file, note::ADDRESS as u64, kept);
        } else {
            rec.path_max = note::PATH_MAX as u64;
            file.descriptor_section(&mut rec, task);
        }
    }
    put(rec.base, note::SECTION_LEN, rec.since(note::SECTION as u64));
    0
}

/// A thread that ends takes its note along.
#[inline(always)]
pub fn forget_thread() {
    if feature_word(feature::ENTRY) == 0 {
        return;
    }
    // SAFETY: a helper without arguments.
    let tid = unsafe { bpf_get_current_pid_tgid() } as u32;
    let _ = NOTES.remove(tid);
}

/// The note of the call that is at its exit. It lies in the record's slot, outside the frame.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Of the slot. As in [`crate::hook::Addressed`].
    base: NonNull<u8>,
}

impl Entry {
    /// Takes the note of this thread's call. `None` where nobody asks for one, where the call started before the programs ran, and where the
    /// note found no room.
    #[inline(always)]
    pub fn take(rec: &Record, call: Call, ty: EventType) -> Option<Self> {
        let this = Self::look(rec, call.nr_with_table(), ty);
        Self::drop_note(ty);
        this
    }

    /// Whether calls of the type are noted.
    #[inline(always)]
    pub fn is_noted(ty: EventType) -> bool {
        feature_word(feature::ENTRY) != 0
            && RECIPES.get(u32::from(ty.0)).is_some_and(|recipe| recipe[0] & head::ENTRY != 0)
    }

    /// Drops the note of this thread's call.
    #[inline(always)]
    pub fn drop_note(ty: EventType) {
        if !Self::is_noted(ty) {
            return;
        }
        // SAFETY: a helper without arguments.
        let tid = unsafe { bpf_get_current_pid_tgid() } as u32;
        let _ = NOTES.remove(tid);
    }

    /// The note, which stays for the next frame of the same call; by the call's number with the bit of its table.
    #[inline(always)]
    pub fn look(rec: &Record, nr: u64, ty: EventType) -> Option<Self> {
        if !Self::is_noted(ty) {
            return None;
        }
        // SAFETY: a helper without arguments.
        let tid = unsafe { bpf_get_current_pid_tgid() } as u32;
        let noted = NOTES.get_ptr(tid)?;
        let this = Self::in_slot(rec);
        // SAFETY: both sides have `note::LEN` bytes.
        unsafe {
            bpf_probe_read_kernel(
                this.base.as_ptr().add(NOTE_AT).cast(),
                note::LEN as u32,
                noted.cast(),
            );
        }
        let what = u64::from(ty.0) | (nr & 0xffff_ffff) << 32;
        if this.word(note::CALL) == what { Some(this) } else { None }
    }

    /// The note that [`Entry::take`] left in the slot, for a global function.
    #[inline(always)]
    pub fn in_slot(rec: &Record) -> Self {
        // SAFETY: a slot was found in its map.
        Self { base: unsafe { NonNull::new_unchecked(rec.base) } }
    }

    #[inline(always)]
    fn word(self, at: usize) -> u64 {
        // SAFETY: callers pass aligned places of `note`.
        unsafe { self.base.as_ptr().add(NOTE_AT + at).cast::<u64>().read_volatile() }
    }

    /// Whether the descriptor was open.
    #[inline(always)]
    pub fn was_open(self) -> bool {
        self.word(note::FILE) != 0
    }

    /// Whether the object that the descriptor is now is another one.
    #[inline(always)]
    pub fn differs(self, now: File) -> bool {
        let file = self.word(note::FILE);
        file != now.0 || (file != 0 && self.word(note::INODE) != now.inode_at())
    }

    /// Flags the record where the object is another one; true where the rules are to see that of the start.
    #[inline(always)]
    pub fn raced(self, rec: &mut Record, now: File) -> bool {
        if !self.differs(now) {
            return false;
        }
        rec.flags |= flags::FD_RACED;
        self.was_open()
    }

    /// Place in the slot and length of the socket address that was passed, as it was then; length 0 where none was.
    #[inline(always)]
    pub fn passed(self) -> (u64, u64) {
        ((NOTE_AT + note::ADDRESS) as u64, self.word(note::ADDRESS_LEN))
    }

    /// Whether the section lacks nothing: a long path has only its tail in the note.
    #[inline(always)]
    fn is_whole(self) -> bool {
        self.word(note::SECTION_LEN) < note::SECTION_MAX as u64
    }

    /// Appends the `File` or `Sock` section as it was when the call started; nothing where the descriptor was not open.
    #[inline(always)]
    pub fn append_section(self, rec: &mut Record) {
        let len = bound::<0x3ff>(self.word(note::SECTION_LEN));
        if len > note::SECTION_MAX as u64 {
            return;
        }
        // SAFETY: at most `SECTION_MAX` bytes; room as `Record::here` says.
        unsafe {
            bpf_probe_read_kernel(
                rec.here().cast(),
                len as u32,
                self.base.as_ptr().add(NOTE_AT + note::SECTION).cast(),
            );
        }
        rec.advance(len);
    }

    /// Appends the section of a descriptor that is `now`: that of the start where the two differ, which is flagged. A file that stayed is
    /// not looked at again, a socket is: it may have a peer by now.
    #[inline(always)]
    pub fn descriptor_section(self, rec: &mut Record, task: Task, now: File) {
        if self.raced(rec, now) {
            return self.append_section(rec);
        }
        if now.0 == 0 {
            return;
        }
        if now.is_socket() {
            network::descriptor_section(rec, now);
        } else if self.was_open() && self.is_whole() {
            self.append_section(rec);
        } else {
            now.descriptor_section(rec, task);
        }
    }
}

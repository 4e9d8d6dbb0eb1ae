//! The look at a socket while a call uses it: programs at the kernel's own hooks of `connect`, `bind` and sends with an address (of control groups, at the
//! root of their hierarchy). They run inside the call, behind the copy of the address that the call passes, and know the socket itself: neither an
//! address that is rewritten under way nor a descriptor that is exchanged changes what they see. No other call runs them.
//!
//! What they see is noted per thread and taken at the exit. A thread keeps its entry, which is written again each time, until it ends.
//!
//! These programs may be preempted, so they stay out of what belongs to a CPU: its scratch slots, and counters without a lock.

use core::{arch::asm, mem::MaybeUninit, ptr::NonNull};

use aya_ebpf::helpers::generated::{
    bpf_get_current_pid_tgid, bpf_map_update_elem, bpf_probe_read_kernel,
};
use event::{
    CONTEXT_CALL, EventType, KernelField as F, SectionKind, addressed as note, control, cpu_layout,
    feature, recipe::head, syscall_entry,
};

use crate::{
    call::pt_reg,
    dispatch::{entry_of, type_of},
    file::File,
    history::{self, Shown},
    maps::{ADDRESSED, Cpu, RECIPES, control_words, passes},
    mem::{atomic_add64, bound, feature_word, field, get, ptr, read, st64},
    network::{self, Passed},
    process::current_regs,
    record::{NOTE_AT, Record},
    sock::{AF_UNIX, End, Sock},
};

/// Words of an address that are copied in any case: that of IPv6 has 28 bytes.
const INET_WORDS: usize = 4;
/// `BPF_NOEXIST`.
const BPF_NOEXIST: u64 = 1;

/// The context as the kernel has it. `bpf_cast_to_kern_ctx` of 6.2, which the verifier takes away: see [`CONTEXT_CALL`].
#[inline(always)]
fn kernel_context(ctx: *mut u64) -> u64 {
    let at: u64;
    // SAFETY: the registers of a call.
    unsafe {
        asm!("call {cast}", cast = const CONTEXT_CALL,
            inlateout("r1") ctx => _, lateout("r0") at,
            lateout("r2") _, lateout("r3") _, lateout("r4") _, lateout("r5") _, options(nostack));
    }
    at
}

/// A member of the context.
#[inline(always)]
fn member<T>(context: u64, f: F) -> T {
    // SAFETY: the verifier checks the access against `struct bpf_sock_addr_kern`.
    unsafe { core::ptr::read_volatile((context + field(f)) as *const T) }
}

/// The word by which a note is known to be of this call: nothing that was asked for otherwise, and no other kind of call.
#[inline(always)]
fn call_word(control: *const u32, ty: u64) -> u64 {
    // SAFETY: `control` points to `control::WORDS` words.
    ty | u64::from(unsafe { core::ptr::read_volatile(control.add(control::CHANGES)) }) << 32
}

#[inline(always)]
fn put(at: *mut u8, place: usize, value: u64) {
    // SAFETY: callers pass aligned places of a note.
    unsafe { at.add(place).cast::<u64>().write_volatile(value) };
}

/// Makes the entry of a thread.
#[inline(always)]
fn new_entry(tid: u32) -> Option<*mut u8> {
    let mut nothing = MaybeUninit::<[u64; note::LEN / 8]>::uninit();
    let words = nothing.as_mut_ptr().cast::<u64>();
    let mut n = 0;
    while n < note::LEN / 8 {
        // SAFETY: inside the value. Volatile, since rustc would call a function for it, and the program is loaded without any.
        unsafe { words.add(n).write_volatile(0) };
        n += 1;
    }
    // SAFETY: the map, a key and a value of its sizes.
    let r = unsafe {
        bpf_map_update_elem(
            (&raw const ADDRESSED).cast_mut().cast(),
            (&raw const tid).cast(),
            words.cast(),
            BPF_NOEXIST,
        )
    };
    if r == 0
        && let Some(at) = ADDRESSED.get_ptr_mut(tid)
    {
        return Some(at.cast());
    }
    let lost = Cpu::current()?.word(cpu_layout::NOTES_LOST);
    // SAFETY: a word of this CPU's entry; the program may be preempted between a load and a store.
    unsafe { atomic_add64(lost, 1) };
    None
}

/// At a hook of sockets.
#[inline(always)]
pub fn socket(ctx: *mut u64) -> Option<()> {
    let regs = current_regs();
    let entry = entry_of(regs, pt_reg(regs, F::RegsOrigAx));
    let ty = type_of(entry);
    // Neither a thread of the kernel nor one of io_uring is in such a call.
    if entry & u64::from(syscall_entry::WANTED) == 0 || !is_hooked(EventType(ty as u16)) {
        return None;
    }
    // SAFETY: a helper without arguments.
    let id = unsafe { bpf_get_current_pid_tgid() };
    let control = control_words()?;
    let at = match ADDRESSED.get_ptr_mut(id as u32) {
        // What has one was in scope.
        Some(at) => at.cast(),
        None if passes(control, (id >> 32) as u32) => new_entry(id as u32)?,
        None => return None,
    };
    let context = kernel_context(ctx);
    let (sk, address) = (member::<u64>(context, F::HookSock), member(context, F::HookAddress));
    let len = member::<u32>(context, F::HookAddressLen);
    let socket = ptr(sk, F::SockSocket);
    let file = ptr(socket, F::SocketFile);
    // One of the kernel's own, which the call uses on the way.
    if file == 0 {
        return None;
    }
    let sock = Sock::of_socket(socket, socket + field(F::SocketInode));
    put(at, note::CALL, call_word(control, ty));
    put(at, note::FILE, file);
    put(at, note::SOCK, sock.at);
    put(at, note::WHAT, sock.what());
    put(at, note::COOKIE, get(sock.at, F::SockCookie));
    let local = sock.local();
    put(at, note::LOCAL_PORT, u64::from(local.port) | u64::from(sock.protocol()) << 16);
    put(at, note::LOCAL, local.addr[0]);
    put(at, note::LOCAL + 8, local.addr[1]);
    copy_address(at, sock.family, address, u64::from(len));
    None
}

/// Copies the address that the call passes into a note.
#[inline(always)]
fn copy_address(at: *mut u8, family: u16, address: u64, len: u64) {
    let most = if family == AF_UNIX { note::ADDRESS_MAX } else { 8 * INET_WORDS } as u64;
    let len = if len > most { most } else { len };
    put(at, note::ADDRESS_LEN, len);
    let words: [u64; INET_WORDS] = read(address);
    let mut n = 0;
    while n < INET_WORDS {
        let word = if len > 8 * n as u64 { words[n] } else { 0 };
        put(at, note::ADDRESS + 8 * n, word);
        n += 1;
    }
    let len = bound::<0x7f>(len);
    if family != AF_UNIX || len > note::ADDRESS_MAX as u64 {
        return;
    }
    // SAFETY: at most `ADDRESS_MAX` bytes.
    unsafe { bpf_probe_read_kernel(at.add(note::ADDRESS).cast(), len as u32, address as *const _) };
}

/// Whether hooks note calls of the type.
#[inline(always)]
fn is_hooked(ty: EventType) -> bool {
    feature_word(feature::HOOKS) != 0
        && RECIPES.get(u32::from(ty.0)).is_some_and(|recipe| recipe[0] & head::HOOKED != 0)
}

/// A thread that ends takes its entry along.
#[inline(always)]
pub fn forget_thread() {
    if feature_word(feature::HOOKS) != 0 {
        // SAFETY: a helper without arguments.
        let _ = ADDRESSED.remove(unsafe { bpf_get_current_pid_tgid() } as u32);
    }
}

/// What was noted of the call that is at its exit.
///
/// Never null, so that `None` has no other half: kernels up to 6.1 refuse a program that copies one which was never written.
#[derive(Clone, Copy)]
pub struct Addressed(NonNull<u8>);

impl Addressed {
    /// The note, which stays for the next frame of the same call. `None` where the call came to no hook: it failed before, or its socket has none.
    #[inline(always)]
    pub fn look(ty: EventType) -> Option<Self> {
        if !is_hooked(ty) {
            return None;
        }
        // SAFETY: a helper without arguments.
        let tid = unsafe { bpf_get_current_pid_tgid() } as u32;
        let this = Self(NonNull::new(ADDRESSED.get_ptr_mut(tid)?.cast())?);
        let call = call_word(control_words()?, u64::from(ty.0));
        if this.word(note::CALL) == call { Some(this) } else { None }
    }

    #[inline(always)]
    fn at(self) -> *mut u8 {
        self.0.as_ptr()
    }

    /// It is of no call any more.
    #[inline(always)]
    pub fn drop_note(self) {
        put(self.at(), note::CALL, 0);
    }

    #[inline(always)]
    fn word(self, place: usize) -> u64 {
        // SAFETY: callers pass aligned places of a note.
        unsafe { self.at().add(place).cast::<u64>().read_volatile() }
    }

    /// Whether the call used another object than the descriptor is now.
    #[inline(always)]
    pub fn differs(self, now: File) -> bool {
        now.0 != self.word(note::FILE)
            || get::<u64>(now.inode_at(), F::InodeIno) as u32 != self.word(note::WHAT) as u32
    }

    /// The socket that the call used.
    #[inline(always)]
    pub fn sock(self) -> Sock {
        Sock::noted(self.word(note::SOCK), self.word(note::WHAT))
    }

    /// The address that was passed.
    #[inline(always)]
    pub fn passed(self) -> Passed {
        // SAFETY: inside the note, where it lies behind its length.
        Passed::at(unsafe { self.at().add(note::ADDRESS_LEN) })
    }

    /// Copies the address that was passed to a place of the length, the address and a NUL.
    #[inline(always)]
    pub fn copy_passed(self, to: *mut u8) {
        let len = self.word(note::ADDRESS_LEN);
        put(to, 0, len);
        let mut n = 0;
        while n < INET_WORDS {
            put(to, 8 + 8 * n, self.word(note::ADDRESS + 8 * n));
            n += 1;
        }
        let len = bound::<0x7f>(len);
        if len <= 8 * INET_WORDS as u64 || len > note::ADDRESS_MAX as u64 {
            return;
        }
        // SAFETY: at most `ADDRESS_MAX` bytes, and a word behind them, as the caller says.
        unsafe {
            let place = to.add(8);
            bpf_probe_read_kernel(place.cast(), len as u32, self.at().add(note::ADDRESS).cast());
            st64(place.add(len as usize), 0);
        }
    }

    /// Keeps it in the slot, for [`peregrine_addressed`].
    #[inline(always)]
    pub fn keep(self, rec: &Record) {
        // SAFETY: both sides have `LEN` bytes.
        unsafe {
            bpf_probe_read_kernel(rec.base.add(NOTE_AT).cast(), note::LEN as u32, self.at().cast());
        }
    }
}

/// The `Sock` section of a socket that a call used and that its descriptor no longer is, of the note in the slot. Gives the record's state.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_addressed(slot: u64, state: u64, seen: u64) -> u64 {
    let Some(mut rec) = Record::resume(slot as u32, state) else { return state };
    // SAFETY: the note in the slot.
    let Some(noted) = NonNull::new(unsafe { rec.base.add(NOTE_AT) }).map(Addressed) else {
        return state;
    };
    let sock = noted.sock();
    let mut remote = Passed::of(&rec).end_for(sock).unwrap_or_default();
    let mut out = 0;
    if feature_word(feature::SOCKET_HISTORY) != 0 {
        // What lies there now may be another socket.
        let past = history::note(rec.base, sock, seen, remote, Shown::NOTHING);
        out = past.flags;
        if remote.port == 0 {
            remote = past.peer;
        }
    }
    let port = noted.word(note::LOCAL_PORT);
    let addr = [noted.word(note::LOCAL), noted.word(note::LOCAL + 8)];
    let at = rec.section();
    let facts = network::Facts {
        cookie: noted.word(note::COOKIE),
        protocol: (port >> 16) as u16,
        local: End { addr, port: port as u16 },
        remote,
        // Its state now may be that of another socket in its place.
        state: 0,
        out,
    };
    network::push_facts(&mut rec, sock, &facts);
    let name = Passed::of(&rec).unix_path();
    if sock.family == AF_UNIX && name != 0 {
        network::push_unix_name(&mut rec, name);
    }
    rec.end_section(SectionKind::Sock, at);
    rec.state()
}

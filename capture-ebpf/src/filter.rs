//! Push-down: what no rule can match is rejected before it leaves the kernel, see `event::filter`.
//!
//! Result, container and flags first, before anything is built; names once both views of them are known: the process's string and the kernel's path.
//! Whatever is not known exactly passes.

use core::arch::asm;

use aya_ebpf::helpers::generated::{bpf_map_lookup_elem, bpf_probe_read_user_str};
use event::{
    EventType, KernelField as F, Outcome, control, feature,
    filter::{FilterKind, N_FILTER_KINDS, N_NAME_HEADS, NAME_PREFIX_MAX, TypeFilter, name_head},
    flags,
};

use crate::{
    file::{AT_FDCWD, FMODE_CREATED, PPM_FD_LAYERS, PPM_O_F_CREATED, file_of},
    maps::{
        Cpu, FILTER_PORTS, FILTERS, NAME_HEADS, NAME_LASTS, NAME_PREFIXES, SCRATCH, control_words,
    },
    mark,
    mem::{bound, feature_word, get, st8, st32, st64},
    network::{EINPROGRESS, Passed, There},
    path::{Backward, Place},
    record::{PATH_AT, PATH_MAX, Record},
    same::peregrine_same,
    sock::{AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, End, Sock},
    task::Task,
};

/// Longest string that is looked at, with its NUL; a longer one passes.
pub const LEXICAL_MAX: u64 = 512;
/// Where the process's string lies: right behind the path buffer, so that its directory can be put before it.
pub const LEXICAL_AT: u64 = PATH_MAX;
/// Zeroes behind a name: a key of the map of last components.
const ZEROES: u64 = event::filter::NAME_LAST_MAX as u64;
/// Where the kernel's path ends.
const KERNEL_END: u64 = PATH_MAX - ZEROES;
/// In place of a position: the name is one of those that no pattern speaks of (`event::filter::is_odd_pair`).
const ODD: u64 = u64::MAX;
/// In place of clauses: nothing is known, all may hold.
const ALL: u64 = u64::MAX;
/// In place of a string: there is none that is known exactly.
const UNKNOWN: u64 = 0;
/// Set beside a string's length: it starts from a directory.
const RELATIVE: u64 = 1 << 32;
/// In the word of an open's flags: whether the call made the file has to be looked up.
const MAY_CREATE: u64 = 1 << 32;

/// The filter of a type that has one. Its clauses are read once: the loader takes them away first.
#[derive(Clone, Copy)]
pub struct Active {
    clauses: u64,
    at: *const TypeFilter,
}

impl Active {
    #[inline(always)]
    pub fn of(ty: u16) -> Option<Self> {
        let at = FILTERS.get_ptr(u32::from(ty))?.cast::<TypeFilter>();
        // SAFETY: an entry of the map.
        let clauses = unsafe { (&raw const (*at).clauses).read_volatile() };
        if clauses == 0 { None } else { Some(Self { clauses, at }) }
    }

    #[inline(always)]
    fn filter(&self) -> &TypeFilter {
        // SAFETY: an entry of the map, of numbers only.
        unsafe { &*self.at }
    }

    /// Clauses left by the call's result, and by where its process is.
    #[inline(always)]
    fn by_result(self, ret: i64) -> u64 {
        self.by_host(self.by_result_alone(ret))
    }

    #[inline(always)]
    fn by_result_alone(self, ret: i64) -> u64 {
        let filter = self.filter();
        self.clauses & if ret < 0 { filter.failed } else { filter.succeeded }
    }

    /// Those of some clauses that are left by where the process is, which is asked for the sake of a clause only.
    #[inline(always)]
    fn by_host(self, left: u64) -> u64 {
        let on_host = self.filter().on_host;
        if left & !on_host != 0 && mark::is_on_host() { left & on_host } else { left }
    }

    /// Whether a call on a socket is rejected by its result, the socket and where its process is.
    #[inline(always)]
    pub fn rejects_ends(self, ret: i64, sock: Sock, ends: &Ends, has_past: bool) -> bool {
        let left = by_socket(self, self.by_result_alone(ret), sock, ends, has_past);
        left == 0 || self.by_host(left) == 0
    }

    #[inline(always)]
    fn of_kind(self, kind: FilterKind) -> u64 {
        self.filter().kinds[kind as usize & (N_FILTER_KINDS - 1)]
    }
}

/// Whether the result alone rejects the event.
#[inline(always)]
pub fn is_rejected(ty: EventType, ret: i64) -> bool {
    Active::of(ty.0).is_some_and(|active| active.by_result(ret) == 0)
}

/// The same; what is rejected is counted.
#[inline(always)]
pub fn rejects_result(cpu: Cpu, ty: EventType, ret: i64) -> bool {
    let rejects = is_rejected(ty, ret);
    if rejects {
        cpu.count(u64::from(ty.0), Outcome::Rejected);
    }
    rejects
}

/// Gives up a record that was begun.
#[inline(always)]
pub fn discard(cpu: Cpu, rec: Record, ty: EventType) {
    rec.discard();
    cpu.count(u64::from(ty.0), Outcome::Rejected);
}

/// Clauses left by result, container and flags; those whose bits are not known are left.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_filter_flags(ty: u64, ret: u64, flags: u64, unknown: u64) -> u64 {
    let Some(active) = Active::of(ty as u16) else { return ALL };
    let left = active.filter().by_known_flags(flags, unknown);
    active.by_host(left & active.by_result_alone(ret as i64))
}

/// An open, as far as its filter asks.
pub struct Opening {
    pub ty: EventType,
    pub ret: i64,
    /// As the schema has them, without the bits that tell what was opened.
    pub flags: u32,
    /// Whether the flags are such that the call may have made the file.
    pub may_create: bool,
    /// Address of the process's string, 0 where the call has none.
    pub name: u64,
    pub dirfd: i64,
}

/// Whether an open is rejected; then it is counted.
#[inline(always)]
pub fn rejects_open(cpu: Cpu, open: &Opening) -> bool {
    let Some(active) = Active::of(open.ty.0) else { return false };
    let rejects = rejects_active(cpu, active, open);
    if rejects {
        cpu.count(u64::from(open.ty.0), Outcome::Rejected);
    }
    rejects
}

#[inline(always)]
fn rejects_active(cpu: Cpu, active: Active, open: &Opening) -> bool {
    let ty = u64::from(open.ty.0);
    let is_open = open.ret >= 0;
    let may_create = is_open && open.may_create;
    let mut unknown = 0;
    if is_open {
        unknown = u64::from(PPM_FD_LAYERS);
    }
    if may_create {
        unknown |= u64::from(PPM_O_F_CREATED);
    }
    let flags = u64::from(open.flags);
    let left = peregrine_filter_flags(ty, open.ret as u64, flags, unknown);
    if left == 0 {
        return true;
    }
    if left & active.filter().any_name != 0 && !may_create {
        return false;
    }
    // Where no slot is free the event is lost, and counted so.
    let Some(rec) = Record::scribble(cpu) else { return false };
    let place = u64::from(rec.slot) | ty << 32;
    let fds = open.dirfd as u64 & 0xffff_ffff | (open.ret as u64) << 32;
    let flags = flags | if may_create { MAY_CREATE } else { 0 };
    let rejects = peregrine_rejects_open(place, left, open.name, fds, flags) != 0;
    rec.discard();
    rejects
}

/// The rest of it: whether the call made the file, and the names.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_rejects_open(
    place: u64,
    left: u64,
    name: u64,
    fds: u64,
    flags: u64,
) -> u64 {
    let (slot, ty) = (place & 0xffff_ffff, place >> 32);
    let Some(active) = Active::of(ty as u16) else { return 0 };
    let ret = fds as i64 >> 32;
    let mut left = left;
    if flags & MAY_CREATE != 0 {
        let file = file_of(Task::current(), ret);
        let created = get::<u32>(file.0, F::FileMode) & FMODE_CREATED != 0;
        let made = if created { u64::from(PPM_O_F_CREATED) } else { 0 };
        let flags = flags & !MAY_CREATE | made;
        left &= peregrine_filter_flags(ty, ret as u64, flags, u64::from(PPM_FD_LAYERS));
        if left == 0 {
            return 1;
        }
    }
    if left & active.filter().any_name != 0 {
        return 0;
    }
    if name == 0 {
        return u64::from(ret >= 0 && left & peregrine_kernel_view(slot, ret as u64, 0, left) == 0);
    }
    let string = peregrine_string(slot, name);
    if string == UNKNOWN {
        return 0;
    }
    let (len, is_relative) = (string & 0xffff, string & RELATIVE != 0);
    if !is_relative {
        if peregrine_prefixes(slot, LEXICAL_AT, len, left) != 0 {
            return 0;
        }
        let last = if ret < 0 { 0 } else { peregrine_same(slot, len, ret as u64) };
        if last != 0 {
            return u64::from(!asks_last(left) || left & peregrine_last_component(slot, last) == 0);
        }
        if left & peregrine_view(slot, LEXICAL_AT, len, left) != 0 {
            return 0;
        }
    }
    let absolute = if is_relative { 0 } else { len };
    if ret >= 0 && left & peregrine_kernel_view(slot, ret as u64, absolute, left) != 0 {
        return 0;
    }
    u64::from(!is_relative || left & peregrine_joined_view(slot, fds, len, left) == 0)
}

/// Copies the process's string into the slot, with zeroes behind it. Gives its length with the NUL, and [`RELATIVE`]; [`UNKNOWN`] where there is none, or
/// it is too long.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_string(slot: u64, name: u64) -> u64 {
    let Some(base) = SCRATCH.get_ptr_mut(slot as u32) else { return UNKNOWN };
    // SAFETY: the slack behind the path buffer has `PATH_MAX` bytes.
    let at = unsafe { base.cast::<u8>().add(PATH_AT + LEXICAL_AT as usize) };
    // SAFETY: as above.
    let r = unsafe { bpf_probe_read_user_str(at.cast(), LEXICAL_MAX as u32, name as *const _) };
    if r <= 1 || r >= LEXICAL_MAX as i64 {
        return UNKNOWN;
    }
    let len = bound::<0x1ff>(r as u64);
    // SAFETY: as above.
    unsafe {
        zero(at.add(len as usize));
        len | if at.read_volatile() == b'/' { 0 } else { RELATIVE }
    }
}

/// Zeroes for a key of the map of last components.
#[inline(always)]
unsafe fn zero(at: *mut u8) {
    let mut n = 0;
    while n < ZEROES as usize {
        // SAFETY: the caller gives `ZEROES` bytes.
        unsafe { st64(at.add(n), 0) };
        n += 8;
    }
}

/// Clauses that the kernel's path of a descriptor allows; none where it is the process's string, an absolute one that was looked up before. That one's
/// length, else 0.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_kernel_view(slot: u64, fd: u64, absolute: u64, left: u64) -> u64 {
    let Some(base) = SCRATCH.get_ptr_mut(slot as u32) else { return ALL };
    let task = Task::current();
    let file = file_of(task, fd as i64);
    if file.0 == 0 {
        return ALL;
    }
    // SAFETY: inside the path buffer.
    unsafe { zero(base.cast::<u8>().add(PATH_AT + KERNEL_END as usize)) };
    let Some(pos) = walked(slot, KERNEL_END, file.place(), task) else { return ALL };
    let len = KERNEL_END + 1 - pos;
    // So it is where there was no link.
    if absolute == len && peregrine_is_string(slot, pos, len) != 0 {
        return 0;
    }
    peregrine_view(slot, pos, len, left)
}

/// Whether the bytes of the path buffer from `pos` on are those of the process's string. There are zeroes behind both.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_is_string(slot: u64, pos: u64, len: u64) -> u64 {
    let Some(base) = SCRATCH.get_ptr_mut(slot as u32) else { return 0 };
    let pos = bound::<0x1fff>(pos);
    if pos > LEXICAL_AT || len > LEXICAL_MAX {
        return 0;
    }
    // SAFETY: both are in the slot, with the rest of their last words.
    let (path, string) = unsafe {
        let buffer = base.cast::<u8>().add(PATH_AT);
        (buffer.add(pos as usize), buffer.add(LEXICAL_AT as usize))
    };
    let mut differ = 0;
    let mut n = 0;
    while n < LEXICAL_MAX {
        if n >= len {
            break;
        }
        // SAFETY: as above.
        differ |= unsafe { ld64(path.add(n as usize)) ^ ld64(string.add(n as usize)) };
        n += 8;
    }
    u64::from(differ == 0)
}

/// Clauses that a name allows whose `len` bytes, its NUL included, begin at `pos` of the path buffer, with zeroes behind them.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_view(slot: u64, pos: u64, len: u64, left: u64) -> u64 {
    let last = peregrine_last(slot, pos, len);
    if last == ODD {
        return ALL;
    }
    let found = peregrine_prefixes(slot, pos, len, left);
    if asks_last(left) { found | peregrine_last_component(slot, last) } else { found }
}

/// Clauses that the process's string allows behind the path of the directory that it starts from.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_joined_view(slot: u64, dirfd: u64, len: u64, left: u64) -> u64 {
    let Some(base) = SCRATCH.get_ptr_mut(slot as u32) else { return ALL };
    let task = Task::current();
    let dirfd = i64::from(dirfd as i32);
    let place = if dirfd == AT_FDCWD {
        Place::cwd_of(task)
    } else {
        let file = file_of(task, dirfd);
        if file.0 == 0 {
            return ALL;
        }
        file.place()
    };
    // SAFETY: the byte before the string.
    unsafe { st8(base.cast::<u8>().add(PATH_AT + LEXICAL_AT as usize - 1), b'/') };
    let slash = LEXICAL_AT - 1;
    let Some(pos) = walked(slot, slash, place, task) else { return ALL };
    // The root's own slash is the one between the two.
    let pos = if pos == slash - 1 { slash } else { pos };
    peregrine_view(slot, pos, LEXICAL_AT - pos + len, left)
}

/// Where the path of a place begins that ends at `end` of the path buffer; `None` where it is not what the place is called by and nothing else.
#[inline(always)]
fn walked(slot: u64, end: u64, place: Place, task: Task) -> Option<u64> {
    if !place.is_in_tree() {
        return None;
    }
    let (pos, flags) = Backward::walk_to(slot, end, place, task);
    if flags != 0 || pos >= end { None } else { Some(pos) }
}

/// Clauses of a name's prefixes, of those in `left`. `pos`: where it begins in the path buffer, `len`: with its NUL.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_prefixes(slot: u64, pos: u64, len: u64, left: u64) -> u64 {
    let Some(base) = SCRATCH.get_ptr_mut(slot as u32) else { return ALL };
    let pos = bound::<0x1fff>(pos);
    if pos > LEXICAL_AT {
        return ALL;
    }
    let len = if len > NAME_PREFIX_MAX as u64 { NAME_PREFIX_MAX as u64 } else { len };
    // SAFETY: a key is the number of bits in four bytes, then the name; all of it is in the slot.
    unsafe {
        let name = base.cast::<u8>().add(PATH_AT).add(pos as usize);
        if left & heads(ld64(name)) == 0 {
            return 0;
        }
        let key = name.sub(4);
        st32(key, 8 * len as u32);
        left & value_of((&raw const NAME_PREFIXES).cast(), key)
    }
}

/// Clauses of the last component that begins at `pos` of the path buffer, with zeroes behind it.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_last_component(slot: u64, pos: u64) -> u64 {
    let Some(base) = SCRATCH.get_ptr_mut(slot as u32) else { return ALL };
    let pos = bound::<0x1fff>(pos);
    if pos > LEXICAL_AT + LEXICAL_MAX {
        return ALL;
    }
    // SAFETY: in the slot.
    unsafe {
        let key = base.cast::<u8>().add(PATH_AT).add(pos as usize);
        value_of((&raw const NAME_LASTS).cast(), key)
    }
}

/// Clauses of the prefixes that begin as a name does whose first bytes these are: at least those that [`NAME_PREFIXES`] has for it.
#[inline(always)]
fn heads(name: u64) -> u64 {
    let Some(entries) = NAME_HEADS.get_ptr(0) else { return ALL };
    let of = |beginning: u64| {
        let n = bound::<{ N_NAME_HEADS as u32 - 1 }>(name_head(beginning) as u64);
        // SAFETY: masked to the entries.
        unsafe { entries.cast::<u64>().add(n as usize).read_volatile() }
    };
    of(name) | of(name & 0xffff_ffff)
}

/// Whether one of the clauses asks for the last component of a name.
#[inline(always)]
fn asks_last(left: u64) -> bool {
    control_words().is_none_or(|words| {
        // SAFETY: two words of `CONTROL`, whose entries are of 32 bytes.
        let lasts = unsafe { words.add(control::LASTS).cast::<u64>().read_volatile() };
        left & lasts != 0
    })
}

/// The clauses of a key, none where it is not there.
#[inline(always)]
unsafe fn value_of(map: *const core::ffi::c_void, key: *const u8) -> u64 {
    // SAFETY: the caller gives a key of the map's size.
    let value = unsafe { bpf_map_lookup_elem(map.cast_mut(), key.cast()) };
    if value.is_null() {
        return 0;
    }
    // SAFETY: values are words.
    unsafe { value.cast::<u64>().read_volatile() }
}

/// Where the last component of a name begins; [`ODD`] where it ends with a slash, or has one or a dot next to another. There are zeroes behind it.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_last(slot: u64, pos: u64, len: u64) -> u64 {
    let Some(base) = SCRATCH.get_ptr_mut(slot as u32) else { return ODD };
    let at = bound::<0x1fff>(pos);
    if at > LEXICAL_AT || len > LEXICAL_MAX + 1 {
        return ODD;
    }
    // SAFETY: in the slot; words are read up to seven bytes behind the name's last word.
    let name = unsafe { base.cast::<u8>().add(PATH_AT).add(at as usize) };
    let (mut slashes, mut word, mut odd) = (0u64, 0u64, 0);
    let mut n = 0;
    while n <= LEXICAL_MAX {
        if n >= len {
            break;
        }
        // SAFETY: as above.
        let (here, next) = unsafe { (name.add(n as usize), name.add(n as usize + 1)) };
        let (here, behind) = (ld64(here), ld64(next));
        let (found, next_slashes) = (equal(here, b'/'), equal(behind, b'/'));
        odd |= found & (next_slashes | equal(behind, b'.')) | equal(here, b'.') & next_slashes;
        let is_none = one_if_zero(found);
        slashes = slashes.wrapping_mul(is_none) | found;
        word = word.wrapping_mul(is_none) | n.wrapping_mul(1 - is_none);
        n += 8;
    }
    if odd != 0 {
        return ODD;
    }
    // The highest bit that is set fills all bytes below it, which are counted.
    slashes |= slashes >> 8;
    slashes |= slashes >> 16;
    slashes |= slashes >> 32;
    let in_word = (slashes >> 7).wrapping_mul(ONES) >> 56;
    let last = word + in_word;
    // Nothing behind the last slash.
    if last + 1 >= len { ODD } else { pos + last }
}

/// One in each byte.
const ONES: u64 = 0x0101_0101_0101_0101;
/// All but the highest bit of each byte.
const LOW: u64 = 0x7f * ONES;

/// The highest bit of each byte that equals `byte`.
#[inline(always)]
fn equal(word: u64, byte: u8) -> u64 {
    let x = word ^ u64::from(byte) * ONES;
    !(((x & LOW) + LOW) | x | LOW)
}

/// 1 for 0, else 0; without a branch, which would double what the verifier follows in each round of a loop. Nor is it a mask, of which newer kernels follow
/// both values.
#[inline(always)]
fn one_if_zero(x: u64) -> u64 {
    1 - bound::<1>((x | x.wrapping_neg()) >> 63)
}

/// Loads a word from any place: rustc would put it together from bytes.
#[inline(always)]
fn ld64(p: *const u8) -> u64 {
    let v: u64;
    // SAFETY: callers give eight readable bytes; the verifier checks it again.
    unsafe {
        asm!("{v} = *(u64 *)({p} + 0)", p = in(reg) p, v = out(reg) v, options(nostack, readonly));
    }
    v
}

/// Whether the call changes what is known of the past of its socket, so that its section has to be made in any case.
#[inline(always)]
pub fn tells_past(ret: i64) -> bool {
    feature_word(feature::SOCKET_HISTORY) != 0 && (ret >= 0 || ret == -EINPROGRESS)
}

/// Whether a call on a socket is rejected. The address that goes with it was kept by [`crate::network::pass`].
#[inline(always)]
pub fn rejects_socket(rec: &Record, ty: EventType, ret: i64, sock: Sock) -> bool {
    if sock.at == 0 || rec.flags & (flags::FD_RACED | flags::FAULTED) != 0 {
        return false;
    }
    if Active::of(ty.0).is_none() {
        return false;
    }
    let place = u64::from(rec.slot) | u64::from(ty.0) << 32;
    peregrine_rejects_socket(place, ret as u64, sock.at, sock.packed(0)) != 0
}

#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_rejects_socket(place: u64, ret: u64, sk: u64, packed: u64) -> u64 {
    let Some(rec) = Record::resume(place as u32, 0) else { return 0 };
    let Some(active) = Active::of((place >> 32) as u16) else { return 0 };
    let sock = Sock::unpacked(sk, packed);
    // Of a call that names the socket itself no rule sees the other end, and the socket's past is known for other ends only.
    let has_past =
        feature_word(feature::SOCKET_HISTORY) != 0 && place >> 32 != u64::from(EventType::BIND_X.0);
    let passed = Passed::of(&rec);
    let ends = Ends::of(sock, passed.family, passed.there(sock));
    u64::from(active.rejects_ends(ret as i64, sock, &ends, has_past))
}

/// The ends of a socket, and the one that a call passed.
pub struct Ends {
    pub local: End,
    pub remote: End,
    /// As the kernel takes it for the socket.
    pub there: There,
    /// Family of what was passed, 0 for nothing.
    passed_family: u16,
}

impl Ends {
    #[inline(always)]
    pub fn of(sock: Sock, passed_family: u16, there: There) -> Self {
        Self { local: sock.local(), remote: sock.remote(), there, passed_family }
    }
}

/// Those of some clauses that are left by what a socket is, and by the ports of its ends.
#[inline(always)]
fn by_socket(active: Active, left: u64, sock: Sock, ends: &Ends, has_past: bool) -> u64 {
    let (family, is_some) = (ends.passed_family, ends.there.is_there);
    if family != 0 && family != sock.family && !is_some {
        return left;
    }
    match sock.family {
        AF_UNIX => return left & active.of_kind(FilterKind::Unix),
        AF_NETLINK => return left & active.of_kind(FilterKind::Other),
        AF_INET | AF_INET6 => {}
        _ => return left,
    }
    if family != 0 && !is_some {
        return left;
    }
    let (local, remote) = (ends.local, ends.remote);
    let there = ends.there.end;
    // The past of the socket may have another end in store.
    if has_past && remote.port == 0 && there.port == 0 {
        return left;
    }
    let is_v6 = sock.family == AF_INET6;
    let (mut set, mut far, mut mapped) = (0, 0, 0);
    for end in [local, remote, there] {
        let [high, low] = end.addr;
        set |= u64::from(end.port) | high | low;
        far |= far_bits(end, is_v6);
        mapped |= one_if_zero(high | low << 32 ^ 0xffff_0000 << 32);
    }
    if set == 0 {
        return left;
    }
    let (v4, v4_local) = (active.of_kind(FilterKind::Ipv4), active.of_kind(FilterKind::Ipv4Local));
    let (v6, v6_local) = (active.of_kind(FilterKind::Ipv6), active.of_kind(FilterKind::Ipv6Local));
    // Where one end is far, the two that a rule sees may be near ones all the same.
    let left = left
        & match (is_v6, far != 0) {
            _ if is_v6 && mapped != 0 => v4 | v4_local | v6 | v6_local,
            (false, true) => v4 | v4_local,
            (false, false) => v4_local,
            (true, true) => v6 | v6_local,
            (true, false) => v6_local,
        };
    // Ports are looked up where a clause is left that asks for one.
    let any_port = active.filter().any_port;
    if left & !any_port == 0 {
        return left;
    }
    let ports = [local, remote, there].map(|end| u64::from(end.port));
    left & (any_port | peregrine_by_ports(ports[0], ports[1], ports[2]))
}

/// Clauses that one of three ports is named in. A function that is verified by itself: each port is in the table or not, and all that comes
/// behind would be followed for each of the eight ways.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn peregrine_by_ports(local: u64, remote: u64, there: u64) -> u64 {
    by_port(local) | by_port(remote) | by_port(there)
}

/// Not 0 where an address is neither one of the machine itself nor none. Without branches: the verifier would follow each for each end.
#[inline(always)]
fn far_bits(end: End, is_v6: bool) -> u64 {
    let [high, low] = end.addr;
    if is_v6 {
        return high | low & !(1 << 56);
    }
    ((high ^ 127) & 0xff).wrapping_mul(1 - one_if_zero(high))
}

#[inline(always)]
fn by_port(port: u64) -> u64 {
    FILTER_PORTS.get_ptr(port as u32).map_or(0, |clauses| {
        // SAFETY: an entry of the map.
        unsafe { clauses.read_volatile() }
    })
}

//! The program before those of calls on sockets: it ends calls that make no frame, as far as that is known without a slot. Nothing of such a call is kept,
//! and nothing is new in what it tells of the past of its socket. Whatever is not known here goes on to the call's own program.

use event::{EventType, Outcome, Slot, feature, recipe::head};

use crate::{
    Ctx,
    call::Call,
    connection::seen_of_connect,
    dispatch::go_on_to,
    enter::Entry,
    file::file_of,
    filter::{self, Active, Ends, tells_past},
    history::{Seen, is_known},
    hook::Addressed,
    maps::{Cpu, RECIPES},
    mem::feature_word,
    message,
    network::{Noted, There, remote_of},
    sock::Sock,
    task::Task,
};

/// Whether nobody asks for the call itself: it tells the past of a socket, and makes no frame.
#[inline(always)]
pub fn is_silent(ty: EventType) -> bool {
    RECIPES.get(u32::from(ty.0)).is_some_and(|recipe| recipe[0] & head::SILENT != 0)
}

/// `connect`, both accepts, `sendto` and `send` at their exit.
#[inline(always)]
pub fn early(ctx: Ctx) -> Option<()> {
    let cpu = Cpu::current()?;
    let ty = cpu.event_type();
    let call = Call::at_exit(ctx);
    if !tells_past(call.ret) && filter::rejects_result(cpu, ty, call.ret) {
        Noted::forget(ty);
        return None;
    }
    let is_accept = ty == EventType::ACCEPT_5_X || ty == EventType::ACCEPT4_6_X;
    let is_connect = ty == EventType::CONNECT_X;
    let (fd, address, seen) = if is_connect {
        (call.a0(), call.a1(), seen_of_connect(call.ret))
    } else if is_accept {
        (call.ret as u64, 0, Seen::Accept)
    } else {
        let address = if ty == EventType::SENDTO_X { call.a4() } else { 0 };
        (call.a0(), address, message::seen(true, call.ret))
    };
    // Of an accept that failed a rule sees no descriptor.
    let may_end = !is_accept || call.ret >= 0;
    let (n, ret) = (u64::from(ty.0), call.ret as u64);
    if may_end && peregrine_ends_early(n, ret, fd, address, seen as u64) != 0 {
        return None;
    }
    match ty {
        EventType::CONNECT_X => go_on_to::<{ Slot::LateConnect as u32 }>(ctx),
        EventType::ACCEPT_5_X | EventType::ACCEPT4_6_X => {
            go_on_to::<{ Slot::LateAccept as u32 }>(ctx);
        }
        _ => go_on_to::<{ Slot::LateSend as u32 }>(ctx),
    }
    cpu.count(u64::from(ty.0), Outcome::TailCallMiss);
    None
}

/// Whether that is all there is to a call; then it is counted. A function that is verified by itself: what the arguments come from is not known to what
/// comes behind it, which would be followed once for each way.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn peregrine_ends_early(ty: u64, ret: u64, fd: u64, address: u64, seen: u64) -> u64 {
    let ty = EventType(ty as u16);
    let call = Ended { ty, ret: ret as i64, fd: Call::fd(fd), address, seen };
    let (Some(outcome), Some(cpu)) = (call.outcome(), Cpu::current()) else { return 0 };
    cpu.count(u64::from(ty.0), outcome);
    1
}

/// A call at its exit.
struct Ended {
    ty: EventType,
    ret: i64,
    fd: i64,
    /// Address of the socket address that it passes, 0 where it passes none.
    address: u64,
    /// As in [`Seen`].
    seen: u64,
}

impl Ended {
    #[inline(always)]
    fn outcome(&self) -> Option<Outcome> {
        let &Self { ty, ret, fd, address, seen } = self;
        let recipe = RECIPES.get(u32::from(ty.0))?[0];
        let is_silent = recipe & head::SILENT != 0;
        let active = Active::of(ty.0);
        // What was looked at when the call started has to be compared.
        if (!is_silent && active.is_none()) || Entry::is_noted(ty) {
            return None;
        }
        // No hook without an address.
        let noted = if address != 0 { Addressed::look(ty) } else { None };
        // The one in the memory of the process may have been written again.
        if address != 0 && noted.is_none() {
            return None;
        }
        let file = file_of(Task::current(), fd);
        let sock = match noted {
            Some(noted) if noted.differs(file) => return None,
            Some(noted) => noted.sock(),
            None => Sock::of(file),
        };
        if sock.at == 0 {
            return None;
        }
        let (family, there) = match noted {
            Some(noted) => {
                let passed = noted.passed();
                (passed.family, passed.there(sock))
            }
            None => (0, There::default()),
        };
        let ends = Ends::of(sock, family, there);
        let has_past = feature_word(feature::SOCKET_HISTORY) != 0;
        let outcome = match active {
            _ if is_silent => Outcome::Filtered,
            Some(active) if active.rejects_ends(ret, sock, &ends, has_past) => Outcome::Rejected,
            _ => return None,
        };
        let is_asked = seen != Seen::Send as u64 || recipe & head::DESCRIPTOR != 0;
        if tells_past(ret) && is_asked {
            let (remote, _) = remote_of(sock, ends.remote, there);
            if !is_known(sock, seen, remote) {
                return None;
            }
        }
        if let Some(noted) = noted {
            noted.drop_note();
        }
        Some(outcome)
    }
}

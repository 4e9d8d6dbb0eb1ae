//! Calls on sockets that make no frame, as far as that is known without a slot: nothing of the call is kept, and nothing is new in what it tells of
//! the past of its socket. Whatever is not known here goes the long way.

use event::{EventType, Outcome, feature, recipe::head};

use crate::{
    enter::Entry,
    file::file_of,
    filter::{Active, Ends, tells_past},
    history::{Seen, is_known},
    hook::Addressed,
    maps::{Cpu, RECIPES},
    mem::feature_word,
    network::{There, remote_of},
    sock::Sock,
    task::Task,
};

/// Whether nobody asks for the call itself: it tells the past of a socket, and makes no frame.
#[inline(always)]
pub fn is_silent(ty: EventType) -> bool {
    RECIPES.get(u32::from(ty.0)).is_some_and(|recipe| recipe[0] & head::SILENT != 0)
}

/// A call on a socket at its exit.
#[derive(Clone, Copy)]
pub struct Early {
    pub ret: i64,
    pub ty: EventType,
    /// Address of the socket address that it passes, 0 where it passes none.
    pub address: u64,
    pub seen: Seen,
}

impl Early {
    /// Whether that is all there is to the call on the socket of a descriptor; then it is counted.
    #[inline(always)]
    pub fn ends(self, fd: i64) -> bool {
        let Self { ret, ty, address, seen } = self;
        peregrine_ends_early(u64::from(ty.0), ret as u64, fd as u64, address, seen as u64) != 0
    }
}

/// A function that is verified by itself: what it branches on is not known to what comes behind it, which would be followed once for each way.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn peregrine_ends_early(ty: u64, ret: u64, fd: u64, address: u64, seen: u64) -> u64 {
    let call = Ended { ty: EventType(ty as u16), ret: ret as i64, fd: fd as i64, address, seen };
    let (Some(outcome), Some(cpu)) = (call.outcome(), Cpu::current()) else { return 0 };
    cpu.count(ty, outcome);
    1
}

struct Ended {
    ty: EventType,
    ret: i64,
    fd: i64,
    address: u64,
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

//! Which parameters of an event type are descriptors, and which of them is the event's own.

use event::{Direction, EF_CREATES_FD, EF_DESTROYS_FD, EF_USES_FD, EventType, ParamType};

use crate::savefile::SavedEvent;

/// Where the number of the event's own descriptor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// The type has to do with none.
    None,
    /// It is the call's result.
    Result,
    /// A parameter.
    Param(u8),
    /// The type uses one, and does not say which.
    Nameless,
}

/// What an event type has to do with descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spec {
    pub(super) own: Own,
    /// A bit for each parameter that is a descriptor.
    pub(super) fds: u32,
    /// A list of descriptors.
    pub(super) list: Option<u8>,
    /// It may change descriptors or the working directory.
    pub(super) changes: bool,
}

/// Calls that change descriptors or the working directory; of those that send and receive, the ones that say who the peer is.
fn changes(ty: EventType, flags: u16) -> bool {
    use EventType as E;
    flags & (EF_CREATES_FD | EF_DESTROYS_FD) != 0
        || matches!(
            ty,
            E::READ_X
                | E::READV_X
                | E::PREAD_X
                | E::PREADV_X
                | E::WRITE_X
                | E::WRITEV_X
                | E::PWRITE_X
                | E::PWRITEV_X
                | E::SEND_X
                | E::SENDTO_X
                | E::SENDMSG_X
                | E::SENDMMSG_X
                | E::RECV_X
                | E::RECVFROM_X
                | E::RECVMSG_X
                | E::RECVMMSG_X
                | E::BIND_X
                | E::CONNECT_X
                | E::FCNTL_X
                | E::CLOSE_RANGE_X
                | E::CHDIR_X
                | E::FCHDIR_X
                | super::files::GETCWD_X
        )
}

impl Spec {
    pub(super) fn of(ty: EventType) -> Self {
        let none = Self { own: Own::None, fds: 0, list: None, changes: false };
        let Some(info) = ty.info() else { return none };
        let is_exit = info.direction == Direction::Exit;
        let at = |wanted: ParamType| {
            (0u8..).zip(info.params).filter(move |(_, p)| p.ty == wanted).map(|(n, _)| n)
        };
        // A result that is a descriptor stands first, in exits only.
        let used = at(ParamType::Fd).find(|&n| n > 0 || !is_exit);
        let own = if info.flags & EF_USES_FD != 0 {
            match used {
                // The one that is written to.
                _ if ty == EventType::SPLICE_X => Own::Param(2),
                Some(n) => Own::Param(n),
                None => Own::Nameless,
            }
        } else if info.flags & (EF_CREATES_FD | EF_DESTROYS_FD) != 0 && is_exit {
            Own::Result
        } else {
            Own::None
        };
        Self {
            own,
            fds: at(ParamType::Fd).filter(|&n| n < 32).fold(0, |bits, n| bits | 1 << n),
            list: at(ParamType::FdList).next(),
            changes: is_exit && changes(ty, info.flags),
        }
    }

    /// The number that an event of the type gives for its own descriptor.
    pub(super) fn own_of(&self, event: &SavedEvent<'_>) -> Option<i64> {
        match self.own {
            Own::None => None,
            Own::Result => Some(event.param_i64(0).filter(|&fd| fd >= 0).unwrap_or(-1)),
            Own::Nameless => Some(-1),
            Own::Param(n) => Some(event.param_i64(usize::from(n)).unwrap_or(-1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_the_descriptor_that_other_readers_show() {
        use EventType as E;
        for (ty, own, fds) in [
            (E::OPENAT_2_X, Own::Result, 0b11),
            (E::CLOSE_X, Own::Param(1), 0b10),
            (E::READ_X, Own::Param(2), 0b100),
            (E::MMAP_X, Own::Param(8), 1 << 8),
            (E::SENDFILE_X, Own::Param(2), 0b1100),
            (E::SPLICE_X, Own::Param(2), 0b110),
            (E::COPY_FILE_RANGE_X, Own::Param(1), 0b1010),
            (E::DUP2_X, Own::Param(1), 0b111),
            (E::FCNTL_X, Own::Param(1), 0b11),
            (E::RECVFROM_X, Own::Param(3), 0b1000),
            (E::UNLINKAT_2_X, Own::Param(1), 0b10),
            (E::RENAMEAT2_X, Own::None, 0b1010),
            (E::PIPE2_X, Own::Result, 0b110),
            (E::EXECVE_19_X, Own::None, 0),
            (E::PROCEXIT_1_E, Own::None, 0),
        ] {
            let spec = Spec::of(ty);
            assert_eq!((spec.own, spec.fds), (own, fds), "{}", ty.name());
        }
        assert_eq!(Spec::of(EventType(81)).list, Some(1), "poll");
        assert!(!Spec::of(E::MMAP_X).changes && Spec::of(E::CLOSE_X).changes);
    }
}

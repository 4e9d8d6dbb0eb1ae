//! Which frames carry state: what the process table is made of. All others say something about what a process did and change nothing.

use crate::{EventSet, EventType, FrameHeader, flags};

/// Types whose frames may change the process table.
const CARRYING: EventSet = {
    let mut set = EventSet::EMPTY;
    let types = [
        EventType::CLONE_20_X,
        EventType::FORK_20_X,
        EventType::VFORK_20_X,
        EventType::CLONE3_X,
        EventType::EXECVE_19_X,
        EventType::EXECVEAT_X,
        EventType::PROCEXIT_1_E,
        // The directory, told by the descriptor that the frame carries.
        EventType::GETCWD_X,
        EventType::CHDIR_X,
        EventType::FCHDIR_X,
        EventType::SETSID_X,
        EventType::SETPGID_X,
        // Users and groups: out of a savefile, where the header does not tell them.
        EventType::SETUID_X,
        EventType::SETREUID_X,
        EventType::SETRESUID_X,
        EventType::SETGID_X,
        EventType::SETREGID_X,
        EventType::SETRESGID_X,
        EventType::CAPSET_X,
    ];
    let mut n = 0;
    while n < types.len() {
        set.insert(types[n]);
        n += 1;
    }
    set
};

/// Whether a frame of the type may change the process table. O(1). `stages` has the test that no other type does.
#[must_use]
#[inline]
pub const fn carries_state(ty: EventType) -> bool {
    CARRYING.contains(ty)
}

impl FrameHeader {
    /// Whether the frame may change the process table: by its type, as a process from before the capture, or, out of a savefile, as the first
    /// frame of a process that nobody told of, which has no start. O(1).
    ///
    /// Such a frame has to go to the shard that owns its process; any other may go to any shard.
    #[must_use]
    #[inline]
    pub const fn carries_state(&self) -> bool {
        carries_state(EventType(self.event_type))
            || self.flags & flags::SEED != 0
            || self.flags & flags::FROM_FILE != 0 && self.start_ns == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_what_frames_say_of_processes() {
        let header = |ty: EventType, flags, start_ns| FrameHeader {
            event_type: ty.0,
            flags,
            start_ns,
            ..FrameHeader::default()
        };
        let open = EventType::OPENAT_2_X;
        for (expected, ty, flags, start_ns) in [
            (true, EventType::CLONE3_X, 0, 5),
            (true, EventType::CAPSET_X, 0, 5),
            (false, open, 0, 5),
            (false, open, 0, 0),
            (true, open, flags::SEED, 5),
            (false, open, flags::FROM_FILE, 5),
            (true, open, flags::FROM_FILE, 0),
            (false, EventType(u16::MAX), 0, 5),
        ] {
            let header = header(ty, flags, start_ns);
            assert_eq!(header.carries_state(), expected, "{header:?}");
        }
    }
}

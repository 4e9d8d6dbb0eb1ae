//! Fields that say the same for all events of a process while it stays as it is, and those that ask for its ancestors.

use super::{Arg, Field, FieldRef};

impl Field {
    /// Whether the value is the same for all events for which [`crate::Fields::process`] is. What the event's thread, descriptor, time or
    /// parameters have a part in is not, nor what is found out later, as a container's image is.
    #[must_use]
    pub(crate) fn is_of_process(self) -> bool {
        matches!(
            self,
            Self::ProcPid
                | Self::ProcExe
                | Self::ProcExepath
                | Self::ProcName
                | Self::ProcCmdline
                | Self::ProcArgs
                | Self::ProcCmdnargs
                | Self::ProcCmdlenargs
                | Self::ProcExeline
                | Self::ProcEnv
                | Self::ProcCwd
                | Self::ProcTty
                | Self::ProcSid
                | Self::ProcVpid
                | Self::ProcVpgid
                | Self::ProcPgid
                | Self::ProcPpid
                | Self::ProcApid
                | Self::ProcPvpid
                | Self::ProcPexe
                | Self::ProcPexepath
                | Self::ProcPname
                | Self::ProcPcmdline
                | Self::ProcAexe
                | Self::ProcAexepath
                | Self::ProcAname
                | Self::ProcAcmdline
                | Self::ProcAargs
                | Self::ProcAenv
                | Self::ProcIsExeWritable
                | Self::ProcIsExeUpperLayer
                | Self::ProcIsExeLowerLayer
                | Self::ProcIsExeFromMemfd
                | Self::ProcIsVpgidLeader
                | Self::ProcExeIno
                | Self::ProcExeInoCtime
                | Self::ProcExeInoMtime
                | Self::ThreadCapPermitted
                | Self::ThreadCapInheritable
                | Self::ThreadCapEffective
                | Self::UserUid
                | Self::UserName
                | Self::UserHomedir
                | Self::UserShell
                | Self::UserLoginuid
                | Self::UserLoginname
                | Self::GroupGid
                | Self::GroupName
                | Self::ContainerId
                | Self::ContainerFullId
                | Self::ContainerType
        )
    }
}

impl FieldRef {
    /// Whether the value is told by the process alone that the event is of, whatever becomes of others. Numbers of parents and of sessions
    /// change with their processes.
    #[must_use]
    pub(crate) fn is_of_own_process(&self) -> bool {
        let is_of_others = matches!(
            self.field,
            Field::ProcPpid | Field::ProcApid | Field::ProcSid | Field::ProcPgid | Field::ProcVpgid
        );
        self.field.is_of_process() && self.ancestor() == 0 && !is_of_others
    }

    /// The ancestor that is asked for, 1 the parent; `usize::MAX` for all of them, 0 for none.
    pub(crate) fn ancestor(&self) -> usize {
        match self.field {
            Field::ProcPname
            | Field::ProcPexe
            | Field::ProcPexepath
            | Field::ProcPcmdline
            | Field::ProcPvpid
            | Field::ProcPpidDuration
            | Field::ProcPpidTs => 1,
            Field::ProcLoginshellid => usize::MAX,
            Field::ProcAname
            | Field::ProcAexe
            | Field::ProcAexepath
            | Field::ProcAcmdline
            | Field::ProcAargs
            | Field::ProcAenv => match self.arg {
                Arg::Index(n) => n as usize,
                Arg::None | Arg::Key(_) => usize::MAX,
            },
            // A parent's id may be known where nothing else is.
            Field::ProcApid => match self.arg {
                Arg::Index(n @ 2..) => n as usize,
                Arg::None | Arg::Key(_) | Arg::Index(_) => 0,
            },
            _ => 0,
        }
    }
}

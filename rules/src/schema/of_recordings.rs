//! Fields that only a recording can tell, since they follow from all events since its beginning, and those that a container's runtime tells.

use super::{ContainerField, Extracted, FdField, Field, ProcField as F};

impl F {
    /// Whether the field tells what a thread or its process uses.
    #[must_use]
    pub fn is_resource(self) -> bool {
        matches!(
            self,
            F::ProcExeInoCtimeDurationPidnsStart
                | F::ProcPidnsInitStartTs
                | F::ProcFdopencount
                | F::ProcFdlimit
                | F::ProcFdusage
                | F::ProcVmsize
                | F::ProcVmrss
                | F::ProcVmswap
                | F::ProcNthreads
                | F::ProcNchilds
                | F::ThreadPfmajor
                | F::ThreadPfminor
                | F::ThreadExectime
                | F::ThreadTotexectime
                | F::ThreadCgroups
                | F::ThreadCgroup
                | F::ThreadCpu
                | F::ThreadCpuUser
                | F::ThreadCpuSystem
                | F::ThreadVmsize
                | F::ThreadVmrss
                | F::ThreadVmsizeB
                | F::ThreadVmrssB
        )
    }

    /// Whether the field tells of descriptor 0, 1 or 2 of the process, whatever the event is about.
    #[must_use]
    pub fn is_standard_descriptor(self) -> bool {
        matches!(
            self,
            F::ProcStdinType
                | F::ProcStdoutType
                | F::ProcStderrType
                | F::ProcStdinName
                | F::ProcStdoutName
                | F::ProcStderrName
        )
    }
}

impl Field {
    /// Whether only the runtime of the process's container knows it.
    #[must_use]
    pub fn is_of_runtime(self) -> bool {
        use ContainerField as C;
        matches!(self.extracted(), Some(Extracted::Container(field))
            if !matches!(field, C::ContainerId | C::ContainerFullId | C::ContainerType))
    }

    /// Whether only recordings have a value for the field: the live kernel does not tell it.
    #[must_use]
    pub fn is_of_recordings(self) -> bool {
        match self.extracted() {
            Some(Extracted::Fd(field)) => field == FdField::FdTypes,
            Some(Extracted::FdList(_)) => true,
            Some(Extracted::Proc(field)) => field.is_resource() || field.is_standard_descriptor(),
            _ => false,
        }
    }
}

//! Into the kernel and into other processes: modules, BPF, `io_uring`, tracing, descriptors of processes, keys, filters of calls.

use event::{
    EventType,
    recipe::{
        RET, Step,
        Width::{U16, U32, U64},
    },
};

use super::{Row, flag_maps};

/// Tag of a number in `ptrace`'s parameters (`PPM_PTRACE_IDX_UINT64` of the schema).
const PTRACE_WORD: u8 = 0;
/// Bit of `IORING_ENTER_REGISTERED_RING`: the descriptor is an index into a table of the thread's.
const ENTER_REGISTERED: u8 = 4;
/// Bit of `IORING_REGISTER_USE_REGISTERED_RING`, the same for `io_uring_register`.
const REGISTER_REGISTERED: u8 = 31;

/// Offsets in `struct io_uring_params` (include/uapi/linux/io_uring.h).
mod params {
    pub(super) const SQ_ENTRIES: u8 = 0;
    pub(super) const CQ_ENTRIES: u8 = 4;
    pub(super) const FLAGS: u8 = 8;
    pub(super) const SQ_THREAD_CPU: u8 = 12;
    pub(super) const SQ_THREAD_IDLE: u8 = 16;
    pub(super) const FEATURES: u8 = 20;
}

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        EventType::PTRACE_X,
        101,
        26,
        &[
            Step::RESULT,
            Step::tagged_or_zero(2, U64, PTRACE_WORD),
            Step::ptrace_data(3),
            Step::flags(0, U16, flag_maps::PTRACE),
            Step::pid(1),
        ],
    )
    .x32(521),
    // The schema numbers the commands as the kernel does. The result is a descriptor for some of them only: no section.
    Row::plain(EventType::BPF_2_X, 321, 357, &[Step::RESULT, Step::arg(0, U32)]),
    Row::plain(
        EventType::INIT_MODULE_X,
        175,
        128,
        &[Step::RESULT, Step::bytes(0, 1), Step::arg(1, U64), Step::text(2)],
    ),
    Row::plain(
        EventType::FINIT_MODULE_X,
        313,
        350,
        &[
            Step::RESULT,
            Step::fd(0),
            Step::text(1),
            Step::flags(2, U32, flag_maps::LOW_THREE),
            Step::descriptor(0),
        ],
    ),
    Row::plain(
        EventType::DELETE_MODULE_X,
        176,
        129,
        &[Step::RESULT, Step::text(0), Step::flags(1, U32, flag_maps::DELETE_MODULE)],
    ),
    // The kernel writes the parameters back when the call succeeds; before that they are what the process asked for.
    Row::plain(
        EventType::IO_URING_SETUP_X,
        425,
        425,
        &[
            Step::RESULT,
            Step::arg(0, U32),
            Step::memory(1, U32, params::SQ_ENTRIES),
            Step::memory(1, U32, params::CQ_ENTRIES),
            Step::memory_flags(1, flag_maps::URING_SETUP, params::FLAGS),
            Step::memory(1, U32, params::SQ_THREAD_CPU),
            Step::memory(1, U32, params::SQ_THREAD_IDLE),
            Step::memory_flags(1, flag_maps::URING_FEATURES, params::FEATURES),
            Step::descriptor(RET),
        ],
    ),
    // `sig` is the low half of a pointer: so libscap has it.
    Row::plain(
        EventType::IO_URING_ENTER_X,
        426,
        426,
        &[
            Step::RESULT,
            Step::fd(0),
            Step::arg(1, U32),
            Step::arg(2, U32),
            Step::flags(3, U32, flag_maps::URING_ENTER),
            Step::arg(4, U32),
            Step::descriptor_unless(0, 3, ENTER_REGISTERED),
        ],
    ),
    // The schema numbers the operations as the kernel does.
    Row::plain(
        EventType::IO_URING_REGISTER_X,
        427,
        427,
        &[
            Step::RESULT,
            Step::fd(0),
            Step::arg(1, U16),
            Step::arg(2, U64),
            Step::arg(3, U32),
            Step::descriptor_unless(0, 1, REGISTER_REGISTERED),
        ],
    ),
    Row::plain(
        EventType::PIDFD_OPEN_X,
        434,
        434,
        &[Step::RESULT, Step::pid(0), Step::flags(1, U32, flag_maps::PIDFD), Step::descriptor(RET)],
    ),
    Row::plain(
        EventType::PIDFD_GETFD_X,
        438,
        438,
        &[Step::RESULT, Step::fd(0), Step::fd(1), Step::arg(2, U32), Step::descriptor(RET)],
    ),
    Row::plain(
        EventType::SECCOMP_X,
        317,
        354,
        &[Step::RESULT, Step::arg(0, U64), Step::arg(1, U64)],
    ),
    // The schema numbers the operations as the kernel does.
    Row::plain(
        EventType::KEYCTL_X,
        250,
        288,
        &[
            Step::RESULT,
            Step::arg(0, U32),
            Step::keyctl(1),
            Step::keyctl(2),
            Step::keyctl(3),
            Step::keyctl(4),
        ],
    ),
];

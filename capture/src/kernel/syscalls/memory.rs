//! Memory: mapped, protected, locked and given back, of another process, or without a name.

use event::{
    EventType, Slot,
    recipe::{
        RET, Step,
        Width::{U32, U64},
    },
};

use super::{Row, flag_maps};

/// Bit of `MAP_ANONYMOUS`: the descriptor means nothing.
const ANONYMOUS: u8 = 5;

/// Parameters of `mmap` and `mmap2`, which differ in what they call the last.
const MMAP: &[Step] = &[
    Step::RESULT,
    Step::memory_use(0),
    Step::memory_use(1),
    Step::memory_use(2),
    Step::arg(0, U64),
    Step::arg(1, U64),
    Step::flags(2, U32, flag_maps::PROT),
    Step::flags(3, U32, flag_maps::MMAP),
    Step::fd(4),
    Step::arg(5, U64),
    Step::descriptor_unless(4, 3, ANONYMOUS),
];

/// Parameters of `mlock` and `munlock`.
const LOCK: &[Step] = &[Step::RESULT, Step::arg(0, U64), Step::arg(1, U64)];

/// What was copied, as the caller's side of it has it: in both directions the first `res` bytes of its own vector.
const PROCESS_VM: &[Step] = &[Step::RESULT, Step::pid(0), Step::vector_read(1, 2)];

pub(super) const ROWS: &[Row] = &[
    Row::own(EventType::MMAP_X, Slot::Mmap, 9, 90).with(MMAP),
    Row::own(EventType::MMAP2_X, Slot::Mmap, 0, 192).with(MMAP),
    Row::plain(
        EventType::MPROTECT_X,
        10,
        125,
        &[Step::RESULT, Step::arg(0, U64), Step::arg(1, U64), Step::flags(2, U32, flag_maps::PROT)],
    ),
    Row::plain(
        EventType::MEMFD_CREATE_X,
        319,
        356,
        &[
            Step::RESULT,
            Step::text(0),
            Step::flags(1, U32, flag_maps::LOW_THREE),
            Step::descriptor(RET),
        ],
    ),
    // libscap passes the kernel's flags on as they are, which the names of the schema do not fit.
    Row::plain(
        EventType::USERFAULTFD_X,
        323,
        374,
        &[Step::RESULT, Step::flags(0, U32, flag_maps::OPEN), Step::descriptor(RET)],
    ),
    Row::plain(
        EventType::BRK_4_X,
        12,
        45,
        &[
            Step::ADDRESS_RESULT,
            Step::memory_use(0),
            Step::memory_use(1),
            Step::memory_use(2),
            Step::arg(0, U64),
        ],
    ),
    Row::plain(
        EventType::MUNMAP_X,
        11,
        91,
        &[
            Step::RESULT,
            Step::memory_use(0),
            Step::memory_use(1),
            Step::memory_use(2),
            Step::arg(0, U64),
            Step::arg(1, U64),
        ],
    ),
    Row::plain(EventType::MLOCK_X, 149, 150, LOCK),
    Row::plain(EventType::MUNLOCK_X, 150, 151, LOCK),
    Row::plain(
        EventType::MLOCK2_X,
        325,
        376,
        &[
            Step::RESULT,
            Step::arg(0, U64),
            Step::arg(1, U64),
            Step::flags(2, U32, flag_maps::LOWEST),
        ],
    ),
    Row::plain(
        EventType::MLOCKALL_X,
        151,
        152,
        &[Step::RESULT, Step::flags(0, U32, flag_maps::LOW_THREE)],
    ),
    Row::plain(EventType::MUNLOCKALL_X, 152, 153, &[Step::RESULT]),
    Row::plain(EventType::PROCESS_VM_READV_X, 310, 347, PROCESS_VM).x32(539),
    Row::plain(EventType::PROCESS_VM_WRITEV_X, 311, 348, PROCESS_VM).x32(540),
];

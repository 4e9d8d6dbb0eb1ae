//! Plain reading and writing, and moving bytes between two descriptors.

use event::{
    EventType,
    recipe::{
        RET, Step,
        Width::{U32, U64},
    },
};

use super::{Row, ZERO};

const SENDFILE: &[Step] = &[
    Step::RESULT,
    Step::offset(2),
    Step::fd(0),
    Step::fd(1),
    Step::arg(3, U64),
    Step::descriptor(0),
];

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        EventType::READ_X,
        ZERO,
        3,
        &[Step::RESULT, Step::bytes(1, RET), Step::fd(0), Step::arg(2, U32), Step::descriptor(0)],
    ),
    Row::plain(
        EventType::WRITE_X,
        1,
        4,
        &[
            Step::RESULT,
            Step::bytes_passed(1, 2),
            Step::fd(0),
            Step::arg(2, U32),
            Step::descriptor(0),
        ],
    ),
    Row::plain(
        EventType::PREAD_X,
        17,
        180,
        &[
            Step::RESULT,
            Step::bytes(1, RET),
            Step::fd(0),
            Step::arg(2, U32),
            Step::position(3),
            Step::descriptor(0),
        ],
    ),
    Row::plain(
        EventType::PWRITE_X,
        18,
        181,
        &[
            Step::RESULT,
            Step::bytes_passed(1, 2),
            Step::fd(0),
            Step::arg(2, U32),
            Step::position(3),
            Step::descriptor(0),
        ],
    ),
    Row::plain(
        EventType::READV_X,
        19,
        145,
        &[
            Step::RESULT,
            Step::RESULT_SIZE,
            Step::vector_read(1, 2),
            Step::fd(0),
            Step::descriptor(0),
        ],
    )
    .x32(515),
    Row::plain(
        EventType::WRITEV_X,
        20,
        146,
        &[
            Step::RESULT,
            Step::vector_passed(1, 2),
            Step::fd(0),
            Step::vector_size(1, 2),
            Step::descriptor(0),
        ],
    )
    .x32(516),
    Row::plain(
        EventType::PREADV_X,
        295,
        333,
        &[
            Step::RESULT,
            Step::RESULT_SIZE,
            Step::vector_read(1, 2),
            Step::fd(0),
            Step::position(3),
            Step::descriptor(0),
        ],
    )
    .x32(534),
    Row::plain(
        EventType::PWRITEV_X,
        296,
        334,
        &[
            Step::RESULT,
            Step::vector_passed(1, 2),
            Step::fd(0),
            Step::vector_size(1, 2),
            Step::position(3),
            Step::descriptor(0),
        ],
    )
    .x32(535),
    Row::plain(EventType::SENDFILE_X, 40, 187, SENDFILE),
    // `sendfile64`.
    Row::plain(EventType::SENDFILE_X, 0, 239, SENDFILE),
    // The schema's flags are the kernel's.
    Row::plain(
        EventType::SPLICE_X,
        275,
        313,
        &[
            Step::RESULT,
            Step::fd(0),
            Step::fd(2),
            Step::arg(4, U64),
            Step::arg(5, U32),
            Step::descriptor(2),
        ],
    ),
    // The two positions are the pointers that were passed, as Falco's driver has them.
    Row::plain(
        EventType::COPY_FILE_RANGE_X,
        326,
        377,
        &[
            Step::RESULT,
            Step::fd(2),
            Step::arg(3, U64),
            Step::fd(0),
            Step::arg(1, U64),
            Step::arg(4, U64),
            Step::descriptor(0),
        ],
    ),
];

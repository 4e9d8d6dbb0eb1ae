//! Users, groups and capabilities of the caller.
//!
//! The header's user and group are the effective ones at the end of the call: after a `setuid` that succeeded, the new ones. So they are
//! in Falco (`user.uid` and its kin): it takes each of these calls into its thread table (`parse_setuid_exit` and its like in
//! userspace/libsinsp/parsers.cpp) and evaluates rules after that. A rule that wants the caller as it was asks for the parent.

use event::{
    EventType,
    recipe::{RET, Step, Width::U32},
};

use super::Row;

const ONE: &[Step] = &[Step::RESULT, Step::id(0)];
const TWO: &[Step] = &[Step::RESULT, Step::id(0), Step::id(1)];
const THREE: &[Step] = &[Step::RESULT, Step::id(0), Step::id(1), Step::id(2)];

/// What the call gives is its result, which cannot be an error.
const GIVEN: &[Step] = &[Step::arg(RET, U32)];
const ALL_THREE: &[Step] =
    &[Step::RESULT, Step::id_behind(0), Step::id_behind(1), Step::id_behind(2)];

pub(super) const ROWS: &[Row] = &[
    Row::plain(EventType::SETUID_X, 105, 213, ONE).ia32_too(23),
    Row::plain(EventType::SETGID_X, 106, 214, ONE).ia32_too(46),
    Row::plain(EventType::SETREUID_X, 113, 203, TWO).ia32_too(70),
    Row::plain(EventType::SETREGID_X, 114, 204, TWO).ia32_too(71),
    Row::plain(EventType::SETRESUID_X, 117, 208, THREE).ia32_too(164),
    Row::plain(EventType::SETRESGID_X, 119, 210, THREE).ia32_too(170),
    Row::plain(EventType::GETUID_X, 102, 199, GIVEN).ia32_too(24),
    Row::plain(EventType::GETEUID_X, 107, 201, GIVEN).ia32_too(49),
    Row::plain(EventType::GETGID_X, 104, 200, GIVEN).ia32_too(47),
    Row::plain(EventType::GETEGID_X, 108, 202, GIVEN).ia32_too(50),
    Row::plain(EventType::GETRESUID_X, 118, 209, ALL_THREE).ia32_too(165),
    Row::plain(EventType::GETRESGID_X, 120, 211, ALL_THREE).ia32_too(171),
    // The capabilities are those of the task when the call is over, whether it succeeded or not.
    Row::plain(
        EventType::CAPSET_X,
        126,
        185,
        &[Step::RESULT, Step::capabilities(0), Step::capabilities(1), Step::capabilities(2)],
    ),
];

//! What the rules ask the kernel for beyond the events themselves: cost follows the question.

use event::{EventSet, EventType, N_EVENT_TYPES, Param, ParamType};
use rules::{Arg, Field, FieldRef};

/// The calls that change what a field tells, captured where a rule reads the field. Everything else that such a field tells comes with
/// forks and execs, or, as users do, with each event.
pub(crate) const STATE_CALLS: &[(&[Field], &[EventType])] = &[
    (&[Field::ProcCwd], &[EventType::CHDIR_X, EventType::FCHDIR_X]),
    (
        &[
            Field::ProcSid,
            Field::ProcSname,
            Field::ProcSidExe,
            Field::ProcSidExepath,
            Field::ProcIsSidLeader,
        ],
        &[EventType::SETSID_X],
    ),
    (
        &[
            Field::ProcPgid,
            Field::ProcPgidName,
            Field::ProcPgidExe,
            Field::ProcPgidExepath,
            Field::ProcVpgid,
            Field::ProcVpgidName,
            Field::ProcVpgidExe,
            Field::ProcVpgidExepath,
            Field::ProcIsPgidLeader,
            Field::ProcIsVpgidLeader,
        ],
        &[EventType::SETSID_X, EventType::SETPGID_X],
    ),
    (
        &[Field::ThreadCapPermitted, Field::ThreadCapInheritable, Field::ThreadCapEffective],
        &[EventType::CAPSET_X],
    ),
];

/// Calls whose descriptor is looked at before they end, too: it may be another one, or none, by then.
pub(crate) const LOOKED_AT_TWICE: [EventType; 18] = [
    EventType::CONNECT_X,
    EventType::BIND_X,
    EventType::SEND_X,
    EventType::SENDTO_X,
    EventType::SENDMSG_X,
    EventType::SENDMMSG_X,
    EventType::READ_X,
    EventType::PREAD_X,
    EventType::READV_X,
    EventType::PREADV_X,
    EventType::RECV_X,
    EventType::RECVFROM_X,
    EventType::RECVMSG_X,
    EventType::RECVMMSG_X,
    EventType::CLOSE_X,
    EventType::DUP2_X,
    EventType::DUP3_X,
    EventType::CLOSE_RANGE_X,
];

/// What of the event types that somebody can match is captured: some are told only to whoever names them.
pub(crate) fn told(interest: &EventSet, by_name: &EventSet) -> EventSet {
    interest.intersection(&capture::on_demand().complement()).union(by_name)
}

/// Calls that change what the fields tell for which `reads` holds.
pub(crate) fn calls_behind(reads: impl Fn(Field) -> bool) -> EventSet {
    let asked = STATE_CALLS.iter().filter(|(fields, _)| fields.iter().any(|&f| reads(f)));
    asked.flat_map(|(_, calls)| *calls).copied().collect()
}

/// Whether a field tells what a descriptor is of.
pub(crate) fn reads_descriptor(field: &FieldRef) -> bool {
    match field.field {
        // The number alone is a parameter.
        Field::FdNum | Field::FdUid => false,
        Field::EvtArgs
        | Field::EvtInfo
        | Field::EvtIsSyslog
        | Field::EvtCategory
        | Field::EvtCountErrorFile
        | Field::EvtCountErrorNet
        | Field::EvtCountErrorMemory
        | Field::EvtCountErrorOther
        | Field::EvtBuflen
        | Field::EvtBuflenIn
        | Field::EvtBuflenOut
        | Field::EvtBuflenFile
        | Field::EvtBuflenFileIn
        | Field::EvtBuflenFileOut
        | Field::EvtBuflenNet
        | Field::EvtBuflenNetIn
        | Field::EvtBuflenNetOut
        | Field::EvtIsOpenCreate => true,
        Field::EvtArg => reads_param(&field.arg, |p| p.ty == ParamType::Fd),
        f => f.name().starts_with("fd.") || f.name().starts_with("fs.path."),
    }
}

/// Whether a field tells what was read or written.
pub(crate) fn reads_bytes(field: &FieldRef) -> bool {
    match field.field {
        Field::EvtBuffer | Field::EvtArgs | Field::EvtInfo => true,
        Field::EvtArg | Field::EvtRawarg => reads_param(&field.arg, |p| p.ty == ParamType::ByteBuf),
        _ => false,
    }
}

/// Whether the argument can mean such a parameter. By its place it can mean any.
fn reads_param(arg: &Arg, is_one: impl Fn(&Param) -> bool) -> bool {
    match arg {
        Arg::Key(name) => (0..N_EVENT_TYPES as u16)
            .filter_map(|n| EventType(n).info())
            .flat_map(|info| info.params)
            .any(|p| p.name == &**name && is_one(p)),
        Arg::Index(_) | Arg::None => true,
    }
}

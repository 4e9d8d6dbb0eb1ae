//! What the rules ask the kernel for beyond the events themselves: cost follows the question.

use capture::Asked;
use event::{EventSet, EventType, N_EVENT_TYPES, Param, ParamType};
use rules::{Arg, Field, FieldRef, Ruleset};

/// The calls that change what a field tells, captured where a rule reads the field. Everything else that such a field tells comes with
/// forks and execs, or, as users do, with each event.
const STATE_CALLS: &[(&[Field], &[EventType])] = &[
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

/// Calls whose descriptor is looked at when they start, too: it may be another one, or none, when they end.
pub(crate) const LOOKED_AT_TWICE: [EventType; 17] = [
    EventType::CONNECT_X,
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

/// Calls that change what some rule reads of a process.
pub(crate) fn state_calls(ruleset: &Ruleset) -> EventSet {
    calls_behind(|field| ruleset.uses(field))
}

/// Calls that change what the fields tell for which `reads` holds.
pub(crate) fn calls_behind(reads: impl Fn(Field) -> bool) -> EventSet {
    let asked = STATE_CALLS.iter().filter(|(fields, _)| fields.iter().any(|&f| reads(f)));
    asked.flat_map(|(_, calls)| *calls).copied().collect()
}

/// What is attached to the events.
pub(crate) fn asked(ruleset: &Ruleset, snaplen: usize, records: bool) -> Asked {
    let descriptors = ruleset.events_reading(reads_descriptor).union(&state_calls(ruleset));
    let twice: EventSet = LOOKED_AT_TWICE.into_iter().collect();
    Asked {
        descriptors,
        // A recording has no trailer, but every parameter.
        buffers: if records { EventSet::all() } else { ruleset.events_reading(reads_bytes) },
        entry: descriptors.intersection(&twice),
        snaplen,
    }
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

#[cfg(test)]
mod tests {
    use rules::{Options, Source};

    use super::*;

    fn load(condition: &str, output: &str) -> Ruleset {
        let text = format!(
            "- rule: r\n  desc: d\n  condition: {condition}\n  output: \"{output}\"\n  priority: INFO\n"
        );
        let source = Source { name: "test.yaml".into(), text };
        Ruleset::load(vec![source], Options::default()).unwrap()
    }

    fn names(set: &EventSet) -> Vec<&'static str> {
        let mut names: Vec<_> = set.iter().filter(|t| t.0 % 2 == 1).map(EventType::name).collect();
        names.dedup();
        names
    }

    #[test]
    fn nothing_is_attached_that_nobody_reads() {
        let asked =
            asked(&load("evt.type in (read, close) and fd.num = 3", "%proc.name"), 80, false);
        assert!(asked.descriptors.is_empty() && asked.buffers.is_empty() && asked.entry.is_empty());
    }

    #[test]
    fn conditions_and_outputs_ask_for_their_own_events() {
        let asked = asked(&load("evt.type in (connect, unlink, write)", "%fd.name"), 80, false);
        assert_eq!(names(&asked.descriptors), ["write", "connect", "unlink"]);
        assert_eq!(names(&asked.entry), ["connect"]);
        assert!(asked.buffers.is_empty());
        let bytes = |condition| super::asked(&load(condition, "x"), 80, false).buffers;
        assert_eq!(names(&bytes("evt.type = write and evt.buffer contains x")), ["write"]);
        assert_eq!(names(&bytes("evt.type = write and evt.arg.data contains x")), ["write"]);
        assert_eq!(names(&bytes("evt.type = write and evt.arg.fd contains x")), [""; 0]);
        assert_eq!(names(&bytes("evt.type = write and evt.arg[1] contains x")), ["write"]);
    }

    #[test]
    fn a_recording_has_every_buffer() {
        let asked = asked(&load("evt.type = open", "x"), 200, true);
        assert_eq!((asked.buffers, asked.snaplen), (EventSet::all(), 200));
    }

    #[test]
    fn state_is_followed_where_it_is_read() {
        let calls = |output| state_calls(&load("evt.type = openat", output));
        assert!(calls("%proc.name %user.name").is_empty());
        assert_eq!(names(&calls("%proc.cwd")), ["chdir", "fchdir"]);
        assert_eq!(names(&calls("%proc.sname")), ["setsid"]);
        assert_eq!(names(&calls("%proc.pgid")), ["setsid", "setpgid"]);
        assert_eq!(names(&calls("%proc.vpgid.exe")), ["setsid", "setpgid"]);
        assert_eq!(names(&calls("%thread.cap_effective")), ["capset"]);
        let asked = asked(&load("evt.type = execve", "%proc.cwd"), 80, false);
        assert_eq!(names(&asked.descriptors), ["chdir", "fchdir"], "where they lead to");
    }
}

//! What fields ask of a file's descriptors: what nobody asks for, of the type of event at hand, is not put behind the frames.

use capture::savefile::PlaybackDemand;
use event::{EventSet, EventType};
use rules::{ContainerField, EvtField, Extracted, FdField, Field, FieldRef, Ruleset};

/// The event types of which rules read more than that they happened.
pub(crate) fn looked_into(ruleset: &Ruleset) -> EventSet {
    // Names of addresses are learned from answers, whatever rules ask of the events that bring them.
    let reads_names = ruleset.fields_used().any(|f| f.field.is_host_name());
    let answers = if reads_names { stages::answering() } else { EventSet::EMPTY };
    ruleset.interest().union(&answers)
}

/// The event types of which each part of a [`PlaybackDemand`] is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demands {
    own: EventSet,
    all: EventSet,
    resources: EventSet,
    table: EventSet,
}

impl Demands {
    /// What conditions and outputs of rules read.
    pub(crate) fn of_rules(ruleset: &Ruleset) -> Self {
        Self::of_asked(|asks| ruleset.events_reading(|f| asks(f.field)))
    }

    /// What a filter, which lets events of these types through, and formats read.
    pub(crate) fn of_fields(fields: &[&FieldRef], types: EventSet) -> Self {
        let any = |asks: fn(Field) -> bool| fields.iter().any(|f| asks(f.field));
        Self::of_asked(|asks| if any(asks) { types } else { EventSet::EMPTY })
    }

    fn of_asked(types: impl Fn(fn(Field) -> bool) -> EventSet) -> Self {
        let all = types(asks_all);
        Self {
            own: types(asks_own).union(&all),
            all,
            resources: types(asks_resources),
            table: types(asks_table),
        }
    }

    /// The demand for events of a type.
    pub(crate) fn of(&self, ty: EventType) -> PlaybackDemand {
        let Self { own, all, resources, table } = self;
        PlaybackDemand {
            own: own.contains(ty),
            all: all.contains(ty),
            resources: resources.contains(ty),
            table: table.contains(ty),
        }
    }
}

/// Whether a field asks for the descriptor that a call returned or used.
fn asks_own(field: Field) -> bool {
    use EvtField as F;
    match field.extracted() {
        Some(Extracted::Fd(_)) => true,
        Some(Extracted::Evt(evt)) => matches!(
            evt,
            F::EvtCategory
                | F::EvtBuflen
                | F::EvtBuflenIn
                | F::EvtBuflenOut
                | F::EvtBuflenFile
                | F::EvtBuflenFileIn
                | F::EvtBuflenFileOut
                | F::EvtBuflenNet
                | F::EvtBuflenNetIn
                | F::EvtBuflenNetOut
                | F::EvtCountErrorFile
                | F::EvtCountErrorNet
                | F::EvtCountErrorMemory
                | F::EvtCountErrorOther
                | F::EvtIsSyslog
        ),
        _ => false,
    }
}

/// Whether a field asks for all descriptors that parameters name, the event's own among them.
fn asks_all(field: Field) -> bool {
    use EvtField as F;
    match field.extracted() {
        // Names start from directories.
        Some(Extracted::FsPath(_) | Extracted::FdList(_)) => true,
        Some(Extracted::Evt(evt)) => {
            matches!(evt, F::EvtArg | F::EvtArgs | F::EvtInfo | F::EvtAbspath)
        }
        _ => false,
    }
}

/// Whether a field asks what the thread or its process uses.
fn asks_resources(field: Field) -> bool {
    use ContainerField as C;
    match field.extracted() {
        Some(Extracted::Container(field)) => {
            matches!(field, C::ContainerStartTs | C::ContainerDuration)
        }
        Some(Extracted::Proc(field)) => field.is_resource(),
        _ => false,
    }
}

/// Whether a field asks for descriptors of the process that the event does not name.
fn asks_table(field: Field) -> bool {
    match field.extracted() {
        Some(Extracted::Fd(field)) => field == FdField::FdTypes,
        Some(Extracted::Proc(field)) => field.is_standard_descriptor(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: EventType = EventType::OPENAT_2_X;

    fn demand(names: &[&str]) -> PlaybackDemand {
        let fields = names.iter().map(|n| FieldRef::plain(Field::by_name(n).expect(n)));
        let fields: Vec<FieldRef> = fields.collect();
        let fields: Vec<&FieldRef> = fields.iter().collect();
        let demands = Demands::of_fields(&fields, EventSet::from_iter([TYPE]));
        assert_eq!(demands.of(EventType::LISTEN_X), PlaybackDemand::NOTHING, "{names:?}");
        demands.of(TYPE)
    }

    #[test]
    fn what_is_not_asked_for_is_left_out() {
        let demand = |names: &[&str]| {
            let PlaybackDemand { own, all, .. } = demand(names);
            (own, all)
        };
        assert_eq!(demand(&[]), (false, false));
        assert_eq!(demand(&["proc.name", "evt.type", "user.name", "evt.res"]), (false, false));
        assert_eq!(demand(&["proc.name", "fd.name"]), (true, false));
        assert_eq!(demand(&["evt.category"]), (true, false));
        assert_eq!(demand(&["evt.info"]), (true, true));
        assert_eq!(demand(&["fs.path.name"]), (true, true));
        assert_eq!(demand(&["fdlist.names"]), (true, true));
    }

    #[test]
    fn what_is_used_and_the_whole_table_are_asked_for_by_their_fields_alone() {
        let demand = |name: &str| {
            let PlaybackDemand { resources, table, .. } = demand(&[name]);
            (resources, table)
        };
        assert_eq!(demand("proc.name"), (false, false));
        assert_eq!(demand("fd.name"), (false, false));
        assert_eq!(demand("thread.cap_effective"), (false, false));
        for name in ["proc.vmsize", "thread.cgroup", "proc.fdusage", "container.duration"] {
            assert_eq!(demand(name), (true, false), "{name}");
        }
        for name in ["proc.stdin.name", "proc.stderr.type", "fd.types"] {
            assert_eq!(demand(name), (false, true), "{name}");
        }
    }

    #[test]
    fn a_rule_asks_for_the_types_of_its_events_only() {
        let rules = "
- rule: listens
  desc: d
  condition: evt.type = listen
  output: \"%fd.name\"
  priority: INFO
- rule: opens
  desc: d
  condition: evt.type = openat
  output: \"%container.start_ts %evt.args\"
  priority: INFO
";
        let source = rules::Source { name: "rules.yaml".to_owned(), text: rules.to_owned() };
        let ruleset = Ruleset::load(vec![source], rules::Options::default()).unwrap();
        let demands = Demands::of_rules(&ruleset);
        let nothing = PlaybackDemand::NOTHING;
        assert_eq!(demands.of(EventType::LISTEN_X), PlaybackDemand { own: true, ..nothing });
        let asked = PlaybackDemand { own: true, all: true, resources: true, table: false };
        assert_eq!(demands.of(TYPE), asked);
        assert_eq!(demands.of(EventType::SWITCH_6_E), nothing);
    }
}

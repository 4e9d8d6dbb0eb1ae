//! What is captured, and why: the one place that decides it, for the kernel side and for `peregrine events --needed-by`.

use capture::{Asked, ForkSides, Wanted};
use event::{CallSet, EventSet, EventType};
use rules::{Field, RuleId, Ruleset};

use crate::config::Config;
use crate::demand::{LOOKED_AT_TWICE, STATE_CALLS, reads_bytes, reads_descriptor, told};
use crate::live::{FORK_EVENTS, STATE_EVENTS};

/// Who asks for events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The process table lives on them.
    Lineage,
    /// A rule, by its number, can match them.
    Rule(u32),
    /// These fields, which rules read, are changed by them.
    State {
        /// The fields, in schema order.
        fields: Vec<Field>,
        /// Numbers of the rules that read them.
        rules: Vec<u32>,
    },
    /// These fields, which rules read, are names that name servers answer.
    Answers {
        /// The fields, in schema order.
        fields: Vec<Field>,
        /// Numbers of the rules that read them.
        rules: Vec<u32>,
    },
    /// A recording stands on its own: everything that carries state for a reader with a descriptor table.
    Recording,
    /// A recording around an alert is to be read without the rest of the run.
    AlertRecording,
    /// All calls are asked for.
    AllSyscalls,
    /// `base_syscalls.custom_set` names them.
    CustomSet,
}

/// What one of them asks for.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) why: Why,
    pub(crate) types: EventSet,
    /// Of the calls without an event type of their own.
    pub(crate) calls: CallSet,
    /// Types of which the descriptor is to be told.
    pub(crate) descriptors: EventSet,
    /// Types of which the bytes are to be told.
    pub(crate) buffers: EventSet,
    /// Types that are asked for where they receive from a name server.
    pub(crate) answers: EventSet,
}

impl Part {
    fn new(why: Why, types: EventSet) -> Self {
        let (calls, none) = (CallSet::EMPTY, EventSet::EMPTY);
        Self { why, types, calls, descriptors: none, buffers: none, answers: none }
    }
}

/// Everything that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Need {
    parts: Vec<Part>,
    without: (EventSet, CallSet),
    snaplen: usize,
}

impl Need {
    /// What the rules, and the configuration beside them, ask for.
    pub(crate) fn of(config: &Config, ruleset: &Ruleset) -> Self {
        let Config { all_syscalls, custom_set, write, snaplen, .. } = config;
        let mut parts = vec![Part::new(Why::Lineage, STATE_EVENTS.into_iter().collect())];
        parts.extend(by_rules(ruleset));
        parts.extend(by_state(ruleset));
        parts.extend(by_answers(ruleset));
        let all = told(&EventSet::all(), &EventSet::EMPTY);
        if write.is_some() {
            parts.push(Part { buffers: EventSet::all(), ..Part::new(Why::Recording, all) });
        }
        if config.on_alert.as_ref().is_some_and(|c| c.is_asked_by(ruleset)) {
            parts.push(by_alert_recording(&parts));
        }
        if *all_syscalls {
            parts.push(Part { calls: CallSet::all(), ..Part::new(Why::AllSyscalls, all) });
        }
        let (types, calls) = custom_set.added;
        if !types.is_empty() {
            parts.push(Part { calls, ..Part::new(Why::CustomSet, types) });
        }
        Self { parts, without: custom_set.removed, snaplen: *snaplen }
    }

    /// Who asks for what.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The calls that change what rules read of a process.
    pub(crate) fn state_types(&self) -> EventSet {
        let state = self.parts.iter().filter(|part| matches!(part.why, Why::State { .. }));
        state.fold(EventSet::EMPTY, |set, part| set.union(&part.types))
    }

    /// All that is asked for, as the kernel side wants it.
    pub(crate) fn wanted(&self) -> Wanted {
        let all = |of: fn(&Part) -> EventSet| {
            self.parts.iter().fold(EventSet::EMPTY, |set, part| set.union(&of(part)))
        };
        let (no_types, no_calls) = &self.without;
        let state: EventSet = STATE_EVENTS.into_iter().collect();
        let interest = all(|p| p.types).intersection(&no_types.complement()).union(&state);
        let generic_calls = self.parts.iter().fold(CallSet::EMPTY, |set, p| set.union(&p.calls));
        let descriptors = all(|p| p.descriptors);
        let forks: EventSet = FORK_EVENTS.into_iter().collect();
        let asks_for_forks =
            |p: &Part| p.why != Why::Lineage && !p.types.intersection(&forks).is_empty();
        let both_sides = self.parts.iter().any(asks_for_forks);
        Wanted {
            interest,
            generic_calls: generic_calls.intersection(&no_calls.complement()),
            fork_sides: if both_sides { ForkSides::Both } else { ForkSides::Child },
            asked: Asked {
                descriptors,
                buffers: all(|p| p.buffers),
                entry: descriptors.intersection(&LOOKED_AT_TWICE.into_iter().collect()),
                snaplen: self.snaplen,
                all_mappings: self.parts.iter().any(|p| p.why == Why::AllSyscalls),
                answers: all(|p| p.answers).intersection(&no_types.complement()),
            },
        }
    }
}

fn rule_ids(ruleset: &Ruleset) -> impl Iterator<Item = u32> {
    0..ruleset.rules().len() as u32
}

fn by_rules(ruleset: &Ruleset) -> impl Iterator<Item = Part> {
    rule_ids(ruleset).zip(ruleset.fields_by_rule()).map(|(n, (_, fields))| {
        let rule = RuleId(n);
        let types = told(&ruleset.rule_types(rule), &ruleset.rule_types_by_name(rule));
        let if_any = |is_any: bool| if is_any { types } else { EventSet::EMPTY };
        let fields: Vec<_> = fields.collect();
        Part {
            calls: ruleset.rule_generic_calls(rule),
            descriptors: if_any(fields.iter().any(|f| reads_descriptor(f))),
            buffers: if_any(fields.iter().any(|f| reads_bytes(f))),
            ..Part::new(Why::Rule(n), types)
        }
    })
}

/// What rules ask for, with its bytes; and what changes processes, since a reader of the file knows them from there alone. Not every event:
/// what is captured for the recording is captured all the time.
fn by_alert_recording(of_rules: &[Part]) -> Part {
    let changes = STATE_CALLS.iter().flat_map(|(_, calls)| *calls).chain(&FORK_EVENTS).copied();
    let types: EventSet = changes.collect();
    let buffers = of_rules.iter().fold(EventSet::EMPTY, |set, part| set.union(&part.types));
    Part { buffers, ..Part::new(Why::AlertRecording, types) }
}

/// The calls that change what rules read of a process; where they lead to is told by their descriptor.
fn by_state(ruleset: &Ruleset) -> impl Iterator<Item = Part> {
    STATE_CALLS.iter().filter_map(|(fields, calls)| {
        let fields: Vec<Field> = fields.iter().copied().filter(|&f| ruleset.uses(f)).collect();
        let by_rule = rule_ids(ruleset).zip(ruleset.fields_by_rule());
        let reading = by_rule
            .filter_map(|(n, (_, mut read))| read.any(|f| fields.contains(&f.field)).then_some(n));
        let rules = reading.collect();
        let types: EventSet = calls.iter().copied().collect::<EventSet>();
        (!fields.is_empty())
            .then(|| Part { descriptors: types, ..Part::new(Why::State { fields, rules }, types) })
    })
}

fn by_answers(ruleset: &Ruleset) -> Option<Part> {
    let mut fields: Vec<Field> =
        ruleset.fields_used().map(|f| f.field).filter(|f| f.is_host_name()).collect();
    fields.sort_unstable();
    fields.dedup();
    let reading = rule_ids(ruleset).zip(ruleset.fields_by_rule());
    let reading = reading
        .filter_map(|(n, (_, mut read))| read.any(|f| f.field.is_host_name()).then_some(n))
        .collect();
    let is_any = !fields.is_empty();
    let why = Why::Answers { fields, rules: reading };
    is_any.then(|| Part { answers: stages::answering(), ..Part::new(why, EventSet::EMPTY) })
}

/// Names of what is captured, each once, sorted; of what this build can capture.
pub(crate) fn names(wanted: &Wanted) -> Vec<&'static str> {
    let types = wanted.interest.union(&wanted.asked.answers).intersection(&capture::capturable());
    let types = types.iter().filter(|&ty| ty != EventType::GENERIC_X).map(EventType::name);
    let calls = if wanted.interest.contains(EventType::GENERIC_X) {
        wanted.generic_calls.intersection(&capture::generic_calls())
    } else {
        CallSet::EMPTY
    };
    let mut names: Vec<_> = types.chain(calls.iter().map(event::Call::name)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use rules::{Options, Source};

    use super::*;
    use crate::cli::{ConfigSource, Settings};
    use crate::config;

    fn rule(condition: &str, output: &str) -> String {
        format!(
            "- rule: r{}\n  desc: d\n  condition: {condition}\n  output: \"{output}\"\n  priority: INFO\n",
            condition.len()
        )
    }

    fn need_with(rules: &str, options: &[&str], set: &Settings) -> Need {
        let source = ConfigSource {
            config: Some("/dev/null".into()),
            options: options.iter().map(|&o| o.to_owned()).collect(),
            socket: None,
        };
        let source_text = Source { name: "test.yaml".into(), text: rules.to_owned() };
        let ruleset = Ruleset::load(vec![source_text], Options::default()).unwrap();
        Need::of(&config::load(&source, set).unwrap(), &ruleset)
    }

    fn need(condition: &str, output: &str) -> Need {
        need_with(&rule(condition, output), &[], &Settings::default())
    }

    fn asked(condition: &str, output: &str) -> Asked {
        need(condition, output).wanted().asked
    }

    fn exits(set: &EventSet) -> Vec<&'static str> {
        let mut names: Vec<_> = set.iter().filter(|t| t.0 % 2 == 1).map(EventType::name).collect();
        names.dedup();
        names
    }

    const LINEAGE: [&str; 6] = ["clone", "clone3", "execve", "fork", "procexit", "vfork"];

    /// Names beside those of lineage.
    fn captured(need: &Need) -> Vec<&'static str> {
        names(&need.wanted()).into_iter().filter(|name| !LINEAGE.contains(name)).collect()
    }

    #[test]
    fn nothing_is_attached_that_nobody_reads() {
        let asked = asked("evt.type in (read, close) and fd.num = 3", "%proc.name");
        assert!(asked.descriptors.is_empty() && asked.buffers.is_empty() && asked.entry.is_empty());
    }

    #[test]
    fn conditions_and_outputs_ask_for_their_own_events() {
        let of = asked("evt.type in (connect, unlink, write)", "%fd.name");
        assert_eq!(exits(&of.descriptors), ["write", "connect", "unlink"]);
        assert_eq!(exits(&of.entry), ["connect"]);
        assert!(of.buffers.is_empty());
        let bytes = |condition| asked(condition, "x").buffers;
        assert_eq!(exits(&bytes("evt.type = write and evt.buffer contains x")), ["write"]);
        assert_eq!(exits(&bytes("evt.type = write and evt.arg.data contains x")), ["write"]);
        assert_eq!(exits(&bytes("evt.type = write and evt.arg.fd contains x")), [""; 0]);
        assert_eq!(exits(&bytes("evt.type = write and evt.arg[1] contains x")), ["write"]);
    }

    #[test]
    fn a_recording_has_every_type_that_need_not_be_named_and_every_buffer() {
        let set = Settings { write: Some("/x".into()), snaplen: Some(200), ..Settings::default() };
        let wanted = need_with(&rule("evt.type = getpid", "x"), &[], &set).wanted();
        assert_eq!((wanted.asked.buffers, wanted.asked.snaplen), (EventSet::all(), 200));
        assert_eq!(wanted.interest.complement(), capture::on_demand());
        assert_eq!(wanted.fork_sides, ForkSides::Both);
        assert!(wanted.generic_calls.has("getpid") && !wanted.generic_calls.has("getppid"));
    }

    #[test]
    fn recordings_around_alerts_have_what_rules_ask_for_and_what_changes_processes() {
        let rules = rule("evt.type in (open, write)", "x");
        let on = ["capture.enabled=true", "capture.mode=all_rules"];
        let wanted = |rules: &str, on: &[&str]| need_with(rules, on, &Settings::default()).wanted();
        let (with, without) = (wanted(&rules, &on), wanted(&rules, &on[..1]));
        assert_eq!(without, wanted(&rules, &[]), "no rule has `capture: true`");
        assert_eq!((with.fork_sides, without.fork_sides), (ForkSides::Both, ForkSides::Child));
        let write = EventType::WRITE_X;
        assert!(with.asked.buffers.contains(write) && !without.asked.buffers.contains(write));
        assert!(
            with.interest.contains(EventType::CHDIR_X)
                && !with.interest.contains(EventType::READ_X)
        );
        assert!(!without.interest.contains(EventType::CHDIR_X));
        let asking = format!("{rules}  capture: true\n");
        assert_eq!(wanted(&asking, &on[..1]), with);
    }

    #[test]
    fn state_is_followed_where_it_is_read() {
        let calls = |output| need("evt.type = openat", output).state_types();
        assert!(calls("%proc.name %user.name").is_empty());
        assert_eq!(exits(&calls("%proc.cwd")), ["chdir", "fchdir"]);
        assert_eq!(exits(&calls("%proc.sname")), ["setsid"]);
        assert_eq!(exits(&calls("%proc.pgid")), ["setsid", "setpgid"]);
        assert_eq!(exits(&calls("%proc.vpgid.exe")), ["setsid", "setpgid"]);
        assert_eq!(exits(&calls("%thread.cap_effective")), ["capset"]);
        let need = need("evt.type = execve", "%proc.cwd");
        assert_eq!(exits(&need.wanted().asked.descriptors), ["chdir", "fchdir"], "where they lead");
        assert_eq!(captured(&need), ["chdir", "fchdir"]);
    }

    #[test]
    fn rules_ask_for_their_events_and_calls_alone() {
        assert_eq!(captured(&need("evt.type in (open, truncate)", "x")), ["open", "truncate"]);
        assert_eq!(need("evt.type = open", "x").wanted().fork_sides, ForkSides::Child);
        assert_eq!(need("evt.type = clone", "x").wanted().fork_sides, ForkSides::Both);
        let open = captured(&need("proc.name = x", "x"));
        assert!(
            open.contains(&"read") && open.contains(&"truncate") && open.contains(&"signaldeliver")
        );
    }

    #[test]
    fn switches_and_page_faults_have_to_be_named() {
        let asks = |condition, name| captured(&need(condition, "x")).contains(&name);
        assert!(asks("evt.type = switch", "switch") && !asks("evt.type = switch", "page_fault"));
        assert!(asks("evt.type in (open, page_fault)", "page_fault"));
        assert!(!asks("proc.name = x", "switch") && !asks("evt.type != open", "page_fault"));
        let set = Settings { all_syscalls: true, ..Settings::default() };
        let all = need_with(&rule("evt.type = open", "x"), &[], &set);
        assert!(!captured(&all).contains(&"switch"), "no system call");
        let named = ["base_syscalls.custom_set[]=switch"];
        let named = need_with(&rule("evt.type = open", "x"), &named, &Settings::default());
        assert_eq!(captured(&named), ["open", "switch"]);
    }

    #[test]
    fn all_system_calls_are_those_that_can_be_captured() {
        let every = {
            let types = capture::capturable().intersection(&capture::on_demand().complement());
            let types = types.iter().filter(|&ty| ty != EventType::GENERIC_X).map(EventType::name);
            let calls = capture::generic_calls();
            let calls: Vec<_> = calls.iter().map(event::Call::name).collect();
            let mut all: Vec<_> = types.chain(calls).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        let set = Settings { all_syscalls: true, ..Settings::default() };
        let rules = rule("evt.type = open", "x");
        assert_eq!(names(&need_with(&rules, &[], &set).wanted()), every);
        let key = need_with(&rules, &["peregrine.all_syscalls=true"], &Settings::default());
        assert_eq!(names(&key.wanted()), every);
    }

    #[test]
    fn the_custom_set_adds_and_removes() {
        let rules = rule("evt.type in (open, truncate, read)", "%fd.name");
        let options = ["!read", "!truncate", "!execve", "ftruncate", "close"]
            .map(|name| format!("base_syscalls.custom_set[]={name}"));
        let options = options.each_ref().map(String::as_str);
        let need = need_with(&rules, &options, &Settings::default());
        assert_eq!(captured(&need), ["close", "ftruncate", "open"]);
        assert!(names(&need.wanted()).contains(&"execve"), "the process table lives on it");
    }
}

//! `base_syscalls.custom_set`: events and calls that are captured beside what rules ask for, or left out, by name.

use event::{Call, CallSet, EventSet, EventType};

use crate::live::STATE_EVENTS;

/// Names as sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CustomSet {
    /// Event types, and calls without one of their own, that are captured.
    pub(crate) added: (EventSet, CallSet),
    /// Those that are not.
    pub(crate) removed: (EventSet, CallSet),
}

impl CustomSet {
    /// Reads names; `!` before one leaves it out. Says what cannot be done.
    pub(super) fn read(names: &[String]) -> (Self, Vec<String>) {
        let none = (EventSet::EMPTY, CallSet::EMPTY);
        let (mut set, mut warnings) = (Self { added: none, removed: none }, Vec::new());
        for written in names {
            let (name, is_removed) =
                written.strip_prefix('!').map_or((written.as_str(), false), |name| (name, true));
            let (types, calls) = if is_removed { &mut set.removed } else { &mut set.added };
            let known: EventSet = EventType::all_named(name).collect();
            if !known.is_empty() {
                *types = types.union(&known);
            } else if let Some(call) = Call::named(name) {
                calls.insert(call);
                if !is_removed {
                    types.insert(EventType::GENERIC_X);
                }
            } else {
                let calls = Call::every().map(Call::name);
                let near = rules::closest(name, calls)
                    .map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
                warnings.push(format!(
                    "base_syscalls.custom_set: {name:?} is no event type and no system call{near}"
                ));
            }
            if is_removed && STATE_EVENTS.iter().any(|ty| known.contains(*ty)) {
                warnings.push(format!(
                    "base_syscalls.custom_set: {written}: captured all the same, the process table lives on it"
                ));
            }
        }
        (set, warnings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_added_and_removed() {
        let read = |names: &[&str]| {
            CustomSet::read(&names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>())
        };
        let (set, warnings) = read(&["openat", "getpid", "!read", "!fsync", "switch"]);
        assert!(warnings.is_empty(), "{warnings:?}");
        let (types, calls) = set.added;
        for ty in [EventType::OPENAT_2_X, EventType::GENERIC_X, EventType::SWITCH_6_E] {
            assert!(types.contains(ty), "{ty:?}");
        }
        assert!(calls.has("getpid") && !calls.has("fsync") && !types.contains(EventType::READ_X));
        let (types, calls) = set.removed;
        assert!(types.contains(EventType::READ_X) && calls.has("fsync"));
        assert!(!types.contains(EventType::GENERIC_X));
        let (_, warnings) = read(&["opn", "!execve", "!zzzzzzzzzz"]);
        assert_eq!(
            warnings,
            [
                "base_syscalls.custom_set: \"opn\" is no event type and no system call; did you mean \"open\"?",
                "base_syscalls.custom_set: !execve: captured all the same, the process table lives on it",
                "base_syscalls.custom_set: \"zzzzzzzzzz\" is no event type and no system call",
            ]
        );
    }
}

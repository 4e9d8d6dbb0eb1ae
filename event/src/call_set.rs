//! System calls by name, and the set of them: what of the calls without an event type of their own is wanted.

use crate::bit_set::bit_set;
use crate::event_type::EventType;
use crate::table::{N_SYSCALL_IDS, syscall_id, syscall_name};

/// Calls of x86-64 and ia32 that the schema has no number for. Their generic events carry 0 there, and the kernel's own number.
const UNLISTED: [&str; 15] = [
    "afs_syscall",
    "break",
    "ftime",
    "gtty",
    "lock",
    "mpx",
    "prof",
    "profil",
    "putpmsg",
    "security",
    "stty",
    "tuxcall",
    "ulimit",
    "vm86old",
    "vserver",
];

const N_CALLS: usize = N_SYSCALL_IDS + UNLISTED.len();

/// A system call that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call(u16);

impl Call {
    /// The call with this name. O(number of calls).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        syscall_id(name).map(Self).or_else(|| {
            let n = UNLISTED.iter().position(|&unlisted| unlisted == name)?;
            u16::try_from(N_SYSCALL_IDS + n).ok().map(Self)
        })
    }

    /// The call that a table of the kernel names so. Variants for another width are one call, unless the schema tells them apart.
    /// O(number of calls).
    #[must_use]
    pub fn of_kernel(name: &str) -> Option<Self> {
        let variant = |suffix| name.strip_suffix(suffix).and_then(Self::named);
        Self::named(name).or_else(|| ["_time64", "_64", "64", "32"].into_iter().find_map(variant))
    }

    /// Every call, those that have an event type of their own included.
    pub fn every() -> impl Iterator<Item = Self> {
        (0u16..).take(N_CALLS).map(Self).filter(|call| !call.name().is_empty())
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let unlisted = || UNLISTED.get(usize::from(self.0).checked_sub(N_SYSCALL_IDS)?).copied();
        syscall_name(self.0).or_else(unlisted).unwrap_or_default()
    }

    /// Its number in the schema, which generic events carry; 0 where that lacks it.
    #[must_use]
    pub fn schema_id(self) -> u16 {
        if usize::from(self.0) < N_SYSCALL_IDS { self.0 } else { 0 }
    }

    /// Whether it has no event type of its own and travels as a generic event. O(number of event types).
    #[must_use]
    pub fn is_generic(self) -> bool {
        EventType::all_named(self.name()).next().is_none()
    }
}

bit_set! {
    /// A set of system calls: a fixed bitmap, O(1) everywhere. [`CallSet::all`] has room for names that are not used yet, too.
    CallSet of N_CALLS Call
}

impl CallSet {
    /// Whether the call with this name is in the set; none without a name is. O(number of calls).
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        Call::named(name).is_some_and(|call| self.contains(call))
    }

    /// The calls in order of their numbers in the schema; those it lacks last.
    pub fn iter(&self) -> impl Iterator<Item = Call> + '_ {
        Call::every().filter(|&call| self.contains(call))
    }
}

impl core::fmt::Debug for CallSet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self.iter().map(Call::name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CallTable;

    #[test]
    fn each_call_is_found_by_its_name() {
        for call in Call::every() {
            assert_eq!(Call::named(call.name()), Some(call), "{}", call.name());
        }
        assert_eq!((Call::named("no such call"), Call::named("")), (None, None));
    }

    #[test]
    fn every_name_of_the_kernel_is_a_call() {
        for table in [CallTable::Native, CallTable::Ia32, CallTable::X32] {
            for (number, name) in table.calls() {
                assert!(Call::of_kernel(name).is_some(), "{table:?} {number} {name}");
            }
        }
        for (name, call) in [
            ("truncate64", "truncate"),
            ("clock_gettime64", "clock_gettime"),
            ("semtimedop_time64", "semtimedop"),
            ("fadvise64_64", "fadvise64"),
            ("getgroups32", "getgroups"),
            ("statfs64", "statfs64"),
        ] {
            assert_eq!(Call::of_kernel(name), Call::named(call), "{name}");
        }
    }

    #[test]
    fn calls_that_the_schema_lacks_have_no_number_there() {
        let of = |name| Call::named(name).unwrap();
        assert_eq!((of("getpid").schema_id(), of("vserver").schema_id()), (16, 0));
        assert_eq!((of("getpid").is_generic(), of("openat").is_generic()), (true, false));
    }

    #[test]
    fn set_algebra_stays_inside_the_table() {
        let one: CallSet = Call::named("vserver").into_iter().collect();
        assert!(one.has("vserver") && !one.has("getpid") && !one.has("no such call"));
        let rest = one.complement();
        assert!(one.intersection(&rest).is_empty());
        assert_eq!(one.union(&rest), CallSet::all());
        assert_eq!(CallSet::all().iter().count(), Call::every().count());
        assert_eq!(std::format!("{one:?}"), r#"{"vserver"}"#);
    }
}

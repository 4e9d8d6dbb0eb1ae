//! Push-down: what the kernel side may reject because no rule can match it.
//!
//! The rules' conditions are split into at most [`N_CLAUSES`] clauses, one bit each. A clause is a **necessary** condition of some rules: where no clause of
//! an event's type can hold, no rule matches. Each test leaves the clauses that may still hold; what a test cannot know, it leaves.

/// Clauses of a ruleset: one bit each.
pub const N_CLAUSES: u32 = u64::BITS;

/// Tests of flags that an event type can have.
pub const N_FLAG_TESTS: usize = 4;

/// What a descriptor is, as far as clauses tell kinds apart: index into [`TypeFilter::kinds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum FilterKind {
    /// A file, a directory, a device.
    File = 0,
    /// An IPv4 socket with some end that is neither in 127.0.0.0/8 nor 0.0.0.0.
    Ipv4 = 1,
    /// An IPv4 socket both ends of which are in 127.0.0.0/8 or 0.0.0.0.
    Ipv4Local = 2,
    /// An IPv6 socket with some end that is neither `::1` nor `::`.
    Ipv6 = 3,
    /// An IPv6 socket both ends of which are `::1` or `::`.
    Ipv6Local = 4,
    /// A Unix socket.
    Unix = 5,
    /// Something else that is known: a pipe, an event descriptor, a netlink socket.
    Other = 6,
    /// The call has no descriptor, or it is not known which one: leaves every clause.
    Unknown = 7,
}

/// Kinds.
pub const N_FILTER_KINDS: usize = 8;

/// Clauses that an event may meet by one of its flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FlagTest {
    /// Bits of the event's flags as the schema has them; 0: no test.
    pub mask: u64,
    /// Clauses that may hold where any of these bits is set.
    pub any_set: u64,
    /// Clauses that may hold where none of them is.
    pub none_set: u64,
}

/// What the kernel asks of events of one type. All zero, nothing is asked and everything passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct TypeFilter {
    /// Clauses that events of this type may meet; 0: no filter.
    pub clauses: u64,
    /// Clauses that a call which failed may meet.
    pub failed: u64,
    /// Clauses that a call which succeeded may meet.
    pub succeeded: u64,
    /// Clauses that ask nothing of the file's name.
    pub any_name: u64,
    /// Clauses that ask nothing of ports.
    pub any_port: u64,
    /// Clauses that processes outside of containers may meet.
    pub on_host: u64,
    /// Clauses by [`FilterKind`].
    pub kinds: [u64; N_FILTER_KINDS],
    /// Tests of flags.
    pub flags: [FlagTest; N_FLAG_TESTS],
}

#[expect(
    clippy::inline_always,
    reason = "the kernel side has no calls that cost less than what they do"
)]
impl TypeFilter {
    /// Whether something is asked.
    #[inline(always)]
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.clauses != 0
    }

    /// Clauses left by the call's result.
    #[inline(always)]
    #[must_use]
    pub const fn by_result(&self, ret: i64) -> u64 {
        self.clauses & if ret < 0 { self.failed } else { self.succeeded }
    }

    /// Clauses left by the event's flags.
    #[inline(always)]
    #[must_use]
    pub fn by_flags(&self, flags: u64) -> u64 {
        self.by_known_flags(flags, 0)
    }

    /// The same where some bits are not known, which are 0 in `flags`.
    #[inline(always)]
    #[must_use]
    pub fn by_known_flags(&self, flags: u64, unknown: u64) -> u64 {
        let mut left = u64::MAX;
        for test in &self.flags {
            if test.mask == 0 {
                continue;
            }
            left &= if flags & test.mask != 0 {
                test.any_set
            } else if unknown & test.mask != 0 {
                test.any_set | test.none_set
            } else {
                test.none_set
            };
        }
        left
    }

    /// Clauses left by what the descriptor is.
    #[inline(always)]
    #[must_use]
    pub fn by_kind(&self, kind: FilterKind) -> u64 {
        if matches!(kind, FilterKind::Unknown) { u64::MAX } else { self.kinds[kind as usize] }
    }

    /// Clauses left by a file's name, of those whose prefixes or last components are its: of every view of the name together.
    #[inline(always)]
    #[must_use]
    pub const fn by_name(&self, found: u64) -> u64 {
        self.any_name | found
    }

    /// Clauses left by ports, of those found for either end.
    #[inline(always)]
    #[must_use]
    pub const fn by_ports(&self, found: u64) -> u64 {
        self.any_port | found
    }
}

/// Keys of the map `NAME_PREFIXES`, a trie of prefixes of absolute names (with the NUL behind the name, by which a whole name is a prefix). The value is
/// the clauses that the prefix and every shorter one allow.
pub const NAME_PREFIX_MAX: usize = 256;

/// Keys of the map `NAME_LASTS`: last components of names, filled up with zeros. A longer one is in no set of clauses: they ask nothing of names then.
pub const NAME_LAST_MAX: usize = 64;

/// Entries of `NAME_HEADS`: clauses by the beginnings of their prefixes, so that most names need no look at `NAME_PREFIXES`.
pub const N_NAME_HEADS: usize = 1024;

/// Lengths of the beginnings: a prefix is told by the longest that it has. One that has none is in every entry.
pub const NAME_HEADS: [usize; 2] = [8, 4];

/// The entry of the beginning of a name, its first eight bytes, or the first four and zeroes.
#[expect(
    clippy::inline_always,
    reason = "the kernel side has no calls that cost less than what they do"
)]
#[inline(always)]
#[must_use]
pub const fn name_head(beginning: u64) -> usize {
    (beginning.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - N_NAME_HEADS.ilog2())) as usize
}

/// Words of a [`TypeFilter`].
pub const TYPE_FILTER_WORDS: usize = size_of::<TypeFilter>() / 8;
/// Prefixes that there is room for.
pub const MAX_PREFIXES: usize = 4096;
/// Last components that there is room for.
pub const MAX_LASTS: usize = 4096;
/// Ports that there is room for.
pub const MAX_PORTS: usize = 1024;
/// Whether a string that a process passed may not have these two bytes next to each other; nor may it be empty, begin with a dot or end with a slash.
/// Such a string passes, and so does every name where a path of the kernel (of the file, or of the directory that the string starts from) has a slash
/// before one of these, or does not begin with one: no pattern speaks of them. Clauses that only such names meet (`fd.name contains /.aws/`,
/// `fd.nameraw contains ../`) have no pattern at all, and are not in [`TypeFilter::any_name`] either.
#[must_use]
#[inline]
pub const fn is_odd_pair(first: u8, second: u8) -> bool {
    matches!((first, second), (b'/', b'/' | b'.') | (b'.', b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_test_leaves_the_clauses_that_may_still_hold() {
        let filter = TypeFilter {
            clauses: 0b1111,
            failed: 0b0001,
            succeeded: 0b1110,
            any_name: 0b0100,
            any_port: 0b1111,
            on_host: 0b0111,
            kinds: [0b1010, 0, 0, 0, 0, 0, 0, 0],
            flags: [
                FlagTest { mask: 0b10, any_set: 0b1111, none_set: 0b0101 },
                FlagTest::default(),
                FlagTest::default(),
                FlagTest::default(),
            ],
        };
        assert!(filter.is_active() && !TypeFilter::default().is_active());
        assert_eq!((filter.by_result(-2), filter.by_result(0)), (0b0001, 0b1110));
        assert_eq!((filter.by_flags(0b11), filter.by_flags(0b01)), (0b1111, 0b0101));
        assert_eq!(filter.by_known_flags(0b01, 0b10), 0b1111);
        assert_eq!(filter.by_known_flags(0b01, 0b100), 0b0101);
        assert_eq!(filter.by_kind(FilterKind::File), 0b1010);
        assert_eq!(filter.by_kind(FilterKind::Unknown), u64::MAX);
        assert_eq!(filter.by_name(0b1000), 0b1100);
        assert_eq!(filter.by_ports(0), 0b1111);
    }
}

//! What a savefile tells of what the thread that made an event, and its process, use: memory, CPU time, descriptors, control groups.

/// Bits of [`ResourceFacts::known`].
pub mod resource_facts {
    /// The event is one of those that tell CPU time, and the shares in percent are known.
    pub const CPU: u32 = 1;
    /// The thread belongs to a process that the file tells of.
    pub const PROCESS: u32 = 1 << 1;
}

/// What a thread and its process use, by the history of a savefile. What no event told yet is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResourceFacts<'a> {
    /// See [`resource_facts`].
    pub known: u32,
    /// Virtual memory, KiB.
    pub vmsize_kb: u32,
    /// Resident memory, KiB.
    pub vmrss_kb: u32,
    /// Swapped memory, KiB.
    pub vmswap_kb: u32,
    /// Major page faults of the thread.
    pub pfmajor: u64,
    /// Minor page faults of the thread.
    pub pfminor: u64,
    /// CPU time that a switch of threads ends, ns; 0 for other events.
    pub exec_ns: u64,
    /// CPU time of the thread since the recording began, ns.
    pub total_exec_ns: u64,
    /// Number of descriptors that the process may open, -1 where unknown.
    pub fdlimit: i64,
    /// Start of the pid namespace's first process, ns since the epoch.
    pub pidns_start_ns: u64,
    /// Open descriptors of the process.
    pub n_fds: u32,
    /// Living threads of the process.
    pub n_threads: u32,
    /// Living threads of the process beside the first.
    pub n_further_threads: u32,
    /// CPU of the last second in percent, at most 100: in all, of the user, of the kernel.
    pub cpu: [u8; 3],
    /// Control groups: `subsystem=path`, each NUL-terminated.
    pub cgroups: &'a [u8],
}

impl<'a> ResourceFacts<'a> {
    /// Bytes before the control groups.
    pub const FIXED_LEN: usize = 80;

    pub(crate) fn from_bytes(b: &'a [u8]) -> Option<Self> {
        let (b, cgroups) = b.split_first_chunk::<{ ResourceFacts::FIXED_LEN }>()?;
        let u32_at = |at: usize| u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        Some(Self {
            known: u32_at(0),
            vmsize_kb: u32_at(4),
            vmrss_kb: u32_at(8),
            vmswap_kb: u32_at(12),
            pfmajor: u64_at(16),
            pfminor: u64_at(24),
            exec_ns: u64_at(32),
            total_exec_ns: u64_at(40),
            fdlimit: u64_at(48) as i64,
            pidns_start_ns: u64_at(56),
            n_fds: u32_at(64),
            n_threads: u32_at(68),
            n_further_threads: u32_at(72),
            cpu: [b[76], b[77], b[78]],
            cgroups,
        })
    }

    /// The part before the control groups: the fields in their order, and a zero.
    #[must_use]
    pub fn fixed_bytes(&self) -> [u8; ResourceFacts::FIXED_LEN] {
        let mut b = [0; ResourceFacts::FIXED_LEN];
        for (at, n) in [
            (0, self.known),
            (4, self.vmsize_kb),
            (8, self.vmrss_kb),
            (12, self.vmswap_kb),
            (64, self.n_fds),
            (68, self.n_threads),
            (72, self.n_further_threads),
        ] {
            b[at..at + 4].copy_from_slice(&n.to_le_bytes());
        }
        for (at, n) in [
            (16, self.pfmajor),
            (24, self.pfminor),
            (32, self.exec_ns),
            (40, self.total_exec_ns),
            (48, self.fdlimit as u64),
            (56, self.pidns_start_ns),
        ] {
            b[at..at + 8].copy_from_slice(&n.to_le_bytes());
        }
        b[76..79].copy_from_slice(&self.cpu);
        b
    }

    /// Whether all of these bits are known.
    #[must_use]
    pub fn knows(&self, bits: u32) -> bool {
        self.known & bits == bits
    }
}

/// The kinds of a process's descriptors: the different ones, a zero, then that of each number from 0 on, as far as there is room; 0 for
/// a number without a descriptor. Kinds are as in [`crate::DescriptorFacts::kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenKinds<'a>(pub(crate) &'a [u8]);

impl<'a> OpenKinds<'a> {
    /// Numbers whose kinds are told one by one.
    pub const MAX_NUMBERS: usize = 1024;

    fn parts(self) -> (&'a [u8], &'a [u8]) {
        match self.0.iter().position(|&kind| kind == 0) {
            Some(end) => (&self.0[..end], &self.0[end + 1..]),
            None => (self.0, &[]),
        }
    }

    /// The different kinds.
    #[must_use]
    pub fn distinct(self) -> &'a [u8] {
        self.parts().0
    }

    /// The kind of one number.
    #[must_use]
    pub fn of(self, fd: usize) -> Option<u8> {
        self.parts().1.get(fd).copied().filter(|&kind| kind != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_survive_their_bytes() {
        let facts = ResourceFacts {
            known: resource_facts::CPU,
            vmsize_kb: 1,
            vmrss_kb: 2,
            vmswap_kb: 3,
            pfmajor: 4 << 40,
            pfminor: 5 << 40,
            exec_ns: 6 << 40,
            total_exec_ns: 7 << 40,
            fdlimit: -1,
            pidns_start_ns: 8 << 40,
            n_fds: 9,
            n_threads: 10,
            n_further_threads: 11,
            cpu: [12, 13, 14],
            cgroups: b"cpu=/\0",
        };
        let bytes = [&facts.fixed_bytes()[..], facts.cgroups].concat();
        assert_eq!(ResourceFacts::from_bytes(&bytes), Some(facts));
        assert_eq!(ResourceFacts::from_bytes(&bytes[..79]), None);
    }

    #[test]
    fn kinds_are_told_by_number_and_without() {
        let kinds = OpenKinds(b"f4\0f\x004");
        assert_eq!(kinds.distinct(), b"f4");
        assert_eq!([0, 1, 2, 3].map(|n| kinds.of(n)), [Some(b'f'), None, Some(b'4'), None]);
        assert_eq!(OpenKinds(b"f").of(0), None);
        assert!(OpenKinds(b"").distinct().is_empty());
    }
}

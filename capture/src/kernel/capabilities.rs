//! What of root's powers capturing takes, and which of them this process has.

use std::fs;

/// One of root's powers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// As the kernel's manual has it.
    pub name: &'static str,
    /// What it is for.
    pub serves: &'static str,
    /// Whether nothing can be captured without it.
    pub is_required: bool,
    /// include/uapi/linux/capability.h
    bit: u32,
}

/// Stands for `CAP_BPF`, `CAP_PERFMON`, and for `CAP_NET_ADMIN` where bpf(2) asks for it.
const SYS_ADMIN: u32 = 21;

/// All that capturing takes, the required ones first.
pub const CAPABILITIES: [Capability; 5] = [
    Capability {
        name: "CAP_BPF",
        serves: "programs and maps in the kernel",
        is_required: true,
        bit: 39,
    },
    Capability {
        name: "CAP_PERFMON",
        serves: "programs that are attached and read the kernel's memory",
        is_required: true,
        bit: 38,
    },
    Capability {
        name: "CAP_NET_ADMIN",
        serves: "hooks of sockets; without it calls with an address cost some 20 ns more",
        is_required: false,
        bit: 12,
    },
    Capability {
        name: "CAP_SYS_PTRACE",
        serves: "executables, directories, descriptors and environments of processes from before the start",
        is_required: false,
        bit: 19,
    },
    Capability {
        name: "CAP_DAC_READ_SEARCH",
        serves: "descriptors of other users' processes, and what container runtimes keep on disk",
        is_required: false,
        bit: 2,
    },
];

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(u64);

impl Capabilities {
    /// Those in effect for this thread.
    #[must_use]
    pub fn effective() -> Self {
        // A process that cannot read this has none worth a word.
        let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        Self::of_status(&status)
    }

    fn of_status(status: &str) -> Self {
        let line = status.lines().find_map(|l| l.strip_prefix("CapEff:"));
        Self(line.and_then(|l| u64::from_str_radix(l.trim(), 16).ok()).unwrap_or(0))
    }

    /// These and no others.
    #[must_use]
    pub fn of(all: &[Capability]) -> Self {
        Self(all.iter().fold(0, |set, capability| set | 1 << capability.bit))
    }

    /// Whether it, or what stands for it, is among them.
    #[must_use]
    pub fn has(self, capability: Capability) -> bool {
        let stands_in = if capability.is_required || capability.name == "CAP_NET_ADMIN" {
            1 << SYS_ADMIN
        } else {
            0
        };
        self.0 & (1 << capability.bit | stands_in) != 0
    }

    /// Those of [`CAPABILITIES`] that are not among them.
    #[must_use]
    pub fn lacking(self) -> Vec<Capability> {
        CAPABILITIES.into_iter().filter(|&capability| !self.has(capability)).collect()
    }
}

/// Names, separated by commas.
pub(super) fn names(of: &[Capability]) -> String {
    of.iter().map(|capability| capability.name).collect::<Vec<_>>().join(", ")
}

/// Those that nothing works without.
pub(super) fn required(of: &[Capability]) -> Vec<Capability> {
    of.iter().copied().filter(|capability| capability.is_required).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lacking_ones_are_named() {
        let status = |set: u64| format!("Name:\tx\nCapEff:\t{set:016x}\nCapBnd:\tffff\n");
        let lacking = |set| names(&Capabilities::of_status(&status(set)).lacking());
        let all = "CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH";
        assert_eq!(lacking(0), all);
        assert_eq!(names(&Capabilities::of_status("").lacking()), all);
        assert_eq!(
            lacking(1 << 39 | 1 << 38),
            "CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH"
        );
        assert_eq!(lacking(1 << SYS_ADMIN | 1 << 19), "CAP_DAC_READ_SEARCH");
        assert_eq!(lacking(Capabilities::of(&CAPABILITIES).0), "");
        assert_eq!(lacking(0x1ff_ffff_ffff), "");
    }
}

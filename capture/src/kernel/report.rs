//! What the loader tells people: what is attached, what is not, and why nothing could be.

/// What a loaded probe covers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeReport {
    /// Release of the running kernel.
    pub kernel: String,
    /// Programs that run: hooks by their tracepoint, programs behind the dispatcher by their call.
    pub attached: Vec<String>,
    /// Programs that this kernel refused, and why.
    pub refused: Vec<(String, String)>,
    /// What works less well than it could.
    pub warnings: Vec<String>,
    /// What no program sees on this kernel.
    pub not_covered: Vec<String>,
}

/// Why the kernel side did not start.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// A capability is missing.
    #[error(
        "missing capability {name}: run as root, or grant it with `setcap cap_bpf,cap_perfmon,cap_sys_resource,cap_sys_ptrace,cap_dac_read_search+ep` on the program"
    )]
    MissingCapability {
        /// Name of the capability.
        name: &'static str,
    },
    /// The kernel has no type information.
    #[error("kernel {release} has no BTF at {path}: it needs CONFIG_DEBUG_INFO_BTF=y ({reason})")]
    NoBtf {
        /// Release of the running kernel.
        release: String,
        /// Where it was looked for.
        path: &'static str,
        /// What the look said.
        reason: String,
    },
    /// The kernel is older than the oldest that is supported.
    #[error("kernel {release} is too old: 5.10 is the oldest supported")]
    KernelTooOld {
        /// Release of the running kernel.
        release: String,
    },
    /// The kernel refused a program that nothing works without.
    #[error("kernel {release} refused the hook {hook}: {reason}")]
    HookRefused {
        /// Release of the running kernel.
        release: String,
        /// The tracepoint.
        hook: String,
        /// What the kernel said.
        reason: String,
    },
    /// The kernel lacks a member that nothing works without.
    #[error("kernel {release} has no {member}")]
    MissingMember {
        /// Release of the running kernel.
        release: String,
        /// The member.
        member: &'static str,
    },
    /// The object is not one that this build can load.
    #[error("kernel object: {0}")]
    Object(String),
    /// A map could not be made or filled.
    #[error("BPF map {map}: {reason}")]
    Map {
        /// Its name.
        map: &'static str,
        /// What the kernel said.
        reason: String,
    },
    /// A file that describes the machine could not be read.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
}

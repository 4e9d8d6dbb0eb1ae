//! What the agent gives up once its programs are loaded. Capabilities are each thread's own: this comes before the second thread, and all have what
//! the first one has.

use anyhow::{Context as _, Result};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

use crate::config::Config;

/// What the work from there on takes, where it was given at all.
///
/// `BPF`, `PERFMON`, `NET_ADMIN`: programs are attached, and a reload may load others and write maps, for which kernels before 5.19 ask.
/// `SYS_PTRACE`, `DAC_READ_SEARCH`: processes are looked at after losses, what runtimes keep on disk when a container is met.
/// `DAC_OVERRIDE`: outputs may be opened anew in others' directories, and the sockets of rootless runtimes are others'.
const KEPT: CapabilitySet = CapabilitySet::BPF
    .union(CapabilitySet::PERFMON)
    .union(CapabilitySet::NET_ADMIN)
    .union(CapabilitySet::SYS_PTRACE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::DAC_OVERRIDE);

/// Sees to it that no core dump has what processes of the machine do: neither a file (the limit) nor a program that gets it (dumpable).
///
/// # Errors
/// The kernel refuses it.
pub(crate) fn leave_no_core() -> Result<()> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).context("cannot forbid core dumps")?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context("cannot forbid core dumps")
}

/// Gives up what is not needed, after the programs are loaded and before the second thread; where that is less than could be, it says why. A
/// sandbox that refuses it keeps nobody from watching.
pub(crate) fn after_loading(config: &Config) -> Option<String> {
    if config.outputs.program.is_some() {
        return Some("all are kept, for what program_output starts".to_owned());
    }
    give_up().err().map(|e| format!("all are kept: {e:#}"))
}

/// Gives up all capabilities but [`KEPT`], and the ways to more of them: the bounding set shrinks, and no program that is executed gets more
/// than there is.
///
/// # Errors
/// The kernel refuses it.
fn give_up() -> Result<()> {
    let context = "cannot give up capabilities";
    let CapabilitySets { permitted, effective, inheritable } =
        capabilities(None).context(context)?;
    // Shrinking the bounding set takes one of those that are given up.
    if effective.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all().difference(KEPT).iter() {
            if capability_is_in_bounding_set(capability).unwrap_or(false) {
                remove_capability_from_bounding_set(capability).context(context)?;
            }
        }
    }
    set_no_new_privs(true).context(context)?;
    let kept = CapabilitySets {
        permitted: permitted & KEPT,
        effective: effective & KEPT,
        inheritable: inheritable & KEPT,
    };
    set_capabilities(None, kept).context(context)
}

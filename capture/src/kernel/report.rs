//! What the loader tells people: what is attached, what is not, and why nothing could be.

use event::Slot;

use super::{
    bpf::verified_instructions,
    capabilities::{Capability, names, required},
    hooks::SocketHooks,
    load::{ENTER, EVENT_HOOKS, Loading, Probe},
    syscalls,
};

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
    /// Capabilities are missing that nothing works without.
    #[error(
        "missing {}: without {} nothing can be captured; run as root, or give the program what it needs: setcap cap_bpf,cap_perfmon,cap_net_admin,cap_sys_ptrace,cap_dac_read_search+ep PROGRAM (peregrine doctor says what each is for)",
        names(lacking),
        names(&required(lacking))
    )]
    MissingCapabilities {
        /// All that are lacking, also those without which less is seen.
        lacking: Vec<Capability>,
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

impl Probe {
    /// What is covered and what is not.
    #[must_use]
    pub fn report(&self) -> ProbeReport {
        let mut report = self.report.clone();
        report.attached.extend(self.links.iter().map(|(hook, _)| (*hook).to_owned()));
        let hooks = self.hooks.iter().flat_map(SocketHooks::attached);
        report.attached.extend(hooks.map(str::to_owned));
        let wanted = self.options.wanted();
        let interest = &wanted.interest;
        for (hook, ty) in EVENT_HOOKS.into_iter().filter(|(_, ty)| interest.contains(*ty)) {
            let known = self.event_hooks.iter().find(|(known, _)| *known == hook);
            if let Some((_, Some(reason))) = known {
                report.refused.push((hook.to_owned(), reason.clone()));
                report.not_covered.push(format!("{} at {hook}: program refused", ty.name()));
            }
        }
        if let Loading::Refused(reason) = &self.enter
            && self.notes_at_start(&wanted)
        {
            report.refused.push((ENTER.to_owned(), reason.clone()));
            let what = "what descriptors were when calls started: program refused";
            report.not_covered.push(what.to_owned());
        }
        if let Loading::Refused(reason) = &self.early {
            report.refused.push((Slot::EARLY.to_owned(), reason.clone()));
            let what = "calls on sockets that no rule can match end late: they cost more";
            report.warnings.push(what.to_owned());
        }
        if let Some(reason) = &self.iterators.sockets
            && syscalls::wants_history(interest, &wanted.asked)
        {
            report.refused.push(("seed_sockets".to_owned(), reason.clone()));
            let what = "which end of a socket from before the start a process is: program refused";
            report.not_covered.push(what.to_owned());
        }
        for (slot, calls) in syscalls::slots(&wanted) {
            let known = self.slots.iter().find(|(known, _)| *known == slot);
            match known {
                Some((_, None)) => report.attached.extend(calls.iter().map(|&c| c.to_owned())),
                Some((_, Some(reason))) if calls.is_empty() => {
                    report.refused.push((slot.program().to_owned(), reason.clone()));
                    let what = "which end of a socket a process is: program refused";
                    report.not_covered.push(what.to_owned());
                }
                Some((_, Some(reason))) => {
                    for call in calls {
                        report.refused.push((call.to_owned(), reason.clone()));
                        report.not_covered.push(format!("{call}: program refused"));
                    }
                }
                None => {}
            }
        }
        report
    }

    /// Instructions that the kernel's verifier followed in each program that is loaded, by name. Nothing from kernels before 5.16, which do not say.
    #[must_use]
    pub fn verified(&self) -> Vec<(String, u32)> {
        let of = |(name, _, fd): (&str, _, _)| Some((name.to_owned(), verified_instructions(fd)?));
        self.object.loaded().filter_map(of).collect()
    }
}

//! What the facts come to.

use capture::CAPABILITIES;

use super::facts::{BTF, Facts, Outbox, Runtime, Socket};
use crate::start::count;

/// How a thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// An agent starts and has less of something.
    Degraded,
    /// No agent starts.
    Missing,
}

impl Verdict {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Missing => "missing",
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) subject: &'static str,
    pub(super) verdict: Verdict,
    pub(super) says: String,
    /// What to change; none where all is well.
    pub(super) to_do: Option<String>,
}

fn ok(subject: &'static str, says: impl Into<String>) -> Finding {
    Finding { subject, verdict: Verdict::Ok, says: says.into(), to_do: None }
}

fn degraded(subject: &'static str, says: impl Into<String>, to_do: impl Into<String>) -> Finding {
    let (says, to_do) = (says.into(), Some(to_do.into()));
    Finding { subject, verdict: Verdict::Degraded, says, to_do }
}

fn missing(subject: &'static str, says: impl Into<String>, to_do: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Missing, ..degraded(subject, says, to_do) }
}

/// All lines, from the kernel up to the configuration.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut all = vec![kernel(facts), types(facts), lockdown(facts), namespaces(facts)];
    all.extend(capabilities(facts));
    all.extend([landlock(facts), seccomp(facts), memlock(facts)]);
    all.extend(programs(facts));
    all.push(ok("tracefs", "not needed: tracepoints are found by the kernel's types"));
    all.extend([cgroups(facts), proc(facts), memory(facts)]);
    all.extend(runtimes(facts));
    all.push(configuration(facts));
    all.extend(rules(facts));
    all.extend(facts.outbox.as_ref().map(outbox));
    all.extend(socket(facts));
    all.extend(web(facts));
    all
}

fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn kernel(Facts { release, .. }: &Facts) -> Finding {
    if version(release) < (5, 10) {
        return missing("kernel", release, "5.10 is the oldest that is supported");
    }
    ok("kernel", format!("{release}, 5.10 or later"))
}

fn types(facts: &Facts) -> Finding {
    if facts.has_btf {
        return ok("kernel types", format!("{BTF} can be read"));
    }
    let to_do = "take a kernel with CONFIG_DEBUG_INFO_BTF=y; in a container mount /sys";
    missing("kernel types", format!("{BTF} cannot be read"), to_do)
}

fn lockdown(facts: &Facts) -> Finding {
    match &*facts.lockdown {
        "" => ok("lockdown", "the kernel tells of none"),
        "confidentiality" => {
            let to_do = "start the kernel with lockdown=integrity";
            missing("lockdown", "confidentiality: no program may read the kernel's memory", to_do)
        }
        mode => ok("lockdown", mode),
    }
}

fn namespaces(facts: &Facts) -> Finding {
    if !facts.is_first_user_namespace {
        let says = "a user namespace of its own, in which capabilities are worth nothing to bpf(2)";
        return missing("namespaces", says, "run in the host's (systemd: PrivateUsers=no)");
    }
    if !facts.is_first_pid_namespace {
        let says = "a PID namespace of its own: processes from before the start are not known";
        return degraded("namespaces", says, "run in the host's (hostPID: true, --pid=host)");
    }
    ok("namespaces", "users and processes are the host's")
}

fn capabilities(facts: &Facts) -> impl Iterator<Item = Finding> {
    CAPABILITIES.into_iter().map(|capability| {
        let (name, serves) = (capability.name, capability.serves);
        if facts.capabilities.has(capability) {
            return ok(name, serves);
        }
        let says = format!("lacking: {serves}");
        let to_do = format!("run as root, or with {name} (setcap, AmbientCapabilities=)");
        if capability.is_required {
            missing(name, says, to_do)
        } else {
            degraded(name, says, to_do)
        }
    })
}

fn landlock(Facts { landlock, .. }: &Facts) -> Finding {
    const SUBJECT: &str = "Landlock";
    match landlock {
        None => {
            let says = "not in this kernel: an agent can open whatever its user can";
            degraded(SUBJECT, says, "take a kernel from 5.13 with it, and name it in lsm=")
        }
        Some((version, lacks)) if lacks.is_empty() => ok(SUBJECT, format!("version {version}")),
        // Kernels of distributions: nothing to be mended today.
        Some((version, lacks)) => {
            ok(SUBJECT, format!("version {version}, which does not bound {}", lacks.join(", ")))
        }
    }
}

fn seccomp(facts: &Facts) -> Finding {
    const SUBJECT: &str = "seccomp";
    if facts.seccomp_actions.split_whitespace().any(|action| action == "errno") {
        return ok(SUBJECT, "calls that an agent never makes can be refused to it");
    }
    let says = "no filters of calls in this kernel: an agent taken over can make all of them";
    degraded(SUBJECT, says, "take a kernel with CONFIG_SECCOMP_FILTER")
}

fn memlock(facts: &Facts) -> Finding {
    match facts.memlock {
        _ if version(&facts.release) >= (5, 11) => ok("memlock", "not asked for since 5.11"),
        None => ok("memlock", "unlimited"),
        Some(bytes) => {
            let says = format!("{} KiB, to which this kernel charges maps", bytes >> 10);
            degraded("memlock", says, "ulimit -l unlimited (LimitMEMLOCK=infinity)")
        }
    }
}

fn programs(facts: &Facts) -> Option<Finding> {
    const SUBJECT: &str = "programs";
    Some(match facts.programs.as_ref()? {
        Err(e) => missing(SUBJECT, one_line(e), "docs/operating.md tells of kernels"),
        Ok(report) if report.refused.is_empty() && report.warnings.is_empty() => {
            ok(SUBJECT, "the kernel takes those that these rules need")
        }
        Ok(report) => {
            let refused = report.refused.iter().map(|(name, why)| format!("{name} refused: {why}"));
            let all: Vec<_> = refused.chain(report.warnings.iter().cloned()).collect();
            degraded(SUBJECT, one_line(&all.join("; ")), "a start tells what is not covered for it")
        }
    })
}

/// Type and options of each mount at a place.
fn mounts<'a>(facts: &'a Facts, place: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    facts.mounts.lines().filter_map(move |line| {
        let (before, after) = line.split_once(" - ")?;
        (before.split(' ').nth(4)? == place).then_some(())?;
        let mut words = after.split(' ');
        Some((words.next()?, words.nth(1)?))
    })
}

fn cgroups(facts: &Facts) -> Finding {
    const SUBJECT: &str = "control groups";
    let is_v2 = |place| mounts(facts, place).any(|(kind, _)| kind == "cgroup2");
    if is_v2("/sys/fs/cgroup") {
        return ok(SUBJECT, "version 2");
    }
    if is_v2("/sys/fs/cgroup/unified") {
        return ok(SUBJECT, "version 1, with that of version 2 beside it");
    }
    let says = "version 2 is not mounted at /sys/fs/cgroup: no hooks of sockets";
    degraded(SUBJECT, says, "mount it; calls with an address cost some 20 ns more without")
}

fn proc(facts: &Facts) -> Finding {
    const SUBJECT: &str = "/proc";
    let mut options = mounts(facts, "/proc").flat_map(|(_, options)| options.split(','));
    let hides =
        options.find(|o| o.starts_with("hidepid=") && !matches!(*o, "hidepid=0" | "hidepid=off"));
    let sees_all =
        CAPABILITIES.iter().any(|&c| c.name == "CAP_SYS_PTRACE" && facts.capabilities.has(c));
    match hides {
        Some(option) if !sees_all => {
            let says = format!("{option}: processes of other users are hidden");
            degraded(SUBJECT, says, "give CAP_SYS_PTRACE, or mount it without")
        }
        Some(option) => ok(SUBJECT, format!("{option}, which CAP_SYS_PTRACE sees through")),
        None => ok(SUBJECT, "shows every process"),
    }
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

fn memory(facts: &Facts) -> Finding {
    const SUBJECT: &str = "memory";
    let Facts { n_possible_cpus, n_online_cpus, ring_bytes, memory, .. } = facts;
    let rings = (n_online_cpus * ring_bytes) as u64;
    let says = format!(
        "rings of {n_online_cpus} CPUs ({n_possible_cpus} possible) take {} MiB",
        mib(rings)
    );
    match *memory {
        Some(left) if rings > left / 2 => {
            let says = format!("{says}, {} MiB are left", mib(left));
            degraded(SUBJECT, says, "set peregrine.ring_bytes lower, or the limit on memory higher")
        }
        Some(left) => ok(SUBJECT, format!("{says} of {} MiB that are left", mib(left))),
        None => ok(SUBJECT, says),
    }
}

fn runtimes(facts: &Facts) -> Vec<Finding> {
    const SUBJECT: &str = "container runtimes";
    let Some(runtimes) = &facts.runtimes else {
        return vec![ok(SUBJECT, "not to be asked (peregrine.containers.enabled)")];
    };
    if runtimes.is_empty() {
        return vec![ok(SUBJECT, "none of the configured sockets is there")];
    }
    let line = |Runtime { socket, trouble }: &Runtime| match trouble {
        None => ok(SUBJECT, format!("{} answers", socket.display())),
        Some(why) => degraded(
            SUBJECT,
            format!("{}: {why}", socket.display()),
            "names and images of its containers are missing: let the agent's user open it",
        ),
    };
    runtimes.iter().map(line).collect()
}

fn configuration(facts: &Facts) -> Finding {
    const SUBJECT: &str = "configuration";
    match &facts.configuration {
        Some(Ok((files, 0))) => ok(SUBJECT, files),
        Some(Ok((files, n))) => {
            let says = format!("{files}: {}", count(*n, "remark"));
            degraded(SUBJECT, says, "peregrine config check tells them")
        }
        Some(Err(e)) => missing(SUBJECT, one_line(e), "peregrine config check tells all"),
        None => ok(SUBJECT, "built in"),
    }
}

fn rules(facts: &Facts) -> Option<Finding> {
    const SUBJECT: &str = "rules";
    Some(match facts.rules.as_ref()? {
        Ok((n, 0)) => ok(SUBJECT, count(*n, "rule")),
        Ok((n, n_remarks)) => {
            let says = format!("{}, {}", count(*n, "rule"), count(*n_remarks, "remark"));
            degraded(SUBJECT, says, "peregrine --dry-run and the agent's start tell them")
        }
        Err(e) => missing(SUBJECT, one_line(e), "peregrine rules check draws all"),
    })
}

fn outbox(Outbox { directory, max_bytes, free_bytes, is_writable }: &Outbox) -> Finding {
    const SUBJECT: &str = "outbox";
    let place = directory.display();
    if !is_writable {
        let to_do = "make it, or let the agent's user write it (peregrine.outbox.directory)";
        return missing(SUBJECT, format!("{place} cannot be written"), to_do);
    }
    match free_bytes {
        Some(free) if free < max_bytes => {
            let says = format!(
                "{place} may grow to {} MiB, {} MiB are free on its disk",
                mib(*max_bytes),
                mib(*free)
            );
            degraded(SUBJECT, says, "make room, or set peregrine.outbox.max_bytes lower")
        }
        _ => ok(SUBJECT, format!("{place} may grow to {} MiB, which are free", mib(*max_bytes))),
    }
}

fn socket(facts: &Facts) -> Option<Finding> {
    const SUBJECT: &str = "control socket";
    let (path, socket) = facts.socket.as_ref()?;
    let path = path.display();
    Some(match socket {
        Socket::Free => ok(SUBJECT, format!("{path} is free: no other agent")),
        Socket::Taken => {
            let to_do = "end it, or choose another path (--socket PATH)";
            missing(SUBJECT, format!("another agent answers at {path}"), to_do)
        }
        Socket::Unwritable => {
            let to_do =
                "make its directory for the agent's user, or choose another (--socket PATH)";
            missing(SUBJECT, format!("{path} cannot be made"), to_do)
        }
    })
}

fn web(facts: &Facts) -> Option<Finding> {
    const SUBJECT: &str = "web server";
    let (address, trouble) = facts.web.as_ref()?;
    Some(match trouble {
        None => ok(SUBJECT, format!("{address} is free")),
        Some(why) => missing(SUBJECT, one_line(why), "see webserver"),
    })
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

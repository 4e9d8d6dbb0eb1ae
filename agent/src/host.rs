//! What the agent asks of the machine it runs on.

use std::fs;

/// Name of the host: `FALCO_HOSTNAME` where it is set, as Falco reads it, else the kernel's.
pub(crate) fn hostname() -> String {
    if let Ok(name) = std::env::var("FALCO_HOSTNAME")
        && !name.is_empty()
    {
        return name;
    }
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Number of CPUs that the kernel may ever bring online; ids of CPUs are below it.
pub(crate) fn n_possible_cpus() -> usize {
    let text = fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
    let last = text
        .trim()
        .rsplit(',')
        .next()
        .and_then(|range| range.rsplit('-').next()?.parse::<usize>().ok());
    last.map_or_else(n_cpus, |last| last + 1)
}

/// Number of CPUs that this program may run on.
pub(crate) fn n_cpus() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Users and groups by id.
pub(crate) fn users() -> stages::Users {
    let read = |path: &str| fs::read(path).unwrap_or_default();
    stages::Users::from_files(&read("/etc/passwd"), &read("/etc/group"))
}

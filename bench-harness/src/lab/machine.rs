//! Where something was measured: a figure without its machine says nothing.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Serialize};

/// The machine, and what was measured on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// `2026-11-23`, UTC.
    pub(crate) date: String,
    pub(crate) kernel: String,
    pub(crate) cpu: String,
    pub(crate) n_cpus: usize,
    /// Whether the CPU says that it is a virtual one.
    pub(crate) is_virtual: bool,
    pub(crate) memory_kb: u64,
    /// What the kernel does against each weakness of the CPU.
    pub(crate) mitigations: BTreeMap<String, String>,
    /// `/proc/loadavg` before and after.
    pub(crate) load_before: String,
    pub(crate) load_after: String,
    /// A try with small counts, in which figures mean little.
    pub(crate) is_quick: bool,
    /// What each engine says of itself.
    pub(crate) engines: BTreeMap<String, String>,
    /// Engines that were not there, and why.
    pub(crate) missing: BTreeMap<String, String>,
    /// What the rules of each engine ask for.
    pub(crate) needed: BTreeMap<String, String>,
}

impl Machine {
    /// This one, now.
    pub(crate) fn here() -> Self {
        let cpuinfo = text("/proc/cpuinfo");
        let line = |key: &str| {
            let of = |l: &str| {
                Some(l.strip_prefix(key)?.trim_start_matches(['\t', ' ', ':']).to_owned())
            };
            cpuinfo.lines().find_map(of)
        };
        let mut mitigations = BTreeMap::new();
        let weaknesses = fs::read_dir("/sys/devices/system/cpu/vulnerabilities");
        for entry in weaknesses.into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            mitigations.insert(name, text(&entry.path().to_string_lossy()));
        }
        let memory = text("/proc/meminfo");
        let memory = memory.split_whitespace().nth(1).and_then(|n| n.parse().ok());
        Self {
            date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
            kernel: text("/proc/sys/kernel/osrelease"),
            cpu: line("model name").unwrap_or_else(|| "unknown".to_owned()),
            n_cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            is_virtual: line("flags").is_some_and(|f| f.split(' ').any(|f| f == "hypervisor")),
            memory_kb: memory.unwrap_or(0),
            mitigations,
            load_before: load(),
            ..Self::default()
        }
    }

    /// A name for folders: CPU and how many of them.
    pub(crate) fn slug(&self) -> String {
        let mut slug = String::new();
        for c in self.cpu.replace("(R)", "").replace("(TM)", "").to_lowercase().chars() {
            if c.is_ascii_alphanumeric() {
                slug.push(c);
            } else if !slug.ends_with('-') {
                slug.push('-');
            }
        }
        format!("{}-{}cpu", slug.trim_matches('-'), self.n_cpus)
    }
}

/// The load as it is now.
pub(crate) fn load() -> String {
    text("/proc/loadavg")
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_says_what_it_is() {
        let here = Machine::here();
        assert!(here.n_cpus > 0 && here.memory_kb > 0 && !here.kernel.is_empty(), "{here:?}");
        let cpu = "Intel(R) Xeon(R) Processor @ 2.90GHz".to_owned();
        let other = Machine { cpu, n_cpus: 2, ..here };
        assert_eq!(other.slug(), "intel-xeon-processor-2-90ghz-2cpu");
    }
}

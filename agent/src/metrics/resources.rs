//! What the agent takes of the machine, and what the machine has, as the kernel's files tell it.

use std::fs;

/// Of a moment. What the kernel does not tell is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Resources {
    /// CPU time of the agent by the time since its start; 1 is one core.
    pub(super) cpu_ratio: f64,
    pub(super) rss_bytes: u64,
    pub(super) vsz_bytes: u64,
    pub(super) pss_bytes: u64,
    /// Of the control group, where there is one of its own.
    pub(super) container_bytes: u64,
    /// Part of the machine's CPU time since its boot that was not idle.
    pub(super) host_cpu_ratio: f64,
    pub(super) host_memory_bytes: u64,
    pub(super) host_procs_running: u64,
    pub(super) host_open_fds: u64,
}

impl Resources {
    /// Reads some eight files.
    pub(super) fn read() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (stat, meminfo, host) =
            (text("/proc/self/stat"), text("/proc/meminfo"), text("/proc/stat"));
        let status = text("/proc/self/status");
        let used = kb(&meminfo, "MemTotal:").saturating_sub(
            kb(&meminfo, "MemFree:") + kb(&meminfo, "Buffers:") + kb(&meminfo, "Cached:"),
        );
        Self {
            cpu_ratio: cpu_ratio(
                &stat,
                &text("/proc/uptime"),
                rustix::param::clock_ticks_per_second(),
            ),
            rss_bytes: kb(&status, "VmRSS:") << 10,
            vsz_bytes: kb(&status, "VmSize:") << 10,
            pss_bytes: kb(&text("/proc/self/smaps_rollup"), "Pss:") << 10,
            container_bytes: container_bytes(),
            host_cpu_ratio: host_cpu_ratio(&host),
            host_memory_bytes: used << 10,
            host_procs_running: number_after(&host, "procs_running "),
            host_open_fds: first_number(&text("/proc/sys/fs/file-nr")),
        }
    }
}

/// As Falco finds it: a file of an environment variable, else that of the control group which a container sees as its own.
fn container_bytes() -> u64 {
    let given = std::env::var("FALCO_CGROUP_MEM_PATH").ok();
    let paths = ["/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory/memory.usage_in_bytes"];
    let all = given.into_iter().chain(paths.map(str::to_owned));
    all.filter_map(|path| fs::read_to_string(path).ok())
        .map(|text| first_number(&text))
        .next()
        .unwrap_or(0)
}

fn first_number(text: &str) -> u64 {
    text.split_ascii_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

fn number_after(text: &str, name: &str) -> u64 {
    text.lines().find_map(|line| line.strip_prefix(name)).map_or(0, first_number)
}

fn kb(text: &str, name: &str) -> u64 {
    number_after(text, name)
}

/// Fields 14, 15 and 22 of proc_pid_stat(5); the name before them may have blanks and parentheses.
fn cpu_ratio(stat: &str, uptime: &str, ticks_per_s: u64) -> f64 {
    let Some((_, behind)) = stat.rsplit_once(") ") else { return 0.0 };
    let fields: Vec<&str> = behind.split(' ').collect();
    let ticks = |n: usize| fields.get(n - 3).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    let second = ticks_per_s as f64;
    let uptime: f64 = uptime.split(' ').next().and_then(|s| s.parse().ok()).unwrap_or(0.0);
    let ran = uptime - ticks(22) / second;
    if ran > 0.0 { (ticks(14) + ticks(15)) / second / ran } else { 0.0 }
}

fn host_cpu_ratio(stat: &str) -> f64 {
    let line = stat.lines().next().unwrap_or_default();
    let n: Vec<f64> =
        line.split_ascii_whitespace().skip(1).take(8).filter_map(|n| n.parse().ok()).collect();
    let (all, idle) = (n.iter().sum::<f64>(), n.iter().skip(3).take(2).sum::<f64>());
    if all > 0.0 { (all - idle) / all } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_by_the_time_since_the_start() {
        let stat = "7 (a) b) S 1 1 1 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 7 0 1000 1 1";
        assert!((cpu_ratio(stat, "20.00 30.0\n", 100) - 0.2).abs() < 1e-9);
        assert!(cpu_ratio("", "", 100).abs() < 1e-9);
        assert!((host_cpu_ratio("cpu  10 0 10 70 10 0 0 0 0 0\n") - 0.2).abs() < 1e-9);
    }

    #[test]
    fn this_process_has_memory_and_so_has_the_machine() {
        let Resources { rss_bytes, vsz_bytes, pss_bytes, host_memory_bytes, host_open_fds, .. } =
            Resources::read();
        assert!(vsz_bytes > rss_bytes && rss_bytes > 1 << 20 && pss_bytes > 0);
        assert!(host_memory_bytes > 1 << 20 && host_open_fds > 0);
    }
}

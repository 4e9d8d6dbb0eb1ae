//! Which stressors of stress-ng make up a class, which are left out and why, and how a class is covered in a given time.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Left out, each group with its reason: the storm must end by itself, on loopback, and leave the machine as it was.
const LEFT_OUT: &[(&str, &[&str])] = &[
    (
        "fills memory until something is killed",
        &[
            "bigheap",
            "brk",
            "mlockmany",
            "mmaphuge",
            "mmapmany",
            "oom-pipe",
            "pageswap",
            "resources",
            "shm",
            "shm-sysv",
            "vm-segv",
        ],
    ),
    (
        "changes devices, CPUs, clocks or settings of the machine",
        &[
            "apparmor",
            "bad-ioctl",
            "binderfs",
            "clock",
            "cpu-online",
            "dev",
            "efivar",
            "file-ioctl",
            "idle-page",
            "kvm",
            "loop",
            "memhotplug",
            "netdev",
            "numa",
            "pci",
            "physpage",
            "quota",
            "ramfs",
            "reboot",
            "rtc",
            "swap",
            "sysfs",
            "tmpfs",
            "tun",
            "umount",
            "watchdog",
        ],
    ),
    ("clears the kernel log, which is read for complaints", &["klog"]),
    ("poisons pages of memory", &["madvise"]),
    (
        "asks for the CPU in real time, before everybody else",
        &["cyclic", "schedpolicy", "race-sched", "resched"],
    ),
    (
        "jumps to random instructions, or calls random system calls",
        &["opcode", "sysinval", "usersyscall", "x86syscall"],
    ),
    ("leaves processes behind", &["daemon", "forkheavy", "vforkmany", "zombie"]),
    ("reads files of every process, for minutes", &["procfs"]),
    ("mounts over mounts", &["bind-mount"]),
    ("makes trees that take long to remove", &["dirdeep", "dirmany", "filename"]),
    ("does not end when it is told to, with or without the agent", &["chdir", "mmapfork"]),
    ("needs a library or a program beside it", &["dynlib", "plugin"]),
];

/// The stressors of a class that are not left out, by name.
///
/// # Errors
/// stress-ng knows no such class.
pub(crate) fn of_class(class: &str) -> Result<Vec<String>> {
    let out = Command::new("stress-ng")
        .args(["--class", &format!("{class}?")])
        .output()
        .context("stress-ng cannot be run")?;
    let text = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
    let names = read_class(&text);
    ensure!(!names.is_empty(), "stress-ng has no class {class}: {}", text.trim());
    Ok(names)
}

/// Reads `class 'NAME' stressors: a b c`.
fn read_class(text: &str) -> Vec<String> {
    let names = text.split_once("stressors: ").map_or("", |(_, names)| names);
    names.split_whitespace().filter(|n| why_left_out(n).is_none()).map(str::to_owned).collect()
}

fn why_left_out(name: &str) -> Option<&'static str> {
    LEFT_OUT.iter().find(|(_, names)| names.contains(&name)).map(|(why, _)| *why)
}

/// Prints what is left out.
pub(crate) fn print_left_out() {
    for (why, names) in LEFT_OUT {
        println!("left out, {why}: {}", names.join(" "));
    }
}

/// Stressors that run at the same time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Group {
    names: Vec<String>,
    seconds: u64,
}

/// Groups that cover all names in about this time: none runs for less than a second, so several may run at once.
pub(crate) fn plan(names: &[String], seconds: u64) -> Vec<Group> {
    let n_groups = (seconds as usize).min(names.len()).max(1);
    let seconds = (seconds / n_groups as u64).max(1);
    (0..n_groups)
        .map(|i| Group {
            names: names.iter().skip(i).step_by(n_groups).cloned().collect(),
            seconds,
        })
        .collect()
}

impl Group {
    pub(crate) fn new(names: &[String], seconds: u64) -> Self {
        Self { names: names.to_vec(), seconds }
    }

    /// The command line: one worker of each, small files, an end even where one hangs.
    pub(crate) fn command(&self, dir: &Path) -> String {
        let Self { names, seconds } = self;
        let workers: Vec<String> = names.iter().map(|n| format!("--{n} 1")).collect();
        format!(
            "timeout -k 5 {} stress-ng {} --timeout {seconds}s --temp-path {} --oomable --no-rand-seed \
             --hdd-bytes 16m --fallocate-bytes 16m --iomix-bytes 16m --readahead-bytes 16m --copy-file-bytes 128m \
             --vm-bytes 32m --mmap-bytes 32m --mremap-bytes 16m --sendfile-size 1m --sync-file-bytes 16m",
            seconds + 15,
            workers.join(" "),
            dir.display(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("s{i}")).collect()
    }

    #[test]
    fn a_class_is_read_without_what_is_left_out() {
        let text = "class 'os' stressors: access watchdog fork reboot\n";
        assert_eq!(read_class(text), ["access", "fork"]);
        assert_eq!(read_class("Unknown class: 'x'"), [""; 0]);
    }

    #[test]
    fn a_plan_covers_every_name_once_in_the_time() {
        for (n, seconds) in [(3, 20), (20, 20), (130, 20), (130, 1), (1, 1)] {
            let plan = plan(&names(n), seconds);
            let mut all: Vec<String> = plan.iter().flat_map(|g| g.names.clone()).collect();
            all.sort();
            let mut want = names(n);
            want.sort();
            assert_eq!(all, want);
            let total: u64 = plan.iter().map(|g| g.seconds).sum();
            assert!(total <= seconds, "{n} in {seconds}: {total}");
        }
    }
}

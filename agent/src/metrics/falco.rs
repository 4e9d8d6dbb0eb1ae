//! Numbers under Falco's names, made of ours where the meaning is the same.

use std::collections::BTreeMap;

use perf::Snapshot;

use crate::live::WRITTEN_BY_CPU;

/// The kernel side, by Falco's names (`scap.*`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scap {
    /// Written or dropped.
    pub(super) n_evts: u64,
    pub(super) n_drops: u64,
    /// For want of room in a ring.
    pub(super) n_drops_buffer: u64,
    /// Of those the ones in Falco's groups, by group.
    pub(super) by_group: BTreeMap<&'static str, u64>,
    pub(super) n_drops_scratch: u64,
    /// By CPU: events, drops.
    pub(super) by_cpu: BTreeMap<u16, (u64, u64)>,
}

const RING_FULL: &str = "kernel.ring_full";

/// Falco's groups of calls.
pub(super) const GROUPS: [&str; 8] =
    ["clone_fork", "execve", "connect", "open", "dir_file", "other_interest", "close", "proc"];

impl Scap {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let get = |name| snapshot.get(name).unwrap_or(0);
        let hop = snapshot.hops.iter().find(|hop| hop.name == "kernel");
        let n_drops = hop.map_or(0, perf::HopReport::n_dropped);
        let mut by_cpu: BTreeMap<u16, (u64, u64)> = BTreeMap::new();
        for (name, n) in &snapshot.counters {
            if let Some(cpu) = name.strip_prefix(WRITTEN_BY_CPU).and_then(|n| n.parse().ok()) {
                by_cpu.entry(cpu).or_default().0 += n;
            }
        }
        let mut by_group: BTreeMap<_, _> = GROUPS.into_iter().map(|group| (group, 0)).collect();
        let dropped_by = |name: &str| {
            hop.is_some_and(|hop| {
                name.strip_prefix("kernel.")
                    .is_some_and(|name| hop.dropped.iter().any(|r| r.reason == name))
            })
        };
        for loss in snapshot.losses.iter().filter(|loss| dropped_by(&loss.name)) {
            if let Some(cpu) = loss.cpu {
                let (n_evts, n_drops) = by_cpu.entry(cpu).or_default();
                *n_evts += loss.n;
                *n_drops += loss.n;
            }
            if let (RING_FULL, Some(group)) = (&*loss.name, group_of(&loss.event_type)) {
                *by_group.entry(group).or_default() += loss.n;
            }
        }
        Self {
            n_evts: get("kernel.written") + n_drops,
            n_drops,
            n_drops_buffer: get(RING_FULL),
            by_group,
            n_drops_scratch: get("kernel.no_scratch"),
            by_cpu,
        }
    }
}

/// The group that a call counts in (`compute_event_types_stats` of falcosecurity/libs, driver/modern_bpf/helpers/store/ringbuf_store_params.h);
/// most count in none.
fn group_of(call: &str) -> Option<&'static str> {
    Some(match call {
        "clone" | "clone3" | "fork" | "vfork" => "clone_fork",
        "execve" | "execveat" => "execve",
        "connect" => "connect",
        "open" | "openat" | "openat2" | "creat" | "open_by_handle_at" => "open",
        "dup" | "chmod" | "fchmod" | "fchmodat" | "chown" | "lchown" | "fchown" | "fchownat"
        | "link" | "linkat" | "mkdir" | "mkdirat" | "mount" | "umount" | "rename" | "renameat"
        | "renameat2" | "rmdir" | "symlink" | "symlinkat" | "unlink" | "unlinkat" => "dir_file",
        "bpf" | "setpgid" | "ptrace" | "seccomp" | "setns" | "setresgid" | "setresuid"
        | "setsid" | "unshare" | "capset" => "other_interest",
        "close" => "close",
        "procexit" | "sched_process_exit" => "proc",
        _ => return None,
    })
}

/// Alerts that queues of sinks had no room for.
pub(super) fn n_queue_drops(snapshot: &Snapshot) -> u64 {
    let is_full = |name: &str| name.starts_with("outputs.") && name.ends_with(".lost_queue_full");
    snapshot.counters.iter().filter(|(name, _)| is_full(name)).map(|(_, n)| n).sum()
}

#[cfg(test)]
mod tests {
    use perf::{Hop, Moment, Registry};

    use super::*;

    #[test]
    fn drops_are_among_the_events_and_count_by_group_and_cpu() {
        let mut registry = Registry::new();
        registry.external([RING_FULL, "kernel.no_scratch", "kernel.written"], |to| {
            to.count("kernel.written", 90);
            to.count(&format!("{WRITTEN_BY_CPU}0"), 90);
            to.loss(RING_FULL, Some(1), "openat", 6);
            to.loss(RING_FULL, Some(1), "read", 3);
            to.loss("kernel.no_scratch", Some(0), "openat", 1);
            // A program that was skipped; no event is known of it.
            to.loss("kernel.recursion_misses", None, "sys_exit", 5);
        });
        let hop = Hop::new("kernel").output("kernel.written");
        registry
            .hop(hop.dropped("ring_full", RING_FULL).dropped("no_scratch", "kernel.no_scratch"));
        let scap = Scap::of(&registry.counts(Moment::Final));
        assert_eq!(
            (scap.n_evts, scap.n_drops, scap.n_drops_buffer, scap.n_drops_scratch),
            (100, 10, 9, 1)
        );
        assert_eq!((scap.by_group["open"], scap.by_group["close"]), (6, 0));
        assert_eq!(scap.by_cpu, BTreeMap::from([(0, (91, 1)), (1, (9, 9))]));
    }
}

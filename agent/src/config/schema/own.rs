//! Keys of ours, below `peregrine`.

use super::Key;
use super::Kind::{Bool, Text, Texts, Whole};

/// Threads beyond this are a typing error, not a machine.
const MAX_THREADS: u64 = 1024;

/// Entries of a table of the kernel side: memory of the kernel, taken at the start.
const ENTRIES: super::Kind = Whole(1, 4 << 20);

/// Bytes of a table.
const BYTES: super::Kind = Whole(64 << 10, 1 << 40);

const fn key(
    path: &'static str,
    kind: super::Kind,
    default: &'static str,
    about: &'static str,
) -> Key {
    Key::new(path, kind, default, about)
}

#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    key("peregrine.shards", Whole(1, MAX_THREADS), "null",
        "Number of shards, the threads that follow processes and evaluate rules; null chooses by the number of CPUs. --shards wins."),
    key("peregrine.capture_threads", Whole(1, MAX_THREADS), "null",
        "Number of threads that read the kernel's rings; in a replay, lanes that are fed. null chooses by the number of CPUs. --capture-threads wins."),
    key("peregrine.single_thread", Bool, "false",
        "Capture, shards and outputs on one thread. So does --single-thread."),
    key("peregrine.pinning", Bool, "true",
        "Of several capture threads each is bound to the CPUs whose rings it reads."),
    key("peregrine.spread", Bool, "true",
        "Frames of a process that is too busy for one shard go to several."),
    key("peregrine.push_down", Bool, "true",
        "The kernel rejects events that no rule can match (docs/push-down.md). --push-down wins."),
    key("peregrine.all_syscalls", Bool, "false",
        "Captures every system call, not only those that the rules need. So does --all-syscalls."),
    key("peregrine.scope_pid", Whole(1, u32::MAX as u64), "null",
        "Watches only this process and what it starts. --scope-pid wins."),
    key("peregrine.resolve_names", Bool, "true",
        "Asks the machine's resolver for the host names that rules compare addresses with."),
    key("peregrine.socket", Text, "/run/peregrine/peregrine.sock",
        "Unix socket that `peregrine stats`, `rules reload` and `rules profile` ask. --socket wins."),
    key("peregrine.write", Text, "\"\"",
        "Writes what is captured to this file (.scap) while alerting; empty: none. -w wins."),
    key("peregrine.ring_bytes", Whole(64 << 10, 1 << 30), "null",
        "Bytes of each CPU's ring, a power of two; null takes engine.modern_ebpf.buf_size_preset."),
    key("peregrine.lane_capacity", Whole(1, 4096), "8",
        "Batches that wait between a capture thread and a shard."),
    key("peregrine.batch_frames", Whole(1, 65_536), "512",
        "Frames of a batch."),
    // A batch must hold the largest frame.
    key("peregrine.batch_bytes", Whole(event::MAX_FRAME_LEN as u64, 64 << 20), "262144",
        "Bytes of a batch."),
    key("peregrine.alert_lane_capacity", Whole(1, 1 << 20), "4096",
        "Alerts of each shard that wait for the outputs; one that finds no room is counted as lost."),
    key("peregrine.late_after_ms", Whole(1, 60_000), "1000",
        "How long a shard waits for a silent capture thread, in milliseconds."),
    key("peregrine.repair.rate", Whole(0, 100_000), "200",
        "Processes looked at in a second after an event that changed them was lost; 0 leaves them marked."),
    key("peregrine.repair.simulate_drops", Whole(0, 1 << 30), "0",
        "For tests: one in so many of the frames that tell of changes of processes is dropped in the kernel; 0 drops none."),
    key("peregrine.capture.before_ms", Whole(0, 600_000), "5000",
        "A recording around an alert (capture.enabled) begins so many milliseconds before it."),
    key("peregrine.capture.before_bytes", Whole(1 << 20, 1 << 30), "8388608",
        "Bytes of what is kept for that."),
    key("peregrine.containers.enabled", Bool, "true",
        "Asks container runtimes for what only they know (docs/containers.md)."),
    key("peregrine.containers.docker_sockets", Texts, "null",
        "Sockets of docker; null looks where they are as a rule, [] asks none."),
    key("peregrine.containers.podman_sockets", Texts, "null",
        "Sockets of podman."),
    key("peregrine.containers.cri_sockets", Texts, "null",
        "Sockets of runtimes that speak CRI."),
    key("peregrine.containers.containerd_sockets", Texts, "null",
        "Sockets of containerd."),
    key("peregrine.containers.host_root", Text, "/",
        "Where the host's root is mounted, for an agent in a container."),
    key("peregrine.containers.reads_disk", Bool, "true",
        "Reads what runtimes keep on disk where no socket answers."),
    key("peregrine.containers.deferral_ms", Whole(0, 60_000), "500",
        "How long an event waits for what a runtime knows, in milliseconds; deferred events are counted."),
    key("peregrine.containers.deferral_events", Whole(1, 1 << 20), "8192",
        "Events of a shard that may wait so."),
    key("peregrine.containers.deferral_bytes", Whole(64 << 10, 1 << 30), "8388608",
        "Bytes of them."),
    key("peregrine.limits.process_table_bytes", BYTES, "268435456",
        "Bound (docs/bounds.md has all of them): memory of processes with what they run."),
    key("peregrine.limits.address_names_bytes", BYTES, "16777216",
        "Bound: memory of names of addresses."),
    key("peregrine.limits.containers", ENTRIES, "16384",
        "Bound: containers that are known."),
    key("peregrine.limits.container_bytes", BYTES, "67108864",
        "Bound: memory of what runtimes told of them."),
    key("peregrine.limits.container_questions", Whole(1, 1 << 20), "4096",
        "Bound: questions to runtimes that wait."),
    key("peregrine.limits.host_names", Whole(1, 1 << 20), "1024",
        "Bound: names that the resolver is asked for."),
    // Each part of it holds what a block of the file may have, at least.
    key("peregrine.limits.recording_bytes", Whole(8 << 20, 1 << 40), "2147483648",
        "Bound: memory of what is kept of a recording beside processes while it is replayed."),
    key("peregrine.limits.scope_processes", ENTRIES, "65536",
        "Bound: processes that a scope follows at a time, in the kernel."),
    key("peregrine.limits.noted_calls", ENTRIES, "8192",
        "Bound: calls under way that the kernel side keeps notes of."),
    key("peregrine.limits.sockets", ENTRIES, "32768",
        "Bound: sockets that the kernel side knows the role of."),
    key("peregrine.limits.lost_processes", ENTRIES, "4096",
        "Bound: processes marked because an event of theirs was lost."),
];

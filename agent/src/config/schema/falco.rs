//! Keys of Falco, and what becomes of them here.

use super::Does::{Nothing, Other, Removed};
use super::Kind::{
    Anything, Bool, Entries, Inclusions, Interval, Priority, Real, Text, TextMap, Texts, Whole,
    Word,
};
use super::When::{self, Changed, On, Set};
use super::{ANY_WHOLE, Key, Kind, Remark};

const fn key(path: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Key {
    Key::new(path, kind, default, about)
}

const fn remark(topic: &'static str, why: &'static str, when: When) -> Remark {
    Remark { topic, why, when }
}

const KMOD: Remark =
    remark("engine.kmod", "nothing here: there is no kernel module, events come through eBPF", Set);
const RINGS: Remark = remark(
    "engine.modern_ebpf.cpus_for_each_buffer",
    "nothing here: each CPU has a ring of its own, which is what keeps events in order",
    Set,
);
const PLUGINS: Remark = remark(
    "plugins",
    "nothing here: no plugin is loaded; what the container plugin does is built in, rules of other plugins' sources see no events",
    Set,
);
const LOG: Remark =
    remark("log_*", "nothing here: what the agent has to say goes to stderr, all of it", Set);
const PURGING: Remark = remark(
    "falco_libs.thread_table_auto_purging_*",
    "nothing here: a process leaves the table when it has ended and nobody asks for it any more, not by age",
    Set,
);
const NO_SUCH_METRICS: Remark = remark(
    "metrics.*",
    "kernel_iter_event_counters_enabled, plugins_metrics_enabled and jemalloc_stats_enabled mean nothing here: BPF iterators are read at the start alone, and there are no plugins and no jemalloc",
    On("metrics.enabled"),
);
const BPF_STATS: Remark = remark(
    "metrics.libbpf_stats_enabled",
    "nothing here: the kernel keeps runs of programs for `bpftool prog` where kernel.bpf_stats_enabled is set; what programs did is told by the counters of the kernel side",
    On("metrics.enabled"),
);
const RUNTIMES: Remark = remark(
    "container_engines",
    "nothing here: bpm, lxc and libvirt_lxc have no runtime to ask, and questions never block events longer than peregrine.containers.deferral_ms",
    Set,
);
const NOT_IN_FALCO: &str = "nothing here, and no key of Falco's any more";

const LEVELS: Kind =
    Word(&["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"]);
const LIBS_LEVELS: Kind =
    Word(&["fatal", "critical", "error", "warning", "notice", "info", "debug", "trace"]);

/// Engines whose events come from the running kernel.
const ENGINES: Kind = Word(&["modern_ebpf", "kmod", "ebpf", "replay", "nodriver"]);

#[rustfmt::skip]
const SELECTED: &[Key] = &[
    key("rule", Text, "null", "Name of a rule, in which * stands for any text."),
    key("tag", Text, "null", "A tag of rules."),
];

#[rustfmt::skip]
const SELECTION: &[Key] = &[
    key("enable", Kind::Map(SELECTED), "null", "Enables the rules that fit."),
    key("disable", Kind::Map(SELECTED), "null", "Disables the rules that fit."),
];

#[rustfmt::skip]
const PLUGIN: &[Key] = &[
    key("name", Text, "null", "Name of the plugin."),
    key("library_path", Text, "null", "Its file."),
    key("init_config", Anything, "null", "What it is given at its start."),
    key("open_params", Text, "null", "What it is to open."),
];

#[rustfmt::skip]
const MATCH: &[Key] = &[
    key("source", Text, "null", "Source that the rules have."),
    key("tags", Texts, "null", "Tags, all of which they have."),
    key("rule", Text, "null", "Name of a rule."),
];

#[rustfmt::skip]
const APPENDED: &[Key] = &[
    key("match", Kind::Map(MATCH), "null", "Rules that are meant; null means all."),
    key("extra_output", Text, "null", "Text added to their output, behind a blank."),
    key("extra_fields", Kind::TextsAndMaps, "null", "What is added to output_fields of their JSON: names of fields, and maps {name: text with %fields}."),
    key("suggested_output", Bool, "null", "Adds name=%name of each field that is suggested: those of containers and pods, and static.*."),
];

#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    key("config_files", Inclusions, "[]",
        "Further files, and directories whose files are read sorted by name; each a path, or a map {path, strategy} with strategy append (top-level lists are joined, other top-level keys replaced), override (replaced) or add-only (only keys that are not there yet). Entries that are not there are skipped. Falco reads /etc/falco/config.d where the key is absent, Peregrine nothing."),
    key("watch_config_files", Bool, "true",
        "Reads configuration and rules anew when a file of theirs changes (docs/reload.md)."),
    key("rules_files", Texts, "null",
        "Rule files that end in .yaml or .yml, and directories of them, in order; null takes the rules that the program carries. -r wins."),
    key("rules_file", Texts, "null", "Old name of rules_files.")
        .does(Other(remark("rules_file", "deprecated; the key is rules_files", Set))),
    key("rules", Entries(SELECTION), "[]",
        "Enables and disables rules once they are loaded; entries `enable` or `disable` with a `rule`, in which * stands for any text, or a `tag`, in order, the last that fits a rule decides."),
    key("engine.kind", ENGINES, "modern_ebpf",
        "modern_ebpf watches the running kernel, replay reads engine.replay.capture_file; kmod and ebpf mean modern_ebpf. Falco's default is kmod; nodriver is refused, since there are no plugins that give events."),
    key("engine.kmod.buf_size_preset", Whole(1, 10), "4", "Of Falco's kernel module.").does(Nothing(KMOD)),
    key("engine.kmod.drop_failed_exit", Bool, "false", "Of Falco's kernel module.").does(Nothing(KMOD)),
    key("engine.modern_ebpf.cpus_for_each_buffer", ANY_WHOLE, "2", "CPUs that share a ring in Falco.").does(Nothing(RINGS)),
    key("engine.modern_ebpf.buf_size_preset", Whole(1, 10), "4",
        "Size of each CPU's ring: 1 is 1 MiB, and each step twice as much, up to 10, 512 MiB. peregrine.ring_bytes wins.")
        .does(Other(remark("engine.modern_ebpf.buf_size_preset", "the size of each CPU's ring, not of a buffer that CPUs share; peregrine.ring_bytes wins", Changed))),
    key("engine.modern_ebpf.drop_failed_exit", Bool, "false", "Leaves out calls that failed.")
        .does(Nothing(remark("engine.modern_ebpf.drop_failed_exit", "nothing here: calls that failed are captured where a rule can match them, and rejected in the kernel where none can", Changed))),
    key("engine.modern_ebpf.disable_iterators", Bool, "false", "Reads the processes of the start from /proc alone.")
        .does(Nothing(remark("engine.modern_ebpf.disable_iterators", "nothing here: processes of the start come from BPF iterators where the kernel has them, else from /proc", Changed))),
    key("engine.replay.capture_file", Text, "\"\"", "The recording that engine.kind replay reads."),
    key("load_plugins", Texts, "null", "Plugins that are loaded.").does(Nothing(PLUGINS)),
    key("plugins", Entries(PLUGIN), "[]", "Plugins that there are.").does(Nothing(PLUGINS)),
    key("plugins_hostinfo", Bool, "true", "Gives plugins what /proc says.").does(Nothing(PLUGINS)),
    key("time_format_iso_8601", Bool, "false", "Times of alerts in ISO 8601."),
    key("buffer_format_base64", Bool, "false", "Bytes that are read and written (evt.buffer, evt.arg.data) in base64."),
    key("priority", Priority, "debug", "The least severe priority whose rules are loaded."),
    key("json_output", Bool, "false", "Alerts as JSON objects, one a line. So does --json."),
    key("json_include_output_property", Bool, "true", "With `output`."),
    key("json_include_message_property", Bool, "false", "With `message`, the output without time and priority."),
    key("json_include_output_fields_property", Bool, "true", "With `output_fields`."),
    key("json_include_tags_property", Bool, "true", "With `tags`."),
    key("buffered_outputs", Bool, "false", "Lets alerts wait in a buffer.")
        .does(Nothing(remark("buffered_outputs", "nothing here: alerts are written as soon as no further one waits, so that -U has nothing to do", Changed))),
    key("rule_matching", Word(&["first", "all"]), "first", "Whether the first rule that matches an event raises an alert, or all do."),
    key("outputs_queue.capacity", Whole(0, 1 << 20), "0", "Alerts that wait for each output; 0 means 16384, where it is no bound in Falco. peregrine.outputs.<output>.queue_alerts wins.")
        .does(Other(remark("outputs_queue.capacity", "each output has a queue of its own with this many places; 0 means 16384, since no queue is without a bound", Set))),
    key("append_output", Entries(APPENDED), "[]",
        "Adds to the outputs of rules, entry after entry. The file that Falco ships has [{suggested_output: true}]."),
    key("static_fields", TextMap, "{}", "Names and texts, each the field static.NAME of conditions and outputs."),
    key("stdout_output.enabled", Bool, "true", "Alerts on stdout. Falco's default is false, the file that it ships says true."),
    key("syslog_output.enabled", Bool, "false", "Alerts to syslog; peregrine.outputs.syslog says where."),
    key("file_output.enabled", Bool, "false", "Alerts to a file."),
    key("file_output.keep_alive", Bool, "false",
        "Goes on writing to the file when it was moved away, until SIGUSR1; false looks before each write whether the path still names it, and makes it anew."),
    key("file_output.filename", Text, "\"\"", "The file, which is appended to."),
    key("http_output.enabled", Bool, "false",
        "Posts each alert to a server (docs/outputs.md). Falco forgets an alert whose post failed; here it waits and is tried again, and only an answer of 2xx counts as delivered."),
    key("http_output.url", Text, "\"\"", "Where to: https://HOST[:PORT]/PATH or http://..., with a name and password before the host where the server wants them."),
    key("http_output.user_agent", Text, "falcosecurity/falco", "The header of that name; empty: none."),
    key("http_output.insecure", Bool, "false", "Without a look at the server's certificate."),
    key("http_output.ca_cert", Text, "\"\"", "File with the certificate of who signed the server's. Of the three that say this the first that is not empty holds."),
    key("http_output.ca_bundle", Text, "\"\"", "File with several of them."),
    key("http_output.ca_path", Text, "/etc/ssl/certs", "Directory of such files; they need no names by hash."),
    key("http_output.mtls", Bool, "false", "Shows the server a certificate."),
    key("http_output.client_cert", Text, "/etc/ssl/certs/client.crt", "That certificate, followed by those between it and its authority."),
    key("http_output.client_key", Text, "/etc/ssl/certs/client.key", "Its key, not encrypted."),
    key("http_output.echo", Bool, "false", "Prints what the server answers to standard output, up to 64 KiB of each answer, without control characters."),
    key("http_output.compress_uploads", Bool, "false", "Sends bodies in gzip (Content-Encoding: gzip), which the server must understand. Falco asks for compressed answers instead, and compresses nothing."),
    key("http_output.keep_alive", Bool, "false", "TCP probes an idle connection each minute. Connections are used again in any case, as by Falco."),
    key("http_output.max_consecutive_timeouts", Whole(0, u32::MAX as u64), "null",
        "How often a post that timed out is tried again before its alert is lost (lost_gave_up); null: without end. Falco's default is 5."),
    key("program_output.enabled", Bool, "false", "Alerts to a program."),
    key("program_output.keep_alive", Bool, "false", "One process for all alerts, until SIGUSR1; false starts one for each."),
    key("program_output.program", Text, "\"\"", "A command line for /bin/sh, which reads each alert as a line. What it prints goes to stderr, since stdout has alerts."),
    key("webserver.enabled", Bool, "false",
        "Answers over HTTP: whether it works, versions, and metrics (docs/metrics.md). One thread does it. Not of a replay. Falco's default is false, the file that it ships says true."),
    key("webserver.threadiness", ANY_WHOLE, "0",
        "Threads for that in Falco.")
        .does(Nothing(remark("webserver.threadiness", "nothing here: one thread answers, which takes next to nothing", Changed))),
    key("webserver.listen_port", Whole(0, 65_535), "8765",
        "Port; 0 takes one that is free, and the start says which."),
    key("webserver.listen_address", Text, "127.0.0.1",
        "Address, of IPv4 or IPv6. Falco's default is 0.0.0.0, which is every address of the machine."),
    key("webserver.k8s_healthz_endpoint", Text, "/healthz",
        "Path that answers 200 where events are taken in, and 503 with the reason where a thread that takes them in or evaluates them has come to a stand."),
    key("webserver.prometheus_metrics_enabled", Bool, "false",
        "All counters and latencies at /metrics, for Prometheus. It takes metrics.enabled, too, as in Falco."),
    key("webserver.ssl_enabled", Bool, "false",
        "With TLS."),
    key("webserver.ssl_certificate", Text, "/etc/falco/falco.pem",
        "File in PEM with the key and the certificate for that."),
    key("log_stderr", Bool, "false", "The agent's messages on stderr.").does(Nothing(LOG)),
    key("log_syslog", Bool, "false", "The agent's messages to syslog.").does(Nothing(LOG)),
    key("log_level", LEVELS, "info", "The least severe of them.").does(Nothing(LOG)),
    key("libs_logger.enabled", Bool, "true", "Messages of Falco's libraries.").does(Nothing(LOG)),
    key("libs_logger.severity", LIBS_LEVELS, "info", "The least severe of them.").does(Nothing(LOG)),
    key("output_timeout", Whole(0, 3_600_000), "2000", "Milliseconds after which an output that blocks is reported. At the end peregrine.end_within_ms counts."),
    key("syscall_event_timeouts.max_consecutives", Whole(1, u64::MAX), "1000", "Empty reads in a row before Falco says so.")
        .does(Nothing(remark("syscall_event_timeouts", "nothing here: a ring that is empty is waited for, not read", Set))),
    key("syscall_event_drops.threshold", Real(0.0, 1.0), "0.1", "Share of a second's events that must be dropped before something is done."),
    key("syscall_event_drops.actions", Texts, "[log, alert]", "What is done then: ignore, or any of log, alert, exit. Falco's default is ignore, the file that it ships has [log, alert]."),
    key("syscall_event_drops.rate", Real(0.0, f64::INFINITY), "0.03333", "How often in a second that may be, on average."),
    key("syscall_event_drops.max_burst", Real(0.0, f64::INFINITY), "1", "How often it may be at once."),
    key("syscall_event_drops.simulate_drops", Bool, "false", "For tests: each second counts as one with a drop."),
    key("metrics.enabled", Bool, "false",
        "Tells the counters (docs/metrics.md): as snapshots by the next keys, and at /metrics where webserver.prometheus_metrics_enabled is true."),
    key("metrics.interval", Interval, "5000ms",
        "How often a snapshot is taken. The file that Falco ships says 1h."),
    key("metrics.output_rule", Bool, "false",
        "Snapshots as alerts `Peregrine internal: metrics snapshot`, Informational, which Falco calls `Falco internal: metrics snapshot`."),
    key("metrics.output_file", Text, "\"\"",
        "Snapshots as lines of JSON at the end of this file, which is opened once."),
    key("metrics.rules_counters_enabled", Bool, "true",
        "With how often each rule matched."),
    key("metrics.resource_utilization_enabled", Bool, "true",
        "With CPU and memory of the agent and the machine."),
    key("metrics.state_counters_enabled", Bool, "true",
        "With what is kept of processes, containers and names."),
    key("metrics.kernel_event_counters_enabled", Bool, "true",
        "With the counters of the kernel side."),
    key("metrics.kernel_event_counters_per_cpu_enabled", Bool, "false",
        "With those of each CPU, which on a machine of many CPUs are many. Falco's default is true, the file that it ships says false."),
    key("metrics.kernel_iter_event_counters_enabled", Bool, "true",
        "With those of BPF iterators.")
        .does(Nothing(NO_SUCH_METRICS)),
    key("metrics.libbpf_stats_enabled", Bool, "true",
        "With runs of the programs.")
        .does(Nothing(BPF_STATS)),
    key("metrics.plugins_metrics_enabled", Bool, "true",
        "With those of plugins.")
        .does(Nothing(NO_SUCH_METRICS)),
    key("metrics.jemalloc_stats_enabled", Bool, "true",
        "With those of the allocator.")
        .does(Nothing(NO_SUCH_METRICS)),
    key("metrics.convert_memory_to_mb", Bool, "true",
        "Memory of snapshots in MB, where false is kB."),
    key("metrics.include_empty_values", Bool, "false",
        "Snapshots with what is 0."),
    key("base_syscalls.custom_set", Texts, "[]",
        "Events and calls that are captured beside what rules ask for; with ! before the name, those that are not. It adds to what processes are followed by, where Falco's takes the place of it."),
    key("base_syscalls.repair", Bool, "false", "Captures what Falco's process table needs.")
        .does(Nothing(remark("base_syscalls.repair", "nothing to repair, what rules read of processes is always followed", Changed))),
    key("base_syscalls.all", Bool, "false", "Captures calls that read and write in Falco.")
        .does(Nothing(remark("base_syscalls.all", "no call that a rule asks for is left out anyway; peregrine.all_syscalls captures every call", Changed))),
    key("falco_libs.thread_table_size", Whole(1, 4 << 20), "262144",
        "Processes that are known at a time (Falco's counts threads). One more is counted as lineage.refused, and its alerts are marked lineage_unknown.")
        .does(Other(remark("falco_libs.thread_table_size", "counts processes here, threads in Falco", Set))),
    key("falco_libs.thread_table_auto_purging_interval_s", ANY_WHOLE, "300", "How often Falco looks for old threads.").does(Nothing(PURGING)),
    key("falco_libs.thread_table_auto_purging_thread_timeout_s", ANY_WHOLE, "300", "How old they may be.").does(Nothing(PURGING)),
    key("falco_libs.snaplen", Whole(0, capture::MAX_SNAPLEN as u64), "80",
        "Bytes kept of each buffer that is read or written; 0 is the default. --snaplen wins."),
    key("capture.enabled", Bool, "false", "Records what was around alerts (docs/recordings.md)."),
    key("capture.path_prefix", Text, "/tmp/falco", "Files are <prefix>_<time>_<number>.scap."),
    key("capture.mode", Word(&["rules", "all_rules"]), "rules", "Around alerts of rules with `capture: true`, or of all."),
    key("capture.default_duration", Whole(1, 86_400_000), "5000", "Milliseconds after the alert, where the rule has no capture_duration."),
    key("capture.max_file_size_mb", Whole(0, 1 << 20), "0", "A file that has reached it ends; 0 is no limit."),
    key("container_engines.docker.enabled", Bool, "true", "Asks docker. These keys are of Falco before 0.41; peregrine.containers wins."),
    key("container_engines.docker.sockets", Texts, "null", "At these sockets."),
    key("container_engines.podman.enabled", Bool, "true", "Asks podman."),
    key("container_engines.podman.sockets", Texts, "null", "At these sockets."),
    key("container_engines.cri.enabled", Bool, "true", "Asks runtimes that speak CRI."),
    key("container_engines.cri.sockets", Texts, "null", "At these sockets."),
    key("container_engines.cri.disable_async", Bool, "false", "Lets an event wait until the runtime has answered.").does(Nothing(RUNTIMES)),
    key("container_engines.containerd.enabled", Bool, "true", "Asks containerd."),
    key("container_engines.containerd.sockets", Texts, "null", "At these sockets."),
    key("container_engines.lxc.enabled", Bool, "true", "Asks lxc.").does(Nothing(RUNTIMES)),
    key("container_engines.libvirt_lxc.enabled", Bool, "true", "Asks libvirt.").does(Nothing(RUNTIMES)),
    key("container_engines.bpm.enabled", Bool, "true", "Asks bpm.").does(Nothing(RUNTIMES)),
    key("engine.ebpf", Anything, "null", "Of Falco's older eBPF probe.").does(Removed(remark("engine.ebpf", NOT_IN_FALCO, Set))),
    key("engine.gvisor", Anything, "null", "Of Falco's engine for gVisor.").does(Removed(remark("engine.gvisor", NOT_IN_FALCO, Set))),
    key("grpc", Anything, "null", "Falco's gRPC server.").does(Removed(remark("grpc", NOT_IN_FALCO, Set))),
    key("grpc_output", Anything, "null", "Alerts over gRPC.").does(Removed(remark("grpc_output", NOT_IN_FALCO, Set))),
    key("outputs", Anything, "null", "Falco's old bound of the rate of alerts.").does(Removed(remark("outputs", NOT_IN_FALCO, Set))),
    key("syscall_buf_size_preset", Anything, "null", "Old place of engine.modern_ebpf.buf_size_preset.").does(Removed(remark("syscall_buf_size_preset", "nothing here, and no key of Falco's any more; the key is engine.modern_ebpf.buf_size_preset", Set))),
];

//! The keys that are read, as written: every key optional, of the types that the schema has made sure of.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Written {
    pub(super) append_output: Vec<Append>,
    pub(super) buffer_format_base64: Option<bool>,
    pub(super) capture: Capture,
    pub(super) container_engines: ContainerEngines,
    pub(super) base_syscalls: BaseSyscalls,
    pub(super) engine: Engine,
    pub(super) falco_libs: FalcoLibs,
    pub(super) file_output: FileOutput,
    pub(super) http_output: HttpOutput,
    pub(super) json_include_message_property: Option<bool>,
    pub(super) json_include_output_fields_property: Option<bool>,
    pub(super) json_include_output_property: Option<bool>,
    pub(super) json_include_tags_property: Option<bool>,
    pub(super) json_output: Option<bool>,
    pub(super) metrics: Metrics,
    pub(super) output_timeout: Option<u64>,
    pub(super) outputs_queue: OutputsQueue,
    pub(super) peregrine: Peregrine,
    pub(super) priority: Option<String>,
    pub(super) rule_matching: Option<String>,
    pub(super) rules: Option<Vec<Selection>>,
    pub(super) rules_file: Option<Vec<PathBuf>>,
    pub(super) rules_files: Option<Vec<PathBuf>>,
    pub(super) program_output: ProgramOutput,
    pub(super) static_fields: BTreeMap<String, String>,
    pub(super) stdout_output: StdoutOutput,
    pub(super) syscall_event_drops: EventDrops,
    pub(super) syslog_output: SyslogOutput,
    pub(super) time_format_iso_8601: Option<bool>,
    pub(super) watch_config_files: Option<bool>,
    pub(super) webserver: WebServer,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct BaseSyscalls {
    pub(super) custom_set: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Engine {
    pub(super) kind: Option<String>,
    pub(super) modern_ebpf: ModernEbpf,
    pub(super) replay: Replay,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ModernEbpf {
    pub(super) buf_size_preset: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Replay {
    pub(super) capture_file: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FalcoLibs {
    pub(super) snaplen: Option<u64>,
    pub(super) thread_table_size: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileOutput {
    pub(super) enabled: Option<bool>,
    pub(super) keep_alive: Option<bool>,
    pub(super) filename: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct HttpOutput {
    pub(super) ca_bundle: Option<String>,
    pub(super) ca_cert: Option<String>,
    pub(super) ca_path: Option<String>,
    pub(super) client_cert: Option<String>,
    pub(super) client_key: Option<String>,
    pub(super) compress_uploads: Option<bool>,
    pub(super) echo: Option<bool>,
    pub(super) enabled: Option<bool>,
    pub(super) insecure: Option<bool>,
    pub(super) keep_alive: Option<bool>,
    pub(super) max_consecutive_timeouts: Option<u64>,
    pub(super) mtls: Option<bool>,
    pub(super) url: Option<String>,
    pub(super) user_agent: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct OutputsQueue {
    pub(super) capacity: Option<u64>,
}

/// What is held back of alerts.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RateSection {
    pub(super) burst: Option<f64>,
    pub(super) max_remembered: Option<u64>,
    pub(super) per_second: Option<f64>,
    pub(super) report_ms: Option<u64>,
    pub(super) rule_burst: Option<f64>,
    pub(super) rule_per_second: Option<f64>,
    pub(super) same_within_ms: Option<u64>,
}

/// What each sink has, by sink.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SinkSections {
    pub(super) file: SinkBounds,
    pub(super) program: ProgramSection,
    pub(super) http: HttpSection,
    pub(super) stdout: SinkBounds,
    pub(super) syslog: SyslogSection,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ProgramSection {
    #[serde(flatten)]
    pub(super) bounds: SinkBounds,
    pub(super) timeout_ms: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SyslogSection {
    #[serde(flatten)]
    pub(super) bounds: SinkBounds,
    pub(super) address: Option<String>,
    pub(super) app_name: Option<String>,
    pub(super) facility: Option<String>,
    pub(super) max_bytes: Option<u64>,
    pub(super) timeout_ms: Option<u64>,
    pub(super) tls_ca: Option<String>,
    pub(super) tls_cert: Option<String>,
    pub(super) tls_key: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct HttpSection {
    #[serde(flatten)]
    pub(super) bounds: SinkBounds,
    pub(super) batch_alerts: Option<u64>,
    pub(super) batch_bytes: Option<u64>,
    pub(super) batch_format: Option<String>,
    pub(super) connect_timeout_ms: Option<u64>,
    pub(super) linger_ms: Option<u64>,
    pub(super) timeout_ms: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SinkBounds {
    pub(super) durable: Option<bool>,
    pub(super) max_attempts: Option<u64>,
    pub(super) queue_alerts: Option<u64>,
    pub(super) queue_bytes: Option<u64>,
    pub(super) retry_first_ms: Option<u64>,
    pub(super) retry_longest_ms: Option<u64>,
}

/// An entry of `append_output`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Append {
    pub(super) extra_fields: Option<Vec<ExtraField>>,
    pub(super) extra_output: Option<String>,
    #[serde(rename = "match")]
    pub(super) matching: Option<AppendMatch>,
    pub(super) suggested_output: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AppendMatch {
    pub(super) rule: Option<String>,
    pub(super) source: Option<String>,
    pub(super) tags: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum ExtraField {
    Value(String),
    Texts(BTreeMap<String, String>),
}

/// Where alerts for durable sinks wait.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OutboxSection {
    pub(super) directory: Option<PathBuf>,
    pub(super) fsync: Option<String>,
    pub(super) fsync_interval_ms: Option<u64>,
    pub(super) max_bytes: Option<u64>,
    pub(super) segment_bytes: Option<u64>,
}

/// An entry of `rules`: one of the two.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Selection {
    pub(super) enable: Option<Selected>,
    pub(super) disable: Option<Selected>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Selected {
    pub(super) rule: Option<String>,
    pub(super) tag: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct StdoutOutput {
    pub(super) enabled: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SyslogOutput {
    pub(super) enabled: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ProgramOutput {
    pub(super) enabled: Option<bool>,
    pub(super) keep_alive: Option<bool>,
    pub(super) program: Option<String>,
}

/// Falco's: what to do when events are dropped.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct EventDrops {
    pub(super) actions: Option<Vec<String>>,
    pub(super) max_burst: Option<f64>,
    pub(super) rate: Option<f64>,
    pub(super) simulate_drops: Option<bool>,
    pub(super) threshold: Option<f64>,
}

/// What is told of the counters.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Metrics {
    pub(super) convert_memory_to_mb: Option<bool>,
    pub(super) enabled: Option<bool>,
    pub(super) include_empty_values: Option<bool>,
    pub(super) interval: Option<String>,
    pub(super) kernel_event_counters_enabled: Option<bool>,
    pub(super) kernel_event_counters_per_cpu_enabled: Option<bool>,
    pub(super) output_file: Option<String>,
    pub(super) output_rule: Option<bool>,
    pub(super) resource_utilization_enabled: Option<bool>,
    pub(super) rules_counters_enabled: Option<bool>,
    pub(super) state_counters_enabled: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WebServer {
    pub(super) enabled: Option<bool>,
    pub(super) k8s_healthz_endpoint: Option<String>,
    pub(super) listen_address: Option<String>,
    pub(super) listen_port: Option<u64>,
    pub(super) prometheus_metrics_enabled: Option<bool>,
    pub(super) ssl_certificate: Option<String>,
    pub(super) ssl_enabled: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Peregrine {
    pub(super) end_within_ms: Option<u64>,
    pub(super) alert_lane_capacity: Option<u64>,
    pub(super) all_syscalls: Option<bool>,
    pub(super) resolve_names: Option<bool>,
    pub(super) batch_bytes: Option<u64>,
    pub(super) batch_frames: Option<u64>,
    pub(super) capture: CaptureWindow,
    pub(super) capture_threads: Option<u64>,
    pub(super) containers: Containers,
    pub(super) lane_capacity: Option<u64>,
    pub(super) late_after_ms: Option<u64>,
    pub(super) limits: Limits,
    pub(super) outbox: OutboxSection,
    pub(super) outputs: SinkSections,
    pub(super) pinning: Option<bool>,
    pub(super) push_down: Option<bool>,
    pub(super) rate: RateSection,
    pub(super) repair: Repair,
    pub(super) ring_bytes: Option<u64>,
    pub(super) sandbox: Sandbox,
    pub(super) scope_pid: Option<u32>,
    pub(super) shards: Option<u64>,
    pub(super) single_thread: Option<bool>,
    pub(super) socket: Option<String>,
    pub(super) spread: Option<bool>,
    pub(super) write: Option<String>,
}

/// Bounds of what is kept.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) address_names_bytes: Option<u64>,
    pub(super) container_bytes: Option<u64>,
    pub(super) container_questions: Option<u64>,
    pub(super) containers: Option<u64>,
    pub(super) host_names: Option<u64>,
    pub(super) noted_calls: Option<u64>,
    pub(super) process_table_bytes: Option<u64>,
    pub(super) recording_bytes: Option<u64>,
    pub(super) scope_processes: Option<u64>,
    pub(super) lost_processes: Option<u64>,
    pub(super) sockets: Option<u64>,
}

/// How what was lost of processes is made good.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Repair {
    pub(super) rate: Option<u64>,
    pub(super) simulate_drops: Option<u64>,
}

/// What the agent may still do once it watches.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Sandbox {
    pub(super) landlock: Option<bool>,
    pub(super) reads: Option<Vec<PathBuf>>,
    pub(super) seccomp: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Containers {
    pub(super) containerd_sockets: Option<Vec<PathBuf>>,
    pub(super) cri_sockets: Option<Vec<PathBuf>>,
    pub(super) deferral_bytes: Option<u64>,
    pub(super) deferral_events: Option<u64>,
    pub(super) deferral_ms: Option<u64>,
    pub(super) docker_sockets: Option<Vec<PathBuf>>,
    pub(super) enabled: Option<bool>,
    pub(super) host_root: Option<PathBuf>,
    pub(super) podman_sockets: Option<Vec<PathBuf>>,
    pub(super) reads_disk: Option<bool>,
}

/// Falco's: recordings around alerts.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Capture {
    pub(super) default_duration: Option<u64>,
    pub(super) enabled: Option<bool>,
    pub(super) max_file_size_mb: Option<u64>,
    pub(super) mode: Option<String>,
    pub(super) path_prefix: Option<String>,
}

/// How much of what came before an alert is recorded.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CaptureWindow {
    pub(super) before_bytes: Option<u64>,
    pub(super) before_ms: Option<u64>,
}

/// Falco's, by runtime.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ContainerEngines {
    pub(super) containerd: ContainerEngine,
    pub(super) cri: ContainerEngine,
    pub(super) docker: ContainerEngine,
    pub(super) podman: ContainerEngine,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ContainerEngine {
    pub(super) enabled: Option<bool>,
    pub(super) sockets: Option<Vec<PathBuf>>,
}

//! Which keys exist: ours, Falco's that are acted on, and Falco's that are known but not acted on yet (a warning, not an error, so that a
//! `falco.yaml` can be used as it is). Any other key is an error that names the nearest known one.

use anyhow::{Result, bail};
use serde_yaml::Value;

/// Keys that are acted on, as dotted paths to their leaves.
const ACTED_ON: &[&str] = &[
    "base_syscalls.all",
    "base_syscalls.custom_set",
    "base_syscalls.repair",
    "capture.default_duration",
    "capture.enabled",
    "capture.max_file_size_mb",
    "capture.mode",
    "capture.path_prefix",
    "container_engines.containerd.enabled",
    "container_engines.containerd.sockets",
    "container_engines.cri.enabled",
    "container_engines.cri.sockets",
    "container_engines.docker.enabled",
    "container_engines.docker.sockets",
    "container_engines.podman.enabled",
    "container_engines.podman.sockets",
    "engine.kind",
    "engine.replay.capture_file",
    "falco_libs.snaplen",
    "falco_libs.thread_table_size",
    "file_output.enabled",
    "file_output.filename",
    "json_include_message_property",
    "json_include_output_fields_property",
    "json_include_output_property",
    "json_include_tags_property",
    "json_output",
    "peregrine.alert_lane_capacity",
    "peregrine.all_syscalls",
    "peregrine.resolve_names",
    "peregrine.batch_bytes",
    "peregrine.batch_frames",
    "peregrine.capture.before_bytes",
    "peregrine.capture.before_ms",
    "peregrine.capture_threads",
    "peregrine.containers.containerd_sockets",
    "peregrine.containers.cri_sockets",
    "peregrine.containers.deferral_bytes",
    "peregrine.containers.deferral_events",
    "peregrine.containers.deferral_ms",
    "peregrine.containers.docker_sockets",
    "peregrine.containers.enabled",
    "peregrine.containers.host_root",
    "peregrine.containers.podman_sockets",
    "peregrine.containers.reads_disk",
    "peregrine.lane_capacity",
    "peregrine.late_after_ms",
    "peregrine.limits.address_names_bytes",
    "peregrine.limits.container_bytes",
    "peregrine.limits.container_questions",
    "peregrine.limits.containers",
    "peregrine.limits.host_names",
    "peregrine.limits.lost_processes",
    "peregrine.limits.noted_calls",
    "peregrine.limits.process_table_bytes",
    "peregrine.limits.recording_bytes",
    "peregrine.limits.scope_processes",
    "peregrine.limits.sockets",
    "peregrine.pinning",
    "peregrine.push_down",
    "peregrine.repair.rate",
    "peregrine.repair.simulate_drops",
    "peregrine.ring_bytes",
    "peregrine.scope_pid",
    "peregrine.shards",
    "peregrine.single_thread",
    "peregrine.socket",
    "peregrine.spread",
    "peregrine.write",
    "priority",
    "rule_matching",
    "rules",
    "rules_file",
    "rules_files",
    "static_fields",
    "stdout_output.enabled",
    "syscall_event_drops.actions",
    "syscall_event_drops.max_burst",
    "syscall_event_drops.rate",
    "syscall_event_drops.simulate_drops",
    "syscall_event_drops.threshold",
    "time_format_iso_8601",
];

/// Falco's keys below a section that is otherwise acted on.
const FALCO_LEAVES: &[&str] = &[
    "container_engines.bpm",
    "container_engines.cri.disable_async",
    "container_engines.libvirt_lxc",
    "container_engines.lxc",
    "engine.kmod",
    "engine.modern_ebpf",
    "falco_libs.thread_table_auto_purging_interval_s",
    "falco_libs.thread_table_auto_purging_thread_timeout_s",
    "file_output.keep_alive",
    "buffered_outputs",
];

/// Falco's top-level keys that are not acted on yet.
const FALCO_SECTIONS: &[&str] = &[
    "append_output",
    "buffer_format_base64",
    "config_files",
    "http_output",
    "libs_logger",
    "load_plugins",
    "log_level",
    "log_stderr",
    "log_syslog",
    "metrics",
    "output_timeout",
    "outputs_queue",
    "plugins",
    "plugins_hostinfo",
    "program_output",
    "syscall_event_timeouts",
    "syslog_output",
    "watch_config_files",
    "webserver",
];

fn is_unused(path: &str) -> bool {
    FALCO_LEAVES.contains(&path) || FALCO_SECTIONS.contains(&path)
}

/// Checks every key of the tree; gives the warnings.
pub(super) fn check(tree: &Value) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    walk(tree, "", &mut warnings)?;
    Ok(warnings)
}

fn walk(at: &Value, path: &str, warnings: &mut Vec<String>) -> Result<()> {
    let Value::Mapping(map) = at else { return Ok(()) };
    for (key, value) in map {
        let Some(name) = scalar_text(key) else { bail!("a key below {path:?} is not text") };
        let full = if path.is_empty() { name } else { format!("{path}.{name}") };
        if is_unused(&full) {
            warnings.push(format!("{full}: a key of Falco that is not acted on"));
        } else if ACTED_ON.iter().any(|k| k.strip_prefix(&full).is_some_and(|r| r.starts_with('.')))
        {
            if !matches!(value, Value::Mapping(_) | Value::Null) {
                bail!("{full}: must be a map of keys");
            }
            walk(value, &full, warnings)?;
        } else if !ACTED_ON.contains(&full.as_str()) {
            bail!("unknown key {full:?}{}", did_you_mean(&full));
        }
    }
    Ok(())
}

/// The tree without the keys that only warn, and without empty sections.
pub(super) fn strip_unused(tree: Value) -> Value {
    fn strip(at: Value, path: &str) -> Value {
        let Value::Mapping(map) = at else { return at };
        Value::Mapping(
            map.into_iter()
                .filter_map(|(key, value)| {
                    let name = scalar_text(&key)?;
                    let full = if path.is_empty() { name } else { format!("{path}.{name}") };
                    (!is_unused(&full) && !value.is_null()).then(|| (key, strip(value, &full)))
                })
                .collect(),
        )
    }
    strip(tree, "")
}

fn scalar_text(v: &Value) -> Option<String> {
    match v {
        Value::String(s) => Some(s.clone()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

fn did_you_mean(key: &str) -> String {
    let best = ACTED_ON
        .iter()
        .chain(FALCO_SECTIONS)
        .map(|k| {
            // `shards` for `peregrine.shards` is the commonest slip: a bare last part counts as near.
            let last = k.rsplit('.').next().unwrap_or(k);
            (distance(key, k).min(distance(key, last) + 1), *k)
        })
        .min();
    match best {
        Some((d, k)) if d <= 1 + key.len() / 4 => format!("; did you mean {k:?}?"),
        _ => String::new(),
    }
}

/// Levenshtein distance over bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let cost = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_yaml(text: &str) -> Result<Vec<String>> {
        check(&serde_yaml::from_str(text).unwrap())
    }

    #[test]
    fn unknown_keys_name_the_nearest() {
        for (yaml, message) in [
            (
                "peregrine: {shrads: 2}",
                r#"unknown key "peregrine.shrads"; did you mean "peregrine.shards"?"#,
            ),
            ("jsonoutput: true", r#"unknown key "jsonoutput"; did you mean "json_output"?"#),
            ("shards: 2", r#"unknown key "shards"; did you mean "peregrine.shards"?"#),
            ("http_outptu: {}", r#"unknown key "http_outptu"; did you mean "http_output"?"#),
            ("zzzzzz: 1", r#"unknown key "zzzzzz""#),
        ] {
            assert_eq!(check_yaml(yaml).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn falcos_other_keys_only_warn() {
        let warnings =
            check_yaml("engine: {kind: modern_ebpf, kmod: {x: 1}}\nwebserver: {enabled: true}");
        assert_eq!(
            warnings.unwrap(),
            [
                "engine.kmod: a key of Falco that is not acted on",
                "webserver: a key of Falco that is not acted on"
            ]
        );
    }

    #[test]
    fn a_section_must_be_a_map() {
        assert_eq!(
            check_yaml("engine: live").unwrap_err().to_string(),
            "engine: must be a map of keys"
        );
    }

    #[test]
    fn distance_counts_edits() {
        for (a, b, d) in [("", "abc", 3), ("kitten", "sitting", 3), ("same", "same", 0)] {
            assert_eq!(distance(a, b), d);
        }
    }
}

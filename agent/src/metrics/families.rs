//! Every family of `/metrics`: what it is called, and what it means. `docs/metrics.md` says what to do about it.

use std::collections::HashMap;
use std::sync::LazyLock;

use prometheus::proto::MetricType;

use Kind::{Counter, Gauge, Histogram};

/// What kind of numbers a family has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Durations, in buckets.
    Histogram,
}

impl Kind {
    pub(super) fn in_text(self) -> MetricType {
        match self {
            Counter => MetricType::COUNTER,
            Gauge => MetricType::GAUGE,
            Histogram => MetricType::HISTOGRAM,
        }
    }
}

/// Metrics of one name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    pub(super) kind: Kind,
    /// Name in `peregrine stats`, where it is one of those; `*` stands for what becomes a label.
    from: &'static str,
    pub(super) name: &'static str,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

pub(super) fn all() -> impl Iterator<Item = &'static Family> {
    FAMILIES.iter()
}

/// The family of this name.
pub(super) fn by_name(name: &str) -> Option<&'static Family> {
    static BY_NAME: LazyLock<HashMap<&str, &Family>> =
        LazyLock::new(|| all().map(|family| (family.name, family)).collect());
    BY_NAME.get(name).copied()
}

/// The family of a counter or level, and the values of its labels.
pub(super) fn of_meter(meter: &str) -> Option<(&'static Family, Vec<&str>)> {
    let exact = all().find(|family| family.from == meter);
    let of_pattern = || all().find_map(|family| Some((family, wild(family.from, meter)?)));
    exact.map(|family| (family, Vec::new())).or_else(of_pattern)
}

/// What the stars of a pattern stand for.
fn wild<'a>(pattern: &str, meter: &'a str) -> Option<Vec<&'a str>> {
    if !pattern.contains('*') || pattern.split('.').count() != meter.split('.').count() {
        return None;
    }
    let mut all = Vec::new();
    for (pattern, part) in pattern.split('.').zip(meter.split('.')) {
        match pattern.strip_suffix('*') {
            Some(head) => all.push(part.strip_prefix(head)?),
            None if pattern == part => {}
            None => return None,
        }
    }
    Some(all)
}

#[rustfmt::skip]
const FAMILIES: &[Family] = &[
    // Agent.
    Family { kind: Gauge, from: "", name: "peregrine_start_time_seconds", labels: &[], help: "When the agent started, since the epoch." },
    Family { kind: Gauge, from: "", name: "peregrine_thread_still_seconds", labels: &["thread"], help: "How long a capture thread or a shard has not moved, also while nothing happens." },
    Family { kind: Counter, from: "", name: "peregrine_thread_frames_total", labels: &["thread"], help: "Frames that a thread was given." },
    Family { kind: Counter, from: "", name: "peregrine_thread_cpu_seconds_total", labels: &["thread"], help: "Time that a thread was on a CPU." },
    Family { kind: Gauge, from: "", name: "peregrine_thread_waiting_frames", labels: &["thread"], help: "Frames that wait for a shard." },
    Family { kind: Counter, from: "", name: "peregrine_web_connections_total", labels: &[], help: "Connections to the web server." },
    Family { kind: Counter, from: "", name: "peregrine_web_displaced_total", labels: &[], help: "Connections that were closed to make room for newer ones." },
    Family { kind: Counter, from: "", name: "peregrine_web_answers_total", labels: &["code"], help: "Answers of the web server by status." },
    // Hops and what must balance.
    Family { kind: Counter, from: "", name: "peregrine_hop_in_total", labels: &["hop"], help: "What came into a hop." },
    Family { kind: Counter, from: "", name: "peregrine_hop_out_total", labels: &["hop"], help: "What went on from a hop to the next." },
    Family { kind: Counter, from: "", name: "peregrine_hop_aside_total", labels: &["hop", "reason"], help: "What ended at a hop on purpose." },
    Family { kind: Counter, from: "", name: "peregrine_hop_dropped_total", labels: &["hop", "reason"], help: "What was lost at a hop." },
    Family { kind: Gauge, from: "", name: "peregrine_hop_depth", labels: &["hop"], help: "What is inside a hop." },
    Family { kind: Gauge, from: "", name: "peregrine_equation_holds", labels: &["equation"], help: "1 where a conservation equation balances, 0 where not." },
    Family { kind: Gauge, from: "", name: "peregrine_equation_unexplained", labels: &["equation"], help: "What is missing on the right side of an equation, or too much if negative." },
    Family { kind: Counter, from: "", name: "peregrine_lost_events_total", labels: &["hop", "reason", "cpu", "event_type"], help: "Losses by event type, and by CPU where metrics.kernel_event_counters_per_cpu_enabled is true and one is known." },
    Family { kind: Counter, from: "", name: "peregrine_set_aside_events_total", labels: &["hop", "reason", "cpu", "event_type"], help: "Events that no rule can match, by event type, and by CPU as above." },
    // Latencies.
    Family { kind: Histogram, from: "", name: "peregrine_stage_latency_seconds", labels: &["stage"], help: "Time of a stage: kernel_to_capture from the record to the capture thread, lane_wait to the shard, then parse, state and detect of one event." },
    Family { kind: Gauge, from: "", name: "peregrine_stage_latency_sampled_one_in", labels: &["stage"], help: "Of so many events one is timed in peregrine_stage_latency_seconds." },
    Family { kind: Histogram, from: "", name: "peregrine_sink_delivery_seconds", labels: &["sink"], help: "From the alert to its delivery by a sink." },
    Family { kind: Histogram, from: "", name: "peregrine_sink_end_to_end_seconds", labels: &["sink"], help: "From the event in the kernel to the delivery of its alert." },
    // Kernel side.
    Family { kind: Counter, from: "kernel.seen", name: "peregrine_kernel_seen_total", labels: &[], help: "Times that a hook ran." },
    Family { kind: Counter, from: "kernel.filtered", name: "peregrine_kernel_filtered_total", labels: &[], help: "Events nobody asked for." },
    Family { kind: Counter, from: "kernel.rejected", name: "peregrine_kernel_rejected_total", labels: &[], help: "Events that no rule can match (push-down)." },
    Family { kind: Counter, from: "kernel.written", name: "peregrine_kernel_written_total", labels: &[], help: "Events that went into a ring." },
    Family { kind: Counter, from: "kernel.written.cpu.*", name: "peregrine_kernel_written_by_cpu_total", labels: &["cpu"], help: "Events that went into a ring, by CPU; where metrics.kernel_event_counters_per_cpu_enabled is true." },
    Family { kind: Counter, from: "kernel.ring_full", name: "peregrine_kernel_ring_full_total", labels: &[], help: "Events lost for want of room in a ring." },
    Family { kind: Counter, from: "kernel.no_ring", name: "peregrine_kernel_no_ring_total", labels: &[], help: "Events lost since their CPU has no ring." },
    Family { kind: Counter, from: "kernel.no_scratch", name: "peregrine_kernel_no_scratch_total", labels: &[], help: "Events lost since every scratch slot of their CPU was taken." },
    Family { kind: Counter, from: "kernel.tail_call_miss", name: "peregrine_kernel_tail_call_miss_total", labels: &[], help: "Events lost since their program was not there." },
    Family { kind: Counter, from: "kernel.too_large", name: "peregrine_kernel_too_large_total", labels: &[], help: "Events lost since their frame was larger than the largest record." },
    Family { kind: Counter, from: "kernel.recursion_misses", name: "peregrine_kernel_recursion_misses_total", labels: &[], help: "Times that the kernel skipped a program which ran on that CPU already." },
    Family { kind: Counter, from: "kernel.notes_lost", name: "peregrine_kernel_notes_lost_total", labels: &[], help: "Looks at the start of a call that found no room." },
    Family { kind: Counter, from: "kernel.scope_full", name: "peregrine_kernel_scope_full_total", labels: &[], help: "Processes that the scope had no room for." },
    Family { kind: Counter, from: "kernel.sockets_forgotten", name: "peregrine_kernel_sockets_forgotten_total", labels: &[], help: "Sockets whose past was forgotten." },
    Family { kind: Counter, from: "kernel.unmapped", name: "peregrine_kernel_unmapped_total", labels: &[], help: "Calls with a number of no table." },
    Family { kind: Counter, from: "seeds", name: "peregrine_seeds_total", labels: &[], help: "Processes that were there at the start." },
    // Capture threads and lanes.
    Family { kind: Counter, from: "capture.read", name: "peregrine_capture_read_total", labels: &[], help: "Frames read from rings, with the processes of the start." },
    Family { kind: Counter, from: "capture.injected", name: "peregrine_capture_injected_total", labels: &[], help: "Frames that a repair handed in." },
    Family { kind: Counter, from: "capture.routed", name: "peregrine_capture_routed_total", labels: &[], help: "Frames given to a shard." },
    Family { kind: Counter, from: "capture.bad_header", name: "peregrine_capture_bad_header_total", labels: &[], help: "Frames lost for a header that makes no sense." },
    Family { kind: Counter, from: "capture.bad_length", name: "peregrine_capture_bad_length_total", labels: &[], help: "Frames lost for a length that makes no sense." },
    Family { kind: Counter, from: "capture.too_large", name: "peregrine_capture_too_large_total", labels: &[], help: "Frames lost since no batch can hold them." },
    Family { kind: Counter, from: "capture.abandoned", name: "peregrine_capture_abandoned_total", labels: &[], help: "Frames that a shard which has ended could not take." },
    Family { kind: Counter, from: "capture.unrecorded", name: "peregrine_capture_unrecorded_total", labels: &[], help: "Frames that the recorder had no room for." },
    Family { kind: Counter, from: "capture.spread", name: "peregrine_capture_spread_total", labels: &[], help: "Frames of a hot process given to another shard than its own." },
    Family { kind: Counter, from: "capture.clamps", name: "peregrine_capture_clamps_total", labels: &[], help: "Records whose time was moved to keep the order." },
    Family { kind: Counter, from: "capture.sleeps", name: "peregrine_capture_sleeps_total", labels: &[], help: "Times that a capture thread slept until woken." },
    Family { kind: Counter, from: "capture.naps", name: "peregrine_capture_naps_total", labels: &[], help: "Times that a capture thread slept for a moment." },
    Family { kind: Gauge, from: "capture.hot", name: "peregrine_capture_hot", labels: &[], help: "Processes that are hot now." },
    Family { kind: Counter, from: "lanes.pushed", name: "peregrine_lanes_pushed_total", labels: &[], help: "Frames pushed into lanes." },
    Family { kind: Counter, from: "lanes.popped", name: "peregrine_lanes_popped_total", labels: &[], help: "Frames popped from lanes." },
    Family { kind: Gauge, from: "lanes.depth", name: "peregrine_lanes_depth", labels: &[], help: "Frames that wait in lanes." },
    // Shards.
    Family { kind: Counter, from: "shard.received", name: "peregrine_shard_received_total", labels: &[], help: "Frames that shards received." },
    Family { kind: Counter, from: "shard.parsed", name: "peregrine_shard_parsed_total", labels: &[], help: "Frames that became events." },
    Family { kind: Counter, from: "shard.rejected", name: "peregrine_shard_rejected_total", labels: &[], help: "Frames that are no event." },
    Family { kind: Counter, from: "shard.evaluated", name: "peregrine_shard_evaluated_total", labels: &[], help: "Events held against the rules." },
    Family { kind: Counter, from: "shard.state_only", name: "peregrine_shard_state_only_total", labels: &[], help: "Events that only change what is known of processes." },
    Family { kind: Counter, from: "shard.shed", name: "peregrine_shard_shed_total", labels: &[], help: "Events that a shard did not evaluate for want of time." },
    Family { kind: Counter, from: "shard.matched", name: "peregrine_shard_matched_total", labels: &[], help: "Matches of rules." },
    Family { kind: Counter, from: "shard.alerts", name: "peregrine_shard_alerts_total", labels: &[], help: "Alerts given to the outputs." },
    Family { kind: Counter, from: "shard.alerts_lost", name: "peregrine_shard_alerts_lost_total", labels: &[], help: "Alerts that the lane to the outputs had no room for." },
    Family { kind: Counter, from: "shard.late", name: "peregrine_shard_late_total", labels: &[], help: "Events that came behind a watermark and were evaluated late." },
    Family { kind: Counter, from: "shard.deferred", name: "peregrine_shard_deferred_total", labels: &[], help: "Events that waited for a container runtime." },
    Family { kind: Counter, from: "shard.deferral_decided", name: "peregrine_shard_deferral_decided_total", labels: &[], help: "Events decided after waiting." },
    Family { kind: Counter, from: "shard.deferral_timeout", name: "peregrine_shard_deferral_timeout_total", labels: &[], help: "Events decided without the answer of a runtime, which took too long." },
    Family { kind: Counter, from: "shard.deferral_full", name: "peregrine_shard_deferral_full_total", labels: &[], help: "Events decided without that answer, since too many waited." },
    Family { kind: Counter, from: "shard.deferral_cut", name: "peregrine_shard_deferral_cut_total", labels: &[], help: "Events decided without that answer at a change of rules." },
    Family { kind: Gauge, from: "shard.deferral_waiting", name: "peregrine_shard_deferral_waiting", labels: &[], help: "Events that wait for a container runtime." },
    Family { kind: Counter, from: "shard.lineage_unknown", name: "peregrine_shard_lineage_unknown_total", labels: &[], help: "Events whose process is not known." },
    Family { kind: Counter, from: "shard.lineage_incomplete", name: "peregrine_shard_lineage_incomplete_total", labels: &[], help: "Events some of whose ancestors are not known." },
    Family { kind: Counter, from: "shard.orphans", name: "peregrine_shard_orphans_total", labels: &[], help: "Processes whose parent is not known." },
    Family { kind: Counter, from: "shard.reaper_unknown", name: "peregrine_shard_reaper_unknown_total", labels: &[], help: "Exits whose reaper is not known." },
    Family { kind: Counter, from: "shard.waits", name: "peregrine_shard_waits_total", labels: &[], help: "Times that a shard waited for another one." },
    Family { kind: Counter, from: "shard.held_back", name: "peregrine_shard_held_back_total", labels: &[], help: "Times that a shard let others catch up." },
    // What is known of processes, containers and names.
    Family { kind: Gauge, from: "lineage.processes", name: "peregrine_lineage_processes", labels: &[], help: "Processes that are known, the dead included until nobody asks for them." },
    Family { kind: Gauge, from: "lineage.bytes", name: "peregrine_lineage_bytes", labels: &[], help: "Memory that they take." },
    Family { kind: Counter, from: "lineage.refused", name: "peregrine_lineage_refused_total", labels: &[], help: "Processes for which there was no room." },
    Family { kind: Counter, from: "lineage.shortened", name: "peregrine_lineage_shortened_total", labels: &[], help: "Executions kept in short for want of room." },
    Family { kind: Counter, from: "repair.losses", name: "peregrine_repair_losses_total", labels: &[], help: "Losses that put a process in doubt." },
    Family { kind: Counter, from: "repair.looks", name: "peregrine_repair_looks_total", labels: &[], help: "Processes looked at again." },
    Family { kind: Counter, from: "repair.ended", name: "peregrine_repair_ended_total", labels: &[], help: "Processes found to have ended." },
    Family { kind: Counter, from: "repair.all_doubted", name: "peregrine_repair_all_doubted_total", labels: &[], help: "Times that all processes were in doubt." },
    Family { kind: Counter, from: "repair.given_up", name: "peregrine_repair_given_up_total", labels: &[], help: "Looks given up for want of room." },
    Family { kind: Gauge, from: "repair.pending", name: "peregrine_repair_pending", labels: &[], help: "Processes that wait for a look." },
    Family { kind: Gauge, from: "containers.living", name: "peregrine_containers_living", labels: &[], help: "Containers that are known." },
    Family { kind: Gauge, from: "containers.bytes", name: "peregrine_containers_bytes", labels: &[], help: "Memory that they take." },
    Family { kind: Gauge, from: "containers.open", name: "peregrine_containers_open", labels: &[], help: "Questions to runtimes under way." },
    Family { kind: Counter, from: "containers.asked", name: "peregrine_containers_asked_total", labels: &[], help: "Containers that were asked for." },
    Family { kind: Counter, from: "containers.asked_again", name: "peregrine_containers_asked_again_total", labels: &[], help: "Containers that were asked for again after a failure." },
    Family { kind: Counter, from: "containers.known", name: "peregrine_containers_known_total", labels: &[], help: "Containers of which a runtime told." },
    Family { kind: Counter, from: "containers.repeated", name: "peregrine_containers_repeated_total", labels: &[], help: "Questions that were under way already." },
    Family { kind: Counter, from: "containers.from_cache", name: "peregrine_containers_from_cache_total", labels: &[], help: "Answers from a moment before." },
    Family { kind: Counter, from: "containers.refused", name: "peregrine_containers_refused_total", labels: &[], help: "Questions for which there was no room." },
    Family { kind: Counter, from: "containers.abandoned", name: "peregrine_containers_abandoned_total", labels: &[], help: "Questions under way at the end." },
    Family { kind: Counter, from: "containers.no_room", name: "peregrine_containers_no_room_total", labels: &[], help: "Containers that were not kept." },
    Family { kind: Counter, from: "containers.evicted", name: "peregrine_containers_evicted_total", labels: &[], help: "Containers that made room for others." },
    Family { kind: Counter, from: "containers.unrecorded", name: "peregrine_containers_unrecorded_total", labels: &[], help: "Containers that a recording does not tell of." },
    Family { kind: Counter, from: "containers.unknown.*", name: "peregrine_containers_unknown_total", labels: &["reason"], help: "Containers of which no runtime told." },
    Family { kind: Counter, from: "containers.*.*", name: "peregrine_containers_answers_total", labels: &["runtime", "answer"], help: "What each runtime answered." },
    Family { kind: Counter, from: "names.resolved", name: "peregrine_names_resolved_total", labels: &[], help: "Names that the resolver knew." },
    Family { kind: Counter, from: "names.unresolved", name: "peregrine_names_unresolved_total", labels: &[], help: "Names that it did not know." },
    Family { kind: Counter, from: "names.answers", name: "peregrine_names_answers_total", labels: &[], help: "Answers of name servers that were seen." },
    Family { kind: Counter, from: "names.evicted", name: "peregrine_names_evicted_total", labels: &[], help: "Names that made room for others." },
    Family { kind: Gauge, from: "names.not_asked", name: "peregrine_names_not_asked", labels: &[], help: "Names of rules that the resolver is not asked for." },
    // Rules.
    Family { kind: Counter, from: "", name: "peregrine_rule_matches_total", labels: &["rule"], help: "How often a rule matched since it came into force." },
    Family { kind: Gauge, from: "", name: "peregrine_rules_loaded", labels: &[], help: "Rules in force." },
    Family { kind: Gauge, from: "", name: "peregrine_rules_generation", labels: &[], help: "1 for the rules of the start, one more with each reload." },
    Family { kind: Gauge, from: "", name: "peregrine_rules_loaded_time_seconds", labels: &[], help: "When they came into force, since the epoch." },
    Family { kind: Counter, from: "", name: "peregrine_rules_reloads_refused_total", labels: &[], help: "Reloads that were refused; the rules that were in force stayed." },
    // Alerts and sinks.
    Family { kind: Counter, from: "outputs.received", name: "peregrine_outputs_received_total", labels: &[], help: "Alerts that the outputs received." },
    Family { kind: Counter, from: "outputs.emitted", name: "peregrine_outputs_emitted_total", labels: &[], help: "Alerts given to every sink." },
    Family { kind: Counter, from: "outputs.reports", name: "peregrine_outputs_reports_total", labels: &[], help: "Alerts that tell how many were held back." },
    Family { kind: Counter, from: "outputs.suppressed_duplicate", name: "peregrine_outputs_suppressed_duplicate_total", labels: &[], help: "Alerts held back since they say the same again." },
    Family { kind: Counter, from: "outputs.suppressed_rule_rate", name: "peregrine_outputs_suppressed_rule_rate_total", labels: &[], help: "Alerts held back by the bound of their rule." },
    Family { kind: Counter, from: "outputs.suppressed_rate", name: "peregrine_outputs_suppressed_rate_total", labels: &[], help: "Alerts held back by the bound of all." },
    Family { kind: Counter, from: "outputs.duplicates_unwatched", name: "peregrine_outputs_duplicates_unwatched_total", labels: &[], help: "Alerts that could not be compared with those before." },
    Family { kind: Counter, from: "drops.alerts", name: "peregrine_drops_alerts_total", labels: &[], help: "Alerts that tell of dropped events." },
    Family { kind: Counter, from: "outbox.alerts", name: "peregrine_outbox_alerts_total", labels: &[], help: "Alerts that tell that the agent before was ended by force." },
    Family { kind: Counter, from: "reload.alerts", name: "peregrine_reload_alerts_total", labels: &[], help: "Alerts that tell of refused reloads." },
    Family { kind: Counter, from: "self.alerts", name: "peregrine_self_alerts_total", labels: &[], help: "Alerts that tell of what is done to the agent itself." },
    Family { kind: Counter, from: "control.refused", name: "peregrine_control_refused_total", labels: &[], help: "Clients of the control socket that may not ask." },
    Family { kind: Counter, from: "metrics.alerts", name: "peregrine_metrics_alerts_total", labels: &[], help: "Alerts that are snapshots of metrics." },
    Family { kind: Counter, from: "outputs.*.delivered", name: "peregrine_sink_delivered_total", labels: &["sink"], help: "Alerts that a sink delivered." },
    Family { kind: Counter, from: "outputs.*.lost_*", name: "peregrine_sink_lost_total", labels: &["sink", "reason"], help: "Alerts that a sink lost: queue_full, closed, refused, gave_up, unfinished." },
    Family { kind: Counter, from: "outputs.*.retries", name: "peregrine_sink_retries_total", labels: &["sink"], help: "Attempts beyond the first." },
    Family { kind: Counter, from: "outputs.*.stalls", name: "peregrine_sink_stalls_total", labels: &["sink"], help: "Times that a sink was blocked for longer than output_timeout." },
    Family { kind: Gauge, from: "outputs.*.failing", name: "peregrine_sink_failing", labels: &["sink"], help: "1 while a sink fails." },
    Family { kind: Gauge, from: "outputs.*.waiting", name: "peregrine_sink_waiting_alerts", labels: &["sink"], help: "Alerts that wait for a sink." },
    Family { kind: Counter, from: "outputs.*.truncated", name: "peregrine_sink_truncated_total", labels: &["sink"], help: "Alerts that were cut to what syslog takes." },
    Family { kind: Counter, from: "outputs.*.started", name: "peregrine_sink_programs_started_total", labels: &["sink"], help: "Processes that program_output started." },
    Family { kind: Counter, from: "outputs.*.killed", name: "peregrine_sink_programs_killed_total", labels: &["sink"], help: "Of those the ones that had to be killed." },
    Family { kind: Counter, from: "outputs.*.exit_codes", name: "peregrine_sink_programs_failed_total", labels: &["sink"], help: "Of those the ones that ended with another code than 0." },
    // Outbox.
    Family { kind: Counter, from: "outbox.received", name: "peregrine_outbox_received_total", labels: &[], help: "Alerts that the outbox received." },
    Family { kind: Counter, from: "outbox.accepted", name: "peregrine_outbox_accepted_total", labels: &[], help: "Alerts that it keeps for sinks." },
    Family { kind: Counter, from: "outbox.appended", name: "peregrine_outbox_appended_total", labels: &[], help: "Alerts that it wrote." },
    Family { kind: Counter, from: "outbox.unspooled", name: "peregrine_outbox_unspooled_total", labels: &[], help: "Alerts that it had to keep in memory alone." },
    Family { kind: Counter, from: "outbox.refused_queue_full", name: "peregrine_outbox_refused_queue_full_total", labels: &[], help: "Alerts lost since the disk did not keep up." },
    Family { kind: Counter, from: "outbox.refused_too_long", name: "peregrine_outbox_refused_too_long_total", labels: &[], help: "Alerts lost since they are larger than a segment." },
    Family { kind: Counter, from: "outbox.full", name: "peregrine_outbox_full_total", labels: &[], help: "Times that the outbox was full." },
    Family { kind: Counter, from: "outbox.synced", name: "peregrine_outbox_synced_total", labels: &[], help: "Times that it was written through to the disk." },
    Family { kind: Counter, from: "outbox.write_errors", name: "peregrine_outbox_write_errors_total", labels: &[], help: "Writes that failed." },
    Family { kind: Counter, from: "outbox.cursor_errors", name: "peregrine_outbox_cursor_errors_total", labels: &[], help: "Writes of what sinks have delivered that failed." },
    Family { kind: Gauge, from: "outbox.bytes", name: "peregrine_outbox_bytes", labels: &[], help: "Bytes on disk." },
    Family { kind: Gauge, from: "outbox.max_bytes", name: "peregrine_outbox_max_bytes", labels: &[], help: "Bytes that may be on disk." },
    Family { kind: Gauge, from: "outbox.segments", name: "peregrine_outbox_segments", labels: &[], help: "Files on disk." },
    Family { kind: Gauge, from: "outbox.waiting", name: "peregrine_outbox_waiting", labels: &[], help: "Alerts that wait to be written." },
    Family { kind: Counter, from: "outbox.found.records", name: "peregrine_outbox_found_records_total", labels: &[], help: "Alerts found at the start." },
    Family { kind: Counter, from: "outbox.found.missing", name: "peregrine_outbox_found_missing_total", labels: &[], help: "Alerts that should have been there and were not." },
    Family { kind: Counter, from: "outbox.found.corrupt", name: "peregrine_outbox_found_corrupt_total", labels: &[], help: "Alerts found damaged." },
    Family { kind: Counter, from: "outbox.found.corrupt_bytes", name: "peregrine_outbox_found_corrupt_bytes_total", labels: &[], help: "Bytes found damaged." },
    Family { kind: Counter, from: "outbox.found.torn_bytes", name: "peregrine_outbox_found_torn_bytes_total", labels: &[], help: "Bytes of a write that was cut off." },
    Family { kind: Counter, from: "outbox.found.lost_cursors", name: "peregrine_outbox_found_lost_cursors_total", labels: &[], help: "Sinks of which it was not known what they had delivered." },
    Family { kind: Counter, from: "outbox.found.unclean_stops", name: "peregrine_outbox_found_unclean_stops_total", labels: &[], help: "1 where the agent before was ended by force." },
    Family { kind: Counter, from: "outbox.*.delivered", name: "peregrine_outbox_sink_delivered_total", labels: &["sink"], help: "Alerts of the outbox that a sink delivered." },
    Family { kind: Counter, from: "outbox.*.recovered", name: "peregrine_outbox_sink_recovered_total", labels: &["sink"], help: "Alerts from before the start that a sink still had to deliver." },
    Family { kind: Counter, from: "outbox.*.lost_*", name: "peregrine_outbox_sink_lost_total", labels: &["sink", "reason"], help: "Alerts of the outbox that a sink lost: refused, unreadable, unspooled." },
    Family { kind: Gauge, from: "outbox.*.pending", name: "peregrine_outbox_sink_pending_alerts", labels: &["sink"], help: "Alerts of the outbox that a sink has yet to deliver." },
    // Recordings.
    Family { kind: Counter, from: "recorder.received", name: "peregrine_recorder_received_total", labels: &[], help: "Frames that the recorder received." },
    Family { kind: Counter, from: "recorder.written", name: "peregrine_recorder_written_total", labels: &[], help: "Frames that it wrote." },
    Family { kind: Counter, from: "recorder.bad_frame", name: "peregrine_recorder_bad_frame_total", labels: &[], help: "Frames that cannot be written." },
    Family { kind: Counter, from: "recorder.write_error", name: "peregrine_recorder_write_error_total", labels: &[], help: "Frames that were not written for an error." },
    Family { kind: Counter, from: "captures.received", name: "peregrine_captures_received_total", labels: &[], help: "Frames that recordings around alerts received." },
    Family { kind: Counter, from: "captures.written", name: "peregrine_captures_written_total", labels: &[], help: "Frames that they have." },
    Family { kind: Counter, from: "captures.evicted", name: "peregrine_captures_evicted_total", labels: &[], help: "Frames that made room for newer ones before an alert came." },
    Family { kind: Counter, from: "captures.from_before", name: "peregrine_captures_from_before_total", labels: &[], help: "Frames of processes from before the start." },
    Family { kind: Counter, from: "captures.bad_frame", name: "peregrine_captures_bad_frame_total", labels: &[], help: "Frames that cannot be kept." },
    Family { kind: Counter, from: "captures.alerts", name: "peregrine_captures_alerts_total", labels: &[], help: "Alerts of recordings that reached their bound." },
    Family { kind: Counter, from: "captures.begun", name: "peregrine_captures_begun_total", labels: &[], help: "Recordings that were begun." },
    Family { kind: Counter, from: "captures.ended_by_time", name: "peregrine_captures_ended_by_time_total", labels: &[], help: "Recordings that ended when their time was over." },
    Family { kind: Counter, from: "captures.ended_by_size", name: "peregrine_captures_ended_by_size_total", labels: &[], help: "Recordings that ended when they were full." },
    Family { kind: Counter, from: "captures.ended_by_stop", name: "peregrine_captures_ended_by_stop_total", labels: &[], help: "Recordings that ended with the agent." },
    Family { kind: Counter, from: "captures.failed", name: "peregrine_captures_failed_total", labels: &[], help: "Recordings that could not be written." },
    Family { kind: Counter, from: "captures.unheard", name: "peregrine_captures_unheard_total", labels: &[], help: "Alerts that no recording heard of." },
    Family { kind: Counter, from: "captures.without_alert", name: "peregrine_captures_without_alert_total", labels: &[], help: "Recordings whose end could not be told." },
    Family { kind: Counter, from: "captures.containers_forgotten", name: "peregrine_captures_containers_forgotten_total", labels: &[], help: "Containers that recordings do not tell of." },
    Family { kind: Gauge, from: "captures.kept", name: "peregrine_captures_kept", labels: &[], help: "Frames that are kept for the next alert." },
    Family { kind: Gauge, from: "captures.open", name: "peregrine_captures_open", labels: &[], help: "Recordings under way." },
    // Falco's names, where the meaning is Falco's.
    Family { kind: Gauge, from: "", name: "falcosecurity_falco_version_info", labels: &["version"], help: "Version of what stands in Falco's place: Peregrine's." },
    Family { kind: Gauge, from: "", name: "falcosecurity_falco_kernel_release_info", labels: &["kernel_release"], help: "The running kernel." },
    Family { kind: Gauge, from: "", name: "falcosecurity_falco_sha256_rules_files_info", labels: &["file_name", "sha256"], help: "A rule file in force, and the SHA-256 of what it had when it was read." },
    Family { kind: Gauge, from: "", name: "falcosecurity_falco_sha256_config_files_info", labels: &["file_name", "sha256"], help: "A configuration file that was read at the start or at the last reload." },
    Family { kind: Gauge, from: "", name: "falcosecurity_evt_hostname_info", labels: &["hostname"], help: "Name of the host." },
    Family { kind: Gauge, from: "", name: "falcosecurity_scap_engine_name_info", labels: &["engine_name", "evt_source"], help: "What events come from: eBPF." },
    Family { kind: Counter, from: "", name: "falcosecurity_falco_duration_seconds_total", labels: &[], help: "How long the agent has run." },
    Family { kind: Counter, from: "", name: "falcosecurity_falco_host_num_cpus_total", labels: &[], help: "CPUs of the machine; a counter by name only." },
    Family { kind: Counter, from: "", name: "falcosecurity_falco_outputs_queue_num_drops_total", labels: &[], help: "Alerts that queues of sinks had no room for." },
    Family { kind: Counter, from: "", name: "falcosecurity_falco_rules_matches_total", labels: &["rule_name", "priority", "source", "tag_*"], help: "How often a rule matched; the priority is Falco's number, each tag a label." },
    Family { kind: Gauge, from: "", name: "falcosecurity_falco_cpu_usage_ratio", labels: &[], help: "CPU time of the agent by its run time; above 1 with several cores." },
    Family { kind: Gauge, from: "", name: "falcosecurity_falco_memory_rss_bytes", labels: &[], help: "Memory of the agent that is resident, rings of the kernel included." },
    Family { kind: Gauge, from: "", name: "falcosecurity_falco_memory_vsz_bytes", labels: &[], help: "Address space of the agent." },
    Family { kind: Gauge, from: "", name: "falcosecurity_falco_memory_pss_bytes", labels: &[], help: "Resident memory, what is shared by its part." },
    Family { kind: Gauge, from: "", name: "falcosecurity_falco_container_memory_used_bytes", labels: &[], help: "Memory of the control group of the agent, where it is told." },
    Family { kind: Gauge, from: "", name: "falcosecurity_falco_host_cpu_usage_ratio", labels: &[], help: "Part of the CPU time of the machine since its boot that was not idle." },
    Family { kind: Gauge, from: "", name: "falcosecurity_falco_host_memory_used_bytes", labels: &[], help: "Memory of the machine that is used." },
    Family { kind: Counter, from: "", name: "falcosecurity_scap_n_evts_total", labels: &[], help: "Events that the kernel side wrote or dropped." },
    Family { kind: Counter, from: "", name: "falcosecurity_scap_n_drops_total", labels: &[], help: "Events that it dropped." },
    Family { kind: Counter, from: "", name: "falcosecurity_scap_n_drops_buffer_total", labels: &["drop", "dir"], help: "Of those the ones for want of room in a ring, by Falco's groups of calls." },
    Family { kind: Counter, from: "", name: "falcosecurity_scap_n_drops_scratch_map_total", labels: &[], help: "Of those the ones for want of scratch." },
    Family { kind: Counter, from: "", name: "falcosecurity_scap_n_evts_cpu_total", labels: &["cpu"], help: "Events by CPU; where metrics.kernel_event_counters_per_cpu_enabled is true." },
    Family { kind: Counter, from: "", name: "falcosecurity_scap_n_drops_cpu_total", labels: &["cpu"], help: "Drops by CPU; as above." },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_say_their_kind() {
        let names: Vec<_> = all().map(|family| family.name).collect();
        for (i, family) in all().enumerate() {
            let name = family.name;
            assert!(!names[..i].contains(&name), "{name}");
            assert_eq!(name.ends_with("_total"), family.kind == Counter, "{name}");
            assert!(family.help.ends_with('.') && !family.help.contains('|'), "{name}");
            assert!(
                family.from.matches('*').count() == family.labels.len() || family.from.is_empty(),
                "{name}"
            );
        }
    }

    #[test]
    fn the_page_has_a_row_for_each_and_no_other() {
        let page = include_str!("../../../docs/metrics.md");
        let rows: Vec<&str> = page
            .lines()
            .filter(|l| l.starts_with("| `peregrine_") || l.starts_with("| `falcosecurity_"))
            .collect();
        for Family { kind, from, name, labels, help } in all() {
            let of = if from.is_empty() { String::new() } else { format!(" (`{from}`)") };
            let kind = format!("{kind:?}").to_lowercase();
            let (labels, help) = (labels.join(", "), help.trim_end_matches('.'));
            let row =
                format!("| `{name}` | {kind} | {labels} | {help}{of} | ").replace("|  |", "| |");
            assert!(rows.iter().any(|r| r.starts_with(&row)), "docs/metrics.md has no row {row}");
        }
        assert_eq!(rows.len(), all().count());
    }

    #[test]
    fn a_meter_has_the_family_of_its_name_or_of_its_pattern() {
        let of = |meter| of_meter(meter).map(|(family, labels)| (family.name, labels));
        assert_eq!(of("kernel.seen"), Some(("peregrine_kernel_seen_total", vec![])));
        assert_eq!(
            of("kernel.written.cpu.7"),
            Some(("peregrine_kernel_written_by_cpu_total", vec!["7"]))
        );
        assert_eq!(
            of("outputs.http.lost_gave_up"),
            Some(("peregrine_sink_lost_total", vec!["http", "gave_up"]))
        );
        assert_eq!(
            of("outbox.found.records"),
            Some(("peregrine_outbox_found_records_total", vec![]))
        );
        assert_eq!(
            of("containers.unknown.timed_out"),
            Some(("peregrine_containers_unknown_total", vec!["timed_out"]))
        );
        assert_eq!(
            of("containers.cri.absent"),
            Some(("peregrine_containers_answers_total", vec!["cri", "absent"]))
        );
        assert_eq!(of("what.is.this.then"), None);
    }
}

//! Fields of containers live: what a runtime told, and what follows from it.

mod support;

use std::sync::Arc;

use bus::Key;
use containers::{Details, Kind, Probe};
use rules::RuleMatching;
use stages::Progress;
use support::*;

const INIT: Proc = Proc { tgid: 1, start: 10 };

/// Outputs of the rule for these frames, with a runtime that tells the same of every container.
fn outputs(output: &str, details: &Details, frames: &[Vec<u8>]) -> Vec<String> {
    let rule = format!(
        "- rule: r\n  desc: d\n  condition: evt.type in (openat, execve)\n  output: '{output}'\n  priority: INFO\n"
    );
    let mut p = pipeline(&Setup::new(1, 1, &ruleset(&rule, RuleMatching::All)));
    let (lineage, details) = (Arc::downgrade(&p.lineage), Arc::new(details.clone()));
    let ask = move |kind, id: &str| {
        assert_eq!(kind, Kind::Docker);
        let lineage = lineage.upgrade().unwrap();
        lineage.live_containers().answer(id, Some(Arc::clone(&details)));
        true
    };
    p.lineage.live_containers().ask_by(ask, Vec::new());
    let mut feeder = Feeder {
        frames: (1..).map(Key).zip(frames.iter().map(|f| &f[..])).collect(),
        at: 0,
        lanes: p.lanes.remove(0),
        watermark: Arc::clone(&p.watermarks[0]),
    };
    while feeder.step(5) | (p.shards[0].poll_once() != Progress::Ended) {}
    std::iter::from_fn(|| p.alerts[0].pop()).map(|alert| alert.output).collect()
}

#[test]
fn what_the_runtime_told_is_what_fields_give() {
    let probe = Probe { exe: "/bin/check".into(), args: vec!["-c".into(), "a b".into()] };
    let details = Details {
        name: "web".into(),
        image: "repo/nginx:1".into(),
        image_tag: "1".into(),
        image_digest: "sha256:9".into(),
        privileged: true,
        started_ns: 3,
        ip: "10.0.0.7".into(),
        pod_sandbox_id: "0123456789abcdef".into(),
        labels: [("io.kubernetes.pod.name".to_owned(), "pod-1".to_owned())].into(),
        pod_sandbox_labels: [("app".to_owned(), "shop".to_owned())].into(),
        liveness_probe: Some(probe),
        ..Details::default()
    };
    let frames = [
        seed(INIT, proc(0, 0), "init"),
        exec_in(proc(60, 20), INIT, "sh", 7),
        exec(proc(61, 20), INIT, "sh", ""),
    ];
    let output = "%container.id %container.type %container.name %container.image %container.image.tag %container.image.digest \
                  %container.privileged %container.start_ts %container.duration %container.ip %container.healthcheck \
                  %container.liveness_probe %k8s.pod.name %k8s.pod.sandbox_id %k8s.pod.label[app] %k8s.pod.ip";
    assert_eq!(
        outputs(output, &details, &frames),
        [
            "000000000000 docker web repo/nginx:1 1 sha256:9 true 3 18 10.0.0.7 <NA> /bin/check -c a b pod-1 0123456789ab shop 10.0.0.7",
            "host host host    false <NA> <NA>  <NA> <NA> <NA>  <NA> <NA>"
        ]
    );
}

#[test]
fn a_probe_is_what_was_started_as_told_and_not_by_the_containers_first_process() {
    let probe = Probe { exe: "/bin/check".into(), args: Vec::new() };
    let details = Details { readiness_probe: Some(probe), ..Details::default() };
    let [shim, inside, check, below, other] = [70, 71, 72, 73, 74].map(|n| proc(n, u64::from(n)));
    let frames = [
        // The first process of a container has the id 1 in it.
        exec_in(INIT, proc(0, 0), "first", 7),
        seed(shim, proc(0, 0), "shim"),
        fork(inside, INIT, INIT, "first"),
        exec_in(inside, INIT, "check", 7),
        fork(check, shim, shim, "shim"),
        exec_in(check, shim, "check", 7),
        fork(below, check, check, "check"),
        exec_in(below, check, "curl", 7),
        fork(other, shim, shim, "shim"),
        exec_in(other, shim, "other", 7),
        exec(shim, proc(0, 0), "check", ""),
    ];
    let output = "%proc.name %proc.is_container_readiness_probe %proc.is_container_liveness_probe";
    assert_eq!(
        outputs(output, &details, &frames),
        [
            "first false false",
            "check false false",
            "check true false",
            "curl true false",
            "other false false",
            "check false false"
        ]
    );
}

//! Kubernetes' interface to runtimes, answered as containerd and CRI-O do.

use std::time::{Duration, Instant};

use containers::{Kind, LookupConfig, Probe, Why};
use serde_json::json;

use crate::grpc::{Call, INTERNAL, NOT_FOUND, Outcome, UNIMPLEMENTED, Written, serve};
use crate::host::{Host, id};

const CONTAINERD: &str = "run/containerd/containerd.sock";
const CRIO: &str = "run/crio/crio.sock";
const DIGEST: &str = "sha256:1111";

fn image() -> Outcome {
    let image = Written::new()
        .text(1, "sha256:2222")
        .text(2, "docker.io/library/nginx:1.25")
        .text(3, "docker.io/library/nginx@sha256:1111");
    Written::new().message(1, image).done()
}

fn status(id: &str, image: &str, image_ref: &str) -> Written {
    let mount = Written::new().text(1, "/data").text(2, "/srv").number(3, 1).number(5, 2);
    let linux = Written::new()
        .number(1, 100_000)
        .number(3, 256)
        .number(4, 4096)
        .text(6, "0,2-3")
        .number(9, -1);
    Written::new()
        .text(1, id)
        .message(2, Written::new().text(1, "web").number(2, 3))
        .number(3, 1)
        .number(4, 1_714_979_289_000_000_001)
        .number(5, 1_714_979_290_000_000_002)
        .message(8, Written::new().text(1, image))
        .text(9, image_ref)
        .pair(12, "io.kubernetes.container.name", "web")
        .pair(13, "io.kubernetes.container.restartCount", "3")
        .message(14, mount)
        .message(16, Written::new().message(1, linux))
        .text(17, "sha256:2222")
}

fn sandbox(id: &str) -> Written {
    let applied = json!({"spec": {"containers": [
        {"name": "side", "livenessProbe": {"exec": {"command": ["false"]}}},
        {"name": "web", "livenessProbe": {"exec": {"command": ["cat", "/ok"]}}, "readinessProbe": {"httpGet": {"port": 80}}},
    ]}});
    let options = Written::new()
        .number(1, 2)
        .number(2, 1)
        .number(3, 2)
        .message(5, Written::new().number(1, 0));
    Written::new()
        .text(1, id)
        .message(2, Written::new().text(1, "web-0").text(2, "0f90f31c").text(3, "shop"))
        .number(4, 1_714_979_288_000_000_000)
        .message(5, Written::new().text(1, "10.1.2.3"))
        .message(6, Written::new().message(1, Written::new().message(2, options)))
        .pair(7, "app", "web")
        .pair(8, "kubectl.kubernetes.io/last-applied-configuration", &applied.to_string())
}

fn containerd_info(sandbox: &str) -> String {
    json!({
        "sandboxID": sandbox, "pid": 7,
        "config": {"image": {"image": "sha256:3333"}, "envs": [{"key": "A", "value": "b"}],
            "linux": {"security_context": {"privileged": true}}},
        "runtimeSpec": {"process": {"user": {"uid": 1000}, "env": ["PATH=/bin", "A=b"]}},
    })
    .to_string()
}

fn answer_as_containerd(call: &Call) -> Outcome {
    let (asked_for, of) = (call.asked_for(), Written::new());
    match &*call.method {
        "runtime.v1.RuntimeService/Version" => of.text(1, "0.1.0").text(2, "containerd").done(),
        "runtime.v1.RuntimeService/ContainerStatus" if asked_for == id(1) => of
            .message(
                1,
                status(
                    &id(1),
                    "docker.io/library/nginx:1.25",
                    "docker.io/library/nginx@sha256:1111",
                ),
            )
            .pair(2, "info", &containerd_info(&id(100)))
            .done(),
        "runtime.v1.RuntimeService/PodSandboxStatus" if asked_for == id(100) => {
            let interfaces = json!({"eth0": {"Mac": "x"}, "lo": {}, "veth1": {}});
            let info = json!({"image": "registry.k8s.io/pause:3.9", "cniResult": {"Interfaces": interfaces}});
            of.message(1, sandbox(&id(100))).pair(2, "info", &info.to_string()).done()
        }
        "runtime.v1.ImageService/ImageStatus" => image(),
        _ => Err(NOT_FOUND),
    }
}

#[test]
fn containerd_tells_of_the_container_and_its_pod() {
    let mut host = Host::new(|root| serve(&root.join(CONTAINERD), answer_as_containerd), |_| {});
    for kind in [Kind::Containerd, Kind::Cri] {
        let d = host.ask(kind, &id(1)).unwrap();
        assert_eq!((&*d.name, d.kind, d.is_pod_sandbox), ("web", "containerd", false));
        assert_eq!(
            (&*d.image, &*d.image_repository),
            ("docker.io/library/nginx:1.25", "docker.io/library/nginx")
        );
        assert_eq!((&*d.image_tag, &*d.image_digest, &*d.image_id), ("1.25", DIGEST, "3333"));
        assert_eq!((d.created_s, d.started_ns), (1_714_979_289, 1_714_979_290_000_000_002));
        assert_eq!((d.privileged, d.has_user_namespace, &*d.user), (true, true, "1000"));
        assert_eq!((d.host_pid, d.host_network, d.host_ipc), (false, true, true));
        assert_eq!(d.mounts[0].line(), "/srv:/data::false:rshared");
        assert_eq!(d.env, ["PATH=/bin", "A=b"]);
        assert_eq!((d.limits.cpuset_cpu_count, d.limits.memory, d.limits.swap), (3, 4096, -1));
        assert_eq!((&*d.ip, &*d.cni_json), ("10.1.2.3", r#"{"eth0":{"Mac":"x"}}"#));
        assert_eq!((&*d.pod_sandbox_id, &*d.pod_sandbox_labels["app"]), (&*id(100), "web"));
        let labels =
            ["name", "namespace", "uid"].map(|l| &*d.labels[&format!("io.kubernetes.pod.{l}")]);
        assert_eq!(labels, ["web-0", "shop", "0f90f31c"]);
        assert_eq!(d.labels["io.kubernetes.container.name"], "web");
        let cat = Probe { exe: "cat".to_owned(), args: vec!["/ok".to_owned()] };
        assert_eq!((d.liveness_probe, d.readiness_probe), (Some(cat), None));
    }
    let pause = host.ask(Kind::Containerd, &id(100)).unwrap();
    assert!(pause.is_pod_sandbox && pause.pod_sandbox_id == id(100));
    assert_eq!((&*pause.name, &*pause.image_repository), ("web-0", "registry.k8s.io/pause"));
    assert_eq!(pause.labels["io.kubernetes.pod.namespace"], "shop");
    assert_eq!(host.ask(Kind::Cri, &id(5)), Err(Why::NotFound));
    host.end();
}

#[test]
fn cri_o_tells_the_sandbox_in_its_list_and_the_network_in_a_note() {
    let answer = |call: &Call| {
        let of = Written::new();
        match &*call.method {
            "runtime.v1.RuntimeService/Version" => of.text(2, "cri-o").done(),
            "runtime.v1.RuntimeService/ContainerStatus" if call.asked_for() == id(1) => {
                let spec = json!({"annotations": {"io.kubernetes.cri-o.ImageName": "quay.io/a/b:2"}, "process": {"env": ["A=b"]},
                    "linux": {"maskedPaths": ["/proc/kcore"], "namespaces": [{"type": "user"}]}});
                let info = json!({"runtimeSpec": spec}).to_string();
                of.message(1, status(&id(1), "sha256:2222", "quay.io/a/b@sha256:9"))
                    .pair(2, "info", &info)
                    .done()
            }
            "runtime.v1.RuntimeService/ListContainers" => {
                let listed = |id: &str, sandbox: &str| Written::new().text(1, id).text(2, sandbox);
                of.message(1, listed(&id(9), &id(90))).message(1, listed(&id(1), &id(100))).done()
            }
            "runtime.v1.RuntimeService/PodSandboxStatus" if call.asked_for() == id(100) => {
                let noted = json!({"runtimeSpec": {"annotations": {"io.kubernetes.cri-o.CNIResult": "{\"a\":1}"}}});
                of.message(1, sandbox(&id(100))).pair(2, "info", &noted.to_string()).done()
            }
            _ => Err(NOT_FOUND),
        }
    };
    let mut host = Host::new(|root| serve(&root.join(CRIO), answer), |_| {});
    let d = host.ask(Kind::Cri, &id(1)).unwrap();
    assert_eq!((d.kind, d.privileged), ("cri-o", false));
    assert_eq!(
        (&*d.image, &*d.image_repository, &*d.image_tag),
        ("quay.io/a/b:2", "quay.io/a/b", "2")
    );
    assert_eq!((&*d.image_digest, &*d.image_id), ("sha256:9", "2222"));
    assert_eq!((&*d.pod_sandbox_id, &*d.cni_json), (&*id(100), r#"{"a":1}"#));
    host.end();
}

#[test]
fn a_pod_whose_sandbox_is_gone_leaves_the_container() {
    let answer = |call: &Call| {
        let is_gone = call.method.ends_with("/PodSandboxStatus");
        if is_gone { Err(NOT_FOUND) } else { answer_as_containerd(call) }
    };
    let mut host = Host::new(|root| serve(&root.join(CONTAINERD), answer), |_| {});
    let d = host.ask(Kind::Containerd, &id(1)).unwrap();
    assert_eq!((&*d.name, &*d.pod_sandbox_id, &*d.ip), ("web", &*id(100), ""));
    host.end();
}

fn outcome_of(answer: impl Fn(&Call) -> Outcome + Clone + Send + 'static) -> Why {
    let bounds = |config: &mut LookupConfig| {
        // Every answer comes to its end, so time is not to decide.
        config.request_timeout = Duration::from_secs(15);
        config.containerd_sockets.clear();
    };
    let mut host = Host::new(|root| serve(&root.join(CONTAINERD), answer), bounds);
    let why = host.ask(Kind::Containerd, &id(1)).unwrap_err();
    host.end();
    why
}

#[test]
fn answers_that_are_none_are_told_apart() {
    assert_eq!(outcome_of(|_| Err(NOT_FOUND)), Why::NotFound);
    assert_eq!(outcome_of(|_| Err(UNIMPLEMENTED)), Why::NoRuntime, "a containerd without CRI");
    assert_eq!(outcome_of(|_| Err(INTERNAL)), Why::BadAnswer);
    assert_eq!(outcome_of(|_| Ok(vec![0xff; 100])), Why::BadAnswer);
    assert_eq!(outcome_of(|_| Ok(Vec::new())), Why::BadAnswer, "a status without a container");
    assert_eq!(outcome_of(|_| Ok(vec![0; 64 << 20])), Why::BadAnswer, "an answer that is too long");
    assert_eq!(
        outcome_of(|_| Written::new().message(1, status(&id(2), "", "")).done()),
        Why::BadAnswer,
        "another container"
    );
}

#[test]
fn a_socket_that_speaks_otherwise_or_not_at_all_ends() {
    for (reply, why) in [
        (crate::http::Reply::Hang, Why::TimedOut),
        (crate::http::Reply::Status(404), Why::BadAnswer),
        (crate::http::Reply::Raw(b"\x00\x00\x00\xff\xff".to_vec()), Why::BadAnswer),
    ] {
        let said = format!("{reply:?}");
        let patience = reply.patience();
        let bounds = |config: &mut LookupConfig| config.request_timeout = patience;
        let mut host = Host::new(
            |root| {
                crate::http::serve_any(&root.join(CRIO), reply);
            },
            bounds,
        );
        let start = Instant::now();
        assert_eq!(host.ask(Kind::CriO, &id(1)), Err(why), "{said}");
        assert!(start.elapsed() < patience + Duration::from_secs(5), "{said}");
        host.end();
    }
}

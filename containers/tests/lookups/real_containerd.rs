//! containerd itself: pods through CRI, a container of `ctr`, and what it leaves on disk.

use containers::{Details, Kind, LookupConfig};

use crate::containerd_service::{IMAGE, Made, PROGRAMS, ctr};
use crate::host::Host;
use crate::real::{can_run, container_of, run};

/// What the service and the files both tell.
fn check(d: &Details, from: &str) {
    assert_eq!((&*d.name, &*d.image), ("web", IMAGE), "{from}");
    assert_eq!((&*d.image_repository, &*d.image_tag), ("docker.io/peregrine/bb", "v1"), "{from}");
    assert!(d.privileged && d.host_network && !d.host_ipc, "{from}: {d:?}");
    assert!(d.env.contains(&"A=b".to_owned()) && d.env.contains(&"MADE=here".to_owned()), "{from}");
    let mount = d.mounts.iter().find(|m| m.dest == "/data").expect("its mount");
    assert!(mount.source == "/usr" && !mount.rdwr, "{from}: {mount:?}");
    let labels =
        ["name", "namespace", "uid"].map(|l| &*d.labels[&format!("io.kubernetes.pod.{l}")]);
    assert_eq!(labels, ["web-0", "shop", "7e9f0c52-peregrine-test"], "{from}");
}

#[test]
fn containerd_tells_by_its_services_and_by_its_files() {
    if !can_run("containerd", &PROGRAMS) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let mut made = Made::new(root);
    let id = made.start();
    run(ctr(root, "default").args([
        "run",
        "--detach",
        "--snapshotter",
        "native",
        IMAGE,
        "by-hand",
    ]));

    let pid_of = |namespace: &str, id: &str| {
        let tasks = run(ctr(root, namespace).args(["tasks", "list"]));
        let line = tasks.lines().find(|line| line.starts_with(id)).expect("its task").to_owned();
        line.split_whitespace().nth(1).expect("its process").to_owned()
    };
    let container = container_of(&pid_of("k8s.io", &id));
    assert_eq!((container.kind(), container.full_id()), (Kind::Cri, &*id));
    let by_hand = container_of(&pid_of("default", "by-hand"));
    assert_eq!((by_hand.kind(), by_hand.full_id()), (Kind::Containerd, "by-hand"));

    let own_root = |config: &mut LookupConfig| config.host_root = root.to_owned();
    let mut host = Host::new(|_| (), own_root);
    let d = host.ask(Kind::Cri, &id).unwrap();
    check(&d, "CRI");
    assert_eq!(
        (d.kind, &*d.labels["team"], &*d.pod_sandbox_id),
        ("containerd", "red", &*made.sandbox)
    );
    assert_eq!((&*d.pod_sandbox_labels["app"], d.image_id.len()), ("web", 64));
    assert!(d.image_digest.starts_with("sha256:") && d.started_ns > 1_700_000_000_000_000_000);
    let pause = host.ask(Kind::Cri, &made.sandbox).unwrap();
    assert!(pause.is_pod_sandbox && pause.image_tag == "v1", "{pause:?}");
    let d = host.ask(Kind::Containerd, "by-hand").unwrap();
    assert_eq!((&*d.image, &*d.name, d.privileged), (IMAGE, "by-hand", false));
    assert!(d.image_digest.starts_with("sha256:") && d.created_s > 1_700_000_000);
    assert_eq!(
        (host.count("containers.cri.known"), host.count("containers.containerd.known")),
        (2, 1)
    );
    host.end();

    let without_sockets = |config: &mut LookupConfig| {
        own_root(config);
        config.cri_sockets.clear();
        config.containerd_sockets.clear();
    };
    let mut host = Host::new(|_| (), without_sockets);
    let d = host.ask(Kind::Cri, &id).unwrap();
    check(&d, "disk");
    assert_eq!(d.pod_sandbox_id, made.sandbox);
    assert_eq!(host.ask(Kind::Containerd, "by-hand").unwrap().name, "by-hand");
    host.end();
}

//! containerd itself: pods through CRI, a container of `ctr`, and what it leaves on disk.

use std::fs;
use std::path::Path;
use std::process::Command;

use containers::{Details, Kind, LookupConfig};

use crate::grpc::{Written, call, first_text};
use crate::host::Host;
use crate::real::{Service, can_run, container_of, remove_cgroups, run, wait_for, write_image};

const IMAGE: &str = "docker.io/peregrine/bb:v1";
const POD: &str = "kubepods/besteffort/pod7e9f0c52-peregrine-test";

fn socket(root: &Path) -> std::path::PathBuf {
    root.join("run/containerd/containerd.sock")
}

fn ctr(root: &Path, namespace: &str) -> Command {
    let mut command = Command::new("ctr");
    command.arg("--address").arg(socket(root)).args(["--namespace", namespace]);
    command
}

fn config(root: &Path) -> String {
    let root = root.display();
    format!(
        r#"version = 2
root = "{root}/var/lib/containerd"
state = "{root}/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "{root}/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  disable_tcp_service = true
  sandbox_image = "{IMAGE}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{root}/cni"
    conf_dir = "{root}/cni"
"#
    )
}

/// What was made, by the ids with which it is removed, also when the test fails.
struct Made<'a> {
    root: &'a Path,
    sandbox: String,
    ids: Vec<String>,
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        for method in ["StopPodSandbox", "RemovePodSandbox"] {
            let by_id = Written::new().text(1, &self.sandbox);
            drop(cri(self.root, method, by_id));
        }
        let by_hand = ["tasks", "delete", "--force", "by-hand"];
        drop(ctr(self.root, "default").args(by_hand).output());
        drop(ctr(self.root, "default").args(["containers", "delete", "by-hand"]).output());
        let own: Vec<String> = self.ids.iter().map(|id| format!("{POD}/{id}")).collect();
        remove_cgroups(&own.iter().map(|path| &**path).collect::<Vec<_>>());
        remove_cgroups(&[POD, "kubepods/besteffort", "kubepods", "default/by-hand", "default"]);
    }
}

fn cri(root: &Path, method: &str, question: Written) -> Result<Vec<u8>, String> {
    call(&socket(root), &format!("/runtime.v1.RuntimeService/{method}"), question)
}

fn pod() -> Written {
    let options = Written::new().number(1, 2).number(2, 1).number(3, 0);
    let linux = Written::new()
        .text(1, &format!("/{POD}"))
        .message(2, Written::new().message(1, options).number(6, 1));
    let metadata =
        Written::new().text(1, "web-0").text(2, "7e9f0c52-peregrine-test").text(3, "shop");
    Written::new().message(1, metadata).pair(6, "app", "web").message(8, linux)
}

/// Makes and starts a privileged container in the pod.
fn start_container(root: &Path, sandbox: &str) -> String {
    let mount = Written::new().text(1, "/data").text(2, "/usr").number(3, 1);
    let context = Written::new().number(2, 1).message(3, Written::new().number(1, 2).number(2, 1));
    let container = Written::new()
        .message(1, Written::new().text(1, "web"))
        .message(2, Written::new().text(1, IMAGE))
        .message(6, Written::new().text(1, "A").text(2, "b"))
        .message(7, mount)
        .pair(9, "team", "red")
        .message(15, Written::new().message(2, context));
    let question = Written::new().text(1, sandbox).message(2, container).message(3, pod());
    let id = first_text(&cri(root, "CreateContainer", question).unwrap());
    cri(root, "StartContainer", Written::new().text(1, &id)).unwrap();
    id
}

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
    let programs =
        ["containerd", "containerd-shim-runc-v2", "ctr", "runc", "busybox", "tar", "sha256sum"];
    if !can_run("containerd", &programs) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::write(root.join("config.toml"), config(root)).unwrap();
    write_image(root, IMAGE);
    let service =
        Service::start(Command::new("containerd").arg("--config").arg(root.join("config.toml")));
    wait_for("CRI answers", || {
        let status = cri(root, "Status", Written::new()).ok()?;
        (!status.is_empty()).then_some(())
    });
    for namespace in ["k8s.io", "default"] {
        let import = ["images", "import", "--snapshotter", "native"];
        run(ctr(root, namespace).args(import).arg(root.join("image.tar")));
    }
    let mut made = Made { root, sandbox: String::new(), ids: Vec::new() };
    made.sandbox = wait_for("the image is known to CRI", || {
        let answer = cri(root, "RunPodSandbox", Written::new().message(1, pod()));
        answer.map(|a| first_text(&a)).ok()
    });
    let id = start_container(root, &made.sandbox);
    made.ids = vec![made.sandbox.clone(), id.clone()];
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
    drop(made);
    drop(service);
}

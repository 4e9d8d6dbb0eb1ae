//! containerd in a directory: its settings, a pod through CRI, and how what was made is removed.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::grpc_client::{Written, call, first_text};
use crate::real::{Service, remove_cgroups, run, wait_for, write_image};

/// What a test with containerd needs.
pub(crate) const PROGRAMS: [&str; 7] =
    ["containerd", "containerd-shim-runc-v2", "ctr", "runc", "busybox", "tar", "sha256sum"];
pub(crate) const IMAGE: &str = "docker.io/peregrine/bb:v1";
const POD: &str = "kubepods/besteffort/pod7e9f0c52-peregrine-test";

fn socket(root: &Path) -> std::path::PathBuf {
    root.join("run/containerd/containerd.sock")
}

pub(crate) fn ctr(root: &Path, namespace: &str) -> Command {
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
pub(crate) struct Made<'a> {
    root: &'a Path,
    /// The pod.
    pub(crate) sandbox: String,
    ids: Vec<String>,
    /// Ends after what it made is removed.
    _service: Service,
}

impl<'a> Made<'a> {
    /// Runs containerd below a directory, with [`IMAGE`] and an empty pod.
    pub(crate) fn new(root: &'a Path) -> Self {
        fs::write(root.join("config.toml"), config(root)).expect("a file");
        write_image(root, IMAGE);
        let service = Service::start(
            Command::new("containerd").arg("--config").arg(root.join("config.toml")),
        );
        wait_for("CRI answers", || {
            let status = cri(root, "Status", Written::new()).ok()?;
            (!status.is_empty()).then_some(())
        });
        for namespace in ["k8s.io", "default"] {
            let import = ["images", "import", "--snapshotter", "native"];
            run(ctr(root, namespace).args(import).arg(root.join("image.tar")));
        }
        let mut made = Made { root, sandbox: String::new(), ids: Vec::new(), _service: service };
        made.sandbox = wait_for("the image is known to CRI", || {
            let answer = cri(root, "RunPodSandbox", Written::new().message(1, pod()));
            answer.map(|a| first_text(&a)).ok()
        });
        made.ids.push(made.sandbox.clone());
        made
    }

    /// Makes and starts a privileged container in the pod, and gives its id.
    pub(crate) fn start(&mut self) -> String {
        let id = start_container(self.root, &self.sandbox);
        self.ids.push(id.clone());
        id
    }
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

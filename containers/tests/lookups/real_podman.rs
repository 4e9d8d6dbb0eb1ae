//! Podman itself: its service, and what it leaves on disk.

use std::path::Path;
use std::process::Command;

use containers::{Details, Kind};

use crate::host::Host;
use crate::real::{Service, can_run, container_of, remove_cgroups, run, wait_for, write_image};

const CONFIG: &str = r#"[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
"#;

fn podman(root: &Path) -> Command {
    let mut command = Command::new("podman");
    let paths = [
        ("--root", "var/lib/containers/storage"),
        ("--runroot", "run/containers/storage"),
        ("--tmpdir", "run/libpod"),
    ];
    for (option, path) in paths {
        command.arg(option).arg(root.join(path));
    }
    command.args(["--storage-driver", "vfs"]).env("CONTAINERS_CONF", root.join("containers.conf"));
    command
}

/// Removes what it made, also when the test fails.
struct Made<'a>(&'a Path, Vec<String>);

impl Drop for Made<'_> {
    fn drop(&mut self) {
        // What could not be removed shows in the next run.
        drop(podman(self.0).args(["rm", "--all", "--force", "--time", "0"]).output());
        drop(podman(self.0).args(["rmi", "--all", "--force"]).output());
        let own: Vec<String> =
            self.1.iter().map(|id| format!("libpod_parent/libpod-{id}")).collect();
        remove_cgroups(&own.iter().map(|path| &**path).collect::<Vec<_>>());
        remove_cgroups(&["libpod_parent/conmon", "libpod_parent"]);
    }
}

fn check(details: &Details, from: &str) {
    assert_eq!((&*details.name, details.kind), ("peregrine-test", "podman"), "{from}");
    assert_eq!(details.image, "localhost/peregrine/bb:v1", "{from}");
    assert_eq!(details.image_repository, "localhost/peregrine/bb", "{from}");
    assert_eq!((&*details.image_tag, details.image_id.len()), ("v1", 64), "{from}");
    assert!(details.image_digest.starts_with("sha256:"), "{from}: {details:?}");
    assert!(details.privileged && !details.host_pid && !details.host_network, "{from}");
    assert!(details.env.contains(&"A=b".to_owned()), "{from}: {:?}", details.env);
    let mount = details.mounts.iter().find(|m| m.dest == "/data").expect("its mount");
    assert!(mount.source == "/usr" && !mount.rdwr, "{from}: {mount:?}");
    assert!(details.created_s > 1_700_000_000, "{from}");
}

#[test]
fn podman_tells_by_its_service_and_by_its_files() {
    if !can_run("podman", &["podman", "runc", "conmon", "busybox", "tar", "sha256sum"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    std::fs::write(root.join("containers.conf"), CONFIG).unwrap();
    write_image(root, "localhost/peregrine/bb:v1");
    let mut made = Made(root, Vec::new());
    run(podman(root).args(["load", "--quiet", "--input"]).arg(root.join("image.tar")));
    let options =
        ["run", "--detach", "--name", "peregrine-test", "--network", "none", "--privileged"];
    let more = ["--label", "team=red", "--env", "A=b", "--volume", "/usr:/data:ro"];
    let full_id = run(podman(root).args(options).args(more).arg("localhost/peregrine/bb:v1"));
    made.1.push(full_id.clone());
    let pid = run(podman(root).args(["inspect", "--format", "{{.State.Pid}}", &full_id]));
    let container = container_of(&pid);
    assert_eq!((container.kind(), container.full_id()), (Kind::Podman, &*full_id));
    let own_root = |config: &mut containers::LookupConfig| config.host_root = root.to_owned();

    let mut from_disk = Host::new(|_| (), own_root);
    check(&from_disk.ask(Kind::Podman, &full_id).unwrap(), "disk");
    assert_eq!(from_disk.count("containers.disk.known"), 1);
    from_disk.end();

    let socket = root.join("run/podman/podman.sock");
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let address = format!("unix://{}", socket.display());
    let service = Service::start(podman(root).args(["system", "service", "--time", "0", &address]));
    wait_for("the service listens", || socket.exists().then_some(()));
    let mut from_socket = Host::new(|_| (), own_root);
    let details = from_socket.ask(Kind::Podman, &full_id).unwrap();
    check(&details, "socket");
    assert_eq!(details.labels["team"], "red", "labels are not on disk in a form that is read");
    assert!(details.started_ns > 1_700_000_000_000_000_000);
    assert_eq!(from_socket.count("containers.podman.known"), 1);
    from_socket.end();
    drop((service, made));
}

//! Docker itself: its service, and what it leaves on disk.

use std::path::Path;
use std::process::Command;

use containers::{Details, Kind, LookupConfig};

use crate::host::Host;
use crate::real::{Service, can_run, container_of, remove_cgroups, run, wait_for, write_image};

fn docker(root: &Path) -> Command {
    let mut command = Command::new("docker");
    command.arg("--host").arg(format!("unix://{}", root.join("var/run/docker.sock").display()));
    command.env("DOCKER_CONFIG", root.join("client"));
    command
}

fn dockerd(root: &Path) -> Command {
    let mut command = Command::new("dockerd");
    let paths = [
        ("--data-root", "var/lib/docker"),
        ("--exec-root", "run/docker"),
        ("--pidfile", "run/docker.pid"),
    ];
    for (option, path) in paths {
        command.arg(option).arg(root.join(path));
    }
    command.arg("--host").arg(format!("unix://{}", root.join("var/run/docker.sock").display()));
    command.args([
        "--bridge=none",
        "--iptables=false",
        "--ip6tables=false",
        "--storage-driver=vfs",
    ]);
    command.arg("--exec-opt").arg("native.cgroupdriver=cgroupfs");
    command
}

/// Removes what it made, also when the test fails.
struct Made<'a>(&'a Path, String);

impl Drop for Made<'_> {
    fn drop(&mut self) {
        drop(docker(self.0).args(["rm", "--force", &self.1]).output());
        remove_cgroups(&[&format!("docker/{}", self.1), "docker"]);
    }
}

fn check(d: &Details, from: &str) {
    assert_eq!((&*d.name, d.kind, &*d.user), ("peregrine-test", "docker", "7"), "{from}");
    assert_eq!((&*d.image, &*d.image_repository), ("peregrine/bb:v1", "peregrine/bb"), "{from}");
    assert_eq!((&*d.image_tag, d.image_id.len(), &*d.labels["team"]), ("v1", 64, "red"), "{from}");
    assert_eq!((d.privileged, d.host_pid, d.host_network), (false, true, false), "{from}");
    assert!(d.env.contains(&"A=b".to_owned()) && d.env.contains(&"MADE=here".to_owned()), "{from}");
    assert_eq!(d.mounts[0].line(), "/usr:/data:ro:false:rprivate", "{from}");
    let check = d.healthcheck.as_ref().map(|p| (&*p.exe, &*p.args[1]));
    assert_eq!(check, Some(("/bin/sh", "true")), "{from}");
    assert!(d.created_s > 1_700_000_000, "{from}");
    assert!(d.started_ns > 1_700_000_000_000_000_000, "{from}");
}

#[test]
fn docker_tells_by_its_service_and_by_its_files() {
    let programs = ["dockerd", "docker", "containerd", "runc", "busybox", "tar", "sha256sum"];
    if !can_run("docker", &programs) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for made in ["var/run", "client", "run"] {
        std::fs::create_dir_all(root.join(made)).unwrap();
    }
    write_image(root, "peregrine/bb:v1");
    let service = Service::start(&mut dockerd(root));
    wait_for("Docker answers", || {
        docker(root).arg("version").output().ok()?.status.success().then_some(())
    });
    run(docker(root).args(["load", "--quiet", "--input"]).arg(root.join("image.tar")));
    let options = [
        "run",
        "--detach",
        "--name",
        "peregrine-test",
        "--network",
        "none",
        "--pid",
        "host",
        "--user",
        "7",
    ];
    let more = [
        "--label",
        "team=red",
        "--env",
        "A=b",
        "--volume",
        "/usr:/data:ro",
        "--health-cmd",
        "true",
    ];
    let full_id = run(docker(root).args(options).args(more).arg("peregrine/bb:v1"));
    let made = Made(root, full_id.clone());
    let pid = run(docker(root).args(["inspect", "--format", "{{.State.Pid}}", &full_id]));
    let container = container_of(&pid);
    assert_eq!((container.kind(), container.full_id()), (Kind::Docker, &*full_id));

    let own_root = |config: &mut LookupConfig| config.host_root = root.to_owned();
    let mut from_socket = Host::new(|_| (), own_root);
    check(&from_socket.ask(Kind::Docker, &full_id).unwrap(), "socket");
    assert_eq!(from_socket.count("containers.docker.known"), 1);
    from_socket.end();
    let without_sockets = |config: &mut LookupConfig| {
        own_root(config);
        config.docker_sockets.clear();
    };
    let mut from_disk = Host::new(|_| (), without_sockets);
    check(&from_disk.ask(Kind::Docker, &full_id).unwrap(), "disk");
    from_disk.end();
    drop(made);
    drop(service);
}

//! One table of cgroup paths as the runtimes make them.

use containers::{Container, Kind, find_in_path};

const A: &str = "3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e";
const B: &str = "605439acbd4fb18c145069289094b17f17e0cfa938f78012d4960bc797305f22";

/// Path with `A` and `B` for the ids, the kind, and the id expected.
const TABLE: &[(&str, Kind, &str)] = &[
    ("/", Kind::Host, "host"),
    ("/init.scope", Kind::Host, "host"),
    ("/user.slice/user-1000.slice/session-3.scope", Kind::Host, "host"),
    ("/system.slice/docker.service", Kind::Host, "host"),
    ("/docker/A", Kind::Docker, A),
    ("/docker/A/docker/B", Kind::Docker, B),
    ("/docker/A/system.slice/ssh.service", Kind::Docker, A),
    ("/system.slice/docker-A.scope", Kind::Docker, A),
    (
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/docker-A.scope",
        Kind::Docker,
        A,
    ),
    ("/libpod_parent/libpod-A", Kind::Podman, A),
    ("/machine.slice/libpod-A.scope", Kind::Podman, A),
    ("/machine.slice/libpod-A.scope/container", Kind::Podman, A),
    ("/machine.slice/libpod-conmon-A.scope", Kind::Host, "host"),
    ("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-A.scope", Kind::Podman, A),
    ("/k8s.io/A", Kind::Containerd, A),
    ("/default/A", Kind::Containerd, A),
    ("/kubepods/besteffort/pod0f90f31c-ebf9-11e5-8c49-f2a4a4dd7f65/A", Kind::Cri, A),
    ("/kubepods.slice/kubepods-pod1.slice/cri-containerd-A.scope", Kind::Containerd, A),
    (
        "/system.slice/containerd.service/kubepods-besteffort-pod1.slice:cri-containerd:A",
        Kind::Containerd,
        A,
    ),
    (
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/crio-A.scope",
        Kind::CriO,
        A,
    ),
    (
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/crio-conmon-A.scope",
        Kind::Host,
        "host",
    ),
    ("/A", Kind::Containerd, A),
    ("/lxc/web-1", Kind::Lxc, "web-1"),
    ("/lxc/web-1/system.slice/cron.service", Kind::Lxc, "web-1"),
    ("/lxc.payload/web-1", Kind::Lxc, "web-1"),
    ("/lxc.payload.web-1", Kind::Lxc, "web-1"),
    ("/lxc.monitor.web-1", Kind::Host, "host"),
    ("/machine.slice/machine-deb.scope", Kind::Nspawn, "deb"),
    ("/machine.slice/systemd-nspawn@deb.service/payload", Kind::Nspawn, "deb"),
    ("/machine.slice/machine-qemu\\x2d1\\x2dvm.scope", Kind::Host, "host"),
    ("/docker/notanid", Kind::Host, "host"),
    ("/docker-A-suffix.scope", Kind::Host, "host"),
];

#[test]
fn every_runtime_is_known_by_its_path() {
    for &(path, kind, id) in TABLE {
        let path = path.replace('A', A).replace('B', B);
        let c = Container::of_cgroups(format!("cpuset=/\0memory={path}\0").as_bytes());
        assert_eq!((c.kind(), c.full_id()), (kind, id), "v1 {path}");
        let c = Container::of_cgroups(format!("={path}\0").as_bytes());
        assert_eq!((c.kind(), c.full_id()), (kind, id), "v2 {path}");
        assert!(c.is_of_cgroups(format!("={path}\0").as_bytes()));
    }
}

#[test]
fn hexadecimal_ids_are_shortened_and_names_are_not() {
    let c = Container::of_cgroups(format!("=/docker/{A}\0").as_bytes());
    assert_eq!(c.id(), &A[..12]);
    let c = Container::of_cgroups(b"=/lxc/a-long-machine-name\0");
    assert_eq!(c.id(), "a-long-machine-name");
}

#[test]
fn a_hybrid_hierarchy_names_the_container_in_any_controller() {
    let cgroups = format!("cpuset=/\0cpu=/docker/{A}\0=/\0");
    assert!(Container::of_cgroups(cgroups.as_bytes()).kind() == Kind::Docker);
}

#[test]
fn bytes_that_are_no_path_are_no_container() {
    assert_eq!(find_in_path(b"/docker/\xff\xfe"), None);
    assert_eq!(find_in_path(b""), None);
    assert!(Container::of_cgroups(b"\0\0==\0").is_host());
}

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
    ("/machine.slice/machine-my\\x2ddeb.scope/payload/init.scope", Kind::Nspawn, "my-deb"),
    ("/docker/notanid", Kind::Host, "host"),
    // Docker: rootless, with a parent of one's own, on ECS, as a node that runs Kubernetes (kind).
    ("/user.slice/user-1000.slice/user@1000.service/user.slice/docker-A.scope", Kind::Docker, A),
    ("/docker/A/init.scope", Kind::Docker, A),
    ("/ecs/0f90f31cebf911e58c49f2a4a4dd7f65/A", Kind::Docker, A),
    (
        "/docker/A/kubelet/kubepods/besteffort/pod0f90f31c-ebf9-11e5-8c49-f2a4a4dd7f65/B",
        Kind::Cri,
        B,
    ),
    (
        "/docker/A/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod1.slice/cri-containerd-B.scope",
        Kind::Containerd,
        B,
    ),
    ("/docker/A/kubelet.slice/kubelet.service", Kind::Docker, A),
    // Podman: conmon beside the container, a pod, a service's own cgroup split.
    ("/libpod_parent/conmon", Kind::Host, "host"),
    ("/libpod_parent/libpod-conmon-A", Kind::Host, "host"),
    ("/libpod_parent/B/libpod-A", Kind::Podman, A),
    ("/machine.slice/machine-libpod_pod_B.slice/libpod-A.scope/container", Kind::Podman, A),
    ("/machine.slice/machine-libpod_pod_B.slice/libpod-conmon-A.scope", Kind::Host, "host"),
    ("/system.slice/web.service/libpod-payload-A", Kind::Podman, A),
    ("/docker/B/machine.slice/libpod-conmon-A.scope", Kind::Docker, B),
    // CRI-O and containerd under cgroupfs and systemd; what pods have beside their containers.
    ("/kubepods/burstable/pod1/crio-A", Kind::CriO, A),
    ("/kubepods/burstable/pod1/crio-conmon-A", Kind::Host, "host"),
    ("/kubepods.slice/kubepods-pod1.slice/crio-A.scope/container", Kind::CriO, A),
    ("/kubepods/besteffort/pod0f90f31c-ebf9-11e5-8c49-f2a4a4dd7f65", Kind::Host, "host"),
    ("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice", Kind::Host, "host"),
    ("/kubepods.slice/kubepods-pod1.slice/docker-A.scope", Kind::Docker, A),
    // containerd's clients, with ids that people chose; nerdctl under systemd.
    ("/default/web-1.x_2", Kind::Containerd, "web-1.x_2"),
    ("/default/web/system.slice/cron.service", Kind::Containerd, "web"),
    ("/k8s.io/by-hand", Kind::Containerd, "by-hand"),
    ("/buildkit/k3a5tb2jhvpq", Kind::Containerd, "k3a5tb2jhvpq"),
    ("/docker/A/default/web", Kind::Containerd, "web"),
    ("/system.slice/nerdctl-A.scope", Kind::Containerd, A),
    ("/default/web.service", Kind::Host, "host"),
    ("/default/-web", Kind::Host, "host"),
    ("/default", Kind::Host, "host"),
    ("/mine/default/web", Kind::Host, "host"),
    // runc by hand: an id of the usual form is one, a name at the root could be anybody's.
    ("/by-hand", Kind::Host, "host"),
    // What is no container, though Falco's form for containerd would take it for one.
    ("/user.slice/user-0.slice/session-1.scope/mine", Kind::Host, "host"),
    ("/system.slice/system-getty.slice/getty@tty1", Kind::Host, "host"),
    ("/lxc/default/web", Kind::Lxc, "default"),
    ("/lxc/outer/lxc/inner", Kind::Lxc, "inner"),
    ("/lxc.payload.outer/docker/A", Kind::Docker, A),
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
fn what_runtimes_write_into_proc_on_hybrid_hosts() {
    // v1 controllers of which some are not the container's, and the unified hierarchy last, as `/proc/PID/cgroup` of Docker on such a host.
    let cgroups = format!(
        "cpuset=/\0cpu,cpuacct=/docker/{A}\0name=systemd=/docker/{A}\0=/system.slice/containerd.service\0"
    );
    assert_eq!(Container::of_cgroups(cgroups.as_bytes()).full_id(), A);
    let cgroups = format!("pids=/libpod_parent/libpod-{A}\0=/libpod_parent/libpod-{A}\0");
    assert_eq!(Container::of_cgroups(cgroups.as_bytes()).kind(), Kind::Podman);
}

#[test]
fn a_path_made_to_be_slow_is_not() {
    let start = std::time::Instant::now();
    let path = format!("/x{}", "/default/a".repeat(400));
    assert_eq!(find_in_path(path.as_bytes()), None);
    assert!(start.elapsed() < std::time::Duration::from_secs(1));
}

#[test]
fn bytes_that_are_no_path_are_no_container() {
    assert_eq!(find_in_path(b"/docker/\xff\xfe"), None);
    assert_eq!(find_in_path(b""), None);
    assert!(Container::of_cgroups(b"\0\0==\0").is_host());
}

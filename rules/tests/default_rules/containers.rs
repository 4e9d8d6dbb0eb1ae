//! Rules on what only happens in containers.

use event::EventType;

use crate::case::{Case, Texts};

const EXEC: EventType = EventType::EXECVE_19_X;
const ID: (&str, &str) = ("container.id", "3ad7b26ded6d");

const DEVICE: Texts = &[
    ID,
    ("evt.is_open_read", "true"),
    ("evt.is_open_write", "false"),
    ("evt.is_open_create", "false"),
    ("evt.arg.flags", "O_RDONLY"),
    ("fd.num", "3"),
    ("fd.name", "/dev/vda1"),
];

pub(crate) const CASES: &[Case] = &[
    Case {
        rule: "Shell in container with terminal",
        ty: EXEC,
        base: &[
            ID,
            ("proc.name", "bash"),
            ("proc.tty", "34816"),
            ("proc.pname", "containerd-shim"),
        ],
        hits: &[&[("proc.name", "sh"), ("proc.pname", "runc")]],
        misses: &[
            &[("proc.tty", "0")],
            &[("container.id", "host")],
            &[("proc.pname", "sh")],
            &[("proc.name", "ls")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Privileged container betrayed by mount or device",
        ty: EventType::MOUNT_X,
        base: &[ID, ("evt.arg.type", "proc"), ("evt.arg.dev", "none"), ("proc.name", "mount")],
        hits: &[
            &[("evt.arg.type", "ext4"), ("evt.arg.dev", "/dev/sda1")],
            &[("evt.arg.type", "cgroup"), ("evt.arg.dev", "cgroup")],
        ],
        misses: &[
            &[("container.id", "host")],
            &[("evt.rawres", "-1")],
            &[("evt.arg.type", "tmpfs")],
            &[("proc.name", "exe"), ("proc.args", "init"), ("proc.pname", "runc")],
            &[("proc.name", "systemd"), ("container.type", "lxc")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Privileged container betrayed by mount or device",
        ty: EventType::MKNOD_X,
        base: &[
            ID,
            ("evt.arg.mode", "S_IWUSR|S_IRUSR|S_IFCHR"),
            ("evt.arg.dev", "2048"),
            ("evt.args", "res=0 path=/x mode=060600(S_IWUSR|S_IRUSR|S_IFCHR) dev=2048 "),
        ],
        hits: &[
            &[("evt.rawres", "-1"), ("evt.failed", "true")],
            &[("evt.args", "res=0 path=/x mode=020600(S_IFCHR) dev=257 "), ("evt.arg.dev", "257")],
        ],
        misses: &[
            &[("evt.args", "res=0 path=/x mode=020600(S_IFCHR) dev=259 "), ("evt.arg.dev", "259")],
            &[
                ("evt.arg.mode", "S_IFIFO"),
                ("evt.args", "res=0 path=/x mode=010600(S_IFIFO) dev=0 "),
            ],
            &[("container.id", "host")],
            &[("proc.name", "runc"), ("proc.args", "init"), ("proc.pname", "runc")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Privileged container betrayed by mount or device",
        ty: EventType::OPENAT_2_X,
        base: DEVICE,
        hits: &[&[("fd.name", "/dev/mem")]],
        misses: &[&[("fd.name", "/dev/null")], &[("fd.num", "-2")]],
        others: &[(&[("container.id", "host")], "Raw disk access")],
    },
    Case {
        rule: "Privileged container started",
        ty: EXEC,
        base: &[ID, ("proc.vpid", "1"), ("proc.pname", "runc"), ("container.privileged", "true")],
        hits: &[&[("proc.vpid", "17"), ("proc.pname", "containerd-shim")]],
        misses: &[
            &[("proc.vpid", "17"), ("proc.pname", "bash")],
            &[("container.id", "host")],
            &[("proc.args", "init")],
            &[("container.privileged", "false")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Container process with CAP_SYS_ADMIN",
        ty: EXEC,
        base: &[
            ID,
            ("proc.vpid", "1"),
            ("proc.pname", "runc"),
            ("thread.cap_effective", "CAP_CHOWN CAP_SYS_ADMIN CAP_MKNOD"),
        ],
        hits: &[
            &[("proc.vpid", "17"), ("proc.pname", "containerd-shim")],
            &[("proc.vpid", "1"), ("proc.pname", "tini")],
        ],
        misses: &[
            &[("thread.cap_effective", "CAP_CHOWN CAP_MKNOD")],
            &[("proc.vpid", "17"), ("proc.pname", "bash")],
            &[("container.id", "host")],
            &[("proc.args", "init")],
            &[("container.type", "lxc")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Package manager in container",
        ty: EXEC,
        base: &[ID, ("proc.name", "apk"), ("proc.args", "add curl")],
        hits: &[&[("proc.name", "apt-get"), ("proc.pname", "sh")], &[("proc.name", "pip3")]],
        misses: &[
            &[("container.id", "host")],
            &[("proc.name", "dpkg"), ("proc.aname", "apt-get sh")],
            &[("proc.aname", "sh runc buildkitd")],
            &[("proc.name", "curl")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Dropped executable run in container",
        ty: EXEC,
        base: &[
            ID,
            ("proc.is_exe_upper_layer", "true"),
            ("proc.name", "x"),
            ("proc.exepath", "/opt/x"),
        ],
        hits: &[&[("proc.exepath", "/tmp/x")]],
        misses: &[
            &[("proc.is_exe_upper_layer", "false")],
            &[("container.id", "host")],
            &[("proc.name", "curl.postinst"), ("proc.aname", "dpkg apt-get sh")],
            &[("evt.failed", "true")],
        ],
        others: &[(
            &[("proc.exepath", "/dev/shm/x"), ("proc.is_exe_upper_layer", "false")],
            "Execution from shared memory",
        )],
    },
    Case {
        rule: "Container engine socket used in a container",
        ty: EventType::CONNECT_X,
        base: &[ID, ("fd.name", "/var/run/docker.sock"), ("fd.type", "unix")],
        hits: &[
            &[("evt.rawres", "-2"), ("evt.failed", "true")],
            &[("fd.name", "/run/containerd/containerd.sock")],
            &[("fd.name", "/run/podman/podman.sock"), ("proc.name", "curl")],
        ],
        misses: &[
            &[("container.id", "host")],
            &[("fd.name", "/run/mysqld/mysqld.sock")],
            &[("fd.type", "ipv4"), ("fd.name", "10.0.0.1:4000->10.0.0.9:2375")],
            &[("proc.name", "dockerd"), ("fd.name", "/run/containerd/containerd.sock")],
        ],
        ..Case::NONE
    },
];

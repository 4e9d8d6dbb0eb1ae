//! Rules on other processes, namespaces and the kernel.

use event::EventType;

use crate::case::Case;

pub(crate) const CASES: &[Case] = &[
    Case {
        rule: "Code injection with ptrace",
        ty: EventType::PTRACE_X,
        base: &[("evt.arg.request", "PTRACE_ATTACH")],
        hits: &[
            &[("evt.arg.request", "PTRACE_POKETEXT")],
            &[("evt.arg.request", "PTRACE_SEIZE"), ("evt.rawres", "-1")],
            &[("proc.name", "gdb"), ("proc.exepath", "/tmp/gdb")],
        ],
        misses: &[
            &[("proc.name", "gdb")],
            &[("proc.name", "strace")],
            &[("evt.arg.request", "PTRACE_PEEKDATA")],
            &[("evt.arg.request", "PTRACE_CONT")],
            &[("proc.pname", "gdb")],
        ],
        others: &[(&[("evt.arg.request", "PTRACE_TRACEME")], "Anti-debugging with ptrace")],
    },
    Case {
        rule: "Code injection with ptrace",
        ty: EventType::PROCESS_VM_WRITEV_X,
        base: &[("evt.rawres", "8")],
        hits: &[&[("evt.rawres", "-1")]],
        misses: &[&[("proc.name", "wineserver")]],
        ..Case::NONE
    },
    Case {
        rule: "Anti-debugging with ptrace",
        ty: EventType::PTRACE_X,
        base: &[("evt.arg.request", "PTRACE_TRACEME")],
        misses: &[
            &[("proc.name", "gdb")],
            &[("proc.pname", "strace")],
            &[("evt.arg.request", "PTRACE_DETACH")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Namespace change",
        ty: EventType::UNSHARE_X,
        base: &[("evt.arg.flags", "CLONE_NEWNS|CLONE_NEWUSER"), ("proc.name", "unshare")],
        hits: &[&[("container.id", "3ad7b26ded6d"), ("proc.pname", "runc")]],
        misses: &[
            &[("evt.arg.flags", "CLONE_FILES")],
            &[("evt.rawres", "-1")],
            &[("proc.name", "systemd")],
            &[("proc.name", "bwrap")],
            &[("proc.name", "exe"), ("proc.args", "init"), ("proc.pname", "runc")],
            &[("proc.aname", "sh debootstrap bash")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Namespace change",
        ty: EventType::SETNS_X,
        base: &[("proc.name", "nsenter")],
        hits: &[
            &[("container.id", "3ad7b26ded6d")],
            &[("proc.name", "dockerd"), ("proc.exepath", "/tmp/dockerd")],
        ],
        misses: &[
            &[("evt.rawres", "-1")],
            &[("proc.name", "dockerd")],
            &[("proc.name", "bridge"), ("proc.pname", "containerd")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Kernel module load",
        ty: EventType::FINIT_MODULE_X,
        base: &[("proc.name", "insmod")],
        hits: &[
            &[("evt.rawres", "-1")],
            &[("proc.name", "modprobe")],
            &[
                ("proc.name", "modprobe"),
                ("proc.pname", "kthreadd"),
                ("container.id", "3ad7b26ded6d"),
            ],
            &[("proc.name", "x")],
        ],
        misses: &[
            &[("proc.name", "systemd-modules")],
            &[("proc.name", "(udev-worker)")],
            &[("proc.name", "modprobe"), ("proc.pname", "kworker/u4:1")],
            &[("proc.name", "modprobe"), ("proc.pname", "dockerd")],
            &[("proc.name", "modprobe"), ("proc.aname", "dkms.postinst dpkg apt")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Kernel module load",
        ty: EventType::INIT_MODULE_X,
        base: &[("proc.name", "x"), ("evt.rawres", "-8")],
        misses: &[&[("proc.name", "systemd-udevd")]],
        ..Case::NONE
    },
    Case {
        rule: "BPF program loaded by unexpected program",
        ty: EventType::BPF_2_X,
        base: &[("evt.arg.cmd", "BPF_PROG_LOAD")],
        hits: &[&[("evt.rawres", "-1")], &[("proc.name", "falco"), ("proc.exepath", "/tmp/falco")]],
        misses: &[
            &[("evt.arg.cmd", "BPF_MAP_CREATE")],
            &[("proc.name", "systemd")],
            &[("proc.name", "bpftool")],
            &[("proc.name", "peregrine")],
            &[("proc.name", "runc")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "io_uring set up by unexpected program",
        ty: EventType::IO_URING_SETUP_X,
        base: &[("evt.rawres", "4")],
        hits: &[
            &[("evt.rawres", "-1")],
            &[("proc.name", "mysqld"), ("proc.exepath", "/dev/shm/mysqld")],
        ],
        misses: &[
            &[("proc.name", "mysqld")],
            &[("proc.name", "node"), ("proc.exepath", "/home/me/.nvm/node")],
        ],
        ..Case::NONE
    },
];

//! Rules on attacks on Peregrine itself.

use event::EventType;

use crate::case::{ABSENT, Case, Texts};

/// What `peregrine_pid` has until an agent gives its own.
const PID: &str = "2147483647";
const OPEN: EventType = EventType::OPENAT_2_X;

const KILLED: &str = "Peregrine killed or stopped";
const TAMPERED: &str = "Peregrine process tampered with";
const EDITED: &str = "Peregrine configuration edited";
const CHANGED: &str = "Peregrine configuration changed";
const FILE: &str = "Peregrine file changed";
const STOPPED: &str = "Peregrine service stopped by command";

/// By somebody whom no rule leaves alone, on a file that is still to come.
const fn written(rule: &'static str, base: Texts) -> Case {
    Case { rule, ty: OPEN, base, ..Case::NONE }
}

pub(crate) const CASES: &[Case] = &[
    Case {
        rule: KILLED,
        ty: EventType::KILL_X,
        base: &[("evt.rawarg.pid", PID), ("evt.arg.sig", "SIGKILL"), ("user.uid", "0")],
        hits: &[
            &[("evt.arg.sig", "SIGSTOP")],
            &[("evt.arg.sig", "SIGTERM"), ("evt.rawres", "-1"), ("evt.failed", "true")],
            &[("evt.rawarg.pid", "-2147483647")],
            &[("evt.rawarg.pid", "-1")],
            &[("proc.name", "systemd"), ("proc.exepath", "/tmp/systemd")],
        ],
        misses: &[
            &[("evt.rawarg.pid", "4712")],
            &[("evt.arg.sig", "SIGHUP")],
            &[("evt.arg.sig", "SIGUSR1")],
            &[("evt.arg.sig", ABSENT)],
            &[("proc.pid", "1"), ("proc.vpid", "1"), ("proc.name", "any")],
            &[("proc.name", "systemd")],
            &[("proc.vpid", "7"), ("container.id", "3ad7b26ded6d")],
            &[("evt.rawarg.pid", "-1"), ("user.uid", "1000")],
            &[("proc.name", "containerd-shim")],
        ],
        ..Case::NONE
    },
    Case {
        rule: KILLED,
        ty: EventType::TGKILL_X,
        base: &[("evt.rawarg.pid", PID), ("evt.arg.sig", "SIGKILL")],
        misses: &[&[("evt.arg.sig", "SIGURG")], &[("evt.rawarg.pid", "-1")]],
        ..Case::NONE
    },
    Case {
        rule: KILLED,
        ty: EventType::TKILL_X,
        base: &[("evt.rawarg.tid", PID), ("evt.arg.sig", "SIGABRT")],
        misses: &[&[("evt.rawarg.tid", "5")]],
        ..Case::NONE
    },
    Case {
        rule: TAMPERED,
        ty: EventType::PTRACE_X,
        // Of a debugger, who is let alone with anybody else.
        base: &[("evt.rawarg.pid", PID), ("evt.arg.request", "PTRACE_SEIZE"), ("proc.name", "gdb")],
        hits: &[&[("evt.rawres", "-1"), ("proc.name", "strace")]],
        misses: &[
            &[("evt.rawarg.pid", "4712")],
            &[("proc.vpid", "7")],
            &[("evt.arg.request", "PTRACE_CONT")],
        ],
        others: &[(&[("evt.rawarg.pid", "5"), ("proc.name", "x")], "Code injection with ptrace")],
    },
    Case {
        rule: TAMPERED,
        ty: EventType::PROCESS_VM_WRITEV_X,
        base: &[("evt.rawarg.pid", PID), ("proc.name", "criu")],
        misses: &[&[("evt.rawarg.pid", "5")]],
        ..Case::NONE
    },
    Case {
        rule: "Peregrine process opened",
        ty: EventType::PIDFD_OPEN_X,
        base: &[("evt.rawarg.pid", PID), ("evt.rawres", "5")],
        hits: &[&[("evt.rawres", "-3"), ("evt.failed", "true")]],
        misses: &[
            &[("evt.rawarg.pid", "5")],
            &[("proc.name", "systemd")],
            &[("proc.vpid", "7"), ("container.id", "3ad7b26ded6d")],
        ],
        ..Case::NONE
    },
    Case {
        misses: &[
            &[("evt.is_open_write", "false"), ("evt.is_open_read", "true")],
            &[("fd.name", "/srv/peregrine/a.yaml")],
            &[("proc.aname", "dpkg apt-get bash")],
        ],
        others: &[
            (&[("proc.tty", "0")], CHANGED),
            (&[("proc.exepath", "/tmp/vim")], CHANGED),
            (&[("fd.name", "/etc/peregrine.d/x")], "Write below etc"),
        ],
        ..written(
            EDITED,
            &[
                ("evt.is_open_read", "false"),
                ("evt.is_open_write", "true"),
                ("evt.is_open_create", "false"),
                ("evt.arg.flags", "O_WRONLY"),
                ("fd.num", "3"),
                ("fd.name", "/etc/peregrine/rules.d/mine.yaml"),
                ("proc.name", "vim"),
                ("proc.tty", "34816"),
            ],
        )
    },
    Case {
        rule: CHANGED,
        ty: EventType::UNLINKAT_2_X,
        base: &[("fs.path.name", "/etc/peregrine/rules.d/default.yaml")],
        hits: &[&[("container.id", "3ad7b26ded6d")]],
        misses: &[
            &[("evt.rawres", "-1")],
            &[("fs.path.name", "/etc/hosts")],
            &[("proc.name", "kubelet")],
            &[("proc.name", "dpkg")],
        ],
        ..Case::NONE
    },
    Case {
        rule: CHANGED,
        ty: EventType::RENAMEAT2_X,
        base: &[("fs.path.source", "/tmp/x"), ("fs.path.target", "/etc/peregrine/peregrine.yaml")],
        hits: &[&[("fs.path.source", "/etc/peregrine/x"), ("fs.path.target", "/tmp/x")]],
        misses: &[&[("evt.rawres", "-13")], &[("fs.path.target", "/tmp/y")]],
        others: &[(&[("proc.name", "nano"), ("proc.tty", "1")], EDITED)],
    },
    Case {
        rule: FILE,
        ty: EventType::RENAMEAT2_X,
        base: &[("fs.path.source", "/tmp/x"), ("fs.path.target", "/usr/bin/peregrine")],
        hits: &[&[("fs.path.source", "/var/log/peregrine/alerts.log"), ("fs.path.target", "/x")]],
        misses: &[
            &[("proc.aname", "dpkg apt-get bash")],
            &[("fs.path.target", "/usr/bin/peregrine-x")],
            &[
                ("fs.path.source", "/var/log/peregrine/alerts.log"),
                ("fs.path.target", "/var/log/peregrine/alerts.log.1"),
                ("proc.name", "logrotate"),
            ],
        ],
        ..Case::NONE
    },
    Case {
        rule: FILE,
        ty: EventType::UNLINKAT_2_X,
        base: &[("fs.path.name", "/var/lib/peregrine/outbox/00000000000000000001.seg")],
        hits: &[
            &[("proc.name", "logrotate")],
            &[("fs.path.name", "/run/peregrine/peregrine.sock")],
        ],
        misses: &[&[("proc.name", "systemd")], &[("fs.path.name", "/var/lib/other/x")]],
        ..Case::NONE
    },
    Case {
        rule: FILE,
        ty: EventType::SYMLINKAT_X,
        base: &[
            ("fs.path.source", "/etc/systemd/system/peregrine.service"),
            ("fs.path.target", "/dev/null"),
        ],
        misses: &[&[("proc.name", "systemctl")], &[("evt.rawres", "-17")]],
        ..Case::NONE
    },
    Case {
        rule: STOPPED,
        ty: EventType::EXECVE_19_X,
        base: &[("proc.name", "systemctl"), ("proc.args", "stop peregrine")],
        hits: &[
            &[("proc.args", "mask --now peregrine.service")],
            &[("proc.args", "kill -s KILL peregrine")],
        ],
        misses: &[
            &[("proc.args", "restart peregrine")],
            &[("proc.args", "status peregrine")],
            &[("proc.args", "unmask peregrine")],
            &[("proc.args", "stop nginx")],
            &[("proc.name", "echo")],
            &[("proc.aname", "sh dpkg apt-get")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Descriptor or BPF object of another program taken",
        ty: EventType::BPF_2_X,
        base: &[("evt.arg.cmd", "BPF_MAP_GET_FD_BY_ID")],
        hits: &[
            &[("evt.arg.cmd", "BPF_LINK_DETACH"), ("evt.rawres", "-1")],
            &[("proc.name", "bpftool"), ("proc.args", "map update id 5 key 0 value 0")],
        ],
        misses: &[
            &[("evt.arg.cmd", "BPF_MAP_UPDATE_ELEM")],
            &[("proc.name", "bpftool"), ("proc.args", "prog show")],
            &[("proc.name", "cilium-agent")],
            &[("proc.name", "runc")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Descriptor or BPF object of another program taken",
        ty: EventType::PIDFD_GETFD_X,
        base: &[("evt.rawres", "7")],
        misses: &[&[("proc.name", "criu")]],
        ..Case::NONE
    },
    Case {
        misses: &[&[("fd.num", "-13")], &[("proc.name", "systemd")]],
        others: &[(&[("fd.name", "/usr/bin/other")], "Write below binary directory")],
        ..written(
            FILE,
            &[
                ("evt.is_open_read", "false"),
                ("evt.is_open_write", "true"),
                ("evt.is_open_create", "false"),
                ("evt.arg.flags", "O_WRONLY"),
                ("fd.num", "3"),
                ("fd.name", "/usr/bin/peregrine"),
            ],
        )
    },
];

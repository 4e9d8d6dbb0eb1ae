//! Rules on secrets: who reads them, links to them or searches for them.

use event::EventType;

use crate::case::{Case, Texts};

const OPEN: EventType = EventType::OPENAT_2_X;
const EXEC: EventType = EventType::EXECVE_19_X;

const SHADOW: Texts = &[
    ("evt.is_open_read", "true"),
    ("evt.is_open_write", "false"),
    ("evt.is_open_create", "false"),
    ("evt.arg.flags", "O_RDONLY"),
    ("fd.num", "3"),
    ("fd.name", "/etc/shadow"),
    ("proc.name", "cat"),
];

pub(crate) const CASES: &[Case] = &[
    Case {
        rule: "Sensitive file read by untrusted program",
        ty: OPEN,
        base: SHADOW,
        hits: &[
            &[("fd.name", "/etc/sudoers.d/x"), ("proc.name", "vi")],
            &[("fd.name", "/etc/ssh/ssh_host_rsa_key")],
            &[("proc.name", "su"), ("proc.exepath", "/tmp/su")],
            &[("fd.name", "/root/.ssh/id_rsa"), ("proc.name", "tar")],
            &[
                ("proc.name", "perl"),
                ("proc.exepath", "/usr/bin/perl"),
                ("proc.args", "-e x -wT /usr/bin/pg_x"),
            ],
        ],
        misses: &[
            &[("proc.name", "su")],
            &[("proc.name", "sshd")],
            &[("proc.name", "cron")],
            &[("proc.name", "unix_chkpwd")],
            &[("proc.name", "(sd-pam)")],
            &[("proc.name", "cp"), ("proc.aname", "sh dpkg apt bash")],
            &[("proc.name", "cp"), ("proc.pcmdline", "/bin/sh /etc/cron.daily/passwd")],
            &[
                ("proc.name", "pg_lsclusters"),
                ("proc.exepath", "/usr/bin/perl"),
                ("proc.args", "-wT /usr/bin/pg_lsclusters"),
            ],
            &[("fd.num", "-1")],
            &[("fd.name", "/etc/passwd")],
            &[("fd.name", "/root/.ssh/id_rsa"), ("proc.name", "ssh")],
            &[("fd.name", "/etc/ssl/private/x.key"), ("proc.name", "nginx")],
            &[("fd.name", "/etc/sudoers.d"), ("fd.typechar", "d")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Symbolic link over sensitive file",
        ty: EventType::SYMLINKAT_X,
        base: &[("evt.arg.target", "/etc/shadow"), ("fs.path.source", "/tmp/x")],
        hits: &[
            &[("evt.arg.target", "../../etc/shadow")],
            &[("evt.arg.target", "/etc/ssh/ssh_host_ed25519_key"), ("fs.path.source", "/srv/x")],
            &[("evt.arg.target", "/"), ("fs.path.source", "/var/www/html/all")],
            &[("evt.arg.target", "/etc/ssl/private/x.key")],
        ],
        misses: &[
            &[("evt.arg.target", "/etc/passwd")],
            &[("evt.arg.target", "/"), ("fs.path.source", "/srv/jail/root")],
            &[("evt.rawres", "-17")],
            &[("proc.aname", "sh dpkg apt")],
            &[("evt.arg.target", "shadow")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Hard link over sensitive file",
        ty: EventType::LINK_2_X,
        base: &[("fs.path.target", "/etc/shadow"), ("fs.path.source", "/var/tmp/x")],
        hits: &[
            &[("fs.path.target", "/root/.ssh/id_ed25519")],
            &[("fs.path.target", "/etc/sudoers.d/x")],
        ],
        misses: &[
            &[("fs.path.target", "/etc/hosts")],
            &[("fs.path.source", "/etc/shadow-"), ("proc.name", "vipw")],
            &[
                ("fs.path.source", "/etc/shadow"),
                ("fs.path.target", "/etc/shadow+"),
                ("proc.name", "x"),
            ],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Cloud credential search",
        ty: EXEC,
        base: &[("proc.name", "find"), ("proc.args", "/home -path */.aws/credentials")],
        hits: &[
            &[("proc.name", "grep"), ("proc.args", "-r AWS_SECRET_ACCESS_KEY /srv")],
            &[("proc.name", "locate"), ("proc.args", ".kube/config")],
        ],
        misses: &[
            &[("proc.name", "aws"), ("proc.args", "configure ~/.aws/credentials")],
            &[("proc.args", "/home -name credentials")],
            &[("evt.failed", "true")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Cloud credential search",
        ty: OPEN,
        base: &[
            ("evt.is_open_read", "true"),
            ("evt.is_open_write", "false"),
            ("evt.is_open_create", "false"),
            ("evt.arg.flags", "O_RDONLY"),
            ("fd.num", "3"),
            ("fd.name", "/root/.aws/credentials"),
            ("proc.name", "cat"),
        ],
        hits: &[
            &[("fd.name", "/etc/kubernetes/admin.conf"), ("proc.name", "base64")],
            &[("fd.name", "/run/secrets/kubernetes.io/serviceaccount/token")],
            &[("fd.name", "/home/me/.config/gcloud/credentials.db"), ("proc.name", "cp")],
        ],
        misses: &[
            &[("proc.name", "aws")],
            &[("proc.name", "python3")],
            &[("fd.name", "/root/.aws/config.bak")],
            &[
                ("fd.name", "/run/secrets/kubernetes.io/serviceaccount/ca.crt"),
                ("proc.name", "curl"),
            ],
            &[("fd.num", "-2")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Private key search",
        ty: EXEC,
        base: &[("proc.name", "find"), ("proc.args", "/ -name id_rsa")],
        hits: &[
            &[("proc.name", "grep"), ("proc.args", "-r BEGIN OPENSSH PRIVATE KEY /")],
            &[("proc.name", "rg"), ("proc.args", "PRIVATE.KEY")],
            &[("proc.args", "/home -name id_ed25519*")],
        ],
        misses: &[
            &[("proc.name", "ssh-keygen"), ("proc.args", "-f /root/.ssh/id_rsa")],
            &[("proc.args", "/ -name *.txt")],
            &[
                ("proc.name", "grep"),
                ("proc.args", "-r id_rsa"),
                ("proc.aname", "x.postinst dpkg apt"),
            ],
            &[("evt.failed", "true")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Raw disk access",
        ty: OPEN,
        base: &[
            ("evt.is_open_read", "true"),
            ("evt.is_open_write", "false"),
            ("evt.is_open_create", "false"),
            ("evt.arg.flags", "O_RDONLY"),
            ("fd.num", "3"),
            ("fd.name", "/dev/sda"),
            ("proc.name", "dd"),
        ],
        hits: &[
            &[("fd.name", "/dev/nvme0n1p2")],
            &[("fd.name", "/dev/mem"), ("evt.is_open_write", "true")],
            &[("fd.name", "/dev/disk/by-uuid/x")],
            &[("proc.name", "blkid"), ("proc.exepath", "/tmp/blkid")],
        ],
        misses: &[
            &[("proc.name", "blkid")],
            &[("proc.name", "mkfs.ext4")],
            &[("proc.name", "systemd-udevd")],
            &[("proc.name", "(udev-worker)")],
            &[("fd.name", "/dev/nvme0")],
            &[("fd.name", "/dev/null")],
            &[("fd.name", "/dev/loop0")],
            &[("fd.num", "-13")],
        ],
        others: &[(
            &[("container.id", "3ad7b26ded6d")],
            "Privileged container betrayed by mount or device",
        )],
    },
];

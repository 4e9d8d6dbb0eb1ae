//! Rules on files that let their writer run code elsewhere, later or as somebody else, and on what hides it.

use event::EventType;

use crate::case::{ABSENT, Case, READ};

const ETC: &str = "Write below etc";

const OPEN: EventType = EventType::OPENAT_2_X;

macro_rules! writes {
    ($($field:literal $text:expr),* $(,)?) => {
        &[
            ("evt.is_open_read", "false"), ("evt.is_open_write", "true"), ("evt.is_open_create", "false"),
            ("evt.arg.flags", "O_WRONLY"), ("fd.num", "3"), $(($field, $text)),*
        ]
    };
}

pub(crate) const CASES: &[Case] = &[
    Case {
        rule: "Container escape through release_agent",
        ty: OPEN,
        base: writes!["fd.name" "/sys/fs/cgroup/rdma/release_agent"],
        hits: &[
            &[("container.id", "3ad7b26ded6d")],
            &[("fd.name", "/tmp/cgrp/release_agent"), ("proc.name", "sh")],
            &[("proc.name", "systemd"), ("container.id", "3ad7b26ded6d")],
        ],
        misses: &[
            &[("proc.name", "systemd")],
            &[("fd.name", "/sys/fs/cgroup/rdma/notify_on_release")],
            &[("fd.num", "-13")],
            &[("evt.is_open_write", "false"), ("evt.is_open_read", "true")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Container runtime overwritten",
        ty: OPEN,
        base: writes!["fd.name" "/proc/self/exe"],
        hits: &[
            &[("fd.num", "-26"), ("evt.failed", "true"), ("evt.rawres", "-26")],
            &[("fd.name", "/proc/4711/exe"), ("container.id", "3ad7b26ded6d")],
            &[("fd.name", "/usr/sbin/runc")],
            &[("fd.name", "/usr/bin/containerd-shim-runc-v2"), ("proc.name", "cp")],
        ],
        misses: &[
            &[("evt.is_open_write", "false"), ("evt.is_open_read", "true")],
            &[("fd.name", "/proc/self/exec")],
            &[("fd.name", "/usr/sbin/runc"), ("proc.aname", "dpkg apt-get bash")],
            &[("fd.name", "/home/me/src/runc/runc")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Core pattern changed",
        ty: OPEN,
        base: writes!["fd.name" "/proc/sys/kernel/core_pattern"],
        hits: &[
            &[("proc.name", "sysctl")],
            &[("proc.name", "apport"), ("container.id", "3ad7b26ded6d")],
        ],
        misses: &[
            &[("proc.name", "systemd-sysctl")],
            &[("proc.name", "sysctl"), ("proc.pname", "systemd")],
            &[("fd.name", "/proc/sys/kernel/core_uses_pid")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Preload list changed",
        ty: OPEN,
        base: writes!["fd.name" "/etc/ld.so.preload"],
        hits: &[
            &[("proc.name", "dpkg"), ("proc.exepath", "/tmp/dpkg")],
            &[("proc.name", "puppet")],
        ],
        misses: &[&[("proc.aname", "sh dpkg apt")], &[("fd.num", "-2")]],
        others: &[(&[("fd.name", "/etc/ld.so.conf")], ETC)],
    },
    Case {
        rule: "Preload list changed",
        ty: EventType::RENAMEAT2_X,
        base: &[("fs.path.source", "/tmp/x"), ("fs.path.target", "/etc/ld.so.preload")],
        misses: &[&[("evt.rawres", "-1")], &[("fs.path.target", "/etc/ld.so.cache")]],
        ..Case::NONE
    },
    Case {
        rule: "User or group file changed",
        ty: OPEN,
        base: writes!["fd.name" "/etc/passwd"],
        hits: &[
            &[("fd.name", "/etc/sudoers.d/backdoor"), ("proc.name", "tee")],
            &[("fd.name", "/etc/shadow"), ("proc.name", "sed")],
            &[("proc.name", "useradd"), ("proc.exepath", "/dev/shm/useradd")],
        ],
        misses: &[
            &[("proc.name", "useradd")],
            &[("proc.name", "systemd-sysuser")],
            &[("fd.name", "/srv/root/etc/passwd")],
            &[("proc.aname", "base-passwd.pos dpkg apt-get")],
        ],
        others: &[(&[("fd.name", "/etc/passwords")], ETC)],
    },
    Case {
        rule: "User or group file changed",
        ty: EventType::RENAME_X,
        base: &[("fs.path.source", "/etc/x"), ("fs.path.target", "/etc/shadow")],
        hits: &[&[("fs.path.target", "/etc/sudoers")]],
        misses: &[
            &[("proc.name", "passwd")],
            &[("fs.path.target", "/etc/hosts")],
            &[("evt.rawres", "-2")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Scheduled job changed",
        ty: OPEN,
        base: writes!["fd.name" "/etc/cron.d/x"],
        hits: &[
            &[("fd.name", "/var/spool/cron/crontabs/tmp.x1"), ("proc.name", "crontab")],
            &[("fd.name", "/etc/crontab"), ("proc.name", "vi")],
            &[("fd.name", "/etc/systemd/system/x.timer")],
            &[("fd.name", "/usr/lib/systemd/system/x.timer")],
            &[("fd.name", "/usr/local/lib/systemd/system/x.timer")],
            &[("fd.name", "/lib/systemd/system/x.timer")],
            &[("fd.name", "/run/systemd/transient/x.timer")],
            &[("fd.name", "/etc/xdg/systemd/user/x.timer")],
            &[("fd.name", "/usr/share/systemd/user/x.timer")],
            &[("fd.name", "/run/user/1000/systemd/transient/x.timer")],
            &[("fd.name", "/home/me/.config/systemd/user/x.timer")],
            &[("fd.name", "/root/.config/systemd/user/x.timer")],
            &[("fd.name", "/home/me/.local/share/systemd/user/x.timer")],
        ],
        misses: &[
            &[("proc.name", "dpkg")],
            &[("fd.name", "/var/spool/cron/atjobs/a0001"), ("proc.name", "atd")],
            &[("fd.name", "/run/systemd/transient/x.timer"), ("proc.name", "systemd")],
            &[("fd.name", "/srv/x.timer")],
            &[("fd.name", "/home/me/src/systemd/units/x.timer")],
            &[("fd.name", "/usr/lib/systemd/system/x.timers")],
            &[("fd.name", "/var/spool/cron/atjobs/.SEQ"), ("proc.name", "at")],
            &[("fd.num", "-13")],
        ],
        others: &[(&[("fd.name", "/etc/systemd/system/x.service")], ETC)],
    },
    Case {
        rule: "Scheduled job changed",
        ty: EventType::RENAMEAT_X,
        base: &[("fs.path.source", "/tmp/x"), ("fs.path.target", "/etc/cron.hourly/x")],
        hits: &[
            &[("fs.path.target", "/usr/lib/systemd/system/x.timer")],
            &[("fs.path.target", "/run/user/1000/systemd/user/x.timer")],
            &[("fs.path.target", "/home/me/.config/systemd/user/x.timer")],
        ],
        misses: &[
            &[("proc.aname", "dpkg apt")],
            &[("fs.path.target", "/etc/cron.x")],
            &[("fs.path.target", "/home/me/src/systemd/units/x.timer")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Shell profile changed",
        ty: OPEN,
        base: writes!["fd.name" "/etc/profile.d/x.sh"],
        hits: &[
            &[("fd.name", "/root/.bashrc"), ("proc.name", "bash")],
            &[("fd.name", "/home/me/.profile"), ("proc.name", "python3")],
            &[("fd.name", "/home/me/.config/fish/config.fish")],
            &[("fd.name", "/home/me/.bashrc"), ("proc.name", "vim")],
            &[("proc.name", "vim"), ("proc.tty", "34816")],
        ],
        misses: &[
            &[("fd.name", "/home/me/.bashrc"), ("proc.name", "vim"), ("proc.tty", "34816")],
            &[("fd.name", "/home/me/.bashrc"), ("proc.name", "useradd")],
            &[("fd.name", "/home/me/.profile"), ("proc.name", "rustup-init")],
            &[("fd.name", "/home/me/dotfiles/.bashrc"), ("proc.name", "git")],
            &[("fd.name", "/srv/x/.bashrc")],
            &[("proc.name", "dpkg")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Shell profile changed",
        ty: EventType::RENAME_X,
        base: &[("fs.path.source", "/tmp/x"), ("fs.path.target", "/etc/profile")],
        misses: &[&[("fs.path.target", "/etc/profiles")], &[("proc.name", "dpkg")]],
        ..Case::NONE
    },
    Case {
        rule: "Hidden file created",
        ty: OPEN,
        base: writes!["fd.name" "/tmp/.x", "evt.is_open_create" "true"],
        hits: &[
            &[("fd.name", "/dev/shm/.cache")],
            &[("fd.name", "/tmp/.tmpnjV91n.sh")],
            &[("fd.name", "/var/www/html/.shell.php"), ("proc.name", "php")],
            &[("fd.name", "/usr/share/.x")],
        ],
        misses: &[
            &[("evt.is_open_create", "false")],
            &[("fd.name", "/tmp/x")],
            &[("fd.name", "/tmp/clone/.gitignore"), ("proc.name", "git")],
            &[("fd.name", "/home/me/.x")],
            &[("fd.name", "/root/.x")],
            &[("fd.name", "/tmp/.s.PGSQL.5432.lock"), ("proc.name", "postgres")],
            &[("fd.name", "/tmp/.X0-lock"), ("proc.name", "Xorg")],
            &[("fd.name", "/tmp/.tmpnjV91n"), ("proc.name", "cargo")],
            &[("fd.name", "/var/www/html/.index.html.Ab12Cd"), ("proc.name", "rsync")],
            &[("fd.name", "/usr/bin/.x"), ("proc.aname", "dpkg apt")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Hidden file created",
        ty: EventType::MKDIRAT_X,
        base: &[("fs.path.name", "/tmp/.x")],
        hits: &[
            &[("fs.path.name", "/usr/lib/.x")],
            &[("fs.path.name", "/dev/shm/.x"), ("proc.name", "mkdir")],
        ],
        misses: &[
            &[("evt.rawres", "-17")],
            &[("fs.path.name", "/tmp/.x/.y")],
            &[("fs.path.name", "/tmp/.x/y")],
            &[("fs.path.name", "/tmp/clone/.git")],
            &[("fs.path.name", "/tmp/.X11-unix")],
            &[("fs.path.name", "/tmp/.tmpZVYUuQ"), ("proc.name", "rustdoc")],
            &[("fs.path.name", "/var/www/html/.git"), ("proc.name", "git")],
            &[("fs.path.name", "/tmp/x")],
            &[("fs.path.name", "/home/me/.config")],
            &[("proc.name", "dockerd")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Log cleared",
        ty: OPEN,
        base: writes!["fd.name" "/var/log/auth.log", "evt.arg.flags" "O_TRUNC|O_CREAT|O_WRONLY"],
        hits: &[
            &[("fd.name", "/root/.bash_history"), ("proc.name", "bash")],
            &[("fd.name", "/var/log/app/app.log")],
            &[("fd.name", "/home/me/.local/share/fish/fish_history")],
        ],
        misses: &[
            &[("evt.is_open_create", "true")],
            &[("evt.arg.flags", "O_APPEND|O_CREAT|O_WRONLY")],
            &[("proc.name", "logrotate")],
            &[("proc.name", "sh"), ("proc.pname", "logrotate")],
            &[("fd.name", "/var/log/nginx/error.log"), ("proc.name", "nginx")],
            &[("fd.name", "/var/log/apt/term.log"), ("proc.name", "apt-get")],
            &[("fd.name", "/var/lib/x.log")],
            &[("fd.num", "-13")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Log cleared",
        ty: EventType::UNLINKAT_2_X,
        base: &[("fs.path.name", "/var/log/wtmp"), ("proc.name", "rm")],
        hits: &[
            &[("fs.path.name", "/home/me/.bash_history")],
            &[("fs.path.name", "/var/log/audit/audit.log")],
        ],
        misses: &[
            &[("evt.rawres", "-2")],
            &[("fs.path.name", "/var/log/app/app.log.7")],
            &[("proc.name", "logrotate")],
            &[("fs.path.name", "/tmp/wtmp")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Setuid bit set",
        ty: EventType::CHMOD_X,
        base: &[
            ("fs.path.name", "/home/me/sh"),
            ("evt.arg.mode", "S_IXOTH|S_IROTH|S_IXGRP|S_IRGRP|S_IXUSR|S_IWUSR|S_IRUSR|S_ISUID"),
        ],
        hits: &[
            &[("evt.arg.mode", "S_IXGRP|S_IRGRP|S_IXUSR|S_IRUSR|S_ISGID")],
            &[("proc.name", "dpkg"), ("proc.exepath", "/home/me/dpkg")],
            &[("proc.name", "git")],
        ],
        misses: &[
            &[("evt.arg.mode", "S_IXOTH|S_IROTH|S_IXGRP|S_IRGRP|S_IXUSR|S_IWUSR|S_IRUSR")],
            &[("evt.arg.mode", "S_IXGRP|S_IWGRP|S_IRGRP|S_IXUSR|S_IWUSR|S_IRUSR|S_ISGID")],
            &[
                ("evt.arg.mode", "S_IXGRP|S_IRGRP|S_IXUSR|S_IRUSR|S_ISGID"),
                ("proc.name", "systemd-tmpfile"),
            ],
            &[("evt.rawres", "-1")],
            &[("proc.name", "dpkg")],
            &[("proc.exepath", "/usr/bin/podman"), ("proc.name", "exe")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Setuid bit set",
        ty: EventType::FCHMODAT_X,
        base: &[("fs.path.name", "/tmp/sh"), ("evt.arg.mode", "S_IXUSR|S_ISUID")],
        misses: &[&[("evt.arg.mode", "S_IXUSR")]],
        ..Case::NONE
    },
    Case {
        rule: "Write below binary directory",
        ty: OPEN,
        base: writes!["fd.name" "/usr/bin/x", "proc.name" "cp"],
        hits: &[&[("fd.name", "/usr/local/sbin/x"), ("proc.name", "install")]],
        misses: &[
            &[("fd.name", "/usr/bin/x.dpkg-new"), ("proc.name", "dpkg")],
            &[("fd.name", "/home/me/bin/x")],
            &[("evt.is_open_read", "true"), ("evt.is_open_write", "false")],
            &[("proc.args", "init"), ("proc.pname", "runc")],
        ],
        others: &[(&[("fd.name", "/usr/bin/crun")], "Container runtime overwritten")],
    },
    Case {
        rule: ETC,
        ty: OPEN,
        base: writes!["fd.name" "/etc/hosts.allow"],
        hits: &[&[("fd.name", "/etc/x"), ("proc.name", "dpkg"), ("proc.exepath", "/tmp/dpkg")]],
        misses: &[
            &[("fd.name", "/etc/ld.so.cache~"), ("proc.name", "ldconfig")],
            &[("fd.name", "/etc/passwd+"), ("proc.name", "useradd")],
            &[("proc.name", "sh"), ("proc.aname", "dpkg apt-get bash")],
            &[("fd.name", "/etcetera/x")],
            &[("fd.name", "/etc/resolv.conf"), ("proc.name", "sh")],
            &[("fd.name", "/etc/cron.d/x"), ("proc.name", "cloud-init")],
        ],
        ..Case::NONE
    },
    Case {
        rule: ETC,
        ty: EventType::CREAT_X,
        base: &[("fd.name", "/etc/x"), ("fd.num", "3"), ("evt.is_open_create", "true")],
        misses: &[&[("fd.num", "-13")], &[("fd.name", ABSENT)]],
        ..Case::NONE
    },
    Case { rule: ETC, ty: EventType::OPEN_X, base: WRITE_TO_ETC, misses: &[READ], ..Case::NONE },
];

const WRITE_TO_ETC: crate::case::Texts = writes!["fd.name" "/etc/x.conf"];

//! Any number of rules, each with a condition of its own, in the manner of the official ones.
//!
//! How often types, fields, operators, lists and negations occur follows the counts of the 56 official rules in
//! `docs/journal/2026-11-22-thousand-rules.md`. A third of the names in lists are programs and places that real hosts have, the rest are each
//! ruleset's own: longer rulesets name more things.

use std::fmt::Write;

use super::random::Random;

/// Programs that hosts run.
pub(crate) const PROGRAMS: [&str; 48] = [
    "bash",
    "sh",
    "dash",
    "zsh",
    "cat",
    "ls",
    "cp",
    "mv",
    "rm",
    "ln",
    "chmod",
    "grep",
    "sed",
    "awk",
    "find",
    "tar",
    "gzip",
    "make",
    "gcc",
    "cc1",
    "ld",
    "as",
    "cargo",
    "rustc",
    "git",
    "python3",
    "perl",
    "ruby",
    "node",
    "java",
    "nginx",
    "httpd",
    "php-fpm",
    "mysqld",
    "postgres",
    "redis-server",
    "sshd",
    "ssh",
    "scp",
    "rsync",
    "curl",
    "wget",
    "nc",
    "ncat",
    "systemd",
    "cron",
    "docker",
    "runc",
];

/// Directories that hosts have.
pub(crate) const DIRECTORIES: [&str; 24] = [
    "/etc",
    "/etc/ssh",
    "/etc/pam.d",
    "/etc/cron.d",
    "/etc/nginx",
    "/usr/bin",
    "/usr/sbin",
    "/bin",
    "/sbin",
    "/usr/lib",
    "/usr/include",
    "/usr/share",
    "/root",
    "/root/.ssh",
    "/home",
    "/var/log",
    "/var/lib",
    "/var/www",
    "/tmp",
    "/dev",
    "/dev/shm",
    "/proc",
    "/opt",
    "/run",
];

/// Programs that a rule is about; the others are what it excepts.
const NOTED_PROGRAMS: [&str; 16] = [
    "zsh",
    "nginx",
    "httpd",
    "php-fpm",
    "mysqld",
    "postgres",
    "redis-server",
    "java",
    "ssh",
    "scp",
    "rsync",
    "wget",
    "nc",
    "ncat",
    "docker",
    "runc",
];

/// Directories that a rule is about: what is read and written all the time is not.
const NOTED_DIRECTORIES: [&str; 12] = [
    "/etc/ssh",
    "/etc/pam.d",
    "/etc/cron.d",
    "/etc/nginx",
    "/root",
    "/root/.ssh",
    "/home",
    "/var/log",
    "/var/www",
    "/dev/shm",
    "/opt",
    "/run",
];

/// Ends and parts of the names of such files.
const NOTED_FILES: [&str; 12] = [
    "shadow",
    "sudoers",
    "sshd_config",
    "id_rsa",
    "authorized_keys",
    "crontab",
    "ld.so.preload",
    ".bashrc",
    ".profile",
    "config.json",
    "access.log",
    ".bash_history",
];

const ARGUMENTS: [&str; 16] = [
    "-e /bin/sh",
    "--privileged",
    "base64",
    "-delete",
    "http://",
    "/dev/tcp",
    "xmrig",
    "stratum+tcp",
    "-perm",
    "id_rsa",
    "install",
    "-rf",
    "history -c",
    "|bash",
    "nohup",
    "authorized_keys",
];

const MACROS: &str = "
- {list: shells, items: [bash, sh, dash, zsh, ash, csh, ksh]}
- {list: packagers, items: [dpkg, apt, apt-get, aptitude, rpm, yum, dnf, apk, pip, npm, snapd, unattended-upgr]}
- {list: allowed_images, items: []}
- macro: never_true
  condition: (evt.num=0)
- macro: spawned_process
  condition: (evt.type in (execve, execveat))
- macro: open_write
  condition: (evt.type in (open,openat,openat2) and evt.is_open_write=true and fd.typechar='f' and fd.num>=0)
- macro: open_read
  condition: (evt.type in (open,openat,openat2) and evt.is_open_read=true and fd.typechar='f' and fd.num>=0)
- macro: outbound
  condition: >
    (((evt.type = connect and evt.rawres >= 0) or evt.type in (sendto,sendmsg)) and
     fd.typechar in (4, 6) and (fd.ip != \"0.0.0.0\" and fd.net != \"127.0.0.0/8\") and evt.rawres >= 0)
- macro: inbound_outbound
  condition: >
    ((evt.type in (accept,accept4,listen,connect)) and fd.typechar in (4, 6) and
     (fd.ip != \"0.0.0.0\" and fd.net != \"127.0.0.0/8\") and evt.rawres >= 0)
- macro: container
  condition: (container.id != host)
- macro: proc_name_exists
  condition: (not proc.name=\"<NA>\")
- macro: shell_procs
  condition: (proc.name in (shells))
- macro: package_mgmt_procs
  condition: (proc.name in (packagers))
- macro: user_known_activities
  condition: (never_true)
- macro: user_known_containers
  condition: (container.image.repository in (allowed_images))
";

/// The text of `n` rules and what they share.
pub(crate) fn rules(n: usize) -> String {
    let r = &mut Random(56);
    let mut text = MACROS.to_owned();
    for i in 0..n {
        let condition = condition(r);
        write!(
            text,
            "- rule: Rule {i}\n  desc: Number {i}\n  condition: >\n    {condition}\n  output: 'rule {i} (process=%proc.name command=%proc.cmdline file=%fd.name)'\n  priority: WARNING\n"
        )
        .expect("a string takes all");
    }
    text
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Exec,
    Open,
    Network,
    Other,
}

fn condition(r: &mut Random) -> String {
    let kind =
        r.weighted(&[(23, Kind::Exec), (14, Kind::Open), (8, Kind::Network), (11, Kind::Other)]);
    let mut parts = vec![kind.event(r)];
    if r.percent(36) {
        parts.push("container".to_owned());
    }
    if r.percent(14) {
        parts.push(broad(r).to_owned());
    }
    let n_own = r.weighted(&[(3, 1), (2, 2), (1, 3)]);
    parts.extend((0..n_own).map(|_| kind.part(r)));
    let n_exceptions = r.weighted(&[
        (9, 0),
        (20, 1),
        (7, 2),
        (7, 3),
        (2, 4),
        (3, 6),
        (1, 7),
        (1, 8),
        (1, 9),
        (2, 15),
        (2, 20),
        (1, 27),
    ]);
    parts.extend((0..n_exceptions).map(|_| format!("not {}", exception(r))));
    parts.join(" and ")
}

impl Kind {
    fn event(self, r: &mut Random) -> String {
        match self {
            Self::Exec => "spawned_process".to_owned(),
            Self::Open => r
                .weighted(&[
                    (5, "open_read"),
                    (4, "open_write"),
                    (2, "evt.type in (open,openat,openat2)"),
                ])
                .to_owned(),
            Self::Network => r
                .weighted(&[(3, "outbound"), (3, "inbound_outbound"), (1, "evt.type = connect")])
                .to_owned(),
            Self::Other => r
                .of(&[
                    "evt.type = ptrace",
                    "evt.type in (symlink, symlinkat)",
                    "evt.type in (link, linkat)",
                    "evt.type = socket",
                    "evt.type in (dup, dup2, dup3)",
                    "evt.type in (init_module, finit_module)",
                    "evt.type = setns",
                    "evt.type = unshare",
                    "evt.type = setuid",
                    "evt.type in (chmod, fchmod, fchmodat)",
                    "evt.type = bpf",
                ])
                .to_owned(),
        }
    }

    /// What a rule of the kind is about.
    fn part(self, r: &mut Random) -> String {
        match self {
            Self::Open if r.percent(80) => about_file(r),
            Self::Network if r.percent(40) => about_connection(r),
            Self::Exec | Self::Open | Self::Network | Self::Other => about_process(r),
        }
    }
}

/// What most processes are: no official rule asks for this alone.
fn broad(r: &mut Random) -> &'static str {
    r.weighted(&[
        (2, "shell_procs"),
        (2, "proc.tty != 0"),
        (2, "user.uid = 0"),
        (2, "proc_name_exists"),
    ])
}

fn about_process(r: &mut Random) -> String {
    match r.weighted(&[
        (10, 0),
        (4, 1),
        (6, 2),
        (7, 3),
        (5, 4),
        (4, 5),
        (3, 6),
        (2, 7),
        (1, 8),
        (1, 9),
    ]) {
        0 => format!("proc.name in ({})", noted_programs(r)),
        1 => format!("proc.name = {}", noted_program(r)),
        2 => any_of(r, |r| format!("proc.cmdline contains \"{}\"", argument(r))),
        3 => any_of(r, |r| {
            let op = r.weighted(&[(13, "icontains"), (9, "contains"), (4, "startswith")]);
            format!("proc.args {op} \"{}\"", argument(r))
        }),
        4 => any_of(r, |r| match r.below(2) {
            0 => format!("proc.pexe endswith /{}", noted_program(r)),
            _ => format!("proc.pcmdline contains {}", noted_program(r)),
        }),
        5 => format!("(proc.pname exists and proc.pname in ({}))", noted_programs(r)),
        6 => format!("proc.aname{} in ({})", r.of(&["", "[2]", "[3]"]), noted_programs(r)),
        7 => format!("user.name in ({}, {})", noted_program(r), noted_program(r)),
        8 => format!("proc.exe endswith /{}", noted_program(r)),
        _ => format!("proc.env icontains \"{}\"", argument(r)),
    }
}

fn about_file(r: &mut Random) -> String {
    match r.weighted(&[(3, 0), (2, 1), (5, 2), (5, 3), (7, 4), (4, 5), (3, 6)]) {
        0 => format!("fd.name in ({})", list(r, noted_file)),
        1 => {
            format!(
                "(fd.name in ({}) or fd.directory in ({}))",
                list(r, noted_file),
                list(r, noted_directory)
            )
        }
        2 => any_of(r, |r| format!("fd.name startswith {}", noted_directory(r))),
        3 => any_of(r, |r| format!("fd.name endswith {}", own(r, &NOTED_FILES, "file"))),
        4 => any_of(r, |r| format!("fd.name contains {}", own(r, &NOTED_FILES, "part"))),
        5 => any_of(r, |r| {
            format!("fd.name glob '{}/*/{}*'", noted_directory(r), own(r, &NOTED_FILES, "glob"))
        }),
        _ => format!("fd.directory in ({})", list(r, noted_directory)),
    }
}

fn about_connection(r: &mut Random) -> String {
    match r.below(4) {
        0 => format!("fd.sport in ({}, {}, {})", port(r), port(r), port(r)),
        1 => format!("fd.sip = \"{}\"", address(r)),
        2 => format!("fd.sip in ({}, {})", address(r), address(r)),
        _ => format!("fd.l4proto = {}", r.of(&["tcp", "udp"])),
    }
}

fn exception(r: &mut Random) -> String {
    match r.weighted(&[
        (54, 0),
        (31, 1),
        (22, 2),
        (10, 3),
        (9, 4),
        (8, 5),
        (7, 6),
        (8, 7),
        (14, 8),
        (4, 9),
        (4, 10),
    ]) {
        0 => match r.below(3) {
            0 => format!("(proc.name = {} and proc.pname = {})", program(r), program(r)),
            1 => {
                format!("(proc.pname in ({}) and fd.name startswith {})", programs(r), directory(r))
            }
            _ => format!(
                "(proc.cmdline startswith \"{} {}\" and proc.aname[2] = {})",
                program(r),
                argument(r),
                program(r)
            ),
        },
        1 => "user_known_activities".to_owned(),
        2 => format!("proc.name in ({})", programs(r)),
        3 => format!("proc.cmdline startswith \"{} {}\"", program(r), argument(r)),
        4 => "user_known_containers".to_owned(),
        5 => format!(
            "container.image.repository {} {}",
            r.of(&["startswith", "endswith"]),
            own(r, &PROGRAMS, "image")
        ),
        6 => format!("fd.name startswith {}", directory(r)),
        7 => format!("proc.pname in ({})", programs(r)),
        8 => {
            format!("proc.aname[{}] {} {}", 2 + r.below(3), r.of(&["=", "startswith"]), program(r))
        }
        9 => "package_mgmt_procs".to_owned(),
        _ => format!("user.name = {}", program(r)),
    }
}

/// One to six alternatives.
fn any_of(r: &mut Random, mut one: impl FnMut(&mut Random) -> String) -> String {
    let n = r.weighted(&[(4, 1), (3, 2), (2, 3), (1, 4), (1, 6)]);
    let all: Vec<String> = (0..n).map(|_| one(r)).collect();
    if n == 1 { all.concat() } else { format!("({})", all.join(" or ")) }
}

fn own(r: &mut Random, known: &[&str], prefix: &str) -> String {
    if r.percent(33) { r.of(known).to_owned() } else { format!("{prefix}-{:x}", r.below(1 << 16)) }
}

fn program(r: &mut Random) -> String {
    own(r, &PROGRAMS, "tool")
}

fn directory(r: &mut Random) -> String {
    below(r, &DIRECTORIES)
}

fn below(r: &mut Random, known: &[&str]) -> String {
    if r.percent(33) {
        return r.of(known).to_owned();
    }
    format!("{}/app-{:x}", r.of(known), r.below(1 << 16))
}

fn noted_program(r: &mut Random) -> String {
    own(r, &NOTED_PROGRAMS, "tool")
}

fn noted_programs(r: &mut Random) -> String {
    list(r, noted_program)
}

fn noted_directory(r: &mut Random) -> String {
    below(r, &NOTED_DIRECTORIES)
}

fn noted_file(r: &mut Random) -> String {
    format!("{}/{}", noted_directory(r), own(r, &NOTED_FILES, "file"))
}

fn argument(r: &mut Random) -> String {
    own(r, &ARGUMENTS, "--option")
}

fn port(r: &mut Random) -> usize {
    if r.percent(33) {
        r.of(&[22, 53, 80, 443, 3306, 5432, 6379, 8080])
    } else {
        1024 + r.below(60_000)
    }
}

fn address(r: &mut Random) -> String {
    format!("{}.{}.{}.{}", r.of(&[10, 192, 198, 203]), r.below(256), r.below(256), 1 + r.below(254))
}

/// A list as long as the official ones.
fn list(r: &mut Random, one: fn(&mut Random) -> String) -> String {
    let n = r.weighted(&[
        (28, 2),
        (14, 3),
        (5, 4),
        (1, 7),
        (2, 8),
        (1, 10),
        (2, 12),
        (1, 21),
        (1, 48),
        (1, 67),
    ]);
    (0..n).map(|_| one(r)).collect::<Vec<_>>().join(", ")
}

fn programs(r: &mut Random) -> String {
    list(r, program)
}

//! Actions that open, make and change files. All of these files are made up.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use anyhow::Result;

use crate::action::Action;
use crate::action::Expected::{Has, Is};
use crate::scene::run;

pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "read-shadow",
        rule: "Sensitive file read by untrusted program",
        what: "reads /etc/shadow with cat, by a relative name",
        needs: &[],
        expect: &[("fd.name", Is("/etc/shadow")), ("proc.name", Is("cat"))],
        perform: |_| run(Command::new("cat").current_dir("/etc").arg("./shadow")),
    },
    Action {
        name: "write-bin",
        rule: "Write below binary directory",
        what: "makes an empty file in /usr/local/bin",
        needs: &[],
        expect: &[("fd.name", Is("/usr/local/bin/peregrine-file")), ("proc.name", Is("touch"))],
        perform: |_| run(Command::new("touch").arg("/usr/local/bin/peregrine-file")),
    },
    Action {
        name: "write-etc",
        rule: "Write below etc",
        what: "makes an empty file in /etc",
        needs: &[],
        expect: &[("fd.name", Is("/etc/peregrine-file")), SELF],
        perform: |_| create("/etc/peregrine-file"),
    },
    Action {
        name: "clear-log",
        rule: "Log cleared",
        what: "truncates /var/log/auth.log",
        needs: &[],
        expect: &[("fd.name", Is("/var/log/auth.log")), ("evt.type", Is("openat")), SELF],
        perform: |_| create("/var/log/auth.log"),
    },
    Action {
        name: "symlink-shadow",
        rule: "Symbolic link over sensitive file",
        what: "makes a symbolic link to /etc/shadow",
        needs: &[],
        expect: &[
            ("fs.path.source", Has("/symlink/link")),
            ("evt.arg.target", Is("/etc/shadow")),
            SELF,
        ],
        perform: |s| Ok(symlink("/etc/shadow", s.folder("symlink")?.join("link"))?),
    },
    Action {
        name: "hardlink-shadow",
        rule: "Hard link over sensitive file",
        what: "makes a hard link to /etc/shadow",
        needs: &[],
        expect: &[
            ("fs.path.source", Is("/etc/peregrine-link")),
            ("fs.path.target", Is("/etc/shadow")),
            SELF,
        ],
        perform: |_| Ok(fs::hard_link("/etc/shadow", "/etc/peregrine-link")?),
    },
    Action {
        name: "hidden-file",
        rule: "Hidden file created",
        what: "makes an empty file in /var/tmp whose name begins with a dot",
        needs: &[],
        expect: &[("fd.name", Is("/var/tmp/.peregrine-file")), SELF],
        perform: |_| create("/var/tmp/.peregrine-file"),
    },
    Action {
        name: "setuid-bit",
        rule: "Setuid bit set",
        what: "sets the setuid bit of an empty file",
        needs: &[],
        expect: &[("fs.path.name", Has("/setuid/file")), ("evt.arg.mode", Has("S_ISUID")), SELF],
        perform: |s| {
            let file = s.folder("setuid")?.join("file");
            File::create(&file)?;
            Ok(fs::set_permissions(file, fs::Permissions::from_mode(0o4755))?)
        },
    },
    Action {
        name: "scheduled-job",
        rule: "Scheduled job changed",
        what: "makes an empty file in /etc/cron.d",
        needs: &[],
        expect: &[("fd.name", Is("/etc/cron.d/peregrine-job")), SELF],
        perform: |_| create("/etc/cron.d/peregrine-job"),
    },
    Action {
        name: "user-file",
        rule: "User or group file changed",
        what: "opens /etc/passwd for writing, and writes nothing",
        needs: &[],
        expect: &[("fd.name", Is("/etc/passwd")), SELF],
        perform: |_| open_for_writing("/etc/passwd"),
    },
    Action {
        name: "read-disk",
        rule: "Raw disk access",
        what: "opens an empty file called /dev/sda for reading",
        needs: &[],
        expect: &[("fd.name", Is("/dev/sda")), SELF],
        perform: |_| Ok(File::open("/dev/sda").map(drop)?),
    },
    Action {
        name: "core-pattern",
        rule: "Core pattern changed",
        what: "opens /proc/sys/kernel/core_pattern for writing, and writes nothing",
        needs: &[],
        expect: &[("fd.name", Is("/proc/sys/kernel/core_pattern")), SELF],
        perform: |_| open_for_writing("/proc/sys/kernel/core_pattern"),
    },
    Action {
        name: "preload-list",
        rule: "Preload list changed",
        what: "makes an empty /etc/ld.so.preload, and removes it",
        needs: &[],
        expect: &[("fd.name", Is("/etc/ld.so.preload")), SELF],
        perform: |_| {
            create("/etc/ld.so.preload")?;
            Ok(fs::remove_file("/etc/ld.so.preload")?)
        },
    },
    Action {
        name: "shell-profile",
        rule: "Shell profile changed",
        what: "makes an empty file in /etc/profile.d",
        needs: &[],
        expect: &[("fd.name", Is("/etc/profile.d/peregrine.sh")), SELF],
        perform: |_| create("/etc/profile.d/peregrine.sh"),
    },
    Action {
        name: "release-agent",
        rule: "Container escape through release_agent",
        what: "opens an empty file called release_agent for writing, in a folder of its own",
        needs: &[],
        expect: &[("fd.name", Has("/release_agent")), SELF],
        perform: |s| create(&s.folder("cgroup")?.join("release_agent").to_string_lossy()),
    },
    Action {
        name: "overwrite-runtime",
        rule: "Container runtime overwritten",
        what: "opens /proc/self/exe for writing, which the kernel refuses",
        needs: &[],
        expect: &[("fd.name", Is("/proc/self/exe")), ("evt.res", Is("ETXTBSY")), SELF],
        perform: |_| match OpenOptions::new().write(true).open("/proc/self/exe") {
            Err(e) if e.kind() != ErrorKind::ExecutableFileBusy => Err(e.into()),
            _ => Ok(()),
        },
    },
];

/// Done by this program itself.
const SELF: (&str, crate::action::Expected) = ("proc.name", Is(super::SELF));

/// Makes an empty file, or empties it.
fn create(path: &str) -> Result<()> {
    Ok(File::create(path).map(drop)?)
}

/// Opens a file for writing and writes nothing.
fn open_for_writing(path: &str) -> Result<()> {
    Ok(OpenOptions::new().write(true).open(path).map(drop)?)
}

//! The pieces of ordinary work. Each is a script in `bench-harness/quiet/`, run by `sh -eu` as root in an empty folder of its own, with two
//! free ports of loopback in `PORT` and `PORT2`. One that cannot run here says why in its last line and exits with 77.

/// One piece.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) name: &'static str,
    /// What it does, for `--list`.
    pub(crate) about: &'static str,
    /// Programs without which it is skipped; `a|b` is either.
    pub(crate) needs: &'static [&'static str],
    pub(crate) script: &'static str,
    /// Seconds it may take.
    pub(crate) limit_s: u32,
}

/// What the scripts share; they read it as `../lib.sh`.
pub(crate) const LIBRARY: &str = include_str!("../../quiet/lib.sh");

macro_rules! piece {
    ($name:literal, $limit_s:literal, $needs:expr, $about:literal) => {
        Piece {
            name: $name,
            about: $about,
            needs: $needs,
            script: include_str!(concat!("../../quiet/", $name, ".sh")),
            limit_s: $limit_s,
        }
    };
}

/// Every piece, in the order in which they run.
pub(crate) const PIECES: &[Piece] = &[
    piece!("compile-c", 60, &["gcc", "make"], "gcc and make build and run a program"),
    piece!("cargo-crate", 180, &["cargo", "gcc"], "cargo builds and tests two crates offline"),
    piece!("git", 60, &["git"], "a repository is made, cloned, pushed to and tidied"),
    piece!("git-daemon", 60, &["git"], "git serves a repository over loopback"),
    piece!("lookups", 120, &["getent", "perl"], "names are looked up, datagrams sent on loopback"),
    piece!("archive", 60, &["tar", "gzip", "find"], "tar, gzip, find, sed and sort over files"),
    piece!("scripts", 120, &["perl"], "perl and python scripts, and a virtual environment"),
    piece!("look-around", 60, &["ps"], "ps, df, lsblk, ip, ss, lsof, dmesg and the like"),
    piece!("debug", 60, &["strace|gdb"], "strace and gdb on a program of one's own"),
    piece!("keys", 60, &["openssl|gpg"], "openssl and gpg make keys and use them"),
    piece!("login-shell", 60, &["script"], "a login shell on a terminal"),
    piece!("accounts", 60, &["useradd"], "users and groups are made in another root"),
    piece!("ssh-login", 60, &["sshd", "ssh", "ssh-keygen"], "ssh, scp and sftp over loopback"),
    piece!("cron-jobs", 120, &["run-parts"], "run-parts, and the daily jobs of this machine"),
    piece!("logrotate", 60, &["logrotate"], "logs are rotated, truncated and compressed"),
    piece!("service", 60, &["start-stop-daemon"], "a service script starts and stops a daemon"),
    piece!(
        "nginx",
        60,
        &["nginx", "curl|wget"],
        "a web server serves, reloads and reopens its log"
    ),
    piece!(
        "postgresql",
        120,
        &["psql", "runuser"],
        "initdb, queries over socket and loopback, a dump"
    ),
    piece!("container", 60, &["runc", "busybox"], "runc runs busybox, and a command in it"),
    piece!("apt-update", 120, &["apt-get"], "apt-get reads the lists of its mirrors"),
    piece!(
        "dpkg-install",
        60,
        &["dpkg", "dpkg-deb"],
        "a package is built, installed and removed in another root"
    ),
    piece!(
        "debootstrap",
        300,
        &["debootstrap"],
        "a Debian root is made, and a package installed into it"
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_scripts_read_the_library() {
        let names: BTreeSet<&str> = PIECES.iter().map(|p| p.name).collect();
        assert_eq!(names.len(), PIECES.len());
        for piece in PIECES {
            assert!(piece.script.contains(". ../lib.sh\n"), "{}", piece.name);
        }
    }
}

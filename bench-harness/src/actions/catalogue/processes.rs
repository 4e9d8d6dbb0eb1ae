//! Actions that start programs.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use rustix::fs::{MemfdFlags, memfd_create};

use crate::action::Action;
use crate::action::Expected::{Has, Is};
use crate::action::{Need, find_program};
use crate::scene::{Scene, run};

/// What the searches need.
const FIND: &[Need] = &[Need::Program("find", "findutils")];

pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "run-from-memory",
        rule: "Fileless execution from memfd",
        what: "copies `true` into memory (memfd_create) and runs it from there",
        needs: &[],
        expect: &[("proc.pname", Is(super::SELF)), ("proc.exepath", Has("memfd:"))],
        perform: from_memory,
    },
    Action {
        name: "crypto-miner",
        rule: "Crypto miner started",
        what: "runs a program called xmrig, told of a pool that does not exist, that ends at once",
        needs: &[],
        expect: &[("proc.name", Is("xmrig")), ("proc.cmdline", Has("stratum+tcp://pool.invalid"))],
        perform: |s| run(s.disguised_as("xmrig")?.args(["-o", "stratum+tcp://pool.invalid:3333"])),
    },
    Action {
        name: "server-shell",
        rule: "Shell spawned by server process",
        what: "a program called nginx starts a shell that does nothing",
        needs: &[],
        expect: &[("proc.name", Is("sh")), ("proc.pname", Is("nginx"))],
        perform: |s| run(s.disguised_as("nginx")?.args(["sh", "-c", ":"])),
    },
    Action {
        name: "bulk-removal",
        rule: "Bulk removal of data",
        what: "runs a program called shred that does nothing",
        needs: &[],
        expect: &[("proc.name", Is("shred")), ("proc.cmdline", Is("shred -u /srv/peregrine-file"))],
        perform: |s| run(s.disguised_as("shred")?.args(["-u", "/srv/peregrine-file"])),
    },
    Action {
        name: "key-search",
        rule: "Private key search",
        what: "searches an empty folder for private keys with find",
        needs: FIND,
        expect: &[("proc.name", Is("find")), ("proc.cmdline", Has("-name id_rsa"))],
        perform: |s| run(Command::new("find").arg(s.folder("empty")?).args(["-name", "id_rsa"])),
    },
    Action {
        name: "credential-search",
        rule: "Cloud credential search",
        what: "searches an empty folder for credentials of a cloud with find",
        needs: FIND,
        expect: &[("proc.name", Is("find")), ("proc.cmdline", Has(".aws/credentials"))],
        perform: |s| {
            let folder = s.folder("empty")?;
            run(Command::new("find").arg(folder).args(["-path", "*/.aws/credentials"]))
        },
    },
    Action {
        name: "run-from-shm",
        rule: "Execution from shared memory",
        what: "copies `true` to /dev/shm and runs it from there",
        needs: &[],
        expect: &[("proc.exepath", Is("/dev/shm/peregrine-true")), ("proc.pname", Is(super::SELF))],
        perform: |_| {
            let copy = "/dev/shm/peregrine-true";
            fs::copy(true_program()?, copy)?;
            run(&mut Command::new(copy))
        },
    },
];

fn true_program() -> Result<PathBuf> {
    find_program("true").context("there is no `true`")
}

fn from_memory(_: &Scene) -> Result<()> {
    let mut file = File::from(memfd_create("from-memory", MemfdFlags::empty())?);
    file.write_all(&fs::read(true_program()?)?)?;
    // While it is open for writing it cannot be run.
    let readable = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    drop(file);
    run(&mut Command::new(format!("/proc/self/fd/{}", readable.as_raw_fd())))
}

//! Actions that ask the kernel for something unusual.

use std::fs::File;
use std::process::{Command, Stdio};

use crate::action::Action;
use crate::action::Expected::{Has, Is};
use crate::action::Need;
use crate::sys;

pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "kernel-module",
        rule: "Kernel module load",
        what: "asks the kernel to load an empty file as a module, which it refuses",
        needs: &[],
        expect: &[("evt.type", Is("finit_module")), ("evt.res", Has("E")), SELF],
        perform: |s| {
            let empty = s.folder("module")?.join("empty.ko");
            File::create(&empty)?;
            // Refused in one way or another: an attempt is what the rule is about.
            match sys::finit_module(&File::open(&empty)?) {
                Ok(()) => anyhow::bail!("the kernel took an empty module"),
                Err(_) => Ok(()),
            }
        },
    },
    Action {
        name: "code-injection",
        rule: "Code injection with ptrace",
        what: "becomes the tracer of a sleeping child, then ends it",
        needs: &[],
        expect: &[("evt.type", Is("ptrace")), ("evt.arg.request", Is("PTRACE_SEIZE")), SELF],
        perform: |_| {
            let mut child = Command::new("sleep").arg("10").stdin(Stdio::null()).spawn()?;
            let seized = sys::seize(rustix::process::Pid::from_child(&child));
            child.kill()?;
            child.wait()?;
            Ok(seized?)
        },
    },
    Action {
        name: "anti-debugging",
        rule: "Anti-debugging with ptrace",
        what: "makes its parent its own tracer, then ends",
        needs: &[],
        expect: &[("evt.res", Is("SUCCESS")), SELF],
        perform: |_| Ok(sys::trace_me()?),
    },
    Action {
        name: "namespace-change",
        rule: "Namespace change",
        what: "leaves the namespace of host names for one of its own",
        needs: &[],
        expect: &[("evt.type", Is("unshare")), ("evt.arg.flags", Is("CLONE_NEWUTS")), SELF],
        perform: |_| Ok(sys::unshare(libc::CLONE_NEWUTS)?),
    },
    Action {
        name: "bpf-program",
        rule: "BPF program loaded by unexpected program",
        what: "loads a program of two instructions and attaches it to nothing",
        needs: &[],
        expect: &[SELF],
        perform: |_| Ok(sys::load_bpf().map(drop)?),
    },
    Action {
        name: "bpf-object",
        rule: "Descriptor or BPF object of another program taken",
        what: "asks for a BPF map by a number that none has",
        needs: &[],
        expect: &[("evt.arg.cmd", Is("BPF_MAP_GET_FD_BY_ID")), ("evt.res", Is("ENOENT")), SELF],
        perform: |_| match sys::bpf_map_by_id(u32::MAX) {
            Ok(_) => anyhow::bail!("there is such a map"),
            Err(_) => Ok(()),
        },
    },
    Action {
        name: "io-uring",
        rule: "io_uring set up by unexpected program",
        what: "sets up an io_uring of one entry and submits nothing",
        needs: &[Need::IoUring],
        expect: &[("evt.arg.entries", Is("1")), SELF],
        perform: |_| Ok(sys::io_uring_setup().map(drop)?),
    },
];

/// Done by this program itself.
const SELF: (&str, crate::action::Expected) = ("proc.name", Is(super::SELF));

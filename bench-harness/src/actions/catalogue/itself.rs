//! Actions against the agent that watches, which the kernel refuses, and against files that are where its own would be.

use std::fs::{self, DirBuilder, File};

use anyhow::{Context as _, Result, bail};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, getppid, kill_process, pidfd_open};

use crate::action::Action;
use crate::action::Expected::Is;
use crate::scene::run;
use crate::sys;

pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "kill-agent",
        rule: "Peregrine killed or stopped",
        what: "as a user who may not, sends the agent SIGKILL",
        needs: &[],
        expect: &[("evt.arg.sig", Is("SIGKILL")), ("evt.res", Is("EPERM")), SELF],
        perform: |_| refused_as_nobody(|agent| kill_process(agent, Signal::KILL).err()),
    },
    Action {
        name: "trace-agent",
        rule: "Peregrine process tampered with",
        what: "as a user who may not, becomes the tracer of the agent",
        needs: &[],
        expect: &[("evt.arg.request", Is("PTRACE_SEIZE")), ("evt.res", Is("EPERM")), SELF],
        perform: |_| {
            refused_as_nobody(|agent| {
                let error = sys::seize(agent).err()?;
                Errno::from_io_error(&error)
            })
        },
    },
    Action {
        name: "open-agent",
        rule: "Peregrine process opened",
        what: "opens a descriptor of the agent's process, and closes it",
        needs: &[],
        expect: &[SELF],
        perform: |_| Ok(pidfd_open(agent()?, PidfdFlags::empty()).map(drop)?),
    },
    Action {
        name: "edit-rules",
        rule: "Peregrine configuration edited",
        what: "a program called nano makes an empty file in /etc/peregrine, on a terminal",
        needs: &[],
        expect: &[("fd.name", Is("/etc/peregrine/edited.yaml")), ("proc.name", Is("nano"))],
        perform: |_| {
            made("/etc/peregrine")?;
            let mut editor = std::process::Command::new("/usr/local/bin/nano");
            let terminal = sys::on_a_terminal(editor.arg("/etc/peregrine/edited.yaml"))?;
            run(&mut editor)?;
            drop(terminal);
            Ok(())
        },
    },
    Action {
        name: "change-rules",
        rule: "Peregrine configuration changed",
        what: "makes an empty file in /etc/peregrine",
        needs: &[],
        expect: &[("fd.name", Is("/etc/peregrine/changed.yaml")), SELF],
        perform: |_| {
            made("/etc/peregrine")?;
            Ok(File::create("/etc/peregrine/changed.yaml").map(drop)?)
        },
    },
    Action {
        name: "forge-alerts",
        rule: "Peregrine file changed",
        what: "makes an empty file in /var/log/peregrine",
        needs: &[],
        expect: &[("fd.name", Is("/var/log/peregrine/alerts.log")), SELF],
        perform: |_| {
            made("/var/log/peregrine")?;
            Ok(File::create("/var/log/peregrine/alerts.log").map(drop)?)
        },
    },
    Action {
        name: "stop-service",
        rule: "Peregrine service stopped by command",
        what: "runs a program called systemctl that does nothing, told to stop the service",
        needs: &[],
        expect: &[("proc.name", Is("systemctl")), ("proc.pname", Is(super::SELF))],
        perform: |s| run(s.disguised_as("systemctl")?.args(["stop", "peregrine"])),
    },
];

/// Done by this program itself.
const SELF: (&str, crate::action::Expected) = ("proc.name", Is(super::SELF));

fn made(dir: &str) -> Result<()> {
    Ok(DirBuilder::new().recursive(true).create(dir)?)
}

/// The agent that watches the stage, which is this process's parent; where nobody does, one that watches everything.
fn agent() -> Result<Pid> {
    let stage = getppid().context("the stage has ended")?.as_raw_nonzero().to_string();
    let mut agents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let args: Vec<&[u8]> = command.split(|&b| b == 0).collect();
        if args.windows(2).any(|two| two == [&b"--scope-pid"[..], stage.as_bytes()]) {
            return Pid::from_raw(pid).context("no process has the number 0");
        }
        let program = args.first().and_then(|path| path.rsplit(|&b| b == b'/').next());
        if program == Some(b"peregrine") {
            agents.extend(Pid::from_raw(pid));
        }
    }
    agents.first().copied().context("no agent watches")
}

/// Asks something of the agent that the kernel must refuse, as a user without rights.
fn refused_as_nobody(ask: impl FnOnce(Pid) -> Option<Errno>) -> Result<()> {
    let agent = agent()?;
    sys::become_nobody()?;
    match ask(agent) {
        Some(Errno::PERM) => Ok(()),
        Some(e) => Err(e).context("refused, but otherwise"),
        None => bail!("the kernel did not refuse it"),
    }
}

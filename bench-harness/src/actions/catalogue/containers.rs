//! Actions in a container of runc.

use std::os::unix::net::UnixListener;

use crate::action::Action;
use crate::action::Expected::{Container as AContainer, Has, Is};
use crate::action::{CONTAINER as NEEDS, Need};
use crate::container::{Container, Root, State, Streams};

/// What a container of layers needs.
const LAYERS: &[Need] = &[NEEDS[0], NEEDS[1], Need::Overlay];

/// Done in a container.
const INSIDE: (&str, crate::action::Expected) = ("container.id", AContainer);

pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "container-terminal",
        rule: "Shell in container with terminal",
        what: "runs a shell on a terminal in a container; it ends at once",
        needs: &NEEDS,
        expect: &[("proc.name", Is("sh")), INSIDE],
        perform: |s| {
            let container = Container::new(&["/bin/sh", "-c", ":"]);
            Container { streams: Streams::Terminal, ..container }.run(s)
        },
    },
    Action {
        name: "container-privileged",
        rule: "Privileged container started",
        what: "runs `sleep` in a container from which nothing is held back",
        needs: &NEEDS,
        expect: &[("proc.cmdline", Is("busybox sleep 1")), INSIDE],
        perform: |s| {
            let container = Container::new(&["/bin/busybox", "sleep", "1"]);
            Container { state: State::Usual, ..container }.run(s)
        },
    },
    Action {
        name: "container-sysadmin",
        rule: "Container process with CAP_SYS_ADMIN",
        what: "runs `true` in a container that has CAP_SYS_ADMIN",
        needs: &NEEDS,
        expect: &[("proc.name", Is("true")), ("thread.cap_effective", Is("CAP_SYS_ADMIN")), INSIDE],
        perform: |s| {
            let capabilities = vec!["CAP_SYS_ADMIN"];
            Container { capabilities, ..Container::new(&["/bin/true"]) }.run(s)
        },
    },
    Action {
        name: "container-device",
        rule: "Privileged container betrayed by mount or device",
        what: "makes a node of a block device that does not exist, in a container",
        needs: &NEEDS,
        expect: &[("proc.name", Is("mknod")), ("evt.res", Is("SUCCESS")), INSIDE],
        perform: |s| {
            // Major number 240 is for local use (Documentation/admin-guide/devices.txt).
            let container = Container::new(&["/bin/mknod", "/tmp/disk", "b", "240", "0"]);
            Container { capabilities: vec!["CAP_MKNOD"], ..container }.run(s)
        },
    },
    Action {
        name: "container-package",
        rule: "Package manager in container",
        what: "runs a program called apk that does nothing, in a container",
        needs: &NEEDS,
        expect: &[("proc.cmdline", Is("apk add nothing")), INSIDE],
        perform: |s| {
            let container = Container::new(&["/bin/apk", "add", "nothing"]);
            Container { disguise: Some("apk"), ..container }.run(s)
        },
    },
    Action {
        name: "container-dropped",
        rule: "Dropped executable run in container",
        what: "copies busybox within a container of layers and runs the copy as `true`",
        needs: LAYERS,
        expect: &[("proc.name", Is("true")), ("proc.exepath", Is("/tmp/true")), INSIDE],
        perform: |s| {
            let script = "cp /bin/busybox /tmp/true && /tmp/true";
            let container = Container::new(&["/bin/sh", "-c", script]);
            Container { root: Root::Layers, ..container }.run(s)
        },
    },
    Action {
        name: "container-engine",
        rule: "Container engine socket used in a container",
        what: "connects to a socket of its own that is called /run/docker.sock in a container",
        needs: &NEEDS,
        expect: &[("fd.name", Has("/run/docker.sock")), ("proc.name", Is("curl")), INSIDE],
        perform: |s| {
            let socket = s.folder("engine")?.join("socket");
            let _listener = UnixListener::bind(&socket)?;
            let inside = "/run/docker.sock";
            let container = Container::new(&["/bin/curl", "--unix-socket", inside]);
            let binds = vec![(socket.display().to_string(), inside.to_owned())];
            Container { disguise: Some("curl"), binds, ..container }.run(s)
        },
    },
];

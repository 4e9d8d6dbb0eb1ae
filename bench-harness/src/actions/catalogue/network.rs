//! Actions on sockets. The stage has only a loopback interface.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use anyhow::Result;
use rustix::net::{AddressFamily, SocketType};

use crate::action::Action;
use crate::action::Expected::{Has, Is};
use crate::interfaces::STRANGER;
use crate::scene::run;

pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "command-and-control",
        rule: "Outbound connection to command and control server",
        what: "tries to connect to 192.0.2.66, which belongs to nobody; there is no route",
        needs: &[],
        expect: &[SELF, ("fd.name", Has("192.0.2.66:9")), ("evt.res", Is("ENETUNREACH"))],
        perform: |_| attempt("192.0.2.66:9"),
    },
    Action {
        name: "reverse-shell",
        rule: "Reverse shell: standard stream on a socket",
        what: "makes a connection to itself its standard input",
        needs: &[],
        expect: &[("fd.name", Has("127.0.0.1")), ("evt.rawres", Is("0")), SELF],
        perform: |_| {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let stream = TcpStream::connect(listener.local_addr()?)?;
            Ok(rustix::stdio::dup2_stdin(&stream)?)
        },
    },
    Action {
        name: "unexpected-udp",
        rule: "Unexpected UDP traffic",
        what: "sends a datagram to port 40404 of 203.0.113.9, which is the loopback interface here",
        needs: &[],
        expect: &[("fd.name", Has("203.0.113.9:40404")), ("evt.res", Is("SUCCESS")), SELF],
        perform: |_| {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            Ok(socket.send_to(b"peregrine", (STRANGER, 40404)).map(drop)?)
        },
    },
    Action {
        name: "metadata-service",
        rule: "Metadata service contacted",
        what: "tries to connect to 169.254.169.254; there is no route",
        needs: &[],
        expect: &[("fd.name", Has("169.254.169.254:80")), ("evt.res", Is("ENETUNREACH")), SELF],
        perform: |_| attempt("169.254.169.254:80"),
    },
    Action {
        name: "ssh-port",
        rule: "SSH to a non-standard port",
        what: "a program called ssh connects to port 2222 of 203.0.113.9, which is the loopback interface here",
        needs: &[],
        expect: &[("proc.name", Is("ssh")), ("fd.name", Has("->203.0.113.9:2222"))],
        perform: |s| {
            let _listener = TcpListener::bind((STRANGER, 2222))?;
            run(s.disguised_as("ssh")?.args(["-p", "2222", &STRANGER.to_string()]))
        },
    },
    Action {
        name: "packet-socket",
        rule: "Packet socket created",
        what: "makes a packet socket that receives nothing",
        needs: &[],
        expect: &[("evt.arg.type", Is("3")), SELF],
        perform: |_| {
            Ok(rustix::net::socket(AddressFamily::PACKET, SocketType::RAW, None).map(drop)?)
        },
    },
];

/// Done by this program itself.
const SELF: (&str, crate::action::Expected) = ("proc.name", Is(super::SELF));

/// Connects; that there is no route is as good as success.
fn attempt(to: &str) -> Result<()> {
    match TcpStream::connect(to.parse::<SocketAddr>()?) {
        Err(e) if e.kind() != ErrorKind::NetworkUnreachable => Err(e.into()),
        _ => Ok(()),
    }
}

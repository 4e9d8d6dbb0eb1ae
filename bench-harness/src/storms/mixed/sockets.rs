//! Calls on sockets, all of them on this machine's loopback or in the storm's folder.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, unlinkat};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType,
    accept_with, bind, connect, getsockname, listen, recv, send, sendto, shutdown, socket_with,
    socketpair,
};

use super::chance::Chance;
use super::counts::Kind;
use super::scene::{Scene, Then};

/// Nobody waits longer for a peer that was not to be had.
const PATIENCE: Duration = Duration::from_secs(2);
/// A port that nobody listens at.
const NOBODY: u16 = 1;

/// A connection that is refused.
pub(crate) fn knock(scene: &Scene) {
    let Some(socket) = open(scene, AddressFamily::INET, SocketType::STREAM) else { return };
    scene.made(Kind::Socket, connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, NOBODY)));
    scene.close(Kind::Socket, socket);
}

fn open(scene: &Scene, family: AddressFamily, ty: SocketType) -> Option<OwnedFd> {
    scene.made(Kind::Socket, socket_with(family, ty, SocketFlags::CLOEXEC, None))
}

/// A server in this process and a client in a child, over TCP.
pub(crate) fn over_tcp(scene: &Scene, chance: &mut Chance) {
    let Some(server) = open(scene, AddressFamily::INET, SocketType::STREAM) else { return };
    scene.made(Kind::Socket, bind(&server, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)));
    let Some(address) = scene.made(Kind::Socket, getsockname(&server)) else { return };
    serve(scene, chance, server, AddressFamily::INET, &address);
}

/// The same over a unix socket with a name in the file system.
pub(crate) fn over_unix(scene: &Scene, chance: &mut Chance) {
    let path = scene.path(&format!("socket-{:x}", chance.next()));
    let Ok(address) = SocketAddrUnix::new(&path) else { return };
    let Some(server) = open(scene, AddressFamily::UNIX, SocketType::STREAM) else { return };
    scene.made(Kind::Socket, bind(&server, &address));
    serve(scene, chance, server, AddressFamily::UNIX, &address.into());
    scene.made(Kind::File, unlinkat(CWD, &path, AtFlags::empty()));
}

fn serve(
    scene: &Scene,
    chance: &mut Chance,
    server: OwnedFd,
    family: AddressFamily,
    address: &SocketAddrAny,
) {
    scene.made(Kind::Socket, listen(&server, 4));
    // Of the socket that accepts, too.
    scene.made(Kind::Socket, set_socket_timeout(&server, Timeout::Recv, Some(PATIENCE)));
    let n_rounds = chance.within(1, 8);
    let client = scene.child(Then::EndsWithParent, || {
        let Some(socket) = open(scene, family, SocketType::STREAM) else { return };
        scene.made(Kind::Socket, set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE)));
        if scene.made(Kind::Socket, connect(&socket, address)).is_none() {
            return;
        }
        for _ in 0..n_rounds {
            scene.made(Kind::Socket, send(&socket, b"a question", SendFlags::NOSIGNAL));
            scene.made(Kind::Socket, recv(&socket, &mut [0_u8; 64][..], RecvFlags::empty()));
        }
        scene.close(Kind::Socket, socket);
    });
    if client.is_some()
        && let Some(peer) = scene.made(Kind::Socket, accept_with(&server, SocketFlags::CLOEXEC))
    {
        for _ in 0..n_rounds {
            scene.made(Kind::Socket, recv(&peer, &mut [0_u8; 64][..], RecvFlags::empty()));
            scene.made(Kind::Socket, send(&peer, b"an answer", SendFlags::NOSIGNAL));
        }
        scene.made(Kind::Socket, shutdown(&peer, rustix::net::Shutdown::Both));
        scene.close(Kind::Socket, peer);
    }
    scene.wait_for(client);
    scene.close(Kind::Socket, server);
}

/// Messages between two sockets of this process.
pub(crate) fn alone(scene: &Scene, chance: &mut Chance) {
    let pair = socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None);
    if let Some((a, b)) = scene.made(Kind::Socket, pair) {
        for _ in 0..chance.within(1, 6) {
            scene.made(Kind::Socket, send(&a, b"a message", SendFlags::NOSIGNAL));
            scene.made(Kind::Socket, recv(&b, &mut [0_u8; 64][..], RecvFlags::DONTWAIT));
        }
        scene.close(Kind::Socket, a);
        scene.close(Kind::Socket, b);
    }
    let Some(socket) = open(scene, AddressFamily::INET, SocketType::DGRAM) else { return };
    scene.made(Kind::Socket, bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)));
    if let Some(own) = scene.made(Kind::Socket, getsockname(&socket)) {
        scene.made(Kind::Socket, sendto(&socket, b"to myself", SendFlags::NOSIGNAL, &own));
        scene.made(Kind::Socket, recv(&socket, &mut [0_u8; 64][..], RecvFlags::DONTWAIT));
    }
    scene.close(Kind::Socket, socket);
}

//! Storms of calls on sockets, all of them on this machine's loopback.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::net::sockopt::{Timeout, set_socket_linger, set_socket_timeout};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with};

use crate::cycle::{Calls, Cycle};
use crate::number::Numbered;
use crate::raw::{self, Address, Failed};

/// Nobody waits longer for what was sent on the same machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// The port `discard`; nothing is sent to it.
const NOBODY: u16 = 9;

/// A socket that is bound to a port of its own.
fn bound(
    ty: SocketType,
    to: Ipv4Addr,
    prepare: fn(&OwnedFd) -> Result<()>,
) -> Result<(OwnedFd, u16)> {
    let socket = socket_with(AddressFamily::INET, ty, SocketFlags::CLOEXEC, None)?;
    prepare(&socket)?;
    bind(&socket, &SocketAddrV4::new(to, 0)).context("cannot bind a socket to the loopback")?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    let port = SocketAddrV4::try_from(getsockname(&socket)?)?.port();
    Ok((socket, port))
}

/// One of the addresses of the loopback, which has sixteen million; the first and the last are those of the network.
#[inline]
fn loopback(number: u64) -> u32 {
    const N_HOSTS: u64 = (1 << 24) - 2;
    0x7f00_0001 + (number % N_HOSTS) as u32
}

/// `sendto` and `recvfrom` of a socket that sends to itself.
pub(crate) struct Udp {
    socket: OwnedFd,
    own: Address,
    message: Numbered,
}

impl Udp {
    pub(crate) fn new() -> Result<Self> {
        let (socket, port) = bound(SocketType::DGRAM, Ipv4Addr::LOCALHOST, |_| Ok(()))?;
        let own = Address::new(Ipv4Addr::LOCALHOST.to_bits(), port);
        Ok(Self { socket, own, message: Numbered::after(b"") })
    }
}

impl Cycle for Udp {
    const CALLS: &'static Calls = &[("sendto", 1), ("recvfrom", 1)];

    #[inline]
    fn run(&mut self, number: u64) -> Result<(), Failed> {
        self.message.set(number);
        let message = self.message.digits();
        let mut got = [0; Numbered::N_DIGITS];
        raw::sendto(self.socket.as_raw_fd(), message, &self.own)?;
        raw::recvfrom(self.socket.as_raw_fd(), &mut got)?;
        if message == got {
            Ok(())
        } else {
            Err(Failed::new("recvfrom", std::io::Error::other("somebody else sent something")))
        }
    }
}

/// `socket`, `connect` and `close` of a UDP socket.
pub(crate) struct UdpConnect(Address);

impl UdpConnect {
    pub(crate) fn new() -> Self {
        Self(Address::new(loopback(0), NOBODY))
    }
}

impl Cycle for UdpConnect {
    const CALLS: &'static Calls = &[("socket", 1), ("connect", 1), ("close", 1)];

    #[inline]
    fn run(&mut self, number: u64) -> Result<(), Failed> {
        self.0.set_host(loopback(number));
        let socket = raw::socket(libc::SOCK_DGRAM)?;
        raw::connect(socket, &self.0)?;
        raw::close(socket)
    }
}

/// `socket`, `connect` and `accept4` over TCP, and `close` of both ends.
pub(crate) struct Tcp {
    listener: OwnedFd,
    server: Address,
}

impl Tcp {
    pub(crate) fn new() -> Result<Self> {
        let (listener, port) = bound(SocketType::STREAM, Ipv4Addr::UNSPECIFIED, |listener| {
            // So that all addresses of the loopback are the listener's, and none that others can reach.
            raw::bind_to_loopback(listener)
                .context("cannot listen on the loopback alone (before Linux 5.7 that takes root)")
        })?;
        // What it accepts has it from here, and leaves nothing that waits a minute for stray segments.
        set_socket_linger(&listener, Some(Duration::ZERO))?;
        listen(&listener, 1)?;
        Ok(Self { listener, server: Address::new(loopback(0), port) })
    }
}

impl Cycle for Tcp {
    const CALLS: &'static Calls = &[("socket", 1), ("connect", 1), ("accept4", 1), ("close", 2)];

    #[inline]
    fn run(&mut self, number: u64) -> Result<(), Failed> {
        self.server.set_host(loopback(number));
        let client = raw::socket(libc::SOCK_STREAM)?;
        raw::connect(client, &self.server)?;
        let accepted = raw::accept4(self.listener.as_raw_fd())?;
        raw::close(client)?;
        raw::close(accepted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_hosts_of_the_loopback_and_never_its_network() {
        let host = |number| Ipv4Addr::from_bits(loopback(number)).to_string();
        assert_eq!(host(0), "127.0.0.1");
        assert_eq!(host(254), "127.0.0.255");
        assert_eq!(host((1 << 24) - 3), "127.255.255.254");
        assert_eq!(host((1 << 24) - 2), "127.0.0.1");
    }
}

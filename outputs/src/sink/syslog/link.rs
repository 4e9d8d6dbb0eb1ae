//! A socket towards a receiver of syslog. Everything on it ends by itself after the timeout.

use std::io::{self, ErrorKind, Read, Write};
use std::net::ToSocketAddrs as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use socket2::{Domain, SockAddr, Socket, TcpKeepalive, Type};

use super::Framing;
use super::address::{HostPort, SyslogAddress};
use crate::sink::tls::{Tls, TlsError};

/// A peer that takes a connection only to close it does so within this; it is waited for after the first write.
const PROBATION: Duration = Duration::from_millis(250);

/// At the end the peer has so long to read what lies in between, and to close.
const PARTING: Duration = Duration::from_millis(500);

/// A silent peer is asked whether it is there after so long, then this often.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

/// A connection on which nothing was acknowledged for so long is given up (the system's own limit is some 15 minutes).
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Addresses of a name that are tried at a time.
const MAX_ADDRESSES: usize = 8;

/// Of what a peer says, which means nothing, no more is read at a time.
const MAX_READS: usize = 64;

/// What went wrong.
pub(super) struct Trouble {
    pub(super) why: String,
    /// It is the message that cannot be sent, not the link that is broken.
    pub(super) is_of_the_message: bool,
}

impl Trouble {
    fn new(what: &str, error: &io::Error) -> Self {
        let is_of_the_message = error.raw_os_error() == Some(Errno::MSGSIZE.raw_os_error());
        Self { why: format!("{what}: {error}"), is_of_the_message }
    }
}

/// Makes links to one receiver.
pub(super) struct Connector {
    address: SyslogAddress,
    timeout: Duration,
    tls: Option<(Arc<ClientConfig>, String)>,
    /// How long a peer is watched that is not known yet.
    pub(super) probation: Duration,
}

impl Connector {
    pub(super) fn new(
        address: SyslogAddress,
        timeout: Duration,
        tls: &Tls,
    ) -> Result<Self, TlsError> {
        let tls = match &address {
            SyslogAddress::Tls(HostPort { host, .. }) => Some((tls.client(&[])?, host.clone())),
            _ => None,
        };
        Ok(Self { address, timeout, tls, probation: PROBATION })
    }

    pub(super) fn address(&self) -> &SyslogAddress {
        &self.address
    }

    pub(super) fn connect(&self) -> Result<Link, Trouble> {
        self.open().map_err(|e| Trouble::new("cannot connect", &e))
    }

    fn open(&self) -> io::Result<Link> {
        let Self { address, timeout, tls, .. } = self;
        match address {
            SyslogAddress::Unix(path) => {
                let to = SockAddr::unix(path)?;
                let other = Some(Errno::PROTOTYPE.raw_os_error());
                match self.link(Domain::UNIX, Type::DGRAM, Framing::Datagram, &to) {
                    Err(e) if e.raw_os_error() == other => {
                        self.link(Domain::UNIX, Type::STREAM, Framing::Zero, &to)
                    }
                    linked => linked,
                }
            }
            SyslogAddress::Udp(to) => {
                each(to, |to| self.link(to.domain(), Type::DGRAM, Framing::Datagram, to))
            }
            SyslogAddress::Tcp(to) => each(to, |to| self.connection(to)),
            SyslogAddress::Tls(to) => {
                let mut link = each(to, |to| self.connection(to))?;
                let (config, host) = tls.as_ref().expect("an address with TLS has its settings");
                let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                let mut session =
                    ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
                session.set_buffer_limit(None);
                let by = Instant::now() + *timeout;
                session.complete_io(&mut Timed { socket: &link.socket, by })?;
                link.tls = Some(Box::new(session));
                Ok(link)
            }
        }
    }

    fn link(&self, domain: Domain, ty: Type, framing: Framing, to: &SockAddr) -> io::Result<Link> {
        let socket = Socket::new(domain, ty, None)?;
        if framing == Framing::Counted {
            socket.connect_timeout(to, self.timeout)?;
        } else {
            // Of a local stream whose peer takes no connections any more this waits; it does so in the time of a write.
            socket.set_write_timeout(Some(self.timeout))?;
            socket.connect(to)?;
        }
        let probation = (framing != Framing::Datagram).then_some(self.probation);
        Ok(Link { socket, tls: None, framing, timeout: self.timeout, probation })
    }

    fn connection(&self, to: &SockAddr) -> io::Result<Link> {
        let link = self.link(to.domain(), Type::STREAM, Framing::Counted, to)?;
        let (after, every) = KEEPALIVE;
        let keepalive = TcpKeepalive::new().with_time(after).with_interval(every);
        link.socket.set_tcp_nodelay(true)?;
        link.socket.set_tcp_keepalive(&keepalive)?;
        link.socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED.max(self.timeout)))?;
        Ok(link)
    }
}

/// Tries the addresses of a host in turn.
fn each(
    HostPort { host, port }: &HostPort,
    link: impl Fn(&SockAddr) -> io::Result<Link>,
) -> io::Result<Link> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for to in (host.as_str(), *port).to_socket_addrs()?.take(MAX_ADDRESSES) {
        match link(&to.into()) {
            Ok(linked) => return Ok(linked),
            Err(e) => last = e,
        }
    }
    Err(last)
}

/// A connected socket.
pub(super) struct Link {
    socket: Socket,
    tls: Option<Box<ClientConnection>>,
    framing: Framing,
    timeout: Duration,
    /// After the first write the peer is watched for so long.
    probation: Option<Duration>,
}

impl Link {
    pub(super) fn framing(&self) -> Framing {
        self.framing
    }

    pub(super) fn is_proven(&self) -> bool {
        self.probation.is_none()
    }

    /// Writes whole messages; gives how many bytes can be counted as sent.
    pub(super) fn write(&mut self, bytes: &[u8]) -> (usize, Result<(), Trouble>) {
        let broken = |e: &io::Error| Trouble::new("cannot send", e);
        let by = Instant::now() + self.timeout;
        if self.framing == Framing::Datagram {
            return match (Timed { socket: &self.socket, by }).write(bytes) {
                Ok(n) => (n, Ok(())),
                Err(e) => (0, Err(broken(&e))),
            };
        }
        // A write into a connection that the peer has closed would succeed.
        if let Err(e) = self.look() {
            return (0, Err(broken(&e)));
        }
        let (n_written, ended) = self.write_until(bytes, by);
        if let Err(e) = ended {
            return (n_written, Err(broken(&e)));
        }
        if let Some(time) = self.probation.take()
            && let Err(e) = self.watch(time)
        {
            return (0, Err(broken(&e)));
        }
        (n_written, Ok(()))
    }

    fn write_until(&mut self, bytes: &[u8], by: Instant) -> (usize, io::Result<()>) {
        let Self { socket, tls, .. } = self;
        let mut to = Timed { socket, by };
        let Some(tls) = tls else {
            let mut n_written = 0;
            while n_written < bytes.len() {
                match to.write(&bytes[n_written..]) {
                    Ok(0) => return (n_written, Err(ErrorKind::WriteZero.into())),
                    Ok(n) => n_written += n,
                    Err(e) => return (n_written, Err(e)),
                }
            }
            return (n_written, Ok(()));
        };
        let mut send = || {
            tls.writer().write_all(bytes)?;
            while tls.wants_write() {
                tls.write_tls(&mut to)?;
            }
            Ok(())
        };
        // How much of what is encrypted has arrived cannot be told.
        match send() {
            Ok(()) => (bytes.len(), Ok(())),
            Err(e) => (0, Err(e)),
        }
    }

    /// Reads what there is, which says nothing but whether the peer has closed.
    fn look(&mut self) -> io::Result<()> {
        for _ in 0..MAX_READS {
            if !self.has_something(Duration::ZERO)? {
                break;
            }
            let Self { socket, tls, .. } = self;
            let n = match tls {
                None => (&*socket).read(&mut [0; 4096])?,
                Some(tls) => {
                    let n = tls.read_tls(&mut &*socket)?;
                    let state = tls.process_new_packets().map_err(io::Error::other)?;
                    let n_plain = state.plaintext_bytes_to_read() as u64;
                    io::copy(&mut tls.reader().take(n_plain), &mut io::sink())?;
                    if state.peer_has_closed() { 0 } else { n }
                }
            };
            if n == 0 {
                return Err(io::Error::new(
                    ErrorKind::ConnectionAborted,
                    "the receiver has closed the connection",
                ));
            }
        }
        Ok(())
    }

    /// Looks for so long.
    fn watch(&mut self, time: Duration) -> io::Result<()> {
        let by = Instant::now() + time;
        loop {
            let left = by.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.has_something(left)? {
                return Ok(());
            }
            self.look()?;
        }
    }

    /// Waits until there is something to read, or the end, or an error; for so long at most.
    fn has_something(&self, time: Duration) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN | PollFlags::RDHUP)];
        let time = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() };
        Ok(retry_on_intr(|| poll(&mut fds, Some(&time)))? > 0)
    }

    /// Says goodbye, so that nothing of what was sent is thrown away unread.
    pub(super) fn close(mut self) {
        if self.framing == Framing::Datagram {
            return;
        }
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        // What fails here fails because the peer is gone.
        let (_, flushed) = self.write_until(&[], Instant::now() + PARTING);
        if flushed.and_then(|()| self.socket.shutdown(std::net::Shutdown::Write)).is_ok() {
            drop(self.watch(PARTING));
        }
    }
}

/// Reads and writes until then.
struct Timed<'s> {
    socket: &'s Socket,
    by: Instant,
}

impl Timed<'_> {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.by.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(too_late()) } else { Ok(Some(left)) }
    }
}

fn too_late() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "the receiver takes too long")
}

/// Until it is not for a signal that it ended.
fn done(mut io: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match io() {
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Err(too_late()),
            other => return other,
        }
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(self.left()?)?;
        done(|| (&mut &*self.socket).read(buf))
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(self.left()?)?;
        done(|| (&mut &*self.socket).write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

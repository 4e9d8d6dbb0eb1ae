//! A connection of which every read and write ends by a deadline: TCP, and TLS on it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// To a server, and usable until something goes wrong with it.
pub(super) enum Connection {
    Plain(Timed),
    Tls(Box<StreamOwned<ClientConnection, Timed>>),
}

/// How TLS is spoken, and the name that the server's certificate must have.
pub(super) type Secured = (Arc<ClientConfig>, ServerName<'static>);

/// Where to, and how.
#[derive(Clone)]
pub(super) struct Target {
    /// A name or an address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// None: without TLS.
    pub(super) tls: Option<Secured>,
}

impl Target {
    /// Connects to the first address of the host that answers, and has the handshake of TLS done. The look-up of a name is the resolver's: it ends
    /// by its own rules, not by the deadline.
    pub(super) fn connect(&self, deadline: Instant) -> io::Result<Connection> {
        let Self { host, port, tls } = self;
        let mut addresses = (host.as_str(), *port).to_socket_addrs()?.peekable();
        if addresses.peek().is_none() {
            return Err(io::Error::new(ErrorKind::NotFound, "the name has no address"));
        }
        let mut failed = timed_out();
        for address in addresses {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            match TcpStream::connect_timeout(&address, left) {
                Ok(stream) => {
                    // What is written is whole: there is nothing to gather.
                    stream.set_nodelay(true)?;
                    return begin(Timed { stream, deadline }, tls.as_ref());
                }
                Err(e) => failed = e,
            }
        }
        Err(failed)
    }
}

/// TLS where there is to be some.
fn begin(mut timed: Timed, tls: Option<&Secured>) -> io::Result<Connection> {
    let Some((config, name)) = tls else { return Ok(Connection::Plain(timed)) };
    let mut client =
        ClientConnection::new(Arc::clone(config), name.clone()).map_err(io::Error::other)?;
    while client.is_handshaking() {
        client.complete_io(&mut timed)?;
    }
    Ok(Connection::Tls(Box::new(StreamOwned::new(client, timed))))
}

impl Connection {
    /// All that follows ends by then.
    pub(super) fn set_deadline(&mut self, deadline: Instant) {
        self.timed().deadline = deadline;
    }

    pub(super) fn tcp(&mut self) -> &TcpStream {
        &self.timed().stream
    }

    fn timed(&mut self) -> &mut Timed {
        match self {
            Self::Plain(timed) => timed,
            Self::Tls(stream) => &mut stream.sock,
        }
    }
}

impl Read for Connection {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(timed) => timed.read(to),
            Self::Tls(stream) => stream.read(to),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(timed) => timed.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// A stream that does not block beyond its deadline.
pub(super) struct Timed {
    stream: TcpStream,
    deadline: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(timed_out()) } else { Ok(Some(left)) }
    }
}

impl Read for Timed {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            self.stream.set_read_timeout(self.left()?)?;
            match self.stream.read(to) {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                ended => return ended.map_err(of_timeout),
            }
        }
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes).map_err(of_timeout)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn timed_out() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "no answer in time")
}

/// A socket says of its timeout that it would block.
fn of_timeout(e: io::Error) -> io::Error {
    if e.kind() == ErrorKind::WouldBlock { timed_out() } else { e }
}

//! Where a receiver of syslog is: `unix://PATH`, `udp://HOST:PORT`, `tcp://HOST:PORT`, `tls://HOST:PORT`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a receiver is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogAddress {
    /// A socket of datagrams, or else a stream.
    Unix(PathBuf),
    /// A datagram for each message.
    Udp(HostPort),
    /// A connection.
    Tcp(HostPort),
    /// A connection with TLS.
    Tls(HostPort),
}

/// A host by name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Without the brackets around an address of IPv6.
    pub(super) host: String,
    pub(super) port: u16,
}

/// A text that names no receiver.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It begins otherwise.
    #[error("must be unix://PATH, udp://HOST:PORT, tcp://HOST:PORT or tls://HOST:PORT")]
    Scheme,
    /// A path must begin with a slash and be short enough for a socket's.
    #[error("must be an absolute path of at most 107 bytes after unix://")]
    Path,
    /// There is none, or none that can be.
    #[error("must end with a port between 1 and 65535, as in {0}:6514")]
    Port(String),
    /// There is none, or none that can be.
    #[error("{0:?} is no name of a host; an address of IPv6 stands in brackets")]
    Host(String),
}

impl SyslogAddress {
    /// Whether it is on this machine by its kind.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Unix(_))
    }

    /// The port to which a connection is made.
    #[must_use]
    pub fn tcp_port(&self) -> Option<u16> {
        match self {
            Self::Tcp(at) | Self::Tls(at) => Some(at.port),
            Self::Unix(_) | Self::Udp(_) => None,
        }
    }

    /// Whether what is sent is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

impl FromStr for SyslogAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Scheme)?;
        match scheme {
            "unix" if rest.starts_with('/') && rest.len() <= 107 && !rest.contains('\0') => {
                Ok(Self::Unix(rest.into()))
            }
            "unix" => Err(AddressError::Path),
            "udp" => rest.parse().map(Self::Udp),
            "tcp" => rest.parse().map(Self::Tcp),
            "tls" => rest.parse().map(Self::Tls),
            _ => Err(AddressError::Scheme),
        }
    }
}

impl FromStr for HostPort {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
        let (host, port) = if text.ends_with(']') { (text, "") } else { (host, port) };
        let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let is_good = inner.map_or_else(
            || !host.is_empty() && host.chars().all(is_of_name),
            |address| address.parse::<std::net::Ipv6Addr>().is_ok(),
        );
        if !is_good {
            return Err(AddressError::Host(host.to_owned()));
        }
        match port.parse() {
            Ok(port) if port > 0 => Ok(Self { host: inner.unwrap_or(host).to_owned(), port }),
            _ => Err(AddressError::Port(host.to_owned())),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl fmt::Display for SyslogAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Udp(to) => write!(f, "udp://{to}"),
            Self::Tcp(to) => write!(f, "tcp://{to}"),
            Self::Tls(to) => write!(f, "tls://{to}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for text in [
            "unix:///dev/log",
            "udp://127.0.0.1:514",
            "tcp://logs.example.org:601",
            "tls://[2001:db8::1]:6514",
            "tls://a-b_c:65535",
        ] {
            assert_eq!(text.parse::<SyslogAddress>().map(|a| a.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_no_address_is_said() {
        let (port, host) =
            (|h: &str| AddressError::Port(h.into()), |h: &str| AddressError::Host(h.into()));
        for (text, error) in [
            ("/dev/log", AddressError::Scheme),
            ("", AddressError::Scheme),
            ("http://a:1", AddressError::Scheme),
            ("UDP://a:1", AddressError::Scheme),
            ("unix://dev/log", AddressError::Path),
            ("unix://", AddressError::Path),
            (&format!("unix:///{}", "x".repeat(107)), AddressError::Path),
            ("udp://a", port("a")),
            ("udp://a:", port("a")),
            ("udp://a:0", port("a")),
            ("tcp://a:65536", port("a")),
            ("tcp://[::1]", port("[::1]")),
            ("tcp://:514", host("")),
            ("tcp://::1:514", host("::1")),
            ("tcp://[x]:514", host("[x]")),
            ("tls://a b:514", host("a b")),
            ("tls://a/b:514", host("a/b")),
        ] {
            assert_eq!(text.parse::<SyslogAddress>(), Err(error), "{text}");
        }
    }
}

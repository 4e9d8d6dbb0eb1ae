//! Alerts to syslog: a local socket, or RFC 5424 over UDP, TCP (RFC 6587, octets counted) and TLS (RFC 5425).
//!
//! A message is delivered when its last byte is in the socket's buffer, which is not yet with the receiver: of TCP and TLS what lies there is
//! lost where the connection breaks. That the peer has closed is seen before each write, and the first write of a connection is followed by a
//! look whether the peer closes at once, as those do that take a connection and then refuse its certificate.

mod address;
mod format;
mod link;

use std::sync::Arc;
use std::time::Duration;

use perf::{Counter, Registry};

pub use address::{AddressError, HostPort, SyslogAddress};

use super::tls::{Tls, TlsError};
use super::{Sent, Stop, Transport};
use crate::message::Shared;
use format::Printer;
use link::{Connector, Link, Trouble};

/// One write to a stream holds no more than this, a longer message aside.
const MAX_WRITE_BYTES: usize = 64 << 10;

/// Where to, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyslogSettings {
    /// Where the receiver is.
    pub address: SyslogAddress,
    /// What the messages are filed under.
    pub facility: Facility,
    /// The program, as messages name it.
    pub app_name: String,
    /// The machine, as messages name it.
    pub hostname: String,
    /// Of a message.
    pub max_bytes: usize,
    /// A connection has so long to come about, and each write to be taken.
    pub timeout: Duration,
    /// For an address with TLS; others have no use for it.
    pub tls: Tls,
}

/// What messages are filed under, by its number (RFC 5424, 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say all there is")]
pub enum Facility {
    Kern = 0,
    User = 1,
    Mail = 2,
    Daemon = 3,
    Auth = 4,
    Syslog = 5,
    Lpr = 6,
    News = 7,
    Uucp = 8,
    Cron = 9,
    Authpriv = 10,
    Ftp = 11,
    Local0 = 16,
    Local1 = 17,
    Local2 = 18,
    Local3 = 19,
    Local4 = 20,
    Local5 = 21,
    Local6 = 22,
    Local7 = 23,
}

impl Facility {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 20] = [
        ("kern", Self::Kern),
        ("user", Self::User),
        ("mail", Self::Mail),
        ("daemon", Self::Daemon),
        ("auth", Self::Auth),
        ("syslog", Self::Syslog),
        ("lpr", Self::Lpr),
        ("news", Self::News),
        ("uucp", Self::Uucp),
        ("cron", Self::Cron),
        ("authpriv", Self::Authpriv),
        ("ftp", Self::Ftp),
        ("local0", Self::Local0),
        ("local1", Self::Local1),
        ("local2", Self::Local2),
        ("local3", Self::Local3),
        ("local4", Self::Local4),
        ("local5", Self::Local5),
        ("local6", Self::Local6),
        ("local7", Self::Local7),
    ];
}

/// How a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As syslog(3) writes to a local socket (RFC 3164 without the hostname).
    Local,
    Rfc5424,
}

/// Where one message ends and the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// Each is one datagram.
    Datagram,
    /// Each comes after its length.
    Counted,
    /// A zero byte comes after each, as glibc has it for local streams.
    Zero,
}

/// Sends to one receiver.
pub(super) struct Syslog {
    connector: Connector,
    printer: Printer,
    link: Option<Link>,
    buf: String,
    /// Of each message in `buf` where it ends, and whether something was cut off.
    ends: Vec<(usize, bool)>,
    truncated: Arc<Counter>,
}

impl Syslog {
    /// The receiver need not be there yet.
    pub(super) fn new(settings: SyslogSettings) -> Result<Self, TlsError> {
        let SyslogSettings { address, facility, app_name, hostname, max_bytes, timeout, tls } =
            settings;
        let form = if address.is_local() { Form::Local } else { Form::Rfc5424 };
        Ok(Self {
            connector: Connector::new(address, timeout, &tls)?,
            printer: Printer::new(form, facility, max_bytes, &hostname, &app_name),
            link: None,
            buf: String::new(),
            ends: Vec::new(),
            truncated: Arc::default(),
        })
    }

    /// Puts messages into the buffer, at most so many.
    fn fill(&mut self, framing: Framing, messages: &[Shared], at_most: usize) {
        let Self { printer, buf, ends, .. } = self;
        buf.clear();
        ends.clear();
        let mut frame = String::new();
        for message in messages.iter().take(at_most) {
            frame.clear();
            let is_cut = printer.put(&mut frame, message);
            let is_full = buf.len() + frame.len() > MAX_WRITE_BYTES;
            if is_full && !ends.is_empty() {
                break;
            }
            if framing == Framing::Counted {
                buf.push_str(&frame.len().to_string());
                buf.push(' ');
            }
            buf.push_str(&frame);
            if framing == Framing::Zero {
                buf.push('\0');
            }
            ends.push((buf.len(), is_cut));
        }
    }

    /// Sends some of the messages; gives how many.
    fn send_some(&mut self, messages: &[Shared]) -> (usize, Result<(), Trouble>) {
        let mut link = match self.link.take() {
            Some(link) => link,
            None => match self.connector.connect() {
                Ok(link) => link,
                Err(trouble) => return (0, Err(trouble)),
            },
        };
        let framing = link.framing();
        // One alone where it is not known yet whether the peer stays: it may have to be sent again.
        let at_most =
            if framing == Framing::Datagram || !link.is_proven() { 1 } else { usize::MAX };
        self.fill(framing, messages, at_most);
        let (n_bytes, ended) = link.write(self.buf.as_bytes());
        if ended.is_ok() || ended.as_ref().is_err_and(|e| e.is_of_the_message) {
            self.link = Some(link);
        }
        let sent = self.ends.iter().take_while(|(end, _)| *end <= n_bytes);
        let (mut n, mut n_cut) = (0, 0);
        for (_, is_cut) in sent {
            n += 1;
            n_cut += u64::from(*is_cut);
        }
        self.truncated.add(n_cut);
        (n, ended)
    }
}

impl Transport for Syslog {
    fn send(&mut self, messages: &[Shared]) -> Sent {
        let mut n_delivered = 0;
        while n_delivered < messages.len() {
            let (n, ended) = self.send_some(&messages[n_delivered..]);
            n_delivered += n;
            match ended {
                Ok(()) => {}
                Err(Trouble { why, is_of_the_message: true }) => {
                    let stop = Some(Stop::Refused { n: 1, why });
                    return Sent { n_delivered, stop };
                }
                Err(Trouble { why, .. }) => {
                    let address = self.connector.address();
                    return Sent::until_later(n_delivered, format_args!("{address}: {why}"));
                }
            }
        }
        Sent { n_delivered, stop: None }
    }

    fn reopen(&mut self) {
        self.close();
    }

    fn close(&mut self) {
        if let Some(link) = self.link.take() {
            link.close();
        }
    }

    fn register(&mut self, registry: &mut Registry) {
        self.truncated = registry.counter("outputs.syslog.truncated");
    }
}

#[cfg(test)]
mod tests;

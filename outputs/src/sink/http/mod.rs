//! Posts alerts over HTTP/1.1, one at a time or several in one request, over one connection that is kept.
//!
//! The client is a small one of our own, on the parser `httparse`: every step ends by one deadline, it is known whether a connection was used before and
//! whether an answer began, and TLS is that of the other sinks.

mod answer;
mod connection;
mod url;

use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::str::FromStr;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::net::sockopt;

use super::tls::{Tls, TlsError};
use super::{Sent, SinkError, Stop, Transport};
use crate::message::Shared;
use answer::{Answer, NoAnswer, printable};
use connection::{Connection, Target};

pub use url::{HttpUrl, UrlError};

/// TCP asks so often whether the server is still there.
const PROBE_EVERY: Duration = Duration::from_mins(1);

/// How alerts are posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// Where to.
    pub url: HttpUrl,
    /// Header `User-Agent`; empty: none.
    pub user_agent: HeaderText,
    /// For `https`.
    pub tls: Tls,
    /// Bodies are sent in gzip.
    pub is_compressed: bool,
    /// TCP looks after an idle connection.
    pub is_probed: bool,
    /// Bodies of answers are printed to standard output.
    pub is_echoed: bool,
    /// A post with its answer takes no longer.
    pub timeout: Duration,
    /// To connect, the handshake of TLS included, takes no longer.
    pub connect_timeout: Duration,
    /// What one post has.
    pub batch: Batch,
    /// After more timeouts in a row an alert is given up; none: never for that.
    pub max_timeouts: Option<u32>,
}

/// How many alerts one post has, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Alerts at most; 1: each by itself, as Falco posts them.
    pub n_alerts: usize,
    /// Bytes of them at most; one that is larger goes alone.
    pub n_bytes: usize,
    /// So long the first of a batch waits for more.
    pub linger: Duration,
    /// Form of several JSON objects.
    pub form: BatchForm,
}

/// How several JSON objects make a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchForm {
    /// A line each.
    Lines,
    /// As a JSON array.
    Array,
}

/// A text that may stand in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderText(String);

impl FromStr for HeaderText {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if !text.bytes().all(|b| matches!(b, b' '..=b'~')) {
            return Err(UrlError::new("has a character that no header may have"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Posts messages.
pub(super) struct Http {
    options: HttpOptions,
    target: Target,
    longest_wait: Duration,
    echo: Option<File>,
    /// Where the last post went, if it may be used again.
    connection: Option<Connection>,
    /// Head and body of a post.
    request: Vec<u8>,
    body: Vec<u8>,
    n_timeouts: u32,
    /// So many messages go alone, since they were refused together.
    n_alone: usize,
    /// The files are to be read anew.
    is_stale: bool,
}

impl Http {
    /// `longest_wait` bounds what a server may ask for.
    pub(super) fn new(options: HttpOptions, longest_wait: Duration) -> Result<Self, SinkError> {
        let target = target(&options)?;
        let echo = options.is_echoed.then(super::unbuffered_stdout).transpose()?;
        Ok(Self {
            options,
            target,
            longest_wait,
            echo,
            connection: None,
            request: Vec::new(),
            body: Vec::new(),
            n_timeouts: 0,
            n_alone: 0,
            is_stale: false,
        })
    }

    /// Makes a body of messages; gives of how many.
    fn fill(&mut self, messages: &[Shared]) -> usize {
        let Self { options, body, n_alone, .. } = self;
        let Batch { n_alerts, n_bytes, form, .. } = options.batch;
        body.clear();
        let is_json = messages[0].is_json;
        if n_alerts == 1 {
            body.extend_from_slice(messages[0].text().as_bytes());
            return 1;
        }
        let (open, between, close) = match form {
            BatchForm::Array if is_json => ("[", ",", "]"),
            _ => ("", "\n", "\n"),
        };
        body.extend_from_slice(open.as_bytes());
        let most = if *n_alone > 0 { 1 } else { n_alerts };
        let mut n = 0;
        for message in messages.iter().take(most).take_while(|m| m.is_json == is_json) {
            let text = message.text().as_bytes();
            if n > 0 {
                if body.len() + between.len() + text.len() + close.len() > n_bytes {
                    break;
                }
                body.extend_from_slice(between.as_bytes());
            }
            body.extend_from_slice(text);
            n += 1;
        }
        body.extend_from_slice(close.as_bytes());
        n
    }

    /// Makes the request of the body.
    fn request(&mut self, messages: &[Shared]) -> io::Result<()> {
        let Self { options, request, body, .. } = self;
        let HttpOptions { url, user_agent, is_compressed, batch, .. } = options;
        let compressed = if *is_compressed {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            gzip.write_all(body)?;
            Some(gzip.finish()?)
        } else {
            None
        };
        let sent = compressed.as_deref().unwrap_or(body);
        let is_one = batch.n_alerts == 1;
        let content_type = match batch.form {
            _ if !messages[0].is_json => "text/plain",
            BatchForm::Lines if !is_one => "application/x-ndjson",
            _ => "application/json",
        };
        request.clear();
        let (path, host) = (&url.path, &url.authority);
        write!(request, "POST {path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n")?;
        if !user_agent.0.is_empty() {
            write!(request, "User-Agent: {}\r\n", user_agent.0)?;
        }
        if let Some(authorization) = &url.authorization {
            write!(request, "Authorization: {authorization}\r\n")?;
        }
        if compressed.is_some() {
            write!(request, "Content-Encoding: gzip\r\n")?;
        }
        if let Some(id) = messages[0].id.filter(|_| is_one) {
            write!(request, "X-Peregrine-Alert-Id: {id}\r\n")?;
        }
        let n = sent.len();
        write!(request, "Content-Type: {content_type}\r\nContent-Length: {n}\r\n\r\n")?;
        request.extend_from_slice(sent);
        Ok(())
    }

    /// Posts the request. Where the server has closed a connection that was kept, it is posted once more on a new one.
    fn post(&mut self) -> io::Result<Answer> {
        let begin = Instant::now();
        let deadline = begin + self.options.timeout;
        if let Some(mut kept) = self.connection.take() {
            kept.set_deadline(deadline);
            match self.exchange(kept) {
                Err(NoAnswer { why, is_silent: true }) if why.kind() != ErrorKind::TimedOut => {}
                ended => return ended.map_err(|no| no.why),
            }
        }
        let mut new = self.target.connect(deadline.min(begin + self.options.connect_timeout))?;
        if self.options.is_probed {
            let tcp = new.tcp();
            sockopt::set_socket_keepalive(tcp, true)?;
            sockopt::set_tcp_keepidle(tcp, PROBE_EVERY)?;
            sockopt::set_tcp_keepintvl(tcp, PROBE_EVERY)?;
        }
        new.set_deadline(deadline);
        self.exchange(new).map_err(|no| no.why)
    }

    fn exchange(&mut self, mut connection: Connection) -> Result<Answer, NoAnswer> {
        let written = connection.write_all(&self.request).and_then(|()| connection.flush());
        let answer = match written {
            Err(why) if why.kind() == ErrorKind::TimedOut => {
                return Err(NoAnswer { why, is_silent: true });
            }
            // A server that wants no more of it may have said so.
            Err(why) => Answer::read(&mut connection)
                .map_err(|NoAnswer { is_silent, .. }| NoAnswer { why, is_silent })?,
            Ok(()) => Answer::read(&mut connection)?,
        };
        if answer.is_reusable {
            self.connection = Some(connection);
        }
        Ok(answer)
    }

    fn echo(&mut self, answer: &Answer) {
        let Some(stdout) = &mut self.echo else { return };
        let body = String::from_utf8_lossy(&answer.body);
        let plain = |c: char| if c.is_control() && c != '\n' { '\u{fffd}' } else { c };
        let mut text: String = body.trim_end().chars().map(plain).collect();
        if !text.is_empty() {
            text.push('\n');
            // Nobody's loss: the alert was posted.
            drop(stdout.write_all(text.as_bytes()));
        }
    }

    fn failed(&mut self, n: usize, e: &io::Error) -> Sent {
        let why = format!("{}: {e}", self.options.url);
        if e.kind() != ErrorKind::TimedOut {
            self.n_timeouts = 0;
            return Sent::until_later(0, why);
        }
        self.n_timeouts += 1;
        match self.options.max_timeouts {
            Some(most) if self.n_timeouts > most => {
                let why = format!("{why}, {} times in a row", self.n_timeouts);
                self.n_timeouts = 0;
                Sent { n_delivered: 0, stop: Some(Stop::GaveUp { n, why }) }
            }
            _ => Sent::until_later(0, why),
        }
    }

    /// What the status of an answer means for the messages of the post.
    fn judge(&mut self, n: usize, answer: &Answer) -> Sent {
        let Self { options, longest_wait, n_alone, .. } = self;
        let why = || format!("{}: {}", options.url, answer.said());
        let refused = |why| Sent { n_delivered: 0, stop: Some(Stop::Refused { n, why }) };
        match answer.status {
            200..=299 => Sent { n_delivered: n, stop: None },
            408 | 425 | 429 | 500..=599 => {
                let after = answer.retry_after.map(|wait| wait.min(*longest_wait));
                Sent { n_delivered: 0, stop: Some(Stop::Later { why: why(), after }) }
            }
            // It is about what they say, of one of them maybe, or about their size.
            400 | 413 | 422 if n > 1 => {
                *n_alone = n;
                Sent::default()
            }
            300..=399 => {
                let to = answer.location.as_deref().unwrap_or("nowhere");
                let (status, url) = (answer.status, &options.url);
                refused(format!("{url}: {status}, a redirection to {to}, which is not followed"))
            }
            _ => refused(why()),
        }
    }
}

fn target(options: &HttpOptions) -> Result<Target, TlsError> {
    let HttpOptions { url, tls, .. } = options;
    let tls = url.tls_name.clone().map(|name| Ok((tls.client(&[b"http/1.1"])?, name)));
    Ok(Target { host: url.host.clone(), port: url.port, tls: tls.transpose()? })
}

impl Transport for Http {
    fn send(&mut self, messages: &[Shared]) -> Sent {
        if std::mem::take(&mut self.is_stale) {
            self.connection = None;
            match target(&self.options) {
                Ok(target) => self.target = target,
                // What was read before still holds.
                Err(e) => return Sent::until_later(0, printable(&e.to_string(), 300)),
            }
        }
        let n = self.fill(messages);
        let posted = self.request(&messages[..n]).and_then(|()| self.post());
        let sent = match posted {
            Ok(answer) => {
                self.n_timeouts = 0;
                self.echo(&answer);
                self.judge(n, &answer)
            }
            Err(e) => self.failed(n, &e),
        };
        self.n_alone = self.n_alone.saturating_sub(sent.n_settled());
        sent
    }

    fn gathers(&self) -> Option<(usize, Duration)> {
        let Batch { n_alerts, linger, .. } = self.options.batch;
        (n_alerts > 1 && !linger.is_zero()).then_some((n_alerts, linger))
    }

    fn skip(&mut self) {
        self.n_alone = self.n_alone.saturating_sub(1);
    }

    fn reopen(&mut self) {
        self.is_stale = true;
    }
}

#[cfg(test)]
mod tests;

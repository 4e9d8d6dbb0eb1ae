//! One connection to a server, by hyper, on the thread that posts: what connects, what is asked, and what is kept of an answer.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::ext::ReasonPhrase;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{self, Runtime};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

/// Bytes of a status line with its headers; servers refuse more as well.
const MAX_HEAD: usize = 32 << 10;

/// Bytes of a body that are read. Behind a longer one the connection is not used again.
const MAX_BODY: usize = 64 << 10;

/// TCP asks so often whether the server is still there.
const PROBE_EVERY: Duration = Duration::from_mins(1);

/// How TLS is spoken, and the name that the server's certificate must have.
pub(super) type Secured = (Arc<ClientConfig>, ServerName<'static>);

/// A post, which may be sent again.
pub(super) type Post = Request<Full<Bytes>>;

/// Finds the addresses of a name. It may block for as long as the system's resolver does.
pub(super) type Resolve = fn(&str, u16) -> io::Result<Vec<SocketAddr>>;

/// Where to, and how.
#[derive(Clone)]
pub(super) struct Target {
    /// A name or an address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// None: without TLS.
    pub(super) tls: Option<Secured>,
    /// TCP looks after an idle connection.
    pub(super) is_probed: bool,
    /// A post with its answer takes no longer.
    pub(super) timeout: Duration,
    /// To connect takes no longer: the look-up of the name, TCP, and the handshake of TLS.
    pub(super) connect_timeout: Duration,
}

/// Posts to one server.
pub(super) struct Client {
    pub(super) target: Target,
    pub(super) resolve: Resolve,
    runtime: Option<Runtime>,
    /// Where the last post went, if it may be used again.
    link: Option<Link>,
    /// A look-up that was not waited for to its end. There is one at a time.
    lookup: Option<Lookup>,
}

type Lookup = JoinHandle<io::Result<Vec<SocketAddr>>>;

/// No answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("no answer in time")]
    TimedOut,
    #[error("the connection was closed before the answer")]
    Closed,
    #[error("an answer that is not HTTP/1.1: {0}")]
    NotHttp(hyper::Error),
    #[error("{0}")]
    Io(String),
}

impl From<io::Error> for NoAnswer {
    fn from(e: io::Error) -> Self {
        if e.kind() == ErrorKind::TimedOut { Self::TimedOut } else { Self::Io(e.to_string()) }
    }
}

impl From<hyper::Error> for NoAnswer {
    fn from(e: hyper::Error) -> Self {
        if e.is_parse() {
            Self::NotHttp(e)
        } else if e.is_incomplete_message() || e.is_canceled() || e.is_closed() {
            Self::Closed
        } else {
            // What hyper says is what it was about; below it stands what happened.
            Self::Io(
                std::error::Error::source(&e).map_or_else(|| e.to_string(), ToString::to_string),
            )
        }
    }
}

impl Client {
    pub(super) fn new(target: Target, resolve: Resolve) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .thread_name("out-http-names")
            .max_blocking_threads(1)
            .build()?;
        Ok(Self { target, resolve, runtime: Some(runtime), link: None, lookup: None })
    }

    /// The next post makes a connection of its own.
    pub(super) fn disconnect(&mut self) {
        self.link = None;
    }

    #[cfg(test)]
    pub(super) fn is_connected(&self) -> bool {
        self.link.is_some()
    }

    /// Sends a post. Where the server has closed a connection that was kept, it is sent once more on a new one.
    pub(super) fn post(&mut self, post: &Post) -> Result<Answer, NoAnswer> {
        let Self { target, resolve, runtime, link, lookup } = self;
        let runtime = runtime.as_ref().expect("it is there until this is dropped");
        runtime.block_on(async {
            let by = Instant::now() + target.timeout;
            if let Some(mut kept) = link.take() {
                match kept.exchange(post, by).await {
                    Err(NoAnswer::Closed | NoAnswer::Io(_)) => {}
                    Ok(answer) => {
                        *link = answer.is_reusable.then_some(kept);
                        return Ok(answer);
                    }
                    Err(e) => return Err(e),
                }
            }
            let connect_by = by.min(Instant::now() + target.connect_timeout);
            let connected = timeout_at(connect_by, target.connect(*resolve, lookup, connect_by));
            let mut new = connected.await.map_err(|_| NoAnswer::TimedOut)??;
            let answer = new.exchange(post, by).await?;
            *link = answer.is_reusable.then_some(new);
            Ok(answer)
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // To drop it would wait for a look-up that hangs.
        if let Some(runtime) = self.runtime.take() {
            self.link = None;
            runtime.shutdown_background();
        }
    }
}

impl Target {
    /// Connects to the first address that answers, each with its share of the time that is left.
    async fn connect(
        &self,
        resolve: Resolve,
        lookup: &mut Option<Lookup>,
        by: Instant,
    ) -> Result<Link, NoAnswer> {
        let addresses = self.addresses(resolve, lookup).await?;
        let mut failed = io::Error::new(ErrorKind::NotFound, "the name has no address").into();
        for (n, address) in addresses.iter().enumerate() {
            let share = (by - Instant::now()) / (addresses.len() - n) as u32;
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return self.link(stream).await,
                Ok(Err(e)) => failed = e.into(),
                Err(_) => failed = NoAnswer::TimedOut,
            }
        }
        Err(failed)
    }

    /// The resolver blocks, for as long as it likes: another thread asks it, and what has not ended in time is what the next attempt waits for.
    async fn addresses(
        &self,
        resolve: Resolve,
        lookup: &mut Option<Lookup>,
    ) -> io::Result<Vec<SocketAddr>> {
        let Self { host, port, .. } = self;
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![(address, *port).into()]);
        }
        let begin = || {
            let (host, port) = (host.clone(), *port);
            tokio::task::spawn_blocking(move || resolve(&host, port))
        };
        let addresses = lookup.get_or_insert_with(begin).await;
        *lookup = None;
        addresses.map_err(io::Error::other)?
    }

    async fn link(&self, stream: TcpStream) -> Result<Link, NoAnswer> {
        // What is written is whole: there is nothing to gather.
        stream.set_nodelay(true)?;
        if self.is_probed {
            let probes = TcpKeepalive::new().with_time(PROBE_EVERY).with_interval(PROBE_EVERY);
            SockRef::from(&stream).set_tcp_keepalive(&probes)?;
        }
        let Some((config, name)) = &self.tls else { return Link::new(stream).await };
        let connector = TlsConnector::from(Arc::clone(config));
        Link::new(connector.connect(name.clone(), stream).await?).await
    }
}

/// Finds the addresses of a name as the system does.
pub(super) fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.collect())
}

/// A connection. It moves bytes while an answer is waited for, and closes when it is dropped.
struct Link {
    sender: SendRequest<Full<Bytes>>,
    /// None: it has ended. The sender learns that once this is dropped.
    connection: Option<Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>>,
}

impl Link {
    async fn new(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Self, NoAnswer> {
        let (sender, connection) = Builder::new()
            .max_buf_size(MAX_HEAD)
            .title_case_headers(true)
            .handshake(TokioIo::new(stream))
            .await?;
        Ok(Self { sender, connection: Some(Box::pin(connection)) })
    }

    /// Sends a post and reads its answer. Once the head of one is there the status counts, whatever becomes of the body.
    async fn exchange(&mut self, post: &Post, by: Instant) -> Result<Answer, NoAnswer> {
        let Self { sender, connection } = self;
        let mut exchanged = pin!(async {
            let sent = sender.send_request(post.clone());
            let head = timeout_at(by, sent).await.map_err(|_| NoAnswer::TimedOut)??;
            let (mut answer, body) = Answer::of(head);
            let rest = async {
                let is_whole = answer.take(body).await;
                // The connection says so once it has found nothing behind the answer.
                is_whole && sender.ready().await.is_ok()
            };
            answer.is_reusable = timeout_at(by, rest).await.unwrap_or(false);
            Ok(answer)
        });
        while let Some(moves) = connection {
            tokio::select! {
                biased;
                answer = &mut exchanged => return answer,
                // It may end first, with all that was sent already read.
                _ = moves => *connection = None,
            }
        }
        exchanged.await
    }
}

/// An answer.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Beside the status.
    pub(super) reason: String,
    /// When the server wants to be asked again.
    pub(super) retry_after: Option<Duration>,
    /// Where it sends those who ask.
    pub(super) location: Option<String>,
    /// The body's beginning.
    pub(super) body: Vec<u8>,
    /// Whether the next post may go where this one went.
    is_reusable: bool,
}

impl Answer {
    fn of(answer: http::Response<Incoming>) -> (Self, Incoming) {
        let (head, body) = answer.into_parts();
        let text = |name| text(&head.headers, &name);
        let given = head.extensions.get::<ReasonPhrase>();
        let reason = match given {
            Some(given) => String::from_utf8_lossy(given.as_bytes()),
            None => head.status.canonical_reason().unwrap_or_default().into(),
        };
        let answer = Self {
            status: head.status,
            reason: printable(&reason, 80),
            retry_after: text(RETRY_AFTER).and_then(|t| retry_after(&t, Timestamp::now())),
            location: text(LOCATION).map(|t| printable(&t, 200)),
            ..Self::default()
        };
        (answer, body)
    }

    /// Reads the body, of which the beginning is kept; gives whether its end was found.
    async fn take(&mut self, mut body: Incoming) -> bool {
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            let Ok(data) = frame.into_data() else { continue };
            let n = data.len().min(MAX_BODY - self.body.len());
            self.body.extend_from_slice(&data[..n]);
            if n < data.len() {
                return false;
            }
        }
        true
    }

    /// The status with its reason, and the body's beginning as people may read it.
    pub(super) fn said(&self) -> String {
        let Self { status, reason, body, .. } = self;
        let mut said = format!("{} {reason}", status.as_u16()).trim_end().to_owned();
        let body = printable(&String::from_utf8_lossy(body), 200);
        if !body.is_empty() {
            said.push_str(": ");
            said.push_str(&body);
        }
        said
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|v| String::from_utf8_lossy(v.as_bytes()).trim().to_owned())
}

/// A text on one line, without what would steer a terminal.
pub(super) fn printable(text: &str, n_chars: usize) -> String {
    let words = text.split_whitespace().flat_map(|w| [" ", w]).skip(1);
    let mut plain = words.flat_map(str::chars).map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut out: String = plain.clone().take(n_chars).collect();
    if plain.nth(n_chars).is_some() {
        out.push_str("...");
    }
    out
}

/// Seconds, or a date.
fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = rfc2822::parse(value).ok()?.timestamp();
    Some(Duration::try_from(then.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_on_one_line() {
        let body = b"<html>\r\n  no \x1b[31m\xff".to_vec();
        let status = StatusCode::BAD_REQUEST;
        let answer = Answer { status, reason: "Bad".into(), body, ..Answer::default() };
        assert_eq!(answer.said(), "400 Bad: <html> no \u{fffd}[31m\u{fffd}");
        assert_eq!(printable("abc def", 5), "abc d...");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        assert_eq!(Answer { status, ..Answer::default() }.said(), "500");
    }

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let of = |value| retry_after(value, now).map(|d| d.as_secs());
        assert_eq!(of("120"), Some(120));
        assert_eq!(of("Mon, 23 Nov 2026 12:00:30 GMT"), Some(30));
        assert_eq!(of("Mon, 23 Nov 2026 11:00:30 GMT"), Some(0));
        assert_eq!(of("soon"), None);
        assert_eq!(of("-5"), None);
    }
}

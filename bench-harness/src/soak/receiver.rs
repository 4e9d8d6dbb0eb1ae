//! A receiver of alerts over HTTP that can be down for a while, and the client that scrapes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

/// Longer than anything here may take, so that nothing hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A line, and a body, that are longer than any that the agent sends.
const MAX_BODY: u64 = 16 << 20;

/// What has arrived. Alone a count needs no order beside others.
#[derive(Debug, Default)]
struct Arrived {
    n_alerts: AtomicU64,
    n_again: AtomicU64,
    last: AtomicU64,
}

/// Takes alerts that have an id; threads of it end with the process.
#[derive(Debug)]
pub(super) struct Receiver {
    address: SocketAddr,
    is_down: Arc<AtomicBool>,
    arrived: Arc<Arrived>,
}

impl Receiver {
    /// Listens on a port of loopback.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port on loopback")?;
        let address = listener.local_addr()?;
        let (is_down, arrived) = (Arc::<AtomicBool>::default(), Arc::<Arrived>::default());
        let receiver =
            Self { address, is_down: Arc::clone(&is_down), arrived: Arc::clone(&arrived) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (is_down, arrived) = (Arc::clone(&is_down), Arc::clone(&arrived));
                // A connection that goes wrong ends; the agent makes another.
                thread::spawn(move || drop(take(stream, &is_down, &arrived)));
            }
        });
        Ok(receiver)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Whether posts get an answer that says to come again.
    pub(super) fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Relaxed);
    }

    /// Alerts that came, each once, and how many came again.
    pub(super) fn n_alerts(&self) -> (u64, u64) {
        (self.arrived.n_alerts.load(Relaxed), self.arrived.n_again.load(Relaxed))
    }
}

/// Answers posts of lines of JSON until the client goes.
fn take(stream: TcpStream, is_down: &AtomicBool, arrived: &Arrived) -> Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let Some((_, head)) = read_head(&mut reader)? else { return Ok(()) };
        let body = read_body(&mut reader, &head)?;
        if is_down.load(Relaxed) {
            writer.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")?;
            continue;
        }
        for line in body.lines() {
            let n = id(line).with_context(|| format!("an alert without id: {line}"))?;
            // They come in order, so what is not above the last one was here.
            if n > arrived.last.load(Relaxed) {
                arrived.last.store(n, Relaxed);
                arrived.n_alerts.fetch_add(1, Relaxed);
            } else {
                arrived.n_again.fetch_add(1, Relaxed);
            }
        }
        writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
    }
}

/// The number of an alert's id, which is `RUN-NUMBER`.
fn id(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("\"peregrine.id\":\"")?;
    rest.split_once('"')?.0.split_once('-')?.1.parse().ok()
}

/// The first line and the others; none where the peer has closed.
fn read_head(reader: &mut impl std::io::BufRead) -> Result<Option<(String, Vec<String>)>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.take(MAX_BODY).read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        if line.is_empty() {
            let mut lines = lines.into_iter();
            return Ok(lines.next().map(|first| (first, lines.collect())));
        }
        lines.push(line.to_ascii_lowercase());
    }
}

fn read_body(reader: &mut impl std::io::BufRead, head: &[String]) -> Result<String> {
    let length = head.iter().find_map(|l| l.strip_prefix("content-length:"));
    let length: u64 = length.context("no content-length")?.trim().parse()?;
    ensure!(length <= MAX_BODY, "a body of {length} bytes");
    let mut body = vec![0; length as usize];
    reader.read_exact(&mut body)?;
    Ok(String::from_utf8(body)?)
}

/// Asks for a page; gives the first line of the answer and its body.
///
/// # Errors
/// There is no answer in time.
pub(super) fn get(address: SocketAddr, path: &str) -> Result<(String, String)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut reader = BufReader::new(stream);
    let (first, head) = read_head(&mut reader)?.context("the web server closed")?;
    let body = read_body(&mut reader, &head)?;
    Ok((first, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(address: SocketAddr, body: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    #[test]
    fn alerts_count_once_and_not_while_it_is_down() {
        let receiver = Receiver::start().unwrap();
        let alert = |n: u64| format!("{{\"output_fields\":{{\"peregrine.id\":\"19ac-{n}\"}}}}\n");
        let both = alert(1) + &alert(2);
        receiver.set_down(true);
        assert_eq!(post(receiver.address, &both), "HTTP/1.1 503 Service Unavailable");
        assert_eq!(receiver.n_alerts(), (0, 0));
        receiver.set_down(false);
        assert_eq!(post(receiver.address, &both), "HTTP/1.1 200 OK");
        assert_eq!(post(receiver.address, &(alert(2) + &alert(5))), "HTTP/1.1 200 OK");
        assert_eq!(receiver.n_alerts(), (3, 1));
        // One without an id is none of a durable output.
        assert_eq!(post(receiver.address, "{}\n"), "");
    }

    #[test]
    fn a_page_is_got_with_its_status() {
        let receiver = Receiver::start().unwrap();
        let e = get(receiver.address, "/x").unwrap_err().to_string();
        assert_eq!(e, "the web server closed");
    }
}

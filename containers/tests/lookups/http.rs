//! A runtime that answers HTTP, or does what none should.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a request is answered with.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// This JSON.
    Json(String),
    /// A status, without more.
    Status(u16),
    /// These bytes, which need not be HTTP.
    Raw(Vec<u8>),
    /// Bytes without an end.
    Endless,
    /// Nothing, on an open connection.
    Hang,
}

impl Reply {
    /// How long a runtime that answers so is to be waited for: where the answer ends by itself, time is not to decide.
    pub(crate) fn patience(&self) -> Duration {
        match self {
            Self::Endless | Self::Hang => Duration::from_millis(300),
            Self::Json(_) | Self::Status(_) | Self::Raw(_) => Duration::from_secs(15),
        }
    }
}

/// Answers on a socket until the test ends, one connection after the other; counts requests.
pub(crate) fn serve(
    socket: &Path,
    reply: impl Fn(&str) -> Reply + Send + 'static,
) -> Arc<AtomicU64> {
    std::fs::create_dir_all(socket.parent().expect("a directory")).expect("directories");
    let listener = UnixListener::bind(socket).expect("a socket");
    let n_requests = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&n_requests);
    std::thread::spawn(move || {
        let mut hanging = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            let Some(path) = request(&stream) else { continue };
            // Relaxed: only a count.
            counter.fetch_add(1, Ordering::Relaxed);
            if let Some(kept) = answer(stream, reply(&path)) {
                hanging.push(kept);
            }
        }
    });
    n_requests
}

/// Answers whatever is said in the same way, without waiting for the end of it.
pub(crate) fn serve_any(socket: &Path, reply: Reply) {
    std::fs::create_dir_all(socket.parent().expect("a directory")).expect("directories");
    let listener = UnixListener::bind(socket).expect("a socket");
    std::thread::spawn(move || {
        let streams = listener.incoming().map_while(Result::ok);
        let kept: Vec<_> = streams.map(|stream| answer(stream, reply.clone())).collect();
        drop(kept);
    });
}

fn request(stream: &UnixStream) -> Option<String> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    let path = first.strip_prefix("GET ")?.strip_suffix(" HTTP/1.1")?.to_owned();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    Some(path)
}

/// Writes the answer; gives the connection back where it is to stay open.
fn answer(mut stream: UnixStream, reply: Reply) -> Option<UnixStream> {
    let head = |status: u16, len: usize| {
        format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len}\r\n\r\n"
        )
    };
    let bytes = match reply {
        Reply::Json(json) => format!("{}{json}", head(200, json.len())).into_bytes(),
        Reply::Status(status) => head(status, 0).into_bytes(),
        Reply::Raw(bytes) => bytes,
        Reply::Endless => {
            let mut piece = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
            // Until the other side has had enough.
            while stream.write_all(&piece).is_ok() {
                piece = vec![b'['; 1 << 16];
            }
            return None;
        }
        Reply::Hang => return Some(stream),
    };
    // Whoever asked may be gone.
    drop(stream.write_all(&bytes));
    None
}

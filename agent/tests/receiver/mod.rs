//! A receiver of alerts on loopback that comes and goes: HTTP, or syslog over TCP. It keeps the texts of the alerts in the order of their arrival.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a connection looks whether the receiver has gone.
const LOOK: Duration = Duration::from_millis(20);

/// What it understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Posts of lines.
    Http,
    /// RFC 5424, each message after its length.
    Syslog,
}

pub(crate) struct Receiver {
    pub(crate) at: SocketAddr,
    form: Form,
    noted: Arc<Noted>,
    up: Option<Up>,
}

/// What all connections share.
#[derive(Default)]
struct Noted {
    lines: Mutex<String>,
    /// Some posts are answered with 500, some not at all, some by half an answer.
    is_faulty: AtomicBool,
    n_posts: AtomicU64,
    n_faults: [AtomicU64; 3],
}

struct Up {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Receiver {
    /// Nobody listens there yet.
    pub(crate) fn new(form: Form) -> Self {
        let at = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
        Self { at, form, noted: Arc::default(), up: None }
    }

    pub(crate) fn comes(&mut self) {
        let listener = TcpListener::bind(self.at).expect("the port is still free");
        listener.set_nonblocking(true).expect("a socket");
        let stop = Arc::<AtomicBool>::default();
        let (form, noted, until) = (self.form, Arc::clone(&self.noted), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut connections = Vec::new();
            while !until.load(SeqCst) {
                let Ok((stream, _)) = listener.accept() else {
                    std::thread::sleep(LOOK);
                    continue;
                };
                let (noted, until) = (Arc::clone(&noted), Arc::clone(&until));
                let serve = move || serve(form, stream, &noted, &until);
                connections.push(std::thread::spawn(serve));
            }
            drop(listener);
            for connection in connections {
                connection.join().expect("a connection does not fail");
            }
        });
        self.up = Some(Up { stop, thread });
    }

    /// It reads what has arrived, and closes.
    pub(crate) fn goes(&mut self) {
        let Some(Up { stop, thread }) = self.up.take() else { return };
        stop.store(true, SeqCst);
        thread.join().expect("a receiver does not fail");
    }

    pub(crate) fn set_faulty(&self, is_faulty: bool) {
        self.noted.is_faulty.store(is_faulty, SeqCst);
    }

    /// Posts that were answered with 500, not at all, and by half an answer.
    pub(crate) fn n_faults(&self) -> [u64; 3] {
        self.noted.n_faults.each_ref().map(|n| n.load(SeqCst))
    }

    /// A line for each alert.
    pub(crate) fn text(&self) -> String {
        self.noted.lines.lock().expect("no connection failed").clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(Up { stop, .. }) = &self.up {
            stop.store(true, SeqCst);
        }
    }
}

/// Takes messages until the other end closes, or until nothing more comes and the receiver is to go.
fn serve(form: Form, mut stream: TcpStream, noted: &Noted, until: &AtomicBool) {
    stream.set_nonblocking(false).expect("a socket");
    stream.set_read_timeout(Some(LOOK)).expect("a socket");
    let mut bytes = Vec::new();
    loop {
        let mut some = [0; 8192];
        match stream.read(&mut some) {
            Ok(0) => return,
            Ok(n) => bytes.extend_from_slice(&some[..n]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if until.load(SeqCst) {
                    return;
                }
            }
            // The other end was killed.
            Err(_) => return,
        }
        let taken = match form {
            Form::Syslog => {
                while let Some(line) = take_frame(&mut bytes) {
                    noted.take(&line);
                }
                Some(())
            }
            Form::Http => posts(&mut bytes, &mut stream, noted),
        };
        if taken.is_none() {
            return;
        }
    }
}

/// The text of the first message, without its header, which has the process's number.
fn take_frame(bytes: &mut Vec<u8>) -> Option<String> {
    let space = bytes.iter().position(|&b| b == b' ')?;
    let len: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().expect("a length");
    let frame = bytes.get(space + 1..space + 1 + len)?;
    let frame = String::from_utf8(frame.to_vec()).expect("UTF-8");
    bytes.drain(..space + 1 + len);
    let (_, text) = frame.split_once("\"] ").expect("structured data");
    Some(text.to_owned())
}

/// Answers whole posts; none where the connection is at its end.
fn posts(bytes: &mut Vec<u8>, stream: &mut TcpStream, noted: &Noted) -> Option<()> {
    while let Some(body) = take_post(bytes) {
        let n = noted.n_posts.fetch_add(1, SeqCst);
        let fault = noted.is_faulty.load(SeqCst).then_some(n % 9).filter(|f| f % 3 == 0);
        if let Some(fault) = fault {
            noted.n_faults[fault as usize / 3].fetch_add(1, SeqCst);
        }
        match fault {
            Some(0) => {
                stream.write_all(b"HTTP/1.1 500 Full\r\nContent-Length: 0\r\n\r\n").ok()?;
            }
            // Until the other end has had enough.
            Some(3) => {
                stream.set_read_timeout(None).ok()?;
                drop(stream.read(&mut [0]));
                return None;
            }
            Some(_) => {
                noted.take(&body);
                drop(stream.write_all(b"HTTP/1.1 20"));
                return None;
            }
            None => {
                noted.take(&body);
                stream.write_all(b"HTTP/1.1 204 Taken\r\n\r\n").ok()?;
            }
        }
    }
    Some(())
}

fn take_post(bytes: &mut Vec<u8>) -> Option<String> {
    let head = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&bytes[..head]);
    let len = text.lines().find_map(|l| l.strip_prefix("Content-Length: ")).expect("a length");
    let end = head + 4 + len.parse::<usize>().expect("a number");
    let body = String::from_utf8(bytes.get(head + 4..end)?.to_vec()).expect("UTF-8");
    bytes.drain(..end);
    Some(body)
}

impl Noted {
    fn take(&self, text: &str) {
        let mut lines = self.lines.lock().expect("no connection failed");
        lines.push_str(text.trim_end());
        lines.push('\n');
    }
}

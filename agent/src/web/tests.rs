//! Good clients and bad ones, against a server of fabricated pages.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::*;
use crate::metrics::WebCounts;

/// More than anything takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

struct Server {
    _serving: Serving,
    address: SocketAddr,
    trouble: Arc<Mutex<Option<String>>>,
    n_pages: Arc<AtomicU64>,
}

fn config() -> WebServer {
    WebServer {
        listen: ([127, 0, 0, 1], 0).into(),
        healthz: "/healthz".to_owned(),
        has_metrics: true,
        certificate: None,
    }
}

fn serve() -> Server {
    let listener = WebListener::bind(&config()).unwrap();
    let address = listener.listener.local_addr().unwrap();
    let trouble: Arc<Mutex<Option<String>>> = Arc::default();
    let n_pages: Arc<AtomicU64> = Arc::default();
    let (told, count) = (Arc::clone(&trouble), Arc::clone(&n_pages));
    let sources = Sources {
        look: Box::new(|| {}),
        trouble: Box::new(move || told.lock().unwrap_or_else(PoisonError::into_inner).clone()),
        metrics: Box::new(move |counts: &WebCounts| {
            count.fetch_add(1, Ordering::Relaxed);
            format!("displaced {}\n{}", counts.n_displaced, "x 1\n".repeat(100_000))
        }),
    };
    Server { _serving: listener.serve(sources).unwrap(), address, trouble, n_pages }
}

impl Server {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    /// Everything that comes back on a connection of its own.
    fn raw(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        // It may have been refused before all of it was sent.
        drop(stream.write_all(request));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        String::from_utf8(answer).unwrap()
    }

    fn ask(&self, method: &str, path: &str) -> String {
        self.raw(
            format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes(),
        )
    }

    fn is_well(&self) -> bool {
        self.ask("GET", "/healthz").starts_with("HTTP/1.1 200 ")
    }
}

#[test]
fn each_path_has_its_answer() {
    let server = serve();
    let well = server.ask("GET", "/healthz");
    assert!(well.starts_with("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"), "{well}");
    assert!(well.ends_with("\r\n\r\n{\"status\": \"ok\"}"), "{well}");
    let versions = server.ask("GET", "/versions?x=1");
    let body = versions.split("\r\n\r\n").nth(1).unwrap();
    let object: serde_json::Value = serde_json::from_str(body).unwrap();
    for key in [
        "falco_version",
        "libs_version",
        "plugin_api_version",
        "driver_api_version",
        "driver_schema_version",
        "default_driver_version",
        "engine_version",
        "engine_version_semver",
        "plugin_versions",
    ] {
        assert!(object.get(key).is_some(), "{key}");
    }
    let metrics = server.ask("GET", "/metrics");
    assert!(metrics.contains("content-type: text/plain; version=0.0.4\r\n"));
    assert!(metrics.len() > 400_000);
    let head = server.ask("HEAD", "/metrics");
    assert!(head.contains("content-length: 4000") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(server.ask("GET", "/").starts_with("HTTP/1.1 404 "));
    let post = server.ask("POST", "/healthz");
    assert!(post.starts_with("HTTP/1.1 405 ") && post.contains("allow: GET, HEAD\r\n"), "{post}");
}

#[test]
fn what_stalls_is_told_with_its_reason() {
    let server = serve();
    *server.trouble.lock().unwrap() = Some("cap-0 has not moved for 12 s".to_owned());
    let sick = server.ask("GET", "/healthz");
    assert!(sick.starts_with("HTTP/1.1 503 "), "{sick}");
    assert!(
        sick.ends_with(r#"{"reason":"cap-0 has not moved for 12 s","status":"stalled"}"#),
        "{sick}"
    );
}

#[test]
fn who_asks_at_once_shares_a_page() {
    let server = serve();
    let begin = Instant::now();
    for _ in 0..50 {
        assert!(server.ask("GET", "/metrics").starts_with("HTTP/1.1 200 "));
    }
    let n_pages = server.n_pages.load(Ordering::Relaxed);
    assert!(n_pages <= 1 + begin.elapsed().as_secs(), "{n_pages}");
}

#[test]
fn broken_requests_end_with_their_client() {
    let server = serve();
    let long =
        [b"GET /healthz HTTP/1.1\r\nX: ".as_slice(), &vec![b'a'; 1 << 20], b"\r\n\r\n"].concat();
    let many = format!("GET /healthz HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(10_000));
    let path = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000));
    for (request, codes) in [
        (&b"\x16\x03\x01\x02\x00garbage\r\n\r\n"[..], &["400"][..]),
        (b"get it\r\n\r\n", &["400"]),
        (&long, &["431", ""]),
        (many.as_bytes(), &["431", ""]),
        (path.as_bytes(), &["414", "431", ""]),
        (b"GET /healthz HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", &["400"]),
    ] {
        let answer = server.raw(request);
        // The answer to who goes on sending may be lost with the connection.
        let code = answer.split(' ').nth(1).unwrap_or_default();
        assert!(codes.contains(&code), "{answer:?}");
        assert!(server.is_well());
    }
}

#[test]
fn who_closes_its_half_is_answered() {
    let server = serve();
    let mut stream = server.connect();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn a_connection_may_ask_again() {
    let server = serve();
    let mut stream = server.connect();
    for _ in 0..3 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"{\"status\": \"ok\"}") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
    }
}

#[test]
fn two_hundred_that_only_hold_on_keep_nobody_out() {
    let server = serve();
    let mut held: Vec<_> = (0..200).map(|_| server.connect()).collect();
    for stream in &mut held {
        drop(stream.write_all(b"GET /healthz HTTP/1.1\r\nX-Slow: "));
    }
    assert!(server.is_well());
    let metrics = server.ask("GET", "/metrics");
    let displaced = metrics.split("displaced ").nth(1).and_then(|t| t.lines().next()).unwrap();
    assert!(displaced.parse::<usize>().unwrap() >= 200 - server::MAX_CONNECTIONS, "{displaced}");
}

#[test]
fn who_sends_slowly_or_takes_nothing_is_let_go() {
    let server = serve();
    let mut slow = server.connect();
    slow.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
    let mut lazy = server.connect();
    // More than the sockets of both ends hold.
    for _ in 0..100 {
        lazy.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    }
    let begin = Instant::now();
    let end_of_slow = loop {
        std::thread::sleep(Duration::from_millis(200));
        // Bytes go on coming, never a whole request.
        if slow.write_all(b"a").is_err() || begin.elapsed() > DEADLINE {
            break begin.elapsed();
        }
    };
    assert!(end_of_slow < DEADLINE, "a slow client holds on");
    assert!(end_of_slow > server::READ_WITHIN / 2, "{end_of_slow:?}");
    // It reads what there is, and then the end.
    let mut taken = Vec::new();
    drop(lazy.read_to_end(&mut taken));
    assert!(taken.len() < 100 * 400_000 && begin.elapsed() < DEADLINE * 2, "{}", taken.len());
    assert!(server.is_well());
}

#[test]
fn the_end_does_not_wait_for_clients() {
    let server = serve();
    let held = server.connect();
    let begin = Instant::now();
    drop(server);
    assert!(begin.elapsed() < DEADLINE / 3);
    drop(held);
}

#[test]
fn a_place_that_is_taken_and_a_bad_file_say_what_to_do() {
    let error = |config: &WebServer| WebListener::bind(config).map(drop).unwrap_err().to_string();
    let server = serve();
    let taken = error(&WebServer { listen: server.address, ..config() });
    assert!(taken.starts_with("webserver: cannot listen on 127.0.0.1:"), "{taken}");
    assert!(taken.contains("webserver.listen_port"), "{taken}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pem");
    let with_file = || error(&WebServer { certificate: Some(path.clone()), ..config() });
    assert!(with_file().starts_with("webserver.ssl_certificate: "));
    std::fs::write(&path, "nothing").unwrap();
    assert!(with_file().contains("there is no certificate in it"), "{}", with_file());
    std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .unwrap();
    assert!(with_file().contains("there is no key in it"), "{}", with_file());
}

//! A receiver of each kind, in this process.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::sink::tls::{Identity, Trust};
use crate::testing::message;

fn trusting(trust: Trust) -> Tls {
    Tls { trust, identity: None }
}

fn settings(address: &str) -> SyslogSettings {
    SyslogSettings {
        address: address.parse().unwrap(),
        facility: Facility::User,
        app_name: "peregrine".to_owned(),
        hostname: "node-1".to_owned(),
        max_bytes: 1024,
        timeout: Duration::from_secs(2),
        tls: trusting(Trust::Anyone),
    }
}

fn syslog(address: &str) -> Syslog {
    Syslog::new(settings(address)).unwrap()
}

/// Watches new connections until the peer has had its time, however busy the machine is.
fn patient(to: &mut Syslog) {
    to.connector.probation = Duration::from_secs(10);
}

fn messages<const N: usize>(texts: [&str; N]) -> Vec<Shared> {
    texts.map(message).to_vec()
}

/// What follows the header, of each message with its length before it.
fn texts(mut bytes: &[u8]) -> Vec<String> {
    let mut texts = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|&b| b == b' ').expect("a length");
        let len: usize = std::str::from_utf8(&bytes[..space]).unwrap().parse().unwrap();
        let frame = std::str::from_utf8(&bytes[space + 1..space + 1 + len]).unwrap();
        texts.push(frame.split_once("] ").unwrap().1.to_owned());
        bytes = &bytes[space + 1 + len..];
    }
    texts
}

#[track_caller]
fn is_later(sent: &Sent, n_delivered: usize, why: &str) {
    let Some(Stop::Later { why: said, .. }) = &sent.stop else { panic!("{sent:?}") };
    assert!(sent.n_delivered == n_delivered && said.contains(why), "{sent:?}");
}

#[test]
fn datagrams_go_to_a_local_socket_once_it_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut to = syslog(&format!("unix://{}", path.display()));
    is_later(&to.send(&messages(["one"])), 0, "log: cannot connect: No such file");
    let socket = UnixDatagram::bind(&path).unwrap();
    assert_eq!(to.send(&messages(["one", "two"])).n_delivered, 2);
    let mut buf = [0; 2048];
    for text in ["one", "two"] {
        let n = socket.recv(&mut buf).unwrap();
        let got = std::str::from_utf8(&buf[..n]).unwrap();
        assert!(got.starts_with("<12>Nov 2") && got.ends_with(&format!("]: {text}")), "{got}");
    }
    // The receiver goes, and comes again.
    drop(socket);
    std::fs::remove_file(&path).unwrap();
    is_later(&to.send(&messages(["three"])), 0, "cannot send: Connection refused");
    let socket = UnixDatagram::bind(&path).unwrap();
    assert_eq!(to.send(&messages(["three"])).n_delivered, 1);
    assert!(socket.recv(&mut buf).unwrap() > 0);
}

#[test]
fn a_full_local_socket_is_not_waited_for_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let _socket = UnixDatagram::bind(&path).unwrap();
    let timeout = Duration::from_millis(50);
    let of = settings(&format!("unix://{}", path.display()));
    let mut to = Syslog::new(SyslogSettings { timeout, ..of }).unwrap();
    let many = vec![message("x"); 4096];
    let sent = to.send(&many);
    assert!(sent.n_delivered > 0);
    is_later(&sent, sent.n_delivered, "the receiver takes too long");
}

#[test]
fn a_local_stream_gets_zero_bytes_between_messages() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let listener = UnixListener::bind(&path).unwrap();
    let mut to = syslog(&format!("unix://{}", path.display()));
    assert_eq!(to.send(&messages(["one", "two"])).n_delivered, 2);
    to.close();
    let mut got = String::new();
    listener.accept().unwrap().0.read_to_string(&mut got).unwrap();
    let ends: Vec<_> = got.split_terminator('\0').map(|m| m.split_once("]: ").unwrap().1).collect();
    assert_eq!(ends, ["one", "two"]);
}

#[test]
fn nobody_at_a_port_of_udp_is_seen_with_the_next_message() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut to = syslog(&format!("udp://{address}"));
    assert_eq!(to.send(&messages(["naïve"])).n_delivered, 1);
    let mut buf = [0; 2048];
    let n = socket.recv(&mut buf).unwrap();
    let got = std::str::from_utf8(&buf[..n]).unwrap();
    assert!(got.starts_with("<12>1 2026-11-22T14:27:51.000000Z node-1 peregrine "), "{got}");
    assert!(got.ends_with("[peregrine@32473 rule=\"a rule\" priority=\"Warning\"] \u{feff}naïve"));
    drop(socket);
    let deadline = Instant::now() + Duration::from_secs(5);
    let refused = loop {
        let sent = to.send(&messages(["gone"]));
        if sent.stop.is_some() {
            break sent;
        }
        assert!(Instant::now() < deadline);
    };
    is_later(&refused, 0, "cannot send: Connection refused");
    let socket = UdpSocket::bind(address).unwrap();
    assert_eq!(to.send(&messages(["again"])).n_delivered, 1);
    assert!(socket.recv(&mut buf).unwrap() > 0);
}

/// Takes a connection and reads it to its end.
fn reads_one(listener: TcpListener) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut got = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut got).unwrap();
        got
    })
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[test]
fn a_connection_gets_counted_messages() {
    let (listener, address) = listen();
    let mut to = syslog(&format!("tcp://{address}"));
    let reader = reads_one(listener);
    let long = "ö".repeat(4000);
    let all: Vec<Shared> =
        (0..300).map(|n| message(&if n % 7 == 3 { long.clone() } else { n.to_string() })).collect();
    let mut registry = Registry::new();
    to.register(&mut registry);
    assert_eq!(to.send(&all).n_delivered, 300);
    to.close();
    let texts = texts(&reader.join().unwrap());
    assert_eq!(texts.len(), 300);
    for (n, text) in texts.iter().enumerate() {
        if n % 7 == 3 {
            assert!(text.starts_with("\u{feff}öö") && text.ends_with("ö...[cut]"), "{text}");
        } else {
            assert_eq!(*text, n.to_string());
        }
    }
    let counts = registry.snapshot(perf::Moment::Final);
    assert_eq!(counts.get("outputs.syslog.truncated"), Some(43));
}

#[test]
fn a_connection_that_the_receiver_closed_is_made_anew() {
    let (listener, address) = listen();
    let mut to = syslog(&format!("tcp://{address}"));
    assert_eq!(to.send(&messages(["one"])).n_delivered, 1);
    let mut first = listener.accept().unwrap().0;
    let mut buf = [0; 2048];
    let n = first.read(&mut buf).unwrap();
    assert_eq!(texts(&buf[..n]), ["one"]);
    // What it says is no reason to stop.
    first.write_all(b"hello").unwrap();
    assert_eq!(to.send(&messages(["two"])).n_delivered, 1);
    drop(first);
    let deadline = Instant::now() + Duration::from_secs(5);
    while to.send(&messages(["three"])).n_delivered > 0 {
        // Until the end has arrived here.
        assert!(Instant::now() < deadline);
    }
    let reader = reads_one(listener);
    assert_eq!(to.send(&messages(["four"])).n_delivered, 1);
    to.close();
    assert_eq!(texts(&reader.join().unwrap()), ["four"]);
}

#[test]
fn who_takes_connections_only_to_close_them_gets_nothing_counted() {
    let (listener, address) = listen();
    let mut to = syslog(&format!("tcp://{address}"));
    patient(&mut to);
    let refuses = std::thread::spawn(move || {
        for _ in 0..3 {
            drop(listener.accept().unwrap());
        }
    });
    for _ in 0..3 {
        is_later(&to.send(&messages(["one", "two"])), 0, "cannot send: ");
    }
    refuses.join().unwrap();
    is_later(&to.send(&messages(["one"])), 0, "cannot connect: Connection refused");
}

#[test]
fn a_receiver_that_does_not_read_is_left_after_the_timeout() {
    let (listener, address) = listen();
    let timeout = Duration::from_millis(300);
    let of = settings(&format!("tcp://{address}"));
    let mut to = Syslog::new(SyslogSettings { max_bytes: 65_000, timeout, ..of }).unwrap();
    let long = message(&"x".repeat(64_000));
    let begin = Instant::now();
    let sent = to.send(&vec![long; 512]);
    assert!(sent.n_delivered < 512 && begin.elapsed() < Duration::from_secs(10), "{sent:?}");
    is_later(&sent, sent.n_delivered, "the receiver takes too long");
    drop(listener);
}

/// What `openssl req` makes.
const OPENSSL: &str = "[req]\ndistinguished_name = dn\nx509_extensions = ext\nprompt = no\n[dn]\nCN = test\n\
                       [ext]\nbasicConstraints = CA:FALSE\nsubjectAltName = IP:127.0.0.1\n";

/// A certificate for this machine, its key, and both in files.
struct Certificate {
    server: Arc<ServerConfig>,
    dir: tempfile::TempDir,
}

impl Certificate {
    /// Asks for a certificate of the client's, signed by nobody in particular, where it is to be `choosy`.
    fn new(choosy: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config"), OPENSSL).unwrap();
        let made = std::process::Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-nodes", "-days", "2", "-config", "config", "-keyout", "key", "-out", "cert"])
            .current_dir(&dir)
            .output()
            .expect("openssl is there");
        assert!(made.status.success(), "{made:?}");
        let key = PrivateKeyDer::from_pem_file(dir.path().join("key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let cert = CertificateDer::from_pem_file(dir.path().join("cert")).unwrap();
        let config = if choosy {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(cert.clone()).unwrap();
            let roots = Arc::new(roots);
            let verifier =
                rustls::server::WebPkiClientVerifier::builder_with_provider(roots, provider);
            config.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            config.with_no_client_auth()
        };
        let server = Arc::new(config.with_single_cert(vec![cert], key).unwrap());
        Self { server, dir }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn accept(&self, listener: &TcpListener) -> StreamOwned<ServerConnection, TcpStream> {
        let stream = listener.accept().unwrap().0;
        StreamOwned::new(ServerConnection::new(Arc::clone(&self.server)).unwrap(), stream)
    }
}

fn to_tls(address: &str, tls: Tls) -> Syslog {
    Syslog::new(SyslogSettings { tls, ..settings(&format!("tls://{address}")) }).unwrap()
}

#[test]
fn a_connection_with_tls_gets_counted_messages() {
    let certificate = Certificate::new(false);
    let (listener, address) = listen();
    let mut to = to_tls(&address, trusting(Trust::File(certificate.path("cert"))));
    let reader = std::thread::spawn(move || {
        let mut got = Vec::new();
        // To the notice of the end, without which this is an error.
        certificate.accept(&listener).read_to_end(&mut got).unwrap();
        let mut second = certificate.accept(&listener);
        let mut buf = [0; 2048];
        let n = second.read(&mut buf).unwrap();
        got.extend_from_slice(&buf[..n]);
        // Gone without a word.
        drop(second);
        certificate.accept(&listener).read_to_end(&mut got).unwrap();
        got
    });
    assert_eq!(to.send(&messages(["one", "two"])).n_delivered, 2);
    to.reopen();
    patient(&mut to);
    // It was read, but that is not known.
    is_later(&to.send(&messages(["three"])), 0, "cannot send: ");
    to.connector.probation = Duration::ZERO;
    assert_eq!(to.send(&messages(["three"])).n_delivered, 1);
    assert_eq!(to.send(&messages(["four"])).n_delivered, 1);
    to.close();
    assert_eq!(texts(&reader.join().unwrap()), ["one", "two", "three", "three", "four"]);
}

#[test]
fn a_server_that_is_not_trusted_gets_nothing() {
    let (certificate, other) = (Certificate::new(false), Certificate::new(false));
    let (listener, address) = listen();
    let mut to = to_tls(&address, trusting(Trust::File(other.path("cert"))));
    let server = std::thread::spawn(move || certificate.accept(&listener).read(&mut [0; 10]));
    is_later(&to.send(&messages(["one"])), 0, "invalid peer certificate");
    assert!(server.join().unwrap().is_err());
}

#[test]
fn a_client_that_is_not_trusted_is_told_so_before_an_alert_counts() {
    let certificate = Certificate::new(true);
    let (listener, address) = listen();
    let trust = || Trust::File(certificate.path("cert"));
    let mut unknown = to_tls(&address, trusting(trust()));
    patient(&mut unknown);
    let identity = Identity { cert: certificate.path("cert"), key: certificate.path("key") };
    let mut known = to_tls(&address, Tls { trust: trust(), identity: Some(identity) });
    let server = std::thread::spawn(move || {
        let mut got = Vec::new();
        assert!(certificate.accept(&listener).read(&mut [0; 10]).is_err());
        certificate.accept(&listener).read_to_end(&mut got).unwrap();
        got
    });
    is_later(&unknown.send(&messages(["one"])), 0, "CertificateRequired");
    assert_eq!(known.send(&messages(["one"])).n_delivered, 1);
    known.close();
    assert_eq!(texts(&server.join().unwrap()), ["one"]);
}

#[test]
fn a_server_without_a_word_is_left_after_the_timeout() {
    let (listener, address) = listen();
    let timeout = Duration::from_millis(100);
    let of = settings(&format!("tls://{address}"));
    let mut to = Syslog::new(SyslogSettings { timeout, ..of }).unwrap();
    is_later(&to.send(&messages(["one"])), 0, "the receiver takes too long");
    drop(listener);
}

#[test]
fn files_of_tls_are_read_at_the_start() {
    let tls = trusting(Trust::File(Path::new("/no/such").to_owned()));
    let made = Syslog::new(SyslogSettings { tls, ..settings("tls://a:1") });
    let e = made.err().expect("it is not there").to_string();
    assert!(e.starts_with("/no/such: No such file"), "{e}");
}

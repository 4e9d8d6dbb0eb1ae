//! Posts to a small server of our own, which answers by a script.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use flate2::read::GzDecoder;

use super::*;
use crate::message::{AlertId, Message};
use crate::sink::Trust;
use crate::testing::message;

/// What the server does with a request.
#[derive(Clone, Copy)]
enum Act {
    /// Answers, and goes on.
    Say(&'static str),
    /// Answers, and closes.
    Cut(&'static str),
    /// Answers, and closes before the next request is there.
    CutIdle(&'static str),
    /// Waits for the client to go.
    Hang,
    /// Sends a byte now and then.
    Drip,
    /// Closes without reading.
    Shut,
    /// Answers after the head of the request, and reads no more.
    Early(&'static str),
}

const FINE: Act = Act::Say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");

#[derive(Clone, Debug, Default)]
struct Request {
    head: String,
    body: Vec<u8>,
}

impl Request {
    fn has(&self, line: &str) -> bool {
        self.head.lines().any(|l| l == line)
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

struct Server {
    at: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    n_connections: Arc<AtomicUsize>,
}

impl Server {
    /// Acts by the script, request after request, then takes everything.
    fn new(script: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let (seen, n_connections) =
            (Arc::<Mutex<Vec<Request>>>::default(), Arc::<AtomicUsize>::default());
        let script: Vec<Act> = script.into_iter().collect();
        let (to, count) = (Arc::clone(&seen), Arc::clone(&n_connections));
        // It ends with the tests.
        thread::spawn(move || {
            let mut acts = script.into_iter();
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::Relaxed);
                serve(&stream.unwrap(), &mut acts, &to);
            }
        });
        Self { at, seen, n_connections }
    }

    fn http(&self, change: impl FnOnce(&mut HttpOptions)) -> Http {
        let mut options = HttpOptions {
            url: format!("http://{}/alerts?x=1", self.at).parse().unwrap(),
            user_agent: "tester/1".parse().unwrap(),
            tls: Tls { trust: Trust::Anyone, identity: None },
            is_compressed: false,
            is_probed: false,
            is_echoed: false,
            timeout: Duration::from_millis(300),
            connect_timeout: Duration::from_millis(200),
            batch: Batch {
                n_alerts: 1,
                n_bytes: 1 << 20,
                linger: Duration::ZERO,
                form: BatchForm::Lines,
            },
            max_timeouts: None,
        };
        change(&mut options);
        Http::new(options, Duration::from_secs(10)).unwrap()
    }

    fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    fn n_connections(&self) -> usize {
        self.n_connections.load(Ordering::Relaxed)
    }
}

fn serve(stream: &TcpStream, acts: &mut impl Iterator<Item = Act>, seen: &Mutex<Vec<Request>>) {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    loop {
        let act = acts.next().unwrap_or(FINE);
        match act {
            Act::Shut => return,
            Act::Early(text) => {
                drop(reader.fill_buf());
                writer.write_all(text.as_bytes()).unwrap();
                thread::sleep(Duration::from_millis(50));
                return;
            }
            _ => {}
        }
        let Some(request) = read_request(&mut reader) else { return };
        seen.lock().unwrap().push(request);
        match act {
            Act::Say(text) => writer.write_all(text.as_bytes()).unwrap(),
            Act::Cut(text) => {
                writer.write_all(text.as_bytes()).unwrap();
                return;
            }
            Act::CutIdle(text) => {
                writer.write_all(text.as_bytes()).unwrap();
                thread::sleep(Duration::from_millis(50));
                stream.shutdown(Shutdown::Both).unwrap();
                return;
            }
            Act::Hang => {
                drop(reader.read(&mut [0]));
                return;
            }
            Act::Drip => {
                for byte in b"HTTP/1.1 200 OK and so on and on, without an end of it" {
                    if writer.write_all(&[*byte]).is_err() {
                        return;
                    }
                    thread::sleep(Duration::from_millis(20));
                }
            }
            Act::Shut | Act::Early(_) => return,
        }
    }
}

fn read_request(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let (mut head, mut n) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        if let Some(len) = line.strip_prefix("Content-Length: ") {
            n = len.trim().parse().unwrap();
        }
        head.push_str(&line.replace('\r', ""));
    }
    let mut body = vec![0; n];
    reader.read_exact(&mut body).ok()?;
    Some(Request { head, body })
}

fn messages(n: usize) -> Vec<Shared> {
    (0..n).map(|n| message(&format!("alert {n}"))).collect()
}

fn json(n: usize) -> Vec<Shared> {
    let line = |n| format!("{{\"n\":{n}}}\n").into();
    let of = |n| Message { is_json: true, line: line(n), ..Arc::into_inner(message("")).unwrap() };
    (0..n).map(|n| Arc::new(of(n))).collect()
}

fn delivered(sent: &Sent) -> usize {
    assert!(sent.stop.is_none(), "{sent:?}");
    sent.n_delivered
}

fn later(sent: Sent) -> (String, Option<Duration>) {
    match sent {
        Sent { n_delivered: 0, stop: Some(Stop::Later { why, after }) } => (why, after),
        sent => panic!("{sent:?}"),
    }
}

fn refused(sent: Sent) -> (usize, String) {
    match sent {
        Sent { n_delivered: 0, stop: Some(Stop::Refused { n, why }) } => (n, why),
        sent => panic!("{sent:?}"),
    }
}

#[test]
fn an_alert_is_posted_as_falco_posts_it() {
    let server = Server::new([]);
    let mut http = server.http(|_| {});
    assert_eq!(delivered(&http.send(&messages(3))), 1, "one at a time");
    let with_id = Message {
        id: Some(AlertId { epoch: 26, sequence: 7 }),
        ..Arc::into_inner(json(1).remove(0)).unwrap()
    };
    assert_eq!(delivered(&http.send(&[Arc::new(with_id)])), 1);
    let [text, object] = &server.seen()[..] else { panic!("{:?}", server.seen()) };
    for line in [
        "POST /alerts?x=1 HTTP/1.1",
        &format!("Host: {}", server.at),
        "User-Agent: tester/1",
        "Content-Type: text/plain",
    ] {
        assert!(text.has(line), "{line}: {}", text.head);
    }
    assert_eq!(text.text(), "alert 0");
    assert!(object.has("Content-Type: application/json"), "{}", object.head);
    assert!(object.has("X-Peregrine-Alert-Id: 1a-7"), "{}", object.head);
    assert!(!text.head.contains("X-Peregrine") && !text.head.contains("Authorization"));
    assert_eq!(object.text(), "{\"n\":0}");
    assert_eq!(server.n_connections(), 1, "the connection is kept");
}

#[test]
fn a_name_and_password_of_the_address_go_into_a_header() {
    let server = Server::new([]);
    let url = format!("http://me:pass@{}/", server.at);
    let mut http = server.http(|o| {
        o.url = url.parse().unwrap();
        o.user_agent = "".parse().unwrap();
        o.is_probed = true;
    });
    assert_eq!(delivered(&http.send(&messages(1))), 1);
    let seen = server.seen();
    assert!(seen[0].has("Authorization: Basic bWU6cGFzcw=="), "{}", seen[0].head);
    assert!(!seen[0].head.contains("User-Agent"));
}

#[test]
fn several_go_in_one_post() {
    let of = |form, messages: &[Shared], n_bytes| {
        let server = Server::new([]);
        let linger = Duration::ZERO;
        let mut http = server.http(|o| o.batch = Batch { n_alerts: 3, n_bytes, linger, form });
        let mut left = messages;
        while !left.is_empty() {
            left = &left[delivered(&http.send(left))..];
        }
        let seen = server.seen();
        let head = seen[0].head.lines().find_map(|l| l.strip_prefix("Content-Type: "));
        let bodies: Vec<_> = seen.iter().map(Request::text).collect();
        format!("{} {}", head.unwrap(), bodies.join(" + "))
    };
    let (lines, array) = (BatchForm::Lines, BatchForm::Array);
    let ndjson = "application/x-ndjson {\"n\":0}\n{\"n\":1}\n{\"n\":2}\n + {\"n\":3}\n";
    assert_eq!(of(lines, &json(4), 1000), ndjson);
    let objects = "application/json [{\"n\":0},{\"n\":1},{\"n\":2}] + [{\"n\":3}]";
    assert_eq!(of(array, &json(4), 1000), objects);
    assert_eq!(of(array, &json(2), 17), "application/json [{\"n\":0},{\"n\":1}]");
    assert_eq!(of(array, &json(2), 16), "application/json [{\"n\":0}] + [{\"n\":1}]");
    assert_eq!(of(array, &messages(2), 1000), "text/plain alert 0\nalert 1\n");
    assert_eq!(of(lines, &messages(2), 1), "text/plain alert 0\n + alert 1\n");
}

#[test]
fn bodies_are_compressed_where_that_is_wanted() {
    let server = Server::new([]);
    let mut http = server.http(|o| {
        o.is_compressed = true;
        o.batch.n_alerts = 100;
    });
    assert_eq!(delivered(&http.send(&messages(100))), 100);
    let seen = server.seen();
    assert!(seen[0].has("Content-Encoding: gzip"), "{}", seen[0].head);
    let mut text = String::new();
    GzDecoder::new(&*seen[0].body).read_to_string(&mut text).unwrap();
    let whole: String = messages(100).iter().map(|m| &*m.line).collect();
    assert!(text == whole && seen[0].body.len() < whole.len() / 2);
}

#[test]
fn a_server_in_trouble_is_asked_again() {
    let server = Server::new([
        Act::Say("HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\nwhy\x1b"),
        Act::Say("HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"),
        Act::Say("HTTP/1.1 503 Gone\r\nRetry-After: 100000\r\nContent-Length: 0\r\n\r\n"),
        Act::Say("HTTP/1.1 408 Late\r\nContent-Length: 0\r\n\r\n"),
    ]);
    let mut http = server.http(|_| {});
    let url = http.options.url.to_string();
    let mut again = || later(http.send(&messages(1)));
    assert_eq!(again(), (format!("{url}: 500 Oh: why\u{fffd}"), None));
    assert_eq!(again().1, Some(Duration::from_secs(7)));
    assert_eq!(again().1, Some(Duration::from_secs(10)), "no longer than the longest wait");
    assert_eq!(again().0, format!("{url}: 408 Late"));
    assert_eq!(delivered(&http.send(&messages(1))), 1);
    assert_eq!((server.seen().len(), server.n_connections()), (5, 1));
}

#[test]
fn what_a_server_refuses_is_not_posted_again() {
    let server = Server::new([
        Act::Say("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"),
        Act::Cut("HTTP/1.1 302 Found\r\nLocation: http://x/y\r\n\r\n"),
    ]);
    let mut http = server.http(|_| {});
    let url = http.options.url.to_string();
    assert_eq!(refused(http.send(&messages(1))), (1, format!("{url}: 404 Not Found: no")));
    let moved = format!("{url}: 302, a redirection to http://x/y, which is not followed");
    assert_eq!(refused(http.send(&messages(1))), (1, moved));
}

#[test]
fn of_a_batch_that_is_refused_each_is_posted_alone() {
    const BAD: Act = Act::Say("HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n");
    let server = Server::new([BAD, FINE, BAD]);
    let mut http = server.http(|o| o.batch.n_alerts = 3);
    let all = messages(5);
    assert_eq!(delivered(&http.send(&all)), 0);
    assert_eq!(delivered(&http.send(&all)), 1);
    assert_eq!(refused(http.send(&all[1..])).0, 1);
    assert_eq!(delivered(&http.send(&all[2..])), 1);
    assert_eq!(delivered(&http.send(&all[3..])), 2);
    let seen = server.seen();
    let bodies: Vec<_> = seen.iter().map(|r| r.text().replace("alert ", "")).collect();
    assert_eq!(bodies, ["0\n1\n2\n", "0\n", "1\n", "2\n", "3\n4\n"]);
}

#[test]
fn a_server_that_hangs_is_left_in_time() {
    for act in [Act::Hang, Act::Drip] {
        let server = Server::new([act]);
        let mut http = server.http(|_| {});
        let begin = Instant::now();
        let (why, _) = later(http.send(&messages(1)));
        let taken = begin.elapsed();
        assert!(why.ends_with("/alerts?x=1: no answer in time"), "{why}");
        assert!((300..1500).contains(&taken.as_millis()), "{taken:?}");
        assert_eq!(delivered(&http.send(&messages(1))), 1);
        assert_eq!(server.n_connections(), 2);
    }
}

#[test]
fn after_so_many_timeouts_an_alert_is_given_up_where_that_is_wanted() {
    let server = Server::new([Act::Hang, Act::Shut, Act::Hang, Act::Hang]);
    let mut http = server.http(|o| {
        o.max_timeouts = Some(1);
        o.timeout = Duration::from_millis(30);
    });
    later(http.send(&messages(1)));
    later(http.send(&messages(1)));
    later(http.send(&messages(1)));
    let Some(Stop::GaveUp { n: 1, why }) = http.send(&messages(1)).stop else {
        panic!("two timeouts in a row")
    };
    assert!(why.ends_with(": no answer in time, 2 times in a row"), "{why}");
    assert_eq!(delivered(&http.send(&messages(1))), 1);
}

#[test]
fn a_connection_that_was_closed_meanwhile_is_no_failure() {
    let server = Server::new([Act::CutIdle("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")]);
    let mut http = server.http(|_| {});
    assert_eq!(delivered(&http.send(&messages(1))), 1);
    assert!(http.client.is_connected());
    thread::sleep(Duration::from_millis(100));
    assert_eq!(delivered(&http.send(&messages(1))), 1);
    assert_eq!((server.n_connections(), server.seen().len()), (2, 2));
}

#[test]
fn an_answer_that_is_cut_counts_by_its_status() {
    let server = Server::new([
        Act::Cut("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut"),
        Act::Cut("HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\ncut"),
        Act::Cut("HTTP/1.1 200 OK\r\nContent-Len"),
        Act::Cut("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"),
        Act::Say("nonsense\r\n\r\n"),
    ]);
    let mut http = server.http(|_| {});
    let mut send = || http.send(&messages(1));
    assert_eq!(delivered(&send()), 1);
    assert!(later(send()).0.ends_with("500 No: cut"));
    assert!(later(send()).0.ends_with("the connection was closed before the answer"));
    assert_eq!(delivered(&send()), 1);
    assert!(later(send()).0.contains("an answer that is not HTTP/1.1"));
    assert_eq!(delivered(&send()), 1);
    assert_eq!(server.n_connections(), 6, "none of them is used again");
}

#[test]
fn nobody_there_is_trouble_for_later() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server { at: free, seen: Arc::default(), n_connections: Arc::default() };
    let mut http = server.http(|_| {});
    assert!(later(http.send(&messages(1))).0.contains("Connection refused"));
}

#[test]
fn bodies_of_answers_are_printed_where_that_is_wanted() {
    let server = Server::new([
        Act::Say("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"ok\":\x1b[1m}"),
        FINE,
    ]);
    let mut http = server.http(|_| {});
    let file = tempfile::NamedTempFile::new().unwrap();
    http.echo = Some(file.reopen().unwrap());
    for _ in 0..2 {
        assert_eq!(delivered(&http.send(&messages(1))), 1);
    }
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "{\"ok\":\u{fffd}[1m}\n");
}

/// What a post gets from a server that then closes, or stays: the status, the body's beginning, and `+` where the connection is kept; or why
/// there is no answer.
fn answer(act: fn(&'static str) -> Act, text: &str) -> String {
    let server = Server::new([act(String::from(text).leak())]);
    let mut http = server.http(|o| o.timeout = Duration::from_secs(10));
    let post = http.request(&messages(1)[0], Vec::new());
    let begin = Instant::now();
    let posted = http.client.post(&post);
    assert!(begin.elapsed() < Duration::from_secs(5), "waits for more than {text}");
    match posted {
        Ok(Answer { status, body, .. }) => {
            let plus = if http.client.is_connected() { "+" } else { "" };
            format!("{} {}{plus}", status.as_u16(), String::from_utf8_lossy(&body))
        }
        Err(e) => e.to_string(),
    }
}

#[test]
fn bodies_have_an_end_or_none() {
    for (text, expected) in [
        ("200 OK\r\nContent-Length: 2\r\n\r\nhi", "200 hi+"),
        ("204 No Content\r\n\r\n", "204 +"),
        ("100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "200 +"),
        (
            "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n1\r\nd\r\n0\r\nX: y\r\n\r\n",
            "200 abcd+",
        ),
        ("200 OK\r\nConnection: Close\r\nContent-Length: 1\r\n\r\nx", "200 x"),
        ("200 OK\r\n\r\nuntil the end", "200 until the end"),
        ("200 OK\r\nContent-Length: 9\r\n\r\ncut", "200 cut"),
        ("500 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "500 ab"),
        ("200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "200 "),
        ("200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", "200 a"),
        ("200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n", "200 "),
    ] {
        let act = if expected.ends_with('+') { Act::Say } else { Act::Cut };
        assert_eq!(answer(act, &format!("HTTP/1.1 {text}")), expected, "{text}");
    }
    assert_eq!(answer(Act::Cut, "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx"), "200 x");
}

#[test]
fn what_is_no_answer_is_said() {
    let closed = "the connection was closed before the answer";
    assert_eq!(answer(Act::Cut, ""), closed);
    assert_eq!(answer(Act::Cut, "HTTP/1.1 200 OK\r\nA: b\r\n"), closed);
    let of = |text: &str| answer(Act::Cut, text).replace("an answer that is not HTTP/1.1: ", "");
    assert_eq!(of("SSH-2.0-x\r\n\r\n"), "invalid HTTP version parsed");
    let too_large = "message head is too large";
    assert_eq!(of(&format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(200))), too_large);
    assert_eq!(of(&format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(40_000))), too_large);
    let lengths = "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxy";
    assert_eq!(of(&format!("HTTP/1.1 200 OK\r\n{lengths}")), "invalid content-length parsed");
}

#[test]
fn of_a_long_body_the_beginning_is_kept_and_the_rest_is_not_read() {
    for head in ["Content-Length: 1000000000000", "X: y", "Content-Length: 70000"] {
        let body = "x".repeat(70_000);
        let kept = answer(Act::Say, &format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}"));
        assert!(kept == format!("200 {}", "x".repeat(64 << 10)), "{head}: {}", kept.len());
    }
}

#[test]
fn a_server_may_answer_before_it_has_read_the_post() {
    let server = Server::new([Act::Early("HTTP/1.1 413 Long\r\nContent-Length: 0\r\n\r\n")]);
    let mut http = server.http(|o| o.timeout = Duration::from_secs(5));
    let long = message(&"x".repeat(8 << 20));
    assert!(refused(http.send(&[long])).1.ends_with(": 413 Long"));
}

#[test]
fn a_name_that_nobody_looks_up_holds_nothing_up() {
    static N_LOOKUPS: AtomicUsize = AtomicUsize::new(0);
    static IS_STUCK: Mutex<()> = Mutex::new(());
    fn stuck(_: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        N_LOOKUPS.fetch_add(1, Ordering::Relaxed);
        drop(IS_STUCK.lock());
        Err(io::Error::other("nobody knows it"))
    }
    let held = IS_STUCK.lock().unwrap();
    let server = Server::new([]);
    let mut http = server.http(|o| o.url = "http://logs.example/".parse().unwrap());
    http.client.resolve = stuck;
    let begin = Instant::now();
    for _ in 0..3 {
        assert_eq!(later(http.send(&messages(1))).0, "http://logs.example/: no answer in time");
    }
    assert_eq!(N_LOOKUPS.load(Ordering::Relaxed), 1, "one at a time");
    drop(held);
    while !later(http.send(&messages(1))).0.ends_with("nobody knows it") {}
    let held = IS_STUCK.lock().unwrap();
    later(http.send(&messages(1)));
    drop(http);
    assert!(begin.elapsed() < Duration::from_secs(10), "the end does not wait for it");
    drop(held);
}

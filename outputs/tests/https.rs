//! The sink that posts, against nginx over mutual TLS: whom it trusts, what it shows, that nothing is lost while the server is away, and how much goes through.

#[path = "../src/testing/alerts.rs"]
mod alerts;
mod nginx;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bus::{Tx, Unparker, WaitLimits, Waiter, alert_lane};
use nginx::{Certs, Place, can_serve};
use outputs::{
    AlertTimes, Batch, BatchForm, Delivery, Format, Formatter, HttpOptions, Identity, KeptOpen,
    Outputs, QueueLimits, RateControl, Retry, Sink, SinkError, SinkLimits, Tls, TlsPart, Trust,
};
use perf::{Moment, Registry, Snapshot, boot_now_ns, realtime_offset_ns, to_epoch_ns};
use rules::Alert;

/// One at a time: they measure time.
fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn limits() -> SinkLimits {
    let (first, longest) = (Duration::from_millis(20), Duration::from_millis(100));
    let queue = QueueLimits { n_alerts: 65_536, n_bytes: 64 << 20 };
    let retry = Retry { first, longest, max_attempts: 0 };
    SinkLimits { queue, retry, ..SinkLimits::default() }
}

fn options(place: &Place, certs: &Certs) -> HttpOptions {
    let identity = Identity { cert: certs.path("client.crt"), key: certs.path("client.key") };
    HttpOptions {
        url: place.url().parse().unwrap(),
        user_agent: "falcosecurity/falco".parse().unwrap(),
        tls: Tls { trust: Trust::File(certs.path("ca.crt")), identity: Some(identity) },
        is_compressed: false,
        is_probed: false,
        is_echoed: false,
        timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(2),
        batch: Batch {
            n_alerts: 1,
            n_bytes: 1 << 19,
            linger: Duration::ZERO,
            form: BatchForm::Lines,
        },
        max_timeouts: None,
    }
}

/// Sinks at work, live.
struct Run {
    lane: Tx<Alert>,
    wake: Unparker,
    out: JoinHandle<Vec<String>>,
    threads: Vec<JoinHandle<()>>,
    registry: Registry,
    notices: Arc<Mutex<Vec<String>>>,
    reopen: Box<dyn Fn()>,
    template: Alert,
    offset_ns: i64,
    n_raised: u64,
}

impl Run {
    fn new(sinks: Vec<Sink>, output_timeout: Duration) -> Self {
        let (lane, rx) = alert_lane(65_536);
        let mut registry = Registry::new();
        let notices = Arc::<Mutex<Vec<String>>>::default();
        let to = Arc::clone(&notices);
        let outputs = Outputs {
            sinks,
            outbox: None,
            formatter: Formatter::new(Format { json: true, ..Format::default() }, "node-1"),
            rate_control: RateControl::default(),
            output_timeout,
            ends_by: Box::new(move || Some(Instant::now() + output_timeout)),
            notices: Box::new(move |line| to.lock().unwrap().push(line.to_owned())),
        };
        let waiter = Waiter::new(WaitLimits::WOKEN);
        let wake = waiter.unparker();
        let offset_ns = realtime_offset_ns();
        let times = AlertTimes::Live { realtime_offset_ns: offset_ns };
        let (delivery, sinks) = Delivery::new(vec![rx], outputs, times, waiter, &mut registry);
        let threads = sinks.into_iter().map(|s| std::thread::spawn(|| s.run())).collect();
        let reopen = Box::new(delivery.reopener());
        let out = std::thread::spawn(|| delivery.run());
        Self {
            lane,
            wake,
            out,
            threads,
            registry,
            notices,
            reopen,
            template: alerts::alert(""),
            offset_ns,
            n_raised: 0,
        }
    }

    /// Raises the next alert, `n=0` first.
    fn raise(&mut self) {
        let n = self.n_raised;
        let alert = Alert {
            evt_num: n + 1,
            ts_ns: to_epoch_ns(boot_now_ns(), self.offset_ns),
            output: format!(
                "Sensitive file opened for reading (file=/etc/shadow gparent=sshd n={n})"
            ),
            ..self.template.clone()
        };
        self.lane.push(alert).unwrap();
        self.wake.wake();
        self.n_raised += 1;
    }

    /// Raises so many in a second, for so long.
    fn pace(&mut self, a_second: u64, time: Duration) {
        let (begin, before) = (Instant::now(), self.n_raised);
        while begin.elapsed() < time {
            let due = (begin.elapsed().as_secs_f64() * a_second as f64) as u64;
            while self.n_raised - before < due {
                self.raise();
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// A counter or a level of a sink.
    fn now(&self, name: &str) -> u64 {
        let snapshot = self.registry.snapshot(Moment::Running);
        let counter = snapshot.get(name);
        counter.or_else(|| snapshot.levels.get(name).copied()).unwrap_or_else(|| panic!("{name}"))
    }

    fn wait_for(&self, name: &str, least: u64) {
        let begin = Instant::now();
        while self.now(name) < least {
            assert!(
                begin.elapsed() < Duration::from_secs(20),
                "{name}: {}: {:?}",
                self.now(name),
                self.notices.lock().unwrap()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it; gives its counters, what was left, and what was said.
    fn end(self) -> (Snapshot, Vec<String>, Vec<String>) {
        let Self { lane, wake, out, threads, registry, notices, .. } = self;
        drop(lane);
        wake.wake();
        let left = out.join().unwrap();
        if left.is_empty() {
            for thread in threads {
                thread.join().unwrap();
            }
        }
        let snapshot = registry.snapshot(Moment::Final);
        assert!(snapshot.balances(), "{}", snapshot.table());
        let notices = notices.lock().unwrap().clone();
        (snapshot, left, notices)
    }
}

/// The numbers of the alerts that the server got, in its order; it notes them after its answers.
fn numbers(place: &Place, n_expected: u64) -> Vec<u64> {
    let begin = Instant::now();
    loop {
        let numbers = noted(place);
        if numbers.len() as u64 >= n_expected || begin.elapsed() > Duration::from_secs(5) {
            return numbers;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn noted(place: &Place) -> Vec<u64> {
    let number = |text: &str| text.split("n=").nth(1)?.split(')').next()?.parse().ok();
    let posts = place.posts();
    let taken = posts.iter().filter(|p| p.status == 204);
    taken.flat_map(|p| p.body.lines()).map(|l| number(l).unwrap()).collect()
}

fn rate(n: u64, seconds: f64) -> String {
    format!("{n} alerts in {seconds:.1} s, {:.0} a second", n as f64 / seconds)
}

#[test]
fn both_ends_show_a_certificate() {
    if !can_serve("https") {
        return;
    }
    let _alone = alone();
    let certs = Certs::new();
    let place = Place::new(&certs);
    let _nginx = place.start();
    let shown = |name: &str| Identity {
        cert: certs.path(&format!("{name}.crt")),
        key: certs.path(&format!("{name}.key")),
    };
    let ca = |name: &str| Trust::File(certs.path(name));
    // What is said, or nothing where the alert came through.
    let mut n_expected = 0;
    let mut check = |trust, identity, expected: &str| {
        let tls = Tls { trust, identity };
        let sink = Sink::http(HttpOptions { tls, ..options(&place, &certs) }, limits()).unwrap();
        let mut run = Run::new(vec![sink], Duration::from_millis(300));
        run.raise();
        let (counts, _, notices) = run.end();
        let said = notices.join("\n");
        if expected.is_empty() {
            n_expected += 1;
            assert_eq!((counts.get("outputs.http.delivered"), &*said), (Some(1), ""));
        } else {
            assert_eq!(counts.get("outputs.http.delivered"), Some(0), "{said}");
            assert!(said.contains(expected), "{said}");
        }
        assert_eq!(numbers(&place, n_expected).len() as u64, n_expected, "{said}");
    };
    check(ca("ca.crt"), Some(shown("client")), "");
    check(Trust::Folder(certs.folder().to_owned()), Some(shown("client")), "");
    check(Trust::Anyone, Some(shown("client")), "");
    check(ca("other.crt"), Some(shown("client")), "invalid peer certificate: UnknownIssuer");
    check(ca("ca.crt"), None, "an alert was refused: https://127.0.0.1:");
    check(
        ca("ca.crt"),
        None,
        "400 Bad Request: <html> <head><title>400 No required SSL certificate was sent",
    );
    check(ca("ca.crt"), Some(shown("stranger")), "400 The SSL certificate error");
    let crossed = Identity { cert: certs.path("client.crt"), key: certs.path("server.key") };
    let tls = Tls { trust: ca("ca.crt"), identity: Some(crossed) };
    let Err(SinkError::Tls(e)) =
        Sink::http(HttpOptions { tls, ..options(&place, &certs) }, limits())
    else {
        panic!("the key is another's")
    };
    assert_eq!((e.part, e.path), (TlsPart::Key, certs.path("server.key")));
    assert!(e.why.starts_with("the key is not that of the certificate in "), "{}", e.why);
}

#[test]
fn certificates_are_read_again_when_asked_for() {
    if !can_serve("https") {
        return;
    }
    let _alone = alone();
    let certs = Certs::new();
    let place = Place::new(&certs);
    let _nginx = place.start();
    let put = |from: &str, to: &str| {
        std::fs::copy(certs.path(from), certs.path(to)).unwrap();
    };
    put("other.crt", "trusted");
    let base = options(&place, &certs);
    let tls = Tls { trust: Trust::File(certs.path("trusted")), ..base.tls.clone() };
    let sink = Sink::http(HttpOptions { tls, ..base }, limits()).unwrap();
    let mut run = Run::new(vec![sink], Duration::from_secs(10));
    run.raise();
    run.wait_for("outputs.http.retries", 1);
    put("ca.crt", "trusted");
    (run.reopen)();
    run.wait_for("outputs.http.delivered", 1);
    // What was good holds where what is there now is not.
    std::fs::write(certs.path("trusted"), "").unwrap();
    let n_retries = run.now("outputs.http.retries");
    (run.reopen)();
    run.raise();
    run.wait_for("outputs.http.delivered", 2);
    assert_eq!(run.now("outputs.http.retries"), n_retries + 1);
    run.end();
    assert_eq!(numbers(&place, 2), [0, 1]);
}

#[test]
fn nothing_is_lost_while_the_server_is_away() {
    if !can_serve("https") {
        return;
    }
    let _alone = alone();
    let certs = Certs::new();
    let place = Place::new(&certs);
    let sink = Sink::http(options(&place, &certs), limits()).unwrap();
    let mut run = Run::new(vec![sink], Duration::from_secs(10));
    // Not there yet, there, away, there again.
    for _ in 0..200 {
        run.raise();
    }
    run.wait_for("outputs.http.failing", 1);
    let nginx = place.start();
    run.wait_for("outputs.http.delivered", 200);
    drop(nginx);
    for _ in 0..3000 {
        run.raise();
    }
    run.wait_for("outputs.http.retries", 3);
    let nginx = place.start();
    run.wait_for("outputs.http.delivered", 3200);
    assert_eq!(run.now("outputs.http.failing"), 0);
    let (counts, left, notices) = run.end();
    drop(nginx);
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(counts.get("outputs.http.delivered"), Some(3200));
    assert_eq!(numbers(&place, 3200), (0..3200).collect::<Vec<_>>(), "each once, in order");
    assert!(notices[0].contains("Connection refused"), "{notices:?}");
    // nginx ends a connection after 1,000 requests; until then it is the same one. Its numbers begin anew with each start.
    let mut connections: Vec<_> = place.posts().into_iter().map(|p| p.connection).collect();
    connections.dedup();
    assert!((3..=5).contains(&connections.len()), "{connections:?}");
}

#[test]
fn two_thousand_alerts_a_second_go_through() {
    if !can_serve("https") {
        return;
    }
    let _alone = alone();
    let certs = Certs::new();
    for n_alerts in [1, 64] {
        let place = Place::new(&certs);
        let _nginx = place.start();
        let base = options(&place, &certs);
        let batch = Batch { n_alerts, ..base.batch };
        let sink = Sink::http(HttpOptions { batch, ..base }, limits()).unwrap();
        let mut run = Run::new(vec![sink], Duration::from_secs(20));
        let begin = Instant::now();
        run.pace(2000, Duration::from_secs(5));
        let raised = run.n_raised;
        let waiting = run.now("outputs.http.waiting");
        run.wait_for("outputs.http.delivered", raised);
        let seconds = begin.elapsed().as_secs_f64();
        let (counts, left, notices) = run.end();
        assert!(left.is_empty() && notices.is_empty(), "{left:?} {notices:?}");
        assert_eq!(counts.get("outputs.http.delivered"), Some(raised));
        assert_eq!(numbers(&place, raised), (0..raised).collect::<Vec<_>>(), "each once, in order");
        let latency = counts.latencies.iter().find(|l| l.name == "delivery.http").unwrap();
        println!(
            "HTTPS, {n_alerts} a post, {} posts: {}; {waiting} waited at the end; p50 {} us, p99 {} us, longest {} us",
            place.posts().len(),
            rate(raised, seconds),
            latency.p50_ns / 1000,
            latency.p99_ns / 1000,
            latency.max_ns / 1000
        );
        assert!(raised >= 9000, "{raised}");
        // What waits is worked off at once: it keeps up.
        assert!(seconds < 7.0, "{seconds}");
    }
}

#[test]
fn a_server_that_is_gone_holds_no_other_sink_up() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let measure = |name: &str, other: Option<Sink>| {
        let path = dir.path().join(name);
        let file = Sink::file(&path, KeptOpen::UntilReopened, limits()).unwrap();
        let sinks = std::iter::once(file).chain(other).collect();
        let mut run = Run::new(sinks, Duration::from_millis(200));
        run.pace(2000, Duration::from_secs(1));
        let raised = run.n_raised;
        let (counts, ..) = run.end();
        let n_lines = std::fs::read_to_string(&path).unwrap().lines().count() as u64;
        assert_eq!((counts.get("outputs.file.delivered"), n_lines), (Some(raised), raised));
        let latency = counts.latencies.iter().find(|l| l.name == "delivery.file").unwrap();
        (latency.p50_ns, counts)
    };
    // Takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let dead = || {
        let certs = Trust::Anyone;
        let tls = Tls { trust: certs, identity: None };
        let (url, batch) = (
            url.parse().unwrap(),
            Batch { n_alerts: 1, n_bytes: 1024, linger: Duration::ZERO, form: BatchForm::Lines },
        );
        let options = HttpOptions {
            url,
            user_agent: "".parse().unwrap(),
            tls,
            is_compressed: false,
            is_probed: false,
            is_echoed: false,
            timeout: Duration::from_millis(100),
            connect_timeout: Duration::from_millis(100),
            batch,
            max_timeouts: None,
        };
        let queue = QueueLimits { n_alerts: 64, ..QueueLimits::default() };
        Sink::http(options, SinkLimits { queue, ..limits() }).unwrap()
    };
    let (mut alone_ns, mut beside_ns) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        alone_ns.push(measure("alone", None).0);
        let (p50, counts) = measure("beside", Some(dead()));
        beside_ns.push(p50);
        let n = |what: &str| counts.get(&format!("outputs.http.{what}")).unwrap();
        assert_eq!(n("delivered"), 0);
        assert!(n("retries") >= 3 && n("lost_queue_full") > 1000, "{}", counts.table());
        for name in ["alone", "beside"] {
            std::fs::remove_file(dir.path().join(name)).unwrap();
        }
    }
    let (alone_ns, beside_ns) = (alone_ns.iter().min().unwrap(), beside_ns.iter().min().unwrap());
    println!("p50 to the file: {alone_ns} ns alone, {beside_ns} ns beside a server that hangs");
    // Twice as long, and what a scheduler adds.
    assert!(*beside_ns < 2 * alone_ns + 50_000, "{alone_ns} {beside_ns}");
}

#[test]
fn twenty_thousand_alerts_a_second_go_into_a_file() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alerts");
    let file = Sink::file(&path, KeptOpen::UntilReopened, limits()).unwrap();
    let mut run = Run::new(vec![file], Duration::from_secs(20));
    let begin = Instant::now();
    run.pace(20_000, Duration::from_secs(5));
    let raised = run.n_raised;
    run.wait_for("outputs.file.delivered", raised);
    let seconds = begin.elapsed().as_secs_f64();
    let (counts, left, notices) = run.end();
    assert!(left.is_empty() && notices.is_empty(), "{left:?} {notices:?}");
    let text = std::fs::read_to_string(&path).unwrap();
    let in_order = text.lines().enumerate().all(|(n, l)| l.contains(&format!("n={n})")));
    assert!(in_order && text.lines().count() as u64 == raised);
    let latency = counts.latencies.iter().find(|l| l.name == "delivery.file").unwrap();
    println!(
        "a file: {}; p50 {} us, p99 {} us, longest {} us",
        rate(raised, seconds),
        latency.p50_ns / 1000,
        latency.p99_ns / 1000,
        latency.max_ns / 1000
    );
    assert!(raised >= 90_000 && seconds < 7.0, "{raised} {seconds}");
}

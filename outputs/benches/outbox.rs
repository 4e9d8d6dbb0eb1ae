//! What the outbox costs: an alert appended, by fsync policy, and the start with a log that is full. With `--bench` (`cargo bench`) at the sizes that
//! are reported, otherwise at small ones, as a test.

use std::path::Path;
use std::time::{Duration, Instant};

use outputs::{Fsync, Opened, Outbox, OutboxSettings};

/// As long as a JSON alert of the shipped rules.
const ALERT_BYTES: usize = 700;

/// Below what memory takes before it refuses.
const BURST: u64 = 4096;

fn settings(directory: &Path, fsync: Fsync, max_bytes: u64) -> OutboxSettings {
    let segment_bytes = (max_bytes / 16).max(64 << 10);
    OutboxSettings { directory: directory.to_owned(), max_bytes, segment_bytes, fsync }
}

/// Pushes so many and waits until they are written; gives the time of the pushes.
fn append(outbox: &mut Outbox, n: u64, text: &str) -> Duration {
    let texts: Vec<_> = (0..n).map(|_| text.to_owned()).collect();
    let before = outbox.counts().appended;
    let begin = Instant::now();
    for text in texts {
        let id = outbox.next_id();
        outbox.push(id, text).expect("a burst has room in memory");
    }
    let pushed = begin.elapsed();
    while outbox.counts().appended < before + n {
        std::thread::sleep(Duration::from_micros(20));
    }
    pushed
}

fn ns_each(time: Duration, n: u64) -> u64 {
    (time.as_nanos() / u128::from(n)) as u64
}

fn main() {
    let is_bench = std::env::args().any(|arg| arg == "--bench");
    let (n_bursts, n_single, spool_bytes) =
        if is_bench { (10, 200, 256 << 20) } else { (1, 3, 16 << 20) };
    let text = "x".repeat(ALERT_BYTES);
    let place = || tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let policies = [
        ("never", Fsync::Never),
        ("interval, 1 s", Fsync::Interval(Duration::from_secs(1))),
        ("always", Fsync::Always),
    ];
    println!(
        "alerts of {ALERT_BYTES} bytes; ns an alert, the least of {n_bursts} bursts of {BURST}, and of {n_single} alone"
    );
    for (name, fsync) in policies {
        let dir = place();
        let settings = settings(dir.path(), fsync, 256 << 20);
        let Opened { mut outbox, readers } = Outbox::open(&settings, &["a"]).expect("it opens");
        let (mut pushed, mut written) = (Duration::MAX, Duration::MAX);
        for _ in 0..n_bursts {
            let begin = Instant::now();
            pushed = pushed.min(append(&mut outbox, BURST, &text));
            written = written.min(begin.elapsed());
        }
        let mut alone = Vec::new();
        for _ in 0..n_single {
            let begin = Instant::now();
            append(&mut outbox, 1, &text);
            alone.push(begin.elapsed());
        }
        alone.sort();
        let counts = outbox.counts();
        assert_eq!(counts.appended, BURST * n_bursts + n_single);
        assert_eq!(counts.refused_queue_full, 0);
        println!(
            "fsync {name}: pushed {}, until written {}; alone until written: median {} us, longest {} us",
            ns_each(pushed, BURST),
            ns_each(written, BURST),
            alone[alone.len() / 2].as_micros(),
            alone[alone.len() - 1].as_micros()
        );
        drop((outbox, readers));
    }

    let dir = place();
    let settings = settings(dir.path(), Fsync::Never, spool_bytes);
    let Opened { mut outbox, readers } = Outbox::open(&settings, &["a"]).expect("it opens");
    let mut n = 0;
    while outbox.counts().bytes + BURST * 2 * ALERT_BYTES as u64 <= spool_bytes {
        append(&mut outbox, BURST, &text);
        n += BURST;
    }
    let bytes = outbox.counts().bytes;
    drop((outbox, readers));
    let mut least = Duration::MAX;
    for _ in 0..n_bursts.min(5) {
        let begin = Instant::now();
        let opened = Outbox::open(&settings, &["a"]).expect("it opens");
        least = least.min(begin.elapsed());
        assert_eq!(opened.outbox.recovery().n_records, n);
    }
    println!(
        "opened with {n} alerts, {} MiB: {} ms, in the cache of the kernel",
        bytes >> 20,
        least.as_millis()
    );
}

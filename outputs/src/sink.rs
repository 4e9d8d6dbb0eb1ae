//! Sinks: where lines go, and what became of each line.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use perf::{Counter, Hop, Registry};

/// A buffer larger than this is written even while alerts keep coming.
const FLUSH_AT_BYTES: usize = 64 << 10;

/// An output file that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to the output file {path}: {reason}")]
pub struct SinkError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub reason: io::Error,
}

/// One destination of alerts. Lines are buffered until they are flushed; each ends as delivered or as lost for a reason.
pub struct Sink {
    name: &'static str,
    out: Box<dyn Write + Send>,
    buf: Vec<u8>,
    n_buffered: u64,
    /// The last write ended inside a line: the next one starts with a newline.
    torn: bool,
    state: State,
    meters: Option<SinkMeters>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Closed,
}

#[derive(Debug)]
struct SinkMeters {
    delivered: Arc<Counter>,
    lost_closed: Arc<Counter>,
    lost_write_error: Arc<Counter>,
}

/// Counter of the alerts that reached the outputs.
pub(crate) const RECEIVED: &str = "outputs.received";

impl Sink {
    /// Standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self::new("stdout", Box::new(io::stdout()))
    }

    /// A file that is appended to, created where it does not exist.
    ///
    /// # Errors
    /// The file cannot be opened for appending.
    pub fn file(path: &Path) -> Result<Self, SinkError> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .map_err(|reason| SinkError { path: path.to_owned(), reason })?;
        Ok(Self::new("file", Box::new(file)))
    }

    pub(crate) fn new(name: &'static str, out: Box<dyn Write + Send>) -> Self {
        Self {
            name,
            out,
            buf: Vec::with_capacity(FLUSH_AT_BYTES * 2),
            n_buffered: 0,
            torn: false,
            state: State::Open,
            meters: None,
        }
    }

    /// Registers the sink's counters, and that it must balance: received = delivered + lost.
    pub(crate) fn register(&mut self, registry: &mut Registry) {
        let name = self.name;
        let counter = |what: &str| format!("outputs.{name}.{what}");
        let (delivered, closed, error) =
            (counter("delivered"), counter("lost_closed"), counter("lost_write_error"));
        self.meters = Some(SinkMeters {
            delivered: registry.counter(&delivered),
            lost_closed: registry.counter(&closed),
            lost_write_error: registry.counter(&error),
        });
        registry.hop(
            Hop::new(&format!("sink {name}"))
                .input(RECEIVED)
                .output(&delivered)
                .dropped("closed", &closed)
                .dropped("write_error", &error)
                .slack(MAX_IN_HAND),
        );
    }

    /// Takes one line; it is written by the next [`Sink::flush`], or now if the buffer is full.
    pub(crate) fn push(&mut self, line: &str) {
        if self.torn && self.buf.is_empty() {
            self.buf.push(b'\n');
        }
        self.buf.extend_from_slice(line.as_bytes());
        self.n_buffered += 1;
        if self.buf.len() >= FLUSH_AT_BYTES {
            self.flush();
        }
    }

    /// Writes what is buffered.
    pub(crate) fn flush(&mut self) {
        if self.n_buffered == 0 {
            return;
        }
        let n_lines = std::mem::take(&mut self.n_buffered);
        let (n_delivered, n_closed, n_error) = match self.state {
            State::Closed => (0, n_lines, 0),
            State::Open => self.write_out(n_lines),
        };
        self.buf.clear();
        if let Some(SinkMeters { delivered, lost_closed, lost_write_error }) = &self.meters {
            delivered.add(n_delivered);
            lost_closed.add(n_closed);
            lost_write_error.add(n_error);
        }
    }

    /// Lines (delivered, lost since the reader is gone, lost to another error). A line counts as delivered once its newline is written.
    fn write_out(&mut self, n_lines: u64) -> (u64, u64, u64) {
        let mut done = 0;
        let error = loop {
            match self.out.write(&self.buf[done..]) {
                Ok(0) => break Some(ErrorKind::WriteZero),
                Ok(n) => done += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => break Some(e.kind()),
            }
            if done == self.buf.len() {
                break self.out.flush().err().map(|e| e.kind());
            }
        };
        let Some(error) = error else {
            self.torn = false;
            return (n_lines, 0, 0);
        };
        let mended = usize::from(self.torn && done > 0);
        let written = &self.buf[..done];
        let n_done = written.split(|&b| b == b'\n').count() - 1 - mended;
        if done > 0 {
            self.torn = written.last() != Some(&b'\n');
        }
        let n_lost = n_lines - n_done as u64;
        if error == ErrorKind::BrokenPipe {
            self.state = State::Closed;
            return (n_done as u64, n_lost, 0);
        }
        (n_done as u64, 0, n_lost)
    }

    /// Whether the reader of this sink is gone for good.
    pub(crate) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }
}

/// Alerts that may sit in a sink's buffer, uncounted, while the program runs.
pub const MAX_IN_HAND: u64 = 2048;

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink")
            .field("name", &self.name)
            .field("n_buffered", &self.n_buffered)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use perf::{Moment, Registry};

    use super::*;

    /// Takes `room` bytes, then fails with `error` until told otherwise.
    struct Disk {
        written: Arc<Mutex<Vec<u8>>>,
        room: Arc<Mutex<usize>>,
        error: ErrorKind,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut room = self.room.lock().unwrap();
            let n = bytes.len().min(*room);
            if n == 0 {
                return Err(self.error.into());
            }
            *room -= n;
            self.written.lock().unwrap().extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Rig {
        sink: Sink,
        registry: Registry,
        written: Arc<Mutex<Vec<u8>>>,
        room: Arc<Mutex<usize>>,
        received: Arc<Counter>,
    }

    fn rig(room: usize, error: ErrorKind) -> Rig {
        let (written, room) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(room)));
        let disk = Disk { written: Arc::clone(&written), room: Arc::clone(&room), error };
        let mut sink = Sink::new("file", Box::new(disk));
        let mut registry = Registry::new();
        let received = registry.counter(RECEIVED);
        sink.register(&mut registry);
        Rig { sink, registry, written, room, received }
    }

    impl Rig {
        fn push(&mut self, line: &str) {
            self.received.add(1);
            self.sink.push(line);
        }

        fn check(&self, delivered: u64, closed: u64, write_error: u64) {
            let s = self.registry.snapshot(Moment::Final);
            let n = |name: &str| s.get(&format!("outputs.file.{name}")).unwrap();
            assert_eq!(
                (n("delivered"), n("lost_closed"), n("lost_write_error")),
                (delivered, closed, write_error)
            );
            assert!(s.balances(), "{}", s.table());
        }

        fn text(&self) -> String {
            String::from_utf8(self.written.lock().unwrap().clone()).unwrap()
        }
    }

    #[test]
    fn lines_are_written_by_the_flush() {
        let mut r = rig(100, ErrorKind::StorageFull);
        r.push("one\n");
        r.push("two\n");
        assert_eq!(r.text(), "");
        r.sink.flush();
        assert_eq!(r.text(), "one\ntwo\n");
        r.check(2, 0, 0);
    }

    #[test]
    fn a_full_disk_loses_lines_by_count_and_recovers_on_a_new_line() {
        let mut r = rig(6, ErrorKind::StorageFull);
        r.push("one\n");
        r.push("two\n");
        r.push("three\n");
        r.sink.flush();
        r.check(1, 0, 2);
        r.push("four\n");
        r.sink.flush();
        r.check(1, 0, 3);
        *r.room.lock().unwrap() = 100;
        r.push("five\n");
        r.sink.flush();
        assert_eq!(r.text(), "one\ntw\nfive\n");
        r.check(2, 0, 3);
        assert!(!r.sink.is_closed());
    }

    #[test]
    fn a_reader_that_is_gone_closes_the_sink() {
        let mut r = rig(4, ErrorKind::BrokenPipe);
        r.push("one\n");
        r.push("two\n");
        r.sink.flush();
        r.check(1, 1, 0);
        assert!(r.sink.is_closed());
        *r.room.lock().unwrap() = 100;
        r.push("three\n");
        r.sink.flush();
        r.check(1, 2, 0);
        assert_eq!(r.text(), "one\n");
    }

    #[test]
    fn a_full_buffer_is_written_at_once() {
        let mut r = rig(1 << 20, ErrorKind::StorageFull);
        let line = format!("{}\n", "x".repeat(FLUSH_AT_BYTES - 1));
        r.push(&line);
        assert_eq!(r.text(), line);
        r.check(1, 0, 0);
    }

    #[test]
    fn an_unwritable_file_is_an_error() {
        let e = Sink::file(Path::new("/proc/no/such")).unwrap_err().to_string();
        assert!(e.starts_with("cannot write to the output file /proc/no/such: "), "{e}");
    }

    #[test]
    fn a_file_is_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts");
        std::fs::write(&path, "before\n").unwrap();
        let mut sink = Sink::file(&path).unwrap();
        sink.push("after\n");
        sink.flush();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "before\nafter\n");
    }
}

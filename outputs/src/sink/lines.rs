//! Lines into a stream: standard output, and a file.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{KeptOpen, Sent, SinkError, Stop, Transport};
use crate::message::Shared;

/// One write holds no more than this, a longer line aside.
const MAX_WRITE_BYTES: usize = 64 << 10;

/// Writes lines whole: one that was written in part is continued, or left behind on a line of its own.
pub(super) struct Lines<W> {
    out: W,
    buf: Vec<u8>,
    /// So much of the oldest message is written already.
    n_begun: usize,
    /// What was written last is a part of a line that is not continued.
    is_torn: bool,
}

impl<W: Write> Lines<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, buf: Vec::new(), n_begun: 0, is_torn: false }
    }

    /// The stream is another one, in which nothing was begun.
    fn replace(&mut self, out: W) {
        (self.out, self.n_begun, self.is_torn) = (out, 0, false);
    }

    /// Writes messages from the oldest on; gives how many, and why not more.
    fn write(&mut self, messages: &[Shared]) -> (usize, io::Result<()>) {
        let mut n_written = 0;
        while n_written < messages.len() {
            let n = self.fill(&messages[n_written..]);
            let (n_bytes, ended) = self.write_out();
            n_written += self.account(&messages[n_written..n_written + n], n_bytes);
            if ended.is_err() {
                return (n_written, ended);
            }
        }
        (n_written, Ok(()))
    }

    /// Puts as many messages as one write takes into the buffer.
    fn fill(&mut self, messages: &[Shared]) -> usize {
        let Self { buf, n_begun, is_torn, .. } = self;
        buf.clear();
        if *is_torn {
            buf.push(b'\n');
        }
        let mut n = 0;
        for message in messages {
            let line = message.line.as_bytes();
            if n > 0 && buf.len() + line.len() > MAX_WRITE_BYTES {
                break;
            }
            buf.extend_from_slice(if n == 0 { &line[*n_begun..] } else { line });
            n += 1;
        }
        n
    }

    /// Bytes of the buffer that were written.
    fn write_out(&mut self) -> (usize, io::Result<()>) {
        let mut done = 0;
        while done < self.buf.len() {
            match self.out.write(&self.buf[done..]) {
                Ok(0) => return (done, Err(ErrorKind::WriteZero.into())),
                Ok(n) => done += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return (done, Err(e)),
            }
        }
        (done, self.out.flush())
    }

    /// How many of the messages in the buffer are written whole, now that so many of its bytes are.
    fn account(&mut self, messages: &[Shared], mut n_bytes: usize) -> usize {
        if self.is_torn && n_bytes > 0 {
            (self.is_torn, n_bytes) = (false, n_bytes - 1);
        }
        n_bytes += self.n_begun;
        let mut n_whole = 0;
        for message in messages {
            if n_bytes < message.line.len() {
                break;
            }
            n_bytes -= message.line.len();
            n_whole += 1;
        }
        self.n_begun = n_bytes;
        n_whole
    }
}

impl<W: Write + Send> Transport for Lines<W> {
    fn send(&mut self, messages: &[Shared]) -> Sent {
        let (n_delivered, ended) = self.write(messages);
        match ended {
            Ok(()) => Sent { n_delivered, stop: None },
            Err(e) if e.kind() == ErrorKind::BrokenPipe => {
                Sent { n_delivered, stop: Some(Stop::Closed) }
            }
            Err(e) => Sent::until_later(n_delivered, e),
        }
    }

    fn skip(&mut self) {
        if self.n_begun > 0 {
            (self.n_begun, self.is_torn) = (0, true);
        }
    }
}

/// A file that is appended to.
pub(super) struct AlertFile {
    path: PathBuf,
    kept: KeptOpen,
    lines: Lines<File>,
    /// The next write opens the file anew.
    is_stale: bool,
}

impl AlertFile {
    pub(super) fn open(path: &Path, kept: KeptOpen) -> Result<Self, SinkError> {
        let file =
            open(path).map_err(|reason| SinkError::File { path: path.to_owned(), reason })?;
        Ok(Self { path: path.to_owned(), kept, lines: Lines::new(file), is_stale: false })
    }

    /// Whether the path names the open file.
    fn is_named(&self) -> bool {
        let id = |m: io::Result<std::fs::Metadata>| m.ok().map(|m| (m.dev(), m.ino()));
        id(std::fs::metadata(&self.path)) == id(self.lines.out.metadata())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

impl Transport for AlertFile {
    fn send(&mut self, messages: &[Shared]) -> Sent {
        if self.is_stale || self.kept == KeptOpen::WhileNamed && !self.is_named() {
            match open(&self.path) {
                Ok(file) => self.lines.replace(file),
                Err(e) => {
                    let path = self.path.display();
                    return Sent::until_later(0, format_args!("cannot open {path}: {e}"));
                }
            }
            self.is_stale = false;
        }
        let (n_delivered, ended) = self.lines.write(messages);
        match ended {
            Ok(()) => Sent { n_delivered, stop: None },
            // A pipe with a name: somebody else may come to read it.
            Err(e) => Sent::until_later(n_delivered, format_args!("{}: {e}", self.path.display())),
        }
    }

    fn skip(&mut self) {
        self.lines.skip();
    }

    fn reopen(&mut self) {
        self.is_stale = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::message;

    /// Takes `room` bytes, then fails with `error`.
    struct Disk {
        written: Vec<u8>,
        room: usize,
        error: ErrorKind,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let n = bytes.len().min(self.room);
            if n == 0 {
                return Err(self.error.into());
            }
            self.room -= n;
            self.written.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(room: usize, error: ErrorKind) -> Lines<Disk> {
        Lines::new(Disk { written: Vec::new(), room, error })
    }

    impl Lines<Disk> {
        fn text(&self) -> &str {
            std::str::from_utf8(&self.out.written).unwrap()
        }
    }

    fn messages<const N: usize>(texts: [&str; N]) -> [Shared; N] {
        texts.map(message)
    }

    #[test]
    fn a_line_that_a_full_disk_cut_is_continued() {
        let all = messages(["one", "two", "three"]);
        for room in 0..14 {
            let mut to = lines(room, ErrorKind::StorageFull);
            let Sent { n_delivered, stop } = to.send(&all);
            assert_eq!(n_delivered, to.text().matches('\n').count(), "{room}");
            assert!(matches!(stop, Some(Stop::Later { .. })), "{room}");
            to.out.room = 100;
            assert_eq!(to.send(&all[n_delivered..]).n_delivered, 3 - n_delivered);
            assert_eq!(to.text(), "one\ntwo\nthree\n");
        }
    }

    #[test]
    fn what_is_given_up_half_written_stays_on_a_line_of_its_own() {
        let mut to = lines(6, ErrorKind::StorageFull);
        assert_eq!(to.send(&messages(["one", "two"])).n_delivered, 1);
        to.skip();
        assert_eq!(to.send(&messages(["three"])).n_delivered, 0);
        to.out.room = 100;
        assert_eq!(to.send(&messages(["three", "four"])).n_delivered, 2);
        assert_eq!(to.text(), "one\ntw\nthree\nfour\n");
    }

    #[test]
    fn a_reader_that_is_gone_closes_the_sink() {
        let mut to = lines(4, ErrorKind::BrokenPipe);
        let Sent { n_delivered, stop } = to.send(&messages(["one", "two"]));
        assert!(matches!((n_delivered, stop), (1, Some(Stop::Closed))));
    }

    #[test]
    fn many_lines_and_long_ones_are_written_whole() {
        let mut to = lines(1 << 30, ErrorKind::StorageFull);
        let long = "x".repeat(MAX_WRITE_BYTES);
        let all: Vec<Shared> =
            (0..500).map(|n| message(if n % 100 == 0 { &long } else { "short" })).collect();
        assert_eq!(to.send(&all).n_delivered, 500);
        let whole: String = all.iter().map(|m| &*m.line).collect();
        assert!(to.text() == whole);
    }

    #[test]
    fn an_unwritable_file_is_an_error() {
        let path = Path::new("/proc/no/such");
        let e = AlertFile::open(path, KeptOpen::WhileNamed).err().unwrap().to_string();
        assert!(e.starts_with("cannot write to the output file /proc/no/such: "), "{e}");
    }

    /// What stands in the file and in the one that it was moved to, after one line before the move, one after it, and one after a wish to reopen it.
    fn rotated(kept: KeptOpen) -> (String, String) {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("alerts"), dir.path().join("alerts.1"));
        std::fs::write(&path, "before\n").unwrap();
        let mut file = AlertFile::open(&path, kept).unwrap();
        assert_eq!(file.send(&messages(["one"])).n_delivered, 1);
        std::fs::rename(&path, &moved).unwrap();
        assert_eq!(file.send(&messages(["two"])).n_delivered, 1);
        file.reopen();
        assert_eq!(file.send(&messages(["three"])).n_delivered, 1);
        let read = |path| std::fs::read_to_string(path).unwrap();
        (read(&path), read(&moved))
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew() {
        let of = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(rotated(KeptOpen::WhileNamed), of("two\nthree\n", "before\none\n"));
        assert_eq!(rotated(KeptOpen::UntilReopened), of("three\n", "before\none\ntwo\n"));
    }

    #[test]
    fn a_file_that_cannot_be_made_anew_is_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, path) = (dir.path().join("d"), dir.path().join("d/alerts"));
        std::fs::create_dir(&folder).unwrap();
        let mut file = AlertFile::open(&path, KeptOpen::WhileNamed).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let Sent { n_delivered: 0, stop: Some(Stop::Later { why, .. }) } =
            file.send(&messages(["x"]))
        else {
            panic!("it has no folder")
        };
        assert!(why.starts_with("cannot open ") && why.contains("alerts"), "{why}");
        std::fs::create_dir(&folder).unwrap();
        assert_eq!(file.send(&messages(["x"])).n_delivered, 1);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "x\n");
    }
}

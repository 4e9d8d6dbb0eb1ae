//! How far a file is read, in per cent on stderr; of a pipe, whose length nobody knows, in MiB.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Events between two looks.
const EVERY: u32 = 10_000;

/// A file that counts what is read of it.
struct Counted {
    file: File,
    n_read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buf)?;
        // Relaxed: a number for people.
        self.n_read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// Follows the reading of one file.
pub(super) struct Progress {
    n_read: Arc<AtomicU64>,
    of: Length,
    shown: f64,
    until_look: u32,
}

/// What there is to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Bytes(u64),
    Unknown,
}

impl Length {
    /// How far so many bytes are: in per cent, or in MiB.
    fn reached(self, n_read: u64) -> f64 {
        match self {
            Self::Bytes(len) => 100.0 * n_read as f64 / len.max(1) as f64,
            Self::Unknown => n_read as f64 / f64::from(1 << 20),
        }
    }

    fn text(self, reached: f64) -> String {
        match self {
            Self::Bytes(_) => format!("{reached:.2}"),
            Self::Unknown => format!("{reached:.1} MiB"),
        }
    }
}

impl Progress {
    /// Of a file that was just opened; read from what is given back.
    pub(super) fn of(file: File) -> io::Result<(Self, impl Read + Send + 'static)> {
        let metadata = file.metadata()?;
        let of = if metadata.is_file() { Length::Bytes(metadata.len()) } else { Length::Unknown };
        let n_read = Arc::new(AtomicU64::new(0));
        let counted = Counted { file, n_read: Arc::clone(&n_read) };
        Ok((Self { n_read, of, shown: -1.0, until_look: EVERY }, counted))
    }

    pub(super) fn event(&mut self) {
        self.until_look -= 1;
        if self.until_look > 0 {
            return;
        }
        self.until_look = EVERY;
        let reached = self.of.reached(self.n_read.load(Ordering::Relaxed));
        if reached - self.shown > 0.1 {
            self.shown = reached;
            draw(&format!("\r{}", self.of.text(reached)));
        }
    }

    pub(super) fn end(&self) {
        let reached = match self.of {
            Length::Bytes(_) => 100.0,
            Length::Unknown => self.of.reached(self.n_read.load(Ordering::Relaxed)),
        };
        draw(&format!("\r{}\n", self.of.text(reached)));
    }
}

/// Numbers over those that stand there, so with a control character that [`crate::run::say`] would show.
fn draw(text: &str) {
    drop(io::stderr().write_all(text.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_told_in_what_was_read_of_it() {
        let (pipe, _writer) = io::pipe().unwrap();
        let (progress, _input) =
            Progress::of(File::from(std::os::fd::OwnedFd::from(pipe))).unwrap();
        assert_eq!(progress.of, Length::Unknown);
        assert_eq!(progress.of.text(progress.of.reached(3 << 19)), "1.5 MiB");
        let of = Length::Bytes(3 << 20);
        assert_eq!(of.text(of.reached(3 << 19)), "50.00");
    }
}

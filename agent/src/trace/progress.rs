//! How far a file is read, in per cent on stderr.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::run::say;

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
    len: u64,
    shown: f64,
    until_look: u32,
}

impl Progress {
    /// Of a file that was just opened; read from what is given back.
    pub(super) fn of(file: File) -> io::Result<(Self, impl Read + Send + 'static)> {
        let len = file.metadata()?.len();
        let n_read = Arc::new(AtomicU64::new(0));
        let counted = Counted { file, n_read: Arc::clone(&n_read) };
        Ok((Self { n_read, len, shown: -1.0, until_look: EVERY }, counted))
    }

    pub(super) fn event(&mut self) {
        self.until_look -= 1;
        if self.until_look > 0 {
            return;
        }
        self.until_look = EVERY;
        let n_read = self.n_read.load(Ordering::Relaxed);
        let share = 100.0 * n_read as f64 / self.len.max(1) as f64;
        if share - self.shown > 0.1 {
            self.shown = share;
            say(&format!("\r{share:.2}"));
        }
    }

    pub(super) fn end() {
        say("\r100.00\n");
    }
}

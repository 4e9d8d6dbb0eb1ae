//! Where lines go: stdout, in large pieces.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result};

/// Written out once so much has gathered.
const PIECE: usize = 256 << 10;

/// Lines on their way to stdout.
pub(super) struct Output {
    pub(super) buf: Vec<u8>,
    stdout: File,
    is_unbuffered: bool,
    is_gone: bool,
}

impl Output {
    pub(super) fn new(is_unbuffered: bool) -> Result<Self> {
        let stdout = io::stdout().as_fd().try_clone_to_owned().context("stdout cannot be used")?;
        let buf = Vec::with_capacity(PIECE + (PIECE >> 2));
        Ok(Self { buf, stdout: File::from(stdout), is_unbuffered, is_gone: false })
    }

    /// Ends the line at hand; `false` where nobody reads any more.
    pub(super) fn end_line(&mut self) -> Result<bool> {
        self.buf.push(b'\n');
        if self.is_unbuffered || self.buf.len() >= PIECE { self.flush() } else { Ok(true) }
    }

    /// Writes out what has gathered; `false` where nobody reads any more.
    pub(super) fn flush(&mut self) -> Result<bool> {
        if !self.is_gone {
            match self.stdout.write_all(&self.buf) {
                Ok(()) => {}
                Err(e) if e.kind() == ErrorKind::BrokenPipe => self.is_gone = true,
                Err(e) => {
                    self.buf.clear();
                    return Err(e).context("cannot write to stdout");
                }
            }
        }
        self.buf.clear();
        Ok(!self.is_gone)
    }
}

//! Where lines go: stdout or a file, in large pieces.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::refusal::Refusal;

/// Written out once so much has gathered.
const PIECE: usize = 256 << 10;

/// Lines on their way out.
pub(super) struct Output {
    pub(super) buf: Vec<u8>,
    to: File,
    name: String,
    is_unbuffered: bool,
    is_gone: bool,
}

impl Output {
    pub(super) fn new(path: Option<&Path>, is_unbuffered: bool) -> Result<Self> {
        let (to, name) = match path {
            None => {
                let stdout = io::stdout().as_fd().try_clone_to_owned();
                (stdout.context("stdout cannot be used")?.into(), "stdout".to_owned())
            }
            Some(path) => {
                let name = path.display().to_string();
                let made = File::create(path);
                let refused =
                    |e: io::Error| Refusal::new(format!("can't open {name}")).with(&e.to_string());
                (made.map_err(refused)?, name)
            }
        };
        let buf = Vec::with_capacity(PIECE + (PIECE >> 2));
        Ok(Self { buf, to, name, is_unbuffered, is_gone: false })
    }

    /// Ends the line at hand; `false` where nobody reads any more.
    pub(super) fn end_line(&mut self) -> Result<bool> {
        self.buf.push(b'\n');
        if self.is_unbuffered || self.buf.len() >= PIECE { self.flush() } else { Ok(true) }
    }

    /// Writes out what has gathered; `false` where nobody reads any more.
    pub(super) fn flush(&mut self) -> Result<bool> {
        if !self.is_gone {
            match self.to.write_all(&self.buf) {
                Ok(()) => {}
                Err(e) if e.kind() == ErrorKind::BrokenPipe => self.is_gone = true,
                Err(e) => {
                    self.buf.clear();
                    return Err(e).with_context(|| format!("cannot write to {}", self.name));
                }
            }
        }
        self.buf.clear();
        Ok(!self.is_gone)
    }
}

//! Storms of calls on files, and of the call that does nothing.

use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{self, Path};

use anyhow::{Context as _, Result};

use crate::cycle::{Calls, Cycle};
use crate::number::Numbered;
use crate::raw::{self, Failed};

/// `getpid`.
pub(crate) struct Getpid;

impl Cycle for Getpid {
    const CALLS: &'static Calls = &[("getpid", 1)];

    #[inline]
    fn run(&mut self, number: u64) -> Result<(), Failed> {
        raw::getpid(number);
        Ok(())
    }
}

/// `openat` and `close` of one file.
pub(crate) struct OpenClose(CString);

impl OpenClose {
    /// Of a file that exists. Its path is made absolute, and is else as it was given.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        fs::metadata(path).with_context(|| format!("cannot open {}", path.display()))?;
        let path = path::absolute(path)?;
        Ok(Self(CString::new(path.as_os_str().as_bytes()).context("a path has no NUL")?))
    }
}

impl Cycle for OpenClose {
    const CALLS: &'static Calls = &[("openat", 1), ("close", 1)];

    #[inline]
    fn run(&mut self, number: u64) -> Result<(), Failed> {
        raw::close(raw::openat((number & 0x7fff_ffff) as i32, &self.0)?)
    }
}

/// `read` of a byte from /dev/zero and `write` of a byte to /dev/null.
pub(crate) struct ReadWrite {
    zero: OwnedFd,
    null: OwnedFd,
}

impl ReadWrite {
    pub(crate) fn new() -> Result<Self> {
        let zero = File::open("/dev/zero").context("cannot open /dev/zero")?.into();
        let null = File::options().write(true).open("/dev/null");
        Ok(Self { zero, null: null.context("cannot open /dev/null")?.into() })
    }
}

impl Cycle for ReadWrite {
    const CALLS: &'static Calls = &[("read", 1), ("write", 1)];

    #[inline]
    fn run(&mut self, number: u64) -> Result<(), Failed> {
        let zero = raw::read_byte(self.zero.as_raw_fd())?;
        raw::write_byte(self.null.as_raw_fd(), zero.wrapping_add(number as u8))
    }
}

/// `rename` of a file to its name with the next number.
pub(crate) struct Rename {
    now: Numbered,
    next: Numbered,
}

impl Rename {
    /// Makes the file, which gets names in a folder that begin with the thread's number.
    pub(crate) fn new(folder: &Path, thread: u64) -> Result<Self> {
        let prefix = folder.join(format!("{thread}."));
        let mut now = Numbered::after(path::absolute(prefix)?.as_os_str().as_bytes());
        let next = now.clone();
        // A number that no cycle has.
        now.set(crate::number::MAX_CYCLES);
        let name = Path::new(OsStr::from_bytes(now.as_c_str().to_bytes()));
        File::create(name).with_context(|| format!("cannot make {}", name.display()))?;
        Ok(Self { now, next })
    }
}

impl Cycle for Rename {
    const CALLS: &'static Calls = &[("rename", 1)];

    #[inline]
    fn run(&mut self, number: u64) -> Result<(), Failed> {
        self.next.set(number);
        raw::rename(self.now.as_c_str(), self.next.as_c_str())?;
        self.now.set(number);
        Ok(())
    }
}

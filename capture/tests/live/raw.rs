//! Raw system calls of a live test, each with the frame that it gives.

use std::{
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

use event::{EventType, Frame, FrameHeader};

use super::{Live, call::raw, tid};

/// `ENOSYS`.
const NOT_HERE: i64 = -38;

/// The address of something that a call reads or writes.
pub(crate) fn at<T: ?Sized>(what: &T) -> u64 {
    std::ptr::from_ref(what).cast::<u8>() as u64
}

/// Makes a call; gives its result or the negative errno.
pub(crate) fn call(nr: libc::c_long, args: &[u64]) -> i64 {
    let six: [i64; 6] = std::array::from_fn(|n| args.get(n).copied().unwrap_or(0).cast_signed());
    raw(nr, &six)
}

/// A call that was made, and what was captured of it.
pub(crate) struct Made {
    pub(crate) res: i64,
    bytes: Vec<u8>,
}

impl Made {
    pub(crate) fn frame(&self) -> Frame<'_> {
        Frame::parse(&self.bytes).unwrap()
    }

    pub(crate) fn header(&self) -> FrameHeader {
        *self.frame().header()
    }

    /// A signed number of eight bytes.
    pub(crate) fn i64(&self, n: usize) -> i64 {
        self.frame().param_i64(n).unwrap()
    }

    /// An unsigned number of whatever width.
    pub(crate) fn number(&self, n: usize) -> u64 {
        let frame = self.frame();
        let bytes = frame.param(n).unwrap();
        assert!(matches!(bytes.len(), 1 | 2 | 4 | 8), "parameter {n}: {bytes:?}");
        bytes.iter().rev().fold(0, |v, &b| v << 8 | u64::from(b))
    }

    pub(crate) fn bytes(&self, n: usize) -> Vec<u8> {
        self.frame().param(n).unwrap().to_vec()
    }

    pub(crate) fn text(&self, n: usize) -> String {
        super::text(&self.frame(), n)
    }

    /// The kernel's name of the descriptor.
    pub(crate) fn file(&self) -> String {
        let frame = self.frame();
        let file = frame.trailer().file().expect("the file of the descriptor");
        String::from_utf8_lossy(file.path).into_owned()
    }
}

impl Live {
    /// Makes a call and waits for its frame, which must be this thread's and carry the result.
    pub(crate) fn made(&mut self, ty: EventType, nr: libc::c_long, args: &[u64]) -> Made {
        let res = call(nr, args);
        self.taken(ty, tid(), res)
    }

    /// The frame of a call that a thread of this process made.
    fn taken(&mut self, ty: EventType, tid: u32, res: i64) -> Made {
        let made = self.taken_of(ty, tid, &[res]);
        assert_eq!(made.header().tgid, std::process::id());
        made
    }

    /// The frame of a call that some thread made, with one of some results.
    pub(crate) fn taken_of(&mut self, ty: EventType, tid: u32, results: &[i64]) -> Made {
        let bytes = self.wait(ty.name(), |f| {
            f.event_type() == ty
                && f.header().tid == tid
                && f.param_i64(0).is_some_and(|res| results.contains(&res))
        });
        let res = Frame::parse(&bytes).unwrap().param_i64(0).unwrap();
        Made { res, bytes }
    }

    /// The same, for a call that must fail with one of some errors. Gives the call's frame, of whichever error: a kernel without the call
    /// is said so.
    pub(crate) fn failing(
        &mut self,
        ty: EventType,
        nr: libc::c_long,
        args: &[u64],
        errno: i32,
    ) -> Made {
        let made = self.made(ty, nr, args);
        if made.res == NOT_HERE {
            eprintln!("skipped: {}: not in this kernel, error {errno} is not seen", ty.name());
        } else {
            assert_eq!(made.res, -i64::from(errno), "{}", ty.name());
        }
        made
    }
}

/// Makes calls in a child of its own between fork and exec, where there is one thread; gives its id when it has ended.
pub(crate) fn in_child(calls: Vec<(libc::c_long, Vec<u64>)>) -> u32 {
    let mut child = Command::new("true");
    // SAFETY: between fork and exec the closure makes system calls and nothing else; `calls` was made before.
    unsafe {
        child.pre_exec(move || {
            for (nr, args) in &calls {
                call(*nr, args);
            }
            Ok(())
        });
    }
    let mut child = child.spawn().unwrap();
    child.wait().unwrap();
    child.id()
}

/// Whether a call did not work because the kernel lacks it or forbids it; says so.
pub(crate) fn is_absent(made: &Made, ty: EventType) -> bool {
    if made.res >= 0 {
        return false;
    }
    eprintln!("skipped: {}: success is not seen here, error {}", ty.name(), -made.res);
    true
}

/// A child that waits for its end, and finds it when the test is over.
pub(crate) struct Waiting(Child);

impl Waiting {
    pub(crate) fn start() -> Self {
        let child = Command::new("sleep").arg("60").stdout(Stdio::null()).spawn();
        Self(child.expect("sleep"))
    }

    pub(crate) fn pid(&self) -> u64 {
        u64::from(self.0.id())
    }

    /// Bounds of its stack.
    pub(crate) fn stack(&self) -> (u64, u64) {
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", self.pid())).unwrap();
        let line = maps.lines().find(|l| l.ends_with("[stack]")).unwrap();
        let (start, rest) = line.split_once('-').unwrap();
        let end = rest.split(' ').next().unwrap();
        let hex = |text| u64::from_str_radix(text, 16).unwrap();
        (hex(start), hex(end))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

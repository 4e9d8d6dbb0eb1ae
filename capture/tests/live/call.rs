//! One call, made by number, and everything that its event must say.

use std::{ffi::CString, os::unix::fs::MetadataExt, path::Path};

use event::{EventType, FileFacts, Frame, flags};

use super::Live;

/// `-ENOSYS`.
const NO_SUCH_CALL: i64 = -38;

/// An argument.
#[derive(Clone, Copy)]
pub(crate) enum Arg<'a> {
    Number(i64),
    Text(&'a str),
    /// An address that cannot be read.
    Bad,
}

/// A parameter behind the result.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Param<'a> {
    I64(i64),
    U32(u32),
    Text(&'a str),
    /// Nothing was there to read.
    Empty,
    /// It could not be read, and the frame says so.
    Faulted,
}

/// A section that the trailer must have, with the path in it; what is not named must not be there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Section<'a> {
    File(&'a Path),
    Dir(&'a Path),
    Dir2(&'a Path),
}

/// A call and its event.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) ty: EventType,
    pub(crate) nr: i64,
}

/// The result of a call, negative where it is an errno.
pub(crate) fn raw(nr: i64, args: &[i64]) -> i64 {
    let mut six = [0; 6];
    six[..args.len()].copy_from_slice(args);
    // SAFETY: callers pass numbers, and addresses of what they own and keep.
    let r = unsafe { libc::syscall(nr, six[0], six[1], six[2], six[3], six[4], six[5]) };
    if r < 0 { -i64::from(std::io::Error::last_os_error().raw_os_error().unwrap()) } else { r }
}

/// This thread's id, also where `/proc` is out of reach.
pub(crate) fn gettid() -> u32 {
    u32::try_from(raw(libc::SYS_gettid, &[])).unwrap()
}

/// Makes a call with texts among its arguments.
pub(crate) fn make(nr: i64, args: &[Arg<'_>]) -> i64 {
    let texts: Vec<Option<CString>> = args
        .iter()
        .map(|arg| if let Arg::Text(t) = arg { Some(CString::new(*t).unwrap()) } else { None })
        .collect();
    let numbers: Vec<i64> = args
        .iter()
        .zip(&texts)
        .map(|(arg, text)| match (arg, text) {
            (Arg::Number(n), _) => *n,
            (_, Some(text)) => text.as_ptr() as i64,
            _ => 8,
        })
        .collect();
    raw(nr, &numbers)
}

impl Call {
    /// Makes the call and holds its event to what is given; false where this kernel lacks the call.
    #[track_caller]
    pub(crate) fn check(
        &self,
        live: &mut Live,
        args: &[Arg<'_>],
        res: i64,
        params: &[Param<'_>],
        sections: &[Section<'_>],
    ) -> bool {
        let Self { name, ty, nr } = *self;
        live.drain();
        live.frames.clear();
        let got = make(nr, args);
        if got == NO_SUCH_CALL {
            eprintln!("skipped: {name}: this kernel lacks the call");
            return false;
        }
        assert_eq!(got, res, "{name} itself");
        let me = gettid();
        let bytes = live.wait(name, |f| f.event_type() == ty && f.header().tid == me);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!(frame.header().tgid, std::process::id(), "{name}");
        hold(name, &frame, res, params, sections);
        true
    }
}

/// Holds an event to what is given.
#[track_caller]
pub(crate) fn hold(
    name: &str,
    frame: &Frame<'_>,
    res: i64,
    params: &[Param<'_>],
    sections: &[Section<'_>],
) {
    assert_eq!(frame.param_i64(0), Some(res), "{name}: result");
    assert_eq!(frame.n_params(), 1 + params.len(), "{name}: parameters");
    for (n, param) in (1..).zip(params) {
        let fits = match *param {
            Param::I64(v) => frame.param_i64(n) == Some(v),
            Param::U32(v) => frame.param_u32(n) == Some(v),
            Param::Text(t) => frame.param(n) == Some([t.as_bytes(), b"\0"].concat().as_slice()),
            Param::Empty | Param::Faulted => frame.param(n) == Some(b"".as_slice()),
        };
        assert!(fits, "{name}: parameter {n} is {:?}, not {param:?}", frame.param(n));
    }
    let faulted = params.iter().any(|p| matches!(p, Param::Faulted));
    assert_eq!(frame.has(flags::FAULTED), faulted, "{name}: whether it says that it faulted");
    check_sections(name, frame, sections);
}

/// A section's path, and its device and inode where the path leads to something.
#[track_caller]
fn check_section(what: &str, facts: Option<FileFacts<'_>>, wanted: Option<&Path>) {
    let path = facts.map(|f| String::from_utf8_lossy(f.path).into_owned());
    assert_eq!(path.as_deref(), wanted.map(|p| p.to_str().unwrap()), "{what}");
    if let (Some(facts), Some(Ok(meta))) = (facts, wanted.map(std::fs::metadata)) {
        let identity = (facts.ino, u64::from(facts.dev));
        assert_eq!(identity, (meta.ino(), meta.dev()), "{what}: inode and device");
    }
}

#[track_caller]
fn check_sections(name: &str, frame: &Frame<'_>, sections: &[Section<'_>]) {
    let (mut file, mut dir, mut dir2) = (None, None, None);
    for section in sections {
        match *section {
            Section::File(path) => file = Some(path),
            Section::Dir(path) => dir = Some(path),
            Section::Dir2(path) => dir2 = Some(path),
        }
    }
    let trailer = frame.trailer();
    check_section(&format!("{name}: file"), trailer.file(), file);
    check_section(&format!("{name}: directory"), trailer.dir(), dir);
    check_section(&format!("{name}: second directory"), trailer.dir2(), dir2);
}

/// Runs a test in a thread with a working directory and a root of its own: a new directory, which it is handed.
pub(crate) fn in_own_directory(types: &[EventType], test: impl FnOnce(&Path, &mut Live) + Send) {
    if !super::can_run() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap();
    let run = || {
        assert_eq!(raw(libc::SYS_unshare, &[i64::from(libc::CLONE_FS)]), 0);
        std::env::set_current_dir(&path).unwrap();
        let mut live = Live::start(types).expect("it can run");
        test(&path, &mut live);
        live.finish();
    };
    std::thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|panic| {
        std::panic::resume_unwind(panic);
    });
}

/// Runs something while this thread, and no other, is nobody.
pub(crate) fn unprivileged(run: impl FnOnce()) {
    assert_eq!(raw(libc::SYS_setresuid, &[-1, 65_534, -1]), 0);
    run();
    assert_eq!(raw(libc::SYS_setresuid, &[-1, 0, -1]), 0);
}

//! Calls that make, copy and close descriptors, on the running kernel: made raw, so that a library's choice of call does not matter.

mod live;

use std::{
    fs::File,
    os::fd::{AsRawFd, RawFd},
    sync::{Mutex, MutexGuard, PoisonError},
};

use event::{EventType, FileKind, Frame};
use live::{Live, tid};

const CLOEXEC: i64 = 0o2_000_000;
const NONBLOCK: i64 = 0o4000;
const PPM_O_CLOEXEC: u64 = 0x1000;
const PPM_O_NONBLOCK: u64 = 0x40;
const PPM_O_DIRECT: u64 = 0x200;
/// A signal set with no signal in it.
static NO_SIGNALS: u64 = 0;
const SIGNALS_LEN: i64 = 8;

/// One test at a time: they lower the limit of descriptors and use numbers of descriptors that they chose.
static ALONE: Mutex<()> = Mutex::new(());

fn start(types: &[EventType]) -> Option<(MutexGuard<'static, ()>, Live)> {
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    Some((alone, Live::start(types)?))
}

/// The result, negative where it is an errno.
fn raw(nr: i64, args: [i64; 4]) -> i64 {
    // SAFETY: every caller passes descriptors, flags and addresses of its own live variables.
    let r = unsafe { libc::syscall(nr, args[0], args[1], args[2], args[3]) };
    if r < 0 { -i64::from(std::io::Error::last_os_error().raw_os_error().unwrap()) } else { r }
}

fn close(fd: i64) {
    assert_eq!(raw(libc::SYS_close, [fd, 0, 0, 0]), 0);
}

fn of(ty: EventType, res: i64) -> impl Fn(&Frame<'_>) -> bool {
    move |f| f.event_type() == ty && f.header().tid == tid() && f.param_i64(0) == Some(res)
}

/// A parameter as a number, whatever its width.
fn number(frame: &Frame<'_>, n: usize) -> u64 {
    let mut wide = [0; 8];
    let bytes = frame.param(n).unwrap();
    wide[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(wide)
}

fn numbers(frame: &Frame<'_>) -> Vec<u64> {
    (1..frame.n_params()).map(|n| number(frame, n)).collect()
}

/// A call, the parameters it gives beside the result, and what the descriptor it returns is.
struct Case {
    nr: i64,
    ty: EventType,
    args: [i64; 4],
    params: Vec<u64>,
    made: Option<&'static str>,
}

/// Makes the call, wants the result, and checks its frame. False where this kernel lacks the call.
fn check(live: &mut Live, case: &Case, want: Result<(), i32>) -> bool {
    let res = raw(case.nr, case.args);
    let name = case.ty.info().unwrap().name;
    if res == -i64::from(libc::ENOSYS) {
        eprintln!("skipped: {name}: this kernel lacks it");
        return false;
    }
    match want {
        Ok(()) => assert!(res >= 0, "{name} gave {res}"),
        Err(errno) => assert_eq!(res, -i64::from(errno), "{name}"),
    }
    let bytes = live.wait(name, of(case.ty, res));
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(frame.header().tgid, std::process::id());
    assert_eq!(numbers(&frame), case.params, "{name}");
    let file = frame.trailer().file();
    assert_eq!(file.map(|f| String::from_utf8_lossy(f.path).into_owned()).as_deref(), case.made);
    if res > 2 {
        close(res);
    }
    true
}

/// A descriptor that is none, as a parameter.
const NO_FD: i64 = 9999;
const MINUS_1: u64 = u64::MAX;

/// Call, event, arguments, parameters beside the result, name of what is made, outcome.
type Row<'a> = (i64, EventType, [i64; 4], &'a [u64], &'static str, Result<(), i32>);

#[test]
fn calls_that_make_an_anonymous_inode() {
    let types = [
        EventType::EVENTFD_X,
        EventType::EVENTFD2_X,
        EventType::EPOLL_CREATE_X,
        EventType::EPOLL_CREATE1_X,
        EventType::INOTIFY_INIT_X,
        EventType::INOTIFY_INIT1_X,
        EventType::SIGNALFD_X,
        EventType::SIGNALFD4_X,
        EventType::TIMERFD_CREATE_X,
    ];
    let Some((_alone, mut live)) = start(&types) else { return };
    assert_eq!(live.probe.report().refused, []);
    let mask = (&raw const NO_SIGNALS) as i64;
    let both = CLOEXEC | NONBLOCK;
    let both_ppm = PPM_O_CLOEXEC | PPM_O_NONBLOCK;
    let huge = 0xffff_fff0_u64;
    let no_fd = NO_FD as u64;
    let null = 0;
    let ok = Ok(());
    let rows: &[Row<'_>] = &[
        (libc::SYS_eventfd, types[0], [huge as i64, 0, 0, 0], &[huge, 0], "[eventfd]", ok),
        (libc::SYS_eventfd2, types[1], [7, both, 0, 0], &[both_ppm, 7], "[eventfd]", ok),
        (libc::SYS_eventfd2, types[1], [7, 0x4000_0000, 0, 0], &[0, 7], "", Err(libc::EINVAL)),
        (libc::SYS_epoll_create, types[2], [5, 0, 0, 0], &[5], "[eventpoll]", ok),
        (libc::SYS_epoll_create, types[2], [0, 0, 0, 0], &[0], "", Err(libc::EINVAL)),
        (libc::SYS_epoll_create1, types[3], [CLOEXEC, 0, 0, 0], &[1], "[eventpoll]", ok),
        (libc::SYS_epoll_create1, types[3], [1, 0, 0, 0], &[0], "", Err(libc::EINVAL)),
        (libc::SYS_inotify_init, types[4], [0; 4], &[0], "inotify", ok),
        (libc::SYS_inotify_init1, types[5], [both, 0, 0, 0], &[both_ppm], "inotify", ok),
        (libc::SYS_inotify_init1, types[5], [1, 0, 0, 0], &[0], "", Err(libc::EINVAL)),
        (
            libc::SYS_signalfd,
            types[6],
            [-1, mask, SIGNALS_LEN, 0],
            &[MINUS_1, 0, 0],
            "[signalfd]",
            ok,
        ),
        (
            libc::SYS_signalfd,
            types[6],
            [NO_FD, mask, SIGNALS_LEN, 0],
            &[no_fd, 0, 0],
            "",
            Err(libc::EBADF),
        ),
        (libc::SYS_signalfd, types[6], [-1, mask, 3, 0], &[MINUS_1, 0, 0], "", Err(libc::EINVAL)),
        (
            libc::SYS_signalfd4,
            types[7],
            [-1, mask, SIGNALS_LEN, both],
            &[both_ppm, MINUS_1, 0],
            "[signalfd]",
            ok,
        ),
        (
            libc::SYS_signalfd4,
            types[7],
            [NO_FD, mask, SIGNALS_LEN, 0],
            &[0, no_fd, 0],
            "",
            Err(libc::EBADF),
        ),
        (
            libc::SYS_signalfd4,
            types[7],
            [-1, null, SIGNALS_LEN, CLOEXEC],
            &[PPM_O_CLOEXEC, MINUS_1, 0],
            "",
            Err(libc::EFAULT),
        ),
        (libc::SYS_timerfd_create, types[8], [1, CLOEXEC, 0, 0], &[0, 0], "[timerfd]", ok),
        (libc::SYS_timerfd_create, types[8], [77, 0, 0, 0], &[0, 0], "", Err(libc::EINVAL)),
    ];
    for &(nr, ty, args, params, made, want) in rows {
        let made = (!made.is_empty()).then_some(made);
        check(&mut live, &Case { nr, ty, args, params: params.to_vec(), made }, want);
    }
    live.finish();
}

/// Where the limit of open descriptors is met.
fn at_the_limit(act: impl FnOnce()) {
    let mut old = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both point to live structures.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut old), 0);
        let low = libc::rlimit { rlim_cur: 0, ..old };
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const low), 0);
        act();
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const old), 0);
    }
}

const COPIES: [EventType; 3] = [EventType::DUP_1_X, EventType::DUP2_X, EventType::DUP3_X];

#[test]
fn copies_name_the_file() {
    let Some((_alone, mut live)) = start(&COPIES) else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap().join("copied");
    let path = path.to_str().unwrap().to_owned();
    let name: &'static str = path.clone().leak();
    let file = File::create(&path).unwrap();
    let fd = i64::from(file.as_raw_fd());
    let other = File::open("/dev/null").unwrap();
    let target = i64::from(other.as_raw_fd());
    let (u_fd, u_target) = (fd as u64, target as u64);
    let case = |nr, ty, args: [i64; 4], params: &[u64], made| Case {
        nr,
        ty,
        args,
        params: params.to_vec(),
        made,
    };
    let [dup, dup2, dup3] = COPIES;
    let no_fd = NO_FD as u64;
    let made = Some(name);
    check(&mut live, &case(libc::SYS_dup, dup, [fd, 0, 0, 0], &[u_fd], made), Ok(()));
    let bad = case(libc::SYS_dup, dup, [NO_FD, 0, 0, 0], &[no_fd], None);
    check(&mut live, &bad, Err(libc::EBADF));
    let bad = case(libc::SYS_dup, dup, [fd, 0, 0, 0], &[u_fd], None);
    let mut n = None;
    at_the_limit(|| n = Some(raw(bad.nr, bad.args)));
    assert_eq!(n, Some(-i64::from(libc::EMFILE)));
    live.wait("dup at the limit", of(dup, -i64::from(libc::EMFILE)));

    // The copies are closed by `check`, and with them the place of `other`.
    std::mem::forget(other);
    let case2 = case(libc::SYS_dup2, dup2, [fd, target, 0, 0], &[u_fd, u_target], made);
    check(&mut live, &case2, Ok(()));
    for (from, to) in [(NO_FD, target), (fd, -1)] {
        let args = [from, to, 0, 0];
        let bad = case(libc::SYS_dup2, dup2, args, &[from as u64, to as u64], None);
        check(&mut live, &bad, Err(libc::EBADF));
    }
    let args = [fd, target, CLOEXEC, 0];
    let params = [u_fd, u_target, PPM_O_CLOEXEC];
    check(&mut live, &case(libc::SYS_dup3, dup3, args, &params, made), Ok(()));
    let same = case(libc::SYS_dup3, dup3, [fd, fd, 0, 0], &[u_fd, u_fd, 0], None);
    check(&mut live, &same, Err(libc::EINVAL));
    let bad = case(libc::SYS_dup3, dup3, [NO_FD, target, 0, 0], &[no_fd, u_target, 0], None);
    check(&mut live, &bad, Err(libc::EBADF));
    live.finish();
}

#[test]
fn a_socket_put_in_the_place_of_another_descriptor_is_known_as_one() {
    let Some((_alone, mut live)) = start(&COPIES) else { return };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = File::open("/dev/null").unwrap();
    let (fd, to) = (i64::from(listener.as_raw_fd()), i64::from(place.as_raw_fd()));
    assert_eq!(raw(libc::SYS_dup2, [fd, to, 0, 0]), to);
    let bytes = live.wait("dup2", of(EventType::DUP2_X, to));
    let frame = Frame::parse(&bytes).unwrap();
    let sock = frame.trailer().sock().unwrap();
    assert_eq!(sock.local_port, listener.local_addr().unwrap().port());
    live.finish();
}

fn inode(fd: RawFd) -> u64 {
    let link = std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
    let text = link.to_str().unwrap().to_owned();
    text.trim_start_matches("pipe:[").trim_end_matches(']').parse().unwrap()
}

#[test]
fn pipes_have_both_ends() {
    let Some((_alone, mut live)) = start(&[EventType::PIPE_X, EventType::PIPE2_X]) else { return };
    for (nr, ty, flags, ppm) in [
        (libc::SYS_pipe, EventType::PIPE_X, 0, None),
        (
            libc::SYS_pipe2,
            EventType::PIPE2_X,
            CLOEXEC | NONBLOCK | 0o40000,
            Some(PPM_O_CLOEXEC | PPM_O_NONBLOCK | PPM_O_DIRECT),
        ),
    ] {
        let mut fds = [0i32; 2];
        assert_eq!(raw(nr, [(&raw mut fds) as i64, flags, 0, 0]), 0);
        let bytes = live.wait("pipe", of(ty, 0));
        let frame = Frame::parse(&bytes).unwrap();
        let ino = inode(fds[0]);
        let mut want = vec![fds[0] as u64, fds[1] as u64, ino];
        want.extend(ppm);
        assert_eq!(numbers(&frame), want);
        let file = frame.trailer().file().unwrap();
        assert_eq!((file.kind, file.ino), (FileKind::Fifo, ino));
        for fd in fds {
            close(i64::from(fd));
        }

        let errors = [(0, 0, libc::EFAULT), ((&raw mut fds) as i64, 1 << 30, libc::EINVAL)];
        for (at, flags, errno) in errors {
            if nr == libc::SYS_pipe && flags != 0 {
                continue;
            }
            assert_eq!(raw(nr, [at, flags, 0, 0]), -i64::from(errno));
            let bytes = live.wait("failing pipe", of(ty, -i64::from(errno)));
            let frame = Frame::parse(&bytes).unwrap();
            assert_eq!(numbers(&frame)[..3], [MINUS_1, MINUS_1, 0]);
            assert!(frame.trailer().file().is_none());
        }
        at_the_limit(|| {
            let res = raw(nr, [(&raw mut fds) as i64, 0, 0, 0]);
            assert_eq!(res, -i64::from(libc::EMFILE));
        });
        live.wait("pipe at the limit", of(ty, -i64::from(libc::EMFILE)));
    }
    live.finish();
}

#[test]
fn fcntl_says_what_was_asked_of_which_file() {
    let Some((_alone, mut live)) = start(&[EventType::FCNTL_X]) else { return };
    let file = File::open("/etc/hostname").unwrap();
    let fd = i64::from(file.as_raw_fd());
    let mut lock = libc::flock { l_type: 0, l_whence: 0, l_start: 0, l_len: 1, l_pid: 0 };
    let lock_at = (&raw mut lock) as i64;
    let name = std::fs::canonicalize("/etc/hostname").unwrap();
    let name = name.to_str().unwrap();
    for (fd, cmd, arg, ppm, want) in [
        (fd, libc::F_DUPFD, 100, 0x1, Ok(())),
        (fd, libc::F_DUPFD_CLOEXEC, 100, 0x1a, Ok(())),
        (fd, libc::F_SETFD, 1, 0x3, Ok(())),
        (fd, libc::F_GETLK, lock_at, 0x6, Ok(())),
        (fd, libc::F_OFD_GETLK, lock_at, 0x1e, Ok(())),
        (fd, 4242, 0, 0, Err(libc::EINVAL)),
        (NO_FD, libc::F_GETFL, 0, 0x4, Err(libc::EBADF)),
        (fd, libc::F_GETLK, 0, 0x6, Err(libc::EFAULT)),
    ] {
        let res = raw(libc::SYS_fcntl, [fd, i64::from(cmd), arg, 0]);
        assert_eq!(res.min(0), want.err().map_or(0, |e| -i64::from(e)), "cmd {cmd}");
        let bytes = live.wait("fcntl", of(EventType::FCNTL_X, res));
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!(numbers(&frame), [fd as u64, ppm, arg as u64]);
        let path = frame.trailer().file().map(|f| String::from_utf8_lossy(f.path).into_owned());
        assert_eq!(path.as_deref(), (fd != NO_FD).then_some(name));
        if res > 2 {
            close(res);
        }
    }
    live.finish();
}

#[test]
fn closes_say_what_they_returned() {
    let types = [EventType::CLOSE_X, EventType::CLOSE_RANGE_X];
    let Some((_alone, mut live)) = start(&types) else { return };
    let fd = raw(libc::SYS_dup, [0, 0, 0, 0]);
    close(fd);
    let closed = |f: &Frame<'_>| of(EventType::CLOSE_X, 0)(f) && f.param_i64(1) == Some(fd);
    let bytes = live.wait("close", closed);
    assert_eq!(Frame::parse(&bytes).unwrap().n_params(), 2);
    for bad in [NO_FD, -1] {
        let res = raw(libc::SYS_close, [bad, 0, 0, 0]);
        assert_eq!(res, -i64::from(libc::EBADF));
        let bytes = live.wait("failing close", of(EventType::CLOSE_X, res));
        assert_eq!(Frame::parse(&bytes).unwrap().param_i64(1), Some(bad));
    }
    let high = raw(libc::SYS_fcntl, [0, i64::from(libc::F_DUPFD), 900, 0]);
    let range = libc::SYS_close_range;
    for (first, last, flags, want) in [
        (high, high + 5, 4, 0),
        (high, high, 0, 0),
        (high, high - 1, 0, -i64::from(libc::EINVAL)),
        (high, high, 1 << 20, -i64::from(libc::EINVAL)),
    ] {
        let res = raw(range, [first, last, flags, 0]);
        if res == -i64::from(libc::ENOSYS) {
            eprintln!("skipped: close_range: this kernel lacks it");
            break;
        }
        assert_eq!(res, want);
        let bytes = live.wait("close_range", of(EventType::CLOSE_RANGE_X, res));
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!(numbers(&frame), [first as u64, last as u64, flags as u64 & 6]);
    }
    live.finish();
}

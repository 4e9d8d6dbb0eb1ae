//! Plain reading and writing on the running kernel: what was moved, cut to the snap length, and through which file.

#[path = "live/calls.rs"]
mod calls;
mod live;

use std::{
    fs::{self, File},
    io::{IoSlice, Read, Write},
    os::{
        fd::{AsRawFd, RawFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
};

use calls::{address, call, fd};
use capture::{Asked, ProbeOptions};
use event::{EventSet, EventType, FileKind, Frame, flags};
use live::{Live, tid};

const EBADF: i64 = -9;
const EAGAIN: i64 = -11;
const EFAULT: i64 = -14;
const EINVAL: i64 = -22;
const EPIPE: i64 = -32;
/// Nothing is mapped here.
const NOWHERE: u64 = 8;
const NO_FD: RawFd = -1;
const TEXT: &[u8] = b"the quick brown fox jumps over the lazy dog";

/// A file with `TEXT` in it.
fn file_of_text() -> (tempfile::TempDir, PathBuf, File) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap().join("text");
    fs::write(&path, TEXT).unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    (dir, path, file)
}

fn start(ty: EventType, snaplen: usize) -> Option<Live> {
    let interest: EventSet = [ty].into_iter().collect();
    let asked = Asked { snaplen, ..Asked::default() };
    let live = Live::with(ProbeOptions { interest, asked, ..ProbeOptions::default() })?;
    assert_eq!(live.probe.report().refused, []);
    Some(live)
}

/// The frame of a call of this thread with this result on this descriptor.
fn frame_of(live: &mut Live, ty: EventType, at: usize, n: RawFd, res: i64) -> Vec<u8> {
    let me = tid();
    live.wait(&format!("{ty:?} with result {res}"), |f| {
        f.event_type() == ty
            && f.header().tid == me
            && f.param_i64(0) == Some(res)
            && f.param_i64(at) == Some(i64::from(n))
    })
}

fn check_file(frame: &Frame<'_>, path: &std::path::Path) {
    let facts = frame.trailer().file().unwrap();
    assert_eq!(String::from_utf8_lossy(facts.path), path.to_str().unwrap());
    assert_eq!(facts.kind, FileKind::Regular);
}

#[test]
fn read_has_what_was_read() {
    let ty = EventType::READ_X;
    let Some(mut live) = start(ty, 16) else { return };
    let (_dir, path, mut file) = file_of_text();
    let n = file.as_raw_fd();
    let mut buffer = [0; 100];
    assert_eq!(file.read(&mut buffer).unwrap(), TEXT.len());
    let res = i64::try_from(TEXT.len()).unwrap();
    let bytes = frame_of(&mut live, ty, 2, n, res);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!((frame.param(1), frame.param_u32(3)), (Some(&TEXT[..16]), Some(100)));
    check_file(&frame, &path);
    // At the end: nothing.
    assert_eq!(file.read(&mut buffer).unwrap(), 0);
    let bytes = frame_of(&mut live, ty, 2, n, 0);
    assert_eq!(Frame::parse(&bytes).unwrap().param(1), Some(&[][..]));

    assert_eq!(call(libc::SYS_read, [fd(NO_FD), address(&buffer), 5]), EBADF);
    let bytes = frame_of(&mut live, ty, 2, NO_FD, EBADF);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!((frame.param(1), frame.param_u32(3)), (Some(&[][..]), Some(5)));
    assert!(frame.trailer().file().is_none());
    let (idle, _other) = UnixStream::pair().unwrap();
    idle.set_nonblocking(true).unwrap();
    assert_eq!(call(libc::SYS_read, [fd(idle.as_raw_fd()), address(&buffer), 5]), EAGAIN);
    let bytes = frame_of(&mut live, ty, 2, idle.as_raw_fd(), EAGAIN);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(frame.trailer().sock().unwrap().family, 1);
    live.finish();
}

#[test]
fn write_has_what_was_passed() {
    let ty = EventType::WRITE_X;
    let Some(mut live) = start(ty, 16) else { return };
    let (_dir, path, mut file) = file_of_text();
    let n = file.as_raw_fd();
    assert_eq!(file.write(TEXT).unwrap(), TEXT.len());
    let res = i64::try_from(TEXT.len()).unwrap();
    let bytes = frame_of(&mut live, ty, 2, n, res);
    let frame = Frame::parse(&bytes).unwrap();
    let size = u32::try_from(TEXT.len()).unwrap();
    assert_eq!((frame.param(1), frame.param_u32(3)), (Some(&TEXT[..16]), Some(size)));
    check_file(&frame, &path);

    // A failing write still says what it wanted to write.
    let (mine, other) = UnixStream::pair().unwrap();
    drop(other);
    assert_eq!(call(libc::SYS_write, [fd(mine.as_raw_fd()), address(b"hello"), 5]), EPIPE);
    let bytes = frame_of(&mut live, ty, 2, mine.as_raw_fd(), EPIPE);
    assert_eq!(Frame::parse(&bytes).unwrap().param(1), Some(&b"hello"[..]));
    assert_eq!(call(libc::SYS_write, [fd(n), NOWHERE, 5]), EFAULT);
    let bytes = frame_of(&mut live, ty, 2, n, EFAULT);
    let frame = Frame::parse(&bytes).unwrap();
    assert!(frame.has(flags::FAULTED));
    assert_eq!((frame.param(1), frame.param_u32(3)), (Some(&[][..]), Some(5)));
    live.finish();
}

#[test]
fn pread_and_pwrite_have_the_position() {
    let Some(mut live) = start(EventType::PREAD_X, 80) else { return };
    let (_dir, path, file) = file_of_text();
    let n = file.as_raw_fd();
    let buffer = [0u8; 5];
    assert_eq!(call(libc::SYS_pread64, [fd(n), address(&buffer), 5, 4]), 5);
    let bytes = frame_of(&mut live, EventType::PREAD_X, 2, n, 5);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(frame.param(1), Some(&TEXT[4..9]));
    assert_eq!((frame.param_u32(3), frame.param_u64(4)), (Some(5), Some(4)));
    check_file(&frame, &path);
    for (n, pos, res) in [(NO_FD, 7, EBADF), (n, -1, EINVAL)] {
        let pos = i64::cast_unsigned(pos);
        assert_eq!(call(libc::SYS_pread64, [fd(n), address(&buffer), 5, pos]), res);
        let bytes = frame_of(&mut live, EventType::PREAD_X, 2, n, res);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!((frame.param(1), frame.param_u64(4)), (Some(&[][..]), Some(pos)));
    }
    live.finish();

    let Some(mut live) = start(EventType::PWRITE_X, 3) else { return };
    assert_eq!(call(libc::SYS_pwrite64, [fd(n), address(TEXT), 5, 1 << 20]), 5);
    let bytes = frame_of(&mut live, EventType::PWRITE_X, 2, n, 5);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(frame.param(1), Some(&TEXT[..3]));
    assert_eq!((frame.param_u32(3), frame.param_u64(4)), (Some(5), Some(1 << 20)));
    check_file(&frame, &path);
    for (n, at, res) in [(NO_FD, address(TEXT), EBADF), (n, NOWHERE, EFAULT)] {
        assert_eq!(call(libc::SYS_pwrite64, [fd(n), at, 5, 0]), res);
        let bytes = frame_of(&mut live, EventType::PWRITE_X, 2, n, res);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!(frame.has(flags::FAULTED), at == NOWHERE);
    }
    live.finish();
}

#[test]
fn vectors_are_gathered_and_cut() {
    for (ty, nr) in
        [(EventType::WRITEV_X, libc::SYS_writev), (EventType::PWRITEV_X, libc::SYS_pwritev)]
    {
        let Some(mut live) = start(ty, 12) else { return };
        let (_dir, path, file) = file_of_text();
        let n = file.as_raw_fd();
        let slices = [IoSlice::new(b"one "), IoSlice::new(b"two "), IoSlice::new(b"three")];
        assert_eq!(call(nr, [fd(n), address(&slices), 3, 9, 0]), 13);
        let bytes = frame_of(&mut live, ty, 2, n, 13);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!((frame.param(1), frame.param_u32(3)), (Some(&b"one two thre"[..]), Some(13)));
        if ty == EventType::PWRITEV_X {
            assert_eq!(frame.param_u64(4), Some(9));
        }
        check_file(&frame, &path);
        assert_eq!(call(nr, [fd(NO_FD), address(&slices), 2, 0, 0]), EBADF);
        let bytes = frame_of(&mut live, ty, 2, NO_FD, EBADF);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!((frame.param(1), frame.param_u32(3)), (Some(&b"one two "[..]), Some(8)));
        assert_eq!(call(nr, [fd(n), NOWHERE, 2, 0, 0]), EFAULT);
        let bytes = frame_of(&mut live, ty, 2, n, EFAULT);
        let frame = Frame::parse(&bytes).unwrap();
        assert!(frame.has(flags::FAULTED));
        assert_eq!((frame.param(1), frame.param(3)), (Some(&[][..]), Some(&[][..])));
        live.finish();
    }
}

#[test]
fn vectors_that_were_read_into_are_gathered() {
    for (ty, nr) in [(EventType::READV_X, libc::SYS_readv), (EventType::PREADV_X, libc::SYS_preadv)]
    {
        let Some(mut live) = start(ty, 20) else { return };
        let (_dir, path, file) = file_of_text();
        let n = file.as_raw_fd();
        let parts = [[0u8; 8]; 3];
        let vector: Vec<[u64; 2]> = parts.iter().map(|p| [address(p), 8]).collect();
        assert_eq!(call(nr, [fd(n), address(&vector), 3, 0, 0]), 24);
        let bytes = frame_of(&mut live, ty, 3, n, 24);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!((frame.param_u32(1), frame.param(2)), (Some(24), Some(&TEXT[..20])));
        if ty == EventType::PREADV_X {
            assert_eq!(frame.param_u64(4), Some(0));
        }
        check_file(&frame, &path);
        for (n, at, res) in [(NO_FD, address(&vector), EBADF), (n, NOWHERE, EFAULT)] {
            assert_eq!(call(nr, [fd(n), at, 3, 0, 0]), res);
            let bytes = frame_of(&mut live, ty, 3, n, res);
            let frame = Frame::parse(&bytes).unwrap();
            assert_eq!((frame.param_u32(1), frame.param(2)), (Some(0), Some(&[][..])));
        }
        live.finish();
    }
}

#[test]
fn sendfile_names_the_file_it_writes_to() {
    let ty = EventType::SENDFILE_X;
    let Some(mut live) = start(ty, 80) else { return };
    let (_dir, _path, input) = file_of_text();
    let (_dir, path, output) = file_of_text();
    let (from, to) = (input.as_raw_fd(), output.as_raw_fd());
    let offset = [4u64];
    assert_eq!(call(libc::SYS_sendfile, [fd(to), fd(from), address(&offset), 10]), 10);
    let bytes = frame_of(&mut live, ty, 2, to, 10);
    let frame = Frame::parse(&bytes).unwrap();
    // The position behind what was sent, as the kernel leaves it.
    assert_eq!((frame.param_u64(1), frame.param_u64(4)), (Some(14), Some(10)));
    assert_eq!(frame.param_i64(3), Some(i64::from(from)));
    check_file(&frame, &path);
    assert_eq!(call(libc::SYS_sendfile, [fd(to), fd(NO_FD), 0, 10]), EBADF);
    let bytes = frame_of(&mut live, ty, 2, to, EBADF);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!((frame.param_u64(1), frame.param_i64(3)), (Some(0), Some(-1)));
    assert!(!frame.has(flags::FAULTED));
    assert_eq!(call(libc::SYS_sendfile, [fd(to), fd(from), NOWHERE, 10]), EFAULT);
    let bytes = frame_of(&mut live, ty, 2, to, EFAULT);
    assert!(Frame::parse(&bytes).unwrap().has(flags::FAULTED));
    live.finish();
}

#[test]
fn splice_names_the_file_it_writes_to() {
    let ty = EventType::SPLICE_X;
    let Some(mut live) = start(ty, 80) else { return };
    let (_dir, path, file) = file_of_text();
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"through a pipe").unwrap();
    let (from, to) = (reader.as_raw_fd(), file.as_raw_fd());
    assert_eq!(call(libc::SYS_splice, [fd(from), 0, fd(to), 0, 7, 1 | 4]), 7);
    let bytes = frame_of(&mut live, ty, 1, from, 7);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(frame.param_i64(2), Some(i64::from(to)));
    assert_eq!((frame.param_u64(3), frame.param_u32(4)), (Some(7), Some(5)));
    check_file(&frame, &path);
    for (n, res) in [(to, EINVAL), (NO_FD, EBADF)] {
        assert_eq!(call(libc::SYS_splice, [fd(n), 0, fd(to), 0, 7, 0]), res);
        let bytes = frame_of(&mut live, ty, 1, n, res);
        check_file(&Frame::parse(&bytes).unwrap(), &path);
    }
    live.finish();
}

#[test]
fn copy_file_range_names_the_file_it_reads() {
    let ty = EventType::COPY_FILE_RANGE_X;
    let Some(mut live) = start(ty, 80) else { return };
    let (_dir, path, input) = file_of_text();
    let (_dir, _path, output) = file_of_text();
    let (from, to) = (input.as_raw_fd(), output.as_raw_fd());
    assert_eq!(call(libc::SYS_copy_file_range, [fd(from), 0, fd(to), 0, 9, 0]), 9);
    let bytes = frame_of(&mut live, ty, 3, from, 9);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(frame.param_i64(1), Some(i64::from(to)));
    assert_eq!([2, 4, 5].map(|n| frame.param_u64(n)), [Some(0), Some(0), Some(9)]);
    check_file(&frame, &path);
    for (n, flag, res) in [(NO_FD, 0, EBADF), (from, 0x100, EINVAL)] {
        assert_eq!(call(libc::SYS_copy_file_range, [fd(n), 0, fd(to), 0, 9, flag]), res);
        let bytes = frame_of(&mut live, ty, 3, n, res);
        assert_eq!(Frame::parse(&bytes).unwrap().trailer().file().is_some(), n == from);
    }
    live.finish();
}

#[test]
fn bytes_and_files_that_nobody_asks_for_are_left_out() {
    let interest: EventSet = [EventType::WRITE_X, EventType::WRITEV_X].into_iter().collect();
    let asked =
        Asked { buffers: EventSet::EMPTY, descriptors: EventSet::EMPTY, ..Asked::default() };
    let options = ProbeOptions { interest, asked, ..ProbeOptions::default() };
    let Some(mut live) = Live::with(options) else { return };
    let (_dir, _path, mut file) = file_of_text();
    let n = file.as_raw_fd();
    file.write_all(b"0123456").unwrap();
    assert_eq!(file.write_vectored(&[IoSlice::new(b"01234567")]).unwrap(), 8);
    for (ty, res) in [(EventType::WRITE_X, 7), (EventType::WRITEV_X, 8)] {
        let bytes = frame_of(&mut live, ty, 2, n, res);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!((frame.param(1), frame.param_u32(3)), (Some(&[][..]), u32::try_from(res).ok()));
        assert_eq!(frame.trailer().sections().count(), 0);
    }
    live.finish();
}

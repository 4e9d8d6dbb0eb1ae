//! Files and directories that are looked at or gone through, on the running kernel.

mod live;

use std::{fs, os::fd::AsRawFd, path::Path};

use event::EventType;
use live::{
    Live,
    call::{
        Arg::{self, Bad, Number, Text as Name},
        Call,
        Param::{Faulted, I64, Text, U32},
        Section::{Dir, File},
        in_own_directory,
    },
    raw::at,
};

const ENOENT: i64 = -2;
const EBADF: i64 = -9;
const EFAULT: i64 = -14;
const EINVAL: i64 = -22;

/// Room for what a call writes.
fn room() -> Vec<u64> {
    vec![0; 512]
}

fn number(of: &[u64]) -> Arg<'static> {
    Number(at(of).cast_signed())
}

fn by_name(name: &'static str, ty: EventType, nr: i64) {
    in_own_directory(&[ty], |dir, live| {
        fs::write(dir.join("a"), "x").unwrap();
        let call = Call { name, ty, nr };
        let to = room();
        let to = number(&to);
        call.check(live, &[Name("a"), to], 0, &[Text("a")], &[Dir(dir)]);
        call.check(live, &[Name("/none"), to], ENOENT, &[Text("/none")], &[]);
        call.check(live, &[Bad, to], EFAULT, &[Faulted], &[]);
    });
}

#[test]
fn stat() {
    by_name("stat", EventType::STAT_X, libc::SYS_stat);
}

#[test]
fn lstat() {
    by_name("lstat", EventType::LSTAT_X, libc::SYS_lstat);
}

#[test]
fn newfstatat() {
    const TY: EventType = EventType::NEWFSTATAT_X;
    in_own_directory(&[TY], |dir, live| {
        fs::write(dir.join("a"), "x").unwrap();
        let open = fs::File::open(dir).unwrap();
        let fd = i64::from(open.as_raw_fd());
        let call = Call { name: "newfstatat", ty: TY, nr: libc::SYS_newfstatat };
        let to = room();
        let to = number(&to);
        let flags = i64::from(libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT);
        let params = [I64(fd), Text("a"), U32(0x900)];
        call.check(live, &[Number(fd), Name("a"), to, Number(flags)], 0, &params, &[Dir(dir)]);
        let empty = i64::from(libc::AT_EMPTY_PATH);
        let params = [I64(fd), Text(""), U32(0x1000)];
        call.check(live, &[Number(fd), Name(""), to, Number(empty)], 0, &params, &[Dir(dir)]);
        let params = [I64(-100), Text("none"), U32(0)];
        let args = [Number(-100), Name("none"), to, Number(0)];
        call.check(live, &args, ENOENT, &params, &[Dir(dir)]);
    });
}

#[test]
fn access() {
    const TY: EventType = EventType::ACCESS_X;
    in_own_directory(&[TY], |dir, live| {
        fs::write(dir.join("a"), "x").unwrap();
        let call = Call { name: "access", ty: TY, nr: libc::SYS_access };
        let (all, none) = ([Text("a"), U32(6)], [Text("none"), U32(0)]);
        call.check(live, &[Name("a"), Number(6)], 0, &all, &[Dir(dir)]);
        call.check(live, &[Name("none"), Number(0)], ENOENT, &none, &[Dir(dir)]);
        call.check(live, &[Name("/"), Number(64)], EINVAL, &[Text("/"), U32(0)], &[]);
    });
}

/// Calls whose one parameter is a descriptor.
fn by_descriptor(name: &'static str, ty: EventType, nr: i64) {
    in_own_directory(&[ty], |dir, live| {
        let open = fs::File::open(dir).unwrap();
        let fd = i64::from(open.as_raw_fd());
        let call = Call { name, ty, nr };
        let to = room();
        let (to, len) = (number(&to), Number(8 * 512));
        let some = live::call::make(nr, &[Number(fd), to, len]);
        open_again(fd);
        call.check(live, &[Number(fd), to, len], some, &[I64(fd)], &[File(dir)]);
        call.check(live, &[Number(-7), to, len], EBADF, &[I64(-7)], &[]);
    });
}

/// Back to the start of a directory.
fn open_again(fd: i64) {
    assert_eq!(live::call::raw(libc::SYS_lseek, &[fd, 0, 0]), 0);
}

#[test]
fn fstat() {
    by_descriptor("fstat", EventType::FSTAT_X, libc::SYS_fstat);
}

#[test]
fn getdents() {
    by_descriptor("getdents", EventType::GETDENTS_X, libc::SYS_getdents);
}

#[test]
fn getdents64() {
    by_descriptor("getdents64", EventType::GETDENTS64_X, libc::SYS_getdents64);
}

#[test]
fn getcwd() {
    const TY: EventType = EventType::GETCWD_X;
    in_own_directory(&[TY], |dir, live| {
        let to = room();
        let made = live.made(TY, libc::SYS_getcwd, &[at(&to[..]), 4096]);
        assert_eq!(made.res, dir.to_str().unwrap().len() as i64 + 1);
        assert_eq!(made.text(1), dir.to_str().unwrap());
        let short = live.failing(TY, libc::SYS_getcwd, &[at(&to[..]), 1], libc::ERANGE);
        assert_eq!(short.bytes(1), b"");
        assert!(!short.frame().has(event::flags::FAULTED));
    });
}

#[test]
fn lseek() {
    const TY: EventType = EventType::LSEEK_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let path = Path::new("/proc/self/exe").canonicalize().unwrap();
    let open = fs::File::open(&path).unwrap();
    let fd = open.as_raw_fd().cast_unsigned().into();
    let made = live.made(TY, libc::SYS_lseek, &[fd, 100, 0]);
    assert_eq!((made.res, made.number(1), made.number(2), made.number(3)), (100, fd, 100, 0));
    assert_eq!(made.file(), path.to_str().unwrap());
    let back = live.made(TY, libc::SYS_lseek, &[fd, -60i64 as u64, 1]);
    assert_eq!((back.res, back.i64(2), back.number(3)), (40, -60, 1));
    // SEEK_HOLE has no name in the schema, and is no SEEK_SET.
    assert_eq!(live.made(TY, libc::SYS_lseek, &[fd, 0, 4]).number(3), 4);
    live.failing(TY, libc::SYS_lseek, &[fd, -1i64 as u64, 0], libc::EINVAL);
    live.finish();
}

//! Permissions and owners on the running kernel.

mod live;

use std::{
    fs::{self, File},
    os::fd::AsRawFd,
    path::Path,
};

use event::EventType;
use live::{
    Live,
    call::{
        Arg::{self, Bad, Number},
        Call,
        Param::{Faulted, I64, Text, U32},
        Section::{self, Dir},
        in_own_directory, unprivileged,
    },
};

const AT_FDCWD: i64 = -100;
const NO_FD: i64 = 9999;
const EPERM: i64 = -1;
const ENOENT: i64 = -2;
const EBADF: i64 = -9;
const EFAULT: i64 = -14;
const ENOTDIR: i64 = -20;
const EINVAL: i64 = -22;
/// The owner or the group stays.
const SAME: Arg<'_> = Number(-1);

const fn t(text: &str) -> Arg<'_> {
    Arg::Text(text)
}

/// A test in a directory with a file `sub/file`; both the file and `sub` are open.
fn test(call: Call, body: impl FnOnce(&mut Live, &Call, &Path, i64, i64) + Send) {
    in_own_directory(&[call.ty], |dir, live| {
        fs::create_dir("sub").unwrap();
        let file = File::create("sub/file").unwrap();
        let sub = File::open("sub").unwrap();
        body(live, &call, dir, file.as_raw_fd().into(), sub.as_raw_fd().into());
    });
}

#[test]
fn chmod() {
    let call = Call { name: "chmod", ty: EventType::CHMOD_X, nr: libc::SYS_chmod };
    test(call, |live, call, dir, _, _| {
        let mode = Number(0o4755);
        let name = "sub/file";
        call.check(live, &[t(name), mode], 0, &[Text(name), U32(0o4755)], &[Dir(dir)]);
        let whole = dir.join(name);
        let whole = whole.to_str().unwrap();
        // The type of file, which programs pass along, is none of the permission bits.
        let mode = Number(0o100_600);
        call.check(live, &[t(whole), mode], 0, &[Text(whole), U32(0o600)], &[]);
        call.check(live, &[t("none"), mode], ENOENT, &[Text("none"), U32(0o600)], &[Dir(dir)]);
        let below = "sub/file/x";
        call.check(live, &[t(below), mode], ENOTDIR, &[Text(below), U32(0o600)], &[Dir(dir)]);
        call.check(live, &[Bad, mode], EFAULT, &[Faulted, U32(0o600)], &[]);
    });
}

#[test]
fn fchmod() {
    let call = Call { name: "fchmod", ty: EventType::FCHMOD_X, nr: libc::SYS_fchmod };
    test(call, |live, call, dir, fd, _| {
        let file = dir.join("sub/file");
        let mut check = |fd: i64, mode: u32, res, sections: &[_]| {
            let args = [Number(fd), Number(mode.into())];
            call.check(live, &args, res, &[I64(fd), U32(mode)], sections);
        };
        check(fd, 0o2711, 0, &[Section::File(&file)]);
        check(NO_FD, 0o600, EBADF, &[]);
    });
    // A descriptor of a path is no descriptor for this, and it has a name all the same.
    test(call, |live, call, dir, _, _| {
        let path = fs::canonicalize("sub/file").unwrap();
        let open = [Number(AT_FDCWD), t("sub/file"), Number(i64::from(libc::O_PATH))];
        let fd = live::call::make(libc::SYS_openat, &open);
        assert!(fd >= 0 && path.starts_with(dir));
        let args = [Number(fd), Number(0o600)];
        call.check(live, &args, EBADF, &[I64(fd), U32(0o600)], &[Section::File(&path)]);
        live::call::raw(libc::SYS_close, &[fd]);
    });
}

#[test]
fn fchmodat() {
    let call = Call { name: "fchmodat", ty: EventType::FCHMODAT_X, nr: libc::SYS_fchmodat };
    test(call, |live, call, dir, file, fd| {
        let sub = dir.join("sub");
        let below = sub.join("file");
        let mut check = |at: i64, name, res, sections: &[_]| {
            let args = [Number(at), t(name), Number(0o6777)];
            call.check(live, &args, res, &[I64(at), Text(name), U32(0o6777)], sections);
        };
        check(fd, "file", 0, &[Dir(&sub)]);
        check(AT_FDCWD, "sub/file", 0, &[Dir(dir)]);
        check(fd, "none", ENOENT, &[Dir(&sub)]);
        check(file, "x", ENOTDIR, &[Dir(&below)]);
        check(NO_FD, "file", EBADF, &[]);
    });
}

/// `chown` and `lchown`, which differ in what they do with a symbolic link.
fn check_chown(call: Call) {
    test(call, |live, call, dir, _, _| {
        let name = "sub/file";
        let params = [Text(name), U32(7), U32(u32::MAX)];
        call.check(live, &[t(name), Number(7), SAME], 0, &params, &[Dir(dir)]);
        let params = [Text("none"), U32(u32::MAX), U32(8)];
        call.check(live, &[t("none"), SAME, Number(8)], ENOENT, &params, &[Dir(dir)]);
        let params = [Text("sub/file/x"), U32(0), U32(0)];
        let args = [t("sub/file/x"), Number(0), Number(0)];
        call.check(live, &args, ENOTDIR, &params, &[Dir(dir)]);
        let params = [Faulted, U32(0), U32(0)];
        call.check(live, &[Bad, Number(0), Number(0)], EFAULT, &params, &[]);
    });
}

#[test]
fn chown() {
    check_chown(Call { name: "chown", ty: EventType::CHOWN_X, nr: libc::SYS_chown });
}

#[test]
fn lchown() {
    check_chown(Call { name: "lchown", ty: EventType::LCHOWN_X, nr: libc::SYS_lchown });
}

#[test]
fn fchown() {
    let call = Call { name: "fchown", ty: EventType::FCHOWN_X, nr: libc::SYS_fchown };
    test(call, |live, call, dir, fd, _| {
        let file = dir.join("sub/file");
        let params = [I64(fd), U32(7), U32(u32::MAX)];
        call.check(live, &[Number(fd), Number(7), SAME], 0, &params, &[Section::File(&file)]);
        let params = [I64(NO_FD), U32(7), U32(9)];
        call.check(live, &[Number(NO_FD), Number(7), Number(9)], EBADF, &params, &[]);
        unprivileged(|| {
            let params = [I64(fd), U32(65_534), U32(9)];
            let args = [Number(fd), Number(65_534), Number(9)];
            call.check(live, &args, EPERM, &params, &[Section::File(&file)]);
        });
    });
}

#[test]
fn fchownat() {
    let call = Call { name: "fchownat", ty: EventType::FCHOWNAT_X, nr: libc::SYS_fchownat };
    test(call, |live, call, dir, file, fd| {
        let sub = dir.join("sub");
        let whole = sub.join("file");
        let mut check = |at: i64, name, flags: u32, schema, res, sections: &[_]| {
            let args = [Number(at), t(name), Number(1), SAME, Number(flags.into())];
            let params = [I64(at), Text(name), U32(1), U32(u32::MAX), U32(schema)];
            call.check(live, &args, res, &params, sections);
        };
        check(fd, "file", 0, 0, 0, &[Dir(&sub)]);
        // AT_SYMLINK_NOFOLLOW is 0x100 to the kernel; AT_EMPTY_PATH is 0x1000 to both.
        check(AT_FDCWD, "sub/file", 0x100, 0x400, 0, &[Dir(dir)]);
        check(file, "", 0x1000, 0x1000, 0, &[Dir(&whole)]);
        check(fd, "none", 0, 0, ENOENT, &[Dir(&sub)]);
        check(fd, "file", 1, 0, EINVAL, &[Dir(&sub)]);
        check(NO_FD, "file", 0, 0, EBADF, &[]);
    });
}

//! Names made, moved, linked and removed on the running kernel.

mod live;

use std::{
    fs::{self, File},
    os::{fd::AsRawFd, unix},
    path::Path,
};

use event::EventType;
use live::{
    Live,
    call::{
        Arg::{self, Bad, Number},
        Call,
        Param::{Faulted, I64, Text, U32},
        Section::{Dir, Dir2},
        in_own_directory,
    },
};

const AT_FDCWD: i64 = -100;
const NO_FD: i64 = 9999;
const ENOENT: i64 = -2;
const EBADF: i64 = -9;
const EFAULT: i64 = -14;
const EEXIST: i64 = -17;
const EXDEV: i64 = -18;
const ENOTDIR: i64 = -20;
const EISDIR: i64 = -21;
const EINVAL: i64 = -22;
const EPERM: i64 = -1;
const ENOTEMPTY: i64 = -39;

const fn t(text: &str) -> Arg<'_> {
    Arg::Text(text)
}

/// A test in a directory with a subdirectory `sub`, which is open: both, and the descriptor.
fn test(call: Call, body: impl FnOnce(&mut Live, &Call, &Path, &Path, i64) + Send) {
    in_own_directory(&[call.ty], |dir, live| {
        let sub = dir.join("sub");
        fs::create_dir(&sub).unwrap();
        let fd = File::open(&sub).unwrap();
        body(live, &call, dir, &sub, i64::from(fd.as_raw_fd()));
    });
}

#[test]
fn rename() {
    let call = Call { name: "rename", ty: EventType::RENAME_X, nr: libc::SYS_rename };
    test(call, |live, call, dir, _, _| {
        fs::write("a", "x").unwrap();
        let both = [Dir(dir), Dir2(dir)];
        call.check(live, &[t("a"), t("b")], 0, &[Text("a"), Text("b")], &both);
        let whole = dir.join("b");
        let whole = whole.to_str().unwrap();
        call.check(live, &[t(whole), t("c")], 0, &[Text(whole), Text("c")], &[Dir2(dir)]);
        call.check(live, &[t("none"), t("b")], ENOENT, &[Text("none"), Text("b")], &both);
        call.check(
            live,
            &[t("c"), t("/proc/x")],
            EXDEV,
            &[Text("c"), Text("/proc/x")],
            &[Dir(dir)],
        );
        call.check(live, &[t("c"), Bad], EFAULT, &[Text("c"), Faulted], &[Dir(dir)]);
    });
}

#[test]
fn renameat() {
    let call = Call { name: "renameat", ty: EventType::RENAMEAT_X, nr: libc::SYS_renameat };
    test(call, |live, call, dir, sub, fd| {
        fs::write("sub/a", "x").unwrap();
        let mut check = |from: i64, a, to: i64, b, res, sections: &[_]| {
            let params = [I64(from), Text(a), I64(to), Text(b)];
            let args = [Number(from), t(a), Number(to), t(b)];
            call.check(live, &args, res, &params, sections);
        };
        check(fd, "a", AT_FDCWD, "b", 0, &[Dir(sub), Dir2(dir)]);
        check(AT_FDCWD, "b", fd, "c", 0, &[Dir(dir), Dir2(sub)]);
        check(fd, "none", fd, "d", ENOENT, &[Dir(sub), Dir2(sub)]);
        check(NO_FD, "c", fd, "d", EBADF, &[Dir2(sub)]);
    });
}

#[test]
fn renameat2() {
    let call = Call { name: "renameat2", ty: EventType::RENAMEAT2_X, nr: libc::SYS_renameat2 };
    test(call, |live, call, dir, sub, fd| {
        fs::write("sub/a", "x").unwrap();
        fs::write("b", "x").unwrap();
        let mut check = |a, b, flags: u32, res| {
            let params = [I64(fd), Text(a), I64(AT_FDCWD), Text(b), U32(flags)];
            let args = [Number(fd), t(a), Number(AT_FDCWD), t(b), Number(i64::from(flags))];
            call.check(live, &args, res, &params, &[Dir(sub), Dir2(dir)]);
        };
        check("a", "b", libc::RENAME_NOREPLACE, EEXIST);
        check("a", "b", libc::RENAME_EXCHANGE, 0);
        check("a", "b", 0x80, EINVAL);
        check("a", "c", libc::RENAME_NOREPLACE, 0);
    });
}

#[test]
fn unlink() {
    let call = Call { name: "unlink", ty: EventType::UNLINK_2_X, nr: libc::SYS_unlink };
    test(call, |live, call, dir, _, _| {
        fs::write("a", "x").unwrap();
        call.check(live, &[t("a")], 0, &[Text("a")], &[Dir(dir)]);
        call.check(live, &[t("a")], ENOENT, &[Text("a")], &[Dir(dir)]);
        call.check(live, &[t("./sub")], EISDIR, &[Text("./sub")], &[Dir(dir)]);
        call.check(live, &[Bad], EFAULT, &[Faulted], &[]);
    });
}

#[test]
fn unlinkat() {
    let call = Call { name: "unlinkat", ty: EventType::UNLINKAT_2_X, nr: libc::SYS_unlinkat };
    test(call, |live, call, dir, sub, fd| {
        fs::write("sub/a", "x").unwrap();
        fs::write("sub/b", "x").unwrap();
        fs::create_dir("sub/dir").unwrap();
        let mut check = |at: i64, name, flags: u32, res, sections: &[_]| {
            let args = [Number(at), t(name), Number(i64::from(flags))];
            // AT_REMOVEDIR is the only flag that the schema knows.
            let params = [I64(at), Text(name), U32(flags & 0x200)];
            call.check(live, &args, res, &params, sections);
        };
        check(fd, "a", 0, 0, &[Dir(sub)]);
        check(fd, "dir", 0x200, 0, &[Dir(sub)]);
        check(fd, "b", 0x200, ENOTDIR, &[Dir(sub)]);
        check(fd, "b", 1, EINVAL, &[Dir(sub)]);
        check(NO_FD, "b", 0, EBADF, &[]);
        check(AT_FDCWD, "sub/b", 0, 0, &[Dir(dir)]);
    });
}

#[test]
fn rmdir() {
    let call = Call { name: "rmdir", ty: EventType::RMDIR_2_X, nr: libc::SYS_rmdir };
    test(call, |live, call, dir, _, _| {
        fs::write("sub/a", "x").unwrap();
        fs::create_dir("empty").unwrap();
        call.check(live, &[t("empty")], 0, &[Text("empty")], &[Dir(dir)]);
        call.check(live, &[t("sub")], ENOTEMPTY, &[Text("sub")], &[Dir(dir)]);
        call.check(live, &[t("sub/a")], ENOTDIR, &[Text("sub/a")], &[Dir(dir)]);
    });
}

#[test]
fn mkdir() {
    let call = Call { name: "mkdir", ty: EventType::MKDIR_2_X, nr: libc::SYS_mkdir };
    test(call, |live, call, dir, _, _| {
        let mode = Number(0o750);
        call.check(live, &[t("new"), mode], 0, &[Text("new"), U32(0o750)], &[Dir(dir)]);
        call.check(live, &[t("new"), mode], EEXIST, &[Text("new"), U32(0o750)], &[Dir(dir)]);
        call.check(live, &[t("no/new"), mode], ENOENT, &[Text("no/new"), U32(0o750)], &[Dir(dir)]);
    });
}

#[test]
fn mkdirat() {
    let call = Call { name: "mkdirat", ty: EventType::MKDIRAT_X, nr: libc::SYS_mkdirat };
    test(call, |live, call, dir, sub, fd| {
        let mut check = |at: i64, name, res, sections: &[_]| {
            let args = [Number(at), t(name), Number(0o1777)];
            call.check(live, &args, res, &[I64(at), Text(name), U32(0o1777)], sections);
        };
        check(fd, "new", 0, &[Dir(sub)]);
        check(AT_FDCWD, "new", 0, &[Dir(dir)]);
        check(fd, "new", EEXIST, &[Dir(sub)]);
        check(NO_FD, "other", EBADF, &[]);
    });
}

#[test]
fn link() {
    let call = Call { name: "link", ty: EventType::LINK_2_X, nr: libc::SYS_link };
    test(call, |live, call, dir, _, _| {
        fs::write("a", "x").unwrap();
        let both = [Dir(dir), Dir2(dir)];
        call.check(live, &[t("a"), t("b")], 0, &[Text("a"), Text("b")], &both);
        call.check(live, &[t("a"), t("b")], EEXIST, &[Text("a"), Text("b")], &both);
        call.check(live, &[t("sub"), t("c")], EPERM, &[Text("sub"), Text("c")], &both);
    });
}

#[test]
fn linkat() {
    let call = Call { name: "linkat", ty: EventType::LINKAT_2_X, nr: libc::SYS_linkat };
    test(call, |live, call, dir, sub, fd| {
        let file = File::create("sub/a").unwrap();
        unix::fs::symlink("a", "sub/soft").unwrap();
        let mut check = |from: i64, a, to: i64, b, flags: u32, res, sections: &[_]| {
            let args = [Number(from), t(a), Number(to), t(b), Number(i64::from(flags))];
            let params = [I64(from), Text(a), I64(to), Text(b), U32(flags & 0x1400)];
            call.check(live, &args, res, &params, sections);
        };
        check(fd, "soft", AT_FDCWD, "b", 0x400, 0, &[Dir(sub), Dir2(dir)]);
        // AT_EMPTY_PATH: the first path starts, and ends, at a descriptor of a file.
        let a = sub.join("a");
        check(file.as_raw_fd().into(), "", fd, "c", 0x1000, 0, &[Dir(&a), Dir2(sub)]);
        check(fd, "a", fd, "c", 0, EEXIST, &[Dir(sub), Dir2(sub)]);
        check(fd, "a", fd, "d", 1, EINVAL, &[Dir(sub), Dir2(sub)]);
        check(fd, "a", NO_FD, "d", 0, EBADF, &[Dir(sub)]);
    });
}

#[test]
fn symlink() {
    let call = Call { name: "symlink", ty: EventType::SYMLINK_X, nr: libc::SYS_symlink };
    test(call, |live, call, dir, _, _| {
        let target = "../not/a path";
        call.check(live, &[t(target), t("l")], 0, &[Text(target), Text("l")], &[Dir(dir)]);
        call.check(live, &[t("x"), t("l")], EEXIST, &[Text("x"), Text("l")], &[Dir(dir)]);
        call.check(live, &[t(""), t("m")], ENOENT, &[Text(""), Text("m")], &[Dir(dir)]);
    });
}

#[test]
fn symlinkat() {
    let call = Call { name: "symlinkat", ty: EventType::SYMLINKAT_X, nr: libc::SYS_symlinkat };
    test(call, |live, call, dir, sub, fd| {
        let mut check = |at: i64, name, res, sections: &[_]| {
            let args = [t("/etc/shadow"), Number(at), t(name)];
            call.check(live, &args, res, &[Text("/etc/shadow"), I64(at), Text(name)], sections);
        };
        check(fd, "l", 0, &[Dir(sub)]);
        check(AT_FDCWD, "l", 0, &[Dir(dir)]);
        check(fd, "l", EEXIST, &[Dir(sub)]);
        check(NO_FD, "l", EBADF, &[]);
    });
}

#[test]
fn mknod() {
    let call = Call { name: "mknod", ty: EventType::MKNOD_X, nr: libc::SYS_mknod };
    test(call, |live, call, dir, _, _| {
        let mut check = |name, mode: u32, res| {
            let args = [t(name), Number(i64::from(mode)), Number(0x103)];
            call.check(live, &args, res, &[Text(name), U32(mode), U32(0x103)], &[Dir(dir)]);
        };
        check("fifo", 0o010_644, 0);
        check("fifo", 0o010_644, EEXIST);
        check("sub/no/file", 0o100_600, ENOENT);
        check("bad", 0o160_000, EINVAL);
    });
}

#[test]
fn mknodat() {
    let call = Call { name: "mknodat", ty: EventType::MKNODAT_X, nr: libc::SYS_mknodat };
    test(call, |live, call, _, sub, fd| {
        let mut check = |at: i64, name, mode: u32, res, sections: &[_]| {
            let args = [Number(at), t(name), Number(i64::from(mode)), Number(0)];
            call.check(live, &args, res, &[I64(at), Text(name), U32(mode), U32(0)], sections);
        };
        check(fd, "socket", 0o140_700, 0, &[Dir(sub)]);
        check(fd, "socket", 0o140_700, EEXIST, &[Dir(sub)]);
        check(NO_FD, "socket", 0o140_700, EBADF, &[]);
    });
}

//! Working directories and roots on the running kernel.

mod live;

use std::{
    fs::{self, File},
    os::fd::AsRawFd,
    path::Path,
};

use event::EventType;
use live::call::{
    Arg::{self, Bad, Number},
    Call,
    Param::{Faulted, I64, Text},
    Section::{self, Dir},
    in_own_directory,
};

const NO_FD: i64 = 9999;
const ENOENT: i64 = -2;
const EBADF: i64 = -9;
const EFAULT: i64 = -14;
const ENOTDIR: i64 = -20;

const fn t(text: &str) -> Arg<'_> {
    Arg::Text(text)
}

#[test]
fn chdir() {
    let call = Call { name: "chdir", ty: EventType::CHDIR_X, nr: libc::SYS_chdir };
    in_own_directory(&[call.ty], |dir, live| {
        fs::create_dir_all("sub/deep").unwrap();
        fs::write("file", "x").unwrap();
        // The section of a success is where it led, not where it started.
        let deep = dir.join("sub/deep");
        call.check(live, &[t("sub/deep")], 0, &[Text("sub/deep")], &[Section::File(&deep)]);
        call.check(live, &[t("../..")], 0, &[Text("../..")], &[Section::File(dir)]);
        call.check(live, &[t("/")], 0, &[Text("/")], &[Section::File(Path::new("/"))]);
        let whole = dir.to_str().unwrap();
        call.check(live, &[t(whole)], 0, &[Text(whole)], &[Section::File(dir)]);
        call.check(live, &[t("none")], ENOENT, &[Text("none")], &[Dir(dir)]);
        call.check(live, &[t("file")], ENOTDIR, &[Text("file")], &[Dir(dir)]);
        call.check(live, &[Bad], EFAULT, &[Faulted], &[]);
    });
}

#[test]
fn fchdir() {
    let call = Call { name: "fchdir", ty: EventType::FCHDIR_X, nr: libc::SYS_fchdir };
    in_own_directory(&[call.ty], |dir, live| {
        fs::create_dir("sub").unwrap();
        let sub = File::open("sub").unwrap();
        let file = File::create("file").unwrap();
        let (sub_path, file_path) = (dir.join("sub"), dir.join("file"));
        let mut check = |fd: i64, res, sections: &[_]| {
            call.check(live, &[Number(fd)], res, &[I64(fd)], sections);
        };
        check(sub.as_raw_fd().into(), 0, &[Section::File(&sub_path)]);
        check(file.as_raw_fd().into(), ENOTDIR, &[Section::File(&file_path)]);
        check(NO_FD, EBADF, &[]);
    });
}

#[test]
fn chroot() {
    let call = Call { name: "chroot", ty: EventType::CHROOT_X, nr: libc::SYS_chroot };
    in_own_directory(&[call.ty], |dir, live| {
        fs::create_dir("jail").unwrap();
        fs::write("file", "x").unwrap();
        call.check(live, &[t("none")], ENOENT, &[Text("none")], &[Dir(dir)]);
        call.check(live, &[t("file")], ENOTDIR, &[Text("file")], &[Dir(dir)]);
        // The working directory now lies outside of the root: its path is the host's.
        call.check(live, &[t("jail")], 0, &[Text("jail")], &[Dir(dir)]);
    });
}

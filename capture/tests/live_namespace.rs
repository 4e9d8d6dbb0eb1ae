//! Namespaces left and entered on the running kernel.

mod live;

use std::{fs::File, os::fd::AsRawFd, path::Path};

use event::EventType;
use live::call::{
    Arg::Number,
    Call,
    Param::{I64, U32},
    Section, in_own_directory, unprivileged,
};

const EPERM: i64 = -1;
const EBADF: i64 = -9;
const EINVAL: i64 = -22;
const NO_FD: i64 = 9999;
const CLONE_NEWUTS: u32 = 0x400_0000;
const CLONE_NEWIPC: u32 = 0x800_0000;
const CLONE_FS: u32 = 0x200;
/// The schema's.
const PPM_CL_CLONE_FS: u32 = 2;
const PPM_CL_CLONE_NEWIPC: u32 = 8;
const PPM_CL_CLONE_NEWUTS: u32 = 0x80;

#[test]
fn unshare() {
    let call = Call { name: "unshare", ty: EventType::UNSHARE_X, nr: libc::SYS_unshare };
    in_own_directory(&[call.ty], |_, live| {
        let mut check = |flags: u32, schema, res| {
            call.check(live, &[Number(flags.into())], res, &[U32(schema)], &[]);
        };
        check(CLONE_NEWUTS | CLONE_NEWIPC, PPM_CL_CLONE_NEWUTS | PPM_CL_CLONE_NEWIPC, 0);
        check(CLONE_FS, PPM_CL_CLONE_FS, 0);
        check(1, 0, EINVAL);
        unprivileged(|| check(CLONE_NEWUTS, PPM_CL_CLONE_NEWUTS, EPERM));
    });
}

#[test]
fn setns() {
    let call = Call { name: "setns", ty: EventType::SETNS_X, nr: libc::SYS_setns };
    in_own_directory(&[call.ty], |dir, live| {
        let uts = File::open("/proc/self/ns/uts").unwrap();
        let file = File::create("file").unwrap();
        let file_path = dir.join("file");
        let mut check = |fd: i64, flags: u32, schema, res, sections: &[_]| {
            let args = [Number(fd), Number(flags.into())];
            call.check(live, &args, res, &[I64(fd), U32(schema)], sections);
        };
        let uts: i64 = uts.as_raw_fd().into();
        let name = std::fs::read_link("/proc/self/ns/uts").unwrap();
        let uts_section = [Section::File(Path::new(&name))];
        check(uts, CLONE_NEWUTS, PPM_CL_CLONE_NEWUTS, 0, &uts_section);
        check(uts, 0, 0, 0, &uts_section);
        check(uts, CLONE_NEWIPC, PPM_CL_CLONE_NEWIPC, EINVAL, &uts_section);
        check(file.as_raw_fd().into(), 0, 0, EINVAL, &[Section::File(&file_path)]);
        check(NO_FD, 0, 0, EBADF, &[]);
    });
}

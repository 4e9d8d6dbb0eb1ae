//! Mounts on the running kernel, in mount namespaces of their own.

mod live;

use std::{fs, path::Path};

use event::{EventType, FileKind, Frame};
use live::{
    Live,
    call::{
        Arg::{self, Number},
        Call,
        Param::{Empty, Faulted, I64, Text, U32},
        Section::{self, Dir},
        gettid, in_own_directory, make, raw,
    },
};

const ENOENT: i64 = -2;
const EBADF: i64 = -9;
const ENODEV: i64 = -19;
const EINVAL: i64 = -22;
const NO_FD: i64 = 9999;
const MS_NOSUID: i64 = 2;
const MS_NODEV: i64 = 4;
const MS_REC: i64 = 0x4000;
const MS_PRIVATE: i64 = 1 << 18;
/// What programs for kernels before 2.4 put into the flags.
const MS_MGC_VAL: i64 = 0xc0ed_0000;
const NULL: Arg<'_> = Number(0);

const fn t(text: &str) -> Arg<'_> {
    Arg::Text(text)
}

/// A test in a directory and a mount namespace of its thread's own.
fn in_own_mounts(call: Call, test: impl FnOnce(&Call, &Path, &mut Live) + Send) {
    in_own_directory(&[call.ty], |dir, live| {
        assert_eq!(raw(libc::SYS_unshare, &[libc::CLONE_NEWNS.into()]), 0);
        let private = [NULL, t("/"), NULL, Number(MS_REC | MS_PRIVATE), NULL];
        assert_eq!(make(libc::SYS_mount, &private), 0);
        test(&call, dir, live);
    });
}

#[test]
fn mount() {
    let call = Call { name: "mount", ty: EventType::MOUNT_X, nr: libc::SYS_mount };
    in_own_mounts(call, |call, dir, live| {
        fs::create_dir("on").unwrap();
        let flags = MS_NOSUID | MS_NODEV;
        let args = [t("none"), t("on"), t("tmpfs"), Number(flags | MS_MGC_VAL), NULL];
        let params = [Text("none"), Text("on"), Text("tmpfs"), U32(6)];
        call.check(live, &args, 0, &params, &[Dir(dir)]);
        // What is null is not there, which is no fault.
        let whole = dir.join("on");
        let whole = whole.to_str().unwrap();
        let params = [Empty, Text(whole), Empty, U32(1 << 18)];
        call.check(live, &[NULL, t(whole), NULL, Number(MS_PRIVATE), NULL], 0, &params, &[]);
        let args = [t("none"), t("nowhere"), t("tmpfs"), NULL, NULL];
        let params = [Text("none"), Text("nowhere"), Text("tmpfs"), U32(0)];
        call.check(live, &args, ENOENT, &params, &[Dir(dir)]);
        let args = [t("none"), t("on"), t("no such type"), NULL, NULL];
        let params = [Text("none"), Text("on"), Text("no such type"), U32(0)];
        call.check(live, &args, ENODEV, &params, &[Dir(dir)]);
        let params = [Text("none"), Faulted, Text("tmpfs"), U32(0)];
        call.check(live, &[t("none"), Arg::Bad, t("tmpfs"), NULL, NULL], -14, &params, &[]);
    });
}

#[test]
fn umount2() {
    let call = Call { name: "umount2", ty: EventType::UMOUNT2_X, nr: libc::SYS_umount2 };
    in_own_mounts(call, |call, dir, live| {
        fs::create_dir("on").unwrap();
        assert_eq!(make(libc::SYS_mount, &[t("none"), t("on"), t("tmpfs"), NULL, NULL]), 0);
        let mut check = |name, flags: u32, res| {
            let args = [t(name), Number(flags.into())];
            call.check(live, &args, res, &[Text(name), U32(flags)], &[Dir(dir)]);
        };
        check("on", 2 | 8, 0);
        check("on", 0, EINVAL);
        check("none", 1, ENOENT);
    });
}

#[test]
fn fsconfig() {
    let call = Call { name: "fsconfig", ty: EventType::FSCONFIG_X, nr: libc::SYS_fsconfig };
    in_own_mounts(call, |call, _, live| {
        let fd = make(libc::SYS_fsopen, &[t("tmpfs"), NULL]);
        if fd < 0 {
            eprintln!("skipped: fsconfig: fsopen gave {fd}");
            return;
        }
        let context = [Section::File(Path::new("[fscontext]"))];
        let mut check = |fd: i64, command: u32, key: Option<&str>, value: Option<&str>, res| {
            let args = [
                Number(fd),
                Number(command.into()),
                key.map_or(NULL, Arg::Text),
                value.map_or(NULL, Arg::Text),
                NULL,
            ];
            // The value is told where the call succeeded and where it is a text.
            let value = value.filter(|_| res == 0).map_or(Empty, Text);
            let params = [I64(fd), U32(command), key.map_or(Empty, Text), Empty, value, U32(0)];
            let sections = if fd == NO_FD { &[][..] } else { &context[..] };
            call.check(live, &args, res, &params, sections);
        };
        check(fd, 1, Some("size"), Some("1m"), 0);
        check(fd, 0, Some("ro"), None, 0);
        check(fd, 1, Some("no such option"), Some("value"), EINVAL);
        check(NO_FD, 1, Some("size"), Some("1m"), EBADF);
        // FSCONFIG_CMD_CREATE.
        check(fd, 6, None, None, 0);
        raw(libc::SYS_close, &[fd]);
    });
}

/// `struct file_handle` with room for the largest handle.
#[repr(C)]
struct Handle {
    len: u32,
    ty: i32,
    bytes: [u8; 128],
}

#[test]
fn open_by_handle_at() {
    let nr = libc::SYS_open_by_handle_at;
    let ty = EventType::OPEN_BY_HANDLE_AT_X;
    in_own_directory(&[ty], |dir, live| {
        fs::write("file", "x").unwrap();
        let mut handle = Handle { len: 128, ty: 0, bytes: [0; 128] };
        let mut mount_id = 0i32;
        let at = Number(-100);
        let address = &raw mut handle as i64;
        let args = [at, t("file"), Number(address), Number(&raw mut mount_id as i64), NULL];
        let r = make(libc::SYS_name_to_handle_at, &args);
        if r < 0 {
            eprintln!("skipped: open_by_handle_at: name_to_handle_at gave {r}");
            return;
        }
        let flags = libc::O_RDWR | libc::O_APPEND | libc::O_CLOEXEC;
        let fd = raw(nr, &[-100, address, flags.into()]);
        assert!(fd >= 0, "open_by_handle_at gave {fd}");
        let me = gettid();
        let of = |res| {
            move |f: &Frame<'_>| {
                f.event_type() == ty && f.header().tid == me && f.param_i64(0) == Some(res)
            }
        };
        let bytes = live.wait("open_by_handle_at", of(fd));
        raw(libc::SYS_close, &[fd]);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!(frame.param_i64(1), Some(-100));
        // O_RDWR, O_APPEND, O_CLOEXEC in the schema's numbers.
        assert_eq!(frame.param_u32(2), Some(3 | 8 | 0x1000));
        let path = dir.join("file");
        assert_eq!(live::text(&frame, 3), path.to_str().unwrap());
        let meta = fs::metadata(&path).unwrap();
        let ino = std::os::unix::fs::MetadataExt::ino(&meta);
        let dev = std::os::unix::fs::MetadataExt::dev(&meta);
        assert_eq!(frame.param_u32(4).map(u64::from), Some(dev));
        assert_eq!(frame.param_u64(5), Some(ino));
        let facts = frame.trailer().file().unwrap();
        assert_eq!((facts.ino, facts.kind), (ino, FileKind::Regular));
        assert_eq!(facts.path, path.to_str().unwrap().as_bytes());
        assert!(frame.trailer().dir().is_none());

        for (mountfd, handle, res) in [(NO_FD, address, EBADF), (-100, 8, -14)] {
            assert_eq!(raw(nr, &[mountfd, handle, 0]), res, "open_by_handle_at itself");
            let bytes = live.wait("failing open_by_handle_at", of(res));
            let frame = Frame::parse(&bytes).unwrap();
            assert_eq!(frame.param_i64(1), Some(mountfd));
            assert_eq!((frame.param_u32(2), frame.param(3)), (Some(1), Some(b"".as_slice())));
            assert_eq!((frame.param_u32(4), frame.param_u64(5)), (Some(0), Some(0)));
            assert!(frame.trailer().file().is_none());
        }
    });
}

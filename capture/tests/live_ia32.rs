//! Calls through the 32-bit table, made from a 64-bit process with `int 0x80`.

mod live;

use std::{fs, path::Path, process::Command};

use capture::{Asked, ProbeOptions};
use event::{EventSet, EventType, Frame, flags};
use live::{
    Live,
    call::{
        Param::{I64, Text, U32},
        Section::{Dir, Dir2, File},
        hold,
    },
    ia32::{self, ACT, act, check, frame_of},
    text,
};

#[test]
fn child_actor() {
    ia32::child_actor();
}

#[test]
fn an_open_through_int_0x80_is_the_same_event() {
    let Some(mut live) = Live::start(&[EventType::OPEN_X, EventType::OPENAT_2_X]) else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap().join("thirty-two");
    fs::write(&path, "x").unwrap();
    let name = path.to_str().unwrap();
    if !act(dir.path(), &format!("5 {name} 0 0")) {
        return;
    }
    let bytes = live.wait("open", |f| f.event_type() == EventType::OPEN_X && text(f, 1) == name);
    let open = Frame::parse(&bytes).unwrap();
    assert!(open.has(flags::IA32));
    assert!(open.param_i64(0) >= Some(0));
    assert_eq!(open.param_u32(2), Some(1));
    assert_eq!(open.trailer().file().unwrap().path, name.as_bytes());
    live.finish();
}

#[test]
fn names_of_the_tree() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    fs::write(dir.join("a"), "x").unwrap();
    let both = [Dir(&dir), Dir2(&dir)];
    check(
        &dir,
        &[
            ("rename", EventType::RENAME_X, "38 a b", 0, &[Text("a"), Text("b")], &both),
            (
                "mkdirat",
                EventType::MKDIRAT_X,
                "296 -100 new 448",
                0,
                &[I64(-100), Text("new"), U32(0o700)],
                &[Dir(&dir)],
            ),
            (
                "unlinkat",
                EventType::UNLINKAT_2_X,
                "301 -100 new 512",
                0,
                &[I64(-100), Text("new"), U32(0x200)],
                &[Dir(&dir)],
            ),
            // Only this table has it.
            ("umount", EventType::UMOUNT_1_X, "22 b", -22, &[Text("b")], &[Dir(&dir)]),
            ("umount", EventType::UMOUNT_1_X, "22 none", -2, &[Text("none")], &[Dir(&dir)]),
        ],
    );
}

#[test]
fn owners_of_16_and_of_32_bits() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    fs::write(dir.join("a"), "x").unwrap();
    let here = [Dir(&dir)];
    let at = [I64(-100), Text("a"), U32(70_000), U32(u32::MAX), U32(0x400)];
    check(
        &dir,
        &[
            // All ones of 16 bits mean "as it is", like all ones of 32; the upper half does not count.
            (
                "chown16",
                EventType::CHOWN_X,
                "182 a 65535 65543",
                0,
                &[Text("a"), U32(u32::MAX), U32(7)],
                &here,
            ),
            (
                "chown32",
                EventType::CHOWN_X,
                "212 a 65535 -1",
                0,
                &[Text("a"), U32(65_535), U32(u32::MAX)],
                &here,
            ),
            (
                "lchown16",
                EventType::LCHOWN_X,
                "16 none 1 65535",
                -2,
                &[Text("none"), U32(1), U32(u32::MAX)],
                &here,
            ),
            ("fchownat", EventType::FCHOWNAT_X, "298 -100 a 70000 -1 256", 0, &at, &here),
        ],
    );
}

#[test]
fn what_a_descriptor_was_when_the_call_started() {
    let types = [EventType::DUP2_X, EventType::CLOSE_X];
    let interest: EventSet = types.into_iter().collect();
    let asked = Asked { entry: interest, ..Asked::default() };
    let options = ProbeOptions { interest, asked, ..ProbeOptions::default() };
    let Some(mut live) = Live::with(options) else { return };
    // The child's output goes to /dev/null.
    if !act(Path::new("/"), "63 1 0;6 0") {
        return;
    }
    let null = [File(Path::new("/dev/null"))];
    for (name, ty, params) in
        [("dup2", types[0], &[I64(1), I64(0)][..]), ("close", types[1], &[I64(0)])]
    {
        let bytes = live.wait(name, |f| f.event_type() == ty && f.has(flags::IA32));
        let frame = Frame::parse(&bytes).unwrap();
        hold(name, &frame, 0, params, &null);
        assert!(!frame.has(flags::FD_RACED));
    }
    live.finish();
}

#[test]
fn the_end_of_a_mount() {
    // A mount of its own needs a namespace of its own, which `unshare` gives: the calls are its child's.
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    fs::create_dir(dir.join("on")).unwrap();
    let Some(mut live) = Live::start(&[EventType::UMOUNT_1_X]) else { return };
    let script = format!(
        "mount -t tmpfs none on; exec {} child_actor --exact",
        std::env::current_exe().unwrap().display()
    );
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-ec", &script])
        .env(ACT, "22 on")
        .current_dir(&dir)
        .output()
        .unwrap();
    if !output.status.success() {
        eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr).trim());
        return;
    }
    let bytes = live.wait("umount", |f| f.event_type() == EventType::UMOUNT_1_X);
    hold("umount", &Frame::parse(&bytes).unwrap(), 0, &[Text("on")], &[Dir(&dir)]);
    live.finish();
}

#[test]
fn ids_of_16_and_of_32_bits() {
    let dir = tempfile::tempdir().unwrap();
    let uid = EventType::SETUID_X;
    check(
        dir.path(),
        &[
            // All ones of 16 bits are all ones of 32, which is nobody.
            ("setuid16", uid, "23 65535", -22, &[U32(u32::MAX)], &[]),
            ("setuid16", uid, "23 65543", 0, &[U32(7)], &[]),
            ("setuid32", uid, "213 65535", 0, &[U32(65_535)], &[]),
            (
                "setresgid16",
                EventType::SETRESGID_X,
                "170 65535 65535 65535",
                0,
                &[U32(u32::MAX); 3],
                &[],
            ),
            (
                "setresgid32",
                EventType::SETRESGID_X,
                "210 1 2 70000",
                0,
                &[U32(1), U32(2), U32(70_000)],
                &[],
            ),
        ],
    );
}

#[test]
fn kill() {
    const TY: EventType = EventType::KILL_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let Some(bytes) = frame_of(&mut live, TY, "37 -5 200") else { return };
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!((frame.param_i64(0), frame.param_i64(1)), (Some(-3), Some(-5)), "sign-extended");
    assert_eq!(frame.param(2), Some(&[200][..]));
    live.finish();
}

#[test]
fn mappings() {
    const OLD: EventType = EventType::MMAP_X;
    const NEW: EventType = EventType::MMAP2_X;
    let Some(mut live) = Live::start(&[OLD, NEW]) else { return };
    // The old call has its arguments in memory. Both: one page, read and execute, private and anonymous.
    for (ty, call) in [(OLD, "90 *0,8192,5,34,-1,0"), (NEW, "192 0 8192 5 34 -1")] {
        let Some(bytes) = frame_of(&mut live, ty, call) else { return };
        let frame = Frame::parse(&bytes).unwrap();
        let at = frame.param_i64(0).unwrap();
        assert!((0x1000..1 << 32).contains(&at), "{at:#x}: an address of 32 bits, no error");
        assert_eq!((frame.param_i64(4), frame.param_i64(5)), (Some(0), Some(8192)));
        assert_eq!((frame.param_u32(6), frame.param_u32(7)), (Some(5), Some(0xa)));
        assert_eq!(frame.param_i64(8), Some(-1));
    }
    live.finish();
}

#[test]
fn limits_of_32_bits() {
    const TY: EventType = EventType::SETRLIMIT_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    for (call, now, most) in [("75 4 *0,4096", 0, 4096), ("75 4 *-1,-1", -1, -1)] {
        let Some(bytes) = frame_of(&mut live, TY, call) else { return };
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!(frame.param_i64(0), Some(0), "{call}");
        assert_eq!((frame.param_i64(1), frame.param_i64(2)), (Some(now), Some(most)), "{call}");
        assert_eq!(frame.param(3), Some(&[4][..]));
    }
    live.finish();
}

#[test]
fn generic_calls_have_the_number_of_their_table() {
    let Some(mut live) = Live::start(&[EventType::GENERIC_X]) else { return };
    let dir = tempfile::tempdir().unwrap();
    // truncate and truncate64 are one call to the schema; 193 is something else natively.
    for nr in [92u16, 193] {
        if !act(dir.path(), &format!("{nr} none 0 0")) {
            return;
        }
        let id = event::syscall_id("truncate").unwrap().to_le_bytes();
        let bytes = live.wait("truncate", |f| {
            f.event_type() == EventType::GENERIC_X && f.param(0) == Some(id.as_slice())
        });
        let frame = Frame::parse(&bytes).unwrap();
        assert!(frame.has(flags::IA32), "{nr}");
        assert_eq!(frame.param(1), Some(nr.to_le_bytes().as_slice()));
    }
    live.finish();
}

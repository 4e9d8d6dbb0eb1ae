//! Looking, waiting, ids, options and generic calls through the 32-bit table: other numbers, and structures of 32 bits.

mod live;

use std::{fs, path::Path};

use event::{Call, EventType, Frame, flags};
use live::{
    Live,
    call::Param::{I64, Text, U32},
    call::Section::{Dir, File},
    ia32::{self, Case, act, check, frame_of},
};

#[test]
fn child_actor() {
    ia32::child_actor();
}

const NULL: &str = "/dev/null";

/// An argument that points to room for so many numbers.
fn room(n: usize) -> String {
    format!("*{}", vec!["0"; n].join(","))
}

#[test]
fn looks_at_files() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    fs::write(dir.join("a"), "x").unwrap();
    let room = room(40);
    let by_name = |nr: u16| format!("{nr} a {room}");
    let [stat, lstat, stat64, lstat64] = [106, 107, 195, 196].map(by_name);
    let [fstat, fstat64, cwd, at] = ["108 1 R", "197 1 R", "183 R 160", "300 -100 a R 256"]
        .map(|call| call.replace('R', &room));
    let (a, here, null) = ([Text("a")], [Dir(&dir)], [File(Path::new(NULL))]);
    let path = dir.to_str().unwrap();
    let cases: &[Case<'_>] = &[
        ("stat", EventType::STAT_X, &stat, 0, &a, &here),
        ("lstat", EventType::LSTAT_X, &lstat, 0, &a, &here),
        ("stat64", EventType::STAT64_X, &stat64, 0, &a, &here),
        ("lstat64", EventType::LSTAT64_X, &lstat64, 0, &a, &here),
        ("fstat", EventType::FSTAT_X, &fstat, 0, &[I64(1)], &null),
        ("fstat64", EventType::FSTAT64_X, &fstat64, 0, &[], &[]),
        ("getcwd", EventType::GETCWD_X, &cwd, path.len() as i64 + 1, &[Text(path)], &[]),
        ("access", EventType::ACCESS_X, "33 a 4", 0, &[Text("a"), U32(4)], &here),
        ("fstatat64", EventType::NEWFSTATAT_X, &at, 0, &[I64(-100), Text("a"), U32(0x100)], &here),
        ("getdents", EventType::GETDENTS_X, "141 1 8 8", -20, &[I64(1)], &null),
        ("getdents64", EventType::GETDENTS64_X, "220 1 8 8", -20, &[I64(1)], &null),
        ("ioctl", EventType::IOCTL_3_X, "54 1 21505 8", -25, &[I64(1), I64(0x5401), I64(8)], &null),
        ("flock", EventType::FLOCK_X, "143 1 8", 0, &[I64(1), U32(8)], &null),
        (
            "semget",
            EventType::SEMGET_X,
            "393 5 -1 512",
            -22,
            &[U32(5), U32(u32::MAX), U32(0x2000)],
            &[],
        ),
        ("mlock", EventType::MLOCK_X, "150 4096 4096", -12, &[I64(4096), I64(4096)], &[]),
        ("munlock", EventType::MUNLOCK_X, "151 4096 4096", -12, &[I64(4096), I64(4096)], &[]),
        ("mlockall", EventType::MLOCKALL_X, "152 64", -22, &[U32(0)], &[]),
        ("munlockall", EventType::MUNLOCKALL_X, "153", 0, &[], &[]),
    ];
    check(&dir, cases);
}

#[test]
fn waits() {
    let list: &[u8] = &[1, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0];
    let poll = EventType::POLL_X;
    let Some(mut live) = Live::start(&[poll]) else { return };
    let Some(bytes) = frame_of(&mut live, poll, "168 *-1,1 1 0") else { return };
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!((frame.param_i64(0), frame.param(1)), (Some(0), Some(list)));
    live.finish();
    let sleep = EventType::NANOSLEEP_X;
    let (wait, select, many) = (EventType::EPOLL_WAIT_X, EventType::SELECT_X, I64(5));
    check(
        Path::new("/"),
        &[
            ("nanosleep", sleep, "162 *0,1000 0", 0, &[I64(1000)], &[]),
            ("nanosleep", sleep, "162 *3,-1 0", -22, &[I64(2_999_999_999)], &[]),
            ("epoll_wait", wait, "256 1 8 5 0", -22, &[many], &[]),
            ("_newselect", select, "142 -1 0 0 0 0", -22, &[], &[]),
            ("select", select, "82 *-1,0,0,0,0", -22, &[], &[]),
        ],
    );
}

#[test]
fn times_of_32_and_of_64_bits() {
    const TY: EventType = EventType::PPOLL_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    for (call, ns) in
        [("309 0 0 *3,-1 0 8", 2_999_999_999), ("414 0 0 *3,0,1000000000,0 0 8", 4_000_000_000)]
    {
        let Some(bytes) = frame_of(&mut live, TY, call) else { return };
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!((frame.param_i64(0), frame.param_i64(2)), (Some(-22), Some(ns)), "{call}");
    }
    live.finish();
}

#[test]
fn ids_of_16_and_of_32_bits() {
    let of = |ty| move |ids: [u32; 3], call| (ty, call, ids);
    let (user, group) = (of(EventType::GETRESUID_X), of(EventType::GETRESGID_X));
    for (ty, call, ids) in [
        user([7, 8, 9], "164 7 8 9;165 *-1 *-1 *-1"),
        user([70_000, 70_001, 70_002], "208 70000 70001 70002;209 *-1 *-1 *-1"),
        group([7, 8, 9], "170 7 8 9;171 *-1 *-1 *-1"),
        group([70_000, 70_001, 70_002], "210 70000 70001 70002;211 *-1 *-1 *-1"),
    ] {
        let Some(mut live) = Live::start(&[ty]) else { return };
        let Some(bytes) = frame_of(&mut live, ty, call) else { return };
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!([1, 2, 3].map(|n| frame.param_u32(n)), ids.map(Some), "{call}");
        live.finish();
    }
    let types = [
        (EventType::GETUID_X, [24, 199]),
        (EventType::GETEUID_X, [49, 201]),
        (EventType::GETGID_X, [47, 200]),
        (EventType::GETEGID_X, [50, 202]),
    ];
    let Some(mut live) = Live::start(&types.map(|(ty, _)| ty)) else { return };
    for (ty, numbers) in types {
        for nr in numbers {
            let Some(bytes) = frame_of(&mut live, ty, &nr.to_string()) else { return };
            assert_eq!(Frame::parse(&bytes).unwrap().param_u32(0), Some(0), "{nr}");
        }
    }
    live.finish();
}

#[test]
fn numbers_of_32_bits() {
    let types = [
        EventType::BRK_4_X,
        EventType::LSEEK_X,
        EventType::LLSEEK_X,
        EventType::GETRLIMIT_X,
        EventType::MUNMAP_X,
        EventType::FUTEX_X,
        EventType::SEMCTL_X,
    ];
    let [brk, lseek, llseek, limit, munmap, futex, semctl] = types;
    let Some(mut live) = Live::start(&types) else { return };
    let Some(bytes) = frame_of(&mut live, brk, "45 8") else { return };
    let frame = Frame::parse(&bytes).unwrap();
    let end = frame.param_i64(0).unwrap();
    assert!((0..1 << 32).contains(&end), "{end:#x}: an address of 32 bits, no error");
    assert_eq!(frame.param_i64(4), Some(8));

    let bytes = frame_of(&mut live, lseek, "19 1 -1 1").unwrap();
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!((frame.param_i64(2), frame.param(3)), (Some(-1), Some(&[1][..])));
    let bytes = frame_of(&mut live, llseek, "140 1 1 2 *0,0 2").unwrap();
    let frame = Frame::parse(&bytes).unwrap();
    let offset = frame.param_i64(2);
    assert_eq!((frame.param_i64(1), offset), (Some(1), Some(1 << 32 | 2)));
    assert_eq!(frame.param(3), Some(&[2][..]));

    for nr in [191, 76] {
        let bytes = frame_of(&mut live, limit, &format!("{nr} 7 *0,0")).unwrap();
        let frame = Frame::parse(&bytes).unwrap();
        let now = frame.param_i64(1).unwrap();
        assert!((1..1 << 32).contains(&now) && frame.param(3) == Some(&[7][..]), "{nr}: {now}");
    }
    let bytes = frame_of(&mut live, munmap, "91 4096 4096").unwrap();
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!((frame.param_i64(4), frame.param_i64(5)), (Some(4096), Some(4096)));
    for nr in [240, 422] {
        let bytes = frame_of(&mut live, futex, &format!("{nr} *7 128 -1 0")).unwrap();
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!(frame.param(2), Some(&[128, 0][..]), "{nr}");
        assert_eq!(frame.param_i64(3), Some(0xffff_ffff), "{nr}");
    }
    let bytes = frame_of(&mut live, semctl, "394 -1 3 16 7").unwrap();
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!([1, 2, 4].map(|n| frame.param_u32(n)), [Some(u32::MAX), Some(3), Some(7)]);
    live.finish();
}

#[test]
fn options_of_sockets() {
    let types = [
        EventType::SETSOCKOPT_X,
        EventType::GETSOCKOPT_X,
        EventType::GETSOCKNAME_X,
        EventType::GETPEERNAME_X,
    ];
    let [set, get, name, peer] = types;
    let Some(mut live) = Live::start(&types) else { return };
    // Seconds and microseconds of 32 bits; then the same with those of 64.
    for call in ["366 9999 1 20 *2,500000 8", "366 9999 1 66 *2,0,500000,0 16"] {
        let Some(bytes) = frame_of(&mut live, set, call) else { return };
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!((frame.param_i64(0), frame.param_i64(1)), (Some(-9), Some(9_999)));
        assert_eq!((frame.param(2), frame.param(3)), (Some(&[1][..]), Some(&[0x14][..])));
        let time = [&[4][..], &2_500_000_000u64.to_le_bytes()].concat();
        assert_eq!(frame.param(4), Some(time.as_slice()), "{call}");
    }
    for (ty, call) in [(set, "102 14 *9999,1,2,8,4"), (get, "102 15 *9999,1,3,8,8")] {
        let bytes = frame_of(&mut live, ty, call).unwrap();
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!((frame.param_i64(0), frame.param_i64(1)), (Some(-9), Some(9_999)), "{call}");
        assert!(frame.has(flags::FAULTED));
    }
    for (ty, numbers) in [(name, ["367 1", "102 6 *1,0,0"]), (peer, ["368 1", "102 7 *1,0,0"])] {
        for call in numbers {
            let bytes = frame_of(&mut live, ty, call).unwrap();
            assert_eq!(Frame::parse(&bytes).unwrap().n_params(), 0, "{call}");
        }
    }
    live.finish();
}

#[test]
fn generic_calls_have_the_names_of_their_table() {
    const TY: EventType = EventType::GENERIC_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    // What the schema has no number for has the kernel's, by which the table of 32 bits names it.
    for (name, nr) in [
        ("gettid", 224u16),
        ("waitpid", 7),
        ("clock_gettime", 403),
        ("fadvise64", 272),
        ("statfs64", 268),
        ("vm86old", 113),
        ("mseal", 462),
    ] {
        if !act(Path::new("/"), &format!("{nr} -1 8 8")) {
            return;
        }
        let id = Call::named(name).unwrap().schema_id();
        let bytes = live.wait(name, |f| {
            f.event_type() == TY
                && f.has(flags::IA32)
                && f.param(1) == Some(nr.to_le_bytes().as_slice())
        });
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!(frame.param(0), Some(id.to_le_bytes().as_slice()), "{name}");
    }
    live.finish();
}

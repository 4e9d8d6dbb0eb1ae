//! Permissions and owners on the running kernel.

mod live;

use std::{
    fs::{self, File, Permissions},
    os::{
        fd::AsRawFd,
        unix::fs::{PermissionsExt, fchown},
    },
};

use event::{EventType, Frame};
use live::{Live, text, tid};

const FAMILY: [EventType; 4] =
    [EventType::CHMOD_X, EventType::FCHMOD_X, EventType::FCHMODAT_X, EventType::FCHOWN_X];

fn of(ty: EventType, res: i64) -> impl Fn(&Frame<'_>) -> bool {
    move |f| f.event_type() == ty && f.header().tid == tid() && f.param_i64(0) == Some(res)
}

#[test]
fn chmod() {
    let Some(mut live) = Live::start(&FAMILY) else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "x").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o4755)).unwrap();
    let bytes = live.wait("chmod", of(EventType::CHMOD_X, 0));
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!((text(&frame, 1), frame.param_u32(2)), (path.display().to_string(), Some(0o4755)));
    assert!(frame.trailer().dir().is_none());
    for (name, res) in [("not-here", -2), ("Cargo.toml/x", -20)] {
        fs::set_permissions(name, Permissions::from_mode(0o600)).unwrap_err();
        let bytes = live.wait("failing chmod", of(EventType::CHMOD_X, res));
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!(text(&frame, 1), name);
        let cwd = std::env::current_dir().unwrap().canonicalize().unwrap();
        let dir = frame.trailer().dir().unwrap();
        assert_eq!(String::from_utf8_lossy(dir.path), cwd.to_str().unwrap());
    }
    live.finish();
}

#[test]
fn fchmod_and_fchown_name_the_file() {
    let Some(mut live) = Live::start(&FAMILY) else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap().join("file");
    let file = File::create(&path).unwrap();
    file.set_permissions(Permissions::from_mode(0o600)).unwrap();
    fchown(&file, Some(7), None).unwrap();
    let bytes = live.wait("fchmod", of(EventType::FCHMOD_X, 0));
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(frame.param_i64(1), Some(i64::from(file.as_raw_fd())));
    let facts = frame.trailer().file().unwrap();
    assert_eq!(String::from_utf8_lossy(facts.path), path.to_str().unwrap());
    let bytes = live.wait("fchown", of(EventType::FCHOWN_X, 0));
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!((frame.param_u32(2), frame.param_u32(3)), (Some(7), Some(u32::MAX)));
    live.finish();
}

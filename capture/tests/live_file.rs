//! The open family on the running kernel.

mod live;

use event::{EventType, Frame};
use live::{Live, text, tid};

#[test]
fn openat_gives_both_names() {
    let Some(mut live) = Live::start(&[
        EventType::OPEN_X,
        EventType::OPENAT_2_X,
        EventType::OPENAT2_X,
        EventType::CREAT_X,
        EventType::EXECVE_19_X,
        EventType::EXECVEAT_X,
    ]) else {
        return;
    };
    eprintln!("{:#?}", live.probe.report());
    let me = tid();
    std::fs::read("/etc/hostname").unwrap();
    let bytes = live.wait("openat", |f| {
        f.event_type() == EventType::OPENAT_2_X
            && f.header().tid == me
            && text(f, 2) == "/etc/hostname"
    });
    let open = Frame::parse(&bytes).unwrap();
    eprintln!("{:?} {:?} {:?}", open.header(), open.trailer().file(), open.trailer().dir());
    assert_eq!(open.trailer().file().unwrap().path, b"/etc/hostname");
    std::fs::read("Cargo.toml").unwrap();
    let bytes = live.wait("openat", |f| {
        f.event_type() == EventType::OPENAT_2_X
            && f.header().tid == me
            && text(f, 2) == "Cargo.toml"
    });
    let open = Frame::parse(&bytes).unwrap();
    eprintln!("{:?} {:?} {:?}", open.header(), open.trailer().file(), open.trailer().dir());
}

//! What is captured changes while programs run: programs come when they are asked for, and what nobody asks for any more is filtered.

mod live;

use std::{
    fs::{self, File},
    path::Path,
    process::Command,
};

use capture::{Asked, ForkSides, ProbeOptions, Room, Wanted};
use event::{Call, CallSet, EventSet, EventType, Frame, Outcome};
use live::{Live, text};

fn set(types: &[EventType]) -> EventSet {
    types.iter().copied().collect()
}

fn wanted(types: &[EventType], asked: Asked) -> Wanted {
    let generic_calls = CallSet::all();
    Wanted { interest: set(types), generic_calls, fork_sides: ForkSides::Child, asked }
}

fn change(live: &mut Live, to: &Wanted) {
    while live.probe.load_one(to) {}
    assert!(!live.probe.lacks_programs(to));
    live.probe.change(to).unwrap();
    assert_eq!(live.probe.report().refused, []);
}

fn names(frame: &Frame<'_>, name: &Path) -> bool {
    (0..3).any(|n| text(frame, n) == name.to_str().unwrap())
}

fn of(ty: EventType, name: &Path) -> impl Fn(&Frame<'_>) -> bool {
    let name = name.to_owned();
    move |f| f.event_type() == ty && names(f, &name)
}

/// Opens a file, has a signal delivered, and removes the file.
fn act(dir: &Path, name: &str) -> std::path::PathBuf {
    let path = dir.join(name);
    fs::write(&path, "").unwrap();
    let sh = Command::new("/bin/sh").args(["-c", "trap : USR1; kill -USR1 $$"]).status().unwrap();
    assert!(sh.success());
    fs::remove_file(&path).unwrap();
    path
}

#[test]
fn calls_and_hooks_come_and_go() {
    const OPEN: EventType = EventType::OPENAT_2_X;
    const UNLINK: EventType = EventType::UNLINK_2_X;
    const SIGNAL: EventType = EventType::SIGNALDELIVER_E;
    let Some(mut live) = Live::start(&[OPEN]) else { return };
    let dir = tempfile::tempdir().unwrap();
    let one = act(dir.path(), "one");
    live.wait("open", of(OPEN, &one));
    assert_eq!(live.probe.counters().of_type(UNLINK, Outcome::Written), 0);

    let to = wanted(&[UNLINK, SIGNAL], Asked::default());
    assert!(live.probe.lacks_programs(&to));
    change(&mut live, &to);
    let attached = live.probe.report().attached;
    assert!(["unlink", "signal_deliver"].iter().all(|n| attached.iter().any(|a| a == n)));
    live.drain();
    live.frames.clear();
    let two = act(dir.path(), "two");
    live.wait("signal", |f| f.event_type() == SIGNAL);
    live.wait("unlink", of(UNLINK, &two));
    assert!(!live.frames.iter().any(|f| of(OPEN, &two)(&Frame::parse(f).unwrap())));

    change(&mut live, &wanted(&[OPEN], Asked::default()));
    let n_unlinks = live.probe.counters().of_type(UNLINK, Outcome::Seen);
    live.drain();
    live.frames.clear();
    let three = act(dir.path(), "three");
    live.wait("open", of(OPEN, &three));
    assert_eq!(live.probe.counters().of_type(UNLINK, Outcome::Seen), n_unlinks);
    assert!(!live.frames.iter().any(|f| Frame::parse(f).unwrap().event_type() == SIGNAL));
    let attached = live.probe.report().attached;
    assert!(attached.iter().all(|n| n != "unlink" && n != "signal_deliver"), "{attached:?}");
    live.finish();
}

/// A call that fails and has no event type of its own.
fn fail_at(nr: libc::c_long) {
    // SAFETY: an address that cannot be read, and a descriptor that is none.
    assert_eq!(unsafe { libc::syscall(nr, -1, 8, 8, -1) }, -1);
}

#[test]
fn calls_without_an_event_of_their_own_come_and_go_one_by_one() {
    const GENERIC: EventType = EventType::GENERIC_X;
    let wanted = |name: &str| Wanted {
        generic_calls: Call::named(name).into_iter().collect(),
        ..wanted(&[GENERIC], Asked::default())
    };
    let named = |name| Call::named(name).unwrap().schema_id().to_le_bytes();
    let first = wanted("setgroups");
    let options = ProbeOptions {
        interest: first.interest,
        generic_calls: first.generic_calls,
        ..ProbeOptions::default()
    };
    let Some(mut live) = Live::with(options) else { return };
    for (name, other) in [("setgroups", "fsmount"), ("fsmount", "setgroups")] {
        change(&mut live, &wanted(name));
        assert!(live.probe.report().attached.iter().any(|n| n == name));
        live.drain();
        live.frames.clear();
        fail_at(libc::SYS_setgroups);
        fail_at(libc::SYS_fsmount);
        fail_at(libc::SYS_setgroups);
        live.wait(name, |f| f.param(0) == Some(named(name).as_slice()));
        let is_other =
            |f: &Vec<u8>| Frame::parse(f).unwrap().param(0) == Some(named(other).as_slice());
        live.drain();
        assert!(!live.frames.iter().any(is_other), "{other} beside {name}");
    }
    live.finish();
}

#[test]
fn sections_and_the_look_at_the_start_come_and_go() {
    const CLOSE: EventType = EventType::CLOSE_X;
    let asked = |with: bool| {
        let descriptors = if with { set(&[CLOSE]) } else { EventSet::EMPTY };
        Asked { descriptors, entry: descriptors, ..Asked::default() }
    };
    let options =
        ProbeOptions { interest: set(&[CLOSE]), asked: asked(true), ..ProbeOptions::default() };
    let Some(mut live) = Live::with(options) else { return };
    let dir = tempfile::tempdir().unwrap();
    for (n, with) in [(1, true), (2, false), (3, true)] {
        change(&mut live, &wanted(&[CLOSE], asked(with)));
        let attached = live.probe.report().attached;
        assert_eq!(attached.iter().any(|name| name == "sys_enter"), with);
        live.drain();
        live.frames.clear();
        let path = dir.path().join(format!("f{n}"));
        drop(File::create(&path).unwrap());
        let path = path.to_str().unwrap().as_bytes();
        let is_ours = |f: &Frame<'_>| f.trailer().file().is_some_and(|file| file.path == path);
        if with {
            live.wait("close", is_ours);
        } else {
            live.wait("close", |f| f.event_type() == CLOSE);
            assert!(
                live.frames.iter().all(|f| Frame::parse(f).unwrap().trailer().file().is_none())
            );
        }
    }
    live.finish();
}

#[test]
fn the_look_at_the_start_comes_to_calls_that_nobody_asked_about() {
    const CLOSE: EventType = EventType::CLOSE_X;
    const OPEN: EventType = EventType::OPENAT_2_X;
    let none = Asked { descriptors: EventSet::EMPTY, ..Asked::default() };
    let options = ProbeOptions {
        interest: set(&[OPEN]),
        asked: none.clone(),
        room: Room::ForAll,
        ..ProbeOptions::default()
    };
    let Some(mut live) = Live::with(options) else { return };
    assert!(!live.probe.report().attached.iter().any(|name| name == "sys_enter"));
    let asked = Asked { descriptors: set(&[CLOSE]), entry: set(&[CLOSE]), ..none };
    let to = wanted(&[CLOSE], asked);
    assert_eq!(live.probe.out_of_reach(&to), [""; 0]);
    change(&mut live, &to);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("closed");
    drop(File::create(&path).unwrap());
    let path = path.to_str().unwrap().as_bytes();
    live.wait("close", |f| f.trailer().file().is_some_and(|file| file.path == path));
    assert_eq!(live.probe.n_noted().unwrap(), 0);
    live.finish();
}

#[test]
fn what_was_fixed_at_the_load_is_told() {
    const CLOSE: EventType = EventType::CLOSE_X;
    const READ: EventType = EventType::READ_X;
    let none = Asked { descriptors: EventSet::EMPTY, ..Asked::default() };
    let options =
        ProbeOptions { interest: set(&[CLOSE]), asked: none.clone(), ..ProbeOptions::default() };
    let Some(live) = Live::with(options) else { return };
    let both = set(&[CLOSE, READ]);
    let asked = Asked { descriptors: both, entry: both, ..Asked::default() };
    assert_eq!(
        live.probe.out_of_reach(&wanted(&[CLOSE, READ], asked)),
        [
            "what descriptors were when calls started, of close, read",
            "which end of a socket a process is, and the last peer of a socket"
        ]
    );
    assert!(live.probe.out_of_reach(&wanted(&[CLOSE], none)).is_empty());
    live.finish();
}

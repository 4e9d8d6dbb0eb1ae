//! The kernel side's tables at their bounds: what there is no room for is counted, and what was known before stays.

mod live;

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use capture::{Asked, ProbeOptions, TableLimits};
use event::{EventSet, EventType};
use live::Live;

/// Whoever starts processes does so alone: they are children of all tests here.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A process that ends when its input does.
fn waiting_child() -> Child {
    let mut command = Command::new("/bin/cat");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
}

#[test]
fn processes_without_room_in_the_scope_are_counted_and_not_captured() {
    let _alone = alone();
    let forks = [EventType::CLONE_20_X, EventType::CLONE3_X, EventType::VFORK_20_X];
    let types: EventSet = forks.into_iter().chain([EventType::PROCEXIT_1_E]).collect();
    // This process, and two more.
    let tables = TableLimits { scope_processes: 3, ..TableLimits::default() };
    let mut all = vec![waiting_child()];
    let options = ProbeOptions { interest: types, tables, ..ProbeOptions::default() };
    let Some(mut live) = Live::with(options) else { return };
    all.extend((0..5).map(|_| waiting_child()));
    assert_eq!(live.probe.counters().scope_full, 4);
    let ids: Vec<u32> = all.iter().map(Child::id).collect();
    for child in &mut all {
        drop(child.stdin.take());
        child.wait().unwrap();
    }
    for id in &ids[..2] {
        live.wait("exit", |f| f.event_type() == EventType::PROCEXIT_1_E && f.header().tid == *id);
    }
    live.drain();
    let told = live.frames.iter().filter_map(|f| event::Frame::parse(f).ok());
    assert_eq!(told.filter(|f| ids[2..].contains(&f.header().tgid)).count(), 0);
    // Those that ended have made room.
    waiting_child().wait_with_output().unwrap();
    assert_eq!(live.probe.counters().scope_full, 4);
    live.finish();
}

#[test]
fn children_from_before_that_the_scope_has_no_room_for_are_counted() {
    let _alone = alone();
    let tables = TableLimits { scope_processes: 2, ..TableLimits::default() };
    let children: Vec<Child> = (0..4).map(|_| waiting_child()).collect();
    let options = ProbeOptions { interest: EventSet::EMPTY, tables, ..ProbeOptions::default() };
    let Some(live) = Live::with(options) else { return };
    let scope_full = live.probe.counters().scope_full;
    for child in children {
        child.wait_with_output().unwrap();
    }
    // One of them is in, beside this process.
    assert!(scope_full >= 3, "{scope_full}");
    live.finish();
}

#[test]
fn sockets_that_made_room_for_others_are_counted() {
    const ROOM: usize = 64;
    const N: usize = 500;
    let types: EventSet = [EventType::CONNECT_X].into_iter().collect();
    let asked = Asked { descriptors: types, ..Asked::default() };
    let tables = TableLimits { sockets: ROOM as u32, ..TableLimits::default() };
    let options = ProbeOptions { interest: types, asked, tables, ..ProbeOptions::default() };
    let Some(mut live) = Live::with(options) else { return };
    let to = UdpSocket::bind("127.0.0.1:0").unwrap();
    let start = Instant::now();
    let sockets: Vec<UdpSocket> = (0..N)
        .map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(to.local_addr().unwrap()).unwrap();
            live.drain();
            socket
        })
        .collect();
    let counters = live.probe.counters();
    assert!(start.elapsed() < live::DEADLINE && sockets.len() == N);
    let noted = counters.sockets_noted as usize;
    assert!(noted >= N, "{noted} sockets were noted");
    assert_eq!(counters.sockets_forgotten as usize, noted - ROOM);
    live.finish();
}

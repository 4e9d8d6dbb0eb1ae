//! More calls under way than can be noted: the loss is counted, and no frame says what it does not know.

mod live;

use std::{
    fs::File,
    io::Read,
    os::fd::AsRawFd,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use capture::{Asked, ProbeOptions, TableLimits};
use event::{EventSet, EventType, Frame};
use live::{Live, tid};

const ROOM: u32 = 64;
const N_WAITING: usize = ROOM as usize + 50;
const STACK: usize = 16 * 1024;

#[test]
fn calls_without_room_are_counted_and_claim_nothing() {
    let interest: EventSet = [EventType::READ_X, EventType::CLOSE_X].into_iter().collect();
    let asked = Asked { entry: interest, ..Asked::default() };
    let tables = TableLimits { noted_calls: ROOM, ..TableLimits::default() };
    let options = ProbeOptions { interest, asked, tables, ..ProbeOptions::default() };
    let Some(mut live) = Live::with(options) else { return };
    let (reader, writer) = std::io::pipe().unwrap();
    let returned = AtomicUsize::new(0);
    thread::scope(|scope| {
        let mut n_waiting = 0;
        for _ in 0..N_WAITING {
            let wait = || {
                let mut byte = [0];
                assert_eq!((&reader).read(&mut byte).unwrap(), 0);
                returned.fetch_add(1, Ordering::Release);
            };
            if thread::Builder::new().stack_size(STACK).spawn_scoped(scope, wait).is_err() {
                break;
            }
            n_waiting += 1;
            live.drain();
            live.frames.clear();
        }
        if n_waiting < N_WAITING {
            eprintln!("skipped: {n_waiting} threads, not {N_WAITING}, can be had here");
        } else {
            let start = Instant::now();
            while live.probe.counters().notes_lost < 50 {
                assert!(start.elapsed() < live::DEADLINE, "nothing is lost");
                thread::yield_now();
            }
            assert_eq!(live.probe.n_noted().unwrap(), ROOM as usize);
            let file = File::open("/dev/null").unwrap();
            let fd = file.as_raw_fd();
            drop(file);
            let me = tid();
            let closed = |f: &Frame<'_>| {
                f.event_type() == EventType::CLOSE_X
                    && f.header().tid == me
                    && f.param_i64(1) == Some(fd.into())
            };
            let bytes = live.wait("close", closed);
            let frame = Frame::parse(&bytes).unwrap();
            assert_eq!(frame.trailer().sections().count(), 0);
        }
        drop(writer);
    });
    live.drain();
    assert_eq!(live.probe.n_noted().unwrap(), 0);
    live.finish();
}

//! What threads and processes use, by the events of a recording.

use capture::{
    ProcessEntry,
    savefile::{EVT_NUM_SHIFT, Playback, PlaybackDemand},
};
use event::{EventType, Frame, ResourceFacts, resource_facts};

use crate::recording::{
    CLONE_THREAD, Calls,
    Param::{Empty, I64, U8, U32},
    Recording, process, text,
};

const DEMAND: PlaybackDemand =
    PlaybackDemand { own: false, all: false, resources: true, table: true };
const LISTEN: EventType = EventType::LISTEN_X;
const SWITCH: EventType = EventType::SWITCH_6_E;
const PROCINFO: EventType = EventType::PROCINFO_1_E;

/// Calls `look` with each event's frame.
fn each<T>(playback: &mut Playback, mut look: impl FnMut(&Frame<'_>) -> T) -> Vec<T> {
    let mut all = Vec::new();
    while let Some(played) = playback.next_frame().unwrap() {
        if played.key.0 & ((1 << EVT_NUM_SHIFT) - 1) == 0 {
            all.push(look(&Frame::parse(played.frame).unwrap()));
        }
    }
    all
}

fn of_each<T>(r: &Recording, look: impl Fn(ResourceFacts<'_>) -> T) -> Vec<T> {
    each(&mut r.playback(DEMAND), |frame| look(frame.trailer().resources().unwrap()))
}

fn listen(r: &mut Recording, tid: u32) {
    r.call_of(tid, LISTEN, &[I64(0), I64(3), U32(5)]);
}

fn clone(r: &mut Recording, by: u32, res: i64, ids: [i64; 3], flags: u32) {
    let [tid, pid, ptid] = ids;
    let params = [
        I64(res),
        text("x"),
        Empty,
        I64(tid),
        I64(pid),
        I64(ptid),
        text("/"),
        I64(64),
        I64(1),
        I64(2),
        U32(3),
        U32(4),
        U32(5),
        text("x"),
        text("cpu=/new"),
        U32(flags),
        U32(0),
        U32(0),
        I64(tid),
        I64(pid),
    ];
    r.call_of(by, EventType::CLONE_20_X, &params);
}

#[test]
fn the_list_and_the_calls_tell_memory_faults_and_limits() {
    let mut r = Recording::new();
    r.processes = vec![ProcessEntry {
        fdlimit: 1024,
        vmsize_kb: 10,
        vmrss_kb: 11,
        vmswap_kb: 12,
        pfmajor: 13,
        pfminor: 14,
        cgroups: b"cpu=/a\0".to_vec(),
        pidns_init_start_ts: 15,
        ..process(5, 5, "/")
    }];
    listen(&mut r, 5);
    r.call(EventType::BRK_4_X, &[I64(0), U32(20), U32(21), U32(22), I64(0)]);
    r.call(SWITCH, &[I64(9), I64(30), I64(31), U32(32), U32(33), U32(34)]);
    r.call(EventType::SETRLIMIT_X, &[I64(0), I64(99), I64(99), U8(7)]);
    r.call(EventType::SETRLIMIT_X, &[I64(0), I64(1), I64(1), U8(6)]);
    r.call(EventType::SETRLIMIT_X, &[I64(-1), I64(1), I64(1), U8(7)]);
    let told = of_each(&r, |f| {
        let memory = (f.vmsize_kb, f.vmrss_kb, f.vmswap_kb);
        (memory, f.pfmajor, f.pfminor, f.fdlimit, f.cgroups.to_vec(), f.pidns_start_ns)
    });
    let expected =
        |memory, major, minor, limit| (memory, major, minor, limit, b"cpu=/a\0".to_vec(), 15);
    assert_eq!(
        told,
        [
            expected((10, 11, 12), 13, 14, 1024),
            expected((20, 21, 22), 13, 14, 1024),
            expected((32, 33, 34), 30, 31, 1024),
            expected((32, 33, 34), 30, 31, 99),
            expected((32, 33, 34), 30, 31, 99),
            expected((32, 33, 34), 30, 31, 99),
        ]
    );
}

#[test]
fn cpu_time_is_that_between_two_events_that_tell_it() {
    let mut r = Recording::new();
    for (ts, tid) in [(500, 5), (1000, 0), (1300, 6), (1400, 5)] {
        r.ts = ts;
        r.call_of(tid, SWITCH, &[I64(9), I64(0), I64(0), U32(0), U32(0), U32(0)]);
    }
    listen(&mut r, 5);
    let told = of_each(&r, |f| (f.exec_ns, f.total_exec_ns));
    assert_eq!(told, [(0, 0), (500, 0), (300, 300), (100, 100), (0, 100)]);

    let mut r = Recording::new();
    for (user, kernel) in [(50, 0), (60, 5), (1000, 5)] {
        r.call(PROCINFO, &[I64(user), I64(kernel)]);
    }
    listen(&mut r, 5);
    let told = of_each(&r, |f| f.knows(resource_facts::CPU).then_some(f.cpu));
    assert_eq!(told, [Some([0; 3]), Some([15, 10, 0]), Some([100, 100, 0]), None]);
}

#[test]
fn threads_are_counted_up_to_their_exit() {
    let mut r = Recording::new();
    r.processes.push(process(6, 5, "/"));
    listen(&mut r, 5);
    clone(&mut r, 7, 0, [7, 5, 5], CLONE_THREAD);
    clone(&mut r, 8, 0, [8, 8, 5], 0);
    r.call(EventType::PROCEXIT_1_E, &[I64(0), I64(0), U8(0), U8(0), I64(0)]);
    listen(&mut r, 6);
    let told = of_each(&r, |f| (f.n_threads, f.n_further_threads));
    assert_eq!(told, [(2, 1), (3, 2), (1, 0), (3, 2), (2, 2)]);
}

#[test]
fn a_clone_tells_what_its_child_begins_with_on_whichever_side_comes_first() {
    for callers_first in [false, true] {
        let mut r = Recording::new();
        r.processes[0].pidns_init_start_ts = 77;
        let ids = [8, 8, 5];
        if callers_first {
            clone(&mut r, 5, 8, [5, 5, 1], 0);
        }
        clone(&mut r, 8, 0, ids, 0);
        listen(&mut r, 8);
        let last = of_each(&r, |f| {
            (f.fdlimit, f.vmsize_kb, f.pfminor, f.cgroups.to_vec(), f.pidns_start_ns)
        });
        assert_eq!(last.last(), Some(&(64, 3, 2, b"cpu=/new\0".to_vec(), 77)), "{callers_first}");
    }
}

#[test]
fn the_whole_table_is_told_where_it_is_asked_for() {
    let mut r = Recording::new();
    r.open(0, "/in", 1).open(2, "/err", 1).open(7, "/x", 1);
    r.call(EventType::CLOSE_X, &[I64(0), I64(7)]);
    r.call(EventType::PROCEXIT_1_E, &[I64(0), I64(0), U8(0), U8(0), I64(0)]);
    let told = each(&mut r.playback(DEMAND), |frame| {
        let trailer = frame.trailer();
        let kinds = trailer.open_kinds().unwrap();
        let named = |fd| trailer.descriptors().find(|d| d.fd == fd).map(|d| d.name.to_vec());
        (trailer.resources().unwrap().n_fds, kinds.of(2), [named(0), named(1), named(2)])
    });
    let names = [Some(b"/in".to_vec()), None, Some(b"/err".to_vec())];
    assert_eq!(
        told[2..],
        [(3, Some(b'f'), names.clone()), (3, Some(b'f'), names.clone()), (2, Some(b'f'), names),]
    );
    let demand = PlaybackDemand { resources: false, table: false, ..DEMAND };
    let sections = each(&mut r.playback(demand), |frame| frame.trailer().sections().count());
    assert_eq!(sections[..4], [0; 4], "what nobody asks for is not told");
}

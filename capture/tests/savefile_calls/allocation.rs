//! Following descriptors needs no memory anew for what comes again and again.

use capture::savefile::{EVT_NUM_SHIFT, PlaybackDemand};
use event::{EventType as E, Frame};
use perf::CountingAlloc;

use super::recording::{
    Calls,
    Param::{Empty, I64, U32},
    Recording, text, tuple,
};

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc::system();

#[test]
fn a_steady_recording_is_played_without_allocation() {
    const N_WARM: u64 = 1200;
    let mut r = Recording::new();
    for n in 0..400 {
        r.open(3, &format!("/var/log/{}", n % 7), 1)
            .call(E::READ_X, &[I64(1), Empty, I64(3), U32(1)])
            .call(E::DUP2_X, &[I64(4), I64(3), I64(4)])
            .call(E::CHDIR_X, &[I64(0), text("/tmp")])
            .openat(5, -100, "x")
            .socket(6, 2, 2)
            .call(E::CONNECT_X, &[I64(0), tuple("10.0.0.5:9->1.2.3.4:53"), I64(6), Empty])
            .call(E::SENDTO_X, &[I64(1), Empty, I64(6), U32(1), tuple("10.0.0.5:9->5.6.7.8:53")]);
        for fd in 3..7 {
            r.close(5, 0, fd);
        }
    }
    let mut playback =
        r.playback(PlaybackDemand { own: true, all: true, resources: false, table: false });
    let (mut before, mut n_told) = (0, 0);
    while let Some(played) = playback.next_frame().unwrap() {
        if played.key.0 >> EVT_NUM_SHIFT == N_WARM {
            before = perf::thread_allocs();
        }
        let frame = Frame::parse(played.frame).unwrap();
        n_told += u32::from(frame.trailer().descriptor().is_some());
    }
    assert_eq!(perf::thread_allocs() - before, 0);
    // All calls but those of the directory have a descriptor.
    assert!(before > 0 && n_told == 400 * 11, "{n_told}");
}

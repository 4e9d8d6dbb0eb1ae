//! Gate targets: checking and reading one frame of each family.

use std::hint::black_box;

use bench_harness::samples::{self, At};
use bench_harness::{Pass, TargetFn, run_targets};
use event::{Frame, SockAddr, SockTuple};
use perf::CountingAlloc;

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc::system();

const N: u64 = 1000;
const AT: At = At { ts: 1_000_000, cpu: 0, tgid: 4_242, parent: 4_000 };

/// Parses `bytes` again and again; `read` looks at what the family carries.
fn decode(bytes: Vec<u8>, read: impl Fn(&Frame<'_>) -> bool + 'static) -> Pass {
    Pass::new(N, move || {
        for _ in 0..N {
            let frame = Frame::parse(black_box(&bytes)).expect("a sample is a frame");
            assert!(read(black_box(&frame)), "a sample's fact is missing");
        }
    })
}

fn exec() -> Pass {
    decode(samples::exec(AT, false), |f| {
        f.params().map(<[u8]>::len).sum::<usize>() > 900
            && f.param_str(27) == Some(b"/usr/bin/make")
            && f.trailer().proc().is_some_and(|p| p.parent_tgid == AT.parent)
    })
}

fn open() -> Pass {
    decode(samples::open(AT), |f| {
        f.param_i64(0) == Some(3)
            && f.param_str(2).is_some_and(|name| name.ends_with(b"sched.h"))
            && f.trailer().file().is_some_and(|file| file.ino == 9911)
            && f.trailer().dir().is_some_and(|dir| dir.path == b"/home/user/project")
    })
}

fn connect() -> Pass {
    decode(samples::connect(AT), |f| {
        let tuple = f.param(1).and_then(SockTuple::decode);
        let addr = f.param(3).and_then(SockAddr::decode);
        matches!(tuple, Some(SockTuple::Inet { dest, .. }) if dest.port() == 443)
            && matches!(addr, Some(SockAddr::Inet(a)) if a.port() == 443)
            && f.trailer().sock().is_some_and(|s| s.cookie == 99)
    })
}

fn fork() -> Pass {
    decode(samples::fork(AT), |f| {
        f.param_i64(0) == Some(0)
            && f.trailer().creator().is_some_and(|c| c.creator_tgid == AT.parent)
            && f.trailer().proc().is_some_and(|p| p.vpid == AT.tgid)
    })
}

fn exit() -> Pass {
    decode(samples::exit(AT), |f| {
        f.param_i64(0) == Some(0) && f.trailer().exit().is_some_and(|e| e.reaper_tgid == 1)
    })
}

fn main() {
    let targets: [TargetFn; 5] = [
        ("decode_exec", "event::Frame::parse (execve)", exec),
        ("decode_open", "event::Frame::parse (openat)", open),
        ("decode_connect", "event::Frame::parse (connect)", connect),
        ("decode_fork", "event::Frame::parse (clone)", fork),
        ("decode_exit", "event::Frame::parse (procexit)", exit),
    ];
    run_targets(&targets, std::env::args().skip(1));
}

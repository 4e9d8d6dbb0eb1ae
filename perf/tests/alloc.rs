//! What a hot path calls does not allocate: counters, gauges, tallies, latencies, samplers, clocks.

use perf::{CountingAlloc, Registry, Sampler};

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc::system();

#[test]
fn recording_allocates_nothing() {
    let mut registry = Registry::new();
    let counter = registry.counter("shard.parsed");
    let gauge = registry.gauge("shard.depth");
    let tally = registry.tally("shard.rejected", 400, |_| "type");
    let latency = registry.latency("parse", 8);
    let mut sampler = Sampler::new(8);
    let before = perf::thread_allocs();
    assert!(before > 0, "the allocator counts");
    for n in 0..100_000 {
        counter.add(1);
        gauge.set(n);
        tally.add(n as usize, 1);
        if sampler.due() {
            latency.record(n << (n % 50));
            latency.record_n(perf::boot_now_ns() - perf::boot_now_ns().min(n), 3);
        }
    }
    assert_eq!(perf::thread_allocs(), before);
    assert_eq!((counter.get(), tally.total()), (100_000, 100_000));
}

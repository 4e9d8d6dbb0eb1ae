//! Counters, latency histograms, clock and pinning.

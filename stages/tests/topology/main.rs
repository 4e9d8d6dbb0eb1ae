//! Capture threads and shards as the agent joins them, over rings of a test: full lanes, stragglers, sleepers.

#[path = "../support/mod.rs"]
mod support;

mod rig;
mod storm;
mod stragglers;
mod stress;

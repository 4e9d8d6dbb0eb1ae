//! See `outbox` of what is tried.
#![no_main]

#[path = "../../outputs/tests/fuzzing/mod.rs"]
mod fuzzing;

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzzing::outbox(input));

//! See `configuration` of what is tried.
#![no_main]

#[path = "../../agent/tests/fuzzing/mod.rs"]
mod fuzzing;

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzzing::configuration(input));

//! See `savefile` of what is tried.
#![no_main]

#[path = "../../capture/tests/fuzzing/mod.rs"]
mod fuzzing;

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzzing::savefile(input));

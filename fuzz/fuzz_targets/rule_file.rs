//! See `rule_file` of what is tried.
#![no_main]

#[path = "../../rules/tests/fuzzing/mod.rs"]
#[allow(dead_code, reason = "each target uses its part")]
mod fuzzing;

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzzing::rule_file(input));

//! Measures programs as processes.

fn main() {}

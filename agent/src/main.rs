//! The `peregrine` binary.

mod memory;

use std::process::ExitCode;

#[global_allocator]
static ALLOC: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    memory::give_back_at_once();
    agent::main(std::env::args_os(), memory::give_back)
}

//! The `peregrine` binary.

mod memory;

use std::process::ExitCode;

use agent::GiveBack;

#[global_allocator]
static ALLOC: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    memory::give_back_at_once();
    let give_back =
        GiveBack { all: memory::give_back, of_this_thread: memory::give_back_of_this_thread };
    agent::main(std::env::args_os(), give_back)
}

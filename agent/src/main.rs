//! The `peregrine` binary.

use std::process::ExitCode;

#[global_allocator]
static ALLOC: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of `mi_option_e` (mimalloc.h, version 3): ms until pages that are free go back to the system.
const PURGE_DELAY: i32 = 15;

fn main() -> ExitCode {
    // At once: later means when something is allocated next, and once it runs nothing is for hours.
    // SAFETY: it takes two numbers, and no other thread runs yet.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 0) };
    agent::main(std::env::args_os(), give_back)
}

/// Gives the system what the allocator keeps of memory that is free.
fn give_back() {
    // SAFETY: it takes no pointer, and any thread may call it at any time.
    unsafe { libmimalloc_sys::mi_collect(true) };
}

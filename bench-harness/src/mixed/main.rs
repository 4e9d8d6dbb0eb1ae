//! `peregrine-storm`: bounded, seeded storms of real system calls, for recordings that are then replayed in many ways.

#![deny(unsafe_code)]

mod chance;
mod cli;
mod counts;
mod family;
mod files;
mod identity;
mod role;
mod scene;
mod sockets;
mod sys;
mod threads;
mod worker;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = role::play() {
        return code;
    }
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("peregrine-storm: {e:#}");
            ExitCode::FAILURE
        }
    }
}

//! `peregrine-storm`: bounded storms of known system calls, to measure what watches them by, and to record.

#![deny(unsafe_code)]

mod cli;
mod cycle;
mod files;
mod mixed;
mod number;
mod pace;
mod processes;
mod raw;
mod report;
mod run;
mod signals;
mod sockets;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = mixed::play() {
        return code;
    }
    match cli::run() {
        Ok(code) => code,
        Err(e) => {
            eprintln!("peregrine-storm: {e:#}");
            ExitCode::FAILURE
        }
    }
}

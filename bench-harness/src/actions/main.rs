//! `peregrine-actions`: one harmless action for each shipped rule, and a check that Peregrine reports exactly it.

#![deny(unsafe_code)]

mod action;
mod catalogue;
mod cli;
mod container;
mod disguise;
mod interfaces;
mod scene;
mod stage;
mod sys;
mod verdict;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = disguise::act() {
        return code;
    }
    match cli::run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("peregrine-actions: {e:#}");
            ExitCode::FAILURE
        }
    }
}

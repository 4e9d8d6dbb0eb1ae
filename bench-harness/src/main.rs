//! `peregrine-bench`: measures and checks Peregrine's programs from outside.

#![deny(unsafe_code)]

mod gate;
mod kernels;
mod lab;
mod process;
mod quiet;
mod repeat;
mod soak;
mod storm;
mod watched;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures and checks Peregrine's programs from outside
#[derive(Parser, Debug)]
#[command(name = "peregrine-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Boot Debian's cloud kernels under qemu and check what Peregrine sees there
    Kernels(kernels::Kernels),
    /// Hold the figures of two records against each other
    Compare(lab::Compare),
    /// Count instructions and allocations per event and compare them with the baseline
    Gate(gate::Gate),
    /// Measure programs as processes, in turns, by what the definitions say
    Measure(lab::Measure),
    /// Do ordinary work under the agent: none of it may raise an alert above INFO
    Quiet(quiet::Quiet),
    /// Measure, and keep the runs with the machine and a report
    Record(lab::Record),
    /// Make a long savefile out of a short one: its header once, its events again and again
    Repeat(repeat::Repeat),
    /// Write a record as Markdown with charts
    Report(lab::Report),
    /// A load of all kinds for half an hour under an agent with its outputs: it keeps no more memory, descriptors or threads
    Soak(soak::Soak),
    /// Storms of stress-ng under the agent: every equation holds, and the kernel log is silent
    Storm(storm::Storm),
}

fn main() -> ExitCode {
    let passed = match Cli::parse().command {
        Command::Kernels(kernels) => kernels.run(),
        Command::Compare(compare) => compare.run(),
        Command::Gate(gate) => return gate.exit(),
        Command::Measure(measure) => measure.run(),
        Command::Quiet(quiet) => quiet.run(),
        Command::Record(record) => record.run(),
        Command::Repeat(repeat) => repeat.run(),
        Command::Report(report) => report.run(),
        Command::Soak(soak) => soak.run(),
        Command::Storm(storm) => storm.run(),
    };
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("peregrine-bench: {e:#}");
            ExitCode::FAILURE
        }
    }
}

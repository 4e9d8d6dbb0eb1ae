//! `peregrine-bench`: measures and checks Peregrine's programs from outside.

mod kernels;

use std::process::ExitCode;

use anyhow::Result;
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
}

fn main() -> Result<ExitCode> {
    let passed = match Cli::parse().command {
        Command::Kernels(kernels) => kernels.run()?,
    };
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

//! `peregrine-floor`: a program at every system call that returns at once, the least that anything attached there can cost.

#![deny(unsafe_code)]

mod bpf;

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};

/// Attaches `r0 = 0; exit` to a raw tracepoint of every system call, prints `attached`, and stays until stdin closes
///
/// What a storm takes longer beside it is what the hook itself costs; whatever watches there cannot cost less.
#[derive(Parser, Debug)]
#[command(name = "peregrine-floor", version)]
struct Cli {
    /// Tracepoint
    #[arg(long, value_enum, default_value_t = Tracepoint::SysExit)]
    tp: Tracepoint,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Tracepoint {
    SysExit,
    SysEnter,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("peregrine-floor: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    let name = match cli.tp {
        Tracepoint::SysExit => c"sys_exit",
        Tracepoint::SysEnter => c"sys_enter",
    };
    let program = bpf::load_program_that_returns().context("the kernel refuses the program")?;
    let _link = bpf::attach(&program, name)
        .with_context(|| format!("cannot attach to {}", name.to_string_lossy()))?;
    let mut out = std::io::stdout();
    writeln!(out, "attached").and_then(|()| out.flush()).context("cannot write to stdout")?;
    // The kernel detaches the program when this process has ended, whatever ends it.
    let mut ignored = [0; 64];
    while std::io::stdin().read(&mut ignored).context("cannot read stdin")? > 0 {}
    Ok(())
}

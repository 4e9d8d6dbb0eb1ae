//! What the kernel's verifier has to do for each program: instructions that it follows, the same on every load of one object by one kernel. Their sum
//! is nearly all of the time from the start of the agent to its first event.
//!
//! `cargo run --release -p capture --example verifier_cost -- [OBJECT ...]`, as root; the object that is built in where none is given. Everything that
//! can be captured is asked for, so that every program is loaded. A kernel before 5.16 does not say.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use capture::{Asked, ForkSides, Probe, ProbeOptions, Room, capturable, generic_calls, on_demand};

fn load(object: Option<PathBuf>) -> Result<(Probe, f64), String> {
    let interest = capturable().union(&on_demand());
    let options = ProbeOptions {
        interest,
        generic_calls: generic_calls(),
        fork_sides: ForkSides::Both,
        asked: Asked { entry: interest, ..Asked::default() },
        room: Room::ForAll,
        scope_pid: Some(std::process::id()),
        object,
        ..ProbeOptions::default()
    };
    let begin = Instant::now();
    let probe = Probe::load(options).map_err(|e| e.to_string())?;
    Ok((probe, begin.elapsed().as_secs_f64() * 1e3))
}

fn main() -> ExitCode {
    let mut objects: Vec<Option<PathBuf>> =
        std::env::args_os().skip(1).map(|o| Some(o.into())).collect();
    if objects.is_empty() {
        objects.push(None);
    }
    for object in objects {
        let name = object.as_ref().map_or("built in".to_owned(), |o| o.display().to_string());
        let (probe, ms) = match load(object) {
            Ok(loaded) => loaded,
            Err(e) => {
                eprintln!("verifier_cost: {name}: {e}");
                return ExitCode::FAILURE;
            }
        };
        let mut programs = probe.verified();
        programs.sort_by_key(|(program, n)| (std::cmp::Reverse(*n), program.clone()));
        for (program, n) in &programs {
            println!("{n:>9} {program}");
        }
        let sum: u64 = programs.iter().map(|(_, n)| u64::from(*n)).sum();
        println!("{sum:>9} {name}, loaded in {ms:.0} ms");
        for (program, why) in probe.report().refused {
            println!("refused: {program}: {why}");
        }
    }
    ExitCode::SUCCESS
}

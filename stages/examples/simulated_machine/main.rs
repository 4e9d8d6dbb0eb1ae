//! A simulated machine under the real engine: `simulated_machine run|sweep|measure|costs`.
//!
//! `run --cpus N --capture N --shards N [--shape even|hot|build] [--pace EVENTS_A_SECOND] [--open-ns NS] [--ms MS] [--place spread]
//! [--yields N] [--no-spread] [--set COST=NS]..` simulates one topology, `sweep --cpus N` many. `measure` takes the time of the engine's parts on this machine, which is
//! what `costs` are made of.

mod measure;
mod model;

use std::process::ExitCode;

use bus::WaitLimits;
use capture::Spread;
use model::costs::Costs;
use model::engine::{Room, Topology};
use model::load::Shape;
use model::machine::{Pace, Placement, Setup, run};
use model::report::Outcome;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match work(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("simulated_machine: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The values given to an option, in order.
fn values<'a>(args: &'a [String], name: &'a str) -> impl Iterator<Item = &'a str> {
    args.windows(2).filter(move |w| w[0] == name).map(|w| w[1].as_str())
}

fn number(args: &[String], name: &str) -> Result<Option<u64>, String> {
    let text = values(args, name).last();
    text.map(|t| t.parse().map_err(|e| format!("{name} {t}: {e}"))).transpose()
}

fn work(args: &[String]) -> Result<(), String> {
    let mut costs = Costs::default();
    for cost in values(args, "--set") {
        costs.set(cost)?;
    }
    let shapes: Vec<Shape> = match values(args, "--shape").last() {
        None => Shape::ALL.to_vec(),
        Some("even") => vec![Shape::Even],
        Some("hot") => vec![Shape::HotProcess],
        Some("build") => vec![Shape::Build],
        Some(other) => return Err(format!("{other}: no such shape")),
    };
    let n_cpus = number(args, "--cpus")?.unwrap_or(64) as usize;
    let placement = match values(args, "--place").last() {
        None | Some("first") => Placement::First,
        Some("spread") => Placement::Spread,
        Some(other) => return Err(format!("{other}: no such placement")),
    };
    let is_bound = args.iter().any(|a| a == "--no-spread");
    let pace = number(args, "--pace")?;
    let base = Setup {
        n_cpus,
        shape: Shape::Even,
        topology: Topology { n_capture: 1, n_shards: 1 },
        placement,
        pace: pace.map_or(Pace::Saturated, |n| Pace::Events(n as f64)),
        open_ns: number(args, "--open-ns")?.unwrap_or(10_000),
        duration_ns: number(args, "--ms")?.unwrap_or(200) * 1_000_000,
        room: Room::default(),
        wait: WaitLimits {
            n_yields: number(args, "--yields")?
                .map_or(WaitLimits::default().n_yields, |n| n as u32),
            ..WaitLimits::default()
        },
        spread: if is_bound { Spread::Off } else { Spread::Auto },
        costs,
    };
    let topologies: Vec<Topology> = match args.first().map(String::as_str) {
        Some("costs") => {
            print!("{}", base.costs.table());
            return Ok(());
        }
        Some("measure") => {
            measure::measure();
            return Ok(());
        }
        Some("run") => {
            let n_capture = number(args, "--capture")?.unwrap_or(1) as usize;
            let n_shards = number(args, "--shards")?.unwrap_or(1) as usize;
            vec![Topology { n_capture, n_shards }]
        }
        Some("sweep") => candidates(n_cpus),
        _ => return Err("one of run, sweep, measure, costs".to_owned()),
    };
    println!("{}", Outcome::HEADING);
    for shape in shapes {
        for &topology in &topologies {
            let outcome = run(Setup { shape, topology, ..base.clone() });
            println!("{}", outcome.map_err(|e| e.to_string())?.row());
        }
    }
    Ok(())
}

/// Topologies worth a look on so many CPUs.
fn candidates(n_cpus: usize) -> Vec<Topology> {
    let captures: &[usize] = match n_cpus {
        0..8 => &[1],
        8..16 => &[1, 2],
        16..64 => &[1, 2, 4],
        _ => &[2, 4, 8, 16],
    };
    let shards: &[usize] = match n_cpus {
        0..4 => &[1, 2],
        4..8 => &[1, 2, 3],
        8..16 => &[1, 2, 4, 7],
        16..64 => &[2, 4, 8, 14],
        _ => &[4, 8, 12, 16, 24, 32, 56],
    };
    let all = captures.iter().flat_map(|&n_capture| {
        shards.iter().map(move |&n_shards| Topology { n_capture, n_shards })
    });
    all.collect()
}

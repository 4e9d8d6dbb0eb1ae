//! What `peregrine-bench gate --rules` runs: a capture held against somebody's rules.
//!
//! `profile` prints which rules ran how often; `all`, `none` and any other name is a gate target with all rules, with none, or with all but those
//! of `--without`.

mod alone;
mod recording;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bench_harness::{Pass, run_target};
use capture::savefile::Replay;
use event::EventSet;
use perf::CountingAlloc;
use rules::{Options, RuleMatching, Ruleset, SelectBy, Selection, Source};
use stages::{RuleProfile, RuleSwap};

use recording::{Ready, Recording, load};

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc::system();

/// As Falco does unless told otherwise.
const MATCHING: RuleMatching = RuleMatching::First;

#[derive(Default)]
struct Args {
    name: String,
    capture: PathBuf,
    rules: Vec<PathBuf>,
    without: Vec<String>,
}

impl Args {
    /// The words after the program's name.
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut args = Self { name: words.next().unwrap_or_default(), ..Self::default() };
        while let Some(option) = words.next() {
            let value = words.next().ok_or_else(|| format!("{option} lacks its value"))?;
            match option.as_str() {
                "--capture" => args.capture = value.into(),
                "--rules" => args.rules.push(value.into()),
                "--without" => args.without.push(value),
                _ => return Err(format!("unknown option {option}")),
            }
        }
        Ok(args)
    }

    /// All rules but those of `--without`.
    fn load(&self) -> Result<Arc<Ruleset>, String> {
        let mut sources = Vec::new();
        for path in &self.rules {
            let name = path.display().to_string();
            let text = fs::read_to_string(path).map_err(|e| format!("cannot read {name}: {e}"))?;
            sources.push(Source { name, text });
        }
        let unwanted = self.without.iter().cloned();
        let unwanted = unwanted.map(|name| Selection { enable: false, by: SelectBy::Rule(name) });
        let options =
            Options { matching: MATCHING, selections: unwanted.collect(), ..Options::default() };
        let loaded = Ruleset::load(sources, options);
        let all = |e: &[rules::RuleError]| {
            e.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        loaded.map(Arc::new).map_err(|e| all(&e))
    }
}

fn run(args: &Args) -> Result<(), String> {
    let ruleset = match args.name.as_str() {
        "none" => load(String::new()),
        _ => args.load()?,
    };
    // For its error: the recording is read as one of the repository's own, which is whole.
    Replay::open(&args.capture)
        .map_err(|e| format!("cannot read {}: {e}", args.capture.display()))?;
    let recording = Recording::read(&args.capture);
    let events = recording.events(&EventSet::all()).len();
    if events == 0 {
        return Err(format!("{} has no events", args.capture.display()));
    }
    let ready = move |ruleset: &Arc<Ruleset>| {
        let events = recording.events(&EventSet::all());
        Ready::new(&recording, &events, ruleset, MATCHING, events.len())
    };
    if args.name == "profile" {
        let swap = Arc::new(RuleSwap::new(1, Vec::new(), Vec::new()));
        let mut ready = ready(&ruleset);
        ready.shard = ready.shard.following(Arc::clone(&swap));
        swap.begin_profile(1).map_err(|e| e.to_string())?;
        let n_alerts = ready.run().n_alerts();
        print_profile(&ruleset, &swap.end_profile(Duration::from_secs(1)), n_alerts);
        return Ok(());
    }
    let prepare = move |state: &mut Option<Ready>| *state = Some(ready(&ruleset));
    let pass = Pass::prepared(events as u64, None, prepare, |state| {
        *state = state.take().map(Ready::run);
    });
    run_target(&args.name, pass.warmed_up(1));
    Ok(())
}

fn print_profile(ruleset: &Ruleset, profile: &RuleProfile, n_alerts: usize) {
    let rules = ruleset.rules().zip(&profile.costs.rules).zip(&profile.matches);
    let rules = rules.map(|((info, cost), n_matches)| {
        serde_json::json!({
            "name": &*info.name, "n_runs": cost.n_runs, "ns": cost.ns, "n_matches": n_matches
        })
    });
    let rules = rules.collect::<Vec<_>>();
    println!("{}", serde_json::json!({ "rules": rules, "n_alerts": n_alerts }));
}

fn main() -> ExitCode {
    // Cargo runs every bench, with options of its own: nothing is asked.
    if std::env::args().nth(1).is_none_or(|word| word.starts_with("--")) {
        return ExitCode::SUCCESS;
    }
    match Args::parse(std::env::args().skip(1)).and_then(|args| run(&args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

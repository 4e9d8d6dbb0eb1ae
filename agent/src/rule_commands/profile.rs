//! `peregrine rules profile`: what the rules of the running agent cost.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;

use crate::cli::{ConfigSource, Settings};
use crate::config;
use crate::control::ask;
use crate::request::{ProfileReport, ProfileRequest, Request, Response, RuleCostLine};
use crate::visible::in_a_line;

/// Time that the agent may take beyond the measuring.
const PATIENCE: Duration = Duration::from_secs(15);

/// Options of `peregrine rules profile`.
#[derive(Debug, Args)]
pub(crate) struct ProfileArgs {
    /// How long to measure
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,

    /// Time one evaluation in N; the others go on at full speed
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    every: u32,

    /// Configuration file; only the socket's path is taken from it
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Unix socket that the agent listens on
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,

    /// Print the answer as one JSON object
    #[arg(long)]
    json: bool,
}

/// Asks the agent and prints what it measured.
///
/// # Errors
/// No agent answers, or it cannot measure now.
pub(crate) fn run(args: &ProfileArgs, out: &mut dyn Write) -> Result<()> {
    let ProfileArgs { seconds, every, config, socket, json } = args;
    let source =
        ConfigSource { config: config.clone(), socket: socket.clone(), ..Default::default() };
    let socket = config::load_and_say(&source, &Settings::default())?.socket;
    let request = Request::Profile(ProfileRequest { millis: seconds * 1000, every: *every });
    match ask(&socket, &request, Duration::from_secs(*seconds) + PATIENCE)? {
        Response::Profile(report) => {
            let text = if *json { serde_json::to_string(&report)? + "\n" } else { table(&report) };
            out.write_all(text.as_bytes())?;
            Ok(())
        }
        Response::Error(e) => bail!("the agent refused: {e}"),
        Response::Stats(_)
        | Response::Reloaded(_)
        | Response::Refused(_)
        | Response::Watched(_) => {
            bail!("the agent answered something else")
        }
    }
}

/// The report as text: a summary, then a line for each rule that was run or matched.
pub(crate) fn table(report: &ProfileReport) -> String {
    let ProfileReport {
        generation,
        seconds,
        sampled_1_in,
        n_evaluations,
        n_timed,
        clock_ns,
        ns_per_evaluation,
        shared_ns_per_evaluation,
        cores,
        n_missing_shards,
        is_cut_short,
        rules,
    } = report;
    let mut text = format!(
        "{n_evaluations} evaluations in {seconds:.1} s, 1 in {sampled_1_in} timed ({n_timed}), rules of generation {generation}\n\
         {:.2} % of a core for all of them; {ns_per_evaluation:.0} ns for one, {shared_ns_per_evaluation:.0} ns of it for what rules ask in common; \
         {clock_ns:.0} ns for each reading of the clock are taken out\n",
        cores * 100.0
    );
    if *is_cut_short {
        text.push_str("The rules were replaced meanwhile: this is what they cost until then.\n");
    }
    if *n_missing_shards > 0 {
        let _infallible =
            writeln!(text, "{n_missing_shards} shards did not answer: their part is missing.");
    }
    let is_idle = |line: &&RuleCostLine| line.n_timed == 0 && line.n_matches == 0;
    let n_idle = rules.iter().filter(is_idle).count();
    if n_idle < rules.len() {
        text.push_str("\n share  % of a core    ns/run        runs     matches  rule\n");
    }
    for line in rules.iter().filter(|line| !is_idle(line)) {
        let RuleCostLine { rule, share, cores, ns_per_run, n_runs, n_timed: _, n_matches } = line;
        let (percent, cores, rule) = (share * 100.0, cores * 100.0, in_a_line(rule));
        let _infallible = writeln!(
            text,
            "{percent:>5.1}% {cores:>12.3} {ns_per_run:>9.0} {n_runs:>11} {n_matches:>11}  {rule}"
        );
    }
    if n_idle > 0 {
        let were = if n_idle == 1 { "rule was" } else { "rules were" };
        let _infallible = writeln!(text, "\n{n_idle} {were} never run and never matched.");
    }
    text.push_str(
        "\nshare: of the time of all rules. runs: conditions begun, scaled up from the sample; an answer that several rules need is paid by the\n\
         first that asks. matches: all of them.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_most_expensive_first_and_counts_the_idle() {
        let line = |rule: &str, share, ns_per_run, n_runs, n_matches| RuleCostLine {
            rule: rule.to_owned(),
            share,
            cores: share / 30.0,
            ns_per_run,
            n_runs,
            n_timed: n_runs / 16,
            n_matches,
        };
        let report = ProfileReport {
            generation: 2,
            seconds: 10.04,
            sampled_1_in: 16,
            n_evaluations: 1_600_000,
            n_timed: 100_000,
            clock_ns: 24.6,
            ns_per_evaluation: 181.4,
            shared_ns_per_evaluation: 60.2,
            cores: 0.0501,
            is_cut_short: true,
            n_missing_shards: 0,
            rules: vec![
                line("Costly rule", 0.9, 412.3, 800_000, 3),
                line("Cheap rule", 0.1, 12.0, 1_600_000, 0),
                line("Idle rule", 0.0, 0.0, 0, 0),
            ],
        };
        assert_eq!(
            table(&report),
            "1600000 evaluations in 10.0 s, 1 in 16 timed (100000), rules of generation 2\n\
             5.01 % of a core for all of them; 181 ns for one, 60 ns of it for what rules ask in common; 25 ns for each reading of the clock are taken out\n\
             The rules were replaced meanwhile: this is what they cost until then.\n\
             \n\
             \x20share  % of a core    ns/run        runs     matches  rule\n\
             \x2090.0%        3.000       412      800000           3  Costly rule\n\
             \x2010.0%        0.333        12     1600000           0  Cheap rule\n\
             \n\
             1 rule was never run and never matched.\n\
             \n\
             share: of the time of all rules. runs: conditions begun, scaled up from the sample; an answer that several rules need is paid by the\n\
             first that asks. matches: all of them.\n"
        );
    }
}

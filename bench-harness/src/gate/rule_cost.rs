//! `gate --rules`: what rule files cost per event of a recording, by instructions, and which of their rules are the dearest.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Deserialize;

use super::baseline::{Baseline, Conditions, Measure, Verdict, percent};
use super::measure::Target;
use super::{Gate, RUSTFLAGS, measure_all, tempdir};
use crate::process::{cargo_executables, output};

/// The recording that is shipped.
const ORDINARY_WORK: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/recordings/ordinary-work.scap.gz");
/// Name of the measure of all rules.
const RULES: &str = "rules";

/// Options of `gate --rules`.
#[derive(Args, Debug)]
pub(crate) struct RuleArgs {
    /// Measure what this rule file costs; repeatable, read in order
    #[arg(long, value_name = "FILE")]
    pub(super) rules: Vec<PathBuf>,
    /// With --rules: the capture (.scap) whose events are held against the rules; without it the recording that is shipped
    #[arg(long, value_name = "FILE", requires = "rules")]
    capture: Option<PathBuf>,
    /// With --rules: how many of the dearest rules to name
    #[arg(long, value_name = "N", default_value_t = 5, requires = "rules")]
    dearest: usize,
}

impl RuleArgs {
    pub(super) fn are_given(&self) -> bool {
        !self.rules.is_empty()
    }
}

/// What the program tells of a run without callgrind.
#[derive(Deserialize)]
struct Profile {
    rules: Vec<RuleRuns>,
}

#[derive(Clone, Deserialize)]
struct RuleRuns {
    name: String,
    /// Events for which its own condition was run.
    n_runs: u64,
    n_matches: u64,
    ns: u64,
}

/// A rule and what it costs: what an event would cost less without it.
struct Dear {
    rule: RuleRuns,
    instructions_per_event: f64,
}

/// What was measured of a set of rules.
struct Costs {
    n_rules: usize,
    all: Measure,
    /// The same events without any rule.
    none: Measure,
    dearest: Vec<Dear>,
}

impl Gate {
    /// Measures the rule files; says whether they cost no more than the baseline.
    pub(super) fn of_rules(&self) -> Result<bool> {
        let costs = self.rules.measure(&self.program)?;
        let conditions = Conditions::here()?;
        let was = match &self.baseline {
            Some(file) if !self.update => Some(Baseline::read(file)?),
            _ => None,
        };
        if let Some(was) = &was {
            ensure!(
                was.conditions == conditions,
                "the baseline was recorded with {:?}, this is {conditions:?}: record it again with --update",
                was.conditions
            );
            let n_events = was.measure.get(RULES).map_or(0, |m| m.n_events);
            ensure!(
                n_events == costs.all.n_events,
                "the baseline is of {n_events} events, this capture has {}: record it again with --update",
                costs.all.n_events
            );
        }
        costs.print(was.as_ref());
        let measure = BTreeMap::from([(RULES.to_owned(), costs.all)]);
        if self.update {
            let file = self.baseline.as_ref().context("--update needs --baseline FILE")?;
            let two_decimals = |n: f64| (n * 100.0).round() / 100.0;
            let dearest = costs.dearest.into_iter();
            let dearest =
                dearest.map(|d| (d.rule.name, two_decimals(d.instructions_per_event))).collect();
            println!();
            return self.record(file, &Baseline { conditions, measure, dearest }).map(|()| true);
        }
        let Some(was) = was else { return Ok(true) };
        for (_, verdict) in was.compare(&measure, self.tolerance) {
            match verdict {
                Verdict::Held => println!("\ngate: held"),
                Verdict::Better => println!("\ngate: held, and better than the baseline"),
                Verdict::Failed(why) => {
                    println!("\ngate: FAILED: {why}");
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

impl RuleArgs {
    fn measure(&self, programs: &[PathBuf]) -> Result<Costs> {
        let program = match programs {
            [program] => program.clone(),
            [] => built()?,
            _ => anyhow::bail!("--rules takes one --program"),
        };
        let args = self.args()?;
        let text = output(Command::new(&program).arg("profile").args(&args))?;
        let profile: Profile =
            serde_json::from_str(&text).context("the program's profile cannot be read")?;
        let target = |name: String, more: &[&str]| Target {
            program: program.clone(),
            name,
            function: self.names(),
            args: args.iter().cloned().chain(more.iter().map(OsString::from)).collect(),
        };
        let candidates = candidates(&profile.rules, self.dearest);
        let mut all = vec![target("all".to_owned(), &[]), target("none".to_owned(), &[])];
        for (n, rule) in candidates.iter().enumerate() {
            all.push(target(format!("without_{n}"), &["--without", &rule.name]));
        }
        let dir = tempdir()?;
        let mut measures = measure_all(&all, &dir.0)?;
        let mut measured = |name: &str| measures.remove(name).context("a measure is missing");
        let (whole, none) = (measured("all")?, measured("none")?);
        let mut dearest = Vec::new();
        for (n, rule) in candidates.into_iter().enumerate() {
            let without = measured(&format!("without_{n}"))?.instructions_per_event;
            let instructions_per_event = whole.instructions_per_event - without;
            dearest.push(Dear { rule, instructions_per_event });
        }
        dearest.sort_by(|a, b| b.instructions_per_event.total_cmp(&a.instructions_per_event));
        dearest.truncate(self.dearest);
        Ok(Costs { n_rules: profile.rules.len(), all: whole, none, dearest })
    }

    /// What the program gets: the files by their whole paths.
    fn args(&self) -> Result<Vec<OsString>> {
        let whole = |path: &Path| {
            path.canonicalize().with_context(|| format!("cannot read {}", path.display()))
        };
        let capture = self.capture.as_deref().unwrap_or(Path::new(ORDINARY_WORK));
        let mut args = vec!["--capture".into(), whole(capture)?.into()];
        for file in &self.rules {
            args.extend(["--rules".into(), whole(file)?.into()]);
        }
        Ok(args)
    }

    fn names(&self) -> String {
        let names = self.rules.iter().map(|r| r.display().to_string());
        names.collect::<Vec<_>>().join(", ")
    }
}

/// The program of `stages` that holds a capture against rules.
fn built() -> Result<PathBuf> {
    let args = ["bench", "-p", "stages", "--bench", "rule_cost", "--no-run"];
    let made = cargo_executables(&args, Some(RUSTFLAGS))?;
    made.into_iter().next().context("cargo made no program that measures rules")
}

/// Rules that may be among the `n` dearest: those that ran most often, and those that took longest. Only they are counted one by one.
fn candidates(rules: &[RuleRuns], n: usize) -> Vec<RuleRuns> {
    let most = |by: fn(&RuleRuns) -> u64| {
        let mut order: Vec<usize> = (0..rules.len()).filter(|&i| rules[i].n_runs > 0).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(by(&rules[i])));
        order.truncate(n);
        order
    };
    let either: BTreeSet<usize> = most(|r| r.n_runs).into_iter().chain(most(|r| r.ns)).collect();
    either.into_iter().map(|i| rules[i].clone()).collect()
}

impl Costs {
    fn print(&self, was: Option<&Baseline>) {
        let Self { n_rules, all, none, dearest } = self;
        println!("{}: {n_rules} rules over {} events", all.function, all.n_events);
        println!();
        println!("{:<40} {:>12} {:>12} {:>8}", "", "now", "baseline", "%");
        let before = was.and_then(|w| w.measure.get(RULES));
        let (is, allocations) = (all.instructions_per_event, all.n_allocations);
        let columns = before.map(|was| {
            let was = was.instructions_per_event;
            format!("{was:>12.2} {:>+8.2}", percent(was, is))
        });
        println!("{:<40} {is:>12.2} {}", "instructions an event", columns.unwrap_or_default());
        let of_rules = is - none.instructions_per_event;
        println!("{:<40} {of_rules:>12.2}", "  more than without any rule");
        let columns = before.map(|was| format!("{:>12}", was.n_allocations));
        println!("{:<40} {allocations:>12} {}", "allocations", columns.unwrap_or_default());
        if dearest.is_empty() {
            return;
        }
        println!();
        println!("{:>12} {:>12} {:>9} {:>9}  rule", "saves", "baseline", "runs", "matches");
        for Dear { rule, instructions_per_event } in dearest {
            let RuleRuns { name, n_runs, n_matches, ns: _ } = rule;
            let was = was.and_then(|w| w.dearest.get(name)).map(|was| format!("{was:.2}"));
            let was = was.unwrap_or_default();
            println!("{instructions_per_event:>12.2} {was:>12} {n_runs:>9} {n_matches:>9}  {name}");
        }
        println!("saves: instructions an event less if the rule were not there");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, n_runs: u64, ns: u64) -> RuleRuns {
        RuleRuns { name: name.to_owned(), n_runs, n_matches: 0, ns }
    }

    #[test]
    fn what_runs_often_and_what_takes_long_is_counted_and_nothing_that_never_runs() {
        let rules = [
            rule("often", 900, 10),
            rule("long", 2, 900),
            rule("neither", 1, 1),
            rule("never", 0, 0),
        ];
        let names = |n| candidates(&rules, n).into_iter().map(|r| r.name).collect::<Vec<_>>();
        assert_eq!(names(1), ["often", "long"]);
        assert_eq!(names(9), ["often", "long", "neither"]);
        assert!(names(0).is_empty());
    }
}

//! `peregrine stats`: asks the running agent and prints what it answers.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::cli::StatsArgs;
use crate::control::ask;
use crate::request::{AgentStats, Request, Response, RulesInForce};
use crate::start::count;
use crate::visible::in_a_line;

/// Asks once, or every interval until the reader or the agent is gone.
///
/// # Errors
/// The first request fails, or stdout does.
pub(crate) fn run(args: &StatsArgs, socket: &Path, out: &mut dyn Write) -> Result<()> {
    let mut previous: Option<AgentStats> = None;
    loop {
        let stats = match ask(socket, &Request::Stats, Duration::ZERO) {
            Ok(Response::Stats(s)) => *s,
            Ok(Response::Error(e)) => bail!("the agent refused: {e}"),
            Ok(_) => bail!("the agent answered something else"),
            Err(e) if previous.is_none() => return Err(e),
            // The agent has ended; what it had counted was printed.
            Err(_) => return Ok(()),
        };
        if !print(out, &shown(&stats, previous.as_ref()), args.json)? {
            return Ok(());
        }
        let Some(interval) = args.interval else { return Ok(()) };
        previous = Some(stats);
        std::thread::sleep(interval);
    }
}

/// What happened since the answer before; where that was another agent's, since this one's start.
fn shown(stats: &AgentStats, previous: Option<&AgentStats>) -> AgentStats {
    let mut shown = stats.clone();
    if let Some(previous) = previous.filter(|p| p.began_ns == stats.began_ns) {
        shown.snapshot = stats.snapshot.since(&previous.snapshot);
    }
    shown
}

/// Whether the reader is still there.
fn print(out: &mut dyn Write, stats: &AgentStats, json: bool) -> Result<bool> {
    let text = if json {
        serde_json::to_string(stats)? + "\n"
    } else {
        format!("{}\n{}", rules_lines(&stats.rules), stats.snapshot.table())
    };
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Rules that are named at most.
const MAX_NAMES: usize = 5;

/// Which rules are in force, which of them match most, and what they do not get; a line each.
fn rules_lines(rules: &RulesInForce) -> String {
    let RulesInForce {
        n_rules,
        generation,
        since_epoch_s: _,
        in_force_s,
        n_refused,
        matches,
        not_covered,
    } = rules;
    let reloads = match generation.saturating_sub(1) {
        0 => "never reloaded".to_owned(),
        n => count(n as usize, "reload"),
    };
    let refused = match n_refused {
        0 => String::new(),
        n => format!(", {n} refused"),
    };
    let since = since(*in_force_s);
    let n_rules = count(*n_rules, "rule");
    let mut text =
        format!("{n_rules} in force for {since}, generation {generation}: {reloads}{refused}\n");
    let mut most: Vec<_> = matches.iter().collect();
    most.sort_by_key(|&(name, n)| (Reverse(n), name));
    let most: Vec<String> =
        most.iter().take(MAX_NAMES).map(|(name, n)| format!("{} {n}", in_a_line(name))).collect();
    if !most.is_empty() {
        let more = if matches.len() > MAX_NAMES { ", ..." } else { "" };
        let _infallible = writeln!(text, "matched: {}{more}", most.join(", "));
    }
    for what in not_covered {
        let _infallible = writeln!(text, "not covered: {what}");
    }
    text
}

fn since(seconds: u64) -> String {
    match seconds {
        s if s < 120 => format!("{s} s"),
        s if s < 2 * 3600 => format!("{} min", s / 60),
        s if s < 48 * 3600 => format!("{} h", s / 3600),
        s => format!("{} days", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use perf::{Moment, Registry};

    use super::*;

    #[test]
    fn an_interval_is_of_one_agent() {
        let mut registry = Registry::new();
        let frames = registry.counter("frames");
        let answer = |began_ns, n| {
            frames.add(n);
            let snapshot = registry.snapshot(Moment::Running);
            AgentStats { began_ns, snapshot, rules: RulesInForce::default() }
        };
        let (first, second, after_a_restart) = (answer(1, 7), answer(1, 2), answer(2, 0));
        let n = |stats: AgentStats| stats.snapshot.get("frames").unwrap();
        assert_eq!(n(shown(&first, None)), 7);
        assert_eq!(n(shown(&second, Some(&first))), 2);
        assert_eq!(n(shown(&after_a_restart, Some(&second))), 9);
    }

    #[test]
    fn rules_are_told_with_age_reloads_and_matches() {
        let first =
            RulesInForce { n_rules: 41, generation: 1, in_force_s: 7, ..RulesInForce::default() };
        assert_eq!(
            rules_lines(&first),
            "41 rules in force for 7 s, generation 1: never reloaded\n"
        );
        let third = RulesInForce {
            n_rules: 1,
            generation: 3,
            in_force_s: 7300,
            n_refused: 2,
            matches: (1..=6).map(|n| (format!("r{n}"), n / 2)).collect(),
            not_covered: vec!["close: program refused".to_owned()],
            ..first
        };
        assert_eq!(
            rules_lines(&third),
            "1 rule in force for 2 h, generation 3: 2 reloads, 2 refused\n\
             matched: r6 3, r4 2, r5 2, r2 1, r3 1, ...\n\
             not covered: close: program refused\n"
        );
    }
}

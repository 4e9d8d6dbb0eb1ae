//! `peregrine rules reload`: the running agent replaces its rules.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;

use crate::cli::{ConfigSource, Settings};
use crate::config;
use crate::control::ask;
use crate::request::{Refused, ReloadRequest, Reloaded, Request, Response};
use crate::start::count;

/// How long the agent may take to compile, to load programs and to change over.
const PATIENCE: Duration = Duration::from_mins(2);

/// Options of `peregrine rules reload`.
#[derive(Debug, Args)]
pub(crate) struct ReloadArgs {
    /// Rule files, or directories of them, in order; without any the agent reads those of its own configuration again
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Set a key that selects rules (priority, rule_matching, rules, rules_files) on top of the agent's own configuration
    #[arg(short = 'o', long = "option", value_name = "KEY=VALUE")]
    options: Vec<String>,

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

/// Asks the agent; what it answers goes to `out`.
///
/// # Errors
/// No agent answers, or it refuses the rules: the errors, drawn, went to `out`.
pub(crate) fn run(args: &ReloadArgs, out: &mut dyn Write) -> Result<()> {
    let ReloadArgs { files, options, config, socket, json } = args;
    let source =
        ConfigSource { config: config.clone(), socket: socket.clone(), ..Default::default() };
    let socket = config::load_and_say(&source, &Settings::default())?.socket;
    let files = files.iter().map(std::path::absolute).collect::<std::io::Result<_>>()?;
    let request = Request::Reload(ReloadRequest { files, options: options.clone() });
    match ask(&socket, &request, PATIENCE)? {
        Response::Reloaded(reloaded) => {
            let text =
                if *json { serde_json::to_string(&reloaded)? + "\n" } else { text(&reloaded) };
            out.write_all(text.as_bytes())?;
            Ok(())
        }
        Response::Refused(refused) => {
            if *json {
                writeln!(out, "{}", serde_json::to_string(&refused)?)?;
            }
            let Refused { errors, n_rules } = refused;
            let kept = format!("the agent keeps its {}", count(n_rules, "rule"));
            match &errors[..] {
                [line] if !line.contains('\n') => bail!("{line}; {kept}"),
                _ => {
                    if !*json {
                        for error in &errors {
                            writeln!(out, "{error}")?;
                        }
                    }
                    bail!("{} in the rules, {kept}", count(errors.len(), "error"))
                }
            }
        }
        Response::Error(e) => bail!("the agent refused: {e}"),
        Response::Stats(_) | Response::Profile(_) | Response::Watched(_) => {
            bail!("the agent answered something else")
        }
    }
}

/// Names in a line stop here; the JSON has all.
const MAX_NAMES: usize = 12;

fn listed(items: &[String], between: &str) -> String {
    let shown = &items[..items.len().min(MAX_NAMES)];
    let more = match items.len() - shown.len() {
        0 => String::new(),
        n => format!("{between}and {n} more"),
    };
    shown.join(between) + &more
}

/// A reload in one line, for who did not ask for it.
pub(crate) fn line(reloaded: &Reloaded) -> String {
    let Reloaded { n_rules, generation, added, removed, changed, .. } = reloaded;
    let kinds = [("added", added), ("removed", removed), ("changed", changed)];
    let some = kinds.into_iter().filter(|(_, names)| !names.is_empty());
    let parts: Vec<_> =
        some.map(|(kind, names)| format!("{kind} {}", listed(names, ", "))).collect();
    let what =
        if parts.is_empty() { "the rules are the same".to_owned() } else { parts.join("; ") };
    let ms = reloaded.compile_ms + reloaded.capture_ms + reloaded.swap_ms;
    format!("{what}; {} in force, generation {generation}, after {ms} ms", count(*n_rules, "rule"))
}

fn text(reloaded: &Reloaded) -> String {
    let Reloaded {
        n_rules,
        generation,
        added,
        removed,
        changed,
        newly_asked,
        no_longer_asked,
        not_covered,
        needs_restart,
        warnings,
        compile_ms,
        capture_ms,
        swap_ms,
    } = reloaded;
    let mut text = String::new();
    for warning in warnings {
        text.push_str(warning);
        text.push('\n');
    }
    let ms = compile_ms + capture_ms + swap_ms;
    let _infallible = writeln!(
        text,
        "{} in force, generation {generation}, after {ms} ms ({compile_ms} to compile, {capture_ms} to change what is captured, {swap_ms} to \
         change over)",
        count(*n_rules, "rule")
    );
    let mut line = |name: &str, items: &[String], between: &str| {
        if !items.is_empty() {
            let n = items.len();
            let _infallible = writeln!(text, "  {name:<14}{n}: {}", listed(items, between));
        }
    };
    line("added", added, ", ");
    line("removed", removed, ", ");
    line("changed", changed, ", ");
    line("asked anew", newly_asked, " ");
    line("asked no more", no_longer_asked, " ");
    line("not covered", not_covered, "; ");
    line("needs restart", needs_restart, ", ");
    if [added, removed, changed].iter().all(|names| names.is_empty()) {
        text.push_str("  the rules are the same\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(n: std::ops::Range<usize>) -> Vec<String> {
        n.map(|n| format!("r{n}")).collect()
    }

    #[test]
    fn an_answer_says_what_changed() {
        let reloaded = Reloaded {
            n_rules: 2,
            generation: 3,
            added: names(0..14),
            removed: names(14..15),
            newly_asked: vec!["connect".to_owned(), "unlinkat".to_owned()],
            not_covered: vec!["what descriptors were when calls started, of close".to_owned()],
            warnings: vec!["drawn".to_owned()],
            compile_ms: 3,
            capture_ms: 4,
            swap_ms: 5,
            ..Reloaded::default()
        };
        assert_eq!(
            text(&reloaded),
            "drawn\n\
             2 rules in force, generation 3, after 12 ms (3 to compile, 4 to change what is captured, 5 to change over)\n\
             \x20 added         14: r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, and 2 more\n\
             \x20 removed       1: r14\n\
             \x20 asked anew    2: connect unlinkat\n\
             \x20 not covered   1: what descriptors were when calls started, of close\n"
        );
        let same = Reloaded { n_rules: 1, generation: 2, ..Reloaded::default() };
        assert!(text(&same).ends_with("\n  the rules are the same\n"));
        assert_eq!(
            line(&same),
            "the rules are the same; 1 rule in force, generation 2, after 0 ms"
        );
        let reloaded = Reloaded { removed: names(0..2), changed: names(2..3), ..reloaded };
        let cut = "added r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, and 2 more; removed r0, r1; changed r2; ";
        assert_eq!(line(&reloaded), format!("{cut}2 rules in force, generation 3, after 12 ms"));
    }
}

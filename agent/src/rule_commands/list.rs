//! `peregrine rules list`: the rules, one line each.

use std::io::Write;

use anyhow::Result;
use clap::Args;
use rules::RuleFacts;
use serde_json::{Value, json};

use super::loaded::RulesFrom;
use super::push_down;
use crate::visible::in_a_line;

/// Options of `peregrine rules list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Print each rule, or event, as one JSON object a line
    #[arg(long)]
    json: bool,

    /// Tell instead for each event which of them the kernel rejects for the rules, and why it rejects none where it does not
    #[arg(long)]
    push_down: bool,

    #[command(flatten)]
    from: RulesFrom,
}

/// Prints the rules in order of definition.
///
/// # Errors
/// The rules cannot be loaded, or stdout is gone.
pub(crate) fn run(args: &ListArgs, out: &mut dyn Write) -> Result<()> {
    if args.push_down {
        return push_down::run(&args.from, args.json, out);
    }
    let catalog = args.from.load()?;
    let names: Vec<String> = catalog.rules.iter().map(|r| in_a_line(&r.info.name)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    for (rule, name) in catalog.rules.iter().zip(&names) {
        if args.json {
            writeln!(out, "{}", object(rule))?;
            continue;
        }
        let RuleFacts { info, enabled, .. } = rule;
        let state = if *enabled { "enabled" } else { "disabled" };
        let source = &*info.source;
        // `info` is the longest word for a priority that is often used.
        let line = format!(
            "{name:width$}  {:13}  {source:8}  {state:8}  {}",
            info.priority,
            in_a_line(&info.tags.join(" "))
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn object(rule: &RuleFacts) -> Value {
    let info = &rule.info;
    json!({
        "enabled": rule.enabled,
        "name": &*info.name,
        "priority": info.priority,
        "source": &*info.source,
        "tags": info.tags.iter().map(|t| &**t).collect::<Vec<_>>(),
    })
}

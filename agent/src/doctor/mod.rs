//! `peregrine doctor`: what this kernel, these privileges and this configuration allow, and what to change.
//!
//! `facts` asks the machine, `findings` judges what it says; only the first of them touches anything, and nothing is left of that.

mod facts;
mod findings;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use self::facts::Facts;
use self::findings::{Finding, Verdict, findings};
use crate::cli::{ConfigSource, Settings};
use crate::rule_commands::unless_reader_gone;

/// Options of `peregrine doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print one JSON object
    #[arg(long)]
    json: bool,

    /// Options that say where the configuration comes from.
    #[command(flatten)]
    source: ConfigSource,
}

/// Tells whether an agent can start here; the exit code says it, too.
///
/// # Errors
/// Stdout is gone.
pub(crate) fn run(args: &DoctorArgs, out: &mut dyn Write) -> Result<ExitCode> {
    let findings = findings(&Facts::gather(&args.source, &Settings::default()));
    let told = if args.json { in_json(&findings) } else { text(&findings) };
    unless_reader_gone(out.write_all(told.as_bytes()).map_err(Into::into))?;
    Ok(if can_start(&findings) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn can_start(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.verdict != Verdict::Missing)
}

fn text(findings: &[Finding]) -> String {
    let line = |Finding { subject, verdict, says, to_do }: &Finding| {
        let to_do = to_do.as_ref().map(|what| format!("; {what}")).unwrap_or_default();
        format!("{:<10}{subject:<21}{says}{to_do}\n", verdict.name())
    };
    let lines: String = findings.iter().map(line).collect();
    let n_of = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let end = match (n_of(Verdict::Missing), n_of(Verdict::Degraded)) {
        (0, 0) => "an agent can start and see everything it can see".to_owned(),
        (0, n) => format!("an agent can start, with less in {n} of these"),
        (n, _) => format!("an agent cannot start: {n} missing"),
    };
    format!("{lines}{end}\n")
}

fn in_json(findings: &[Finding]) -> String {
    let one = |Finding { subject, verdict, says, to_do }: &Finding| json!({"subject": subject, "verdict": verdict.name(), "says": says, "to_do": to_do});
    let all: Vec<_> = findings.iter().map(one).collect();
    let object = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "can_start": can_start(findings),
        "findings": all,
    });
    format!("{object:#}\n")
}

#[cfg(test)]
mod tests;

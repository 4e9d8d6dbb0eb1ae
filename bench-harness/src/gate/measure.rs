//! Runs one target program under callgrind and reads what it counted.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::baseline::Measure;
use super::profile::Profile;
use super::sources::Sources;
use super::spent::Spent;
use crate::process::output;

/// The function of `target.rs` that callgrind counts in, callees included.
const MEASURED: &str = "*peregrine_gate_measured*";

/// A target of a program.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The program.
    pub(crate) program: PathBuf,
    /// Name of the measure.
    pub(crate) name: String,
    /// What it measures.
    pub(crate) function: String,
    /// Further arguments of the program.
    pub(crate) args: Vec<OsString>,
}

/// What the program lists.
///
/// # Errors
/// Where it cannot be run.
pub(crate) fn targets(program: &Path) -> Result<Vec<Target>> {
    let listing = output(Command::new(program).arg("--list"))?;
    Ok(listing
        .lines()
        .filter_map(|l| l.strip_prefix("target ")?.split_once(' '))
        .map(|(name, function)| Target {
            program: program.to_owned(),
            name: name.to_owned(),
            function: function.to_owned(),
            args: Vec::new(),
        })
        .collect())
}

impl Target {
    fn counts(&self, dir: &Path) -> PathBuf {
        dir.join(format!("{}.callgrind", self.name))
    }

    /// Runs it under callgrind; `dir` gets the counts.
    ///
    /// # Errors
    /// Where valgrind fails, or the program found a wrong result.
    pub(crate) fn measure(&self, dir: &Path) -> Result<Measure> {
        let Self { program, name, function, args } = self;
        let counts = self.counts(dir);
        let slowed = std::env::var_os("PEREGRINE_GATE_SLOWED").unwrap_or_default();
        let out = output(
            Command::new("valgrind")
                // The environment lies on the stack and moves what comes after it: the same one every time.
                .env_clear()
                .env("PATH", "/usr/bin:/bin")
                // One variant of memcpy and its kin, whatever the CPU could do.
                .env(
                    "GLIBC_TUNABLES",
                    "glibc.cpu.hwcaps=-AVX_Fast_Unaligned_Load,-AVX2,-AVX,-AVX512F,-AVX512VL,-ERMS,-FSRM,-BMI2,-RTM",
                )
                .env("PEREGRINE_GATE_SLOWED", slowed)
                // Times are printed in local time.
                .env("TZ", "UTC0")
                .args(["--tool=callgrind", "-q"])
                .arg(format!("--toggle-collect={MEASURED}"))
                .arg(format!("--callgrind-out-file={}", counts.display()))
                .arg(program)
                .arg(name)
                .args(args),
        )?;
        let text = fs::read_to_string(&counts)
            .with_context(|| format!("callgrind left no {}", counts.display()))?;
        let n_instructions =
            total(&text).with_context(|| format!("{name}: callgrind counted nothing"))?;
        ensure!(n_instructions > 0, "{name}: {MEASURED} was never entered");
        let (n_events, n_allocations) =
            counted(&out, name).with_context(|| format!("{name}: the program did not finish"))?;
        let per_event = n_instructions as f64 / n_events as f64;
        Ok(Measure {
            function: function.clone(),
            n_events,
            instructions_per_event: (per_event * 100.0).round() / 100.0,
            n_allocations,
        })
    }

    /// What each function spent in the run that left its counts in `dir`.
    ///
    /// # Errors
    /// Where the counts cannot be read.
    pub(crate) fn spent(&self, dir: &Path, n_events: u64, sources: &mut Sources) -> Result<Spent> {
        let counts = self.counts(dir);
        let text = fs::read_to_string(&counts)
            .with_context(|| format!("cannot read {}", counts.display()))?;
        Ok(Spent::of(Profile::parse(&text, sources), n_events))
    }
}

/// `summary: N` or `totals: N` of a callgrind file: instructions collected.
fn total(text: &str) -> Option<u64> {
    text.lines()
        .rev()
        .find_map(|l| l.strip_prefix("totals: ").or_else(|| l.strip_prefix("summary: ")))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// Events and allocations in the line `measured NAME events=N allocations=N`.
fn counted(out: &str, name: &str) -> Option<(u64, u64)> {
    let line = out
        .lines()
        .find_map(|l| l.strip_prefix("measured ")?.strip_prefix(name)?.strip_prefix(' '))?;
    let value = |key: &str| {
        line.split_whitespace().find_map(|w| w.strip_prefix(key)?.strip_prefix('='))?.parse().ok()
    };
    Some((value("events")?, value("allocations")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_read_from_the_end() {
        assert_eq!(total("events: Ir\nsummary: 7\nfn=(1) x\n3 4\ntotals: 1234\n"), Some(1234));
        assert_eq!(total("events: Ir\n"), None);
    }

    #[test]
    fn counts_are_of_the_named_target() {
        let out = "measured ab events=5 allocations=9\nmeasured a events=2 allocations=0\n";
        assert_eq!(counted(out, "a"), Some((2, 0)));
        assert_eq!(counted(out, "ab"), Some((5, 9)));
        assert_eq!(counted(out, "c"), None);
    }
}

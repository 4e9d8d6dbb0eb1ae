//! Runs other programs to their end.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Runs to the end and gives stdout; a failure carries the last lines of stderr.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let out = command.output().with_context(|| format!("{program} cannot be run"))?;
    if !out.status.success() {
        let err = String::from_utf8_lossy(&out.stderr);
        let mut last: Vec<&str> = err.lines().filter(|l| !l.trim().is_empty()).collect();
        let last = last.split_off(last.len().saturating_sub(12)).join("\n");
        bail!("{program}: {}: {last}", out.status);
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Executables that `cargo ARGS --message-format=json` says it made, in the workspace this was built from. `rustflags` go with a target
/// folder of their own, so that they do not rebuild everything else.
pub(crate) fn cargo_executables(args: &[&str], rustflags: Option<&str>) -> Result<Vec<PathBuf>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut command = Command::new(&cargo);
    command.current_dir(workspace).args(args).arg("--message-format=json");
    if let Some(rustflags) = rustflags {
        command.env("RUSTFLAGS", rustflags).args(["--target-dir", "target/gate"]);
    }
    let messages = output(&mut command)?;
    Ok(messages
        .lines()
        .filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok())
        .filter_map(|m| Some(PathBuf::from(m.get("executable")?.as_str()?)))
        .collect())
}

/// Where `program` is in `PATH`.
pub(crate) fn which(program: &str) -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
        .with_context(|| format!("{program} is not in PATH"))
}

//! Configuration: as written (file, then `-o`), and resolved (defaults filled in, every value checked).
//!
//! `file | built in` -> tree -> `-o` -> [`written`] -> flags -> [`resolved`].

mod capture;
mod containers;
mod custom_set;
mod drops;
mod keys;
mod limits;
mod option;
mod resolved;
mod written;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_yaml::{Mapping, Value};

use crate::cli::{ConfigSource, Settings};

pub(crate) use capture::CaptureOnAlert;
pub(crate) use drops::{DropActions, EventDrops};
pub(crate) use limits::Limits;
pub(crate) use resolved::{CaptureSource, Config, Matching, Pinning, RuleInputs};

/// Read where no `-c` is given and this file exists.
pub(crate) const DEFAULT_FILE: &str = "/etc/peregrine/peregrine.yaml";

/// Reads the configuration: the file of `-c`, else [`DEFAULT_FILE`] where it exists, else built in; then `-o`, then the flags.
///
/// # Errors
/// One line that names the file or the option, and the key.
pub(crate) fn load(source: &ConfigSource, set: &Settings) -> Result<Config> {
    load_from(source, set, Path::new(DEFAULT_FILE))
}

fn load_from(source: &ConfigSource, set: &Settings, default_file: &Path) -> Result<Config> {
    let file = match &source.config {
        Some(path) => Some(path.clone()),
        None if default_file.exists() => Some(default_file.to_path_buf()),
        None => None,
    };
    let mut tree = match &file {
        Some(path) => read_tree(path)?,
        None => Value::Mapping(Mapping::new()),
    };
    let origin = file.as_ref().map_or_else(|| "built in".to_owned(), |p| p.display().to_string());
    let mut warnings = keys::check(&tree).with_context(|| format!("configuration {origin}"))?;
    for text in &source.options {
        option::apply(&mut tree, text).with_context(|| format!("-o {text}"))?;
        warnings.extend(keys::check(&tree).with_context(|| format!("-o {text}"))?);
    }
    warnings.dedup();
    warnings.sort();
    warnings.dedup();
    let written: written::Written = serde_path_to_error::deserialize(keys::strip_unused(tree))
        .map_err(|e| anyhow::anyhow!("configuration {origin}: {e}"))?;
    resolved::resolve(written, source, set, resolved::Origin { file, warnings })
}

/// What a trace is bounded by: of the configuration it has the keys of bounds, given on its command line.
///
/// # Errors
/// One line that names the option, and the key.
pub(crate) fn limits_of(options: &[String]) -> Result<Limits> {
    let mut tree = Value::Mapping(Mapping::new());
    for text in options {
        let key = text.split('=').next().unwrap_or_default().trim();
        if !key.starts_with("peregrine.limits.") && key != "falco_libs.thread_table_size" {
            bail!(
                "--option {text}: a trace has the bounds alone: peregrine.limits.* and falco_libs.thread_table_size"
            );
        }
        option::apply(&mut tree, text).with_context(|| format!("--option {text}"))?;
        keys::check(&tree).with_context(|| format!("--option {text}"))?;
    }
    let written: written::Written =
        serde_path_to_error::deserialize(tree).map_err(|e| anyhow::anyhow!("--option: {e}"))?;
    limits::resolve(&written.peregrine.limits, &written.falco_libs)
}

fn read_tree(path: &PathBuf) -> Result<Value> {
    let name = path.display();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration file {name}"))?;
    let tree: Value =
        serde_yaml::from_str(&text).map_err(|e| anyhow::anyhow!("configuration {name}: {e}"))?;
    match tree {
        Value::Null => Ok(Value::Mapping(Mapping::new())),
        Value::Mapping(_) => Ok(tree),
        _ => bail!("configuration {name}: must be a map of keys"),
    }
}

#[cfg(test)]
mod tests;

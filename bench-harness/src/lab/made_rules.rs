//! Rule files of any number of rules, made up in the manner of the official ones: the same that the gate's targets load.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

#[path = "../../../rules/benches/common/official_like.rs"]
mod official_like;
#[path = "../../../rules/benches/common/random.rs"]
mod random;

/// Writes `N.yaml` for each number of rules into the folder, which is made.
///
/// # Errors
/// They cannot be written.
pub(crate) fn write(dir: &Path, numbers: &[usize]) -> Result<()> {
    let make = || -> std::io::Result<()> {
        fs::create_dir_all(dir)?;
        numbers
            .iter()
            .try_for_each(|&n| fs::write(dir.join(format!("{n}.yaml")), official_like::rules(n)))
    };
    make().with_context(|| format!("cannot write rules to {}", dir.display()))
}

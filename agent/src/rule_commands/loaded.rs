//! The rules that a command is about: those of `-r`, of the configuration, or the built-in ones.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use rules::Catalog;

use crate::cli::{ConfigSource, Settings};
use crate::config::{self, Config};
use crate::rule_files;
use crate::rule_load;
use crate::run::say;
use crate::start::count;

/// Options that say which rules a command is about.
#[derive(Debug, Args)]
pub(crate) struct RulesFrom {
    /// Rule file, or directory of rule files; repeatable, read in order; replaces `rules_files`
    #[arg(short = 'r', value_name = "RULES")]
    pub(crate) rules: Vec<PathBuf>,

    /// Options that say where the configuration comes from.
    #[command(flatten)]
    pub(crate) source: ConfigSource,
}

impl RulesFrom {
    /// Loads the rules as the agent would.
    pub(crate) fn load(&self) -> Result<Catalog> {
        let set = Settings { rules: self.rules.clone(), ..Settings::default() };
        catalog(&config::load_and_say(&self.source, &set)?)
    }
}

/// The catalog of the configured rules; what is wrong with them is drawn on stderr, and which selections no rule fits.
pub(crate) fn catalog(config: &Config) -> Result<Catalog> {
    let sources = rule_files::read(&config.rules)?;
    let catalog = Catalog::load(sources, &rule_load::options(config)).or_else(|errors| {
        for error in &errors {
            say(&format!("{error}\n"));
        }
        bail!("{} in the rules", count(errors.len(), "error"))
    })?;
    for idle in &catalog.idle_selections {
        say(&format!("rules: {idle}\n"));
    }
    Ok(catalog)
}

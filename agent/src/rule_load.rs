//! From the configuration to a ruleset.

use rules::{Options, RuleMatching, Ruleset};

use crate::config::{Config, Matching};
use crate::rule_files;
use crate::start::count;

/// Why there is no ruleset.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// The rules are wrong: each error drawn.
    Rules(Vec<String>),
    /// Anything else.
    Other(anyhow::Error),
}

impl From<anyhow::Error> for LoadError {
    fn from(e: anyhow::Error) -> Self {
        Self::Other(e)
    }
}

/// The configured matching, in the words of the rules.
pub(crate) fn matching(config: &Config) -> RuleMatching {
    match config.matching {
        Matching::First => RuleMatching::First,
        Matching::All => RuleMatching::All,
    }
}

fn options(config: &Config) -> Options {
    Options { matching: matching(config), min_priority: config.min_priority, ..Options::default() }
}

/// Reads and compiles the configured rules.
pub(crate) fn load(config: &Config) -> Result<Ruleset, LoadError> {
    let sources = rule_files::read(&config.rules)?;
    let drawn = |e: &rules::RuleError| e.to_string().trim_end().to_owned();
    Ruleset::load(sources, options(config))
        .map_err(|errors| LoadError::Rules(errors.iter().map(drawn).collect()))
}

/// What there is to say of rules that were loaded, a drawing or a line each.
pub(crate) fn remarks(ruleset: &Ruleset) -> Vec<String> {
    let drawn = ruleset.warnings().iter().map(|w| w.to_string().trim_end().to_owned());
    let idle = ruleset.idle_selections().iter().map(|idle| format!("rules: {idle}"));
    drawn.chain(idle).chain(captures_asked_for(ruleset)).collect()
}

/// Captures are not made yet; rules may ask for them all the same.
fn captures_asked_for(ruleset: &Ruleset) -> Option<String> {
    let n = ruleset.rules().filter(|r| r.capture).count();
    (n > 0).then(|| {
        let ask = if n == 1 { "asks" } else { "ask" };
        format!("{} {ask} for a capture, which this version does not make", count(n, "rule"))
    })
}

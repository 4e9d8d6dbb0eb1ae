//! The rules of the running agent: replaced on request, and measured.
//!
//! A reload compiles beside the old rules, lets the kernel reject nothing, widens what it captures to what both need, swaps, then rejects and
//! narrows to what the new rules need.
//! What is wrong on the way leaves the old rules in force.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use bus::{Key, KeyClock};
use event::EventType;
use rules::Ruleset;
use stages::{RuleProfile, RuleSwap};

use crate::cli::{ConfigSource, Settings};
use crate::config::{self, Config};
use crate::control::Asker;
use crate::live::{self, Kernel};
use crate::name_lookups::NameLookups;
use crate::need::{Need, names};
use crate::push_down::PushDown;
use crate::request::{
    ProfileReport, ProfileRequest, Refused, ReloadRequest, Reloaded, Response, RuleCostLine,
    RulesInForce,
};
use crate::rule_load::{self, LoadError, LoadedRules};
use crate::run::blind_rules;

/// Keys that a reload may set: they select rules. All others take a restart.
const RELOADABLE: [&str; 4] = ["priority", "rule_matching", "rules", "rules_files"];
/// How long shards may take to lay the old rules down, or to hand in what they measured.
const SHARDS_ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How often a profile looks whether anybody still waits for it.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Readings by which the cost of one is found.
const N_CLOCK_READINGS: u32 = 1000;

/// Where the agent's configuration comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    pub(crate) source: ConfigSource,
    pub(crate) set: Settings,
}

/// The kernel as a source, and what makes keys of its time.
pub(crate) struct LiveSource {
    pub(crate) kernel: Kernel,
    pub(crate) clock: KeyClock,
    pub(crate) names: Option<NameLookups>,
}

/// The rules of the running agent.
pub(crate) struct RulesAtWork {
    origin: Origin,
    config: Config,
    swap: Arc<RuleSwap>,
    /// None in a replay.
    live: Option<LiveSource>,
    in_force: Mutex<InForce>,
}

struct InForce {
    rules: Arc<LoadedRules>,
    generation: u64,
    since: SystemTime,
    n_refused: u64,
    not_covered: Vec<String>,
}

impl RulesAtWork {
    /// Takes over the rules with which the shards started.
    pub(crate) fn new(
        origin: Origin,
        config: Config,
        rules: LoadedRules,
        swap: Arc<RuleSwap>,
        live: Option<LiveSource>,
    ) -> Self {
        let rules = Arc::new(rules);
        if let Some(names) = live.as_ref().and_then(|l| l.names.as_ref()) {
            names.ask_for(&rules.ruleset);
        }
        let in_force = InForce {
            rules,
            generation: 1,
            since: SystemTime::now(),
            n_refused: 0,
            not_covered: Vec::new(),
        };
        Self { origin, config, swap, live, in_force: Mutex::new(in_force) }
    }

    fn lock(&self) -> MutexGuard<'_, InForce> {
        // Nothing that can panic happens between its changes.
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rules in force.
    pub(crate) fn stats(&self) -> RulesInForce {
        let in_force = self.lock();
        let InForce { rules, generation, since, n_refused, not_covered } = &*in_force;
        let matches = rules.ruleset.rules().zip(self.swap.matches()).filter(|(_, n)| *n > 0);
        RulesInForce {
            matches: matches.map(|(rule, n)| (rule.name.to_string(), n)).collect(),
            not_covered: not_covered.clone(),
            n_rules: rules.ruleset.rules().len(),
            generation: *generation,
            since_epoch_s: since.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
            in_force_s: since.elapsed().map_or(0, |d| d.as_secs()),
            n_refused: *n_refused,
        }
    }

    /// Replaces the rules; where that fails those in force stay, and the answer says why.
    pub(crate) fn reload(&self, request: &ReloadRequest, asker: &Asker<'_>) -> Response {
        match self.try_reload(request, asker) {
            Ok(reloaded) => Response::Reloaded(Box::new(reloaded)),
            Err(error) => {
                let errors = match error {
                    LoadError::Rules(drawn) => drawn,
                    LoadError::Other(e) => vec![format!("{e:#}")],
                };
                let mut in_force = self.lock();
                in_force.n_refused += 1;
                Response::Refused(Refused { errors, n_rules: in_force.rules.ruleset.rules().len() })
            }
        }
    }

    fn try_reload(
        &self,
        request: &ReloadRequest,
        asker: &Asker<'_>,
    ) -> Result<Reloaded, LoadError> {
        let begin = Instant::now();
        let config = self.configured(request)?;
        let new = Arc::new(rule_load::load(&config)?);
        let ruleset = Arc::clone(&new.ruleset);
        let compile_ms = ms_since(begin);
        still_asked(asker)?;
        let old_rules = Arc::clone(&self.lock().rules);
        let old = &old_rules.ruleset;
        let begin = Instant::now();
        // What the old rules do not match the new ones may, from their key on.
        if let Some(live) = &self.live {
            live.kernel.clear_filters()?;
        }
        let widened = self.widen(&ruleset);
        let mut not_covered = match widened {
            Ok(not_covered) => not_covered,
            Err(e) => {
                drop(self.push_down(old));
                return Err(LoadError::Other(e));
            }
        };
        let capture_ms = ms_since(begin);
        let begin = Instant::now();
        // Live the change is a moment: what was done before it is held against the old rules, however late it is read.
        let now = self.live.as_ref().map_or(Key::MIN, |l| l.clock.below(perf::boot_now_ns()));
        let matching = rule_load::matching(&config);
        let installed =
            still_asked(asker).and_then(|()| Ok(self.swap.install(&ruleset, matching, now)?));
        if let Err(e) = installed {
            drop(self.narrow(old));
            drop(self.push_down(old));
            return Err(LoadError::Other(e));
        }
        if let Some(names) = self.live.as_ref().and_then(|l| l.names.as_ref()) {
            names.ask_for(&ruleset);
        }
        let generation = {
            let mut in_force = self.lock();
            in_force.rules = Arc::clone(&new);
            in_force.generation += 1;
            in_force.since = SystemTime::now();
            in_force.generation
        };
        let mut warnings = rule_load::remarks(&ruleset, &self.config);
        warnings.extend(config.doubts.iter().cloned());
        warnings.extend(self.restart_warning(&config));
        // Whatever happens from here on lies behind the new rules' key.
        if let Err(e) = self.push_down(&ruleset) {
            warnings.push(format!("the kernel rejects nothing: {e:#}"));
        }
        if self.swap.settle(SHARDS_ANSWER_WITHIN) {
            if let Err(e) = self.narrow(&ruleset) {
                warnings.push(format!(
                    "the kernel goes on capturing what the old rules asked for: {e:#}"
                ));
            }
        } else {
            warnings.push(
                "not every shard has reached the change; the kernel goes on capturing for both rulesets"
                    .to_owned(),
            );
        }
        let swap_ms = ms_since(begin);
        let (need, need_before) = (Need::of(&self.config, &ruleset), Need::of(&self.config, old));
        let (asked, asked_before) = (names(&need.wanted()), names(&need_before.wanted()));
        let new_only = |of: &[&str], other: &[&str]| -> Vec<String> {
            of.iter().filter(|name| !other.contains(name)).map(|&name| name.to_owned()).collect()
        };
        if self.live.is_some() {
            not_covered.extend(blind_rules(&ruleset));
            warnings.extend(stale_state(&need_before, &need));
        }
        self.lock().not_covered.clone_from(&not_covered);
        Ok(Reloaded {
            compile_ms,
            capture_ms,
            swap_ms,
            n_rules: ruleset.rules().len(),
            generation,
            newly_asked: new_only(&asked, &asked_before),
            no_longer_asked: new_only(&asked_before, &asked),
            not_covered,
            warnings,
            ..difference(&old_rules, &new)
        })
    }

    /// The configuration as it would be if the agent were started now, with what the request asks for on top.
    fn configured(&self, request: &ReloadRequest) -> Result<Config> {
        let Origin { mut source, mut set } = self.origin.clone();
        for option in &request.options {
            let key = option.split(['=', '.', '[']).next().unwrap_or_default().trim();
            if !RELOADABLE.contains(&key) {
                bail!(
                    "-o {option}: {key} needs a restart; a reload takes {}",
                    RELOADABLE.join(", ")
                );
            }
        }
        source.options.extend(request.options.iter().cloned());
        if let Some(path) = request.files.iter().find(|path| !path.is_absolute()) {
            bail!("{} is not an absolute path", path.display());
        }
        if !request.files.is_empty() {
            set.rules.clone_from(&request.files);
        }
        config::load(&source, &set)
    }

    /// Says that the configuration has changed in more than its rules.
    fn restart_warning(&self, fresh: &Config) -> Option<String> {
        let only_rules = fresh.clone().with_rules_of(&self.config);
        let is_same = only_rules.silent() == self.config.clone().silent();
        (!is_same).then(|| {
            "the configuration has changed in more than rules: that takes a restart".to_owned()
        })
    }

    /// Captures what the new rules need besides what is captured. Gives what cannot be had.
    fn widen(&self, ruleset: &Ruleset) -> Result<Vec<String>> {
        let Some(LiveSource { kernel, .. }) = &self.live else { return Ok(Vec::new()) };
        kernel.widen(&live::options(&self.config, ruleset).wanted())
    }

    /// Lets the kernel reject what these rules cannot match.
    fn push_down(&self, ruleset: &Ruleset) -> Result<()> {
        let Some(LiveSource { kernel, .. }) = &self.live else { return Ok(()) };
        PushDown::of(&self.config, ruleset).put(kernel)
    }

    /// Captures no more than the rules need.
    fn narrow(&self, ruleset: &Ruleset) -> Result<()> {
        let Some(LiveSource { kernel, .. }) = &self.live else { return Ok(()) };
        kernel.narrow(&live::options(&self.config, ruleset).wanted())
    }

    /// Measures the rules for a while.
    pub(crate) fn profile(&self, request: ProfileRequest, asker: &Asker<'_>) -> Response {
        match self.try_profile(request, asker) {
            Ok(report) => Response::Profile(Box::new(report)),
            Err(e) => Response::Error(format!("{e:#}")),
        }
    }

    fn try_profile(&self, request: ProfileRequest, asker: &Asker<'_>) -> Result<ProfileReport> {
        let ProfileRequest { millis, every } = request;
        let clock_ns = clock_cost_ns();
        let generation = self.lock().generation;
        let begin = Instant::now();
        let measured = self.swap.begin_profile(every).context("cannot measure now")?;
        let end = begin + Duration::from_millis(millis);
        let is_current = || self.lock().generation == generation;
        while Instant::now() < end && is_current() && !asker.has_gone() {
            std::thread::sleep(LOOK_EVERY.min(end.saturating_duration_since(Instant::now())));
        }
        let seconds = begin.elapsed().as_secs_f64();
        let found = self.swap.end_profile(SHARDS_ANSWER_WITHIN);
        Ok(ProfileReport {
            generation,
            sampled_1_in: every.max(1),
            is_cut_short: !is_current(),
            ..report(&measured, &found, clock_ns, seconds)
        })
    }
}

/// An error where nobody waits for the answer: then nothing is changed.
fn still_asked(asker: &Asker<'_>) -> Result<()> {
    if asker.has_gone() {
        bail!("whoever asked has gone, nothing was changed");
    }
    Ok(())
}

/// What the shards of a run that has ended measured from its begin on.
pub(crate) fn whole_profile(
    swap: &RuleSwap,
    ruleset: &Ruleset,
    every: u32,
    seconds: f64,
) -> ProfileReport {
    let found = swap.end_profile(SHARDS_ANSWER_WITHIN);
    let report = report(ruleset, &found, clock_cost_ns(), seconds);
    ProfileReport { generation: 1, sampled_1_in: every, ..report }
}

fn ms_since(begin: Instant) -> u64 {
    begin.elapsed().as_millis() as u64
}

/// Which rules came, went, or come to something else under the same name.
fn difference(old: &LoadedRules, new: &LoadedRules) -> Reloaded {
    let (old, new) = (old.resolved(), new.resolved());
    let name = |name: &Arc<str>| name.to_string();
    Reloaded {
        added: new.keys().filter(|n| !old.contains_key(*n)).map(name).collect(),
        removed: old.keys().filter(|n| !new.contains_key(*n)).map(name).collect(),
        changed: new
            .iter()
            .filter(|(name, rule)| old.get(*name).is_some_and(|before| before != *rule))
            .map(|(n, _)| name(n))
            .collect(),
        ..Reloaded::default()
    }
}

/// What of running processes was not followed until now.
fn stale_state(old: &Need, new: &Need) -> Option<String> {
    let new = new.state_types().intersection(&old.wanted().interest.complement());
    let calls: Vec<&str> = new.iter().map(EventType::name).collect();
    (!calls.is_empty()).then(|| {
        format!(
            "nobody asked for {} before: what they change is known of processes that run already as it was at their last exec or fork",
            calls.join(", ")
        )
    })
}

/// Time that one reading of the clock takes.
fn clock_cost_ns() -> f64 {
    let begin = perf::boot_now_ns();
    let mut end = begin;
    for _ in 0..N_CLOCK_READINGS {
        end = perf::boot_now_ns();
    }
    end.saturating_sub(begin) as f64 / f64::from(N_CLOCK_READINGS)
}

/// Makes figures of what was measured: the clock's own time is taken out, the sample scaled up.
fn report(ruleset: &Ruleset, found: &RuleProfile, clock_ns: f64, seconds: f64) -> ProfileReport {
    let RuleProfile { n_evaluations, costs, matches, n_missing } = found;
    let net = |ns: u64, n_readings: u64| (ns as f64 - n_readings as f64 * clock_ns).max(0.0);
    let n_timed = costs.n_events;
    let scale = if n_timed == 0 { 0.0 } else { *n_evaluations as f64 / n_timed as f64 };
    let shared_ns = net(costs.shared_ns, n_timed);
    let own_ns: Vec<f64> = costs.rules.iter().map(|cost| net(cost.ns, cost.n_runs)).collect();
    let all_ns: f64 = own_ns.iter().sum();
    let part = |of: f64, whole: f64| if whole > 0.0 { of / whole } else { 0.0 };
    let mut rules: Vec<RuleCostLine> = Vec::new();
    for (n, info) in ruleset.rules().enumerate() {
        let n_timed = costs.rules.get(n).map_or(0, |cost| cost.n_runs);
        let ns = own_ns.get(n).copied().unwrap_or(0.0);
        rules.push(RuleCostLine {
            rule: info.name.to_string(),
            share: part(ns, all_ns),
            cores: part(ns * scale, seconds * 1e9),
            ns_per_run: part(ns, n_timed as f64),
            n_runs: (n_timed as f64 * scale).round() as u64,
            n_timed,
            n_matches: matches.get(n).copied().unwrap_or(0),
        });
    }
    // Rules of equal cost stay in their order.
    rules.sort_by(|a, b| b.share.total_cmp(&a.share).then(b.n_matches.cmp(&a.n_matches)));
    ProfileReport {
        seconds,
        n_evaluations: *n_evaluations,
        n_timed,
        clock_ns,
        cores: part((shared_ns + all_ns) * scale, seconds * 1e9),
        ns_per_evaluation: part(shared_ns + all_ns, n_timed as f64),
        shared_ns_per_evaluation: part(shared_ns, n_timed as f64),
        n_missing_shards: *n_missing,
        rules,
        ..ProfileReport::default()
    }
}

#[cfg(test)]
mod tests {
    use rules::{Options, RuleCost, RuleCosts, Source};

    use super::*;

    fn ruleset(rules: &[(&str, &str)]) -> Ruleset {
        let rule = |(name, output): &(&str, &str)| {
            format!(
                "- rule: {name}\n  desc: d\n  condition: evt.type = openat\n  output: \"{output}\"\n  priority: INFO\n"
            )
        };
        let text = rules.iter().map(rule).collect();
        Ruleset::load(vec![Source { name: "t.yaml".into(), text }], Options::default()).unwrap()
    }

    #[test]
    fn a_report_takes_the_clock_out_and_scales_the_sample_up() {
        let rules = ruleset(&[("idle", "x"), ("cheap", "x"), ("dear", "x")]);
        let cost = |n_runs, ns| RuleCost { n_runs, ns };
        let found = RuleProfile {
            n_evaluations: 1000,
            costs: RuleCosts {
                n_events: 100,
                shared_ns: 6_000,
                rules: vec![cost(0, 0), cost(100, 3_000), cost(50, 9_000)],
            },
            matches: vec![0, 7, 1],
            n_missing: 0,
        };
        let report = report(&rules, &found, 20.0, 0.001);
        let lines: Vec<_> = report
            .rules
            .iter()
            .map(|l| (&*l.rule, l.share, l.ns_per_run, l.n_runs, l.n_timed, l.n_matches))
            .collect();
        assert_eq!(
            lines,
            [
                ("dear", 8_000.0 / 9_000.0, 160.0, 500, 50, 1),
                ("cheap", 1_000.0 / 9_000.0, 10.0, 1000, 100, 7),
                ("idle", 0.0, 0.0, 0, 0, 0)
            ]
        );
        assert_eq!((report.ns_per_evaluation, report.shared_ns_per_evaluation), (130.0, 40.0));
        // 130 us in a millisecond; the dear one 80 of them.
        assert!((report.cores - 0.13).abs() < 1e-9 && (report.rules[0].cores - 0.08).abs() < 1e-9);
        // Nothing was timed: no figure, and no division by nothing.
        let none = super::report(&rules, &RuleProfile::default(), 20.0, 1.0);
        assert!(none.rules.iter().all(|l| (l.share + l.ns_per_run).abs() < f64::EPSILON));
        assert!(none.ns_per_evaluation.abs() < f64::EPSILON);
    }

    #[test]
    fn state_that_nobody_followed_is_told() {
        let (plain, cwd) = (ruleset(&[("a", "x")]), ruleset(&[("a", "%proc.cwd")]));
        let config = ConfigSource { config: Some("/dev/null".into()), ..ConfigSource::default() };
        let config = config::load(&config, &Settings::default()).unwrap();
        let [plain, cwd] = [plain, cwd].map(|rules| Need::of(&config, &rules));
        let told = stale_state(&plain, &cwd).unwrap();
        assert!(told.starts_with("nobody asked for chdir, fchdir before: "), "{told}");
        assert_eq!((stale_state(&cwd, &plain), stale_state(&cwd, &cwd)), (None, None));
    }
}

//! The rules of the running agent: replaced on request, and measured.
//!
//! A reload compiles beside the old rules, lets the kernel reject nothing, widens what it captures to what both need, swaps, then rejects and
//! narrows to what the new rules need.
//! What is wrong on the way leaves the old rules in force.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use bus::{Key, KeyClock};
use event::EventType;
use outputs::Format;
use rules::{RuleInfo, Ruleset};
use stages::{RuleProfile, RuleSwap};

use crate::cli::{ConfigSource, Settings};
use crate::config::{self, Config, Given, RuleInputs};
use crate::control::Asker;
use crate::file_digests::FileDigests;
use crate::give_back::GiveBack;
use crate::lifecycle::Lifecycle;
use crate::live::{self, Kernel};
use crate::name_lookups::NameLookups;
use crate::need::{Need, names};
use crate::push_down::PushDown;
use crate::reload_alerts::{Failure, ReloadAlerts};
use crate::reload_thread::ReloadWisher;
use crate::request::{
    ProfileReport, ProfileRequest, Refused, ReloadRequest, Reloaded, Response, RuleCostLine,
    RulesInForce,
};
use crate::rule_commands::reload::line;
use crate::rule_load::{self, LoadError, LoadedRules};
use crate::run::{blind_rules, say};
use crate::sandbox::explained;
use crate::start::count;
use crate::watched_files::{Contents, Watched};

/// Keys that a reload may set on top of the configuration: they select rules.
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

/// What asks for a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AskedBy {
    /// SIGHUP.
    Signal,
    /// A file that changed.
    Files,
    /// A client of the control socket, which gets the answer.
    Client,
}

impl AskedBy {
    fn name(self) -> &'static str {
        match self {
            Self::Signal => "SIGHUP",
            Self::Files => "a changed file",
            Self::Client => "a client",
        }
    }
}

/// What the rules of a run are made of.
pub(crate) struct Parts {
    pub(crate) origin: Origin,
    pub(crate) config: Config,
    pub(crate) at_start: AtStart,
    pub(crate) rules: LoadedRules,
    pub(crate) swap: Arc<RuleSwap>,
    /// None in a replay.
    pub(crate) live: Option<LiveSource>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    /// None in a replay.
    pub(crate) alerts: Option<ReloadAlerts>,
    pub(crate) reformat: Box<dyn Fn(Format) + Send + Sync>,
    /// Told when other files may have to be watched.
    pub(crate) wisher: ReloadWisher,
    pub(crate) give_back: GiveBack,
}

/// What the configuration and its files had at the start.
#[derive(Clone, Debug)]
pub(crate) struct AtStart {
    given: Given,
    /// What a reload reads, watched or not.
    reads: Vec<Watched>,
    watched: Vec<Watched>,
    contents: Contents,
}

impl AtStart {
    pub(crate) fn reads(&self) -> &[Watched] {
        &self.reads
    }

    /// To be taken as soon as the configuration was read.
    pub(crate) fn of(config: &Config, given: Given) -> Self {
        let reads = read_by_reloads(config, &given);
        let watched = watched(config, &given);
        let contents = Contents::of(&watched);
        Self { given, reads, watched, contents }
    }
}

/// What a reload of this configuration reads, where it is told to watch that.
fn watched(config: &Config, given: &Given) -> Vec<Watched> {
    if config.watches_files { read_by_reloads(config, given) } else { Vec::new() }
}

fn read_by_reloads(config: &Config, given: &Given) -> Vec<Watched> {
    let rules = match &config.rules {
        RuleInputs::BuiltIn => &[][..],
        RuleInputs::Configured(paths) | RuleInputs::Given(paths) => paths,
    };
    let files = given.files().map(|path| Watched::Config(path.to_owned()));
    files.chain(rules.iter().cloned().map(Watched::Rules)).collect()
}

/// The rules of the running agent.
pub(crate) struct RulesAtWork {
    origin: Origin,
    config: Config,
    given: Given,
    swap: Arc<RuleSwap>,
    live: Option<LiveSource>,
    lifecycle: Arc<Lifecycle>,
    alerts: Mutex<Option<ReloadAlerts>>,
    reformat: Box<dyn Fn(Format) + Send + Sync>,
    wisher: ReloadWisher,
    give_back: GiveBack,
    in_force: Mutex<InForce>,
}

struct InForce {
    rules: Arc<LoadedRules>,
    generation: u64,
    since: SystemTime,
    n_refused: u64,
    not_covered: Vec<String>,
    /// What the agent's own configuration is read from, and had when that was last tried.
    watched: Vec<Watched>,
    contents: Contents,
    /// Keys that take a restart, as they were told last.
    needs_restart: Vec<String>,
}

impl RulesAtWork {
    /// Takes over the rules with which the shards started.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            origin,
            config,
            at_start: AtStart { given, reads: _, watched, contents },
            rules,
            swap,
            live,
            lifecycle,
            alerts,
            reformat,
            wisher,
            give_back,
        } = parts;
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
            watched,
            contents,
            needs_restart: Vec::new(),
        };
        Self {
            origin,
            config,
            given,
            swap,
            live,
            lifecycle,
            alerts: Mutex::new(alerts),
            reformat,
            wisher,
            give_back,
            in_force: Mutex::new(in_force),
        }
    }

    fn lock(&self) -> MutexGuard<'_, InForce> {
        // Nothing that can panic happens between its changes.
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rules in force.
    pub(crate) fn stats(&self) -> RulesInForce {
        let in_force = self.lock();
        let InForce { rules, generation, since, n_refused, not_covered, .. } = &*in_force;
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

    /// How often each of the rules in force has matched.
    pub(crate) fn matches(&self) -> Vec<(Arc<RuleInfo>, u64)> {
        let in_force = self.lock();
        let matches = self.swap.matches().into_iter().chain(std::iter::repeat(0));
        in_force.rules.ruleset.rules().cloned().zip(matches).collect()
    }

    /// The files in force.
    pub(crate) fn digests(&self) -> FileDigests {
        self.lock().rules.digests.clone()
    }

    /// What the agent's own configuration is read from.
    pub(crate) fn watched(&self) -> Vec<Watched> {
        self.lock().watched.clone()
    }

    /// What that had when it was last tried.
    pub(crate) fn contents(&self) -> Contents {
        self.lock().contents
    }

    /// Raises no more alerts: the outputs end when nobody can raise any.
    pub(crate) fn end(&self) {
        drop(self.alerts.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Replaces the rules as a client asks for it; where that fails those in force stay, and the answer says why.
    pub(crate) fn reload(&self, request: &ReloadRequest, asker: &Asker<'_>) -> Response {
        self.reload_for(AskedBy::Client, request, &|| asker.has_gone())
    }

    /// Replaces the rules by those of the agent's own configuration and files.
    pub(crate) fn reload_own(&self, asked_by: AskedBy) {
        let is_ending = || !self.lifecycle.is_running();
        // What there is to say is said.
        drop(self.reload_for(asked_by, &ReloadRequest::default(), &is_ending));
    }

    fn reload_for(
        &self,
        asked_by: AskedBy,
        request: &ReloadRequest,
        has_gone: &dyn Fn() -> bool,
    ) -> Response {
        let Some(_turn) = self.lifecycle.reloading() else {
            return Response::Error("the agent starts, or ends".to_owned());
        };
        let response = match self.try_reload(request, has_gone) {
            Ok(reloaded) => {
                self.tell_reloaded(asked_by, &reloaded);
                Response::Reloaded(Box::new(reloaded))
            }
            Err(error) => {
                let errors = match error {
                    LoadError::Rules(drawn) => drawn,
                    LoadError::Other(e) => vec![explained(&format!("{e:#}")).into_owned()],
                };
                let (n_rules, generation) = {
                    let mut in_force = self.lock();
                    in_force.n_refused += 1;
                    (in_force.rules.ruleset.rules().len(), in_force.generation)
                };
                if !has_gone() {
                    let asked_by = asked_by.name();
                    let failure = Failure { errors: &errors, asked_by, n_rules, generation };
                    self.tell_refused(&failure, request == &ReloadRequest::default());
                }
                Response::Refused(Refused { errors, n_rules })
            }
        };
        // Compiling takes several times what stays of it.
        self.give_back.after_a_burst();
        self.wisher.look();
        response
    }

    fn tell_reloaded(&self, asked_by: AskedBy, reloaded: &Reloaded) {
        let mut text = format!(
            "peregrine: rules reloaded, asked for by {}: {}\n",
            asked_by.name(),
            line(reloaded)
        );
        let is_news = {
            let told = &mut self.lock().needs_restart;
            std::mem::replace(told, reloaded.needs_restart.clone()) != reloaded.needs_restart
        };
        if is_news && !reloaded.needs_restart.is_empty() {
            let keys = reloaded.needs_restart.join(", ");
            let _infallible = writeln!(text, "peregrine: changed, and needs a restart: {keys}");
        }
        if asked_by != AskedBy::Client {
            for warning in &reloaded.warnings {
                let _infallible = writeln!(text, "{warning}");
            }
        }
        say(&text);
    }

    /// A client that names other files than the agent's own sees what is wrong with them; nobody else is alarmed.
    fn tell_refused(&self, failure: &Failure<'_>, is_own: bool) {
        let Failure { errors, asked_by, n_rules, generation } = failure;
        let mut text = errors.join("\n");
        let _infallible = writeln!(
            text,
            "\nperegrine: reload refused, asked for by {asked_by}: {} in force as before, generation {generation}",
            count(*n_rules, "rule")
        );
        if is_own {
            let mut alerts = self.alerts.lock().unwrap_or_else(PoisonError::into_inner);
            if alerts.as_mut().is_some_and(|alerts| !alerts.raise(failure)) {
                text += "peregrine: the outputs have no room for the alert about it\n";
            }
        }
        say(&text);
    }

    fn try_reload(
        &self,
        request: &ReloadRequest,
        has_gone: &dyn Fn() -> bool,
    ) -> Result<Reloaded, LoadError> {
        let begin = Instant::now();
        let Fresh { config, needs_restart } = self.configured(request)?;
        let new = Arc::new(rule_load::load(&config)?);
        let ruleset = Arc::clone(&new.ruleset);
        let compile_ms = ms_since(begin);
        still_asked(has_gone)?;
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
            still_asked(has_gone).and_then(|()| Ok(self.swap.install(&ruleset, matching, now)?));
        if let Err(e) = installed {
            drop(self.narrow(old));
            drop(self.push_down(old));
            return Err(LoadError::Other(e));
        }
        if let Some(names) = self.live.as_ref().and_then(|l| l.names.as_ref()) {
            names.ask_for(&ruleset);
        }
        (self.reformat)(config.format);
        let generation = {
            let mut in_force = self.lock();
            in_force.rules = Arc::clone(&new);
            in_force.generation += 1;
            in_force.since = SystemTime::now();
            in_force.generation
        };
        let mut warnings = rule_load::remarks(&ruleset, &self.config);
        warnings.extend(config.doubts);
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
            needs_restart,
            warnings,
            ..difference(&old_rules, &new)
        })
    }

    /// What a running agent takes of the configuration as it is now, with what the request asks for on top.
    fn configured(&self, request: &ReloadRequest) -> Result<Fresh> {
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
        let is_own = request == &ReloadRequest::default();
        if is_own {
            // Before anything is read: what changes from here on is for another reload.
            let contents = Contents::of(&self.watched());
            self.lock().contents = contents;
        }
        let (fresh, given) = config::load_given(&source, &set)?;
        let watched = watched(&fresh, &given);
        if is_own && watched != self.watched() {
            let mut in_force = self.lock();
            // Nobody has looked at these yet: once they are watched they are read once more.
            (in_force.watched, in_force.contents) = (watched, Contents::default());
        }
        let doubts = fresh.doubts.clone();
        let config = self.config.clone().with_live_keys_of(&fresh);
        // A key that a flag overrides may change.
        let is_taken = fresh.silent() == config.clone().silent();
        let needs_restart = if is_taken { Vec::new() } else { given.changed_since(&self.given) };
        Ok(Fresh { config: Config { doubts, ..config }, needs_restart })
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

/// What the configuration comes to when it is read anew.
struct Fresh {
    /// What runs, with what of the new one can be taken.
    config: Config,
    /// What cannot.
    needs_restart: Vec<String>,
}

/// An error where nobody waits for the answer: then nothing is changed.
fn still_asked(has_gone: &dyn Fn() -> bool) -> Result<()> {
    if has_gone() {
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

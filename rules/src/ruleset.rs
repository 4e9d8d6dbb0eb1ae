//! The ruleset: what loading makes, immutable, shared by all evaluating threads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use event::{CallSet, EventSet, EventType};

use crate::alert::{Alert, AlertMarks, Priority, RuleInfo};
use crate::append::{Appends, OutputAppend};
use crate::collect::collect;
use crate::compile::{Compiled, CompiledRule, compile};
use crate::costs::{RuleCosts, Timed, Untimed};
use crate::error::{Diag, Diags, RuleError};
use crate::eval::{MatchScratch, RuleId};
use crate::ir::IrId;
use crate::necessary::Necessary;
use crate::output::Template;
use crate::program::Program;
use crate::schema::{Field, FieldRef};
use crate::selection::{IdleSelection, Selection, idle};
use crate::source::{Files, Source};
use crate::types;
use crate::value::Fields;

/// The shipped rules.
pub const DEFAULT_RULES: &str = include_str!("../rulesets/default.yaml");

/// Fields that are made of a file's name.
pub(crate) const FILE_NAMES: [Field; 10] = [
    Field::FdName,
    Field::FdDirectory,
    Field::FdFilename,
    Field::FdNameView,
    Field::FdContainername,
    Field::FdContainerdirectory,
    Field::EvtIsSyslog,
    Field::FsPathName,
    Field::FsPathSource,
    Field::FsPathTarget,
];

/// What happens when several rules match one event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuleMatching {
    /// The first in order of definition is reported.
    #[default]
    First,
    /// Each is reported.
    All,
}

/// Items that a list gets from whoever loads the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GivenItems {
    /// Beside those that the files give it.
    Beside(Vec<String>),
    /// In their place.
    Instead(Vec<String>),
}

/// How rules are loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// First match or all.
    pub matching: RuleMatching,
    /// Rules less severe than this are left out.
    pub min_priority: Priority,
    /// Event sources beside `syscall` that rules may have. Their rules are checked, but never evaluated: nothing here makes their events. Rules of
    /// other sources are skipped with a warning. Where there are any, plugins that files require are taken to be there.
    pub sources: Vec<String>,
    /// Which rules are tried, on top of their `enabled` key; the last that fits a rule decides.
    pub selections: Vec<Selection>,
    /// Values of the fields `static.KEY` by key.
    pub static_fields: Arc<BTreeMap<String, String>>,
    /// Items of lists of these names, where the files define them: what only the program knows that loads the rules.
    pub list_items: Arc<BTreeMap<String, GivenItems>>,
    /// What is added to outputs, in this order.
    pub appends: Vec<OutputAppend>,
    /// Whether outputs show buffers in base64.
    pub buffers_in_base64: bool,
    /// Whether an alert tells the value of each field of its output beside the text. Where nobody prints them they cost more than the text.
    pub tells_fields: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            matching: RuleMatching::First,
            min_priority: Priority::Debug,
            sources: Vec::new(),
            selections: Vec::new(),
            static_fields: Arc::default(),
            list_items: Arc::default(),
            appends: Vec::new(),
            buffers_in_base64: false,
            tells_fields: true,
        }
    }
}

/// What an alert says of its event beside the fields.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlertFacts {
    /// Number of the event.
    pub evt_num: u64,
    /// Time of the event, nanoseconds since the epoch.
    pub ts_ns: u64,
    /// Local time minus UTC, for outputs that print local time.
    pub utc_offset_s: i32,
    /// The alert's marks.
    pub marks: AlertMarks,
}

/// Compiled rules.
#[derive(Debug)]
pub struct Ruleset {
    rules: Vec<Rule>,
    program: Program,
    necessary: Necessary,
    matching: RuleMatching,
    tells_fields: bool,
    interest: EventSet,
    generic_calls: CallSet,
    fields: BTreeSet<FieldRef>,
    warnings: Vec<RuleError>,
    idle_selections: Vec<IdleSelection>,
}

/// A compiled rule without its condition.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) info: Arc<RuleInfo>,
    pub(crate) template: Template,
    pub(crate) types: EventSet,
    /// Those of `types` that its condition names.
    pub(crate) types_by_name: EventSet,
    /// Calls without an event of their own that it can match.
    pub(crate) generic_calls: CallSet,
    /// What its condition and its output read.
    pub(crate) fields: BTreeSet<FieldRef>,
    /// See [`Ruleset::ancestor_read`].
    pub(crate) ancestor_read: usize,
    /// See [`Ruleset::asks_runtime`].
    pub(crate) asks_runtime: bool,
    /// Calls without an event of their own that its condition names.
    pub(crate) calls: BTreeSet<Box<str>>,
    /// Host names that its condition compares addresses with.
    pub(crate) host_names: BTreeSet<Box<str>>,
}

impl Ruleset {
    /// Compiles rule files, in order. Names are resolved across files: a file sees its own and earlier ones.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the stages; nothing of a broken load is usable.
    #[expect(clippy::needless_pass_by_value, reason = "as a rule made for this one load")]
    pub fn load(sources: Vec<Source>, options: Options) -> Result<Self, Vec<RuleError>> {
        let mut files = Files::default();
        let mut n_files = 0;
        for source in sources {
            n_files = files.add(source) + 1;
        }
        let mut diags = Diags::default();
        let mut items = collect(&files, n_files, &mut diags);
        items.give_items(&options.list_items);
        let appends = Appends::read(&options, &mut files);
        let compiled = compile(&items, appends, &options, &mut diags);
        let draw = |diags: Vec<Diag>| diags.into_iter().map(|d| d.draw(&files)).collect();
        if !diags.errors.is_empty() {
            return Err(draw(diags.errors));
        }
        let idle_selections = idle(&options.selections, &items.rules);
        Ok(Self { idle_selections, ..Self::assemble(compiled, &options, draw(diags.warnings)) })
    }

    fn assemble(compiled: Compiled<'_>, options: &Options, warnings: Vec<RuleError>) -> Self {
        let Compiled { resolver, rules } = compiled;
        let active: Vec<CompiledRule> = rules.into_iter().filter(|r| r.is_active).collect();
        let typed: Vec<(IrId, EventSet)> = active.iter().map(|r| (r.root, r.rule.types)).collect();
        let rules: Vec<Rule> = active.into_iter().map(|r| r.rule).collect();
        Self {
            program: Program::compile(&resolver.ir, &typed),
            necessary: Necessary::of(&resolver.ir, &typed),
            matching: options.matching,
            tells_fields: options.tells_fields,
            interest: rules.iter().fold(EventSet::EMPTY, |set, r| set.union(&r.types)),
            generic_calls: rules.iter().fold(CallSet::EMPTY, |set, r| set.union(&r.generic_calls)),
            fields: rules.iter().flat_map(|r| &r.fields).cloned().collect(),
            rules,
            warnings,
            idle_selections: Vec::new(),
        }
    }

    /// The event types that some rule can match: what has to be captured.
    #[must_use]
    pub fn interest(&self) -> EventSet {
        self.interest
    }

    /// Those of [`Ruleset::interest`] that a condition names, and does not merely leave open.
    #[must_use]
    pub fn types_by_name(&self) -> EventSet {
        self.rules.iter().fold(EventSet::EMPTY, |set, r| set.union(&r.types_by_name))
    }

    /// The calls without an event type of their own that some rule can match: which generic events have to be captured.
    #[must_use]
    pub fn generic_calls(&self) -> CallSet {
        self.generic_calls
    }

    /// What events need to match some rule, as far as the kernel can tell.
    #[must_use]
    pub fn necessary(&self) -> &Necessary {
        &self.necessary
    }

    /// Every field that a condition or an output reads, each once, in schema order.
    pub fn fields_used(&self) -> impl Iterator<Item = &FieldRef> {
        self.fields.iter()
    }

    /// The rules with the fields that condition and output of each read.
    pub fn fields_by_rule(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = &FieldRef>)> {
        self.rules.iter().map(|r| (&*r.info.name, r.fields.iter()))
    }

    /// Whether some condition or output reads the field, with any argument.
    #[must_use]
    pub fn uses(&self, field: Field) -> bool {
        self.fields.iter().any(|f| f.field == field)
    }

    /// The host names that conditions compare addresses with, each once.
    #[must_use]
    pub fn host_names(&self) -> BTreeSet<&str> {
        self.rules.iter().flat_map(|r| &r.host_names).map(|name| &**name).collect()
    }

    /// The event types of the rules whose condition or output reads a field that satisfies `asks`: what has to be attached to those
    /// events.
    #[must_use]
    pub fn events_reading(&self, asks: impl Fn(&FieldRef) -> bool) -> EventSet {
        let asking = self.rules.iter().filter(|r| r.fields.iter().any(&asks));
        asking.fold(EventSet::EMPTY, |set, r| set.union(&r.types))
    }

    /// Whether some rule reads a file name, so that descriptors need their names and both views count.
    #[must_use]
    pub fn uses_fd_name(&self) -> bool {
        FILE_NAMES.into_iter().any(|f| self.uses(f))
    }

    /// The rules in order of definition; [`RuleId`] is the index.
    #[must_use]
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &Arc<RuleInfo>> {
        self.rules.iter().map(|r| &r.info)
    }

    /// One rule. `rule` comes from this ruleset.
    #[must_use]
    pub fn rule(&self, rule: RuleId) -> &Arc<RuleInfo> {
        &self.rules[rule.0 as usize].info
    }

    /// The event types that a rule can match. `rule` comes from this ruleset.
    #[must_use]
    pub fn rule_types(&self, rule: RuleId) -> EventSet {
        self.rules[rule.0 as usize].types
    }

    /// Those of the types that a rule can match that its condition names. `rule` comes from this ruleset.
    #[must_use]
    pub fn rule_types_by_name(&self, rule: RuleId) -> EventSet {
        self.rules[rule.0 as usize].types_by_name
    }

    /// The calls without an event type of their own that a rule can match. `rule` comes from this ruleset.
    #[must_use]
    pub fn rule_generic_calls(&self, rule: RuleId) -> CallSet {
        self.rules[rule.0 as usize].generic_calls
    }

    /// Rules that can match no event of these types, in order. Of generic events only those of `calls` are given.
    pub fn blind_to(
        &self,
        given: &EventSet,
        calls: &CallSet,
    ) -> impl Iterator<Item = &Arc<RuleInfo>> {
        let calls = *calls;
        let given = given.intersection(&types::generic().complement());
        let is_blind = move |rule: &&Rule| {
            rule.types.intersection(&given).is_empty()
                && rule.generic_calls.intersection(&calls).is_empty()
        };
        self.rules.iter().filter(is_blind).map(|r| &r.info)
    }

    /// The farthest ancestor that a rule's condition or output asks for, 1 the parent; `usize::MAX` for all of them, 0 for none. `rule` comes
    /// from this ruleset.
    #[must_use]
    pub fn ancestor_read(&self, rule: RuleId) -> usize {
        self.rules[rule.0 as usize].ancestor_read
    }

    /// Whether a rule's condition or output asks for what only a container's runtime knows. `rule` comes from this ruleset.
    #[must_use]
    pub fn asks_runtime(&self, rule: RuleId) -> bool {
        self.rules[rule.0 as usize].asks_runtime
    }

    /// What loading warned of.
    #[must_use]
    pub fn warnings(&self) -> &[RuleError] {
        &self.warnings
    }

    /// The selections of [`Options`] that no rule fits.
    #[must_use]
    pub fn idle_selections(&self) -> &[IdleSelection] {
        &self.idle_selections
    }

    /// Working memory for one evaluating thread.
    #[must_use]
    pub fn scratch(&self) -> MatchScratch {
        let mut scratch = MatchScratch::default();
        scratch.fit(&self.program);
        scratch
    }

    /// The rules that an event matches: at most one with [`RuleMatching::First`], else all in order. Does not
    /// allocate once `scratch` has been used with this ruleset.
    pub fn evaluate<'s, F: Fields>(
        &self,
        event_type: EventType,
        fields: &F,
        scratch: &'s mut MatchScratch,
    ) -> &'s [RuleId] {
        let first_only = self.matching == RuleMatching::First;
        self.program.run(first_only, event_type, fields, scratch, &mut Untimed);
        &scratch.matched
    }

    /// An empty account for [`Ruleset::evaluate_timed`].
    #[must_use]
    pub fn costs(&self) -> RuleCosts {
        RuleCosts::new(self.rules.len())
    }

    /// As [`Ruleset::evaluate`], and adds what each rule took to `costs`. `clock` gives nanoseconds and is read once per rule that is run.
    pub fn evaluate_timed<'s, F: Fields>(
        &self,
        event_type: EventType,
        fields: &F,
        scratch: &'s mut MatchScratch,
        clock: impl FnMut() -> u64,
        costs: &mut RuleCosts,
    ) -> &'s [RuleId] {
        let first_only = self.matching == RuleMatching::First;
        let mut meter = Timed { clock, last_ns: 0, costs };
        self.program.run(first_only, event_type, fields, scratch, &mut meter);
        &scratch.matched
    }

    /// The alert of a match: output formatted, its fields kept where they are told. `rule` comes from [`Ruleset::evaluate`].
    #[must_use]
    pub fn alert<F: Fields>(&self, rule: RuleId, fields: &F, facts: AlertFacts) -> Alert {
        let Rule { info, template, .. } = &self.rules[rule.0 as usize];
        let (output, fields) = template.fill(fields, facts.utc_offset_s, self.tells_fields);
        Alert {
            rule: info.clone(),
            evt_num: facts.evt_num,
            ts_ns: facts.ts_ns,
            output,
            fields,
            marks: facts.marks,
        }
    }
}

//! What there is to tell of loaded rules: for commands that list, describe and explain. A running agent has none of it.

mod condition;
mod describe;
mod expand;
mod nearest;
mod requirements;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use event::EventSet;

use crate::alert::RuleInfo;
use crate::append::Appends;
use crate::collect::{Collected, ExceptionDef, collect};
use crate::compile::{Compiled, compile};
use crate::error::{Diag, Diags, RuleError};
use crate::ir::IrId;
use crate::predicate::PredicateKey;
use crate::ruleset::Options;
use crate::schema::FieldRef;
use crate::selection::{IdleSelection, idle};
use crate::source::{Files, Source};
use condition::Condition;
pub use describe::{Description, RequiredPlugin};
use expand::{Expanded, Expander};
use requirements::requirements;

/// Everything that was loaded, told in full.
#[derive(Debug)]
pub struct Catalog {
    /// The rules in order of definition, without those that were skipped.
    pub rules: Vec<RuleFacts>,
    /// The macros in order of definition.
    pub macros: Vec<MacroFacts>,
    /// The lists in order of definition.
    pub lists: Vec<ListFacts>,
    /// The highest version of the rule engine that a file requires.
    pub required_engine_version: String,
    /// The plugins that files require.
    pub required_plugins: Vec<RequiredPlugin>,
    /// What loading warned of.
    pub warnings: Vec<RuleError>,
    /// Selections that no rule fits.
    pub idle_selections: Vec<IdleSelection>,
    /// Conditions of rules and macros.
    graph: Condition,
    /// The rules that make a comparison, as indices of `rules`.
    makers: HashMap<PredicateKey, Vec<usize>>,
}

/// A condition with everything that it stands for.
#[derive(Clone, Debug)]
pub struct ConditionFacts {
    /// As written; exceptions and appended parts included.
    pub written: String,
    /// With lists and macros put in, in canonical form; none where it would be too large to print.
    pub resolved: Option<String>,
    /// Its node in the graph.
    root: u32,
    /// Operators of the resolved condition as written, each once.
    pub operators: Vec<String>,
    /// Macros that the text itself names.
    pub macros: Vec<Arc<str>>,
    /// Lists that the text itself names.
    pub lists: Vec<Arc<str>>,
    /// Fields that the resolved condition reads.
    pub fields: Vec<FieldRef>,
    /// The event types for which it can be true.
    pub types: EventSet,
}

/// What there is to tell of a rule.
#[derive(Clone, Debug)]
pub struct RuleFacts {
    /// What alerts say of it.
    pub info: Arc<RuleInfo>,
    /// Whether it is switched on, by its own key and by what was selected.
    pub enabled: bool,
    /// Whether events are evaluated against it: enabled, severe enough, and of a source whose events are captured.
    pub active: bool,
    /// Its condition.
    pub condition: ConditionFacts,
    /// Calls without an event type of their own that the condition names.
    pub calls: Vec<Box<str>>,
    /// Fields of the output, each once.
    pub output_fields: Vec<FieldRef>,
    /// Its exceptions, in order of definition.
    pub exceptions: Vec<ExceptionFacts>,
}

impl RuleFacts {
    /// Every field of condition and output, some twice.
    pub fn fields(&self) -> impl Iterator<Item = &FieldRef> {
        self.condition.fields.iter().chain(&self.output_fields)
    }
}

/// What there is to tell of an exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExceptionFacts {
    /// Its name.
    pub name: Arc<str>,
    /// The fields that it compares, as written.
    pub fields: Vec<String>,
    /// How it compares each.
    pub operators: Vec<String>,
    /// How many values it has.
    pub n_values: usize,
}

/// A comparison and who else makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedCheck {
    /// Canonical text.
    pub text: String,
    /// Names of other rules that evaluate the same, in order of definition.
    pub rules: Vec<Arc<str>>,
}

/// What there is to tell of a macro.
#[derive(Clone, Debug)]
pub struct MacroFacts {
    /// Its name.
    pub name: Arc<str>,
    /// Its condition.
    pub condition: ConditionFacts,
    /// Whether a rule or a macro uses it.
    pub used: bool,
}

/// What there is to tell of a list.
#[derive(Clone, Debug)]
pub struct ListFacts {
    /// Its name.
    pub name: Arc<str>,
    /// Its items as written, names of other lists among them.
    pub items: Vec<String>,
    /// The lists among the items.
    pub lists: Vec<Arc<str>>,
    /// Whether a rule, a macro or a list uses it.
    pub used: bool,
}

impl Catalog {
    /// Loads rule files as [`crate::Ruleset::load`] does, and keeps what it finds out.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn load(sources: Vec<Source>, options: &Options) -> Result<Self, Vec<RuleError>> {
        let mut files = Files::default();
        let mut n_files = 0;
        for source in sources {
            n_files = files.add(source) + 1;
        }
        let mut diags = Diags::default();
        let mut items = collect(&files, n_files, &mut diags);
        items.give_items(&options.list_items);
        let appends = Appends::read(options, &mut files);
        let compiled = compile(&items, appends, options, &mut diags);
        let draw = |diags: Vec<Diag>| diags.into_iter().map(|d| d.draw(&files)).collect();
        if !diags.errors.is_empty() {
            return Err(draw(diags.errors));
        }
        let mut expander = Expander::new(&items, options);
        let (rules, makers) = rules(&compiled, &items, &mut expander);
        let mut macros = Vec::new();
        for (i, def) in items.macros.all.iter().enumerate() {
            let used = compiled.resolver.is_macro_used(i);
            let Some(expanded) = expander.macro_condition(i).cloned() else { continue };
            let written = def.condition.as_str();
            let condition = facts(&expander, written, expanded);
            macros.push(MacroFacts { name: def.name.clone(), condition, used });
        }
        let lists = items.lists.all.iter().enumerate().map(|(i, def)| ListFacts {
            name: def.name.clone(),
            items: def.items.clone(),
            lists: def
                .items
                .iter()
                .filter_map(|item| items.lists.get(item))
                .map(|l| l.name.clone())
                .collect(),
            used: compiled.resolver.is_list_used(i),
        });
        let lists = lists.collect();
        let (required_engine_version, required_plugins) = requirements(&files, n_files);
        let warnings = draw(diags.warnings);
        let graph = expander.graph;
        Ok(Self {
            rules,
            macros,
            lists,
            required_engine_version,
            required_plugins,
            warnings,
            idle_selections: idle(&options.selections, &items.rules),
            graph,
            makers,
        })
    }

    /// A resolved condition over several lines, for reading; none where it would be too large. `condition` is of this catalog.
    #[must_use]
    pub fn lines(&self, condition: &ConditionFacts) -> Option<Vec<String>> {
        self.graph.lines(condition.root)
    }

    /// The comparisons of a rule that others make too. `rule` is of this catalog.
    #[must_use]
    pub fn shared(&self, rule: &RuleFacts) -> Vec<SharedCheck> {
        let mut shared = Vec::new();
        let mut told = HashSet::new();
        for leaf in self.graph.leaves(rule.condition.root) {
            let keys = leaf.keys.iter().filter(|&key| told.insert(key));
            let makers: BTreeSet<usize> =
                keys.filter_map(|key| self.makers.get(key)).flatten().copied().collect();
            let names = makers.into_iter().map(|r| self.rules[r].info.name.clone());
            let rules: Vec<Arc<str>> = names.filter(|name| *name != rule.info.name).collect();
            if !rules.is_empty() {
                shared.push(SharedCheck { text: leaf.text.clone(), rules });
            }
        }
        shared
    }

    /// The macros and lists behind a condition, by way of others too.
    #[must_use]
    pub fn uses<'a>(
        &'a self,
        condition: &'a ConditionFacts,
    ) -> (BTreeSet<&'a str>, BTreeSet<&'a str>) {
        let of_list: HashMap<&str, &ListFacts> = self.lists.iter().map(|l| (&*l.name, l)).collect();
        let of_macro: HashMap<&str, &MacroFacts> =
            self.macros.iter().map(|m| (&*m.name, m)).collect();
        let (mut macros, mut lists) = (BTreeSet::new(), BTreeSet::new());
        let mut conditions = vec![condition];
        while let Some(condition) = conditions.pop() {
            let mut named: Vec<&str> = condition.lists.iter().map(|l| &**l).collect();
            while let Some(name) = named.pop() {
                if lists.insert(name) {
                    named.extend(of_list.get(name).iter().flat_map(|l| &l.lists).map(|l| &**l));
                }
            }
            for name in condition.macros.iter().map(|m| &**m) {
                if macros.insert(name) {
                    conditions.extend(of_macro.get(name).map(|m| &m.condition));
                }
            }
        }
        (macros, lists)
    }

    /// A rule by its name.
    #[must_use]
    pub fn rule(&self, name: &str) -> Option<&RuleFacts> {
        self.rules.iter().find(|r| &*r.info.name == name)
    }

    /// The rules that may have been meant by a name that does not exist, the likeliest first; at most three.
    #[must_use]
    pub fn nearest_rules(&self, name: &str) -> Vec<&str> {
        nearest::nearest(name, self.rules.iter().map(|r| &*r.info.name))
    }
}

fn rules(
    compiled: &Compiled<'_>,
    items: &Collected,
    expander: &mut Expander<'_>,
) -> (Vec<RuleFacts>, HashMap<PredicateKey, Vec<usize>>) {
    let (mut all, mut roots): (Vec<RuleFacts>, Vec<IrId>) = (Vec::new(), Vec::new());
    for rule in &compiled.rules {
        let def = &items.rules.all[rule.def];
        let Ok(written) = def.full_condition() else { continue };
        let Some(expanded) = expander.condition(&written, def.file) else { continue };
        let output_fields = rule.rule.template.fields().cloned().collect::<BTreeSet<_>>();
        roots.push(rule.root);
        all.push(RuleFacts {
            info: rule.rule.info.clone(),
            enabled: rule.is_enabled,
            active: rule.is_active,
            condition: facts(expander, written.as_str(), expanded),
            calls: rule.rule.calls.iter().cloned().collect(),
            output_fields: output_fields.into_iter().collect(),
            exceptions: def.exceptions.iter().map(exception).collect(),
        });
    }
    let makers = compiled.resolver.ir.shared(&roots).into_iter();
    let makers = makers.filter(|(_, of)| of.len() > 1).map(|(key, of)| (key.clone(), of));
    (all, makers.collect())
}

fn exception(def: &ExceptionDef) -> ExceptionFacts {
    let (fields, operators) = def.compared().map(|(f, op)| (f.to_owned(), op.to_owned())).unzip();
    ExceptionFacts { name: def.name.clone(), fields, operators, n_values: def.n_values() }
}

fn facts(expander: &Expander<'_>, written: &str, expanded: Expanded) -> ConditionFacts {
    let Expanded { root, macros, lists, reads } = expanded;
    let graph = &expander.graph;
    ConditionFacts {
        written: written.to_owned(),
        resolved: graph.text(root),
        root,
        operators: reads.operators.iter().copied().map(ToOwned::to_owned).collect(),
        macros,
        lists,
        fields: reads.fields.iter().cloned().collect(),
        types: graph.types(root).when_true,
    }
}

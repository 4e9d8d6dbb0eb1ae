//! What events need to match some rule, as far as the kernel can tell: by event type a list of clauses, one of which holds wherever a rule matches.
//!
//! `graph of conditions -> asks of each node (derive) -> clauses of each type`. A comparison becomes an ask ([`literal`]) where what it says of a
//! call's result, the flags of an open, a file's name, a descriptor's kind and ends, or the container follows for certain; everything else asks
//! nothing, so that a clause may hold where its rules do not match, never the other way round. Negations are pushed down to the comparisons, and
//! a comparison that is negated is asked what values fail it, a missing one among them.

mod ask;
mod derive;
mod ends;
mod literal;
mod names;
mod said;

use std::collections::BTreeSet;

use event::filter::FilterKind;
use event::{EventSet, EventType};

use ask::Ask;
use derive::{Derivation, Derived};
use literal::TypeFacts;
pub use names::{NamePattern, is_plain_path, is_plain_string};

use crate::eval::RuleId;
use crate::ir::{Ir, IrId};

/// Tests that are told of a rule.
const MAX_TOLD: usize = 4;

/// What events need to match some rule of a ruleset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Necessary {
    types: Vec<TypeNeed>,
}

/// What events of one type need to match some rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeNeed {
    /// The type.
    pub ty: EventType,
    /// One of these holds for each event that matches a rule, or why there are none.
    pub clauses: Result<Vec<Clause>, Unfiltered>,
    /// Tests of names that ask nothing, for each rule of a clause without names.
    pub unasked: Vec<Unasked>,
}

/// Why there are no clauses for a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfiltered {
    /// The rule may match whatever the kernel can tell of the event.
    Rule(Unasked),
    /// The conditions are too many, or too long, to look through.
    TooLong,
}

/// What a rule asks of events of a type that the kernel cannot decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unasked {
    /// The rule.
    pub rule: RuleId,
    /// Its comparisons, some of them.
    pub tests: Vec<String>,
}

/// A condition that is necessary for some rules: everything in it holds where one of them matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// The rules, in order.
    pub rules: BTreeSet<RuleId>,
    /// It holds for calls that failed.
    pub failed: bool,
    /// It holds for calls that did not.
    pub succeeded: bool,
    /// Masks of flags, each with whether some flag of it is set or none is; in order.
    pub flags: Vec<(u64, bool)>,
    /// A bit for each [`FilterKind`] for which it holds.
    pub kinds: u8,
    /// Patterns one of which the file's name matches in some view; `None` for any name. A name counts as matching that is not plain
    /// ([`is_plain_string`], [`is_plain_path`]), or not known.
    pub names: Option<BTreeSet<NamePattern>>,
    /// Ports one of which some end has; `None` for any.
    pub ports: Option<BTreeSet<u16>>,
    /// It holds for processes in containers alone.
    pub in_container: bool,
}

impl Clause {
    fn of(ask: Ask, rules: BTreeSet<u32>) -> Self {
        let kinds = ask.ends.kinds();
        let Ask { in_container, failed, succeeded, flags, ends: _, ports, names } = ask;
        Self {
            rules: rules.into_iter().map(RuleId).collect(),
            failed,
            succeeded,
            flags,
            kinds,
            names: names.map(|names| (*names).clone()),
            ports: ports.map(|ports| (*ports).clone()),
            in_container,
        }
    }

    /// Whether the two ask the same, whatever the rules behind them.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let Self { rules: _, failed, succeeded, flags, kinds, names, ports, in_container } = self;
        (failed, succeeded, in_container) == (&other.failed, &other.succeeded, &other.in_container)
            && (flags, kinds, names, ports)
                == (&other.flags, &other.kinds, &other.names, &other.ports)
    }

    /// Whether it holds for descriptors of a kind.
    #[must_use]
    pub fn allows(&self, kind: FilterKind) -> bool {
        self.kinds >> kind as u32 & 1 == 1
    }
}

impl Necessary {
    /// Of the rules with these roots and types, in order.
    pub(crate) fn of(ir: &Ir, rules: &[(IrId, EventSet)]) -> Self {
        let mut derivation = Derivation::new(ir);
        let all = rules.iter().fold(EventSet::EMPTY, |set, (_, types)| set.union(types));
        let types = all.iter().filter_map(TypeFacts::of).map(|facts| {
            let of_type = (0..).zip(rules).filter(|(_, (_, types))| types.contains(facts.ty));
            let roots: Vec<(u32, IrId)> = of_type.map(|(n, &(root, _))| (n, root)).collect();
            need(&mut derivation, facts, &roots)
        });
        Self { types: types.collect() }
    }

    /// The types that some rule can match and whose events may be rejected at all, in order.
    #[must_use]
    pub fn types(&self) -> &[TypeNeed] {
        &self.types
    }
}

fn need(derivation: &mut Derivation<'_>, facts: TypeFacts, roots: &[(u32, IrId)]) -> TypeNeed {
    let ty = facts.ty;
    let root_of = |rule: u32| roots.iter().find(|(n, _)| *n == rule).map(|&(_, root)| root);
    let derived = derivation.of_type(facts, roots);
    let unasked = |rule: u32, of_names: bool| {
        let is_asked = |field| !of_names || names::is_of_name(field);
        let tests = root_of(rule).map_or_else(Vec::new, |root| {
            derivation.tests(facts, root, |key| match key.left.as_field() {
                Some(f) if names::is_of_name(f.field) => {
                    is_asked(f.field) && names::of_test(f.field, &key.test).is_none()
                }
                Some(f) => is_asked(f.field),
                None => !of_names || key.left.fields().any(|f| names::is_of_name(f.field)),
            })
        });
        let tests = tests.into_iter().take(MAX_TOLD).map(said::of_test).collect();
        Unasked { rule: RuleId(rule), tests }
    };
    let asks = match derived {
        Derived::Asks(asks) => asks,
        Derived::Nothing(rule) => {
            let why = Unfiltered::Rule(unasked(rule, false));
            return TypeNeed { ty, clauses: Err(why), unasked: Vec::new() };
        }
        Derived::TooMuch => {
            return TypeNeed { ty, clauses: Err(Unfiltered::TooLong), unasked: Vec::new() };
        }
    };
    let without_names = asks.iter().filter(|(ask, _)| facts.has_name() && ask.names.is_none());
    let rules: BTreeSet<u32> = without_names.flat_map(|(_, rules)| rules).copied().collect();
    let unasked = rules.into_iter().map(|rule| unasked(rule, true));
    // Those that ask for names share the clause of one that does not.
    let unasked = unasked.filter(|unasked| !unasked.tests.is_empty()).collect();
    let mut clauses: Vec<Clause> = Vec::with_capacity(asks.len());
    for clause in asks.into_iter().map(|(ask, rules)| Clause::of(ask, rules)) {
        // Ends that the kernel does not tell apart.
        match clauses.iter_mut().find(|other| other.is_same(&clause)) {
            Some(other) => other.rules.extend(clause.rules),
            None => clauses.push(clause),
        }
    }
    TypeNeed { ty, clauses: Ok(clauses), unasked }
}

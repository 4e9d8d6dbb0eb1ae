//! What the kernel side may reject: the clauses that rules need, as filters of event types.
//!
//! `necessary clauses -> what is asked for rules alone -> within the bounds -> a bit for each clause -> filters`. Where bounds are too narrow clauses
//! are joined, which lets more through; a clause that asks nothing any more leaves its types without a filter.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use capture::Filters;
use event::filter::{FilterKind, FlagTest, N_CLAUSES, N_FILTER_KINDS, N_FLAG_TESTS, TypeFilter};
use event::{EventSet, EventType};
use rules::{Clause, NamePattern, Ruleset};

use crate::config::{CaptureSource, Config};
use crate::live::Kernel;
use crate::need::{Need, Why};
use crate::start::count;

/// What is asked of the kernel side, or why nothing is.
#[derive(Clone, Debug)]
pub(crate) enum PushDown {
    /// It rejects what meets no clause of its type.
    On {
        /// The clauses of each type that has a filter.
        clauses: ByType,
        /// As the kernel side wants them.
        filters: Filters,
    },
    /// It rejects nothing.
    Off(&'static str),
}

impl PushDown {
    /// What the configuration lets the kernel reject for the rules.
    pub(crate) fn of(config: &Config, ruleset: &Ruleset) -> Self {
        let need = Need::of(config, ruleset);
        let asks = |why: fn(&Why) -> bool| need.parts().iter().any(|part| why(&part.why));
        if !config.push_down {
            return Self::Off("off as configured");
        }
        if config.source != CaptureSource::Live {
            return Self::Off("off: a replay has no kernel");
        }
        if asks(|why| *why == Why::Recording) {
            return Self::Off("off: a recording holds what rules do not match, too");
        }
        if asks(|why| *why == Why::AlertRecording) {
            return Self::Off("off: recordings around alerts hold what rules do not match, too");
        }
        if asks(|why| *why == Why::AllSyscalls) {
            return Self::Off("off: every system call is asked for");
        }
        let (clauses, filters) = filters(ruleset, &asked_for_rules_alone(&need));
        Self::On { clauses, filters }
    }

    /// Puts it in force.
    ///
    /// # Errors
    /// The kernel refuses, and rejects nothing.
    pub(crate) fn put(&self, kernel: &Kernel) -> Result<()> {
        match self {
            Self::On { filters, .. } => kernel.set_filters(filters),
            Self::Off(_) => kernel.clear_filters(),
        }
    }

    /// Whether the kernel side rejects events of each of the types.
    pub(crate) fn narrows(&self, types: &EventSet) -> bool {
        let Self::On { clauses, .. } = self else { return false };
        let captured = types.intersection(&capture::capturable());
        !captured.is_empty() && captured.iter().all(|ty| clauses.contains_key(&ty))
    }

    /// What it comes to, for the block at the start.
    pub(crate) fn said(&self) -> String {
        match self {
            Self::Off(why) => (*why).to_owned(),
            Self::On { clauses, .. } if clauses.is_empty() => {
                "of no event type: `peregrine rules list --push-down` tells why".to_owned()
            }
            Self::On { clauses, filters } => {
                let bits = filters.by_type.iter().fold(0, |all, (_, filter)| all | filter.clauses);
                format!(
                    "events of {} by {}",
                    count(clauses.len(), "type"),
                    count(bits.count_ones() as usize, "clause"),
                )
            }
        }
    }
}

/// Types whose events nobody but rules asks for.
fn asked_for_rules_alone(need: &Need) -> EventSet {
    let wanted = need.wanted();
    let others = need.parts().iter().filter(|part| !matches!(part.why, Why::Rule(_)));
    let others = others.fold(wanted.asked.answers, |set, part| set.union(&part.types));
    wanted.interest.intersection(&others.complement()).intersection(&capture::capturable())
}

/// The clauses of types, one of which has to hold.
pub(crate) type ByType = BTreeMap<EventType, Vec<Clause>>;

fn filters(ruleset: &Ruleset, types: &EventSet) -> (ByType, Filters) {
    let needs = ruleset.necessary().types().iter().filter(|need| types.contains(need.ty));
    let mut by_type: ByType = needs
        .filter_map(|need| Some((need.ty, need.clauses.as_ref().ok()?.clone())))
        .map(|(ty, clauses)| (ty, with_few_flags(clauses)))
        .collect();
    drop_open(&mut by_type);
    keep_within(&mut by_type);
    let bits = bits(&mut by_type);
    let filter = |(&ty, clauses): (&EventType, &Vec<Clause>)| (ty, type_filter(clauses, &bits));
    let mut filters =
        Filters { by_type: by_type.iter().map(filter).collect(), ..Filters::default() };
    put_patterns(&mut filters, &bits);
    (by_type, filters)
}

/// Types of which some clause asks nothing have no filter; nor have those that no rule can match.
fn drop_open(by_type: &mut ByType) {
    by_type.retain(|_, clauses| !clauses.is_empty() && !clauses.iter().any(asks_nothing));
}

fn asks_nothing(clause: &Clause) -> bool {
    let Clause { rules: _, failed, succeeded, flags, kinds: _, names, ports, in_container } =
        clause;
    let all_kinds = (0..N_FILTER_KINDS).all(|kind| clause.kinds >> kind & 1 == 1);
    let asks_something = !failed
        || !succeeded
        || !flags.is_empty()
        || !all_kinds
        || names.is_some()
        || ports.is_some()
        || *in_container;
    !asks_something
}

/// The clauses with no more than so many different tests of flags.
fn with_few_flags(mut clauses: Vec<Clause>) -> Vec<Clause> {
    let all = clauses.iter().flat_map(|clause| &clause.flags).map(|&(mask, _)| mask);
    let kept: BTreeSet<u64> = all.collect::<BTreeSet<_>>().into_iter().take(N_FLAG_TESTS).collect();
    for clause in &mut clauses {
        clause.flags.retain(|(mask, _)| kept.contains(mask));
    }
    clauses
}

/// The clause that holds wherever one of the two does.
fn join(a: &Clause, b: &Clause) -> Clause {
    fn either<T: Ord + Clone>(
        a: Option<&BTreeSet<T>>,
        b: Option<&BTreeSet<T>>,
    ) -> Option<BTreeSet<T>> {
        Some(a?.union(b?).cloned().collect())
    }
    Clause {
        rules: a.rules.union(&b.rules).copied().collect(),
        failed: a.failed || b.failed,
        succeeded: a.succeeded || b.succeeded,
        flags: a.flags.iter().filter(|test| b.flags.contains(test)).copied().collect(),
        kinds: a.kinds | b.kinds,
        names: either(a.names.as_ref(), b.names.as_ref()),
        ports: either(a.ports.as_ref(), b.ports.as_ref()),
        in_container: a.in_container && b.in_container,
    }
}

/// Lets clauses with the most patterns ask nothing of names or ports until there is room for all.
fn keep_within(by_type: &mut ByType) {
    loop {
        let mut patterns: BTreeSet<&NamePattern> = BTreeSet::new();
        let mut ports: BTreeSet<u16> = BTreeSet::new();
        for clause in by_type.values().flatten() {
            patterns.extend(clause.names.iter().flatten());
            ports.extend(clause.ports.iter().flatten());
        }
        let n_lasts = patterns.iter().filter(|p| matches!(p, NamePattern::Last(_))).count();
        let n_prefixes = patterns.len() - n_lasts;
        let too_many_names = n_prefixes > Filters::MAX_PREFIXES || n_lasts > Filters::MAX_LASTS;
        let too_many_ports = ports.len() > Filters::MAX_PORTS;
        let n_of = |clause: &Clause| {
            let names = clause.names.as_ref().filter(|_| too_many_names).map_or(0, BTreeSet::len);
            names + clause.ports.as_ref().filter(|_| too_many_ports).map_or(0, BTreeSet::len)
        };
        let largest = by_type.values_mut().flatten().max_by_key(|clause| n_of(clause));
        match largest {
            Some(clause) if too_many_names || too_many_ports => {
                if too_many_names {
                    clause.names = None;
                }
                if too_many_ports {
                    clause.ports = None;
                }
            }
            _ => return drop_open(by_type),
        }
    }
}

/// A bit for each clause, after joining some where there are more of them than bits.
fn bits(by_type: &mut ByType) -> Vec<Clause> {
    loop {
        let mut all: Vec<Clause> = Vec::new();
        for clause in by_type.values().flatten() {
            if !all.iter().any(|other| other.is_same(clause)) {
                all.push(clause.clone());
            }
        }
        if all.len() <= N_CLAUSES as usize {
            return all;
        }
        let Some((&ty, clauses)) = by_type.iter_mut().max_by_key(|(_, clauses)| clauses.len())
        else {
            return all;
        };
        if clauses.len() > 1 {
            *clauses = clauses
                .chunks(2)
                .map(|two| two.iter().skip(1).fold(two[0].clone(), |a, b| join(&a, b)))
                .collect();
        } else {
            by_type.remove(&ty);
        }
        drop_open(by_type);
    }
}

fn type_filter(clauses: &[Clause], bits: &[Clause]) -> TypeFilter {
    let mut filter = TypeFilter::default();
    let masks: BTreeSet<u64> =
        clauses.iter().flat_map(|clause| &clause.flags).map(|&(mask, _)| mask).collect();
    for (test, mask) in filter.flags.iter_mut().zip(masks) {
        *test = FlagTest { mask, ..FlagTest::default() };
    }
    for clause in clauses {
        let place = bits.iter().position(|other| other.is_same(clause));
        let bit = place.map_or(0, |place| 1_u64 << place);
        let put = |to: &mut u64, holds: bool| *to |= if holds { bit } else { 0 };
        put(&mut filter.clauses, true);
        put(&mut filter.failed, clause.failed);
        put(&mut filter.succeeded, clause.succeeded);
        put(&mut filter.any_name, clause.names.is_none());
        put(&mut filter.any_port, clause.ports.is_none());
        put(&mut filter.on_host, !clause.in_container);
        for (kind, to) in filter.kinds.iter_mut().enumerate() {
            put(to, kind == FilterKind::Unknown as usize || clause.kinds >> kind & 1 == 1);
        }
        for test in filter.flags.iter_mut().filter(|test| test.mask != 0) {
            let asks = |is_set| clause.flags.contains(&(test.mask, is_set));
            let (set, none) = (!asks(false), !asks(true));
            put(&mut test.any_set, set);
            put(&mut test.none_set, none);
        }
    }
    filter
}

/// Patterns and ports with the bits of the clauses that ask for them.
fn put_patterns(filters: &mut Filters, bits: &[Clause]) {
    let (mut prefixes, mut lasts, mut ports) =
        (BTreeMap::new(), BTreeMap::new(), BTreeMap::<u16, u64>::new());
    for (place, clause) in bits.iter().enumerate() {
        let bit = 1_u64 << place;
        for pattern in clause.names.iter().flatten() {
            let (map, mut key) = match pattern {
                NamePattern::Last(text) => (&mut lasts, text.to_vec()),
                NamePattern::Prefix(text) => (&mut prefixes, text.to_vec()),
                // With its end.
                NamePattern::Whole(text) => (&mut prefixes, [text, &b"\0"[..]].concat()),
            };
            // A shorter prefix lets more through.
            key.truncate(Filters::MAX_PREFIX_LEN);
            *map.entry(key.into_boxed_slice()).or_default() |= bit;
        }
        for &port in clause.ports.iter().flatten() {
            *ports.entry(port).or_default() |= bit;
        }
    }
    filters.prefixes = prefixes.into_iter().collect();
    filters.lasts = lasts.into_iter().collect();
    filters.ports = ports.into_iter().collect();
}

#[cfg(test)]
mod tests {
    use rules::{Options, Source};

    use super::*;
    use crate::cli::{ConfigSource, Settings, Switch};
    use crate::config;

    fn ruleset(conditions: &[String]) -> Ruleset {
        let rule = |(n, condition): (usize, &String)| {
            format!(
                "- rule: r{n}\n  desc: d\n  condition: {condition}\n  output: o\n  priority: INFO\n"
            )
        };
        let text = conditions.iter().enumerate().map(rule).collect();
        let source = Source { name: "test.yaml".into(), text };
        Ruleset::load(vec![source], Options::default()).unwrap()
    }

    fn of(conditions: &[&str]) -> (ByType, Filters) {
        let conditions: Vec<String> = conditions.iter().map(|&c| c.to_owned()).collect();
        filters(&ruleset(&conditions), &capture::capturable())
    }

    fn said(set: &Settings, options: &[&str]) -> String {
        let options = options.iter().map(|&o| o.to_owned()).collect();
        let source = ConfigSource { config: Some("/dev/null".into()), options, socket: None };
        let config = config::load(&source, set).unwrap();
        PushDown::of(&config, &ruleset(&["evt.type = open and fd.num < 0".to_owned()])).said()
    }

    #[test]
    fn a_clause_is_one_bit_in_every_type() {
        let (_, filters) = of(&[
            "evt.type in (open, openat) and evt.is_open_write = true and fd.num >= 0 and fd.name in (/a, /b)",
            "evt.type = open and evt.is_open_write = false and fd.name endswith /x",
            "evt.type = connect and fd.sport = 53 and container.id != host",
        ]);
        let filter = |ty: EventType| {
            filters.by_type.iter().find(|(found, _)| *found == ty).map(|(_, filter)| *filter)
        };
        let (open, openat) =
            (filter(EventType::OPEN_X).unwrap(), filter(EventType::OPENAT_2_X).unwrap());
        let connect = filter(EventType::CONNECT_X).unwrap();
        assert_eq!((open.clauses.count_ones(), openat.clauses.count_ones()), (2, 1));
        let (written, other) = (openat.clauses, open.clauses & !openat.clauses);
        assert_ne!(open.clauses & written, 0);
        assert_eq!((open.by_result(-2), open.by_result(3)), (other, open.clauses));
        assert_eq!(open.by_flags(1) & open.clauses, other);
        assert_eq!(open.by_flags(2) & open.clauses, written);
        assert_eq!((open.any_name, connect.any_name), (0, connect.clauses));
        assert_eq!((open.any_port, connect.any_port), (open.clauses, 0));
        assert_eq!((open.on_host, connect.on_host), (open.clauses, 0));
        assert_eq!(connect.by_kind(FilterKind::Unix), 0);
        assert_eq!(connect.by_kind(FilterKind::Ipv4), connect.clauses);
        let key = |text: &str| text.as_bytes().to_vec().into_boxed_slice();
        assert_eq!(filters.prefixes, [(key("/a\0"), written), (key("/b\0"), written)]);
        assert_eq!(filters.lasts, [(key("x"), other)]);
        assert_eq!(filters.ports, [(53, connect.clauses)]);
    }

    #[test]
    fn a_rule_that_asks_nothing_leaves_its_types_alone() {
        let (clauses, filters) = of(&[
            "evt.type in (open, openat) and fd.num >= 0",
            "evt.type = openat and proc.name = x",
            "evt.type = execve and evt.failed = false",
        ]);
        assert_eq!(clauses.keys().copied().collect::<Vec<_>>(), [EventType::OPEN_X]);
        assert_eq!(filters.by_type.len(), 1);
    }

    #[test]
    fn more_clauses_than_bits_are_joined() {
        let mut conditions: Vec<String> = Vec::new();
        for n in 0..90 {
            let types = ["open", "openat", "connect", "sendto", "bind"];
            let result = if n % 2 == 0 { "evt.rawres >= 0" } else { "evt.rawres < 0" };
            conditions.push(format!(
                "evt.type = {} and {result} and (fd.name = /{n} or fd.sport = {n}) and container.id != host and evt.is_open_{} = {}",
                types[n % 5],
                if n % 3 == 0 { "read" } else { "write" },
                n % 5 < 2,
            ));
        }
        let (clauses, filters) = filters(&ruleset(&conditions), &capture::capturable());
        let bits = filters.by_type.iter().fold(0, |all, (_, filter)| all | filter.clauses);
        assert!(bits.count_ones() <= N_CLAUSES && clauses.len() == 5, "{clauses:?}");
    }

    #[test]
    fn more_names_than_there_is_room_for_ask_nothing() {
        let names = |from: usize| {
            (from..from + 1000).map(|n| format!("/{n}")).collect::<Vec<_>>().join(", ")
        };
        let of_type = |(n, ty): (usize, &str)| {
            format!("evt.type = {ty} and fd.num >= 0 and fd.name in ({})", names(n * 1000))
        };
        let few = "evt.type = creat and fd.num < 0 and fd.name = /x".to_owned();
        let open = ["open", "openat", "openat2", "creat"].into_iter().enumerate().map(of_type);
        let mut all: Vec<String> = open.chain([few]).collect();
        let (_, whole) = filters(&ruleset(&all), &capture::capturable());
        assert_eq!(whole.prefixes.len(), 4001);
        all.push(format!("evt.type = open and fd.num < 0 and fd.name in ({})", names(9000)));
        let (_, bounded) = filters(&ruleset(&all), &capture::capturable());
        assert!(bounded.prefixes.len() <= Filters::MAX_PREFIXES && bounded.prefixes.len() > 1);
        assert_eq!(bounded.by_type.len(), 4, "results are asked for all the same");
    }

    #[test]
    fn what_asks_for_more_than_rules_switches_it_off() {
        let none = Settings::default();
        assert_eq!(said(&none, &[]), "events of 1 type by 1 clause");
        assert_eq!(said(&none, &["peregrine.push_down=false"]), "off as configured");
        let on = Settings { push_down: Some(Switch::On), ..Settings::default() };
        assert_eq!(said(&on, &["peregrine.push_down=false"]), "events of 1 type by 1 clause");
        let off = Settings { push_down: Some(Switch::Off), ..Settings::default() };
        assert_eq!(said(&off, &[]), "off as configured");
        let written = Settings { write: Some("/x".into()), ..Settings::default() };
        assert!(said(&written, &[]).starts_with("off: a recording"));
        let all = Settings { all_syscalls: true, ..Settings::default() };
        assert!(said(&all, &[]).starts_with("off: every system call"));
        let around = ["capture.enabled=true", "capture.mode=all_rules"];
        assert!(said(&none, &around).starts_with("off: recordings around alerts"));
        let named = ["base_syscalls.custom_set[]=open"];
        assert!(said(&none, &named).starts_with("of no event type"));
    }
}

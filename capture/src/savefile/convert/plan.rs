//! Composes the table's steps: for each type and number of parameters, what the event is in the end.

use std::ops::Range;

use event::{Direction, EF_OLD_VERSION, EF_UNUSED, EventType, N_EVENT_TYPES, ParamType};

use super::table::{ROWS, Row};

/// More steps than any event needs; a table that runs in a circle ends here.
const MAX_STEPS: usize = 32;

/// One step of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// An enter: kept for its exit, and not delivered.
    Store,
    /// An enter that is delivered, as state.
    Pass,
    /// Both.
    StoreAndPass,
    /// These parameters follow those that are there.
    Add(&'static [Source]),
    /// Another type, of these parameters.
    Become(u16, &'static [Source]),
}

/// Where a parameter comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The event as it was before the step.
    Old(usize),
    /// The enter of the same call; without one the default of the parameter's type.
    Enter(usize),
    /// The enter of the same call; without one nothing.
    EnterOrEmpty(usize),
    /// Zeroes, or all ones for a user or group.
    Default,
    /// Nothing.
    Empty,
    /// A container's JSON text, made of the event's parameters.
    Json,
}

/// A constant: the first bytes of zeroes or ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Filler {
    pub(super) len: u8,
    pub(super) is_ones: bool,
}

const NOTHING: Filler = Filler { len: 0, is_ones: false };

impl Filler {
    fn of(ty: ParamType) -> Self {
        let len = ty.size().unwrap_or(0).min(8) as u8;
        Self { len, is_ones: matches!(ty, ParamType::Uid | ParamType::Gid) }
    }

    pub(super) fn bytes(self) -> &'static [u8] {
        let all: &[u8; 8] = if self.is_ones { &[0xff; 8] } else { &[0; 8] };
        &all[..usize::from(self.len)]
    }
}

/// Where a parameter comes from when all steps are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Recorded(usize),
    Enter { of: EventType, n: usize, or: Filler },
    Filler(Filler),
    Json,
}

/// What an event is in the end: the first of its recorded parameters, then others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rewrite {
    pub(super) event_type: EventType,
    pub(super) n_kept: usize,
    pub(super) added: Range<usize>,
    pub(super) fate: Fate,
    /// The enter that it takes parameters from.
    pub(super) enter: Option<EventType>,
    /// All that is added is of the enter, one parameter after the other from this one on.
    pub(super) first_of_enter: Option<usize>,
}

/// Whether an event is kept for its exit, and whether it is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Delivered,
    Stored,
    /// Delivered as an event that only changes state.
    Hidden,
    StoredAndHidden,
}

/// What to do with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    /// It is as it should be.
    Keep,
    /// Nobody needs it.
    Drop,
    /// It is kept for its exit as it is.
    Store,
    Rewrite(&'a Rewrite),
}

const KEEP: u16 = u16::MAX;
const DROP: u16 = u16::MAX - 1;
const STORE: u16 = u16::MAX - 2;

/// What is known of the events of a type.
#[derive(Clone, Copy, Debug)]
struct OfType {
    /// Where its verdicts begin.
    start: u16,
    /// Parameters that the schema has for it.
    n_params: u16,
    /// They announce containers, users or groups: they are numbered and change what is known, but are not shown.
    is_announcement: bool,
}

/// What to do with every event, by type and number of parameters.
#[derive(Debug)]
pub(super) struct Plans {
    types: Vec<OfType>,
    /// For 0 parameters up to as many as the schema has.
    verdicts: Vec<u16>,
    rewrites: Vec<Rewrite>,
    origins: Vec<Origin>,
}

impl Plans {
    pub(super) fn new() -> Self {
        let mut plans = Self {
            types: Vec::with_capacity(N_EVENT_TYPES),
            verdicts: Vec::new(),
            rewrites: Vec::new(),
            origins: Vec::new(),
        };
        for ty in (0..N_EVENT_TYPES as u16).map(EventType) {
            let n_params = schema_len(ty);
            plans.types.push(OfType {
                start: plans.verdicts.len() as u16,
                n_params: n_params as u16,
                is_announcement: matches!(ty.0, 228 | 272 | 324 | 354..=361),
            });
            for n in 0..=n_params {
                let verdict = plans.compose(ty, n);
                plans.verdicts.push(verdict);
            }
        }
        plans
    }

    /// How many parameters the schema has for the type, and whether its events are announcements.
    #[inline]
    pub(super) fn of_type(&self, ty: EventType) -> (usize, bool) {
        let OfType { n_params, is_announcement, .. } = self.types[usize::from(ty.0)];
        (usize::from(n_params), is_announcement)
    }

    /// `n_params` is not above the schema's count.
    #[inline]
    pub(super) fn verdict(&self, ty: EventType, n_params: usize) -> Verdict<'_> {
        match self.verdicts[usize::from(self.types[usize::from(ty.0)].start) + n_params] {
            KEEP => Verdict::Keep,
            DROP => Verdict::Drop,
            STORE => Verdict::Store,
            n => Verdict::Rewrite(&self.rewrites[usize::from(n)]),
        }
    }

    pub(super) fn origins(&self, rewrite: &Rewrite) -> &[Origin] {
        &self.origins[rewrite.added.clone()]
    }

    fn compose(&mut self, recorded: EventType, n_params: usize) -> u16 {
        let mut ty = recorded;
        let mut params: Vec<Origin> = (0..n_params).map(Origin::Recorded).collect();
        let mut fate = Fate::Delivered;
        for _ in 0..MAX_STEPS {
            let Some(info) = ty.info().filter(|i| i.flags & EF_UNUSED == 0) else { return DROP };
            let is_enter = info.direction == Direction::Enter;
            let is_old = info.flags & EF_OLD_VERSION != 0;
            let rows = rows_of(ty);
            if rows.is_empty() {
                if is_enter && is_old {
                    return DROP;
                }
                break;
            }
            if !is_enter && !is_old && params.len() == info.params.len() {
                break;
            }
            // A count that the table does not have is filled up to the next it has, or to the schema's.
            let row = rows.iter().find(|r| r.1 >= params.len());
            let n = row.map_or(info.params.len(), |r| r.1);
            params.resize(n.max(params.len()), Origin::Filler(NOTHING));
            let Some(&(_, _, action)) = row else { break };
            match action {
                Action::Store => fate = Fate::Stored,
                Action::Pass => fate = Fate::Hidden,
                Action::StoreAndPass => fate = Fate::StoredAndHidden,
                Action::Add(sources) => {
                    for &source in sources {
                        let origin = resolve(source, ty, ty, params.len(), &params);
                        params.push(origin);
                    }
                }
                Action::Become(to, sources) => {
                    let to = EventType(to);
                    params = (0..sources.len())
                        .map(|n| resolve(sources[n], ty, to, n, &params))
                        .collect();
                    ty = to;
                }
            }
            if fate != Fate::Delivered {
                break;
            }
        }
        let recorded_all = (0..n_params).map(Origin::Recorded);
        if ty == recorded && recorded_all.eq(params.iter().copied()) {
            match fate {
                Fate::Delivered => return KEEP,
                Fate::Stored => return STORE,
                Fate::Hidden | Fate::StoredAndHidden => {}
            }
        }
        let n_kept = (0..).zip(&params).take_while(|&(n, &p)| p == Origin::Recorded(n)).count();
        let start = self.origins.len();
        self.origins.extend_from_slice(&params[n_kept..]);
        let added = start..self.origins.len();
        let (enter, first_of_enter) = of_enter(&params[n_kept..]);
        self.rewrites.push(Rewrite { event_type: ty, n_kept, added, fate, enter, first_of_enter });
        (self.rewrites.len() - 1) as u16
    }
}

/// The enter that parameters come from, and the first of its parameters where they are nothing else in its order.
fn of_enter(added: &[Origin]) -> (Option<EventType>, Option<usize>) {
    let of_enter = |origin: &Origin| match *origin {
        Origin::Enter { of, n, .. } => Some((of, n)),
        _ => None,
    };
    let enter = added.iter().find_map(of_enter).map(|(of, _)| of);
    let first = added.first().and_then(of_enter).filter(|&(of, first)| {
        (first..).zip(added).all(|(n, origin)| of_enter(origin) == Some((of, n)))
    });
    (enter, first.map(|(_, first)| first))
}

pub(super) fn schema_len(ty: EventType) -> usize {
    ty.info().map_or(0, |i| i.params.len())
}

fn rows_of(ty: EventType) -> &'static [Row] {
    let start = ROWS.partition_point(|r| r.0 < ty.0);
    let len = ROWS[start..].partition_point(|r| r.0 == ty.0);
    &ROWS[start..start + len]
}

/// Parameter `n` of type `to`, which comes out of a step from type `from`.
fn resolve(source: Source, from: EventType, to: EventType, n: usize, old: &[Origin]) -> Origin {
    let default = || to.info().and_then(|i| i.params.get(n)).map_or(NOTHING, |p| Filler::of(p.ty));
    let enter = EventType(from.0.wrapping_sub(1));
    match source {
        Source::Old(n) => old.get(n).copied().unwrap_or(Origin::Filler(NOTHING)),
        Source::Enter(n) => Origin::Enter { of: enter, n, or: default() },
        Source::EnterOrEmpty(n) => Origin::Enter { of: enter, n, or: NOTHING },
        Source::Default => Origin::Filler(default()),
        Source::Empty => Origin::Filler(NOTHING),
        Source::Json => Origin::Json,
    }
}

#[cfg(test)]
mod tests {
    use event::EF_LARGE_PAYLOAD;

    use super::*;

    #[test]
    fn every_event_ends_in_the_current_schema() {
        let plans = Plans::new();
        for ty in (0..N_EVENT_TYPES as u16).map(EventType) {
            let info = ty.info().unwrap();
            for n in 0..=schema_len(ty) {
                let what = format!("{} {ty:?} with {n}", info.name);
                let (to, len, fate) = match plans.verdict(ty, n) {
                    Verdict::Keep => (ty, n, Fate::Delivered),
                    Verdict::Drop | Verdict::Store => continue,
                    Verdict::Rewrite(r) => (r.event_type, r.n_kept + r.added.len(), r.fate),
                };
                let to_info = to.info().unwrap();
                let is_managed = !rows_of(to).is_empty();
                assert!(!is_managed || len == schema_len(to), "{what}: {len} parameters");
                if fate == Fate::Delivered {
                    assert!(to_info.flags & (EF_OLD_VERSION | EF_UNUSED) == 0, "{what}: {to:?}");
                    let is_meta = to_info.category & 0x200 == 0;
                    assert!(is_meta || to_info.direction == Direction::Exit, "{what}: {to:?}");
                }
            }
        }
    }

    #[test]
    fn the_current_schema_is_not_touched() {
        let plans = Plans::new();
        for ty in (0..N_EVENT_TYPES as u16).map(EventType) {
            let info = ty.info().unwrap();
            if info.direction == Direction::Exit && info.flags & (EF_OLD_VERSION | EF_UNUSED) == 0 {
                assert_eq!(plans.verdict(ty, schema_len(ty)), Verdict::Keep, "{}", info.name);
            }
        }
        assert_eq!(plans.verdict(EventType::PROCEXIT_1_E, 4), Verdict::Keep);
    }

    #[test]
    fn steps_are_taken_at_once() {
        let plans = Plans::new();
        let rewrite = |ty: u16, n| match plans.verdict(EventType(ty), n) {
            Verdict::Rewrite(r) => r.clone(),
            other => panic!("{ty} with {n}: {other:?}"),
        };
        let first_execve = rewrite(13, 8);
        assert_eq!((first_execve.event_type, first_execve.n_kept), (EventType::EXECVE_19_X, 8));
        assert_eq!(first_execve.added.len(), 23);
        // Between the parameters of the oldest clone stand those that came later.
        let clone = rewrite(15, 11);
        assert_eq!((clone.event_type, clone.n_kept), (EventType::CLONE_20_X, 8));
        assert!(plans.origins(&clone).contains(&Origin::Recorded(10)));
        let container = rewrite(228, 4);
        assert_eq!(
            (container.event_type, plans.origins(&container)),
            (EventType(324), &[Origin::Json][..])
        );
        assert!(container.event_type.info().unwrap().flags & EF_LARGE_PAYLOAD != 0);
        let first_switch = rewrite(146, 1);
        assert_eq!((first_switch.event_type, first_switch.n_kept), (EventType(152), 1));
        assert_eq!(rewrite(22, 2).fate, Fate::StoredAndHidden);
        assert_eq!(rewrite(330, 3).fate, Fate::Hidden);
        assert_eq!(rewrite(12, 0).fate, Fate::StoredAndHidden);
        assert_eq!(plans.verdict(EventType(202), 0), Verdict::Drop);
        assert_eq!(plans.verdict(EventType(6), 2), Verdict::Store);
        let read = rewrite(7, 2);
        assert_eq!((read.enter, read.first_of_enter), (Some(EventType(6)), Some(0)));
        assert_eq!(rewrite(81, 2).first_of_enter, Some(1));
        assert_eq!(
            (rewrite(31, 2).enter, rewrite(31, 2).first_of_enter),
            (Some(EventType(30)), Some(0))
        );
        assert_eq!(rewrite(29, 2).first_of_enter, None, "a default follows");
    }
}

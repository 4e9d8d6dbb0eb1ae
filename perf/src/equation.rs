//! Conservation: what must balance, stated as data and checked against a snapshot's readings.

use serde::{Deserialize, Serialize};

use crate::registry::Values;
use crate::snapshot::Moment;

/// `left = right + in flight`, over counters by name.
///
/// At rest ([`Moment::Final`]) it must hold exactly. While the program runs ([`Moment::Running`]) the left side is read twice and the right side
/// in between, so the true left side at the time of the right one lies between its two readings. The equation holds if
/// `left before <= right + in flight + slack` and `right <= left after + slack`. Whatever the traffic does, a balanced program then
/// passes, and a leak larger than the slack and the traffic of one reading shows.
#[derive(Clone, Debug)]
pub struct Equation {
    title: String,
    left: Vec<String>,
    right: Vec<String>,
    in_flight: Vec<String>,
    slack: u64,
}

impl Equation {
    /// An equation of two empty sides. The title is its sentence: `capture: read = routed`.
    #[must_use]
    pub fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            left: Vec::new(),
            right: Vec::new(),
            in_flight: Vec::new(),
            slack: 0,
        }
    }

    /// Adds a term to the left side: what came first.
    #[must_use]
    pub fn left(mut self, name: &str) -> Self {
        self.left.push(name.to_owned());
        self
    }

    /// Adds a term to the right side: what became of it.
    #[must_use]
    pub fn right(mut self, name: &str) -> Self {
        self.right.push(name.to_owned());
        self
    }

    /// Adds a level that belongs to the right side: what is known to be on its way, such as a lane's depth.
    #[must_use]
    pub fn in_flight(mut self, name: &str) -> Self {
        self.in_flight.push(name.to_owned());
        self
    }

    /// How much may be counted on one side and not yet on the other while the program runs, without any level saying so: what threads hold in
    /// hand, or count once per batch. At rest nothing may.
    #[must_use]
    pub fn slack(mut self, n: u64) -> Self {
        self.slack = n;
        self
    }

    pub(crate) fn check(
        &self,
        readout: &Readout<'_>,
        moment: Moment,
        notes: &mut Vec<String>,
    ) -> EquationReport {
        let Self { title, left, right, in_flight, slack } = self;
        let mut known = true;
        let mut side = |names: &[String]| -> Vec<Term> {
            names
                .iter()
                .map(|name| {
                    let value = readout.late.get(name);
                    if value.is_none() {
                        known = false;
                        notes.push(format!(
                            "equation \"{title}\" names {name}, which nothing counts"
                        ));
                    }
                    Term { name: name.clone(), n: value.map_or(0, |v| v.n()) }
                })
                .collect()
        };
        let (left, right, in_flight) = (side(left), side(right), side(in_flight));
        let sum = |side: &[Term]| side.iter().map(|t| i128::from(t.n)).sum::<i128>();
        let early = |side: &[Term]| -> i128 {
            side.iter().map(|t| readout.early.get(&t.name).map_or(0, |v| i128::from(v.n()))).sum()
        };
        let (l, r, f) = (sum(&left), sum(&right), sum(&in_flight));
        let unexplained = match moment {
            Moment::Final => l - r - f,
            Moment::Running => {
                let missing = early(&left) - r - f.max(early(&in_flight)) - i128::from(*slack);
                let surplus = r - l - i128::from(*slack);
                if missing > 0 { missing } else { -surplus.max(0) }
            }
        };
        let clamp = |n: i128| n.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        EquationReport {
            title: title.clone(),
            difference: clamp(l - r - f),
            unexplained: clamp(unexplained),
            holds: known && unexplained == 0,
            left,
            right,
            in_flight,
        }
    }
}

/// Two readings of every number, the second in the direction against the flow.
pub(crate) struct Readout<'a> {
    pub(crate) early: &'a Values,
    pub(crate) late: &'a Values,
}

/// A number in an equation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// The counter's name.
    pub name: String,
    /// What it read.
    pub n: u64,
}

/// An equation with its numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EquationReport {
    /// The equation in words.
    pub title: String,
    /// What came first.
    pub left: Vec<Term>,
    /// What became of it.
    pub right: Vec<Term>,
    /// What is known to be on its way.
    pub in_flight: Vec<Term>,
    /// left - right - in flight, as read.
    pub difference: i64,
    /// The part of it that neither the flow nor what is in hand explains; missing on the right if positive, too much if negative.
    pub unexplained: i64,
    /// Whether it balances.
    pub holds: bool,
}

//! Hops: the places where frames, events and alerts pass from one hand to the next.

use serde::{Deserialize, Serialize};

use crate::equation::Equation;
use crate::registry::{Value, Values};

/// A hop as data: which counters are its way in and its ways out.
///
/// A hop with a way in and a way out must balance: in = out + aside + dropped + depth. The registry adds that equation by itself.
#[derive(Clone, Debug)]
pub struct Hop {
    name: String,
    input: Vec<String>,
    output: Vec<String>,
    aside: Vec<(String, String)>,
    dropped: Vec<(String, String)>,
    depth: Vec<String>,
    slack: u64,
}

impl Hop {
    /// A hop without counters. Names go by `crate.thing`: `kernel.seen`, `shard.parsed`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            input: Vec::new(),
            output: Vec::new(),
            aside: Vec::new(),
            dropped: Vec::new(),
            depth: Vec::new(),
            slack: 0,
        }
    }

    /// Adds a counter to what comes in.
    #[must_use]
    pub fn input(mut self, counter: &str) -> Self {
        self.input.push(counter.to_owned());
        self
    }

    /// Adds a counter to what goes on to the next hop.
    #[must_use]
    pub fn output(mut self, counter: &str) -> Self {
        self.output.push(counter.to_owned());
        self
    }

    /// What ends here on purpose and is no loss: filtered, suppressed.
    #[must_use]
    pub fn aside(mut self, reason: &str, counter: &str) -> Self {
        self.aside.push((reason.to_owned(), counter.to_owned()));
        self
    }

    /// What is lost here, by reason.
    #[must_use]
    pub fn dropped(mut self, reason: &str, counter: &str) -> Self {
        self.dropped.push((reason.to_owned(), counter.to_owned()));
        self
    }

    /// A level of what is inside: it came in and has not gone on. In the unit of the counters.
    #[must_use]
    pub fn depth(mut self, gauge: &str) -> Self {
        self.depth.push(gauge.to_owned());
        self
    }

    /// What may be counted on one side and not yet on the other while the program runs (see [`Equation::slack`]).
    #[must_use]
    pub fn slack(mut self, n: u64) -> Self {
        self.slack = n;
        self
    }

    /// What the hop must balance; `None` where nothing counts what comes in or nothing counts what becomes of it.
    pub(crate) fn equation(&self) -> Option<Equation> {
        let Self { name, input, output, aside, dropped, depth, slack } = self;
        if input.is_empty() || output.is_empty() && aside.is_empty() && dropped.is_empty() {
            return None;
        }
        let reasons = aside.iter().chain(dropped).fold(String::new(), |s, (r, _)| s + " + " + r);
        let inside = if depth.is_empty() { "" } else { " + depth" };
        let mut e = Equation::new(&format!("{name}: in = out{reasons}{inside}")).slack(*slack);
        for n in input {
            e = e.left(n);
        }
        for n in output.iter().chain(aside.iter().chain(dropped).map(|(_, n)| n)) {
            e = e.right(n);
        }
        for n in depth {
            e = e.in_flight(n);
        }
        Some(e)
    }

    pub(crate) fn report(&self, values: &Values) -> HopReport {
        let Self { name, input, output, aside, dropped, depth, slack: _ } = self;
        let n = |name: &String| values.get(name).map_or(0, |v: &Value| v.n());
        let sum = |names: &[String]| names.iter().map(n).sum();
        let reasons = |list: &[(String, String)]| {
            list.iter()
                .map(|(reason, name)| Reason { reason: reason.clone(), n: n(name) })
                .collect()
        };
        HopReport {
            name: name.clone(),
            input: sum(input),
            output: sum(output),
            aside: reasons(aside),
            dropped: reasons(dropped),
            depth: (!depth.is_empty()).then(|| sum(depth)),
        }
    }
}

/// A hop's numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HopReport {
    /// The hop's name.
    pub name: String,
    /// What came in.
    #[serde(rename = "in")]
    pub input: u64,
    /// What went on to the next hop.
    #[serde(rename = "out")]
    pub output: u64,
    /// What ended here on purpose.
    pub aside: Vec<Reason>,
    /// What was lost here.
    pub dropped: Vec<Reason>,
    /// What was inside at the time; `None` where nothing waits.
    pub depth: Option<u64>,
}

impl HopReport {
    /// All that was lost at this hop.
    #[must_use]
    pub fn n_dropped(&self) -> u64 {
        self.dropped.iter().map(|r| r.n).sum()
    }
}

/// How many, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Why.
    pub reason: String,
    /// How many.
    pub n: u64,
}

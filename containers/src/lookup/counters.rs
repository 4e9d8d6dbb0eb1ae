//! Counters of asking: what was asked, and what became of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use perf::{Equation, Registry};

use super::Why;
use crate::sockets::GuardCounters;

/// Questions that threads may have counted on one side of the equation and not yet on the other.
const COUNTED_IN_STEPS: u64 = 64;

/// A counter that several threads add to.
#[derive(Debug, Default)]
pub(crate) struct Shared(AtomicU64);

impl Shared {
    pub(crate) fn add(&self, n: u64) {
        // Release; pairs with the Acquire in `get`: who reads an answer's count has seen its question's.
        self.0.fetch_add(n, Ordering::Release);
    }

    pub(crate) fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Release);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) asked: Shared,
    pub(crate) refused: Shared,
    /// Asked for while the same id was being asked for.
    pub(crate) repeated: Shared,
    /// Of those known: answered again without asking.
    pub(crate) from_cache: Shared,
    pub(crate) known: Shared,
    pub(crate) unknown: [Shared; Why::ALL.len()],
    pub(crate) abandoned: Shared,
    /// Neither answered nor abandoned.
    pub(crate) open: Shared,
    pub(crate) docker: Arc<GuardCounters>,
    pub(crate) podman: Arc<GuardCounters>,
    pub(crate) cri: Arc<GuardCounters>,
    pub(crate) containerd: Arc<GuardCounters>,
    pub(crate) disk: Arc<GuardCounters>,
}

impl Counters {
    fn sources(&self) -> [(&'static str, &Arc<GuardCounters>); 5] {
        [
            ("docker", &self.docker),
            ("podman", &self.podman),
            ("cri", &self.cri),
            ("containerd", &self.containerd),
            ("disk", &self.disk),
        ]
    }
}

pub(crate) fn register(counters: &Arc<Counters>, registry: &mut Registry) {
    let mut names: Vec<String> =
        ["asked", "refused", "repeated", "known", "from_cache", "abandoned"]
            .map(|n| format!("containers.{n}"))
            .to_vec();
    names.push("containers.open".to_owned());
    names.extend(Why::ALL.map(|w| format!("containers.unknown.{}", w.as_str())));
    let of = Arc::clone(counters);
    registry.external(names, move |out| {
        let Counters {
            asked, refused, repeated, from_cache, known, unknown, abandoned, open, ..
        } = &*of;
        // Ends of the flow before its start, so that a running snapshot never shows more answers than questions.
        out.count("containers.known", known.get());
        for (why, n) in Why::ALL.iter().zip(unknown) {
            out.count(&format!("containers.unknown.{}", why.as_str()), n.get());
        }
        out.count("containers.repeated", repeated.get());
        out.count("containers.from_cache", from_cache.get());
        out.count("containers.refused", refused.get());
        out.count("containers.abandoned", abandoned.get());
        out.level("containers.open", open.get());
        out.count("containers.asked", asked.get());
    });
    for (source, counters) in counters.sources() {
        register_source(source, counters, registry);
    }
    let mut equation =
        Equation::new("containers: asked = refused + repeated + known + unknown + abandoned")
            .left("containers.asked")
            .right("containers.refused")
            .right("containers.repeated")
            .right("containers.known")
            .right("containers.abandoned");
    for why in Why::ALL {
        equation = equation.right(&format!("containers.unknown.{}", why.as_str()));
    }
    registry.equation(equation.in_flight("containers.open").slack(COUNTED_IN_STEPS));
}

fn register_source(source: &str, counters: &Arc<GuardCounters>, registry: &mut Registry) {
    let named = ["asked", "known", "not_found", "absent", "timed_out", "bad_answer", "skipped"]
        .map(|what| format!("containers.{source}.{what}"));
    let of = Arc::clone(counters);
    registry.external(named.clone(), move |out| {
        let GuardCounters { asked, known, not_found, absent, timed_out, bad_answer, skipped } =
            &*of;
        let all = [asked, known, not_found, absent, timed_out, bad_answer, skipped];
        for (name, counter) in named.iter().zip(all) {
            out.count(name, counter.get());
        }
    });
}

//! Asks the machine's resolver for the names that rules compare addresses with, so that they are known before anybody on the node asks for
//! them. One thread, off the hot path; its answers hold for all events.

use std::net::ToSocketAddrs as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, Result};
use perf::{Counter, Gauge, Registry};
use rules::Ruleset;
use stages::{AddressNames, Lineage};

/// Pause before all are asked for again.
const ASK_EVERY: Duration = Duration::from_mins(1);

/// Tells the thread which names to ask for. It ends when the last of these is dropped, and nobody waits for it: the resolver may take long.
#[derive(Clone)]
pub(crate) struct NameLookups {
    names: Sender<Vec<String>>,
    /// Names that are asked for; further ones are left to the answers that are seen.
    max_names: usize,
    /// How many those are.
    not_asked: Arc<Gauge>,
}

struct Asking {
    lineage: Arc<Lineage>,
    answered: Arc<Counter>,
    failed: Arc<Counter>,
}

impl NameLookups {
    /// Starts the thread.
    pub(crate) fn start(
        lineage: &Arc<Lineage>,
        max_names: usize,
        registry: &mut Registry,
    ) -> Result<Self> {
        let (names, wanted) = channel();
        let asking = Asking {
            lineage: Arc::clone(lineage),
            answered: registry.counter("names.resolved"),
            failed: registry.counter("names.unresolved"),
        };
        std::thread::Builder::new()
            .name("names".to_owned())
            .spawn(move || asking.run(&wanted))
            .context("cannot start the thread that asks for names")?;
        Ok(Self { names, max_names, not_asked: registry.gauge("names.not_asked") })
    }

    /// Asks for the names that these rules compare with, and no others.
    pub(crate) fn ask_for(&self, ruleset: &Ruleset) {
        let all = ruleset.host_names();
        self.not_asked.set(all.len().saturating_sub(self.max_names) as u64);
        let names = all.into_iter().take(self.max_names).map(str::to_owned).collect();
        // Without a receiver the program ends.
        drop(self.names.send(names));
    }
}

impl Asking {
    fn run(&self, wanted: &Receiver<Vec<String>>) {
        let mut names = Vec::new();
        loop {
            match wanted.recv_timeout(ASK_EVERY) {
                Ok(new) => names = new,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            for name in &names {
                self.ask(name);
            }
        }
    }

    fn ask(&self, name: &str) {
        match (name, 0).to_socket_addrs() {
            Ok(addresses) => {
                self.answered.add(1);
                self.lineage.address_names().resolved(name, addresses.map(|a| a.ip()));
            }
            Err(_) => self.failed.add(1),
        }
    }
}

/// Registers what is counted of names of addresses.
pub(crate) fn register(lineage: &Arc<Lineage>, registry: &mut Registry) {
    let all = Arc::clone(lineage);
    registry.external(["names.answers", "names.evicted"], move |to| {
        let names: &AddressNames = all.address_names();
        to.count("names.answers", names.n_answers());
        to.count("names.evicted", names.n_evicted());
    });
}

#[cfg(test)]
mod tests {
    use perf::Moment;
    use rules::{Options, Source};
    use stages::LineageLimits;

    use super::*;

    #[test]
    fn names_beyond_the_bound_are_not_asked_for_and_counted() {
        let mut registry = Registry::new();
        let lineage = Lineage::new(1, |_, _| 0, LineageLimits::default());
        let lookups = NameLookups::start(&Arc::new(lineage), 1, &mut registry).unwrap();
        let text = "- rule: r\n  desc: d\n  condition: evt.type = connect and fd.sip.name in \
                    (localhost, localhost.a.invalid, localhost.b.invalid)\n  output: o\n  priority: INFO\n";
        let source = Source { name: "test.yaml".into(), text: text.into() };
        let ruleset = Ruleset::load(vec![source], Options::default()).unwrap();
        lookups.ask_for(&ruleset);
        assert_eq!(registry.snapshot(Moment::Running).levels["names.not_asked"], 2);
    }
}

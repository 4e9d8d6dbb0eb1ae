//! Asks the machine's resolver for the names that rules compare addresses with, so that they are known before anybody on the node asks for
//! them. One thread, off the hot path; its answers hold for all events.

use std::net::ToSocketAddrs as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, Result};
use perf::{Counter, Registry};
use rules::Ruleset;
use stages::{AddressNames, Lineage};

/// Names that are asked for; further ones are left to the answers that are seen.
const MAX_NAMES: usize = 1024;
/// Pause before all are asked for again.
const ASK_EVERY: Duration = Duration::from_mins(1);

/// Tells the thread which names to ask for. It ends when the last of these is dropped, and nobody waits for it: the resolver may take long.
#[derive(Clone)]
pub(crate) struct NameLookups {
    names: Sender<Vec<String>>,
}

struct Asking {
    lineage: Arc<Lineage>,
    answered: Arc<Counter>,
    failed: Arc<Counter>,
}

impl NameLookups {
    /// Starts the thread.
    pub(crate) fn start(lineage: &Arc<Lineage>, registry: &mut Registry) -> Result<Self> {
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
        Ok(Self { names })
    }

    /// Asks for the names that these rules compare with, and no others.
    pub(crate) fn ask_for(&self, ruleset: &Ruleset) {
        let names = ruleset.host_names().into_iter().take(MAX_NAMES).map(str::to_owned).collect();
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

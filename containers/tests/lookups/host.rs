//! A host of their own in a directory, and answers in the order they came.

use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use containers::{Answer, Asker, Details, Kind, LookupConfig, LookupThread, Why, start};
use perf::{Moment, Registry};
use tempfile::TempDir;

/// An id of the length that runtimes give.
pub(crate) fn id(n: u64) -> String {
    format!("{n:064x}")
}

/// A host in a directory, and a thread that asks its runtimes.
pub(crate) struct Host {
    asker: Asker,
    answers: Receiver<Answer>,
    registry: Registry,
    thread: Option<LookupThread>,
    _root: TempDir,
}

/// How long a test waits for an answer before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

impl Host {
    /// A host that `lay_out` fills, with bounds that `change` sets.
    pub(crate) fn new(lay_out: impl FnOnce(&Path), change: impl FnOnce(&mut LookupConfig)) -> Self {
        let root = tempfile::tempdir().expect("a directory for the host");
        lay_out(root.path());
        let mut config =
            LookupConfig { host_root: root.path().to_owned(), ..LookupConfig::default() };
        change(&mut config);
        let (tx, answers) = mpsc::channel();
        let (asker, thread) = start(config, move |answer| {
            // A test that has seen enough no longer listens.
            drop(tx.send(answer));
        })
        .expect("the thread starts");
        let mut registry = Registry::new();
        thread.register(&mut registry);
        Self { asker, answers, registry, thread: Some(thread), _root: root }
    }

    pub(crate) fn asker(&self) -> &Asker {
        &self.asker
    }

    pub(crate) fn next(&self) -> Answer {
        self.answers.recv_timeout(PATIENCE).expect("an answer")
    }

    /// Asks, and waits for the answer.
    pub(crate) fn ask(&self, kind: Kind, full_id: &str) -> Result<Details, Why> {
        assert!(self.asker.ask(kind, full_id));
        match self.next() {
            Answer::Known(details) => {
                assert!(kind == Kind::Host || details.full_id == full_id);
                Ok(*details)
            }
            Answer::Unknown { full_id: of, why } => {
                assert_eq!(of, full_id);
                Err(why)
            }
        }
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        let snapshot = self.registry.snapshot(Moment::Running);
        snapshot.get(name).unwrap_or_else(|| panic!("no counter {name}"))
    }

    /// Ends the thread, and checks that every question is accounted for.
    pub(crate) fn end(&mut self) {
        drop(self.thread.take());
        let snapshot = self.registry.snapshot(Moment::Final);
        assert!(snapshot.balances(), "{}", snapshot.table());
        assert_eq!(snapshot.get("containers.open"), Some(0));
    }
}

/// Writes a file below a root, with the directories above it.
pub(crate) fn write(root: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().expect("a file has a directory")).expect("directories");
    std::fs::write(path, content).expect("a file");
}

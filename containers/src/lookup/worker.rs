//! The thread's loop: takes questions, works on several at a time, gives answers.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{Instant, sleep};

use super::counters::Counters;
use super::sources::Sources;
use super::{Answer, LookupConfig, Question, Why};
use crate::{Details, Kind};

/// How long after a runtime did not know a container it is asked again: a container's first process may run before the runtime tells of it.
const RETRY_AFTER: [Duration; 3] =
    [Duration::from_millis(20), Duration::from_millis(80), Duration::from_millis(200)];
/// How long an answer is given again without asking.
const CACHED_FOR: Duration = Duration::from_secs(30);
/// How long the end waits for a read of a slow disk.
const END_WITHIN: Duration = Duration::from_millis(200);
/// Threads that read state on disk.
const MAX_READERS: usize = 2;

pub(super) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MAX_READERS)
        .thread_name("containers-disk")
        .build()
}

pub(super) fn run(
    runtime: Runtime,
    config: &LookupConfig,
    mut queue: mpsc::Receiver<Question>,
    mut stopped: oneshot::Receiver<()>,
    counters: &Counters,
    answer: impl Fn(Answer),
) {
    let max_concurrent = config.max_concurrent.max(1);
    let cache = Cache::new(config.max_cached);
    let (open, tasks) = (HashMap::new(), JoinSet::new());
    let mut worker = Worker { counters, answer, open, tasks, cache };
    let sources = Arc::new(Sources::new(config, counters));
    runtime.block_on(async {
        let mut has_askers = true;
        loop {
            let may_begin = has_askers && worker.tasks.len() < max_concurrent;
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                Some(done) = worker.tasks.join_next_with_id() => worker.finish(done),
                question = queue.recv(), if may_begin => match question {
                    Some(question) => worker.begin(&sources, question),
                    None => has_askers = false,
                }
            }
        }
        queue.close();
        let mut n_left = worker.open.len() as u64;
        while queue.recv().await.is_some() {
            n_left += 1;
        }
        counters.abandoned.add(n_left);
        counters.open.sub(n_left);
    });
    drop(worker.tasks);
    runtime.shutdown_timeout(END_WITHIN);
}

/// What asking for one container came to.
type Outcome = Result<Details, Why>;

struct Worker<'a, A> {
    counters: &'a Counters,
    answer: A,
    /// Ids that are being asked for, by their tasks.
    open: HashMap<String, task::Id>,
    tasks: JoinSet<(String, Outcome)>,
    cache: Cache,
}

impl<A: Fn(Answer)> Worker<'_, A> {
    fn begin(&mut self, sources: &Arc<Sources>, question: Question) {
        let Question { kind, full_id } = question;
        if self.open.contains_key(&full_id) {
            self.counters.repeated.add(1);
            self.counters.open.sub(1);
        } else if let Some(details) = self.cache.get(&full_id) {
            self.counters.from_cache.add(1);
            self.give(full_id, Ok(details));
        } else {
            let (sources, id) = (Arc::clone(sources), full_id.clone());
            let task = self.tasks.spawn(async move {
                let outcome = ask_until_known(&sources, kind, &id).await;
                (id, outcome)
            });
            self.open.insert(full_id, task.id());
        }
    }

    fn finish(&mut self, done: Result<(task::Id, (String, Outcome)), JoinError>) {
        let (full_id, outcome) = match done {
            Ok((_, done)) => done,
            Err(e) => {
                let failed = self.open.iter().find(|(_, task)| **task == e.id());
                let Some(full_id) = failed.map(|(id, _)| id.clone()) else { return };
                (full_id, Err(Why::BadAnswer))
            }
        };
        self.open.remove(&full_id);
        if let Ok(details) = &outcome {
            self.cache.put(&full_id, details);
        }
        self.give(full_id, outcome);
    }

    fn give(&self, full_id: String, outcome: Outcome) {
        // Counted before it is given, so that who has the answer finds it counted.
        let answer = match outcome {
            Ok(details) => {
                self.counters.known.add(1);
                Answer::Known(Box::new(details))
            }
            Err(why) => {
                self.counters.unknown[why as usize].add(1);
                Answer::Unknown { full_id, why }
            }
        };
        self.counters.open.sub(1);
        (self.answer)(answer);
    }
}

async fn ask_until_known(sources: &Arc<Sources>, kind: Kind, full_id: &str) -> Outcome {
    for pause in RETRY_AFTER {
        match sources.look_up(kind, full_id).await {
            // What is being written now may be whole then.
            Err(Why::NotFound | Why::BadAnswer) => sleep(pause).await,
            outcome => return outcome,
        }
    }
    sources.look_up(kind, full_id).await
}

/// Answers of late, the oldest first to go.
struct Cache {
    max_len: usize,
    by_id: HashMap<String, (Instant, Details)>,
    oldest_first: VecDeque<(Instant, String)>,
}

impl Cache {
    fn new(max_len: usize) -> Self {
        Self { max_len, by_id: HashMap::new(), oldest_first: VecDeque::new() }
    }

    fn get(&self, full_id: &str) -> Option<Details> {
        let (at, details) = self.by_id.get(full_id)?;
        (at.elapsed() < CACHED_FOR).then(|| details.clone())
    }

    fn put(&mut self, full_id: &str, details: &Details) {
        if self.max_len == 0 {
            return;
        }
        if self.oldest_first.len() >= self.max_len
            && let Some((at, oldest)) = self.oldest_first.pop_front()
            && self.by_id.get(&oldest).is_some_and(|(put_at, _)| *put_at == at)
        {
            self.by_id.remove(&oldest);
        }
        let now = Instant::now();
        self.oldest_first.push_back((now, full_id.to_owned()));
        self.by_id.insert(full_id.to_owned(), (now, details.clone()));
    }
}

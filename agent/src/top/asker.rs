//! Asks the agent for what passes, once for each interval.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use perf::boot_now_ns;

use super::sight::{Sight, Sights};
use crate::control::{ask, is_anyone_there};
use crate::request::{Request, Response, WatchRequest};

/// How much longer than three intervals the agent goes on for somebody who does not ask.
const LEASE_AT_LEAST: Duration = Duration::from_secs(5);

/// Length of the first interval: who starts a view does not wait for it.
const FIRST_INTERVAL: Duration = Duration::from_millis(250);

/// Why there is nothing to see.
#[derive(Debug)]
pub(super) enum AskError {
    /// The agent says so, or did not answer in time.
    Refused(String),
    /// Nobody listens there.
    Gone(String),
}

/// One onlooker.
pub(super) struct Asker {
    socket: PathBuf,
    id: u64,
    filter: String,
    interval: Duration,
    sights: Sights,
    has_asked: bool,
}

/// What the thread that asks tells of.
pub(super) enum Told {
    Sight(Box<Sight>),
    Error(AskError),
}

impl Asker {
    pub(super) fn new(socket: &Path, filter: &str, interval: Duration) -> Self {
        // Onlookers are told apart by it, and nothing else.
        let id = u64::from(std::process::id()) << 32 | boot_now_ns() & 0xffff_ffff;
        Self {
            socket: socket.to_owned(),
            id,
            filter: filter.to_owned(),
            interval,
            sights: Sights::default(),
            has_asked: false,
        }
    }

    /// Asks; the first answer only begins an interval.
    pub(super) fn look(&mut self) -> Result<Option<Sight>, AskError> {
        let lease = self.interval * 3 + LEASE_AT_LEAST;
        let request = Request::Watch(WatchRequest {
            id: self.id,
            filter: self.filter.clone(),
            alerts_after: self.sights.last_alert(),
            lease_ms: u64::try_from(lease.as_millis()).unwrap_or(u64::MAX),
        });
        match ask(&self.socket, &request, Duration::ZERO) {
            Ok(Response::Watched(answer)) => {
                self.has_asked = true;
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                Ok(self.sights.next(*answer, now.map_or(0, |now| now.as_secs())))
            }
            Ok(Response::Error(e)) => Err(AskError::Refused(format!("the agent refused: {e}"))),
            Ok(_) => Err(AskError::Refused("the agent answered something else".to_owned())),
            Err(_) if self.has_asked && self.is_gone() => {
                Err(AskError::Gone(format!("the agent on {} has ended", self.socket.display())))
            }
            Err(e) if self.has_asked => Err(AskError::Refused(format!("{e:#}"))),
            Err(e) => Err(AskError::Gone(format!("{e:#}"))),
        }
    }

    fn is_gone(&self) -> bool {
        !is_anyone_there(&self.socket)
    }

    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// Asks until the agent has gone, or nobody listens here. What comes from `filters` is the filter from then on.
    pub(super) fn ask_on(mut self, filters: &Receiver<String>, told: &SyncSender<Told>) {
        let mut pause = FIRST_INTERVAL.min(self.interval);
        loop {
            match filters.recv_timeout(pause) {
                Ok(filter) => {
                    self.filter = filter;
                    pause = Duration::ZERO;
                }
                Err(RecvTimeoutError::Timeout) => pause = self.interval,
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let begin = Instant::now();
            let looked = self.look();
            if pause.is_zero() {
                // Of another filter there is nothing to see yet.
                pause = FIRST_INTERVAL.min(self.interval);
            } else {
                pause = pause.saturating_sub(begin.elapsed());
            }
            let (message, is_last) = match looked {
                Ok(None) => continue,
                Ok(Some(sight)) => (Told::Sight(Box::new(sight)), false),
                Err(e) => {
                    let is_gone = matches!(e, AskError::Gone(_));
                    (Told::Error(e), is_gone)
                }
            };
            if told.send(message).is_err() || is_last {
                return;
            }
        }
    }
}

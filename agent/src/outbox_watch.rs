//! Looks at the outbox from the side: how full it is, and whether its directory is still the agent's own.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use outputs::{Fill, OutboxGauge};
use rules::{AlertValue, Priority};

use crate::self_alerts::{Said, SelfAlerts};

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Percent of the bound from which on it is nearly full, and below which it is not any more.
const NEARLY_FULL: u64 = 80;
const HAS_ROOM: u64 = 70;

/// The thread that looks; it ends when this is dropped.
pub(crate) struct Watching {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Looks once a second, and tells of what has changed for the worse.
///
/// # Errors
/// The thread cannot be made.
pub(crate) fn watch(gauge: OutboxGauge, directory: &Path, alerts: SelfAlerts) -> Result<Watching> {
    let (end, ended) = channel();
    let mut watch = Watch::new(directory);
    let run = move || {
        while ended.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            watch.look(gauge.fill(), |said| alerts.raise(said));
        }
    };
    let thread = std::thread::Builder::new()
        .name("outbox-watch".to_owned())
        .spawn(run)
        .context("cannot start the thread that looks at the outbox")?;
    Ok(Watching { end: Some(end), thread: Some(thread) })
}

impl Drop for Watching {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// How full it is, as far as that was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    HasRoom,
    NearlyFull,
    Full,
}

impl Level {
    /// One that goes to and fro around a threshold is told of once.
    fn after(self, fill: Fill) -> Self {
        let Fill { bytes, max_bytes, is_full } = fill;
        let is_above = |percent: u64| bytes >= max_bytes / 100 * percent;
        match self {
            _ if is_full => Self::Full,
            Self::Full if is_above(NEARLY_FULL) => Self::Full,
            Self::HasRoom if is_above(NEARLY_FULL) => Self::NearlyFull,
            Self::Full | Self::NearlyFull if is_above(HAS_ROOM) => Self::NearlyFull,
            _ => Self::HasRoom,
        }
    }
}

/// What makes a directory the one that was opened, and nobody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owned {
    device: u64,
    inode: u64,
    uid: u32,
    others_write: bool,
}

impl Owned {
    fn of(directory: &Path) -> Option<Self> {
        let meta = fs::symlink_metadata(directory).ok()?;
        let others_write = meta.mode() & 0o022 != 0;
        Some(Self { device: meta.dev(), inode: meta.ino(), uid: meta.uid(), others_write })
    }
}

struct Watch {
    directory: PathBuf,
    level: Level,
    owned: Option<Owned>,
}

impl Watch {
    fn new(directory: &Path) -> Self {
        let owned = Owned::of(directory);
        Self { directory: directory.to_owned(), level: Level::HasRoom, owned }
    }

    /// What `raise` has no room for is told at the next look.
    fn look(&mut self, fill: Fill, mut raise: impl FnMut(Said) -> bool) {
        let level = self.level.after(fill);
        if level <= self.level || raise(self.filled(level, fill)) {
            self.level = level;
        }
        let owned = Owned::of(&self.directory);
        if owned == self.owned || raise(self.changed(owned)) {
            self.owned = owned;
        }
    }

    fn filled(&self, level: Level, fill: Fill) -> Said {
        let Fill { bytes, max_bytes, .. } = fill;
        let percent = bytes.saturating_mul(100) / max_bytes.max(1);
        let (what, priority, then) = match level {
            Level::Full => (
                "outbox full",
                Priority::Critical,
                "alerts are delivered from memory, and lost where no receiver takes them",
            ),
            Level::HasRoom | Level::NearlyFull => (
                "outbox nearly full",
                Priority::Warning,
                "a receiver is down or slow, or somebody raises alerts to fill it",
            ),
        };
        let directory = self.directory.display();
        Said {
            what,
            priority,
            text: format!("{bytes} of {max_bytes} bytes in {directory}, {percent} %; {then}"),
            fields: vec![
                ("bytes", AlertValue::U64(bytes)),
                ("max_bytes", AlertValue::U64(max_bytes)),
                ("directory", AlertValue::Text(directory.to_string())),
            ],
        }
    }

    fn changed(&self, now: Option<Owned>) -> Said {
        let directory = self.directory.display();
        let how = match (self.owned, now) {
            (_, None) => "is gone",
            (Some(before), Some(now))
                if (before.device, before.inode) == (now.device, now.inode) =>
            {
                if now.others_write {
                    "can be written by others"
                } else {
                    "has another owner or mode"
                }
            }
            _ => "is another one",
        };
        Said {
            what: "outbox directory changed",
            priority: Priority::Critical,
            text: format!("{directory} {how} since it was looked at a second ago"),
            fields: vec![
                ("directory", AlertValue::Text(directory.to_string())),
                ("change", AlertValue::Text(how.to_owned())),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn fill(bytes: u64, is_full: bool) -> Fill {
        Fill { bytes, max_bytes: 1000, is_full }
    }

    fn told(watch: &mut Watch, fill: Fill) -> Vec<&'static str> {
        let mut told = Vec::new();
        watch.look(fill, |said| {
            told.push(said.what);
            true
        });
        told
    }

    #[test]
    fn each_level_is_told_once_however_it_wavers() {
        let dir = tempfile::tempdir().unwrap();
        let mut watch = Watch::new(dir.path());
        let mut at = |bytes, is_full| told(&mut watch, fill(bytes, is_full));
        assert_eq!(at(799, false), [""; 0]);
        assert_eq!(at(800, false), ["outbox nearly full"]);
        // A segment goes and comes.
        assert_eq!(at(750, false), [""; 0]);
        assert_eq!(at(810, false), [""; 0]);
        assert_eq!(at(990, true), ["outbox full"]);
        assert_eq!(at(900, false), [""; 0]);
        assert_eq!(at(990, true), [""; 0]);
        assert_eq!(at(720, false), [""; 0]);
        assert_eq!(at(990, true), ["outbox full"]);
        assert_eq!(at(100, false), [""; 0]);
        assert_eq!(at(1000, true), ["outbox full"]);
        assert_eq!(at(0, false), [""; 0]);
        assert_eq!(at(801, false), ["outbox nearly full"]);
    }

    #[test]
    fn what_had_no_room_is_told_at_the_next_look() {
        let dir = tempfile::tempdir().unwrap();
        let mut watch = Watch::new(dir.path());
        watch.look(fill(900, false), |_| false);
        assert_eq!(told(&mut watch, fill(900, false)), ["outbox nearly full"]);
        let said = watch.filled(Level::Full, fill(900, true));
        assert!(said.text.starts_with("900 of 1000 bytes in /"), "{}", said.text);
        assert_eq!(said.priority, Priority::Critical);
    }

    #[test]
    fn a_directory_that_is_another_or_open_to_others_is_told_of() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("outbox");
        fs::create_dir(&dir).unwrap();
        let mode = |mode| fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o700);
        let mut watch = Watch::new(&dir);
        let mut how = || {
            let mut told = Vec::new();
            watch.look(fill(0, false), |said| {
                told.push(said.text.rsplit_once(" since").unwrap().0.to_owned());
                true
            });
            told.first().map(|t| t.trim_start_matches(&*dir.to_string_lossy()).trim().to_owned())
        };
        assert_eq!(how(), None);
        // What the agent itself does to it.
        fs::write(dir.join("1.seg"), "x").unwrap();
        assert_eq!(how(), None);
        mode(0o777);
        assert_eq!(how().as_deref(), Some("can be written by others"));
        assert_eq!(how(), None);
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(how().as_deref(), Some("is gone"));
        fs::create_dir(&dir).unwrap();
        assert_eq!(how().as_deref(), Some("is another one"));
    }
}

//! When a recording goes on in another file, and what the files are called.
//!
//! Every file has to begin with a header and the processes of its time, which is for whoever writes them.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, Zoned, fmt::strtime, tz::TimeZone};

const NS_PER_S: u64 = 1_000_000_000;

/// Bounds of one file; without any there is one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileLimits {
    /// Bytes, before they are compressed.
    pub bytes: Option<u64>,
    /// Seconds of events' time.
    pub seconds: Option<u64>,
    /// Events.
    pub events: Option<u64>,
    /// Files that are kept: a further one takes the place of the oldest.
    pub files: Option<u64>,
}

impl FileLimits {
    /// Whether there will be more than one file.
    #[must_use]
    pub fn are_set(&self) -> bool {
        self.bytes.is_some() || self.seconds.is_some() || self.events.is_some()
    }
}

/// A file to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextFile {
    /// Its name; what stands there is overwritten.
    pub path: PathBuf,
    /// The oldest file, which is one too many now.
    pub obsolete: Option<PathBuf>,
}

/// Why a name cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the name {name} cannot be filled in with a time: {why}")]
pub struct BadFileName {
    name: String,
    why: String,
}

/// The files of a recording, one after the other.
#[derive(Debug)]
pub struct Rotation {
    base: PathBuf,
    limits: FileLimits,
    zone: TimeZone,
    /// Files begun so far.
    n_files: u64,
    /// Events of the file at hand, and the time of its first.
    n_events: u64,
    since_ns: u64,
    kept: VecDeque<PathBuf>,
}

impl Rotation {
    /// Files named after `base`: a number follows, or, where files are bounded in time and the name has a `%`, its times are filled in as
    /// `strftime` does.
    ///
    /// # Errors
    /// [`BadFileName`] where the name has a `%` that stands for nothing.
    pub fn new(base: &Path, limits: FileLimits) -> Result<Self, BadFileName> {
        let rotation = Self {
            base: base.to_owned(),
            limits,
            zone: TimeZone::system(),
            n_files: 0,
            n_events: 0,
            since_ns: 0,
            kept: VecDeque::new(),
        };
        rotation.named(0)?;
        Ok(rotation)
    }

    /// Whether an event with this time goes into another file, should it be written to one of so many bytes.
    #[must_use]
    pub fn is_due(&self, ts_ns: u64, n_bytes: u64) -> bool {
        let FileLimits { bytes, seconds, events, files: _ } = self.limits;
        let elapsed_ns = ts_ns.saturating_sub(self.since_ns);
        self.n_files == 0
            || bytes.is_some_and(|max| n_bytes >= max)
            || events.is_some_and(|max| self.n_events >= max)
            || seconds.is_some_and(|max| elapsed_ns >= max.saturating_mul(NS_PER_S))
    }

    /// Before an event is written, with its time and the bytes that the file at hand has: whether it belongs into another file.
    ///
    /// # Errors
    /// [`BadFileName`] where the time cannot be written.
    pub fn before_event(
        &mut self,
        ts_ns: u64,
        n_bytes: u64,
    ) -> Result<Option<NextFile>, BadFileName> {
        let is_due = self.is_due(ts_ns, n_bytes);
        let files = self.limits.files;
        self.n_events += 1;
        if !is_due {
            return Ok(None);
        }
        let path = self.named(ts_ns)?;
        self.n_files += 1;
        self.n_events = 1;
        self.since_ns = ts_ns;
        self.kept.retain(|kept| *kept != path);
        self.kept.push_back(path.clone());
        let is_full = files.is_some_and(|max| self.kept.len() as u64 > max.max(1));
        let obsolete = if is_full { self.kept.pop_front() } else { None };
        if files.is_none() {
            self.kept.clear();
        }
        Ok(Some(NextFile { path, obsolete }))
    }

    /// Name of the file that is next.
    fn named(&self, ts_ns: u64) -> Result<PathBuf, BadFileName> {
        let FileLimits { bytes, seconds, events, files } = self.limits;
        if !self.limits.are_set() {
            return Ok(self.base.clone());
        }
        let mut name = self.base.to_string_lossy().into_owned();
        let has_time = seconds.is_some() && name.contains('%');
        if has_time {
            name = self.with_time(&name, ts_ns)?;
        }
        if !has_time || bytes.is_some() || events.is_some() {
            let index = files.map_or(self.n_files, |n| self.n_files % n.max(1));
            let width = files.map_or(0, |n| n.to_string().len());
            name = format!("{name}{index:0width$}");
        }
        Ok(PathBuf::from(name))
    }

    fn with_time(&self, name: &str, ts_ns: u64) -> Result<String, BadFileName> {
        let bad = |why: jiff::Error| BadFileName { name: name.to_owned(), why: why.to_string() };
        let second = (ts_ns / NS_PER_S) as i64;
        let at: Zoned = Timestamp::from_second(second).map_err(bad)?.to_zoned(self.zone.clone());
        strtime::format(name, &at).map_err(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file that each of ten events goes to; an event has 100 bytes and comes a second after the one before.
    fn files(base: &str, limits: FileLimits) -> (Vec<String>, Vec<String>) {
        let mut rotation = Rotation::new(Path::new(base), limits).unwrap();
        rotation.zone = TimeZone::UTC;
        let (mut names, mut obsolete) = (Vec::new(), Vec::new());
        let mut n_bytes = 0;
        for n in 0..10 {
            if let Some(next) = rotation.before_event(n * NS_PER_S, n_bytes).unwrap() {
                n_bytes = 50;
                names.push(format!("{n}:{}", next.path.display()));
                obsolete.extend(next.obsolete.map(|p| p.display().to_string()));
            }
            n_bytes += 100;
        }
        (names, obsolete)
    }

    #[test]
    fn without_bounds_there_is_one_file() {
        assert_eq!(files("a%.scap", FileLimits::default()).0, ["0:a%.scap"]);
    }

    #[test]
    fn a_file_ends_at_its_bound() {
        let events = FileLimits { events: Some(4), ..FileLimits::default() };
        assert_eq!(files("a.scap", events).0, ["0:a.scap0", "4:a.scap1", "8:a.scap2"]);
        let bytes = FileLimits { bytes: Some(300), ..FileLimits::default() };
        assert_eq!(files("a.scap", bytes).0, ["0:a.scap0", "3:a.scap1", "6:a.scap2", "9:a.scap3"]);
        let seconds = FileLimits { seconds: Some(5), ..FileLimits::default() };
        assert_eq!(files("a.scap", seconds).0, ["0:a.scap0", "5:a.scap1"]);
    }

    #[test]
    fn so_many_files_are_kept() {
        let limits = FileLimits { events: Some(3), files: Some(2), ..FileLimits::default() };
        // The third takes the name of the first.
        let (names, obsolete) = files("a.scap", limits);
        assert_eq!(names, ["0:a.scap0", "3:a.scap1", "6:a.scap0", "9:a.scap1"]);
        assert_eq!(obsolete, [""; 0]);
        let limits = FileLimits { files: Some(10), ..limits };
        assert_eq!(files("a.scap", limits).0[..2], ["0:a.scap00", "3:a.scap01"]);
    }

    #[test]
    fn times_are_filled_in() {
        let limits = FileLimits { seconds: Some(3), ..FileLimits::default() };
        let (names, _) = files("/x/%H%M%S.scap", limits);
        let expected =
            ["0:/x/000000.scap", "3:/x/000003.scap", "6:/x/000006.scap", "9:/x/000009.scap"];
        assert_eq!(names, expected);
        let limits = FileLimits { files: Some(2), ..limits };
        assert_eq!(files("/x/%S.scap", limits).1, ["/x/00.scap", "/x/03.scap"]);
        let error = Rotation::new(Path::new("a%!"), limits).unwrap_err().to_string();
        assert!(error.starts_with("the name a%! cannot be filled in with a time: "), "{error}");
    }
}

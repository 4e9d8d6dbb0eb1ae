//! What went wrong with a savefile, on one line, and what to do about it.

use std::io::{self, ErrorKind};
use std::path::Path;

use capture::savefile::{Findings, ReaderCounts, SavefileError};
use stages::LeftOutNotes;

/// Who named a file that is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NamedBy {
    /// The argument of `peregrine replay`.
    Argument,
    /// `engine.replay.capture_file`.
    Key,
}

/// Why a file cannot be replayed.
pub(crate) fn of_replay(path: &Path, named_by: NamedBy, error: &SavefileError) -> String {
    let told = told("replay", path, error);
    let SavefileError::Io { source, .. } = error else { return told };
    match (source.kind(), named_by) {
        (ErrorKind::NotFound, NamedBy::Argument) => {
            format!("{told}; `peregrine -w FILE` records one")
        }
        (ErrorKind::NotFound, NamedBy::Key) => format!(
            "{told}; engine.replay.capture_file names it, and `peregrine -w FILE` records one"
        ),
        (ErrorKind::IsADirectory, NamedBy::Argument) => format!("{told}; name a file in it"),
        (ErrorKind::IsADirectory, NamedBy::Key) => {
            format!("{told}; engine.replay.capture_file has to name a file in it")
        }
        _ => told,
    }
}

/// Why a file cannot be recorded, or not any further.
pub(crate) fn of_recording(path: &Path, error: &SavefileError) -> String {
    told("write the savefile", path, error)
}

/// What a file has that was not read, or not as it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeftOut<'f> {
    pub(crate) counts: ReaderCounts,
    pub(crate) findings: &'f Findings,
    pub(crate) notes: LeftOutNotes,
}

/// The same for people; `None` where that is nothing. Blocks between events that are no events are not missed.
pub(crate) fn left_out(path: &Path, what: LeftOut<'_>) -> Option<String> {
    let LeftOut { counts, findings: Findings { first, n_further }, notes } = what;
    let LeftOutNotes { n_users, n_containers } = notes;
    let ReaderCounts {
        n_unknown_types,
        n_too_large,
        n_trimmed,
        n_skipped_blocks: _,
        n_dropped_entries,
        n_dropped_descriptors,
        n_dropped_dirs,
        n_dropped_interfaces,
        n_dropped_threads,
        n_dropped_changes,
        n_dropped_cgroups,
        n_forgotten_starts,
        n_dropped_blocks,
    } = counts;
    let all = [
        (n_unknown_types, "events of types that this build does not know, left out"),
        (n_too_large, "events larger than 128 KiB, left out"),
        (n_trimmed, "events with more parameters than this build knows, without these"),
        (n_dropped_entries, "entries of the lists before the events beyond their memory, left out"),
        (
            n_dropped_descriptors,
            "descriptors without room or with an impossible number, without their names",
        ),
        (n_dropped_dirs, "working directories beyond their memory, taken to be unknown"),
        (n_dropped_interfaces, "interfaces beyond 4,096, whose addresses count as remote"),
        (n_dropped_threads, "threads beyond 4,194,304, taken to be as their process"),
        (n_dropped_changes, "changes of what threads beyond 1,048,576 use, not followed"),
        (n_dropped_cgroups, "control groups beyond their memory, taken to be unknown"),
        (n_forgotten_starts, "starts of calls forgotten, so that their returns stand without"),
        (n_dropped_blocks, "blocks between two events beyond their memory, not passed on"),
        (n_users, "changes of users and groups beyond their memory, not noted"),
        (n_containers, "events of containers that tell of none, or beyond their memory, not noted"),
    ];
    let some = all.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
    let some: Vec<String> = some.collect();
    let mut parts = Vec::new();
    if !some.is_empty() {
        parts.push(format!("not all was read: {}", some.join("; ")));
    }
    parts.extend_from_slice(first);
    if *n_further > 0 {
        parts.push(format!("{n_further} findings more"));
    }
    (!parts.is_empty()).then(|| format!("{}: {}", path.display(), parts.join("; ")))
}

/// What was open when a recording began and is not in its lists, for people.
pub(crate) fn unlisted(n: usize) -> Option<String> {
    (n > 0).then(|| {
        format!(
            "the recording does not list {n} open descriptors: 4,096 of a process and 131,072 in all are the limit"
        )
    })
}

fn told(verb: &str, path: &Path, error: &SavefileError) -> String {
    let path = path.display();
    match error {
        SavefileError::Io { source, .. } => {
            format!("cannot {verb} {path}: {source}{}", remedy(source))
        }
        error => format!("cannot {verb} {path}: {error}"),
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "; make room there, or record to another disk"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io(errno: i32) -> SavefileError {
        SavefileError::Io { action: "doing".into(), source: io::Error::from_raw_os_error(errno) }
    }

    fn line(
        counts: ReaderCounts,
        first: &[&str],
        n_further: u64,
        notes: LeftOutNotes,
    ) -> Option<String> {
        let findings = Findings { first: first.iter().map(|&f| f.into()).collect(), n_further };
        left_out(Path::new("/a.scap"), LeftOut { counts, findings: &findings, notes })
    }

    #[test]
    fn what_is_left_out_is_told_and_nothing_else() {
        let counts = ReaderCounts { n_skipped_blocks: 5, ..ReaderCounts::default() };
        let none = LeftOutNotes::default();
        assert_eq!(line(counts, &[], 0, none), None);
        let some = ReaderCounts { n_unknown_types: 2, n_dropped_descriptors: 1, ..counts };
        assert_eq!(
            line(some, &[], 0, none).as_deref(),
            Some(
                "/a.scap: not all was read: 2 events of types that this build does not know, left out; 1 descriptors without room or with an impossible number, without their names"
            )
        );
        assert_eq!(
            line(counts, &["it is longer", "it is shorter"], 2, none).as_deref(),
            Some("/a.scap: it is longer; it is shorter; 2 findings more")
        );
        let notes = LeftOutNotes { n_users: 3, n_containers: 4 };
        assert_eq!(
            line(counts, &["it is longer"], 0, notes).as_deref(),
            Some(
                "/a.scap: not all was read: 3 changes of users and groups beyond their memory, not noted; 4 events of containers that tell of none, or beyond their memory, not noted; it is longer"
            )
        );
    }

    #[test]
    fn open_descriptors_that_are_not_listed_are_told() {
        assert_eq!(unlisted(0), None);
        assert_eq!(
            unlisted(7).as_deref(),
            Some(
                "the recording does not list 7 open descriptors: 4,096 of a process and 131,072 in all are the limit"
            )
        );
    }

    #[test]
    fn a_reason_is_told_once_and_what_to_do() {
        use NamedBy::{Argument, Key};
        let path = Path::new("/a.scap");
        for (text, expected) in [
            (
                of_replay(path, Key, &io(2)),
                "cannot replay /a.scap: No such file or directory (os error 2); engine.replay.capture_file names it, and `peregrine -w FILE` records one",
            ),
            (
                of_replay(path, Argument, &io(2)),
                "cannot replay /a.scap: No such file or directory (os error 2); `peregrine -w FILE` records one",
            ),
            (
                of_replay(path, Argument, &io(21)),
                "cannot replay /a.scap: Is a directory (os error 21); name a file in it",
            ),
            (
                of_replay(path, Key, &io(13)),
                "cannot replay /a.scap: Permission denied (os error 13)",
            ),
            (
                of_replay(path, Key, &SavefileError::NotSavefile { why: "it is empty".into() }),
                "cannot replay /a.scap: not a .scap file: it is empty",
            ),
            (
                of_recording(path, &io(28)),
                "cannot write the savefile /a.scap: No space left on device (os error 28); make room there, or record to another disk",
            ),
            (
                of_recording(path, &io(2)),
                "cannot write the savefile /a.scap: No such file or directory (os error 2)",
            ),
        ] {
            assert_eq!(text, expected);
        }
    }
}

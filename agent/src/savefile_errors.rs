//! What went wrong with a savefile, on one line, and what to do about it.

use std::io::{self, ErrorKind};
use std::path::Path;

use capture::savefile::{ReaderCounts, SavefileError};

/// Why a file cannot be replayed.
pub(crate) fn of_replay(path: &Path, error: &SavefileError) -> String {
    told("replay", path, error)
}

/// Why a file cannot be recorded, or not any further.
pub(crate) fn of_recording(path: &Path, error: &SavefileError) -> String {
    told("write the savefile", path, error)
}

/// What a file has that was not read, for people; `None` where that is nothing. Blocks between events that are no events are not missed.
pub(crate) fn left_out(path: &Path, counts: ReaderCounts) -> Option<String> {
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
        n_forgotten_starts,
        n_dropped_blocks,
    } = counts;
    let all = [
        (n_unknown_types, "events of types that this build does not know, left out"),
        (n_too_large, "events larger than 128 KiB, left out"),
        (n_trimmed, "events with more parameters than this build knows, without these"),
        (
            n_dropped_entries,
            "entries of the lists before the events beyond 512 MiB of memory, left out",
        ),
        (
            n_dropped_descriptors,
            "descriptors without room or with an impossible number, without their names",
        ),
        (n_dropped_dirs, "working directories beyond 256 MiB of memory, taken to be unknown"),
        (n_dropped_interfaces, "interfaces beyond 4,096, whose addresses count as remote"),
        (n_dropped_threads, "threads beyond 4,194,304, taken to be as their process"),
        (n_forgotten_starts, "starts of calls forgotten, so that their returns stand without"),
        (n_dropped_blocks, "blocks beyond 64 MiB between two events, not passed on"),
    ];
    let some = all.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
    let some: Vec<String> = some.collect();
    (!some.is_empty()).then(|| format!("{}: not all was read: {}", path.display(), some.join("; ")))
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
        ErrorKind::NotFound => {
            "; engine.replay.capture_file names it, and `peregrine -w FILE` records one"
        }
        ErrorKind::IsADirectory => "; engine.replay.capture_file has to name a file in it",
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

    #[test]
    fn what_is_left_out_is_told_and_nothing_else() {
        let path = Path::new("/a.scap");
        let counts = ReaderCounts { n_skipped_blocks: 5, ..ReaderCounts::default() };
        assert_eq!(left_out(path, counts), None);
        let counts = ReaderCounts { n_unknown_types: 2, n_dropped_descriptors: 1, ..counts };
        assert_eq!(
            left_out(path, counts).as_deref(),
            Some(
                "/a.scap: not all was read: 2 events of types that this build does not know, left out; 1 descriptors without room or with an impossible number, without their names"
            )
        );
    }

    #[test]
    fn a_reason_is_told_once_and_what_to_do() {
        let path = Path::new("/a.scap");
        for (text, expected) in [
            (
                of_replay(path, &io(2)),
                "cannot replay /a.scap: No such file or directory (os error 2); engine.replay.capture_file names it, and `peregrine -w FILE` records one",
            ),
            (of_replay(path, &io(13)), "cannot replay /a.scap: Permission denied (os error 13)"),
            (
                of_replay(path, &SavefileError::NotSavefile { why: "it is empty".into() }),
                "cannot replay /a.scap: not a .scap file: it is empty",
            ),
            (
                of_recording(path, &io(28)),
                "cannot write the savefile /a.scap: No space left on device (os error 28); make room there, or record to another disk",
            ),
        ] {
            assert_eq!(text, expected);
        }
    }
}

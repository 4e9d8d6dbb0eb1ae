//! A recording around an alert, as a file: made under its name, then filled with the lists of what is there.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::BufWriter;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use capture::Seeds;
use capture::savefile::{Compression, SavefileError, Writer};
use event::Frame;

use super::notice::Notice;
use crate::recorder;
use crate::savefile_errors;

pub(super) type FileWriter = Writer<BufWriter<File>>;

/// `<prefix>_<time of the alert>_<number of its event>.scap`.
pub(super) fn path(prefix: &Path, notice: &Notice) -> PathBuf {
    let mut name = OsString::from(prefix);
    name.push(format!("_{:020}_{:020}.scap", notice.ts_ns, notice.evt_num));
    name.into()
}

/// Makes the file. It shows what users do, so only its owner may read it; and the name can be foreseen, so nothing that is there is written to.
pub(super) fn create(path: &Path) -> Result<File, String> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|source| {
        let action = "creating".into();
        savefile_errors::of_recording(path, &SavefileError::Io { action, source })
    })
}

/// Writes what stands before the events: users, interfaces, processes and what they have open, as of now.
pub(super) fn begin(
    path: &Path,
    file: File,
    realtime_offset_ns: i64,
) -> Result<FileWriter, String> {
    let broken = |e: &SavefileError| savefile_errors::of_recording(path, e);
    let out = BufWriter::with_capacity(256 << 10, file);
    let mut writer = recorder::begun(out, Compression::None, true, realtime_offset_ns)
        .map_err(|e| broken(&e))?;
    // Without processes a recording is one all the same.
    let seeds = Seeds::snapshot().unwrap_or_default();
    writer.threads(seeds.threads());
    writer.open_descriptors(recorder::open_descriptors(&seeds.pids()));
    for bytes in seeds.iter() {
        if let Ok(frame) = Frame::parse(&bytes) {
            writer.frame(&frame).map_err(|e| broken(&e))?;
        }
    }
    Ok(writer)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_name_is_falcos() {
        let notice =
            Notice { evt_num: 77, ts_ns: 1_795_357_671_000_000_042, until_ns: 0, begins: true };
        assert_eq!(
            path(Path::new("/var/x/alert"), &notice),
            Path::new("/var/x/alert_01795357671000000042_00000000000000000077.scap")
        );
    }

    #[test]
    fn a_file_is_its_owners_and_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.scap");
        let file = create(&path).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let message = create(&path).unwrap_err();
        assert!(
            message.starts_with("cannot write the savefile ") && message.contains("exists"),
            "{message}"
        );
    }
}

//! All that the outbox asks of the file system. Tests make it fail.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::OpenError;

const LOCK: &str = "lock";
/// More than any of the small files has.
const MAX_NOTE_BYTES: u64 = 4096;

/// The spool directory, which nobody else uses as long as this lives.
#[derive(Debug)]
pub(super) struct Disk {
    directory: PathBuf,
    _lock: File,
    #[cfg(test)]
    pub(super) faults: std::sync::Arc<Faults>,
}

/// What goes wrong in a test.
#[cfg(test)]
#[derive(Debug)]
pub(super) struct Faults {
    /// Bytes that can still be written.
    pub(super) room: std::sync::atomic::AtomicU64,
    pub(super) sync_fails: std::sync::atomic::AtomicBool,
}

#[cfg(test)]
impl Default for Faults {
    fn default() -> Self {
        Self { room: u64::MAX.into(), sync_fails: false.into() }
    }
}

/// There may be room later.
pub(super) fn is_no_room(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Disk {
    /// Makes the directory where there is none and keeps others out of it.
    pub(super) fn open(directory: &Path) -> Result<Self, OpenError> {
        let failed = |reason| OpenError::Io { path: directory.to_owned(), reason };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        let mode = fs::metadata(directory).map_err(failed)?.mode() & 0o7777;
        if mode & 0o022 != 0 {
            return Err(OpenError::OthersWrite { directory: directory.to_owned(), mode });
        }
        let lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(directory.join(LOCK))
            .map_err(failed)?;
        lock.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => OpenError::InUse { directory: directory.to_owned() },
            TryLockError::Error(reason) => failed(reason),
        })?;
        Ok(Self {
            directory: directory.to_owned(),
            _lock: lock,
            #[cfg(test)]
            faults: std::sync::Arc::default(),
        })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Names of all files, in no order.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    /// A file to append to, which must not be there.
    pub(super) fn create(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().append(true).create_new(true).mode(0o600).open(self.path(name))
    }

    pub(super) fn read(&self, name: &str) -> io::Result<File> {
        File::open(self.path(name))
    }

    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    /// A small text file; `None` where it is not there or is not one.
    pub(super) fn note(&self, name: &str) -> Option<String> {
        let mut text = String::new();
        self.read(name).ok()?.take(MAX_NOTE_BYTES).read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Writes a small file so that either the old text or the new one is there, whenever the program or the machine stops.
    pub(super) fn set_note(&self, name: &str, text: &str) -> io::Result<()> {
        let temporary = format!("{name}.new");
        match self.remove(&temporary) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let written = self.create(&temporary).and_then(|mut file| {
            self.append(&mut file, text.as_bytes())?;
            self.sync(&file)?;
            fs::rename(self.path(&temporary), self.path(name))
        });
        if let Err(e) = written {
            // Best effort: the next one removes it first.
            drop(self.remove(&temporary));
            return Err(e);
        }
        self.sync_directory()
    }

    /// As [`Disk::set_note`]; where there is no room for a new file, over the old one, which must be there. Whoever stops in the middle of that
    /// leaves a text that is no note.
    pub(super) fn set_note_at_all(&self, name: &str, text: &str) -> io::Result<()> {
        match self.set_note(name, text) {
            Err(e) if is_no_room(&e) => {
                let file = OpenOptions::new().write(true).open(self.path(name))?;
                file.write_all_at(text.as_bytes(), 0)?;
                file.set_len(text.len() as u64)?;
                file.sync_data()
            }
            done => done,
        }
    }

    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "in tests the disk fails"))]
    pub(super) fn append(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        {
            use std::sync::atomic::Ordering::SeqCst;
            let room = self.faults.room.load(SeqCst);
            if room < bytes.len() as u64 {
                file.write_all(&bytes[..room as usize])?;
                self.faults.room.store(0, SeqCst);
                return Err(io::ErrorKind::StorageFull.into());
            }
            if room != u64::MAX {
                self.faults.room.store(room - bytes.len() as u64, SeqCst);
            }
        }
        file.write_all(bytes)
    }

    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "in tests the disk fails"))]
    pub(super) fn sync(&self, file: &File) -> io::Result<()> {
        #[cfg(test)]
        if self.faults.sync_fails.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(io::Error::other("the test says so"));
        }
        file.sync_data()
    }

    /// Makes names last that were added or taken away.
    pub(super) fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }
}

//! Reading files that may be missing, huge, or no files at all.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Why;

/// Longest file that is read.
const MAX_LEN: u64 = 4 << 20;
/// Directories of one that are looked into.
const MAX_DIRECTORIES: usize = 1024;

/// Whether an id can be part of a path without leading elsewhere.
pub(super) fn is_name(id: &str) -> bool {
    !matches!(id, "" | "." | "..") && !id.contains(['/', '\0'])
}

pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, Why> {
    let open = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32)
        .open(path);
    let file = match open {
        Ok(file) => file,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Err(Why::NotFound);
        }
        Err(_) => return Err(Why::BadAnswer),
    };
    // Directories of users without rights are read too: a pipe there would never end.
    if !file.metadata().is_ok_and(|m| m.is_file() && m.len() <= MAX_LEN) {
        return Err(Why::BadAnswer);
    }
    let mut bytes = Vec::new();
    match file.take(MAX_LEN).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(_) => Err(Why::BadAnswer),
    }
}

pub(super) fn json(path: &Path) -> Result<Value, Why> {
    serde_json::from_slice(&bytes(path)?).map_err(|_| Why::BadAnswer)
}

/// Directories in a directory, in order of their names; none where there is no such.
pub(super) fn directories(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().take(MAX_DIRECTORIES);
    let is_dir = |e: &fs::DirEntry| e.file_type().is_ok_and(|t| t.is_dir());
    let mut all: Vec<_> = entries.flatten().filter(is_dir).map(|e| e.path()).collect();
    all.sort();
    all
}

/// The directories and files that a path stands for, in which `*` as a whole name is any. Bounded.
pub(crate) fn expand(path: &Path) -> Vec<PathBuf> {
    let mut all = vec![PathBuf::new()];
    for part in path.components() {
        if part.as_os_str() == "*" {
            all = all.iter().flat_map(|base| directories(base)).take(MAX_DIRECTORIES).collect();
        } else {
            for base in &mut all {
                base.push(part);
            }
        }
    }
    all.retain(|path| path.exists());
    all
}

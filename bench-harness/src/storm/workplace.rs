//! The folder that a storm writes in.

use std::env;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::fs::{IFlags, Mode, OFlags, ioctl_getflags, ioctl_setflags, open};

/// A folder of its own below the one for temporary files; it goes when this does.
#[derive(Debug)]
pub(crate) struct Workplace(PathBuf);

impl Workplace {
    pub(crate) fn new() -> Result<Self> {
        let dir = env::temp_dir().join(format!("peregrine-storm.{}", std::process::id()));
        fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(Self(dir))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        if let Err(e) = remove(&self.0) {
            eprintln!("peregrine-bench: cannot remove {}: {e}", self.0.display());
        }
    }
}

/// Removes a folder, files in it that a stressor made immutable and had no time to make as before included.
fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() == ErrorKind::PermissionDenied => {
            make_mutable(dir)?;
            fs::remove_dir_all(dir)
        }
        result => result,
    }
}

fn make_mutable(path: &Path) -> io::Result<()> {
    let file_type = fs::symlink_metadata(path)?.file_type();
    if !file_type.is_dir() && !file_type.is_file() {
        return Ok(());
    }
    let file = open(path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let flags = ioctl_getflags(&file)?;
    let kept = flags - (IFlags::IMMUTABLE | IFlags::APPEND);
    if kept != flags {
        ioctl_setflags(&file, kept)?;
    }
    if file_type.is_dir() {
        for entry in fs::read_dir(path)? {
            make_mutable(&entry?.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn immutable_files_are_removed_too() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        for (name, flag) in [("immutable", IFlags::IMMUTABLE), ("append", IFlags::APPEND)] {
            let file = fs::File::create(inner.join(name)).unwrap();
            let flags = match ioctl_getflags(&file) {
                Ok(flags) => flags | flag,
                Err(e) => return println!("skipped: the file system has no flags: {e}"),
            };
            if let Err(e) = ioctl_setflags(&file, flags) {
                return println!("skipped: a file cannot be made {name} here: {e}");
            }
        }
        fs::remove_file(inner.join("immutable")).unwrap_err();
        remove(&dir.path().join("a")).unwrap();
        assert!(!dir.path().join("a").exists());
    }
}

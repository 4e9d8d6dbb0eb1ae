//! Writes an initramfs: a cpio archive of the kind that kernels unpack (`newc`; Documentation/driver-api/early-userspace in the kernel tree).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::output;

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;

/// An archive under construction. Parent folders are made as needed.
#[derive(Debug, Default)]
pub(crate) struct Initramfs {
    bytes: Vec<u8>,
    n_entries: u32,
    dirs: BTreeSet<String>,
}

impl Initramfs {
    fn entry(&mut self, name: &str, mode: u32, data: &[u8]) {
        self.n_entries += 1;
        let name = name.trim_start_matches('/');
        let head = [
            self.n_entries,
            mode,
            0,
            0,
            1,
            0,
            u32::try_from(data.len()).unwrap_or(u32::MAX),
            0,
            0,
            0,
            0,
            u32::try_from(name.len()).unwrap_or(u32::MAX) + 1,
            0,
        ];
        self.bytes.extend(b"070701");
        for field in head {
            self.bytes.extend(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(data);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// A folder, and those above it.
    pub(crate) fn dir(&mut self, path: &str) {
        let path = path.trim_matches('/');
        if path.is_empty() || !self.dirs.insert(path.to_owned()) {
            return;
        }
        if let Some((above, _)) = path.rsplit_once('/') {
            self.dir(above);
        }
        self.entry(path, DIRECTORY | 0o755, &[]);
    }

    fn parent(&mut self, path: &str) {
        if let Some((above, _)) = path.rsplit_once('/') {
            self.dir(above);
        }
    }

    /// A file with the given permissions.
    pub(crate) fn file(&mut self, path: &str, permissions: u32, data: &[u8]) {
        self.parent(path);
        self.entry(path, REGULAR | permissions, data);
    }

    /// A symbolic link.
    pub(crate) fn link(&mut self, path: &str, target: &str) {
        self.parent(path);
        self.entry(path, SYMLINK | 0o777, target.as_bytes());
    }

    /// A program of this machine and the libraries it is linked with.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub(crate) fn program(&mut self, path: &str, from: &Path) -> Result<()> {
        let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
        self.file(path, 0o755, &bytes);
        // A static program makes ldd fail: it needs nothing.
        let listing = output(Command::new("ldd").arg(from)).unwrap_or_default();
        for library in libraries(&listing) {
            if self.dirs.insert(format!("file {library}")) {
                let bytes = fs::read(&library).with_context(|| format!("cannot read {library}"))?;
                self.file(&library, 0o755, &bytes);
            }
        }
        Ok(())
    }

    /// The finished archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }
}

/// Paths in the output of `ldd`: `name => /path (0x..)`, or `/path (0x..)` for the loader.
fn libraries(listing: &str) -> Vec<String> {
    listing
        .lines()
        .filter_map(|l| {
            let l = l.split_once("=>").map_or(l, |(_, path)| path).trim();
            let path = l.split_once(" (").map_or(l, |(path, _)| path);
            path.starts_with('/').then(|| path.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_come_from_both_kinds_of_line() {
        let listing = "\tlinux-vdso.so.1 (0x00007ffc)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x00007f)\n\t/lib64/ld-linux.so.2 (0x00007f)\n";
        assert_eq!(libraries(listing), ["/lib/x/libc.so.6", "/lib64/ld-linux.so.2"]);
        assert!(libraries("\tnot a dynamic executable\n").is_empty());
    }

    #[test]
    fn entries_are_aligned_and_parents_come_first() {
        let mut a = Initramfs::default();
        a.file("/a/b/c", 0o644, b"12345");
        a.file("/a/b/d", 0o644, b"");
        let bytes = a.finish();
        assert_eq!(bytes.len() % 4, 0);
        let names: Vec<_> = bytes
            .windows(6)
            .enumerate()
            .filter(|(_, w)| *w == b"070701")
            .map(|(at, _)| {
                assert_eq!(at % 4, 0);
                let name = &bytes[at + 110..];
                let end = name.iter().position(|b| *b == 0).unwrap();
                String::from_utf8_lossy(&name[..end]).into_owned()
            })
            .collect();
        assert_eq!(names, ["a", "a/b", "a/b/c", "a/b/d", "TRAILER!!!"]);
    }
}

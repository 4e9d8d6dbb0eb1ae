//! Which paths a configuration needs, and which ports. Landlock knows files by their inode: what is replaced by another file is covered by the rule
//! of its directory alone, so rules stand on directories.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use super::Needs;
use crate::config::{Config, FileOutput};
use crate::watched_files::Watched;

/// What every agent reads: processes and the kernel's types; users, resolver, time zones, authorities, modules of the C library; where resolver
/// and runtimes have what they make at boot, perhaps after the agent's start.
const READ: [&str; 12] = [
    "/proc",
    "/sys",
    "/etc",
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/bin",
    "/run",
    "/dev/null",
    "/dev/urandom",
    "/dev/log",
];

/// DNS, where an answer does not fit into a datagram.
const DNS: u16 = 53;

/// What may be opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// Files and directories, with all below.
    pub(super) reads: BTreeSet<PathBuf>,
    /// Directories whose names are read, and of all below.
    pub(super) lists: BTreeSet<PathBuf>,
    /// Directories in which files are made and written.
    pub(super) writes: BTreeSet<PathBuf>,
    /// Devices and pipes that are written to.
    pub(super) files: BTreeSet<PathBuf>,
    /// Remote TCP ports.
    pub(super) ports: BTreeSet<u16>,
}

impl Places {
    pub(super) fn of(needs: &Needs<'_>) -> Self {
        let Needs { config, reads, pidfile } = needs;
        let mut places = Self::default();
        places.reads.extend(READ.iter().map(PathBuf::from).filter(|path| path.exists()));
        for path in reads.iter().map(Watched::path) {
            places.read(path);
        }
        let besides = config.sandbox.reads.iter();
        places.reads.extend(besides.filter_map(|path| path.canonicalize().ok()));
        // Where links of the resolver's files lead, the next file will be as well.
        for name in ["/etc/resolv.conf", "/etc/hosts", "/etc/localtime"] {
            places.read(Path::new(name));
        }
        places
            .reads
            .extend(std::env::var_os("TZ").map(PathBuf::from).filter(|tz| tz.is_absolute()));
        if let Some(lookups) = &config.containers.lookups {
            let (reads, lists) = lookups.directories();
            places.reads.extend(reads);
            places.lists.extend(lists);
        }
        for path in written(config) {
            places.write(path);
        }
        if let Some(path) = pidfile {
            places.write(path);
        }
        if config.outputs.is_any_durable() {
            places.directory(&config.outputs.outbox.directory);
        }
        places.ports.extend(config.outputs.ports().chain([DNS]));
        places
    }

    /// A file, however it is replaced, or a directory; links that lie in it may lead elsewhere.
    fn read(&mut self, path: &Path) {
        let Ok(path) = std::path::absolute(path) else { return };
        if !path.is_dir() {
            self.reads.extend(path.parent().and_then(nearest));
            // A link: its target may be replaced, too.
            self.reads
                .extend(path.canonicalize().ok().and_then(|to| Some(to.parent()?.to_owned())));
            return;
        }
        self.reads.extend(path.canonicalize());
        for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_symlink())
                && let Ok(to) = entry.path().canonicalize()
            {
                let of = if to.is_dir() { Some(&*to) } else { to.parent() };
                self.reads.extend(of.map(Path::to_owned));
            }
        }
    }

    /// A file that is made, written, and replaced.
    fn write(&mut self, path: &Path) {
        let Ok(path) = std::path::absolute(path) else { return };
        let is_regular = |kind: fs::FileType| {
            !(kind.is_char_device() || kind.is_block_device() || kind.is_fifo() || kind.is_socket())
        };
        match fs::metadata(&path) {
            Ok(found) if !is_regular(found.file_type()) => drop(self.files.insert(path)),
            found => {
                if found.is_ok()
                    && let Some(target) = path.canonicalize().ok().as_deref().and_then(Path::parent)
                {
                    self.directory(target);
                }
                path.parent().into_iter().for_each(|of| self.directory(of));
            }
        }
    }

    /// A directory that files are written in. One that is not there yet will be made below one that is.
    fn directory(&mut self, path: &Path) {
        self.writes.extend(nearest(path));
    }
}

/// The directory, or the one that it will be made in; not that of everything.
fn nearest(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    let found = path.ancestors().find_map(|path| path.canonicalize().ok())?;
    (found != Path::new("/")).then_some(found)
}

/// Files that are written after the start.
fn written(config: &Config) -> impl Iterator<Item = &Path> {
    let file = config.outputs.file.as_ref().map(|FileOutput { filename, .. }| &**filename);
    let snapshots = config.metrics.as_ref().and_then(|metrics| metrics.snapshots.as_ref());
    let snapshots = snapshots.and_then(|snapshots| snapshots.file.as_deref());
    let recordings = config.on_alert.as_ref().map(|on_alert| &*on_alert.path_prefix);
    let all = [file, snapshots, recordings, config.write.as_deref(), Some(&*config.socket)];
    all.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::cli::{ConfigSource, Settings};
    use crate::config;

    #[test]
    fn directories_of_what_is_configured_and_where_links_lead() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().canonicalize().unwrap().join(name);
        for name in ["rules", "real", "out"] {
            fs::create_dir(at(name)).unwrap();
        }
        fs::write(at("real/a.yaml"), "").unwrap();
        symlink("../real/a.yaml", at("rules/a.yaml")).unwrap();
        symlink(at("out"), at("place")).unwrap();
        fs::write(at("out/alerts"), "").unwrap();
        let options = [
            ("file_output.enabled", "true".to_owned()),
            ("file_output.filename", at("place/alerts").display().to_string()),
            ("http_output.enabled", "true".to_owned()),
            ("http_output.url", "http://collector:8088/x".to_owned()),
            ("capture.enabled", "true".to_owned()),
            ("capture.path_prefix", at("later/on/alert").display().to_string()),
            ("peregrine.sandbox.reads", at("real").display().to_string()),
        ];
        let source = ConfigSource {
            config: Some("/dev/null".into()),
            options: options.iter().map(|(key, value)| format!("{key}={value}")).collect(),
            ..ConfigSource::default()
        };
        let config = config::load(&source, &Settings::default()).unwrap();
        let reads = [Watched::Rules(at("rules")), Watched::Config(at("none/at/all.yaml"))];
        let needs = Needs { config: &config, reads: &reads, pidfile: Some(Path::new("/dev/null")) };
        let Places { reads, lists: _, writes, files, ports } = Places::of(&needs);
        let has = |of: &BTreeSet<PathBuf>, path: PathBuf| of.contains(&path);
        assert!(has(&reads, at("rules")) && has(&reads, at("real")), "{reads:?}");
        assert!(has(&reads, dir.path().canonicalize().unwrap()), "{reads:?}");
        assert!(has(&writes, at("out")), "{writes:?}");
        // Made when the first recording is, below what is there.
        assert!(has(&writes, dir.path().canonicalize().unwrap()), "{writes:?}");
        assert!(!writes.iter().chain(&reads).any(|path| path == Path::new("/")));
        assert_eq!(files, [PathBuf::from("/dev/null")].into());
        assert_eq!(ports, [53, 8088].into());
    }
}

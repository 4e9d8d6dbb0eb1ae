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
        let zone = std::env::var_os("TZ").map(PathBuf::from).filter(|tz| tz.is_absolute());
        places.reads.extend(zone.as_deref().and_then(nearest));
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
        // It is bound already, and goes when the agent ends.
        if let Some(directory) =
            std::path::absolute(&config.socket).ok().as_deref().and_then(Path::parent)
        {
            places.directory(directory);
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
            self.read_file(&path);
            return;
        }
        self.reads.extend(nearest(&path));
        for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_symlink())
                && let Ok(to) = entry.path().canonicalize()
            {
                if to.is_dir() {
                    self.reads.extend(nearest(&to));
                } else {
                    self.read_file(&to);
                }
            }
        }
    }

    /// The directories of its name and of what that leads to. Of one in the root, and of what is no file, there is nothing beside it to be read.
    fn read_file(&mut self, path: &Path) {
        let target = path.canonicalize().ok();
        let is_alone = fs::metadata(path).is_ok_and(|found| !found.is_file());
        for of in [Some(path), target.as_deref()].into_iter().flatten() {
            match of.parent().and_then(nearest).filter(|_| !is_alone) {
                Some(directory) => drop(self.reads.insert(directory)),
                None => self.reads.extend(target.clone()),
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
    let all = [file, snapshots, recordings, config.write.as_deref()];
    all.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::cli::{ConfigSource, Settings};
    use crate::config;

    #[test]
    fn what_lies_in_the_root_or_is_no_file_opens_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().canonicalize().unwrap().join(name);
        for name in ["rules", "up"] {
            fs::create_dir(at(name)).unwrap();
        }
        symlink("/dev/zero", at("rules/zero.yaml")).unwrap();
        symlink("/", at("rules/root")).unwrap();
        symlink("/none-at-all.yaml", at("rules/none.yaml")).unwrap();
        let reads = |paths: &[PathBuf]| {
            let mut places = Places::default();
            for path in paths {
                places.read(path);
            }
            places.reads
        };
        assert_eq!(
            reads(&["/dev/null", "/none-at-all.yaml"].map(PathBuf::from)),
            [PathBuf::from("/dev/null")].into()
        );
        assert!(!reads(&[PathBuf::from("/")]).contains(Path::new("/")));
        assert_eq!(reads(&[at("rules")]), [at("rules"), "/dev/zero".into()].into());
        // Most machines have no file in the root; where one has, it alone is read.
        let of_root = fs::read_dir("/").unwrap().flatten().map(|entry| entry.path());
        if let Some(file) = of_root.filter(|path| !path.is_symlink()).find(|path| path.is_file()) {
            symlink(&file, at("up/a.yaml")).unwrap();
            assert_eq!(reads(&[at("up")]), [at("up"), file.clone()].into());
            assert_eq!(reads(&[at("up/a.yaml"), file.clone()]), [at("up"), file].into());
        }
    }

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
        fs::create_dir(at("run")).unwrap();
        let config = Config { socket: at("run/p.sock"), ..config };
        let _bound = std::os::unix::net::UnixListener::bind(&config.socket).unwrap();
        let needs = Needs { config: &config, reads: &reads, pidfile: Some(Path::new("/dev/null")) };
        let Places { reads, lists: _, writes, files, ports } = Places::of(&needs);
        let has = |of: &BTreeSet<PathBuf>, path: PathBuf| of.contains(&path);
        assert!(has(&reads, at("rules")) && has(&reads, at("real")), "{reads:?}");
        assert!(has(&reads, dir.path().canonicalize().unwrap()), "{reads:?}");
        assert!(has(&writes, at("out")) && has(&writes, at("run")), "{writes:?}");
        // Made when the first recording is, below what is there.
        assert!(has(&writes, dir.path().canonicalize().unwrap()), "{writes:?}");
        assert!(!writes.iter().chain(&reads).any(|path| path == Path::new("/")));
        assert_eq!(files, [PathBuf::from("/dev/null")].into());
        assert_eq!(ports, [53, 8088].into());
    }
}

//! Notices changes of files, through symbolic links and of files that are not there yet: inotify on the directories that hold the names, never
//! on the files, which editors and Kubernetes replace.
//!
//! inotify is used as the kernel has it, since `notify` (8) asks for more than changes: each `open` and each `write` in a watched directory would
//! wake the thread, and a rule file may lie in a busy one.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Read as _;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io;

use crate::rule_files;

/// As the kernel bounds them.
const MAX_LINKS: usize = 40;
/// Files of one directory that are looked at.
const MAX_ENTRIES: usize = 1024;
/// Bytes of a file that are compared.
const MAX_BYTES: u64 = 64 << 20;

/// What a reload reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Watched {
    /// A configuration file, or a directory of them.
    Config(PathBuf),
    /// A rule file, or a directory of them.
    Rules(PathBuf),
}

impl Watched {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Config(path) | Self::Rules(path) => path,
        }
    }

    /// The files that it comes to now, sorted.
    fn files(&self) -> Vec<PathBuf> {
        let path = self.path();
        match self {
            _ if !path.is_dir() => vec![path.to_owned()],
            Self::Rules(_) => rule_files::directory(path).unwrap_or_default(),
            Self::Config(_) => entries(path).filter(|file| file.is_file()).collect(),
        }
    }
}

/// What files have: equal where a reload would read the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents(u64);

impl Contents {
    /// What they have now.
    pub(crate) fn of(watched: &[Watched]) -> Self {
        let mut hasher = DefaultHasher::new();
        for file in watched.iter().flat_map(Watched::files) {
            file.hash(&mut hasher);
            // A pipe gives its text once.
            let text = if file.is_file() { fs::File::open(&file).ok() } else { None };
            text.is_some().hash(&mut hasher);
            let mut text = text.map(|text| text.take(MAX_BYTES));
            let mut chunk = [0; 16 << 10];
            while let Some(n) = text.as_mut().and_then(|t| t.read(&mut chunk).ok()) {
                if n == 0 {
                    break;
                }
                hasher.write(&chunk[..n]);
            }
        }
        Self(hasher.finish())
    }
}

/// Names of one directory.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Names {
    All,
    These(BTreeSet<OsString>),
}

impl Names {
    fn has(&self, name: &OsStr) -> bool {
        match self {
            Self::All => true,
            Self::These(names) => names.contains(name),
        }
    }
}

/// The names that decide what paths come to, by directory.
#[derive(Debug, Default, PartialEq, Eq)]
struct Places(BTreeMap<PathBuf, Names>);

impl Places {
    fn of(watched: &[Watched]) -> Self {
        let mut places = Self::default();
        for path in watched.iter().map(Watched::path) {
            if let Some(dir) = places.follow(path) {
                // A link in a directory may lead anywhere.
                for link in entries(&dir).filter(|entry| entry.is_symlink()) {
                    places.follow(&link);
                }
                places.0.insert(dir, Names::All);
            }
        }
        places
    }

    /// Notes each name on the way that may come to something else; gives the directory where the path is one.
    fn follow(&mut self, path: &Path) -> Option<PathBuf> {
        let path = std::path::absolute(path).ok()?;
        let parts = |path: &Path| -> Vec<OsString> {
            path.components().map(|part| part.as_os_str().to_owned()).collect()
        };
        let mut rest = VecDeque::from(parts(&path));
        let mut at = PathBuf::from("/");
        let mut n_links = 0;
        while let Some(part) = rest.pop_front() {
            match Path::new(&part).components().next() {
                Some(Component::RootDir) => at = "/".into(),
                Some(Component::ParentDir) => drop(at.pop()),
                Some(Component::Normal(_)) => {
                    let here = at.join(&part);
                    let found = fs::symlink_metadata(&here);
                    let is_dir = found.as_ref().is_ok_and(fs::Metadata::is_dir);
                    if !is_dir || rest.is_empty() {
                        self.note(&at, part);
                    }
                    if found.is_ok_and(|meta| meta.is_symlink()) && n_links < MAX_LINKS {
                        n_links += 1;
                        let target = fs::read_link(&here).ok()?;
                        parts(&target).into_iter().rev().for_each(|part| rest.push_front(part));
                    } else if is_dir {
                        at = here;
                    } else {
                        return None;
                    }
                }
                _ => {}
            }
        }
        Some(at)
    }

    fn note(&mut self, dir: &Path, name: OsString) {
        let names = self.0.entry(dir.to_owned()).or_insert(Names::These(BTreeSet::new()));
        if let Names::These(names) = names {
            names.insert(name);
        }
    }
}

/// The entries of a directory, sorted.
fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let read = fs::read_dir(dir).into_iter().flatten().take(MAX_ENTRIES);
    let mut entries: Vec<_> = read.filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort();
    entries.into_iter()
}

/// Tells of changes.
#[derive(Debug)]
pub(crate) struct FileWatch {
    inotify: OwnedFd,
    names: HashMap<i32, Names>,
}

impl FileWatch {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// The kernel gives no more of them to this user.
    pub(crate) fn new() -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self { inotify, names: HashMap::new() })
    }

    /// What becomes readable when something may have changed.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// Watches these, and nothing else; links are followed anew. What changes from the return on is noticed. Gives directories that cannot be watched.
    pub(crate) fn set(&mut self, watched: &[Watched]) -> Vec<PathBuf> {
        let flags = WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        let (mut names, mut refused) = (HashMap::new(), Vec::new());
        for (dir, of_dir) in Places::of(watched).0 {
            match inotify::add_watch(&self.inotify, &dir, flags) {
                Ok(wd) => drop(names.insert(wd, of_dir)),
                // It went meanwhile, which the directory above tells.
                Err(io::Errno::NOENT | io::Errno::NOTDIR) => {}
                Err(_) => refused.push(dir),
            }
        }
        for wd in self.names.keys().filter(|wd| !names.contains_key(wd)) {
            // The kernel has dropped that of a directory that is gone.
            inotify::remove_watch(&self.inotify, *wd).ok();
        }
        self.names = names;
        refused
    }

    /// Reads what has happened; whether any of it may change what is watched.
    pub(crate) fn has_changed(&self) -> bool {
        let mut buffer = [MaybeUninit::uninit(); 8 << 10];
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        let mut has_changed = false;
        while let Ok(event) = reader.next() {
            let names = self.names.get(&event.wd());
            let of_dir = ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF;
            has_changed |= event.events().contains(ReadFlags::QUEUE_OVERFLOW)
                || names.is_some_and(|names| match event.file_name() {
                    Some(name) => names.has(OsStr::from_bytes(name.to_bytes())),
                    None => event.events().intersects(of_dir),
                });
        }
        has_changed
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Rig {
        dir: tempfile::TempDir,
        watched: Vec<Watched>,
        watch: FileWatch,
        contents: Contents,
    }

    impl Rig {
        fn new(make: impl FnOnce(&Path) -> Vec<Watched>) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let watched = make(dir.path());
            let mut watch = FileWatch::new().unwrap();
            assert_eq!(watch.set(&watched), Vec::<PathBuf>::new());
            let contents = Contents::of(&watched);
            Self { dir, watched, watch, contents }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        /// What is seen of a change, at once, for inotify tells before the call returns: an event, other contents.
        fn check(&mut self, expected: [bool; 2], change: impl FnOnce(&Path)) {
            change(self.dir.path());
            let has_changed = self.watch.has_changed();
            self.watch.set(&self.watched);
            let contents = Contents::of(&self.watched);
            let differs = std::mem::replace(&mut self.contents, contents) != contents;
            assert_eq!([has_changed, differs], expected);
            assert!(!self.watch.has_changed(), "looking at files changes nothing");
        }
    }

    #[test]
    fn a_file_is_written_replaced_and_comes_back() {
        let mut rig = Rig::new(|dir| {
            fs::write(dir.join("a.yaml"), "1").unwrap();
            vec![Watched::Rules(dir.join("a.yaml"))]
        });
        rig.check([true, true], |dir| fs::write(dir.join("a.yaml"), "2").unwrap());
        rig.check([true, false], |dir| fs::write(dir.join("a.yaml"), "2").unwrap());
        // Neighbours, and readers, are nobody's affair.
        rig.check([false, false], |dir| fs::write(dir.join("b.yaml"), "2").unwrap());
        rig.check([false, false], |dir| drop(fs::read(dir.join("a.yaml")).unwrap()));
        rig.check([true, true], |dir| {
            fs::write(dir.join(".a.swp"), "3").unwrap();
            fs::rename(dir.join(".a.swp"), dir.join("a.yaml")).unwrap();
        });
        rig.check([true, true], |dir| fs::remove_file(dir.join("a.yaml")).unwrap());
        rig.check([true, true], |dir| fs::write(dir.join("a.yaml"), "3").unwrap());
        // As vim writes: away with the old one, then a new one.
        rig.check([true, true], |dir| {
            fs::rename(dir.join("a.yaml"), dir.join("a.yaml~")).unwrap();
            fs::write(dir.join("a.yaml"), "4").unwrap();
        });
    }

    #[test]
    fn directories_get_files_and_lose_them() {
        let mut rig = Rig::new(|dir| {
            fs::create_dir(dir.join("rules.d")).unwrap();
            vec![Watched::Rules(dir.join("rules.d"))]
        });
        rig.check([true, true], |dir| fs::write(dir.join("rules.d/a.yaml"), "1").unwrap());
        rig.check([true, false], |dir| fs::write(dir.join("rules.d/notes.txt"), "1").unwrap());
        rig.check([true, true], |dir| {
            fs::rename(dir.join("rules.d/a.yaml"), dir.join("rules.d/b.yaml")).unwrap();
        });
        rig.check([true, true], |dir| fs::rename(dir.join("rules.d"), dir.join("away")).unwrap());
        rig.check([false, false], |dir| fs::write(dir.join("away/b.yaml"), "2").unwrap());
        rig.check([true, true], |dir| fs::rename(dir.join("away"), dir.join("rules.d")).unwrap());
    }

    #[test]
    fn what_is_not_there_yet_is_waited_for() {
        let mut rig = Rig::new(|dir| vec![Watched::Config(dir.join("etc/p/p.yaml"))]);
        rig.check([true, false], |dir| fs::create_dir(dir.join("etc")).unwrap());
        rig.check([true, false], |dir| fs::create_dir(dir.join("etc/p")).unwrap());
        rig.check([true, true], |dir| fs::write(dir.join("etc/p/p.yaml"), "a: b").unwrap());
        rig.check([true, true], |dir| fs::remove_dir_all(dir.join("etc")).unwrap());
    }

    /// A volume of a config map as kubelet makes and changes it: the files are links by way of `..data`, which is renamed over.
    #[test]
    fn a_config_map_swaps_its_directory() {
        fn put(dir: &Path, version: &str, text: &str) {
            fs::create_dir(dir.join(version)).unwrap();
            fs::write(dir.join(version).join("rules.yaml"), text).unwrap();
            symlink(version, dir.join("..data_tmp")).unwrap();
            fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
        }
        for of_directory in [false, true] {
            let mut rig = Rig::new(|dir| {
                put(dir, "..2026_1", "1");
                symlink("..data/rules.yaml", dir.join("rules.yaml")).unwrap();
                let path = if of_directory { dir.to_owned() } else { dir.join("rules.yaml") };
                vec![Watched::Rules(path)]
            });
            for n in 2..5 {
                rig.check([true, true], |dir| put(dir, &format!("..2026_{n}"), &n.to_string()));
                let old = rig.path(&format!("..2026_{}", n - 1));
                rig.check([of_directory, false], |_| fs::remove_dir_all(old).unwrap());
            }
        }
    }

    #[test]
    fn links_are_followed_to_where_files_are() {
        let mut rig = Rig::new(|dir| {
            for part in ["real", "rules.d"] {
                fs::create_dir(dir.join(part)).unwrap();
            }
            fs::write(dir.join("real/a.yaml"), "1").unwrap();
            symlink("../real/a.yaml", dir.join("rules.d/a.yaml")).unwrap();
            symlink("loop", dir.join("loop")).unwrap();
            vec![Watched::Rules(dir.join("rules.d")), Watched::Rules(dir.join("loop"))]
        });
        rig.check([true, true], |dir| fs::write(dir.join("real/a.yaml"), "2").unwrap());
        rig.check([true, true], |dir| fs::remove_file(dir.join("rules.d/a.yaml")).unwrap());
        rig.check([false, false], |dir| fs::write(dir.join("real/a.yaml"), "3").unwrap());
    }
}

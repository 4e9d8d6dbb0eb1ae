//! Files, directories, pipes, memory files and processes as descriptors; the working directory.

use std::io::Write;

use event::{EventType, descriptor_flags as flag};

use super::{
    Descriptors, Enter, TableId,
    calls::{number_u16, number_u32, number_u64, text},
    entry::O_CLOEXEC,
    path::{change_dir, join},
};
use crate::savefile::{SavedEvent, processes::task_id};

pub(super) const GETCWD_X: EventType = EventType(93);

const O_DIRECTORY: u32 = 0x400;
/// Bits from here on are the kernel's findings, not what the process asked for.
const FIRST_FOUND: u32 = 0x4000;
const UPPER_LAYER: u32 = 0x8000;
const LOWER_LAYER: u32 = 0x1_0000;
const MFD_CLOEXEC: u32 = 1;
const AT_FDCWD: i64 = -100;
const UNAVAILABLE: &[u8] = b"<NA>";
/// The path of a directory that is not known, as other readers spell it.
const UNKNOWN_DIR: &[u8] = b"<UNKNOWN>";

/// What a call of the open family says.
struct Opened<'a> {
    name: &'a [u8],
    flags: u32,
    /// `None` where the name starts from the working directory.
    dirfd: Option<i64>,
    /// The name is whole as it is.
    is_whole: bool,
    dev: u32,
    ino: u64,
}

fn opened<'a>(event: &SavedEvent<'a>, enter: Option<&'a Enter>) -> Opened<'a> {
    use EventType as E;
    let ty = event.event_type;
    let (name_at, flags_at, dirfd_at, dev_at) = match ty {
        E::OPEN_X => (1, Some(2), None, 4),
        E::CREAT_X => (1, None, None, 3),
        E::OPENAT_2_X => (2, Some(3), Some(1), 5),
        E::OPENAT2_X => (2, Some(3), Some(1), 6),
        _ => (3, Some(2), None, 4),
    };
    let dirfd = dirfd_at.and_then(|n| event.param_i64(n)).filter(|&fd| fd != AT_FDCWD);
    let mut opened = Opened {
        name: text(event, name_at).unwrap_or(if dirfd_at.is_some() { UNAVAILABLE } else { b"" }),
        flags: flags_at.and_then(|n| number_u32(event, n)).unwrap_or_default(),
        dirfd,
        is_whole: ty == E::OPEN_BY_HANDLE_AT_X,
        dev: number_u32(event, dev_at).unwrap_or_default(),
        ino: number_u64(event, dev_at + 1).unwrap_or_default(),
    };
    if ty == E::CREAT_X {
        opened.flags = number_u16(event, 5).map_or(0, |found| match found {
            f if f & 1 != 0 => UPPER_LAYER,
            f if f & 2 != 0 => LOWER_LAYER,
            _ => 0,
        });
    }
    // Another thread may have written another name there since; the kernel took the first.
    if let Some(enter) = enter {
        let said = enter.text.strip_suffix(&[0]).unwrap_or(&enter.text);
        if said != UNAVAILABLE {
            opened.name = said;
            opened.flags = enter.flags | opened.flags & !(FIRST_FOUND - 1);
            opened.dirfd = dirfd_at.map(|_| enter.dirfd).filter(|&fd| fd != AT_FDCWD);
        }
    }
    opened
}

impl Descriptors {
    pub(super) fn open(
        &mut self,
        event: &SavedEvent<'_>,
        enter: Option<&Enter>,
        id: TableId,
        cwd: &[u8],
    ) {
        let opened = opened(event, enter);
        let mut path = std::mem::take(&mut self.path_room);
        let mut dir = std::mem::take(&mut self.name_room);
        dir.clear();
        if !opened.is_whole && !opened.name.starts_with(b"/") {
            match opened.dirfd {
                None => dir.extend_from_slice(cwd),
                Some(fd) => match self.table(id).get(fd) {
                    Some(d) => {
                        dir.extend_from_slice(d.name());
                        if !matches!(dir.last(), None | Some(b'/')) {
                            dir.push(b'/');
                        }
                    }
                    None => dir.extend_from_slice(UNKNOWN_DIR),
                },
            }
        }
        join(&dir, opened.name, &mut path);
        let fd = event.param_i64(0).unwrap_or(-1);
        if fd < 0 {
            self.now.name.extend_from_slice(&path);
            self.now.raw_name.extend_from_slice(opened.name);
        } else {
            self.now.name_changed = !path.is_empty();
            let Opened { name, flags, dev, ino, .. } = opened;
            self.put(id, fd, |d| {
                d.kind = if flags & O_DIRECTORY != 0 { b'd' } else { b'f' };
                d.open_flags = flags;
                d.dev = dev;
                d.ino = ino;
                d.is_close_on_exec = flags & O_CLOEXEC != 0;
                if flags & UPPER_LAYER != 0 {
                    d.flags |= flag::UPPER_LAYER;
                }
                if flags & LOWER_LAYER != 0 {
                    d.flags |= flag::LOWER_LAYER;
                }
                d.set_name(&path, name);
            });
        }
        self.path_room = path;
        self.name_room = dir;
    }

    pub(super) fn pipe(&mut self, event: &SavedEvent<'_>, id: TableId) {
        if event.param_i64(0).is_none_or(|res| res < 0) {
            self.now.own = Some(-1);
            return;
        }
        let ino = number_u64(event, 3).unwrap_or_default();
        let open_flags = number_u32(event, 4).unwrap_or_default();
        for n in [1, 2] {
            let Some(fd) = event.param_i64(n) else { continue };
            self.put(id, fd, |d| {
                d.kind = b'p';
                d.ino = ino;
                d.open_flags = open_flags;
                d.is_close_on_exec = open_flags & O_CLOEXEC != 0;
            });
            self.now.own = Some(fd);
        }
    }

    pub(super) fn memfd(&mut self, event: &SavedEvent<'_>, id: TableId, fd: i64) {
        let name = text(event, 1).unwrap_or_default();
        let flags = number_u32(event, 2).unwrap_or_default();
        self.now.name_changed = !name.is_empty();
        self.put(id, fd, |d| {
            d.kind = b'm';
            d.open_flags = flags;
            d.is_close_on_exec = flags & MFD_CLOEXEC != 0;
            d.set_name(name, b"");
        });
    }

    pub(super) fn pidfd(&mut self, event: &SavedEvent<'_>, id: TableId, fd: i64) {
        let pid = event.param_i64(1).unwrap_or_default();
        let flags = number_u32(event, 2).unwrap_or_default();
        self.now.name_changed = true;
        let mut name = std::mem::take(&mut self.name_room);
        name.clear();
        let written = write!(name, "/proc/{pid}");
        debug_assert!(written.is_ok(), "a vector takes everything");
        self.put(id, fd, |d| {
            d.kind = b'P';
            d.open_flags = flags;
            d.pid = task_id(pid);
            // The kernel makes it so, always.
            d.is_close_on_exec = true;
            d.set_name(&name, b"");
        });
        self.name_room = name;
    }

    /// What chdir, fchdir and getcwd make of the working directory. Gives whether they did.
    pub(super) fn change_dir(
        &mut self,
        event: &SavedEvent<'_>,
        id: TableId,
        cwd: &mut Vec<u8>,
    ) -> bool {
        if event.param_i64(0).is_none_or(|res| res < 0) {
            return false;
        }
        let path = if event.event_type == EventType::FCHDIR_X {
            let known = self.now.own.and_then(|fd| self.tables[id.0 as usize].table.get(fd));
            known.map(|d| d.name())
        } else {
            text(event, 1)
        };
        let Some(path) = path else { return false };
        change_dir(cwd, path, &mut self.path_room);
        true
    }
}

//! open, openat, openat2, creat, open_by_handle_at.

use event::{EventType, FileFacts, Frame, file_flags};

use super::{i64_of, params, text, u32_of, u64_of};

/// `PPM_O_CREAT | PPM_O_WRONLY | PPM_O_TRUNC`: what creat means.
const CREAT_FLAGS: u32 = 0x4 | 0x2 | 0x100;
/// `PPM_AT_FDCWD`: the name starts from the working directory.
const AT_FDCWD: i64 = -100;

/// `PPM_O_*` bits of the flags parameter.
pub(crate) mod open_flags {
    pub(crate) const RDONLY: u32 = 1;
    pub(crate) const WRONLY: u32 = 2;
    pub(crate) const DIRECTORY: u32 = 0x400;
    pub(crate) const TMPFILE: u32 = 0x2000;
    pub(crate) const F_CREATED: u32 = 0x4000;
    pub(crate) const UPPER_LAYER: u32 = 0x8000;
    pub(crate) const LOWER_LAYER: u32 = 0x1_0000;
}

/// An open.
#[derive(Clone, Copy, Debug)]
pub struct Open<'a> {
    /// The descriptor, or an errno.
    pub fd: i64,
    /// The string that the process passed; `None` where it could not be read.
    pub name: Option<&'a [u8]>,
    /// `PPM_O_*`.
    pub flags: u32,
    /// Permission bits asked for.
    pub mode: Option<u32>,
    /// Directory descriptor that a relative name starts from; `None` is the working directory.
    pub dirfd: Option<i64>,
    /// Device as the parameter has it.
    pub dev: Option<u32>,
    /// Inode as the parameter has it.
    pub ino: Option<u64>,
    /// The opened file; live frames only.
    pub file: Option<FileFacts<'a>>,
    /// The directory that a relative name starts from; live frames only.
    pub dir: Option<FileFacts<'a>>,
}

impl<'a> Open<'a> {
    pub(super) fn parse(frame: &Frame<'a>) -> Self {
        let p: [&[u8]; 8] = params(frame);
        // Positions of name, flags, mode, dev, ino and dirfd in each member of the family.
        let (name, flags, mode, dev, ino, dirfd) = match frame.event_type() {
            EventType::OPEN_X => (p[1], u32_of(p[2]), p[3], p[4], p[5], None),
            EventType::CREAT_X => {
                // Its own flags only tell the overlay's layer, from bit 0 on.
                let layer = p[5].first().map_or(0, |&b| u32::from(b & 3));
                (p[1], Some(CREAT_FLAGS | layer << 15), p[2], p[3], p[4], None)
            }
            EventType::OPEN_BY_HANDLE_AT_X => (p[3], u32_of(p[2]), &[][..], p[4], p[5], None),
            EventType::OPENAT2_X => (p[2], u32_of(p[3]), p[4], p[6], p[7], i64_of(p[1])),
            _ => (p[2], u32_of(p[3]), p[4], p[5], p[6], i64_of(p[1])),
        };
        Self {
            fd: i64_of(p[0]).unwrap_or(-1),
            name: (!name.is_empty()).then(|| text(name)),
            flags: flags.unwrap_or(0),
            mode: u32_of(mode),
            dirfd: dirfd.filter(|&fd| fd != AT_FDCWD),
            dev: u32_of(dev),
            ino: u64_of(ino),
            file: frame.trailer().file(),
            dir: frame.trailer().dir(),
        }
    }

    /// The kernel's name of the file, where a walk reached its root.
    #[must_use]
    pub fn kernel_name(&self) -> Option<&'a [u8]> {
        let file = self.file.filter(|f| f.flags & file_flags::UNRESOLVED == 0)?;
        (!file.path.is_empty()).then_some(file.path)
    }
}

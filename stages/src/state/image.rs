//! What an exec loads: program, arguments, environment. Immutable, shared by forks.

/// Bits of the `flags` parameter of an exec.
pub mod exe_flags {
    /// The process's user may write to the program's file.
    pub const WRITABLE: u32 = 1;
    /// The file lives in the upper layer of an overlay.
    pub const UPPER_LAYER: u32 = 1 << 1;
    /// The file is an anonymous memory file.
    pub const FROM_MEMFD: u32 = 1 << 2;
    /// The file lives in a lower layer of an overlay.
    pub const LOWER_LAYER: u32 = 1 << 3;
}

/// A loaded program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Name of the thread, at most 15 bytes.
    pub comm: Box<[u8]>,
    /// `argv[0]`.
    pub exe: Box<[u8]>,
    /// The kernel's path of the program.
    pub exepath: Box<[u8]>,
    /// `argv[1..]`, each NUL-terminated.
    pub args: Box<[u8]>,
    /// Environment, each NUL-terminated.
    pub env: Box<[u8]>,
    /// `args` joined by blanks.
    pub args_line: Box<[u8]>,
    /// `comm` and `args` joined by blanks.
    pub cmdline: Box<[u8]>,
    /// `exe` and `args` joined by blanks.
    pub exeline: Box<[u8]>,
    /// Inode of the program's file.
    pub ino: u64,
    /// Its change time, ns since the epoch.
    pub ctime: u64,
    /// Its modification time, ns since the epoch.
    pub mtime: u64,
    /// See [`exe_flags`].
    pub flags: u32,
}

/// The strings of a NUL-terminated list.
pub(crate) fn strings(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let list = list.strip_suffix(&[0]).unwrap_or(list);
    let n = if list.is_empty() { 0 } else { usize::MAX };
    list.split(|&b| b == 0).take(n)
}

fn joined(first: &[u8], args: &[u8]) -> Box<[u8]> {
    let mut line = Vec::with_capacity(first.len() + args.len() + 1);
    line.extend_from_slice(first);
    for arg in strings(args) {
        if !line.is_empty() {
            line.push(b' ');
        }
        line.extend_from_slice(arg);
    }
    line.into()
}

impl Image {
    /// Fills in the lines that are made of the other fields.
    pub(super) fn with_lines(mut self) -> Self {
        self.args_line = joined(b"", &self.args);
        self.cmdline = joined(&self.comm, &self.args);
        self.exeline = joined(&self.exe, &self.args);
        self
    }

    /// Number of arguments, `argv[0]` not counted.
    #[must_use]
    pub fn n_args(&self) -> usize {
        strings(&self.args).count()
    }

    /// Bytes of all arguments together.
    #[must_use]
    pub fn args_len(&self) -> usize {
        strings(&self.args).map(<[u8]>::len).sum()
    }

    /// Argument `n`, `argv[0]` not counted.
    #[must_use]
    pub fn arg(&self, n: usize) -> Option<&[u8]> {
        strings(&self.args).nth(n)
    }

    /// Value of an environment variable.
    #[must_use]
    pub fn env_var(&self, name: &str) -> Option<&[u8]> {
        strings(&self.env).find_map(|v| v.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    }

    /// Whether all the given [`exe_flags`] are set.
    #[must_use]
    pub fn has(&self, flags: u32) -> bool {
        self.flags & flags == flags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_join_the_arguments() {
        let image = Image {
            comm: b"ls"[..].into(),
            exe: b"/bin/ls"[..].into(),
            args: b"-l\0\0/x\0"[..].into(),
            env: b"PATH=/bin\0A=\0"[..].into(),
            ..Image::default()
        }
        .with_lines();
        assert_eq!(&*image.cmdline, b"ls -l  /x");
        assert_eq!(&*image.exeline, b"/bin/ls -l  /x");
        assert_eq!((image.n_args(), image.args_len()), (3, 4));
        assert_eq!(image.arg(2), Some(&b"/x"[..]));
        assert_eq!(image.env_var("A"), Some(&b""[..]));
        assert_eq!(image.env_var("P"), None);
        assert_eq!(Image::default().n_args(), 0);
    }
}

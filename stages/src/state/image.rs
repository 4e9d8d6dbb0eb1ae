//! What an exec loads: program, arguments, environment. Immutable, shared by forks.

use std::mem;
use std::ops::Deref;

use super::room::Charge;

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

/// A loaded program. Its texts lie in one buffer, which is filled anew when the image is used again.
#[derive(Debug, Default)]
pub struct Image {
    /// What it takes of the table's memory; nothing where its process has paid for it.
    pub(super) charge: Charge,
    text: Vec<u8>,
    /// Where each text ends, in the order of [`Text`]: each is of one frame, so that all of them are short of 4 GiB.
    ends: [u32; N_TEXTS],
    /// Inode of the program's file.
    pub ino: u64,
    /// Its change time, ns since the epoch.
    pub ctime: u64,
    /// Its modification time, ns since the epoch.
    pub mtime: u64,
    /// See [`exe_flags`].
    pub flags: u32,
}

/// The texts of an image, in the order of the buffer.
#[derive(Clone, Copy)]
enum Text {
    Comm,
    Exe,
    Exepath,
    Args,
    Env,
    ArgsLine,
    Cmdline,
    Exeline,
}

const N_TEXTS: usize = Text::Exeline as usize + 1;

/// What an image is filled with.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Program<'a> {
    pub(super) comm: &'a [u8],
    pub(super) exe: &'a [u8],
    pub(super) exepath: &'a [u8],
    pub(super) args: &'a [u8],
    pub(super) env: &'a [u8],
    pub(super) ino: u64,
    pub(super) ctime: u64,
    pub(super) mtime: u64,
    pub(super) flags: u32,
}

/// Longest program path and `argv[0]` that an image keeps where there is no room for more.
const MAX_SHORT_PATH: usize = 96;
/// Bytes of the arguments that it keeps then.
const MAX_SHORT_ARGS: usize = 48;
/// Longest name of a thread that Linux tells.
const MAX_COMM: usize = 63;

impl Program<'_> {
    /// What is kept where there is no room for all: the name, `argv[0]` and the path as far as they are short, the first bytes of the
    /// arguments, no environment.
    pub(super) fn shortened(self) -> Self {
        let short = |path: &'_ [u8]| path.len() <= MAX_SHORT_PATH;
        Self {
            comm: &self.comm[..self.comm.len().min(MAX_COMM)],
            exe: if short(self.exe) { self.exe } else { &[] },
            exepath: if short(self.exepath) { self.exepath } else { &[] },
            args: &self.args[..self.args.len().min(MAX_SHORT_ARGS)],
            env: &[],
            ..self
        }
    }

    /// Bytes of the buffer that all texts take.
    fn text_len(&self) -> usize {
        let Self { comm, exe, exepath, args, env, .. } = self;
        // Three lines of the arguments, each with a blank before.
        2 * (comm.len() + exe.len()) + exepath.len() + env.len() + 4 * args.len() + 3
    }

    /// What an image of it takes.
    pub(super) fn image_bytes(&self) -> usize {
        Image::OWN_BYTES + self.text_len()
    }
}

/// A working directory; empty where it is not known.
#[derive(Debug, Default)]
pub struct Dir {
    /// What it takes of the table's memory.
    pub(super) charge: Charge,
    path: Vec<u8>,
}

impl Dir {
    /// With the counts of who holds it.
    pub(super) const OWN_BYTES: usize = size_of::<Self>() + 2 * size_of::<usize>();

    pub(super) fn of(path: &[u8]) -> Self {
        Self { charge: Charge::default(), path: path.to_vec() }
    }

    /// Replaces the path. Allocates only where the buffer was never as large.
    pub(super) fn fill(&mut self, path: &[u8]) {
        self.path.clear();
        self.path.extend_from_slice(path);
    }

    /// Bytes that the buffer has room for.
    pub(super) fn capacity(&self) -> usize {
        self.path.capacity()
    }
}

impl Deref for Dir {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.path
    }
}

/// The strings of a NUL-terminated list.
pub(crate) fn strings(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let list = list.strip_suffix(&[0]).unwrap_or(list);
    let n = if list.is_empty() { 0 } else { usize::MAX };
    list.split(|&b| b == 0).take(n)
}

/// Appends the strings of a list, joined by blanks.
fn join(text: &mut Vec<u8>, list: &[u8]) {
    let n_blanks = strings(list).count().saturating_sub(1);
    for (n, string) in strings(list).enumerate() {
        text.extend_from_slice(string);
        if n < n_blanks {
            text.push(b' ');
        }
    }
}

impl Image {
    /// With the counts of who holds it.
    pub(super) const OWN_BYTES: usize = size_of::<Self>() + 2 * size_of::<usize>();

    /// The most that an image of a shortened program takes.
    pub(super) const MAX_SHORT_BYTES: usize =
        Self::OWN_BYTES + 2 * (MAX_COMM + MAX_SHORT_PATH) + MAX_SHORT_PATH + 4 * MAX_SHORT_ARGS + 3;

    /// Replaces all it says. Allocates only where the buffer was never as large.
    pub(super) fn fill(&mut self, program: &Program<'_>) {
        let &Program { comm, exe, exepath, args, env, ino, ctime, mtime, flags } = program;
        let mut texts = mem::take(&mut self.text);
        let mut ends = [0u32; N_TEXTS];
        texts.clear();
        texts.reserve_exact(program.text_len());
        let (given, lines) = ends.split_at_mut(Text::ArgsLine as usize);
        for (end, bytes) in given.iter_mut().zip([comm, exe, exepath, args, env]) {
            texts.extend_from_slice(bytes);
            *end = texts.len() as u32;
        }
        // As Falco has it: a blank behind `argv[0]` even where there are no arguments.
        let has_args = strings(args).next().is_some();
        let starts = [(&[][..], false), (comm, has_args), (exe, true)];
        for (end, (first, is_apart)) in lines.iter_mut().zip(starts) {
            texts.extend_from_slice(first);
            texts.extend_from_slice(if is_apart { b" " } else { b"" });
            join(&mut texts, args);
            *end = texts.len() as u32;
        }
        let charge = mem::take(&mut self.charge);
        *self = Self { charge, text: texts, ends, ino, ctime, mtime, flags };
    }

    /// What it was filled with.
    pub(super) fn program(&self) -> Program<'_> {
        Program {
            comm: self.comm(),
            exe: self.exe(),
            exepath: self.exepath(),
            args: self.args(),
            env: self.env(),
            ino: self.ino,
            ctime: self.ctime,
            mtime: self.mtime,
            flags: self.flags,
        }
    }

    /// Bytes that the buffer has room for.
    pub(super) fn capacity(&self) -> usize {
        self.text.capacity()
    }

    fn text(&self, text: Text) -> &[u8] {
        let n = text as usize;
        let start = n.checked_sub(1).map_or(0, |n| self.ends[n]);
        &self.text[start as usize..self.ends[n] as usize]
    }

    /// Name of the thread, at most 15 bytes.
    #[must_use]
    pub fn comm(&self) -> &[u8] {
        self.text(Text::Comm)
    }

    /// `argv[0]`.
    #[must_use]
    pub fn exe(&self) -> &[u8] {
        self.text(Text::Exe)
    }

    /// The kernel's path of the program.
    #[must_use]
    pub fn exepath(&self) -> &[u8] {
        self.text(Text::Exepath)
    }

    /// `argv[1..]`, each NUL-terminated.
    #[must_use]
    pub fn args(&self) -> &[u8] {
        self.text(Text::Args)
    }

    /// Environment, each NUL-terminated.
    #[must_use]
    pub fn env(&self) -> &[u8] {
        self.text(Text::Env)
    }

    /// The arguments joined by blanks.
    #[must_use]
    pub fn args_line(&self) -> &[u8] {
        self.text(Text::ArgsLine)
    }

    /// `comm` and the arguments joined by blanks.
    #[must_use]
    pub fn cmdline(&self) -> &[u8] {
        self.text(Text::Cmdline)
    }

    /// `exe`, a blank, and the arguments joined by blanks.
    #[must_use]
    pub fn exeline(&self) -> &[u8] {
        self.text(Text::Exeline)
    }

    /// Number of arguments, `argv[0]` not counted.
    #[must_use]
    pub fn n_args(&self) -> usize {
        strings(self.args()).count()
    }

    /// Bytes of all arguments together.
    #[must_use]
    pub fn args_len(&self) -> usize {
        strings(self.args()).map(<[u8]>::len).sum()
    }

    /// Argument `n`, `argv[0]` not counted.
    #[must_use]
    pub fn arg(&self, n: usize) -> Option<&[u8]> {
        strings(self.args()).nth(n)
    }

    /// Value of an environment variable.
    #[must_use]
    pub fn env_var(&self, name: &str) -> Option<&[u8]> {
        strings(self.env()).find_map(|v| v.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
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
        let mut image = Image::default();
        image.fill(&Program {
            comm: b"ls",
            exe: b"/bin/ls",
            args: b"-l\0\0/x\0",
            env: b"PATH=/bin\0A=\0",
            ..Program::default()
        });
        assert_eq!(image.cmdline(), b"ls -l  /x");
        assert_eq!(image.exeline(), b"/bin/ls -l  /x");
        assert_eq!((image.exepath(), image.args_line()), (&b""[..], &b"-l  /x"[..]));
        assert_eq!((image.n_args(), image.args_len()), (3, 4));
        assert_eq!(image.arg(2), Some(&b"/x"[..]));
        assert_eq!(image.env_var("A"), Some(&b""[..]));
        assert_eq!(image.env_var("P"), None);
        assert_eq!(Image::default().n_args(), 0);
    }

    #[test]
    fn empty_arguments_are_joined_as_any() {
        let mut image = Image::default();
        let program = Program { comm: b"sshd", exe: b"sshd:", ..Program::default() };
        image.fill(&Program { args: b"\0\0", ..program });
        assert_eq!((image.args_line(), image.cmdline()), (&b" "[..], &b"sshd  "[..]));
        image.fill(&Program { args: b"\0", ..program });
        assert_eq!((image.cmdline(), image.exeline()), (&b"sshd"[..], &b"sshd: "[..]));
    }

    #[test]
    fn an_image_that_is_filled_again_keeps_its_buffer_and_nothing_else() {
        let long =
            Program { comm: b"cc1plus", args: b"-O2\0-g\0", env: b"A=1\0", ..Program::default() };
        let short = Program { comm: b"ls", args: b"/", ino: 7, ..Program::default() };
        let (mut used, mut new) = (Image::default(), Image::default());
        used.fill(&long);
        let capacity = used.capacity();
        used.fill(&short);
        new.fill(&short);
        assert_eq!((&used.text, used.ends, used.ino), (&new.text, new.ends, new.ino));
        assert_eq!((used.cmdline(), used.env()), (&b"ls /"[..], &b""[..]));
        assert_eq!(used.capacity(), capacity);
    }

    #[test]
    fn a_shortened_program_keeps_what_is_short_and_is_never_wrong() {
        let long = vec![b'/'; MAX_SHORT_PATH + 1];
        let args = b"-a\0".repeat(1000);
        let whole = Program {
            comm: b"cc1plus",
            exe: b"/usr/bin/cc1plus",
            exepath: &long,
            args: &args,
            env: b"A=1\0",
            ino: 7,
            ..Program::default()
        };
        let mut image = Image::default();
        image.fill(&whole.shortened());
        assert_eq!((image.comm(), image.exe()), (&b"cc1plus"[..], &b"/usr/bin/cc1plus"[..]));
        assert_eq!((image.exepath(), image.env(), image.ino), (&b""[..], &b""[..], 7));
        assert_eq!(image.args(), &args[..MAX_SHORT_ARGS]);
        assert!(Image::OWN_BYTES + image.capacity() <= Image::MAX_SHORT_BYTES);
    }
}

//! Names that calls pass: joined with the directory they start from, and normalised; the `fs.path` fields and `evt.abspath`.

use rules::{Arg, FsPathField as Field, NameView, Value};

use super::EventFields;
use super::fd::kernel_name;
use crate::parse::{Body, Call, FsPaths};
use crate::path::{directory, normalised};
use event::{EventType, FileFacts};

/// Spellings of an event's file name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// It has no file name.
    None,
    /// One, or two that are equal.
    One(NameView),
    /// Two that differ: rules are evaluated over each.
    Two,
}

impl<'e> EventFields<'e> {
    /// Which spellings of its name the event has.
    pub(crate) fn names(&self) -> Names {
        if self.event.is_from_file() {
            let has_one = self.has_passed_name() || self.recorded_file().is_some();
            return if has_one { Names::One(NameView::Lexical) } else { Names::None };
        }
        match self.event.body {
            Body::Open(open) => match (self.lexical_name(), open.kernel_name()) {
                (Some(lexical), Some(kernel)) if lexical != kernel => Names::Two,
                (Some(_), Some(_)) => Names::One(NameView::Both),
                (Some(_), None) => Names::One(NameView::Lexical),
                (None, Some(_)) => Names::One(NameView::Kernel),
                (None, None) => Names::None,
            },
            // A name that is only passed is the process's; that of a descriptor is the kernel's.
            Body::Call(call) if call.paths[0].is_some() => Names::One(NameView::Lexical),
            Body::Call(call) if call.object().and_then(kernel_name).is_some() => {
                Names::One(NameView::Kernel)
            }
            _ => Names::None,
        }
    }

    /// Whether the process passed a name, or tried to.
    pub(crate) fn has_passed_name(&self) -> bool {
        match self.event.body {
            Body::Open(_) => true,
            Body::Call(call) => call.paths[0].is_some(),
            _ => false,
        }
    }

    /// Whether the event has a file name at all.
    pub(super) fn has_names(&self) -> bool {
        match self.event.body {
            Body::Open(_) => true,
            Body::Call(_) => self.names() != Names::None,
            _ => false,
        }
    }

    /// The name as the process gave it, joined with the directory it starts from.
    pub(super) fn lexical_name(&self) -> Option<&'e [u8]> {
        self.lexical(0)
    }

    /// One of the call's names, joined with the directory it starts from.
    fn lexical(&self, n: usize) -> Option<&'e [u8]> {
        *self.lexical[n].get_or_init(|| match self.event.body {
            // Where the kernel has the same there is nothing to resolve.
            Body::Open(open)
                if n == 0
                    && open.name == open.kernel_name()
                    && open.name.is_some_and(|name| name.starts_with(b"/")) =>
            {
                open.name
            }
            Body::Open(open) if n == 0 => self.joined(open.name?, open.dir.as_ref(), open.dirfd),
            Body::Call(call) => match (self.event.frame.event_type(), n) {
                // What a link points to starts from where the link lies.
                (EventType::SYMLINK_X | EventType::SYMLINKAT_X, 1) => {
                    let dir = directory(self.lexical(0)?);
                    normalised(self.at.bump, Some(dir), call.paths[1]?)
                }
                // A device may be a word that names none.
                (EventType::MOUNT_X, 1) if !call.paths[1]?.contains(&b'/') => call.paths[1],
                _ => self.joined(call.paths[n]?, call.dirs[n].as_ref(), call.dirfds[n]),
            },
            _ => None,
        })
    }

    fn joined(
        &self,
        name: &'e [u8],
        dir: Option<&FileFacts<'_>>,
        dirfd: Option<i64>,
    ) -> Option<&'e [u8]> {
        let dir = match (dir, dirfd) {
            (Some(dir), _) => kernel_name(dir),
            (None, None) => self.cwd(),
            (None, Some(fd)) => self.recorded_as(fd).map(|facts| facts.name),
        };
        normalised(self.at.bump, dir, name)
    }

    /// The `fs.path` fields: for calls that did what they were asked to, and for opens.
    pub(super) fn fs_path(&self, field: Field) -> Option<Value<'_>> {
        /// An open that fails this way has no name for Falco.
        const EPERM: i64 = -1;
        let path = match self.event.body {
            Body::Open(open) if open.fd != EPERM => match field {
                Field::FsPathName => match self.recorded_name() {
                    Some(name) => Some(name),
                    None => self.opened_name(open),
                },
                Field::FsPathNameraw => open.name,
                Field::FsPathSource
                | Field::FsPathSourceraw
                | Field::FsPathTarget
                | Field::FsPathTargetraw => None,
            },
            Body::Call(call) if call.res == Some(0) => self.path_of_call(field, call),
            _ => None,
        };
        path.map(Value::Bytes)
    }

    fn path_of_call(&self, field: Field, call: &'e Call<'e>) -> Option<&'e [u8]> {
        let is = |a, b| field == a || field == b;
        let n = match call.shape.fs {
            FsPaths::Name if is(Field::FsPathName, Field::FsPathNameraw) => 0,
            FsPaths::Pair(source, _) if is(Field::FsPathSource, Field::FsPathSourceraw) => source,
            FsPaths::Pair(_, target) if is(Field::FsPathTarget, Field::FsPathTargetraw) => target,
            FsPaths::Descriptor if is(Field::FsPathName, Field::FsPathNameraw) => {
                return match self.recorded_name() {
                    Some(name) => Some(name),
                    None => call.object().and_then(kernel_name),
                };
            }
            FsPaths::None | FsPaths::Name | FsPaths::Pair(..) | FsPaths::Descriptor => return None,
        };
        let is_raw =
            matches!(field, Field::FsPathNameraw | Field::FsPathSourceraw | Field::FsPathTargetraw);
        if is_raw { call.paths[n] } else { self.lexical(n) }
    }

    /// `evt.abspath`: the name of a call that takes a directory's descriptor too, whether or not it succeeded.
    pub(super) fn abspath(&self, arg: &Arg) -> Option<&'e [u8]> {
        let ty = self.event.frame.event_type();
        match self.event.body {
            Body::Open(_) if matches!(ty, EventType::OPENAT_2_X | EventType::OPENAT2_X) => {
                self.lexical_name()
            }
            Body::Open(open) if ty == EventType::OPEN_BY_HANDLE_AT_X && open.fd > 0 => {
                self.lexical_name()
            }
            Body::Call(call) if call.shape.name_from_dirfd() => {
                let is_second = matches!(arg, Arg::Key(side) if &**side == "dst");
                let has_second = call.shape.is_renaming();
                self.lexical(usize::from(is_second && has_second))
            }
            _ => None,
        }
    }
}

//! Frame to event: typed, borrowed from the frame's bytes, allocated in the window's arena.

mod answer;
mod call;
mod file;
mod network;
mod process;

use bumpalo::Bump;
use bus::Key;
use event::{EF_SKIPS_THREAD, EventSet, EventType, Frame, FrameError, FrameHeader, flags};

pub(crate) use answer::answer_of;
pub use answer::answering;
pub use call::{Call, Change, FdKind, FsPaths, Shape};
pub use file::Open;
pub(crate) use file::open_flags;
pub use network::{Role, Socket};
pub use process::{Exec, Exit, Fork};

/// A parsed frame.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Its place in the order of state. The frame's own key but for a late frame.
    pub key: Key,
    /// The key it came with.
    pub own_key: Key,
    /// The frame.
    pub frame: Frame<'a>,
    /// What it says.
    pub body: Body<'a>,
}

/// What an event says, by family.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// One side of clone, clone3, fork or vfork.
    Fork(&'a Fork<'a>),
    /// execve, execveat, or a process from before the capture.
    Exec(&'a Exec<'a>),
    /// A thread left.
    Exit(Exit),
    /// open, openat, openat2, creat, open_by_handle_at.
    Open(&'a Open<'a>),
    /// socket, connect, accept, accept4, bind, listen.
    Socket(&'a Socket<'a>),
    /// Any other call.
    Call(&'a Call<'a>),
    /// No call: nothing that is looked into.
    Other,
}

impl<'a> Event<'a> {
    /// Checks and parses the bytes of a frame. O(parameters); the body is allocated in the arena.
    ///
    /// # Errors
    /// [`FrameError`] where the bytes are no frame.
    pub fn parse(
        key: Key,
        own_key: Key,
        bytes: &'a [u8],
        bump: &'a Bump,
    ) -> Result<Self, FrameError> {
        let head = Self { key, own_key, frame: Frame::parse(bytes)?, body: Body::Other };
        Ok(head.looked_into(bump))
    }

    /// As [`Event::parse`], with the body of events of some types alone, and of seeds.
    #[expect(
        clippy::inline_always,
        reason = "so that an event lies where it is wanted: moved, it costs as much again"
    )]
    #[inline(always)]
    pub(crate) fn parse_some(
        key: Key,
        own_key: Key,
        bytes: &'a [u8],
        types: &EventSet,
        bump: &'a Bump,
    ) -> Result<Self, FrameError> {
        let mut event = Self { key, own_key, frame: Frame::parse(bytes)?, body: Body::Other };
        if types.contains(event.frame.event_type()) || event.is_state_only() {
            event.body = event.whole_body(bump);
        }
        Ok(event)
    }

    /// The event with the body that its frame has, for one that was made without.
    pub(crate) fn looked_into(&self, bump: &'a Bump) -> Self {
        Self { body: self.whole_body(bump), ..*self }
    }

    fn whole_body(&self, bump: &'a Bump) -> Body<'a> {
        let frame = &self.frame;
        match frame.event_type() {
            EventType::CLONE_20_X
            | EventType::FORK_20_X
            | EventType::VFORK_20_X
            | EventType::CLONE3_X => Body::Fork(bump.alloc(Fork::parse(frame))),
            EventType::EXECVE_19_X | EventType::EXECVEAT_X => {
                Body::Exec(bump.alloc(Exec::parse(frame)))
            }
            EventType::PROCEXIT_1_E => Body::Exit(Exit::parse(frame)),
            EventType::OPEN_X
            | EventType::OPENAT_2_X
            | EventType::OPENAT2_X
            | EventType::CREAT_X
            | EventType::OPEN_BY_HANDLE_AT_X => Body::Open(bump.alloc(Open::parse(frame))),
            EventType::SOCKET_X
            | EventType::BIND_X
            | EventType::CONNECT_X
            | EventType::LISTEN_X
            | EventType::ACCEPT_5_X
            | EventType::ACCEPT4_6_X => Body::Socket(bump.alloc(Socket::parse(frame))),
            ty if Call::is(ty) => Body::Call(bump.alloc(Call::parse(frame))),
            _ => Body::Other,
        }
    }

    /// The frame's header.
    #[must_use]
    pub fn header(&self) -> &FrameHeader {
        self.frame.header()
    }

    /// Whether it came behind the window and was given a new key.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.key != self.own_key
    }

    /// Whether it only carries state: a process from before the capture, or an event that a savefile marks so.
    #[must_use]
    pub fn is_state_only(&self) -> bool {
        self.header().flags & (flags::SEED | flags::STATE_ONLY) != 0
    }

    /// Whether it says that a change of its process was lost, and nothing else.
    pub(crate) fn says_loss(&self) -> bool {
        self.frame.has(flags::SEED | flags::STATE_LOST) && self.frame.param_i64(0).is_none()
    }

    /// Whether it is, in a savefile, of a thread that nobody told of, and makes it known: not so a switch, which may be of the kernel's own,
    /// a fork, whose child tells of itself, and what is of no thread.
    pub(crate) fn is_of_nobody(&self) -> bool {
        let header = self.header();
        header.start_ns == 0
            && self.is_from_file()
            && header.tgid != u32::MAX
            && self.frame.event_type().info().is_some_and(|info| {
                info.flags & EF_SKIPS_THREAD == 0
                    && !matches!(info.name, "switch" | "clone" | "clone3" | "fork" | "vfork")
            })
    }

    /// Whether it comes from a savefile, whose headers know neither users nor start times.
    #[must_use]
    pub fn is_from_file(&self) -> bool {
        self.frame.has(flags::FROM_FILE)
    }
}

/// The first `N` parameters in one walk; what the frame lacks is empty.
fn params<'a, const N: usize>(frame: &Frame<'a>) -> [&'a [u8]; N] {
    let mut all: [&[u8]; N] = [&[]; N];
    for (slot, param) in all.iter_mut().zip(frame.params()) {
        *slot = param;
    }
    all
}

fn text(param: &[u8]) -> &[u8] {
    param.strip_suffix(&[0]).unwrap_or(param)
}

fn i64_of(param: &[u8]) -> Option<i64> {
    Some(i64::from_le_bytes(*param.as_array()?))
}

fn u64_of(param: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(*param.as_array()?))
}

fn u32_of(param: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(*param.as_array()?))
}

/// A process or thread id, 8 bytes signed; `None` where it is empty or no id.
fn id_of(param: &[u8]) -> Option<u32> {
    u32::try_from(i64_of(param)?).ok().filter(|&id| id != 0)
}

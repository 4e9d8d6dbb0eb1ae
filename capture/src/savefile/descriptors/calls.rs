//! What each call does to the descriptors of its process.

use event::EventType;

use super::{Descriptors, Enter, TableId, files::GETCWD_X, table::MAX_FD};
use crate::savefile::SavedEvent;

const OPEN_E: EventType = EventType(2);
const CREAT_E: EventType = EventType(58);
const OPENAT_E: EventType = EventType(306);
const OPENAT2_E: EventType = EventType(326);
const CONNECT_E: EventType = EventType(22);

const FCNTL_DUPFD: u8 = 1;
const FCNTL_SETFD: u8 = 3;
const FCNTL_DUPFD_CLOEXEC: u8 = 0x1a;
const FD_CLOEXEC: u64 = 1;
/// Longest path that Linux takes (`PATH_MAX`). What is longer in a file is cut: every thread may have an enter that waits.
const MAX_TEXT: usize = 4096;
const CLOSE_RANGE_UNSHARE: u32 = 2;
const CLOSE_RANGE_CLOEXEC: u32 = 4;

pub(super) fn number_u32(event: &SavedEvent<'_>, n: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*event.param(n)?.as_array()?))
}

pub(super) fn number_u64(event: &SavedEvent<'_>, n: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*event.param(n)?.as_array()?))
}

pub(super) fn number_u16(event: &SavedEvent<'_>, n: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*event.param(n)?.as_array()?))
}

/// Text without its NUL; `None` where the parameter is empty.
pub(super) fn text<'a>(event: &SavedEvent<'a>, n: usize) -> Option<&'a [u8]> {
    let bytes = event.param(n).filter(|b| !b.is_empty())?;
    Some(bytes.strip_suffix(&[0]).unwrap_or(bytes))
}

/// The result of the call, or of what could not be seen of it.
fn result(event: &SavedEvent<'_>) -> i64 {
    event.param_i64(0).unwrap_or(-1)
}

impl Enter {
    /// Whether exits are read against enters of this type.
    pub(in crate::savefile) fn is_of(ty: EventType) -> bool {
        matches!(ty, OPEN_E | CREAT_E | OPENAT_E | OPENAT2_E | CONNECT_E)
    }

    /// Keeps what an enter says, where its exit is read against it.
    pub(in crate::savefile) fn keep(&mut self, event: &SavedEvent<'_>) {
        let (dirfd, text_at, flags_at) = match event.event_type {
            OPEN_E => (None, 0, Some(1)),
            CREAT_E => (None, 0, None),
            OPENAT_E | OPENAT2_E => (Some(0), 1, Some(2)),
            CONNECT_E => (None, 1, None),
            _ => {
                self.event_type = None;
                return;
            }
        };
        let said = event.param(text_at).unwrap_or_default();
        self.event_type = Some(event.event_type).filter(|_| !said.is_empty());
        self.dirfd = dirfd.and_then(|n| event.param_i64(n)).unwrap_or_default();
        self.flags = flags_at.and_then(|n| number_u32(event, n)).unwrap_or_default();
        self.text.clear();
        self.text.extend_from_slice(&said[..said.len().min(MAX_TEXT)]);
    }

    /// Whether its exit is still to come.
    pub(in crate::savefile) fn is_under_way(&self) -> bool {
        self.event_type.is_some()
    }

    /// Memory that it takes.
    pub(in crate::savefile) fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.text.capacity()
    }

    #[cfg(test)]
    pub(in crate::savefile) fn under_way(n_text: usize) -> Self {
        Self { event_type: Some(OPEN_E), text: vec![b'x'; n_text], ..Self::default() }
    }

    /// What waits is over: another event came.
    pub(in crate::savefile) fn clear(&mut self) {
        self.event_type = None;
    }

    /// Path or address that the enter of this exit said.
    pub(super) fn of(&self, exit: EventType) -> Option<&Self> {
        (Some(EventType(exit.0.wrapping_sub(1))) == self.event_type).then_some(self)
    }
}

impl Descriptors {
    /// Follows what a call did, and remembers what it says of its own descriptor. Gives whether it set the working directory.
    pub(in crate::savefile) fn follow(
        &mut self,
        event: &SavedEvent<'_>,
        enter: Option<&Enter>,
        id: TableId,
        cwd: &mut Vec<u8>,
    ) -> bool {
        use EventType as E;
        let enter = enter.and_then(|enter| enter.of(event.event_type));
        match event.event_type {
            E::OPEN_X | E::CREAT_X | E::OPENAT_2_X | E::OPENAT2_X | E::OPEN_BY_HANDLE_AT_X => {
                self.open(event, enter, id, cwd);
            }
            E::CLOSE_X => self.close(event, id),
            E::CLOSE_RANGE_X => self.close_range(event, id),
            E::DUP_1_X | E::DUP2_X | E::DUP3_X => {
                let is_close_on_exec = event.event_type == E::DUP3_X
                    && number_u32(event, 3).is_some_and(|flags| flags != 0);
                self.dup(event, id, is_close_on_exec);
            }
            E::FCNTL_X => self.fcntl(event, id),
            E::PIPE_X | E::PIPE2_X => self.pipe(event, id),
            E::SOCKETPAIR_X => self.socketpair(event, id),
            E::SOCKET_X => self.socket(event, id),
            E::BIND_X => self.bind(event, id),
            E::CONNECT_X => self.connect(event, enter, id),
            E::ACCEPT_5_X | E::ACCEPT4_6_X => self.accept(event, id),
            E::SEND_X | E::SENDTO_X | E::SENDMSG_X | E::SENDMMSG_X => {
                self.infer_datagram_socket(event, id);
                self.transfer(event, id, Some(4), super::sockets::Way::Out);
            }
            E::WRITE_X | E::WRITEV_X | E::PWRITE_X | E::PWRITEV_X => {
                self.transfer(event, id, None, super::sockets::Way::Out);
            }
            E::READ_X | E::READV_X | E::PREAD_X | E::PREADV_X => {
                self.transfer(event, id, None, super::sockets::Way::In);
            }
            E::RECVFROM_X => self.transfer(event, id, Some(2), super::sockets::Way::In),
            E::RECVMSG_X => self.transfer(event, id, Some(3), super::sockets::Way::In),
            E::RECV_X | E::RECVMMSG_X => {
                self.transfer(event, id, Some(4), super::sockets::Way::In);
            }
            E::CHDIR_X | E::FCHDIR_X | GETCWD_X => return self.change_dir(event, id, cwd),
            _ => self.other_kind(event, id),
        }
        false
    }

    fn close(&mut self, event: &SavedEvent<'_>, id: TableId) {
        let Some(fd) = self.now.own.filter(|_| result(event) >= 0) else { return };
        let table = &mut self.tables[id.0 as usize].table;
        self.now.closed = table.take(fd, &mut self.budget);
    }

    fn close_range(&mut self, event: &SavedEvent<'_>, id: TableId) {
        let (Some(first), Some(last)) = (number_u32(event, 1), number_u32(event, 2)) else {
            return;
        };
        if result(event) < 0 {
            return;
        }
        let (first, last) = (first as usize, (last as usize).min(MAX_FD));
        if number_u32(event, 3).is_some_and(|flags| flags & CLOSE_RANGE_CLOEXEC != 0) {
            let mut at = first;
            while let Some(fd) = self.table(id).next(at, last, |d| !d.is_close_on_exec) {
                self.change(id, fd as i64, |d| d.is_close_on_exec = true);
                at = fd + 1;
            }
        } else {
            self.close_where(id, first, last, |_| true);
        }
    }

    /// Whether the call gives its process a table of its own before it does anything.
    pub(in crate::savefile) fn unshares(event: &SavedEvent<'_>) -> bool {
        const CLONE_FILES: u32 = 1;
        let (flags_at, bit) = match event.event_type {
            EventType::CLOSE_RANGE_X => (3, CLOSE_RANGE_UNSHARE),
            EventType::UNSHARE_X => (1, CLONE_FILES),
            _ => return false,
        };
        number_u32(event, flags_at).is_some_and(|flags| flags & bit != 0) && result(event) >= 0
    }

    fn dup(&mut self, event: &SavedEvent<'_>, id: TableId, is_close_on_exec: bool) {
        let (new_fd, Some(old_fd)) = (result(event), self.now.own) else { return };
        if new_fd < 0 {
            return;
        }
        let Some(found) = self.table(id).get(old_fd).cloned() else {
            // Whatever had the number is closed.
            if new_fd != old_fd {
                self.forget(id, new_fd);
            }
            return;
        };
        self.now.own = Some(new_fd);
        if new_fd != old_fd {
            let copy = self.budget.store.copy(&found, |d| d.is_close_on_exec = is_close_on_exec);
            self.tables[id.0 as usize].table.put(new_fd, copy, &mut self.budget);
        }
        self.budget.store.release(found);
    }

    fn fcntl(&mut self, event: &SavedEvent<'_>, id: TableId) {
        let command = event.param(2).and_then(|b| b.first().copied());
        match command {
            Some(FCNTL_DUPFD) => self.dup(event, id, false),
            Some(FCNTL_DUPFD_CLOEXEC) => self.dup(event, id, true),
            Some(FCNTL_SETFD) if result(event) >= 0 => {
                let (Some(fd), Some(arg)) = (self.now.own, number_u64(event, 3)) else { return };
                let is_set = arg & FD_CLOEXEC != 0;
                // Most calls say what is known already; a change may copy what a fork shares.
                if self.table(id).get(fd).is_some_and(|d| d.is_close_on_exec != is_set) {
                    self.change(id, fd, |d| d.is_close_on_exec = is_set);
                }
            }
            _ => {}
        }
    }

    /// Calls whose result is a descriptor of one kind.
    fn other_kind(&mut self, event: &SavedEvent<'_>, id: TableId) {
        use EventType as E;
        let fd = result(event);
        if fd < 0 {
            return;
        }
        let cloexec =
            |flags: Option<u16>| flags.is_some_and(|f| u32::from(f) & super::entry::O_CLOEXEC != 0);
        let (kind, is_close_on_exec) = match event.event_type {
            E::EVENTFD_X => (b'e', false),
            E::EVENTFD2_X => (b'e', cloexec(number_u16(event, 1))),
            E::SIGNALFD_X => (b's', false),
            E::SIGNALFD4_X => (b's', cloexec(number_u16(event, 1))),
            E::TIMERFD_CREATE_X => (b't', false),
            E::INOTIFY_INIT_X => (b'i', false),
            E::INOTIFY_INIT1_X => (b'i', cloexec(number_u16(event, 1))),
            E::EPOLL_CREATE_X => (b'l', false),
            E::EPOLL_CREATE1_X => (b'l', number_u32(event, 1).is_some_and(|f| f != 0)),
            E::USERFAULTFD_X => {
                (b'U', number_u32(event, 1).is_some_and(|f| f & super::entry::O_CLOEXEC != 0))
            }
            // The kernel makes these closed on exec, always.
            E::BPF_2_X => (b'b', true),
            E::IO_URING_SETUP_X => (b'r', true),
            E::MEMFD_CREATE_X => return self.memfd(event, id, fd),
            E::PIDFD_OPEN_X => return self.pidfd(event, id, fd),
            // Types that no reader of today makes any descriptor of: the number is one that is not known.
            _ => {
                self.forget(id, fd);
                return;
            }
        };
        self.put(id, fd, |d| {
            d.kind = kind;
            d.is_close_on_exec = is_close_on_exec;
        });
    }
}

#[cfg(test)]
mod tests {
    use event::{Frame, FrameHeader, FrameWriter};

    use super::*;
    use crate::savefile::{Compression, Machine, Reader, Writer};

    #[test]
    fn a_start_that_waits_keeps_no_more_than_a_path() {
        let mut buf = vec![0; 70_000];
        let header = FrameHeader { event_type: OPENAT_E.0, tid: 5, ..FrameHeader::default() };
        let mut frame = FrameWriter::new(&mut buf, header);
        frame.i64(-100).str(&vec![b'x'; 60_000]).u32(1).u32(0);
        let none = Machine::default();
        let mut w = Writer::new(Vec::new(), Compression::None, &none, &[], &[], 0).unwrap();
        w.frame(&Frame::parse(frame.finish().unwrap()).unwrap()).unwrap();
        let mut reader = Reader::new(std::io::Cursor::new(w.finish().unwrap())).unwrap();
        let mut enter = Enter::default();
        enter.keep(&reader.next_event().unwrap().unwrap());
        assert_eq!((enter.dirfd, enter.text.len()), (-100, MAX_TEXT));
    }
}

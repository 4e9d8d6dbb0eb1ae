//! One process looked at once more while the capture runs: what was lost of it, as frames for [`crate::Injector`].

use std::path::Path;

use event::{
    EventType, FrameHeader, FrameTooLarge, FrameWriter, HEADER_LEN, MAX_FRAME_LEN, flags,
    mark::HostMarks,
};

use super::{Found, TICK_NS, read_process, stat, with_file};
use crate::process::{ProcessEntry, SeedIds};

/// Room for a frame that has a header and an exit's parameters.
const SMALL: usize = HEADER_LEN + 128;

/// A process that is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Process id.
    pub tgid: u32,
    /// Boot-clock ns at which it started; 0 where that is not known.
    pub start_ns: u64,
    /// The start is cut to 10 ms.
    pub coarse: bool,
}

/// What a look found.
#[derive(Debug)]
pub enum Look {
    /// The process.
    Found {
        /// Its seed, of a time before the look.
        frame: Vec<u8>,
        /// Its parent, where it has one.
        parent: Option<Target>,
    },
    /// It has ended, and nothing is left of it. The frame says so.
    Gone(Vec<u8>),
}

fn start_of(tgid: u32) -> Option<u64> {
    let file = Path::new("/proc").join(tgid.to_string()).join("stat");
    let (start_ns, _) = with_file(&file, 4096, |b| stat(b, &mut ProcessEntry::default()))??;
    Some(start_ns)
}

impl Target {
    /// Whether a start that `/proc` gives is that of the process.
    fn agrees(self, coarse_ns: u64) -> bool {
        self.start_ns == 0 || self.start_ns / TICK_NS == coarse_ns / TICK_NS
    }

    fn header(self, event_type: EventType, further: u32) -> FrameHeader {
        let coarse = if self.coarse { flags::START_COARSE } else { 0 };
        FrameHeader {
            ts: perf::boot_now_ns(),
            event_type: event_type.0,
            tid: self.tgid,
            tgid: self.tgid,
            start_ns: self.start_ns,
            flags: flags::SEED | coarse | further,
            ..FrameHeader::default()
        }
    }

    fn small(header: FrameHeader) -> Vec<u8> {
        let mut buf = [0; SMALL];
        let frame = FrameWriter::with_params(&mut buf, header, 0).finish();
        frame.expect("there is room for a header").to_vec()
    }

    /// The frame by which everybody knows that a change of the process was lost.
    #[must_use]
    pub fn loss(self) -> Vec<u8> {
        Self::small(self.header(EventType::EXECVE_19_X, flags::STATE_LOST))
    }

    fn end(self) -> Vec<u8> {
        Self::small(self.header(EventType::PROCEXIT_1_E, flags::GROUP_DEAD))
    }

    /// Reads the process from `/proc`. A process that took over its id is not it. What the kernel side was told of where it is counts no longer.
    #[must_use]
    pub fn look(self, marks: Option<HostMarks>) -> Look {
        // What changes from here on is told by frames that are newer than this.
        let ts = perf::boot_now_ns();
        // Not before: the look passes for older than every exec whose stamp counts from here on.
        if let Some(marks) = marks {
            marks.withdraw(self.tgid);
        }
        let found = read_process(Path::new("/proc"), self.tgid).filter(|f| self.agrees(f.start_ns));
        // Files of another process may have been read behind the first.
        let found = found.filter(|f| start_of(self.tgid) == Some(f.start_ns));
        let Some(Found { entry, start_ns, .. }) = found else { return Look::Gone(self.end()) };
        let parent = u32::try_from(entry.ptid).ok().filter(|&id| id != 0);
        let parent =
            parent.map(|tgid| Target { tgid, start_ns: start_of(tgid).unwrap_or(0), coarse: true });
        let is_whole = !entry.cwd.is_empty() && (entry.vmsize_kb == 0 || !entry.exepath.is_empty());
        let is_exact = self.start_ns != 0 && !self.coarse;
        let ids = SeedIds {
            ts,
            start_ns: if is_exact { self.start_ns } else { start_ns },
            parent_start_ns: parent.map_or(0, |p| p.start_ns),
            flags: if is_exact { 0 } else { flags::START_COARSE }
                | if is_whole { 0 } else { flags::FAULTED },
        };
        let mut buf = vec![0; MAX_FRAME_LEN];
        match entry.to_frame(ids, &mut buf) {
            Ok(frame) => Look::Found { frame: frame.to_vec(), parent },
            // The texts are cut far below that.
            Err(FrameTooLarge) => Look::Found { frame: self.loss(), parent },
        }
    }
}

/// Every process that `/proc` lists.
///
/// # Errors
/// Where it cannot be listed.
pub fn listed() -> std::io::Result<Vec<u32>> {
    super::pids(Path::new("/proc"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use event::Frame;

    use super::*;

    #[test]
    fn a_process_is_found_with_its_parent_and_its_exact_start() {
        let own = std::process::id();
        let start_ns = start_of(own).unwrap() + 7;
        let Look::Found { frame, parent } =
            (Target { tgid: own, start_ns, coarse: false }).look(None)
        else {
            panic!("this process runs")
        };
        let frame = Frame::parse(&frame).unwrap();
        assert_eq!((frame.header().tgid, frame.header().start_ns), (own, start_ns));
        assert!(frame.has(flags::SEED) && !frame.has(flags::FAULTED | flags::START_COARSE));
        assert!(frame.header().ts <= perf::boot_now_ns());
        let facts = frame.trailer().proc().unwrap();
        assert_eq!(facts.parent_tgid, parent.unwrap().tgid);
        assert_eq!(facts.parent_start_ns, parent.unwrap().start_ns);
    }

    #[test]
    fn who_took_over_an_id_is_another_process() {
        let own = std::process::id();
        let start_ns = start_of(own).unwrap() + TICK_NS;
        let look = (Target { tgid: own, start_ns, coarse: false }).look(None);
        let Look::Gone(frame) = look else { panic!("{look:?}") };
        let frame = Frame::parse(&frame).unwrap();
        assert_eq!(frame.event_type(), EventType::PROCEXIT_1_E);
        assert!(frame.has(flags::SEED | flags::GROUP_DEAD));
    }

    #[test]
    fn one_that_ended_is_gone_though_nobody_waited_for_it() {
        let mut child = Command::new("true").spawn().unwrap();
        let target = Target { tgid: child.id(), start_ns: 0, coarse: false };
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !matches!(target.look(None), Look::Gone(_)) {
            assert!(std::time::Instant::now() < deadline, "still there");
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }

    #[test]
    fn a_loss_says_nothing_else() {
        let frame = (Target { tgid: 7, start_ns: 9, coarse: false }).loss();
        let frame = Frame::parse(&frame).unwrap();
        assert!(frame.has(flags::SEED | flags::STATE_LOST));
        assert_eq!((frame.header().tgid, frame.header().start_ns, frame.n_params()), (7, 9, 0));
    }
}

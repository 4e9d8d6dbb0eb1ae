//! That frames which carry no state change nothing, and that each type which may carry some does: `event::carries_state` held to the writer.

use std::sync::Arc;

use bumpalo::Bump;
use bus::Key;
use event::{
    CreatorFacts, EventType, ExitFacts, FileFacts, FileKind, FrameHeader, FrameWriter,
    N_EVENT_TYPES, ParamType, ProcFacts, SectionKind, carries_state, flags,
};

use super::{Lineage, LineageLimits, Start, StateWriter};
use crate::meters::ShardMeters;
use crate::parse::Event;

const PARENT: u32 = 50;
const CALLER: u32 = 60;
const NEWCOMER: u32 = 70;

fn header(ty: EventType, tgid: u32, flags: u32) -> FrameHeader {
    let start_ns = u64::from(tgid) + 1;
    FrameHeader {
        ts: 9,
        event_type: ty.0,
        tid: tgid,
        tgid,
        start_ns,
        flags,
        uid: 7,
        gid: 7,
        ..FrameHeader::default()
    }
}

/// A frame whose parameters are all there: numbers are `number` in whatever width, texts are a path. Its trailer tells all that a trailer can.
fn frame(header: FrameHeader, number: u64) -> Vec<u8> {
    let info = EventType(header.event_type).info().unwrap();
    let mut buf = vec![0; 4096];
    let mut w = FrameWriter::new(&mut buf, header);
    for (n, param) in info.params.iter().enumerate() {
        let bytes = number.to_le_bytes();
        match (param.ty.size(), param.ty) {
            // The result: success.
            (Some(8), _) if n == 0 => w.i64(0),
            (Some(size), _) if size <= 8 => w.bytes(&bytes[..size]),
            (Some(size), _) => w.bytes(&vec![1; size]),
            (None, ParamType::CharBuf | ParamType::FsPath | ParamType::FsRelPath) => {
                w.str(b"/elsewhere")
            }
            (None, _) => w.bytes(b"text\0"),
        };
    }
    let directory = FileFacts { ino: 9, dev: 1, flags: 0, kind: FileKind::Directory, path: b"" };
    for section in [SectionKind::File, SectionKind::Dir] {
        w.section(section, &[&directory.fixed_bytes(), b"/told"]);
    }
    let creator = CreatorFacts {
        creator_tid: PARENT,
        creator_tgid: PARENT,
        creator_start_ns: u64::from(PARENT) + 1,
        parent_tgid: PARENT,
        parent_start_ns: u64::from(PARENT) + 1,
    };
    w.section(SectionKind::Creator, &[&creator.to_bytes()]);
    let exit = ExitFacts { reaper_tgid: PARENT, reaper_start_ns: u64::from(PARENT) + 1 };
    w.section(SectionKind::Exit, &[&exit.to_bytes()]);
    let proc = ProcFacts {
        sid: 3,
        pgid: 3,
        parent_tgid: PARENT,
        vpid: 3,
        parent_start_ns: u64::from(PARENT) + 1,
    };
    w.section(SectionKind::Proc, &[&proc.to_bytes()]);
    w.finish().unwrap().to_vec()
}

struct Table {
    lineage: Arc<Lineage>,
    writer: StateWriter,
    meters: ShardMeters,
    key: Key,
}

impl Table {
    /// With two processes that are known.
    fn new() -> Self {
        let lineage = Arc::new(Lineage::new(1, |_, _| 0, LineageLimits::default()));
        let writer = StateWriter::new(0, Arc::clone(&lineage));
        let mut table = Self { lineage, writer, meters: ShardMeters::default(), key: Key::MIN };
        for tgid in [PARENT, CALLER] {
            table.apply(&frame(header(EventType::EXECVE_19_X, tgid, flags::SEED), 0));
        }
        table
    }

    fn apply(&mut self, frame: &[u8]) {
        self.key = self.key.next();
        let bump = Bump::new();
        let event = Event::parse(self.key, self.key, frame, &bump).unwrap();
        self.writer.apply(&event, &bump, &self.meters).unwrap();
    }

    /// The newest version of every process there is.
    fn versions(&self) -> Vec<(u32, u64)> {
        let newest = self.lineage.newest();
        newest.map(|node| (node.tgid, node.as_of(self.key).map_or(0, |v| v.serial))).collect()
    }

    /// Whether the frame makes a version or a process.
    fn is_changed_by(&mut self, frame: &[u8]) -> bool {
        let before = self.versions();
        self.apply(frame);
        self.versions() != before
    }
}

/// Frames of a type that are likely to change something, if any of it does: of a known process and of a new one, live and out of a file.
fn tempting(ty: EventType) -> impl Iterator<Item = Vec<u8>> {
    let marks = [0, flags::GROUP_DEAD, flags::FROM_FILE, flags::FROM_FILE | flags::STATE_ONLY];
    let each = move |flags| {
        let of = move |tgid| [0, 1, 3].map(|number| frame(header(ty, tgid, flags), number));
        [CALLER, NEWCOMER].into_iter().flat_map(of)
    };
    marks.into_iter().flat_map(each)
}

#[test]
fn types_that_carry_no_state_change_nothing_and_each_of_the_others_does() {
    let mut table = Table::new();
    for ty in (0..N_EVENT_TYPES as u16).map(EventType) {
        let is_changed = tempting(ty).any(|frame| table.is_changed_by(&frame));
        assert_eq!(is_changed, carries_state(ty), "{} ({})", ty.name(), ty.0);
        if is_changed {
            table = Table::new();
        }
    }
}

#[test]
fn what_else_changes_something_says_so_in_its_header() {
    let open = EventType::OPENAT_2_X;
    let nobody = FrameHeader { start_ns: 0, ..header(open, NEWCOMER, flags::FROM_FILE) };
    let seed = header(EventType::EXECVE_19_X, NEWCOMER, flags::SEED);
    for header in [nobody, seed] {
        assert!(header.carries_state());
        assert!(Table::new().is_changed_by(&frame(header, 0)), "{header:?}");
    }
    let mut table = Table::new();
    let start = Start::exact(u64::from(CALLER) + 1);
    let told = table.lineage.process(CALLER, start, table.key).unwrap();
    assert!(!table.is_changed_by(&frame(header(open, CALLER, 0), 0)));
    assert_eq!(told.key(), Key(2));
}

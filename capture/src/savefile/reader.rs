//! Reads a savefile: what stands before the first event at once, then event by event, section by section.

use std::{fs::File, io::Read, path::Path};

use super::{
    Findings, Header, SavefileError,
    block::{BlockHead, BlockStream, is_event},
    kind,
    list_room::ListRoom,
    rooms::Rooms,
    saved_event::{Layout, SavedEvent},
};

/// Counts of what a reader passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReaderCounts {
    /// Events whose type this build does not know.
    pub n_unknown_types: u64,
    /// Events larger than any frame.
    pub n_too_large: u64,
    /// Events with more parameters than the schema, which were left out.
    pub n_trimmed: u64,
    /// Blocks between events that are not events.
    pub n_skipped_blocks: u64,
    /// Entries of the lists before the events for which there was no room.
    pub n_dropped_entries: u64,
    /// Descriptors that stay unknown because the memory for all of them is used up, or because their number is none that Linux gives.
    pub n_dropped_descriptors: u64,
    /// Working directories that are not known because the memory for all of them is used up.
    pub n_dropped_dirs: u64,
    /// Interfaces beyond those that sockets are held against.
    pub n_dropped_interfaces: u64,
    /// Threads beyond what Linux can have, which are taken to be as their process.
    pub n_dropped_threads: u64,
    /// Changes of what threads use, beyond the threads of which that is followed.
    pub n_dropped_changes: u64,
    /// Control groups of threads that are not known because the memory for all of them is used up.
    pub n_dropped_cgroups: u64,
    /// Starts of calls that were forgotten for their bytes; their returns stand without.
    pub n_forgotten_starts: u64,
    /// Blocks between two frames for which there was no room, so that they are not passed on.
    pub n_dropped_blocks: u64,
}

/// Reads a `.scap` file, plain or gzip.
#[derive(Debug)]
pub struct Reader {
    stream: BlockStream,
    header: Header,
    /// A block that was read ahead and waits in the buffer: the first event, or the header of the next section.
    ahead: Option<BlockHead>,
    n_events: u64,
    counts: ReaderCounts,
    findings: Findings,
    is_done: bool,
    rooms: Rooms,
}

impl Reader {
    /// Opens a file and reads it up to its first event.
    ///
    /// # Errors
    /// [`SavefileError`] where the file cannot be read, is none, or is damaged before its first event.
    pub fn open(path: &Path) -> Result<Self, SavefileError> {
        Self::open_within(path, Rooms::default())
    }

    /// The same within so much memory, here and for whoever plays what it reads.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open_within(path: &Path, rooms: Rooms) -> Result<Self, SavefileError> {
        let file = File::open(path).map_err(|source| SavefileError::Io {
            action: format!("opening {}", path.display()),
            source,
        })?;
        Self::within(file, rooms)
    }

    /// Reads a stream up to its first event.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn new(input: impl Read + Send + 'static) -> Result<Self, SavefileError> {
        Self::within(input, Rooms::default())
    }

    /// The same within so much memory.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn within(input: impl Read + Send + 'static, rooms: Rooms) -> Result<Self, SavefileError> {
        let mut stream = BlockStream::new(input)?;
        let foreign = |why: String| SavefileError::NotSavefile { why };
        // A length of something else would only mislead.
        if let Some(start) = stream.peek().filter(|start| *start != kind::SECTION.to_le_bytes()) {
            return Err(foreign(format!("it begins with {}", shown(start))));
        }
        let head = match stream.next() {
            Ok(Some(head)) => head,
            Ok(None) => return Err(foreign("it is empty".into())),
            Err(SavefileError::Damaged { what, .. }) => return Err(foreign(what)),
            Err(e) => return Err(e),
        };
        let mut reader = Self {
            stream,
            header: Header::default(),
            ahead: None,
            n_events: 0,
            counts: ReaderCounts::default(),
            findings: Findings::default(),
            is_done: false,
            rooms,
        };
        reader.read_header(head)?;
        Ok(reader)
    }

    /// Goes on reading, and unpacking, on a thread of its own, a bounded way ahead.
    pub fn read_ahead(&mut self) {
        self.stream.read_ahead();
    }

    /// Reads a section from its first block up to its first event.
    fn read_header(&mut self, section: BlockHead) -> Result<(), SavefileError> {
        let Self { stream, header, ahead, counts, findings, rooms, .. } = self;
        *header = Header::of_section(stream.body(section))?;
        stream.begin_section();
        let mut room = ListRoom::of(rooms.lists());
        while let Some(head) = stream.next()? {
            if is_event(head.kind) || head.kind == kind::SECTION {
                *ahead = Some(head);
                break;
            }
            header.add(head, stream.body(head), stream.place(head.offset), &mut room)?;
        }
        counts.n_dropped_entries += room.n_dropped();
        findings.extend(&header.findings);
        Ok(())
    }

    /// What may be kept of the file.
    pub(super) fn rooms(&self) -> Rooms {
        self.rooms
    }

    /// What the section at hand says before its first event.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What was passed over so far.
    #[must_use]
    pub fn counts(&self) -> ReaderCounts {
        self.counts
    }

    /// What the sections so far say before their events that was not as it should be.
    #[must_use]
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Says how many events came before the damage, behind which nothing is read.
    #[cold]
    fn end_with(&mut self, error: SavefileError) -> SavefileError {
        self.is_done = true;
        match error {
            SavefileError::Damaged { mut at, what } => {
                at.n_events = self.n_events;
                SavefileError::Damaged { at, what }
            }
            other => other,
        }
    }

    /// The next event of the section, `None` at its end. Events of unknown type are counted and passed over, as other readers do.
    ///
    /// # Errors
    /// [`SavefileError::Damaged`] with the place, behind which nothing can be read; [`SavefileError::NoEvents`] at the end of a file that
    /// has none.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<SavedEvent<'_>>, SavefileError> {
        if self.ahead.is_none()
            && !self.is_done
            && let Some(layout) = self.stream.take_event()
        {
            self.n_events += 1;
            return Ok(Some(layout.event(self.stream.bytes())));
        }
        match self.next_layout() {
            Ok(Some(layout)) => Ok(Some(layout.event(self.stream.bytes()))),
            Ok(None) => Ok(None),
            Err(e) => Err(self.end_with(e)),
        }
    }

    #[cold]
    fn next_layout(&mut self) -> Result<Option<Layout>, SavefileError> {
        loop {
            if self.is_done {
                return Ok(None);
            }
            let head = match self.ahead.take() {
                Some(head) => head,
                None => match self.stream.next()? {
                    Some(head) => head,
                    None => return self.end_of_file(),
                },
            };
            if !is_event(head.kind) {
                if head.kind == kind::SECTION {
                    self.ahead = Some(head);
                    return Ok(None);
                }
                self.stream.begin_section();
                self.counts.n_skipped_blocks += 1;
                continue;
            }
            self.n_events += 1;
            if head.is_skipped {
                self.counts.n_too_large += 1;
                continue;
            }
            match Layout::find(head.kind, self.stream.bytes(), BlockStream::body_range(head)) {
                Ok(Some(layout)) => {
                    return Ok(Some(layout));
                }
                Ok(None) => self.counts.n_unknown_types += 1,
                Err(what) => {
                    self.n_events -= 1;
                    return Err(SavefileError::Damaged {
                        at: self.stream.place(head.offset),
                        what,
                    });
                }
            }
        }
    }

    #[cold]
    fn end_of_file(&mut self) -> Result<Option<Layout>, SavefileError> {
        self.is_done = true;
        if self.n_events > 0 {
            return Ok(None);
        }
        Err(SavefileError::NoEvents { n_processes: self.header.processes.len() })
    }

    /// Goes on to the next section, behind the last event of this one: another file that was appended. Its header is
    /// [`Reader::header`] then. Gives whether there is one.
    ///
    /// # Errors
    /// [`SavefileError`] where its header is damaged or too new.
    pub fn next_section(&mut self) -> Result<bool, SavefileError> {
        let Some(head) = self.ahead.take_if(|head| head.kind == kind::SECTION) else {
            return Ok(false);
        };
        match self.read_header(head) {
            Ok(()) => Ok(true),
            Err(e) => Err(self.end_with(e)),
        }
    }
}

/// The first bytes of a file: as text where they are some.
fn shown(start: [u8; 4]) -> String {
    let is_text = start.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace());
    match str::from_utf8(&start) {
        Ok(text) if is_text => format!("the text {text:?}"),
        _ => format!("{:#010x}", u32::from_le_bytes(start)),
    }
}

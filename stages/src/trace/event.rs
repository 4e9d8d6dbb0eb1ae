//! An event of a trace, as far as it was looked into: what its head and its process tell is had at once, the rest once somebody asks.

use std::cell::OnceCell;

use bumpalo::collections::Vec as BumpVec;
use event::{EventInfo, EventType, FrameHeader};
use rules::{EvtField, Extracted, Field, FieldRef, Fields, NameView, Value};

use super::clock::Clock;
use crate::fields::{EventFields, Names, Surroundings};
use crate::parse::Event;

const NS: u64 = 1_000_000_000;
/// Bit of an event's category: it tells of the recording, not of the machine.
const EC_INTERNAL: u16 = 0x100;

/// An event that a [`super::Tracer`] lets through, and its fields.
pub struct TracedEvent<'t> {
    at: Surroundings<'t>,
    pub(super) event: &'t Event<'t>,
    head: EventFields<'t>,
    /// Whether `head` has all that the frame says.
    is_whole: bool,
    whole: OnceCell<EventFields<'t>>,
    clock: &'t Clock,
}

/// Live, names are shown as the process gave them, unless it gave none. A recording has no other.
fn settle_view(fields: &EventFields<'_>) {
    if fields.is_from_file() {
        return;
    }
    match fields.names() {
        Names::None => {}
        Names::One(view) => fields.set_view(view),
        Names::Two => fields.set_view(NameView::Lexical),
    }
}

/// Whether the frame's head alone tells the field.
fn is_of_head(field: EvtField) -> bool {
    use EvtField as F;
    matches!(
        field,
        F::EvtNum
            | F::EvtTime
            | F::EvtTimeS
            | F::EvtTimeIso8601
            | F::EvtDatetime
            | F::EvtDatetimeS
            | F::EvtRawtime
            | F::EvtRawtimeS
            | F::EvtRawtimeNs
            | F::EvtType
            | F::EvtTypeIs
            | F::EvtDir
            | F::EvtCpu
            | F::EvtRes
            | F::EvtRawres
            | F::EvtFailed
            | F::EvtIsIo
            | F::EvtIsIoRead
            | F::EvtIsIoWrite
            | F::EvtIoDir
            | F::EvtIsWait
            | F::EvtCount
            | F::SyscallType
    )
}

impl<'t> TracedEvent<'t> {
    pub(super) fn new(
        at: Surroundings<'t>,
        event: &'t Event<'t>,
        head: EventFields<'t>,
        is_whole: bool,
        clock: &'t Clock,
    ) -> Self {
        if is_whole {
            settle_view(&head);
        }
        Self { at, event, head, is_whole, whole: OnceCell::new(), clock }
    }

    /// The fields of the whole event.
    fn whole(&self) -> &EventFields<'t> {
        if self.is_whole {
            return &self.head;
        }
        self.whole.get_or_init(|| {
            let event = self.at.bump.alloc(self.event.looked_into(self.at.bump));
            let whole = self.head.looked_into(event);
            settle_view(&whole);
            whole
        })
    }

    /// The frame's header.
    #[must_use]
    pub fn header(&self) -> &FrameHeader {
        self.event.header()
    }

    /// Its type.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        self.event.frame.event_type()
    }

    /// The row of its type; every frame has one.
    #[must_use]
    pub fn info(&self) -> Option<&'static EventInfo> {
        self.event_type().info()
    }

    /// Whether it tells of the recording, not of the machine.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.info().is_some_and(|i| i.category & EC_INTERNAL != 0)
    }

    /// Spellings of its name.
    pub(super) fn names(&self) -> Names {
        self.head.names()
    }

    /// Chooses one of them.
    pub(super) fn set_view(&self, view: NameView) {
        self.head.set_view(view);
    }

    /// Its time, ns since the epoch.
    #[must_use]
    pub fn epoch_ns(&self) -> u64 {
        self.head.epoch_ns()
    }

    /// Number of the event.
    #[must_use]
    pub fn evt_num(&self) -> u64 {
        self.head.evt_num()
    }

    /// Name of its process, where that is known.
    #[must_use]
    pub fn process_name(&self) -> Option<&[u8]> {
        self.head.process_name()
    }

    /// Local time less UTC as of the event.
    #[must_use]
    pub fn utc_offset_s(&self) -> i32 {
        self.clock.utc_offset_s()
    }

    /// The fields as its line shows them.
    #[must_use]
    pub fn shown(&self) -> ShownEvent<'_, 't> {
        ShownEvent(self)
    }

    /// Notes that it was printed, for the time that passes until the next one is.
    pub fn was_printed(&self) {
        self.clock.printed();
    }

    fn time(&self, field: Field) -> Option<Value<'_>> {
        let number = |ns| Some(Value::U64(ns));
        match field {
            Field::EvtOutputtime if self.clock.is_number() => number(self.head.epoch_ns()),
            Field::EvtOutputtime => {
                let mut text = BumpVec::new_in(self.at.bump);
                self.clock.put(&mut text);
                Some(Value::Bytes(text.into_bump_slice()))
            }
            Field::EvtReltime => number(self.clock.since_first()),
            Field::EvtReltimeS => number(self.clock.since_first() / NS),
            Field::EvtReltimeNs => number(self.clock.since_first() % NS),
            Field::EvtDeltatime => number(self.clock.since_before()),
            Field::EvtDeltatimeS => number(self.clock.since_before() / NS),
            Field::EvtDeltatimeNs => number(self.clock.since_before() % NS),
            _ => None,
        }
    }

    fn fields(&self, extracted: Extracted) -> &EventFields<'t> {
        match extracted {
            Extracted::Proc(_) | Extracted::User(_) | Extracted::Container(_) => &self.head,
            Extracted::Evt(field) if is_of_head(field) => &self.head,
            Extracted::Evt(_) | Extracted::Fd(_) | Extracted::FsPath(_) | Extracted::FdList(_) => {
                self.whole()
            }
        }
    }
}

/// The fields of an event as its line shows them: buffers are texts in the format that was asked for.
pub struct ShownEvent<'a, 't>(&'a TracedEvent<'t>);

impl Fields for ShownEvent<'_, '_> {
    #[inline]
    fn get(&self, field: &FieldRef) -> Option<Value<'_>> {
        let value = self.0.get(field)?;
        match field.field {
            Field::EvtBuffer | Field::EvtRawarg => Some(self.0.head.printed(field, value)),
            _ => Some(value),
        }
    }

    fn write(&self, field: &FieldRef, out: &mut Vec<u8>) -> bool {
        let Self(event) = self;
        match field.field {
            // Parameters of a recorded event are told by its frame alone.
            Field::EvtArgs | Field::EvtInfo if event.head.is_from_file() => {
                event.head.put_all_args(out);
            }
            Field::EvtArgs | Field::EvtInfo => event.whole().put_all_args(out),
            Field::EvtOutputtime if !event.clock.is_number() => event.clock.put(out),
            _ => return false,
        }
        true
    }

    fn elements<P: FnMut(Value<'_>)>(&self, field: &FieldRef, each: P) -> bool {
        self.0.elements(field, each)
    }
}

impl Fields for TracedEvent<'_> {
    #[inline]
    fn get(&self, field: &FieldRef) -> Option<Value<'_>> {
        match field.field.extracted() {
            Some(extracted) => self.fields(extracted).get(field),
            None => self.time(field.field),
        }
    }

    fn any<P: FnMut(Value<'_>) -> bool>(&self, field: &FieldRef, mut pred: P) -> bool {
        match field.field.extracted() {
            Some(extracted) => self.fields(extracted).any(field, pred),
            None => self.time(field.field).is_some_and(&mut pred),
        }
    }

    fn elements<P: FnMut(Value<'_>)>(&self, field: &FieldRef, each: P) -> bool {
        match field.field.extracted() {
            Some(extracted) => self.fields(extracted).elements(field, each),
            None => self.time(field.field).map(each).is_some(),
        }
    }
}

//! The sections that tell of an event's descriptors.

use event::{DescriptorFacts, FrameWriter, OpenKinds, SectionKind, descriptor_flags as flag};

use super::{Descriptors, entry::Descriptor, spec::Spec, table::Table};
use crate::savefile::{SavedEvent, playback::PlaybackDemand};

/// Bytes of a section beside the names: its head, the fixed part, and padding.
const SECTION_LEN: usize = SECTION_REST + DescriptorFacts::FIXED_LEN;
const SECTION_REST: usize = 8 + 7;
/// More kinds than there are.
const MAX_KINDS: usize = 32;
/// Longest name that a frame carries. Longer ones are not made: this only keeps 16 bits of length sound.
const MAX_NAME: usize = 32_000;

fn cut(name: &[u8]) -> &[u8] {
    &name[..name.len().min(MAX_NAME)]
}

/// Writes one section, unless the frame has no room for it: a frame without it is better than none.
fn section(frame: &mut FrameWriter<'_>, facts: &DescriptorFacts<'_>) {
    let (name, raw_name) = (cut(facts.name), cut(facts.raw_name));
    if SECTION_LEN + name.len() + raw_name.len() <= frame.room() {
        let fixed = DescriptorFacts { name, ..*facts }.fixed_bytes();
        frame.section(SectionKind::Descriptor, &[&fixed, name, raw_name]);
    }
}

/// The kinds of all descriptors of a process. O(descriptors).
fn open_kinds(table: &Table, frame: &mut FrameWriter<'_>) {
    let (mut distinct, mut n_distinct) = ([0; MAX_KINDS], 0);
    let (mut by_number, mut n_numbers) = ([0; OpenKinds::MAX_NUMBERS], 0);
    for (fd, d) in table.iter().filter(|(_, d)| d.kind != 0) {
        if n_distinct < MAX_KINDS && !distinct[..n_distinct].contains(&d.kind) {
            distinct[n_distinct] = d.kind;
            n_distinct += 1;
        }
        if let Some(place) = by_number.get_mut(fd) {
            *place = d.kind;
            n_numbers = fd + 1;
        }
    }
    if SECTION_REST + n_distinct + 1 + n_numbers <= frame.room() {
        let parts = [&distinct[..n_distinct], &[0], &by_number[..n_numbers]];
        frame.section(SectionKind::OpenKinds, &parts);
    }
}

/// The event's own descriptor first, then the others that its parameters name.
pub(super) fn write(
    all: &Descriptors,
    spec: &Spec,
    event: &SavedEvent<'_>,
    demand: PlaybackDemand,
    frame: &mut FrameWriter<'_>,
) {
    let now = &all.now;
    let own = if spec.changes { now.own } else { spec.own_of(event) };
    if let Some(fd) = own {
        let changed = if now.name_changed { flag::NAME_CHANGED } else { 0 };
        let known: Option<&Descriptor> = match (&now.closed, &now.tried) {
            (Some(closed), _) => Some(closed),
            (None, Some(tried)) => Some(tried),
            (None, None) => now.table.and_then(|id| all.table(id).get(fd)).map(AsRef::as_ref),
        };
        let closed = if now.closed.is_some() { flag::CLOSED } else { 0 };
        let facts = match known {
            Some(d) => all.located(d, d.facts(fd, flag::OWN | changed | closed)),
            None => DescriptorFacts {
                fd,
                flags: flag::OWN,
                name: &now.name,
                raw_name: &now.raw_name,
                ..DescriptorFacts::default()
            },
        };
        section(frame, &facts);
    }
    if demand.table
        && let Some(table) = now.table.map(|id| all.table(id))
    {
        for fd in (0..3).filter(|&fd| Some(fd) != own) {
            if let Some(d) = table.get(fd) {
                section(frame, &all.located(d, d.facts(fd, 0)));
            }
        }
        open_kinds(table, frame);
    }
    let Some(table) = now.table.filter(|_| demand.all).map(|id| all.table(id)) else { return };
    let mut other = |fd: i64| {
        if Some(fd) != own
            && !(demand.table && (0..3).contains(&fd))
            && let Some(d) = table.get(fd)
        {
            section(frame, &all.located(d, d.facts(fd, 0)));
        }
    };
    let mut fds = spec.fds;
    while fds != 0 {
        if let Some(fd) = event.param_i64(fds.trailing_zeros() as usize) {
            other(fd);
        }
        fds &= fds - 1;
    }
    if let Some(list) = spec.list.and_then(|n| event.param(usize::from(n))) {
        // `u16 n`, then n times `i64 fd, i16 flags`.
        let (entries, _) = list.get(2..).unwrap_or_default().as_chunks::<10>();
        for entry in entries {
            let [fd @ .., _, _] = *entry;
            other(i64::from_le_bytes(fd));
        }
    }
}

//! Descriptors of the processes of a savefile, which its events name by number only.
//!
//! `events -> calls (open, socket, dup, close, ...) -> Table` (one per process, shared until one side changes after a fork) `->
//! DescriptorFacts` behind the frames. A table knows what the file's own list, and the calls since, tell; the rest stays unknown.

mod calls;
mod entry;
mod files;
mod list;
mod path;
mod sections;
mod seed;
mod sockets;
mod spec;
mod table;

use std::{net::IpAddr, sync::Arc};

use event::{EventType, FrameWriter};

use self::{
    entry::Descriptor,
    spec::Spec,
    table::{Budget, Table},
};
use super::{Rooms, SavedEvent, playback::PlaybackDemand};

pub(super) use path::change_dir;
pub(super) use seed::ServerPorts;

/// Place of a table among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TableId(u32);

#[derive(Debug, Default)]
struct Held {
    table: Table,
    /// Processes that share it (`CLONE_FILES`).
    n_holders: u32,
}

/// What the enter of a call said, for the calls whose exits may say what another thread wrote there meanwhile.
#[derive(Debug, Default)]
pub(super) struct Enter {
    event_type: Option<EventType>,
    dirfd: i64,
    flags: u32,
    /// Path or address.
    text: Vec<u8>,
}

/// What the event that was followed last has to do with descriptors.
#[derive(Debug, Default)]
struct Now {
    table: Option<TableId>,
    /// The number that `fd.num` shows, where the event's type has one.
    own: Option<i64>,
    /// What it closed.
    closed: Option<Arc<Descriptor>>,
    /// What a socket would be, had its connect not failed.
    tried: Option<Descriptor>,
    name_changed: bool,
    /// Name and raw name by the event alone, for a descriptor that is not known.
    name: Vec<u8>,
    raw_name: Vec<u8>,
}

/// The tables of all processes.
#[derive(Debug)]
pub(super) struct Descriptors {
    specs: Vec<Spec>,
    tables: Vec<Held>,
    free: Vec<TableId>,
    budget: Budget,
    /// Addresses and masks of the recorded machine.
    interfaces: Vec<(IpAddr, IpAddr)>,
    n_dropped_interfaces: u64,
    now: Now,
    path_room: Vec<u8>,
    name_room: Vec<u8>,
}

impl Descriptors {
    /// Beyond the room for descriptors new ones stay unknown, and are counted.
    pub(super) fn within(rooms: Rooms) -> Self {
        Self {
            specs: (0..event::N_EVENT_TYPES as u16).map(|n| Spec::of(EventType(n))).collect(),
            tables: Vec::new(),
            free: Vec::new(),
            budget: Budget::new(rooms.descriptors()),
            interfaces: Vec::new(),
            n_dropped_interfaces: 0,
            now: Now::default(),
            path_room: Vec::new(),
            name_room: Vec::new(),
        }
    }

    /// Takes over what outlives a section of a file.
    pub(super) fn take_over(&mut self, before: &Self) {
        self.budget.n_dropped = before.budget.n_dropped;
        self.n_dropped_interfaces = before.n_dropped_interfaces;
    }

    /// Descriptors that stay unknown because there was no room.
    pub(super) fn n_dropped(&self) -> u64 {
        self.budget.n_dropped
    }

    pub(super) fn n_dropped_interfaces(&self) -> u64 {
        self.n_dropped_interfaces
    }

    fn hold(&mut self, table: Table) -> TableId {
        let held = Held { table, n_holders: 1 };
        if let Some(id) = self.free.pop() {
            self.tables[id.0 as usize] = held;
            return id;
        }
        self.tables.push(held);
        TableId(self.tables.len() as u32 - 1)
    }

    /// A table without descriptors.
    pub(super) fn empty(&mut self) -> TableId {
        self.hold(Table::default())
    }

    /// A child's table. O(1).
    pub(super) fn fork(&mut self, parent: TableId) -> TableId {
        let table = self.table(parent).fork();
        self.hold(table)
    }

    /// The same table for another process.
    pub(super) fn share(&mut self, table: TableId) -> TableId {
        self.tables[table.0 as usize].n_holders += 1;
        table
    }

    /// The table for one process alone.
    pub(super) fn unshare(&mut self, table: TableId) -> TableId {
        if self.tables[table.0 as usize].n_holders == 1 {
            return table;
        }
        self.tables[table.0 as usize].n_holders -= 1;
        self.fork(table)
    }

    /// A process no longer has the table.
    pub(super) fn release(&mut self, id: TableId) {
        let held = &mut self.tables[id.0 as usize];
        held.n_holders -= 1;
        if held.n_holders == 0 {
            std::mem::take(&mut held.table).release(&mut self.budget);
            self.free.push(id);
        }
    }

    fn table(&self, id: TableId) -> &Table {
        &self.tables[id.0 as usize].table
    }

    /// Descriptors that are open, with the one that the event closed.
    pub(super) fn n_open(&self, id: TableId) -> u32 {
        let n_used = self.table(id).n_used() + u64::from(self.now.closed.is_some());
        u32::try_from(n_used).unwrap_or(u32::MAX)
    }

    fn put(&mut self, id: TableId, fd: i64, fill: impl FnOnce(&mut Descriptor)) {
        let made = self.budget.store.make(fill);
        self.tables[id.0 as usize].table.put(fd, made, &mut self.budget);
    }

    fn change<R>(
        &mut self,
        id: TableId,
        fd: i64,
        change: impl FnOnce(&mut Descriptor) -> R,
    ) -> Option<R> {
        self.tables[id.0 as usize].table.change(fd, &mut self.budget, change)
    }

    /// A process that `fd` stands for, where it is a pidfd.
    pub(super) fn pid_of(&self, table: TableId, fd: i64) -> Option<u32> {
        self.table(table).get(fd).filter(|d| d.kind == b'P').map(|d| d.pid)
    }

    /// A copy of another table's descriptor.
    pub(super) fn copy_from(&mut self, from: TableId, fd: i64, to: TableId, new_fd: i64) {
        let Some(found) = self.table(from).get(fd).cloned() else {
            self.tables[to.0 as usize].table.remove(new_fd, &mut self.budget);
            return;
        };
        let copy = self.budget.store.copy(&found, |d| d.is_close_on_exec = true);
        self.budget.store.release(found);
        self.tables[to.0 as usize].table.put(new_fd, copy, &mut self.budget);
    }

    /// The number is one of which nothing is known.
    pub(super) fn forget(&mut self, id: TableId, fd: i64) {
        self.tables[id.0 as usize].table.remove(fd, &mut self.budget);
    }

    /// Closes what an exec closes.
    pub(super) fn exec(&mut self, id: TableId) {
        self.close_where(id, 0, table::MAX_FD, |d| d.is_close_on_exec);
    }

    fn close_where(
        &mut self,
        id: TableId,
        from: usize,
        to: usize,
        is_such: impl Fn(&Descriptor) -> bool,
    ) {
        let Self { tables, budget, .. } = self;
        let table = &mut tables[id.0 as usize].table;
        let mut at = from;
        while let Some(fd) = table.next(at, to, &is_such) {
            table.remove(fd as i64, budget);
            at = fd + 1;
        }
    }

    /// Whether an event of this type may change what is known of descriptors or of the working directory.
    pub(super) fn changes(&self, event: &SavedEvent<'_>) -> bool {
        self.specs[usize::from(event.event_type.0)].changes
    }

    /// Begins an event: of what it says, only the number of its own descriptor is looked at.
    pub(super) fn begin(&mut self, event: &SavedEvent<'_>, table: Option<TableId>) {
        let spec = &self.specs[usize::from(event.event_type.0)];
        let now = &mut self.now;
        now.tried = None;
        if let Some(closed) = now.closed.take() {
            self.budget.store.release(closed);
        }
        now.table = table;
        now.name_changed = false;
        now.name.clear();
        now.raw_name.clear();
        // Of events that change nothing it is looked up once somebody asks.
        now.own = if spec.changes { spec.own_of(event) } else { None };
    }

    /// Puts what is asked for and known of the event's descriptors behind its parameters.
    pub(super) fn describe(
        &self,
        event: &SavedEvent<'_>,
        demand: PlaybackDemand,
        frame: &mut FrameWriter<'_>,
    ) {
        if demand.own || demand.all || demand.table {
            let spec = &self.specs[usize::from(event.event_type.0)];
            sections::write(self, spec, event, demand, frame);
        }
    }
}

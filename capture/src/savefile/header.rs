//! What stands before the first event: section header, machine, interfaces, users, processes and their descriptors.

use super::{
    DescriptorList, Group, HOSTNAME_LEN, Interface, Machine, Place, SECTION_MAGIC, SavefileError,
    User, VERSION_MAJOR,
    block::BlockHead,
    bytes::{Bytes, Cut, cut},
    descriptor_list, interface_list, kind,
    list_room::{ListEntry, ListRoom},
    process_list,
};
use crate::process::ProcessEntry;

/// Findings that are told; those after are only counted.
const MAX_FINDINGS: usize = 3;

/// What a file says before its first event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Version of the format.
    pub version: (u16, u16),
    /// The machine; absent in files of plugins.
    pub machine: Option<Machine>,
    /// Network interfaces.
    pub interfaces: Vec<Interface>,
    /// Users.
    pub users: Vec<User>,
    /// Groups.
    pub groups: Vec<Group>,
    /// Processes and their threads, in the file's order.
    pub processes: Vec<ProcessEntry>,
    /// What each process had open, in the file's order. A process may be absent, or come more than once.
    pub descriptors: Vec<DescriptorList>,
    /// Blocks of types that this build does not know.
    pub n_skipped_blocks: u64,
    /// What was not as it should be and was read around.
    pub findings: Findings,
}

/// What was not as it should be and was read around, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The first three.
    pub first: Vec<String>,
    /// How many there are beside.
    pub n_further: u64,
}

impl Findings {
    fn add(&mut self, text: impl FnOnce() -> String) {
        if self.first.len() < MAX_FINDINGS {
            self.first.push(text());
        } else {
            self.n_further += 1;
        }
    }

    /// Adds those of another section.
    pub(super) fn extend(&mut self, other: &Self) {
        other.first.iter().for_each(|text| self.add(|| text.clone()));
        self.n_further += other.n_further;
    }
}

impl ListEntry for User {
    const N_TEXTS: usize = 3;
}

impl ListEntry for Group {
    const N_TEXTS: usize = 1;
}

impl Header {
    /// The start of a section out of the body of its header block.
    pub(super) fn of_section(body: &[u8]) -> Result<Self, SavefileError> {
        let foreign = |why: String| SavefileError::NotSavefile { why };
        let mut b = Bytes(body);
        let cut = |Cut| foreign("its section header is cut".into());
        let magic = b.u32().map_err(cut)?;
        if magic != SECTION_MAGIC {
            return Err(foreign(format!(
                "magic number {magic:#010x}; a big-endian file cannot be read"
            )));
        }
        let version = (b.u16().map_err(cut)?, b.u16().map_err(cut)?);
        if version.0 > VERSION_MAJOR {
            return Err(foreign(format!("version {}.{} is newer than 1", version.0, version.1)));
        }
        // Length of the section and options follow; nothing in them is needed.
        Ok(Self { version, ..Self::default() })
    }

    /// Adds what a block says that is no event, as far as there is room.
    pub(super) fn add(
        &mut self,
        head: BlockHead,
        body: &[u8],
        at: Place,
        room: &mut ListRoom,
    ) -> Result<(), SavefileError> {
        let offset = head.offset;
        let cut = |what: &'static str| cut(at, what);
        match head.kind {
            kind::MACHINE | kind::MACHINE_OLD => {
                self.machine = Some(machine(body).map_err(cut("machine block"))?);
            }
            kind::USERS | kind::USERS_V1 | kind::USERS_V1_OLD => {
                self.add_users(body, head.kind == kind::USERS, room).map_err(cut("user list"))?;
            }
            kind::INTERFACES | kind::INTERFACES_V1 | kind::INTERFACES_V1_OLD => {
                let is_v2 = head.kind == kind::INTERFACES;
                if head.n_unclaimed > 0 {
                    self.findings.add(|| format!(
                        "interface list at byte {offset}: it is {} bytes longer than it says, a known fault of other writers; it was read whole",
                        head.n_unclaimed
                    ));
                }
                interface_list::parse(is_v2, body, &mut self.interfaces, room)
                    .map_err(cut("interface list"))?;
            }
            kind::DESCRIPTORS | kind::DESCRIPTORS_V1 | kind::DESCRIPTORS_V1_OLD => {
                let is_v2 = head.kind == kind::DESCRIPTORS;
                // First of all, for the entries take what there is.
                let is_kept = room.take::<DescriptorList>(0);
                let (list, is_left) =
                    descriptor_list::parse(is_v2, body, room).map_err(cut("descriptor list"))?;
                if is_left {
                    self.findings.add(|| format!(
                        "descriptor list at byte {offset}: a type that this build does not know ends it; the rest of process {} is not read",
                        list.tid
                    ));
                }
                if is_kept {
                    self.descriptors.push(list);
                }
            }
            other => match kind::process_list_version(other) {
                Some(version) => process_list::parse(version, body, &mut self.processes, room)
                    .map_err(cut("process list"))?,
                None => self.n_skipped_blocks += 1,
            },
        }
        Ok(())
    }

    fn add_users(&mut self, body: &[u8], is_v2: bool, room: &mut ListRoom) -> Result<(), Cut> {
        let mut b = Bytes(body);
        // Up to three bytes of padding stand behind the last entry.
        while b.len() >= 4 {
            let n_before = b.len();
            let mut record = if is_v2 {
                let len = b.u32()? as usize;
                Bytes(b.take(len.checked_sub(4).ok_or(Cut)?)?)
            } else {
                b
            };
            let (mut user, mut group) = (None, None);
            match record.u8()? {
                0 => {
                    user = Some(User {
                        uid: record.u32()?,
                        gid: record.u32()?,
                        name: record.text()?,
                        home: record.text()?,
                        shell: record.text()?,
                    });
                }
                1 => group = Some(Group { gid: record.u32()?, name: record.text()? }),
                // Only a record with a length of its own can be passed over.
                _ if is_v2 => {}
                _ => return Err(Cut),
            }
            if !is_v2 {
                b = record;
            }
            let n_bytes = n_before - b.len();
            if let Some(user) = user {
                room.keep(&mut self.users, user, n_bytes);
            }
            if let Some(group) = group {
                room.keep(&mut self.groups, group, n_bytes);
            }
        }
        Ok(())
    }
}

fn machine(body: &[u8]) -> Result<Machine, Cut> {
    let mut b = Bytes(body);
    let (n_cpus, memory_bytes, max_pid) = (b.u32()?, b.u64()?, b.u64()?);
    let hostname = b.take(HOSTNAME_LEN)?;
    let end = hostname.iter().position(|&c| c == 0).unwrap_or(HOSTNAME_LEN);
    let boot_ts_epoch_ns = b.u64()?;
    Ok(Machine {
        n_cpus,
        memory_bytes,
        max_pid,
        hostname: hostname[..end].to_vec(),
        boot_ts_epoch_ns,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::savefile::{DescriptorEntry, block::BlockStream, bytes::Body};

    /// A header of one block, read with so much room.
    fn read(kind: u32, body: &[u8], room: &mut ListRoom) -> Header {
        let mut block = Body::default();
        let len = (body.len() + 12) as u32;
        block.u32(kind).u32(len).bytes(body).u32(len);
        let mut stream = BlockStream::new(std::io::Cursor::new(block.0)).unwrap();
        let head = stream.next().unwrap().unwrap();
        let mut header = Header::default();
        header.add(head, stream.body(head), stream.place(0), room).unwrap();
        header
    }

    /// What the entries of a header take, without their texts.
    fn held(header: &Header) -> usize {
        let Header { interfaces, users, groups, processes, descriptors, .. } = header;
        let n_entries: usize = descriptors.iter().map(|l| l.entries.capacity()).sum();
        interfaces.capacity() * size_of::<Interface>()
            + users.capacity() * size_of::<User>()
            + groups.capacity() * size_of::<Group>()
            + processes.capacity() * size_of::<ProcessEntry>()
            + n_entries * size_of::<DescriptorEntry>()
    }

    #[test]
    fn small_entries_take_no_more_memory_than_there_is_room_for() {
        const ROOM: usize = 1 << 20;
        const N: usize = 40_000;
        let mut interface = Body::default();
        interface.u32(24).u16(1).u16(0).bytes(&[0; 20]);
        let mut user = Body::default();
        user.record(|b| {
            b.u8(0).bytes(&[0; 14]);
        });
        let mut group = Body::default();
        group.record(|b| {
            b.u8(1).bytes(&[0; 6]);
        });
        let mut process = Body::default();
        process_list::write(&ProcessEntry::default(), &mut process);
        let mut descriptor = Body::default();
        descriptor.record(|b| {
            b.i64(1).u64(1).u8(1).u16(0);
        });
        let tid = [5, 0, 0, 0, 0, 0, 0, 0];
        for (kind, start, entry) in [
            (kind::INTERFACES, &[][..], interface),
            (kind::USERS, &[], user),
            (kind::USERS, &[], group),
            (kind::PROCESSES, &[], process),
            (kind::DESCRIPTORS, &tid, descriptor),
        ] {
            let body = [start, &entry.0.repeat(N)].concat();
            let mut room = ListRoom::of(ROOM);
            let header = read(kind, &body, &mut room);
            assert!(held(&header) <= ROOM, "{kind:#x}: {} bytes", held(&header));
            assert!(held(&header) > ROOM / 10 && room.n_dropped() > 0, "{kind:#x}");
            // With more room all of them are there.
            let mut room = ListRoom::of(64 << 20);
            assert!(held(&read(kind, &body, &mut room)) > ROOM, "{kind:#x}");
            assert_eq!(room.n_dropped(), 0);
        }
    }

    #[test]
    fn findings_beyond_the_first_are_counted() {
        let mut findings = Findings::default();
        for n in 0..MAX_FINDINGS + 5 {
            findings.add(|| format!("finding {n}"));
        }
        let mut all = Findings { first: vec!["before".into()], n_further: 0 };
        all.extend(&findings);
        assert_eq!(all.first, ["before", "finding 0", "finding 1"]);
        assert_eq!((findings.n_further, all.n_further), (5, 6));
    }
}

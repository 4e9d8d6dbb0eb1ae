//! What stands before the first event: section header, machine, interfaces, users, processes and their descriptors.

use super::{
    DescriptorList, Group, HOSTNAME_LEN, Interface, Machine, Place, SECTION_MAGIC, SavefileError,
    User, VERSION_MAJOR,
    block::BlockHead,
    bytes::{Bytes, Cut, cut},
    descriptor_list, interface_list, kind, process_list,
};
use crate::process::ProcessEntry;

/// Most entries of any list of a file; Linux has no more process ids, and more of them are damage or malice.
const MAX_ENTRIES: usize = 1 << 22;

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
    /// What was not as it should be and was read around, for people.
    pub notes: Vec<String>,
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

    /// Adds what a block says that is no event.
    pub(super) fn add(
        &mut self,
        head: BlockHead,
        body: &[u8],
        at: Place,
    ) -> Result<(), SavefileError> {
        let offset = head.offset;
        let cut = |what: &'static str| cut(at, what);
        match head.kind {
            kind::MACHINE | kind::MACHINE_OLD => {
                self.machine = Some(machine(body).map_err(cut("machine block"))?);
            }
            kind::USERS | kind::USERS_V1 | kind::USERS_V1_OLD => {
                self.add_users(body, head.kind == kind::USERS).map_err(cut("user list"))?;
            }
            kind::INTERFACES | kind::INTERFACES_V1 | kind::INTERFACES_V1_OLD => {
                let is_v2 = head.kind == kind::INTERFACES;
                if head.n_unclaimed > 0 {
                    self.notes.push(format!(
                        "interface list at byte {offset}: it is {} bytes longer than it says, a known fault of other writers; it was read whole",
                        head.n_unclaimed
                    ));
                }
                interface_list::parse(is_v2, body, &mut self.interfaces)
                    .map_err(cut("interface list"))?;
            }
            kind::DESCRIPTORS | kind::DESCRIPTORS_V1 | kind::DESCRIPTORS_V1_OLD => {
                let is_v2 = head.kind == kind::DESCRIPTORS;
                let (list, is_left) =
                    descriptor_list::parse(is_v2, body).map_err(cut("descriptor list"))?;
                if is_left {
                    self.notes.push(format!(
                        "descriptor list at byte {offset}: a type that this build does not know ends it; the rest of process {} is not read",
                        list.tid
                    ));
                }
                self.descriptors.push(list);
            }
            other => match kind::process_list_version(other) {
                Some(version) => process_list::parse(version, body, &mut self.processes)
                    .map_err(cut("process list"))?,
                None => self.n_skipped_blocks += 1,
            },
        }
        self.is_bounded(at)
    }

    fn is_bounded(&self, at: Place) -> Result<(), SavefileError> {
        let n_descriptors: usize = self.descriptors.last().map_or(0, |l| l.entries.len());
        let lists = [
            ("interfaces", self.interfaces.len()),
            ("users", self.users.len()),
            ("groups", self.groups.len()),
            ("processes", self.processes.len()),
            ("descriptor lists", self.descriptors.len()),
            ("descriptors", n_descriptors),
        ];
        match lists.into_iter().find(|(_, n)| *n > MAX_ENTRIES) {
            None => Ok(()),
            Some((what, n)) => Err(SavefileError::Damaged {
                at,
                what: format!("the file lists {n} {what}; {MAX_ENTRIES} are the limit"),
            }),
        }
    }

    fn add_users(&mut self, body: &[u8], is_v2: bool) -> Result<(), Cut> {
        let mut b = Bytes(body);
        // Up to three bytes of padding stand behind the last entry.
        while b.len() >= 4 {
            let mut record = if is_v2 {
                let len = b.u32()? as usize;
                Bytes(b.take(len.checked_sub(4).ok_or(Cut)?)?)
            } else {
                b
            };
            match record.u8()? {
                0 => self.users.push(User {
                    uid: record.u32()?,
                    gid: record.u32()?,
                    name: record.text()?,
                    home: record.text()?,
                    shell: record.text()?,
                }),
                1 => self.groups.push(Group { gid: record.u32()?, name: record.text()? }),
                // Only a record with a length of its own can be passed over.
                _ if is_v2 => {}
                _ => return Err(Cut),
            }
            if !is_v2 {
                b = record;
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

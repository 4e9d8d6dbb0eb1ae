//! What calls change of their own process: working directory, session, group, users, capabilities.

use bumpalo::Bump;
use event::{FileFacts, FileKind, FrameHeader, ProcFacts, file_flags};

use super::node::{Ids, Version};
use crate::parse::{Call, Change, Event};
use crate::path::normalised;

/// The working directory after a chdir or fchdir; `None` where it is not known.
pub(super) fn new_cwd<'a>(
    before: &Version,
    call: &Call<'a>,
    change: Change,
    bump: &'a Bump,
) -> Option<&'a [u8]> {
    // The kernel's path of where the call led to.
    let is_whole = |f: &&FileFacts<'_>| {
        f.kind == FileKind::Directory
            && f.flags & file_flags::UNRESOLVED == 0
            && f.path.starts_with(b"/")
    };
    if let Some(place) = call.file.as_ref().or(call.dirs[0].as_ref()).filter(is_whole) {
        return Some(place.path);
    }
    match change {
        Change::Chdir => normalised(bump, Some(&before.cwd), call.paths[0]?),
        _ => None,
    }
}

/// The ids after a call that changes some of them.
pub(super) fn changed_ids(old: &Ids, event: &Event<'_>, call: &Call<'_>, change: Change) -> Ids {
    let header = event.header();
    let now = event.frame.trailer().proc();
    let mut ids = *old;
    match change {
        Change::Setsid => {
            // The caller leads its session and its group: known by its own id, whatever its namespace calls it.
            ids.sid = header.tgid;
            ids.pgid = header.tgid;
            ids.vpgid = old.vpid;
        }
        Change::Setpgid => set_group(&mut ids, call, header, now),
        // Live, each event tells by itself who made it.
        // What another thread than the first changes is its own, and stands behind its frames.
        Change::User(_) | Change::Group(_) if header.tid != header.tgid => {}
        Change::User(n) if event.is_from_file() => ids.uid = call.id(n).unwrap_or(old.uid),
        Change::Group(n) if event.is_from_file() => ids.gid = call.id(n).unwrap_or(old.gid),
        Change::Chdir | Change::Fchdir | Change::User(_) | Change::Group(_) => {}
        Change::Capset => {
            let bits = |n| call.number(n).map(|bits| bits as u64);
            ids.cap_inheritable = bits(1).unwrap_or(old.cap_inheritable);
            ids.cap_permitted = bits(2).unwrap_or(old.cap_permitted);
            ids.cap_effective = bits(3).unwrap_or(old.cap_effective);
        }
    }
    ids
}

/// Only the caller's own group: that of a child is written by the child's owner, who does not see this call.
fn set_group(ids: &mut Ids, call: &Call<'_>, header: &FrameHeader, now: Option<ProcFacts>) {
    let (Some(pid), Some(group)) = (call.number(1), call.number(2)) else { return };
    let own = i64::from(if ids.vpid == 0 { header.tgid } else { ids.vpid });
    if pid != 0 && pid != own {
        return;
    }
    if group == 0 || group == own {
        (ids.pgid, ids.vpgid) = (header.tgid, own as u32);
        return;
    }
    let Ok(group) = u32::try_from(group) else { return };
    ids.vpgid = group;
    // In a namespace of its own only the kernel knows the group's id outside; 0 is unknown.
    let is_outside = own == i64::from(header.tgid);
    ids.pgid = now.map_or(if is_outside { group } else { 0 }, |now| now.pgid);
}

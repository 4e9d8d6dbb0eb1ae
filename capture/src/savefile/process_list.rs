//! The process list, versions 1 to 9.
//!
//! Strings are `u16 length, bytes`. Since version 9 an entry begins with its own length, and fields are only ever appended.

use super::{
    bytes::{Body, Bytes, Cut},
    list_room::{ListEntry, ListRoom},
};
use crate::process::ProcessEntry;

// Other readers keep a text in 1,024 bytes with its NUL.
const MAX_TEXT: usize = 1023;
const MAX_LIST: usize = 4096;
/// A tail of at most this many bytes was written before two fields were inserted in front of it.
const OLD_TAIL_LEN: usize = 29;

impl ListEntry for ProcessEntry {
    const N_TEXTS: usize = 8;
}

fn flag(b: &mut Bytes<'_>) -> Result<bool, Cut> {
    Ok(b.u8()? != 0)
}

/// Fields behind the ones that every version 9 entry has; each only where it still fits.
fn tail(entry: &mut ProcessEntry, b: &mut Bytes<'_>) -> Result<(), Cut> {
    if b.len() > OLD_TAIL_LEN {
        entry.pidns_init_start_ts = b.u64()?;
        entry.tty = b.u32()?;
    }
    entry.loginuid = b.u32()?;
    entry.exe_writable = flag(b)?;
    entry.cap_inheritable = b.u64()?;
    entry.cap_permitted = b.u64()?;
    entry.cap_effective = b.u64()?;
    entry.exe_upper_layer = flag(b)?;
    entry.exe_ino = b.u64()?;
    entry.exe_ino_ctime = b.u64()?;
    entry.exe_ino_mtime = b.u64()?;
    entry.exe_from_memfd = flag(b)?;
    entry.exe_lower_layer = flag(b)?;
    entry.pgid = b.i64()?;
    Ok(())
}

fn entry(version: u8, b: &mut Bytes<'_>) -> Result<ProcessEntry, Cut> {
    let mut e =
        ProcessEntry { tid: b.i64()?, pid: b.i64()?, ptid: b.i64()?, ..ProcessEntry::default() };
    if version >= 6 {
        e.sid = b.i64()?;
    }
    if version >= 8 {
        e.vpgid = b.i64()?;
    }
    e.comm = b.text()?;
    e.exe = b.text()?;
    if version >= 7 {
        e.exepath = b.text()?;
    }
    e.args = b.text()?;
    e.cwd = b.text()?;
    e.fdlimit = b.i64()?;
    e.clone_flags = b.u32()?;
    e.uid = b.u32()?;
    e.gid = b.u32()?;
    if version >= 2 {
        e.vmsize_kb = b.u32()?;
        e.vmrss_kb = b.u32()?;
        e.vmswap_kb = b.u32()?;
        e.pfmajor = b.u64()?;
        e.pfminor = b.u64()?;
    }
    if version >= 3 {
        e.env = b.text()?;
    }
    (e.vtid, e.vpid) = if version >= 4 { (b.i64()?, b.i64()?) } else { (e.tid, e.pid) };
    if version >= 4 {
        e.cgroups = b.text()?;
    }
    if version >= 5 {
        e.root = b.text()?;
    }
    Ok(e)
}

/// Every entry of a block's body.
pub(super) fn parse(
    version: u8,
    body: &[u8],
    out: &mut Vec<ProcessEntry>,
    room: &mut ListRoom,
) -> Result<(), Cut> {
    let mut b = Bytes(body);
    // Up to three bytes of padding stand behind the last entry.
    while b.len() >= 4 {
        let n_before = b.len();
        let found = if version < 9 {
            entry(version, &mut b)?
        } else {
            let len = b.u32()? as usize;
            let mut record = Bytes(b.take(len.checked_sub(4).ok_or(Cut)?)?);
            let mut e = entry(version, &mut record)?;
            // A tail that ends early is an older writer's, not damage.
            let _ends_early = tail(&mut e, &mut record);
            e
        };
        room.keep(out, found, n_before - b.len());
    }
    Ok(())
}

/// Writes an entry of version 9 with all fields.
pub(super) fn write(entry: &ProcessEntry, body: &mut Body) {
    let ProcessEntry {
        tid,
        pid,
        ptid,
        sid,
        vpgid,
        pgid,
        comm,
        exe,
        exepath,
        args,
        cwd,
        fdlimit,
        clone_flags,
        uid,
        gid,
        vmsize_kb,
        vmrss_kb,
        vmswap_kb,
        pfmajor,
        pfminor,
        env,
        vtid,
        vpid,
        cgroups,
        root,
        pidns_init_start_ts,
        tty,
        loginuid,
        cap_inheritable,
        cap_permitted,
        cap_effective,
        exe_writable,
        exe_upper_layer,
        exe_lower_layer,
        exe_from_memfd,
        exe_ino,
        exe_ino_ctime,
        exe_ino_mtime,
    } = entry;
    body.record(|b| {
        b.i64(*tid).i64(*pid).i64(*ptid).i64(*sid).i64(*vpgid);
        b.text(comm, MAX_TEXT).text(exe, MAX_TEXT).text(exepath, MAX_TEXT).text(args, MAX_LIST);
        b.text(if cwd.is_empty() { b"/" } else { cwd }, MAX_TEXT);
        b.i64(*fdlimit).u32(*clone_flags).u32(*uid).u32(*gid);
        b.u32(*vmsize_kb).u32(*vmrss_kb).u32(*vmswap_kb).u64(*pfmajor).u64(*pfminor);
        b.text(env, MAX_LIST).i64(*vtid).i64(*vpid).text(cgroups, MAX_LIST).text(root, MAX_TEXT);
        b.u64(*pidns_init_start_ts).u32(*tty).u32(*loginuid).u8(u8::from(*exe_writable));
        b.u64(*cap_inheritable).u64(*cap_permitted).u64(*cap_effective);
        b.u8(u8::from(*exe_upper_layer)).u64(*exe_ino).u64(*exe_ino_ctime).u64(*exe_ino_mtime);
        b.u8(u8::from(*exe_from_memfd)).u8(u8::from(*exe_lower_layer)).i64(*pgid);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> ProcessEntry {
        ProcessEntry {
            tid: 7,
            pid: 7,
            ptid: 1,
            sid: 5,
            vpgid: 6,
            pgid: 8,
            comm: b"sh".to_vec(),
            exe: b"-sh".to_vec(),
            exepath: b"/bin/sh".to_vec(),
            args: b"-c\0".to_vec(),
            loginuid: 1000,
            tty: 3,
            exe_lower_layer: true,
            exe_ino: 99,
            vtid: 7,
            vpid: 7,
            ..ProcessEntry::default()
        }
    }

    fn round(body: &[u8]) -> Vec<ProcessEntry> {
        let mut out = Vec::new();
        parse(9, body, &mut out, &mut ListRoom::new()).unwrap();
        out
    }

    #[test]
    fn entries_round_trip() {
        let mut body = Body::default();
        write(&sample(), &mut body);
        write(&ProcessEntry { tid: 8, ..sample() }, &mut body);
        body.bytes(&[0, 0, 0]);
        assert_eq!(round(&body.0), [sample(), ProcessEntry { tid: 8, ..sample() }]);
    }

    #[test]
    fn a_tail_of_four_bytes_is_the_login_uid() {
        let mut body = Body::default();
        write(&sample(), &mut body);
        let mut bytes = body.0;
        bytes.truncate(bytes.len() - 76);
        bytes.extend_from_slice(&1001u32.to_le_bytes());
        let len = bytes.len() as u32;
        bytes[..4].copy_from_slice(&len.to_le_bytes());
        let entry = &round(&bytes)[0];
        assert_eq!((entry.loginuid, entry.tty, entry.pgid), (1001, 0, -1));
    }

    #[test]
    fn version_8_has_neither_length_nor_tail() {
        let mut body = Body::default();
        write(&sample(), &mut body);
        let one = &body.0[4..body.0.len() - 76];
        let mut out = Vec::new();
        parse(8, &[one, one].concat(), &mut out, &mut ListRoom::new()).unwrap();
        assert_eq!(out.len(), 2);
        assert_eq!(
            (out[1].vpgid, &out[1].exepath[..], out[1].loginuid),
            (6, &b"/bin/sh"[..], u32::MAX)
        );
    }

    #[test]
    fn a_longer_tail_than_known_is_read_over() {
        let mut body = Body::default();
        write(&sample(), &mut body);
        let mut bytes = body.0;
        bytes.extend_from_slice(&[9; 20]);
        let len = bytes.len() as u32;
        bytes[..4].copy_from_slice(&len.to_le_bytes());
        assert_eq!(round(&bytes), [sample()]);
    }

    #[test]
    fn a_length_below_itself_is_damage() {
        let mut out = Vec::new();
        let mut room = ListRoom::new();
        assert_eq!(parse(9, &[3, 0, 0, 0], &mut out, &mut room), Err(Cut));
        assert_eq!(parse(5, &[0; 40], &mut out, &mut room), Err(Cut));
    }
}

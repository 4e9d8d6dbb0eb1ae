//! What is known of a process from before the capture, and its seed frame.
//!
//! `/proc` and the process list of a savefile both give a [`ProcessEntry`]; both reach the process table as a frame with
//! [`flags::SEED`](event::flags::SEED), so there is one way to fill it.

use event::{
    EventType, Frame, FrameHeader, FrameTooLarge, FrameWriter, ProcFacts, SectionKind, flags,
};

/// Longest `args`, `env` and `cgroups`, in bytes.
pub(crate) const MAX_LIST_LEN: usize = 4096;
/// Longest path or name, in bytes.
pub(crate) const MAX_PATH_LEN: usize = 4096;

/// Bits of the `flags` parameter of an exec.
const EXE_WRITABLE: u32 = 1;
const EXE_UPPER_LAYER: u32 = 2;
const EXE_FROM_MEMFD: u32 = 4;
const EXE_LOWER_LAYER: u32 = 8;

/// One process (or thread) that was there before the first event. Field names are those of the `.scap` process list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts of the format")]
#[expect(missing_docs, reason = "the names are those of the format")]
pub struct ProcessEntry {
    pub tid: i64,
    pub pid: i64,
    pub ptid: i64,
    pub sid: i64,
    /// Process group as its own pid namespace sees it.
    pub vpgid: i64,
    pub pgid: i64,
    pub comm: Vec<u8>,
    /// `argv[0]`.
    pub exe: Vec<u8>,
    pub exepath: Vec<u8>,
    /// `argv[1..]`, each NUL-terminated.
    pub args: Vec<u8>,
    pub cwd: Vec<u8>,
    pub fdlimit: i64,
    /// `PPM_CL_*` bits with which the thread was made.
    pub clone_flags: u32,
    pub uid: u32,
    pub gid: u32,
    pub vmsize_kb: u32,
    pub vmrss_kb: u32,
    pub vmswap_kb: u32,
    pub pfmajor: u64,
    pub pfminor: u64,
    /// NUL-terminated strings.
    pub env: Vec<u8>,
    pub vtid: i64,
    pub vpid: i64,
    /// `subsys=path`, each NUL-terminated.
    pub cgroups: Vec<u8>,
    pub root: Vec<u8>,
    pub pidns_init_start_ts: u64,
    pub tty: u32,
    /// `u32::MAX` where there is none.
    pub loginuid: u32,
    pub cap_inheritable: u64,
    pub cap_permitted: u64,
    pub cap_effective: u64,
    pub exe_writable: bool,
    pub exe_upper_layer: bool,
    pub exe_lower_layer: bool,
    pub exe_from_memfd: bool,
    pub exe_ino: u64,
    /// ns since the epoch.
    pub exe_ino_ctime: u64,
    /// ns since the epoch.
    pub exe_ino_mtime: u64,
}

impl Default for ProcessEntry {
    fn default() -> Self {
        Self {
            tid: 0,
            pid: 0,
            ptid: 0,
            // What an old list lacks is -1, as other readers have it.
            sid: -1,
            vpgid: -1,
            pgid: -1,
            comm: Vec::new(),
            exe: Vec::new(),
            exepath: Vec::new(),
            args: Vec::new(),
            cwd: b"/".to_vec(),
            fdlimit: 0,
            clone_flags: 0,
            uid: 0,
            gid: 0,
            vmsize_kb: 0,
            vmrss_kb: 0,
            vmswap_kb: 0,
            pfmajor: 0,
            pfminor: 0,
            env: Vec::new(),
            vtid: 0,
            vpid: 0,
            cgroups: Vec::new(),
            root: b"/".to_vec(),
            pidns_init_start_ts: 0,
            tty: 0,
            loginuid: u32::MAX,
            cap_inheritable: 0,
            cap_permitted: 0,
            cap_effective: 0,
            exe_writable: false,
            exe_upper_layer: false,
            exe_lower_layer: false,
            exe_from_memfd: false,
            exe_ino: 0,
            exe_ino_ctime: 0,
            exe_ino_mtime: 0,
        }
    }
}

/// What a seed's header says beyond the entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeedIds {
    pub(crate) ts: u64,
    pub(crate) start_ns: u64,
    pub(crate) parent_start_ns: u64,
    /// Header flags beside `SEED`.
    pub(crate) flags: u32,
}

/// The first `max` bytes of a list of NUL-terminated strings; a cut one keeps its final NUL.
pub(crate) fn clip_list(list: &[u8], max: usize, buf: &mut Vec<u8>) -> bool {
    buf.clear();
    buf.extend_from_slice(&list[..list.len().min(max)]);
    if list.len() > max {
        buf[max - 1] = 0;
        return true;
    }
    false
}

fn clip(text: &[u8], max: usize) -> &[u8] {
    &text[..text.len().min(max)]
}

impl ProcessEntry {
    /// Whether the entry is a process rather than one of its further threads.
    #[must_use]
    pub fn is_main_thread(&self) -> bool {
        self.tid == self.pid
    }

    fn exe_flags(&self) -> u32 {
        [
            (self.exe_writable, EXE_WRITABLE),
            (self.exe_upper_layer, EXE_UPPER_LAYER),
            (self.exe_from_memfd, EXE_FROM_MEMFD),
            (self.exe_lower_layer, EXE_LOWER_LAYER),
        ]
        .into_iter()
        .fold(0, |bits, (on, bit)| if on { bits | bit } else { bits })
    }

    /// Writes the seed: an exec that "returned" before the capture began. Over-long texts are cut and the frame is flagged.
    pub(crate) fn to_frame<'b>(
        &self,
        ids: SeedIds,
        buf: &'b mut [u8],
    ) -> Result<&'b [u8], FrameTooLarge> {
        let mut list = Vec::new();
        let mut truncated = [&self.exe, &self.comm, &self.cwd, &self.exepath]
            .iter()
            .any(|t| t.len() > MAX_PATH_LEN);
        truncated |= [&self.args, &self.env, &self.cgroups].iter().any(|l| l.len() > MAX_LIST_LEN);
        let header = FrameHeader {
            ts: ids.ts,
            event_type: EventType::EXECVE_19_X.0,
            flags: flags::SEED | ids.flags | if truncated { flags::TRUNCATED } else { 0 },
            tid: self.tid as u32,
            tgid: self.pid as u32,
            start_ns: ids.start_ns,
            uid: self.uid,
            gid: self.gid,
            ..FrameHeader::default()
        };
        let mut w = FrameWriter::new(buf, header);
        w.i64(0).str(clip(&self.exe, MAX_PATH_LEN));
        clip_list(&self.args, MAX_LIST_LEN, &mut list);
        w.bytes(&list)
            .i64(self.tid)
            .i64(self.pid)
            .i64(self.ptid)
            .str(clip(&self.cwd, MAX_PATH_LEN));
        w.i64(self.fdlimit).u64(self.pfmajor).u64(self.pfminor);
        w.u32(self.vmsize_kb)
            .u32(self.vmrss_kb)
            .u32(self.vmswap_kb)
            .str(clip(&self.comm, MAX_PATH_LEN));
        clip_list(&self.cgroups, MAX_LIST_LEN, &mut list);
        w.bytes(&list);
        clip_list(&self.env, MAX_LIST_LEN, &mut list);
        w.bytes(&list).u32(self.tty).i64(self.vpgid).u32(self.loginuid).u32(self.exe_flags());
        w.u64(self.cap_inheritable).u64(self.cap_permitted).u64(self.cap_effective);
        w.u64(self.exe_ino).u64(self.exe_ino_ctime).u64(self.exe_ino_mtime).u32(self.uid);
        w.str(clip(&self.exepath, MAX_PATH_LEN)).i64(self.pgid).u32(self.gid);
        let facts = ProcFacts {
            sid: self.sid as u32,
            pgid: self.pgid as u32,
            parent_tgid: self.ptid as u32,
            vpid: self.vpid as u32,
            parent_start_ns: ids.parent_start_ns,
        };
        // The last parameter, the path as given to exec, is not known any more: it stays empty.
        w.section(SectionKind::Proc, &[&facts.to_bytes()]);
        w.finish()
    }

    /// The entry that a seed frame was made of. What a seed does not carry (root, clone flags) has its default.
    #[must_use]
    pub fn from_seed(frame: &Frame<'_>) -> Self {
        let text = |n| frame.param_str(n).unwrap_or_default().to_vec();
        let list = |n| frame.param(n).unwrap_or_default().to_vec();
        let i = |n| frame.param_i64(n).unwrap_or_default();
        let u = |n| frame.param_u64(n).unwrap_or_default();
        let w = |n| frame.param_u32(n).unwrap_or_default();
        let header = frame.header();
        let facts = frame.trailer().proc();
        let vpid = facts.map_or(i64::from(header.tgid), |f| i64::from(f.vpid));
        let exe_flags = w(19);
        Self {
            tid: i64::from(header.tid),
            pid: i64::from(header.tgid),
            ptid: i(5),
            sid: facts.map_or(0, |f| i64::from(f.sid)),
            vpgid: i(17),
            pgid: i(28),
            comm: text(13),
            exe: text(1),
            exepath: text(27),
            args: list(2),
            cwd: text(6),
            fdlimit: i(7),
            uid: w(26),
            gid: w(29),
            vmsize_kb: w(10),
            vmrss_kb: w(11),
            vmswap_kb: w(12),
            pfmajor: u(8),
            pfminor: u(9),
            env: list(15),
            vtid: vpid,
            vpid,
            cgroups: list(14),
            tty: w(16),
            loginuid: frame.param_u32(18).unwrap_or(u32::MAX),
            cap_inheritable: u(20),
            cap_permitted: u(21),
            cap_effective: u(22),
            exe_writable: exe_flags & EXE_WRITABLE != 0,
            exe_upper_layer: exe_flags & EXE_UPPER_LAYER != 0,
            exe_lower_layer: exe_flags & EXE_LOWER_LAYER != 0,
            exe_from_memfd: exe_flags & EXE_FROM_MEMFD != 0,
            exe_ino: u(23),
            exe_ino_ctime: u(24),
            exe_ino_mtime: u(25),
            ..Self::default()
        }
    }
}

/// An order of `(id, parent id)` in which every parent that is listed comes before its children, and which keeps the given order
/// otherwise. Entries on a circle (a damaged list) come where the walk met them. O(n).
pub(crate) fn parents_first(ids: &[(i64, i64)]) -> Vec<usize> {
    let by_id: std::collections::HashMap<i64, usize> =
        ids.iter().enumerate().rev().map(|(at, &(id, _))| (id, at)).collect();
    let mut placed = vec![false; ids.len()];
    let mut order = Vec::with_capacity(ids.len());
    let mut path = Vec::new();
    for start in 0..ids.len() {
        let mut at = start;
        while !placed[at] {
            placed[at] = true;
            path.push(at);
            match by_id.get(&ids[at].1) {
                Some(&parent) => at = parent,
                None => break,
            }
        }
        order.extend(path.drain(..).rev());
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> ProcessEntry {
        ProcessEntry {
            tid: 70,
            pid: 70,
            ptid: 1,
            sid: 60,
            vpgid: 3,
            pgid: 65,
            comm: b"nginx".to_vec(),
            exe: b"nginx:".to_vec(),
            exepath: b"/usr/sbin/nginx".to_vec(),
            args: b"-g\0daemon off;\0".to_vec(),
            cwd: b"/srv".to_vec(),
            fdlimit: 1024,
            uid: 33,
            gid: 34,
            vmsize_kb: 5,
            vmrss_kb: 4,
            vmswap_kb: 3,
            pfmajor: 2,
            pfminor: 1,
            env: b"A=1\0B=\0".to_vec(),
            vtid: 7,
            vpid: 7,
            cgroups: b"memory=/docker/x\0=/x\0".to_vec(),
            tty: 34816,
            loginuid: 1000,
            cap_inheritable: 1,
            cap_permitted: 2,
            cap_effective: 3,
            exe_writable: true,
            exe_from_memfd: true,
            exe_ino: 9,
            exe_ino_ctime: 10,
            exe_ino_mtime: 11,
            ..ProcessEntry::default()
        }
    }

    #[test]
    fn a_seed_carries_the_whole_entry() {
        let entry = full();
        let mut buf = vec![0; event::MAX_FRAME_LEN];
        let ids = SeedIds { ts: 1, start_ns: 2, parent_start_ns: 3, flags: 0 };
        let frame = Frame::parse(entry.to_frame(ids, &mut buf).unwrap()).unwrap();
        assert!(frame.has(flags::SEED) && !frame.has(flags::TRUNCATED));
        assert_eq!(frame.n_params(), 31);
        assert_eq!(frame.trailer().proc().unwrap().parent_start_ns, 3);
        assert_eq!(ProcessEntry::from_seed(&frame), entry);
    }

    #[test]
    fn an_over_long_environment_is_cut_and_flagged() {
        let entry = ProcessEntry { env: vec![b'x'; 70_000], ..full() };
        let mut buf = vec![0; event::MAX_FRAME_LEN];
        let frame = Frame::parse(entry.to_frame(SeedIds::default(), &mut buf).unwrap()).unwrap();
        assert!(frame.has(flags::TRUNCATED));
        let env = frame.param(15).unwrap();
        assert_eq!((env.len(), env[4094], env[4095]), (4096, b'x', 0));
    }

    #[test]
    fn parents_come_first_and_circles_end() {
        let ids = [(5, 4), (3, 1), (4, 3), (1, 0), (9, 9), (7, 8), (8, 7)];
        let order = parents_first(&ids);
        assert_eq!(order.len(), ids.len());
        let place = |id| order.iter().position(|&at| ids[at].0 == id).unwrap();
        assert!(place(1) < place(3) && place(3) < place(4) && place(4) < place(5));
    }
}

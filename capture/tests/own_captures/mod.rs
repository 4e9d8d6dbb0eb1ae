//! Makes the captures of `testdata/captures`: byte by byte and by the format's description alone, so that they prove the reader and not
//! the writer.

use capture::ProcessEntry;
use capture::savefile::{DescriptorEntry, DescriptorList, DescriptorTarget, Interface};

/// A capture and what it holds.
pub(crate) struct OwnCapture {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// Sections: processes and events.
    pub(crate) sections: Vec<Section>,
    /// How reading ends, where the file is damaged.
    pub(crate) error: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) processes: Vec<ProcessEntry>,
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) descriptors: Vec<DescriptorList>,
    pub(crate) n_users: usize,
    pub(crate) n_groups: usize,
    pub(crate) events: Vec<Event>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) ts: u64,
    pub(crate) tid: i64,
    pub(crate) ty: u16,
    pub(crate) is_state_only: bool,
    pub(crate) params: Vec<Vec<u8>>,
}

/// Bytes put one after the other.
#[derive(Default)]
struct B(Vec<u8>);

impl B {
    fn u8(mut self, v: u8) -> Self {
        self.0.push(v);
        self
    }
    fn u16(self, v: u16) -> Self {
        self.raw(&v.to_le_bytes())
    }
    fn u32(self, v: u32) -> Self {
        self.raw(&v.to_le_bytes())
    }
    fn u64(self, v: u64) -> Self {
        self.raw(&v.to_le_bytes())
    }
    fn i64(self, v: i64) -> Self {
        self.raw(&v.to_le_bytes())
    }
    fn raw(mut self, v: &[u8]) -> Self {
        self.0.extend_from_slice(v);
        self
    }
    fn text(self, v: &[u8]) -> Self {
        self.u16(v.len() as u16).raw(v)
    }
    /// With its length in front, which counts itself.
    fn record(self) -> Self {
        B::default().u32(self.0.len() as u32 + 4).raw(&self.0)
    }
    fn block(self, kind: u32) -> Vec<u8> {
        let total = self.0.len().next_multiple_of(4) as u32 + 12;
        let mut b = B::default().u32(kind).u32(total).raw(&self.0).0;
        b.resize(total as usize - 4, 0);
        B(b).u32(total).0
    }
}

fn section_block(minor: u16, options: &[u8]) -> Vec<u8> {
    B::default().u32(0x1A2B_3C4D).u16(1).u16(minor).i64(-1).raw(options).block(0x0A0D_0D0A)
}

fn machine_block(kind: u32) -> Vec<u8> {
    let mut host = [0; 128];
    host[..4].copy_from_slice(b"node");
    B::default()
        .u32(4)
        .u64(1 << 33)
        .u64(4_194_304)
        .raw(&host)
        .u64(77)
        .u64(0)
        .u64(0)
        .u64(0)
        .block(kind)
}

fn users_block(kind: u32, is_v2: bool) -> Vec<u8> {
    let user = B::default().u8(0).u32(33).u32(33).text(b"www").text(b"/srv").text(b"/bin/sh");
    let group = B::default().u8(1).u32(33).text(b"www");
    let (user, group) = if is_v2 { (user.record(), group.record()) } else { (user, group) };
    let unknown = if is_v2 { B::default().u8(9).raw(b"later").record() } else { B::default() };
    B::default().raw(&user.0).raw(&unknown.0).raw(&group.0).block(kind)
}

fn interfaces() -> Vec<Interface> {
    let interface = |name: &[u8], addr: &str, mask: &str, broadcast: &str, link_speed| Interface {
        name: name.to_vec(),
        addr: addr.parse().unwrap(),
        mask: mask.parse().unwrap(),
        broadcast: broadcast.parse().unwrap(),
        link_speed,
    };
    vec![
        interface(b"lo", "127.0.0.1", "255.0.0.0", "0.0.0.0", Some(0)),
        interface(b"eth0", "fe80::1", "ffff:ffff:ffff:ffff::", "::", Some(1000)),
        interface(b"old0", "10.0.0.5", "255.255.255.0", "10.0.0.255", None),
        interface(b"old0", "fe80::2", "ffff::", "::", None),
    ]
}

fn interfaces_block(kind: u32, is_v2: bool) -> Vec<u8> {
    let mut all = B::default();
    for (i, number) in interfaces().iter().zip([1, 2, 3, 4]) {
        let mut b = B::default().u16(number).u16(i.name.len() as u16);
        for ip in [i.addr, i.mask, i.broadcast] {
            b = match ip {
                std::net::IpAddr::V4(ip) => b.raw(&ip.octets()),
                std::net::IpAddr::V6(ip) => b.raw(&ip.octets()),
            };
        }
        if let Some(speed) = i.link_speed {
            b = b.u64(speed);
        }
        let b = b.raw(&i.name);
        all = if is_v2 { all.u32(b.0.len() as u32).raw(&b.0) } else { all.raw(&b.0) };
    }
    all.block(kind)
}

/// One descriptor of every type, each with the bytes that stand for it.
fn descriptors(tid: i64, is_v2: bool) -> (DescriptorList, Vec<u8>) {
    let mut list = DescriptorList { tid, entries: Vec::new() };
    let mut body = B::default().i64(tid);
    let mut add = |fd: i64, number: u8, target: DescriptorTarget, payload: B| {
        let b = B::default().i64(fd).u64(fd as u64 + 900).u8(number).raw(&payload.0);
        body.0.extend_from_slice(&if is_v2 { b.record().0 } else { b.0 });
        list.entries.push(DescriptorEntry { fd, ino: fd as u64 + 900, target });
    };
    for (number, fd) in
        [1, 2, 7, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21].into_iter().zip(10..)
    {
        let name = format!("/name/{number}").into_bytes();
        let payload = B::default().text(&name);
        add(fd, number, DescriptorTarget::Named { number, name }, payload);
    }
    let (v4, other4) = ("10.0.0.5:40000".parse().unwrap(), "1.2.3.4:443".parse().unwrap());
    let payload = B::default().raw(&[10, 0, 0, 5, 1, 2, 3, 4]).u16(40_000).u16(443).u8(2);
    add(30, 3, DescriptorTarget::Socket { client: v4, server: other4, l4: 2 }, payload);
    let ip = |last: u8| {
        let mut ip = [0; 16];
        (ip[0], ip[1], ip[15]) = (0xfe, 0x80, last);
        ip
    };
    let (v6, other6) = ("[fe80::1]:5".parse().unwrap(), "[fe80::2]:6".parse().unwrap());
    let payload = B::default().raw(&ip(1)).raw(&ip(2)).u16(5).u16(6).u8(3);
    add(31, 4, DescriptorTarget::Socket { client: v6, server: other6, l4: 3 }, payload);
    let payload = B::default().raw(&[10, 0, 0, 5]).u16(40_000).u8(2);
    add(32, 5, DescriptorTarget::Server { at: v4, l4: 2 }, payload);
    add(33, 6, DescriptorTarget::Server { at: v6, l4: 2 }, B::default().raw(&ip(1)).u16(5).u8(2));
    let unix = DescriptorTarget::Unix { source: 7, destination: 8, path: b"/run/s".to_vec() };
    add(34, 8, unix, B::default().u64(7).u64(8).text(b"/run/s"));
    let dev = is_v2.then_some(0x801);
    let file = DescriptorTarget::File { open_flags: 3, path: b"/etc/hosts".to_vec(), dev };
    let payload =
        B::default().u32(3).text(b"/etc/hosts").raw(if is_v2 { &[1, 8, 0, 0] } else { &[] });
    add(35, 16, file, payload);
    if is_v2 {
        let short = DescriptorTarget::File { open_flags: 1, path: b"/short".to_vec(), dev: None };
        add(36, 16, short, B::default().u32(1).text(b"/short"));
        add(37, 99, DescriptorTarget::Unknown(99), B::default().raw(b"of a later version"));
    }
    (list, body.0)
}

/// A process with all that its version of the list knows, and the bytes that stand for it.
fn process(version: u8, tail: usize, tid: i64, pid: i64) -> (ProcessEntry, Vec<u8>) {
    let text = |text: &str| text.as_bytes().to_vec();
    let since =
        |v: u8, text: &str| if version >= v { text.as_bytes().to_vec() } else { Vec::new() };
    // What a version does not have is not known.
    let unknown = ProcessEntry::default();
    let mut e = ProcessEntry {
        tid,
        pid,
        ptid: 1,
        sid: if version >= 6 { 40 } else { unknown.sid },
        vpgid: if version >= 8 { 4 } else { unknown.vpgid },
        comm: text("nginx"),
        exe: text("nginx:"),
        exepath: since(7, "/usr/sbin/nginx"),
        args: text("-g\0daemon off;\0"),
        cwd: text("/srv"),
        fdlimit: 1024,
        clone_flags: if tid == pid { 0 } else { 1 << 13 },
        uid: 33,
        gid: 34,
        env: since(3, "A=1\0B=\0"),
        vtid: if version >= 4 { 7 } else { tid },
        vpid: if version >= 4 { 7 } else { pid },
        cgroups: since(4, "cpu=/docker/0123456789ab\0"),
        ..ProcessEntry::default()
    };
    if version >= 2 {
        (e.vmsize_kb, e.vmrss_kb, e.vmswap_kb, e.pfmajor, e.pfminor) = (5, 4, 3, 2, 1);
    }
    if version >= 5 {
        e.root = text("/jail");
    }
    let mut b = B::default().i64(tid).i64(pid).i64(1);
    b = if version >= 6 { b.i64(40) } else { b };
    b = if version >= 8 { b.i64(4) } else { b };
    b = b.text(&e.comm).text(&e.exe);
    b = if version >= 7 { b.text(&e.exepath) } else { b };
    b = b.text(&e.args).text(&e.cwd).i64(1024).u32(e.clone_flags).u32(33).u32(34);
    b = if version >= 2 { b.u32(5).u32(4).u32(3).u64(2).u64(1) } else { b };
    b = if version >= 3 { b.text(&e.env) } else { b };
    b = if version >= 4 { b.i64(7).i64(7).text(&e.cgroups) } else { b };
    b = if version >= 5 { b.text(b"/jail") } else { b };
    // The tail in the order of its fields; the first two came later than those behind them.
    let whole = B::default().u64(99).u32(34_816).u32(1000).u8(1).u64(1).u64(2).u64(3).u8(1);
    let whole = whole.u64(11).u64(12).u64(13).u8(1).u8(1).i64(65).raw(b"still later");
    let skipped = if tail <= 29 { 12 } else { 0 };
    b = b.raw(&whole.0[skipped..skipped + tail]);
    if tail > 29 {
        (e.pidns_init_start_ts, e.tty) = (99, 34_816);
    }
    let has = |n: usize| skipped + tail >= n;
    e.loginuid = if tail > 0 && has(16) { 1000 } else { u32::MAX };
    e.exe_writable = has(17);
    e.cap_inheritable = u64::from(has(25));
    e.cap_permitted = if has(33) { 2 } else { 0 };
    e.cap_effective = if has(41) { 3 } else { 0 };
    e.exe_upper_layer = has(42);
    e.exe_ino = if has(50) { 11 } else { 0 };
    e.exe_ino_ctime = if has(58) { 12 } else { 0 };
    e.exe_ino_mtime = if has(66) { 13 } else { 0 };
    e.exe_from_memfd = has(67);
    e.exe_lower_layer = has(68);
    e.pgid = if has(76) { 65 } else { unknown.pgid };
    (e, if version >= 9 { b.record().0 } else { b.0 })
}

/// The bytes of an event: `is_wide` by its type, 22 or 26 bytes of head by the version.
fn event_bytes(e: &Event, is_v1: bool) -> Vec<u8> {
    let is_wide = matches!(e.ty, 322 | 324 | 402);
    let n_data: usize = e.params.iter().map(Vec::len).sum();
    let width = if is_wide { 4 } else { 2 };
    let len = if is_v1 { 22 } else { 26 } + width * e.params.len() + n_data;
    // Two types count three bytes too many in old files.
    let claimed = len + if is_v1 && matches!(e.ty, 280 | 286) { 3 } else { 0 };
    let mut b = B::default().u64(e.ts).i64(e.tid).u32(claimed as u32).u16(e.ty);
    if !is_v1 {
        b = b.u32(e.params.len() as u32);
    }
    for p in &e.params {
        b = if is_wide { b.u32(p.len() as u32) } else { b.u16(p.len() as u16) };
    }
    b.raw(&e.params.concat()).0
}

fn event_block(kind: u32, e: &Event, comment: &[u8]) -> Vec<u8> {
    let is_v1 = matches!(kind, 0x204 | 0x208 | 0x8010_ABCD);
    let has_flags = matches!(kind, 0x208 | 0x217 | 0x222);
    let mut b = B::default().u16(1);
    if has_flags {
        b = b.u32(u32::from(e.is_state_only));
    }
    b.raw(&event_bytes(e, is_v1)).raw(comment).block(kind)
}

fn event(ts: u64, tid: i64, ty: u16, params: &[&[u8]]) -> Event {
    let params = params.iter().map(|p| p.to_vec()).collect();
    Event { ts: 1_700_000_000_000_000_000 + ts, tid, ty, is_state_only: false, params }
}

fn n(v: i64) -> [u8; 8] {
    v.to_le_bytes()
}

/// A start and a return, an event that only updates state, and two whose length old writers counted wrong.
fn narrow_events() -> Vec<Event> {
    vec![
        event(1, 50, 6, &[&n(35), &80u32.to_le_bytes()]),
        event(2, 50, 7, &[&n(2), b"ab"]),
        Event { is_state_only: true, ..event(3, 50, 5, &[&n(0), &n(30)]) },
        event(4, -1, 280, &[b"id\0", b"notice\0"]),
        event(5, 51, 25, &[&n(0), &n(32), &128u32.to_le_bytes()]),
    ]
}

fn wide_events(n_data: usize) -> Vec<Event> {
    vec![
        event(6, -1, 324, &[b"{\"container\":{\"id\":\"0123456789ab\"}}\0"]),
        Event { is_state_only: true, ..event(7, -1, 402, &[&[0; 4], b"name\0", &vec![7; n_data]]) },
    ]
}

/// A file with one process list of a version, and the versions of the other blocks that went with it.
fn with_process_list(version: u8, tail: usize, has_first_numbers: bool) -> OwnCapture {
    let is_v1 = version < 9;
    let minor = match version {
        9 => 2,
        8 => 1,
        _ => 0,
    };
    let either = |first: u32, v1: u32, v2: u32| match (has_first_numbers, is_v1) {
        (true, _) => first,
        (false, true) => v1,
        (false, false) => v2,
    };
    let list_kind = match (has_first_numbers, version) {
        (true, 1) => 0x8000_ABCD,
        (true, 2) => 0x8013_ABCD,
        (true, 3) => 0x8014_ABCD,
        (_, 1) => 0x202,
        (_, 2) => 0x207,
        (_, 3) => 0x209,
        (_, v) => 0x20c + u32::from(v),
    };
    let (main, main_bytes) = process(version, tail, 50, 50);
    let (thread, thread_bytes) = process(version, tail, 51, 50);
    let (list, list_bytes) = descriptors(50, !is_v1);
    let mut bytes = [
        section_block(minor, &[]),
        machine_block(either(0x8002_ABCD, 0x201, 0x201)),
        interfaces_block(either(0x8011_ABCD, 0x205, 0x219), !is_v1),
        users_block(either(0x8012_ABCD, 0x206, 0x220), !is_v1),
        B([main_bytes, thread_bytes].concat()).block(list_kind),
        B(list_bytes).block(either(0x8001_ABCD, 0x203, 0x218)),
    ]
    .concat();
    let mut events = narrow_events();
    for e in &events {
        let plain = either(0x8010_ABCD, 0x204, 0x216);
        let kind = if e.is_state_only { either(0x208, 0x208, 0x217) } else { plain };
        bytes.extend(event_block(kind, e, &[]));
    }
    if !is_v1 {
        // One file has an event that no narrow length could say.
        for e in wide_events(if tail == 76 { 70_000 } else { 300 }) {
            bytes.extend(event_block(if e.is_state_only { 0x222 } else { 0x221 }, &e, &[]));
            events.push(e);
        }
    }
    let name = match (version, has_first_numbers) {
        (9, _) => format!("process-list-9-tail-{tail}"),
        (v, true) => format!("process-list-{v}-first-numbers"),
        (v, false) => format!("process-list-{v}"),
    };
    let section = Section {
        processes: vec![main, thread],
        interfaces: interfaces(),
        descriptors: vec![list],
        n_users: 1,
        n_groups: 1,
        events,
    };
    OwnCapture { name, bytes, sections: vec![section], error: None }
}

/// Options behind the section header and behind events, one of which leaves its block without padding; unknown blocks before and between.
fn with_options() -> OwnCapture {
    let option = B::default().u16(1).u16(7).raw(b"comment\0").u16(0).u16(0).0;
    let events = narrow_events();
    let mut bytes = section_block(2, &option);
    bytes.extend(B(b"what nobody knows".to_vec()).block(0x0bad));
    for (e, at) in events.iter().zip(0..) {
        let kind = if e.is_state_only { 0x217 } else { 0x216 };
        let mut block = event_block(kind, e, &option);
        if at == 1 {
            // Without padding: the length is that of the bytes.
            let body = block[8..block.len() - 4].to_vec();
            let n_padding = body.iter().rev().take_while(|&&b| b == 0).count().min(3);
            let total = (body.len() - n_padding + 12) as u32;
            let body = &body[..body.len() - n_padding];
            block = B::default().u32(kind).u32(total).raw(body).u32(total).0;
        }
        bytes.extend(block);
    }
    let section = Section { events, ..Section::default() };
    OwnCapture { name: "options".into(), bytes, sections: vec![section], error: None }
}

fn with_sections() -> OwnCapture {
    let parts = [with_process_list(7, 0, false), with_process_list(9, 66, false), with_options()];
    OwnCapture {
        name: "sections".into(),
        bytes: parts.iter().flat_map(|p| p.bytes.clone()).collect(),
        sections: parts.into_iter().flat_map(|p| p.sections).collect(),
        error: None,
    }
}

fn cut_short() -> OwnCapture {
    let mut whole = with_process_list(8, 0, false);
    let last = event_block(0x204, whole.sections[0].events.last().unwrap(), &[]).len();
    let at = whole.bytes.len() - last;
    whole.bytes.truncate(whole.bytes.len() - 9);
    whole.sections[0].events.pop();
    let error = format!(
        "damaged at byte {at}, behind 4 events: block of {last} bytes ends after {}",
        last - 9
    );
    OwnCapture { name: "cut-short".into(), error: Some(error), ..whole }
}

/// Every capture.
pub(crate) fn all() -> Vec<OwnCapture> {
    let mut all: Vec<OwnCapture> = (1..=8).map(|v| with_process_list(v, 0, false)).collect();
    all.extend((1..=3).map(|v| with_process_list(v, 0, true)));
    all.extend([0, 4, 29, 66, 76, 80].map(|tail| with_process_list(9, tail, false)));
    all.extend([with_options(), with_sections(), cut_short()]);
    all
}

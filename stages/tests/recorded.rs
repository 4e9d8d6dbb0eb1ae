//! `fd.*` and parameters of frames out of savefiles, which carry what the history of the file tells of their descriptors.

mod support;

use bus::Key;
use event::{DescriptorFacts, EventType, FrameWriter, SectionKind, descriptor_flags as flag};
use rules::RuleMatching;
use stages::Progress;
use support::*;

const INIT: Proc = Proc { tgid: 1, start: 10 };
const CAT: Proc = Proc { tgid: 51, start: 30 };
const POLL_X: EventType = EventType(81);

/// What an output says of calls of a process whose working directory is `/home/u`.
fn outputs(condition: &str, output: &str, calls: &[Vec<u8>]) -> Vec<String> {
    let text = format!(
        "- rule: r\n  desc: d\n  condition: {condition}\n  output: \"{output}\"\n  priority: INFO\n  warn_evttypes: false\n"
    );
    let rules = ruleset(&text, RuleMatching::All);
    let mut p = pipeline(&Setup::new(1, 1, &rules));
    let mut frames = vec![seed(INIT, proc(0, 0), "init"), exec(CAT, INIT, "cat", "")];
    frames.extend_from_slice(calls);
    let frames: Vec<_> = (1..).map(Key).zip(frames.iter().map(|f| &f[..])).collect();
    let watermark = p.watermarks[0].clone();
    let mut feeder = Feeder { frames, at: 0, lanes: p.lanes.remove(0), watermark };
    loop {
        feeder.step(100);
        match p.shards[0].poll_once() {
            Progress::Ended => break,
            Progress::Waiting(w) => panic!("one shard waits for nobody: {w:?}"),
            Progress::Worked | Progress::Idle => {}
        }
    }
    texts(&mut p.alerts).iter().map(|a| a.rsplit_once("} ").unwrap().1.to_owned()).collect()
}

fn check(output: &str, call: Vec<u8>, expected: &str) {
    assert_eq!(outputs("proc.name = cat and evt.type != execve", output, &[call]), [expected]);
}

fn describe(w: &mut FrameWriter<'_>, facts: &DescriptorFacts<'_>) {
    w.section(SectionKind::Descriptor, &[&facts.fixed_bytes(), facts.name, facts.raw_name]);
}

/// A read of 3 bytes from descriptor 7.
fn read(facts: &[DescriptorFacts<'_>]) -> Vec<u8> {
    saved_call(EventType::READ_X, CAT, |w| {
        w.i64(3).bytes(b"abc").i64(7).u32(100);
        for facts in facts {
            describe(w, facts);
        }
    })
}

fn ip(octets: [u8; 4]) -> [u8; 16] {
    let mut addr = [0; 16];
    addr[..4].copy_from_slice(&octets);
    addr
}

const FILE: DescriptorFacts<'_> = DescriptorFacts {
    fd: 7,
    ino: 99,
    dev: 0x801,
    open_flags: 1,
    kind: b'f',
    l4: 1,
    flags: flag::OWN | flag::UPPER_LAYER,
    client_port: 0,
    server_port: 0,
    client: [0; 16],
    server: [0; 16],
    name: b"/etc/passwd",
    raw_name: b"../../etc/passwd",
};

fn connection() -> DescriptorFacts<'static> {
    DescriptorFacts {
        fd: 7,
        kind: b'4',
        l4: 2,
        flags: flag::OWN | flag::CLIENT | flag::CONNECTED | flag::CLIENT_IS_LOCAL,
        client_port: 40_000,
        server_port: 443,
        client: ip([10, 0, 0, 5]),
        server: ip([1, 2, 3, 4]),
        name: b"10.0.0.5:40000->1.2.3.4:443",
        ..DescriptorFacts::default()
    }
}

#[test]
fn a_file_has_what_its_opening_told() {
    check(
        "%fd.num %fd.type %fd.typechar %fd.name %fd.nameraw %fd.directory %fd.filename %fd.dev %fd.dev.major %fd.dev.minor %fd.ino \
         %fd.is_upper_layer %fd.is_lower_layer %fd.uid %fd.containername %fd.containerdirectory %fd.name_view %evt.category \
         %evt.buflen.file.in",
        read(&[FILE]),
        "7 file f /etc/passwd ../../etc/passwd /etc passwd 801 8 1 99 true false 517 :/etc/passwd :/etc lexical file 3",
    );
    check(
        "%fd.l4proto %fd.sockfamily %fd.is_server %fd.connected %fd.name_changed %fd.cip %fd.sport %fd.lproto %evt.args",
        read(&[FILE]),
        "<NA> <NA> false false false <NA> <NA> <NA> res=3 data=abc fd=7(<f>/etc/passwd) size=100",
    );
}

#[test]
fn a_connection_has_its_ends() {
    const MORE: &str = "%fd.type %fd.typechar %fd.l4proto %fd.sockfamily %fd.is_server %fd.connected %fd.name %fd.filename %evt.category %evt.buflen.net";
    const ENDS: &str = "%fd.cip %fd.cport %fd.sip %fd.sport %fd.lip %fd.lport %fd.rip %fd.rport %fd.cproto %fd.sproto %fd.lproto %fd.rproto";
    let (out, accepted) = (
        connection(),
        DescriptorFacts { flags: flag::OWN | flag::SERVER | flag::SERVER_IS_LOCAL, ..connection() },
    );
    check(
        ENDS,
        read(&[out]),
        "10.0.0.5 40000 1.2.3.4 443 10.0.0.5 40000 1.2.3.4 443 40000 443 40000 443",
    );
    check(
        ENDS,
        read(&[accepted]),
        "10.0.0.5 40000 1.2.3.4 443 1.2.3.4 443 10.0.0.5 40000 40000 443 443 40000",
    );
    check(MORE, read(&[out]), "ipv4 4 tcp ip false true 10.0.0.5:40000->1.2.3.4:443 <NA> net 3");
    check(
        MORE,
        read(&[accepted]),
        "ipv4 4 tcp ip true false 10.0.0.5:40000->1.2.3.4:443 <NA> net 3",
    );
    for condition in
        ["fd.ip = 1.2.3.4", "fd.port = 40000", "fd.net = 10.0.0.0/8", "fd.cip = 10.0.0.5"]
    {
        assert_eq!(outputs(condition, "x", &[read(&[out])]).len(), 1, "{condition}");
    }
}

#[test]
fn who_is_which_end_is_not_told_before_it_is_known() {
    let made = DescriptorFacts { flags: flag::OWN, ..connection() };
    check(
        "%fd.cip %fd.sport %fd.lip %fd.rproto %fd.type",
        read(&[made]),
        "<NA> <NA> <NA> <NA> ipv4",
    );
    let listening = DescriptorFacts {
        kind: b'6',
        flags: flag::OWN | flag::SERVER_SOCKET | flag::SERVER,
        server: [0xfd; 16],
        name: b"fdfd::1:443",
        ..connection()
    };
    check(
        "%fd.cip %fd.sip %fd.sport %fd.lip %fd.is_server %evt.arg.fd",
        read(&[listening]),
        "<NA> fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd 443 <NA> true <6t>fdfd::1:443",
    );
}

#[test]
fn every_kind_has_its_name_and_its_letter() {
    for (kind, expected) in [
        (b'd', "directory d"),
        (b'u', "unix u"),
        (b'U', "userfaultfd u"),
        (b'p', "pipe p"),
        (b'e', "event e"),
        (b's', "signalfd s"),
        (b'l', "eventpoll l"),
        (b'i', "inotify i"),
        (b't', "timerfd t"),
        (b'n', "netlink n"),
        (b'b', "bpf b"),
        (b'r', "io_uring r"),
        (b'm', "memfd m"),
        (b'P', "pidfd P"),
        (b'X', "<NA> X"),
    ] {
        check("%fd.type %fd.typechar", read(&[DescriptorFacts { kind, ..FILE }]), expected);
    }
}

#[test]
fn a_descriptor_that_is_not_known_has_at_most_the_name_of_the_call() {
    const NOTHING: &str = "<NA>|<NA>|<NA>|<NA>|<NA>|<NA>|<NA>|unknown|<NA>";
    const ALL: &str = "%fd.num|%fd.type|%fd.typechar|%fd.name|%fd.nameraw|%fd.directory|%fd.filename|%evt.category|%evt.buflen";
    let unknown = |fd, name, raw_name| DescriptorFacts {
        fd,
        flags: flag::OWN,
        name,
        raw_name,
        ..DescriptorFacts::default()
    };
    check(ALL, read(&[unknown(7, b"", b"")]), "7|<NA>|o|||/|<NA>|unknown|<NA>");
    // What is not asked for is not attached; another descriptor is not the event's own.
    check(ALL, read(&[]), NOTHING);
    check(ALL, read(&[DescriptorFacts { flags: 0, ..FILE }]), NOTHING);
    let open = saved_call(EventType::OPENAT_2_X, CAT, |w| {
        w.i64(-2).i64(4).str(b"x/../none").u32(1).u32(0).u32(0).u64(0);
        describe(w, &unknown(-1, b"/srv/none", b"x/../none"));
        describe(
            w,
            &DescriptorFacts { fd: 4, kind: b'd', name: b"/srv", ..DescriptorFacts::default() },
        );
    });
    check(
        &format!("{ALL}|%evt.arg.name|%evt.arg.dirfd|%fs.path.name"),
        open,
        "-1|<NA>|o|/srv/none|x/../none|/srv|<NA>|file|<NA>|/srv/none|<d>/srv|/srv/none",
    );
    let accept = saved_call(EventType::ACCEPT4_6_X, CAT, |w| {
        w.i64(-24).empty();
        describe(w, &unknown(-1, b"", b""));
    });
    check("%fd.num %fd.typechar %evt.res %evt.arg.tuple", accept, "-1 o EMFILE NULL");
}

#[test]
fn every_descriptor_that_a_call_names_is_shown() {
    let pipe = |fd| DescriptorFacts { fd, kind: b'p', ..DescriptorFacts::default() };
    let call = saved_call(EventType::PIPE_X, CAT, |w| {
        w.i64(0).i64(3).i64(4).u64(38_688);
        describe(w, &pipe(3));
        describe(w, &pipe(4));
    });
    check("%evt.args", call, "res=0 fd1=3(<p>) fd2=4(<p>) ino=38688");
    let rename = saved_call(EventType::RENAMEAT2_X, CAT, |w| {
        w.i64(0).i64(-100).str(b"a").i64(4).str(b"b/./c").u32(0);
        describe(
            w,
            &DescriptorFacts { fd: 4, kind: b'd', name: b"/to", ..DescriptorFacts::default() },
        );
    });
    check(
        "%evt.args|%fs.path.source|%fs.path.target|%fd.name",
        rename,
        "res=0 olddirfd=-100(AT_FDCWD) oldpath=a(/home/u/a) newdirfd=4(<d>/to) newpath=b/./c(/to/b/c) flags=0|/home/u/a|/to/b/c|<NA>",
    );
}

/// A poll of several descriptors, with what is known of them.
fn poll(fds: &[(i64, i16)], known: &[DescriptorFacts<'_>]) -> Vec<u8> {
    saved_call(POLL_X, CAT, |w| {
        let mut list = (fds.len() as u16).to_le_bytes().to_vec();
        for (fd, flags) in fds {
            list.extend_from_slice(&fd.to_le_bytes());
            list.extend_from_slice(&flags.to_le_bytes());
        }
        w.i64(1).bytes(&list).i64(-1);
        for facts in known {
            describe(w, facts);
        }
    })
}

#[test]
fn a_list_of_descriptors_has_what_each_of_them_has() {
    const LISTS: &str = "%fdlist.nums|%fdlist.names|%fdlist.cips|%fdlist.cports|%fdlist.sips|%fdlist.sports|%fd.num";
    let listening = DescriptorFacts {
        fd: 5,
        flags: flag::SERVER | flag::SERVER_SOCKET,
        server: ip([10, 0, 0, 5]),
        server_port: 80,
        name: b"10.0.0.5:80",
        ..connection()
    };
    let known = [
        DescriptorFacts { flags: flag::CLIENT, ..connection() },
        DescriptorFacts { fd: 8, kind: b'U', flags: 0, name: b"", ..FILE },
        listening,
        DescriptorFacts { fd: 4, flags: flag::SERVER, ..connection() },
    ];
    let fds = [(8, 0x19), (7, 4), (9, -1), (5, 1), (4, 1)];
    check("%evt.args", poll(&fds, &known), "res=1 fds=8:u19 7:44 9:?ffffffff 5:41 4:41 timeout=-1");
    check(
        LISTS,
        poll(&fds, &known),
        "8,7,9,5,4|<NA>,10.0.0.5:40000->1.2.3.4:443,<NA>,10.0.0.5:80,10.0.0.5:40000->1.2.3.4:443\
         |10.0.0.5,10.0.0.5|40000,40000|1.2.3.4,10.0.0.5,1.2.3.4|443,443|<NA>",
    );
    check(LISTS, poll(&[], &[]), "<NA>|<NA>|<NA>|<NA>|<NA>|<NA>|<NA>");
    check(
        "%fdlist.nums %evt.args",
        read(&[FILE]),
        "<NA> res=3 data=abc fd=7(<f>/etc/passwd) size=100",
    );
}

//! A file that this crate writes is read by another program: sysdig, where it is installed (Debian's package).

use std::process::Command;

use capture::{
    ProcessEntry,
    savefile::{
        Compression, DescriptorEntry, DescriptorList, DescriptorTarget, Group, Machine, User,
        Writer,
    },
};
use event::{EventType, Frame, FrameHeader, FrameWriter, SockAddr, SockTuple};

fn frame(ty: EventType, tid: u32, ts: u64, fill: impl FnOnce(&mut FrameWriter<'_>)) -> Vec<u8> {
    let mut buf = [0; 1024];
    let header =
        FrameHeader { ts, event_type: ty.0, tid, tgid: tid, cpu: 1, ..FrameHeader::default() };
    let mut w = FrameWriter::new(&mut buf, header);
    fill(&mut w);
    w.finish().unwrap().to_vec()
}

/// Prints the file with a format, or says why not.
fn sysdig(path: &std::path::Path, format: &str) -> Option<String> {
    let out = match Command::new("sysdig")
        .env("TZ", "UTC")
        .arg("-r")
        .arg(path)
        .args(["-p", format])
        .output()
    {
        Ok(out) => out,
        Err(e) => {
            eprintln!("SKIPPED: sysdig cannot be run ({e}); apt-get install sysdig");
            return None;
        }
    };
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Some(String::from_utf8(out.stdout).unwrap())
}

#[test]
fn sysdig_reads_what_is_written() {
    const BOOT: u64 = 1_700_000_000_000_000_000;
    let machine = Machine { n_cpus: 2, hostname: b"node".to_vec(), ..Machine::default() };
    let users = [User {
        uid: 33,
        gid: 33,
        name: b"www".to_vec(),
        home: b"/srv".to_vec(),
        shell: b"/bin/sh".to_vec(),
    }];
    let groups = [Group { gid: 33, name: b"www".to_vec() }];
    let process = ProcessEntry {
        tid: 50,
        pid: 50,
        ptid: 1,
        comm: b"server".to_vec(),
        exe: b"/usr/bin/server".to_vec(),
        args: b"-d\0now\0".to_vec(),
        cwd: b"/srv".to_vec(),
        uid: 33,
        gid: 33,
        vtid: 50,
        vpid: 50,
        ..ProcessEntry::default()
    };
    let dest = "1.2.3.4:443".parse().unwrap();
    let frames = [
        frame(EventType::OPENAT_2_X, 50, 1, |w| {
            w.i64(5).i64(-100).str(b"/etc/hosts").u32(1).u32(0).u32(0).u64(7);
        }),
        frame(EventType::CONNECT_X, 51, 2, |w| {
            w.i64(0)
                .sock_tuple(&SockTuple::Inet { source: "10.0.0.5:40000".parse().unwrap(), dest });
            w.i64(6).sock_addr(&SockAddr::Inet(dest));
        }),
    ];
    let dir = tempfile::tempdir().unwrap();
    for compression in [Compression::None, Compression::Gzip] {
        let path = dir.path().join("written.scap");
        let file = std::fs::File::create(&path).unwrap();
        let mut w = Writer::new(file, compression, &machine, &users, &groups, BOOT).unwrap();
        w.threads(&[(51, 50)]);
        w.process(&process).unwrap();
        for f in &frames {
            w.frame(&Frame::parse(f).unwrap()).unwrap();
        }
        w.finish().unwrap();
        let format = "%evt.num %evt.rawtime %evt.cpu %evt.dir %evt.type %proc.pid %proc.name %proc.cmdline %user.name %evt.args";
        let Some(text) = sysdig(&path, format) else { return };
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        let open =
            "1 1700000000000000001 1 < openat 50 server server -d now www fd=5(<f>/etc/hosts)";
        assert!(lines[0].starts_with(open), "{text}");
        let connect = "2 1700000000000000002 1 < connect 50 server server -d now www res=0";
        assert!(lines[1].starts_with(connect), "{text}");
        assert!(lines[1].contains("10.0.0.5:40000->1.2.3.4:443"), "{text}");
    }
}

#[test]
fn sysdig_finds_the_descriptors_of_calls_where_their_starts_are_written() {
    let process = ProcessEntry {
        tid: 50,
        pid: 50,
        ptid: 1,
        comm: b"server".to_vec(),
        ..ProcessEntry::default()
    };
    let open = DescriptorList {
        tid: 50,
        entries: vec![DescriptorEntry {
            fd: 3,
            ino: 9,
            target: DescriptorTarget::File {
                open_flags: 1,
                path: b"/etc/passwd".to_vec(),
                dev: Some(1),
            },
        }],
    };
    let dest = "1.2.3.4:443".parse().unwrap();
    let frames = [
        frame(EventType::SOCKET_X, 50, 1, |w| {
            w.i64(6).u32(2).u32(1).u32(6);
        }),
        frame(EventType::CONNECT_X, 50, 2, |w| {
            w.i64(0)
                .sock_tuple(&SockTuple::Inet { source: "10.0.0.5:40000".parse().unwrap(), dest });
            w.i64(6).sock_addr(&SockAddr::Inet(dest));
        }),
        frame(EventType::READ_X, 50, 3, |w| {
            w.i64(2).bytes(b"ab").i64(3).u32(80);
        }),
        frame(EventType::WRITE_X, 50, 4, |w| {
            w.i64(2).bytes(b"ab").i64(6).u32(2);
        }),
        frame(EventType::FCNTL_X, 50, 5, |w| {
            // F_DUPFD
            w.i64(7).i64(3).u8(1);
        }),
        frame(EventType::CLOSE_X, 50, 6, |w| {
            w.i64(0).i64(3);
        }),
        frame(EventType::READ_X, 50, 7, |w| {
            w.i64(2).bytes(b"ab").i64(7).u32(80);
        }),
    ];
    let dir = tempfile::tempdir().unwrap();
    let print = |has_enters: bool| {
        let path = dir.path().join("written.scap");
        let file = std::fs::File::create(&path).unwrap();
        let machine = Machine { n_cpus: 2, ..Machine::default() };
        let mut w = Writer::new(file, Compression::None, &machine, &[], &[], 0).unwrap();
        if has_enters {
            w = w.with_enters();
        }
        w.open_descriptors(vec![open.clone()]);
        w.process(&process).unwrap();
        for f in &frames {
            w.frame(&Frame::parse(f).unwrap()).unwrap();
        }
        w.finish().unwrap();
        let text = sysdig(&path, "*%evt.rawtime.ns %evt.dir %evt.type %fd.num %fd.name")?;
        Some(text.lines().filter(|l| l.contains(" < ")).map(str::to_owned).collect::<Vec<_>>())
    };
    let Some(with) = print(true) else { return };
    let socket = "10.0.0.5:40000->1.2.3.4:443";
    let expected = [
        "000000001 < socket 6 ".to_owned(),
        format!("000000002 < connect 6 {socket}"),
        "000000003 < read 3 /etc/passwd".to_owned(),
        format!("000000004 < write 6 {socket}"),
        "000000005 < fcntl 7 /etc/passwd".to_owned(),
        "000000006 < close 3 /etc/passwd".to_owned(),
        "000000007 < read 7 /etc/passwd".to_owned(),
    ];
    assert_eq!(with, expected);
    let without = print(false).unwrap();
    assert_ne!(without[3], expected[3], "this is why they are written");
}

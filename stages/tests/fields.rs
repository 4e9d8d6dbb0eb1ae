//! Fields from frames to the text of an alert: which are extracted, and what those say that no other test asks for.

mod support;

use bus::Key;
use event::{
    DescriptorFacts, EventType, FileKind, FrameHeader, FrameWriter, ResourceFacts, SectionKind,
    SockTuple, flags, resource_facts,
};
use rules::{Class, Field, RuleMatching};
use stages::Progress;
use support::*;

const INIT: Proc = Proc { tgid: 1, start: 10 };
const SHELL: Proc = Proc { tgid: 40, start: 20 };
const CAT: Proc = Proc { tgid: 51, start: 30 };
/// What a runtime tells of a container in a pod.
const POD: &[u8] = br#"{"container":{"id":"697956520d89","full_id":"697956520d890011","name":"web","type":7,"image":"nginx:1","imageid":"f6",
    "imagerepo":"nginx","imagetag":"1","imagedigest":"sha256:9","ip":"10.1.2.3","cni_json":"{\"if\":1}","privileged":true,
    "labels":{"io.kubernetes.pod.name":"web-1","io.kubernetes.pod.namespace":"prod","io.kubernetes.pod.uid":"u-1","app":"shop","bare":""},
    "pod_sandbox_id":"0123456789abcdef","pod_sandbox_labels":{"tier":"front"},
    "Healthcheck":{"exe":"/h","args":["x"]},"LivenessProbe":{"exe":"/l","args":[]},"ReadinessProbe":{"exe":"/r","args":[]},
    "Mounts":[{"Source":"/a","Destination":"/b","Mode":"ro","RW":false,"Propagation":"rprivate"}]}}"#;
/// An event that was raised on its own.
const ASYNCEVENT: EventType = EventType(402);
const POLL: EventType = EventType(81);

/// What an output gives for calls of `cat`, which a shell of the first process started.
fn outputs(condition: &str, output: &str, calls: &[Vec<u8>]) -> Vec<String> {
    let text = format!(
        "- rule: r\n  desc: d\n  condition: {condition}\n  output: \"{output}\"\n  priority: WARNING\n  warn_evttypes: false\n"
    );
    let rules = ruleset(&text, RuleMatching::All);
    let mut p = pipeline(&Setup::new(1, 1, &rules));
    let mut frames = vec![
        seed(INIT, proc(0, 0), "init"),
        exec(SHELL, INIT, "bash", "-l"),
        exec(CAT, SHELL, "cat", "a b"),
    ];
    frames.extend_from_slice(calls);
    let frames: Vec<_> = (1..).map(Key).zip(frames.iter().map(|f| &f[..])).collect();
    for (key, frame) in &frames {
        stages::note(&p.lineage, &p.users, *key, frame);
    }
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
    let all = texts(&mut p.alerts);
    all.iter().map(|a| a.rsplit_once("} ").map_or(&**a, |(_, text)| text).to_owned()).collect()
}

fn read(res: i64, kind: Option<FileKind>) -> Vec<u8> {
    call(EventType::READ_X, CAT, |w: &mut FrameWriter<'_>| {
        w.i64(res).bytes(b"x").i64(3).u32(1);
        if let Some(kind) = kind {
            object(w, SectionKind::File, kind, "/x");
        }
    })
}

fn check(output: &str, expected: &str) {
    let calls = [read(1, Some(FileKind::Regular))];
    assert_eq!(outputs("evt.type = read", output, &calls), [expected], "{output}");
}

/// Fields of system calls that can stand in an output without an argument.
fn printable() -> impl Iterator<Item = Field> {
    Field::all().filter(|f| {
        let info = f.info();
        info.class.is_of("syscall") && info.class != Class::Static && !info.arg.is_required()
    })
}

#[test]
fn what_is_not_extracted_has_no_value() {
    for field in printable().filter(|f| !f.is_extracted()) {
        check(&format!("%{}", field.name()), "<NA>");
    }
}

#[test]
fn what_is_extracted_has_a_value_in_some_event() {
    let contained = proc(50, 5);
    let used = ResourceFacts {
        known: resource_facts::CPU,
        pidns_start_ns: 6,
        cgroups: b"cpu=/\0",
        ..ResourceFacts::default()
    };
    let [source, dest] = ["10.0.0.1:1", "10.0.0.2:2"].map(|a| a.parse().unwrap());
    let calls = [
        read(1, Some(FileKind::Regular)),
        call(EventType::WRITE_X, CAT, |w| {
            w.i64(1).bytes(b"x").i64(3).u32(1);
            object(w, SectionKind::File, FileKind::Regular, "/x");
        }),
        call(EventType::RECVFROM_X, CAT, |w| {
            w.i64(4).bytes(b"data").sock_tuple(&SockTuple::Inet { source, dest }).i64(3).u32(4);
        }),
        answer(CAT, "both.example", &[[10, 0, 0, 1].into(), [10, 0, 0, 2].into()]),
        connect(CAT, "10.0.0.1:40000", "10.0.0.2:443"),
        call(EventType::SENDTO_X, CAT, |w| {
            w.i64(4).bytes(b"data").i64(3).u32(4).sock_tuple(&SockTuple::Inet { source, dest });
        }),
        call(EventType::RENAMEAT2_X, CAT, |w| {
            w.i64(0).i64(-100).str(b"a").i64(-100).str(b"b").u32(0);
        }),
        open(CAT, "/etc/passwd", None, None),
        call(EventType::MPROTECT_X, CAT, |w| {
            w.i64(-12).u64(0).u64(1).u32(0);
        }),
        call(ASYNCEVENT, CAT, |w| {
            w.u32(0).str(b"container").bytes(POD);
        }),
        // Only savefiles have lists of descriptors.
        saved_call(POLL, CAT, |w| {
            let name = b"0.0.0.0:0->0.0.0.0:0";
            let facts = DescriptorFacts { fd: 3, kind: b'4', name, ..DescriptorFacts::default() };
            w.i64(1).bytes(&[1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0]).i64(-1);
            w.section(SectionKind::Descriptor, &[&facts.fixed_bytes(), name]);
        }),
        exec_in(contained, SHELL, "web", 7),
        using(contained, &used),
    ];
    let condition = "not evt.type in (execve, procexit)";
    let missing: Vec<&str> = printable()
        .filter(|f| f.is_extracted() && !f.info().is_filter_only())
        .filter(|f| {
            let all = outputs(condition, &format!("%{}", f.name()), &calls);
            assert_eq!(all.len(), calls.len() - 1, "{all:?}");
            all.iter().all(|text| text == "<NA>")
        })
        .map(Field::name)
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn relatives_and_leaders_of_a_process() {
    for (output, expected) in [
        ("%proc.aargs|%proc.aargs[0]|%proc.aargs[1]|%proc.aargs[2]", "-l |a b|-l|"),
        ("%proc.aenv[HOME]|%proc.aenv[NONE]|%proc.aenv[1]", "/home/u||HOME=/home/u"),
        ("%proc.pvpid %proc.vpid %proc.ppid", "40 51 40"),
        ("%proc.vpgid.exe %proc.vpgid.exepath", "/bin/cat /bin/cat"),
        ("%proc.pgid.exe %proc.pgid.exepath", "/bin/cat /bin/cat"),
        ("%proc.is_pgid_leader %proc.is_vpgid_leader", "true true"),
        ("%thread.nametid", "cat51"),
        ("%proc.duration %proc.ppid.duration", "1 11"),
        ("%proc.pid.ts %proc.ppid.ts", "30 20"),
        ("%proc.exe_ino.ctime_duration_proc_start", "22"),
    ] {
        check(output, expected);
    }
}

#[test]
fn times_counts_and_constants() {
    for (output, expected) in [
        ("%evt.rawtime %evt.rawtime.s %evt.rawtime.ns", "31 0 000000031"),
        ("%evt.datetime.s", "1970-01-01 00:00:00"),
        ("%evt.is_async %evt.dir %evt.latency %evt.latency.ns", "false < 0 000000000"),
        ("%evt.latency.human %evt.latency.quantized %evt.wait_latency", "0ns 0 0"),
        ("%evt.count %evt.count.exit %evt.count.procinfo %evt.count.threadinfo", "1 1 0 0"),
        ("%evt.type.is.read %evt.type.is.write %evt.type.is.7 %evt.type.is.6", "1 0 1 0"),
    ] {
        check(output, expected);
    }
}

#[test]
fn errors_are_counted_by_what_the_call_is_about() {
    const ALL: &str = "%evt.count.error|%evt.count.error.file|%evt.count.error.net|%evt.count.error.memory|%evt.count.error.other %evt.category";
    let failed = |ty, build: &dyn Fn(&mut FrameWriter<'_>)| call(ty, CAT, build);
    let calls = [
        read(5, Some(FileKind::Regular)),
        read(-4, Some(FileKind::Regular)),
        read(-4, Some(FileKind::Fifo)),
        read(-9, None),
        failed(EventType::MPROTECT_X, &|w| {
            w.i64(-12).u64(0).u64(1).u32(0);
        }),
        failed(EventType::OPENAT_2_X, &|w| {
            w.i64(-2).i64(-100).str(b"x").u32(1).u32(0).u32(0).u64(0);
        }),
    ];
    assert_eq!(
        outputs("evt.type in (read, mprotect, openat)", ALL, &calls),
        [
            "0|0|<NA>|<NA>|<NA> file",
            "1|1|<NA>|<NA>|<NA> file",
            "1|<NA>|<NA>|<NA>|1 ipc",
            "1|<NA>|<NA>|<NA>|1 unknown",
            "1|<NA>|<NA>|1|<NA> memory",
            "1|1|<NA>|<NA>|<NA> file",
        ]
    );
}

#[test]
fn an_event_raised_on_its_own_has_its_own_name() {
    let event = call(ASYNCEVENT, CAT, |w| {
        w.u32(0).str(b"container").bytes(b"{}");
    });
    assert_eq!(
        outputs("evt.is_async = true", "%evt.type %evt.asynctype %evt.category", &[event]),
        ["container container other"]
    );
}

#[test]
fn environments_of_ancestors_are_looked_at_whatever_the_argument() {
    let calls = [read(1, None)];
    let holds = |condition: &str| {
        !outputs(&format!("evt.type = read and {condition}"), "x", &calls).is_empty()
    };
    assert!(holds("proc.aenv contains /home/u"));
    assert!(holds("proc.aenv[NONE] contains /home/u"));
    assert!(holds("proc.aenv[7] exists"));
    assert!(!holds("proc.aenv contains nothing"));
}

/// As Falco has it: the thread of a recording that nothing tells of has a process whose fields say that nothing is known.
#[test]
fn a_thread_that_a_recording_does_not_tell_of_has_a_process_that_stands_in() {
    let of_file = |ty: EventType, n: u32| {
        let header = FrameHeader {
            event_type: ty.0,
            flags: flags::FROM_FILE,
            tid: n,
            tgid: n,
            ..Default::default()
        };
        let mut buf = [0; 256];
        let mut w = FrameWriter::new(&mut buf, header);
        w.i64(0).i64(3).i32(5);
        w.finish().unwrap().to_vec()
    };
    let listen = EventType::LISTEN_X;
    let switch = EventType(152);
    let calls = [of_file(switch, 77), of_file(listen, 77), of_file(switch, 77)];
    let output = "%proc.name|%proc.cmdline|%proc.exepath|%proc.pid|%thread.tid|%thread.ismain|%proc.sid|%proc.sname|%proc.cwd|\
                  %proc.vpid|%proc.ppid|%proc.pname|%user.uid|%user.name|%group.gid|%user.loginuid|%proc.tty|%proc.loginshellid";
    let nothing =
        "<NA>|<NA>|<NA>|<NA>|77|<NA>|<NA>|<NA>|<NA>|<NA>|<NA>|<NA>|<NA>|<NA>|<NA>|<NA>|<NA>|<NA>";
    let stand_in =
        "<NA>|<NA>||-1|77|false|-1||./|<NA>|<NA>|<NA>|4294967295|<NA>|4294967295|-1|0|<NA>";
    let all = outputs("thread.tid = 77", output, &calls);
    assert_eq!(all, [nothing, stand_in, stand_in]);
}

/// A call of a recording, with what its thread and process use.
fn using(p: Proc, facts: &ResourceFacts<'_>) -> Vec<u8> {
    saved_call(EventType::LISTEN_X, p, |w| {
        w.i64(0).i64(3).i32(5);
        w.section(SectionKind::Resources, &[&facts.fixed_bytes(), facts.cgroups]);
        for fd in 0..3 {
            let facts = DescriptorFacts { fd, kind: b'f', name: b"/n", ..Default::default() };
            w.section(SectionKind::Descriptor, &[&facts.fixed_bytes(), facts.name]);
        }
        w.section(SectionKind::OpenKinds, &[b"f4\0f\x004"]);
    })
}

#[test]
fn a_container_began_with_its_pid_namespace() {
    let contained = proc(50, 5);
    let facts = ResourceFacts { pidns_start_ns: 6, ..ResourceFacts::default() };
    let calls = [exec_in(contained, SHELL, "web", 7), using(contained, &facts), using(CAT, &facts)];
    let output = "%container.start_ts %container.duration %proc.exe_ino.ctime_duration_pidns_start";
    let all = outputs("evt.type = listen", output, &calls);
    assert_eq!(all, ["6 0 2", "<NA> <NA> 2"], "the host is no container");
}

#[test]
fn what_a_recorded_thread_uses_is_told_by_number_share_and_list() {
    let facts = ResourceFacts {
        known: resource_facts::CPU,
        fdlimit: 200,
        n_fds: 25,
        cpu: [30, 10, 20],
        vmsize_kb: 3,
        cgroups: b"mem=/a\0cpu_cgroup=/b\0",
        ..ResourceFacts::default()
    };
    let calls = [using(CAT, &facts)];
    for (output, expected) in [
        ("%proc.fdusage %proc.fdlimit %proc.fdopencount", "12.5 200 25"),
        ("%thread.cpu %thread.cpu.user %thread.cpu.system", "30.0 10.0 20.0"),
        ("%proc.vmsize %thread.vmsize.b", "3 3072"),
        ("%thread.cgroup.memory %thread.cgroups", "/a memory=/a cpu=/b"),
        ("%fd.types %fd.types[2] %fd.types[1]", "(file,ipv4) (ipv4) <NA>"),
    ] {
        assert_eq!(outputs("evt.type = listen", output, &calls), [expected]);
    }
    let holds = |c: &str| !outputs(&format!("evt.type = listen and {c}"), "x", &calls).is_empty();
    assert!(holds("fd.types intersects (ipv4, pipe)") && holds("thread.cpu = 30"));
    assert!(!holds("fd.types in (file)") && !holds("proc.fdlimit = 100"));
    // Live frames have nothing of it.
    let live = [read(1, None)];
    let output = "%proc.vmsize %thread.cgroups %fd.types %proc.stdin.name";
    assert_eq!(outputs("evt.type = read", output, &live), ["<NA> <NA> <NA> <NA>"]);
}

#[test]
fn an_event_about_a_container_tells_of_that_one() {
    let event = [call(ASYNCEVENT, CAT, |w| {
        w.u32(0).str(b"container").bytes(POD);
    })];
    for (output, expected) in [
        (
            "%container.id %container.full_id %container.name %container.type",
            "697956520d89 697956520d890011 web containerd",
        ),
        ("%container.image %container.image.id %container.image.digest", "nginx:1 f6 sha256:9"),
        ("%container.image.repository:%container.image.tag %container.privileged", "nginx:1 true"),
        (
            "%container.mounts %container.mount[0] %container.mount[1]",
            "/a:/b:ro:false:rprivate /a:/b:ro:false:rprivate <NA>",
        ),
        (
            "%container.mount.source[/b] %container.mount.dest[/*] %container.mount.rdwr[/b]",
            "/a /b <NA>",
        ),
        ("%container.mount.mode[/a] %container.mount.propagation[0]", "ro rprivate"),
        (
            "%container.labels|%container.label[app]|%container.label[none]",
            "app:shop, bare|shop|<NA>",
        ),
        ("%k8s.pod.name %k8s.ns.name %k8s.pod.uid %k8s.pod.id", "web-1 prod u-1 u-1"),
        ("%k8s.pod.sandbox_id %k8s.pod.full_sandbox_id", "0123456789ab 0123456789abcdef"),
        (
            "%k8s.pod.label[tier] %k8s.pod.labels %k8s.pod.ip %container.ip",
            "front tier:front 10.1.2.3 10.1.2.3",
        ),
        ("%container.host_pid %container.host_network %container.host_ipc", "false false false"),
    ] {
        assert_eq!(
            outputs("not evt.type in (execve, procexit)", output, &event),
            [expected],
            "{output}"
        );
    }
    let read = [read(1, Some(FileKind::Regular))];
    let output =
        "%container.id|%container.name|%container.image|%container.privileged|%k8s.pod.name";
    assert_eq!(outputs("evt.type = read", output, &read), ["host|host||false|<NA>"]);
}

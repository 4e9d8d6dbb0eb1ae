//! Calls of every family, from frame to alert: names, descriptors, parameters.

mod support;

use bus::Key;
use event::{
    EventType, FileKind, FrameHeader, FrameWriter, HEADER_LEN, SectionKind, SockFacts, SockTuple,
    flags, sock_flags,
};
use rules::RuleMatching;
use stages::Progress;
use support::*;

const INIT: Proc = Proc { tgid: 1, start: 10 };
const CAT: Proc = Proc { tgid: 51, start: 30 };

/// Outputs of a rule over some calls of a process whose working directory is `/home/u`.
fn outputs(condition: &str, output: &str, calls: &[Vec<u8>]) -> Vec<String> {
    let text = format!(
        "- rule: r\n  desc: d\n  condition: {condition}\n  output: \"{output}\"\n  priority: WARNING\n"
    );
    alerts(&text, calls).iter().map(|a| a.rsplit_once("} ").unwrap().1.to_owned()).collect()
}

fn alerts(rules: &str, calls: &[Vec<u8>]) -> Vec<String> {
    let rules = ruleset(rules, RuleMatching::All);
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
    assert!(p.registry.snapshot(perf::Moment::Final).balances());
    texts(&mut p.alerts)
}

fn check(condition: &str, output: &str, calls: &[Vec<u8>], expected: &[&str]) {
    assert_eq!(outputs(condition, output, calls), expected, "{condition}");
}

/// What every name of a call is.
const PATHS: &str = "%evt.type %fd.name_view|%fs.path.name|%fs.path.nameraw|%fs.path.source|%fs.path.sourceraw|%fs.path.target|%fs.path.targetraw|%fd.name";

fn path_call(ty: EventType, build: impl Fn(&mut FrameWriter<'_>)) -> Vec<u8> {
    call(ty, CAT, build)
}

#[test]
fn a_path_only_call_has_the_processes_name_from_the_kernels_directory() {
    let dir =
        |w: &mut FrameWriter<'_>, path| object(w, SectionKind::Dir, FileKind::Directory, path);
    check(
        "evt.type in (mkdir, mkdirat, unlinkat, chmod, umount2, chroot)",
        PATHS,
        &[
            path_call(EventType::MKDIR_2_X, |w| {
                w.i64(0).str(b"a/../b").u32(0o755);
            }),
            path_call(EventType::MKDIR_2_X, |w| {
                w.i64(0).str(b"../x").u32(0o755);
                dir(w, "/srv/data");
            }),
            path_call(EventType::MKDIR_2_X, |w| {
                w.i64(-17).str(b"/b").u32(0o755);
            }),
            path_call(EventType::MKDIRAT_X, |w| {
                w.i64(0).i64(5).str(b"new").u32(0o755);
                dir(w, "/srv");
            }),
            path_call(EventType::UNLINKAT_2_X, |w| {
                w.i64(0).i64(5).str(b"old").u32(0);
            }),
            path_call(EventType::CHMOD_X, |w| {
                w.i64(0).str(b"/etc//passwd").u32(0o666);
            }),
            path_call(EventType::UMOUNT2_X, |w| {
                w.i64(0).str(b"/mnt/.").u32(2);
            }),
            path_call(EventType::CHROOT_X, |w| {
                w.i64(0).str(b"/jail");
            }),
        ],
        &[
            "mkdir lexical|/home/u/b|a/../b|<NA>|<NA>|<NA>|<NA>|<NA>",
            "mkdir lexical|/srv/x|../x|<NA>|<NA>|<NA>|<NA>|<NA>",
            "mkdir lexical|<NA>|<NA>|<NA>|<NA>|<NA>|<NA>|<NA>",
            "mkdirat lexical|/srv/new|new|<NA>|<NA>|<NA>|<NA>|/srv",
            "unlinkat lexical|<NA>|old|<NA>|<NA>|<NA>|<NA>|<NA>",
            "chmod lexical|/etc/passwd|/etc//passwd|<NA>|<NA>|<NA>|<NA>|<NA>",
            "umount2 lexical|/mnt|/mnt/.|<NA>|<NA>|<NA>|<NA>|<NA>",
            "chroot lexical|/jail|/jail|<NA>|<NA>|<NA>|<NA>|<NA>",
        ],
    );
}

#[test]
fn calls_with_two_names_have_a_source_and_a_target() {
    check(
        "evt.type in (rename, renameat2, link, symlink, symlinkat, mount)",
        PATHS,
        &[
            path_call(EventType::RENAME_X, |w| {
                w.i64(0).str(b"a").str(b"/b");
            }),
            path_call(EventType::RENAMEAT2_X, |w| {
                w.i64(0).i64(3).str(b"a").i64(4).str(b"b").u32(0);
                object(w, SectionKind::Dir, FileKind::Directory, "/from");
                object(w, SectionKind::Dir2, FileKind::Directory, "/to");
            }),
            path_call(EventType::LINK_2_X, |w| {
                w.i64(0).str(b"/etc/shadow").str(b"x");
            }),
            path_call(EventType::SYMLINK_X, |w| {
                w.i64(0).str(b"../etc/shadow").str(b"/tmp/x");
            }),
            path_call(EventType::SYMLINKAT_X, |w| {
                w.i64(0).str(b"/etc/shadow").i64(-100).str(b"x");
            }),
            path_call(EventType::MOUNT_X, |w| {
                w.i64(0).str(b"tmpfs").str(b"mnt").str(b"tmpfs").u32(0);
            }),
            path_call(EventType::MOUNT_X, |w| {
                w.i64(0).str(b"/dev/sda1").str(b"/mnt").str(b"ext4").u32(1);
            }),
        ],
        &[
            "rename lexical|<NA>|<NA>|/home/u/a|a|/b|/b|<NA>",
            "renameat2 lexical|<NA>|<NA>|/from/a|a|/to/b|b|<NA>",
            "link lexical|<NA>|<NA>|/home/u/x|x|/etc/shadow|/etc/shadow|<NA>",
            "symlink lexical|<NA>|<NA>|/tmp/x|/tmp/x|/etc/shadow|../etc/shadow|<NA>",
            "symlinkat lexical|<NA>|<NA>|/home/u/x|x|/etc/shadow|/etc/shadow|<NA>",
            "mount lexical|<NA>|<NA>|tmpfs|tmpfs|/home/u/mnt|mnt|<NA>",
            "mount lexical|<NA>|<NA>|/dev/sda1|/dev/sda1|/mnt|/mnt|<NA>",
        ],
    );
}

#[test]
fn a_descriptor_has_the_name_of_the_kernels_object() {
    let write = |path, kind| {
        path_call(EventType::WRITE_X, move |w| {
            w.i64(5).bytes(b"a\0b c").i64(7).u32(500);
            object(w, SectionKind::File, kind, path);
        })
    };
    check(
        "evt.type in (write, fchmod)",
        "%fd.num %fd.type %fd.typechar %fd.name %fd.directory %fd.filename %fd.name_view %evt.buflen %evt.buffer %evt.arg.fd %evt.io_dir %fs.path.name",
        &[
            write("/var/log/dev/log", FileKind::Regular),
            write("/srv", FileKind::Directory),
            write("pipe:[7]", FileKind::Fifo),
            write("", FileKind::Fifo),
            write("[eventfd]", FileKind::AnonInode),
            write("anon_inode:inotify", FileKind::AnonInode),
            write("[perf_event]", FileKind::AnonInode),
            path_call(EventType::WRITE_X, |w| {
                w.i64(-9).empty().i64(8).u32(1);
            }),
            path_call(EventType::FCHMOD_X, |w| {
                w.i64(0).i64(4).u32(0o4755);
                object(w, SectionKind::File, FileKind::Regular, "/bin/x");
            }),
        ],
        &[
            "7 file f /var/log/dev/log /var/log/dev log kernel 5 a.b c <f>/var/log/dev/log write <NA>",
            "7 directory d /srv /srv <NA> kernel 5 a.b c <d>/srv write <NA>",
            "7 pipe p pipe:[7] <NA> <NA> kernel 5 a.b c <p>pipe:[7] write <NA>",
            "7 pipe p pipe:[99] <NA> <NA> <NA> 5 a.b c <p>pipe:[99] write <NA>",
            "7 event e [eventfd] <NA> <NA> kernel 5 a.b c <e>[eventfd] write <NA>",
            "7 inotify i anon_inode:inotify <NA> <NA> kernel 5 a.b c <i>anon_inode:inotify write <NA>",
            "7 <NA> X [perf_event] <NA> <NA> kernel 5 a.b c <X>[perf_event] write <NA>",
            "8 <NA> <NA> <NA> <NA> <NA> <NA> <NA> NULL 8 write <NA>",
            "4 file f /bin/x /bin x kernel <NA> <NA> <f>/bin/x <NA> /bin/x",
        ],
    );
}

#[test]
fn the_bytes_of_a_call_can_be_asked_for() {
    let calls = [path_call(EventType::WRITE_X, |w| {
        w.i64(4).bytes(b"\x7fELF").i64(1).u32(4);
    })];
    for (condition, is_met) in [
        ("evt.type = write and evt.buffer contains ELF", true),
        ("evt.type = write and evt.buffer bstartswith 7f454c46", true),
        ("evt.type = write and evt.buffer bcontains 454d", false),
        ("evt.type = write and evt.rawarg.data bcontains 454c", true),
        ("evt.type = write and evt.rawarg.res > 3 and evt.rawarg.size <= 4", true),
        ("evt.type = write and evt.rawarg.fd = 2", false),
        ("evt.is_io_write = true and evt.is_io_read = false and evt.is_io = true", true),
        ("evt.type = write and evt.rawarg.tuple exists", false),
    ] {
        assert_eq!(outputs(condition, "x", &calls).len(), usize::from(is_met), "{condition}");
    }
}

#[test]
fn calls_change_their_process() {
    let tell = path_call(EventType::LISTEN_X, |w| {
        w.i64(0).i64(3).i32(1);
    });
    let chdir = |res: i64, path: &'static str| {
        path_call(EventType::CHDIR_X, move |w| {
            w.i64(res).str(path.as_bytes());
        })
    };
    check(
        "evt.type = listen",
        "%proc.cwd",
        &[
            chdir(0, "/srv"),
            tell.clone(),
            chdir(0, "../var/./log"),
            tell.clone(),
            chdir(-2, "/nowhere"),
            tell.clone(),
            path_call(EventType::CHDIR_X, |w| {
                w.i64(0).str(b"link");
                object(w, SectionKind::Dir, FileKind::Directory, "/real");
            }),
            tell.clone(),
            path_call(EventType::FCHDIR_X, |w| {
                w.i64(0).i64(4);
                object(w, SectionKind::File, FileKind::Directory, "/opened");
            }),
            tell.clone(),
            path_call(EventType::FCHDIR_X, |w| {
                w.i64(0).i64(4);
            }),
            tell.clone(),
            path_call(EventType(93), |w| {
                w.i64(5).str(b"/told");
                object(w, SectionKind::Dir, FileKind::Directory, "/told");
            }),
            tell.clone(),
        ],
        &["/srv/", "/var/log/", "/var/log/", "/real/", "/opened/", "/opened/", "/told/"],
    );
    check(
        "evt.type = listen",
        "%proc.sid %proc.sname %proc.pgid %proc.is_sid_leader %proc.is_vpgid_leader %thread.cap_effective",
        &[
            path_call(EventType::SETPGID_X, |w| {
                w.i64(0).i64(0).i64(1);
            }),
            tell.clone(),
            path_call(EventType::SETPGID_X, |w| {
                w.i64(0).i64(77).i64(0);
            }),
            tell.clone(),
            path_call(EventType::SETSID_X, |w| {
                w.i64(51);
            }),
            path_call(EventType::CAPSET_X, |w| {
                w.i64(0).u64(0).u64(0).u64(1 << 21 | 1);
            }),
            tell.clone(),
            path_call(EventType::CAPSET_X, |w| {
                w.i64(-1).u64(0).u64(0).u64(0);
            }),
            tell,
        ],
        &[
            "1 init 1 false false ",
            "1 init 1 false false ",
            "51 cat 51 true true CAP_CHOWN CAP_SYS_ADMIN",
            "51 cat 51 true true CAP_CHOWN CAP_SYS_ADMIN",
        ],
    );
}

#[test]
fn in_a_file_users_follow_from_the_calls() {
    let from_file = |ty, build: &dyn Fn(&mut FrameWriter<'_>)| {
        let mut frame = path_call(ty, build);
        let mut header = FrameHeader::from_bytes(frame.first_chunk().unwrap());
        header.flags |= flags::FROM_FILE;
        frame[..HEADER_LEN].copy_from_slice(&header.to_bytes());
        frame
    };
    let tell = from_file(EventType::LISTEN_X, &|w| {
        w.i64(0).i64(3).i32(1);
    });
    let set = |ty, res: i64, ids: &'static [u32]| {
        from_file(ty, &move |w| {
            w.i64(res);
            for &id in ids {
                w.u32(id);
            }
        })
    };
    check(
        "evt.type = listen",
        "%user.uid %user.name %group.gid",
        &[
            tell.clone(),
            set(EventType::SETRESUID_X, 0, &[7, 0, 7]),
            tell.clone(),
            set(EventType::SETUID_X, -1, &[8]),
            set(EventType::SETREUID_X, 0, &[8, u32::MAX]),
            set(EventType::SETGID_X, 0, &[5]),
            tell.clone(),
            set(EventType::SETUID_X, 0, &[1000]),
            tell,
        ],
        &["1000 u 100", "0 root 100", "0 root 5", "1000 u 5"],
    );
}

#[test]
fn calls_without_an_event_of_their_own_go_by_their_name() {
    let generic = |name: &'static str| {
        path_call(EventType::GENERIC_X, move |w| {
            w.u16(event::syscall_id(name).unwrap()).u16(76);
        })
    };
    let calls = [
        generic("truncate"),
        generic("setgroups"),
        path_call(EventType::SETSID_X, |w| {
            w.i64(51);
        }),
    ];
    for (condition, expected) in [
        ("evt.type = truncate", &["truncate"][..]),
        ("evt.type in (truncate, setsid)", &["truncate", "setsid"]),
        // As in Falco, who rules one of them out sees none of them.
        ("not evt.type = truncate and not evt.type = execve", &["setsid"]),
        ("not evt.type in (truncate, setgroups, execve)", &["setsid"]),
        ("syscall.type = setgroups", &["setgroups"]),
        ("not syscall.type = setgroups and evt.type in (setgroups, truncate)", &[]),
        ("evt.type != truncate and evt.type in (setgroups, truncate)", &[]),
    ] {
        check(condition, "%evt.type", &calls, expected);
    }
    check(
        "evt.type = truncate",
        "%syscall.type [%evt.args] %evt.category %evt.res",
        &calls,
        &["truncate [] other <NA>"],
    );
}

/// A type, what its frame holds, and `evt.args` of it.
type Shown<'a> = (EventType, &'a dyn Fn(&mut FrameWriter<'_>), &'a str);

fn check_shown(all: &[Shown<'_>]) {
    for (ty, build, expected) in all {
        let condition = format!("evt.type = {}", ty.name());
        let calls = [call(*ty, CAT, build)];
        check(&condition, "%evt.args", &calls, &[expected]);
    }
}

fn file(w: &mut FrameWriter<'_>, path: &str) {
    object(w, SectionKind::File, FileKind::Regular, path);
}

#[test]
fn parameters_of_files_and_mounts_are_shown_as_falco_shows_them() {
    check_shown(&[
        (
            EventType::RENAMEAT2_X,
            &|w| {
                w.i64(-17).i64(-100).str(b"a").i64(4).str(b"b").u32(1);
                object(w, SectionKind::Dir2, FileKind::Directory, "/to");
            },
            "res=-17(EEXIST) olddirfd=-100(AT_FDCWD) oldpath=a(/home/u/a) newdirfd=4(<d>/to) newpath=b(/to/b) flags=1(RENAME_NOREPLACE)",
        ),
        (
            EventType::FCHMODAT_X,
            &|w| {
                w.i64(0).i64(-100).str(b"/x").u32(0x800 | 0x40);
            },
            "res=0 dirfd=-100(AT_FDCWD) filename=/x mode=04100(S_IXUSR|S_ISUID)",
        ),
        (
            EventType::CHOWN_X,
            &|w| {
                w.i64(0).str(b"/x").u32(0).u32(0);
            },
            "res=0 path=/x uid=0 gid=0",
        ),
        (
            EventType::MOUNT_X,
            &|w| {
                w.i64(0).str(b"proc").str(b"/proc").str(b"proc").u32(0x1002);
            },
            "res=0 dev=proc dir=/proc type=proc flags=4098(NOSUID|BIND)",
        ),
        (
            EventType::SHUTDOWN_X,
            &|w| {
                w.i64(0).i64(3).u8(2);
            },
            "res=0 fd=3 how=2(SHUT_RDWR)",
        ),
    ]);
}

#[test]
fn parameters_of_processes_and_memory_are_shown_as_falco_shows_them() {
    check_shown(&[
        (
            EventType::PTRACE_X,
            &|w| {
                w.i64(0).bytes(&[0, 0xef, 0xbe, 0, 0, 0, 0, 0, 0]).bytes(&[1, 9]).u16(7).i64(1);
            },
            "res=0 addr=BEEF data=9(SIGKILL) request=7(PTRACE_POKEUSR) pid=1(init)",
        ),
        (
            EventType::PRCTL_X,
            &|w| {
                w.i64(0).u32(15).str(b"worker").i64(0);
            },
            "res=0 option=15(PR_SET_NAME) arg2_str=worker arg2_int=0",
        ),
        (
            EventType::MMAP_X,
            &|w| {
                w.i64(0x7000).u32(1).u32(2).u32(3).u64(0).u64(4096).u32(5).u32(2).i64(6).u64(0);
                file(w, "/lib/x.so");
            },
            "res=28672 vm_size=1 vm_rss=2 vm_swap=3 addr=0 length=4096 prot=5(PROT_READ|PROT_EXEC) flags=2(MAP_PRIVATE) fd=6(<f>/lib/x.so) offset=0",
        ),
        (
            EventType::KILL_X,
            &|w| {
                w.i64(0).i64(51).u8(15);
            },
            "res=0 pid=51(cat) sig=15(SIGTERM)",
        ),
        (
            EventType::SIGNALDELIVER_E,
            &|w| {
                w.i64(1).i64(51).u8(11);
            },
            "spid=1(init) dpid=51(cat) sig=11(SIGSEGV)",
        ),
        (
            EventType::BPF_2_X,
            &|w| {
                w.i64(7).u32(5);
            },
            "fd=7(<b>) cmd=5(BPF_PROG_LOAD)",
        ),
        (
            EventType::INIT_MODULE_X,
            &|w| {
                w.i64(-1).bytes(b"\x7fELF").u64(4).str(b"x=1");
            },
            "res=-1(EPERM) img=.ELF length=4 uargs=x=1",
        ),
        (
            EventType::KEYCTL_X,
            &|w| {
                w.i64(0).u32(1).bytes(b"\x01session\0").bytes(&[0, 1, 0, 0, 0, 0, 0, 0, 0]);
                w.empty().empty();
            },
            "res=0 operation=1(KEYCTL_JOIN_SESSION_KEYRING) arg2=session arg3=1 arg4=NULL arg5=NULL",
        ),
        (
            EventType::IO_URING_ENTER_X,
            &|w| {
                w.i64(1).i64(4).u32(1).u32(0).u32(1).u32(1 << 8 | 1 << 14);
            },
            "res=1 fd=4 to_submit=1 min_complete=0 flags=1(IORING_ENTER_GETEVENTS) sig=SIGKILL SIGTERM",
        ),
    ]);
}

#[test]
fn parameters_of_descriptors_and_users_are_shown_as_falco_shows_them() {
    check_shown(&[
        (
            EventType::DUP3_X,
            &|w| {
                w.i64(9).i64(3).i64(9).u32(0x1000);
                file(w, "/etc/hosts");
            },
            "res=9(<f>/etc/hosts) oldfd=3(<f>/etc/hosts) newfd=9(<f>/etc/hosts) flags=4096(O_CLOEXEC)",
        ),
        (
            EventType::PIPE2_X,
            &|w| {
                w.i64(0).i64(3).i64(4).u64(77).u32(0);
            },
            "res=0 fd1=3(<p>) fd2=4(<p>) ino=77 flags=0(O_NONE)",
        ),
        (
            EventType::MEMFD_CREATE_X,
            &|w| {
                w.i64(3).str(b"payload").u32(1);
            },
            "fd=3(<m>payload) name=payload flags=1(MFD_CLOEXEC)",
        ),
        (
            EventType::CLOSE_RANGE_X,
            &|w| {
                w.i64(0).u32(3).u32(u32::MAX).u32(4);
            },
            "res=0 first=3 last=-1 flags=4(CLOSE_RANGE_CLOEXEC)",
        ),
        (
            EventType::PREAD_X,
            &|w| {
                w.i64(3).bytes(b"a\nb").i64(5).u32(64).u64(10);
                file(w, "/etc/hosts");
            },
            "res=3 data=a.b fd=5(<f>/etc/hosts) size=64 pos=10",
        ),
        (
            EventType::SENDFILE_X,
            &|w| {
                w.i64(10).u64(0).i64(4).i64(5).u64(10);
            },
            "res=10 offset=0 out_fd=4 in_fd=5 size=10",
        ),
        (
            EventType::SETRESUID_X,
            &|w| {
                w.i64(0).u32(u32::MAX).u32(0).u32(1000);
            },
            "res=0 ruid=-1(<NONE>) euid=0(root) suid=1000(u)",
        ),
        (
            EventType::CAPSET_X,
            &|w| {
                w.i64(0).u64(0).u64(0x3f).u64(0x21);
            },
            "res=0 cap_inheritable=0 cap_permitted=3F cap_effective=21",
        ),
    ]);
}

#[test]
fn a_range_of_one_descriptor_is_that_descriptor() {
    let close = |last| {
        path_call(EventType::CLOSE_RANGE_X, move |w| {
            w.i64(0).u32(7).u32(last).u32(0);
            if last == 7 {
                file(w, "/etc/hosts");
            }
        })
    };
    check(
        "evt.type = close_range",
        "%fd.num %fd.name",
        &[close(7), close(8)],
        &["7 /etc/hosts", "<NA> <NA>"],
    );
}

#[test]
fn the_start_of_a_call_has_no_result() {
    let start = path_call(EventType(EventType::READ_X.0 - 1), |w| {
        w.i64(3).u32(100);
    });
    check(
        "evt.type = read",
        "%evt.res %evt.rawres %evt.failed %evt.args",
        &[start],
        &["<NA> <NA> <NA> fd=3 size=100"],
    );
}

/// A socket's section: `10.0.0.1:4000` to `10.0.0.2:53`, datagrams.
fn socket(w: &mut FrameWriter<'_>, flags: u8) {
    let mut sock = SockFacts {
        cookie: 7,
        family: 2,
        ty: 2,
        proto: 17,
        local_port: 4000,
        remote_port: 53,
        state: 0,
        flags,
        local: [0; 16],
        remote: [0; 16],
        path: b"",
    };
    sock.local[..4].copy_from_slice(&[10, 0, 0, 1]);
    sock.remote[..4].copy_from_slice(&[10, 0, 0, 2]);
    w.section(SectionKind::Sock, &[&sock.fixed_bytes()]);
}

#[test]
fn what_goes_through_a_socket_has_its_ends_and_its_role() {
    let tuple = |source: &str, dest: &str| SockTuple::Inet {
        source: source.parse().unwrap(),
        dest: dest.parse().unwrap(),
    };
    let sent = |flags: Option<u8>| {
        path_call(EventType::SENDTO_X, move |w| {
            w.i64(3).bytes(b"abc").i64(5).u32(3);
            w.sock_tuple(&tuple("10.0.0.1:4000", "10.0.0.2:53"));
            if let Some(flags) = flags {
                socket(w, flags);
            }
        })
    };
    check(
        "evt.type in (sendto, recvfrom, write, shutdown)",
        "%evt.type %fd.num %fd.type %fd.l4proto %fd.name|%fd.cip %fd.sport %fd.lip %fd.rport %fd.sproto %fd.is_server %fd.connected %fd.name_changed %evt.buflen.net.out %evt.arg.fd",
        &[
            sent(None),
            sent(Some(sock_flags::CLIENT | sock_flags::PEER_CHANGED)),
            sent(Some(sock_flags::SERVER)),
            path_call(EventType::RECVFROM_X, |w| {
                w.i64(3).bytes(b"abc");
                w.sock_tuple(&tuple("10.0.0.2:53", "10.0.0.1:4000")).i64(5).u32(100);
            }),
            path_call(EventType::WRITE_X, |w| {
                w.i64(3).bytes(b"abc").i64(5).u32(3);
                socket(w, sock_flags::CONNECTED | sock_flags::CLIENT);
            }),
            path_call(EventType::SHUTDOWN_X, |w| {
                w.i64(-107).i64(5).u8(1);
            }),
        ],
        &[
            "sendto 5 ipv4 <NA> 10.0.0.1:4000->10.0.0.2:53|10.0.0.1 53 10.0.0.1 53 53 false true <NA> 3 <4>10.0.0.1:4000->10.0.0.2:53",
            "sendto 5 ipv4 udp 10.0.0.1:4000->10.0.0.2:53|10.0.0.1 53 10.0.0.1 53 53 false false true 3 <4u>10.0.0.1:4000->10.0.0.2:53",
            "sendto 5 ipv4 udp 10.0.0.2:53->10.0.0.1:4000|10.0.0.2 4000 10.0.0.1 53 4000 true false false 3 <4u>10.0.0.2:53->10.0.0.1:4000",
            "recvfrom 5 ipv4 <NA> 10.0.0.1:4000->10.0.0.2:53|10.0.0.1 53 10.0.0.1 53 53 false true <NA> <NA> <4>10.0.0.1:4000->10.0.0.2:53",
            "write 5 ipv4 udp 10.0.0.1:4000->10.0.0.2:53|10.0.0.1 53 10.0.0.1 53 53 false true false 3 <4u>10.0.0.1:4000->10.0.0.2:53",
            "shutdown 5 <NA> <NA> <NA>|<NA> <NA> <NA> <NA> <NA> <NA> <NA> <NA> <NA> 5",
        ],
    );
}

#[test]
fn an_open_with_two_names_tells_which_one_matched() {
    let open = path_call(EventType::OPENAT_2_X, |w| {
        w.i64(3).i64(-100).str(b"/tmp/link").u32(1).u32(0).u32(0).u64(9);
        object(w, SectionKind::File, FileKind::Regular, "/etc/shadow");
    });
    for (name, view) in [("/tmp/link", "Some(Lexical)"), ("/etc/shadow", "Some(Kernel)")] {
        let rule = format!(
            "- rule: r\n  desc: d\n  condition: evt.type = openat and fd.name = {name}\n  output: o\n  priority: INFO\n"
        );
        let alerts = alerts(&rule, std::slice::from_ref(&open));
        assert_eq!(alerts.len(), 1, "{alerts:?}");
        assert!(alerts[0].contains(&format!("name_view: {view}")), "{alerts:?}");
    }
}

#[test]
fn one_name_is_no_view_to_tell_of() {
    let calls = [
        path_call(EventType::FCHMOD_X, |w| {
            w.i64(0).i64(4).u32(0o755);
            object(w, SectionKind::File, FileKind::Regular, "/bin/x");
        }),
        path_call(EventType::RMDIR_2_X, |w| {
            w.i64(0).str(b"/d");
        }),
    ];
    let rule = "- rule: r\n  desc: d\n  condition: evt.type in (fchmod, rmdir) and fs.path.name exists\n  output: o\n  priority: INFO\n";
    let marks: Vec<_> =
        alerts(rule, &calls).iter().map(|a| a.contains("name_view: None")).collect();
    assert_eq!(marks, [true, true]);
}

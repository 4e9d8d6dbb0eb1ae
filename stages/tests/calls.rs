//! Calls of every family, from frame to alert: names, descriptors, parameters.

mod support;

use bus::Key;
use event::{EventType, FileKind, FrameWriter, SectionKind};
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
    assert!(p.registry.snapshot(perf::Moment::Final).balances());
    let alerts = texts(&mut p.alerts);
    alerts.iter().map(|a| a.rsplit_once("} ").unwrap().1.to_owned()).collect()
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
        ],
        &["/srv", "/var/log", "/var/log", "/real", "/opened", "/opened"],
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
        ("not evt.type = truncate and not evt.type = execve", &["setgroups", "setsid"]),
        ("not evt.type in (truncate, setgroups, execve)", &["setsid"]),
        ("syscall.type = setgroups", &["setgroups"]),
        ("not syscall.type = setgroups and evt.type in (setgroups, truncate)", &["truncate"]),
        ("evt.type != truncate and evt.type in (setgroups, truncate)", &["setgroups"]),
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

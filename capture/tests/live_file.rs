//! The open family on the running kernel: both names of a file, wherever the path leads.

mod live;

use std::{
    fs,
    os::unix::fs::{MetadataExt, OpenOptionsExt, chroot, symlink},
    path::Path,
    process::Command,
};

use capture::ProbeOptions;
use event::{EventSet, EventType, FileKind, Frame, Outcome, file_flags};
use live::{Live, text, tid};

const FAMILY: [EventType; 4] =
    [EventType::OPEN_X, EventType::OPENAT_2_X, EventType::OPENAT2_X, EventType::CREAT_X];
const PPM_O_F_CREATED: u32 = 0x4000;
/// Tells `child_actor` what to do.
const ACT: &str = "PEREGRINE_ACT";

fn opened(name: &str) -> impl Fn(&Frame<'_>) -> bool {
    let name = name.to_owned();
    move |f| {
        f.event_type() == EventType::OPENAT_2_X && text(f, 2) == name && f.param_i64(0) >= Some(0)
    }
}

fn path_of(frame: &Frame<'_>) -> String {
    String::from_utf8_lossy(frame.trailer().file().unwrap().path).into_owned()
}

fn dir_of(frame: &Frame<'_>) -> Option<String> {
    Some(String::from_utf8_lossy(frame.trailer().dir()?.path).into_owned())
}

/// Not a test by itself: what a test's child does after it was started anew, in a process of its own.
#[test]
fn child_actor() {
    let Ok(act) = std::env::var(ACT) else { return };
    let mut words = act.split(' ');
    match words.next() {
        Some("chroot") => {
            chroot(words.next().unwrap()).unwrap();
            std::env::set_current_dir("/").unwrap();
            for path in words {
                fs::read(path).unwrap();
            }
        }
        other => panic!("unknown act {other:?}"),
    }
}

fn act(what: &str) -> bool {
    Command::new(std::env::current_exe().unwrap())
        .args(["child_actor", "--exact", "--nocapture"])
        .env(ACT, what)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap()
        .success()
}

/// Runs a script in a mount namespace of its own; false where that is not possible here.
fn in_mount_namespace(script: &str) -> bool {
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-ec", script])
        .output()
        .unwrap();
    if !output.status.success() {
        eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    output.status.success()
}

#[test]
fn an_absolute_open_has_one_name_and_no_directory() {
    let Some(mut live) = Live::start(&FAMILY) else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap().join("new file");
    let name = path.to_str().unwrap();
    fs::OpenOptions::new().create_new(true).write(true).mode(0o640).open(&path).unwrap();
    let bytes = live.wait("open", opened(name));
    let open = Frame::parse(&bytes).unwrap();
    assert_eq!(open.header().tid, tid());
    assert_eq!(open.param_i64(1), Some(-100));
    // O_WRONLY, O_CREAT, O_EXCL, O_CLOEXEC in the schema's numbers, and that the call made the file.
    assert_eq!(open.param_u32(3), Some(2 | 4 | 0x20 | 0x1000 | PPM_O_F_CREATED));
    assert_eq!(open.param_u32(4), Some(0o640));
    let meta = fs::metadata(&path).unwrap();
    assert_eq!(open.param_u64(6), Some(meta.ino()));
    let file = open.trailer().file().unwrap();
    assert_eq!(
        (file.ino, u64::from(file.dev), file.kind),
        (meta.ino(), meta.dev(), FileKind::Regular)
    );
    assert_ne!(file.flags & file_flags::CREATED, 0);
    assert_eq!(path_of(&open), name);
    assert_eq!(dir_of(&open), None);
    live.finish();
}

#[test]
fn a_relative_open_names_the_working_directory() {
    let Some(mut live) = Live::start(&FAMILY) else { return };
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    fs::create_dir(dir.join("sub")).unwrap();
    fs::write(dir.join("relative.txt"), "x").unwrap();
    let mut child =
        Command::new("cat").arg("../relative.txt").current_dir(dir.join("sub")).spawn().unwrap();
    assert!(child.wait().unwrap().success());
    let bytes = live.wait("open", opened("../relative.txt"));
    let open = Frame::parse(&bytes).unwrap();
    assert_eq!(open.header().tgid, child.id());
    assert_eq!(path_of(&open), dir.join("relative.txt").to_str().unwrap());
    assert_eq!(dir_of(&open).as_deref(), dir.join("sub").to_str());
    live.finish();
}

#[test]
fn a_failing_relative_open_still_names_the_directory() {
    let Some(mut live) = Live::start(&FAMILY) else { return };
    fs::read("not-here.txt").unwrap_err();
    let bytes = live
        .wait("open", |f| f.event_type() == EventType::OPENAT_2_X && text(f, 2) == "not-here.txt");
    let open = Frame::parse(&bytes).unwrap();
    assert_eq!(open.param_i64(0), Some(-2));
    assert!(open.trailer().file().is_none());
    let cwd = std::env::current_dir().unwrap().canonicalize().unwrap();
    assert_eq!(dir_of(&open).as_deref(), cwd.to_str());
    live.finish();
}

#[test]
fn a_symbolic_link_does_not_hide_the_file() {
    let Some(mut live) = Live::start(&FAMILY) else { return };
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    fs::write(dir.join("target.txt"), "x").unwrap();
    symlink(dir.join("target.txt"), dir.join("innocent")).unwrap();
    let link = dir.join("innocent");
    fs::read(&link).unwrap();
    let bytes = live.wait("open", opened(link.to_str().unwrap()));
    let open = Frame::parse(&bytes).unwrap();
    assert_eq!(path_of(&open), dir.join("target.txt").to_str().unwrap());
    live.finish();
}

#[test]
fn a_bind_mount_gives_the_name_below_the_mount() {
    let Some(mut live) = Live::start(&FAMILY) else { return };
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    for name in ["source", "mounted"] {
        fs::create_dir(dir.join(name)).unwrap();
    }
    fs::write(dir.join("source/secret"), "x").unwrap();
    let d = dir.to_str().unwrap();
    let script =
        format!("mount --bind {d}/source {d}/mounted; cd {d}/mounted; cat ./secret >/dev/null");
    if !in_mount_namespace(&script) {
        return;
    }
    let bytes = live.wait("open", opened("./secret"));
    let open = Frame::parse(&bytes).unwrap();
    assert_eq!(path_of(&open), format!("{d}/mounted/secret"));
    assert_eq!(dir_of(&open), Some(format!("{d}/mounted")));
    assert_eq!(open.trailer().file().unwrap().flags & file_flags::OUTSIDE_ROOT, 0);
    live.finish();
}

#[test]
fn a_chroot_gives_the_name_its_processes_use() {
    let Some(mut live) = Live::start(&FAMILY) else { return };
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("etc")).unwrap();
    fs::write(dir.path().join("etc/inside.txt"), "x").unwrap();
    let d = dir.path().to_str().unwrap();
    assert!(act(&format!("chroot {d} /etc/inside.txt etc/../etc/inside.txt")));
    let bytes = live.wait("open", opened("/etc/inside.txt"));
    assert_eq!(path_of(&Frame::parse(&bytes).unwrap()), "/etc/inside.txt");
    let bytes = live.wait("open", opened("etc/../etc/inside.txt"));
    let open = Frame::parse(&bytes).unwrap();
    assert_eq!(path_of(&open), "/etc/inside.txt");
    assert_eq!(dir_of(&open).as_deref(), Some("/"));
    live.finish();
}

#[test]
fn an_overlay_says_which_layer_a_file_lives_in() {
    let Some(mut live) = Live::start(&FAMILY) else { return };
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path().canonicalize().unwrap();
    let d = d.to_str().unwrap();
    let script = format!(
        "mount -t tmpfs none {d}; cd {d}; mkdir lower upper work merged
         echo low > lower/below; echo up > upper/above
         mount -t overlay overlay -o lowerdir={d}/lower,upperdir={d}/upper,workdir={d}/work {d}/merged
         cat {d}/merged/below {d}/merged/above >/dev/null"
    );
    if !in_mount_namespace(&script) {
        return;
    }
    for (name, layer) in [("below", file_flags::LOWER_LAYER), ("above", file_flags::UPPER_LAYER)] {
        let path = format!("{d}/merged/{name}");
        let bytes = live.wait("open", opened(&path));
        let open = Frame::parse(&bytes).unwrap();
        let both = file_flags::LOWER_LAYER | file_flags::UPPER_LAYER;
        assert_eq!(open.trailer().file().unwrap().flags & both, layer, "{name}");
        assert_eq!(path_of(&open), path);
    }
    live.finish();
}

#[test]
fn a_removed_file_says_so() {
    use std::os::fd::AsRawFd;
    let Some(mut live) = Live::start(&FAMILY) else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap().join("gone");
    let file = fs::File::create(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let name = format!("/proc/self/fd/{}", file.as_raw_fd());
    fs::File::open(&name).unwrap();
    let bytes = live.wait("open", opened(&name));
    let open = Frame::parse(&bytes).unwrap();
    assert_eq!(path_of(&open), format!("{} (deleted)", path.to_str().unwrap()));
    assert_ne!(open.trailer().file().unwrap().flags & file_flags::UNHASHED, 0);
    live.finish();
}

#[test]
fn a_deep_path_is_whole() {
    let Some(mut live) = Live::start(&FAMILY) else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut path = dir.path().canonicalize().unwrap();
    for n in 0..40 {
        path.push(format!("level-{n:02}-{}", "x".repeat(40)));
    }
    fs::create_dir_all(&path).unwrap();
    path.push("leaf");
    fs::write(&path, "x").unwrap();
    let name = path.to_str().unwrap();
    let bytes = live.wait("open", opened(name));
    let open = Frame::parse(&bytes).unwrap();
    assert_eq!(path_of(&open), name);
    live.finish();
}

#[test]
fn a_full_ring_counts_what_it_drops() {
    let interest: EventSet = FAMILY.into_iter().collect();
    let options = ProbeOptions { interest, ring_bytes: 4096, ..ProbeOptions::default() };
    let Some(mut live) = Live::with(options) else { return };
    let path = Path::new("/dev/null");
    for _ in 0..1000 {
        fs::File::open(path).unwrap();
    }
    live.probe.detach();
    live.drain();
    let counters = live.probe.counters();
    let ty = EventType::OPENAT_2_X;
    assert!(
        counters.of_type(ty, Outcome::RingFull) > 900,
        "{:?}",
        counters.cells().collect::<Vec<_>>()
    );
    assert_eq!(counters.unexplained(), 0);
    let n_written: u64 = counters.total(Outcome::Written);
    assert_eq!(n_written, live.frames.len() as u64);
}

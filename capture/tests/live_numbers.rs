//! Every number of the running kernel's tables has a name, and nothing that runs is without one.

mod live;

use std::{
    collections::BTreeSet,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

use capture::ProbeOptions;
use event::{CallTable, EventType};
use live::{Live, can_run};

/// Names that the kernel's own list takes from the functions behind the calls.
const FUNCTIONS: [(&str, &str); 6] = [
    ("newfstat", "fstat"),
    ("newlstat", "lstat"),
    ("newstat", "stat"),
    ("newuname", "uname"),
    ("sendfile64", "sendfile"),
    ("umount", "umount2"),
];

/// Calls of the native table, as tracefs lists them; mounted where nobody else sees it.
fn of_the_running_kernel() -> Option<BTreeSet<String>> {
    let dir = tempfile::tempdir().unwrap();
    let script = "mount -t tracefs none \"$0\" && ls \"$0/events/syscalls\"";
    let run = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-ec", script])
        .arg(dir.path())
        .output();
    let output = run.ok()?;
    let listed = String::from_utf8_lossy(&output.stdout);
    let names = listed.lines().filter_map(|line| line.strip_prefix("sys_enter_"));
    let names: BTreeSet<String> = names.map(str::to_owned).collect();
    (names.len() > 200).then_some(names)
}

#[test]
fn every_call_of_the_running_kernel_has_a_name() {
    if !can_run() {
        return;
    }
    let Some(theirs) = of_the_running_kernel() else {
        eprintln!("skipped: tracefs does not list the calls of this kernel");
        return;
    };
    let ours: BTreeSet<&str> = CallTable::Native.calls().map(|(_, name)| name).collect();
    let name = |function: &str| {
        let alias = FUNCTIONS.iter().find(|(theirs, _)| *theirs == function);
        alias.map_or_else(|| function.to_owned(), |(_, ours)| (*ours).to_owned())
    };
    let unnamed: Vec<String> =
        theirs.iter().map(|f| name(f)).filter(|name| !ours.contains(name.as_str())).collect();
    assert_eq!(unnamed, Vec::<String>::new());
}

/// A filter that answers every call above the tables with an error of its own, so that such a call exists.
fn answer_unmapped() -> std::io::Result<()> {
    const LOAD: u16 = 0x20;
    const JUMP_IF_GREATER: u16 = 0x25;
    const RETURN: u16 = 0x06;
    const ALLOW: u32 = 0x7fff_0000;
    const ERRNO: u32 = 0x0005_0000;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut steps = [
        step(LOAD, 0, 0, 0),
        step(JUMP_IF_GREATER, 0, 1, 900),
        step(RETURN, 0, 0, ERRNO | libc::EPERM as u32),
        step(RETURN, 0, 0, ALLOW),
    ];
    let program = libc::sock_fprog { len: 4, filter: steps.as_mut_ptr() };
    // SAFETY: the program is whole and lives through the call.
    let r = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::prctl(libc::PR_SET_SECCOMP, 2, &raw const program)
    };
    if r == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Makes calls that have no number in a child, behind a filter or not.
fn in_child(is_filtered: bool, numbers: &'static [i64]) {
    let mut child = Command::new("true");
    // SAFETY: between fork and exec the closure makes system calls and nothing else.
    unsafe {
        child.pre_exec(move || {
            if is_filtered {
                answer_unmapped()?;
            }
            for &nr in numbers {
                live::call::raw(nr, &[]);
            }
            Ok(())
        });
    }
    assert!(child.status().unwrap().success());
}

#[test]
fn what_has_no_number_is_counted() {
    let Some(live) = Live::start(&[EventType::GENERIC_X]) else { return };
    let unmapped = || live.probe.counters().unmapped;
    let before = unmapped();
    in_child(false, &[1_000, 5_000, 700, 600, -1]);
    assert_eq!(unmapped(), before, "the kernel does not know them either");
    in_child(true, &[1_000, 5_000, 901]);
    assert_eq!(unmapped(), before + 3);
    live.finish();
}

/// Every call of this kernel at once, three seconds of them.
#[test]
fn nothing_that_runs_is_without_a_number() {
    let options = ProbeOptions { ring_bytes: 16 << 20, ..ProbeOptions::default() };
    let Some(mut live) = Live::with(options) else { return };
    let before = live.probe.counters().unmapped;
    let mut stress = Command::new("stress-ng");
    stress.args(["--syscall", "1", "--timeout", "3s", "--quiet"]).process_group(0);
    let Ok(mut child) = stress.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
        eprintln!("skipped: no stress-ng here");
        return;
    };
    let status = loop {
        live.drain();
        live.frames.clear();
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::yield_now();
    };
    assert!(status.success(), "{status}");
    let counters = live.probe.counters();
    assert!(counters.of_type(EventType::GENERIC_X, event::Outcome::Written) > 1000);
    assert_eq!(counters.unmapped, before);
    live.probe.detach();
}

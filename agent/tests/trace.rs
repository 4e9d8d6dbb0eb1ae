//! `peregrine trace` as its user has it: arguments in, lines, error texts and exit codes out.

mod common;

use std::path::PathBuf;
use std::process::{Command, Output};

use common::PEREGRINE;

fn recording() -> String {
    let file = "../testdata/recordings/ordinary-work.scap.gz";
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file).display().to_string()
}

fn trace(args: &[&str]) -> Output {
    let ended = Command::new(PEREGRINE).arg("trace").args(args).env("TZ", "UTC").output();
    ended.expect("the program runs")
}

/// The lines of a trace of the recording.
fn lines(args: &[&str]) -> Vec<String> {
    let ended = trace(&[&["-r", &recording()], args].concat());
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{args:?}: {said}");
    String::from_utf8(ended.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

#[test]
fn progress_stands_in_one_line() {
    let ended = trace(&["-r", &recording(), "-P", "-n", "3"]);
    let said = String::from_utf8(ended.stderr).expect("UTF-8");
    assert!(said.contains("\r100.00\n") && !said.contains("\\u000d"), "{said:?}");
}

#[test]
fn a_filter_picks_and_a_format_prints() {
    let all = lines(&["-p", "%evt.num %evt.type"]);
    let opens = lines(&["-p", "%evt.num %evt.type", "evt.type=openat"]);
    assert!(opens.len() > 10 && opens.len() < all.len());
    let expected: Vec<&String> = all.iter().filter(|l| l.ends_with(" openat")).collect();
    assert_eq!(opens.iter().collect::<Vec<_>>(), expected);
    // Words of a filter may stand before options and between them.
    let words = ["evt.type=openat", "-p", "%evt.num %evt.type", "and", "evt.num>0"];
    assert_eq!(lines(&words), opens);
}

#[test]
fn the_usual_line_has_its_parts() {
    let line = &lines(&["evt.type=openat and fd.name=/etc/ld.so.cache", "-n", "1"])[0];
    let parts: Vec<&str> = line.splitn(8, ' ').collect();
    let [number, time, cpu, _name, tid, dir, ty, info] = parts[..] else { panic!("{line}") };
    assert!(number.parse::<u64>().is_ok() && cpu.parse::<u16>().is_ok(), "{line}");
    assert_eq!((time.len(), &time[2..3], &time[8..9]), (18, ":", "."), "{line}");
    assert!(tid.starts_with('(') && tid.ends_with(')'), "{line}");
    assert_eq!((dir, ty), ("<", "openat"));
    assert!(info.contains("name=/etc/ld.so.cache"), "{line}");
}

#[test]
fn counts_end_a_trace() {
    assert_eq!(lines(&["-n", "3"]).len(), 3);
    let first = lines(&["-t", "r", "-p", "%evt.outputtime", "-M", "0.001"]);
    assert!(!first.is_empty());
    assert!(first.iter().all(|t| t.as_str() < "0.001000000"), "{first:?}");
}

#[test]
fn json_has_typed_fields_in_order() {
    let line =
        &lines(&["-j", "-n", "1", "-p", "*%evt.num %thread.tid %evt.outputtime %fd.nameraw"])[0];
    let object: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert!(object["evt.num"].is_u64() && object["thread.tid"].is_u64(), "{line}");
    assert!(object["evt.outputtime"].as_u64().is_some_and(|ns| ns > 1_600_000_000_000_000_000));
    assert!(line.starts_with("{\"evt.num\":"), "{line}");
}

#[test]
fn a_summary_counts_what_passed() {
    let out = lines(&["-q", "-S", "evt.type in (openat, close)"]);
    assert_eq!(out[1], "Event           #Calls");
    let n = |name: &str| -> usize {
        let row = out.iter().find(|l| l[2..].starts_with(name)).expect(name);
        row[18..].parse().expect("a number")
    };
    assert_eq!(n("openat"), lines(&["evt.type=openat"]).len());
    assert_eq!(n("close"), lines(&["evt.type=close"]).len());
    assert_eq!(out.len(), 5);
}

/// Without a filter a thread of its own makes the frames, with one the thread that prints does.
#[test]
fn two_threads_print_what_one_does() {
    let dir = tempfile::tempdir().expect("a directory");
    let whole = dir.path().join("whole.scap").display().to_string();
    assert!(trace(&["-q", "-r", &recording(), "-w", &whole]).status.success());
    let bytes = std::fs::read(&whole).expect("a capture");
    let cut = dir.path().join("cut.scap").display().to_string();
    std::fs::write(&cut, &bytes[..bytes.len() - 1001]).expect("a file");
    for (file, is_whole) in [(&whole, true), (&cut, false)] {
        let [two, one] = [&["-r", file][..], &["-r", file, "evt.num", ">", "0"]].map(trace);
        assert_eq!(String::from_utf8_lossy(&two.stderr), String::from_utf8_lossy(&one.stderr));
        assert_eq!((two.status, two.stderr.is_empty()), (one.status, is_whole));
        assert!(two.stdout.len() > 100_000 && two.stdout == one.stdout, "{file}");
    }
}

#[test]
fn several_files_are_read_in_order() {
    let one = lines(&["-p", "%evt.num"]);
    let two = lines(&["-p", "%evt.num", "-r", &recording()]);
    assert_eq!(two, [&one[..], &one[..]].concat());
}

#[test]
fn what_is_missing_takes_its_line_unless_a_star_keeps_it() {
    let n = lines(&["evt.type=close"]).len();
    assert_eq!(lines(&["-p", "*%evt.num %k8s.pod.name", "evt.type=close"]).len(), n);
    assert!(lines(&["-p", "%evt.num %k8s.pod.name", "evt.type=close"]).is_empty());
}

#[test]
fn refusals_are_sysdigs_and_end_with_1() {
    let file = recording();
    let dir = tempfile::tempdir().expect("a directory");
    let damaged = dir.path().join("a.scap").display().to_string();
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata/captures/options.scap");
    std::fs::write(&damaged, &std::fs::read(own).expect("a capture")[..100]).expect("a file");
    for (args, expected) in [
        (&["-r", "/no/such/file"][..], "can't open file /no/such/file\n"),
        (
            &["-r", "/etc/passwd"],
            "Could not initialize reader: invalid block type\n  /etc/passwd: not a .scap file: it begins with the text \"root\"\n",
        ),
        (&["-r", &damaged], "Could not initialize reader: the file is damaged\n"),
        (
            &["-r", &file, "evt.nope=1"],
            "filter error at position 8: filter error: unrecognized field evt.nope at pos 0\n",
        ),
        (&["-r", &file, "-p", "%evt.nope"], "invalid formatting token evt.nope\n"),
        (&["-r", &file, "-n", "0"], "invalid event count 0\n"),
        (&["-r", &file, "-t", "z"], "invalid modifier for flag -t\n"),
        (&["-r", &file, "-x", "-A"], "you cannot specify more than one output format\n"),
        (&["evt.nope=1"], "filter error at position 8: "),
    ] {
        let ended = trace(args);
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(said.starts_with(expected), "{args:?}: {said}");
        assert_eq!(ended.status.code(), Some(1), "{args:?}");
        assert!(ended.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn a_reader_that_leaves_ends_a_trace_quietly() {
    let script = format!("{PEREGRINE} trace -r {} --unbuffered | head -n 1", recording());
    let ended = Command::new("sh").args(["-c", &script]).output().expect("a shell");
    assert_eq!(String::from_utf8_lossy(&ended.stdout).lines().count(), 1);
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}

#[test]
fn a_full_disk_is_told() {
    let script = format!("{PEREGRINE} trace -r {} > /dev/full", recording());
    let ended = Command::new("sh").args(["-c", &script]).output().expect("a shell");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("cannot write to stdout") && said.contains("No space"), "{said}");
    assert_eq!(ended.status.code(), Some(1));
}

#[test]
fn formats_can_be_shown() {
    let ended = trace(&["-pp"]);
    assert_eq!(
        String::from_utf8_lossy(&ended.stdout),
        "*%evt.num %evt.outputtime %evt.cpu %proc.name (%thread.tid) %evt.dir %evt.type %evt.info\n"
    );
}

#[test]
fn what_is_written_is_what_was_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let read = |file: &str, args: &[&str]| {
        let ended = trace(
            &[
                &[
                    "-r",
                    file,
                    "-p",
                    "*%evt.time %thread.tid %proc.name %evt.type %fd.name %evt.args",
                ],
                args,
            ]
            .concat(),
        );
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8_lossy(&ended.stdout).into_owned()
    };
    let write = |file: &str, args: &[&str]| {
        let ended = trace(&[&["-r", &recording(), "-w", file], args].concat());
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.success() && ended.stdout.is_empty(), "{said}");
        assert!(said.ends_with("\r100.00\n"), "{said:?}");
    };
    let whole = path("whole.scap");
    write(&whole, &[]);
    assert_eq!(read(&whole, &[]), read(&recording(), &[]));
    // A filter that follows nothing loses what a fat file keeps hidden.
    let (lean, fat) = (path("lean.scap"), path("fat.scap"));
    write(&lean, &["evt.type=close", "and", "fd.name", "exists"]);
    write(&fat, &["evt.type=close and fd.name exists", "-F", "-z"]);
    let closes = read(&recording(), &["evt.type=close and fd.name exists"]);
    assert!(closes.lines().count() > 10);
    assert_eq!(read(&fat, &[]), closes);
    // What is hidden there stays so, and stays there, when the fat file is filtered again.
    let fatter = path("fatter.scap");
    let again = trace(&["-r", &fat, "-w", &fatter, "-F", "evt.type=close"]);
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(read(&fatter, &[]), closes);
    let lost = read(&lean, &[]);
    assert_eq!(lost.lines().count(), closes.lines().count());
    assert_ne!(lost, closes);
    let ended = trace(&["-r", &recording(), "-w", "/no/such/folder/x"]);
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("can't open /no/such/folder/x"), "{said}");
    assert_eq!(ended.status.code(), Some(1));
}

#[test]
fn a_recording_is_not_written_over_while_it_is_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (file, link) = (path("a.scap"), path("b.scap"));
    std::fs::copy(recording(), &file).expect("a copy");
    std::os::unix::fs::symlink(&file, &link).expect("a link");
    for written in [&file, &link] {
        let ended = trace(&["-r", &recording(), "-r", &file, "-w", written]);
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(said.starts_with(&format!("cannot write to {written}, which is being read\n")));
        assert_eq!(ended.status.code(), Some(1));
    }
    assert_eq!(std::fs::read(&file).ok(), std::fs::read(recording()).ok());
}

#[test]
fn what_is_left_out_of_a_file_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("a.scap").display().to_string();
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata/captures/options.scap");
    let mut bytes = std::fs::read(own).expect("a capture");
    let block = |kind: u32, body: &[u8]| {
        let len = (12 + body.len() as u32).to_le_bytes();
        [&kind.to_le_bytes()[..], &len, body, &len].concat()
    };
    let event = |ty: u16, params: &[u8]| {
        let len = 26 + params.len() as u32;
        let n_params = u32::from(!params.is_empty());
        let head = [&[0; 18][..], &len.to_le_bytes(), &ty.to_le_bytes(), &n_params.to_le_bytes()];
        block(0x216, &[&head.concat(), params].concat())
    };
    bytes.extend(event(9999, b""));
    // A container without a word on it.
    bytes.extend(event(324, b"\x03\0\0\0{}\0"));
    // A list of descriptors without lengths ends at a type that nobody knows. It stands behind the section's header.
    let at = usize::from(bytes[4]);
    let list = [&5i64.to_le_bytes()[..], &[0; 16], &[99]].concat();
    bytes.splice(at..at, block(0x203, &list));
    std::fs::write(&file, bytes).expect("a file");
    let traced = trace(&["-r", &file]);
    let replayed = Command::new(PEREGRINE).args(["replay", &file]).output();
    for ended in [traced, replayed.expect("the program runs")] {
        let said = String::from_utf8_lossy(&ended.stderr);
        let expected = format!(
            "{file}: not all was read: 1 events of types that this build does not know, left out; 1 events of containers that tell of none, or beyond their memory, not noted; descriptor list at byte {at}: a type that this build does not know ends it; the rest of process 5 is not read\n"
        );
        assert!(said.contains(&expected), "{said}");
        assert!(ended.status.success(), "{said}");
    }
}

#[test]
fn buffers_are_shown_as_asked_for() {
    let one = |args: &[&str]| {
        let filter = "evt.type=read and evt.buffer startswith \"\x7fELF\"";
        let filter = filter.replace("\\x7f", "\u{7f}");
        lines(&[&["-p", "%evt.buffer", "-n", "1", &filter], args].concat()).join("\n")
    };
    assert!(one(&[]).starts_with(".ELF.."), "{}", one(&[]));
    assert_eq!(one(&["-s", "8"]), ".ELF....");
    assert_eq!(one(&["-s", "7"]), ".ELF...");
    assert!(one(&["-A"]).starts_with("\nELF"));
    assert!(one(&["-b"]).starts_with("f0VMR"));
    assert!(one(&["-x"]).starts_with("\n\t0x0000: 7f45 4c46"));
    let line = one(&["-X"]);
    assert!(line.lines().nth(1).is_some_and(|l| l.contains("  .ELF")), "{line}");
}

#[test]
fn a_filter_over_processes_holds_at_every_event() {
    // A parent's name changes with another process than the event's.
    for field in ["proc.name", "proc.pname"] {
        let format = format!("*%evt.num %{field}");
        let all = lines(&["-p", &format]);
        let names: std::collections::BTreeSet<&str> =
            all.iter().filter_map(|l| l.split_once(' ').map(|(_, name)| name)).collect();
        assert!(names.len() > 3, "{names:?}");
        for name in names.into_iter().filter(|name| *name != "<NA>") {
            let expected: Vec<&String> =
                all.iter().filter(|l| l.split_once(' ').is_some_and(|(_, n)| n == name)).collect();
            let filter = format!("{field}=\"{name}\"");
            let ours = lines(&["-p", &format, &filter]);
            assert_eq!(ours.iter().collect::<Vec<_>>(), expected, "{name}");
        }
    }
}

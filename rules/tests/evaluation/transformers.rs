//! A row for each statement about transformers, comparisons of two fields, and lists.

use rules::Field;

use crate::compiled;
use crate::oracle::{Event, Owned};

/// A process `Cat`, child of `cat`, that reads `/etc/Passwd`; two types of descriptors; numbers; text in base 64.
fn event() -> Event {
    Event::default()
        .with(Field::ProcName, Owned::text("Cat"))
        .with(Field::ProcPname, Owned::text("cat"))
        .with(Field::ProcExe, Owned::text("aGk"))
        .with(Field::ProcCmdline, Owned::text("*a*"))
        .with(Field::FdName, Owned::text("/etc/Passwd"))
        .with(Field::FdDirectory, Owned::text("/etc"))
        .with(Field::ProcPid, Owned::I64(7))
        .with(Field::ProcPpid, Owned::I64(-1))
        .with(Field::FdSport, Owned::U64(443))
        .with(Field::FdCport, Owned::U64(50_000))
        .with(Field::FdSip, Owned::ip("10.0.0.1"))
        .with(Field::FdCip, Owned::ip("::1"))
        .with(Field::FdRip, Owned::ip("10.0.0.1"))
        .with(Field::EvtIsOpenRead, Owned::Bool(true))
        .with(Field::EvtIsOpenWrite, Owned::Bool(false))
        .with(Field::EvtBuffer, Owned::Bytes(b"aGk=".to_vec()))
        .with_list(Field::FdTypes, &["File", "Ipv4"])
}

fn check(table: &[(&str, bool)]) {
    let event = event();
    for &(condition, expected) in table {
        assert_eq!(compiled(condition, &event), expected, "{condition}");
    }
}

#[test]
fn transformers_on_the_left() {
    check(&[
        ("tolower(proc.name) = cat", true),
        ("tolower(proc.name) = Cat", false),
        ("tolower(proc.name) != Cat", true),
        ("tolower(proc.name) != cat", false),
        ("tolower(proc.name) startswith ca", true),
        ("tolower(proc.name) startswith Ca", false),
        ("tolower(proc.name) endswith at", true),
        ("tolower(proc.name) endswith caat", false),
        ("tolower(proc.name) contains A", false),
        ("tolower(proc.name) contains a", true),
        ("tolower(proc.name) in (dog, cat)", true),
        ("tolower(proc.name) glob 'c?t'", true),
        ("tolower(proc.name) regex 'c[a-z]t'", true),
        ("tolower(proc.name) regex 'C[a-z]t'", false),
        ("tolower(proc.name) startswith anyof (x, c)", true),
        ("tolower(proc.name) exists", true),
        ("tolower(proc.sname) exists", false),
        ("toupper(proc.name) = CAT", true),
        ("toupper(proc.name) = CaT", false),
        ("toupper(proc.name) contains at", false),
        ("toupper(fd.name) pmatch (/ETC)", true),
        ("basename(fd.name) = Passwd", true),
        ("basename(tolower(fd.name)) = passwd", true),
        ("tolower(basename(fd.name)) = passwd", true),
        ("basename(proc.name) = Cat", true),
        ("b64(proc.exe) = hi", true),
        ("b64(proc.name) exists", false),
        ("b64(evt.buffer) = hi", true),
        ("len(proc.name) = 3", true),
        ("len(proc.name) > 3", false),
        ("len(proc.name) in (1, 3)", true),
        ("len(evt.buffer) = 4", true),
        ("len(b64(evt.buffer)) = 2", true),
        ("len(fd.types) = 2", true),
        ("join('-', ('a', proc.name, proc.pid)) = a-Cat-7", true),
        ("join(',', fd.types) = 'File,Ipv4'", true),
        ("join(',', ('a', proc.sname)) exists", false),
        ("join(tolower(proc.name), fd.types) = FilecatIpv4", true),
        ("concat(proc.name, ':', tolower(proc.name)) = Cat:cat", true),
        ("concat(proc.name, proc.sname) exists", false),
        ("getopt(('-n', '-tv'), 'nt:')[t] = v", true),
        ("getopt(('-n', '-tv'), 'nt:')[n] = ''", true),
        ("getopt(('-n', '-tv'), 'nt:')[x] exists", false),
        ("getopt(('-t', proc.name), 't:')[t] = Cat", true),
    ]);
}

#[test]
fn two_fields() {
    check(&[
        ("proc.name = val(proc.pname)", false),
        ("proc.name != val(proc.pname)", true),
        ("tolower(proc.name) = val(proc.pname)", true),
        ("proc.pname = tolower(proc.name)", true),
        ("proc.pname == tolower(proc.name)", true),
        ("proc.name < val(proc.pname)", true),
        ("proc.name >= tolower(proc.name)", false),
        ("fd.name startswith val(fd.directory)", true),
        ("fd.name endswith val(fd.directory)", false),
        ("fd.name contains val(fd.directory)", true),
        ("fd.name icontains toupper(fd.directory)", true),
        ("proc.name glob val(proc.cmdline)", true),
        ("proc.name iglob toupper(proc.cmdline)", true),
        ("proc.name in val(proc.pname)", false),
        ("proc.pname in tolower(proc.name)", true),
        ("proc.pname intersects tolower(proc.name)", true),
        ("proc.name = val(proc.sname)", false),
        ("proc.name != val(proc.sname)", false),
        ("not proc.name != val(proc.sname)", true),
        ("proc.sname != val(proc.name)", false),
        ("proc.pid > val(proc.ppid)", true),
        ("proc.ppid < val(proc.pid)", true),
        ("proc.pid = val(proc.pid)", true),
        ("fd.sport < val(fd.cport)", true),
        ("fd.sip = val(fd.rip)", true),
        ("fd.sip = val(fd.cip)", false),
        ("fd.sip != val(fd.cip)", true),
        ("evt.is_open_read != val(evt.is_open_write)", true),
        ("len(proc.name) = len(proc.pname)", true),
        ("len(getopt(fd.types, 'n')) < len(proc.name)", true),
        ("proc.name = concat('C', 'at')", true),
        ("evt.buffer contains val(evt.buffer)", true),
        ("evt.buffer bstartswith val(evt.buffer)", true),
    ]);
}

#[test]
fn lists_on_the_left() {
    check(&[
        ("fd.types in (File, Ipv4, x)", true),
        ("fd.types in (File)", false),
        ("fd.types in ()", false),
        ("fd.types intersects (Ipv4, x)", true),
        ("fd.types intersects (x)", false),
        ("fd.types intersects ()", false),
        ("fd.types exists", true),
        ("tolower(fd.types) in (file, ipv4)", true),
        ("tolower(fd.types) intersects (File)", false),
        ("tolower(fd.types) exists", true),
        ("getopt(('-n', '-tv'), 'nt:') in (n, t, v)", true),
        ("getopt(('-n', '-tv'), 'nt:') intersects (v)", true),
        ("getopt(('-nx'), 'n') intersects ('?')", true),
        ("getopt(fd.types, 'n') exists", true),
        ("getopt(fd.types, 'n') in (x)", true),
        ("getopt(fd.types, 'n') intersects (x)", false),
        ("getopt(('-n'), 'n') in getopt(('-nm'), 'nm')", true),
        ("getopt(('-nm'), 'nm') in getopt(('-n'), 'nm')", false),
    ]);
}

#[test]
fn an_empty_list_is_a_value() {
    let empty = Event::default().with_list(Field::FdTypes, &[]);
    let none = Event::default();
    for (condition, of_empty, of_none) in [
        ("fd.types exists", true, false),
        ("fd.types in (x)", true, false),
        ("fd.types in ()", true, false),
        ("fd.types intersects (x)", false, false),
        ("len(fd.types) = 0", true, false),
        ("join(',', fd.types) = ''", true, false),
        ("tolower(fd.types) in (x)", true, false),
        ("not fd.types in (x)", false, true),
    ] {
        assert_eq!(compiled(condition, &empty), of_empty, "{condition}");
        assert_eq!(compiled(condition, &none), of_none, "{condition}");
    }
}

//! The rows against the kernel's own tables, where this machine has its headers.

use std::collections::BTreeMap;

use event::CallTable;

use super::{FORKS, Row, SOCKETCALLS, rows};

/// Number by name.
type Table = BTreeMap<String, u16>;

/// Calls that the schema names otherwise: name there, names in the kernel's tables.
const ALIASES: &[(&str, &[&str])] = &[
    ("pread", &["pread64"]),
    ("pwrite", &["pwrite64"]),
    ("prlimit", &["prlimit64"]),
    ("llseek", &["_llseek"]),
    ("newfstatat", &["newfstatat", "fstatat64"]),
    ("getrlimit", &["getrlimit", "ugetrlimit"]),
    ("select", &["select", "_newselect"]),
];

/// What the ia32 table appends to the name of a later variant of a call.
const SUFFIXES: [&str; 4] = ["", "32", "64", "_time64"];

/// One of `unistd_64.h`, `unistd_32.h`, `unistd_x32.h`; says why there is none.
fn table(header: &str) -> Option<Table> {
    let folders = ["/usr/include/x86_64-linux-gnu/asm", "/usr/include/asm"];
    let text = folders.iter().find_map(|f| std::fs::read_to_string(format!("{f}/{header}")).ok());
    let Some(text) = text else {
        eprintln!("skipped: this machine has no asm/{header}");
        return None;
    };
    let number = |rest: &str| {
        let rest = rest.trim().trim_start_matches("(__X32_SYSCALL_BIT +").trim_end_matches(')');
        rest.trim().parse().ok()
    };
    let line = |line: &str| {
        let (name, rest) = line.strip_prefix("#define __NR_")?.split_once(' ')?;
        Some((name.to_owned(), number(rest)?))
    };
    let table: Table = text.lines().filter_map(line).collect();
    assert!(table.len() > 300, "asm/{header} is read as it is meant");
    Some(table)
}

/// Names that a call has in the tables. A variant that is a call of its own to the schema is not among them.
fn names(call: &str, suffixes: &[&str]) -> Vec<String> {
    let alias = ALIASES.iter().find(|(ours, _)| *ours == call);
    let own = [call];
    let theirs = alias.map_or(&own[..], |(_, theirs)| theirs);
    let variants =
        theirs.iter().flat_map(|name| suffixes.iter().map(move |s| format!("{name}{s}")));
    variants
        .filter(|variant| variant == call || all().all(|row| row.ty.name() != variant))
        .collect()
}

/// Rows whose numbers are written down; those of generic calls are those of the tables of names.
fn all() -> impl Iterator<Item = &'static Row> {
    rows().chain(FORKS).filter(|row| row.name.is_none())
}

/// Numbers of every row of the same call.
fn numbers(row: &Row, of: impl Fn(&Row) -> Vec<u16>) -> Vec<u16> {
    all().filter(|r| r.ty == row.ty).flat_map(of).collect()
}

/// Holds the numbers of each call to a table: none is another call's, and none of the call's is missing.
fn check(header: &str, suffixes: &[&str], of: impl Fn(&Row) -> Vec<u16> + Copy) {
    let Some(table) = table(header) else { return };
    // What the headers are too old for is not judged; from 512 on are x32's own numbers, which are never added to.
    let newest = table.values().copied().filter(|&n| n < 512).max().unwrap_or(0);
    let mut wrong = Vec::new();
    for row in all() {
        let call = row.ty.name();
        let ours = numbers(row, of);
        let theirs: Vec<(String, u16)> = names(call, suffixes)
            .into_iter()
            .filter_map(|name| Some((name.clone(), *table.get(&name)?)))
            .collect();
        for &n in &ours {
            if (n <= newest || n >= 512) && theirs.iter().all(|(_, m)| *m != n) {
                let is = table.iter().find(|(_, m)| **m == n).map(|(name, _)| name.as_str());
                wrong.push(format!("{call}: {n} is {}", is.unwrap_or("no call")));
            }
        }
        for (name, n) in theirs {
            if !ours.contains(&n) {
                wrong.push(format!("{call}: {n} ({name}) is missing"));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{header}:\n{}", wrong.join("\n"));
}

#[test]
fn native_numbers_are_the_kernels() {
    check("unistd_64.h", &[""], |row| row.native().into_iter().collect());
}

#[test]
fn ia32_numbers_are_the_kernels() {
    let of = |row: &Row| row.ia32().collect();
    check("unistd_32.h", &SUFFIXES, of);
}

#[test]
fn x32_numbers_are_the_kernels() {
    let of =
        |row: &Row| if row.x32 == 0 { row.native().into_iter().collect() } else { vec![row.x32] };
    check("unistd_x32.h", &[""], of);
}

/// `SYS_*` of include/uapi/linux/net.h.
#[test]
fn numbers_behind_socketcall_are_the_kernels() {
    let names = [
        "socket",
        "bind",
        "connect",
        "listen",
        "accept",
        "getsockname",
        "getpeername",
        "socketpair",
        "send",
        "recv",
        "sendto",
        "recvfrom",
        "shutdown",
        "setsockopt",
        "getsockopt",
        "sendmsg",
        "recvmsg",
        "accept4",
        "recvmmsg",
        "sendmmsg",
    ];
    for &(n, ty, _) in SOCKETCALLS {
        assert_eq!(names.get(n - 1), Some(&ty.name()), "{n}");
    }
}

/// The tables of names against the headers: what both know has one name.
#[test]
fn names_are_the_kernels() {
    for (ours, header) in [
        (CallTable::Native, "unistd_64.h"),
        (CallTable::Ia32, "unistd_32.h"),
        (CallTable::X32, "unistd_x32.h"),
    ] {
        let Some(theirs) = table(header) else { continue };
        let is_own = |n: u16| ours != CallTable::X32 || n >= 512;
        for (name, n) in theirs.into_iter().filter(|&(_, n)| is_own(n)) {
            assert_eq!(ours.name(n), Some(name.as_str()), "{header}: {n}");
        }
    }
}

//! Traces of real captures against what other readers print of them (`PEREGRINE_CORPUS`): the libraries that Falco is made with, line by line,
//! and Sysdig 0.29.3, call by call, since it tells starts of calls too and knows fewer parameters.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{PEREGRINE, skip};
use event::{Direction, EventType};

/// What may differ from Sysdig's lines, and why.
const DIFFERENCES: &str = include_str!("trace_differences.tsv");
/// Events about the recording itself, which have to be asked for.
const INTERNAL: [&str; 2] = [" > procinfo ", " > scapevent "];
/// Lines of a golden file that was cut.
const CUT_AT: usize = 2000;

fn scap(test: &str) -> Option<PathBuf> {
    let dir = std::env::var_os("PEREGRINE_CORPUS").map(|dir| PathBuf::from(dir).join("scap"));
    if dir.is_none() {
        skip(test, "PEREGRINE_CORPUS is not set");
    }
    dir
}

fn trace(file: &Path, args: &[&str]) -> String {
    let ended = Command::new(PEREGRINE)
        .args(["trace", "-r"])
        .arg(file)
        .args(args)
        .env("TZ", "UTC")
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{}: {said}", file.display());
    String::from_utf8_lossy(&ended.stdout).into_owned()
}

/// Names of the goldens in a folder.
fn goldens(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .expect("a folder of the corpus")
        .filter_map(|e| e.ok()?.file_name().to_str()?.strip_suffix(".txt").map(str::to_owned))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "{}", dir.display());
    names
}

#[test]
fn every_line_is_as_the_current_libraries_print_it() {
    let Some(dir) = scap("every_line_is_as_the_current_libraries_print_it") else { return };
    let mut wrong = Vec::new();
    for name in goldens(&dir.join("golden_head")) {
        let golden = fs::read(dir.join("golden_head").join(format!("{name}.txt"))).expect("a file");
        let golden = String::from_utf8_lossy(&golden).into_owned();
        let is_cut = golden.lines().count() == CUT_AT;
        let is_internal = |l: &str| INTERNAL.iter().any(|ty| l.contains(ty));
        let all: Vec<&str> = golden.lines().map(str::trim_end).collect();
        let shown = all.iter().copied().filter(|l| !is_internal(l)).collect();
        for (args, expected) in [(&["-s", "65535", "-D"][..], all), (&["-s", "65535"], shown)] {
            let ours = trace(&dir.join(format!("{name}.scap")), args);
            let ours: Vec<&str> = ours.lines().map(str::trim_end).collect();
            if ours.len() < expected.len() || !is_cut && ours.len() > expected.len() {
                let (n, expected) = (ours.len(), expected.len());
                wrong.push(format!("{name} {args:?}: {n} lines, expected {expected}"));
            }
            let pairs = expected.iter().zip(&ours).filter(|(a, b)| a != b);
            wrong.extend(pairs.map(|(a, b)| format!("{name}\n- {a}\n+ {b}")));
        }
    }
    let shown = &wrong[..wrong.len().min(40)];
    assert!(wrong.is_empty(), "{} lines differ:\n{}", wrong.len(), shown.join("\n"));
}

#[test]
fn comments_in_a_file_change_nothing() {
    let Some(dir) = scap("comments_in_a_file_change_nothing") else { return };
    let [with, without] = ["curl_google_comments", "curl_google"]
        .map(|name| trace(&dir.join(format!("{name}.scap")), &["-v", "-D"]));
    assert_eq!(with, without);
}

/// A line of Sysdig's default format, further lines of its buffers included.
#[derive(Clone, Debug)]
struct Line {
    number: String,
    time: String,
    cpu: String,
    /// What stands between CPU and direction: process, thread, container.
    who: String,
    tid: String,
    is_exit: bool,
    ty: String,
    info: String,
}

impl Line {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, ' ');
        let [number, time, cpu, rest] =
            [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let (who, rest, is_exit) = match (rest.find(") < "), rest.find(") > ")) {
            (Some(at), other) if other.is_none_or(|o| at < o) => {
                (&rest[..at], &rest[at + 4..], true)
            }
            (_, Some(at)) => (&rest[..at], &rest[at + 4..], false),
            _ => return None,
        };
        let (ty, info) = rest.split_once(' ').unwrap_or((rest, ""));
        let tid = who.rsplit('(').next()?.split(':').next()?;
        Some(Self {
            number: number.to_owned(),
            time: time.to_owned(),
            cpu: cpu.to_owned(),
            who: who.to_owned(),
            tid: tid.to_owned(),
            is_exit,
            ty: ty.to_owned(),
            info: info.to_owned(),
        })
    }

    /// The lines of a text: one begins with a number and two more words that have digits.
    fn all(text: &str) -> Vec<Self> {
        let mut lines: Vec<String> = Vec::new();
        for line in text.lines() {
            let is_digit = |c: char| c.is_ascii_digit();
            let begins = line.split(' ').take(3).filter(|w| w.starts_with(is_digit)).count() == 3;
            match lines.last_mut() {
                Some(last) if !begins => {
                    last.push('\n');
                    last.push_str(line);
                }
                _ => lines.push(line.to_owned()),
            }
        }
        lines.iter().map(|l| Self::parse(l).unwrap_or_else(|| panic!("no line: {l}"))).collect()
    }

    fn key(&self) -> (String, String) {
        (self.time.clone(), self.tid.clone())
    }
}

/// Whether events of the name have a start and a return.
fn is_call(name: &str) -> bool {
    let mut all = EventType::all_named(name).filter_map(EventType::info).peekable();
    all.peek().is_none() || all.any(|i| i.direction == Direction::Exit)
}

/// Parameters of an event's info, by the names that the table has for the event.
fn params(ty: &str, info: &str) -> Vec<(String, String)> {
    let names: BTreeSet<&str> = EventType::all_named(ty)
        .filter_map(EventType::info)
        .flat_map(|i| i.params)
        .map(|p| p.name)
        .collect();
    let mut out: Vec<(String, String)> = Vec::new();
    let mut rest = info.trim_end();
    let begins = |text: &str| {
        names.iter().find(|n| text.strip_prefix(**n).is_some_and(|t| t.starts_with('='))).copied()
    };
    while let Some(name) = begins(rest) {
        rest = &rest[name.len() + 1..];
        let known: BTreeSet<String> = out.iter().map(|(n, _)| n.clone()).collect();
        // The next name that has not come yet ends a value.
        let end = rest.match_indices(' ').find(|&(at, _)| {
            begins(&rest[at + 1..]).is_some_and(|n| n != name && !known.contains(n))
        });
        let (value, next) = end.map_or((rest, ""), |(at, _)| (&rest[..at], &rest[at + 1..]));
        out.push((name.to_owned(), value.trim_end().to_owned()));
        rest = next;
    }
    out
}

/// Differences that have a reason, and which of them were met.
struct Differences {
    /// File or option, event, what differs, their text, ours, reason; a star is any.
    rows: Vec<[&'static str; 6]>,
    met: BTreeSet<usize>,
    /// By file, event and what differs: how often, and the first time.
    unexplained: BTreeMap<String, (usize, String)>,
}

/// Whether a number in hexadecimal is this one in decimal.
fn is_same_number(hexadecimal: &str, decimal: &str) -> bool {
    let number = u64::from_str_radix(hexadecimal, 16).ok().map(u64::cast_signed);
    number.is_some_and(|n| decimal.parse() == Ok(n))
}

impl Differences {
    fn new() -> Self {
        let row = |line: &'static str| {
            let cells: Vec<&str> = line.split('\t').collect();
            <[&str; 6]>::try_from(cells).unwrap_or_else(|_| panic!("six cells: {line}"))
        };
        let rows = DIFFERENCES.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).map(row);
        Self { rows: rows.collect(), met: BTreeSet::new(), unexplained: BTreeMap::new() }
    }

    /// Notes that something of an event differs: a parameter, or `who`, `line`, `name`.
    fn note(&mut self, file: &str, ty: &str, what: &str, theirs: &str, ours: &str) {
        let found = [file, ty, what, theirs, ours];
        let is_said = |(row, value): (&&str, &str)| match *row {
            "*" => true,
            "decimal" => is_same_number(theirs, value),
            row => row == value,
        };
        let fits = |row: &[&str; 6]| row.iter().zip(found).all(is_said);
        if let Some(at) = self.rows.iter().position(fits) {
            self.met.insert(at);
        } else {
            let first = || (0, format!("- {theirs}\n+ {ours}"));
            let known = self.unexplained.entry(format!("{file} {ty} {what}"));
            known.or_insert_with(first).0 += 1;
        }
    }

    /// Compares the parameters that Sysdig prints with ours.
    fn info(&mut self, file: &str, ty: &str, theirs: &str, ours: &str) {
        let ours: BTreeMap<String, String> = params(ty, ours).into_iter().collect();
        for (name, value) in params(ty, theirs) {
            match ours.get(&name) {
                Some(own) if *own == value => {}
                own => self.note(file, ty, &name, &value, own.map_or("nothing", |o| o)),
            }
        }
    }

    fn lines(&mut self, file: &str, theirs: &[Line], ours: &[Line]) {
        let by_key: BTreeMap<_, _> = ours.iter().map(|l| (l.key(), l)).collect();
        for line in theirs {
            let Some(own) = by_key.get(&line.key()) else {
                // Starts of calls are not told; what is no call is.
                if line.is_exit || !is_call(&line.ty) {
                    self.note(file, &line.ty, "line", &format!("{line:?}"), "nothing");
                }
                continue;
            };
            if (&line.cpu, &line.ty, line.is_exit) == (&own.cpu, &own.ty, own.is_exit) {
                if line.who != own.who {
                    self.note(file, &line.ty, "who", &line.who, &own.who);
                }
                self.info(file, &line.ty, &line.info, &own.info);
            } else {
                self.note(file, &line.ty, "name", &line.ty, &own.ty);
            }
        }
    }

    fn assert_explained(&self) {
        let all = self.unexplained.iter();
        let all: Vec<_> = all.map(|(what, (n, first))| format!("{what}: {n}\n{first}")).collect();
        assert!(all.is_empty(), "differences without a reason:\n{}", all.join("\n"));
    }
}

#[test]
fn calls_are_as_sysdig_prints_them() {
    let Some(dir) = scap("calls_are_as_sysdig_prints_them") else { return };
    let mut differences = Differences::new();
    for name in goldens(&dir.join("golden")) {
        let golden = fs::read(dir.join("golden").join(format!("{name}.txt"))).expect("a file");
        let ours = trace(&dir.join(format!("{name}.scap")), &[]);
        let theirs = Line::all(&String::from_utf8_lossy(&golden));
        differences.lines(&name, &theirs, &Line::all(&ours));
    }
    options(&dir, &mut differences);
    differences.assert_explained();
    let idle: Vec<_> =
        (0..differences.rows.len()).filter(|n| !differences.met.contains(n)).collect();
    let idle: Vec<_> = idle.into_iter().map(|n| differences.rows[n].join(" ")).collect();
    assert!(idle.is_empty(), "reasons for what does not differ: {idle:?}");
}

/// Each option over one window of a capture.
fn options(dir: &Path, differences: &mut Differences) {
    let file = dir.join("curl_google.scap");
    let golden = |option: &str| {
        let name = format!("curl_google.{option}.txt");
        let bytes = fs::read(dir.join("golden/opt").join(name)).expect("a golden");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    for option in ["-A", "-R", "-X", "-b", "-v", "-x", "-pc", "-pk"] {
        let theirs = Line::all(&golden(option));
        differences.lines(option, &theirs, &Line::all(&trace(&file, &[option])));
    }
    times(&file, &golden, differences);
    for (option, args) in [
        ("-j", &["-j"][..]),
        ("-j-A", &["-j", "-A"]),
        ("-j-X", &["-j", "-X"]),
        ("-j-b", &["-j", "-b"]),
    ] {
        objects(option, &golden(option), &trace(&file, args), differences);
    }
    counts(&golden("-S"), &trace(&file, &["-S", "-q"]), differences);
}

/// The same event at the same time, however time is shown.
fn times(file: &Path, golden: &dyn Fn(&str) -> String, differences: &mut Differences) {
    let by_number = |lines: Vec<Line>| {
        lines.into_iter().map(|l| (l.number.clone(), l)).collect::<BTreeMap<_, _>>()
    };
    let their_times = by_number(Line::all(&golden("-t_h")));
    let ours = Line::all(&trace(file, &[]));
    let our_keys = by_number(ours.clone());
    differences.lines("-t h", &their_times.values().cloned().collect::<Vec<_>>(), &ours);
    let since_before = since_line_before(&ours);
    for (option, golden_name) in [("a", "-t_a"), ("r", "-t_r"), ("d", "-t_d"), ("D", "-t_D")] {
        let shown = Line::all(&trace(file, &["-t", option]));
        let shown: BTreeMap<_, _> =
            shown.into_iter().map(|l| (our_keys[&l.number].key(), l)).collect();
        for line in Line::all(&golden(golden_name)) {
            let Some(own) = shown.get(&their_times[&line.number].key()) else { continue };
            if line.time != own.time {
                let file = format!("-t {option}");
                let is_since_before = option == "D" && since_before[&own.number] == own.time;
                let told = if is_since_before { "since the line before" } else { &own.time };
                differences.note(&file, &line.ty, "time", &line.time, told);
            }
        }
    }
}

/// By number of the event, the time since the line before, out of lines with times of day.
fn since_line_before(lines: &[Line]) -> BTreeMap<String, String> {
    let ns = |line: &Line| {
        let (clock, fraction) = line.time.split_once('.').expect("a time with a fraction");
        let seconds =
            clock.split(':').fold(0, |s, part| s * 60 + part.parse::<i64>().expect(clock));
        seconds * 1_000_000_000 + fraction.parse::<i64>().expect(fraction)
    };
    let mut before = lines.first().map_or(0, ns);
    let since = lines.iter().map(|line| {
        let now = ns(line);
        let delta = now - std::mem::replace(&mut before, now);
        let text = format!("{}.{:09}", delta / 1_000_000_000, delta % 1_000_000_000);
        (line.number.clone(), text)
    });
    since.collect()
}

fn objects(option: &str, theirs: &str, ours: &str, differences: &mut Differences) {
    let parse = |text: &str| -> Vec<serde_json::Value> {
        text.lines()
            .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}")))
            .collect()
    };
    let key = |o: &serde_json::Value| format!("{} {}", o["evt.outputtime"], o["thread.tid"]);
    let ours: BTreeMap<_, _> = parse(ours).into_iter().map(|o| (key(&o), o)).collect();
    let mut n_found = 0;
    for object in parse(theirs) {
        let text = |o: &serde_json::Value, name: &str| {
            o[name].as_str().map_or_else(|| o[name].to_string(), str::to_owned)
        };
        let Some(own) = ours.get(&key(&object)) else { continue };
        n_found += 1;
        let ty = text(&object, "evt.type");
        for name in object.as_object().expect("an object").keys() {
            match name.as_str() {
                "evt.num" => {}
                "evt.info" => {
                    differences.info(option, &ty, &text(&object, name), &text(own, name));
                }
                name if object[name] == own[name] => {}
                name => differences.note(option, &ty, name, &text(&object, name), &text(own, name)),
            }
        }
    }
    assert!(n_found > 100, "{option}: {n_found}");
}

/// Counts of returns, and of what is no call.
fn counts(theirs: &str, ours: &str, differences: &mut Differences) {
    let table = |text: &str| -> BTreeMap<String, String> {
        let rows = text.lines().skip(3).filter_map(|l| l.split_at_checked(18));
        rows.map(|(name, n)| (name.trim_end().to_owned(), n.to_owned())).collect()
    };
    assert!(ours.lines().take(3).eq(theirs.lines().take(3)), "{ours}");
    let ours = table(ours);
    for (name, n) in table(theirs) {
        let ty = &name[2..];
        let is_call_start = name.starts_with('>') && is_call(ty);
        match ours.get(&name) {
            Some(own) if *own == n => {}
            None if is_call_start => {}
            own => differences.note("-S", ty, "count", &n, own.map_or("nothing", |o| o)),
        }
    }
}

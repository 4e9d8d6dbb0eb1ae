//! What is tried with an input that somebody else made up: by the fuzz targets (`fuzz/`), and by the test of inputs that were found.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use event::EventType;
use rules::{
    AlertFacts, Arity, Catalog, FieldRef, FieldType, Fields, Options, RuleMatching, Ruleset,
    Source, Value, validate,
};

/// A whole rule file: read, compiled, judged, catalogued, and evaluated where it is right.
pub(crate) fn rule_file(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let source = || Source { name: "t.yaml".into(), text: text.clone().into_owned() };
    let options = Options { matching: RuleMatching::All, ..Options::default() };
    for result in validate(vec![Ok(source())], &options) {
        // Drawing has its own arithmetic.
        drop(result.summary());
    }
    let seed = input.len() as u64;
    match (Ruleset::load(vec![source()], options.clone()), Catalog::load(vec![source()], &options))
    {
        (Ok(set), Ok(catalog)) => {
            drop(catalog.describe().text());
            run(&set, seed);
        }
        (Err(errors), Err(same)) => {
            assert_eq!(errors.len(), same.len());
            for error in errors {
                drop((error.to_string(), error.one_line()));
            }
        }
        (set, catalog) => panic!("loads {} but catalogues {}", set.is_ok(), catalog.is_ok()),
    }
}

/// A condition. Its first byte chooses the event.
pub(crate) fn condition(input: &[u8]) {
    let (&seed, text) = input.split_first().unwrap_or((&0, &[]));
    let text = String::from_utf8_lossy(text);
    if let Some(set) = load(&quoted(&text), "o") {
        run(&set, u64::from(seed));
    }
}

/// An output. Its first byte chooses the event.
pub(crate) fn output(input: &[u8]) {
    let (&seed, text) = input.split_first().unwrap_or((&0, &[]));
    let text = String::from_utf8_lossy(text);
    if let Some(set) = load("evt.num exists", &quoted(&text)) {
        run(&set, u64::from(seed));
    }
}

fn load(condition: &str, output: &str) -> Option<Ruleset> {
    let text = format!(
        "- macro: open_read\n  condition: evt.type in (open, openat) and fd.num >= 0\n\
         - list: shells\n  items: [sh, bash]\n\
         - rule: r\n  desc: d\n  condition: {condition}\n  output: {output}\n  priority: INFO\n"
    );
    let options = Options { matching: RuleMatching::All, ..Options::default() };
    Ruleset::load(vec![Source { name: "t.yaml".into(), text }], options)
        .map_err(|errors| errors.iter().for_each(|e| drop((e.to_string(), e.one_line()))))
        .ok()
}

/// A YAML string in quotes.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            c => write!(out, "\\U{:08X}", u32::from(c)).expect("memory takes it"),
        }
    }
    out + "\""
}

/// Evaluates made-up events of a few types, and makes the alerts.
fn run(set: &Ruleset, seed: u64) {
    let mut scratch = set.scratch();
    for (n, ty) in
        [EventType::OPENAT_2_X, EventType::EXECVE_19_X, EventType::CONNECT_X, EventType::GENERIC_X]
            .into_iter()
            .enumerate()
    {
        let event = MadeUp(seed.wrapping_mul(7) + n as u64);
        for rule in set.evaluate(ty, &event, &mut scratch).to_vec() {
            drop(set.alert(rule, &event, AlertFacts::default()));
        }
    }
}

/// An event whose fields follow from a number: each is there or not, and has one of a few values.
struct MadeUp(u64);

const TEXTS: [&[u8]; 12] = [
    b"",
    b"bash",
    b"/etc/shadow",
    b"-l -e /bin/sh --name=x -- y",
    b"aGVsbG8=",
    b"\xff\xfe\x00x",
    b"a/b//c/../d/",
    b"O_RDWR|O_CREAT",
    b"openat",
    b"10.0.0.1:4000->1.2.3.4:443",
    b"[*]?",
    &[b'x'; 5000],
];

impl MadeUp {
    fn choice(&self, field: &FieldRef, salt: u64) -> u64 {
        let text = field.to_string();
        let mixed = text.bytes().fold(self.0 ^ salt << 32 ^ 0x9e37_79b9, |n, b| {
            (n ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
        });
        mixed ^ mixed >> 29
    }

    fn value(&self, field: &FieldRef, salt: u64) -> Option<Value<'_>> {
        use FieldType::{Bool, Buffer, FsPath, FsRelPath, Ip, Net, Text};
        let n = self.choice(field, salt);
        if n.is_multiple_of(5) {
            return None;
        }
        let number = [0, 1, 3, 80, 443, 1000, -1, -13, i64::MAX, i64::MIN][(n >> 8) as usize % 10];
        Some(match field.field.info().ty {
            Text | FsPath | FsRelPath | Buffer => {
                Value::Bytes(TEXTS[(n >> 8) as usize % TEXTS.len()])
            }
            Bool => Value::Bool(n & 256 != 0),
            Ip | Net if n & 256 != 0 => Value::Ip(IpAddr::V6(Ipv6Addr::LOCALHOST)),
            Ip | Net => Value::Ip(IpAddr::V4(Ipv4Addr::new(10, 0, 0, (n >> 16) as u8))),
            _ if number < 0 && n & 1 << 20 != 0 => Value::U64(number as u64),
            _ => Value::I64(number),
        })
    }
}

impl Fields for MadeUp {
    fn get(&self, field: &FieldRef) -> Option<Value<'_>> {
        self.value(field, 0)
    }

    fn any<P: FnMut(Value<'_>) -> bool>(&self, field: &FieldRef, pred: P) -> bool {
        let n = match field.field.info().arity {
            Arity::One => 1,
            Arity::Ancestors | Arity::Ends => self.choice(field, 9) % 4,
        };
        (0..n).filter_map(|salt| self.value(field, salt)).any(pred)
    }

    fn elements<P: FnMut(Value<'_>)>(&self, field: &FieldRef, each: P) -> bool {
        let n = self.choice(field, 11) % 5;
        (0..n).filter_map(|salt| self.value(field, salt)).for_each(each);
        n > 0
    }
}

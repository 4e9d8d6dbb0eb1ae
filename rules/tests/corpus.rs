//! The official rule files: they load without a word that Falco would not say, and each rule has the event types that a second, obvious extraction
//! finds in its resolved condition. The corpus is found through `PEREGRINE_CORPUS`.

use std::path::{Path, PathBuf};

use event::{EventSet, EventType, N_EVENT_TYPES};
use rules::{Catalog, Options, Ruleset, Source, validate};

const OFFICIAL: [&str; 2] = ["falco_rules.yaml", "falco-incubating_rules.yaml"];

fn corpus() -> Option<PathBuf> {
    let dir = std::env::var_os("PEREGRINE_CORPUS").map(PathBuf::from);
    if dir.is_none() {
        eprintln!("skipped: rules/tests/corpus.rs: PEREGRINE_CORPUS is not set");
    }
    dir
}

fn source(corpus: &Path, name: &str) -> Source {
    let text = std::fs::read_to_string(corpus.join("rules").join(name)).unwrap();
    Source { name: name.into(), text }
}

/// Each alone, and all together.
fn combinations() -> [&'static [&'static str]; 3] {
    static ALL: [&str; 2] = OFFICIAL;
    [&ALL[..1], &ALL[1..], &ALL[..]]
}

#[test]
fn official_files_load_without_a_word() {
    let Some(corpus) = corpus() else { return };
    for names in combinations() {
        let sources: Vec<Source> = names.iter().map(|n| source(&corpus, n)).collect();
        for result in validate(sources.iter().cloned().map(Ok).collect(), &Options::default()) {
            let said: Vec<String> =
                result.errors.iter().chain(&result.warnings).map(ToString::to_string).collect();
            assert!(said.is_empty(), "{names:?}: {}", said.join("\n"));
            assert_eq!(result.schema_warnings, ["ok"], "{names:?}");
        }
        let ruleset = Ruleset::load(sources, Options::default()).unwrap();
        assert!(ruleset.rules().len() >= 20, "{names:?}: {} rules", ruleset.rules().len());
    }
}

#[test]
fn official_rules_have_the_event_types_of_their_conditions() {
    let Some(corpus) = corpus() else { return };
    for names in combinations() {
        let sources = names.iter().map(|n| source(&corpus, n)).collect();
        let catalog = Catalog::load(sources, &Options::default()).unwrap();
        for rule in &catalog.rules {
            let text = rule.condition.resolved.as_ref().expect("official rules can be printed");
            let tree = Parser { rest: text }.whole();
            let (ours, expected) = (rule.condition.types, types(&tree, true));
            let name = &rule.info.name;
            assert_eq!(named(&ours), named(&expected), "{name}: {text}");
            assert_eq!(ours, expected, "{name}: {text}");
        }
    }
}

fn named(set: &EventSet) -> Vec<&'static str> {
    set.iter().map(EventType::name).collect()
}

/// A condition in canonical form: groups in parentheses, one operator to a group.
#[derive(Debug)]
enum Tree<'a> {
    And(Vec<Tree<'a>>),
    Or(Vec<Tree<'a>>),
    Not(Box<Tree<'a>>),
    Check(&'a str),
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn whole(mut self) -> Tree<'a> {
        let tree = self.tree();
        assert_eq!(self.rest, "", "behind {tree:?}");
        tree
    }

    fn eat(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn tree(&mut self) -> Tree<'a> {
        if self.eat("not ") {
            return Tree::Not(Box::new(self.tree()));
        }
        if !self.eat("(") {
            return self.check();
        }
        let mut members = vec![self.tree()];
        let word = if self.rest.starts_with(" or ") { " or " } else { " and " };
        while self.eat(word) {
            members.push(self.tree());
        }
        assert!(self.eat(")"), "a group of one kind: {}", self.rest);
        if word == " or " { Tree::Or(members) } else { Tree::And(members) }
    }

    /// Up to the end of the group or the next connective, quoted text and lists skipped.
    fn check(&mut self) -> Tree<'a> {
        let (mut quoted, mut depth, mut end) = (false, 0, self.rest.len());
        let bytes = self.rest.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            match bytes[i] {
                b'\\' if quoted => i += 1,
                b'"' => quoted = !quoted,
                b'(' if !quoted => depth += 1,
                b')' if !quoted && depth > 0 => depth -= 1,
                b')' if !quoted => end = end.min(i),
                b' ' if !quoted && depth == 0 => {
                    let rest = &self.rest[i..];
                    if rest.starts_with(" and ") || rest.starts_with(" or ") {
                        end = end.min(i);
                    }
                }
                _ => {}
            }
            if end <= i {
                break;
            }
            i += 1;
        }
        let (check, rest) = self.rest.split_at(end);
        self.rest = rest;
        Tree::Check(check)
    }
}

/// The types for which a tree can be what `sign` says, in the words of the reference: an intersection for `and`, a union for `or`, the sign flipped
/// by `not`, everything for what does not name types.
fn types(tree: &Tree<'_>, sign: bool) -> EventSet {
    let all = |of: &[Tree<'_>]| {
        let sets = of.iter().map(|t| types(t, sign));
        sets.reduce(|a, b| a.intersection(&b)).unwrap()
    };
    let any = |of: &[Tree<'_>]| {
        let sets = of.iter().map(|t| types(t, sign));
        sets.reduce(|a, b| a.union(&b)).unwrap()
    };
    match tree {
        Tree::And(of) if sign => all(of),
        Tree::And(of) => any(of),
        Tree::Or(of) if sign => any(of),
        Tree::Or(of) => all(of),
        Tree::Not(of) => types(of, !sign),
        Tree::Check(text) => {
            let of = |set: EventSet, holds: bool| if holds { set } else { set.complement() };
            let rest =
                text.strip_prefix("evt.type ").or_else(|| text.strip_prefix("syscall.type "));
            match rest.map(|r| r.split_once(' ').unwrap_or((r, ""))) {
                Some(("=" | "==", name)) => of(codes(&[name]), sign),
                Some(("!=", name)) => of(codes(&[name]), !sign),
                Some(("in", list)) => {
                    let list = list.strip_prefix('(').and_then(|l| l.strip_suffix(')')).unwrap();
                    of(codes(&list.split(", ").collect::<Vec<_>>()), sign)
                }
                Some(("exists", _)) => of(EventSet::all(), sign),
                _ => EventSet::all(),
            }
        }
    }
}

/// Every version of the events with these names, the generic pair for calls that have none.
fn codes(names: &[&str]) -> EventSet {
    let every = || (0..N_EVENT_TYPES as u16).map(EventType);
    let mut set = EventSet::EMPTY;
    for name in names {
        let own: EventSet = every().filter(|t| t.info().is_some() && t.name() == *name).collect();
        let generic: EventSet = [EventType(0), EventType(1)].into_iter().collect();
        set = set.union(if own.is_empty() { &generic } else { &own });
    }
    set
}

#[test]
fn the_second_extraction_knows_the_table() {
    let check = |text: &str, expected: &[&str]| {
        let mut names = named(&types(&Parser { rest: text }.whole(), true));
        names.dedup();
        assert_eq!(names, expected, "{text}");
    };
    let all = EventSet::all().len();
    check("(evt.type in (open, chdir) and proc.name = \"a) or (b\")", &["open", "chdir"]);
    check("not (evt.type != chdir or proc.name = x)", &["chdir"]);
    let open = "not (evt.type = open and toupper(proc.name) in (a, b))";
    assert_eq!(types(&Parser { rest: open }.whole(), true).len(), all);
    assert_eq!(types(&Parser { rest: "evt.type = fsync" }.whole(), true).len(), 2);
    assert_eq!(types(&Parser { rest: "evt.type != fsync" }.whole(), true).len(), all - 2);
}

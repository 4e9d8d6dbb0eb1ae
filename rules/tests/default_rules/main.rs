//! The shipped rules load without a word, each judges the cases it is about, and each has its section in the handbook.

mod case;
mod containers;
mod files;
mod host;
mod itself;
mod network;
mod page;
mod processes;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};

use case::{Case, Event, SHIPPED, Texts, check, load_with, matched};
use event::{EventType, N_EVENT_TYPES};
use rules::{AlertFacts, DEFAULT_RULES, Priority};

const FAMILIES: [&[Case]; 7] = [
    itself::CASES,
    files::CASES,
    secrets::CASES,
    processes::CASES,
    containers::CASES,
    host::CASES,
    network::CASES,
];

/// Lists of the file with their items.
fn lists() -> BTreeMap<&'static str, Vec<&'static str>> {
    let parse = |list: &'static str| {
        let (name, rest) = list.split_once('\n').expect("items follow");
        let items =
            rest.split_once('[').expect("a flow list").1.split("]\n").next().expect("an end");
        let items = items.split(',').map(str::trim).filter(|i| !i.is_empty()).collect();
        (name, items)
    };
    DEFAULT_RULES.split("- list: ").skip(1).map(parse).collect()
}

#[test]
fn they_load_without_a_warning() {
    assert_eq!(SHIPPED.warnings(), []);
    assert_eq!(SHIPPED.rules().len(), 50);
    let names: BTreeSet<_> = SHIPPED.rules().map(|r| &r.name).collect();
    assert_eq!(names.len(), 50, "names are unique");
}

#[test]
fn every_rule_has_its_tags() {
    for rule in SHIPPED.rules() {
        let name = &rule.name;
        let any = |test: &dyn Fn(&str) -> bool| rule.tags.iter().any(|t| test(t));
        assert!(any(&|t| t == "host" || t == "container"), "{name}: host or container");
        assert!(any(&|t| ["filesystem", "process", "network"].contains(&t)), "{name}: family");
        assert!(any(&|t| t.starts_with("mitre_")), "{name}: tactic");
        let is_technique = |t: &str| {
            let digits = t.strip_prefix('T').unwrap_or_default();
            digits.len() >= 4 && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        };
        assert!(any(&is_technique), "{name}: technique");
        if !any(&|t| t == "host") {
            assert!(rule.condition.contains("in_container"), "{name} is for containers only");
        }
    }
}

#[test]
fn every_rule_says_what_why_and_what_not() {
    for rule in SHIPPED.rules() {
        let desc = &rule.desc;
        assert!((150..900).contains(&desc.len()), "{}: {} bytes", rule.name, desc.len());
        assert!(desc.contains("Left alone"), "{}: what is left alone", rule.name);
        assert!(desc.contains("xtend "), "{}: how it is tuned", rule.name);
        for field in ["%proc.name", "%proc.cmdline", "%proc.pname", "%user.name"] {
            assert!(rule.output.contains(field), "{}: {field}", rule.name);
        }
    }
}

#[test]
fn lists_for_tuning_are_empty_used_and_named_in_a_description() {
    let descs: String = SHIPPED.rules().map(|r| r.desc.clone() + "\n").collect();
    let lists = lists();
    let mine: Vec<_> = lists.iter().filter(|(name, _)| name.starts_with("my_")).collect();
    assert!(mine.len() >= 30, "{} lists", mine.len());
    for (name, items) in mine {
        assert!(items.is_empty(), "{name} is for tuning");
        assert!(descs.contains(name), "{name} is not in a description");
        let n_uses = DEFAULT_RULES.matches(&format!("({name})")).count();
        assert!(n_uses > 0, "{name} is in no condition");
    }
    for word in descs.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        assert!(!word.starts_with("my_") || lists.contains_key(word), "{word} is no list");
    }
}

/// The kernel cuts names after 15 bytes, so that a longer one never matches.
#[test]
fn names_of_programs_are_as_the_kernel_cuts_them() {
    let ends = [
        "programs",
        "daemons",
        "managers",
        "services",
        "engines",
        "servers",
        "tools",
        "builders",
        "requesters",
        "clients",
        "agents",
        "editors",
        "installers",
    ];
    let mut n_names = 0;
    for (list, items) in lists() {
        if !ends.iter().any(|end| list.ends_with(end)) {
            continue;
        }
        let mut seen = BTreeSet::new();
        for item in items.iter().map(|i| i.trim_matches(['"', '\''])) {
            assert!(item.len() <= 15, "{list}: {item} has {} bytes", item.len());
            assert!(seen.insert(item), "{list}: {item} twice");
            n_names += 1;
        }
    }
    assert!(n_names > 900, "{n_names} names looked at");
}

/// What the shipped rules cost: every call named here is captured on every node. A longer list is a decision.
#[test]
fn they_ask_for_few_events() {
    let interest = SHIPPED.interest();
    let asked = (0..N_EVENT_TYPES as u16).map(EventType).filter(|&t| interest.contains(t));
    let names: BTreeSet<&str> = asked.map(EventType::name).collect();
    let expected = "bpf chmod connect creat dup dup2 dup3 execve execveat fchmod fchmodat fcntl \
        finit_module init_module io_uring_setup kill link linkat mkdir mkdirat mknod mknodat mount \
        open openat openat2 pidfd_getfd pidfd_open process_vm_writev ptrace rename renameat \
        renameat2 sendmmsg sendmsg sendto setns socket symlink symlinkat tgkill tkill unlink \
        unlinkat unshare";
    assert_eq!(names, expected.split_whitespace().collect());
    assert!(!interest.contains(EventType::GENERIC_X));
}

#[test]
fn every_case_is_judged_as_it_should() {
    FAMILIES.iter().copied().flatten().for_each(check);
}

/// Where two rules match, the one that knows more about it raises the alert.
#[test]
fn particular_rules_stand_before_general_ones() {
    for (ty, texts, expected) in [
        (
            EventType::OPENAT_2_X,
            [case::WRITE, &[("fd.name", "/etc/.x"), ("evt.is_open_create", "true")]],
            ["Hidden file created", "Write below etc"],
        ),
        (
            EventType::EXECVE_19_X,
            [
                &[("container.id", "3ad7b26ded6d"), ("proc.is_exe_upper_layer", "true")],
                &[("proc.name", "xmrig"), ("proc.exepath", "/opt/xmrig")],
            ],
            ["Crypto miner started", "Dropped executable run in container"],
        ),
        (
            EventType::EXECVE_19_X,
            [
                &[("container.id", "3ad7b26ded6d"), ("proc.is_exe_upper_layer", "true")],
                &[("proc.name", "x"), ("proc.exepath", "/dev/shm/x")],
            ],
            ["Execution from shared memory", "Dropped executable run in container"],
        ),
        (
            EventType::CONNECT_X,
            [
                &[("fd.sip", "192.0.2.66"), ("fd.snet", "192.0.2.66")],
                &[
                    ("fd.rnet", "192.0.2.66"),
                    ("fd.rport", "2222"),
                    ("fd.l4proto", "tcp"),
                    ("proc.name", "ssh"),
                ],
            ],
            ["Outbound connection to command and control server", "SSH to a non-standard port"],
        ),
    ] {
        assert_eq!(matched(&SHIPPED, &Event::new(ty, &texts)), expected);
    }
}

#[test]
fn every_rule_has_a_hit_and_near_misses() {
    let mut tried: BTreeMap<&str, usize> = BTreeMap::new();
    for case in FAMILIES.iter().copied().flatten() {
        *tried.entry(case.rule).or_default() += case.misses.len() + case.others.len();
    }
    for rule in SHIPPED.rules() {
        let n_misses = tried.remove(&*rule.name);
        assert!(n_misses >= Some(2), "{}: {n_misses:?} near misses", rule.name);
    }
    assert!(tried.is_empty(), "no such rules: {tried:?}");
}

#[test]
fn lists_are_there_for_tuning() {
    let set = load_with(
        "- list: c2_addresses\n  items: [127.66.66.1]\n  override:\n    items: append\n\
         - list: my_config_writers\n  items: [our-agent]\n  override:\n    items: append\n",
    );
    let c2: Texts = &[("fd.sip", "127.66.66.1"), ("fd.snet", "127.66.66.1")];
    assert_eq!(matched(&set, &Event::new(EventType::CONNECT_X, &[c2])).len(), 1);
    let agent: Texts = &[("fd.name", "/etc/x"), ("proc.name", "our-agent")];
    assert_eq!(matched(&set, &Event::new(EventType::OPENAT_2_X, &[case::WRITE, agent])).len(), 0);
}

/// As the file's head says it: a rule that is not wanted, and with it the cost of its calls.
#[test]
fn a_rule_switched_off_costs_nothing() {
    let set = load_with(
        "- rule: Unexpected UDP traffic\n  enabled: false\n  override:\n    enabled: replace\n",
    );
    assert!(SHIPPED.interest().contains(EventType::SENDTO_X));
    assert!(!set.interest().contains(EventType::SENDTO_X));
}

#[test]
fn the_alert_says_what_happened() {
    let more: Texts = &[
        ("fd.name", "/etc/shadow"),
        ("proc.name", "cat"),
        ("proc.cmdline", "cat /etc/shadow"),
        ("user.name", "root"),
    ];
    let event = Event::new(EventType::OPENAT_2_X, &[case::READ, more]);
    let mut scratch = SHIPPED.scratch();
    let id = SHIPPED.evaluate(event.0, &event, &mut scratch)[0];
    let alert = SHIPPED.alert(id, &event, AlertFacts::default());
    assert_eq!(alert.rule.priority, Priority::Warning);
    assert_eq!(
        alert.output,
        "Sensitive file opened for reading by an untrusted program (file=/etc/shadow user=root \
         loginuid=<NA> process=cat exepath=/usr/bin/tool command=cat /etc/shadow parent=bash grandparent=<NA> \
         terminal=0 container=host)"
    );
}

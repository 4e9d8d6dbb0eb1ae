//! The shipped rules load without a word, and each judges the cases it is about.

use std::collections::BTreeMap;

use event::EventType;
use rules::{
    AlertFacts, Arg, DEFAULT_RULES, FieldRef, FieldType, Fields, Options, Priority, RuleMatching,
    Ruleset, Source, Value,
};

fn load_with(more: &str) -> Ruleset {
    let source = |name: &str, text: &str| Source { name: name.into(), text: text.into() };
    let sources = vec![source("default.yaml", DEFAULT_RULES), source("more.yaml", more)];
    let options = Options { matching: RuleMatching::All, ..Options::default() };
    Ruleset::load(sources, options).unwrap()
}

#[test]
fn they_load_without_a_warning() {
    let set = load_with("");
    assert_eq!(set.warnings(), []);
    assert_eq!(set.rules().len(), 41);
    for rule in set.rules() {
        assert!(rule.tags.iter().any(|t| t.starts_with("mitre_")), "{}", rule.name);
        assert!(rule.tags.iter().any(|t| t.starts_with('T')), "{}", rule.name);
    }
}

/// The kernel cuts names after 15 bytes, so that a longer one never matches.
#[test]
fn names_of_programs_are_as_the_kernel_cuts_them() {
    let mut n_names = 0;
    for list in DEFAULT_RULES.split("- list: ").skip(1) {
        let (name, rest) = list.split_once('\n').unwrap();
        let is_of_programs = ["programs", "daemons", "managers", "services", "engines", "servers"];
        if !is_of_programs.iter().any(|end| name.ends_with(end)) {
            continue;
        }
        let items = rest.split_once('[').unwrap().1.split("]\n").next().unwrap();
        for item in items.split(',').map(|i| i.trim().trim_matches(['"', '\''])) {
            assert!(item.len() <= 15, "{name}: {item} has {} bytes", item.len());
            n_names += 1;
        }
    }
    assert!(n_names > 200, "{n_names} names looked at");
}

#[test]
fn they_ask_for_few_events() {
    let interest = load_with("").interest();
    for ty in [
        EventType::OPEN_X,
        EventType::OPENAT_2_X,
        EventType::OPENAT2_X,
        EventType::CREAT_X,
        EventType::EXECVE_19_X,
        EventType::EXECVEAT_X,
        EventType::CONNECT_X,
    ] {
        assert!(interest.contains(ty), "{}", ty.name());
    }
    for ty in [EventType::GENERIC_X, EventType::CLONE_20_X] {
        assert!(!interest.contains(ty), "{}", ty.name());
    }
}

/// Field text to value text; the ancestors of `proc.aname` are separated by blanks.
struct Event(EventType, BTreeMap<&'static str, &'static str>);

impl Event {
    fn text(&self, field: &FieldRef) -> Option<&'static str> {
        self.1.get(field.to_string().as_str()).copied()
    }
}

impl Fields for Event {
    fn get(&self, field: &FieldRef) -> Option<Value<'_>> {
        let text = self.text(field)?;
        Some(match field.field.info().ty {
            FieldType::Text => Value::Bytes(text.as_bytes()),
            FieldType::Bool => Value::Bool(text == "true"),
            FieldType::Ip | FieldType::Net => Value::Ip(text.parse().unwrap()),
            _ => Value::I64(text.parse().unwrap()),
        })
    }

    fn any<P: FnMut(Value<'_>) -> bool>(&self, field: &FieldRef, mut pred: P) -> bool {
        assert_eq!(field.arg, Arg::None);
        let text = self.text(field).unwrap_or_default();
        text.split_whitespace().any(|name| pred(Value::Bytes(name.as_bytes())))
    }
}

type Case<'a> = &'a [(&'static str, &'static str)];

const READ: Case<'_> =
    &[("evt.is_open_read", "true"), ("evt.is_open_write", "false"), ("fd.num", "3")];
const WRITE: Case<'_> =
    &[("evt.is_open_read", "false"), ("evt.is_open_write", "true"), ("fd.num", "3")];
const EXEC: Case<'_> = &[
    ("evt.failed", "false"),
    ("proc.is_exe_from_memfd", "false"),
    ("proc.tty", "0"),
    ("container.id", "host"),
];

fn event(ty: EventType, base: Case<'_>, more: Case<'_>) -> Event {
    // Later entries replace earlier ones.
    Event(ty, base.iter().chain(more).copied().collect())
}

fn matched(set: &Ruleset, event: &Event) -> Vec<String> {
    let mut scratch = set.scratch();
    let ids = set.evaluate(event.0, event, &mut scratch);
    ids.iter().map(|&id| set.rule(id).name.to_string()).collect()
}

/// Exactly the named rule matches, or none.
fn check(ty: EventType, base: Case<'_>, more: Case<'_>, expected: Option<&str>) {
    let names = matched(&load_with(""), &event(ty, base, more));
    assert_eq!(names, Vec::from_iter(expected), "{more:?}");
}

#[test]
fn sensitive_files() {
    let rule = Some("Sensitive file read by untrusted program");
    let open = |more, expected| check(EventType::OPENAT_2_X, READ, more, expected);
    open(
        &[("fd.name", "/etc/shadow"), ("proc.name", "cat"), ("proc.exepath", "/usr/bin/cat")],
        rule,
    );
    open(&[("fd.name", "/etc/sudoers.d/x"), ("proc.name", "vi")], rule);
    open(&[("fd.name", "/etc/ssh/ssh_host_rsa_key"), ("proc.name", "cat")], rule);
    open(&[("fd.name", "/etc/shadow"), ("proc.name", "su"), ("proc.exepath", "/tmp/su")], rule);
    open(&[("fd.name", "/etc/shadow"), ("proc.name", "su"), ("proc.exepath", "/usr/bin/su")], None);
    for name in
        ["passwd", "sshd", "sudo", "cron", "systemd", "login", "unix_chkpwd", "dpkg", "(sd-pam)"]
    {
        check(
            EventType::OPENAT_2_X,
            READ,
            &[("fd.name", "/etc/shadow"), ("proc.name", name)],
            None,
        );
    }
    open(
        &[("fd.name", "/etc/shadow"), ("proc.name", "cp"), ("proc.aname", "sh dpkg apt bash")],
        None,
    );
    open(&[("fd.name", "/etc/shadow"), ("proc.name", "cat"), ("fd.num", "-1")], None);
    open(&[("fd.name", "/etc/passwd"), ("proc.name", "cat")], None);
    open(&[("fd.name", "/root/.ssh/id_rsa"), ("proc.name", "ssh")], None);
    open(&[("fd.name", "/root/.ssh/id_rsa"), ("proc.name", "tar")], rule);
    check(EventType::OPEN_X, WRITE, &[("fd.name", "/etc/security/x"), ("proc.name", "sudo")], None);
}

#[test]
fn writes() {
    let etc = Some("Write below etc");
    let bin = Some("Write below binary directory");
    let open = |more, expected| check(EventType::OPENAT_2_X, WRITE, more, expected);
    open(&[("fd.name", "/etc/motd.d/x"), ("proc.name", "bash")], etc);
    open(&[("fd.name", "/etc/ld.so.cache~"), ("proc.name", "ldconfig")], None);
    open(&[("fd.name", "/etc/passwd+"), ("proc.name", "useradd")], None);
    open(
        &[("fd.name", "/etc/hosts"), ("proc.name", "sh"), ("proc.aname", "dpkg apt-get bash")],
        None,
    );
    open(&[("fd.name", "/etcetera/x"), ("proc.name", "bash")], None);
    open(&[("fd.name", "/etc/x"), ("proc.name", "dpkg"), ("proc.exepath", "/tmp/dpkg")], etc);
    open(&[("fd.name", "/usr/bin/x"), ("proc.name", "cp")], bin);
    open(&[("fd.name", "/usr/local/bin/x"), ("proc.name", "install")], bin);
    open(&[("fd.name", "/usr/bin/x.dpkg-new"), ("proc.name", "dpkg")], None);
    open(&[("fd.name", "/home/me/bin/x"), ("proc.name", "cp")], None);
    check(EventType::OPENAT_2_X, READ, &[("fd.name", "/usr/bin/ls"), ("proc.name", "bash")], None);
    check(
        EventType::CREAT_X,
        &[("fd.num", "3")],
        &[("fd.name", "/etc/x"), ("proc.name", "x")],
        etc,
    );
}

#[test]
fn programs() {
    let exec = |more, expected| check(EventType::EXECVE_19_X, EXEC, more, expected);
    let memfd = Some("Fileless execution from memfd");
    exec(
        &[("proc.is_exe_from_memfd", "true"), ("proc.name", "3"), ("proc.pname", "python3")],
        memfd,
    );
    exec(
        &[
            ("proc.is_exe_from_memfd", "true"),
            ("proc.name", "6"),
            ("proc.pname", "runc"),
            ("proc.args", "init"),
        ],
        None,
    );
    let miner = Some("Crypto miner started");
    exec(&[("proc.name", "xmrig"), ("proc.cmdline", "xmrig")], miner);
    exec(&[("proc.name", "x"), ("proc.cmdline", "x -o STRATUM+TCP://pool:3333")], miner);
    exec(&[("proc.name", "grep"), ("proc.cmdline", "grep -r stratum+tcp .")], None);
    exec(&[("proc.name", "bash"), ("proc.cmdline", "bash -c x -o stratum+tcp://pool")], None);
    exec(&[("proc.name", "xmrig"), ("evt.failed", "true")], None);
    let server = Some("Shell spawned by server process");
    exec(&[("proc.name", "sh"), ("proc.pname", "nginx"), ("proc.aname[2]", "nginx")], server);
    exec(&[("proc.name", "sh"), ("proc.pname", "php-fpm8.2")], server);
    exec(&[("proc.name", "bash"), ("proc.pname", "perl"), ("proc.aname[2]", "apache2")], server);
    exec(&[("proc.name", "bash"), ("proc.pname", "sh"), ("proc.aname[2]", "apache2")], None);
    exec(&[("proc.name", "ls"), ("proc.pname", "nginx")], None);
    let shell = Some("Shell in container with terminal");
    exec(&[("proc.name", "bash"), ("container.id", "3ad7b26ded6d"), ("proc.tty", "34816")], shell);
    exec(&[("proc.name", "bash"), ("container.id", "3ad7b26ded6d")], None);
    exec(&[("proc.name", "bash"), ("proc.tty", "34816")], None);
}

#[test]
fn connections() {
    let rule = Some("Outbound connection to command and control server");
    for (ip, expected) in
        [("192.0.2.66", rule), ("198.51.100.7", rule), ("2001:db8::66", rule), ("192.0.2.67", None)]
    {
        check(EventType::CONNECT_X, &[], &[("fd.sip", ip), ("fd.snet", ip)], expected);
    }
    check(EventType::CONNECT_X, &[], &[("fd.name", "/run/x.sock")], None);
}

#[test]
fn lists_are_there_for_tuning() {
    let set = load_with(
        "- list: c2_addresses\n  items: [127.66.66.1]\n  override:\n    items: append\n\
         - list: my_config_writers\n  items: [our-agent]\n  override:\n    items: append\n",
    );
    let connect =
        event(EventType::CONNECT_X, &[], &[("fd.sip", "127.66.66.1"), ("fd.snet", "127.66.66.1")]);
    assert_eq!(matched(&set, &connect).len(), 1);
    let write =
        event(EventType::OPENAT_2_X, WRITE, &[("fd.name", "/etc/x"), ("proc.name", "our-agent")]);
    assert_eq!(matched(&set, &write).len(), 0);
}

#[test]
fn the_alert_says_what_happened() {
    let set = load_with("");
    let more: Case<'_> = &[
        ("fd.name", "/etc/shadow"),
        ("fd.name_view", "both"),
        ("proc.name", "cat"),
        ("proc.cmdline", "cat /etc/shadow"),
        ("user.name", "root"),
    ];
    let event = event(EventType::OPENAT_2_X, READ, more);
    let mut scratch = set.scratch();
    let id = set.evaluate(event.0, &event, &mut scratch)[0];
    let alert = set.alert(id, &event, AlertFacts::default());
    assert_eq!(alert.rule.priority, Priority::Warning);
    assert_eq!(
        alert.output,
        "Sensitive file opened for reading by an untrusted program (file=/etc/shadow user=root \
         loginuid=<NA> process=cat exepath=<NA> command=cat /etc/shadow parent=<NA> grandparent=<NA> \
         terminal=<NA> container=<NA>)"
    );
}

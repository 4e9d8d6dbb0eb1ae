//! Clauses that are necessary for rules: where a rule matches an event, one of the clauses of its type holds.
//!
//! [`truth`] makes events as the kernel sees them, the fields that rules see of them, and asks clauses of them in the plainest way.

mod truth;

use event::EventType;
use proptest::prelude::*;
use proptest::sample::select;
use rules::{Options, Ruleset, Source, Unfiltered};
use truth::{Truth, matches, truth};

fn ruleset(condition: &str) -> Ruleset {
    let text = format!(
        "- list: nothing\n  items: []\n- rule: r\n  desc: d\n  condition: >\n    {condition}\n  output: o\n  priority: INFO\n  warn_evttypes: false\n"
    );
    let source = Source { name: "test.yaml".into(), text };
    Ruleset::load(vec![source], Options::default())
        .unwrap_or_else(|errors| panic!("{condition}: {}", errors[0]))
}

/// The clauses of a type in words, `unfiltered` where the rule asks nothing of it, `never` where it cannot match it.
fn clauses(condition: &str, ty: EventType) -> String {
    let ruleset = ruleset(condition);
    let Some(need) = ruleset.necessary().types().iter().find(|need| need.ty == ty) else {
        return "never".to_owned();
    };
    match &need.clauses {
        Ok(clauses) if clauses.is_empty() => "never".to_owned(),
        Ok(clauses) => clauses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | "),
        Err(Unfiltered::Rule(_)) => "unfiltered".to_owned(),
        Err(Unfiltered::TooLong) => "too long".to_owned(),
    }
}

fn check(ty: EventType, cases: &[(&str, &str)]) {
    for (condition, expected) in cases {
        assert_eq!(clauses(condition, ty), *expected, "{condition}");
    }
}

#[test]
fn results_are_told_by_their_sign() {
    let of_open = [
        ("fd.num >= 0", "succeeds"),
        ("fd.num = -1", "fails"),
        ("not fd.num >= 0", "fails"),
        ("fd.num > -2", "unfiltered"),
        ("fd.num in (3, 4)", "succeeds"),
        ("not fd.num in (3, 4)", "unfiltered"),
        ("evt.failed = false", "succeeds"),
        ("evt.failed != false", "fails"),
        ("not evt.failed = false", "fails"),
        ("evt.rawres < 0", "fails"),
        ("evt.rawres != -2", "unfiltered"),
        ("evt.rawres = -2", "fails"),
        ("evt.rawres <= 0", "unfiltered"),
        ("evt.res = SUCCESS", "succeeds"),
        ("evt.res in (SUCCESS)", "unfiltered"),
        ("evt.res != SUCCESS", "fails"),
        ("not evt.res = SUCCESS", "fails"),
        ("evt.res startswith E", "fails"),
        ("evt.res = ENOENT", "fails"),
        ("evt.res exists", "unfiltered"),
        ("evt.rawres >= 0 and evt.failed = true", "never"),
        ("evt.rawres >= 0 or evt.res = EINPROGRESS", "unfiltered"),
    ];
    check(EventType::OPENAT_2_X, &of_open.map(|(c, e)| (c, e)));
    // The number of a descriptor that is no result says nothing of it.
    check(EventType::CONNECT_X, &[("fd.num >= 0", "unfiltered"), ("evt.rawres = 0", "succeeds")]);
}

#[test]
fn flags_are_told_by_their_bits() {
    let openat = [
        ("evt.is_open_read = true", "with O_RDONLY"),
        ("not evt.is_open_read = true", "without O_RDONLY"),
        ("evt.is_open_write != true", "without O_WRONLY"),
        ("evt.is_open_write in (true, false)", "unfiltered"),
        ("evt.is_open_exec = true", "with O_CREAT or O_TMPFILE"),
        ("evt.is_open_exec = false", "unfiltered"),
        ("evt.is_open_create = true", "with O_CREAT or O_TMPFILE or O_F_CREATED"),
        ("not evt.is_open_create = true", "unfiltered"),
        ("evt.arg.flags contains O_TRUNC", "with O_TRUNC"),
        ("evt.arg.flags contains O_RD", "with O_WRONLY or O_RDONLY"),
        ("not evt.arg.flags contains O_TRUNC", "unfiltered"),
        ("evt.arg.flags contains TRUNC", "unfiltered"),
        ("evt.arg.flags contains O_N", "unfiltered"),
        ("evt.arg.flags icontains o_trunc", "unfiltered"),
        ("evt.arg.mode contains S_IXUSR", "unfiltered"),
        ("evt.arg[3] contains O_TRUNC", "unfiltered"),
        ("evt.is_open_read = true and evt.is_open_read = false", "never"),
    ];
    check(EventType::OPENAT_2_X, &openat);
    check(
        EventType::OPENAT2_X,
        &[
            ("evt.is_open_write = true", "with O_WRONLY"),
            // Told by the kernel; the flags lie in memory that may have changed.
            ("evt.is_open_create = true", "unfiltered"),
        ],
    );
    check(
        EventType::CREAT_X,
        &[
            ("evt.is_open_write = true", "unfiltered"),
            ("evt.is_open_read = true", "never"),
            ("evt.is_open_read = true or fd.num < 0", "fails"),
        ],
    );
    check(EventType::CONNECT_X, &[("evt.is_open_write = true", "never")]);
}

#[test]
fn names_are_told_by_how_they_begin_and_end() {
    const ODD: &str = "name has a part that begins with a dot, or is not normal";
    let cases = [
        ("fd.name = /etc/shadow", "name is /etc/shadow"),
        ("fd.name in (/a/b, /c)", "name is /a/b or is /c"),
        ("not fd.name = /etc/shadow", "unfiltered"),
        ("fd.name != /etc/shadow", "unfiltered"),
        ("fd.name startswith /etc/", "name begins with /etc/"),
        ("fd.name startswith /etc/ssh_", "name begins with /etc/ssh_"),
        ("fd.name startswith /", "unfiltered"),
        ("fd.name startswith /tmp/.X", ODD),
        ("fd.name startswith memfd:", ODD),
        ("fd.name endswith /exe", "name ends with /exe"),
        ("fd.name endswith etc/shadow", "name ends with /shadow"),
        ("fd.name endswith .timer", "unfiltered"),
        ("fd.name endswith /.ssh", ODD),
        ("fd.name contains /.aws/", ODD),
        ("fd.name contains ../", "unfiltered"),
        ("fd.name contains id_rsa", "unfiltered"),
        ("fd.name icontains /.AWS/", ODD),
        ("fd.name glob /etc/ssh/ssh_host_*_key", "name begins with /etc/ssh/ssh_host_"),
        ("fd.name glob */run/*/token", "name ends with /token"),
        ("fd.name glob /home/*/.ssh/*", ODD),
        ("fd.name glob /dev/sd[a-z]*", "name begins with /dev/sd"),
        ("fd.name glob '*[.]timer'", "unfiltered"),
        ("fd.name iglob /etc/*", "unfiltered"),
        ("fd.name regex /etc/ssh/.*", "name begins with /etc/ssh/"),
        ("fd.name regex /etc/ssha*", "name begins with /etc/ssh"),
        ("fd.name regex '/etc/a|/tmp/b'", "unfiltered"),
        ("fd.name regex .*shadow", "unfiltered"),
        (
            "fd.name pmatch (/etc/pam.d, /root/)",
            "name is /etc/pam.d or is /root or begins with /etc/pam.d/ or begins with /root/",
        ),
        ("fd.name pmatch (/home/*/x)", "name begins with /home/"),
        ("fd.name pmatch (/home/*/.ssh)", ODD),
        ("fd.name pmatch (/)", "unfiltered"),
        ("fd.name exists", "unfiltered"),
        ("tolower(fd.name) = /etc/shadow", "unfiltered"),
        ("fd.name = val(fd.nameraw)", "unfiltered"),
        ("fd.name startswith oneof (/a, /b)", "unfiltered"),
        ("fd.name startswith anyof (/a, /b)", "name begins with /a or begins with /b"),
        ("fd.name in (nothing)", "never"),
        ("fd.directory = /etc", "name is /etc or begins with /etc/"),
        ("fd.directory = /", "unfiltered"),
        ("fd.directory startswith /home/", "name begins with /home/"),
        ("fd.directory endswith /x", "unfiltered"),
        ("fd.directory endswith /.config/fish", ODD),
        ("fd.directory pmatch (/etc)", "name is /etc or begins with /etc/"),
        ("fd.filename = shadow", "name ends with /shadow"),
        ("fd.filename in (a, .b)", "name ends with /a"),
        ("fd.filename startswith .X", ODD),
        ("fd.filename startswith X", "unfiltered"),
        ("fd.filename endswith .swp", "unfiltered"),
        ("fd.filename pmatch (x)", "name ends with /x"),
        ("fd.nameraw contains ../", ODD),
        ("fd.nameraw glob '*../*../*'", ODD),
        ("fd.nameraw startswith /etc/", "name begins with /etc/"),
        ("fd.nameraw startswith etc/", "unfiltered"),
        ("fd.nameraw = x/shadow", "name ends with /shadow"),
        ("fd.nameraw pmatch (/etc)", "unfiltered"),
        ("fs.path.name startswith /etc/", "name begins with /etc/"),
        ("fd.containername startswith :/etc", "unfiltered"),
        ("fd.name startswith /proc/ and fd.name endswith /exe", "name ends with /exe"),
        ("fd.name startswith /a/ and not fd.name startswith /a/b", "name begins with /a/"),
        ("fd.name startswith /a/ or fd.name endswith /b", "name ends with /b or begins with /a/"),
        ("fd.name startswith /a/ or proc.name = x", "unfiltered"),
        ("fd.name startswith /a/ and proc.name = x", "name begins with /a/"),
        ("not (fd.num < 0 or not fd.name startswith /a/)", "succeeds, name begins with /a/"),
    ];
    check(EventType::OPENAT_2_X, &cases);
    let long = "x".repeat(65);
    assert_eq!(clauses(&format!("fd.name endswith /{long}"), EventType::OPEN_X), "unfiltered");
    // Not looked at.
    check(
        EventType::UNLINK_2_X,
        &[("fd.name = /a", "unfiltered"), ("fs.path.name = /a", "unfiltered")],
    );
    check(EventType::OPEN_BY_HANDLE_AT_X, &[("fd.name = /a and fd.num >= 0", "succeeds")]);
}

#[test]
fn descriptors_are_told_by_kind_ends_and_ports() {
    const INET: &str = "on an IPv4 socket or an IPv4 socket within the machine or an IPv6 socket or an IPv6 socket within the machine";
    let cases = [
        ("fd.type in (ipv4, ipv6)", INET),
        ("fd.sockfamily = ip", INET),
        ("not fd.type in (ipv4, ipv6)", "unfiltered"),
        ("fd.type != unix", "unfiltered"),
        ("fd.typechar = u", "on a file or a Unix socket or something else"),
        ("fd.typechar = f", "unfiltered"),
        ("fd.rport > 0", INET),
        ("not fd.rport > 0", "unfiltered"),
        (
            "fd.sport = 53",
            "on an IPv4 socket or an IPv4 socket within the machine or an IPv6 socket or an IPv6 socket within the machine, with port 53",
        ),
        ("not fd.sport = 53", "unfiltered"),
        ("fd.rip in (10.0.0.1)", "on an IPv4 socket or an IPv6 socket"),
        ("fd.rip = 127.0.0.1", INET_4L),
        ("fd.net = 127.0.0.0/8", INET_4L),
        (
            "fd.rport > 0 and not fd.rnet in (127.0.0.0/8, 0.0.0.0/8, '::1/128', '::/128')",
            "on an IPv4 socket or an IPv6 socket",
        ),
        (
            "fd.ip != 0.0.0.0 and fd.net != 127.0.0.0/8",
            "on an IPv4 socket or an IPv6 socket or an IPv6 socket within the machine",
        ),
        (
            "fd.net != 127.0.0.0/8 and fd.net != '::1/128'",
            "on an IPv4 socket or an IPv4 socket within the machine or an IPv6 socket or an IPv6 socket within the machine",
        ),
        ("fd.net != 127.0.0.0/16", INET),
        ("not fd.net = 127.0.0.0/8", "unfiltered"),
        ("fd.snet = 0.0.0.0/0", INET_4L),
        ("fd.l4proto = tcp", "unfiltered"),
        ("fd.name endswith /docker.sock", "unfiltered"),
    ];
    check(EventType::CONNECT_X, &cases);
    check(
        EventType::OPENAT_2_X,
        &[
            ("fd.typechar = 4", "never"),
            ("fd.sip = 1.2.3.4", "never"),
            ("fd.typechar = f", "unfiltered"),
            ("not fd.sport = 1", "unfiltered"),
        ],
    );
}

const INET_4L: &str = "on an IPv4 socket or an IPv4 socket within the machine or an IPv6 socket";

#[test]
fn containers_are_told() {
    check(
        EventType::CONNECT_X,
        &[
            ("container.id != host", "in a container"),
            ("not container.id = host", "unfiltered"),
            ("container.id in (abc, def)", "in a container"),
            ("container.id = host", "unfiltered"),
            ("container.type = docker", "in a container"),
            ("container.privileged = true", "unfiltered"),
        ],
    );
}

#[test]
fn types_split_conditions() {
    let condition = "(evt.type in (open, openat) and fd.num >= 0) or (evt.type = creat and fd.num < 0) or (evt.type = connect and proc.name = x)";
    check(EventType::OPEN_X, &[(condition, "succeeds")]);
    check(EventType::OPENAT_2_X, &[(condition, "succeeds")]);
    check(EventType::CREAT_X, &[(condition, "fails")]);
    check(EventType::CONNECT_X, &[(condition, "unfiltered")]);
    check(EventType::OPENAT2_X, &[(condition, "never")]);
    check(EventType::EXECVE_19_X, &[("evt.type = execve and evt.failed = false", "never")]);
    check(EventType::OPEN_X, &[("evt.dir = < and fd.num < 0", "fails"), ("evt.dir = >", "never")]);
}

#[test]
fn it_is_told_why_nothing_is_asked() {
    let ruleset = ruleset(
        "evt.type = openat and proc.name in (a, b, c, d) and not proc.exe = x and fd.name contains y",
    );
    let types = ruleset.necessary().types();
    let need = types.iter().find(|need| need.ty == EventType::OPENAT_2_X).unwrap();
    let Err(Unfiltered::Rule(why)) = &need.clauses else { panic!("{need:?}") };
    assert_eq!(why.tests, ["proc.name in (a, b, c, ...)", "fd.name contains y"]);
}

#[test]
fn hostile_conditions_end() {
    let both = |n: usize| {
        format!("(fd.name = /a{n} or fd.num = {n} or evt.rawres = -{n} or fd.rport = {n})")
    };
    let condition = (1..60).map(both).collect::<Vec<_>>().join(" and ");
    let started = std::time::Instant::now();
    for ty in [EventType::OPENAT_2_X, EventType::CONNECT_X] {
        assert_ne!(
            clauses(&format!("evt.type in (openat, connect) and {condition}"), ty),
            "too long"
        );
    }
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

const FIELDS: &[(&str, &[&str], &[&str])] = &[
    ("fd.name", TEXT, NAMES),
    ("fd.directory", TEXT, NAMES),
    ("fd.filename", TEXT, &["x", ".x", "y", "x.", "a", "/", ""]),
    ("fd.nameraw", TEXT, RAW),
    ("fs.path.name", TEXT, NAMES),
    ("fd.type", SET, &["file", "directory", "ipv4", "ipv6", "unix", "pipe"]),
    ("fd.typechar", SET, &["f", "d", "4", "6", "u", "p"]),
    ("fd.sip", SET, ADDRESSES),
    ("fd.cip", SET, ADDRESSES),
    ("fd.lip", SET, ADDRESSES),
    ("fd.rip", SET, ADDRESSES),
    ("fd.ip", &["=", "!="], ADDRESSES),
    ("fd.net", SET, NETS),
    ("fd.snet", SET, NETS),
    ("fd.rnet", SET, NETS),
    ("fd.port", &["=", "!=", "<", ">=", "in"], PORTS),
    ("fd.sport", NUMBER, PORTS),
    ("fd.rport", NUMBER, PORTS),
    ("fd.num", NUMBER, NUMBERS),
    ("evt.rawres", NUMBER, NUMBERS),
    ("evt.res", TEXT, &["SUCCESS", "ENOENT", "E", "S", ""]),
    ("evt.failed", SET, BOOLS),
    ("evt.is_open_read", SET, BOOLS),
    ("evt.is_open_write", SET, BOOLS),
    ("evt.is_open_exec", SET, BOOLS),
    ("evt.is_open_create", SET, BOOLS),
    (
        "evt.arg.flags",
        TEXT,
        &["O_TRUNC", "O_RDONLY", "O_", "O_CREAT|O_WRONLY", "TRUNC", "O_RD", "0"],
    ),
    ("container.id", TEXT, &["host", "h", "abc"]),
    ("evt.type", &["=", "!=", "in"], &["open", "openat", "openat2", "creat", "connect", "sendto"]),
    ("proc.name", &["=", "!="], &["a"]),
];

const TEXT: &[&str] = &[
    "=",
    "!=",
    "in",
    "startswith",
    "endswith",
    "contains",
    "icontains",
    "glob",
    "pmatch",
    "regex",
    "= anyof",
    "!= allof",
    "startswith oneof",
];
const SET: &[&str] = &["=", "!=", "in"];
const NUMBER: &[&str] = &["=", "!=", "<", "<=", ">", ">=", "in"];
const BOOLS: &[&str] = &["true", "false"];
const NUMBERS: &[&str] = &["-2", "-1", "0", "1", "3"];
const PORTS: &[&str] = &["0", "1", "53", "443"];
const NAMES: &[&str] = &[
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a/b/x",
    "/a/x",
    "a/x",
    "x",
    "/x",
    "/a/.x",
    "/.x/",
    "../",
    "/a/*",
    "*x",
    "/?/*x",
    "*/x",
    "/[a-b]/*",
    "/a/.*",
    "",
    "b",
    "/a/b/.x/y",
];
const RAW: &[&str] = &[
    "/", "/a", "/a/b", "../", "x", "/x", ".x", "*../*", "a/x", "/a/./x", "x.", "./", "//", "*", "",
];
const ADDRESSES: &[&str] =
    &["127.0.0.1", "127.0.0.2", "0.0.0.0", "10.0.0.1", "::1", "::", "fe80::1"];
const NETS: &[&str] = &[
    "127.0.0.0/8",
    "127.0.0.0/16",
    "0.0.0.0/8",
    "0.0.0.0/0",
    "10.0.0.0/8",
    "::1/128",
    "fe80::/10",
];

fn comparison() -> impl Strategy<Value = String> {
    let quoted = |text: &str| match text.parse::<i64>() {
        Ok(_) => text.to_owned(),
        Err(_) => format!("'{text}'"),
    };
    select(FIELDS).prop_flat_map(move |(field, operators, operands)| {
        let many = prop::collection::vec(select(operands), 1..4);
        (select(operators), many).prop_map(move |(op, of)| {
            let all = || of.iter().map(|o| quoted(o)).collect::<Vec<_>>().join(", ");
            match op {
                "in" | "pmatch" | "= anyof" | "!= allof" | "startswith oneof" => {
                    format!("{field} {op} ({})", all())
                }
                // Patterns of another kind.
                "regex" => {
                    format!("{field} regex '{}'", of[0].replace('*', ".*").replace('?', "."))
                }
                _ => format!("{field} {op} {}", quoted(of[0])),
            }
        })
    })
}

fn condition() -> impl Strategy<Value = String> {
    comparison().prop_recursive(4, 24, 4, |inner| {
        let group = |op: &'static str, inner: BoxedStrategy<String>| {
            prop::collection::vec(inner, 2..4).prop_map(move |of| format!("({})", of.join(op)))
        };
        let inner = inner.boxed();
        prop_oneof![
            3 => group(" and ", inner.clone()),
            2 => group(" or ", inner.clone()),
            1 => inner.prop_map(|of| format!("not ({of})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..Default::default() })]

    #[test]
    fn where_a_rule_matches_a_clause_holds(
        condition in condition(),
        truths in prop::collection::vec(truth(), 24),
    ) {
        let ruleset = ruleset(&condition);
        for truth in &truths {
            let Some(need) = ruleset.necessary().types().iter().find(|n| n.ty == truth.ty) else {
                prop_assert!(!matches(&ruleset, truth), "{condition}\n{truth:?}");
                continue;
            };
            let Ok(clauses) = &need.clauses else { continue };
            if matches(&ruleset, truth) {
                let said: Vec<String> = clauses.iter().map(ToString::to_string).collect();
                prop_assert!(
                    clauses.iter().any(|clause| truth.may_meet(clause)),
                    "{condition}\n{said:?}\n{truth:?}"
                );
            }
        }
    }
}

/// That the property says something: rules do match, and clauses do reject.
#[test]
fn clauses_reject_events_that_rules_would_not_match() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut n_matches, mut n_rejected) = (0, 0);
    for _ in 0..400 {
        let condition = condition().new_tree(&mut runner).unwrap().current();
        let ruleset = ruleset(&condition);
        for _ in 0..24 {
            let truth: Truth = truth().new_tree(&mut runner).unwrap().current();
            let need = ruleset.necessary().types().iter().find(|need| need.ty == truth.ty);
            if let Some(Ok(clauses)) = need.map(|need| &need.clauses) {
                n_matches += usize::from(matches(&ruleset, &truth));
                n_rejected += usize::from(!clauses.iter().any(|clause| truth.may_meet(clause)));
            }
        }
    }
    assert!(n_matches > 200 && n_rejected > 1000, "{n_matches} matches, {n_rejected} rejected");
}

//! Which conditions compile: those recorded from Falco (found through `PEREGRINE_CORPUS`), and a table of our own with
//! a row for each statement of the language.

use rules::{Catalog, Options, Problem, RuleError, Ruleset, Source};

fn rule(condition: &str) -> Source {
    // JSON strings are YAML strings.
    let condition = serde_json::to_string(condition).unwrap();
    let text =
        format!("- rule: r\n  desc: d\n  condition: {condition}\n  output: o\n  priority: INFO\n");
    Source { name: "t".into(), text }
}

fn load(condition: &str) -> Result<Ruleset, Vec<RuleError>> {
    Ruleset::load(vec![rule(condition)], Options::default())
}

/// Empty where the outcome is as expected.
fn mismatch(condition: &str, compiles: bool) -> Option<String> {
    match (load(condition), compiles) {
        (Ok(_), true) | (Err(_), false) => None,
        (Ok(_), false) => Some(format!("compiles, and should not: {condition}")),
        (Err(errors), true) => {
            let why: Vec<String> = errors.iter().map(RuleError::one_line).collect();
            Some(format!("should compile: {condition}\n    {}", why.join("\n    ")))
        }
    }
}

#[test]
fn recorded_conditions_compile_or_are_refused_as_recorded() {
    let Some(corpus) = std::env::var_os("PEREGRINE_CORPUS") else {
        eprintln!("skipped: rules/tests/conditions.rs: PEREGRINE_CORPUS is not set");
        return;
    };
    let path = std::path::Path::new(&corpus).join("conditions.json");
    let recorded: Vec<serde_json::Value> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let compiles = |entry: &serde_json::Value| entry["compiles"].as_bool().unwrap();
    let wrong: Vec<String> = recorded
        .iter()
        .filter_map(|e| mismatch(e["condition"].as_str().unwrap(), compiles(e)))
        .collect();
    let n_refused = recorded.iter().filter(|e| !compiles(e)).count();
    assert!(recorded.len() >= 225 && n_refused >= 78, "{} recorded", recorded.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), recorded.len(), wrong.join("\n"));
}

/// What compiles, statement by statement.
const COMPILES: &[&str] = &[
    // Precedence and repeated negation.
    "proc.name = a and proc.name = b or proc.name = c",
    "not not not proc.name = a",
    "not (not proc.name = a)",
    "((proc.name = a))",
    // Words of logic are followed by a blank or a parenthesis.
    "not(proc.name = a)",
    "proc.name = a and(proc.name = b)or(proc.name = c)",
    "(proc.name = a)and(proc.name = b)",
    // Blanks of every kind, and none.
    "\t proc.name \n =\r\n a ",
    "proc.name=a",
    "proc.name!=a",
    "proc.pid<=5",
    "proc.pid >= 5",
    // Arguments stand directly behind the name.
    "proc.aname[2] = a",
    "proc.env[A] exists",
    "proc.env[\"A B\"] exists",
    "proc.env['A B'] exists",
    "evt.arg.flags contains O_CREAT",
    "evt.arg[0] = x",
    "evt.rawarg.flags = 5",
    // Bare values.
    "proc.name = a[b]",
    "proc.name = <NA>",
    "proc.cmdline = a!*/.%${}|&;:@#^~`?+-b",
    "proc.name = m\\id",
    "proc.name = é",
    // Quoted values and escapes.
    "proc.name = 'a b'",
    "proc.name = \"a b\"",
    "proc.name = ''",
    "proc.name = '\\b\\f\\n\\r\\t\\\\\\/'",
    "proc.name = 'a\\ b'",
    "proc.name = \"\\\"\"",
    "proc.name = '\\''",
    "proc.name = '\\x41\\xff'",
    "proc.name = '(a, b) = c'",
    // Operators need blanks only where they are words with one operand.
    "proc.name existsand proc.pid = 1",
    "proc.name in(a)",
    "proc.name inlist",
    "proc.name in list",
    "proc.name intersectslist",
    "proc.name pmatch()",
    "proc.name == a",
    "proc.name contains 'x'",
    "proc.name contains\tx",
    // Lists.
    "proc.name in ()",
    "proc.name in ( )",
    "proc.name in (a)",
    "proc.name in ('a b',c , 5)",
    "proc.pid in (1, '2', 3)",
    // Modifiers.
    "proc.name startswith anyof (a, b)",
    "proc.name = oneof (a, a)",
    "proc.name != allof (a, b)",
    "proc.name glob anyof list",
    "proc.name regex anyof ('a.b', 'c.d')",
    "proc.name = anyof ()",
    "proc.name = anyof",
    "proc.name = oneofus",
    "proc.pid = anyof (1, 2)",
    "fd.sip != allof (1.2.3.4, ::1)",
    // Transformers on either side.
    "tolower(proc.name) = a",
    "tolower( proc.name ) = a",
    "toupper(tolower(basename(proc.exepath))) = A",
    "proc.name = tolower(proc.pname)",
    "proc.name = val(proc.pname)",
    "proc.name = val( proc.pname )",
    "toupper(proc.name) = toupper(proc.pname)",
    "tolower('ABC') = abc",
    "len(proc.pname) exists or proc.name = a or not len(proc.name) = 3",
    // Values by type.
    "proc.pid = 030",
    "proc.pid = '30'",
    "proc.pid = ' +30'",
    "proc.pid = -30",
    "proc.nthreads > -1",
    "proc.vmsize < -1",
    "user.uid = 4294967296",
    "evt.num = 99999999999999999999",
    "proc.fdusage > 5",
    "evt.failed = true",
    "evt.failed = 'false'",
    "evt.failed in (true, false)",
    "fd.sport = https",
    "fd.sport in (ssh, 80, domain)",
    "fd.sip = 127.0.0.1",
    "fd.sip = ::1",
    "fd.snet = 10.0.0.0/8",
    "fd.snet in (10.0.0.0/8, fe80::/10)",
    "fd.snet = 0.0.0.0/0",
    "evt.buffer bcontains CAFEbabe",
    "evt.buffer bstartswith '00ff'",
    "evt.buffer contains GET",
    "proc.name < 5",
    // Irregular fields.
    "fd.ip = 1.2.3.4",
    "fd.ip in (1.2.3.4)",
    "fd.ip intersects (1.2.3.4)",
    "fd.ip = anyof (1.2.3.4, ::1)",
    "fd.port intersects (80)",
    "fd.port in (80, https)",
    "fd.port < 1024",
    "fd.net in (10.0.0.0/8, 11.0.0.0/8)",
    "fd.snet = anyof (10.0.0.0/8, 11.0.0.0/8)",
    "evt.rawarg.fd in (1, 2)",
    "evt.rawarg.tuple exists",
    "evt.type = NA",
    "evt.type = pread64",
    "evt.type in (pread64, open, fsync)",
    "evt.type glob open",
    "evt.type contains openat",
    "evt.type startswith val(proc.name)",
    "evt.type exists",
    "syscall.type = open",
    "proc.aname != mid",
    "proc.aname[0] = a",
    "proc.aname = anyof (x, y)",
    "proc.aenv[anything] exists",
    "proc.aargs contains x",
    "user.name = '<NA>'",
    "evt.dir = <",
    // Lists of values.
    "fd.types in (ipv4, file)",
    "fd.types intersects (ipv4)",
    "fd.types in ()",
    "fd.types[3] exists",
    "len(fd.types) > 1",
    "tolower(fd.types) in (ipv4)",
    "join(',', fd.types) contains ipv4",
    // Comparisons between fields.
    "proc.pid = val(proc.ppid)",
    "proc.pid < val(proc.ppid)",
    "proc.name != val(proc.pname)",
    "proc.name contains val(proc.pname)",
    "proc.name glob val(proc.pname)",
    "proc.name in val(proc.pname)",
    "proc.name intersects tolower(proc.pname)",
    "fd.sip = val(fd.cip)",
    "evt.failed = val(evt.is_io)",
    "proc.name < val(proc.pname)",
    "len(proc.name) > len(proc.pname)",
    "len(proc.name) = val(proc.nthreads)",
    "evt.buffer = val(evt.buffer)",
    // What transformers take.
    "len(evt.buffer) > 10",
    "b64(evt.buffer) contains x",
    "b64(proc.cmdline) contains x",
    "concat(proc.name, '-', proc.pname) = a-b",
    "concat(proc.name, 5) = a5",
    "join(', ', ('a', proc.name)) = 'a, b'",
    "join('', (proc.pid, evt.num, proc.name)) = x",
    "join(',', getopt(('-a', 'b'), 'a:')) = 'a,b'",
    "getopt(('-a', 'b'), 'a:')[a] = b",
    "getopt(('-a', 'b'), 'a:') intersects (a)",
    "getopt((proc.args[0], proc.args[1]), 'a:')[\"a\"] exists",
    "tolower(evt.type) startswith open",
    "concat(evt.type, 'x') contains openx",
];

/// What is refused, and a part of what the error says.
const REFUSED: &[(&str, &str)] = &[
    ("   ", "must be text that is not empty"),
    ("proc.name = a AND proc.name = b", "lower case"),
    ("NOT proc.name = a", "found `proc.name`"),
    ("proc.name = a and", "found the end of the condition"),
    ("proc.name = a andproc.name = b", "found `andproc.name`"),
    ("proc.name = a or or proc.name = b", "found `or`"),
    ("(proc.name = a", "found the end of the condition"),
    ("proc.name = a)", "found `)`"),
    ("()", "found `)`"),
    ("nosuchmacro", "unknown macro"),
    ("proc.name = a # comment", "found `#`"),
    // Tokens.
    ("1proc.name = a", "found `1proc.name`"),
    ("proc..name = a", "found `..name`"),
    ("proc.name. = a", "expected an operator"),
    ("proc.nameexists", "expected an operator"),
    ("proc.aname [2] = a", "expected an operator"),
    ("proc.env[] exists", "expected an argument"),
    ("proc.env[A B] exists", "expected `]`"),
    ("proc.env['A'B] exists", "expected `]`"),
    ("proc.name[\"\"] = a", "takes no argument"),
    ("proc.name[1] = a", "takes no argument"),
    ("proc.aname[x] = a", "takes a number"),
    ("proc.aname[-1] = a", "takes a number"),
    ("evt.arg = x", "takes a parameter"),
    ("evt.rawarg[0] = x", "takes a parameter by name"),
    ("proc.name = a=b", "found `=b`"),
    ("proc.name = a,b", "found `,`"),
    ("proc.name = a'b'", "found `'b'`"),
    ("proc.name = a(b", "found `(`"),
    ("proc.name =", "expected a value"),
    ("proc.name = 'a", "without its closing quote"),
    ("proc.name = '\\d'", "unknown escape"),
    ("proc.name = '\\\"'", "unknown escape"),
    ("proc.name = \"\\'\"", "unknown escape"),
    ("proc.name = '\\x4'", "two hexadecimal digits"),
    ("proc.name = '\\x00'", "NUL"),
    // Operators.
    ("proc.name is a", "expected an operator"),
    ("proc.name contains(x)", "needs a blank"),
    ("proc.name glob('x')", "needs a blank"),
    ("proc.name globx", "needs a blank"),
    ("proc.pid < '5'", "expected a number"),
    ("proc.pid < five", "expected a number"),
    ("proc.pid < 5x", "found `x`"),
    ("proc.name in (a,)", "expected a value"),
    ("proc.name in (a,,b)", "expected a value"),
    ("proc.name in (,)", "expected a value"),
    ("proc.name in (a b)", "expected `,` or `)`"),
    ("proc.name in ((a))", "expected a value"),
    ("proc.name in (tolower(proc.name))", "expected `,` or `)`"),
    ("proc.name in 'a'", "expected a list"),
    ("proc.name in 5", "expected a list"),
    ("proc.name = anyof(a)", "a blank between the modifier"),
    ("proc.name = anyof (val(proc.pname))", "expected `,` or `)`"),
    ("proc.name = anyof 'a'", "expected a list"),
    ("proc.pid < anyof (1)", "expected a number"),
    ("proc.name in anyof (a)", "found `(`"),
    ("proc.name exists anyof (a)", "found `anyof`"),
    // Transformers.
    ("val(proc.name) = a", "right side"),
    ("proc.name = val(tolower(proc.pname))", "`val` takes nothing else"),
    ("proc.name = val('a')", "`val` takes nothing else"),
    ("proc.name = val(proc.pname, proc.name)", "expected `)`"),
    ("proc.name = tolower(val(proc.pname))", "write the field alone"),
    ("tolower(name) = a", "text needs quotes"),
    ("tolower() = a", "expected a field"),
    ("tolower(proc.name = a", "expected `,` or `)`"),
    ("tolower(proc.name,) = a", "expected a field"),
    ("tolower (proc.name) = a", "no blank between"),
    ("tolowr(proc.name) = a", "did you mean `tolower`"),
    ("tolower(proc.name)", "expected an operator"),
    ("tolower(proc.nam) = a", "did you mean `proc.name`"),
    ("tolower(proc.name)[a] = b", "takes no selector"),
    ("tolower(proc.name, proc.pname) = a", "takes one argument, 2 given"),
    ("tolower(proc.pid) = 1", "`tolower` takes text, this is INT64"),
    ("basename(fd.sip) = a", "`basename` takes text, this is IPADDR"),
    ("b64(proc.pid) = 1", "text or bytes"),
    ("len(proc.pid) = 1", "text, bytes or a list"),
    ("len(fd.sip) = 1", "text, bytes or a list"),
    ("len(proc.name) = x", "is not a decimal number"),
    ("tolower(proc.aname) = a", "cannot be given to a transformer"),
    ("b64(proc.aname[2]) = a", "cannot be given to a transformer"),
    ("len(fd.net) = 1", "cannot be given to a transformer"),
    ("tolower(evt.rawarg.name) = a", "cannot be given to a transformer"),
    ("join(',', proc.name) = a", "a list of text behind its separator"),
    ("join((',', ','), ('a', 'b')) = a", "text as its separator"),
    ("join(',', ('a', 'b'), 'c') = a", "two arguments, a separator and a list"),
    ("join(',', ('a', ('b', 'c'))) = a", "a list cannot hold another list"),
    ("join(',', (fd.sip, 'a')) = a", "this is IPADDR"),
    ("join(',', (fd.sport, 'a')) = a", "this is PORT"),
    ("concat(proc.name) = a", "two arguments or more"),
    ("concat(proc.name, proc.pid) = a", "`concat` takes text, this is INT64"),
    ("concat(proc.name, fd.types) = a", "this is a list of CHARBUF"),
    ("getopt(('-a'), 'a') = a", "not for list"),
    ("getopt(proc.name, 'a') intersects (a)", "a list of text"),
    ("getopt(('-a')) intersects (a)", "two arguments"),
    ("getopt(('-a'), 'ab')[ab] = a", "one letter"),
    ("getopt(('-a'), 'ab')[\"\"] = a", "one letter"),
    ("toupper(evt.type) = EXECVE", "hides which event types"),
    ("tolower(evt.type) in (open)", "hides which event types"),
    ("tolower(evt.type) exists", "hides which event types"),
    ("toupper(evt.type) startswith OPEN", "unknown event type `OPEN`"),
    ("len(evt.type) > 4", "unknown event type `4`"),
    // Values by type.
    ("proc.pid = 0x1e", "not a decimal number"),
    ("proc.pid = 1.0", "not a decimal number"),
    ("proc.pid < 0x1e", "not a decimal number"),
    ("proc.pid < 1.5", "not a decimal number"),
    ("proc.pid < 1e+3", "not a decimal number"),
    ("proc.pid = '30 '", "not a decimal number"),
    ("proc.pid = 30x", "not a decimal number"),
    ("proc.pid = ''", "not a decimal number"),
    ("proc.pid in (1, two)", "`two` is not a decimal number"),
    ("proc.pid = anyof (1, two)", "`two` is not a decimal number"),
    ("proc.fdusage > 5.5", "not a decimal number"),
    ("evt.failed = 1", "not `true` or `false`"),
    ("evt.failed = True", "not `true` or `false`"),
    ("evt.failed in (true, no)", "not `true` or `false`"),
    ("fd.sport = nosuchservice", "not a port or a service"),
    ("fd.sport = -1", "not a port or a service"),
    ("fd.sip = 10.0.0.0/8", "not an IP address"),
    ("fd.sip = localhost", "not an IP address"),
    ("fd.ip = anyof (1.2.3.4, x)", "not an IP address"),
    ("fd.snet = 10.0.0.1", "not a network"),
    ("fd.snet = 10.0.0.0/33", "not a network"),
    ("fd.snet = ::/0", "not a network"),
    ("fd.snet = ::/129", "not a network"),
    ("evt.buffer bcontains cafe1", "pairs of hexadecimal digits"),
    ("evt.buffer bcontains wxyz", "pairs of hexadecimal digits"),
    ("proc.name regex '('", "not a regular expression"),
    ("proc.name regex '(?i)a'", "not a regular expression"),
    ("proc.name regex '\\\\d'", "not a regular expression"),
    ("proc.name regex anyof ('a.b', '[')", "not a regular expression"),
    // Names that no event has.
    ("evt.type = opne", "did you mean `open`"),
    ("evt.type in (open, EXECVE)", "unknown event type `EXECVE`"),
    ("evt.type glob 'exec*'", "unknown event type `exec*`"),
    ("evt.type startswith exec", "unknown event type `exec`"),
    ("evt.type != ''", "unknown event type"),
    ("evt.type = anyof (open, nosuch)", "unknown event type `nosuch`"),
    ("evt.arg.nosuch = x", "unknown event argument"),
    ("evt.rawarg.nosuch exists", "unknown event argument"),
    // Comparisons between fields.
    ("proc.name regex val(proc.pname)", "compares with values only"),
    ("proc.name pmatch val(proc.pname)", "compares with values only"),
    ("proc.name = val(proc.pid)", "the right side is INT64"),
    ("proc.name = len(proc.pname)", "the right side is UINT64"),
    ("fd.types in val(proc.name)", "`fd.types` cannot be compared with another field"),
    ("proc.name in getopt(('-a'), 'a')", "a list of CHARBUF"),
    ("proc.pid = val(evt.num)", "UINT64"),
    ("user.name = val(fd.lip)", "IPADDR"),
    ("fd.sport = val(proc.pid)", "PORT"),
    ("proc.pid = val(evt.rawarg.pid)", "cannot be compared with another field"),
    ("evt.rawarg.res = val(evt.rawres)", "cannot be compared with another field"),
    ("fd.ip = val(fd.cip)", "cannot be compared with another field"),
    ("fd.cip = val(fd.ip)", "cannot be compared with another field"),
    ("fd.snet = val(fd.cnet)", "cannot be compared with another field"),
    ("proc.aname[2] = val(proc.name)", "cannot be compared with another field"),
    ("proc.name = val(proc.aname)", "cannot be compared with another field"),
    ("evt.type = val(proc.name)", "does not tell which event types"),
    ("evt.type in tolower(proc.name)", "does not tell which event types"),
    ("syscall.type != val(evt.type)", "does not tell which event types"),
    ("proc.name = val(proc.nosuch)", "unknown field"),
    // Fields that rules about calls do not have.
    ("proc.nosuch = a", "unknown field"),
    ("syslog.message = a", "unknown field"),
    ("k8s.pod.label.foo = a", "unknown field"),
];

#[test]
fn what_the_language_has_compiles() {
    let wrong: Vec<String> = COMPILES.iter().filter_map(|c| mismatch(c, true)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn canonical_text_compiles_to_itself() {
    let resolved = |condition: &str| {
        let catalog = Catalog::load(vec![rule(condition)], &Options::default()).unwrap();
        catalog.rules[0].condition.resolved.clone().unwrap()
    };
    // The parser drops a negation of a negation.
    for condition in COMPILES.iter().filter(|c| !c.contains("not (not")) {
        let text = resolved(condition);
        assert_eq!(resolved(&text), text, "{condition}");
    }
}

#[test]
fn what_the_language_lacks_is_refused_for_its_reason() {
    let mut wrong = Vec::new();
    for (condition, part) in REFUSED {
        let said = match load(condition) {
            Ok(_) => "compiles".to_owned(),
            Err(errors) => errors.iter().map(RuleError::one_line).collect::<Vec<_>>().join("\n"),
        };
        if !said.contains(part) {
            wrong.push(format!("{condition}\n    should say: {part}\n    said: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The operators of a class of types, with the operands that fit them.
struct Class {
    name: &'static str,
    fields: &'static [&'static str],
    operand: &'static str,
    operators: &'static [&'static str],
}

const OPERATORS: &[&str] = &[
    "=",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "contains",
    "icontains",
    "startswith",
    "endswith",
    "glob",
    "iglob",
    "regex",
    "bcontains",
    "bstartswith",
    "in",
    "intersects",
    "pmatch",
    "exists",
];

const CLASSES: &[Class] = &[
    Class {
        name: "numeric",
        fields: &[
            "proc.pid",
            "evt.num",
            "user.uid",
            "fd.sport",
            "fd.dev",
            "evt.cpu",
            "proc.fdusage",
        ],
        operand: "5",
        operators: &["=", "==", "!=", "<", "<=", ">", ">=", "in", "intersects", "exists"],
    },
    Class {
        name: "numeric",
        fields: &[
            "evt.rawtime",
            "proc.duration",
            "evt.rawarg.flags",
            "evt.rawarg.mode",
            "evt.rawarg.res",
        ],
        operand: "5",
        operators: &["=", "==", "!=", "<", "<=", ">", ">=", "in", "intersects", "exists"],
    },
    Class {
        name: "boolean",
        fields: &["evt.failed", "thread.ismain"],
        operand: "true",
        operators: &["=", "==", "!=", "in", "intersects", "exists"],
    },
    Class {
        name: "string",
        fields: &[
            "proc.name",
            "fd.name",
            "evt.rawarg.path",
            "evt.rawarg.name",
            "tolower(proc.name)",
        ],
        operand: "5",
        operators: &[
            "=",
            "==",
            "!=",
            "<",
            "<=",
            ">",
            ">=",
            "contains",
            "icontains",
            "startswith",
            "endswith",
            "glob",
            "iglob",
            "regex",
            "in",
            "intersects",
            "pmatch",
            "exists",
        ],
    },
    Class {
        name: "byte buffer",
        fields: &["evt.buffer", "evt.rawarg.data", "b64(evt.buffer)"],
        operand: "55",
        operators: &[
            "=",
            "==",
            "!=",
            "contains",
            "startswith",
            "endswith",
            "bcontains",
            "bstartswith",
            "in",
            "intersects",
            "exists",
        ],
    },
    Class {
        name: "address",
        fields: &["fd.sip", "fd.ip"],
        operand: "1.2.3.4",
        operators: &["=", "==", "!=", "in", "intersects", "exists"],
    },
    Class {
        name: "network",
        fields: &["fd.snet", "fd.net"],
        operand: "10.0.0.0/8",
        operators: &["=", "==", "!=", "in", "intersects", "exists"],
    },
    Class {
        name: "opaque",
        fields: &["evt.rawarg.tuple", "evt.rawarg.addr"],
        operand: "5",
        operators: &["exists"],
    },
    Class {
        name: "list",
        fields: &["fd.types", "tolower(fd.types)", "getopt(('-a', 'b'), 'a:')"],
        operand: "5",
        operators: &["in", "intersects", "exists"],
    },
];

#[test]
fn each_type_takes_its_operators_and_no_others() {
    let mut wrong = Vec::new();
    for class in CLASSES {
        for (field, op) in class.fields.iter().flat_map(|f| OPERATORS.iter().map(move |op| (f, op)))
        {
            // The grammar takes only numbers behind an operator of order.
            let operand = if ["<", "<=", ">", ">="].contains(op) { "5" } else { class.operand };
            let condition = match *op {
                "exists" => format!("{field} exists"),
                "in" | "intersects" | "pmatch" => format!("{field} {op} ({operand})"),
                _ => format!("{field} {op} {operand}"),
            };
            let is_allowed = class.operators.contains(op);
            wrong.extend(mismatch(&condition, is_allowed));
            let class = format!("is not for {} fields", class.name);
            if !is_allowed && !load(&condition).unwrap_err()[0].to_string().contains(&class) {
                wrong.push(format!("{condition}: should say that it {class}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn values_are_at_most_255_bytes_long_wherever_they_stand() {
    let text = |n: usize| "x".repeat(n);
    let places: [fn(&str) -> String; 7] = [
        |v| format!("proc.name = {v}"),
        |v| format!("proc.name = '{v}'"),
        |v| format!("proc.name in (a, {v})"),
        |v| format!("proc.name glob {v}"),
        |v| format!("proc.name regex 'y?{}'", &v[2..]),
        |v| format!("proc.name contains anyof (a, '{v}')"),
        |v| format!("concat(proc.name, '{v}') = a"),
    ];
    for place in places {
        assert_eq!(mismatch(&place(&text(255)), true), None);
        let errors = load(&place(&text(256))).unwrap_err();
        assert_eq!(errors[0].problem, Problem::ValueTooLong { len: 256, limit: 255 });
    }
}

#[test]
fn nesting_has_limits() {
    let nested = |open: &str, close: &str, n: usize| {
        load(&format!("{}proc.name = a{}", open.repeat(n), close.repeat(n)))
    };
    let is_too_deep = |loaded: Result<Ruleset, Vec<RuleError>>, limit| {
        let too_deep = Problem::NestedTooDeep { limit };
        loaded.is_err_and(|errors| errors[0].problem == too_deep)
    };
    assert!(nested("(", ")", 1000).is_ok());
    assert!(is_too_deep(nested("(", ")", 1001), 1000));
    // A negation and its parentheses are one level of the tree, two in each round here.
    assert!(nested("not (proc.pid = 1 and ", ")", 499).is_ok());
    assert!(is_too_deep(nested("not (proc.pid = 1 and ", ")", 500), 1000));
    let calls = |n: usize| load(&format!("{}proc.name{} = a", "tolower(".repeat(n), ")".repeat(n)));
    assert!(calls(63).is_ok());
    assert!(is_too_deep(calls(64), 64));
    assert!(is_too_deep(calls(100_000), 64));
    let lists = format!("join(',', {}'a'{}) = a", "(".repeat(100_000), ")".repeat(100_000));
    assert!(is_too_deep(load(&lists), 64));
}

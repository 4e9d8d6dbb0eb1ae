//! What templates make of values, and which event types conditions stand for.

use std::sync::Arc;

use event::EventType;
use rules::{
    Alert, AlertFacts, AlertValue, ExtraField, Field, FieldRef, Fields, Options, OutputAppend,
    Ruleset, Source, Value, escape_line,
};

/// 2025-11-22 02:59:59.5 UTC.
const NOW: u64 = 1_763_780_399_500_000_000;

struct Event;

impl Fields for Event {
    fn get(&self, field: &FieldRef) -> Option<Value<'_>> {
        Some(match field.to_string().as_str() {
            "proc.name" => Value::Bytes(b"cat"),
            "proc.cmdline" => Value::Bytes(b"cat \xff\"x\"\n"),
            "proc.pid" => Value::I64(-7),
            "proc.aname[2]" => Value::Bytes(b"sshd"),
            "proc.env[\"A B\"]" => Value::Bytes(b"env"),
            "evt.num" => Value::U64(u64::MAX),
            "evt.failed" => Value::Bool(false),
            "evt.arg.flags" => Value::Bytes(b"O_RDONLY"),
            "evt.time" | "evt.time.s" | "evt.datetime" | "evt.time.iso8601" | "evt.rawtime" => {
                Value::U64(NOW)
            }
            "evt.arg.name" => Value::Bytes(b"/etc/shadow"),
            "evt.buffer" => Value::Bytes(b"aGkB"),
            "evt.datetime.s" => Value::U64(NOW),
            "evt.rawtime.ns" => Value::U64(5),
            "evt.rawarg.flags" => Value::U64(0xab),
            "evt.rawarg.mode" => Value::U64(0o644),
            "evt.rawarg.tuple" => Value::Bytes(b"\x02"),
            "evt.rawarg.res" => Value::I64(-2),
            "thread.cpu" => Value::I64(12.345_f64.to_bits() as i64),
            "fd.dev" => Value::I64(0xfd01),
            "fd.sip" => Value::Ip("fe80::1".parse().unwrap()),
            "fd.ip" => Value::Ip("10.0.0.1".parse().unwrap()),
            _ => return None,
        })
    }

    fn elements<P: FnMut(Value<'_>)>(&self, field: &FieldRef, mut each: P) -> bool {
        match field.to_string().as_str() {
            "fd.types" => {
                each(Value::Bytes(b"file"));
                each(Value::Bytes(b"a,b"));
                each(Value::Bytes(b"\xff"));
            }
            "fd.types[1]" => {}
            "fd.types[2]" => (0..600).for_each(|_| each(Value::Bytes(b"x"))),
            _ => return false,
        }
        true
    }
}

fn source(condition: &str, output: &str) -> Vec<Source> {
    let text = format!(
        "- rule: r\n  desc: d\n  condition: {condition}\n  output: '{}'\n  priority: INFO\n  warn_evttypes: false\n",
        output.replace('\'', "''")
    );
    vec![Source { name: "t".into(), text }]
}

fn load(condition: &str, output: &str) -> Ruleset {
    Ruleset::load(source(condition, output), Options::default())
        .unwrap_or_else(|e| panic!("{}", e[0]))
}

/// What is said of an output that does not compile.
fn refused(output: &str) -> String {
    match Ruleset::load(source("evt.type = open", output), Options::default()) {
        Ok(_) => panic!("{output} compiles"),
        Err(errors) => errors[0].to_string(),
    }
}

fn fill(output: &str) -> Alert {
    let set = load("evt.type = open", output);
    let mut scratch = set.scratch();
    let id = set.evaluate(EventType::OPEN_X, &Event, &mut scratch)[0];
    let facts = AlertFacts { utc_offset_s: 3600, ..AlertFacts::default() };
    set.alert(id, &Event, facts)
}

fn check(output: &str, expected: &str) {
    assert_eq!(fill(output).output, expected, "{output}");
}

#[test]
fn tokens_print_their_values() {
    for (output, expected) in [
        ("plain", "plain"),
        ("*%proc.name", "cat"),
        ("(%proc.name)", "(cat)"),
        ("%proc.namefoo", "catfoo"),
        ("%proc.name.", "cat."),
        ("%proc.pname", "<NA>"),
        ("%proc.pid %evt.num %evt.failed", "-7 18446744073709551615 false"),
        ("%proc.aname[2] %proc.aname[3]", "sshd <NA>"),
        ("%proc.aname[x]", "<NA>[x]"),
        ("%proc.env[\"A B\"]", "env"),
        ("%evt.arg.flags|", "O_RDONLY|"),
        ("%fd.dev %fd.sip %fd.ip", "FD01 fe80::1 <NA>"),
        ("%5proc.name|%2proc.name|%0proc.name", "cat  |ca|cat"),
        ("%proc.cmdline", "cat \u{fffd}\"x\"\n"),
        ("a%container.info b", "a b"),
        ("%evt.time %evt.time.s", "03:59:59.500000000 03:59:59"),
        ("%evt.datetime", "2025-11-22 03:59:59.500000000"),
        ("%evt.time.iso8601", "2025-11-22T02:59:59.500000000+0000"),
        ("%evt.rawtime", "1763780399500000000"),
        ("%evt.datetime.s", "2025-11-22 03:59:59"),
        ("%evt.rawtime.ns", "000000005"),
        ("%evt.rawarg.flags %evt.rawarg.mode %evt.rawarg.res", "AB 644 -2"),
        ("%evt.rawarg.tuple", "<NA>"),
        ("%thread.cpu", "12.3"),
        ("%proc.pid[1]", "-7[1]"),
        ("%evt.arg.flagsfoo", "O_RDONLYfoo"),
    ] {
        check(output, expected);
    }
}

#[test]
fn transformers_compute_what_is_printed() {
    for (output, expected) in [
        ("%toupper(proc.name)", "CAT"),
        ("%toupper(proc.name)s", "CATs"),
        ("%6toupper( proc.name )|", "CAT   |"),
        ("%concat(proc.name, '-', \"x\", 7)", "cat-x7"),
        ("%join(', ', (proc.name, proc.pid))", "cat, -7"),
        ("%join('+', fd.types)", "file+a,b+\u{fffd}"),
        ("%len(proc.name) %len(fd.types)", "3 3"),
        ("%toupper(fd.types)", "(FILE,A,B,\u{fffd})"),
        ("%basename(toupper(evt.arg.name))", "SHADOW"),
        ("%b64(evt.buffer)", "hi."),
        ("%toupper(proc.pname)", "<NA>"),
        ("%len(proc.pname)", "<NA>"),
        ("%getopt(fd.types, 'a:')", "()"),
        ("%getopt(fd.types, 'a:')[a]", "<NA>"),
    ] {
        check(output, expected);
    }
}

#[test]
fn fields_inside_transformers_are_told_as_they_are() {
    let alert = fill("%toupper(proc.name) %concat(proc.name, evt.arg.flags) %proc.pid");
    assert_eq!(alert.output, "CAT catO_RDONLY -7");
    let text = |t: &str| AlertValue::Text(t.into());
    let expected = [
        ("proc.name".into(), text("cat")),
        ("evt.arg.flags".into(), text("O_RDONLY")),
        ("proc.pid".into(), AlertValue::I64(-7)),
    ];
    assert_eq!(alert.fields, expected);
}

#[test]
fn transformers_are_judged_as_in_conditions() {
    for (output, problem) in [
        ("%val(proc.name)", "`val()` is for conditions"),
        ("%uppercase(proc.name)", "unknown field `uppercase`"),
        ("%tuper(proc.name)", "unknown field `tuper`"),
        ("%toupper(proc.pid)", "toupper"),
        ("%toupper(proc.aname)", "proc.aname"),
        ("%toupper(proc.name", "found the end of the output"),
        ("%toupper()", "expected"),
        ("%toupper(proc.nam)", "unknown field `proc.nam`"),
        ("%concat(proc.name)", "two arguments or more"),
        ("%toupper(proc.name)[c]", "toupper"),
        ("%toupper(proc.name, proc.pname)", "one argument"),
    ] {
        let error = refused(output);
        assert!(error.contains("LOAD_ERR_COMPILE_OUTPUT") && error.contains(problem), "{error}");
    }
}

#[test]
fn lists_print_in_parentheses() {
    for (output, expected) in [
        ("%fd.types", "(file,a,b,\u{fffd})"),
        ("%fd.types[1]", "()"),
        ("%fd.types[3]", "<NA>"),
        ("%8fd.types|%8fd.types[1]|", "(file,a,|()      |"),
    ] {
        check(output, expected);
    }
    let long = fill("%fd.types[2]");
    assert_eq!(long.output.len(), 1023);
    assert!(long.output.starts_with("(x,x,") && long.output.ends_with("x,"));
}

#[test]
fn a_percent_sign_needs_a_field() {
    for (output, problem) in [
        ("100%", "followed by no field"),
        ("%% x", "followed by no field"),
        ("% x", "followed by no field"),
        ("%5", "followed by no field"),
        ("%99999999999999999999proc.name", "width above 1024"),
        ("%proc.nam", "unknown field `proc.nam`"),
        ("%evt.arg.nosuch", "unknown event argument `nosuch`"),
        ("%container.label", "`container.label` takes a key in brackets"),
        ("%ka.verb", "it is a field of other sources (k8s_audit); this rule is of syscall"),
        ("%static.region", "static_fields"),
    ] {
        let error = refused(output);
        assert!(error.contains("LOAD_ERR_COMPILE_OUTPUT") && error.contains(problem), "{error}");
    }
}

#[test]
fn what_says_nothing_any_more_is_warned_of() {
    for (output, token) in [
        ("a %container.info", Some("%container.info")),
        ("%evt.dir", Some("evt.dir")),
        ("%evt.latency.ns", Some("evt.latency.ns")),
        ("%evt.type", None),
    ] {
        let set = load("evt.type = open", output);
        let texts: Vec<String> = set.warnings().iter().map(|w| w.problem.to_string()).collect();
        let expected: Vec<String> = token.iter().map(|t| format!("`{t}` is deprecated")).collect();
        assert_eq!(texts, expected, "{output}");
    }
}

#[test]
fn where_fields_are_not_told_the_text_is_the_same() {
    let output = "%proc.pid %proc.name %fd.types %evt.time";
    let options = Options { tells_fields: false, ..Options::default() };
    let set = Ruleset::load(source("evt.type = open", output), options).unwrap();
    let mut scratch = set.scratch();
    let id = set.evaluate(EventType::OPEN_X, &Event, &mut scratch)[0];
    let facts = AlertFacts { utc_offset_s: 3600, ..AlertFacts::default() };
    let alert = set.alert(id, &Event, facts);
    assert_eq!(alert, Alert { fields: Vec::new(), ..fill(output) });
}

#[test]
fn fields_are_typed_and_in_order() {
    let set = load(
        "evt.type = open",
        "%proc.pid %proc.name %fd.dev %evt.time %fd.ip %proc.pid %evt.failed %fd.types %thread.cpu %evt.rawtime.ns %evt.rawarg.res %evt.rawarg.tuple",
    );
    let mut scratch = set.scratch();
    let id = set.evaluate(EventType::OPEN_X, &Event, &mut scratch)[0];
    let alert = set.alert(id, &Event, AlertFacts::default());
    let fields: Vec<(&str, AlertValue)> =
        alert.fields.iter().map(|(n, v)| (&**n, v.clone())).collect();
    let text = |t: &str| AlertValue::Text(t.into());
    assert_eq!(
        fields,
        [
            ("proc.pid", AlertValue::I64(-7)),
            ("proc.name", text("cat")),
            ("fd.dev", text("FD01")),
            ("evt.time", AlertValue::U64(NOW)),
            ("fd.ip", AlertValue::Missing),
            ("evt.failed", AlertValue::Bool(false)),
            ("fd.types", AlertValue::List(vec![text("file"), text("a,b"), text("\u{fffd}")])),
            ("thread.cpu", AlertValue::F64(12.345)),
            ("evt.rawtime.ns", text("000000005")),
            ("evt.rawarg.res", AlertValue::I64(-2)),
            ("evt.rawarg.tuple", AlertValue::Missing),
        ]
    );
    let json = serde_json::to_string(&alert.fields[0].1).unwrap();
    assert_eq!(json, "-7");
    let json = serde_json::to_string(&alert.fields[6].1).unwrap();
    assert_eq!(json, "[\"file\",\"a,b\",\"\u{fffd}\"]");
    assert_eq!(serde_json::to_string(&AlertValue::Missing).unwrap(), "null");
}

#[test]
fn fields_used_are_those_of_conditions_and_outputs() {
    let set = load("evt.type = open and proc.aname[2] = x", "%proc.name %proc.name");
    let fields: Vec<String> = set.fields_used().map(ToString::to_string).collect();
    assert_eq!(fields, ["evt.type", "proc.name", "proc.aname[2]"]);
    assert!(set.uses(Field::ProcAname) && !set.uses_fd_name());
    assert!(load("evt.type = open", "%fd.directory").uses_fd_name());
}

#[test]
fn lines_are_escaped_as_json_text() {
    let mut out = String::new();
    escape_line(&mut out, "a \"b\" \\ \n\r\t\u{8}\u{c}\u{1}\u{7f} é");
    assert_eq!(out, "a \\\"b\\\" \\\\ \\n\\r\\t\\b\\f\\u0001\u{7f} é");
}

#[test]
fn constants_of_the_configuration_are_values() {
    let constants = [("region", "eu-1"), ("rack", "7")];
    let constants = constants.map(|(k, v)| (k.to_owned(), v.to_owned()));
    let options =
        Options { static_fields: Arc::new(constants.into_iter().collect()), ..Options::default() };
    let load = |condition: &str, output: &str| {
        Ruleset::load(source(&format!("evt.type = open and {condition}"), output), options.clone())
    };
    let alerts = |condition: &str| {
        let set =
            load(condition, "%static.region|%6static.region|%static.rack %static.rack").unwrap();
        let mut scratch = set.scratch();
        let matched = set.evaluate(EventType::OPEN_X, &Event, &mut scratch).to_vec();
        matched.iter().map(|&id| set.alert(id, &Event, AlertFacts::default())).collect::<Vec<_>>()
    };
    for (condition, holds) in [
        ("static.region = eu-1", true),
        ("static.region in (us-1, eu-2)", false),
        ("not static.region startswith us", true),
        ("static.rack exists", true),
        ("toupper(static.region) = EU-1", true),
        ("proc.name != val(static.rack)", true),
        ("static.rack = val(proc.name)", false),
    ] {
        assert_eq!(alerts(condition).len(), usize::from(holds), "{condition}");
    }
    let alert = &alerts("static.rack = 7")[0];
    assert_eq!(alert.output, "eu-1|eu-1  |7 7");
    let text = |t: &str| AlertValue::Text(t.into());
    let expected = [("static.region".into(), text("eu-1")), ("static.rack".into(), text("7"))];
    assert_eq!(alert.fields, expected);
    for (condition, output) in [("static.regio = x", "x"), ("proc.name = x", "%static.regio")] {
        let error = load(condition, output).unwrap_err()[0].to_string();
        assert!(error.contains("did you mean `static.region`?"), "{error}");
    }
}

/// Names of the types that a condition stands for.
fn types(condition: &str) -> Vec<&'static str> {
    let set = load(condition, "o");
    let mut names: Vec<&str> = set.interest().iter().map(EventType::name).collect();
    names.dedup();
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn event_types_follow_the_logic_of_the_condition() {
    let open = &["open"][..];
    let n_all = types("proc.name = x").len();
    assert!(n_all > 100);
    for (condition, expected) in [
        ("evt.type = open", open),
        ("evt.type = open and proc.name = x", open),
        ("evt.type in (open, openat)", &["open", "openat"]),
        ("evt.type = open or evt.type = connect", &["connect", "open"]),
        ("evt.type = open and evt.type = connect", &[]),
        ("not evt.type != open", open),
        ("not (evt.type != open or proc.name = x)", open),
        ("evt.type in (open, connect) and not evt.type = connect", open),
        ("evt.type = fsync", &["syscall"]),
        ("evt.num = 0 and proc.name = x", &[]),
        ("evt.type = open or evt.num = 0", open),
        ("syscall.type = open", open),
    ] {
        assert_eq!(types(condition), expected, "{condition}");
    }
    for condition in [
        "not (evt.type = open and proc.name = x)",
        "evt.type = open or proc.name = x",
        "evt.type exists",
        "evt.type contains open",
        "evt.num >= 0",
    ] {
        assert_eq!(types(condition).len(), n_all, "{condition}");
    }
    assert_eq!(types("evt.type != open").len(), n_all - 1);
}

/// A rule with these tags and what is added to it.
fn appended(tags: &str, appends: Vec<OutputAppend>) -> Result<Alert, String> {
    let mut sources = source("evt.type = open", "%proc.name");
    sources[0].text += "  tags: ";
    sources[0].text += tags;
    sources[0].text.push('\n');
    let constants = [("region".to_owned(), "north".to_owned())];
    let static_fields = Arc::new(constants.into_iter().collect());
    let options = Options { appends, static_fields, ..Options::default() };
    let set = Ruleset::load(sources, options).map_err(|errors| errors[0].to_string())?;
    let mut scratch = set.scratch();
    let id = set.evaluate(EventType::OPEN_X, &Event, &mut scratch)[0];
    Ok(set.alert(id, &Event, AlertFacts::default()))
}

fn output(text: &str) -> OutputAppend {
    OutputAppend {
        extra_output: text.into(),
        origin: "append_output[0]".into(),
        ..Default::default()
    }
}

fn fields(extra_fields: Vec<ExtraField>) -> OutputAppend {
    OutputAppend { extra_fields, ..output("") }
}

#[test]
fn what_is_added_to_outputs_stands_behind_them() {
    let all = vec![output("pid=%proc.pid"), output("file=%evt.arg.name %static.region")];
    let alert = appended("[]", all).unwrap();
    assert_eq!(alert.output, "cat pid=-7 file=/etc/shadow north");
    assert!(alert.fields.iter().any(|(name, _)| &**name == "proc.pid"));
}

#[test]
fn it_is_added_to_the_rules_that_are_meant() {
    let of = |change: fn(&mut OutputAppend)| {
        let mut append = output("more");
        change(&mut append);
        appended("[a, b]", vec![append]).unwrap().output == "cat more"
    };
    assert!(of(|_| {}));
    assert!(of(|a| a.rule = Some("r".into())));
    assert!(!of(|a| a.rule = Some("R".into())));
    assert!(of(|a| a.tags = vec!["b".into()]));
    assert!(of(|a| a.tags = vec!["b".into(), "a".into()]));
    assert!(!of(|a| a.tags = vec!["b".into(), "c".into()]));
    assert!(of(|a| a.source = Some("syscall".into())));
    assert!(!of(|a| a.source = Some("k8s_audit".into())));
}

#[test]
fn fields_can_be_told_beside_the_text() {
    let text =
        |name: &str, format: &str| ExtraField::Text { name: name.into(), format: format.into() };
    let added = fields(vec![
        ExtraField::Value("proc.pid".into()),
        ExtraField::Value("static.region".into()),
        text("who", "%proc.name[%proc.pid]"),
    ]);
    let alert = appended("[]", vec![added]).unwrap();
    assert_eq!(alert.output, "cat");
    let told: Vec<_> = alert.fields.iter().map(|(name, value)| (&**name, value.clone())).collect();
    let of = |text: &str| AlertValue::Text(text.into());
    let expected = [
        ("proc.name", of("cat")),
        ("proc.pid", AlertValue::I64(-7)),
        ("static.region", of("north")),
        ("who", of("cat[-7]")),
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_is_suggested_for_outputs_is_named_after_its_field() {
    let suggests = OutputAppend { suggests: true, ..output("") };
    let alert = appended("[]", vec![suggests]).unwrap();
    let expected = "cat container_id=<NA> container_name=<NA> container_image_repository=<NA> \
                    container_image_tag=<NA> k8s_pod_name=<NA> k8s_ns_name=<NA> static_region=north";
    assert_eq!(alert.output, expected);
}

#[test]
fn what_is_wrong_with_an_addition_is_told_once_and_where_it_stands() {
    let said = appended("[]", vec![output("%no.such")]).unwrap_err();
    assert!(said.contains("append_output[0].extra_output") && said.contains("no.such"), "{said}");
    let value = |name: &str| vec![fields(vec![ExtraField::Value(name.into())])];
    let said = appended("[]", value("proc.pid and more")).unwrap_err();
    assert!(said.contains("append_output[0].extra_fields[0]"), "{said}");
    assert!(said.contains("more than the name of a field"), "{said}");
    let said = appended("[]", value("no.such")).unwrap_err();
    assert!(said.contains("append_output[0].extra_fields[0]"), "{said}");
}

#[test]
fn buffers_can_be_told_in_base64() {
    let options = Options { buffers_in_base64: true, ..Options::default() };
    let set = Ruleset::load(source("evt.type = open", "%evt.buffer %proc.name"), options).unwrap();
    let mut scratch = set.scratch();
    let id = set.evaluate(EventType::OPEN_X, &Event, &mut scratch)[0];
    let alert = set.alert(id, &Event, AlertFacts::default());
    assert_eq!(alert.output, "YUdrQg== cat");
    assert_eq!(alert.fields[0].1, AlertValue::Text("YUdrQg==".into()));
}

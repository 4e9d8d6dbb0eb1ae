//! Made-up events, and cases of a rule: one that it matches, variants that it matches too, near misses.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use event::EventType;
use rules::{
    Arg, DEFAULT_RULES, FieldRef, FieldType, Fields, Options, RuleMatching, Ruleset, Source, Value,
};

/// Fields of an event, or those in which a variant differs.
pub(crate) type Texts = &'static [(&'static str, &'static str)];

/// In a variant: the event lacks the field.
pub(crate) const ABSENT: &str = "\0";

/// What a rule is tried on.
pub(crate) struct Case {
    pub(crate) rule: &'static str,
    pub(crate) ty: EventType,
    /// An event that the rule matches.
    pub(crate) base: Texts,
    /// Variants that it matches as well.
    pub(crate) hits: &'static [Texts],
    /// Variants that no rule matches.
    pub(crate) misses: &'static [Texts],
    /// Variants that another rule is about, which is the only one to match.
    pub(crate) others: &'static [(Texts, &'static str)],
}

impl Case {
    /// Same rule, same event: for structure update syntax.
    pub(crate) const NONE: Self =
        Self { rule: "", ty: EventType::GENERIC_X, base: &[], hits: &[], misses: &[], others: &[] };
}

/// What every event has unless it says otherwise.
const COMMON: Texts = &[
    ("container.id", "host"),
    ("evt.failed", "false"),
    ("evt.rawres", "0"),
    ("proc.name", "tool"),
    ("proc.exepath", "/usr/bin/tool"),
    ("proc.pname", "bash"),
    ("proc.aname", "bash sshd systemd"),
    ("proc.pid", "4711"),
    ("proc.vpid", "4711"),
    ("proc.tty", "0"),
    ("proc.is_exe_from_memfd", "false"),
    ("proc.is_exe_upper_layer", "false"),
];

/// An open for reading; the name is still to come.
pub(crate) const READ: Texts = &[
    ("evt.is_open_read", "true"),
    ("evt.is_open_write", "false"),
    ("evt.is_open_create", "false"),
    ("evt.arg.flags", "O_RDONLY"),
    ("fd.num", "3"),
];

/// An open for writing.
pub(crate) const WRITE: Texts = &[
    ("evt.is_open_read", "false"),
    ("evt.is_open_write", "true"),
    ("evt.is_open_create", "false"),
    ("evt.arg.flags", "O_WRONLY"),
    ("fd.num", "3"),
];

/// Field text to value text; the ancestors of `proc.aname` are separated by blanks.
pub(crate) struct Event(pub(crate) EventType, BTreeMap<String, String>);

impl Event {
    /// Later texts replace earlier ones. Of `fd.name`, directory and file name follow unless given.
    pub(crate) fn new(ty: EventType, layers: &[Texts]) -> Self {
        let mut fields = BTreeMap::new();
        for (field, text) in [COMMON].iter().chain(layers).copied().flatten() {
            fields.insert((*field).to_owned(), (*text).to_owned());
        }
        fields.retain(|_, text| text != ABSENT);
        if let Some((dir, file)) = fields.get("fd.name").and_then(|n| n.rsplit_once('/')) {
            let (dir, file) = (if dir.is_empty() { "/" } else { dir }.to_owned(), file.to_owned());
            fields.entry("fd.directory".to_owned()).or_insert(dir);
            fields.entry("fd.filename".to_owned()).or_insert(file);
        }
        fields.insert("evt.type".to_owned(), ty.name().to_owned());
        if let Some(args) = fields.get("proc.args").cloned() {
            for (n, arg) in args.split_whitespace().enumerate() {
                fields.insert(format!("proc.args[{n}]"), arg.to_owned());
            }
        }
        Self(ty, fields)
    }

    fn text(&self, field: &FieldRef) -> Option<&str> {
        self.1.get(field.to_string().as_str()).map(String::as_str)
    }
}

impl Fields for Event {
    fn get(&self, field: &FieldRef) -> Option<Value<'_>> {
        let text = self.text(field)?;
        Some(match field.field.info().ty {
            FieldType::Text => Value::Bytes(text.as_bytes()),
            FieldType::Bool => Value::Bool(text == "true"),
            FieldType::Ip | FieldType::Net => Value::Ip(text.parse().expect("an address")),
            _ => Value::I64(text.parse().expect("a number")),
        })
    }

    fn any<P: FnMut(Value<'_>) -> bool>(&self, field: &FieldRef, mut pred: P) -> bool {
        assert_eq!(field.arg, Arg::None);
        let text = self.text(field).unwrap_or_default();
        text.split_whitespace().any(|name| pred(Value::Bytes(name.as_bytes())))
    }
}

/// The shipped rules with more behind them.
pub(crate) fn load_with(more: &str) -> Ruleset {
    let source = |name: &str, text: &str| Source { name: name.into(), text: text.into() };
    let sources = vec![source("default.yaml", DEFAULT_RULES), source("more.yaml", more)];
    let options = Options { matching: RuleMatching::All, ..Options::default() };
    Ruleset::load(sources, options).expect("the rules load")
}

/// The shipped rules; of several that match one event each is told.
pub(crate) static SHIPPED: LazyLock<Ruleset> = LazyLock::new(|| load_with(""));

/// Names of the rules that match, in order of definition.
pub(crate) fn matched(set: &Ruleset, event: &Event) -> Vec<String> {
    let mut scratch = set.scratch();
    let ids = set.evaluate(event.0, event, &mut scratch);
    ids.iter().map(|&id| set.rule(id).name.to_string()).collect()
}

/// Every event of the case does what it is there for.
pub(crate) fn check(case: &Case) {
    let try_one = |variant: Texts, expected: &[&str]| {
        let event = Event::new(case.ty, &[case.base, variant]);
        let is_telling = |f: &str| matches!(f, "fd.name" | "fs.path.name" | "proc.name");
        let base: Vec<_> = case.base.iter().filter(|(f, _)| is_telling(f)).collect();
        assert_eq!(
            matched(&SHIPPED, &event),
            expected,
            "{} of {base:?} with {variant:?}",
            case.ty.name()
        );
    };
    try_one(&[], &[case.rule]);
    for variant in case.hits {
        try_one(variant, &[case.rule]);
    }
    for variant in case.misses {
        try_one(variant, &[]);
    }
    for (variant, other) in case.others {
        try_one(variant, &[other]);
    }
}

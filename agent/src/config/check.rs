//! The tree against the schema: what each text means, what is wrong with it, and what is to be said of it.

use serde_yaml::{Mapping, Number, Value};

use super::environment::Environment;
use super::schema::{self, Key, Kind, When};
use super::tree::{Node, Origin, Tree, printable};
use super::trouble::{Trouble, Weight};

/// More troubles than that are not told one by one.
pub(super) const MAX_TOLD: usize = 100;

/// What a tree comes to.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// The values that are read, each of its key's type.
    pub(super) values: Value,
    /// Errors and doubts, in the order of the text.
    pub(super) troubles: Vec<Trouble>,
    pub(super) untold: Untold,
    /// Keys that are set and do not do what they do in Falco, a line for each topic.
    pub(super) remarks: Vec<String>,
}

/// Troubles beyond those that are told one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Untold {
    pub(super) n: usize,
    /// The worst of them.
    pub(super) weight: Option<Weight>,
}

impl Untold {
    pub(super) fn add(&mut self, n: usize, weight: Weight) {
        self.n += n;
        // The lesser is the worse.
        self.weight = Some(self.weight.map_or(weight, |worst| worst.min(weight)));
    }

    /// What is said of them.
    pub(super) fn trouble(self, origin: &Origin) -> Option<Trouble> {
        let text = format!("{} more that are not told", self.n);
        Some(Trouble { origin: origin.clone(), text, weight: self.weight? })
    }
}

/// Holds a tree against the schema.
pub(super) fn check(tree: &Node) -> Checked {
    let keys: Vec<&'static Key> = schema::keys().collect();
    let mut walk = Walk::default();
    let values = walk.map(tree, &keys, "", "");
    let remarks = remarks(&walk.set);
    let Walk { troubles, untold, set: _ } = walk;
    Checked { values: Value::Mapping(values), troubles, untold, remarks }
}

/// What a key holds where nobody gives it.
pub(super) fn default_of(key: &Key) -> Node {
    let mut environment = Environment::new(&|_| None);
    Node::read("default", key.default.to_owned(), &|_, _| Origin::Default, &mut environment)
        .expect("defaults are YAML")
}

/// The typed value of a node, none where it is wrong.
pub(super) fn value_of(key: &Key, node: &Node) -> Option<Value> {
    Walk::default().value(&key.kind, node, key.path)
}

#[derive(Default)]
struct Walk {
    troubles: Vec<Trouble>,
    untold: Untold,
    /// Keys of the top level that were given, with their values.
    set: Vec<(&'static Key, Origin, Option<Value>)>,
}

impl Walk {
    fn tell(&mut self, trouble: Trouble) {
        if self.troubles.len() < MAX_TOLD {
            self.troubles.push(trouble);
        } else {
            self.untold.add(1, trouble.weight);
        }
    }

    /// A map of keys below `prefix`; `shown` is the same with the lists that it lies in.
    fn map(&mut self, node: &Node, keys: &[&'static Key], prefix: &str, shown: &str) -> Mapping {
        let mut values = Mapping::new();
        for entry in node.entries() {
            let join = |before: &str| {
                if before.is_empty() {
                    entry.name.clone()
                } else {
                    format!("{before}.{}", entry.name)
                }
            };
            let (path, shown) = (join(prefix), join(shown));
            let value = if let Some(key) = keys.iter().find(|k| k.path == path) {
                if entry.node.is_null() {
                    continue;
                }
                let value = self.value(&key.kind, &entry.node, &shown);
                // Not those of the entries of lists.
                if shown == path {
                    self.set.push((key, entry.origin.clone(), value.clone()));
                }
                value.filter(|_| key.is_read())
            } else if keys.iter().any(|k| is_below(k.path, &path)) {
                if entry.node.is_null() {
                    continue;
                }
                let Tree::Map(_) = entry.node.value else {
                    let text =
                        format!("{shown}: must be a map of keys, this is {}", entry.node.shown());
                    self.tell(Trouble::error(&entry.node.origin, text));
                    continue;
                };
                let section = self.map(&entry.node, keys, &path, &shown);
                (!section.is_empty()).then_some(Value::Mapping(section))
            } else {
                if self.troubles.len() < MAX_TOLD {
                    self.tell(Trouble::unknown_key(&entry.origin, &shown, &known(keys)));
                } else {
                    self.untold.add(1, Weight::Doubt);
                }
                continue;
            };
            if let Some(value) = value {
                values.insert(Value::String(entry.name.clone()), value);
            }
        }
        values
    }

    fn value(&mut self, kind: &Kind, node: &Node, shown: &str) -> Option<Value> {
        let read = match kind {
            Kind::Bool => node.scalar().and_then(truth).map(Value::Bool),
            Kind::Whole(least, most) => node.scalar().and_then(whole).and_then(|n| {
                if (*least..=*most).contains(&n) {
                    return Some(Value::Number(n.into()));
                }
                self.out_of_range(node, shown, (least, most));
                None
            }),
            Kind::Real(least, most) => {
                node.scalar().and_then(|t| t.trim().parse::<f64>().ok()).and_then(|n| {
                    if n.is_finite() && (*least..=*most).contains(&n) {
                        return Some(Value::Number(Number::from(n)));
                    }
                    self.out_of_range(node, shown, (least, most));
                    None
                })
            }
            Kind::Text => node.scalar().map(Value::from),
            Kind::Word(words) => node.scalar().filter(|t| words.contains(t)).map(Value::from),
            Kind::Priority => {
                let is_priority = |t: &&str| t.parse::<rules::Priority>().is_ok();
                node.scalar().filter(is_priority).map(Value::from)
            }
            Kind::Interval => node.scalar().filter(|t| interval_ms(t).is_some()).map(Value::from),
            Kind::Texts => self.texts(node, shown),
            Kind::TextMap => self.text_map(node, shown),
            Kind::TextsAndMaps => self.texts_and_maps(node, shown),
            Kind::Map(keys) => self.entry(keys, node, shown),
            Kind::Entries(keys) => match &node.value {
                Tree::List(nodes) => {
                    let entries = nodes.iter().enumerate().map(|(i, node)| {
                        let shown = format!("{shown}[{i}]");
                        let value = self.entry(keys, node, &shown);
                        if value.is_none() {
                            self.misfit(&Kind::Map(keys), node, &shown);
                        }
                        value
                    });
                    Some(Value::Sequence(
                        entries.collect::<Vec<_>>().into_iter().flatten().collect(),
                    ))
                }
                Tree::Scalar(_) | Tree::Map(_) => None,
            },
            // What is wrong with them was told when they were read; nobody reads the others.
            Kind::Inclusions | Kind::Anything => return None,
        };
        if read.is_none() {
            self.misfit(kind, node, shown);
        }
        read
    }

    fn entry(&mut self, keys: &'static [Key], node: &Node, shown: &str) -> Option<Value> {
        let Tree::Map(_) = node.value else { return None };
        let keys: Vec<&'static Key> = keys.iter().collect();
        Some(Value::Mapping(self.map(node, &keys, "", shown)))
    }

    fn texts(&mut self, node: &Node, shown: &str) -> Option<Value> {
        match &node.value {
            Tree::List(nodes) => {
                let mut texts = Vec::new();
                for (i, node) in nodes.iter().enumerate() {
                    match node.scalar() {
                        Some(text) => texts.push(Value::from(text)),
                        None => self.misfit(&Kind::Text, node, &format!("{shown}[{i}]")),
                    }
                }
                Some(Value::Sequence(texts))
            }
            Tree::Scalar(_) => node.scalar().map(|text| Value::Sequence(vec![text.into()])),
            Tree::Map(_) => None,
        }
    }

    fn texts_and_maps(&mut self, node: &Node, shown: &str) -> Option<Value> {
        let Tree::List(nodes) = &node.value else { return None };
        let mut all = Vec::new();
        for (i, node) in nodes.iter().enumerate() {
            let shown = format!("{shown}[{i}]");
            let text = node.scalar().map(Value::from);
            match text.or_else(|| self.text_map(node, &shown)) {
                Some(value) => all.push(value),
                None => self.misfit(&Kind::TextMap, node, &shown),
            }
        }
        Some(Value::Sequence(all))
    }

    fn text_map(&mut self, node: &Node, shown: &str) -> Option<Value> {
        let Tree::Map(entries) = &node.value else { return None };
        let mut map = Mapping::new();
        for entry in entries {
            match entry.node.scalar() {
                Some(text) => drop(map.insert(entry.name.clone().into(), text.into())),
                None => self.misfit(&Kind::Text, &entry.node, &format!("{shown}.{}", entry.name)),
            }
        }
        Some(Value::Mapping(map))
    }

    fn out_of_range<T: PartialOrd + std::fmt::Display>(
        &mut self,
        node: &Node,
        shown: &str,
        (least, most): (T, T),
    ) {
        let n = printable(node.scalar().unwrap_or_default().trim());
        let most = most.to_string();
        let must = if most == "inf" {
            format!("be finite and {least} or more")
        } else if most == u64::MAX.to_string() {
            format!("be {least} or more")
        } else {
            format!("lie between {least} and {most}")
        };
        let text = format!("{shown}: {n} is out of range; it must {must}{}", variables(node));
        self.tell(Trouble::error(&node.origin, text));
    }

    /// Tells that a value is not what its key takes, unless that was told.
    fn misfit(&mut self, kind: &Kind, node: &Node, shown: &str) {
        if self
            .troubles
            .last()
            .is_some_and(|t| t.origin == node.origin && t.text.starts_with(shown))
        {
            return;
        }
        let text = format!(
            "{}: must be {}, this is {}{}",
            printable(shown),
            kind.expected(),
            node.shown(),
            variables(node)
        );
        self.tell(Trouble::error(&node.origin, text));
    }
}

/// Says which variables a value was made of.
fn variables(node: &Node) -> String {
    match &node.value {
        Tree::Scalar(scalar) if !scalar.variables.is_empty() => {
            let names: Vec<_> = scalar.variables.iter().map(|n| format!("${{{n}}}")).collect();
            format!(" (made of {})", printable(&names.join(" ")))
        }
        _ => String::new(),
    }
}

fn is_below(path: &str, section: &str) -> bool {
    path.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

/// The keys, and the sections that they lie in.
fn known(keys: &[&'static Key]) -> Vec<&'static str> {
    let mut known: Vec<&'static str> = Vec::new();
    for key in keys {
        known.extend(key.path.match_indices('.').map(|(at, _)| &key.path[..at]));
        known.push(key.path);
    }
    known.dedup();
    known
}

/// The words that YAML had for truth, since Falco's reader takes them.
fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => Some(true),
        "false" | "no" | "off" | "n" => Some(false),
        _ => None,
    }
}

fn whole(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Milliseconds of `1h30m`: units of Prometheus, each at most once, the largest first, and at least 100 ms.
pub(super) fn interval_ms(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 7] = [
        ("y", 31_536_000_000),
        ("w", 604_800_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ];
    let (mut rest, mut next, mut millis) = (text.trim(), 0, 0u64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let letters = rest[digits..].find(|c: char| !c.is_ascii_alphabetic());
        let end = letters.map_or(rest.len(), |n| digits + n);
        let (number, unit) = (&rest[..digits], &rest[digits..end]);
        let at = UNITS.iter().position(|(name, _)| *name == unit)?;
        let number = number.parse::<u64>().ok()?;
        if at < next {
            return None;
        }
        (next, millis) = (at + 1, millis.saturating_add(number.saturating_mul(UNITS[at].1)));
        rest = &rest[end..];
    }
    (millis >= 100).then_some(millis)
}

fn remarks(set: &[(&'static Key, Origin, Option<Value>)]) -> Vec<String> {
    let mut told: Vec<(&str, String)> = Vec::new();
    for (key, origin, value) in set {
        let Some(remark) = key.remark() else { continue };
        let said_at = match remark.when {
            When::Set => Some(origin),
            When::Changed => {
                let default = value_of(key, &default_of(key));
                (*value != default && value.is_some()).then_some(origin)
            }
            When::On(switch) => set
                .iter()
                .find(|(k, _, value)| k.path == switch && *value == Some(Value::Bool(true)))
                .map(|(_, origin, _)| origin),
        };
        let is_told = told.iter().any(|(topic, _)| *topic == remark.topic);
        if let (Some(origin), false) = (said_at, is_told) {
            let line = format!("{origin}: {}: {}", remark.topic, remark.why);
            told.push((remark.topic, line));
        }
    }
    told.into_iter().map(|(_, line)| line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Checked {
        let place = |line, column| Origin::File { file: "f".into(), line, column };
        let mut environment = Environment::new(&|_| None);
        check(&Node::read("f", text.to_owned(), &place, &mut environment).unwrap())
    }

    fn troubles(text: &str) -> Vec<String> {
        of(text).troubles.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn unknown_keys_name_the_nearest_and_are_no_errors() {
        for (yaml, expected) in [
            (
                "peregrine: {shrads: 2}",
                "f:1:13: unknown key peregrine.shrads: it does nothing; did you mean peregrine.shards?",
            ),
            (
                "\njsonoutput: true",
                "f:2:1: unknown key jsonoutput: it does nothing; did you mean json_output?",
            ),
            (
                "shards: 2",
                "f:1:1: unknown key shards: it does nothing; did you mean peregrine.shards?",
            ),
            (
                "http_outptu: {}",
                "f:1:1: unknown key http_outptu: it does nothing; did you mean http_output?",
            ),
            (
                "rules:\n- enable: {rle: a}",
                "f:2:12: unknown key rules[0].enable.rle: it does nothing; did you mean rule?",
            ),
            ("规则: 1", "f:1:1: unknown key 规则: it does nothing"),
        ] {
            let checked = of(yaml);
            let all: Vec<_> = checked.troubles.iter().map(ToString::to_string).collect();
            assert_eq!(all, [expected]);
            assert_eq!(checked.troubles[0].weight, Weight::Doubt);
        }
    }

    #[test]
    fn a_value_of_another_type_is_an_error_with_its_place() {
        for (yaml, expected) in [
            (
                "json_output: maybe",
                r#"f:1:14: json_output: must be true or false, this is "maybe""#,
            ),
            (
                "peregrine:\n  shards: two",
                r#"f:2:11: peregrine.shards: must be a whole number between 1 and 1024, this is "two""#,
            ),
            (
                "peregrine: {shards: 0}",
                "f:1:21: peregrine.shards: 0 is out of range; it must lie between 1 and 1024",
            ),
            ("engine: live", r#"f:1:9: engine: must be a map of keys, this is "live""#),
            ("rules_files: [a, [b]]", "f:1:18: rules_files[1]: must be a text, this is a list"),
            (
                "rules: {a: b}",
                "f:1:8: rules: must be a list of maps with the keys enable, disable, this is a map",
            ),
            (
                "rules: [a]",
                r#"f:1:9: rules[0]: must be a map with the keys enable, disable, this is "a""#,
            ),
            ("static_fields: {a: [b]}", "f:1:20: static_fields.a: must be a text, this is a list"),
            (
                "webserver: {listen_port: 70000}",
                "f:1:26: webserver.listen_port: 70000 is out of range; it must lie between 0 and 65535",
            ),
            (
                "syscall_event_drops: {rate: -1}",
                "f:1:29: syscall_event_drops.rate: -1 is out of range; it must be finite and 0 or more",
            ),
            (
                "syscall_event_drops: {threshold: nan}",
                "f:1:34: syscall_event_drops.threshold: nan is out of range; it must lie between 0 and 1",
            ),
            (
                "log_level: loud",
                r#"f:1:12: log_level: must be one of emergency, alert, critical, error, warning, notice, info, debug, this is "loud""#,
            ),
        ] {
            assert_eq!(troubles(yaml), [expected]);
        }
    }

    #[test]
    fn words_for_truth_and_numbers_are_those_of_falcos_reader() {
        let values =
            of("{json_output: yes, stdout_output: {enabled: 'off'}, peregrine: {shards: '0x10'}}");
        assert_eq!(values.troubles, []);
        let expected =
            "{json_output: true, stdout_output: {enabled: false}, peregrine: {shards: 16}}";
        assert_eq!(values.values, serde_yaml::from_str::<Value>(expected).unwrap());
    }

    #[test]
    fn intervals_are_those_of_prometheus() {
        assert_eq!(interval_ms("1h30m7ms"), Some(5_400_007));
        for good in ["1h", "100ms", "1h30m", "1y2w3d4h5m6s7ms", "0s100ms"] {
            assert!(interval_ms(good).is_some(), "{good}");
        }
        for bad in
            ["", "5000", "1x", "30m1h", "1h1h", "99ms", "h", "-1h", "1h ", "99999999999999999999h"]
        {
            assert!(interval_ms(bad).is_none() || bad == "1h ", "{bad}");
        }
    }

    #[test]
    fn what_does_something_else_or_nothing_is_said_once() {
        let said = of(
            "engine:\n  kind: modern_ebpf\n  kmod: {buf_size_preset: 5, drop_failed_exit: true}\nplugins: []\nload_plugins: [container]\n",
        );
        let topics: Vec<_> = said
            .remarks
            .iter()
            .map(|r| r.split(": ").take(2).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(topics, ["f:3:10 engine.kmod", "f:4:1 plugins"]);
        assert_eq!(said.troubles, []);
    }

    #[test]
    fn what_means_nothing_is_said_where_it_is_switched_on() {
        let keys = "plugins_metrics_enabled: false, jemalloc_stats_enabled: true";
        let with = |enabled| of(&format!("metrics: {{enabled: {enabled}, {keys}}}\n")).remarks;
        assert_eq!(with(false), [""; 0]);
        let said = with(true);
        assert!(said.len() == 1 && said[0].starts_with("f:1:11: metrics.*: "), "{said:?}");
    }

    #[test]
    fn a_hundred_troubles_are_told_and_the_others_counted() {
        use std::fmt::Write as _;
        let mut text = String::new();
        for n in 0..100_000 {
            writeln!(text, "key_{n}: 1").unwrap();
        }
        text.push_str("json_output: x\n");
        let told = of(&text);
        assert_eq!(told.troubles.len(), 100);
        assert_eq!(told.untold, Untold { n: 99_901, weight: Some(Weight::Error) });
    }
}

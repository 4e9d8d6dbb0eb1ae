//! Where in the structure of a rule file a finding stands: the chain from the file down to the value, as Falco's validation result tells it.

use serde::Serialize;

use crate::error::{Code, Problem};
use crate::source::{Files, Pos};
use crate::yaml::{Kind, Node};

/// Characters of a line that a snippet shows to either side of the place.
const SHOWN: usize = 80;
/// Characters of a condition that name it.
const NAME_CHARS: usize = 20;

/// The place of a finding: the chain of what it stands in, and its line with a mark under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Context {
    /// From the whole file to what is wrong.
    pub locations: Vec<Location>,
    /// The line, cut where it is long, and a line with `^`.
    pub snippet: String,
}

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Location {
    /// Name of the item, or the key whose value it is; often empty.
    pub item_name: String,
    /// Falco's word for what it is: `rule`, `rule condition`, `value for`, ...
    pub item_type: &'static str,
    /// Where it starts.
    pub position: Position,
}

/// A place in a file, all numbers from 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Position {
    /// Column, in characters.
    pub column: usize,
    /// Line.
    pub line: usize,
    /// The file; of a condition its beginning in quotes.
    pub name: String,
    /// Bytes from the start of the file.
    pub offset: usize,
}

/// The context of a finding at `at` in a file whose documents are `docs`, none where it is no YAML.
pub(crate) fn context(
    files: &Files,
    docs: &[Node],
    at: Pos,
    code: Code,
    problem: &Problem,
) -> Context {
    let whole = Pos { file: at.file, offset: 0 };
    let mut chain = Chain { files, locations: Vec::new() };
    chain.push("rules content", "", whole);
    if code == Code::YamlParse {
        chain.push("value for", "", at);
    } else if let Some(item) = docs.iter().rev().find_map(|doc| item_at(doc, at)) {
        chain.item(item, at, code, problem);
    }
    Context { locations: chain.locations, snippet: snippet(files, at) }
}

/// The last item of a document that starts at or before a place.
fn item_at(doc: &Node, at: Pos) -> Option<&Node> {
    let Kind::Seq(items) = &doc.kind else { return None };
    items.iter().rev().find(|item| starts_before(item, at))
}

fn starts_before(node: &Node, at: Pos) -> bool {
    node.span.start.file == at.file && node.span.start.offset <= at.offset
}

/// The entry of a map that a place belongs to, and whether it is in its value.
fn entry_at(node: &Node, at: Pos) -> Option<(&str, &Node, &Node)> {
    let Kind::Map(pairs) = &node.kind else { return None };
    let (key, value) = pairs.iter().rev().find(|(key, _)| starts_before(key, at))?;
    Some((key.scalar()?, key, value))
}

fn get<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    let Kind::Map(pairs) = &node.kind else { return None };
    pairs.iter().find(|(k, _)| k.scalar() == Some(key)).map(|(_, v)| v)
}

/// Text of a key, for names.
fn name_of<'a>(node: &'a Node, key: &str) -> &'a str {
    get(node, key).and_then(Node::scalar).unwrap_or_default()
}

fn element_at(node: &Node, at: Pos) -> Option<&Node> {
    let Kind::Seq(nodes) = &node.kind else { return None };
    nodes.iter().rev().find(|n| starts_before(n, at))
}

struct Chain<'a> {
    files: &'a Files,
    locations: Vec<Location>,
}

impl Chain<'_> {
    fn push(&mut self, item_type: &'static str, item_name: &str, at: Pos) {
        let name = self.files.name(at.file).to_string();
        self.push_named(item_type, item_name, name, at);
    }

    fn push_named(&mut self, item_type: &'static str, item_name: &str, name: String, at: Pos) {
        let (line, column) = self.files.line_and_column(at);
        let position = Position { column, line, name, offset: at.offset as usize };
        self.locations.push(Location { item_name: item_name.to_owned(), item_type, position });
    }

    fn item(&mut self, item: &Node, at: Pos, code: Code, problem: &Problem) {
        let start = item.span.start;
        if get(item, "required_engine_version").is_some() {
            self.push("required_engine_version", "", start);
            self.value(item, at);
        } else if let Some(entries) = get(item, "required_plugin_versions") {
            self.push("required plugin versions", "", entries.span.start);
            self.plugins(entries, at);
        } else if get(item, "list").is_some() {
            self.push("list", name_of(item, "list"), start);
            self.value(item, at);
        } else if get(item, "macro").is_some() {
            self.push("macro", name_of(item, "macro"), start);
            self.macro_or_rule(item, "macro condition", at, code, problem);
        } else if get(item, "rule").is_some() {
            self.push("rule", name_of(item, "rule"), start);
            self.macro_or_rule(item, "rule condition", at, code, problem);
        } else {
            self.push("rules content item", "", start);
        }
    }

    fn plugins(&mut self, entries: &Node, at: Pos) {
        let Some(entry) = element_at(entries, at) else { return };
        self.push("required plugin versions entry", name_of(entry, "name"), entry.span.start);
        match entry_at(entry, at) {
            Some(("alternatives", _, value)) => {
                if let Some(other) = element_at(value, at) {
                    let name = name_of(other, "name");
                    self.push("required plugin versions alternative", name, other.span.start);
                    self.value(other, at);
                }
            }
            _ => self.value(entry, at),
        }
    }

    /// The value of the key that a place belongs to, down to an element where it is a sequence. The place of the whole item, where an item's first
    /// key stands, is no value.
    fn value(&mut self, of: &Node, at: Pos) {
        let Some((key, _, value)) = entry_at(of, at) else { return };
        if at == of.span.start || !starts_before(value, at) {
            return;
        }
        self.push("value for", key, value.span.start);
        if let Some(element) = element_at(value, at) {
            self.push("list item", "", element.span.start);
        }
    }

    fn macro_or_rule(
        &mut self,
        item: &Node,
        condition: &'static str,
        at: Pos,
        code: Code,
        problem: &Problem,
    ) {
        let Some((key, key_node, value)) = entry_at(item, at) else { return };
        let start = value.span.start;
        match key {
            // What belongs to the item as a whole is told at its name.
            "rule" | "macro" | "append" | "enabled"
                if code.is_warning() || matches!(problem, Problem::NothingToChange { .. }) => {}
            "condition" => {
                // A macro is looked up by its user, not by the text it is named in.
                if !matches!(problem, Problem::UnknownMacro(_) | Problem::MacroLoop(_)) {
                    self.push(condition, "", start);
                }
                if code != Code::YamlValidate {
                    let text = value.scalar().unwrap_or_default().trim();
                    self.push_named("condition expression", "", condition_name(text), at);
                }
            }
            "output" if code != Code::YamlValidate => self.push("rule output", "", start),
            "priority" => self.push("rule priority", "", start),
            "override" => self.overrides(key_node, value, at),
            "exceptions" => self.exceptions(value, at),
            _ if code == Code::UnknownKey => self.push("value for", key, at),
            _ if matches!(problem, Problem::NotOverridden(_)) => self.push("overrides", key, start),
            _ => self.value(item, at),
        }
    }

    fn overrides(&mut self, key: &Node, value: &Node, at: Pos) {
        self.push("overrides", "", key.span.start);
        let Some((key, key_node, value)) = entry_at(value, at) else { return };
        if starts_before(value, at) {
            self.push("value for", key, value.span.start);
        } else {
            self.push("overrides", key, key_node.span.start);
        }
    }

    fn exceptions(&mut self, value: &Node, at: Pos) {
        self.push("exceptions", "", value.span.start);
        let Some(exception) = element_at(value, at) else { return };
        self.push("exception", name_of(exception, "name"), exception.span.start);
        let Some(("values", _, values)) = entry_at(exception, at) else {
            return self.value(exception, at);
        };
        self.push("exception values", "", values.span.start);
        if let Some(value) = element_at(values, at) {
            self.push("exception value", "", value.span.start);
        }
    }
}

/// The beginning of a condition in quotes.
fn condition_name(text: &str) -> String {
    let mut name: String = text.chars().take(NAME_CHARS).collect();
    if text.chars().nth(NAME_CHARS).is_some() {
        name = name.chars().take(NAME_CHARS - 3).chain("...".chars()).collect();
    }
    format!("\"{}\"", name.replace(['\n', '\r'], " "))
}

/// The line of a place, at most twice [`SHOWN`] characters of it, and a mark below the place.
fn snippet(files: &Files, at: Pos) -> String {
    let line = files.line_text(at);
    if line.is_empty() {
        return "<No context available>\n".to_owned();
    }
    let (_, column) = files.line_and_column(at);
    let n_chars = line.chars().count();
    let from = column.saturating_sub(SHOWN);
    let to = (column + SHOWN).min(n_chars);
    // A tab is one character here and there, so that the mark stands below its text.
    let mut shown: Vec<char> = line.chars().skip(from).take(to - from).collect();
    if from > 0 {
        shown[..3].fill('.');
    }
    if to < n_chars {
        let n = shown.len();
        shown[n - 3..].fill('.');
    }
    let shown: String = shown.into_iter().collect();
    format!("{shown}\n{}^\n", " ".repeat(column - from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    fn snippet_of(text: &str, offset: u32) -> String {
        let mut files = Files::default();
        files.add(Source { name: "f".into(), text: text.into() });
        snippet(&files, Pos { file: 0, offset })
    }

    #[test]
    fn snippets_are_cut_around_their_place() {
        assert_eq!(snippet_of("a\nbç d\nc", 3), "bç d\n ^\n");
        assert_eq!(snippet_of("", 0), "<No context available>\n");
        let long = "x".repeat(500);
        let cut = snippet_of(&long, 250);
        let (line, mark) = cut.split_once('\n').unwrap();
        assert_eq!(line.len(), 160);
        assert!(line.starts_with("...x") && line.ends_with("x..."), "{line}");
        assert_eq!(mark, format!("{}^\n", " ".repeat(80)));
        // The place may lie behind the last character.
        assert_eq!(snippet_of("ab", 9), "ab\n  ^\n");
    }

    #[test]
    fn conditions_are_named_by_their_beginning() {
        assert_eq!(condition_name("evt.type = open"), "\"evt.type = open\"");
        assert_eq!(condition_name("evt.type in (open,\nopenat)"), "\"evt.type in (open...\"");
    }
}

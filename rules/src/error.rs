//! Errors and warnings of rule files: a code, the item, a span drawn under its line, and a hint.

use std::fmt;
use std::sync::Arc;

use crate::source::{Files, Span};

/// Falco's code of an error or a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "`as_str` gives the documented code")]
pub enum Code {
    FileRead,
    YamlParse,
    YamlValidate,
    CompileCondition,
    CompileOutput,
    Validate,
    UnknownSource,
    UnsafeNaCheck,
    NoEvtType,
    UnknownFilter,
    UnusedMacro,
    UnusedList,
    UnknownItem,
    DeprecatedItem,
    AppendNoValues,
    ExceptionNameNotUnique,
    InvalidMacroName,
    InvalidListName,
    UnknownKey,
    MisusedCondition,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 20] = [
        Self::FileRead,
        Self::YamlParse,
        Self::YamlValidate,
        Self::CompileCondition,
        Self::CompileOutput,
        Self::Validate,
        Self::UnknownSource,
        Self::UnsafeNaCheck,
        Self::NoEvtType,
        Self::UnknownFilter,
        Self::UnusedMacro,
        Self::UnusedList,
        Self::UnknownItem,
        Self::DeprecatedItem,
        Self::AppendNoValues,
        Self::ExceptionNameNotUnique,
        Self::InvalidMacroName,
        Self::InvalidListName,
        Self::UnknownKey,
        Self::MisusedCondition,
    ];

    /// The code as Falco prints it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FileRead => "LOAD_ERR_FILE_READ",
            Self::YamlParse => "LOAD_ERR_YAML_PARSE",
            Self::YamlValidate => "LOAD_ERR_YAML_VALIDATE",
            Self::CompileCondition => "LOAD_ERR_COMPILE_CONDITION",
            Self::CompileOutput => "LOAD_ERR_COMPILE_OUTPUT",
            Self::Validate => "LOAD_ERR_VALIDATE",
            Self::UnknownSource => "LOAD_UNKNOWN_SOURCE",
            Self::UnsafeNaCheck => "LOAD_UNSAFE_NA_CHECK",
            Self::NoEvtType => "LOAD_NO_EVTTYPE",
            Self::UnknownFilter => "LOAD_UNKNOWN_FILTER",
            Self::UnusedMacro => "LOAD_UNUSED_MACRO",
            Self::UnusedList => "LOAD_UNUSED_LIST",
            Self::UnknownItem => "LOAD_UNKNOWN_ITEM",
            Self::DeprecatedItem => "LOAD_DEPRECATED_ITEM",
            Self::AppendNoValues => "LOAD_APPEND_NO_VALUES",
            Self::ExceptionNameNotUnique => "LOAD_EXCEPTION_NAME_NOT_UNIQUE",
            Self::InvalidMacroName => "LOAD_INVALID_MACRO_NAME",
            Self::InvalidListName => "LOAD_INVALID_LIST_NAME",
            Self::UnknownKey => "LOAD_UNKNOWN_KEY",
            Self::MisusedCondition => "LOAD_COMPILE_CONDITION",
        }
    }

    /// Whether the ruleset is usable all the same.
    #[must_use]
    pub const fn is_warning(self) -> bool {
        !matches!(
            self,
            Self::FileRead
                | Self::YamlParse
                | Self::YamlValidate
                | Self::CompileCondition
                | Self::CompileOutput
                | Self::Validate
        )
    }
}

/// Kind of an item of a rule file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the items of the language")]
pub enum ItemKind {
    List,
    Macro,
    Rule,
}

impl ItemKind {
    /// The key that makes an item one of this kind.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Macro => "macro",
            Self::Rule => "rule",
        }
    }
}

impl fmt::Display for ItemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is wrong. The text of a message is its `Display`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages document them")]
pub enum Problem {
    #[error("{0}")]
    Io(String),
    #[error("{bytes} bytes are more than the limit of {limit}")]
    FileTooLarge { bytes: usize, limit: usize },
    #[error("not UTF-8: byte {byte:#04x}")]
    NotUtf8 { byte: u8 },
    #[error("invalid YAML: {0}")]
    Yaml(String),
    #[error("nested deeper than {limit} levels")]
    NestedTooDeep { limit: usize },
    #[error("more than {limit} YAML nodes once aliases are replaced")]
    TooManyNodes { limit: usize },
    #[error("more than {limit} bytes of text once aliases are replaced")]
    TooManyBytes { limit: usize },
    #[error("an alias inside the node that it names")]
    AliasInsideItself,
    #[error("a rule file is a sequence of items, this is a {0}")]
    NotASequence(&'static str),
    #[error("an item is a map, this is a {0}")]
    NotAnItem(&'static str),
    #[error("unknown item: none of the keys is `rule`, `macro`, `list` or a version requirement")]
    UnknownItem,
    #[error("unknown key {}", shown(.0))]
    UnknownKey(String),
    #[error("`{key}` stands here a second time, which does nothing: the one of line {line} counts")]
    KeyTwice { key: String, line: u32 },
    #[error("`{key}` must be {expected}")]
    WrongType { key: &'static str, expected: &'static str },
    #[error("{}", missing(.0))]
    MissingKeys(Vec<&'static str>),
    #[error("unknown priority {}", shown(.0))]
    UnknownPriority(String),
    #[error("unknown source {}, the rule is skipped", shown(.0))]
    UnknownSource(String),
    #[error("the source of a rule cannot be changed from {} to {}", shown(from), shown(to))]
    SourceChanged { from: String, to: String },
    #[error("{} is not a version", shown(.0))]
    BadVersion(String),
    #[error("engine version {required} is required, this is {ours}")]
    EngineTooOld { required: String, ours: &'static str },
    #[error("there is no {kind} `{name}` to {verb}")]
    NothingToChange { kind: ItemKind, name: String, verb: &'static str },
    #[error("`append` and `override` in one item")]
    AppendAndOverride,
    #[error("an appended rule needs `condition` or `exceptions`")]
    NothingAppended,
    #[error("`{what}` has {found} entries where `fields` has {fields}")]
    UnequalLengths { what: &'static str, fields: usize, found: usize },
    #[error("{} is not a comparison operator", shown(.0))]
    UnknownComparison(String),
    #[error(
        "one field is compared by `in`, `pmatch`, `intersects` or an operator with a modifier, not by `{0}`"
    )]
    ComparisonOfOneField(String),
    #[error("exception `{name}` exists already: values can be appended to it, `{key}` cannot")]
    FixedInException { name: String, key: &'static str },
    #[error("exception `{0}` is defined more than once in this rule")]
    ExceptionTwice(String),
    #[error("exception `{0}` is appended without values, so it changes nothing")]
    ExceptionWithoutValues(String),
    #[error("plugin requirement not satisfied, must load one of: {0}")]
    PluginNeeded(String),
    #[error("plugin `{0}` is required twice in one entry")]
    PluginTwice(String),
    #[error("unexpected key `{0}`: no entry of `override` names it")]
    NotOverridden(String),
    #[error("`override` names {}, which the item lacks or which cannot be overridden", shown(.0))]
    NothingToOverride(String),
    #[error("`{key}` cannot be overridden by {}", shown(mode))]
    BadOverride { key: String, mode: String },
    #[error("`{0}` is deprecated")]
    Deprecated(&'static str),
    #[error("`{0}` is not a valid name")]
    InvalidName(String),
    #[error("the condition grows beyond {limit} bytes")]
    ConditionTooLarge { limit: usize },
    #[error("the conditions together have more than {limit} distinct parts")]
    TooManyParts { limit: usize },
    #[error("more than {limit} {what}")]
    TooMany { what: &'static str, limit: usize },
    #[error("expected {expected}, found {found}")]
    Syntax { expected: &'static str, found: String },
    #[error("{0}")]
    BadString(&'static str),
    #[error("a value of {len} bytes is longer than {limit}")]
    ValueTooLong { len: usize, limit: usize },
    #[error("unknown macro `{0}`")]
    UnknownMacro(String),
    #[error("macro `{0}` uses itself by way of other macros")]
    MacroLoop(String),
    #[error("unknown field {}", shown(.0))]
    UnknownField(String),
    #[error("`{field}` takes {takes}")]
    BadArgument { field: &'static str, takes: &'static str },
    #[error("unknown event argument {}", shown(.0))]
    UnknownEventArg(String),
    #[error("unknown event type {}", shown(.0))]
    UnknownEventType(String),
    #[error("operator `{op}` is not for {class} fields such as `{field}`")]
    OperatorType { op: &'static str, class: &'static str, field: String },
    #[error("{} is not {expected}", shown(value))]
    BadValue { value: String, expected: &'static str },
    #[error("{} is not a regular expression: {why}", shown(pattern))]
    BadPattern { pattern: String, why: String },
    #[error("`{name}` takes {takes}, {given} given")]
    ArgumentCount { name: &'static str, takes: &'static str, given: usize },
    #[error("`{name}` takes {takes}, this is {is}")]
    ArgumentType { name: &'static str, takes: &'static str, is: String },
    #[error("a list cannot hold another list")]
    ListInList,
    #[error("a list of a transformer takes text and whole numbers, this is {0}")]
    ListElement(&'static str),
    #[error("`{0}` takes no selector in brackets, only `getopt` does")]
    NoSelector(&'static str),
    #[error("`{0}` cannot be given to a transformer")]
    NoTransformer(String),
    #[error("`{0}` cannot be compared with another field")]
    NoFieldComparison(String),
    #[error("`{0}` compares with values only, not with another field")]
    NoFieldOnTheRight(&'static str),
    #[error("`{left}` is {left_is}, the right side is {right_is}: both have to be the same")]
    TypesDiffer { left: String, left_is: String, right_is: String },
    #[error("a transformer over `{0}` hides which event types can match")]
    EventTypeTransformed(&'static str),
    #[error("`{0}` compared with another field does not tell which event types can match")]
    EventTypeAgainstField(&'static str),
    #[error("the value `{0}` is the name of a field, but stands for its text here")]
    FieldAsValue(String),
    #[error("the value `{0}` reads like a transformer, but stands for its text here")]
    TransformerAsValue(String),
    #[error(
        "the regular expression {} does what `=`, `contains`, `startswith` or `endswith` do at less cost",
        shown(.0)
    )]
    NeedlessRegex(String),
    #[error("`{field}` with `{op}` {does}")]
    Irregular { field: String, op: &'static str, does: &'static str },
    #[error("matches {0} event types, so every event has to be looked at")]
    NoEventType(usize),
    #[error("`{0}` is compared with the text `<NA>`, which a missing value never equals")]
    UnsafeNa(String),
    #[error("`{0}` is not used by any rule")]
    Unused(String),
    #[error("invalid output: {0}")]
    Output(&'static str),
}

/// Text of a rule file in a message: in backquotes, which alone would not be seen around nothing.
pub(crate) fn shown(text: &str) -> String {
    if text.is_empty() { "\"\"".to_owned() } else { format!("`{text}`") }
}

/// Text in which control characters, which a terminal would obey, are written as escapes.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

fn missing(keys: &[&str]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    match &keys[..] {
        [one] => format!("{one} is missing"),
        [first @ .., last] => format!("{} and {last} are missing", first.join(", ")),
        [] => String::new(),
    }
}

/// Trouble found by a stage, before it is tied to an item and drawn.
#[derive(Clone, Debug)]
pub(crate) struct Diag {
    pub(crate) code: Code,
    /// Boxed to keep results small.
    pub(crate) problem: Box<Problem>,
    pub(crate) span: Span,
    pub(crate) hint: Option<String>,
    pub(crate) item: Option<(ItemKind, Arc<str>)>,
}

impl Diag {
    pub(crate) fn new(code: Code, problem: Problem, span: Span) -> Self {
        Self { code, problem: Box::new(problem), span, hint: None, item: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn did_you_mean(mut self, name: Option<&str>) -> Self {
        self.hint = name.map(|n| format!("did you mean `{n}`?"));
        self
    }

    /// Names the item, unless a stage further in has done so.
    pub(crate) fn of(mut self, kind: ItemKind, name: &Arc<str>) -> Self {
        self.item.get_or_insert_with(|| (kind, name.clone()));
        self
    }

    pub(crate) fn draw(self, files: &Files) -> RuleError {
        let place = files.place(self.span);
        RuleError {
            code: self.code,
            problem: *self.problem,
            item: self.item,
            file: place.file.clone(),
            line: place.line,
            column: place.column,
            // Lines may be as long as a file.
            line_text: place
                .text
                .chars()
                .skip(skipped_columns(place.column))
                .take(2 * SHOWN_COLUMNS)
                .collect(),
            width: place.width,
            hint: self.hint,
        }
    }
}

/// Errors, and warnings, of one load that are kept; one more says that there are others.
pub(crate) const MAX_DIAGS: usize = 1000;

/// What the stages found so far.
#[derive(Debug, Default)]
pub(crate) struct Diags {
    pub(crate) errors: Vec<Diag>,
    pub(crate) warnings: Vec<Diag>,
}

impl Diags {
    pub(crate) fn push(&mut self, diag: Diag) {
        let (found, what) = if diag.code.is_warning() {
            (&mut self.warnings, "warnings")
        } else {
            (&mut self.errors, "errors")
        };
        match found.len() {
            0..MAX_DIAGS => found.push(diag),
            MAX_DIAGS => {
                let problem = Problem::TooMany { what, limit: MAX_DIAGS };
                found.push(Diag { problem: Box::new(problem), hint: None, ..diag });
            }
            _ => {}
        }
    }

    /// The value, or nothing with the error noted.
    pub(crate) fn keep<T>(&mut self, result: Result<T, Diag>) -> Option<T> {
        result.map_err(|d| self.push(d)).ok()
    }
}

/// An error or warning of a rule file, with its place. `Display` draws it over several lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// Falco's code.
    pub code: Code,
    /// What is wrong.
    pub problem: Problem,
    /// The rule, macro or list it belongs to.
    pub item: Option<(ItemKind, Arc<str>)>,
    /// Name of the file.
    pub file: Arc<str>,
    /// Line, from 1; 0 where the trouble has no place.
    pub line: u32,
    /// Column, from 1, in characters.
    pub column: u32,
    /// Text of the line around the error: what is shown of it.
    pub line_text: String,
    /// Characters that the error covers on its line.
    pub width: u32,
    /// What to do about it.
    pub hint: Option<String>,
}

impl RuleError {
    /// A rule file could not be read: `why` is the system's text.
    #[must_use]
    pub fn file_read(file: &str, why: &str) -> Self {
        Self {
            code: Code::FileRead,
            problem: Problem::Io(why.to_owned()),
            item: None,
            file: file.into(),
            line: 0,
            column: 0,
            line_text: String::new(),
            width: 0,
            hint: None,
        }
    }

    /// The error on one line: `file:line:column: code: text`.
    #[must_use]
    pub fn one_line(&self) -> String {
        format!("{}: {}: {}", self.place(), self.code.as_str(), self.message())
    }

    /// What is wrong and what to do about it, on one line whatever the file says.
    #[must_use]
    pub fn message(&self) -> String {
        let hint = self.hint.as_ref().map_or_else(String::new, |h| format!("; {h}"));
        printable(&format!("{}{hint}", self.problem))
    }

    fn place(&self) -> String {
        match self.line {
            0 => self.file.to_string(),
            line => format!("{}:{line}:{}", self.file, self.column),
        }
    }
}

/// Columns of a line that are shown to either side of the error.
const SHOWN_COLUMNS: usize = 100;

/// Columns of a line before those that are shown.
fn skipped_columns(column: u32) -> usize {
    (column as usize).saturating_sub(1 + SHOWN_COLUMNS)
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = if self.code.is_warning() { "warning" } else { "error" };
        let problem = printable(&self.problem.to_string());
        writeln!(f, "{severity}[{}]: {problem}", self.code.as_str())?;
        write!(f, "  --> {}", self.place())?;
        if let Some((kind, name)) = &self.item {
            write!(f, " ({kind} `{}`)", printable(name))?;
        }
        if self.line > 0 {
            let number = self.line.to_string();
            let pad = " ".repeat(number.len());
            // A tab would move the caret away from its text.
            let shown: String =
                self.line_text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let before = " ".repeat(self.column as usize - 1 - skipped_columns(self.column));
            let carets = "^".repeat((self.width as usize).clamp(1, SHOWN_COLUMNS));
            write!(f, "\n{pad} |\n{number} | {shown}\n{pad} | {before}{carets}")?;
            if let Some(hint) = &self.hint {
                write!(f, "\n{pad} = hint: {}", printable(hint))?;
            }
        } else if let Some(hint) = &self.hint {
            write!(f, "\n  = hint: {}", printable(hint))?;
        }
        Ok(())
    }
}

impl std::error::Error for RuleError {}

/// The candidate nearest to `name` by edit distance, where one is near enough to be a likely misspelling.
#[must_use]
pub fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Hostile names may be as long as a file.
    if name.len() > 64 {
        return None;
    }
    let limit = (name.len() / 4).clamp(1, 3);
    let letters = letters_of(name);
    candidates
        .filter(|c| c.len().abs_diff(name.len()) <= limit)
        // An edit adds and takes away at most one letter each: most candidates are out without a closer look.
        .filter(|c| (letters_of(c) ^ letters).count_ones() as usize <= 2 * limit)
        .filter_map(|c| Some((distance(name.as_bytes(), c.as_bytes(), limit)?, c)))
        // Of two at one distance the one that begins alike: `fd.nam` is `fd.name` rather than `fd.num`.
        .min_by_key(|&(d, c)| {
            let alike = c.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
            (d, std::cmp::Reverse(alike))
        })
        .map(|(_, c)| c)
}

/// The letters that a name has, each a bit.
fn letters_of(name: &str) -> u64 {
    name.bytes().fold(0, |all, b| all | 1 << (b % 64))
}

/// Edit distance where swapping two neighbours is one edit, `None` where it is above `limit`. O(len a * len b).
fn distance(a: &[u8], b: &[u8], limit: usize) -> Option<usize> {
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut row = last.clone();
    for i in 1..=a.len() {
        row[0] = i;
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        // A swap reaches back two rows.
        if row.iter().chain(&last).all(|&n| n > limit) {
            return None;
        }
        std::mem::swap(&mut before, &mut last);
        std::mem::swap(&mut last, &mut row);
    }
    Some(last[b.len()]).filter(|&n| n <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_moves_no_cursor() {
        let mut error = RuleError::file_read("a.yaml", "");
        error.problem = Problem::UnknownKey("a\u{1b}[2J\nb".into());
        error.item = Some((ItemKind::Rule, "r\u{7}".into()));
        error.hint = Some("did you mean `\t`?".into());
        let one = "a.yaml: LOAD_ERR_FILE_READ: unknown key `a\\u{1b}[2J\\nb`; did you mean `\\t`?";
        assert_eq!(error.one_line(), one);
        let drawn = "error[LOAD_ERR_FILE_READ]: unknown key `a\\u{1b}[2J\\nb`\n  --> a.yaml (rule `r\\u{7}`)\n  = hint: did you mean `\\t`?";
        assert_eq!(error.to_string(), drawn);
    }

    #[test]
    fn neighbours_are_found() {
        for (a, b, n) in [
            ("", "abc", 3),
            ("nmae", "name", 1),
            ("nam", "name", 1),
            ("ab", "ba", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a.as_bytes(), b.as_bytes(), 3), Some(n), "{a} {b}");
        }
        assert_eq!(distance(b"kitten", b"sitting", 2), None);
        assert_eq!(closest("fd.nam", ["fd.num", "fd.name"].into_iter()), Some("fd.name"));
        assert_eq!(closest("xyz", ["abc"].into_iter()), None);
    }
}

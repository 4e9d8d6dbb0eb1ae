//! Rule files judged one by one, in the form of Falco's validation result.
//!
//! The files are loaded one after the other into one set. After each, everything known so far is compiled again, so that a file answers for all that
//! is known by then: what only a later file uses is unused until that file comes.

use std::fmt;

use serde::Serialize;

use crate::append::Appends;
use crate::collect::collect;
use crate::compile::compile;
use crate::error::{Code, Diag, Diags, RuleError};
use crate::locations::{Context, Position, context};
use crate::rule_schema::verdict;
use crate::ruleset::Options;
use crate::source::{Files, Source};
use crate::yaml::{Node, read};

/// A file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Its name.
    pub name: String,
    /// The system's reason.
    pub why: String,
}

/// What is to be said of one file. Serialises to an element of Falco's `falco_load_results`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileResult {
    /// What makes the file unusable.
    pub errors: Vec<Finding>,
    /// Name of the file.
    pub name: String,
    /// Whether the file has the shape of the JSON schema.
    pub schema_valid: bool,
    /// `ok`, `none` where there is nothing to judge, or where it departs from the schema, from the inside out.
    pub schema_warnings: Vec<String>,
    /// Whether there are no errors.
    pub successful: bool,
    /// What is doubtful.
    pub warnings: Vec<Finding>,
}

/// An error or a warning of a [`FileResult`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Falco's code.
    pub code: &'static str,
    /// What the code stands for.
    pub codedesc: &'static str,
    /// Where it is.
    pub context: Context,
    /// What is wrong, and the hint if there is one.
    pub message: String,
    /// The same, ready to be drawn.
    #[serde(skip)]
    pub drawn: RuleError,
}

impl FileResult {
    /// `name: Ok`, `name: Ok, with warnings` or `name: Invalid`.
    #[must_use]
    pub fn summary(&self) -> String {
        let verdict = match (self.successful, self.warnings.is_empty()) {
            (true, true) => "Ok",
            (true, false) => "Ok, with warnings",
            (false, _) => "Invalid",
        };
        format!("{}: {verdict}", self.name)
    }

    fn new(name: String, docs: &[Node], findings: (Vec<Finding>, Vec<Finding>)) -> Self {
        let schema_warnings = verdict(docs);
        let schema_valid = schema_warnings.iter().all(|w| w == "ok" || w == "none");
        let (errors, warnings) = findings;
        let successful = errors.is_empty();
        Self { errors, name, schema_valid, schema_warnings, successful, warnings }
    }
}

impl Finding {
    fn new(drawn: RuleError, context: Context) -> Self {
        Self {
            code: drawn.code.as_str(),
            codedesc: drawn.code.description(),
            context,
            message: drawn.message(),
            drawn,
        }
    }
}

/// The chain of places, the snippet and the message over several lines, as Falco prints a finding.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, location) in self.context.locations.iter().enumerate() {
            let indent = if i == 0 { "In " } else { "    " };
            write!(f, "{indent}{}", location.item_type)?;
            if !location.item_name.is_empty() {
                write!(f, " '{}'", location.item_name)?;
            }
            let Position { name, line, column, .. } = &location.position;
            writeln!(f, ": ({name}:{line}:{column})")?;
        }
        writeln!(f, "------\n{}------", self.context.snippet)?;
        write!(f, "{} ({}): {}", self.code, self.drawn.code.title(), self.message)
    }
}

/// Judges files in order. What cannot be read is an error of its own and leaves the others as they are.
#[must_use]
pub fn validate(files: Vec<Result<Source, Unread>>, options: &Options) -> Vec<FileResult> {
    let mut loading = Loading { files: Files::default(), docs: Vec::new(), options };
    files
        .into_iter()
        .map(|file| match file {
            Ok(source) => loading.add(source),
            Err(Unread { name, why }) => unread(&name, &why),
        })
        .collect()
}

fn unread(name: &str, why: &str) -> FileResult {
    let error = RuleError::file_read(name, why);
    let mut files = Files::default();
    let at = files.add_empty(name);
    let context = context(&files, &[], at, error.code, &error.problem);
    FileResult::new(name.to_owned(), &[], (vec![Finding::new(error, context)], Vec::new()))
}

/// The files so far.
struct Loading<'a> {
    files: Files,
    /// Documents of each file; none where it is no YAML.
    docs: Vec<Vec<Node>>,
    options: &'a Options,
}

impl Loading<'_> {
    fn add(&mut self, source: Source) -> FileResult {
        let name = source.name.clone();
        let file = self.files.add(source);
        self.docs.push(read(&self.files, file).unwrap_or_default());
        let mut reading = Diags::default();
        let items = collect(&self.files, file + 1, &mut reading);
        // Earlier files have answered for how they read.
        let mut found = Diags::default();
        for diag in reading.errors.into_iter().chain(reading.warnings) {
            if diag.span.start.file == file {
                found.push(diag);
            }
        }
        if found.errors.is_empty() {
            compile(&items, Appends::default(), self.options, &mut found);
            // So they have for the sources of their rules.
            let is_of_this = |d: &Diag| d.code != Code::UnknownSource || d.span.start.file == file;
            found.warnings.retain(is_of_this);
        }
        let findings = (self.findings(found.errors), self.findings(found.warnings));
        FileResult::new(name, &self.docs[file as usize], findings)
    }

    fn findings(&self, diags: Vec<Diag>) -> Vec<Finding> {
        let finding = |diag: Diag| {
            let at = diag.span.start;
            let docs = &self.docs[at.file as usize];
            let context = context(&self.files, docs, at, diag.code, &diag.problem);
            Finding::new(diag.draw(&self.files), context)
        };
        diags.into_iter().map(finding).collect()
    }
}

//! Exceptions to condition text. The language defines them so: the text goes through lists and the parser with the
//! rule's own, and each part of it still points at the field or the value that it comes from.

use std::borrow::Cow;

use super::exceptions::{Comparison, Entry, EntryKind, ExceptionDef};
use super::{MAX_TEXT_BYTES, RuleDef};
use crate::error::{Code, Diag, Problem};
use crate::source::{Pos, Span, Traced};

impl RuleDef {
    /// The condition with what the exceptions add to it.
    pub(crate) fn full_condition(&self) -> Result<Cow<'_, Traced>, Diag> {
        if self.exceptions.iter().all(|e| e.values.is_empty()) {
            return Ok(Cow::Borrowed(&self.condition));
        }
        let (start, end) = (self.condition.pos(0), self.condition.pos(self.condition.len()));
        let mut out = Text(Traced::empty(start));
        out.word("(", start)?;
        out.part(&self.condition)?;
        out.word(")", end)?;
        for ex in self.exceptions.iter().filter(|e| !e.values.is_empty()) {
            out.word(" and not (", ex.span.start)?;
            if ex.is_tuple {
                ex.tuples(&mut out)?;
            } else {
                ex.values_of_one_field(&mut out)?;
            }
            out.word(")", ex.span.start)?;
        }
        Ok(Cow::Owned(out.0))
    }
}

impl ExceptionDef {
    /// `(field op value and ...) or (...)`.
    fn tuples(&self, out: &mut Text) -> Result<(), Diag> {
        for (i, tuple) in self.values.iter().enumerate() {
            let at = tuple.span.start;
            let EntryKind::List(entries) = &tuple.kind else {
                return Err(shape(tuple, "a sequence of sequences with a value for each field"));
            };
            if entries.len() != self.comparisons.len() {
                let (fields, found) = (self.comparisons.len(), entries.len());
                let problem = Problem::UnequalLengths { what: "values", fields, found };
                return Err(Diag::new(Code::Validate, problem, tuple.span));
            }
            out.word(if i == 0 { "(" } else { " or (" }, at)?;
            for (k, (comparison, entry)) in self.comparisons.iter().zip(entries).enumerate() {
                if k > 0 {
                    out.word(" and ", entry.span.start)?;
                }
                out.comparison(comparison, entry.span.start)?;
                match &entry.kind {
                    EntryKind::List(items) => out.list(items)?,
                    EntryKind::Text(text) if comparison.takes_list() => out.parenthesised(text)?,
                    EntryKind::Text(text) => out.value(text)?,
                }
            }
            out.word(")", at)?;
        }
        Ok(())
    }

    /// `field op (value, ...)`.
    fn values_of_one_field(&self, out: &mut Text) -> Result<(), Diag> {
        for comparison in &self.comparisons {
            out.comparison(comparison, self.span.start)?;
        }
        out.list(&self.values)
    }
}

fn shape(entry: &Entry, expected: &'static str) -> Diag {
    Diag::new(Code::Validate, Problem::WrongType { key: "values", expected }, entry.span)
}

/// A condition that grows, up to a limit.
struct Text(Traced);

impl Text {
    fn word(&mut self, word: &str, at: Pos) -> Result<(), Diag> {
        self.0.push_at(word, at);
        self.within_limit(at)
    }

    fn part(&mut self, part: &Traced) -> Result<(), Diag> {
        self.0.push_part(part, 0..part.len());
        self.within_limit(part.pos(0))
    }

    fn within_limit(&self, at: Pos) -> Result<(), Diag> {
        if self.0.len() > MAX_TEXT_BYTES {
            let problem = Problem::ConditionTooLarge { limit: MAX_TEXT_BYTES };
            return Err(Diag::new(Code::Validate, problem, Span { start: at, end: at }));
        }
        Ok(())
    }

    fn comparison(&mut self, comparison: &Comparison, at: Pos) -> Result<(), Diag> {
        self.part(&comparison.field)?;
        self.word(" ", at)?;
        self.part(&comparison.operator)?;
        self.word(" ", at)
    }

    /// Quoted where it has a blank and no quote yet; nothing else is escaped.
    fn value(&mut self, text: &Traced) -> Result<(), Diag> {
        let needs_quotes = text.as_str().contains(' ') && !text.as_str().starts_with(['"', '\'']);
        let quote = if needs_quotes { "\"" } else { "" };
        self.word(quote, text.pos(0))?;
        self.part(text)?;
        self.word(quote, text.pos(text.len()))
    }

    fn list(&mut self, entries: &[Entry]) -> Result<(), Diag> {
        for (i, entry) in entries.iter().enumerate() {
            let text = entry.text().ok_or_else(|| shape(entry, "texts here"))?;
            self.word(if i == 0 { "(" } else { ", " }, text.pos(0))?;
            self.value(text)?;
        }
        let Some(last) = entries.last() else {
            // An empty list says so itself; its place is that of whatever stands before.
            let at = self.0.pos(self.0.len());
            return self.word("()", at);
        };
        self.word(")", last.span.start)
    }

    /// In parentheses unless it has them, so that the name of a list can stand for its items.
    fn parenthesised(&mut self, text: &Traced) -> Result<(), Diag> {
        if text.as_str().starts_with('(') {
            return self.part(text);
        }
        self.word("(", text.pos(0))?;
        self.part(text)?;
        self.word(")", text.pos(text.len()))
    }
}

#[cfg(test)]
mod tests {
    use crate::collect::collect;
    use crate::error::Diags;
    use crate::source::{Files, Source};

    /// The condition of a rule with these exceptions, and the characters that its bytes stand for.
    fn generated(exceptions: &str) -> Result<(String, String), String> {
        let text = format!(
            "- rule: r\n  desc: d\n  condition: C\n  output: o\n  priority: INFO\n  exceptions: {exceptions}\n"
        );
        let mut files = Files::default();
        files.add(Source { name: "t".into(), text: text.clone() });
        let mut diags = Diags::default();
        let items = collect(&files, 1, &mut diags);
        if let Some(diag) = diags.errors.into_iter().next() {
            return Err(diag.draw(&files).one_line());
        }
        let condition = items.rules.all[0].full_condition();
        let condition = condition.map_err(|diag| diag.draw(&files).one_line())?;
        let written = (0..condition.len())
            .map(|i| char::from(text.as_bytes()[condition.pos(i).offset as usize]))
            .collect();
        Ok((condition.as_str().to_owned(), written))
    }

    #[test]
    fn exceptions_become_text() {
        for (exceptions, expected) in [
            ("[]", "C"),
            ("[{name: e, fields: proc.name}]", "C"),
            ("[{name: e, fields: [proc.name], values: []}]", "C"),
            ("[{name: e, fields: proc.name, values: [v]}]", "(C) and not (proc.name in (v))"),
            (
                "[{name: e, fields: proc.name, values: [v, a b, 'l m', '\"x y\"', 7]}]",
                "(C) and not (proc.name in (v, \"a b\", \"l m\", \"x y\", 7))",
            ),
            (
                "[{name: e, fields: proc.name, comps: pmatch, values: [v]}]",
                "(C) and not (proc.name pmatch (v))",
            ),
            (
                "[{name: e, fields: proc.name, comps: 'startswith  anyof', values: [v, w]}]",
                "(C) and not (proc.name startswith anyof (v, w))",
            ),
            (
                "[{name: e, fields: [proc.name, fd.num], values: [[v, 1]]}]",
                "(C) and not ((proc.name = v and fd.num = 1))",
            ),
            (
                "[{name: e, fields: [proc.name, fd.num], comps: [startswith, '>'], values: [[v, 1], [w x, 2]]}]",
                "(C) and not ((proc.name startswith v and fd.num > 1) or (proc.name startswith \"w x\" and fd.num > 2))",
            ),
            (
                "[{name: e, fields: [proc.name], comps: [in], values: [[l], [[l]], [(l)], [[a b, c]]]}]",
                "(C) and not ((proc.name in (l)) or (proc.name in (l)) or (proc.name in (l)) or (proc.name in (\"a b\", c)))",
            ),
            (
                "[{name: e, fields: [proc.name], comps: [endswith allof], values: [[l m], [[]]]}]",
                "(C) and not ((proc.name endswith allof (l m)) or (proc.name endswith allof ()))",
            ),
            (
                "[{name: e, fields: [toupper(proc.name)], values: [[val(proc.pname)], [\"'val(proc.pname)'\"]]}]",
                "(C) and not ((toupper(proc.name) = val(proc.pname)) or (toupper(proc.name) = 'val(proc.pname)'))",
            ),
            (
                "[{name: e, fields: proc.name, values: [v]}, {name: g, fields: fd.num, values: [1]}]",
                "(C) and not (proc.name in (v)) and not (fd.num in (1))",
            ),
        ] {
            let text = generated(exceptions).map(|(text, _)| text);
            assert_eq!(text.as_deref(), Ok(expected), "{exceptions}");
        }
    }

    #[test]
    fn each_part_keeps_its_place() {
        let (text, written) =
            generated("[{name: e, fields: [proc.name], values: [[V], [(l)]]}]").unwrap();
        assert_eq!(text, "(C) and not ((proc.name = V) or (proc.name = (l)))");
        assert_eq!(written, "CC\neeeeeeeeee[proc.nameVpVV[[[[[[proc.name(p((l)[e");
    }

    #[test]
    fn exceptions_that_are_wrong_say_where() {
        for (exceptions, expected) in [
            ("x", "t:6:15: LOAD_ERR_YAML_VALIDATE: `exceptions` must be a sequence of maps"),
            ("[x]", "t:6:16: LOAD_ERR_YAML_VALIDATE: `exceptions` must be a sequence of maps"),
            ("[{fields: f.a}]", "t:6:16: LOAD_ERR_YAML_VALIDATE: `name` is missing"),
            ("[{name: e}]", "t:6:16: LOAD_ERR_YAML_VALIDATE: `fields` is missing"),
            ("[{}]", "t:6:16: LOAD_ERR_YAML_VALIDATE: `name` and `fields` are missing"),
            ("[{name: e, fields: []}]", "t:6:23: LOAD_ERR_YAML_VALIDATE: `fields` is missing"),
            (
                "[{name: e, fields: ''}]",
                "t:6:34: LOAD_ERR_YAML_VALIDATE: `fields` must be text that is not empty",
            ),
            (
                "[{name: e, fields: [[proc.name]]}]",
                "t:6:35: LOAD_ERR_YAML_VALIDATE: `fields` must be text or a sequence of texts",
            ),
            (
                "[{name: e, fields: [proc.nam]}]",
                "t:6:35: LOAD_ERR_VALIDATE: unknown field `proc.nam`; did you mean `proc.name`?",
            ),
            (
                "[{name: e, fields: [toupper(proc.nam)]}]",
                "t:6:43: LOAD_ERR_VALIDATE: unknown field `proc.nam`; did you mean `proc.name`?",
            ),
            (
                "[{name: e, fields: [toupper(proc.pid)]}]",
                "t:6:43: LOAD_ERR_VALIDATE: `toupper` takes text, this is INT64",
            ),
            (
                "[{name: e, fields: ['toupper(proc.name']}]",
                "t:6:53: LOAD_ERR_VALIDATE: expected `,` or `)`, found the end of the condition",
            ),
            (
                "[{name: e, fields: proc.name x}]",
                "t:6:34: LOAD_ERR_VALIDATE: unknown field `proc.name x`",
            ),
            (
                "[{name: e, fields: [proc.name], comps: [=, =]}]",
                "t:6:54: LOAD_ERR_VALIDATE: `comps` has 2 entries where `fields` has 1",
            ),
            (
                "[{name: e, fields: [proc.name], comps: =}]",
                "t:6:54: LOAD_ERR_VALIDATE: `comps` must be a sequence, as `fields` is",
            ),
            (
                "[{name: e, fields: proc.name, comps: [in]}]",
                "t:6:52: LOAD_ERR_VALIDATE: `comps` must be one text, as `fields` is",
            ),
            (
                "[{name: e, fields: [proc.name], comps: [is]}]",
                "t:6:55: LOAD_ERR_VALIDATE: `is` is not a comparison operator",
            ),
            (
                "[{name: e, fields: [proc.name], comps: [in anyof]}]",
                "t:6:55: LOAD_ERR_VALIDATE: `in anyof` is not a comparison operator",
            ),
            (
                "[{name: e, fields: proc.name, comps: =}]",
                "t:6:52: LOAD_ERR_VALIDATE: one field is compared by `in`, `pmatch`, `intersects` or an operator with a modifier, not by `=`",
            ),
            (
                "[{name: e, fields: proc.name, values: x}]",
                "t:6:53: LOAD_ERR_YAML_VALIDATE: `values` must be a sequence",
            ),
            (
                "[{name: e, fields: proc.name, values: [[x]]}]",
                "t:6:54: LOAD_ERR_VALIDATE: `values` must be texts here",
            ),
            (
                "[{name: e, fields: proc.name, values: ['']}]",
                "t:6:54: LOAD_ERR_YAML_VALIDATE: `values` must be text that is not empty",
            ),
            (
                "[{name: e, fields: [proc.name], values: [x]}]",
                "t:6:56: LOAD_ERR_VALIDATE: `values` must be a sequence of sequences with a value for each field",
            ),
            (
                "[{name: e, fields: [proc.name], values: [[x, y]]}]",
                "t:6:56: LOAD_ERR_VALIDATE: `values` has 2 entries where `fields` has 1",
            ),
        ] {
            assert_eq!(generated(exceptions).map(|_| ()), Err(expected.to_owned()), "{exceptions}");
        }
    }

    #[test]
    fn a_condition_does_not_grow_without_bound() {
        let values = vec!["x".repeat(200); 6000].join(", ");
        let e = generated(&format!("[{{name: e, fields: proc.name, values: [{values}]}}]"));
        assert!(e.unwrap_err().contains("the condition grows beyond 1048576 bytes"));
    }
}

//! One condition by itself: what selects events where no rules are asked.
//!
//! ```
//! use event::EventType;
//! use rules::{FieldRef, Fields, Filter, Value};
//!
//! struct Cat;
//! impl Fields for Cat {
//!     fn get(&self, _: &FieldRef) -> Option<Value<'_>> {
//!         Some(Value::Bytes(b"cat"))
//!     }
//! }
//! let filter = Filter::compile("evt.type = openat and proc.name = cat").unwrap();
//! let mut scratch = filter.scratch();
//! assert!(filter.matches(EventType::OPENAT_2_X, &Cat, &mut scratch));
//! assert!(!filter.matches(EventType::LISTEN_X, &Cat, &mut scratch));
//!
//! let error = Filter::compile("proc.nam = cat").unwrap_err();
//! assert_eq!((error.start, error.hint.as_deref()), (0, Some("did you mean `proc.name`?")));
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use event::{CallSet, EventSet, EventType};

use crate::collect::Collected;
use crate::compile::fields_read;
use crate::error::{Diag, Diags, Problem};
use crate::eval::MatchScratch;
use crate::program::Program;
use crate::resolve::Resolver;
use crate::ruleset::FILE_NAMES;
use crate::schema::{FieldRef, SYSCALL};
use crate::source::{Pos, Traced};
use crate::types::all_named;

/// A compiled condition.
#[derive(Debug)]
pub struct Filter {
    program: Program,
    types: EventSet,
    types_by_name: EventSet,
    generic_calls: CallSet,
    fields: BTreeSet<FieldRef>,
}

/// A text that stands by itself, a condition or a format, cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    /// Byte of the text at which the trouble begins.
    pub start: usize,
    /// Byte behind it.
    pub end: usize,
    /// What is wrong.
    pub problem: Problem,
    /// What to do about it.
    pub hint: Option<String>,
}

impl TextError {
    pub(crate) fn of(diag: &Diag) -> Self {
        let (start, end) = (diag.span.start.offset as usize, diag.span.end.offset as usize);
        Self { start, end, problem: (*diag.problem).clone(), hint: diag.hint.clone() }
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.problem)
    }
}

impl std::error::Error for TextError {}

/// A text whose bytes stand where they are.
pub(crate) fn traced(text: &str) -> Traced {
    let pos = |at: usize| Pos { file: 0, offset: at as u32 };
    let mut traced = Traced::empty(pos(0));
    traced.push_with(text, pos);
    traced
}

impl Filter {
    /// Compiles a condition. There are no lists and macros that it could name.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn compile(text: &str) -> Result<Self, TextError> {
        let items = Collected::default();
        let mut diags = Diags::default();
        let mut resolver = Resolver::new(&items, Arc::default(), &mut diags);
        let (traced, name) = (traced(text), Arc::from("filter"));
        let root = resolver.condition(&traced, SYSCALL, &name).map_err(|failure| {
            let first = failure.first.clone();
            resolver.tell(failure, &mut diags);
            // A condition without macros fails for a reason of its own.
            let first = first.or_else(|| diags.errors.first().cloned().map(Box::new));
            first.map_or_else(
                || TextError {
                    start: 0,
                    end: text.len(),
                    problem: Problem::BadString("the condition has no meaning"),
                    hint: None,
                },
                |diag| TextError::of(&diag),
            )
        })?;
        let reach = resolver.ir.types[root as usize];
        let (types, generic_calls) = (reach.when_true, reach.calls());
        let tests = resolver.ir.tests(root);
        let read = tests.iter().filter(|t| !t.test.is_never()).flat_map(|t| fields_read(t));
        let fields = read.cloned().collect();
        let program = Program::compile(&resolver.ir, &[(root, types)]);
        let types_by_name = all_named(&tests).0.intersection(&types);
        Ok(Self { program, types, types_by_name, generic_calls, fields })
    }

    /// The event types that it can match.
    #[must_use]
    pub fn interest(&self) -> EventSet {
        self.types
    }

    /// Those of [`Filter::interest`] that it names, and does not merely leave open.
    #[must_use]
    pub fn types_by_name(&self) -> EventSet {
        self.types_by_name
    }

    /// The calls without an event type of their own that it can match.
    #[must_use]
    pub fn generic_calls(&self) -> CallSet {
        self.generic_calls
    }

    /// Every field that it reads, each once, in schema order.
    pub fn fields_used(&self) -> impl Iterator<Item = &FieldRef> {
        self.fields.iter()
    }

    /// Whether nothing but the thread of an event and its process decide, as they are known at the time.
    #[must_use]
    pub fn is_of_process(&self) -> bool {
        self.fields.iter().all(|field| field.field.is_of_process())
    }

    /// Whether, beside that, no other process than the event's own has a part in its answer.
    #[must_use]
    pub fn is_of_own_process(&self) -> bool {
        self.fields.iter().all(FieldRef::is_of_own_process)
    }

    /// Whether it reads a file name, so that both views of one count.
    #[must_use]
    pub fn reads_names(&self) -> bool {
        self.fields.iter().any(|field| FILE_NAMES.contains(&field.field))
    }

    /// Working memory for one evaluating thread.
    #[must_use]
    pub fn scratch(&self) -> MatchScratch {
        let mut scratch = MatchScratch::default();
        scratch.fit(&self.program);
        scratch
    }

    /// Whether an event matches. Does not allocate once `scratch` has been used with this filter.
    #[inline]
    pub fn matches<F: crate::Fields>(
        &self,
        event_type: EventType,
        fields: &F,
        scratch: &mut MatchScratch,
    ) -> bool {
        let meter = &mut crate::costs::Untimed;
        self.program.run(true, event_type, fields, scratch, meter);
        !scratch.matched.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use event::Call;

    use super::*;

    fn check(text: &str, start: usize, end: usize, problem: &str) {
        let error = Filter::compile(text).unwrap_err();
        assert_eq!((error.start, error.end), (start, end), "{text}: {error}");
        assert_eq!(error.to_string(), problem, "{text}");
    }

    #[test]
    fn errors_say_where() {
        check("evt.nope=1", 0, 8, "unknown field `evt.nope`");
        check("evt.type=open and evt.nope=1", 18, 26, "unknown field `evt.nope`");
        check("evt.type=nope", 9, 13, "unknown event type `nope`");
        let error = Filter::compile("evt.type=open and (").unwrap_err();
        assert_eq!(error.start, 19, "{error}");
        assert!(Filter::compile("").is_err());
        let error = Filter::compile("no_such_macro and evt.type=open").unwrap_err();
        assert_eq!(error.problem, Problem::UnknownMacro("no_such_macro".into()));
    }

    #[test]
    fn it_tells_what_it_reads() {
        let filter = Filter::compile("proc.name=a or evt.type in (open, close)").unwrap();
        let fields: Vec<String> = filter.fields_used().map(ToString::to_string).collect();
        assert_eq!(fields, ["evt.type", "proc.name"]);
        assert_eq!(filter.interest(), EventSet::all());
        assert!(!filter.is_of_process());
        assert!(Filter::compile("proc.name=a or user.name=b").unwrap().is_of_process());
        let is_of_own = |text| Filter::compile(text).unwrap().is_of_own_process();
        assert!(is_of_own("proc.name=a or user.name=b"));
        for text in ["proc.pname=a", "proc.aname=a", "proc.ppid=1", "proc.apid[2]=1", "proc.sid=1"]
        {
            assert!(!is_of_own(text), "{text}");
        }
        let filter = Filter::compile("proc.name=a and evt.type = listen").unwrap();
        assert!(filter.interest().contains(EventType::LISTEN_X));
        assert!(!filter.interest().contains(EventType::OPEN_X));
        assert!(filter.generic_calls().is_empty());
        let filter = Filter::compile("evt.type = getpid or evt.type = open").unwrap();
        assert_eq!(filter.generic_calls().iter().map(Call::name).collect::<Vec<_>>(), ["getpid"]);
        let by_name = |text: &str| Filter::compile(text).unwrap().types_by_name();
        let switch = EventType::SWITCH_6_E;
        assert!(by_name("evt.type in (open, switch)").contains(switch));
        assert!(by_name("not evt.type != switch").contains(switch));
        assert!(!by_name("evt.type != switch or proc.name = a").is_empty());
        for text in ["evt.type != switch", "evt.type != open", "proc.name = a", "evt.num > 0"] {
            assert!(by_name(text).is_empty(), "{text}");
        }
    }
}

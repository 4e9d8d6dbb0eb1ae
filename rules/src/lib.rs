//! Falco rules from text to an immutable ruleset.
//!
//! `YAML -> items -> collect -> syntax -> resolve -> check -> graph -> program`, then per event
//! `type index -> shared predicates -> matches -> alert`.
//!
//! ```
//! use event::EventType;
//! use rules::{AlertFacts, Field, FieldRef, Fields, Options, Ruleset, Source, Value};
//!
//! let text = r#"
//! - rule: Shadow read
//!   desc: The password file was opened.
//!   condition: evt.type in (open, openat) and fd.name = /etc/shadow
//!   output: "%proc.name opened %fd.name"
//!   priority: WARNING
//! "#;
//! let source = Source { name: "doc.yaml".into(), text: text.into() };
//! let ruleset = Ruleset::load(vec![source], Options::default()).unwrap();
//! assert!(ruleset.interest().contains(EventType::OPENAT_2_X));
//!
//! struct Cat;
//! impl Fields for Cat {
//!     fn get(&self, f: &FieldRef) -> Option<Value<'_>> {
//!         match f.field {
//!             Field::FdName => Some(Value::Bytes(b"/etc/shadow")),
//!             _ => None,
//!         }
//!     }
//! }
//! let mut scratch = ruleset.scratch();
//! let matched = ruleset.evaluate(EventType::OPENAT_2_X, &Cat, &mut scratch);
//! let alert = ruleset.alert(matched[0], &Cat, AlertFacts::default());
//! assert_eq!(alert.output, "<NA> opened /etc/shadow");
//!
//! let text = text.replace("fd.name =", "fd.nam =");
//! let errors = Ruleset::load(vec![Source { name: "doc.yaml".into(), text }], Options::default()).unwrap_err();
//! assert!(errors[0].to_string().contains("did you mean `fd.name`?"));
//! ```

#![forbid(unsafe_code)]

mod affix;
mod alert;
mod append;
mod ast;
mod buffers;
mod byte_bits;
mod candidates;
mod canonical;
mod catalog;
mod cells;
mod check;
mod clauses;
mod code_texts;
mod collect;
mod compare;
mod compile;
mod contains;
mod costs;
mod document;
mod emit;
mod error;
mod eval;
mod expr;
mod filter;
mod getopt;
mod glob;
mod group;
mod ir;
mod items;
mod lex;
mod lists;
mod literal;
mod locations;
mod masks;
mod misuse;
mod necessary;
mod operand;
mod output;
mod parse;
mod pmatch;
mod posix;
mod predicate;
mod program;
mod recent;
mod regex;
mod resolve;
mod rule_schema;
mod ruleset;
mod schema;
mod selection;
mod services;
mod source;
mod steps;
mod test;
mod time;
mod transform;
mod types;
mod validation;
mod value;
mod yaml;

pub use alert::{Alert, AlertMarks, AlertValue, NameView, Priority, RuleInfo, UnknownPriority};
pub use append::{ExtraField, OutputAppend};
pub use catalog::{
    Catalog, ConditionFacts, Description, ExceptionFacts, ListFacts, MacroFacts, RequiredPlugin,
    RuleFacts, SharedCheck,
};
pub use collect::ENGINE_VERSION;
pub use costs::{RuleCost, RuleCosts};
pub use document::{YamlNode, YamlValue};
pub use error::{Code, ItemKind, Problem, RuleError, closest};
pub use eval::{MatchScratch, RuleId};
pub use filter::{Filter, TextError};
pub use locations::{Context, Location, Position};
pub use necessary::{
    Clause, NamePattern, Necessary, TypeNeed, Unasked, Unfiltered, is_plain_path, is_plain_string,
};
pub use output::{LineFormat, LineScratch, escape_line, plain_len};
pub use rule_schema::RuleFileSchema;
pub use ruleset::{AlertFacts, DEFAULT_RULES, GivenItems, Options, RuleMatching, Ruleset};
pub use schema::{
    Arg, ArgKind, Arity, Class, ContainerField, EvtField, Extracted, FdField, FdListField, Field,
    FieldInfo, FieldRef, FieldType, Format, FsPathField, ProcField, UserField,
};
pub use selection::{IdleSelection, SelectBy, Selection};
pub use services::service_name;
pub use source::Source;
pub use validation::{FileResult, Finding, Unread, validate};
pub use value::{Fields, ProcessId, Value};
pub use yaml::MAX_FILE_BYTES;

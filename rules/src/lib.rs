//! Falco rules from text to an immutable ruleset.

#![forbid(unsafe_code)]

mod alert;
mod error;
mod schema;
mod value;

pub use alert::{Alert, AlertMarks, AlertValue, NameView, Priority, RuleInfo, UnknownPriority};
pub use schema::{Arg, ArgKind, Arity, Field, FieldInfo, FieldRef, FieldType, Format};
pub use value::{Fields, Value};

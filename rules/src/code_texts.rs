//! What the codes mean, in a few words and in a sentence.

use crate::error::Code;

impl Code {
    /// A few words for what the code stands for.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::FileRead => "the file cannot be read",
            Self::YamlParse => "the text is not YAML",
            Self::YamlValidate => "the YAML has not the structure of a rule file",
            Self::CompileCondition => "the condition cannot be compiled",
            Self::CompileOutput => "the output cannot be compiled",
            Self::Validate => "a rule, macro, list or exception is wrong",
            Self::UnknownSource => "unknown event source",
            Self::UnsafeNaCheck => "unsafe comparison with <NA>",
            Self::NoEvtType => "the condition is open to most event types",
            Self::UnknownFilter => "unknown field or event type",
            Self::UnusedMacro => "unused macro",
            Self::UnusedList => "unused list",
            Self::UnknownItem => "unknown item",
            Self::DeprecatedItem => "deprecated item",
            Self::AppendNoValues => "exception without values",
            Self::ExceptionNameNotUnique => "exception name used twice",
            Self::InvalidMacroName => "invalid macro name",
            Self::InvalidListName => "invalid list name",
            Self::UnknownKey => "unknown key",
            Self::MisusedCondition => "doubtful condition",
        }
    }

    /// The text of `codedesc` in a validation result: the title of an error, of a warning what follows from it.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::FileRead
            | Self::YamlParse
            | Self::YamlValidate
            | Self::CompileCondition
            | Self::CompileOutput
            | Self::Validate => self.title(),
            Self::UnknownSource => {
                "The rule is for an event source that nothing here provides, and is left out."
            }
            Self::UnsafeNaCheck => {
                "Whether a field has a value cannot be told by comparing it with <NA>. Use `exists` instead."
            }
            Self::NoEvtType => {
                "The condition can match so many event types that most events have to be looked at. Restrict it by evt.type."
            }
            Self::UnknownFilter => {
                "A condition or output names a field or an event type that does not exist. The rule asks to be left out in that case, and is."
            }
            Self::UnusedMacro => "No rule and no other macro uses the macro.",
            Self::UnusedList => "No rule, macro or other list uses the list.",
            Self::UnknownItem => {
                "An entry of the file is no rule, macro, list or version requirement, and is ignored."
            }
            Self::DeprecatedItem => {
                "Something is used that still works and has a better replacement."
            }
            Self::AppendNoValues => {
                "An exception is appended or replaced without values, which changes nothing."
            }
            Self::ExceptionNameNotUnique => {
                "Two exceptions of one rule have the same name, so that appending to it is ambiguous."
            }
            Self::InvalidMacroName => {
                "The name of the macro cannot be written in a condition, so that nothing can use it."
            }
            Self::InvalidListName => {
                "The name of the list cannot be written in a condition, so that nothing can use it."
            }
            Self::UnknownKey => "A key has no meaning for the item, and is ignored.",
            Self::MisusedCondition => {
                "The condition is valid, but may not mean what it seems to, or can be written more simply."
            }
        }
    }
}

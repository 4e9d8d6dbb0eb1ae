//! What the configuration adds to the outputs of rules: Falco's `append_output`, and `-p`.

use std::sync::Arc;

use crate::collect::RuleDef;
use crate::error::{Code, Diag, Problem};
use crate::output::Template;
use crate::ruleset::Options;
use crate::schema::{Field, SYSCALL, Scope};
use crate::source::{Files, Traced};

/// Something added to the outputs of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputAppend {
    /// Where it comes from, for errors: `-p`, `append_output[0]`.
    pub origin: String,
    /// Only rules of this source.
    pub source: Option<String>,
    /// Only rules that have all of these tags.
    pub tags: Vec<String>,
    /// Only the rule of this name.
    pub rule: Option<String>,
    /// Added to the output behind a blank.
    pub extra_output: String,
    /// Added to the fields that an alert tells beside its text.
    pub extra_fields: Vec<ExtraField>,
    /// Adds `name=%name` of each field that is suggested for outputs.
    pub suggests: bool,
}

/// A field that an alert tells beside its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtraField {
    /// The value of the field of this name.
    Value(String),
    /// A text with fields in it, under a name of its own.
    Text {
        /// The name.
        name: String,
        /// The text.
        format: String,
    },
}

/// All of them, read once.
#[derive(Debug, Default)]
pub(crate) struct Appends(Vec<Append>);

#[derive(Debug)]
struct Append {
    source: Option<String>,
    tags: Vec<String>,
    rule: Option<String>,
    /// Behind each other.
    outputs: Vec<Traced>,
    /// The name that a text has; a value has that of its field.
    fields: Vec<(Option<Arc<str>>, Traced)>,
}

impl Appends {
    pub(crate) fn read(options: &Options, files: &mut Files) -> Self {
        Self(options.appends.iter().map(|append| Append::read(append, options, files)).collect())
    }

    /// Compiles everything once, instead of once for each rule: what is wrong is left out from then on.
    pub(crate) fn check(&mut self, scope: &Scope) -> Vec<Diag> {
        let mut wrong = Vec::new();
        let mut is_right = |text: &Traced, is_value: bool| {
            let compiled = compile(text, is_value, scope, &mut Vec::new());
            compiled.map_err(|diag| wrong.push(diag)).is_ok()
        };
        for Append { outputs, fields, .. } in &mut self.0 {
            outputs.retain(|text| is_right(text, false));
            fields.retain(|(name, text)| is_right(text, name.is_none()));
        }
        wrong
    }

    /// The output of a rule with what is added to its text.
    pub(crate) fn to_text(&self, def: &RuleDef) -> Option<Traced> {
        let mut all = self.of(def).flat_map(|append| &append.outputs).peekable();
        all.peek()?;
        let mut output = def.output.clone();
        all.for_each(|more| output.join(more));
        Some(output)
    }

    /// Adds to a rule's template what is told beside its text.
    pub(crate) fn to_fields(&self, def: &RuleDef, scope: &Scope, template: &mut Template) {
        for (name, text) in self.of(def).flat_map(|append| &append.fields) {
            // It was checked.
            let Ok(compiled) = compile(text, name.is_none(), scope, &mut Vec::new()) else {
                continue;
            };
            match name {
                None => template.tell(&compiled),
                Some(name) => template.tell_text(Arc::clone(name), compiled),
            }
        }
    }

    fn of<'a>(&'a self, def: &'a RuleDef) -> impl Iterator<Item = &'a Append> {
        self.0.iter().filter(|append| append.fits(def))
    }
}

impl Append {
    fn read(append: &OutputAppend, options: &Options, files: &mut Files) -> Self {
        let OutputAppend { origin, source, tags, rule, extra_output, extra_fields, suggests } =
            append;
        let mut add = |what: &str, text: &str| {
            let name = if what.is_empty() { origin.clone() } else { format!("{origin}.{what}") };
            files.add_text(&name, text)
        };
        let what = if origin == "-p" { "" } else { "extra_output" };
        let mut outputs: Vec<Traced> = add(what, extra_output).into_iter().collect();
        if *suggests {
            outputs.extend(add("suggested_output", &suggested(options)));
        }
        let mut fields = Vec::new();
        for (i, field) in extra_fields.iter().enumerate() {
            let (name, text) = match field {
                ExtraField::Value(field) => (None, format!("%{field}")),
                ExtraField::Text { name, format } => (Some(name.as_str().into()), format.clone()),
            };
            let text = add(&format!("extra_fields[{i}]"), &text);
            fields.extend(text.map(|text| (name, text)));
        }
        let (source, tags, rule) = (source.clone(), tags.clone(), rule.clone());
        Self { source, tags, rule, outputs, fields }
    }

    fn fits(&self, def: &RuleDef) -> bool {
        let Self { source, tags, rule, .. } = self;
        def.source == SYSCALL
            && source.as_ref().is_none_or(|source| *source == def.source)
            && rule.as_ref().is_none_or(|rule| **rule == *def.name)
            && tags.iter().all(|tag| def.tags.iter().any(|of_rule| of_rule == tag))
    }
}

/// A text with fields; as a value it is one field and nothing else.
fn compile(
    text: &Traced,
    is_value: bool,
    scope: &Scope,
    warnings: &mut Vec<Diag>,
) -> Result<Template, Diag> {
    let template = Template::compile(text, scope, warnings)?;
    if is_value && !template.is_one_field() {
        let problem = Problem::Output("more than the name of a field");
        return Err(Diag::new(Code::CompileOutput, problem, text.span(0..text.as_str().len()))
            .hint("a text takes a name: `name: \"text %field\"`"));
    }
    Ok(template)
}

/// What Falco suggests for outputs: the fields that its plugins mark so, and all that the configuration defines.
fn suggested(options: &Options) -> String {
    let scope = Scope::new(SYSCALL, &options.static_fields);
    // Of a plugin that is not there Falco suggests nothing.
    let is_suggested = |field: &Field| field.info().is_suggested() && field.extracted().is_some();
    let fields = Field::all().filter(is_suggested).map(|field| field.name().to_owned());
    let constants = options.static_fields.keys().map(|key| format!("static.{key}"));
    fields
        .chain(constants)
        .filter(|name| scope.field(name, None).is_ok())
        .map(|name| format!("{}=%{name}", name.replace('.', "_")))
        .collect::<Vec<_>>()
        .join(" ")
}

//! Definitions to compiled rules: the stages behind reading, shared by what runs rules and by what explains them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::alert::RuleInfo;
use crate::append::Appends;
use crate::collect::{Collected, RuleDef};
use crate::error::{Code, Diag, Diags, ItemKind, Problem};
use crate::ir::IrId;
use crate::output::Template;
use crate::predicate::{BytesTest, PredicateKey, TestKey};
use crate::resolve::Resolver;
use crate::ruleset::{Options, Rule};
use crate::schema::{FieldRef, SYSCALL, Scope};
use crate::selection::is_enabled;
use crate::types;

/// A rule that can match more types than this gets a warning.
const MANY_TYPES: usize = 100;

/// Everything of a load that has a condition.
pub(crate) struct Compiled<'a> {
    pub(crate) resolver: Resolver<'a>,
    /// In order of definition, without those that failed or were skipped.
    pub(crate) rules: Vec<CompiledRule>,
}

pub(crate) struct CompiledRule {
    /// Index of its definition.
    pub(crate) def: usize,
    pub(crate) rule: Rule,
    pub(crate) root: IrId,
    /// Whether it is switched on.
    pub(crate) is_enabled: bool,
    /// Whether events are evaluated against it: on, severe enough, and of a source whose events there are.
    pub(crate) is_active: bool,
}

/// Compiles all definitions, disabled ones too, because they must be right as well.
pub(crate) fn compile<'a>(
    items: &'a Collected,
    mut appends: Appends,
    options: &Options,
    diags: &mut Diags,
) -> Compiled<'a> {
    // Whoever has rules of other sources checked stands for the plugins that bring them.
    if options.sources.is_empty() {
        items.check_plugins(diags);
    }
    let mut resolver = Resolver::new(items, Arc::clone(&options.static_fields), diags);
    for wrong in appends.check(&Scope::new(SYSCALL, &options.static_fields)) {
        diags.push(wrong);
    }
    let mut rules = Vec::new();
    for (i, def) in items.rules.all.iter().enumerate() {
        if def.source != SYSCALL && !options.sources.contains(&def.source) {
            let problem = Problem::UnknownSource(def.source.clone());
            let diag = Diag::new(Code::UnknownSource, problem, def.span);
            diags.push(diag.of(ItemKind::Rule, &def.name));
            continue;
        }
        let Some((rule, root)) = compile_rule(def, options, &appends, &mut resolver, diags) else {
            continue;
        };
        let is_enabled = is_enabled(def, &options.selections);
        let is_active = is_enabled && def.priority <= options.min_priority && def.source == SYSCALL;
        rules.push(CompiledRule { def: i, rule, root, is_enabled, is_active });
    }
    resolver.unasked(diags);
    // Broken rules would make what they use look unused.
    if diags.errors.is_empty() {
        resolver.unused(diags);
    }
    Compiled { resolver, rules }
}

fn compile_rule(
    def: &RuleDef,
    options: &Options,
    appends: &Appends,
    resolver: &mut Resolver<'_>,
    diags: &mut Diags,
) -> Option<(Rule, IrId)> {
    let name = &def.name;
    let mut warnings = Vec::new();
    let scope = resolver.scope(&def.source);
    let output = appends.to_text(def).map_or(Cow::Borrowed(&def.output), Cow::Owned);
    let template = Template::compile(&output, scope, &mut warnings).map(|mut template| {
        appends.to_fields(def, scope, &mut template);
        if options.buffers_in_base64 { template.in_base64() } else { template }
    });
    let condition = resolver.rule(def, &mut warnings);
    for warning in resolver.warnings.drain(..) {
        diags.push(warning);
    }
    // As Falco judges them: the output first, then the condition; the first error decides.
    let first = match (&template, &condition) {
        (Err(error), _) => Some(error),
        (Ok(_), Err(failure)) => failure.first.as_deref(),
        (Ok(_), Ok(_)) => None,
    };
    if let Some(first) = first.filter(|d| def.switches.skip_if_unknown && names_unknown(d)) {
        let item = Some((ItemKind::Rule, name.clone()));
        let skipped = Diag { code: Code::UnknownFilter, item, ..first.clone() };
        diags.push(match skipped.hint {
            None => skipped.hint("the rule asks to be skipped in this case, and is"),
            Some(_) => skipped,
        });
        return None;
    }
    for warning in warnings {
        diags.push(warning.of(ItemKind::Rule, name));
    }
    let root = condition.map_err(|failure| resolver.tell(failure, diags)).ok();
    let template = diags.keep(template.map_err(|d| d.of(ItemKind::Rule, name)));
    let (root, template) = (root?, template?);
    let reach = resolver.ir.types[root as usize];
    let types = reach.when_true;
    if def.source == SYSCALL && def.switches.warn_evttypes && types.len() > MANY_TYPES {
        let diag = Diag::new(Code::NoEvtType, Problem::NoEventType(types.len()), def.span)
            .hint("begin the condition with `evt.type in (...) and`");
        diags.push(diag.of(ItemKind::Rule, &def.name));
    }
    let info = RuleInfo {
        name: def.name.clone(),
        desc: def.desc.clone(),
        priority: def.priority,
        source: def.source.as_str().into(),
        tags: def.tags.iter().map(|t| t.as_str().into()).collect(),
        condition: def.condition.as_str().to_owned(),
        output: output.as_str().to_owned(),
        exceptions: def.exceptions.iter().map(|e| e.name.clone()).collect(),
        capture: def.switches.capture,
        capture_duration_ms: u64::from(def.capture_duration_ms),
    };
    let tests = resolver.ir.tests(root);
    let read = tests.iter().filter(|t| !t.test.is_never()).flat_map(|t| fields_read(t));
    let fields: BTreeSet<FieldRef> = read.chain(template.fields()).cloned().collect();
    let named = types::all_named(&tests);
    let ancestor_read = fields.iter().map(FieldRef::ancestor).max().unwrap_or(0);
    let asks_runtime = fields.iter().any(|f| f.field.is_of_runtime());
    let rule = Rule {
        info: Arc::new(info),
        template,
        types,
        types_by_name: named.0.intersection(&types),
        generic_calls: reach.calls(),
        fields,
        ancestor_read,
        asks_runtime,
        host_names: tests.iter().flat_map(|t| host_names(t)).collect(),
        calls: named.1.iter().map(|call| call.name().into()).collect(),
    };
    Some((rule, root))
}

/// The names with which a comparison compares those of an address.
fn host_names(key: &PredicateKey) -> Vec<Box<str>> {
    if !key.left.as_field().is_some_and(|f| f.field.is_host_name()) {
        return Vec::new();
    }
    let text = |bytes: &Vec<u8>| std::str::from_utf8(bytes).ok().map(Into::into);
    match &key.test {
        TestKey::Bytes(BytesTest::Cmp(_), name) => text(name).into_iter().collect(),
        TestKey::BytesIn(names) => names.iter().filter_map(text).collect(),
        _ => Vec::new(),
    }
}

/// Whether the error is one for which a rule may ask to be skipped.
fn names_unknown(error: &Diag) -> bool {
    matches!(
        *error.problem,
        Problem::UnknownField(_) | Problem::BadArgument { .. } | Problem::UnknownEventType(_)
    )
}

/// The fields on both sides of a comparison.
pub(crate) fn fields_read(key: &PredicateKey) -> Vec<&FieldRef> {
    let mut fields: Vec<&FieldRef> = key.left.fields().collect();
    let mut tests = vec![&key.test];
    while let Some(test) = tests.pop() {
        match test {
            TestKey::Against { right, .. } => fields.extend(right.fields()),
            TestKey::OneOf(of) => tests.extend(of),
            TestKey::EachElement(of) | TestKey::AnyElement(of) => tests.push(of),
            _ => {}
        }
    }
    fields
}

//! Conditions of macros and rules to the graph: lists are put in, the text is parsed, macros are looked up.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::ast::{Ast, AstNode};
use crate::check::{Checked, check};
use crate::collect::{Collected, MacroDef, RuleDef};
use crate::error::{Code, Diag, Diags, ItemKind, MAX_DIAGS, Problem, closest};
use crate::ir::{Ir, IrId, TooManyParts};
use crate::lists::Lists;
use crate::misuse::{deprecated_fields, unsafe_na};
use crate::parse::parse;
use crate::schema::Scope;
use crate::source::{Span, Traced};

/// Turns conditions into nodes of [`Resolver::ir`].
pub(crate) struct Resolver<'a> {
    items: &'a Collected,
    lists: Lists,
    list_used: Vec<bool>,
    macros: Vec<Macro>,
    /// One for each source of the rules so far: a macro means to each what its fields mean there.
    scopes: Vec<Scope>,
    constants: Arc<BTreeMap<String, String>>,
    failures: Vec<MacroFailure>,
    /// Macros that were named and are not there; of very many the nearest names are not looked for.
    n_unknown: Cell<usize>,
    /// Doubts about macros, which are told whatever becomes of the rules that use them.
    pub(crate) warnings: Vec<Diag>,
    pub(crate) ir: Ir,
}

struct Macro {
    /// `None` after a syntax error.
    parsed: Option<Rc<(Traced, Ast)>>,
    /// For each source.
    states: Vec<State>,
    used: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    InProgress,
    Done(IrId),
    /// Index of the failure; none where it was told already.
    Failed(Option<usize>),
}

/// How far [`Resolver::unasked`] is with a macro.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Walk {
    New,
    Open,
    Done,
}

/// Why a macro has no meaning. Told when a rule needs it that does not ask to be skipped.
struct MacroFailure {
    first: Box<Diag>,
    errors: Vec<Diag>,
    /// Failures of macros that it uses.
    causes: Vec<usize>,
}

/// Why a condition has no meaning.
#[derive(Default)]
pub(crate) struct Failure {
    /// What comes first in the condition, with its macros put in; none where it was told already. Boxed to keep results small.
    pub(crate) first: Option<Box<Diag>>,
    errors: Vec<Diag>,
    causes: Vec<usize>,
}

impl Failure {
    fn of(error: Diag) -> Self {
        Self { first: Some(Box::new(error.clone())), errors: vec![error], causes: Vec::new() }
    }
}

/// Who refers to macros, which decides which ones it sees.
#[derive(Clone, Copy)]
enum User {
    /// Index of the macro.
    Macro(usize),
    /// File of the rule.
    Rule(u32),
}

/// The text of a condition and whose it is.
#[derive(Clone, Copy)]
struct Written<'t> {
    text: &'t Traced,
    ast: &'t Ast,
    user: User,
    /// Index of the rule's source.
    source: usize,
    kind: ItemKind,
    name: &'t Arc<str>,
}

impl<'a> Resolver<'a> {
    /// Parses all macros, used or not: a syntax error counts everywhere.
    pub(crate) fn new(
        items: &'a Collected,
        constants: Arc<BTreeMap<String, String>>,
        diags: &mut Diags,
    ) -> Self {
        let mut list_used = vec![false; items.lists.all.len()];
        let lists = Lists::new(&items.lists, &mut list_used);
        let mut macros = Vec::with_capacity(items.macros.all.len());
        for def in &items.macros.all {
            let parsed = read(&def.condition, &lists, def.newest_file, &mut list_used)
                .map_err(|d| d.of(ItemKind::Macro, &def.name));
            let parsed = diags.keep(parsed).map(Rc::new);
            macros.push(Macro { parsed, states: Vec::new(), used: false });
        }
        let mut made = Self {
            items,
            lists,
            list_used,
            macros,
            scopes: Vec::new(),
            constants,
            failures: Vec::new(),
            n_unknown: Cell::new(0),
            warnings: Vec::new(),
            ir: Ir::default(),
        };
        for i in 0..made.macros.len() {
            let Some(parsed) = made.macros[i].parsed.clone() else { continue };
            for used in made.references(&parsed.1, User::Macro(i)) {
                made.macros[used].used = true;
            }
        }
        made
    }

    /// The node of a rule's condition. Errors go to the caller because a rule may ask to be skipped instead.
    pub(crate) fn rule(
        &mut self,
        rule: &RuleDef,
        warnings: &mut Vec<Diag>,
    ) -> Result<IrId, Failure> {
        let (text, ast) = rule
            .full_condition()
            .and_then(|text| read(&text, &self.lists, rule.file, &mut self.list_used))
            .map_err(|d| Failure::of(d.of(ItemKind::Rule, &rule.name)))?;
        let (user, source) = (User::Rule(rule.file), self.source(&rule.source));
        let needs = self.references(&ast, user);
        self.resolve_macros(needs, source);
        let (kind, name) = (ItemKind::Rule, &rule.name);
        self.lower(Written { text: &text, ast: &ast, user, source, kind, name }, warnings)
    }

    /// The node of a condition that is no rule's, over the fields of a source.
    pub(crate) fn condition(
        &mut self,
        text: &Traced,
        source: &str,
        name: &Arc<str>,
    ) -> Result<IrId, Failure> {
        let ast = parse(text).map_err(Failure::of)?;
        let (user, source, kind) = (User::Rule(0), self.source(source), ItemKind::Rule);
        self.lower(Written { text, ast: &ast, user, source, kind, name }, &mut Vec::new())
    }

    /// Notes why a condition failed, what was told before left out.
    pub(crate) fn tell(&mut self, failure: Failure, diags: &mut Diags) {
        let mut errors = failure.errors;
        let mut causes = failure.causes;
        while let Some(cause) = causes.pop() {
            let of = &mut self.failures[cause];
            errors.append(&mut of.errors);
            causes.append(&mut of.causes);
        }
        for error in errors {
            diags.push(error);
        }
    }

    /// What rules of a source may name.
    pub(crate) fn scope(&mut self, source: &str) -> &Scope {
        let source = self.source(source);
        &self.scopes[source]
    }

    fn source(&mut self, name: &str) -> usize {
        self.scopes.iter().position(|s| s.source == name).unwrap_or_else(|| {
            self.scopes.push(Scope::new(name, &self.constants));
            for of in &mut self.macros {
                // A macro that cannot be parsed was told.
                let is_told = of.parsed.is_none();
                of.states.push(if is_told { State::Failed(None) } else { State::New });
            }
            self.scopes.len() - 1
        })
    }

    /// What is wrong with the macros that a macro names which no rule has asked for. Its fields are nobody's affair.
    pub(crate) fn unasked(&self, diags: &mut Diags) {
        let is_asked = |m: &Macro| m.states.iter().any(|s| *s != State::New);
        let mut walked: Vec<Walk> = self.macros.iter().map(|_| Walk::New).collect();
        let mut stack: Vec<usize> = (0..self.macros.len()).rev().collect();
        while let Some(&top) = stack.last() {
            let parsed = self.macros[top].parsed.as_deref();
            let (Walk::New, Some((text, ast)), false) =
                (walked[top], parsed, is_asked(&self.macros[top]))
            else {
                walked[top] = Walk::Done;
                stack.pop();
                continue;
            };
            walked[top] = Walk::Open;
            let (me, user) = (&self.items.macros.all[top].name, User::Macro(top));
            for node in &ast.nodes {
                let AstNode::Macro { name, range } = node else { continue };
                let wrong = match self.visible(name, user) {
                    None => self.unknown_macro(name, text.span(range.clone()), user),
                    Some(i) if walked[i] == Walk::Open => {
                        let problem = Problem::MacroLoop(me.to_string());
                        Diag::new(Code::Validate, problem, text.span(0..text.len()))
                    }
                    Some(i) => {
                        stack.push(i);
                        continue;
                    }
                };
                diags.push(wrong.of(ItemKind::Macro, me));
            }
        }
    }

    /// Whether a rule or another macro uses a macro.
    pub(crate) fn is_macro_used(&self, index: usize) -> bool {
        self.macros[index].used
    }

    /// Whether a rule, a macro or another list uses a list.
    pub(crate) fn is_list_used(&self, index: usize) -> bool {
        self.list_used[index]
    }

    /// What was defined and never used.
    pub(crate) fn unused(&self, diags: &mut Diags) {
        for (_, def) in self.macros.iter().zip(&self.items.macros.all).filter(|(m, _)| !m.used) {
            let problem = Problem::Unused(def.name.to_string());
            diags.push(
                Diag::new(Code::UnusedMacro, problem, def.span).of(ItemKind::Macro, &def.name),
            );
        }
        for (_, def) in self.list_used.iter().zip(&self.items.lists.all).filter(|(used, _)| !**used)
        {
            let problem = Problem::Unused(def.name.to_string());
            diags
                .push(Diag::new(Code::UnusedList, problem, def.span).of(ItemKind::List, &def.name));
        }
    }

    /// The macro that a name means to its user.
    fn visible(&self, name: &str, user: User) -> Option<usize> {
        let i = self.items.macros.index(name)?;
        let def: &MacroDef = &self.items.macros.all[i];
        let sees = match user {
            User::Macro(me) => i != me && def.first < self.items.macros.all[me].visibility,
            User::Rule(file) => def.file <= file,
        };
        sees.then_some(i)
    }

    fn references(&self, ast: &Ast, user: User) -> Vec<usize> {
        ast.nodes
            .iter()
            .filter_map(|n| match n {
                AstNode::Macro { name, .. } => self.visible(name, user),
                _ => None,
            })
            .collect()
    }

    /// Resolves macros, those they use first. An explicit stack: chains of macros may be long.
    fn resolve_macros(&mut self, needed: Vec<usize>, source: usize) {
        let mut stack = needed;
        for &i in &stack {
            self.macros[i].used = true;
        }
        while let Some(&top) = stack.last() {
            let state = self.macros[top].states[source];
            let parsed = match (state, &self.macros[top].parsed) {
                (State::New | State::InProgress, Some(parsed)) => Rc::clone(parsed),
                (State::Done(_) | State::Failed(_), _) | (_, None) => {
                    stack.pop();
                    continue;
                }
            };
            let (text, ast) = &*parsed;
            let user = User::Macro(top);
            let name = &self.items.macros.all[top].name;
            let mut waits = false;
            for i in self.references(ast, user) {
                self.macros[i].used = true;
                match self.macros[i].states[source] {
                    State::New if state == State::New => {
                        stack.push(i);
                        waits = true;
                    }
                    State::New | State::InProgress => {
                        let problem = Problem::MacroLoop(name.to_string());
                        let span = text.span(0..text.len());
                        let diag =
                            Diag::new(Code::Validate, problem, span).of(ItemKind::Macro, name);
                        self.macros[i].states[source] = self.failed(Failure::of(diag));
                    }
                    State::Done(_) | State::Failed(_) => {}
                }
            }
            if waits {
                self.macros[top].states[source] = State::InProgress;
                continue;
            }
            let mut warnings = Vec::new();
            let kind = ItemKind::Macro;
            let done = self.lower(Written { text, ast, user, source, kind, name }, &mut warnings);
            // Of macros that rules of several sources use the doubts are told once.
            if source == 0 {
                self.warnings.append(&mut warnings);
            }
            self.macros[top].states[source] = match done {
                Ok(id) => State::Done(id),
                Err(failure) => self.failed(failure),
            };
            stack.pop();
        }
    }

    fn failed(&mut self, failure: Failure) -> State {
        let Failure { first, errors, causes } = failure;
        State::Failed(first.map(|first| {
            self.failures.push(MacroFailure { first, errors, causes });
            self.failures.len() - 1
        }))
    }

    /// Lowers a tree whose macros are resolved. All its errors are reported, not only the first.
    fn lower(&mut self, of: Written<'_>, warnings: &mut Vec<Diag>) -> Result<IrId, Failure> {
        let Written { text, ast, user, source, kind, name } = of;
        let mut failure = None::<Failure>;
        let mut fail = |error: Option<Diag>, reason: Option<Box<Diag>>, cause: Option<usize>| {
            // Macros are looked up before anything is compared with the schema.
            let comes_first = reason.as_ref().is_some_and(|d| d.code == Code::Validate);
            let failure = failure
                .get_or_insert_with(|| Failure { first: reason.clone(), ..Failure::default() });
            if comes_first {
                failure.first = reason;
            }
            failure.errors.extend(error);
            failure.causes.extend(cause);
        };
        let mut ids: Vec<Option<IrId>> = Vec::with_capacity(ast.nodes.len());
        for node in &ast.nodes {
            let id = match node {
                AstNode::Check(written) => {
                    let mut doubts = Vec::new();
                    let checked = check(text, &self.scopes[source], written, &mut doubts);
                    deprecated_fields(text, written, &mut doubts);
                    unsafe_na(text, written, &mut doubts);
                    warnings.extend(doubts.into_iter().map(|w| w.of(kind, name)));
                    match checked {
                        Ok(checked) => Some(self.checked(checked)),
                        Err(diag) => {
                            let diag = diag.of(kind, name);
                            fail(Some(diag.clone()), Some(Box::new(diag)), None);
                            None
                        }
                    }
                }
                AstNode::Macro { name: used, range } => {
                    if let Some(i) = self.visible(used, user) {
                        match self.macros[i].states[source] {
                            State::Done(id) => Some(Ok(id)),
                            State::Failed(Some(cause)) => {
                                fail(None, Some(self.failures[cause].first.clone()), Some(cause));
                                None
                            }
                            State::New | State::InProgress | State::Failed(None) => {
                                fail(None, None, None);
                                None
                            }
                        }
                    } else {
                        let span = text.span(range.clone());
                        let diag = self.unknown_macro(used, span, user).of(kind, name);
                        fail(Some(diag.clone()), Some(Box::new(diag)), None);
                        None
                    }
                }
                AstNode::Not(of) => ids[*of as usize].map(|of| self.ir.not(of)),
                AstNode::And(of) => children(of, &ids).map(|of| self.ir.and(of)),
                AstNode::Or(of) => children(of, &ids).map(|of| self.ir.or(of)),
            };
            let id = id.transpose().map_err(|TooManyParts { limit }| {
                let problem = Problem::TooManyParts { limit };
                let diag = Diag::new(Code::Validate, problem, text.span(0..text.len()));
                Failure::of(diag.of(kind, name))
            });
            ids.push(id?);
        }
        match (failure, ids.last().copied().flatten()) {
            (None, Some(id)) => Ok(id),
            (Some(failure), _) => Err(failure),
            // A tree has a node, and a node without an id has failed.
            (None, None) => Err(Failure::default()),
        }
    }

    fn checked(&mut self, checked: Checked) -> Result<IrId, TooManyParts> {
        let mut all =
            |keys: Vec<_>| keys.into_iter().map(|k| self.ir.test(k)).collect::<Result<Vec<_>, _>>();
        match checked {
            Checked::One(key) => self.ir.test(key),
            Checked::Any(keys) => {
                let ids = all(keys)?;
                self.ir.or(ids)
            }
            Checked::All(keys) => {
                let ids = all(keys)?;
                self.ir.and(ids)
            }
        }
    }

    fn unknown_macro(&self, name: &str, span: Span, user: User) -> Diag {
        let diag = Diag::new(Code::Validate, Problem::UnknownMacro(name.to_owned()), span);
        if matches!(user, User::Macro(me) if &*self.items.macros.all[me].name == name) {
            return diag.hint("a macro cannot use itself");
        }
        if self.items.macros.get(name).is_some() {
            return diag
                .hint(format!("`{name}` is defined further down; define it before its use"));
        }
        self.n_unknown.set(self.n_unknown.get() + 1);
        // Those behind are not told.
        let is_told = self.n_unknown.get() <= MAX_DIAGS;
        let near = is_told.then(|| closest(name, self.items.macros.names())).flatten();
        diag.did_you_mean(near)
    }
}

fn children(of: &[u32], ids: &[Option<IrId>]) -> Option<Vec<IrId>> {
    of.iter().map(|&c| ids[c as usize]).collect()
}

fn read(
    condition: &Traced,
    lists: &Lists,
    file: u32,
    used: &mut [bool],
) -> Result<(Traced, Ast), Diag> {
    let text = lists.put_in(condition, file, used)?;
    let ast = parse(&text)?;
    Ok((text, ast))
}

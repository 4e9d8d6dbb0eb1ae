//! Conditions of macros and rules to the graph: lists are put in, the text is parsed, macros are looked up.

use std::sync::Arc;

use crate::ast::{Ast, AstNode};
use crate::check::{Checked, check};
use crate::collect::{Collected, MacroDef, RuleDef};
use crate::error::{Code, Diag, Diags, ItemKind, Problem, closest};
use crate::ir::{Ir, IrId, TooManyParts};
use crate::lists::{Substitute, substitute, substitutes};
use crate::parse::parse;
use crate::schema::SYSCALL;
use crate::source::{Span, Traced};

/// Turns conditions into nodes of [`Resolver::ir`].
pub(crate) struct Resolver<'a> {
    items: &'a Collected,
    lists: Vec<Substitute>,
    list_used: Vec<bool>,
    macros: Vec<Macro>,
    pub(crate) ir: Ir,
}

struct Macro {
    /// `None` after a syntax error.
    parsed: Option<(Traced, Ast)>,
    state: State,
    used: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    InProgress,
    Done(IrId),
    /// Reported already.
    Failed,
}

/// Who refers to macros, which decides which ones it sees.
#[derive(Clone, Copy)]
enum User {
    /// Index of the macro.
    Macro(usize),
    /// File of the rule.
    Rule(u32),
}

impl<'a> Resolver<'a> {
    /// Parses all macros, used or not: a syntax error counts everywhere.
    pub(crate) fn new(items: &'a Collected, diags: &mut Diags) -> Self {
        let mut list_used = vec![false; items.lists.all.len()];
        let lists = substitutes(&items.lists, &mut list_used);
        let mut macros = Vec::with_capacity(items.macros.all.len());
        for def in &items.macros.all {
            let parsed = read(&def.condition, &lists, def.newest_file, &mut list_used)
                .map_err(|d| d.of(ItemKind::Macro, &def.name));
            let parsed = diags.keep(parsed);
            let state = if parsed.is_some() { State::New } else { State::Failed };
            macros.push(Macro { parsed, state, used: false });
        }
        Self { items, lists, list_used, macros, ir: Ir::default() }
    }

    /// The node of a rule's condition, or nothing after an error. Errors go to the caller because a rule may ask to
    /// be skipped instead.
    pub(crate) fn rule(&mut self, rule: &RuleDef, diags: &mut Diags) -> Option<IrId> {
        let parsed = rule
            .full_condition()
            .and_then(|text| read(&text, &self.lists, rule.file, &mut self.list_used))
            .map_err(|d| d.of(ItemKind::Rule, &rule.name));
        let (text, ast) = diags.keep(parsed)?;
        let user = User::Rule(rule.file);
        let needs = self.references(&ast, user);
        self.resolve_macros(needs, diags);
        self.lower(&text, &ast, user, ItemKind::Rule, &rule.name, diags)
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
    fn resolve_macros(&mut self, needed: Vec<usize>, diags: &mut Diags) {
        let mut stack = needed;
        for &i in &stack {
            self.macros[i].used = true;
        }
        while let Some(&top) = stack.last() {
            if !matches!(self.macros[top].state, State::New | State::InProgress) {
                stack.pop();
                continue;
            }
            // Taken for the time of the borrow; nobody else looks at the tree of a macro in progress.
            let Some((text, ast)) = self.macros[top].parsed.take() else {
                self.macros[top].state = State::Failed;
                continue;
            };
            let user = User::Macro(top);
            let needs = self.references(&ast, user);
            let name = &self.items.macros.all[top].name;
            let mut waits = false;
            let first_look = self.macros[top].state == State::New;
            for i in needs {
                self.macros[i].used = true;
                match self.macros[i].state {
                    State::New if first_look => {
                        stack.push(i);
                        waits = true;
                    }
                    State::New | State::InProgress => {
                        let problem = Problem::MacroLoop(name.to_string());
                        let span = text.span(0..text.len());
                        diags.push(
                            Diag::new(Code::Validate, problem, span).of(ItemKind::Macro, name),
                        );
                        self.macros[i].state = State::Failed;
                    }
                    State::Done(_) | State::Failed => {}
                }
            }
            if waits {
                self.macros[top].parsed = Some((text, ast));
                self.macros[top].state = State::InProgress;
                continue;
            }
            let name = name.clone();
            let done = self.lower(&text, &ast, user, ItemKind::Macro, &name, diags);
            self.macros[top].state = done.map_or(State::Failed, State::Done);
            stack.pop();
        }
    }

    /// Lowers a tree whose macros are resolved. All its errors are reported, not only the first.
    fn lower(
        &mut self,
        text: &Traced,
        ast: &Ast,
        user: User,
        kind: ItemKind,
        name: &Arc<str>,
        diags: &mut Diags,
    ) -> Option<IrId> {
        let mut ids: Vec<Option<IrId>> = Vec::with_capacity(ast.nodes.len());
        for node in &ast.nodes {
            let id = match node {
                AstNode::Check(c) => {
                    let mut warnings = Vec::new();
                    let checked = check(text, SYSCALL, c, &mut warnings);
                    for w in warnings {
                        diags.push(w.of(kind, name));
                    }
                    diags
                        .keep(checked.map_err(|d| d.of(kind, name)))
                        .map(|checked| self.checked(checked))
                }
                AstNode::Macro { name: used, range } => {
                    if let Some(i) = self.visible(used, user) {
                        match self.macros[i].state {
                            State::Done(id) => Some(Ok(id)),
                            State::New | State::InProgress | State::Failed => None,
                        }
                    } else {
                        let span = text.span(range.clone());
                        diags.push(self.unknown_macro(used, span, user).of(kind, name));
                        None
                    }
                }
                AstNode::Not(of) => ids[*of as usize].map(|of| self.ir.not(of)),
                AstNode::And(of) => children(of, &ids).map(|of| self.ir.and(of)),
                AstNode::Or(of) => children(of, &ids).map(|of| self.ir.or(of)),
            };
            let id = id.transpose().map_err(|TooManyParts { limit }| {
                let problem = Problem::TooManyParts { limit };
                Diag::new(Code::Validate, problem, text.span(0..text.len())).of(kind, name)
            });
            match id {
                Ok(id) => ids.push(id),
                Err(diag) => {
                    diags.push(diag);
                    return None;
                }
            }
        }
        ids.last().copied().flatten()
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
        diag.did_you_mean(closest(name, self.items.macros.names()))
    }
}

fn children(of: &[u32], ids: &[Option<IrId>]) -> Option<Vec<IrId>> {
    of.iter().map(|&c| ids[c as usize]).collect()
}

fn read(
    condition: &Traced,
    lists: &[Substitute],
    file: u32,
    used: &mut [bool],
) -> Result<(Traced, Ast), Diag> {
    let text = substitute(condition, lists, file, used)?;
    let ast = parse(&text)?;
    Ok((text, ast))
}

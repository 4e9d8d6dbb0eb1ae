//! Conditions of rules and macros to one graph with the macros put in.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use super::condition::{Condition, Leaf, Node};
use crate::ast::{Ast, AstNode, Check};
use crate::check::{Checked, check};
use crate::collect::Collected;
use crate::compile::fields_read;
use crate::error::Diag;
use crate::lists::Lists;
use crate::parse::parse;
use crate::predicate::PredicateKey;
use crate::ruleset::Options;
use crate::schema::{FieldRef, SYSCALL, Scope};
use crate::source::Traced;
use crate::types::Types;

/// Puts lists and macros in. Everything has been loaded before, so that what cannot be looked up is left out.
pub(crate) struct Expander<'a> {
    items: &'a Collected,
    lists: Lists,
    /// Which lists the texts have used; nobody asks.
    list_used: Vec<bool>,
    /// What rules of each source may name, `syscall` first.
    scopes: Vec<Scope>,
    pub(crate) graph: Condition,
    /// Expanded macros.
    macros: BTreeMap<usize, Expanded>,
    /// Macros whose expansion was begun.
    started: BTreeSet<usize>,
}

/// A condition in the graph.
#[derive(Clone, Debug)]
pub(crate) struct Expanded {
    pub(crate) root: u32,
    /// Macros that the text itself names.
    pub(crate) macros: Vec<Arc<str>>,
    /// Lists that the text itself names.
    pub(crate) lists: Vec<Arc<str>>,
    pub(crate) reads: Rc<Reads>,
}

/// What a condition with its macros put in has of operators, as written, and of fields. Most macros add nothing to those that they use: they share
/// theirs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reads {
    pub(crate) operators: BTreeSet<&'static str>,
    pub(crate) fields: BTreeSet<FieldRef>,
}

impl Reads {
    fn is_subset(&self, other: &Self) -> bool {
        self.operators.is_subset(&other.operators) && self.fields.is_subset(&other.fields)
    }

    fn merge(into: &mut Rc<Self>, more: &Rc<Self>) {
        if into.is_subset(more) {
            *into = Rc::clone(more);
        } else if !more.is_subset(into) {
            let into = Rc::make_mut(into);
            into.operators.extend(&more.operators);
            into.fields.extend(more.fields.iter().cloned());
        }
    }

    fn add(into: &mut Rc<Self>, operator: &'static str, keys: &[PredicateKey]) {
        if !into.operators.contains(operator) {
            Rc::make_mut(into).operators.insert(operator);
        }
        for field in keys.iter().flat_map(fields_read) {
            if !into.fields.contains(field) {
                Rc::make_mut(into).fields.insert(field.clone());
            }
        }
    }
}

impl<'a> Expander<'a> {
    pub(crate) fn new(items: &'a Collected, options: &Options) -> Self {
        let mut list_used = vec![false; items.lists.all.len()];
        let lists = Lists::new(&items.lists, &mut list_used);
        let sources = std::iter::once(SYSCALL).chain(options.sources.iter().map(String::as_str));
        let scopes = sources.map(|s| Scope::new(s, &options.static_fields)).collect();
        Self {
            items,
            lists,
            list_used,
            scopes,
            graph: Condition::default(),
            macros: BTreeMap::new(),
            started: BTreeSet::new(),
        }
    }

    /// A rule's condition. `file` is the one whose lists it sees.
    pub(crate) fn condition(&mut self, text: &Traced, file: u32) -> Option<Expanded> {
        let (text, ast) = self.parsed(text, file)?;
        for needed in self.references(&ast) {
            self.expand_macro(needed);
        }
        let written = self.lists_in(&text.original, file);
        self.lower(&text.full, &ast, written)
    }

    /// A macro's condition.
    pub(crate) fn macro_condition(&mut self, index: usize) -> Option<&Expanded> {
        self.expand_macro(index);
        self.macros.get(&index)
    }

    fn parsed(&mut self, condition: &Traced, file: u32) -> Option<(Texts, Ast)> {
        let full = self.lists.put_in(condition, file, &mut self.list_used).ok()?;
        let ast = parse(&full).ok()?;
        Some((Texts { original: condition.clone(), full }, ast))
    }

    fn references(&self, ast: &Ast) -> Vec<usize> {
        let names = ast.nodes.iter().filter_map(|n| match n {
            AstNode::Macro { name, .. } => self.items.macros.index(name),
            _ => None,
        });
        names.collect()
    }

    /// Expands a macro and first those it uses. An explicit stack: chains of macros may be long.
    fn expand_macro(&mut self, index: usize) {
        let mut stack = vec![(index, false)];
        while let Some((top, is_ready)) = stack.pop() {
            // Once each: a macro that cannot be expanded, as one of a circle that no rule uses, is not tried for every use of it.
            if !is_ready && !self.started.insert(top) {
                continue;
            }
            let def = &self.items.macros.all[top];
            let (condition, file) = (def.condition.clone(), def.newest_file);
            let Some((text, ast)) = self.parsed(&condition, file) else { continue };
            if !is_ready {
                stack.push((top, true));
                stack.extend(self.references(&ast).into_iter().map(|i| (i, false)));
                continue;
            }
            let written = self.lists_in(&text.original, file);
            if let Some(expanded) = self.lower(&text.full, &ast, written) {
                self.macros.insert(top, expanded);
            }
        }
    }

    /// The lists whose names stand in a text.
    fn lists_in(&self, text: &Traced, file: u32) -> Vec<Arc<str>> {
        let named = self.lists.named_in(text, file).into_iter();
        named.map(|i| self.items.lists.all[i].name.clone()).collect()
    }

    /// The comparison in the first source that has its fields.
    fn checked(&self, text: &Traced, written: &Check) -> Result<Checked, Diag> {
        let in_scope = |scope: &Scope| check(text, scope, written, &mut Vec::new());
        let others = || self.scopes[1..].iter().find_map(|scope| in_scope(scope).ok());
        in_scope(&self.scopes[0]).or_else(|error| others().ok_or(error))
    }

    fn lower(&mut self, text: &Traced, ast: &Ast, lists: Vec<Arc<str>>) -> Option<Expanded> {
        let mut ids: Vec<u32> = Vec::with_capacity(ast.nodes.len());
        let (mut macros, mut reads) = (Vec::new(), Rc::default());
        for node in &ast.nodes {
            let of = |ids: &[u32], of: &[u32]| of.iter().map(|&id| ids[id as usize]).collect();
            let id = match node {
                AstNode::And(children) => self.graph.push(Node::And(of(&ids, children))),
                AstNode::Or(children) => self.graph.push(Node::Or(of(&ids, children))),
                AstNode::Not(child) => self.graph.push(Node::Not(ids[*child as usize])),
                AstNode::Macro { name, .. } => {
                    let index = self.items.macros.index(name)?;
                    macros.push(self.items.macros.all[index].name.clone());
                    let expanded = self.macros.get(&index)?;
                    Reads::merge(&mut reads, &expanded.reads);
                    expanded.root
                }
                AstNode::Check(written) => {
                    let of = |keys: Vec<PredicateKey>, join: fn(Types, &Types) -> Types| {
                        let types = keys.iter().map(Types::of).reduce(|a, b| join(a, &b));
                        (keys, types.unwrap_or_else(Types::any))
                    };
                    let (keys, types) = match self.checked(text, written) {
                        Ok(Checked::One(key)) => of(vec![key], Types::and),
                        Ok(Checked::Any(keys)) => of(keys, Types::or),
                        Ok(Checked::All(keys)) => of(keys, Types::and),
                        Err(_) => of(Vec::new(), Types::and),
                    };
                    Reads::add(&mut reads, written.op_text, &keys);
                    let text = written.to_string();
                    self.graph.push(Node::Check(Box::new(Leaf { text, keys, types })))
                }
            };
            ids.push(id);
        }
        macros.sort();
        macros.dedup();
        Some(Expanded { root: *ids.last()?, macros, lists, reads })
    }
}

/// A condition before and after its lists were put in.
struct Texts {
    original: Traced,
    full: Traced,
}

//! Fields and transformers of a comparison against the schema: arguments counted, types judged.

use crate::ast::{Call, FieldText, Operand, transformer_name};
use crate::error::{Code, Diag, Problem};
use crate::expr::{Expr, Function};
use crate::lex::Literal;
use crate::schema::{Field, FieldRef, FieldType, Scope};
use crate::source::Traced;

/// What a side of a comparison computes. Recursion is bounded by the parser.
pub(crate) fn expr(text: &Traced, scope: &Scope, operand: &Operand) -> Result<Expr, Diag> {
    match operand {
        Operand::Field(field) | Operand::Val { field, .. } => {
            let field = field_ref(text, scope, field)?;
            let constant = scope.constant(&field).map(|c| Expr::Text(c.as_bytes().into()));
            Ok(constant.unwrap_or(Expr::Field(field)))
        }
        Operand::Constant(literal) => Ok(Expr::Text(literal.bytes.as_slice().into())),
        Operand::List { of, .. } => {
            let of = of.iter().map(|o| element(text, scope, o)).collect::<Result<_, _>>()?;
            Ok(Expr::List(of))
        }
        Operand::Call(call) => transformer(text, scope, call),
    }
}

/// Looks a field up with its argument.
pub(crate) fn field_ref(
    text: &Traced,
    scope: &Scope,
    written: &FieldText,
) -> Result<FieldRef, Diag> {
    let arg = written.arg.as_ref().map(Literal::text);
    scope.field(&written.name, arg.as_deref()).map_err(|problem| {
        let span = text.span(written.range.clone());
        scope.hint(Diag::new(Code::CompileCondition, problem, span), &written.name)
    })
}

/// Whether the type of event is a part of what a transformer computes.
pub(crate) fn transforms_event_type(expr: &Expr) -> Option<Field> {
    if expr.as_field().is_some() {
        return None;
    }
    expr.fields().map(|f| f.field).find(|f| matches!(f, Field::EvtType | Field::SyscallType))
}

fn error(text: &Traced, operand: &Operand, problem: Problem) -> Diag {
    Diag::new(Code::CompileCondition, problem, text.span(operand.range()))
}

/// A member of a list: a scalar that is text, or a number that becomes text.
fn element(text: &Traced, scope: &Scope, operand: &Operand) -> Result<Expr, Diag> {
    let of = argument(text, scope, operand)?;
    let ty = of.ty();
    if of.is_list() {
        return Err(error(text, operand, Problem::ListInList));
    }
    let is_number = matches!(ty, FieldType::I64 | FieldType::U64 | FieldType::Pid);
    if ty.is_text() || is_number {
        return Ok(of);
    }
    Err(error(text, operand, Problem::ListElement(ty.name())))
}

/// An argument: any expression whose field lets itself be transformed.
fn argument(text: &Traced, scope: &Scope, operand: &Operand) -> Result<Expr, Diag> {
    let of = expr(text, scope, operand)?;
    if let Some(field) = of.as_field()
        && field.field.info().no_transformer()
    {
        return Err(error(text, operand, Problem::NoTransformer(field.to_string())));
    }
    Ok(of)
}

fn transformer(text: &Traced, scope: &Scope, call: &Call) -> Result<Expr, Diag> {
    let name = transformer_name(call.function);
    let at_call = |problem| {
        let range = call.range.start..call.range.start + name.len();
        Diag::new(Code::CompileCondition, problem, text.span(range))
    };
    let args =
        call.args.iter().map(|a| argument(text, scope, a)).collect::<Result<Box<[Expr]>, _>>()?;
    let takes = match (call.function, args.len()) {
        (Function::Join | Function::GetOpt, 2) | (Function::Concat, 2..) => None,
        (Function::Join, _) => Some("two arguments, a separator and a list"),
        (Function::GetOpt, _) => Some("two arguments, a list and the letters of the options"),
        (Function::Concat, _) => Some("two arguments or more"),
        (_, 1) => None,
        _ => Some("one argument"),
    };
    if let Some(takes) = takes {
        return Err(at_call(Problem::ArgumentCount { name, takes, given: args.len() }));
    }
    for (i, (arg, written)) in args.iter().zip(&call.args).enumerate() {
        let (fits, takes) = accepts(call.function, i, arg);
        if !fits {
            let problem = Problem::ArgumentType { name, takes, is: type_name(arg) };
            return Err(error(text, written, problem));
        }
    }
    let selector = call.selector.as_ref().map(|s| selector(text, call, s)).transpose()?;
    Ok(Expr::Call { function: call.function, args, selector })
}

/// Whether an argument is of the type that its place takes, and what that is.
fn accepts(function: Function, place: usize, arg: &Expr) -> (bool, &'static str) {
    let (ty, is_list) = (arg.ty(), arg.is_list());
    let text = ty.is_text();
    let buffer = ty == FieldType::Buffer;
    match (function, place) {
        (Function::ToLower | Function::ToUpper | Function::Basename, _) => (text, "text"),
        (Function::B64, _) => (text || buffer, "text or bytes"),
        (Function::Len, _) => (text || buffer || is_list, "text, bytes or a list"),
        (Function::Join, 0) => (text && !is_list, "text as its separator"),
        (Function::Join, _) => (text && is_list, "a list of text behind its separator"),
        (Function::Concat, _) => (text && !is_list, "text"),
        (Function::GetOpt, 0) => (text && is_list, "a list of text"),
        (Function::GetOpt, _) => (text && !is_list, "the letters of the options as text"),
    }
}

fn selector(text: &Traced, call: &Call, written: &Literal) -> Result<u8, Diag> {
    let problem = match (call.function, written.bytes.as_slice()) {
        (Function::GetOpt, &[letter]) => return Ok(letter),
        (Function::GetOpt, _) => Problem::BadValue {
            value: written.text(),
            expected: "one letter of an option, as in `getopt(...)[c]`",
        },
        (function, _) => Problem::NoSelector(transformer_name(function)),
    };
    Err(Diag::new(Code::CompileCondition, problem, text.span(written.range.clone())))
}

/// The type of what an expression computes, for people.
pub(crate) fn type_name(expr: &Expr) -> String {
    let name = expr.ty().name();
    if expr.is_list() { format!("a list of {name}") } else { name.to_owned() }
}

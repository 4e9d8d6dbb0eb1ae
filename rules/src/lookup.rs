//! Fields as written in conditions.

use crate::error::{Code, Diag};
use crate::lex::Literal;
use crate::parse::FieldText;
use crate::schema::{FieldRef, SYSCALL, field_hint, resolve_field};
use crate::source::Traced;

/// Looks a field up with its argument.
pub(crate) fn field_ref(text: &Traced, written: &FieldText) -> Result<FieldRef, Diag> {
    let arg = written.arg.as_ref().map(Literal::text);
    resolve_field(SYSCALL, &written.name, arg.as_deref()).map_err(|problem| {
        let diag = Diag::new(Code::CompileCondition, problem, text.span(written.range.clone()));
        field_hint(diag, SYSCALL, &written.name)
    })
}

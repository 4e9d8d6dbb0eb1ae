//! Canonical text of a comparison: one blank between tokens, quotes only where they are needed. It parses to the same
//! comparison again.

use std::fmt::{self, Display};

use crate::ast::{Call, Check, FieldText, Operand, Right, Values, transformer_name};
use crate::lex::Literal;

impl Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.left, self.op_text)?;
        match &self.right {
            Right::None => Ok(()),
            Right::Value(value) => write!(f, " {}", Value(value)),
            Right::List { modifier: None, values } => write!(f, " {values}"),
            Right::List { modifier: Some(modifier), values } => {
                write!(f, " {} {values}", modifier.as_str())
            }
            Right::Operand(operand) => write!(f, " {operand}"),
        }
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => write!(f, "{field}"),
            Self::Constant(literal) if literal.quoted => write_quoted(f, &literal.bytes),
            Self::Constant(literal) => f.write_str(&literal.text()),
            Self::List { of, .. } => write!(f, "({})", Joined(of)),
            Self::Call(call) => write!(f, "{call}"),
            Self::Val { field, .. } => write!(f, "val({field})"),
        }
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", transformer_name(self.function), Joined(&self.args))?;
        match &self.selector {
            Some(selector) => write!(f, "[{}]", Argument(selector)),
            None => Ok(()),
        }
    }
}

impl Display for FieldText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.arg {
            Some(arg) => write!(f, "[{}]", Argument(arg)),
            None => Ok(()),
        }
    }
}

impl Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let ([word], false) = (&self.of[..], self.in_parentheses) {
            return write!(f, "{}", Value(word));
        }
        f.write_str("(")?;
        for (i, value) in self.of.iter().enumerate() {
            write!(f, "{}{}", if i > 0 { ", " } else { "" }, Value(value))?;
        }
        f.write_str(")")
    }
}

/// Operands with commas between them.
struct Joined<'a>(&'a [Operand]);

impl Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, operand) in self.0.iter().enumerate() {
            write!(f, "{}{operand}", if i > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

/// A value, in quotes where it could not be read back without.
struct Value<'a>(&'a Literal);

impl Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.0.bytes) {
            Ok(text) if !needs_quotes(text, "=(),") => f.write_str(text),
            _ => write_quoted(f, &self.0.bytes),
        }
    }
}

/// What stands in brackets.
struct Argument<'a>(&'a Literal);

impl Display for Argument<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.0.bytes) {
            Ok(text) if !needs_quotes(text, "[]") => f.write_str(text),
            _ => write_quoted(f, &self.0.bytes),
        }
    }
}

fn needs_quotes(text: &str, special: &str) -> bool {
    let ends = |c: char| " \t\n\r\x08\x0b\x0c\"'".contains(c) || special.contains(c);
    text.is_empty() || text.contains(ends)
}

fn write_quoted(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    f.write_str("\"")?;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\x08' => f.write_str("\\b"),
                '\x0c' => f.write_str("\\f"),
                '\n' => f.write_str("\\n"),
                '\r' => f.write_str("\\r"),
                '\t' => f.write_str("\\t"),
                '"' | '\\' => write!(f, "\\{c}"),
                c => write!(f, "{c}"),
            }?;
        }
        for byte in chunk.invalid() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests {
    use crate::ast::AstNode;
    use crate::parse::parse;
    use crate::source::{Pos, Traced};

    fn print(text: &str) -> String {
        let start = Pos { file: 0, offset: 0 };
        let mut traced = Traced::empty(start);
        traced.push_at(text, start);
        let ast = parse(&traced).unwrap_or_else(|e| panic!("{text}: {}", e.problem));
        let [AstNode::Check(check)] = &ast.nodes[..] else { panic!("{text}") };
        check.to_string()
    }

    #[test]
    fn text_is_canonical_and_stays_so() {
        for (text, expected) in [
            ("  a.b=c  ", "a.b = c"),
            ("a.b==c", "a.b == c"),
            ("a.b   exists", "a.b exists"),
            ("((a.b exists))", "a.b exists"),
            ("a.b in(x,y , 'z')", "a.b in (x, y, z)"),
            ("a.b in ()", "a.b in ()"),
            ("a.b in word", "a.b in word"),
            ("a.b startswith  anyof  ( x , 'y z' )", "a.b startswith anyof (x, \"y z\")"),
            ("a.b = 'x y'", "a.b = \"x y\""),
            ("a.b = 'x'", "a.b = x"),
            ("a.b = ''", "a.b = \"\""),
            ("a.b = \"it's\"", "a.b = \"it's\""),
            ("a.b = '\"'", "a.b = \"\\\"\""),
            ("a.b = 'a=b'", "a.b = \"a=b\""),
            ("a.b in ('f(x)', 'x,y')", "a.b in (\"f(x)\", \"x,y\")"),
            ("a.b = m\\id", "a.b = m\\id"),
            ("a.b = 'm\\\\id \\t'", "a.b = \"m\\\\id \\t\""),
            ("a.b = '\\xff'", "a.b = \"\\xff\""),
            ("a.b[2] = x", "a.b[2] = x"),
            ("a.b['x y'] = z", "a.b[\"x y\"] = z"),
            ("a.b['x'] = z", "a.b[x] = z"),
            ("a.b[''] = z", "a.b[\"\"] = z"),
            ("tolower( a.b )=x", "tolower(a.b) = x"),
            ("a.b = toupper(basename(c.d[1]))", "a.b = toupper(basename(c.d[1]))"),
            ("join( ',' ,('a',c.d,5) ) = x", "join(\",\", (\"a\", c.d, 5)) = x"),
            ("getopt(a.b,'x:')['x'] = val( c.d )", "getopt(a.b, \"x:\")[x] = val(c.d)"),
        ] {
            let once = print(text);
            assert_eq!(once, expected, "{text}");
            assert_eq!(print(&once), expected, "{text} again");
        }
    }
}

//! What one side of a comparison is, computed the long way.

use std::fmt;

use rules::{FieldRef, FieldType};

use super::{Event, Owned, quoted};

/// A field, or a transformer over fields and constants.
#[derive(Clone, Debug)]
pub(crate) enum Side {
    Field(FieldRef),
    Text(String),
    List(Vec<Side>),
    Call { name: &'static str, args: Vec<Side>, selector: Option<char> },
}

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Val {
    One(Owned),
    List(Vec<Owned>),
}

impl Val {
    pub(super) fn elements(self) -> Vec<Owned> {
        match self {
            Self::One(value) => vec![value],
            Self::List(of) => of,
        }
    }

    fn map(self, how: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Self> {
        let how = |value: &Owned| how(value.bytes()).map(Owned::Bytes);
        match self {
            Self::One(value) => how(&value).map(Self::One),
            Self::List(of) => of.iter().map(how).collect::<Option<Vec<_>>>().map(Self::List),
        }
    }
}

impl Side {
    pub(crate) fn call(name: &'static str, args: Vec<Side>) -> Self {
        Self::Call { name, args, selector: None }
    }

    pub(super) fn ty(&self) -> FieldType {
        match self {
            Self::Field(field) => field.ty(),
            Self::Call { name: "len", .. } => FieldType::U64,
            Self::Text(_) | Self::List(_) | Self::Call { .. } => FieldType::Text,
        }
    }

    pub(super) fn value(&self, event: &Event) -> Option<Val> {
        match self {
            Self::Field(field) if field.is_list() => event.0.get(field).cloned().map(Val::List),
            Self::Field(field) => event.0.get(field)?.first().cloned().map(Val::One),
            Self::Text(text) => Some(Val::One(Owned::text(text))),
            Self::List(of) => {
                let texts = of.iter().map(|side| side.text(event).map(Owned::Bytes));
                texts.collect::<Option<Vec<_>>>().map(Val::List)
            }
            Self::Call { name, args, selector } => call(name, args, *selector, event),
        }
    }

    /// The text of a scalar; numbers as their digits.
    fn text(&self, event: &Event) -> Option<Vec<u8>> {
        Some(match self.value(event)? {
            Val::One(Owned::Bytes(text)) => text,
            Val::One(Owned::I64(n)) => n.to_string().into_bytes(),
            Val::One(Owned::U64(n)) => n.to_string().into_bytes(),
            other => panic!("no text: {other:?}"),
        })
    }

    /// As it is written behind an operator.
    pub(super) fn on_the_right(&self) -> String {
        match self {
            Self::Field(field) => format!("val({field})"),
            side => side.to_string(),
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined =
            |of: &[Side]| of.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::Field(field) => write!(f, "{field}"),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::List(of) => write!(f, "({})", joined(of)),
            Self::Call { name, args, selector } => {
                write!(f, "{name}({})", joined(args))?;
                selector.iter().try_for_each(|c| write!(f, "[{c}]"))
            }
        }
    }
}

fn call(name: &str, args: &[Side], selector: Option<char>, event: &Event) -> Option<Val> {
    let first = || args[0].value(event);
    let text = |text: Vec<u8>| Some(Val::One(Owned::Bytes(text)));
    match name {
        "tolower" => first()?.map(|b| Some(b.to_ascii_lowercase())),
        "toupper" => first()?.map(|b| Some(b.to_ascii_uppercase())),
        "basename" => first()?.map(|b| b.split(|&c| c == b'/').next_back().map(<[u8]>::to_vec)),
        "b64" => first()?.map(base64),
        "len" => {
            let len = match first()? {
                Val::One(value) => value.bytes().len(),
                Val::List(of) => of.len(),
            };
            Some(Val::One(Owned::U64(len as u64)))
        }
        "concat" => {
            let parts: Option<Vec<Vec<u8>>> = args.iter().map(|a| a.text(event)).collect();
            text(parts?.concat())
        }
        "join" => {
            let separator = args[0].text(event)?;
            let parts = args[1].value(event)?.elements();
            let parts: Vec<&[u8]> = parts.iter().map(Owned::bytes).collect();
            text(parts.join(&separator[..]))
        }
        "getopt" => {
            let words = first()?.elements();
            let words: Vec<Vec<u8>> = words.iter().map(|w| w.bytes().to_vec()).collect();
            getopt(&words, &args[1].text(event)?, selector)
        }
        _ => unreachable!("no transformer: {name}"),
    }
}

/// Bit by bit.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut digits = text;
    for _ in 0..2 {
        digits = digits.strip_suffix(b"=").unwrap_or(digits);
    }
    if digits.is_empty() {
        return text.is_empty().then(Vec::new);
    }
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bits = Vec::new();
    for digit in digits {
        let value = alphabet.iter().position(|a| a == digit)?;
        bits.extend((0..6).rev().map(|i| value >> i & 1));
    }
    let left = bits.split_off(bits.len() / 8 * 8);
    let byte = |bits: &[usize]| bits.iter().fold(0, |byte, bit| byte * 2 + bit) as u8;
    (left.len() < 6 && !left.contains(&1)).then(|| bits.chunks(8).map(byte).collect())
}

/// Letters and values in a list, or the last value of one letter.
fn getopt(words: &[Vec<u8>], letters: &[u8], selector: Option<char>) -> Option<Val> {
    let known = |c: u8| c != b':' && letters.contains(&c);
    let takes_value = |c: u8| letters.windows(2).any(|w| w == [c, b':']);
    let mut list = Vec::new();
    let mut selected = None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == b"--" || !word.starts_with(b"-") || word == b"-" {
            break;
        }
        if word.starts_with(b"--") {
            continue;
        }
        let mut rest = &word[1..];
        while let Some((&c, behind)) = rest.split_first() {
            rest = behind;
            let is_selected = selector == Some(c.into());
            if !known(c) {
                list.push(b"?".to_vec());
            } else if takes_value(c) {
                let value =
                    if rest.is_empty() { words.next().cloned() } else { Some(rest.to_vec()) };
                rest = &[];
                if is_selected {
                    selected = Some(value.clone().unwrap_or_default());
                }
                match value {
                    Some(value) => list.extend([vec![c], value]),
                    None => list.push(Vec::new()),
                }
            } else {
                list.push(vec![c]);
                if is_selected {
                    selected = Some(Vec::new());
                }
            }
        }
    }
    match selector {
        Some(_) => selected.map(Owned::Bytes).map(Val::One),
        None => Some(Val::List(list.into_iter().map(Owned::Bytes).collect())),
    }
}

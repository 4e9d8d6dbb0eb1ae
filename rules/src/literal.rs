//! Values as written to values of a type. The readings are those of the C library that rules were written against:
//! numbers wrap instead of failing, and quotes change nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::lex::Literal;
use crate::predicate::Net;
use crate::schema::FieldType;
use crate::services::service_port;

/// What was expected instead of a value.
pub(crate) type Expected = &'static str;

/// `true` or `false`.
pub(crate) fn truth(value: &Literal) -> Result<bool, Expected> {
    match value.bytes.as_slice() {
        b"true" => Ok(true),
        b"false" => Ok(false),
        _ => Err("`true` or `false`"),
    }
}

/// Pairs of hexadecimal digits.
pub(crate) fn hex(value: &Literal) -> Result<Vec<u8>, Expected> {
    let digit = |b: &u8| char::from(*b).to_digit(16);
    let pairs = value.bytes.chunks(2).map(|pair| match pair {
        [high, low] => Some((digit(high)? << 4 | digit(low)?) as u8),
        _ => None,
    });
    let bytes: Option<Vec<u8>> = pairs.collect();
    bytes.filter(|b| !b.is_empty()).ok_or("pairs of hexadecimal digits")
}

/// The bits of a number of the type, signed ones extended to 64: what is out of range wraps.
pub(crate) fn number(value: &Literal, ty: FieldType) -> Result<u64, Expected> {
    if ty == FieldType::Port {
        return port(value);
    }
    let digits = value.bytes.trim_ascii_start();
    let (negative, digits) = match digits {
        [sign @ (b'-' | b'+'), rest @ ..] => (*sign == b'-', rest),
        _ => (false, digits),
    };
    let magnitude = magnitude(digits).ok_or("a decimal number")?;
    let signed = |bits: u64| if negative { bits.wrapping_neg() } else { bits };
    let wide = if ty.is_signed() {
        // The C library stops at the ends of 64 signed bits.
        signed(magnitude.min(i64::MAX as u64 + u64::from(negative)))
    } else {
        signed(magnitude)
    };
    if ty == FieldType::Double {
        return Ok((wide as i64 as f64).to_bits());
    }
    let unused = 64 - ty.bits().unwrap_or(64);
    Ok(if ty.is_signed() {
        ((wide << unused) as i64 >> unused) as u64
    } else {
        wide << unused >> unused
    })
}

/// Digits, or the name of a service.
fn port(value: &Literal) -> Result<u64, Expected> {
    match magnitude(&value.bytes) {
        Some(number) => Ok(u64::from(number as u16)),
        None => service_port(&value.text()).map(u64::from).ok_or("a port or a service"),
    }
}

/// Decimal digits; 64 bits are the most that is kept.
fn magnitude(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    let is_number = !text.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

pub(crate) fn addr(value: &Literal) -> Result<IpAddr, Expected> {
    parse_addr(&value.text()).ok_or("an IP address")
}

pub(crate) fn net(value: &Literal) -> Result<Net, Expected> {
    let text = value.text();
    let net = text.split_once('/').and_then(|(a, len)| {
        let addr = parse_addr(a)?;
        let digits = !len.is_empty() && len.bytes().all(|b| b.is_ascii_digit());
        let len: u8 = digits.then(|| len.parse().ok()).flatten()?;
        let valid = if addr.is_ipv4() { len <= 32 } else { (1..=128).contains(&len) };
        valid.then(|| Net::new(addr, len))
    });
    net.ok_or("a network such as 10.0.0.0/8")
}

fn parse_addr(text: &str) -> Option<IpAddr> {
    // The mapped form `::ffff:1.2.3.4` also holds a dot, and is refused as IPv4 text.
    if text.contains('.') {
        text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
    } else {
        text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> Literal {
        Literal { bytes: text.as_bytes().to_vec(), quoted: true, range: 0..0 }
    }

    #[test]
    fn numbers_are_read_as_the_c_library_reads_them() {
        use FieldType::{I16, I32, I64, Port, U32, U64};
        for (text, ty, bits) in [
            ("0", U64, Some(0)),
            ("0030", I64, Some(30)),
            (" \t+5", I64, Some(5)),
            ("-1", I64, Some(u64::MAX)),
            ("-1", U64, Some(u64::MAX)),
            ("-1", U32, Some(0xffff_ffff)),
            ("-1", I32, Some(u64::MAX)),
            ("4294967296", U32, Some(0)),
            ("2147483648", I32, Some(-2_147_483_648_i64 as u64)),
            ("32768", I16, Some(-32_768_i64 as u64)),
            ("99999999999999999999", I64, Some(i64::MAX as u64)),
            ("-99999999999999999999", I64, Some(i64::MIN as u64)),
            ("99999999999999999999", U64, Some(u64::MAX)),
            ("65536", Port, Some(0)),
            ("https", Port, Some(443)),
            ("-1", Port, None),
            (" 80", Port, None),
            ("", Port, None),
            ("", I64, None),
            ("-", I64, None),
            ("- 1", I64, None),
            ("5 ", I64, None),
            ("0x10", I64, None),
            ("1.5", I64, None),
            ("five", I64, None),
            ("3", FieldType::Double, Some(3.0_f64.to_bits())),
            ("3.5", FieldType::Double, None),
        ] {
            assert_eq!(number(&literal(text), ty).ok(), bits, "{text} as {ty:?}");
        }
    }

    #[test]
    fn addresses_and_networks_keep_their_forms() {
        let is_addr = |t| addr(&literal(t)).is_ok();
        assert!(is_addr("127.0.0.1") && is_addr("::1") && is_addr("fe80::1"));
        for bad in ["", "localhost", "10.0.0.0/8", "::ffff:1.2.3.4", "1.2.3", "1.2.3.256"] {
            assert!(!is_addr(bad), "{bad}");
        }
        let is_net = |t| net(&literal(t)).is_ok();
        assert!(is_net("10.0.0.0/8") && is_net("0.0.0.0/0") && is_net("::/1"));
        for bad in ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "::/0", "::/129", "10.0.0.0/+8"] {
            assert!(!is_net(bad), "{bad}");
        }
    }
}

//! Ports of addresses by the names of their services, where a trace asks for them.

use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;
use rules::service_name;

/// How ports of addresses are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PortFormat {
    /// As numbers.
    #[default]
    Number,
    /// By the names of their services, as far as they have one.
    Service,
}

/// Whether the parameter is an address, or a pair of them, of a family that has ports.
pub(super) fn has_ports(param: &[u8]) -> bool {
    const AF_INET: u8 = 2;
    const AF_INET6: u8 = 10;
    matches!(param, [AF_INET | AF_INET6, ..])
}

/// The address, or the two with an arrow between them, with names of services for their ports.
pub(super) fn with_services<'b>(text: &[u8], bump: &'b Bump) -> &'b [u8] {
    let mut out = BumpVec::with_capacity_in(text.len() + 16, bump);
    let ends = match text.windows(2).position(|w| w == b"->") {
        Some(at) => [Some(&text[..at]), Some(&text[at + 2..])],
        None => [Some(text), None],
    };
    for (n, end) in ends.into_iter().flatten().enumerate() {
        if n > 0 {
            out.extend_from_slice_copy(b"->");
        }
        match service(end) {
            Some((addr, name)) => {
                out.extend_from_slice_copy(addr);
                out.extend_from_slice_copy(name.as_bytes());
            }
            None => out.extend_from_slice_copy(end),
        }
    }
    out.into_bump_slice()
}

/// The address with its colon, and the name of its port.
fn service(end: &[u8]) -> Option<(&[u8], &'static str)> {
    let colon = end.iter().rposition(|&b| b == b':')?;
    let (addr, port) = end.split_at(colon + 1);
    let port = std::str::from_utf8(port).ok()?.parse().ok()?;
    Some((addr, service_name(port)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_with_a_service_have_its_name() {
        for (text, expected) in [
            ("10.0.0.1:40251->1.2.3.4:53", "10.0.0.1:40251->1.2.3.4:domain"),
            ("2001:db8::1:80->::1:40251", "2001:db8::1:http->::1:40251"),
            ("127.0.0.1:22", "127.0.0.1:ssh"),
            ("->", "->"),
            ("", ""),
            ("no address", "no address"),
        ] {
            let bump = Bump::new();
            assert_eq!(with_services(text.as_bytes(), &bump), expected.as_bytes());
        }
    }
}

//! Numbers and addresses as text, written without the standard formatter: rules ask for the name of nearly every socket, and it is
//! dear. A `connect` costs 4,623 instructions where it cost 6,617 (2026-11-22, `peregrine-bench gate`, `shard_connect`).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::Range;

use super::text::Text;

/// The longest text: an IPv6 address of eight whole groups, a colon, and a port.
const MAX_LEN: usize = 8 * 4 + 7 + 1 + 5;

/// Two digits for each number below 100.
static PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut n = 0;
    while n < 100 {
        pairs[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    pairs
};

/// Text that grows at its front, since digits come last first.
struct Digits {
    bytes: [u8; MAX_LEN],
    start: usize,
}

impl Digits {
    const fn new() -> Self {
        Self { bytes: [0; MAX_LEN], start: MAX_LEN }
    }

    fn text(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    fn push(&mut self, byte: u8) {
        self.start -= 1;
        self.bytes[self.start] = byte;
    }

    fn decimal(&mut self, mut n: u64) {
        while n >= 100 {
            self.pair(n % 100);
            n /= 100;
        }
        if n >= 10 {
            self.pair(n);
        } else {
            self.push(b'0' + n as u8);
        }
    }

    fn pair(&mut self, n: u64) {
        self.start -= 2;
        self.bytes[self.start..self.start + 2].copy_from_slice(&PAIRS[n as usize]);
    }

    fn hex(&mut self, mut n: u16) {
        loop {
            self.push(b"0123456789abcdef"[usize::from(n & 0xf)]);
            n >>= 4;
            if n == 0 {
                break;
            }
        }
    }

    fn ip(&mut self, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => self.octets(ip.octets()),
            IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
                Some(mapped) => {
                    self.octets(mapped.octets());
                    for &byte in b"::ffff:".iter().rev() {
                        self.push(byte);
                    }
                }
                None => self.ipv6(ip),
            },
        }
    }

    fn octets(&mut self, octets: [u8; 4]) {
        for (n, &octet) in octets.iter().rev().enumerate() {
            if n > 0 {
                self.push(b'.');
            }
            self.decimal(u64::from(octet));
        }
    }

    /// As RFC 5952 has it.
    fn ipv6(&mut self, ip: Ipv6Addr) {
        let groups = ip.segments();
        let zeros = longest_zeros(&groups);
        if zeros.len() < 2 {
            self.groups(&groups);
            return;
        }
        self.groups(&groups[zeros.end..]);
        self.push(b':');
        self.push(b':');
        self.groups(&groups[..zeros.start]);
    }

    fn groups(&mut self, groups: &[u16]) {
        for (n, &group) in groups.iter().rev().enumerate() {
            if n > 0 {
                self.push(b':');
            }
            self.hex(group);
        }
    }
}

/// The longest run of zeros, the first of several.
fn longest_zeros(groups: &[u16; 8]) -> Range<usize> {
    let (mut longest, mut start) = (0..0, 0);
    for (at, &group) in groups.iter().enumerate() {
        if group != 0 {
            start = at + 1;
        } else if at + 1 - start > longest.len() {
            longest = start..at + 1;
        }
    }
    longest
}

pub(crate) fn put_decimal(out: &mut impl Text, n: u64) {
    if n < 10 {
        // Most results and descriptors.
        return out.put_byte(b'0' + n as u8);
    }
    let mut digits = Digits::new();
    digits.decimal(n);
    out.put(digits.text());
}

pub(super) fn put_signed(out: &mut impl Text, n: i64) {
    if n < 0 {
        out.put_byte(b'-');
    }
    put_decimal(out, n.unsigned_abs());
}

/// Nine digits of a number below a thousand million: nanoseconds of a second.
pub(crate) fn put_nine_digits(out: &mut impl Text, n: u64) {
    let mut digits = [b'0'; 9];
    let mut rest = n;
    for pair in digits[1..].as_chunks_mut::<2>().0.iter_mut().rev() {
        *pair = PAIRS[(rest % 100) as usize];
        rest /= 100;
    }
    digits[0] += (rest % 10) as u8;
    out.put(&digits);
}

/// Hexadecimal digits, large letters.
pub(super) fn put_hex(out: &mut impl Text, n: u64) {
    const MAX_DIGITS: usize = 16;
    let n_digits = (MAX_DIGITS - n.leading_zeros() as usize / 4).max(1);
    let mut digits = [0; MAX_DIGITS];
    let mut rest = n;
    for digit in digits[..n_digits].iter_mut().rev() {
        *digit = b"0123456789ABCDEF"[(rest & 0xf) as usize];
        rest >>= 4;
    }
    out.put(&digits[..n_digits]);
}

pub(super) fn put_ip(out: &mut impl Text, ip: IpAddr) {
    let mut digits = Digits::new();
    digits.ip(ip);
    out.put(digits.text());
}

/// Address and port with a colon between them; no brackets around IPv6, as Falco prints it.
pub(super) fn put_addr(out: &mut impl Text, addr: SocketAddr) {
    let mut digits = Digits::new();
    digits.decimal(u64::from(addr.port()));
    digits.push(b':');
    digits.ip(addr.ip());
    out.put(digits.text());
}

/// Both ends of a connection.
pub(super) fn put_pair(out: &mut impl Text, from: SocketAddr, to: SocketAddr) {
    put_addr(out, from);
    out.put(b"->");
    put_addr(out, to);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check<T>(put: impl Fn(&mut Vec<u8>, T), value: T, expected: &str) {
        let mut out = Vec::new();
        put(&mut out, value);
        assert_eq!(std::str::from_utf8(&out), Ok(expected));
    }

    fn check_addr(addr: SocketAddr) {
        check(put_addr, addr, &format!("{}:{}", addr.ip(), addr.port()));
    }

    /// Zeros as often as in addresses that people use.
    fn group() -> impl Strategy<Value = u16> {
        prop_oneof![Just(0), Just(0xffff), 0..0x10_u16, any::<u16>()]
    }

    #[test]
    fn numbers_reach_from_end_to_end() {
        for n in [0, 9, 10, 99, 100, u64::MAX] {
            check(put_decimal, n, &n.to_string());
        }
        for n in [i64::MIN, -10, -1, 0, 1, i64::MAX] {
            check(put_signed, n, &n.to_string());
        }
    }

    #[test]
    fn addresses_with_runs_of_zeros_have_their_short_form() {
        for text in [
            "0.0.0.0:0",
            "255.255.255.255:65535",
            "[::]:0",
            "[::1]:80",
            "[1::]:80",
            "[::ffff:0:0]:1",
            "[::ffff:192.0.2.128]:443",
            "[::192.0.2.128]:443",
            "[2001:db8:0:1:1:1:1:1]:1",
            "[2001:0:0:1:0:0:0:1]:1",
            "[2001:db8:0:0:1:0:0:1]:1",
            "[0:0:0:1:0:0:0:0]:1",
            "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
        ] {
            check_addr(text.parse().expect(text));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn every_address_is_as_the_standard_library_prints_it(
            groups in prop::array::uniform8(group()),
            octets in any::<[u8; 4]>(),
            port in any::<u16>(),
        ) {
            check_addr(SocketAddr::new(IpAddr::from(groups), port));
            check_addr(SocketAddr::new(IpAddr::from(octets), port));
            let mapped = std::net::Ipv4Addr::from(octets).to_ipv6_mapped();
            check_addr(SocketAddr::new(IpAddr::V6(mapped), port));
        }

        #[test]
        fn every_number_is_as_the_standard_library_prints_it(n in any::<i64>(), shift in 0..64_u32) {
            check(put_signed, n >> shift, &(n >> shift).to_string());
            let bits = (n as u64) >> shift;
            check(put_decimal, bits, &bits.to_string());
            check(put_hex, bits, &format!("{bits:X}"));
            let below = bits % 1_000_000_000;
            check(put_nine_digits, below, &format!("{below:09}"));
        }
    }
}

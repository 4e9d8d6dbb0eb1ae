//! The number of a cycle as text, counted up without formatting it anew.

use std::ffi::CStr;

/// Cycles that can be told apart: what the digits hold.
pub(crate) const MAX_CYCLES: u64 = 10_u64.pow(N_DIGITS as u32) - 1;

const N_DIGITS: usize = Numbered::N_DIGITS;

/// A number as ten digits, at the end of a text that a NUL ends.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    text: Vec<u8>,
    number: u64,
}

impl Numbered {
    pub(crate) const N_DIGITS: usize = 10;

    /// A text, and 0 behind it.
    pub(crate) fn after(prefix: &[u8]) -> Self {
        let mut text = prefix.to_vec();
        text.extend([b'0'; N_DIGITS]);
        text.push(0);
        Self { text, number: 0 }
    }

    /// Takes a number, at little cost where it is the next one.
    #[inline]
    pub(crate) fn set(&mut self, number: u64) {
        let is_next = number == self.number.wrapping_add(1);
        self.number = number;
        let end = self.text.len() - 1;
        let digits = &mut self.text[end - N_DIGITS..end];
        if is_next {
            for digit in digits.iter_mut().rev() {
                if *digit < b'9' {
                    *digit += 1;
                    return;
                }
                *digit = b'0';
            }
        } else {
            let mut left = number;
            for digit in digits.iter_mut().rev() {
                *digit = b'0' + (left % 10) as u8;
                left /= 10;
            }
        }
    }

    /// The number alone.
    #[inline]
    pub(crate) fn digits(&self) -> &[u8] {
        &self.text[self.text.len() - 1 - N_DIGITS..self.text.len() - 1]
    }

    /// The whole text.
    #[inline]
    pub(crate) fn as_c_str(&self) -> &CStr {
        // Found always: NUL is the last byte.
        CStr::from_bytes_until_nul(&self.text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(numbered: &Numbered) -> &str {
        let text = numbered.as_c_str().to_str().unwrap();
        assert!(text.as_bytes().ends_with(numbered.digits()) && numbered.digits().len() == 10);
        text
    }

    #[test]
    fn numbers_are_ten_digits_whether_counted_or_set() {
        let mut numbered = Numbered::after(b"f.");
        assert_eq!(text(&numbered), "f.0000000000");
        for number in [1, 2, 9, 10, 11, 98, 99, 100, 7, 4_000_000_000, 4_000_000_001, MAX_CYCLES] {
            numbered.set(number);
            assert_eq!(text(&numbered), format!("f.{number:010}"));
        }
        let mut counted = Numbered::after(b"");
        for number in 0..12_345 {
            counted.set(number);
            assert_eq!(text(&counted), format!("{number:010}"));
        }
    }
}

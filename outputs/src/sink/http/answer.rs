//! What a server answers, read within bounds: it may send anything.

use std::io::{self, ErrorKind, Read};
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// Bytes of a status line with its headers; servers refuse more as well.
const MAX_HEAD: usize = 32 << 10;

/// Headers of an answer.
const MAX_HEADERS: usize = 128;

/// Bytes of a body that are read. Behind a longer one the connection is not used again.
const MAX_BODY: usize = 64 << 10;

/// Answers that only announce the one that counts (status 1xx).
const MAX_INTERIM: usize = 16;

/// An answer.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Beside the status.
    pub(super) reason: String,
    /// When the server wants to be asked again.
    pub(super) retry_after: Option<Duration>,
    /// Where it sends those who ask.
    pub(super) location: Option<String>,
    /// The body's beginning.
    pub(super) body: Vec<u8>,
    /// Whether the next answer begins where this one ends.
    pub(super) is_reusable: bool,
}

/// No answer.
#[derive(Debug)]
pub(super) struct NoAnswer {
    pub(super) why: io::Error,
    /// Not a byte of one came.
    pub(super) is_silent: bool,
}

/// How long a body is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    Bytes(u64),
    Chunked,
    UntilClose,
}

impl Answer {
    /// Reads an answer. Once its head is there the status counts, whatever becomes of the body.
    pub(super) fn read(from: &mut impl Read) -> Result<Self, NoAnswer> {
        let mut input = Input { from, buf: Vec::new(), at: 0 };
        for _ in 0..MAX_INTERIM {
            let (mut answer, length, may_go_on) = input.head()?;
            if matches!(answer.status, 100..=199) {
                continue;
            }
            let is_whole = input.body(length, &mut answer.body).unwrap_or(false);
            answer.is_reusable =
                is_whole && may_go_on && length != Length::UntilClose && input.rest().is_empty();
            return Ok(answer);
        }
        Err(NoAnswer {
            why: malformed("no end of answers that only announce one"),
            is_silent: false,
        })
    }

    /// The status with its reason, and the body's beginning as people may read it.
    pub(super) fn said(&self) -> String {
        let Self { status, reason, body, .. } = self;
        let mut said = format!("{status} {reason}").trim_end().to_owned();
        let body = printable(&String::from_utf8_lossy(body), 200);
        if !body.is_empty() {
            said.push_str(": ");
            said.push_str(&body);
        }
        said
    }
}

/// A text on one line, without what would steer a terminal.
pub(super) fn printable(text: &str, n_chars: usize) -> String {
    let words = text.split_whitespace().flat_map(|w| [" ", w]).skip(1);
    let mut plain = words.flat_map(str::chars).map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut out: String = plain.clone().take(n_chars).collect();
    if plain.nth(n_chars).is_some() {
        out.push_str("...");
    }
    out
}

fn malformed(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

struct Input<'r, R> {
    from: &'r mut R,
    buf: Vec<u8>,
    /// So much of it is done with.
    at: usize,
}

impl<R: Read> Input<'_, R> {
    fn rest(&self) -> &[u8] {
        &self.buf[self.at..]
    }

    /// Reads on; gives whether there was more.
    fn more(&mut self) -> io::Result<bool> {
        self.buf.drain(..self.at);
        self.at = 0;
        let mut some = [0; 8192];
        loop {
            match self.from.read(&mut some) {
                Ok(n) => {
                    self.buf.extend_from_slice(&some[..n]);
                    return Ok(n > 0);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Reads on up to the end of a line, or to the bound of a head: who parses after each piece parses the same again and again.
    fn more_lines(&mut self) -> io::Result<bool> {
        loop {
            let n_before = self.rest().len();
            if !self.more()? {
                return Ok(false);
            }
            if self.rest()[n_before..].contains(&b'\n') || self.rest().len() >= MAX_HEAD {
                return Ok(true);
            }
        }
    }

    /// Status and headers; how long the body is; and whether the server keeps the connection.
    fn head(&mut self) -> Result<(Answer, Length, bool), NoAnswer> {
        loop {
            let no = |why| NoAnswer { why, is_silent: self.rest().is_empty() };
            if !self.rest().is_empty() {
                let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
                let mut response = httparse::Response::new(&mut headers);
                match response.parse(self.rest()) {
                    Ok(httparse::Status::Complete(n)) => {
                        let head = head(&response);
                        self.at += n;
                        return Ok(head);
                    }
                    Ok(httparse::Status::Partial) if self.rest().len() < MAX_HEAD => {}
                    Ok(httparse::Status::Partial) => {
                        return Err(no(malformed("an answer with too many headers")));
                    }
                    Err(e) => {
                        return Err(no(malformed(format!("an answer that is not HTTP/1.1: {e}"))));
                    }
                }
            }
            let why = match self.more_lines() {
                Ok(true) => continue,
                Ok(false) => {
                    let why = "the connection was closed before the answer";
                    io::Error::new(ErrorKind::UnexpectedEof, why)
                }
                Err(why) => why,
            };
            return Err(NoAnswer { why, is_silent: self.rest().is_empty() });
        }
    }

    /// Reads the body, of which the beginning is kept; gives whether its end was found.
    fn body(&mut self, length: Length, body: &mut Vec<u8>) -> io::Result<bool> {
        match length {
            Length::Bytes(n) => self.take(n, body),
            Length::UntilClose => self.take(MAX_BODY as u64, body).map(|_| true),
            Length::Chunked => self.chunks(body),
        }
    }

    /// Takes so many bytes; gives whether they came.
    fn take(&mut self, n_bytes: u64, body: &mut Vec<u8>) -> io::Result<bool> {
        let mut left = n_bytes;
        while left > 0 {
            let n = (self.rest().len() as u64).min(left) as usize;
            if body.len() + n > MAX_BODY {
                body.extend_from_slice(&self.buf[self.at..][..MAX_BODY - body.len()]);
                return Ok(false);
            }
            body.extend_from_slice(&self.buf[self.at..][..n]);
            self.at += n;
            left -= n as u64;
            if left > 0 && !self.more()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn chunks(&mut self, body: &mut Vec<u8>) -> io::Result<bool> {
        loop {
            match httparse::parse_chunk_size(self.rest()) {
                Ok(httparse::Status::Complete((n_line, 0))) => {
                    self.at += n_line;
                    return self.trailers();
                }
                Ok(httparse::Status::Complete((n_line, n))) => {
                    self.at += n_line;
                    if !self.take(n, body)? || !self.line_end()? {
                        return Ok(false);
                    }
                }
                Ok(httparse::Status::Partial) if self.rest().len() < MAX_HEAD => {
                    if !self.more_lines()? {
                        return Ok(false);
                    }
                }
                Ok(httparse::Status::Partial) | Err(_) => return Ok(false),
            }
        }
    }

    fn line_end(&mut self) -> io::Result<bool> {
        let mut end = Vec::new();
        Ok(self.take(2, &mut end)? && end == b"\r\n")
    }

    /// Takes what may follow the last chunk, up to an empty line.
    fn trailers(&mut self) -> io::Result<bool> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
            match httparse::parse_headers(self.rest(), &mut headers) {
                Ok(httparse::Status::Complete((n, _))) => {
                    self.at += n;
                    return Ok(true);
                }
                Ok(httparse::Status::Partial) if self.rest().len() < MAX_HEAD => {
                    if !self.more_lines()? {
                        return Ok(false);
                    }
                }
                Ok(httparse::Status::Partial) | Err(_) => return Ok(false),
            }
        }
    }
}

fn head(response: &httparse::Response<'_, '_>) -> (Answer, Length, bool) {
    let status = response.code.unwrap_or(0);
    let mut answer = Answer {
        status,
        reason: printable(response.reason.unwrap_or_default(), 80),
        ..Answer::default()
    };
    let mut may_go_on = response.version == Some(1);
    let mut length = None;
    let mut is_chunked = false;
    for header in response.headers.iter() {
        let value = String::from_utf8_lossy(header.value);
        let value = value.trim();
        match header.name.to_ascii_lowercase().as_str() {
            "connection" => {
                let mut words = value.split(',').map(str::trim);
                may_go_on &= !words.any(|w| w.eq_ignore_ascii_case("close"));
            }
            "content-length" => match value.parse::<u64>() {
                Ok(n) if length.is_none_or(|before| before == n) => length = Some(n),
                // Nobody knows where it ends.
                _ => may_go_on = false,
            },
            "transfer-encoding" => {
                is_chunked = value.eq_ignore_ascii_case("chunked");
                may_go_on &= is_chunked;
            }
            "retry-after" => answer.retry_after = retry_after(value, Timestamp::now()),
            "location" => answer.location = Some(printable(value, 200)),
            _ => {}
        }
    }
    let length = match length {
        _ if matches!(status, 100..=199 | 204 | 304) => Length::Bytes(0),
        _ if is_chunked => Length::Chunked,
        Some(n) => Length::Bytes(n),
        None => Length::UntilClose,
    };
    (answer, length, may_go_on)
}

/// Seconds, or a date.
fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = rfc2822::parse(value).ok()?.timestamp();
    Some(Duration::try_from(then.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its text in pieces of this size, then ends.
    struct Pieces<'t>(&'t [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(self.0.len()).min(to.len());
            to[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    /// The answer as `STATUS BODY`, with `+` where the connection may be used again; the same however it is cut into pieces.
    fn check(text: &str, expected: &str) {
        for size in [1, 2, 3, 7, 100_000] {
            let said = match Answer::read(&mut Pieces(text.as_bytes(), size)) {
                Ok(Answer { status, body, is_reusable, .. }) => {
                    let plus = if is_reusable { "+" } else { "" };
                    format!("{status} {}{plus}", String::from_utf8_lossy(&body))
                }
                Err(NoAnswer { why, is_silent }) => format!("{why} {is_silent}"),
            };
            assert_eq!(said, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn bodies_have_an_end_or_none() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "200 hi+");
        check("HTTP/1.1 204 No Content\r\n\r\n", "204 +");
        check("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "200 +");
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n1\r\nd\r\n0\r\nX: y\r\n\r\n",
            "200 abcd+",
        );
        check("HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 1\r\n\r\nx", "200 x");
        check("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "200 x");
        check("HTTP/1.1 200 OK\r\n\r\nuntil the end", "200 until the end");
    }

    #[test]
    fn a_whole_head_counts_whatever_the_body_is() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut", "200 cut");
        check("HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "500 ab");
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "200 ");
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
            "200 a",
        );
        check("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy", "200 x");
        check("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nxy", "200 xy");
    }

    #[test]
    fn what_is_no_answer_is_said() {
        check("", "the connection was closed before the answer true");
        check("HTTP/1.1 200 OK\r\nA: b\r\n", "the connection was closed before the answer false");
        check("SSH-2.0-x\r\n\r\n", "an answer that is not HTTP/1.1: invalid HTTP version false");
        let many = format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(MAX_HEADERS + 1));
        check(&many, "an answer that is not HTTP/1.1: too many headers false");
        let long = format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(MAX_HEAD));
        check(&long, "an answer with too many headers false");
        let many = "HTTP/1.1 102 Wait\r\n\r\n".repeat(MAX_INTERIM + 1);
        check(&many, "no end of answers that only announce one false");
    }

    #[test]
    fn of_a_long_body_the_beginning_is_kept_and_the_rest_is_not_read() {
        for head in ["Content-Length: 1000000000000", "X: y", "Content-Length: 70000"] {
            let text = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{}", "x".repeat(70_000));
            let answer = Answer::read(&mut Pieces(text.as_bytes(), 5000)).unwrap();
            assert!(answer.body.len() <= MAX_BODY && !answer.is_reusable, "{head}");
            assert!(answer.body.len() > MAX_BODY - 5000, "{head}");
        }
    }

    #[test]
    fn more_than_the_answer_spoils_the_connection() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n";
        assert!(!Answer::read(&mut Pieces(text, 1000)).unwrap().is_reusable);
    }

    #[test]
    fn answers_are_told_on_one_line() {
        let body = b"<html>\r\n  no \x1b[31m\xff".to_vec();
        let answer = Answer { status: 400, reason: "Bad".into(), body, ..Answer::default() };
        assert_eq!(answer.said(), "400 Bad: <html> no \u{fffd}[31m\u{fffd}");
        assert_eq!(printable("abc def", 5), "abc d...");
        assert_eq!(Answer { status: 500, ..Answer::default() }.said(), "500");
    }

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let of = |value| retry_after(value, now).map(|d| d.as_secs());
        assert_eq!(of("120"), Some(120));
        assert_eq!(of("Mon, 23 Nov 2026 12:00:30 GMT"), Some(30));
        assert_eq!(of("Mon, 23 Nov 2026 11:00:30 GMT"), Some(0));
        assert_eq!(of("soon"), None);
        assert_eq!(of("-5"), None);
    }
}

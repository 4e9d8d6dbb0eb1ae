//! Messages of syslog: RFC 5424 over a network, what syslog(3) writes for a local socket.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::{Facility, Form};
use crate::message::Message;

/// Names the structured data. 32473 is the number for examples (RFC 5612): the project has none of its own.
const SD_ID: &str = "peregrine@32473";

/// Stands in the place of what was cut off.
const CUT: &str = "...[cut]";

/// Header fields may be no longer (RFC 5424, 6).
const MAX_HOSTNAME: usize = 255;
const MAX_APP_NAME: usize = 48;
/// Of a rule's name; with it the head of a message is shorter than the least that `max_bytes` can be.
const MAX_RULE: usize = 256;

/// Writes messages, each no longer than so many bytes.
pub(super) struct Printer {
    form: Form,
    facility: Facility,
    max_bytes: usize,
    hostname: String,
    app_name: String,
    pid: u32,
    time_zone: TimeZone,
}

impl Printer {
    pub(super) fn new(
        form: Form,
        facility: Facility,
        max_bytes: usize,
        hostname: &str,
        app_name: &str,
    ) -> Self {
        Self {
            form,
            facility,
            max_bytes,
            hostname: header_field(hostname, MAX_HOSTNAME),
            app_name: header_field(app_name, MAX_APP_NAME),
            pid: std::process::id(),
            time_zone: TimeZone::system(),
        }
    }

    /// Appends a message; gives whether something of the alert was cut off.
    pub(super) fn put(&self, to: &mut String, message: &Message) -> bool {
        let begin = to.len();
        self.head(to, message, None);
        let head_len = to.len() - begin;
        let text = message.text();
        if head_len + text.len() <= self.max_bytes {
            to.push_str(text);
            return false;
        }
        to.truncate(begin);
        self.head(to, message, Some(text.len()));
        let room = self.max_bytes.saturating_sub(to.len() - begin);
        let shorter = if message.is_json { shorter_object(text, room) } else { None };
        to.push_str(&shorter.unwrap_or_else(|| shorter_text(text, room)));
        true
    }

    /// All that stands before the text; `cut` is how long the text was.
    fn head(&self, to: &mut String, message: &Message, cut: Option<usize>) {
        let Self { form, facility, hostname, app_name, pid, time_zone, max_bytes: _ } = self;
        let priority = (*facility as u8) << 3 | message.priority as u8;
        let ns = i128::from(message.ts_ns);
        let time = Timestamp::from_nanosecond(ns).unwrap_or(Timestamp::UNIX_EPOCH);
        let _infallible = match form {
            Form::Local => {
                let time = time.to_zoned(time_zone.clone());
                write!(to, "<{priority}>{} {app_name}[{pid}]: ", time.strftime("%b %e %H:%M:%S"))
            }
            // Six digits are what the RFC has room for, of nine.
            Form::Rfc5424 => write!(
                to,
                "<{priority}>1 {} {hostname} {app_name} {pid} alert ",
                time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ")
            ),
        };
        if *form == Form::Rfc5424 {
            data(to, message, cut);
            // Required of UTF-8 (6.4), pointless before ASCII, and forbidden before JSON (RFC 8259, 8.1).
            if !message.is_json && !message.text().is_ascii() {
                to.push('\u{feff}');
            }
        }
    }
}

/// What stands for itself beside the text.
fn data(to: &mut String, message: &Message, cut: Option<usize>) {
    to.push('[');
    to.push_str(SD_ID);
    param(to, "rule", &message.rule);
    param(to, "priority", message.priority.as_str());
    if let Some(id) = message.id {
        param(to, "id", &id.to_string());
    }
    if let Some(n_bytes) = cut {
        param(to, "cut_from", &n_bytes.to_string());
    }
    to.push_str("] ");
}

/// ` name="value"`, escaped as RFC 5424, 6.3.3 has it. A rule may be named with any character and be as long as it likes.
fn param(to: &mut String, name: &str, value: &str) {
    let _infallible = write!(to, " {name}=\"");
    for c in value[..value.floor_char_boundary(MAX_RULE)].chars() {
        match c {
            '"' | '\\' | ']' => to.extend(['\\', c]),
            c if c.is_control() => to.push(' '),
            c => to.push(c),
        }
    }
    to.push('"');
}

/// Printable ASCII without a space; nothing is `-`.
fn header_field(text: &str, max_len: usize) -> String {
    let field: String = text.chars().filter(char::is_ascii_graphic).take(max_len).collect();
    if field.is_empty() { "-".to_owned() } else { field }
}

/// As much of the beginning as there is room for, and that it is not all.
fn shorter_text(text: &str, room: usize) -> String {
    let keep = text.floor_char_boundary(room.saturating_sub(CUT.len()));
    [&text[..keep], CUT].concat()
}

/// The same object with its longest texts cut, so that it can be read as an object: none where that is not enough.
fn shorter_object(text: &str, room: usize) -> Option<String> {
    let whole: Value = serde_json::from_str(text).ok()?;
    let mut longest = room;
    while longest > 16 {
        longest /= 2;
        let mut cut = whole.clone();
        cut_texts(&mut cut, longest);
        let text = cut.to_string();
        if text.len() <= room {
            return Some(text);
        }
    }
    None
}

/// Cuts every text of a value that is longer. An alert's object is three levels deep.
fn cut_texts(value: &mut Value, longest: usize) {
    match value {
        Value::String(text) if text.len() > longest => {
            *text = shorter_text(text, longest.max(CUT.len()));
        }
        Value::Array(values) => values.iter_mut().for_each(|v| cut_texts(v, longest)),
        Value::Object(map) => map.values_mut().for_each(|v| cut_texts(v, longest)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rules::Priority;

    use super::*;
    use crate::message::AlertId;

    fn message(rule: &str, text: &str, is_json: bool) -> Message {
        Message {
            id: None,
            // 2026-11-22 14:27:51.000000042 UTC.
            ts_ns: 1_795_357_671_123_456_789,
            taken_ns: 0,
            rule: rule.into(),
            priority: Priority::Warning,
            is_json,
            line: format!("{text}\n").into(),
        }
    }

    fn printer(form: Form, max_bytes: usize) -> Printer {
        let printer = Printer::new(form, Facility::User, max_bytes, "node-1", "peregrine");
        Printer { pid: 77, time_zone: TimeZone::UTC, ..printer }
    }

    fn printed(form: Form, max_bytes: usize, message: &Message) -> (String, bool) {
        let mut to = String::from("before ");
        let is_cut = printer(form, max_bytes).put(&mut to, message);
        (to["before ".len()..].to_owned(), is_cut)
    }

    #[track_caller]
    fn check(form: Form, message: &Message, expected: &str) {
        assert_eq!(printed(form, 8192, message), (expected.to_owned(), false));
    }

    #[test]
    fn forms_are_those_of_their_standards() {
        let plain = message("Shell", "14:27:51: Warning a [b] \"c\"", false);
        check(
            Form::Rfc5424,
            &plain,
            "<12>1 2026-11-22T14:27:51.123456Z node-1 peregrine 77 alert \
             [peregrine@32473 rule=\"Shell\" priority=\"Warning\"] 14:27:51: Warning a [b] \"c\"",
        );
        check(
            Form::Local,
            &plain,
            "<12>Nov 22 14:27:51 peregrine[77]: 14:27:51: Warning a [b] \"c\"",
        );
        let id = Some(AlertId { epoch: 31, sequence: 5 });
        let priority = Priority::Emergency;
        let odd = Message { id, priority, ..message("a \"b\" [c] \\d\ne", "x", false) };
        check(
            Form::Rfc5424,
            &odd,
            "<8>1 2026-11-22T14:27:51.123456Z node-1 peregrine 77 alert [peregrine@32473 \
             rule=\"a \\\"b\\\" [c\\] \\\\d e\" priority=\"Emergency\" id=\"1f-5\"] x",
        );
    }

    #[test]
    fn a_day_has_two_places() {
        let early = Message { ts_ns: 1_793_000_000_000_000_000, ..message("r", "x", false) };
        let (text, _) = printed(Form::Local, 8192, &early);
        assert!(text.starts_with("<12>Oct 26 "), "{text}");
        let early = Message { ts_ns: 1_793_800_000_000_000_000, ..early };
        let (text, _) = printed(Form::Local, 8192, &early);
        assert!(text.starts_with("<12>Nov  4 "), "{text}");
    }

    #[test]
    fn a_byte_order_mark_stands_before_text_that_needs_it() {
        let has_mark = |text: &str, is_json| {
            printed(Form::Rfc5424, 8192, &message("Shell", text, is_json)).0.contains('\u{feff}')
        };
        assert!(has_mark("naïve", false));
        assert!(!has_mark("plain", false));
        assert!(!has_mark("{\"output\":\"naïve\"}", true));
        let (local, _) = printed(Form::Local, 8192, &message("Shell", "naïve", false));
        assert!(!local.contains('\u{feff}'));
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        let long = "ö".repeat(500);
        let (text, is_cut) = printed(Form::Rfc5424, 600, &message("Shell", &long, false));
        assert!(is_cut && text.len() <= 600 && text.len() > 590, "{}", text.len());
        assert!(text.ends_with("ö...[cut]") && text.contains(" cut_from=\"1000\"]"), "{text}");
        let object = format!(
            "{{\"output\":\"{long}\",\"output_fields\":{{\"a\":\"{long}\",\"n\":7}},\"rule\":\"r\"}}"
        );
        for max_bytes in [480, 600, 1500] {
            let (text, is_cut) = printed(Form::Rfc5424, max_bytes, &message("r", &object, true));
            assert!(is_cut && text.len() <= max_bytes, "{text}");
            let value: Value = serde_json::from_str(text.split_once("] ").unwrap().1).unwrap();
            assert_eq!((&value["rule"], &value["output_fields"]["n"]), (&"r".into(), &7.into()));
            assert!(value["output"].as_str().unwrap().ends_with("...[cut]"), "{text}");
        }
    }

    /// The parts of a message as a reader of RFC 5424 takes them apart: header, parameters, text.
    fn parsed(text: &str) -> (Vec<String>, Vec<(String, String)>, String) {
        let (head, rest) = text.split_at(text.find(&format!(" [{SD_ID} ")).unwrap());
        let header = head.split(' ').map(str::to_owned).collect();
        let rest = rest[2..].strip_prefix(SD_ID).unwrap();
        let mut chars = rest.char_indices();
        let (mut params, mut name, mut value, mut is_quoted) =
            (Vec::new(), String::new(), String::new(), false);
        loop {
            let (at, c) = chars.next().unwrap();
            match c {
                '\\' if is_quoted => value.push(chars.next().unwrap().1),
                '"' if is_quoted => {
                    params.push((std::mem::take(&mut name), std::mem::take(&mut value)));
                    is_quoted = false;
                }
                '"' => is_quoted = true,
                ']' if !is_quoted => {
                    let text = rest[at + 1..].strip_prefix(' ').unwrap();
                    return (header, params, text.to_owned());
                }
                c if is_quoted => value.push(c),
                ' ' | '=' => {}
                c => name.push(c),
            }
        }
    }

    proptest! {
        #[test]
        fn every_message_can_be_taken_apart_again(
            rule in "\\PC{0,64}",
            text in "\\PC{0,400}",
            hostname in "\\PC{0,300}",
            is_json in any::<bool>(),
            max_bytes in 1024_usize..1400,
        ) {
            let message = message(&rule, &text, is_json);
            let printer = Printer::new(Form::Rfc5424, Facility::Local7, max_bytes, &hostname, "");
            let mut to = String::new();
            let is_cut = printer.put(&mut to, &message);
            prop_assert!(to.len() <= max_bytes);
            let (header, params, read) = parsed(&to);
            prop_assert_eq!(header.len(), 6);
            prop_assert_eq!(&header[0], "<188>1");
            prop_assert!(!header[2].is_empty() && &header[3] == "-");
            prop_assert_eq!(&params[0], &("rule".to_owned(), rule));
            if !is_cut {
                prop_assert_eq!(read.trim_start_matches('\u{feff}'), text.trim_start_matches('\u{feff}'));
            }
        }
    }
}

//! An alert as Falco's line of text, or as Falco's JSON object.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use jiff::tz::TimeZone;
use rules::{Alert, AlertMarks, NameView};

use crate::json;
use crate::message::AlertId;

/// What an alert is printed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent keys of Falco's configuration")]
pub struct Format {
    /// JSON object instead of a line of text.
    pub json: bool,
    /// Prefix with UTC in ISO 8601 instead of the local time of day.
    pub iso_time: bool,
    /// JSON: include `message`, the output without its prefix.
    pub with_message: bool,
    /// JSON: include `output`.
    pub with_output: bool,
    /// JSON: include `output_fields`.
    pub with_output_fields: bool,
    /// JSON: include `tags`.
    pub with_tags: bool,
}

impl Default for Format {
    fn default() -> Self {
        Self {
            json: false,
            iso_time: false,
            with_message: false,
            with_output: true,
            with_output_fields: true,
            with_tags: true,
        }
    }
}

impl Format {
    /// A bit for each switch.
    fn packed(self) -> u8 {
        let Self { json, iso_time, with_message, with_output, with_output_fields, with_tags } =
            self;
        let switches = [json, iso_time, with_message, with_output, with_output_fields, with_tags];
        switches.iter().rev().fold(0, |bits, &is_on| bits << 1 | u8::from(is_on))
    }

    fn unpacked(bits: u8) -> Self {
        let [json, iso_time, with_message, with_output, with_output_fields, with_tags] =
            [0, 1, 2, 3, 4, 5].map(|n| bits >> n & 1 == 1);
        Self { json, iso_time, with_message, with_output, with_output_fields, with_tags }
    }
}

/// What the outputs themselves have to say of an alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// What names it for whoever may get it twice.
    pub id: Option<AlertId>,
    /// So often it was raised since it was told last; 0: it was not held back.
    pub n_repeated: u64,
}

/// The local time zone (`TZ`, else /etc/localtime, else UTC).
fn local_zone() -> TimeZone {
    TimeZone::try_system().unwrap_or(TimeZone::UTC)
}

/// Seconds by which local time is ahead of UTC, by the second since the epoch.
#[must_use]
pub fn local_offset() -> Box<dyn Fn(i64) -> i32 + Send> {
    let zone = local_zone();
    Box::new(move |second| {
        jiff::Timestamp::from_second(second).map_or(0, |t| zone.to_offset(t).seconds())
    })
}

/// Prints alerts. Holds the time zone (`TZ`, else /etc/localtime, else UTC) and the host's name.
#[derive(Debug)]
pub struct Formatter {
    /// Packed; written by whoever has it changed.
    format: Arc<AtomicU8>,
    is_json: bool,
    zone: TimeZone,
    hostname: Arc<str>,
    line: String,
    text: String,
    escaped: String,
}

impl Formatter {
    /// A formatter for alerts of this host, in the local time zone.
    #[must_use]
    pub fn new(format: Format, hostname: &str) -> Self {
        Self::with_zone(format, hostname, local_zone())
    }

    fn with_zone(format: Format, hostname: &str, zone: TimeZone) -> Self {
        let [line, text, escaped] = [const { String::new() }; 3];
        let is_json = format.json;
        let format = Arc::new(AtomicU8::new(format.packed()));
        Self { format, is_json, zone, hostname: hostname.into(), line, text, escaped }
    }

    /// What has alerts printed in another form from the next one on.
    pub fn reformatter(&self) -> impl Fn(Format) + Send + Sync + use<> {
        let format = Arc::clone(&self.format);
        // Relaxed: the form is all that it tells.
        move |new| format.store(new.packed(), Ordering::Relaxed)
    }

    /// Seconds by which local time is ahead of UTC now, for outputs of rules that print local time.
    #[must_use]
    pub fn utc_offset_s(&self) -> i32 {
        self.zone.to_offset(jiff::Timestamp::now()).seconds()
    }

    /// Whether the last line is a JSON object.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.is_json
    }

    /// The alert as one line, newline included. It never contains a control character other than that newline.
    pub fn line(&mut self, alert: &Alert, notes: Notes) -> &str {
        let Self { format, is_json, zone, hostname, line, text, escaped } = self;
        let format = Format::unpacked(format.load(Ordering::Relaxed));
        *is_json = format.json;
        text.clear();
        if format.iso_time {
            iso_time(text, alert.ts_ns, "+0000");
        } else {
            time_of_day(text, civil(alert.ts_ns, zone));
        }
        let _infallible = write!(text, ": {} {}", alert.rule.priority, alert.output);
        line.clear();
        escaped.clear();
        if format.json {
            json::put_object(escaped, alert, notes, format, hostname, text);
        } else {
            marks_text(text, alert.marks, notes);
            rules::escape_line(escaped, text);
        }
        // A control character inside JSON text can only stand in a string.
        push_visible(line, escaped);
        line.push('\n');
        line
    }
}

fn civil(ts_ns: u64, zone: &TimeZone) -> jiff::civil::DateTime {
    let t = jiff::Timestamp::from_nanosecond(ts_ns.into()).unwrap_or(jiff::Timestamp::MAX);
    zone.to_datetime(t)
}

/// `HH:MM:SS.nnnnnnnnn`.
fn time_of_day(to: &mut String, t: jiff::civil::DateTime) {
    let (h, m, s, ns) = (t.hour(), t.minute(), t.second(), t.subsec_nanosecond());
    let _infallible = write!(to, "{h:02}:{m:02}:{s:02}.{ns:09}");
}

/// `YYYY-MM-DDTHH:MM:SS.nnnnnnnnn` in UTC, then `suffix`.
pub(crate) fn iso_time(to: &mut String, ts_ns: u64, suffix: &str) {
    let t = civil(ts_ns, &TimeZone::UTC);
    let _infallible = write!(to, "{}T", t.date());
    time_of_day(to, t);
    to.push_str(suffix);
}

/// Names of the marks that are set. Most alerts have none.
pub(crate) fn marks(marks: AlertMarks) -> impl Iterator<Item = &'static str> {
    let AlertMarks {
        late,
        lineage_unknown,
        lineage_incomplete,
        container_unknown,
        truncated,
        faulted,
        fd_raced,
        name_view: _,
    } = marks;
    [
        (late, "late"),
        (lineage_unknown, "lineage_unknown"),
        (lineage_incomplete, "lineage_incomplete"),
        (container_unknown, "container_unknown"),
        (truncated, "truncated"),
        (faulted, "faulted"),
        (fd_raced, "fd_raced"),
    ]
    .into_iter()
    .filter_map(|(set, name)| set.then_some(name))
}

/// The view, where only one of two names matched: the kernel's, not the one that the process gave; or that one, and another file was opened,
/// through a link or because the string was rewritten under way. (A replay has no second name and tells nothing.)
pub(crate) fn telling_view(marks: AlertMarks) -> Option<NameView> {
    marks.name_view.filter(|&v| v != NameView::Both)
}

fn marks_text(to: &mut String, alert: AlertMarks, notes: Notes) {
    let Notes { id, n_repeated } = notes;
    let mut names: Vec<String> = marks(alert).map(str::to_owned).collect();
    names.extend(telling_view(alert).map(|v| format!("fd.name_view={}", v.as_str())));
    names.extend((n_repeated > 0).then(|| format!("repeated={n_repeated}")));
    names.extend(id.map(|id| format!("id={id}")));
    if !names.is_empty() {
        let _infallible = write!(to, " [peregrine: {}]", names.join(" "));
    }
}

/// Appends text in which every control character is escaped. JSON's own escapes stop below 0x20; DEL and C1 characters are obeyed by some
/// terminals, and C1 holds a line break.
fn push_visible(to: &mut String, text: &str) {
    // In UTF-8 a C1 character begins with this byte, as do others.
    const C1_LEAD: u8 = 0xc2;
    let mut rest = text;
    loop {
        let n_plain = rules::plain_len(rest.as_bytes(), |b| b < b' ' || b == 0x7f || b == C1_LEAD);
        let (plain, special) = rest.split_at(n_plain);
        to.push_str(plain);
        let mut special = special.chars();
        let Some(c) = special.next() else { return };
        if c.is_control() {
            let _infallible = write!(to, "\\u{:04x}", u32::from(c));
        } else {
            to.push(c);
        }
        rest = special.as_str();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::alert;

    const JSON: Format = Format {
        json: true,
        iso_time: false,
        with_message: false,
        with_output: true,
        with_output_fields: true,
        with_tags: true,
    };

    fn zone(name: &str) -> TimeZone {
        TimeZone::posix(name).unwrap()
    }

    fn line(format: Format, alert: &Alert) -> String {
        Formatter::with_zone(format, "host-1", TimeZone::UTC)
            .line(alert, Notes::default())
            .to_owned()
    }

    #[test]
    fn the_form_changes_from_the_next_line_on() {
        for bits in 0..64 {
            assert_eq!(Format::unpacked(bits).packed(), bits);
        }
        let mut formatter = Formatter::with_zone(Format::default(), "h", TimeZone::UTC);
        let reformat = formatter.reformatter();
        let alert = alert("x");
        assert!(!formatter.line(&alert, Notes::default()).starts_with('{'));
        reformat(Format { json: true, ..Format::default() });
        assert!(!formatter.is_json());
        assert!(formatter.line(&alert, Notes::default()).starts_with('{'));
        assert!(formatter.is_json());
    }

    #[test]
    fn text_is_falcos_line() {
        let a = alert("file=/etc/shadow by=cat");
        assert_eq!(
            line(Format::default(), &a),
            "14:27:51.000000042: Warning file=/etc/shadow by=cat\n"
        );
    }

    #[test]
    fn the_prefix_follows_the_zone() {
        let a = alert("x");
        let mut f = Formatter::with_zone(Format::default(), "h", zone("IST-5:30"));
        assert_eq!(f.line(&a, Notes::default()), "19:57:51.000000042: Warning x\n");
        let iso = Format { iso_time: true, ..Format::default() };
        assert_eq!(line(iso, &a), "2026-11-22T14:27:51.000000042+0000: Warning x\n");
    }

    #[test]
    fn a_name_cannot_forge_a_line() {
        let a = alert("by=a\n14:00:00.0: Critical\r\u{1b}[2J\u{9b}K\u{85}\u{7f}\"\\\0");
        let text = line(Format::default(), &a);
        assert_eq!(
            text,
            "14:27:51.000000042: Warning by=a\\n14:00:00.0: Critical\\r\\u001b[2J\\u009bK\\u0085\\u007f\\\"\\\\\\u0000\n"
        );
        for format in [Format::default(), JSON] {
            let text = line(format, &a);
            assert_eq!(text.chars().filter(|c| c.is_control()).count(), 1, "{text}");
        }
    }

    #[test]
    fn control_characters_are_made_visible_wherever_they_stand() {
        for special in ["", "\u{7f}", "\u{80}\u{9f}", "\u{a0}\u{bf}", "\u{1b}\u{c0}\u{2028}"] {
            for before in 0..70 {
                let text = "x".repeat(before) + special + &"\u{e4}".repeat(before) + special;
                let visible = |c: char| match c {
                    c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
                    c => c.into(),
                };
                let mut shown = String::new();
                push_visible(&mut shown, &text);
                assert_eq!(shown, text.chars().map(visible).collect::<String>());
            }
        }
    }

    #[test]
    fn json_has_falcos_keys_sorted() {
        let text = line(JSON, &alert("by=\"cat\""));
        assert_eq!(
            text,
            "{\"hostname\":\"host-1\",\"output\":\"14:27:51.000000042: Warning by=\\\"cat\\\"\",\
             \"output_fields\":{\"evt.time\":1795357671000000042,\"fd.num\":3,\"proc.name\":\"cat\",\"user.name\":null},\
             \"priority\":\"Warning\",\"rule\":\"Read sensitive file\",\"source\":\"syscall\",\
             \"tags\":[\"T1555\",\"filesystem\"],\"time\":\"2026-11-22T14:27:51.000000042Z\"}\n"
        );
    }

    #[test]
    fn json_properties_can_be_left_out() {
        let bare = Format {
            with_output: false,
            with_output_fields: false,
            with_tags: false,
            with_message: true,
            ..JSON
        };
        let value: serde_json::Value = serde_json::from_str(&line(bare, &alert("m"))).unwrap();
        let keys: Vec<_> = value.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["hostname", "message", "priority", "rule", "source", "time"]);
        assert_eq!(value["message"], "m");
    }

    #[test]
    fn uncertain_alerts_say_so() {
        let mut a = alert("x");
        a.marks.late = true;
        a.marks.lineage_unknown = true;
        a.marks.name_view = Some(NameView::Kernel);
        let text = line(Format::default(), &a);
        assert!(
            text.ends_with("x [peregrine: late lineage_unknown fd.name_view=kernel]\n"),
            "{text}"
        );
        let value: serde_json::Value = serde_json::from_str(&line(JSON, &a)).unwrap();
        assert_eq!(
            value["output_fields"]["peregrine.marks"],
            serde_json::json!(["late", "lineage_unknown"])
        );
        assert_eq!(value["output_fields"]["fd.name_view"], "kernel");
        a.marks =
            AlertMarks { truncated: true, faulted: true, fd_raced: true, ..Default::default() };
        let text = line(Format::default(), &a);
        assert!(text.ends_with("x [peregrine: truncated faulted fd_raced]\n"), "{text}");
        let value: serde_json::Value = serde_json::from_str(&line(JSON, &a)).unwrap();
        let names = &value["output_fields"]["peregrine.marks"];
        assert_eq!(*names, serde_json::json!(["truncated", "faulted", "fd_raced"]));
        for (view, end) in [
            (NameView::Both, "Warning x\n"),
            (NameView::Lexical, "Warning x [peregrine: fd.name_view=lexical]\n"),
        ] {
            a.marks = AlertMarks { name_view: Some(view), ..AlertMarks::default() };
            assert!(line(Format::default(), &a).ends_with(end));
        }
    }

    #[test]
    fn what_outputs_note_is_said() {
        let notes = Notes { id: Some(AlertId { epoch: 0x1f, sequence: 7 }), n_repeated: 3 };
        let mut text = Formatter::with_zone(Format::default(), "h", TimeZone::UTC);
        let mut a = alert("x");
        a.marks.late = true;
        let line = text.line(&a, notes);
        assert!(line.ends_with("x [peregrine: late repeated=3 id=1f-7]\n"), "{line}");
        let mut json = Formatter::with_zone(JSON, "h", TimeZone::UTC);
        let value: serde_json::Value = serde_json::from_str(json.line(&a, notes)).unwrap();
        let fields = &value["output_fields"];
        assert_eq!(fields["peregrine.id"], "1f-7");
        assert_eq!(fields["peregrine.repeated"], 3);
        let bare = Format { with_output_fields: false, ..JSON };
        let mut json = Formatter::with_zone(bare, "h", TimeZone::UTC);
        let value: serde_json::Value = serde_json::from_str(json.line(&a, notes)).unwrap();
        assert_eq!(value["peregrine.id"], "1f-7");
    }

    #[test]
    fn times_far_away_do_not_fail() {
        let mut a = alert("x");
        for ts in [0, u64::MAX] {
            a.ts_ns = ts;
            assert!(line(JSON, &a).ends_with("Z\"}\n"));
        }
    }
}

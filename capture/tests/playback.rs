//! Old captures are played as current readers give them: the same numbers, types and parameters.

use std::path::PathBuf;

use capture::savefile::{EVT_NUM_SHIFT, Playback};
use event::{Direction, EventType, Frame, FrameHeader, ParamType, flags};

/// The captures, with the number of events that playing them gives.
const CAPTURES: [(&str, u64); 8] = [
    ("curl_google", 991),
    ("curl_google_comments", 991),
    ("falco_cat_write", 307),
    ("falco_connect_localhost", 371),
    ("falco_open-multiple-files", 1243),
    ("falco_psp_run_as_user_0_container", 2795),
    ("sample", 485),
    ("single_ipv6_conn", 1717),
];

/// Flag of event types whose old forms are converted; the others are as they were recorded.
const IS_CONVERTED: u16 = 0x1000;

/// The folder of captures, or a line that says what is skipped.
fn corpus() -> Option<PathBuf> {
    let dir = std::env::var_os("PEREGRINE_CORPUS").map(|dir| PathBuf::from(dir).join("scap"));
    if dir.is_none() {
        eprintln!("SKIPPED: PEREGRINE_CORPUS is not set, no captures of other programs are read");
    }
    dir
}

struct Event {
    num: u64,
    header: FrameHeader,
    params: Vec<Vec<u8>>,
}

fn play(path: &std::path::Path) -> (Vec<Event>, Playback) {
    let mut playback = Playback::open(path).unwrap();
    let mut events = Vec::new();
    while let Some(played) = playback.next_frame().unwrap() {
        let frame = Frame::parse(played.frame).unwrap();
        let header = *frame.header();
        if header.flags & flags::SEED == 0 {
            let num = played.key.0 >> EVT_NUM_SHIFT;
            let params = frame.params().map(<[u8]>::to_vec).collect();
            events.push(Event { num, header, params });
        }
    }
    (events, playback)
}

/// Time of day in UTC, as the goldens print it.
fn time_of_day(ts: u64) -> String {
    let (s, ns) = (ts / 1_000_000_000 % 86_400, ts % 1_000_000_000);
    format!("{:02}:{:02}:{:02}.{ns:09}", s / 3600, s / 60 % 60, s % 60)
}

#[test]
fn what_is_passed_over_changes_nothing_of_the_rest() {
    let Some(dir) = corpus() else { return };
    for (name, n_events) in CAPTURES {
        let path = dir.join(name).with_extension("scap");
        let mut whole = Playback::open(&path).unwrap();
        let mut partial = Playback::open(&path).unwrap();
        let (mut n_passed_over, mut at) = (0, 0);
        while let Some(played) = whole.next_frame().unwrap() {
            let header = *Frame::parse(played.frame).unwrap().header();
            let mut asked = None;
            at += 1;
            let is_there = partial.advance_unless(|header| {
                asked = Some((header.ts, header.tid, header.tgid, header.start_ns, header.flags));
                at % 3 != 0
            });
            assert!(is_there.unwrap(), "{name}: {at}");
            if header.flags & flags::SEED == 0 {
                let FrameHeader { ts, tid, tgid, start_ns, flags, .. } = header;
                assert_eq!(asked, Some((ts, tid, tgid, start_ns, flags)), "{name}: {at}");
            }
            if asked.is_some() && at % 3 != 0 {
                n_passed_over += 1;
                assert_eq!(partial.last_frame(), None, "{name}: {at}");
            } else {
                assert_eq!(partial.last_frame(), Some(played), "{name}: {at}");
            }
            assert_eq!(partial.evt_num(), played.key.0 >> EVT_NUM_SHIFT, "{name}: {at}");
        }
        assert!(!partial.advance_unless(|_| true).unwrap() && partial.last_frame().is_none());
        assert!(n_passed_over > n_events / 2, "{name}: {n_passed_over}");
    }
}

#[test]
fn events_are_those_that_current_readers_deliver() {
    let Some(dir) = corpus() else { return };
    let mut n_checked = 0;
    for (name, n_events) in CAPTURES {
        let (events, playback) = play(&dir.join(name).with_extension("scap"));
        assert_eq!(playback.counts().n_unknown_types, 0, "{name}");
        let golden = std::fs::read(dir.join("golden_head").join(name).with_extension("txt"));
        for line in String::from_utf8_lossy(&golden.unwrap()).lines() {
            // `num time cpu comm (tid) dir type args`; a line that does not begin so goes on with the one before.
            let words: Vec<&str> = line.split_whitespace().collect();
            let Some(num) = words.first().and_then(|w| w.parse::<u64>().ok()) else { continue };
            let Some(at) = words.iter().position(|&w| w == ">" || w == "<") else { continue };
            let event = &events[(num - 1) as usize];
            let ty = EventType(event.header.event_type);
            let info = ty.info().unwrap();
            let is_enter = info.direction == Direction::Enter;
            let seen = [
                event.num.to_string(),
                time_of_day(event.header.ts),
                event.header.cpu.to_string(),
                format!("({})", event.header.tid.cast_signed()),
                (if is_enter { ">" } else { "<" }).to_string(),
            ];
            assert_eq!(
                seen,
                [words[0], words[1], words[2], words[at - 1], words[at]],
                "{name}: {line}"
            );
            assert_eq!(event.header.flags & flags::STATE_ONLY, 0, "{name}: {line}");
            // Generic events have the name of their call, and no parameters are printed.
            if event.header.event_type > 1 {
                assert_eq!(words[at + 1], ty.name(), "{name}: {line}");
                let mut rest = line;
                let mut n_printed = 0;
                for (param, bytes) in info.params.iter().zip(&event.params) {
                    let start = format!(" {}=", param.name);
                    let Some(at) = rest.find(&start) else { break };
                    rest = &rest[at + start.len()..];
                    // Descriptors, results and process ids begin with their number.
                    if let Some(&value) = bytes.as_array()
                        && matches!(param.ty, ParamType::Fd | ParamType::Errno | ParamType::Pid)
                    {
                        let end = rest.find([' ', '(']).unwrap_or(rest.len());
                        assert_eq!(
                            i64::from_le_bytes(value).to_string(),
                            rest[..end],
                            "{name}: {line}"
                        );
                    }
                    n_printed += 1;
                }
                assert_eq!(event.params.len(), n_printed, "{name}: {line}");
            }
            if info.flags & IS_CONVERTED != 0 {
                assert_eq!(event.params.len(), info.params.len(), "{name}: {line}");
            }
            n_checked += 1;
        }
        assert_eq!(events.len() as u64, n_events, "{name}");
    }
    assert!(n_checked > 7000, "{n_checked} lines");
}

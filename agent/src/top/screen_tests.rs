//! The screen, held against the texts of `golden`: made-up sights on screens of 80x24 and 120x40. `REWRITE_GOLDEN=1` writes the texts anew.

use std::path::Path;

use perf::{Hop, Moment, Registry};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;
use crate::request::{
    AgentStats, AlertLine, RulesInForce, Sampled, SampledCall, SampledContainer, SampledProcess,
    Watched,
};
use crate::top::lines;
use crate::top::sight::Sights;

const SECOND_NS: u64 = 1_000_000_000;
/// 2026-11-23 12:00:00 UTC.
const NOON_S: u64 = 1_795_435_200;

/// The counters after so many seconds.
fn counted(second: u64) -> perf::Snapshot {
    let mut registry = Registry::new();
    let count = |registry: &mut Registry, name: &str, n: u64| registry.counter(name).add(n);
    for (name, n) in [
        ("kernel.seen", 2_000_000),
        ("kernel.filtered", 1_954_000),
        ("kernel.ring_full", 1_000),
        ("kernel.written", 45_000),
        ("capture.read", 45_000),
        ("shard.parsed", 44_990),
        ("shard.rejected", 10),
        ("shard.matched", 3),
        ("shard.alerts", 3),
    ] {
        count(&mut registry, name, n * second);
    }
    registry.hop(
        Hop::new("kernel")
            .input("kernel.seen")
            .output("kernel.written")
            .aside("filtered", "kernel.filtered")
            .dropped("ring_full", "kernel.ring_full"),
    );
    registry.hop(Hop::new("capture").input("capture.read").output("capture.read"));
    registry.hop(
        Hop::new("detect")
            .input("shard.parsed")
            .output("shard.parsed")
            .dropped("rejected", "shard.rejected"),
    );
    registry.hop(Hop::new("alert").input("shard.matched").output("shard.alerts"));
    let latency = registry.latency("parse", 16);
    (1..=100 * second).for_each(|n| latency.record(n * 10));
    registry.latency("detect", 16);
    let mut snapshot = registry.snapshot(Moment::Running);
    snapshot.at_ns = second * SECOND_NS;
    let lost = |name: &str, cpu, event_type: &str, n| perf::Loss {
        name: name.to_owned(),
        cpu,
        event_type: event_type.to_owned(),
        n: n * second,
    };
    snapshot.losses = vec![
        lost("kernel.ring_full", Some(0), "openat", 300),
        lost("kernel.ring_full", Some(1), "close", 700),
    ];
    snapshot.loads = vec![perf::LoadReport {
        name: "shard-0".to_owned(),
        n_frames: 45_000 * second,
        share: 1.0,
        ran_ns: None,
        cpu_ns: None,
        busy: Some(0.345),
        waiting: Some(12),
    }];
    snapshot
}

/// What the agent answers after so many seconds.
fn answer(second: u64) -> Watched {
    let matches = [("Read sensitive file", 2 * second), ("Long ago", 7)];
    let rules = RulesInForce {
        n_rules: 41,
        generation: 2,
        in_force_s: 754,
        matches: matches.map(|(rule, n)| (rule.to_owned(), n)).into(),
        ..RulesInForce::default()
    };
    let process = |pid, name: &str, user: &str, container: &str, n| SampledProcess {
        pid,
        name: name.to_owned(),
        user: user.to_owned(),
        container: container.to_owned(),
        n,
        over: 0,
    };
    let call =
        |name: &str, n, n_failed| SampledCall { name: name.to_owned(), n, over: 0, n_failed };
    let container = |id: &str, name: &str, image: &str, n| SampledContainer {
        id: id.to_owned(),
        name: name.to_owned(),
        image: image.to_owned(),
        n,
        over: 0,
    };
    let alert = |n: u64, output: &str| AlertLine {
        n,
        ts_ns: (NOON_S + n) * SECOND_NS,
        priority: "Warning".to_owned(),
        rule: "Read sensitive file".to_owned(),
        output: output.to_owned(),
    };
    Watched {
        stats: AgentStats { began_ns: 1, snapshot: counted(second), rules },
        sampled: Sampled {
            interval_ns: SECOND_NS,
            n_events: 45_000,
            n_passed: 44_000,
            n_looked: 2_900,
            n_undecided: 3,
            n_missed: 0,
            processes: vec![
                process(4242, "stress-ng-open", "root", "host", 30_000),
                process(17, "nginx", "www-data", "0123456789ab", 13_500),
                process(990_001, "evil\u{1b}[31m", "", "", 500),
            ],
            calls: vec![call("openat", 30_000, 12), call("close", 14_000, 0)],
            containers: vec![
                container("host", "host", "", 30_500),
                container("0123456789ab", "web", "registry.example/nginx:1.27", 13_500),
            ],
        },
        last_alert: 2 * second,
        alerts: vec![
            alert(2 * second - 1, "cat read /etc/shadow (user=ann)"),
            alert(2 * second, "a\nline"),
        ],
    }
}

fn app() -> App {
    let (mut sights, mut app) = (Sights::default(), App::new(String::new()));
    assert!(sights.next(answer(1), NOON_S).is_none());
    app.see(sights.next(answer(2), NOON_S + 1).expect("an interval"));
    app
}

fn press(app: &mut App, keys: &str) {
    for c in keys.chars() {
        let code = if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) };
        app.press(KeyEvent::new(code, KeyModifiers::NONE));
    }
}

fn drawn(app: &mut App, width: u16, height: u16, has_colour: bool) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a test's screen");
    let look = Look { has_colour };
    terminal.draw(|frame| draw(frame, app, look, &|_| 0)).expect("it is drawn");
    terminal
}

fn text(app: &mut App, width: u16, height: u16) -> String {
    let terminal = drawn(app, width, height, false);
    let buffer = terminal.backend().buffer();
    let line = |y| {
        let cells = (0..width).map(|x| buffer[(x, y)].symbol());
        cells.collect::<String>().trim_end().to_owned() + "\n"
    };
    (0..height).map(line).collect()
}

fn check(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/top/golden").join(name);
    if std::env::var_os("REWRITE_GOLDEN").is_some() {
        std::fs::write(&path, actual).expect("the folder can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == actual, "{name} is\n{actual}");
}

#[test]
fn each_pane_is_what_is_written() {
    for (width, height) in [(80, 24), (120, 40)] {
        for (n, pane) in (1..).zip(Pane::ALL) {
            let mut app = app();
            press(&mut app, &n.to_string());
            check(&format!("{}-{width}x{height}.txt", pane.name()), &text(&mut app, width, height));
        }
    }
}

#[test]
fn help_sorting_filter_and_pause_are_seen() {
    let mut app = app();
    press(&mut app, "?");
    check("help.txt", &text(&mut app, 80, 24));
    press(&mut app, "x2sr");
    check("sorted.txt", &text(&mut app, 80, 24));
    press(&mut app, "p/proc.name=nginx and proc.nane=x\n");
    check("wrong-filter.txt", &text(&mut app, 80, 24));
}

#[test]
fn a_paused_screen_stands_still_and_misses_no_alert() {
    let (mut sights, mut app) = (Sights::default(), App::new(String::new()));
    sights.next(answer(1), NOON_S);
    app.see(sights.next(answer(2), NOON_S + 1).expect("an interval"));
    press(&mut app, "6p");
    let before = text(&mut app, 80, 24);
    app.see(sights.next(answer(3), NOON_S + 2).expect("an interval"));
    assert_eq!(text(&mut app, 80, 24), before);
    press(&mut app, "p");
    let after = text(&mut app, 80, 24);
    let times: Vec<_> = after.lines().filter_map(|l| l.split_once("  Warning")?.0.into()).collect();
    let noon = ["12:00:06", "12:00:05", "12:00:04", "12:00:03", "12:00:02", "12:00:01"];
    assert_eq!(times, noon, "{after}");
}

#[test]
fn a_small_screen_says_so() {
    assert_eq!(text(&mut app(), 60, 2), "60x2 is too small, 80x24 is needed\n\n");
}

#[test]
fn there_is_no_colour_where_none_is_wanted() {
    let colours = |has_colour| {
        let terminal = drawn(&mut app(), 80, 24, has_colour);
        let cells = terminal.backend().buffer().content();
        cells.iter().filter(|c| (c.fg, c.bg) != (Color::Reset, Color::Reset)).count()
    };
    assert_eq!(colours(false), 0);
    assert!(colours(true) > 0);
}

#[test]
fn an_interval_is_text_and_json() {
    let mut sights = Sights::default();
    sights.next(answer(1), NOON_S);
    let sight = sights.next(answer(2), NOON_S + 1).expect("an interval");
    check("batch.txt", &lines::text(&sight, "proc.name != x", &|_| 0));
    let json = serde_json::to_value(&sight).expect("JSON");
    assert_eq!(json["interval_ns"], SECOND_NS);
    assert_eq!(json["hops"][0]["in"], 2_000_000);
    assert_eq!(json["sampled"]["processes"][0]["pid"], 4242);
    assert_eq!(json["rules"]["matches"]["Read sensitive file"], 2);
    assert_eq!(json["alerts"][3]["output"], "a\nline");
    let again = sights.next(answer(2), NOON_S + 2);
    assert!(again.expect("an interval").alerts.len() == 2);
}

#[test]
fn alerts_that_were_too_many_at_once_are_counted() {
    let (mut sights, mut app) = (Sights::default(), App::new(String::new()));
    // What came before the first look is nobody's loss.
    sights.next(Watched { last_alert: 1000, alerts: Vec::new(), ..answer(1) }, NOON_S);
    let mut see = |second, last_alert| {
        let answer = Watched { last_alert, ..answer(second) };
        app.see(sights.next(answer, NOON_S + second - 1).expect("an interval"));
        app.sight.as_ref().and_then(alerts_told)
    };
    assert_eq!(see(2, 1002), None);
    assert_eq!(see(3, 1104).as_deref(), Some("100 more came too fast to be shown here"));
    assert_eq!(see(4, 1106).as_deref(), Some("100 more came too fast to be shown here"));
    app.pane = Pane::Alerts;
    app.filter = "proc.name=q".to_owned();
    let shown = text(&mut app, 120, 40);
    let told = "the filter picks from panes 2, 3 and 4 alone; 100 more came too fast";
    assert!(shown.contains(told), "{shown}");
}

/// Its counts begin anew, and its alerts have numbers that were there before.
#[test]
fn another_agent_on_the_same_socket_begins_anew() {
    let of = |began_ns, second, last_alert| {
        let mut answer = Watched { last_alert, ..answer(second) };
        answer.stats.began_ns = began_ns;
        answer
    };
    let mut sights = Sights::default();
    assert!(sights.next(of(1, 7, 500), NOON_S).is_none());
    assert!(sights.next(of(2, 1, 3), NOON_S + 1).is_none());
    assert_eq!(sights.last_alert(), 3);
    let sight = sights.next(of(2, 2, 5), NOON_S + 2).expect("an interval");
    assert_eq!((sight.n_alerts_missed, sight.interval_ns), (0, SECOND_NS));
}

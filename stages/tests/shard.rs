//! One shard from frames to alerts.

mod support;

use bus::Key;
use rules::RuleMatching;
use stages::Progress;
use support::*;

/// Runs frames through one shard; keys are 1, 2, ...
fn run(rules: &str, matching: RuleMatching, frames: &[Vec<u8>]) -> (Vec<String>, perf::Snapshot) {
    let rules = ruleset(rules, matching);
    let mut p = pipeline(&Setup { matching, ..Setup::new(1, 1, &rules) });
    let frames: Vec<_> = (1..).map(Key).zip(frames.iter().map(|f| &f[..])).collect();
    let mut feeder =
        Feeder { frames, at: 0, lanes: p.lanes.remove(0), watermark: p.watermarks[0].clone() };
    loop {
        feeder.step(100);
        match p.shards[0].poll_once() {
            Progress::Ended => break,
            Progress::Waiting(w) => panic!("one shard waits for nobody: {w:?}"),
            Progress::Worked | Progress::Idle => {}
        }
    }
    (texts(&mut p.alerts), p.registry.snapshot(perf::Moment::Final))
}

fn check(condition: &str, output: &str, frames: &[Vec<u8>], expected: &[&str]) {
    let rules = format!(
        "- rule: r\n  desc: d\n  condition: {condition}\n  output: \"{output}\"\n  priority: WARNING\n"
    );
    let (alerts, snapshot) = run(&rules, RuleMatching::All, frames);
    let outputs: Vec<_> = alerts.iter().map(|a| a.rsplit("} ").next().unwrap()).collect();
    assert_eq!(outputs, expected);
    assert!(snapshot.balances(), "{}", snapshot.table());
    assert_eq!(snapshot.get("shard.received"), Some(frames.len() as u64));
}

const INIT: Proc = Proc { tgid: 1, start: 10 };
const SHELL: Proc = Proc { tgid: 50, start: 20 };
const CAT: Proc = Proc { tgid: 51, start: 30 };

fn family() -> Vec<Vec<u8>> {
    vec![
        seed(INIT, proc(0, 0), "init"),
        seed(SHELL, INIT, "bash"),
        fork(CAT, SHELL, SHELL, "bash"),
        exec(CAT, SHELL, "cat", "/etc/shadow -n"),
    ]
}

fn with_family(more: &[Vec<u8>]) -> Vec<Vec<u8>> {
    family().into_iter().chain(more.iter().cloned()).collect()
}

#[test]
fn an_exec_names_its_ancestors() {
    check(
        "evt.type = execve and proc.aname = init",
        "%evt.num %proc.cmdline|%proc.exeline|%proc.pname|%proc.aname[2]|%proc.aname|%proc.ppid|%proc.pcmdline|%proc.args[1]|\
         %proc.env[HOME]|%proc.cwd|%user.name|%group.name|%user.loginname|%proc.sname|%container.id|%evt.arg.exe|%proc.cmdnargs",
        &family(),
        &[
            "4 cat /etc/shadow -n|/bin/cat /etc/shadow -n|bash|init|bash init|50|bash|-n|/home/u|/home/u/|u|g|u|init|host|/bin/cat|2",
        ],
    );
}

#[test]
fn a_forked_child_has_its_creators_program_until_it_execs() {
    check(
        "evt.type in (clone, execve)",
        "%proc.pid %proc.name %proc.exepath %proc.pname %evt.res %evt.arg.res",
        &family(),
        &["51 bash /bin/bash bash SUCCESS 0", "51 cat /bin/cat bash SUCCESS 0"],
    );
}

#[test]
fn an_exec_may_enter_one_container_after_another() {
    let execs: Vec<_> = (0..40).map(|n| exec_in(CAT, SHELL, "cat", n * n % 20)).collect();
    let ids: Vec<_> = (0..40).map(|n| format!("docker {:064x}", n * n % 20)).collect();
    check(
        "evt.type = execve and container.type = docker",
        "%container.type %container.full_id",
        &with_family(&execs),
        &ids.iter().map(String::as_str).collect::<Vec<_>>(),
    );
}

#[test]
fn an_open_by_relative_path_has_both_names() {
    let frames = with_family(&[
        open(CAT, "../etc/shadow", Some("/home"), Some("/etc/shadow")),
        open(CAT, "link", Some("/home/u"), Some("/etc/shadow")),
        open(CAT, "/etc/shadow", None, Some("/srv/secret")),
        open(CAT, "shadow", Some("/etc"), None),
        open(CAT, "/etc/group", None, Some("/etc/group")),
    ]);
    check(
        "evt.type = openat and fd.name = /etc/shadow",
        "%fd.name_view %fd.name %fd.nameraw %fd.num %fd.directory %fd.filename %evt.arg.fd %evt.failed %fd.typechar",
        &frames,
        &[
            "both /etc/shadow ../etc/shadow 3 /etc shadow <f>/etc/shadow false f",
            "kernel /etc/shadow link 3 /etc shadow <f>/etc/shadow false f",
            "lexical /etc/shadow /etc/shadow 3 /etc shadow <f>/etc/shadow false f",
            "lexical /etc/shadow shadow -1 /etc shadow ENOENT true f",
        ],
    );
}

#[test]
fn negation_is_right_in_each_view() {
    let frames = with_family(&[open(CAT, "/proc/1/root/x", None, Some("/x"))]);
    check(
        "evt.type = openat and not fd.name startswith /proc",
        "%fd.name_view %fd.name",
        &frames,
        &["kernel /x"],
    );
}

#[test]
fn one_event_gives_one_alert_however_many_views_match() {
    let rules = "- rule: a\n  desc: d\n  condition: fd.name = /b\n  output: a %fd.name\n  priority: INFO\n\
                 - rule: b\n  desc: d\n  condition: fd.name = /a\n  output: b %fd.name\n  priority: INFO\n\
                 - rule: c\n  desc: d\n  condition: evt.type = openat\n  output: c %fd.name\n  priority: INFO\n";
    let frames = with_family(&[open(CAT, "/a", None, Some("/b"))]);
    let (all, _) = run(rules, RuleMatching::All, &frames);
    let ends: Vec<_> = all.iter().map(|a| a.rsplit("name_view: ").next().unwrap()).collect();
    assert_eq!(ends, ["Some(Kernel) } a /b", "Some(Lexical) } b /a", "Some(Both) } c /a"]);
    let (first, _) = run(rules, RuleMatching::First, &frames);
    assert_eq!(first.len(), 1, "{first:?}");
    assert!(first[0].ends_with("a /b"));
}

#[test]
fn a_connection_has_both_ends() {
    let frames = with_family(&[
        connect(CAT, "10.0.0.1:4000", "1.2.3.4:443"),
        connect(CAT, "[fe80::1]:4000", "[fe80::2]:443"),
        connect(CAT, "[::ffff:10.0.0.1]:4000", "[::ffff:1.2.3.4]:443"),
    ]);
    check(
        "evt.type = connect and fd.sport = 443",
        "%fd.name %fd.typechar %fd.cip %fd.sip %fd.lport %fd.rport %fd.l4proto %fd.is_server %evt.arg.fd %evt.arg.tuple",
        &frames,
        &[
            "10.0.0.1:4000->1.2.3.4:443 4 10.0.0.1 1.2.3.4 4000 443 tcp false <4t>10.0.0.1:4000->1.2.3.4:443 10.0.0.1:4000->1.2.3.4:443",
            "fe80::1:4000->fe80::2:443 6 fe80::1 fe80::2 4000 443 tcp false <6t>fe80::1:4000->fe80::2:443 fe80::1:4000->fe80::2:443",
            "10.0.0.1:4000->1.2.3.4:443 4 10.0.0.1 1.2.3.4 4000 443 tcp false <4t>10.0.0.1:4000->1.2.3.4:443 10.0.0.1:4000->1.2.3.4:443",
        ],
    );
}

#[test]
fn an_unknown_process_is_flagged_and_never_silently_empty() {
    let (alerts, snapshot) = run(
        "- rule: r\n  desc: d\n  condition: evt.type = openat\n  output: x%proc.name\n  priority: INFO\n",
        RuleMatching::All,
        &[open(proc(9, 9), "/a", None, Some("/a"))],
    );
    assert!(alerts[0].contains("lineage_unknown: true"), "{alerts:?}");
    assert_eq!(snapshot.get("shard.lineage_unknown"), Some(1));
}

#[test]
fn a_full_alert_lane_is_a_counted_loss() {
    let rules = ruleset(
        "- rule: r\n  desc: d\n  condition: evt.type = openat\n  output: x\n  priority: INFO\n",
        RuleMatching::All,
    );
    // As in a live run; a replay would wait.
    let late_after = Some(std::time::Duration::from_mins(1));
    let mut p = pipeline(&Setup { alert_capacity: 3, late_after, ..Setup::new(1, 1, &rules) });
    let frame = open(CAT, "/a", None, Some("/a"));
    let frames = (1..=10).map(|k| (Key(k), &frame[..])).collect();
    let mut feeder =
        Feeder { frames, at: 0, lanes: p.lanes.remove(0), watermark: p.watermarks[0].clone() };
    while feeder.step(2) | (p.shards[0].poll_once() != Progress::Ended) {}
    assert_eq!(texts(&mut p.alerts).len(), 3);
    let snapshot = p.registry.snapshot(perf::Moment::Final);
    assert_eq!(snapshot.get("shard.matched"), Some(10));
    assert_eq!(snapshot.get("shard.alerts_lost"), Some(7));
    assert!(snapshot.balances());
}

#[test]
fn a_replay_waits_for_room_in_the_alert_lane() {
    let rules = ruleset(
        "- rule: r\n  desc: d\n  condition: evt.type = openat\n  output: x\n  priority: INFO\n",
        RuleMatching::All,
    );
    let mut p = pipeline(&Setup { alert_capacity: 3, ..Setup::new(1, 1, &rules) });
    let frame = open(CAT, "/a", None, Some("/a"));
    let frames = (1..=10).map(|k| (Key(k), &frame[..])).collect();
    let mut feeder =
        Feeder { frames, at: 0, lanes: p.lanes.remove(0), watermark: p.watermarks[0].clone() };
    let mut n_alerts = 0;
    loop {
        feeder.step(2);
        match p.shards[0].poll_once() {
            Progress::Ended => break,
            Progress::Waiting(_) => n_alerts += texts(&mut p.alerts).len(),
            Progress::Worked | Progress::Idle => {}
        }
    }
    assert_eq!(n_alerts + texts(&mut p.alerts).len(), 10);
    let snapshot = p.registry.snapshot(perf::Moment::Final);
    assert_eq!(snapshot.get("shard.alerts_lost"), Some(0));
    assert!(snapshot.balances());
}

#[test]
fn bytes_that_are_no_frame_are_counted() {
    let mut broken = open(CAT, "/a", None, None);
    broken[12] = 0xff;
    broken[13] = 0xff;
    let (_, snapshot) = run("[]", RuleMatching::All, &with_family(&[broken]));
    assert_eq!(snapshot.get("shard.rejected"), Some(1));
    assert_eq!(snapshot.get("shard.parsed"), Some(4));
    assert_eq!(snapshot.get("shard.evaluated"), Some(2));
    assert_eq!(snapshot.get("shard.state_only"), Some(2));
}

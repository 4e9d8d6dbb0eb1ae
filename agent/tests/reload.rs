//! Rules of the running agent: replaced without losing an event, selected anew, and measured; the kernel's side follows them.

mod common;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use common::{
    Agent, DEADLINE, Ended, PEREGRINE, Running, Shell, alone, can_run_live, without_time,
};

/// A rule about opens of files whose name has `mark-`, by its name.
fn opens(name: &str) -> String {
    format!(
        "- rule: {name} opens\n  desc: d\n  condition: evt.type in (open, openat) and evt.arg.name contains mark-\n  \
         output: \"{name} %evt.arg.name\"\n  priority: NOTICE\n"
    )
}

/// Rules about what `opens` does not ask for.
const OTHERS: &str = r#"
- macro: marked
  condition: (fs.path.name contains mark-)
- rule: Removed
  desc: d
  condition: evt.type in (unlink, unlinkat) and marked
  output: "removed %fs.path.name by %proc.name"
  priority: ERROR
- rule: Connected
  desc: d
  condition: evt.type = connect and fd.sip = 127.0.0.1 and fd.sport = 9
  output: "connected by %proc.name"
  priority: NOTICE
"#;

fn written(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, text).expect("a file");
    path
}

struct Answer {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn rules_command(agent: &Agent, args: &[&str]) -> Answer {
    let out = Command::new(PEREGRINE)
        .arg("rules")
        .args(args)
        .arg("--socket")
        .arg(agent.socket())
        .output()
        .expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Answer { code: out.status.code(), stdout: text(&out.stdout), stderr: text(&out.stderr) }
}

/// A reload that the agent must accept.
fn reload(agent: &Agent, args: &[&str]) -> String {
    let answer = rules_command(agent, &[&["reload"], args].concat());
    assert_eq!(answer.code, Some(0), "{}{}", answer.stdout, answer.stderr);
    answer.stdout
}

fn refused(agent: &Agent, args: &[&str]) -> Answer {
    let answer = rules_command(agent, &[&["reload"], args].concat());
    assert_eq!(answer.code, Some(1), "{}{}", answer.stdout, answer.stderr);
    answer
}

/// Opens, removes, connects; says which turn it is by the file's name.
fn act(shell: &mut Shell, dir: &Path, turn: u32) {
    let dir = dir.display();
    shell.run(&format!(
        "true > {dir}/mark-{turn}; rm {dir}/mark-{turn}; bash -c 'true > /dev/tcp/127.0.0.1/9'"
    ));
}

fn told(ended: &Ended) -> Vec<String> {
    let line = |l: &str| without_time(l).split_once(' ').expect("a priority").1.to_owned();
    ended.stdout.lines().map(line).collect()
}

/// The words of the alerts' outputs that do not depend on where the files are.
fn brief(alerts: &[String]) -> Vec<String> {
    let word = |w: &str| w.rsplit('/').next().unwrap_or(w).to_owned();
    alerts.iter().map(|a| a.split(' ').map(word).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn what_is_captured_and_raised_follows_a_reload() {
    if !can_run_live("what_is_captured_and_raised_follows_a_reload") {
        return;
    }
    let _alone = alone();
    for args in [&["--shards", "1"][..], &["--shards", "3"], &["--single-thread"]] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let first = written(dir.path(), "first.yaml", &opens("first"));
        let others = written(dir.path(), "others.yaml", OTHERS);
        let broken = written(
            dir.path(),
            "broken.yaml",
            "- rule: x\n  desc: d\n  condition: proc.nam = y\n  output: x\n  priority: INFO\n",
        );
        let path = |p: &Path| p.to_str().expect("UTF-8").to_owned();
        let mut shell = Shell::start();
        let pid = shell.pid();
        let first = path(&first);
        let agent = Agent::start(&[&["--scope-pid", &pid, "-r", &first], args].concat());
        act(&mut shell, dir.path(), 1);

        let text = reload(&agent, &[&path(&others)]);
        for part in [
            "2 rules in force, generation 2, after ",
            "\n  added         2: Connected, Removed\n  removed       1: first opens\n",
            "\n  asked anew    3: connect unlink unlinkat\n  asked no more 2: open openat\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("not covered"), "{text}");
        act(&mut shell, dir.path(), 2);
        // What nobody asks for any more stays in the kernel.
        let before = agent.stats();
        shell.run("i=0; while [ $i -lt 300 ]; do true < /dev/null; i=$((i+1)); done");
        let since = agent.stats().since(&before);
        assert!(since.get("kernel.filtered") >= Some(300), "{}", since.table());
        assert!(since.get("kernel.written") < Some(100), "{}", since.table());

        let answer = refused(&agent, &[&path(&broken)]);
        assert!(answer.stdout.contains("proc.nam"), "{}", answer.stdout);
        assert!(answer.stderr.contains("the agent keeps its 2 rules"), "{}", answer.stderr);
        let gone = refused(&agent, &["/nowhere/at-all.yaml"]);
        assert!(gone.stderr.contains("/nowhere/at-all.yaml"), "{}", gone.stderr);
        act(&mut shell, dir.path(), 3);

        // The agent's own files again.
        let text = reload(&agent, &[]);
        assert!(text.contains("asked no more 3: connect unlink unlinkat"), "{text}");
        act(&mut shell, dir.path(), 4);
        let stats = Command::new(PEREGRINE)
            .args(["stats", "--socket"])
            .arg(agent.socket())
            .output()
            .expect("the program starts");
        let text = String::from_utf8_lossy(&stats.stdout);
        assert!(text.starts_with("1 rule in force for "), "{text}");
        assert!(text.contains(", generation 3: 2 reloads, 2 refused\n"), "{text}");
        let ended = agent.interrupt();
        ended.assert_balanced();
        assert_eq!(
            brief(&told(&ended)),
            [
                "first mark-1",
                "removed mark-2 by rm",
                "connected by bash",
                "removed mark-3 by rm",
                "connected by bash",
                "first mark-4"
            ],
            "{args:?}"
        );
    }
}

#[test]
fn rules_are_selected_anew_without_a_restart() {
    if !can_run_live("rules_are_selected_anew_without_a_restart") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let all = written(dir.path(), "all.yaml", &format!("{}{OTHERS}", opens("x")));
    let mut shell = Shell::start();
    let agent = Agent::start(&["--scope-pid", &shell.pid(), "-r", all.to_str().expect("UTF-8")]);
    act(&mut shell, dir.path(), 1);
    let text = reload(&agent, &["-o", "rules[].disable.rule=x opens"]);
    assert!(text.contains("removed       1: x opens"), "{text}");
    act(&mut shell, dir.path(), 2);
    let text = reload(&agent, &["-o", "priority=error"]);
    assert!(text.contains("removed       1: Connected"), "{text}");
    act(&mut shell, dir.path(), 3);
    let changed = OTHERS.replace("contains mark-", "contains mark-4");
    fs::write(&all, format!("{}{changed}", opens("x"))).expect("a file");
    let text = reload(&agent, &[]);
    assert!(text.contains("added         2: Connected, x opens\n"), "{text}");
    assert!(text.contains("changed       1: Removed\n"), "only its macro is another: {text}");
    act(&mut shell, dir.path(), 4);
    let answer = refused(&agent, &["-o", "peregrine.shards=3"]);
    assert!(answer.stderr.contains("peregrine needs a restart"), "{}", answer.stderr);
    let ended = agent.interrupt();
    ended.assert_balanced();
    assert_eq!(
        brief(&told(&ended)),
        [
            "x mark-1",
            "removed mark-1 by rm",
            "connected by bash",
            "removed mark-2 by rm",
            "connected by bash",
            "removed mark-3 by rm",
            "x mark-4",
            "removed mark-4 by rm",
            "connected by bash"
        ]
    );
}

const LESS: &str = r"
- rule: Numbers
  desc: d
  condition: evt.type in (close, dup2) and fd.num = 12345
  output: never
  priority: NOTICE
";
const MORE: &str = r"
- rule: Names
  desc: d
  condition: evt.type in (close, dup2) and fd.name = /never
  output: never
  priority: NOTICE
- rule: Forks
  desc: d
  condition: evt.type in (clone, fork, vfork) and proc.name = never
  output: never
  priority: NOTICE
";

#[test]
fn a_reload_in_a_storm_loses_nothing() {
    const MAX_OPENS: usize = 200_000;
    if !can_run_live("a_reload_in_a_storm_loses_nothing") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let names = ["g0", "g1", "g2", "g3", "g4", "g5"];
    let files: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(n, name)| {
            // Every other one asks for more calls, for both sides of forks, and for the descriptors of calls that all ask for.
            let text = if n % 2 == 1 { opens(name) + OTHERS + MORE } else { opens(name) + LESS };
            written(dir.path(), &format!("{name}.yaml"), &text).to_str().expect("UTF-8").to_owned()
        })
        .collect();
    for args in [&["--shards", "2"][..], &["--single-thread"]] {
        let mut shell = Shell::start();
        let pid = shell.pid();
        let fixed =
            ["--scope-pid", &pid, "-r", &files[0], "-o", "peregrine.alert_lane_capacity=65536"];
        let agent = Agent::start(&[&fixed[..], args].concat());
        let stop = dir.path().join("stop");
        let storm = format!(
            "i=0; while [ $i -lt {MAX_OPENS} -a ! -e {} ]; do true < /mark-$i; true < /dev/null; i=$((i+1)); [ $((i%100)) -ne 0 ] || /bin/true; done; true < /mark-$i",
            stop.display()
        );
        let storming = std::thread::spawn(move || shell.run(&storm));
        for file in &files[1..] {
            reload(&agent, &[file]);
        }
        fs::write(&stop, "").expect("a file");
        storming.join().expect("the storm's thread");
        fs::remove_file(&stop).expect("it is there");
        let stats = agent.stats();
        assert!(stats.balances(), "{}", stats.table());
        assert!(stats.losses.is_empty(), "{:?}", stats.losses);
        for hop in &stats.hops {
            assert!(hop.dropped.iter().all(|reason| reason.n == 0), "{hop:?}");
        }
        assert_eq!(stats.get("shard.lineage_unknown"), Some(0), "{}", stats.table());
        let ended = agent.interrupt();
        ended.assert_balanced();
        let mut alerts: Vec<(String, usize)> = told(&ended)
            .iter()
            .map(|a| {
                let (name, mark) = a.split_once(" /mark-").expect("an alert of the storm");
                (name.to_owned(), mark.parse().expect("a number"))
            })
            .collect();
        // A process this busy is told of by both shards, each in order.
        alerts.sort_by_key(|(_, n)| *n);
        let numbers: Vec<usize> = alerts.iter().map(|(_, n)| *n).collect();
        assert!(numbers.iter().copied().eq(0..numbers.len()), "{args:?}: each once, in order");
        assert!(alerts.is_sorted_by_key(|(name, _)| name), "{args:?}: never back to older rules");
        // Opened after the answer to the last reload.
        assert_eq!(alerts.last().expect("alerts").0, "g5", "{args:?}");
        let first_of_last = alerts.partition_point(|(name, _)| name != "g5");
        eprintln!("{args:?}: {} opens, the last rules from {first_of_last} on", alerts.len());
    }
}

#[test]
fn a_profile_tells_costs_and_matches() {
    if !can_run_live("a_profile_tells_costs_and_matches") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let rules = written(dir.path(), "rules.yaml", &(opens("x") + OTHERS));
    for args in [&["--shards", "2"][..], &["--single-thread"]] {
        let mut shell = Shell::start();
        let pid = shell.pid();
        let fixed = ["--scope-pid", &pid, "-r", rules.to_str().expect("UTF-8")];
        let agent = Agent::start(&[&fixed[..], args].concat());
        let stop = dir.path().join("stop");
        let storm = format!(
            "i=0; while [ ! -e {} ]; do true < /mark-$i; true < /dev/null; i=$((i+1)); done",
            stop.display()
        );
        let storming = std::thread::spawn(move || shell.run(&storm));
        let json = rules_command(&agent, &["profile", "--seconds", "1", "--every", "4", "--json"]);
        let table = rules_command(&agent, &["profile", "--seconds", "1"]);
        fs::write(&stop, "").expect("a file");
        storming.join().expect("the storm's thread");
        fs::remove_file(&stop).expect("it is there");
        agent.interrupt().assert_balanced();

        assert_eq!(json.code, Some(0), "{}", json.stderr);
        let report: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
        // By name: on a busy machine one run of another rule may have taken the longest.
        let rules = report["rules"].as_array().expect("rules");
        let first = rules.iter().find(|l| l["rule"] == "x opens").expect("the rule of the storm");
        let number = |v: &serde_json::Value| v.as_f64().expect("a number");
        let n_runs: f64 = rules.iter().map(|l| number(&l["n_runs"])).sum();
        assert!(number(&first["n_runs"]) > 0.9 * n_runs, "nothing else was run: {report}");
        assert!(number(&first["share"]) > 0.0, "{report}");
        assert!(number(&first["ns_per_run"]) > 0.0, "{report}");
        let (evaluated, timed) = (number(&report["n_evaluations"]), number(&report["n_timed"]));
        assert!(timed > 10.0 && (timed * 4.0 / evaluated - 1.0).abs() < 0.1, "{report}");
        // Every other open is marked.
        let matched = number(&first["n_matches"]) / evaluated;
        assert!((0.3..0.7).contains(&matched), "{report}");
        assert_eq!(table.code, Some(0), "{}", table.stderr);
        assert!(table.stdout.contains("  x opens\n"), "{}", table.stdout);
        assert!(table.stdout.contains("\n2 rules were never run"), "{}", table.stdout);
    }
}

#[test]
fn a_recording_keeps_everything_whatever_the_rules_are() {
    if !can_run_live("a_recording_keeps_everything_whatever_the_rules_are") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = |p: PathBuf| p.to_str().expect("UTF-8").to_owned();
    let first = path(written(dir.path(), "first.yaml", &opens("first")));
    let all = path(written(dir.path(), "all.yaml", &(opens("first") + OTHERS)));
    let scap = path(dir.path().join("run.scap"));
    let mut shell = Shell::start();
    let agent = Agent::start(&["--scope-pid", &shell.pid(), "-r", &first, "-w", &scap]);
    act(&mut shell, dir.path(), 1);
    let text = reload(&agent, &[&all]);
    assert!(text.contains("added         2: Connected, Removed"), "{text}");
    act(&mut shell, dir.path(), 2);
    reload(&agent, &[]);
    act(&mut shell, dir.path(), 3);
    let live = agent.interrupt();
    live.assert_balanced();
    let turn = |n: u32| {
        [
            format!("first mark-{n}"),
            format!("removed mark-{n} by rm"),
            "connected by bash".to_owned(),
        ]
    };
    let expected = [&turn(1)[..1], &turn(2), &turn(3)[..1]].concat();
    assert_eq!(brief(&told(&live)), expected);

    let key = format!("engine.replay.capture_file={scap}");
    let replayed = common::run(&["-o", "engine.kind=replay", "-o", &key, "-r", &all]);
    replayed.assert_balanced();
    assert_eq!(brief(&told(&replayed)), [turn(1), turn(2), turn(3)].concat());
}

/// Rules that take a while to compile.
fn many(n: usize) -> String {
    let rule = |n: usize| {
        format!(
            "- rule: r{n}\n  desc: d\n  condition: evt.type = openat and fd.name startswith /never/{n}/ and proc.name in (a{n}, b{n}) and \
             not proc.pname = c{n}\n  output: \"%fd.name %proc.cmdline\"\n  priority: INFO\n"
        )
    };
    (0..n).map(rule).collect()
}

/// What the agent may take of the CPUs for a long reload and all that is asked meanwhile.
const MOST_CPU_TIME: Duration = Duration::from_mins(1);

#[test]
fn a_long_reload_holds_up_nobody_and_ends_with_its_client() {
    let test = "a_long_reload_holds_up_nobody_and_ends_with_its_client";
    if !can_run_live(test) {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let few = written(dir.path(), "few.yaml", &opens("x"));
    let large = written(dir.path(), "large.yaml", &many(4_000));
    let shell = Shell::start();
    let agent = Agent::start(&["--scope-pid", &shell.pid(), "-r", few.to_str().expect("UTF-8")]);
    let start = || {
        let mut client = Command::new(PEREGRINE);
        client.args(["rules", "reload"]).arg(&large).arg("--socket").arg(agent.socket());
        Running(client.spawn().expect("the program starts"))
    };
    let (mut client, mut n_done) = (start(), 0);
    // However slow the machine is, the agent takes no more than so much of its time.
    let check = |what: &str| assert!(agent.cpu_time() < MOST_CPU_TIME, "{what}");
    let nowhere = "/nowhere/at-all.yaml";
    let is_busy = || refused(&agent, &[nowhere]).stderr.contains("another reload is under way");
    loop {
        while !is_busy() {
            check("the reload never began");
            if let Some(status) = client.0.try_wait().expect("it is our child") {
                // It came while the other one was refused, or was over too soon.
                n_done += u32::from(status.success());
                client = start();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        agent.stats();
        if is_busy() {
            break;
        }
        check("stats wait until the reload is over");
    }
    client.0.kill().expect("it waits for its answer");
    n_done += u32::from(client.0.wait().expect("it ends").success());
    while is_busy() {
        check("the reload never ended");
        std::thread::sleep(Duration::from_millis(10));
    }
    let text = reload(&agent, &[]);
    let expected = format!("1 rule in force, generation {}, ", n_done + 2);
    assert!(text.starts_with(&expected), "{expected}: {text}");
    agent.interrupt().assert_balanced();
}

/// `rules` of `peregrine stats --json`: generation and number of refused reloads.
fn reloads(agent: &Agent) -> (u64, u64) {
    let out = Command::new(PEREGRINE)
        .args(["stats", "--json", "--socket"])
        .arg(agent.socket())
        .output()
        .expect("the program starts");
    let stats: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON");
    let n = |name: &str| stats["rules"][name].as_u64().expect("a number");
    (n("generation"), n("n_refused"))
}

fn wait_for_reloads(agent: &Agent, expected: (u64, u64)) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let found = reloads(agent);
        if found == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{expected:?} wanted, {found:?} found");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn signals_and_changed_files_reload() {
    if !can_run_live("signals_and_changed_files_reload") {
        return;
    }
    let _alone = alone();
    for args in [&["--shards", "2"][..], &["--single-thread"]] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let rules_d = dir.path().join("rules.d");
        fs::create_dir(&rules_d).expect("a directory");
        written(&rules_d, "a.yaml", &opens("a"));
        let rules_d = rules_d.to_str().expect("UTF-8");
        let first = format!("rules_files: [{rules_d}]\n");
        let config = written(dir.path(), "p.yaml", &first);
        let config = config.to_str().expect("UTF-8");
        let mut shell = Shell::start();
        let agent = Agent::start(&[&["-c", config, "--scope-pid", &shell.pid()], args].concat());
        act(&mut shell, dir.path(), 1);

        // A file more, then one that is half written, then whole.
        let other = Path::new(rules_d).join("b.yaml");
        fs::write(&other, OTHERS).expect("a file");
        wait_for_reloads(&agent, (2, 0));
        act(&mut shell, dir.path(), 2);
        fs::write(&other, &OTHERS[..OTHERS.len() - 30]).expect("a file");
        wait_for_reloads(&agent, (2, 1));
        act(&mut shell, dir.path(), 3);
        let less = OTHERS.replace("- rule: Connected", "- rule: Reached");
        fs::write(&other, &less).expect("a file");
        wait_for_reloads(&agent, (3, 1));
        // The same once more, without a change.
        agent.signal(rustix::process::Signal::HUP);
        wait_for_reloads(&agent, (4, 1));
        fs::write(&other, &less).expect("a file");
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(reloads(&agent), (4, 1), "nothing is there to reload");

        // Keys that are taken, and one that is not.
        let more =
            format!("{first}json_output: true\npriority: error\nperegrine:\n  spread: false\n");
        fs::write(config, more).expect("a file");
        wait_for_reloads(&agent, (5, 1));
        act(&mut shell, dir.path(), 4);
        let text = reload(&agent, &[]);
        let key = format!("needs restart 1: peregrine.spread ({config}:5)\n");
        assert!(text.contains(&key), "{text}");
        // A broken configuration.
        fs::write(config, "rules_files: {\n").expect("a file");
        wait_for_reloads(&agent, (6, 2));
        let ended = agent.interrupt();
        ended.assert_balanced();

        let lines: Vec<&str> = ended.stdout.lines().collect();
        let (text, json) = lines.split_at(lines.partition_point(|line| !line.starts_with('{')));
        let text: Vec<String> = text
            .iter()
            .map(|l| without_time(l).split_once(' ').expect("a priority").1.to_owned())
            .filter(|l| !l.starts_with("Peregrine internal"))
            .collect();
        let turn = |n| {
            [
                format!("a mark-{n}"),
                format!("removed mark-{n} by rm"),
                "connected by bash".to_owned(),
            ]
        };
        assert_eq!(brief(&text), [&turn(1)[..1], &turn(2), &turn(3)].concat(), "{args:?}");
        let failure = "Critical Peregrine internal: reload failure: ";
        let n_told = ended.stdout.lines().filter(|l| l.contains(failure)).count();
        assert_eq!(n_told, 2, "{}", ended.stdout);
        assert!(ended.stdout.contains(
            "1 error, asked for by a changed file; 3 rules in force, generation 2, as before"
        ));
        let json: Vec<serde_json::Value> =
            json.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let rules: Vec<&str> = json.iter().filter_map(|alert| alert["rule"].as_str()).collect();
        assert_eq!(rules, ["Removed", "Peregrine internal: reload failure"]);
        assert!(json[1]["output_fields"]["reason"].as_str().is_some_and(|r| r.contains("p.yaml")));

        for line in [
            "peregrine: rules reloaded, asked for by a changed file: added Connected, Removed; 3 rules in force, generation 2, after ".to_owned(),
            "peregrine: reload refused, asked for by a changed file: 3 rules in force as before, generation 2\n".to_owned(),
            "added Reached; removed Connected; 3 rules in force, generation 3, after ".to_owned(),
            "peregrine: rules reloaded, asked for by SIGHUP: the rules are the same; 3 rules in force, generation 4, after ".to_owned(),
            "removed Reached, a opens; 1 rule in force, generation 5, after ".to_owned(),
            "peregrine: rules reloaded, asked for by a client: the rules are the same; ".to_owned(),
        ] {
            assert!(ended.stderr.contains(&line), "{line}\n{}", ended.stderr);
        }
        let told =
            format!("peregrine: changed, and needs a restart: peregrine.spread ({config}:5)\n");
        assert_eq!(ended.stderr.matches(&told).count(), 1, "{}", ended.stderr);
    }
}

/// Resident memory in KiB, and open descriptors.
fn footprint(agent: &Agent) -> (u64, usize) {
    let pid = agent.pid();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).expect("it has memory");
    let kib = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
    (kib, fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count())
}

/// `PEREGRINE_STRESS_RELOADS=200` makes it long.
#[test]
fn many_reloads_in_a_storm_lose_nothing_and_keep_nothing() {
    const TEST: &str = "many_reloads_in_a_storm_lose_nothing_and_keep_nothing";
    const BROKEN_EVERY: usize = 10;
    if !can_run_live(TEST) {
        return;
    }
    let _alone = alone();
    let n_reloads =
        std::env::var("PEREGRINE_STRESS_RELOADS").map_or(20, |n| n.parse().expect("a number"));
    let dir = tempfile::tempdir().expect("a temporary directory");
    let sets = [opens("even") + LESS, opens("odd") + OTHERS + MORE];
    let rules = written(dir.path(), "rules.yaml", &sets[0]);
    let mut shell = Shell::start();
    let agent = Agent::start(&[
        "--scope-pid",
        &shell.pid(),
        "-r",
        rules.to_str().expect("UTF-8"),
        "-o",
        "watch_config_files=false",
        // A lane takes its memory when it is first gone through: then it is to be over before anything is compared.
        "-o",
        "peregrine.alert_lane_capacity=1024",
        "--shards",
        "2",
    ]);
    let stop = dir.path().join("stop");
    let storm = format!(
        "i=0; while [ ! -e {} ]; do true < /mark-$i; true < /dev/null; i=$((i+1)); [ $((i%100)) -ne 0 ] || /bin/sleep 0.005; done",
        stop.display()
    );
    let storming = std::thread::spawn(move || shell.run(&storm));
    let (mut times, mut prints, mut n_broken) = (Vec::new(), Vec::new(), 0);
    for n in 1..=n_reloads {
        fs::write(&rules, &sets[n % 2]).expect("a file");
        let begin = Instant::now();
        let answer: serde_json::Value =
            serde_json::from_str(&reload(&agent, &["--json"])).expect("JSON");
        times.push(begin.elapsed());
        assert_eq!(answer["generation"], n + 1);
        if n % BROKEN_EVERY == 0 {
            fs::write(&rules, "- rule: x\n  condition: proc.nam = y\n").expect("a file");
            refused(&agent, &[]);
            n_broken += 1;
        }
        prints.push(footprint(&agent));
    }
    fs::write(&stop, "").expect("a file");
    storming.join().expect("the storm's thread");
    let stats = agent.at_rest();
    assert!(stats.balances(), "{}", stats.table());
    assert!(stats.losses.is_empty(), "{:?}", stats.losses);
    assert_eq!(reloads(&agent), (n_reloads as u64 + 1, n_broken as u64));
    let n_events = stats.get("capture.read").expect("a counter");
    let ended = agent.interrupt();
    ended.assert_balanced();
    let (failures, alerts): (Vec<String>, Vec<String>) =
        told(&ended).into_iter().partition(|l| l.starts_with("Peregrine internal: reload failure"));
    assert_eq!(failures.len(), n_broken);
    let mut marks: Vec<usize> = alerts
        .iter()
        .map(|a| {
            a.split_once(" /mark-").expect("an alert of the storm").1.parse().expect("a number")
        })
        .collect();
    marks.sort_unstable();
    assert!(marks.iter().copied().eq(0..marks.len()), "each numbered open raises one alert");

    times.sort();
    let quarter = n_reloads / 4;
    let most = |part: &[(u64, usize)]| part.iter().map(|(kib, _)| *kib).max().expect("some");
    let (early, late) = (most(&prints[quarter..2 * quarter]), most(&prints[3 * quarter..]));
    // Not `eprintln!`: the test harness keeps what that prints by a test that passes.
    drop(writeln!(
        std::io::stderr(),
        "{n_reloads} reloads, {n_broken} refused, {n_events} events, {} alerts; as the client sees it median {:?}, longest {:?}; \
         resident {early} KiB at most in the second quarter, {late} in the last",
        marks.len(),
        times[times.len() / 2],
        times[times.len() - 1],
    ));
    for (n, (kib, n_fds)) in prints.iter().enumerate().step_by((n_reloads / 10).max(1)) {
        drop(writeln!(std::io::stderr(), "  after {:>3}: {kib} KiB, {n_fds} descriptors", n + 1));
    }
    // A leak of one ruleset or of one map of the kernel's side would show as hundreds of KiB a reload.
    assert!(late < early + 4 * 1024, "memory grows");
    // Some come and go: of a client, of a look into /proc.
    let most = |part: &[(u64, usize)]| part.iter().map(|(_, n)| *n).max().expect("some");
    let (early, late) = (most(&prints[quarter..2 * quarter]), most(&prints[3 * quarter..]));
    assert!(late < early + 10, "descriptors are kept: {early}, then {late}");
}

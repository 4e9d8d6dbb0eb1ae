//! Losses of frames that tell of changes of processes, on the running kernel: alerts say so, and soon it is known again. Every such frame of the
//! tree is dropped in the kernel (`peregrine.repair.simulate_drops`), so what is known of its processes comes from looks at `/proc` alone.

mod common;

use std::time::Instant;

use common::{Agent, DEADLINE, Shell, can_run_live, without_time};

const RULE: &str = "- rule: marker\n  desc: a test\n  condition: evt.type in (open, openat, openat2) and fd.filename startswith marker\n  \
                    output: \"%fd.filename %evt.lineage_complete %proc.name<%proc.pname %proc.cwd %proc.cmdline\"\n  priority: NOTICE\n";

/// Opens a file again and again, changes its directory, and opens another.
const SCRIPT: &str = "i=0; while [ $i -lt 30 ]; do : <marker-a; sleep 0.05; i=$((i+1)); done; cd sub; \
                      i=0; while [ $i -lt 30 ]; do : <../marker-b; sleep 0.05; i=$((i+1)); done";

fn check(further: &[&str]) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| dir.path().join(name).to_str().expect("UTF-8").to_owned();
    for (name, text) in [("rules.yaml", RULE), ("marker-a", ""), ("marker-b", ""), ("run", SCRIPT)]
    {
        std::fs::write(path(name), text).expect("a file");
    }
    std::fs::create_dir(path("sub")).expect("a folder");
    std::fs::copy("/bin/sh", path("worker")).expect("a copy");
    let mut shell = Shell::start();
    let (pid, rules) = (shell.pid(), path("rules.yaml"));
    let mut args =
        vec!["--scope-pid", &pid, "-r", &rules, "-o", "peregrine.repair.simulate_drops=1"];
    args.extend(["-o", "syscall_event_drops.actions[0]=ignore"]);
    args.extend(further);
    let agent = Agent::start(&args);
    let n_processes = agent.stats().get("seeds").expect("a number");
    assert_eq!(shell.run(&format!("cd {}; ./worker run; :", path("").trim_end_matches('/'))), 0);
    // The end of each process was lost as well: it is found by a look.
    let deadline = Instant::now() + DEADLINE;
    loop {
        let stats = agent.stats();
        let n = stats.get("lineage.processes").expect("a number");
        if n <= n_processes && stats.get("repair.ended") > Some(0) {
            assert_eq!(stats.get("repair.given_up"), Some(0));
            break;
        }
        assert!(Instant::now() < deadline, "{n} processes, not {n_processes}\n{}", stats.table());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let ended = agent.interrupt();
    ended.assert_balanced();
    let lines: Vec<&str> = ended.stdout.lines().map(without_time).collect();
    for (marker, before, cwd) in
        [("marker-a", "lineage_unknown", ""), ("marker-b", "lineage_incomplete", "/sub")]
    {
        let of_marker = || lines.iter().filter(|l| l.contains(marker));
        assert_eq!(of_marker().count(), 30, "{lines:#?}");
        let first = of_marker().next().expect("thirty lines");
        assert!(first.contains(&format!("{marker} false ")) && first.contains(before), "{first}");
        let dir = path("");
        let whole = format!(
            "Notice {marker} true worker<sh {}{cwd}/ worker run",
            dir.trim_end_matches('/')
        );
        let last = of_marker().next_back().expect("thirty lines");
        assert_eq!(*last, whole, "{lines:#?}");
        // What is said to be complete is right, each time.
        for line in of_marker().filter(|l| l.contains(&format!("{marker} true "))) {
            assert_eq!(*line, whole);
        }
    }
}

#[test]
fn what_was_lost_is_marked_and_soon_known_again() {
    if can_run_live("what_was_lost_is_marked_and_soon_known_again") {
        check(&[]);
    }
}

#[test]
fn it_is_repaired_on_one_thread_too() {
    if can_run_live("it_is_repaired_on_one_thread_too") {
        check(&["--single-thread"]);
    }
}

/// There is room to note the loss of one process only: what is lost of a second one puts all in doubt, and all are looked at.
#[test]
fn losses_without_room_put_every_process_in_doubt_until_it_was_looked_at() {
    if !can_run_live("losses_without_room_put_every_process_in_doubt_until_it_was_looked_at") {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| dir.path().join(name).to_str().expect("UTF-8").to_owned();
    for (name, text) in [("rules.yaml", RULE), ("marker", "")] {
        std::fs::write(path(name), text).expect("a file");
    }
    for place in ["0", "1"] {
        std::fs::create_dir(path(place)).expect("a folder");
    }
    let mut shell = Shell::start();
    let (pid, rules) = (shell.pid(), path("rules.yaml"));
    let mut args = vec!["--scope-pid", &pid, "-r", &rules];
    for key in [
        "peregrine.repair.simulate_drops=1",
        "peregrine.repair.rate=1000",
        "peregrine.limits.lost_processes=1",
        "syscall_event_drops.actions[0]=ignore",
    ] {
        args.extend(["-o", key]);
    }
    let agent = Agent::start(&args);
    let deadline = Instant::now() + DEADLINE;
    let lines = || agent.stdout().lines().map(str::to_owned).collect::<Vec<_>>();
    // Not `evt.lineage_complete`: what all ancestors are is asked too, and of some `/proc` does not tell all.
    let is_marked = |line: &String| line.contains("lineage_incomplete");
    let is_known = |line: &String| !line.contains("[peregrine: ") && line.contains("/0/ sh");
    // The shell makes a process and goes elsewhere: two losses at one time, and the first has taken the room.
    shell.run(&format!("(:); cd {}; : <../marker", path("0")));
    let mut went_to = vec!["/0/ sh"];
    while !lines().iter().any(is_known) {
        assert!(Instant::now() < deadline, "{}\n{}", agent.stdout(), agent.stats().table());
        shell.run(": <../marker");
        went_to.push("/0/ sh");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let stats = agent.stats();
    assert!(stats.get("repair.all_doubted") > Some(0), "{}", stats.table());
    // What is not known yet says so; at once, for it is soon known.
    while !lines().iter().any(is_marked) {
        assert!(Instant::now() < deadline, "{}\n{}", agent.stdout(), agent.stats().table());
        shell.run("(:); cd ../1; : <../marker; (:); cd ../0; : <../marker");
        went_to.extend(["/1/ sh", "/0/ sh"]);
    }
    // Many more, without a pause: what is up of the kernel side's marks is raised, and lowered, all the time.
    let both = "(:); cd ../1; : <../marker; (:); cd ../0; : <../marker; ";
    for _ in 0..10 {
        shell.run(&both.repeat(20));
        went_to.extend(["/1/ sh", "/0/ sh"].repeat(20));
    }
    let ended = agent.interrupt();
    ended.assert_balanced();
    let told: Vec<&str> = ended.stdout.lines().filter(|l| l.contains("marker")).collect();
    assert_eq!(told.len(), went_to.len(), "{told:#?}");
    for (line, place) in told.into_iter().zip(went_to) {
        assert!(line.contains("[peregrine: ") || line.contains(place), "{line}, not {place}");
    }
}

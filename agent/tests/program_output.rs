//! Alerts to a program that the running agent starts: kept, one for each alert, and programs that do not do their part. The others go on.

#[path = "common/alerts.rs"]
mod alerts;
mod common;

use std::fs;
use std::path::Path;

use alerts::{Opens, wait_for_count, wait_for_lines, wait_until};
use common::{Agent, alone, can_run_live};
use rustix::process::Signal;

fn options(command: &str, keep_alive: bool) -> Vec<String> {
    vec![
        "program_output.enabled=true".to_owned(),
        format!("program_output.program={command}"),
        format!("program_output.keep_alive={keep_alive}"),
        "peregrine.outputs.program.timeout_ms=5000".to_owned(),
        "peregrine.outputs.program.retry_longest_ms=100".to_owned(),
        "output_timeout=1000".to_owned(),
        "peregrine.end_within_ms=1000".to_owned(),
    ]
}

/// Whether a process with the number in this file runs.
fn is_running(file: &Path) -> bool {
    let pid = fs::read_to_string(file).expect("the program wrote it");
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.is_ok_and(|s| !s.contains(") Z "))
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[test]
fn one_program_reads_all_alerts_until_it_is_replaced() {
    if !can_run_live("one_program_reads_all_alerts_until_it_is_replaced") {
        return;
    }
    let _alone = alone();
    let mut opens = Opens::new();
    let out = opens.path("out");
    // What it prints must not stand among the alerts.
    let command = format!("echo forged; cat >> {}", out.display());
    let agent = opens.agent(&options(&command, true));
    opens.raise(7);
    wait_for_lines(&out, opens.n());
    agent.signal(Signal::USR1);
    opens.raise(7);
    wait_for_lines(&out, opens.n());
    let stats = wait_for_count(&agent, "outputs.program.started", |n| n == 2);
    assert_eq!(stats.get("outputs.program.killed"), Some(0));
    let ended = agent.interrupt();
    ended.assert_balanced();
    assert_eq!(sorted(wait_for_lines(&out, opens.n())), ended.alerts());
    assert!(!ended.stdout.contains("forged"), "{}", ended.stdout);
    assert!(ended.stderr.contains("forged"), "{}", ended.stderr);
}

#[test]
fn each_alert_has_a_program_of_its_own() {
    if !can_run_live("each_alert_has_a_program_of_its_own") {
        return;
    }
    let _alone = alone();
    let mut opens = Opens::new();
    let out = opens.path("out");
    let agent = opens.agent(&options(&format!("cat >> {}; exit 1", out.display()), false));
    opens.raise(7);
    wait_for_lines(&out, opens.n());
    let stats = wait_for_count(&agent, "outputs.program.delivered", |n| n == 7);
    assert_eq!(stats.get("outputs.program.started"), Some(7));
    assert_eq!(stats.get("outputs.program.exit_codes"), Some(7));
    let ended = agent.interrupt();
    ended.assert_balanced();
    assert_eq!(sorted(wait_for_lines(&out, opens.n())), ended.alerts());
}

/// Raises alerts beside a program that takes none; gives what the agent said in the end.
fn beside(opens: &mut Opens, command: &str, keep_alive: bool, counter: &str) -> String {
    let before = opens.n();
    let mut options = options(command, keep_alive);
    options.push("peregrine.outputs.program.timeout_ms=500".to_owned());
    let agent: Agent = opens.agent(&options);
    opens.raise(5);
    // Standard output is none the wiser.
    agent.wait_for_lines(opens.n() - before);
    wait_for_count(&agent, counter, |n| n > 1);
    wait_for_count(&agent, "outputs.program.waiting", |n| n == 5);
    let ended = agent.interrupt();
    assert!(!ended.status.success(), "{}", ended.stderr);
    assert_eq!(ended.alerts().len(), 5);
    let lost = "output program: 5 alerts could not be delivered before the end";
    assert!(ended.stderr.contains(lost), "{}", ended.stderr);
    ended.stderr
}

#[test]
fn programs_that_do_nothing_cost_the_others_nothing() {
    if !can_run_live("programs_that_do_nothing_cost_the_others_nothing") {
        return;
    }
    let _alone = alone();
    let mut opens = Opens::new();
    let pid = opens.path("pid");
    for keep_alive in [true, false] {
        let hangs = format!("echo $$ > {}; exec sleep 1000", pid.display());
        let said = beside(&mut opens, &hangs, keep_alive, "outputs.program.killed");
        assert!(
            said.contains("output program: the program takes too long and was killed"),
            "{said}"
        );
        wait_until(|| {
            if is_running(&pid) { Err("it still runs") } else { Ok(()) }.map_err(str::to_owned)
        });
        let said = beside(&mut opens, "/no/such/program", keep_alive, "outputs.program.retries");
        assert!(
            said.contains("output program: the shell does not find it (exit code 127)"),
            "{said}"
        );
    }
    let said = beside(&mut opens, "exit 0", true, "outputs.program.retries");
    assert!(said.contains("output program: the program ended: exit status: 0"), "{said}");
}

#[test]
fn a_program_that_does_not_end_with_the_agent_is_killed() {
    if !can_run_live("a_program_that_does_not_end_with_the_agent_is_killed") {
        return;
    }
    let _alone = alone();
    let mut opens = Opens::new();
    let (out, pid) = (opens.path("out"), opens.path("pid"));
    let command = format!("echo $$ > {}; cat >> {}; exec sleep 1000", pid.display(), out.display());
    let agent = opens.agent(&options(&command, true));
    opens.raise(3);
    wait_for_lines(&out, 3);
    let ended = agent.interrupt();
    ended.assert_balanced();
    assert!(!is_running(&pid));
}

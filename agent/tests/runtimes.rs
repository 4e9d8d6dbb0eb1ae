//! Podman and containerd themselves under the running program: alerts on the first exec of a container say what its runtime knows, of a pod's too.

mod common;
#[path = "../../containers/tests/lookups/containerd_service.rs"]
mod containerd_service;
#[path = "../../containers/tests/lookups/grpc_client.rs"]
mod grpc_client;
#[path = "../../containers/tests/lookups/podman.rs"]
mod podman;
#[allow(dead_code, reason = "tests of lookups use more of it")]
#[path = "../../containers/tests/lookups/real.rs"]
mod real;

use std::fs;
use std::path::Path;

use common::{Agent, Ended, alone, can_run_live};
use real::can_run;

const RULES: &str = "
- rule: started
  desc: d
  condition: evt.type = execve and proc.name = sleep and container.id != host
  output: >
    started %container.full_id image=%container.image.repository:%container.image.tag name=%container.name team=%container.label[team]
    privileged=%container.privileged pod=%k8s.pod.name ns=%k8s.ns.name uid=%k8s.pod.uid app=%k8s.pod.label[app]
  priority: INFO
- rule: not in the container
  desc: d
  condition: evt.type = execve and proc.name = sleep and container.id = host
  output: lost %proc.cmdline
  priority: INFO
";

/// An agent for what this test starts, which looks for runtimes below `root`.
fn agent(root: &Path) -> Agent {
    let rules = root.join("rules.yaml");
    fs::write(&rules, RULES).expect("a file");
    let (pid, rules) = (std::process::id().to_string(), rules.display().to_string());
    let host_root = format!("peregrine.containers.host_root={}", root.display());
    let patient = "peregrine.containers.deferral_ms=10000";
    Agent::start(&["--scope-pid", &pid, "-r", &rules, "-o", &host_root, "-o", patient])
}

/// What the one alert on a container says behind its id.
fn alert<'e>(ended: &'e Ended, id: &str) -> &'e str {
    let begin = format!("started {id} ");
    let told: Vec<&str> =
        ended.stdout.lines().filter_map(|line| Some(line.split_once(&begin)?.1)).collect();
    assert_eq!(told.len(), 1, "{}\n{}", ended.stdout, ended.stderr);
    assert!(!ended.stdout.contains("lost "), "{}", ended.stdout);
    told[0]
}

#[test]
fn an_alert_on_the_first_exec_says_what_podman_knows() {
    let test = "an_alert_on_the_first_exec_says_what_podman_knows";
    if !can_run_live(test) || !can_run(test, &podman::PROGRAMS) {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a directory");
    let mut made = podman::Made::new(dir.path());
    let service = made.serve();
    let agent = agent(dir.path());
    let id = made.start("peregrine-web", &["--label", "team=red"]);
    agent.wait_for_lines(1);
    let ended = agent.interrupt();
    drop((made, service));
    ended.assert_balanced();
    assert_eq!(
        alert(&ended, &id),
        "image=localhost/peregrine/bb:v1 name=peregrine-web team=red privileged=true pod=<NA> ns=<NA> uid=<NA> app=<NA>"
    );
}

#[test]
fn an_alert_on_the_first_exec_says_what_cri_knows_of_the_pod() {
    let test = "an_alert_on_the_first_exec_says_what_cri_knows_of_the_pod";
    if !can_run_live(test) || !can_run(test, &containerd_service::PROGRAMS) {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a directory");
    let agent = agent(dir.path());
    let mut made = containerd_service::Made::new(dir.path());
    let id = made.start();
    // The pod's sandbox sleeps, too.
    agent.wait_for_lines(2);
    let ended = agent.interrupt();
    let sandbox = made.sandbox.clone();
    drop(made);
    ended.assert_balanced();
    assert_eq!(
        alert(&ended, &id),
        "image=docker.io/peregrine/bb:v1 name=web team=red privileged=true pod=web-0 ns=shop uid=7e9f0c52-peregrine-test app=web"
    );
    assert!(alert(&ended, &sandbox).contains(" pod=web-0 ns=shop "), "{}", ended.stdout);
}

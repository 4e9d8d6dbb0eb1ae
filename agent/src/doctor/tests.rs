//! What is told of machines that there are not.

use std::fs;
use std::path::{Path, PathBuf};

use capture::{CAPABILITIES, Capabilities, ProbeReport};

use super::facts::{Facts, Outbox, Runtime, Socket};
use super::findings::findings;
use super::{can_start, in_json, text};

fn good() -> Facts {
    Facts {
        release: "6.1.0-18-amd64".to_owned(),
        has_btf: true,
        programs: Some(Ok(ProbeReport::default())),
        lockdown: "integrity".to_owned(),
        capabilities: Capabilities::of(&CAPABILITIES),
        landlock: Some((7, Vec::new())),
        seccomp_actions: "kill_process kill_thread trap errno user_notif trace log allow\n"
            .to_owned(),
        memlock: Some(8 << 20),
        mounts: "22 1 0:21 / /proc rw,nosuid shared:5 - proc proc rw,hidepid=invisible\n\
                 30 22 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
            .to_owned(),
        is_first_user_namespace: true,
        is_first_pid_namespace: true,
        runtimes: Some(vec![Runtime {
            socket: PathBuf::from("/run/containerd/containerd.sock"),
            trouble: None,
        }]),
        n_possible_cpus: 128,
        n_online_cpus: 8,
        ring_bytes: 8 << 20,
        memory: Some(4 << 30),
        configuration: Some(Ok(("/etc/peregrine/peregrine.yaml".to_owned(), 0))),
        rules: Some(Ok((25, 0))),
        outbox: Some(Outbox {
            directory: PathBuf::from("/var/lib/peregrine/outbox"),
            max_bytes: 1 << 30,
            free_bytes: Some(5 << 30),
            is_writable: true,
        }),
        socket: Some((PathBuf::from("/run/peregrine/peregrine.sock"), Socket::Free)),
        web: None,
    }
}

/// Held against `golden/NAME.txt`; `REWRITE_GOLDEN=1` writes it.
fn check(name: &str, facts: &Facts) {
    let told = text(&findings(facts));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/doctor/golden/{name}.txt"));
    if std::env::var_os("REWRITE_GOLDEN").is_some() {
        fs::write(path, told).unwrap();
    } else {
        assert_eq!(told, fs::read_to_string(path).unwrap());
    }
}

#[test]
fn where_all_is_well_every_line_says_ok() {
    check("well", &good());
}

#[test]
fn what_is_less_is_told_with_what_to_do() {
    let report = ProbeReport {
        refused: vec![("creat".to_owned(), "too complex".to_owned())],
        ..ProbeReport::default()
    };
    let facts = Facts {
        release: "5.10.0-33-amd64".to_owned(),
        landlock: None,
        seccomp_actions: String::new(),
        capabilities: Capabilities::of(&CAPABILITIES[..2]),
        programs: Some(Ok(report)),
        mounts: "22 1 0:21 / /proc rw shared:5 - proc proc rw,hidepid=2\n".to_owned(),
        is_first_pid_namespace: false,
        memory: Some(100 << 20),
        runtimes: Some(vec![Runtime {
            socket: PathBuf::from("/var/run/docker.sock"),
            trouble: Some("Permission denied (os error 13)".to_owned()),
        }]),
        configuration: Some(Ok(("built in".to_owned(), 1))),
        rules: Some(Ok((1, 2))),
        outbox: good().outbox.map(|outbox| Outbox { free_bytes: Some(10 << 20), ..outbox }),
        ..good()
    };
    check("less", &facts);
    assert!(can_start(&findings(&facts)));
}

#[test]
fn what_keeps_an_agent_from_starting_is_missing() {
    let facts = Facts {
        release: "4.19.0".to_owned(),
        has_btf: false,
        lockdown: "confidentiality".to_owned(),
        landlock: Some((2, vec!["truncation", "TCP ports"])),
        capabilities: Capabilities::default(),
        programs: None,
        is_first_user_namespace: false,
        mounts: String::new(),
        runtimes: None,
        rules: Some(Err("2 errors, the first of them: unknown field proc.nane".to_owned())),
        outbox: good().outbox.map(|outbox| Outbox { is_writable: false, ..outbox }),
        socket: Some((PathBuf::from("/run/peregrine/peregrine.sock"), Socket::Taken)),
        ..good()
    };
    check("missing", &facts);
    assert!(!can_start(&findings(&facts)));
}

#[test]
fn programs_that_read_json_get_the_same() {
    let facts = Facts { has_btf: false, ..good() };
    let all = findings(&facts);
    let object: serde_json::Value = serde_json::from_str(&in_json(&all)).unwrap();
    assert_eq!(object["can_start"], false);
    assert_eq!(object["findings"].as_array().unwrap().len(), all.len());
    assert_eq!(object["findings"][1]["subject"], "kernel types");
    assert_eq!(object["findings"][1]["verdict"], "missing");
    assert!(object["findings"][1]["to_do"].as_str().unwrap().contains("CONFIG_DEBUG_INFO_BTF"));
    assert_eq!(object["findings"][0]["to_do"], serde_json::Value::Null);
}

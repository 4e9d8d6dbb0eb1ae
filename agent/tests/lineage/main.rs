//! Who is whose parent, on the running kernel and in a replay of what was recorded of it: processes are made in every way there is, each says of
//! itself what `/proc` says of it while it opens a file, and the alerts have to tell the same.

#[path = "../common/mod.rs"]
mod common;
mod recorded;
mod scene;

use std::fs::{self, File};

use common::{Agent, Shell, can_run_live, run, skip, without_time};
use scene::{ACT, until};

const OUTPUT: &str =
    "%fd.filename|%proc.pid|%proc.ppid|%proc.name|%proc.pname|%proc.aname[2]|%proc.exepath";

/// Not a test by itself: what a test's child does.
#[test]
fn child_actor() {
    scene::act();
}

/// A folder with rules about the files opened in it, and with what the actors noted.
struct Stage {
    dir: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let rules = format!(
            "- rule: marker\n  desc: a test\n  condition: evt.type in (open, openat, openat2) and fd.name startswith {}/marker-\n  \
             output: \"{OUTPUT}\"\n  priority: NOTICE\n",
            dir.path().display()
        );
        fs::write(dir.path().join("rules.yaml"), rules).expect("a file");
        Self { dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    fn actor(&self, act: &str) -> String {
        let program = std::env::current_exe().expect("this program");
        format!("{ACT}='{act} {}' {} child_actor --exact", self.path(""), program.display())
    }

    /// What the actors noted; every one of them.
    fn truth(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("truth")).unwrap_or_default();
        let mut lines: Vec<String> =
            text.lines().filter(|l| l.contains('|')).map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

fn alerts(stdout: &str) -> Vec<String> {
    let lines = stdout.lines().map(without_time);
    let mut told: Vec<String> = lines.map(|l| l.trim_start_matches("Notice ").to_owned()).collect();
    told.sort();
    told
}

/// Each act, and how many files are opened in it.
const ACTS: [(&str, usize); 12] = [
    ("orphan", 1),
    ("reapers", 3),
    ("vfork", 1),
    ("sibling", 2),
    ("thread-exec", 2),
    ("headless", 2),
    ("headless-exec", 1),
    ("headless-reaper", 1),
    ("namespace", 1),
    ("namespace-reaper", 2),
    ("entered", 1),
    ("again", 4),
];

#[test]
fn processes_made_in_every_way_are_what_the_kernel_says_live_and_in_a_replay() {
    if !can_run_live("processes_made_in_every_way_are_what_the_kernel_says_live_and_in_a_replay") {
        return;
    }
    let stage = Stage::new();
    let mut shell = Shell::start();
    let (rules, file) = (stage.path("rules.yaml"), stage.path("run.scap"));
    let agent = Agent::start(&["--scope-pid", &shell.pid(), "-r", &rules, "-w", &file]);
    let mut n_before = 0;
    for (act, n_opened) in ACTS {
        assert_eq!(shell.run(&stage.actor(act)), 0, "{act}");
        let n_told = stage.truth().len();
        assert_eq!(n_told - n_before, n_opened, "{act}: {:#?}", stage.truth());
        n_before = n_told;
    }
    let ended = agent.interrupt();
    ended.assert_balanced();
    let truth = stage.truth();
    assert_eq!(alerts(&ended.stdout), truth, "live");
    for args in [&["--single-thread"][..], &["-o", "peregrine.shards=3"]] {
        let replayed = run(&[&["replay", &file, "-r", &rules][..], args].concat());
        assert_eq!(alerts(&replayed.stdout), truth, "in a replay");
    }
}

#[test]
fn a_process_from_before_whose_first_thread_had_ended_is_known() {
    let test = "a_process_from_before_whose_first_thread_had_ended_is_known";
    if !can_run_live(test) {
        return;
    }
    let stage = Stage::new();
    let mut shell = Shell::start();
    shell.run(&format!("{} & :", stage.actor("headless-before")));
    let mut pid = String::new();
    until("the actor", || {
        pid = fs::read_to_string(stage.path("pid")).unwrap_or_default();
        !pid.is_empty()
    });
    let agent = Agent::start(&["--scope-pid", &pid, "-r", &stage.path("rules.yaml")]);
    File::create(stage.path("go")).expect("a file");
    shell.run("wait");
    let ended = agent.interrupt();
    let truth = stage.truth();
    if truth.is_empty() {
        return skip(test, "the actor did not come so far");
    }
    assert_eq!(alerts(&ended.stdout), truth);
}

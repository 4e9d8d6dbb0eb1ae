//! Calls of every family on the running kernel, as a rule's output shows them: names, descriptors, bytes, and the state they change.

mod common;

use std::fs;
use std::path::Path;

use common::{Agent, Shell, alone, can_run_live, run, without_time};

/// One rule, in a folder of its own, with a directory to work in.
struct Scene {
    dir: tempfile::TempDir,
}

impl Scene {
    fn new(condition: &str, output: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let rule = format!(
            "- rule: r\n  desc: a test\n  condition: {condition}\n  output: \"{output}\"\n  priority: NOTICE\n"
        );
        fs::write(dir.path().join("rules.yaml"), rule).expect("a file");
        fs::create_dir_all(dir.path().join("work/real")).expect("a directory");
        Self { dir }
    }

    fn path(&self, name: &str) -> String {
        let path = self.dir.path().canonicalize().expect("it exists").join(name);
        path.to_str().expect("UTF-8").to_owned()
    }

    /// Alerts of a script that starts in the directory, without time and priority; the directory is `W`.
    fn alerts(&self, args: &[&str], script: &[&str]) -> Vec<String> {
        let mut shell = Shell::start();
        shell.run(&format!("cd {}", self.path("work")));
        let rules = self.path("rules.yaml");
        let agent = Agent::start(&[&["--scope-pid", &shell.pid(), "-r", &rules], args].concat());
        for command in script {
            shell.run(command);
        }
        let ended = agent.interrupt();
        ended.assert_balanced();
        self.told(&ended.stdout)
    }

    fn told(&self, stdout: &str) -> Vec<String> {
        let work = self.path("work");
        let line = |l: &str| {
            let text = without_time(l).trim_start_matches("Notice ");
            text.replace(&work, "W")
        };
        stdout.lines().map(line).collect()
    }
}

#[test]
fn names_start_from_the_kernels_directory() {
    if !can_run_live("names_start_from_the_kernels_directory") {
        return;
    }
    let _alone = alone();
    let scene = Scene::new(
        "evt.type in (mkdir, rename, renameat, renameat2, symlink, symlinkat, unlink, unlinkat, fchmodat, chmod)",
        "%proc.name %fs.path.name %fs.path.source %fs.path.target %fd.name_view",
    );
    let alerts = scene.alerts(
        &[],
        &[
            "ln -s real link",
            "cd link",
            "mkdir ./new",
            "chmod 700 new/../new",
            "mv new newer",
            "mkdir newer",
            "rmdir /nonexistent-directory",
            "rm -r newer",
        ],
    );
    assert_eq!(
        alerts,
        [
            "ln <NA> W/link W/real lexical",
            "mkdir W/real/new <NA> <NA> lexical",
            "chmod W/real/new <NA> <NA> lexical",
            "mv <NA> W/real/new W/real/newer lexical",
            "mkdir <NA> <NA> <NA> lexical",
            "rm W/real/newer <NA> <NA> lexical",
        ]
    );
}

#[test]
fn bytes_and_descriptors_come_where_they_are_asked_for() {
    if !can_run_live("bytes_and_descriptors_come_where_they_are_asked_for") {
        return;
    }
    let _alone = alone();
    let scene = Scene::new(
        "evt.type = write and evt.buffer contains needle",
        "%fd.type %fd.name %evt.buflen.file %evt.buffer",
    );
    let script = ["echo hay with a needle > hay", "echo needle | cat", "echo more hay > hay"];
    let alerts = scene.alerts(&[], &script);
    assert_eq!(alerts.len(), 3, "the file, into the pipe, out of cat: {alerts:?}");
    assert_eq!(alerts[0], "file W/hay 18 hay with a needle.");
    assert!(alerts[1].starts_with("pipe pipe:["), "{alerts:?}");
    assert!(alerts[1].ends_with("] <NA> needle."), "{alerts:?}");
    // Where a buffer is cut the end is not seen.
    let alerts = scene.alerts(&["--snaplen", "16"], &script);
    assert_eq!(alerts.len(), 2, "{alerts:?}");
}

#[test]
fn calls_change_what_is_told_of_their_process() {
    if !can_run_live("calls_change_what_is_told_of_their_process") {
        return;
    }
    let _alone = alone();
    let scene = Scene::new(
        "evt.type in (open, openat) and fd.name endswith /marker",
        "%proc.name %proc.cwd %proc.is_sid_leader",
    );
    let script = [
        "ln -s real link",
        "cat marker",
        "cd link; cat marker",
        "cd /tmp; cat marker",
        "setsid cat marker",
    ];
    let recorded = scene.path("run.scap");
    let args = ["-w", &recorded];
    let live = scene.alerts(&args, &script);
    assert_eq!(live, ["cat W/ false", "cat W/real/ false", "cat /tmp/ false", "cat /tmp/ true"]);
    let key = format!("engine.replay.capture_file={recorded}");
    let rules = scene.path("rules.yaml");
    let ended = run(&["-o", "engine.kind=replay", "-o", &key, "-r", &rules]);
    ended.assert_balanced();
    assert!(Path::new(&recorded).exists());
    assert_eq!(scene.told(&ended.stdout), live);
}

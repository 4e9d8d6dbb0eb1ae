//! Processes and names on the running kernel, as a rule's output shows them: ancestors, forks, ids used again, both names of a file.

mod common;

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use common::{Agent, Ended, Shell, can_run_live, skip, without_time};

/// A folder with a rule that reports every open below it whose file is called `marker...`.
struct Scene {
    dir: tempfile::TempDir,
}

const OUTPUT: &str = "pid=%proc.pid ppid=%proc.ppid name=%proc.name pname=%proc.pname a2=%proc.aname[2] \
                      a3=%proc.aname[3] file=%fd.name view=%fd.name_view raw=%fd.nameraw";

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let scene = Self { dir };
        scene.rule("marker", &format!("fd.name startswith {}/marker", scene.path("").display()));
        scene
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        if name.is_empty() { self.dir.path().to_owned() } else { self.dir.path().join(name) }
    }

    /// Adds a rule on opens to the file of rules.
    fn rule(&self, name: &str, condition: &str) {
        use std::io::Write as _;
        let mut file = fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("rules.yaml"))
            .expect("a file");
        writeln!(
            file,
            "- rule: {name}\n  desc: a test\n  condition: evt.type in (open, openat, openat2) and {condition}\n  \
             output: {name} {OUTPUT}\n  priority: NOTICE"
        )
        .expect("a file");
    }

    /// A copy of a program under another name.
    fn program(&self, from: &str, name: &str) -> String {
        let to = self.path(name);
        fs::copy(from, &to).expect("a copy");
        to.to_str().expect("UTF-8").to_owned()
    }

    fn run(&self, script: &str) -> Ended {
        let mut shell = Shell::start();
        let rules = self.path("rules.yaml");
        let agent = Agent::start(&[
            "--scope-pid",
            &shell.pid(),
            "-o",
            "rule_matching=all",
            "-r",
            rules.to_str().expect("UTF-8"),
        ]);
        let code = shell.run(&format!("cd {}\n{script}", self.path("").display()));
        assert_eq!(code, 0, "{script}");
        let ended = agent.interrupt();
        ended.assert_balanced();
        ended
    }
}

fn lines(ended: &Ended) -> Vec<String> {
    ended.stdout.lines().map(|l| without_time(l).to_owned()).collect()
}

/// The value of `key=` in an alert.
fn value<'a>(line: &'a str, key: &str) -> &'a str {
    line.split(' ')
        .find_map(|w| w.strip_prefix(key)?.strip_prefix('='))
        .unwrap_or_else(|| panic!("no {key} in {line}"))
}

#[test]
fn three_ancestors_are_named() {
    if !can_run_live("three_ancestors_are_named") {
        return;
    }
    let scene = Scene::new();
    for name in ["alpha", "beta", "gamma"] {
        scene.program("/bin/sh", name);
    }
    scene.program("/bin/cat", "reader");
    // The colons keep the shells from becoming what they start.
    fs::write(scene.path("marker"), "").expect("a file");
    let ended = scene.run("./alpha -c \"./beta -c './gamma -c \\\"./reader marker; :\\\"; :'; :\"");
    let lines = lines(&ended);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let names = ["name", "pname", "a2", "a3"].map(|k| value(&lines[0], k));
    assert_eq!(names, ["reader", "gamma", "beta", "alpha"]);
}

#[test]
fn two_thousand_forks_know_their_parent() {
    if !can_run_live("two_thousand_forks_know_their_parent") {
        return;
    }
    let scene = Scene::new();
    fs::write(scene.path("marker"), "").expect("a file");
    let ended = scene.run(
        "echo $$ >shell; i=0; while [ $i -lt 2000 ]; do (: <marker) & i=$((i+1)); \
         [ $((i%50)) -ne 0 ] || wait; done; wait",
    );
    let shell = fs::read_to_string(scene.path("shell")).expect("a file");
    let lines = lines(&ended);
    assert_eq!(lines.len(), 2000);
    for line in &lines {
        assert_eq!([value(line, "name"), value(line, "pname")], ["sh", "sh"], "{line}");
        assert_eq!(value(line, "ppid"), shell.trim(), "{line}");
        assert!(!line.contains("lineage"), "{line}");
    }
    let pids: HashSet<&str> = lines.iter().map(|l| value(l, "pid")).collect();
    assert_eq!(pids.len(), 2000);
}

#[test]
fn an_id_used_again_is_another_process() {
    let test = "an_id_used_again_is_another_process";
    if !can_run_live(test) {
        return;
    }
    let last_pid = Path::new("/proc/sys/kernel/ns_last_pid");
    if fs::File::options().write(true).open(last_pid).is_err() {
        return skip(test, "this kernel does not let the next process id be chosen");
    }
    let scene = Scene::new();
    scene.program("/bin/cat", "first");
    fs::write(scene.path("marker-1"), "").expect("a file");
    fs::write(scene.path("marker-2"), "").expect("a file");
    // Anybody's fork may take the id in between: again until it comes back.
    let ended = scene.run(
        "n=0; while [ $n -lt 200 ]; do n=$((n+1)); ./first marker-1 & p=$!; wait $p; \
         echo $((p-1)) >/proc/sys/kernel/ns_last_pid; (: <marker-2) & q=$!; wait $q; \
         [ $p -ne $q ] || { echo $q >again; break; }; done; true",
    );
    let Ok(again) = fs::read_to_string(scene.path("again")) else {
        return skip(test, "the id never came back");
    };
    let lines = lines(&ended);
    let with_id: Vec<[&str; 3]> = lines
        .iter()
        .filter(|l| value(l, "pid") == again.trim())
        .map(|l| ["name", "pname", "raw"].map(|k| value(l, k)))
        .collect();
    assert_eq!(with_id, [["first", "sh", "marker-1"], ["sh", "sh", "marker-2"]]);
}

#[test]
fn a_rule_sees_both_names_of_a_file() {
    if !can_run_live("a_rule_sees_both_names_of_a_file") {
        return;
    }
    let scene = Scene::new();
    let dir = scene.path("").display().to_string();
    scene.rule("lexical", &format!("fd.name = {dir}/link"));
    scene.rule("kernel", &format!("fd.name = {dir}/target"));
    scene.rule(
        "neither",
        &format!("fd.name startswith {dir}/ and not fd.name in ({dir}/link, {dir}/target)"),
    );
    fs::write(scene.path("target"), "").expect("a file");
    std::os::unix::fs::symlink("target", scene.path("link")).expect("a link");
    let ended = scene.run("mkdir sub; cd sub; : <../link; : <./.././target");
    let seen: Vec<[String; 3]> = lines(&ended)
        .iter()
        .map(|l| {
            let rule = l.split(' ').nth(1).unwrap_or_default();
            [rule, value(l, "file"), value(l, "view")].map(str::to_owned)
        })
        .collect();
    let link = [["lexical", "link", "lexical"], ["kernel", "target", "kernel"]];
    let expected: Vec<[String; 3]> = link
        .iter()
        .chain(&[["kernel", "target", "both"]])
        .map(|[rule, file, view]| [(*rule).to_owned(), format!("{dir}/{file}"), (*view).to_owned()])
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_rule_that_can_see_nothing_is_named_at_the_start() {
    if !can_run_live("a_rule_that_can_see_nothing_is_named_at_the_start") {
        return;
    }
    let scene = Scene::new();
    let rule = |name: &str, call: &str| {
        format!(
            "- rule: {name}\n  desc: a test\n  condition: evt.type = {call}\n  output: o\n  priority: NOTICE\n"
        )
    };
    // An event of recordings, a call that passes no exit, and one that is captured.
    let blind = [rule("on infra", "infra"), rule("on exit", "exit_group"), rule("on sync", "sync")];
    let blind = blind.concat();
    let path = scene.path("blind.yaml");
    fs::write(&path, blind).expect("a file");
    let shell = Shell::start();
    let rules = scene.path("rules.yaml");
    let [rules, path] = [&rules, &path].map(|p| p.to_str().expect("UTF-8"));
    let agent = Agent::start(&["--scope-pid", &shell.pid(), "-r", rules, "-r", path]);
    let ended = agent.interrupt();
    ended.assert_balanced();
    let said = "2 rules can never match, their events are not seen live: on infra, on exit\n";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}

//! Push-down takes no alert away: two agents watch the same processes, one of which lets the kernel reject, and tell the same.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::{Agent, Shell, alone, bench_program, can_run_live, skip, without_time};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Rules of each part of a filter; `DIR` is the folder of the scenes.
const RULES: &str = "
- list: own_watched
  items: [DIR/watched, DIR/mounted/secret, DIR/merged/below, /etc/push-down-inside]
- rule: own whole names
  desc: d
  condition: evt.type in (open, openat, openat2, creat) and fd.name in (own_watched)
  output: whole %evt.type %evt.rawres %fd.name %fd.nameraw %fd.name_view %proc.pid %proc.cmdline %container.id
  priority: INFO
- rule: own prefixes
  desc: d
  condition: evt.type in (open, openat, openat2) and fd.name startswith DIR/pre
  output: prefix %evt.type %evt.rawres %fd.name %fd.nameraw %fd.name_view %proc.pid %proc.cmdline %container.id
  priority: INFO
- rule: own last components
  desc: d
  condition: evt.type in (open, openat, openat2) and fd.name endswith /push_down_id
  output: last %evt.type %evt.rawres %fd.name %fd.nameraw %fd.name_view %proc.pid %proc.cmdline %container.id
  priority: INFO
- rule: own writing
  desc: d
  condition: evt.type in (open, openat, openat2) and evt.is_open_write = true and fd.name startswith DIR/wri and fd.num >= 0
  output: write %evt.type %evt.rawres %fd.name %fd.nameraw %fd.name_view %proc.pid %proc.cmdline %container.id
  priority: INFO
- rule: own failures
  desc: d
  condition: evt.type in (open, openat, openat2) and evt.failed = true and fd.name startswith DIR/gone
  output: failed %evt.type %evt.res %fd.name %fd.nameraw %fd.name_view %proc.pid %proc.cmdline %container.id
  priority: INFO
- rule: own ports
  desc: d
  condition: evt.type = connect and fd.sport in (4445, 4446)
  output: port %evt.type %evt.res %fd.name %proc.pid %proc.cmdline
  priority: INFO
- rule: own hidden
  desc: d
  condition: evt.type in (open, openat, openat2) and fd.name contains /.own_hidden/
  output: hidden %evt.type %evt.res %fd.name %fd.nameraw %fd.name_view %proc.pid %proc.cmdline
  priority: INFO
";

/// Rules for processes in containers alone.
const CONTAINER_RULES: &str = "
- rule: own writing in containers
  desc: d
  condition: evt.type in (open, openat, openat2, creat) and evt.is_open_write = true and fd.name startswith DIR/ and container.id != host
  output: inside-write %evt.type %evt.rawres %fd.name %proc.pid %proc.cmdline %container.id
  priority: INFO
- rule: own descriptors in containers
  desc: d
  condition: evt.type in (dup, dup2, dup3) and evt.rawres >= 0 and container.type != host
  output: inside-dup %evt.type %evt.rawres %proc.pid %proc.cmdline %container.id
  priority: INFO
- rule: own connections in containers
  desc: d
  condition: evt.type = connect and fd.sport in (4445, 4446) and container.id != host
  output: inside-port %evt.type %evt.res %fd.name %proc.pid %proc.cmdline %container.id
  priority: INFO
- rule: own removals in containers
  desc: d
  condition: evt.type in (unlink, unlinkat) and container.id != host
  output: inside-unlink %evt.type %evt.rawres %proc.pid %proc.cmdline %container.id
  priority: INFO
";

/// Processes that go into a container and out of it: `$in` is the file of its processes, `$out` that of the one around it.
const CONTAINER_SCENES: &[&str] = &[
    // Without an exec, then with a child, then with an exec of its own.
    "sh -c 'echo a > one; echo $$ > $in; echo b > one; (echo c > one); rm one; exec sh -c \"echo d > one; rm one; : < other\"'",
    // In by an exec, out without one, out with one.
    "sh -c 'echo $$ > $in; exec sh -c \"echo a > two; echo \\$\\$ > $out; echo b > two; exec sh -c \\\"echo c > two; rm two\\\"\"'",
    // Moved by another process, while it writes and after.
    "sh -c 'echo 0 > three; sleep 0.2; echo a > three; (echo b > three); exec sh -c \"echo c > three; rm three\"' & sleep 0.1; echo $! > $in; wait",
    // Execs and forks one after the other, on the host and inside.
    "n=0; while [ $n -lt 150 ]; do n=$((n + 1)); sh -c 'echo a > four; exec sh -c \"echo b > four\"'; done; rm four",
    "sh -c 'echo $$ > $in; n=0; while [ $n -lt 150 ]; do n=$((n + 1)); sh -c \"echo a > five; exec sh -c : > five\"; done; rm five'",
    // Every other one inside.
    "n=0; while [ $n -lt 60 ]; do n=$((n + 1)); sh -c 'echo $$ > $in; exec sh -c \"echo a > six; rm six\"'; sh -c 'echo b > six; rm six'; done",
    "sh -c 'echo $$ > $in; exec bash -c \"for p in 4444 4445 4446; do { :; } 3<>/dev/tcp/127.0.0.1/\\$p; done\"'; bash -c 'for p in 4444 4445 4446; do { :; } 3<>/dev/tcp/127.0.0.1/$p; done'",
    "unshare --pid --fork --mount sh -c 'echo a > seven; rm seven'; sh -c 'echo $$ > $in; exec unshare --pid --fork --mount sh -c \"echo a > eight; rm eight\"'",
];

/// What is done in the folder of the scenes, each by a process of its own. One that is not possible here tells nothing to either agent.
const SCENES: &[&str] = &[
    "cat watched other pre/a DIR/pre/b ./watched pre/../watched DIR//watched",
    "cat deep/push_down_id deep/push_down_id2 DIR/deep/other",
    "echo x > DIR/written; echo x >> written; cat written; echo y > other",
    "cat gone1 DIR/gone2 not-there; cat < DIR/gone3",
    // Links, and a rename that makes a watched name.
    "ln -s DIR/watched innocent; cat innocent; ln -s DIR/deep way; cat way/push_down_id; cat way/other",
    "cp other plain; cat plain; mv watched kept; mv plain watched; cat DIR/watched; cat kept; mv kept watched",
    "mkdir pre/moved && cp other pre/moved/f; mv pre/moved elsewhere; cat elsewhere/f; cd elsewhere; cat f",
    "mkdir .own_hidden; cp other .own_hidden/x; cat DIR/.own_hidden/x; cd .own_hidden; cat x; ln -s DIR/.own_hidden/x ../seen; cat ../seen",
    // Mounts in a namespace of its own.
    "unshare --mount --propagation private sh -ec 'mount --bind source mounted; cat mounted/secret; cd mounted; cat ./secret secret plain'",
    "unshare --mount --propagation private sh -ec 'mount -t tmpfs none layers; cd layers; mkdir lower upper work
        echo low > lower/below; mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work DIR/merged
        cat DIR/merged/below lower/below; echo up >> DIR/merged/below; cat ../merged/below'",
    // Roots of their own: the name inside.
    "unshare --mount --propagation private sh -ec 'mount --rbind / root; mount --bind etc root/etc; chroot root cat /etc/push-down-inside; chroot root cat etc/push-down-inside; cat root/etc/push-down-inside'",
    "unshare --mount --pid --fork --propagation private sh -ec 'mount --rbind / root; mount --bind etc root/etc; cd root; mkdir -p tmp; pivot_root . mnt; cat /etc/push-down-inside'",
    // A container that starts after the filters are set, as far as its processes know.
    "for c in /sys/fs/cgroup/pids /sys/fs/cgroup /sys/fs/cgroup/unified; do
        g=$c/docker-PUSHDOWNID.scope; mkdir $g && { sh -c \"echo \\$\\$ > $g/cgroup.procs; cat watched other; cat /etc/shadow > written\"; rmdir $g; }; done",
    "cat /etc/shadow /etc/passwd; cat /etc/sudoers; ls -la /root /etc/cron.d; touch DIR/push-down-touched",
    "bash -c 'for p in 4444 4445 4446; do exec 3<>/dev/tcp/127.0.0.1/$p; done; echo > /dev/udp/127.0.0.1/4445; echo > /dev/udp/127.0.0.1/4447'",
    "find / -xdev -maxdepth 3 -name push_down_id; cp -r source copied; tar cf archive.tar source; rm -rf copied archive.tar",
];

struct Scenes {
    dir: tempfile::TempDir,
}

impl Scenes {
    fn new() -> Self {
        // Without a dot in it: names that always pass.
        let dir = tempfile::Builder::new().prefix("push-down-").tempdir();
        let scenes = Self { dir: dir.expect("a temporary directory") };
        for name in ["pre", "deep", "source", "mounted", "layers", "merged", "root", "etc"] {
            fs::create_dir(scenes.path().join(name)).expect("a folder");
        }
        for name in [
            "watched",
            "other",
            "pre/a",
            "pre/b",
            "deep/push_down_id",
            "deep/push_down_id2",
            "deep/other",
            "source/secret",
            "source/plain",
            "etc/push-down-inside",
        ] {
            fs::write(scenes.path().join(name), "x\n").expect("a file");
        }
        let rules = [RULES, CONTAINER_RULES].concat();
        fs::write(scenes.path().join("own.yaml"), scenes.filled(&rules)).expect("a file");
        scenes
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn filled(&self, text: &str) -> String {
        let id = "0123456789abcdef".repeat(4);
        text.replace("DIR", self.path().to_str().expect("text")).replace("PUSHDOWNID", &id)
    }

    fn own_rules(&self) -> PathBuf {
        self.path().join("own.yaml")
    }
}

fn default_rules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules/rulesets/default.yaml")
}

/// Alerts by their text without the time and without ancestors, and how often: which program a parent on another CPU is just about to start, the two see
/// at moments of their own.
fn counted(stdout: &str) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for line in stdout.lines() {
        let words = without_time(line).split(' ').filter(|word| !word.contains("parent="));
        *all.entry(words.collect::<Vec<_>>().join(" ")).or_default() += 1;
    }
    all
}

/// Runs commands in a shell that an agent with push-down and one without watch. Gives the alerts of the latter.
fn check(rules: &[PathBuf], commands: &[String]) -> BTreeMap<String, usize> {
    let mut shell = Shell::start();
    let pid = shell.pid();
    let mut args = vec!["--scope-pid", &pid];
    for file in rules {
        args.extend(["-r", file.to_str().expect("text")]);
    }
    let start = |switch| Agent::start(&[&args[..], &["--push-down", switch]].concat());
    let (on, off) = (start("on"), start("off"));
    for command in commands {
        shell.run(command);
    }
    let [with, without] = [&on, &off].map(Agent::at_rest);
    for stats in [&with, &without] {
        assert_eq!(stats.get("kernel.ring_full"), Some(0), "{}", stats.table());
    }
    assert!(with.get("kernel.rejected") > Some(0), "{}", with.table());
    assert_eq!(without.get("kernel.rejected"), Some(0), "{}", without.table());
    assert!(with.get("kernel.written") < without.get("kernel.written"), "{}", with.table());
    let [with, without] = [on, off].map(|agent| {
        let ended = agent.interrupt();
        ended.assert_balanced();
        counted(&ended.stdout)
    });
    let differ = |one: &BTreeMap<String, usize>, other: &BTreeMap<String, usize>| {
        let of_one = one.iter().filter(|(alert, n)| other.get(*alert) != Some(n));
        of_one.map(|(alert, n)| format!("{n} times {alert}")).collect::<Vec<_>>()
    };
    let (more, less) = (differ(&with, &without), differ(&without, &with));
    assert!(more.is_empty() && less.is_empty(), "with push-down: {more:#?}\nwithout: {less:#?}");
    without
}

#[test]
fn scenes_give_the_same_alerts_with_push_down_and_without() {
    if !can_run_live("scenes_give_the_same_alerts_with_push_down_and_without") {
        return;
    }
    let _alone = alone();
    let scenes = Scenes::new();
    let at_home = |scene: &&str| scenes.filled(&format!("cd DIR; {scene}"));
    let commands: Vec<String> = SCENES.iter().map(at_home).collect();
    let alerts = check(&[default_rules(), scenes.own_rules()], &commands);
    for part in ["whole", "prefix", "last", "write", "failed", "port", "hidden"] {
        let n = alerts
            .keys()
            .filter(|alert| alert.starts_with(&format!("Informational {part} ")))
            .count();
        assert!(n > 0, "no alert of {part}: {alerts:#?}");
    }
}

#[test]
fn official_rules_give_the_same_alerts_with_push_down_and_without() {
    let test = "official_rules_give_the_same_alerts_with_push_down_and_without";
    if !can_run_live(test) {
        return;
    }
    let Some(corpus) = std::env::var_os("PEREGRINE_CORPUS").map(PathBuf::from) else {
        return skip(test, "PEREGRINE_CORPUS is not set");
    };
    let _alone = alone();
    let scenes = Scenes::new();
    let at_home = |scene: &&str| scenes.filled(&format!("cd DIR; {scene}"));
    let commands: Vec<String> = SCENES.iter().map(at_home).collect();
    let alerts = check(&[corpus.join("rules/falco_rules.yaml")], &commands);
    assert!(!alerts.is_empty());
}

#[test]
fn a_mixed_storm_gives_the_same_alerts_with_push_down_and_without() {
    let test = "a_mixed_storm_gives_the_same_alerts_with_push_down_and_without";
    if !can_run_live(test) {
        return;
    }
    let storm = bench_program("peregrine-storm");
    let _alone = alone();
    let scenes = Scenes::new();
    let rules = "
- rule: own of the storm
  desc: d
  condition: >
    evt.type in (open, openat, openat2) and (evt.is_open_write = true or evt.failed = true) and fd.name startswith STORM
    or evt.type = connect and fd.type = unix
  output: storm %evt.type %evt.rawres %evt.res %fd.name %fd.nameraw %fd.name_view %proc.pid %proc.name
  priority: INFO
";
    let storms = scenes.path().join("storms");
    fs::create_dir(&storms).expect("a folder");
    let file = scenes.path().join("storm.yaml");
    let text = rules.replace("STORM", &format!("{}/", storms.display()));
    fs::write(&file, text).expect("a file");
    let command = format!(
        "{} mixed --events 20000 --seed 8 --seconds 10 --rate 8000 --dir {}",
        storm.display(),
        storms.display()
    );
    let alerts = check(&[default_rules(), file], &[command]);
    assert!(!alerts.is_empty());
}

#[test]
fn what_is_rejected_is_counted_by_event_type_and_cpu() {
    if !can_run_live("what_is_rejected_is_counted_by_event_type_and_cpu") {
        return;
    }
    let _alone = alone();
    let scenes = Scenes::new();
    let mut shell = Shell::start();
    let pid = shell.pid();
    let shell_pid = pid.parse().ok().and_then(Pid::from_raw);
    let allowed = sched_getaffinity(shell_pid).expect("the shell is there");
    let cpu = (0..CpuSet::MAX_CPU).rev().find(|&n| allowed.is_set(n)).expect("it runs somewhere");
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(shell_pid, &only).expect("one of its CPUs");
    let rules = scenes.own_rules();
    let agent = Agent::start(&["-v", "--scope-pid", &pid, "-r", rules.to_str().expect("text")]);
    // What is rejected is told with -v, before the block.
    let (said, _) = agent.start_block().split_once("\nperegrine ").expect("the block");
    assert!(said.contains(" passes where it\n  ") && !said.contains("everything passes"), "{said}");
    assert!(said.contains("own.yaml | schema validation: ok | 11 rules, "), "{said}");
    // The shell itself opens the file, as often as it goes round. What a round costs beside that shows in those of none.
    let mut rejected_by = |n_opens: usize| {
        let before = agent.at_rest();
        let opened = scenes.path().join("other");
        let opened = opened.display();
        shell.run(&format!("n={n_opens}; while [ $n -gt 0 ]; do : < {opened}; n=$((n-1)); done"));
        let between = agent.at_rest().since(&before);
        let all = between.set_aside.iter();
        let elsewhere = all.clone().filter(|one| usize::from(one.cpu) != cpu);
        assert_eq!(elsewhere.count(), 0, "{}", between.table());
        let opens = all.clone().filter(|one| one.event_type == "openat");
        let n_opens: u64 = opens.map(|one| one.n).sum();
        let n_all: u64 = all.map(|one| one.n).sum();
        assert_eq!(between.get("kernel.rejected"), Some(n_all), "{}", between.table());
        n_opens
    };
    let n_beside = rejected_by(0);
    assert_eq!(rejected_by(300), 300 + n_beside);
    let table = agent.stats().table();
    let line = table.lines().find(|line| line.starts_with("kernel.rejected  openat "));
    let line = line.unwrap_or_else(|| panic!("no line of opens:\n{table}"));
    assert_eq!(line.split_whitespace().nth(3), Some(&*cpu.to_string()), "{table}");
}

/// A container as far as cgroups tell, which scenes may enter; removed at the end.
struct Cgroup(PathBuf);

impl Cgroup {
    /// `None` where none can be made.
    fn make() -> Option<Self> {
        let id = format!("{:064x}", std::process::id());
        let above = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
        let dirs = above.map(|dir| Path::new(dir).join(format!("docker-{id}.scope")));
        dirs.into_iter().find(|dir| fs::create_dir(dir).is_ok()).map(Self)
    }

    fn filled(&self, scene: &str) -> String {
        let (inside, above) = (self.0.join("cgroup.procs"), self.0.with_file_name("cgroup.procs"));
        format!("export in={} out={}; {scene}", inside.display(), above.display())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // What ended a moment ago may still be in it.
        for _ in 0..50 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

#[test]
fn processes_that_enter_and_leave_containers_give_the_same_alerts_with_push_down_and_without() {
    let test =
        "processes_that_enter_and_leave_containers_give_the_same_alerts_with_push_down_and_without";
    if !can_run_live(test) {
        return;
    }
    let Some(cgroup) = Cgroup::make() else { return skip(test, "no cgroup can be made") };
    let _alone = alone();
    let scenes = Scenes::new();
    let at_home = |scene: &&str| scenes.filled(&cgroup.filled(&format!("cd DIR; {scene}")));
    let commands: Vec<String> = CONTAINER_SCENES.iter().map(at_home).collect();
    let file = scenes.path().join("containers.yaml");
    fs::write(&file, scenes.filled(CONTAINER_RULES)).expect("a file");
    let alerts = check(&[file], &commands);
    let n_of = |part: &str| -> usize {
        let begin = format!("Informational {part} ");
        alerts.iter().filter(|(alert, _)| alert.starts_with(&begin)).map(|(_, n)| n).sum()
    };
    let n = ["inside-write", "inside-dup", "inside-port", "inside-unlink"].map(n_of);
    assert!(n[0] >= 300 && n[1] >= 300 && n[2] == 2 && n[3] >= 60, "{n:?} of {alerts:#?}");
}

#[test]
fn connections_on_the_host_are_rejected_under_the_official_rules() {
    let test = "connections_on_the_host_are_rejected_under_the_official_rules";
    if !can_run_live(test) {
        return;
    }
    let Some(corpus) = std::env::var_os("PEREGRINE_CORPUS").map(PathBuf::from) else {
        return skip(test, "PEREGRINE_CORPUS is not set");
    };
    let _alone = alone();
    let mut shell = Shell::start();
    let pid = shell.pid();
    let rules = corpus.join("rules/falco_rules.yaml");
    let agent = Agent::start(&["--scope-pid", &pid, "-r", rules.to_str().expect("text")]);
    let before = agent.at_rest();
    // By the time that it begins, its start has been told of.
    shell.run("bash -c 'sleep 1; for n in {1..300}; do { :; } 3<>/dev/tcp/127.0.0.1/9; done'");
    let between = agent.at_rest().since(&before);
    for ty in ["socket", "connect"] {
        let rejected = between.set_aside.iter().filter(|one| one.event_type == ty);
        let n: u64 = rejected.map(|one| one.n).sum();
        assert!(n >= 300, "{n} {ty}:\n{}", between.table());
    }
    // What bash was not told of when it began.
    assert!(between.get("kernel.written") < Some(150), "{}", between.table());
    agent.interrupt().assert_balanced();
}

//! Durable outputs: receivers that are down, a spool without room, damaged files, and agents that are killed. The receiver is the file of
//! `file_output`, which is down while its folder is not there, or one on loopback.

mod common;
mod receiver;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::{Agent, DEADLINE, PEREGRINE, Running, alone, can_run_live, skip};
use receiver::{Form, Receiver};

/// An alert's epoch and number.
type Id = (u64, u64);

/// A place for everything: actions, rules, the receiver's folder, the outbox.
struct Scene {
    dir: tempfile::TempDir,
    /// The durable output.
    output: &'static str,
    options: Vec<String>,
}

impl Scene {
    /// Alerts go to a file.
    fn new() -> Self {
        let mut scene = Self::with("file", &[]);
        let file = scene.path("receiver/alerts").display().to_string();
        scene.options.push(format!("file_output.filename={file}"));
        scene
    }

    /// They go to an output that these options set up.
    fn with(output: &'static str, options: &[&str]) -> Self {
        let options = options.iter().map(|&o| o.to_owned()).collect();
        let dir = tempfile::tempdir().expect("a temporary directory");
        for folder in ["actions", "receiver"] {
            fs::create_dir(dir.path().join(folder)).expect("a folder");
        }
        let rules = format!(
            "- rule: Numbered action\n  desc: for tests\n  condition: evt.type in (open, openat) and fd.name startswith {}/\n  output: action %fd.name\n  priority: WARNING\n",
            dir.path().join("actions").display()
        );
        fs::write(dir.path().join("rules.yaml"), rules).expect("a file");
        Self { dir, output, options }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn outbox(&self) -> PathBuf {
        self.path("outbox")
    }

    /// The arguments of an agent that watches this program.
    fn args(&self, more: &[&str]) -> Vec<String> {
        let mut args: Vec<String> = ["--scope-pid", &std::process::id().to_string(), "-r"]
            .into_iter()
            .map(str::to_owned)
            .collect();
        args.push(self.path("rules.yaml").display().to_string());
        let output = self.output;
        let options = [
            "stdout_output.enabled=false".to_owned(),
            format!("{output}_output.enabled=true"),
            format!("peregrine.outputs.{output}.durable=true"),
            format!("peregrine.outputs.{output}.retry_longest_ms=200"),
            format!("peregrine.outbox.directory={}", self.outbox().display()),
        ];
        let of_scene = self.options.iter().cloned();
        let more = more.iter().map(|&o| o.to_owned());
        for option in options.into_iter().chain(of_scene).chain(more) {
            args.extend(["-o".to_owned(), option]);
        }
        args
    }

    fn start(&self, more: &[&str]) -> Agent {
        let args = self.args(more);
        Agent::start(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn receiver_goes(&self) {
        fs::rename(self.path("receiver"), self.path("gone")).expect("it is there");
    }

    fn receiver_comes(&self) {
        fs::rename(self.path("gone"), self.path("receiver")).expect("it is gone");
    }

    fn received(&self) -> Received {
        self.read(&fs::read_to_string(self.path("receiver/alerts")).unwrap_or_default())
    }

    /// What a line for each alert says.
    fn read(&self, text: &str) -> Received {
        let mut received = Received::default();
        let prefix = format!("action {}/", self.path("actions").display());
        for line in text.lines() {
            let (rest, id) = line.rsplit_once("id=").expect("an id");
            let (epoch, number) = id.trim_end_matches(']').split_once('-').expect("an id");
            let id: Id = (
                u64::from_str_radix(epoch, 16).expect("an epoch"),
                number.parse().expect("a number"),
            );
            let action = rest.split_once(&prefix).map(|(_, action)| {
                action.split(' ').next().and_then(|n| n.parse().ok()).expect("a number")
            });
            if action.is_none() {
                assert!(rest.contains("Peregrine internal: "), "{line}");
            }
            let again = received.all.insert(id, line.to_owned());
            assert!(again.is_none_or(|first| first == line), "{line} is what {id:?} was before");
            if received.in_order.iter().next_back().is_none_or(|&last| id > last) {
                received.in_order.insert(id);
            }
            received.n_lines += 1;
            match action {
                Some(action) => drop(received.actions.insert(action, id)),
                None if rest.contains("unclean stop") => drop(received.unclean_stops.insert(id.0)),
                None => {}
            }
        }
        let first_seen: Vec<_> = received.in_order.iter().collect();
        assert_eq!(first_seen.len(), received.all.len(), "each came first in its order");
        received
    }

    /// Waits until the receiver has everything of the outbox, then ends the agent and holds its equations. Gives what the agent printed.
    fn drain(&self, agent: Agent) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let stats = agent.at_rest();
            let left = stats.levels.get(&*format!("outbox.{}.pending", self.output)).copied();
            if left == Some(0) {
                break;
            }
            assert!(Instant::now() < deadline, "{}", stats.table());
            std::thread::sleep(Duration::from_millis(20));
        }
        let ended = agent.interrupt();
        ended.assert_balanced();
        ended.stderr
    }

    fn end(&self, agent: Agent) -> Received {
        Received { said: self.drain(agent), ..self.received() }
    }
}

/// What the receiver has.
#[derive(Default)]
struct Received {
    all: BTreeMap<Id, String>,
    /// Those that came when nothing later had come yet.
    in_order: BTreeSet<Id>,
    actions: BTreeMap<u64, Id>,
    /// Epochs of runs that told of one.
    unclean_stops: BTreeSet<u64>,
    n_lines: usize,
    /// What the agent printed.
    said: String,
}

/// Does numbered things: the files `1`, `2` and so on are opened.
struct Actions {
    n: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Actions {
    /// So many a second.
    fn start(scene: &Scene, per_second: u64) -> Self {
        let (n, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let folder = scene.path("actions");
        let (of_thread, until) = (Arc::clone(&n), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let begin = Instant::now();
            for number in 1.. {
                if until.load(SeqCst) {
                    return;
                }
                let path = folder.join(number.to_string());
                drop(fs::File::create(&path).expect("a file"));
                of_thread.store(number, SeqCst);
                fs::remove_file(&path).expect("it is there");
                let due = begin + Duration::from_micros(number * 1_000_000 / per_second);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        });
        Self { n, stop, thread: Some(thread) }
    }

    /// The newest.
    fn now(&self) -> u64 {
        self.n.load(SeqCst)
    }

    /// The newest, which is the last.
    fn stop(&mut self) -> u64 {
        self.stop.store(true, SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("actions do not fail");
        }
        self.now()
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
    }
}

fn number(stats: &perf::Snapshot, name: &str) -> u64 {
    stats.get(name).unwrap_or_else(|| panic!("no {name} in {}", stats.table()))
}

/// Waits until the counters are so.
fn wait_for(agent: &Agent, what: impl Fn(&perf::Snapshot) -> bool) -> perf::Snapshot {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let stats = agent.stats();
        if what(&stats) {
            return stats;
        }
        assert!(Instant::now() < deadline, "{}", stats.table());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_receiver_that_was_down_gets_everything_in_order() {
    if !can_run_live("a_receiver_that_was_down_gets_everything_in_order") {
        return;
    }
    let _alone = alone();
    // A minute, where it may take that long: PEREGRINE_OUTBOX_DOWN_S=60.
    let down = std::env::var("PEREGRINE_OUTBOX_DOWN_S").ok().and_then(|s| s.parse().ok());
    let scene = Scene::new();
    let agent = scene.start(&[]);
    let mut actions = Actions::start(&scene, 2000);
    let begin = actions.now() + 1;
    wait_for(&agent, |s| number(s, "outputs.file.delivered") > 100);
    scene.receiver_goes();
    std::thread::sleep(Duration::from_secs(down.unwrap_or(6)));
    let stats = agent.stats();
    assert!(stats.levels["outbox.file.pending"] > 5000, "{}", stats.table());
    assert_eq!(stats.levels["outputs.file.failing"], 1);
    scene.receiver_comes();
    let last = actions.stop();
    let received = scene.end(agent);
    let missing: Vec<_> = (begin..=last).filter(|n| !received.actions.contains_key(n)).collect();
    assert_eq!(missing, [0; 0], "of {last}");
    assert_eq!(received.n_lines, received.all.len(), "nothing came twice: nobody was killed");
    assert!(received.unclean_stops.is_empty());
}

#[test]
fn an_outbox_without_room_stops_no_delivery_and_heals() {
    let test = "an_outbox_without_room_stops_no_delivery_and_heals";
    if !can_run_live(test) {
        return;
    }
    let _alone = alone();
    let scene = Scene::new();
    fs::create_dir(scene.outbox()).expect("a folder");
    let mount = |size: &str, remount: &str| {
        let options = format!("{remount}size={size},mode=700");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(scene.outbox());
        command.status().is_ok_and(|s| s.success())
    };
    if !mount("64k", "") {
        skip(test, "a tmpfs cannot be mounted");
        return;
    }
    let _mounted = Mounted(scene.outbox());
    let agent = scene.start(&[]);
    let mut actions = Actions::start(&scene, 2000);
    let stats = wait_for(&agent, |s| {
        number(s, "outbox.write_errors") > 1 && number(s, "outputs.file.delivered") > 3000
    });
    assert!(number(&stats, "outbox.unspooled") > 1000, "{}", stats.table());
    let n_appended = number(&stats, "outbox.appended");
    assert!(mount("64m", "remount,"));
    wait_for(&agent, |s| number(s, "outbox.appended") > n_appended + 1000);
    let last = actions.stop();
    let received = scene.end(agent);
    let missing: Vec<_> = (1..=last).filter(|n| !received.actions.contains_key(n)).collect();
    assert_eq!(missing, [0; 0], "of {last}");
    assert_eq!(received.n_lines, received.all.len());
}

/// Unmounts.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|s| s.success()), "{} stays mounted", self.0.display());
    }
}

#[test]
fn damage_in_the_middle_of_the_spool_costs_what_it_hit() {
    if !can_run_live("damage_in_the_middle_of_the_spool_costs_what_it_hit") {
        return;
    }
    let _alone = alone();
    let scene = Scene::new();
    let agent = scene.start(&["peregrine.outbox.segment_bytes=65536"]);
    scene.receiver_goes();
    let mut actions = Actions::start(&scene, 2000);
    wait_for(&agent, |s| number(s, "outbox.appended") > 3000);
    let last = actions.stop();
    wait_for(&agent, |s| number(s, "outbox.appended") == last);
    agent.signal(rustix::process::Signal::KILL);
    drop(agent);
    let before = spooled(&scene.outbox());
    assert_eq!(before.len() as u64, last);
    let files = segments(&scene.outbox());
    let damaged = &files[files.len() / 2];
    let mut bytes = fs::read(damaged).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 1000].fill(0xaa);
    fs::write(damaged, bytes).expect("a segment");
    let after = spooled(&scene.outbox());
    let n_hit = before.len() - after.len();
    assert!((4..=12).contains(&n_hit), "{n_hit}");
    scene.receiver_comes();
    let agent = scene.start(&[]);
    let received = scene.end(agent);
    let damage = "bytes in 1 places are damaged and skipped";
    assert!(received.said.contains(damage), "{}", received.said);
    let arrived: BTreeSet<Id> = received.actions.values().copied().collect();
    assert_eq!(arrived, after, "all that is whole, and nothing else");
    assert_eq!(received.unclean_stops.len(), 1);
}

fn segments(outbox: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(outbox) else { return Vec::new() };
    let paths = entries.map(|e| e.expect("an entry").path());
    let mut paths: Vec<_> = paths.filter(|p| p.extension().is_some_and(|e| e == "seg")).collect();
    paths.sort();
    paths
}

/// The ids of whole records, by a search of its own.
fn spooled(outbox: &Path) -> BTreeSet<Id> {
    let mut ids = BTreeSet::new();
    for path in segments(outbox) {
        // It may have been delivered meanwhile.
        let bytes = fs::read(path).unwrap_or_default();
        let mut at = 0;
        while at + 36 <= bytes.len() {
            let word =
                |n: usize| bytes[at + n..].first_chunk().map_or(0, |b| u32::from_le_bytes(*b));
            let long =
                |n: usize| bytes[at + n..].first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
            let end = at + 36 + word(8) as usize;
            let is_one = bytes[at..].starts_with(&[0xff, 0xf9, 0xfe, 0xf5])
                && bytes
                    .get(at + 8..end)
                    .is_some_and(|covered| crc32fast::hash(covered) == word(4));
            if is_one {
                ids.insert((long(12), long(20)));
                at = end;
            } else {
                at += 1;
            }
        }
    }
    ids
}

/// A run that was killed.
struct Killed {
    /// The newest action when it was.
    at: u64,
    /// The newest action when it said that it was attached, if it came to that.
    attached: Option<u64>,
    /// What the outbox had afterwards.
    spooled: BTreeSet<Id>,
}

/// When an agent is killed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Since {
    Start,
    /// It came to watch.
    Attached,
}

/// Starts an agent and kills it after so long.
fn killed_after(scene: &Scene, actions: &Actions, since: Since, after: Duration) -> Killed {
    let mut begin = Instant::now();
    let mut child = Command::new(PEREGRINE)
        .args(scene.args(&[]))
        .arg("--socket")
        .arg(scene.path("control.sock"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let stderr = std::io::BufReader::new(child.stderr.take().expect("stderr is a pipe"));
    let mut child = Running(child);
    let (n, attached) = (Arc::clone(&actions.n), Arc::new(AtomicU64::new(0)));
    let seen = Arc::clone(&attached);
    let reader = std::thread::spawn(move || {
        let mut said = String::new();
        for line in stderr.lines().map_while(Result::ok) {
            if line.starts_with("  stats ") {
                seen.store(n.load(SeqCst), SeqCst);
            }
            said.push_str(&line);
            said.push('\n');
        }
        said
    });
    while since == Since::Attached && attached.load(SeqCst) == 0 {
        assert!(begin.elapsed() < DEADLINE, "it does not come to watch");
        std::thread::sleep(Duration::from_millis(5));
    }
    if since == Since::Attached {
        begin = Instant::now();
    }
    std::thread::sleep((begin + after).saturating_duration_since(Instant::now()));
    let at = actions.now();
    child.0.kill().expect("it runs");
    let status = child.0.wait().expect("it is our child");
    let said = reader.join().expect("its output is text");
    // Killed, and not ended by itself.
    assert_eq!(status.code(), None, "{said}");
    let attached = Some(attached.load(SeqCst)).filter(|&n| n > 0);
    Killed { at, attached, spooled: spooled(&scene.outbox()) }
}

#[test]
fn receivers_over_the_network_get_what_was_on_disk() {
    if !can_run_live("receivers_over_the_network_get_what_was_on_disk") {
        return;
    }
    let _alone = alone();
    for form in [Form::Http, Form::Syslog] {
        let mut receiver = Receiver::new(form);
        let at = receiver.at;
        let scene = match form {
            Form::Http => Scene::with(
                "http",
                &[
                    &format!("http_output.url=http://{at}/alerts"),
                    "peregrine.outputs.http.batch_alerts=64",
                    "peregrine.outputs.http.timeout_ms=500",
                ],
            ),
            Form::Syslog => {
                Scene::with("syslog", &[&format!("peregrine.outputs.syslog.address=tcp://{at}")])
            }
        };
        let mut actions = Actions::start(&scene, 1000);
        let mut kills = Vec::new();
        // It goes while nobody is connected: what lies in the buffers of a receiver of syslog that dies is lost.
        for is_there in [false, true, false] {
            if is_there {
                receiver.comes();
            }
            let agent = scene.start(&[]);
            let delivered = format!("outputs.{}.delivered", scene.output);
            let what = if is_there { &delivered } else { "outbox.appended" };
            wait_for(&agent, |s| number(s, what) > 500);
            agent.signal(rustix::process::Signal::KILL);
            drop(agent);
            kills.push(spooled(&scene.outbox()));
            receiver.goes();
        }
        let n_before = scene.read(&receiver.text()).all.len();
        receiver.set_faulty(true);
        receiver.comes();
        let agent = scene.start(&[]);
        wait_for(&agent, |s| number(s, &format!("outputs.{}.delivered", scene.output)) > 1000);
        receiver.set_faulty(false);
        let last = actions.stop();
        scene.drain(agent);
        receiver.goes();

        let received = scene.read(&receiver.text());
        for (n, kill) in kills.iter().enumerate() {
            let lost: Vec<_> = kill.iter().filter(|id| !received.all.contains_key(id)).collect();
            assert!(lost.is_empty(), "{form:?}, kill {n}: of {} {lost:?}", kill.len());
            assert!(!kill.is_empty(), "{form:?}, kill {n}");
        }
        assert!(n_before > 500, "{form:?}: {n_before}");
        assert!(received.actions.contains_key(&last), "{form:?}: {last}");
        assert!(received.unclean_stops.len() >= kills.len(), "{:?}", received.unclean_stops);
        let n_again = received.n_lines - received.all.len();
        let n_faults = receiver.n_faults();
        if form == Form::Http {
            assert!(n_faults.iter().all(|&n| n > 0) && n_again > 0, "{n_faults:?} {n_again}");
        }
        println!(
            "{form:?}: {} alerts of all runs, {n_before} of them while one was to be killed; {n_again} came again; posts answered with 500, \
             not at all, by half: {n_faults:?}",
            received.all.len()
        );
    }
}

#[test]
fn an_agent_that_is_killed_fifty_times_loses_nothing_that_was_on_disk() {
    if !can_run_live("an_agent_that_is_killed_fifty_times_loses_nothing_that_was_on_disk") {
        return;
    }
    let _alone = alone();
    let scene = Scene::new();
    let mut actions = Actions::start(&scene, 1000);
    // How long a start takes here says which moments are worth trying.
    let begin = Instant::now();
    scene.start(&[]).signal(rustix::process::Signal::KILL);
    let start = begin.elapsed();
    let mut random = begin.elapsed().subsec_nanos() | 1;
    let mut kills = Vec::new();
    for n in 0..50 {
        // xorshift
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        // Two in three live for a while; the others die at their start.
        let share = f64::from(random % 1000) / 1000.0;
        let since = if n % 3 == 0 { Since::Start } else { Since::Attached };
        kills.push(killed_after(&scene, &actions, since, start.mul_f64(share)));
    }
    let n_attached = kills.iter().filter(|k| k.attached.is_some()).count();
    assert!(n_attached >= 20, "{n_attached} of 50 came to watch, a start takes {start:?}");
    let agent = scene.start(&[]);
    let attached = actions.now();
    let last = actions.stop();
    let received = scene.end(agent);

    for (n, kill) in kills.iter().enumerate() {
        let lost: Vec<_> =
            kill.spooled.iter().filter(|id| !received.all.contains_key(id)).collect();
        assert!(lost.is_empty(), "kill {n}: of {} in the outbox {lost:?}", kill.spooled.len());
    }
    // Each run saw a stretch of actions without holes.
    let mut runs = BTreeMap::<u64, Vec<u64>>::new();
    for (&action, &(epoch, _)) in &received.actions {
        runs.entry(epoch).or_default().push(action);
    }
    for (epoch, actions) in &runs {
        let (first, last) = (actions[0], actions[actions.len() - 1]);
        assert_eq!(last - first + 1, actions.len() as u64, "run {epoch:x} from {first} to {last}");
    }
    // Nothing lacks but what was done while nobody watched, and what a killed one had in memory.
    let bound = 8192 + 2 * 4096;
    for kill in &kills {
        let Some(attached) = kill.attached else { continue };
        let run = runs.values().find(|run| {
            run[0] <= attached + 1 && run[run.len() - 1] + bound >= kill.at && run[0] <= kill.at
        });
        let Some(run) = run else {
            assert!(kill.at - attached <= bound, "nothing of {attached} to {}", kill.at);
            continue;
        };
        let newest = run[run.len() - 1];
        assert!(kill.at.saturating_sub(newest) <= bound, "{newest} of {}", kill.at);
    }
    let of_last = runs.values().next_back().expect("the last run saw something");
    assert!(of_last[0] <= attached + 1, "{} of {attached}", of_last[0]);
    assert_eq!(of_last[of_last.len() - 1], last);
    // Each run after the first says what came before it.
    for epoch in runs.keys().skip(1) {
        assert!(received.unclean_stops.contains(epoch), "run {epoch:x} of {}", runs.len());
    }
    let n_again = received.n_lines - received.all.len();
    println!(
        "{n_attached} of 50 killed runs watched, {} had alerts; {} of {last} actions have one, {n_again} came again",
        runs.len(),
        received.actions.len()
    );
}

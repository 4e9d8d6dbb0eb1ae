//! Real containers of runc under the running program: what only a runtime knows is on their alerts, and nobody waits for a runtime that hangs.

mod common;
#[allow(dead_code, reason = "tests of lookups use more of it")]
#[path = "../../containers/tests/lookups/http.rs"]
mod http;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::{Agent, Ended, alone, can_run_live, skip};
use serde_json::{Value, json};

const RULES: &str = "
- rule: started
  desc: d
  condition: evt.type = execve and container.id != host and proc.vpid = 1 and not proc.args = init
  output: started %container.full_id %container.name %container.privileged %container.mount.dest[0]
  priority: INFO
- rule: not in the container
  desc: d
  condition: evt.type = execve and proc.name = busybox and container.id = host
  output: lost %proc.cmdline
  priority: INFO
";

/// A folder with a root of busybox, where containers are made.
struct Yard {
    dir: tempfile::TempDir,
    n_made: u32,
}

fn program(name: &str) -> Option<PathBuf> {
    let places = ["/usr/bin", "/usr/sbin", "/bin", "/usr/local/bin"];
    places.iter().map(|place| Path::new(place).join(name)).find(|path| path.exists())
}

impl Yard {
    /// Says so where there is no runc, or no busybox that runs by itself.
    fn new(test: &str) -> Option<Self> {
        if !can_run_live(test) {
            return None;
        }
        let (Some(_), Some(busybox)) = (program("runc"), program("busybox")) else {
            skip(test, "needs the packages runc and busybox-static");
            return None;
        };
        let dir = tempfile::tempdir().expect("a temporary directory");
        let root = dir.path().join("rootfs");
        fs::create_dir_all(root.join("bin")).expect("a folder");
        fs::create_dir_all(root.join("proc")).expect("a folder");
        fs::copy(busybox, root.join("bin/busybox")).expect("busybox can be copied");
        symlink("busybox", root.join("bin/sh")).expect("a link");
        let yard = Self { dir, n_made: 0 };
        let runs = Command::new(root.join("bin/busybox")).arg("true").status();
        if !runs.is_ok_and(|status| status.success()) {
            skip(test, "busybox does not run");
            return None;
        }
        Some(yard)
    }

    /// A bundle with an id of its own, ready to run.
    fn bundle(&mut self, args: &[&str]) -> Bundle {
        self.n_made += 1;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_nanos() as u64;
        let id = format!("{now:016x}{:08x}{:08x}{:032x}", std::process::id(), self.n_made, now);
        let path = self.dir.path().join(&id);
        fs::create_dir(&path).expect("a folder");
        let namespaces = ["pid", "ipc", "uts", "mount"].map(|kind| json!({ "type": kind }));
        let config = json!({
            "ociVersion": "1.0.2",
            "process": {"terminal": false, "user": {"uid": 0, "gid": 0}, "args": args, "env": ["PATH=/bin"], "cwd": "/"},
            "root": {"path": self.dir.path().join("rootfs")},
            // A /dev of its own: runc fills it, and several run at once over one root.
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
            ],
            "linux": {
                "cgroupsPath": format!("/{id}"),
                "resources": {"devices": [{"allow": true, "access": "rwm"}]},
                "namespaces": namespaces,
            },
        });
        fs::write(path.join("config.json"), config.to_string()).expect("a file");
        Bundle { id, path }
    }

    /// A pipe with a name, of which this end keeps the other open.
    fn pipe(&self, name: &str) -> fs::File {
        let path = self.dir.path().join(name);
        let made = Command::new("mkfifo").arg(&path).status();
        assert!(made.is_ok_and(|status| status.success()), "{}", path.display());
        fs::File::options().read(true).write(true).open(path).expect("a pipe")
    }

    /// An agent for what this test starts, with further options.
    fn agent(&self, options: &[&str]) -> Agent {
        self.agent_of(RULES, options)
    }

    fn agent_of(&self, text: &str, options: &[&str]) -> Agent {
        let rules = self.dir.path().join("rules.yaml");
        fs::write(&rules, text).expect("a file");
        let pid = std::process::id().to_string();
        let rules = rules.display().to_string();
        Agent::start(&[&["--scope-pid", &pid, "-r", &rules], options].concat())
    }
}

struct Bundle {
    id: String,
    path: PathBuf,
}

impl Bundle {
    /// Runs it to its end; runc keeps nothing of it afterwards.
    fn run(&self) {
        let log = self.path.join("runc.log");
        let mut command = Command::new("runc");
        command.arg("--log").arg(&log).args(["run", "--bundle"]).arg(&self.path).arg(&self.id);
        let status =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        let is_well = status.as_ref().is_ok_and(ExitStatus::success);
        if !is_well {
            let mut delete = Command::new("runc");
            drop(delete.args(["delete", "--force", &self.id]).stderr(Stdio::null()).status());
        }
        let said = fs::read_to_string(log).unwrap_or_default();
        assert!(is_well, "runc ran {}: {status:?}\n{said}", self.id);
    }
}

/// What the alerts say of the container with an id.
fn of<'e>(ended: &'e Ended, id: &str) -> Vec<&'e str> {
    let lines = ended.stdout.lines().filter(|line| line.contains("started ") && line.contains(id));
    lines.collect()
}

/// The number behind a name in the table that the program ends with, read from its statistics before.
fn count(stats: &perf::Snapshot, name: &str) -> u64 {
    stats.get(name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn the_first_exec_of_a_container_has_its_id_and_what_the_runtime_knows() {
    let test = "the_first_exec_of_a_container_has_its_id_and_what_the_runtime_knows";
    let Some(mut yard) = Yard::new(test) else { return };
    let _alone = alone();
    let agent = yard.agent(&["-o", "peregrine.containers.deferral_ms=5000"]);
    let bundles: Vec<Bundle> =
        (0..3).map(|_| yard.bundle(&["/bin/busybox", "sleep", "1"])).collect();
    for bundle in &bundles {
        bundle.run();
    }
    let ended = agent.interrupt();
    ended.assert_balanced();
    for Bundle { id, .. } in &bundles {
        let lines = of(&ended, id);
        assert_eq!(lines.len(), 1, "{}", ended.stdout);
        // runc knows no name, so that the id stands for it; nothing was held back from it.
        let expected = format!("started {id} {} true /proc", &id[..12]);
        assert!(lines[0].ends_with(&expected), "{}", lines[0]);
    }
    assert!(!ended.stdout.contains("lost "), "{}", ended.stdout);
}

#[test]
fn short_lived_containers_have_their_ids_and_facts_or_a_mark() {
    let test = "short_lived_containers_have_their_ids_and_facts_or_a_mark";
    let Some(mut yard) = Yard::new(test) else { return };
    let _alone = alone();
    let n: usize =
        std::env::var("PEREGRINE_CONTAINERS").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    let agent = yard.agent(&[]);
    let bundles: Vec<Bundle> =
        (0..n).map(|_| yard.bundle(&["/bin/busybox", "usleep", "50000"])).collect();
    std::thread::scope(|scope| {
        for share in bundles.chunks(n.div_ceil(4).max(1)) {
            scope.spawn(|| share.iter().for_each(Bundle::run));
        }
    });
    let ended = agent.interrupt();
    ended.assert_balanced();
    let mut n_known = 0;
    for Bundle { id, .. } in &bundles {
        let lines = of(&ended, id);
        assert_eq!(lines.len(), 1, "{id}: {}", ended.stdout);
        let is_marked = lines[0].ends_with("[peregrine: container_unknown]");
        assert!(is_marked != lines[0].ends_with(" true /proc"), "{}", lines[0]);
        n_known += usize::from(!is_marked);
    }
    assert!(!ended.stdout.contains("lost "), "{}", ended.stdout);
    assert!(n_known > 0, "{}", ended.stdout);
}

#[test]
fn nobody_waits_for_a_runtime_that_never_answers() {
    let test = "nobody_waits_for_a_runtime_that_never_answers";
    let Some(mut yard) = Yard::new(test) else { return };
    let _alone = alone();
    let socket = yard.dir.path().join("hangs.sock");
    // Its backlog accepts; nothing is ever read.
    let _listener = UnixListener::bind(&socket).expect("a socket");
    let options: Vec<String> = ["docker", "podman", "cri", "containerd"]
        .iter()
        .map(|api| format!("peregrine.containers.{api}_sockets[]={}", socket.display()))
        .chain(["peregrine.containers.reads_disk=false".to_owned()])
        .collect();
    let options: Vec<&str> = options.iter().flat_map(|option| ["-o", option]).collect();
    let agent = yard.agent(&options);
    let bundle = yard.bundle(&["/bin/busybox", "sleep", "2"]);
    let begin = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| bundle.run());
        agent.wait_for_lines(1);
    });
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    let stats = agent.stats();
    assert!(count(&stats, "shard.deferred") > 0 && count(&stats, "shard.deferral_waiting") == 0);
    let ended = agent.interrupt();
    ended.assert_balanced();
    let lines = of(&ended, &bundle.id);
    assert_eq!(lines.len(), 1, "{}", ended.stdout);
    assert!(lines[0].ends_with("[peregrine: container_unknown]"), "{}", lines[0]);
}

#[test]
fn a_recording_knows_its_containers_from_the_answer_on() {
    let test = "a_recording_knows_its_containers_from_the_answer_on";
    let Some(mut yard) = Yard::new(test) else { return };
    let _alone = alone();
    let file = yard.dir.path().join("live.scap").display().to_string();
    let agent = yard.agent(&["-w", &file]);
    let script = "/bin/busybox sleep 1; exec /bin/busybox echo late";
    let bundle = yard.bundle(&["/bin/sh", "-c", script]);
    bundle.run();
    let ended = agent.interrupt();
    ended.assert_balanced();
    let filter = "evt.type=execve and container.id != host and proc.args = \"echo late\"";
    let out = Command::new(common::PEREGRINE)
        .args([
            "trace",
            "-r",
            &file,
            "-j",
            "-p",
            "*%container.full_id %container.privileged",
            filter,
        ])
        .output()
        .expect("the program starts");
    let lines: Vec<Value> = out
        .stdout
        .split(|&b| b == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(lines.len(), 1, "{lines:?} {said}");
    assert_eq!(lines[0]["container.full_id"], bundle.id);
    assert_eq!(lines[0]["container.privileged"], true, "{lines:?}");
}

const OPENED: &str = "
- rule: opened
  desc: d
  condition: evt.type in (open, openat) and fd.name = /bin/busybox and not container.image.repository = trusted and container.id != host
  output: opened %container.full_id %container.image.repository %container.label[team]
  priority: INFO
";

/// A shell's work that opens a file so many times.
fn opening(n: usize) -> String {
    format!("i=0; while [ $i -lt {n} ]; do : < /bin/busybox; i=$((i+1)); done")
}

/// Docker as it would tell of any container.
fn docker(path: &str) -> http::Reply {
    let id = path.split('/').nth_back(1).unwrap_or_default();
    if !path.contains("/containers/") {
        return http::Reply::Status(404);
    }
    let config = json!({"Image": "nginx:1", "Labels": {"team": "red"}});
    http::Reply::Json(json!({"Id": id, "Name": "/web", "Config": config}).to_string())
}

#[test]
fn a_runtime_that_goes_hangs_and_comes_back_holds_nobody_up_and_loses_nothing() {
    let test = "a_runtime_that_goes_hangs_and_comes_back_holds_nobody_up_and_loses_nothing";
    let Some(mut yard) = Yard::new(test) else { return };
    let _alone = alone();
    let socket = yard.dir.path().join("host/var/run/docker.sock");
    let host_root =
        format!("peregrine.containers.host_root={}", yard.dir.path().join("host").display());
    let without_disk = "peregrine.containers.reads_disk=false";
    // Shorter than a request may take, so that it is events that give up.
    let wait = "peregrine.containers.deferral_ms=250";
    let options = ["-o", &host_root, "-o", without_disk, "-o", wait];
    let agent = yard.agent_of(OPENED, &options);
    let n_opened = [3, 4000, 3];
    let bundles = n_opened.map(|n| yard.bundle(&["/bin/sh", "-c", &opening(n)]));
    let [before, hanging, after] = &bundles;
    let few = opening(3);
    let twice = format!("{few}; read x < /go; /bin/busybox true; {few}");
    let gone = yard.bundle(&["/bin/sh", "-c", &twice]);
    let go = yard.pipe("rootfs/go");
    http::serve(&socket, docker);
    before.run();
    agent.wait_for_lines(3);
    fs::remove_file(&socket).expect("a socket");
    std::thread::scope(|scope| {
        // Dropped when this ends, however it does, so that nobody waits for it any more.
        let mut go = go;
        scope.spawn(|| gone.run());
        agent.wait_for_lines(6);
        let unknown_since = Instant::now();
        http::serve_any(&socket, http::Reply::Hang);
        hanging.run();
        agent.wait_for_lines(4006);
        fs::remove_file(&socket).expect("a socket");
        http::serve(&socket, docker);
        after.run();
        agent.wait_for_lines(4009);
        // It is asked for again when it has been unknown for some time.
        std::thread::sleep(Duration::from_secs(4).saturating_sub(unknown_since.elapsed()));
        go.write_all(b"\n").expect("somebody reads");
    });
    agent.wait_for_lines(4012);
    let stats = agent.stats();
    assert_eq!(count(&stats, "shard.deferral_waiting"), 0);
    assert!(count(&stats, "shard.deferral_timeout") > 0, "{}", stats.table());
    assert_eq!(count(&stats, "containers.docker.known"), 3, "{}", stats.table());
    assert_eq!(count(&stats, "containers.asked_again"), 1, "{}", stats.table());
    assert!(count(&stats, "containers.docker.absent") > 0, "{}", stats.table());
    assert!(count(&stats, "containers.docker.timed_out") > 0, "{}", stats.table());
    let ended = agent.interrupt();
    ended.assert_balanced();
    let known = " nginx red";
    let unknown = " [peregrine: container_unknown]";
    for (Bundle { id, .. }, n_known, n_unknown) in
        [(before, 3, 0), (&gone, 3, 3), (hanging, 0, 4000), (after, 3, 0)]
    {
        let n_ending = |end| {
            let lines = ended.stdout.lines().filter(|line| line.contains(id.as_str()));
            lines.filter(|line| line.ends_with(end)).count()
        };
        assert_eq!((n_ending(known), n_ending(unknown)), (n_known, n_unknown), "{id}");
    }
    assert_eq!(ended.stdout.lines().count(), 4012);
}

/// What a trace of what `runc` does prints, in the one format of these tests.
fn traced(bundle: &Bundle, options: &[&str]) -> String {
    let format = "*%proc.args|%container.full_id|%container.privileged|%container.mount.dest[0]";
    let mut command = Command::new(common::PEREGRINE);
    command.args(["trace", "-p", format]).args(options);
    command.arg("evt.type = execve and proc.name = busybox and container.id != host");
    command.args(["--", "runc", "run", "--bundle"]).arg(&bundle.path).arg(&bundle.id);
    let out = command.stdin(Stdio::null()).output().expect("the program starts");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{said}");
    String::from_utf8(out.stdout).expect("text")
}

#[test]
fn a_live_trace_shows_what_the_runtime_knows_from_the_first_exec_on() {
    let test = "a_live_trace_shows_what_the_runtime_knows_from_the_first_exec_on";
    let Some(mut yard) = Yard::new(test) else { return };
    let _alone = alone();
    let script = "/bin/busybox sleep 1; exec /bin/busybox true";
    let bundle = yard.bundle(&["/bin/busybox", "sh", "-c", script]);
    let id = &bundle.id;
    let all = ["sh", "sleep", "true"].map(|args| format!("{args}|{id}|true|/proc\n"));
    let shown = traced(&bundle, &[]).replace(&format!("sh -c {script}"), "sh");
    let shown = shown.replace("sleep 1|", "sleep|");
    assert_eq!(shown, all.concat());
}

#[test]
fn a_recording_of_a_trace_knows_its_containers_too() {
    let test = "a_recording_of_a_trace_knows_its_containers_too";
    let Some(mut yard) = Yard::new(test) else { return };
    let _alone = alone();
    let file = yard.dir.path().join("trace.scap").display().to_string();
    let script = "/bin/busybox sleep 1; exec /bin/busybox true";
    let bundle = yard.bundle(&["/bin/busybox", "sh", "-c", script]);
    assert_eq!(traced(&bundle, &["-w", &file]), "");
    let shown = |file: &str| {
        let format = "*%proc.args|%container.full_id|%container.privileged";
        let late = "evt.type = execve and proc.args = true";
        let out = Command::new(common::PEREGRINE)
            .args(["trace", "-r", file, "-p", format, late])
            .output()
            .expect("the program starts");
        assert!(out.status.success(), "{out:?}");
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    assert_eq!(shown(&file), format!("true|{}|true\n", bundle.id));
    if let Some(sysdig) = program("sysdig") {
        let out = Command::new(sysdig)
            .args(["-r", &file, "-p", "%proc.args", "evt.type = execve and proc.args = true"])
            .output()
            .expect("sysdig starts");
        let lines = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success() && lines.lines().any(|l| l == "true"), "{out:?}");
    }
    // The answer came while another file was written.
    let bundle = yard.bundle(&["/bin/busybox", "sh", "-c", script]);
    assert_eq!(traced(&bundle, &["-w", &file, "-e", "5"]), "");
    let files = fs::read_dir(yard.dir.path()).expect("the folder").filter_map(Result::ok);
    let parts = files
        .map(|f| f.path().display().to_string())
        .filter(|f| f.starts_with(&file) && *f != file);
    let lines: Vec<String> = parts.map(|part| shown(&part)).filter(|l| !l.is_empty()).collect();
    assert_eq!(lines, [format!("true|{}|true\n", bundle.id)]);
}

#[test]
fn a_live_trace_waits_a_bounded_time_for_a_runtime_that_never_answers() {
    let test = "a_live_trace_waits_a_bounded_time_for_a_runtime_that_never_answers";
    let Some(mut yard) = Yard::new(test) else { return };
    let _alone = alone();
    let host = yard.dir.path().join("host");
    http::serve_any(&host.join("run/containerd/containerd.sock"), http::Reply::Hang);
    let bundle = yard.bundle(&["/bin/busybox", "sleep", "1"]);
    let begin = Instant::now();
    let shown = traced(&bundle, &["--host-root", &host.display().to_string()]);
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    assert_eq!(shown, format!("sleep 1|{}|<NA>|<NA>\n", bundle.id));
}

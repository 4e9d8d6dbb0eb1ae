//! What tests with real runtimes share: programs, an image of our own making, cgroups, and leaving nothing behind.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use containers::Container;

/// How long a service may take to answer for the first time, or to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Whether all these programs are there and root runs the test; says so where not.
pub(crate) fn can_run(test: &str, programs: &[&str]) -> bool {
    let is_there = |program: &&str| {
        let dirs = ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/local/sbin"];
        dirs.iter().any(|dir| Path::new(dir).join(program).exists())
    };
    let missing: Vec<_> = programs.iter().filter(|p| !is_there(p)).collect();
    let is_root = rustix::process::geteuid().is_root();
    if !is_root || !missing.is_empty() {
        let why = format!("needs root ({is_root}) and misses {missing:?}");
        // Not `eprintln!`: the test harness keeps what that prints by a test that passes.
        drop(writeln!(std::io::stderr(), "skipped: {test}: {why}"));
    }
    is_root && missing.is_empty()
}

/// Runs a program to its end and gives what it prints.
pub(crate) fn run(command: &mut Command) -> String {
    let out = command.output().expect("the program starts");
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{command:?}: {errors}");
    String::from_utf8(out.stdout).expect("text").trim().to_owned()
}

/// A root directory with a program that sleeps, `name` for the image, as `docker save` writes one.
pub(crate) fn write_image(dir: &Path, name: &str) {
    let bin = dir.join("image-root/bin");
    fs::create_dir_all(&bin).expect("directories");
    fs::copy("/bin/busybox", bin.join("busybox")).expect("busybox");
    std::os::unix::fs::symlink("busybox", bin.join("sleep")).expect("a link");
    let tar = |archive: &str, from: &str, what: &[&str]| {
        run(Command::new("tar").current_dir(dir).args(["-cf", archive, "-C", from]).args(what));
    };
    tar("layer.tar", "image-root", &["."]);
    let sum = run(Command::new("sha256sum").arg(dir.join("layer.tar")));
    let layer = sum.split(' ').next().expect("a sum");
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{"Entrypoint":["/bin/sleep","1000"],"Env":["MADE=here"]}},"rootfs":{{"type":"layers","diff_ids":["sha256:{layer}"]}}}}"#
    );
    fs::write(dir.join("config.json"), config).expect("a file");
    let manifest =
        format!(r#"[{{"Config":"config.json","RepoTags":["{name}"],"Layers":["layer.tar"]}}]"#);
    fs::write(dir.join("manifest.json"), manifest).expect("a file");
    tar("image.tar", ".", &["manifest.json", "config.json", "layer.tar"]);
}

/// The container that a process runs in, as the kernel tells.
pub(crate) fn container_of(pid: &str) -> Container {
    let lines = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("its cgroups");
    let entries = lines.lines().filter_map(|line| {
        let (subsystem, path) = line.split_once(':')?.1.split_once(':')?;
        Some(format!("{subsystem}={path}\0"))
    });
    Container::of_cgroups(entries.collect::<String>().as_bytes())
}

/// Waits until a look gives something.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A service that ends with the test.
pub(crate) struct Service(Child);

impl Service {
    pub(crate) fn start(command: &mut Command) -> Self {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.spawn().expect("the service starts"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        // It may have ended by itself, and then there is nothing to do.
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap_or_default();
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.0.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Removes cgroups of these paths from every hierarchy, where they are empty.
pub(crate) fn remove_cgroups(paths: &[&str]) {
    let base = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(base).into_iter().flatten().flatten().map(|e| e.path());
    for hierarchy in hierarchies.chain([base.to_owned()]) {
        for path in paths {
            // Not in this hierarchy, or used by others.
            drop(fs::remove_dir(hierarchy.join(path.trim_start_matches('/'))));
        }
    }
}

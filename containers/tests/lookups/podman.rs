//! Podman in a directory: its settings, its command, and how what it made is removed.

use std::path::Path;
use std::process::Command;

use crate::real::{Service, remove_cgroups, run, wait_for, write_image};

/// What a test with Podman needs.
pub(crate) const PROGRAMS: [&str; 6] = ["podman", "runc", "conmon", "busybox", "tar", "sha256sum"];
pub(crate) const IMAGE: &str = "localhost/peregrine/bb:v1";

const CONFIG: &str = r#"[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
"#;

pub(crate) fn podman(root: &Path) -> Command {
    let mut command = Command::new("podman");
    let paths = [
        ("--root", "var/lib/containers/storage"),
        ("--runroot", "run/containers/storage"),
        ("--tmpdir", "run/libpod"),
    ];
    for (option, path) in paths {
        command.arg(option).arg(root.join(path));
    }
    command.args(["--storage-driver", "vfs"]).env("CONTAINERS_CONF", root.join("containers.conf"));
    command
}

/// Removes what it made, also when the test fails.
pub(crate) struct Made<'a>(&'a Path, Vec<String>);

impl<'a> Made<'a> {
    /// Sets Podman up below a directory, with [`IMAGE`].
    pub(crate) fn new(root: &'a Path) -> Self {
        std::fs::write(root.join("containers.conf"), CONFIG).expect("a file");
        write_image(root, IMAGE);
        let made = Self(root, Vec::new());
        run(podman(root).args(["load", "--quiet", "--input"]).arg(root.join("image.tar")));
        made
    }

    /// Starts a privileged container of that name that sleeps, with `options` beside, and gives its id.
    pub(crate) fn start(&mut self, name: &str, options: &[&str]) -> String {
        let mut command = podman(self.0);
        command.args(["run", "--detach", "--name", name, "--network", "none", "--privileged"]);
        let full_id = run(command.args(options).arg(IMAGE));
        self.1.push(full_id.clone());
        full_id
    }

    /// Serves its API where an agent with this root of the host looks for it.
    pub(crate) fn serve(&self) -> Service {
        let socket = self.0.join("run/podman/podman.sock");
        std::fs::create_dir_all(socket.parent().expect("a directory")).expect("directories");
        let address = format!("unix://{}", socket.display());
        let service =
            Service::start(podman(self.0).args(["system", "service", "--time", "0", &address]));
        wait_for("the service listens", || socket.exists().then_some(()));
        service
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        // What could not be removed shows in the next run.
        drop(podman(self.0).args(["rm", "--all", "--force", "--time", "0"]).output());
        drop(podman(self.0).args(["rmi", "--all", "--force"]).output());
        let own: Vec<String> =
            self.1.iter().map(|id| format!("libpod_parent/libpod-{id}")).collect();
        remove_cgroups(&own.iter().map(|path| &**path).collect::<Vec<_>>());
        remove_cgroups(&["libpod_parent/conmon", "libpod_parent"]);
    }
}

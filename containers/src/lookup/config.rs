//! Where runtimes are, and the bounds of asking them.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where runtimes are, and the bounds of asking them. Paths are those of the host; see `host_root`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupConfig {
    /// Where the host's root directory is, for an agent that runs in a container itself.
    pub host_root: PathBuf,
    /// Sockets with Docker's API.
    pub docker_sockets: Vec<PathBuf>,
    /// Sockets with Podman's API. A directory in place of a name, `*`, stands for all: `/run/user/*/podman/podman.sock`.
    pub podman_sockets: Vec<PathBuf>,
    /// Sockets with the API that Kubernetes asks (CRI).
    pub cri_sockets: Vec<PathBuf>,
    /// Sockets with containerd's own API.
    pub containerd_sockets: Vec<PathBuf>,
    /// Whether state on disk is read where no socket tells.
    pub reads_disk: bool,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// Questions that wait at most; those after are refused.
    pub max_queued: usize,
    /// Questions that are worked on at the same time.
    pub max_concurrent: usize,
    /// Answers kept, for ids that are asked for again.
    pub max_cached: usize,
    /// Labels with a longer value are left out.
    pub max_label_len: usize,
}

impl Default for LookupConfig {
    fn default() -> Self {
        let paths = |all: &[&str]| all.iter().map(PathBuf::from).collect();
        Self {
            host_root: PathBuf::from("/"),
            docker_sockets: paths(&["/var/run/docker.sock"]),
            podman_sockets: paths(&["/run/podman/podman.sock", "/run/user/*/podman/podman.sock"]),
            cri_sockets: paths(&[
                "/run/containerd/containerd.sock",
                "/run/k3s/containerd/containerd.sock",
                "/run/crio/crio.sock",
            ]),
            containerd_sockets: paths(&[
                "/run/containerd/containerd.sock",
                "/run/k3s/containerd/containerd.sock",
            ]),
            reads_disk: true,
            request_timeout: Duration::from_millis(500),
            max_queued: 4096,
            max_concurrent: 256,
            max_cached: 1024,
            max_label_len: 100,
        }
    }
}

impl LookupConfig {
    /// Directories in which something is read, of those that are there; and those that are listed to find some of them.
    #[must_use]
    pub fn directories(&self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let disk = crate::disk::Disk::new(self);
        let read = if self.reads_disk { disk.directories() } else { Vec::new() };
        // Sockets and state of users and runtimes come and go there.
        let run = self.on_host(Path::new("/run"));
        let lists =
            if self.reads_disk { vec![self.on_host(Path::new("/home"))] } else { Vec::new() };
        (read.into_iter().chain([run]).collect(), lists)
    }

    /// Where a path of the host is for this process.
    pub(crate) fn on_host(&self, path: &Path) -> PathBuf {
        self.host_root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

//! What runtimes leave on disk of their containers.

mod docker;
mod files;
mod oci;

use std::path::PathBuf;

use crate::{Details, Kind, LookupConfig, Why};

/// The directories of the runtimes.
#[derive(Debug)]
pub(crate) struct Disk {
    docker: PathBuf,
    /// Bundles of containerd's containers: `NAMESPACE/ID/config.json` below.
    containerd: Vec<PathBuf>,
}

impl Disk {
    pub(crate) fn new(config: &LookupConfig) -> Self {
        let on_host = |path: &str| config.on_host(path.as_ref());
        Self {
            docker: on_host("/var/lib/docker"),
            containerd: [
                "/run/containerd/io.containerd.runtime.v2.task",
                "/run/k3s/containerd/io.containerd.runtime.v2.task",
            ]
            .map(on_host)
            .to_vec(),
        }
    }

    /// Reads what is known of a container. Blocks for as long as the disk does.
    pub(crate) fn look_up(&self, kind: Kind, full_id: &str) -> Result<Details, Why> {
        if !files::is_name(full_id) {
            return Err(Why::NotFound);
        }
        match kind {
            Kind::Docker => docker::look_up(&self.docker, full_id),
            Kind::Containerd | Kind::Cri => self.in_bundles(kind, full_id),
            Kind::Host | Kind::Podman | Kind::CriO | Kind::Lxc | Kind::Nspawn => {
                Err(Why::NoRuntime)
            }
        }
    }

    fn in_bundles(&self, kind: Kind, full_id: &str) -> Result<Details, Why> {
        let mut why = Why::NoRuntime;
        for state in &self.containerd {
            for namespace in files::directories(state) {
                why = Why::NotFound;
                match files::json(&namespace.join(full_id).join("config.json")) {
                    Ok(spec) => return Ok(oci::details(kind, full_id, &spec)),
                    Err(Why::NotFound) => {}
                    Err(e) => return Err(e),
                }
            }
        }
        Err(why)
    }
}

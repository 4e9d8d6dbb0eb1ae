//! What runtimes leave on disk of their containers.

mod bundles;
mod docker;
mod files;
mod machines;
mod oci;
mod storage;

use std::path::PathBuf;

use crate::{Details, Kind, LookupConfig, Why};

pub(crate) use files::expand;
pub(crate) use oci::{details as of_spec, is_privileged};

/// Whose state is read. That of users is believed last: they may write there what they like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Root,
    Users,
}

/// The directories of the runtimes.
#[derive(Debug)]
pub(crate) struct Disk {
    docker: PathBuf,
    /// Podman's and CRI-O's: images and containers, and what of the latter does not outlive the machine.
    storage: PathBuf,
    run_storage: PathBuf,
    /// With `*` for any directory.
    users_storage: PathBuf,
    /// Bundles of containerd's containers: `NAMESPACE/ID/config.json` below.
    containerd: [PathBuf; 2],
    /// State of runc: `ID/state.json` below.
    runc: PathBuf,
    lxc: PathBuf,
    nspawn: [PathBuf; 2],
}

impl Disk {
    pub(crate) fn new(config: &LookupConfig) -> Self {
        let on_host = |path: &str| config.on_host(path.as_ref());
        Self {
            docker: on_host("/var/lib/docker"),
            storage: on_host("/var/lib/containers/storage"),
            run_storage: on_host("/run/containers/storage"),
            users_storage: on_host("/home/*/.local/share/containers/storage"),
            containerd: [
                "/run/containerd/io.containerd.runtime.v2.task",
                "/run/k3s/containerd/io.containerd.runtime.v2.task",
            ]
            .map(on_host),
            runc: on_host("/run/runc"),
            lxc: on_host("/var/lib/lxc"),
            nspawn: ["/etc/systemd/nspawn", "/run/systemd/nspawn"].map(on_host),
        }
    }

    /// Those that are there.
    pub(crate) fn directories(&self) -> Vec<PathBuf> {
        let Self { docker, storage, run_storage, users_storage, containerd, runc, lxc, nspawn } =
            self;
        let mut all = files::expand(users_storage);
        let own = [docker, storage, run_storage, runc, lxc].into_iter();
        all.extend(own.chain(containerd).chain(nspawn).filter(|path| path.is_dir()).cloned());
        all
    }

    /// Reads what is known of a container. Blocks for as long as the disk does.
    pub(crate) fn look_up(&self, owner: Owner, kind: Kind, full_id: &str) -> Result<Details, Why> {
        if !files::is_name(full_id) {
            return Err(Why::NotFound);
        }
        let docker = || docker::look_up(&self.docker, full_id);
        let containerd = || bundles::containerd(&self.containerd, kind, full_id);
        let runc = || bundles::runc(&self.runc, kind, full_id);
        let pods = || storage::look_up(&self.storage, &self.run_storage, kind, full_id);
        match (owner, kind) {
            (Owner::Root, Kind::Docker) => docker(),
            (Owner::Root, Kind::Podman | Kind::CriO) => pods(),
            (Owner::Root, Kind::Containerd) => first(&[&containerd, &runc, &docker]),
            (Owner::Root, Kind::Cri) => first(&[&containerd, &pods, &docker]),
            (Owner::Root, Kind::Lxc) => Ok(machines::lxc(&self.lxc, full_id)),
            (Owner::Root, Kind::Nspawn) => Ok(machines::nspawn(&self.nspawn, full_id)),
            (Owner::Users, Kind::Podman) => {
                let homes = files::expand(&self.users_storage);
                let of_user = |home: &PathBuf| storage::look_up(home, home, kind, full_id);
                let mut why = Why::NoRuntime;
                for home in &homes {
                    match of_user(home) {
                        Ok(details) => return Ok(details),
                        Err(e) => why = why.or(e),
                    }
                }
                Err(why)
            }
            (Owner::Root, Kind::Host) | (Owner::Users, _) => Err(Why::NoRuntime),
        }
    }
}

/// What the first one knows that knows something.
fn first(all: &[&dyn Fn() -> Result<Details, Why>]) -> Result<Details, Why> {
    let mut why = Why::NoRuntime;
    for ask in all {
        match ask() {
            Ok(details) => return Ok(details),
            Err(e) => why = why.or(e),
        }
    }
    Err(why)
}

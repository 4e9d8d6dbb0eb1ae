//! Which sources know containers of a kind, and in which order they are believed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::{JoinSet, spawn_blocking};

use super::counters::Counters;
use super::{LookupConfig, Why};
use crate::disk::{Disk, Owner, expand};
use crate::sockets::{Guard, GuardCounters, ask_containerd, ask_cri, ask_docker, ask_podman};
use crate::{Details, Kind};

/// Sockets of users that are asked at most.
const MAX_USER_SOCKETS: usize = 64;

/// What a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Api {
    Cri,
    Containerd,
    Docker,
    Podman,
}

impl Api {
    /// Whether it may know containers of a kind. A cgroup of an id alone says little: any of them may have made it.
    fn may_know(self, kind: Kind) -> bool {
        match kind {
            Kind::Host | Kind::Lxc | Kind::Nspawn => false,
            Kind::Docker => self == Self::Docker,
            Kind::Podman => self == Self::Podman,
            Kind::CriO => self == Self::Cri,
            Kind::Cri => self != Self::Podman,
            Kind::Containerd => true,
        }
    }

    async fn ask(self, socket: &Path, kind: Kind, full_id: &str) -> Result<Details, Why> {
        match self {
            Self::Cri => ask_cri(socket, kind, full_id).await,
            Self::Containerd => ask_containerd(socket, Kind::Containerd, full_id).await,
            Self::Docker => ask_docker(socket, Kind::Docker, full_id).await,
            Self::Podman => ask_podman(socket, full_id).await,
        }
    }
}

/// A socket of the host's own, and what it speaks.
struct Socket {
    api: Api,
    path: PathBuf,
    guard: Guard,
}

/// All that can be asked.
pub(super) struct Sources {
    /// In the order in which they are believed.
    sockets: Vec<Socket>,
    /// Where users have sockets, with `*` for any name.
    of_users: Vec<PathBuf>,
    user_guards: Mutex<HashMap<PathBuf, Arc<Guard>>>,
    podman_counters: Arc<GuardCounters>,
    disk: Option<Arc<Disk>>,
    disk_guard: Guard,
    user_disk_guard: Guard,
    limit: Duration,
    max_label_len: usize,
}

impl Sources {
    pub(super) fn new(config: &LookupConfig, counters: &Counters) -> Self {
        let limit = config.request_timeout;
        let (of_users, podman): (Vec<_>, Vec<_>) = config
            .podman_sockets
            .iter()
            .partition(|path| path.components().any(|part| part.as_os_str() == "*"));
        let socket = |api, path: &PathBuf, counters: &Arc<GuardCounters>| Socket {
            api,
            path: config.on_host(path),
            guard: Guard::new(limit, Arc::clone(counters)),
        };
        let cri = config.cri_sockets.iter().map(|p| socket(Api::Cri, p, &counters.cri));
        let containerd = config
            .containerd_sockets
            .iter()
            .map(|p| socket(Api::Containerd, p, &counters.containerd));
        let docker = config.docker_sockets.iter().map(|p| socket(Api::Docker, p, &counters.docker));
        let podman = podman.into_iter().map(|p| socket(Api::Podman, p, &counters.podman));
        let disk_guard = || Guard::new(limit, Arc::clone(&counters.disk));
        Self {
            sockets: cri.chain(containerd).chain(docker).chain(podman).collect(),
            of_users: of_users.into_iter().map(|path| config.on_host(path)).collect(),
            user_guards: Mutex::default(),
            podman_counters: Arc::clone(&counters.podman),
            disk: config.reads_disk.then(|| Arc::new(Disk::new(config))),
            disk_guard: disk_guard(),
            user_disk_guard: disk_guard(),
            limit,
            max_label_len: config.max_label_len,
        }
    }

    pub(super) async fn look_up(
        self: &Arc<Self>,
        kind: Kind,
        full_id: &str,
    ) -> Result<Details, Why> {
        let details = self.find(kind, full_id).await?;
        Ok(details.bounded(self.max_label_len))
    }

    async fn find(self: &Arc<Self>, kind: Kind, full_id: &str) -> Result<Details, Why> {
        if kind == Kind::Host {
            return Ok(Details::host());
        }
        // At once, since a short-lived container may be gone before its runtime has answered that it is.
        let mut on_disk = JoinSet::new();
        let (sources, id) = (Arc::clone(self), full_id.to_owned());
        on_disk.spawn(async move { sources.read_disk(Owner::Root, kind, &id).await });
        let mut why = Why::NoRuntime;
        for socket in self.sockets.iter().filter(|s| s.api.may_know(kind)) {
            let Socket { api, path, guard } = socket;
            match guard.run(api.ask(path, kind, full_id)).await {
                Ok(details) => return Ok(details),
                Err(e) => why = why.or(e),
            }
        }
        match on_disk.join_next().await {
            Some(Ok(Ok(details))) => return Ok(details),
            Some(Ok(Err(e))) => why = why.or(e),
            // Its task failed: there is one, and nothing aborts it.
            Some(Err(_)) | None => why = why.or(Why::BadAnswer),
        }
        if kind != Kind::Podman {
            return Err(why);
        }
        // What users tell comes last, so that it cannot stand in for what root's runtime knows.
        match self.ask_users(full_id).await {
            Ok(details) => return Ok(details),
            Err(e) => why = why.or(e),
        }
        self.read_disk(Owner::Users, kind, full_id).await.map_err(|e| why.or(e))
    }

    async fn read_disk(&self, owner: Owner, kind: Kind, full_id: &str) -> Result<Details, Why> {
        let Some(disk) = self.disk.clone() else { return Err(Why::NoRuntime) };
        let guard = match owner {
            Owner::Root => &self.disk_guard,
            Owner::Users => &self.user_disk_guard,
        };
        let id = full_id.to_owned();
        let read = async {
            let read = spawn_blocking(move || disk.look_up(owner, kind, &id));
            read.await.unwrap_or(Err(Why::BadAnswer))
        };
        guard.run(read).await
    }

    /// Asks all users' services at once, since any of them may keep it waiting.
    async fn ask_users(&self, full_id: &str) -> Result<Details, Why> {
        let mut asked = JoinSet::new();
        for path in self.of_users.iter().flat_map(|path| expand(path)).take(MAX_USER_SOCKETS) {
            let Some(guard) = self.user_guard(&path) else { break };
            let id = full_id.to_owned();
            asked.spawn(async move { guard.run(Api::Podman.ask(&path, Kind::Podman, &id)).await });
        }
        let mut why = Why::NoRuntime;
        while let Some(done) = asked.join_next().await {
            match done.unwrap_or(Err(Why::BadAnswer)) {
                // Root is another user in there.
                Ok(details) => return Ok(Details { has_user_namespace: true, ..details }),
                Err(e) => why = why.or(e),
            }
        }
        Err(why)
    }

    /// The guard of a user's socket; `None` where there are too many.
    fn user_guard(&self, path: &Path) -> Option<Arc<Guard>> {
        let mut guards = self.user_guards.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(guard) = guards.get(path) {
            return Some(Arc::clone(guard));
        }
        guards.retain(|path, _| path.exists());
        if guards.len() >= MAX_USER_SOCKETS {
            return None;
        }
        let guard = Arc::new(Guard::new(self.limit, Arc::clone(&self.podman_counters)));
        guards.insert(path.to_owned(), Arc::clone(&guard));
        Some(guard)
    }
}

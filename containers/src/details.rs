//! What a runtime knows of a container.

use std::collections::BTreeMap;

/// Digits of an id by which containers are looked up.
const SHORT_LEN: usize = 12;
/// What an allocation takes beside its bytes.
const ALLOCATION_LEN: usize = 16;

/// A container as its runtime tells. Texts that it does not tell are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named like the fields of rules")]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of the format")]
pub struct Details {
    /// Twelve digits, or a name as it is.
    pub id: String,
    pub full_id: String,
    pub name: String,
    /// Text of `container.type`.
    pub kind: &'static str,
    pub image: String,
    pub image_id: String,
    pub image_repository: String,
    pub image_tag: String,
    /// `sha256:..`
    pub image_digest: String,
    /// Who its first process is started as, in the runtime's words.
    pub user: String,
    /// Seconds since 1970; 0 where it is not told.
    pub created_s: i64,
    /// Nanoseconds since 1970; 0 where it is not told.
    pub started_ns: u64,
    pub privileged: bool,
    pub host_pid: bool,
    pub host_network: bool,
    pub host_ipc: bool,
    /// Whether its users are others than those of the host.
    pub has_user_namespace: bool,
    /// Whether it is what holds a pod's namespaces, rather than one of the pod's containers.
    pub is_pod_sandbox: bool,
    /// `NAME=value`
    pub env: Vec<String>,
    pub mounts: Vec<Mount>,
    pub ports: Vec<Port>,
    pub limits: Limits,
    pub ip: String,
    pub cni_json: String,
    pub labels: BTreeMap<String, String>,
    pub pod_sandbox_id: String,
    pub pod_sandbox_labels: BTreeMap<String, String>,
    /// What the runtime runs in it to see whether it is well.
    pub healthcheck: Option<Probe>,
    pub liveness_probe: Option<Probe>,
    pub readiness_probe: Option<Probe>,
}

/// A mount of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named like the fields of rules")]
pub struct Mount {
    pub source: String,
    pub dest: String,
    pub mode: String,
    pub rdwr: bool,
    pub propagation: String,
}

impl Mount {
    /// `source:dest:mode:rdwr:propagation`.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { source, dest, mode, rdwr, propagation } = self;
        format!("{source}:{dest}:{mode}:{rdwr}:{propagation}")
    }
}

/// A TCP port of the host that leads into a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named like the format")]
pub struct Port {
    /// IPv4 address, its first byte on top; 0 for all of them.
    pub host_ip: u32,
    pub host_port: u16,
    pub container_port: u16,
}

/// What a container may use; 0 where no limit is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named like the format")]
pub struct Limits {
    pub cpu_period: i64,
    pub cpu_quota: i64,
    pub cpu_shares: i64,
    pub cpuset_cpu_count: i64,
    pub memory: i64,
    pub swap: i64,
}

/// A command that is run in a container from outside, again and again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named like the format")]
pub struct Probe {
    pub exe: String,
    pub args: Vec<String>,
}

impl Details {
    /// A container of which nothing but the id is known.
    #[must_use]
    pub fn of_id(kind: crate::Kind, full_id: &str) -> Self {
        let container = crate::Container::from(crate::Found { kind, id: full_id });
        Self {
            id: container.id().to_owned(),
            full_id: full_id.to_owned(),
            kind: kind.as_str(),
            ..Self::default()
        }
    }

    /// Memory that it takes, allocations by what they hold and what an allocator takes beside.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let Self {
            id,
            full_id,
            name,
            kind: _,
            image,
            image_id,
            image_repository,
            image_tag,
            image_digest,
            user,
            created_s: _,
            started_ns: _,
            privileged: _,
            host_pid: _,
            host_network: _,
            host_ipc: _,
            has_user_namespace: _,
            is_pod_sandbox: _,
            env,
            mounts,
            ports,
            limits: _,
            ip,
            cni_json,
            labels,
            pod_sandbox_id,
            pod_sandbox_labels,
            healthcheck,
            liveness_probe,
            readiness_probe,
        } = self;
        let probes = [healthcheck, liveness_probe, readiness_probe];
        let texts = [
            id,
            full_id,
            name,
            image,
            image_id,
            image_repository,
            image_tag,
            image_digest,
            user,
            ip,
            cni_json,
            pod_sandbox_id,
        ];
        let of_text = |text: &String| text.capacity() + ALLOCATION_LEN;
        let of_mount = |Mount { source, dest, mode, rdwr: _, propagation }: &Mount| {
            [source, dest, mode, propagation].map(of_text).iter().sum::<usize>()
        };
        let of_list = |list: &Vec<String>| {
            list.capacity() * size_of::<String>() + list.iter().map(of_text).sum::<usize>()
        };
        let of_probe = |Probe { exe, args }: &Probe| of_text(exe) + of_list(args);
        // Nodes of a tree are at least half full.
        let of_label = |(key, value): (&String, &String)| {
            of_text(key) + of_text(value) + 4 * size_of::<String>()
        };
        size_of::<Self>()
            + texts.map(of_text).iter().sum::<usize>()
            + of_list(env)
            + probes.into_iter().flatten().map(of_probe).sum::<usize>()
            + ports.capacity() * size_of::<Port>()
            + mounts.capacity() * size_of::<Mount>()
            + mounts.iter().map(of_mount).sum::<usize>()
            + labels.iter().chain(pod_sandbox_labels).map(of_label).sum::<usize>()
    }

    /// Who runs outside of any container.
    #[must_use]
    pub fn host() -> Self {
        let host = || "host".to_owned();
        Self { id: host(), full_id: host(), name: host(), kind: "host", ..Self::default() }
    }

    /// The id of the pod's sandbox, cut to twelve digits.
    #[must_use]
    pub fn short_sandbox_id(&self) -> &str {
        self.pod_sandbox_id.get(..SHORT_LEN).unwrap_or(&self.pod_sandbox_id)
    }
}

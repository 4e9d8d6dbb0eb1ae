//! A container as Docker's API describes it, and Podman's two: their `inspect` documents share one shape.

use serde_json::Value;

use crate::image::ImageName;
use crate::read::{
    healthcheck, is_set, kubernetes_probes, list, n_cpus, number, pairs, str_of, text, texts,
    time_ns, time_s,
};
use crate::{Details, Kind, Limits, Mount, Port};

/// Where the machinery before CRI kept a pod as it was applied.
const APPLIED_LABEL: &str = "io.kubernetes.container.last-applied-config";
/// What a runtime gives a container that asks for nothing.
const DEFAULT_CPU_PERIOD: i64 = 100_000;
const DEFAULT_CPU_SHARES: i64 = 1024;

/// Reads an `inspect` document; `None` where it is none.
pub(crate) fn details(kind: Kind, full_id: &str, of: &Value) -> Option<Details> {
    let id = [str_of(of, "Id"), str_of(of, "ID")].into_iter().find(|id| !id.is_empty())?;
    if id != full_id {
        return None;
    }
    let (config, host, network) = (&of["Config"], &of["HostConfig"], &of["NetworkSettings"]);
    let name = str_of(of, "Name").trim_start_matches('/').to_owned();
    let image = match str_of(of, "ImageName") {
        "" => str_of(config, "Image"),
        libpod => libpod,
    };
    let parts = ImageName::parse(image);
    let image_id = str_of(of, "Image");
    let mut labels = pairs(config, "Labels");
    let [liveness_probe, readiness_probe] = labels
        .remove(APPLIED_LABEL)
        .map_or([None, None], |applied| kubernetes_probes(&applied, None));
    let has_probe = liveness_probe.is_some() || readiness_probe.is_some();
    let check = [&config["Healthcheck"], &config["HealthCheck"]]
        .into_iter()
        .find_map(|check| healthcheck(&texts(check, "Test")));
    let or_default = |n: i64, default| if n > 0 { n } else { default };
    Some(Details {
        is_pod_sandbox: name.contains("k8s_POD"),
        name,
        image: image.to_owned(),
        image_id: image_id.strip_prefix("sha256:").unwrap_or(image_id).to_owned(),
        image_repository: parts.repository.to_owned(),
        image_tag: parts.tag.to_owned(),
        image_digest: match str_of(of, "ImageDigest") {
            "" => parts.digest.to_owned(),
            libpod => libpod.to_owned(),
        },
        user: text(config, "User"),
        created_s: time_s(str_of(of, "Created")),
        started_ns: time_ns(str_of(&of["State"], "StartedAt")),
        privileged: is_set(host, "Privileged"),
        host_pid: str_of(host, "PidMode") == "host",
        host_network: str_of(host, "NetworkMode") == "host",
        host_ipc: str_of(host, "IpcMode") == "host",
        has_user_namespace: !matches!(str_of(host, "UsernsMode"), "" | "host"),
        env: texts(config, "Env"),
        mounts: list(of, "Mounts").map(mount).collect(),
        ports: ports(&network["Ports"]),
        limits: Limits {
            cpu_period: or_default(number(host, "CpuPeriod"), DEFAULT_CPU_PERIOD),
            cpu_quota: number(host, "CpuQuota"),
            cpu_shares: or_default(number(host, "CpuShares"), DEFAULT_CPU_SHARES),
            cpuset_cpu_count: n_cpus(str_of(host, "CpusetCpus")),
            memory: number(host, "Memory"),
            swap: number(host, "MemorySwap"),
        },
        ip: address(network),
        // Where Kubernetes made it through Docker.
        pod_sandbox_id: labels.get("io.kubernetes.sandbox.id").cloned().unwrap_or_default(),
        labels,
        healthcheck: check.filter(|_| !has_probe),
        liveness_probe,
        readiness_probe,
        ..Details::of_id(kind, full_id)
    })
}

fn mount(of: &Value) -> Mount {
    Mount {
        source: text(of, "Source"),
        dest: text(of, "Destination"),
        mode: text(of, "Mode"),
        rdwr: is_set(of, "RW"),
        propagation: text(of, "Propagation"),
    }
}

/// The address, else that in the first network with one.
pub(crate) fn address(network: &Value) -> String {
    let networks = network["Networks"].as_object().into_iter().flatten();
    let mut all = std::iter::once(network).chain(networks.map(|(_, n)| n));
    all.find_map(|n| Some(str_of(n, "IPAddress")).filter(|ip| !ip.is_empty()))
        .unwrap_or_default()
        .to_owned()
}

/// `{"80/tcp": [{"HostIp": .., "HostPort": ".."}]}`
fn ports(of: &Value) -> Vec<Port> {
    let mut ports = Vec::new();
    for (inner, outer) in of.as_object().into_iter().flatten() {
        let Some(container_port) = inner.strip_suffix("/tcp").and_then(|n| n.parse().ok()) else {
            continue;
        };
        for bound in outer.as_array().into_iter().flatten() {
            let host_ip = match str_of(bound, "HostIp") {
                "" => Some(0),
                ip => ip.parse::<std::net::Ipv4Addr>().ok().map(u32::from),
            };
            let host_port = str_of(bound, "HostPort").parse().ok();
            if let (Some(host_ip), Some(host_port)) = (host_ip, host_port) {
                ports.push(Port { host_ip, host_port, container_port });
            }
        }
    }
    ports
}

/// Whose network a container shares: `container:ID`.
pub(crate) fn network_of(of: &Value) -> Option<&str> {
    str_of(&of["HostConfig"], "NetworkMode").strip_prefix("container:")
}

/// Adds what the image's own `inspect` document tells: its digest, and the names it goes by.
pub(crate) fn add_image(details: &mut Details, image: &Value) {
    add_image_names(details, &texts(image, "RepoTags"), &texts(image, "RepoDigests"));
}

/// Adds what the names of an image tell: `repository:tag` and `repository@digest`.
pub(crate) fn add_image_names(details: &mut Details, tags: &[String], digests: &[String]) {
    let repository = &details.image_repository;
    // Started by the image's id, as it was typed.
    let is_id = details.image_tag.is_empty() && details.image_id.starts_with(&**repository);
    if repository.is_empty() || is_id {
        let names = digests.iter().chain(tags).map(|name| ImageName::parse(name));
        let first = names.map(|n| n.repository).find(|r| !r.is_empty() && *r != "<none>");
        first.unwrap_or_default().clone_into(&mut details.image_repository);
    }
    let digests: Vec<_> = digests.iter().map(|name| ImageName::parse(name)).collect();
    if details.image_digest.is_empty() {
        let own = digests.iter().find(|n| n.repository == details.image_repository);
        let only = || digests.first().filter(|_| digests.len() == 1);
        let digest = own.or_else(only).map(|n| n.digest);
        digest.unwrap_or_default().clone_into(&mut details.image_digest);
    }
    if details.image_tag.is_empty() {
        let tags = tags.iter().map(|name| ImageName::parse(name));
        let own = tags.filter(|n| n.repository == details.image_repository).map(|n| n.tag).next();
        own.unwrap_or_default().clone_into(&mut details.image_tag);
    }
}

//! Kubernetes' interface to runtimes (CRI): containers of pods, and the sandboxes that hold the pods' namespaces.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use super::cri_messages::{
    ContainerFilter, ContainerStatus, ContainerStatusResponse, HOST, Image, ImageSpec,
    ImageStatusRequest, ImageStatusResponse, ListContainersRequest, ListContainersResponse,
    ListedContainer, NamespaceOptions, PodSandboxStatus, PodSandboxStatusResponse, StatusRequest,
    VersionRequest, VersionResponse,
};
use super::grpc::Client;
use crate::image::ImageName;
use crate::read::{kubernetes_probes, list, n_cpus, str_of, texts, to_s};
use crate::{Details, Kind, Limits, Mount, Why, disk, inspect};

const VERSION: &str = "/runtime.v1.RuntimeService/Version";
const CONTAINER: &str = "/runtime.v1.RuntimeService/ContainerStatus";
const CONTAINERS: &str = "/runtime.v1.RuntimeService/ListContainers";
const SANDBOX: &str = "/runtime.v1.RuntimeService/PodSandboxStatus";
const IMAGE: &str = "/runtime.v1.ImageService/ImageStatus";
/// Where `kubectl apply` notes what it applied.
const APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Longest result of network plugins that is kept.
const MAX_CNI_LEN: usize = 4096;

/// Asks for a container with its sandbox and image, else for a sandbox of that id.
pub(crate) async fn look_up(socket: &Path, kind: Kind, full_id: &str) -> Result<Details, Why> {
    let mut client = Client::connect(socket).await?;
    let kind = match kind {
        Kind::Cri => runtime(&mut client).await?,
        told => told,
    };
    let by_id = StatusRequest { id: full_id.to_owned(), verbose: true };
    match client.call(CONTAINER, None, by_id).await {
        Ok(found) => container(&mut client, kind, full_id, found).await,
        Err(Why::NotFound) => {
            let mut details = Details::of_id(kind, full_id);
            let (pod, info) = sandbox(&mut client, full_id).await?;
            details.name = pod.metadata.as_ref().map(|m| m.name.clone()).unwrap_or_default();
            details.is_pod_sandbox = true;
            details.created_s = to_s(pod.created_at.try_into().unwrap_or_default());
            add_image_name(&mut details, str_of(&info, "image"), "");
            details.privileged = is_privileged(&info);
            details.env = environment(&info);
            add_sandbox(&mut details, &pod, &info);
            Ok(details)
        }
        Err(why) => Err(why),
    }
}

/// Which runtime it is that answers.
async fn runtime(client: &mut Client) -> Result<Kind, Why> {
    let version: VersionResponse = client.call(VERSION, None, VersionRequest {}).await?;
    Ok(match &*version.runtime_name {
        "containerd" => Kind::Containerd,
        "cri-o" => Kind::CriO,
        "docker" => Kind::Docker,
        _ => Kind::Cri,
    })
}

async fn sandbox(client: &mut Client, id: &str) -> Result<(PodSandboxStatus, Value), Why> {
    let by_id = StatusRequest { id: id.to_owned(), verbose: true };
    let PodSandboxStatusResponse { status, info } = client.call(SANDBOX, None, by_id).await?;
    let status = status.filter(|s| s.id == id).ok_or(Why::BadAnswer)?;
    Ok((status, of_info(&info)))
}

/// What a runtime tells beside, as JSON under one key.
fn of_info(info: &HashMap<String, String>) -> Value {
    info.get("info").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

async fn container(
    client: &mut Client,
    kind: Kind,
    full_id: &str,
    found: ContainerStatusResponse,
) -> Result<Details, Why> {
    let ContainerStatusResponse { status, info } = found;
    let status = status.filter(|s| s.id == full_id).ok_or(Why::BadAnswer)?;
    let info = of_info(&info);
    let mut details = of_status(kind, full_id, &status, &info);
    let image = ImageSpec { image: named_image(&status).to_owned() };
    let asked = ImageStatusRequest { image: Some(image) };
    let answer: Result<ImageStatusResponse, _> = client.call(IMAGE, None, asked).await;
    // Without it the digest may be missing, and nothing else.
    if let Some(image) = answer.ok().and_then(|a| a.image) {
        add_image(&mut details, image);
    }
    if details.image_digest.is_empty() && status.image_ref.starts_with("sha256:") {
        details.image_digest.clone_from(&status.image_ref);
    }
    details.pod_sandbox_id = match str_of(&info, "sandboxID") {
        "" => listed_sandbox(client, full_id).await?,
        id => id.to_owned(),
    };
    if details.pod_sandbox_id.is_empty() {
        return Ok(details);
    }
    // A pod that is going away has containers for a moment longer than a sandbox.
    match sandbox(client, &details.pod_sandbox_id.clone()).await {
        Ok((pod, info)) => add_sandbox(&mut details, &pod, &info),
        Err(Why::NotFound) => {}
        Err(why) => return Err(why),
    }
    Ok(details)
}

async fn listed_sandbox(client: &mut Client, full_id: &str) -> Result<String, Why> {
    let filter = Some(ContainerFilter { id: full_id.to_owned() });
    let ListContainersResponse { containers } =
        client.call(CONTAINERS, None, ListContainersRequest { filter }).await?;
    let own = containers.into_iter().find(|c: &ListedContainer| c.id == full_id);
    Ok(own.map(|c| c.pod_sandbox_id).unwrap_or_default())
}

fn named_image(status: &ContainerStatus) -> &str {
    status.image.as_ref().map(|i| &*i.image).unwrap_or_default()
}

fn of_status(kind: Kind, full_id: &str, status: &ContainerStatus, info: &Value) -> Details {
    let spec = &info["runtimeSpec"];
    let from_spec = disk::of_spec(kind, full_id, spec);
    let linux = status.resources.as_ref().and_then(|r| r.linux.as_ref());
    let mut details = Details {
        name: status.metadata.as_ref().map(|m| m.name.clone()).unwrap_or_default(),
        created_s: to_s(status.created_at.try_into().unwrap_or_default()),
        started_ns: status.started_at.try_into().unwrap_or_default(),
        user: from_spec.user,
        privileged: is_privileged(info),
        has_user_namespace: from_spec.has_user_namespace,
        env: environment(info),
        mounts: status.mounts.iter().map(mount).collect(),
        limits: linux.map_or(from_spec.limits, |l| Limits {
            cpu_period: l.cpu_period,
            cpu_quota: l.cpu_quota,
            cpu_shares: l.cpu_shares,
            cpuset_cpu_count: n_cpus(&l.cpuset_cpus),
            memory: l.memory,
            swap: l.swap,
        }),
        labels: status.labels.clone().into_iter().collect(),
        ..Details::of_id(kind, full_id)
    };
    let name = match named_image(status) {
        id if id.is_empty() || id.starts_with("sha256") => &from_spec.image,
        name => name,
    };
    add_image_name(&mut details, name, &status.image_ref);
    // The kubelet asks for images by their ids; others by their names.
    details.image_id = match str_of(&info["config"]["image"], "image") {
        id if id.starts_with("sha256:") => id.to_owned(),
        _ => status.image_id.clone(),
    };
    shorten_image_id(&mut details);
    details
}

fn shorten_image_id(details: &mut Details) {
    if let Some(id) = details.image_id.strip_prefix("sha256:") {
        details.image_id = id.to_owned();
    }
}

/// Takes apart the name of an image, and the reference with its digest.
fn add_image_name(details: &mut Details, name: &str, reference: &str) {
    let (named, referred) = (ImageName::parse(name), ImageName::parse(reference));
    let repository = [named.repository, referred.repository].into_iter().find(|r| !r.is_empty());
    repository.unwrap_or_default().clone_into(&mut details.image_repository);
    named.tag.clone_into(&mut details.image_tag);
    name.clone_into(&mut details.image);
    let digest = if referred.repository.is_empty() { named.digest } else { referred.digest };
    digest.clone_into(&mut details.image_digest);
}

fn add_image(details: &mut Details, image: Image) {
    let Image { id, repo_tags, repo_digests } = image;
    if details.image_id.is_empty() {
        details.image_id = id;
        shorten_image_id(details);
    }
    inspect::add_image_names(details, &repo_tags, &repo_digests);
}

fn mount(of: &super::cri_messages::Mount) -> Mount {
    Mount {
        source: of.host_path.clone(),
        dest: of.container_path.clone(),
        mode: String::new(),
        rdwr: !of.readonly,
        propagation: match of.propagation {
            0 => "private",
            1 => "rslave",
            2 => "rshared",
            _ => "unknown",
        }
        .to_owned(),
    }
}

/// What was asked for, else what came of it.
fn is_privileged(info: &Value) -> bool {
    let context = &info["config"]["linux"]["security_context"];
    let told = [context, info].into_iter().find_map(|of| of["privileged"].as_bool());
    told.unwrap_or_else(|| disk::is_privileged(&info["runtimeSpec"]))
}

fn environment(info: &Value) -> Vec<String> {
    let whole = texts(&info["runtimeSpec"]["process"], "env");
    if !whole.is_empty() {
        return whole;
    }
    let own = list(&info["config"], "envs");
    own.map(|e| format!("{}={}", str_of(e, "key"), str_of(e, "value"))).collect()
}

fn add_sandbox(details: &mut Details, pod: &PodSandboxStatus, info: &Value) {
    details.pod_sandbox_id.clone_from(&pod.id);
    details.pod_sandbox_labels = pod.labels.clone().into_iter().collect();
    details.ip = pod.network.as_ref().map(|n| n.ip.clone()).unwrap_or_default();
    details.cni_json = cni(info);
    let options = pod.linux.as_ref().and_then(|l| l.namespaces.as_ref()?.options.as_ref());
    if let Some(NamespaceOptions { network, pid, ipc, user }) = options {
        details.host_network = *network == HOST;
        details.host_pid = *pid == HOST;
        details.host_ipc = *ipc == HOST;
        details.has_user_namespace |= user.as_ref().is_some_and(|u| u.mode != HOST);
    }
    let mut label = |key: &str, value: &str| {
        details.labels.insert(key.to_owned(), value.to_owned());
    };
    label("io.kubernetes.sandbox.id", &pod.id);
    if let Some(of) = &pod.metadata {
        label("io.kubernetes.pod.uid", &of.uid);
        label("io.kubernetes.pod.name", &of.name);
        label("io.kubernetes.pod.namespace", &of.namespace);
    }
    if let Some(applied) = pod.annotations.get(APPLIED) {
        [details.liveness_probe, details.readiness_probe] =
            kubernetes_probes(applied, Some(&details.name));
    }
}

/// The network interfaces that plugins made, less those that every pod has.
fn cni(info: &Value) -> String {
    let noted = || str_of(&info["runtimeSpec"]["annotations"], "io.kubernetes.cri-o.CNIResult");
    let text = match info["cniResult"]["Interfaces"].as_object() {
        Some(all) => {
            let is_own = |name: &str| name != "lo" && !name.starts_with("veth");
            let own = all.iter().filter(|(name, _)| is_own(name));
            Value::Object(own.map(|(n, i)| (n.clone(), i.clone())).collect()).to_string()
        }
        None => noted().to_owned(),
    };
    // A part of it would be no JSON.
    if text.len() > MAX_CNI_LEN { String::new() } else { text }
}

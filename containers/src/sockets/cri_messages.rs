//! Messages of `runtime.v1` (Kubernetes' Container Runtime Interface): the fields that are read, by their numbers. What is left out is passed over.

use std::collections::HashMap;

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(super) struct VersionRequest {}

#[derive(Clone, PartialEq, Message)]
pub(super) struct VersionResponse {
    #[prost(string, tag = "2")]
    pub(super) runtime_name: String,
}

/// Of `ContainerStatus`, `PodSandboxStatus`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct StatusRequest {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(bool, tag = "2")]
    pub(super) verbose: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ContainerStatusResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) status: Option<ContainerStatus>,
    #[prost(map = "string, string", tag = "2")]
    pub(super) info: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ContainerStatus {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(message, optional, tag = "2")]
    pub(super) metadata: Option<ContainerMetadata>,
    #[prost(int64, tag = "4")]
    pub(super) created_at: i64,
    #[prost(int64, tag = "5")]
    pub(super) started_at: i64,
    #[prost(message, optional, tag = "8")]
    pub(super) image: Option<ImageSpec>,
    #[prost(string, tag = "9")]
    pub(super) image_ref: String,
    #[prost(map = "string, string", tag = "12")]
    pub(super) labels: HashMap<String, String>,
    #[prost(message, repeated, tag = "14")]
    pub(super) mounts: Vec<Mount>,
    #[prost(message, optional, tag = "16")]
    pub(super) resources: Option<ContainerResources>,
    #[prost(string, tag = "17")]
    pub(super) image_id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ContainerMetadata {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ImageSpec {
    #[prost(string, tag = "1")]
    pub(super) image: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Mount {
    #[prost(string, tag = "1")]
    pub(super) container_path: String,
    #[prost(string, tag = "2")]
    pub(super) host_path: String,
    #[prost(bool, tag = "3")]
    pub(super) readonly: bool,
    /// Private, from the host to the container, both ways.
    #[prost(int32, tag = "5")]
    pub(super) propagation: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ContainerResources {
    #[prost(message, optional, tag = "1")]
    pub(super) linux: Option<LinuxResources>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct LinuxResources {
    #[prost(int64, tag = "1")]
    pub(super) cpu_period: i64,
    #[prost(int64, tag = "2")]
    pub(super) cpu_quota: i64,
    #[prost(int64, tag = "3")]
    pub(super) cpu_shares: i64,
    #[prost(int64, tag = "4")]
    pub(super) memory: i64,
    #[prost(string, tag = "6")]
    pub(super) cpuset_cpus: String,
    #[prost(int64, tag = "9")]
    pub(super) swap: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PodSandboxStatusResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) status: Option<PodSandboxStatus>,
    #[prost(map = "string, string", tag = "2")]
    pub(super) info: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PodSandboxStatus {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(message, optional, tag = "2")]
    pub(super) metadata: Option<PodMetadata>,
    #[prost(int64, tag = "4")]
    pub(super) created_at: i64,
    #[prost(message, optional, tag = "5")]
    pub(super) network: Option<PodNetwork>,
    #[prost(message, optional, tag = "6")]
    pub(super) linux: Option<LinuxPod>,
    #[prost(map = "string, string", tag = "7")]
    pub(super) labels: HashMap<String, String>,
    #[prost(map = "string, string", tag = "8")]
    pub(super) annotations: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PodMetadata {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) uid: String,
    #[prost(string, tag = "3")]
    pub(super) namespace: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PodNetwork {
    #[prost(string, tag = "1")]
    pub(super) ip: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct LinuxPod {
    #[prost(message, optional, tag = "1")]
    pub(super) namespaces: Option<Namespaces>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Namespaces {
    #[prost(message, optional, tag = "2")]
    pub(super) options: Option<NamespaceOptions>,
}

/// Whose namespaces: the pod's, the container's, the host's ([`HOST`]), or those of another container.
#[derive(Clone, PartialEq, Message)]
pub(super) struct NamespaceOptions {
    #[prost(int32, tag = "1")]
    pub(super) network: i32,
    #[prost(int32, tag = "2")]
    pub(super) pid: i32,
    #[prost(int32, tag = "3")]
    pub(super) ipc: i32,
    #[prost(message, optional, tag = "5")]
    pub(super) user: Option<UserNamespace>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct UserNamespace {
    #[prost(int32, tag = "1")]
    pub(super) mode: i32,
}

/// The host's namespace.
pub(super) const HOST: i32 = 2;

#[derive(Clone, PartialEq, Message)]
pub(super) struct ListContainersRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) filter: Option<ContainerFilter>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ContainerFilter {
    #[prost(string, tag = "1")]
    pub(super) id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ListContainersResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) containers: Vec<ListedContainer>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ListedContainer {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(string, tag = "2")]
    pub(super) pod_sandbox_id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ImageStatusRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) image: Option<ImageSpec>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ImageStatusResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) image: Option<Image>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Image {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(string, repeated, tag = "2")]
    pub(super) repo_tags: Vec<String>,
    #[prost(string, repeated, tag = "3")]
    pub(super) repo_digests: Vec<String>,
}

//! What a runtime knows of a container, as events of a recording carry it: JSON of the form `{"container": {..}}`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Digits of an id by which containers are looked up.
const SHORT_LEN: usize = 12;
/// What an allocation takes beside its bytes.
const ALLOCATION_LEN: usize = 16;

/// A container as its runtime tells. Texts that it does not tell are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named like the fields of rules")]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of the format")]
pub struct Details {
    /// Twelve digits.
    pub id: String,
    pub full_id: String,
    pub name: String,
    /// Text of `container.type`.
    pub kind: &'static str,
    pub image: String,
    pub image_id: String,
    pub image_repository: String,
    pub image_tag: String,
    pub image_digest: String,
    pub privileged: bool,
    pub host_pid: bool,
    pub host_network: bool,
    pub host_ipc: bool,
    pub mounts: Vec<Mount>,
    pub ip: String,
    pub cni_json: String,
    pub labels: BTreeMap<String, String>,
    pub pod_sandbox_id: String,
    pub pod_sandbox_labels: BTreeMap<String, String>,
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

/// Names of the runtimes by their numbers in the format.
const KINDS: [&str; 12] = [
    "docker",
    "lxc",
    "libvirt-lxc",
    "mesos",
    "rkt",
    "custom",
    "cri",
    "containerd",
    "cri-o",
    "bpm",
    "static",
    "podman",
];

fn text(of: &Map<String, Value>, key: &str) -> String {
    of.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn is_set(of: &Map<String, Value>, key: &str) -> bool {
    of.get(key).and_then(Value::as_bool).unwrap_or_default()
}

fn texts(of: &Map<String, Value>, key: &str) -> BTreeMap<String, String> {
    let pairs = of.get(key).and_then(Value::as_object).into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

impl Details {
    /// Reads an event's JSON; `None` where it is none, or names no container.
    ///
    /// ```
    /// let json = br#"{"container":{"id":"3ad7b26ded6d","image":"nginx:1","name":"web","type":0}}"#;
    /// let details = containers::Details::parse(json).unwrap();
    /// assert_eq!((&*details.name, details.kind, details.privileged), ("web", "docker", false));
    /// ```
    #[must_use]
    pub fn parse(json: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(json).ok()?;
        let of = value.get("container")?.as_object()?;
        let id = text(of, "id");
        if id.is_empty() {
            return None;
        }
        let kind = of.get("type").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let mounts = of.get("Mounts").and_then(Value::as_array).into_iter().flatten();
        let mount = |of: &Map<String, Value>| Mount {
            source: text(of, "Source"),
            dest: text(of, "Destination"),
            mode: text(of, "Mode"),
            rdwr: is_set(of, "RW"),
            propagation: text(of, "Propagation"),
        };
        Some(Self {
            id,
            full_id: text(of, "full_id"),
            name: text(of, "name"),
            kind: kind.and_then(|n| KINDS.get(n)).copied().unwrap_or_default(),
            image: text(of, "image"),
            image_id: text(of, "imageid"),
            image_repository: text(of, "imagerepo"),
            image_tag: text(of, "imagetag"),
            image_digest: text(of, "imagedigest"),
            privileged: is_set(of, "privileged"),
            host_pid: is_set(of, "host_pid"),
            host_network: is_set(of, "host_network"),
            host_ipc: is_set(of, "host_ipc"),
            mounts: mounts.filter_map(Value::as_object).map(mount).collect(),
            ip: text(of, "ip"),
            cni_json: text(of, "cni_json"),
            labels: texts(of, "labels"),
            pod_sandbox_id: text(of, "pod_sandbox_id"),
            pod_sandbox_labels: texts(of, "pod_sandbox_labels"),
        })
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
            privileged: _,
            host_pid: _,
            host_network: _,
            host_ipc: _,
            mounts,
            ip,
            cni_json,
            labels,
            pod_sandbox_id,
            pod_sandbox_labels,
        } = self;
        let texts = [
            id,
            full_id,
            name,
            image,
            image_id,
            image_repository,
            image_tag,
            image_digest,
            ip,
            cni_json,
            pod_sandbox_id,
        ];
        let of_text = |text: &String| text.capacity() + ALLOCATION_LEN;
        let of_mount = |Mount { source, dest, mode, rdwr: _, propagation }: &Mount| {
            [source, dest, mode, propagation].map(of_text).iter().sum::<usize>()
        };
        // Nodes of a tree are at least half full.
        let of_label = |(key, value): (&String, &String)| {
            of_text(key) + of_text(value) + 4 * size_of::<String>()
        };
        size_of::<Self>()
            + texts.map(of_text).iter().sum::<usize>()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_told_is_read() {
        let json = br#"{"container":{"Mounts":[{"Source":"/a","Destination":"/b","Mode":"ro","RW":true,"Propagation":"rprivate"},3],
            "id":"697956520d89","full_id":"697956520d890000","type":7,"name":"web","image":"nginx:1","imageid":"f6","imagerepo":"nginx",
            "imagetag":"1","imagedigest":"sha256:9","privileged":true,"host_pid":true,"host_network":false,"host_ipc":true,
            "ip":"172.17.0.2","cni_json":"{}","labels":{"a":"b","n":1},"pod_sandbox_id":"0123456789abcdef","pod_sandbox_labels":null}}"#;
        let d = Details::parse(json).unwrap();
        assert_eq!(d.mounts[0].line(), "/a:/b:ro:true:rprivate");
        assert_eq!(
            (d.mounts.len(), d.kind, &*d.image_tag, &*d.ip),
            (1, "containerd", "1", "172.17.0.2")
        );
        assert_eq!(
            (d.privileged, d.host_pid, d.host_network, d.host_ipc),
            (true, true, false, true)
        );
        assert_eq!(d.labels.into_iter().collect::<Vec<_>>(), [("a".to_owned(), "b".to_owned())]);
        assert_eq!(Details::parse(json).unwrap().short_sandbox_id(), "0123456789ab");
    }

    #[test]
    fn what_names_no_container_is_refused() {
        for json in [
            "",
            "{}",
            "[]",
            r#"{"container":3}"#,
            r#"{"container":{"id":""}}"#,
            r#"{"container":{"id":7}}"#,
        ] {
            assert_eq!(Details::parse(json.as_bytes()), None, "{json}");
        }
    }
}

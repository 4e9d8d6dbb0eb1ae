//! The `config.json` that low-level runtimes are started with (OCI runtime specification), and the annotations in which others leave notes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::image::ImageName;
use crate::read::{list, n_cpus, number, pairs, str_of, text, texts, time_s};
use crate::{Details, Kind, Limits, Mount};

/// Reads a specification. What is privileged is not written in it, and is told from what it lacks.
pub(crate) fn details(kind: Kind, full_id: &str, spec: &Value) -> Details {
    let (process, linux) = (&spec["process"], &spec["linux"]);
    let resources = &linux["resources"];
    let (cpu, memory) = (&resources["cpu"], &resources["memory"]);
    let notes = pairs(spec, "annotations");
    let note = |keys: &[&str]| -> String {
        keys.iter().find_map(|key| notes.get(*key)).cloned().unwrap_or_default()
    };
    let image = note(&["io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName"]);
    let parts = ImageName::parse(&image);
    let has_own =
        |namespace: &str| list(linux, "namespaces").any(|n| str_of(n, "type") == namespace);
    let propagation = text(linux, "rootfsPropagation");
    let mut details = Details {
        name: note(&["io.kubernetes.cri.container-name", "io.kubernetes.container.name"]),
        image_repository: parts.repository.to_owned(),
        image_tag: parts.tag.to_owned(),
        image_digest: parts.digest.to_owned(),
        image: image.clone(),
        user: number(&process["user"], "uid").to_string(),
        privileged: match &*note(&[
            "io.podman.annotations.privileged",
            "io.kubernetes.cri-o.PrivilegedRuntime",
        ]) {
            "" => is_privileged(spec),
            told => told.eq_ignore_ascii_case("true"),
        },
        created_s: time_s(&note(&["io.kubernetes.cri-o.Created"])),
        host_pid: !has_own("pid"),
        host_network: !has_own("network"),
        host_ipc: !has_own("ipc"),
        has_user_namespace: has_own("user"),
        is_pod_sandbox: note(&[
            "io.kubernetes.cri.container-type",
            "io.kubernetes.cri-o.ContainerType",
        ]) == "sandbox",
        env: texts(process, "env"),
        mounts: list(spec, "mounts").map(|m| mount(m, &propagation)).collect(),
        limits: Limits {
            cpu_period: number(cpu, "period"),
            cpu_quota: number(cpu, "quota"),
            cpu_shares: number(cpu, "shares"),
            cpuset_cpu_count: n_cpus(str_of(cpu, "cpus")),
            memory: number(memory, "limit"),
            swap: number(memory, "swap"),
        },
        ip: note(&["io.kubernetes.cri-o.IP.0"]),
        cni_json: note(&["io.kubernetes.cri-o.CNIResult"]),
        labels: notes
            .get("io.kubernetes.cri-o.Labels")
            .map(|text| labels(text))
            .unwrap_or_default(),
        pod_sandbox_id: note(&["io.kubernetes.cri.sandbox-id", "io.kubernetes.cri-o.SandboxID"]),
        ..Details::of_id(kind, full_id)
    };
    for (label, keys) in [
        ("io.kubernetes.pod.name", ["io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"]),
        (
            "io.kubernetes.pod.namespace",
            ["io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"],
        ),
        ("io.kubernetes.pod.uid", ["io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid"]),
    ] {
        let value = note(&keys);
        if !value.is_empty() {
            details.labels.insert(label.to_owned(), value);
        }
    }
    if details.name.is_empty() {
        details.name.clone_from(&details.id);
    }
    details
}

/// Adds what the specification of a pod's sandbox tells: whose are the namespaces that the container joins by their paths, and the pod's labels.
pub(super) fn add_sandbox(details: &mut Details, spec: &Value, sandbox: &Value) {
    let joins = |namespace: &str| {
        let mut all = list(&spec["linux"], "namespaces");
        all.any(|n| str_of(n, "type") == namespace && !str_of(n, "path").is_empty())
    };
    let of = self::details(Kind::Cri, &details.pod_sandbox_id, sandbox);
    details.host_network |= joins("network") && of.host_network;
    details.host_ipc |= joins("ipc") && of.host_ipc;
    details.host_pid |= joins("pid") && of.host_pid;
    if details.ip.is_empty() {
        details.ip = of.ip;
    }
    if details.cni_json.is_empty() {
        details.cni_json = of.cni_json;
    }
    let is_own = |key: &String| !key.starts_with("io.kubernetes.pod.");
    details.pod_sandbox_labels = of.labels.into_iter().filter(|(key, _)| is_own(key)).collect();
}

/// Labels that were noted as the text of a JSON object.
fn labels(text: &str) -> BTreeMap<String, String> {
    serde_json::from_str::<Value>(text).map(|of| pairs(&json!({"": of}), "")).unwrap_or_default()
}

fn mount(of: &Value, root_propagation: &str) -> Mount {
    let options = || list(of, "options").filter_map(Value::as_str);
    let own = ["private", "rprivate", "slave", "rslave", "shared", "rshared"];
    let propagation = options().find(|o| own.contains(o)).unwrap_or(root_propagation);
    Mount {
        source: text(of, "source"),
        dest: text(of, "destination"),
        mode: options().find_map(|o| o.strip_prefix("mode=")).unwrap_or_default().to_owned(),
        rdwr: !options().any(|o| o == "ro"),
        propagation: propagation.to_owned(),
    }
}

/// Whether nothing is held back from a container: no path is masked or read-only, no call filtered, and the kernel's own files are writable.
pub(crate) fn is_privileged(spec: &Value) -> bool {
    let (process, linux) = (&spec["process"], &spec["linux"]);
    let is_empty = |key| list(linux, key).next().is_none();
    let is_unconfined = matches!(str_of(process, "apparmorProfile"), "" | "unconfined")
        && str_of(process, "selinuxLabel").is_empty()
        && linux["seccomp"].is_null();
    let is_read_only = |m: &Value| {
        matches!(str_of(m, "type"), "sysfs" | "cgroup")
            && list(m, "options").any(|o| o.as_str() == Some("ro"))
    };
    linux.is_object()
        && process.is_object()
        && is_empty("maskedPaths")
        && is_empty("readonlyPaths")
        && is_unconfined
        && !list(spec, "mounts").any(is_read_only)
}

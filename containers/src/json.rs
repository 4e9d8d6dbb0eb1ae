//! Details as events of recordings carry them: JSON of the form `{"container": {..}}`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{Details, Limits, Mount, Port, Probe};

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
const HOST: u64 = 0xfffe;
const UNKNOWN: u64 = 0xffff;
/// Runtimes without a number; readers other than this one pass over the key that names them.
const UNNUMBERED: [&str; 1] = ["systemd-nspawn"];

fn text(of: &Map<String, Value>, key: &str) -> String {
    of.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn is_set(of: &Map<String, Value>, key: &str) -> bool {
    of.get(key).and_then(Value::as_bool).unwrap_or_default()
}

fn number(of: &Map<String, Value>, key: &str) -> i64 {
    of.get(key).and_then(Value::as_i64).unwrap_or_default()
}

fn texts(of: &Map<String, Value>, key: &str) -> BTreeMap<String, String> {
    let pairs = of.get(key).and_then(Value::as_object).into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

fn list<'a>(of: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = &'a Value> {
    of.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn strings(of: &Map<String, Value>, key: &str) -> Vec<String> {
    list(of, key).filter_map(Value::as_str).map(str::to_owned).collect()
}

fn kind(of: &Map<String, Value>) -> &'static str {
    match of.get("type").and_then(Value::as_u64) {
        Some(HOST) => "host",
        Some(UNKNOWN) => {
            let name = of.get("type_name").and_then(Value::as_str);
            UNNUMBERED.into_iter().find(|n| Some(*n) == name).unwrap_or_default()
        }
        n => {
            let name = n.and_then(|n| usize::try_from(n).ok()).and_then(|n| KINDS.get(n));
            name.copied().unwrap_or_default()
        }
    }
}

fn mount(of: &Map<String, Value>) -> Mount {
    Mount {
        source: text(of, "Source"),
        dest: text(of, "Destination"),
        mode: text(of, "Mode"),
        rdwr: is_set(of, "RW"),
        propagation: text(of, "Propagation"),
    }
}

fn port(of: &Map<String, Value>) -> Option<Port> {
    Some(Port {
        host_ip: number(of, "HostIp").try_into().ok()?,
        host_port: number(of, "HostPort").try_into().ok()?,
        container_port: number(of, "ContainerPort").try_into().ok()?,
    })
}

fn probe(of: &Map<String, Value>, key: &str) -> Option<Probe> {
    let of = of.get(key)?.as_object()?;
    Some(Probe { exe: text(of, "exe"), args: strings(of, "args") })
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
        Some(Self {
            id,
            full_id: text(of, "full_id"),
            name: text(of, "name"),
            kind: kind(of),
            image: text(of, "image"),
            image_id: text(of, "imageid"),
            image_repository: text(of, "imagerepo"),
            image_tag: text(of, "imagetag"),
            image_digest: text(of, "imagedigest"),
            user: text(of, "User"),
            created_s: number(of, "created_time"),
            started_ns: of.get("started_ns").and_then(Value::as_u64).unwrap_or_default(),
            privileged: is_set(of, "privileged"),
            host_pid: is_set(of, "host_pid"),
            host_network: is_set(of, "host_network"),
            host_ipc: is_set(of, "host_ipc"),
            has_user_namespace: is_set(of, "user_namespace"),
            is_pod_sandbox: is_set(of, "is_pod_sandbox"),
            env: strings(of, "env"),
            mounts: list(of, "Mounts").filter_map(Value::as_object).map(mount).collect(),
            ports: list(of, "port_mappings").filter_map(|p| port(p.as_object()?)).collect(),
            limits: Limits {
                cpu_period: number(of, "cpu_period"),
                cpu_quota: number(of, "cpu_quota"),
                cpu_shares: number(of, "cpu_shares"),
                cpuset_cpu_count: number(of, "cpuset_cpu_count"),
                memory: number(of, "memory_limit"),
                swap: number(of, "swap_limit"),
            },
            ip: text(of, "ip"),
            cni_json: text(of, "cni_json"),
            labels: texts(of, "labels"),
            pod_sandbox_id: text(of, "pod_sandbox_id"),
            pod_sandbox_labels: texts(of, "pod_sandbox_labels"),
            healthcheck: probe(of, "Healthcheck"),
            liveness_probe: probe(of, "LivenessProbe"),
            readiness_probe: probe(of, "ReadinessProbe"),
        })
    }

    /// The JSON that an event of a recording carries; [`Details::parse`] reads it back. Keys beside those of the format
    /// (`started_ns`, `user_namespace`, `type_name`) are written only where they say something.
    #[must_use]
    pub fn to_json(&self) -> String {
        let Self {
            id,
            full_id,
            name,
            kind,
            image,
            image_id,
            image_repository,
            image_tag,
            image_digest,
            user,
            created_s,
            started_ns,
            privileged,
            host_pid,
            host_network,
            host_ipc,
            has_user_namespace,
            is_pod_sandbox,
            env,
            mounts,
            ports,
            limits,
            ip,
            cni_json,
            labels,
            pod_sandbox_id,
            pod_sandbox_labels,
            healthcheck,
            liveness_probe,
            readiness_probe,
        } = self;
        let number = KINDS.iter().position(|k| k == kind).map_or(UNKNOWN, |n| n as u64);
        let mut of = json!({
            "type": if *kind == "host" { HOST } else { number },
            "id": id, "full_id": full_id, "name": name,
            "image": image, "imageid": image_id, "imagerepo": image_repository, "imagetag": image_tag, "imagedigest": image_digest,
            "User": user, "created_time": created_s, "env": env,
            "privileged": privileged, "host_pid": host_pid, "host_network": host_network, "host_ipc": host_ipc,
            "is_pod_sandbox": is_pod_sandbox, "ip": ip, "cni_json": cni_json, "labels": labels,
            "pod_sandbox_id": pod_sandbox_id, "pod_sandbox_labels": pod_sandbox_labels,
            "cpu_period": limits.cpu_period, "cpu_quota": limits.cpu_quota, "cpu_shares": limits.cpu_shares,
            "cpuset_cpu_count": limits.cpuset_cpu_count, "memory_limit": limits.memory, "swap_limit": limits.swap,
            "size": -1,
            "Mounts": mounts.iter().map(mount_json).collect::<Vec<_>>(),
            "port_mappings": ports.iter().copied().map(port_json).collect::<Vec<_>>(),
        });
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                of[key] = value;
            }
        };
        put("started_ns", (*started_ns != 0).then(|| json!(started_ns)));
        put("user_namespace", has_user_namespace.then_some(json!(true)));
        put("type_name", UNNUMBERED.contains(kind).then(|| json!(kind)));
        put("Healthcheck", healthcheck.as_ref().map(probe_json));
        put("LivenessProbe", liveness_probe.as_ref().map(probe_json));
        put("ReadinessProbe", readiness_probe.as_ref().map(probe_json));
        json!({ "container": of }).to_string()
    }
}

fn mount_json(mount: &Mount) -> Value {
    let Mount { source, dest, mode, rdwr, propagation } = mount;
    json!({"Source": source, "Destination": dest, "Mode": mode, "RW": rdwr, "Propagation": propagation})
}

fn port_json(port: Port) -> Value {
    let Port { host_ip, host_port, container_port } = port;
    json!({"HostIp": host_ip, "HostPort": host_port, "ContainerPort": container_port})
}

fn probe_json(probe: &Probe) -> Value {
    let Probe { exe, args } = probe;
    json!({"exe": exe, "args": args})
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_that_is_told_is_read() {
        let json = br#"{"container":{"Mounts":[{"Source":"/a","Destination":"/b","Mode":"ro","RW":true,"Propagation":"rprivate"},3],
            "id":"697956520d89","full_id":"697956520d890000","type":7,"name":"web","image":"nginx:1","imageid":"f6","imagerepo":"nginx",
            "imagetag":"1","imagedigest":"sha256:9","privileged":true,"host_pid":true,"host_network":false,"host_ipc":true,
            "ip":"172.17.0.2","cni_json":"{}","labels":{"a":"b","n":1},"pod_sandbox_id":"0123456789abcdef","pod_sandbox_labels":null,
            "port_mappings":[{"HostIp":2130706433,"HostPort":80,"ContainerPort":8080},{"HostIp":-1}],"env":["A=b"],"created_time":7,
            "LivenessProbe":{"exe":"/bin/true","args":["x"]},"ReadinessProbe":null}}"#;
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
        assert_eq!(d.ports, [Port { host_ip: 0x7f00_0001, host_port: 80, container_port: 8080 }]);
        assert_eq!((&*d.env, d.created_s), (&["A=b".to_owned()][..], 7));
        let probe = Probe { exe: "/bin/true".to_owned(), args: vec!["x".to_owned()] };
        assert_eq!((&d.liveness_probe, &d.readiness_probe), (&Some(probe), &None));
        assert_eq!(d.labels.into_iter().collect::<Vec<_>>(), [("a".to_owned(), "b".to_owned())]);
        assert_eq!(Details::parse(json).unwrap().short_sandbox_id(), "0123456789ab");
    }

    fn any_text() -> impl Strategy<Value = String> {
        "\\PC{0,6}|[\\x00-\\x1f\"\\\\/é]{0,6}"
    }

    fn any_probe() -> impl Strategy<Value = Option<Probe>> {
        let probe = (any_text(), vec(any_text(), 0..3)).prop_map(|(exe, args)| Probe { exe, args });
        proptest::option::of(probe)
    }

    prop_compose! {
        fn any_mount()(texts in vec(any_text(), 4), rdwr in any::<bool>()) -> Mount {
            let [source, dest, mode, propagation] = texts.try_into().expect("four texts");
            Mount { source, dest, mode, rdwr, propagation }
        }
    }

    prop_compose! {
        fn any_details()(
            (id, kind) in ("[a-z0-9]{1,12}", 0..KINDS.len() + 3),
            texts in vec(any_text(), 12),
            flags in vec(any::<bool>(), 6),
            (created_s, started_ns) in any::<(i64, u64)>(),
            limits in vec(any::<i64>(), 6),
            env in vec(any_text(), 0..3),
            mounts in vec(any_mount(), 0..3),
            ports in vec(any::<(u32, u16, u16)>(), 0..3),
            labels in btree_map(any_text(), any_text(), 0..3),
            pod_sandbox_labels in btree_map(any_text(), any_text(), 0..3),
            probes in vec(any_probe(), 3),
        ) -> Details {
            let others = ["host", "systemd-nspawn", ""];
            let kind = KINDS.get(kind).copied().unwrap_or_else(|| others[kind - KINDS.len()]);
            let [full_id, name, image, image_id, image_repository, image_tag, image_digest, user, ip, cni_json, pod_sandbox_id, _] =
                texts.try_into().expect("twelve texts");
            let [privileged, host_pid, host_network, host_ipc, has_user_namespace, is_pod_sandbox] =
                flags.try_into().expect("six flags");
            let [cpu_period, cpu_quota, cpu_shares, cpuset_cpu_count, memory, swap] =
                limits.try_into().expect("six limits");
            let [healthcheck, liveness_probe, readiness_probe] = probes.try_into().expect("three probes");
            let port = |(host_ip, host_port, container_port)| Port { host_ip, host_port, container_port };
            Details {
                id, full_id, name, kind, image, image_id, image_repository, image_tag, image_digest, user, created_s, started_ns,
                privileged, host_pid, host_network, host_ipc, has_user_namespace, is_pod_sandbox, env, mounts,
                ports: ports.into_iter().map(port).collect(),
                limits: Limits { cpu_period, cpu_quota, cpu_shares, cpuset_cpu_count, memory, swap },
                ip, cni_json, labels, pod_sandbox_id, pod_sandbox_labels, healthcheck, liveness_probe, readiness_probe,
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(details in any_details()) {
            prop_assert_eq!(Details::parse(details.to_json().as_bytes()), Some(details));
        }
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

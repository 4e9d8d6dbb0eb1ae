//! `container.*` and `k8s.*`: what the cgroup tells, and what events of a recording told of the container up to this one.

use std::collections::BTreeMap;
use std::iter;
use std::sync::Arc;

use bumpalo::collections::Vec as BumpVec;
use containers::{Details, Mount, Probe};
use rules::{Arg, ContainerField as Field, Value};

use super::EventFields;
use crate::state::{ContainerEntry, Containers, Told, Version, strings};

/// Labels that only the machinery reads.
const HIDDEN_LABELS: [&str; 2] = ["annotation.", "io.kubernetes."];

/// What a field should have told of a container and did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lacking {
    /// Nothing was asked for, or all could be had.
    #[default]
    Nothing,
    /// Its runtime has not answered yet.
    Outstanding,
    /// Its runtime has not answered, and nobody waits any more.
    Overdue,
    /// Its runtime does not know it, or cannot be asked.
    Unanswerable,
}

impl EventFields<'_> {
    pub(super) fn container(&self, field: Field, arg: &Arg) -> Option<Value<'_>> {
        let bytes = |text| Some(Value::Bytes(str::as_bytes(text)));
        let own = self.version().map(|v| &v.container.id);
        if let Some(own) = own
            && !self.is_about_container()
        {
            match field {
                Field::ContainerId => return bytes(own.id()),
                Field::ContainerFullId => return bytes(own.full_id()),
                Field::ContainerType => return bytes(own.kind().as_str()),
                _ => {}
            }
        }
        match field {
            Field::ContainerStartTs => return self.container_start().map(Value::U64),
            Field::ContainerDuration => {
                let start = self.container_start()?;
                return Some(Value::U64(self.epoch_ns().saturating_sub(start)));
            }
            Field::ProcIsContainerHealthcheck => {
                return self.is_part_of(|told| told.healthcheck.as_ref());
            }
            Field::ProcIsContainerLivenessProbe => {
                return self.is_part_of(|told| told.liveness_probe.as_ref());
            }
            Field::ProcIsContainerReadinessProbe => {
                return self.is_part_of(|told| told.readiness_probe.as_ref());
            }
            _ => {}
        }
        let told = self.told_container()?;
        match field {
            Field::ContainerId => bytes(&told.id),
            Field::ContainerFullId => bytes(&told.full_id),
            Field::ContainerName => bytes(&told.name),
            Field::ContainerType => bytes(told.kind),
            Field::ContainerImage => bytes(&told.image),
            Field::ContainerImageId => bytes(&told.image_id),
            Field::ContainerImageRepository => bytes(&told.image_repository),
            Field::ContainerImageTag => bytes(&told.image_tag),
            Field::ContainerImageDigest => bytes(&told.image_digest),
            Field::ContainerPrivileged => Some(Value::Bool(told.privileged)),
            Field::ContainerHostPid => Some(Value::Bool(told.host_pid)),
            Field::ContainerHostNetwork => Some(Value::Bool(told.host_network)),
            Field::ContainerHostIpc => Some(Value::Bool(told.host_ipc)),
            Field::ContainerHealthcheck => {
                Some(Value::Bytes(self.command_line(told.healthcheck.as_ref()?)))
            }
            Field::ContainerLivenessProbe => {
                Some(Value::Bytes(self.command_line(told.liveness_probe.as_ref()?)))
            }
            Field::ContainerReadinessProbe => {
                Some(Value::Bytes(self.command_line(told.readiness_probe.as_ref()?)))
            }
            Field::ContainerStartTs
            | Field::ContainerDuration
            | Field::ProcIsContainerHealthcheck
            | Field::ProcIsContainerLivenessProbe
            | Field::ProcIsContainerReadinessProbe => None,
            Field::ContainerMounts => {
                let lines = told.mounts.iter().map(Mount::line);
                Some(Value::Bytes(self.joined_by(lines, b",")))
            }
            Field::ContainerMount
            | Field::ContainerMountSource
            | Field::ContainerMountDest
            | Field::ContainerMountMode
            | Field::ContainerMountRdwr
            | Field::ContainerMountPropagation => self.mount(field, told, arg),
            Field::ContainerLabel => bytes(told.labels.get(key_of(arg)?)?),
            Field::ContainerLabels => Some(Value::Bytes(self.labels(&told.labels))),
            Field::K8sPodName => bytes(told.labels.get("io.kubernetes.pod.name")?),
            Field::K8sNsName => bytes(told.labels.get("io.kubernetes.pod.namespace")?),
            Field::K8sPodId | Field::K8sPodUid => bytes(told.labels.get("io.kubernetes.pod.uid")?),
            Field::K8sPodSandboxId => bytes(told.short_sandbox_id()),
            Field::K8sPodFullSandboxId => bytes(&told.pod_sandbox_id),
            Field::K8sPodLabel => {
                let key = key_of(arg)?;
                let of_sandbox = self.sandbox().and_then(|s| s.pod_sandbox_labels.get(key));
                bytes(of_sandbox.or_else(|| told.pod_sandbox_labels.get(key))?)
            }
            Field::K8sPodLabels => {
                let of = self.sandbox().unwrap_or(told);
                Some(Value::Bytes(self.labels(&of.pod_sandbox_labels)))
            }
            // Live, what a pod's sandbox has is told with each of its containers.
            Field::K8sPodIp if !self.event.is_from_file() => {
                bytes(Some(&told.ip).filter(|ip| !ip.is_empty())?)
            }
            Field::K8sPodIp if told.cni_json.is_empty() => bytes(&self.sandbox()?.ip),
            Field::ContainerIp | Field::K8sPodIp => bytes(&told.ip),
            Field::K8sPodCniJson if told.cni_json.is_empty() && self.event.is_from_file() => {
                bytes(&self.sandbox()?.cni_json)
            }
            Field::ContainerCniJson | Field::K8sPodCniJson => bytes(&told.cni_json),
        }
    }

    /// When the container of the process started, ns since the epoch: in a recording when its pid namespace began, live as its runtime tells.
    fn container_start(&self) -> Option<u64> {
        self.version().filter(|v| !v.container.id.is_host())?;
        let told = || self.told_container().map(|told| told.started_ns).filter(|&ns| ns != 0);
        if self.event.is_from_file() { self.pidns_start() } else { told() }
    }

    fn command_line(&self, of: &Probe) -> &[u8] {
        self.joined_by(iter::once(&of.exe).chain(&of.args).cloned(), b" ")
    }

    /// Whether the process is one that the runtime runs in the container to see whether it is well, or below one: started as told, and not by
    /// the container's first process.
    fn is_part_of(&self, probe: impl Fn(&Details) -> Option<&Probe>) -> Option<Value<'_>> {
        let own = self.version()?;
        let probe = if own.container.id.is_host() { None } else { probe(self.told_container()?) };
        let mut is_part = false;
        let above = (1..).map_while(|level| self.ancestor(level)).map(|(_, version)| version);
        for version in iter::once(own).chain(above) {
            if probe.is_none() || version.container.id.is_host() {
                break;
            }
            if version.ids.vpid == 1 {
                return Some(Value::Bool(false));
            }
            is_part |= probe.is_some_and(|probe| is_run_as(version, probe));
        }
        Some(Value::Bool(is_part))
    }

    /// Whether the event tells of a container, rather than being of a process in one.
    pub(super) fn is_about_container(&self) -> bool {
        Containers::is_told_by(self.event.frame.event_type())
    }

    /// What is known of the container: for an event about one that one, else that of the process. The host is known always.
    fn told_container(&self) -> Option<&Details> {
        let told = self.told.get_or_init(|| {
            let containers = self.at.lineage.containers();
            if self.is_about_container()
                && let Some(told) = containers.told_by(self.event.key)
            {
                return Some(told);
            }
            let own = &self.version()?.container;
            if own.id.is_host() {
                return Some(Arc::clone(containers.host()));
            }
            if let Some(max_wait) = self.at.container_wait
                && own.is_outstanding()
            {
                self.at.lineage.live_containers().wait(own, max_wait);
            }
            match own.told() {
                Told::NotAsked => containers.told(own.id.id(), self.event.key),
                Told::Known(details) => Some(details),
                told @ (Told::Outstanding | Told::Overdue | Told::Unknown) => {
                    self.lacking.set(match told {
                        Told::Outstanding => Lacking::Outstanding,
                        Told::Overdue => Lacking::Overdue,
                        _ => Lacking::Unanswerable,
                    });
                    None
                }
            }
        });
        told.as_deref()
    }

    /// The container whose runtime was asked for what a field gives, where the answer is still to come.
    pub(crate) fn awaited(&self) -> Option<&Arc<ContainerEntry>> {
        let own = self.process.filter(|_| self.lacking.get() == Lacking::Outstanding);
        own.map(|v| &v.container)
    }

    /// What of the container was asked for and could not be had.
    pub(crate) fn lacking(&self) -> Lacking {
        self.lacking.get()
    }

    /// Whether its runtime, though asked, has told nothing of the process's container.
    pub(crate) fn container_unknown(&self) -> bool {
        self.told_container().is_none() && self.lacking.get() != Lacking::Nothing
    }

    /// The sandbox of the container's pod, which knows what the container does not.
    fn sandbox(&self) -> Option<&Details> {
        let told = self.told_container().filter(|told| told.cni_json.is_empty())?;
        let sandbox = self.sandbox.get_or_init(|| {
            self.at.lineage.containers().told(told.short_sandbox_id(), self.event.key)
        });
        sandbox.as_deref()
    }

    fn joined_by(&self, texts: impl Iterator<Item = String>, between: &[u8]) -> &[u8] {
        let mut all = BumpVec::new_in(self.at.bump);
        for (n, text) in texts.enumerate() {
            if n > 0 {
                all.extend_from_slice_copy(between);
            }
            all.extend_from_slice_copy(text.as_bytes());
        }
        all.into_bump_slice()
    }

    fn labels(&self, labels: &BTreeMap<String, String>) -> &[u8] {
        let shown =
            labels.iter().filter(|(key, _)| !HIDDEN_LABELS.iter().any(|h| key.starts_with(h)));
        let line = |(key, value): (&String, &String)| {
            if value.is_empty() { key.clone() } else { format!("{key}:{value}") }
        };
        self.joined_by(shown.map(line), b", ")
    }

    fn mount(&self, field: Field, told: &Details, arg: &Arg) -> Option<Value<'_>> {
        let by_dest = field == Field::ContainerMountSource;
        let mount = match arg {
            Arg::Index(n) => told.mounts.get(*n as usize)?,
            Arg::Key(key) => told.mounts.iter().find(|m| {
                matches_glob(key.as_bytes(), if by_dest { &m.dest } else { &m.source }.as_bytes())
            })?,
            Arg::None => return None,
        };
        let text = match field {
            Field::ContainerMountSource => mount.source.clone(),
            Field::ContainerMountDest => mount.dest.clone(),
            Field::ContainerMountMode => mount.mode.clone(),
            Field::ContainerMountRdwr => mount.rdwr.to_string(),
            Field::ContainerMountPropagation => mount.propagation.clone(),
            _ => mount.line(),
        };
        Some(Value::Bytes(self.at.bump.alloc_slice_copy(text.as_bytes())))
    }
}

fn is_run_as(version: &Version, probe: &Probe) -> bool {
    let args = strings(version.image.args());
    version.image.exe() == probe.exe.as_bytes() && args.eq(probe.args.iter().map(String::as_bytes))
}

fn key_of(arg: &Arg) -> Option<&str> {
    match arg {
        Arg::Key(key) => Some(key),
        Arg::None | Arg::Index(_) => None,
    }
}

/// Whether a text is as a pattern of `*` and `?` has it. O(pattern * text).
fn matches_glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((star, from)) = retry else { return false };
                retry = Some((star, from + 1));
                (p, t) = (star + 1, from + 1);
            }
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_mounts() {
        for (pattern, text, expected) in [
            ("/usr/local", "/usr/local", true),
            ("/usr/local/*", "/usr/local/bin", true),
            ("/usr/*/b?n", "/usr/local/bin", true),
            ("/usr/*/b?n", "/usr/local/b", false),
            ("*", "", true),
            ("", "/", false),
        ] {
            assert_eq!(matches_glob(pattern.as_bytes(), text.as_bytes()), expected, "{pattern}");
        }
    }
}

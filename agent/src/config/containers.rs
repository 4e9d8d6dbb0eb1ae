//! What is asked of container runtimes, and how long events wait for it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use containers::LookupConfig;
use stages::DeferralLimits;

use super::schema;
use super::written::{self, ContainerEngine, ContainerEngines};

/// Container runtimes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Containers {
    /// Where they are; none: nobody is asked.
    pub(crate) lookups: Option<LookupConfig>,
    /// How long, and how many, events of one shard wait for answers.
    pub(crate) deferral: DeferralLimits,
}

/// `peregrine.containers` says more than Falco's `container_engines`.
pub(super) fn resolve(
    written: written::Containers,
    falco: ContainerEngines,
    max_questions: usize,
) -> Result<Containers> {
    let number = |name: &str, n| schema::number(&format!("peregrine.containers.{name}"), n);
    let deferral = DeferralLimits {
        max_wait: Duration::from_millis(number("deferral_ms", written.deferral_ms)? as u64),
        max_events: number("deferral_events", written.deferral_events)?,
        max_bytes: number("deferral_bytes", written.deferral_bytes)?,
    };
    let built_in = LookupConfig::default();
    let sockets = |own: Option<Vec<PathBuf>>, falco: ContainerEngine, built_in: Vec<PathBuf>| match (
        own,
        falco.enabled,
        falco.sockets,
    ) {
        (Some(own), _, _) => own,
        (None, Some(false), _) => Vec::new(),
        (None, _, Some(falco)) => falco,
        (None, _, None) => built_in,
    };
    let ContainerEngines { containerd, cri, docker, podman } = falco;
    let lookups = LookupConfig {
        host_root: written.host_root.unwrap_or(built_in.host_root),
        docker_sockets: sockets(written.docker_sockets, docker, built_in.docker_sockets),
        podman_sockets: sockets(written.podman_sockets, podman, built_in.podman_sockets),
        cri_sockets: sockets(written.cri_sockets, cri, built_in.cri_sockets),
        containerd_sockets: sockets(
            written.containerd_sockets,
            containerd,
            built_in.containerd_sockets,
        ),
        reads_disk: written.reads_disk.unwrap_or(built_in.reads_disk),
        max_queued: max_questions,
        ..LookupConfig::default()
    };
    Ok(Containers { lookups: written.enabled.unwrap_or(true).then_some(lookups), deferral })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_yaml(own: &str, falco: &str) -> Containers {
        let (own, falco) = (serde_yaml::from_str(own), serde_yaml::from_str(falco));
        resolve(own.unwrap(), falco.unwrap(), 77).unwrap()
    }

    #[test]
    fn falcos_keys_count_where_ours_say_nothing() {
        let falco = "{docker: {enabled: false}, cri: {sockets: [/a, /b]}, podman: {enabled: true, sockets: [/c]}}";
        let lookups = of_yaml("{podman_sockets: [/d]}", falco).lookups.unwrap();
        let paths = |all: &[&str]| all.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(lookups.docker_sockets, paths(&[]));
        assert_eq!(lookups.cri_sockets, paths(&["/a", "/b"]));
        assert_eq!(lookups.podman_sockets, paths(&["/d"]));
        assert_eq!(lookups.containerd_sockets, LookupConfig::default().containerd_sockets);
        assert_eq!(lookups.max_queued, 77);
        assert_eq!(lookups.request_timeout, LookupConfig::default().request_timeout);
    }

    #[test]
    fn lookups_can_be_off_and_waiting_has_bounds() {
        let off = of_yaml("{enabled: false, deferral_ms: 20, deferral_events: 3}", "{}");
        assert_eq!(off.lookups, None);
        assert_eq!(
            (off.deferral.max_wait, off.deferral.max_events),
            (Duration::from_millis(20), 3)
        );
        assert_eq!(of_yaml("{}", "{}").deferral, DeferralLimits::default());
        let too_long = written::Containers { deferral_ms: Some(60_001), ..Default::default() };
        assert_eq!(
            resolve(too_long, ContainerEngines::default(), 77).unwrap_err().to_string(),
            "peregrine.containers.deferral_ms: 60001 is out of range; it must lie between 0 and 60000"
        );
    }
}

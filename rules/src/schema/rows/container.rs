//! The fields of `container` and `k8s`. Facts of falcosecurity/libs; the descriptions are ours.

macro_rules! container_rows {
    ($next:ident $($then:ident)* { $($done:tt)* }) => {
        $next! { $($then)* { $($done)*
family Container ContainerField {
    Container {
        + ContainerId "container.id" Text None One Plain [SUGGESTED] "Id of the container, 12 digits; host outside of any.";
        + ContainerFullId "container.full_id" Text None One Plain [] "Id of the container in full.";
        + ContainerName "container.name" Text None One Plain [SUGGESTED] "Name of the container; host outside of any.";
        + ContainerImage "container.image" Text None One Plain [] "Image of the container, with its tag.";
        + ContainerImageId "container.image.id" Text None One Plain [] "Id of the container's image.";
        + ContainerType "container.type" Text None One Plain [] "Engine that runs the container: docker, containerd, cri-o, podman and so on; host outside of any.";
        + ContainerPrivileged "container.privileged" Bool None One Plain [] "Whether the container runs privileged.";
        + ContainerMounts "container.mounts" Text None One Plain [] "All mounts of the container as source:dest:mode:rdwr:propagation, joined by commas.";
        + ContainerMount "container.mount" Text RequiredPlaceOrKey One Plain [] "One mount of the container, by place or source: container.mount[0], container.mount[/usr/local].";
        + ContainerMountSource "container.mount.source" Text RequiredPlaceOrKey One Plain [] "Source of a mount, by place or destination.";
        + ContainerMountDest "container.mount.dest" Text RequiredPlaceOrKey One Plain [] "Destination of a mount, by place or source.";
        + ContainerMountMode "container.mount.mode" Text RequiredPlaceOrKey One Plain [] "Mode of a mount, by place or source.";
        + ContainerMountRdwr "container.mount.rdwr" Text RequiredPlaceOrKey One Plain [] "Whether a mount may be written to, by place or source.";
        + ContainerMountPropagation "container.mount.propagation" Text RequiredPlaceOrKey One Plain [] "Propagation of a mount, by place or source.";
        + ContainerImageRepository "container.image.repository" Text None One Plain [SUGGESTED] "Image of the container without its tag.";
        + ContainerImageTag "container.image.tag" Text None One Plain [SUGGESTED] "Tag of the container's image.";
        + ContainerImageDigest "container.image.digest" Text None One Plain [] "Digest of the container's image in its registry.";
        + ContainerHealthcheck "container.healthcheck" Text None One Plain [DEPRECATED] "Command line of the container's health check.";
        + ContainerLivenessProbe "container.liveness_probe" Text None One Plain [DEPRECATED] "Command line of the container's liveness probe.";
        + ContainerReadinessProbe "container.readiness_probe" Text None One Plain [DEPRECATED] "Command line of the container's readiness probe.";
        + ContainerStartTs "container.start_ts" AbsTime None One Plain [] "When the container started, in nanoseconds since the epoch.";
        + ContainerDuration "container.duration" RelTime None One Plain [] "Nanoseconds since the container started.";
        + ContainerIp "container.ip" Text None One Plain [] "Address of the container.";
        + ContainerCniJson "container.cni.json" Text None One Plain [] "What the network plugin said of the pod, as JSON.";
        + ContainerHostPid "container.host_pid" Bool None One Plain [] "Whether the container uses the host's pid namespace.";
        + ContainerHostNetwork "container.host_network" Bool None One Plain [] "Whether the container uses the host's network namespace.";
        + ContainerHostIpc "container.host_ipc" Bool None One Plain [] "Whether the container uses the host's IPC namespace.";
        + ContainerLabel "container.label" Text RequiredKey One Plain [] "Value of a label of the container: container.label[app].";
        + ContainerLabels "container.labels" Text None One Plain [] "All labels of the container as key:value, joined by commas.";
        + ProcIsContainerHealthcheck "proc.is_container_healthcheck" Bool None One Plain [DEPRECATED] "Whether the process is part of the container's health check.";
        + ProcIsContainerLivenessProbe "proc.is_container_liveness_probe" Bool None One Plain [DEPRECATED] "Whether the process is part of the container's liveness probe.";
        + ProcIsContainerReadinessProbe "proc.is_container_readiness_probe" Bool None One Plain [DEPRECATED] "Whether the process is part of the container's readiness probe.";
        + K8sPodName "k8s.pod.name" Text None One Plain [SUGGESTED] "Name of the container's pod.";
        + K8sNsName "k8s.ns.name" Text None One Plain [SUGGESTED] "Namespace of the container's pod.";
        + K8sPodId "k8s.pod.id" Text None One Plain [] "As k8s.pod.uid, under its old name.";
        + K8sPodUid "k8s.pod.uid" Text None One Plain [] "Unique id of the container's pod.";
        + K8sPodSandboxId "k8s.pod.sandbox_id" Text None One Plain [] "Id of the pod's sandbox, cut to 12 digits.";
        + K8sPodFullSandboxId "k8s.pod.full_sandbox_id" Text None One Plain [] "Id of the pod's sandbox in full.";
        + K8sPodLabel "k8s.pod.label" Text RequiredKey One Plain [] "Value of a label of the pod: k8s.pod.label[app].";
        + K8sPodLabels "k8s.pod.labels" Text None One Plain [] "All labels of the pod as key:value, joined by commas.";
        + K8sPodIp "k8s.pod.ip" Text None One Plain [] "Address of the pod.";
        + K8sPodCniJson "k8s.pod.cni.json" Text None One Plain [] "What the network plugin said of the pod, as JSON.";
        ~ K8sRcName "k8s.rc.name" Text None One Plain [DEPRECATED NEVER] "Name of the replication controller; never known.";
        ~ K8sRcId "k8s.rc.id" Text None One Plain [DEPRECATED NEVER] "Id of the replication controller; never known.";
        ~ K8sRcLabel "k8s.rc.label" Text RequiredKey One Plain [DEPRECATED NEVER] "Label of the replication controller; never known.";
        ~ K8sRcLabels "k8s.rc.labels" Text None One Plain [DEPRECATED NEVER] "Labels of the replication controller; never known.";
        ~ K8sSvcName "k8s.svc.name" Text None One Plain [DEPRECATED NEVER] "Name of the service; never known.";
        ~ K8sSvcId "k8s.svc.id" Text None One Plain [DEPRECATED NEVER] "Id of the service; never known.";
        ~ K8sSvcLabel "k8s.svc.label" Text RequiredKey One Plain [DEPRECATED NEVER] "Label of the service; never known.";
        ~ K8sSvcLabels "k8s.svc.labels" Text None One Plain [DEPRECATED NEVER] "Labels of the service; never known.";
        ~ K8sNsId "k8s.ns.id" Text None One Plain [DEPRECATED NEVER] "Id of the namespace; never known.";
        ~ K8sNsLabel "k8s.ns.label" Text RequiredKey One Plain [DEPRECATED NEVER] "Label of the namespace; never known.";
        ~ K8sNsLabels "k8s.ns.labels" Text None One Plain [DEPRECATED NEVER] "Labels of the namespace; never known.";
        ~ K8sRsName "k8s.rs.name" Text None One Plain [DEPRECATED NEVER] "Name of the replica set; never known.";
        ~ K8sRsId "k8s.rs.id" Text None One Plain [DEPRECATED NEVER] "Id of the replica set; never known.";
        ~ K8sRsLabel "k8s.rs.label" Text RequiredKey One Plain [DEPRECATED NEVER] "Label of the replica set; never known.";
        ~ K8sRsLabels "k8s.rs.labels" Text None One Plain [DEPRECATED NEVER] "Labels of the replica set; never known.";
        ~ K8sDeploymentName "k8s.deployment.name" Text None One Plain [DEPRECATED NEVER] "Name of the deployment; never known.";
        ~ K8sDeploymentId "k8s.deployment.id" Text None One Plain [DEPRECATED NEVER] "Id of the deployment; never known.";
        ~ K8sDeploymentLabel "k8s.deployment.label" Text RequiredKey One Plain [DEPRECATED NEVER] "Label of the deployment; never known.";
        ~ K8sDeploymentLabels "k8s.deployment.labels" Text None One Plain [DEPRECATED NEVER] "Labels of the deployment; never known.";
    }
}
        } }
    };
}

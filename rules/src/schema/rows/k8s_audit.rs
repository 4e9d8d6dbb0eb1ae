//! The fields of the `k8s_audit` source. Facts of falcosecurity/libs; the descriptions are ours.

macro_rules! k8s_audit_rows {
    ($next:ident $($then:ident)* { $($done:tt)* }) => {
        $next! { $($then)* { $($done)*
known {
    K8sAudit {
        ~ KaAuditid "ka.auditid" Text None One Plain [] "Unique id of the audit event.";
        ~ KaStage "ka.stage" Text None One Plain [] "Stage of the request: RequestReceived, ResponseComplete and so on.";
        ~ KaAuthDecision "ka.auth.decision" Text None One Plain [] "What the authorizer decided.";
        ~ KaAuthReason "ka.auth.reason" Text None One Plain [] "Why the authorizer decided so.";
        ~ KaAuthOpenshiftDecision "ka.auth.openshift.decision" Text None One Plain [] "What OpenShift's authentication decided.";
        ~ KaValidationsAdmissionPolicyFailure "ka.validations.admission.policy.failure" Text None One Plain [] "Why a validating admission policy refused.";
        ~ KaSecurityPodViolations "ka.security.pod.violations" Text None One Plain [] "Violations of the pod security standards.";
        ~ KaAuthOpenshiftUsername "ka.auth.openshift.username" Text None One Plain [] "User name that OpenShift's authentication found.";
        ~ KaUserName "ka.user.name" Text None One Plain [] "User that made the request.";
        ~ KaUserGroups "ka.user.groups" Text None One Plain [LIST] "Groups of the user that made the request.";
        ~ KaImpuserName "ka.impuser.name" Text None One Plain [] "User that the requester acts for.";
        ~ KaVerb "ka.verb" Text None One Plain [] "What is asked for: get, list, create, delete and so on.";
        ~ KaUri "ka.uri" Text None One Plain [] "URI of the request.";
        ~ KaUriParam "ka.uri.param" Text RequiredKey One Plain [] "Value of one parameter of the URI's query: ka.uri.param[timeout].";
        ~ KaTargetName "ka.target.name" Text None One Plain [] "Name of the object that is acted on.";
        ~ KaTargetNamespace "ka.target.namespace" Text None One Plain [] "Namespace of the object that is acted on.";
        ~ KaTargetResource "ka.target.resource" Text None One Plain [] "Kind of the object that is acted on: pods, secrets and so on.";
        ~ KaTargetSubresource "ka.target.subresource" Text None One Plain [] "Part of the object that is acted on: exec, log and so on.";
        ~ KaTargetPodName "ka.target.pod.name" Text None One Plain [] "Name of the pod that is acted on.";
        ~ KaReqBindingSubjects "ka.req.binding.subjects" Text None One Plain [LIST] "Subjects of a binding that is created.";
        ~ KaReqBindingSubjectsUserNames "ka.req.binding.subjects.user_names" Text None One Plain [LIST] "Users among the subjects of a binding that is created.";
        ~ KaReqBindingSubjectsServiceaccountNames "ka.req.binding.subjects.serviceaccount_names" Text None One Plain [LIST] "Service accounts among the subjects of a binding that is created.";
        ~ KaReqBindingSubjectsServiceaccountNsNames "ka.req.binding.subjects.serviceaccount_ns_names" Text None One Plain [LIST] "Service accounts among the subjects of a binding that is created, with their namespaces.";
        ~ KaReqBindingSubjectsGroupNames "ka.req.binding.subjects.group_names" Text None One Plain [LIST] "Groups among the subjects of a binding that is created.";
        ~ KaReqBindingRole "ka.req.binding.role" Text None One Plain [] "Role of a binding that is created.";
        ~ KaReqBindingSubjectHasName "ka.req.binding.subject.has_name" Text RequiredKey One Plain [DEPRECATED] "Whether a binding that is created has a subject of this name; use ka.req.binding.subjects.user_names and its kin.";
        ~ KaReqConfigmapName "ka.req.configmap.name" Text None One Plain [] "Name of the config map in the request.";
        ~ KaReqConfigmapObj "ka.req.configmap.obj" Text None One Plain [] "The whole config map in the request.";
        ~ KaReqPodContainersArgs "ka.req.pod.containers.args" Text OptionalIndex One Plain [LIST] "Arguments of the pod's containers.";
        ~ KaReqPodContainersCommand "ka.req.pod.containers.command" Text OptionalIndex One Plain [LIST] "Commands of the pod's containers.";
        ~ KaReqPodContainersName "ka.req.pod.containers.name" Text OptionalIndex One Plain [LIST] "Names of the pod's containers.";
        ~ KaReqPodContainersImage "ka.req.pod.containers.image" Text OptionalIndex One Plain [LIST] "Images of the pod's containers.";
        ~ KaReqContainerImage "ka.req.container.image" Text None One Plain [DEPRECATED] "Image of the pod's first container; use ka.req.pod.containers.image.";
        ~ KaReqPodContainersImageRepository "ka.req.pod.containers.image.repository" Text OptionalIndex One Plain [LIST] "Images of the pod's containers without their tags.";
        ~ KaReqContainerImageRepository "ka.req.container.image.repository" Text None One Plain [DEPRECATED] "Image of the pod's first container without its tag; use ka.req.pod.containers.image.repository.";
        ~ KaReqPodHostIpc "ka.req.pod.host_ipc" Text None One Plain [] "Whether the pod uses the host's IPC namespace.";
        ~ KaReqPodHostNetwork "ka.req.pod.host_network" Text None One Plain [] "Whether the pod uses the host's network.";
        ~ KaReqContainerHostNetwork "ka.req.container.host_network" Text None One Plain [DEPRECATED] "As ka.req.pod.host_network, under its old name.";
        ~ KaReqPodHostPid "ka.req.pod.host_pid" Text None One Plain [] "Whether the pod uses the host's pid namespace.";
        ~ KaReqPodContainersHostPort "ka.req.pod.containers.host_port" Text OptionalIndex One Plain [LIST] "Ports of the host that the pod's containers use.";
        ~ KaReqPodContainersPrivileged "ka.req.pod.containers.privileged" Text OptionalIndex One Plain [LIST] "Whether each of the pod's containers is privileged.";
        ~ KaReqContainerPrivileged "ka.req.container.privileged" Text None One Plain [DEPRECATED] "Whether any of the pod's containers is privileged; use ka.req.pod.containers.privileged.";
        ~ KaReqPodContainersAllowPrivilegeEscalation "ka.req.pod.containers.allow_privilege_escalation" Text OptionalIndex One Plain [LIST] "Whether each of the pod's containers may gain privileges.";
        ~ KaReqPodContainersReadOnlyFs "ka.req.pod.containers.read_only_fs" Text OptionalIndex One Plain [LIST] "Whether the root file system of each of the pod's containers is read-only.";
        ~ KaReqPodRunAsUser "ka.req.pod.run_as_user" Text None One Plain [] "User id that the pod asks for.";
        ~ KaReqPodContainersRunAsUser "ka.req.pod.containers.run_as_user" Text OptionalIndex One Plain [LIST] "User ids that the pod's containers ask for.";
        ~ KaReqPodContainersEffRunAsUser "ka.req.pod.containers.eff_run_as_user" Text OptionalIndex One Plain [LIST] "User ids that the pod's containers get.";
        ~ KaReqPodRunAsGroup "ka.req.pod.run_as_group" Text None One Plain [] "Group id that the pod asks for.";
        ~ KaReqPodContainersRunAsGroup "ka.req.pod.containers.run_as_group" Text OptionalIndex One Plain [LIST] "Group ids that the pod's containers ask for.";
        ~ KaReqPodContainersEffRunAsGroup "ka.req.pod.containers.eff_run_as_group" Text OptionalIndex One Plain [LIST] "Group ids that the pod's containers get.";
        ~ KaReqPodContainersProcMount "ka.req.pod.containers.proc_mount" Text OptionalIndex One Plain [LIST] "How /proc is mounted in the pod's containers.";
        ~ KaReqRoleRules "ka.req.role.rules" Text None One Plain [LIST] "Rules of a role that is created.";
        ~ KaReqRoleRulesApiGroups "ka.req.role.rules.apiGroups" Text OptionalIndex One Plain [LIST] "API groups of the rules of a role that is created.";
        ~ KaReqRoleRulesNonResourceURLs "ka.req.role.rules.nonResourceURLs" Text OptionalIndex One Plain [LIST] "URLs that are no resources in the rules of a role that is created.";
        ~ KaReqRoleRulesVerbs "ka.req.role.rules.verbs" Text OptionalIndex One Plain [LIST] "Verbs of the rules of a role that is created.";
        ~ KaReqRoleRulesResources "ka.req.role.rules.resources" Text OptionalIndex One Plain [LIST] "Resources of the rules of a role that is created.";
        ~ KaReqPodFsGroup "ka.req.pod.fs_group" Text None One Plain [] "Group id that the pod asks for its volumes.";
        ~ KaReqPodSupplementalGroups "ka.req.pod.supplemental_groups" Text None One Plain [LIST] "Further group ids that the pod asks for.";
        ~ KaReqPodContainersAddCapabilities "ka.req.pod.containers.add_capabilities" Text OptionalIndex One Plain [LIST] "Capabilities that the pod's containers ask for.";
        ~ KaReqServiceType "ka.req.service.type" Text None One Plain [] "Type of a service.";
        ~ KaReqServicePorts "ka.req.service.ports" Text OptionalIndex One Plain [LIST] "Ports of a service.";
        ~ KaReqPodVolumesHostpath "ka.req.pod.volumes.hostpath" Text OptionalIndex One Plain [LIST] "Paths of the host among the pod's volumes.";
        ~ KaReqVolumeHostpath "ka.req.volume.hostpath" Text RequiredKey One Plain [DEPRECATED] "Whether the pod mounts this path of the host; use ka.req.pod.volumes.hostpath.";
        ~ KaReqPodVolumesFlexvolumeDriver "ka.req.pod.volumes.flexvolume_driver" Text OptionalIndex One Plain [LIST] "Drivers of the pod's flex volumes.";
        ~ KaReqPodVolumesVolumeType "ka.req.pod.volumes.volume_type" Text OptionalIndex One Plain [LIST] "Types of the pod's volumes.";
        ~ KaRespName "ka.resp.name" Text None One Plain [] "Name of the object in the response.";
        ~ KaResponseCode "ka.response.code" Text None One Plain [] "Code of the response.";
        ~ KaResponseReason "ka.response.reason" Text None One Plain [] "Reason that the response gives, on failures.";
        ~ KaUseragent "ka.useragent" Text None One Plain [] "Program that made the request.";
        ~ KaSourceips "ka.sourceips" Text OptionalIndex One Plain [LIST] "Addresses that the request came from.";
        ~ KaClusterName "ka.cluster.name" Text None One Plain [] "Name of the cluster.";
        ~ KaReqPodInitContainersName "ka.req.pod.initContainers.name" Text OptionalIndex One Plain [LIST] "Names of the pod's init containers.";
        ~ KaReqPodInitContainersImage "ka.req.pod.initContainers.image" Text OptionalIndex One Plain [LIST] "Images of the pod's init containers.";
        ~ KaReqPodInitContainersImageRepository "ka.req.pod.initContainers.image.repository" Text OptionalIndex One Plain [LIST] "Images of the pod's init containers without their tags.";
        ~ KaReqPodInitContainersCommand "ka.req.pod.initContainers.command" Text OptionalIndex One Plain [LIST] "Commands of the pod's init containers.";
        ~ KaReqPodInitContainersArgs "ka.req.pod.initContainers.args" Text OptionalIndex One Plain [LIST] "Arguments of the pod's init containers.";
        ~ KaReqPodInitContainersPrivileged "ka.req.pod.initContainers.privileged" Text OptionalIndex One Plain [LIST] "Whether each of the pod's init containers is privileged.";
        ~ KaReqPodInitContainersAllowPrivilegeEscalation "ka.req.pod.initContainers.allow_privilege_escalation" Text OptionalIndex One Plain [LIST] "Whether each of the pod's init containers may gain privileges.";
        ~ KaReqPodInitContainersReadOnlyFs "ka.req.pod.initContainers.read_only_fs" Text OptionalIndex One Plain [LIST] "Whether the root file system of each of the pod's init containers is read-only.";
        ~ KaReqPodInitContainersRunAsUser "ka.req.pod.initContainers.run_as_user" Text OptionalIndex One Plain [LIST] "User ids that the pod's init containers ask for.";
        ~ KaReqPodInitContainersEffRunAsUser "ka.req.pod.initContainers.eff_run_as_user" Text OptionalIndex One Plain [LIST] "User ids that the pod's init containers get.";
        ~ KaReqPodInitContainersRunAsGroup "ka.req.pod.initContainers.run_as_group" Text OptionalIndex One Plain [LIST] "Group ids that the pod's init containers ask for.";
        ~ KaReqPodInitContainersEffRunAsGroup "ka.req.pod.initContainers.eff_run_as_group" Text OptionalIndex One Plain [LIST] "Group ids that the pod's init containers get.";
        ~ KaReqPodInitContainersProcMount "ka.req.pod.initContainers.proc_mount" Text OptionalIndex One Plain [LIST] "How /proc is mounted in the pod's init containers.";
        ~ KaReqPodInitContainersAddCapabilities "ka.req.pod.initContainers.add_capabilities" Text OptionalIndex One Plain [LIST] "Capabilities that the pod's init containers ask for.";
        ~ KaReqPodInitContainersHostPort "ka.req.pod.initContainers.host_port" Text OptionalIndex One Plain [LIST] "Ports of the host that the pod's init containers use.";
        ~ KaReqPodEphemeralContainersName "ka.req.pod.ephemeralContainers.name" Text OptionalIndex One Plain [LIST] "Names of the pod's ephemeral containers.";
        ~ KaReqPodEphemeralContainersImage "ka.req.pod.ephemeralContainers.image" Text OptionalIndex One Plain [LIST] "Images of the pod's ephemeral containers.";
        ~ KaReqPodEphemeralContainersImageRepository "ka.req.pod.ephemeralContainers.image.repository" Text OptionalIndex One Plain [LIST] "Images of the pod's ephemeral containers without their tags.";
        ~ KaReqPodEphemeralContainersCommand "ka.req.pod.ephemeralContainers.command" Text OptionalIndex One Plain [LIST] "Commands of the pod's ephemeral containers.";
        ~ KaReqPodEphemeralContainersArgs "ka.req.pod.ephemeralContainers.args" Text OptionalIndex One Plain [LIST] "Arguments of the pod's ephemeral containers.";
        ~ KaReqPodEphemeralContainersPrivileged "ka.req.pod.ephemeralContainers.privileged" Text OptionalIndex One Plain [LIST] "Whether each of the pod's ephemeral containers is privileged.";
        ~ KaReqPodEphemeralContainersAllowPrivilegeEscalation "ka.req.pod.ephemeralContainers.allow_privilege_escalation" Text OptionalIndex One Plain [LIST] "Whether each of the pod's ephemeral containers may gain privileges.";
        ~ KaReqPodEphemeralContainersReadOnlyFs "ka.req.pod.ephemeralContainers.read_only_fs" Text OptionalIndex One Plain [LIST] "Whether the root file system of each of the pod's ephemeral containers is read-only.";
        ~ KaReqPodEphemeralContainersRunAsUser "ka.req.pod.ephemeralContainers.run_as_user" Text OptionalIndex One Plain [LIST] "User ids that the pod's ephemeral containers ask for.";
        ~ KaReqPodEphemeralContainersEffRunAsUser "ka.req.pod.ephemeralContainers.eff_run_as_user" Text OptionalIndex One Plain [LIST] "User ids that the pod's ephemeral containers get.";
        ~ KaReqPodEphemeralContainersRunAsGroup "ka.req.pod.ephemeralContainers.run_as_group" Text OptionalIndex One Plain [LIST] "Group ids that the pod's ephemeral containers ask for.";
        ~ KaReqPodEphemeralContainersEffRunAsGroup "ka.req.pod.ephemeralContainers.eff_run_as_group" Text OptionalIndex One Plain [LIST] "Group ids that the pod's ephemeral containers get.";
        ~ KaReqPodEphemeralContainersProcMount "ka.req.pod.ephemeralContainers.proc_mount" Text OptionalIndex One Plain [LIST] "How /proc is mounted in the pod's ephemeral containers.";
        ~ KaReqPodEphemeralContainersAddCapabilities "ka.req.pod.ephemeralContainers.add_capabilities" Text OptionalIndex One Plain [LIST] "Capabilities that the pod's ephemeral containers ask for.";
    }
}
        } }
    };
}

//! The fields of the `k8smeta` plugin. Facts of falcosecurity/libs; the descriptions are ours.

macro_rules! k8smeta_rows {
    ($next:ident $($then:ident)* { $($done:tt)* }) => {
        $next! { $($then)* { $($done)*
known {
    K8sMeta {
        ~ K8smetaPodName "k8smeta.pod.name" Text None One Plain [SUGGESTED] "Name of the pod.";
        ~ K8smetaPodUid "k8smeta.pod.uid" Text None One Plain [] "Unique id of the pod.";
        ~ K8smetaPodLabel "k8smeta.pod.label" Text RequiredKey One Plain [] "Value of a label of the pod.";
        ~ K8smetaPodLabels "k8smeta.pod.labels" Text None One Plain [LIST] "All labels of the pod as key:value.";
        ~ K8smetaPodIp "k8smeta.pod.ip" Text None One Plain [] "Address of the pod.";
        ~ K8smetaNsName "k8smeta.ns.name" Text None One Plain [SUGGESTED] "Name of the pod's namespace.";
        ~ K8smetaNsUid "k8smeta.ns.uid" Text None One Plain [] "Unique id of the pod's namespace.";
        ~ K8smetaNsLabel "k8smeta.ns.label" Text RequiredKey One Plain [] "Value of a label of the pod's namespace.";
        ~ K8smetaNsLabels "k8smeta.ns.labels" Text None One Plain [LIST] "All labels of the pod's namespace as key:value.";
        ~ K8smetaDeploymentName "k8smeta.deployment.name" Text None One Plain [] "Name of the pod's deployment.";
        ~ K8smetaDeploymentUid "k8smeta.deployment.uid" Text None One Plain [] "Unique id of the pod's deployment.";
        ~ K8smetaDeploymentLabel "k8smeta.deployment.label" Text RequiredKey One Plain [] "Value of a label of the pod's deployment.";
        ~ K8smetaDeploymentLabels "k8smeta.deployment.labels" Text None One Plain [LIST] "All labels of the pod's deployment as key:value.";
        ~ K8smetaSvcName "k8smeta.svc.name" Text None One Plain [LIST] "Names of the services that lead to the pod.";
        ~ K8smetaSvcUid "k8smeta.svc.uid" Text None One Plain [LIST] "Unique ids of the services that lead to the pod.";
        ~ K8smetaSvcLabel "k8smeta.svc.label" Text RequiredKey One Plain [LIST] "Values of a label of the services that lead to the pod.";
        ~ K8smetaSvcLabels "k8smeta.svc.labels" Text None One Plain [LIST] "All labels of the services that lead to the pod as key:value.";
        ~ K8smetaRsName "k8smeta.rs.name" Text None One Plain [] "Name of the pod's replica set.";
        ~ K8smetaRsUid "k8smeta.rs.uid" Text None One Plain [] "Unique id of the pod's replica set.";
        ~ K8smetaRsLabel "k8smeta.rs.label" Text RequiredKey One Plain [] "Value of a label of the pod's replica set.";
        ~ K8smetaRsLabels "k8smeta.rs.labels" Text None One Plain [LIST] "All labels of the pod's replica set as key:value.";
        ~ K8smetaRcName "k8smeta.rc.name" Text None One Plain [] "Name of the pod's replication controller.";
        ~ K8smetaRcUid "k8smeta.rc.uid" Text None One Plain [] "Unique id of the pod's replication controller.";
        ~ K8smetaRcLabel "k8smeta.rc.label" Text RequiredKey One Plain [] "Value of a label of the pod's replication controller.";
        ~ K8smetaRcLabels "k8smeta.rc.labels" Text None One Plain [LIST] "All labels of the pod's replication controller as key:value.";
    }
}
        } }
    };
}

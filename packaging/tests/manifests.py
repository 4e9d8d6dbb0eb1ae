"""Renders the chart and holds it to Helm's lint, to the schemas of Kubernetes, to the unit and to packaging/kubernetes/peregrine.yaml.

manifests.py [--rewrite]: prints the configuration of the config map, for the program to judge.
"""

import re
import sys
from pathlib import Path

import helm_python as helm
import kubernetes_validate
import yaml

PACKAGING = Path(__file__).resolve().parent.parent
CHART = PACKAGING / "helm/peregrine"
MANIFEST = PACKAGING / "kubernetes/peregrine.yaml"
HEADER = """\
# kubectl apply -f peregrine.yaml, once the image's name is that of your registry. Made from packaging/helm/peregrine with its default
# values; what each line is for stands there. REWRITE_GOLDEN=1 packaging/check manifests makes it anew.
apiVersion: v1
kind: Namespace
metadata:
  name: peregrine
  labels:
    pod-security.kubernetes.io/enforce: privileged
"""
# The first that the chart takes, and the newest that the schemas are there for.
VERSIONS = ["1.30", "1.37"]
NAME = {"name": "peregrine", "namespace": "peregrine"}


def documents(values):
    """What the chart gives for these values, each held to the schemas."""
    with helm.Chart.load(str(CHART)) as chart:
        texts = chart.render(values, **NAME)
    found = []
    for path, text in sorted(texts.items()):
        for document in yaml.safe_load_all(text):
            if document is not None:
                found.append(document)
                for version in VERSIONS:
                    kubernetes_validate.validate(document, version, strict=True)
    return texts, found


def the(found, kind, name="peregrine"):
    """The document of this kind and name."""
    (one,) = (d for d in found if d["kind"] == kind and d["metadata"]["name"] == name)
    return one


def container_of(found):
    """The one container, and the pod that it is in."""
    pod = the(found, "DaemonSet")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    return container, pod


def main():
    findings = helm.lint(str(CHART))
    # 1 is advice: an icon.
    worst = max((m["severity"] for m in findings["messages"]), default=0)
    assert not findings["errors"] and worst <= 1, f"helm lint: {findings}"

    texts, found = documents({})
    text = HEADER + "".join(
        f"---\n{t.strip()}\n" for _, t in sorted(texts.items()) if t.strip()
    )
    if "--rewrite" in sys.argv:
        MANIFEST.write_text(text)
    assert MANIFEST.read_text() == text, f"{MANIFEST} is not what the chart gives"
    kubernetes_validate.validate(next(yaml.safe_load_all(text)), VERSIONS[-1], strict=True)

    container, pod = container_of(found)
    security = container["securityContext"]
    unit = (PACKAGING / "peregrine.service").read_text()
    wanted = re.search(r"^CapabilityBoundingSet=(.*)$", unit, re.M)[1].replace("CAP_", "").split()
    assert security["capabilities"] == {"drop": ["ALL"], "add": wanted}, "other capabilities than the unit"
    assert not security["privileged"] and security["readOnlyRootFilesystem"]
    assert pod["hostPID"] and not pod.get("hostNetwork") and not pod["automountServiceAccountToken"]
    mounted = {m["name"] for m in container["volumeMounts"]}
    assert mounted == {v["name"] for v in pod["volumes"]}, "volumes and mounts differ"
    writable = {m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")}
    assert writable == {"/run/peregrine", "/var/lib/peregrine"}, f"writable: {writable}"
    stop = int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.M)[1])
    assert pod["terminationGracePeriodSeconds"] == stop
    config = yaml.safe_load(the(found, "ConfigMap")["data"]["peregrine.yaml"])
    web = config["webserver"]
    for probe in "startupProbe", "livenessProbe", "readinessProbe":
        get = container[probe]["httpGet"]
        assert get["path"] == web["k8s_healthz_endpoint"], probe
    assert container["ports"] == [{"name": "http", "containerPort": web["listen_port"]}]

    # Every value that a user may set arrives.
    others = {
        "image": {"repository": "r.example.org/p", "digest": "sha256:" + "0" * 64},
        "imagePullSecrets": [{"name": "key"}],
        "config": {"priority": "warning", "peregrine": {"containers": {"deferral_ms": 100}}},
        "rules": {"local.yaml": "- list: a\n  items: [b]\n"},
        "hostPaths": ["/run", "/var/lib/docker"],
        "seccompProfile": {"type": "Localhost", "localhostProfile": "bpf.json"},
        "extraCapabilities": ["SYS_RESOURCE"],
        "affinity": {"nodeAffinity": {}},
        "podAnnotations": {"a": "b"},
    }
    _, changed = documents(others)
    container, pod = container_of(changed)
    assert container["image"] == "r.example.org/p@sha256:" + "0" * 64
    assert pod["imagePullSecrets"] == [{"name": "key"}]
    assert container["securityContext"]["capabilities"]["add"] == wanted + ["SYS_RESOURCE"]
    assert container["securityContext"]["seccompProfile"] == others["seccompProfile"]
    assert "/host/var/lib/docker" in {m["mountPath"] for m in container["volumeMounts"]}
    assert the(changed, "ConfigMap", "peregrine-rules")["data"] == others["rules"]
    merged = yaml.safe_load(the(changed, "ConfigMap")["data"]["peregrine.yaml"])
    assert merged["priority"] == "warning"
    assert merged["peregrine"]["containers"]["deferral_ms"] == 100
    assert merged["peregrine"]["containers"]["host_root"] == "/host"
    print(yaml.safe_dump(config), end="")


main()

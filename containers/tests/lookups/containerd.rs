//! containerd's own services, for containers that CRI does not know.

use containers::{Kind, Why};
use serde_json::json;

use crate::grpc::{Call, NOT_FOUND, Outcome, UNIMPLEMENTED, Written, serve};
use crate::host::{Host, id};

const SOCKET: &str = "run/containerd/containerd.sock";

fn container(id: &str, spec: &[u8]) -> Written {
    let spec = Written::new()
        .text(1, "types.containerd.io/opencontainers/runtime-spec/1/Spec")
        .bytes(2, spec);
    Written::new()
        .text(1, id)
        .pair(2, "nerdctl/name", "mine")
        .text(3, "docker.io/library/bb:v1")
        .message(5, spec)
        .message(8, Written::new().number(1, 1_714_979_289))
}

fn answer(call: &Call) -> Outcome {
    let (asked_for, of) = (call.asked_for(), Written::new());
    let spec = json!({"process": {"user": {"uid": 5}, "env": ["A=b"]},
        "linux": {"namespaces": [{"type": "pid"}, {"type": "ipc"}], "rootfsPropagation": "rslave"},
        "mounts": [{"destination": "/data", "source": "/srv", "options": ["rbind", "ro"]}]});
    match (&*call.method, &*call.namespace, &*asked_for) {
        ("containerd.services.namespaces.v1.Namespaces/List", "", _) => {
            let named = |name| Written::new().text(1, name);
            of.message(1, named("default")).message(1, named("mine")).done()
        }
        ("containerd.services.containers.v1.Containers/Get", "mine", asked_for)
            if asked_for == id(1) =>
        {
            of.message(1, container(&id(1), spec.to_string().as_bytes())).done()
        }
        ("containerd.services.containers.v1.Containers/Get", "mine", "by-name") => {
            of.message(1, container("by-name", b"\x0a\xff no JSON")).done()
        }
        ("containerd.services.images.v1.Images/Get", "mine", "docker.io/library/bb:v1") => {
            let target = Written::new().text(1, "type").text(2, "sha256:77").number(3, 5);
            of.message(1, Written::new().text(1, "docker.io/library/bb:v1").message(3, target))
                .done()
        }
        (method, ..) if method.starts_with("runtime.v1.") => Err(UNIMPLEMENTED),
        _ => Err(NOT_FOUND),
    }
}

#[test]
fn a_container_is_found_in_its_namespace() {
    let mut host = Host::new(|root| serve(&root.join(SOCKET), answer), |_| {});
    let d = host.ask(Kind::Containerd, &id(1)).unwrap();
    assert_eq!((&*d.name, d.kind, &*d.user), ("mine", "containerd", "5"));
    assert_eq!((&*d.image_repository, &*d.image_tag), ("docker.io/library/bb", "v1"));
    assert_eq!((&*d.image_digest, d.created_s), ("sha256:77", 1_714_979_289));
    assert_eq!((d.host_pid, d.host_network, d.host_ipc), (false, true, false));
    assert_eq!((d.privileged, d.mounts[0].line()), (true, "/srv:/data::false:rslave".to_owned()));
    let d = host.ask(Kind::Containerd, "by-name").unwrap();
    assert_eq!((&*d.id, &*d.image_tag, d.privileged), ("by-name", "v1", false));
    assert_eq!(host.ask(Kind::Containerd, &id(2)), Err(Why::NotFound));
    assert_eq!(
        host.count("containers.cri.absent"),
        18,
        "a containerd without CRI, and sockets that are not there"
    );
    host.end();
}

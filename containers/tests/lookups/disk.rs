//! State on disk, as each runtime leaves it.

use std::path::Path;

use containers::{Details, Kind, Why};
use serde_json::{Value, json};

use crate::host::{Host, id, write};

/// What a host that is laid out like this knows of a container.
fn read(kind: Kind, full_id: &str, lay_out: impl FnOnce(&Path)) -> Result<Details, Why> {
    let mut host = Host::new(lay_out, |_| {});
    let found = host.ask(kind, full_id);
    host.end();
    found
}

fn spec(annotations: &Value) -> String {
    json!({
        "process": {"user": {"uid": 0}, "env": ["A=b"], "apparmorProfile": ""},
        "linux": {"namespaces": [{"type": "pid"}, {"type": "network"}], "maskedPaths": ["/proc/kcore"],
            "resources": {"cpu": {"shares": 512, "cpus": "0-1"}, "memory": {"limit": 4096}}},
        "mounts": [{"destination": "/data", "source": "/srv", "options": ["rbind", "rprivate", "ro"]}],
        "annotations": annotations,
    })
    .to_string()
}

#[test]
fn docker_with_the_names_of_its_image() {
    let d = read(Kind::Docker, &id(1), |root| {
        let own = format!("var/lib/docker/containers/{}", id(1));
        let image = format!("sha256:{}", id(7));
        let config = json!({
            "ID": id(1), "Created": "2024-05-06T07:08:09Z", "Name": "/web", "Image": image, "Driver": "overlay2",
            "State": {"StartedAt": "2024-05-06T07:08:10Z"},
            "Config": {"Image": "nginx", "Env": ["A=b"], "Labels": {"team": "red"}, "User": "www"},
            "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}}},
            "MountPoints": {"/data": {"Source": "/srv", "Destination": "/data", "RW": true, "Propagation": "rprivate", "Relabel": "z"}},
        });
        write(root, &format!("{own}/config.v2.json"), config.to_string());
        write(root, &format!("{own}/hostconfig.json"), r#"{"Privileged":true,"PidMode":"host","NetworkMode":"default"}"#);
        let names = json!({"Repositories": {"nginx": {"nginx:1.25": image, "nginx@sha256:5": image, "nginx:old": "sha256:0"}}});
        write(root, "var/lib/docker/image/overlay2/repositories.json", names.to_string());
    })
    .unwrap();
    assert_eq!((&*d.name, &*d.image_repository, &*d.image_tag), ("web", "nginx", "1.25"));
    assert_eq!((&*d.image_digest, &*d.image_id), ("sha256:5", &*id(7)));
    assert_eq!((d.privileged, d.host_pid, d.host_network), (true, true, false));
    assert_eq!(
        (d.mounts[0].line(), &*d.ip),
        ("/srv:/data:z:true:rprivate".to_owned(), "172.17.0.2")
    );
    assert_eq!((d.started_ns, &*d.labels["team"]), (1_714_979_290_000_000_000, "red"));
}

fn lay_out_podman(root: &Path, storage: &str) {
    let noted = json!({"image-name": "localhost/bb:v1", "image-id": id(7), "name": "web", "created-at": 1_714_979_289});
    let listed = json!([{"id": id(1), "names": ["web"], "image": id(7), "metadata": noted.to_string(), "created": "2024-05-06T07:08:09.1Z"}]);
    let privileged =
        json!({"io.container.manager": "libpod", "io.podman.annotations.privileged": "TRUE"});
    write(root, &format!("{storage}/overlay-containers/containers.json"), listed.to_string());
    write(
        root,
        &format!("{storage}/overlay-containers/{}/userdata/config.json", id(1)),
        spec(&privileged),
    );
    let images =
        json!([{"id": id(8)}, {"id": id(7), "digest": "sha256:5", "names": ["localhost/bb:v1"]}]);
    write(root, &format!("{storage}/overlay-images/images.json"), images.to_string());
}

#[test]
fn podman_of_root_and_of_a_user() {
    for storage in ["var/lib/containers/storage", "home/me/.local/share/containers/storage"] {
        let d = read(Kind::Podman, &id(1), |root| lay_out_podman(root, storage)).unwrap();
        assert_eq!((&*d.name, d.kind, d.privileged), ("web", "podman", true), "{storage}");
        assert_eq!((&*d.image_repository, &*d.image_tag), ("localhost/bb", "v1"));
        assert_eq!((&*d.image_digest, &*d.image_id), ("sha256:5", &*id(7)));
        assert_eq!((d.created_s, d.host_network, d.host_ipc), (1_714_979_289, false, true));
        assert_eq!(
            (d.limits.cpu_shares, d.limits.cpuset_cpu_count, d.limits.memory),
            (512, 2, 4096)
        );
        let unknown = read(Kind::Podman, &id(2), |root| lay_out_podman(root, storage));
        assert_eq!(unknown, Err(Why::NotFound));
    }
    let half = |root: &Path| {
        lay_out_podman(root, "var/lib/containers/storage");
        write(root, "var/lib/containers/storage/overlay-containers/containers.json", "[{\"id\"");
    };
    assert_eq!(read(Kind::Podman, &id(1), half).unwrap().env, ["A=b"], "while the list is written");
}

#[test]
fn cri_o_by_the_notes_in_its_specification() {
    let d = read(Kind::CriO, &id(1), |root| {
        let notes = json!({
            "io.kubernetes.container.name": "web", "io.kubernetes.pod.name": "web-0", "io.kubernetes.pod.namespace": "shop",
            "io.kubernetes.pod.uid": "0f90", "io.kubernetes.cri-o.ImageName": "quay.io/a/b:2", "io.kubernetes.cri-o.SandboxID": id(9),
            "io.kubernetes.cri-o.ContainerType": "container", "io.kubernetes.cri-o.Labels": "{\"team\":\"red\"}",
            "io.kubernetes.cri-o.Created": "2024-05-06T07:08:09Z", "io.kubernetes.cri-o.IP.0": "10.1.2.3",
        });
        let path = |id: &str| format!("run/containers/storage/overlay-containers/{id}/userdata/config.json");
        let mut joined: Value = serde_json::from_str(&spec(&notes)).unwrap();
        joined["linux"]["namespaces"] = json!([{"type": "pid"}, {"type": "network", "path": "/run/netns/1"}, {"type": "ipc", "path": "/run/ipcns/1"}]);
        write(root, &path(&id(1)), joined.to_string());
        let notes = json!({"io.kubernetes.cri-o.Labels": "{\"app\":\"web\",\"io.kubernetes.pod.name\":\"web-0\"}"});
        let mut sandbox: Value = serde_json::from_str(&spec(&notes)).unwrap();
        sandbox["linux"]["namespaces"] = json!([{"type": "pid"}, {"type": "ipc"}]);
        write(root, &path(&id(9)), sandbox.to_string());
    })
    .unwrap();
    assert_eq!((&*d.name, d.kind, &*d.image_tag), ("web", "cri-o", "2"));
    assert_eq!((&*d.pod_sandbox_id, &*d.ip, d.created_s), (&*id(9), "10.1.2.3", 1_714_979_289));
    assert_eq!((&*d.labels["team"], &*d.labels["io.kubernetes.pod.namespace"]), ("red", "shop"));
    assert_eq!((d.is_pod_sandbox, d.privileged), (false, false));
    assert_eq!(
        (d.host_network, d.host_ipc, d.host_pid),
        (true, false, false),
        "those of the sandbox"
    );
    assert_eq!(
        d.pod_sandbox_labels.into_iter().collect::<Vec<_>>(),
        [("app".to_owned(), "web".to_owned())]
    );
}

#[test]
fn containerd_by_the_bundle_of_any_namespace() {
    let lay_out = |root: &Path| {
        let notes = json!({
            "io.kubernetes.cri.container-name": "web", "io.kubernetes.cri.container-type": "container",
            "io.kubernetes.cri.image-name": "docker.io/library/nginx:1.25", "io.kubernetes.cri.sandbox-id": id(9),
            "io.kubernetes.cri.sandbox-name": "web-0", "io.kubernetes.cri.sandbox-namespace": "shop", "io.kubernetes.cri.sandbox-uid": "0f90",
        });
        let tasks = "run/containerd/io.containerd.runtime.v2.task";
        write(root, &format!("{tasks}/k8s.io/{}/config.json", id(1)), spec(&notes));
        write(root, &format!("{tasks}/default/by-hand/config.json"), spec(&json!({})));
    };
    for kind in [Kind::Containerd, Kind::Cri] {
        let d = read(kind, &id(1), lay_out).unwrap();
        assert_eq!((&*d.name, &*d.image_repository), ("web", "docker.io/library/nginx"));
        assert_eq!(d.kind, "containerd");
        assert_eq!((&*d.pod_sandbox_id, &*d.labels["io.kubernetes.pod.uid"]), (&*id(9), "0f90"));
    }
    assert_eq!(read(Kind::Containerd, "by-hand", lay_out).unwrap().name, "by-hand");
    assert_eq!(read(Kind::Containerd, "..", lay_out), Err(Why::NotFound));
    assert_eq!(read(Kind::Containerd, "a/../b", lay_out), Err(Why::NotFound));
}

#[test]
fn runc_by_its_state_and_the_bundle_that_it_names() {
    let d = read(Kind::Containerd, &id(1), |root| {
        let bundle = root.join("bundles/one");
        let state = json!({"id": id(1), "created": "2024-05-06T07:08:09Z",
            "config": {"labels": ["a=b", format!("bundle={}", bundle.display())]}});
        write(root, &format!("run/runc/{}/state.json", id(1)), state.to_string());
        write(root, "bundles/one/config.json", spec(&json!({})));
    })
    .unwrap();
    assert_eq!((d.created_s, &*d.env), (1_714_979_289, &["A=b".to_owned()][..]));
}

#[test]
fn machines_are_known_with_a_configuration_and_without() {
    let d = read(Kind::Lxc, "web-1", |root| {
        let config = "# a comment\nlxc.idmap = u 0 100000 65536\nlxc.mount.entry = /srv data none bind,ro 0 0\nlxc.environment = A=b\n\
            lxc.net.0.ipv4.address = 10.0.3.5/24\nlxc.net.0.type = none\nlxc.mount.entry = broken\n";
        write(root, "var/lib/lxc/web-1/config", config);
    })
    .unwrap();
    assert_eq!((&*d.id, &*d.name, d.kind), ("web-1", "web-1", "lxc"));
    assert_eq!((d.has_user_namespace, d.host_network, &*d.ip), (true, true, "10.0.3.5"));
    assert_eq!((d.mounts.len(), d.mounts[0].line()), (1, "/srv:/data::false:".to_owned()));
    let d = read(Kind::Nspawn, "deb", |root| {
        let config = "[Exec]\nPrivateUsers=pick\nEnvironment=A=b\n[Files]\nBindReadOnly=/srv:/data\nBind=/x\n";
        write(root, "etc/systemd/nspawn/deb.nspawn", config);
    })
    .unwrap();
    assert_eq!((d.kind, d.has_user_namespace, &*d.env[0]), ("systemd-nspawn", true, "A=b"));
    let lines: Vec<_> = d.mounts.iter().map(containers::Mount::line).collect();
    assert_eq!(lines, ["/srv:/data::false:", "/x:/x::true:"]);
    for kind in [Kind::Lxc, Kind::Nspawn] {
        assert_eq!(read(kind, "bare", |_| ()).unwrap().name, "bare");
    }
}

#[test]
fn files_that_are_none_do_no_harm() {
    let path = format!("var/lib/docker/containers/{}/config.v2.json", id(1));
    let garbage = |content: Vec<u8>| read(Kind::Docker, &id(1), |root| write(root, &path, content));
    assert_eq!(garbage(b"{".to_vec()), Err(Why::BadAnswer));
    assert_eq!(garbage(b"[]".to_vec()), Err(Why::BadAnswer));
    assert_eq!(garbage(vec![b'['; 100_000]), Err(Why::BadAnswer));
    assert_eq!(garbage(vec![b' '; 5 << 20]), Err(Why::BadAnswer));
    let pipe = read(Kind::Docker, &id(1), |root| {
        write(root, &path, "");
        std::fs::remove_file(root.join(&path)).unwrap();
        let mode = rustix::fs::Mode::RUSR;
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, root.join(&path), fifo, mode, 0).unwrap();
    });
    assert_eq!(pipe, Err(Why::BadAnswer), "a pipe that nobody writes into");
}

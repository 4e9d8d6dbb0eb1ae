//! Podman itself: its service, and what it leaves on disk.

use containers::{Details, Kind};

use crate::host::Host;
use crate::podman::{IMAGE, Made, PROGRAMS, podman};
use crate::real::{can_run, container_of, run};

fn check(details: &Details, from: &str) {
    assert_eq!((&*details.name, details.kind), ("peregrine-test", "podman"), "{from}");
    assert_eq!(details.image, IMAGE, "{from}");
    assert_eq!(details.image_repository, "localhost/peregrine/bb", "{from}");
    assert_eq!((&*details.image_tag, details.image_id.len()), ("v1", 64), "{from}");
    assert!(details.image_digest.starts_with("sha256:"), "{from}: {details:?}");
    assert!(details.privileged && !details.host_pid && !details.host_network, "{from}");
    assert!(details.env.contains(&"A=b".to_owned()), "{from}: {:?}", details.env);
    let mount = details.mounts.iter().find(|m| m.dest == "/data").expect("its mount");
    assert!(mount.source == "/usr" && !mount.rdwr, "{from}: {mount:?}");
    assert!(details.created_s > 1_700_000_000, "{from}");
}

#[test]
fn podman_tells_by_its_service_and_by_its_files() {
    if !can_run("podman", &PROGRAMS) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let mut made = Made::new(root);
    let more = ["--label", "team=red", "--env", "A=b", "--volume", "/usr:/data:ro"];
    let full_id = made.start("peregrine-test", &more);
    let pid = run(podman(root).args(["inspect", "--format", "{{.State.Pid}}", &full_id]));
    let container = container_of(&pid);
    assert_eq!((container.kind(), container.full_id()), (Kind::Podman, &*full_id));
    let own_root = |config: &mut containers::LookupConfig| config.host_root = root.to_owned();

    let mut from_disk = Host::new(|_| (), own_root);
    check(&from_disk.ask(Kind::Podman, &full_id).unwrap(), "disk");
    assert_eq!(from_disk.count("containers.disk.known"), 1);
    from_disk.end();

    let service = made.serve();
    let mut from_socket = Host::new(|_| (), own_root);
    let details = from_socket.ask(Kind::Podman, &full_id).unwrap();
    check(&details, "socket");
    assert_eq!(details.labels["team"], "red", "labels are not on disk in a form that is read");
    assert!(details.started_ns > 1_700_000_000_000_000_000);
    assert_eq!(from_socket.count("containers.podman.known"), 1);
    from_socket.end();
    drop((service, made));
}

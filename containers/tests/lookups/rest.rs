//! Docker's and Podman's APIs, as they answer and as they should not.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::host::{Host, id, write};
use crate::http::{Reply, serve};
use containers::{Kind, LookupConfig, Port, Probe, Why};
use serde_json::json;

const DOCKER: &str = "var/run/docker.sock";
const PODMAN: &str = "run/podman/podman.sock";

/// What `inspect` tells of a container, with all that is looked at.
fn inspected(id: &str) -> serde_json::Value {
    json!({
        "Id": id, "Name": "/web", "Created": "2024-05-06T07:08:09.5Z",
        "Image": format!("sha256:{}", "e".repeat(64)),
        "State": {"StartedAt": "2024-05-06T07:08:10.25Z"},
        "Config": {
            "Image": "registry:5000/team/web:1.2", "User": "1000:1000", "Env": ["PATH=/bin", "A=b"], "Labels": {"team": "red"},
            "Healthcheck": {"Test": ["CMD-SHELL", "curl -f localhost"]},
        },
        "HostConfig": {
            "Privileged": true, "PidMode": "host", "IpcMode": "host", "NetworkMode": "bridge", "UsernsMode": "",
            "CpuShares": 512, "CpuPeriod": 0, "CpuQuota": 5000, "CpusetCpus": "0-1", "Memory": 1_048_576, "MemorySwap": 2_097_152,
        },
        "Mounts": [{"Type": "bind", "Source": "/srv", "Destination": "/data", "Mode": "ro", "RW": false, "Propagation": "rprivate"}],
        "NetworkSettings": {
            "IPAddress": "", "Networks": {"net": {"IPAddress": "172.18.0.2"}},
            "Ports": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}], "53/udp": [{"HostIp": "", "HostPort": "53"}]},
        },
    })
}

#[test]
fn docker_tells_everything() {
    let container = id(1);
    let image = json!({"RepoTags": ["registry:5000/team/web:1.2"],
        "RepoDigests": ["other@sha256:1", "registry:5000/team/web@sha256:2"]});
    let mut host = Host::new(
        |root| {
            let container = container.clone();
            serve(&root.join(DOCKER), move |path| match path {
                p if p == format!("/containers/{container}/json") => {
                    Reply::Json(inspected(&container).to_string())
                }
                p if p == format!("/images/{}/json", "e".repeat(64)) => {
                    Reply::Json(image.to_string())
                }
                _ => Reply::Status(404),
            });
        },
        |_| {},
    );
    let d = host.ask(Kind::Docker, &container).unwrap();
    assert_eq!((&*d.name, d.kind, &*d.id), ("web", "docker", &container[..12]));
    assert_eq!(d.image, "registry:5000/team/web:1.2");
    assert_eq!((&*d.image_repository, &*d.image_tag), ("registry:5000/team/web", "1.2"));
    assert_eq!((&*d.image_digest, d.image_id), ("sha256:2", "e".repeat(64)));
    assert_eq!((d.created_s, d.started_ns), (1_714_979_289, 1_714_979_290_250_000_000));
    assert_eq!((d.privileged, d.host_pid, d.host_network, d.host_ipc), (true, true, false, true));
    assert_eq!((&*d.user, &*d.env), ("1000:1000", &["PATH=/bin".to_owned(), "A=b".to_owned()][..]));
    assert_eq!(d.mounts[0].line(), "/srv:/data:ro:false:rprivate");
    assert_eq!(d.ports, [Port { host_ip: 0x7f00_0001, host_port: 8080, container_port: 80 }]);
    assert_eq!((&*d.ip, &*d.labels["team"]), ("172.18.0.2", "red"));
    let limits = (d.limits.cpu_period, d.limits.cpu_shares, d.limits.cpuset_cpu_count);
    assert_eq!((limits, d.limits.memory), ((100_000, 512, 2), 1_048_576));
    let args = vec!["-c".to_owned(), "curl -f localhost".to_owned()];
    assert_eq!(d.healthcheck, Some(Probe { exe: "/bin/sh".to_owned(), args }));
    assert_eq!(host.ask(Kind::Docker, &id(2)), Err(Why::NotFound));
    assert_eq!(host.count("containers.docker.known"), 1);
    assert_eq!(host.count("containers.docker.not_found"), 4, "asked four times in all");
    host.end();
}

#[test]
fn the_address_of_a_container_that_shares_a_network_is_the_others() {
    let mut host = Host::new(
        |root| {
            serve(&root.join(DOCKER), |path| {
                let network = json!({"Id": id(1), "HostConfig": {"NetworkMode": format!("container:{}", id(2))}});
                let other = json!({"Id": id(2), "NetworkSettings": {"IPAddress": "10.0.0.7"}});
                match path {
                    p if p.contains(&id(1)) => Reply::Json(network.to_string()),
                    p if p.contains(&id(2)) => Reply::Json(other.to_string()),
                    _ => Reply::Status(404),
                }
            });
        },
        |_| {},
    );
    assert_eq!(host.ask(Kind::Docker, &id(1)).unwrap().ip, "10.0.0.7");
    host.end();
}

#[test]
fn podman_is_asked_by_its_own_api_and_an_old_one_by_dockers() {
    let mut host = Host::new(
        |root| {
            serve(&root.join(PODMAN), |path| match path.strip_prefix("/v4.0.0/libpod") {
                Some(path) if path.contains(&id(1)) => {
                    let mut of = inspected(&id(1));
                    of["ImageName"] = "localhost/bb:v1".into();
                    of["ImageDigest"] = "sha256:7".into();
                    Reply::Json(of.to_string())
                }
                Some(path) if path.contains(&id(3)) => Reply::Status(404),
                Some(_) => Reply::Status(400),
                None if path == format!("/containers/{}/json", id(2)) => {
                    Reply::Json(inspected(&id(2)).to_string())
                }
                None => Reply::Status(404),
            });
        },
        |_| {},
    );
    let d = host.ask(Kind::Podman, &id(1)).unwrap();
    assert_eq!((&*d.image_repository, &*d.image_tag), ("localhost/bb", "v1"));
    assert_eq!((&*d.image_digest, d.kind), ("sha256:7", "podman"));
    let d = host.ask(Kind::Podman, &id(2)).unwrap();
    assert_eq!((&*d.image_tag, d.kind), ("1.2", "podman"));
    assert_eq!(host.ask(Kind::Podman, &id(3)), Err(Why::NotFound));
    host.end();
}

#[test]
fn users_are_asked_last() {
    let named = |id: String, name: &str| {
        let mut of = inspected(&id);
        of["Name"] = name.into();
        Reply::Json(of.to_string())
    };
    let mut host = Host::new(
        |root| {
            serve(&root.join(PODMAN), move |path| {
                if path.contains(&id(1)) { named(id(1), "roots") } else { Reply::Status(404) }
            });
            serve(&root.join("run/user/1000/podman/podman.sock"), |_| Reply::Hang);
            serve(&root.join("run/user/1001/podman/podman.sock"), move |path| {
                let asked = if path.contains(&id(1)) { id(1) } else { id(2) };
                named(asked, "users")
            });
        },
        |_| {},
    );
    let known = |n| host.ask(Kind::Podman, &id(n)).map(|d| (d.name, d.has_user_namespace));
    assert_eq!(known(1), Ok(("roots".to_owned(), false)));
    assert_eq!(known(2), Ok(("users".to_owned(), true)));
    host.end();
}

/// What a socket that answers like this comes to, where nothing is on disk.
fn outcome_of(reply: Reply) -> Why {
    let patience = reply.patience();
    let bounds = |config: &mut LookupConfig| config.request_timeout = patience;
    let mut host = Host::new(
        |root| {
            serve(&root.join(DOCKER), move |_| reply.clone());
        },
        bounds,
    );
    let why = host.ask(Kind::Docker, &id(1)).unwrap_err();
    host.end();
    why
}

#[test]
fn answers_that_are_none_are_told_apart_and_end() {
    let json = |text: &str| Reply::Json(text.to_owned());
    assert_eq!(outcome_of(Reply::Status(404)), Why::NotFound);
    for reply in [
        Reply::Status(500),
        json("{"),
        json("[]"),
        json("null"),
        json(&inspected(&id(2)).to_string()),
        json(&"[".repeat(1000)),
        Reply::Raw(Vec::new()),
        Reply::Raw(b"SSH-2.0-x\r\n".to_vec()),
        Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{".to_vec()),
        Reply::Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec()),
    ] {
        assert_eq!(outcome_of(reply.clone()), Why::BadAnswer, "{reply:?}");
    }
    assert_eq!(outcome_of(Reply::Hang), Why::TimedOut);
    let endless = outcome_of(Reply::Endless);
    assert!(matches!(endless, Why::BadAnswer | Why::TimedOut), "{endless:?}");
}

#[test]
fn a_socket_that_hangs_costs_a_few_timeouts_and_not_one_for_each_container() {
    let bounds = |config: &mut LookupConfig| config.request_timeout = Duration::from_millis(300);
    let n = 10_000;
    let mut requests = None;
    let mut host = Host::new(
        |root| {
            requests = Some(serve(&root.join(DOCKER), |_| Reply::Hang));
            for n in 0..3 {
                let config = json!({"ID": id(n), "Name": "/on-disk"}).to_string();
                write(root, &format!("var/lib/docker/containers/{}/config.v2.json", id(n)), config);
            }
        },
        bounds,
    );
    let start = Instant::now();
    for n in 0..n {
        while !host.asker().ask(Kind::Docker, &id(n)) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let known = (0..n).filter(|_| matches!(host.next(), containers::Answer::Known(_))).count();
    assert_eq!(known, 3, "the disk is read meanwhile");
    let took = start.elapsed();
    assert!(took < Duration::from_mins(1), "{took:?}");
    let n_requests = requests.map_or(0, |r| r.load(Ordering::Relaxed));
    assert!(n_requests < 100, "{n_requests} requests to a socket that hangs");
    assert!(host.count("containers.docker.skipped") > n - 200);
    host.end();
}

#[test]
fn a_runtime_that_comes_back_is_asked_again() {
    let bounds = |config: &mut LookupConfig| config.request_timeout = Duration::from_millis(50);
    let root = tempfile::tempdir().unwrap();
    let socket = root.path().join(DOCKER);
    let mut host = Host::new(
        |_| (),
        |config| {
            bounds(config);
            config.host_root = root.path().to_owned();
        },
    );
    assert_eq!(host.ask(Kind::Docker, &id(1)), Err(Why::NoRuntime));
    serve(&socket, |_| Reply::Hang);
    for n in 2..6 {
        assert_eq!(host.ask(Kind::Docker, &id(n)), Err(Why::TimedOut));
    }
    std::fs::remove_file(&socket).unwrap();
    serve(&socket, |_| Reply::Json(inspected(&id(7)).to_string()));
    let deadline = Instant::now() + Duration::from_secs(10);
    while host.ask(Kind::Docker, &id(7)).is_err() {
        assert!(Instant::now() < deadline, "it is not asked again");
        std::thread::sleep(Duration::from_millis(20));
    }
    host.end();
}

#[test]
fn a_container_that_its_runtime_tells_of_a_little_later_is_known() {
    let mut n_asked = 0;
    let replies = std::sync::Mutex::new(move || {
        n_asked += 1;
        if n_asked < 3 { Reply::Status(404) } else { Reply::Json(inspected(&id(1)).to_string()) }
    });
    let mut host = Host::new(
        |root| {
            serve(&root.join(DOCKER), move |path| {
                if path.starts_with("/images") {
                    Reply::Status(404)
                } else {
                    replies.lock().unwrap()()
                }
            });
        },
        |_| {},
    );
    assert_eq!(host.ask(Kind::Docker, &id(1)).unwrap().name, "web");
    assert_eq!(host.count("containers.docker.not_found"), 2);
    host.end();
}

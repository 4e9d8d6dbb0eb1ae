//! Questions and answers: each accepted question has one answer, whatever becomes of it, and the counters say so.

use crate::host::{Host, id, write};
use containers::{Answer, Details, Kind, Why};

fn lay_out_docker(root: &std::path::Path, n: u64) {
    let id = id(n);
    let config = format!(r#"{{"ID":"{id}","Name":"/web-{n}","Config":{{"Image":"nginx:1"}}}}"#);
    write(root, &format!("var/lib/docker/containers/{id}/config.v2.json"), config);
}

#[test]
fn a_container_on_disk_is_known_and_one_that_is_not_is_asked_for_again_and_given_up() {
    let mut host = Host::new(|root| lay_out_docker(root, 1), |_| {});
    let details = host.ask(Kind::Docker, &id(1)).unwrap();
    assert_eq!((&*details.name, &*details.image_tag, details.kind), ("web-1", "1", "docker"));
    assert_eq!(host.ask(Kind::Docker, &id(2)), Err(Why::NotFound));
    assert_eq!(host.ask(Kind::Docker, "../../etc"), Err(Why::NotFound));
    assert_eq!(host.ask(Kind::CriO, &id(3)), Err(Why::NoRuntime));
    assert_eq!(host.ask(Kind::Host, "host"), Ok(Details::host()));
    assert_eq!(host.count("containers.asked"), 5);
    assert_eq!(host.count("containers.known"), 2);
    assert_eq!(host.count("containers.unknown.not_found"), 2);
    assert_eq!(host.count("containers.unknown.no_runtime"), 1);
    host.end();
}

#[test]
fn the_same_id_asked_for_at_once_is_asked_for_once() {
    let mut host = Host::new(|root| lay_out_docker(root, 1), |_| {});
    for _ in 0..10 {
        assert!(host.asker().ask(Kind::Docker, &id(2)));
    }
    assert!(matches!(host.next(), Answer::Unknown { why: Why::NotFound, .. }));
    assert_eq!((host.count("containers.asked"), host.count("containers.repeated")), (10, 9));
    host.end();
}

#[test]
fn an_id_asked_for_again_later_is_answered_from_the_cache() {
    let mut host = Host::new(|root| lay_out_docker(root, 1), |_| {});
    let first = host.ask(Kind::Docker, &id(1));
    assert_eq!(host.ask(Kind::Docker, &id(1)), first);
    assert_eq!((host.count("containers.known"), host.count("containers.from_cache")), (2, 1));
    host.end();
}

#[test]
fn a_full_queue_refuses_and_what_is_open_at_the_end_is_abandoned() {
    let bounds = |config: &mut containers::LookupConfig| {
        (config.max_queued, config.max_concurrent) = (3, 2);
    };
    let mut host = Host::new(|root| lay_out_docker(root, 1), bounds);
    // Each takes 300 ms to be given up.
    let n_accepted = (10..40).filter(|n| host.asker().ask(Kind::Docker, &id(*n))).count() as u64;
    assert!((3..=5).contains(&n_accepted), "{n_accepted}");
    assert_eq!(host.count("containers.refused"), 30 - n_accepted);
    host.end();
    assert_eq!(host.count("containers.abandoned"), n_accepted);
    assert!(!host.asker().ask(Kind::Docker, &id(1)), "nobody is there to answer");
}

#[test]
fn a_thread_whose_runtime_hangs_ends_soon() {
    let mut host = Host::new(
        |root| {
            crate::http::serve(&root.join("var/run/docker.sock"), |_| crate::http::Reply::Hang);
        },
        |config| config.request_timeout = std::time::Duration::from_mins(1),
    );
    for n in 0..100 {
        assert!(host.asker().ask(Kind::Docker, &id(n)));
    }
    let start = std::time::Instant::now();
    host.end();
    assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(host.count("containers.abandoned"), 100);
}

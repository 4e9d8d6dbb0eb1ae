//! The socket against its clients, good and bad.

use std::os::unix::fs::PermissionsExt as _;

use std::sync::mpsc::channel;

use perf::{Moment, Registry};
use rustix::thread::set_thread_res_uid;

use super::*;
use crate::request::RulesInForce;

fn stats() -> AgentStats {
    let mut registry = Registry::new();
    registry.counter("frames").add(7);
    AgentStats {
        began_ns: 1,
        snapshot: registry.snapshot(Moment::Running),
        rules: RulesInForce::default(),
    }
}

fn serve(path: &Path) -> ControlServer {
    serve_jobs(path, |_, _| panic!("no job was asked for"))
}

fn serve_jobs(
    path: &Path,
    job: impl Fn(Job, &Asker<'_>) -> Response + Send + Sync + 'static,
) -> ControlServer {
    let answers = Answers {
        stats: Box::new(stats),
        watch: Box::new(|_| panic!("nobody looks")),
        job: Box::new(job),
        refused: Box::new(|_| {}),
    };
    ControlSocket::bind(path).unwrap().serve(answers).unwrap()
}

fn ask_stats(path: &Path) -> Result<Response> {
    ask(path, &Request::Stats, Duration::ZERO)
}

fn n_frames(path: &Path) -> u64 {
    match ask_stats(path).unwrap() {
        Response::Stats(s) => s.snapshot.get("frames").unwrap(),
        other => panic!("{other:?}"),
    }
}

fn message<T: std::fmt::Debug>(r: Result<T>) -> String {
    format!("{:#}", r.unwrap_err())
}

#[test]
fn stats_are_answered_and_the_socket_goes_with_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run/p.sock");
    let server = serve(&path);
    assert_eq!(n_frames(&path), 7);
    let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    drop(server);
    assert!(!path.exists());
    let e = message(ask_stats(&path));
    assert!(e.starts_with("no agent is listening on "), "{e}");
}

#[test]
fn a_second_instance_is_refused_and_the_first_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.sock");
    let _server = serve(&path);
    let e = message(ControlSocket::bind(&path));
    assert!(e.starts_with("another instance is running"), "{e}");
    assert_eq!(n_frames(&path), 7);
}

/// An agent that is stopped takes nobody in.
#[test]
fn who_connects_where_as_many_wait_as_may_does_not_wait_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.sock");
    let flags = SocketFlags::CLOEXEC;
    let stopped = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
    rustix::net::bind(&stopped, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    rustix::net::listen(&stopped, 0).unwrap();
    let mut waiting = Vec::new();
    let refused = loop {
        match connect(&path, Instant::now()) {
            Ok(stream) => waiting.push(stream),
            Err(e) => break e,
        }
        assert!(waiting.len() < 100);
    };
    assert_eq!(refused.kind(), ErrorKind::TimedOut);
    assert!(is_anyone_there(&path));
    let e = message(ControlSocket::bind(&path));
    assert!(e.starts_with("another instance is listening on "), "{e}");
    let e = message(ask_stats(&path));
    assert!(e.contains("takes nobody in"), "{e}");
    drop(stopped);
    assert!(!is_anyone_there(&path));
}

#[test]
fn a_pipe_or_a_link_in_the_place_of_the_lock_ends_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.sock");
    let lock = dir.path().join("p.sock.lock");
    rustix::fs::mkfifoat(rustix::fs::CWD, &lock, Mode::RUSR | Mode::WUSR).unwrap();
    let e = message(ControlSocket::bind(&path));
    let told = "p.sock.lock: a pipe, socket or link is in its place; remove that";
    assert!(e.ends_with(told), "{e}");
    fs::remove_file(&lock).unwrap();
    let elsewhere = dir.path().join("elsewhere");
    std::os::unix::fs::symlink(&elsewhere, &lock).unwrap();
    let e = message(ControlSocket::bind(&path));
    assert!(e.ends_with(told) && !elsewhere.exists(), "{e}");
}

#[test]
fn a_stale_socket_is_replaced_and_a_file_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "std leaves the socket behind");
    let server = serve(&path);
    assert_eq!(n_frames(&path), 7);
    drop(server);
    fs::write(&path, "precious").unwrap();
    let e = message(ControlSocket::bind(&path));
    assert!(e.ends_with("a file that is not a socket is in its place"), "{e}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn broken_clients_cost_the_next_one_a_moment() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.sock");
    let _server = serve(&path);
    drop(UnixStream::connect(&path).unwrap());
    let mut garbage = UnixStream::connect(&path).unwrap();
    garbage.write_all(b"{\"ask\":\"everything\"}\n").unwrap();
    let mut answer = String::new();
    garbage.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("{\"error\":\"not a request: "), "{answer}");
    let mut long = UnixStream::connect(&path).unwrap();
    drop(long.write_all(&vec![b'x'; 3 * MAX_REQUEST_BYTES]));
    let _silent = UnixStream::connect(&path).unwrap();
    let start = Instant::now();
    assert_eq!(n_frames(&path), 7);
    assert!(start.elapsed() < 2 * CLIENT_DEADLINE);
}

/// Descriptors of this process; other tests of it come and go.
fn n_sockets_to(path: &Path) -> usize {
    let name = path.to_str().unwrap();
    let all = fs::read_to_string("/proc/net/unix").unwrap();
    all.lines().filter(|line| line.ends_with(name)).count()
}

/// Connected, and nothing said.
fn crowd(path: &Path, n: usize) -> Vec<UnixStream> {
    (0..n).map(|_| UnixStream::connect(path).unwrap()).collect()
}

#[test]
fn two_hundred_silent_clients_keep_nobody_waiting_and_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.sock");
    let _server = serve(&path);
    let start = Instant::now();
    let silent = crowd(&path, 200);
    assert_eq!(n_frames(&path), 7);
    assert!(start.elapsed() < CLIENT_DEADLINE, "{:?}", start.elapsed());
    // The oldest have been let go of, the others once their time is over.
    let deadline = start + 10 * CLIENT_DEADLINE;
    while n_sockets_to(&path) > 1 {
        assert!(Instant::now() < deadline, "{} sockets", n_sockets_to(&path));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(n_frames(&path), 7);
    drop(silent);
}

#[test]
fn clients_that_ask_byte_by_byte_or_never_read_cost_others_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.sock");
    // An answer that no socket holds.
    let long = Response::Error("x".repeat(4 << 20));
    let asked = serde_json::to_string(&long).unwrap();
    let answers = Answers {
        stats: Box::new(stats),
        watch: Box::new(|_| panic!("nobody looks")),
        job: Box::new(move |_, _| serde_json::from_str(&asked).unwrap()),
        refused: Box::new(|_| {}),
    };
    let _server = ControlSocket::bind(&path).unwrap().serve(answers).unwrap();
    let mut slow = crowd(&path, 20);
    let mut deaf = crowd(&path, 5);
    let request = serde_json::to_vec(&reload(&["/a"])).unwrap();
    for client in &mut deaf {
        client.write_all(&[&request[..], b"\n"].concat()).unwrap();
    }
    for (i, byte) in request.iter().enumerate().take(10) {
        for client in &mut slow {
            // Some have been let go of by then.
            drop(client.write_all(&[*byte]));
        }
        let start = Instant::now();
        assert_eq!(n_frames(&path), 7, "after {i} bytes");
        assert!(start.elapsed() < CLIENT_DEADLINE);
    }
    drop((slow, deaf));
    assert_eq!(n_frames(&path), 7);
}

#[test]
fn lines_without_end_garbage_and_half_closed_connections_end_with_their_clients() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.sock");
    let _server = serve(&path);
    let send = |bytes: &[u8]| {
        let mut client = UnixStream::connect(&path).unwrap();
        client.set_write_timeout(Some(2 * CLIENT_DEADLINE)).unwrap();
        // A line that is too long is not read to its end.
        drop(client.write_all(bytes));
        drop(client.shutdown(std::net::Shutdown::Write));
        let mut answer = Vec::new();
        drop(client.read_to_end(&mut answer));
        String::from_utf8(answer).unwrap()
    };
    assert_eq!(send(&vec![b'x'; 1 << 20]), "");
    assert_eq!(send(b""), "");
    for garbage in [&b"\0\xff\xfe"[..], b"{", b"[[[[", &vec![0x80; 60_000], b"\n", b"{\"ask\":7}\n"]
    {
        let answer = send(garbage);
        assert!(answer.starts_with("{\"error\":\"not a request: "), "{answer}");
    }
    // Nested so deep that a parser without a bound would end the process.
    assert!(send(&vec![b'['; 60_000]).contains("not a request"));
    let request = serde_json::to_vec(&Request::Stats).unwrap();
    assert!(send(&request).contains("frames"), "whole, though without its newline");
    let mut early = UnixStream::connect(&path).unwrap();
    early.write_all(&request[..3]).unwrap();
    drop(early);
    assert_eq!(n_frames(&path), 7);
}

#[test]
fn only_root_and_the_own_user_may_ask() {
    let peer = |uid| SocketPeer { pid: 1, uid };
    assert!(may_ask(peer(0), 1000) && may_ask(peer(1000), 1000) && may_ask(peer(0), 0));
    assert!(!may_ask(peer(1001), 1000) && !may_ask(peer(1000), 0));
}

#[test]
fn another_user_is_told_that_it_may_not_ask() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped another_user_is_told_that_it_may_not_ask: needs root");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let open = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    open(dir.path(), 0o755);
    let path = dir.path().join("p.sock");
    let (told, tell) = channel();
    let answers = Answers {
        stats: Box::new(stats),
        watch: Box::new(|_| panic!("nobody looks")),
        job: Box::new(|_, _| panic!("no job was asked for")),
        refused: Box::new(move |peer| told.send(peer).unwrap()),
    };
    let _server = ControlSocket::bind(&path).unwrap().serve(answers).unwrap();
    // As an administrator may have left it.
    open(&path, 0o666);
    let at = path.clone();
    let error = std::thread::spawn(move || {
        let nobody = rustix::process::Uid::from_raw(65_534);
        // Of this thread alone.
        set_thread_res_uid(nobody, nobody, nobody).unwrap();
        error(ask_stats(&at))
    });
    assert_eq!(
        error.join().unwrap(),
        "user 65534 may not ask this agent: only root and the user that it runs as"
    );
    let peer = tell.recv_timeout(CLIENT_DEADLINE).unwrap();
    assert_eq!((peer.uid, peer.pid), (65_534, std::process::id() as i32));
    assert_eq!(n_frames(&path), 7);
}

fn reload(files: &[&str]) -> Request {
    let files = files.iter().map(PathBuf::from).collect();
    Request::Reload(ReloadRequest { files, options: Vec::new() })
}

fn error(response: Result<Response>) -> String {
    match response.unwrap() {
        Response::Error(e) => e,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_job_holds_up_nobody_but_another_of_its_kind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.sock");
    let (begun, has_begun) = channel();
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let _server = serve_jobs(&path, move |job, _| {
        if matches!(job, Job::Reload(_)) {
            begun.send(()).unwrap();
            wait.lock().unwrap().recv().unwrap();
        }
        Response::Error(format!("{} done", job.name()))
    });
    let at = path.clone();
    let first = std::thread::spawn(move || error(ask(&at, &reload(&["/a"]), CLIENT_DEADLINE)));
    has_begun.recv().unwrap();
    let start = Instant::now();
    assert_eq!(n_frames(&path), 7);
    let second = error(ask(&path, &reload(&["/b"]), Duration::ZERO));
    assert_eq!(second, "another reload is under way");
    let profile = Request::Profile(ProfileRequest { millis: 1, every: 1 });
    assert_eq!(error(ask(&path, &profile, Duration::ZERO)), "profile done");
    assert!(start.elapsed() < CLIENT_DEADLINE);
    go.send(()).unwrap();
    assert_eq!(first.join().unwrap(), "reload done");
    go.send(()).unwrap();
    assert_eq!(error(ask(&path, &reload(&[]), Duration::ZERO)), "reload done");
}

#[test]
fn a_job_sees_that_its_client_has_gone_and_that_the_agent_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.sock");
    let (told, tell) = channel();
    let (began, begun) = channel();
    let server = serve_jobs(&path, move |_, asker| {
        let was_there = !asker.has_gone();
        began.send(()).unwrap();
        while !asker.has_gone() {
            std::thread::sleep(Duration::from_millis(1));
        }
        told.send(was_there).unwrap();
        Response::Error("nobody hears it".to_owned())
    });
    let request = serde_json::to_vec(&reload(&["/a"])).unwrap();
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(&[&request[..], b"\n"].concat()).unwrap();
    begun.recv_timeout(CLIENT_DEADLINE).unwrap();
    assert!(tell.recv_timeout(Duration::from_millis(50)).is_err(), "it waits");
    drop(client);
    assert!(tell.recv_timeout(CLIENT_DEADLINE).unwrap());
    // Refused until the first job's turn is over, which is a moment after it told.
    let waiting = (0..100).find_map(|_| {
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(&[&request[..], b"\n"].concat()).unwrap();
        begun.recv_timeout(CLIENT_DEADLINE / 20).ok().map(|()| client)
    });
    assert!(waiting.is_some(), "the second job begins");
    drop(server);
    assert!(tell.recv_timeout(CLIENT_DEADLINE).is_ok());
    assert!(!path.exists());
}

#[test]
fn a_request_may_name_many_files_and_no_texts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.sock");
    let _server = serve_jobs(&path, |job, _| match job {
        Job::Reload(request) => Response::Error(format!("{} files", request.files.len())),
        Job::Profile(_) => panic!("not asked for"),
    });
    let long = format!("/{}", "a".repeat(4000));
    let many = vec![&*long; 15];
    assert_eq!(error(ask(&path, &reload(&many), Duration::ZERO)), "15 files");
    let too_many = vec![&*long; 20];
    assert!(ask(&path, &reload(&too_many), Duration::ZERO).is_err());
    assert_eq!(n_frames(&path), 7);
}

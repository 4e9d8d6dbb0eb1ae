//! The control socket: a request is one line of JSON, the response another. One client at a time, each bounded by a deadline, so that a slow
//! or broken one costs the next a moment and the pipeline nothing.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use perf::Snapshot;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FlockOperation, Mode, flock};
use serde::{Deserialize, Serialize};

/// What a client may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ask")]
pub(crate) enum Request {
    /// What was seen, lost and delivered.
    Stats,
}

/// What the agent answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Response {
    /// To [`Request::Stats`].
    Stats(Box<Snapshot>),
    /// The request was not understood.
    Error(String),
}

/// Time for one client, from accept to the last byte.
const CLIENT_DEADLINE: Duration = Duration::from_secs(2);

/// Longest request.
const MAX_REQUEST_BYTES: usize = 4096;

/// The socket, bound and locked, before anything answers on it.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
    /// Held for the lifetime of the agent: whoever holds it owns the socket's path.
    _lock: File,
}

impl ControlSocket {
    /// Binds the socket: mode 0600, in a directory made with mode 0700 where it does not exist. A socket left by an agent that is gone is
    /// replaced.
    ///
    /// # Errors
    /// Another agent owns the path, or it cannot be made.
    pub(crate) fn bind(path: &Path) -> Result<Self> {
        let name = path.display();
        let context = || format!("cannot make the control socket {name}");
        if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty() && !d.exists()) {
            DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(context)?;
        }
        let lock = lock(path).with_context(context)?;
        let Some(lock) = lock else {
            bail!("another instance is running: it holds {name} (--socket PATH chooses another)");
        };
        if let Ok(meta) = fs::symlink_metadata(path) {
            if !meta.file_type().is_socket() {
                bail!(
                    "cannot make the control socket {name}: a file that is not a socket is in its place"
                );
            }
            if UnixStream::connect(path).is_ok() {
                bail!("another instance is listening on {name} (--socket PATH chooses another)");
            }
            fs::remove_file(path).with_context(context)?;
        }
        // The socket must not be open to others even for the moment between bind and chmod.
        let umask = rustix::process::umask(Mode::from_raw_mode(0o177));
        let listener = UnixListener::bind(path);
        rustix::process::umask(umask);
        let listener = listener.with_context(context)?;
        listener.set_nonblocking(true).with_context(context)?;
        let inode = fs::symlink_metadata(path).with_context(context)?.ino();
        Ok(Self { listener, path: path.to_owned(), inode, _lock: lock })
    }

    /// Starts the thread that answers; `stats` is called on it for each request.
    ///
    /// # Errors
    /// The thread cannot be made.
    pub(crate) fn serve(
        self,
        stats: Arc<dyn Fn() -> Snapshot + Send + Sync>,
    ) -> Result<ControlServer> {
        let (stop, stopped) = UnixStream::pair().context("cannot make a socket pair")?;
        let thread = std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || self.run(&stopped, &*stats))
            .context("cannot start the control thread")?;
        Ok(ControlServer { stop, thread: Some(thread) })
    }

    fn run(self, stopped: &UnixStream, stats: &(dyn Fn() -> Snapshot + Send + Sync)) {
        loop {
            let mut fds =
                [PollFd::new(&self.listener, PollFlags::IN), PollFd::new(stopped, PollFlags::IN)];
            match poll(&mut fds, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
            if !fds[1].revents().is_empty() {
                return;
            }
            if fds[0].revents().is_empty() {
                continue;
            }
            match self.listener.accept() {
                // What goes wrong with one client ends with that client.
                Ok((client, _)) => drop(serve_one(&client, stats)),
                // Descriptors may be short for a while; the back-off keeps this from spinning until they are not.
                Err(e) if e.kind() != ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(_) => {}
            }
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // Only what is still ours: somebody may have put another socket there.
        if fs::symlink_metadata(&self.path).is_ok_and(|m| m.ino() == self.inode) {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// The answering thread; dropping it ends the thread and removes the socket.
#[derive(Debug)]
pub(crate) struct ControlServer {
    stop: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        drop((&self.stop).write_all(b"."));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn lock(path: &Path) -> std::io::Result<Option<File>> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(name)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

fn serve_one(client: &UnixStream, stats: &dyn Fn() -> Snapshot) -> Result<()> {
    let deadline = Instant::now() + CLIENT_DEADLINE;
    client.set_nonblocking(false)?;
    let line = read_line(client, deadline, MAX_REQUEST_BYTES)?;
    let response = match serde_json::from_slice(&line) {
        Ok(Request::Stats) => Response::Stats(Box::new(stats())),
        Err(e) => Response::Error(format!("not a request: {e}")),
    };
    let mut text = serde_json::to_vec(&response)?;
    text.push(b'\n');
    write_all(client, &text, deadline)
}

/// Asks the agent on `path`.
///
/// # Errors
/// Nobody listens there, or the answer is not one.
pub(crate) fn ask(path: &Path, request: Request) -> Result<Response> {
    let name = path.display();
    let stream = UnixStream::connect(path).map_err(|e| match e.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => anyhow::anyhow!(
            "no agent is listening on {name} (start peregrine, or say where with --socket PATH)"
        ),
        _ => anyhow::anyhow!("cannot reach the agent on {name}: {e}"),
    })?;
    let deadline = Instant::now() + 2 * CLIENT_DEADLINE;
    let mut text = serde_json::to_vec(&request)?;
    text.push(b'\n');
    let line = write_all(&stream, &text, deadline)
        .and_then(|()| read_line(&stream, deadline, usize::MAX))
        .with_context(|| format!("no answer from the agent on {name}"))?;
    serde_json::from_slice(&line).with_context(|| {
        format!(
            "the agent on {name} answered what this program does not understand (another version?)"
        )
    })
}

fn remaining(deadline: Instant) -> Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        bail!("timed out");
    }
    Ok(left)
}

/// Reads up to a newline or the end, at most `limit` bytes.
fn read_line(mut stream: &UnixStream, deadline: Instant, limit: usize) -> Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        stream.set_read_timeout(Some(remaining(deadline)?))?;
        let n = match stream.read(&mut chunk) {
            Ok(0) if line.is_empty() => bail!("the connection was closed"),
            Ok(n) => n,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                bail!("timed out")
            }
            Err(e) => return Err(e.into()),
        };
        let end = chunk[..n].iter().position(|&b| b == b'\n');
        line.extend_from_slice(&chunk[..end.unwrap_or(n)]);
        if line.len() > limit {
            bail!("the line is longer than {limit} bytes");
        }
        if end.is_some() || n == 0 {
            return Ok(line);
        }
    }
}

fn write_all(mut stream: &UnixStream, mut bytes: &[u8], deadline: Instant) -> Result<()> {
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(remaining(deadline)?))?;
        match stream.write(bytes) {
            Ok(0) => bail!("the connection was closed"),
            Ok(n) => bytes = &bytes[n..],
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use perf::{Moment, Registry};

    use super::*;

    fn serve(path: &Path) -> ControlServer {
        let mut registry = Registry::new();
        registry.counter("frames").add(7);
        let stats = move || registry.snapshot(Moment::Running);
        ControlSocket::bind(path).unwrap().serve(Arc::new(stats)).unwrap()
    }

    fn n_frames(path: &Path) -> u64 {
        match ask(path, Request::Stats).unwrap() {
            Response::Stats(s) => s.get("frames").unwrap(),
            Response::Error(e) => panic!("{e}"),
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
        let e = message(ask(&path, Request::Stats));
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
}

//! The control socket. Who connects is asked for nothing but who it is: root and the agent's own user may ask, others are told so. A client is
//! bounded by a deadline, and they do not wait for each other, so that a slow or broken one costs others nothing, nor the pipeline. What takes longer
//! than a moment is done by a thread of its own, one job of a kind at a time, and its client waits there.

mod clients;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use capture::SocketPeer;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};

use self::clients::Clients;
use crate::request::{AgentStats, ProfileRequest, ReloadRequest, Request, Response, WatchRequest};

/// Time for one client, from accept to the last byte; for one whose answer is a job, from its end to the last byte.
const CLIENT_DEADLINE: Duration = Duration::from_secs(2);

/// How long who wants to connect waits before another attempt.
const CONNECTS_EVERY: Duration = Duration::from_millis(20);

/// Longest request: paths of many rule files, their texts never.
const MAX_REQUEST_BYTES: usize = 64 << 10;

/// Clients that wait to be accepted.
const BACKLOG: i32 = 128;

/// How answers are made.
pub(crate) struct Answers {
    /// At once.
    pub(crate) stats: Box<dyn Fn() -> AgentStats + Send + Sync>,
    /// At once, too: what an onlooker sees.
    pub(crate) watch: Box<dyn Fn(&WatchRequest) -> Response + Send + Sync>,
    /// May take long; gives up where the asker has gone.
    pub(crate) job: Box<DoJob>,
    /// Told of clients that may not ask.
    pub(crate) refused: Box<dyn Fn(SocketPeer) + Send + Sync>,
}

/// The socket's mode says the same; this holds where somebody changed it, or was handed a descriptor.
fn may_ask(peer: SocketPeer, own_uid: u32) -> bool {
    peer.uid == 0 || peer.uid == own_uid
}

type DoJob = dyn Fn(Job, &Asker<'_>) -> Response + Send + Sync;

/// What is done by a thread of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// Replaces the rules.
    Reload(ReloadRequest),
    /// Measures the rules.
    Profile(ProfileRequest),
}

impl Job {
    fn name(&self) -> &'static str {
        match self {
            Self::Reload(_) => "reload",
            Self::Profile(_) => "profile",
        }
    }
}

/// Who waits for a job.
pub(crate) struct Asker<'a> {
    client: &'a UnixStream,
    is_ending: &'a AtomicBool,
}

impl Asker<'_> {
    /// Whether nobody waits for the answer any more, or the agent ends.
    pub(crate) fn has_gone(&self) -> bool {
        let mut fds = [PollFd::new(self.client, PollFlags::empty())];
        let now = rustix::event::Timespec::default();
        // Relaxed: nothing else is communicated by it.
        self.is_ending.load(Ordering::Relaxed) || poll(&mut fds, Some(&now)).is_ok_and(|n| n > 0)
    }
}

/// Makes answers, at once or by jobs.
struct Desk {
    answers: Answers,
    is_ending: AtomicBool,
    /// Names of the kinds of jobs under way.
    busy: Mutex<Vec<&'static str>>,
    jobs: Mutex<Vec<JoinHandle<()>>>,
}

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
        let lock = lock(path).with_context(|| format!("{}: its lock {name}.lock", context()))?;
        let Some(lock) = lock else {
            bail!("another instance is running: it holds {name} (--socket PATH chooses another)");
        };
        if let Ok(meta) = fs::symlink_metadata(path) {
            if !meta.file_type().is_socket() {
                bail!(
                    "cannot make the control socket {name}: a file that is not a socket is in its place"
                );
            }
            if is_anyone_there(path) {
                bail!("another instance is listening on {name} (--socket PATH chooses another)");
            }
            fs::remove_file(path).with_context(context)?;
        }
        let listener = listen_for_owner_alone(path).with_context(context)?;
        let inode = fs::symlink_metadata(path).with_context(context)?.ino();
        Ok(Self { listener, path: path.to_owned(), inode, _lock: lock })
    }

    /// Starts the thread that answers.
    ///
    /// # Errors
    /// The thread cannot be made.
    pub(crate) fn serve(self, answers: Answers) -> Result<ControlServer> {
        let (stop, stopped) = UnixStream::pair().context("cannot make a socket pair")?;
        let desk = Arc::new(Desk {
            answers,
            is_ending: AtomicBool::new(false),
            busy: Mutex::default(),
            jobs: Mutex::default(),
        });
        let answering = Arc::clone(&desk);
        let thread = std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || self.run(&stopped, &answering))
            .context("cannot start the control thread")?;
        Ok(ControlServer { stop, thread: Some(thread), desk })
    }

    fn run(self, stopped: &UnixStream, desk: &Arc<Desk>) {
        let mut clients = Clients::new(Arc::clone(desk));
        loop {
            let Ok((has_stopped, has_client)) = clients.wait(&self.listener, stopped) else {
                return;
            };
            if has_stopped {
                return;
            }
            clients.go_on();
            if !has_client {
                continue;
            }
            match self.listener.accept() {
                // What goes wrong with one client ends with that client.
                Ok((client, _)) => drop(clients.take(client)),
                // Descriptors may be short for a while; the back-off keeps this from spinning until they are not.
                Err(e) if e.kind() != ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(_) => {}
            }
        }
    }
}

/// A socket that is not open to others even for the moment between `bind` and a `chmod`: Linux gives the file the mode of the unbound socket. A
/// umask would be that of the whole process.
fn listen_for_owner_alone(path: &Path) -> rustix::io::Result<UnixListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // Only what is still ours: somebody may have put another socket there.
        if fs::symlink_metadata(&self.path).is_ok_and(|m| m.ino() == self.inode) {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// The answering thread; dropping it ends the thread and its jobs, and removes the socket.
pub(crate) struct ControlServer {
    stop: UnixStream,
    thread: Option<JoinHandle<()>>,
    desk: Arc<Desk>,
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        drop((&self.stop).write_all(b"."));
        self.desk.is_ending.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        for job in lock_of(&self.desk.jobs).drain(..) {
            drop(job.join());
        }
    }
}

/// A list that is whole whatever its owners did.
fn lock_of<T>(list: &Mutex<T>) -> MutexGuard<'_, T> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What becomes of a request.
enum Reply {
    /// It is answered at once.
    Now(Response),
    /// It takes a thread of its own.
    Later(Job),
}

impl Desk {
    fn reply(&self, line: &[u8]) -> Reply {
        Reply::Now(match serde_json::from_slice(line) {
            Ok(Request::Stats) => Response::Stats(Box::new((self.answers.stats)())),
            Ok(Request::Watch(request)) => (self.answers.watch)(&request),
            Ok(Request::Reload(request)) => return Reply::Later(Job::Reload(request)),
            Ok(Request::Profile(request)) => return Reply::Later(Job::Profile(request)),
            Err(e) => Response::Error(format!("not a request: {e}")),
        })
    }

    /// Does a job on a thread of its own, which answers the client.
    /// Gives the client back, with what to tell it, where another job of the kind is under way.
    fn start(
        self: &Arc<Self>,
        client: UnixStream,
        job: Job,
    ) -> Result<Option<(UnixStream, Response)>> {
        let name = job.name();
        let Some(turn) = Turn::take(self, name) else {
            let error = Response::Error(format!("another {name} is under way"));
            return Ok(Some((client, error)));
        };
        client.set_nonblocking(false)?;
        let work = move || {
            let asker = Asker { client: &client, is_ending: &turn.desk.is_ending };
            let response = (turn.desk.answers.job)(job, &asker);
            // Free before the answer: who has it may ask again.
            drop(turn);
            // A client that has gone is nobody's loss.
            drop(respond(&client, &response, Instant::now() + CLIENT_DEADLINE));
        };
        let thread = std::thread::Builder::new().name("control-job".to_owned()).spawn(work)?;
        let mut jobs = lock_of(&self.jobs);
        jobs.retain(|job| !job.is_finished());
        jobs.push(thread);
        Ok(None)
    }
}

/// The right to do a job of one kind.
struct Turn {
    desk: Arc<Desk>,
    name: &'static str,
}

impl Turn {
    fn take(desk: &Arc<Desk>, name: &'static str) -> Option<Self> {
        let mut busy = lock_of(&desk.busy);
        if busy.contains(&name) {
            return None;
        }
        busy.push(name);
        Some(Self { desk: Arc::clone(desk), name })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock_of(&self.desk.busy).retain(|name| *name != self.name);
    }
}

fn line(response: &Response) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec(response)?;
    text.push(b'\n');
    Ok(text)
}

fn respond(client: &UnixStream, response: &Response, deadline: Instant) -> Result<()> {
    write_all(client, &line(response)?, deadline)
}

fn lock(path: &Path) -> std::io::Result<Option<File>> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    // Neither waits for who reads a pipe that somebody has put there, nor goes where a link leads.
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let opened = options.custom_flags(flags.bits().cast_signed()).open(name);
    let file = opened.map_err(|e| match Errno::from_io_error(&e) {
        Some(Errno::NXIO | Errno::LOOP) => {
            std::io::Error::new(e.kind(), "a pipe, socket or link is in its place; remove that")
        }
        _ => e,
    })?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Whether somebody listens there, be it that it takes nobody in.
pub(crate) fn is_anyone_there(path: &Path) -> bool {
    match connect(path, Instant::now()) {
        Ok(_) => true,
        Err(e) => e.kind() == ErrorKind::TimedOut,
    }
}

/// Connects by a deadline. Without one, who comes to a stopped agent for which as many wait as may would wait for ever.
fn connect(path: &Path, deadline: Instant) -> std::io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let address = SocketAddrUnix::new(path)?;
    loop {
        match rustix::net::connect(&socket, &address) {
            Ok(()) => break,
            Err(Errno::AGAIN) if Instant::now() < deadline => {
                std::thread::sleep(CONNECTS_EVERY);
            }
            Err(Errno::AGAIN) => return Err(ErrorKind::TimedOut.into()),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Asks the agent on `path`; `work` is how long it may work on the answer.
///
/// # Errors
/// Nobody listens there, or the answer is not one.
pub(crate) fn ask(path: &Path, request: &Request, work: Duration) -> Result<Response> {
    let name = path.display();
    let deadline = Instant::now() + 2 * CLIENT_DEADLINE;
    let stream = connect(path, deadline).map_err(|e| match e.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => anyhow::anyhow!(
            "no agent is listening on {name} (start peregrine, or say where with --socket PATH)"
        ),
        ErrorKind::TimedOut => anyhow::anyhow!(
            "the agent on {name} takes nobody in: others wait already (is it stopped?)"
        ),
        _ => anyhow::anyhow!("cannot reach the agent on {name}: {e}"),
    })?;
    let deadline = deadline + work;
    let mut text = serde_json::to_vec(request)?;
    text.push(b'\n');
    // Who is refused may have the answer before it has asked.
    let asked = write_all(&stream, &text, deadline);
    let line = read_line(&stream, deadline)
        .or_else(|e| asked.and(Err(e)))
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

/// Reads up to a newline or the end.
fn read_line(mut stream: &UnixStream, deadline: Instant) -> Result<Vec<u8>> {
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
mod tests;

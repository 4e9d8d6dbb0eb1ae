//! Clients whose request is not complete, or who have not taken the whole answer. None waits for another.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{CLIENT_DEADLINE, Desk, MAX_REQUEST_BYTES, Reply, line, may_ask};
use crate::request::Response;

/// Clients at once; one more, and who came first has had its time.
pub(super) const MAX_CLIENTS: usize = 32;

/// All of them, the oldest first.
pub(super) struct Clients {
    all: Vec<Client>,
    desk: Arc<Desk>,
    own_uid: u32,
}

struct Client {
    stream: UnixStream,
    deadline: Instant,
    state: State,
}

enum State {
    /// What has come of the request.
    Asks(Vec<u8>),
    /// The answer, and how much of it was taken.
    Takes(Vec<u8>, usize),
}

/// What a look at a client came to.
enum Step {
    Waits,
    /// The whole request.
    Asked(Vec<u8>),
    Done,
}

impl Clients {
    pub(super) fn new(desk: Arc<Desk>) -> Self {
        let own_uid = rustix::process::geteuid().as_raw();
        Self { all: Vec::new(), desk, own_uid }
    }

    /// Waits until there is something to do; whether the agent ends, and whether somebody has connected.
    ///
    /// # Errors
    /// Nothing can be waited for.
    pub(super) fn wait(
        &mut self,
        listener: &UnixListener,
        stopped: &UnixStream,
    ) -> Result<(bool, bool)> {
        let now = Instant::now();
        let first = self.all.iter().map(|client| client.deadline).min();
        // A millisecond more, so that the deadline is over.
        let left = first.map(|at| at.saturating_duration_since(now) + Duration::from_millis(1));
        let left = left.map(|left| Timespec::try_from(left).unwrap_or_default());
        let mut fds =
            vec![PollFd::new(listener, PollFlags::IN), PollFd::new(stopped, PollFlags::IN)];
        fds.extend(self.all.iter().map(|client| {
            let what = match client.state {
                State::Asks(_) => PollFlags::IN,
                State::Takes(..) => PollFlags::OUT,
            };
            PollFd::new(&client.stream, what)
        }));
        match poll(&mut fds, left.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok((false, false)),
            Err(e) => return Err(e.into()),
        }
        Ok((!fds[1].revents().is_empty(), !fds[0].revents().is_empty()))
    }

    /// Takes a client that has connected. Who may not ask is told so, and what it asks is not read.
    ///
    /// # Errors
    /// It is gone.
    pub(super) fn take(&mut self, stream: UnixStream) -> Result<()> {
        stream.set_nonblocking(true)?;
        let peer = capture::socket_peer(&stream)?;
        if !may_ask(peer, self.own_uid) {
            (self.desk.answers.refused)(peer);
            let why = format!(
                "user {} may not ask this agent: only root and the user that it runs as",
                peer.uid
            );
            // It fits into a socket that nothing was written to.
            (&stream).write_all(&line(&Response::Error(why))?)?;
            return Ok(());
        }
        if self.all.len() >= MAX_CLIENTS {
            self.all.remove(0);
        }
        let deadline = Instant::now() + CLIENT_DEADLINE;
        self.all.push(Client { stream, deadline, state: State::Asks(Vec::new()) });
        // Mostly it has asked already.
        self.go_on();
        Ok(())
    }

    /// Goes on with everybody as far as that goes, and lets go of those whose time is over.
    pub(super) fn go_on(&mut self) {
        let now = Instant::now();
        for mut client in std::mem::take(&mut self.all) {
            let step = client.go_on();
            let is_kept = match step {
                Ok(Step::Asked(request)) => match self.answer(client, &request) {
                    Ok(Some(answered)) => {
                        client = answered;
                        !matches!(client.go_on(), Ok(Step::Done) | Err(_))
                    }
                    // A job has it; or what went wrong with it ends with it.
                    Ok(None) | Err(_) => continue,
                },
                Ok(Step::Waits) => client.deadline > now,
                Ok(Step::Done) | Err(_) => false,
            };
            if is_kept {
                self.all.push(client);
            }
        }
    }

    /// The client with its answer, unless a job took it over.
    fn answer(&self, client: Client, request: &[u8]) -> Result<Option<Client>> {
        let Client { stream, .. } = client;
        let (stream, response) = match self.desk.reply(request) {
            Reply::Now(response) => (stream, response),
            Reply::Later(job) => match self.desk.start(stream, job)? {
                Some(refused) => refused,
                None => return Ok(None),
            },
        };
        let deadline = Instant::now() + CLIENT_DEADLINE;
        Ok(Some(Client { stream, deadline, state: State::Takes(line(&response)?, 0) }))
    }
}

impl Client {
    fn go_on(&mut self) -> Result<Step> {
        match &mut self.state {
            State::Asks(request) => read(&self.stream, request),
            State::Takes(answer, done) => write(&self.stream, answer, done),
        }
    }
}

/// Reads up to a newline or the end.
fn read(mut stream: &UnixStream, request: &mut Vec<u8>) -> Result<Step> {
    let mut chunk = [0; 4096];
    loop {
        let n = match stream.read(&mut chunk) {
            Ok(0) if request.is_empty() => bail!("the connection was closed"),
            Ok(n) => n,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(Step::Waits),
            Err(e) => return Err(e.into()),
        };
        let end = chunk[..n].iter().position(|&b| b == b'\n');
        request.extend_from_slice(&chunk[..end.unwrap_or(n)]);
        if request.len() > MAX_REQUEST_BYTES {
            bail!("the request is longer than {MAX_REQUEST_BYTES} bytes");
        }
        if end.is_some() || n == 0 {
            return Ok(Step::Asked(std::mem::take(request)));
        }
    }
}

fn write(mut stream: &UnixStream, answer: &[u8], done: &mut usize) -> Result<Step> {
    while *done < answer.len() {
        match stream.write(&answer[*done..]) {
            Ok(0) => bail!("the connection was closed"),
            Ok(n) => *done += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(Step::Waits),
            Err(e) => return Err(e.into()),
        }
    }
    Ok(Step::Done)
}

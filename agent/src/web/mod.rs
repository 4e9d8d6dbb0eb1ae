//! The web server: whether the agent works, what it is, and what it counts. One thread, which no event passes.
//!
//! Clients are bounded in number, in what they may send, and in time; the oldest connection makes room for a new one, so that nobody who holds
//! many keeps others out.

mod pages;
mod server;
mod tls;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, anyhow};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

pub(crate) use self::pages::{Pages, Sources};
use crate::config::WebServer;

/// A nice value that leaves the CPU to the threads that events pass, and still answers on a busy machine.
const NICE: i32 = 5;

/// The server, bound, before anything answers.
pub(crate) struct WebListener {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    config: WebServer,
}

impl WebListener {
    /// Binds the address, and reads key and certificate.
    ///
    /// # Errors
    /// The address is taken or not the machine's, or the file is not as it has to be; it says what to do.
    pub(crate) fn bind(config: &WebServer) -> Result<Self> {
        let tls = config.certificate.as_deref().map(tls::acceptor).transpose()?;
        let listen = config.listen;
        let cannot = |e| {
            anyhow!(
                "webserver: cannot listen on {listen}: {e}; webserver.listen_port and webserver.listen_address choose another place, \
                 webserver.enabled=false goes without"
            )
        };
        let listener = TcpListener::bind(listen).map_err(cannot)?;
        listener.set_nonblocking(true).context("webserver")?;
        Ok(Self { listener, tls, config: config.clone() })
    }

    /// Where it answers, and what, for people.
    pub(crate) fn shown(&self) -> Result<String> {
        let Self { listener, tls, config } = self;
        let address: SocketAddr = listener.local_addr().context("webserver")?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let metrics = if config.has_metrics { " /metrics" } else { "" };
        Ok(format!("{scheme}://{address}{} /versions{metrics}", config.healthz))
    }

    /// Starts the thread that answers.
    ///
    /// # Errors
    /// The thread, or what it waits with, cannot be made.
    pub(crate) fn serve(self, sources: Sources) -> Result<Serving> {
        let Self { listener, tls, config } = self;
        let pages = Arc::new(Pages::new(&config, sources));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the web server")?;
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            // A refusal costs nothing: it is the default.
            let _refused = rustix::process::setpriority_process(None, NICE);
            runtime.block_on(server::run(listener, tls, pages, stopped));
        };
        let thread = std::thread::Builder::new()
            .name("web".to_owned())
            .spawn(run)
            .context("cannot start the thread of the web server")?;
        Ok(Serving { stop: Some(stop), thread: Some(thread) })
    }
}

/// The thread that answers; dropping it ends it, and every connection.
pub(crate) struct Serving {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests;

//! Connections: how many, and how long each may take.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, Sleep, interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::pages::Pages;

/// Connections at a time.
pub(super) const MAX_CONNECTIONS: usize = 64;
/// A request must have arrived within this, the next one of a connection, too, and a handshake.
pub(super) const READ_WITHIN: Duration = Duration::from_secs(10);
/// An answer must have been taken within this.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
/// The line and the headers of a request.
const MAX_HEAD_BYTES: usize = 16 << 10;
const MAX_HEADERS: usize = 64;
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Before the next try where descriptors are short.
const BACK_OFF: Duration = Duration::from_millis(50);

/// Answers until told to stop; then every connection ends.
pub(super) async fn run(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    pages: Arc<Pages>,
    mut stopped: oneshot::Receiver<()>,
) {
    // It has what it needs: the runtime is there, and the listener does not block.
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            _ = looks.tick() => pages.look(),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    pages.count(|counts| counts.n_connections += 1);
                    open.retain(|connection| !connection.is_finished());
                    if open.len() >= MAX_CONNECTIONS && let Some(oldest) = open.pop_front() {
                        oldest.abort();
                        pages.count(|counts| counts.n_displaced += 1);
                    }
                    let serving = tokio::spawn(serve(stream, tls.clone(), Arc::clone(&pages)));
                    open.push_back(serving.abort_handle());
                }
                Err(_) => sleep(BACK_OFF).await,
            },
        }
    }
}

async fn serve(stream: TcpStream, tls: Option<TlsAcceptor>, pages: Arc<Pages>) {
    match tls {
        None => talk(stream, pages).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = timeout(READ_WITHIN, acceptor.accept(stream)).await {
                talk(stream, pages).await;
            }
        }
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(stream: S, pages: Arc<Pages>) {
    let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
        let answer = pages.answer(request.method(), request.uri().path());
        async move { Ok::<_, Infallible>(answer) }
    });
    let talked = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ_WITHIN)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD_BYTES)
        .max_buf_size(MAX_HEAD_BYTES)
        .half_close(true)
        .serve_connection(TokioIo::new(Prompt { stream, due: None }), service)
        .await;
    // What goes wrong with a client ends with that client.
    drop(talked);
}

/// A stream whose reader has to take what is written within a time: from the first time that it does not take all until it has.
struct Prompt<S> {
    stream: S,
    due: Option<Pin<Box<Sleep>>>,
}

impl<S> Prompt<S> {
    fn not_now<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let due = self.due.get_or_insert_with(|| Box::pin(sleep(WRITE_WITHIN)));
        ready!(due.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prompt<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prompt<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, buf) {
            Poll::Pending => self.not_now(cx),
            written @ Poll::Ready(_) => written,
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write_vectored(cx, bufs) {
            Poll::Pending => self.not_now(cx),
            written @ Poll::Ready(_) => written,
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Pending => self.not_now(cx),
            flushed @ Poll::Ready(_) => {
                self.due = None;
                flushed
            }
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_shutdown(cx) {
            Poll::Pending => self.not_now(cx),
            done @ Poll::Ready(_) => done,
        }
    }
}

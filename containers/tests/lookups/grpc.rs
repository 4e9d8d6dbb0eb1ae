//! A runtime that answers gRPC, by the path of a call and the bytes of its message.

use std::convert::Infallible;
use std::path::Path;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};

pub(crate) use crate::grpc_client::Written;
use crate::grpc_client::{first_text, framed};

/// Statuses of gRPC.
pub(crate) const NOT_FOUND: u32 = 5;
pub(crate) const UNIMPLEMENTED: u32 = 12;
pub(crate) const INTERNAL: u32 = 13;

/// What a call came to: a message, a status, or nothing at all.
pub(crate) type Outcome = Result<Vec<u8>, u32>;

/// A call, as a fake runtime sees it.
pub(crate) struct Call {
    /// `package.Service/Method`
    pub(crate) method: String,
    /// containerd's namespace, where one is named.
    pub(crate) namespace: String,
    message: Vec<u8>,
}

impl Call {
    /// The text in the question's first field, of a message in it where there is one: the id or name that is asked for.
    pub(crate) fn asked_for(&self) -> String {
        let outer = first_text(&self.message);
        let inner = first_text(outer.as_bytes());
        if inner.is_empty() { outer } else { inner }
    }
}

impl Written {
    #[expect(clippy::unnecessary_wraps, reason = "it ends an arm of what a fake answers")]
    pub(crate) fn done(self) -> Outcome {
        Ok(self.into())
    }
}

/// Answers on a socket until the test ends.
pub(crate) fn serve(socket: &Path, answer: impl Fn(&Call) -> Outcome + Clone + Send + 'static) {
    std::fs::create_dir_all(socket.parent().expect("a directory")).expect("directories");
    let listener = std::os::unix::net::UnixListener::bind(socket).expect("a socket");
    listener.set_nonblocking(true).expect("a socket for tokio");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let listener = tokio::net::UnixListener::from_std(listener).expect("a socket");
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answer.clone();
                let service = service_fn(move |request| respond(request, answer.clone()));
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                // A client that goes away is the client's matter.
                tokio::spawn(async move {
                    drop(server.serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
    });
}

async fn respond(
    request: Request<Incoming>,
    answer: impl Fn(&Call) -> Outcome,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let namespace = request.headers().get("containerd-namespace");
    let namespace = namespace.and_then(|n| n.to_str().ok()).unwrap_or_default().to_owned();
    let method = request.uri().path().trim_start_matches('/').to_owned();
    let body = request.into_body().collect().await.expect("a whole question").to_bytes();
    let call = Call { method, namespace, message: body.slice(5..).to_vec() };
    let response = Response::builder().header("content-type", "application/grpc");
    let response = match answer(&call) {
        Ok(message) => {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let body = Full::new(Bytes::from(framed(&message)));
            response.body(BoxBody::new(body.with_trailers(async { Some(Ok(trailers)) })))
        }
        Err(status) => response.header("grpc-status", status).body(BoxBody::new(Full::default())),
    };
    Ok(response.expect("a response"))
}

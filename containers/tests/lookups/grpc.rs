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

/// A message, written field by field.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written(Vec<u8>);

impl Written {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn varint(&mut self, mut n: u64) {
        while n > 0x7f {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    pub(crate) fn number(mut self, field: u64, n: i64) -> Self {
        self.varint(field << 3);
        self.varint(n as u64);
        self
    }

    pub(crate) fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    pub(crate) fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    pub(crate) fn message(self, field: u64, message: impl Into<Vec<u8>>) -> Self {
        self.bytes(field, &message.into())
    }

    /// One pair of a map.
    pub(crate) fn pair(self, field: u64, key: &str, value: &str) -> Self {
        self.message(field, Self::new().text(1, key).text(2, value))
    }

    #[expect(clippy::unnecessary_wraps, reason = "it ends an arm of what a fake answers")]
    pub(crate) fn done(self) -> Outcome {
        Ok(self.0)
    }
}

impl From<Written> for Vec<u8> {
    fn from(written: Written) -> Self {
        written.0
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

/// One call of a service: the message that it answers with, or what went wrong.
pub(crate) fn call(socket: &Path, path: &str, question: Written) -> Result<Vec<u8>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let limit = std::time::Duration::from_secs(20);
    runtime.expect("a runtime").block_on(async {
        let exchange = tokio::time::timeout(limit, exchange(socket, path, question));
        exchange.await.map_err(|e| e.to_string())?
    })
}

async fn exchange(socket: &Path, path: &str, question: Written) -> Result<Vec<u8>, String> {
    let stream = tokio::net::UnixStream::connect(socket).await.map_err(|e| e.to_string())?;
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(|e| e.to_string())?;
    // Ends with the runtime that it runs on.
    drop(tokio::spawn(connection));
    let request = Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(Bytes::from(framed(&question.0))))
        .expect("a request");
    let answer = sender.send_request(request).await.map_err(|e| e.to_string())?;
    let headers = answer.headers().clone();
    let body = answer.into_body().collect().await.map_err(|e| e.to_string())?;
    let trailers = body.trailers().cloned().unwrap_or(headers);
    let text = |key: &str| trailers.get(key).and_then(|v| v.to_str().ok()).unwrap_or_default();
    match text("grpc-status") {
        "0" => Ok(body.to_bytes().get(5..).unwrap_or_default().to_vec()),
        status => Err(format!("{status}: {}", text("grpc-message"))),
    }
}

/// One byte of flags, four of length, the message.
fn framed(message: &[u8]) -> Vec<u8> {
    let mut framed = vec![0];
    framed.extend((message.len() as u32).to_be_bytes());
    framed.extend(message);
    framed
}

/// The text in the first field of a message.
pub(crate) fn first_text(message: &[u8]) -> String {
    let [0x0a, len, rest @ ..] = message else { return String::new() };
    let text = rest.get(..usize::from(*len)).unwrap_or_default();
    String::from_utf8(text.to_vec()).unwrap_or_default()
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

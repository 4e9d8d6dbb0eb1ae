//! A client of a service of gRPC: a call by its path, with the bytes of its message.

use std::path::Path;

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};

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
}

impl From<Written> for Vec<u8> {
    fn from(written: Written) -> Self {
        written.0
    }
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
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
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

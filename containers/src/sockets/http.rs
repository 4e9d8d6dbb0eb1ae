//! One GET over a unix socket. A connection for each: a runtime that restarts in between is not noticed.

use std::io::ErrorKind;
use std::path::Path;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use super::MAX_ANSWER_LEN;
use crate::Why;

/// Connects, which takes no time where somebody listens.
pub(super) async fn connect(socket: &Path) -> Result<UnixStream, Why> {
    UnixStream::connect(socket).await.map_err(|e| match e.kind() {
        ErrorKind::NotFound
        | ErrorKind::NotADirectory
        | ErrorKind::ConnectionRefused
        | ErrorKind::PermissionDenied => Why::NoRuntime,
        // Somebody listens and does not accept.
        ErrorKind::WouldBlock => Why::TimedOut,
        _ => Why::BadAnswer,
    })
}

/// The JSON that a path answers with.
pub(super) async fn get(socket: &Path, path: &str) -> Result<Value, Why> {
    let stream = connect(socket).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|_| Why::BadAnswer)?;
    let request = Request::get(path)
        .header(header::HOST, "localhost")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| Why::NotFound)?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(|_| Why::BadAnswer)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER_LEN);
        let body = body.collect().await.map_err(|_| Why::BadAnswer)?.to_bytes();
        Ok((status, body))
    };
    tokio::pin!(exchange, connection);
    let mut moves_bytes = true;
    let (status, body) = loop {
        tokio::select! {
            exchanged = &mut exchange => break exchanged?,
            // It may end first, with all that was sent already read.
            _ = &mut connection, if moves_bytes => moves_bytes = false,
        }
    };
    match status {
        StatusCode::OK => serde_json::from_slice(&body).map_err(|_| Why::BadAnswer),
        StatusCode::NOT_FOUND => Err(Why::NotFound),
        _ => Err(Why::BadAnswer),
    }
}

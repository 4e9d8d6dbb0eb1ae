//! Calls of gRPC over a unix socket. A connection for each container that is asked for: a runtime that restarts in between is not noticed.

use std::path::Path;

use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use prost::Message;
use tonic::client::Grpc;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};
use tonic_prost::ProstCodec;
use tower::service_fn;

use super::MAX_ANSWER_LEN;
use super::http::connect;
use crate::Why;

/// A connection, and the namespace that its calls name.
pub(super) struct Client {
    grpc: Grpc<Channel>,
}

impl Client {
    pub(super) async fn connect(socket: &Path) -> Result<Self, Why> {
        let mut stream = Some(connect(socket).await?);
        let endpoint = Endpoint::from_static("http://localhost");
        let channel = endpoint.connect_with_connector(service_fn(move |_| {
            let stream = stream.take().map(TokioIo::new);
            // Asked for a second one after the first was lost: the call fails, and the next container gets a connection of its own.
            async { stream.ok_or(std::io::Error::from(std::io::ErrorKind::NotConnected)) }
        }));
        let channel = channel.await.map_err(|_| Why::BadAnswer)?;
        Ok(Self { grpc: Grpc::new(channel).max_decoding_message_size(MAX_ANSWER_LEN) })
    }

    /// One call. Services that the other side lacks count as no runtime.
    pub(super) async fn call<Q, A>(
        &mut self,
        path: &'static str,
        namespace: Option<&str>,
        question: Q,
    ) -> Result<A, Why>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        self.grpc.ready().await.map_err(|_| Why::BadAnswer)?;
        let mut request = Request::new(question);
        if let Some(namespace) = namespace {
            let value: MetadataValue<_> = namespace.parse().map_err(|_| Why::NotFound)?;
            request.metadata_mut().insert("containerd-namespace", value);
        }
        let codec = ProstCodec::<Q, A>::default();
        let answer = self.grpc.unary(request, PathAndQuery::from_static(path), codec).await;
        answer.map(tonic::Response::into_inner).map_err(|status| match status.code() {
            Code::NotFound => Why::NotFound,
            Code::Unimplemented => Why::NoRuntime,
            Code::DeadlineExceeded => Why::TimedOut,
            _ => Why::BadAnswer,
        })
    }
}

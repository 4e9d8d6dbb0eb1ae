//! Asking runtimes over their sockets.

mod breaker;
mod containerd;
mod containerd_messages;
mod cri;
mod cri_messages;
mod docker;
mod grpc;
mod http;

pub(crate) use breaker::{Guard, GuardCounters};
pub(crate) use containerd::look_up as ask_containerd;
pub(crate) use cri::look_up as ask_cri;
pub(crate) use docker::{ask_docker, ask_podman};

/// Longest answer that is read.
const MAX_ANSWER_LEN: usize = 4 << 20;

/// Whether an id can be part of an address as it is.
fn is_plain(id: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    !matches!(id, "" | "." | "..") && id.bytes().all(is_plain)
}

//! Looking containers up: questions and answers, fake runtimes behind sockets, state on disk;
//! and real runtimes where they are installed (`real_*`), which else say that they are skipped.

mod asking;
mod containerd;
mod containerd_service;
mod cri;
mod disk;
mod grpc;
mod grpc_client;
mod host;
mod http;
mod podman;
mod real;
mod real_containerd;
mod real_docker;
mod real_podman;
mod rest;

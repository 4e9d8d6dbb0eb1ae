//! Looking containers up: questions and answers, fake runtimes behind sockets, state on disk.

mod asking;
mod containerd;
mod cri;
mod disk;
mod grpc;
mod host;
mod http;
mod rest;

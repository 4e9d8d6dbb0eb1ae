//! The agent.
#![forbid(unsafe_code)]

mod cli;
mod config;
mod control;
mod signals;
mod stats;

//! What each family of calls does to the descriptors of a recording's processes.

mod allocation;
mod files;
mod memory;
mod model;
mod processes;
mod recording;
mod resources;
mod sockets;

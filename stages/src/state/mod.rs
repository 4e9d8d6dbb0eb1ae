//! The process table: versioned, written by each process's owner, read by every shard as of a key.
//!
//! - [`address_names`]: names of addresses, by the answers of name servers.
//! - [`chain`]: a number for each state of a process and its ancestors.
//! - [`change`]: what other calls change of a process.
//! - [`containers`]: what events of a recording tell of containers.
//! - [`live_containers`]: the containers that processes live in, and what their runtimes answered.
//! - [`met`]: the processes that a shard met lately.
//! - [`node`]: a process, its incarnation and versions.
//! - [`image`]: what an exec loads.
//! - [`room`]: the memory that all of it takes.
//! - [`slots`]: the array by process id.
//! - [`lineage`]: the table, reads as of a key, waiting.
//! - [`pool`]: what nobody holds any more, to be used again.
//! - [`repairs`]: asks for processes to be looked at again.
//! - [`writer`]: forks, execs and exits become versions; reclamation.

mod address_names;
mod chain;
mod change;
mod containers;
mod earlier;
mod image;
mod lineage;
mod live_containers;
mod met;
mod mutant;
mod node;
mod pool;
mod repairs;
mod room;
mod slots;
mod writer;

#[cfg(test)]
mod carried;

pub use address_names::AddressNames;
pub(crate) use chain::Chains;
pub use containers::Containers;
pub(crate) use image::strings;
pub use image::{Dir, Image, exe_flags};
pub(crate) use lineage::{Ancestor, Descent};
pub use lineage::{Lineage, LineageLimits, Route, Wait};
pub(crate) use live_containers::Told;
pub use live_containers::{ContainerEntry, LiveContainers};
pub(crate) use met::Met;
pub use node::{Ids, Parent, ProcNode, Start, State, Version};
pub use repairs::Repairs;
pub(crate) use writer::StateWriter;

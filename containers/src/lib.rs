//! Which container a process runs in, as its cgroup path tells, and what only a runtime knows of it.
//!
//! `cgroup paths of a process -> kind of runtime and full id -> Asker -> sockets and state on disk -> Answer with Details`.
//! Recordings carry the same [`Details`] as events.
//!
//! ```
//! use containers::{Container, Kind};
//!
//! let id = "3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e";
//! let cgroups = format!("cpuset=/\0=/system.slice/docker-{id}.scope\0");
//! let container = Container::of_cgroups(cgroups.as_bytes());
//! assert_eq!((container.kind(), container.id()), (Kind::Docker, "3ad7b26ded6d"));
//! assert_eq!(container.full_id(), id);
//! assert_eq!(Container::of_cgroups(b"=/user.slice/session-1.scope\0").id(), "host");
//! ```

#![forbid(unsafe_code)]

mod bounds;
mod cgroup;
mod container;
mod details;
mod disk;
mod image;
mod inspect;
mod json;
mod lookup;
mod read;
mod sockets;

pub use cgroup::{Found, find, find_in_path};
pub use container::{Container, Kind};
pub use details::{Details, Limits, Mount, Port, Probe};
pub use image::ImageName;
pub use lookup::{Answer, Asker, LookupConfig, LookupThread, Why, start};

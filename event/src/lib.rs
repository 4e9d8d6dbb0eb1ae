//! Frames: what the kernel, a savefile and a synthetic source all hand to the pipeline, and the table that explains them.
//!
//! `header + parameters (as in a .scap event block) + trailer` -> [`Frame`], the one checked view. Behind it lengths are trusted.
//!
//! ```
//! use event::{EventType, Frame, FrameHeader, FrameWriter};
//!
//! let mut buf = [0u8; 256];
//! let header = FrameHeader { event_type: EventType::LISTEN_X.0, tid: 7, tgid: 7, ..FrameHeader::default() };
//! let mut w = FrameWriter::new(&mut buf, header);
//! w.i64(0).i64(3).i32(128);
//! let bytes = w.finish().unwrap();
//! let frame = Frame::parse(bytes).unwrap();
//! assert_eq!(frame.event_type().name(), "listen");
//! assert_eq!(frame.param_i64(1), Some(3));
//! ```

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod bit_set;
mod call_set;
mod descriptor;
mod event_type;
pub mod filter;
mod frame;
pub mod mark;
mod probe;
pub mod recipe;
mod resource;
mod sockaddr;
mod state;
mod table;
mod task;
mod thread;
mod trailer;
mod writer;

pub use call_set::{Call, CallSet};
pub use descriptor::{DescriptorFacts, descriptor_flags};
pub use event_type::{EventSet, EventType};
pub use frame::{Frame, FrameError, FrameHeader, HEADER_LEN, MAX_FRAME_LEN, flags};
pub use probe::{
    CAST_CALL, CONTEXT_CALL, KernelField, MISSING_FIELD, N_KERNEL_FIELDS, Outcome, Slot, addressed,
    control, cpu_layout, feature, lost, note, syscall_entry,
};
pub use resource::{OpenKinds, ResourceFacts, resource_facts};
pub use sockaddr::{SockAddr, SockTuple};
pub use state::carries_state;
pub use table::{
    CallTable, Direction, EF_CREATES_FD, EF_DESTROYS_FD, EF_LARGE_PAYLOAD, EF_MODIFIES_STATE,
    EF_OLD_VERSION, EF_SKIPS_THREAD, EF_UNUSED, EF_USES_FD, EventInfo, FlagSet, N_EVENT_TYPES,
    Param, ParamFormat, ParamType, kernel_syscall_name, syscall_id, syscall_name, syscall_names,
};
pub use task::TaskFacts;
pub use thread::{ThreadFacts, thread_facts};
pub use trailer::{
    CreatorFacts, ExitFacts, FileFacts, FileKind, ProcFacts, Section, SectionKind, SockFacts,
    Trailer, file_flags, sock_flags,
};
pub use writer::{FrameTooLarge, FrameWriter};

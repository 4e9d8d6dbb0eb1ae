//! Gate targets of one hop each: a frame of each family parsed, each change of the process table, the line of a trace.

mod decode;
mod line;
mod table;

pub(crate) use decode::DECODE;
pub(crate) use line::trace_lines;
pub(crate) use table::{chdir, exec, exit, fork, setsid};

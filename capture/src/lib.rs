//! Frames out of the kernel, out of a savefile, or synthetic, into lanes.

#![deny(unsafe_code)]

mod ring;

pub use ring::{Peek, Ring};

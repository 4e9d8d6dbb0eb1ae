//! Frames out of the kernel, out of a savefile, or synthetic, into lanes.

//! What the kernel side and its loader must agree on.

/// What became of one event in the kernel: the index of its counter, kept per CPU and event type.
/// Conservation: `Seen = Filtered + Written + every drop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Outcome {
    /// A hook ran.
    Seen = 0,
    /// Nobody asked for it: interest set, scope or self filter.
    Filtered = 1,
    /// A frame went into a ring.
    Written = 2,
    /// Dropped: the ring had no room.
    RingFull = 3,
    /// Dropped: this CPU has no ring.
    NoRing = 4,
    /// Dropped: every scratch slot of this CPU was taken by interrupted programs.
    NoScratch = 5,
    /// Dropped: the tail call found no program.
    TailCallMiss = 6,
    /// Dropped: the frame was larger than the largest record.
    TooLarge = 7,
}

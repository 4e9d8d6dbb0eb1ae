//! When memory goes back to the system; how is the program's affair, whose allocator it is.

/// Gives back memory that is free and that the allocator keeps.
#[derive(Clone, Copy, Debug)]
pub struct GiveBack {
    /// Whatever there is. Called when much was freed that is not needed again: what the start takes (the kernel's types, the text of the rules,
    /// the processes that were there) is several times what stays.
    pub all: fn(),
    /// What is kept for the calling thread alone.
    pub of_this_thread: fn(),
}

impl GiveBack {
    /// Of this thread and of the pool that works for it, once work is done that takes much and comes seldom. An allocator keeps pages of every
    /// size that a thread has ever used, and where the thread then waits for hours keeps them as long.
    pub(crate) fn after_a_burst(self) {
        let Self { all: _, of_this_thread } = self;
        of_this_thread();
        rayon::spawn_broadcast(move |_| of_this_thread());
    }
}

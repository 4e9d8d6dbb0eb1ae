//! A counting allocator, to prove in tests and in the gate that a path does not allocate.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    // `const` and without a destructor: reading it neither allocates nor registers anything, so the allocator may use it.
    static N_ALLOCS: Cell<u64> = const { Cell::new(0) };
}

/// Counts the allocations of each thread on the way to `A`.
///
/// ```
/// use perf::CountingAlloc;
///
/// #[global_allocator]
/// static ALLOC: CountingAlloc = CountingAlloc::system();
///
/// let before = perf::thread_allocs();
/// let sum: u64 = (0..10).sum();
/// assert_eq!(perf::thread_allocs(), before, "sums do not allocate");
/// drop(vec![sum]);
/// assert_eq!(perf::thread_allocs(), before + 1);
/// ```
#[derive(Debug)]
pub struct CountingAlloc<A = System>(A);

impl CountingAlloc {
    /// Counts on the way to the system's allocator.
    #[must_use]
    pub const fn system() -> Self {
        Self(System)
    }
}

impl<A> CountingAlloc<A> {
    /// Counts on the way to `inner`.
    pub const fn new(inner: A) -> Self {
        Self(inner)
    }
}

/// Allocations and reallocations made by the calling thread. Always 0 unless [`CountingAlloc`] is the global allocator.
#[must_use]
pub fn thread_allocs() -> u64 {
    N_ALLOCS.get()
}

fn count() {
    N_ALLOCS.set(N_ALLOCS.get() + 1);
}

// SAFETY: every method passes its arguments unchanged to `A`, whose own implementation upholds the contract; counting touches only
// thread-local cells that need no allocation and no destructor.
unsafe impl<A: GlobalAlloc> GlobalAlloc for CountingAlloc<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise about `layout`, passed on.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise that `ptr` came from this allocator, hence from `A`, with `layout`.
        unsafe { self.0.dealloc(ptr, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise about `layout`, passed on.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise about `ptr`, `layout` and `new_size`, passed on.
        unsafe { self.0.realloc(ptr, layout, new_size) }
    }
}

//! Gives memory back to the system once it is not needed.

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;

/// `mi_option_purge_delay` of `mi_option_e` (mimalloc.h, version 3): ms until pages that are free go back to the system.
const PURGE_DELAY: i32 = 15;

/// Makes the allocator give back at once what is free. Later means when something is allocated next, and once the program runs nothing is for
/// hours.
pub(crate) fn give_back_at_once() {
    // SAFETY: it takes two numbers.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 0) };
}

/// Gives back what the allocator keeps of memory that is free for this thread or for all, not for other threads.
pub(crate) fn give_back_of_this_thread() {
    // SAFETY: it takes no pointer, and any thread may call it at any time.
    unsafe { libmimalloc_sys::mi_collect(true) };
}

/// Gives back what [`give_back_of_this_thread`] does, and the pages of the program's and its libraries' files. Of those, what still runs
/// comes back out of the page cache; what only the start needed, most of it, does not.
pub(crate) fn give_back() {
    give_back_of_this_thread();
    // SAFETY: the callback is of the type that is asked for, and uses no data.
    unsafe { libc::dl_iterate_phdr(Some(give_back_file), null_mut()) };
}

/// Gives back the pages of what is mapped of one file.
///
/// # Safety
/// `info` is what `dl_iterate_phdr` gives: the loader does not unmap the file meanwhile.
unsafe extern "C" fn give_back_file(
    info: *mut libc::dl_phdr_info,
    _len: usize,
    _data: *mut c_void,
) -> c_int {
    // SAFETY: as the caller promises.
    let info = unsafe { &*info };
    // SAFETY: the loader's own table of so many entries.
    let headers =
        unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    for header in headers.iter().filter(|h| is_as_in_the_file(h)) {
        let start = (info.dlpi_addr + header.p_vaddr) as usize;
        let end = start + header.p_filesz as usize;
        let page = page_size();
        let (start, end) = (start / page * page, end / page * page);
        // SAFETY: pages of a mapping of the file to which nothing was ever written: whoever touches one again finds the same bytes in it.
        // What may go wrong (pages that are locked) leaves them where they are.
        unsafe {
            libc::madvise(std::ptr::without_provenance_mut(start), end - start, libc::MADV_DONTNEED)
        };
    }
    0
}

/// Whether a segment is mapped, and by the linker's word never written to, not even when addresses were put in: that needs `PF_W`, which also
/// what is read-only later has (`.data.rel.ro`).
fn is_as_in_the_file(header: &libc::Elf64_Phdr) -> bool {
    header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0
}

fn page_size() -> usize {
    // SAFETY: no preconditions.
    let n = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(n).unwrap_or(4096)
}

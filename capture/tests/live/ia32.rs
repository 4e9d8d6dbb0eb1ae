//! Calls through the 32-bit table, made from a 64-bit process with `int 0x80`. A test file that uses them has a test `child_actor` that
//! calls [`child_actor`] and nothing else.

use std::{
    arch::asm,
    path::Path,
    process::{Command, ExitStatus, Stdio},
};

use event::{EventType, Frame, flags};

use super::{
    Live,
    call::{Param, Section, hold},
};

/// Variable that names the calls to the child.
pub(crate) const ACT: &str = "PEREGRINE_ACT";

/// The child that makes the calls, in a process of its own since a kernel without the table kills it. A call is its
/// number and its arguments, with spaces between them; an argument that is no number is a text, or behind an asterisk the address of numbers
/// of 32 bits with commas between them. Calls are separated by semicolons.
pub(crate) fn child_actor() {
    let Ok(act) = std::env::var(ACT) else { return };
    let page = low_page();
    let mut at = 0;
    for call in act.split(';') {
        let mut words = call.split(' ').map(|word| {
            word.parse::<i64>().map_or_else(
                |_| {
                    let bytes = bytes_of(word);
                    assert!(at + bytes.len() < 4095, "the texts fit into the page");
                    let place = page.wrapping_byte_add(at);
                    // SAFETY: inside the page, which is zero behind it.
                    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
                    at += bytes.len() + 1;
                    place as u64
                },
                i64::cast_unsigned,
            )
        });
        let mut six = [0u64; 6];
        six.iter_mut().zip(&mut words).for_each(|(to, word)| *to = word);
        // SAFETY: the calls that the tests name read texts of the page and keep nothing of it.
        unsafe { int_0x80(six) };
    }
}

/// An anonymous page below 4 GiB, where a 32-bit pointer reaches.
pub(crate) fn low_page() -> *mut u8 {
    // SAFETY: a new mapping, wherever the kernel has room.
    let page = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT,
            -1,
            0,
        )
    };
    assert_ne!(page, libc::MAP_FAILED);
    page.cast()
}

/// What lies in memory for an argument.
fn bytes_of(word: &str) -> Vec<u8> {
    let Some(numbers) = word.strip_prefix('*') else { return word.as_bytes().to_vec() };
    let number = |n: &str| (n.parse::<i64>().unwrap() as i32).to_le_bytes();
    numbers.split(',').flat_map(number).collect()
}

/// Number, then five arguments.
unsafe fn int_0x80(words: [u64; 6]) {
    // SAFETY: rbx belongs to LLVM: it is saved around the call.
    unsafe {
        asm!(
            "xchg rbx, {first}",
            "int 0x80",
            "xchg rbx, {first}",
            first = inout(reg) words[1] => _,
            inout("eax") words[0] as u32 => _,
            in("ecx") words[2] as u32,
            in("edx") words[3] as u32,
            in("esi") words[4] as u32,
            in("edi") words[5] as u32,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
}

/// Makes the calls in a child; false where this kernel has no 32-bit calls.
pub(crate) fn act(dir: &Path, calls: &str) -> bool {
    let status: ExitStatus = Command::new(std::env::current_exe().unwrap())
        .args(["child_actor", "--exact", "--nocapture"])
        .env(ACT, calls)
        .current_dir(dir)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    if status.code().is_none() {
        eprintln!("skipped: this kernel has no 32-bit calls ({status})");
        return false;
    }
    assert!(status.success());
    true
}

/// What a call is, and what its event must say.
pub(crate) type Case<'a> =
    (&'static str, EventType, &'a str, i64, &'a [Param<'a>], &'a [Section<'a>]);

/// Makes the calls of the cases, one child for each, in a directory.
pub(crate) fn check(dir: &Path, cases: &[Case<'_>]) {
    let types: Vec<EventType> = cases.iter().map(|case| case.1).collect();
    let Some(mut live) = Live::start(&types) else { return };
    for &(name, ty, call, res, params, sections) in cases {
        if !act(dir, call) {
            return;
        }
        let bytes = live.wait(name, |f| f.event_type() == ty && f.has(flags::IA32));
        hold(name, &Frame::parse(&bytes).unwrap(), res, params, sections);
    }
    live.finish();
}

/// One call in a child, and its frame.
pub(crate) fn frame_of(live: &mut Live, ty: EventType, call: &str) -> Option<Vec<u8>> {
    act(Path::new("/"), call)
        .then(|| live.wait(call, |f| f.event_type() == ty && f.has(flags::IA32)))
}

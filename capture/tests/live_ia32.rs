//! Calls through the 32-bit table, made from a 64-bit process with `int 0x80`.

mod live;

use std::{arch::asm, process::Command};

use event::{EventType, Frame, flags};
use live::{Live, text};

const ACT: &str = "PEREGRINE_ACT";
const NR_IA32_OPEN: u32 = 5;

/// Not a test by itself: the child that makes the call, in a process of its own since a kernel without the table kills it.
#[test]
fn child_actor() {
    let Ok(path) = std::env::var(ACT) else { return };
    // SAFETY: an anonymous page below 4 GiB, where a 32-bit pointer reaches; the path fits.
    let fd = unsafe {
        let page = libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT,
            -1,
            0,
        );
        assert_ne!(page, libc::MAP_FAILED);
        std::ptr::copy_nonoverlapping(path.as_ptr(), page.cast::<u8>(), path.len());
        let mut eax = NR_IA32_OPEN;
        // rbx belongs to LLVM: it is saved around the call.
        asm!(
            "xchg rbx, {path}",
            "int 0x80",
            "xchg rbx, {path}",
            path = inout(reg) page as u64 => _,
            inout("eax") eax,
            in("ecx") 0,
            in("edx") 0,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
        eax.cast_signed()
    };
    assert!(fd >= 0, "open gave {fd}");
}

#[test]
fn an_open_through_int_0x80_is_the_same_event() {
    let Some(mut live) = Live::start(&[EventType::OPEN_X, EventType::OPENAT_2_X]) else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap().join("thirty-two");
    std::fs::write(&path, "x").unwrap();
    let name = path.to_str().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["child_actor", "--exact", "--nocapture"])
        .env(ACT, name)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    if status.code().is_none() {
        eprintln!("skipped: this kernel has no 32-bit calls ({status})");
        return;
    }
    assert!(status.success());
    let bytes = live.wait("open", |f| f.event_type() == EventType::OPEN_X && text(f, 1) == name);
    let open = Frame::parse(&bytes).unwrap();
    assert!(open.has(flags::IA32));
    assert!(open.param_i64(0) >= Some(0));
    assert_eq!(open.param_u32(2), Some(1));
    assert_eq!(open.trailer().file().unwrap().path, name.as_bytes());
    live.finish();
}

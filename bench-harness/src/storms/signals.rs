//! Signals that ask a storm to end.
#![expect(unsafe_code, reason = "no safe interface sets a handler")]

use std::io::{Error, Result};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether somebody asked this process to end.
static ASKED: AtomicBool = AtomicBool::new(false);

pub(crate) fn is_asked_to_end() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// Makes signals that ask for an end interrupt waiting, in place of ending this process.
pub(crate) fn hear_signals() -> Result<()> {
    extern "C" fn note(_: libc::c_int) {
        ASKED.store(true, Ordering::Relaxed);
    }
    let handler: extern "C" fn(libc::c_int) = note;
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: all zeroes is a valid `sigaction`; the handler stores to an atomic only. Without SA_RESTART waits are interrupted.
        let result = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as libc::sighandler_t;
            libc::sigaction(signal, &raw const action, ptr::null_mut())
        };
        if result < 0 {
            return Err(Error::last_os_error());
        }
    }
    Ok(())
}

/// Lets signals that ask for an end do so again.
pub(crate) fn hear_no_signals() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: the default action.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// As if somebody had sent such a signal.
pub(crate) fn ask_to_end() {
    ASKED.store(true, Ordering::Relaxed);
}

//! Boots a kernel with an initramfs under qemu (emulated: no virtualisation needed) and collects its serial console.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// What came over the console.
#[derive(Debug)]
pub(crate) struct Console {
    /// Lines without line ends, kernel messages among them.
    pub(crate) lines: Vec<String>,
    /// From start of qemu to its end.
    pub(crate) took: Duration,
    /// The guest did not end by itself.
    pub(crate) timed_out: bool,
}

/// Runs until the guest powers off or the time is up.
///
/// # Errors
/// Where qemu cannot be started.
pub(crate) fn boot(image: &Path, initrd: &Path, limit: Duration) -> Result<Console> {
    let start = Instant::now();
    let child = Command::new("qemu-system-x86_64")
        // The emulated CPU without cx16: 6.x kernels stop early with it under this emulation.
        .args(["-accel", "tcg", "-cpu", "max,-cx16", "-m", "1024", "-nographic", "-no-reboot"])
        .args(["-net", "none", "-monitor", "none", "-serial", "stdio", "-kernel"])
        .arg(image)
        .arg("-initrd")
        .arg(initrd)
        .args(["-append", "console=ttyS0 panic=-1 loglevel=4 mitigations=off"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("qemu-system-x86_64 cannot be started")?;
    let mut guest = Guest(child);
    let out = guest.0.stdout.take().context("qemu has no stdout")?;
    let (tx, rx) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut out = BufReader::new(out);
        let mut line = Vec::new();
        while out.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if tx.send(text).is_err() {
                break;
            }
            line.clear();
        }
    });
    let mut lines = Vec::new();
    let timed_out = loop {
        match rx.recv_timeout(limit.saturating_sub(start.elapsed())) {
            Ok(line) => lines.push(line),
            Err(mpsc::RecvTimeoutError::Timeout) => break true,
            Err(mpsc::RecvTimeoutError::Disconnected) => break false,
        }
    };
    drop(guest);
    drop(rx);
    reader.join().ok();
    Ok(Console { lines, took: start.elapsed(), timed_out })
}

/// Never left behind, whatever ends the harness's work on it.
struct Guest(Child);

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

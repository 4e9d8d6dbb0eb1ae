//! New lines of the kernel log, and which of them are complaints.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;

/// Words of a kernel that complains: of itself, or of a BPF program. A program that dies of its own fault says `segfault` or `traps:`, without
/// these.
const COMPLAINTS: [&str; 16] = [
    "BUG:",
    "BUG ",
    "WARNING:",
    "Oops",
    "Call Trace",
    "Kernel panic",
    "kernel BUG",
    "bpf",
    "BPF",
    "soft lockup",
    "hard LOCKUP",
    "stall",
    "blocked for more than",
    "refcount_t",
    "KASAN",
    "UBSAN",
];

/// The kernel log from when it was opened.
#[derive(Debug)]
pub(crate) struct KernelLog {
    file: Option<File>,
    n_lines: usize,
}

impl KernelLog {
    /// Opens it at its end; without the right to read it nothing will be found, and it says so.
    pub(crate) fn open() -> Self {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32)
            .open("/dev/kmsg")
            .and_then(|mut f| f.seek(SeekFrom::End(0)).map(|_| f));
        Self { file: file.ok(), n_lines: 0 }
    }

    /// The complaints since it was opened or last asked.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        let Some(file) = &mut self.file else { return Vec::new() };
        let mut found = Vec::new();
        // Each read gives one record, or says that older ones were overwritten (EPIPE) and goes on with those that are left.
        let mut record = [0; 8192];
        let mut n_gaps = 0;
        loop {
            match file.read(&mut record) {
                Ok(0) => break,
                Ok(n) => {
                    self.n_lines += 1;
                    let text = String::from_utf8_lossy(&record[..n]);
                    let line = message(&text);
                    if is_complaint(line) {
                        found.push(line.to_owned());
                    }
                }
                Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe && n_gaps < 100 => n_gaps += 1,
                Err(_) => break,
            }
        }
        found
    }

    /// For the report.
    pub(crate) fn describe(&self) -> String {
        match self.file {
            Some(_) => format!("{} new lines", self.n_lines),
            None => "not readable here, so not looked at".to_owned(),
        }
    }
}

/// `priority,sequence,time,flags;text` and lines of properties: the text.
fn message(record: &str) -> &str {
    let line = record.lines().next().unwrap_or_default();
    line.split_once(';').map_or(line, |(_, text)| text)
}

fn is_complaint(line: &str) -> bool {
    COMPLAINTS.iter().any(|c| line.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_told_from_a_program_that_died() {
        let check = |record: &str, expected| assert_eq!(is_complaint(message(record)), expected);
        check("4,900,17,-;WARNING: CPU: 1 PID: 7 at kernel/bpf/verifier.c:1\n SUBSYSTEM=x\n", true);
        check("4,901,18,-;BUG: kernel NULL pointer dereference, address: 0\n", true);
        check("6,902,19,-;stress-ng[7]: segfault at 0 ip 0 sp 0 error 4 in stress-ng\n", false);
        check("6,903,20,-;traps: stress-ng[7] general protection fault ip:0 sp:0\n", false);
        check("6,904,21,-;device lo entered promiscuous mode\n", false);
    }
}

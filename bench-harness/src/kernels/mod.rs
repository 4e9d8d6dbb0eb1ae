//! Boots Debian's cloud kernels with the real program inside and checks what it sees there.
//!
//! `package -> vmlinuz, binaries -> initramfs, qemu -> console -> report`

mod boot;
mod checks;
mod initramfs;
mod packages;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use self::boot::Console;
use self::checks::Report;
use self::initramfs::Initramfs;
use self::packages::{KERNELS, Kernel};
use crate::process::{cargo_executables, output, which};

/// Options of `peregrine-bench kernels`.
#[derive(Args, Debug)]
pub(crate) struct Kernels {
    /// Only these versions, such as 5.10; all where none is given
    versions: Vec<String>,
    /// Where packages are unpacked and consoles are written
    #[arg(long, value_name = "DIR", default_value = "target/kernels")]
    cache: PathBuf,
    /// Seconds a guest may run
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    limit: u64,
    /// Guests at a time
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=16))]
    jobs: u16,
    /// Program to put into the guest; built from the workspace where not given
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// Program that lists what the kernel takes; built from the workspace where not given
    #[arg(long, value_name = "FILE")]
    probe: Option<PathBuf>,
    /// Kernel object to load in place of the built-in one
    #[arg(long, value_name = "FILE")]
    object: Option<PathBuf>,
}

/// Numbers for the last line.
#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Kernels {
    /// Boots, prints, and says whether everything that could run has passed.
    ///
    /// # Errors
    /// Where the programs cannot be built or the cache cannot be written.
    pub(crate) fn run(&self) -> Result<bool> {
        let wanted: Vec<Kernel> = KERNELS
            .into_iter()
            .filter(|k| self.versions.is_empty() || self.versions.iter().any(|v| v == k.version))
            .collect();
        ensure!(!wanted.is_empty(), "no such kernel; there are {KERNELS:?}");
        fs::create_dir_all(&self.cache)
            .with_context(|| format!("cannot make {}", self.cache.display()))?;
        let initrd = self.cache.join("initrd");
        fs::write(&initrd, self.initramfs()?)?;

        let mut tally = Tally::default();
        for group in wanted.chunks(usize::from(self.jobs)) {
            let booted: Vec<_> = thread::scope(|s| {
                let threads: Vec<_> =
                    group.iter().map(|k| s.spawn(|| self.boot(*k, &initrd))).collect();
                threads.into_iter().map(|t| t.join().expect("a boot does not panic")).collect()
            });
            for (kernel, booted) in group.iter().zip(booted) {
                match booted {
                    Ok(console) => report(*kernel, &console, &mut tally),
                    Err(e) => {
                        println!("skipped: kernel {}: {e:#}", kernel.version);
                        tally.skipped += 1;
                    }
                }
            }
        }
        let Tally { passed, failed, skipped } = tally;
        println!("kernels: {passed} passed, {failed} failed, {skipped} skipped");
        Ok(failed == 0)
    }

    fn boot(&self, kernel: Kernel, initrd: &Path) -> Result<Console> {
        let image = packages::image(kernel, &self.cache)?;
        let console = boot::boot(&image, initrd, Duration::from_secs(self.limit))?;
        let log = self.cache.join(format!("{}.console", kernel.version));
        fs::write(log, console.lines.join("\n"))?;
        Ok(console)
    }

    fn initramfs(&self) -> Result<Vec<u8>> {
        let busybox = output(Command::new("busybox").arg("--list"))
            .context("the guest needs busybox (package busybox-static)")?;
        let mut a = Initramfs::default();
        for dir in ["/proc", "/sys", "/dev", "/tmp", "/run", "/root", "/etc", "/var"] {
            a.dir(dir);
        }
        a.program("/bin/busybox", &which("busybox")?)?;
        for applet in busybox.lines().filter(|a| !a.is_empty() && *a != "busybox") {
            a.link(&format!("/bin/{applet}"), "busybox");
        }
        a.file("/init", 0o755, include_bytes!("../../guest/init"));
        a.file("/check/rules.yaml", 0o644, include_bytes!("../../guest/rules.yaml"));
        a.file("/check/more.yaml", 0o644, include_bytes!("../../guest/more.yaml"));
        a.file("/check/dir/file.txt", 0o644, b"one line\n");
        a.file("/check/ready", 0o644, b"");
        a.file("/check/last", 0o644, b"");
        a.file("/etc/passwd", 0o644, b"root:x:0:0:root:/root:/bin/sh\n");
        a.file("/etc/group", 0o644, b"root:x:0:\n");
        if let Some(object) = &self.object {
            let bytes =
                fs::read(object).with_context(|| format!("cannot read {}", object.display()))?;
            a.file("/check/object", 0o644, &bytes);
        }
        let given = |file: &Option<PathBuf>, args: &[&str]| match file {
            Some(file) => Ok(file.clone()),
            None => build(args),
        };
        let probe = given(&self.probe, &["-p", "bench-harness", "--example", "guest-probe"])?;
        let agent = given(&self.agent, &["-p", "agent", "--bin", "peregrine"])?;
        // That of busybox may know no bounding set.
        a.program("/check/setpriv", &which("setpriv").context("package util-linux")?)?;
        a.program("/bin/guest-probe", &probe)?;
        a.program("/bin/peregrine", &agent)?;
        Ok(a.finish())
    }
}

/// Builds a program of the workspace and gives its path.
fn build(args: &[&str]) -> Result<PathBuf> {
    let made = cargo_executables(&[&["build", "--release"], args].concat(), None)?;
    made.into_iter().next_back().with_context(|| format!("cargo build {args:?} made nothing"))
}

fn report(kernel: Kernel, console: &Console, tally: &mut Tally) {
    let report = Report::read(console);
    let Kernel { version, suite } = kernel;
    let release = report.kernel.as_deref().unwrap_or("did not boot");
    let ended = if console.timed_out { ", stopped at the limit" } else { "" };
    println!("kernel {version} ({suite}): {release}, {:.0} s{ended}", console.took.as_secs_f32());
    println!("  accepted: {}", report.attached.join(", "));
    println!("  refused: {}", report.refused.len());
    for line in &report.refused {
        println!("    {line}");
    }
    for line in &report.notes {
        println!("  {line}");
    }
    if let Some(said) = report.five.get("sandbox") {
        println!("  sandbox: {said}");
    }
    for (name, result) in report.checks() {
        match result {
            Ok(()) => {
                println!("  ok: {name}");
                tally.passed += 1;
            }
            Err(why) => {
                println!("  FAILED: {name}: {why}");
                tally.failed += 1;
            }
        }
    }
    for line in report.not_json.iter().take(5) {
        println!("  no alert on stdout: {line}");
    }
    if report.checks().iter().any(|(_, r)| r.is_err()) {
        for line in report.err.iter().take(40) {
            println!("  stderr: {line}");
        }
        if report.kernel.is_none() {
            for line in console.lines.iter().rev().take(20).rev() {
                println!("  console: {line}");
            }
        }
    }
}

//! A storm of processes that execute a program and end.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{self, Path};

use anyhow::{Context as _, Result};

use crate::cycle::{Calls, Cycle};
use crate::number::Numbered;
use crate::raw::{self, Failed};

/// `clone`, `execve`, `exit_group` and `wait4`.
pub(crate) struct ForkExec {
    program: CString,
    number: Numbered,
    children_cpu_ns: u64,
}

impl ForkExec {
    pub(crate) fn of(program: &Path) -> Result<Self> {
        fs::metadata(program).with_context(|| format!("cannot execute {}", program.display()))?;
        let program = path::absolute(program)?;
        Ok(Self {
            program: CString::new(program.as_os_str().as_bytes()).context("a path has no NUL")?,
            number: Numbered::after(b""),
            children_cpu_ns: 0,
        })
    }
}

impl Cycle for ForkExec {
    const CALLS: &'static Calls = &[("clone", 1), ("execve", 1), ("exit_group", 1), ("wait4", 1)];

    fn run(&mut self, number: u64) -> Result<(), Failed> {
        self.number.set(number);
        let child = raw::fork_exec(&self.program, self.number.as_c_str())?;
        self.children_cpu_ns += raw::wait_for(child)?;
        Ok(())
    }

    fn children_cpu_ns(&self) -> Option<u64> {
        Some(self.children_cpu_ns)
    }
}

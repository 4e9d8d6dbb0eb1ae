//! What an action is: which rule it is for, what it does, what it needs and what the alert must say.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use crate::scene::Scene;

/// A harmless thing to do that one shipped rule is about.
pub(crate) struct Action {
    /// What the user calls it.
    pub(crate) name: &'static str,
    /// Name of the rule that must report it.
    pub(crate) rule: &'static str,
    /// What it does, for `--list`.
    pub(crate) what: &'static str,
    /// What it cannot do without.
    pub(crate) needs: &'static [Need],
    /// Fields of the alert that must have these values.
    pub(crate) expect: &'static [(&'static str, Expected)],
    /// Does it, in a process of its own on the stage.
    pub(crate) perform: fn(&Scene) -> Result<()>,
}

/// Something that a machine may lack.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need {
    /// A program in `PATH`, and the Debian package that has it.
    Program(&'static str, &'static str),
    /// io_uring, which administrators turn off.
    IoUring,
    /// The right to make overlay file systems.
    Overlay,
}

/// What every container needs.
pub(crate) const CONTAINER: [Need; 2] =
    [Need::Program("runc", "runc"), Need::Program("busybox", "busybox-static")];

/// What a field of an alert must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Exactly this.
    Is(&'static str),
    /// Anything that has this in it.
    Has(&'static str),
    /// The id of a container, not `host`.
    Container,
}

impl Expected {
    /// Whether a value of an alert is that.
    pub(crate) fn fits(self, value: &str) -> bool {
        match self {
            Self::Is(all) => value == all,
            Self::Has(part) => value.contains(part),
            Self::Container => value.len() == 12 && value.bytes().all(|b| b.is_ascii_hexdigit()),
        }
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Is(all) => write!(f, "{all:?}"),
            Self::Has(part) => write!(f, "something with {part:?}"),
            Self::Container => f.write_str("the id of a container"),
        }
    }
}

impl Action {
    /// Why it cannot be done on this machine; `None` where it can.
    pub(crate) fn obstacle(&self) -> Option<String> {
        if !rustix::process::geteuid().is_root() {
            return Some("needs root".to_owned());
        }
        self.needs.iter().find_map(|need| need.obstacle())
    }
}

impl Need {
    fn obstacle(self) -> Option<String> {
        match self {
            Self::Program(name, package) => match find_program(name) {
                Some(_) => None,
                None => Some(format!("{name} is missing: apt-get install {package}")),
            },
            Self::IoUring => {
                let file = "/proc/sys/kernel/io_uring_disabled";
                match fs::read_to_string(file) {
                    Err(_) => Some(format!("this kernel has no {file}, so no io_uring to try")),
                    Ok(text) if text.trim() == "2" => Some(format!("{file} is 2")),
                    Ok(_) => None,
                }
            }
            Self::Overlay => {
                let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
                (!known.lines().any(|l| l.ends_with("\toverlay")))
                    .then(|| "this kernel has no overlay file system (modprobe overlay)".to_owned())
            }
        }
    }
}

/// Where a program is in `PATH`.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

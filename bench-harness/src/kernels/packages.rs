//! Gets a kernel image out of a Debian package: downloaded and unpacked into a cache, never installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process::output;

/// A kernel to boot: the version people know it by, and the suite that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// `5.10` and so on.
    pub(crate) version: &'static str,
    /// Debian's suite.
    pub(crate) suite: &'static str,
}

/// Oldest supported first.
pub(crate) const KERNELS: [Kernel; 3] = [
    Kernel { version: "5.10", suite: "bullseye" },
    Kernel { version: "6.1", suite: "bookworm" },
    Kernel { version: "6.12", suite: "bookworm-backports" },
];

/// Metapackage that depends on the suite's newest cloud kernel.
const METAPACKAGE: &str = "linux-image-cloud-amd64";

/// Path of the kernel's image, from the cache or from the suite's package.
///
/// # Errors
/// Where there is no apt, the mirror lacks the suite, or the package has another shape. The caller counts that as not run.
pub(crate) fn image(kernel: Kernel, cache: &Path) -> Result<PathBuf> {
    let dir = cache.join(kernel.version);
    if let Some(image) = unpacked(&dir) {
        return Ok(image);
    }
    let mirror = mirror()?;
    let apt = PrivateApt::new(&dir, kernel.suite, &mirror)?;
    apt.run(&["apt-get", "update", "-qq"])?;
    let depends = apt.run(&["apt-cache", "depends", METAPACKAGE])?;
    let package = first_dependency(&depends)
        .with_context(|| format!("{METAPACKAGE} of {} has no kernel", kernel.suite))?;
    ensure!(
        package.starts_with(&format!("linux-image-{}.", kernel.version)),
        "{} has {package}, not a {}",
        kernel.suite,
        kernel.version
    );
    apt.run(&["apt-get", "download", "-qq", &package])?;
    let deb = fs::read_dir(&dir)?
        .filter_map(|e| Some(e.ok()?.path()))
        .find(|p| p.extension().is_some_and(|x| x == "deb"))
        .context("apt-get download left no package")?;
    output(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&dir))?;
    fs::remove_file(deb)?;
    unpacked(&dir).with_context(|| format!("{package} has no boot/vmlinuz-*"))
}

fn unpacked(dir: &Path) -> Option<PathBuf> {
    fs::read_dir(dir.join("boot"))
        .ok()?
        .filter_map(|e| Some(e.ok()?.path()))
        .find(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("vmlinuz-")))
}

/// The archive this machine gets Debian's own packages from. apt knows it once it has lists.
fn mirror() -> Result<String> {
    let archive = || -> Result<Option<String>> {
        let format = "$(ORIGIN)|$(LABEL)|$(REPO_URI)";
        let mut list = Command::new("apt-get");
        list.args(["indextargets", "--format", format, "Created-By: Packages"]);
        Ok(debian_archive(&output(&mut list)?))
    };
    if let Some(found) = archive()? {
        return Ok(found);
    }
    output(Command::new("apt-get").args(["update", "-qq"]))?;
    archive()?.context("no Debian archive among the machine's package sources")
}

/// The security archive has the origin `Debian` too, but another label.
fn debian_archive(targets: &str) -> Option<String> {
    targets.lines().find_map(|l| l.strip_prefix("Debian|Debian|")).map(str::to_owned)
}

/// `  Depends: NAME` of `apt-cache depends`.
fn first_dependency(depends: &str) -> Option<String> {
    depends.lines().find_map(|l| l.trim().strip_prefix("Depends: ")).map(str::to_owned)
}

/// apt with its own sources and lists, so that the machine's are left as they are.
struct PrivateApt {
    dir: PathBuf,
    options: Vec<String>,
}

impl PrivateApt {
    fn new(dir: &Path, suite: &str, mirror: &str) -> Result<Self> {
        let apt = dir.join("apt");
        fs::create_dir_all(apt.join("lists/partial"))?;
        fs::create_dir_all(apt.join("cache/archives/partial"))?;
        let apt = apt.canonicalize()?;
        fs::write(apt.join("sources.list"), format!("deb {mirror} {suite} main\n"))?;
        let options = [
            format!("Dir::Etc::sourcelist={}", apt.join("sources.list").display()),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            format!("Dir::State::lists={}", apt.join("lists").display()),
            format!("Dir::Cache={}", apt.join("cache").display()),
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
            "Acquire::Retries=2".to_owned(),
            // The files belong to whoever runs this; apt's own user may not reach the folder.
            "APT::Sandbox::User=root".to_owned(),
        ];
        Ok(Self { dir: dir.to_owned(), options: options.to_vec() })
    }

    fn run(&self, command: &[&str]) -> Result<String> {
        let mut c = Command::new(command[0]);
        c.current_dir(&self.dir);
        for option in &self.options {
            c.args(["-o", option]);
        }
        output(c.args(&command[1..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_security_archive_is_not_the_mirror() {
        let targets = "Debian|Debian-Security|http://a/debian-security/\n\
                       Other|Debian|http://b/\nDebian|Debian|http://c/debian/\n";
        assert_eq!(debian_archive(targets).as_deref(), Some("http://c/debian/"));
        assert_eq!(debian_archive("Debian|Debian-Security|http://a/\n"), None);
    }

    #[test]
    fn the_metapackage_names_its_kernel() {
        let text = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-9-cloud-amd64\n";
        assert_eq!(first_dependency(text).as_deref(), Some("linux-image-6.1.0-9-cloud-amd64"));
    }
}

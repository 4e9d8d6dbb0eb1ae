//! What an action finds on the stage: a folder of its own, this program under other names, and made-up system files.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::mount::{
    MountFlags, MountPropagationFlags, mount, mount_bind, mount_bind_recursive, mount_change,
};

use crate::action::find_program;
use crate::disguise::EDITOR;
use crate::interfaces;
use crate::sys;

/// The folder of the stage, seen from inside its mount namespace.
pub(crate) struct Scene {
    dir: PathBuf,
}

/// This program's name in that folder.
const OWN: &str = "peregrine-actions";

/// Folders that are replaced by made-up ones, none of whose content is needed to run programs. There is some
/// text in `/etc` and `/var/log`.
const REPLACED: [&str; 4] = ["/etc", "/usr/local/bin", "/var/log", "/var/tmp"];

/// Programs that actions use and that may lie in a folder that is replaced.
const USED: [&str; 3] = ["runc", "busybox", "find"];

/// Devices that stay what they are in the made-up `/dev`.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// The made-up `/etc`.
const ETC: [(&str, &str); 8] = [
    ("passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
    ("group", "root:x:0:\nnogroup:x:65534:\n"),
    ("shadow", "root:*:19000:0:99999:7:::\n"),
    ("sudoers", "root ALL=(ALL:ALL) ALL\n"),
    ("hosts", "127.0.0.1 localhost\n"),
    ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
    ("profile", "# Made up.\n"),
    ("crontab", "# Made up.\n"),
];

impl Scene {
    /// The stage in `dir`, which [`Scene::build`] has built.
    pub(crate) fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Moves this process to namespaces of its own and builds the stage there. All of it vanishes with the last process in
    /// them.
    pub(crate) fn build(dir: &Path) -> Result<Self> {
        let own = std::env::current_exe().context("this program's path is not known")?;
        sys::unshare(libc::CLONE_NEWNS | libc::CLONE_NEWNET | libc::CLONE_NEWIPC)
            .context("no namespaces of our own")?;
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .context("mounts cannot be made private")?;
        tmpfs(dir)?;
        let scene = Self::at(dir);
        // A name for this program that stays when other folders are replaced.
        File::create(scene.own())?;
        mount_bind(own, scene.own()).context("this program cannot be mounted")?;
        for made_up in ["bin", "work", "replaced"] {
            fs::create_dir(scene.path(made_up))?;
        }
        for folder in REPLACED.into_iter().filter(|f| Path::new(f).is_dir()) {
            let new = scene.path("replaced").join(folder[1..].replace('/', "-"));
            fs::create_dir(&new)?;
            if folder == "/etc" {
                fill_etc(&new)?;
            }
            if folder == "/var/log" {
                fs::write(new.join("auth.log"), "made up\n")?;
            }
            for program in USED.into_iter().filter_map(find_program) {
                if program.parent() == Some(Path::new(folder)) {
                    let kept = new.join(program.file_name().unwrap_or_default());
                    File::create(&kept)?;
                    mount_bind(&program, kept)?;
                }
            }
            if folder == "/usr/local/bin" {
                let editor = new.join(EDITOR);
                File::create(&editor)?;
                mount_bind(scene.own(), editor)?;
            }
            mount_bind_recursive(&new, folder)
                .with_context(|| format!("{folder} cannot be replaced"))?;
        }
        scene.replace_devices()?;
        scene.replace_file("/proc/sys/kernel/core_pattern", "core\n")?;
        interfaces::prepare()?;
        Ok(scene)
    }

    /// The folder of the stage.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A path on the stage.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// This program, by its own name.
    pub(crate) fn own(&self) -> PathBuf {
        self.path(OWN)
    }

    /// A fresh folder for one action.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let dir = self.path("work").join(name);
        fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// This program under another name: see [`crate::disguise`].
    pub(crate) fn disguised_as(&self, name: &str) -> Result<Command> {
        let link = self.path("bin").join(name);
        if !link.exists() {
            symlink(self.own(), &link)?;
        }
        let mut command = Command::new(link);
        command.stdin(Stdio::null());
        Ok(command)
    }

    /// A `/dev` with the usual devices, terminals and shared memory of its own, and a disk that is an empty file.
    fn replace_devices(&self) -> Result<()> {
        let new = self.path("replaced").join("dev");
        fs::create_dir(&new)?;
        for device in DEVICES {
            File::create(new.join(device))?;
            mount_bind(Path::new("/dev").join(device), new.join(device))
                .with_context(|| format!("/dev/{device} cannot be mounted"))?;
        }
        fs::create_dir(new.join("pts"))?;
        mount(
            "devpts",
            new.join("pts"),
            "devpts",
            MountFlags::NOSUID | MountFlags::NOEXEC,
            Some(c"newinstance,ptmxmode=0666,mode=0620"),
        )
        .context("no terminals of our own")?;
        symlink("pts/ptmx", new.join("ptmx"))?;
        fs::DirBuilder::new().mode(0o1777).create(new.join("shm"))?;
        symlink("/proc/self/fd", new.join("fd"))?;
        // A disk by its name only.
        File::create(new.join("sda"))?;
        mount_bind_recursive(&new, "/dev").context("/dev cannot be replaced")
    }

    /// Lays a made-up file over one that must not be touched, where that exists.
    fn replace_file(&self, path: &str, text: &str) -> Result<()> {
        if !Path::new(path).exists() {
            return Ok(());
        }
        let new = self.path("replaced").join(path[1..].replace('/', "-"));
        fs::write(&new, text)?;
        mount_bind(&new, path).with_context(|| format!("{path} cannot be replaced"))
    }
}

/// Mounts an empty file system in memory. Device nodes work in it.
fn tmpfs(dir: &Path) -> Result<()> {
    mount("tmpfs", dir, "tmpfs", MountFlags::empty(), Some(c"mode=755,size=64m"))
        .with_context(|| format!("no tmpfs on {}", dir.display()))
}

fn fill_etc(etc: &Path) -> Result<()> {
    for (name, text) in ETC {
        fs::write(etc.join(name), text)?;
    }
    fs::set_permissions(etc.join("shadow"), fs::Permissions::from_mode(0o600))?;
    for folder in ["cron.d", "profile.d", "ssl", "ssh"] {
        fs::create_dir(etc.join(folder))?;
    }
    // Where the machine's libraries are.
    for name in ["ld.so.cache", "ld.so.conf"] {
        match fs::copy(Path::new("/etc").join(name), etc.join(name)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e.into()),
            _ => {}
        }
    }
    Ok(())
}

/// Runs a program to its end; it must succeed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("{program} cannot be run"))?;
    ensure!(status.success(), "{program}: {status}");
    Ok(())
}

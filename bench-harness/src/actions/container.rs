//! Containers of runc: a bundle out of busybox and this program, run to its end.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use rustix::mount::{MountFlags, mount};
use serde_json::{Value, json};

use crate::action::find_program;
use crate::scene::Scene;

/// A container to run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Container {
    /// Program and arguments, seen from inside.
    pub(crate) args: Vec<String>,
    /// Capabilities beyond none.
    pub(crate) capabilities: Vec<&'static str>,
    /// How its root is made.
    pub(crate) root: Root,
    /// Where runc keeps what it knows of it.
    pub(crate) state: State,
    /// What its standard streams are.
    pub(crate) streams: Streams,
    /// Name below `/bin` that this program has inside, where it has one: see [`crate::disguise`].
    pub(crate) disguise: Option<&'static str>,
    /// More mounts: where from, and where to inside.
    pub(crate) binds: Vec<(String, String)>,
}

/// How the root of a container is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Root {
    /// A plain folder.
    #[default]
    Folder,
    /// Layers, as engines make it: what the container writes lands in the upper one.
    Layers,
}

/// Where runc keeps what it knows of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// In the scene, where nobody looks for it.
    #[default]
    Hidden,
    /// Where it always does, so that the agent learns that nothing is held back from the container.
    Usual,
}

/// What the standard streams of a container are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Streams {
    /// None.
    #[default]
    Null,
    /// A terminal.
    Terminal,
}

/// Programs of busybox that the containers have.
const APPLETS: [&str; 8] = ["sh", "cat", "cp", "chmod", "mknod", "mount", "true", "touch"];

/// Folders of the machine that hold the libraries of this program.
const LIBRARIES: [&str; 3] = ["/lib", "/lib64", "/usr/lib"];

impl Container {
    /// One that runs a program with nothing special about it.
    pub(crate) fn new(args: &[&str]) -> Self {
        Self { args: args.iter().map(|&a| a.to_owned()).collect(), ..Self::default() }
    }

    /// The bundle's `config.json` (OCI runtime specification 1.0). Limits stay as they are: raising them takes a
    /// capability that not every machine gives.
    pub(crate) fn config(&self, id: &str, own: &Path) -> Value {
        let Self { args, capabilities, root, state: _, streams, disguise, binds } = self;
        let bind = |from: &str, to: &str, options: &[&str]| json!({"destination": to, "type": "bind", "source": from, "options": options});
        let mut mounts = vec![
            json!({"destination": "/proc", "type": "proc", "source": "proc"}),
            json!({"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                   "options": ["nosuid", "mode=755", "size=1m"]}),
            json!({"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                   "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]}),
        ];
        if let Some(name) = disguise {
            mounts.push(bind(&own.to_string_lossy(), &format!("/bin/{name}"), &["bind", "ro"]));
        }
        mounts.extend(
            LIBRARIES
                .iter()
                .filter(|l| Path::new(l).is_dir())
                .map(|l| bind(l, l, &["rbind", "ro"])),
        );
        mounts.extend(binds.iter().map(|(from, to)| bind(from, to, &["bind", "rw"])));
        let namespaces = ["pid", "ipc", "uts", "mount"].map(|kind| json!({ "type": kind }));
        json!({
            "ociVersion": "1.0.2",
            "process": {
                "terminal": *streams == Streams::Terminal,
                "user": {"uid": 0, "gid": 0},
                "args": args,
                "env": ["PATH=/bin"],
                "cwd": "/",
                "capabilities": {
                    "bounding": capabilities,
                    "effective": capabilities,
                    "permitted": capabilities,
                },
                "noNewPrivileges": true,
            },
            "root": {"path": match root { Root::Folder => "rootfs", Root::Layers => "layers" }},
            "hostname": "actions",
            "mounts": mounts,
            "linux": {
                "cgroupsPath": format!("/{id}"),
                "resources": {"devices": [{"allow": true, "access": "rwm"}]},
                "namespaces": namespaces,
            },
        })
    }

    /// Runs it to its end; its program must succeed.
    pub(crate) fn run(&self, scene: &Scene) -> Result<()> {
        let id = new_id();
        let bundle = scene.folder(&id)?;
        make_root(&bundle, self)?;
        let mut config = self.config(&id, &scene.own());
        let visible = Path::new("/run").join(format!("peregrine-actions-{id}"));
        let bundle = match self.state {
            State::Hidden => bundle,
            State::Usual => {
                // The stage is seen from inside only.
                config["root"]["path"] = json!(bundle.join("rootfs"));
                fs::create_dir(&visible)?;
                visible.clone()
            }
        };
        fs::write(bundle.join("config.json"), config.to_string())?;
        let runc = find_program("runc").context("runc is gone")?;
        let runc = || {
            let mut command = Command::new(&runc);
            if self.state == State::Hidden {
                command.arg("--root").arg(scene.path("runc"));
            }
            command
        };
        let mut command = runc();
        command.args(["run", "--bundle"]).arg(&bundle).arg(&id);
        let result = match self.streams {
            Streams::Null => crate::scene::run(&mut command),
            Streams::Terminal => run_on_terminal(&mut command),
        };
        if self.state == State::Usual {
            drop(fs::remove_dir_all(&visible));
        }
        if result.is_err() {
            // What is left of it, if anything is.
            let mut delete = runc();
            delete.args(["delete", "--force", &id]);
            drop(delete.stderr(Stdio::null()).status());
        }
        result
    }
}

/// 64 hexadecimal digits, the first twelve of which are new each time.
fn new_id() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
    let now = now ^ (u64::from(std::process::id()) << 32);
    format!("{:016x}{:016x}", now.swap_bytes(), now).repeat(2)
}

/// A root with busybox and the folders that mounts go to.
fn make_root(bundle: &Path, container: &Container) -> Result<()> {
    let root = bundle.join("rootfs");
    for folder in ["bin", "proc", "dev", "tmp", "etc", "run", "lib", "lib64", "usr/lib"] {
        fs::create_dir_all(root.join(folder))?;
    }
    let busybox = find_program("busybox").context("busybox is gone")?;
    fs::copy(busybox, root.join("bin/busybox"))?;
    for applet in APPLETS {
        symlink("busybox", root.join("bin").join(applet))?;
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/:/bin/sh\n")?;
    if container.root == Root::Layers {
        for folder in ["upper", "work", "layers"] {
            fs::create_dir(bundle.join(folder))?;
        }
        let at = |name: &str| bundle.join(name).display().to_string();
        let options =
            format!("lowerdir={},upperdir={},workdir={}", at("rootfs"), at("upper"), at("work"));
        let options = std::ffi::CString::new(options)?;
        mount("overlay", bundle.join("layers"), "overlay", MountFlags::empty(), options.as_c_str())
            .context("no overlay file system")?;
    }
    Ok(())
}

/// Runs a program whose standard streams are a terminal of its own.
fn run_on_terminal(command: &mut Command) -> Result<()> {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
        .context("no terminal")?;
    grantpt(&user)?;
    unlockpt(&user)?;
    let name = ptsname(&user, Vec::new())?;
    let program = File::options().read(true).write(true).open(name.to_str()?)?;
    let mut child = command
        .stdin(program.try_clone()?)
        .stdout(program.try_clone()?)
        .stderr(program)
        .spawn()
        .context("runc cannot be run")?;
    // So that only the child holds the other end.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut said = Vec::new();
    let mut user = File::from(user);
    // The end of a terminal is an error (EIO).
    drop(std::io::Read::read_to_end(&mut user, &mut said));
    let status = child.wait()?;
    ensure!(status.success(), "runc: {status}: {}", String::from_utf8_lossy(&said).trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_containers() {
        let id = new_id();
        assert_eq!(id.len(), 64);
        assert!(id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
        assert_ne!(id[..12], new_id()[..12], "two in a row");
    }

    #[test]
    fn a_plain_container_has_no_capabilities_and_raises_no_limits() {
        let config = Container::new(&["/bin/true"]).config("abc", Path::new("/x"));
        assert_eq!(config["process"]["args"], json!(["/bin/true"]));
        assert_eq!(config["process"]["capabilities"]["effective"], json!([]));
        assert_eq!(config["process"]["terminal"], json!(false));
        assert!(config["process"].get("rlimits").is_none());
        assert_eq!(config["linux"]["cgroupsPath"], "/abc");
        assert_eq!(config["root"]["path"], "rootfs");
    }

    #[test]
    fn what_a_container_asks_for_is_in_its_configuration() {
        let container = Container {
            capabilities: vec!["CAP_SYS_ADMIN"],
            root: Root::Layers,
            streams: Streams::Terminal,
            disguise: Some("apk"),
            binds: vec![("/from".to_owned(), "/to".to_owned())],
            ..Container::new(&["sh"])
        };
        let config = container.config("abc", Path::new("/x"));
        assert_eq!(config["process"]["capabilities"]["permitted"], json!(["CAP_SYS_ADMIN"]));
        assert_eq!(config["process"]["terminal"], json!(true));
        assert_eq!(config["root"]["path"], "layers");
        let mounts = config["mounts"].as_array().unwrap();
        let last = mounts.last().unwrap();
        assert_eq!((&last["source"], &last["destination"]), (&json!("/from"), &json!("/to")));
        assert!(mounts.iter().any(|m| m["destination"] == "/bin/apk" && m["source"] == "/x"));
    }

    #[test]
    fn the_containers_own_namespaces_leave_out_the_network() {
        let config = Container::new(&["sh"]).config("abc", Path::new("/x"));
        let kinds: Vec<&str> = config["linux"]["namespaces"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|n| n["type"].as_str())
            .collect();
        // The stage's own network has no way out.
        assert_eq!(kinds, ["pid", "ipc", "uts", "mount"]);
    }
}

//! Containers that are machines of their own, LXC's and systemd-nspawn's: they have no image and no service that tells of them, and a
//! configuration where somebody wrote one.

use std::path::{Path, PathBuf};

use super::files;
use crate::{Details, Kind, Mount};

fn of_name(kind: Kind, name: &str) -> Details {
    let details = Details::of_id(kind, name);
    Details { name: details.full_id.clone(), ..details }
}

/// `key = value` and `key=value` lines of a configuration, comments and headings left out.
fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let all = text.lines().filter(|line| !line.trim_start().starts_with(['#', ';']));
    all.filter_map(|line| line.split_once('=')).map(|(key, value)| (key.trim(), value.trim()))
}

fn text(path: &Path) -> String {
    files::bytes(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// `/var/lib/lxc/NAME/config`
pub(super) fn lxc(root: &Path, name: &str) -> Details {
    let mut details = of_name(Kind::Lxc, name);
    for (key, value) in lines(&text(&root.join(name).join("config"))) {
        match key {
            "lxc.environment" => details.env.push(value.to_owned()),
            "lxc.idmap" => details.has_user_namespace = true,
            "lxc.namespace.keep" => {
                let kept = |namespace| value.split_whitespace().any(|kept| kept == namespace);
                details.host_network |= kept("net");
                details.host_pid |= kept("pid");
                details.host_ipc |= kept("ipc");
            }
            "lxc.net.0.type" if value == "none" => details.host_network = true,
            "lxc.net.0.ipv4.address" => {
                value.split('/').next().unwrap_or_default().clone_into(&mut details.ip);
            }
            "lxc.mount.entry" => details.mounts.extend(fstab(value)),
            _ => {}
        }
    }
    details
}

/// A mount as a line of `fstab` has it.
fn fstab(line: &str) -> Option<Mount> {
    let mut fields = line.split_whitespace();
    let (source, dest) = (fields.next()?, fields.next()?);
    let options = || fields.clone().nth(1).unwrap_or_default().split(',');
    Some(Mount {
        source: source.to_owned(),
        // Relative to the root of the machine.
        dest: format!("/{}", dest.trim_start_matches('/')),
        mode: String::new(),
        rdwr: !options().any(|o| o == "ro"),
        propagation: String::new(),
    })
}

/// `NAME.nspawn` in the first directory that has one.
pub(super) fn nspawn(roots: &[PathBuf], name: &str) -> Details {
    let mut details = of_name(Kind::Nspawn, name);
    let paths = roots.iter().map(|root| root.join(format!("{name}.nspawn")));
    let config = paths.map(|path| text(&path)).find(|text| !text.is_empty()).unwrap_or_default();
    for (key, value) in lines(&config) {
        match key {
            "Environment" => details.env.push(value.to_owned()),
            "PrivateUsers" => {
                details.has_user_namespace = !matches!(value, "no" | "off" | "false" | "0");
            }
            "User" => value.clone_into(&mut details.user),
            "Bind" | "BindReadOnly" => {
                let mut parts = value.trim_start_matches(['+', '-']).split(':');
                let source = parts.next().unwrap_or_default();
                details.mounts.push(Mount {
                    source: source.to_owned(),
                    dest: parts.next().unwrap_or(source).to_owned(),
                    mode: String::new(),
                    rdwr: key == "Bind",
                    propagation: String::new(),
                });
            }
            _ => {}
        }
    }
    details
}

//! Container ids out of cgroup paths.
//!
//! Names are those that the runtimes give their cgroups: `docker-ID.scope` under the systemd manager, `docker/ID` under cgroupfs, and so on.
//! The innermost component that names a container wins, so a container inside a container is told from its outer one. Ids are 64 hexadecimal
//! digits, but for those that people choose: LXC's and nspawn's names, and containerd's below a namespace that is known to be one. Falco takes
//! any path of two parts for such a name, and so the session of a user below `user.slice` for a container.

use crate::Kind;

/// A container named by a cgroup path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// Which runtime made it.
    pub kind: Kind,
    /// Its full id or name.
    pub id: &'a str,
}

/// Length of a full hexadecimal id.
const FULL_LEN: usize = 64;
/// Namespaces that clients of containerd use unless told otherwise.
const NAMESPACES: [&str; 4] = ["default", "k8s.io", "buildkit", "nerdctl"];
/// Longest id that containerd accepts.
const MAX_NAME_LEN: usize = 76;

/// Looks through the cgroups of a process, `subsys=path` each NUL-terminated, and gives the first container that a path names. v1, v2
/// and hybrid hierarchies alike. O(bytes), no allocation.
#[must_use]
pub fn find(cgroups: &[u8]) -> Option<Found<'_>> {
    cgroups.split(|&b| b == 0).find_map(|entry| {
        let at = entry.iter().position(|&b| b == b'=')?;
        find_in_path(&entry[at + 1..])
    })
}

/// The container that one path names. O(bytes), whatever the path is: processes in a container may name cgroups as they like.
#[must_use]
pub fn find_in_path(path: &[u8]) -> Option<Found<'_>> {
    let path = core::str::from_utf8(path).ok()?;
    let mut found = None;
    // What was found before the last component.
    let mut found_above = None;
    let mut start = 0_usize;
    let mut parent = "";
    for name in path.split('/') {
        let outer = &path[..start.saturating_sub(1)];
        let own = in_component(outer, parent, name).or_else(|| {
            // At the root, or at that of a container which runs a containerd of its own.
            let is_at_root = outer.len() == parent.len() + 1;
            let may_be = is_at_root || outer.len() > parent.len() && found_above.is_some();
            if may_be { below_namespace(parent, name) } else { None }
        });
        found_above = found;
        found = own.or(found);
        start += name.len() + 1;
        parent = name;
    }
    found
}

fn hex_id(text: &str) -> Option<&str> {
    (text.len() == FULL_LEN && text.bytes().all(|b| b.is_ascii_hexdigit())).then_some(text)
}

fn in_component<'a>(outer: &str, parent: &str, name: &'a str) -> Option<Found<'a>> {
    let found = |kind, id| Some(Found { kind, id });
    let bare = name.strip_suffix(".scope").unwrap_or(name);
    let prefixes = [
        ("docker-", Kind::Docker),
        ("libpod-conmon-", Kind::Host),
        ("libpod-payload-", Kind::Podman),
        ("libpod-", Kind::Podman),
        ("crio-conmon-", Kind::Host),
        ("crio-", Kind::CriO),
        ("cri-containerd-", Kind::Containerd),
        ("containerd-", Kind::Containerd),
        ("nerdctl-", Kind::Containerd),
    ];
    for (prefix, kind) in prefixes {
        if let Some(id) = bare.strip_prefix(prefix).and_then(hex_id) {
            // The monitor of a container has a cgroup named like it, and runs on the host.
            return if kind == Kind::Host { None } else { found(kind, id) };
        }
    }
    // containerd's systemd form `kubepods-...slice:cri-containerd:ID`.
    if let Some(at) = name.len().checked_sub(FULL_LEN)
        && let Some((head, id)) = name.split_at_checked(at)
        && head.ends_with(":cri-containerd:")
    {
        return hex_id(id).and_then(|id| found(Kind::Containerd, id));
    }
    if let Some(id) = hex_id(name) {
        return found(kind_of_parent(outer), id);
    }
    if let Some(id) = name.strip_prefix("lxc.payload.").filter(|n| !n.is_empty()) {
        return found(Kind::Lxc, id);
    }
    if matches!(parent, "lxc" | "lxc.payload") && !name.is_empty() {
        return found(Kind::Lxc, name);
    }
    if parent == "machine.slice" {
        let machine =
            name.strip_prefix("machine-").and_then(|n| n.strip_suffix(".scope")).or_else(|| {
                name.strip_prefix("systemd-nspawn@").and_then(|n| n.strip_suffix(".service"))
            });
        // libvirt names its virtual machines in the same slice.
        return machine
            .filter(|n| !n.is_empty() && !n.starts_with("qemu") && !n.starts_with("libvirt"))
            .and_then(|id| found(Kind::Nspawn, id));
    }
    None
}

/// A container of containerd that somebody gave a name: `/NAMESPACE/NAME`.
fn below_namespace<'a>(parent: &str, name: &'a str) -> Option<Found<'a>> {
    let is_one = NAMESPACES.contains(&parent) && is_chosen_name(name);
    is_one.then_some(Found { kind: Kind::Containerd, id: name })
}

/// Whether a name may be one that somebody chose for a container of containerd, and is none of systemd's units.
fn is_chosen_name(name: &str) -> bool {
    let is_unit = [".slice", ".scope", ".service", ".mount", ".socket", ".swap"]
        .iter()
        .any(|suffix| name.ends_with(suffix));
    let is_plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
    !is_unit && name.len() <= MAX_NAME_LEN && name.split(['.', '_', '-']).all(is_plain)
}

/// What the cgroups above a bare id say of its runtime.
fn kind_of_parent(outer: &str) -> Kind {
    let mut parents = outer.rsplit('/');
    match parents.next() {
        Some("docker" | "ecs") => Kind::Docker,
        Some("libpod" | "libpod_parent") => Kind::Podman,
        Some("crio") => Kind::CriO,
        _ if outer.split('/').any(|c| c.starts_with("kubepods")) => Kind::Cri,
        _ if outer.contains("/docker/") || outer.starts_with("/ecs/") => Kind::Docker,
        // `ctr` and others put a bare id below the name of a containerd namespace.
        _ => Kind::Containerd,
    }
}

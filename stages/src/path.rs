//! Names of files as text: joining and normalising, without asking the file system.

use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;

/// An absolute name of `name`, which starts from `dir` where it is not absolute itself; `None` where `dir` is needed and not absolute.
/// `.`, `..` and repeated slashes are resolved as text, so a name through a symbolic link keeps the link.
///
/// The common case, an absolute name without any of these, is given back as it is.
pub(crate) fn normalised<'b>(
    bump: &'b Bump,
    dir: Option<&[u8]>,
    name: &'b [u8],
) -> Option<&'b [u8]> {
    if is_normal(name) {
        return Some(name);
    }
    let dir = if name.starts_with(b"/") { b"" } else { dir.filter(|d| d.starts_with(b"/"))? };
    let mut path = BumpVec::with_capacity_in(dir.len() + name.len() + 2, bump);
    // Most directories have nothing to resolve, those that the kernel tells never.
    if is_normal(dir) {
        path.extend_from_slice_copy(dir);
    } else {
        append(&mut path, dir);
    }
    if has_plain_parts(name) {
        path.push(b'/');
        path.extend_from_slice_copy(name);
    } else {
        append(&mut path, name);
    }
    if path.is_empty() {
        path.push(b'/');
    }
    Some(path.into_bump_slice())
}

/// Appends the parts of a name to a normal path, resolving what there is.
fn append(path: &mut BumpVec<'_, u8>, name: &[u8]) {
    for part in name.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                let end = path.iter().rposition(|&b| b == b'/').unwrap_or(0);
                path.truncate(end);
            }
            part => {
                path.push(b'/');
                path.extend_from_slice_copy(part);
            }
        }
    }
}

/// Whether the name is absolute and has nothing to resolve: no empty part, no `.`, no `..`.
fn is_normal(name: &[u8]) -> bool {
    name.split_first().is_some_and(|(&first, parts)| first == b'/' && has_plain_parts(parts))
}

/// Whether there are parts, and none is empty or begins with a dot. Names with a leading dot take the slow way, which is as right.
fn has_plain_parts(parts: &[u8]) -> bool {
    let mut begins = true;
    for &b in parts {
        if begins && matches!(b, b'/' | b'.') {
            return false;
        }
        begins = b == b'/';
    }
    !begins
}

/// What stands before the last slash: `/` for a name in the root or without a slash.
pub(crate) fn directory(name: &[u8]) -> &[u8] {
    match name.iter().rposition(|&b| b == b'/') {
        None | Some(0) => b"/",
        Some(at) => &name[..at],
    }
}

/// What stands behind the last slash; `/` for nothing.
pub(crate) fn file_name(name: &[u8]) -> &[u8] {
    match name.iter().rposition(|&b| b == b'/') {
        Some(at) if at + 1 < name.len() => &name[at + 1..],
        Some(_) => b"/",
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(dir: Option<&str>, name: &str, expected: Option<&str>) {
        let bump = Bump::new();
        let got = normalised(&bump, dir.map(str::as_bytes), name.as_bytes());
        assert_eq!(got, expected.map(str::as_bytes), "{dir:?} {name}");
    }

    #[test]
    fn names_are_resolved_as_text() {
        check(Some("/home/u"), "a/../b//./c", Some("/home/u/b/c"));
        check(Some("/home/u"), "../../../etc/passwd", Some("/etc/passwd"));
        check(Some("/home/u"), "/etc//shadow", Some("/etc/shadow"));
        check(Some("/"), "x", Some("/x"));
        check(Some("/a"), "b/c", Some("/a/b/c"));
        check(Some("/a/../b/"), "c", Some("/b/c"));
        check(Some("/a"), ".b/c/", Some("/a/.b/c"));
        check(None, "/", Some("/"));
        check(Some("/a"), "", Some("/a"));
        check(Some("/a"), "..", Some("/"));
        check(None, "/..", Some("/"));
        check(None, "x", None);
        check(Some("relative"), "x", None);
    }

    #[test]
    fn directory_and_file_name() {
        for (name, dir, file) in [
            ("/etc/shadow", "/etc", "shadow"),
            ("/x", "/", "x"),
            ("/", "/", "/"),
            ("x", "/", "x"),
            ("/a/", "/a", "/"),
        ] {
            assert_eq!(directory(name.as_bytes()), dir.as_bytes());
            assert_eq!(file_name(name.as_bytes()), file.as_bytes());
        }
    }
}

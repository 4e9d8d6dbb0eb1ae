//! Names of files as text: a directory and a string joined, as other readers of savefiles join them.

/// Longest path that other readers keep, its NUL included.
const MAX_PATH: usize = 1024;
const TOO_LONG: &[u8] = b"/PATH_TOO_LONG";

/// Puts `name`, which starts from `dir` where it is not absolute itself, into `out`. A directory ends in a slash and is taken as it is;
/// empty parts, `.` and `..` of the name are resolved as text.
pub(super) fn join(dir: &[u8], name: &[u8], out: &mut Vec<u8>) {
    out.clear();
    if dir.len() + name.len() >= MAX_PATH {
        out.extend_from_slice(TOO_LONG);
        return;
    }
    match name.first() {
        None => return,
        Some(b'/') => out.push(b'/'),
        Some(_) => out.extend_from_slice(dir),
    }
    // What does not end in a slash is no directory; the name's first part is glued to it.
    let mut is_glued = !out.is_empty() && !out.ends_with(b"/");
    for part in name.split(|&b| b == b'/') {
        match part {
            b"" | b"." if !is_glued => {}
            b".." if !is_glued => to_parent(out),
            part => {
                out.extend_from_slice(part);
                out.push(b'/');
            }
        }
        is_glued = false;
    }
    if out.len() > 1 && out.ends_with(b"/") {
        out.pop();
    }
}

/// Cuts the last part off, up to the slash before it.
fn to_parent(out: &mut Vec<u8>) {
    if out.len() > 1 {
        let before = &out[..out.len() - 1];
        let end = before.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
        out.truncate(end);
    }
}

/// The working directory after a change to `path`.
pub(in crate::savefile) fn change_dir(cwd: &mut Vec<u8>, path: &[u8], room: &mut Vec<u8>) {
    join(cwd, path, room);
    if !room.ends_with(b"/") {
        room.push(b'/');
    }
    std::mem::swap(cwd, room);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_resolved_as_text() {
        let mut out = Vec::new();
        for (dir, name, expected) in [
            ("/home/u/", "a/../b//./c", "/home/u/b/c"),
            ("/home/u/", "../../../etc/passwd", "/etc/passwd"),
            ("/home/u/", "/etc//shadow/", "/etc/shadow"),
            ("/home/u/", ".", "/home/u"),
            ("/home/u/", "..", "/home"),
            ("/", ".", "/"),
            ("/", "..", "/"),
            ("/", "", ""),
            ("/", "////", "/"),
            ("/", "//dir/../../././term", "/term"),
            ("", "a/b", "a/b"),
            ("", "../x", "x"),
            ("", ".", ""),
            ("./", "x", "./x"),
            ("./", "../x", "x"),
            ("<UNKNOWN>", "x/../y", "y"),
            ("<UNKNOWN>", "../y", "<UNKNOWN>../y"),
            ("///../.../", "dir/./././///./term/", "///../.../dir/term"),
            ("/d/", ".../..x/y.", "/d/.../..x/y."),
        ] {
            join(dir.as_bytes(), name.as_bytes(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{dir} {name}");
        }
        join(b"/", &[b'x'; 1023], &mut out);
        assert_eq!(out, TOO_LONG);
        join(b"/", &[b'x'; 1022], &mut out);
        assert_eq!(out.len(), 1023);
    }

    #[test]
    fn a_working_directory_ends_in_a_slash() {
        let (mut cwd, mut room) = (b"/a/".to_vec(), Vec::new());
        for (path, expected) in
            [("b", "/a/b/"), ("..", "/a/"), ("../..", "/"), ("/x/y/", "/x/y/"), ("/", "/")]
        {
            change_dir(&mut cwd, path.as_bytes(), &mut room);
            assert_eq!(String::from_utf8_lossy(&cwd), expected);
        }
    }
}

//! Users and groups: names behind ids.

use std::collections::HashMap;

/// What the user database says of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: Box<[u8]>,
    /// Home directory.
    pub homedir: Box<[u8]>,
    /// Login shell.
    pub shell: Box<[u8]>,
}

/// Users and groups, as of the start (live) or as the savefile lists them (replay).
#[derive(Clone, Debug, Default)]
pub struct Users {
    users: HashMap<u32, User>,
    groups: HashMap<u32, Box<[u8]>>,
}

impl Users {
    /// Nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From the texts of `/etc/passwd` and `/etc/group`. Lines that are none are skipped; of several with one id the first counts.
    ///
    /// ```
    /// let users = stages::Users::from_files(b"root:x:0:0:root:/root:/bin/bash\n", b"root:x:0:\n");
    /// assert_eq!(users.user(0).map(|u| &*u.shell), Some(&b"/bin/bash"[..]));
    /// assert_eq!(users.group(0), Some(&b"root"[..]));
    /// ```
    #[must_use]
    pub fn from_files(passwd: &[u8], group: &[u8]) -> Self {
        let mut all = Self::new();
        for line in passwd.split(|&b| b == b'\n') {
            let mut part = line.split(|&b| b == b':');
            let (name, id) = (part.next(), part.nth(1).and_then(number));
            let (homedir, shell) = (part.nth(2), part.next());
            if let (Some(name), Some(id), Some(homedir)) = (name, id, homedir) {
                let shell = shell.unwrap_or_default();
                all.add_user(
                    id,
                    User { name: name.into(), homedir: homedir.into(), shell: shell.into() },
                );
            }
        }
        for line in group.split(|&b| b == b'\n') {
            let mut part = line.split(|&b| b == b':');
            if let (Some(name), Some(id)) = (part.next(), part.nth(1).and_then(number)) {
                all.add_group(id, name);
            }
        }
        all
    }

    /// Adds a user, unless one with this id is there.
    pub fn add_user(&mut self, uid: u32, user: User) {
        self.users.entry(uid).or_insert(user);
    }

    /// Adds a group, unless one with this id is there.
    pub fn add_group(&mut self, gid: u32, name: &[u8]) {
        self.groups.entry(gid).or_insert_with(|| name.into());
    }

    /// The user with this id.
    #[must_use]
    pub fn user(&self, uid: u32) -> Option<&User> {
        self.users.get(&uid)
    }

    /// Name of a user; user 0 is `root` even where no list says so.
    #[must_use]
    pub fn user_name(&self, uid: u32) -> Option<&[u8]> {
        self.users.get(&uid).map(|u| &*u.name).or((uid == 0).then_some(b"root"))
    }

    /// Name of a group.
    #[must_use]
    pub fn group(&self, gid: u32) -> Option<&[u8]> {
        self.groups.get(&gid).map(|n| &**n).or((gid == 0).then_some(b"root"))
    }
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_lines_are_skipped() {
        let users = Users::from_files(
            b"x\n:::\na:x:7:7::/h:\nb:x:7:7::/i:/sh\n\xff:x:8:8::/j",
            b"g:x:9\n:x\n",
        );
        assert_eq!(users.user_name(7), Some(&b"a"[..]));
        assert_eq!(users.user_name(8), Some(&b"\xff"[..]));
        assert_eq!(users.user_name(9), None);
        assert_eq!(users.user_name(0), Some(&b"root"[..]));
        assert_eq!(users.group(9), Some(&b"g"[..]));
    }
}

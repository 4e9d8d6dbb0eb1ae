//! Users and groups as a savefile lists them.

use capture::savefile::Header;
use stages::{User, Users};

/// The file's lists, and nothing of the machine that replays it.
pub(crate) fn users(header: &Header) -> Users {
    let mut users = Users::new();
    for u in &header.users {
        let user =
            User { name: (*u.name).into(), homedir: (*u.home).into(), shell: (*u.shell).into() };
        users.add_user(u.uid, user);
    }
    for g in &header.groups {
        users.add_group(g.gid, &g.name);
    }
    users
}

//! Users and groups as a savefile lists them, and what of them was left out.

use std::sync::Arc;

use capture::savefile::Header;
use perf::Registry;
use stages::{LeftOutNotes, Lineage, User, Users};

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

/// What events of a recording told of users and containers and was not noted.
pub(crate) fn register_left_out(
    lineage: &Arc<Lineage>,
    users: &Arc<Users>,
    registry: &mut Registry,
) {
    let (lineage, users) = (Arc::clone(lineage), Arc::clone(users));
    let names = ["savefile.dropped_users", "savefile.dropped_containers"];
    registry.external(names, move |to| {
        let LeftOutNotes { n_users, n_containers } = stages::left_out_notes(&lineage, &users);
        to.count("savefile.dropped_users", n_users);
        to.count("savefile.dropped_containers", n_containers);
    });
}

//! Users and groups of a test file. They are the same on the host and in every container, which a test need not describe.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use bus::Key;
use containers::Container;
use event::{EventType, Frame, FrameHeader};
use stages::{User, Users};

use super::given::Given;
use super::shapes::Text;
use super::tree::Tree;
use super::written::TestFile;

/// Everybody that the file lists, wherever processes of the test are.
pub(super) fn people(file: &TestFile, tree: &Tree) -> Result<Users> {
    let mut all = Users::new();
    for (uid, user) in &file.users {
        let bytes = |text: &Text| text.0.clone().into_bytes().into_boxed_slice();
        let keys = &user.0;
        let (name, homedir, shell) = (bytes(&keys.name), bytes(&keys.homedir), bytes(&keys.shell));
        all.add_user(*uid, User { name, homedir, shell });
    }
    for (gid, name) in &file.groups {
        all.add_group(*gid, name.0.as_bytes());
    }
    let containers = tree.procs.iter().map(|p| Container::of_cgroups(&p.cgroups));
    let ids: BTreeSet<String> =
        containers.filter(|c| !c.is_host()).map(|c| c.id().to_owned()).collect();
    for id in &ids {
        for (uid, user) in &file.users {
            let mut given = added("useradded")?;
            given.put_number("uid", i64::from(*uid));
            for (key, text) in
                [("name", &user.0.name), ("home", &user.0.homedir), ("shell", &user.0.shell)]
            {
                given.put_text(key, &text.0);
            }
            note(&all, given, id)?;
        }
        for (gid, name) in &file.groups {
            let mut given = added("groupadded")?;
            given.put_number("gid", i64::from(*gid));
            given.put_text("name", &name.0);
            note(&all, given, id)?;
        }
    }
    Ok(all)
}

fn added(event: &str) -> Result<Given> {
    EventType::all_named(event).next().map(Given::new).context("the event table knows its events")
}

/// Notes that somebody is in a container from the beginning.
fn note(all: &Users, mut given: Given, container: &str) -> Result<()> {
    given.put_text("container_id", container);
    let header = FrameHeader { event_type: given.ty.0, ..FrameHeader::default() };
    let bytes = given.frame(header, &[])?;
    all.note(Key::MIN, &Frame::parse(&bytes).ok().context("a frame that was just made")?);
    Ok(())
}

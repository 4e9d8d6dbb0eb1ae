//! Ids: used again within a second, in a namespace of their own; sessions, groups, working directories.

use std::io::Error;

use rustix::process::{chdir, getpgid, setpgid, setsid};

use super::chance::Chance;
use super::counts::Kind;
use super::files;
use super::role::Role;
use super::scene::{Scene, Then};
use super::sys;

fn is_refused(error: &Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::EINVAL | libc::ENOSYS))
}

/// Process after process with one id, each by another name where it executes.
pub(crate) fn same_id(scene: &Scene, chance: &mut Chance) {
    let mut own = chance.fork();
    let first = scene.child(Then::EndsWithParent, || files::look(scene, &mut own));
    scene.wait_for(first);
    for _ in 0..chance.within(1, 4) {
        if !scene.counts.can_choose_ids() {
            return;
        }
        let mut own = chance.fork();
        let side = sys::clone3(0, first);
        match &side {
            // Somebody else has it.
            Err(e) if e.raw_os_error() == Some(libc::EEXIST) => return,
            Err(e) if is_refused(e) => return scene.counts.cannot_choose_ids(),
            _ => {}
        }
        let again = scene.made_child(Kind::SameId, &side, Then::EndsWithParent, || {
            files::look(scene, &mut own);
            if own.once_in(3) {
                scene.become_other(Role::Leaf, &mut own);
            }
            files::look(scene, &mut own);
        });
        scene.wait_for(again);
    }
}

/// A pid namespace: its first process takes in what its child leaves behind.
pub(crate) fn namespace(scene: &Scene, chance: &mut Chance) {
    if !scene.counts.can_make_namespaces() {
        return;
    }
    let mut own = chance.fork();
    let side = sys::clone3(libc::CLONE_NEWPID, None);
    if side.as_ref().is_err_and(is_refused) {
        return scene.counts.cannot_make_namespaces();
    }
    let init = scene.made_child(Kind::Fork, &side, Then::EndsWithParent, || {
        let mut next = own.fork();
        scene.child(Then::EndsWithParent, || {
            let mut last = next.fork();
            scene.child(Then::OutlivesParent, || {
                for _ in 0..last.within(2, 8) {
                    files::look(scene, &mut last);
                }
                if last.once_in(3) {
                    scene.become_other(Role::Leaf, &mut last);
                }
            });
            files::look(scene, &mut next);
        });
        files::look(scene, &mut own);
        scene.wait_for_all();
    });
    scene.wait_for(init);
}

/// Sessions, groups, working directories, and a child whose group its parent changes.
pub(crate) fn session(scene: &Scene, chance: &mut Chance) {
    let mut own = chance.fork();
    let child = scene.child(Then::EndsWithParent, || {
        let folder = if own.once_in(2) { "/" } else { "/etc" };
        scene.made(Kind::Process, chdir(folder));
        if own.once_in(2) {
            scene.made(Kind::Process, setsid());
        }
        for _ in 0..own.within(1, 6) {
            files::look(scene, &mut own);
        }
        scene.made(Kind::Process, chdir(scene.path("bin")));
        files::look(scene, &mut own);
    });
    let pid = child.and_then(rustix::process::Pid::from_raw);
    scene.made(Kind::Process, setpgid(pid, None));
    scene.made(Kind::Process, getpgid(pid));
    files::look(scene, chance);
    scene.wait_for(child);
    scene.made(Kind::Process, setsid());
    files::look(scene, chance);
}

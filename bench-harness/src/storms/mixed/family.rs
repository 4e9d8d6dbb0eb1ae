//! Parents, children, orphans, and who takes them in.

use std::thread::yield_now;

use rustix::process::{getppid, set_child_subreaper};

use super::chance::Chance;
use super::counts::Kind;
use super::files;
use super::role::Role;
use super::scene::{Scene, Then};
use super::sys;

fn look_often(scene: &Scene, chance: &mut Chance, low: u64, high: u64) {
    for _ in 0..chance.within(low, high) {
        files::look(scene, chance);
    }
}

/// A parent that becomes other programs while its children open files: what they see as their parent changes from one event to the next.
pub(crate) fn overtaken(scene: &Scene, chance: &mut Chance) {
    for _ in 0..chance.within(1, 3) {
        let mut own = chance.fork();
        scene.child(Then::EndsWithParent, || {
            look_often(scene, &mut own, 5, 40);
            if own.once_in(3) {
                scene.become_other(Role::Leaf, &mut own);
            }
        });
    }
    let n_hops = chance.below(4);
    scene.become_other(Role::Hop(n_hops), chance)
}

/// Generations, each in the one before; some parents do not wait for their children.
pub(crate) fn nested(scene: &Scene, chance: &mut Chance) {
    let depth = chance.within(2, 5);
    generation(scene, chance, depth);
}

fn generation(scene: &Scene, chance: &mut Chance, depth: u64) {
    look_often(scene, chance, 1, 4);
    if depth == 0 {
        return;
    }
    let leaves_them = chance.once_in(4);
    let then = if leaves_them { Then::OutlivesParent } else { Then::EndsWithParent };
    let n_children = if depth > 3 { 1 } else { chance.within(1, 2) };
    for _ in 0..n_children {
        let mut own = chance.fork();
        let side = if own.once_in(2) { sys::fork() } else { sys::plain_fork() };
        scene.made_child(Kind::Fork, &side, then, || generation(scene, &mut own, depth - 1));
    }
    look_often(scene, chance, 1, 4);
    if !leaves_them {
        scene.wait_for_all();
    }
}

/// A child that outlives its parent, looks at files all the while, and goes to a reaper of its own or to the worker's.
pub(crate) fn orphaned(scene: &Scene, chance: &mut Chance) {
    let has_reaper = chance.once_in(2);
    if has_reaper {
        let own = rustix::process::getpid();
        scene.made(Kind::Process, set_child_subreaper(Some(own)));
    }
    let mut own = chance.fork();
    let middle = scene.child(Then::EndsWithParent, || {
        let mut orphan = own.fork();
        let parent = rustix::process::getpid();
        scene.child(Then::OutlivesParent, || {
            look_often(scene, &mut orphan, 2, 6);
            // The parent ends soon, or is gone already.
            for _ in 0..1000 {
                scene.counts.add(Kind::Process);
                if getppid() != Some(parent) {
                    break;
                }
                yield_now();
            }
            scene.end_with_parent();
            look_often(scene, &mut orphan, 2, 6);
            if orphan.once_in(4) {
                scene.become_other(Role::Leaf, &mut orphan);
            }
        });
        look_often(scene, &mut own, 1, 3);
    });
    scene.wait_for(middle);
    look_often(scene, chance, 1, 3);
    match chance.below(4) {
        0 | 1 => scene.wait_for_all(),
        // The reaper becomes another program with the orphan at its side.
        2 => scene.become_other(Role::Hop(1), chance),
        _ => {}
    }
}

/// A child that is its creator's sibling.
pub(crate) fn sibling(scene: &Scene, chance: &mut Chance) {
    let mut own = chance.fork();
    let side = sys::clone3(libc::CLONE_PARENT, None);
    scene.made_child(Kind::Fork, &side, Then::EndsWithParent, || {
        look_often(scene, &mut own, 2, 12);
    });
    look_often(scene, chance, 1, 4);
    if chance.once_in(2) {
        scene.become_other(Role::Leaf, chance);
    }
}

/// `vfork` and another program.
pub(crate) fn vforked(scene: &Scene, chance: &mut Chance) {
    for _ in 0..chance.within(1, 2) {
        let (path, args) = scene.command(Role::Leaf, chance);
        match sys::vfork_exec(&path, &args) {
            Ok(_) => {
                scene.counts.add(Kind::Vfork);
                scene.counts.add(Kind::Exec);
            }
            Err(_) => scene.counts.fail(),
        }
        look_often(scene, chance, 1, 4);
    }
    scene.wait_for_all();
}

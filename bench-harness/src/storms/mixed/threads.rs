//! Threads that open files and connect, one that executes, and a first thread that ends before the others.

use std::thread;

use super::chance::Chance;
use super::counts::Kind;
use super::role::Role;
use super::scene::{Scene, Then};
use super::{files, sockets, sys};

fn start(scene: &Scene, chance: &mut Chance, act: fn(&Scene, &mut Chance)) -> bool {
    let (scene, mut own) = (scene.clone(), chance.fork());
    scene.counts.add(Kind::Thread);
    let started = thread::Builder::new().stack_size(64 << 10).spawn(move || act(&scene, &mut own));
    started.is_ok()
}

fn look_and_connect(scene: &Scene, chance: &mut Chance) {
    for _ in 0..chance.within(2, 12) {
        files::look(scene, chance);
        if chance.once_in(4) {
            sockets::knock(scene);
        }
    }
}

/// Threads of this process, one of which may make a process.
pub(crate) fn several(scene: &Scene, chance: &mut Chance) {
    thread::scope(|threads| {
        for _ in 0..chance.within(2, 5) {
            let mut own = chance.fork();
            scene.counts.add(Kind::Thread);
            threads.spawn(move || {
                look_and_connect(scene, &mut own);
                if own.once_in(4) {
                    let child = scene.child(Then::EndsWithParent, || files::look(scene, &mut own));
                    scene.wait_for(child);
                }
            });
        }
        look_and_connect(scene, chance);
    });
}

/// A thread that executes takes over the id of the first one, which looks at files until then.
pub(crate) fn executing(scene: &Scene, chance: &mut Chance) {
    let has_started = start(scene, chance, |scene, own| {
        files::look(scene, own);
        scene.become_other(Role::Leaf, own);
    });
    for _ in 0..if has_started { 400 } else { 0 } {
        files::look(scene, chance);
        thread::yield_now();
    }
}

/// The first thread ends; the process goes on until the others have ended.
pub(crate) fn headless(scene: &Scene, chance: &mut Chance) {
    for _ in 0..chance.within(1, 3) {
        start(scene, chance, |scene, own| {
            for _ in 0..own.within(2, 12) {
                files::look(scene, own);
                thread::yield_now();
            }
        });
    }
    files::look(scene, chance);
    scene.counts.add(Kind::Exit);
    sys::end_thread()
}

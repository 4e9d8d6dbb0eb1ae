//! Calls on files: below the storm's own folder, and looks at a few others.

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, chmod, fstat, mkdirat, openat, renameat, statat, symlinkat,
    unlinkat,
};
use rustix::io::{dup, read, write};

use super::chance::Chance;
use super::counts::Kind;
use super::scene::Scene;

/// Files that are opened to be read. The last one is not there.
const LOOKED_AT: [&str; 6] = [
    "/etc/passwd",
    "/etc/hostname",
    "/dev/null",
    "/proc/self/stat",
    "/etc/shadow",
    "/nowhere/at-all",
];

/// Opens a file and closes it.
pub(crate) fn look(scene: &Scene, chance: &mut Chance) {
    let name = LOOKED_AT[chance.below(LOOKED_AT.len() as u64) as usize];
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    if let Some(file) = scene.made(Kind::File, openat(CWD, name, flags, Mode::empty())) {
        if chance.once_in(3) {
            scene.made(Kind::File, read(&file, &mut [0_u8; 64]));
        }
        scene.close(Kind::File, file);
    }
}

/// Makes, writes, renames, reads and removes a file or two, and a folder.
pub(crate) fn work(scene: &Scene, chance: &mut Chance) {
    for _ in 0..chance.within(1, 4) {
        let name = format!("file-{:x}", chance.next());
        let (first, second) = (scene.path(&name), scene.path(&format!("{name}.new")));
        let create = OFlags::CREATE | OFlags::RDWR | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        if let Some(file) = scene.made(Kind::File, openat(CWD, &first, create, mode)) {
            for _ in 0..chance.within(1, 6) {
                scene.made(Kind::File, write(&file, name.as_bytes()));
            }
            scene.made(Kind::File, fstat(&file));
            if let Some(copy) = scene.made(Kind::File, dup(&file)) {
                scene.made(Kind::File, read(&copy, &mut [0_u8; 128]));
                scene.close(Kind::File, copy);
            }
            scene.close(Kind::File, file);
        }
        scene.made(Kind::File, chmod(&first, mode | Mode::RGRP));
        scene.made(Kind::File, renameat(CWD, &first, CWD, &second));
        let link = scene.path(&format!("{name}.link"));
        scene.made(Kind::File, symlinkat(&second, CWD, &link));
        let read_only = OFlags::RDONLY | OFlags::CLOEXEC;
        if let Some(file) = scene.made(Kind::File, openat(CWD, &link, read_only, Mode::empty())) {
            scene.close(Kind::File, file);
        }
        for path in [&link, &second] {
            scene.made(Kind::File, unlinkat(CWD, path, AtFlags::empty()));
        }
        scene.made(Kind::File, statat(CWD, &first, AtFlags::empty()));
    }
    let folder = scene.path(&format!("folder-{:x}", chance.next()));
    scene.made(Kind::File, mkdirat(CWD, &folder, Mode::RWXU));
    scene.made(Kind::File, unlinkat(CWD, &folder, AtFlags::REMOVEDIR));
}

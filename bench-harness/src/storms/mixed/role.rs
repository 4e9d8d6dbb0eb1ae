//! What this program does when it was executed by itself.

use std::path::Path;
use std::process::ExitCode;

use super::chance::Chance;
use super::counts::Kind;
use super::scene::{Scene, Then};
use super::{files, sockets, sys};

/// First argument of a process of the storm.
const AS: &str = "as";

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Look at some files, connect, end.
    Leaf,
    /// Make a child that looks at files and become another program at once, so many times; then wait for all.
    Hop(u64),
}

impl Role {
    pub(crate) fn to_args(self) -> [String; 3] {
        let (name, n) = match self {
            Self::Leaf => ("leaf", 0),
            Self::Hop(n) => ("hop", n),
        };
        [AS.to_owned(), name.to_owned(), n.to_string()]
    }

    fn of_args(name: &str, n: &str) -> Option<Self> {
        match name {
            "leaf" => Some(Self::Leaf),
            "hop" => n.parse().ok().map(Self::Hop),
            _ => None,
        }
    }
}

/// Plays the role that the arguments name; `None` where a user called this program.
pub(crate) fn play() -> Option<ExitCode> {
    let args: Vec<String> = std::env::args().collect();
    let [_, first, role, n, seed, fd, dir] = &args[..] else { return None };
    if first != AS {
        return None;
    }
    let counts = sys::map_counts(fd.parse().ok()?).ok()?;
    let scene = Scene::new(counts, fd.parse().ok()?, Path::new(dir));
    let mut chance = Chance::new(seed.parse().ok()?);
    act(Role::of_args(role, n)?, &scene, &mut chance);
    scene.counts.add(Kind::Exit);
    Some(ExitCode::SUCCESS)
}

fn act(role: Role, scene: &Scene, chance: &mut Chance) {
    match role {
        Role::Leaf => {
            for _ in 0..chance.within(2, 10) {
                files::look(scene, chance);
            }
            sockets::knock(scene);
        }
        Role::Hop(0) => {
            files::look(scene, chance);
            scene.wait_for_all();
        }
        Role::Hop(n) => {
            let mut own = chance.fork();
            scene.child(Then::EndsWithParent, || {
                for _ in 0..own.within(5, 40) {
                    files::look(scene, &mut own);
                }
            });
            files::look(scene, chance);
            scene.become_other(Role::Hop(n - 1), chance);
        }
    }
}

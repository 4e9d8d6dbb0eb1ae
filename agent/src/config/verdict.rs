//! Each file by itself, and all of them together: what is wrong in a file is told even where another value takes the place of the wrong one.

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;

use super::check::{Checked, MAX_TOLD, Untold, check};
use super::tree::{Node, Origin};
use super::trouble::{Trouble, Weight};

/// A file, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReadFile {
    pub(super) path: PathBuf,
    is_read: bool,
    troubles: Vec<Trouble>,
    untold: Untold,
}

/// What a file comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    Warnings,
    Invalid,
}

impl Verdict {
    pub(super) fn of(worst: Option<Weight>) -> Self {
        match worst {
            None => Self::Ok,
            Some(Weight::Doubt) => Self::Warnings,
            Some(Weight::Error) => Self::Invalid,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "Ok",
            Self::Warnings => "Ok, with warnings",
            Self::Invalid => "Invalid",
        })
    }
}

impl ReadFile {
    pub(super) fn new(path: PathBuf, tree: &Node) -> Self {
        let Checked { troubles, untold, .. } = check(tree);
        Self { path, is_read: true, troubles, untold }
    }

    /// One that could not be read, which somebody else tells.
    pub(super) fn unread(path: PathBuf) -> Self {
        Self { path, is_read: false, troubles: Vec::new(), untold: Untold::default() }
    }

    pub(super) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// What it comes to by itself, and by what is told of all files.
    pub(super) fn verdict(&self, told: &[&Trouble]) -> Verdict {
        if !self.is_read {
            return Verdict::Invalid;
        }
        let shown = self.shown();
        let is_here =
            |origin: &Origin| matches!(origin, Origin::File { file, .. } if **file == *shown);
        let told = told.iter().copied().filter(|trouble| is_here(&trouble.origin));
        let all = told.chain(&self.troubles).map(|trouble| trouble.weight);
        Verdict::of(all.chain(self.untold.weight).min())
    }

    /// Errors that are nobody's value are doubts. `in_force` has the places of all troubles of what came together, none where they are too many.
    fn weigh(&mut self, in_force: Option<&HashSet<Origin>>) {
        let Some(in_force) = in_force else { return };
        for trouble in &mut self.troubles {
            if trouble.weight == Weight::Error && !in_force.contains(&trouble.origin) {
                trouble.weight = Weight::Doubt;
                trouble.text.push_str("; another value takes its place");
            }
        }
        // Those in force are among what came together.
        self.untold.weight = self.untold.weight.map(|_| Weight::Doubt);
    }
}

/// What there is to tell: `first`, then what is wrong with each file, then with what was made of them; not endless.
pub(super) fn told(
    files: &mut [ReadFile],
    first: Vec<Trouble>,
    checked: &Checked,
    whole: &Origin,
) -> Vec<Trouble> {
    let is_all = checked.untold == Untold::default();
    let in_force: HashSet<Origin> = checked.troubles.iter().map(|t| t.origin.clone()).collect();
    for file in &mut *files {
        file.weigh(is_all.then_some(&in_force));
    }
    let (mut troubles, mut untold) = (Vec::new(), Untold::default());
    let mut places = HashSet::new();
    let of_files = files.iter().flat_map(|file| &file.troubles).cloned();
    for trouble in first.into_iter().chain(of_files) {
        places.insert(trouble.origin.clone());
        troubles.push(trouble);
    }
    troubles.extend(checked.troubles.iter().filter(|t| !places.contains(&t.origin)).cloned());
    for trouble in troubles.drain(troubles.len().min(MAX_TOLD)..) {
        untold.add(1, trouble.weight);
    }
    for more in files.iter().map(|file| file.untold) {
        if let Some(weight) = more.weight {
            untold.add(more.n, weight);
        }
    }
    if let Some(weight) = checked.untold.weight {
        // Most of them are those of the files.
        let n = checked.untold.n.saturating_sub(untold.n);
        untold.add(n, weight);
    }
    troubles.extend(untold.trouble(whole));
    troubles
}

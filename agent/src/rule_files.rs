//! Reads rule files: which paths, in which order, and what of them is missing.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use rules::{MAX_FILE_BYTES, Source, Unread};

use crate::config::RuleInputs;

/// All rule files of a load together.
const MAX_BYTES: usize = 64 << 20;

/// The texts of all rule files, in load order. A directory gives its `.yaml` and `.yml` files, sorted, without descending; a named file with
/// another ending is skipped, which is said on stderr.
///
/// # Errors
/// A path cannot be read, a path given with `-r` does not exist, or there is nothing to load.
pub(crate) fn read(inputs: &RuleInputs) -> Result<Vec<Source>> {
    let (files, notes) = files(inputs)?;
    for note in notes {
        crate::run::say(&format!("{note}\n"));
    }
    match files {
        None => {
            let name = "built-in rules".to_owned();
            Ok(vec![Source { name, text: rules::DEFAULT_RULES.to_owned() }])
        }
        Some(files) => {
            let mut room = MAX_BYTES;
            files.iter().map(|file| source(file, &mut room)).collect()
        }
    }
}

/// The files in load order, none for the built-in rules; and what was skipped.
fn files(inputs: &RuleInputs) -> Result<(Option<Vec<PathBuf>>, Vec<String>)> {
    let (paths, given) = match inputs {
        RuleInputs::BuiltIn => return Ok((None, Vec::new())),
        RuleInputs::Configured(paths) => (paths, false),
        RuleInputs::Given(paths) => (paths, true),
    };
    let (mut files, mut notes) = (Vec::new(), Vec::new());
    for path in paths {
        if path.is_dir() {
            files.append(&mut directory(path)?);
        } else if !is_yaml(path) {
            notes.push(format!("{}: skipped, rule files end in .yaml or .yml", path.display()));
        } else if given || path.exists() {
            files.push(path.clone());
        }
    }
    if files.is_empty() {
        let names: Vec<_> = paths.iter().map(|p| p.display().to_string()).collect();
        notes.push(format!(
            "no rule file to load in {}",
            if names.is_empty() { "rules_files".to_owned() } else { names.join(", ") }
        ));
        bail!("{}", notes.join("; "));
    }
    Ok((Some(files), notes))
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "yaml" || e == "yml")
}

/// The files of these paths, each read or with the reason why not, in order.
///
/// # Errors
/// A directory cannot be read, or has no rule file.
pub(crate) fn read_each(paths: &[PathBuf]) -> Result<Vec<Result<Source, Unread>>> {
    let (mut sources, mut room) = (Vec::new(), MAX_BYTES);
    for path in paths {
        let files = if path.is_dir() { directory(path)? } else { vec![path.clone()] };
        if files.is_empty() {
            bail!("no rule file in {}", path.display());
        }
        sources.extend(files.iter().map(|file| {
            source(file, &mut room).map_err(|e| Unread {
                name: file.display().to_string(),
                why: e.root_cause().to_string(),
            })
        }));
    }
    Ok(sources)
}

/// The YAML files of a directory, sorted by name.
pub(crate) fn directory(path: &Path) -> Result<Vec<PathBuf>> {
    let context = || format!("cannot read the rule directory {}", path.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(path).with_context(context)? {
        let file = entry.with_context(context)?.path();
        if is_yaml(&file) && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads a file that still has room beside the others. Devices and pipes have no size to ask for.
fn source(path: &Path, room: &mut usize) -> Result<Source> {
    let name = path.display().to_string();
    let context = || format!("cannot read the rule file {name}");
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes))
        .with_context(context)?;
    if bytes.len() > MAX_FILE_BYTES {
        bail!("cannot read the rule file {name}: it has more than {MAX_FILE_BYTES} bytes");
    }
    let Some(rest) = room.checked_sub(bytes.len()) else {
        bail!(
            "cannot read the rule file {name}: the rule files together have more than {MAX_BYTES} bytes"
        );
    };
    *room = rest;
    Source::from_bytes(&name, bytes)
        .map_err(|e| anyhow::anyhow!("{name}:{}:{}: {}", e.line, e.column, e.message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(inputs: &RuleInputs) -> Vec<String> {
        let file_name = |s: &Source| s.name.rsplit('/').next().unwrap_or_default().to_owned();
        read(inputs).unwrap().iter().map(file_name).collect()
    }

    #[test]
    fn directories_are_read_sorted_and_flat() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yml", "c.txt", "z.yml"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        fs::create_dir(dir.path().join("d.yaml")).unwrap();
        let z = dir.path().join("z.yml");
        let inputs = RuleInputs::Given(vec![z, dir.path().to_owned()]);
        assert_eq!(names(&inputs), ["z.yml", "a.yml", "b.yaml", "z.yml"]);
    }

    #[test]
    fn files_with_other_endings_are_skipped_and_named() {
        let paths = vec!["/nosuch/rules.txt".into(), "/nosuch/rules.yaml".into()];
        let (files, notes) = files(&RuleInputs::Given(paths.clone())).unwrap();
        assert_eq!(files.unwrap(), paths[1..]);
        let note = "/nosuch/rules.txt: skipped, rule files end in .yaml or .yml";
        assert_eq!(notes, [note]);
        let e = read(&RuleInputs::Given(paths[..1].to_vec())).unwrap_err().to_string();
        assert_eq!(e, format!("{note}; no rule file to load in /nosuch/rules.txt"));
    }

    #[test]
    fn text_that_is_not_utf8_is_refused_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.yaml");
        fs::write(&path, b"- list: a\n  items: [\xc3\xa9\xff]\n").unwrap();
        let e = read(&RuleInputs::Given(vec![path])).unwrap_err().to_string();
        assert!(e.ends_with("a.yaml:2:12: not UTF-8: byte 0xff"), "{e}");
    }

    #[test]
    fn a_missing_file_is_skipped_if_configured_and_refused_if_given() {
        let dir = tempfile::tempdir().unwrap();
        let (here, gone) = (dir.path().join("here.yaml"), dir.path().join("gone.yaml"));
        fs::write(&here, "").unwrap();
        let paths = vec![gone.clone(), here];
        assert_eq!(names(&RuleInputs::Configured(paths.clone())), ["here.yaml"]);
        let e = format!("{:#}", read(&RuleInputs::Given(paths)).unwrap_err());
        assert!(e.starts_with("cannot read the rule file ") && e.contains("gone.yaml"), "{e}");
        let e = read(&RuleInputs::Configured(vec![gone])).unwrap_err().to_string();
        assert!(e.starts_with("no rule file to load in "), "{e}");
    }

    #[test]
    fn the_built_in_rules_are_a_source() {
        assert_eq!(names(&RuleInputs::BuiltIn), ["built-in rules"]);
    }
}

//! The machine: kernel release, CPUs, descendants of a process.

use std::{collections::HashMap, fs};

use super::report::ProbeError;

fn read(path: &str) -> Result<String, ProbeError> {
    fs::read_to_string(path)
        .map_err(|e| ProbeError::Unreadable { path: path.to_owned(), reason: e.to_string() })
}

/// Release of the running kernel, as `uname -r` prints it.
pub(crate) fn release() -> Result<String, ProbeError> {
    Ok(read("/proc/sys/kernel/osrelease")?.trim().to_owned())
}

/// First two numbers of a release; zeros where it has none.
pub(crate) fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// CPUs of a list such as `0-3,8`.
fn cpu_list(text: &str) -> Vec<u16> {
    let mut out = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) {
            out.extend(first..=last);
        }
    }
    out
}

/// One more than the highest possible CPU number.
pub(crate) fn n_possible_cpus() -> Result<u32, ProbeError> {
    let path = "/sys/devices/system/cpu/possible";
    let last = cpu_list(&read(path)?).into_iter().max();
    last.map(|n| u32::from(n) + 1).ok_or_else(|| ProbeError::Unreadable {
        path: path.to_owned(),
        reason: "no CPU in it".to_owned(),
    })
}

pub(crate) fn online_cpus() -> Result<Vec<u16>, ProbeError> {
    Ok(cpu_list(&read("/sys/devices/system/cpu/online")?))
}

/// Parent of a process, from the text of its `stat`.
fn parent_of(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Living descendants of a process, itself not included.
pub(crate) fn descendants(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else {
            continue;
        };
        if let Some(parent) =
            fs::read_to_string(entry.path().join("stat")).ok().as_deref().and_then(parent_of)
        {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut at = 0;
    while at < found.len() {
        found.extend(children.remove(&found[at]).unwrap_or_default());
        at += 1;
    }
    found.split_off(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_compare_by_their_first_two_numbers() {
        assert_eq!(version("5.10.0-33-cloud-amd64"), (5, 10));
        assert!(version("6.1.0") > version("5.10.0"));
        assert_eq!(version("odd"), (0, 0));
    }

    #[test]
    fn cpu_lists_have_ranges_and_gaps() {
        assert_eq!(cpu_list("0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(cpu_list("0\n"), [0]);
        assert!(cpu_list("\n").is_empty());
    }

    #[test]
    fn a_name_with_brackets_does_not_hide_the_parent() {
        assert_eq!(parent_of("7 (a) (b)) S 42 7 7 0"), Some(42));
    }
}

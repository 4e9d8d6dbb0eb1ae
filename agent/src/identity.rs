//! What the agent is, for rules about itself: its process, and where its program, its configuration and its outputs are.
//!
//! The shipped rules have lists for it (`peregrine_pid` and others), with where the packages put things in them, so that they can be checked and
//! tested anywhere. A running agent gives them what it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rules::GivenItems;
use rustix::process::getpgrp;

use crate::config::{AsAgent, CaptureSource, Config, RuleInputs};

/// The first pid namespace (`PROC_PID_INIT_INO`, include/linux/proc_ns.h).
pub(crate) const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Items of the lists by which rules know the agent; none for a command about rules, and none in a replay, where it was another machine's.
pub(crate) fn list_items(config: &Config) -> Arc<BTreeMap<String, GivenItems>> {
    let mut items = BTreeMap::new();
    let Some(AsAgent { pid_file }) = &config.agent else { return Arc::new(items) };
    if config.source != CaptureSource::Live {
        return Arc::new(items);
    }
    let mut give = |name: &str, given| items.insert(format!("peregrine_{name}"), given);
    // In a namespace of its own it does not know by which number others call it.
    if is_in_first_pid_namespace() {
        let pid = std::process::id();
        give("pid", GivenItems::Instead(vec![pid.to_string()]));
        let group = getpgrp().as_raw_nonzero();
        give("group", GivenItems::Instead(vec![format!("-{group}")]));
        let process = std::iter::once(PathBuf::from(format!("/proc/{pid}"))).chain(control_group());
        give("process_places", GivenItems::Beside(process.filter_map(|p| item(&p)).collect()));
    }
    let mut beside = |name: &str, paths: Vec<PathBuf>| {
        give(name, GivenItems::Beside(paths.iter().flat_map(|path| spellings(path)).collect()));
    };
    beside("places", places(config, pid_file.as_deref()));
    beside("log_places", log_places(config));
    beside("configuration_places", configuration(config));
    Arc::new(items)
}

pub(crate) fn is_in_first_pid_namespace() -> bool {
    fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link == Path::new(FIRST_PID_NAMESPACE))
}

/// Program, control socket, pid file, outbox.
fn places(config: &Config, pid_file: Option<&Path>) -> Vec<PathBuf> {
    let Config { socket, outputs, .. } = config;
    let mut lock = socket.clone().into_os_string();
    lock.push(".lock");
    let mut paths = vec![socket.clone(), lock.into()];
    // Of a program that was replaced the kernel tells another name.
    paths.extend(std::env::current_exe().ok().filter(|path| path.exists()));
    paths.extend(pid_file.map(Path::to_owned));
    if outputs.is_any_durable() {
        paths.push(outputs.outbox.directory.clone());
    }
    paths
}

/// What it writes and nobody else.
fn log_places(config: &Config) -> Vec<PathBuf> {
    let Config { write, outputs, metrics, .. } = config;
    let snapshots = metrics.as_ref().and_then(|metrics| metrics.snapshots.as_ref());
    let files = [
        outputs.file.as_ref().map(|file| file.filename.clone()),
        snapshots.and_then(|snapshots| snapshots.file.clone()),
        write.clone(),
    ];
    files.into_iter().flatten().collect()
}

fn configuration(config: &Config) -> Vec<PathBuf> {
    let rules = match &config.rules {
        RuleInputs::BuiltIn => &[][..],
        RuleInputs::Configured(paths) | RuleInputs::Given(paths) => paths,
    };
    config.files.iter().chain(rules).cloned().collect()
}

/// The directory of its control group, in which it is frozen, killed and starved.
fn control_group() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // The root is everybody's.
    let path = Path::new("/sys/fs/cgroup").join(own);
    (!own.is_empty() && !own.starts_with("..") && path.is_dir()).then_some(path)
}

/// A path as it was given, and as the kernel calls it.
fn spellings(path: &Path) -> impl Iterator<Item = String> + use<> {
    let given = std::path::absolute(path).ok();
    let real = fs::canonicalize(path).ok().filter(|real| given.as_ref() != Some(real));
    given.into_iter().chain(real).filter_map(|path| item(&path))
}

/// A path as an item; none where it stands for something that is not the agent's (a device, a descriptor), or cannot be an item.
fn item(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    let is_own = !["/", "/dev", "/proc/self"].contains(&text)
        && !["/dev/", "/proc/self/"].iter().any(|of| text.starts_with(of));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._+-@:".contains(c);
    if !is_own || text.contains(['"', '\'', '\\']) || text.contains(char::is_control) {
        return None;
    }
    Some(if text.chars().all(is_plain) { text.to_owned() } else { format!("\"{text}\"") })
}

#[cfg(test)]
mod tests {
    use rules::{Catalog, DEFAULT_RULES, Options, Source};

    use super::*;

    #[test]
    fn paths_become_items_as_conditions_take_them() {
        let item = |text: &str| item(Path::new(text));
        assert_eq!(item("/etc/peregrine/a.yaml").as_deref(), Some("/etc/peregrine/a.yaml"));
        assert_eq!(item("/srv/a b, (c)").as_deref(), Some("\"/srv/a b, (c)\""));
        for refused in ["/", "/dev/stdout", "/proc/self/fd/1", "/a\"b", "/a'b", "/a\\b", "/a\nb"] {
            assert_eq!(item(refused), None, "{refused}");
        }
    }

    /// The lists of the shipped rules and those that an agent fills have the same names, and all of it is a condition in the end.
    #[test]
    fn the_shipped_rules_take_what_the_agent_is() {
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join("a b, (c) = d");
        let source = crate::cli::ConfigSource::default();
        let config = crate::config::load(&source, &crate::cli::Settings::default()).unwrap();
        assert!(list_items(&config).is_empty());
        let agent = Some(AsAgent { pid_file: None });
        let config = Config { agent, socket: odd.join("p.sock"), write: Some(odd), ..config };
        let items = list_items(&config);
        for name in items.keys() {
            assert!(DEFAULT_RULES.contains(&format!("- list: {name}\n")), "{name}");
        }
        let n_lists = DEFAULT_RULES.matches("- list: peregrine_").count();
        assert_eq!(items.len(), if is_in_first_pid_namespace() { n_lists } else { n_lists - 3 });
        let rules = Source { name: "default.yaml".into(), text: DEFAULT_RULES.into() };
        let options = Options { list_items: items, ..Options::default() };
        let catalog = Catalog::load(vec![rules], &options).unwrap();
        let resolved = |rule: &str| catalog.rule(rule).unwrap().condition.resolved.clone().unwrap();
        assert!(resolved("Peregrine file changed").contains("a b, (c) = d/p.sock"));
        if is_in_first_pid_namespace() {
            let pid = format!("evt.rawarg.pid = {}", std::process::id());
            assert!(resolved("Peregrine killed or stopped").contains(&pid));
        }
    }
}

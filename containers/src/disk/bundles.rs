//! Bundles: the directories that low-level runtimes are started in, with a specification each.

use std::path::{Path, PathBuf};

use super::{files, oci};
use crate::read::{list, str_of, time_ns, to_s};
use crate::{Details, Kind, Why};

/// A bundle of containerd, in any of its namespaces.
pub(super) fn containerd(roots: &[PathBuf], kind: Kind, full_id: &str) -> Result<Details, Why> {
    let mut why = Why::NoRuntime;
    for root in roots {
        for namespace in files::directories(root) {
            why = why.or(Why::NotFound);
            match files::json(&namespace.join(full_id).join("config.json")) {
                Ok(spec) => {
                    let kind = if kind == Kind::Cri { Kind::Containerd } else { kind };
                    let mut details = oci::details(kind, full_id, &spec);
                    let sandbox = details.pod_sandbox_id.clone();
                    if sandbox != full_id
                        && files::is_name(&sandbox)
                        && let Ok(sandbox) =
                            files::json(&namespace.join(sandbox).join("config.json"))
                    {
                        oci::add_sandbox(&mut details, &spec, &sandbox);
                    }
                    return Ok(details);
                }
                Err(e) => why = why.or(e),
            }
        }
    }
    Err(why)
}

/// What runc keeps of a container, and the bundle that it names.
pub(super) fn runc(root: &Path, kind: Kind, full_id: &str) -> Result<Details, Why> {
    if !root.is_dir() {
        return Err(Why::NoRuntime);
    }
    let state = files::json(&root.join(full_id).join("state.json"))?;
    let mut labels = list(&state["config"], "labels").filter_map(|l| l.as_str());
    let bundle = labels.find_map(|l| l.strip_prefix("bundle=")).ok_or(Why::BadAnswer)?;
    let spec = files::json(&Path::new(bundle).join("config.json"))?;
    let mut details = oci::details(kind, full_id, &spec);
    details.started_ns = time_ns(str_of(&state, "created"));
    details.created_s = to_s(details.started_ns);
    Ok(details)
}

//! The storage that Podman and CRI-O share: `DRIVER-containers/ID/userdata/config.json`, and lists of containers and images.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{files, oci};
use crate::image::ImageName;
use crate::read::{number, str_of, texts, time_s};
use crate::{Details, Kind, Why, inspect};

const CONTAINERS: &str = "-containers";

/// Reads a container of a storage; `run` is the part of it that does not outlive the machine.
pub(super) fn look_up(root: &Path, run: &Path, kind: Kind, full_id: &str) -> Result<Details, Why> {
    let mut why = Why::NoRuntime;
    for base in [root, run] {
        for (containers, driver) in drivers(base) {
            why = why.or(Why::NotFound);
            match files::json(&containers.join(full_id).join("userdata/config.json")) {
                Ok(spec) => {
                    let kind = if kind == Kind::Cri { Kind::CriO } else { kind };
                    let mut details = oci::details(kind, full_id, &spec);
                    let sandbox = details.pod_sandbox_id.clone();
                    if sandbox != full_id
                        && files::is_name(&sandbox)
                        && let Ok(sandbox) =
                            files::json(&containers.join(sandbox).join("userdata/config.json"))
                    {
                        oci::add_sandbox(&mut details, &spec, &sandbox);
                    }
                    let listed = root.join(format!("{driver}{CONTAINERS}"));
                    let images = root.join(format!("{driver}-images/images.json"));
                    add_listed(&mut details, &listed, &images);
                    return Ok(details);
                }
                Err(e) => why = why.or(e),
            }
        }
    }
    Err(why)
}

/// Directories of containers, with the names of their storage drivers.
fn drivers(base: &Path) -> Vec<(PathBuf, String)> {
    let all = files::directories(base).into_iter();
    all.filter_map(|path| {
        let driver = path.file_name()?.to_str()?.strip_suffix(CONTAINERS)?.to_owned();
        Some((path, driver))
    })
    .collect()
}

/// Adds what the lists tell. Where they cannot be read, as while they are written, the rest stands.
fn add_listed(details: &mut Details, containers: &Path, images: &Path) {
    let find = |file: &Path, id: &str| {
        let Ok(Value::Array(all)) = files::json(file) else { return None };
        all.into_iter().find(|one| str_of(one, "id") == id)
    };
    let lists = ["containers.json", "volatile-containers.json"];
    let listed = lists.iter().find_map(|list| find(&containers.join(list), &details.full_id));
    let Some(listed) = listed else { return };
    let noted: Value = serde_json::from_str(str_of(&listed, "metadata")).unwrap_or_default();
    if details.created_s == 0 {
        details.created_s = match number(&noted, "created-at") {
            0 => time_s(str_of(&listed, "created")),
            at => at,
        };
    }
    // CRI-O gives a name here that is not the pod's word for it, and has told that one already.
    if details.name == details.id {
        let first = texts(&listed, "names").into_iter().next();
        details.name = first.unwrap_or_else(|| details.name.clone());
    }
    str_of(&listed, "image").clone_into(&mut details.image_id);
    let name = str_of(&noted, "image-name");
    if !name.is_empty() {
        let parts = ImageName::parse(name);
        name.clone_into(&mut details.image);
        parts.repository.clone_into(&mut details.image_repository);
        parts.tag.clone_into(&mut details.image_tag);
        parts.digest.clone_into(&mut details.image_digest);
    }
    let Some(image) = find(images, &details.image_id) else { return };
    if details.image_digest.is_empty() {
        str_of(&image, "digest").clone_into(&mut details.image_digest);
    }
    inspect::add_image_names(details, &texts(&image, "names"), &[]);
}

//! Docker's `containers/ID/{config.v2,hostconfig}.json`: the parts of an `inspect` document.

use std::path::Path;

use serde_json::{Value, json};

use super::files;
use crate::{Details, Kind, Why, inspect};

pub(super) fn look_up(root: &Path, full_id: &str) -> Result<Details, Why> {
    if !root.is_dir() {
        return Err(Why::NoRuntime);
    }
    let own = root.join("containers").join(full_id);
    let Value::Object(mut config) = files::json(&own.join("config.v2.json"))? else {
        return Err(Why::BadAnswer);
    };
    // Without it what it would tell is at its defaults.
    let host = files::json(&own.join("hostconfig.json")).unwrap_or_default();
    let mounts = match config.remove("MountPoints") {
        Some(Value::Object(by_dest)) => {
            by_dest.into_iter().map(|(_, mount)| named_mode(mount)).collect()
        }
        _ => Vec::new(),
    };
    config.insert("Mounts".to_owned(), Value::Array(mounts));
    config.insert("HostConfig".to_owned(), host);
    let inspected = Value::Object(config);
    let mut details = inspect::details(Kind::Docker, full_id, &inspected).ok_or(Why::BadAnswer)?;
    let driver = inspected["Driver"].as_str().filter(|d| files::is_name(d)).unwrap_or("overlay2");
    let names = files::json(&root.join("image").join(driver).join("repositories.json"));
    let image = image_of(&names.unwrap_or_default(), &details.image_id);
    inspect::add_image(&mut details, &image);
    Ok(details)
}

/// What `inspect` calls the mode of a mount is written under another name.
fn named_mode(mut mount: Value) -> Value {
    if let Value::Object(mount) = &mut mount
        && let Some(mode) = mount.remove("Relabel")
    {
        mount.insert("Mode".to_owned(), mode);
    }
    mount
}

/// The names that an image goes by, as its own `inspect` document lists them.
fn image_of(names: &Value, image_id: &str) -> Value {
    let repositories = names["Repositories"].as_object().into_iter().flatten();
    let all = repositories.filter_map(|(_, names)| names.as_object()).flatten();
    let own = all.filter(|(_, id)| {
        id.as_str().and_then(|id| id.strip_prefix("sha256:")).is_some_and(|id| id == image_id)
    });
    let (digests, tags): (Vec<_>, Vec<_>) =
        own.map(|(name, _)| name.clone()).partition(|name| name.contains('@'));
    json!({"RepoDigests": digests, "RepoTags": tags})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_that_are_no_object_are_bad_answers() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("containers/c");
        std::fs::create_dir_all(&own).unwrap();
        for text in ["[]", "7", "null", "\"x\"", "{"] {
            std::fs::write(own.join("config.v2.json"), text).unwrap();
            assert_eq!(look_up(root.path(), "c"), Err(Why::BadAnswer), "{text}");
        }
    }
}

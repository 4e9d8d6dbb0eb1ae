//! What a test file says that a runtime told of containers.

use anyhow::{Context as _, Result, bail};
use containers::{Container, Details, ImageName};
use stages::Containers;

use super::tree::container;
use super::written::{ContainerKeys, TestFile};

/// Makes known what the file says of containers, from the beginning.
pub(super) fn tell(file: &TestFile, all: &Containers) -> Result<()> {
    for (id, keys) in &file.containers {
        if !all.known(details(&id.0, keys)?) {
            bail!("the file says too much of its containers");
        }
    }
    Ok(())
}

fn details(id: &str, keys: &ContainerKeys) -> Result<Details> {
    let ContainerKeys { name, image, privileged, labels } = keys;
    let cgroups = format!("={}\0", container(id)?);
    let container = Container::of_cgroups(cgroups.as_bytes());
    let parts = ImageName::parse(&image.0);
    let labels = labels.iter().map(|(key, value)| (key.clone(), value.0.clone())).collect();
    Some(Details {
        id: container.id().to_owned(),
        full_id: container.full_id().to_owned(),
        name: name.0.clone(),
        kind: container.kind().as_str(),
        image: image.0.clone(),
        image_repository: parts.repository.to_owned(),
        image_tag: parts.tag.to_owned(),
        image_digest: parts.digest.to_owned(),
        privileged: *privileged,
        labels,
        ..Details::default()
    })
    .filter(|details| details.id != "host")
    .with_context(|| format!("`{id}` is no container's id"))
}

//! containerd's own services, for containers that CRI does not know: those of `ctr` and nerdctl.

use std::path::Path;

use super::containerd_messages::{
    GetContainerResponse, GetImageResponse, GetRequest, ListNamespacesRequest,
    ListNamespacesResponse,
};
use super::grpc::Client;
use crate::image::ImageName;
use crate::{Details, Kind, Why, disk};

const NAMESPACES: &str = "/containerd.services.namespaces.v1.Namespaces/List";
const CONTAINERS: &str = "/containerd.services.containers.v1.Containers/Get";
const IMAGES: &str = "/containerd.services.images.v1.Images/Get";
/// Namespaces looked into at most.
const MAX_NAMESPACES: usize = 64;

/// Asks each namespace for a container.
pub(crate) async fn look_up(socket: &Path, kind: Kind, full_id: &str) -> Result<Details, Why> {
    let mut client = Client::connect(socket).await?;
    let ListNamespacesResponse { namespaces } =
        client.call(NAMESPACES, None, ListNamespacesRequest {}).await?;
    for namespace in namespaces.into_iter().take(MAX_NAMESPACES) {
        match in_namespace(&mut client, &namespace.name, kind, full_id).await {
            Err(Why::NotFound) => {}
            outcome => return outcome,
        }
    }
    Err(Why::NotFound)
}

async fn in_namespace(
    client: &mut Client,
    namespace: &str,
    kind: Kind,
    full_id: &str,
) -> Result<Details, Why> {
    let by_id = GetRequest { id: full_id.to_owned() };
    let GetContainerResponse { container } =
        client.call(CONTAINERS, Some(namespace), by_id).await?;
    let container = container.filter(|c| c.id == full_id).ok_or(Why::BadAnswer)?;
    let spec = container.spec.map(|spec| spec.value).unwrap_or_default();
    // Podman and Docker write no image here; a specification in another form than JSON is passed over.
    let spec = serde_json::from_slice(&spec).unwrap_or_default();
    let mut details = disk::of_spec(kind, full_id, &spec);
    if !container.image.is_empty() {
        let parts = ImageName::parse(&container.image);
        details.image_repository = parts.repository.to_owned();
        details.image_tag = parts.tag.to_owned();
        let by_name = GetRequest { id: container.image.clone() };
        // Without it the digest is missing, and nothing else.
        let image: Result<GetImageResponse, _> =
            client.call(IMAGES, Some(namespace), by_name).await;
        let digest = image.ok().and_then(|i| i.image?.target).map(|target| target.digest);
        details.image_digest = digest.unwrap_or_else(|| parts.digest.to_owned());
        details.image = container.image;
    }
    if let Some(name) = container.labels.get("nerdctl/name") {
        details.name.clone_from(name);
    }
    if !container.sandbox.is_empty() {
        details.pod_sandbox_id = container.sandbox;
    }
    details.is_pod_sandbox |=
        container.labels.get("io.cri-containerd.kind").is_some_and(|kind| kind == "sandbox");
    details.created_s = container.created_at.map_or(0, |at| at.seconds);
    details.labels.extend(container.labels);
    Ok(details)
}

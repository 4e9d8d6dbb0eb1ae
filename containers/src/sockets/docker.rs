//! Docker's API, and Podman's own beside the one it has like Docker's.

use std::path::Path;

use super::{http, is_plain};
use crate::{Details, Kind, Why, inspect};

/// Asks for a container, its image, and whose network it shares.
pub(crate) async fn ask_docker(socket: &Path, kind: Kind, full_id: &str) -> Result<Details, Why> {
    if !is_plain(full_id) {
        return Err(Why::NotFound);
    }
    let found = http::get(socket, &format!("/containers/{full_id}/json")).await?;
    let mut details = inspect::details(kind, full_id, &found).ok_or(Why::BadAnswer)?;
    if is_plain(&details.image_id) {
        // Without it the digest is missing, and nothing else.
        if let Ok(image) = http::get(socket, &format!("/images/{}/json", details.image_id)).await {
            inspect::add_image(&mut details, &image);
        }
    }
    if details.ip.is_empty()
        && let Some(other) = inspect::network_of(&found).filter(|id| is_plain(id))
        && let Ok(other) = http::get(socket, &format!("/containers/{other}/json")).await
    {
        details.ip = inspect::address(&other["NetworkSettings"]);
    }
    Ok(details)
}

/// Asks Podman by its own API, which tells the image's name and digest with the container.
pub(crate) async fn ask_podman(socket: &Path, full_id: &str) -> Result<Details, Why> {
    if !is_plain(full_id) {
        return Err(Why::NotFound);
    }
    // Any Podman from 4.0 on answers to this version.
    let found = match http::get(socket, &format!("/v4.0.0/libpod/containers/{full_id}/json")).await
    {
        // Older ones have what is like Docker's.
        Err(Why::BadAnswer) => return ask_docker(socket, Kind::Podman, full_id).await,
        found => found?,
    };
    let mut details = inspect::details(Kind::Podman, full_id, &found).ok_or(Why::BadAnswer)?;
    if details.ip.is_empty()
        && let Some(other) = inspect::network_of(&found).filter(|id| is_plain(id))
        && let Ok(other) =
            http::get(socket, &format!("/v4.0.0/libpod/containers/{other}/json")).await
    {
        details.ip = inspect::address(&other["NetworkSettings"]);
    }
    Ok(details)
}

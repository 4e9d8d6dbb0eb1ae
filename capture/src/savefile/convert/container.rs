//! The oldest container events have parameters where newer ones have JSON text.

use crate::savefile::SavedEvent;

/// Appends the text, with its final NUL.
pub(super) fn write_json(event: &SavedEvent<'_>, out: &mut Vec<u8>) {
    let text = |n: usize| {
        let bytes = event.param(n).unwrap_or_default();
        String::from_utf8_lossy(bytes.strip_suffix(&[0]).unwrap_or(bytes)).into_owned()
    };
    let kind = event.param(1).and_then(|b| b.as_array()).map_or(0, |b| u32::from_le_bytes(*b));
    let json = serde_json::json!({
        "container": { "id": text(0), "image": text(3), "name": text(2), "type": kind }
    });
    out.extend_from_slice(json.to_string().as_bytes());
    out.push(0);
}

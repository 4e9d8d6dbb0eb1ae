//! `container.*`: what the cgroup tells. Images and names come from the runtime, and are missing without it.

use rules::{Field, Value};

use super::EventFields;

impl EventFields<'_> {
    pub(super) fn container(&self, field: Field) -> Option<Value<'_>> {
        let container = &self.version()?.container;
        let text = match field {
            Field::ContainerId => container.id(),
            Field::ContainerFullId => container.full_id(),
            Field::ContainerType => container.kind().as_str(),
            Field::ContainerName if container.is_host() => container.id(),
            _ => return None,
        };
        Some(Value::Bytes(text.as_bytes()))
    }
}

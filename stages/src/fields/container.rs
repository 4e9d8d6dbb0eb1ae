//! `container.*`: what the cgroup tells. Images and names come from the runtime, and are missing without it.

use rules::{ContainerField as Field, Value};

use super::EventFields;

impl EventFields<'_> {
    pub(super) fn container(&self, field: Field) -> Option<Value<'_>> {
        let container = &self.version()?.container;
        let text = match field {
            Field::ContainerId => container.id(),
            Field::ContainerFullId => container.full_id(),
            Field::ContainerType => container.kind().as_str(),
            // The runtime would know the others.
            Field::ContainerName => container.is_host().then(|| container.id())?,
        };
        Some(Value::Bytes(text.as_bytes()))
    }
}

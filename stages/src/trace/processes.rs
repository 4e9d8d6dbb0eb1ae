//! The processes that live at a moment of a trace, for whoever writes them into another recording.

use std::sync::Arc;

use bus::Key;

use super::Tracer;
use crate::state::{Ancestor, Version};

/// A process that lives.
#[derive(Clone, Debug)]
pub struct LivingProcess {
    /// Process id.
    pub tgid: u32,
    /// The frame that made it known.
    pub born: Key,
    /// Process id of its parent; 0 where there is none.
    pub parent_tgid: u32,
    /// What it is now.
    pub version: Arc<Version>,
}

impl Tracer {
    /// The processes that live after the last frame, by id.
    #[must_use]
    pub fn processes(&self) -> Vec<LivingProcess> {
        let now = Key(u64::MAX);
        let living = self.lineage.newest().filter_map(|node| {
            let version = node.as_of(now).filter(|v| v.is_alive())?;
            let parent_tgid = match self.lineage.parent(0, &version, now) {
                Ok(Ancestor::Known(parent, ..)) => parent.tgid,
                Ok(Ancestor::Unknown(tgid)) => tgid,
                Ok(Ancestor::None) | Err(_) => 0,
            };
            Some(LivingProcess { tgid: node.tgid, born: node.born, parent_tgid, version })
        });
        living.collect()
    }
}

//! What benches and tests of many rules share: rules in the manner of the official ones, and events to hold them against.

pub(crate) mod events;
pub(crate) mod official_like;
pub(crate) mod random;

//! Merge, parse, state, fields and detect: one shard.

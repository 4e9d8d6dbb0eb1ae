//! Falco rules from text to an immutable ruleset.

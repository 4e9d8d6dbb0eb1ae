//! Delivers alerts to sinks.

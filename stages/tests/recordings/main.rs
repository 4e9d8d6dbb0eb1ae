//! Recordings of the corpus, event by event: what other programs print of an event is what our fields say of it. The corpus is found
//! through `PEREGRINE_CORPUS`; what differs stands in `differences.tsv`, with the reason.

mod conditions;
mod differences;
mod every_field;
mod fields;
mod golden;
mod replayed;
#[path = "../support/mod.rs"]
mod support;

//! The laboratory: programs are measured as processes, by what definitions say, and nothing of them is linked.
//!
//! `definitions (TOML) -> engines in turns, round by round -> samples -> record (raw lines, machine, definitions) -> report | compare`

mod bars;
mod child;
mod compare;
mod definition;
mod engine;
mod figure;
mod idle;
mod latency;
mod machine;
mod made_rules;
mod measure;
mod procfs;
mod record;
mod replay;
mod report;
mod rounds;
mod sample;
mod storm;
mod svg;
mod values;
mod work;

pub(crate) use compare::Compare;
pub(crate) use measure::Measure;
pub(crate) use record::Record;
pub(crate) use report::Report;

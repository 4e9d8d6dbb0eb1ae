//! A machine of any number of CPUs in virtual time, on one thread: the real capture threads over synthetic rings, the real lanes, watermarks,
//! shards and rules; only the clock, the CPUs and what work costs are simulated.

pub(crate) mod costs;
pub(crate) mod cpu;
pub(crate) mod engine;
pub(crate) mod load;
pub(crate) mod machine;
pub(crate) mod report;

//! The agent: from the command line to a running pipeline and back to its accounts.
//!
//! `arguments -> cli -> config -> (rules, sinks, socket, kernel | savefile) -> plan -> topology -> end -> table`
//!
//! ```no_run
//! let arguments = ["peregrine", "--scope-pid", "1"].map(Into::into);
//! // The allocator is the program's own affair: this one keeps what it has.
//! let code: std::process::ExitCode = agent::main(arguments, agent::GiveBack { all: || (), of_this_thread: || () });
//! ```

#![forbid(unsafe_code)]

mod capture_on_alert;
mod capture_threads;
mod cli;
mod config;
mod config_command;
mod container_lookups;
mod container_notes;
mod control;
mod demand;
mod doctor;
mod drop_alerts;
mod events_command;
mod falco_flags;
mod fields_command;
mod file_digests;
mod give_back;
mod host;
mod identity;
mod internal_alerts;
mod lanes;
mod launch;
mod lifecycle;
mod live;
mod metrics;
mod name_lookups;
mod nap;
mod need;
mod needed_command;
mod outbox_watch;
mod plan;
mod playback_demand;
mod privileges;
mod progress;
mod push_down;
mod recorder;
mod reload_alerts;
mod reload_thread;
mod repair;
mod replay;
mod request;
mod rule_commands;
mod rule_files;
mod rule_load;
mod rules_at_work;
mod run;
mod sandbox;
mod savefile_errors;
mod savefile_users;
mod self_alerts;
mod shards;
mod signals;
mod sink_threads;
mod start;
mod stats;
mod supervisor;
mod telling;
mod thread_loads;
mod top;
mod topology;
mod trace;
mod unclean_stop;
mod visible;
mod watched_files;
mod web;

pub use config::{Judged as JudgedConfiguration, judge as judge_configuration};
pub use give_back::GiveBack;
pub use run::main;

//! The command line of `peregrine record FILE [FILTER] [-- COMMAND]`: that of a trace with `-w FILE`, which prints nothing.

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::args::TraceArgs;

/// A trace that is written.
#[derive(Debug)]
pub(crate) struct RecordArgs(TraceArgs);

impl RecordArgs {
    pub(crate) fn into_trace(self) -> TraceArgs {
        self.0
    }
}

impl Args for RecordArgs {
    fn augment_args(command: Command) -> Command {
        let to_file = |arg: Arg| {
            arg.short(None)
                .long(None)
                .index(1)
                .required(true)
                .help("File to write (.scap; `-` is stdout)")
        };
        TraceArgs::augment_args(command)
            .mut_arg("write", to_file)
            .mut_arg("filter", |arg| arg.index(2))
            .mut_arg("command", |arg| arg.index(3))
            .about("Record what the running kernel does, all or what a filter picks (as `trace -q -w FILE`)")
            .long_about(None)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for RecordArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        TraceArgs::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

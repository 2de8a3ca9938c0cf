//! The commands, one file each: arguments become settings, and settings become a run.

pub mod check;
pub mod doctor;
pub mod explain;
pub mod ports;
pub mod record;
pub mod report;
pub mod schema;
pub mod serve;
pub mod settings;
pub mod storm;
pub mod top;
pub mod trace;
pub mod whatif;

use std::process::ExitCode;

use anyhow::Result;
use log::LevelFilter;

use crate::{cli::Command, messages};

/// Runs a command. `level` is the verbosity on standard error.
pub fn execute(command: Command, level: LevelFilter) -> Result<ExitCode> {
    let log_level = messages::kernel_log_level(level);
    match command {
        Command::Trace(args) => trace::run(args, log_level),
        Command::Check(args) => check::run(args),
        Command::Storm(args) => storm::run(args, log_level),
        Command::Whatif(args) => whatif::run(&args),
        Command::Top(args) => top::run(args, log_level),
        Command::Doctor(args) => doctor::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Ports(args) => ports::run(&args),
        Command::Record(args) => record::run(args, log_level),
        Command::Report(args) => report::run(&args),
        Command::Serve(args) => serve::run(args, log_level),
        Command::Schema(args) => schema::run(&args),
    }
}

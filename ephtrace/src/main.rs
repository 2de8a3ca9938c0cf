//! The binary: parse, log, run, exit code.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;
use ephtrace::{
    cli::{Cli, Command},
    commands::{
        check, doctor, ports, record, report, settings::UsageError, storm, top, trace, whatif,
    },
    messages,
};
use log::LevelFilter;

fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.into_command(),
        Err(error) => return messages::misunderstood(&error),
    };
    let level = command.verbosity().level();
    messages::init_log(level);
    match execute(command, level) {
        Ok(code) => code,
        Err(error) if messages::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            messages::tell(&error);
            ExitCode::from(if error.is::<UsageError>() { 2 } else { 1 })
        }
    }
}

fn execute(command: Command, level: LevelFilter) -> Result<ExitCode> {
    let log_level = messages::kernel_log_level(level);
    match command {
        Command::Trace(args) => trace::run(args, log_level),
        Command::Check(args) => check::run(args),
        Command::Storm(args) => storm::run(args, log_level),
        Command::Whatif(args) => whatif::run(&args),
        Command::Top(args) => top::run(args, log_level),
        Command::Doctor(args) => doctor::run(&args),
        Command::Ports(args) => ports::run(&args),
        Command::Record(args) => record::run(args, log_level),
        Command::Report(args) => report::run(&args),
    }
}

//! The binary: parse, log, run, exit code.

use std::process::ExitCode;

use clap::Parser as _;
use ephtrace::{
    cli::Cli,
    commands::{self, settings::UsageError},
    messages,
};

fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.into_command(),
        Err(error) => return messages::misunderstood(&error),
    };
    let level = command.verbosity().level();
    messages::init_log(level);
    match commands::execute(command, level) {
        Ok(code) => code,
        Err(error) if messages::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            messages::tell(&error);
            ExitCode::from(if error.is::<UsageError>() { 2 } else { 1 })
        }
    }
}

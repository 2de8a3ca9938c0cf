//! The binary: parse, log, run, exit code.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Result;
use clap::Parser as _;
use ephtrace::{
    cli::{Cli, Command, DoctorArgs},
    doctor,
    kernel::support::Support,
    messages, ports, record, report, run,
    settings::{Settings, UsageError, check::CheckSettings},
    whatif,
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
    match command {
        Command::Trace(args) => {
            run::trace(&Settings::try_from(args)?, messages::kernel_log_level(level))?;
        }
        Command::Check(args) => {
            return run::check(CheckSettings::try_from(args).map_err(Into::into));
        }
        Command::Storm(args) => {
            run::storm(&args.try_into()?, messages::kernel_log_level(level))?;
        }
        Command::Whatif(args) => whatif::run(&args)?,
        Command::Top(args) => run::top(args, messages::kernel_log_level(level))?,
        Command::Doctor(args) => return diagnose(&args),
        Command::Ports(args) => ports::run(&args)?,
        Command::Record(args) => record::run(args, messages::kernel_log_level(level))?,
        Command::Report(args) => report::run(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn diagnose(args: &DoctorArgs) -> Result<ExitCode> {
    let report = doctor::examine(&Support::gather(args.btf.as_deref()));
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        report.write_text(&mut out, args.verbosity.verbose > 0)?;
    }
    Ok(if report.can_trace() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

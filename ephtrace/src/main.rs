//! The binary: parse, log, run, exit code.

use std::{
    io::{self, ErrorKind, Write as _},
    process::ExitCode,
};

use anyhow::Result;
use clap::Parser as _;
use ephtrace::{
    cli::{Cli, Command, DoctorArgs},
    doctor,
    kernel::support::Support,
    report, run,
    settings::{Settings, UsageError},
};
use log::LevelFilter;

fn main() -> ExitCode {
    let command = Cli::parse().into_command();
    let level = command.verbosity().level();
    init_log(level);
    match execute(command, level) {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Where standard error is closed there is nobody to tell.
            let _ = writeln!(io::stderr(), "ephtrace: {}", without_numbers(&format!("{error:#}")));
            ExitCode::from(if error.is::<UsageError>() { 2 } else { 1 })
        }
    }
}

fn execute(command: Command, level: LevelFilter) -> Result<ExitCode> {
    match command {
        Command::Trace(args) => run::trace(&Settings::try_from(args)?, kernel_log_level(level))?,
        Command::Doctor(args) => return diagnose(&args),
        Command::Report(args) => report::run(&args, &mut io::stdout().lock(), &mut io::stderr())?,
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

/// Messages go to standard error; those of libraries only when everything is asked for.
fn init_log(level: LevelFilter) {
    let libraries = if level == LevelFilter::Trace { level } else { LevelFilter::Error };
    env_logger::Builder::new()
        .filter_level(libraries)
        .filter_module("ephtrace", level)
        .format_target(false)
        .init();
}

/// The kernel half logs from `-vv` on; below, its messages are not even compiled in by the kernel.
fn kernel_log_level(level: LevelFilter) -> u8 {
    if level < LevelFilter::Debug { 0 } else { level as u8 }
}

/// Drops what the standard library puts behind the system's own words: `(os error 28)`.
fn without_numbers(message: &str) -> String {
    let mut parts = message.split(" (os error ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once(')').map_or("", |(_, rest)| rest))
}

/// Whoever read the output has seen enough: no error.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|e| e.downcast_ref::<io::Error>())
        .any(|e| e.kind() == ErrorKind::BrokenPipe)
}

//! The binary: parse, log, run, exit code.

use std::process::ExitCode;

use clap::Parser as _;
use ephtrace::{
    cli::Cli,
    commands::{self, settings::UsageError},
    messages, output,
};

fn main() -> ExitCode {
    ignore_file_size_limit();
    let command = match Cli::try_parse() {
        Ok(cli) => cli.into_command(),
        Err(error) => return messages::misunderstood(&error),
    };
    let level = command.verbosity().level();
    messages::init_log(level);
    match commands::execute(command, level) {
        Ok(_) if let Some(signal) = output::stuck::unread() => {
            messages::tell_unread();
            ExitCode::from(u8::try_from(128 + signal).unwrap_or(1))
        }
        Ok(code) => code,
        Err(error) if messages::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            messages::tell(&error);
            ExitCode::from(if error.is::<UsageError>() { 2 } else { 1 })
        }
    }
}

/// A file that reaches the limit of the shell (`ulimit -f`) is then an error that can be told
/// (`EFBIG`); by default, the kernel kills the process without a word.
fn ignore_file_size_limit() {
    // SAFETY: sets how one signal is taken, before there are other threads, and runs no handler.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

//! The binary: parse, log, run, exit code.

use std::{io, process::ExitCode};

use clap::{CommandFactory as _, Parser as _};
use ephtrace::{
    cli::Cli,
    commands::{self, settings::UsageError},
    messages,
    model::escape::shown,
    output,
};

fn main() -> ExitCode {
    set_signals();
    let command = match Cli::try_parse() {
        Ok(cli) => cli.into_command(),
        Err(error) => return messages::misunderstood(shown_safely(error)),
    };
    let verbosity = command.verbosity();
    output::set_colour(verbosity.color.into());
    output::progress::set_quiet(verbosity.quiet);
    let level = verbosity.level();
    messages::init_log(level);
    match commands::execute(command, level) {
        Ok(_) if let Some(signal) = output::stuck::unread() => {
            messages::tell_unread();
            ExitCode::from(u8::try_from(128 + signal).unwrap_or(1))
        }
        Ok(code) => code,
        Err(error) if messages::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let is_usage = error.is::<UsageError>();
            let colour = output::screen::shows_colour(&io::stderr());
            messages::tell(&error, is_usage, &Cli::command(), colour);
            ExitCode::from(if is_usage { 2 } else { 1 })
        }
    }
}

/// An error about the same words, escaped where they would move the cursor or turn the direction:
/// clap repeats them as they are.
fn shown_safely(error: clap::Error) -> clap::Error {
    let typed = std::env::args_os().map(|word| shown(&word).to_string());
    Cli::try_parse_from(typed).err().unwrap_or(error)
}

/// How signals are taken, before a run takes some of them itself.
///
/// A file that reaches the limit of the shell (`ulimit -f`) is then an error that can be told
/// (`EFBIG`); by default, the kernel kills the process without a word. Scripts start what is in the
/// background with SIGINT and SIGQUIT ignored, and then send them: they end each command.
fn set_signals() {
    let set = [
        (libc::SIGXFSZ, libc::SIG_IGN),
        (libc::SIGINT, libc::SIG_DFL),
        (libc::SIGQUIT, libc::SIG_DFL),
    ];
    for (signal, action) in set {
        // SAFETY: sets how a signal is taken, before there are other threads; runs no handler.
        unsafe { libc::signal(signal, action) };
    }
}

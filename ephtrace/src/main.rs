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
            let paper = output::Paper::of(&io::stderr(), false);
            let style = (&Cli::command(), paper.colour);
            messages::tell(&error, is_usage, style, |text| paper.fit(text));
            ExitCode::from(if is_usage { 2 } else { 1 })
        }
    }
}

/// Returns the error about the same words with escapes for characters that would move the cursor or
/// turn the direction: clap repeats the words unchanged.
fn shown_safely(error: clap::Error) -> clap::Error {
    let typed = std::env::args_os().map(|word| shown(&word).to_string());
    Cli::try_parse_from(typed).err().unwrap_or(error)
}

/// Sets how signals are handled, before a run handles some of them itself.
///
/// A file that reaches the shell's limit (`ulimit -f`) then causes an error that can be reported
/// (`EFBIG`); by default, the kernel kills the process without a message. Scripts start background
/// commands with SIGINT and SIGQUIT ignored, and still send these signals: they end each command.
fn set_signals() {
    let set = [
        (libc::SIGXFSZ, libc::SIG_IGN),
        (libc::SIGINT, libc::SIG_DFL),
        (libc::SIGQUIT, libc::SIG_DFL),
    ];
    for (signal, action) in set {
        // SAFETY: the call sets how a signal is handled, before there are other threads; it runs no
        // handler.
        unsafe { libc::signal(signal, action) };
    }
}

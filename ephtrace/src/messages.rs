//! ephtrace's messages about itself on standard error: log messages, and the error with which it
//! ends.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{
    Command,
    error::{ContextKind, ContextValue, ErrorKind},
};
use log::LevelFilter;

/// Reports why ephtrace ends, in the style of clap's own errors. A closed standard error is no
/// reason to fail.
///
/// `command` has the colours, which are used if `colour`; `fit` breaks lines between words.
pub fn tell(
    error: &anyhow::Error,
    is_usage: bool,
    (command, colour): (&Command, bool),
    fit: impl Fn(&[u8]) -> Vec<u8>,
) {
    let mut text = without_numbers(&format!("{error:#}"));
    text.push_str(if is_usage { "\n\nFor more information, try '--help'.\n" } else { "\n" });
    let error = clap::Error::raw(ErrorKind::ValueValidation, text).with_cmd(command).render();
    let text = if colour { error.ansi().to_string() } else { error.to_string() };
    let _ = io::stderr().write_all(&fit(text.as_bytes()));
}

/// Reports that nobody read the end of the output.
pub fn tell_unread() {
    let _ = writeln!(
        io::stderr(),
        "ephtrace: the reader of the output is gone or too slow: the end of the output is \
         missing, and the last line may be truncated"
    );
}

/// Reports that the command line is invalid, or prints the help. `check` must not return 2, which
/// has another meaning to a monitoring system.
pub fn misunderstood(error: clap::Error) -> ExitCode {
    let is_check = std::env::args_os().nth(1).is_some_and(|command| command == "check");
    let code = if is_check && error.exit_code() != 0 { 3 } else { error.exit_code() };
    // A closed standard error is no reason to fail.
    let _ = named_alike(error).print();
    ExitCode::from(u8::try_from(code).unwrap_or(2))
}

/// Makes each error about a value name its option '--port', not `--port <PORTS>` as some of clap's
/// errors do.
fn named_alike(mut error: clap::Error) -> clap::Error {
    let typed = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let is_about_a_value =
        matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation);
    // For an option without a value, clap's text says which value is missing.
    if is_about_a_value && !typed(ContextKind::InvalidValue).is_empty() {
        let name = typed(ContextKind::InvalidArg);
        let name = name.split([' ', '=']).next().unwrap_or_default();
        let name = name.trim_matches(['[', ']', '<', '>', '.']).to_owned();
        error.insert(ContextKind::InvalidArg, ContextValue::String(name));
    }
    error
}

/// Sends messages to standard error; those of libraries only at the highest level.
pub fn init_log(level: LevelFilter) {
    let libraries = if level == LevelFilter::Trace { level } else { LevelFilter::Error };
    env_logger::Builder::new()
        .filter_level(libraries)
        .filter_module("ephtrace", level)
        .format_target(false)
        .init();
}

/// Returns the log level of the kernel half: it logs from `-vv` on; below, the kernel does not even
/// compile its messages in.
pub fn kernel_log_level(level: LevelFilter) -> u8 {
    if level < LevelFilter::Debug { 0 } else { level as u8 }
}

/// Removes the error number that the standard library appends to the system's message: `(os error
/// 28)`.
fn without_numbers(message: &str) -> String {
    let mut parts = message.split(" (os error ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once(')').map_or("", |(_, rest)| rest))
}

/// Returns true if the reader of the output has closed it, which is no error.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|e| e.downcast_ref::<io::Error>())
        .any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    fn told(line: &str) -> String {
        named_alike(Cli::try_parse_from(line.split(' ')).unwrap_err()).to_string()
    }

    #[test]
    fn errors_of_clap_read_as_those_of_ephtrace() {
        insta::assert_snapshot!(told("ephtrace -p x"), @"
        error: invalid value 'x' for '--pid': expected 0 to 4294967295

        For more information, try '--help'.
        ");
        insta::assert_snapshot!(told("ephtrace --count 0"), @"
        error: invalid value '0' for '--count': expected a whole number, 1 or more

        For more information, try '--help'.
        ");
        insta::assert_snapshot!(told("ephtrace --plot=big"), @"
        error: invalid value 'big' for '--plot'
          [possible values: auto, always, never]

        For more information, try '--help'.
        ");
        insta::assert_snapshot!(told("ephtrace storm 1 none"), @"
        error: invalid value 'none' for 'COUNT': expected a whole number, 1 or more

        For more information, try '--help'.
        ");
        insta::assert_snapshot!(told("ephtrace --duration"), @"
        error: a value is required for '--duration <TIME>' but none was supplied

        For more information, try '--help'.
        ");
        insta::assert_snapshot!(told("ephtrace whatif --sources 0"), @"
        error: invalid value '0' for '--sources': expected 1 to 65536

        For more information, try '--help'.
        ");
    }
}

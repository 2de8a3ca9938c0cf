//! What ephtrace says about itself on standard error: log messages, and the error that it ends
//! with.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{
    Command,
    error::{ContextKind, ContextValue, ErrorKind},
};
use log::LevelFilter;

/// Says why ephtrace ends, in the style of clap's own errors. Where standard error is closed there
/// is nobody to tell.
///
/// `command` has the colours, which are shown if `colour`.
pub fn tell(error: &anyhow::Error, is_usage: bool, command: &Command, colour: bool) {
    let mut text = without_numbers(&format!("{error:#}"));
    text.push_str(if is_usage { "\n\nFor more information, try '--help'.\n" } else { "\n" });
    let error = clap::Error::raw(ErrorKind::ValueValidation, text).with_cmd(command).render();
    let text = if colour { error.ansi().to_string() } else { error.to_string() };
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Says that the end of the output has gone nowhere.
pub fn tell_unread() {
    let _ = writeln!(
        io::stderr(),
        "ephtrace: the reader of the output is gone or too slow: the end of the output is \
         missing, and the last line may be truncated"
    );
}

/// The command line can't be understood, or asks for help. To a monitoring system 2 would mean
/// something else.
pub fn misunderstood(error: clap::Error) -> ExitCode {
    let is_check = std::env::args_os().nth(1).is_some_and(|command| command == "check");
    let code = if is_check && error.exit_code() != 0 { 3 } else { error.exit_code() };
    // Where nobody listens there is nobody to tell.
    let _ = named_alike(error).print();
    ExitCode::from(u8::try_from(code).unwrap_or(2))
}

/// An option is called '--port' in each error about its value, not '--port <PORTS>' in those of
/// clap.
fn named_alike(mut error: clap::Error) -> clap::Error {
    let typed = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let is_about_a_value =
        matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation);
    // Of an option without a value, clap's text tells which value is missing.
    if is_about_a_value && !typed(ContextKind::InvalidValue).is_empty() {
        let name = typed(ContextKind::InvalidArg);
        let name = name.split([' ', '=']).next().unwrap_or_default();
        let name = name.trim_matches(['[', ']', '<', '>', '.']).to_owned();
        error.insert(ContextKind::InvalidArg, ContextValue::String(name));
    }
    error
}

/// Messages go to standard error; those of libraries only when everything is asked for.
pub fn init_log(level: LevelFilter) {
    let libraries = if level == LevelFilter::Trace { level } else { LevelFilter::Error };
    env_logger::Builder::new()
        .filter_level(libraries)
        .filter_module("ephtrace", level)
        .format_target(false)
        .init();
}

/// The kernel half logs from `-vv` on; below, its messages are not even compiled in by the kernel.
pub fn kernel_log_level(level: LevelFilter) -> u8 {
    if level < LevelFilter::Debug { 0 } else { level as u8 }
}

/// Drops what the standard library puts behind the system's own words: `(os error 28)`.
fn without_numbers(message: &str) -> String {
    let mut parts = message.split(" (os error ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once(')').map_or("", |(_, rest)| rest))
}

/// Whoever read the output has seen enough: no error.
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
